"""The agreement document: what it accepts, how it says what is wrong, what it allows."""

from __future__ import annotations

import copy
import datetime as dt
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from linkkit.agreement import Agreement, FieldKind, Party, Years
from linkkit.agreement.document import require_agreement
from linkkit.agreement.yaml_text import parse_yaml
from linkkit.errors import AgreementError, NotAuthorizedError, OptionError

Document = dict[str, Any]

_MISSING = object()


def _put(document: Document, clause: str, value: object) -> Document:
    """Change one clause, given by its dotted path; `_MISSING` takes it out."""
    *above, last = clause.split(".")
    here = document
    for part in above:
        here = here[part]
    if value is _MISSING:
        del here[last]
    else:
        here[last] = value
    return document


def _problems(document: Document) -> tuple[str, ...]:
    with pytest.raises(AgreementError) as caught:
        Agreement.from_document(document)
    assert caught.value.code == "agreement"
    assert caught.value.exit_status == 11
    assert caught.value.hint == "Correct the agreement document and load it again."
    assert caught.value.__context__ is None
    return caught.value.problems


def _yaml_problems(text: str) -> tuple[str, ...]:
    with pytest.raises(AgreementError) as caught:
        Agreement.from_yaml(text)
    assert caught.value.code == "agreement"
    assert caught.value.__context__ is None
    return caught.value.problems


# --- Reading ---------------------------------------------------------------------------------


def test_a_complete_document_is_read(agreement: Agreement) -> None:
    assert agreement.id == "alder-bend-youth-2026"
    assert list(agreement.parties) == ["district", "summer", "jobs"]
    assert agreement.parties["district"].linkage_fields["street_address"].columns == (
        "STREET_NO",
        "STREET_NAME",
    )
    assert agreement.parties["district"].linkage_columns == {
        "STUDENT NAME",
        "DOB",
        "SEX",
        "STREET_NO",
        "STREET_NAME",
        "ZIP",
        "PHONE",
    }
    assert agreement.variables["program_days"].combine == "sum"
    assert agreement.variables["sex"].combine == "most_common"
    assert agreement.destroy_by == dt.date(2999, 6, 30)


def test_yaml_a_file_and_a_mapping_give_the_same_agreement(
    tmp_path: Path, agreement: Agreement, agreement_document: Document
) -> None:
    text = yaml.safe_dump(agreement_document, allow_unicode=True)
    path = tmp_path / "agreement.yaml"
    path.write_text(text, encoding="utf-8")
    for again in (Agreement.from_yaml(text), Agreement.load(path), Agreement.load(str(path))):
        assert again == agreement
        assert again.fingerprint == agreement.fingerprint


def test_a_byte_order_mark_of_an_editor_does_no_harm(
    tmp_path: Path, agreement: Agreement, agreement_document: Document
) -> None:
    path = tmp_path / "agreement.yaml"
    path.write_text(yaml.safe_dump(agreement_document), encoding="utf-8-sig")
    assert Agreement.load(path).fingerprint == agreement.fingerprint


def test_windows_line_ends_do_no_harm(agreement: Agreement, agreement_document: Document) -> None:
    text = yaml.safe_dump(agreement_document).replace("\n", "\r\n")
    assert Agreement.from_yaml(text).fingerprint == agreement.fingerprint


def test_reading_changes_nothing_in_the_given_document(agreement_document: Document) -> None:
    before = copy.deepcopy(agreement_document)
    Agreement.from_document(agreement_document)
    assert agreement_document == before


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(AgreementError, match=r"there is no agreement file at '.*gone\.yaml'") as e:
        Agreement.load(tmp_path / "gone.yaml")
    assert e.value.hint == "Give the path of a YAML document in UTF-8."
    assert e.value.__context__ is None


