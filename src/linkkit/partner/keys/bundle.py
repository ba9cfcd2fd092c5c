"""Sealed files by which partners agree on a secret: from one partner, to partners only."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Literal

from linkkit.agreement import Agreement
from linkkit.errors import LinkkitError
from linkkit.exchange import Identity, Manifest, PublicIdentity
from linkkit.exchange.container import open_sealed, write_sealed
from linkkit.exchange.identity import require_identity
from linkkit.partner.keys.roster import partner_roster, require_partner

__all__ = ["BundleKind", "open_bundle", "seal_bundle"]

BundleKind = Literal["secret-commitment", "secret-reveal", "secret-delivery"]


def seal_bundle(
    path: str | Path,
    content: bytes,
    *,
    kind: BundleKind,
    agreement: Agreement,
    party: str,
    identity: Identity,
    to: Iterable[str] | None = None,
    key_check: str | None = None,
) -> Path:
    """Seal a few bytes to partners, signed by one of them; returns the path.

    Raises
    ------
    NotAuthorizedError
        When the agreement is past its destroy-by date, the identity is not the party's, or
        somebody is named who may never have a secret of the partners.
    SealError
        When the file cannot be written.
    """
    error: LinkkitError | None = None
    try:
        agreement.require_in_force()
        agreement.party(party)
        require_identity(identity, agreement, party)
        require_partner(identity, agreement)
        roster = partner_roster(agreement, to)
        manifest = Manifest(
            kind=kind,
            agreement_id=agreement.id,
            agreement_fingerprint=agreement.fingerprint,
            epoch=agreement.epoch,
            sender=party,
            party=party,
            n_rows=0,
            key_check=key_check,
        )
        recipients = [*dict.fromkeys(roster.values())]
        write_sealed(path, content, manifest=manifest, signer=identity, recipients=recipients)
    except LinkkitError as caught:
        error = caught.with_traceback(None)
    if error is not None:
        del content  # some tracebacks show local variables, of every frame that they pass
        raise error
    return Path(path)


def open_bundle(
    path: str | Path, *, kind: BundleKind, agreement: Agreement, identity: Identity
) -> tuple[Manifest, BinaryIO]:
    """Verify and open a file of :func:`seal_bundle`; returns its manifest and content.

    Raises
    ------
    SealError
        When the file is altered, cut short, signed by somebody else or sealed to somebody else.
    MismatchError
        When it holds something else, or is of another agreement, text or epoch.
    NotAuthorizedError
        When no party sent it, or `identity` is the linkage unit's or the steward's.
    """

    def signer_of(claimed: Manifest) -> PublicIdentity:
        claimed.require_kind(kind)
        claimed.require_agreement(agreement)
        claimed.require_sender(agreement)
        return PublicIdentity(agreement.require_public_key(claimed.sender))

    error: LinkkitError | None = None
    try:
        agreement.require_in_force()
        require_partner(identity, agreement)
        manifest, content = open_sealed(path, recipient=identity, signer_of=signer_of)
        with content:
            return manifest, io.BytesIO(content.read())
    except LinkkitError as caught:
        error = caught.with_traceback(None)
    raise error
