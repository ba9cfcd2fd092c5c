"""The ways of coarsening in whole agreements: read from YAML, in the fingerprint, self-contained."""

import copy
import datetime as dt
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from linkkit.agreement import Agreement, Generalization
from linkkit.errors import AgreementError
from linkkit.steward.protect import protect
from linkkit.steward.protect.hierarchies import build_hierarchy
from linkkit.steward.release import release
from shared.study import agreement_of, people_of

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "agreement-document.md"


def documented():
    text = REFERENCE.read_text(encoding="utf-8").partition("### Ways of coarsening")[2]
    block = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert block is not None
    return yaml.safe_load(block.group(1))["protection"]["quasi_identifiers"]


WAYS = documented()
VALUES = {
    "age": [34, 91],
    "birth_year": [1920, 2001],
    "income": [10.5, 99.0, 3e6],
    "entry": ["2020-02-29"],
    "zip": ["98101"],
    "schooling": ["none", "graduate"],
    "sex": ["F"],
    "language": ["French", "Tagalog"],
}


def with_ways(document, **ways):
    document = copy.deepcopy(document)
    for name, way in ways.items():
        kind = "number" if name in ("age", "birth_year", "income") else "category"
        document["variables"][name] = {"type": kind}
        document["parties"]["district"]["payload"][name] = {"column": name.title()}
        document["protection"]["quasi_identifiers"][name] = way
    return document


@pytest.mark.parametrize("name", WAYS)
def test_the_examples_of_the_reference_are_agreements_and_hierarchies(name, agreement_document):
    agreement = Agreement.from_document(with_ways(agreement_document, **{name: WAYS[name]}))
    text = yaml.safe_dump(with_ways(agreement_document, **{name: WAYS[name]}))
    assert Agreement.from_yaml(text).fingerprint == agreement.fingerprint
    ways = agreement.protection.quasi_identifiers[name]
    hierarchy = build_hierarchy(name, pa.array(VALUES[name]), ways)
    assert len(hierarchy.levels) >= 2


def test_every_example_is_tested():
    assert set(WAYS) == set(VALUES)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"ages": [1, 5]}, {"ages": [1, 5], "top": 85}),
        ({"cut_points": [18, 65]}, {"cut_points": [18, 66]}),
        ({"intervals": [1]}, {"intervals": [1], "shown": "levels"}),
        ({"quantiles": [4]}, {"quantiles": [4], "keep_values": False}),
        ({"table": [[1, "a"]]}, {"table": [[1, "b"]]}),
    ],
)
def test_every_detail_is_in_the_fingerprint(one, other, agreement_document):
    prints = {
        Agreement.from_document(with_ways(agreement_document, income=ways)).fingerprint
        for ways in (one, other)
    }
    assert len(prints) == 2


def test_what_is_left_out_is_its_default_in_the_fingerprint(agreement_document):
    prints = {
        Agreement.from_document(with_ways(agreement_document, income=ways)).fingerprint
        for ways in (
            {"cut_points": [18]},
            {"cut_points": [[18]], "keep_values": True, "shown": "tight", "top": None},
        )
    }
    assert len(prints) == 1


@pytest.mark.parametrize(
    ("ways", "problem"),
    [
        (
            {"table": [["a", True]]},
            ".table.0.1': write text; put quotes around what may be read as something else",
        ),
        ({"order": ["a"]}, ".order': it needs 2 or more items"),
        (
            {"dates": ["days"]},
            ".dates.0': it must be 'day', 'week', 'month', 'quarter', 'year' or 'decade'",
        ),
        ({"cut_points": [[1, "x"]]}, ".cut_points.0.1': write a number"),
        ({"postal": "US"}, ".postal': write names and values below it, indented"),
    ],
)
def test_one_mistake_is_one_sentence(ways, problem, agreement_document):
    with pytest.raises(AgreementError) as caught:
        Agreement.from_document(with_ways(agreement_document, zip=ways))
    assert caught.value.problems == (f"clause 'protection.quasi_identifiers.zip{problem}",)


