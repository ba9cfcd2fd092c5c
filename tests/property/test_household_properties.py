"""What holds of any households: the order changes nothing, nobody is lost or in two, none is a giant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import linkkit as lk
from linkkit import engines
from linkkit.agreement import Agreement
from linkkit.linkage import link
from linkkit.linkage.households import find_households
from linkkit.synth.large import large_agreement

quick = settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])

FIELDS = {
    "given_name": "given_name",
    "surname": "surname",
    "birth_date": "date",
    "address": "street_address",
    "postal_code": "postal_code",
    "phone": "phone",
}


@st.composite
def crowds(draw: st.DrawFn) -> pd.DataFrame:
    """People who share few values in all kinds of ways, some of them with several rows."""
    n = draw(st.integers(2, 60))
    rng = np.random.default_rng(draw(st.integers(0, 9_999)))
    few = [draw(st.integers(1, 40)) for _ in range(4)]
    gaps = draw(st.sampled_from([0.0, 0.2, 0.7]))
    surnames = [f"{'abcdefgh'[i % 8]}{'ijklmnop'[i // 8 % 8]}ska" for i in range(40)]
    frame = pd.DataFrame(
        {
            "given_name": rng.choice(["ana", "ben", "cleo", "dora", "emil"], size=n),
            "surname": rng.choice(surnames[: few[0]], size=n),
            "birth_date": [str(np.datetime64("2001-01-01") + i) for i in range(n)],
            "address": [f"{i} elm street" for i in rng.integers(1, 1 + few[1], size=n)],
            "postal_code": [f"100{i:02}" for i in rng.integers(0, few[2], size=n)],
            "phone": [f"31255500{i:02}" for i in rng.integers(10, 10 + few[3], size=n)],
        }
    )
    for name in ("surname", "address", "postal_code", "phone"):
        frame[name] = frame[name].mask(rng.random(n) < gaps)
    frame["guardian"] = None
    frame["who"] = [f"p{i}" for i in rng.integers(0, n, size=n)]
    return frame


def groups(found: pd.Series) -> set[frozenset[int]]:
    return {frozenset(rows) for rows in found.groupby(found).groups.values()}


@quick
@given(people=crowds())
def test_everybody_is_in_one_household_and_a_person_is_whole(homes_of: Any, people: Any) -> None:
    found, summary = homes_of(people)
    assert len(found) == len(people)
    assert found.notna().all()
    assert found.groupby(people["who"]).nunique().eq(1).all()
    assert summary.n_people == people["who"].nunique()
    assert summary.n_households == found.nunique() == sum(summary.sizes.values())
    assert sum(size * n for size, n in summary.sizes.items()) == summary.n_people
    assert 0 <= summary.precision <= 1
    assert 0 <= summary.recall <= 1


@quick
@given(people=crowds(), seed=st.integers(0, 999))
def test_the_order_of_rows_changes_nothing(homes_of: Any, people: Any, seed: int) -> None:
    found, summary = homes_of(people)
    order = np.random.default_rng(seed).permutation(len(people))
    again, same = homes_of(people.iloc[order])
    assert same.sizes == summary.sizes
    assert groups(pd.Series(again.to_numpy(), index=order)) == groups(found)


@quick
@given(people=crowds())
def test_without_compiled_kernels_households_are_the_same(homes_of: Any, people: Any) -> None:
    found, _ = homes_of(people)
    modules = [
        "linkkit.linkage.block.keys",
        "linkkit.linkage.compare.fields.pairs",
        "linkkit.linkage.cluster.people",
    ]
    assert engines.has_numba()
    with pytest.MonkeyPatch.context() as patch:
        for module in modules:
            patch.setattr(f"{module}.has_numba", lambda: False)
        plain, _ = homes_of(people)
    assert groups(plain) == groups(found)


@quick
@given(seed=st.integers(0, 9_999), n=st.integers(50, 250))
def test_what_many_share_makes_no_giant(
    neighborhood: Callable[..., pd.DataFrame], homes_of: Any, seed: int, n: int
) -> None:
    people = neighborhood(n, seed=seed)
    rng = np.random.default_rng(seed)
    for name, value in (
        ("phone", "3125550000"),
        ("address", "1 shelter road"),
        ("surname", "miller"),
        ("guardian", "jo smith"),
    ):
        people[name] = people[name].mask(rng.random(len(people)) < rng.choice([0, 0.4]), value)
    _, summary = homes_of(people)
    assert max(summary.sizes) <= 25


@pytest.fixture(scope="module")
def two_parties(neighborhood: Callable[..., pd.DataFrame]) -> dict[str, pd.DataFrame]:
    people = neighborhood(60, seed=3)
    people["record_id"] = [f"r{i}" for i in range(len(people))]
    return {"north": people.iloc[: len(people) * 2 // 3], "south": people.iloc[len(people) // 3 :]}


@quick
@given(seed=st.integers(0, 999))
def test_household_ids_do_not_depend_on_the_order_of_rows_and_parties(
    two_parties: dict[str, pd.DataFrame], secret: Any, token_key_of: Any, seed: int
) -> None:
    document = large_agreement(["north", "south"])
    document["linkage"]["fields"] = {name: {"kind": kind} for name, kind in FIELDS.items()}
    for party in document["parties"].values():
        party["linkage_fields"] = {name: {"column": name} for name in FIELDS}
    agreement = Agreement.from_document(document)
    rng = np.random.default_rng(seed)

    def ids(*, shuffled: bool) -> set[tuple[str, str, str]]:
        names = ["north", "south"]
        encodings = []
        for party in names[:: -1 if shuffled and seed % 2 else 1]:
            frame = two_parties[party]
            if shuffled:
                frame = frame.sample(frac=1, random_state=int(rng.integers(1_000)))
            key = token_key_of(party)
            encodings.append(
                lk.encode(frame, agreement, secret, party=party, token_key=key).encodings
            )
        result = link(encodings, households=True, n_threads=1)
        frame = result.crosswalk.to_pandas()
        assert frame.groupby("person_id")["household_id"].nunique().eq(1).all()
        return set(zip(frame.token, frame.person_id, frame.household_id, strict=True))

    assert ids(shuffled=True) == ids(shuffled=False)


def test_positions_of_people_may_have_any_names(homes_of: Any, home_pool: Any) -> None:
    people = pd.DataFrame(
        {name: ["x y z"] * 3 for name in ("given_name", "surname", "address", "guardian")}
    ).assign(birth_date="2001-02-03", postal_code="10007", phone="3125551234", who=list("aab"))
    pool, row = home_pool(people)
    who = people["who"].to_numpy()[row]
    last = {name: i for i, name in enumerate(who)}
    first = {name: i for i, name in reversed(list(enumerate(who)))}
    one, other = (
        find_households(pool, np.array([names[x] for x in who])).household
        for names in (first, last)
    )
    assert len(set(one)) == len(set(other))
