"""Delivery of the linkage secret from one partner to the others, in a sealed file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from linkkit.agreement import Agreement
from linkkit.agreement.document import require_agreement
from linkkit.errors import OptionError, SealError, SecretError
from linkkit.exchange import Identity
from linkkit.partner.keys.bundle import open_bundle, seal_bundle
from linkkit.partner.keys.derive import secret_check
from linkkit.partner.keys.secret import Secret

__all__ = ["deliver_secret", "receive_secret"]


def deliver_secret(
    secret: Secret,
    path: str | Path,
    *,
    agreement: Agreement,
    party: str,
    identity: Identity,
    to: Iterable[str] | None = None,
) -> Path:
    """Seal the linkage secret to the other partners, signed by the one that made it.

    The file can be opened by the named partners' identities only. It is bound to the text of
    the agreement and to its epoch.

    Parameters
    ----------
    secret : Secret
        The linkage secret.
    path : str or Path
        Where to write; by custom ``PARTY.delivery``.
    agreement : Agreement
        States the public keys of the partners.
    party : str
        Who delivers.
    identity : Identity
        The identity of that party.
    to : iterable of str, optional
        The parties that it is for; all of the agreement by default.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    OptionError
        When `to` names nobody but the party itself.
    SecretError
        When `secret` is another kind of key.
    NotAuthorizedError
        When it would be sealed to the linkage unit, the steward, a party that shares a public
        key with one of them, or a stranger; when the identity is not the party's; or when the
        agreement is past its destroy-by date.
    AgreementError
        When the agreement lacks a public key.
    SealError
        When the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from linkkit.exchange import Identity
    >>> from linkkit.synth import youth_partnership
    >>> document = youth_partnership(n_district=20, n_summer=8, n_jobs=5).agreement
    >>> own = {name: Identity.generate() for name in document["parties"]}
    >>> for name, identity in own.items():
    ...     document["parties"][name]["public_key"] = identity.public.text
    >>> agreement = Agreement.from_document(document)
    >>> secret = Secret.generate()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = deliver_secret(
    ...         secret,
    ...         f"{folder}/district.delivery",
    ...         agreement=agreement,
    ...         party="district",
    ...         identity=own["district"],
    ...     )
    ...     receive_secret(file, agreement=agreement, identity=own["jobs"]) == secret
    True
    """
    require_agreement(agreement)
    if not isinstance(secret, Secret):
        raise SecretError(
            f"only a linkage secret is delivered, not {type(secret).__name__}",
            hint="A token key, a study key and an identity never leave their organization.",
        )
    to = None if to is None else set(to)
    if to == {party}:
        raise OptionError(
            f"the delivery is for nobody but '{party}', who makes it",
            hint="Name the other partners, or nobody for all of them.",
        )
    return seal_bundle(
        path,
        secret.reveal(),
        kind="secret-delivery",
        agreement=agreement,
        party=party,
        identity=identity,
        to=to,
        key_check=secret_check(secret, agreement),
    )


def receive_secret(path: str | Path, *, agreement: Agreement, identity: Identity) -> Secret:
    """Verify and open a delivery of :func:`deliver_secret`.

    Parameters
    ----------
    path : str or Path
        The delivery.
    agreement : Agreement
        The agreement in the text and epoch that the delivery was made under.
    identity : Identity
        The identity of the party that receives.

    Returns
    -------
    Secret
        The linkage secret.

    Raises
    ------
    SealError
        When the file is altered, cut short, not signed by the party that it names, or sealed
        to somebody else.
    MismatchError
        When it is of another agreement, another text or another epoch, such as an older
        delivery that somebody sent again.
    NotAuthorizedError
        When no party sent it, or `identity` is the linkage unit's or the steward's.
    """
    require_agreement(agreement)
    manifest, content = open_bundle(
        path, kind="secret-delivery", agreement=agreement, identity=identity
    )
    secret = Secret(content.read())
    if secret_check(secret, agreement) != manifest.key_check:
        raise SealError(
            f"the delivery of '{manifest.sender}' does not hold the secret that it states",
            hint="Ask the sender to deliver the secret again.",
        )
    return secret
