"""Write the frozen vectors of the exchange: identities, an agreement, sealed files.

Sealing takes fresh keys from the system, so every run writes other files. Run it only for a new
format version, and keep the old vectors: what was sealed once must open for ever.

    python tests/vectors/make_exchange_vectors.py
"""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from linkkit.agreement import Agreement
from linkkit.exchange import (
    Crosswalk,
    EncodedExtract,
    EncodingSpec,
    Filter,
    FilterSpec,
    Identity,
    Manifest,
    PayloadExtract,
)
from linkkit.exchange.artifacts import token_array
from linkkit.exchange.container import write_sealed

HERE = Path(__file__).parent
ROLES = ("district", "jobs", "linkage_unit", "steward")
COMMENT = "Test vectors of linkkit; the keys are public and protect nothing."


def _seed(name: str) -> bytes:
    return hashlib.sha256(f"linkkit test vector identity {name}".encode()).digest()


def _agreement_text() -> str:
    keys = {role: Identity(_seed(role)).public.text for role in ROLES}
    return f"""\
format: linkkit-agreement/1
id: vectors-2026
title: Agreement of the test vectors
purpose: Hold the file format still.
legal_basis: None is needed for made-up data.
years: {{first: 2023, last: 2025}}
destroy_by: 2999-12-31
linkage:
  profile: field
  fields:
    given_name: {{kind: given_name}}
    birth_date: {{kind: date}}
variables:
  birth_year: {{type: integer, label: Year of birth}}
  score: {{type: number, label: "Test score, points", combine: mean}}
parties:
  district:
    name: District
    one_record_per_person: true
    record_id: ID
    linkage_fields:
      given_name: {{column: FIRST}}
      birth_date: {{column: DOB, formats: ["%Y-%m-%d"]}}
    payload:
      birth_year: {{field: birth_date, coarsen: year}}
      score: {{column: SCORE}}
    public_key: {keys["district"]}
  jobs:
    name: Jobs
    linkage_fields:
      given_name: {{column: [FIRST, MIDDLE]}}
      birth_date: {{column: BORN}}
    public_key: {keys["jobs"]}
linkage_unit: {{name: Linkage unit, public_key: {keys["linkage_unit"]}}}
steward: {{name: Steward, public_key: {keys["steward"]}}}
protection:
  smallest_cell: 10
  quasi_identifiers:
    birth_year: {{intervals: [1, 5]}}
projects:
  test-2026:
    purpose: Test.
    variables: [in_district, in_jobs, birth_year, score]
"""


def identities() -> dict[str, Any]:
    """Return each role's seed, derived keys and public text."""
    cases = []
    for role in ROLES:
        identity = Identity(_seed(role))
        cases.append(
            {
                "name": role,
                "seed": identity.reveal().hex(),
                "seal_private": identity.seal_key.private_bytes_raw().hex(),
                "sign_private": identity.sign_key.private_bytes_raw().hex(),
                "seal_public": identity.seal_key.public_key().public_bytes_raw().hex(),
                "sign_public": identity.sign_key.public_key().public_bytes_raw().hex(),
                "public_text": identity.public.text,
                "signature_of_linkkit": identity.sign_key.sign(b"linkkit").hex(),
            }
        )
    return {"comment": COMMENT, "cases": cases}


def agreement() -> dict[str, Any]:
    """Return an agreement's text, its canonical form and its fingerprint."""
    text = _agreement_text()
    loaded = Agreement.from_yaml(text)
    clauses = loaded.model_dump(mode="json", exclude_defaults=True)
    canonical = json.dumps(clauses, sort_keys=True, separators=(",", ":"))
    return {
        "comment": COMMENT,
        "yaml": text,
        "canonical": canonical,
        "fingerprint": loaded.fingerprint,
    }


