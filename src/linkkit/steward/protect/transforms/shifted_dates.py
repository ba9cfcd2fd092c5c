"""Date shifting: all dates of a person moved by one number of days, a secret of the project."""

from __future__ import annotations

import datetime as dt
import hmac
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from linkkit.errors import OptionError, ProtectionError, SecretError
from linkkit.steward.integrate.study_id import StudyKey
from linkkit.steward.protect.transforms.frames import (
    arrow_column,
    open_frame,
    require_columns,
    with_columns,
)

__all__ = ["MAX_DAYS", "person_shifts", "shift_dates"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

MAX_DAYS = 182
"""Half a year in either direction, so that the season is hidden, too."""

_SALT = b"linkkit key derivation 1"
_PURPOSE = b"date-shift"
_MOST_DAYS = 36_525
_N_BYTES = 16
_ISO = re.compile(r"(\s*)(\d{4}-\d{2}-\d{2})((?:[T ].*)?)", re.DOTALL)
_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


def shift_dates(
    table: Any,
    *,
    columns: Sequence[str],
    person: str,
    key: StudyKey,
    agreement_id: str,
    project: str,
    max_days: int = MAX_DAYS,
) -> Any:
    """Move all dates of a person by one number of days, which is never zero.

    Intervals between the dates of a person stay exactly as they are, over all rows and columns.
    Two people are moved by unrelated numbers of days, and so is one person in two projects. The
    same key, agreement, project and person always give the same shift, so that later deliveries
    fit to earlier ones.

    What it does not do: whoever knows the true day of one event of a person, such as a birth or
    a newspaper's report, knows the shift and with it all of the person's dates. Shifted dates
    still are of about the same year, so that ages change by at most a year at the default of
    `max_days`. Seasons, days of the week, holidays and what happened on one day to many people
    are lost. Dates in free text stay. It is no substitute for classes of k people.

    Parameters
    ----------
    table : pandas, Polars or Arrow table
        With any number of rows for each person.
    columns : sequence of str
        The dates: of a date or time type, or text as YYYY-MM-DD, with or without a time of day.
        Missing cells stay missing. With a time zone, the time of day on its clock stays.
    person : str
        The column that tells people apart, such as ``study_id``: text or whole numbers, never
        missing.
    key : StudyKey
        The steward's key. Shifts are made under a sub-key of it, so that they say nothing about
        study ids; destroy it, and shifts cannot be undone.
    agreement_id, project : str
        Where the shifts are valid.
    max_days : int
        The most days, 1 to 36,525, in either direction.

    Returns
    -------
    table
        A table of the same kind, with the same rows, columns and types.

    Raises
    ------
    OptionError
        When a column is not there, or an option is not of its kind.
    SecretError
        When `key` is no study key.
    ProtectionError
        When a person is missing, a cell is no date, or a date would leave the years 1 to 9999.

    Examples
    --------
    >>> import pandas as pd
    >>> visits = pd.DataFrame({"id": ["a", "a"], "day": ["2020-02-27", "2020-03-01"]})
    >>> key = StudyKey(bytes(range(32)))
    >>> moved = shift_dates(
    ...     visits, columns=["day"], person="id", key=key, agreement_id="town", project="study"
    ... )
    >>> first, second = pd.to_datetime(moved["day"])
    >>> (second - first).days, first == pd.Timestamp("2020-02-27")
    (3, False)
    """
    frame = open_frame(table)
    require_columns(frame, columns)
    require_columns(frame, [person])
    if person in columns:
        raise OptionError("'person' is one of 'columns'", hint="Name the column of dates only.")
    days = person_shifts(
        arrow_column(frame, person),
        key,
        agreement_id=agreement_id,
        project=project,
        max_days=max_days,
    )
    shifted: dict[str, pa.Array] = {}
    problems: list[str] = []
    for name in columns:
        try:
            shifted[name] = _shifted(name, arrow_column(frame, name), days)
        except ProtectionError as error:
            problems += error.problems
    if problems:
        raise ProtectionError(
            problems, hint="Correct the dates, or make them missing; no table was changed."
        )
    return with_columns(frame, shifted)


def person_shifts(
    people: pa.Array | Sequence[str] | Sequence[int],
    key: StudyKey,
    *,
    agreement_id: str,
    project: str,
    max_days: int = MAX_DAYS,
) -> npt.NDArray[np.int64]:
    """Return by how many days the dates of each person are moved.

    HMAC-SHA256 (RFC 2104) of the person, under a key that HKDF-SHA256 (RFC 5869) derives from
    the study key for this purpose, agreement and project. 128 bits of it choose among the days
    from ``-max_days`` to ``max_days`` without zero, all but equally likely.

    Parameters
    ----------
    people : Arrow array or sequence of str or int
        A person for each row, none missing.
    key : StudyKey
        The steward's key.
    agreement_id, project : str
        Where the shifts are valid.
    max_days : int
        The most days in either direction.

    Raises
    ------
    OptionError, SecretError, ProtectionError
        As :func:`shift_dates` does.

    Examples
    --------
    >>> key = StudyKey(bytes(range(32)))
    >>> a, b, c = person_shifts(["x", "y", "x"], key, agreement_id="town", project="study")
    >>> a == c, a == b
    (np.True_, np.False_)
    """
    _require_options(key, max_days, agreement_id, project)
    column: Any = people if isinstance(people, pa.Array) else pa.array(people)
    whole = pa.types.is_integer(column.type)
    if not (whole or pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise ProtectionError(
            "the column of people is neither text nor whole numbers",
            hint="Make it text; a whole number with missing cells becomes a broken one.",
        )
    if column.null_count:
        raise ProtectionError(
            f"{column.null_count} rows have no person", hint="Leave those rows out."
        )
    encoded = column.cast(pa.string()).dictionary_encode()
    sub_key = _sub_key(key, agreement_id, project)
    numbers = [
        int.from_bytes(hmac.digest(sub_key, text.encode(), "sha256")[:_N_BYTES], "big")
        for text in encoded.dictionary.to_pylist()
    ]
    steps = np.array([number % (2 * max_days) for number in numbers], dtype=np.int64)
    days: npt.NDArray[np.int64] = np.where(steps < max_days, steps - max_days, steps - max_days + 1)
    shifts: npt.NDArray[np.int64] = days[encoded.indices.to_numpy(zero_copy_only=False)]
    return shifts


def _require_options(key: StudyKey, max_days: int, agreement_id: str, project: str) -> None:
    if not isinstance(key, StudyKey):
        raise SecretError(
            f"'key' must be a StudyKey, not a {type(key).__name__}",
            hint="Make one with StudyKey.generate() and keep it with save().",
        )
    whole = isinstance(max_days, int) and not isinstance(max_days, bool)
    if not whole or not 1 <= max_days <= _MOST_DAYS:
        raise OptionError(
            f"'max_days' must be a whole number from 1 to {_MOST_DAYS}",
            hint=f"Without it, dates move by up to {MAX_DAYS} days.",
        )
    if not (
        agreement_id and isinstance(agreement_id, str) and project and isinstance(project, str)
    ):
        raise OptionError(
            "'agreement_id' and 'project' are names, not empty",
            hint="Two projects with the same names would have the same shifts.",
        )


def _sub_key(key: StudyKey, agreement_id: str, project: str) -> bytes:
    parts = (_PURPOSE, agreement_id.encode(), project.encode())
    info = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return HKDF(SHA256(), 32, _SALT, info).derive(key.reveal())


def _shifted(name: str, column: pa.Array, days: npt.NDArray[np.int64]) -> pa.Array:
    kind = column.type
    if pa.types.is_null(kind):
        return column
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _shifted_texts(name, column, days)
    if pa.types.is_date32(kind):
        return _moved(name, column, pa.int32(), days, 1)
    if pa.types.is_date64(kind):
        return _moved(name, column, pa.int64(), days, _PER_DAY["ms"])
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return _shifted_by_the_clock(name, column, days)
    if pa.types.is_timestamp(kind):
        return _moved(name, column, pa.int64(), days, _PER_DAY[kind.unit])
    raise ProtectionError(f"column '{name}' holds no dates")


def _shifted_by_the_clock(name: str, column: pa.Array, days: npt.NDArray[np.int64]) -> pa.Array:
    """Move times of a time zone so that the clock there shows the same time of day.

    Of two times that the clock shows, it is the earlier; of none, the end of the gap.
    """
    zone = column.type.tz
    moved = _shifted(name, pc.local_timestamp(column), days)
    if re.fullmatch(r"[+-]\d{2}:?\d{2}", zone):
        ahead = dt.datetime.strptime(zone, "%z").utcoffset() or dt.timedelta(0)
        return pc.subtract(moved, pa.scalar(ahead, pa.duration(column.type.unit))).cast(column.type)
    made: pa.Array = pc.assume_timezone(
        moved, timezone=zone, ambiguous="earliest", nonexistent="latest"
    )
    return made


def _moved(
    name: str, column: pa.Array, storage: pa.DataType, days: npt.NDArray[np.int64], per_day: int
) -> pa.Array:
    """Add days to a column that counts them, or parts of them, from 1970."""
    present = column.is_valid().to_numpy(zero_copy_only=False)
    count = column.cast(storage).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    first = (dt.date.min.toordinal() - dt.date(1970, 1, 1).toordinal()) * per_day
    last = (dt.date.max.toordinal() + 1 - dt.date(1970, 1, 1).toordinal()) * per_day
    widest = np.iinfo(np.int64)
    first, last = max(first, widest.min), min(last, widest.max)
    move = days * per_day
    beyond = present & (
        (count < first - np.minimum(move, 0)) | (count >= last - np.maximum(move, 0))
    )
    _require_none(name, int(beyond.sum()), "would leave the years that can be written")
    moved = np.where(present, count + move, 0).astype(storage.to_pandas_dtype())
    return pa.array(moved, storage, mask=~present).cast(column.type)


def _shifted_texts(name: str, column: pa.Array, days: npt.NDArray[np.int64]) -> pa.Array:
    texts: list[str | None] = []
    n_unread = n_beyond = 0
    for text, n_days in zip(column.to_pylist(), days.tolist(), strict=True):
        if text is None or not text.strip():
            texts.append(text)
            continue
        parts = _read(text)
        moved = None if parts is None else _plus(parts[1], n_days)
        n_unread += parts is None
        n_beyond += parts is not None and moved is None
        texts.append(f"{parts[0]}{moved}{parts[2]}" if parts and moved else None)
    _require_none(name, n_unread, "are no dates as YYYY-MM-DD")
    _require_none(name, n_beyond, "would leave the years that can be written")
    return pa.array(texts, column.type)


def _read(text: str) -> tuple[str, dt.date, str] | None:
    match = _ISO.fullmatch(text)
    try:
        return (match[1], dt.date.fromisoformat(match[2]), match[3]) if match else None
    except ValueError:
        return None


def _plus(day: dt.date, n_days: int) -> str | None:
    try:
        return (day + dt.timedelta(days=n_days)).isoformat()
    except OverflowError:
        return None


def _require_none(name: str, n: int, what: str) -> None:
    if n:
        raise ProtectionError(f"column '{name}': {n} cells {what}")
