"""Attacks: they have teeth where there is something to bite, and find nothing in random bits."""

from __future__ import annotations

import hmac

import numpy as np
import pytest

from linkkit.assess.attack import (
    AttackResult,
    PassView,
    Target,
    Truth,
    WeightedTokens,
    attack_encodings,
    dictionary,
    graph_matching,
    known_pairs,
    leakage,
    leakage_frame,
    n_parities,
    results_frame,
    wilson_interval,
)
from linkkit.assess.attack.evidence import bit_evidence, group_evidence
from linkkit.assess.attack.linear import unmixed_view
from linkkit.assess.attack.rounds import Known, certain_matches
from linkkit.assess.attack.similarity import kernels
from linkkit.errors import OptionError

N = 320
N_BITS = 512
N_TOKENS = 30


def people(seed=0, n=N):
    """Token sets: some tokens are common, as bigrams of names are."""
    rng = np.random.default_rng(seed)
    chances = 1 / np.arange(1, 501) ** 0.7
    chances /= chances.sum()
    sizes = rng.integers(N_TOKENS - 8, N_TOKENS + 8, n)
    return [np.sort(rng.choice(500, size, replace=False, p=chances)) for size in sizes]


def filters(sets, key, *, salts=None, n_hashes=12):
    bits = np.zeros((len(sets), N_BITS), dtype=np.uint8)
    for row, found in enumerate(sets):
        salt = b"" if salts is None else b"%d|" % salts[row]
        for token in found:
            digest = hmac.digest(key, salt + b"%d" % token, "sha256")
            bits[row, np.frombuffer(digest, dtype=np.uint16)[:n_hashes] % N_BITS] = 1
    return words_of(bits)


def words_of(bits):
    octets = np.packbits(bits, axis=1, bitorder="little")
    return np.ascontiguousarray(octets).view(np.uint64)


def diffused(words, key, t=2):
    bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")
    rng = np.random.default_rng(list(key))
    out = np.zeros((len(bits), 2 * N_BITS), dtype=np.uint8)
    for _ in range(t):
        out ^= bits[:, rng.integers(0, N_BITS, 2 * N_BITS)]
    return words_of(out)


def plain(sets, key):
    return Target(passes=(PassView(words=filters(sets, key)),))


def shuffled(n=N, seed=3):
    order = np.random.default_rng(seed).permutation(n)
    return order, Truth(pairs=np.column_stack([np.argsort(order), np.arange(n)]))


@pytest.fixture(scope="module")
def lists():
    sets = people()
    order, truth = shuffled()
    return [sets[i] for i in order], sets, truth


@pytest.fixture(scope="module")
def random_lists():
    rng = np.random.default_rng(1)
    sides = [rng.integers(0, 2**63, (N, 8), dtype=np.uint64) for _ in range(2)]
    return [Target(passes=(PassView(words=side),)) for side in sides]


def test_graph_matching_re_identifies_plain_filters(lists):
    target_sets, sets, truth = lists
    found = graph_matching(
        plain(target_sets, b"secret"),
        plain(sets, b"own"),
        truth,
        tokens=[sets],
        rehearsals=[plain(sets, b"%d" % i) for i in range(6)],
        n_rounds=20,
    )
    assert found.share >= 0.95
    assert found.interval[0] > 0.9
    assert found.guessing == pytest.approx(1 / N)


def test_known_pairs_re_identify_plain_filters(lists):
    target_sets, sets, truth = lists
    target, own = plain(target_sets, b"secret"), plain(sets, b"own")
    found = known_pairs(target, own, truth, n_known=50, tokens=[sets], n_rounds=5)
    assert found.share >= 0.95
    assert (found.n_known, found.n_overlap) == (50, N - 50)


def test_known_pairs_learn_diffused_bits_with_the_kernel_of_products(lists):
    target_sets, sets, truth = lists
    sides = [
        Target(passes=(PassView(words=diffused(filters(s, key), key)),))
        for s, key in ((target_sets, b"secret"), (sets, b"own"))
    ]
    assert kernels(sides[1], [sets], rng=np.random.default_rng(0))[0].n_xored == 2
    found = known_pairs(*sides, truth, n_known=240, tokens=[sets], n_rounds=2)
    assert found.share > 3 * found.guessing


