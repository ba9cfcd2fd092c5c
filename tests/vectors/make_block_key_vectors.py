"""A second implementation of blocking keys, of the standard library alone; writes `block_keys.json`.

    python tests/vectors/make_block_key_vectors.py

It shares no code with linkkit: HKDF, HMAC and Soundex are written out here from
`docs/reference/file-format.md`. The codes of the other sounds are spelled out.
"""

from __future__ import annotations

import hmac
import json
from pathlib import Path

SECRET = bytes(range(32))
AGREEMENT_ID, SPEC_DIGEST = "vectors-2026", "cd" * 32
RECORDS = [
    {"given_name": "ana", "surname": "ashcraft", "birth_date": "20090305", "postal_code": "02139"},
    {"given_name": "bo", "surname": "ashcroft", "birth_date": "20091130", "postal_code": "02140"},
    {"given_name": None, "surname": "tymczak", "birth_date": "19800101", "postal_code": "77001"},
    {"given_name": "mary ann", "surname": "garcia lopez", "birth_date": None, "postal_code": None},
    {"given_name": "knut", "surname": "o", "birth_date": "20000229", "postal_code": "00501"},
]
KEYS = {
    "sound_year": [("surname", "soundex"), ("birth_date", "year")],
    "sounds": [("given_name", "metaphone"), ("surname", "nysiis"), ("surname", "match_rating")],
    "code": [("postal_code", 3), ("given_name", 16), ("birth_date", "month_day")],
    "surname": [("surname", "whole")],
}
SOUNDS = {
    "metaphone": {"ana": "AN", "bo": "B", "mary ann": "MRYN", "knut": "NT"},
    "nysiis": {
        "ashcraft": "ASCRAFT",
        "ashcroft": "ASCRAFT",
        "tymczak": "TYNCSAC",
        "garcia lopez": "GARCALAP",
        "o": "O",
    },
    "match_rating": {
        "ashcraft": "ASHRFT",
        "ashcroft": "ASHRFT",
        "tymczak": "TYMCZK",
        "garcia lopez": "GRCLPZ",
        "o": "O",
    },
}
_DIGITS = {
    letter: digit
    for digit, letters in enumerate(("bfpv", "cgjkqsxz", "dt", "l", "mn", "r"), 1)
    for letter in letters
}
_DATES = {"year": slice(0, 4), "month_day": slice(4, 8)}


def prefixed(*parts: str) -> bytes:
    return b"".join(len(x.encode()).to_bytes(4, "big") + x.encode() for x in parts)


def hkdf(key: bytes, *labels: str) -> bytes:
    prk = hmac.digest(b"linkkit key derivation 1", key, "sha256")
    return hmac.digest(prk, prefixed(*labels) + b"\x01", "sha256")


def soundex(name: str) -> str:
    """Return American Soundex: letters of one digit count once, also around h and w."""
    letters = name.replace(" ", "")
    code, before = letters[0].upper(), _DIGITS.get(letters[0])
    for letter in letters[1:]:
        digit = _DIGITS.get(letter)
        if digit is not None and digit != before:
            code += str(digit)
        if letter not in "hw":
            before = digit
    return code[:4].ljust(4, "0")


def part(value: str | None, by: str | int) -> str | None:
    if value is None:
        return None
    if by == "soundex":
        return soundex(value)
    if by in SOUNDS:
        return SOUNDS[by][value]
    if by in _DATES:
        return value[_DATES[by]]
    return value if by == "whole" else value.replace(" ", "")[:by]


def key_of(record: dict[str, str | None], name: str) -> int:
    parts = [part(record[field], by) for field, by in KEYS[name]]
    if None in parts:
        return 0
    sub_key = hkdf(SECRET, "block-key", AGREEMENT_ID, SPEC_DIGEST, name)
    digest = hmac.digest(sub_key, prefixed(*parts), "sha256")
    return int.from_bytes(digest[:8], "big") or 1


def vectors() -> dict[str, list[str]]:
    return {name: [f"{key_of(record, name):016x}" for record in RECORDS] for name in KEYS}


if __name__ == "__main__":
    path = Path(__file__).with_name("block_keys.json")
    path.write_text(json.dumps(vectors(), indent=2) + "\n", encoding="utf-8")
