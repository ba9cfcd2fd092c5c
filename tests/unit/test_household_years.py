"""Households over years: ids that stay, changes that are recorded, one file alone, estimates and limits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import linkkit as lk
from linkkit.agreement import Agreement
from linkkit.errors import LinkageError, OptionError, SealError
from linkkit.exchange import EncodedExtract, HouseholdChanges, Identity
from linkkit.linkage.households import find_households, memory_of_homes
from linkkit.linkage.households.candidates import count_meetings, find_candidates
from linkkit.linkage.households.evidence import gather_evidence
from linkkit.partner.keys import Secret, TokenKey
from linkkit.synth.large import large_agreement

FIRST, LATER = dt.date(2026, 9, 1), dt.date(2027, 9, 1)
KINDS = {
    "given_name": "given_name",
    "surname": "surname",
    "birth_date": "date",
    "address": "street_address",
    "postal_code": "postal_code",
    "phone": "phone",
}
Deliver = Callable[..., EncodedExtract]


@pytest.fixture(scope="module")
def school() -> Agreement:
    document = large_agreement(["school", "clinic"])
    document["linkage"]["fields"] = {name: {"kind": kind} for name, kind in KINDS.items()}
    for clause in document["parties"].values():
        clause["linkage_fields"] = {name: {"column": name} for name in KINDS}
        clause["record_id"] = "who"
    return Agreement.from_document(document)


@pytest.fixture(scope="module")
def deliver(
    school: Agreement, secret: Secret, token_key_of: Callable[[str], TokenKey]
) -> Callable[..., tuple[EncodedExtract, dict[str, str]]]:
    """A function that encodes a delivery; returns it, and the token of each row's person."""

    def run(people: pd.DataFrame, party: str = "school") -> tuple[EncodedExtract, dict[str, str]]:
        frame = people.drop(columns=["home", "guardian"])
        made = lk.encode(frame, school, secret, party=party, token_key=token_key_of(party))
        rows = made.token_map.to_pandas()
        who = people["who"].to_numpy()[rows["row"].to_numpy() - 1]
        return made.encodings, dict(zip(who, rows["token"], strict=True))

    return run


