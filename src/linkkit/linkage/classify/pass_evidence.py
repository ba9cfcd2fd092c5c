"""What the correlations of candidate pairs say for each class of pairs.

Whether two records have the same salt in a pass is not known. If they do, the pass is *alive*, and its
correlation shows how similar the records are; if not, the correlation is noise of known width. So a
pair has in each class a likelihood over that of noise, which is what everything here returns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.exchange import EncodingSpec, PassSpec
from linkkit.linkage.classify.pass_coincidences import Coincidences
from linkkit.linkage.classify.pass_levels import ALIVE_FROM
from linkkit.linkage.classify.pass_priors import N_MATCHING, WORN
from linkkit.linkage.classify.pass_similarities import SIMILARITIES, normal_density, similar_at

__all__ = [
    "SALTS_OF_MATCHES",
    "PassParameters",
    "RatioTable",
    "SeenPairs",
    "alive_ratios",
    "pair_log_odds",
]

_FROM_HASHING = 0.02
"""How far two filters' similarity lies from that of their tokens."""

SALTS_OF_MATCHES = 2
"""With fewer salts alive a pair is lonely."""

_Floats = npt.NDArray[np.float64]
_Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PassParameters:
    """What is learned of passes.

    Attributes
    ----------
    shares : ndarray of float64, shape (n_classes,)
        Share of each class among all pairs that could match.
    same : ndarray of float64, shape (n_classes, n_passes)
        Probability that both records of a pair have the same salt.
    similar : ndarray of float64, shape (n_classes, n_passes, n_similarities)
        Probability of each similarity of two filters with the same salt.
    coincident : ndarray of float64, shape (n_fields,)
        Share of strangers who have the value of a field in common, among all pairs.
    similar_lonely : ndarray of float64, shape (n_passes, n_similarities)
        The same of matches that are alive with one salt alone, whoever they are.
    lonely : ndarray of float64, shape (n_blocks, 1 + n_salts)
        By block, which share of all its pairs are matches that are alive with no salt, and with each
        alone, over how many worn matches are so with independent salts.
    """

    shares: _Floats
    same: _Floats
    similar: _Floats
    coincident: _Floats
    similar_lonely: _Floats
    lonely: _Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class RatioTable:
    """Of one pass: how much likelier a correlation is if alive, by correlation and similarity."""

    step: float
    least: int
    ratios: _Floats

    @classmethod
    def of(cls, item: PassSpec) -> RatioTable:
        """Return the table of a pass."""
        noise = 1 / np.sqrt(item.n_bits)
        step = noise / 4
        bins = np.arange(round(-1 / step), round(1 / step) + 1)
        c = bins * step
        expected = SIMILARITIES**item.n_inputs
        slope = item.n_inputs * SIMILARITIES ** (item.n_inputs - 1) * _FROM_HASHING
        error = np.sqrt((1 - expected**2) / item.n_bits + slope**2 + step**2)
        alive = normal_density((c[:, None] - expected) / error) / error
        dead = normal_density(c / noise) / noise
        # A far outlier of every class is left to the class that it is least far from.
        ratios = np.maximum(alive, 1e-30) / np.maximum(dead, 1e-30)[:, None]
        return cls(step=step, least=int(bins[0]), ratios=ratios)

    def with_nothing(self) -> RatioTable:
        """Return the table with a row of ones at its end, which tells nothing."""
        nothing = np.ones((1, self.ratios.shape[1]))
        ratios = np.concatenate([self.ratios, nothing])
        return RatioTable(step=self.step, least=self.least, ratios=ratios)


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenPairs:
    """Pairs as the model sees them.

    Attributes
    ----------
    tables : list of RatioTable
        One for each pass.
    places : ndarray of int64, shape (n_passes, n_pairs)
        The row of each pass's table for each pair.
    groups : list of lists of int
        The passes of each salt: those with the same one are alive together.
    lonely : ndarray of bool, shape (n_pairs,)
        Pairs that are alive with one salt at most.
    lonely_salt : ndarray of int64, shape (n_pairs,)
        The number of that salt, from 1; 0: none, or several.
    near : ndarray of int64
        All other pairs.
    alive : ndarray of bool, shape (n_pairs, n_salts)
        With which salts pairs are alive.
    block : ndarray of int64, shape (n_pairs,)
        The number of each pair's block: of which two parties it is.
    covered : ndarray of bool, shape (n_blocks, n_passes)
        The passes that tell something about a block's pairs.
    """

    tables: list[RatioTable]
    places: npt.NDArray[np.int64]
    groups: list[list[int]]
    lonely: npt.NDArray[np.bool_]
    lonely_salt: npt.NDArray[np.int64]
    near: npt.NDArray[np.int64]
    alive: _Bools
    block: npt.NDArray[np.int64]
    covered: _Bools

    @classmethod
    def of(
        cls,
        spec: EncodingSpec,
        correlations: _Floats,
        unknown: _Bools | None = None,
        *,
        block: npt.NDArray[np.int64] | None = None,
        covered: _Bools | None = None,
    ) -> SeenPairs:
        """Return pairs by their correlations, (n_pairs, n_passes); `unknown` ones tell nothing.

        Nor do passes that are not `covered`, in which pairs of a block are never alive. All pairs are of
        one block, and all passes are covered, where nothing is said.
        """
        n_pairs, n_passes = correlations.shape
        block = np.zeros(n_pairs, dtype=np.int64) if block is None else block
        if covered is None:
            n_blocks = int(block.max(initial=0)) + 1
            covered = np.ones((n_blocks, n_passes), dtype=np.bool_)
        tables, groups = [RatioTable.of(item) for item in spec.passes], _by_salt(spec)
        tables = [table.with_nothing() for table in tables]
        nothing = ~covered[block]
        correlations = np.where(nothing, 0.0, correlations)
        if unknown is not None:
            # What was not looked at may be alive.
            correlations = np.where(unknown, 1.0, correlations)
            nothing |= unknown
        places = np.where(
            nothing.T,
            [[len(table.ratios) - 1] for table in tables],
            _places(tables, correlations),
        )
        alive = _alive_salts(spec, correlations, groups)
        lonely = alive.sum(axis=1) < SALTS_OF_MATCHES
        return cls(
            tables=tables,
            places=places,
            groups=groups,
            lonely=lonely,
            lonely_salt=np.where(lonely, alive @ np.arange(1, len(groups) + 1), 0),
            near=np.flatnonzero(~lonely),
            alive=alive,
            block=block,
            covered=covered,
        )

    @property
    def covered_salts(self) -> _Bools:
        """Which salts tell something about a block's pairs, shape (n_blocks, n_salts)."""
        return np.column_stack([self.covered[:, group].any(axis=1) for group in self.groups])

    def of_lonely_matches(self, learned: PassParameters) -> _Floats:
        """Return how probable lonely pairs are as matches over noise, times the share of such matches."""
        groups, places = self.groups, self.places[:, self.lonely]
        same, similar = learned.same[[WORN]], learned.similar_lonely[None]
        found = _class_ratios(self.tables, places, groups, same, similar)[0]
        share = learned.lonely[self.block[self.lonely], self.lonely_salt[self.lonely]]
        return np.asarray(found * share)

    def ratios(self, same: _Floats, similar: _Floats) -> _Floats:
        """Return the likelihood of each pair in each class over that of noise."""
        return _class_ratios(self.tables, self.places, self.groups, same, similar)

    def of_coincidence(self, classes: Coincidences) -> _Floats:
        """Return the same of pairs that are near, of strangers who share a value."""
        similar = similar_at(classes.overlaps)
        places = self.places[:, self.near]
        return _class_ratios(self.tables, places, self.groups, classes.same, similar)


