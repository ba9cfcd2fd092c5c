"""A saved link result: read back as it was, sealed or private, refused when it is damaged or of another making."""

from __future__ import annotations

import datetime as dt
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from linkkit.agreement import Agreement
from linkkit.errors import MismatchError, NotAuthorizedError, OptionError, SealError
from linkkit.exchange import Identity, PersonChanges
from linkkit.linkage import LinkResult, link
from linkkit.linkage.labels import PairLabels
from linkkit.linkage.years.saved import read_object, write_object

DAY = dt.date(2026, 3, 1)


@pytest.fixture(scope="module")
def saved(linked_town: LinkResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return linked_town.save(tmp_path_factory.mktemp("saved") / "2026.linked")


def test_what_is_saved_is_read_back_as_it_was(linked_town: LinkResult, saved: Path) -> None:
    again = LinkResult.load(saved)
    assert str(again) == str(linked_town)
    assert again.crosswalk.table.equals(linked_town.crosswalk.table)
    assert again.pairs.to_arrow().equals(linked_town.pairs.to_arrow())
    assert again.quality == linked_town.quality
    assert again.plan.names == linked_town.plan.names
    assert again.model.field_weights() == linked_town.model.field_weights()
    assert again.kept.made == linked_town.kept.made
    assert np.array_equal(again.kept.measure, linked_town.kept.measure)
    assert np.array_equal(again.pairs.pool.words, linked_town.pairs.pool.words)


def test_a_read_result_goes_on_as_the_one_in_memory(town: Any, tmp_path: Path) -> None:
    first = link(town.encodings[:2], as_of=DAY)
    read = LinkResult.load(first.save(tmp_path / "first"))
    one = link(town.encodings[2:], previous=first, as_of=DAY)
    other = link(town.encodings[2:], previous=read, as_of=DAY)
    assert one.crosswalk.table.equals(other.crosswalk.table)
    assert one.changes.table.equals(other.changes.table)


def test_labels_and_changes_are_saved(field_town: Any, tmp_path: Path) -> None:
    result = link(field_town.encodings, as_of=DAY)
    linked = result.pairs.to_pandas().query("linked").iloc[0]
    labels = PairLabels.of([(linked["left_token"], linked["right_token"], False)])
    apart = link([], previous=result, labels=labels, as_of=DAY)
    read = LinkResult.load(apart.save(tmp_path / "x"))
    assert len(read.changes) == len(apart.changes) >= 1
    assert read.changes.table.equals(apart.changes.table)
    assert read.kept.labels is not None
    assert len(read.kept.labels) == 1


def test_it_is_for_its_owner_alone(saved: Path) -> None:
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600


@pytest.mark.parametrize("where", [0.0, 0.0001, 0.3, 0.7, 1.0])
def test_damage_anywhere_is_refused(saved: Path, tmp_path: Path, where: float) -> None:
    content = bytearray(saved.read_bytes())
    content[round(where * (len(content) - 1))] ^= 0x40
    damaged = tmp_path / "damaged"
    damaged.write_bytes(content)
    with pytest.raises((SealError, MismatchError)):
        LinkResult.load(damaged)


@pytest.mark.parametrize("n_bytes", [0, 10, 25, 400, -1])
def test_what_is_cut_short_is_refused(saved: Path, tmp_path: Path, n_bytes: int) -> None:
    short = tmp_path / "short"
    short.write_bytes(saved.read_bytes()[:n_bytes])
    with pytest.raises(SealError):
        LinkResult.load(short)


def test_another_format_is_named(saved: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(saved.read_bytes().replace(b"link result 1\n", b"link result 2\n", 1))
    with pytest.raises(MismatchError, match="another format"):
        LinkResult.load(other)


def test_what_holds_other_objects_is_refused(tmp_path: Path) -> None:
    for value in ({"a": 1}, PersonChanges.none(agreement_id="x", agreement_fingerprint="0" * 64)):
        with (tmp_path / "object").open("wb") as file:
            write_object(file, value)
        with pytest.raises(MismatchError, match="was written by linkkit"):
            LinkResult.load(tmp_path / "object")


def test_what_cannot_be_saved_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    with (tmp_path / "object").open("wb") as file, pytest.raises(TypeError, match="function"):
        write_object(file, {"a": lambda: None})
    with (tmp_path / "object").open("rb") as file, pytest.raises(SealError):
        read_object(file, dict)


def test_a_missing_file_is_a_seal_error(tmp_path: Path) -> None:
    with pytest.raises(SealError):
        LinkResult.load(tmp_path / "nowhere")


@pytest.fixture
def small(
    plain_agreement: Callable[..., Agreement],
    made_people: Callable[..., pd.DataFrame],
    encode_plainly: Callable[..., Any],
) -> tuple[Agreement, LinkResult]:
    agreement = plain_agreement()
    frame = made_people(40, seed=2)
    extracts = [encode_plainly(frame, agreement, party) for party in ("north", "south")]
    return agreement, link(extracts, as_of=DAY)


def test_it_can_be_sealed_to_the_linkage_unit_itself(
    small: tuple[Agreement, LinkResult], identities: dict[str, Identity], tmp_path: Path
) -> None:
    agreement, result = small
    unit = identities["linkage_unit"]
    path = result.save(tmp_path / "sealed", agreement=agreement, identity=unit)
    again = LinkResult.load(path, agreement=agreement, identity=unit)
    assert again.crosswalk.table.equals(result.crosswalk.table)
    assert result.pairs.pool.tokens[0].tobytes() not in path.read_bytes()
    with pytest.raises(OptionError, match="is sealed"):
        LinkResult.load(path)
    with pytest.raises(SealError):
        LinkResult.load(path, agreement=agreement, identity=identities["steward"])


def test_only_the_linkage_unit_seals_it(
    small: tuple[Agreement, LinkResult], identities: dict[str, Identity], tmp_path: Path
) -> None:
    agreement, result = small
    with pytest.raises(NotAuthorizedError):
        result.save(tmp_path / "x", agreement=agreement, identity=identities["steward"])
    with pytest.raises(OptionError, match="go together"):
        result.save(tmp_path / "x", agreement=agreement)
    assert not (tmp_path / "x").exists()


def test_a_result_of_another_agreement_is_refused(
    small: tuple[Agreement, LinkResult],
    plain_agreement: Callable[..., Agreement],
    identities: dict[str, Identity],
    tmp_path: Path,
) -> None:
    agreement, result = small
    other = plain_agreement(agreement_id="other-2026")
    unit = identities["linkage_unit"]
    with pytest.raises(MismatchError, match="agreement 'plain-2026', not 'other-2026'"):
        result.save(tmp_path / "x", agreement=other, identity=unit)
    plain = result.save(tmp_path / "plain")
    with pytest.raises(MismatchError, match="agreement 'plain-2026', not 'other-2026'"):
        LinkResult.load(plain, agreement=other)
    sealed = result.save(tmp_path / "sealed", agreement=agreement, identity=unit)
    with pytest.raises(MismatchError, match="agreement 'plain-2026', not 'other-2026'"):
        LinkResult.load(sealed, agreement=other, identity=unit)


def test_the_steward_gets_the_changes(
    small: tuple[Agreement, LinkResult], identities: dict[str, Identity], tmp_path: Path
) -> None:
    agreement, result = small
    token = result.crosswalk.to_pandas()["token"]
    gone = link([], previous=result, withdrawn=token.tolist()[:10], as_of=DAY)
    path = gone.changes.save(
        tmp_path / "changes", agreement=agreement, identity=identities["linkage_unit"]
    )
    read = PersonChanges.load(path, agreement=agreement, identity=identities["steward"])
    assert read.table.equals(gone.changes.table)
    assert read.counts() == {"withdrawn": len(read)}
    assert "withdrawn" in str(read)
    portions = PersonChanges.load_batches(path, agreement=agreement, identity=identities["steward"])
    assert sum(len(portion) for portion in portions) == len(read)
    with pytest.raises(SealError):
        PersonChanges.load(path, agreement=agreement, identity=identities["linkage_unit"])


def test_no_result_is_replaced_unasked(linked_town: LinkResult, tmp_path: Path) -> None:
    path = linked_town.save(tmp_path / "2026.linked")
    before = path.read_bytes()
    with pytest.raises(OptionError, match="exists") as e:
        linked_town.save(path)
    assert "overwrite=True" in str(e.value.hint)
    assert path.read_bytes() == before
    path.write_bytes(b"other")
    linked_town.save(path, overwrite=True)
    assert path.read_bytes() == before
