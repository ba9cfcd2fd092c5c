"""From encodings with one filter for each record to scored pairs."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from linkkit.engines import Partitions
from linkkit.errors import LinkageError
from linkkit.linkage.block import FilterPlan, count_pairs
from linkkit.linkage.classify import fit_records, record_log_odds, score_records
from linkkit.linkage.classify.known_labels import verdicts
from linkkit.linkage.compare.kept import PAIR_TYPES, TOO_MANY
from linkkit.linkage.compare.vectors.record_filters import (
    Candidates,
    RecordPairs,
    candidate_floor,
    find_candidates,
    forecast_candidates,
)
from linkkit.linkage.earlier import Earlier, pairs_united
from linkkit.linkage.forecast import LinkForecast
from linkkit.linkage.routes.work import (
    BYTES_OF_CROSSWALK,
    SECONDS_PER_CANDIDATE,
    SECONDS_PER_RECORD,
    Found,
    Work,
    memory_left,
    memory_of_pairs,
    sizes_of,
    work_digest,
)

__all__ = ["forecast_records", "link_records"]

_BYTES_BESIDE_FILTERS = 400
_COPIES_OF_FILTERS = 3
"""The pool's filters, those that are distinct, and those sorted to be compared."""


def link_records(work: Work) -> Found:
    """Find and score the candidate pairs of a pool with one filter for each record.

    Raises
    ------
    LinkageError
        When the limits leave too little for a linkage.
    """
    pool = work.pool
    left_over = memory_left(work, _memory_of_records(work))
    digest = "" if work.work_folder is None else work_digest(work, work.block)
    store = work.until_done.enter_context(
        Partitions(PAIR_TYPES, folder=work.work_folder, work=digest)
    )
    candidates, plan, floor = _candidates(work, store)
    if work.max_pairs is not None and len(candidates) > work.max_pairs:
        raise LinkageError(
            f"{len(candidates):,} candidate pairs are more than 'max_pairs' ({work.max_pairs:,}) allows",
            hint=TOO_MANY,
        )
    if left_over is not None and memory_of_pairs(len(candidates)) > left_over:
        memory_left(work, _memory_of_records(work) + memory_of_pairs(len(candidates)))
    model = fit_records(
        pool,
        candidates,
        floor=floor,
        n_pairs=plan.n_pairs,
        pair_completeness=plan.pair_completeness,
        known=verdicts(candidates.left, candidates.right, work.labels),
        n_threads=work.n_threads,
    )

    def score(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        odds = record_log_odds(pool, left, right, None, model)
        return np.asarray(odds / np.log(2), dtype=np.float64)

    scored = score_records(pool, candidates, model)
    return Found(
        plan=plan, scored=scored, model=model, score=score, measure=candidates.dice, floor=floor,
        n_unseen=model.missed, warnings=model.warnings,
    )  # fmt: skip


def _candidates(work: Work, store: Partitions) -> Candidates:
    """Return the candidate pairs of records, found now and before."""
    earlier, floor = work.earlier, None
    if earlier is not None:
        # Nobody looked for pairs of earlier records that are less alike.
        floor = max(candidate_floor(work.pool), earlier.floor)
        if not earlier.n_new:
            found = Candidates(_no_pairs(), FilterPlan(n_pairs=0, n_comparisons=0), floor)
            return _with_earlier(work, earlier, found)
    found = find_candidates(
        work.searched, floor=floor, block=work.block, store=store, n_threads=work.n_threads,
        progress=work.progress,
    )  # fmt: skip
    return found if earlier is None else _with_earlier(work, earlier, found)


def _with_earlier(work: Work, earlier: Earlier, found: Candidates) -> Candidates:
    kept = np.flatnonzero(earlier.measure >= found.floor)
    earlier = replace(
        earlier, left=earlier.left[kept], right=earlier.right[kept], measure=earlier.measure[kept]
    )
    left, right, dice = pairs_united(
        work.pool,
        earlier,
        (found.pairs.left, found.pairs.right, found.pairs.dice),
        lambda dice: dice,
    )
    plan = replace(found.plan, n_pairs=count_pairs(work.pool), n_known=work.n_known)
    return Candidates(RecordPairs(left=left, right=right, dice=dice), plan, found.floor)


def _no_pairs() -> RecordPairs:
    nobody = np.zeros(0, dtype=np.int64)
    return RecordPairs(left=nobody, right=nobody, dice=np.zeros(0))


def forecast_records(work: Work) -> LinkForecast:
    """Say what :func:`link_records` will take, from a sample of its pairs."""
    pool = work.pool
    began = time.perf_counter()
    plan, n, seconds = forecast_candidates(
        work.searched, block=work.block, n_threads=work.n_threads
    )
    records = _memory_of_records(work)
    return LinkForecast(
        n_records=sizes_of(pool),
        plan=plan,
        n_comparisons=plan.n_comparisons,
        n_candidates=n,
        seconds=time.perf_counter()
        - began
        + seconds
        + len(pool) * SECONDS_PER_RECORD
        + n * SECONDS_PER_CANDIDATE,
        memory=records + memory_of_pairs(n),
        memory_of_records=records + memory_of_pairs(n),
        disk=0,
        crosswalk=len(pool) * BYTES_OF_CROSSWALK,
    )


def _memory_of_records(work: Work) -> int:
    filters = 8 * int(work.pool.words.shape[1])
    return len(work.pool) * (_COPIES_OF_FILTERS * filters + _BYTES_BESIDE_FILTERS)
