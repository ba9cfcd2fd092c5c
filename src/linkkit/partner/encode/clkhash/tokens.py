"""Splits the values of a column into tokens, each distinct token being told by a number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from linkkit.agreement.clkhash.parts import Exact, NGram, Numeric
from linkkit.partner.encode.clkhash._kernels_numpy import distinct_numbers
from linkkit.partner.encode.clkhash.cells import char_bounds, whole_numbers

__all__ = ["Tokens", "tokenize"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

_MOST_KEYS = 1 << 22
_LARGEST = 1 << 62

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Tokens:
    """The tokens of some values.

    Attributes
    ----------
    ids : ndarray of int32, shape (n_tokens,)
        Number of each token among the distinct ones.
    starts : ndarray of int64, shape (n_values + 1,)
        Where each value's tokens start and end in `ids`.
    distinct : list of str
        The distinct tokens.
    refused : ndarray of int64
        Values that cannot be split, being no numbers.
    """

    ids: Int32s
    starts: Int64s
    distinct: list[str]
    refused: Int64s


def tokenize(values: pa.Array, comparison: NGram | Exact | Numeric, *, kernels: Any) -> Tokens:
    """Split values into tokens.

    Parameters
    ----------
    values : pyarrow large_string array, without nulls
        Values as they are hashed; an empty one has no tokens.
    comparison : model
        How to split them.
    kernels : module
        The compiled inner loops, or their twins in numpy.
    """
    if isinstance(comparison, NGram):
        return _ngrams(values, comparison, kernels)
    if isinstance(comparison, Exact):
        return _whole_values(values)
    return _grid_points(values, comparison)


def _bounds(counts: npt.NDArray[Any]) -> Int64s:
    starts = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=starts[1:])
    return starts


def _nothing() -> Int64s:
    return np.zeros(0, dtype=np.int64)


def _whole_values(values: pa.Array) -> Tokens:
    encoded = values.dictionary_encode()
    filled = pc.binary_length(values).to_numpy() > 0
    ids = encoded.indices.to_numpy()[filled].astype(np.int32, copy=False)
    distinct = encoded.dictionary.to_pylist()
    return Tokens(ids=ids, starts=_bounds(filled), distinct=distinct, refused=_nothing())


def _ngrams(values: pa.Array, comparison: NGram, kernels: Any) -> Tokens:
    n, positional = comparison.n, comparison.positional
    chars, bounds = _characters(values)
    lengths = np.diff(bounds)
    starts = _bounds(np.where(lengths > 0, lengths + (n - 1), 0))
    most = int(lengths.max(initial=0)) + n - 1 if positional else 1
    alphabet = _alphabet(chars, bounds)
    bits = max(1, (len(alphabet) - 1).bit_length())
    n_keys = (1 << (bits * n)) * max(most, 1)
    if n_keys > _LARGEST:
        return _ngrams_one_by_one(values, comparison)
    codes = np.zeros(int(alphabet.max()) + 1, dtype=np.int64)
    codes[alphabet] = np.arange(len(alphabet))
    if n_keys > _MOST_KEYS:
        from linkkit.partner.encode.clkhash import _kernels_numpy as kernels
    ids, keys = kernels.ngram_ids(
        chars, bounds, codes, n=n, bits=bits, positional=positional, starts=starts, n_keys=n_keys
    )
    distinct = _spelled(keys, alphabet, bits, n, positional=positional)
    return Tokens(ids=ids, starts=starts, distinct=distinct, refused=_nothing())


def _characters(values: pa.Array) -> tuple[npt.NDArray[Any], Int64s]:
    """Return the code points of all values, one after the other, and where each starts."""
    data, bounds = char_bounds(values)
    data = data[bounds[0] : bounds[-1]]
    bounds = bounds - bounds[0]
    if not data.size or data.max() < 128:
        return data, bounds
    points = np.frombuffer(data.tobytes().decode().encode("utf-32-le"), dtype=np.uint32)
    # Every byte of UTF-8 but 10xxxxxx begins a character.
    begun = _bounds((data & 0xC0) != 0x80)
    return points, begun[bounds]


def _alphabet(chars: npt.NDArray[Any], bounds: Int64s) -> Int64s:
    """Return the characters that occur, the blank first, as it pads the values."""
    seen = np.zeros(max(int(chars.max(initial=0)), ord(" ")) + 1, dtype=np.bool_)
    seen[chars[: bounds[-1]]] = True
    seen[ord(" ")] = False
    return np.concatenate([[ord(" ")], np.flatnonzero(seen)]).astype(np.int64)


def _spelled(keys: Int64s, alphabet: Int64s, bits: int, n: int, *, positional: bool) -> list[str]:
    letters = [chr(point) for point in alphabet.tolist()]
    mask = (1 << bits) - 1
    shifts = [bits * back for back in range(n - 1, -1, -1)]
    grams = ["".join([letters[(key >> s) & mask] for s in shifts]) for key in keys.tolist()]
    if not positional:
        return grams
    places = (keys >> (bits * n)).tolist()
    return [f"{place + 1} {gram}" for place, gram in zip(places, grams, strict=True)]


def _ngrams_one_by_one(values: pa.Array, comparison: NGram) -> Tokens:
    """Split values whose n-grams do not fit a machine word."""
    n, pad = comparison.n, " " * (comparison.n - 1)

    def split(value: str) -> list[str]:
        padded = f"{pad}{value}{pad}" if value else ""
        grams = [padded[i : i + n] for i in range(len(padded) - n + 1)]
        return [f"{i} {g}" for i, g in enumerate(grams, 1)] if comparison.positional else grams

    return _numbered(split(value) for value in values.to_pylist())


def _numbered(lists: Iterable[list[str]], refused: Int64s | None = None) -> Tokens:
    number: dict[str, int] = {}
    ids = [[number.setdefault(token, len(number)) for token in tokens] for tokens in lists]
    return Tokens(
        ids=np.array([i for row in ids for i in row], dtype=np.int32),
        starts=_bounds(np.array([len(row) for row in ids], dtype=np.int64)),
        distinct=list(number),
        refused=_nothing() if refused is None else refused,
    )


def _grid_points(values: pa.Array, comparison: Numeric) -> Tokens:
    """Split numbers into the grid points around them."""
    numbers, plain = whole_numbers(values)
    factor = 2 * comparison.resolution * 10**comparison.fractional_precision
    reach = comparison.grid * (comparison.resolution + 1)
    largest = max(int(numbers.max(initial=0)), -int(numbers.min(initial=0)))
    if not plain.all() or largest * factor + reach >= _LARGEST:
        return _grid_points_one_by_one(values, comparison)
    steps = np.arange(-comparison.resolution, comparison.resolution + 1) * comparison.grid
    points = (_nearest(numbers * factor, comparison.grid)[:, None] + steps).ravel()
    ids, keys = distinct_numbers(points)
    starts = np.arange(len(values) + 1, dtype=np.int64) * len(steps)
    distinct = [str(key) for key in keys.tolist()]
    return Tokens(ids=ids, starts=starts, distinct=distinct, refused=_nothing())


def _nearest(value: Any, grid: int) -> Any:
    """Return the nearest multiple of `grid`, the higher one where two are as near."""
    residue = value % grid
    return value - residue + grid * (2 * residue >= grid) * (residue > 0)


def _grid_points_one_by_one(values: pa.Array, comparison: Numeric) -> Tokens:
    lists = [_grid_points_of(value, comparison) for value in values.to_pylist()]
    refused = [i for i, tokens in enumerate(lists) if tokens is None]
    return _numbered([tokens or [] for tokens in lists], np.array(refused, dtype=np.int64))


def _grid_points_of(text: str, comparison: Numeric) -> list[str] | None:
    if not text:
        return []
    precision, resolution = comparison.fractional_precision, comparison.resolution
    try:
        middle = _nearest(_scaled(text, precision) * 2 * resolution, comparison.grid)
        steps = range(-resolution, resolution + 1)
        return [str(middle + i * comparison.grid) for i in steps]
    except (ValueError, OverflowError):
        return None


def _scaled(text: str, precision: int) -> int:
    scale: int = 10**precision
    try:
        return int(text, base=10) * scale
    except ValueError:
        pass
    number = float(text)
    return round(number * scale) if precision else int(number)
