"""Typing errors in many cells at once.

Run where large files are written. In: the cells that an error befalls. Out: the same cells, each
with one character inserted, left out, changed, or swapped with the next.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["mistype"]

_INSERT, _OMIT, _SWAP, _CHANGE = range(4)

_Chars = npt.NDArray[np.uint32]
_Places = npt.NDArray[np.int64]


def mistype(values: pa.Array, rng: np.random.Generator) -> pa.StringArray:
    """Return each value with one typing error.

    Parameters
    ----------
    values : pyarrow.StringArray
        Without nulls; an empty value comes back as a single letter.
    rng : numpy.random.Generator

    Returns
    -------
    pyarrow.StringArray
        Every value differs from what it was. Digits are mistyped as digits, letters as letters.

    Examples
    --------
    >>> mistype(pa.array(["Smith", "1984-03-05"]), np.random.default_rng(4)).to_pylist()
    ['Smitk', '1984-63-05']
    """
    n = len(values)
    if n == 0:
        return pa.array([], pa.string())
    text = np.asarray(values.to_pylist(), dtype=np.str_)
    lengths = np.strings.str_len(text).astype(np.int64)
    width = int(lengths.max()) + 1
    chars = text.astype(f"<U{width}").view(np.uint32).reshape(n, width)
    rows = np.arange(n)
    at = _places(chars, lengths, rng)
    here, following = chars[rows, at], chars[rows, np.minimum(at + 1, width - 1)]
    kind = rng.integers(4, size=n)
    kind[(kind == _OMIT) & (lengths < 2)] = _CHANGE
    kind[(kind == _SWAP) & ((here == following) | ~_is_word(following))] = _CHANGE
    kind[lengths == 0] = _INSERT
    changed = chars[rows[:, None], _sources(kind, at, width)]
    typed = np.flatnonzero((kind == _CHANGE) | (kind == _INSERT))
    changed[typed, at[typed]] = _others(here[typed], rng)
    return pa.array(np.ascontiguousarray(changed).view(f"<U{width}").ravel(), pa.string())


def _places(chars: _Chars, lengths: _Places, rng: np.random.Generator) -> _Places:
    """Return where each value is mistyped: at a letter or digit, if it has one there or next."""
    at = (rng.random(len(lengths)) * lengths).astype(np.int64)
    onward = np.minimum(at + 1, np.maximum(lengths - 1, 0))
    return np.asarray(np.where(_is_word(chars[np.arange(len(at)), at]), at, onward), dtype=np.int64)


def _sources(kind: _Places, at: _Places, width: int) -> _Places:
    """Return, for each character of each result, which one of the value it is."""
    place, at, kind = np.arange(width)[None, :], at[:, None], kind[:, None]
    moved = place - ((kind == _INSERT) & (place > at)) + ((kind == _OMIT) & (place >= at))
    moved += ((kind == _SWAP) & (place == at)).astype(np.int64)
    moved -= (kind == _SWAP) & (place == at + 1)
    return np.asarray(np.minimum(moved, width - 1), dtype=np.int64)


def _is_word(chars: _Chars) -> npt.NDArray[np.bool_]:
    letters = (chars | 32) - ord("a") < 26
    return (chars > 127) | letters | (chars - ord("0") < 10)


def _others(chars: _Chars, rng: np.random.Generator) -> _Chars:
    """Return another character of the same sort for each: digit, capital or small letter."""
    is_digit, is_capital = chars - ord("0") < 10, chars - ord("A") < 26
    first = np.where(is_digit, ord("0"), np.where(is_capital, ord("A"), ord("a")))
    n_sort = np.where(is_digit, 10, 26)
    step = 1 + (rng.random(len(chars)) * (n_sort - 1)).astype(np.int64)
    known = chars.astype(np.int64) - first
    inside = (known >= 0) & (known < n_sort)
    found = first + (np.where(inside, known, 0) + step) % n_sort
    return np.asarray(found, dtype=np.uint32)
