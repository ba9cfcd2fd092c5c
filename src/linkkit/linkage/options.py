"""The options of a linkage, checked before anything is read or compared."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard, get_args

from linkkit.engines import parse_bytes
from linkkit.errors import OptionError
from linkkit.linkage.block import Block
from linkkit.linkage.cluster import Assignment
from linkkit.linkage.threshold import threshold_problems

__all__ = ["check_link_options", "since_when"]


def check_link_options(
    *,
    threshold: object = "auto",
    max_false_match_rate: object = None,
    households: object = False,
    assignment: object = "greedy",
    block: object = "auto",
    max_pairs: object = None,
    memory_limit: object = None,
    work_folder: object = None,
    n_threads: object = None,
    progress: object = None,
) -> None:
    """Refuse options that :func:`~linkkit.link` would refuse, all at once.

    Parameters
    ----------
    threshold, max_false_match_rate, households, assignment, block, max_pairs
        As :func:`~linkkit.link` takes them.
    memory_limit, work_folder, n_threads, progress
        As :func:`~linkkit.link` takes them.

    Raises
    ------
    OptionError
        When one is out of its range.

    Examples
    --------
    >>> check_link_options(threshold=0.9, max_pairs=1_000)
    >>> check_link_options(threshold=90)
    Traceback (most recent call last):
    linkkit.errors.OptionError: 'threshold' is "auto", or a probability, above 0 and at most 1
    What to do: Leave it out for the default.
    """
    problems = threshold_problems(threshold, max_false_match_rate)
    problems += _how_problems(households, assignment, block)
    problems += _limit_problems(max_pairs, n_threads, work_folder, progress)
    if problems:
        raise OptionError(problems, hint="Leave it out for the default.")
    if memory_limit is not None:
        parse_bytes(memory_limit, option="memory_limit")


def _how_problems(households: object, assignment: object, block: object) -> Iterator[str]:
    if not isinstance(households, bool):
        yield "'households' is True or False"
    if assignment not in get_args(Assignment):
        yield f"'assignment' is one of {', '.join(get_args(Assignment))}"
    if block not in get_args(Block):
        yield f"'block' is one of {', '.join(get_args(Block))}"


def _limit_problems(
    max_pairs: object, n_threads: object, work_folder: object, progress: object
) -> Iterator[str]:
    if max_pairs is not None and not (_is_whole(max_pairs) and max_pairs >= 1):
        yield "'max_pairs' is a number of pairs, 1 or more"
    if n_threads is not None and not (_is_whole(n_threads) and n_threads >= 1):
        yield "'n_threads' is 1 or more, or None for all processors"
    if work_folder is not None and not (isinstance(work_folder, (str, Path)) and str(work_folder)):
        yield "'work_folder' is the path of a folder"
    if progress is not None and not callable(progress):
        yield "'progress' is a function, such as 'with progress_bar() as progress' gives"


def since_when(as_of: object, last: dt.date | None) -> dt.date:
    """Return the date of what changes: what was given, today, or the last delivery's where that is later.

    Parameters
    ----------
    as_of : date, optional
        What was given.
    last : date, optional
        The date of the last delivery, before which there is no other.

    Raises
    ------
    OptionError
        When it is no date, or before the last delivery.
    """
    since = max(dt.date.today(), last or dt.date.min) if as_of is None else as_of
    problem = ""
    if not isinstance(since, dt.date) or isinstance(since, dt.datetime):
        problem = "'as_of' is a date"
    elif last is not None and since < last:
        problem = f"'as_of' is before the date of the last delivery, {last.isoformat()}"
    else:
        return since
    raise OptionError(problem, hint="Leave it out for the default.")


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
