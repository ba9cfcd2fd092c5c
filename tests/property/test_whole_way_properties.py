"""From a table to its files: whatever way it is protected, the check finds every promise kept.

The tables are random, with values that look like labels, missing values, households and a
population; each is protected by the ways of a test, its promises are written down, its files
written, and both are handed to the check, which shares no code with what protects.
"""

import dataclasses
import tempfile
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from linkkit.agreement import Generalization
from linkkit.errors import ProtectionError, ReleaseError
from linkkit.steward.promises import promises_from_json, promises_to_json
from linkkit.steward.protect import recode as recoding
from linkkit.steward.protect._reference import keeps
from linkkit.steward.protect.methods.population import Population
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
from linkkit.steward.protect.promised import promises_of
from linkkit.steward.protect.shown import show
from linkkit.steward.protect.table import anonymize
from linkkit.steward.protect.upheld import Upheld
from shared.privacy_models import agrees
from shared.study import check_table

BORN = [date(2019, 5, 1) + timedelta(days=40 * i) for i in range(6)]
POOL = {
    "age": (pa.int64(), [2, 3, 4, 5, 7, 9, 12, 15], Generalization(intervals=(1, 5, 10))),
    "sex": (
        pa.string(),
        ["F", "M", "X"],
        Generalization(groups=({"F or M": ("F", "M"), "x": ("X",)},)),
    ),
    "zip": (pa.string(), ["10115", "10117", "10245", "20095"], Generalization(prefixes=(5, 3, 1))),
    "park": (
        pa.string(),
        ["n", "s", "all", "e"],
        Generalization(groups=({"all": ("n", "s", "all"), "e": ("e",)},)),
    ),
    "town": (pa.string(), ["a", "b", "a, b", "c", "*", "(missing)"], Generalization()),
    "born": (pa.date32(), BORN, Generalization(dates=("month", "year"))),
    "height": (pa.float64(), [1.5, 1.25, 0.5, 3.0, 2.75], Generalization(intervals=(1, 2))),
}
SCORES = [1.0, 2.5, 7.0, None]
TREE = {"a": ("ab", "*"), "b": ("ab", "*"), "c": ("cd", "*"), "d": ("cd", "*")}
METHODS = ["optimal", "local", "partition"]
POLICIES = ["category", "wildcard", "suppress"]
KINDS = [
    "k", "household", "map", "presence", "distinct", "entropy", "recursive", "equal", "ordered",
    "hierarchical", "in order",
]  # fmt: skip


def model_of(kind, rng, population):
    """One model of a kind, of what many random tables can keep."""
    name = str(rng.choice(["score", "grade"]))
    far = float(rng.choice([0.2, 0.3, 0.4, 0.5]))
    return {
        "k": lambda: KAnonymity(k=int(rng.integers(2, 5))),
        "household": lambda: HouseholdKAnonymity(k=int(rng.integers(2, 4))),
        "map": lambda: KMap(k=int(rng.integers(2, 9)), population=population),
        "presence": lambda: DeltaPresence(
            low=float(rng.choice([0.0, 0.1, 0.2])),
            high=float(rng.choice([0.6, 0.75, 0.9])),
            population=population,
        ),
        "distinct": lambda: DistinctLDiversity(sensitive=name, l=int(rng.integers(2, 4))),
        "entropy": lambda: EntropyLDiversity(sensitive=name, l=float(rng.choice([1.5, 2, 2.5]))),
        "recursive": lambda: RecursiveLDiversity(
            sensitive=name, c=float(rng.choice([0.5, 1, 2])), l=2
        ),
        "equal": lambda: TCloseness(sensitive=name, t=far),
        "ordered": lambda: TCloseness(sensitive="score", t=far / 2, distance="ordered"),
        "in order": lambda: TCloseness(
            sensitive="grade",
            t=far / 2,
            distance="ordered",
            order=rng.permutation(["nobody's", *TREE]).tolist(),
        ),
        "hierarchical": lambda: TCloseness(
            sensitive="grade", t=far, distance="hierarchical", hierarchy=TREE
        ),
    }[kind]()


