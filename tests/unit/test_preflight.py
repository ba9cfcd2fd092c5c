"""The preflight: figures of extracts whose answer is known, the rule set, and its reports."""

import dataclasses
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import linkkit as lk
from linkkit.agreement import Agreement
from linkkit.errors import (
    AgreementError,
    ExtractError,
    NotAuthorizedError,
    OptionError,
    SealError,
    SecretError,
)
from linkkit.partner.encode.filters import record_filters
from linkkit.partner.encode.prepared import encoding_spec, prepare_extract
from linkkit.partner.keys import KeyScope
from linkkit.partner.preflight import run
from linkkit.partner.preflight.groups import group_codes
from linkkit.partner.preflight.rules import (
    ACTORS,
    FLOORS,
    KNOWN,
    LIMITS,
    MEASURED,
    Facts,
    actor_risks,
    risk_class,
)
from linkkit.partner.preflight.sizes import (
    class_sizes,
    combined,
    share_by_listed_rank,
    share_by_rank,
)
from linkkit.partner.preflight.teaching import (
    _similarity,
    expected_recognized,
    share_recognized,
    signal,
)

GIVEN = ["ada", "bea", "cleo", "dora", "edith", "flora", "greta", "hanna"]
WORDS = [f"{a}{b}berg" for a in "bcdfghjk" for b in ["a", "e", "i", "o", "u", "y", "ai", "ou"]]
BY_YEAR = {"salt": {"birth_date": "year"}}
BY_POSTAL_CODE = {"salt": {"postal_code": "whole"}}


@pytest.fixture
def agreement_of(plain_agreement):
    """A function that makes a plain agreement of another profile, with passes if wanted."""

    def make(profile="field", passes=None, **options):
        document = plain_agreement(**options).model_dump(mode="json", exclude_defaults=True)
        document["linkage"]["profile"] = profile
        if passes is not None:
            document["linkage"]["passes"] = passes
        return Agreement.from_document(document)

    return make


@pytest.fixture
def passes_agreement(agreement_of):
    return agreement_of("standard", {"year": BY_YEAR, "place": BY_POSTAL_CODE})


def constructed():
    """64 people: 8 given names of 8 each, 64 surnames, 16 dates of 4 in 4 years of 16 each."""
    numbers = range(64)
    return pd.DataFrame(
        {
            "id": [f"n{i}" for i in numbers],
            "given_name": [GIVEN[i % 8] for i in numbers],
            "surname": WORDS,
            "birth_date": [f"{2000 + i // 16}-03-{1 + i // 4:02d}" for i in numbers],
            "sex": ["F" if i % 4 else "M" for i in numbers],
            # 4 have none, 30 share one, 30 have one of their own.
            "postal_code": [
                "" if i < 4 else "77001" if i < 34 else f"{50_000 + i}" for i in numbers
            ],
        }
    )


def of(report, name):
    return next(item for item in report.fields if item.name == name)


def codes_of(report):
    return {item.code for item in report.advice}


# --- Strength --------------------------------------------------------------------------------


def test_fields_are_measured_by_their_own_frequencies(agreement_of):
    report = lk.preflight(constructed(), agreement_of(), party="north")
    given = of(report, "given_name")
    assert (given.n_present, given.n_distinct, given.share_missing) == (64, 8, 0)
    assert (given.entropy_bits, given.share_unique, given.look_alikes) == (3.0, 0.0, 7.0)
    assert (given.n_most_common, given.share_most_common) == (8, 0.125)
    surname = of(report, "surname")
    assert (surname.entropy_bits, surname.share_unique, surname.look_alikes) == (6.0, 1.0, 0.0)
    sex = of(report, "sex")
    assert sex.entropy_bits == pytest.approx(-(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25)))
    postal = of(report, "postal_code")
    assert (postal.n_present, postal.share_missing) == (60, 4 / 64)
    assert (postal.share_unique, postal.look_alikes) == (0.5, 30 * 29 / 60)
    assert postal.entropy_bits == pytest.approx(0.5 * math.log2(2) + 0.5 * math.log2(60))


@pytest.mark.parametrize(
    ("codes", "lost"),
    [
        ("0{:04d}", False),
        ("{:04d}", True),
        ("{:04d}.0", True),
        ("70{:03d}", False),
        ("ab{:02d} 1cd", False),
        ("", False),
    ],
)
def test_postal_codes_that_lost_their_zeros_are_seen(agreement_of, codes, lost):
    frame = constructed().assign(postal_code=[codes.format(2101 + i) for i in range(64)])
    report = lk.preflight(frame, agreement_of(), party="north")
    assert ("lost_zeros" in codes_of(report)) is lost
    if lost:
        (item,) = (item for item in report.advice if item.code == "lost_zeros")
        assert item.severity == "warning"
        assert "64 of 64 codes in 'postal_code' have three or four digits" in item.message


