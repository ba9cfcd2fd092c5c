"""The error tree: what went wrong, where, and what to do, never with a person's value.

Everybody who calls linkkit meets these classes. A message names a party, a column, a row
number, a rule or a count. It never carries a cell of anybody's data, and neither does the
chain of causes behind it: code that catches an engine's exception notes the position,
leaves the ``except`` block, and only then raises.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

__all__ = [
    "AgreementError",
    "BenchmarkError",
    "DependencyError",
    "ExtractError",
    "LinkageError",
    "LinkkitError",
    "MismatchError",
    "NotAuthorizedError",
    "OptionError",
    "ProtectionError",
    "ReleaseError",
    "ReplayError",
    "SealError",
    "SecretError",
    "WrongStageError",
]

_SHOWN = 20


class LinkkitError(Exception):
    """Base of every error that linkkit raises on purpose.

    Parameters
    ----------
    problems : str or iterable of str
        All that is wrong with the input, one sentence each. They are reported together.
    hint : str, optional
        What the caller can do about it.

    Attributes
    ----------
    code : str
        A stable name for the kind of error, such as ``"agreement"``.
    exit_status : int
        What the command line exits with.
    problems : tuple of str
        One sentence for each problem.
    hint : str
        What to do, or an empty string.

    Examples
    --------
    >>> error = ExtractError("district: column 'DOB' is missing", hint="Check the header row.")
    >>> error.code, error.exit_status
    ('extract', 12)
    >>> print(error)
    district: column 'DOB' is missing
    What to do: Check the header row.
    """

    code: ClassVar[str] = "linkkit"
    exit_status: ClassVar[int] = 1

    def __init__(self, problems: str | Iterable[str], *, hint: str = "") -> None:
        self.problems: tuple[str, ...] = (
            (problems,) if isinstance(problems, str) else tuple(problems)
        )
        self.hint = hint
        super().__init__(self._message())

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.args, self.__dict__)

    def _message(self) -> str:
        shown = list(self.problems[:_SHOWN])
        if len(self.problems) > _SHOWN:
            shown.append(f"and {len(self.problems) - _SHOWN} more problems of this kind")
        text = shown[0] if len(shown) == 1 else "\n".join(f"- {line}" for line in shown)
        return f"{text}\nWhat to do: {self.hint}" if self.hint else text


def _restore(
    kind: type[LinkkitError], args: tuple[object, ...], state: dict[str, object]
) -> LinkkitError:
    """Make an error again in another process."""
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class OptionError(LinkkitError):
    """An argument or option has a value that linkkit cannot use."""

    code = "option"
    exit_status = 10


class AgreementError(LinkkitError):
    """The agreement document is incomplete, contradictory or not in the known format."""

    code = "agreement"
    exit_status = 11


class ExtractError(LinkkitError):
    """A party's file or table cannot be read as the agreement describes it."""

    code = "extract"
    exit_status = 12


class NotAuthorizedError(LinkkitError):
    """Somebody tried what a clause of the agreement does not allow.

    Attributes
    ----------
    clause : str
        Dotted path of the clause in the agreement document, such as
        ``"parties.district.payload"``.
    """

    code = "not_authorized"
    exit_status = 13

    def __init__(self, problems: str | Iterable[str], *, clause: str, hint: str = "") -> None:
        self.clause = clause
        lines = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__([f"clause '{clause}': {line}" for line in lines], hint=hint)


class SecretError(LinkkitError):
    """A key is too weak, unreadable, badly stored, or used where it does not belong."""

    code = "secret"
    exit_status = 14


class SealError(LinkkitError):
    """A file is not what its seal says: altered, cut short, or meant for somebody else."""

    code = "seal"
    exit_status = 15


class MismatchError(LinkkitError):
    """Artifacts do not belong together: another key, encoding spec or agreement."""

    code = "mismatch"
    exit_status = 16


class LinkageError(LinkkitError):
    """The encodings cannot be linked as asked."""

    code = "linkage"
    exit_status = 17


class ProtectionError(LinkkitError):
    """The data set cannot be given the protection that the agreement demands."""

    code = "protection"
    exit_status = 18


class ReleaseError(LinkkitError):
    """A release was stopped because its files would not keep what they promise."""

    code = "release"
    exit_status = 19


class WrongStageError(LinkkitError, TypeError):
    """A step was handed the product of another stage than the one it takes."""

    code = "wrong_stage"
    exit_status = 20


class DependencyError(LinkkitError, ImportError):
    """An optional package is needed for this and is not installed."""

    code = "dependency"
    exit_status = 21


class ReplayError(LinkkitError):
    """A delivery is older than one of the same sender that was accepted already."""

    code = "replay"
    exit_status = 22


class BenchmarkError(LinkkitError):
    """A task of a benchmark, linkkit's or a peer's, did not end well."""

    code = "benchmark"
    exit_status = 23
