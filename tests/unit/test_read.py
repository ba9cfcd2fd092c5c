"""Files and frames are read as they are: every cell as text, every row accounted for."""

from __future__ import annotations

import csv
import datetime as dt
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl.chart import BarChart, Reference

from linkkit.errors import ExtractError
from linkkit.partner.read import (
    Extract,
    extract_from_frame,
    read_extract,
    read_extract_batches,
)

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def run(content: str | bytes, name: str = "made-up.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return run


def cells(extract: Extract) -> dict[str, list[str | None]]:
    return extract.table.to_pydict()


# --- Text files ------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_delimiter_is_found_from_the_header(write: Write, mark: str, end: str) -> None:
    lines = [mark.join(row) for row in (("ID", "First Name"), ("1", "Ana"), ("2", "Bo"))]
    extract = read_extract(write(end.join(lines) + end))
    assert cells(extract) == {"ID": ["1", "2"], "First Name": ["Ana", "Bo"]}
    assert repr(mark) in extract.notes[0]


def test_a_delimiter_inside_a_quoted_column_name_does_not_count(write: Write) -> None:
    extract = read_extract(write('"a, b, c, d";e\n1;2\n'))
    assert extract.columns == ("a, b, c, d", "e")


def test_a_given_delimiter_is_used(write: Write) -> None:
    assert read_extract(write("a,b;c\n1;2\n"), delimiter=";").columns == ("a,b", "c")


@pytest.mark.parametrize("delimiter", ["::", "", '"', "\n", "\r"])
def test_a_delimiter_is_one_character_that_can_separate(write: Write, delimiter: str) -> None:
    with pytest.raises(ExtractError, match="'delimiter' is one character"):
        read_extract(write("a,b\n1,2\n"), delimiter=delimiter)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_usual_encodings_are_found_from_the_bytes(write: Write, encoding: str) -> None:
    extract = read_extract(write("ID,Name\n1,José Núñez\n", encoding=encoding))
    assert cells(extract) == {"ID": ["1"], "Name": ["José Núñez"]}
    assert encoding in extract.notes[0]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "shift_jis", "utf-32"])
def test_any_encoding_can_be_named(write: Write, encoding: str) -> None:
    extract = read_extract(write("ID,Name\n1,Ana\n", encoding=encoding), encoding=encoding)
    assert cells(extract) == {"ID": ["1"], "Name": ["Ana"]}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
def test_wide_text_without_a_usual_mark_is_read(write: Write, encoding: str) -> None:
    extract = read_extract(write("ID,Name\n1,Ana\n", encoding=encoding))
    assert cells(extract) == {"ID": ["1"], "Name": ["Ana"]}
    assert encoding in extract.notes[0]


def test_bytes_that_fit_no_encoding_are_refused_without_a_trace_of_them(write: Write) -> None:
    with pytest.raises(ExtractError, match="not text in UTF-8 nor in Windows-1252") as caught:
        read_extract(write(b"ID,Name\n1,ZQX\x81\n"))
    assert caught.value.__context__ is None
    assert "encoding=" in caught.value.hint


@pytest.mark.parametrize("name", ["latin-0", "hex", "undefined", "utf\0"])
def test_an_encoding_that_there_is_not_is_refused(write: Write, name: str) -> None:
    with pytest.raises(ExtractError, match="is not text in"):
        read_extract(write("ID,Name\n1,Ana\n"), encoding=name)


def test_rows_above_the_header_are_skipped(write: Write) -> None:
    path = write('Riverside;2025\n\n"ID";"Name"\n1;Ana\n')
    extract = read_extract(path, header_row=3)
    assert cells(extract) == {"ID": ["1"], "Name": ["Ana"]}
    assert extract.rows.tolist() == [1]


@pytest.mark.parametrize("row", [0, -1])
def test_header_rows_count_from_one(write: Write, row: int) -> None:
    with pytest.raises(ExtractError, match="counts from 1"):
        read_extract(write("a\n1\n"), header_row=row)


def test_a_header_row_beyond_the_end_is_refused(write: Write) -> None:
    with pytest.raises(ExtractError, match="no column names in row 9"):
        read_extract(write("a\n1\n"), header_row=9)