def test_postal_codes_where_phones_are_of_a_country_with_four_digits_are_as_they_should_be(
    agreement_of,
):
    document = agreement_of(
        kinds={
            "given_name": "given_name",
            "surname": "surname",
            "postal_code": "postal_code",
            "phone": "phone",
        }
    ).model_dump(mode="json", exclude_defaults=True)
    frame = constructed().assign(postal_code=[f"{8001 + i}" for i in range(64)], phone="")
    assert "lost_zeros" in codes_of(
        lk.preflight(frame, Agreement.from_document(document), party="north")
    )
    document["linkage"]["fields"]["phone"]["region"] = "CH"
    report = lk.preflight(frame, Agreement.from_document(document), party="north")
    assert "lost_zeros" not in codes_of(report)


def test_fields_are_measured_together_in_pairs_and_without_each(agreement_of):
    kinds = {"given_name": "given_name", "birth_date": "date", "sex": "sex"}
    frame = constructed().drop(columns=["surname", "postal_code"])
    report = lk.preflight(frame, agreement_of(kinds=kinds), party="north")
    joint = report.joint
    assert (joint.entropy_bits, joint.possible_bits) == (6.0, 6.0)
    assert (joint.share_unique, joint.look_alikes, joint.n_most_common) == (1.0, 0.0, 1)
    # A given name settles the sex; a date and a sex are of one, or of three.
    assert joint.without == {"given_name": 0.25, "birth_date": 0.0, "sex": 1.0}
    assert [(pair.fields, pair.share_unique, pair.look_alikes) for pair in joint.pairs] == [
        (("given_name", "birth_date"), 1.0, 0.0),
        (("birth_date", "sex"), 0.25, 0.75 * 2),
        (("given_name", "sex"), 0.0, 7.0),
    ]
    assert (joint.to_link, joint.to_withstand) == ("good", "none")


@pytest.mark.parametrize(("n_twins", "verdict"), [(0, "good"), (6, "fair"), (24, "weak")])
def test_people_who_look_alike_make_a_schema_weak(agreement_of, n_twins, verdict):
    frame = constructed()
    again = frame.head(n_twins).assign(id=[f"again{i}" for i in range(n_twins)])
    report = lk.preflight(pd.concat([frame, again]), agreement_of(), party="north")
    n = 64 + n_twins
    assert report.joint.share_unique == pytest.approx((64 - n_twins) / n)
    assert report.joint.look_alikes == pytest.approx(2 * n_twins / n)
    assert report.joint.to_link == verdict
    assert ("weak_to_link" in codes_of(report)) is (verdict != "good")


def test_a_missing_value_counts_as_a_value(agreement_of):
    frame = constructed().assign(postal_code="", surname="", sex="")
    report = lk.preflight(frame, agreement_of(), party="north")
    assert report.joint.fields == ("given_name", "birth_date")
    assert report.joint.share_unique == 1.0
    assert of(report, "surname").share_missing == 1.0
    assert of(report, "surname").entropy_bits == 0.0


# --- Groups ----------------------------------------------------------------------------------


def test_salt_groups_are_counted(passes_agreement):
    report = lk.preflight(constructed(), passes_agreement, party="north")
    year, place = report.passes
    assert (year.name, year.n_groups, year.n_records, year.share_without) == ("year", 4, 64, 0)
    assert year.sizes == dict.fromkeys((5, 25, 50, 75, 95), 16)
    assert (year.n_largest, year.share_largest, year.concentration) == (16, 0.25, 0.25)
    assert year.known_in_group == {50: 12.5, 200: 16.0, 1_000: 16.0}
    assert (place.n_groups, place.n_records, place.share_without) == (31, 60, 4 / 64)
    assert place.sizes == {5: 1, 25: 1, 50: 1, 75: 1, 95: 1}
    assert (place.n_largest, place.share_largest) == (30, 0.5)
    assert place.concentration == pytest.approx((30**2 + 30) / 60**2)
    assert place.known_in_group[50] == pytest.approx(50 * (30**2 + 30) / 60**2)
    assert report.n_with_passes == (0, 4, 60)
    assert report.exposures == ()