def test_visible_groups_of_several_passes_re_identify_though_bits_are_random():
    rng = np.random.default_rng(5)
    order, truth = shuffled()
    own_groups = [rng.integers(0, 30, N), (rng.pareto(1, N) * 3).astype(np.int64) % 90]
    own_groups += [rng.integers(0, 40, N)]
    target = Target(
        passes=tuple(
            PassView(
                words=rng.integers(0, 2**63, (N, 8), dtype=np.uint64),
                groups=rng.permutation(1000)[g][order],
            )
            for g in own_groups
        )
    )
    own = Target(
        passes=tuple(
            PassView(words=rng.integers(0, 2**63, (N, 8), dtype=np.uint64), groups=g)
            for g in own_groups
        )
    )
    assert graph_matching(target, own, truth, n_rounds=2).share > 0.9


@pytest.mark.parametrize("attack", ["graph", "known"])
def test_random_bits_give_no_more_than_guessing(random_lists, attack):
    _, truth = shuffled()
    if attack == "graph":
        found = graph_matching(*random_lists, truth, n_rounds=3)
    else:
        found = known_pairs(*random_lists, truth, n_known=50, n_rounds=3)
    assert found.share < 0.03
    assert found.interval[0] < found.guessing * 3


def test_a_dictionary_under_the_key_finds_everybody(lists):
    target_sets, sets, truth = lists
    found = dictionary(plain(target_sets, b"secret"), plain(sets, b"secret"), truth)
    assert found.share == 1


def test_the_same_seed_gives_the_same_result(random_lists):
    _, truth = shuffled()
    one, other = (
        known_pairs(*random_lists, truth, n_known=20, n_rounds=2, seed=4) for _ in range(2)
    )
    assert one.share_by_round == other.share_by_round


def test_all_attacks_in_one_call(random_lists):
    _, truth = shuffled()
    few = Truth(pairs=truth.pairs[:60])
    found = attack_encodings(
        *random_lists, few, n_known=(50, 200), under_key=random_lists[1], seed=2
    )
    assert [x.attack for x in found] == [
        "graph matching",
        "50 known pairs",
        "dictionary with the key",
    ]
    frame = results_frame(found)
    assert list(frame["n_overlap"]) == [60, 10, 60]
    assert isinstance(found[0], AttackResult)
    assert len(found[0].as_frame()) == 1
    assert "re-identified" in str(found[0])


def test_leakage_sees_the_number_of_tokens_in_plain_filters_and_not_in_random_bits(
    lists, random_lists
):
    target_sets, _, _ = lists
    (told,) = leakage(plain(target_sets, b"secret"), [target_sets])
    assert told.popcount_rank_correlation > 0.8
    assert told.ratio_to_random > 2
    (silent,) = leakage(random_lists[0], [target_sets])
    assert abs(silent.popcount_rank_correlation) < 0.2
    assert 0.7 < silent.ratio_to_random < 1.4
    assert len(leakage_frame([told, silent])) == 2


def test_a_single_match_teaches_nothing_of_itself():
    rng = np.random.default_rng(0)
    bits = rng.choice(np.array([-1, 1], dtype=np.float32), (2, 64))
    weights = np.array([[1, 0], [0, 0]], dtype=np.float32)
    kernel = np.eye(2, dtype=np.float32)
    found = bit_evidence(bits, np.array([True, True]), kernel, weights)
    assert found == pytest.approx(np.zeros((2, 2)), abs=1e-4)


def test_votes_name_a_group_for_the_others_in_it():
    groups = np.array([0, 0, 0, 1, 1, -1])
    weights = np.zeros((6, 6), dtype=np.float32)
    weights[[0, 1], [0, 1]] = 1
    found = group_evidence(groups, groups, weights)
    assert found[2, 2] > 0
    assert found[2, 3] < 0
    assert (found[5] == 0).all()
    assert (found[:, 5] == 0).all()


def test_wilson_interval_holds_for_none_all_and_no_trials():
    assert wilson_interval(0, 0) == (0, 1)
    assert wilson_interval(10, 10)[1] == pytest.approx(1)
    low, high = wilson_interval(5, 10)
    assert (round(low, 3), round(high, 3)) == (0.237, 0.763)


