"""Risk, utility and subgroups of a protection: definitions by hand, models on known populations."""

import dataclasses
import json
import math

import numpy as np
import pyarrow as pa
import pytest
from scipy.integrate import quad

from linkkit.agreement import Generalization
from linkkit.errors import OptionError
from linkkit.steward.protect.hierarchies import build_hierarchy
from linkkit.steward.protect.items import find_items
from linkkit.steward.protect.measured import population
from linkkit.steward.protect.measured.groups import find_imbalance, withheld_by_lot
from linkkit.steward.protect.measured.measurable import measurable
from linkkit.steward.protect.measured.measure import measure
from linkkit.steward.protect.measured.population import (
    chance_of_at_most,
    estimate_population_uniques,
    expected_inverse,
    pitman_uniques,
    slide_negative_binomial_uniques,
    zayatz_uniques,
)
from linkkit.steward.protect.measured.report import ClassCounts, SubgroupFigures
from linkkit.steward.protect.measured.reported import report_of
from linkkit.steward.protect.measured.risk import measure_risk, risk_figures
from linkkit.steward.protect.measured.subgroups import detail_by_subgroup
from linkkit.steward.protect.measured.utility import average_class_ratio, discernibility
from linkkit.steward.protect.measured.words import promise_words
from linkkit.steward.protect.methods.grouping import Grouping
from linkkit.steward.protect.models import (
    DeltaPresence,
    DistinctLDiversity,
    EntropyLDiversity,
    HouseholdKAnonymity,
    KAnonymity,
    KMap,
    RecursiveLDiversity,
    TCloseness,
)
from linkkit.steward.protect.recode import Recoded, Request
from linkkit.steward.protect.shown import show
from linkkit.steward.protect.table import anonymize


def counts(sizes, population=(), n_classes=None):
    return ClassCounts(
        sizes=tuple(sizes),
        fits=tuple(sizes),
        population=tuple(population),
        n_classes=tuple(n_classes or [1] * len(sizes)),
    )


def grouped(columns, classes, *, ways=None, missing="category", k=2, persons=None, around=None):
    """Return what is measured when each distinct row goes to the class that is named for it.

    `classes` is the class of each row; `around` are the columns of a population.
    """
    ways = ways or {}
    n_rows = len(next(iter(columns.values())))
    hierarchies = tuple(
        build_hierarchy(
            name,
            pa.array([*values, *(around or {}).get(name, [])]),
            ways.get(name, Generalization()),
        )
        for name, values in columns.items()
    )
    items = find_items([h.base[:n_rows] for h in hierarchies], [h.n_groups for h in hierarchies])
    of_items = np.full(len(items), -1, dtype=np.int64)
    of_items[items.of_rows] = classes
    grouping = Grouping(classes=of_items, n_classes=max(classes) + 1, method="local")
    found = Recoded(
        hierarchies=hierarchies,
        rows=np.arange(n_rows),
        items=items,
        grouping=grouping,
        shown=show(hierarchies, items, grouping, shown="tight", missing=missing),
        n_rows=n_rows,
        why="by hand",
    )
    request = Request(
        quasi_identifiers={name: ways.get(name, Generalization()) for name in columns},
        models=(KAnonymity(k=k),),
        missing=missing,
    )
    return measurable(found, request, persons=None if persons is None else pa.array(persons))


def test_prosecutor_risk_is_one_over_the_class():
    found = risk_figures(counts([1, 2, 5], n_classes=[2, 1, 2]), threshold=0.3)
    assert (found.n_people, found.n_classes, found.smallest_class) == (14, 5, 1)
    assert found.prosecutor.highest == 1.0
    assert found.prosecutor.average == pytest.approx(5 / 14)
    assert found.prosecutor.share_above == pytest.approx(4 / 14)
    assert found.marketer == found.prosecutor.average
    assert found.sample_uniques == 2
    assert found.journalist is None
    assert found.population_uniques is None


def test_a_risk_that_equals_the_threshold_is_not_above_it():
    for k in range(2, 60):
        assert risk_figures(counts([k]), threshold=1 / k).prosecutor.share_above == 0
        assert risk_figures(counts([k - 1]), threshold=1 / k).prosecutor.share_above == 1


