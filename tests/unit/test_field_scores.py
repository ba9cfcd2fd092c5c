"""What the field route learns when it is hard: nobody shared, no model, labels, known strangers."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from linkkit.exchange import FilterSpec
from linkkit.linkage.classify import first_weights
from linkkit.linkage.classify.em import first_fit, usual_fit
from linkkit.linkage.classify.field_scores import NOBODY_SHARED, fit_fields, known_pairs
from linkkit.linkage.classify.label_fit import correction_by_labels
from linkkit.linkage.classify.model import Learner, Strangers
from linkkit.linkage.classify.priors import CLASSES, N_MATCHING
from linkkit.linkage.classify.score_oddity import gain_over_strangers, pattern_log_oddity
from linkkit.linkage.classify.scores import FrequencyTable
from linkkit.linkage.classify.unseen import Unseen, draw_unseen
from linkkit.linkage.compare import ComparedPairs
from linkkit.linkage.labels import LabelledPairs

KINDS = ("given_name", "surname", "date", "postal_code")
FILTERS = [FilterSpec(name=kind, kind=kind, n_bits=512, n_hashes=20) for kind in KINDS]
N = 400
OF_MATCHES = [
    [0.05, 0.03, 0.07, 0.85],
    [0.04, 0.02, 0.04, 0.9],
    [0.02, 0.01, 0.02, 0.95],
    [0.2, 0.02, 0.03, 0.75],
]
OF_OTHERS = [
    [0.95, 0.03, 0.01, 0.01],
    [0.955, 0.03, 0.01, 0.005],
    [0.9765, 0.02, 0.003, 0.0005],
    [0.89, 0.05, 0.01, 0.05],
]
FLOOR = 6.0


def drawn(n: int, shares: list[list[float]], rng: np.random.Generator) -> np.ndarray:
    return np.stack([rng.choice(np.arange(1, 5), size=n, p=p) for p in shares], axis=1)


def packed(levels: np.ndarray) -> np.ndarray:
    codes = np.zeros(len(levels), dtype=np.uint64)
    for f in range(levels.shape[1]):
        codes |= levels[:, f].astype(np.uint64) << np.uint64(3 * f)
    return codes


def two_parties(n_shared: int, *, seed: int = 1, strangers: bool = True) -> Any:
    """Return two clean parties of N people, all pairs compared, as what `fit_fields` takes."""
    rng = np.random.default_rng(seed)
    left, right = (x.ravel() for x in np.meshgrid(np.arange(N), N + np.arange(N), indexing="ij"))
    levels = drawn(N * N, OF_OTHERS, rng)
    match = (right - N == left) & (left < n_shared)
    levels[match] = drawn(int(match.sum()), OF_MATCHES, rng)
    codes = packed(levels)
    sample = codes[rng.integers(len(codes), size=50_000)]
    weights = first_weights(FILTERS, sample)
    total = sum(weights[f, levels[:, f]] for f in range(4))
    kept = np.flatnonzero(np.asarray(total) >= FLOOR)
    of_sample = np.asarray(
        sum(weights[f, (sample >> np.uint64(3 * f)).astype(int) & 7] for f in range(4))
    )
    within = drawn(N * (N - 1), OF_OTHERS, rng)
    alike = np.asarray(sum(weights[f, within[:, f]] for f in range(4))) >= FLOOR
    known = Strangers(
        codes=packed(within[alike]), n_pairs=len(within), sample=packed(within[:20_000])
    )
    learner = Learner.of(
        FILTERS, codes[kept], sample, n_pairs=N * N, is_candidate=of_sample >= FLOOR,
        unseen=draw_unseen(FILTERS, sample, weights=weights, floor=FLOOR),
        strangers=known if strangers else None,
    )  # fmt: skip
    pool: Any = SimpleNamespace(
        parties=("a", "b"), clean=np.ones(2, dtype=np.bool_),
        party=np.repeat([0, 1], N), party_sizes=lambda: np.array([N, N]),
    )  # fmt: skip
    pairs = ComparedPairs(left=left[kept], right=right[kept], codes=codes[kept])
    common = FrequencyTable(
        fields=np.zeros(0, dtype=np.int64),
        share=np.zeros((2 * N, 0), np.float32),
        alone=np.zeros(0, dtype=np.bool_),
    )
    return SimpleNamespace(
        pool=pool, pairs=pairs, learner=learner, frequencies=common, match=match[kept],
        n_matches=n_shared,
    )  # fmt: skip


def fitted(made: Any, **options: Any) -> Any:
    return fit_fields(
        made.pool, made.pairs, made.learner, made.frequencies,
        most_matches=N, room=np.empty, **options,
    )  # fmt: skip


@pytest.mark.parametrize("strangers", [True, False])
@pytest.mark.parametrize("n_shared", [N, N // 2, 20])
def test_matches_are_found_at_any_overlap(n_shared: int, *, strangers: bool) -> None:
    made = two_parties(n_shared, strangers=strangers)
    model, scored = fitted(made)
    linked = scored.probability > 0.5
    right = int((linked & made.match).sum())
    assert right / max(int(linked.sum()), 1) > 0.95
    assert right / n_shared > 0.8
    assert model.expected_matches == pytest.approx(n_shared, rel=0.1, abs=3)
    assert not model.warnings


@pytest.mark.parametrize("seed", range(5))
def test_nobody_shared_is_said_and_nobody_is_invented(seed: int) -> None:
    model, scored = fitted(two_parties(0, seed=seed))
    assert model.warnings == (NOBODY_SHARED,)
    assert not (scored.probability > 0.2).any()


def test_probabilities_are_shares() -> None:
    made = two_parties(N // 2)
    _, scored = fitted(made)
    assert scored.probability.sum() == pytest.approx(made.match.sum(), rel=0.05)
    doubtful = (scored.probability > 0.05) & (scored.probability < 0.95)
    expected, true = scored.probability[doubtful].sum(), made.match[doubtful].sum()
    assert abs(expected - true) < 3 * np.sqrt(doubtful.sum())


def test_what_is_never_a_candidate_is_counted() -> None:
    made = two_parties(N)
    model, _ = fitted(made)
    assert model.completeness == pytest.approx(made.match.sum() / N, abs=0.02)


def test_a_model_of_no_person_falls_back_to_what_is_usual() -> None:
    made = two_parties(N)
    evidence = made.learner.evidence
    # So many pairs agree in everything that each record would have 250 matches.
    crowd = np.where((evidence.levels == 4).all(axis=1), 1e5, evidence.counts)
    changed = replace(evidence, counts=crowd, n_pairs=400_000, strangers=0 * crowd, n_strangers=0)
    learner = replace(made.learner, evidence=changed)
    model, scored = fitted(SimpleNamespace(**{**vars(made), "learner": learner}))
    assert any("usual error rates" in text for text in model.warnings)
    assert np.isfinite(scored.weight).all()
    assert model.levels[0, :, 1:] == pytest.approx(evidence.prior[0])


def test_usual_weights_expect_no_more_matches_than_people() -> None:
    evidence = two_parties(N).learner.evidence
    fit = usual_fit(evidence, 50)
    assert fit.shares[:2].sum() * evidence.n_pairs <= 51


def labels_of(made: Any, rows: np.ndarray) -> LabelledPairs:
    rows = np.sort(rows)
    return LabelledPairs(
        left=made.pairs.left[rows], right=made.pairs.right[rows], same=made.match[rows]
    )


def test_labeled_pairs_get_their_label() -> None:
    made = two_parties(N // 2)
    _, before = fitted(made)
    doubtful = np.argsort(np.abs(before.probability - 0.5), kind="stable")[:30]
    labels = labels_of(made, doubtful)
    _, scored = fitted(made, labels=labels)
    rows = known_pairs(made.pairs, labels).rows
    assert (scored.probability[rows] > 0.5).tolist() == made.match[rows].tolist()


def test_labels_near_the_threshold_do_not_change_how_many_match() -> None:
    made = two_parties(N // 2)
    without, before = fitted(made)
    doubtful = np.argsort(np.abs(before.probability - 0.5), kind="stable")[:60]
    model, _ = fitted(made, labels=labels_of(made, doubtful))
    assert model.expected_matches == pytest.approx(without.expected_matches, rel=0.06)


def test_labels_correct_a_level_that_the_model_gets_wrong() -> None:
    rng = np.random.default_rng(2)
    levels = rng.integers(1, 5, size=(600, 3)).astype(np.int8)
    log_odds = rng.normal(size=600)
    truth = log_odds + np.where(levels[:, 1] == 4, 2.0, 0.0)
    same = rng.random(600) < 1 / (1 + np.exp(-truth))
    correction = correction_by_labels(levels, log_odds, same)
    assert correction[1, 4] - correction[1, 1:4].mean() == pytest.approx(2.0, abs=0.6)
    assert np.abs(correction[0, 1:] - correction[0, 1:].mean()).max() < 0.6


def test_few_labels_correct_little() -> None:
    levels = np.full((2, 3), 4, dtype=np.int8)
    correction = correction_by_labels(levels, np.zeros(2), np.array([True, False]))
    assert np.abs(correction).max() < 0.1
    assert not correction_by_labels(levels[:0], np.zeros(0), np.zeros(0, dtype=np.bool_)).any()


def test_a_label_that_is_all_but_impossible_corrects_nothing() -> None:
    levels = np.full((41, 3), 4, dtype=np.int8)
    same = np.arange(41) < 20
    log_odds = np.where(same, 3.0, -3.0)
    log_odds[-1] = 14.0  # and the label says that it is not the same
    correction = correction_by_labels(levels, log_odds, same)
    assert np.abs(correction).max() < 0.3


def test_labels_of_one_verdict_alone_correct_nothing() -> None:
    levels = np.full((30, 3), 4, dtype=np.int8)
    correction = correction_by_labels(levels, np.full(30, 2.0), np.zeros(30, dtype=np.bool_))
    assert not correction.any()


def test_known_strangers_show_what_hangs_together() -> None:
    """A name and a date that come together among strangers are no sign of one person."""
    rng = np.random.default_rng(3)
    cross, within = drawn(N * N, OF_OTHERS, rng), drawn(N * N, OF_OTHERS, rng)
    for levels in (cross, within):
        levels[:300, [0, 2]] = 4
    codes = packed(cross)
    is_candidate = (cross == 4).sum(axis=1) >= 2
    odd = (within == 4).sum(axis=1) >= 2

    def expected(strangers: Strangers | None) -> float:
        learner = Learner.of(
            FILTERS, codes[is_candidate], codes[::4], n_pairs=N * N,
            is_candidate=is_candidate[::4], strangers=strangers,
        )  # fmt: skip
        return learner.model(first_fit(learner.evidence)).expected_matches

    known = Strangers(codes=packed(within[odd]), n_pairs=N * N, sample=packed(within[:20_000]))
    assert expected(known) < 0.2 * expected(None)


def test_unseen_pairs_are_as_many_as_their_class_says() -> None:
    rng = np.random.default_rng(4)
    sample = packed(drawn(50_000, OF_OTHERS, rng))
    weights = first_weights(FILTERS, sample)
    unseen = draw_unseen(FILTERS, sample, weights=weights, floor=FLOOR)
    tables = np.array(OF_MATCHES)
    likelihood = np.prod([tables[f, unseen.levels[:, f] - 1] for f in range(4)], axis=0)
    levels = drawn(100_000, OF_MATCHES, rng)
    true = (np.asarray(sum(weights[f, levels[:, f]] for f in range(4))) < FLOOR).mean()
    assert unseen.counts(likelihood).sum() == pytest.approx(true, rel=0.15)
    assert len(Unseen.nothing(4).weight) == 0


def test_a_pair_that_meets_in_no_block_is_unseen() -> None:
    sample = packed(drawn(1_000, OF_OTHERS, np.random.default_rng(5)))
    weights = first_weights(FILTERS, sample)
    never = draw_unseen(
        FILTERS, sample, weights=weights, floor=FLOOR, found=lambda x: np.zeros(len(x))
    )
    assert never.counts(np.ones(len(never.weight))).sum() == pytest.approx(0.6)


def test_classes_of_matches_come_first() -> None:
    assert CLASSES[:N_MATCHING] == ("match", "moved", "misnamed")


def with_movers(n_movers: int) -> Any:
    """Return what is learned of 800 people who stayed, others who moved, and 200 pairs of namesakes."""
    kinds = ("given_name", "surname", "street_address", "phone")
    filters = [FilterSpec(name=kind, kind=kind, n_bits=512, n_hashes=20) for kind in kinds]
    rng = np.random.default_rng(8)
    of_others = [[0.985, 0.01, 0.004, 0.001]] * 4
    by_name = [OF_MATCHES[0], OF_MATCHES[1], *of_others[2:]]
    namesakes = [[0.0, 0.0, 0.02, 0.98]] * 2 + of_others[2:]
    stayed = drawn(800, [*OF_MATCHES[:2], OF_MATCHES[1], OF_MATCHES[1]], rng)
    found = np.concatenate([stayed, drawn(n_movers, by_name, rng), drawn(200, namesakes, rng)])
    sample = packed(drawn(50_000, of_others, rng))
    weights = first_weights(filters, sample)
    found = found[np.asarray(sum(weights[f, found[:, f]] for f in range(4))) >= FLOOR]
    known = Strangers(codes=packed(drawn(200, namesakes, rng)), n_pairs=4_000_000, sample=sample)
    learner = Learner.of(
        filters, packed(found), sample, n_pairs=4_000_000,
        is_candidate=np.zeros(len(sample), dtype=np.bool_), strangers=known,
        unseen=draw_unseen(filters, sample, weights=weights, floor=FLOOR),
    )  # fmt: skip
    fit = first_fit(learner.evidence)
    return {name: fit.shares[c] * 4_000_000 for c, name in enumerate(CLASSES)}


@pytest.mark.parametrize("n_movers", [0, 100, 300])
def test_more_namesakes_than_within_parties_have_moved(n_movers: int) -> None:
    n_of = with_movers(n_movers)
    assert 0.3 * n_movers < n_of["moved"] < n_movers + 20
    assert n_of["namesakes"] == pytest.approx(200, rel=0.15)


def test_strangers_of_a_kind_that_no_class_has_are_counted_by_how_alike_they_are() -> None:
    made = two_parties(N // 2)
    learner = made.learner
    fit = first_fit(learner.evidence)
    usual = pattern_log_oddity(learner.evidence, fit, learner.of_strangers)
    alike = np.flatnonzero((learner.evidence.levels >= 3).sum(axis=1) >= 3)
    # Sixty pairs of namesakes, of so many patterns that hardly any pattern shows it.
    more = learner.evidence.strangers.copy()
    np.add.at(more, np.resize(alike, 60), 1.0)
    odd = pattern_log_oddity(replace(learner.evidence, strangers=more), fit, learner.of_strangers)
    assert (usual >= 0).all()
    assert (odd[alike] > usual[alike] + 1.0).all()


def test_without_known_strangers_no_pattern_is_odd() -> None:
    learner = two_parties(20, strangers=False).learner
    fit = first_fit(learner.evidence)
    assert not pattern_log_oddity(learner.evidence, fit, learner.of_strangers).any()
    assert gain_over_strangers(learner.evidence, fit) == 0.0


def test_more_pairs_than_among_strangers_are_evidence() -> None:
    gains = [
        gain_over_strangers(made.learner.evidence, first_fit(made.learner.evidence))
        for made in (two_parties(0), two_parties(20), two_parties(N // 2))
    ]
    assert gains[0] < 6 < gains[1] < gains[2]