def test_ragged_rows_are_set_aside_with_their_number(write: Write) -> None:
    extract = read_extract(write("ID,Name\n1,Ana\n2\n3,Bo,more\n4,Cy\n"))
    assert extract.rows.tolist() == [1, 4]
    assert [(item.row, item.reason) for item in extract.set_aside] == [
        (2, "1 cells where the header has 2"),
        (3, "3 cells where the header has 2"),
    ]


def test_blank_lines_are_no_rows_but_keep_their_number(write: Write) -> None:
    extract = read_extract(write("ID,Name\n1,Ana\n\n2,Bo\n\n\n,\n"))
    assert extract.rows.tolist() == [1, 3]
    assert extract.set_aside == ()


def test_a_file_of_ragged_rows_only_is_refused_with_the_first_reason(write: Write) -> None:
    with pytest.raises(ExtractError, match="none of the 2 rows can be read") as caught:
        read_extract(write("ID,Name\n1\n2,Ana,Li\n"))
    assert "1 cells where the header has 2" in str(caught.value)


def test_duplicate_headers_are_refused_all_at_once_by_position(write: Write) -> None:
    with pytest.raises(ExtractError) as caught:
        read_extract(write("a,b, a ,b,c\n1,2,3,4,5\n"))
    said = "'made-up.csv': a name appears more than once in the header row, in columns"
    assert list(caught.value.problems) == [f"{said} 1, 3", f"{said} 2, 4"]


def test_a_row_taken_for_the_header_is_not_shown(write: Write) -> None:
    with pytest.raises(ExtractError, match="more than once") as caught:
        read_extract(write("1,Zqxmarker,Zqxmarker\n2,Ana,Li\n"))
    assert "Zqxmarker" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is empty"),
        ("ID,Name\n", "no row below"),
        ("ID,Name\n,\n\n", "no row below"),
        ("\n\n\n", "no column names"),
        ("\ufeff", "no column names"),
        (",,\n1,2,3\n", "no column names"),
    ],
)
def test_a_file_without_data_is_refused(write: Write, content: str, problem: str) -> None:
    with pytest.raises(ExtractError, match=problem):
        read_extract(write(content))


def test_column_names_are_trimmed_and_blank_ones_numbered(write: Write) -> None:
    assert read_extract(write(' ID ,"First\n Name",\n1,2,3\n')).columns == (
        "ID",
        "First Name",
        "column 3",
    )


def test_quotes_hold_delimiters_quotes_and_lines(write: Write) -> None:
    extract = read_extract(write('ID,Name,Zip\r\n1,"Li, ""Ana""\r\nMaria",x\r\n2,Bo,y\r\n'))
    assert cells(extract)["Name"] == ['Li, "Ana"\r\nMaria', "Bo"]
    assert extract.rows.tolist() == [1, 2]


TABLE = [["id", "first", "last", "address", "zip", "color"]] + [
    [str(i), f"Ana{i}", "Zqxmarker", "12 Main St", "02139", "red"] for i in range(1, 10)
]


def table_with(row: int, column: int, cell: str, *, mark: str = ",") -> list[str]:
    rows = [list(cells) for cells in TABLE]
    rows[row][column] = cell
    return [mark.join(cells) for cells in rows]


def both_ways(path: Path, **options: Any) -> list[Extract | str]:
    """What a file is read as at once and in batches of two rows, or the error's text."""
    outcomes: list[Extract | str] = []
    for n_rows in (None, 2):
        try:
            if n_rows is None:
                outcomes.append(read_extract(path, **options))
                continue
            with read_extract_batches(path, n_rows=n_rows, **options) as batches:
                parts = list(batches)
            table = pa.concat_tables([part.table for part in parts])
            rows = np.concatenate([part.rows for part in parts])
            aside = tuple(item for part in parts for item in part.set_aside)
            outcomes.append(Extract(table=table, rows=rows, set_aside=aside, notes=batches.notes))
        except ExtractError as error:
            outcomes.append(f"{error}{error.__context__ or ''}")
    assert "Zqx" not in "".join(text for text in outcomes if isinstance(text, str))
    return outcomes


@pytest.mark.parametrize("cell", ['O"Brien', "5'11\"", 'Robert "Bob" Smith', 'a""b', ' "x" y'])
def test_a_quote_within_a_plain_cell_is_a_character_like_others(write: Write, cell: str) -> None:
    for extract in both_ways(write("\n".join(table_with(3, 2, cell)))):
        assert isinstance(extract, Extract)
        assert len(extract) == 9
        assert cells(extract)["last"][2] == cell
        assert not extract.set_aside