def test_journalist_and_marketer_count_the_population():
    found = risk_figures(counts([1, 2, 2], population=[2, 4, 2]), threshold=0.4)
    assert found.journalist.highest == 0.5
    assert found.journalist.share_above == pytest.approx(3 / 5)
    assert found.journalist.average == pytest.approx(max(3 / 8, (1 / 2 + 2 / 4 + 2 / 2) / 5))
    assert found.marketer == pytest.approx((1 / 2 + 2 / 4 + 2 / 2) / 5)


def test_the_journalist_takes_the_better_of_two_ways():
    found = risk_figures(counts([1, 9], population=[2, 9]), threshold=0.4)
    assert found.marketer == pytest.approx((1 / 2 + 1) / 10)
    assert found.journalist.average == pytest.approx(2 / 11)


def test_a_population_that_lacks_people_of_the_file_counts_them():
    found = risk_figures(counts([3, 1], population=[0, 1]), threshold=0.4)
    assert found.journalist.highest == 1.0
    assert found.journalist.share_above == pytest.approx(1 / 4)
    assert found.population_uniques.in_file == 1
    assert found.population_uniques.in_population is None
    assert found.population_uniques.model == "counted"


@pytest.mark.parametrize("fraction", [1e-9, 1e-4, 0.03, 0.5, 0.999])
def test_expected_inverse_equals_its_integral(fraction):
    sizes = np.array([1, 2, 5, 49, 50, 51, 1000, 10**6])
    found = expected_inverse(sizes, sampling_fraction=fraction)
    for size, value in zip(sizes.tolist(), found.tolist(), strict=True):
        integral = quad(
            lambda s, f=size: (
                math.exp(-s) * fraction / (fraction + (1 - fraction) * math.exp(-s / f))
            ),
            0,
            np.inf,
            epsabs=0,
            epsrel=1e-9,
            limit=400,
        )[0]
        assert value == pytest.approx(integral / size, rel=1e-6)


def test_expected_risk_is_that_of_samples_drawn_by_lot():
    rng = np.random.default_rng(5)
    absent = rng.negative_binomial(3, 0.25, 200_000)
    assert expected_inverse(np.array([3]), sampling_fraction=0.25)[0] == pytest.approx(
        (1 / (3 + absent)).mean(), rel=0.01
    )
    assert chance_of_at_most(7, np.array([3]), sampling_fraction=0.25)[0] == pytest.approx(
        (3 + absent <= 7).mean(), abs=0.005
    )


def test_with_a_fraction_the_journalist_is_estimated():
    classes = counts([1, 4], n_classes=[10, 5])
    found = risk_figures(classes, threshold=0.2, sampling_fraction=0.1)
    assert 0.1 < found.journalist.highest < 1
    assert found.journalist.average <= found.prosecutor.average
    assert found.marketer <= found.journalist.average
    all_of_it = risk_figures(classes, threshold=0.2, sampling_fraction=1.0)
    assert all_of_it.journalist == all_of_it.prosecutor
    assert all_of_it.population_uniques.in_population == 10


def sample_of(classes, fraction, seed):
    found = np.random.default_rng(seed).binomial(classes, fraction)
    return np.unique(found[found > 0], return_counts=True)


def test_slide_negative_binomial_finds_the_uniques_of_its_own_population():
    classes = 1 + np.random.default_rng(1).negative_binomial(0.5, 0.1, 20_000)
    sizes, n_classes = sample_of(classes, 0.4, 2)
    found = slide_negative_binomial_uniques(sizes, n_classes, sampling_fraction=0.4)
    assert found == pytest.approx((classes == 1).sum(), rel=0.1)


def test_pitman_finds_the_uniques_of_its_own_population():
    rng = np.random.default_rng(3)
    theta, alpha, people = 200.0, 0.5, 20_000
    # Pitman's scheme: the next person is alone with a chance that depends on how many classes
    # there are, and else joins a class by its size less alpha.
    member = np.zeros(people, dtype=np.int64)
    sizes: list[int] = []
    for i, draw in enumerate(rng.random(people).tolist()):
        chosen = len(sizes)
        if draw < (theta + alpha * len(sizes)) / (theta + i):
            sizes.append(0)
        else:
            chosen = member[rng.integers(i)]
            while rng.random() < alpha / sizes[chosen]:
                chosen = member[rng.integers(i)]
        member[i] = chosen
        sizes[chosen] += 1
    keep = rng.random(people) < 0.05
    found = np.bincount(member[keep])
    sampled, n_classes = np.unique(found[found > 0], return_counts=True)
    estimate = pitman_uniques(sampled, n_classes, sampling_fraction=float(keep.mean()))
    assert estimate == pytest.approx(sum(size == 1 for size in sizes), rel=0.15)


