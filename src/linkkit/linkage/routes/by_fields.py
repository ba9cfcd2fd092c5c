"""From encodings with a filter for each field to scored pairs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from linkkit.engines import Partitions, n_threads_available, run_in_threads
from linkkit.errors import LinkageError
from linkkit.exchange import FilterSpec
from linkkit.linkage.block import BlockingPlan, plan_blocking
from linkkit.linkage.block.content import digests_of_keys, smallest
from linkkit.linkage.block.keys import KeyPass, repeated_records, repeated_warnings
from linkkit.linkage.block.plan import all_keys, all_pairs, count_pairs
from linkkit.linkage.classify import first_weights, score_pairs
from linkkit.linkage.classify.field_scores import fit_fields, known_pairs
from linkkit.linkage.classify.known_strangers import not_so_clean
from linkkit.linkage.classify.model import Learner, Strangers
from linkkit.linkage.classify.priors import IDENTIFYING
from linkkit.linkage.classify.scores import frequency_table
from linkkit.linkage.classify.unseen import FoundShare, draw_unseen
from linkkit.linkage.compare import (
    LEVELS,
    ComparedPairs,
    Comparison,
    compare_all,
    compare_pairs,
    make_comparison,
    sample_pairs,
)
from linkkit.linkage.compare.fields.pairs import CANDIDATE_TYPES, unpack
from linkkit.linkage.compare.fields.scans import Bar, scans_of
from linkkit.linkage.compare.kept import TOO_MANY
from linkkit.linkage.earlier import pairs_united
from linkkit.linkage.forecast import LinkForecast
from linkkit.linkage.labels import LabelledPairs
from linkkit.linkage.pool import Pool, part_of
from linkkit.linkage.routes.work import (
    BYTES_OF_CROSSWALK,
    MOST_CANDIDATES,
    SECONDS_PER_CANDIDATE,
    SECONDS_PER_RECORD,
    Found,
    Work,
    memory_left,
    memory_of_pairs,
    memory_of_records,
    most_matches,
    sizes_of,
    work_digest,
)

__all__ = ["forecast_fields", "link_fields"]

_MOST_BEFORE_TIGHTENED = 1.5
_SAMPLE_PAIRS = 1_000_000
_FLOOR_BELOW_EVEN_ODDS = 8.0
_FEWEST_WEIGHT = 4.0
_SAMPLED_COMPARISONS = 3_000_000
_FLOOR_STEP = 0.5
_EQUAL = LEVELS.index("equal")
_STRANGERS_COMPARED = 4_000
_STRANGERS_SAMPLED = 50_000
_CLOSE = LEVELS.index("close")
_FIELDS_OF_ONE = 3
_BITS_BEYOND_CHANCE = 3.0
_FEWEST_TWICE = 5
_SHARE_TWICE = 0.003
_NO_CODES = np.zeros(0, dtype=np.uint64)
_BYTES_ON_DISK = sum(np.dtype(kind).itemsize for kind in CANDIDATE_TYPES.values()) + 2 * 8


class _Start(NamedTuple):
    """What is known before pairs are compared."""

    plan: BlockingPlan
    keys: npt.NDArray[np.uint64]
    comparison: Comparison
    searched: Comparison
    sample: npt.NDArray[np.uint64]
    weights: npt.NDArray[np.float64]
    floor: float
    even_odds: float


def link_fields(work: Work) -> Found:
    """Find, score and explain the candidate pairs of a pool with a filter for each field.

    Raises
    ------
    LinkageError
        When the limits leave too little for a linkage.
    """
    pool, start = work.pool, _start(work)
    memory = memory_left(work, memory_of_records(pool, start.plan))
    most = work.max_pairs or MOST_CANDIDATES
    if start.plan.n_comparisons > most:
        start = start._replace(floor=_affordable_floor(work, start, most))
    digest = "" if work.work_folder is None else work_digest(work, start.floor, start.plan.names)
    store = work.until_done.enter_context(
        Partitions(CANDIDATE_TYPES, folder=work.work_folder, work=digest, memory=memory)
    )
    candidates = compare_all(
        work.searched, start.searched, start.plan, weights=start.weights, floor=start.floor,
        store=store, max_pairs=round(_MOST_BEFORE_TIGHTENED * most), n_threads=work.n_threads,
        progress=work.progress,
    )  # fmt: skip
    candidates = _with_earlier(work, start, candidates)
    if len(candidates) > most:
        start, candidates = _tightened(start, candidates, most)
    strangers, doubts = _strangers(work, start)
    learner = _learner(work, start, candidates, strangers)
    frequencies = frequency_table(pool, start.keys)
    model, scored = fit_fields(
        pool, candidates, learner, frequencies,
        most_matches=most_matches(pool), labels=work.labels, room=store.scratch,
    )  # fmt: skip

    def score(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        codes = compare_pairs(start.comparison, left, right)
        pairs = ComparedPairs(left=left, right=right, codes=codes)
        return score_pairs(pairs, model, frequencies).weight

    return Found(
        plan=start.plan,
        scored=scored,
        model=model,
        score=score,
        measure=candidates.codes,
        n_unseen=model.expected_matches * (1 - model.completeness),
        warnings=model.warnings + doubts,
    )


def _learner(work: Work, start: _Start, candidates: ComparedPairs, strangers: Strangers) -> Learner:
    """Return what learns the model from the candidates, and from what else is known of all pairs."""
    pool = work.pool
    return Learner.of(
        pool.spec.filters,
        candidates.codes,
        start.sample,
        n_pairs=start.plan.n_pairs,
        is_candidate=_weight_of(start.sample, start.weights) >= start.floor,
        unseen=draw_unseen(
            pool.spec.filters,
            start.sample,
            weights=start.weights,
            floor=start.floor,
            found=_found_share(pool, start.plan),
        ),
        strangers=strangers,
        known=_known_codes(candidates, work.labels),
        most_matches=most_matches(pool) if pool.clean.all() else np.inf,
    )


def _found_share(pool: Pool, plan: BlockingPlan) -> FoundShare | None:
    """Return how to tell whether pairs meet in a block; None where all are compared."""
    if plan.is_exhaustive:
        return None
    names = [item.name for item in pool.spec.filters]
    passes: list[tuple[list[int], float]] = []
    for item in plan.passes:
        if not isinstance(item, KeyPass) or item.splits:
            continue
        fields = [column for column in item.columns if column < len(names)]
        keys = [pool.spec.keys[c - len(names)] for c in item.columns if c >= len(names)]
        fields += [names.index(part.name) for key in keys for part in key.parts]
        crowded = item.n_crowded_records / max(item.n_records, 1)
        passes.append((fields, 1 - crowded))

    def found(levels: npt.NDArray[np.int8]) -> npt.NDArray[np.float64]:
        missed = np.ones(len(levels))
        for fields, share in passes:
            missed *= 1 - share * (levels[:, fields] == _EQUAL).all(axis=1)
        return 1 - missed

    return found


def _known_codes(
    candidates: ComparedPairs, labels: LabelledPairs | None
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]]:
    known = known_pairs(candidates, labels)
    return candidates.codes[known.rows], known.same


def _strangers(work: Work, start: _Start) -> tuple[Strangers, tuple[str, ...]]:
    """Return candidates within parties that hold each person once, none of which match.

    And which parties do not seem to hold each person once, whose candidates say nothing of strangers.
    """
    n_pairs, found, samples, doubts = 0, [_NO_CODES], [_NO_CODES], []
    pool = work.pool
    repeated = repeated_records(pool, start.keys)
    digests = _digests(pool, start.keys)
    for p in np.flatnonzero(pool.clean).tolist():
        part = _some_of_party(pool, p, repeated, digests)
        plan = BlockingPlan(passes=(all_pairs(part),), n_pairs=count_pairs(part))
        comparison = make_comparison(part)
        pairs = compare_all(
            part, comparison, plan, weights=start.weights, floor=start.floor,
            n_threads=work.n_threads,
        )  # fmt: skip
        twice = _of_one_person(pool.spec.filters, pairs.codes, start.weights, n_pairs=plan.n_pairs)
        if twice >= max(_FEWEST_TWICE, _SHARE_TWICE * len(part)):
            seen = f"{twice:,} pairs of {len(part):,} of its records agree in names and dates"
            doubts.append(not_so_clean(pool.parties[p], seen))
            continue
        found.append(pairs.codes)
        n = min(plan.n_pairs, _STRANGERS_SAMPLED)
        samples.append(sample_pairs(part, comparison, n_pairs=n))
        n_pairs += plan.n_pairs
    strangers = Strangers(
        codes=np.concatenate(found), n_pairs=n_pairs, sample=np.concatenate(samples)
    )
    return strangers, tuple(doubts)


def _of_one_person(
    filters: Sequence[FilterSpec],
    codes: npt.NDArray[np.uint64],
    weights: npt.NDArray[np.float64],
    *,
    n_pairs: int,
) -> int:
    """Return how many pairs agree in all that is of one person, and more than chance explains.

    Relatives differ in a given name or a birth date. Of strangers one pair in two to the power of its weight
    has that weight or more, so that with somewhat more than the weight of all pairs there is hardly any.
    """
    own = [f for f, item in enumerate(filters) if item.kind in IDENTIFYING]
    levels = unpack(codes, n_fields=len(filters))[:, own]
    agree = (levels >= _CLOSE) | (levels == 0)
    enough = (levels >= _CLOSE).sum(axis=1) >= min(len(own), _FIELDS_OF_ONE)
    least = np.log2(max(n_pairs, 1)) + _BITS_BEYOND_CHANCE
    return int((agree.all(axis=1) & enough & (_weight_of(codes, weights) >= least)).sum())


def _digests(pool: Pool, keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return digests of what records hold, of their keys, the first of which are of their fields."""
    return digests_of_keys(keys[:, : len(pool.spec.filters)])


