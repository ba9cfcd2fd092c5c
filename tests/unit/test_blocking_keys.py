"""Blocking keys: the clause, the digests, the files, the pool, and what a preflight says of them."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import importlib.util
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import linkkit as lk
from linkkit.agreement import Agreement, KeyPart, key_text
from linkkit.errors import AgreementError, MismatchError, NotAuthorizedError, OptionError, SealError
from linkkit.exchange import EncodedExtract, Identity, read_manifest
from linkkit.exchange.spec import spec_difference
from linkkit.exchange.tables import save_table
from linkkit.linkage import link
from linkkit.linkage.pool import make_pool
from linkkit.partner.encode import encode, encoding_spec, phonetic
from linkkit.partner.encode.block_keys import block_keys, key_groups
from linkkit.partner.encode.clk_profile import extract_from_clks
from linkkit.partner.encode.phonetic import sound_of
from linkkit.partner.keys import ClkhashSecret, KeyScope, Secret, encoding_key
from linkkit.partner.keys.derive import length_prefixed
from linkkit.partner.preflight.keys import key_exposure, overlap_patterns, share_told_apart


def key(*parts):
    return [{"field": field, "by": by} for field, by in parts]


SOUND_YEAR = key(("surname", "soundex"), ("birth_date", "year"))
START_CODE = key(("postal_code", 3), ("given_name", 1))
KEYS = {"sound_year": SOUND_YEAR, "start_code": START_CODE}


@pytest.fixture
def keyed_document(plain_agreement):
    """A function that gives the plain agreement's document blocking keys."""

    def make(keys=KEYS, profile="field", **options):
        document = plain_agreement(**options).model_dump(mode="json", exclude_defaults=True)
        document["linkage"]["profile"] = profile
        if keys is not None:
            document["linkage"]["blocking_keys"] = keys
        return document

    return make


@pytest.fixture
def keyed(keyed_document):
    """A function that makes the plain agreement with blocking keys."""
    return lambda *args, **options: Agreement.from_document(keyed_document(*args, **options))


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "id": list("abcdef"),
            "given_name": ["Ana", "Anna", "Bo", "Bo", "", "Cy"],
            "surname": ["Smith", "Smyth", "García-López", "Мария", "Lee", "2"],
            "birth_date": [
                "2001-02-03",
                "2001-11-30",
                "2001-02-03",
                "",
                "1999-01-01",
                "2000-05-05",
            ],
            "sex": ["F"] * 6,
            "postal_code": ["77001", "77002", "90210", "90210", "77001", ""],
        }
    )


def identity(role):
    return Identity(hashlib.sha256(f"identity of {role} in tests only".encode()).digest())


# --- the clause ----------------------------------------------------------------------------------


def test_keys_are_part_of_the_agreement_and_of_its_fingerprint(keyed):
    one, none = keyed(), keyed(None)
    assert none.linkage.blocking_keys is None
    assert one.linkage.blocking_keys["start_code"] == (
        KeyPart(field="postal_code", by=3),
        KeyPart(field="given_name", by=1),
    )
    other = keyed({"sound_year": SOUND_YEAR, "start_code": key(("postal_code", 4))})
    assert len({one.fingerprint, none.fingerprint, other.fingerprint}) == 3
    again = Agreement.from_document(one.model_dump(mode="json"))
    assert again.fingerprint == one.fingerprint
    assert again.linkage == one.linkage


def test_yaml_is_read(keyed_document):
    import yaml

    assert Agreement.from_yaml(yaml.safe_dump(keyed_document())).linkage.blocking_keys


@pytest.mark.parametrize("profile", ["standard", "hardened"])
def test_profiles_with_passes_refuse_keys_and_say_why(profile, keyed_document):
    with pytest.raises(AgreementError, match="are nearly a name") as caught:
        Agreement.from_document(keyed_document(profile=profile))
    (problem,) = caught.value.problems
    assert problem.startswith(
        f"clause 'linkage.blocking_keys': the profile '{profile}' refuses blocking keys"
    )
    assert "write 'profile: field'" in problem


