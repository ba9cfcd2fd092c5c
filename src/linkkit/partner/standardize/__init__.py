"""Turns a party's columns into the linkage fields of the agreement, spelled alike everywhere.

Runs inside a party, after reading. In: an :class:`~linkkit.partner.read.Extract`. Out: one
text column for each linkage field, null where it is missing, and the issues that were met.
The rules are part of the encoding spec: parties with another :data:`STANDARDIZATION_VERSION`
are refused at linkage.
"""

from linkkit.partner.standardize.columns import (
    STANDARDIZATION_VERSION,
    Issue,
    StandardizedExtract,
    standardize,
)
from linkkit.partner.standardize.summary import FieldSummary

__all__ = [
    "STANDARDIZATION_VERSION",
    "FieldSummary",
    "Issue",
    "StandardizedExtract",
    "standardize",
]
