"""Methods: how classes are found that keep every model and lose little.

All of them take items, hierarchies and conditions, and return a `Grouping`.
"""

from linkkit.steward.protect.methods.grouping import Grouping

__all__ = ["Grouping"]