def test_a_clause_cannot_be_changed():
    ways = Generalization(table=[["a", "x"]], groups=None)
    with pytest.raises(Exception, match="frozen"):
        ways.table = ()
    assert isinstance(ways.table, tuple)


def test_all_problems_of_an_agreement_are_told_at_once(agreement_document):
    document = with_ways(
        agreement_document,
        age={"dates": ["year"]},
        zip={"ages": [1]},
        schooling={"cut_points": [1], "intervals": [1]},
    )
    with pytest.raises(AgreementError) as caught:
        Agreement.from_document(document)
    assert "give only one of 'intervals' and 'cut_points'" in caught.value.problems[0]
    del document["protection"]["quasi_identifiers"]["schooling"]
    with pytest.raises(AgreementError) as caught:
        Agreement.from_document(document)
    assert caught.value.problems == (
        "clause 'protection.quasi_identifiers.age': 'dates' are for dates, and for categories that "
        "hold them as YYYY-MM-DD",
        "clause 'protection.quasi_identifiers.zip': 'ages' are for numbers",
    )


TYPES = {
    "age": ("integer", {"ages": [1, 10]}),
    "entry": ("date", {"dates": ["day", "month", "year"], "bottom": "2015-01-01"}),
    "left": ("date", {}),
    "zip": ("category", {"postal": {"country": "US"}}),
    "grade": ("category", {"order": ["low", "mid", "high"], "adjacent": [2]}),
    "paid": ("number", {"cut_points": [[10, 100], [100]], "top": 500}),
}


def whole_agreement():
    return agreement_of(
        {name: kind for name, (kind, _) in TYPES.items()},
        smallest_cell=5,
        max_suppressed=0.2,
        quasi_identifiers={name: ways for name, (_, ways) in TYPES.items() if name != "left"},
    )


def made_up_people(agreement, *, n, seed, spread):
    rng = np.random.default_rng(seed)

    def some(values):
        chosen = rng.integers(0, min(spread, len(values)), n)
        return [None if rng.random() < 0.1 else values[i] for i in chosen]

    days = [dt.date(2010, 1, 1) + dt.timedelta(days=97 * i) for i in range(40)]
    return people_of(
        agreement,
        age=pa.array(some(list(range(30, 99, 2))), pa.int64()),
        entry=pa.array(some(days), pa.date32()),
        left=pa.array(some(days), pa.date32()),
        zip=pa.array(some([f"98{i:03}" for i in range(200)]), pa.string()),
        grade=pa.array(some(["low", "high", "mid"]), pa.string()),
        paid=pa.array(some([1.5, 12.0, 99.0, 400.0, 1e6]), pa.float64()),
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("spread", [2, 4, 300])
def test_all_ways_together_keep_k_and_are_released(tmp_path, seed, spread):
    agreement = whole_agreement()
    people = made_up_people(agreement, n=300, seed=seed, spread=spread)
    safe = protect(people, agreement)
    grouped = safe.table.group_by(list(safe.quasi_identifiers)).aggregate([([], "count_all")])
    assert min(grouped.column("count_all").to_pylist()) >= 5
    done = release(safe, tmp_path / "out", agreement=agreement)
    assert pq.read_table(done.folder / "data.parquet").equals(safe.table)
    notes = {note.name: note.type for note in safe.summary.variables}
    assert notes["left"] == "date"
    assert safe.table.schema.field("left").type == pa.date32()


def test_what_is_done_to_dates_is_described():
    agreement = whole_agreement()
    people = made_up_people(agreement, n=30, seed=1, spread=1)
    safe = protect(people, agreement)
    (note,) = [item for item in safe.summary.variables if item.name == "entry"]
    assert note.type == "category"
    assert note.generalization.startswith("kept as it is, <=2015-01-01 together")
