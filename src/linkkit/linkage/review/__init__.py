"""Review without names: asks partners about pairs of tokens, and makes labels of their answers.

Runs at the linkage unit, after linking. In: scored pairs and who was linked. Out: a question sheet for each
party, sealed to it, and of the answers :class:`~linkkit.linkage.labels.PairLabels`. No value of a field passes.
"""

from linkkit.linkage.review.ask import Review, ask_partners
from linkkit.linkage.review.choose import WHY, ChosenPairs, choose_pairs
from linkkit.linkage.review.combine import ReviewOutcome, combine_answers
from linkkit.linkage.review.questions import ReviewQuestions

__all__ = [
    "WHY",
    "ChosenPairs",
    "Review",
    "ReviewOutcome",
    "ReviewQuestions",
    "ask_partners",
    "choose_pairs",
    "combine_answers",
]