def test_the_default_profile_refuses_keys_too(keyed_document):
    document = keyed_document()
    del document["linkage"]["profile"]
    with pytest.raises(AgreementError, match="no profile is stated, so it is the default, 'stand"):
        Agreement.from_document(document)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (
            {"a": key(("surname", "sondex"))},
            "a.0.by': it must be a number of first characters, 1 to",
        ),
        ({"a": key(("surname", "3"))}, "a.0.by': it must be a number of first characters"),
        ({"a": key(("surname", True))}, "a.0.by': it must be a number of first characters"),
        ({"a": key(("surname", 0))}, "a.0.by': it must be a number of first characters"),
        ({"a": key(("surname", 17))}, "a.0.by': it must be a number of first characters"),
        ({"a": key(("surname", None))}, "a.0.by': it must be a number of first characters"),
        ({"a": [{"field": "surname"}]}, "a.0.by' is missing"),
        (
            {"a": [{"field": "surname", "by": 1, "parts": 2}]},
            "'linkage.blocking_keys.a.0.parts' is not known",
        ),
        ({"a": {"surname": 3}}, "'linkage.blocking_keys.a': write a list"),
        ({"A": SOUND_YEAR}, "'linkage.blocking_keys.A': use lower-case letters"),
        ({}, "'linkage.blocking_keys': it has no item"),
        ({"a": []}, "a': a key has 1 to 4 parts"),
        ({"a": key(*[("surname", i) for i in range(1, 6)])}, "a': a key has 1 to 4 parts"),
        ({"a": key(("shoe", "whole"))}, "a': 'shoe' is no linkage field"),
        ({"a": key(("surname", 3), ("surname", 3))}, "a': a part stands in it twice"),
        ({"a": SOUND_YEAR, "b": SOUND_YEAR[::-1]}, "b': 'a' has the same parts"),
        ({"a": key(("postal_code", "soundex"))}, "'postal_code': a postal_code has no sound"),
        ({"a": key(("surname", "year"))}, "'year' is a part of a date, and it is a surname"),
        (
            {"a": key(("birth_date", 4))},
            "its parts are whole, year, year_day, month_day, month, day",
        ),
        ({"a": key(("sex", 1), ("surname", 1))}, "no first characters are taken of a sex"),
        ({"a": key(("sex", "whole"))}, "a sex alone hardly parts the records"),
        (
            {f"k{i}": key(("surname", i + 1)) for i in range(13)},
            "there are 13 keys, and 12 are the most",
        ),
    ],
)
def test_keys_that_make_no_sense_are_refused(keys, problem, keyed_document):
    with pytest.raises(AgreementError, match="blocking_keys") as caught:
        Agreement.from_document(keyed_document(keys))
    assert len(caught.value.problems) == 1
    assert problem in caught.value.problems[0]


def test_twelve_keys_of_four_parts_are_taken(keyed):
    parts = (("surname", "nysiis"), ("given_name", 1), ("birth_date", "month"))
    keys = {f"k{i}": key(*parts, ("postal_code", i + 1)) for i in range(12)}
    assert len(keyed(keys).linkage.blocking_keys) == 12


def test_a_key_by_which_no_two_records_could_meet_is_refused(keyed_document):
    document = keyed_document()
    for party in document["parties"].values():
        del party["linkage_fields"]["postal_code"]
    with pytest.raises(AgreementError, match="start_code': no party has all of its fields"):
        Agreement.from_document(document)
    document["parties"]["north"]["linkage_fields"]["postal_code"] = {"column": "zip"}
    with pytest.raises(AgreementError, match="start_code': one party has all of its fields"):
        Agreement.from_document(document)
    document["parties"]["north"]["one_record_per_person"] = False
    assert Agreement.from_document(document).linkage.blocking_keys


@pytest.mark.parametrize(
    "parts",
    [
        key(("surname", "whole")),
        key(("surname", 16)),
        key(("birth_date", "year"), ("birth_date", "month")),
    ],
)
def test_parts_of_one_field_are_no_key_beside_filters_of_whole_records(parts, keyed, clk_document):
    with pytest.raises(AgreementError, match="would show which records agree in") as caught:
        Agreement.from_document(clk_document({"a": parts}))
    assert len(caught.value.problems) == 1
    assert keyed({"a": parts}).linkage.blocking_keys


def test_the_key_in_words():
    parts = [
        ("surname", "metaphone"),
        ("born", "month_day"),
        ("zip", 3),
        ("given", 1),
        ("id", "whole"),
    ]
    assert key_text([KeyPart(field=field, by=by) for field, by in parts]) == (
        "sound of surname (metaphone) + month and day of born + first 3 characters of zip + "
        "first character of given + whole id"
    )