def test_a_folder_is_no_agreement(tmp_path: Path) -> None:
    with pytest.raises(AgreementError, match=r"cannot be read \((IsADirectory|Permission)Error\)"):
        Agreement.load(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_file_that_is_not_utf8_is_refused_without_its_content(
    encoding: str, tmp_path: Path
) -> None:
    path = tmp_path / "agreement.yaml"
    path.write_bytes("title: Señora Marker".encode(encoding))
    with pytest.raises(AgreementError, match=r"agreement\.yaml' is not UTF-8 text") as caught:
        Agreement.load(path)
    assert "Marker" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_nul_byte_in_a_path_is_a_linkkit_error() -> None:
    with pytest.raises(AgreementError, match=r"cannot be read \(ValueError\)") as caught:
        Agreement.load("a\0b")
    assert caught.value.__context__ is None


# --- YAML ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "null", "- a\n- b\n", "text", "5"])
def test_what_is_not_a_mapping_is_refused(text: str) -> None:
    assert _yaml_problems(text) == ("the agreement document is empty or not a mapping of clauses",)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [1, 2", 1),
        ("a: 1\nb: : 2\n", 2),
        ("a: 1\n\tb: 2\n", 2),
        ("a: 1\n---\nb: 2\n", 2),
        ("a: 1\nb: !!python/object/apply:os.system ['true']", 2),
        ("? [a, b]\n: 1", 1),
        ("<<: [1]\n", 1),
    ],
    ids=["open", "colons", "tab", "two-documents", "python", "list-key", "merge"],
)
def test_broken_yaml_is_refused_by_line(text: str, line: int) -> None:
    (problem,) = _yaml_problems(text)
    assert problem.startswith("the agreement document is not valid YAML, at line ")
    assert abs(int(problem.rsplit(" ", 1)[1]) - line) <= 1


@pytest.mark.parametrize("text", ["a: \0", "a: \x1b[31m", "\ud800: 1", "a: \x07b"])
def test_control_characters_are_refused(text: str) -> None:
    assert _yaml_problems(text) == (
        "the agreement document holds characters that YAML does not allow",
    )


def test_a_key_that_appears_twice_is_refused_with_its_line() -> None:
    assert _yaml_problems("a: 1\nb: {c: 1, d: 2,\n  c: 3}\na: 4\n") == (
        "'a' appears twice, at line 4",
        "'c' appears twice, at line 3",
    )


def test_a_party_named_twice_is_refused(agreement_document: Document) -> None:
    text = yaml.safe_dump(agreement_document, sort_keys=False)
    doubled = text.replace("  summer:\n", "  district:\n", 1)
    assert doubled != text
    (problem,) = _yaml_problems(doubled)
    assert problem.startswith("'district' appears twice, at line ")


def test_the_text_one_and_the_number_one_are_the_same_key() -> None:
    assert _yaml_problems("a: {1: x, '1': y}") == ("'1' appears twice, at line 1",)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: *nothing", 1),
        ("a: &marker 1\nb: *marker", 2),
        ("a: &marker 1\n\n*marker : 2", 3),
        ("years: &marker {first: 2023}\nothers:\n  <<: *marker\n  last: 2025", 3),
        ("parties: &marker {a: *marker}", 1),
    ],
    ids=["of-nothing", "value", "key", "merge", "of-itself"],
)
def test_an_alias_is_refused_by_line(text: str, line: int) -> None:
    assert _yaml_problems(text) == (
        f"an alias (*name) stands at line {line}; write out what it stands for",
    )


def test_dates_and_texts_of_dates_are_the_same(
    agreement: Agreement, agreement_document: Document
) -> None:
    agreement_document["destroy_by"] = dt.date(2999, 6, 30)
    assert Agreement.from_document(agreement_document).fingerprint == agreement.fingerprint


def test_a_bomb_of_aliases_is_refused_quickly() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    start = time.perf_counter()
    problems = _yaml_problems("\n".join(lines))
    assert time.perf_counter() - start < 5
    assert problems == ("an alias (*name) stands at line 2; write out what it stands for",)


def test_the_number_of_problems_is_bounded(agreement_document: Document) -> None:
    unknown = {f"tyype{i}": 1 for i in range(100)}
    agreement_document["variables"] = {f"v{i}": unknown for i in range(100)}
    start = time.perf_counter()
    problems = _problems(agreement_document)
    assert time.perf_counter() - start < 5
    assert len(problems) == 100


@pytest.mark.parametrize(
    "text",
    ["a: !!int ''", "a: !!float ''", "a: !!bool marker", "a: !!timestamp marker"],
)
def test_a_tag_that_does_not_fit_its_value_is_refused(text: str) -> None:
    (problem,) = _yaml_problems(text)
    assert "not valid YAML" in problem
    assert "marker" not in problem


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000])
def test_deep_nesting_is_refused(text: str) -> None:
    (problem,) = _yaml_problems(text)
    assert "not valid YAML" in problem or "nested" in problem


