"""Text files: CSV and its relatives, with whatever delimiter and encoding they have."""

from __future__ import annotations

import csv
import io
import itertools
import math
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
_END = "linkkit: end of the file"
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
    header, *rows = records.take(math.inf) or [[]]
    _require_names(header, path, header_row)
    notes = (f"read as {found}, cells separated by {delimiter!r}",)
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
        self.notes = (f"read as {found}, cells separated by {delimiter!r}",)

    def portions(self, n_rows: int) -> Iterator[list[list[str]]]:
        """Return the rows below the header, `n_rows` at a time; an unclosed quote is an error."""
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
    """Parses lines, some records at a time, and notices a quote that is never closed."""

    def __init__(
        self, lines: Iterable[str], delimiter: str, name: str, *, n_skipped: int, longest: int
    ) -> None:
        # The line appended is a row of its own, unless a quote is still open before it.
        self._reader = csv.reader(itertools.chain(lines, ["\n", _END]), delimiter=delimiter)
        self._name, self._n_skipped, self._longest = name, n_skipped, longest
        self._held: list[list[str]] = []
        self._last = self._n_lines = n_skipped
        self._ended = False

    def take(self, n: float) -> list[list[str]]:
        """Return up to `n` records; none at the end, which is never the line appended."""
        problem = ""
        with _cell_limit(self._longest):
            try:
                while len(self._held) <= n and not self._ended:
                    self._read()
            except csv.Error:
                problem = f"'{self._name}' is not a table of cells, near line {self._n_lines + 1}"
            except (ValueError, OSError) as error:
                problem = f"'{self._name}' cannot be read any more ({type(error).__name__})"
        if problem:
            raise ExtractError(problem, hint="Export the table again, or mend that line.")
        stop = min(len(self._held), n)
        taken = self._held[: int(stop)]
        del self._held[: int(stop)]
        return taken

    def _read(self) -> None:
        record = next(self._reader, None)
        if record is not None:
            self._held.append(record)
            self._last, self._n_lines = self._n_lines, self._n_skipped + self._reader.line_num
        elif self._held.pop() == [_END]:
            self._ended = True
        else:
            raise ExtractError(
                f"'{self._name}' has a quote that opens near line {self._last + 1} and is never "
                "closed",
                hint="Export the table again, or mend that line.",
            )


@contextmanager
def _cell_limit(longest: int) -> Generator[None]:
    # The limit belongs to the whole process, so it is put back.
    with _limit_lock:
        before = csv.field_size_limit(longest)
        try:
            yield
        finally:
            csv.field_size_limit(before)