@dataclasses.dataclass
class Case:
    """A random table, what is asked of it, and who else there is."""

    table: pa.Table
    homes: list
    population: pa.Table
    kinds: list
    request: recoding.Request


def drawn(rng, values, n, gaps):
    """Values of which some are commoner than others, and some are missing."""
    shares = rng.dirichlet(np.full(len(values), 2.0))
    chosen = rng.choice(len(values), size=n, p=shares)
    lost = rng.random(n) < gaps
    return [None if gone else values[i] for i, gone in zip(chosen.tolist(), lost, strict=True)]


def case_of(seed, *, method, missing, shown, kinds=None):
    """The case of a seed."""
    rng = np.random.default_rng(seed)
    n, n_others = int(rng.integers(8, 70)), int(rng.integers(20, 120))
    names = sorted(rng.choice(list(POOL), size=rng.integers(1, 5), replace=False).tolist())
    gaps = float(rng.choice([0.0, 0.05, 0.15] if missing == "suppress" else [0.0, 0.1, 0.3]))
    columns, others = {}, {}
    for name in names:
        kind, values, _ = POOL[name]
        here = drawn(rng, values, n, gaps * (rng.random() < 0.7))
        there = drawn(rng, values, n_others, gaps)
        columns[name], others[name] = pa.array(here, kind), pa.array(here + there, kind)
    population = pa.table(others)
    if kinds is None:
        kinds = rng.choice(KINDS, size=rng.integers(1, 4), replace=False).tolist()
    table = pa.table(
        {
            "study_id": [f"{row:06x}" for row in range(n)],
            **columns,
            "score": pa.array(drawn(rng, SCORES, n, 0), pa.float64()),
            "grade": pa.array(drawn(rng, list(TREE), n, 0.05), pa.string()),
        }
    )
    return Case(
        table=table,
        homes=[int(h) if h < n // 2 else None for h in rng.integers(0, n * 0.6 + 1, size=n)],
        population=population,
        kinds=kinds,
        request=recoding.Request(
            quasi_identifiers={name: POOL[name][2] for name in names},
            models=tuple(model_of(kind, rng, population) for kind in kinds),
            method=method,
            shown=shown,
            missing=missing,
            max_suppressed=float(rng.choice([0.0, 0.3, 0.6])) + 0.3 * (missing == "suppress"),
        ),
    )


def protected(case):
    """What a case is recoded to; None where it is refused."""
    try:
        return recoding.recode(
            case.table, case.request, households=pa.array(case.homes, pa.int64())
        )
    except ProtectionError:
        return None


def checked(case, found):
    """Write down the promises, write the files, and let the check read them."""
    promises = promises_of(found, case.request, case.table)
    safe = found.apply(case.table)
    ids = case.table["study_id"].to_pylist()
    with tempfile.TemporaryDirectory() as folder:
        return check_table(
            Path(folder),
            safe,
            promises_from_json(promises_to_json(promises)),
            permitted=case.table.column_names,
            households={i: h for i, h in zip(ids, case.homes, strict=True) if h is not None},
            population=case.population,
        )


@pytest.mark.parametrize("shown", ["tight", "levels"])
@pytest.mark.parametrize("missing", POLICIES)
@pytest.mark.parametrize("method", METHODS)
def test_whatever_is_promised_is_in_the_files(method, missing, shown):
    reached = Counter()

    @settings(
        max_examples=100,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.filter_too_much],
    )
    @given(st.integers(0, 2**32 - 1))
    def hold(seed):
        case = case_of(seed, method=method, missing=missing, shown=shown)
        found = protected(case)
        assume(found is not None)
        measured = checked(case, found)
        n = case.table.num_rows
        assert measured.n_people == int((~found.suppressed).sum())
        assert measured.n_people >= round((1 - case.request.max_suppressed) * n, 9)
        assert [model.n_broken for model in measured.models] == [0] * len(case.kinds)
        for kind in case.kinds:
            event(kind)
            reached[kind] += 1

    hold()
    assert min(reached[kind] for kind in KINDS) >= 1


