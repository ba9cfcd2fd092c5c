"""Judges what a party's encodings would give away, before anything is sent.

Runs inside a party, after a look at the extract and before it is encoded for others. In: an extract and the
agreement. Out: a :class:`PreflightReport`, in counts and shares, without a value of a person.
"""

from linkkit.partner.preflight.results import (
    ActorRisk,
    Advice,
    FieldExposure,
    FieldStrength,
    FilterFill,
    JointStrength,
    KeyExposure,
    PairStrength,
    PassGroups,
    PreflightReport,
)
from linkkit.partner.preflight.run import preflight

__all__ = [
    "ActorRisk",
    "Advice",
    "FieldExposure",
    "FieldStrength",
    "FilterFill",
    "JointStrength",
    "KeyExposure",
    "PairStrength",
    "PassGroups",
    "PreflightReport",
    "preflight",
]
