"""No step by which partners share a secret shows it: repr, error, traceback, pickle or argv."""

from __future__ import annotations

import copy
import getpass
import os
import pickle
import sys
import traceback
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from linkkit.agreement import Agreement
from linkkit.cli import commands
from linkkit.errors import LinkkitError, SecretError
from linkkit.exchange import Identity
from linkkit.exchange.opaque import write_key_text
from linkkit.partner.keys import (
    Contribution,
    Passphrase,
    Secret,
    combine_contributions,
    commit_contribution,
    deliver_secret,
    derive_key,
    receive_secret,
    reveal_contribution,
)
from linkkit.partner.keys.bundle import seal_bundle

MATERIAL = bytes((i * 73 + 41) % 256 for i in range(32))
WORDS = "ladle umbrella nectar frozen tapir quilt"
PARTIES = ("district", "summer", "jobs")


def _traces(material: bytes) -> Iterator[str]:
    for start in (0, 12, 24):
        part = material[start : start + 8]
        yield from (part.hex(), repr(part)[2:-1], str(list(part))[1:-1])


def _assert_silent(error: BaseException, *materials: bytes) -> None:
    """Search an error, its chain and its traceback, local variables included."""
    assert error.__cause__ is None
    assert error.__context__ is None
    below = error.__traceback__.tb_next  # type: ignore[union-attr]  # not this test's own frame
    while below is not None and "/tests/" in below.tb_frame.f_code.co_filename:
        below = below.tb_next
    shown = "".join(
        traceback.TracebackException(type(error), error, below, capture_locals=True).format()
    )
    shown += repr((error, error.args, vars(error)))
    for material in (MATERIAL, *materials):
        assert not any(trace in shown for trace in _traces(material))
    assert not any(word in shown for word in WORDS.split())


def _refused(use: Callable[[], object], *materials: bytes) -> None:
    with pytest.raises(LinkkitError, match="What to do: ") as caught:
        use()
    _assert_silent(caught.value, *materials)


@pytest.fixture
def files(tmp_path: Path, agreement: Agreement, identities: dict[str, Identity]) -> dict[str, Path]:
    """Commitments and reveals of three parties; the district's contribution is the material."""
    made = {}
    for party in PARTIES:
        mine = Contribution(MATERIAL if party == "district" else os.urandom(32))
        who: dict[str, Any] = {
            "agreement": agreement,
            "party": party,
            "identity": identities[party],
        }
        made[party] = (mine, who, commit_contribution(mine, tmp_path / f"{party}.c", **who))
    commitments = [path for _, _, path in made.values()]
    found = {path.name: path for path in commitments}
    for party, (mine, who, _) in made.items():
        path = reveal_contribution(mine, commitments, tmp_path / f"{party}.r", **who)
        found[path.name] = path
    return found


def test_every_refused_way_to_a_secret_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINKKIT_SECRET", MATERIAL.hex()[:-1])
    _refused(Secret.from_environment)
    monkeypatch.setenv("LINKKIT_SECRET", MATERIAL.hex()[:-2])
    _refused(Secret.from_environment)
    taken = tmp_path / "taken.key"
    taken.write_text("taken")
    _refused(lambda: Secret(MATERIAL).save(taken))
    backwards = types.SimpleNamespace(unwrap=lambda wrapped: wrapped[::-1])
    _refused(lambda: Secret.from_kms(backwards, MATERIAL[:0:-1]))
    monkeypatch.setitem(sys.modules, "keyring", None)
    _refused(lambda: Secret(MATERIAL).save_to_keyring("a"))
    ring = types.SimpleNamespace(
        get_keyring=dict, get_password=lambda *_: MATERIAL.hex(), set_password=print
    )
    monkeypatch.setitem(sys.modules, "keyring", ring)
    _refused(lambda: Secret(MATERIAL).save_to_keyring("a"))
    _refused(lambda: Secret.from_keyring("a"))


def test_every_refused_passphrase_is_silent(
    tmp_path: Path, agreement: Agreement, monkeypatch: pytest.MonkeyPatch
) -> None:
    weak = " ".join(WORDS.split()[:4])
    _refused(lambda: Passphrase(weak))
    _refused(lambda: Passphrase(weak[:12]))
    _refused(lambda: Passphrase(weak.encode()))  # type: ignore[arg-type]
    _refused(lambda: Passphrase.load(write_key_text(tmp_path / "weak", weak)))
    two = write_key_text(tmp_path / "two", f"{WORDS}\n{WORDS}\n")
    _refused(lambda: Passphrase.load(two))
    two.chmod(0o644)
    _refused(lambda: Passphrase.load(two))
    leaning = f"{weak} Alder Bend Youth"
    _refused(lambda: Secret.from_passphrase(Passphrase(leaning), agreement=agreement))
    _refused(lambda: Secret.from_passphrase(WORDS, agreement=agreement))  # type: ignore[arg-type]
    answers = iter([WORDS, f"{WORDS} more"])
    monkeypatch.setattr(getpass, "getpass", lambda _: next(answers))
    _refused(Passphrase.prompt)