@pytest.mark.parametrize("cell", ['"O"Brien"', '"Bob" Lee', '"5\'11" tall"', '"Ana" '])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_text_after_a_closing_quote_is_refused_by_its_line(
    write: Write, cell: str, mark: str
) -> None:
    said = both_ways(write("\n".join(table_with(4, 2, cell, mark=mark))))
    for text in said:
        assert isinstance(text, str)
        assert "text or a space after a closing quote in line 5\n" in text
        assert "written twice" in text


@pytest.mark.parametrize("header_row", [1, 3])
@pytest.mark.parametrize(("first", "last"), [(2, 3), (2, 8), (1, 9)])
@pytest.mark.parametrize("column", [1, 3, 5])
def test_stray_quotes_swallow_no_rows(
    write: Write, column: int, first: int, last: int, header_row: int
) -> None:
    lines = ["title"] * (header_row - 1) + table_with(first, column, '"Zqx')
    lines[header_row - 1 + last] = table_with(last, column, '"Zqx')[last]
    opens, closes = header_row + first, header_row + last
    for text in both_ways(write("\n".join(lines)), header_row=header_row):
        assert isinstance(text, str)
        assert f"closing quote in line {closes}, in a row that begins in line {opens}" in text


@pytest.mark.parametrize(("first", "last"), [(2, 3), (2, 8), (1, 9)])
@pytest.mark.parametrize(("opens", "closes"), [(1, 1), (3, 3), (0, 5), (4, 1), (1, 4)])
def test_a_quote_that_is_closed_at_the_end_of_a_later_cell_swallows_no_rows(
    write: Write, first: int, last: int, opens: int, closes: int
) -> None:
    lines = table_with(first, opens, '"Zqx')
    lines[last] = table_with(last, closes, '6 ft 2"')[last]
    for text in both_ways(write("\n".join(lines) + "\n")):
        assert isinstance(text, str)
        assert f"a quote that opens in line {first + 1} and is closed in a later one" in text
        assert "export the table without line breaks in cells" in text


def test_rows_swallowed_after_a_true_line_break_are_refused_by_the_line_of_their_quote(
    write: Write,
) -> None:
    lines = table_with(2, 1, '"Zqx\nAna"')
    lines[2] = lines[2].replace("12 Main St", '"12 Main St')
    lines[5] = table_with(5, 3, '6 ft 2"')[5]
    for text in both_ways(write("\n".join(lines))):
        assert "opens in line 4 " in str(text)


@pytest.mark.parametrize(
    "cell",
    [
        "12 Main St\nApt 4",
        "12 Main St, Apt 4\r\nOakland, CA",
        "12 Main St\n\nApt 4, left\rOakland",
        '12 Main St, "the blue house"\nOakland',
        "\n",
    ],
)
def test_an_address_of_several_lines_is_one_cell_and_is_counted(write: Write, cell: str) -> None:
    quoted = '"' + cell.replace('"', '""') + '"'
    lines = table_with(2, 3, quoted)
    lines[7] = table_with(7, 3, quoted)[7]
    for extract in both_ways(write("\n".join(lines))):
        assert isinstance(extract, Extract)
        assert [x for x in cells(extract)["address"] if x != "12 Main St"] == [cell, cell]
        assert extract.rows.tolist() == list(range(1, 10))
        assert extract.notes[1:] == ("rows with a line break in a cell: 2 (rows 2, 7)",)


def test_of_many_rows_with_line_breaks_the_first_are_named(write: Write) -> None:
    text = "id,first,last,note\n" + '1,Ana,Li,"a\nb"\n' * 12
    for extract in both_ways(write(text)):
        assert isinstance(extract, Extract)
        said = "in a cell: 12 (rows 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...)"
        assert extract.notes[1].endswith(said)


def test_a_line_break_in_a_column_name_is_none_in_a_row(write: Write) -> None:
    for extract in both_ways(write('"First\nName",Zip\nAna,1\n')):
        assert isinstance(extract, Extract)
        assert len(extract.notes) == 1


