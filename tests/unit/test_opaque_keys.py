"""Opaque keys: what they accept, how they compare, and how they are kept in files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from linkkit.errors import LinkkitError, SecretError
from linkkit.exchange import Identity
from linkkit.exchange.opaque import OpaqueKey, read_key_text, write_key_text
from linkkit.partner.keys import Passphrase

MATERIAL = bytes(range(7, 39))


class _Lamp(OpaqueKey):
    __slots__ = ()
    label = "lamp"
    described = "a lamp"


class _OtherKey(OpaqueKey):
    __slots__ = ()
    label = "other"
    described = "another key"


@pytest.mark.parametrize("length", [0, 1, 16, 31, 33, 64])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    said = f"^this is not a lamp: it has 32 bytes, and these are {length}\n"
    with pytest.raises(SecretError, match=said) as caught:
        _Lamp(os.urandom(length))
    assert caught.value.code == "secret"
    assert caught.value.hint == "Make a new one with 'linkkit keys'."


@pytest.mark.parametrize(
    "material",
    [bytes(32), b"\xff" * 32, b"ab" * 16, bytes(range(7)) * 4 + bytes(4)],
    ids=["zero", "ones", "two-bytes", "seven-bytes"],
)
def test_a_key_that_repeats_a_few_bytes_is_refused(material: bytes) -> None:
    with pytest.raises(
        SecretError, match="^this is not a lamp: it is not random, but repeats"
    ) as caught:
        _Lamp(material)
    assert caught.value.code == "secret"


def test_eight_different_bytes_are_the_fewest() -> None:
    assert _Lamp(bytes(range(8)) * 4).reveal() == bytes(range(8)) * 4


def test_generated_keys_are_32_bytes_and_never_the_same() -> None:
    keys = [_Lamp.generate() for _ in range(50)]
    assert {len(key.reveal()) for key in keys} == {32}
    assert len({key.reveal() for key in keys}) == 50


def test_a_key_does_not_change_with_the_buffer_that_it_was_made_of() -> None:
    buffer = bytearray(MATERIAL)
    key = _Lamp(buffer)
    buffer[:] = bytes(32)
    assert key.reveal() == MATERIAL


def test_keys_compare_by_content_and_by_purpose() -> None:
    key = _Lamp(MATERIAL)
    assert key == _Lamp(MATERIAL)
    assert key != _Lamp(MATERIAL[::-1])
    assert key != _OtherKey(MATERIAL)
    assert key != MATERIAL
    assert key != "text"


def test_a_key_comes_back_from_its_file(tmp_path: Path) -> None:
    key = _Lamp.generate()
    path = key.save(tmp_path / "new" / "folder" / "a.key")
    assert path == tmp_path / "new" / "folder" / "a.key"
    assert _Lamp.load(path) == key
    assert _Lamp.load(str(path)) == key


def test_a_key_file_is_one_line_of_ascii(tmp_path: Path) -> None:
    path = _Lamp(MATERIAL).save(tmp_path / "a.key")
    assert path.read_bytes() == f"linkkit-lamp {MATERIAL.hex()}\n".encode("ascii")


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "  \n\n"])
def test_line_ends_of_an_editor_do_not_matter(end: str, tmp_path: Path) -> None:
    path = write_key_text(tmp_path / "a.key", f"linkkit-lamp {MATERIAL.hex()}{end}")
    assert _Lamp.load(path).reveal() == MATERIAL


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "linkkit-lamp",
        MATERIAL.hex(),
        f"linkkit-other {MATERIAL.hex()}",
        f"LINKKIT-LAMP {MATERIAL.hex()}",
        f"linkkit-lamp {MATERIAL.hex()} {MATERIAL.hex()}",
        f"linkkit-lamp {MATERIAL.hex()[:-1]}",
        f"linkkit-lamp {MATERIAL.hex()[:-2]}zz",
        f"linkkit-lamp\0{MATERIAL.hex()}",
    ],
)
def test_a_file_that_holds_no_such_key_is_refused(text: str, tmp_path: Path) -> None:
    path = write_key_text(tmp_path / "a.key", text)
    with pytest.raises(SecretError, match=r"the file '.*a\.key' does not hold a lamp\n") as caught:
        _Lamp.load(path)
    assert caught.value.code == "secret"
    assert "'linkkit keys' wrote for a lamp" in caught.value.hint


def test_bytes_that_are_not_ascii_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    path.write_bytes(b"linkkit-lamp " + "é".encode() * 32)
    path.chmod(0o600)
    with pytest.raises(SecretError, match=r"the file '.*a\.key' does not hold a lamp") as caught:
        _Lamp.load(path)
    assert caught.value.__context__ is None


def test_a_short_key_in_a_file_is_refused(tmp_path: Path) -> None:
    path = write_key_text(tmp_path / "a.key", f"linkkit-lamp {MATERIAL.hex()[:32]}")
    with pytest.raises(
        SecretError, match="this is not a lamp: it has 32 bytes, and these are 16\n"
    ):
        _Lamp.load(path)


def test_an_all_zero_key_in_a_file_is_refused(tmp_path: Path) -> None:
    path = write_key_text(tmp_path / "a.key", f"linkkit-lamp {bytes(32).hex()}")
    with pytest.raises(SecretError, match="this is not a lamp: it is not random"):
        _Lamp.load(path)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match=r"there is no file of a lamp at '.*gone\.key'") as caught:
        _Lamp.load(tmp_path / "gone.key")
    assert caught.value.code == "secret"
    assert caught.value.__context__ is None


@pytest.mark.skipif(os.name != "posix", reason="folders have other modes there")
def test_a_folder_is_no_key_file(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o700)
    with pytest.raises(SecretError, match="but a folder, a pipe or a device"):
        _Lamp.load(folder)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = _Lamp(MATERIAL).save(tmp_path / "a.key")
    before = path.read_bytes()
    with pytest.raises(SecretError, match="exists, and a key is never overwritten") as caught:
        _Lamp.generate().save(path)
    assert caught.value.code == "secret"
    assert path.read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="symbolic links need rights there")
def test_a_key_is_not_written_through_a_dangling_link(tmp_path: Path) -> None:
    (tmp_path / "a.key").symlink_to(tmp_path / "elsewhere.key")
    with pytest.raises(SecretError, match="a key is never overwritten"):
        _Lamp(MATERIAL).save(tmp_path / "a.key")
    assert not (tmp_path / "elsewhere.key").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        SecretError,
        match=r"cannot be written \((FileExists|NotADirectory)Error\)|"
        "a key is never overwritten",
    ):
        _Lamp(MATERIAL).save(tmp_path / "file" / "a.key")


class _FullDisk:
    """A file on a disk that has no room left."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def __enter__(self) -> _FullDisk:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    def write(self, _: str) -> None:
        os.write(self._handle, b"linkkit-lamp 0708")
        raise OSError(28, "No space left on device")


