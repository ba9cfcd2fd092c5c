"""What is measured equals what a slow count says, and what is published hides small counts."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from linkkit.agreement import Agreement
from linkkit.steward.integrate.example import small_partnership
from linkkit.steward.protect import protect
from linkkit.steward.protect.dataset import ProtectionSummary
from linkkit.steward.protect.measured.fitting import fitting_people, people_in_reach
from linkkit.steward.protect.measured.report import ClassCounts
from linkkit.steward.protect.measured.risk import risk_figures
from linkkit.steward.release.published import publish_findings, publish_risk, publish_utility
from shared.study import people_of

AGREEMENT, _, _ = small_partnership()
CELL = AGREEMENT.protection.smallest_cell


def codes_of(draw, n_rows, n_groups):
    return np.array(
        [[draw(st.integers(0, n - 1)) for n in n_groups] for _ in range(n_rows)], dtype=np.int64
    ).reshape(n_rows, len(n_groups))


@st.composite
def combinations(draw):
    n_groups = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    missing = [draw(st.sampled_from([-1, n - 1])) for n in n_groups]
    asked = codes_of(draw, draw(st.integers(0, 6)), n_groups)
    codes = codes_of(draw, draw(st.integers(0, 8)), n_groups)
    people = np.array([draw(st.integers(1, 9)) for _ in codes], dtype=np.int64)
    return asked, codes, people, missing, n_groups


@given(combinations())
@settings(max_examples=150, deadline=None)
def test_those_who_fit_are_those_who_agree_wherever_neither_is_missing(drawn):
    asked, codes, people, missing, n_groups = drawn
    slow = [
        sum(
            int(n)
            for row, n in zip(codes.tolist(), people, strict=True)
            if all(a == b or gap in (a, b) for a, b, gap in zip(mine, row, missing, strict=True))
        )
        for mine in asked.tolist()
    ]
    assert fitting_people(asked, codes, people, missing, n_groups).tolist() == slow


@given(combinations(), st.data())
@settings(max_examples=100, deadline=None)
def test_those_in_reach_are_those_whom_every_label_covers(drawn, data):
    asked, codes, people, _, n_groups = drawn
    reach = [
        np.array([[data.draw(st.booleans()) for _ in range(n)] for _ in range(n)]) for n in n_groups
    ]
    slow = [
        sum(
            int(n)
            for row, n in zip(codes.tolist(), people, strict=True)
            if all(covers[a][b] for covers, a, b in zip(reach, mine, row, strict=True))
        )
        for mine in asked.tolist()
    ]
    assert people_in_reach(asked, reach, codes, people).tolist() == slow


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(0, 60)), min_size=1, max_size=12),
    st.floats(0.01, 1),
)
@settings(max_examples=150, deadline=None)
def test_risk_equals_that_of_each_person(classes, threshold):
    sizes = [size for size, _ in classes]
    population = [size + more for size, more in classes]
    found = risk_figures(
        ClassCounts(
            sizes=tuple(sizes),
            fits=tuple(sizes),
            population=tuple(population),
            n_classes=(1,) * len(sizes),
        ),
        threshold=threshold,
    )
    for risk, of in ((found.prosecutor, sizes), (found.journalist, population)):
        chances = np.repeat([1 / n for n in of], sizes)
        assert risk.highest == chances.max()
        assert risk.share_above == pytest.approx((chances > threshold * (1 + 1e-9)).mean())
        assert risk.average >= chances.mean() - 1e-12
    assert found.prosecutor.average == pytest.approx(len(sizes) / sum(sizes))
    assert found.marketer <= found.prosecutor.average + 1e-12


def protected(seed):
    """A protected data set of random people; how many are withheld differs much."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(30, 400))
    common = float(rng.choice([0.1, 0.3, 0.7]))
    sexes = rng.choice(["F", "M", "X", "Y"], n, p=[0.5, 0.46, 0.03, 0.01])
    sexes[: rng.integers(0, 7)] = "Z"  # often too few, and the only ones who are withheld
    document = AGREEMENT.model_dump(mode="json")
    document["protection"]["max_suppressed"] = 0.4
    if rng.random() < 0.5:
        del document["protection"]["quasi_identifiers"]["birth_year"]
    agreement = Agreement.from_document(document)
    born = (2016 - rng.geometric(common, n)).tolist()
    people = people_of(agreement, birth_year=born, sex=sexes.tolist())
    return protect(people, agreement, method="optimal")


def first_of(words):
    return int(words.split("-")[0].rstrip("+"))


@pytest.mark.parametrize("seed", range(60))
def test_what_is_published_hides_small_counts(seed):
    safe = protected(seed)
    before, n = safe.report().risk.before, safe.n_people_in
    risk, utility = publish_risk(safe), publish_utility(safe)
    lowest = [first_of(band.people_in_class) for band in risk.class_sizes]
    for band, low, end in zip(risk.class_sizes, lowest, [*lowest[1:], 10**9], strict=True):
        inside = sum(b.n_people for b in before.class_sizes if low <= b.lowest < end)
        assert inside == 0 or inside >= CELL
        assert band.before == pytest.approx(inside / n, abs=0.0101)
        assert 100 * band.before == pytest.approx(round(100 * band.before))
    rows = {row.measure: row for row in risk.rows}
    above = round(before.prosecutor.share_above * n)
    small = 0 < above < CELL or 0 < n - above < CELL
    assert (rows["Prosecutor, people above 0.2"].before is None) == small
    if 0 < before.sample_uniques < CELL:
        assert rows["Alone in the file"].before is None
    few = 0 < safe.n_suppressed < CELL
    assert all((item.shift_as_read is None) == few for item in utility.variables)
    assert all((item.shift_by_withholding is None) == few for item in utility.variables)
    assert utility.discernibility == sum(
        size * size * m
        for size, m in zip(
            safe.summary.measured.after.sizes, safe.summary.measured.after.n_classes, strict=True
        )
    )
    assert not few or not any("removes" in words for words in publish_findings(safe))


@pytest.mark.parametrize("seed", range(10))
def test_a_summary_comes_back_from_json(seed):
    safe = protected(seed)
    text = json.dumps(dataclasses.asdict(safe.summary), allow_nan=False)
    assert TypeAdapter(ProtectionSummary).validate_json(text) == safe.summary
