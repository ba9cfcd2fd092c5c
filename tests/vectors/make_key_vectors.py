"""Write the frozen vectors of keys: sub-keys, checks, contributions, passphrases, deliveries.

Sealing takes fresh keys from the system, so every run writes another delivery. Run it only for
a new derivation, and keep the old vectors: what was encoded once must match for ever.

    python tests/vectors/make_key_vectors.py && python tests/vectors/verify_keys.py --slow
"""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

from linkkit.agreement import FIELD_KINDS, Agreement
from linkkit.exchange import Identity
from linkkit.exchange.container import open_sealed
from linkkit.partner.encode.canary_cells import canary_cell
from linkkit.partner.keys import (
    Contribution,
    KeyScope,
    Passphrase,
    Secret,
    combine_contributions,
    commit_contribution,
    deliver_secret,
    derive_key,
    encoding_key,
    key_check,
    reveal_contribution,
    secret_check,
)
from linkkit.partner.keys.passphrase import passphrase_salt

HERE = Path(__file__).parent
PARTIES = ("district", "jobs", "summer")
ROLES = (*PARTIES, "linkage_unit", "steward")
COMMENT = "Test vectors of linkkit; the keys are public and protect nothing."


def _material(name: str) -> bytes:
    return hashlib.sha256(f"linkkit test vector {name}".encode()).digest()


def _identity(role: str) -> Identity:
    return Identity(_material(f"identity {role}"))


def _document(epoch: int) -> dict[str, Any]:
    fields = {"given_name": {"column": "FIRST"}, "birth_date": {"column": "DOB"}}
    return {
        "format": "linkkit-agreement/1",
        "id": "vectors-2026",
        "epoch": epoch,
        "title": "Agreement of the test vectors",
        "purpose": "Hold the derivations still.",
        "legal_basis": "None is needed for made-up data.",
        "years": {"first": 2023, "last": 2025},
        "destroy_by": "2999-12-31",
        "linkage": {
            "profile": "field",
            "fields": {"given_name": {"kind": "given_name"}, "birth_date": {"kind": "date"}},
        },
        "parties": {
            name: {
                "name": name,
                "linkage_fields": fields,
                "public_key": _identity(name).public.text,
            }
            for name in PARTIES
        },
        "linkage_unit": {"name": "Unit", "public_key": _identity("linkage_unit").public.text},
        "steward": {"name": "Steward", "public_key": _identity("steward").public.text},
        "protection": {"smallest_cell": 10, "quasi_identifiers": {"in_district": {}}},
    }


def _agreement(epoch: int) -> Agreement:
    return Agreement.from_document(_document(epoch))


def derivations() -> dict[str, Any]:
    """Return sub-keys by labels, keys of encodings by scope, and check values."""
    secret = Secret(_material("linkage secret"))
    labels = [[], ["a"], ["a", "b"], ["ab"], ["", "ab"], ["record-token", "vectors-2026", "ü 李"]]
    sub_keys = [
        {
            "key": secret.reveal().hex(),
            "labels": chosen,
            "n_bytes": n_bytes,
            "sub_key": derive_key(secret, *chosen, n_bytes=n_bytes).hex(),
        }
        for chosen in labels
        for n_bytes in (16, 32, 80)
    ]
    scopes = []
    for epoch in (1, 2, 10):
        for pass_name in (None, "birth_year"):
            scope = KeyScope(agreement_id="vectors-2026", epoch=epoch, spec_digest="ab" * 32)
            key = encoding_key(
                secret, scope, purpose="field-filter", field="surname", pass_name=pass_name
            )
            scopes.append(
                {
                    "secret": secret.reveal().hex(),
                    "agreement_id": scope.agreement_id,
                    "epoch": epoch,
                    "spec_digest": scope.spec_digest,
                    "purpose": "field-filter",
                    "field": "surname",
                    "pass_name": pass_name,
                    "encoding_key": key.hex(),
                    "key_check": key_check(secret, *scope.labels),
                }
            )
    checks = [
        {
            "secret": secret.reveal().hex(),
            "agreement_id": "vectors-2026",
            "epoch": epoch,
            "check": secret_check(secret, _agreement(epoch)),
        }
        for epoch in (1, 2)
    ]
    return {"comment": COMMENT, "sub_keys": sub_keys, "scopes": scopes, "secret_checks": checks}


