"""Make an integrated data set k-anonymous, within what the agreement allows.

The steward runs it. An `IntegratedDataset` comes in, a `ProtectedDataset` goes out: coarser
quasi-identifiers, and nobody in a class of fewer than k people.
"""

from linkkit.steward.protect.dataset import (
    ClassSizes,
    ProtectedDataset,
    ProtectionSummary,
    Recoding,
    SubgroupSuppression,
    VariableNote,
)
from linkkit.steward.protect.microdata import protect

__all__ = [
    "ClassSizes",
    "ProtectedDataset",
    "ProtectionSummary",
    "Recoding",
    "SubgroupSuppression",
    "VariableNote",
    "protect",
]