WORDS = np.zeros((4, 2), dtype=np.uint64)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PassView(words=WORDS.astype(np.int64)), "uint64 of shape"),
        (lambda: PassView(words=WORDS, groups=np.zeros(3, dtype=np.int64)), "one value for each"),
        (lambda: PassView(words=WORDS, groups=np.full(4, -2)), "-1 stands for no group"),
        (lambda: Target(passes=()), "at least one pass"),
        (
            lambda: Target(passes=(PassView(words=WORDS), PassView(words=WORDS[:3]))),
            "the same records",
        ),
        (lambda: Truth(pairs=np.zeros((0, 2), dtype=np.int64)), "one or more pairs"),
        (lambda: Truth(pairs=np.array([[0, 0], [0, 1]])), "at most once"),
    ],
)
def test_what_is_no_target_is_refused(make, message):
    with pytest.raises(OptionError, match=message):
        make()


FOUR = Target(passes=(PassView(words=WORDS),))
WIDE = Target(passes=(PassView(words=np.zeros((4, 3), dtype=np.uint64)),))
THREE = Target(passes=(PassView(words=WORDS[:3]),))
TRUE = Truth(pairs=np.array([[0, 0], [1, 1]]))
SETS = [[np.arange(2)] * 4]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: graph_matching(FOUR, WIDE, TRUE), "differ in their passes or widths"),
        (
            lambda: graph_matching(FOUR, FOUR, Truth(pairs=np.array([[0, 9]]))),
            "points outside the lists",
        ),
        (lambda: graph_matching(FOUR, FOUR, TRUE, n_rounds=0), "0 rounds"),
        (lambda: graph_matching(FOUR, FOUR, TRUE, rehearsals=[THREE]), "in its order"),
        (lambda: graph_matching(FOUR, FOUR, TRUE, tokens=SETS * 2), "once for all passes"),
        (lambda: graph_matching(FOUR, FOUR, TRUE, tokens=[SETS[0][:2]]), "for each record"),
        (lambda: known_pairs(FOUR, FOUR, TRUE, n_known=2), "somebody must be left"),
        (lambda: known_pairs(FOUR, FOUR, TRUE, n_known=0), "at least 1"),
        (lambda: dictionary(FOUR, WIDE, TRUE), "differ in their passes"),
        (lambda: leakage(FOUR, SETS), "at least 20"),
        (lambda: leakage(FOUR, [SETS[0][:1]]), "for each record"),
    ],
)
def test_lists_that_do_not_go_together_are_refused(call, message):
    with pytest.raises(OptionError, match=message) as caught:
        call()
    assert caught.value.code == "option"


def mixed(hidden, key, *, t=3, n_bits=256):
    """XOR of t hidden bits each, chosen under the key."""
    rng = np.random.default_rng(list(key))
    chosen = np.array([rng.choice(hidden.shape[1], t, replace=False) for _ in range(n_bits)])
    return np.bitwise_xor.reduce(hidden[:, chosen], axis=2)


def hidden_bits(n=400, width=128, seed=0):
    return np.random.default_rng(seed).integers(0, 2, (n, width), dtype=np.uint8)


def test_bits_mixed_from_fewer_hidden_bits_are_unmixed_without_a_key():
    hidden = hidden_bits()
    view = PassView(words=words_of(mixed(hidden, b"secret")))
    assert n_parities(view) >= 128
    found = unmixed_view(view, rng=np.random.default_rng(0))
    bits = found.bits()
    same = (bits[:, :, None] == hidden[:, None, :]).mean(axis=0)
    assert found.present.all()
    # Each found bit is a hidden one, apart from some that are the XOR of two.
    assert (same == 1).any(axis=1).mean() > 0.75


def test_records_that_were_not_mixed_alike_show_when_the_others_are_unmixed():
    bits = mixed(hidden_bits(), b"secret", t=2)
    bits[:40] = hidden_bits(n=40, width=256, seed=1)
    found = unmixed_view(PassView(words=words_of(bits)), rng=np.random.default_rng(0))
    assert not found.present[:40].any()
    assert found.present[40:].all()


@pytest.mark.parametrize(
    "bits",
    [
        mixed(hidden_bits(width=1024), b"secret"),
        hidden_bits(width=256),
        mixed(hidden_bits(n=100), b"secret"),
        np.repeat(hidden_bits(n=20, width=256), 20, axis=0),
    ],
    ids=["wide hidden filter", "not mixed", "few records", "few different records"],
)
def test_what_is_not_mixed_from_fewer_bits_is_left_alone(bits):
    view = PassView(words=words_of(bits))
    assert not n_parities(view)
    assert unmixed_view(view, rng=np.random.default_rng(0)) is None


