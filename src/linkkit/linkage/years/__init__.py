"""Years: a new delivery is linked to what was linked before, and people keep their ids.

Runs at the linkage unit. In: an earlier result, new extracts, withdrawn tokens. Out: the pool of all records
that are there now and what of it was compared before; later the person ids, and what became of earlier
ones.
"""

from linkkit.linkage.years.delivery import Delivery, Kept, bring_together
from linkkit.linkage.years.judged import Judged, judged_pairs
from linkkit.linkage.years.people import NamedPeople, name_people
from linkkit.linkage.years.tokens import withdrawn_tokens

__all__ = [
    "Delivery",
    "Judged",
    "Kept",
    "NamedPeople",
    "bring_together",
    "judged_pairs",
    "name_people",
    "withdrawn_tokens",
]
