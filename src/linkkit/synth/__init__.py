"""Made-up partners with known truth, for demos, docs and benchmarks."""

from linkkit.synth.large import (
    LARGE_FIELDS,
    LargeFiles,
    TrueMatches,
    large_agreement,
    large_files,
)
from linkkit.synth.name_tables import Names
from linkkit.synth.partnership import SyntheticPartnership, youth_partnership

__all__ = [
    "LARGE_FIELDS",
    "LargeFiles",
    "Names",
    "SyntheticPartnership",
    "TrueMatches",
    "large_agreement",
    "large_files",
    "youth_partnership",
]
