"""A second implementation of passes, of the standard library alone; writes `passes.json`.

    python tests/vectors/make_pass_vectors.py

It shares no code with linkkit: HKDF, AES-256, tokens and filters are written out here from
`docs/explanation/profile-standard.md`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from pathlib import Path

SECRET = bytes(range(32))
AGREEMENT_ID, SPEC_DIGEST, PASS = "vectors-2026", "ab" * 32, "by_surname"
N_BITS, N_INPUTS = 1024, 3
FIELDS = {"surname": ("bigrams", 29), "birth_date": ("date", 30)}
RECORDS = [
    {"surname": "garcia lopez", "birth_date": "20090305"},
    {"surname": "garcia", "birth_date": "20091130"},
    {"surname": "li", "birth_date": "19800101"},
    {"surname": "wojciechowska brzezinska", "birth_date": "19991224"},
]


def prefixed(*labels: str) -> bytes:
    return b"".join(len(x.encode()).to_bytes(4, "big") + x.encode() for x in labels)


def hkdf(key: bytes, *labels: str) -> bytes:
    prk = hmac.digest(b"linkkit key derivation 1", key, "sha256")
    return hmac.digest(prk, prefixed(*labels) + b"\x01", "sha256")


def _times(a: int, b: int) -> int:
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = (a << 1) ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def _substitution() -> list[int]:
    box = []
    for value in range(256):
        inverse = next((x for x in range(256) if _times(value, x) == 1), 0)
        out = 0x63
        for shift in range(5):
            out ^= (inverse << shift | inverse >> (8 - shift)) & 0xFF
        box.append(out)
    return box


BOX = _substitution()


def _round_keys(key: bytes) -> list[bytes]:
    words = [key[i : i + 4] for i in range(0, 32, 4)]
    constant = 1
    for i in range(8, 60):
        last = words[-1]
        if i % 8 == 0:
            turned = bytes(BOX[x] for x in last[1:] + last[:1])
            last = bytes([turned[0] ^ constant]) + turned[1:]
            constant = _times(constant, 2)
        elif i % 8 == 4:
            last = bytes(BOX[x] for x in last)
        words.append(bytes(x ^ y for x, y in zip(words[i - 8], last, strict=True)))
    return [b"".join(words[i : i + 4]) for i in range(0, 60, 4)]


def aes256(key: bytes, block: bytes) -> bytes:
    keys = _round_keys(key)
    state = [x ^ y for x, y in zip(block, keys[0], strict=True)]
    for number in range(1, 15):
        state = [BOX[state[(i + 4 * (i % 4)) % 16]] for i in range(16)]
        if number < 14:
            mixed = []
            for c in range(0, 16, 4):
                a = state[c : c + 4]
                mixed += [
                    _times(a[r], 2) ^ _times(a[(r + 1) % 4], 3) ^ a[(r + 2) % 4] ^ a[(r + 3) % 4]
                    for r in range(4)
                ]
            state = mixed
        state = [x ^ y for x, y in zip(state, keys[number], strict=True)]
    return bytes(state)


def tokens(kind: str, value: str) -> list[str]:
    if kind == "bigrams":
        return [f"_{w}_"[i : i + 2] for w in value.split() for i in range(len(w) + 1)]
    year, month, day = value[:4], value[4:6], value[6:]
    parts = [f"y{year}", f"m{month}", f"d{day}", f"u{month}", f"u{day}", f"md{month}{day}"]
    return [f"{i}:{digit}" for i, digit in enumerate(value)] + parts


def block(field: str, token: str) -> int:
    digest = hashlib.sha256(prefixed(field) + token.encode()).digest()
    return int.from_bytes(digest[:15] + b"\x00", "big")


def numbers(key: bytes, mask: bytes, start: int, n: int) -> list[int]:
    salted = start ^ int.from_bytes(mask, "big")
    stream = b"".join(
        aes256(key, (salted ^ counter).to_bytes(16, "big")) for counter in range(-(-n // 8))
    )
    return [int.from_bytes(stream[2 * i : 2 * i + 2], "little") for i in range(n)]


def encode(record: dict[str, str]) -> str:
    labels = (AGREEMENT_ID, SPEC_DIGEST)
    # The salt: month and day, then three letters of the surname; fields in alphabetical order.
    salt = record["birth_date"][4:] + "\x1f" + record["surname"].replace(" ", "")[:3]
    mask = hmac.digest(hkdf(SECRET, "pass-salt", *labels, PASS), salt.encode(), "sha256")[:16]
    key = hkdf(SECRET, "pass-token", *labels, PASS)
    filters = [0] * N_INPUTS
    half, total = round(N_BITS * math.log(2)), 0
    pieces = [
        (field, token, n_hashes)
        for field, (kind, n_hashes) in FIELDS.items()
        for token in dict.fromkeys(tokens(kind, record[field]))
    ]
    n_set = sum(n_hashes for _, _, n_hashes in pieces)
    for field, token, n_hashes in pieces:
        mine = numbers(key, mask, block(field, token), n_hashes * N_INPUTS)
        total ^= block(field, token)
        for t in range(N_INPUTS):
            thinned = t == 0 and n_set > half
            n = n_hashes * half // n_set if thinned else n_hashes
            for number in mine[t * n_hashes :][:n]:
                filters[t] |= 1 << number % N_BITS
    for number in numbers(key, mask, total ^ 0x8000, max(half - n_set, 0)):
        filters[0] |= 1 << number % N_BITS
    laid_over = 0
    for one in filters:
        laid_over ^= one
    return laid_over.to_bytes(N_BITS // 8, "little").hex()


def vectors() -> list[str]:
    return [encode(record) for record in RECORDS]


if __name__ == "__main__":
    path = Path(__file__).with_name("passes.json")
    path.write_text(json.dumps(vectors(), indent=2) + "\n", encoding="utf-8")
