"""Cuts a column of values into numbered tokens, each distinct token once.

Values of plain ASCII are cut by compiled kernels, straight from Arrow's buffers; others, small
columns and columns where there is no numba go through the functions of
:mod:`linkkit.partner.encode.kinds`, with the same tokens.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.engines import has_numba
from linkkit.partner.encode import _token_reference
from linkkit.partner.encode.kinds import (
    address_parts,
    date_parts,
    digit_places,
    email_parts,
    whole,
    word_bigrams,
)

__all__ = [
    "Tokens",
    "all_differ",
    "each_once",
    "is_valid",
    "or_tokens",
    "text_buffers",
    "tokenize",
]

Cutter = Callable[[str], Iterable[str]]
Ids = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

_WORTH_COMPILED = 5_000
_VALUES_AT_ONCE = 131_072
_ADDRESSES_AT_ONCE = 262_144

# Where each sort of token begins among the numbers that stand for it: see _token_kernels.
_RANGES: tuple[tuple[int, Callable[[int], str]], ...] = (
    (0, lambda n: chr(n // 128) + chr(n % 128)),
    (16_384, lambda n: f"{n // 128}:{chr(n % 128)}"),
    (49_152, lambda n: f"y{n:04d}"),
    (59_152, lambda n: f"m{n:02d}"),
    (59_252, lambda n: f"d{n:02d}"),
    (59_352, lambda n: f"u{n:02d}"),
    (59_452, lambda n: f"md{n:04d}"),
    (69_452, lambda n: f"#{n // 128}:{chr(n % 128)}"),
)
_STARTS = [start for start, _ in _RANGES]
_FEWEST_WHOLES = 16_384
_N_KEYS = 102_220
_KERNELS: dict[Cutter, tuple[str, str | None]] = {
    word_bigrams: ("cut_words", None),
    date_parts: ("cut_dates", None),
    digit_places: ("cut_places", None),
    address_parts: ("cut_addresses", "#"),
    email_parts: ("cut_emails", "@"),
}


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Tokens:
    """The tokens of some values.

    Attributes
    ----------
    ids : ndarray of int32, shape (n_tokens,)
        Numbers of all values' tokens. A value may have one twice.
    starts : ndarray of int64, shape (n_values + 1,)
        Where each value's tokens begin in `ids`; a null has none.
    texts : list of str
        The distinct tokens.
    """

    ids: Ids
    starts: Int64s
    texts: list[str]

    def __repr__(self) -> str:
        return f"<Tokens: {len(self.starts) - 1} values, {len(self.texts)} distinct tokens>"


def text_buffers(values: pa.Array) -> tuple[npt.NDArray[np.uint8], Int64s]:
    """Return the bytes of a column of ``large_string``, and where each value starts and ends."""
    if not len(values):
        return np.zeros(0, dtype=np.uint8), np.zeros(1, dtype=np.int64)
    _, offsets, data = values.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int64, count=len(values) + 1, offset=8 * values.offset)
    content = b"" if data is None else data
    return np.frombuffer(content, dtype=np.uint8), bounds


def is_valid(values: pa.Array) -> npt.NDArray[np.bool_]:
    """Return which values are not null."""
    if not values.null_count:
        return np.ones(len(values), dtype=np.bool_)
    return np.asarray(values.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)


def tokenize(values: pa.Array, tokens: Cutter) -> Iterator[Tokens]:
    """Cut values into tokens, some tens of thousands of values at a time.

    Parameters
    ----------
    values : pyarrow.Array
        Standardized values, null where missing.
    tokens : callable
        Splits one value, such as :func:`~linkkit.partner.encode.kinds.word_bigrams`.

    Yields
    ------
    Tokens
        Of the next values, with numbers of their own. Good until the next are asked for.

    Examples
    --------
    >>> found = next(tokenize(pa.array(["ana", None]), word_bigrams))
    >>> [found.texts[i] for i in found.ids], found.starts
    (['_a', 'an', 'na', 'a_'], array([0, 4, 4]))
    """
    values = values.cast(pa.large_string())
    room = np.empty(0, dtype=np.int32)
    step = _ADDRESSES_AT_ONCE if tokens is address_parts else _VALUES_AT_ONCE
    for start in range(0, len(values), step):
        chunk = values.slice(start, step)
        if tokens is whole:
            yield _wholes(chunk)
        elif tokens in _KERNELS and len(values) >= _WORTH_COMPILED and has_numba():
            n_keys = _most_tokens(chunk, tokens)
            room = room if len(room) >= n_keys else np.empty(n_keys, dtype=np.int32)
            yield _compiled(chunk, tokens, room)
        else:
            yield _of_distinct(chunk, tokens)


def _wholes(values: pa.Array) -> Tokens:
    distinct = values.dictionary_encode()
    present = is_valid(values)
    codes = distinct.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int32)
    return Tokens(
        ids=codes[present],
        starts=np.append(0, np.cumsum(present)).astype(np.int64),
        texts=distinct.dictionary.to_pylist(),
    )


def _of_distinct(values: pa.Array, tokens: Cutter) -> Tokens:
    distinct = values.dictionary_encode()
    ids, starts, texts = _token_reference.cut(distinct.dictionary.to_pylist(), tokens)
    codes = distinct.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    return _taken(Tokens(ids=ids, starts=starts, texts=texts), codes, is_valid(values))


def _taken(found: Tokens, of_value: Int64s, kept: npt.NDArray[np.bool_]) -> Tokens:
    """Return the tokens of values by position, none where `kept` is false."""
    counts = np.zeros(len(of_value), dtype=np.int64)
    counts[kept] = np.diff(found.starts)[of_value[kept]]
    starts = np.append(0, np.cumsum(counts))
    firsts = np.zeros(len(of_value), dtype=np.int64)
    firsts[kept] = found.starts[of_value[kept]]
    places = np.arange(starts[-1]) + np.repeat(firsts - starts[:-1], counts)
    return Tokens(ids=found.ids[places], starts=starts, texts=found.texts)


def _most_tokens(values: pa.Array, tokens: Cutter) -> int:
    _, bounds = text_buffers(values)
    n_bytes, n = int(bounds[-1] - bounds[0]), len(values)
    if tokens is date_parts:
        return 14 * n
    return 2 * n_bytes if tokens is digit_places else n_bytes + 2 * n


def _compiled(values: pa.Array, tokens: Cutter, keys: Ids) -> Tokens:
    from linkkit.partner.encode import _token_kernels

    name, prefix = _KERNELS[tokens]
    data, bounds = text_buffers(values)
    content = data[bounds[0] : bounds[-1]]
    n, present = len(values), is_valid(values)
    starts = np.zeros(n + 1, dtype=np.int64)
    odd = np.zeros(n, dtype=np.bool_)
    mixed = bool(content.max(initial=0) >= 128)
    wholes = np.zeros((0, 3), dtype=np.int64)
    cut: Any = getattr(_token_kernels, name)
    done = cut(data, bounds, present, mixed, keys, starts, odd, *_room(wholes, prefix))
    while done is False:
        # Few words repeat again and again, and a small table stays in the processor's cache.
        wholes = np.empty((max(8 * len(wholes), _FEWEST_WHOLES), 3), dtype=np.int64)
        done = cut(data, bounds, present, mixed, keys, starts, odd, *_room(wholes, prefix))
    ids = keys[: starts[-1]]
    table = np.full(_N_KEYS + len(wholes), -1, dtype=np.int32)
    found = np.empty(min(len(table), len(ids)), dtype=np.int32)
    number: Any = _token_kernels.number_keys
    wholes[:, 1] -= bounds[0]
    text = content.tobytes().decode("latin-1") if prefix else ""
    texts = _texts(found[: number(ids, table, found)], text, wholes, prefix or "")
    plain = Tokens(ids=ids, starts=starts, texts=texts)
    return _with_odd(plain, odd, values, tokens) if odd.any() else plain


def _room(wholes: Int64s, prefix: str | None) -> tuple[Ids, Int64s] | tuple[()]:
    """Return the hash table of words that count as wholes, at most half full."""
    return () if prefix is None else (np.full(2 * len(wholes) or 1, -1, dtype=np.int32), wholes)


def _texts(keys: Ids, content: str, wholes: Int64s, prefix: str) -> list[str]:
    """Return the tokens that keys stand for; `wholes` lie in `content`, which is ASCII there."""
    edges = wholes[keys[keys >= _N_KEYS] - _N_KEYS, 1:]
    ends = (edges[:, 0] + edges[:, 1]).tolist()
    places = zip(edges[:, 0].tolist(), ends, strict=True)
    texts = []
    for key in keys.tolist():
        if key >= _N_KEYS:
            first, last = next(places)
            texts.append(prefix + content[first:last])
        else:
            start, text = _RANGES[bisect.bisect_right(_STARTS, key) - 1]
            texts.append(text(key - start))
    return texts


def _with_odd(
    plain: Tokens, odd: npt.NDArray[np.bool_], values: pa.Array, tokens: Cutter
) -> Tokens:
    """Return tokens with those of odd values, which the kernels pass over, put in."""
    others = _of_distinct(values.take(pa.array(np.flatnonzero(odd))), tokens)
    both = Tokens(
        ids=np.concatenate([plain.ids, others.ids + np.int32(len(plain.texts))]),
        starts=np.concatenate([plain.starts, plain.starts[-1] + others.starts[1:]]),
        texts=plain.texts + others.texts,
    )
    of_value = np.arange(len(odd))
    of_value[odd] = len(odd) + np.arange(np.count_nonzero(odd))
    return _taken(both, of_value, np.ones(len(odd), dtype=np.bool_))


def all_differ(values: pa.Array) -> bool:
    """Whether it was found, quickly, that no two values of a large column are the same."""
    if values.null_count or len(values) < _WORTH_COMPILED or not has_numba():
        return False
    from linkkit.partner.encode import _token_kernels

    numbers = np.empty(len(values), dtype=np.uint64)
    compiled: Any = _token_kernels.hash_texts
    compiled(*text_buffers(values), numbers)
    numbers.sort()
    return bool((numbers[1:] != numbers[:-1]).all())


def each_once(ids: Ids, starts: Int64s) -> tuple[Ids, Int64s]:
    """Return the distinct tokens of each value, in the order of appearance, and their starts."""
    if len(starts) > _WORTH_COMPILED and has_numba():
        from linkkit.partner.encode import _token_kernels

        kept, edges = np.empty_like(ids), np.zeros_like(starts)
        compiled: Any = _token_kernels.each_once
        compiled(ids, starts, kept, edges)
        return kept[: edges[-1]], edges
    return _token_reference.each_once(ids, starts)


def or_tokens(
    masks: npt.NDArray[np.uint64],
    ids: Ids,
    starts: Int64s,
    places: Int64s,
    out: npt.NDArray[np.uint64],
) -> None:
    """Write the masks of each value's tokens, OR-ed, to a row of `out`.

    Parameters
    ----------
    masks : ndarray of uint64, shape (n_distinct, n_words)
        The bits of each token.
    ids, starts : ndarray
        As in :class:`Tokens`.
    places : ndarray of int64, shape (n_values,)
        Which row each value is written to; none below 0.
    out : ndarray of uint64, shape (n_rows, n_words)
        Changed in place.
    """
    if len(starts) > _WORTH_COMPILED and has_numba():
        from linkkit.partner.encode import _token_kernels

        compiled: Any = _token_kernels.or_tokens
        compiled(masks, ids, starts, places, out)
    else:
        _token_reference.or_tokens(masks, ids, starts, places, out)
