"""Classification: how probable it is that two records are of the same person.

Runs at the linkage unit, after comparison. In: agreement levels of pairs. Out: a model of
match and u probabilities, and a match weight and probability for each pair.
"""

from linkkit.linkage.classify.doubt import USUAL_DOUBT, Doubt
from linkkit.linkage.classify.model import FieldWeights, MatchModel, first_weights, fit_model
from linkkit.linkage.classify.pass_model import PassModel
from linkkit.linkage.classify.pass_scores import (
    fit_passes,
    pass_log_odds,
    score_passes,
    unseen_matches,
)
from linkkit.linkage.classify.record_model import RecordModel
from linkkit.linkage.classify.record_scores import fit_records, record_log_odds, score_records
from linkkit.linkage.classify.scores import ScoredPairs, score_pairs

__all__ = [
    "USUAL_DOUBT",
    "Doubt",
    "FieldWeights",
    "MatchModel",
    "PassModel",
    "RecordModel",
    "ScoredPairs",
    "first_weights",
    "fit_model",
    "fit_passes",
    "fit_records",
    "pass_log_odds",
    "record_log_odds",
    "score_pairs",
    "score_passes",
    "score_records",
    "unseen_matches",
]
