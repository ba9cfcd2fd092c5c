"""Households: who lives with whom, what brings nobody together, and where it is not told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import linkkit as lk
from linkkit.agreement import Agreement
from linkkit.errors import OptionError, SealError
from linkkit.exchange import Crosswalk, EncodedExtract
from linkkit.linkage.households import evidence as evidence_module
from linkkit.linkage.households.candidates import find_candidates
from linkkit.linkage.households.evidence import gather_evidence
from linkkit.linkage.households.model import fit_homes
from linkkit.linkage.households.states import (
    AGREES,
    CONTAINED,
    DISAGREE,
    EQUAL,
    N_AREAS,
    state_table,
)
from linkkit.report.household_words import size_rows
from linkkit.synth import youth_partnership

Neighborhood = Callable[..., pd.DataFrame]
HomesOf = Callable[..., Any]


def f1(found: pd.Series, true: pd.Series) -> float:
    def n_pairs(*keys: Any) -> int:
        sizes = pd.DataFrame(dict(enumerate(keys))).groupby(list(range(len(keys)))).size()
        return int((sizes * (sizes - 1) // 2).sum())

    found, true = np.asarray(found), np.asarray(true)
    return 2 * n_pairs(found, true) / (n_pairs(found) + n_pairs(true))


def more(people: pd.DataFrame, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Add people to a neighborhood; what is not said of them they lack."""
    made = pd.DataFrame(rows)
    made["who"] = made.get("who", pd.Series([f"new-{i}" for i in range(len(made))]))
    made["given_name"] = [
        f"{'abcdefghij'[i % 10]}{'klmnoprstu'[i // 10 % 10]}na" for i in made.index
    ]
    made["birth_date"] = "2004-05-06"
    return pd.concat([people, made], ignore_index=True)


# --- What belongs together -------------------------------------------------------------------


@pytest.mark.parametrize(
    "without", [(), ("guardian",), ("guardian", "phone"), ("guardian", "address", "postal_code")]
)
@pytest.mark.parametrize("n", [15, 150])
def test_plain_households_are_found(
    neighborhood: Neighborhood, homes_of: HomesOf, n: int, without: tuple[str, ...]
) -> None:
    people = neighborhood(n, seed=n)
    found, summary = homes_of(people, without=without)
    assert f1(found, people["home"]) > 0.93
    assert summary.n_people == len(people)
    assert sum(size * count for size, count in summary.sizes.items()) == len(people)


def test_siblings_of_different_surnames_at_one_address_and_phone_are_one_household(
    neighborhood: Neighborhood, homes_of: HomesOf
) -> None:
    home = {"address": "77 linden street", "postal_code": "10007", "phone": "3125559911"}
    people = more(
        neighborhood(100, seed=1), [{**home, "surname": "okafor"}, {**home, "surname": "lindqvist"}]
    )
    found, _ = homes_of(people)
    assert found.iloc[-1] == found.iloc[-2]


def test_one_surname_in_one_building_with_other_units_and_phones_is_two_households(
    neighborhood: Neighborhood, homes_of: HomesOf
) -> None:
    home = {"surname": "garcia", "postal_code": "10007"}
    rows = [
        {**home, "address": f"500 tower avenue apt {unit}", "phone": f"31255577{unit:02}"}
        for unit in (3, 3, 17, 17)
    ]
    people = more(neighborhood(200, seed=2), rows)
    found, _ = homes_of(people)
    one, same, other, again = found.tail(4)
    assert one == same
    assert other == again
    assert one != other


def test_a_unit_that_is_left_out_and_a_slip_in_the_street_part_nobody(
    neighborhood: Neighborhood, homes_of: HomesOf
) -> None:
    home = {"surname": "zielinski", "postal_code": "10007"}
    rows = [
        {**home, "address": "815 magnolia street apt 4", "phone": "3125550011"},
        {**home, "address": "815 magnolia street", "phone": "3125550011"},
        {**home, "address": "815 magnolja street apt 4", "phone": None},
    ]
    people = neighborhood(150, seed=3)
    # Where nobody else makes slips, a street that differs by a letter is another one.
    people.loc[::9, "address"] = people.loc[::9, "address"].str.replace("street", "sreet")
    found, _ = homes_of(more(people, rows))
    assert found.tail(3).nunique() == 1


