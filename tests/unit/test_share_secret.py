"""How partners come to share a secret: contributed by all, or delivered by one."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from linkkit.agreement import Agreement
from linkkit.errors import (
    AgreementError,
    LinkkitError,
    MismatchError,
    NotAuthorizedError,
    SealError,
    SecretError,
)
from linkkit.exchange import Identity, PublicIdentity, read_manifest
from linkkit.partner.keys import (
    Contribution,
    Secret,
    TokenKey,
    combine_contributions,
    commit_contribution,
    deliver_secret,
    receive_secret,
    reveal_contribution,
    secret_check,
)
from linkkit.partner.keys.bundle import seal_bundle
from linkkit.partner.keys.roster import partner_roster

PARTIES = ("district", "summer", "jobs")
Identities = dict[str, Identity]
Document = dict[str, Any]


class Desk:
    """All parties' files of one round of contributions."""

    def __init__(self, folder: Path, agreement: Agreement, identities: Identities) -> None:
        self.folder, self.agreement, self.identities = folder, agreement, identities
        self.own = {party: Contribution.generate() for party in PARTIES}

    def commit(self, party: str, mine: Contribution | None = None, name: str = "") -> Path:
        return commit_contribution(
            mine or self.own[party],
            self.folder / f"{name or party}.commitment",
            agreement=self.agreement,
            party=party,
            identity=self.identities[party],
        )

    def reveal(self, party: str, commitments: list[Path], name: str = "") -> Path:
        return reveal_contribution(
            self.own[party],
            commitments,
            self.folder / f"{name or party}.reveal",
            agreement=self.agreement,
            party=party,
            identity=self.identities[party],
        )

    def combine(self, files: list[Path], party: str = "jobs") -> Secret:
        return combine_contributions(
            files, agreement=self.agreement, identity=self.identities[party]
        )


@pytest.fixture
def desk(tmp_path: Path, agreement: Agreement, identities: Identities) -> Desk:
    return Desk(tmp_path, agreement, identities)


@pytest.fixture
def later(agreement_document: Document) -> Agreement:
    """The same agreement, an epoch later."""
    return Agreement.from_document({**agreement_document, "epoch": 2})


# --- Contributed by all ----------------------------------------------------------------------


def test_every_partner_combines_the_same_secret_in_any_order_of_files(desk: Desk) -> None:
    commitments = [desk.commit(party) for party in PARTIES]
    reveals = [desk.reveal(party, commitments) for party in PARTIES]
    files = [*commitments, *reveals]
    secrets = [desk.combine(files[i:] + files[:i], party) for i, party in enumerate(PARTIES)]
    assert secrets[0] == secrets[1] == secrets[2]
    assert all(secrets[0].reveal() != own.reveal() for own in desk.own.values())


def test_another_epoch_makes_another_secret_of_the_same_contributions(
    desk: Desk, later: Agreement
) -> None:
    made = []
    for agreement in (desk.agreement, later):
        desk.agreement = agreement
        commitments = [desk.commit(party) for party in PARTIES]
        made.append(desk.combine(commitments + [desk.reveal(p, commitments) for p in PARTIES]))
    assert made[0] != made[1]


def test_nothing_is_revealed_before_all_have_committed(desk: Desk) -> None:
    commitments = [desk.commit(party) for party in ("summer", "district")]
    said = "^party 'jobs': its commitment is missing\nWhat to do: Give one commitment of each"
    with pytest.raises(SecretError, match=said):
        desk.reveal("district", commitments)
    assert not (desk.folder / "district.reveal").exists()


def test_missing_and_repeated_reveals_are_named_together(desk: Desk) -> None:
    commitments = [desk.commit(party) for party in PARTIES]
    first = desk.reveal("district", commitments)
    again = desk.reveal("district", commitments, name="again")
    with pytest.raises(SecretError, match="reveal") as caught:
        desk.combine([*commitments, first, again])
    assert caught.value.problems == (
        "party 'district': its reveal comes twice",
        "party 'jobs': its reveal is missing",
        "party 'summer': its reveal is missing",
    )
    assert caught.value.code == "secret"


