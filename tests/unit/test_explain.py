"""Why two records are linked, or are not: parts of the weight, blocking, clusters."""

from __future__ import annotations

import re
import stat
from dataclasses import replace
from html import escape
from itertools import permutations
from math import factorial

import numpy as np
import pandas as pd
import pytest

from linkkit.agreement import Agreement
from linkkit.errors import OptionError, WrongStageError
from linkkit.linkage import PairLabels, link
from linkkit.linkage.block import keys as block_keys
from linkkit.linkage.block.keys import pairs_of_blocks, sorted_blocks
from linkkit.linkage.explain import bits_text, trace
from linkkit.linkage.explain.shapley import MOST_EXACT, shares
from linkkit.linkage.explain.trace import trace_pair
from linkkit.partner.encode import encode
from linkkit.report import explanation_page

# --- shares --------------------------------------------------------------------------------------


def shares_by_definition(worth, n):
    """Every order of the parts, one by one."""
    total = np.zeros(n)
    for order in permutations(range(n)):
        known = np.zeros((n + 1, n), dtype=bool)
        for step, part in enumerate(order):
            known[step + 1 :, part] = True
        gains = np.diff(worth(known))
        for step, part in enumerate(order):
            total[part] += gains[step]
    return total / factorial(n)


@pytest.mark.parametrize("n", [1, 2, 4, 6])
def test_shares_are_the_mean_over_all_orders(n):
    value = np.random.default_rng(n).normal(size=1 << n)

    def worth(known):
        return value[(known << np.arange(n)).sum(axis=1)]

    assert shares(worth, n) == pytest.approx(shares_by_definition(worth, n), abs=1e-12)


def test_of_many_parts_a_sample_of_orders_sums_to_the_whole_and_is_near():
    n = MOST_EXACT + 3
    rng = np.random.default_rng(0)
    alone, both = rng.normal(size=n), np.triu(rng.normal(size=(n, n)), 1)

    def worth(known):
        known = known.astype(float)
        return 5 + known @ alone + ((known @ both) * known).sum(axis=1)

    exact = alone + (both.sum(axis=0) + both.sum(axis=1)) / 2  # of pairs, each has half
    found = shares(worth, n)
    whole = worth(np.ones((1, n)))[0] - worth(np.zeros((1, n)))[0]
    assert found.sum() == pytest.approx(whole, abs=1e-9)
    # Each order and the same from behind: of two parts each is first once.
    assert found == pytest.approx(exact, abs=1e-9)
    assert found.tolist() == shares(worth, n).tolist()


def test_no_part_has_no_share():
    assert shares(lambda known: np.zeros(len(known)), 0).tolist() == []


# --- all routes ----------------------------------------------------------------------------------


def clk_document(document):
    def feature(name, n, bits, form=None):
        return {
            "identifier": name,
            "format": form or {"type": "string"},
            "hashing": {
                "comparison": {"type": "ngram", "n": n},
                "strategy": {"bitsPerToken": bits},
            },
        }

    date = {"type": "date", "format": "%Y-%m-%d"}
    features = [
        feature("given_name", 2, 20),
        feature("surname", 2, 20),
        feature("birth_date", 1, 20, date),
    ]
    kdf = {"type": "HKDF", "salt": "c2FsdA=="}
    config = {"l": 1024, "kdf": kdf}
    document["linkage"]["clkhash"] = {
        "standardize": "linkkit",
        "linkage_schema": {"version": 3, "clkConfig": config, "features": features},
    }
    for name in ("sex", "postal_code"):
        del document["linkage"]["fields"][name]
        for party in document["parties"].values():
            del party["linkage_fields"][name]


@pytest.fixture(scope="module")
def people(made_people):
    """Two files that share 80 people; some records are misspelled, and some lack a field."""
    base = made_people(160, seed=11)
    other = base.iloc[60:150].copy().reset_index(drop=True)
    other.loc[:14, "given_name"] = [name[::-1] for name in other.loc[:14, "given_name"]]
    other.loc[10:24, "postal_code"] = None
    # A twin of one who is in the other file.
    twin = other.iloc[[30]].assign(given_name="zebulon", id="twin")
    return {
        "north": base.iloc[:140].copy(),
        "south": pd.concat([other, twin], ignore_index=True),
    }


ROUTES = ("field", "field in blocks", "standard", "standard in tables", "clkhash", "clkhash dirty")


