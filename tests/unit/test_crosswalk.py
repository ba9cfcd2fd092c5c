"""The crosswalk: one row for each record, ids that follow from the records alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

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


def test_rows_are_sorted_by_person_and_within_as_in_the_pool(pool: Pool) -> None:
    place = {pool.tokens[i].tobytes(): i for i in range(len(pool))}
    rows = [
        (row["person_id"], place[row["token"]])
        for row in build_crosswalk(pool, PERSON).table.to_pylist()
    ]
    assert rows == sorted(rows)


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
