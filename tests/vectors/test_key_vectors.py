"""Frozen derivations of keys, checked by today's code and by a second implementation.

If a test in here fails, partners' secrets, encodings or deliveries would no longer match those
of yesterday: change the code back, not the vector.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from linkkit.agreement import Agreement
from linkkit.exchange import Identity
from linkkit.partner.encode.canary_cells import canary_cell
from linkkit.partner.keys import (
    Contribution,
    KeyScope,
    Passphrase,
    Secret,
    combine_contributions,
    commit_contribution,
    derive_key,
    encoding_key,
    key_check,
    receive_secret,
    reveal_contribution,
    secret_check,
)
from linkkit.partner.keys.passphrase import passphrase_salt

HERE = Path(__file__).parent


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((HERE / name).read_text(encoding="utf-8"))
    return content


DERIVATION = _read("keys_derivation.json")
DELIVERY = _read("keys_delivery.json")
IDENTITIES = {name: Identity(bytes.fromhex(seed)) for name, seed in DELIVERY["identities"].items()}


def _agreement(epoch: int) -> Agreement:
    document = DELIVERY["cases"][0]["agreement"]
    return Agreement.from_document({**document, "epoch": epoch})


def test_the_second_implementation_finds_every_vector_right() -> None:
    # -I and -S: nothing but the standard library can be imported.
    command = [sys.executable, "-I", "-S", str(HERE / "verify_keys.py")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "All vectors of keys are right.\n"


@pytest.mark.parametrize("case", DERIVATION["sub_keys"])
def test_a_sub_key_is_the_frozen_one(case: dict[str, Any]) -> None:
    key = Secret(bytes.fromhex(case["key"]))
    assert derive_key(key, *case["labels"], n_bytes=case["n_bytes"]).hex() == case["sub_key"]


@pytest.mark.parametrize("case", DERIVATION["scopes"])
def test_keys_and_check_values_of_a_scope_are_the_frozen_ones(case: dict[str, Any]) -> None:
    secret = Secret(bytes.fromhex(case["secret"]))
    scope = KeyScope(
        agreement_id=case["agreement_id"], epoch=case["epoch"], spec_digest=case["spec_digest"]
    )
    made = encoding_key(
        secret, scope, purpose=case["purpose"], field=case["field"], pass_name=case["pass_name"]
    )
    assert made.hex() == case["encoding_key"]
    assert key_check(secret, *scope.labels) == case["key_check"]


def test_the_first_epoch_derives_what_was_derived_before_there_were_epochs() -> None:
    case = DERIVATION["scopes"][0]
    secret = Secret(bytes.fromhex(case["secret"]))
    labels = (case["agreement_id"], case["spec_digest"])
    assert derive_key(secret, "field-filter", *labels, "surname").hex() == case["encoding_key"]
    assert key_check(secret, *labels) == case["key_check"]


@pytest.mark.parametrize("case", DERIVATION["secret_checks"])
def test_a_check_value_to_compare_by_voice_is_the_frozen_one(case: dict[str, Any]) -> None:
    secret = Secret(bytes.fromhex(case["secret"]))
    assert secret_check(secret, _agreement(case["epoch"])) == case["check"]


@pytest.mark.parametrize("case", _read("keys_contributions.json")["cases"])
def test_contributions_combine_to_the_frozen_secret(case: dict[str, Any], tmp_path: Path) -> None:
    agreement = _agreement(case["epoch"])
    given = {
        party: Contribution(bytes.fromhex(parts["contribution"]))
        for party, parts in case["parties"].items()
    }
    commitments = [
        commit_contribution(
            mine, tmp_path / f"{p}.c", agreement=agreement, party=p, identity=IDENTITIES[p]
        )
        for p, mine in given.items()
    ]
    reveals = [
        reveal_contribution(
            mine,
            commitments,
            tmp_path / f"{p}.r",
            agreement=agreement,
            party=p,
            identity=IDENTITIES[p],
        )
        for p, mine in given.items()
    ]
    for party in given:
        secret = combine_contributions(
            [*reveals, *commitments], agreement=agreement, identity=IDENTITIES[party]
        )
        assert secret.reveal().hex() == case["secret"]


@pytest.mark.parametrize("case", _read("keys_passphrases.json")["cases"])
def test_a_passphrase_is_stretched_to_the_frozen_secret(case: dict[str, Any]) -> None:
    agreement = _agreement(case["epoch"])
    assert passphrase_salt(agreement).hex() == case["salt"]
    for typed in (case["typed"], case["passphrase_utf8"]):
        secret = Secret.from_passphrase(Passphrase(typed), agreement=agreement)
        assert secret.reveal().hex() == case["secret"]


def test_argon2id_is_that_of_rfc_9106() -> None:
    # Section 5.3.
    made = Argon2id(
        salt=b"\x02" * 16,
        length=32,
        iterations=3,
        lanes=4,
        memory_cost=32,
        secret=b"\x03" * 8,
        ad=b"\x04" * 12,
    ).derive(b"\x01" * 32)
    assert made.hex() == "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"


@pytest.mark.parametrize("case", DELIVERY["cases"], ids=lambda case: f"epoch-{case['epoch']}")
def test_a_frozen_delivery_opens(case: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "delivery"
    path.write_bytes(base64.b64decode(case["file"]))
    agreement = Agreement.from_document(case["agreement"])
    for name in case["recipients"]:
        secret = receive_secret(path, agreement=agreement, identity=IDENTITIES[name])
        assert secret.reveal().hex() == case["secret"]


@pytest.mark.parametrize("case", _read("keys_canaries.json")["cases"])
def test_a_canary_cell_is_the_frozen_one(case: dict[str, str]) -> None:
    assert canary_cell(case["kind"], bytes.fromhex(case["stream"])) == case["cell"]  # type: ignore[arg-type]
