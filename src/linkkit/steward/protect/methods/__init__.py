"""Methods: how classes are found that keep every model and lose little.

All of them take items, hierarchies and conditions, and return a `Grouping`.
"""

from linkkit.steward.protect.methods.choose import choose_method
from linkkit.steward.protect.methods.grouping import Grouping, Method
from linkkit.steward.protect.methods.local import grow_classes
from linkkit.steward.protect.methods.optimal import seek_levels
from linkkit.steward.protect.methods.partition import split_people

__all__ = [
    "Grouping",
    "Method",
    "choose_method",
    "grow_classes",
    "seek_levels",
    "split_people",
]