def pair_log_odds(seen: SeenPairs, learned: PassParameters, classes: Coincidences) -> _Floats:
    """Return the natural log of the odds of a match of each pair."""
    joint = seen.ratios(learned.same, learned.similar) * learned.shares[:, None]
    joint[:N_MATCHING, seen.lonely] = 0.0
    joint[WORN, seen.lonely] = seen.of_lonely_matches(learned)
    logs = np.log(np.maximum(joint, 1e-300))
    match, other = (np.logaddexp.reduce(x, axis=0) for x in np.split(logs, [N_MATCHING]))
    shared = learned.coincident @ seen.of_coincidence(classes)
    other[seen.near] = np.logaddexp(other[seen.near], np.log(np.maximum(shared, 1e-300)))
    return np.asarray(match - other)


def alive_ratios(
    tables: list[RatioTable], places: npt.NDArray[np.int64], similar: _Floats, group: list[int]
) -> _Floats:
    """Return the likelihood of each pair, if its salts agree, over that of noise, (n_pairs,)."""
    ratio = (tables[group[0]].ratios @ similar[group[0]])[places[group[0]]]
    for k in group[1:]:
        ratio *= (tables[k].ratios @ similar[k])[places[k]]
    return np.asarray(ratio)


def _class_ratios(
    tables: list[RatioTable],
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
                alive = alive_ratios(tables, places, similar[c], group)
                alive *= often
                alive += 1 - often
                found[c] *= alive
    return found


def _places(tables: list[RatioTable], correlations: _Floats) -> npt.NDArray[np.int64]:
    rows = [
        np.round(correlations[:, k] / table.step).astype(np.int64) - table.least
        for k, table in enumerate(tables)
    ]
    # The last row of a table is of what tells nothing.
    return np.array([np.clip(x, 0, len(t.ratios) - 2) for x, t in zip(rows, tables, strict=True)])


def _by_salt(spec: EncodingSpec) -> list[list[int]]:
    groups: dict[object, list[int]] = {}
    for k, item in enumerate(spec.passes):
        groups.setdefault(item.salt, []).append(k)
    return list(groups.values())


def _alive_salts(
    spec: EncodingSpec, correlations: _Floats, groups: list[list[int]]
) -> npt.NDArray[np.bool_]:
    """Return with which salts each pair is more alike than chance explains, (n_pairs, n_salts)."""
    errors = correlations * np.sqrt([item.n_bits for item in spec.passes])[None, :]
    return np.column_stack([(errors[:, group] > ALIVE_FROM).any(axis=1) for group in groups])
