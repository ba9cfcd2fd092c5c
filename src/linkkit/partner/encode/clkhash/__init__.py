"""Encodes records bit for bit as clkhash 0.18.3 does, for partners who already use it.

Runs inside a party. In: a clkhash linkage schema of version 1 to 3, columns of text, the shared
secret. Out: filters, the numbers of their rows, rows set aside with the reason, CLK JSON.
These filters withstand neither graph matching nor known pairs.
"""

from linkkit.agreement.clkhash.lint import Trap, lint_clk_schema
from linkkit.agreement.clkhash.schema import (
    ClkFeature,
    ClkSchema,
    IgnoredKey,
    read_clk_schema,
)
from linkkit.partner.encode.clkhash.clk_json import clk_base64, from_clk_json, to_clk_json
from linkkit.partner.encode.clkhash.filters import ClkResult, encode_clks

__all__ = [
    "ClkFeature",
    "ClkResult",
    "ClkSchema",
    "IgnoredKey",
    "Trap",
    "clk_base64",
    "encode_clks",
    "from_clk_json",
    "lint_clk_schema",
    "read_clk_schema",
    "to_clk_json",
]
