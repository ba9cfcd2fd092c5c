"""The two attacks that need no key: graph matching without a pair, and known pairs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

import numpy as np

from linkkit.assess.attack.features import feature_distances
from linkkit.assess.attack.linear import unmixed
from linkkit.assess.attack.result import AttackResult, scores_of_rounds
from linkkit.assess.attack.rounds import (
    Guesses,
    Known,
    Matching,
    guesses,
    no_known,
    run_rounds,
    sharpened,
)
from linkkit.assess.attack.similarity import TokenSets, kernels
from linkkit.assess.attack.target import Target, Truth, require_pair
from linkkit.errors import OptionError

__all__ = ["Evidence", "graph_matching", "known_pairs"]

Evidence = Literal["bits", "groups"]

_FIRST_CERTAINTY = 0.05
_CERTAINTY_WITH_PAIRS = 0.15
_CERTAIN_ROUNDS = 4


def graph_matching(
    target: Target,
    own: Target,
    truth: Truth,
    *,
    tokens: TokenSets | None = None,
    rehearsals: Sequence[Target] = (),
    n_rounds: int = 30,
    only: Evidence | None = None,
    seed: int = 0,
) -> AttackResult:
    """Match encodings to a list of people without a key and without a known pair.

    Records are compared by features that no key changes (similarities to the others, salt
    groups and who is in them). What looks alike is believed a little; these beliefs teach bits
    and groups, which sharpens them, round after round.

    Parameters
    ----------
    target : Target
        The encodings.
    own : Target
        The attacker's list, encoded alike under a key of the attacker's.
    truth : Truth
        Who is who, for scoring only.
    tokens : sequence, optional
        Token ids of the own records, once or for each pass; they sharpen the kernel.
    rehearsals : sequence of Target
        The own list under more keys, best with made-up errors such as the target may have.
        Five or more make the attack much stronger.
    n_rounds : int
        Rounds, 1 or more. Four more follow in which only certain matches teach, unless groups
        are visible.
    only : {"bits", "groups"}, optional
        Judge by bits or by visible salt groups alone, to see what each gives away.
    seed : int
        Seed of the random choices.

    Raises
    ------
    OptionError
        When the lists do not go together.

    References
    ----------
    Vidanage, Christen, Ranbaduge, Schnell (2020); Schaefer, Armknecht, Heng (2024). The rounds
    differ from both: beliefs are soft, and the regression leaves each record's own out.
    """
    began = time.perf_counter()
    _require(target, own, truth, rehearsals, n_rounds)
    (target, own, *rehearsals), hidden = unmixed(target, own, *rehearsals, seed=seed)
    start = -feature_distances(target, own, rehearsals)
    rounds = [guesses(start, no_known())]
    matching = Matching(
        target=target,
        own=own,
        kernels=kernels(own, tokens, rng=np.random.default_rng(seed)),
        only=_require_only(only, target),
    )
    run_rounds(
        matching,
        sharpened(start, _FIRST_CERTAINTY),
        start=start,
        certainty=_FIRST_CERTAINTY,
        n_rounds=n_rounds if _shows_groups(matching) else n_rounds + _CERTAIN_ROUNDS,
        n_soft=n_rounds,
        after=rounds.append,
    )
    return _result(
        "graph matching",
        matching,
        truth,
        rounds=rounds,
        n_unmixed=len(hidden),
        seed=seed,
        began=began,
    )


def known_pairs(
    target: Target,
    own: Target,
    truth: Truth,
    *,
    n_known: int,
    tokens: TokenSets | None = None,
    n_rounds: int = 10,
    only: Evidence | None = None,
    seed: int = 0,
) -> AttackResult:
    """Learn from some known pairs of person and encoding, and re-identify the others.

    Kernel regression learns bits of -1 and 1 from the pairs, with the kernel of the scheme
    (:func:`~linkkit.assess.attack.similarity.kernels`), which for XOR of t bits is that of
    products of t; pairs also tell which salt group is which. After the first round the likely
    matches teach as well.

    Parameters
    ----------
    target, own, truth, tokens, n_rounds, only, seed
        As in :func:`graph_matching`.
    n_known : int
        Known pairs, drawn from the truth; at least 1, and fewer than the overlap.

    Raises
    ------
    OptionError
        When the lists do not go together or there are not enough people to know.
    """
    began = time.perf_counter()
    _require(target, own, truth, (), n_rounds)
    if not 1 <= n_known < len(truth.pairs):
        raise OptionError(
            f"{n_known} known pairs of {len(truth.pairs)} people in both lists: "
            "at least 1, and somebody must be left to be found"
        )
    rng = np.random.default_rng(seed)
    drawn = truth.pairs[rng.permutation(len(truth.pairs))[:n_known]]
    known = Known(of_target=drawn[:, 0], of_own=drawn[:, 1])
    if tokens is None:
        (target, own), hidden = unmixed(target, own, seed=seed)
    else:  # the kernel of the hidden bits follows from the tokens: no need to unmix the own list
        (target,), hidden = unmixed(target, seed=seed)
    matching = Matching(
        target=target,
        own=own,
        kernels=kernels(own, tokens, rng=rng, hidden=hidden if tokens is not None else ()),
        known=known,
        only=_require_only(only, target),
    ).with_ridges()
    weights = np.zeros((len(target), len(own)), dtype=np.float32)
    known.settle(weights, high=1, low=0)
    rounds: list[Guesses] = []
    run_rounds(
        matching,
        weights,
        start=None,
        certainty=_CERTAINTY_WITH_PAIRS,
        n_rounds=n_rounds,
        n_soft=n_rounds if _shows_groups(matching) else 0,
        after=rounds.append,
    )
    name = f"{n_known:,} known pairs"
    return _result(
        name, matching, truth, rounds=rounds, n_unmixed=len(hidden), seed=seed, began=began
    )


def _shows_groups(matching: Matching) -> bool:
    # Evidence of groups is no likelihood, as groups of several passes repeat one another; so
    # where there is some, nothing is certain.
    return matching.only != "bits" and any(v.groups is not None for v in matching.target.passes)


def _require_only(only: Evidence | None, target: Target) -> Evidence | None:
    if only not in (None, "bits", "groups"):
        raise OptionError("'only' is bits or groups")
    if only == "groups" and all(view.groups is None for view in target.passes):
        raise OptionError("no pass of the target shows groups")
    return only


def _require(
    target: Target, own: Target, truth: Truth, rehearsals: Sequence[Target], n_rounds: int
) -> None:
    require_pair(target, own, truth)
    for one in rehearsals:
        require_pair(own, one)
        if len(one) != len(own):
            raise OptionError("a rehearsal has the records of the own list, in its order")
    if n_rounds < 1:
        raise OptionError(f"{n_rounds} rounds: at least 1")


def _result(
    name: str,
    matching: Matching,
    truth: Truth,
    *,
    rounds: Sequence[Guesses],
    n_unmixed: int,
    seed: int,
    began: float,
) -> AttackResult:
    scores = [
        scores_of_rounds(one_way, truth, matching.known.of_target)
        for one_way in zip(*rounds, strict=True)
    ]
    n_overlap = scores[0][0]
    right = tuple(max(both) for both in zip(*(n for _, n in scores), strict=True))
    n_own, n_known = len(matching.own), len(matching.known)
    # One of the free own records is right; an overlap of people does not make a guess likelier.
    return AttackResult(
        attack=name,
        n_target=len(matching.target),
        n_own=n_own,
        n_overlap=n_overlap,
        n_known=n_known,
        n_right=max(right),
        share_by_round=tuple(n / n_overlap for n in right),
        guessing=1 / max(n_own - n_known, 1),
        n_unmixed=n_unmixed,
        seed=seed,
        seconds=time.perf_counter() - began,
    )