def test_zayatz_follows_bayes_rule():
    # Five people, of whom the sample has three in classes of one and two: the population of
    # six is taken to have as many classes of one as of two.
    sizes, n_classes = np.array([1, 2]), np.array([1, 1])
    n, people = 3, 6
    alone = [
        math.comb(size, 1) * math.comb(people - size, n - 1) / math.comb(people, n)
        for size in (1, 2)
    ]
    expected = alone[0] / sum(alone) * 1 / 0.5
    assert zayatz_uniques(sizes, n_classes, sampling_fraction=0.5) == pytest.approx(expected)


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.3, 0.6, 0.9])
def test_the_rule_is_near_the_truth_where_classes_are_spread_like_those_of_people(fraction):
    rng = np.random.default_rng(8)
    classes = np.floor(rng.pareto(1.2, 20_000) + 1).astype(np.int64)
    classes = classes[classes < 3000]
    sizes, n_classes = sample_of(classes, fraction, 9)
    found = estimate_population_uniques(sizes, n_classes, sampling_fraction=fraction)
    truth = (classes == 1).sum()
    assert truth / 2.5 < found.in_population < truth * 2.5
    assert fraction < 0.6 or found.in_population == pytest.approx(truth, rel=0.05)
    assert found.in_file <= n_classes[sizes == 1][0]


@pytest.mark.parametrize(
    ("fraction", "pitman", "slide", "zayatz", "model"),
    [
        (0.1, 5.0, 3.0, 4.0, "pitman"),
        (0.1, None, 3.0, 4.0, "zayatz"),
        (0.2, 5.0, 3.0, 4.0, "slide negative binomial"),
        (0.2, 5.0, 4.5, 4.0, "zayatz"),
        (0.2, 5.0, None, 4.0, "zayatz"),
    ],
)
def test_which_model_is_taken(monkeypatch, fraction, pitman, slide, zayatz, model):  # noqa: PLR0917
    values = {"pitman": pitman, "slide_negative_binomial": slide, "zayatz": zayatz}
    for name, value in values.items():
        monkeypatch.setattr(population, f"{name}_uniques", lambda *_, _v=value, **__: _v)
    found = estimate_population_uniques(
        np.array([1, 2]), np.array([8, 3]), sampling_fraction=fraction
    )
    assert found.model == model
    assert found.in_population == values[model.replace(" ", "_")]
    assert found.not_fitted == tuple(n.replace("_", " ") for n, v in values.items() if v is None)


def test_a_model_that_cannot_be_fitted_is_named():
    found = estimate_population_uniques(np.array([1]), np.array([40]), sampling_fraction=0.05)
    assert found.not_fitted == ("pitman", "slide negative binomial")
    assert (found.pitman, found.slide_negative_binomial) == (None, None)
    assert found.model == "zayatz"
    assert found.in_population == pytest.approx(40 / 0.05)


def test_where_nobody_is_alone_nothing_is_estimated():
    found = estimate_population_uniques(np.array([5]), np.array([9]), sampling_fraction=0.05)
    assert (found.model, found.in_population, found.in_file) == ("counted", 0.0, 0.0)


def test_the_threshold_is_that_of_the_promise():
    classes = counts([2, 5])
    assert measure_risk(classes, classes, k=5).threshold == 0.2
    assert measure_risk(classes, classes).threshold == 0.2
    assert measure_risk(classes, classes, k=10).threshold == 0.1
    assert measure_risk(classes, classes, k=10, threshold=0.5).threshold == 0.5


@pytest.mark.parametrize("name", ["threshold", "sampling_fraction"])
@pytest.mark.parametrize("value", [0, -0.1, 1.1, True, "0.2", math.nan])
def test_shares_that_are_none_are_refused(name, value):
    with pytest.raises(OptionError, match=f"'{name}' must be a number above 0") as caught:
        measure_risk(counts([2]), counts([2]), **{name: value})
    assert "For example" in caught.value.hint


def test_a_fraction_and_a_population_are_refused():
    known = counts([2], population=[4])
    with pytest.raises(OptionError, match="the population is known from the models") as caught:
        measure_risk(known, known, sampling_fraction=0.5)
    assert "are counted" in caught.value.hint