def test_known_people_in_a_group_are_as_many_as_a_draw_finds(passes_agreement, made_people):
    frame = made_people(2_000, seed=3)
    frame["birth_date"] = [f"{1990 + i * i // 400_000}-03-05" for i in range(2_000)]
    year = lk.preflight(frame, passes_agreement, party="north").passes[0]
    groups = np.array([i * i // 400_000 for i in range(2_000)])
    rng = np.random.default_rng(8)
    draws = [
        np.mean(np.bincount(groups[rng.choice(2_000, 200)], minlength=10)[groups])
        for _ in range(400)
    ]
    assert year.known_in_group[200] == pytest.approx(np.mean(draws), rel=0.02)


def test_records_that_look_the_same_in_a_pass_are_counted(passes_agreement):
    frame = constructed()
    again = frame.head(16).assign(id=[f"again{i}" for i in range(16)])
    report = lk.preflight(pd.concat([frame, again]), passes_agreement, party="north")
    year, place = report.passes
    assert year.share_identical == pytest.approx(32 / 80)
    assert place.share_identical == pytest.approx(24 / 72)
    told = [item.message for item in report.advice if item.code == "identical"]
    assert told == [
        "In pass 'year', 40.0 % of the records look just like another one.",
        "In pass 'place', 33.3 % of the records look just like another one.",
    ]


def test_a_coarse_salt_is_told_with_one_that_is_finer(passes_agreement, made_people):
    frame = made_people(3_000, seed=5)
    report = lk.preflight(frame, passes_agreement, party="north")
    year, place = report.passes
    assert year.concentration > LIMITS.coarse_salt > place.concentration
    (found,) = [item for item in report.advice if item.code == "coarse_salt"]
    assert found.severity == "warning"
    assert f"makes {year.n_groups} groups" in found.message
    whole = frame["birth_date"].value_counts()
    n_known = 1_000 * np.sum((whole / 3_000) ** 2)
    assert found.advice == (
        f"With the whole birth_date as its salt, {n_known:,.1f} of them would be."
    )


def test_a_salt_of_several_passes_is_told_once(agreement_of, made_people):
    several = {"a": BY_YEAR, "b": BY_POSTAL_CODE, "c": BY_YEAR}
    report = lk.preflight(
        made_people(300, seed=5), agreement_of("standard", several), party="north"
    )
    (found,) = [item for item in report.advice if item.code == "coarse_salt"]
    assert found.message.startswith("Pass 'a' and 'c': the year of birth_date makes")
    assert "identical" not in codes_of(report)


def test_passes_that_nobody_or_hardly_anybody_has_are_told(passes_agreement):
    frame = constructed().assign(birth_date="")
    report = lk.preflight(frame, passes_agreement, party="north")
    assert report.passes[0].n_groups == 0
    assert report.passes[0].known_in_group == dict.fromkeys(KNOWN, 0.0)
    assert report.n_with_passes == (4, 60, 0)
    assert {"empty_pass", "no_pass", "one_pass"} <= codes_of(report)


# --- Fill and frequencies --------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["field", "standard", "hardened"])
def test_fill_is_that_of_the_filters_that_are_sent(agreement_of, made_people, secret, profile):
    agreement, frame = agreement_of(profile), made_people(300, seed=1)
    sent = lk.encode(frame, agreement, secret, party="north").encodings.filters
    report = lk.preflight(frame, agreement, party="north", secret=secret)
    assert [item.name for item in report.fills] == list(sent)
    for item in report.fills:
        words = sent[item.name].words
        share = np.bitwise_count(words).sum(axis=1) / item.n_bits
        bits = np.unpackbits(words.view(np.uint8), axis=1).mean(axis=0)
        assert item.n_records == 300
        assert item.mean == pytest.approx(share.mean())
        assert (item.low, item.high) == pytest.approx(tuple(np.percentile(share, [5, 95])))
        assert item.share_outside == pytest.approx(np.mean((share < 0.4) | (share > 0.6)))
        assert item.bit_means == pytest.approx((bits.min(), bits.max()))


def test_lengths_show_in_a_filter_of_a_field_and_not_in_a_diffused_pass(agreement_of, made_people):
    frame = made_people(1_500, seed=2)
    frame["surname"] = [name[: 3 + i % 5] for i, name in enumerate(frame["surname"])]
    plain = lk.preflight(frame, agreement_of(), party="north")
    correlation = {item.name: item.token_correlation for item in plain.fills}
    assert correlation["surname"] > 0.9
    assert correlation["sex"] is None
    passes = lk.preflight(frame, agreement_of("standard"), party="north")
    assert max(abs(item.token_correlation) for item in passes.fills) < LIMITS.length_correlation


def test_a_large_extract_is_tried_by_a_sample(agreement_of, made_people, monkeypatch):
    monkeypatch.setattr(run, "SAMPLE", 50)
    report = lk.preflight(made_people(200, seed=4), agreement_of(), party="north")
    assert (report.n_records, report.n_sampled) == (200, 50)
    assert {item.n_records for item in report.fills} == {50}
    assert of(report, "given_name").n_present == 200
    assert "a sample of 50 records" in str(report)


def test_values_that_only_frequency_tells_are_counted(agreement_of):
    report = lk.preflight(constructed(), agreement_of(), party="north")
    exposure = {item.name: item for item in report.exposures}
    assert exposure["sex"].share_by_rank == 1.0
    assert exposure["sex"].share_by_listed_rank == 1.0
    assert exposure["given_name"].share_by_rank == 0.0
    assert exposure["surname"].share_identical == 0.0
    assert exposure["postal_code"].share_by_rank == 0.5
    assert exposure["postal_code"].share_identical == 0.5
    assert report.passes == ()
    assert report.n_with_passes == ()
    assert "few_values" in codes_of(report)


def test_values_read_by_rank_are_those_of_a_simulated_attacker():
    sizes = np.array([500, 300, 120, 60, 20, *[1] * 400])
    values = np.repeat(np.arange(len(sizes)), sizes)
    rng = np.random.default_rng(5)
    shares = []
    for _ in range(200):
        listed = np.bincount(values[rng.random(len(values)) < 0.9], minlength=len(sizes))
        order = rng.permutation(len(sizes))
        ranked = order[np.argsort(-listed[order], kind="stable")]
        shares.append(sizes[ranked == np.arange(len(sizes))].sum() / len(values))
    assert share_by_listed_rank(sizes) == pytest.approx(np.mean(shares), abs=0.002)


def test_sizes_forget_values_and_missing_ones():
    assert class_sizes(np.array([7, -1, 7, 3, -1])).tolist() == [1, 2]
    assert class_sizes(np.array([-1, -1])).tolist() == []
    joined = combined(np.array([0, 0, -1, -1]), np.array([-1, 5, -1, -1]))
    assert class_sizes(joined).tolist() == [1, 1, 2]
    assert share_by_rank(np.array([], dtype=np.int64)) == 0.0
    assert share_by_listed_rank(np.array([], dtype=np.int64)) == 0.0


# --- What is not sent ------------------------------------------------------------------------


def test_rows_and_cells_that_would_not_be_sent_are_those_of_encode(agreement, secret):
    frame = pd.DataFrame(
        {
            "enrollment": ["a", "b", "c", "c", "d"],
            "first": ["Ana", "Bea", "Cleo", "Cleo", "n/a"],
            "last": ["Ruiz", "Li", "Vo", "Vo", ""],
            "birthday": ["2009-03-05", "2009-02-31", "2010-01-01", "2010-01-01", ""],
            "gender": ["F", "F", "M", "M", "F"],
            "zip": ["77001", "77002", "77003", "77003", ""],
            "guardian_phone": ["7135550100", "", "7135550102", "7135550103", ""],
            "summer": ["2024", "2024", "2024", "2024", "2024"],
            "days": ["1"] * 5,
        }
    )
    report = lk.preflight(frame, agreement, party="summer")
    encoded = lk.encode(frame, agreement, secret, party="summer").report
    assert (report.n_rows, report.n_records) == (encoded.n_rows, encoded.n_records) == (5, 3)
    assert report.set_aside == encoded.n_set_aside
    assert report.set_aside == {"fewer than 2 linkage fields to link by": 1}
    assert report.n_repeated == encoded.n_repeated == 1
    missing = {x.name: round(x.share_missing * 3) for x in report.fields}
    assert missing == encoded.missing
    assert sum(report.rejected.values()) == sum(issue.count for issue in encoded.issues) == 2
    assert "set_aside" in codes_of(report)


# --- Risks -----------------------------------------------------------------------------------


def facts(profile="standard", **changes):
    usual = {"n_records": 5_000, "n_telling": 6, "concentrations": {"a": 0.001}, "estimated": {}}
    return Facts(profile=profile, **{**usual, **changes})


def risks_of(found):
    return {item.actor: item for item in actor_risks(found)}


def classes_of(found):
    return [item.risk for item in actor_risks(found)]


def test_every_actor_is_judged_in_order():
    assert [item.actor for item in actor_risks(facts())] == list(ACTORS)


@pytest.mark.parametrize("profile", MEASURED)
def test_a_share_is_the_measured_one_where_groups_are_small(profile):
    found = risks_of(facts(profile, concentrations={} if profile == "field" else {"a": 1e-6}))
    measured = MEASURED[profile]
    assert found["linkage_unit"].share == measured.graph
    for n, share in measured.known.items():
        assert found[f"known_{n}"].share == max(share, measured.graph)
        assert found[f"known_{n}"].source == measured.source


def test_the_field_profile_is_at_risk_from_the_linkage_unit_whatever_the_fields():
    assert classes_of(facts("field", concentrations={})) == ["low", *["high"] * 5]


@pytest.mark.parametrize("profile", MEASURED)
def test_a_partner_with_the_linkage_unit_is_always_a_high_risk(profile):
    assert risks_of(facts(profile))["partner_and_linkage_unit"].risk == "high"
    assert risks_of(facts(profile))["partner_and_linkage_unit"].share == 1.0


@pytest.mark.parametrize("profile", ["standard", "hardened"])
def test_risk_never_falls_with_known_people_nor_with_the_estimate(profile):
    last = [0.0] * 4
    for estimate in (0.0, 1e-4, 0.01, 0.2, 0.9):
        found = risks_of(facts(profile, estimated={50: estimate / 4, 1_000: estimate}))
        shares = [found[name].share for name in ("linkage_unit", *(f"known_{n}" for n in KNOWN))]
        assert shares == sorted(shares)
        assert all(new >= old for new, old in zip(shares, last, strict=True))
        last = shares


def test_the_larger_of_what_was_measured_and_estimated_counts():
    found = risks_of(facts(estimated={50: 0.0, 200: 0.25, 1_000: 0.75}))
    measured = MEASURED["standard"]
    assert found["known_50"].share == measured.known[50]
    assert found["known_50"].source == measured.source
    assert found["known_200"].share == 0.25
    assert found["known_200"].risk == "high"
    assert "in your own records it would be about 25 of 100" in found["known_200"].reasons[1]
    assert found["known_1000"].source.startswith("estimate on your own records")


def test_large_groups_are_a_high_risk_even_with_nobody_known():
    found = facts(concentrations={"a": LIMITS.unmeasured_salt})
    assert set(classes_of(found)[1:]) == {"high"}
    assert "groups so large" in risks_of(found)["linkage_unit"].reasons[-1]


def test_two_fields_do_not_withstand_known_people():
    found = risks_of(facts(n_telling=2))
    assert found["linkage_unit"].risk == risks_of(facts())["linkage_unit"].risk
    assert found["known_50"].risk in ("moderate", "high")
    assert (found["known_1000"].risk, found["known_1000"].share) == ("high", 0.16)


def test_a_short_list_is_at_least_a_moderate_risk_and_high_when_all_are_known():
    found = risks_of(facts(n_records=99))
    assert found["linkage_unit"].risk == found["known_50"].risk == "moderate"
    assert found["known_200"].share == found["known_1000"].share == 1.0
    assert risks_of(facts(n_records=50))["known_50"].risk == "high"
    assert (
        risks_of(facts(n_records=100))["linkage_unit"].risk
        == risks_of(facts())["linkage_unit"].risk
    )


def test_floors_leave_outsiders_alone():
    assert risks_of(facts(n_records=1, n_telling=1))["outsider"].risk == "low"


@pytest.mark.parametrize("floor", FLOORS, ids=lambda floor: floor.code)
def test_a_floor_gives_its_reason(floor):
    hard = facts(n_records=10, n_telling=1, concentrations={"a": 1.0})
    easy = facts(n_records=10**6)
    assert floor.applies(hard, 1_000)
    assert not any(floor.applies(easy, n) for n in (0, *KNOWN))
    assert floor.because in risks_of(hard)["known_1000"].reasons


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0, "low"), (0.0099, "low"), (0.01, "moderate"), (0.0999, "moderate"), (0.1, "high")],
)
def test_classes_begin_at_their_limits(share, expected):
    assert risk_class(share) == expected


