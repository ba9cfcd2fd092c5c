"""The linkage zone: finds which encodings are of the same person. Sees encodings only.

Runs at the linkage unit. In: the parties' :class:`~linkkit.exchange.EncodedExtract`. Out: a
:class:`~linkkit.exchange.Crosswalk`, the scored pairs, and an estimate of their quality.
"""

from linkkit.linkage.explain import PairExplanation
from linkkit.linkage.forecast import LinkForecast
from linkkit.linkage.labels import PairLabels
from linkkit.linkage.link import forecast_link, link
from linkkit.linkage.options import check_link_options
from linkkit.linkage.result import LinkResult
from linkkit.linkage.review import (
    Review,
    ReviewOutcome,
    ReviewQuestions,
    combine_answers,
)

__all__ = [
    "LinkForecast",
    "LinkResult",
    "PairExplanation",
    "PairLabels",
    "Review",
    "ReviewOutcome",
    "ReviewQuestions",
    "check_link_options",
    "combine_answers",
    "forecast_link",
    "link",
]
