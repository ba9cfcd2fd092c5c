"""A mixture model of passes, learned without labels.

Five classes of pairs: the same person, twins, people of one household, namesakes, unrelated people.
Whether two records have the same salt in a pass is not known. If they do, the pass is *alive*, and its
correlation shows how similar the records are in the fields of the pass; if not, the correlation is
noise of known width. So a class says how often each pass is alive and how similar its pairs are
then; salts are independent within a class, as they fail for different reasons, and passes with the same
salt are alive together. For matches and strangers both are learned by EM, of strangers in view of those
who are too unlike to be candidates; all pairs that are no candidates are taken for unrelated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.exchange import EncodingSpec, PassSpec
from linkkit.linkage.classify.known_strangers import Strangers
from linkkit.linkage.classify.model import FieldWeights
from linkkit.linkage.classify.pass_levels import ALIVE_FROM, pass_weights
from linkkit.linkage.classify.pass_priors import (
    PASS_CLASSES,
    coincidences,
    expected_overlap,
    expected_same,
)

__all__ = ["SIMILARITIES", "PassModel", "fit_pass_model"]

_MATCH, _UNRELATED = 0, len(PASS_CLASSES) - 1
_TWINS, _HOUSEHOLD = PASS_CLASSES.index("twins"), PASS_CLASSES.index("household")
_TWINS_AMONG_SIBLINGS = 0.03

SIMILARITIES: npt.NDArray[np.float64] = np.linspace(0.0, 1.0, 41)
"""Shares of equal bits beyond chance, before diffusion, that are told apart."""

_DECAY = 0.16
_SPREAD = 0.10
_FROM_HASHING = 0.02
"""How far two filters' similarity lies from that of their tokens."""

_PRIOR_PAIRS = 40.0
_PRIOR_SHARE = 0.2
_PRIOR_STRANGERS = 5.0
_STRANGERS_OFF = 50.0
_MAX_ROUNDS = 300
_CONVERGED = 1e-4
_FEWEST = 1e-12
_SALTS_OF_MATCHES = 2
_LEAST_SEEN = 0.2
_MOST_LONELIER = 8.0
_MOST_LONELY = 0.3

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PassModel:
    """The learned model.

    Attributes
    ----------
    spec : EncodingSpec
        How the records were encoded.
    shares : ndarray of float64, shape (n_classes,)
        Share of each class among all pairs that could match.
    same : ndarray of float64, shape (n_classes, n_passes)
        Probability that both records of a pair have the same salt.
    similar : ndarray of float64, shape (n_classes, n_passes, n_similarities)
        Probability of each similarity of two filters with the same salt.
    lonelier : float
        How many times as many matches as with independent salts are alive with one salt at most.
    fields : tuple of FieldWeights
        What each pass tells, see :meth:`field_weights`.
    n_pairs : int
        All pairs that could match.
    n_rounds : int
        Rounds of EM.
    converged : bool
        Whether EM came to rest.
    """

    spec: EncodingSpec
    shares: _Floats
    same: _Floats
    similar: _Floats
    lonelier: float
    fields: tuple[FieldWeights, ...]
    n_pairs: int
    n_rounds: int
    converged: bool

    def __repr__(self) -> str:
        return (
            f"<PassModel: {len(self.spec.passes)} passes, "
            f"{self.expected_matches:.0f} matches expected>"
        )

    @property
    def expected_matches(self) -> float:
        """Expected number of matching pairs."""
        return float(self.shares[_MATCH] * self.n_pairs)

    def field_weights(self) -> tuple[FieldWeights, ...]:
        """Return m, u and weight in bits of each level of each pass.

        "disagree" is another salt or records with little in common. Passes tell much the same, so
        that their weights must not be added up.
        """
        return self.fields

    def log_odds(
        self, correlations: _Floats, *, unknown: npt.NDArray[np.bool_] | None = None
    ) -> _Floats:
        """Return the natural log of the odds of a match, shape (n_pairs,).

        `correlations` are those of each pair in each pass, shape (n_pairs, n_passes); `unknown`, of the
        same shape, are passes that are taken not to have been compared.
        """
        tables = [_table(item) for item in self.spec.passes]
        places = _places(tables, correlations)
        if unknown is not None:
            # A row of ones at the end of each table tells nothing.
            tables = [_with_nothing(table) for table in tables]
            places = np.where(unknown.T, [[len(table.ratios) - 1] for table in tables], places)
            # What was not looked at may be alive.
            correlations = np.where(unknown, 1.0, correlations)
        groups = _by_salt(self.spec)
        ratios = _class_ratios(tables, places, groups, self.same, self.similar)
        lonely = _n_alive(self.spec, correlations, groups) < _SALTS_OF_MATCHES
        ratios[_MATCH, lonely] *= self.lonelier
        return _log_odds(ratios, self.shares)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Table:
    """Of one pass: how much likelier a correlation is if alive, by correlation and similarity."""

    step: float
    least: int
    ratios: _Floats


