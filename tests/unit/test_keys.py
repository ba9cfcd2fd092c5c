"""The partner zone's keys: one sub-key for each purpose, and only strong material."""

from __future__ import annotations

from pathlib import Path

import pytest

from linkkit.errors import SecretError
from linkkit.partner.keys import Secret, TokenKey, derive_key, key_check

KEY = bytes(range(32))


def test_sub_keys_differ_by_every_label_and_by_where_labels_end() -> None:
    secret = Secret(KEY)
    made = {
        derive_key(secret, *labels)
        for labels in [("a",), ("b",), ("a", "b"), ("ab",), ("a", "", "b"), ("", "a", "b"), ()]
    }
    assert len(made) == 7


def test_the_key_check_is_no_sub_key_and_differs_by_key() -> None:
    secret, other = Secret(KEY), Secret(bytes(range(1, 33)))
    assert key_check(secret, "x") == key_check(Secret(KEY), "x") != key_check(other, "x")
    assert len(key_check(secret)) == 32
    assert key_check(secret, "x") != derive_key(secret, "x", n_bytes=16).hex()
    assert KEY.hex()[:16] not in key_check(secret)


def test_keys_of_two_purposes_are_never_equal() -> None:
    assert Secret(KEY) != TokenKey(KEY)
    assert Secret(KEY) == Secret(KEY)


@pytest.mark.parametrize("kind", [Secret, TokenKey])
def test_a_saved_key_is_loaded_again_but_not_as_another_kind(
    kind: type[Secret | TokenKey], tmp_path: Path
) -> None:
    key = kind.generate()
    path = key.save(tmp_path / "made-up.key")
    assert kind.load(path) == key
    other = TokenKey if kind is Secret else Secret
    with pytest.raises(SecretError, match="does not hold"):
        other.load(path)


def test_two_generated_keys_differ() -> None:
    assert Secret.generate() != Secret.generate()


def test_a_secret_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINKKIT_SECRET", f" {KEY.hex()}\n")
    assert Secret.from_environment() == Secret(KEY)
    monkeypatch.setenv("OTHER", KEY.hex())
    assert Secret.from_environment("OTHER") == Secret(KEY)


@pytest.mark.parametrize("text", [None, "", "zz" * 32, KEY.hex()[:-1], "00" * 32, "ab" * 31])
def test_a_bad_secret_in_the_environment_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    monkeypatch.delenv("LINKKIT_SECRET", raising=False)
    if text is not None:
        monkeypatch.setenv("LINKKIT_SECRET", text)
    with pytest.raises(SecretError) as caught:
        Secret.from_environment()
    assert not text or text not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("material", [b"", bytes(31), bytes(33), bytes(32), b"abcd" * 8])
def test_weak_material_is_refused(material: bytes) -> None:
    for kind in (Secret, TokenKey):
        with pytest.raises(SecretError):
            kind(material)
