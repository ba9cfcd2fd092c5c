"""Text files: CSV and its relatives, with whatever delimiter and encoding they have."""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from linkkit.errors import ExtractError
from linkkit.partner.read.extract import Extract, extract_from_cells
from linkkit.partner.read.text_encoding import decode_file, find_encoding

__all__ = ["CsvRows", "read_csv"]

_DELIMITERS = ",;\t|"
_LONGEST_CELL = 2**31 - 1
_LONGEST_LINE = 2**24
_LINE_END = re.compile(r"\r\n|\r|\n")
_ROWS_SHOWN = 10
_MEND = (
    "Mend that line: a quote within a cell is written twice, and the cell stands between quotes."
)
_limit_lock = threading.Lock()


def read_csv(
    path: Path, *, header_row: int, encoding: str | None, delimiter: str | None
) -> Extract:
    """Read a text file of cells; raises :class:`ExtractError`."""
    _require_delimiter(delimiter)
    text, found = decode_file(path, encoding=encoding)
    lines = io.StringIO(text.removeprefix("\ufeff"), newline="")
    for _ in range(header_row - 1):
        lines.readline()
    if delimiter is None:
        start = lines.tell()
        delimiter = _find_delimiter(lines.readline())
        lines.seek(start)
    records = _Records(lines, delimiter, path.name, n_skipped=header_row - 1, longest=_LONGEST_CELL)
    header = next(iter(records.take(1)), [])
    _require_names(header, path, header_row)
    rows = records.take(math.inf)
    notes = (f"read as {found}, cells separated by {delimiter!r}", *records.notes)
    return extract_from_cells(header, rows, source=f"'{path.name}'", notes=notes)


def _require_delimiter(delimiter: str | None) -> None:
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise ExtractError(
            "'delimiter' is one character, and no quote or line end",
            hint="Leave it out to have it found.",
        )


def _require_names(header: Sequence[str], path: Path, header_row: int) -> None:
    if not any(cell.strip() for cell in header):
        raise ExtractError(
            f"'{path.name}' has no column names in row {header_row}",
            hint="Check header_row, and export the table again if it is damaged.",
        )


def _find_delimiter(line: str) -> str:
    outside = "".join(line.split('"')[::2])
    return max(_DELIMITERS, key=lambda mark: (outside.count(mark), -_DELIMITERS.index(mark)))


class CsvRows:
    """The rows of a text file in portions, however long it is.

    Parameters
    ----------
    path : Path
        The file.
    header_row : int
        Number of the row that holds the column names, from 1.
    encoding, delimiter : str, optional
        Found by default.

    Raises
    ------
    ExtractError
        When the file is no table of cells, as :func:`read_csv`.
    """

    def __init__(
        self, path: Path, *, header_row: int, encoding: str | None, delimiter: str | None
    ) -> None:
        _require_delimiter(delimiter)
        self._path = path
        found, self.most_rows = find_encoding(path, encoding=encoding)
        self._file = path.open(encoding=found, newline="")
        try:
            lines = self._lines()
            first = list(itertools.islice(lines, header_row))[header_row - 1 :]
            delimiter = delimiter or _find_delimiter(first[0] if first else "")
            self._records = _Records(
                itertools.chain(first, lines),
                delimiter,
                path.name,
                n_skipped=header_row - 1,
                longest=_LONGEST_LINE,
            )
            self.header = next(iter(self._records.take(1)), [])
            _require_names(self.header, path, header_row)
        except BaseException:
            self._file.close()
            raise
        self._note = f"read as {found}, cells separated by {delimiter!r}"

    @property
    def notes(self) -> tuple[str, ...]:
        """How the file was read, as far as it was."""
        return (self._note, *self._records.notes)

    def portions(self, n_rows: int) -> Iterator[list[list[str]]]:
        """Return the rows below the header, `n_rows` at a time; a stray quote is an error.

        The first portion may have no rows.
        """
        yield self._records.take(n_rows)
        while rows := self._records.take(n_rows):
            yield rows

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _lines(self) -> Iterator[str]:
        start = self._file.read(1)
        if start and start != "\ufeff":
            self._file.seek(0)
        while line := self._file.readline(_LONGEST_LINE):
            if len(line) == _LONGEST_LINE:
                raise ExtractError(
                    f"'{self._path.name}' has a line of more than {_LONGEST_LINE} characters",
                    hint="Export the table again, as text with one line for each row.",
                )
            yield line