def _table(item: PassSpec) -> _Table:
    noise = 1 / np.sqrt(item.n_bits)
    step = noise / 4
    bins = np.arange(round(-1 / step), round(1 / step) + 1)
    c = bins * step
    expected = SIMILARITIES**item.n_inputs
    slope = item.n_inputs * SIMILARITIES ** (item.n_inputs - 1) * _FROM_HASHING
    error = np.sqrt((1 - expected**2) / item.n_bits + slope**2 + step**2)
    alive = _density((c[:, None] - expected) / error) / error
    dead = _density(c / noise) / noise
    # A far outlier of every class is left to the class that it is least far from.
    ratios = np.maximum(alive, 1e-30) / np.maximum(dead, 1e-30)[:, None]
    return _Table(step=step, least=int(bins[0]), ratios=ratios)


def _with_nothing(table: _Table) -> _Table:
    nothing = np.ones((1, table.ratios.shape[1]))
    return _Table(
        step=table.step, least=table.least, ratios=np.concatenate([table.ratios, nothing])
    )


def _places(tables: list[_Table], correlations: _Floats) -> npt.NDArray[np.int64]:
    """Return the row of each pass's table for each pair, shape (n_passes, n_pairs)."""
    rows = [
        np.round(correlations[:, k] / table.step).astype(np.int64) - table.least
        for k, table in enumerate(tables)
    ]
    return np.array([np.clip(x, 0, len(t.ratios) - 1) for x, t in zip(rows, tables, strict=True)])


def _by_salt(spec: EncodingSpec) -> list[list[int]]:
    """Return the passes of each salt: those with the same one are alive together."""
    groups: dict[object, list[int]] = {}
    for k, item in enumerate(spec.passes):
        groups.setdefault(item.salt, []).append(k)
    return list(groups.values())


def _alive_ratios(
    tables: list[_Table], places: npt.NDArray[np.int64], similar: _Floats, group: list[int]
) -> _Floats:
    """Return the likelihood of each pair, if its salts agree, over that of noise, (n_pairs,)."""
    ratio = np.ones(places.shape[1])
    for k in group:
        ratio *= (tables[k].ratios @ similar[k])[places[k]]
    return ratio


def _class_ratios(
    tables: list[_Table],
    places: npt.NDArray[np.int64],
    groups: list[list[int]],
    same: _Floats,
    similar: _Floats,
) -> _Floats:
    """Return the likelihood of each pair in each class over that of noise, (n_classes, n_pairs)."""
    found = np.ones((len(same), places.shape[1]))
    for c in range(len(same)):
        for group in groups:
            alive = _alive_ratios(tables, places, similar[c], group)
            found[c] *= (1 - same[c, group[0]]) + same[c, group[0]] * alive
    return found