@pytest.fixture(scope="module", params=ROUTES)
def linked(request, people, plain_agreement, secret):
    """A linkage by each route."""
    profile, *how = request.param.split()
    clean = ("north",) if how == ["dirty"] else ("north", "south")
    document = plain_agreement(clean=clean).model_dump(mode="json", exclude_defaults=True)
    document["linkage"]["profile"] = profile
    if profile == "clkhash":
        clk_document(document)
    agreement = Agreement.from_document(document)
    extracts = [encode(people[p], agreement, secret, party=p).encodings for p in people]
    block = "blocks" if how and how[0] == "in" else "auto"
    return link(extracts, n_threads=1, block=block)


def some_pairs(linked, n=40):
    """Return candidate pairs of all weights, in frames with tokens."""
    pairs = linked.pairs.to_pandas().sort_values("match_weight", ignore_index=True)
    return pairs.iloc[np.unique(np.linspace(0, len(pairs) - 1, n).astype(int))]


def test_parts_sum_to_the_weight_of_the_pair(linked):
    for row in some_pairs(linked).itertuples():
        item = linked.explain(row.left_token, row.right_token)
        assert sum(part.bits for part in item.parts) == pytest.approx(row.match_weight, abs=1e-8)
        assert item.match_weight == row.match_weight
        assert item.probability == row.probability
        assert item.linked == row.linked
        assert item.is_candidate
        assert item.parts[0].kind == "prior"
        assert all(np.isfinite(part.bits) for part in item.parts)


def test_the_order_of_the_two_tokens_does_not_matter(linked):
    row = some_pairs(linked).iloc[-1]
    one = linked.explain(row.left_token, row.right_token)
    assert linked.explain(row.right_token, row.left_token.upper()) == one


def test_a_candidate_was_found_by_some_pass(linked):
    for row in some_pairs(linked).itertuples():
        item = linked.explain(row.left_token, row.right_token)
        assert any(trace.met for trace in item.found_by)
        assert all(trace.why for trace in item.found_by)


def test_who_was_no_candidate_is_explained_too(linked):
    pool = linked.pairs.pool
    found = set(
        zip(linked.pairs.scored.left.tolist(), linked.pairs.scored.right.tolist(), strict=True)
    )
    across = int(pool.party_starts()[1])
    left, right = next(
        (a, b)
        for a in range(across)
        for b in range(len(pool) - 1, across, -1)
        if (a, b) not in found
    )
    tokens = [pool.tokens[row].tobytes().hex() for row in (left, right)]
    item = linked.explain(*tokens)
    assert not item.is_candidate
    assert not item.linked
    assert item.why[0].startswith("it was no candidate: ")
    assert sum(part.bits for part in item.parts) == pytest.approx(item.match_weight, abs=1e-9)
    assert item.match_weight < 0
    assert "competition" not in {part.kind for part in item.parts}
    # What the linkage itself takes where a group brings the two together.
    assert item.probability == pytest.approx(1 / (1 + 2**-item.match_weight))


def test_what_is_linked_has_a_way_of_links(linked):
    rows = some_pairs(linked)
    for row in rows[rows.linked].itertuples():
        item = linked.explain(row.left_token, row.right_token)
        assert item.path[0].token == row.left_token
        assert item.path[-1].other_token == row.right_token
        for one, following in zip(item.path, item.path[1:], strict=False):
            assert one.other_token == following.token


def test_what_is_not_linked_has_a_reason(linked):
    rows = some_pairs(linked)
    for row in rows[~rows.linked].itertuples():
        item = linked.explain(row.left_token, row.right_token)
        assert item.path == ()
        if row.probability < linked.threshold:
            assert "is below the threshold" in item.why[0]
        else:
            assert re.search("holds each person once|mean weight", " ".join(item.why))


def test_a_frame_a_text_and_a_page_say_the_same(linked, tmp_path):
    row = some_pairs(linked).iloc[-1]
    item = linked.explain(row.left_token, row.right_token)
    frame = item.to_pandas()
    assert frame["bits"].tolist() == [part.bits for part in item.parts]
    assert frame["total"].iloc[-1] == pytest.approx(item.match_weight, abs=1e-8)
    text, piece = str(item), item._repr_html_()
    whole = explanation_page(item, tmp_path / "why.html").read_text(encoding="utf-8")
    for part in item.parts:
        for shown in (text, piece, whole):
            assert bits_text(part.bits) in shown
            assert "-0.00" not in shown
    assert item.headline in text
    assert piece.count("<svg") == whole.count("<svg") == len(item.parts) + 1
    assert "<link" not in whole
    assert "http" not in whole
    assert stat.S_IMODE((tmp_path / "why.html").stat().st_mode) == 0o600
    for item_met in item.found_by:
        assert escape(item_met.name) in whole
    assert repr(item) == (
        f"<PairExplanation: linked, {item.match_weight:.1f} bits in {len(item.parts)} parts>"
    )


