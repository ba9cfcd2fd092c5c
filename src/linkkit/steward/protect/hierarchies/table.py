"""Hierarchies as a table: a row for each value, from the value to its coarsest group.

That is how ARX, sdcMicro and others exchange them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import narwhals as nw
from pydantic import ValidationError

from linkkit.agreement import Generalization
from linkkit.errors import OptionError, ProtectionError
from linkkit.steward.protect.hierarchies.steps import TOP, Plan, Step
from linkkit.steward.protect.hierarchies.values import Values, text_of

__all__ = ["hierarchy_from", "plan_table"]

_HINT = (
    "Give a row for each value: the value, then its group at each level, from fine to coarse; a "
    "group stays in one piece at all coarser levels."
)


def hierarchy_from(
    source: str | Path | Mapping[Any, Any] | Any,
    *,
    separator: str | None = None,
    header: bool = False,
    keep_values: bool = True,
    shown: Literal["tight", "levels"] = "tight",
) -> Generalization:
    """Read a hierarchy from a table, so that it can be given to a protection or an agreement.

    Parameters
    ----------
    source : path, mapping, or pandas, Polars or Arrow frame
        A CSV file in UTF-8; a mapping of each value to its group, or to its groups from fine to
        coarse; or a frame whose first column is the value.
    separator : str, optional
        Of a CSV file; found out when it is left out.
    header : bool
        Whether the first line of a CSV file is no value.
    keep_values : bool
        Whether the values themselves may be shown.
    shown : {"tight", "levels"}
        As in :class:`~linkkit.agreement.Generalization`.

    Returns
    -------
    Generalization
        With the table in it.

    Raises
    ------
    OptionError
        When the source cannot be read or is no hierarchy.

    Examples
    --------
    >>> hierarchy_from({"oak": ["tree", "plant"], "fern": ["herb", "plant"]}).table
    (('oak', 'tree', 'plant'), ('fern', 'herb', 'plant'))
    """
    rows = _rows(source, separator=separator, header=header)
    n_empty = sum(cell is None or cell != cell or cell == "" for row in rows for cell in row)  # noqa: PLR0124
    if n_empty:
        raise OptionError(f"{n_empty} cells of the hierarchy are empty", hint=_HINT)
    if not rows:
        raise OptionError("the hierarchy has no rows", hint=_HINT)
    short = [i for i, row in enumerate(rows, start=1 + header) if len(row) < 2]
    if short:
        raise OptionError(
            f"{len(short)} of {len(rows)} rows of the hierarchy have a value and no group, first "
            f"row {short[0]}",
            hint=f"{_HINT} In a file, check that 'separator' is the one that it has.",
        )
    problems: list[str] = []
    try:
        table = tuple(tuple(_cell(cell) for cell in row) for row in rows)
        return Generalization(table=table, keep_values=keep_values, shown=shown)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_context=False, include_input=False):
            problems += str(item["msg"]).removeprefix("Value error, ").split("\n")
    raise OptionError(list(dict.fromkeys(problems)), hint=_HINT)


def _rows(source: Any, *, separator: str | None, header: bool) -> list[Sequence[Any]]:
    if isinstance(source, (str, Path)):
        return _read(Path(source), separator, header=header)
    if isinstance(source, Mapping):
        return [
            (value, *([groups] if isinstance(groups, str) else groups))
            if isinstance(groups, (str, Iterable))
            else (value, groups)
            for value, groups in source.items()
        ]
    if isinstance(source, (list, tuple)):
        return list(source)
    frame: Any = None
    try:
        frame = nw.from_native(source, eager_only=True)
    except TypeError:
        pass
    if frame is None:
        raise OptionError(
            f"a hierarchy is a path, a mapping or a frame, not a {type(source).__name__}",
            hint=_HINT,
        )
    return list(frame.rows())


def _read(path: Path, separator: str | None, *, header: bool) -> list[Sequence[Any]]:
    if not path.is_file():
        raise OptionError(
            f"there is no file '{path.name}' with a hierarchy",
            hint="Check the path, and the folder that it starts from.",
        )
    if separator is not None and len(separator) != 1:
        raise OptionError("'separator' must be one character", hint="Leave it out to find it.")
    text: str | None = None
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        pass
    if text is None:
        raise OptionError(
            f"the hierarchy '{path.name}' cannot be read as UTF-8 text",
            hint="Save the file as UTF-8.",
        )
    first = text.partition("\n")[0]
    found = separator or max(";,\t|", key=first.count)
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=found) if row]
    return list(rows[1:] if header else rows)


def _cell(cell: Any) -> str:
    return cell if isinstance(cell, str) else text_of(cell)


def plan_table(variable: str, values: Values, ways: Generalization) -> Plan:
    """Plan the levels of a table; a last one that is all ``*`` is the level that drops a variable.

    Numbers are shown as ranges where groups are of neighbors, everything else as sets.

    Raises
    ------
    ProtectionError
        When the table has no row for a value.
    """
    rows = {row[0]: row for row in ways.table or ()}
    texts = values.texts
    problems = values.told([text not in rows for text in texts], "have no row in the table")
    if problems:
        raise ProtectionError(
            [f"quasi-identifier '{variable}': {problem}" for problem in problems],
            hint=f"Complete 'table' of quasi-identifier '{variable}'.",
        )
    n_columns = len((ways.table or ((),))[0])
    steps = [
        Step(
            description=f"grouped by column {i + 1} of the table",
            labels=[rows[text][i] for text in texts],
        )
        for i in range(1, n_columns)
    ]
    while len(steps) > 1 and all(label == TOP for label in steps[-1].labels):
        steps.pop()
    if ways.keep_values:
        kept = Step(description="kept as it is", labels=texts, keeps_values=True)
        steps = [kept, *(step for step in steps if set(step.labels) != {TOP})]
    return _ordered(values, steps)


def _ordered(values: Values, steps: list[Step]) -> Plan:
    finest = steps[0].labels
    runs = 1 + sum(a != b for a, b in pairwise(finest))
    if values.kind not in ("whole", "real") or runs > max(1, len(set(finest))):
        return Plan(steps=steps, shown_as="set")
    return Plan(steps=steps, shown_as="range", positions=values.items, lows=finest, highs=finest)
