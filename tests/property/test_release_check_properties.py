"""The check and the conditions agree, on random tables, for all models and policies of missing.

Everybody has the same levels here, and who is withheld is found by `Conditions`.
"""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from linkkit.agreement import Generalization
from linkkit.errors import ReleaseError
from linkkit.steward.promises import (
    Codebook,
    PromisedCloseness,
    Promises,
    Shown,
    promises_from_json,
    promises_to_json,
)
from linkkit.steward.protect._reference import keeps
from linkkit.steward.protect.compiled_models import compile_conditions
from linkkit.steward.protect.hierarchies import build_hierarchy
from linkkit.steward.protect.items import find_items
from linkkit.steward.protect.models import DistinctLDiversity, KAnonymity
from linkkit.steward.protect.promised_models import promise_models
from shared.privacy_models import ANY_MODEL, MODELS, TREE, agrees
from shared.study import check_table

QUASI = ("age", "sex", "zip")
WAYS = {
    "age": Generalization(intervals=(1, 5, 20)),
    "sex": Generalization(groups=({"f or m": ("F", "M"), "x": ("X",)},)),
    "zip": Generalization(prefixes=(3, 2)),
}
POLICIES = st.sampled_from(["category", "wildcard", "suppress"])


@dataclasses.dataclass
class Case:
    """A random table with models, a policy, households and a population around it."""

    rows: list
    models: list
    missing: str
    others: list
    levels: tuple

    @property
    def n(self):
        return len(self.rows)

    def column(self, i, rows=None):
        return [row[i] for row in (self.rows if rows is None else rows)]

    @property
    def scores(self):
        return pa.array(self.column(3), pa.float64())

    @property
    def grades(self):
        return pa.array(self.column(4), pa.string())

    @property
    def homes(self):
        return self.column(5)

    @property
    def hierarchies(self):
        types = (pa.int64(), pa.string(), pa.string())
        return [
            build_hierarchy(name, pa.array(self.column(i), types[i]), WAYS[name])
            for i, name in enumerate(QUASI)
        ]

    @property
    def population(self):
        people = [row[:3] for row in self.rows] + self.others
        types = (pa.int64(), pa.string(), pa.string())
        return pa.table(
            {name: pa.array([p[i] for p in people], types[i]) for i, name in enumerate(QUASI)}
        )


@st.composite
def cases(draw):
    age = st.one_of(st.none(), st.integers(0, 12))
    sex = st.sampled_from(["F", "M", "X", None])
    code = st.sampled_from(["101", "102", "119", None])
    row = st.tuples(
        age,
        sex,
        code,
        st.sampled_from([None, -1.0, 2.5, 7.0]),
        st.sampled_from([None, *TREE]),
        st.integers(-1, 6),
    )
    return Case(
        rows=draw(st.lists(row, min_size=1, max_size=30)),
        models=draw(st.lists(ANY_MODEL, min_size=1, max_size=3)),
        missing=draw(POLICIES),
        others=draw(st.lists(st.tuples(age, sex, code), max_size=30)),
        levels=tuple(draw(st.integers(0, n)) for n in (3, 2, 2)),
    )


def covers(label, column, hierarchy, level):
    """The values and whether missing, that a label of a level covers."""
    chosen = hierarchy.levels[level]
    if level == len(hierarchy.levels) - 1:
        return Shown(label=label)
    finest = hierarchy.levels[0]
    mine = chosen.labels.index(label)
    names = tuple(
        name
        for name, group in zip(finest.labels[:-1], chosen.groups, strict=False)
        if group == mine
    )
    return Shown(label=label, values=names)


def books(case, levels):
    """The codebook of a recoding with one level for all."""
    return tuple(
        Codebook(
            variable=name,
            shown=tuple(
                covers(label, case.column(i), hierarchy, level)
                for label in hierarchy.levels[level].labels
                if label != "(missing)"
            ),
        )
        for i, (name, hierarchy, level) in enumerate(
            zip(QUASI, case.hierarchies, levels, strict=True)
        )
    )