def test_the_command_lists_the_keys(keyed_document, tmp_path):
    import yaml

    path = tmp_path / "agreement.yaml"
    path.write_text(yaml.safe_dump(keyed_document()), encoding="utf-8")
    command = [sys.executable, "-m", "linkkit", "agreement", "check", str(path)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert (
        "blocking key sound_year: sound of surname (soundex) + year of birth_date; the linkage unit "
        "sees who shares it" in shown
    )


# --- sounds --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "one", "other", "code"),
    [
        ("soundex", "robert", "rupert", "R163"),
        ("metaphone", "smith", "smyth", "SM0"),
        ("nysiis", "knight", "night", "NAGT"),
        ("match_rating", "hanna", "hana", "HN"),
    ],
)
def test_what_sounds_alike_has_one_code(by, one, other, code):
    sounds = {sound_of(name, by=by, kind="surname") for name in (one, other)}
    assert sounds == {code}


@pytest.mark.parametrize("by", ["soundex", "metaphone", "nysiis", "match_rating"])
def test_words_count_together_but_for_whole_names(by):
    def sound(value, kind):
        return sound_of(value, by=by, kind=kind)

    assert sound("mary ann", "given_name") == sound("maryann", "given_name")
    assert sound("ana garcia", "name") == sound("garcia ana", "name")
    assert sound("ana garcia", "name") != sound("ana garcia", "surname")
    assert sound("jose2", "surname") == sound("jose", "surname")
    assert sound("2", "surname") is None
    assert sound("", "name") is None


# --- digests -------------------------------------------------------------------------------------


def _keys(frame, agreement, secret, party="north"):
    made = encode(frame, agreement, secret, party=party)
    order = np.argsort(made.token_map.rows)
    tokens = [bytes(token) for token in made.encodings.tokens]
    places = [tokens.index(bytes(token)) for token in made.token_map.tokens[order]]
    return made.encodings, made.encodings.block_keys[places]


def test_a_key_is_the_start_of_an_hmac_of_its_parts(frame, keyed, secret):
    agreement = keyed()
    extract, keys = _keys(frame, agreement, secret)
    scope = KeyScope.of(agreement, extract.spec)
    sub_key = encoding_key(secret, scope, purpose="block-key", field="sound_year")
    digest = hmac.digest(sub_key, length_prefixed(b"S530", b"2001"), "sha256")
    assert keys[0, 0] == int.from_bytes(digest[:8], "big")


def test_records_that_agree_in_all_parts_have_one_key(frame, keyed, secret):
    _, keys = _keys(frame, keyed(), secret)
    sound_year, start_code = keys.T
    assert sound_year[0] == sound_year[1] != sound_year[2]
    assert start_code[0] == start_code[1] != start_code[2]
    assert start_code[2] == start_code[3]
    # No date; no sound; no given name; no code.
    assert (sound_year == 0).tolist() == [False, False, False, True, False, True]
    assert (start_code == 0).tolist() == [False, False, False, False, True, True]


def test_letters_of_other_scripts_have_the_sound_of_their_transliteration(frame, keyed, secret):
    frame = frame.assign(birth_date="2001-02-03")
    frame.loc[4, "surname"] = "Mariya"
    _, keys = _keys(frame, keyed({"sound": key(("surname", "soundex"), ("sex", "whole"))}), secret)
    assert keys[3, 0] == keys[4, 0] != 0


@pytest.mark.parametrize(
    ("by", "days"),
    [
        ("year", ("2001-02-03", "2001-12-31", "2002-02-03")),
        ("month", ("2001-02-03", "1990-02-28", "2001-03-03")),
        ("day", ("2001-02-03", "1990-12-03", "2001-02-04")),
        ("year_day", ("2001-02-03", "2001-12-03", "2001-02-04")),
        ("month_day", ("2001-02-03", "1999-02-03", "2001-02-04")),
        ("whole", ("2001-02-03", "2001-02-03", "2001-03-02")),
    ],
)
def test_parts_of_dates(by, days, frame, keyed, secret):
    frame = frame.iloc[:3].assign(birth_date=list(days))
    _, keys = _keys(frame, keyed({"date": key(("birth_date", by))}), secret)
    assert keys[0, 0] == keys[1, 0] != keys[2, 0]


