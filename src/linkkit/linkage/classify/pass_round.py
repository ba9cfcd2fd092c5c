"""One round of EM on passes: which pairs are of which class, and what the classes are like then.

Most pairs that are alive with one salt alone are strangers who share a postal code, say, and a name, and a
town with few postal codes would teach that matches have nothing else in common. So nothing is
learned of matches from them but, within bounds, how many they are: who has an error in one salt has
errors in others more often than others do. Where strangers are known, these alone say how many
strangers are alive with one salt; the others are as many as are left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.linkage.classify.known_strangers import Strangers
from linkkit.linkage.classify.pass_coincidences import Coincidences, share_seen
from linkkit.linkage.classify.pass_evidence import (
    SALTS_OF_MATCHES,
    PassParameters,
    SeenPairs,
    alive_ratios,
)
from linkkit.linkage.classify.pass_priors import N_MATCHING, PASS_CLASSES, WORN
from linkkit.linkage.classify.pass_similarities import SIMILARITIES, similar_at

__all__ = ["Evidence", "lonely_if_independent", "next_round", "share_of_lonely", "with_rest"]

_CAREFUL = 0
_MATCHES, _UNRELATED = (_CAREFUL, WORN), len(PASS_CLASSES) - 1
_TWINS, _HOUSEHOLD = PASS_CLASSES.index("twins"), PASS_CLASSES.index("household")
_TWINS_AMONG_SIBLINGS = 0.03

_MOST_WORN, _MOST_WORN_IF_COARSE, _COARSE = 4.0, 0.002, 0.04
"""Errors in most fields are not the rule: where few pairs are as of one person without them, many with
them are strangers."""

_LEAST_WORN, _WORN_PER_SHARE = 0.25, 100.0
"""Strangers look like worn matches by the number of all pairs, however few people are shared. So where
the careful matches are no twenty-fifth of all who could match, fewer worn ones are believed for each."""

_IS_TAIL = SIMILARITIES > 0.35
_PRIOR_PAIRS = 40.0
_PRIOR_SHARE = 0.05
_PRIOR_LONELY = 20.0
_PRIOR_STRANGERS = 5.0
_PRIOR_COINCIDENT = 1.0
_SHARE_OF_SAME = 0.5
"""Of strangers with one salt, who share the value and are not counted among the unrelated already."""

_STRANGERS_OFF = 50.0
_FEWEST = 1e-12
_LEAST_SEEN = 0.2
_MOST_OFF, _MOST_OFF_BESIDE_KNOWN = 1.5, 10.0
"""So many times as many lonely matches as are expected may be found; more are strangers. Known strangers
tell how many are."""

_LEAST_STEP = 0.5

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What EM looks at, which stays the same in all rounds.

    Attributes
    ----------
    seen : SeenPairs
        The candidates.
    classes : Coincidences
        Strangers who share a value.
    n_pairs, n_expected, most_matches : float
        How many pairs there are in all, match roughly, match at most.
    seen_alive : ndarray of float64, shape (n_passes, n_similarities)
        How often a pair with the same salt is a candidate.
    same, similar : ndarray of float64
        What is usual, as in `PassParameters`.
    strangers : Strangers
        Which candidates are known to be no match.
    known : ndarray of int8, shape (n_pairs,)
        Labels: 1 the same person, -1 not, 0 not known.
    pairs_of_block : ndarray of float64, shape (n_blocks,)
        How many pairs there are in each block.
    found : ndarray of float64, shape (n_pairs,)
        How probable it was that each became a candidate.
    few : ndarray of float64, shape (n_blocks, 1 + n_salts), optional
        How many matches are expected to be alive with no salt, and with each alone, where more than
        independent salts say so.
    """

    seen: SeenPairs
    classes: Coincidences
    n_pairs: float
    n_expected: float
    most_matches: float
    seen_alive: _Floats
    same: _Floats
    similar: _Floats
    strangers: Strangers
    known: npt.NDArray[np.int8]
    pairs_of_block: _Floats
    found: _Floats
    few: _Floats | None = None

    @property
    def covered_pairs(self) -> _Floats:
        """How many pairs each pass tells something about, (n_passes,)."""
        return np.asarray(self.pairs_of_block @ self.seen.covered, dtype=np.float64)

    @property
    def boost(self) -> _Floats:
        """How much likelier each lonely pair is to match if neither record has another match."""
        return np.asarray(1 / self.strangers.share_free[self.seen.lonely], dtype=np.float64)

    @property
    def weights(self) -> _Floats:
        """How many pairs of strangers each pair stands for, if it is one."""
        if not self.strangers.share:
            return np.ones(len(self.seen.lonely))
        lonely = np.where(self.strangers.counted, 1 / self.strangers.share, 0.0)
        return np.where(self.seen.lonely, lonely, 1.0)