def _some_of_party(
    pool: Pool, p: int, repeated: npt.NDArray[np.int64], digests: npt.NDArray[np.uint64]
) -> Pool:
    """Return records of one party, all or a sample, as if it held people more than once."""
    start, end = pool.party_starts()[p : p + 2].tolist()
    is_own = np.ones(end - start, dtype=np.bool_)
    is_own[repeated[(repeated >= start) & (repeated < end)] - start] = False
    rows = start + np.flatnonzero(is_own)
    if len(rows) > _STRANGERS_COMPARED:
        rows = np.sort(rows[smallest(digests[rows], _STRANGERS_COMPARED)])
    return replace(
        part_of(pool, rows),
        parties=pool.parties[p : p + 1],
        party=np.zeros(len(rows), dtype=np.int64),
        clean=np.zeros(1, dtype=np.bool_),
    )


def _with_earlier(work: Work, start: _Start, found: ComparedPairs) -> ComparedPairs:
    """Return the candidates with those of before that are still alike enough, as pairs of records."""
    earlier = work.earlier
    if earlier is None:
        return found
    kept = np.flatnonzero(_weight_of(earlier.measure, start.weights) >= start.floor)
    earlier = replace(
        earlier, left=earlier.left[kept], right=earlier.right[kept], measure=earlier.measure[kept]
    )
    left, right, codes = pairs_united(
        work.pool, earlier, (found.left, found.right, found.codes),
        lambda codes: _weight_of(codes, start.weights),
    )  # fmt: skip
    return ComparedPairs(left=left, right=right, codes=codes)


