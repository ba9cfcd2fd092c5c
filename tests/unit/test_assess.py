"""Assessment: counts equal to those of listing every pair, and numbers that hide what they must."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from linkkit.assess import (
    Combination,
    Overlaps,
    PartyPeople,
    field_completeness,
    field_evidence,
    find_concerns,
    overlaps,
    threshold_curve,
    true_quality,
    weight_histogram,
)
from linkkit.assess.example import example_linkage
from linkkit.assess.inputs import people_of_pool
from linkkit.errors import MismatchError, OptionError, WrongStageError
from linkkit.exchange import Crosswalk
from linkkit.exchange.artifacts import TOKEN_TYPE
from linkkit.linkage.classify.priors import N_MATCHING

ASSESSMENTS = [
    threshold_curve,
    weight_histogram,
    field_evidence,
    field_completeness,
    find_concerns,
]


def token(number: int) -> bytes:
    return number.to_bytes(16, "big")


def make_crosswalk(rows: list[tuple[str, int, int]]) -> Crosswalk:
    """A crosswalk of (party, record, person) rows."""
    rows = sorted(rows, key=lambda row: (row[2], row[1]))
    table = pa.table(
        {
            "party": pa.array([row[0] for row in rows], type=pa.string()),
            "token": pa.array([token(row[1]) for row in rows], type=TOKEN_TYPE),
            "person_id": pa.array([token(row[2]) for row in rows], type=TOKEN_TYPE),
        }
    )
    return Crosswalk(agreement_id="a-1", agreement_fingerprint="0" * 64, table=table)


def make_truth(people: dict[int, Any]) -> pd.DataFrame:
    return pd.DataFrame(
        {"token": [token(record).hex() for record in people], "person": list(people.values())}
    )


def random_town(seed: int) -> tuple[list[tuple[str, int, int]], dict[int, int]]:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))
    parties = rng.choice(["clinic", "school", "work"], size=n)
    truth = rng.integers(0, max(n // 2, 1), size=n)
    found = np.where(rng.random(n) < 0.8, truth, rng.integers(0, n, size=n))
    rows = [(str(p), i, int(f)) for i, (p, f) in enumerate(zip(parties, found, strict=True))]
    return rows, dict(enumerate(truth.tolist()))


@pytest.fixture(scope="module")
def made():
    return example_linkage()


@pytest.fixture(scope="module")
def result(made):
    return made.result


class TestTrueQuality:
    @pytest.mark.parametrize("seed", range(12))
    def test_pairs_are_those_of_listing_them_all(self, seed):
        rows, truth = random_town(seed)
        scores = true_quality(make_crosswalk(rows), make_truth(truth))
        counted: dict[tuple[str, str], list[int]] = {}
        for (p, i, f), (q, j, g) in itertools.combinations(rows, 2):
            cell = counted.setdefault((min(p, q), max(p, q)), [0, 0, 0])
            true, found = truth[i] == truth[j], f == g
            cell[0] += true
            cell[1] += found
            cell[2] += true and found
        for item in scores.by_parties:
            expected = counted.get((item.left_party, item.right_party), [0, 0, 0])
            assert [item.n_true, item.n_found, item.n_right] == expected
        total = [sum(cell[k] for cell in counted.values()) for k in range(3)]
        assert [scores.pairs.n_true, scores.pairs.n_found, scores.pairs.n_right] == total

    @pytest.mark.parametrize("seed", range(12))
    def test_people_are_those_of_comparing_sets(self, seed):
        rows, truth = random_town(seed)
        scores = true_quality(make_crosswalk(rows), make_truth(truth))
        found: dict[int, set[int]] = {}
        true: dict[int, set[int]] = {}
        for _, record, person in rows:
            found.setdefault(person, set()).add(record)
            true.setdefault(truth[record], set()).add(record)
        assert scores.n_people_found == len(found)
        assert scores.n_people_true == len(true)
        assert scores.n_people_exact == sum(group in found.values() for group in true.values())
        assert scores.n_people_mixed == sum(
            len({truth[i] for i in group}) > 1 for group in found.values()
        )
        person_of = {record: person for _, record, person in rows}
        assert scores.n_people_split == sum(
            len({person_of[i] for i in group}) > 1 for group in true.values()
        )

    def test_a_small_town_by_hand(self):
        rows = [("a", 1, 1), ("b", 2, 1), ("b", 3, 2), ("a", 4, 2), ("b", 5, 3)]
        scores = true_quality(
            make_crosswalk(rows), make_truth({1: "x", 2: "x", 3: "y", 4: "z", 5: "z"})
        )
        assert (scores.precision, scores.recall, scores.f1) == (0.5, 0.5, 0.5)
        assert (scores.n_people_exact, scores.n_people_mixed, scores.n_people_split) == (1, 1, 1)
        assert scores.people_f1 == pytest.approx(1 / 3)
        assert scores.as_frame()["left_party"].tolist() == ["all", "a", "a", "b"]
        assert "precision 0.5000" in str(scores)

    def test_perfect_and_empty(self):
        rows = [("a", 1, 1), ("b", 2, 1)]
        assert true_quality(make_crosswalk(rows), make_truth({1: 0, 2: 0})).f1 == 1
        nobody = true_quality(make_crosswalk([]), make_truth({1: 0}))
        assert (nobody.precision, nobody.recall, nobody.people_f1) == (1, 1, 1)
        assert (nobody.n_records, nobody.n_truth_unused) == (0, 1)

    def test_nothing_found_is_no_recall(self):
        scores = true_quality(make_crosswalk([("a", 1, 1), ("b", 2, 2)]), make_truth({1: 0, 2: 0}))
        assert (scores.precision, scores.recall, scores.f1) == (1, 0, 0)

    def test_any_frame_any_person_any_row_order(self, made):
        truth = made.truth
        expected = true_quality(made.result.crosswalk, truth)
        others = [
            truth.sample(frac=1, random_state=1),
            truth.assign(person=truth["person"].map("p{}".format)),
            truth.assign(person=truth["person"].astype(float)),
            truth.assign(token=truth["token"].str.upper()),
            pd.concat([truth, truth]),
            pa.table({"token": truth["token"].tolist(), "person": truth["person"].tolist()}),
        ]
        assert all(true_quality(made.result.crosswalk, other) == expected for other in others)

    def test_polars(self, made):
        polars = pytest.importorskip("polars")
        truth = polars.DataFrame({name: made.truth[name].tolist() for name in made.truth})
        assert true_quality(made.result.crosswalk, truth) == true_quality(
            made.result.crosswalk, made.truth
        )

    def test_truth_of_records_that_never_came_is_counted(self):
        scores = true_quality(make_crosswalk([("a", 1, 1)]), make_truth({1: 0, 2: 0, 3: 1}))
        assert (scores.n_truth_unused, scores.pairs.n_true) == (2, 0)

    def test_records_without_truth_are_refused_with_their_number(self):
        rows = [("a", 1, 1), ("a", 2, 2), ("b", 3, 1)]
        with pytest.raises(MismatchError, match="2 of 3 records of the crosswalk") as caught:
            true_quality(make_crosswalk(rows), make_truth({1: 0}))
        assert caught.value.code == "mismatch"
        assert "truth of every party" in caught.value.hint

    @pytest.mark.parametrize(
        ("truth", "message"),
        [
            ({"token": ["x"]}, "no column 'person'"),
            ({"who": ["x"]}, "no column 'token'"),
            ({"token": ["marker"], "person": [1]}, "1 tokens of the truth are not 32"),
            ({"token": [token(1).hex()], "person": [None]}, "1 rows of the truth have no person"),
            ({"token": [token(1).hex()], "person": [math.nan]}, "have no person"),
            (
                {"token": [token(1).hex()] * 2, "person": ["marker", "m"]},
                "1 rows .* another person",
            ),
            ({"token": [token(1).hex()], "person": [["marker"]]}, "cannot be compared"),
        ],
    )
    def test_bad_truth_is_refused_without_its_values(self, truth, message):
        with pytest.raises(OptionError, match=message) as caught:
            true_quality(make_crosswalk([("a", 1, 1)]), pd.DataFrame(truth))
        assert caught.value.code == "option"
        assert "marker" not in str(caught.value)
        assert caught.value.__context__ is None

    def test_what_is_no_frame_or_no_crosswalk(self, result):
        with pytest.raises(OptionError, match="not a frame .* but str"):
            true_quality(result.crosswalk, "truth.csv")
        with pytest.raises(WrongStageError, match="takes a Crosswalk, not LinkResult") as caught:
            true_quality(result, make_truth({1: 0}))
        assert "'crosswalk'" in caught.value.hint


def town_of(*, n_records: dict[str, int], counts: dict[tuple[str, ...], int]) -> Overlaps:
    combinations = tuple(
        Combination(parties=parties, n_people=n)
        for parties, n in sorted(counts.items(), key=lambda item: -item[1])
    )
    by_party = []
    for party, n in n_records.items():
        mine = [x for x in combinations if party in x.parties]
        by_party.append(
            PartyPeople(
                party=party,
                n_records=n,
                n_people=sum(x.n_people for x in mine),
                n_shared=sum(x.n_people for x in mine if len(x.parties) > 1),
            )
        )
    return Overlaps(
        combinations=combinations,
        by_party=tuple(by_party),
        n_records=sum(n_records.values()),
        n_people=sum(counts.values()),
    )


class TestOverlaps:
    @pytest.mark.parametrize("seed", range(8))
    def test_counts_are_those_of_sets(self, seed):
        rows, _ = random_town(seed)
        found = overlaps(make_crosswalk(rows))
        parties_of: dict[int, set[str]] = {}
        for party, _, person in rows:
            parties_of.setdefault(person, set()).add(party)
        assert found.n_people == len(parties_of)
        for item in found.combinations:
            exact = [p for p in parties_of.values() if p == set(item.parties)]
            assert item.n_people == len(exact) > 0
        for item in found.by_party:
            mine = [p for p in parties_of.values() if item.party in p]
            assert item.n_people == len(mine)
            assert item.n_shared == sum(len(p) > 1 for p in mine)
            assert item.n_records - item.n_duplicates == len(mine)
        assert found.n_shared == sum(len(p) > 1 for p in parties_of.values())
        assert found.n_common("clinic", "work") == sum(
            {"clinic", "work"} <= p for p in parties_of.values()
        )

    def test_more_than_eight_parties(self):
        rows = [(f"p{i:02}", i, 0) for i in range(20)]
        (everybody,) = overlaps(make_crosswalk(rows)).combinations
        assert everybody.parties == tuple(f"p{i:02}" for i in range(20))

    def test_nobody(self):
        found = overlaps(make_crosswalk([]))
        assert (found.n_people, found.combinations, found.parties) == (0, (), ())

    def test_frames_are_numbers_and_hide_small_counts_when_asked(self):
        town = town_of(
            n_records={"a": 60, "b": 30},
            counts={("a",): 52, ("a", "b"): 4, ("b",): 20},
        )
        assert town.as_frame()["n_people"].tolist() == [52, 20, 4]
        assert town.as_frame(10)["n_people"].tolist() == ["52", "20", "<10"]
        assert town.as_frame()["a"].tolist() == [True, False, True]
        assert town.party_frame()["n_duplicates"].tolist() == [4, 6]
        hidden = town.party_frame(10)
        assert hidden["n_duplicates"].tolist() == ["<10", "<10"]
        assert hidden["n_people"].tolist() == ["51 to 59", "21 to 29"]
        assert hidden["n_shared"].tolist() == ["not shown", "not shown"]

    def test_hidden_combinations_stand_in_an_order_that_tells_nothing(self):
        counts = {("a",): 50, ("b",): 2, ("c",): 9, ("a", "b"): 5}
        town = town_of(n_records={"a": 55, "b": 7, "c": 9}, counts=counts)
        assert [x.parties for x in town.ordered()] == [("a",), ("c",), ("a", "b"), ("b",)]
        assert [x.parties for x in town.ordered(10)] == [("a",), ("b",), ("c",), ("a", "b")]

    def test_a_party_with_few_of_its_own_does_not_show_its_shared_people(self):
        town = town_of(n_records={"a": 40, "b": 40}, counts={("a",): 3, ("a", "b"): 37, ("b",): 3})
        assert town.shown_shared("a", 10) == "not shown"
        assert town.shown_shared("a") == "37"

    @pytest.mark.parametrize(
        ("counts", "follows"),
        [
            ({("a",): 50, ("b",): 40, ("a", "b"): 30}, False),
            ({("a",): 50, ("b",): 40, ("a", "b"): 3}, True),
            ({("a",): 5, ("b",): 4, ("a", "b"): 3}, True),
            ({("a", "b"): 3, ("a", "c"): 4, ("b", "c"): 5, ("a", "b", "c"): 6}, True),
            (
                {p: 3 for n in (2, 3, 4) for p in itertools.combinations("abcd", n)},
                False,
            ),
        ],
    )
    def test_whether_a_hidden_count_follows_from_totals(self, counts, follows):
        parties = sorted({party for key in counts for party in key})
        sizes = {p: sum(n for key, n in counts.items() if p in key) for p in parties}
        assert town_of(n_records=sizes, counts=counts).can_be_worked_out(10) is follows

    def test_enough_unknowns_hide_each_other(self):
        counts = dict.fromkeys(itertools.combinations("abcde", 2), 3)
        sizes = dict.fromkeys("abcde", 12)
        assert not town_of(n_records=sizes, counts=counts).can_be_worked_out(10)

    def test_hidden_duplicates_follow_from_shown_combinations(self):
        town = town_of(
            n_records={"a": 53, "b": 40}, counts={("a",): 20, ("a", "b"): 30, ("b",): 10}
        )
        assert town.can_be_worked_out(10)
        assert not town.can_be_worked_out(3)

    def test_options(self):
        town = town_of(n_records={"a": 1}, counts={("a",): 1})
        for ask in (town.as_frame, town.party_frame, town.can_be_worked_out):
            with pytest.raises(OptionError, match="'smallest_cell' is the smallest count"):
                ask(0)
        with pytest.raises(WrongStageError, match="takes a Crosswalk, not list"):
            overlaps([])


class TestThresholdCurve:
    def test_it_is_what_adding_up_probabilities_gives(self, result):
        curve = threshold_curve(result, thresholds=(0.9, 0.01, 0.5))
        probability = result.pairs.scored.probability
        pool, scored = result.pairs.pool, result.pairs.scored
        person = people_of_pool(result)
        holds = set(zip(person.tolist(), pool.party.tolist(), strict=True))
        possible = [
            bool(linked)
            or (
                (int(person[i]), int(pool.party[j])) not in holds
                and (int(person[j]), int(pool.party[i])) not in holds
            )
            for i, j, linked in zip(scored.left, scored.right, result.pairs.linked, strict=True)
        ]
        p = probability[possible]
        for k, threshold in enumerate((0.01, 0.5, 0.9)):
            chosen = p[p >= threshold]
            assert curve.n_links[k] == len(chosen)
            assert curve.precision[k] == pytest.approx(chosen.mean())
            assert curve.recall[k] == pytest.approx(chosen.sum() / p.sum())

    def test_at_the_threshold_it_agrees_with_the_linkage(self, result):
        curve = threshold_curve(result, thresholds=[result.threshold])
        assert curve.precision[0] == pytest.approx(result.quality.precision, abs=0.01)
        assert curve.recall[0] == pytest.approx(result.quality.recall, abs=0.01)
        assert curve.used == result.threshold

    def test_recall_falls_and_the_best_is_the_best(self, result):
        curve = threshold_curve(result)
        assert list(curve.recall) == sorted(curve.recall, reverse=True)
        best = curve.thresholds.index(curve.best_f1_threshold)
        assert curve.f1[best] == max(curve.f1)
        assert list(curve.as_frame()) == ["threshold", "n_links", "precision", "recall", "f1"]

    def test_people_of_the_pool_are_those_of_the_crosswalk(self, result):
        pool = result.pairs.pool
        frame = result.crosswalk.to_pandas().set_index("token")["person_id"]
        ids = [frame[bytes(t).hex()] for t in pool.tokens]
        numbers = people_of_pool(result).tolist()
        assert len(set(zip(ids, numbers, strict=True))) == len(set(ids)) == len(set(numbers))

    @pytest.mark.parametrize("thresholds", [(), (0.0,), (0.5, 1.1), (math.nan,)])
    def test_options(self, result, thresholds):
        with pytest.raises(OptionError, match="'thresholds' are probabilities"):
            threshold_curve(result, thresholds=thresholds)


class TestWeightHistogram:
    @pytest.mark.parametrize("bin_bits", [0.5, 1.0, 3.0])
    def test_every_pair_is_in_its_bin(self, result, bin_bits):
        histogram = weight_histogram(result, bin_bits=bin_bits)
        weight, linked = result.pairs.scored.weight, result.pairs.linked
        for row in histogram.as_frame().itertuples():
            inside = (weight >= row.from_bits) & (weight < row.to_bits)
            assert row.n_linked == int((inside & linked).sum())
            assert row.n_not_linked == int((inside & ~linked).sum())
        assert histogram.n_pairs == len(weight)

    def test_bins_grow_where_there_would_be_too_many(self, result):
        histogram = weight_histogram(result, bin_bits=1e-6)
        assert len(histogram.starts) <= 1_002
        assert histogram.n_pairs == len(result.pairs)

    def test_threshold_in_bits(self, result):
        assert weight_histogram(
            dataclasses.replace(result, threshold=0.8)
        ).threshold_bits == pytest.approx(2)
        assert (
            weight_histogram(dataclasses.replace(result, threshold=1.0)).threshold_bits == math.inf
        )

    @pytest.mark.parametrize("bin_bits", [0, -1, math.nan, math.inf])
    def test_options(self, result, bin_bits):
        with pytest.raises(OptionError, match="'bin_bits' is a width"):
            weight_histogram(result, bin_bits=bin_bits)


class TestFields:
    def test_evidence_is_the_models(self, result):
        frame = field_evidence(result).as_frame()
        assert len(frame) == 4 * len(result.model.fields)
        surname = frame[(frame.field == "surname") & (frame.level == "equal")].iloc[0]
        assert surname.weight == pytest.approx(math.log2(surname.m / surname.u))
        assert field_evidence(result).fields == result.model.fields

    def test_completeness_counts_what_is_not_present(self, result):
        pool, completeness = result.pairs.pool, field_completeness(result)
        for i, party in enumerate(pool.parties):
            expected = (~pool.present[pool.party == i]).sum(axis=0).tolist()
            assert list(completeness.n_missing[party]) == expected
        shown = completeness.as_frame(10)
        assert set(shown.loc[shown.party == "shelter", "n_missing"]) >= {"80", "<10"}

    @pytest.mark.parametrize("assess", ASSESSMENTS)
    def test_only_a_linkage_can_be_assessed(self, assess, result):
        with pytest.raises(WrongStageError, match="takes a LinkResult, not Crosswalk") as caught:
            assess(result.crosswalk)
        assert caught.value.code == "wrong_stage"


class TestConcerns:
    def codes(self, result) -> list[str]:
        return [concern.code for concern in find_concerns(result)]

    def test_a_good_linkage_has_only_what_its_data_lack(self, result):
        (concern,) = find_concerns(result)
        assert concern.message == "None of the records of 'shelter' has 'phone'."
        assert concern.severity == "note"

    def test_model_that_did_not_converge(self, result):
        model = dataclasses.replace(result.model, converged=False)
        first = find_concerns(dataclasses.replace(result, model=model))[0]
        assert (first.code, first.severity) == ("model_not_converged", "warning")
        assert f"after {model.n_rounds} rounds" in first.message

    def test_skipped_passes(self, result):
        plan = dataclasses.replace(result.plan, skipped=("surname and phone",))
        first = find_concerns(dataclasses.replace(result, plan=plan))[0]
        assert first.code == "passes_skipped"
        assert "surname and phone" in first.message

    def test_no_links_and_no_overlap(self, result):
        alone = [(p, i, i) for i, p in enumerate(result.crosswalk.table["party"].to_pylist())]
        nobody = dataclasses.replace(result, crosswalk=make_crosswalk(alone))
        assert self.codes(nobody).count("no_overlap") == 3
        quality = dataclasses.replace(result.quality, n_links=0)
        assert "no_links" in self.codes(dataclasses.replace(result, quality=quality))

    def test_many_undecided(self, result):
        n = len(result.pairs)
        scored = dataclasses.replace(result.pairs.scored, probability=np.full(n, 0.4))
        pairs = dataclasses.replace(result.pairs, scored=scored)
        assert "many_undecided" in self.codes(dataclasses.replace(result, pairs=pairs))

    def test_field_that_speaks_against_a_match(self, result):
        levels = result.model.levels.copy()
        levels[:N_MATCHING, 1, 4] = 1e-6
        model = dataclasses.replace(result.model, levels=levels)
        found = find_concerns(dataclasses.replace(result, model=model))
        assert [x.message for x in found if x.code == "field_says_nothing"] == [
            "Agreement in 'surname' was learned to speak against a match."
        ]

    def test_one_person_with_very_many_records(self, result):
        rows = result.crosswalk.table
        same = pa.array([token(1)] * len(rows), type=TOKEN_TYPE)
        crosswalk = dataclasses.replace(
            result.crosswalk, table=rows.set_column(2, "person_id", same)
        )
        assert "large_group" in self.codes(dataclasses.replace(result, crosswalk=crosswalk))

    def test_field_that_is_often_missing(self, result):
        present = result.pairs.pool.present.copy()
        present[::2, 0] = False
        present[1, 0] = False
        pool = dataclasses.replace(result.pairs.pool, present=present)
        pairs = dataclasses.replace(result.pairs, pool=pool)
        found = find_concerns(dataclasses.replace(result, pairs=pairs))
        assert any(x.code == "field_often_missing" and "'given_name'" in x.message for x in found)


def test_the_example_is_the_same_in_every_run(made):
    example_linkage.cache_clear()
    again = example_linkage()
    assert again.result.crosswalk.table.equals(made.result.crosswalk.table)
    assert again.truth.equals(made.truth)


def test_no_result_shows_a_token(made, result):
    shown = [
        true_quality(result.crosswalk, made.truth),
        overlaps(result.crosswalk),
        threshold_curve(result),
        weight_histogram(result),
        field_evidence(result),
        field_completeness(result),
        find_concerns(result),
    ]
    tokens = made.truth["token"].tolist()
    text = " ".join(repr(item) + str(item) for item in shown)
    assert not any(token in text for token in tokens)
