"""A private key stays inside its object and its file: no print, pickle, error or mode shows it."""

from __future__ import annotations

import base64
import copy
import gc
import hmac
import json
import logging
import marshal
import os
import pickle
import pprint
import reprlib
import stat
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, astuple, dataclass
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import pytest

from linkkit.agreement import Agreement
from linkkit.errors import LinkkitError, SecretError
from linkkit.exchange import Identity, Manifest
from linkkit.exchange.container import open_sealed, write_sealed
from linkkit.exchange.opaque import OpaqueKey, write_key_text

MATERIAL = bytes((i * 73 + 41) % 256 for i in range(32))

posix = pytest.mark.skipif(os.name != "posix", reason="file modes are of another kind there")


class _TestKey(OpaqueKey):
    __slots__ = ()
    label = "test-key"
    described = "a test key"


@pytest.fixture(params=[Identity, _TestKey], ids=lambda kind: kind.__name__)
def key(request: pytest.FixtureRequest) -> OpaqueKey:
    return request.param(MATERIAL)


def _traces(material: bytes = MATERIAL) -> Iterator[str]:
    """Yield what a leaked key looks like: a window of it, in each usual spelling."""
    for start in (0, 12, 24):
        part = material[start : start + 8]
        yield part.hex()
        yield part.hex().upper()
        yield repr(part)[2:-1]
        yield str(list(part))[1:-1]
        yield str(int.from_bytes(part, "big"))
    for coded in (base64.b64encode(material), base64.b32encode(material)):
        text = coded.decode()
        yield text[:12]
        yield text[12:24]


def _assert_no_key(text: str | bytes, material: bytes = MATERIAL) -> None:
    if isinstance(text, str):
        raw = text.encode("utf-8", "backslashreplace")
    else:
        raw, text = text, text.decode("latin-1")
    assert not any(material[i : i + 6] in raw for i in range(0, 27, 3))
    assert not any(trace in text for trace in _traces(material))


def _assert_silent(error: BaseException, material: bytes = MATERIAL) -> None:
    """Search an error, its chain and its formatted traceback for the key."""
    assert error.__cause__ is None
    assert error.__context__ is None
    _assert_no_key("".join(traceback.format_exception(error)), material)
    _assert_no_key(repr((error, error.args, vars(error))), material)


def test_the_search_would_find_a_leak() -> None:
    for leak in (
        MATERIAL,
        MATERIAL.hex(),
        repr(MATERIAL),
        repr(list(MATERIAL)),
        "x" + MATERIAL.hex()[3:],
    ):
        with pytest.raises(AssertionError):
            _assert_no_key(leak)
    with pytest.raises(AssertionError):
        _assert_no_key(base64.b64encode(MATERIAL))


# --- Showing ---------------------------------------------------------------------------------


@dataclass
class _Holder:
    key: OpaqueKey


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        ascii,
        format,
        pprint.pformat,
        reprlib.repr,
        lambda key: f"{key}{key!r}{key!s}{key!a}",
        lambda key: "%s %r" % (key, key),  # noqa: UP031
        lambda key: "{} {!r} {0.label}".replace("{}", "{0}").replace("{!r}", "{0!r}").format(key),
        lambda key: repr([key, {"key": key}, _Holder(key)]),
        lambda key: repr(asdict(_Holder(key))) + repr(astuple(_Holder(key))),
        lambda key: str(ValueError(key)),
        lambda key: json.dumps({"key": key}, default=str),
        lambda key: repr(dir(key)),
    ],
)
def test_no_way_of_showing_a_key_shows_its_bytes(
    show: Callable[[OpaqueKey], str], key: OpaqueKey
) -> None:
    shown = show(key)
    assert shown
    _assert_no_key(shown)


def test_a_key_says_what_it_is(key: OpaqueKey) -> None:
    assert repr(key) == f"<{type(key).__name__}: 32 bytes, not shown>"


