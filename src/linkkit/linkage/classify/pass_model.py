"""A mixture model of passes, learned without labels.

Six classes of pairs: the same person, the same person with errors in most fields, twins, people of one
household, namesakes, unrelated people. Errors come together: who has one in a salt has others.
Whether two records have the same salt in a pass is not known. If they do, the pass is *alive*, and its
correlation shows how similar the records are in the fields of the pass; if not, the correlation is
noise of known width. So a class says how often each pass is alive and how similar its pairs are
then; salts are independent within a class, as they fail for different reasons, and passes with the same
salt are alive together. For matches and strangers both are learned by EM, of strangers in view of those
who are too unlike to be candidates; all pairs that are no candidates are taken for unrelated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from linkkit.exchange import EncodingSpec, PassSpec
from linkkit.linkage.classify.known_strangers import Strangers
from linkkit.linkage.classify.model import FieldWeights
from linkkit.linkage.classify.pass_coincidences import (
    Coincidences,
    coincidence_classes,
    share_seen,
)
from linkkit.linkage.classify.pass_levels import ALIVE_FROM, pass_weights
from linkkit.linkage.classify.pass_priors import (
    N_MATCHING,
    PASS_CLASSES,
    coincidences,
    expected_overlap,
    expected_same,
)

__all__ = ["SIMILARITIES", "PassModel", "fit_pass_model"]

_CAREFUL, _WORN = 0, 1
_MATCHES, _UNRELATED = (_CAREFUL, _WORN), len(PASS_CLASSES) - 1
_TWINS, _HOUSEHOLD = PASS_CLASSES.index("twins"), PASS_CLASSES.index("household")
_TWINS_AMONG_SIBLINGS = 0.03

SIMILARITIES: npt.NDArray[np.float64] = np.linspace(0.0, 1.0, 41)
"""Shares of equal bits beyond chance, before diffusion, that are told apart."""

_IS_TAIL = SIMILARITIES > 0.35
_DECAYS = (0.16, 0.4)
_WORN_AMONG_MATCHES = 0.2
_HARDLY_ANY = 0.001
_INCREDIBLE = 1e-30
_MOST_WORN, _MOST_WORN_IF_COARSE, _COARSE = 4.0, 0.002, 0.2
"""Errors in most fields are not the rule: where few pairs are as of one person without them, many with
them are strangers."""
_SPREAD = 0.10
_FROM_HASHING = 0.02
"""How far two filters' similarity lies from that of their tokens."""