def next_round(evidence: Evidence, state: PassParameters) -> PassParameters:
    """Return what is learned from all pairs if they are what a state says they are."""
    seen = evidence.seen
    joint, coincident = _shared_out(evidence, state)
    mass = joint.sum(axis=1)
    same, similar = state.same.copy(), state.similar.copy()
    for c in _MATCHES:
        pairs = joint[c] * ~seen.lonely
        mass[c] = _learn_matches(evidence, state, c, pairs, into=(same, similar))
    for group in seen.groups:
        for k, counts in _alive_counts(evidence, state, _UNRELATED, group, joint[_UNRELATED]):
            same[_UNRELATED, k], similar[_UNRELATED, k] = _learned_strangers(evidence, k, counts)
        same[:, group] = same[:, group].mean(axis=1, keepdims=True)
    return PassParameters(
        shares=with_rest(_bounded(evidence, state, mass) / evidence.n_pairs),
        same=same,
        similar=similar,
        coincident=_learned_coincidences(evidence, coincident, same[_UNRELATED]),
        similar_lonely=_learned_similar_lonely(evidence, state, joint),
        lonely=_learned_lonely(evidence, state, joint),
    )


def with_rest(shares: _Floats) -> _Floats:
    """Return shares of classes with all other pairs taken for unrelated."""
    positive = np.maximum(shares, _FEWEST)
    positive[_UNRELATED] = max(1 - float(positive[:_UNRELATED].sum()), _FEWEST)
    return np.asarray(positive / positive.sum(), dtype=np.float64)


def _shared_out(evidence: Evidence, state: PassParameters) -> tuple[_Floats, _Floats]:
    """Return how much of each pair is of each class, and how many pairs share each field's value.

    Returns
    -------
    joint : ndarray of float64, shape (n_classes, n_pairs)
    coincident : ndarray of float64, shape (n_fields,)
    """
    seen, strangers = evidence.seen, evidence.strangers
    joint = seen.ratios(state.same, state.similar)
    joint *= state.shares[:, None]
    joint[:N_MATCHING, seen.lonely] = 0.0
    joint[WORN, seen.lonely] = seen.of_lonely_matches(state) * evidence.boost
    joint[:N_MATCHING, strangers.known | (evidence.known < 0)] = 0.0
    joint[N_MATCHING:, evidence.known > 0] = 0.0
    shared = seen.of_coincidence(evidence.classes)
    shared *= state.coincident[:, None]
    shared[:, evidence.known[seen.near] > 0] = 0.0
    total = joint.sum(axis=0)
    total[seen.near] += shared.sum(axis=0)
    total = np.maximum(total, 1e-300)
    joint /= total
    joint[N_MATCHING:] *= evidence.weights
    return joint, np.asarray((shared / total[seen.near]).sum(axis=1))


def _learn_matches(
    evidence: Evidence,
    state: PassParameters,
    c: int,
    pairs: _Floats,
    *,
    into: tuple[_Floats, _Floats],
) -> float:
    """Write what a class of matches is like `into` `same` and `similar`; return how many they are."""
    same, similar = into
    seen = evidence.seen
    shares = _share_lonely(seen, state.same[c])
    near = np.bincount(seen.block, weights=pairs, minlength=len(shares))
    masses = near / np.maximum(1 - shares.sum(axis=1), _LEAST_SEEN)
    for g, group in enumerate(seen.groups):
        for k, counts in _alive_counts(evidence, state, c, group, pairs):
            covered = seen.covered[:, k]
            same[c, k], similar[c, k] = _learned_matches(
                evidence,
                (c, k),
                counts,
                mass=float(masses[covered].sum()),
                unseen=float((shares[:, g + 1] * masses)[covered].sum()),
            )
    return float(masses.sum())


