"""Rules of a law or standard as ready-made settings; each names its source."""

from linkkit.steward.protect.presets.hipaa import (
    RESTRICTED_ZIP3,
    SafeHarborReport,
    SafeHarborResult,
    safe_harbor,
    safe_harbor_ways,
)
from linkkit.steward.protect.presets.identifiers import (
    Declared,
    IdentifierClass,
    Suspicion,
    undeclared_identifiers,
)

__all__ = [
    "RESTRICTED_ZIP3",
    "Declared",
    "IdentifierClass",
    "SafeHarborReport",
    "SafeHarborResult",
    "Suspicion",
    "safe_harbor",
    "safe_harbor_ways",
    "undeclared_identifiers",
]