_PRIOR_PAIRS = 40.0
_PRIOR_SHARE = 0.05
_PRIOR_STRANGERS = 5.0
_PRIOR_COINCIDENT = 1.0
_STRANGERS_OFF = 50.0
_MAX_ROUNDS = 300
_CONVERGED = 1e-4
_FEWEST = 1e-12
_SALTS_OF_MATCHES = 2
_LEAST_SEEN = 0.2
_MOST_COINCIDENT = 4.0
_MOST_LONELIER = 1.5
_MOST_LONELY = 0.5
_MOST_LONELY_IF_KNOWN = 0.12
_MOST_LONELY_OF_SALT = 10.0
_LEAST_STEP = 0.5

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
    coincident : ndarray of float64, shape (n_fields,)
        Share of strangers who have the value of a field in common, among all pairs.
    lonelier : ndarray of float64, shape (1 + n_salts,)
        How many times as probable matches are than with independent salts to be alive with no salt, and
        with each alone.
    fields : tuple of FieldWeights
        What each pass tells, see :meth:`field_weights`.
    n_pairs : int
        All pairs that could match.
    n_rounds : int
        Rounds of EM.
    converged : bool
        Whether EM came to rest.
    missed : float
        Expected number of matching pairs that are no candidates.
    warnings : tuple of str
        What makes the model doubtful.
    """

    spec: EncodingSpec
    shares: _Floats
    same: _Floats
    similar: _Floats
    coincident: _Floats
    lonelier: _Floats
    fields: tuple[FieldWeights, ...]
    n_pairs: int
    n_rounds: int
    converged: bool
    missed: float = 0.0
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return (
            f"<PassModel: {len(self.spec.passes)} passes, "
            f"{self.expected_matches:.0f} matches expected>"
        )

    @property
    def expected_matches(self) -> float:
        """Expected number of matching pairs."""
        return float(self.shares[:N_MATCHING].sum() * self.n_pairs)

    def field_weights(self) -> tuple[FieldWeights, ...]:
        """Return m, u and weight in bits of each level of each pass.

        "disagree" is another salt or records with little in common. Passes tell much the same, so
        that their weights must not be added up.
        """
        return self.fields

    def log_evidence(self, correlations: _Floats) -> _Floats:
        """Return how far the log odds of each pair are above those of any pair, shape (n_pairs,).

        What two records of a group tell whom other records brought together: that the others did so is
        known, and two records of one person often share no salt.
        """
        match = float(self.shares[:N_MATCHING].sum())
        prior = float(np.log(match / max(1 - match, _FEWEST)))
        return np.asarray(self.log_odds(correlations) - prior)

    def log_odds(
        self, correlations: _Floats, *, unknown: npt.NDArray[np.bool_] | None = None
    ) -> _Floats:
        """Return the natural log of the odds of a match, shape (n_pairs,).

        `correlations` are those of each pair in each pass, shape (n_pairs, n_passes); `unknown`, of the
        same shape, are passes that are taken not to have been compared.
        """
        seen = _Seen.of(self.spec, correlations, unknown)
        return _log_odds(seen, self, coincidence_classes(self.spec))


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
    ratio = (tables[group[0]].ratios @ similar[group[0]])[places[group[0]]]
    for k in group[1:]:
        ratio *= (tables[k].ratios @ similar[k])[places[k]]
    return np.asarray(ratio)


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
            often, k = same[c, group[0]], group[0]
            if len(group) == 1:
                by_place = (1 - often) + often * (tables[k].ratios @ similar[c, k])
                found[c] *= by_place[places[k]]
            else:
                alive = _alive_ratios(tables, places, similar[c], group)
                alive *= often
                alive += 1 - often
                found[c] *= alive
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class _Seen:
    """Pairs as the model sees them.

    `lonely` pairs are alive with one salt at most, whose number, from 1, is `lonely_salt`; `near` are
    the others.
    """

    tables: list[_Table]
    places: npt.NDArray[np.int64]
    groups: list[list[int]]
    lonely: npt.NDArray[np.bool_]
    lonely_salt: npt.NDArray[np.int64]
    near: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls,
        spec: EncodingSpec,
        correlations: _Floats,
        unknown: npt.NDArray[np.bool_] | None = None,
    ) -> _Seen:
        tables, groups = [_table(item) for item in spec.passes], _by_salt(spec)
        places = _places(tables, correlations)
        if unknown is not None:
            # A row of ones at the end of each table tells nothing.
            tables = [_with_nothing(table) for table in tables]
            places = np.where(unknown.T, [[len(table.ratios) - 1] for table in tables], places)
            # What was not looked at may be alive.
            correlations = np.where(unknown, 1.0, correlations)
        alive = _alive_salts(spec, correlations, groups)
        lonely = alive.sum(axis=1) < _SALTS_OF_MATCHES
        return cls(
            tables=tables,
            places=places,
            groups=groups,
            lonely=lonely,
            lonely_salt=np.where(lonely, alive @ np.arange(1, len(groups) + 1), 0),
            near=np.flatnonzero(~lonely),
        )

    def ratios(self, same: _Floats, similar: _Floats) -> _Floats:
        """Return the likelihood of each pair in each class over that of noise."""
        return _class_ratios(self.tables, self.places, self.groups, same, similar)

    def of_coincidence(self, classes: Coincidences) -> _Floats:
        """Return the same of pairs that are near, of strangers who share a value."""
        similar = _similar_at(classes.overlaps)
        places = self.places[:, self.near]
        return _class_ratios(self.tables, places, self.groups, classes.same, similar)


def _log_odds(seen: _Seen, learned: _State | PassModel, classes: Coincidences) -> _Floats:
    ratios = seen.ratios(learned.same, learned.similar)
    ratios[:N_MATCHING, seen.lonely] *= learned.lonelier[seen.lonely_salt[seen.lonely]]
    logs = np.log(np.maximum(ratios, 1e-300)) + np.log(learned.shares)[:, None]
    match, other = (np.logaddexp.reduce(x, axis=0) for x in np.split(logs, [N_MATCHING]))
    shared = learned.coincident @ seen.of_coincidence(classes)
    other[seen.near] = np.logaddexp(other[seen.near], np.log(np.maximum(shared, 1e-300)))
    return np.asarray(match - other)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Evidence:
    """What EM looks at, which stays the same in all rounds.

    Most lonely pairs are strangers who share a postal code, say,
    and a name, and a town with few postal codes would teach that matches have nothing else in common.
    So nothing is learned of matches from them but, within bounds, how many they are: who has an error
    in one salt has errors in others more often than others do. Where strangers are known, these alone
    say how many strangers are alive with one salt; the others are as many as are left.
    """

    seen: _Seen
    classes: Coincidences
    n_pairs: float
    n_expected: float
    most_matches: float
    seen_alive: _Floats
    same: _Floats
    similar: _Floats
    strangers: Strangers
    known: npt.NDArray[np.int8]

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


@dataclass(frozen=True, kw_only=True, slots=True)
class _State:
    """What EM learns."""

    shares: _Floats
    same: _Floats
    similar: _Floats
    coincident: _Floats
    lonelier: _Floats


def fit_pass_model(
    spec: EncodingSpec,
    correlations: _Floats,
    *,
    n_pairs: int,
    most_matches: float,
    n_records: int,
    seen: _Floats,
    n_expected: float | None = None,
    strangers: Strangers | None = None,
    known: npt.NDArray[np.int8] | None = None,
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
    n_expected : float, optional
        How many pairs match, roughly, where that is not half of the most: where to begin.
    strangers : Strangers, optional
        Which candidates are known to be no match.
    known : ndarray of int8, shape (n_candidates,), optional
        Labels: 1 the same person, -1 not, 0 not known.
    """
    strangers = strangers or Strangers.unknown(len(correlations))
    n_expected = most_matches if n_expected is None else n_expected
    classes, found = coincidence_classes(spec), _Seen.of(spec, correlations)
    same, similar = expected_same(spec), _first_similar(spec)
    evidence = _Evidence(
        seen=found,
        classes=classes,
        n_pairs=float(max(n_pairs, 1)),
        n_expected=n_expected,
        most_matches=most_matches,
        seen_alive=seen,
        strangers=strangers,
        known=np.zeros(len(correlations), dtype=np.int8) if known is None else known,
        same=same,
        similar=similar,
    )
    worn = 0.5 * _WORN_AMONG_MATCHES * n_expected
    others = np.array([0.03, 1.0, 0.5, 0.0]) * n_records
    first = np.concatenate([[0.5 * n_expected - worn, worn], others])
    usual = _State(
        shares=_with_rest(first / evidence.n_pairs),
        same=same,
        similar=similar,
        coincident=classes.shares,
        lonelier=np.ones(1 + len(found.groups)),
    )
    state, n_rounds, converged = _em(evidence, usual)
    is_sound = all(np.isfinite(x).all() for x in (state.shares, state.same, state.similar))
    state = _believed(evidence, state) if is_sound else usual
    log_odds = _log_odds(found, state, classes)
    match = 1 / (1 + np.exp(-np.clip(log_odds, -700, 700)))
    return PassModel(
        spec=spec,
        shares=state.shares,
        same=state.same,
        similar=state.similar,
        coincident=state.coincident,
        lonelier=state.lonelier,
        fields=pass_weights(spec, correlations, match, n_pairs=evidence.n_pairs),
        n_pairs=n_pairs,
        n_rounds=n_rounds,
        converged=converged,
        missed=_missed(evidence, state),
        warnings=tuple(_doubts(evidence, state, n_rounds, converged=converged, is_sound=is_sound)),
    )