def test_a_column_of_its_own_has_no_line_breaks(write: Write) -> None:
    for text in both_ways(write('ID\n1\n"2\n3"\n4\n')):
        assert "a quote that opens in line 3" in str(text)


@pytest.mark.parametrize("delimiter", [" ", ":", "k", "l", "~", "é"])
def test_any_character_may_separate_cells(write: Write, delimiter: str) -> None:
    rows = [["A", "B"], ["1", "2"], ["3", "4"]]
    path = write("\n".join(delimiter.join(row) for row in rows))
    for extract in both_ways(path, delimiter=delimiter):
        assert isinstance(extract, Extract)
        assert cells(extract) == {"A": ["1", "3"], "B": ["2", "4"]}


def test_a_line_may_say_what_it_likes(write: Write) -> None:
    for extract in both_ways(write("ID\n1\nlinkkit: end of the file\n2\n")):
        assert isinstance(extract, Extract)
        assert len(extract) == 3


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("before", [0, 1, 5])
@pytest.mark.parametrize("header_row", [1, 3])
def test_a_quote_that_is_never_closed_is_refused_by_its_line(
    write: Write, header_row: int, before: int, end: str
) -> None:
    rows = ["title"] * (header_row - 1) + ["ID,Name"] + ["1,Ana"] * before
    path = write("\n".join([*rows, '7,"Zqxmarker', "8,Bo", "9,Cy"]) + end)
    with pytest.raises(ExtractError, match=f"opens near line {len(rows) + 1} ") as caught:
        read_extract(path, header_row=header_row)
    assert "Zqxmarker" not in str(caught.value)


def test_nul_bytes_do_not_cut_a_cell(write: Write) -> None:
    assert cells(read_extract(write("ID,Name\n1,An\0a\n")))["Name"] == ["An\0a"]


def test_a_million_characters_fit_in_a_cell(write: Write) -> None:
    limit = csv.field_size_limit()
    extract = read_extract(write("ID,Name\n1," + "x" * 1_000_000 + "\n2,Bo\n"))
    assert [len(name or "") for name in cells(extract)["Name"]] == [1_000_000, 2]
    csv.field_size_limit(limit)


def test_reading_leaves_the_csv_module_as_it_was(write: Write) -> None:
    csv.field_size_limit(131_072)
    read_extract(write("ID,Name\n1,Ana\n"))
    assert csv.field_size_limit() == 131_072


@pytest.mark.parametrize("name", ["nowhere.csv", "x\0.csv", "."])
def test_a_path_without_a_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ExtractError, match="there is no file"):
        read_extract(f"{tmp_path}/{name}")


def test_an_unknown_kind_of_file_is_refused_with_the_known_ones(write: Write) -> None:
    with pytest.raises(ExtractError, match="cannot read") as caught:
        read_extract(write("x", "made-up.sav"))
    assert ".xlsx" in caught.value.hint


# --- Excel -----------------------------------------------------------------------------------


@pytest.fixture
def workbook(tmp_path: Path) -> Write:
    def run(*rows: list[Any], sheet: str = "Sheet", formats: dict[str, str] | None = None) -> Path:
        book = openpyxl.Workbook()
        page = book.active
        page.title = sheet
        for row in rows:
            page.append(row)
        for cell, form in (formats or {}).items():
            page[cell].number_format = form
        path = tmp_path / "made-up.xlsx"
        book.save(path)
        return path

    return run


def edited(path: Path, old: bytes, new: bytes) -> Path:
    """Change the first sheet's XML, as a broken exporter would write it."""
    target = path.with_name("edited.xlsx")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as out:
        for name in source.namelist():
            raw = source.read(name)
            out.writestr(name, raw.replace(old, new) if name.endswith("sheet1.xml") else raw)
    return target


def test_excel_dates_and_numbers_become_plain_text(workbook: Write) -> None:
    path = workbook(
        ["id", "born", "seen", "rate", "ok"],
        [7.0, dt.date(2010, 3, 5), dt.datetime(2024, 1, 2, 13, 45), 0.5, True],
        [8, None, None, None, None],
    )
    assert cells(read_extract(path)) == {
        "id": ["7", "8"],
        "born": ["2010-03-05", None],
        "seen": ["2024-01-02 13:45:00", None],
        "rate": ["0.5", None],
        "ok": ["True", None],
    }


