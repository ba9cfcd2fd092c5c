"""A link result as a file of the linkage unit's own: private, or sealed to its own key."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from linkkit.agreement import Agreement
from linkkit.errors import OptionError, SealError
from linkkit.exchange import Identity, Manifest, PublicIdentity, is_sealed
from linkkit.exchange.atomic import atomic_file
from linkkit.exchange.container import open_sealed, sealed_file
from linkkit.exchange.identity import require_identity
from linkkit.linkage.pool import Made
from linkkit.linkage.years.saved import read_object, write_object

__all__ = ["load_result", "require_agreement", "save_result"]

_UNIT = "linkage_unit"

_Result = TypeVar("_Result")


def save_result(
    path: str | Path,
    result: object,
    *,
    made: Made,
    n_rows: int,
    agreement: Agreement | None,
    identity: Identity | None,
    overwrite: bool,
) -> Path:
    """Write a result for its owner's eyes alone, sealed where an identity is given; returns the path.

    Raises
    ------
    OptionError
        When only one of agreement and identity is given, or the file exists and is not to be replaced.
    MismatchError, NotAuthorizedError
        When the result is of another agreement, or the identity is not the linkage unit's.
    SealError
        When the file cannot be written.
    """
    if (agreement is None) != (identity is None):
        raise OptionError(
            "'agreement' and 'identity' go together", hint="Give both to seal the file, or none."
        )
    if not overwrite and Path(path).exists():
        raise OptionError(
            f"'{path}' exists", hint="Choose another path, or replace it with overwrite=True."
        )
    if agreement is None or identity is None:
        with atomic_file(path, private=True) as file:
            write_object(file, result)
        return Path(path)
    manifest = _manifest(made, n_rows)
    manifest.require_agreement(agreement)
    require_identity(identity, agreement, _UNIT)
    own = PublicIdentity(agreement.require_public_key(_UNIT))
    manifest = manifest.sealed_now(epoch=agreement.epoch)
    with sealed_file(path, manifest=manifest, signer=identity, recipients=[own]) as file:
        write_object(file, result)
    return Path(path)


def load_result(
    path: str | Path,
    wanted: type[_Result],
    *,
    agreement: Agreement | None,
    identity: Identity | None,
) -> _Result:
    """Read what :func:`save_result` wrote, all of it verified first.

    Raises
    ------
    OptionError
        When the file is sealed, and no agreement and identity are given to open it.
    SealError
        When it is missing, damaged or no saved result.
    MismatchError
        When it was made under another agreement, or by another version of linkkit.
    """
    if is_sealed(path):
        if agreement is None or identity is None:
            raise OptionError(
                "the saved link result is sealed",
                hint="Give the agreement, and the linkage unit's identity, to open it.",
            )
        document = agreement

        def signer_of(claimed: Manifest) -> PublicIdentity:
            claimed.require_kind("link-result")
            claimed.require_agreement(document)
            claimed.require_sender(document)
            return PublicIdentity(document.require_public_key(_UNIT))

        _, content = open_sealed(path, recipient=identity, signer_of=signer_of)
        with content:
            return read_object(content, wanted)
    problem = ""
    try:
        with Path(path).open("rb") as file:
            return read_object(file, wanted)
    except OSError as error:
        problem = type(error).__name__
    raise SealError(
        f"the saved link result cannot be read ({problem})", hint="Check the path and permissions."
    )


def require_agreement(made: Made, agreement: Agreement) -> None:
    """Refuse a result of another agreement, text or epoch."""
    _manifest(made, 0).require_agreement(agreement)


def _manifest(made: Made, n_rows: int) -> Manifest:
    return Manifest(
        kind="link-result",
        agreement_id=made.agreement_id,
        agreement_fingerprint=made.agreement_fingerprint,
        sender=_UNIT,
        n_rows=n_rows,
        epoch=made.epoch,
    )
