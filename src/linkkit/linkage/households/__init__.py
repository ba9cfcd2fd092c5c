"""Groups people into households by the address, phone, guardian and surname of their records' encodings."""

from linkkit.linkage.households.evidence import require_home_fields
from linkkit.linkage.households.find import FoundHomes, Households, find_households

__all__ = ["FoundHomes", "Households", "find_households", "require_home_fields"]
