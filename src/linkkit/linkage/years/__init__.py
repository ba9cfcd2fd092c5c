"""Years: a new delivery is linked to what was linked before, and people and households keep their ids.

Runs at the linkage unit. In: an earlier result, new extracts, withdrawn tokens. Out: the pool of all records
that are there now and what of it was compared before; later the ids of people and households, and what
became of earlier ones.
"""

from linkkit.linkage.years.delivery import Delivery, bring_together
from linkkit.linkage.years.ids import carry_ids, give_ids
from linkkit.linkage.years.judged import Judged, judged_pairs
from linkkit.linkage.years.kept import Kept
from linkkit.linkage.years.tokens import withdrawn_tokens

__all__ = [
    "Delivery",
    "Judged",
    "Kept",
    "bring_together",
    "carry_ids",
    "give_ids",
    "judged_pairs",
    "withdrawn_tokens",
]
