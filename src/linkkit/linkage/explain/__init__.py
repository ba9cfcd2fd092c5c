"""Explanation: why two records are linked, or are not.

Runs at the linkage unit, after linking. In: what a linkage found and two record tokens. Out: a
:class:`PairExplanation`: what each field or pass told, what found the pair, and what the clusters made of it.
"""

from linkkit.linkage.explain.groups import PathStep
from linkkit.linkage.explain.page import Bar, bars, bits_text
from linkkit.linkage.explain.pair import Linked, PairExplanation, explain_pair
from linkkit.linkage.explain.parts import WeightPart
from linkkit.linkage.explain.trace import PassTrace

__all__ = [
    "Bar",
    "Linked",
    "PairExplanation",
    "PassTrace",
    "PathStep",
    "WeightPart",
    "bars",
    "bits_text",
    "explain_pair",
]