def forecast_fields(work: Work) -> LinkForecast:
    """Say what :func:`link_fields` will take, from a sample of the comparisons that it would make."""
    began = time.perf_counter()
    start = _start(work)
    prepared = time.perf_counter() - began
    codes, share, rate = _sampled(work, start)
    floor = _floor_for((work.max_pairs or MOST_CANDIDATES) * share, codes, start)
    n = round(float((_weight_of(codes, start.weights) >= floor).sum()) / share)
    pool, plan = work.pool, start.plan
    return LinkForecast(
        n_records=sizes_of(pool),
        plan=plan,
        n_comparisons=plan.n_comparisons,
        n_candidates=n,
        seconds=prepared
        + plan.n_comparisons / rate
        + len(pool) * SECONDS_PER_RECORD
        + n * SECONDS_PER_CANDIDATE,
        memory=memory_of_records(pool, plan) + memory_of_pairs(n),
        memory_of_records=memory_of_records(pool, plan),
        disk=n * (_BYTES_ON_DISK + len(pool.spec.filters)),
        crosswalk=len(pool) * BYTES_OF_CROSSWALK,
    )


def _start(work: Work) -> _Start:
    (whole, keys), (searched, searched_keys), warnings = _without_repeated(work)
    n_pairs = count_pairs(whole)
    plan = replace(
        plan_blocking(
            searched,
            block=work.block,
            keys=searched_keys,
            whole=None if work.earlier is None else whole,
        ),
        n_pairs=n_pairs, n_known=work.n_known, set_aside=warnings,
    )  # fmt: skip
    # What is known of strangers is that of all records, whoever is compared.
    comparison = make_comparison(whole)
    sample = sample_pairs(
        whole, comparison, n_pairs=min(_SAMPLE_PAIRS, 4 * n_pairs), digests=_digests(whole, keys)
    )
    even_odds = float(np.log2(max(n_pairs / most_matches(whole), 1)))
    return _Start(
        plan=plan,
        keys=keys,
        comparison=comparison,
        searched=comparison if work.earlier is None else make_comparison(searched),
        sample=sample,
        weights=first_weights(whole.spec.filters, sample),
        floor=max(even_odds - _FLOOR_BELOW_EVEN_ODDS, _FEWEST_WEIGHT),
        even_odds=even_odds,
    )


