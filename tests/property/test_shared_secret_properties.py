"""What holds for every contribution, delivery, scope and passphrase."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linkkit.agreement import FIELD_KINDS, Agreement
from linkkit.errors import LinkkitError, SecretError
from linkkit.exchange import Identity
from linkkit.exchange.identity import PublicIdentity
from linkkit.partner.encode.canary_cells import canary_cell
from linkkit.partner.keys import (
    Contribution,
    KeyScope,
    Passphrase,
    Secret,
    combine_contributions,
    commit_contribution,
    deliver_secret,
    encoding_key,
    receive_secret,
    reveal_contribution,
)
from linkkit.partner.keys.derive import length_prefixed

keys = st.binary(min_size=32, max_size=32).filter(lambda raw: len(set(raw)) >= 8)
slugs = st.from_regex(r"[a-z0-9][a-z0-9-]{1,20}", fullmatch=True)
digests = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
scopes = st.builds(KeyScope, agreement_id=slugs, epoch=st.integers(1, 10**6), spec_digest=digests)
once = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@given(st.lists(st.binary(max_size=6), max_size=5), st.lists(st.binary(max_size=6), max_size=5))
def test_no_two_lists_of_parts_are_joined_alike(one: list[bytes], other: list[bytes]) -> None:
    assert (length_prefixed(*one) == length_prefixed(*other)) == (one == other)


@given(keys, st.lists(scopes, min_size=2, max_size=4, unique=True))
def test_no_two_scopes_share_a_label_list_or_a_key(key: bytes, found: list[KeyScope]) -> None:
    secret = Secret(key)
    for one, other in itertools.combinations(found, 2):
        assert one.labels != other.labels
    made = {
        encoding_key(secret, scope, purpose=purpose, field=field, pass_name=pass_name)
        for scope in found
        for purpose in ("a", "b")
        for field in ("x", "y")
        for pass_name in (None, "", "x")
    }
    assert len(made) == len(found) * 12


@once
@given(materials=st.lists(keys, min_size=3, max_size=3, unique=True), order=st.randoms())
def test_a_combined_secret_depends_on_every_contribution_and_on_no_order(
    materials: list[bytes],
    order: Any,
    plain_agreement: Callable[..., Agreement],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    parties = ("a", "b", "c")
    own = {p: Identity(bytes(range(i, i + 32))) for i, p in enumerate(parties)}
    document = plain_agreement(parties).model_dump(mode="json", exclude_defaults=True)
    for party in parties:
        document["parties"][party]["public_key"] = own[party].public.text
    agreement = Agreement.from_document(document)

    def combined(given_materials: list[bytes], files_order: Callable[[list[Path]], None]) -> Secret:
        folder = tmp_path_factory.mktemp("round")
        mine = dict(zip(parties, map(Contribution, given_materials), strict=True))
        files = [
            commit_contribution(
                mine[p], folder / f"{p}.c", agreement=agreement, party=p, identity=own[p]
            )
            for p in parties
        ]
        files += [
            reveal_contribution(
                mine[p], files[:3], folder / f"{p}.r", agreement=agreement, party=p, identity=own[p]
            )
            for p in parties
        ]
        files_order(files)
        return combine_contributions(files, agreement=agreement, identity=own["b"])

    secret = combined(materials, lambda files: None)
    assert secret == combined(materials, order.shuffle)
    for i in range(3):
        changed = [*materials[:i], bytes([*range(100, 132)]), *materials[i + 1 :]]
        if changed != materials:
            assert secret != combined(changed, order.shuffle)


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_every_change_to_a_delivery_is_refused(
    data: st.DataObject,
    agreement: Agreement,
    identities: dict[str, Identity],
    secret: Secret,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.getbasetemp() / "property.delivery"
    if not path.exists():
        deliver_secret(
            secret, path, agreement=agreement, party="district", identity=identities["district"]
        )
    good = path.read_bytes()
    change = data.draw(st.sampled_from(["flip", "cut", "add", "swap"]))
    at = data.draw(st.integers(0, len(good) - 2))
    if change == "flip":
        bit = 1 << data.draw(st.integers(0, 7))
        changed = good[:at] + bytes([good[at] ^ bit]) + good[at + 1 :]
    elif change == "cut":
        changed = good[:at]
    elif change == "add":
        changed = good[:at] + data.draw(st.binary(min_size=1, max_size=9)) + good[at:]
    else:
        changed = good[at:] + good[:at]
    if changed == good:
        return
    bad = path.with_suffix(".bad")
    bad.write_bytes(changed)
    with pytest.raises(LinkkitError, match="What to do: "):
        receive_secret(bad, agreement=agreement, identity=identities["jobs"])


@given(seed=keys, turn=st.sampled_from([0, 0x80]))
def test_a_public_key_shares_with_itself_and_with_no_other(seed: bytes, turn: int) -> None:
    from linkkit.agreement.public_key import encode_public_key

    public = Identity(seed).public
    other = Identity(bytes(b ^ 0x55 for b in seed)).public
    seal = bytearray(public.seal_key.public_bytes_raw())
    seal[31] ^= turn
    mixed = encode_public_key(bytes(seal) + other.verify_key.public_bytes_raw())
    assert PublicIdentity(mixed).shares_key_with(public)
    assert PublicIdentity(mixed).shares_key_with(other)
    assert not public.shares_key_with(other)


@given(st.text(max_size=200))
def test_any_text_is_a_passphrase_or_refused_without_showing_it(text: str) -> None:
    error: SecretError | None = None
    try:
        passphrase = Passphrase(text)
    except SecretError as caught:
        error = caught
    else:
        assert len(passphrase.reveal()) >= 20
        assert text not in repr(passphrase)
    assert error is None or len(text) < 12 or text not in str(error)


@given(st.sampled_from(FIELD_KINDS), st.binary(min_size=32, max_size=32))
def test_any_stream_makes_a_canary_cell(kind: Any, stream: bytes) -> None:
    cell = canary_cell(kind, stream)
    assert cell == canary_cell(kind, stream)
    assert len(cell) < 120
    assert cell.isprintable() or "\u200b" in cell or "\u00a0" in cell
