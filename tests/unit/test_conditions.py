"""Compiling privacy models: what they become, and what cannot be asked of a table."""

import datetime as dt
import traceback

import numpy as np
import pyarrow as pa
import pytest

from linkkit.errors import ProtectionError
from linkkit.steward.promises import PromisedCloseness, PromisedEntropyL
from linkkit.steward.protect.compiled_models import (
    coded_values,
    compile_conditions,
    one_population,
)
from linkkit.steward.protect.items import find_items
from linkkit.steward.protect.models import (
    DeltaPresence,
    DistinctLDiversity,
    EntropyLDiversity,
    HouseholdKAnonymity,
    KAnonymity,
    KMap,
    TCloseness,
)
from linkkit.steward.protect.promised import promise_models

MARK = "Zqxmarkerzz"
ITEMS = find_items([np.array([0, 0, 1, 1])], [2])
BOTH = np.array([0, 1])


def tree(**paths):
    return TCloseness(sensitive="x", t=0.5, distance="hierarchical", hierarchy=paths)


def test_only_k_is_left_to_a_kernel_when_counts_add_up():
    alone = compile_conditions([KAnonymity(k=2), KAnonymity(k=3)], ITEMS)
    assert (alone.k, alone.only_k, alone.needs_population) == (3, True, False)
    assert alone.counts.tolist() == [2, 2]
    spread = compile_conditions([KAnonymity(k=3)], ITEMS, person=np.array([0, 1, 1, 2]))
    assert not spread.only_k
    together = np.zeros(2, dtype=np.int64)
    assert spread.met(BOTH, together, n_classes=1).tolist() == [True]
    few = compile_conditions([KAnonymity(k=3)], ITEMS, person=np.array([0, 1, 1, 0]))
    assert few.met(BOTH, together, n_classes=1).tolist() == [False]
    several_rows = compile_conditions([KAnonymity(k=2)], ITEMS, person=np.array([5, 5, 1, 2]))
    assert several_rows.only_k
    assert several_rows.counts.tolist() == [1, 2]


def test_without_k_a_class_still_needs_somebody():
    conditions = compile_conditions(
        [DistinctLDiversity(sensitive="x", l=2)], ITEMS, sensitive={"x": pa.array([1, 2, 3, 3])}
    )
    assert (conditions.k, conditions.only_k) == (1, False)
    assert conditions.met(BOTH, BOTH, n_classes=3).tolist() == [True, False, False]


def test_population_models_must_be_told_who_fits():
    table = pa.table({"a": [1]})
    models = [KMap(k=4, population=table), DeltaPresence(low=0.1, high=0.5, population=table)]
    conditions = compile_conditions(models, ITEMS)
    assert conditions.needs_population
    assert one_population(models) is table
    assert one_population([KAnonymity(k=2)]) is None
    fits = np.array([4, 3, 9])
    assert conditions.met(BOTH, BOTH, n_classes=3, population=fits).tolist() == [True, False, False]
    with pytest.raises(ValueError, match="population of each class"):
        conditions.met(BOTH, BOTH, n_classes=2)
    other = KMap(k=2, population=pa.table({"a": [1]}))
    with pytest.raises(ProtectionError, match="more than one population"):
        one_population([*models, other])


@pytest.mark.parametrize(
    ("models", "wording"),
    [
        ([], "no privacy model"),
        ([HouseholdKAnonymity(k=2)], "there are no households"),
        ([DistinctLDiversity(sensitive="y", l=2)], "'y' is not in the table"),
        ([TCloseness(sensitive="x", t=0.1, distance="ordered")], "'x' has no order"),
        ([tree(a=("*",), b=("g", "*"))], "same number of groups"),
        ([tree(a=("g", "*"), b=("g", "top"))], "several tops"),
        ([tree(a=("g", "h", "*"), b=("g", "i", "*"))], "splits a group"),
        ([tree(a=("*",))], "does not cover 1 values"),
    ],
)
def test_what_cannot_be_asked_is_refused(models, wording):
    with pytest.raises(ProtectionError, match=wording) as caught:
        compile_conditions(models, ITEMS, sensitive={"x": pa.array(["a", MARK, "a", None])})
    assert MARK not in "".join(traceback.format_exception(caught.value))


def test_all_problems_are_told_at_once():
    models = [HouseholdKAnonymity(k=2), DistinctLDiversity(sensitive="y", l=2)]
    with pytest.raises(ProtectionError, match="no households") as caught:
        compile_conditions(models, ITEMS)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("column", "values", "codes"),
    [
        (pa.array([0.0, -0.0, float("nan"), None, -1.5]), [-1.5, 0.0, None], [1, 1, 2, 2, 0]),
        (pa.array(["b", "a", "b"]).dictionary_encode(), ["a", "b"], [1, 0, 1]),
        (pa.chunked_array([["b"], [None, "a"]]), ["a", "b", None], [1, 2, 0]),
        (pa.chunked_array([], pa.int64()), [], []),
    ],
)
def test_values_are_ranked_and_missing_comes_last(column, values, codes):
    found, coded = coded_values(column)
    assert (found, coded.tolist()) == (values, codes)


def test_promises_say_how_everybody_was_spread():
    days = pa.array([dt.date(2020, 1, 2), None, dt.date(2019, 1, 1), dt.date(2020, 1, 2)])
    models = [
        TCloseness(sensitive="day", t=0.2, distance="ordered"),
        EntropyLDiversity(sensitive="day", l=2),
    ]
    assert promise_models(models, sensitive={"day": days}) == (
        PromisedCloseness(
            sensitive="day",
            t=0.2,
            distance="ordered",
            overall=(("2019-01-01", 1), ("2020-01-02", 2), (None, 1)),
        ),
        PromisedEntropyL(sensitive="day", l=2),
    )
