"""The independent check: read the files as they were written and measure every promise again.

It shares no code with `protect` and does not trust the table that was written: classes are
formed from the cells of the CSV file, and sensitive values are those of the Parquet file, which
has to hold the same. What is promised it is told, as plain data.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from linkkit.steward.promises import (
    PromisedHouseholdK,
    PromisedKMap,
    PromisedPresence,
    Promises,
)
from linkkit.steward.release.classes import Classes, as_codes, find_classes
from linkkit.steward.release.counted import count_in_classes
from linkkit.steward.release.kept import (
    Data,
    MeasuredModel,
    measure_averages,
    measure_promise,
)
from linkkit.steward.release.population import fitting_people, n_overstated
from linkkit.steward.release.read_back import OpenFiles, ReadBack, open_files, refuse
from linkkit.steward.release.rule import find_rule_problems

__all__ = ["Measured", "check_files"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

_Ints = npt.NDArray[np.int64]


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
    models : tuple of MeasuredModel
        Each promise with what was measured of it.
    """

    n_people: int
    smallest_class: int
    median_class: float
    n_classes: int
    formula_like_columns: tuple[str, ...]
    models: tuple[MeasuredModel, ...] = ()


def check_files(
    csv_path: Path,
    parquet_path: Path,
    *,
    promises: Promises,
    id_column: str,
    permitted: Collection[str],
    households: Mapping[str, int] | None = None,
    population: pa.Table | None = None,
) -> Measured:
    r"""Measure a data set as it was written, and refuse it when it breaks a promise.

    Variables that are said to be averaged are measured, too: how many people share each
    combination. Whether dates were shifted nobody can see, only that the columns are there.

    Where missing is a ``wildcard``, the class of a record is all records that match it: those
    that have, in every quasi-identifier, the same or nothing, or where it has nothing itself.

    Parameters
    ----------
    csv_path, parquet_path : Path
        The two files.
    promises : Promises
        What was promised of them.
    id_column : str
        The column whose values must all be different.
    permitted : collection of str
        All columns that the files may have.
    households : mapping of str to int, optional
        The household of each study id; who is not listed is one alone.
    population : pyarrow.Table, optional
        The population of k-map and delta-presence: a row for each person, with the
        quasi-identifiers in values as they were before protection.

    Returns
    -------
    Measured
        What was found in files that keep their promises.

    Raises
    ------
    ReleaseError
        With everything that is wrong: files that cannot be read or differ, columns that were
        not expected or are missing, repeated study ids, promises that are broken or that
        cannot be measured.

    Examples
    --------
    >>> import tempfile
    >>> import pyarrow as pa, pyarrow.parquet
    >>> from linkkit.steward.promises import PromisedK
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "x.csv").write_text("study_id,sex\na,F\nb,F\nc,M\n")
    >>> table = pa.table({"study_id": ["a", "b", "c"], "sex": ["F", "F", "M"]})
    >>> pa.parquet.write_table(table, folder / "x.parquet")
    >>> check_files(
    ...     folder / "x.csv",
    ...     folder / "x.parquet",
    ...     promises=Promises(models=(PromisedK(k=2),), quasi_identifiers=("sex",)),
    ...     id_column="study_id",
    ...     permitted=["study_id", "sex"],
    ... )
    Traceback (most recent call last):
    linkkit.errors.ReleaseError: 1 combinations of quasi-identifiers belong to fewer than 2 people
    What to do: Nothing was released. Protect the integrated data set again and release that.
    """
    files = open_files(csv_path, parquet_path)
    sensitive = _sensitive(promises)
    problems = _column_problems(files, permitted)
    changed = _changed(promises)
    needed = dict.fromkeys((id_column, *promises.quasi_identifiers, *sensitive, *changed))
    problems += [f"column '{name}' is missing" for name in needed if name not in files.in_csv]
    problems += _promise_problems(promises, population)
    if problems:
        refuse(problems)
    averaged = promises.averages.variables if promises.averages else ()
    rule = promises.safe_harbor
    cells = (*promises.quasi_identifiers, *averaged, *(rule.zips + rule.ages if rule else ()))
    found = files.read(id_column=id_column, cells=cells, values=sensitive)
    problems = _file_problems(found)
    if problems and (found.has_other_length or not found.n_rows):
        refuse(problems)
    data = _data(found, promises, households=households, population=population)
    models = tuple(measure_promise(promise, data) for promise in promises.models)
    if promises.averages is not None:
        columns = [found.cells[name] for name in averaged]
        models = (*models, measure_averages(promises.averages, columns))
    problems += _missing_problems(data.classes, promises)
    if rule is not None:
        problems += find_rule_problems(rule, found.cells, dates=files.dates)
    problems += [model.problem for model in models if model.problem]
    if problems:
        refuse(problems)
    return _measured(found, data.classes, models)


