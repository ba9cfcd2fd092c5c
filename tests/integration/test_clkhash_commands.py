"""Commands for clkhash: lint, draft, encode under an existing secret, CLK JSON in and out, link."""

from __future__ import annotations

import hashlib
import json

import pytest
import yaml

from linkkit.agreement import Agreement
from linkkit.cli import run
from linkkit.exchange import EncodedExtract, Identity, read_manifest
from linkkit.partner.keys import Secret

SCHEMA = {
    "version": 3,
    "clkConfig": {"l": 512, "xorFolds": 1, "kdf": {"type": "HKDF"}},
    "features": [
        {"identifier": "row", "ignored": True},
        *(
            {
                "identifier": name,
                "format": {"type": "string"},
                "hashing": {
                    "comparison": {"type": "ngram", "n": 2},
                    "strategy": {"bitsPerToken": 8},
                    "hash": {"type": "doubleHash"},
                },
            }
            for name in ("given_name", "SURNAME", "birth_date", "sex", "postal_code")
        ),
    ],
}


def identity_of(role):
    return Identity(hashlib.sha256(f"identity of {role} in tests only".encode()).digest())


@pytest.fixture
def site(tmp_path, plain_agreement, made_people):
    """A folder with agreement, identities, secrets and the files of two parties."""
    document = plain_agreement().model_dump(mode="json", exclude_defaults=True)
    document["linkage"]["profile"] = "clkhash"
    document["linkage"]["fields"]["surname"]["feature"] = "SURNAME"
    document["linkage"]["clkhash"] = {"linkage_schema": SCHEMA}
    (tmp_path / "agreement.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    for role in ("north", "south", "linkage_unit"):
        identity_of(role).save(tmp_path / f"{role}.identity")
    secret = tmp_path / "clkhash.secret"
    secret.write_text("an existing secret of the project\n", encoding="utf-8")
    secret.chmod(0o600)
    people = made_people(80, seed=2)
    people.iloc[:60].to_csv(tmp_path / "north.csv", index=False)
    people.iloc[20:].to_csv(tmp_path / "south.csv", index=False)
    return tmp_path


def encode_north(site, out, *more):
    return run(
        ["encode", f"{site}/north.csv", "--agreement", f"{site}/agreement.yaml", "--identity"]
        + [f"{site}/north.identity", "--party", "north", "--clkhash-secret"]
        + [f"{site}/clkhash.secret", "--out", str(out), *more]
    )


def test_lint_warns_of_what_is_loud_first(site, capsys):
    assert run(["clkhash", "lint", f"{site}/schema.json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "clkhash schema of version 3: 5 of 6 features hashed into 512 bits"
    warned = [line.startswith("WARNING") for line in lines[1:]]
    assert warned == sorted(warned, reverse=True)
    assert any("WARNING (no effect): clkConfig.xorFolds" in line for line in lines)


def test_the_check_of_an_agreement_shows_what_its_schema_does(site, capsys):
    assert run(["agreement", "check", f"{site}/agreement.yaml"]) == 0
    out = capsys.readouterr().out
    assert "WARNING (no effect): clkConfig.xorFolds" in out
    assert "WARNING (privacy): schema: one filter holds all features" in out


def test_a_drafted_clause_is_valid(site, capsys, plain_agreement):
    assert run(["clkhash", "clause", f"{site}/schema.json"]) == 0
    drafted = yaml.safe_load(capsys.readouterr().out)
    document = plain_agreement().model_dump(mode="json", exclude_defaults=True)
    document["linkage"] = drafted["linkage"]
    assert Agreement.from_document(document).linkage.fields["surname"].feature == "SURNAME"


def test_a_partner_with_clkhash_takes_part(site, capsys):
    assert encode_north(site, site / "north", "--clks") == 0
    assert "WARNING, clkhash schema" in capsys.readouterr().out
    clks = site / "north" / "stays-home" / "north.clks.json"
    assert len(json.loads(clks.read_text(encoding="utf-8"))["clks"]) == 60
    assert clks.stat().st_mode & 0o077 == 0
    south = ["--agreement", f"{site}/agreement.yaml", "--identity", f"{site}/south.identity"]
    south += ["--party", "south", "--clkhash-secret", f"{site}/clkhash.secret"]
    assert run(["encode", f"{site}/south.csv", *south, "--clks", "--out", f"{site}/a"]) == 0
    # The same filters, as if clkhash had made them elsewhere.
    made = f"{site}/a/stays-home/south.clks.json"
    assert run(["clkhash", "from-clks", made, *south, "--out", f"{site}/b"]) == 0
    assert "south: 60 filters" in capsys.readouterr().out
    unit = ["--agreement", f"{site}/agreement.yaml", "--identity", f"{site}/linkage_unit.identity"]
    files = [f"{site}/north/north.encodings", f"{site}/b/south.encodings"]
    assert run(["link", *files, *unit, "--out", f"{site}/crosswalk"]) == 0
    n_people = int(capsys.readouterr().out.split("people: ")[1].split()[0])
    assert 78 <= n_people <= 81
    outputs = ["--out", f"{site}/out.json", "--tokens", f"{site}/tokens.csv"]
    assert run(["clkhash", "to-clks", files[0], *unit, *outputs]) == 0
    assert (site / "out.json").read_text(encoding="utf-8") == clks.read_text(encoding="utf-8")
    places = (site / "tokens.csv").read_text(encoding="utf-8")
    assert places == (site / "north/stays-home/north.clk-tokens.csv").read_text(encoding="utf-8")
    document = Agreement.load(site / "agreement.yaml")
    got = EncodedExtract.load(files[0], agreement=document, identity=identity_of("linkage_unit"))
    assert f"1,{bytes(got.tokens[0]).hex()}" in places


def test_row_ids_give_filters_their_tokens(site, capsys):
    assert run(["keys", "tokens", f"{site}/north.tokens"]) == 0
    key = ["--token-key", f"{site}/north.tokens"]
    assert encode_north(site, site / "north", "--clks", *key) == 0
    home = site / "north" / "stays-home"
    import pandas as pd

    # The table in the order of the filters, which is that of their tokens.
    tokens = pd.read_csv(home / "north.clk-tokens.csv").merge(
        pd.read_csv(home / "north.token-map.csv"), on="token", sort=False
    )
    rows = pd.read_csv(site / "north.csv").set_index("id").loc[tokens["record_id"]].reset_index()
    rows.to_csv(site / "rows.csv", index=False)
    arguments = [str(home / "north.clks.json"), "--agreement", f"{site}/agreement.yaml"]
    arguments += ["--identity", f"{site}/north.identity", "--party", "north", *key]
    arguments += ["--clkhash-secret", f"{site}/clkhash.secret", "--rows", f"{site}/rows.csv"]
    assert run(["clkhash", "from-clks", *arguments, "--out", f"{site}/again"]) == 0
    again = pd.read_csv(site / "again/stays-home/north.token-map.csv")
    one = pd.read_csv(home / "north.token-map.csv")
    assert dict(zip(again["record_id"], again["token"], strict=True)) == dict(
        zip(one["record_id"], one["token"], strict=True)
    )


def test_a_derived_secret_is_written_for_clkhash(site, capsys):
    assert run(["keys", "secret", f"{site}/linkage.key"]) == 0
    arguments = ["--agreement", f"{site}/agreement.yaml", "--secret", f"{site}/linkage.key"]
    assert run(["clkhash", "secret", f"{site}/derived", *arguments]) == 0
    text = (site / "derived").read_text(encoding="utf-8")
    assert len(text) == 65
    assert text.strip() not in capsys.readouterr().out
    assert run(["clkhash", "secret", f"{site}/derived", *arguments]) == 10


def test_the_linkage_secret_may_be_kept_elsewhere(site, tmp_path, monkeypatch):
    module = "class Service:\n    def unwrap(self, wrapped):\n        return wrapped[::-1]\n"
    (tmp_path / "our_service.py").write_text(module, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert run(["keys", "secret", f"{site}/linkage.key"]) == 0
    file = ["--secret", f"{site}/linkage.key"]
    (tmp_path / "wrapped").write_bytes(Secret.load(site / "linkage.key").reveal()[::-1])
    kms = ["--kms", "our_service:Service", "--wrapped", f"{tmp_path}/wrapped"]
    agreement = ["--agreement", f"{site}/agreement.yaml"]
    own = ["--identity", f"{site}/north.identity", "--party", "north"]
    words = ["encode", f"{site}/north.csv", *agreement, *own, *file, "--clks"]
    assert run([*words, "--out", f"{site}/made"]) == 0
    clks = f"{site}/made/stays-home/north.clks.json"
    checks = set()
    for name, source in (("file", file), ("kms", kms)):
        assert run(["clkhash", "secret", f"{site}/{name}.derived", *agreement, *source]) == 0
        out = ["--out", f"{site}/{name}"]
        assert run(["clkhash", "from-clks", clks, *agreement, *own, *source, *out]) == 0
        checks.add(read_manifest(site / name / "north.encodings").key_check)
        assert [path.name for path in sorted((site / name).iterdir())] == [
            "north.encodings",
            "stays-home",
        ]
    assert len(checks) == 1
    assert (site / "file.derived").read_bytes() == (site / "kms.derived").read_bytes()
    assert run(["clkhash", "secret", f"{site}/x", *agreement, *file, *kms]) == 10


def test_two_secrets_and_misplaced_options_are_refused(site, capsys):
    assert run(["keys", "secret", f"{site}/linkage.key"]) == 0
    assert encode_north(site, site / "x", "--secret", f"{site}/linkage.key") == 10
    assert "two secrets" in capsys.readouterr().err
    document = yaml.safe_load((site / "agreement.yaml").read_text(encoding="utf-8"))
    document["linkage"] = {
        "profile": "field",
        "fields": {n: {"kind": "text"} for n in document["linkage"]["fields"]},
    }
    (site / "agreement.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    assert encode_north(site, site / "x", "--clks") == 10
    assert "not 'clkhash'" in capsys.readouterr().err
    assert encode_north(site, site / "x") == 14
    assert not (site / "x").exists()