def test_bands_hold_every_class_once():
    found = risk_figures(counts([1, 2, 4, 9, 10, 999, 1000, 5000]), threshold=0.2)
    assert {band.label: band.n_classes for band in found.class_sizes if band.n_classes} == {
        "1": 1, "2": 1, "3-4": 1, "5-9": 1, "10-19": 1, "500-999": 1, "1000+": 2,
    }  # fmt: skip
    assert sum(band.n_people for band in found.class_sizes) == found.n_people


AGES = {"age": [10, 11, 12, 12, 20, 30]}
WAYS = {"age": Generalization(intervals=(1,))}


def test_utility_by_hand():
    # The classes are 10-12 with four people and 20 with nobody else; 30 is withheld.
    found = measure(grouped(AGES, [0, 0, 0, 0, 1, -1], ways=WAYS)).utility
    age = found.variables[0]
    assert age.information_loss == pytest.approx((4 * 2 / 20 + 0) / 5)
    assert found.information_loss == pytest.approx((4 * 2 / 20 + 0 + 1) / 6)
    assert found.information_loss_kept == age.information_loss
    assert found.discernibility == 4 * 4 + 1 + 1 * 6
    assert found.discernibility_share == pytest.approx(23 / 36)
    assert found.average_class_ratio == pytest.approx(5 / 2 / 2)
    assert (found.n_people, found.n_withheld) == (6, 1)
    bits = 2 * math.log2(4 / 1) + 2 * math.log2(4 / 2)
    most = 3 * math.log2(6) + 2 * math.log2(6 / 2)
    assert age.entropy_loss == pytest.approx(bits / most)
    assert (age.n_values, age.n_labels) == (5, 2)
    assert age.share_unchanged == pytest.approx(1 / 5)
    # Shares before: 1/6 1/6 2/6 1/6 1/6; of those who stay 1/5 1/5 2/5 1/5 0.
    assert age.shift_by_withholding == pytest.approx(1 / 6)
    # As read: 4/15 4/15 4/15 3/15 0.
    assert age.shift_as_read == pytest.approx((0.1 + 0.1 + 1 / 15 + 1 / 30 + 1 / 6) / 2)


def test_dropping_a_variable_loses_all_of_it():
    columns = {"sex": ["F", "M", "M"], "town": ["a", "b", "b"]}
    found = measure(grouped(columns, [0, 0, 0])).utility
    for item in found.variables:
        assert (item.information_loss, item.entropy_loss, item.n_labels) == (1.0, 1.0, 1)
        assert item.share_unchanged == 0


def test_nothing_changed_loses_nothing():
    columns = {"sex": ["F", "F", "M", "M"], "born": [1, 1, None, None]}
    found = measure(grouped(columns, [0, 0, 1, 1]))
    assert found.utility.information_loss == 0
    assert found.before == found.after
    for item in found.utility.variables:
        assert (item.entropy_loss, item.share_unchanged) == (0.0, 1.0)
        assert (item.shift_by_withholding, item.shift_as_read) == (0.0, 0.0)


def test_metrics_of_the_papers():
    assert discernibility(np.array([2, 2]), n_withheld=1, n_rows=5) == 4 + 4 + 5
    assert average_class_ratio(np.array([3, 3, 3]), k=3) == 1.0
    assert average_class_ratio(np.array([], dtype=np.int64), k=3) is None
    big = np.array([3_000_000_000])
    assert discernibility(big, n_withheld=0, n_rows=0) == 9 * 10**18


def test_a_person_with_several_rows_is_counted_once():
    columns = {"age": [1, 1, 1, 2, 2]}
    found = measure(grouped(columns, [0, 0, 0, 1, 1], persons=["a", "a", "a", "b", None]))
    assert found.before.sizes == (1, 2)
    assert risk_figures(found.after, threshold=0.5).sample_uniques == 1
    assert found.utility.discernibility == 9 + 4


def test_where_missing_agrees_with_everything_those_who_fit_are_counted():
    columns = {"sex": ["F", "F", "M", None], "town": ["a", "a", "a", "a"]}
    found = measure(grouped(columns, [0, 0, 1, 2], missing="wildcard"))
    assert (found.after.sizes, found.after.fits) == ((1, 1, 2), (2, 4, 3))
    assert found.after.n_classes == (1, 1, 1)
    assert found.before == found.after
    risk = risk_figures(found.after, threshold=0.4)
    assert risk.prosecutor.highest == 0.5
    assert risk.prosecutor.average == pytest.approx((2 / 3 + 1 / 2 + 1 / 4) / 4)
    assert risk.sample_uniques == 0


