"""Where a secret comes from: a passphrase, the environment, a keyring, a key management service."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
import time
import types
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.kdf import argon2

from linkkit.agreement import Agreement
from linkkit.errors import DependencyError, LinkkitError, SecretError
from linkkit.exchange.opaque import write_key_text
from linkkit.partner.keys import KeyService, Passphrase, Secret
from linkkit.partner.keys import passphrase as rules

GOOD = "ladle umbrella nectar frozen tapir quilt"
MATERIAL = bytes((i * 73 + 41) % 256 for i in range(32))


# --- Passphrases -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "x7Q!m2Zp9_vR4t-Lk8sW1e",
        "7Hk29sLq0WmZx84RtYvB3n",
        "Käse Löwe Brücke Fenster Garten Wolke",
    ],
)
def test_a_strong_passphrase_is_accepted(text: str) -> None:
    assert Passphrase(text).reveal() == text.encode()


@pytest.mark.parametrize(
    "text",
    ["", " ", "ladle umbrella", "Tr0ub4dor&3", "                    ", "x7Q!m2Zp9_vR4t-Lk8s"],
)
def test_a_short_passphrase_is_refused(text: str) -> None:
    with pytest.raises(SecretError, match="the passphrase has fewer than 20 characters") as caught:
        Passphrase(text)
    assert caught.value.code == "secret"
    assert "six or more words that dice choose" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "a" * 64,
        "abcdefghijklmnopqrstuvwxyz",
        "qwertyuiopasdfghjklzxcvbnm",
        "0123456789" * 4,
        "password password password password",
        "correct horse battery staple",
        "Password2026!Password2026!",
        "umbrella umbrella umbrella umbrella umbrella umbrella",
        "Umbrella umbrella UMBRELLA uMbrella umbrellA umbrella",
        "1998 2001 2004 2007 2010 2013 2016",
        "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!",
        "abcabcabcabcabcabcabcabcabcabc",
    ],
)
def test_an_easily_guessed_passphrase_is_refused(text: str) -> None:
    with pytest.raises(SecretError, match="too easily guessed") as caught:
        Passphrase(text)
    assert text not in str(caught.value)


def test_words_of_the_agreement_count_for_nothing(agreement: Agreement) -> None:
    leaning = Passphrase("Alder Bend Youth Opportunity Partnership Trust tapir")
    with pytest.raises(SecretError, match="too easily guessed"):
        Secret.from_passphrase(leaning, agreement=agreement)


def test_spaces_and_the_form_of_letters_do_not_matter(agreement: Agreement) -> None:
    one = Passphrase("ladle umbrella nectar frozen tapir caf\u00e9")
    other = Passphrase("  ladle umbrella  nectar frozen\ttapir cafe\u0301\n")
    assert one == other
    assert one != Passphrase(GOOD)
    assert one != "text"


def test_agreement_and_epoch_decide_what_a_passphrase_gives(
    agreement: Agreement, agreement_document: dict[str, Any]
) -> None:
    changes: list[dict[str, Any]] = [{}, {"epoch": 2}, {"id": "another-2026"}, {"title": "Amended"}]
    made = [
        Secret.from_passphrase(
            Passphrase(GOOD), agreement=Agreement.from_document({**agreement_document, **change})
        )
        for change in changes
    ]
    assert made[0] == Secret.from_passphrase(Passphrase(GOOD), agreement=agreement)
    assert made[0] == made[3]  # an amended text is the same agreement
    assert made[0] != made[1] != made[2] != made[0]


def test_the_cost_is_at_least_what_owasp_asks_for() -> None:
    assert rules.MEMORY_KIB >= 19 * 1024
    assert rules.ITERATIONS >= 2
    assert rules.LANES >= 1


def test_secrets_are_stretched_one_at_a_time(
    agreement: Agreement, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most = [0], [0]

    class Slow:
        def __init__(self, **options: Any) -> None:
            pass

        def derive(self, key_material: Any) -> bytes:
            running[0] += 1
            most[0] = max(most[0], running[0])
            time.sleep(0.02)
            running[0] -= 1
            return bytes(key_material[:32])

    monkeypatch.setattr(argon2, "Argon2id", Slow)
    with ThreadPoolExecutor(max_workers=6) as pool:
        made = list(pool.map(lambda _: rules.stretch_bytes(bytes(range(40)), agreement), range(6)))
    assert made == [bytes(range(32))] * 6
    assert most == [1]


def test_threads_may_stretch_secrets_at_the_same_time(agreement: Agreement) -> None:
    # In a process of its own, which can be ended if it hangs.
    script = f"""