def first_refusal(**ways):
    """The first of many cases in whose files the check finds a broken promise, or None."""
    for seed in range(150):
        case = case_of(seed, **ways)
        found = protected(case)
        if found is not None:
            try:
                checked(case, found)
            except ReleaseError as error:
                return str(error)
    return None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["optimal", "partition"])
def test_a_model_that_is_forgotten_is_found(monkeypatch, method, kind):
    whole = recoding.compile_conditions
    monkeypatch.setattr(
        recoding,
        "compile_conditions",
        lambda models, items, **given: whole([KAnonymity(k=2)], items, **given),
    )
    ways = {"method": method, "missing": "category", "shown": "tight", "kinds": [kind]}
    found = first_refusal(**ways)
    assert found is not None
    assert "combinations of quasi-identifiers" in found


def not_judged(grouping, items, hierarchies, conditions, *, shown, missing, **_):
    return Upheld(
        grouping=grouping,
        shown=show(hierarchies, items, grouping, shown=shown, missing=missing),
        broken=np.zeros(len(items), dtype=np.bool_),
    )


@pytest.mark.parametrize("method", ["local", "partition"])
@pytest.mark.parametrize("kind", ["entropy", "recursive", "equal", "presence"])
def test_others_who_match_are_found_where_nobody_judged_them(monkeypatch, method, kind):
    monkeypatch.setattr(recoding, "uphold", not_judged)
    ways = {"method": method, "missing": "wildcard", "shown": "tight", "kinds": [kind]}
    assert first_refusal(**ways) is not None


@pytest.mark.parametrize("missing", ["category", "suppress"])
@pytest.mark.parametrize("method", ["local", "partition"])
def test_people_of_the_population_who_do_not_fit_are_found(monkeypatch, method, missing):
    def everywhere(self, *given):
        whole(self, *given)
        self.anywhere[:] = True

    whole = Population.__init__
    monkeypatch.setattr(Population, "__init__", everywhere)
    monkeypatch.setattr(recoding, "uphold", not_judged)
    ways = {"method": method, "missing": missing, "shown": "tight", "kinds": ["map"]}
    assert first_refusal(**ways) is not None


@pytest.mark.parametrize("missing", POLICIES)
@pytest.mark.parametrize("method", METHODS)
def test_rows_of_the_same_person_count_once(method, missing):
    """Somebody has several rows: one class at a time, by the slow twin of the conditions."""
    alone = [kind for kind in KINDS if kind not in {"map", "presence"}]
    reached = Counter()

    @settings(max_examples=15, deadline=None, database=None)
    @given(st.integers(0, 2**32 - 1))
    def hold(seed):
        for kind in alone:
            case = case_of(seed, method=method, missing=missing, shown="tight", kinds=[kind])
            reached[kind] += keeps_by_reference(case, seed)

    hold()
    assert min(reached[kind] for kind in alone) >= 3


def keeps_by_reference(case, seed):
    """Give rows to people and hold every class against the reference; False where refused."""
    n = case.table.num_rows
    who = np.random.default_rng(seed).integers(0, n, n)
    table = case.table.append_column("who", pa.array(who)).append_column(
        "home", pa.array([case.homes[one] for one in who], pa.int64())
    )
    asked = {f.name: getattr(case.request, f.name) for f in dataclasses.fields(case.request)}
    try:
        safe = anonymize(table, **asked, person="who", household="home").table
    except ProtectionError:
        return False
    looks = list(
        zip(*(safe[name].to_pylist() for name in case.request.quasi_identifiers), strict=True)
    )
    columns = {name: safe[name].to_pylist() for name in ("score", "grade", "who")}
    homes = [-1 if home is None else home for home in safe["home"].to_pylist()]
    for look in set(looks):
        rows = [r for r, one in enumerate(looks) if agrees(look, one, case.request.missing)]
        for model in case.request.models:
            assert keeps(model, rows, sensitive=columns, person=columns["who"], household=homes)
    return True
