"""Text files: CSV and its relatives, with whatever delimiter and encoding they have."""

from __future__ import annotations

import csv
import io
import itertools
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from linkkit.errors import ExtractError
from linkkit.partner.read.extract import Extract, extract_from_cells
from linkkit.partner.read.text_encoding import decode_file

__all__ = ["read_csv"]

_DELIMITERS = ",;\t|"
_LONGEST_CELL = 2**31 - 1
_END = "linkkit: end of the file"
_limit_lock = threading.Lock()


def read_csv(
    path: Path, *, header_row: int, encoding: str | None, delimiter: str | None
) -> Extract:
    """Read a text file of cells; raises :class:`ExtractError`."""
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise ExtractError(
            "'delimiter' is one character, and no quote or line end",
            hint="Leave it out to have it found.",
        )
    text, found = decode_file(path, encoding=encoding)
    lines = io.StringIO(text.removeprefix("\ufeff"), newline="")
    for _ in range(header_row - 1):
        lines.readline()
    if delimiter is None:
        start = lines.tell()
        delimiter = _find_delimiter(lines.readline())
        lines.seek(start)
    header, *rows = _parse(lines, delimiter, path.name, n_skipped=header_row - 1) or [[]]
    if not any(cell.strip() for cell in header):
        raise ExtractError(
            f"'{path.name}' has no column names in row {header_row}",
            hint="Check header_row, and export the table again if it is damaged.",
        )
    notes = (f"read as {found}, cells separated by {delimiter!r}",)
    return extract_from_cells(header, rows, source=f"'{path.name}'", notes=notes)


def _find_delimiter(line: str) -> str:
    outside = "".join(line.split('"')[::2])
    return max(_DELIMITERS, key=lambda mark: (outside.count(mark), -_DELIMITERS.index(mark)))


def _parse(lines: io.StringIO, delimiter: str, name: str, *, n_skipped: int) -> list[list[str]]:
    """Parse all rows, and notice a quote that is never closed: it would swallow the rest."""
    # The line appended is a row of its own, unless a quote is still open before it.
    records = csv.reader(itertools.chain(lines, ["\n", _END]), delimiter=delimiter)
    parsed: list[list[str]] = []
    last = n_lines = n_skipped
    problem = ""
    with _cells_of_any_length():
        try:
            for record in records:
                parsed.append(record)
                last, n_lines = n_lines, n_skipped + records.line_num
        except csv.Error:
            problem = f"'{name}' is not a table of cells, near line {n_lines + 1}"
    if not problem and parsed[-1] != [_END]:
        problem = f"'{name}' has a quote that opens near line {last + 1} and is never closed"
    if problem:
        raise ExtractError(problem, hint="Export the table again, or mend that line.")
    return parsed[:-1]


@contextmanager
def _cells_of_any_length() -> Generator[None]:
    # The limit belongs to the whole process, so it is put back.
    with _limit_lock:
        before = csv.field_size_limit(_LONGEST_CELL)
        try:
            yield
        finally:
            csv.field_size_limit(before)
