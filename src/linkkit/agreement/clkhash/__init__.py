"""The linkage schemas of clkhash, versions 1 to 3: read, upgraded, explained, agreed on.

Everybody who holds an agreement can read its schema. Nothing in here sees a record or a key.
"""

from linkkit.agreement.clkhash.agreed import (
    feature_fields,
    loud_first,
    schema_digest,
    schema_of,
    schema_traps,
    takes_missing,
)
from linkkit.agreement.clkhash.lint import Trap, lint_clk_schema
from linkkit.agreement.clkhash.schema import (
    ClkFeature,
    ClkSchema,
    IgnoredKey,
    read_clk_document,
    read_clk_schema,
)

__all__ = [
    "ClkFeature",
    "ClkSchema",
    "IgnoredKey",
    "Trap",
    "feature_fields",
    "lint_clk_schema",
    "loud_first",
    "read_clk_document",
    "read_clk_schema",
    "schema_digest",
    "schema_of",
    "schema_traps",
    "takes_missing",
]