def _shares_nobody(evidence: _Evidence, state: _State) -> bool:
    n_matches = float(state.shares[:N_MATCHING].sum()) * evidence.n_pairs
    return n_matches < _HARDLY_ANY * min(evidence.most_matches, evidence.n_expected)


def _believed(evidence: _Evidence, state: _State) -> _State:
    """Return what was learned; where nobody is shared, only a pair alike in most salts is a match."""
    if not _shares_nobody(evidence, state):
        return state
    shares = state.shares.copy()
    shares[:N_MATCHING] = np.minimum(shares[:N_MATCHING], _INCREDIBLE)
    return replace(state, shares=shares)


def _missed(evidence: _Evidence, state: _State) -> float:
    """Return how many matches are expected to be no candidates in any pass."""
    total = 0.0
    for c in _MATCHES:
        dead = 1.0
        for group in evidence.seen.groups:
            seen = max(float(state.similar[c, k] @ evidence.seen_alive[k]) for k in group)
            dead *= 1 - float(state.same[c, group[0]]) * seen
        total += dead * float(state.shares[c]) * evidence.n_pairs
    return total * max(float(state.lonelier.max()), 1.0)


def _doubts(
    evidence: _Evidence, state: _State, n_rounds: int, *, converged: bool, is_sound: bool
) -> Iterator[str]:
    n_matches = float(state.shares[:N_MATCHING].sum()) * evidence.n_pairs
    if not is_sound:
        yield "the model could not be learned from these pairs; what is usual was taken instead"
    elif _shares_nobody(evidence, state):
        yield f"the parties seem to share nobody: {n_matches:.0f} matching pairs are expected"
    elif not converged:
        yield f"the model did not come to rest in {n_rounds} rounds; probabilities are rough"