def test_a_reveal_of_something_else_than_was_committed_to_is_refused(desk: Desk) -> None:
    commitments = [desk.commit(party) for party in PARTIES]
    reveals = [desk.reveal(party, commitments) for party in PARTIES]
    lie = seal_bundle(
        desk.folder / "lie",
        bytes(range(96)),
        kind="secret-reveal",
        agreement=desk.agreement,
        party="summer",
        identity=desk.identities["summer"],
    )
    said = "^party 'summer' revealed another contribution than it committed to\n"
    with pytest.raises(SecretError, match=said):
        desk.combine([*commitments, reveals[0], reveals[2], lie])


def test_a_contribution_of_another_attempt_is_not_revealed(desk: Desk) -> None:
    commitments = [desk.commit(party) for party in PARTIES]
    desk.own["jobs"] = Contribution.generate()
    with pytest.raises(SecretError, match="'jobs' committed to another contribution than this"):
        desk.reveal("jobs", commitments)


def test_a_party_that_shows_two_commitments_is_found(desk: Desk) -> None:
    honest = [desk.commit(party) for party in PARTIES]
    other = desk.commit("summer", Contribution.generate(), name="other")
    shown_otherwise = [honest[0], other, honest[2]]
    reveals = [desk.reveal(p, honest) for p in ("district", "summer")]
    reveals.append(desk.reveal("jobs", shown_otherwise))
    with pytest.raises(SecretError, match="^party 'jobs' was shown other commitments than these"):
        desk.combine([*honest, *reveals])


def test_a_copied_commitment_cannot_be_opened_by_the_copier(desk: Desk) -> None:
    # The party is part of what is hashed, so that a copy of another's contribution shows.
    copier = Contribution(desk.own["district"].reveal())
    assert desk.commit("district").read_bytes() != desk.commit("summer", copier).read_bytes()
    desk.own["summer"] = copier
    commitments = [desk.commit(party) for party in PARTIES]
    reveals = [desk.reveal(party, commitments) for party in PARTIES]
    assert desk.combine([*commitments, *reveals])  # the same seed, yet different contributions


def test_files_of_another_epoch_or_kind_are_refused(desk: Desk, later: Agreement) -> None:
    commitments = [desk.commit(party) for party in PARTIES]
    reveals = [desk.reveal(party, commitments) for party in PARTIES]
    with pytest.raises(MismatchError, match="holds a secret-reveal, not a secret-commit"):
        desk.reveal("jobs", [*commitments[:2], reveals[2]])
    desk.agreement = later
    with pytest.raises(MismatchError, match="the file is of epoch 1, and agreement '.*' is at epo"):
        desk.combine([*commitments, *reveals])


@pytest.mark.parametrize("role", ["linkage_unit", "steward"])
def test_only_partners_open_contributions(role: str, desk: Desk) -> None:
    commitments = [desk.commit(party) for party in PARTIES]
    files = [*commitments, *(desk.reveal(party, commitments) for party in PARTIES)]
    with pytest.raises(NotAuthorizedError, match="may not have a secret of the partners") as caught:
        desk.combine(files, role)
    assert caught.value.clause == role


def test_another_key_is_no_contribution(desk: Desk) -> None:
    with pytest.raises(SecretError, match="a contribution is needed, not Secret"):
        desk.commit("jobs", Secret.generate())  # type: ignore[arg-type]


# --- Delivered by one ------------------------------------------------------------------------


@pytest.fixture
def deliver(
    tmp_path: Path, agreement: Agreement, identities: Identities, secret: Secret
) -> Callable[..., Path]:
    """A function that delivers the secret from the district, with changes."""

    def run(**changes: Any) -> Path:
        options = {
            "agreement": agreement,
            "party": "district",
            "identity": identities["district"],
            **changes,
        }
        return deliver_secret(options.pop("secret", secret), tmp_path / "d", **options)

    return run


