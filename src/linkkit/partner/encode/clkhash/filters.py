"""The encoder: columns of text in, filters out, bit for bit those of clkhash 0.18.3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from linkkit.agreement.clkhash.parts import BitsPerFeature, DateFormat, EnumFormat, Numeric
from linkkit.agreement.clkhash.schema import ClkFeature, ClkSchema
from linkkit.engines.local import run_in_threads
from linkkit.errors import ExtractError, OptionError, SecretError
from linkkit.partner.encode.clkhash.cells import NOT_A_NUMBER, REASONS, Cells, prepare
from linkkit.partner.encode.clkhash.hashes import Masks, feature_keys
from linkkit.partner.encode.clkhash.tokens import tokenize
from linkkit.partner.read import SetAside
from linkkit.partner.standardize.columns import threads_for

__all__ = ["ClkResult", "encode_clks"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute

Engine = Literal["auto", "numba", "numpy"]

_ROWS_AT_ONCE = 262144
_TOKENS_AT_ONCE = 1 << 24
_ROWS_IN_CACHE = 2048
_SAMPLE = 8192
_MOSTLY_DISTINCT = 0.25
_BLANK = pa.scalar("", pa.large_string())

Words = npt.NDArray[np.uint64]
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ClkResult:
    """Filters of the rows that fit a schema.

    Attributes
    ----------
    words : ndarray of uint64, shape (n_encoded, n_words)
        Bit `i` of a filter is bit ``i % 64`` of word ``i // 64``; bits from `n_bits` on are 0.
    n_bits : int
        Length of a filter.
    rows : ndarray of int64, shape (n_encoded,)
        Number of the row that each filter was made of. Stays home.
    present : ndarray of bool, shape (n_encoded, n_features)
        Whether a hashed feature had a value: neither blank nor the sentinel.
    set_aside : tuple of SetAside
        Rows that clkhash would have stopped at, and why.
    """

    words: Words
    n_bits: int
    rows: Int64s
    present: npt.NDArray[np.bool_]
    set_aside: tuple[SetAside, ...]

    def __len__(self) -> int:
        return len(self.words)

    def __repr__(self) -> str:
        return (
            f"<ClkResult: {len(self)} filters of {self.n_bits} bits, "
            f"{len(self.set_aside)} rows set aside>"
        )


def encode_clks(
    columns: Mapping[str, Any] | pa.Table,
    schema: ClkSchema,
    *,
    secret: bytes,
    rows: npt.NDArray[np.int64] | None = None,
    engine: Engine = "auto",
) -> ClkResult:
    """Encode records as clkhash 0.18.3 does under a linkage schema.

    Parameters
    ----------
    columns : mapping of str to Arrow array, or pyarrow.Table
        Text columns by the identifiers of the schema. A table whose columns are exactly the
        schema's, in order, is read by position; otherwise other columns are allowed, and those
        that the schema ignores may be left out. A null counts as an empty text.
    schema : ClkSchema
        From :func:`~linkkit.partner.encode.clkhash.read_clk_schema`.
    secret : bytes
        What clkhash calls the secret; text is its UTF-8 bytes.
    rows : ndarray of int64, optional
        Numbers of the rows; from 1 by default.
    engine : {"auto", "numba", "numpy"}
        What runs the inner loops: numba where it is installed, by default.

    Returns
    -------
    ClkResult
        The filters, the numbers of their rows, and the rows that were set aside.

    Raises
    ------
    ExtractError
        When columns are missing, hold no text, or differ in length.
    SecretError
        When `secret` is empty or not bytes.
    OptionError
        When `rows` has another length, or the engine is unknown or not installed.

    Examples
    --------
    >>> from linkkit.partner.encode.clkhash import clk_base64, read_clk_schema
    >>> schema = read_clk_schema(
    ...     {
    ...         "version": 3,
    ...         "clkConfig": {"l": 64, "kdf": {"type": "HKDF"}},
    ...         "features": [
    ...             {
    ...                 "identifier": "born",
    ...                 "format": {"type": "date", "format": "%Y-%m-%d"},
    ...                 "hashing": {
    ...                     "comparison": {"type": "ngram", "n": 1, "positional": True},
    ...                     "strategy": {"bitsPerToken": 2},
    ...                 },
    ...             }
    ...         ],
    ...     }
    ... )
    >>> result = encode_clks({"born": pa.array(["2009-05-01", "unknown"])}, schema, secret=b"key")
    >>> result, result.set_aside[0].row
    (<ClkResult: 1 filters of 64 bits, 1 rows set aside>, 2)
    >>> print(result.set_aside[0].reason)
    column 'born' is not a date of the format
    >>> clk_base64(result.words, n_bits=result.n_bits)
    ['AHRAACFCMEA=']
    """
    if not isinstance(secret, bytes) or not secret:
        raise SecretError("'secret' must be bytes, and not empty", hint="Load it from a file.")
    kernels = _kernels_of(engine)
    chosen, n_rows = _chosen(columns, schema)
    numbers = _row_numbers(rows, n_rows)
    keys = feature_keys(schema, secret)
    masks = [Masks(schema, f, keys=keys[f.position]) for f in schema.features]
    words = np.zeros((n_rows, schema.n_words), dtype=np.uint64)
    present = np.zeros((n_rows, len(schema.features)), dtype=np.bool_)
    reasons = np.zeros((n_rows, len(schema.features)), dtype=np.uint8)
    step = _rows_at_once(schema)
    for start in range(0, n_rows, step):
        here = slice(start, min(start + step, n_rows))
        texts = [_as_text(column.slice(start, step)) for column in chosen]

        parts = _in_threads(
            texts, schema, masks, kernels=kernels, present=present[here], reasons=reasons[here]
        )
        _fill(words[here], parts, schema, kernels)
    return _result(words, schema, numbers, present=present, reasons=reasons)


def _in_threads(
    texts: list[pa.Array],
    schema: ClkSchema,
    masks: list[Masks],
    *,
    kernels: Any,
    present: npt.NDArray[np.bool_],
    reasons: npt.NDArray[np.uint8],
) -> list[_Column]:
    """Return some rows of all columns, and note what is present in them and what is wrong."""

    def noted(i: int) -> _Column:
        part = _column(texts[i], schema.features[i], masks[i], kernels)
        present[:, i] = part.of_rows(~part.missing)
        reasons[:, i] = part.of_rows(part.reason)
        return part

    # The longest first, so that no thread is left with it at the end.
    order = sorted(range(len(texts)), key=lambda i: texts[i].nbytes, reverse=True)
    found = dict(
        zip(order, run_in_threads(noted, order, n_threads=threads_for(len(present))), strict=True)
    )
    return [found[i] for i in range(len(texts))]


def _rows_at_once(schema: ClkSchema) -> int:
    """Return for how many rows all tokens fit in memory at a time."""
    comparisons = [feature.hashing.comparison for feature in schema.features]
    reach = max((2 * c.resolution + 1 for c in comparisons if isinstance(c, Numeric)), default=1)
    return max(1, min(_ROWS_AT_ONCE, _TOKENS_AT_ONCE // reach))


def _kernels_of(engine: str) -> Any:
    if engine not in {"auto", "numba", "numpy"}:
        raise OptionError("'engine' is 'auto', 'numba' or 'numpy'", hint="Leave it out.")
    if engine != "numpy":
        try:
            from linkkit.partner.encode.clkhash import _kernels
        except ImportError:
            if engine == "numba":
                raise OptionError("numba is not installed", hint="Leave 'engine' out.") from None
        else:
            return _kernels
    from linkkit.partner.encode.clkhash import _kernels_numpy

    return _kernels_numpy


def _chosen(columns: Mapping[str, Any] | pa.Table, schema: ClkSchema) -> tuple[list[Any], int]:
    """Return the columns that are hashed, and the number of rows."""
    table: Any = columns
    names, arrays = list(columns), list(columns.values()) if isinstance(columns, Mapping) else []
    if isinstance(columns, pa.Table):
        names, arrays = table.column_names, table.columns
    places = _places(names, schema)
    found = [(f.identifier, arrays[places[f.position]]) for f in schema.features]
    problems = [
        f"column '{name}' holds {column.type}, no text"
        for name, column in found
        if not _is_text(column.type)
    ]
    lengths = {len(array) for array in arrays}
    if len(lengths) > 1:
        problems.append("columns differ in length")
    if problems:
        raise ExtractError(problems, hint="clkhash hashes text, as it stands in a CSV file.")
    return [column for _, column in found], max(lengths, default=0)


def _places(names: list[str], schema: ClkSchema) -> dict[int, int]:
    """Return in which column each hashed feature stands."""
    if tuple(names) == schema.identifiers:
        return {feature.position: feature.position for feature in schema.features}
    problems = []
    for feature in schema.features:
        name = feature.identifier
        n_columns, n_features = names.count(name), schema.identifiers.count(name)
        if n_columns != 1 or n_features != 1:
            problems.append(
                f"column '{name}' is missing"
                if n_columns == 0
                else f"'{name}' names several columns: give exactly the schema's, in its order"
            )
    if problems:
        raise ExtractError(problems, hint="Name the columns as the schema identifies them.")
    return {feature.position: names.index(feature.identifier) for feature in schema.features}


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    checks = (
        pa.types.is_large_string,
        pa.types.is_string,
        pa.types.is_string_view,
        pa.types.is_null,
    )
    return any(check(kind) for check in checks)


def _as_text(column: Any) -> pa.Array:
    """Return some rows of a column as one array of text without nulls."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    text = column.cast(pa.large_string())
    if isinstance(text, pa.ChunkedArray):
        text = text.chunk(0) if text.num_chunks == 1 else text.combine_chunks()
    return pc.fill_null(text, _BLANK) if text.null_count else text


