"""More than 10,000 altered, moved and misdirected files: each refused, with nothing given out.

The files are light and their chunks short, so that every bit, every length and every place of a
chunk can be tried. An outsider alters files without a key. A dishonest sender signs again what it
altered, so that the layers below the signature have to notice by themselves. Others hold true
files and the wrong identity, agreement, epoch or command.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from linkkit.agreement import Agreement
from linkkit.errors import LinkkitError
from linkkit.exchange import (
    Crosswalk,
    EncodedExtract,
    EncodingSpec,
    Filter,
    FilterSpec,
    Identity,
    PayloadExtract,
    chunks,
)
from linkkit.exchange.artifact import Artifact
from linkkit.exchange.artifacts import token_array

MAGIC = b"linkkit sealed file 1\n"
SIGNATURE = 64
CHUNK = 64
SEED = 20_261_121
MAY_SAY = {"seal", "mismatch", "not_authorized"}
READER = {EncodedExtract: "linkage_unit", PayloadExtract: "steward", Crosswalk: "steward"}
SENDER = {EncodedExtract: "district", PayloadExtract: "district", Crosswalk: "linkage_unit"}
TOKENS = np.arange(48, dtype=np.uint8).reshape(3, 16)

Case = tuple[str, bytes]


@dataclass
class Kit:
    """Everybody, their true files, and a count of what was refused."""

    folder: Path
    agreement: Agreement
    identities: dict[str, Identity]
    files: dict[type[Artifact], bytes]
    others: dict[type[Artifact], bytes]
    refused: Counter[str] = field(default_factory=Counter)

    def refuses(
        self,
        name: str,
        data: bytes,
        kind: type[Artifact],
        *,
        agreement: Agreement | None = None,
        role: str | None = None,
    ) -> None:
        """Assert that a file is refused, whole and in batches, and nothing is left behind."""
        path = self.folder / "tampered"
        path.write_bytes(data)
        options: dict[str, Any] = {
            "agreement": agreement or self.agreement,
            "identity": self.identities[role or READER[kind]],
        }
        ways: list[Callable[[], object]] = [lambda: kind.load(path, **options)]
        if self.refused.total() % 10 == 0:
            ways.append(lambda: next(kind.load_batches(path, **options)))
        for opening in ways:
            error = _error_of(opening)
            assert error is not None, name
            assert error.code in MAY_SAY, name
            assert error.hint, name
            assert error.__context__ is None, name
        assert [p.name for p in self.folder.iterdir()] == ["tampered"], name
        self.refused[name.split(":", maxsplit=1)[0]] += 1


def _error_of(opening: Callable[[], object]) -> LinkkitError | None:
    try:
        opening()
    except LinkkitError as error:
        return error
    return None


def _artifacts(agreement: Agreement) -> list[Artifact]:
    made = {"agreement_id": agreement.id, "agreement_fingerprint": agreement.fingerprint}
    words = np.random.default_rng(1).integers(0, 2**63, (3, 1), dtype=np.uint64)
    spec = EncodingSpec(
        profile="field",
        encoding_version=1,
        standardization_version=1,
        filters=(FilterSpec(name="surname", kind="surname", n_bits=64, n_hashes=3),),
    )
    encoded = EncodedExtract(
        party="district",
        **made,
        spec=spec,
        key_check="0123456789abcdef" * 2,
        one_record_per_person=True,
        tokens=TOKENS,
        filters={"surname": Filter(words=words, present=np.ones(3, dtype=np.bool_))},
        epoch=agreement.epoch,
    )
    payload = PayloadExtract(
        party="district",
        **made,
        table=pa.table({"token": token_array(TOKENS), "year": pa.array([2024] * 3, pa.int32())}),
    )
    crosswalk = Crosswalk(
        **made,
        table=pa.table(
            {
                "party": ["district"] * 3,
                "token": token_array(TOKENS),
                "person_id": token_array(TOKENS),
            }
        ),
    )
    return [encoded, payload, crosswalk]


def _files(folder: Path, agreement: Agreement, ids: dict[str, Identity]) -> dict[Any, bytes]:
    files = {}
    for artifact in _artifacts(agreement):
        identity = ids[SENDER[type(artifact)]]
        path = artifact.save(folder / "a", agreement=agreement, identity=identity)
        files[type(artifact)] = path.read_bytes()
    return files


@pytest.fixture(scope="module")
def kit(
    agreement: Agreement, identities: dict[str, Identity], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kit]:
    made = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK_BYTES", CHUNK)
        patch.setattr(chunks, "_SEALED_BYTES", CHUNK + chunks.TAG_BYTES)
        yield Kit(
            folder=tmp_path_factory.mktemp("kit"),
            agreement=agreement,
            identities=identities,
            files=_files(made, agreement, identities),
            others=_files(made, agreement, identities),
        )


def _split(data: bytes) -> tuple[bytes, list[bytes]]:
    start = len(MAGIC) + 4 + int.from_bytes(data[len(MAGIC) : len(MAGIC) + 4], "big")
    body, sealed = data[start:-SIGNATURE], CHUNK + chunks.TAG_BYTES
    return data[:start], [body[i : i + sealed] for i in range(0, len(body), sealed)]


def _signed(data: bytes, signer: Identity) -> bytes:
    return data + signer.sign_key.sign(hashlib.sha256(data).digest())


def _with_header(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """Return a file without its signature, whose header was changed."""
    start, parts = _split(data)
    header = json.loads(start[len(MAGIC) + 4 :])
    change(header)
    raw = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    return MAGIC + len(raw).to_bytes(4, "big") + raw + b"".join(parts)


# --- Cases -----------------------------------------------------------------------------------


def _flips(data: bytes) -> Iterator[Case]:
    for place, bit in itertools.product(range(len(data)), range(8)):
        changed = bytearray(data)
        changed[place] ^= 1 << bit
        yield f"flip: bit {bit} of byte {place}", bytes(changed)


def _some_flips(data: bytes, n: int) -> Iterator[Case]:
    rng = random.Random(SEED)
    for _ in range(n):
        changed = bytearray(data)
        for place in rng.sample(range(len(data)), rng.choice([1, 1, 2, 7])):
            changed[place] ^= rng.randrange(1, 256)
        yield "flip: of several bytes", bytes(changed)


def _cuts(data: bytes, *, step: int) -> Iterator[Case]:
    for length in range(0, len(data), step):
        yield f"cut: at {length}", data[:length]
    for n in (1, 2, 3, 8, 16, 64, 100):
        yield f"cut: first {n} bytes missing", data[n:]


def _additions(data: bytes, other: bytes) -> Iterator[Case]:
    rng = random.Random(SEED)
    for n in range(1, 200):
        yield f"append: {n} zeros", data + bytes(n)
        yield f"append: {n} bytes", data + rng.randbytes(n)
        place = rng.randrange(len(data))
        yield f"insert: {n} bytes at {place}", data[:place] + rng.randbytes(n) + data[place:]
    yield "append: itself", data + data
    yield "append: another file", data + other
    yield "append: its signature", data + data[-SIGNATURE:]


def _moved(data: bytes) -> Iterator[tuple[str, list[bytes]]]:
    _, parts = _split(data)
    n = len(parts)
    for i, j in itertools.combinations(range(n), 2):
        swapped = list(parts)
        swapped[i], swapped[j] = parts[j], parts[i]
        yield f"reorder: {i} and {j}", swapped
    for i in range(n):
        yield f"drop: {i}", parts[:i] + parts[i + 1 :]
        yield f"cut: behind chunk {i}", parts[:i]
        yield f"drop: all before {i}", parts[i + 1 :]
        yield f"reorder: turned by {i + 1}", parts[i + 1 :] + parts[: i + 1]
        for j in range(n + 1):
            yield f"duplicate: {i} at {j}", [*parts[:j], parts[i], *parts[j:]]
    yield "reorder: reversed", parts[::-1]


def _spliced(data: bytes, other: bytes) -> Iterator[tuple[str, list[bytes]]]:
    _, parts = _split(data)
    _, theirs = _split(other)
    for i, j in itertools.product(range(len(parts)), range(len(theirs))):
        yield f"splice: {j} of another at {i}", [*parts[:i], theirs[j], *parts[i + 1 :]]
    for i in range(len(parts)):
        yield f"splice: another from {i} on", [*parts[:i], *theirs[i:]]
        yield f"splice: another up to {i}", [*theirs[: i + 1], *parts[i + 1 :]]


def _manifest_edits(data: bytes) -> Iterator[Case]:
    start, _ = _split(data)
    manifest = json.loads(json.loads(start[len(MAGIC) + 4 :])["manifest"])
    edits: list[tuple[str, Any]] = [
        ("format", "linkkit-file/2"),
        ("kind", "crosswalk" if manifest["kind"] != "crosswalk" else "payload-extract"),
        ("kind", "protected-dataset"),
        ("made_by", "somebody"),
        ("agreement_id", "other-2026"),
        ("agreement_fingerprint", "0" * 64),
        *(("sender", role) for role in ("summer", "jobs", "steward", "linkage_unit", "nobody")),
        *(("party", role) for role in ("summer", "jobs", "nobody")),
        *(("n_rows", n) for n in (0, 2, 4, 10**9, -1, 3.0, "3")),
        *(("epoch", n) for n in (0, 2, 7, None)),
        *(("sealed_at", text) for text in ("2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z", None)),
        *(("counts", counts) for counts in ({"n_records": 1}, {"x": "y"}, None)),
        ("project", "gaps-2026"),
        ("key_check", "f" * 32),
        ("one_record_per_person", None),
        ("canaries", {"field:surname": "0" * 32}),
        ("unknown", 1),
    ]
    for name, value in edits:
        edited = {**manifest, name: value}
        if edited == manifest:
            continue
        text = json.dumps(edited)
        yield f"manifest: {name}", _with_header(data, lambda h, text=text: h.update(manifest=text))
    for name in manifest:
        text = json.dumps({k: v for k, v in manifest.items() if k != name})
        yield f"manifest: no {name}", _with_header(data, lambda h, t=text: h.update(manifest=t))
    spaced = json.dumps(manifest, indent=1)
    yield "manifest: spaced", _with_header(data, lambda h: h.update(manifest=spaced))


def _headers(data: bytes, other: bytes) -> Iterator[Case]:
    start, parts = _split(data)
    other_start, _ = _split(other)
    theirs = json.loads(other_start[len(MAGIC) + 4 :])
    yield "header: of another file", other_start + b"".join(parts)
    for change in ({"keys": theirs["keys"]}, {"keys": []}, {"keys": ["AAAA"]}, {"keys": None}):
        yield "header: keys", _with_header(data, lambda h, change=change: h.update(change))
    yield "header: manifest", _with_header(data, lambda h: h.update(manifest=theirs["manifest"]))
    yield "header: more", _with_header(data, lambda h: h.update(more=1))
    for n in range(0, len(start) - len(MAGIC) - 4, 5):
        lie = MAGIC + n.to_bytes(4, "big") + start[len(MAGIC) + 4 :]
        yield f"header: length {n}", lie + b"".join(parts)


# --- An outsider -----------------------------------------------------------------------------


def test_the_files_are_true_before_they_are_touched(kit: Kit) -> None:
    for kind, data in kit.files.items():
        path = kit.folder / "tampered"
        path.write_bytes(data)
        options: dict[str, Any] = {
            "agreement": kit.agreement,
            "identity": kit.identities[READER[kind]],
        }
        assert len(kind.load(path, **options).to_table()) == 3
        assert [len(b.to_table()) for b in kind.load_batches(path, **options)] == [3]
        assert len(_split(data)[1]) >= 10


def test_nothing_that_an_outsider_alters_is_opened(kit: Kit) -> None:
    for kind in (EncodedExtract, PayloadExtract, Crosswalk):
        data, other = kit.files[kind], kit.others[kind]
        # Of one kind every bit and every length, of the others some.
        every = kind is PayloadExtract
        flips = _flips(data) if every else _some_flips(data, 400)
        cases = itertools.chain(flips, _cuts(data, step=1 if every else 7), _additions(data, other))
        for name, changed in cases:
            kit.refuses(name, changed, kind)
        start, _ = _split(data)
        for name, parts in itertools.chain(_moved(data), _spliced(data, other)):
            moved = start + b"".join(parts)
            if moved != data[:-SIGNATURE]:
                kit.refuses(name, moved + data[-SIGNATURE:], kind)
        for name, unsigned in itertools.chain(_manifest_edits(data), _headers(data, other)):
            kit.refuses(name, unsigned + data[-SIGNATURE:], kind)


# --- A sender that signs what it altered -----------------------------------------------------


def test_nothing_that_the_sender_alters_and_signs_is_opened(kit: Kit) -> None:
    for kind in (PayloadExtract, Crosswalk):
        data, other = kit.files[kind], kit.others[kind]
        signer = kit.identities[SENDER[kind]]
        start, _ = _split(data)
        for name, parts in itertools.chain(_moved(data), _spliced(data, other)):
            moved = start + b"".join(parts)
            if moved != data[:-SIGNATURE]:
                kit.refuses(f"signed {name}", _signed(moved, signer), kind)
        for name, unsigned in itertools.chain(_manifest_edits(data), _headers(data, other)):
            kit.refuses(f"signed {name}", _signed(unsigned, signer), kind)
        for name, changed in _some_flips(data[:-SIGNATURE], 400):
            kit.refuses(f"signed {name}", _signed(changed, signer), kind)


# --- True files in the wrong hands -----------------------------------------------------------


def test_only_the_recipient_opens_a_file_and_only_as_what_it_is(kit: Kit) -> None:
    for kind, role, other in itertools.product(kit.files, kit.identities, kit.files):
        if role != READER[kind] or kind is not other:
            kit.refuses("wrong role", kit.files[other], kind, role=role)


def test_only_the_sender_signs_a_file(kit: Kit) -> None:
    for kind, role in itertools.product(kit.files, kit.identities):
        if role != SENDER[kind]:
            forged = _signed(kit.files[kind][:-SIGNATURE], kit.identities[role])
            kit.refuses("wrong signer", forged, kind)


def test_a_file_is_of_one_agreement_one_text_and_one_epoch(
    kit: Kit, agreement_document: dict[str, Any], tmp_path: Path
) -> None:
    changes: list[dict[str, Any]] = [
        {"id": "other-2026"},
        {"title": "Amended"},
        *({"epoch": n} for n in range(2, 12)),
        {"id": "other-2026", "epoch": 2},
    ]
    for change in changes:
        name = "wrong epoch" if "epoch" in change else "wrong agreement"
        other = Agreement.from_document({**agreement_document, **change})
        for kind, data in kit.files.items():
            kit.refuses(name, data, kind, agreement=other)
        for kind, data in _files(tmp_path, other, kit.identities).items():
            kit.refuses(name, data, kind)


def test_ten_thousand_files_were_refused(kit: Kit) -> None:
    kinds = {name.removeprefix("signed ") for name in kit.refused}
    assert kinds == {
        "flip", "cut", "append", "insert", "reorder", "drop", "duplicate", "splice", "manifest",
        "header", "wrong role", "wrong signer", "wrong agreement", "wrong epoch",
    }  # fmt: skip
    assert kit.refused.total() >= 10_000, kit.refused
