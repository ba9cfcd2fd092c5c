"""Whole columns: what is missing, what was rejected, in which rows, and how a column was read."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from linkkit.agreement import Agreement, Years
from linkkit.errors import ExtractError, NotAuthorizedError
from linkkit.partner.read import extract_from_frame
from linkkit.partner.standardize import StandardizedExtract, standardize
from linkkit.partner.standardize.addresses import standard_address
from linkkit.partner.standardize.codes import (
    standard_email,
    standard_identifier,
    standard_number,
    standard_sex,
    standard_ssn4,
)
from linkkit.partner.standardize.dates import inferred_dates, stated_dates
from linkkit.partner.standardize.evidence import ColumnEvidence
from linkkit.partner.standardize.names import (
    given_part,
    standard_given_name,
    standard_surname,
    standard_whole_name,
    surname_part,
)
from linkkit.partner.standardize.nicknames import without_nicknames
from linkkit.partner.standardize.phones import standard_phone
from linkkit.partner.standardize.places import postal_code_reader, standard_city
from linkkit.partner.standardize.text import standard_text

YEARS = Years(first=2020, last=2025)


def dates(cell: str) -> Any:
    return inferred_dates({}, years=YEARS).read(cell)


def us_dates(cell: str) -> Any:
    return stated_dates(("%m/%d/%Y", "%m/%d/%y"), years=YEARS).read(cell)


def zip_codes(cell: str) -> Any:
    return postal_code_reader({"94110": 9})[0](cell)


def foreign_phone(cell: str) -> Any:
    return standard_phone(cell, region="MX")


READERS = [
    standard_address,
    standard_email,
    standard_given_name,
    standard_identifier,
    standard_phone,
    standard_sex,
    standard_surname,
    standard_text,
    standard_whole_name,
    standard_city,
    standard_number,
    standard_ssn4,
    without_nicknames(standard_given_name),
    dates,
    us_dates,
    zip_codes,
    foreign_phone,
]
SETTLED = [read for read in READERS if read not in (standard_whole_name, us_dates, foreign_phone)]


def run(frame: pd.DataFrame, agreement: Agreement, party: str = "summer") -> StandardizedExtract:
    return standardize(extract_from_frame(frame), agreement, party=party)


@pytest.fixture
def summer() -> pd.DataFrame:
    n = 14
    return pd.DataFrame(
        {
            "first": ["Ana"] * n,
            "last": ["N/A", "Li", "Li", "?"] + ["Li"] * (n - 4),
            "birthday": ["13/04/2010"] + ["31/02/2010"] * 12 + [None],
            "gender": ["F"] * n,
            "zip": ["94110"] * n,
            "guardian_phone": [""] * n,
        }
    )


def test_every_field_of_the_agreement_is_there_and_null_where_the_party_has_none(
    agreement: Agreement, summer: pd.DataFrame
) -> None:
    result = run(summer, agreement)
    assert list(result.fields) == list(agreement.linkage.fields)
    assert result.fields["street_address"].null_count == len(summer)


def test_issues_count_all_cells_and_name_the_first_rows(
    agreement: Agreement, summer: pd.DataFrame
) -> None:
    issues = {(issue.field, issue.rule): issue for issue in run(summer, agreement).issues}
    assert issues["surname", "placeholder"].rows == (1, 4)
    bad_days = issues["birth_date", "no such day"]
    assert (bad_days.count, bad_days.rows) == (12, tuple(range(2, 12)))
    assert "rows 2, 3," in str(bad_days)
    assert str(bad_days).endswith(", ...")


def test_blank_cells_are_missing_and_no_issue(agreement: Agreement, summer: pd.DataFrame) -> None:
    result = run(summer, agreement)
    assert result.fields["phone"].null_count == len(summer)
    assert not [issue for issue in result.issues if issue.field == "phone"]


def test_the_order_of_day_and_month_is_inferred_and_told(
    agreement: Agreement, summer: pd.DataFrame
) -> None:
    result = run(summer.assign(birthday=["13/04/2010"] + ["05/06/2010"] * 13), agreement)
    assert result.fields["birth_date"].to_pylist()[1] == "20100605"
    assert any("day first" in note for note in result.notes)


def test_columns_are_joined_by_a_space(agreement: Agreement) -> None:
    frame = pd.DataFrame(
        {
            "STUDENT NAME": ["Li, Ana", "Li, Bo"],
            "DOB": "03/05/2010",
            "SEX": "F",
            "STREET_NO": ["12", None],
            "STREET_NAME": ["Elm Street", None],
            "ZIP": "94110",
            "PHONE": None,
        }
    )
    fields = run(frame, agreement, "district").fields
    assert fields["street_address"].to_pylist() == ["12 elm st", None]
    assert fields["given_name"].to_pylist() == ["ana", "bo"]
    assert fields["surname"].to_pylist() == ["li", "li"]


def test_spaces_in_column_names_do_not_count(agreement: Agreement, summer: pd.DataFrame) -> None:
    run(summer.rename(columns={"guardian_phone": " guardian_phone "}), agreement)


def test_all_missing_columns_are_named_at_once(agreement: Agreement, summer: pd.DataFrame) -> None:
    with pytest.raises(ExtractError, match="missing") as caught:
        run(summer.drop(columns=["first", "zip"]), agreement)
    assert len(caught.value.problems) == 2
    assert caught.value.code == "extract"


def test_a_party_nobody_agreed_on_is_refused(agreement: Agreement, summer: pd.DataFrame) -> None:
    with pytest.raises(NotAuthorizedError, match="has no party 'winter'") as caught:
        run(summer, agreement, "winter")
    assert caught.value.clause == "parties"


def test_a_million_characters_are_missing_with_a_reason(
    agreement: Agreement, summer: pd.DataFrame
) -> None:
    long = summer.head(1).assign(**dict.fromkeys(summer.columns, "x" * 1_000_000))
    result = run(long, agreement)
    assert all(column.null_count == 1 for column in result.fields.values())
    assert len(result.issues) == 6


ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
PLAUSIBLE = st.lists(
    st.one_of(
        st.sampled_from(
            'Dr. Mr Jr. III St Saint de la O\' Mc van y J A. (Bill) "Bo" aka Smith Nguyễn Thị Muñoz '
            "José Al-Hassan # Apt Apt4 PO Box RR 2 Hwy Road North N E 5th First Unit c/o , / - @ . "
            'gmail.com + 555 01 1/2 ½ 0012 = ="1" .0 e+9 x12 ext. Baby Boy unknown n/a M Female xxx '
            "男 ( ) [ ' \u200b \u00a0 JosÃ© 12 31 1999 2010 Mar 415-555-2671 Apt. No. US County".split(
                " "
            )
        ),
        st.text(string.ascii_letters + string.digits + " .,-'@/#()", max_size=6),
    ),
    max_size=6,
).map(lambda parts: " ".join(parts))
# Nobody can tell the name Null from what a database writes, once it is in lower case.
ONLY_LOWER = {"null", "none", "nan"}


def name_of(read: Callable[[str], Any]) -> str:
    return getattr(read, "__name__", "reader")


@pytest.mark.parametrize("read", READERS, ids=name_of)
@settings(deadline=None, max_examples=150)
@given(cell=st.one_of(ANYTHING, PLAUSIBLE))
def test_any_text_is_standardized_or_rejected_and_nothing_else(
    read: Callable[[str], Any], cell: str
) -> None:
    value, rule = read(cell)
    assert value is None or rule is None
    assert value is None or value == value.strip() != ""
    assert rule is None or not set(rule) - set(string.ascii_letters + string.digits + " -")


@pytest.mark.parametrize("read", SETTLED, ids=name_of)
@settings(deadline=None, max_examples=300)
@given(cell=st.one_of(ANYTHING, PLAUSIBLE))
@example(cell="0:UNIT:0:0")
@example(cell="+9 80000")
def test_a_standard_form_is_its_own_standard_form(read: Callable[[str], Any], cell: str) -> None:
    value = read(cell).value
    if value is not None and value not in ONLY_LOWER:
        assert read(value).value == value


@settings(deadline=None)
@given(cell=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_a_name_is_split_without_inventing_letters(cell: str) -> None:
    for part in (given_part(cell), surname_part(cell)):
        assert len(part) <= 4 * len(cell) + 80


# --- Columns of which one sees a part at a time ----------------------------------------------


def _evidence(agreement: Agreement, cells: list[str], *, most: int, n_parts: int) -> dict[str, int]:
    gathered = ColumnEvidence(agreement, party="north", most=most)
    for start in range(n_parts):
        mine = cells[start::n_parts]
        columns = dict.fromkeys(agreement.linkage.fields, mine)
        gathered.add(extract_from_frame(pa.table(columns)))
    return gathered.counts()["birth_date"]


def test_evidence_of_parts_is_that_of_the_whole_column(plain_agreement: Any) -> None:
    cells = [f"{i % 28 + 1}/{i % 12 + 1}/2009" for i in range(500)]
    whole = _evidence(plain_agreement(), cells, most=1000, n_parts=1)
    assert whole == dict(Counter(cells))
    for n_parts in (2, 7, 100):
        assert _evidence(plain_agreement(), cells, most=1000, n_parts=n_parts) == whole


def test_of_too_many_cells_the_same_ones_speak_whatever_their_order(plain_agreement: Any) -> None:
    cells = [f"cell {i % 900}" for i in range(2000)]
    sampled = [
        _evidence(plain_agreement(), order, most=50, n_parts=n_parts)
        for order, n_parts in ((cells, 1), (cells[::-1], 9), (sorted(cells), 40))
    ]
    assert sampled[0] == sampled[1] == sampled[2]
    assert len(sampled[0]) == 50
    whole = Counter(cells)
    assert all(whole[cell] == n for cell, n in sampled[0].items())