@pytest.mark.parametrize("text", [None, b"a: 1", 5])
def test_what_is_not_text_is_refused(text: object) -> None:
    said = f"an agreement document is text, not {type(text).__name__}"
    with pytest.raises(AgreementError, match=said):
        parse_yaml(text)  # type: ignore[arg-type]


@pytest.mark.parametrize("document", [None, [1, 2], "text", 5], ids=repr)
def test_a_document_that_is_no_mapping_is_refused(document: object) -> None:
    said = f"an agreement document is a mapping, not {type(document).__name__}"
    with pytest.raises(AgreementError, match=said):
        Agreement.from_document(document)  # type: ignore[arg-type]


# --- Clauses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "clause",
    [
        "format",
        "id",
        "title",
        "purpose",
        "legal_basis",
        "years",
        "years.last",
        "destroy_by",
        "linkage",
        "linkage.fields.surname.kind",
        "variables.sex.type",
        "parties",
        "parties.district.name",
        "parties.jobs.linkage_fields",
        "parties.jobs.linkage_fields.phone.column",
        "linkage_unit",
        "steward.name",
        "protection",
        "protection.smallest_cell",
        "projects.gaps-2026.purpose",
    ],
)
def test_a_missing_clause_is_named(clause: str, agreement_document: Document) -> None:
    assert _problems(_put(agreement_document, clause, _MISSING)) == (
        f"clause '{clause}' is missing",
    )


def test_every_problem_is_reported_at_once(agreement_document: Document) -> None:
    for clause in ("title", "years.first", "parties.summer.name"):
        _put(agreement_document, clause, _MISSING)
    agreement_document["protection"]["smallest_cell"] = 1
    agreement_document["puprose"] = "typing error"
    assert set(_problems(agreement_document)) == {
        "clause 'title' is missing",
        "clause 'years.first' is missing",
        "clause 'parties.summer.name' is missing",
        "clause 'protection.smallest_cell': it must be greater than or equal to 2",
        "clause 'puprose' is not known; did you mean 'purpose'?",
    }


@pytest.mark.parametrize(
    ("clause", "nearest"),
    [
        ("tilte", "title"),
        ("years.fist", "first"),
        ("linkage.profil", "profile"),
        ("linkage.fields.surname.knd", "kind"),
        ("variables.sex.lable", "label"),
        ("parties.district.linkage_field", "linkage_fields"),
        ("parties.district.linkage_fields.sex.colum", "column"),
        ("parties.district.payload.zip3.coarse", "coarsen"),
        ("linkage_unit.public_kay", "public_key"),
        ("protection.quasi_identifier", "quasi_identifiers"),
        ("protection.quasi_identifiers.zip3.prefix", "prefixes"),
        ("projects.gaps-2026.year", "years"),
    ],
)
def test_an_unknown_key_gets_the_nearest_known_name(
    clause: str, nearest: str, agreement_document: Document
) -> None:
    assert _problems(_put(agreement_document, clause, {})) == (
        f"clause '{clause}' is not known; did you mean '{nearest}'?",
    )


def test_an_unknown_key_like_nothing_gets_no_suggestion(agreement_document: Document) -> None:
    agreement_document["zzzzzz"] = 1
    assert _problems(agreement_document) == ("clause 'zzzzzz' is not known",)


@pytest.mark.parametrize("key", ["a[b", "constrained"])
def test_an_unknown_key_of_any_spelling_is_named(key: str, agreement_document: Document) -> None:
    agreement_document[key] = 1
    assert _problems(agreement_document) == (f"clause '{key}' is not known",)


def test_an_unknown_key_with_a_bracket_is_not_taken_for_the_clause_above(
    agreement_document: Document,
) -> None:
    agreement_document["years"]["first["] = 1
    (problem,) = _problems(agreement_document)
    assert problem.startswith("clause 'years.first[' is not known")


@pytest.mark.parametrize("key", [1, None, True, 2.5, (1, 2)], ids=repr)
def test_keys_that_are_not_text_are_refused(key: object, agreement_document: Document) -> None:
    agreement_document["variables"][key] = {"type": "integer"}
    (problem,) = _problems(agreement_document)
    assert problem.startswith("clause 'variables")
    assert problem.endswith("write text; put quotes around it if it looks like a number")