def test_a_logged_key_is_not_shown(key: OpaqueKey, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("tests").error("the key is %s, or %r", key, key)
    assert "not shown" in caplog.text
    _assert_no_key(caplog.text)


@pytest.mark.parametrize("spec", [">50", "x", "s", "02x", "032b"])
def test_a_key_takes_no_format(spec: str, key: OpaqueKey) -> None:
    with pytest.raises(TypeError, match="unsupported format string") as caught:
        format(key, spec)
    _assert_silent(caught.value)


@pytest.mark.parametrize(
    "use",
    [
        *(bytes, bytearray, len, iter, int, list, hash, vars, memoryview, json.dumps),
        lambda key: key < MATERIAL,
        lambda key: key[0],
        lambda key: key + key,
        lambda key: {key: 1},
    ],
)
def test_a_key_is_no_bytes_no_number_and_no_dict_key(
    use: Callable[[OpaqueKey], object], key: OpaqueKey
) -> None:
    with pytest.raises(TypeError, match="'?_?[A-Za-z]+'?") as caught:
        use(key)
    _assert_silent(caught.value)


@pytest.mark.parametrize("half", ["seal_key", "sign_key", "public"])
def test_derived_keys_are_not_shown_either(half: str) -> None:
    identity = Identity(MATERIAL)
    private = [identity.seal_key.private_bytes_raw(), identity.sign_key.private_bytes_raw()]
    for material in (MATERIAL, *private):
        _assert_no_key(repr(getattr(identity, half)), material)
        _assert_no_key(identity.public.text, material)


# --- Copying and sending ---------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_key_cannot_be_pickled(protocol: int, key: OpaqueKey) -> None:
    with pytest.raises(SecretError, match=f"^{key.described} cannot be pickled") as caught:
        pickle.dumps([key], protocol)
    assert caught.value.code == "secret"
    assert caught.value.hint == "Save it with save() to a file that only you may read."
    _assert_silent(caught.value)


def test_a_key_cannot_be_sent_to_another_process(key: OpaqueKey) -> None:
    with pytest.raises(SecretError, match="cannot be pickled") as caught:
        ForkingPickler.dumps({"key": key})
    _assert_silent(caught.value)


def test_a_key_cannot_be_marshalled(key: OpaqueKey) -> None:
    with pytest.raises(ValueError, match="unmarshallable object") as caught:
        marshal.dumps(key)
    _assert_silent(caught.value)


@pytest.mark.parametrize("copying", [copy.copy, copy.deepcopy])
def test_copying_makes_no_second_key(copying: Callable[[object], object], key: OpaqueKey) -> None:
    assert copying(key) is key


def test_the_state_that_serializers_ask_for_holds_no_key(key: OpaqueKey) -> None:
    with pytest.raises(SecretError, match=f"^{key.described} cannot be pickled") as caught:
        key.__getstate__()
    _assert_silent(caught.value)


def test_two_keys_are_compared_in_constant_time(
    key: OpaqueKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def compare(one: bytes, other: bytes) -> bool:
        asked.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert key == type(key)(MATERIAL)
    assert key != type(key)(MATERIAL[::-1])
    assert asked == [(MATERIAL, MATERIAL), (MATERIAL, MATERIAL[::-1])]


# --- Files -----------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_key_file_is_for_its_owner_alone(umask: int, tmp_path: Path, key: OpaqueKey) -> None:
    before = os.umask(umask)
    try:
        path = key.save(tmp_path / "a.key")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert type(key).load(path) == key


@posix
@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o660, 0o606, 0o602, 0o666, 0o777, 0o444])
def test_a_key_that_others_may_read_or_change_is_refused(
    mode: int, tmp_path: Path, key: OpaqueKey
) -> None:
    path = key.save(tmp_path / "a.key")
    path.chmod(mode)
    said = rf"a\.key' of {key.described} may be read by other users"
    with pytest.raises(SecretError, match=said) as caught:
        type(key).load(path)
    assert caught.value.code == "secret"
    assert caught.value.hint == "Keep it where only you may read it: chmod 600 FILE."
    _assert_silent(caught.value)


@posix
def test_a_key_may_be_read_only_to_its_owner(tmp_path: Path, key: OpaqueKey) -> None:
    path = key.save(tmp_path / "a.key")
    path.chmod(0o400)
    assert type(key).load(path) == key


@posix
def test_the_mode_behind_a_link_counts(tmp_path: Path, key: OpaqueKey) -> None:
    path = key.save(tmp_path / "a.key")
    (tmp_path / "link").symlink_to(path)
    assert type(key).load(tmp_path / "link") == key
    path.chmod(0o644)
    with pytest.raises(SecretError, match="may be read by other users"):
        type(key).load(tmp_path / "link")


