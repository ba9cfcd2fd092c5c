"""Attacks on one's own encodings: how many people would be re-identified, and by what.

Run by who answers for an encoding, before anything is sent. In: the encodings and an
overlapping list as plain arrays, the list encoded under a key of the attacker's choosing, and
the truth for scoring. Out: frozen results with a share, its interval and the guessing baseline.
Nothing here sees a name or a key.
"""

from linkkit.assess.attack.dictionary import dictionary
from linkkit.assess.attack.leakage import PassLeakage, leakage, leakage_frame
from linkkit.assess.attack.linear import n_parities, unmixed
from linkkit.assess.attack.matching import graph_matching, known_pairs
from linkkit.assess.attack.report import AttackReport
from linkkit.assess.attack.result import AttackResult, results_frame, wilson_interval
from linkkit.assess.attack.run import ATTACKS, attack_encodings
from linkkit.assess.attack.similarity import TokenSets, WeightedTokens
from linkkit.assess.attack.target import NO_GROUP, PassView, Target, Truth

__all__ = [
    "ATTACKS",
    "NO_GROUP",
    "AttackReport",
    "AttackResult",
    "PassLeakage",
    "PassView",
    "Target",
    "TokenSets",
    "Truth",
    "WeightedTokens",
    "attack_encodings",
    "dictionary",
    "graph_matching",
    "known_pairs",
    "leakage",
    "leakage_frame",
    "n_parities",
    "results_frame",
    "unmixed",
    "wilson_interval",
]