# --- What known people teach -----------------------------------------------------------------


def prepared(agreement, frame):
    found = prepare_extract(frame, agreement, party="north")
    best = pa.array(found.records.best_row)
    fields = {name: column.take(best) for name, column in found.standardized.fields.items()}
    spec = encoding_spec(agreement)
    return fields, spec, {item.name: group_codes(fields, item) for item in spec.passes}


def attacked(agreement, frame, secret, *, n_known):
    """Recognize real filters: predict each person's from known ones, and take the best fit."""
    fields, spec, groups = prepared(agreement, frame)
    filters = record_filters(fields, secret, KeyScope.of(agreement, spec), spec)
    n_others = len(frame) - n_known
    scores = np.zeros((n_others, n_others))
    for item in spec.passes:
        alike = _similarity(fields, agreement, item)
        bits = 2.0 * np.unpackbits(filters[item.name].words.view(np.uint8), axis=1) - 1
        guess = np.zeros((n_others, item.n_bits))
        for group in np.unique(groups[item.name]):
            known = np.flatnonzero(groups[item.name][:n_known] == group)
            mine = n_known + np.flatnonzero(groups[item.name][n_known:] == group)
            if len(known):
                noisy = alike[np.ix_(known, known)] + 1e-3 * np.eye(len(known))
                weights = np.linalg.solve(noisy, bits[known])
                guess[mine - n_known] = alike[np.ix_(mine, known)] @ weights
        guess = np.clip(guess, -0.95, 0.95)
        up, down = np.log1p(guess), np.log1p(-guess)
        scores += (up - down) / 2 @ bits[n_known:].T + (up + down).sum(axis=1)[:, None] / 2
    return np.mean(scores.argmax(axis=0) == np.arange(n_others))


