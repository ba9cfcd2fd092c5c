"""Protecting microdata: hierarchies, the choice of levels, who is withheld, what is refused."""

import dataclasses
import datetime as dt
import traceback

import numpy as np
import pyarrow as pa
import pytest

from linkkit.agreement import Agreement, Generalization
from linkkit.errors import (
    MismatchError,
    NotAuthorizedError,
    OptionError,
    ProtectionError,
    SealError,
    WrongStageError,
)
from linkkit.exchange import Identity
from linkkit.steward.integrate import integrate
from linkkit.steward.integrate.example import small_partnership
from linkkit.steward.protect import ProtectedDataset, protect
from linkkit.steward.protect.conditions import Conditions
from linkkit.steward.protect.equivalence import class_numbers
from linkkit.steward.protect.hierarchies import LOSS_UNITS, build_hierarchy
from linkkit.steward.protect.items import find_items
from linkkit.steward.protect.measured.subgroups import suppression_by_subgroup
from linkkit.steward.protect.methods.lattice import search_lattice
from linkkit.steward.protect.methods.optimal import seek_levels
from shared.study import agreement_of, people_of

MARK = "Zqxmarkerzz"


VARIABLES = {"born_in": "integer", "sex": "category", "zip3": "category", "score": "number"}


def agreement_with(**protection):
    usual = {
        "smallest_cell": 3,
        "max_suppressed": 0.1,
        "quasi_identifiers": {
            "born_in": {"intervals": [1, 2, 4]},
            "sex": {},
            "zip3": {"prefixes": [5, 3]},
        },
    }
    return agreement_of(VARIABLES, **usual | protection)


AGREEMENT = agreement_with()


def smallest_class(safe):
    grouped = safe.table.group_by(list(safe.quasi_identifiers)).aggregate([([], "count_all")])
    return min(grouped.column("count_all").to_pylist())


def test_nothing_changes_where_classes_are_large_enough():
    people = people_of(AGREEMENT, born_in=[2001] * 4, sex=["F"] * 4, score=[1.0, 2.0, 3.0, 4.0])
    safe = protect(people, AGREEMENT)
    assert safe.table.equals(people.table)
    assert (safe.information_loss, safe.n_suppressed, safe.k) == (0.0, 0, 3)
    assert (safe.summary.classes.smallest, safe.summary.classes.n_classes) == (4, 1)
    assert safe.quasi_identifiers == ("born_in", "sex")


def test_quasi_identifiers_become_as_coarse_as_they_must():
    people = people_of(AGREEMENT, born_in=[2000, 2001, 2000, 2002, 2003, 2003], sex=["F"] * 6)
    safe = protect(people, AGREEMENT, method="optimal")
    assert safe.table.column("born_in").to_pylist() == ["2000-2001"] * 3 + ["2002-2003"] * 3
    assert safe.table.column("sex").to_pylist() == ["F"] * 6
    year, sex = safe.summary.recodings
    assert (year.level, year.n_levels, year.description) == (1, 4, "intervals of 2")
    assert year.information_loss == pytest.approx(1 / 3)
    assert (sex.description, sex.information_loss) == ("kept as it is", 0.0)
    assert safe.information_loss == pytest.approx(1 / 6)


def test_a_few_people_are_withheld_where_that_loses_less():
    born = [2000] * 30 + [2010]
    safe = protect(people_of(AGREEMENT, born_in=born), AGREEMENT, method="optimal")
    assert set(safe.table.column("born_in").to_pylist()) == {2000}
    assert (safe.n_people_in, safe.n_people_out, safe.n_suppressed) == (31, 30, 1)
    assert safe.information_loss == pytest.approx(1 / 31)
    strict = protect(
        people_of(AGREEMENT, born_in=born), AGREEMENT, method="optimal", max_suppressed=0.0
    )
    assert strict.n_suppressed == 0
    assert set(strict.table.column("born_in").to_pylist()) == {"*"}


def test_the_share_withheld_is_counted_exactly():
    agreement = agreement_with(max_suppressed=0.29)
    sex = ["F"] * 71 + [f"s{i}" for i in range(29)]
    safe = protect(people_of(agreement, sex=sex), agreement, method="optimal")
    assert safe.n_suppressed == 29