def test_the_same_linkage_gives_the_same_explanation(linked):
    row = some_pairs(linked).iloc[0]
    one = linked.explain(row.left_token, row.right_token)
    assert linked.explain(row.left_token, row.right_token) == one


# --- what parts say ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def by_fields(people, plain_agreement, secret):
    agreement = plain_agreement()
    extracts = [encode(people[p], agreement, secret, party=p).encodings for p in people]
    return link(extracts, n_threads=1)


def part(item, kind, name):
    return next(x for x in item.parts if (x.kind, x.name) == (kind, name))


def test_a_missing_field_tells_nothing_and_levels_are_those_compared(by_fields):
    pairs = by_fields.pairs.to_pandas()
    row = pairs[pairs.linked & (pairs.postal_code == "missing")].iloc[0]
    item = by_fields.explain(row.left_token, row.right_token)
    assert part(item, "field", "postal_code").bits == 0
    assert part(item, "field", "postal_code").m is None
    for name in by_fields.model.fields:
        assert part(item, "field", name).level == row[name]


def test_m_and_u_are_those_of_the_model(by_fields):
    pairs = by_fields.pairs.to_pandas()
    row = pairs[pairs.surname == "equal"].iloc[0]
    told = next(x for x in by_fields.model.field_weights() if x.field == "surname")
    found = part(by_fields.explain(row.left_token, row.right_token), "field", "surname")
    assert (found.m, found.u) == (told.m[-1], told.u[-1])


def test_a_rare_name_counts_for_more_than_a_common_one(plain_agreement, secret, made_people):
    people = made_people(120, seed=5)
    people.loc[:59, "surname"] = "garcia"
    frames = {"north": people, "south": people.iloc[20:100]}
    agreement = plain_agreement()
    result = link(
        [encode(frames[p], agreement, secret, party=p).encodings for p in frames], n_threads=1
    )
    tokens = {
        p: encode(frames[p], agreement, secret, party=p).token_map.to_pandas() for p in frames
    }
    assert tokens["north"]["token"].nunique() == 120
    pairs = result.pairs.to_pandas()
    rows = pairs[pairs.linked & (pairs.surname == "equal")].itertuples()
    items = [result.explain(row.left_token, row.right_token) for row in rows]
    bits = [part(item, "frequency", "surname").bits for item in items]
    assert min(bits) < -0.5
    assert max(bits) > min(bits) + 1
    assert len(set(np.round(bits, 6))) >= 2


def test_competition_is_what_rivals_leave(people, plain_agreement, secret):
    document = plain_agreement().model_dump(mode="json", exclude_defaults=True)
    document["linkage"]["profile"] = "standard"
    agreement = Agreement.from_document(document)
    twice = pd.concat([people["south"], people["south"].head(5).assign(id=list("abcde"))])
    frames = {"north": people["north"], "south": twice}
    result = link(
        [encode(frames[p], agreement, secret, party=p).encodings for p in frames], n_threads=1
    )
    found = []
    for row in result.pairs.to_pandas().nlargest(120, "match_weight").itertuples():
        item = result.explain(row.left_token, row.right_token)
        last = item.parts[-1]
        if last.kind == "competition" and last.bits < -5 and row.probability < 0.9:
            found.append(last)
    # A record that is there twice: either copy takes the other's place.
    assert len(found) >= 5
    assert all(re.search(r"the best [0-9a-f]{32} with", x.note) for x in found)


# --- blocking ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def in_blocks(people, plain_agreement, secret):
    agreement = plain_agreement()
    extracts = [encode(people[p], agreement, secret, party=p).encodings for p in people]
    return link(extracts, n_threads=1, block="blocks")