@pytest.mark.parametrize("n_known", [50, 200])
@pytest.mark.parametrize("n_streets", [12, 40])
def test_the_estimate_is_about_what_an_attack_on_real_filters_finds(
    agreement_of, secret, n_streets, n_known
):
    rng = np.random.default_rng(n_streets)
    n = 500
    frame = pd.DataFrame(
        {
            "id": [f"p{i}" for i in range(n)],
            "given_name": [f"{GIVEN[i]}{WORDS[j][:3]}" for i, j in rng.integers(0, 8, (n, 2))],
            "surname": rng.choice(WORDS, n),
            "birth_date": [f"{y}-0{m}-{d:02d}" for y, m, d in zip(
                rng.integers(2008, 2012, n), rng.integers(1, 10, n), rng.integers(2, 28, n),
                strict=True)],
            "sex": rng.choice(["F", "M"], n),
            "postal_code": rng.choice([f"{50_100 + 7 * i}" for i in range(n_streets)], n),
        }
    )  # fmt: skip
    agreement = agreement_of("standard", {"year": BY_YEAR, "place": BY_POSTAL_CODE})
    found = np.mean([attacked(agreement, frame, lk.Secret.generate(), n_known=n_known)
                     for _ in range(2)])  # fmt: skip
    fields, spec, groups = prepared(agreement, frame)
    estimate = expected_recognized(fields, agreement, spec, groups, np.arange(n))[n_known]
    assert found > 0.02
    assert found - 0.08 <= estimate <= 2 * found + 0.15