def _content(path: Path) -> str:
    _, content = open_sealed(
        path, recipient=_identity("jobs"), signer_of=lambda m: _identity(m.sender).public
    )
    return content.read().hex()


def contributions(folder: Path) -> dict[str, Any]:
    """Return what each party commits to and reveals, and the secret of all."""
    cases = []
    for epoch in (1, 3):
        agreement = _agreement(epoch)
        made: dict[str, Any] = {}
        files = {}
        for party in PARTIES:
            mine = Contribution(_material(f"contribution {party}"))
            who: dict[str, Any] = {"party": party, "identity": _identity(party)}
            files[party] = commit_contribution(
                mine, folder / f"{party}.commitment", agreement=agreement, **who
            )
            made[party] = {
                "contribution": mine.reveal().hex(),
                "commitment": _content(files[party]),
            }
        reveals = []
        for party in PARTIES:
            mine = Contribution(_material(f"contribution {party}"))
            reveals.append(
                reveal_contribution(
                    mine,
                    files.values(),
                    folder / f"{party}.reveal",
                    agreement=agreement,
                    party=party,
                    identity=_identity(party),
                )
            )
            made[party]["reveal"] = _content(reveals[-1])
        secret = combine_contributions(
            [*files.values(), *reveals], agreement=agreement, identity=_identity("jobs")
        )
        cases.append(
            {
                "agreement_id": agreement.id,
                "epoch": epoch,
                "parties": made,
                "secret": secret.reveal().hex(),
            }
        )
    return {"comment": COMMENT, "cases": cases}


def passphrases() -> dict[str, Any]:
    """Return a passphrase as typed and as stretched, its salt and the secret."""
    cases = []
    typed = "  ladle umbrella  nectar frozen tapir cafe\u0301 "
    for epoch in (1, 2):
        passphrase = Passphrase(typed)
        agreement = _agreement(epoch)
        cases.append(
            {
                "typed": typed,
                "passphrase_utf8": passphrase.reveal().decode(),
                "agreement_id": agreement.id,
                "epoch": epoch,
                "salt": passphrase_salt(agreement).hex(),
                "secret": Secret.from_passphrase(passphrase, agreement=agreement).reveal().hex(),
            }
        )
    return {"comment": COMMENT, "cases": cases}


def deliveries(folder: Path) -> dict[str, Any]:
    """Return sealed deliveries, with the identities that open them."""
    cases = []
    for epoch, to in ((1, None), (2, ["jobs", "summer"])):
        agreement = _agreement(epoch)
        secret = Secret(_material(f"delivered secret {epoch}"))
        path = deliver_secret(
            secret,
            folder / "district.delivery",
            agreement=agreement,
            party="district",
            identity=_identity("district"),
            to=to,
        )
        cases.append(
            {
                "sender": "district",
                "recipients": to or list(PARTIES),
                "epoch": epoch,
                "agreement": _document(epoch),
                "secret": secret.reveal().hex(),
                "check": secret_check(secret, agreement),
                "file": base64.b64encode(path.read_bytes()).decode(),
            }
        )
    return {
        "comment": COMMENT,
        "identities": {role: _identity(role).reveal().hex() for role in ROLES},
        "cases": cases,
    }


def canaries() -> dict[str, Any]:
    """Return made-up cells of every kind, by the random bytes that decide them."""
    streams = [_material(f"canary {i}") for i in range(12)]
    cases = [
        {"kind": kind, "stream": stream.hex(), "cell": canary_cell(kind, stream)}
        for kind in FIELD_KINDS
        for stream in streams
    ]
    return {"comment": COMMENT, "cases": cases}


def main() -> None:
    """Write all vectors beside this script."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in (
            ("keys_derivation.json", derivations()),
            ("keys_contributions.json", contributions(folder)),
            ("keys_passphrases.json", passphrases()),
            ("keys_delivery.json", deliveries(folder)),
            ("keys_canaries.json", canaries()),
        ):
            text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
            (HERE / file).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