def test_another_key_secret_agreement_or_epoch_gives_other_digests(frame, keyed_document, secret):
    parts = key(("surname", 2))
    twin = key(("surname", 2), ("sex", "whole"))
    document = keyed_document({"a": parts, "b": twin})
    changed = [document, {**document, "epoch": 2}, {**document, "id": "another-2026"}]
    found = [_keys(frame, Agreement.from_document(x), secret)[1] for x in changed]
    found.append(_keys(frame, Agreement.from_document(document), Secret.generate())[1])
    numbers = [set(keys[:, column].tolist()) - {0} for keys in found for column in (0, 1)]
    assert sum(map(len, numbers)) == len(set.union(*numbers))


def test_parts_are_not_taken_for_one_another(plain_agreement, keyed, secret):
    kinds = {"one": "text", "two": "text", "surname": "surname"}
    frame = pd.DataFrame(
        {"id": ["a", "b"], "one": ["ab", "a"], "two": ["c", "bc"], "surname": ["x y", "z z"]}
    )
    agreement = keyed({"k": key(("one", "whole"), ("two", "whole"))}, kinds={**kinds})
    _, keys = _keys(frame, agreement, secret)
    assert keys[0, 0] != keys[1, 0]


def test_a_digest_of_zero_is_one(frame, keyed, secret, monkeypatch):
    from linkkit.partner.encode import block_keys as module

    def zeros(key, data, bounds):
        return np.zeros((len(bounds) - 1, 32), dtype=np.uint8)

    monkeypatch.setattr(module, "hmac_sha256_many", zeros)
    _, keys = _keys(frame, keyed(), secret)
    assert set(keys[:, 0].tolist()) == {0, 1}


def test_some_rows_in_another_order(keyed, secret):
    agreement = keyed()
    spec = encoding_spec(agreement)
    fields = {
        "surname": pa.array(["ng", None, "lee", "lee"], pa.large_string()),
        "birth_date": pa.array(["20010203", "20010203", "19990101", "19991231"], pa.large_string()),
        "given_name": pa.array(["a", "b", "c", None], pa.large_string()),
        "postal_code": pa.array(["1", "2", "3", "4"], pa.large_string()),
    }
    scope = KeyScope.of(agreement, spec)
    rows = np.array([3, 0, 1])
    whole = block_keys(fields, secret, scope, spec)
    np.testing.assert_array_equal(block_keys(fields, secret, scope, spec, rows=rows), whole[rows])
    nobody = {name: column.slice(0, 0) for name, column in fields.items()}
    assert block_keys(nobody, secret, scope, spec).shape == (0, 2)
    none = {name: pa.nulls(2, pa.large_string()) for name in fields}
    assert not block_keys(none, secret, scope, spec).any()
    assert all((groups.codes == -1).all() for groups in key_groups(none, spec))


# --- files and pool ------------------------------------------------------------------------------


def test_keys_travel_in_the_file(frame, keyed, secret, tmp_path):
    agreement = keyed()
    extract, _ = _keys(frame, agreement, secret)
    path = extract.save(
        tmp_path / "north.encodings", agreement=agreement, identity=identity("north")
    )
    options = {"agreement": agreement, "identity": identity("linkage_unit")}
    loaded = EncodedExtract.load(path, **options)
    assert "5 filters, 2 blocking keys, profile 'field'" in repr(loaded)
    assert loaded.block_keys.dtype == np.uint64
    np.testing.assert_array_equal(loaded.block_keys, extract.block_keys)
    assert loaded.spec == extract.spec
    assert loaded.to_arrow().column_names[-2:] == ["key:sound_year", "key:start_code"]
    manifest = read_manifest(path)
    assert manifest.spec.keys == extract.spec.keys
    assert [part.by for part in manifest.spec.keys[0].parts] == ["soundex", "year"]
    assert {"key:sound_year", "key:start_code"} <= manifest.canaries.keys()


def test_without_keys_nothing_is_said_of_them(frame, keyed, secret):
    extract, keys = _keys(frame, keyed(None), secret)
    assert keys.shape == (6, 0)
    assert extract.block_keys.shape == (6, 0)
    assert "key" not in " ".join(extract.to_arrow().column_names)
    assert "keys" not in extract.spec.model_dump()
    assert not any(name.startswith("key:") for name in extract.canaries)
    assert "key:" not in extract.to_manifest(6).model_dump_json()