@pytest.mark.parametrize(
    ("clause", "value"),
    [
        ("format", "linkkit-agreement/2"),
        ("id", "Marker Id"),
        ("id", "x"),
        ("title", " "),
        ("years.first", 1899),
        ("years.last", "Marker"),
        ("destroy_by", "Marker"),
        ("destroy_by", "2026-13-45"),
        ("linkage.profile", "Marker"),
        ("linkage.fields", {"surname": {"kind": "surname"}}),
        ("linkage.fields.surname.kind", "Marker"),
        ("variables.sex.type", "Marker"),
        ("variables.sex.combine", "Marker"),
        ("variables.Marker", {"type": "integer"}),
        ("parties", {}),
        ("parties.district.public_key", "Marker"),
        ("parties.district.public_key", "lkpub1UPPER"),
        ("parties.district.linkage_fields", {"surname": {"column": "a"}}),
        ("parties.district.linkage_fields.sex.column", ""),
        ("parties.district.linkage_fields.sex.part", "Marker"),
        ("parties.district.linkage_fields.birth_date.formats", []),
        ("parties.district.payload.zip3.coarsen", "Marker"),
        ("protection.smallest_cell", 1),
        ("protection.smallest_cell", 2.5),
        ("protection.max_suppressed", -0.01),
        ("protection.max_suppressed", 1.01),
        ("protection.max_suppressed", float("nan")),
        ("protection.quasi_identifiers", {}),
        ("protection.quasi_identifiers.birth_year.intervals", [0, 1]),
        ("protection.quasi_identifiers.birth_year.intervals", []),
        ("projects.gaps-2026.variables", []),
        ("projects.Marker!", {"purpose": "p", "variables": ["sex"]}),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_clause_and_not_repeated(
    clause: str, value: object, agreement_document: Document
) -> None:
    problems = _problems(_put(agreement_document, clause, value))
    assert problems
    path = clause.removesuffix(".Marker").removesuffix(".Marker!")
    assert all(problem.startswith(f"clause '{path}") for problem in problems)
    if isinstance(value, str):
        assert not any("Marker" in problem for problem in problems)


@pytest.mark.parametrize(
    "document_key", ["district ", " district", "\tdistrict"], ids=["after", "before", "tab"]
)
def test_a_party_named_twice_but_for_a_space_is_refused(
    document_key: str, agreement_document: Document
) -> None:
    parties = agreement_document["parties"]
    parties[document_key] = {**parties["district"], "name": "Somebody else"}
    assert any("district" in problem for problem in _problems(agreement_document))


def test_a_linkage_field_of_no_column_is_refused(agreement_document: Document) -> None:
    agreement_document["parties"]["district"]["linkage_fields"]["sex"]["column"] = []
    clause = "clause 'parties.district.linkage_fields.sex.column'"
    assert _problems(agreement_document) == (
        f"{clause}: write text; put quotes around it if it looks like a number",
        f"{clause}: it has no item",
    )


@pytest.mark.parametrize("value", [True, "0.5"], ids=repr)
def test_a_share_must_be_written_as_a_number(value: object, agreement_document: Document) -> None:
    agreement_document["protection"]["max_suppressed"] = value
    (problem,) = _problems(agreement_document)
    assert problem.startswith("clause 'protection.max_suppressed'")


# --- Clauses against one another -------------------------------------------------------------


@pytest.mark.parametrize(
    ("clause", "value", "problem"),
    [
        (
            "years",
            {"first": 2025, "last": 2023},
            "clause 'years': 'last' lies before 'first'",
        ),
        (
            "variables.sex.combine",
            "mean",
            "clause 'variables.sex': a category can only be combined by most_common",
        ),
        (
            "variables.in_summer",
            {"type": "integer"},
            "clause 'variables.in_summer': the name is reserved",
        ),
        (
            "variables.study_id",
            {"type": "category"},
            "clause 'variables.study_id': the name is reserved",
        ),
        (
            "variables.phone",
            {"type": "category"},
            "clause 'variables.phone': a linkage field has that name, and linkage fields are "
            "never payload; rename the variable",
        ),
        (
            "parties.jobs.linkage_fields.nickname",
            {"column": "Nick"},
            "clause 'parties.jobs.linkage_fields.nickname': 'linkage.fields' has no such field",
        ),
        (
            "parties.jobs.linkage_fields.phone.formats",
            ["%m/%d/%Y"],
            "clause 'parties.jobs.linkage_fields.phone': only a date has 'formats'",
        ),
        (
            "parties.jobs.linkage_fields.phone.part",
            "given",
            "clause 'parties.jobs.linkage_fields.phone': only a name has a 'part'",
        ),
        (
            "parties.jobs.record_id",
            "Mobile",
            "clause 'parties.jobs.record_id': the column is also a linkage field",
        ),
        (
            "parties.jobs.payload.unheard_of",
            {"column": "Hours"},
            "clause 'parties.jobs.payload.unheard_of': 'variables' does not define it",
        ),
        (
            "parties.district.payload.race_ethnicity",
            {"column": "STREET_NO"},
            "clause 'parties.district.payload.race_ethnicity': the column holds a linkage "
            "field, which is never payload; use 'field' with 'coarsen' instead",
        ),
        (
            "parties.district.payload.race_ethnicity",
            {"column": " STUDENT_NO "},
            "clause 'parties.district.payload.race_ethnicity': the column is the party's "
            "record id, which never leaves",
        ),
        (
            "parties.jobs.payload.zip3",
            {"field": "postal_code", "coarsen": "prefix3"},
            "clause 'parties.jobs.payload.zip3': the party has no such linkage field",
        ),
        (
            "parties.district.payload.zip3",
            {"field": "phone", "coarsen": "prefix3"},
            "clause 'parties.district.payload.zip3': 'prefix3' coarsens a postal_code, not a phone",
        ),
        (
            "parties.district.payload.zip3",
            {"field": "postal_code"},
            "clause 'parties.district.payload.zip3': 'field' and 'coarsen' go together",
        ),
        (
            "parties.district.payload.zip3",
            {"column": "ZIP", "field": "postal_code", "coarsen": "prefix3"},
            "clause 'parties.district.payload.zip3': give either 'column' or 'field', not both "
            "and not neither",
        ),
        (
            "protection.quasi_identifiers.eye_color",
            {},
            "clause 'protection.quasi_identifiers.eye_color': no party sends such a variable",
        ),
        (
            "protection.quasi_identifiers.sex",
            {"intervals": [1, 5]},
            "clause 'protection.quasi_identifiers.sex': 'intervals' are for numbers",
        ),
        (
            "protection.quasi_identifiers.birth_year",
            {"dates": ["year"]},
            "clause 'protection.quasi_identifiers.birth_year': 'dates' are for dates, and for "
            "categories that hold them as YYYY-MM-DD",
        ),
        (
            "protection.quasi_identifiers.birth_year",
            {"postal": {"country": "US"}},
            "clause 'protection.quasi_identifiers.birth_year': 'postal' is for categories",
        ),
        (
            "protection.quasi_identifiers.zip3",
            {"top": 5},
            "clause 'protection.quasi_identifiers.zip3': 'bottom' and 'top' alone are for numbers",
        ),
        (
            "protection.quasi_identifiers.zip3",
            {"postal": {"country": "US", "levels": [1, 5]}},
            "clause 'protection.quasi_identifiers.zip3.postal': 'levels' of US are some of 9, 5, 4, "
            "3, 2, 1, in this order",
        ),
        (
            "protection.quasi_identifiers.zip3",
            {"tabel": [["a", "b"]]},
            "clause 'protection.quasi_identifiers.zip3.tabel' is not known; did you mean 'table'?",
        ),
        (
            "protection.quasi_identifiers.birth_year",
            {"ages": [1], "top": True},
            "clause 'protection.quasi_identifiers.birth_year.top': write a number",
        ),
        (
            "parties.jobs.payload.hours_worked",
            {"column": "Hours", "formats": ["%Y-%m-%d"]},
            "clause 'parties.jobs.payload.hours_worked': only a date has 'formats'",
        ),
        (
            "parties.district.payload.zip3",
            {"field": "postal_code", "coarsen": "prefix3", "formats": ["%Y-%m-%d"]},
            "clause 'parties.district.payload.zip3': 'formats' go with 'column'",
        ),
        (
            "variables.zip3",
            {"type": "date", "combine": "mean"},
            "clause 'variables.zip3': a date can only be combined by min, max or most_common",
        ),
        (
            "protection.quasi_identifiers.birth_year",
            {"prefixes": [3, 2]},
            "clause 'protection.quasi_identifiers.birth_year': 'prefixes' and 'groups' are "
            "for categories",
        ),
        (
            "protection.quasi_identifiers.birth_year",
            {"intervals": [1, 5, 2]},
            "clause 'protection.quasi_identifiers.birth_year': 'intervals' must grow",
        ),
        (
            "protection.quasi_identifiers.birth_year",
            {"intervals": [2, 5]},
            "clause 'protection.quasi_identifiers.birth_year': each of 'intervals' must be a "
            "multiple of the one before",
        ),
        (
            "protection.quasi_identifiers.zip3",
            {"prefixes": [1, 3]},
            "clause 'protection.quasi_identifiers.zip3': 'prefixes' must shrink",
        ),
        (
            "protection.quasi_identifiers.zip3",
            {"prefixes": [3], "groups": [{"A": ["940"]}]},
            "clause 'protection.quasi_identifiers.zip3': give only one of 'prefixes' and 'groups'",
        ),
        (
            "projects.gaps-2026.variables",
            ["sex", "eye_color"],
            "clause 'projects.gaps-2026.variables': no party sends 'eye_color'",
        ),
        (
            "projects.gaps-2026.variables",
            ["sex", "sex"],
            "clause 'projects.gaps-2026.variables': a variable is named twice",
        ),
        (
            "projects.gaps-2026.years",
            {"first": 2022, "last": 2025},
            "clause 'projects.gaps-2026.years': they reach outside the agreement's years",
        ),
    ],
)
def test_a_contradiction_is_said_in_a_sentence(
    clause: str, value: object, problem: str, agreement_document: Document
) -> None:
    assert _problems(_put(agreement_document, clause, value)) == (problem,)


@pytest.mark.parametrize("name", ["linkage_unit", "steward"])
def test_a_party_cannot_be_named_like_a_role(name: str, agreement_document: Document) -> None:
    agreement_document["parties"][name] = agreement_document["parties"]["jobs"]
    assert _problems(agreement_document) == (f"clause 'parties.{name}': the name is reserved",)


def test_all_contradictions_are_reported_at_once(agreement_document: Document) -> None:
    _put(agreement_document, "variables.token", {"type": "category"})
    _put(agreement_document, "parties.jobs.record_id", "Mobile")
    _put(agreement_document, "projects.gaps-2026.variables", ["eye_color"])
    assert len(_problems(agreement_document)) == 3


def test_an_identifier_may_be_record_id_and_linkage_field(agreement_document: Document) -> None:
    agreement_document["linkage"]["fields"]["state_id"] = {"kind": "identifier"}
    district = agreement_document["parties"]["district"]
    district["linkage_fields"]["state_id"] = {"column": "STUDENT_NO"}
    agreement = Agreement.from_document(agreement_document)
    assert agreement.party("district").record_id in agreement.party("district").linkage_columns


@pytest.mark.parametrize("column", ["DOB", "ZIP", "STUDENT_NO"])
def test_the_year_is_not_taken_from_a_linkage_field_or_the_record_id(
    column: str, agreement_document: Document
) -> None:
    agreement_document["parties"]["district"]["year"] = {"column": column}
    (problem,) = _problems(agreement_document)
    assert problem.startswith("clause 'parties.district.year'")


def test_a_damaged_public_key_is_noticed_when_the_document_is_read(
    agreement_document: Document,
) -> None:
    key = agreement_document["steward"]["public_key"]
    agreement_document["steward"]["public_key"] = (
        key[:50] + ("a" if key[50] != "a" else "b") + key[51:]
    )
    (problem,) = _problems(agreement_document)
    assert problem.startswith("clause 'steward.public_key'")


# --- The fingerprint -------------------------------------------------------------------------


def test_the_order_of_the_document_does_not_change_the_fingerprint(
    agreement: Agreement, agreement_document: Document
) -> None:
    def backwards(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: backwards(value[key]) for key in reversed(value)}
        return value

    assert Agreement.from_document(backwards(agreement_document)).fingerprint == (
        agreement.fingerprint
    )


@pytest.mark.parametrize(
    ("clause", "value"),
    [
        ("title", "Another title"),
        ("purpose", "another purpose"),
        ("years.last", 2026),
        ("destroy_by", "2998-06-30"),
        ("variables.sex.label", "Gender"),
        ("parties.jobs.one_record_per_person", True),
        ("parties.jobs.payload.hours_worked.column", "Hrs"),
        ("parties.jobs.public_key", _MISSING),
        ("protection.smallest_cell", 11),
        ("protection.max_suppressed", 0.051),
        ("projects.gaps-2026.variables", ["sex"]),
        ("projects", _MISSING),
    ],
)
def test_any_change_of_the_document_changes_the_fingerprint(
    clause: str, value: object, agreement: Agreement, agreement_document: Document
) -> None:
    amended = Agreement.from_document(_put(agreement_document, clause, value))
    assert amended.fingerprint != agreement.fingerprint
    assert amended.id == agreement.id


def test_the_fingerprint_is_sha256_in_hexadecimal(agreement: Agreement) -> None:
    assert len(agreement.fingerprint) == 64
    assert set(agreement.fingerprint) <= set("0123456789abcdef")


def test_clauses_cannot_be_assigned(agreement: Agreement) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        agreement.title = "Another"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        agreement.protection.smallest_cell = 2


@pytest.mark.parametrize(
    "change",
    [
        lambda agreement: agreement.parties.pop("jobs"),
        lambda agreement: agreement.protection.quasi_identifiers.clear(),
        lambda agreement: agreement.parties["jobs"].payload.update(sex=None),
    ],
    ids=["parties", "quasi-identifiers", "payload"],
)
def test_mappings_inside_a_frozen_agreement_cannot_be_changed(
    change: Callable[[Agreement], object], agreement_document: Document
) -> None:
    agreement = Agreement.from_document(agreement_document)
    with pytest.raises((TypeError, AttributeError), match=r".+"):
        change(agreement)


@pytest.mark.parametrize(
    ("model", "document"),
    [
        (Agreement, {"title": "MARKER-7731", "years": {"first": "MARKER-7731"}}),
        (Years, {"first": "MARKER-7731", "MARKER": "MARKER-7731"}),
        (Years, {"first": 2025, "last": 1999}),
        (Party, {"name": ["MARKER-7731"], "linkage_fields": "MARKER-7731"}),
    ],
    ids=["agreement", "years", "order", "party"],
)
def test_even_the_engines_own_error_does_not_repeat_what_was_given(
    model: type[BaseModel], document: Document
) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(document)
    assert "MARKER-7731" not in str(caught.value)
    assert "1999" not in str(caught.value)


# --- Permission ------------------------------------------------------------------------------


def _assert_refused(ask: Callable[[], object], *, clause: str, problem: str, hint: str) -> None:
    with pytest.raises(NotAuthorizedError) as caught:
        ask()
    assert caught.value.code == "not_authorized"
    assert caught.value.clause == clause
    assert f"clause '{clause}': {problem}" in caught.value.problems
    assert caught.value.hint == hint


def test_a_stranger_is_no_party(agreement: Agreement) -> None:
    assert agreement.party("jobs").name == "River County Youth Employment"
    _assert_refused(
        lambda: agreement.party("stranger"),
        clause="parties",
        problem="agreement 'alder-bend-youth-2026' has no party 'stranger'",
        hint="The parties are: district, jobs, summer.",
    )


def test_an_unknown_project_is_not_authorized(
    agreement: Agreement, agreement_document: Document
) -> None:
    assert "sex" in agreement.project("gaps-2026").variables
    _assert_refused(
        lambda: agreement.project("other-2026"),
        clause="projects",
        problem="agreement 'alder-bend-youth-2026' authorizes no project 'other-2026'",
        hint="The authorized projects are: gaps-2026.",
    )
    del agreement_document["projects"]
    _assert_refused(
        lambda: Agreement.from_document(agreement_document).project("gaps-2026"),
        clause="projects",
        problem="agreement 'alder-bend-youth-2026' authorizes no project 'gaps-2026'",
        hint="The authorized projects are: none yet.",
    )


def test_linkage_fields_are_authorized_by_party(agreement: Agreement) -> None:
    agreement.authorize_linkage_fields("jobs", ["surname", "phone"])
    agreement.authorize_linkage_fields("jobs", [])
    _assert_refused(
        lambda: agreement.authorize_linkage_fields("jobs", ["surname", "sex", "postal_code"]),
        clause="parties.jobs.linkage_fields",
        problem="party 'jobs' is not authorized to send 'postal_code'",
        hint="It may send: birth_date, given_name, phone, surname.",
    )


def test_payload_is_authorized_by_party(agreement: Agreement, agreement_document: Document) -> None:
    agreement.authorize_payload("jobs", ["hours_worked"])
    _assert_refused(
        lambda: agreement.authorize_payload("jobs", ["hours_worked", "sex"]),
        clause="parties.jobs.payload",
        problem="party 'jobs' is not authorized to send 'sex'",
        hint="It may send: hours_worked.",
    )
    agreement_document["parties"]["jobs"]["payload"] = {}
    _assert_refused(
        lambda: Agreement.from_document(agreement_document).authorize_payload("jobs", ["sex"]),
        clause="parties.jobs.payload",
        problem="party 'jobs' is not authorized to send 'sex'",
        hint="It may send: nothing.",
    )


def test_variables_are_authorized_by_project(agreement: Agreement) -> None:
    agreement.authorize_variables(["in_jobs", "sex"], project="gaps-2026")
    with pytest.raises(NotAuthorizedError) as caught:
        agreement.authorize_variables(["zip3", "sex", "hours_worked"], project="gaps-2026")
    assert caught.value.clause == "projects.gaps-2026.variables"
    assert [p.partition(": ")[2] for p in caught.value.problems] == [
        "project 'gaps-2026' may not use variable 'hours_worked'",
        "project 'gaps-2026' may not use variable 'zip3'",
    ]


def test_years_of_a_project_are_its_own_or_the_agreements(
    agreement: Agreement, agreement_document: Document
) -> None:
    assert agreement.years_of().first == 2023
    assert agreement.years_of("gaps-2026").first == 2024
    del agreement_document["projects"]["gaps-2026"]["years"]
    assert Agreement.from_document(agreement_document).years_of("gaps-2026").first == 2023


def test_work_is_refused_from_the_day_after_destroy_by(agreement: Agreement) -> None:
    agreement.require_in_force()
    agreement.require_in_force(today=dt.date(2999, 6, 30))
    _assert_refused(
        lambda: agreement.require_in_force(today=dt.date(2999, 7, 1)),
        clause="destroy_by",
        problem="the data of agreement 'alder-bend-youth-2026' had to be destroyed by 2999-06-30",
        hint="Nothing may be made under it unless the parties amend it.",
    )


@pytest.mark.parametrize(
    ("role", "clause"),
    [
        ("steward", "steward.public_key"),
        ("linkage_unit", "linkage_unit.public_key"),
        ("jobs", "parties.jobs.public_key"),
    ],
)
def test_a_missing_public_key_is_asked_for_when_it_is_needed(
    role: str, clause: str, agreement: Agreement, agreement_document: Document
) -> None:
    assert agreement.require_public_key(role).startswith("lkpub1")
    without = Agreement.from_document(_put(agreement_document, clause, _MISSING))
    with pytest.raises(AgreementError, match=f"clause '{clause}' is missing") as caught:
        without.require_public_key(role)
    assert "linkkit keys identity" in caught.value.hint


def test_what_is_not_an_agreement_is_refused_with_advice(agreement: Agreement) -> None:
    assert require_agreement(agreement) is agreement
    with pytest.raises(OptionError, match="'agreement' must be an Agreement, not dict") as caught:
        require_agreement({})
    assert caught.value.code == "option"
    assert "linkkit.Agreement.load('agreement.yaml')" in caught.value.hint


@pytest.mark.parametrize(
    ("kind", "coarsen"), [("date", "year"), ("postal_code", "prefix3"), ("sex", "code")]
)
def test_only_three_kinds_can_be_coarsened_into_payload(
    kind: FieldKind, coarsen: str, agreement: Agreement
) -> None:
    used = {
        agreement.linkage.fields[source.field].kind: source.coarsen
        for source in agreement.party("district").payload.values()
        if source.field is not None
    }
    assert used[kind] == coarsen