def recoded(case, levels):
    """What each row shows at the given levels."""
    columns = []
    for i, (hierarchy, level) in enumerate(zip(case.hierarchies, levels, strict=True)):
        original = pa.array(case.column(i), pa.string() if i else pa.int64())
        columns.append(hierarchy.recode(level, original).cast(pa.string()).to_pylist())
    return list(zip(*columns, strict=True))


def fits(case, shown, codebook):
    """How many people of the population fit a shown row, one by one."""
    wild = case.missing == "wildcard"
    total = 0
    for person in zip(*(case.population[name].to_pylist() for name in QUASI), strict=True):
        good = True
        for value, cell, book in zip(person, shown, codebook, strict=True):
            item = next((item for item in book.shown if item.label == cell), None)
            if cell is None or value is None:
                everything = item is not None and item.values is None
                good &= wild or everything or (cell is None and value is None)
            else:
                good &= item.values is None or str(value) in item.values
        total += good
    return total


@dataclasses.dataclass
class Formed:
    """What a method made of a case: who stays, and what each row shows."""

    stays: list
    shown: list
    codebook: tuple


def one_level_for_all(case):
    """Withhold classes that fail by `Conditions` until none does: every model, every policy."""
    shown = recoded(case, case.levels)
    codebook = books(case, case.levels)
    stays = [
        row
        for row in range(case.n)
        if case.missing != "suppress" or all(cell is not None for cell in shown[row])
    ]
    while stays:
        kept = set(by_conditions(case, stays, shown, codebook))
        left = [row for row in stays if shown[row] in kept]
        if len(left) == len(stays):
            break
        stays = left
    return Formed(stays=stays, shown=shown, codebook=codebook)


def by_conditions(case, stays, shown, codebook):
    """The shown rows whose classes keep all models, as `Conditions` sees it."""
    items = find_items(
        [hierarchy.base for hierarchy in case.hierarchies],
        [hierarchy.n_groups for hierarchy in case.hierarchies],
    )
    # An item may be withheld as a whole only, and people of an item show the same.
    conditions = compile_conditions(
        case.models,
        items,
        sensitive={"score": case.scores, "grade": case.grades},
        household=np.array(case.homes, dtype=np.int64),
    )
    of_row = items.of_rows.tolist()
    looks = {of_row[row]: shown[row] for row in stays}
    found = sorted(set(looks.values()), key=repr)
    members = [
        (item, c)
        for item, look in looks.items()
        for c, mine in enumerate(found)
        if agrees(look, mine, case.missing)
    ]
    pairs = np.array(members, dtype=np.int64).reshape(-1, 2)
    kept = conditions.met(
        pairs[:, 0],
        pairs[:, 1],
        n_classes=len(found),
        population=np.array([fits(case, look, codebook) for look in found], dtype=np.int64),
    )
    return [look for look, good in zip(found, kept.tolist(), strict=True) if good]


def promises_of(case, formed):
    return Promises(
        models=promise_models(case.models, sensitive={"score": case.scores, "grade": case.grades}),
        quasi_identifiers=QUASI,
        missing=case.missing,
        codebook=formed.codebook,
    )