def test_keys_that_are_not_agreed_are_neither_saved_nor_opened(frame, keyed, secret, tmp_path):
    with_keys, without = keyed(), keyed(None)
    extract, _ = _keys(frame, with_keys, secret)
    told = dataclasses.replace(extract, agreement_fingerprint=without.fingerprint)
    options = {"agreement": without, "identity": identity("north")}
    with pytest.raises(
        NotAuthorizedError, match="blocking keys of 'north' are not those"
    ) as caught:
        told.save(tmp_path / "north.encodings", **options)
    assert caught.value.clause == "linkage.blocking_keys"
    assert "Agreed are: none" in caught.value.hint
    bare, _ = _keys(frame, without, secret)
    told = dataclasses.replace(bare, agreement_fingerprint=with_keys.fingerprint)
    with pytest.raises(NotAuthorizedError, match="not those of agreement"):
        told.save(tmp_path / "x", agreement=with_keys, identity=identity("north"))


def _without_a_column(table):
    return table.drop_columns(["key:sound_year"])


def _with_a_column(table):
    return table.append_column("key:more", table.column("key:sound_year"))


def _of_another_type(table):
    return table.set_column(
        len(table.column_names) - 1,
        "key:start_code",
        table.column("key:start_code").cast(pa.float64(), safe=False),
    )


def _with_a_gap(table):
    gap = pa.array([None, *range(1, len(table))], pa.uint64())
    return table.set_column(len(table.column_names) - 1, "key:start_code", gap)


@pytest.mark.parametrize(
    "damage", [_without_a_column, _with_a_column, _of_another_type, _with_a_gap]
)
def test_a_file_whose_keys_are_not_those_of_its_spec_is_refused(
    damage, frame, keyed, secret, tmp_path
):
    agreement = keyed()
    extract, _ = _keys(frame, agreement, secret)
    path = tmp_path / "north.encodings"
    save_table(
        path,
        damage(extract.to_table()),
        extract.to_manifest(len(extract)),
        agreement,
        identity("north"),
        recipient="linkage_unit",
    )
    options = {"agreement": agreement, "identity": identity("linkage_unit")}
    with pytest.raises(SealError, match="does not hold the columns that such a file has"):
        EncodedExtract.load(path, **options)
    with pytest.raises(SealError, match="does not hold the columns that such a file has"):
        list(EncodedExtract.load_batches(path, **options))


def test_keys_of_another_shape_are_refused(frame, keyed, secret):
    extract, _ = _keys(frame, keyed(), secret)
    for wrong in (
        extract.block_keys[:, :1],
        extract.block_keys[:3],
        extract.block_keys.astype(float),
    ):
        with pytest.raises(
            OptionError, match="the blocking keys of 'north' are no uint64 numbers, 2"
        ):
            dataclasses.replace(extract, block_keys=wrong)


def test_the_pool_has_keys_in_the_order_of_its_records(made_people, keyed, secret):
    agreement = keyed()
    frames = {"north": made_people(50, seed=1), "south": made_people(40, seed=2)}
    frames["south"].loc[:9, "surname"] = frames["north"]["surname"][:10]
    frames["south"].loc[:9, "birth_date"] = frames["north"]["birth_date"][:10]
    made = {name: _keys(frame, agreement, secret, name)[0] for name, frame in frames.items()}
    pool = make_pool([made["south"], made["north"]])
    assert pool.block_keys.shape == (90, 2)
    assert pool.block_keys.dtype == np.uint64
    by_token = {
        bytes(token): keys.tolist()
        for extract in made.values()
        for token, keys in zip(extract.tokens, extract.block_keys, strict=True)
    }
    assert [by_token[bytes(token)] for token in pool.tokens] == pool.block_keys.tolist()
    shared = set(made["north"].block_keys[:, 0].tolist()) & set(
        made["south"].block_keys[:, 0].tolist()
    )
    assert len(shared - {0}) >= 9
    assert len(link([made["north"], made["south"]]).pairs) >= 0


def test_the_pool_without_keys_has_no_column(made_people, keyed, secret):
    agreement = keyed(None)
    made = [
        _keys(made_people(5, seed=i), agreement, secret, name)[0]
        for i, name in enumerate(("north", "south"))
    ]
    assert make_pool(made).block_keys.shape == (10, 0)


