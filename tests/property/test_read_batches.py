"""A file read in batches is the file read at once, whatever stands in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from linkkit.errors import ExtractError
from linkkit.partner.read import read_extract, read_extract_batches

Outcome = tuple[Any, ...]


def _at_once(path: Path, **options: Any) -> Outcome:
    try:
        extract = read_extract(path, **options)
    except ExtractError as error:
        return (str(error),)
    rows = extract.rows.tolist()
    return (extract.table.to_pydict(), rows, extract.set_aside, extract.notes)


def _in_batches(path: Path, n_rows: int, **options: Any) -> Outcome:
    try:
        with read_extract_batches(path, n_rows=n_rows, **options) as batches:
            parts = list(batches)
    except ExtractError as error:
        return (str(error),)
    assert all(len(part) <= n_rows for part in parts)
    rows = [row for part in parts for row in part.rows.tolist()]
    aside = tuple(item for part in parts for item in part.set_aside)
    assert max([*rows, *(item.row for item in aside)]) <= batches.most_rows
    assert {part.columns for part in parts} == {batches.columns}
    assert {part.notes for part in parts} <= {batches.notes, batches.notes[:1]}
    table = pa.concat_tables([part.table for part in parts]).to_pydict()
    return (table, rows, aside, batches.notes)


_texts = st.text(alphabet=' ab,";\t\n\r\x00é\ufeff', max_size=60)


@settings(max_examples=400, deadline=None)
@given(
    text=_texts,
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"]),
    header=st.sampled_from(["", "a,b\n", "x;y;z\r\n", '"a\nb",c\r', "a\tb\n\n"]),
    header_row=st.integers(1, 3),
    n_rows=st.integers(1, 5),
)
@example(text='1,"2\n3,4\n', encoding="utf-8", header="a,b\n", header_row=1, n_rows=1)
@example(text="1,2\n" * 9, encoding="utf-8", header="a,b\n", header_row=1, n_rows=3)
@example(text="1\r2\r3", encoding="utf-16", header="a\r", header_row=1, n_rows=1)
def test_text(  # noqa: PLR0917
    tmp_path_factory: pytest.TempPathFactory,
    text: str,
    encoding: str,
    header: str,
    header_row: int,
    n_rows: int,
) -> None:
    path = tmp_path_factory.getbasetemp() / "batches.csv"
    path.write_bytes((header + text).encode(encoding, errors="replace"))
    at_once = _at_once(path, header_row=header_row)
    batched = _in_batches(path, n_rows, header_row=header_row)
    # Of several faults, one is met first by the one, and another by the other.
    assert batched == at_once or (len(batched), len(at_once)) == (1, 1)


@settings(max_examples=300, deadline=None)
@given(
    n_columns=st.integers(2, 6),
    n_rows=st.integers(1, 8),
    strays=st.lists(
        st.tuples(st.integers(0, 99), st.integers(0, 99), st.booleans()), min_size=1, max_size=4
    ),
)
@example(n_columns=5, n_rows=2, strays=[(0, 2, True), (1, 0, False), (1, 4, False), (1, 2, True)])
def test_stray_quotes_lose_no_row(
    tmp_path_factory: pytest.TempPathFactory,
    n_columns: int,
    n_rows: int,
    strays: list[tuple[int, int, bool]],
) -> None:
    rows = [[f"c{j}" for j in range(n_columns)] for _ in range(n_rows + 1)]
    for i, j, is_first in strays:
        row = rows[1 + i % n_rows]
        cell = row[j % n_columns]
        row[j % n_columns] = f'"{cell}' if is_first else f'{cell}"'
    path = tmp_path_factory.getbasetemp() / "strays.csv"
    path.write_text("\n".join(",".join(row) for row in rows), encoding="utf-8")
    for outcome in (_at_once(path), _in_batches(path, 2)):
        if len(outcome) > 1:
            assert sorted([*outcome[1], *(item.row for item in outcome[2])]) == [
                *range(1, n_rows + 1)
            ]


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(st.one_of(st.none(), st.text(max_size=4)), min_size=0, max_size=12),
    n_rows=st.integers(1, 5),
    row_group_size=st.integers(1, 6),
)
def test_parquet(
    tmp_path_factory: pytest.TempPathFactory,
    names: list[str | None],
    n_rows: int,
    row_group_size: int,
) -> None:
    path = tmp_path_factory.getbasetemp() / "batches.parquet"
    numbers = [None if i % 3 == 2 else i for i in range(len(names))]
    shares = [float(i) / 2 for i in range(len(names))]
    table = pa.table({"name": pa.array(names, pa.string()), "number": numbers, "share": shares})
    pq.write_table(table, path, row_group_size=row_group_size)
    assert _in_batches(path, n_rows) == _at_once(path)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 100])
def test_what_is_no_parquet_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    assert _in_batches(path, 5) == _at_once(path)


def test_parquet_damaged_within(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    names = [f"n{i}" for i in range(5000)]
    pq.write_table(pa.table({"name": names}), path, compression="zstd", use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[100:5000] = bytes(4900)
    path.write_bytes(bytes(data))
    with pytest.raises(ExtractError, match="Parquet file") as caught:
        list(read_extract_batches(path))
    assert caught.value.__context__ is None
