"""What a data manager sees of her own data at home: how columns were read, and what became missing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from linkkit.agreement import FIELD_KINDS, Agreement, Years
from linkkit.partner.encode import encode
from linkkit.partner.read import extract_from_frame
from linkkit.partner.standardize import StandardizedExtract, columns, standardize
from linkkit.partner.standardize.codes import sex_reader
from linkkit.partner.standardize.dates import inferred_dates, repeated_first_days, stated_dates
from linkkit.partner.standardize.nicknames import _given_names, nickname_digest
from linkkit.partner.standardize.phones import phone_reader
from linkkit.partner.standardize.readers import column_reader

YEARS = Years(first=2020, last=2025)
MARKER = "Qzxwvmarker"


def of_columns(
    make: Callable[..., Agreement], kinds: dict[str, str], **columns: list[Any]
) -> StandardizedExtract:
    agreement = make(kinds={"other": "text", "text": "text", "birth": "date", **kinds})
    n = len(next(iter(columns.values())))
    frame = pd.DataFrame({"other": ["x"] * n, "text": "y", "birth": "2010-03-05", "id": range(n)})
    frame = frame.assign(
        **{name: pd.Series(cells, dtype=object) for name, cells in columns.items()}
    )
    return standardize(extract_from_frame(frame), agreement, party="north")


# --- How columns are read --------------------------------------------------------------------


def test_evidence_for_the_order_of_day_and_month_is_counted() -> None:
    notes = inferred_dates(
        {"13/04/2010": 3, "04/13/2010": 1, "5/6/10": 7, "5/5/2010": 2, "2010-03-05": 2, "x": 4},
        years=YEARS,
    ).notes
    assert notes == (
        "cells by the form of the date: 13 day and month, 2 year first",
        "read as day first where it is ambiguous (1 cells say month first, 3 day first)",
        "1 cells contradict the order of the column, and 7 can be read both ways; the column may "
        "be put together from two sources",
        "7 years of two digits, taken as 1926 to 2025",
    )


def test_a_column_that_tells_nothing_says_so() -> None:
    notes = inferred_dates({"05/06/2010": 9}, years=YEARS).notes
    assert "nothing in the column tells day from month in 9 cells" in notes[2]
    assert "state its formats in the agreement" in notes[2]


def test_dates_with_the_year_first_need_no_note_on_the_order() -> None:
    assert inferred_dates({"2010-03-05": 9}, years=YEARS).notes == (
        "cells by the form of the date: 9 year first",
    )


def test_stated_formats_are_told() -> None:
    reader = stated_dates(("%d.%m.%y", "%d.%m.%Y"), years=YEARS)
    assert reader.notes == ("formats stated: %d.%m.%y, %d.%m.%Y",)
    assert reader.read("05.03.10").value == "20100305"
    assert reader.read("05.03.2010").value == "20100305"


@pytest.mark.parametrize(("written", "year"), [("24", "2024"), ("25", "2025"), ("26", "1926")])
def test_two_digits_are_at_most_the_last_year_of_the_agreement(written: str, year: str) -> None:
    assert inferred_dates({}, years=YEARS).read(f"1/2/{written}").value == f"{year}0102"


@pytest.mark.parametrize(
    ("day", "rule"),
    [
        (dt.date(2025, 12, 31), None),
        (dt.date(2026, 1, 2), "after the years of the agreement"),
        (dt.date(1890, 2, 1), None),
        (dt.date(1889, 12, 31), "more than 130 years before the agreement"),
    ],
)
def test_no_date_lies_outside_what_can_be(day: dt.date, rule: str | None) -> None:
    assert inferred_dates({}, years=YEARS).read(day.isoformat()).rule == rule


def test_digits_of_sex_are_told_and_never_guessed() -> None:
    read, notes = sex_reader({"1": 3, "2": 4, "F": 1})
    assert notes == ("1 is read as male and 2 as female",)
    assert (read("1").value, read("2").value) == ("m", "f")
    read, notes = sex_reader({"0": 3, "1.0": 4})
    assert "0 and 1 are not told apart" in notes[0]
    assert (read("1.0").rule, read("F").value) == ("not a sex code", "f")
    assert sex_reader({"F": 1, "M": 2})[1] == ()


def test_area_codes_come_only_from_a_column_that_has_one() -> None:
    local = {f"415555{n:04}": 1 for n in range(18)}
    read, notes = phone_reader({**local, "2125550100": 2, "5550199": 4}, region="US")
    assert read("555-0199").value == "4155550199"
    assert notes == ("4 numbers without an area code get the column's own",)
    for others in ({"2125550100": 3}, dict.fromkeys(["2125550100", "2135550100", "3135550100"], 1)):
        read, notes = phone_reader({**local, **others, "5550199": 4}, region="US")
        assert read("555-0199").rule == "no area code"
        assert notes == ()


def test_every_kind_has_a_reader(agreement: Agreement) -> None:
    source = agreement.party("summer").linkage_fields["surname"]
    for kind in FIELD_KINDS:
        field = agreement.linkage.fields["surname"].model_copy(update={"kind": kind})
        assert column_reader(field, source, {"1": 1}, years=YEARS).read("").value is None


# --- Frequencies -----------------------------------------------------------------------------


def test_a_spike_on_the_first_of_january_is_a_placeholder(
    plain_agreement: Callable[..., Agreement],
) -> None:
    days = pd.date_range("2010-01-01", "2011-12-31").strftime("%m/%d/%Y").tolist()
    result = of_columns(plain_agreement, {"born": "date"}, born=[*days, *["01/01/2010"] * 30])
    values = result.fields["born"].to_pylist()
    assert "20100101" not in values
    assert "20110101" in values
    issue = next(i for i in result.issues if i.rule == "placeholder by its frequency")
    assert (issue.field, issue.count, issue.rows[:2]) == ("born", 31, (1, 731))


@pytest.mark.parametrize(
    ("counts", "repeated"),
    [
        ({"20100101": 9}, set()),
        ({"20100101": 10}, {"20100101"}),
        ({"20100101": 30, "20100305": 1000}, {"20100101"}),
        ({"20100101": 30, **{f"201003{d:02}": 40 for d in range(1, 29)}}, set()),
        ({"20100201": 500}, set()),
        ({}, set()),
    ],
)
def test_only_far_too_many_first_days_are_taken_for_placeholders(
    counts: dict[str, int], repeated: set[str]
) -> None:
    # Refugees are often given 1 January as their day of birth, a few in every year.
    assert repeated_first_days(counts) == repeated


def test_first_days_of_large_columns_are_counted_as_those_of_small_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(columns, "_WORTH_THREADS", 0)
    rng = np.random.default_rng(3)
    for share in (0.0, 0.01, 0.3):
        days = [
            None
            if n < 1
            else f"{n:04d}0101"
            if rng.random() < share
            else f"{n:04d}12{n % 28 + 1:02d}"
            for n in rng.integers(0, 4, 3_000) * 2_251
        ]
        column = pa.array(["x", *days], pa.large_string()).slice(1)
        counted = columns._counts_of_first_days(column)
        wanted = repeated_first_days(columns._counts(column))
        assert repeated_first_days(counted) == wanted
        assert bool(wanted) == (share > 0.1)
    assert columns._counts_of_first_days(pa.nulls(3, pa.large_string())) == {}


def test_a_value_that_stands_too_often_is_reported_and_kept(
    plain_agreement: Callable[..., Agreement],
) -> None:
    phones = [f"415555{n:04}" for n in range(1, 61)] + ["4155559876"] * 25
    result = of_columns(plain_agreement, {"phone": "phone"}, phone=phones)
    assert result.summaries["phone"].n_commonest == 25
    assert result.fields["phone"].null_count == 0
    assert "one value stands in 25 of them and may be a placeholder" in result.report
    assert "4155559876" not in result.report


def test_swapped_names_are_reported_by_row_and_left_alone(
    plain_agreement: Callable[..., Agreement],
) -> None:
    given = ["Maria", "John", "Ana", "Wei"] * 25 + ["Smith"] + ["James"] * 4
    surname = ["Garcia", "Smith", "Lopez", "Chen"] * 25 + ["Maria"] + ["Thomas", "James"] * 2
    kinds = {"given": "given_name", "surname": "surname"}
    result = of_columns(plain_agreement, kinds, given=given, surname=surname)
    assert result.report.splitlines()[-1] == ("given name and surname look swapped in 1 rows: 101")
    assert result.fields["given"].to_pylist()[100] == "smith"


# --- The report ------------------------------------------------------------------------------


def test_the_report_counts_what_became_of_every_field(
    plain_agreement: Callable[..., Agreement],
) -> None:
    names = ["García", "GARCIA", "garcia", "Unknown", None, "", "Smith Jr.", "12"]
    result = of_columns(plain_agreement, {"surname": "surname"}, surname=names)
    summary = result.summaries["surname"]
    assert (summary.n_cells, summary.n_blank, summary.n_rejected, summary.n_values) == (8, 2, 2, 4)
    assert (summary.n_rewritten, summary.n_distinct_cells, summary.n_distinct_values) == (2, 4, 2)
    lines = result.report.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("surname: "))
    assert lines[start] == (
        "surname: 4 of 8 cells have a value, 2 are blank, 2 taken as missing by a rule; "
        "2 values rewritten, 4 spellings are now 2"
    )
    assert lines[start + 1 : start + 3] == [
        "  1 cells taken as missing (no letters), rows 8",
        "  1 cells taken as missing (placeholder), rows 4",
    ]
    assert "  cells by the form of the date: 8 year first" in lines


def test_a_field_that_is_all_missing_has_a_summary(
    plain_agreement: Callable[..., Agreement],
) -> None:
    result = of_columns(plain_agreement, {"phone": "phone"}, phone=[None, ""])
    assert result.summaries["phone"].n_values == 0
    assert "phone: 0 of 2 cells have a value, 2 are blank" in result.report


HOSTILE = [
    None, "", " ", "\u0000", "\u200b", "\u202e", "\ufeff", "😀", "=1+1", '=HYPERLINK("http://x")',
    "@SUM(A1)", "+1", "-1", "#REF!", "#####", "1e400", "9" * 400, "1.7976931348623157e308", "nan",
    "inf", "-inf", "TRUE", "False", "12%", "$1,200.50", "1900-01-00", "2010-02-30 25:61", "\\", "'",
    '"', "''", '""', "<script>", "a" * 32_767, "é" * 32_767, "\n" * 300, "\u0301" * 200, "\ud7a3",
    "\U0001f469\u200d\U0001f469", "ﷺ" * 200, "İ", "ß" * 256, "０" * 256, "٣" * 60, "Ⅳ", "½", "①", "%s",
    "{0}", "%(x)s", "\\N", "N/A\u0000", "\r\n", "\u2028", "\x1b[31m", "(" * 250, "," * 250,
    "- " * 120, "1/1/1/1/1", "+" * 20 + "1" * 20, "@" * 250, "0" * 250, "x" * 250, "' OR 1=1 --",
]  # fmt: skip


@pytest.mark.parametrize("kind", FIELD_KINDS)
def test_no_cell_crashes_or_is_told(plain_agreement: Callable[..., Agreement], kind: str) -> None:
    cells = [*HOSTILE, *(f"{MARKER}{cell or ''}"[:300] for cell in HOSTILE)]
    result = of_columns(plain_agreement, {"field": kind}, field=cells)
    assert len(result.fields["field"]) == len(cells)
    said = f"{result.report}{result!r}{result.issues}{result.notes}{result.summaries}"
    assert MARKER.casefold() not in said.casefold()
    assert "script" not in said
    assert all(value is None or value.strip() for value in result.fields["field"].to_pylist())


def test_cells_of_all_types_of_a_frame_are_read(plain_agreement: Callable[..., Agreement]) -> None:
    frame = pd.DataFrame(
        {
            "id": [1, 2],
            "born": [pd.Timestamp("2010-03-05 07:30"), pd.NaT],
            "phone": [4155552671.0, np.nan],
            "zip": [94110.0, 2134.0],
            "sex": [True, False],
            "grade": [3, 4.5],
            "name": ["Ana Li", 7],
        }
    )
    kinds = {
        "born": "date", "phone": "phone", "zip": "postal_code", "sex": "sex", "grade": "number",
        "name": "name",
    }  # fmt: skip
    agreement = plain_agreement(kinds=kinds)
    fields = standardize(extract_from_frame(frame), agreement, party="north").fields
    assert fields["born"].to_pylist() == ["20100305", None]
    assert fields["phone"].to_pylist() == ["4155552671", None]
    assert fields["zip"].to_pylist() == ["94110", "2134"]
    assert fields["sex"].to_pylist() == [None, None]
    assert fields["grade"].to_pylist() == ["3", "4.5"]
    assert fields["name"].to_pylist() == ["ana li", None]


def test_notes_reach_the_report_of_an_encoding(
    plain_agreement: Callable[..., Agreement], made_people: Callable[..., Any], secret: Any
) -> None:
    people = made_people(20, seed=9).assign(birth_date="05/06/2010")
    report = str(encode(people, plain_agreement(), secret, party="north").report)
    assert "birth_date: nothing in the column tells day from month in 20 cells" in report


# --- The table of nicknames ------------------------------------------------------------------


def test_no_nickname_is_a_given_name_of_the_table_or_belongs_to_two() -> None:
    table = dict(_given_names())
    assert len(table) > 300
    assert not set(table) & set(table.values())
    assert all(
        word.isascii() and word.islower() and word.isalpha()
        for pair in table.items()
        for word in pair
    )


def test_the_table_stands_still_between_versions() -> None:
    # Another table makes other encodings: parties with both are told apart by this digest.
    assert nickname_digest() == "4063638d248ceaf8"