def test_another_code_for_sounds_is_noticed_before_anything_is_compared(
    made_people, keyed, secret, monkeypatch
):
    from linkkit.partner.encode import block_keys as module

    agreement = keyed()
    north, _ = _keys(made_people(5, seed=1), agreement, secret, "north")
    monkeypatch.setattr(module, "sound_of", lambda value, **how: value[:1])
    south, _ = _keys(made_people(5, seed=2), agreement, secret, "south")
    with pytest.raises(MismatchError, match="make the blocking keys 'sound_year' differently"):
        link([north, south])


def test_specs_with_other_keys_differ(keyed):
    one, other = (encoding_spec(keyed(x)) for x in (KEYS, None))
    assert one.digest != other.digest
    assert spec_difference(one, other) == (
        "only one has blocking key 'sound_year'; only one has blocking key 'start_code'"
    )
    assert encoding_spec(keyed(dict(reversed(KEYS.items())))) == one
    backwards = one.model_copy(update={"keys": one.keys[::-1]})
    assert spec_difference(one, backwards) == "the order of their blocking keys"
    changed = encoding_spec(keyed({**KEYS, "start_code": key(("postal_code", 4))}))
    said = "blocking key 'start_code' is made of different parts"
    assert spec_difference(one, changed) == said


@pytest.mark.parametrize("by", ["soundex", "metaphone", "nysiis", "match_rating"])
def test_other_codes_of_sounds_are_another_spec(by, keyed, monkeypatch):
    agreement = keyed({"a": key(("surname", by), ("birth_date", "year"))})
    one = encoding_spec(agreement)
    sound, year = one.keys[0].parts
    assert len(sound.codes) == 32
    assert year.codes is None
    coder = phonetic._coder(by)
    monkeypatch.setattr(phonetic, "_coder", lambda by: lambda word: coder(word)[:1])
    phonetic.codes_digest.cache_clear()
    try:
        other = encoding_spec(agreement)
    finally:
        phonetic.codes_digest.cache_clear()
    assert one.digest != other.digest
    assert spec_difference(one, other) == (
        "blocking key 'a' has sounds coded differently, as another version of the package "
        "jellyfish does"
    )


# --- filters of clkhash --------------------------------------------------------------------------


FEATURES = ("given_name", "surname", "birth_date", "sex", "postal_code")


@pytest.fixture
def clk_document(keyed_document):
    def make(keys=KEYS, standardize="none"):
        document = keyed_document(keys, profile="clkhash")
        features = [
            {
                "identifier": name,
                "format": {"type": "string"},
                "hashing": {
                    "comparison": {"type": "ngram", "n": 2},
                    "strategy": {"bitsPerToken": 10},
                    "missingValue": {"sentinel": "", "replaceWith": ""},
                },
            }
            for name in FEATURES
        ]
        config = {"l": 1024, "kdf": {"type": "HKDF", "salt": "c2FsdA=="}}
        schema = {"version": 3, "clkConfig": config, "features": features}
        document["linkage"]["clkhash"] = {"linkage_schema": schema, "standardize": standardize}
        return document

    return make


@pytest.mark.parametrize("standardize", ["none", "linkkit"])
def test_filters_of_clkhash_have_keys_of_standard_forms(standardize, frame, clk_document):
    agreement = Agreement.from_document(clk_document(standardize=standardize))
    shared = ClkhashSecret(b"an existing secret of the tests")
    extract, keys = _keys(frame, agreement, shared)
    assert keys[0, 0] == keys[1, 0] != 0
    assert (keys[:, 1] == 0).tolist() == [False, False, False, False, True, True]
    assert {"key:sound_year", "key:start_code", "filter:clk"} <= extract.canaries.keys()
    again, _ = _keys(frame, agreement, shared, "south")
    assert make_pool([extract, again]).block_keys.shape == (12, 2)


def test_filters_that_were_made_elsewhere_have_no_keys(clk_document):
    agreement = Agreement.from_document(clk_document())
    secret = ClkhashSecret(b"an existing secret of the tests")
    with pytest.raises(OptionError, match="blocking keys, which are made of linkage fields"):
        extract_from_clks('{"clks": []}', agreement, secret, party="north")


# --- the preflight -------------------------------------------------------------------------------


