"""What an attacker sees: encodings as plain arrays, pass by pass, and no key.

The attacker's own list has the same form, encoded under a key of the attacker's own choosing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.errors import OptionError

__all__ = ["NO_GROUP", "PassView", "Target", "Truth", "require_pair"]

NO_GROUP = -1
"""Group of a record that has no salt in a pass: it is comparable with no other record there."""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PassView:
    """One pass, or one filter, of every record.

    Attributes
    ----------
    words : ndarray of uint64, shape (n_records, n_words)
        The bits; bit ``i`` is bit ``i % 64`` of word ``i // 64``.
    groups : ndarray of int64, shape (n_records,), or None
        The salt group of each record as it travels with the encoding, from 0, or -1 for none.
        None when the pass is not salted: all its records are comparable. The numbers on two
        sides have nothing in common, as groups are named under a key.
    present : ndarray of bool, shape (n_records,), or None
        Whether the record has this filter at all; None when every record has.
    """

    words: npt.NDArray[np.uint64]
    groups: npt.NDArray[np.int64] | None = None
    present: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.words.ndim != 2 or self.words.dtype != np.uint64 or not self.words.shape[1]:
            raise OptionError("the words of a pass are uint64 of shape (n_records, n_words)")
        for name in ("groups", "present"):
            of_record = getattr(self, name)
            if of_record is not None and of_record.shape != (len(self.words),):
                raise OptionError(f"the {name} of a pass are one value for each record")
        if self.groups is not None and (self.groups.min(initial=0) < NO_GROUP):
            raise OptionError("groups count from 0, and -1 stands for no group")

    @property
    def n_bits(self) -> int:
        """Width in bits."""
        return int(self.words.shape[1]) * 64

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Records that can be compared in this pass at all, shape (n_records,)."""
        usable = np.ones(len(self.words), dtype=np.bool_)
        if self.present is not None:
            usable &= self.present
        if self.groups is not None:
            usable &= self.groups != NO_GROUP
        return usable

    def bits(self) -> npt.NDArray[np.uint8]:
        """Return the bits, shape (n_records, n_bits), 0 or 1."""
        octets = np.ascontiguousarray(self.words.astype("<u8")).view(np.uint8)
        return np.unpackbits(octets.reshape(len(self.words), -1), axis=1, bitorder="little")

    def popcounts(self) -> npt.NDArray[np.int64]:
        """Return how many bits of each record are set, shape (n_records,)."""
        return np.asarray(np.bitwise_count(self.words).sum(axis=1), dtype=np.int64)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Target:
    """Encodings of a list of records: one or more passes, with the records in one order.

    Examples
    --------
    >>> words = np.zeros((3, 16), dtype=np.uint64)
    >>> target = Target(passes=(PassView(words=words), PassView(words=words)))
    >>> len(target), target
    (3, <Target: 3 records, 2 passes>)
    """

    passes: tuple[PassView, ...]

    def __post_init__(self) -> None:
        if not self.passes:
            raise OptionError("a target has at least one pass")
        if len({len(one.words) for one in self.passes}) > 1:
            raise OptionError("every pass of a target has the same records in the same order")

    def __len__(self) -> int:
        return len(self.passes[0].words)

    def __repr__(self) -> str:
        n = len(self.passes)
        return f"<Target: {len(self)} records, {n} pass{'es' if n > 1 else ''}>"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Truth:
    """Who is who: for scoring, and for drawing the known pairs; an attack sees nothing else of it.

    Attributes
    ----------
    pairs : ndarray of int64, shape (n_overlap, 2)
        Position in the target and position in the attacker's list of each person in both.
    """

    pairs: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.pairs.ndim != 2 or self.pairs.shape[1] != 2 or not len(self.pairs):
            raise OptionError("truth is one or more pairs of positions, shape (n_overlap, 2)")
        if any(len(np.unique(self.pairs[:, side])) < len(self.pairs) for side in (0, 1)):
            raise OptionError("truth names each record of a side at most once")


def require_pair(target: Target, own: Target, truth: Truth | None = None) -> None:
    """Refuse lists that were not encoded alike, or a truth that points outside them.

    The attacker knows the salts of its own list even where the target shows no groups, so the
    own list may have groups that the target lacks.
    """
    problems = []
    if len(target) < 2 or len(own) < 2:
        problems.append("both lists need two or more records")
    if [one.n_bits for one in target.passes] != [one.n_bits for one in own.passes]:
        problems.append("target and own list differ in their passes or widths")
    elif any(
        theirs.groups is not None and mine.groups is None
        for theirs, mine in zip(target.passes, own.passes, strict=True)
    ):
        problems.append("the own list lacks the groups of a salted pass")
    if truth is not None:
        low, high = truth.pairs.min(axis=0), truth.pairs.max(axis=0)
        if low.min() < 0 or high[0] >= len(target) or high[1] >= len(own):
            problems.append("truth points outside the lists")
    if problems:
        raise OptionError(problems, hint="Encode the attacker's list by the target's own scheme.")
