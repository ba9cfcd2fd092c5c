"""From encodings in passes to scored pairs."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from linkkit.engines import Partitions, n_threads_available
from linkkit.errors import LinkageError
from linkkit.linkage.block import PassPlan, count_pairs, plan_passes
from linkkit.linkage.block._key_reference import mixed
from linkkit.linkage.block.keys import (
    MOST_ALIKE,
    block_sizes,
    repeated_records,
    repeated_warnings,
)
from linkkit.linkage.block.passes import CHANCE_PER_RECORD, table_seconds
from linkkit.linkage.classify import fit_passes, score_passes, unseen_matches
from linkkit.linkage.classify.doubt import Doubt
from linkkit.linkage.classify.known_labels import verdicts
from linkkit.linkage.classify.pass_coverage import blocks_of
from linkkit.linkage.compare import compare_passes, find_pairs
from linkkit.linkage.compare.kept import PAIR_TYPES, TOO_MANY
from linkkit.linkage.compare.passes.pairs import PassPairs
from linkkit.linkage.compare.passes.scan import sample_comparisons
from linkkit.linkage.earlier import pairs_united
from linkkit.linkage.forecast import LinkForecast
from linkkit.linkage.pool import Pool, part_of
from linkkit.linkage.routes.control import held_against_strangers
from linkkit.linkage.routes.work import (
    BYTES_OF_CROSSWALK,
    MOST_CANDIDATES,
    SECONDS_PER_CANDIDATE,
    SECONDS_PER_RECORD,
    Found,
    Work,
    memory_left,
    memory_of_records,
    most_matches,
    sizes_of,
    work_digest,
)

__all__ = ["forecast_passes", "link_passes"]

_DOUBT = Doubt(nats=2.5, times_unseen=3.0)
_LEAST_CHANCE = 0.02
_BYTES_IN_TABLES = 40
_BYTES_OF_SIGNS = 40
"""What tables take for each record: in each thread, and in each pass."""

_BYTES_OF_CORRELATION = 32
"""What a candidate pair takes for each pass while the model is learned."""


def link_passes(work: Work) -> Found:
    """Find and score the candidate pairs of a pool with passes.

    Raises
    ------
    LinkageError
        When the limits leave too little for a linkage.
    """
    all_work, whole, (work, rows, warnings) = work, work.pool, _without_repeated(work)
    pool, plan = work.pool, _plan(work)
    memory_left(work, _memory_of_records(work, plan) + _memory_of_pairs(work, _most_pairs(work)))
    digest = "" if work.work_folder is None else work_digest(work, str(plan))
    store = work.until_done.enter_context(
        Partitions(PAIR_TYPES, folder=work.work_folder, work=digest)
    )
    candidates, plan = _candidates(work, plan, store)
    if work.max_pairs is not None and len(candidates) > work.max_pairs:
        candidates, plan = _tightened(work, candidates, plan, work.max_pairs)
    model = fit_passes(
        pool,
        candidates,
        plan,
        most_matches=most_matches(pool),
        known=verdicts(rows[candidates.left], rows[candidates.right], work.labels),
    )

    def score(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        # Asked for pairs that others brought together.
        evidence = model.log_evidence(
            compare_passes(whole, left, right).correlations, block=blocks_of(whole, left, right)
        )
        return np.asarray(evidence / np.log(2), dtype=np.float64)

    scored = score_passes(pool, candidates, model)
    n_unseen = unseen_matches(pool, candidates, model, scored)
    scored = replace(scored, left=rows[scored.left], right=rows[scored.right])
    plan = replace(plan, n_pairs=count_pairs(whole), warnings=warnings + plan.warnings)
    found = Found(
        plan=plan, scored=scored, model=model, score=score, measure=candidates.correlations,
        n_unseen=n_unseen, doubt=_DOUBT, warnings=model.warnings,
    )  # fmt: skip
    return held_against_strangers(all_work, found, rows)


def _candidates(work: Work, plan: PassPlan, store: Partitions) -> tuple[PassPairs, PassPlan]:
    """Return the candidate pairs of records, found now and before, and how those of now were."""
    earlier, done = work.earlier, plan
    found = _no_pairs(work)
    if work.has_new:
        found, done = find_pairs(
            work.searched, plan, store=store, max_pairs=_affordable_pairs(work, plan),
            n_threads=work.n_threads, progress=work.progress,
        )  # fmt: skip
    if earlier is None:
        return found, done
    errors = np.sqrt([item.n_bits for item in work.pool.spec.passes])
    kept = np.flatnonzero(((earlier.measure * errors) >= plan.deviations).any(axis=1))
    earlier = replace(
        earlier, left=earlier.left[kept], right=earlier.right[kept], measure=earlier.measure[kept]
    )
    left, right, correlations = pairs_united(
        work.pool, earlier, (found.left, found.right, found.correlations),
        # Passes that are alike by chance are no evidence.
        lambda measure: np.maximum(measure, 0.0) @ errors,
    )  # fmt: skip
    united = PassPairs(left=left, right=right, correlations=correlations)
    return united, replace(done, n_pairs=count_pairs(work.pool), n_known=work.n_known)


def _no_pairs(work: Work) -> PassPairs:
    nobody = np.zeros(0, dtype=np.int64)
    return PassPairs(
        left=nobody, right=nobody, correlations=np.zeros((0, len(work.pool.spec.passes)))
    )


def _without_repeated(work: Work) -> tuple[Work, npt.NDArray[np.int64], tuple[str, ...]]:
    """Return the work without repeated records, the positions of the others, and who has such."""
    pool = work.pool
    everybody = np.arange(len(pool))
    if work.block == "exhaustive":
        return work, everybody, ()
    repeated = repeated_records(pool, _common_words(pool))
    if not len(repeated):
        return work, everybody, ()
    rows = np.setdiff1d(everybody, repeated)
    earlier = None if work.earlier is None else work.earlier.among(rows)
    others = replace(work, pool=part_of(pool, rows), earlier=earlier)
    return others, rows, repeated_warnings(pool, repeated)


def _common_words(pool: Pool) -> npt.NDArray[np.uint64]:
    """Return the first word of each filter, 0 where a record of which many are equal has one of its own.

    Equal filters have equal first words, and others hardly ever in most passes. A pass whose salt a record
    lacks looks random, in each of many equal records otherwise.
    """
    words = np.column_stack([pool.pass_words.first_words(k) for k in range(len(pool.spec.passes))])
    common = np.zeros(words.shape, dtype=np.bool_)
    for k in range(words.shape[1]):
        of_party = mixed(pool.party.astype(np.uint64), words[:, k]) | np.uint64(1)
        position, n_alike = block_sizes(of_party[:, None], (0,))
        common[position, k] = n_alike > MOST_ALIKE
    many = np.flatnonzero(2 * common.sum(axis=1) >= words.shape[1])
    if len(many):
        words[many] = np.where(common[many], words[many], np.uint64(0))
    return words


def forecast_passes(work: Work) -> LinkForecast:
    """Say what :func:`link_passes` will take, from a sample of its comparisons."""
    sizes, (work, _, warnings) = sizes_of(work.pool), _without_repeated(work)
    pool, plan = work.searched, replace(_plan(work), warnings=warnings)
    n_threads = work.n_threads or n_threads_available()
    began = time.perf_counter()
    each, share = sample_comparisons(pool, plan, n_threads=n_threads)
    sampling = time.perf_counter() - began
    # A pair that is alike in several passes counts in each, and tables find fewer: no more than this.
    n = max(round(plan.n_pairs * len(plan.names) * share), 1)
    if work.max_pairs is not None:
        n = min(n, work.max_pairs)
    seconds = plan.n_comparisons * each
    if not plan.is_exhaustive:
        seconds = sum(plan.n_tables) * table_seconds(plan, len(pool)) / n_threads
    records = _memory_of_records(work, plan)
    return LinkForecast(
        n_records=sizes,
        plan=plan,
        n_comparisons=plan.n_comparisons,
        n_candidates=n,
        seconds=sampling
        + seconds
        + len(pool) * SECONDS_PER_RECORD
        + n * len(plan.names) * SECONDS_PER_CANDIDATE,
        memory=records + _memory_of_pairs(work, n),
        memory_of_records=records + _memory_of_pairs(work, n),
        disk=0,
        crosswalk=len(pool) * BYTES_OF_CROSSWALK,
    )


def _plan(work: Work) -> PassPlan:
    chance, searched = _chance_per_record(work), work.searched
    if work.earlier is not None:
        # A pair is as much of a candidate as if all were compared at once.
        rate = chance * len(work.pool) / max(count_pairs(work.pool), 1)
        chance = rate * count_pairs(searched) / max(len(searched), 1)
    return plan_passes(searched, block=work.block, chance_per_record=chance)


def _chance_per_record(work: Work) -> float:
    """Return how many pairs chance may let in, so that with all matches they are not too many."""
    if work.max_pairs is None:
        return CHANCE_PER_RECORD
    room = work.max_pairs - most_matches(work.pool)
    chance = room / (len(work.pool) * len(work.pool.spec.passes))
    if chance < _LEAST_CHANCE:
        least = most_matches(work.pool) + _LEAST_CHANCE * len(work.pool) * len(
            work.pool.spec.passes
        )
        raise LinkageError(
            f"'max_pairs' ({work.max_pairs:,}) leaves no room beside the {most_matches(work.pool):,} "
            "matches that there may be",
            hint=f"Allow {least + 1:,.0f} pairs or more, or link smaller extracts.",
        )
    return min(chance, CHANCE_PER_RECORD)


def _tightened(
    work: Work, candidates: PassPairs, plan: PassPlan, max_pairs: int
) -> tuple[PassPairs, PassPlan]:
    """Leave out the candidates that are least alike in the pass in which they are most."""
    bits = np.array([item.n_bits for item in work.pool.spec.passes])
    alike = (candidates.correlations * np.sqrt(bits)).max(axis=1)
    deviations = float(np.sort(alike)[-max_pairs])
    by_chance = _LEAST_CHANCE * len(work.pool) / max(plan.n_pairs, 1)
    if deviations > -float(ndtri(min(by_chance, 0.5))):
        raise LinkageError(
            f"{len(candidates):,} candidate pairs are more than 'max_pairs' ({max_pairs:,}) allows, and "
            "too few of them are so by chance",
            hint=TOO_MANY,
        )
    keep = alike > deviations
    kept = replace(
        candidates,
        left=candidates.left[keep],
        right=candidates.right[keep],
        correlations=candidates.correlations[keep],
    )
    return kept, replace(plan, deviations=deviations)


def _most_pairs(work: Work) -> int:
    """Return how many candidate pairs there may be: all matches, and what chance lets in."""
    by_chance = _chance_per_record(work) * len(work.pool) * len(work.pool.spec.passes)
    return most_matches(work.pool) + round(by_chance)


def _memory_of_records(work: Work, plan: PassPlan) -> int:
    own = 0
    if not plan.is_exhaustive:
        n_threads = work.n_threads or n_threads_available()
        own = _BYTES_IN_TABLES * n_threads + _BYTES_OF_SIGNS * len(plan.names)
    return memory_of_records(work.pool, plan) + len(work.pool) * own


def _affordable_pairs(work: Work, plan: PassPlan) -> int:
    """Return with how many candidate pairs work is given up."""
    left = memory_left(work, _memory_of_records(work, plan))
    most = (
        MOST_CANDIDATES if left is None else min(left // _memory_of_pairs(work, 1), MOST_CANDIDATES)
    )
    return most if work.max_pairs is None else min(most, 3 * work.max_pairs)


def _memory_of_pairs(work: Work, n: int) -> int:
    return n * (64 + _BYTES_OF_CORRELATION * len(work.pool.spec.passes))