def test_excel_title_rows_are_skipped(workbook: Write) -> None:
    path = workbook(["Summer 2025"], [], ["id", "name"], [1, "Ana"])
    extract = read_extract(path, header_row=3)
    assert cells(extract) == {"id": ["1"], "name": ["Ana"]}
    assert extract.rows.tolist() == [1]


def test_an_excel_sheet_is_found_by_name(workbook: Write) -> None:
    path = workbook(["id"], [1], sheet="Kids")
    assert read_extract(path, sheet="Kids").notes == ("sheet 'Kids'",)
    with pytest.raises(ExtractError, match="no sheet 'Adults'") as caught:
        read_extract(path, sheet="Adults")
    assert "Kids" in caught.value.hint


def test_excel_cells_beyond_the_header_set_the_row_aside(workbook: Write) -> None:
    extract = read_extract(workbook(["id", "name"], [1, "Ana", "note"], [2, "Bo"]))
    assert extract.rows.tolist() == [2]
    assert extract.set_aside[0].row == 1


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([], "no column names"),
        ([["id", "name"]], "no row below"),
        ([["id", "id"], [1, 2]], "more than once"),
    ],
)
def test_an_excel_sheet_without_a_table_is_refused(
    workbook: Write, rows: list[Any], problem: str
) -> None:
    with pytest.raises(ExtractError, match=problem):
        read_extract(workbook(*rows))


@pytest.mark.parametrize("place", [0, 1])
def test_a_sheet_that_is_a_chart_is_passed_over(workbook: Write, place: int) -> None:
    path = workbook(["id"], [1], sheet="Kids")
    book = openpyxl.load_workbook(path)
    chart = BarChart()
    chart.add_data(Reference(book.active, min_col=1, min_row=1, max_row=2))
    book.create_chartsheet("Chart", place).add_chart(chart)
    book.save(path)
    assert read_extract(path).notes == ("sheet 'Kids'",)
    with pytest.raises(ExtractError, match="no sheet 'Chart'") as caught:
        read_extract(path, sheet="Chart")
    assert caught.value.hint == "Its sheets are: Kids."


def test_what_is_no_workbook_is_refused(write: Write) -> None:
    with pytest.raises(ExtractError, match="not an Excel workbook") as caught:
        read_extract(write("hello", "made-up.xlsx"))
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("old", "new"), [(b"4242", b"ZQXMARKER"), (b"</sheetData>", b""), (b"<row", b"<rox")]
)
def test_a_damaged_sheet_is_refused_without_a_trace_of_its_cells(
    workbook: Write, old: bytes, new: bytes
) -> None:
    path = edited(workbook(["id", "n"], [1, 4242]), old, new)
    with pytest.raises(ExtractError) as caught:
        read_extract(path)
    assert caught.value.__context__ is None
    assert "ZQX" not in str(caught.value)


def test_a_date_that_excel_cannot_have_is_taken_without_a_warning_that_shows_it(
    workbook: Write,
) -> None:
    path = workbook(["id", "born"], [1, 987654321], formats={"B2": "yyyy-mm-dd"})
    assert len(read_extract(path)) == 1


# --- Parquet ---------------------------------------------------------------------------------


def test_parquet_is_read_as_text(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"id": [1, 2], "born": pd.to_datetime(["2010-03-05", None]), "n": [1.0, 2.5]}
    )
    frame.to_parquet(tmp_path / "made-up.parquet")
    assert cells(read_extract(tmp_path / "made-up.parquet")) == {
        "id": ["1", "2"],
        "born": ["2010-03-05", None],
        "n": ["1", "2.5"],
    }


def test_what_is_no_parquet_is_refused(write: Write) -> None:
    with pytest.raises(ExtractError, match="not a Parquet file") as caught:
        read_extract(write("PAR1 no PAR1", "made-up.parquet"))
    assert caught.value.__context__ is None


def test_parquet_without_rows_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": pa.array([], pa.string())}), tmp_path / "made-up.parquet")
    with pytest.raises(ExtractError, match="no row below"):
        read_extract(tmp_path / "made-up.parquet")


# --- Frames ----------------------------------------------------------------------------------

