"""The ways of coarsening in whole agreements: read from YAML, in the fingerprint, self-contained."""

import copy
import re
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from linkkit.agreement import Agreement, Generalization
from linkkit.errors import AgreementError
from linkkit.steward.protect.hierarchies import build_hierarchy

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