def test_a_pass_says_the_same_of_every_pair_as_blocking_does(in_blocks):
    pool, plan = in_blocks.pairs.pool, in_blocks.plan
    met = {}
    for item in plan.passes:
        blocks = sorted_blocks(pool, plan.keys, item.columns, item.members)
        met[item.name] = {
            pair
            for left, right in pairs_of_blocks(pool, blocks)
            for pair in zip(left.tolist(), right.tolist(), strict=True)
        }
    rng = np.random.default_rng(0)
    n_north = int(pool.party_starts()[1])
    drawn = [(int(rng.integers(n_north)), int(rng.integers(n_north, len(pool)))) for _ in range(60)]
    every = sorted({pair for pairs in met.values() for pair in pairs})[::3] + drawn
    for left, right in every:
        said = {item.name: item.met for item in trace_pair(pool, plan, left, right)}
        assert said == {name: (left, right) in pairs for name, pairs in met.items()}


def test_what_a_pair_lacks_or_differs_in_is_named(in_blocks):
    pool = in_blocks.pairs.pool
    first = pool.tokens[0].tobytes().hex()
    # Whom the first of the north meets nowhere; its order follows from tokens, which are random.
    items = (in_blocks.explain(first, t.tobytes().hex()) for t in pool.tokens[pool.party == 1])
    item = next(item for item in items if not any(x.met for x in item.found_by))
    assert any(re.search("not equal: .*surname|missing: ", x.why) for x in item.found_by)
    assert item.why[0] == "it was no candidate: the two records met in no pass of blocking"


def test_a_block_that_is_too_large_is_named(in_blocks, monkeypatch):
    row = in_blocks.pairs.to_pandas().iloc[0]
    monkeypatch.setattr(trace, "BLOCK_LIMIT", 0)
    item = in_blocks.explain(row.left_token, row.right_token)
    assert any("too many records agree in that" in x.why for x in item.found_by)


def test_two_of_a_party_that_holds_each_person_once_never_meet(in_blocks):
    tokens = [t.tobytes().hex() for t in in_blocks.pairs.pool.tokens[:2]]
    item = in_blocks.explain(*tokens)
    assert item.why[0] == ("it was no candidate: both are of 'north', which holds each person once")


def test_records_that_were_set_aside_are_told(plain_agreement, secret, made_people):
    people = made_people(40, seed=2)
    same = pd.concat([people.head(1)] * (block_keys.MOST_ALIKE + 1), ignore_index=True)
    same["id"] = [f"copy{i}" for i in range(len(same))]
    frames = {"north": pd.concat([people, same], ignore_index=True), "south": people}
    agreement = plain_agreement()
    extracts = [encode(frames[p], agreement, secret, party=p).encodings for p in frames]
    result = link(extracts, n_threads=1)
    home = encode(frames["north"], agreement, secret, party="north").token_map.to_pandas()
    pool = result.pairs.pool
    # Tokens are random without a key, so that the copies are known by their equal filters.
    _, number, n = np.unique(
        pool.words[pool.party == 0], axis=0, return_inverse=True, return_counts=True
    )
    aside = int(np.flatnonzero(n[number.ravel()] > block_keys.MOST_ALIKE)[0])
    assert len(home) == len(frames["north"])
    item = result.explain(pool.tokens[aside].tobytes().hex(), pool.tokens[-1].tobytes().hex())
    assert "set aside, as more than 100 of its party are equal" in item.why[0]
    assert item.match_weight == pytest.approx(item.parts[0].bits)


# --- clusters ------------------------------------------------------------------------------------


def test_a_record_that_a_clean_party_has_already_is_named(by_fields):
    """One of north and one of south, each linked to another: both parties have them already."""
    pairs = by_fields.pairs.to_pandas()
    first, second = (row for _, row in pairs[pairs.linked].head(2).iterrows())
    item = by_fields.explain(first.left_token, second.right_token)
    assert not item.linked
    for party, one, other in (
        ("north", first.left_token, second.left_token),
        ("south", first.right_token, second.right_token),
    ):
        assert any(
            why.startswith(f"'{party}' holds each person once, and each of the two people has")
            and why.endswith(f"{one} and {other}")
            for why in item.why
        )