def test_the_population_that_fits_what_is_shown_is_counted():
    around = {"age": [10, 11, 11, 12, 12, 13, 20, 20, 30]}
    found = measure(grouped(AGES, [0, 0, 0, 0, 1, -1], ways=WAYS, around=around))
    assert dict(zip(found.after.sizes, found.after.population, strict=True)) == {4: 5, 1: 2}
    assert sorted(zip(found.before.sizes, found.before.population, strict=True)) == [
        (1, 1), (1, 2), (2, 2),
    ]  # fmt: skip
    assert sum(found.before.n_classes) == 5


def people(variable, *rows):
    return [
        SubgroupFigures(variable=variable, value=v, people=n, withheld=w, information_loss=loss)
        for v, n, w, loss in rows
    ]


def test_subgroups_tell_who_was_withheld_and_who_lost_detail():
    columns = {"sex": ["F", "F", "M", "M", "X"], "age": [1, 2, 1, 1, 1]}
    ways = {"age": Generalization(intervals=(1,))}
    found = measure(grouped(columns, [0, 0, 1, 1, -1], ways=ways)).subgroups
    rows = {(r.variable, r.value): (r.people, r.withheld, r.information_loss) for r in found}
    assert rows == {
        ("sex", "F"): (2, 0, 0.5),
        ("sex", "M"): (2, 0, 0.0),
        ("sex", "X"): (1, 1, None),
        ("age", "1"): (4, 1, pytest.approx(1 / 6)),
        ("age", "2"): (1, 0, 0.5),
    }
    assert [r.share_withheld for r in found[:3]] == [0, 0, 1]


def test_suppression_of_mostly_small_groups_is_a_finding():
    rows = people(
        "town", ("a", 500, 5, 0.1), ("b", 460, 5, 0.1), ("c", 25, 12, 0.1), ("d", 15, 10, 0.1)
    )
    (found,) = find_imbalance(rows, withheld_together=np.ones(32, dtype=np.int64))
    assert (found.kind, found.variable, found.n_groups, found.n_people) == (
        "withheld", "town", 2, 40,
    )  # fmt: skip
    assert found.ratio == pytest.approx((22 / 40) / (10 / 960))
    assert found.p_value < 1e-10
    assert found.message == (
        "Suppression removes mostly the smallest groups of 'town': they are 4 % of the people "
        "and 68.8 % of those withheld, 52.8 times as often as others."
    )


def test_people_withheld_together_count_as_one_draw():
    rows = people("town", ("a", 950, 20, 0.0), ("b", 50, 10, 0.0))
    assert find_imbalance(rows, withheld_together=np.ones(30, dtype=np.int64))
    assert not find_imbalance(rows, withheld_together=np.array([10, 10, 10]))


@pytest.mark.parametrize("seed", range(30))
def test_withholding_by_lot_is_no_finding(seed):
    rng = np.random.default_rng(seed)
    groups = rng.choice(6, 4000, p=[0.5, 0.3, 0.1, 0.05, 0.03, 0.02])
    withheld = rng.random(4000) < 0.05
    rows = people(
        "g",
        *(
            (str(i), int((groups == i).sum()), int(withheld[groups == i].sum()), 0.0)
            for i in range(6)
        ),
    )
    assert not find_imbalance(rows, withheld_together=np.ones(int(withheld.sum()), dtype=np.int64))


def test_small_groups_that_lost_more_detail_are_a_finding():
    rows = people("town", ("a", 500, 0, 0.02), ("b", 460, 0, 0.04), ("c", 40, 0, 0.3))
    (found,) = find_imbalance(rows, withheld_together=np.empty(0, dtype=np.int64))
    assert (found.kind, found.p_value) == ("detail", None)
    assert found.message == (
        "The smallest groups of 'town' lost more detail: 30 % of it, and others 3 %."
    )


def test_groups_of_one_size_are_all_small_or_none():
    rows = people("id", *((str(i), 10, int(i == 0), 0.0) for i in range(100)))
    assert not find_imbalance(rows, withheld_together=np.array([1]))


