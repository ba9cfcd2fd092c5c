"""Comparison: the compiled kernels are the obvious ones, and levels mean what they say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.agreement import Agreement
from linkkit.engines import ProgressEvent
from linkkit.errors import AgreementError, LinkkitError
from linkkit.linkage.block import Block, plan_blocking
from linkkit.linkage.compare import (
    LEVELS,
    N_LEVELS,
    compare_all,
    compare_pairs,
    make_comparison,
    sample_pairs,
)
from linkkit.linkage.compare.fields import _reference as reference
from linkkit.linkage.compare.fields import scans as scans_module
from linkkit.linkage.compare.fields.pairs import unpack
from linkkit.linkage.pool import Pool

MakePool = Callable[..., Pool]
KINDS = ("given_name", "date", "sex", "phone", "postal_code")


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 40), missing=st.sampled_from([0, 0.3, 1]))
def test_compiled_levels_are_the_reference(
    random_pool: MakePool, seed: int, n: int, missing: float
) -> None:
    pool = random_pool((n, n), clean=(True, True), seed=seed, kinds=KINDS, share_missing=missing)
    comparison = make_comparison(pool)
    rng = np.random.default_rng(seed)
    left, right = rng.integers(0, 2 * n, size=(2, 200))
    compiled = compare_pairs(comparison, left, right)
    assert np.array_equal(compiled, reference.codes_of_pairs(comparison, left, right))


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    sizes=st.lists(st.integers(1, 30), min_size=2, max_size=3),
    floor=st.sampled_from([-40.0, -3.0, 0.0, 5.5, 12.0, 100.0]),
    block=st.sampled_from(["exhaustive", "blocks"]),
)
def test_compiled_scans_find_the_pairs_of_the_reference(
    random_pool: MakePool, seed: int, sizes: list[int], floor: float, block: Block
) -> None:
    clean = tuple(i % 2 == 0 for i in range(len(sizes)))
    pool = random_pool(tuple(sizes), clean=clean, seed=seed, kinds=KINDS, n_distinct=2)
    comparison = make_comparison(pool)
    weights = np.random.default_rng(seed).normal(0, 4, size=(len(KINDS), N_LEVELS))
    weights[:, 0] = 0
    try:
        plan = plan_blocking(pool, block=block)
    except LinkkitError:
        return
    compiled = compare_all(pool, comparison, plan, weights=weights, floor=floor)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scans_module, "has_numba", lambda: False)
        plain = compare_all(pool, comparison, plan, weights=weights, floor=floor)
    for name in ("left", "right", "codes"):
        assert np.array_equal(getattr(compiled, name), getattr(plain, name))


def test_more_pairs_than_the_first_buffer_holds_are_all_found(random_pool: MakePool) -> None:
    pool = random_pool((100, 100), clean=(True, True), kinds=KINDS)
    plan = plan_blocking(pool)
    found = compare_all(
        pool, make_comparison(pool), plan, weights=np.zeros((len(KINDS), N_LEVELS)), floor=0
    )
    assert len(found) == 10_000
    assert (found.left < found.right).all()
    assert len(np.unique(found.left * 200 + found.right)) == 10_000


def test_each_pair_comes_once_however_many_passes_find_it(random_pool: MakePool) -> None:
    pool = random_pool((20, 20), clean=(True, True), kinds=KINDS, n_distinct=1, share_missing=0)
    plan = plan_blocking(pool, block="blocks")
    assert len(plan.passes) > 1
    found = compare_all(
        pool, make_comparison(pool), plan, weights=np.zeros((len(KINDS), N_LEVELS)), floor=0
    )
    assert len(np.unique(found.left * 40 + found.right)) == len(found)


def test_levels_of_known_filters(random_pool: MakePool) -> None:
    pool = random_pool((2, 1), clean=(True, True), kinds=("text",), share_missing=0)
    pool.words[:] = 0
    pool.words[:, 0] = [0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF << 32]
    both = np.array([0]), np.array([1])
    disjoint = np.array([0]), np.array([2])
    comparison = make_comparison(pool)
    assert LEVELS[int(compare_pairs(comparison, *both)[0])] == "equal"
    assert LEVELS[int(compare_pairs(comparison, *disjoint)[0])] == "disagree"
    pool.present[0] = False
    assert LEVELS[int(compare_pairs(make_comparison(pool), *both)[0])] == "missing"


@pytest.mark.parametrize("n_fields", [1, 12, 21])
def test_levels_survive_packing(n_fields: int) -> None:
    rng = np.random.default_rng(0)
    levels = rng.integers(0, N_LEVELS, size=(50, n_fields)).astype(np.uint64)
    codes = np.zeros(50, dtype=np.uint64)
    for f in range(n_fields):
        codes |= levels[:, f] << np.uint64(3 * f)
    assert np.array_equal(unpack(codes, n_fields=n_fields), levels.astype(np.int64))


def test_as_many_fields_as_a_code_holds_are_compared(random_pool: MakePool) -> None:
    pool = random_pool((3, 3), clean=(True, True), kinds=("text",) * 21, share_missing=0)
    left = right = np.arange(6)
    levels = unpack(compare_pairs(make_comparison(pool), left, right), n_fields=21)
    assert (levels == LEVELS.index("equal")).all()


def test_an_agreement_has_no_more_fields_than_a_code_holds(
    plain_agreement: Callable[..., Agreement],
) -> None:
    kinds = {f"field_{i}": "text" for i in range(22)}
    with pytest.raises(AgreementError, match="at most 21"):
        plain_agreement(kinds=kinds)
    del kinds["field_0"]
    assert len(plain_agreement(kinds=kinds).linkage.fields) == 21


# --- Samples, progress and threads -----------------------------------------------------------


def test_a_sample_is_the_same_every_time_and_of_pairs_that_may_match(
    random_pool: MakePool,
) -> None:
    pool = random_pool((60, 60), clean=(True, True), kinds=KINDS)
    comparison = make_comparison(pool)
    one, other = (sample_pairs(pool, comparison, n_pairs=500) for _ in range(2))
    assert np.array_equal(one, other)
    assert len(one) == 500


def test_a_sample_is_as_large_as_asked_for_when_one_party_is_tiny(random_pool: MakePool) -> None:
    pool = random_pool((1, 1000), clean=(True, True), kinds=KINDS)
    assert len(sample_pairs(pool, make_comparison(pool), n_pairs=4000)) >= 2000


@pytest.fixture
def many_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans_module, "_COMPARISONS_PER_CHUNK", 50)


@pytest.mark.usefixtures("many_chunks")
@pytest.mark.parametrize("n_threads", [1, 2, 5, None])
def test_progress_only_grows_and_ends_at_the_total(
    random_pool: MakePool, n_threads: int | None
) -> None:
    pool = random_pool((20, 30), clean=(True, True), kinds=KINDS)
    events: list[ProgressEvent] = []
    compare_all(
        pool, make_comparison(pool), plan_blocking(pool), weights=np.zeros((len(KINDS), N_LEVELS)),
        floor=0, n_threads=n_threads, progress=events.append,
    )  # fmt: skip
    done = [event.done for event in events]
    assert done == sorted(set(done))
    assert len(done) > 5
    assert {(e.stage, e.total, e.unit) for e in events} == {("compare", 600, "comparisons")}
    assert done[-1] == 600


@pytest.mark.usefixtures("many_chunks")
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_exception_from_the_callback_stops_the_work(
    random_pool: MakePool, error: type[BaseException], n_threads: int
) -> None:
    pool = random_pool((20, 30), clean=(True, True), kinds=KINDS)
    n_calls = 0

    def stop(event: ProgressEvent) -> None:
        nonlocal n_calls
        n_calls += 1
        raise error

    with pytest.raises(error):
        compare_all(
            pool, make_comparison(pool), plan_blocking(pool), weights=np.zeros((len(KINDS), N_LEVELS)),
            floor=0, n_threads=n_threads, progress=stop,
        )  # fmt: skip
    assert n_calls == 1


@pytest.mark.usefixtures("many_chunks")
def test_pairs_do_not_depend_on_threads_or_chunks(
    random_pool: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = random_pool((30, 40), clean=(True, False), kinds=KINDS)
    comparison, plan = make_comparison(pool), plan_blocking(pool)
    weights = np.ones((len(KINDS), N_LEVELS))
    found = [
        compare_all(pool, comparison, plan, weights=weights, floor=2, n_threads=n)
        for n in (1, 2, 7)
    ]
    monkeypatch.setattr(scans_module, "_COMPARISONS_PER_CHUNK", 10**9)
    found.append(compare_all(pool, comparison, plan, weights=weights, floor=2))
    for other in found[1:]:
        assert np.array_equal(found[0].left, other.left)
        assert np.array_equal(found[0].right, other.right)
        assert np.array_equal(found[0].codes, other.codes)
