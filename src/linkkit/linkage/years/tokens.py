"""Record tokens as numbers of 16 bytes: reading them, and finding them in a pool."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from linkkit.errors import OptionError
from linkkit.linkage.pool import Pool

__all__ = ["among_tokens", "records_of", "withdrawn_tokens"]

_TOKEN_BYTES = 16

_Tokens = npt.NDArray[np.uint8]


def withdrawn_tokens(withdrawn: Iterable[str] | None) -> _Tokens:
    """Return tokens in hexadecimal digits as rows of bytes, each once, shape (n, 16).

    Raises
    ------
    OptionError
        When something is no token; it says which in the order, and shows none.
    """
    if withdrawn is None:
        return np.zeros((0, _TOKEN_BYTES), dtype=np.uint8)
    if isinstance(withdrawn, (str, bytes)) or not isinstance(withdrawn, Iterable):
        raise OptionError(
            "'withdrawn' is a list of record tokens", hint="Put a single token into a list."
        )
    tokens, wrong = set[bytes](), []
    for number, text in enumerate(withdrawn, start=1):
        token = _bytes_of(text)
        if token is None:
            wrong.append(f"withdrawn token {number} is not 32 hexadecimal digits")
        else:
            tokens.add(token)
    if wrong:
        raise OptionError(wrong, hint="Give the tokens as the party's token map has them.")
    content = np.frombuffer(b"".join(sorted(tokens)), dtype=np.uint8)
    return content.reshape(-1, _TOKEN_BYTES)


def _bytes_of(text: object) -> bytes | None:
    content = None
    try:
        content = bytes.fromhex(text) if isinstance(text, str) else None
    except ValueError:
        pass
    return content if content is not None and len(content) == _TOKEN_BYTES else None


def _text(tokens: _Tokens) -> npt.NDArray[np.bytes_]:
    # numpy sorts and finds such text; all are equally long, so that zeros at the end do no harm.
    return np.ascontiguousarray(tokens).view(f"S{_TOKEN_BYTES}").reshape(-1)


def among_tokens(tokens: _Tokens, others: _Tokens) -> npt.NDArray[np.bool_]:
    """Return which tokens, or ids, are among others, shape (n,)."""
    found = np.zeros(len(tokens), dtype=np.bool_)
    if not len(tokens) or not len(others):
        return found
    # Numbers are found faster; hardly any are left to be looked at in full.
    first, sorted_first = _first_half(tokens), np.sort(_first_half(others))
    at = np.minimum(np.searchsorted(sorted_first, first), len(sorted_first) - 1)
    likely = np.flatnonzero(sorted_first[at] == first)
    if len(likely):
        found[likely] = np.isin(_text(tokens[likely]), _text(others))
    return found


def _first_half(tokens: _Tokens) -> npt.NDArray[np.uint64]:
    return np.ascontiguousarray(tokens).view(np.uint64)[:, 0]


def records_of(pool: Pool, party: npt.NDArray[np.int64], tokens: _Tokens) -> npt.NDArray[np.int64]:
    """Return the position in the pool of each token of a party, or -1, shape (n,)."""
    answer = np.full(len(tokens), -1, dtype=np.int64)
    starts = pool.party_starts()
    for p in range(len(pool.parties)):
        mine = np.flatnonzero(party == p)
        own = _text(pool.tokens[starts[p] : starts[p + 1]])
        if not len(mine) or not len(own):
            continue
        wanted = _text(tokens[mine])
        at = np.minimum(np.searchsorted(own, wanted), len(own) - 1)
        answer[mine] = np.where(own[at] == wanted, starts[p] + at, -1)
    return answer
