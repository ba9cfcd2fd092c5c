"""Sealed tables in batches: the file of the whole, in memory that does not grow with it."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from linkkit.agreement import Agreement
from linkkit.errors import LinkkitError, MismatchError, NotAuthorizedError, SealError
from linkkit.exchange import Crosswalk, EncodedExtract, Identity, Manifest, PayloadExtract, tables
from linkkit.exchange.artifacts import token_array
from linkkit.exchange.chunks import ChunkWriter
from linkkit.exchange.container import CHUNK_BYTES, open_sealed, sealed_file, write_sealed
from linkkit.exchange.tables import open_table, save_table, table_writer

Identities = dict[str, Identity]


def _tokens(n: int, *, seed: int = 1) -> np.ndarray[Any, np.dtype[np.uint8]]:
    tokens = np.random.default_rng(seed).integers(0, 256, (n, 16), dtype=np.uint8)
    return tokens[np.lexsort(tokens.T[::-1])]


def _payload(agreement: Agreement, n: int) -> PayloadExtract:
    return PayloadExtract(
        party="district",
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        table=pa.table(
            {
                "token": token_array(_tokens(n)),
                "year": pa.array([2024] * n, pa.int32()),
                "race_ethnicity": pa.array([f"group {i % 7}" for i in range(n)], pa.string()),
            }
        ),
    )


def _crosswalk(agreement: Agreement, n: int) -> Crosswalk:
    return Crosswalk(
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        table=pa.table(
            {
                "party": ["district"] * n,
                "token": token_array(_tokens(n, seed=2)),
                "person_id": token_array(_tokens(n)),
            }
        ),
    )


def _portions(artifact: Any, sizes: list[int]) -> Iterator[Any]:
    start = 0
    for size in sizes:
        yield replace(artifact, table=artifact.table.slice(start, size))
        start += size


def _content(path: Path, reader: Identity, sender: Identity) -> bytes:
    _, content = open_sealed(path, recipient=reader, signer_of=lambda _: sender.public)
    with content:
        return content.read()


# --- Content as a stream ---------------------------------------------------------------------


@pytest.fixture
def manifest(agreement: Agreement) -> Manifest:
    return Manifest(
        kind="crosswalk",
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        sender="linkage_unit",
        n_rows=0,
    )


@pytest.mark.parametrize("n", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 300_000])
def test_how_content_is_written_and_read_makes_no_difference(
    n: int, tmp_path: Path, manifest: Manifest, identities: Identities
) -> None:
    content = np.random.default_rng(n).bytes(n)
    unit, steward = identities["linkage_unit"], identities["steward"]
    rng = np.random.default_rng(n)
    with sealed_file(
        tmp_path / "a", manifest=manifest, signer=unit, recipients=[steward.public]
    ) as file:
        assert file.writable()
        place = 0
        while place < n:
            size = int(rng.choice([0, 1, 100, CHUNK_BYTES, 3 * CHUNK_BYTES]))
            assert file.write(memoryview(content)[place : place + size]) == min(size, n - place)
            place += size
            assert file.tell() == min(place, n)
    _, opened = open_sealed(tmp_path / "a", recipient=steward, signer_of=lambda _: unit.public)
    with opened:
        assert opened.readable()
        assert opened.seekable()
        assert opened.seek(0, io.SEEK_END) == n
        assert opened.read(5) == b""
        for _ in range(30):
            at, size = int(rng.integers(0, n + 1)), int(rng.integers(0, 2 * CHUNK_BYTES))
            opened.seek(at)
            assert opened.read(size) == content[at : at + size]
            assert opened.tell() == min(at + size, n)
        opened.seek(0)
        buffer = bytearray(n + 7)
        assert opened.readinto(buffer) == n
        assert buffer[:n] == content
        opened.seek(0)
        assert opened.readall() == content
    assert opened.closed


def test_a_failed_stream_leaves_the_old_file(
    tmp_path: Path, manifest: Manifest, identities: Identities
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with (
        pytest.raises(KeyboardInterrupt),
        sealed_file(
            path,
            manifest=manifest,
            signer=identities["linkage_unit"],
            recipients=[identities["steward"].public],
        ) as file,
    ):
        file.write(bytes(200_000))
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("change", ["altered", "cut short"])
def test_a_file_that_changes_after_it_was_verified_gives_nothing(
    change: str, tmp_path: Path, manifest: Manifest, identities: Identities
) -> None:
    unit, steward = identities["linkage_unit"], identities["steward"]
    path = write_sealed(
        tmp_path / "a", bytes(300_000), manifest=manifest, signer=unit, recipients=[steward.public]
    )
    _, opened = open_sealed(path, recipient=steward, signer_of=lambda _: unit.public)
    with opened:
        assert opened.read(10) == bytes(10)
        with path.open("r+b") as file:
            if change == "altered":
                file.seek(-150_000, io.SEEK_END)
                file.write(b"x" * 1000)
            else:
                file.truncate(100_000)
        opened.seek(170_000)
        with pytest.raises(SealError, match="the file's content is damaged") as caught:
            opened.read(1)
        assert caught.value.__context__ is None


def test_an_empty_last_chunk_is_not_made_and_not_taken(
    tmp_path: Path, manifest: Manifest, identities: Identities, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit, steward = identities["linkage_unit"], identities["steward"]

    def with_empty_chunk(self: ChunkWriter) -> None:
        self._seal(last=False)
        self._seal(last=True)
        self.close()

    with monkeypatch.context() as patch:
        patch.setattr(ChunkWriter, "finish", with_empty_chunk)
        path = write_sealed(
            tmp_path / "a",
            bytes(CHUNK_BYTES),
            manifest=manifest,
            signer=unit,
            recipients=[steward.public],
        )
    with pytest.raises(SealError, match="the file's content is damaged"):
        open_sealed(path, recipient=steward, signer_of=lambda _: unit.public)


@pytest.mark.parametrize("way", ["read", "write"])
def test_a_traceback_that_shows_local_variables_shows_no_file_key(
    way: str,
    tmp_path: Path,
    manifest: Manifest,
    identities: Identities,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unit, steward = identities["linkage_unit"], identities["steward"]
    key = bytes(range(100, 132))
    monkeypatch.setattr(os, "urandom", lambda n: key[:n])

    def write() -> Path:
        return write_sealed(
            tmp_path / "a",
            b"MARKER" * 30_000,
            manifest=manifest,
            signer=unit,
            recipients=[steward.public],
        )

    def run() -> None:
        if way == "write":
            monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("full")))
            write()
        data = bytearray(write().read_bytes())
        data[-70] ^= 1
        signed = unit.sign_key.sign(hashlib.sha256(data[:-64]).digest())
        (tmp_path / "a").write_bytes(bytes(data[:-64]) + signed)
        open_sealed(tmp_path / "a", recipient=steward, signer_of=lambda _: unit.public)

    with pytest.raises(LinkkitError, match=r"damaged|cannot be written") as caught:
        run()
    shown = traceback.TracebackException(
        type(caught.value), caught.value, caught.value.__traceback__, capture_locals=True
    )
    frames = [frame for frame in shown.stack if "linkkit" in frame.filename and frame.locals]
    assert frames
    for frame in frames:
        if "/tests/" in frame.filename:
            continue
        text = str(frame.locals)
        assert repr(key)[2:-1] not in text
        assert key.hex() not in text


# --- Tables ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[10], [0, 3, 7], [1] * 10, [4, 0, 0, 6, 0]])
def test_batches_make_the_file_of_the_whole(
    sizes: list[int],
    tmp_path: Path,
    agreement: Agreement,
    identities: Identities,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tables, "ROW_GROUP_ROWS", 4)
    for artifact, sender in (
        (_payload(agreement, 10), "district"),
        (_crosswalk(agreement, 10), "linkage_unit"),
    ):
        options: dict[str, Any] = {"agreement": agreement, "identity": identities[sender]}
        whole = artifact.save(tmp_path / "whole", **options)
        kind = type(artifact)
        parts = kind.save_batches(
            tmp_path / "parts", _portions(artifact, sizes), n_rows=10, **options
        )
        contents = [_content(p, identities["steward"], identities[sender]) for p in (whole, parts)]
        assert contents[0] == contents[1]
        assert pq.ParquetFile(io.BytesIO(contents[0])).num_row_groups == 3
        reading: dict[str, Any] = {"agreement": agreement, "identity": identities["steward"]}
        got = list(kind.load_batches(parts, **reading))
        assert [len(batch) for batch in got] == [4, 4, 2]
        assert pa.concat_tables([b.table for b in got]).equals(artifact.table)
        assert kind.load(parts, **reading).table.equals(artifact.table)


def test_encodings_in_batches(  # noqa: PLR0917
    tmp_path: Path,
    identities: Identities,
    plain_agreement: Callable[..., Agreement],
    made_people: Callable[..., Any],
    encode_plainly: Callable[..., EncodedExtract],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tables, "ROW_GROUP_ROWS", 16)
    agreement = plain_agreement(("district", "jobs"), clean=())
    extract = encode_plainly(made_people(50, seed=3), agreement, "district")
    table, manifest = extract.to_table(), extract.to_manifest(50)
    batches = [EncodedExtract.from_table(table.slice(i, 9), manifest) for i in range(0, 50, 9)]
    own: dict[str, Any] = {"agreement": agreement, "identity": identities["district"]}
    path = EncodedExtract.save_batches(tmp_path / "a", batches, n_rows=50, **own)
    whole = extract.save(tmp_path / "b", **own)
    unit = identities["linkage_unit"]
    assert _content(path, unit, identities["district"]) == _content(
        whole, unit, identities["district"]
    )
    got = list(EncodedExtract.load_batches(path, agreement=agreement, identity=unit))
    assert [len(batch) for batch in got] == [16, 16, 16, 2]
    assert pa.concat_tables([batch.to_arrow() for batch in got]).equals(table)
    assert {batch.key_check for batch in got} == {extract.key_check}


def test_no_rows_at_all(tmp_path: Path, agreement: Agreement, identities: Identities) -> None:
    empty = _payload(agreement, 0)
    options: dict[str, Any] = {"agreement": agreement, "identity": identities["district"]}
    path = PayloadExtract.save_batches(tmp_path / "a", [empty], n_rows=0, **options)
    reading: dict[str, Any] = {"agreement": agreement, "identity": identities["steward"]}
    assert list(PayloadExtract.load_batches(path, **reading)) == []
    assert len(PayloadExtract.load(path, **reading)) == 0
    with pytest.raises(SealError, match="there is no batch to write"):
        PayloadExtract.save_batches(tmp_path / "b", [], n_rows=0, **options)


def test_batches_out_of_order_or_number_are_not_written(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    payload = _payload(agreement, 10)
    one, other = _portions(payload, [5, 5])
    swapped = replace(payload, table=payload.table.take(pa.array([1, 0])))
    options: dict[str, Any] = {"agreement": agreement, "identity": identities["district"]}
    for batches, n_rows, said in (
        ([other, one], 10, "not in the order"),
        ([swapped], 2, "not in the order"),
        ([one, other], 9, "the manifest states 9 rows, and 10 were written"),
        ([one], 10, "the manifest states 10 rows, and 5 were written"),
    ):
        with pytest.raises(SealError, match=said):
            PayloadExtract.save_batches(tmp_path / "a", batches, n_rows=n_rows, **options)
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(MismatchError, match="the batches are of different extracts"):
        PayloadExtract.save_batches(
            tmp_path / "a", [one, replace(other, counts={"x": 1})], n_rows=10, **options
        )
    not_agreed = replace(other, table=other.table.append_column("gpa", pa.array([1.0] * 5)))
    with pytest.raises(NotAuthorizedError):
        PayloadExtract.save_batches(tmp_path / "a", [one, not_agreed], n_rows=10, **options)
    assert list(tmp_path.iterdir()) == []


def test_rows_out_of_order_are_refused_batch_by_batch(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    payload = _payload(agreement, 10)
    backward = replace(payload, table=payload.table.take(pa.array(range(9, -1, -1))))
    path = backward.save(tmp_path / "a", agreement=agreement, identity=identities["district"])
    with pytest.raises(SealError, match="the rows of 'district' are not in the order"):
        list(PayloadExtract.load_batches(path, agreement=agreement, identity=identities["steward"]))


def test_a_token_twice_is_noticed_between_batches(
    tmp_path: Path, agreement: Agreement, identities: Identities, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "ROW_GROUP_ROWS", 2)
    crosswalk = _crosswalk(agreement, 4)
    twice = crosswalk.table.take(pa.array([0, 1, 1, 2]))
    manifest = crosswalk.to_manifest(4)
    unit = identities["linkage_unit"]
    save_table(tmp_path / "a", twice, manifest, agreement, unit, recipient="steward")
    with pytest.raises(SealError, match="not in the order"):
        list(
            Crosswalk.load_batches(
                tmp_path / "a", agreement=agreement, identity=identities["steward"]
            )
        )


def test_row_groups_of_any_size_are_no_way_to_fill_the_memory(
    tmp_path: Path, agreement: Agreement, identities: Identities, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = _payload(agreement, 10)
    path = payload.save(tmp_path / "a", agreement=agreement, identity=identities["district"])
    monkeypatch.setattr(tables, "_MOST_ROWS_IN_GROUP", 9)
    with pytest.raises(SealError, match="does not hold the 10 rows it states"):
        list(PayloadExtract.load_batches(path, agreement=agreement, identity=identities["steward"]))


def test_a_table_is_read_as_far_as_it_is_asked_for(
    tmp_path: Path, agreement: Agreement, identities: Identities
) -> None:
    payload = _payload(agreement, 10)
    manifest = payload.to_manifest(10)
    schema = payload.table.schema
    with table_writer(
        tmp_path / "a", schema, manifest, agreement, identities["district"], recipient="steward"
    ) as writer:
        for start in range(10):
            writer.write(payload.table.slice(start, 1))
    with open_table(tmp_path / "a", "payload-extract", agreement, identities["steward"]) as sealed:
        assert repr(sealed) == "<SealedTable of 'district': 10 rows>"
        assert sealed.schema.names == schema.names
        assert sealed.read().equals(payload.table)


_GROWTH = """
    import resource, sys
    import numpy as np, pyarrow as pa
    sys.path.insert(0, {tests!r})
    import conftest
    from linkkit.agreement import Agreement
    from linkkit.exchange.artifacts import token_array
    from linkkit.exchange.manifest import Manifest
    from linkkit.exchange.tables import open_table, table_writer

    n_parts = int(sys.argv[1])
    agreement = Agreement.from_document(conftest._document())
    rows = 20_000
    manifest = Manifest(kind="crosswalk", agreement_id=agreement.id, sender="linkage_unit",
                        agreement_fingerprint=agreement.fingerprint, n_rows=n_parts * rows)
    schema = pa.schema([("a", pa.binary(256))])
    rng = np.random.default_rng(0)
    ids = conftest._identity
    with table_writer({path!r}, schema, manifest, agreement, ids("linkage_unit"),
                      recipient="steward") as writer:
        for _ in range(n_parts):
            content = pa.py_buffer(rng.bytes(256 * rows))
            column = pa.FixedSizeBinaryArray.from_buffers(pa.binary(256), rows, [None, content])
            writer.write(pa.table({{"a": column}}))
    with open_table({path!r}, "crosswalk", agreement, ids("steward")) as sealed:
        assert sum(map(len, sealed.batches())) == n_parts * rows
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1))
"""


@pytest.mark.skipif(os.name != "posix", reason="the peak memory is asked of a POSIX system")
def test_the_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    tests = str(Path(__file__).parents[1])
    program = textwrap.dedent(_GROWTH.format(tests=tests, path=str(tmp_path / "a")))

    def peak_kib(n_parts: int) -> int:
        command = [sys.executable, "-c", program, str(n_parts)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return int(done.stdout)

    # 50 MB and 250 MB of rows.
    assert peak_kib(50) - peak_kib(10) < 60 * 1024