def _bounded(evidence: Evidence, state: PassParameters, mass: _Floats) -> _Floats:
    """Return how many pairs each class has, within what can be believed."""
    mass = mass.copy()
    # Where nobody is known to be a stranger, a coarse salt makes strangers look like worn matches.
    is_coarse = (
        not evidence.strangers.share and float(_times_expected(evidence, state).min()) < _COARSE
    )
    careful = float(mass[_CAREFUL])
    share = careful / max(min(evidence.most_matches, evidence.n_expected), 1.0)
    most_worn = float(np.clip(_WORN_PER_SHARE * share, _LEAST_WORN, _MOST_WORN))
    most_worn = min(most_worn, _MOST_WORN_IF_COARSE) if is_coarse else most_worn
    mass[WORN] = min(float(mass[WORN]), most_worn * careful)
    mass[:N_MATCHING] *= min(
        evidence.most_matches / max(float(mass[:N_MATCHING].sum()), _FEWEST), 1.0
    )
    mass[_TWINS] = min(float(mass[_TWINS]), _TWINS_AMONG_SIBLINGS * float(mass[_HOUSEHOLD]))
    return mass


def _learned_similar_lonely(evidence: Evidence, state: PassParameters, joint: _Floats) -> _Floats:
    """Return how similar lonely matches are, from those that are alive with two salts."""
    seen = evidence.seen
    n_alive = seen.alive.sum(axis=1)
    few = joint[:N_MATCHING].sum(axis=0) * (n_alive == SALTS_OF_MATCHES)
    rows = []
    for g, group in enumerate(seen.groups):
        for k in group:
            table = seen.tables[k]
            by_place = np.bincount(
                seen.places[k], few * seen.alive[:, g], minlength=len(table.ratios)
            )
            by_place[-1] = 0.0
            lively = table.ratios * state.similar_lonely[k]
            found = by_place @ (lively / lively.sum(axis=1, keepdims=True))
            found += _PRIOR_LONELY * state.similar[WORN, k]
            rows.append((k, found / found.sum()))
    return np.array([row for _, row in sorted(rows, key=lambda one: one[0])])


def _learned_lonely(evidence: Evidence, state: PassParameters, joint: _Floats) -> _Floats:
    """Return the share of lonely matches by block and salt, as `PassParameters` has it.

    As many as are expected, or, within bounds, as are found: matches are not learned from them, and
    nothing else would keep strangers of a coarse salt from being taken for matches, each for itself, and
    then from being missing among strangers.
    """
    seen = evidence.seen
    few, factor = _few(evidence, state), _times_expected(evidence, state)
    open_ = seen.lonely & (evidence.known == 0)
    found = np.bincount(
        seen.lonely_salt[open_],
        weights=joint[:N_MATCHING, open_].sum(axis=0),
        minlength=few.shape[1],
    )
    more = found / np.maximum(few.sum(axis=0), _FEWEST)
    most = _MOST_OFF_BESIDE_KNOWN if evidence.strangers.share else _MOST_OFF
    too_many = factor * np.maximum(most / np.maximum(more, _FEWEST), _LEAST_STEP)
    factor = np.where(more > most, too_many, np.maximum(more, 1.0))
    return share_of_lonely(evidence, factor * few, state.same[WORN])


def share_of_lonely(evidence: Evidence, few: _Floats, worn: _Floats) -> _Floats:
    """Return the share of lonely matches as `PassParameters` has it, for so many of them."""
    independent = _share_lonely(evidence.seen, worn) * evidence.pairs_of_block[:, None]
    return np.asarray(few / np.maximum(independent, _FEWEST))


def _few(evidence: Evidence, state: PassParameters) -> _Floats:
    if evidence.few is None:
        return lonely_if_independent(evidence, state)
    return np.maximum(evidence.few, _FEWEST)


def _times_expected(evidence: Evidence, state: PassParameters) -> _Floats:
    """Return how many times as many lonely matches are believed as are expected, by salt."""
    independent = _share_lonely(evidence.seen, state.same[WORN]) * evidence.pairs_of_block[:, None]
    expected = np.maximum(_few(evidence, state).sum(axis=0), _FEWEST)
    return np.asarray((state.lonely * independent).sum(axis=0) / expected)