_Keyed = tuple[Pool, npt.NDArray[np.uint64]]


def _without_repeated(work: Work) -> tuple[_Keyed, _Keyed, tuple[str, ...]]:
    """Return all records, and those to compare, and the keys of each, with nothing in repeated ones.

    And of whom there are such.
    """
    pool, keys = work.pool, all_keys(work.pool)
    searched, searched_keys = pool, keys
    if work.earlier is not None:
        searched, searched_keys = work.searched, all_keys(work.searched)
    repeated = repeated_records(pool, keys)
    if not len(repeated) or work.block == "exhaustive":
        return (pool, keys), (searched, searched_keys), ()
    whole, keys[repeated] = _silenced(pool, repeated), 0
    if work.earlier is None:
        return (whole, keys), (whole, keys), repeated_warnings(pool, repeated)
    rows = work.earlier.of_records(repeated)
    searched, searched_keys[rows] = _silenced(searched, rows), 0
    return (whole, keys), (searched, searched_keys), repeated_warnings(pool, repeated)


def _silenced(pool: Pool, rows: npt.NDArray[np.int64]) -> Pool:
    present = pool.present.copy()
    present[rows] = False
    return replace(pool, present=present)


def _sampled(work: Work, start: _Start) -> tuple[npt.NDArray[np.uint64], float, float]:
    """Return the candidates among some comparisons, their share of all, and comparisons per second."""
    share = min(_SAMPLED_COMPARISONS / max(start.plan.n_comparisons, 1), 1.0)
    found: list[npt.NDArray[np.uint64]] = [np.zeros(0, dtype=np.uint64)]
    n_sampled, seconds = 0, 0.0
    n_threads = work.n_threads or n_threads_available()
    for scan in scans_of(
        work.searched, start.searched, start.plan, Bar(start.weights, start.floor)
    ):
        tasks = scan.tasks()
        step = max(round(1 / share), 1)
        some = tasks[len(tasks) // 2 % step :: step] or tasks[:1]
        if not some:
            continue
        scan(slice(some[0].start, some[0].start + 1))  # what is compiled now is not timed
        began = time.perf_counter()
        found += [pairs[2] for pairs in run_in_threads(scan, some, n_threads=n_threads)]
        seconds += time.perf_counter() - began
        n_sampled += sum(map(scan.size, some))
    whole = max(start.plan.n_comparisons, 1)
    return np.concatenate(found), max(n_sampled, 1) / whole, max(n_sampled, 1) / max(seconds, 1e-6)


def _affordable_floor(work: Work, start: _Start, max_pairs: int) -> float:
    """Return the weight from which pairs are kept, so that not more than allowed are expected."""
    codes, share, _ = _sampled(work, start)
    return _floor_for(max_pairs * share, codes, start)


def _floor_for(n_most: float, codes: npt.NDArray[np.uint64], start: _Start) -> float:
    """Return the lowest floor that leaves at most so many of some pairs, up to even odds."""
    weights = _weight_of(codes, start.weights)
    floor = start.floor
    while floor < start.even_odds and int((weights >= floor).sum()) > n_most:
        floor += _FLOOR_STEP
    return min(floor, max(start.even_odds, start.floor))


def _tightened(
    start: _Start, candidates: ComparedPairs, max_pairs: int
) -> tuple[_Start, ComparedPairs]:
    """Leave out the least likely candidates."""
    floor = _floor_for(max_pairs, candidates.codes, start)
    keep = np.flatnonzero(_weight_of(candidates.codes, start.weights) >= floor)
    if len(keep) > max_pairs:
        raise LinkageError(
            f"{len(keep):,} pairs are as likely as not to match, more than 'max_pairs' "
            f"({max_pairs:,}) allows",
            hint=TOO_MANY,
        )
    kept = ComparedPairs(
        left=candidates.left[keep], right=candidates.right[keep], codes=candidates.codes[keep]
    )
    return start._replace(floor=floor), kept


def _weight_of(
    codes: npt.NDArray[np.uint64], weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    levels = unpack(codes, n_fields=len(weights))
    total = np.zeros(len(levels))
    for f in range(len(weights)):
        total += weights[f, levels[:, f]]
    return total
