"""Classification: the model learns from pairs nobody labeled, and says what it learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest

from linkkit.agreement import FieldKind
from linkkit.exchange import FilterSpec
from linkkit.linkage import LinkResult
from linkkit.linkage.classify import MatchModel, first_weights, fit_model, score_pairs
from linkkit.linkage.classify.priors import (
    CLASSES,
    N_MATCHING,
    expected_levels,
    names_at_once,
    of_unknown_use,
)
from linkkit.linkage.classify.scores import FrequencyTable, frequency_table
from linkkit.linkage.compare import LEVELS, N_LEVELS, ComparedPairs
from linkkit.linkage.pool import Pool

KINDS = ("given_name", "surname", "date", "postal_code", "phone")
FILTERS = [FilterSpec(name=kind, kind=kind, n_bits=512, n_hashes=20) for kind in KINDS]
EQUAL, DISAGREE = LEVELS.index("equal"), LEVELS.index("disagree")
N_PAIRS, N_MATCHES = 200_000, 800


def packed(levels: np.ndarray) -> np.ndarray:
    codes = np.zeros(len(levels), dtype=np.uint64)
    for f in range(levels.shape[1]):
        codes |= levels[:, f].astype(np.uint64) << np.uint64(3 * f)
    return codes


def drawn(n: int, shares: list[list[float]], rng: np.random.Generator) -> np.ndarray:
    """Draw levels whose shares, from "disagree" to "equal", are given for each field."""
    columns = [rng.choice(np.arange(DISAGREE, EQUAL + 1), size=n, p=p) for p in shares]
    return np.stack(columns, axis=1)


# Misses of the same person come with near misses, as typing errors and nicknames do.
OF_MATCHES = [
    [0.06, 0.02, 0.07, 0.85],
    [0.04, 0.02, 0.04, 0.90],
    [0.01, 0.01, 0.02, 0.96],
    [0.14, 0.02, 0.04, 0.80],
    [0.24, 0.02, 0.04, 0.70],
]
OF_OTHERS = [
    [0.95, 0.03, 0.01, 0.01],
    [0.955, 0.03, 0.01, 0.005],
    [0.9765, 0.02, 0.003, 0.0005],
    [0.89, 0.05, 0.01, 0.05],
    [0.9658, 0.03, 0.004, 0.0002],
]


@pytest.fixture(scope="module")
def fitted() -> MatchModel:
    """A model of pairs whose m and u probabilities are known."""
    rng = np.random.default_rng(3)
    matches = drawn(N_MATCHES, OF_MATCHES, rng)
    others = drawn(N_PAIRS - N_MATCHES, OF_OTHERS, rng)
    every = np.concatenate([matches, others])
    is_candidate = (every == EQUAL).sum(axis=1) >= 2
    sample = rng.integers(0, N_PAIRS, size=100_000)
    return fit_model(
        FILTERS, packed(every[is_candidate]), packed(every[sample]),
        n_pairs=N_PAIRS, is_candidate=is_candidate[sample],
    )  # fmt: skip


def test_em_comes_to_rest(fitted: MatchModel) -> None:
    assert fitted.converged
    assert fitted.n_rounds > 1


def test_em_finds_how_many_pairs_match(fitted: MatchModel) -> None:
    assert 0.95 * N_MATCHES < fitted.expected_matches < 1.05 * N_MATCHES


def test_em_finds_how_often_matches_agree(fitted: MatchModel) -> None:
    m = np.array([weights.m for weights in fitted.field_weights()])
    assert m == pytest.approx(np.array(OF_MATCHES), abs=0.05)


def test_em_finds_how_often_others_agree(fitted: MatchModel) -> None:
    u = np.array([weights.u for weights in fitted.field_weights()])
    assert u == pytest.approx(np.array(OF_OTHERS), rel=0.3, abs=0.0003)


def test_given_names_that_disagree_without_near_misses_are_of_others() -> None:
    rng = np.random.default_rng(4)
    same = [[0.0, 0.0, 0.05, 0.95], *OF_MATCHES[1:]]
    siblings = [OF_OTHERS[0], *OF_MATCHES[1:]]
    levels = np.concatenate([drawn(1000, same, rng), drawn(500, siblings, rng)])
    model = fit_model(
        FILTERS, packed(levels), packed(drawn(50_000, OF_OTHERS, rng)),
        n_pairs=N_PAIRS, is_candidate=np.zeros(50_000, dtype=np.bool_),
    )  # fmt: skip
    assert model.field_weights()[0].m[0] < 0.1
    assert model.expected_matches < 1150


def test_agreement_weighs_for_and_disagreement_against_a_match(fitted: MatchModel) -> None:
    for weights in fitted.field_weights():
        assert weights.weight[-1] > 0 > weights.weight[0]
        assert weights.levels == LEVELS[1:]


def test_tables_are_probabilities(fitted: MatchModel) -> None:
    assert fitted.shares.sum() == pytest.approx(1)
    assert (fitted.shares > 0).all()
    assert fitted.levels[:, :, 1:].sum(axis=2) == pytest.approx(1)
    assert (fitted.levels[:, :, 0] == 1).all()


def test_the_model_shows_no_more_than_counts(fitted: MatchModel) -> None:
    assert repr(fitted).startswith("<MatchModel: 5 fields, ")


def scored(model: MatchModel, levels: list[int], share: float = 0.01) -> float:
    frequencies = FrequencyTable(
        fields=np.array([0]),
        share=np.full((2, 1), share, dtype=np.float32),
        alone=np.ones(1, dtype=np.bool_),
    )
    one = np.zeros(1, dtype=np.int64)
    pairs = ComparedPairs(left=one, right=one + 1, codes=packed(np.array([levels])))
    return float(score_pairs(pairs, model, frequencies).weight[0])


def test_missing_tells_nothing(fitted: MatchModel) -> None:
    prior = np.log2(fitted.shares[:N_MATCHING].sum() / fitted.shares[N_MATCHING:].sum())
    assert scored(fitted, [0] * 5) == pytest.approx(prior)


def test_a_rare_name_counts_for_more_than_a_common_one(fitted: MatchModel) -> None:
    rare, common = (scored(fitted, [EQUAL, 0, EQUAL, 0, 0], share) for share in (0.0001, 0.05))
    assert rare > common


def test_more_agreement_is_more_probable(fitted: MatchModel) -> None:
    weights = [scored(fitted, [EQUAL] * n + [DISAGREE] * (5 - n)) for n in range(6)]
    assert weights == sorted(weights)


def test_probability_and_weight_say_the_same(linked_town: LinkResult) -> None:
    pairs = linked_town.pairs.scored
    assert pairs.probability == pytest.approx(1 / (1 + np.exp2(-pairs.weight)), abs=1e-9)
    assert ((pairs.probability >= 0) & (pairs.probability <= 1)).all()


@pytest.mark.parametrize("n_candidates", [0, 1])
def test_few_or_no_candidates_fit_without_a_warning(n_candidates: int) -> None:
    codes = packed(np.full((n_candidates, 5), EQUAL))
    sample = packed(np.full((100 * (1 - n_candidates), 5), DISAGREE))
    model = fit_model(
        FILTERS, codes, sample,
        n_pairs=max(n_candidates, 1), is_candidate=np.zeros(len(sample), dtype=np.bool_),
    )  # fmt: skip
    assert np.isfinite(model.shares).all()


def test_first_weights_need_no_sample() -> None:
    weights = first_weights(FILTERS, np.zeros(0, dtype=np.uint64))
    assert np.isfinite(weights).all()
    assert (weights[:, 0] == 0).all()
    assert weights.shape == (5, N_LEVELS)


@pytest.mark.parametrize("kind", get_args(FieldKind))
@pytest.mark.parametrize("pair_class", CLASSES)
def test_every_kind_of_field_has_expectations_of_every_class(kind: str, pair_class: str) -> None:
    unrelated = np.array([0.9, 0.05, 0.03, 0.02])
    levels = expected_levels(kind, pair_class, unrelated)
    assert levels.sum() == pytest.approx(1)
    assert (levels > 0).all()


def test_a_district_is_shared_at_home_and_an_initial_is_not() -> None:
    """Six people of one address agree in all that hangs on it, whatever kind those fields are of."""
    kinds: list[FieldKind] = ["given_name", "surname", "date", "postal_code", "text", "text"]
    filters = [
        FilterSpec(name=f"f{i}", kind=k, n_bits=512, n_hashes=20) for i, k in enumerate(kinds)
    ]
    rng = np.random.default_rng(3)

    def alike(n: int, equal: list[float]) -> np.ndarray:
        return np.where(rng.random((n, len(equal))) < equal, EQUAL, DISAGREE).astype(np.int8)

    matches = alike(400, [0.9, 0.9, 0.93, 0.9, 0.9, 0.9])
    families = alike(3_000, [0.02, 0.9, 0.001, 0.97, 0.97, 0.05])
    others = alike(60_000, [0.02, 0.01, 0.001, 0.01, 0.01, 0.05])
    codes = packed(np.concatenate([matches, families]))
    model = fit_model(
        filters, codes, packed(others),
        n_pairs=1_000_000, is_candidate=np.zeros(len(others), dtype=np.bool_),
    )  # fmt: skip
    assert model.expected_matches == pytest.approx(400, rel=0.1)
    household = model.levels[CLASSES.index("household"), :, EQUAL]
    assert household[4] > 0.9
    assert household[5] < 0.15


def test_a_second_name_may_be_of_the_home() -> None:
    assert of_unknown_use(["name", "given_name", "date", "text", "number"]).tolist() == [
        False, True, False, True, True,
    ]  # fmt: skip


@pytest.mark.parametrize("kinds", [KINDS, KINDS[:4]])
def test_a_phone_that_a_family_keeps_is_no_proof_after_one_of_them_moved(
    kinds: tuple[FieldKind, ...],
) -> None:
    filters = FILTERS[: len(kinds)]
    rng = np.random.default_rng(9)
    matches = drawn(400, OF_MATCHES[: len(kinds)], rng)
    others = drawn(60_000, OF_OTHERS[: len(kinds)], rng)
    apart = drawn(400, OF_OTHERS[: len(kinds)], rng)
    for f, kind in enumerate(kinds):
        if kind in ("surname", "phone"):
            apart[:, f] = np.where(rng.random(400) < 0.9, EQUAL, DISAGREE)
    codes = packed(np.concatenate([matches, apart]))
    model = fit_model(
        filters, codes, packed(others),
        n_pairs=4_000_000, is_candidate=np.zeros(len(others), dtype=np.bool_),
    )  # fmt: skip
    n_relatives = model.shares[CLASSES.index("relatives")] * model.n_pairs
    if "phone" not in kinds:
        assert n_relatives < 1
        return
    assert n_relatives > 200
    kept_phone = [DISAGREE if kind not in ("surname", "phone") else EQUAL for kind in kinds]
    assert scored(model, kept_phone) < 0


def test_what_is_common_is_counted_for_names_postal_codes_and_texts(
    random_pool: Callable[..., Pool],
) -> None:
    kinds = ("given_name", "date", "postal_code", "text", "street_address")
    table = frequency_table(random_pool((40, 30), clean=(True, True), kinds=kinds))
    assert table.fields.tolist() == [0, 2, 3]
    assert ((table.share >= 0) & (table.share <= 1)).all()
    assert table.share.max() > 0.05


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3])
def test_both_names_may_be_otherwise_at_once(share: float) -> None:
    rng = np.random.default_rng(12)
    matches = drawn(N_MATCHES, [[0.01, 0.03, 0.07, 0.89], *OF_MATCHES[1:]], rng)
    swapped = rng.random(N_MATCHES) < share
    matches[swapped, :2] = drawn(int(swapped.sum()), OF_OTHERS[:2], rng)
    at_home = [[0.95, 0.03, 0.01, 0.01], [0.3, 0.02, 0.03, 0.65], OF_OTHERS[2], *OF_MATCHES[3:]]
    twins = drawn(10, at_home, rng)
    twins[:, 1:3] = EQUAL
    model = fit_model(
        FILTERS, packed(np.concatenate([matches, drawn(900, at_home, rng), twins])),
        packed(drawn(50_000, OF_OTHERS, rng)),
        n_pairs=4_000_000, is_candidate=np.zeros(50_000, dtype=np.bool_),
    )  # fmt: skip
    assert model.expected_matches == pytest.approx(N_MATCHES, rel=0.06)
    n_misnamed = model.shares[CLASSES.index("misnamed")] * model.n_pairs
    assert n_misnamed == pytest.approx(swapped.sum(), rel=0.3, abs=8)
    assert scored(model, [DISAGREE, DISAGREE, EQUAL, EQUAL, EQUAL]) > 0
    assert scored(model, [DISAGREE, DISAGREE, DISAGREE, EQUAL, EQUAL]) < 0


def test_names_are_not_otherwise_at_once_where_nothing_else_tells_a_person() -> None:
    assert names_at_once(KINDS).tolist() == [True, True, False, False, False]
    assert names_at_once(("surname", "identifier", "given_name")).tolist() == [True, False, True]
    assert not names_at_once(("given_name", "surname", "postal_code", "phone")).any()
    assert not names_at_once(("given_name", "name", "date")).any()
