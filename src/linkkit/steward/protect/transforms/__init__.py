"""Changes to single variables that need no search: shifted dates and microaggregation.

The steward runs them before :func:`~linkkit.steward.protect.protect`, or on any table. Top and
bottom coding is part of a hierarchy: see :class:`~linkkit.agreement.Generalization`.
"""

from linkkit.steward.protect.transforms.microaggregation import (
    Microaggregated,
    MicroaggregationReport,
    microaggregate,
)
from linkkit.steward.protect.transforms.shifted_dates import person_shifts, shift_dates

__all__ = [
    "Microaggregated",
    "MicroaggregationReport",
    "microaggregate",
    "person_shifts",
    "shift_dates",
]
