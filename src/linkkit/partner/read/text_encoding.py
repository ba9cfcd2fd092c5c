"""Which characters the bytes of a text file stand for."""

from __future__ import annotations

import codecs
from pathlib import Path

from linkkit.errors import ExtractError

__all__ = ["decode_file"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_LOOKED_AT = 4096
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
    marked = next((name for mark, name in _MARKS if raw.startswith(mark)), _wide(raw))
    for name in [encoding] if encoding else [marked] if marked else ["utf-8", "cp1252"]:
        try:
            return raw.decode(name), name
        except (ValueError, LookupError):
            continue
    tried = encoding or marked or "UTF-8 nor in Windows-1252"
    raise ExtractError(
        f"'{path.name}' is not text in {tried}",
        hint="Save it as 'CSV UTF-8', or name its encoding with encoding=.",
    )


def _wide(raw: bytes) -> str | None:
    start = raw[:_LOOKED_AT]
    pairs = len(start) // 2
    if pairs and start[1::2].count(0) > _MOSTLY * pairs:
        return "utf-16-le"
    return "utf-16-be" if pairs and start[::2].count(0) > _MOSTLY * pairs else None
