"""Blocking keys: who agrees meets, under one secret, and what is missing meets nothing."""

from __future__ import annotations

import hmac

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.exchange import EncodingSpec, KeyField, KeySpec
from linkkit.partner.encode import hmacs
from linkkit.partner.encode.block_keys import block_keys, key_groups
from linkkit.partner.encode.phonetic import sound_of
from linkkit.partner.keys import KeyScope, Secret, encoding_key
from linkkit.partner.keys.derive import length_prefixed
from linkkit.partner.preflight.keys import overlap_patterns, share_told_apart

SOUNDS = ["soundex", "metaphone", "nysiis", "match_rating"]
DATES = {
    "year": lambda x: x[:4],
    "month": lambda x: x[4:6],
    "day": lambda x: x[6:],
    "year_day": lambda x: x[:4] + x[6:],
    "month_day": lambda x: x[4:],
    "whole": lambda x: x,
}
WORDS = st.lists(st.text("abeghnstz2", min_size=1, max_size=6), min_size=1, max_size=3)
NAMES = st.none() | WORDS.map(" ".join)
DAYS = st.none() | st.sampled_from(["20010203", "20011203", "19990203", "20010204", "19800101"])
RECORDS = st.lists(
    st.fixed_dictionaries({"name": NAMES, "given": NAMES, "born": DAYS}), max_size=30
)

NAME_PARTS = st.builds(
    KeyField,
    name=st.sampled_from(["name", "given"]),
    kind=st.sampled_from(["surname", "name"]),
    by=st.sampled_from([*SOUNDS, "whole"]) | st.integers(1, 16),
)
DATE_PARTS = st.builds(
    KeyField, name=st.just("born"), kind=st.just("date"), by=st.sampled_from([*DATES])
)
PARTS = st.lists(NAME_PARTS | DATE_PARTS, min_size=1, max_size=4).map(tuple)
SPECS = st.lists(PARTS, min_size=1, max_size=4).map(
    lambda keys: EncodingSpec(
        profile="field",
        encoding_version=1,
        standardization_version=2,
        keys=tuple(KeySpec(name=f"k{i}", parts=parts) for i, parts in enumerate(keys)),
    )
)
SECRETS = [Secret(bytes(range(i, i + 32))) for i in (1, 2)]


def columns(records):
    return {
        name: pa.array([record[name] for record in records], pa.large_string())
        for name in ("name", "given", "born")
    }


def part_reference(record, part):
    """The slow, obvious part of one value."""
    value = record[part.name]
    if value is None:
        return None
    if part.kind == "date":
        return DATES[part.by](value)
    if part.by in SOUNDS:
        return sound_of(value, by=part.by, kind=part.kind)
    return value if part.by == "whole" else value.replace(" ", "")[: part.by]


def key_reference(record, item, sub_key):
    parts = [part_reference(record, part) for part in item.parts]
    if any(part is None for part in parts):
        return 0
    digest = hmac.digest(sub_key, length_prefixed(*(part.encode() for part in parts)), "sha256")
    return int.from_bytes(digest[:8], "big") or 1


def scope_of(spec):
    return KeyScope(agreement_id="made-up", epoch=1, spec_digest=spec.digest)


@given(records=RECORDS, spec=SPECS)
@settings(deadline=None)
def test_keys_are_those_of_the_reference(records, spec):
    scope = scope_of(spec)
    keys = block_keys(columns(records), SECRETS[0], scope, spec)
    for column, item in enumerate(spec.keys):
        sub_key = encoding_key(SECRETS[0], scope, purpose="block-key", field=item.name)
        expected = [key_reference(record, item, sub_key) for record in records]
        assert keys[:, column].tolist() == expected


@given(records=RECORDS.filter(bool), others=RECORDS, spec=SPECS, data=st.data())
@settings(deadline=None)
def test_a_record_has_its_keys_in_whatever_company(records, others, spec, data):
    shuffled = data.draw(st.permutations([*records, *others]))
    scope = scope_of(spec)
    mine, theirs = (block_keys(columns(x), SECRETS[0], scope, spec) for x in (records, shuffled))
    for record, keys in zip(records, mine, strict=True):
        assert keys.tolist() == theirs[shuffled.index(record)].tolist()


@given(records=RECORDS, spec=SPECS)
@settings(deadline=None)
def test_no_two_secrets_and_no_two_keys_meet(records, spec):
    scope = scope_of(spec)
    one, other = (block_keys(columns(records), secret, scope, spec) for secret in SECRETS)
    np.testing.assert_array_equal(one == 0, other == 0)
    sets = [set(keys.tolist()) - {0} for found in (one, other) for keys in found.T]
    assert sum(map(len, sets)) == len(set().union(*sets))


@given(records=RECORDS, spec=SPECS)
@settings(deadline=None)
def test_groups_are_those_of_the_digests(records, spec):
    keys = block_keys(columns(records), SECRETS[0], scope_of(spec), spec)
    for column, groups in enumerate(key_groups(columns(records), spec)):
        np.testing.assert_array_equal(groups.codes == -1, keys[:, column] == 0)
        same = groups.codes[:, None] == groups.codes[None, :]
        np.testing.assert_array_equal(same, keys[:, None, column] == keys[None, :, column])


@given(records=RECORDS, spec=SPECS)
@settings(deadline=None, max_examples=25)
def test_compiled_or_not_the_keys_are_the_same(records, spec):
    scope, worth = scope_of(spec), hmacs._WORTH_COMPILED
    plain = block_keys(columns(records), SECRETS[0], scope, spec)
    try:
        hmacs._WORTH_COMPILED = 0
        compiled = block_keys(columns(records), SECRETS[0], scope, spec)
    finally:
        hmacs._WORTH_COMPILED = worth
    np.testing.assert_array_equal(plain, compiled)


CODES = st.integers(1, 25).flatmap(
    lambda n: st.lists(
        st.lists(st.integers(-1, 6), min_size=n, max_size=n).map(np.array), min_size=1, max_size=4
    )
)


@given(keys=CODES, seed=st.integers(0, 2**16))
def test_patterns_do_not_depend_on_the_names_of_groups_or_the_order_of_records(keys, seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(keys[0]))
    renamed = [np.append(rng.permutation(7), -1)[codes][order] for codes in keys]
    np.testing.assert_array_equal(overlap_patterns(keys)[order], overlap_patterns(renamed))


@given(keys=CODES)
def test_records_in_the_same_groups_are_not_told_apart(keys):
    twice = [np.repeat(codes, 2) for codes in keys]
    assert share_told_apart(twice) == 0