def _density(z: _Floats) -> _Floats:
    """Return the density of the standard normal distribution."""
    return np.asarray(np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi))


def _first_similar(spec: EncodingSpec) -> _Floats:
    """Return what similarities are expected, shape (n_classes, n_passes, n_similarities)."""
    rows = [[np.exp(-(1 - SIMILARITIES) / decay) for _ in spec.passes] for decay in _DECAYS]
    for pair_class in PASS_CLASSES[N_MATCHING:_UNRELATED]:
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


def _similar_at(overlaps: _Floats) -> _Floats:
    """Return the same by class and pass, for what filters have in common in each."""
    return np.array([[_around(float(x)) for x in row] for row in overlaps]).reshape(
        *overlaps.shape, len(SIMILARITIES)
    )


def _em(evidence: _Evidence, state: _State) -> tuple[_State, int, bool]:
    for n_rounds in range(1, _MAX_ROUNDS + 1):
        new = _round(evidence, state)
        moved = np.abs(new.shares - state.shares)[:_UNRELATED].max()
        rest = np.abs(new.same - state.same).max()
        state = new
        matches = float(new.shares[:N_MATCHING].sum())
        if moved < _CONVERGED * max(matches, _FEWEST) and rest < _CONVERGED:
            return state, n_rounds, True
    return state, _MAX_ROUNDS, False


def _alive_salts(
    spec: EncodingSpec, correlations: _Floats, groups: list[list[int]]
) -> npt.NDArray[np.bool_]:
    """Return with which salts each pair is more alike than chance explains, (n_pairs, n_salts)."""
    errors = correlations * np.sqrt([item.n_bits for item in spec.passes])[None, :]
    return np.column_stack([(errors[:, group] > ALIVE_FROM).any(axis=1) for group in groups])