def test_nobody_known_in_a_group_teaches_nothing():
    alike = np.full((4, 4), 0.5) + np.eye(4) / 2
    assert signal(alike, np.array([0, 0, 1, -1]), 2, 2).tolist() == [0.0, 0.0]
    assert signal(alike, np.array([0, -1, 0, 0]), 2, 2) == pytest.approx([0.25, 0.25], rel=0.01)


def test_what_known_people_teach_is_told(passes_agreement, made_people):
    frame = made_people(300, seed=4).assign(surname="lopes", postal_code="77001")
    report = lk.preflight(frame, passes_agreement, party="north")
    assert report.estimated == {n: report.estimated[n] for n in KNOWN}
    assert report.estimated[200] == report.risk("known_200").share
    (found,) = [item for item in report.advice if item.code == "known_people_teach"]
    least = next(n for n in KNOWN if report.estimated[n] >= LIMITS.high_from)
    assert found.message.startswith(f"Who knows {least} of these people")
    alone = lk.preflight(constructed(), agreement_without_passes(passes_agreement), party="north")
    assert alone.estimated == {}


def agreement_without_passes(agreement):
    document = agreement.model_dump(mode="json", exclude_defaults=True)
    document["linkage"] = {"profile": "field", "fields": document["linkage"]["fields"]}
    return Agreement.from_document(document)


def test_more_signal_recognizes_more():
    shares = [share_recognized(np.full(50, x), n_others=1_000) for x in (0, 1, 5, 20, 60)]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1] > 0.99) == (0.001, True)
    half = np.array([0.0, 200.0] * 25)
    assert share_recognized(half, n_others=1_000) == pytest.approx(0.5, abs=0.01)