def test_fishers_exact_test():
    expected = sum(
        math.comb(10, x) * math.comb(90, 10 - x) / math.comb(100, 10) for x in range(5, 11)
    )
    assert withheld_by_lot((10, 5, 0), (90, 5, 0)) == pytest.approx(expected)
    assert withheld_by_lot((10, 0, 0), (90, 0, 0)) == 1.0


def test_published_detail_counts_only_large_groups():
    rows = people("sex", ("F", 50, 0, 0.25), ("M", 40, 0, 0.01), ("X", 3, 0, 0.9))
    found = detail_by_subgroup(rows, smallest_cell=10)
    assert [(r.value, r.detail_lost) for r in found] == [
        ("F", "20 to 50 %"),
        ("(all other values)", "5 to 20 %"),
    ]
    gone = people("sex", ("F", 50, 0, 0.25), ("X", 3, 3, None))
    assert [r.value for r in detail_by_subgroup(gone, smallest_cell=10)] == ["F"]


TABLE = pa.table(
    {
        "age": [7, 8, 8, 9, 30, 31, 33, 33, 60],
        "town": ["<b>a</b>", "b", "b", "b", "c", "c", "c", "c", "d"],
    }
)


def reported(**options):
    safe = anonymize(
        TABLE,
        quasi_identifiers={"age": Generalization(intervals=(1, 10)), "town": Generalization()},
        models=[KAnonymity(k=3)],
        method="optimal",
        max_suppressed=0.5,
    )
    return safe.report(**options)


def test_a_report_is_plain_data():
    found = reported(sampling_fraction=0.2)
    text = found.to_json()
    again = json.loads(text)
    assert again["risk"]["threshold"] == pytest.approx(1 / 3)
    assert again["utility"]["n_people"] == 9
    assert json.dumps(found.to_dict(), indent=2, sort_keys=True, ensure_ascii=False) + "\n" == text
    assert dataclasses.is_dataclass(found)
    assert report_of(measure_again(), sampling_fraction=0.2) == found


def measure_again():
    safe = anonymize(
        TABLE.to_pandas().sample(frac=1, random_state=3),
        quasi_identifiers={"age": Generalization(intervals=(1, 10)), "town": Generalization()},
        models=[KAnonymity(k=3)],
        method="optimal",
        max_suppressed=0.5,
    )
    return measure(safe.measurable)


def test_frames_hold_the_same():
    found = reported(sampling_fraction=0.2)
    frames = found.to_frames()
    assert list(frames) == ["risk", "class_sizes", "variables", "subgroups", "findings"]
    assert frames["risk"].loc["prosecutor_highest", "before"] == 1.0
    assert frames["risk"].loc["journalist_average", "after"] == found.risk.after.journalist.average
    assert frames["class_sizes"].groupby("side")["n_people"].sum().to_dict() == {
        "before": 9,
        "after": found.risk.after.n_people,
    }
    assert list(frames["variables"]["variable"]) == ["age", "town"]
    assert frames["subgroups"]["people"].sum() == 18


def test_the_page_needs_nothing_and_escapes_values():
    page = reported(sampling_fraction=0.2).to_html()
    assert page.startswith("<!DOCTYPE html>")
    assert "<b>a" not in page
    assert "&lt;b&gt;a&lt;/b&gt;" in page
    for foreign in ("http://", "https://", "<script", "src=", "nan", "None"):
        assert foreign not in page
    assert "Who is alone" in page
    assert "Nothing is known of the population" in reported().to_html()
    assert reported()._repr_html_().startswith("<style>")


def test_promises_in_words():
    table = pa.table({"age": [1]})
    models = [
        KAnonymity(k=5),
        HouseholdKAnonymity(k=3),
        KMap(k=7, population=table),
        DistinctLDiversity(sensitive="d", l=2),
        EntropyLDiversity(sensitive="d", l=2.5),
        RecursiveLDiversity(sensitive="d", c=3, l=2),
        TCloseness(sensitive="s", t=0.25, distance="ordered"),
        DeltaPresence(low=0.1, high=0.5, population=table),
    ]
    found = promise_words(models, missing="wildcard")
    wanted = [
        "5 people",
        "3 households",
        "7 people",
        "2 different",
        "2.5",
        "3 times",
        "0.25",
        "0.1",
    ]
    assert len(found) == len(models) + 1
    for sentence, part in zip(found, wanted, strict=False):
        assert part in sentence
    assert found[-1] == "A missing value agrees with every value, and stays missing."
