"""The crosswalk: which record tokens are the same person.

Runs at the linkage unit, last. In: a person number for each record. Out: a
:class:`~linkkit.exchange.Crosswalk`, sealed to the steward when saved.
"""

from linkkit.linkage.crosswalk.build import IdKind, build_crosswalk, fresh_ids

__all__ = ["IdKind", "build_crosswalk", "fresh_ids"]