@pytest.fixture(scope="module")
def people(neighborhood: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    return neighborhood(120, seed=8)


def homes_of(result: lk.LinkResult, tokens: dict[str, str]) -> pd.Series:
    frame = result.crosswalk.to_pandas().set_index("token")["household_id"]
    return pd.Series({who: frame[token] for who, token in tokens.items()})


def family_of(people: pd.DataFrame, size: int) -> list[str]:
    sizes = people.groupby("home")["who"].size()
    home = sizes.index[sizes == size][0]
    return people.loc[people["home"] == home, "who"].tolist()


def moved(people: pd.DataFrame, who: list[str]) -> pd.DataFrame:
    later = people.copy()
    new = ["7 faraway lane", "10063", "3125550001"]
    later.loc[later["who"].isin(who), ["address", "postal_code", "phone"]] = new
    return later


# --- Ids that stay ---------------------------------------------------------------------------


def test_a_family_that_moves_keeps_its_id(people: pd.DataFrame, deliver: Any) -> None:
    encodings, tokens = deliver(people)
    before = lk.link([encodings], households=True, as_of=FIRST)
    family = family_of(people, 4)
    later = lk.link(
        [deliver(moved(people, family))[0]], households=True, previous=before, as_of=LATER
    )
    old, new = homes_of(before, tokens), homes_of(later, tokens)
    assert old[family].nunique() == 1
    assert (old == new).mean() > 0.97
    assert old[family].equals(new[family])
    assert not len(before.household_changes)


def test_who_leaves_a_family_gets_a_new_home_and_it_is_recorded(
    people: pd.DataFrame, deliver: Any
) -> None:
    encodings, tokens = deliver(people)
    before = lk.link([encodings], households=True, as_of=FIRST)
    family = family_of(people, 4)
    gone = family[0]
    apart = moved(people, [gone])
    later = lk.link([deliver(apart)[0]], households=True, previous=before, as_of=LATER)
    old, new = homes_of(before, tokens), homes_of(later, tokens)
    assert new[family[1:]].nunique() == 1
    assert new[family[1]] == old[gone]
    assert new[gone] != old[gone]
    rows = later.household_changes.to_pandas()
    rows = rows[rows["old_household_id"] == old[gone]]
    assert rows[["new_household_id", "kind", "why"]].values.tolist() == [
        [new[gone], "split", "new delivery"]
    ]
    assert rows["since"].tolist() == [LATER]
    assert (
        "household ids, over all deliveries: 0 ids merged into others, people split off once"
        in str(later)
    )
    # The person is whole, and its id another than that of any home.
    persons = later.crosswalk.to_pandas()
    assert persons.groupby("person_id")["household_id"].nunique().eq(1).all()
    # Back home, the id that was given in between is retired and never given again.
    back = lk.link([encodings], households=True, previous=later, as_of=LATER)
    assert homes_of(back, tokens).equals(old)
    merged = back.household_changes.to_pandas()
    merged = merged[merged["kind"] == "merge"]
    assert merged[["old_household_id", "new_household_id"]].values.tolist() == [
        [new[gone], old[gone]]
    ]
    assert new[gone] in {row.tobytes().hex() for row in back.kept.households.retired}
    again = lk.link([deliver(apart)[0]], households=True, previous=back, as_of=LATER)
    assert homes_of(again, tokens)[gone] not in {old[gone], new[gone]}


def test_the_id_goes_with_most_people_and_not_with_most_records(
    people: pd.DataFrame, deliver: Any
) -> None:
    family = family_of(people, 3)
    one, tokens = deliver(people)
    # One of three is known to two offices, and moves; at home there are two records left, of two people.
    other, _ = deliver(people[people["who"] == family[0]], "clinic")
    before = lk.link([one, other], households=True, as_of=FIRST)
    apart = moved(people, family[:1])
    both = [deliver(apart)[0], deliver(apart[apart["who"] == family[0]], "clinic")[0]]
    later = lk.link(both, households=True, previous=before, as_of=LATER)
    old, new = homes_of(before, tokens), homes_of(later, tokens)
    assert new[family[1]] == new[family[2]] == old[family[0]] != new[family[0]]


def test_withdrawn_families_are_recorded_also_where_households_are_not_asked_for(
    people: pd.DataFrame, deliver: Any
) -> None:
    encodings, tokens = deliver(people)
    before = lk.link([encodings], households=True, as_of=FIRST)
    gone, old = family_of(people, 2), homes_of(before, tokens)
    plain = lk.link([], previous=before, withdrawn=[tokens[who] for who in gone], as_of=LATER)
    assert not plain.crosswalk.has_households
    rows = plain.household_changes.to_pandas()
    assert rows[["old_household_id", "kind", "why"]].values.tolist() == [
        [old[gone[0]], "withdrawn", "withdrawn record"]
    ]
    assert rows["new_household_id"].isna().all()
    # Ids are kept for whoever asks later, and the withdrawn one is of nobody.
    later = lk.link([encodings], households=True, previous=plain, as_of=LATER)
    new = homes_of(later, tokens)
    stayed = old.index.difference(gone)
    assert (new[stayed] == old[stayed]).mean() > 0.97
    assert new[gone].nunique() == 1
    assert new[gone[0]] != old[gone[0]]


def test_ids_do_not_depend_on_the_order_of_rows_and_parties(
    people: pd.DataFrame, deliver: Any
) -> None:
    rng = np.random.default_rng(3)
    answers = []
    for _ in range(3):
        order = rng.permutation(len(people))
        first, tokens = deliver(people.iloc[order])
        more, _ = deliver(moved(people, family_of(people, 4)[:2]).iloc[order][::2], "clinic")
        before = lk.link([first], households=True, as_of=FIRST)
        later = lk.link([more], households=True, previous=before, as_of=LATER)
        answers.append((homes_of(later, tokens).sort_index(), later.household_changes.table))
    for homes, changes in answers[1:]:
        assert homes.equals(answers[0][0])
        assert changes.equals(answers[0][1])


def test_saved_results_keep_households(people: pd.DataFrame, deliver: Any, tmp_path: Path) -> None:
    encodings, tokens = deliver(people)
    before = lk.link([encodings], households=True, as_of=FIRST)
    read = lk.LinkResult.load(before.save(tmp_path / "2026.linked"))
    later = lk.link([encodings], households=True, previous=read)
    assert homes_of(later, tokens).equals(homes_of(before, tokens))


def test_changes_of_persons_are_not_taken_for_those_of_households(
    agreement: Agreement, identities: dict[str, Identity], tmp_path: Path
) -> None:
    under = {"agreement_id": agreement.id, "agreement_fingerprint": agreement.fingerprint}
    sent = {"agreement": agreement, "identity": identities["linkage_unit"]}
    got = {"agreement": agreement, "identity": identities["steward"]}
    path = HouseholdChanges.none(**under).save(tmp_path / "homes", **sent)
    assert len(HouseholdChanges.load(path, **got)) == 0
    with pytest.raises(lk.errors.MismatchError, match="household ids"):
        lk.PersonChanges.load(path, **got)
    wrong = HouseholdChanges(table=lk.PersonChanges.none(**under).table, **under)
    with pytest.raises(SealError, match="does not hold the columns"):
        wrong.save(tmp_path / "wrong", **sent)


# --- One file that holds each person once ----------------------------------------------------


def test_one_clean_file_is_grouped_and_nobody_is_looked_for_twice(
    people: pd.DataFrame, deliver: Any
) -> None:
    encodings, tokens = deliver(people)
    assert encodings.one_record_per_person
    result = lk.link([encodings], households=True)
    assert result.crosswalk.n_people == len(people)
    assert not result.warnings
    assert "compared: no pair\n" in str(result)
    assert "nothing to estimate" not in str(result)
    true = people.set_index("who")["home"]
    found = homes_of(result, tokens)
    assert abs(found.nunique() - true.nunique()) < 0.1 * true.nunique()
    with pytest.raises(LinkageError, match="nothing to link") as e:
        lk.link([encodings])
    assert "households" in str(e.value.hint)


# --- Limits and estimates --------------------------------------------------------------------


def test_the_forecast_and_the_limit_count_the_step(people: pd.DataFrame, deliver: Any) -> None:
    encodings = [deliver(people)[0], deliver(people.iloc[::2], "clinic")[0]]
    plain, with_homes = (lk.forecast_link(encodings, households=x) for x in (False, True))
    pool = lk.link(encodings).pairs.pool
    assert with_homes.memory - plain.memory == memory_of_homes(pool)
    assert with_homes.memory_of_records - plain.memory_of_records == memory_of_homes(pool)
    limit = with_homes.memory_of_records - 1_000
    lk.link(encodings, memory_limit=limit)
    with pytest.raises(LinkageError, match="of memory at least"):
        lk.link(encodings, memory_limit=limit, households=True)
    with pytest.raises(OptionError, match="'households' is True or False"):
        lk.forecast_link(encodings, households=1)  # type: ignore[arg-type]


def test_no_more_pairs_meet_than_are_counted(people: pd.DataFrame, home_pool: Any) -> None:
    for crowd in (0, 30, 300):
        some = people.copy()
        some.loc[: crowd - 1, "address"] = "1 tower square"
        pool, _ = home_pool(some)
        evidence = gather_evidence(pool, np.arange(len(pool)))
        assert 0 < len(find_candidates(evidence)) <= count_meetings(evidence)


@pytest.mark.parametrize("without", [(), ("guardian",), ("guardian", "phone")])
@pytest.mark.parametrize("n_moved", [0, 60])
def test_the_intervals_hold_the_truth(
    neighborhood: Callable[..., pd.DataFrame],
    home_pool: Any,
    without: tuple[str, ...],
    n_moved: int,
) -> None:
    people = neighborhood(400, seed=21)
    rng = np.random.default_rng(4)
    # Some of each family are known by an address of their own.
    alone = rng.choice(len(people), size=n_moved, replace=False)
    people.loc[alone, "address"] = [f"{k} elsewhere road" for k in range(n_moved)]
    pool, row = home_pool(people, without=without)
    home = pd.factorize(people["home"])[0][row]
    found = find_households(pool, np.arange(len(pool)))
    right = _pairs(found.household, home)
    precision = right / _pairs(found.household)
    recall = right / _pairs(home)
    low, high = found.summary.precision_interval
    assert low <= precision <= high
    low, high = found.summary.recall_interval
    assert low <= recall <= high
    assert abs(found.summary.recall - recall) < 0.1


def _pairs(*keys: Any) -> int:
    sizes = pd.DataFrame(dict(enumerate(keys))).groupby(list(range(len(keys)))).size()
    return int((sizes * (sizes - 1) // 2).sum())


# --- Dates -----------------------------------------------------------------------------------


def test_no_delivery_is_dated_before_the_last(people: pd.DataFrame, deliver: Any) -> None:
    encodings, _ = deliver(people.iloc[:40])
    before = lk.link([encodings], households=True, as_of=LATER)
    with pytest.raises(OptionError, match=r"before the date of the last delivery, 2027-09-01"):
        lk.link([encodings], previous=before, as_of=FIRST)
    same = lk.link([encodings], previous=before, as_of=LATER)
    assert same.kept.as_of == LATER
    # Without a date it is today's, or the last where that is later.
    assert lk.link([encodings], previous=same).kept.as_of == max(dt.date.today(), LATER)