_COLUMNS = {
    "id": ["1", "2"],
    "born": [dt.date(2010, 3, 5), None],
    "n": [1.0, None],
    "whole": [7, 8],
}


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_every_kind_of_frame_gives_the_same_text(make: Callable[[Any], Any]) -> None:
    assert cells(extract_from_frame(make(_COLUMNS))) == {
        "id": ["1", "2"],
        "born": ["2010-03-05", None],
        "n": ["1", None],
        "whole": ["7", "8"],
    }


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("x", "x"),
        ("", ""),
        (1, "1"),
        (2.0, "2"),
        (2.5, "2.5"),
        (np.int64(5), "5"),
        (np.float32(5), "5"),
        (Decimal("5.25"), "5.25"),
        (True, "True"),
        (dt.date(2010, 3, 5), "2010-03-05"),
        (dt.datetime(2010, 3, 5), "2010-03-05"),
        (dt.datetime(2010, 3, 5, 13, 45), "2010-03-05 13:45:00"),
        (pd.Timestamp("2010-03-05"), "2010-03-05"),
        (np.datetime64("2010-03-05"), "2010-03-05"),
        (None, None),
        (float("nan"), None),
        (np.float32("nan"), None),
        (pd.NaT, None),
        (pd.NA, None),
        (np.datetime64("NaT"), None),
        (Decimal("NaN"), None),
        (b"Ana", "Ana"),
    ],
    ids=repr,
)
def test_an_object_column_may_mix_types(cell: Any, text: str | None) -> None:
    frame = pd.DataFrame({"a": pd.Series(["first", cell], dtype=object)})
    assert cells(extract_from_frame(frame))["a"] == ["first", text]


def test_whole_numbers_that_became_floats_lose_the_point() -> None:
    frame = pd.DataFrame({"zip": [94110.0, np.nan], "id": pd.array([1, None], dtype="Int64")})
    assert cells(extract_from_frame(frame)) == {"zip": ["94110", None], "id": ["1", None]}


def test_categories_are_read_as_their_values() -> None:
    frame = pd.DataFrame({"a": pd.Categorical(["x", None]), "b": pd.Categorical([1.0, 2])})
    assert cells(extract_from_frame(frame)) == {"a": ["x", None], "b": ["1", "2"]}
    polars = pl.DataFrame({"a": pl.Series(["x", None], dtype=pl.Categorical)})
    assert cells(extract_from_frame(polars)) == {"a": ["x", None]}
    arrow = pa.table({"a": pa.array(["x", None]).dictionary_encode()})
    assert cells(extract_from_frame(arrow)) == {"a": ["x", None]}


@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_datetime_columns_keep_their_own_day(zone: str | None) -> None:
    column = pd.to_datetime(["2010-03-05", "2011-04-06", None])
    column = column if zone is None else column.tz_localize(zone)
    read = cells(extract_from_frame(pd.DataFrame({"a": column})))["a"]
    assert read == ["2010-03-05", "2011-04-06", None]


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame([[1, 2]], columns=["a", " a"]),
        pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]),
        pl.DataFrame({"a": [1], "a ": [2]}),
    ],
)
def test_duplicate_columns_of_a_frame_are_refused(frame: Any) -> None:
    with pytest.raises(ExtractError, match="more than once"):
        extract_from_frame(frame)


@pytest.mark.parametrize(
    "frame",
    [pd.DataFrame({"a": []}), pd.DataFrame(), pl.DataFrame(), pa.table({"a": pa.array([])})],
)
def test_a_frame_without_rows_is_refused(frame: Any) -> None:
    with pytest.raises(ExtractError, match="no row below"):
        extract_from_frame(frame)


