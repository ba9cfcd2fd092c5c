"""An older delivery never takes the place of a newer one that was accepted."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import stat
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from linkkit.agreement import Agreement
from linkkit.errors import LinkkitError, ReplayError, SealError
from linkkit.exchange import Crosswalk, Identity, Manifest, PayloadExtract
from linkkit.exchange.artifacts import token_array
from linkkit.exchange.deliveries import Deliveries

Identities = dict[str, Identity]
DIGESTS = ["a" * 64, "b" * 64]
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def _manifest(at: dt.datetime | None = NOON, **claims: Any) -> Manifest:
    return Manifest(
        **{
            "kind": "payload-extract",
            "agreement_id": "a-2026",
            "agreement_fingerprint": "0" * 64,
            "sender": "district",
            "party": "district",
            "n_rows": 1,
            "sealed_at": at,
            **claims,
        }
    )


def _payload(agreement: Agreement, party: str = "district") -> PayloadExtract:
    tokens = np.arange(32, dtype=np.uint8).reshape(2, 16)
    return PayloadExtract(
        party=party,
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        table=pa.table({"token": token_array(tokens), "year": pa.array([2024] * 2, pa.int32())}),
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Deliveries:
    return Deliveries(tmp_path / "steward" / "own.deliveries")


# --- The ledger ------------------------------------------------------------------------------


def test_newer_deliveries_and_the_same_one_again_are_accepted(ledger: Deliveries) -> None:
    for minutes, digest in ((0, DIGESTS[0]), (0, DIGESTS[0]), (1, DIGESTS[1]), (1, DIGESTS[1])):
        manifest = _manifest(NOON + dt.timedelta(minutes=minutes))
        ledger.check(manifest, digest)
        ledger.accept(manifest, digest)
    with pytest.raises(ReplayError, match="a newer one"):
        ledger.check(_manifest(NOON), DIGESTS[0])


@pytest.mark.parametrize("step", ["check", "accept"])
def test_an_older_delivery_is_refused(step: str, ledger: Deliveries) -> None:
    ledger.accept(_manifest(), DIGESTS[0])
    with pytest.raises(ReplayError) as caught:
        getattr(ledger, step)(_manifest(NOON - dt.timedelta(microseconds=1)), DIGESTS[1])
    assert caught.value.problems == (
        "the payload-extract of 'district' was sealed at 2026-03-01T11:59:59.999999+00:00, and a "
        "newer one, of 2026-03-01T12:00:00.000000+00:00, was accepted already",
    )
    assert "Use the newest delivery, or ask the sender to seal it again" in caught.value.hint
    assert caught.value.__context__ is None


def test_another_delivery_of_the_same_time_is_refused(ledger: Deliveries) -> None:
    ledger.accept(_manifest(), DIGESTS[0])
    with pytest.raises(ReplayError, match="is another than the one of the same time"):
        ledger.accept(_manifest(), DIGESTS[1])


def test_times_are_compared_and_not_their_spelling(ledger: Deliveries) -> None:
    east = dt.timezone(dt.timedelta(hours=9))
    ledger.accept(_manifest(NOON.astimezone(east)), DIGESTS[0])
    ledger.accept(_manifest(NOON), DIGESTS[0])
    with pytest.raises(ReplayError, match="a newer one"):
        ledger.accept(_manifest((NOON - dt.timedelta(hours=1)).astimezone(east)), DIGESTS[1])


def test_a_delivery_without_a_time_is_refused(ledger: Deliveries) -> None:
    with pytest.raises(ReplayError, match="does not say when it was sealed"):
        ledger.check(_manifest(None), DIGESTS[0])


def test_a_time_to_come_does_not_shut_out_what_follows(ledger: Deliveries) -> None:
    ahead = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)
    with pytest.raises(ReplayError, match="still to come: a clock is wrong"):
        ledger.accept(_manifest(ahead), DIGESTS[0])
    ledger.accept(_manifest(dt.datetime.now(dt.UTC)), DIGESTS[1])


@pytest.mark.parametrize(
    "claims", [{"agreement_id": "b-2026"}, {"sender": "jobs"}, {"kind": "encoded-extract"}]
)
def test_agreements_senders_and_kinds_are_apart(claims: dict[str, Any], ledger: Deliveries) -> None:
    ledger.accept(_manifest(), DIGESTS[0])
    ledger.accept(_manifest(NOON - dt.timedelta(days=1), **claims), DIGESTS[1])
    with pytest.raises(ReplayError, match="a newer one"):
        ledger.check(_manifest(NOON - dt.timedelta(days=2), **claims), DIGESTS[1])


def test_of_many_at_once_the_newest_stays(ledger: Deliveries) -> None:
    order = np.random.default_rng(3).permutation(40)
    refused: list[int] = []

    def accept(minutes: int) -> None:
        try:
            ledger.accept(_manifest(NOON + dt.timedelta(minutes=minutes)), f"{minutes:064d}")
        except ReplayError:
            refused.append(minutes)

    threads = [threading.Thread(target=accept, args=(int(minutes),)) for minutes in order]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 39 not in refused
    with pytest.raises(ReplayError):
        ledger.check(_manifest(NOON + dt.timedelta(minutes=38)), f"{38:064d}")
    ledger.check(_manifest(NOON + dt.timedelta(minutes=39)), f"{39:064d}")


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_the_ledger_is_for_its_owner(ledger: Deliveries) -> None:
    ledger.accept(_manifest(), DIGESTS[0])
    assert stat.S_IMODE(ledger.path.stat().st_mode) == 0o600


def test_what_is_no_ledger_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("not a ledger, but somebody's notes " * 50, encoding="utf-8")
    before = path.read_bytes()
    for step in (Deliveries(path).check, Deliveries(path).accept):
        with pytest.raises(SealError, match="the ledger of deliveries .* cannot be used") as caught:
            step(_manifest(), DIGESTS[0])
        assert caught.value.__context__ is None
    assert path.read_bytes() == before
    other = tmp_path / "database"
    connection = sqlite3.connect(other)
    with connection:
        connection.execute("CREATE TABLE mine (a TEXT)")
    connection.close()
    with pytest.raises(SealError, match="cannot be used"):
        Deliveries(other).accept(_manifest(), DIGESTS[0])


# --- Files -----------------------------------------------------------------------------------


def test_a_replayed_file_is_refused_where_a_ledger_is_kept(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    sent = _payload(agreement)
    files = [
        sent.save(tmp_path / name, agreement=agreement, identity=identities["district"])
        for name in ("first", "second")
    ]
    options: dict[str, Any] = {
        "agreement": agreement,
        "identity": identities["steward"],
        "deliveries": tmp_path / "ledger",
    }
    for path in (files[0], files[0], files[1], files[1]):
        assert len(PayloadExtract.load(path, **options)) == 2
    for opening in (
        PayloadExtract.load,
        lambda *a, **k: list(PayloadExtract.load_batches(*a, **k)),
    ):
        with pytest.raises(ReplayError, match="a newer one, of .* was accepted already") as caught:
            opening(files[0], **options)
        assert caught.value.exit_status == 22
    assert len(PayloadExtract.load(files[0], **{**options, "deliveries": None})) == 2
    # What another party sent earlier is none of this.
    other = replace(sent, party="summer")
    path = other.save(tmp_path / "o", agreement=agreement, identity=identities["summer"])
    assert len(PayloadExtract.load(path, **options)) == 2


def test_a_file_that_is_refused_is_not_noted(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    sent = _payload(agreement)
    old = sent.save(tmp_path / "old", agreement=agreement, identity=identities["district"])
    new = sent.save(tmp_path / "new", agreement=agreement, identity=identities["district"])
    data = bytearray(new.read_bytes())
    data[-80] ^= 1
    new.write_bytes(bytes(data))
    options: dict[str, Any] = {"agreement": agreement, "deliveries": tmp_path / "ledger"}
    steward = identities["steward"]
    for opening in (
        lambda: PayloadExtract.load(new, identity=steward, **options),
        lambda: PayloadExtract.load(old, identity=identities["jobs"], **options),
        lambda: Crosswalk.load(old, identity=steward, **options),
    ):
        with pytest.raises(LinkkitError, match=r"altered|somebody else|not a crosswalk"):
            opening()
    assert not (tmp_path / "ledger").exists()
    assert len(PayloadExtract.load(old, identity=steward, **options)) == 2


def test_batches_that_are_not_read_to_the_end_are_not_accepted(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    sent = _payload(agreement)
    path = sent.save(tmp_path / "a", agreement=agreement, identity=identities["district"])
    options: dict[str, Any] = {
        "agreement": agreement,
        "identity": identities["steward"],
        "deliveries": tmp_path / "ledger",
    }
    batches = PayloadExtract.load_batches(path, **options)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert not (tmp_path / "ledger").exists()
    list(PayloadExtract.load_batches(path, **options))
    assert (tmp_path / "ledger").exists()
