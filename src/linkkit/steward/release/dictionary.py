"""The data dictionary: what each variable is and what was done to it, for people and programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any

import pyarrow as pa
import pyarrow.compute

from linkkit.steward.protect import ProtectedDataset, VariableNote

__all__ = ["DictionaryEntry", "build_dictionary", "dictionary_csv", "dictionary_markdown"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

_MOST_VALUES = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class DictionaryEntry:
    """One variable, all as text.

    ``missing`` is a count, or ``"<k"`` where it is small; ``values`` names only what at least
    k people have.
    """

    variable: str
    type: str
    label: str
    role: str
    generalization: str
    combined: str
    sent_by: str
    missing: str
    values: str


def build_dictionary(safe: ProtectedDataset) -> list[DictionaryEntry]:
    """Describe every variable of a protected data set, in the order of its columns.

    Values are named only where at least k people have them: categories one by one, and the
    ends of a range of numbers only if k people stand at that end.
    """
    return [_entry(note, safe.table.column(note.name), safe.k) for note in safe.summary.variables]


def _entry(note: VariableNote, column: pa.ChunkedArray, k: int) -> DictionaryEntry:
    return DictionaryEntry(
        variable=note.name,
        type=note.type,
        label=note.label,
        role=note.role,
        generalization=note.generalization,
        combined=note.combined,
        sent_by="; ".join(note.sent_by),
        missing=_missing(column, k),
        values=_values(note, column, k),
    )


def _missing(column: pa.ChunkedArray, k: int) -> str:
    n_missing, n_present = column.null_count, len(column) - column.null_count
    if 0 < n_missing < k:
        return f"<{k}"
    return f">{len(column) - k}" if 0 < n_present < k else str(n_missing)


def _values(note: VariableNote, column: pa.ChunkedArray, k: int) -> str:
    if note.role == "study id":
        return "32 hexadecimal digits"
    counted = pc.value_counts(column.drop_null())
    values, counts = counted.field("values"), counted.field("counts")
    shared = values.filter(pc.greater_equal(counts, k))
    if note.type in ("integer", "number", "date"):
        return _range(values, shared)
    return _list(shared, n_others=len(values) - len(shared), k=k)


def _range(values: pa.Array, shared: pa.Array) -> str:
    if not len(values):
        return ""
    held = set(shared.to_pylist())
    ends = pc.min_max(values).as_py()
    parts = [
        f"{word} {ends[end]}" for word, end in (("from", "min"), ("to", "max")) if ends[end] in held
    ]
    return " ".join(parts)


def _list(shared: pa.Array, *, n_others: int, k: int) -> str:
    names = sorted(_cell(value) for value in shared.to_pylist())
    text = "; ".join(names[:_MOST_VALUES])
    if len(names) > _MOST_VALUES or n_others:
        text += "; " if text else ""
        text += f"and values of fewer than {k} people" if n_others else "and more"
    return text


def _cell(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def dictionary_csv(entries: Sequence[DictionaryEntry]) -> str:
    """Return the dictionary as CSV (RFC 4180), one line for each variable."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_HEADER)
    writer.writerows(astuple(entry) for entry in entries)
    return text.getvalue()


def dictionary_markdown(entries: Sequence[DictionaryEntry], *, title: str) -> str:
    """Return the dictionary as a page with one table."""
    lines = [f"# {_inline(title)}", "", _line(_HEADER), _line(["---"] * len(_HEADER))]
    return "\n".join([*lines, *(_line(astuple(entry)) for entry in entries)]) + "\n"


_HEADER = tuple(item.name for item in fields(DictionaryEntry))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_inline, cells))} |"


def _inline(text: str) -> str:
    for mark in "\\`*_[]<>|":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
