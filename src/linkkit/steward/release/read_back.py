"""Read the two files of a release again, side by side, a portion at a time.

Part of the independent check: it shares no code with what protects. Of each portion only what
the check measures is kept: the study ids, and numbers for the cells of some columns.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from linkkit.errors import ReleaseError

__all__ = ["OpenFiles", "ReadBack", "open_files", "refuse"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

Result = TypeVar("Result")

_FORMULA_START = r"^[=+\-@\t\r]"
_PORTION_BYTES = 16 * 2**20
_PORTION_ROWS = 65_536


def refuse(problems: Sequence[str]) -> NoReturn:
    """Stop a release.

    Raises
    ------
    ReleaseError
        Always, with all problems.
    """
    raise ReleaseError(
        problems,
        hint="Nothing was released. Protect the integrated data set again and release that.",
    )


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ReadBack:
    """What was read.

    Attributes
    ----------
    n_rows : int
        Rows of the CSV file.
    ids : pyarrow.ChunkedArray
        The column of study ids, as text.
    cells : dict of str to pyarrow.ChunkedArray
        Cells of the CSV file as text, as dictionaries, for the columns asked for.
    values : dict of str to pyarrow.ChunkedArray
        Values of the Parquet file, as dictionaries, for the columns asked for.
    differing : tuple of str
        Columns in which the files differ.
    has_other_length : bool
        Whether the files have different numbers of rows.
    formula_like : tuple of str
        Text columns with a cell that a spreadsheet program would take for a formula.
    """

    n_rows: int
    ids: pa.ChunkedArray
    cells: dict[str, pa.ChunkedArray]
    values: dict[str, pa.ChunkedArray]
    differing: tuple[str, ...]
    has_other_length: bool
    formula_like: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class OpenFiles:
    """Both files, opened; their columns can be judged before anything is read."""

    csv_path: Path
    parquet_path: Path
    in_csv: tuple[str, ...]
    in_parquet: tuple[str, ...]
    parquet: Any

    @property
    def dates(self) -> tuple[str, ...]:
        """Columns of dates, and of dates with times."""
        return tuple(
            field.name for field in self.parquet.schema_arrow if pa.types.is_temporal(field.type)
        )

    def read(self, *, id_column: str, cells: Sequence[str], values: Sequence[str]) -> ReadBack:
        """Read both files to the end and compare them.

        Parameters
        ----------
        id_column : str
            The column of study ids.
        cells, values : sequence of str
            The columns to keep as text and as values.

        Raises
        ------
        ReleaseError
            When a file cannot be read.
        """
        schema = self.parquet.schema_arrow
        kept: dict[str, list[pa.Array]] = {name: [] for name in dict.fromkeys(cells)}
        typed: dict[str, list[pa.Array]] = {name: [] for name in dict.fromkeys(values)}
        ids: list[pa.Array] = []
        differing: set[str] = set()
        formulas: set[str] = set()
        n_rows, other_length = 0, False
        for text, table in self._portions():
            n_rows += text.num_rows
            if text.num_rows != table.num_rows:
                other_length = True
                continue
            ids += text.column(id_column).chunks
            for name in kept:
                kept[name] += text.column(name).dictionary_encode().chunks
            for name in typed:
                typed[name] += table.column(name).dictionary_encode().chunks
            differing |= {
                name
                for name in text.column_names
                if not _same(text.column(name), table.column(name))
            }
            formulas |= {name for name in text.column_names if _has_formula(text, schema, name)}
        encoded = pa.dictionary(pa.int32(), pa.string())
        return ReadBack(
            n_rows=n_rows,
            ids=pa.chunked_array(ids, pa.string()),
            cells={name: pa.chunked_array(parts, encoded) for name, parts in kept.items()},
            values={
                name: pa.chunked_array(parts, pa.dictionary(pa.int32(), schema.field(name).type))
                for name, parts in typed.items()
            },
            differing=tuple(name for name in self.in_csv if name in differing),
            has_other_length=other_length,
            formula_like=tuple(name for name in self.in_csv if name in formulas),
        )

    def _portions(self) -> Iterator[tuple[pa.Table, pa.Table]]:
        """Go through both files; where one ends earlier, its portion is shorter."""
        reader = _csv_portions(self.csv_path, self.in_csv)
        rows = _Rows(self.parquet, self.parquet_path)
        while True:
            text = _attempt(lambda: next(reader, None), self.csv_path)
            if text is None:
                break
            if text.num_rows:
                yield text, rows.take(text.num_rows)
        rest = rows.take(1)
        if rest.num_rows:
            yield rest.slice(0, 0), rest


class _Rows:
    """The rows of a Parquet file, as many at a time as asked for."""

    def __init__(self, file: Any, path: Path) -> None:
        self.batches = file.iter_batches(batch_size=_PORTION_ROWS)
        self.path = path
        self.pending = file.schema_arrow.empty_table()

    def take(self, n_rows: int) -> pa.Table:
        """Return the next rows, fewer at the end of the file."""
        parts = [self.pending]
        have = self.pending.num_rows
        while have < n_rows:
            batch = _attempt(lambda: next(self.batches, None), self.path)
            if batch is None:
                break
            parts.append(pa.Table.from_batches([batch]))
            have += batch.num_rows
        whole = pa.concat_tables(parts)
        self.pending = whole.slice(n_rows)
        return whole.slice(0, n_rows)


def open_files(csv_path: Path, parquet_path: Path) -> OpenFiles:
    """Open the files of a release.

    Raises
    ------
    ReleaseError
        When one cannot be read.
    """
    names = _attempt(lambda: _header(csv_path), csv_path)
    parquet = _attempt(lambda: pyarrow.parquet.ParquetFile(parquet_path), parquet_path)
    return OpenFiles(
        csv_path=csv_path,
        parquet_path=parquet_path,
        in_csv=tuple(names),
        in_parquet=tuple(parquet.schema_arrow.names),
        parquet=parquet,
    )


def _attempt(read: Callable[[], Result], path: Path) -> Result:
    try:
        return read()
    except (pa.ArrowException, OSError, ValueError, csv.Error):
        pass
    return refuse([f"'{path.name}' was written and cannot be read"])


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        names = next(csv.reader(file), [])
    if not names:
        raise ValueError("no header")
    return names


def _csv_portions(path: Path, names: Sequence[str]) -> Iterator[pa.Table]:
    """Read all cells as text, some records at a time; an empty cell is missing.

    Arrow's own portions lose a line end in a cell that lies across two of them.
    """
    rest, has_header = b"", True
    with path.open("rb") as file:
        while block := file.read(_PORTION_BYTES):
            rest += block
            end = _end_of_records(rest)
            if end:
                yield _parsed(rest[:end], names, has_header=has_header)
                rest, has_header = rest[end:], False
    if rest:
        yield _parsed(rest, names, has_header=has_header)


def _end_of_records(text: bytes) -> int:
    """Return where the last whole record ends: at a line end with all quotes before it closed."""
    end = text.rfind(b"\n") + 1
    n_quotes = text.count(b'"', 0, end)
    while end and n_quotes % 2:
        before = text.rfind(b"\n", 0, end - 1) + 1
        n_quotes -= text.count(b'"', before, end)
        end = before
    return end


def _parsed(text: bytes, names: Sequence[str], *, has_header: bool) -> pa.Table:
    return pyarrow.csv.read_csv(
        pa.py_buffer(text),
        read_options=pyarrow.csv.ReadOptions(
            block_size=len(text) + 1, column_names=None if has_header else list(names)
        ),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
        ),
    )


def _same(cells: pa.ChunkedArray, values: pa.ChunkedArray) -> bool:
    try:
        read = cells.cast(values.type)
    except pa.ArrowException:
        return False
    if not pc.all(pc.equal(read.is_null(), values.is_null()), min_count=0).as_py():
        return False
    return bool(pc.all(pc.equal(read, values), min_count=0).as_py())


def _has_formula(text: pa.Table, schema: pa.Schema, name: str) -> bool:
    if not pa.types.is_string(schema.field(name).type):
        return False
    return bool(pc.any(pc.match_substring_regex(text.column(name), _FORMULA_START)).as_py())
