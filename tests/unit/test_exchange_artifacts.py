"""Artifacts: what is saved is what is loaded, by whom it must be, and no lie in a manifest."""

from __future__ import annotations

import datetime as dt
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from linkkit import __version__
from linkkit.agreement import Agreement
from linkkit.errors import (
    AgreementError,
    MismatchError,
    NotAuthorizedError,
    SealError,
)
from linkkit.exchange import (
    ArtifactKind,
    Crosswalk,
    EncodedExtract,
    EncodingSpec,
    Filter,
    FilterSpec,
    Identity,
    Manifest,
    PayloadExtract,
    read_manifest,
)
from linkkit.exchange.artifacts import token_array
from linkkit.exchange.atomic import atomic_file, atomic_text
from linkkit.exchange.container import write_sealed

Identities = dict[str, Identity]

SPEC = EncodingSpec(
    profile="field",
    encoding_version=1,
    standardization_version=1,
    filters=(
        FilterSpec(name="given_name", kind="given_name", n_bits=128, n_hashes=3),
        FilterSpec(name="surname", kind="surname", n_bits=64, n_hashes=3),
    ),
)


def _tokens(n: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    tokens = np.random.default_rng(n).integers(0, 256, (n, 16), dtype=np.uint8)
    return tokens[np.lexsort(tokens.T[::-1])]


def _encoded(agreement: Agreement, *, n: int = 7, party: str = "district") -> EncodedExtract:
    rng = np.random.default_rng(20)
    present = rng.random((2, n)) < 0.7
    return EncodedExtract(
        party=party,
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        spec=SPEC,
        key_check="0123456789abcdef" * 2,
        one_record_per_person=True,
        tokens=_tokens(n),
        filters={
            item.name: Filter(
                words=np.where(
                    there[:, None],
                    rng.integers(0, 2**64, (n, item.n_words), dtype=np.uint64),
                    np.uint64(0),
                ),
                present=there,
            )
            for item, there in zip(SPEC.filters, present, strict=True)
        },
        counts={"rows": n + 2, "set_aside": 2},
    )


def _payload_table(n: int = 4) -> pa.Table:
    return pa.table(
        {
            "token": token_array(_tokens(n)),
            "year": pa.array([2024] * (n - 1) + [None], pa.int32()),
            "attendance_rate": pa.array([90.5 - i for i in range(n)]),
            "race_ethnicity": pa.array(["A", None, "C", "D"][:n]),
        }
    )


def _payload(agreement: Agreement) -> PayloadExtract:
    return PayloadExtract(
        party="district",
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        table=_payload_table(),
        counts={"rows": 4},
    )


def _crosswalk_table() -> pa.Table:
    tokens = _tokens(4)
    people = tokens[[0, 0, 2, 3]]
    return pa.table(
        {
            "party": ["summer", "district", "district", "jobs"],
            "token": token_array(tokens),
            "person_id": token_array(people),
        }
    )


def _crosswalk(agreement: Agreement) -> Crosswalk:
    return Crosswalk(
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        table=_crosswalk_table(),
    )


def _lie(
    path: Path,
    kind: ArtifactKind,
    table: pa.Table,
    agreement: Agreement,
    identities: Identities,
    *,
    sender: str = "district",
    recipient: str = "steward",
    **claims: Any,
) -> Path:
    """Write a rightly signed file whose sender put into it what it liked."""
    manifest = Manifest(
        **{
            "kind": kind,
            "agreement_id": agreement.id,
            "agreement_fingerprint": agreement.fingerprint,
            "sender": sender,
            "n_rows": table.num_rows,
            **claims,
        }
    )
    content = io.BytesIO()
    pq.write_table(table, content)
    return write_sealed(
        path,
        content.getvalue(),
        manifest=manifest,
        signer=identities[sender],
        recipients=[identities[recipient].public],
    )


def _lie_encoded(
    path: Path, table: pa.Table, agreement: Agreement, identities: Identities, **claims: Any
) -> Path:
    claims = {"party": "district", "spec": SPEC, "key_check": "0" * 32, **claims}
    return _lie(
        path,
        "encoded-extract",
        table,
        agreement,
        identities,
        **{"recipient": "linkage_unit", **claims},
    )


# --- What is saved is what is loaded ---------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 7, 1000])
def test_an_encoded_extract_comes_back(
    n: int, tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    sent = _encoded(agreement, n=n)
    path = sent.save(
        tmp_path / "district.encodings", agreement=agreement, identity=identities["district"]
    )
    got = EncodedExtract.load(path, agreement=agreement, identity=identities["linkage_unit"])
    for name in (
        "party",
        "agreement_id",
        "agreement_fingerprint",
        "spec",
        "key_check",
        "one_record_per_person",
        "counts",
    ):
        assert getattr(got, name) == getattr(sent, name), name
    assert got.tokens.dtype == np.uint8
    np.testing.assert_array_equal(got.tokens, sent.tokens)
    assert list(got.filters) == ["given_name", "surname"]
    for name, item in got.filters.items():
        assert item.words.dtype == np.uint64
        assert item.present.dtype == np.bool_
        np.testing.assert_array_equal(item.words, sent.filters[name].words)
        np.testing.assert_array_equal(item.present, sent.filters[name].present)
    assert len(got) == n


def test_bits_under_a_missing_field_do_not_travel(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    words = np.full((7, 1), 2**63 + 5, dtype=np.uint64)
    there = np.array([True, False] * 3 + [False])
    sent = _encoded(agreement)
    sent = replace(sent, filters={**sent.filters, "surname": Filter(words=words, present=there)})
    path = sent.save(tmp_path / "a", agreement=agreement, identity=identities["district"])
    got = EncodedExtract.load(path, agreement=agreement, identity=identities["linkage_unit"])
    assert got.filters["surname"].words[~there].max() == 0
    assert (got.filters["surname"].words[there] == 2**63 + 5).all()


def test_words_are_the_same_on_a_big_endian_machine(agreement: Agreement) -> None:
    sent = _encoded(agreement)
    swapped = replace(
        sent,
        filters={
            name: Filter(words=item.words.astype(">u8"), present=item.present)
            for name, item in sent.filters.items()
        },
    )
    assert swapped.to_arrow().equals(sent.to_arrow())


def test_a_payload_extract_comes_back(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    sent = _payload(agreement)
    path = sent.save(tmp_path / "a", agreement=agreement, identity=identities["district"])
    got = PayloadExtract.load(path, agreement=agreement, identity=identities["steward"])
    assert got.table.equals(sent.table)
    assert (got.party, got.counts) == ("district", {"rows": 4})
    assert got.variables == ("attendance_rate", "race_ethnicity")
    assert len(got) == 4


def test_a_crosswalk_comes_back(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    sent = _crosswalk(agreement)
    path = sent.save(tmp_path / "a", agreement=agreement, identity=identities["linkage_unit"])
    got = Crosswalk.load(path, agreement=agreement, identity=identities["steward"])
    assert got.table.equals(sent.table)
    assert (len(got), got.n_people) == (4, 3)
    assert got.parties == ("district", "jobs", "summer")


def test_a_crosswalk_as_a_frame_shows_hexadecimal(agreement: Agreement) -> None:
    frame = _crosswalk(agreement).to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == ["party", "token", "person_id"]
    assert frame["token"].tolist() == [row.tobytes().hex() for row in _tokens(4)]
    assert frame["person_id"].iloc[0] == frame["person_id"].iloc[1]


def test_notes_of_the_engine_that_made_a_table_do_not_travel(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    table = _payload_table().replace_schema_metadata({"pandas": "MARKER-7731"})
    sent = replace(_payload(agreement), table=table)
    path = sent.save(tmp_path / "a", agreement=agreement, identity=identities["district"])
    got = PayloadExtract.load(path, agreement=agreement, identity=identities["steward"])
    assert not got.table.schema.metadata


def test_what_a_file_says_in_the_clear_is_counts_and_digests(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    path = _encoded(agreement).save(
        tmp_path / "a", agreement=agreement, identity=identities["district"]
    )
    manifest = read_manifest(path)
    assert manifest.sealed_at is not None
    assert abs(dt.datetime.now(dt.UTC) - manifest.sealed_at) < dt.timedelta(minutes=5)
    assert manifest.model_dump(exclude={"sealed_at"}) == {
        "format": "linkkit-file/1",
        "kind": "encoded-extract",
        "made_by": f"linkkit {__version__}",
        "agreement_id": agreement.id,
        "agreement_fingerprint": agreement.fingerprint,
        "sender": "district",
        "n_rows": 7,
        "party": "district",
        "one_record_per_person": True,
        "spec": SPEC.model_dump(),
        "key_check": "0123456789abcdef" * 2,
        "project": None,
        "counts": {"rows": 9, "set_aside": 2},
        "epoch": 1,
    }


def test_tokens_and_payload_cannot_be_read_in_the_file(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    table = pa.table(
        {
            "token": token_array(_tokens(1)),
            "year": pa.array([2024], pa.int32()),
            "race_ethnicity": ["MARKER-7731"],
        }
    )
    path = replace(_payload(agreement), table=table).save(
        tmp_path / "a", agreement=agreement, identity=identities["district"]
    )
    content = path.read_bytes()
    assert b"MARKER-7731" not in content
    assert _tokens(1).tobytes() not in content
    assert b"PAR1" not in content


def test_sealing_twice_gives_two_different_files(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    extract, district = _encoded(agreement), identities["district"]
    one = extract.save(tmp_path / "a", agreement=agreement, identity=district).read_bytes()
    other = extract.save(tmp_path / "b", agreement=agreement, identity=district).read_bytes()
    assert len(one) == len(other)
    assert one[-200:] != other[-200:]


def test_artifacts_show_counts_and_no_content(agreement: Agreement) -> None:
    assert repr(_encoded(agreement)) == (
        "<EncodedExtract of 'district': 7 records, 2 filters, profile 'field'>"
    )
    assert repr(_payload(agreement)) == "<PayloadExtract of 'district': 4 rows, 2 variables>"
    assert repr(_crosswalk(agreement)) == "<Crosswalk: 4 records, 3 people>"
    assert "words" not in repr(_encoded(agreement).filters["surname"])


def test_artifacts_are_frozen(agreement: Agreement) -> None:
    with pytest.raises(FrozenInstanceError):
        _encoded(agreement).party = "jobs"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        SPEC.profile = "other"


def test_a_spec_has_one_digest(agreement: Agreement) -> None:
    again = EncodingSpec.model_validate_json(SPEC.model_dump_json())
    assert again.digest == SPEC.digest
    other = SPEC.model_copy(update={"filters": SPEC.filters[::-1]})
    assert EncodingSpec.model_validate(other.model_dump()).digest != SPEC.digest


@pytest.mark.parametrize(
    "change", [{"n_bits": 100}, {"n_bits": 0}, {"n_hashes": 0}, {"kind": "x"}, {"more": 1}]
)
def test_a_filter_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FilterSpec(**{"name": "a", "kind": "text", "n_bits": 64, "n_hashes": 1, **change})


# --- Who may write and who may read ----------------------------------------------------------


def test_a_party_cannot_write_in_the_name_of_another(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    with pytest.raises(NotAuthorizedError, match="not that of 'district'") as caught:
        _encoded(agreement).save(tmp_path / "a", agreement=agreement, identity=identities["summer"])
    assert caught.value.code == "not_authorized"
    assert caught.value.clause == "parties.district.public_key"
    assert list(tmp_path.iterdir()) == []


def test_only_the_linkage_unit_writes_a_crosswalk(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    with pytest.raises(NotAuthorizedError, match="not that of 'linkage_unit'") as caught:
        _crosswalk(agreement).save(
            tmp_path / "a", agreement=agreement, identity=identities["steward"]
        )
    assert caught.value.clause == "linkage_unit.public_key"
    assert list(tmp_path.iterdir()) == []


def test_a_stranger_cannot_write(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    with pytest.raises(NotAuthorizedError, match="has no party 'stranger'"):
        _encoded(agreement, party="stranger").save(
            tmp_path / "a", agreement=agreement, identity=identities["district"]
        )


def test_nothing_is_sealed_to_an_organization_without_a_key(
    tmp_path: Path, agreement_document: dict[str, Any], identities: Identities
) -> None:
    del agreement_document["steward"]["public_key"]
    agreement = Agreement.from_document(agreement_document)
    with pytest.raises(AgreementError, match=r"clause 'steward\.public_key' is missing"):
        _payload(agreement).save(
            tmp_path / "a", agreement=agreement, identity=identities["district"]
        )
    assert list(tmp_path.iterdir()) == []


def test_an_extract_of_another_agreement_is_not_written(
    tmp_path: Path,
    agreement: Agreement,
    agreement_document: dict[str, Any],
    identities: Identities,
) -> None:
    other = Agreement.from_document({**agreement_document, "title": "Amended"})
    with pytest.raises(MismatchError, match="another text of agreement") as caught:
        _encoded(agreement).save(tmp_path / "a", agreement=other, identity=identities["district"])
    assert caught.value.code == "mismatch"
    assert agreement.fingerprint[:12] in str(caught.value)
    assert other.fingerprint[:12] in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("reader", ["district", "summer", "steward"])
def test_encodings_are_opened_by_the_linkage_unit_alone(
    reader: str, tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    path = _encoded(agreement).save(
        tmp_path / "a", agreement=agreement, identity=identities["district"]
    )
    with pytest.raises(SealError, match="the file is sealed to somebody else") as caught:
        EncodedExtract.load(path, agreement=agreement, identity=identities[reader])
    assert caught.value.code == "seal"
    assert "the identity of the organization" in caught.value.hint


@pytest.mark.parametrize("reader", ["district", "linkage_unit"])
def test_payload_and_crosswalk_are_opened_by_the_steward_alone(
    reader: str, tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    payload = _payload(agreement).save(
        tmp_path / "a", agreement=agreement, identity=identities["district"]
    )
    crosswalk = _crosswalk(agreement).save(
        tmp_path / "b", agreement=agreement, identity=identities["linkage_unit"]
    )
    with pytest.raises(SealError, match="sealed to somebody else"):
        PayloadExtract.load(payload, agreement=agreement, identity=identities[reader])
    with pytest.raises(SealError, match="sealed to somebody else"):
        Crosswalk.load(crosswalk, agreement=agreement, identity=identities[reader])


def test_an_artifact_is_not_taken_for_another(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    path = _payload(agreement).save(
        tmp_path / "a", agreement=agreement, identity=identities["district"]
    )
    with pytest.raises(MismatchError, match="holds a payload-extract, not a crosswalk") as e:
        Crosswalk.load(path, agreement=agreement, identity=identities["steward"])
    assert e.value.hint == (
        "Wanted here is the crosswalk, which the linkage unit sends to the steward. This is "
        "PARTY.payload, which a partner sends to the steward."
    )
    with pytest.raises(MismatchError, match="holds a payload-extract, not an encoded-extract"):
        EncodedExtract.load(path, agreement=agreement, identity=identities["steward"])


def test_a_missing_file_is_said_to_be_missing(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    with pytest.raises(SealError, match=r"there is no file at '.*gone'") as caught:
        Crosswalk.load(tmp_path / "gone", agreement=agreement, identity=identities["steward"])
    assert caught.value.__context__ is None


# --- Manifests that lie ----------------------------------------------------------------------


@contextmanager
def _refused_sender(sender: str, artifact: str) -> Iterator[None]:
    with pytest.raises(NotAuthorizedError, match="may not send") as caught:
        yield
    assert caught.value.clause == "parties"
    assert caught.value.problems == (f"clause 'parties': '{sender}' may not send {artifact}",)
    assert caught.value.hint == "Do not use the file. Ask who sent it."


@pytest.mark.parametrize("n_rows", [0, 3, 5, 10**12])
def test_a_wrong_number_of_rows_is_refused(
    n_rows: int, tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    path = _lie(
        tmp_path / "a",
        "payload-extract",
        _payload_table(),
        agreement,
        identities,
        party="district",
        n_rows=n_rows,
    )
    with pytest.raises(SealError, match=f"does not hold the {n_rows} rows it states"):
        PayloadExtract.load(path, agreement=agreement, identity=identities["steward"])


def test_a_party_that_sends_for_another_is_refused(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    path = _lie_encoded(
        tmp_path / "a", _encoded(agreement).to_arrow(), agreement, identities, party="summer"
    )
    with _refused_sender("district", "an encoded-extract"):
        EncodedExtract.load(path, agreement=agreement, identity=identities["linkage_unit"])


@pytest.mark.parametrize("absent", ["spec", "key_check"])
def test_an_incomplete_manifest_is_refused(
    absent: str, tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    table = _encoded(agreement).to_arrow()
    path = _lie_encoded(tmp_path / "a", table, agreement, identities, **{absent: None})
    with pytest.raises(SealError, match="the file's manifest is incomplete"):
        EncodedExtract.load(path, agreement=agreement, identity=identities["linkage_unit"])


@pytest.mark.parametrize("content", [b"", b"PAR1?", b"PAR1" + bytes(40) + b"PAR1"])
def test_content_that_is_no_table_is_refused(
    content: bytes, tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    manifest = Manifest(
        kind="payload-extract",
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        sender="district",
        party="district",
        n_rows=4,
    )
    path = write_sealed(
        tmp_path / "a",
        content,
        manifest=manifest,
        signer=identities["district"],
        recipients=[identities["steward"].public],
    )
    with pytest.raises(SealError, match="the file of 'district' does not hold the 4 rows") as e:
        PayloadExtract.load(path, agreement=agreement, identity=identities["steward"])
    assert e.value.__context__ is None


@pytest.mark.parametrize("sender", ["district", "steward"])
def test_a_crosswalk_of_anybody_but_the_linkage_unit_is_refused(
    sender: str, tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    path = _lie(
        tmp_path / "a", "crosswalk", _crosswalk_table(), agreement, identities, sender=sender
    )
    with _refused_sender(sender, "a crosswalk"):
        Crosswalk.load(path, agreement=agreement, identity=identities["steward"])


@pytest.mark.parametrize("sender", ["linkage_unit", "steward"])
def test_extracts_of_anybody_but_a_party_are_refused(
    sender: str, tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    encodings = _lie_encoded(
        tmp_path / "a",
        _encoded(agreement).to_arrow(),
        agreement,
        identities,
        sender=sender,
        party=sender,
    )
    with _refused_sender(sender, "an encoded-extract"):
        EncodedExtract.load(encodings, agreement=agreement, identity=identities["linkage_unit"])


@pytest.mark.parametrize("party", [None, "linkage_unit", "summer"])
def test_payload_of_no_party_is_refused(
    party: str | None, tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    sender = "linkage_unit" if party == "linkage_unit" else "district"
    path = _lie(
        tmp_path / "a",
        "payload-extract",
        _payload_table(),
        agreement,
        identities,
        sender=sender,
        party=party,
    )
    with _refused_sender(sender, "a payload-extract"):
        PayloadExtract.load(path, agreement=agreement, identity=identities["steward"])


_OTHER_COLUMNS = (
    r"^the file of '\w+' does not hold the columns that such a file has, "
    "or its tokens are not whole\n"
)


def _with(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.drop_columns(["token"]),
        lambda table: table.drop_columns(["surname"]),
        lambda table: _with(table, "token", pa.array(["MARKER"] * 7)),
        lambda table: _with(table, "token", pa.array([b"x" * 15] * 7, pa.binary(15))),
        lambda table: _with(table, "token", pa.array([None] * 7, pa.binary(16))),
        lambda table: _with(table, "token", pa.array([b"x" * 16] * 7, pa.binary(16))),
        lambda table: _with(table, "given_name", table.column("surname")),
        lambda table: _with(table, "surname", table.column("given_name")),
        lambda table: _with(table, "surname", pa.array(["MARKER"] * 7)),
        lambda table: table.append_column("STUDENT NAME", pa.array(["MARKER"] * 7)),
    ],
    ids=[
        "no-token",
        "no-filter",
        "text-token",
        "short-token",
        "missing-token",
        "repeated-token",
        "narrow-filter",
        "wide-filter",
        "text-filter",
        "a-column-more",
    ],
)
def test_a_table_that_is_not_what_its_spec_says_is_refused(
    change: Any, tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    path = _lie_encoded(
        tmp_path / "a", change(_encoded(agreement).to_arrow()), agreement, identities
    )
    with pytest.raises(SealError, match=_OTHER_COLUMNS) as caught:
        EncodedExtract.load(path, agreement=agreement, identity=identities["linkage_unit"])
    assert "MARKER" not in str(caught.value)


@pytest.mark.parametrize("column", ["STUDENT NAME", "program_days"])
def test_payload_that_the_party_may_not_send_is_refused(
    column: str, tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    table = _payload_table().append_column(column, pa.array(["MARKER"] * 4))
    path = _lie(tmp_path / "a", "payload-extract", table, agreement, identities, party="district")
    with pytest.raises(NotAuthorizedError, match=f"not authorized to send '{column}'") as caught:
        PayloadExtract.load(path, agreement=agreement, identity=identities["steward"])
    assert caught.value.clause == "parties.district.payload"
    assert "MARKER" not in str(caught.value)


def test_payload_that_the_party_may_not_send_is_not_written(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    table = _payload_table().append_column("STUDENT NAME", pa.array(["MARKER"] * 4))
    with pytest.raises(NotAuthorizedError, match="not authorized to send 'STUDENT NAME'") as caught:
        replace(_payload(agreement), table=table).save(
            tmp_path / "a", agreement=agreement, identity=identities["district"]
        )
    assert caught.value.clause == "parties.district.payload"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.drop_columns(["token"]),
        lambda table: table.drop_columns(["year"]),
        lambda table: table.select(["year", "token", "attendance_rate"]),
        lambda table: _with(table, "token", pa.array(["MARKER"] * 4)),
        lambda table: _with(table, "token", pa.array([None] * 4, pa.binary(16))),
        lambda table: _with(table, "year", pa.array([2024] * 4, pa.int64())),
        lambda table: _with(table, "attendance_rate", pa.array(["MARKER"] * 4)),
        lambda table: _with(table, "race_ethnicity", pa.array([1, 2, 3, 4])),
    ],
    ids=[
        "no-token",
        "no-year",
        "another-order",
        "text-token",
        "missing-token",
        "wide-year",
        "text-for-a-number",
        "number-for-a-category",
    ],
)
def test_payload_of_other_columns_is_neither_written_nor_read(
    change: Any, tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    table = change(_payload_table())
    with pytest.raises(SealError, match=_OTHER_COLUMNS) as caught:
        replace(_payload(agreement), table=table).save(
            tmp_path / "a", agreement=agreement, identity=identities["district"]
        )
    assert "MARKER" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    path = _lie(tmp_path / "a", "payload-extract", table, agreement, identities, party="district")
    with pytest.raises(SealError, match=_OTHER_COLUMNS) as caught:
        PayloadExtract.load(path, agreement=agreement, identity=identities["steward"])
    assert "MARKER" not in str(caught.value)


def test_payload_with_a_column_twice_is_not_written(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    table = _payload_table().append_column("race_ethnicity", pa.array(["MARKER"] * 4))
    with pytest.raises(SealError, match=_OTHER_COLUMNS):
        replace(_payload(agreement), table=table).save(
            tmp_path / "a", agreement=agreement, identity=identities["district"]
        )
    assert list(tmp_path.iterdir()) == []


def test_several_rows_of_one_token_are_payload(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    table = pa.concat_tables([_payload_table(), _payload_table()])
    path = replace(_payload(agreement), table=table).save(
        tmp_path / "a", agreement=agreement, identity=identities["district"]
    )
    assert len(PayloadExtract.load(path, agreement=agreement, identity=identities["steward"])) == 8


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.drop_columns(["party"]),
        lambda table: table.drop_columns(["token"]),
        lambda table: table.drop_columns(["person_id"]),
        lambda table: table.append_column("STUDENT NAME", pa.array(["MARKER"] * 4)),
        lambda table: _with(table, "party", pa.array([None] * 4, pa.string())),
        lambda table: _with(table, "person_id", pa.array([None] * 4, pa.binary(16))),
        lambda table: _with(table, "token", pa.array([b"x" * 16] * 4, pa.binary(16))),
    ],
    ids=[
        "no-party",
        "no-token",
        "no-person",
        "a-column-more",
        "missing-party",
        "missing-person",
        "repeated-token",
    ],
)
def test_a_crosswalk_of_other_columns_is_refused(
    change: Any, tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    table = change(_crosswalk_table())
    path = _lie(tmp_path / "a", "crosswalk", table, agreement, identities, sender="linkage_unit")
    with pytest.raises(SealError, match=_OTHER_COLUMNS) as caught:
        Crosswalk.load(path, agreement=agreement, identity=identities["steward"])
    assert "MARKER" not in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="an open file cannot be replaced there")
def test_a_file_that_is_exchanged_while_it_is_read_is_not_taken_for_the_checked_one(
    tmp_path: Path,
    agreement: Agreement,
    agreement_document: dict[str, Any],
    identities: Identities,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    district, steward = identities["district"], identities["steward"]
    amended = Agreement.from_document({**agreement_document, "title": "Amended"})
    sent = _payload(agreement)
    old = replace(_payload(amended), table=sent.table.slice(1)).save(
        tmp_path / "old", agreement=amended, identity=district
    )
    path = sent.save(tmp_path / "new", agreement=agreement, identity=district)
    check = Manifest.require_agreement

    def check_and_exchange(manifest: Manifest, agreement: Agreement) -> None:
        check(manifest, agreement)
        old.replace(path)

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "require_agreement", check_and_exchange)
        got = PayloadExtract.load(path, agreement=agreement, identity=steward)
    assert got.agreement_fingerprint == agreement.fingerprint
    assert got.table.equals(sent.table)
    with pytest.raises(MismatchError, match="another text of agreement"):
        PayloadExtract.load(path, agreement=agreement, identity=steward)


@pytest.mark.parametrize(
    "claims",
    [
        {"n_rows": -1},
        {"key_check": "xyz"},
        {"agreement_fingerprint": "0"},
        {"kind": "names"},
        {"agreement_id": "A B"},
        {"sender": "x\x1b[2J"},
        {"party": "x\ny"},
        {"project": "x\n"},
    ],
)
def test_a_manifest_that_cannot_be_is_refused(claims: dict[str, Any]) -> None:
    good = {
        "kind": "crosswalk",
        "agreement_id": "an-agreement",
        "agreement_fingerprint": "0" * 64,
        "sender": "district",
        "n_rows": 1,
    }
    Manifest(**good)
    with pytest.raises(ValidationError):
        Manifest(**{**good, **claims})


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", b"MARKER", b'{"MARKER": 1}', b"\xff\xfe", b"[" * 100_000]
)
def test_what_is_not_a_manifest_is_refused_without_its_content(text: bytes) -> None:
    with pytest.raises(SealError, match="manifest is damaged or of another version") as caught:
        Manifest.parse(text)
    assert caught.value.code == "seal"
    assert "MARKER" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_newer_manifest_is_refused_by_its_version() -> None:
    text = (
        b'{"format":"linkkit-file/2","kind":"crosswalk","agreement_id":"an-agreement",'
        b'"agreement_fingerprint":"' + b"0" * 64 + b'","sender":"a","n_rows":1}'
    )
    with pytest.raises(SealError, match="of another version of linkkit"):
        Manifest.parse(text)
    assert Manifest.parse(text.replace(b"file/2", b"file/1")).n_rows == 1


# --- Whole or not at all ---------------------------------------------------------------------


def _fail(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    step: str,
    tmp_path: Path,
    agreement: Agreement,
    identities: Identities,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "district.encodings"
    path.write_bytes(b"the delivery before")
    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), _fail)
    with pytest.raises(SealError, match=r"the file cannot be written \(OSError\)") as caught:
        _encoded(agreement).save(path, agreement=agreement, identity=identities["district"])
    assert caught.value.code == "seal"
    assert caught.value.hint == "Check the folder, its permissions and the free space."
    assert caught.value.__context__ is None
    assert [p.name for p in tmp_path.iterdir()] == ["district.encodings"]
    assert path.read_bytes() == b"the delivery before"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError, ZeroDivisionError])
def test_an_interruption_leaves_nothing(stop: type[BaseException], tmp_path: Path) -> None:
    with pytest.raises(stop), atomic_file(tmp_path / "a") as file:
        file.write(b"half")
        raise stop
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_not_there_until_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a"
    with atomic_file(path) as file:
        file.write(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half"
    assert atomic_text(path, "ü\n").read_bytes() == b"\xc3\xbc\n"


@pytest.mark.skipif(os.name != "posix", reason="file modes are of another kind there")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_the_umask_is_respected_and_a_private_file_is_private(
    umask: int, mode: int, tmp_path: Path
) -> None:
    before = os.umask(umask)
    try:
        atomic_text(tmp_path / "a", "text")
        atomic_text(tmp_path / "b", "text", private=True)
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o600


def test_the_umask_of_other_threads_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(mask: int) -> int:
        raise AssertionError("the mask belongs to the whole process")

    monkeypatch.setattr(os, "umask", refuse)
    assert atomic_text(tmp_path / "a", "text").read_text() == "text"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(os.name != "posix", reason="file modes are of another kind there")
def test_while_it_is_written_a_file_is_private(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "a") as file:
        file.write(b"half")
        (part,) = tmp_path.iterdir()
        assert part.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.name != "posix", reason="symbolic links need rights there")
def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "a").symlink_to(tmp_path / "precious")
    atomic_text(tmp_path / "a", "new")
    assert (tmp_path / "precious").read_text() == "kept"
    assert not (tmp_path / "a").is_symlink()


def test_a_folder_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(SealError, match=r"the file cannot be written \(\w+Error\)"):
        atomic_text(tmp_path / "a", "text")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_nul_byte_in_a_path_is_a_linkkit_error(tmp_path: Path) -> None:
    with pytest.raises(SealError, match=r"the file cannot be written \(ValueError\)") as caught:
        atomic_text(f"{tmp_path}/a\0b", "text")
    assert caught.value.__context__ is None
    assert list(tmp_path.iterdir()) == []
