"""Groups people into households by the address, phone, guardian and surname of their records' encodings."""

from linkkit.linkage.households.evidence import require_home_fields
from linkkit.linkage.households.find import FoundHomes, Households, find_households
from linkkit.linkage.households.memory import memory_of_homes

__all__ = ["FoundHomes", "Households", "find_households", "memory_of_homes", "require_home_fields"]