def _sensitive(promises: Promises) -> list[str]:
    names = [getattr(promise, "sensitive", None) for promise in promises.models]
    return [name for name in dict.fromkeys(names) if name is not None]


def _changed(promises: Promises) -> list[str]:
    ways = (promises.averages, promises.shift)
    rule = promises.safe_harbor
    return [
        *(name for way in ways if way is not None for name in way.variables),
        *(rule.zips + rule.ages if rule else ()),
    ]


def _column_problems(files: OpenFiles, permitted: Collection[str]) -> list[str]:
    problems = [
        f"column '{name}' is not one of the project's"
        for name in files.in_csv
        if name not in permitted
    ]
    if files.in_csv != files.in_parquet:
        problems.append("the CSV and the Parquet file have different columns")
    if len(set(files.in_csv)) < len(files.in_csv):
        problems.append("a column comes twice")
    return problems


def _promise_problems(promises: Promises, population: pa.Table | None) -> list[str]:
    problems = [] if promises.models else ["nothing is promised of the files"]
    if promises.averages is not None and not promises.averages.variables:
        problems.append("microaggregation is promised of no variable")
    asks = any(isinstance(promise, PromisedKMap | PromisedPresence) for promise in promises.models)
    if asks and population is not None:
        problems += [
            f"the population does not have the column '{name}' exactly once"
            for name in promises.quasi_identifiers
            if population.column_names.count(name) != 1
        ]
        overstated = {book.variable: n_overstated(book) for book in promises.codebook}
        problems += [
            f"{n} labels of '{name}' are said to cover more than they show"
            for name, n in overstated.items()
            if n
        ]
    return problems


def _file_problems(found: ReadBack) -> list[str]:
    problems = [
        f"column '{name}' differs between the CSV and the Parquet file" for name in found.differing
    ]
    if found.has_other_length:
        problems.append("the CSV and the Parquet file have different numbers of rows")
    if found.ids.null_count:
        problems.append("a study id is missing")
    if pc.count_distinct(found.ids, mode="all").as_py() < len(found.ids):
        problems.append("study ids repeat, so that rows are not people")
    return problems if found.n_rows else [*problems, "the files hold nobody"]


def _missing_problems(classes: Classes, promises: Promises) -> list[str]:
    if promises.missing != "suppress" or not classes.n_missing:
        return []
    return [f"{classes.n_missing} rows lack a quasi-identifier and were to be withheld"]


def _data(
    found: ReadBack,
    promises: Promises,
    *,
    households: Mapping[str, int] | None,
    population: pa.Table | None,
) -> Data:
    names = promises.quasi_identifiers
    coded = [as_codes(found.cells[name]) for name in names]
    columns = [codes for codes, _ in coded] or [np.zeros(found.n_rows, dtype=np.int64)]
    classes = find_classes(columns, missing=promises.missing)
    homes = any(isinstance(promise, PromisedHouseholdK) for promise in promises.models)
    asks = any(isinstance(promise, PromisedKMap | PromisedPresence) for promise in promises.models)
    fitting = None
    if asks and population is not None and names:
        books = {book.variable: book for book in promises.codebook}
        fitting = fitting_people(
            classes.codes,
            [labels.to_pylist() for _, labels in coded],
            [population.column(name) for name in names],
            codebook=[books.get(name) for name in names],
            missing_fits_all=promises.missing == "wildcard",
        )
    return Data(
        classes=classes,
        sensitive=found.values,
        households=_homes(found.ids, households) if homes and households is not None else None,
        fitting=fitting,
    )


def _homes(ids: pa.ChunkedArray, households: Mapping[str, int]) -> _Ints:
    """Number the household of each row; who has none is one alone."""
    number: dict[int, int] = {}
    listed = (households.get(one) for one in ids.to_pylist())
    homes: Sequence[int] = [
        -1 - row if home is None or home < 0 else number.setdefault(home, len(number))
        for row, home in enumerate(listed)
    ]
    return np.array(homes, dtype=np.int64)


def _measured(found: ReadBack, classes: Classes, models: tuple[MeasuredModel, ...]) -> Measured:
    sizes = np.concatenate([part.people for part in count_in_classes(classes)])
    return Measured(
        n_people=found.n_rows,
        smallest_class=int(sizes.min()),
        median_class=float(np.median(sizes)),
        n_classes=len(classes),
        formula_like_columns=found.formula_like,
        models=models,
    )