def lonely_if_independent(evidence: Evidence, state: PassParameters) -> _Floats:
    """Return how many matches are alive with no salt, and with each alone, if salts are independent."""
    shares = [_share_lonely(evidence.seen, state.same[c]) for c in _MATCHES]
    of_pairs = np.tensordot(state.shares[:N_MATCHING], np.array(shares), axes=1)
    return np.asarray(of_pairs * evidence.pairs_of_block[:, None])


def _learned_coincidences(evidence: Evidence, counts: _Floats, same: _Floats) -> _Floats:
    """Return how many of all pairs are of strangers who share a value, from those that are near.

    Where the value is a salt, the `same` shares of strangers bound them: these are seen better.
    """
    classes = evidence.classes
    alive = classes.same * (similar_at(classes.overlaps) * evidence.seen_alive).sum(axis=2)
    near = np.array(
        [share_seen([float(row[g].max()) for g in evidence.seen.groups]) for row in alive]
    )
    expected = np.maximum(classes.shares * evidence.n_pairs, _FEWEST)
    found = (counts + _PRIOR_COINCIDENT) / (near + _PRIOR_COINCIDENT / expected)
    most = np.where(classes.salted < 0, classes.most, _SHARE_OF_SAME * same[classes.salted])
    return np.asarray(np.minimum(found / evidence.n_pairs, np.minimum(most, classes.most)))


def _alive_counts(
    evidence: Evidence, state: PassParameters, c: int, group: list[int], pairs: _Floats
) -> Iterator[tuple[int, _Floats]]:
    """Yield how many pairs of a class are alive in each pass of a salt, by similarity."""
    tables, places = evidence.seen.tables, evidence.seen.places
    ratios = state.same[c, group[0]] * alive_ratios(tables, places, state.similar[c], group)
    alive = pairs * ratios / (ratios + (1 - state.same[c, group[0]]))
    for k in group:
        by_place = np.bincount(places[k], alive, minlength=len(tables[k].ratios))
        by_place[-1] = 0.0
        lively: _Floats = tables[k].ratios * state.similar[c, k]
        yield k, by_place @ (lively / lively.sum(axis=1, keepdims=True))


def _share_lonely(seen: SeenPairs, same: _Floats) -> _Floats:
    """Return how often no salt agrees, and how often each agrees alone, if they do independently.

    Returns
    -------
    ndarray of float64, shape (n_blocks, 1 + n_salts)
    """
    dead = 1 - same[[group[0] for group in seen.groups]] * seen.covered_salts
    none = dead.prod(axis=1, keepdims=True)
    return np.column_stack([none, none / np.maximum(dead, _FEWEST) * (1 - dead)])


def _learned_matches(
    evidence: Evidence, place: tuple[int, int], counts: _Floats, *, mass: float, unseen: float
) -> tuple[float, _Floats]:
    """Return how often a pass of matches is alive, and how similar they are then.

    `unseen` are those that are alive with this salt alone, from which nothing else is learned.
    """
    weight = max(_PRIOR_PAIRS, _PRIOR_SHARE * mass)
    alive = float(counts.sum()) + unseen + weight * float(evidence.same[place])
    found = counts + weight * evidence.similar[place]
    return float(np.clip(alive / (mass + weight), 1e-6, 1 - 1e-6)), found / found.sum()


def _learned_strangers(evidence: Evidence, k: int, counts: _Floats) -> tuple[float, _Floats]:
    """Return the same for strangers, of whom only those are seen who became candidates.

    In each bin of similarity there are as many as were seen, over the chance of being seen, and as
    many as expected, by a few pairs' worth.
    """
    prior, seen = float(evidence.same[_UNRELATED, k]), evidence.seen_alive[k]
    n_pairs = max(float(evidence.covered_pairs[k]), 1.0)
    expected = n_pairs * prior * evidence.similar[_UNRELATED, k]
    visible = float(expected @ seen)
    as_expected = (float(counts.sum()) + _PRIOR_STRANGERS) / (visible + _PRIOR_STRANGERS)
    expected = expected * np.where(_IS_TAIL, as_expected, 1.0)
    there = (counts + _PRIOR_STRANGERS) / (seen + _PRIOR_STRANGERS / np.maximum(expected, 1e-9))
    same = float(there.sum()) / n_pairs
    least, most = prior / _STRANGERS_OFF, min(prior * _STRANGERS_OFF, 0.5)
    return float(np.clip(same, least, most)), there / there.sum()
