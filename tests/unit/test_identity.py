"""Identities: what an organization signs and opens with, and the text form of its public half."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from linkkit.errors import SecretError
from linkkit.exchange import Identity, PublicIdentity

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def _public_text(keys: bytes) -> str:
    check = hashlib.sha256(b"linkkit public identity 1" + keys).digest()[:4]
    return "lkpub1" + base64.b32encode(keys + check).decode().rstrip("=").lower()


def _assert_refused(text: str) -> None:
    with pytest.raises(SecretError, match="a public key is damaged or not of linkkit") as caught:
        PublicIdentity(text)
    assert caught.value.code == "secret"
    assert "linkkit keys identity" in caught.value.hint
    assert caught.value.__context__ is None


def test_two_generated_identities_differ_in_every_half() -> None:
    one, other = Identity.generate(), Identity.generate()
    assert one != other
    assert one.public != other.public
    assert one.reveal() != other.reveal()


def test_one_seed_is_one_identity(identities: dict[str, Identity]) -> None:
    district = identities["district"]
    again = Identity(district.reveal())
    assert again == district
    assert again.public == district.public
    assert again.public.text == district.public.text


def test_sealing_and_signing_keys_are_independent(identities: dict[str, Identity]) -> None:
    district = identities["district"]
    seal, sign = district.seal_key.private_bytes_raw(), district.sign_key.private_bytes_raw()
    assert len({seal, sign, district.reveal()}) == 3


def test_public_half_matches_the_private_keys(identities: dict[str, Identity]) -> None:
    district = identities["district"]
    public = PublicIdentity(district.public.text)
    assert public.seal_key.public_bytes_raw() == district.seal_key.public_key().public_bytes_raw()
    public.verify_key.verify(district.sign_key.sign(b"message"), b"message")


def test_public_text_is_what_the_agreement_accepts(identities: dict[str, Identity]) -> None:
    text = identities["district"].public.text
    assert text.startswith("lkpub1")
    assert len(text) == len("lkpub1") + 109
    assert set(text[6:]) <= set(_ALPHABET)


def test_public_identities_compare_and_hash_by_their_text(identities: dict[str, Identity]) -> None:
    one = identities["district"].public
    same, other = PublicIdentity(one.text), identities["summer"].public
    assert len({one, same, other}) == 2
    assert one != one.text
    assert repr(one) == f"PublicIdentity('{one.text}')"


def test_any_changed_letter_of_a_public_key_is_noticed(identities: dict[str, Identity]) -> None:
    text = identities["district"].public.text
    for place in range(len("lkpub1"), len(text)):
        letter = _ALPHABET[(_ALPHABET.index(text[place]) + 1) % 32]
        _assert_refused(text[:place] + letter + text[place + 1 :])


@pytest.mark.parametrize("length", [0, 1, 5, 6, 7, 50, 114])
def test_a_shortened_public_key_is_refused(length: int, identities: dict[str, Identity]) -> None:
    _assert_refused(identities["district"].public.text[:length])


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "a",
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text[6:],
        lambda text: "age1" + text[6:],
        lambda text: text[:40] + "0" + text[41:],
        lambda text: text[:40] + "\0" + text[41:],
        lambda text: text + text,
    ],
    ids=["longer", "newline", "space", "no-prefix", "other-prefix", "digit", "nul", "doubled"],
)
def test_what_is_not_a_public_key_is_refused(change, identities: dict[str, Identity]) -> None:
    _assert_refused(change(identities["district"].public.text))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1] + _ALPHABET[_ALPHABET.index(text[-1]) ^ 1],
        lambda text: text + "===",
        lambda text: "lkpub1" + text[6:].upper(),
        lambda text: text.replace("s", "\N{LATIN SMALL LETTER LONG S}"),
    ],
    ids=["spare-bit", "padding", "upper-case", "long-s"],
)
def test_a_key_has_one_text(change, identities: dict[str, Identity]) -> None:
    text = identities["district"].public.text
    assert change(text) != text
    _assert_refused(change(text))


_FIELD = 2**255 - 19
_U_OF_ORDER_8 = 0xB8495F16056286FDB1329CEB8D09DA6AC49FF1FAE35616AEB8413B7C7AEBE0
_Y_OF_ORDER_8 = 0x5FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826


@pytest.mark.parametrize("u", [0, 1, _FIELD - 1, _FIELD, _FIELD + 1, _U_OF_ORDER_8])
def test_a_public_key_to_seal_to_of_small_order_is_refused(
    u: int, identities: dict[str, Identity]
) -> None:
    # RFC 7748, section 6.1: with these keys, everybody computes the same shared secret.
    sign = identities["district"].public.verify_key.public_bytes_raw()
    _assert_refused(_public_text(u.to_bytes(32, "little") + sign))


@pytest.mark.parametrize("sign_of_x", [0, 1])
@pytest.mark.parametrize(
    "y", [0, 1, _FIELD - 1, _FIELD, _FIELD + 1, _Y_OF_ORDER_8, _FIELD - _Y_OF_ORDER_8]
)
def test_a_public_key_to_verify_with_of_small_order_is_refused(
    y: int, sign_of_x: int, identities: dict[str, Identity]
) -> None:
    # "Taming the many EdDSAs" (SSR 2020): with these keys, one signature fits every message.
    seal = identities["district"].public.seal_key.public_bytes_raw()
    _assert_refused(_public_text(seal + (y | sign_of_x << 255).to_bytes(32, "little")))


def test_whoever_knows_no_key_could_sign_for_a_key_of_small_order() -> None:
    # S times the base point is R for any message, if the public key is the neutral element.
    neutral = ed25519.Ed25519PublicKey.from_public_bytes((1).to_bytes(32, "little"))
    base = 4 * pow(5, -1, _FIELD) % _FIELD
    forged = base.to_bytes(32, "little") + (1).to_bytes(32, "little")
    for message in (b"one", b"another"):
        neutral.verify(forged, message)


def test_an_identity_comes_back_from_its_file(
    tmp_path: Path, identities: dict[str, Identity]
) -> None:
    path = identities["district"].save(tmp_path / "keys" / "district.identity")
    assert Identity.load(path) == identities["district"]


def test_an_identity_signs_the_same_message_the_same_way(identities: dict[str, Identity]) -> None:
    district = identities["district"]
    assert district.sign_key.sign(b"message") == district.sign_key.sign(b"message")
    assert district.sign_key.sign(b"message") != identities["summer"].sign_key.sign(b"message")