def containers(folder: Path) -> dict[str, Any]:
    """Return sealed files of chosen lengths and recipients; content is a SHAKE-128 stream."""
    cases = []
    for name, n_bytes, recipients in (
        ("empty", 0, ["steward"]),
        ("one byte", 1, ["steward"]),
        ("two recipients", 1000, ["linkage_unit", "steward"]),
        ("one byte in the second chunk", 64 * 1024 + 1, ["steward"]),
    ):
        manifest = Manifest(
            kind="crosswalk",
            made_by="linkkit 0.1.0",
            agreement_id="vectors-2026",
            agreement_fingerprint=hashlib.sha256(b"agreement").hexdigest(),
            sender="linkage_unit",
            n_rows=n_bytes,
            counts={"pairs": 3},
        )
        path = write_sealed(
            folder / "file",
            hashlib.shake_128(name.encode()).digest(n_bytes),
            manifest=manifest,
            signer=Identity(_seed("linkage_unit")),
            recipients=[Identity(_seed(role)).public for role in recipients],
        )
        cases.append(
            {
                "name": name,
                "signer": "linkage_unit",
                "recipients": recipients,
                "content_bytes": n_bytes,
                "manifest": json.loads(manifest.model_dump_json()),
                "file": base64.b64encode(path.read_bytes()).decode(),
            }
        )
    return {"comment": COMMENT, "cases": cases}


def artifacts(folder: Path) -> dict[str, Any]:
    """Return one sealed file of each artifact that crosses, with its content in plain."""
    under = Agreement.from_yaml(_agreement_text())
    made = {"agreement_id": under.id, "agreement_fingerprint": under.fingerprint}
    tokens = np.arange(48, dtype=np.uint8).reshape(3, 16)
    spec = EncodingSpec(
        profile="field",
        encoding_version=1,
        standardization_version=1,
        filters=(
            FilterSpec(name="given_name", kind="given_name", n_bits=128, n_hashes=4),
            FilterSpec(name="birth_date", kind="date", n_bits=64, n_hashes=2),
        ),
    )
    words = {"given_name": [[1, 2], [0, 0], [2**64 - 1, 2**63]], "birth_date": [[7], [8], [9]]}
    encoded = EncodedExtract(
        party="district",
        **made,
        spec=spec,
        key_check="0123456789abcdef0123456789abcdef",
        one_record_per_person=True,
        tokens=tokens,
        filters={
            name: Filter(
                words=np.array(rows, dtype=np.uint64), present=np.array([any(r) for r in rows])
            )
            for name, rows in words.items()
        },
        counts={"rows": 3},
    )
    payload = PayloadExtract(
        party="district",
        **made,
        table=pa.table(
            {
                "token": token_array(tokens),
                "year": pa.array([2023, None, 2025], pa.int32()),
                "birth_year": pa.array([2010, 2011, None]),
                "score": pa.array([0.5, None, 99.25]),
            }
        ),
        counts={"rows": 3},
    )
    crosswalk = Crosswalk(
        **made,
        table=pa.table(
            {
                "party": ["district", "jobs", "district"],
                "token": token_array(tokens),
                "person_id": token_array(tokens[[0, 0, 2]]),
            }
        ),
    )
    result: dict[str, Any] = {"comment": COMMENT, "words": words, "key_check": encoded.key_check}
    for name, artifact, sender in (
        ("encoded_extract", encoded, "district"),
        ("payload_extract", payload, "district"),
        ("crosswalk", crosswalk, "linkage_unit"),
    ):
        path = artifact.save(folder / name, agreement=under, identity=Identity(_seed(sender)))
        result[name] = base64.b64encode(path.read_bytes()).decode()
    return result


def main() -> None:
    """Write all vectors beside this script."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in (
            ("exchange_identities.json", identities()),
            ("exchange_agreement.json", agreement()),
            ("exchange_containers.json", containers(folder)),
            ("exchange_artifacts.json", artifacts(folder)),
        ):
            text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
            (HERE / file).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