def test_who_knows_everybody_recognizes_everybody(agreement_of):
    fields, spec, groups = prepared(agreement_of("standard"), constructed())
    agreement = agreement_of("standard")
    found = expected_recognized(fields, agreement, spec, groups, np.arange(64))
    assert found[200] == found[1_000] == 1.0
    assert 1 / 14 <= found[50] <= 1.0


def test_an_extract_reaches_the_rules_as_it_is(agreement_of, made_people):
    kinds = {"given_name": "given_name", "birth_date": "date", "sex": "sex"}
    passes = {"year": BY_YEAR, "name": {"salt": {"given_name": 3}}}
    frame = made_people(150, seed=9).drop(columns=["surname", "postal_code"])
    report = lk.preflight(frame, agreement_of("hardened", passes, kinds=kinds), party="north")
    assert report.joint.to_withstand == "few"
    assert {"few_fields", "coarse_salt", "experimental"} <= codes_of(report)
    assert report.risk("known_1000").share == 1.0
    with pytest.raises(KeyError):
        report.risk("nobody")


# --- Advice ----------------------------------------------------------------------------------


def test_a_short_list_is_told(agreement_of, made_people):
    short = lk.preflight(made_people(99, seed=1), agreement_of(), party="north")
    assert short.advice[0].code == "small_list"
    assert "fewer than 100" in short.advice[0].message
    long = lk.preflight(made_people(100, seed=1), agreement_of(), party="north")
    assert "small_list" not in codes_of(long)


def test_fillers_and_gaps_are_told(agreement_of, made_people):
    frame = made_people(120, seed=6).assign(surname="filler", given_name="")
    frame.loc[:70, "postal_code"] = ""
    report = lk.preflight(frame, agreement_of(), party="north")
    told = {(item.code, item.severity) for item in report.advice}
    assert {
        ("one_value", "warning"), ("field_missing", "warning"), ("field_often_missing", "note"),
    } <= told  # fmt: skip
    assert "filler" not in str(report)


def test_leaning_on_one_field_is_told(agreement_of):
    kinds = {"given_name": "given_name", "surname": "surname"}
    frame = constructed()[["id", "given_name", "surname"]]
    report = lk.preflight(frame, agreement_of(kinds=kinds), party="north")
    (found,) = [item for item in report.advice if item.code == "leans_on_one_field"]
    assert found.message.startswith("Without 'surname', only 0 % of the records")


def test_filters_that_are_hardly_filled_are_told(agreement_of, made_people):
    frame = made_people(120, seed=6)
    frame["surname"] = [f"{a[0]}{a[1]}" for a in frame["surname"]]
    report = lk.preflight(frame, agreement_of(), party="north")
    (found,) = [item for item in report.advice if item.code == "fill"]
    assert "'surname'" in found.message
    assert "'given_name'" not in found.message


def test_warnings_come_first(passes_agreement):
    report = lk.preflight(constructed(), passes_agreement, party="north")
    severities = [item.severity for item in report.advice]
    assert severities == sorted(severities, key=lambda item: item != "warning")
    assert {"warning", "note"} == set(severities)


# --- Reports ---------------------------------------------------------------------------------


@pytest.fixture
def reports(agreement_of, passes_agreement, made_people):
    return [
        lk.preflight(frame, agreement, party="north")
        for agreement in (agreement_of(), passes_agreement)
        for frame in (constructed(), made_people(150, seed=7))
    ]


def test_a_report_is_plain_data(reports):
    for report in reports:
        content = report.to_dict()
        assert json.loads(json.dumps(content)) == content
        assert set(content) == {field.name for field in dataclasses.fields(report)}
        assert content["n_records"] == report.n_records
    assert reports[2].to_dict()["passes"][0]["known_in_group"]["50"] == 12.5


def test_a_report_is_saved_as_page_data_or_text(reports, tmp_path):
    for report in reports:
        data = json.loads(report.save(tmp_path / "r.json").read_text(encoding="utf-8"))
        assert data == report.to_dict()
        assert report.save(tmp_path / "r.txt").read_text(encoding="utf-8") == f"{report}\n"
        page = report.save(tmp_path / "r.html").read_text(encoding="utf-8")
        assert page.startswith("<!DOCTYPE html>")


