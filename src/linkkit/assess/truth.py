"""True quality: a crosswalk against the known truth, counted without listing a pair.

Pairs of a group of n records are counted as n (n - 1) / 2, so millions of records take seconds.
The measures are those of Christen, Ranbaduge and Schnell, "Linking Sensitive Data" (2020),
chapter 7; there are no true negatives in them, because nearly all pairs are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from linkkit.assess.inputs import Records, records_of
from linkkit.errors import LinkkitError, MismatchError, OptionError
from linkkit.exchange import Crosswalk

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LinkageScores", "PairScores", "PartyPairScores", "true_quality"]

_TOKEN_DIGITS = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class PairScores:
    """Pairs of records that are of one person, by truth and by crosswalk.

    Attributes
    ----------
    n_true : int
        Pairs that are of one person.
    n_found : int
        Pairs that the crosswalk says are of one person.
    n_right : int
        Pairs that are both.
    """

    n_true: int
    n_found: int
    n_right: int

    @property
    def precision(self) -> float:
        """Share of found pairs that are right, 0 to 1; 1 when none was found."""
        return self.n_right / self.n_found if self.n_found else 1.0

    @property
    def recall(self) -> float:
        """Share of true pairs that were found, 0 to 1; 1 when there is none."""
        return self.n_right / self.n_true if self.n_true else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 0 to 1."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class PartyPairScores(PairScores):
    """The pairs between two parties, or within one when both names are the same."""

    left_party: str
    right_party: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkageScores:
    """How good a linkage is, by the truth.

    Attributes
    ----------
    pairs : PairScores
        All pairs, within parties and across them.
    by_parties : tuple of PartyPairScores
        The same for every two parties, and within each.
    n_records : int
        Records in the crosswalk.
    n_people_true, n_people_found : int
        Different people among them, by truth and by crosswalk.
    n_people_exact : int
        People whose records the crosswalk holds together, all of them and no other.
    n_people_mixed : int
        Person ids of the crosswalk that join records of two or more people.
    n_people_split : int
        People whose records have two or more person ids.
    n_truth_unused : int
        Tokens of the truth that are not in the crosswalk. They are not counted as missed:
        the linkage never saw them.
    """

    pairs: PairScores
    by_parties: tuple[PartyPairScores, ...]
    n_records: int
    n_people_true: int
    n_people_found: int
    n_people_exact: int
    n_people_mixed: int
    n_people_split: int
    n_truth_unused: int

    @property
    def precision(self) -> float:
        """Share of found pairs that are right, 0 to 1."""
        return self.pairs.precision

    @property
    def recall(self) -> float:
        """Share of true pairs that were found, 0 to 1."""
        return self.pairs.recall

    @property
    def f1(self) -> float:
        """Harmonic mean of pair precision and recall, 0 to 1."""
        return self.pairs.f1

    @property
    def people_precision(self) -> float:
        """Share of the crosswalk's people who are exactly right, 0 to 1."""
        return self.n_people_exact / self.n_people_found if self.n_people_found else 1.0

    @property
    def people_recall(self) -> float:
        """Share of true people who were found exactly, 0 to 1."""
        return self.n_people_exact / self.n_people_true if self.n_people_true else 1.0

    @property
    def people_f1(self) -> float:
        """F1 of whole people, 0 to 1; somebody with one record, left alone, counts as found."""
        both = self.n_people_found + self.n_people_true
        return 2 * self.n_people_exact / both if both else 1.0

    def __str__(self) -> str:
        return (
            f"pairs: precision {self.precision:.4f}, recall {self.recall:.4f}, F1 {self.f1:.4f}\n"
            f"people: {self.n_people_found} found, {self.n_people_true} true, "
            f"{self.n_people_exact} exactly right, F1 {self.people_f1:.4f}"
        )

    def as_frame(self) -> pd.DataFrame:
        """Return one row for all pairs, then one for every two parties and within each.

        Columns ``left_party`` and ``right_party`` (``"all"`` in the first row), ``n_true``,
        ``n_found``, ``n_right``, ``precision``, ``recall``, ``f1``.
        """
        import pandas as pd

        rows = [("all", "all", self.pairs)]
        rows += [(item.left_party, item.right_party, item) for item in self.by_parties]
        names = ("n_true", "n_found", "n_right", "precision", "recall", "f1")
        return pd.DataFrame(
            [(left, right, *(getattr(x, name) for name in names)) for left, right, x in rows],
            columns=["left_party", "right_party", *names],
        )


