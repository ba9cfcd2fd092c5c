"""What crosses between organizations: the artifacts, their files, manifests and seals.

Every zone uses it. It knows identities, which open and sign files; it knows no linkage secret.
"""

from linkkit.exchange.artifacts import Crosswalk, EncodedExtract, Filter, PayloadExtract
from linkkit.exchange.changes import HouseholdChanges, PersonChanges
from linkkit.exchange.container import is_sealed, read_manifest
from linkkit.exchange.identity import Identity, PublicIdentity
from linkkit.exchange.manifest import ArtifactKind, Manifest
from linkkit.exchange.review import ReviewAnswers, ReviewRequest
from linkkit.exchange.spec import (
    EncodingSpec,
    FilterSpec,
    KeyField,
    KeySpec,
    PassField,
    PassSpec,
    RecordFilterSpec,
    SaltField,
)

__all__ = [
    "ArtifactKind",
    "Crosswalk",
    "EncodedExtract",
    "EncodingSpec",
    "Filter",
    "FilterSpec",
    "HouseholdChanges",
    "Identity",
    "KeyField",
    "KeySpec",
    "Manifest",
    "PassField",
    "PassSpec",
    "PayloadExtract",
    "PersonChanges",
    "PublicIdentity",
    "RecordFilterSpec",
    "ReviewAnswers",
    "ReviewRequest",
    "SaltField",
    "is_sealed",
    "read_manifest",
]
