"""Who may have the linkage secret: the partners, and never those who link or integrate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from linkkit.agreement import Agreement
from linkkit.errors import NotAuthorizedError
from linkkit.exchange import Identity, PublicIdentity

__all__ = ["partner_roster", "require_partner"]

_NEVER = {"linkage_unit": "the linkage unit", "steward": "the steward"}
_WHY = (
    "Whoever has the secret can encode names and look them up, so it stays with the partners. "
    "An organization in two roles needs an identity for each."
)


def partner_roster(
    agreement: Agreement, to: Iterable[str] | None = None
) -> dict[str, PublicIdentity]:
    """Return the public keys to which a secret of the partners may be sealed.

    Parameters
    ----------
    agreement : Agreement
        States the parties and their public keys.
    to : iterable of str, optional
        Some of the parties; all by default.

    Raises
    ------
    NotAuthorizedError
        When `to` names the linkage unit, the steward or a stranger, or a party shares a public
        key, or half of one, with the linkage unit or the steward.
    AgreementError
        When a party has no public key yet.
    """
    names = sorted(set(agreement.parties if to is None else to))
    for role, described in _NEVER.items():
        if role in names:
            _refuse(f"a secret of the partners is never sealed to {described}", clause=role)
    if not names:
        _refuse("no partner is named that the secret is for", clause="parties")
    roster = {name: _public(agreement, name) for name in names}
    for name, public in roster.items():
        _refuse_shared(agreement, name, public)
    return roster


def require_partner(identity: Identity, agreement: Agreement) -> None:
    """Refuse a secret of the partners to an identity of the linkage unit or the steward."""
    public = identity.public
    for role, described in _NEVER.items():
        if _shares(agreement, role, public):
            _refuse(f"{described} may not have a secret of the partners", clause=role)


def _public(agreement: Agreement, name: str) -> PublicIdentity:
    return PublicIdentity(agreement.require_public_key(name))


def _refuse_shared(agreement: Agreement, name: str, public: PublicIdentity) -> None:
    for role, described in _NEVER.items():
        if _shares(agreement, role, public):
            _refuse(
                f"its public key is also that of {described}, to whom a secret of the partners "
                "is never sealed",
                clause=f"parties.{name}.public_key",
            )


def _shares(agreement: Agreement, role: str, public: PublicIdentity) -> bool:
    text = agreement.organization(role).public_key
    return text is not None and public.shares_key_with(PublicIdentity(text))


def _refuse(problem: str, *, clause: str) -> NoReturn:
    raise NotAuthorizedError(problem, clause=clause, hint=_WHY)