def true_quality(crosswalk: Crosswalk, truth: Any) -> LinkageScores:
    """Measure a crosswalk against the truth.

    Parameters
    ----------
    crosswalk : Crosswalk
        What the linkage found.
    truth : pandas, Polars or Arrow frame
        ``token`` (32 hexadecimal digits) and ``person`` (anything that is the same for the
        records of one person). A token may be there more than once, with one person.

    Returns
    -------
    LinkageScores

    Raises
    ------
    WrongStageError
        When `crosswalk` is not a crosswalk.
    OptionError
        When `truth` is not a frame, lacks a column, or has a token or person that is missing,
        unreadable or contradicts another row.
    MismatchError
        When records of the crosswalk are not in the truth.

    Examples
    --------
    >>> from linkkit.assess.example import example_linkage
    >>> made = example_linkage()
    >>> scores = true_quality(made.result.crosswalk, made.truth)
    >>> scores.n_people_true, scores.precision > 0.9, scores.recall > 0.9
    (240, True, True)
    """
    records = records_of(crosswalk)
    tokens, people = _truth_columns(truth)
    true_person, n_unused = _aligned(crosswalk, tokens, people)
    joint = _joint(records.person, true_person)
    size, n_true, n_found = (_sizes(x) for x in (joint, true_person, records.person))
    # One record of each group of records that share both a found and a true person.
    _, one = np.unique(joint, return_index=True)
    exact = (size[joint[one]] == n_true[true_person[one]]) & (
        size[joint[one]] == n_found[records.person[one]]
    )
    return LinkageScores(
        pairs=_all_pairs(true_person, records.person, joint),
        by_parties=_party_pairs(records, true_person, joint),
        n_records=len(records),
        n_people_true=len(n_true),
        n_people_found=len(n_found),
        n_people_exact=int(exact.sum()),
        n_people_mixed=int((_sizes(records.person[one]) > 1).sum()),
        n_people_split=int((_sizes(true_person[one]) > 1).sum()),
        n_truth_unused=n_unused,
    )