@pytest.mark.parametrize(
    "thing",
    [
        None,
        [1, 2],
        {"a": [1]},
        np.zeros((2, 2)),
        pd.Series([1]),
        pl.LazyFrame({"a": [1]}),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_what_is_not_a_frame_is_refused_by_its_type(thing: Any) -> None:
    with pytest.raises(ExtractError, match=f"but {type(thing).__name__}"):
        extract_from_frame(thing)


def test_a_record_batch_of_arrow_is_a_frame() -> None:
    batch = pa.RecordBatch.from_pydict({"a": ["x", None], "b": [1, 2]})
    assert cells(extract_from_frame(batch)) == {"a": ["x", None], "b": ["1", "2"]}


def test_a_frame_without_columns_is_refused() -> None:
    with pytest.raises(ExtractError, match="the frame has no columns"):
        extract_from_frame(pd.DataFrame(index=range(3)))


def test_a_column_name_that_cannot_be_written_is_numbered() -> None:
    frame = pd.DataFrame([["x", "y"]], columns=pd.Index([_Unwritable(), "b"], dtype=object))
    assert extract_from_frame(frame).columns == ("column 1", "b")


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ([0, 1], ("0", "1")),
        (["x", 3], ("x", "3")),
        (pd.MultiIndex.from_tuples([("a", "b"), ("c", "d")]), ("a b", "c d")),
    ],
    ids=["numbers", "mixed", "levels"],
)
def test_columns_that_are_not_named_by_text_are_read(columns: Any, names: tuple[str, ...]) -> None:
    extract = extract_from_frame(pd.DataFrame([[1, "a"], [2, "b"]], columns=columns))
    assert cells(extract) == {names[0]: ["1", "2"], names[1]: ["a", "b"]}


def _broken_text() -> pa.Table:
    offsets = pa.array([0, 1, 5], pa.int32()).buffers()[1]
    column = pa.StringArray.from_buffers(2, offsets, pa.py_buffer(b"xZQX\xff"))
    return pa.table({"a": column})


def _far_date() -> pa.Table:
    return pa.table({"a": pa.array([1, 10**7], pa.int32()).cast(pa.date32())})


def _object(*cells: object) -> pd.DataFrame:
    return pd.DataFrame({"a": pd.Series(cells, dtype=object)})


class _Unwritable:
    def __str__(self) -> str:
        raise RuntimeError("ZQXMARKER")

    __repr__ = __str__


class _Endless(Decimal):
    def __float__(self) -> float:
        raise OverflowError("ZQXMARKER")


NOT_TEXT = {
    "signaling": (lambda: _object("x", Decimal("sNaN123456")), ["x"]),
    "an object's own error": (lambda: _object("x", _Unwritable()), ["x"]),
    "a list of such": (lambda: _object("x", [_Unwritable()]), ["x"]),
    "5,001 digits": (lambda: _object("x", 10**5000), ["x"]),
    "a number's own error": (lambda: _object(7, _Endless(1)), ["7"]),
    "invalid UTF-8": (_broken_text, ["x"]),
    "year 29349": (_far_date, ["1970-01-02"]),
    "surrogate": (lambda: _object("x", "ZQX\udcff"), ["x"]),
    "surrogate beside a number": (lambda: _object(1, "ZQX\udcff"), ["1"]),
    "bytes": (lambda: _object("x", b"ZQX\xff"), ["x"]),
    "bytes of Arrow": (lambda: pa.table({"a": pa.array([b"x", b"ZQX\xff"])}), ["x"]),
    "bytes of Polars": (lambda: pl.DataFrame({"a": [b"x", b"ZQX\xff"]}), ["x"]),
}


@pytest.mark.parametrize("name", NOT_TEXT)
def test_a_cell_that_no_text_can_hold_sets_its_row_aside(name: str) -> None:
    make, good = NOT_TEXT[name]
    extract = extract_from_frame(make())
    assert cells(extract)["a"] == good
    assert extract.rows.tolist() == [1]
    assert [(x.row, x.reason) for x in extract.set_aside] == [(2, "a cell that is not valid text")]


def test_a_frame_that_no_text_can_hold_is_refused_without_a_trace_of_it() -> None:
    with pytest.raises(ExtractError, match="none of the 1 rows is valid text") as caught:
        extract_from_frame(_object("ZQX\udcff"))
    assert caught.value.__context__ is None
    assert "ZQX" not in repr((caught.value, caught.value.args))


def test_a_parquet_cell_that_is_not_valid_text_sets_its_row_aside(tmp_path: Path) -> None:
    pq.write_table(_broken_text(), tmp_path / "made-up.parquet")
    extract = read_extract(tmp_path / "made-up.parquet")
    assert cells(extract)["a"] == ["x"]
    assert [item.row for item in extract.set_aside] == [2]


def test_an_extract_shows_counts_only() -> None:
    extract = extract_from_frame(pd.DataFrame({"name": ["Zqxmarker"]}))
    assert repr(extract) == str(extract) == "<Extract: 1 rows, 1 columns>"
