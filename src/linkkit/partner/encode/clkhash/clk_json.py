"""CLK JSON, the file that clkhash's command line writes and its entity service takes."""

from __future__ import annotations

import base64
import binascii
import json

import numpy as np
import numpy.typing as npt

from linkkit.errors import OptionError

__all__ = ["clk_base64", "from_clk_json", "to_clk_json"]

Words = npt.NDArray[np.uint64]

_HINT = "Give the CLK JSON of clkhash, made under the schema whose length this is."

# clkhash packs the first bit into a byte's highest place, linkkit into its lowest.
_REVERSED = np.packbits(
    np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little"), axis=1
).ravel()


def clk_base64(words: Words, *, n_bits: int) -> list[str]:
    """Return filters as clkhash writes them: base64 of the bits, the first bit first.

    Parameters
    ----------
    words : ndarray of uint64, shape (n_filters, n_words)
        Bit `i` of a filter is bit ``i % 64`` of word ``i // 64``.
    n_bits : int
        Length of a filter.

    Raises
    ------
    OptionError
        When the filters have not as many words as `n_bits` take.

    Examples
    --------
    >>> clk_base64(np.array([[1], [3 << 8]], dtype=np.uint64), n_bits=16)
    ['gAA=', 'AMA=']
    """
    if words.ndim != 2 or words.shape[1] != -(-n_bits // 64):
        raise OptionError("'words' is not as wide as 'n_bits'", hint="Give both of one result.")
    n_bytes = -(-n_bits // 8)
    ordered = np.ascontiguousarray(words, dtype="<u8").view(np.uint8)[:, :n_bytes]
    raw = _REVERSED[ordered].tobytes()
    return [
        base64.b64encode(raw[start : start + n_bytes]).decode("ascii")
        for start in range(0, len(raw), n_bytes)
    ]


def to_clk_json(words: Words, *, n_bits: int) -> str:
    """Return the text of a CLK JSON file: one object with the list ``clks``.

    The file tells a filter by its place only. Keep the numbers of the rows at home.

    Parameters
    ----------
    words, n_bits
        As for :func:`clk_base64`.

    Raises
    ------
    OptionError
        When the filters have not as many words as `n_bits` take.

    Examples
    --------
    >>> to_clk_json(np.array([[1]], dtype=np.uint64), n_bits=16)
    '{"clks": ["gAA="]}'
    """
    return json.dumps({"clks": clk_base64(words, n_bits=n_bits)})


def from_clk_json(text: str, *, n_bits: int) -> Words:
    """Return the filters of a CLK JSON file.

    Parameters
    ----------
    text : str
        What the file holds.
    n_bits : int
        Length of a filter, which the file does not say.

    Returns
    -------
    ndarray of uint64, shape (n_filters, n_words)
        Bit `i` of a filter is bit ``i % 64`` of word ``i // 64``.

    Raises
    ------
    OptionError
        When the text is no CLK JSON, or filters are not `n_bits` long.

    Examples
    --------
    >>> from_clk_json('{"clks": ["gAA="]}', n_bits=16)
    array([[1]], dtype=uint64)
    """
    raw, n_bytes = _decoded(text), -(-n_bits // 8)
    wrong = [i for i, item in enumerate(raw) if item is None or len(item) != n_bytes]
    if wrong:
        raise OptionError(
            [f"filter {i + 1} is not base64 of {n_bytes} bytes" for i in wrong], hint=_HINT
        )
    packed = np.frombuffer(b"".join(item for item in raw if item is not None), dtype=np.uint8)
    padded = np.zeros((len(raw), 8 * -(-n_bits // 64)), dtype=np.uint8)
    padded[:, :n_bytes] = _REVERSED[packed].reshape(len(raw), n_bytes)
    words = padded.view("<u8").astype(np.uint64, copy=False)
    if n_bits % 64 and (words[:, -1] >> np.uint64(n_bits % 64)).any():
        raise OptionError(f"filters have bits beyond {n_bits}", hint=_HINT)
    return words


def _decoded(text: str) -> list[bytes | None]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    clks = document.get("clks") if isinstance(document, dict) else None
    if not isinstance(clks, list):
        raise OptionError("this is not an object with a list 'clks'", hint=_HINT)
    return [_bytes(item) for item in clks]


def _bytes(item: object) -> bytes | None:
    try:
        return base64.b64decode(item, validate=True) if isinstance(item, str) else None
    except (binascii.Error, ValueError):
        return None
