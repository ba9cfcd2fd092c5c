"""From encodings with one filter for each record to scored pairs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linkkit.linkage.classify import fit_records, record_log_odds, score_records
from linkkit.linkage.compare import find_candidates
from linkkit.linkage.forecast import LinkForecast
from linkkit.linkage.routes.work import Found, Work

__all__ = ["link_records"]


def link_records(work: Work) -> Found:
    """Find and score the candidate pairs of a pool with one filter for each record."""
    pool = work.pool
    candidates, plan, floor = find_candidates(
        pool, block=work.block, n_threads=work.n_threads, progress=work.progress
    )
    model = fit_records(pool, candidates, floor=floor, n_pairs=plan.n_pairs)

    def score(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        odds = record_log_odds(pool, left, right, None, model)
        return np.asarray(odds / np.log(2), dtype=np.float64)

    scored = score_records(pool, candidates, model)
    return Found(plan=plan, scored=scored, model=model, score=score)


def forecast_records(work: Work) -> LinkForecast:
    """TEMPORARY."""
    raise NotImplementedError