def test_a_label_is_a_reason_either_way(by_fields, people, plain_agreement, secret, token_key_of):
    agreement = plain_agreement()
    extracts = [
        encode(people[p], agreement, secret, party=p, token_key=token_key_of(p)).encodings
        for p in people
    ]
    plain = link(extracts, n_threads=1).pairs.to_pandas()
    on, off = plain[plain.linked].iloc[0], plain[~plain.linked].sort_values("match_weight").iloc[0]
    labels = PairLabels.of(
        [(on.left_token, on.right_token, False), (off.left_token, off.right_token, True)]
    )
    result = link(extracts, n_threads=1, labels=labels)
    apart = result.explain(on.left_token, on.right_token)
    assert not apart.linked
    assert "a label says that they are of different people" in apart.why
    joined = result.explain(off.left_token, off.right_token)
    assert joined.linked
    assert joined.why[0] == "a label says that they are one person's"
    assert joined.path[0].match_weight == np.inf
    # What a label adds is not called the work of other candidates.
    said = [part for item in (joined, apart) for part in item.parts if part.kind == "label"]
    assert said
    assert {part.note for part in said} <= {
        "somebody judged that they are one person",
        "somebody judged that they are two people",
    }


def test_records_are_linked_through_others(plain_agreement, secret, made_people):
    """A file whose records each agree with the next in most fields, and less with those beyond."""
    base = made_people(60, seed=9)
    chain = base.iloc[[0, 0, 0]].copy()
    chain["id"] = ["x", "y", "z"]
    chain["given_name"] = ["maximilian", "maximilian", "m"]
    chain["postal_code"] = ["11111", "22222", "22222"]
    dirty = pd.concat([base.iloc[1:], base.iloc[1:40].assign(id=lambda f: "d" + f["id"]), chain])
    agreement = plain_agreement(("north",), clean=())
    home = encode(dirty, agreement, secret, party="north")
    result = link([home.encodings], n_threads=1)
    pairs = result.pairs.to_pandas()
    token = home.token_map.to_pandas().set_index("record_id")["token"]
    people = result.crosswalk.to_pandas().set_index("token")["person_id"]
    x, y, z = (token[name] for name in "xyz")
    assert people[x] == people[y] == people[z]
    # Above the weight of the weakest of the three pairs there is only the way through the middle.
    direct = result.explain(x, z).match_weight
    others = [result.explain(x, y).match_weight, result.explain(y, z).match_weight]
    assert direct < min(others)
    strict = replace(result, threshold=float(1 / (1 + 2 ** -(direct + 0.01))))
    item = strict.explain(x, z)
    assert [step.other_token for step in item.path][-1] in {x, z}
    assert len(item.path) == 2
    assert any(
        "linked through other records; 3 records are this person's" in why for why in item.why
    )
    assert len(pairs)


# --- wrong tokens --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tokens", "problem"),
    [
        (("xyz", None), "the first token is no record token"),
        ((7, None), "the first token is no record token"),
        ((None, "00"), "the second token is no record token"),
        (("00" * 16, None), "the linkage has no record with the first token"),
        ((None, "00" * 16), "the linkage has no record with the second token"),
        ((None, None), "both tokens are of one record"),
    ],
)
def test_wrong_tokens_are_refused(by_fields, tokens, problem):
    real = by_fields.pairs.pool.tokens[0].tobytes().hex()
    with pytest.raises(OptionError, match=problem) as caught:
        by_fields.explain(*(real if token is None else token for token in tokens))
    assert caught.value.__context__ is None


# --- drawing -------------------------------------------------------------------------------------


def test_the_chart_draws_every_part_from_where_the_one_before_ended(by_fields):
    pytest.importorskip("matplotlib")
    from linkkit.report import plot_waterfall

    row = by_fields.pairs.to_pandas().nlargest(1, "match_weight").iloc[0]
    item = by_fields.explain(row.left_token, row.right_token)
    axes = plot_waterfall(item).axes[0]
    drawn = [x for x in item.parts if abs(x.bits) >= 0.005]
    bars = axes.patches
    assert [bar.get_width() for bar in bars[:-1]] == pytest.approx([x.bits for x in drawn])
    at = 0.0
    for bar in bars[:-1]:
        assert bar.get_x() == pytest.approx(at)
        at += bar.get_width()
    assert bars[-1].get_width() == pytest.approx(item.match_weight)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [*(x.label for x in drawn), "match weight"]
    assert row.left_token not in " ".join(names)


def test_a_page_is_made_of_an_explanation_only(tmp_path):
    with pytest.raises(WrongStageError, match="takes a PairExplanation, not str"):
        explanation_page("why", tmp_path / "why.html")
