"""Classification: how probable it is that two records are of the same person.

Runs at the linkage unit, after comparison. In: agreement levels of pairs. Out: a model of
match and u probabilities, and a match weight and probability for each pair.
"""

from linkkit.linkage.classify.model import FieldWeights, MatchModel, first_weights, fit_model
from linkkit.linkage.classify.scores import ScoredPairs, score_pairs

__all__ = [
    "FieldWeights",
    "MatchModel",
    "ScoredPairs",
    "first_weights",
    "fit_model",
    "score_pairs",
]
