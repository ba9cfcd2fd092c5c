"""From encodings in passes to scored pairs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from linkkit.linkage.block import plan_passes
from linkkit.linkage.classify import fit_passes, pass_log_odds, score_passes
from linkkit.linkage.compare import compare_passes, find_pairs
from linkkit.linkage.forecast import LinkForecast
from linkkit.linkage.routes.work import Found, Work, most_matches

__all__ = ["link_passes"]


def link_passes(work: Work) -> Found:
    """Find and score the candidate pairs of a pool with passes."""
    pool = work.pool
    plan = plan_passes(pool, block=work.block)
    candidates, plan = find_pairs(pool, plan, n_threads=work.n_threads, progress=work.progress)
    model = fit_passes(pool, candidates, plan, most_matches=most_matches(pool))

    def score(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        pairs = compare_passes(pool, left, right)
        return np.asarray(pass_log_odds(pairs, model) / np.log(2), dtype=np.float64)

    scored = score_passes(pool, candidates, model)
    return Found(plan=plan, scored=scored, model=model, score=score)


def forecast_passes(work: Work) -> LinkForecast:
    """TEMPORARY."""
    raise NotImplementedError
