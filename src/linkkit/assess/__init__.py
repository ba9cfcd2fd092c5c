"""Assessment: how good a linkage is, who is in it, and what should be looked at twice.

Run by whoever answers for a linkage. In: a :class:`~linkkit.linkage.LinkResult` or a
:class:`~linkkit.exchange.Crosswalk`, and the truth where it is known. Out: frozen results,
each of which gives its numbers as a frame. Nothing here draws, and no result holds a token.
"""

from linkkit.assess.completeness import FieldCompleteness, field_completeness
from linkkit.assess.concerns import Concern, find_concerns
from linkkit.assess.evidence import FieldEvidence, LevelEvidence, field_evidence
from linkkit.assess.overlap import Combination, Overlaps, PartyPeople, overlaps
from linkkit.assess.threshold import ThresholdCurve, threshold_curve
from linkkit.assess.truth import LinkageScores, PairScores, PartyPairScores, true_quality
from linkkit.assess.weights import WeightHistogram, weight_histogram

__all__ = [
    "Combination",
    "Concern",
    "FieldCompleteness",
    "FieldEvidence",
    "LevelEvidence",
    "LinkageScores",
    "Overlaps",
    "PairScores",
    "PartyPairScores",
    "PartyPeople",
    "ThresholdCurve",
    "WeightHistogram",
    "field_completeness",
    "field_evidence",
    "find_concerns",
    "overlaps",
    "threshold_curve",
    "true_quality",
    "weight_histogram",
]