class _Records:
    """Parses lines, some records at a time, and lets no quote swallow rows."""

    def __init__(
        self, lines: Iterable[str], delimiter: str, name: str, *, n_skipped: int, longest: int
    ) -> None:
        self._reader = csv.reader(
            itertools.chain(lines, self._note_end()), delimiter=delimiter, strict=True
        )
        self._delimiter, self._name = delimiter, name
        self._n_skipped, self._longest = n_skipped, longest
        self._last = n_skipped
        self._width = self._n_taken = self._n_broken = 0
        self._first_broken: list[int] = []
        self._ended = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What to tell of cells with line breaks among the records taken."""
        if not self._n_broken:
            return ()
        rows = ", ".join(str(row) for row in self._first_broken)
        more = ", ..." if self._n_broken > len(self._first_broken) else ""
        return (f"rows with a line break in a cell: {self._n_broken} (rows {rows}{more})",)

    def take(self, n: float) -> list[list[str]]:
        """Return up to `n` records; none at the end."""
        taken: list[list[str]] = []
        problem = ""
        with _cell_limit(self._longest):
            try:
                while len(taken) < n and (record := next(self._reader, None)) is not None:
                    taken.append(record)
                    self._pass(record)
            except csv.Error as error:
                problem = self._problem(is_long="limit" in str(error))
            except (ValueError, OSError) as error:
                problem = f"'{self._name}' cannot be read any more ({type(error).__name__})"
        if problem:
            raise ExtractError(problem, hint=_MEND)
        return taken

    def _note_end(self) -> Iterator[str]:
        self._ended = True
        yield from ()

    def _pass(self, record: list[str]) -> None:
        begin = self._last + 1
        self._last = self._n_skipped + self._reader.line_num
        self._n_taken += 1
        is_header = self._n_taken == 1
        if is_header:
            self._width = len(record)
        if self._last == begin:
            return
        swallowing = _swallowing(record, self._delimiter, self._width)
        if swallowing is not None and (self._width > 1 or not is_header):
            raise ExtractError(
                f"'{self._name}' has a quote that opens in line {begin + swallowing} and is closed "
                "in a later one, after what looks like a whole row",
                hint=f"{_MEND} If the cell is meant to hold all of that, export the table without "
                "line breaks in cells, or as Excel or Parquet.",
            )
        if not is_header:
            self._n_broken += 1
            if len(self._first_broken) < _ROWS_SHOWN:
                self._first_broken.append(self._n_taken - 1)

    def _problem(self, *, is_long: bool) -> str:
        begin, here = self._last + 1, self._n_skipped + self._reader.line_num
        if is_long:
            return (
                f"'{self._name}' has a cell of more than {self._longest} characters in line {here}"
            )
        if self._ended:
            return f"'{self._name}' has a quote that opens near line {begin} and is never closed"
        over = "" if here == begin else f", in a row that begins in line {begin}"
        return f"'{self._name}' has text or a space after a closing quote in line {here}{over}"


def _swallowing(record: list[str], delimiter: str, width: int) -> int | None:
    """Return which line of a record a quote opens in that may have swallowed rows, from 0.

    A line in a quoted cell that has as many delimiters as the header may be a row; so may the
    line in which the quote opens, together with the one in which it is closed.
    """
    n_whole = width - 1
    counts = [0]
    for place, cell in enumerate(record):
        counts[-1] += place > 0
        if "\n" not in cell and "\r" not in cell:
            counts[-1] += cell.count(delimiter)
            continue
        within = [line.count(delimiter) for line in _LINE_END.split(cell)]
        if max(within) >= n_whole:
            return len(counts) - 1
        counts[-1] += within[0]
        counts += within[1:]
    whole = [n >= n_whole for n in counts]
    if (whole[0] and whole[-1]) or (len(record) != width and any(whole)):
        return 0
    return None


@contextmanager
def _cell_limit(longest: int) -> Generator[None]:
    # The limit belongs to the whole process, so it is put back.
    with _limit_lock:
        before = csv.field_size_limit(longest)
        try:
            yield
        finally:
            csv.field_size_limit(before)
