"""Judging what is shown: who else matches, labels written alike, and what is done about it."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from linkkit.agreement import Generalization
from linkkit.errors import ProtectionError
from linkkit.steward.protect import (
    DeltaPresence,
    DistinctLDiversity,
    EntropyLDiversity,
    HouseholdKAnonymity,
    KAnonymity,
    KMap,
    anonymize,
)
from linkkit.steward.protect.compiled_models import compile_conditions
from linkkit.steward.protect.items import find_items
from linkkit.steward.protect.promised import promises_of
from linkkit.steward.protect.recode import Request, recode

METHODS = ["optimal", "local", "partition"]


def mixed(n_each=6):
    """Two towns that are diverse by themselves, and people of one value who lack a town."""
    return pa.table(
        {
            "town": [*["a"] * n_each, *["b"] * n_each, *[None] * n_each],
            "age": [*[10] * n_each, *[50] * n_each, *[10] * n_each],
            "illness": [*["x", "y"] * n_each, *["x"] * n_each],
        }
    )


WAYS = {"town": Generalization(), "age": Generalization(intervals=(1,))}


def entropy_of(values):
    _, counts = np.unique(values, return_counts=True)
    shares = counts / counts.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


@pytest.mark.parametrize("shown", ["tight", "levels"])
@pytest.mark.parametrize("method", METHODS)
def test_entropy_is_judged_with_everybody_who_matches(method, shown):
    models = [KAnonymity(k=3), EntropyLDiversity(sensitive="illness", l=1.85)]
    safe = anonymize(
        mixed(), quasi_identifiers=WAYS, models=models, method=method, shown=shown,
        missing="wildcard",
    ).table.to_pylist()  # fmt: skip
    assert len(safe) == 18
    for one in safe:
        same = [
            other["illness"]
            for other in safe
            if all(None in (one[q], other[q]) or one[q] == other[q] for q in WAYS)
        ]
        assert entropy_of(same) >= 1.85


@pytest.mark.parametrize("method", ["local", "partition"])
def test_who_fits_too_many_is_withheld_where_putting_together_is_no_help(method):
    """Who lacks a town fits people of a third one too, so that too few of them are in the data."""
    table = pa.table({"town": ["a"] * 4 + ["b"] * 4 + [None]})
    people = pa.table({"town": ["a"] * 8 + ["b"] * 8 + [None] + ["z"] * 13})
    request = Request(
        quasi_identifiers={"town": Generalization()},
        models=(DeltaPresence(low=0.4, high=0.9, population=people),),
        method=method,
        missing="wildcard",
        max_suppressed=0.2,
    )
    found = recode(table, request)
    assert found.suppressed.tolist() == [False] * 8 + [True]
    with pytest.raises(ProtectionError, match=f"'{method}' found no classes"):
        recode(table, dataclasses.replace(request, max_suppressed=0.0))


@pytest.mark.parametrize("method", ["local", "partition"])
@pytest.mark.parametrize("missing", ["category", "suppress"])
def test_people_of_the_population_who_lack_a_value_do_not_fit_a_set(method, missing):
    table = pa.table({"sex": ["F", "M", "X"]})
    people = pa.table({"sex": ["F", None, "M", "M", "X", "X"]})
    request = Request(
        quasi_identifiers={"sex": Generalization()}, models=(KMap(k=2, population=people),),
        method=method, missing=missing,
    )  # fmt: skip
    found = recode(table, request)
    labels = found.apply(table)["sex"].to_pylist()
    assert len(labels) == 3
    for label in labels:
        assert sum(label == "*" or (one or "?") in label for one in people["sex"].to_pylist()) >= 2


def test_sets_that_are_written_alike_are_promised_as_one():
    table = pa.table({"town": ["a, b", "c", "a", "b", "c"], "age": [1, 1, 9, 9, 9]})
    people = pa.concat_tables([table, pa.table({"town": ["z"], "age": [5]})])
    request = Request(
        quasi_identifiers={"town": Generalization(), "age": Generalization(intervals=(1,))},
        models=(KMap(k=2, population=people), KAnonymity(k=2)), method="partition",
    )  # fmt: skip
    found = recode(table, request)
    assert set(found.apply(table)["town"].to_pylist()) == {"{a, b, c}"}
    book = next(one for one in promises_of(found, request, table).codebook if one.shown)
    assert [(one.label, one.values) for one in book.shown] == [
        ("{a, b, c}", ("a", "a, b", "b", "c"))
    ]


@pytest.mark.parametrize("seed", range(40))
def test_conditions_of_groups_are_those_of_their_items(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))
    items = find_items([rng.integers(0, 6, n), rng.integers(0, 4, n)], [6, 4])
    models = [
        KAnonymity(k=3),
        HouseholdKAnonymity(k=2),
        DistinctLDiversity(sensitive="s", l=2),
        EntropyLDiversity(sensitive="s", l=1.5),
    ]
    whole = compile_conditions(
        models,
        items,
        sensitive={"s": pa.array(rng.integers(0, 3, n))},
        person=rng.integers(0, n, n) if seed % 2 else None,
        household=rng.integers(-1, 8, n),
    )
    groups = rng.integers(-1, 5, len(items))
    of = rng.integers(0, 3, 5)
    kept = np.flatnonzero(groups >= 0)
    expected = whole.met(kept, of[groups[kept]], n_classes=3)
    present = np.unique(groups[kept])
    grouped = whole.of_groups(groups, n_groups=5)
    assert grouped.met(present, of[present], n_classes=3).tolist() == expected.tolist()