def check(case, formed):
    """Write what was formed, and let the check measure it."""
    names = [f"{row:06x}" for row in formed.stays]
    table = pa.table(
        {
            "study_id": pa.array(names, pa.string()),
            **{
                name: pa.array([formed.shown[row][i] for row in formed.stays], pa.string())
                for i, name in enumerate(QUASI)
            },
            "score": case.scores.take(pa.array(formed.stays, pa.int64())),
            "grade": case.grades.take(pa.array(formed.stays, pa.int64())),
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        return check_table(
            Path(folder),
            table,
            promises_of(case, formed),
            households={
                name: case.homes[row] for name, row in zip(names, formed.stays, strict=True)
            },
            population=case.population,
        )


@pytest.mark.parametrize("missing", ["category", "wildcard", "suppress"])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(case=cases())
def test_classes_that_keep_their_conditions_pass_the_check(missing, case):
    case = dataclasses.replace(case, missing=missing)
    formed = one_level_for_all(case)
    assume(formed.stays)
    measured = check(case, formed)
    assert measured.n_people == len(formed.stays)
    assert [model.n_broken for model in measured.models] == [0] * len(case.models)


def keeps_all(case, formed):
    """Whether each class keeps each model: one at a time, by the reference."""
    rows = formed.stays
    if case.missing == "suppress" and any(None in formed.shown[row] for row in rows):
        return False
    whole = {"score": case.scores.to_pylist(), "grade": case.grades.to_pylist()}
    for one in rows:
        inside = [r for r in rows if agrees(formed.shown[one], formed.shown[r], case.missing)]
        population = fits(case, formed.shown[one], formed.codebook)
        for model in case.models:
            if not keeps(
                model,
                inside,
                sensitive=whole,
                person=list(range(case.n)),
                household=case.homes,
                population=population,
            ):
                return False
    return True


def passes(case, formed):
    try:
        check(case, formed)
    except ReleaseError:
        return False
    return True


@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=60, deadline=None)
@given(case=cases(), data=st.data())
def test_the_check_refuses_exactly_what_breaks_a_promise(kind, case, data):
    """With nobody withheld many cases break their promise; the reference says which."""
    case = dataclasses.replace(case, models=[data.draw(MODELS[kind])])
    shown = recoded(case, case.levels)
    formed = Formed(stays=list(range(case.n)), shown=shown, codebook=books(case, case.levels))
    assert passes(case, formed) == keeps_all(case, formed)


@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(case=cases(), data=st.data())
def test_one_altered_row_is_caught_where_it_breaks_a_promise(kind, case, data):
    case = dataclasses.replace(case, models=[data.draw(MODELS[kind])])
    formed = one_level_for_all(case)
    assume(len(formed.stays) > 1)
    row = data.draw(st.sampled_from(formed.stays))
    place = data.draw(st.integers(0, 2))
    cells = sorted({formed.shown[r][place] for r in range(case.n)} | {None}, key=repr)
    look = list(formed.shown[row])
    look[place] = data.draw(st.sampled_from(cells))
    altered = list(formed.shown)
    altered[row] = tuple(look)
    broken = dataclasses.replace(formed, shown=altered)
    assert passes(case, broken) == keeps_all(case, broken)


@settings(max_examples=200, deadline=None)
@given(case=cases())
def test_promises_survive_being_saved(case):
    formed = Formed(stays=[], shown=[], codebook=books(case, case.levels))
    promises = promises_of(case, formed)
    again = promises_from_json(promises_to_json(promises))
    assert again == promises
    for before, after in zip(promises.models, again.models, strict=True):
        if isinstance(before, PromisedCloseness):
            pairs = zip(before.overall, after.overall, strict=True)
            assert all(type(b) is type(a) for (b, _), (a, _) in pairs)


@settings(max_examples=100, deadline=None)
@given(case=cases())
def test_problems_are_all_told_and_no_value_is(case):
    marked = dataclasses.replace(
        case,
        rows=[(*row[:2], row[2] and f"Zqx{row[2]}", *row[3:]) for row in case.rows],
        models=[KAnonymity(k=90), DistinctLDiversity(sensitive="grade", l=90)],
        levels=(0, 0, 0),
    )
    shown = recoded(marked, marked.levels)
    formed = Formed(stays=list(range(case.n)), shown=shown, codebook=())
    with pytest.raises(ReleaseError, match="fewer than 90 people") as caught:
        check(marked, formed)
    missing = marked.missing == "suppress" and any(None in look for look in shown)
    assert len(caught.value.problems) == 2 + missing
    assert "fewer than 90 different values of 'grade'" in str(caught.value)
    assert "Zqx" not in str(caught.value)