def _log_odds(ratios: _Floats, shares: _Floats) -> _Floats:
    logs = np.log(np.maximum(ratios, 1e-300)) + np.log(shares)[:, None]
    return np.asarray(logs[_MATCH] - np.logaddexp.reduce(logs[_MATCH + 1 :], axis=0))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Evidence:
    """What EM looks at, which stays the same in all rounds.

    `lonely` pairs are alive with one salt at most. Most are strangers who share a postal code, say,
    and a name, and a town with few postal codes would teach that matches have nothing else in common.
    So nothing is learned of matches from them but, within bounds, how many they are: who has an error
    in one salt has errors in others more often than others do. Where strangers are known, these alone
    say how many strangers are alive with one salt; the others are as many as are left.
    """

    tables: list[_Table]
    places: npt.NDArray[np.int64]
    groups: list[list[int]]
    lonely: npt.NDArray[np.bool_]
    n_pairs: float
    most_matches: float
    seen_alive: _Floats
    same: _Floats
    similar: _Floats
    strangers: Strangers

    @property
    def boost(self) -> float:
        """How much likelier a pair is to match that neither record has another match of."""
        return 1 / self.strangers.share_free if self.strangers.share else 1.0

    @property
    def weights(self) -> _Floats:
        """How many pairs of strangers each pair stands for, if it is one."""
        if not self.strangers.share:
            return np.ones(len(self.lonely))
        lonely = np.where(self.strangers.counted, 1 / self.strangers.share, 0.0)
        return np.where(self.lonely, lonely, 1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class _State:
    """What EM learns."""

    shares: _Floats
    same: _Floats
    similar: _Floats
    lonelier: float


def fit_pass_model(
    spec: EncodingSpec,
    correlations: _Floats,
    *,
    n_pairs: int,
    most_matches: float,
    n_records: int,
    seen: _Floats,
    strangers: Strangers | None = None,
) -> PassModel:
    """Learn the model by EM from candidate pairs, all other pairs being unrelated.

    Parameters
    ----------
    spec : EncodingSpec
        How the records were encoded.
    correlations : ndarray of float64, shape (n_candidates, n_passes)
        Candidate pairs.
    n_pairs : int
        All pairs that could match.
    most_matches : float
        How many pairs match at most.
    n_records : int
        How many records there are.
    seen : ndarray of float64, shape (n_passes, n_similarities)
        How often a pair with the same salt is a candidate, by :data:`SIMILARITIES`.
    strangers : Strangers, optional
        Which candidates are known to be no match.
    """
    strangers = strangers or Strangers.unknown(len(correlations))
    tables = [_table(item) for item in spec.passes]
    places, groups = _places(tables, correlations), _by_salt(spec)
    same, similar = expected_same(spec), _first_similar(spec)
    evidence = _Evidence(
        tables=tables,
        places=places,
        groups=groups,
        lonely=_n_alive(spec, correlations, groups) < _SALTS_OF_MATCHES,
        n_pairs=float(max(n_pairs, 1)),
        most_matches=most_matches,
        seen_alive=seen,
        strangers=strangers,
        same=same,
        similar=similar,
    )
    first = np.array([0.5 * most_matches, 0.03 * n_records, n_records, 0.5 * n_records, 0.0])
    state, n_rounds, converged = _em(
        evidence,
        _State(
            shares=_with_rest(first / evidence.n_pairs),
            same=evidence.same,
            similar=similar,
            lonelier=1.0,
        ),
    )
    ratios = _class_ratios(tables, places, groups, state.same, state.similar)
    ratios[_MATCH, evidence.lonely] *= state.lonelier
    log_odds = _log_odds(ratios, state.shares)
    match = 1 / (1 + np.exp(-np.clip(log_odds, -700, 700)))
    return PassModel(
        spec=spec,
        shares=state.shares,
        same=state.same,
        similar=state.similar,
        lonelier=state.lonelier,
        fields=pass_weights(spec, correlations, match, n_pairs=evidence.n_pairs),
        n_pairs=n_pairs,
        n_rounds=n_rounds,
        converged=converged,
    )


def _density(z: _Floats) -> _Floats:
    """Return the density of the standard normal distribution."""
    return np.asarray(np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi))


def _first_similar(spec: EncodingSpec) -> _Floats:
    """Return what similarities are expected, shape (n_classes, n_passes, n_similarities)."""
    match = np.exp(-(1 - SIMILARITIES) / _DECAY)
    rows = [[match for _ in spec.passes]]
    for pair_class in PASS_CLASSES[1:_UNRELATED]:
        overlaps = [expected_overlap(item, pair_class) for item in spec.passes]
        rows.append([_around(overlap) + 1e-9 for overlap in overlaps])
    rows.append(
        [
            np.sum([share * _around(overlap) for overlap, share in coincidences(item)], axis=0)
            + 1e-9
            for item in spec.passes
        ]
    )
    table: _Floats = np.array(rows)
    return np.asarray(table / table.sum(axis=-1, keepdims=True))


def _around(overlap: float) -> _Floats:
    """Return how often pairs that share so much of their tokens have each similarity."""
    # Half-full filters with a share o of their tokens in common are similar to 2 ** o - 1.
    density = _density((SIMILARITIES - (2**overlap - 1)) / _SPREAD)
    return np.asarray(density / density.sum())


def _em(evidence: _Evidence, state: _State) -> tuple[_State, int, bool]:
    for n_rounds in range(1, _MAX_ROUNDS + 1):
        new = _round(evidence, state)
        moved = np.abs(new.shares - state.shares)[:_UNRELATED].max()
        rest = np.abs(new.same - state.same).max()
        state = new
        if moved < _CONVERGED * max(float(new.shares[_MATCH]), _FEWEST) and rest < _CONVERGED:
            return state, n_rounds, True
    return state, _MAX_ROUNDS, False


def _n_alive(
    spec: EncodingSpec, correlations: _Floats, groups: list[list[int]]
) -> npt.NDArray[np.int64]:
    """Return with how many salts each pair is more alike than chance explains."""
    errors = correlations * np.sqrt([item.n_bits for item in spec.passes])[None, :]
    alive = [(errors[:, group] > ALIVE_FROM).any(axis=1) for group in groups]
    return np.asarray(np.sum(alive, axis=0), dtype=np.int64)


