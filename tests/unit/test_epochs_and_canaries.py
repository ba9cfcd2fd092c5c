"""What shows, before any row is compared, that two parties' encodings do not belong together."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from linkkit.agreement import FIELD_KINDS, Agreement
from linkkit.errors import AgreementError, MismatchError
from linkkit.exchange import (
    EncodedExtract,
    EncodingSpec,
    FilterSpec,
    Identity,
    read_manifest,
)
from linkkit.exchange.spec import spec_difference
from linkkit.linkage import link
from linkkit.partner.encode import encode, encoding_spec
from linkkit.partner.encode.canary import N_CANARIES, canary_fields
from linkkit.partner.keys import KeyScope, Secret, TokenKey
from linkkit.partner.standardize import readers

Encode = Callable[..., EncodedExtract]


@pytest.fixture
def frames(made_people: Callable[..., pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return {party: made_people(20, seed=i) for i, party in enumerate(("north", "south"))}


def _agreement(document: dict[str, Any], **changes: Any) -> Agreement:
    return Agreement.from_document({**document, **changes})


def _refused(one: EncodedExtract, other: EncodedExtract) -> str:
    with pytest.raises(MismatchError, match="What to do: Nothing was compared") as caught:
        link([one, other])
    assert caught.value.code == "mismatch"
    (problem,) = caught.value.problems
    return problem


# --- Epochs ----------------------------------------------------------------------------------


def test_the_first_epoch_is_the_default_and_changes_no_fingerprint(
    agreement: Agreement, agreement_document: dict[str, Any]
) -> None:
    assert agreement.epoch == 1
    assert _agreement(agreement_document, epoch=1).fingerprint == agreement.fingerprint
    assert _agreement(agreement_document, epoch=2).fingerprint != agreement.fingerprint


@pytest.mark.parametrize("epoch", [0, -1, 1.5, "2", True, 1_000_001, None])
def test_an_epoch_is_a_whole_number_from_1(epoch: Any, agreement_document: dict[str, Any]) -> None:
    with pytest.raises(AgreementError, match="clause 'epoch'"):
        _agreement(agreement_document, epoch=epoch)


def test_another_epoch_gives_other_encodings_and_the_same_tokens(
    plain_agreement: Callable[..., Agreement],
    frames: dict[str, pd.DataFrame],
    secret: Secret,
    token_key_of: Callable[[str], TokenKey],
) -> None:
    first = plain_agreement()
    second = first.model_copy(update={"epoch": 2})
    made = [
        encode(frames["north"], agreement, secret, party="north", token_key=token_key_of("north"))
        for agreement in (first, second)
    ]
    one, two = (result.encodings for result in made)
    assert (one.epoch, two.epoch) == (1, 2)
    assert np.array_equal(one.tokens, two.tokens)
    assert one.key_check != two.key_check
    for name, item in one.filters.items():
        # Bits of two epochs agree as those of unrelated filters do.
        assert not np.array_equal(item.words, two.filters[name].words)
    assert set(one.canaries) == set(two.canaries)
    assert not set(one.canaries.values()) & set(two.canaries.values())


# --- What differs is named -------------------------------------------------------------------


@pytest.fixture
def pair(
    plain_agreement: Callable[..., Agreement],
    frames: dict[str, pd.DataFrame],
    encode_plainly: Encode,
) -> tuple[EncodedExtract, EncodedExtract]:
    agreement = plain_agreement()
    north, south = (encode_plainly(frame, agreement, party) for party, frame in frames.items())
    return north, south


def test_encodings_that_belong_together_are_linked(
    pair: tuple[EncodedExtract, EncodedExtract],
) -> None:
    assert pair[0].canaries == pair[1].canaries != {}
    assert len(link(pair).crosswalk) == 40


def test_agreement_epoch_text_and_secret_are_told_apart(
    pair: tuple[EncodedExtract, EncodedExtract],
) -> None:
    north, south = pair
    assert _refused(north, replace(south, agreement_id="other")) == (
        "'north' and 'south' encoded under different agreements"
    )
    assert _refused(north, replace(south, epoch=2, agreement_fingerprint="0" * 64)) == (
        "'north' and 'south' encoded under different epochs of agreement 'plain-2026': 1 and 2"
    )
    assert _refused(north, replace(south, agreement_fingerprint="0" * 64)) == (
        "'north' and 'south' encoded under different texts of agreement 'plain-2026'"
    )
    assert _refused(north, replace(south, key_check="0" * 32, canaries={})) == (
        "'north' and 'south' used different linkage secrets"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"profile": "other"}, "profile field and other"),
        ({"encoding_version": 99}, r"encoding version \d+ and 99"),
        ({"standardization_version": 99}, r"standardization version \d+ and 99"),
    ],
)
def test_the_part_of_the_spec_that_differs_is_named(
    changes: dict[str, Any], said: str, pair: tuple[EncodedExtract, EncodedExtract]
) -> None:
    north, south = pair
    other = replace(south, spec=EncodingSpec(**{**south.spec.model_dump(), **changes}))
    problem = _refused(north, other)
    assert re.fullmatch(f"'north' and 'south' used different encoding specs: {said}", problem)


def test_filters_that_differ_are_named(agreement: Agreement) -> None:
    spec = encoding_spec(agreement)
    first, *rest = spec.filters
    wide = FilterSpec(name=first.name, kind=first.kind, n_bits=1024, n_hashes=first.n_hashes)

    def difference(filters: list[FilterSpec]) -> str:
        return spec_difference(spec, spec.model_copy(update={"filters": tuple(filters)}))

    assert difference([wide, *rest]) == "filter 'given_name' has n_bits 512 and 1024"
    assert difference(rest) == "only one has filter 'given_name'"
    assert difference([*rest, first]) == "the order of their filters"
    assert spec_difference(spec, spec) == ""


# --- Canary records --------------------------------------------------------------------------


def test_a_site_that_standardizes_differently_is_found_before_any_row_is_compared(
    pair: tuple[EncodedExtract, EncodedExtract],
    plain_agreement: Callable[..., Agreement],
    frames: dict[str, pd.DataFrame],
    encode_plainly: Encode,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = readers._READERS["surname"]

    def without_its_first_letter(cell: str) -> Any:
        outcome = read(cell)
        return outcome if outcome.value is None else outcome._replace(value=outcome.value[1:])

    monkeypatch.setitem(readers._READERS, "surname", without_its_first_letter)
    south = encode_plainly(frames["south"], plain_agreement(), "south")
    assert south.spec == pair[0].spec
    assert south.key_check == pair[0].key_check
    assert _refused(pair[0], south) == (
        "'north' and 'south' standardize 'surname' differently, although both state the same "
        "versions: canary records, made-up people that each encoded with its own installed code, "
        "came out different"
    )


def test_a_site_that_encodes_differently_is_found_too(
    pair: tuple[EncodedExtract, EncodedExtract],
) -> None:
    north, south = pair
    other = {**south.canaries, "filter:sex": "0" * 32}
    assert "'south' encode 'sex' differently" in _refused(north, replace(south, canaries=other))
    said = _refused(north, replace(south, canaries={}))
    assert said == "only one of 'north' and 'south' sent digests of canary records"


def test_every_kind_of_field_has_canaries_that_standardize(
    agreement_document: dict[str, Any], secret: Secret
) -> None:
    kinds = {kind: {"kind": kind} for kind in FIELD_KINDS}
    agreement = _agreement(
        agreement_document,
        linkage={
            "profile": "field",
            "fields": {**agreement_document["linkage"]["fields"], **kinds},
        },
    )
    scope = KeyScope.of(agreement, encoding_spec(agreement))
    fields = canary_fields(agreement, secret, scope)
    assert set(kinds) <= set(fields)
    for column in fields.values():
        assert len(column) == N_CANARIES
        assert column.null_count < N_CANARIES / 2
        assert len(pa.compute.unique(column)) > 3
    assert fields["surname"] != canary_fields(agreement, Secret.generate(), scope)["surname"]


def test_canaries_and_epoch_travel_in_the_manifest(
    agreement_document: dict[str, Any],
    secret: Secret,
    identities: dict[str, Identity],
    tmp_path: Path,
) -> None:
    later = _agreement(agreement_document, epoch=3)
    frame = pd.DataFrame(
        {
            "FirstName": ["Ana", "Ben"],
            "LastName": ["Alpha", "Beta"],
            "BirthDate": ["2009-01-02", "2010-03-04"],
            "Mobile": ["", ""],
            "Hours": ["1", "2"],
        }
    )
    result = encode(frame, later, secret, party="jobs")
    own = identities["jobs"]
    path = result.encodings.save(tmp_path / "a", agreement=later, identity=own)
    got = EncodedExtract.load(path, agreement=later, identity=identities["linkage_unit"])
    assert (got.epoch, got.canaries) == (3, result.encodings.canaries)
    assert set(got.canaries) == {
        f"{part}:{name}" for part in ("field", "filter") for name in later.linkage.fields
    }
    payload = result.payload.save(tmp_path / "b", agreement=later, identity=own)
    assert (read_manifest(payload).epoch, read_manifest(payload).canaries) == (3, {})
    with pytest.raises(MismatchError, match="is of epoch 3, and agreement '.*' is at epoch 1"):
        EncodedExtract.load(
            path,
            agreement=_agreement(agreement_document),
            identity=identities["linkage_unit"],
        )