def test_a_full_disk_leaves_no_half_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fdopen", lambda handle, *_, **__: _FullDisk(handle))
    path = tmp_path / "a.key"
    error: BaseException | None = None
    try:
        _Lamp(MATERIAL).save(path)
    except (LinkkitError, OSError) as caught:
        error = caught
    assert not path.exists()
    assert isinstance(error, SecretError)


@pytest.mark.parametrize(
    "use",
    [
        lambda path: read_key_text(path, described="a lamp"),
        lambda path: write_key_text(path, "text"),
    ],
    ids=["read", "write"],
)
def test_a_nul_byte_in_a_path_is_a_linkkit_error(use: Callable[[str], object]) -> None:
    with pytest.raises(SecretError, match=r"cannot be (read|written) \(ValueError\)") as caught:
        use("a\0b")
    assert caught.value.__context__ is None


@pytest.mark.parametrize("material", ["x" * 32, None, 5, [300] * 32], ids=repr)
def test_what_is_not_bytes_is_refused_by_its_type(material: object) -> None:
    said = f"^this is not a lamp: it is made of 32 bytes, not of {type(material).__name__}\n"
    with pytest.raises(SecretError, match=said):
        _Lamp(material)  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without pipes that have a name")
@pytest.mark.parametrize("kind", [_Lamp, Identity, Passphrase])
def test_a_pipe_is_refused_at_once(kind: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(SecretError, match="but a folder, a pipe or a device") as caught:
        kind.load(tmp_path / "pipe")
    assert caught.value.__context__ is None


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a folder cannot be opened")
def test_a_folder_is_refused_and_no_handle_stays_open(tmp_path: Path) -> None:
    before = os.dup(0)
    os.close(before)
    with pytest.raises(SecretError, match="but a folder, a pipe or a device"):
        _Lamp.load(tmp_path)
    after = os.dup(0)
    os.close(after)
    assert after == before