class Page(HTMLParser):
    """Notes which elements are open, which resources are named, and all text."""

    def __init__(self):
        super().__init__()
        self.open, self.links, self.texts = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "br"):
            self.open.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "action")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_a_page_is_whole_and_needs_nothing_else(reports, tmp_path):
    for report in reports:
        page = Page()
        page.feed(report.save(tmp_path / "r.html").read_text(encoding="utf-8"))
        assert (page.open, page.links) == ([], [])
        text = " ".join(" ".join(page.texts).split())
        for item in (*report.risks, *report.advice):
            assert " ".join((item.who if hasattr(item, "who") else item.message).split()) in text
        assert "nobody can be recognized" in text


def test_no_report_promises_too_much(reports):
    for report in reports:
        text = f"{report}{report.to_dict()}".lower()
        assert not re.search(r"anonym|irreversib|epsilon|guarantee|\bsafe\b|secure", text)
        assert ("not peer-reviewed" in text) is (report.profile != "field")


def test_names_in_the_agreement_are_text_in_the_page(passes_agreement, tmp_path):
    document = passes_agreement.model_dump(mode="json", exclude_defaults=True)
    document["title"] = "<script>alert(1)</script>"
    report = lk.preflight(constructed(), Agreement.from_document(document), party="north")
    page = report.save(tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_report_says_little_of_itself(reports):
    assert repr(reports[0]).startswith("<PreflightReport of 'north': 64 records, profile 'field', ")


def test_a_report_that_cannot_be_written_is_an_error(reports, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SealError, match="cannot be written"):
        reports[0].save(tmp_path / "file" / "r.html")


def test_a_figure_that_was_given_is_not_given_again(reports):
    text = " ".join(str(reports[0]).split())
    assert text.count("go through them one by one") == 1


# --- Refusals, and hostile extracts ----------------------------------------------------------


def test_what_encode_refuses_is_refused(agreement_of):
    agreement, frame = agreement_of(), constructed()
    with pytest.raises(NotAuthorizedError, match="no party 'west'"):
        lk.preflight(frame, agreement, party="west")
    with pytest.raises(ExtractError, match="column 'surname' of the agreement is missing"):
        lk.preflight(frame.drop(columns="surname"), agreement, party="north")
    with pytest.raises(ExtractError, match="none of the 2 rows has enough"):
        blank = frame.head(2).assign(
            given_name="", surname="", birth_date="", postal_code="", sex="F"
        )
        lk.preflight(blank, agreement, party="north")
    with pytest.raises(OptionError, match="'agreement' must be an Agreement"):
        lk.preflight(frame, {}, party="north")
    with pytest.raises(SecretError, match="'secret' must be a Secret, not bytes"):
        lk.preflight(frame, agreement, party="north", secret=b"x" * 32)
    with pytest.raises(AgreementError):
        lk.preflight(frame, Agreement.from_yaml("id: x"), party="north")


def test_an_agreement_that_is_past_is_refused(agreement_of):
    import datetime as dt

    with pytest.raises(NotAuthorizedError, match="had to be destroyed"):
        lk.preflight(constructed(), agreement_of(), party="north", today=dt.date(3000, 1, 1))


@pytest.mark.parametrize("profile", ["field", "standard"])
def test_hostile_cells_do_no_harm(agreement_of, profile):
    cells = ["=1+1", "@cmd", "<b>", "\x00", "\u202eabc", "😀" * 50, "x" * 5_000, "NaN", "𝔄𝔅", "-"]
    frame = pd.DataFrame(
        {
            name: [cells[(i * k) % len(cells)] for i in range(40)]
            for k, name in enumerate(["id", "given_name", "surname", "sex", "postal_code"], 1)
        }
    ).assign(id=[f"r{i}" for i in range(40)], birth_date=["2001-02-03", "31/02/1999"] * 20)
    report = lk.preflight(frame, agreement_of(profile), party="north")
    assert report.n_records + sum(report.set_aside.values()) == 40
    shown = f"{report}{report!r}{json.dumps(report.to_dict())}"
    assert not any(cell in shown for cell in cells if len(cell) > 3)


def test_one_record_is_enough_to_be_judged(passes_agreement):
    report = lk.preflight(constructed().tail(1), passes_agreement, party="north")
    assert (report.n_records, report.joint.possible_bits) == (1, 0.0)
    assert report.joint.share_unique == 1.0
    assert report.risk("known_50").share == 1.0
    assert report.fills[0].token_correlation is None


def test_frames_of_any_library_and_files_give_the_same(passes_agreement, tmp_path):
    frame = constructed()
    expected = lk.preflight(frame, passes_agreement, party="north")
    path = tmp_path / "n.csv"
    frame.to_csv(path, index=False)
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    for same in (arrow, path, str(path), lk.read_extract(path)):
        assert lk.preflight(same, passes_agreement, party="north") == expected
