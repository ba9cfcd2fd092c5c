"""Microaggregation: numbers replaced by the mean or median of a small group of similar people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from linkkit.errors import OptionError, ProtectionError
from linkkit.steward.protect.transforms.frames import (
    arrow_column,
    open_frame,
    require_columns,
    with_columns,
)
from linkkit.steward.protect.transforms.groups import MAX_VARIABLES, group_rows

__all__ = ["Microaggregated", "MicroaggregationReport", "microaggregate"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BLOCK_SIZE = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class MicroaggregationReport:
    """What microaggregation did.

    Attributes
    ----------
    k : int
        The fewest rows in a group.
    method : {"optimal", "mdav"}
        How groups were found.
    n_groups, smallest, largest : int
        The groups, and their sizes; 0 where there is none.
    losses : tuple of (str, float)
        For each variable the squared error over the squared deviation from the mean (SSE/SST),
        0 to 1.
    information_loss : float
        The mean of them, which is SSE/SST of the standardized variables together.
    n_removed : int
        Values that became missing because fewer than k rows miss the same variables.
    n_without : int
        Rows that have no value of these variables, before or now; k rows share every other
        combination, and this one may have fewer.
    """

    k: int
    method: Literal["optimal", "mdav"]
    n_groups: int
    smallest: int
    largest: int
    losses: tuple[tuple[str, float], ...]
    information_loss: float
    n_removed: int
    n_without: int


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Microaggregated:
    """A table with microaggregated variables.

    Attributes
    ----------
    table : pandas, Polars or Arrow table
        Of the kind that was given; the variables are floats.
    groups : ndarray of int64, shape (n_rows,)
        The group of each row; -1 where all values are missing.
    report : MicroaggregationReport
        What was done.
    """

    table: Any
    groups: Ints
    report: MicroaggregationReport

    def __repr__(self) -> str:
        return (
            f"<Microaggregated: {self.report.n_groups} groups of at least {self.report.k}, "
            f"information loss {self.report.information_loss:.4f}>"
        )


def microaggregate(
    table: Any,
    *,
    columns: Sequence[str],
    k: int,
    statistic: Literal["mean", "median"] = "mean",
    person: str | None = None,
    block_size: int = BLOCK_SIZE,
) -> Microaggregated:
    """Replace numbers by the mean or median of groups of at least k similar rows.

    All variables together form the groups, so that at least k rows share each combination in
    which there is a value: for these rows and variables the table is k-anonymous (Domingo-Ferrer and Torra 2005,
    "Ordinal, continuous and heterogeneous k-anonymity through microaggregation"). One variable
    is grouped with the least possible squared error (Hansen and Mukherjee 2003, "A polynomial
    algorithm for optimal univariate microaggregation"); several, standardized, by MDAV
    (Domingo-Ferrer and Mateo-Sanz 2002, "Practical data-oriented microaggregation for
    statistical disclosure control").

    Means of variables stay as they are where the statistic is the mean; variances shrink. The
    result does not depend on the order of the rows; only rows with the same values, which of them
    goes to which group, are told apart by `person`, or without it by their place.

    Rows that miss the same variables form groups among themselves, and missing values stay
    missing. Where fewer than k rows miss the same variables, their other values become missing,
    too. Rows without any value are not counted: how many there are is in the report, and there
    can be fewer than k.

    Parameters
    ----------
    table : pandas, Polars or Arrow table
        One row for each person.
    columns : sequence of str
        1 to 32 variables: integers, floats or decimals.
    k : int
        The fewest rows in a group, 2 or more.
    statistic : {"mean", "median"}
        What replaces the values of a group.
    person : str, optional
        The column that tells people apart, text or numbers; checked to name everybody once.
    block_size : int
        The most rows that MDAV works on at once, whose time grows with their square; more are
        first parted by values. At least 4 k.

    Returns
    -------
    Microaggregated
        The table, the groups and a report.

    Raises
    ------
    OptionError
        When a column is not there, or an option is not of its kind.
    ProtectionError
        When a variable holds no numbers or infinite ones, a person comes twice, or there are
        fewer than k rows.

    Examples
    --------
    >>> import pandas as pd
    >>> pay = pd.DataFrame({"income": [10.0, 30.0, 12.0, 31.0, 35.0]})
    >>> made = microaggregate(pay, columns=["income"], k=2)
    >>> made.table["income"].tolist()
    [11.0, 32.0, 11.0, 32.0, 32.0]
    >>> made
    <Microaggregated: 2 groups of at least 2, information loss 0.0293>
    """
    frame = open_frame(table)
    require_columns(frame, columns)
    _require_options(columns, k, statistic, block_size)
    values = _values(frame, columns)
    order = _person_order(frame, person, len(values))
    if len(values) < k:
        raise ProtectionError(
            f"the table has fewer rows than k = {k}", hint="No group of k rows can be formed."
        )
    present = ~np.isnan(values)
    groups = np.full(len(values), -1, dtype=np.int64)
    made = np.full(values.shape, np.nan)
    n_groups = 0
    for rows, shown in _patterns(present, order):
        if len(rows) < k:
            continue
        mine = values[np.ix_(rows, shown)]
        found = group_rows(mine, k=k, block_size=block_size)
        made[np.ix_(rows, shown)] = _aggregated(mine, found, statistic)
        groups[rows] = found + n_groups
        n_groups += int(found.max()) + 1
    arrays = {
        name: pa.array(made[:, i], pa.float64(), mask=np.isnan(made[:, i]))
        for i, name in enumerate(columns)
    }
    return Microaggregated(
        table=with_columns(frame, arrays),
        groups=groups,
        report=_report(columns, values, made, groups, k),
    )


def _require_options(columns: Sequence[str], k: int, statistic: str, block_size: int) -> None:
    problems = []
    if len(columns) > MAX_VARIABLES:
        problems.append(f"at most {MAX_VARIABLES} variables can be grouped together")
    if not _is_whole(k) or k < 2:
        problems.append("'k' must be a whole number, 2 or more")
    elif not _is_whole(block_size) or block_size < 4 * k:
        problems.append("'block_size' must be a whole number, at least 4 k")
    if statistic not in ("mean", "median"):
        problems.append("'statistic' must be 'mean' or 'median'")
    if problems:
        raise OptionError(
            problems, hint="For example columns=['income'], k=5; leave the other options out."
        )


def _is_whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)


def _values(frame: Any, columns: Sequence[str]) -> Floats:
    """Return the variables, shape (n_rows, n_variables), not a number where missing."""
    found: list[Floats] = []
    problems: list[str] = []
    for name in columns:
        column = arrow_column(frame, name)
        kind = column.type
        if pa.types.is_null(kind):
            column = column.cast(pa.float64())
        elif not (
            pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        ):
            problems.append(f"column '{name}' does not hold numbers")
            continue
        numbers = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        n_infinite = int(np.isinf(numbers).sum())
        if n_infinite:
            problems.append(f"column '{name}': {n_infinite} cells are infinite")
        found.append(numbers + 0.0)
    if problems:
        raise ProtectionError(problems, hint="Correct the values, or make them missing.")
    return np.column_stack(found).astype(np.float64)


def _person_order(frame: Any, person: str | None, n_rows: int) -> Ints:
    """Return the rows in the order of their people, who come once each."""
    if person is None:
        return np.arange(n_rows, dtype=np.int64)
    require_columns(frame, [person])
    people = arrow_column(frame, person)
    n_repeated = len(people) - people.null_count - len(people.drop_null().unique())
    problems = [f"{people.null_count} rows have no person"] if people.null_count else []
    if n_repeated:
        problems.append(f"{n_repeated} rows are of a person who has another row")
    if problems:
        raise ProtectionError(
            problems, hint="Groups count people: combine the rows of each person first."
        )
    ranked: Ints = pc.sort_indices(people).to_numpy().astype(np.int64)
    return ranked


def _patterns(present: npt.NDArray[np.bool_], order: Ints) -> list[tuple[Ints, Ints]]:
    """Return for each set of variables that rows have these rows, in order, and variables."""
    patterns, of_rows = np.unique(present, axis=0, return_inverse=True)
    of_rows = of_rows.reshape(-1)
    return [
        (order[of_rows[order] == i], np.flatnonzero(pattern).astype(np.int64))
        for i, pattern in enumerate(patterns)
        if pattern.any()
    ]


def _aggregated(values: Floats, groups: Ints, statistic: str) -> Floats:
    """Return the mean or median of each row's group; sums are of sorted values."""
    made = np.empty_like(values)
    for j in range(values.shape[1]):
        order = np.lexsort((values[:, j], groups))
        ordered, sizes = values[order, j], np.bincount(groups)
        starts = np.cumsum(sizes) - sizes
        if statistic == "mean":
            # From the smallest value on, so that large ones do not add up beyond all numbers.
            low = ordered[starts]
            share = (ordered - np.repeat(low, sizes)) / np.repeat(sizes, sizes)
            result = low + np.add.reduceat(share, starts)
        else:
            low, high = ordered[starts + (sizes - 1) // 2], ordered[starts + sizes // 2]
            result = low + (high - low) / 2
        made[:, j] = result[groups]
    return made


def _report(
    columns: Sequence[str], values: Floats, made: Floats, groups: Ints, k: int
) -> MicroaggregationReport:
    losses = [(name, _loss(values[:, i], made[:, i])) for i, name in enumerate(columns)]
    sizes = np.bincount(groups[groups >= 0])
    return MicroaggregationReport(
        k=k,
        method="optimal" if len(columns) == 1 else "mdav",
        n_groups=len(sizes),
        smallest=int(sizes.min()) if len(sizes) else 0,
        largest=int(sizes.max()) if len(sizes) else 0,
        losses=tuple(losses),
        information_loss=float(np.mean([loss for _, loss in losses])),
        n_removed=int((np.isnan(made) & ~np.isnan(values)).sum()),
        n_without=int((groups < 0).sum()),
    )


def _loss(values: Floats, made: Floats) -> float:
    """Return SSE/SST of the values that are still there."""
    kept = ~np.isnan(made)
    before = np.sort(values[kept])
    if not len(before) or before[0] == before[-1]:
        return 0.0
    size = float(np.abs(before).max())
    order = np.lexsort((made[kept], values[kept]))
    after = made[kept][order] / size
    before = before / size
    return float(((before - after) ** 2).sum() / ((before - before.mean()) ** 2).sum())