def test_missing_is_a_category_of_its_own_until_the_variable_is_dropped():
    sex = ["F"] * 5 + [None] * 3
    safe = protect(people_of(AGREEMENT, sex=sex), AGREEMENT, method="optimal")
    assert safe.table.column("sex").to_pylist() == sex
    sex = ["F"] * 5 + [None] * 2
    safe = protect(people_of(AGREEMENT, sex=sex), AGREEMENT, method="optimal")
    assert safe.table.column("sex").to_pylist() == ["*"] * 7
    born = [2000, 2001, 2001, None, None, None]
    safe = protect(people_of(AGREEMENT, born_in=born), AGREEMENT, method="optimal")
    assert safe.table.column("born_in").to_pylist() == ["2000-2001"] * 3 + [None] * 3


def test_participation_can_be_a_quasi_identifier():
    agreement = agreement_with(quasi_identifiers={"in_club": {}})
    safe = protect(people_of(agreement, in_club=[True] * 3 + [False] * 3), agreement)
    assert safe.table.schema.field("in_club").type == pa.bool_()
    (note,) = [n for n in safe.summary.variables if n.name == "in_club"]
    assert (note.role, note.type) == ("quasi-identifier", "yes or no")
    safe = protect(
        people_of(agreement, in_club=[True] * 4 + [False] * 2), agreement, method="optimal"
    )
    assert safe.table.column("in_club").to_pylist() == ["*"] * 6


def test_notes_say_what_a_reader_must_know():
    safe = protect(people_of(AGREEMENT, sex=["F"] * 3, score=[1.0, 2.0, None]), AGREEMENT)
    ident, sex, score = safe.summary.variables
    assert (ident.name, ident.role) == ("study_id", "study id")
    assert (sex.label, sex.role, sex.type) == ("Sex", "quasi-identifier", "category")
    assert (score.role, score.type, score.sent_by) == ("payload", "number", ("The club",))
    assert score.combined.startswith("most common")


def test_row_order_does_not_matter():
    rng = np.random.default_rng(4)
    people = people_of(
        AGREEMENT, born_in=rng.integers(2000, 2009, 60), sex=rng.choice(["F", "M"], 60).tolist()
    )
    shuffled = dataclasses.replace(people, table=people.table.take(rng.permutation(60)))
    first, second = protect(people, AGREEMENT), protect(shuffled, AGREEMENT)
    assert first.table.equals(second.table)
    assert first.summary == second.summary
    assert smallest_class(first) >= 3


@pytest.mark.parametrize(
    ("values", "ways", "labels", "losses"),
    [
        (
            [2000, 2001, 2004],
            {"intervals": (1, 2)},
            [["2000", "2001", "2004"], ["2000-2001", "2000-2001", "2004-2005"]],
            [[0, 0, 0], [0.25, 0.25, 0]],
        ),
        ([-3, 2], {"intervals": (5,)}, [["-5 to -1", "0-4"]], [[0, 0]]),
        (
            [0.5, 3.0],
            {"intervals": (1, 4)},
            [["0 to under 1", "3 to under 4"], ["0 to under 4"] * 2],
            [[0, 0], [1, 1]],
        ),
        (
            ["98101", "98102", "9901"],
            {"prefixes": (5, 3, 1)},
            [["98101", "98102", "9901"], ["981**", "981**", "990**"], ["9****"] * 3],
            [[0, 0, 0], [2 / 3, 2 / 3, 0], [1, 1, 1]],
        ),
        (
            ["a", "b", "c"],
            {"groups": ({"x": ("a", "b"), "y": ("c", "d")}, {"z": ("a", "b", "c")})},
            [["a", "b", "c"], ["x", "x", "y"], ["z"] * 3],
            [[0, 0, 0], [2 / 3, 2 / 3, 0], [1, 1, 1]],
        ),
        ([True, False], {}, [["true", "false"]], [[0, 0]]),
        (["only"], {}, [["only"]], [[0]]),
    ],
)
def test_hierarchies(values, ways, labels, losses):
    hierarchy = build_hierarchy("v", pa.array(values), Generalization(**ways))
    assert len(hierarchy.levels) == len(labels) + 1
    for level, names, lost in zip(hierarchy.levels, labels, losses, strict=False):
        groups = level.groups[hierarchy.base]
        assert [level.labels[i] for i in groups] == names
        assert (level.losses[hierarchy.base] / LOSS_UNITS).tolist() == pytest.approx(lost)
    top = hierarchy.levels[-1]
    assert top.labels == ("*",)
    assert set(top.losses) == {LOSS_UNITS}


def test_a_missing_value_is_told_from_the_same_word():
    column = pa.array(["(missing)", None, "aa"])
    hierarchy = build_hierarchy("v", column, Generalization(prefixes=(9, 1)))
    assert len(set(hierarchy.base.tolist())) == 3
    assert hierarchy.recode(1, column).to_pylist() == ["(********", None, "a********"]