def _round(evidence: _Evidence, state: _State) -> _State:
    seen = evidence.seen
    joint = seen.ratios(state.same, state.similar)
    lonely_salt = seen.lonely_salt[seen.lonely]
    joint[:N_MATCHING, seen.lonely] *= state.lonelier[lonely_salt] * evidence.boost
    joint[:N_MATCHING, evidence.strangers.known | (evidence.known < 0)] = 0.0
    joint[N_MATCHING:, evidence.known > 0] = 0.0
    joint *= state.shares[:, None]
    shared = seen.of_coincidence(evidence.classes)
    shared *= state.coincident[:, None]
    shared[:, evidence.known[seen.near] > 0] = 0.0
    total = joint.sum(axis=0)
    total[seen.near] += shared.sum(axis=0)
    total = np.maximum(total, 1e-300)
    joint /= total
    joint[N_MATCHING:] *= evidence.weights
    mass = joint.sum(axis=1)
    same, similar = state.same.copy(), state.similar.copy()
    expected = most = 0.0
    for c in _MATCHES:
        pairs = joint[c] * ~seen.lonely
        lonely = _share_lonely([float(state.same[c, group[0]]) for group in seen.groups])
        mass[c] = float(pairs.sum()) / max(1 - sum(lonely), _LEAST_SEEN)
        expected += sum(lonely) * float(mass[c])
        most += _MOST_LONELY * float(pairs.sum())
        for g, group in enumerate(seen.groups):
            unseen = lonely[g + 1] * float(mass[c])
            for k, counts in _alive_counts(evidence, state, c, group, pairs):
                same[c, k], similar[c, k] = _learned_matches(
                    evidence, (c, k), counts, mass=float(mass[c]), unseen=unseen
                )
    for group in seen.groups:
        for k, counts in _alive_counts(evidence, state, _UNRELATED, group, joint[_UNRELATED]):
            same[_UNRELATED, k], similar[_UNRELATED, k] = _learned_strangers(evidence, k, counts)
        same[:, group] = same[:, group].mean(axis=1, keepdims=True)
    if not evidence.strangers.share:
        most = min(most, _MOST_LONELIER * expected)
    found = float(joint[:N_MATCHING, seen.lonely].sum())
    # Where nobody is known to be a stranger, a coarse salt makes strangers look like worn matches.
    is_coarse = not evidence.strangers.share and float(state.lonelier.min()) < _COARSE
    most_worn = _MOST_WORN_IF_COARSE if is_coarse else _MOST_WORN
    mass[_WORN] = min(float(mass[_WORN]), most_worn * float(mass[_CAREFUL]))
    mass[:N_MATCHING] *= min(
        evidence.most_matches / max(float(mass[:N_MATCHING].sum()), _FEWEST), 1.0
    )
    mass[_TWINS] = min(float(mass[_TWINS]), _TWINS_AMONG_SIBLINGS * float(mass[_HOUSEHOLD]))
    return _State(
        shares=_with_rest(mass / evidence.n_pairs),
        same=same,
        similar=similar,
        coincident=_learned_coincidences(evidence, (shared / total[seen.near]).sum(axis=1)),
        lonelier=_learned_lonelier(
            evidence, state, joint, usual=min(found, most) / max(expected, _FEWEST)
        ),
    )