def test_figures_of_groups_whose_sizes_are_known():
    codes = np.array([0] * 5 + [1] * 3 + [2] * 3 + [3, 4, -1, -1])
    found = key_exposure("a", "of this", codes)
    assert (found.n_records, found.n_groups, found.n_largest, found.n_alone) == (13, 5, 5, 2)
    assert found.share_largest == pytest.approx(5 / 13)
    assert found.share_alone == pytest.approx(2 / 13)
    assert found.share_without == pytest.approx(2 / 15)
    assert found.share_by_rank == pytest.approx(5 / 13)  # the one size that no other group has
    assert 5 / 13 * 0.5 < found.share_by_listed_rank < 1
    none = key_exposure("a", "of this", np.full(4, -1))
    assert (none.n_records, none.share_largest, none.share_without) == (0, 0.0, 1.0)


def test_groups_that_cross_tell_who_is_who():
    # A chain: 0-1 share a, 1-2 share b. The ends differ in which key they have with whom.
    a, b = np.array([0, 0, 1]), np.array([1, 0, 0])
    assert share_told_apart([a]) == pytest.approx(1 / 3)
    assert share_told_apart([a, b]) == 1.0
    everybody = np.zeros(5, dtype=np.int64)
    assert share_told_apart([everybody, np.arange(5)]) == 0.0
    assert share_told_apart([np.full(3, -1)]) == 0.0


def test_patterns_do_not_depend_on_names_or_order():
    rng = np.random.default_rng(3)
    keys = [rng.integers(-1, n, size=300) for n in (12, 40, 90)]
    order = rng.permutation(300)
    renamed = [
        np.where(codes < 0, -1, rng.permutation(codes.max() + 1)[codes])[order] for codes in keys
    ]
    np.testing.assert_array_equal(overlap_patterns(keys)[order], overlap_patterns(renamed))
    moved = [keys[0].copy(), *keys[1:]]
    moved[0][0] = (moved[0][0] + 1) % 12
    assert overlap_patterns(moved)[0] != overlap_patterns(keys)[0]


def test_a_preflight_says_what_keys_give_away(made_people, keyed):
    frame = made_people(400, seed=1)
    frame["surname"] = ["smith"] * 200 + ["jones"] * 100 + list(frame["surname"][300:])
    keys = {
        "a_sound": key(("surname", "soundex")),
        "b_year": key(("birth_date", "year")),
        "c_fine": key(("given_name", 3), ("postal_code", "whole")),
    }
    report = lk.preflight(frame, keyed(keys), party="north")
    assert [item.name for item in report.keys] == list(keys)
    assert report.keys[0].n_largest >= 200
    assert report.keys[0].made_of == "sound of surname (soundex)"
    found = {item.code: item for item in report.advice}
    assert found["blocking_keys"].severity == "warning"
    assert "let it guess frequent names" in found["blocking_keys"].message
    coarse = [item.message for item in report.advice if item.code == "coarse_key"]
    assert [("'a_sound'" in x, "'b_year'" in x, "'c_fine'" in x) for x in coarse] == [
        (True, False, False),
        (False, True, False),
    ]
    text = str(report)
    assert "BLOCKING KEYS" in text
    assert "first 3 characters of given_name + whole postal_code" in text
    assert "smith" not in text
    assert report.to_dict()["keys"][0]["n_groups"] == report.keys[0].n_groups


def test_a_preflight_without_keys_says_nothing_of_them(made_people, keyed):
    report = lk.preflight(made_people(100, seed=1), keyed(None), party="north")
    assert report.keys == ()
    assert "locking key" not in str(report).lower()


def test_a_preflight_tells_keys_that_nobody_has(made_people, keyed_document):
    document = keyed_document()
    document["parties"]["west"] = document["parties"]["south"]
    del document["parties"]["west"]["linkage_fields"]["postal_code"]
    document["parties"]["east"] = {**document["parties"]["north"], "name": "East"}
    agreement = Agreement.from_document(document)
    empty = made_people(100, seed=1).assign(postal_code="")
    for party, severity, words in (
        ("north", "warning", "Check the columns"),
        ("west", "note", "You do not bring 'postal_code'"),
    ):
        advice = {item.code: item for item in lk.preflight(empty, agreement, party=party).advice}
        assert advice["empty_key"].severity == severity
        assert advice["empty_key"].advice.startswith(words)


def test_jellyfish_is_loaded_when_it_is_used():
    assert importlib.util.find_spec("jellyfish")
    code = "import sys, linkkit, linkkit.partner; linkkit.encode; assert 'jellyfish' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