def test_one_combination_only():
    sex = build_hierarchy("sex", pa.array(["F"] * 5), Generalization())
    items = find_items([sex.base], [sex.n_groups])
    best = search_lattice(items, [sex], Conditions(k=5, counts=items.counts))
    assert best is not None
    assert (best.levels, best.loss, best.n_suppressed) == ((0,), 0, 0)
    assert search_lattice(items, [sex], Conditions(k=6, counts=items.counts)) is None


def test_classes_of_very_many_groups_do_not_overflow():
    rng = np.random.default_rng(1)
    columns = [rng.integers(0, 2**20, 50) for _ in range(6)]
    numbers, bound = class_numbers(columns, [2**20] * 6)
    assert len(set(numbers.tolist())) == len({tuple(row) for row in np.column_stack(columns)})
    assert numbers.max() < bound


def test_a_lattice_too_large_to_search_is_refused():
    years = pa.array(range(3))
    ways = Generalization(intervals=tuple(2**i for i in range(20)))
    hierarchies = [build_hierarchy(f"v{i}", years, ways) for i in range(5)]
    items = find_items([h.base for h in hierarchies], [h.n_groups for h in hierarchies])
    with pytest.raises(ProtectionError, match="more than the 2000000 that can be searched"):
        seek_levels(items, hierarchies, Conditions(k=2, counts=items.counts))


@pytest.mark.parametrize(
    ("people", "withheld", "expected"),
    [
        ([50, 40], [20, 0], [("50", "20"), ("40", "0")]),
        ([50, 40, 30], [9, 30, 0], [("30", "0"), ("90", "39")]),
        ([50, 40], [5, 5], [("90", "10")]),
        (
            [50, 40, 12],
            [20, 0, 11],
            [("40", "0"), ("62", "31")],
        ),
        ([163, 147], [1, 10], [("310", "11")]),
        ([50, 40], [9, 0], []),
    ],
)
def test_small_counts_of_subgroups_cannot_be_read_or_worked_out(people, withheld, expected):
    groups = np.repeat(np.arange(len(people)), people)
    mask = np.concatenate([np.arange(n) < w for n, w in zip(people, withheld, strict=True)])
    rows = suppression_by_subgroup("v", "abcd", groups, mask, smallest_cell=10)
    assert [(row.people, row.suppressed) for row in rows] == expected


@pytest.mark.parametrize("seed", range(40))
def test_every_shown_count_is_exact_and_none_is_small(seed):
    rng = np.random.default_rng(seed)
    people = rng.integers(1, 60, size=6)
    withheld = np.minimum(people, rng.integers(0, 20, size=6))
    groups = np.repeat(np.arange(6), people)
    mask = np.concatenate([np.arange(n) < w for n, w in zip(people, withheld, strict=True)])
    rows = suppression_by_subgroup("v", "abcdef", groups, mask, smallest_cell=10)
    counts = [(int(row.people), int(row.suppressed)) for row in rows]
    assert not rows or sum(n for n, _ in counts) == people.sum()
    assert not rows or sum(w for _, w in counts) == withheld.sum()
    for n, w in counts:
        assert all(part == 0 or part >= 10 for part in (n, w, n - w))


def test_who_was_withheld_is_told_by_subgroup():
    agreement = agreement_with(max_suppressed=0.5, quasi_identifiers={"sex": {}})
    sex = ["F"] * 20 + ["M"] * 20 + ["a", "b", "c", "d"]
    safe = protect(people_of(agreement, sex=sex), agreement, method="optimal")
    rows = [
        (r.variable, r.value, r.people, r.suppressed) for r in safe.summary.suppressed_by_subgroup
    ]
    assert rows == [
        ("sex", "F", "20", "0"),
        ("sex", "M", "20", "0"),
        ("sex", "(all other values)", "4", "4"),
    ]


def test_k_may_be_raised_and_not_lowered():
    people = people_of(AGREEMENT, born_in=[2000, 2001] * 4)
    assert protect(people, AGREEMENT, k=5).table.column("born_in").to_pylist() == ["2000-2001"] * 8
    with pytest.raises(NotAuthorizedError, match="raised above 3 and not lowered to 2") as caught:
        protect(people, AGREEMENT, k=2)
    assert caught.value.clause == "protection.smallest_cell"
    with pytest.raises(
        NotAuthorizedError, match="lowered below 0.1 and not raised to 0.2"
    ) as caught:
        protect(people, AGREEMENT, max_suppressed=0.2)
    assert caught.value.clause == "protection.max_suppressed"


