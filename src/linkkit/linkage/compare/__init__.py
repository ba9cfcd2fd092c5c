"""Comparison: how alike two records are, field by field.

Runs at the linkage unit, after blocking. In: a pool and a blocking plan. Out: the pairs that
are alike enough to be a match, with an agreement level for each field.
"""

from linkkit.linkage.compare.fields.levels import LEVELS, N_LEVELS, Comparison, make_comparison
from linkkit.linkage.compare.fields.pairs import (
    ComparedPairs,
    compare_all,
    compare_pairs,
    sample_pairs,
)
from linkkit.linkage.compare.passes.pairs import PassPairs, compare_passes
from linkkit.linkage.compare.passes.scan import find_pairs
from linkkit.linkage.compare.vectors.record_filters import (
    RecordPairs,
    candidate_floor,
    compare_filters,
    find_candidates,
)
from linkkit.linkage.compare.vectors.similar import Measure, SimilarPairs, similar_pairs

__all__ = [
    "LEVELS",
    "N_LEVELS",
    "ComparedPairs",
    "Comparison",
    "Measure",
    "PassPairs",
    "RecordPairs",
    "SimilarPairs",
    "candidate_floor",
    "compare_all",
    "compare_filters",
    "compare_pairs",
    "compare_passes",
    "find_candidates",
    "find_pairs",
    "make_comparison",
    "sample_pairs",
    "similar_pairs",
]