def test_a_guardian_says_what_phones_and_surnames_do_not(
    neighborhood: Neighborhood, homes_of: HomesOf
) -> None:
    rows = [
        {"surname": "okafor", "guardian": "wilhelmina strand", "postal_code": "10007"},
        {"surname": "lindqvist", "guardian": "wilhelmina strand", "postal_code": "10007"},
    ]
    people = more(neighborhood(150, seed=4), rows)
    with_guardian, _ = homes_of(people)
    alone, _ = homes_of(people, without=("guardian",))
    assert with_guardian.tail(2).nunique() == 1
    assert alone.tail(2).nunique() == 2


def test_who_moved_stays_one_person_and_lives_with_the_family(
    neighborhood: Neighborhood, homes_of: HomesOf
) -> None:
    family = {"surname": "zielinski", "phone": "3125550011"}
    old = {"address": "12 birch street", "postal_code": "10007"}
    new = {"address": "940 harbor street", "postal_code": "10042"}
    rows = [
        {**family, **old, "who": "ann"},
        {**family, **new, "who": "ann"},
        {**family, **old, "who": "ben"},
        {"surname": "zielinski", **new, "who": "cleo"},
        # They live in the old home now.
        {"surname": "lindqvist", **old, "phone": "3125558800", "who": "dora"},
        {"surname": "lindqvist", **old, "phone": "3125558800", "who": "emil"},
    ]
    found, summary = homes_of(more(neighborhood(150, seed=5), rows))
    ann, ann_later, ben, cleo, dora, emil = found.tail(6)
    assert ann == ann_later == ben == cleo
    assert dora == emil != ann
    assert summary.n_people == summary.sizes[1] + sum(
        size * n for size, n in summary.sizes.items() if size > 1
    )


# --- What brings nobody together -------------------------------------------------------------


def test_a_shelter_with_one_phone_is_no_household(
    neighborhood: Neighborhood, homes_of: HomesOf
) -> None:
    shelter = {"address": "1 shelter road", "postal_code": "10007", "phone": "3125551234"}
    letters = "abcdefghijklmnop"
    rows = [{**shelter, "surname": f"q{a}{b}lm{b}{a}"} for a in letters for b in letters]
    people = more(neighborhood(200, seed=6), rows)
    found, summary = homes_of(people)
    assert max(summary.sizes) <= 6
    assert any("too common to bring people together" in warning for warning in summary.warnings)
    assert f1(found.head(-len(rows)), people["home"].head(-len(rows))) > 0.97


def test_a_school_phone_and_a_placeholder_tell_nothing_for_or_against(
    neighborhood: Neighborhood, homes_of: HomesOf
) -> None:
    people = neighborhood(300, seed=7)
    people.loc[::3, "phone"] = "3125550000"
    found, summary = homes_of(people)
    assert f1(found, people["home"]) > 0.97
    assert max(summary.sizes) <= 8


def test_a_tower_without_units_falls_apart_into_its_households(
    neighborhood: Neighborhood, homes_of: HomesOf
) -> None:
    surnames = ("garcia", "nguyen", "smith", "lopez")
    rows = [
        {
            "surname": surnames[home % 4],
            "address": "500 tower avenue",
            "postal_code": "10007",
            "phone": f"312{4_000_000 + 71_993 * home}",
            "home": f"tower-{home}",
        }
        for home in range(60)
        for _ in range(3)
    ]
    people = more(neighborhood(300, seed=8), rows)
    found, summary = homes_of(people, without=("guardian",))
    assert f1(found.tail(180), people["home"].tail(180)) > 0.9
    assert max(summary.sizes) <= 9


@pytest.mark.parametrize("without", [("guardian",), ("guardian", "phone")])
def test_a_street_of_namesakes_is_not_chained_into_one_household(
    neighborhood: Neighborhood, homes_of: HomesOf, without: tuple[str, ...]
) -> None:
    rows = [
        {
            "surname": "miller",
            "address": f"{100 + 2 * i} elm street",
            "postal_code": "10007",
            "phone": f"312{4_000_000 + 71_993 * i}",
        }
        for i in range(60)
    ]
    _, summary = homes_of(more(neighborhood(300, seed=9), rows), without=without)
    assert max(summary.sizes) <= 6


