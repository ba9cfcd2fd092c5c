"""What was linked before and what is delivered now, as one pool of records.

A record is a party's token. When it comes again, with other content, that is a further version of the
same record: the newest stands in the pool, and earlier ones are still compared with whoever is new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.errors import LinkageError, MismatchError
from linkkit.exchange import EncodedExtract
from linkkit.linkage.block import count_pairs
from linkkit.linkage.block.content import content_digests
from linkkit.linkage.earlier import Earlier
from linkkit.linkage.labels import PairLabels
from linkkit.linkage.linked_pairs import LinkedPairs
from linkkit.linkage.pool import Made, Pool, checked_extracts, make_pool, part_of, pool_of
from linkkit.linkage.years.kept import HadIds, Kept
from linkkit.linkage.years.tokens import among_tokens, records_of
from linkkit.linkage.years.versions import have_nothing_in_common

__all__ = ["Delivery", "bring_together"]

_EARLIER = "earlier deliveries"
_COPIES_OF_ANOTHER_KEY = 10
"""So many records with the content of others, and no token of these, were made under another token key."""

_Bools = npt.NDArray[np.bool_]
_Bytes = npt.NDArray[np.uint8]
_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Delivery:
    """All records that are there now, and what is known of them.

    Attributes
    ----------
    pool : Pool
        The newest version of each record.
    made : Made
        How they were made.
    superseded : Pool
        Earlier versions.
    earlier : Earlier, optional
        What was compared before.
    is_new : ndarray of bool, shape (n_records,)
        Which came now for the first time, or with other content.
    people, households : HadIds
        The ids that records had, of people and of households.
    labels : PairLabels, optional
        Labels that were given before, of records that are still there.
    warnings : tuple of str
        What somebody should look at, with counts.
    """

    pool: Pool
    made: Made
    superseded: Pool
    earlier: Earlier | None
    is_new: _Bools
    people: HadIds
    households: HadIds
    labels: PairLabels | None
    warnings: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<Delivery: {len(self.pool)} records, {int(self.is_new.sum())} of them new>"


def bring_together(
    extracts: Sequence[EncodedExtract],
    pairs: LinkedPairs | None,
    kept: Kept | None,
    withdrawn: _Bytes,
    *,
    alone: bool = False,
) -> Delivery:
    """Return all records that are there now: those of before and those delivered, less the withdrawn.

    Parameters
    ----------
    extracts : sequence of EncodedExtract
        What is delivered; may be empty where there is a result of before.
    pairs, kept
        The pairs of the result of before and what it kept; both or none.
    withdrawn : ndarray of uint8, shape (n, 16)
        Tokens of records that are to be forgotten.
    alone : bool
        Whether one party that holds each person once is enough, as there is more to find than people.

    Raises
    ------
    WrongStageError, LinkageError, MismatchError
        When the extracts do not belong together, or not to the result of before, or no record is left.
    """
    if pairs is None or kept is None:
        return _first(make_pool(extracts, alone=alone), extracts, withdrawn)
    known = checked_extracts(extracts, kept.made)
    stays = ~among_tokens(pairs.pool.tokens, withdrawn)
    old = _some(pairs.pool, stays)
    superseded = _some(kept.superseded, ~among_tokens(kept.superseded.tokens, withdrawn))
    new = (
        _without(pool_of(known), withdrawn) if known else part_of(old, np.zeros(0, dtype=np.int64))
    )
    old, superseded, new = _with_same_parties(old, superseded, new)
    merged = _merged(old, superseded, new)
    place = records_of(merged.pool, old.party, old.tokens)
    earlier = _earlier(merged, old, pairs, kept, stays)
    aliens = (*_n_given_away(merged), *_token_keys_lost(old, new))
    return Delivery(
        pool=merged.pool,
        made=kept.made,
        superseded=merged.superseded,
        earlier=earlier,
        is_new=merged.is_new,
        people=HadIds.of(kept.people, stays, place, len(merged.pool)),
        households=HadIds.of(kept.households, stays, place, len(merged.pool)),
        labels=_labels_left(kept.labels, withdrawn),
        warnings=(*_unknown(withdrawn, pairs.pool.tokens), *aliens),
    )


def _first(pool: Pool, extracts: Sequence[EncodedExtract], withdrawn: _Bytes) -> Delivery:
    """Return what is delivered first."""
    made = Made.of(checked_extracts(extracts)[0])
    everybody = pool
    pool = _without(pool, withdrawn)
    _require_some(pool)
    return Delivery(
        pool=pool,
        made=made,
        superseded=_some(pool, np.zeros(len(pool), dtype=np.bool_)),
        earlier=None,
        is_new=np.ones(len(pool), dtype=np.bool_),
        people=HadIds.none(len(pool)),
        households=HadIds.none(len(pool)),
        labels=None,
        warnings=_unknown(withdrawn, everybody.tokens),
    )


def _require_some(pool: Pool) -> None:
    if not len(pool):
        raise LinkageError(
            "no record is left, as all were withdrawn", hint="Delete the previous result."
        )


def _unknown(withdrawn: _Bytes, tokens: _Bytes) -> tuple[str, ...]:
    n = int((~among_tokens(withdrawn, tokens)).sum())
    return (f"{n:,} withdrawn tokens are of no record that was linked before",) if n else ()


def _some(pool: Pool, kept: _Bools) -> Pool:
    """Return the pool of some records, without a copy where that is all of them."""
    return pool if kept.all() else _tidied(part_of(pool, np.flatnonzero(kept)))


def _tidied(pool: Pool) -> Pool:
    """Return a pool that holds nothing of records that are not in it, as it is to be kept."""
    return replace(pool, pass_words=pool.pass_words.tidied())


def _without(pool: Pool, withdrawn: _Bytes) -> Pool:
    """Return a pool without withdrawn records, and without parties that have none left."""
    if not len(withdrawn):
        return pool
    pool = _some(pool, ~among_tokens(pool.tokens, withdrawn))
    return _of_parties(
        pool, [p for p, n in zip(pool.parties, pool.party_sizes(), strict=True) if n]
    )


def _of_parties(pool: Pool, parties: Sequence[str]) -> Pool:
    """Return a pool with other parties, sorted, among which are those of all its records."""
    place = {name: number for number, name in enumerate(parties)}
    number = np.array([place.get(name, 0) for name in pool.parties], dtype=np.int64)
    clean = dict(zip(pool.parties, pool.clean.tolist(), strict=True))
    return replace(
        pool,
        parties=tuple(parties),
        clean=np.array([clean.get(name, True) for name in parties], dtype=np.bool_),
        party=number[pool.party],
    )


def _with_same_parties(old: Pool, superseded: Pool, new: Pool) -> tuple[Pool, Pool, Pool]:
    """Return the pools, all with the parties of any record."""
    clean: dict[str, bool] = {}
    for pool in (old, new):
        for name, n, once in zip(
            pool.parties, pool.party_sizes(), pool.clean.tolist(), strict=True
        ):
            if n and clean.setdefault(name, once) != once:
                raise MismatchError(
                    f"'{name}' held each person once before, or does now, and not both",
                    hint="Encode again under the agreement of the previous result.",
                )
    parties = sorted(clean)
    flags = np.array([clean[name] for name in parties], dtype=np.bool_)
    one, two, three = (
        replace(_of_parties(pool, parties), clean=flags) for pool in (old, superseded, new)
    )
    return one, two, three


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _Merged:
    """The newest versions of all records, the earlier ones, and which of the newest are new."""

    pool: Pool
    superseded: Pool
    is_new: _Bools
    is_changed: _Bools


def _merged(old: Pool, superseded: Pool, new: Pool) -> _Merged:
    before = records_of(old, new.party, new.tokens)
    same = before >= 0
    same[same] = _is_equal(old, before[same], new, np.flatnonzero(same))
    changed = np.flatnonzero((before >= 0) & ~same)
    brand = np.flatnonzero(before < 0)
    replaced = np.zeros(len(old), dtype=np.bool_)
    replaced[before[changed]] = True
    # What is replaced, or was there already, is left out of the new order.
    pool = _chosen([old, new], [~replaced, ~same])
    _require_some(pool)
    is_new = np.zeros(len(pool), dtype=np.bool_)
    is_changed = is_new.copy()
    is_new[records_of(pool, new.party[brand], new.tokens[brand])] = True
    is_changed[records_of(pool, new.party[changed], new.tokens[changed])] = True
    superseded = _chosen([superseded, old], [np.ones(len(superseded), dtype=np.bool_), replaced])
    # Who went back to an earlier version has it once.
    current = records_of(pool, superseded.party, superseded.tokens)
    again = _is_equal(pool, current, superseded, np.arange(len(superseded)))
    return _Merged(
        pool=pool,
        superseded=_some(superseded, ~again),
        is_new=is_new | is_changed,
        is_changed=is_changed,
    )


def _is_equal(one: Pool, rows: _Ints, other: Pool, others: _Ints) -> _Bools:
    """Return which records have the same content, row by row."""
    equal = np.ones(len(rows), dtype=np.bool_)
    for mine, theirs in (
        (one.words, other.words),
        (one.present, other.present),
        (one.block_keys, other.block_keys),
    ):
        equal &= (mine[rows] == theirs[others]).all(axis=1)
    for k in range(len(one.spec.passes)):
        equal &= (one.pass_words.of(k, rows) == other.pass_words.of(k, others)).all(axis=1)
    return equal


def _chosen(pools: Sequence[Pool], kept: Sequence[_Bools]) -> Pool:
    """Return some records of several pools by party and token; of one record, versions in their order."""
    rows = np.flatnonzero(np.concatenate(kept))
    tokens = np.concatenate([pool.tokens for pool in pools])[rows]
    high, low = np.ascontiguousarray(tokens).view(">u8").astype(np.uint64).T
    party = np.concatenate([pool.party for pool in pools])[rows]
    return _tidied(_gathered(pools, rows[np.lexsort((low, high, party))]))


def _gathered(pools: Sequence[Pool], order: _Ints) -> Pool:
    """Return records of several pools, by their positions in all of them together."""
    ends = np.cumsum([len(pool) for pool in pools])
    source = np.searchsorted(ends, order, side="right")
    row = order - (ends - [len(pool) for pool in pools])[source]

    def column(name: str) -> npt.NDArray[Any]:
        parts = [getattr(pool, name) for pool in pools]
        most = int(np.argmax([len(part) for part in parts]))
        if not len(order):
            return np.zeros((0, *parts[0].shape[1:]), dtype=parts[0].dtype)
        # Nearly all come from one, and are copied once.
        whole = np.take(parts[most], np.where(source == most, row, 0), axis=0)
        for number, part in enumerate(parts):
            if number != most:
                here = np.flatnonzero(source == number)
                whole[here] = part[row[here]]
        return whole

    return replace(
        pools[0], party=column("party"), tokens=column("tokens"), words=column("words"),
        present=column("present"), block_keys=column("block_keys"),
        pass_words=pools[0].pass_words.joined(*(x.pass_words for x in pools[1:])).part(order),
    )  # fmt: skip


def _earlier(merged: _Merged, old: Pool, pairs: LinkedPairs, kept: Kept, stays: _Bools) -> Earlier:
    """Return what was compared before, of which `stays` says who is still there."""
    pool = merged.pool
    new_rows, old_rows = np.flatnonzero(merged.is_new), np.flatnonzero(~merged.is_new)
    superseded = records_of(pool, merged.superseded.party, merged.superseded.tokens)
    sizes = np.bincount(pool.party[new_rows], minlength=len(pool.parties))
    present = np.flatnonzero(sizes)
    number = np.cumsum(sizes > 0) - 1
    behind = len(pool) + np.arange(len(superseded))
    searched = _gathered([pool, merged.superseded], np.concatenate([new_rows, old_rows, behind]))
    n_earlier = len(old_rows) + len(superseded)
    searched = replace(
        searched,
        parties=(*(pool.parties[p] for p in present.tolist()), _EARLIER),
        clean=np.append(pool.clean[present], True),
        party=np.append(
            number[pool.party[new_rows]], np.full(n_earlier, len(present), dtype=np.int64)
        ),
        with_earlier=True,
    )
    left, right = pairs.scored.left, pairs.scored.right
    still = np.flatnonzero(stays[left] & stays[right])
    place, shifted = records_of(pool, old.party, old.tokens), np.cumsum(stays) - 1
    left, right = place[shifted[left[still]]], place[shifted[right[still]]]
    # Positions keep their order, but pairs that were kept on disk have none.
    order = np.lexsort((right, left))
    return Earlier(
        searched=searched,
        record=np.concatenate([new_rows, old_rows, superseded]),
        n_new=len(new_rows),
        left=left[order],
        right=right[order],
        measure=kept.measure[still][order],
        n_known=count_pairs(old),
        floor=kept.floor,
    )


def _n_given_away(merged: _Merged) -> tuple[str, ...]:
    """Say of each party how many records have nothing in common with what they were."""
    pool, before = merged.pool, merged.superseded
    current = records_of(pool, before.party, before.tokens)
    changed = np.flatnonzero(merged.is_changed[current])
    alien = have_nothing_in_common(
        part_of(pool, current[changed]), part_of(before, changed), everybody=pool
    )
    # Only records none of whose versions are alike.
    n_versions = np.bincount(current[changed], minlength=len(pool))
    n_alien = np.bincount(current[changed[alien]], minlength=len(pool))
    given = (n_versions > 0) & (n_versions == n_alien)
    counts = np.bincount(pool.party[given], minlength=len(pool.parties))
    return tuple(
        f"{n:,} records of '{party}' have nothing in common with what they were before: ids may have been "
        "given to other people"
        for party, n in zip(pool.parties, counts.tolist(), strict=True)
        if n
    )


def _token_keys_lost(old: Pool, new: Pool) -> tuple[str, ...]:
    """Say of which parties no token came back, although records with the same content did."""
    found = records_of(old, new.party, new.tokens) >= 0
    warnings = []
    for p, party in enumerate(new.parties):
        mine, before = np.flatnonzero(new.party == p), np.flatnonzero(old.party == p)
        if not len(mine) or not len(before) or found[mine].any():
            continue
        n = _n_among(content_digests(new, mine), content_digests(old, before))
        if n >= _COPIES_OF_ANOTHER_KEY:
            warnings.append(
                f"no token of '{party}' came back, although {n:,} of its records hold what they held "
                "before: it probably encoded without its token key, or with another one. These people "
                "are counted twice; ask it to encode again with its key"
            )
    return tuple(warnings)


def _n_among(few: npt.NDArray[np.uint64], many: npt.NDArray[np.uint64]) -> int:
    """Return how many of a few numbers are among many, which need not be sorted for that."""
    distinct, counts = np.unique(few, return_counts=True)
    at = np.minimum(np.searchsorted(distinct, many), len(distinct) - 1)
    is_found = np.zeros(len(distinct), dtype=np.bool_)
    is_found[at[distinct[at] == many]] = True
    return int(counts[is_found].sum())


def _labels_left(labels: PairLabels | None, withdrawn: _Bytes) -> PairLabels | None:
    if labels is None or not len(withdrawn):
        return labels
    gone = among_tokens(labels.one, withdrawn) | among_tokens(labels.other, withdrawn)
    return replace(
        labels, one=labels.one[~gone], other=labels.other[~gone], same=labels.same[~gone]
    )