def test_every_partner_receives_the_secret(
    deliver: Callable[..., Path], agreement: Agreement, identities: Identities, secret: Secret
) -> None:
    path = deliver()
    for party in PARTIES:
        got = receive_secret(path, agreement=agreement, identity=identities[party])
        assert got == secret
        assert isinstance(got, Secret)
    manifest = read_manifest(path)
    assert (manifest.kind, manifest.sender, manifest.epoch) == ("secret-delivery", "district", 1)
    assert manifest.key_check == secret_check(secret, agreement)


def test_a_partner_that_it_is_not_for_cannot_open_it(
    deliver: Callable[..., Path], agreement: Agreement, identities: Identities
) -> None:
    path = deliver(to=["summer"])
    with pytest.raises(SealError, match="the file is sealed to somebody else"):
        receive_secret(path, agreement=agreement, identity=identities["jobs"])


@pytest.mark.parametrize("role", ["linkage_unit", "steward"])
def test_it_is_never_sealed_to_who_links_or_integrates(
    role: str, deliver: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(NotAuthorizedError, match="never sealed to the ") as caught:
        deliver(to=["summer", role])
    assert caught.value.clause == role
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("role", ["linkage_unit", "steward"])
@pytest.mark.parametrize("to", [None, ["jobs"]])
def test_it_is_not_sealed_to_a_party_that_shares_a_key_with_one_of_them(
    role: str,
    to: list[str] | None,
    deliver: Callable[..., Path],
    agreement_document: Document,
    identities: Identities,
) -> None:
    agreement_document["parties"]["jobs"]["public_key"] = identities[role].public.text
    shared = Agreement.from_document(agreement_document)
    said = "its public key is also that of the (linkage unit|steward)"
    with pytest.raises(NotAuthorizedError, match=said) as caught:
        deliver(agreement=shared, to=to)
    assert caught.value.clause == "parties.jobs.public_key"


def _halves(seal: Identity, sign: Identity, *, top_bit: bool = False) -> str:
    from linkkit.agreement.public_key import encode_public_key

    sealing = bytearray(seal.public.seal_key.public_bytes_raw())
    if top_bit:
        sealing[31] ^= 0x80
    return encode_public_key(bytes(sealing) + sign.public.verify_key.public_bytes_raw())


@pytest.mark.parametrize("top_bit", [False, True])
def test_half_a_shared_key_is_shared_however_it_is_written(
    top_bit: bool, agreement_document: Document, identities: Identities
) -> None:
    text = _halves(identities["steward"], identities["jobs"], top_bit=top_bit)
    assert PublicIdentity(text).shares_key_with(identities["steward"].public)
    agreement_document["parties"]["jobs"]["public_key"] = text
    with pytest.raises(NotAuthorizedError, match="its public key is also that of the steward"):
        partner_roster(Agreement.from_document(agreement_document))


def test_a_sender_that_is_also_the_linkage_unit_is_refused(
    deliver: Callable[..., Path], agreement_document: Document, identities: Identities
) -> None:
    agreement_document["linkage_unit"]["public_key"] = identities["district"].public.text
    shared = Agreement.from_document(agreement_document)
    with pytest.raises(NotAuthorizedError, match="the linkage unit may not have a secret"):
        deliver(agreement=shared, to=["summer"])


@pytest.mark.parametrize("role", ["linkage_unit", "steward"])
def test_who_links_or_integrates_cannot_receive_it(
    role: str, deliver: Callable[..., Path], agreement: Agreement, identities: Identities
) -> None:
    with pytest.raises(NotAuthorizedError, match="may not have a secret of the partners"):
        receive_secret(deliver(), agreement=agreement, identity=identities[role])


@pytest.mark.parametrize("position", [0, 30, 400, -200, -100, -30, -1])
def test_an_altered_delivery_is_refused(
    position: int, deliver: Callable[..., Path], agreement: Agreement, identities: Identities
) -> None:
    path = deliver()
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    with pytest.raises(LinkkitError, match=r"altered|damaged|not a sealed file|cut short"):
        receive_secret(path, agreement=agreement, identity=identities["jobs"])


def test_a_delivery_in_another_partners_name_is_refused(
    deliver: Callable[..., Path], identities: Identities
) -> None:
    with pytest.raises(NotAuthorizedError, match="the identity given is not that of 'summer'"):
        deliver(party="summer")
    with pytest.raises(NotAuthorizedError, match="has no party 'police'"):
        deliver(party="police")
    with pytest.raises(NotAuthorizedError, match="has no party 'linkage_unit'"):
        deliver(party="linkage_unit", identity=identities["linkage_unit"])


def test_an_older_delivery_that_is_sent_again_is_refused(
    deliver: Callable[..., Path], agreement: Agreement, later: Agreement, identities: Identities
) -> None:
    said = "^the file is of epoch 1, and agreement 'alder-bend-youth-2026' is at epoch 2 here\n"
    with pytest.raises(MismatchError, match=said) as caught:
        receive_secret(deliver(), agreement=later, identity=identities["jobs"])
    assert "earlier epoch is not used again" in caught.value.hint
    with pytest.raises(MismatchError, match="is of epoch 2, and") as caught:
        receive_secret(deliver(agreement=later), agreement=agreement, identity=identities["jobs"])
    assert caught.value.hint == "Load the agreement's newer text."


def test_a_delivery_of_another_agreement_or_text_is_refused(
    deliver: Callable[..., Path], agreement_document: Document, identities: Identities
) -> None:
    for changes, said in (
        (
            {"id": "another-2026"},
            "made under agreement 'alder-bend-youth-2026', not 'another-2026'",
        ),
        ({"title": "Amended"}, "made under another text of agreement 'alder-bend-youth-2026'"),
    ):
        other = Agreement.from_document({**copy.deepcopy(agreement_document), **changes})
        with pytest.raises(MismatchError, match=said):
            receive_secret(deliver(), agreement=other, identity=identities["jobs"])


def test_a_delivery_that_lies_about_its_secret_is_refused(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    path = seal_bundle(
        tmp_path / "lie",
        os.urandom(32),
        kind="secret-delivery",
        agreement=agreement,
        party="district",
        identity=identities["district"],
        key_check="0" * 32,
    )
    with pytest.raises(SealError, match="'district' does not hold the secret that it states"):
        receive_secret(path, agreement=agreement, identity=identities["jobs"])


@pytest.mark.parametrize("content", [b"", bytes(32), b"short", bytes(range(33))])
def test_a_weak_secret_in_a_delivery_is_refused(
    content: bytes, tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    path = seal_bundle(
        tmp_path / "weak",
        content,
        kind="secret-delivery",
        agreement=agreement,
        party="district",
        identity=identities["district"],
    )
    with pytest.raises(SecretError, match="this is not a linkage secret"):
        receive_secret(path, agreement=agreement, identity=identities["jobs"])


def test_only_a_linkage_secret_is_delivered(deliver: Callable[..., Path]) -> None:
    with pytest.raises(SecretError, match="only a linkage secret is delivered, not TokenKey"):
        deliver(secret=TokenKey.generate())


def test_a_missing_public_key_and_an_empty_roster_are_named(
    deliver: Callable[..., Path], agreement_document: Document
) -> None:
    with pytest.raises(NotAuthorizedError, match="no partner is named that the secret is for"):
        deliver(to=[])
    del agreement_document["parties"]["jobs"]["public_key"]
    with pytest.raises(AgreementError, match=r"clause 'parties\.jobs\.public_key' is missing"):
        deliver(agreement=Agreement.from_document(agreement_document))


def test_nothing_is_delivered_after_the_day_of_destruction(
    deliver: Callable[..., Path], agreement_document: Document
) -> None:
    past = Agreement.from_document({**agreement_document, "destroy_by": "2020-01-01"})
    with pytest.raises(NotAuthorizedError, match="had to be destroyed by 2020-01-01"):
        deliver(agreement=past)