def test_where_all_say_the_same_nobody_is_put_together(
    neighborhood: Neighborhood, homes_of: HomesOf
) -> None:
    people = neighborhood(60, seed=10).assign(
        surname="smith", address="1 a street", postal_code="10007", phone="3125551234", guardian="jo smith"
    )  # fmt: skip
    _, summary = homes_of(people)
    assert summary.sizes == {1: len(people)}
    assert summary.warnings


def test_nothing_known_and_nobody_else_are_households_of_one(
    neighborhood: Neighborhood, homes_of: HomesOf
) -> None:
    people = neighborhood(40, seed=11)
    bare = people.assign(address=None, postal_code=None, phone=None, guardian=None, surname=None)
    found, summary = homes_of(bare)
    assert found.nunique() == len(people) == summary.n_without_evidence
    alone, summary = homes_of(people.head(1))
    assert len(alone) == 1
    assert summary.sizes == {1: 1}
    assert (summary.precision, summary.recall, summary.f1) == (1.0, 1.0, 1.0)


def test_a_field_that_is_always_missing_costs_little(
    neighborhood: Neighborhood, homes_of: HomesOf
) -> None:
    people = neighborhood(200, seed=12).assign(phone=None)
    found, _ = homes_of(people)
    assert f1(found, people["home"]) > 0.95


def test_a_city_stands_in_for_postal_codes_that_most_lack(home_pool: Any) -> None:
    spec = home_pool(pd.DataFrame([_somebody()]))[0].spec
    cities = spec.model_copy(
        update={"filters": (*spec.filters, spec.filters[0].model_copy(update={"kind": "city"}))}
    )
    place = {item.kind: i for i, item in enumerate(cities.filters)}
    filled = np.ones(len(cities.filters))
    assert evidence_module.home_fields(cities, filled).area == place["postal_code"]
    filled[place["postal_code"]] = 0.1
    assert evidence_module.home_fields(cities, filled).area == place["city"]


def _somebody() -> dict[str, str]:
    return {
        "given_name": "ana", "surname": "cruz", "birth_date": "2001-02-03", "who": "ana", "home": "0",
        "address": "1 a street", "postal_code": "10007", "phone": "3125551234", "guardian": "jo cruz",
    }  # fmt: skip


# --- States and model ------------------------------------------------------------------------