def _sizes(group: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.bincount(group).astype(np.int64)


def _joint(
    person: npt.NDArray[np.int64], true_person: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    n_true = int(true_person.max()) + 1 if len(true_person) else 1
    _, joint = np.unique(person * n_true + true_person, return_inverse=True)
    return np.asarray(joint, dtype=np.int64)


def _all_pairs(
    true_person: npt.NDArray[np.int64],
    person: npt.NDArray[np.int64],
    joint: npt.NDArray[np.int64],
) -> PairScores:
    n_true, n_found, n_right = (
        int((n * (n - 1) // 2).sum()) for n in map(_sizes, (true_person, person, joint))
    )
    return PairScores(n_true=n_true, n_found=n_found, n_right=n_right)


def _party_pairs(
    records: Records, true_person: npt.NDArray[np.int64], joint: npt.NDArray[np.int64]
) -> tuple[PartyPairScores, ...]:
    n = len(records.parties)
    true, found, right = (
        _pairs_between(group, records.party, n) for group in (true_person, records.person, joint)
    )
    return tuple(
        PartyPairScores(
            left_party=records.parties[a],
            right_party=records.parties[b],
            n_true=int(true[a, b]),
            n_found=int(found[a, b]),
            n_right=int(right[a, b]),
        )
        for a in range(n)
        for b in range(a, n)
    )


def _pairs_between(
    group: npt.NDArray[np.int64], party: npt.NDArray[np.int64], n_parties: int
) -> npt.NDArray[np.int64]:
    """Return how many pairs of one group lie between every two parties, and within each."""
    n_groups = int(group.max()) + 1 if len(group) else 0
    ones = np.ones(len(group), dtype=np.int64)
    members = csr_array((ones, (group, party)), shape=(n_groups, n_parties))
    ordered: npt.NDArray[np.int64] = (members.T @ members).toarray().astype(np.int64)
    own = np.bincount(party, minlength=n_parties)
    np.fill_diagonal(ordered, (np.diagonal(ordered) - own) // 2)
    return ordered


def _truth_columns(truth: Any) -> tuple[list[str], npt.NDArray[np.int64]]:
    frame = _as_frame(truth)
    absent = [name for name in ("token", "person") if name not in frame.columns]
    if absent:
        raise OptionError(
            [f"the truth has no column '{name}'" for name in absent],
            hint="Give a frame with columns 'token' and 'person'.",
        )
    tokens = [_token(value) for value in frame["token"].to_list()]
    people, n_without_person = _people(frame["person"])
    problems = []
    if n_unreadable := tokens.count(""):
        problems.append(f"{n_unreadable} tokens of the truth are not 32 hexadecimal digits")
    if n_without_person:
        problems.append(f"{n_without_person} rows of the truth have no person")
    if problems:
        raise OptionError(problems, hint="Every row needs a token and a person.")
    return tokens, people


def _as_frame(truth: Any) -> nw.DataFrame[Any]:
    try:
        return nw.from_native(truth, eager_only=True)
    except (TypeError, ValueError):
        pass
    raise OptionError(
        f"the truth is not a frame that linkkit can read, but {type(truth).__name__}",
        hint="Give a pandas, Polars or Arrow frame with columns 'token' and 'person'.",
    )


def _token(value: object) -> str:
    if not isinstance(value, str) or len(value) != _TOKEN_DIGITS:
        return ""
    return value.lower() if set(value.lower()) <= set("0123456789abcdef") else ""


def _people(column: nw.Series[Any]) -> tuple[npt.NDArray[np.int64], int]:
    """Return a number for each row's person, and how many rows have none."""
    numbers: dict[Any, int] = {}
    missing = column.is_null().to_list()
    codes = np.full(len(missing), -1, dtype=np.int64)
    unusable = False
    try:
        for row, value in enumerate(column.to_list()):
            if not missing[row] and not (isinstance(value, float) and math.isnan(value)):
                codes[row] = numbers.setdefault(value, len(numbers))
    except TypeError:
        unusable = True
    if unusable:
        raise OptionError(
            "column 'person' of the truth holds lists or other things that cannot be compared",
            hint="Give each person one number or text.",
        )
    return codes, int((codes < 0).sum())


def _aligned(
    crosswalk: Crosswalk, tokens: Sequence[str], people: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], int]:
    """Return the true person of each record of the crosswalk, and the tokens that are not there."""
    person_of: dict[str, int] = {}
    n_contradicting = 0
    for token, person in zip(tokens, people.tolist(), strict=True):
        n_contradicting += person_of.setdefault(token, person) != person
    if n_contradicting:
        raise OptionError(
            f"{n_contradicting} rows of the truth give a token another person than an earlier row",
            hint="A record is of one person.",
        )
    wanted = [token.hex() for token in crosswalk.table.column("token").to_pylist()]
    found = np.array([person_of.get(token, -1) for token in wanted], dtype=np.int64)
    n_missing = int((found < 0).sum())
    if n_missing:
        raise _missing_from_truth(n_missing, len(wanted))
    _, numbered = np.unique(found, return_inverse=True)
    return numbered.astype(np.int64), len(person_of) - len(set(wanted) & person_of.keys())


def _missing_from_truth(n_missing: int, n_records: int) -> LinkkitError:
    return MismatchError(
        f"{n_missing} of {n_records} records of the crosswalk are not in the truth",
        hint="Give the truth of every party's records, by the tokens of this very delivery.",
    )
