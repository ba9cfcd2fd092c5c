"""Protect microdata: make what could point at somebody coarser, until it points at nobody.

The steward runs it. An `IntegratedDataset` comes in, a `ProtectedDataset` goes out: coarser
quasi-identifiers, and classes that keep every privacy model that the agreement asks for.
`anonymize` does the same for any table, without an agreement.
"""

from linkkit.steward.protect.dataset import (
    ClassSizes,
    ProtectedDataset,
    ProtectionSummary,
    Recoding,
    SubgroupSuppression,
    VariableNote,
)
from linkkit.steward.protect.measured.report import ProtectionReport, RiskReport, UtilityReport
from linkkit.steward.protect.microdata import protect
from linkkit.steward.protect.models import (
    DeltaPresence,
    DistinctLDiversity,
    EntropyLDiversity,
    HouseholdKAnonymity,
    KAnonymity,
    KMap,
    PrivacyModel,
    RecursiveLDiversity,
    TCloseness,
)
from linkkit.steward.protect.table import Anonymized, anonymize

__all__ = [
    "Anonymized",
    "ClassSizes",
    "DeltaPresence",
    "DistinctLDiversity",
    "EntropyLDiversity",
    "HouseholdKAnonymity",
    "KAnonymity",
    "KMap",
    "PrivacyModel",
    "ProtectedDataset",
    "ProtectionReport",
    "ProtectionSummary",
    "Recoding",
    "RecursiveLDiversity",
    "RiskReport",
    "SubgroupSuppression",
    "TCloseness",
    "UtilityReport",
    "VariableNote",
    "anonymize",
    "protect",
]
