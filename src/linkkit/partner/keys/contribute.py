"""A linkage secret to which every party contributes, so that no party chooses it alone.

Each party draws a contribution and first sends only a commitment, a hash of it. Once a party
has the commitments of all, it reveals its own contribution to the partners. Nobody can then
choose a contribution that depends on another's, or take one back: what is revealed must match
what was committed to (Blum, "Coin flipping by telephone", 1981). The secret is HKDF-SHA256 of
all contributions in the order of the parties' names; it is unpredictable if one of them is.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from linkkit.agreement import Agreement
from linkkit.agreement.document import require_agreement
from linkkit.errors import SecretError
from linkkit.exchange import Identity, read_manifest
from linkkit.exchange.opaque import OpaqueKey
from linkkit.partner.keys.bundle import BundleKind, open_bundle, seal_bundle
from linkkit.partner.keys.derive import derive_key, length_prefixed
from linkkit.partner.keys.secret import Secret

__all__ = [
    "Contribution",
    "combine_contributions",
    "commit_contribution",
    "reveal_contribution",
]

_N = 32
_AGAIN = "Start again: every party makes a new contribution, and all exchange the files."


class Contribution(OpaqueKey):
    """A party's random part of the linkage secret, kept until all have committed.

    The contribution and the nonce that hides it in the commitment are derived from these 32
    bytes for one agreement, epoch and party.

    Examples
    --------
    >>> Contribution.generate()
    <Contribution: 32 bytes, not shown>
    """

    __slots__ = ()
    label = "contribution"
    described = "a contribution to a linkage secret"


@dataclass(frozen=True, slots=True, repr=False)
class _Opening:
    """What opens a commitment, and which commitments the sender had seen."""

    share: bytes
    nonce: bytes
    seen: bytes

    @classmethod
    def of(cls, contribution: Contribution, agreement: Agreement, party: str) -> _Opening:
        labels = (agreement.id, f"epoch {agreement.epoch}", party)
        return cls(
            derive_key(contribution, "contribution-share", *labels),
            derive_key(contribution, "contribution-nonce", *labels),
            b"",
        )

    @classmethod
    def parse(cls, content: bytes) -> _Opening:
        return cls(content[:_N], content[_N : 2 * _N], content[2 * _N :])

    def pack(self, seen: bytes) -> bytes:
        return self.share + self.nonce + seen

    def commitment(self, agreement: Agreement, party: str) -> bytes:
        parts = (*_bound_to(b"linkkit commitment 1", agreement), party.encode())
        return hashlib.sha256(length_prefixed(*parts, self.nonce, self.share)).digest()


def _bound_to(label: bytes, agreement: Agreement) -> tuple[bytes, ...]:
    return (label, agreement.id.encode(), str(agreement.epoch).encode())


def _transcript(agreement: Agreement, commitments: Mapping[str, bytes]) -> bytes:
    parts = [part for name in sorted(commitments) for part in (name.encode(), commitments[name])]
    label = b"linkkit commitments 1"
    return hashlib.sha256(length_prefixed(*_bound_to(label, agreement), *parts)).digest()


def commit_contribution(
    contribution: Contribution,
    path: str | Path,
    *,
    agreement: Agreement,
    party: str,
    identity: Identity,
) -> Path:
    """Write a party's commitment, for all partners: the first of the two rounds.

    Parameters
    ----------
    contribution : Contribution
        The party's own; save it, for the second round needs it.
    path : str or Path
        Where to write; by custom ``PARTY.commitment``.
    agreement : Agreement
        Agreement, epoch and parties that the secret is for.
    party : str
        Who commits.
    identity : Identity
        The identity of that party, which signs.

    Raises
    ------
    NotAuthorizedError
        When the identity is not the party's, or a party shares a public key with the linkage
        unit or the steward.
    SealError
        When the file cannot be written.
    """
    require_agreement(agreement)
    _require_contribution(contribution)
    return seal_bundle(
        path,
        _Opening.of(contribution, agreement, party).commitment(agreement, party),
        kind="secret-commitment",
        agreement=agreement,
        party=party,
        identity=identity,
    )


def reveal_contribution(
    contribution: Contribution,
    commitments: Iterable[str | Path],
    path: str | Path,
    *,
    agreement: Agreement,
    party: str,
    identity: Identity,
) -> Path:
    """Write a party's contribution, for all partners: the second of the two rounds.

    Parameters
    ----------
    contribution : Contribution
        The one that the party committed to.
    commitments : iterable of str or Path
        Everybody's commitments, the party's own included. Nothing is revealed before all of
        them are there.
    path : str or Path
        Where to write; by custom ``PARTY.reveal``.
    agreement, party, identity
        As in :func:`commit_contribution`.

    Raises
    ------
    SecretError
        When a party's commitment is missing or comes twice, or the party's own is not to this
        contribution; names the parties.
    SealError, MismatchError, NotAuthorizedError
        When a commitment is altered, of another agreement or epoch, or of no party.
    """
    require_agreement(agreement)
    _require_contribution(contribution)
    agreement.party(party)
    committed = _open_all(commitments, "secret-commitment", agreement, identity)
    opening = _Opening.of(contribution, agreement, party)
    if opening.commitment(agreement, party) != committed[party]:
        raise SecretError(
            f"party '{party}' committed to another contribution than this one",
            hint="Give the contribution that the commitment was made of, or all start again.",
        )
    return seal_bundle(
        path,
        opening.pack(_transcript(agreement, committed)),
        kind="secret-reveal",
        agreement=agreement,
        party=party,
        identity=identity,
    )


def combine_contributions(
    files: Iterable[str | Path], *, agreement: Agreement, identity: Identity
) -> Secret:
    """Make the linkage secret of everybody's contributions, at each partner alike.

    Parameters
    ----------
    files : iterable of str or Path
        The commitments and the reveals of all parties, in any order.
    agreement : Agreement
        Agreement, epoch and parties.
    identity : Identity
        The identity of the party that combines.

    Returns
    -------
    Secret
        The same at every partner.

    Raises
    ------
    SecretError
        When a file is missing or comes twice, a reveal does not match its commitment, or
        parties were shown different commitments; names the parties.
    SealError, MismatchError, NotAuthorizedError
        When a file is altered, of another agreement or epoch, or of no party.
    """
    require_agreement(agreement)
    reveals: list[str | Path] = []
    commitments: list[str | Path] = []
    for file in files:
        is_reveal = read_manifest(file).kind == "secret-reveal"
        (reveals if is_reveal else commitments).append(file)
    committed = _open_all(commitments, "secret-commitment", agreement, identity)
    revealed = _open_all(reveals, "secret-reveal", agreement, identity)
    openings = {name: _Opening.parse(content) for name, content in revealed.items()}
    del revealed  # some tracebacks show local variables
    _require_matching(openings, committed, agreement)
    return _combined(openings, agreement)


def _combined(openings: Mapping[str, _Opening], agreement: Agreement) -> Secret:
    names = sorted(openings)
    info = length_prefixed(*_bound_to(b"linkage-secret", agreement))
    # Neither contributions nor secret get a name here: some tracebacks show local variables.
    return Secret(
        HKDF(SHA256(), _N, b"linkkit combined secret 1", info).derive(
            b"".join(length_prefixed(name.encode(), openings[name].share) for name in names)
        )
    )


def _require_contribution(contribution: object) -> None:
    if not isinstance(contribution, Contribution):
        raise SecretError(
            f"a contribution is needed, not {type(contribution).__name__}",
            hint="Make one: linkkit.partner.keys.Contribution.generate().",
        )


def _open_all(
    files: Iterable[str | Path], kind: BundleKind, agreement: Agreement, identity: Identity
) -> dict[str, bytes]:
    """Open one file of each party, and say whose is missing or comes twice."""
    opened = [open_bundle(f, kind=kind, agreement=agreement, identity=identity) for f in files]
    senders = [manifest.sender for manifest, _ in opened]
    what = kind.removeprefix("secret-")
    _refuse(
        [
            f"party '{name}': its {what} {'is missing' if name not in senders else 'comes twice'}"
            for name in sorted(agreement.parties)
            if senders.count(name) != 1
        ],
        hint=f"Give one {what} of each party.",
    )
    return {manifest.sender: content.read() for manifest, content in opened}


def _require_matching(
    openings: Mapping[str, _Opening], committed: Mapping[str, bytes], agreement: Agreement
) -> None:
    _refuse(
        [
            f"party '{name}' revealed another contribution than it committed to"
            for name, opening in sorted(openings.items())
            if not hmac.compare_digest(opening.commitment(agreement, name), committed[name])
        ],
        hint=f"Ask the party why. {_AGAIN}",
    )
    here = _transcript(agreement, committed)
    _refuse(
        [
            f"party '{name}' was shown other commitments than these"
            for name, opening in sorted(openings.items())
            if opening.seen != here
        ],
        hint=f"Somebody committed twice. {_AGAIN}",
    )
    shares = [opening.share for opening in openings.values()]
    equal = sorted(name for name in openings if shares.count(openings[name].share) > 1)
    del shares
    _refuse(
        [f"party '{name}' contributed the same as another party" for name in equal],
        hint=f"Their random sources are broken, or one is a copy of the other. {_AGAIN}",
    )


def _refuse(problems: Sequence[str], *, hint: str) -> None:
    if problems:
        raise SecretError(problems, hint=hint)