def test_a_narrow_diffused_filter_is_as_weak_as_a_plain_one(lists):
    target_sets, sets, truth = lists
    sides = [
        Target(
            passes=(PassView(words=words_of(mixed(bits, key, n_bits=512))),),
        )
        for bits, key in ((narrow(target_sets, b"secret"), b"secret"), (narrow(sets, b"o"), b"o"))
    ]
    found = known_pairs(*sides, truth, n_known=80, tokens=[sets], n_rounds=3)
    assert found.n_unmixed == 1
    assert found.share > 0.9


def narrow(sets, key):
    """Plain filters of 192 bits."""
    bits = np.unpackbits(filters(sets, key, n_hashes=12).view(np.uint8), axis=1, bitorder="little")
    return bits[:, :192]


def test_a_hidden_filter_as_wide_as_its_use_gives_no_parity():
    sets = people()
    bits = np.unpackbits(filters(sets, b"k").view(np.uint8), axis=1, bitorder="little")
    chosen = np.random.default_rng(0).permutation(N_BITS)[: 3 * 128].reshape(128, 3)
    view = PassView(words=words_of(np.bitwise_xor.reduce(bits[:, chosen], axis=2)))
    assert n_parities(view) == 0


def test_tokens_that_set_more_bits_weigh_more_in_the_kernel():
    sets = people()
    weights = np.where(np.arange(500) < 20, 4.0, 1.0)
    bits = np.zeros((N, N_BITS), dtype=np.uint8)
    for row, found in enumerate(sets):
        for token in found:
            digest = hmac.digest(b"k", b"%d" % token, "sha256") * 2
            n_hashes = int(8 * weights[token])
            places = np.random.default_rng(list(digest)).integers(0, N_BITS, n_hashes)
            bits[row, places] = 1
    own = Target(passes=(PassView(words=words_of(bits)),))
    weighted = WeightedTokens(sets=sets, weights=weights)
    rng = np.random.default_rng(0)
    measured = kernels(own, None, rng=rng)[0].values
    error = [
        np.abs(kernels(own, [tokens], rng=rng)[0].values - measured).mean()
        for tokens in (weighted, sets)
    ]
    assert kernels(own, [weighted], rng=rng)[0].n_xored == 1
    # Where tokens do not explain the encodings, these serve as the kernel themselves.
    assert kernels(own, [sets], rng=rng)[0].n_xored == 0
    assert 0 < error[0] < 0.05
    assert (len(weighted), repr(weighted)) == (N, f"<WeightedTokens: {N} records, 500 tokens>")


def test_certain_matches_are_mutual_and_leave_the_known_alone():
    values = np.array([[9, 0, 0], [8, 7, 0], [0, 0, 0.1]], dtype=np.float32)
    known = Known(of_target=np.array([2]), of_own=np.array([2]))
    found = certain_matches(values, known)
    assert (found[2] == 0).all()
    assert (found[:, 2] == 0).all()
    assert found[0, 0] > 0.7
    assert found[1].max() == 0


def test_a_match_speaks_neither_for_itself_nor_for_its_relatives():
    rng = np.random.default_rng(0)
    kernel = np.array([[1, 0.6, 0], [0.6, 1, 0], [0, 0, 1]], dtype=np.float32)
    bits = rng.choice(np.array([-1, 1], dtype=np.float32), (3, 512))
    weights = np.zeros((3, 3), dtype=np.float32)
    weights[0, 0] = 1
    found = bit_evidence(bits, np.ones(3, dtype=bool), kernel, weights)
    # Record 0 taught what is expected of person 1, who is like person 0.
    # Left in, it would speak for person 1 with some 200.
    assert found[0, 1] < 30
    assert found[0, 0] == pytest.approx(0, abs=1e-3)


def test_groups_alone_or_bits_alone_can_be_judged(lists):
    target_sets, sets, truth = lists
    target, own = plain(target_sets, b"secret"), plain(sets, b"own")
    with pytest.raises(OptionError, match="no pass of the target shows groups"):
        known_pairs(target, own, truth, n_known=50, only="groups")
    groups = np.arange(N) % 40
    order = truth.pairs[np.argsort(truth.pairs[:, 0]), 1]
    seen, mine = (
        Target(passes=(PassView(words=side.passes[0].words, groups=g),))
        for side, g in ((target, groups[order]), (own, groups))
    )
    found = known_pairs(seen, mine, truth, n_known=80, only="groups", n_rounds=1)
    bits = known_pairs(seen, mine, truth, n_known=80, only="bits", n_rounds=1)
    assert 2 * found.guessing < found.share < 0.4
    assert bits.n_right != found.n_right