import threading
from linkkit.agreement import Agreement
from linkkit.partner.keys.passphrase import stretch_bytes
agreement = Agreement.from_document({agreement.model_dump(mode="json")!r})
made = []
for _ in range(4):
    threads = [
        threading.Thread(target=lambda: made.append(stretch_bytes(b"x" * 20, agreement)))
        for _ in range(3)
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
print(len(made), len(set(made)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["12", "1"], done.stderr


def test_too_little_memory_is_told_with_what_to_do(
    agreement: Agreement, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Short:
        def __init__(self, **options: Any) -> None:
            pass

        def derive(self, key_material: Any) -> bytes:
            raise MemoryError("Not enough memory to derive key. 65MB of memory are required.")

    monkeypatch.setattr(argon2, "Argon2id", Short)
    with pytest.raises(SecretError, match="not enough memory to stretch a secret") as caught:
        Secret.from_passphrase(Passphrase(GOOD), agreement=agreement)
    assert "64 MiB" in str(caught.value)
    assert caught.value.hint
    assert caught.value.__context__ is None


def test_a_passphrase_is_read_from_a_private_file_of_one_line(tmp_path: Path) -> None:
    path = write_key_text(tmp_path / "words", f"{GOOD}\n")
    assert Passphrase.load(path) == Passphrase(GOOD)
    path.chmod(0o644)
    with pytest.raises(SecretError, match="of a passphrase may be read by other users"):
        Passphrase.load(path)


@pytest.mark.parametrize("text", ["", "\n\n", f"{GOOD}\n{GOOD}\n"])
def test_a_file_without_one_passphrase_is_refused(text: str, tmp_path: Path) -> None:
    path = write_key_text(tmp_path / "words", text)
    with pytest.raises(SecretError, match="does not hold one passphrase"):
        Passphrase.load(path)


def _typing(monkeypatch: pytest.MonkeyPatch, *typed: str | Exception) -> None:
    answers = iter(typed)

    def ask(_prompt: str) -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(getpass, "getpass", ask)


def test_a_passphrase_is_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    _typing(monkeypatch, GOOD, GOOD)
    assert Passphrase.prompt() == Passphrase(GOOD)
    _typing(monkeypatch, GOOD, f"{GOOD} more")
    with pytest.raises(SecretError, match="the two passphrases differ"):
        Passphrase.prompt()


def test_without_a_terminal_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    _typing(monkeypatch, EOFError())
    with pytest.raises(SecretError, match="no terminal to type a passphrase at") as caught:
        Passphrase.prompt()
    assert caught.value.__context__ is None

    def show_what_is_typed(_prompt: str) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        return GOOD

    monkeypatch.setattr(getpass, "getpass", show_what_is_typed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(SecretError, match="no terminal to type a passphrase at"):
            Passphrase.prompt()


def test_what_is_no_passphrase_is_refused(agreement: Agreement) -> None:
    with pytest.raises(SecretError, match="a passphrase is text, not bytes"):
        Passphrase(GOOD.encode())  # type: ignore[arg-type]
    with pytest.raises(SecretError, match="a Passphrase is needed, not str") as caught:
        Secret.from_passphrase(GOOD, agreement=agreement)  # type: ignore[arg-type]
    assert GOOD not in str(caught.value)


# --- Keyrings --------------------------------------------------------------------------------


class _Backend:
    pass


class _Keyring(types.ModuleType):
    """Stands in for the package, which the tests do not need."""

    def __init__(self, backend: type = _Backend) -> None:
        super().__init__("keyring")
        self.entries: dict[tuple[str, str], str] = {}
        self.backend = backend
        self.broken = False

    def get_keyring(self) -> object:
        return self.backend()

    def get_password(self, service: str, name: str) -> str | None:
        if self.broken:
            raise RuntimeError(MATERIAL.hex())
        return self.entries.get((service, name))

    def set_password(self, service: str, name: str, text: str) -> None:
        self.entries[service, name] = text


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> _Keyring:
    made = _Keyring()
    monkeypatch.setitem(sys.modules, "keyring", made)
    return made


def test_a_secret_comes_back_from_a_keyring(keyring: _Keyring) -> None:
    secret = Secret(MATERIAL)
    secret.save_to_keyring("youth-2026")
    assert Secret.from_keyring("youth-2026") == secret
    assert list(keyring.entries) == [("linkkit", "youth-2026")]
    with pytest.raises(SecretError, match="a key is never overwritten"):
        Secret.generate().save_to_keyring("youth-2026")
    Secret.generate().save_to_keyring("youth-2026", service="elsewhere")
    assert Secret.from_keyring("youth-2026") == secret


@pytest.mark.parametrize("entry", [None, "", MATERIAL.hex(), f"linkkit-token-key {MATERIAL.hex()}"])
def test_an_entry_that_is_no_secret_is_refused(keyring: _Keyring, entry: str | None) -> None:
    if entry is not None:
        keyring.entries["linkkit", "a"] = entry
    with pytest.raises(SecretError, match="the keyring has no linkage secret under 'a'"):
        Secret.from_keyring("a")


def test_a_keyring_that_fails_is_named_without_its_message(keyring: _Keyring) -> None:
    keyring.broken = True
    for use in (lambda: Secret.from_keyring("a"), lambda: Secret(MATERIAL).save_to_keyring("a")):
        with pytest.raises(SecretError, match=r"cannot be used \(RuntimeError\)") as caught:
            use()
        assert MATERIAL.hex() not in repr(caught.value)
        assert caught.value.__context__ is None


@pytest.mark.parametrize("module", ["keyrings.alt.file", "keyring.backends.null"])
def test_a_keyring_that_protects_nothing_is_refused(keyring: _Keyring, module: str) -> None:
    keyring.backend = type("Plain", (), {"__module__": module})
    with pytest.raises(SecretError, match="this system has no keyring that protects a key"):
        Secret(MATERIAL).save_to_keyring("a")
    assert not keyring.entries


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(DependencyError, match="package 'keyring', which is not installed") as no:
        Secret.from_keyring("a")
    assert no.value.hint == "Install it: pip install 'linkkit[keyring]'."
    assert no.value.__context__ is None


# --- Key management services -----------------------------------------------------------------


class _Service:
    """Wraps by turning bytes around; a real one has the key elsewhere."""

    def unwrap(self, wrapped: bytes) -> Any:
        return wrapped[::-1]


def test_a_service_unwraps_from_bytes_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "wrapped"
    path.write_bytes(MATERIAL[::-1])
    assert isinstance(_Service(), KeyService)
    for wrapped in (MATERIAL[::-1], path, str(path)):
        assert Secret.from_kms(_Service(), wrapped) == Secret(MATERIAL)


@pytest.mark.parametrize("wrapped", [b"", b"short", bytes(32), bytes(31), MATERIAL * 2])
def test_what_a_service_gives_must_be_a_secret(wrapped: bytes) -> None:
    with pytest.raises(SecretError, match="this is not a linkage secret"):
        Secret.from_kms(_Service(), wrapped)


def test_a_service_that_fails_is_named_without_its_message(tmp_path: Path) -> None:
    class Broken:
        def unwrap(self, wrapped: bytes) -> bytes:
            raise ValueError(wrapped.hex())

    with pytest.raises(SecretError, match=r"did not unwrap the secret \(ValueError\)") as caught:
        Secret.from_kms(Broken(), MATERIAL)
    assert caught.value.__context__ is None
    with pytest.raises(SecretError, match=r"did not unwrap the secret \(AttributeError\)"):
        Secret.from_kms(object(), MATERIAL)  # type: ignore[arg-type]
    with pytest.raises(LinkkitError, match=r"cannot be read \(FileNotFoundError\)"):
        Secret.from_kms(_Service(), tmp_path / "gone")
    with pytest.raises(SecretError, match="not of str"):
        Secret.from_kms(types.SimpleNamespace(unwrap=lambda wrapped: "text"), MATERIAL)