def _row_numbers(rows: npt.NDArray[np.int64] | None, n_rows: int) -> Int64s:
    if rows is None:
        return np.arange(1, n_rows + 1, dtype=np.int64)
    if len(rows) != n_rows:
        raise OptionError(f"'rows' has {len(rows)} numbers for {n_rows} rows", hint="")
    return np.asarray(rows, dtype=np.int64)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _Column:
    """A column on its way into the filters: its values, their tokens and the tokens' masks.

    Where `value_of_row` is given, the values are the distinct ones, `filters` is given in the
    place of tokens, and rows take them from there.
    """

    reason: npt.NDArray[np.uint8]
    missing: npt.NDArray[np.bool_]
    masks: Words
    ids: npt.NDArray[np.int32]
    starts: Int64s
    value_of_row: npt.NDArray[np.int32] | None = None

    def of_rows(self, of_values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return of_values if self.value_of_row is None else of_values[self.value_of_row]


def _column(text: pa.Array, feature: ClkFeature, remembered: Masks, kernels: Any) -> _Column:
    if not _repeats(text, feature):
        return _values(prepare(text, feature), feature, remembered, kernels)
    encoded = text.dictionary_encode()
    values = _values(prepare(encoded.dictionary, feature), feature, remembered, kernels)
    filters = np.zeros((len(values.reason), remembered.n_words), dtype=np.uint64)
    kernels.or_tokens(values.masks, values.ids, values.starts, filters)
    return _Column(
        reason=values.reason,
        missing=values.missing,
        masks=filters,
        ids=values.ids,
        starts=values.starts,
        value_of_row=encoded.indices.to_numpy().astype(np.int32, copy=False),
    )


def _repeats(text: pa.Array, feature: ClkFeature) -> bool:
    """Whether it pays to encode each distinct value once."""
    if isinstance(feature.format, (DateFormat, EnumFormat)):
        return True  # There are few days in a century.
    if len(text) > _SAMPLE:
        text = text.take(pa.array(np.arange(0, len(text), len(text) // _SAMPLE)))
    return bool(pc.count_distinct(text).as_py() < _MOSTLY_DISTINCT * len(text))


def _values(cells: Cells, feature: ClkFeature, remembered: Masks, kernels: Any) -> _Column:
    tokens = tokenize(cells.text, feature.hashing.comparison, kernels=kernels)
    cells.reason[tokens.refused] = NOT_A_NUMBER
    strategy = feature.hashing.strategy
    if isinstance(strategy, BitsPerFeature):
        ids, pairs = kernels.share_ids(
            tokens.ids,
            tokens.starts,
            total=strategy.bits_per_feature,
            n_distinct=len(tokens.distinct),
        )
        chosen = [tokens.distinct[token] for token in pairs[:, 0].tolist()]
        masks = remembered.of(chosen, pairs[:, 1].tolist())
    else:
        ids = tokens.ids
        n_positions = [strategy.bits_per_token] * len(tokens.distinct)
        masks = remembered.of(tokens.distinct, n_positions)
    return _Column(
        reason=cells.reason, missing=cells.missing, masks=masks, ids=ids, starts=tokens.starts
    )


def _fill(out: Words, parts: list[_Column], schema: ClkSchema, kernels: Any) -> None:
    """OR all columns into the filters, few rows at a time so that these stay in the cache."""
    n_parts = 1 << schema.n_folds

    def fill(start: int) -> None:
        stop = min(start + _ROWS_IN_CACHE, len(out))
        block = out[start:stop]
        if n_parts > 1:
            block = np.zeros((stop - start, schema.n_words * n_parts), dtype=np.uint64)
        for part in parts:
            if part.value_of_row is None:
                kernels.or_tokens(part.masks, part.ids, part.starts[start : stop + 1], block)
            else:
                kernels.or_rows(part.masks, part.value_of_row[start:stop], block)
        if n_parts > 1:
            halves = block.reshape(stop - start, n_parts, schema.n_words)
            out[start:stop] = np.bitwise_xor.reduce(halves, axis=1)

    starts = range(0, len(out), _ROWS_IN_CACHE)
    for _ in run_in_threads(fill, starts, n_threads=threads_for(len(out))):
        pass


def _result(
    words: Words,
    schema: ClkSchema,
    numbers: Int64s,
    *,
    present: npt.NDArray[np.bool_],
    reasons: npt.NDArray[np.uint8],
) -> ClkResult:
    aside: list[SetAside] = []
    if reasons.any():
        bad = reasons.any(axis=1)
        names = [feature.identifier for feature in schema.features]
        kinds, kind_of = np.unique(reasons[bad], axis=0, return_inverse=True)
        sentences = [_sentence(kind.tolist(), names) for kind in kinds]
        aside = [
            SetAside(row=row, reason=sentences[kind])
            for row, kind in zip(numbers[bad].tolist(), kind_of.ravel().tolist(), strict=True)
        ]
        words, numbers, present = words[~bad], numbers[~bad], present[~bad]
    return ClkResult(
        words=words,
        n_bits=schema.n_bits,
        rows=numbers,
        present=present,
        set_aside=tuple(aside),
    )


def _sentence(reasons: list[int], names: list[str]) -> str:
    wrong = [
        f"column '{name}' {REASONS[code]}"
        for name, code in zip(names, reasons, strict=True)
        if code
    ]
    return "; ".join(wrong)