@pytest.mark.parametrize("options", [{"k": 3.0}, {"k": True}, {"k": "5"}])
def test_k_must_be_a_whole_number(options):
    with pytest.raises(OptionError, match="'k' must be a whole number"):
        protect(people_of(AGREEMENT, sex=["F"] * 4), AGREEMENT, **options)


@pytest.mark.parametrize("share", [-0.1, float("nan"), "5%", True])
def test_the_share_withheld_must_be_a_share(share):
    with pytest.raises(OptionError, match="'max_suppressed' must be a share of people"):
        protect(people_of(AGREEMENT, sex=["F"] * 4), AGREEMENT, max_suppressed=share)


@pytest.mark.parametrize(
    ("columns", "options", "wording"),
    [
        ({"sex": pa.array([], pa.string())}, {}, "project 'study' is empty"),
        ({"sex": ["F"] * 4}, {"k": 5}, "fewer people than k = 5"),
        ({"score": [1.0] * 4}, {}, "project 'study' has no quasi-identifier"),
        ({"born_in": ["2000"] * 4}, {}, "'born_in' has intervals .* its values are not numbers"),
    ],
)
def test_what_cannot_be_protected_is_refused(columns, options, wording):
    with pytest.raises(ProtectionError, match=wording) as caught:
        protect(people_of(AGREEMENT, **columns), AGREEMENT, **options)
    assert caught.value.code == "protection"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("groups", "wording"),
    [
        ([{"x": ["a"], "y": ["b"]}], "'sex': 2 values of the data are in no group of taxonomy 1"),
        (
            [{"x": ["a", "b", MARK, "q"], "y": ["b"]}],
            "1 values are in more than one group of taxonomy 1",
        ),
        (
            [{"x": ["a", "b"], "y": [MARK, "q"]}, {"z": ["a"], "w": ["b", MARK, "q"]}],
            "taxonomy 2 splits a group of taxonomy 1",
        ),
    ],
)
def test_a_taxonomy_must_fit_the_values_which_are_not_shown(groups, wording):
    agreement = agreement_with(quasi_identifiers={"sex": {"groups": groups}})
    people = people_of(agreement, sex=["a", "b", MARK, "q", None])
    with pytest.raises(ProtectionError, match=wording) as caught:
        protect(people, agreement)
    assert MARK not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_wrong_stage_agreement_and_columns_are_refused():
    people = people_of(AGREEMENT, sex=["F"] * 4)
    with pytest.raises(WrongStageError, match="takes an IntegratedDataset, not a Table") as caught:
        protect(people.table, AGREEMENT)
    assert caught.value.code == "wrong_stage"
    with pytest.raises(MismatchError, match="another text of agreement 'test-town'"):
        protect(people, agreement_with(smallest_cell=4))
    with pytest.raises(NotAuthorizedError, match="may not use variable 'diary'"):
        protect(people_of(AGREEMENT, sex=["F"] * 4, diary=["x"] * 4), AGREEMENT)
    with pytest.raises(NotAuthorizedError, match="had to be destroyed"):
        protect(people, AGREEMENT, today=dt.date(2199, 1, 2))


def test_rows_that_are_not_people_are_refused():
    people = people_of(AGREEMENT, sex=["F"] * 4)
    twice = dataclasses.replace(people, table=people.table.take([0, 0, 1, 2]))
    with pytest.raises(ProtectionError, match="study ids repeat or are missing"):
        protect(twice, AGREEMENT)


def test_repr_shows_counts_only():
    safe = protect(people_of(AGREEMENT, sex=[MARK] * 4), AGREEMENT)
    assert repr(safe) == "<ProtectedDataset for 'study': 4 people, k = 3, information loss 0.000>"


def test_save_and_load(tmp_path):
    steward = Identity.generate()
    agreement, payloads, crosswalk = small_partnership()
    agreement = Agreement.model_validate(
        {
            **agreement.model_dump(mode="json"),
            "steward": {"name": "Steward", "public_key": steward.public.text},
        }
    )
    for item in (*payloads, crosswalk):
        object.__setattr__(item, "agreement_fingerprint", agreement.fingerprint)
    safe = protect(integrate(payloads, crosswalk, agreement, project="study"), agreement, k=8)
    path = safe.save(tmp_path / "study.protected", agreement=agreement, identity=steward)
    back = ProtectedDataset.load(path, agreement=agreement, identity=steward)
    assert back.table.equals(safe.table)
    assert back.summary == safe.summary
    assert (back.project, back.k) == ("study", 8)
    with pytest.raises(SealError, match="somebody else"):
        ProtectedDataset.load(path, agreement=agreement, identity=Identity.generate())
