"""Frozen files and keys of the exchange, opened by today's code and by a second reader.

The second reader knows only the published formats: HKDF (RFC 5869) and HPKE (RFC 9180) are
written out with `hmac` and `hashlib`, and checked against those documents' own vectors. From
`cryptography` it takes the bare curves and the cipher. If a test in here fails, files that
partners already exchanged can no longer be read: change the code back, not the vector.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from linkkit.agreement import Agreement
from linkkit.exchange import (
    Crosswalk,
    EncodedExtract,
    Identity,
    PayloadExtract,
    PublicIdentity,
    read_manifest,
)
from linkkit.exchange.container import open_sealed

HERE = Path(__file__).parent


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((HERE / name).read_text(encoding="utf-8"))
    return content


IDENTITIES = {case["name"]: case for case in _read("exchange_identities.json")["cases"]}
CONTAINERS = _read("exchange_containers.json")["cases"]
ARTIFACTS = _read("exchange_artifacts.json")
AGREEMENT = _read("exchange_agreement.json")

each_identity = pytest.mark.parametrize("case", IDENTITIES.values(), ids=lambda case: case["name"])
each_container = pytest.mark.parametrize("case", CONTAINERS, ids=lambda case: case["name"])


# --- The second reader -----------------------------------------------------------------------


def _hkdf_extract(salt: bytes, material: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), material, "sha256")


def _hkdf_expand(key: bytes, info: bytes, n_bytes: int) -> bytes:
    output, block, counter = b"", b"", 1
    while len(output) < n_bytes:
        block = hmac.digest(key, block + info + bytes([counter]), "sha256")
        output += block
        counter += 1
    return output[:n_bytes]


def _labeled_extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return _hkdf_extract(salt, b"HPKE-v1" + suite + label + material)


def _labeled_expand(suite: bytes, key: bytes, label: bytes, info: bytes, n_bytes: int) -> bytes:
    length = n_bytes.to_bytes(2, "big")
    return _hkdf_expand(key, length + b"HPKE-v1" + suite + label + info, n_bytes)


def _hpke_key_and_nonce(enc: bytes, private: bytes, info: bytes) -> tuple[bytes, bytes]:
    """RFC 9180, sections 4.1 and 5.1: base mode, X25519, HKDF-SHA256, ChaCha20-Poly1305."""
    kem, hpke = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x03"
    own = X25519PrivateKey.from_private_bytes(private)
    shared = own.exchange(X25519PublicKey.from_public_bytes(enc))
    context = enc + own.public_key().public_bytes_raw()
    key = _labeled_extract(kem, b"", b"eae_prk", shared)
    secret = _labeled_expand(kem, key, b"shared_secret", context, 32)
    schedule = (
        b"\x00"
        + _labeled_extract(hpke, b"", b"psk_id_hash", b"")
        + _labeled_extract(hpke, b"", b"info_hash", info)
    )
    key = _labeled_extract(hpke, secret, b"secret", b"")
    return (
        _labeled_expand(hpke, key, b"key", schedule, 32),
        _labeled_expand(hpke, key, b"base_nonce", schedule, 12),
    )


def _identity_keys(seed: bytes) -> tuple[bytes, bytes]:
    return (
        _hkdf_expand(seed, b"linkkit identity 1 seal", 32),
        _hkdf_expand(seed, b"linkkit identity 1 sign", 32),
    )


def _public_text(seal: bytes, sign: bytes) -> str:
    check = hashlib.sha256(b"linkkit public identity 1" + seal + sign).digest()[:4]
    return "lkpub1" + base64.b32encode(seal + sign + check).decode().lower().rstrip("=")


def _second_reader(file: bytes, seal_private: bytes, sign_public: bytes) -> tuple[str, bytes]:
    """Open a sealed file by the layout alone; return manifest text and content."""
    signed, signature = file[:-64], file[-64:]
    digest = hashlib.sha256(signed).digest()
    Ed25519PublicKey.from_public_bytes(sign_public).verify(signature, digest)
    magic = b"linkkit sealed file 1\n"
    assert signed[:22] == magic
    n_header = int.from_bytes(signed[22:26], "big")
    header, body = signed[26 : 26 + n_header], signed[26 + n_header :]
    fields = json.loads(header)
    assert set(fields) == {"keys", "manifest"}
    file_key = b""
    for text in fields["keys"]:
        wrapped = base64.b64decode(text)
        key, nonce = _hpke_key_and_nonce(wrapped[:32], seal_private, b"linkkit file key 1")
        try:
            file_key = ChaCha20Poly1305(key).decrypt(nonce, wrapped[32:], None)
        except InvalidTag:  # the next one may be ours
            continue
    assert len(file_key) == 32
    cipher, content = ChaCha20Poly1305(file_key), b""
    chunks = [body[i : i + 65_552] for i in range(0, len(body), 65_552)]
    for i, chunk in enumerate(chunks):
        nonce = i.to_bytes(11, "big") + bytes([i == len(chunks) - 1])
        content += cipher.decrypt(nonce, chunk, hashlib.sha256(magic + header).digest())
    return fields["manifest"], content


def test_the_second_reader_expands_keys_as_rfc_5869_does() -> None:
    # Appendix A.1.
    key = _hkdf_extract(bytes(range(13)), b"\x0b" * 22)
    assert key.hex() == "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"
    assert _hkdf_expand(key, bytes(range(0xF0, 0xFA)), 42).hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )


def test_the_second_reader_unwraps_as_rfc_9180_does() -> None:
    # Appendix A.2.1.
    key, nonce = _hpke_key_and_nonce(
        bytes.fromhex("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a"),
        bytes.fromhex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb"),
        b"Ode on a Grecian Urn",
    )
    assert key.hex() == "ad2744de8e17f4ebba575b3f5f5a8fa1f69c2a07f6e7500bc60ca6e3e3ec1c91"
    assert nonce.hex() == "5c4d98150661b848853b547f"
    sealed = bytes.fromhex(
        "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"
    )
    opened = ChaCha20Poly1305(key).decrypt(nonce, sealed, b"Count-0")
    assert opened == b"Beauty is truth, truth beauty"


# --- Identities ------------------------------------------------------------------------------


@each_identity
def test_an_identity_derives_the_frozen_keys(case: dict[str, str]) -> None:
    identity = Identity(bytes.fromhex(case["seed"]))
    assert identity.seal_key.private_bytes_raw().hex() == case["seal_private"]
    assert identity.sign_key.private_bytes_raw().hex() == case["sign_private"]
    assert identity.public.text == case["public_text"]
    assert identity.sign_key.sign(b"linkkit").hex() == case["signature_of_linkkit"]


@each_identity
def test_a_public_text_reads_as_the_frozen_keys(case: dict[str, str]) -> None:
    public = PublicIdentity(case["public_text"])
    assert public.seal_key.public_bytes_raw().hex() == case["seal_public"]
    assert public.verify_key.public_bytes_raw().hex() == case["sign_public"]


@each_identity
def test_the_frozen_keys_follow_from_the_published_derivation(case: dict[str, str]) -> None:
    seal, sign = _identity_keys(bytes.fromhex(case["seed"]))
    assert (seal.hex(), sign.hex()) == (case["seal_private"], case["sign_private"])
    seal_public = X25519PrivateKey.from_private_bytes(seal).public_key().public_bytes_raw()
    sign_public = Ed25519PrivateKey.from_private_bytes(sign).public_key().public_bytes_raw()
    assert (seal_public.hex(), sign_public.hex()) == (case["seal_public"], case["sign_public"])
    assert _public_text(seal_public, sign_public) == case["public_text"]


# --- Sealed files ----------------------------------------------------------------------------


def _content(case: dict[str, Any]) -> bytes:
    return hashlib.shake_128(case["name"].encode()).digest(case["content_bytes"])


def _identity(role: str) -> Identity:
    return Identity(bytes.fromhex(IDENTITIES[role]["seed"]))


@each_container
def test_todays_code_opens_a_frozen_file(case: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(base64.b64decode(case["file"]))
    signer = PublicIdentity(IDENTITIES[case["signer"]]["public_text"])
    for recipient in case["recipients"]:
        manifest, content = open_sealed(
            path, recipient=_identity(recipient), signer_of=lambda _: signer
        )
        assert content.read() == _content(case)
        assert json.loads(manifest.model_dump_json()) == case["manifest"]
        assert read_manifest(path) == manifest


@each_container
def test_the_second_reader_opens_a_frozen_file(case: dict[str, Any]) -> None:
    file = base64.b64decode(case["file"])
    signer = bytes.fromhex(IDENTITIES[case["signer"]]["sign_public"])
    for recipient in case["recipients"]:
        private = bytes.fromhex(IDENTITIES[recipient]["seal_private"])
        manifest, content = _second_reader(file, private, signer)
        assert content == _content(case)
        assert json.loads(manifest) == case["manifest"]


def test_the_second_reader_opens_what_todays_code_seals(tmp_path: Path) -> None:
    agreement = Agreement.from_yaml(AGREEMENT["yaml"])
    steward, unit = _identity("steward"), _identity("linkage_unit")
    frozen = tmp_path / "frozen"
    frozen.write_bytes(base64.b64decode(ARTIFACTS["crosswalk"]))
    crosswalk = Crosswalk.load(frozen, agreement=agreement, identity=steward)
    path = crosswalk.save(tmp_path / "new", agreement=agreement, identity=unit)
    manifest, content = _second_reader(
        path.read_bytes(),
        bytes.fromhex(IDENTITIES["steward"]["seal_private"]),
        bytes.fromhex(IDENTITIES["linkage_unit"]["sign_public"]),
    )
    assert json.loads(manifest)["agreement_fingerprint"] == AGREEMENT["fingerprint"]
    assert content[:4] == content[-4:] == b"PAR1"


# --- The agreement ---------------------------------------------------------------------------


def test_an_agreement_keeps_its_fingerprint() -> None:
    # A clause that a later version adds must not change the fingerprint of a document without
    # it, or no file that was made before could be loaded again.
    assert Agreement.from_yaml(AGREEMENT["yaml"]).fingerprint == AGREEMENT["fingerprint"]


def test_a_fingerprint_is_sha256_of_the_canonical_document() -> None:
    canonical = AGREEMENT["canonical"]
    assert hashlib.sha256(canonical.encode("ascii")).hexdigest() == AGREEMENT["fingerprint"]
    content = json.loads(canonical)
    assert json.dumps(content, sort_keys=True, separators=(",", ":")) == canonical

    def says(canonical_part: Any, document_part: Any) -> bool:
        if isinstance(document_part, dict):
            return canonical_part.keys() == document_part.keys() and all(
                says(canonical_part[key], value) for key, value in document_part.items()
            )
        if isinstance(document_part, list):
            return canonical_part == document_part
        return str(canonical_part) == str(document_part)

    assert says(content, yaml.safe_load(AGREEMENT["yaml"]))


# --- Artifacts -------------------------------------------------------------------------------


def _load(kind: Any, name: str, role: str, folder: Path) -> Any:
    path = folder / name
    path.write_bytes(base64.b64decode(ARTIFACTS[name]))
    agreement = Agreement.from_yaml(AGREEMENT["yaml"])
    return kind.load(path, agreement=agreement, identity=_identity(role))


TOKENS = np.arange(48, dtype=np.uint8).reshape(3, 16)


def test_a_frozen_encoded_extract_loads(tmp_path: Path) -> None:
    extract = _load(EncodedExtract, "encoded_extract", "linkage_unit", tmp_path)
    assert (extract.party, extract.key_check) == ("district", ARTIFACTS["key_check"])
    assert extract.one_record_per_person is True
    assert extract.counts == {"rows": 3}
    np.testing.assert_array_equal(extract.tokens, TOKENS)
    for name, rows in ARTIFACTS["words"].items():
        np.testing.assert_array_equal(extract.filters[name].words, np.array(rows, dtype=np.uint64))
        assert extract.filters[name].present.tolist() == [any(row) for row in rows]


def test_a_frozen_encoded_extract_keeps_the_digest_of_its_spec(tmp_path: Path) -> None:
    extract = _load(EncodedExtract, "encoded_extract", "linkage_unit", tmp_path)
    canonical = (
        '{"encoding_version":1,"filters":['
        '{"kind":"given_name","n_bits":128,"n_hashes":4,"name":"given_name"},'
        '{"kind":"date","n_bits":64,"n_hashes":2,"name":"birth_date"}],'
        '"profile":"field","standardization_version":1}'
    )
    assert extract.spec.digest == hashlib.sha256(canonical.encode()).hexdigest()


def test_a_frozen_payload_extract_loads(tmp_path: Path) -> None:
    extract = _load(PayloadExtract, "payload_extract", "steward", tmp_path)
    assert extract.party == "district"
    assert extract.table.to_pydict() == {
        "token": [row.tobytes() for row in TOKENS],
        "year": [2023, None, 2025],
        "birth_year": [2010, 2011, None],
        "score": [0.5, None, 99.25],
    }


def test_a_frozen_crosswalk_loads(tmp_path: Path) -> None:
    crosswalk = _load(Crosswalk, "crosswalk", "steward", tmp_path)
    assert crosswalk.table.to_pydict() == {
        "party": ["district", "jobs", "district"],
        "token": [row.tobytes() for row in TOKENS],
        "person_id": [TOKENS[i].tobytes() for i in (0, 0, 2)],
    }