def test_a_passphrase_is_opaque() -> None:
    passphrase = Passphrase(WORDS)
    assert repr(passphrase) == str(passphrase) == f"{passphrase}" == "<Passphrase: not shown>"
    assert copy.copy(passphrase) is copy.deepcopy(passphrase) is passphrase
    for use in (pickle.dumps, Passphrase.__getstate__):
        with pytest.raises(SecretError, match="a passphrase cannot be pickled") as caught:
            use(passphrase)
        _assert_silent(caught.value)
    with pytest.raises(TypeError, match="unhashable"):
        hash(passphrase)
    with pytest.raises(TypeError, match=r"vars\(\)"):
        vars(passphrase)


def test_a_refused_delivery_is_silent(
    tmp_path: Path,
    agreement: Agreement,
    identities: dict[str, Identity],
) -> None:
    secret = Secret(MATERIAL)
    who: dict[str, Any] = {"agreement": agreement, "party": "district"}
    own = identities["district"]
    full = tmp_path / "folder"
    full.mkdir()
    for path, changes in (
        (tmp_path / "a", {"to": ["linkage_unit"]}),
        (tmp_path / "a", {"to": ["nobody"]}),
        (tmp_path / "a", {"party": "summer"}),
        (full, {}),
        (Path(f"{tmp_path}/a\0b"), {}),
    ):
        options = {**who, "identity": own, **changes}
        _refused(lambda path=path, options=options: deliver_secret(secret, path, **options))
    path = deliver_secret(secret, tmp_path / "d", identity=own, to=["summer"], **who)
    assert MATERIAL[:6] not in path.read_bytes()
    _refused(lambda: receive_secret(path, agreement=agreement, identity=identities["jobs"]))
    for content, check in ((MATERIAL, "0" * 32), (MATERIAL[1:], None)):
        lie = seal_bundle(
            tmp_path / "lie", content, kind="secret-delivery", identity=own, key_check=check, **who
        )
        _refused(lambda: receive_secret(lie, agreement=agreement, identity=identities["jobs"]))  # noqa: B023


def test_refused_contributions_are_silent(
    files: dict[str, Path], agreement: Agreement, identities: dict[str, Identity], tmp_path: Path
) -> None:
    labels = (agreement.id, "epoch 1", "district")
    share = derive_key(Contribution(MATERIAL), "contribution-share", *labels)
    nonce = derive_key(Contribution(MATERIAL), "contribution-nonce", *labels)
    assert not any(share[:6] in path.read_bytes() for path in files.values())

    def combine(*names: str) -> Secret:
        chosen = [files[name] for name in names]
        return combine_contributions(chosen, agreement=agreement, identity=identities["jobs"])

    commitments = ("district.c", "summer.c", "jobs.c")
    _refused(lambda: combine(*commitments, "district.r", "summer.r"), share, nonce)
    _refused(lambda: combine(*commitments, "district.r", "district.r", "jobs.r"), share, nonce)
    files["lie"] = seal_bundle(
        tmp_path / "lie",
        bytes(96),
        kind="secret-reveal",
        agreement=agreement,
        party="summer",
        identity=identities["summer"],
    )
    _refused(lambda: combine(*commitments, "district.r", "lie", "jobs.r"), share, nonce)
    secret = combine(*commitments, "district.r", "summer.r", "jobs.r")
    assert secret.reveal() not in (share, nonce)
    mine = Contribution(MATERIAL)
    who: dict[str, Any] = {"agreement": agreement, "identity": identities["district"]}
    for party, seen in (("district", []), ("summer", [files[name] for name in commitments])):
        _refused(
            lambda party=party, seen=seen: reveal_contribution(
                mine, seen, tmp_path / "x", party=party, **who
            ),
            share,
            nonce,
        )


# --- The command line ------------------------------------------------------------------------

_WORDS_OF_KEYS = ("secret", "key", "passphrase", "password", "contribution", "identity")


def _all_commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{path} {name}".strip(), command
        if isinstance(command, click.Group):
            yield from _all_commands(command, f"{path} {name}".strip())


@pytest.mark.parametrize(("name", "command"), [*_all_commands(commands)], ids=str)
def test_no_command_takes_a_key_other_than_by_its_file(name: str, command: click.Command) -> None:
    for parameter in command.params:
        words = " ".join([parameter.name or "", *parameter.opts]).replace("_", "-")
        words = words.replace("keyring", "")  # the name of an entry, and no key
        if any(word in words for word in _WORDS_OF_KEYS):
            assert isinstance(parameter.type, click.Path), (name, parameter.name)
