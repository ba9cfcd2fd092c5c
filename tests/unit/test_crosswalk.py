"""The crosswalk: one row for each record, ids that follow from the records alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from linkkit.agreement import Agreement
from linkkit.exchange import Crosswalk, Identity
from linkkit.linkage import LinkResult
from linkkit.linkage.crosswalk import build_crosswalk
from linkkit.linkage.pool import Pool


@pytest.fixture
def pool(random_pool: Callable[..., Pool]) -> Pool:
    return random_pool((3, 3), clean=(True, True))


PERSON = np.array([0, 1, 2, 0, 4, 2])


def test_every_record_has_one_row_and_people_share_an_id(pool: Pool) -> None:
    crosswalk = build_crosswalk(pool, PERSON)
    frame = crosswalk.to_pandas().set_index("token")
    ids = [frame["person_id"][bytes(token).hex()] for token in pool.tokens]
    assert len(crosswalk) == 6
    assert crosswalk.n_people == 4
    assert (ids[0] == ids[3], ids[2] == ids[5]) == (True, True)
    assert len(set(ids)) == 4
    assert frame["party"].value_counts().to_dict() == {"party0": 3, "party1": 3}


def test_it_holds_party_token_and_person_id_and_nothing_else(pool: Pool) -> None:
    assert build_crosswalk(pool, PERSON).table.column_names == ["party", "token", "person_id"]


def test_rows_are_sorted_by_person_id_and_token(random_pool: Callable[..., Pool]) -> None:
    pool = random_pool((40, 50, 60), clean=(True, True, False))
    person = np.arange(150) % 30
    table = build_crosswalk(pool, person).table
    rows = [(row["person_id"], row["token"]) for row in table.to_pylist()]
    assert rows == sorted(rows)
    parties = table.column("party").to_pylist()
    assert any(one > other for one, other in pairwise(parties))


@pytest.mark.parametrize("shared", ["token", "id"])
def test_halves_in_common_are_told_apart(random_pool: Callable[..., Pool], shared: str) -> None:
    pool = random_pool((3, 3), clean=(False, False))
    tokens = np.zeros((6, 16), dtype=np.uint8)
    tokens[:, 15] = [1, 4, 6, 2, 3, 5]
    ids = np.zeros((6, 16), dtype=np.uint8)
    ids[:, 15] = [9, 7, 8, 3, 2, 1]
    if shared == "token":
        rows = build_crosswalk(dataclasses.replace(pool, tokens=tokens), np.zeros(6, np.int64))
    else:
        rows = build_crosswalk(pool, np.arange(6), ids)
    keys = [(row["person_id"], row["token"]) for row in rows.table.to_pylist()]
    assert keys == sorted(keys)


def test_a_crosswalk_of_several_parties_passes_in_portions(
    linked_town: LinkResult, town: Any, tmp_path: Path
) -> None:
    identities = {role: Identity.generate() for role in ("linkage_unit", "steward")}
    document = {**town.agreement.model_dump(mode="json", exclude_defaults=True)}
    for role, identity in identities.items():
        document[role] = {**document[role], "public_key": identity.public.text}
    agreement = Agreement.from_document(document)
    crosswalk = dataclasses.replace(
        linked_town.crosswalk, agreement_fingerprint=agreement.fingerprint
    )
    portions = [
        dataclasses.replace(crosswalk, table=crosswalk.table.slice(row, 300))
        for row in range(0, len(crosswalk), 300)
    ]
    sealing: dict[str, Any] = {"agreement": agreement, "identity": identities["linkage_unit"]}
    opening: dict[str, Any] = {"agreement": agreement, "identity": identities["steward"]}
    path = Crosswalk.save_batches(tmp_path / "parts", portions, n_rows=len(crosswalk), **sealing)
    whole = crosswalk.save(tmp_path / "whole", **sealing)
    for written in (path, whole):
        read = [portion.table for portion in Crosswalk.load_batches(written, **opening)]
        assert pa.concat_tables(read).equals(crosswalk.table)


def test_no_person_id_is_a_token_or_shows_one(pool: Pool) -> None:
    frame = build_crosswalk(pool, PERSON).to_pandas()
    assert not set(frame["person_id"]) & set(frame["token"])


def test_the_same_records_have_the_same_id_beside_any_others(
    pool: Pool, random_pool: Callable[..., Pool]
) -> None:
    ids = build_crosswalk(pool, PERSON).to_pandas().set_index("token")["person_id"]
    alone = build_crosswalk(pool, np.array([0, 1, 2, 0, 4, 5])).to_pandas()
    alone = alone.set_index("token")["person_id"]
    linked = [bytes(pool.tokens[i]).hex() for i in (0, 3)]
    assert (ids[linked] == alone[linked]).all()


def test_another_agreement_gives_other_ids(random_pool: Callable[..., Pool], pool: Pool) -> None:
    other = dataclasses.replace(pool, agreement_id="another")
    one = build_crosswalk(pool, PERSON).to_pandas()
    two = build_crosswalk(other, PERSON).to_pandas()
    assert not set(one["person_id"]) & set(two["person_id"])
