"""The independent check: read the files as they were written and measure every promise again.

It shares no code with `protect` and does not trust the table that was written: classes are
counted in the CSV file. What is promised, k and the quasi-identifiers, it is told.
"""

from __future__ import annotations

import csv
import statistics
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from linkkit.errors import ReleaseError

__all__ = ["Measured", "check_files"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

_FORMULA_START = r"^[=+\-@\t\r]"


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What was measured in the files.

    Attributes
    ----------
    n_people : int
        Rows, which are people: their study ids are all different.
    smallest_class : int
        The fewest people who share a combination of quasi-identifiers.
    median_class : float
        The median over combinations.
    n_classes : int
        How many combinations there are.
    formula_like_columns : tuple of str
        Text columns with a cell that a spreadsheet program would take for a formula.
    """

    n_people: int
    smallest_class: int
    median_class: float
    n_classes: int
    formula_like_columns: tuple[str, ...]


def check_files(
    csv_path: Path,
    parquet_path: Path,
    *,
    k: int,
    id_column: str,
    quasi_identifiers: Sequence[str],
    permitted: Collection[str],
) -> Measured:
    r"""Measure a data set as it was written, and refuse it when it breaks a promise.

    Parameters
    ----------
    csv_path, parquet_path : Path
        The two files.
    k : int
        The fewest people who may share a combination of quasi-identifiers.
    id_column : str
        The column whose values must all be different.
    quasi_identifiers : sequence of str
        The columns that form the combinations; missing counts as a value.
    permitted : collection of str
        All columns that the files may have.

    Returns
    -------
    Measured
        What was found in files that keep their promise.

    Raises
    ------
    ReleaseError
        With everything that is wrong: files that cannot be read or differ, columns that were
        not expected or are missing, repeated study ids, a class of fewer than k people.

    Examples
    --------
    >>> import tempfile
    >>> import pyarrow as pa, pyarrow.parquet
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "x.csv").write_text("study_id,sex\na,F\nb,F\nc,M\n")
    >>> table = pa.table({"study_id": ["a", "b", "c"], "sex": ["F", "F", "M"]})
    >>> pa.parquet.write_table(table, folder / "x.parquet")
    >>> check_files(
    ...     folder / "x.csv",
    ...     folder / "x.parquet",
    ...     k=2,
    ...     id_column="study_id",
    ...     quasi_identifiers=["sex"],
    ...     permitted=["study_id", "sex"],
    ... )
    Traceback (most recent call last):
    linkkit.errors.ReleaseError: 1 combinations of quasi-identifiers belong to fewer than 2 people
    What to do: Nothing was released. Protect the integrated data set again and release that.
    """
    cells, table = _read(_read_csv, csv_path), _read(pyarrow.parquet.read_table, parquet_path)
    problems = _column_problems(cells.column_names, table.column_names, permitted)
    missing = [name for name in (id_column, *quasi_identifiers) if name not in cells.column_names]
    problems += [f"column '{name}' is missing" for name in missing]
    if problems:
        _refuse(problems)
    sizes = _class_sizes(cells, quasi_identifiers)
    problems += _difference_problems(cells, table)
    problems += _id_problems(cells.column(id_column))
    problems += _class_problems(sizes, k)
    if problems:
        _refuse(problems)
    return Measured(
        n_people=cells.num_rows,
        smallest_class=min(sizes),
        median_class=float(statistics.median(sizes)),
        n_classes=len(sizes),
        formula_like_columns=_formula_like(cells, table),
    )


def _refuse(problems: Sequence[str]) -> NoReturn:
    raise ReleaseError(
        problems,
        hint="Nothing was released. Protect the integrated data set again and release that.",
    )


def _read(reader: Callable[[Path], pa.Table], path: Path) -> pa.Table:
    try:
        return reader(path)
    except (pa.ArrowException, OSError, ValueError):
        pass
    return _refuse([f"'{path.name}' was written and cannot be read"])


def _read_csv(path: Path) -> pa.Table:
    """Read all cells as text; an empty cell is missing."""
    with path.open(encoding="utf-8", newline="") as file:
        names = next(csv.reader(file), [])
    return pyarrow.csv.read_csv(
        path,
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
        ),
    )


def _column_problems(
    in_csv: Sequence[str], in_parquet: Sequence[str], permitted: Collection[str]
) -> list[str]:
    problems = [
        f"column '{name}' is not one of the project's" for name in in_csv if name not in permitted
    ]
    if list(in_csv) != list(in_parquet):
        problems.append("the CSV and the Parquet file have different columns")
    if len(set(in_csv)) < len(in_csv):
        problems.append("a column comes twice")
    return problems


def _difference_problems(cells: pa.Table, table: pa.Table) -> list[str]:
    if cells.num_rows != table.num_rows:
        return ["the CSV and the Parquet file have different numbers of rows"]
    return [
        f"column '{name}' differs between the CSV and the Parquet file"
        for name in cells.column_names
        if not _same(cells.column(name), table.column(name))
    ]


def _same(cells: pa.ChunkedArray, values: pa.ChunkedArray) -> bool:
    try:
        read = cells.cast(values.type)
    except pa.ArrowException:
        return False
    if not pc.all(pc.equal(read.is_null(), values.is_null()), min_count=0).as_py():
        return False
    return bool(pc.all(pc.equal(read, values), min_count=0).as_py())


def _id_problems(ids: pa.ChunkedArray) -> list[str]:
    problems = ["a study id is missing"] if ids.null_count else []
    if len(ids.unique()) < len(ids):
        problems.append("study ids repeat, so that rows are not people")
    return problems


def _class_sizes(cells: pa.Table, quasi_identifiers: Sequence[str]) -> list[int]:
    if not quasi_identifiers:
        return [cells.num_rows] if cells.num_rows else []
    grouped = cells.group_by(list(quasi_identifiers)).aggregate([([], "count_all")])
    sizes: list[int] = grouped.column("count_all").to_pylist()
    return sizes


def _class_problems(sizes: Sequence[int], k: int) -> list[str]:
    n_small = sum(size < k for size in sizes)
    if n_small:
        return [f"{n_small} combinations of quasi-identifiers belong to fewer than {k} people"]
    return [] if sizes else ["the files hold nobody"]


def _formula_like(cells: pa.Table, table: pa.Table) -> tuple[str, ...]:
    texts = [f.name for f in table.schema if pa.types.is_string(f.type)]
    found = {
        name: pc.any(pc.match_substring_regex(cells.column(name), _FORMULA_START)).as_py()
        for name in texts
    }
    return tuple(name for name in texts if found[name])
