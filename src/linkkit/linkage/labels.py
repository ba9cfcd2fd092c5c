"""What is known of some pairs for sure: the same person, or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from linkkit.errors import OptionError
from linkkit.exchange.atomic import atomic_text
from linkkit.linkage.pool import Pool

__all__ = ["LabelledPairs", "PairLabels", "labels_on"]

_TOKEN_BYTES = 16
_HEADER = "token,other_token,same\n"
_VERDICTS = {"true": True, "false": False}


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class LabelledPairs:
    """Labels on the records of a pool.

    Attributes
    ----------
    left, right : ndarray of int64, shape (n_labels,)
        Positions in the pool, left before right; each pair once, in ascending order.
    same : ndarray of bool, shape (n_labels,)
        Whether both records are of one person.
    """

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    same: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.left)

    def __repr__(self) -> str:
        return f"<LabelledPairs: {len(self)} pairs, {int(self.same.sum())} of one person>"


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PairLabels:
    """Pairs of record tokens that somebody who sees the records has judged.

    Attributes
    ----------
    one, other : ndarray of uint8, shape (n_labels, 16)
        Record tokens.
    same : ndarray of bool, shape (n_labels,)
        Whether both records are of one person.

    Raises
    ------
    OptionError
        When the arrays do not fit each other.

    Examples
    --------
    >>> labels = PairLabels.of([("00" * 16, "01" * 16, True)])
    >>> len(labels)
    1
    """

    one: npt.NDArray[np.uint8]
    other: npt.NDArray[np.uint8]
    same: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        shape = (len(self.same), _TOKEN_BYTES)
        if not self.one.shape == self.other.shape == shape:
            raise OptionError(
                "labels are two record tokens of 16 bytes and a verdict for each pair",
                hint="Make them with PairLabels.of.",
            )

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str, bool]]) -> PairLabels:
        """Return labels of rows of two tokens in hexadecimal and whether they are one person's.

        Raises
        ------
        OptionError
            When a row does not hold that.
        """
        ones, others, same = [], [], []
        for number, row in enumerate(rows, start=1):
            tokens = [_token(text) for text in row[:2]]
            if len(row) != 3 or None in tokens or not isinstance(row[2], (bool, np.bool_)):
                raise OptionError(
                    f"label {number} is not two record tokens and True or False",
                    hint="Write tokens as 32 hexadecimal digits.",
                )
            ones.append(tokens[0])
            others.append(tokens[1])
            same.append(bool(row[2]))
        return cls(one=_matrix(ones), other=_matrix(others), same=np.array(same, dtype=np.bool_))

    def __len__(self) -> int:
        return len(self.same)

    def __repr__(self) -> str:
        return f"<PairLabels: {len(self)} pairs, {int(self.same.sum())} of one person>"

    def joined(self, newer: PairLabels) -> PairLabels:
        """Return these labels and newer ones, each pair once; of two verdicts, the newer counts."""
        verdicts = {**self.by_pair(), **newer.by_pair()}
        pairs = sorted(verdicts)
        return PairLabels(
            one=_matrix([one for one, _ in pairs]),
            other=_matrix([other for _, other in pairs]),
            same=np.array([verdicts[pair] for pair in pairs], dtype=np.bool_),
        )

    def by_pair(self) -> dict[tuple[bytes, bytes], bool]:
        """Return the verdict on each pair of tokens, the smaller token first."""
        verdicts = {}
        for one, other, same in zip(self.one, self.other, self.same.tolist(), strict=True):
            a, b = one.tobytes(), other.tobytes()
            verdicts[min(a, b), max(a, b)] = same
        return verdicts

    def n_contradicted(self, newer: PairLabels) -> int:
        """Return how many pairs newer labels judge otherwise."""
        mine = self.by_pair()
        return sum(mine.get(pair, same) != same for pair, same in newer.by_pair().items())

    def save(self, path: str | Path) -> Path:
        """Write a CSV file of ``token``, ``other_token`` and ``same`` for its owner alone.

        Raises
        ------
        SealError
            When it cannot be written.
        """
        rows = zip(self.one, self.other, self.same.tolist(), strict=True)
        lines = [
            f"{one.tobytes().hex()},{other.tobytes().hex()},{str(same).lower()}\n"
            for one, other, same in rows
        ]
        return atomic_text(path, "".join([_HEADER, *lines]), private=True)

    @classmethod
    def load(cls, path: str | Path) -> PairLabels:
        """Read what :meth:`save` wrote, or others of that form.

        Raises
        ------
        OptionError
            When the file cannot be read, or a line does not hold that; it is named by its number.
        """
        lines = _lines_of(Path(path))
        rows: list[tuple[str, str, bool]] = []
        bad: list[int] = []
        for number, line in enumerate(lines, start=2):
            cells = [cell.strip().lower() for cell in line.split(",")]
            if len(cells) == 3 and cells[2] in _VERDICTS and all(map(_token, cells[:2])):
                rows.append((cells[0], cells[1], _VERDICTS[cells[2]]))
            elif line.strip():
                bad.append(number)
        if bad:
            raise OptionError(
                [f"line {number} of the labels is no label" for number in bad],
                hint="A line is two record tokens of 32 hexadecimal digits, and true or false.",
            )
        return cls.of(rows)

    def on(self, pool: Pool) -> LabelledPairs:
        """Return the labels whose records are both in the pool.

        Raises
        ------
        OptionError
            When a pair has both verdicts, or is a record with itself.
        """
        place = {token.tobytes(): row for row, token in enumerate(pool.tokens)}
        known: dict[tuple[int, int], bool] = {}
        for one, other, same in zip(self.one, self.other, self.same.tolist(), strict=True):
            a, b = place.get(one.tobytes()), place.get(other.tobytes())
            if a is None or b is None:
                continue
            pair = (min(a, b), max(a, b))
            if a == b or known.setdefault(pair, same) != same:
                raise OptionError(
                    "a label is of a record with itself"
                    if a == b
                    else "a pair is labelled the same and not the same",
                    hint="Ask the partners again, and give each pair one label.",
                )
        rows = np.array([(*pair, known[pair]) for pair in sorted(known)], dtype=np.int64)
        left, right, same_of = rows.reshape(-1, 3).T
        return LabelledPairs(left=left, right=right, same=same_of.astype(np.bool_))


def labels_on(pool: Pool, labels: PairLabels | None) -> LabelledPairs | None:
    """Return labels on the records of a pool, or None without any.

    Raises
    ------
    OptionError
        When something else is given, or the labels contradict each other.
    """
    if labels is None:
        return None
    if not isinstance(labels, PairLabels):
        raise OptionError(
            f"'labels' are PairLabels, not {type(labels).__name__}",
            hint="Make them with combine_answers, PairLabels.load or PairLabels.of.",
        )
    return labels.on(pool)


def _token(text: object) -> bytes | None:
    content = None
    try:
        content = bytes.fromhex(text) if isinstance(text, str) else None
    except ValueError:
        pass
    return content if content is not None and len(content) == _TOKEN_BYTES else None


def _lines_of(path: Path) -> list[str]:
    text: str | None = None
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        pass
    if text is not None and (lines := text.splitlines()) and lines[0].strip() == _HEADER.strip():
        return lines[1:]
    raise OptionError(
        "the file of labels is not there, or not one",
        hint=f"Its first line is '{_HEADER.strip()}'. 'linkkit review combine' writes such a file.",
    )


def _matrix(tokens: Sequence[bytes | None]) -> npt.NDArray[np.uint8]:
    content = b"".join(token for token in tokens if token is not None)
    return np.frombuffer(content, dtype=np.uint8).reshape(-1, _TOKEN_BYTES)
