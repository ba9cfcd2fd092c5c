"""A second implementation of clkhash 0.18.3: slow, obvious, standard library only.

It shares no line with the encoder: it works on the schema document as JSON gives it, one record
at a time, one bit at a time. The frozen vectors and the differential tests hold both to it. It
takes schemas that :func:`~linkkit.partner.encode.clkhash.read_clk_schema` accepts, and checks
cells, not schemas.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["reference_clk", "reference_keys"]

Document = Mapping[str, Any]


def reference_clk(document: Document, secret: bytes, record: Sequence[str]) -> str | None:
    """Encode one record.

    Parameters
    ----------
    document : mapping
        A linkage schema of version 1, 2 or 3.
    secret : bytes
        The shared secret.
    record : sequence of str
        A cell for each column of the schema, ignored ones included.

    Returns
    -------
    str or None
        The filter in base64, or None where clkhash would refuse a cell.
    """
    config = document["clkConfig"]
    length, folds = config["l"], config.get("xor_folds", 0)
    hash_length = length * 2**folds
    bits = [0] * hash_length
    keys = reference_keys(document, secret)
    for feature, cell, pair in zip(document["features"], record, keys, strict=True):
        if feature.get("ignored") or feature.get("hashing", {}).get("weight") == 0:
            continue
        tokens = _tokens(feature, cell)
        if tokens is None:
            return None
        hash_ = config.get("hash") or feature["hashing"].get("hash") or {"type": "blakeHash"}
        encoding = feature["format"].get("encoding", "utf-8")
        shares = _shares(document, feature, len(tokens))
        for token, share in zip(tokens, shares, strict=True):
            message = token.encode(encoding)
            for position in _positions(message, share, pair, hash_, hash_length):
                bits[position] = 1
    for _ in range(folds):
        half = len(bits) // 2
        bits = [left ^ right for left, right in zip(bits[:half], bits[half:], strict=True)]
    return _base64(bits)


def reference_keys(document: Document, secret: bytes) -> list[tuple[bytes, bytes]]:
    """Derive two keys for each column by HKDF (RFC 5869), ignored columns included."""
    kdf = document["clkConfig"]["kdf"]
    name = kdf.get("hash", "SHA256").lower()
    size, n_keys = kdf.get("keySize", 64), 2 * len(document["features"])
    salt = base64.b64decode(kdf.get("salt", ""))
    info = base64.b64decode(kdf.get("info", ""))
    pseudorandom = hmac.new(salt, secret, name).digest()
    stream, block, counter = b"", b"", 1
    while len(stream) < n_keys * size:
        block = hmac.new(pseudorandom, block + info + bytes([counter]), name).digest()
        stream += block
        counter += 1
    keys = [stream[i * size : (i + 1) * size] for i in range(n_keys)]
    return [(keys[i], keys[i + 1]) for i in range(0, n_keys, 2)]


def _tokens(feature: Document, cell: str) -> list[str] | None:
    missing = feature["hashing"].get("missingValue")
    if missing is not None and cell == missing["sentinel"]:
        text: str | None = missing.get("replaceWith", missing["sentinel"])
    else:
        text = _formatted(feature["format"], cell)
    if text is None:
        return None
    try:
        text.encode(feature["format"].get("encoding", "utf-8"))
        return _split(feature["hashing"], text)
    except (ValueError, OverflowError):
        return None


def _formatted(form: Document, cell: str) -> str | None:
    if form["type"] == "integer":
        return _integer(form, cell)
    if form["type"] == "date":
        try:
            return dt.datetime.strptime(cell, form["format"]).strftime("%Y%m%d")
        except ValueError:
            return None
    if form["type"] == "enum":
        return cell if cell in form["values"] else None
    if "pattern" in form:
        return cell if re.fullmatch(form["pattern"], cell) else None
    if len(cell) < form.get("minLength", 0) or len(cell) > form.get("maxLength", len(cell)):
        return None
    case = form.get("case", "mixed")
    same = {"upper": cell.upper(), "lower": cell.lower(), "mixed": cell}[case] == cell
    return cell if same else None


def _integer(form: Document, cell: str) -> str | None:
    try:
        number = int(cell, base=10)
    except ValueError:
        return None
    inside = form.get("minimum", number) <= number <= form.get("maximum", number)
    return str(number) if inside else None


def _split(hashing: Document, text: str) -> list[str]:
    if not text:
        return []
    comparison = hashing.get("comparison") or {
        "type": "ngram",
        "n": hashing["ngram"],
        "positional": hashing.get("positional", False),
    }
    if comparison["type"] == "exact":
        return [text]
    if comparison["type"] == "numeric":
        return _grid_points(comparison, text)
    n = comparison["n"]
    padded = " " * (n - 1) + text + " " * (n - 1)
    grams = [padded[i : i + n] for i in range(len(padded) - n + 1)]
    if comparison.get("positional", False):
        return [f"{i + 1} {gram}" for i, gram in enumerate(grams)]
    return grams


def _grid_points(comparison: Document, text: str) -> list[str]:
    precision = comparison.get("fractional_precision", 0)
    resolution = comparison["resolution"]
    grid = round(comparison["thresholdDistance"] * 10**precision)
    try:
        value = int(text, base=10) * 10**precision
    except ValueError:
        # Without decimal places clkhash cuts, and with them it rounds.
        number = float(text)
        value = round(number * 10**precision) if precision > 0 else int(number)
    value *= 2 * resolution
    above = value % grid
    if above:
        value += -above if above < grid / 2 else grid - above
    return [str(value + i * grid) for i in range(-resolution, resolution + 1)]


def _shares(document: Document, feature: Document, n_tokens: int) -> list[int]:
    hashing = feature["hashing"]
    strategy = hashing.get("strategy")
    if strategy is None:  # version 1
        return [round(hashing.get("weight", 1.0) * document["clkConfig"]["k"])] * n_tokens
    if "bitsPerToken" in strategy or "k" in strategy:
        return [int(strategy.get("bitsPerToken", strategy.get("k")))] * n_tokens
    total = int(strategy.get("bitsPerFeature", strategy.get("numBits")))
    return [total // n_tokens + (i < total % n_tokens) for i in range(n_tokens)]


def _positions(
    message: bytes, n: int, keys: tuple[bytes, bytes], hash_: Document, length: int
) -> list[int]:
    if hash_["type"] == "blakeHash":
        stream = b"".join(
            hashlib.blake2b(message, key=keys[0], salt=str(block).encode()).digest()
            for block in range((n + 31) // 32)
        )
        return [int.from_bytes(stream[2 * i : 2 * i + 2], "little") % length for i in range(n)]
    start = int(hmac.new(keys[0], message, "sha1").hexdigest(), 16) % length
    stride = int(hmac.new(keys[1], message, "md5").hexdigest(), 16) % length
    again = 0
    while stride == 0 and hash_.get("prevent_singularity", False):
        suffix = chr(again).encode()
        stride = int(hmac.new(keys[1], message + suffix, "md5").hexdigest(), 16) % length
        again += 1
    return [(start + i * stride) % length for i in range(n)]


def _base64(bits: Sequence[int]) -> str:
    """The first bit is the highest of the first byte; the last byte is filled up with zeros."""
    padded = [*bits, *[0] * (-len(bits) % 8)]
    data = bytes(
        sum(bit << (7 - i) for i, bit in enumerate(padded[start : start + 8]))
        for start in range(0, len(padded), 8)
    )
    return base64.b64encode(data).decode("ascii")
