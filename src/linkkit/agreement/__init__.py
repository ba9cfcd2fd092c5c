"""The data-sharing agreement as a document that the code enforces, clause by clause.

Everybody loads it: partners before they encode, the linkage unit before it links, the steward
before it integrates, protects and releases. Nothing in here sees a record.
"""

from linkkit.agreement.blocking_keys import key_text
from linkkit.agreement.clauses import (
    FIELD_KINDS,
    ClkhashClause,
    Coarsening,
    ColumnSource,
    Combination,
    Compare,
    FieldKind,
    FieldSource,
    KeyPart,
    LinkageClause,
    LinkageField,
    LinkagePass,
    Organization,
    Party,
    PhoneticCode,
    Project,
    SaltPart,
    Variable,
    VariableType,
    Years,
)
from linkkit.agreement.default_passes import default_passes
from linkkit.agreement.document import Agreement
from linkkit.agreement.generalization import DateUnit, Generalization, PostalCodes, PostalCountry
from linkkit.agreement.passes import passes_of
from linkkit.agreement.protection import Averaging, Protection, SensitiveRule, ShiftedDates

__all__ = [
    "FIELD_KINDS",
    "Agreement",
    "Averaging",
    "ClkhashClause",
    "Coarsening",
    "ColumnSource",
    "Combination",
    "Compare",
    "DateUnit",
    "FieldKind",
    "FieldSource",
    "Generalization",
    "KeyPart",
    "LinkageClause",
    "LinkageField",
    "LinkagePass",
    "Organization",
    "Party",
    "PhoneticCode",
    "PostalCodes",
    "PostalCountry",
    "Project",
    "Protection",
    "SaltPart",
    "SensitiveRule",
    "ShiftedDates",
    "Variable",
    "VariableType",
    "Years",
    "default_passes",
    "key_text",
    "passes_of",
]
