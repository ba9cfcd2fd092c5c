"""Study ids: person ids re-keyed for one project, so that two projects cannot be joined."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from linkkit.exchange.opaque import OpaqueKey

__all__ = ["StudyKey", "study_ids"]

N_HEX = 32


class StudyKey(OpaqueKey):
    """The steward's key that turns person ids into study ids.

    Keep it as long as a project may get another delivery: under the same key, agreement and
    project a person keeps the study id. Destroy it, and no release can be traced back to the
    crosswalk.

    Examples
    --------
    >>> StudyKey.generate()
    <StudyKey: 32 bytes, not shown>
    """

    __slots__ = ()
    label = "study-key"
    described = "a study key"


def study_ids(
    person_ids: Iterable[bytes], key: StudyKey, *, agreement_id: str, project: str
) -> list[str]:
    """Return a study id for each person id.

    Each is the first 128 bits of HMAC-SHA256 (RFC 2104) over the agreement's id, the project
    and the person id, each preceded by its length so that no two inputs run together.

    Parameters
    ----------
    person_ids : iterable of bytes
        Person ids, 16 bytes each.
    key : StudyKey
        The steward's key.
    agreement_id, project : str
        Where the ids are valid.

    Returns
    -------
    list of str
        32 hexadecimal digits for each person, in the same order.

    Examples
    --------
    >>> key = StudyKey(bytes(range(32)))
    >>> [a], [b] = (
    ...     study_ids([b"p" * 16], key, agreement_id="town", project=name) for name in ("x", "y")
    ... )
    >>> len(a), a == b
    (32, False)
    """
    secret = key.reveal()
    prefix = _prefixed(agreement_id.encode()) + _prefixed(project.encode())
    return [
        hmac.digest(secret, prefix + _prefixed(person), "sha256").hex()[:N_HEX]
        for person in person_ids
    ]


def _prefixed(part: bytes) -> bytes:
    return len(part).to_bytes(4, "big") + part