def _learned_lonelier(
    evidence: _Evidence, state: _State, joint: _Floats, *, usual: float
) -> _Floats:
    """Return how many times as probable lonely matches are as with independent salts, by salt.

    So much less than usually that there are no more than a multiple of what is expected: matches are
    not learned from them, and nothing else would keep strangers of a coarse salt from being taken for
    matches, each for itself, and then from being missing among strangers.
    """
    seen = evidence.seen
    masses = state.shares[:N_MATCHING] * evidence.n_pairs
    shares = [
        _share_lonely([float(state.same[c, group[0]]) for group in seen.groups]) for c in _MATCHES
    ]
    allowed = _MOST_LONELY_OF_SALT * (masses @ np.array(shares))
    if evidence.strangers.share:
        allowed = np.maximum(allowed, _MOST_LONELY_IF_KNOWN * float(masses.sum()))
    open_ = seen.lonely & (evidence.known == 0)
    found = np.bincount(
        seen.lonely_salt[open_],
        weights=joint[:N_MATCHING, open_].sum(axis=0),
        minlength=len(allowed),
    )
    step = np.clip(allowed / np.maximum(found, _FEWEST), _LEAST_STEP, 1 / _LEAST_STEP)
    return np.asarray(np.minimum(np.maximum(state.lonelier, _FEWEST) * step, usual))


def _learned_coincidences(evidence: _Evidence, counts: _Floats) -> _Floats:
    """Return how many of all pairs are of strangers who share a value, from those that are near."""
    classes = evidence.classes
    alive = classes.same * (_similar_at(classes.overlaps) * evidence.seen_alive).sum(axis=2)
    near = np.array(
        [share_seen([float(row[g].max()) for g in evidence.seen.groups]) for row in alive]
    )
    expected = np.maximum(classes.shares * evidence.n_pairs, _FEWEST)
    found = (counts + _PRIOR_COINCIDENT) / (near + _PRIOR_COINCIDENT / expected)
    return np.asarray(np.minimum(found / evidence.n_pairs, _MOST_COINCIDENT * classes.shares))


def _alive_counts(
    evidence: _Evidence, state: _State, c: int, group: list[int], pairs: _Floats
) -> Iterator[tuple[int, _Floats]]:
    """Yield how many pairs of a class are alive in each pass of a salt, by similarity."""
    tables, places = evidence.seen.tables, evidence.seen.places
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
    evidence: _Evidence, place: tuple[int, int], counts: _Floats, *, mass: float, unseen: float
) -> tuple[float, _Floats]:
    """Return how often a pass of matches is alive, and how similar they are then.

    `unseen` are those that are alive with this salt alone, from which nothing else is learned.
    """
    weight = max(_PRIOR_PAIRS, _PRIOR_SHARE * mass)
    alive = float(counts.sum()) + unseen + weight * float(evidence.same[place])
    found = counts + weight * evidence.similar[place]
    return float(np.clip(alive / (mass + weight), 1e-6, 1 - 1e-6)), found / found.sum()


def _learned_strangers(evidence: _Evidence, k: int, counts: _Floats) -> tuple[float, _Floats]:
    """Return the same for strangers, of whom only those are seen who became candidates.

    In each bin of similarity there are as many as were seen, over the chance of being seen, and as
    many as expected, by a few pairs' worth.
    """
    prior, seen = float(evidence.same[_UNRELATED, k]), evidence.seen_alive[k]
    expected = evidence.n_pairs * prior * evidence.similar[_UNRELATED, k]
    visible = float(expected @ seen)
    as_expected = (float(counts.sum()) + _PRIOR_STRANGERS) / (visible + _PRIOR_STRANGERS)
    expected = expected * np.where(_IS_TAIL, as_expected, 1.0)
    there = (counts + _PRIOR_STRANGERS) / (seen + _PRIOR_STRANGERS / np.maximum(expected, 1e-9))
    same = float(there.sum()) / evidence.n_pairs
    least, most = prior / _STRANGERS_OFF, min(prior * _STRANGERS_OFF, 0.5)
    return float(np.clip(same, least, most)), there / there.sum()


def _with_rest(shares: _Floats) -> _Floats:
    positive = np.maximum(shares, _FEWEST)
    positive[_UNRELATED] = max(1 - float(positive[:_UNRELATED].sum()), _FEWEST)
    return np.asarray(positive / positive.sum(), dtype=np.float64)
