"""What known people teach about the others: an estimate on the party's own records, without a key.

Somebody who knows some people's encodings predicts those of the people on a list, and takes for
each encoding the person whose prediction fits best. The best linear prediction follows from how alike
the records are: filters whose values correlate by rho agree, after t of them are combined by
exclusive or, by rho to the power t, and only in the same salt group. So the signal, the expected
squared prediction over all bits, is known without encoding anything, and with it the chance
that the right person scores highest (both scores normal, others independent).

It is an estimate for this attack and for a list without errors. In trials it came to
between as much as the attack found in real filters and twice that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_array
from scipy.special import ndtr, ndtri

from linkkit.agreement import Agreement
from linkkit.exchange import EncodingSpec, PassSpec
from linkkit.partner.encode.kinds import kind_encoding
from linkkit.partner.preflight.rules import KNOWN

__all__ = ["expected_recognized", "share_recognized", "signal"]

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_CANDIDATES = 400
_NOISE = 1e-3
_QUANTILES = ndtri((np.arange(64) + 0.5) / 64)


def expected_recognized(
    fields: Mapping[str, pa.Array],
    agreement: Agreement,
    spec: EncodingSpec,
    groups: Mapping[str, Codes],
    order: Codes,
    *,
    seed: int = 1,
) -> dict[int, float]:
    """Return which share of the others is recognized, by how many people are known.

    Parameters
    ----------
    fields : mapping of str to pyarrow.Array
        All standardized records, null where missing.
    agreement : Agreement
        Says how each field becomes tokens.
    spec : EncodingSpec
        The passes.
    groups : mapping of str to ndarray of int64, shape (n_records,)
        Each record's salt group, by pass; -1 where it has none.
    order : ndarray of int64, shape (n_records,)
        The rows in an order that does not depend on that of the file.
    seed : int
        Seed of the draw of known people and of 400 others.

    Returns
    -------
    dict of int to float
        Shares from 0 to 1; 1 where as many are known as there are.
    """
    n_records, most = len(order), max(KNOWN)
    drawn = np.random.default_rng(seed).permutation(n_records)[: most + _CANDIDATES]
    rows = order[drawn]
    sample = {name: column.take(pa.array(rows)) for name, column in fields.items()}
    signals = {n: np.zeros(max(min(len(rows) - n, _CANDIDATES), 0)) for n in KNOWN}
    for item in spec.passes:
        alike = _similarity(sample, agreement, item)
        mine = groups[item.name][rows]
        for n in KNOWN:
            n_others = len(signals[n])
            signals[n] += item.n_bits * signal(alike, mine, n, n_others)
    return {
        n: share_recognized(total, n_others=n_records - n) if len(total) else 1.0
        for n, total in signals.items()
    }


def _similarity(fields: Mapping[str, pa.Array], agreement: Agreement, item: PassSpec) -> Floats:
    """Return how far the filters of a pass agree in one salt group, shape (n, n)."""
    weights, n_hashes = _tokens(fields, agreement, item)
    shared = (weights * n_hashes[None, :] @ weights.T).toarray()
    own = np.diag(shared)
    unset = np.log1p(-1 / item.n_bits)
    empty = np.exp(unset * own)
    spread = np.sqrt(empty * (1 - empty))
    spread[spread == 0] = 1.0
    both = np.exp(unset * (own[:, None] + own[None, :] - shared))
    found = (both - np.outer(empty, empty)) / np.outer(spread, spread)
    return np.asarray(found**item.n_inputs, dtype=np.float64)


def _tokens(
    fields: Mapping[str, pa.Array], agreement: Agreement, item: PassSpec
) -> tuple[csr_array, Floats]:
    """Return which record has which token, and how many bits each token sets."""
    numbers: dict[tuple[str, str], int] = {}
    places, columns, n_hashes = [], [], []
    for place, field, token in _all_tokens(fields, agreement, item):
        number = numbers.setdefault((field, token), len(numbers))
        places.append(place)
        columns.append(number)
    by_field = {field.name: field.n_hashes for field in item.fields}
    n_hashes = [by_field[field] for field, _ in numbers]
    n_records = len(next(iter(fields.values())))
    shape = (n_records, len(numbers))
    found = csr_array((np.ones(len(places)), (places, columns)), shape=shape)
    return found, np.array(n_hashes, dtype=np.float64)


def _all_tokens(
    fields: Mapping[str, pa.Array], agreement: Agreement, item: PassSpec
) -> Iterator[tuple[int, str, str]]:
    for field in item.fields:
        clause = agreement.linkage.fields[field.name]
        tokens = kind_encoding(clause.kind, clause.compare).tokens
        for place, value in enumerate(fields[field.name].to_pylist()):
            for token in set(tokens(value)) if value is not None else ():
                yield place, field.name, token


def signal(alike: Floats, groups: Codes, n_known: int, n_others: int) -> Floats:
    """Return the expected squared prediction of one bit, of the last `n_others` records.

    Parameters
    ----------
    alike : ndarray of float64, shape (n, n)
        How far filters agree within a group.
    groups : ndarray of int64, shape (n,)
        The records' salt groups; -1 where they have none.
    n_known : int
        How many of the first records are known.
    n_others : int
        How many of the last records are to be recognized.

    Returns
    -------
    ndarray of float64, shape (n_others,)
        From 0, nothing is known, to 1.

    Examples
    --------
    >>> alike = np.array([[1, 0.5, 0.5], [0.5, 1, 0.5], [0.5, 0.5, 1]])
    >>> signal(alike, np.array([0, 0, 1]), 1, 2).round(2)
    array([0.25, 0.  ])
    """
    first = len(groups) - n_others  # the last ones, so that they are the same for all numbers
    found = np.zeros(n_others)
    others = np.arange(first, len(groups))
    for group in np.unique(groups[others]):
        known = np.flatnonzero(groups[:n_known] == group)
        if group < 0 or not len(known):
            continue
        mine = others[groups[others] == group]
        noisy = alike[np.ix_(known, known)] + _NOISE * np.eye(len(known))
        cross = alike[np.ix_(known, mine)]
        found[mine - first] = np.sum(cross * np.linalg.solve(noisy, cross), axis=0)
    return np.clip(found, 0.0, 1.0)


def share_recognized(signals: Floats, *, n_others: int) -> float:
    """Return the share of people whose own prediction fits their encoding best of all.

    The score of the right person is normal with mean and variance J / 2 and J, that of another with
    -J' / 2 and J', where J and J' are the two people's own signals.

    Parameters
    ----------
    signals : ndarray of float64, shape (n,)
        J of a sample of the people.
    n_others : int
        How many people are not known.

    Examples
    --------
    >>> share_recognized(np.zeros(10), n_others=100)
    0.01
    >>> round(share_recognized(np.full(10, 100.0), n_others=100), 3)
    1.0
    """
    some = signals[signals > 0]
    if not len(some):
        return 1 / n_others
    right = some[:, None] / 2 + np.sqrt(some)[:, None] * _QUANTILES[None, :]
    wrong = np.array(
        [
            np.sum(ndtr(-(scores[:, None] + some[None, :] / 2) / np.sqrt(some)[None, :]), axis=1)
            for scores in right
        ]
    )
    silent = (len(signals) - len(some)) * (right < 0)
    best = np.exp(-(n_others - 1) * (wrong + silent) / len(signals))
    return max(float(best.mean()) * len(some) / len(signals), 1 / n_others)