@posix
def test_a_key_file_exchanged_after_the_check_is_not_read(
    tmp_path: Path, key: OpaqueKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = key.save(tmp_path / "a.key")
    planted = type(key)(MATERIAL[::-1]).save(tmp_path / "planted.key")
    planted.chmod(0o666)
    ask = os.fstat

    def ask_and_exchange(handle: int) -> os.stat_result:
        answer = ask(handle)
        planted.replace(path)
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", ask_and_exchange)
        assert type(key).load(path) == key
    assert not planted.exists()
    with pytest.raises(SecretError, match="may be read by other users"):
        type(key).load(path)


@pytest.mark.parametrize("material", [bytes(32), b"\xff" * 32, b"\x01\x02" * 16])
def test_a_key_that_is_plainly_not_random_is_refused_from_a_file(
    material: bytes, tmp_path: Path, key: OpaqueKey
) -> None:
    path = write_key_text(tmp_path / "a.key", f"linkkit-{key.label} {material.hex()}\n")
    with pytest.raises(SecretError, match="is not random, but repeats a few bytes") as caught:
        type(key).load(path)
    assert caught.value.code == "secret"
    assert material.hex() not in "".join(traceback.format_exception(caught.value))


def test_a_key_for_one_purpose_is_not_taken_for_another(tmp_path: Path) -> None:
    path = _TestKey(MATERIAL).save(tmp_path / "a.key")
    with pytest.raises(SecretError, match="' does not hold an identity") as caught:
        Identity.load(path)
    _assert_silent(caught.value)


def _damaged(text: str) -> dict[str, str]:
    return {
        "one digit short": text[:-1],
        "one byte short": text[:-2],
        "one byte more": text + "00",
        "a letter that is no digit": text[:-1] + "g",
        "of another kind": text.replace("linkkit-", "linkkit-other-"),
        "without its name": text.split()[1],
        "with more behind": text + " and more",
        "not ascii": text + "é",
        "two lines": text + "\n" + text,
        "a NUL in it": text[:40] + "\0" + text[40:],
    }


@pytest.mark.parametrize("damage", list(_damaged("linkkit-a 00")))
def test_the_error_about_a_damaged_key_file_holds_nothing_of_it(
    damage: str, tmp_path: Path, key: OpaqueKey
) -> None:
    text = _damaged(f"linkkit-{key.label} {MATERIAL.hex()}")[damage]
    path = tmp_path / "a.key"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(SecretError, match=r"does not hold a|has 32 bytes, and these are") as caught:
        type(key).load(path)
    assert caught.value.code == "secret"
    _assert_silent(caught.value)


@pytest.mark.parametrize("damage", ["one digit short", "one byte short", "of another kind"])
def test_a_traceback_that_shows_local_variables_shows_no_key(
    damage: str, tmp_path: Path, key: OpaqueKey
) -> None:
    # As rich's and many error trackers' tracebacks do.
    path = write_key_text(
        tmp_path / "a.key", _damaged(f"linkkit-{key.label} {MATERIAL.hex()}")[damage]
    )
    kind = type(key)
    with pytest.raises(SecretError, match=r"does not hold a|has 32 bytes, and these are") as caught:
        kind.load(path)
    below = caught.value.__traceback__.tb_next  # type: ignore[union-attr]
    shown = traceback.TracebackException(
        type(caught.value), caught.value, below, capture_locals=True
    )
    _assert_no_key("".join(shown.format()))


# --- Use -------------------------------------------------------------------------------------


def _manifest(agreement: Agreement) -> Manifest:
    return Manifest(
        kind="crosswalk",
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        sender="linkage_unit",
        n_rows=0,
    )


def test_a_sealed_file_holds_nothing_of_any_private_key(
    tmp_path: Path, agreement: Agreement
) -> None:
    signer, reader = Identity(MATERIAL), Identity(MATERIAL[::-1])
    path = write_sealed(
        tmp_path / "a",
        b"content",
        manifest=_manifest(agreement),
        signer=signer,
        recipients=[reader.public],
    )
    for identity in (signer, reader):
        for material in (
            identity.reveal(),
            identity.seal_key.private_bytes_raw(),
            identity.sign_key.private_bytes_raw(),
        ):
            _assert_no_key(path.read_bytes(), material)


def test_refusals_of_a_sealed_file_hold_nothing_of_any_private_key(
    tmp_path: Path, agreement: Agreement
) -> None:
    signer, stranger = Identity(MATERIAL), Identity(MATERIAL[::-1])
    path = write_sealed(
        tmp_path / "a",
        b"content",
        manifest=_manifest(agreement),
        signer=signer,
        recipients=[signer.public],
    )
    for recipient, sender in ((stranger, signer), (signer, stranger)):
        with pytest.raises(LinkkitError, match=r"somebody else|not signed by") as caught:
            open_sealed(path, recipient=recipient, signer_of=lambda _, who=sender: who.public)
        assert caught.value.code == "seal"
        for identity in (signer, stranger):
            _assert_silent(caught.value, identity.reveal())


def test_making_saving_and_loading_a_key_prints_nothing(
    tmp_path: Path, key: OpaqueKey, capfd: pytest.CaptureFixture[str]
) -> None:
    key.save(tmp_path / "a.key")
    type(key).load(tmp_path / "a.key")
    type(key).generate()
    assert capfd.readouterr() == ("", "")


def test_no_cache_keeps_a_key_after_its_object_is_gone(tmp_path: Path) -> None:
    path = Identity(MATERIAL).save(tmp_path / "a.key")
    identity = Identity.load(path)
    assert identity.public.text

    def alive() -> int:
        gc.collect()
        return sum(type(x) is Identity and x.reveal() == MATERIAL for x in gc.get_objects())

    assert alive() == 1
    del identity
    assert alive() == 0