def _round(evidence: _Evidence, state: _State) -> _State:
    tables, places = evidence.tables, evidence.places
    joint = _class_ratios(tables, places, evidence.groups, state.same, state.similar)
    joint[_MATCH, evidence.lonely] *= state.lonelier * evidence.boost
    joint[_MATCH, evidence.strangers.known] = 0.0
    joint *= state.shares[:, None]
    joint /= np.maximum(joint.sum(axis=0), 1e-300)
    joint[_MATCH + 1 :] *= evidence.weights
    mass = joint.sum(axis=1)
    of_match = joint[_MATCH] * ~evidence.lonely
    lonely = _share_lonely([float(state.same[_MATCH, group[0]]) for group in evidence.groups])
    mass[_MATCH] = float(of_match.sum()) / max(1 - sum(lonely), _LEAST_SEEN)
    found = float(joint[_MATCH, evidence.lonely].sum())
    most = _MOST_LONELY * float(of_match.sum())
    if not evidence.strangers.share:
        most = min(most, _MOST_LONELIER * sum(lonely) * float(mass[_MATCH]))
    lonelier = min(found, most) / max(sum(lonely) * float(mass[_MATCH]), _FEWEST)
    same, similar = state.same.copy(), state.similar.copy()
    for g, group in enumerate(evidence.groups):
        unseen = lonely[g + 1] * float(mass[_MATCH])
        for k, counts in _alive_counts(evidence, state, _MATCH, group, of_match):
            same[_MATCH, k], similar[_MATCH, k] = _learned_matches(
                evidence, k, counts, float(mass[_MATCH]), unseen
            )
        for k, counts in _alive_counts(evidence, state, _UNRELATED, group, joint[_UNRELATED]):
            same[_UNRELATED, k], similar[_UNRELATED, k] = _learned_strangers(evidence, k, counts)
        same[:, group] = same[:, group].mean(axis=1, keepdims=True)
    mass[_MATCH] = min(float(mass[_MATCH]), evidence.most_matches)
    mass[_TWINS] = min(float(mass[_TWINS]), _TWINS_AMONG_SIBLINGS * float(mass[_HOUSEHOLD]))
    shares = _with_rest(mass / evidence.n_pairs)
    return _State(shares=shares, same=same, similar=similar, lonelier=lonelier)


def _alive_counts(
    evidence: _Evidence, state: _State, c: int, group: list[int], pairs: _Floats
) -> Iterator[tuple[int, _Floats]]:
    """Yield how many pairs of a class are alive in each pass of a salt, by similarity."""
    tables, places = evidence.tables, evidence.places
    ratios = state.same[c, group[0]] * _alive_ratios(tables, places, state.similar[c], group)
    alive = pairs * ratios / (ratios + (1 - state.same[c, group[0]]))
    for k in group:
        by_place = np.bincount(places[k], alive, minlength=len(tables[k].ratios))
        lively: _Floats = tables[k].ratios * state.similar[c, k]
        yield k, by_place @ (lively / lively.sum(axis=1, keepdims=True))


def _share_lonely(same: list[float]) -> list[float]:
    """Return how often no salt agrees, and how often each agrees alone, if they do independently."""
    dead = np.array([1 - x for x in same])
    none = float(dead.prod())
    return [none, *(none / max(float(d), _FEWEST) * (1 - float(d)) for d in dead)]


def _learned_matches(
    evidence: _Evidence, k: int, counts: _Floats, mass: float, unseen: float
) -> tuple[float, _Floats]:
    """Return how often a pass of matches is alive, and how similar they are then.

    `unseen` are those that are alive with this salt alone, from which nothing else is learned.
    """
    weight = max(_PRIOR_PAIRS, _PRIOR_SHARE * mass)
    alive = float(counts.sum()) + unseen + weight * float(evidence.same[_MATCH, k])
    found = counts + weight * evidence.similar[_MATCH, k]
    return float(np.clip(alive / (mass + weight), 1e-6, 1 - 1e-6)), found / found.sum()


def _learned_strangers(evidence: _Evidence, k: int, counts: _Floats) -> tuple[float, _Floats]:
    """Return the same for strangers, of whom only those are seen who became candidates.

    In each bin of similarity there are as many as were seen, over the chance of being seen, and as
    many as expected, by a few pairs' worth.
    """
    prior = float(evidence.same[_UNRELATED, k])
    expected = evidence.n_pairs * prior * evidence.similar[_UNRELATED, k]
    there = (counts + _PRIOR_STRANGERS) / (
        evidence.seen_alive[k] + _PRIOR_STRANGERS / np.maximum(expected, 1e-9)
    )
    same = float(there.sum()) / evidence.n_pairs
    least, most = prior / _STRANGERS_OFF, min(prior * _STRANGERS_OFF, 0.5)
    return float(np.clip(same, least, most)), there / there.sum()


def _with_rest(shares: _Floats) -> _Floats:
    positive = np.maximum(shares, _FEWEST)
    positive[_UNRELATED] = max(1 - float(positive[:_UNRELATED].sum()), _FEWEST)
    return np.asarray(positive / positive.sum(), dtype=np.float64)
