"""Learns from the compared fields of candidate pairs, and scores pairs with what was learned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from linkkit.linkage.classify.competition import compete
from linkkit.linkage.classify.em import first_fit, improve
from linkkit.linkage.classify.model import Learner, MatchModel
from linkkit.linkage.classify.scores import FrequencyTable, Room, ScoredPairs, score_pairs
from linkkit.linkage.compare import ComparedPairs
from linkkit.linkage.pool import Pool

__all__ = ["fit_fields"]

import os
_N_TIMES = int(os.environ.get("NT", "2"))


def fit_fields(
    pool: Pool, pairs: ComparedPairs, learner: Learner, frequencies: FrequencyTable, *, room: Room
) -> tuple[MatchModel, ScoredPairs]:
    fit = first_fit(learner.evidence)
    model = learner.model(fit)
    scored = competed(pool, score_pairs(pairs, model, frequencies, room=room))
    for _ in range(_N_TIMES):
        matched = learner.matched(pairs.codes, scored.probability)
        fit = improve(learner.evidence, fit, matched=matched, max_rounds=int(os.environ.get("NR","5")))
        model = learner.model(fit)
        scored = competed(pool, score_pairs(pairs, model, frequencies, room=room))
    return model, scored


def competed(pool: Pool, scored: ScoredPairs) -> ScoredPairs:
    odds = np.exp2(np.clip(scored.weight, -300, 300))
    p = compete(pool, scored.left, scored.right, odds)
    c = np.clip(p, 1e-300, 1 - 1e-15)
    return replace(scored, probability=p, weight=np.log2(c) - np.log2(1 - c))
