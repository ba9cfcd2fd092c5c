"""Nobody changes a sealed file unnoticed: every change is refused, whole, with a linkkit error.

Two attackers are played. An outsider has files and no key: it flips, cuts, moves and splices.
A dishonest sender signs again after the change, so that the signature holds and the inner
layers have to notice by themselves.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives import hpke
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.agreement import Agreement
from linkkit.errors import LinkkitError, MismatchError, NotAuthorizedError, SealError
from linkkit.exchange import Crosswalk, Identity, Manifest, PayloadExtract
from linkkit.exchange.artifacts import token_array
from linkkit.exchange.container import open_sealed, read_manifest, write_sealed

MAGIC = b"linkkit sealed file 1\n"
SEALED_CHUNK = 64 * 1024 + 16
SIGNATURE = 64
MARKER = "MARKER-OF-A-PERSON-7731"
MAY_SAY = {"seal", "mismatch", "not_authorized"}
SEED = 20_260_115


@dataclass(frozen=True)
class Scene:
    """Everybody, a folder, and two files that the steward can open."""

    folder: Path
    agreement: Agreement
    identities: dict[str, Identity]
    small: bytes
    large: bytes
    large_too: bytes
    content: bytes

    @property
    def tampered(self) -> Path:
        return self.folder / "tampered"

    def load_small(self) -> PayloadExtract:
        """Open the tampered file as a steward does with a payload extract."""
        return PayloadExtract.load(
            self.tampered, agreement=self.agreement, identity=self.identities["steward"]
        )

    def open_large(self) -> bytes:
        """Open the tampered file below the artifacts, where content may be anything."""
        _, content = open_sealed(
            self.tampered,
            recipient=self.identities["steward"],
            signer_of=lambda _: self.identities["district"].public,
        )
        return content.read()

    def refused(self, data: bytes, opening: Callable[[], object]) -> LinkkitError:
        """Assert that `data` is refused, that nothing leaks, and that nothing is left behind."""
        self.tampered.write_bytes(data)
        with pytest.raises(LinkkitError) as caught:
            opening()
        assert caught.value.code in MAY_SAY, caught.value
        assert caught.value.hint
        assert MARKER not in "".join(traceback.format_exception(caught.value))
        assert self.tampered.read_bytes() == data
        assert [p.name for p in self.folder.iterdir()] == ["tampered"]
        return caught.value


def _manifest(agreement: Agreement, **claims: Any) -> Manifest:
    return Manifest(
        **{
            "kind": "payload-extract",
            "agreement_id": agreement.id,
            "agreement_fingerprint": agreement.fingerprint,
            "sender": "district",
            "party": "district",
            "n_rows": 2,
            **claims,
        }
    )


def _payload(agreement: Agreement) -> PayloadExtract:
    tokens = np.arange(32, dtype=np.uint8).reshape(2, 16)
    return PayloadExtract(
        party="district",
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        table=pa.table(
            {
                "token": token_array(tokens),
                "year": pa.array([2024, None], pa.int32()),
                "race_ethnicity": [MARKER, "B"],
            }
        ),
    )


@pytest.fixture(scope="module")
def scene(
    agreement: Agreement,
    identities: dict[str, Identity],
    tmp_path_factory: pytest.TempPathFactory,
) -> Scene:
    made = tmp_path_factory.mktemp("made")
    district, steward = identities["district"], identities["steward"]
    small = _payload(agreement).save(made / "small", agreement=agreement, identity=district)
    content = random.Random(SEED).randbytes(3 * 64 * 1024 + 1000)
    large = [
        write_sealed(
            made / name,
            content,
            manifest=_manifest(agreement),
            signer=district,
            recipients=[steward.public],
        ).read_bytes()
        for name in ("large", "large-too")
    ]
    return Scene(
        folder=tmp_path_factory.mktemp("tampering"),
        agreement=agreement,
        identities=identities,
        small=small.read_bytes(),
        large=large[0],
        large_too=large[1],
        content=content,
    )


def _split(data: bytes) -> tuple[bytes, list[bytes]]:
    """Split a sealed file into its beginning with the header, and its chunks; no signature."""
    n_header = int.from_bytes(data[len(MAGIC) : len(MAGIC) + 4], "big")
    start = len(MAGIC) + 4 + n_header
    body = data[start:-SIGNATURE]
    return data[:start], [
        body[i : i + SEALED_CHUNK] for i in range(0, max(1, len(body)), SEALED_CHUNK)
    ]


def _signed(data: bytes, signer: Identity) -> bytes:
    return data + signer.sign_key.sign(hashlib.sha256(data).digest())


def _framed(header: bytes) -> bytes:
    return MAGIC + len(header).to_bytes(4, "big") + header


def _header(manifest: str, keys: list[str]) -> bytes:
    return json.dumps({"keys": keys, "manifest": manifest}).encode()


# --- The files are good before they are touched ----------------------------------------------


def test_untouched_files_open(scene: Scene) -> None:
    scene.tampered.write_bytes(scene.small)
    assert scene.load_small().table.column("race_ethnicity").to_pylist() == [MARKER, "B"]
    for data in (scene.large, scene.large_too):
        scene.tampered.write_bytes(data)
        assert scene.open_large() == scene.content


def test_taking_a_file_apart_and_signing_it_again_is_faithful(scene: Scene) -> None:
    start, chunks = _split(scene.large)
    assert len(chunks) == 4
    again = _signed(start + b"".join(chunks), scene.identities["district"])
    assert again == scene.large


@pytest.mark.parametrize("n", [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000])
def test_content_of_any_length_comes_back(n: int, scene: Scene, tmp_path: Path) -> None:
    content = random.Random(n).randbytes(n)
    path = write_sealed(
        tmp_path / "a",
        content,
        manifest=_manifest(scene.agreement),
        signer=scene.identities["district"],
        recipients=[scene.identities["steward"].public, scene.identities["district"].public],
    )
    for reader in ("steward", "district"):
        _, opened = open_sealed(
            path,
            recipient=scene.identities[reader],
            signer_of=lambda _: scene.identities["district"].public,
        )
        assert opened.read() == content


# --- An outsider -----------------------------------------------------------------------------


def test_every_byte_of_a_file_counts(scene: Scene) -> None:
    rng = random.Random(SEED)
    for place in range(len(scene.small)):
        data = bytearray(scene.small)
        data[place] ^= 1 << rng.randrange(8)
        scene.refused(bytes(data), scene.load_small)


def test_a_file_cut_short_anywhere_is_refused(scene: Scene) -> None:
    for length in range(len(scene.small)):
        scene.refused(scene.small[:length], scene.load_small)


def test_a_large_file_cut_at_or_beside_a_chunk_is_refused(scene: Scene) -> None:
    start, chunks = _split(scene.large)
    for n_chunks in range(len(chunks) + 1):
        end = len(start) + sum(map(len, chunks[:n_chunks]))
        for length in (end - 1, end, end + 1, end + SIGNATURE):
            if length < len(scene.large):
                scene.refused(scene.large[:length], scene.open_large)


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_any_flip_behind_the_header_is_noticed_by_the_signature(
    scene: Scene, share: float, flip: int
) -> None:
    start, _ = _split(scene.large)
    changed = bytearray(scene.large)
    changed[len(start) + int(share * (len(changed) - len(start)))] ^= flip
    error = scene.refused(bytes(changed), scene.open_large)
    assert error.code == "seal"
    assert "altered, cut short, or not signed" in str(error)


def test_any_flip_in_a_header_is_noticed_by_parser_or_signature(scene: Scene) -> None:
    start, _ = _split(scene.large)
    rng = random.Random(SEED)
    for place in range(len(start)):
        changed = bytearray(scene.large)
        changed[place] ^= 1 << rng.randrange(8)
        error = scene.refused(bytes(changed), scene.open_large)
        assert error.code == "seal"
        assert str(error).startswith(
            (
                "the file is not a sealed file of linkkit, or its beginning is damaged\n",
                "the file's header is damaged\n",
                "the file's manifest is damaged",
                "the file is cut short\n",
                "the file was altered, cut short, or not signed",
            )
        )


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_bytes_put_in_taken_out_or_moved_are_refused(scene: Scene, data: st.DataObject) -> None:
    original = scene.small
    places = st.integers(0, len(original))
    one, other = sorted((data.draw(places), data.draw(places)))
    extra = data.draw(st.binary(min_size=1, max_size=80))
    for changed in (
        original[:one] + extra + original[one:],
        original[:one] + original[other:],
        original[one:] + original[:one],
        original[:one] + original[one:other] * 2 + original[other:],
    ):
        if changed != original:
            scene.refused(changed, scene.load_small)


@settings(max_examples=100, deadline=None)
@given(noise=st.binary(max_size=400), known=st.sampled_from([b"", MAGIC, MAGIC + b"\0\0\0\2{}"]))
def test_noise_is_no_sealed_file(scene: Scene, noise: bytes, known: bytes) -> None:
    scene.refused(known + noise, scene.load_small)
    scene.refused(known + noise, lambda: read_manifest(scene.tampered))


@settings(max_examples=100, deadline=None)
@given(
    header=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["manifest", "keys", "x"]), inner, max_size=3)
        ),
        max_leaves=6,
    )
)
def test_any_json_for_a_header_is_refused(scene: Scene, header: object) -> None:
    data = _framed(json.dumps(header).encode())
    scene.refused(data + bytes(SIGNATURE + 80), scene.load_small)
    scene.refused(_signed(data + bytes(80), scene.identities["district"]), scene.open_large)


@pytest.mark.parametrize("length", [0, 1, 5, 2**24, 2**24 + 1, 2**31, 2**32 - 1])
def test_a_lie_about_the_length_of_the_header_is_refused(length: int, scene: Scene) -> None:
    start, chunks = _split(scene.small)
    lie = MAGIC + length.to_bytes(4, "big") + start[len(MAGIC) + 4 :] + b"".join(chunks)
    scene.refused(lie + scene.small[-SIGNATURE:], scene.load_small)
    error = scene.refused(_signed(lie, scene.identities["district"]), scene.open_large)
    assert "header is damaged" in str(error)


def test_a_header_of_more_than_16_mebibytes_is_not_parsed(scene: Scene) -> None:
    header = _header(_manifest(scene.agreement).model_dump_json(), [])
    most = header.ljust(16 * 1024 * 1024)
    scene.tampered.write_bytes(_framed(most))
    assert read_manifest(scene.tampered) == _manifest(scene.agreement)
    error = scene.refused(_framed(most + b" "), lambda: read_manifest(scene.tampered))
    assert "header is damaged" in str(error)


@pytest.mark.parametrize(
    "header",
    [b"[" * 200_000, b'{"manifest": "\\ud800", "keys": []}'],
    ids=["deeply-nested", "lone-surrogate"],
)
def test_a_header_made_to_upset_the_parser_is_refused(header: bytes, scene: Scene) -> None:
    scene.refused(_framed(header) + bytes(SIGNATURE), scene.load_small)


@pytest.mark.parametrize("claim", ["agreement_id", "agreement_fingerprint", "sender", "party"])
def test_a_stranger_cannot_write_to_the_terminal(claim: str, scene: Scene) -> None:
    claims = {claim: "x\n\x1b[2J\x1b[32mAll files verified."}
    manifest = _manifest(scene.agreement).model_copy(update=claims).model_dump_json()
    error = scene.refused(_framed(_header(manifest, [])) + bytes(SIGNATURE), scene.load_small)
    assert "\x1b" not in str(error)
    assert "All files verified" not in str(error)


# --- Wrong people ----------------------------------------------------------------------------


@pytest.mark.parametrize("reader", ["district", "summer", "jobs", "linkage_unit"])
def test_the_wrong_recipient_opens_nothing(reader: str, scene: Scene) -> None:
    def opening() -> object:
        return PayloadExtract.load(
            scene.tampered, agreement=scene.agreement, identity=scene.identities[reader]
        )

    error = scene.refused(scene.small, opening)
    assert isinstance(error, SealError)
    assert str(error).startswith("the file is sealed to somebody else\n")


@pytest.mark.parametrize("signer", ["summer", "jobs", "linkage_unit", "steward"])
def test_a_file_signed_by_somebody_else_is_refused(signer: str, scene: Scene) -> None:
    resigned = _signed(scene.small[:-SIGNATURE], scene.identities[signer])
    error = scene.refused(resigned, scene.load_small)
    assert isinstance(error, SealError)
    assert "not signed by the organization that sent it" in str(error)


def test_a_signature_has_one_form(scene: Scene) -> None:
    # RFC 8032, section 8.4: adding the group order to S must not give a second signature.
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = int.from_bytes(scene.small[-32:], "little") + order
    error = scene.refused(scene.small[:-32] + scalar.to_bytes(32, "little"), scene.load_small)
    assert "not signed by the organization that sent it" in str(error)


@pytest.mark.parametrize("signer", ["summer", "linkage_unit", "stranger"])
def test_a_file_cannot_be_passed_off_as_ones_own(signer: str, scene: Scene) -> None:
    start, chunks = _split(scene.small)
    header = json.loads(start[len(MAGIC) + 4 :])
    renamed = header["manifest"].replace('"district"', f'"{signer}"')
    assert renamed != header["manifest"]
    data = _framed(_header(renamed, header["keys"])) + b"".join(chunks)
    identity = scene.identities.get(signer) or Identity.generate()
    error = scene.refused(_signed(data, identity), scene.load_small)
    if signer == "summer":
        assert "content is damaged" in str(error)
    else:
        assert isinstance(error, NotAuthorizedError)
        assert error.problems == (f"clause 'parties': '{signer}' may not send a payload-extract",)


def test_swapped_roles_in_the_agreement_are_noticed(
    scene: Scene, agreement_document: dict[str, Any]
) -> None:
    one, other = agreement_document["parties"]["district"], agreement_document["parties"]["jobs"]
    one["public_key"], other["public_key"] = other["public_key"], one["public_key"]
    swapped = Agreement.from_document(agreement_document)

    def opening() -> object:
        return PayloadExtract.load(
            scene.tampered, agreement=swapped, identity=scene.identities["steward"]
        )

    assert isinstance(scene.refused(scene.small, opening), MismatchError)
    # Even with a manifest that names the swapped text, the signer is not who it was.
    manifest = _manifest(swapped)
    data = write_sealed(
        scene.tampered,
        b"",
        manifest=manifest,
        signer=scene.identities["district"],
        recipients=[scene.identities["steward"].public],
    ).read_bytes()
    assert isinstance(scene.refused(data, opening), SealError)


def test_a_file_is_bound_to_its_agreement_and_its_text(
    scene: Scene, agreement_document: dict[str, Any]
) -> None:
    for change, said in (
        ({"id": "other-2026"}, "under agreement 'alder-bend-youth-2026', not 'other-2026'"),
        ({"title": "Amended"}, "under another text of agreement 'alder-bend-youth-2026'"),
    ):
        other = Agreement.from_document({**agreement_document, **change})

        def opening(other: Agreement = other) -> object:
            return PayloadExtract.load(
                scene.tampered, agreement=other, identity=scene.identities["steward"]
            )

        error = scene.refused(scene.small, opening)
        assert error.code == "mismatch"
        assert said in str(error)
        assert error.hint == "All parties must use the very same agreement document."


def test_an_artifact_is_not_opened_as_another(scene: Scene) -> None:
    def opening() -> object:
        return Crosswalk.load(
            scene.tampered, agreement=scene.agreement, identity=scene.identities["steward"]
        )

    error = scene.refused(scene.small, opening)
    assert "holds a payload-extract, not a crosswalk" in str(error)


# --- A sender that signs what it changed -----------------------------------------------------


def _refused_though_signed(scene: Scene, data: bytes) -> None:
    error = scene.refused(_signed(data, scene.identities["district"]), scene.open_large)
    assert isinstance(error, SealError)
    assert str(error).startswith("the file's content is damaged\n")


@pytest.mark.parametrize(
    "change",
    [
        lambda chunks: chunks[::-1],
        lambda chunks: [chunks[1], chunks[0], *chunks[2:]],
        lambda chunks: chunks[:-1],
        lambda chunks: chunks[1:],
        lambda chunks: chunks[:1],
        lambda chunks: [],
        lambda chunks: [*chunks, chunks[-1]],
        lambda chunks: [chunks[0], *chunks],
        lambda chunks: [*chunks[:-1], chunks[-1][:-1]],
        lambda chunks: [*chunks[:-1], chunks[-1][:8]],
        lambda chunks: [*chunks, b"\0"],
        lambda chunks: [*chunks, bytes(16)],
    ],
    ids=[
        "reversed",
        "two-swapped",
        "last-missing",
        "first-missing",
        "one-left",
        "none-left",
        "last-twice",
        "first-twice",
        "a-byte-short",
        "shorter-than-a-tag",
        "a-byte-more",
        "an-empty-chunk-more",
    ],
)
def test_chunks_keep_their_number_and_order(change: Any, scene: Scene) -> None:
    start, chunks = _split(scene.large)
    _refused_though_signed(scene, start + b"".join(change(chunks)))


def test_chunks_of_two_files_cannot_be_spliced(scene: Scene) -> None:
    start, chunks = _split(scene.large)
    other_start, others = _split(scene.large_too)
    assert len(others) == len(chunks)
    for i in range(len(chunks)):
        _refused_though_signed(scene, start + b"".join([*chunks[:i], others[i], *chunks[i + 1 :]]))
    _refused_though_signed(scene, other_start + b"".join(chunks))


def test_a_flip_in_any_chunk_is_noticed_without_the_signature(scene: Scene) -> None:
    start, chunks = _split(scene.large)
    rng = random.Random(SEED)
    for i, chunk in enumerate(chunks):
        for place in (0, rng.randrange(len(chunk)), len(chunk) - 16, len(chunk) - 1):
            changed = bytearray(chunk)
            changed[place] ^= 1 << rng.randrange(8)
            _refused_though_signed(
                scene, start + b"".join([*chunks[:i], bytes(changed), *chunks[i + 1 :]])
            )


def test_every_byte_of_a_manifest_is_bound_to_the_content(scene: Scene) -> None:
    start, chunks = _split(scene.small)
    header = json.loads(start[len(MAGIC) + 4 :])
    for old, new in (
        ('"n_rows":2', '"n_rows":3'),
        ('"n_rows":2', '"n_rows": 2'),
        ("payload-extract", "crosswalk"),
        ("made_by", "made_by"),
    ):
        manifest = header["manifest"].replace(old, new)
        # The same manifest in another spelling of the header is another header as well.
        data = _framed(_header(manifest, header["keys"])) + b"".join(chunks)
        _refused_though_signed(scene, data)


def test_a_wrapped_key_of_another_file_opens_nothing(scene: Scene) -> None:
    start, chunks = _split(scene.large)
    other_start, _ = _split(scene.large_too)
    header = json.loads(start[len(MAGIC) + 4 :])
    keys = json.loads(other_start[len(MAGIC) + 4 :])["keys"]
    for chosen in (keys, keys + header["keys"]):
        data = _framed(_header(header["manifest"], chosen)) + b"".join(chunks)
        _refused_though_signed(scene, data)


@pytest.mark.parametrize(
    "keys",
    [[], [""], ["AAAA"], [base64.b64encode(bytes(80)).decode()]],
    ids=["none", "empty", "short", "zero"],
)
def test_a_key_that_cannot_be_unwrapped_opens_nothing(keys: list[str], scene: Scene) -> None:
    start, chunks = _split(scene.small)
    manifest = json.loads(start[len(MAGIC) + 4 :])["manifest"]
    data = _framed(_header(manifest, keys)) + b"".join(chunks)
    error = scene.refused(_signed(data, scene.identities["district"]), scene.open_large)
    assert "sealed to somebody else" in str(error)


def test_a_header_that_reaches_into_the_signature_is_refused(scene: Scene) -> None:
    district, steward = scene.identities["district"], scene.identities["steward"]
    suite = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
    key = suite.encrypt(bytes(range(32)), steward.public.seal_key, b"linkkit file key 1")
    manifest = _manifest(scene.agreement).model_dump_json()
    # The signature has to begin with two blanks, which JSON allows at its end.
    for attempt in range(200_000):
        header = _header(manifest, [base64.b64encode(key).decode()])[:-1]
        header += f', "x": {attempt}}}'.encode()
        data = MAGIC + (len(header) + 2).to_bytes(4, "big") + header
        signed = _signed(data, district)
        if not signed[len(data) : len(data) + 2].strip(b" \t\r\n"):
            break
    scene.refused(signed, scene.open_large)


def test_a_file_for_nobody_is_not_written(scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(LinkkitError, match="recipient"):
        write_sealed(
            tmp_path / "a",
            b"content",
            manifest=_manifest(scene.agreement),
            signer=scene.identities["district"],
            recipients=[],
        )
    assert list(tmp_path.iterdir()) == []


def test_a_header_too_large_to_be_read_is_not_written(scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(LinkkitError, match="large"):
        write_sealed(
            tmp_path / "a",
            b"content",
            manifest=_manifest(scene.agreement, made_by="y" * (16 * 1024 * 1024)),
            signer=scene.identities["district"],
            recipients=[scene.identities["steward"].public],
        )
