"""Which characters the bytes of a text file stand for."""

from __future__ import annotations

import codecs
from pathlib import Path

from linkkit.errors import ExtractError

__all__ = ["decode_file", "find_encoding"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_LOOKED_AT = 4096
_DECODED_AT_ONCE = 1 << 20
_MOSTLY = 0.5


def decode_file(path: Path, *, encoding: str | None) -> tuple[str, str]:
    """Read a text file.

    Parameters
    ----------
    path : Path
        The file.
    encoding : str, optional
        The encoding, if known. Otherwise the byte order mark decides, or zero bytes in every
        second place (UTF-16 without a mark); then UTF-8 and Windows-1252 are tried.

    Returns
    -------
    tuple of str and str
        The text and the name of the encoding.

    Raises
    ------
    ExtractError
        When the bytes fit no encoding, or not the one given.
    """
    raw = path.read_bytes()
    for name in _candidates(raw[:_LOOKED_AT], encoding):
        try:
            return raw.decode(name), name
        except (ValueError, LookupError):
            continue
    raise _not_text(path, raw[:_LOOKED_AT], encoding)


def find_encoding(path: Path, *, encoding: str | None) -> tuple[str, int]:
    """Return the encoding that :func:`decode_file` finds, and the number of lines.

    The file is not held. Lines may be a few too many, and are never too few.
    """
    with path.open("rb") as file:
        start = file.read(_LOOKED_AT)
    for name in _candidates(start, encoding):
        try:
            with path.open(encoding=name, newline="") as text:
                return name, sum(map(_n_lines, iter(lambda: text.read(_DECODED_AT_ONCE), ""))) + 1
        except (ValueError, LookupError):
            continue
    raise _not_text(path, start, encoding)


def _n_lines(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _candidates(start: bytes, encoding: str | None) -> list[str]:
    if encoding:
        return [encoding]
    marked = _marked(start)
    return [marked] if marked else ["utf-8", "cp1252"]


def _marked(start: bytes) -> str | None:
    return next((name for mark, name in _MARKS if start.startswith(mark)), _wide(start))


def _not_text(path: Path, start: bytes, encoding: str | None) -> ExtractError:
    tried = encoding or _marked(start) or "UTF-8 nor in Windows-1252"
    return ExtractError(
        f"'{path.name}' is not text in {tried}",
        hint="Save it as 'CSV UTF-8', or name its encoding with encoding=.",
    )


def _wide(start: bytes) -> str | None:
    pairs = len(start) // 2
    if pairs and start[1::2].count(0) > _MOSTLY * pairs:
        return "utf-16-le"
    return "utf-16-be" if pairs and start[::2].count(0) > _MOSTLY * pairs else None