def test_states_say_what_is_equal_contained_or_different(home_pool: Any) -> None:
    somebody = _somebody()
    people = pd.DataFrame(
        [
            {**somebody, "address": "12 magnolia street apt 4", "phone": None},
            {**somebody, "address": "12 magnolia street"},
            {**somebody, "address": "9 quince avenue", "surname": "okafor"},
            {**somebody, "address": "12 magnolia street"},
        ]
    )
    pool, row = home_pool(people)
    evidence = gather_evidence(pool, row)
    table = state_table(evidence)
    assert table.names == ("place", "surname", "phone", "guardian")
    left, right = np.array([0, 1, 1]), np.array([1, 2, 3])
    place, surname, phone, guardian = table.of_pairs(left, right).T
    assert (place // N_AREAS).tolist()[:2] == [CONTAINED, DISAGREE]
    assert place[2] // N_AREAS >= EQUAL
    assert set(place % N_AREAS) == {AGREES}
    assert surname[0] >= EQUAL
    assert surname[1] == DISAGREE
    assert phone[0] == 0
    assert min(guardian) >= EQUAL


def test_the_best_of_several_rows_counts(home_pool: Any) -> None:
    somebody = _somebody()
    people = pd.DataFrame(
        [
            {**somebody, "address": "9 quince avenue", "phone": "3125550000"},
            {**somebody, "address": "12 magnolia street", "phone": "3125558888"},
            {**somebody, "address": "12 magnolia street", "phone": None},
        ]
    )
    pool, row = home_pool(people)
    table = state_table(gather_evidence(pool, np.array([0, 0, 1])[row]))
    place, _, phone, _ = table.of_pairs(np.array([0]), np.array([1])).T
    assert place[0] // N_AREAS >= EQUAL
    assert phone[0] == 0


def test_probabilities_of_each_class_sum_to_one(neighborhood: Neighborhood, home_pool: Any) -> None:
    pool, row = home_pool(neighborhood(80, seed=13))
    evidence = gather_evidence(pool, row)
    pairs, table = find_candidates(evidence), state_table(evidence)
    model = fit_homes(table, table.of_pairs(pairs.left, pairs.right))
    assert model.converged
    assert model.shares.sum() == pytest.approx(1)
    place, *singles = model.tables
    assert place.reshape(3, -1, N_AREAS)[:, 1:, 1:].sum(axis=(1, 2)) == pytest.approx([1, 1, 1])
    for single in singles:
        assert single[:, 1:].sum(axis=1) == pytest.approx([1, 1, 1])
    assert "pairs" in repr(model)


# --- The result of a linkage, and its crosswalk -----------------------------------------------


@pytest.fixture(scope="module")
def town() -> Any:
    made = youth_partnership(n_district=400, n_summer=150, n_jobs=80)
    made.agreement["linkage"]["profile"] = "field"
    return made


@pytest.fixture(scope="module")
def town_encodings(town: Any) -> list[EncodedExtract]:
    agreement, secret = Agreement.from_document(town.agreement), lk.Secret.generate()
    return [
        lk.encode(frame, agreement, secret, party=party).encodings
        for party, frame in town.extracts.items()
    ]


def test_the_crosswalk_gets_a_household_for_each_person(
    town_encodings: list[EncodedExtract],
) -> None:
    plain = lk.link(town_encodings)
    result = lk.link(town_encodings, households=True)
    assert plain.households is None
    assert not plain.crosswalk.has_households
    assert plain.crosswalk.n_households is None
    frame = result.crosswalk.to_pandas()
    assert list(frame.columns) == ["party", "token", "person_id", "household_id"]
    assert frame.groupby("person_id")["household_id"].nunique().eq(1).all()
    assert not set(frame["household_id"]) & set(frame["person_id"])
    assert frame.drop(columns="household_id").equals(plain.crosswalk.to_pandas())
    assert result.households is not None
    assert result.crosswalk.n_households == result.households.n_households
    assert f"{result.crosswalk.n_households} households" in repr(result.crosswalk)
    assert "households: " in str(result)
    assert "households" not in str(plain)
    assert result.households.evidence == ("surname", "street_address", "postal_code", "phone")


def test_the_towns_households_are_found(town: Any, town_encodings: list[EncodedExtract]) -> None:
    pool = lk.link(town_encodings).pairs.pool
    assert len(pool) == len(town.truth)
    assert set(town.truth["person"]) <= set(town.households["person"])
    assert town.households["person"].is_unique
    sizes = town.households.groupby("household").size()
    assert 1.5 < sizes.mean() < 2.5
    assert sizes.max() <= 4


@pytest.mark.parametrize("profile", ["standard", "hardened"])
def test_profiles_that_mix_fields_are_refused_and_told_what_to_do(town: Any, profile: str) -> None:
    document = {**town.agreement, "linkage": {**town.agreement["linkage"], "profile": profile}}
    agreement, secret = Agreement.from_document(document), lk.Secret.generate()
    encodings = [
        lk.encode(frame, agreement, secret, party=party).encodings
        for party, frame in town.extracts.items()
    ]
    with pytest.raises(
        OptionError, match=f"profile '{profile}' has filters of several fields"
    ) as e:
        lk.link(encodings, households=True)
    assert "profile: field" in str(e.value.hint)


def test_an_agreement_without_a_field_of_the_home_is_refused(
    plain_agreement: Callable[..., Agreement], encode_plainly: Any, made_people: Any
) -> None:
    agreement, everybody = plain_agreement(), made_people(30, seed=1)
    encodings = [encode_plainly(everybody, agreement, party) for party in ("north", "south")]
    with pytest.raises(OptionError, match="none of kind street_address, phone, email or guardian"):
        lk.link(encodings, households=True)


def test_the_option_is_true_or_false(town_encodings: list[EncodedExtract]) -> None:
    with pytest.raises(OptionError, match="'households' is True or False"):
        lk.link(town_encodings, households="yes")  # type: ignore[arg-type]


def test_a_file_with_a_person_in_two_households_is_refused(
    town: Any, town_encodings: list[EncodedExtract], tmp_path: Path
) -> None:
    identities = {role: lk.Identity.generate() for role in ("linkage_unit", "steward")}
    document = {**town.agreement}
    for role, identity in identities.items():
        document[role] = {**document[role], "public_key": identity.public.text}
    agreement = Agreement.from_document(document)
    crosswalk = lk.link(town_encodings, households=True).crosswalk
    table = crosswalk.table.sort_by([("person_id", "ascending"), ("token", "ascending")])

    def at(changed: pa.Table) -> Crosswalk:
        return Crosswalk(
            agreement_id=agreement.id, agreement_fingerprint=agreement.fingerprint, table=changed
        )

    sealing = {"agreement": agreement, "identity": identities["linkage_unit"]}
    opening = {"agreement": agreement, "identity": identities["steward"]}
    whole = at(table).save(tmp_path / "whole", **sealing)
    assert Crosswalk.load(whole, **opening).table.equals(table)
    portions = list(Crosswalk.load_batches(whole, **opening))
    assert sum(len(portion) for portion in portions) == len(table)
    homes = table.column("household_id").to_pylist()
    shared = table.column("person_id").to_pylist()
    twice = next(i for i in range(1, len(shared)) if shared[i] == shared[i - 1])
    homes[twice] = bytes(16)
    broken = table.set_column(3, "household_id", pa.array(homes, pa.binary(16)))
    with pytest.raises(SealError, match="has a person in two households"):
        at(broken).save(tmp_path / "broken", **sealing)


def test_no_household_reaches_what_is_integrated() -> None:
    from linkkit.steward.integrate import integrate
    from linkkit.steward.integrate.example import small_partnership

    agreement, payloads, crosswalk = small_partnership()
    homes = pa.array([bytes([7]) * 16] * len(crosswalk), pa.binary(16))
    with_homes = Crosswalk(
        agreement_id=crosswalk.agreement_id,
        agreement_fingerprint=crosswalk.agreement_fingerprint,
        table=crosswalk.table.append_column("household_id", homes),
    )
    people = integrate(payloads, with_homes, agreement, project="study")
    plain = integrate(payloads, crosswalk, agreement, project="study")
    assert people.table.column_names == plain.table.column_names
    assert bytes([7]) * 16 not in str(people.table.to_pydict()).encode()
    assert people.counts == plain.counts


# --- Report and command -----------------------------------------------------------------------


def test_the_report_has_a_section_of_households_only_when_they_were_asked_for(
    town: Any, town_encodings: list[EncodedExtract], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    from linkkit.report import linkage_report

    agreement = Agreement.from_document(town.agreement)
    for households in (True, False):
        result = lk.link(town_encodings, households=households)
        page = linkage_report(result, tmp_path / "page.html", agreement=agreement)
        text = page.read_text(encoding="utf-8")
        assert ("Who lives together" in text) == households
        if households:
            assert "street address, postal code, phone" in text
            assert f"{result.crosswalk.n_households:,}" in text


@given(
    st.dictionaries(st.integers(1, 40), st.integers(1, 60), min_size=1, max_size=12),
    st.sampled_from([None, 5, 10]),
)
def test_no_small_count_of_households_can_be_read_or_worked_out(
    sizes: dict[int, int], cell: int | None
) -> None:
    rows = size_rows(sizes, cell)
    total = sum(sizes.values())
    if cell is not None and total < cell:
        assert [number for _, number in rows] == [f"<{cell}"]
        return
    assert sum(int(number.replace(",", "")) for _, number in rows) == total
    assert all(int(number.replace(",", "")) >= (cell or 1) for _, number in rows)
    assert len(rows) <= 7
