"""What each field, pass or filter adds to the match weight of a pair, for each way to encode.

The base of all is a model's log odds with some fields taken for missing: with all of them, that is what is
known before anything is compared. Shares are those of :mod:`~linkkit.linkage.explain.shapley`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from linkkit.linkage.block import BlockingPlan, Plan
from linkkit.linkage.classify import (
    FieldWeights,
    MatchModel,
    PassModel,
    RecordModel,
    record_log_odds,
    score_pairs,
)
from linkkit.linkage.classify.pass_coverage import blocks_of
from linkkit.linkage.classify.pass_levels import pass_levels
from linkkit.linkage.classify.scores import FrequencyTable, frequency_table
from linkkit.linkage.compare import (
    LEVELS,
    ComparedPairs,
    compare_pairs,
    compare_passes,
    make_comparison,
)
from linkkit.linkage.compare.fields.pairs import unpack
from linkkit.linkage.compare.vectors.record_filters import dice_of_pairs, party_blocks
from linkkit.linkage.explain.shapley import shares
from linkkit.linkage.explain.trace import set_aside
from linkkit.linkage.pool import Pool, part_of

__all__ = ["Judge", "PartKind", "WeightPart", "judge_of"]

PartKind = Literal[
    "prior", "field", "frequency", "pass", "filter", "neighbors", "label", "competition"
]
"""What a part of a weight comes from."""

_LOG2 = float(np.log(2))
_EQUAL = LEVELS.index("equal")

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightPart:
    """One part of a match weight.

    Attributes
    ----------
    kind : str
        ``prior``: how many pairs match at all; ``field``, ``pass`` or ``filter``: how alike the two records are in
        one; ``frequency``: how rare an equal name is; ``neighbors``: how alike others are to them;
        ``label``: what somebody judged; ``competition``: what other candidates of the two records leave to the pair.
    name : str
        Of the field, pass or filter.
    bits : float
        What it adds to the weight.
    level : str
        How it agrees, where that can be said.
    m, u : float or None
        How often pairs of one person, and other pairs, agree like that, 0 to 1.
    note : str
        More about it.
    """

    kind: PartKind
    name: str
    bits: float
    level: str = ""
    m: float | None = None
    u: float | None = None
    note: str = ""

    @property
    def label(self) -> str:
        """What the part is called in a drawing."""
        name = self.name.replace("_", " ")
        if self.kind in {"prior", "label", "competition"}:
            return self.kind
        if self.kind == "frequency":
            return f"{name}: how rare"
        if self.kind == "neighbors":
            return f"{name}: runners-up"
        return f"{name}: {self.level}" if self.level else name


class Judge(ABC):
    """Judges pairs of a pool each for itself, without a look at others."""

    @abstractmethod
    def weights(self, left: _Ints, right: _Ints) -> _Floats:
        """Return the match weights in bits of listed pairs."""

    @abstractmethod
    def parts(self, left: int, right: int) -> list[WeightPart]:
        """Return the parts of one pair's weight, which sum to it."""


def judge_of(pool: Pool, model: MatchModel | PassModel | RecordModel, plan: Plan) -> Judge:
    """Return who judges pairs with a model."""
    if isinstance(model, MatchModel):
        return _FieldJudge(pool, model, plan)
    if isinstance(model, PassModel):
        return _PassJudge(pool, model)
    return _FilterJudge(pool, model)


class _FieldJudge(Judge):
    def __init__(self, pool: Pool, model: MatchModel, plan: Plan) -> None:
        self.pool, self.model, self.plan = pool, model, plan
        self.told = {item.field: item for item in model.field_weights()}
        keys = plan.keys if isinstance(plan, BlockingPlan) else None
        self.frequencies = frequency_table(pool, keys)
        self.comparison = make_comparison(pool)

    def weights(self, left: _Ints, right: _Ints) -> _Floats:
        pairs = ComparedPairs(left=left, right=right, codes=self._codes(left, right))
        return score_pairs(pairs, self.model, self.frequencies).weight

    def _codes(self, left: _Ints, right: _Ints) -> npt.NDArray[np.uint64]:
        codes = compare_pairs(self.comparison, left, right)
        aside = np.array(
            [set_aside(self.pool, self.plan, row) for row in (*left, *right)], np.bool_
        )
        # Of records that were set aside all is taken for missing.
        codes[aside[: len(left)] | aside[len(left) :]] = 0
        return codes

    def _worth(self, left: int, right: int, codes: _Codes, fields: _Ints) -> _Floats:
        """Return the weights of one pair with other levels, and names that are rare in some fields only."""
        n = len(codes)
        table = FrequencyTable(
            fields=self.frequencies.fields[fields],
            share=self.frequencies.share[:, fields],
            alone=self.frequencies.alone[fields],
        )
        one, other = np.full(n, left, dtype=np.int64), np.full(n, right, dtype=np.int64)
        pairs = ComparedPairs(left=one, right=other, codes=codes)
        return score_pairs(pairs, self.model, table).weight

    def parts(self, left: int, right: int) -> list[WeightPart]:
        code = self._codes(np.array([left]), np.array([right]))
        levels = unpack(code, n_fields=len(self.model.fields))[0]
        there = np.flatnonzero(levels)
        nobody = np.zeros(0, dtype=np.int64)

        def alike(known: npt.NDArray[np.bool_]) -> _Floats:
            codes = (known * (levels[there].astype(np.uint64) << _shift(there))).sum(axis=1)
            return self._worth(left, right, codes.astype(np.uint64), nobody)

        prior = float(alike(np.zeros((1, len(there)), dtype=np.bool_))[0])
        by_field = np.zeros(len(levels))
        by_field[there] = shares(alike, len(there))
        parts = [WeightPart(kind="prior", name="all pairs", bits=prior, note=_prior_note(prior))]
        for f, name in enumerate(self.model.fields):
            m, u = _shares_at(self.told[name], int(levels[f]) - 1)
            level = LEVELS[int(levels[f])]
            parts.append(
                WeightPart(kind="field", name=name, bits=float(by_field[f]), level=level, m=m, u=u)
            )
        return parts + self._rare(left, right, code, levels)

    def _rare(
        self, left: int, right: int, code: _Codes, levels: npt.NDArray[np.int8]
    ) -> list[WeightPart]:
        """Return what it adds that an equal name is rarer, or more common, than names are."""
        columns = np.flatnonzero(levels[self.frequencies.fields] == _EQUAL)

        def rare(known: npt.NDArray[np.bool_]) -> _Floats:
            weights = [self._worth(left, right, code, columns[some])[0] for some in known]
            return np.array(weights, dtype=np.float64)

        return [
            WeightPart(
                kind="frequency",
                name=self.model.fields[int(self.frequencies.fields[column])],
                bits=float(bits),
                note=f"{float(self.frequencies.share[left, column]):.2g} of the records have this one",
            )
            for column, bits in zip(columns, shares(rare, len(columns)), strict=True)
        ]


_Codes = npt.NDArray[np.uint64]


def _shift(fields: npt.NDArray[np.intp]) -> npt.NDArray[np.uint64]:
    return fields.astype(np.uint64) * np.uint64(3)


class _PassJudge(Judge):
    def __init__(self, pool: Pool, model: PassModel) -> None:
        self.pool, self.model = pool, model

    def weights(self, left: _Ints, right: _Ints) -> _Floats:
        pairs = compare_passes(self.pool, left, right)
        block = blocks_of(self.pool, left, right)
        evidence = self.model.log_evidence(pairs.correlations, block=block)
        return np.asarray(evidence / _LOG2, dtype=np.float64)

    def parts(self, left: int, right: int) -> list[WeightPart]:
        alike = compare_passes(self.pool, np.array([left]), np.array([right])).correlations
        levels = pass_levels(self.pool.spec, alike)[0] - 1
        block = blocks_of(self.pool, np.array([left]), np.array([right]))

        def worth(known: npt.NDArray[np.bool_]) -> _Floats:
            correlations = np.repeat(alike, len(known), axis=0)
            odds = self.model.log_odds(
                correlations, block=np.repeat(block, len(known)), unknown=~known
            )
            return np.asarray(odds / _LOG2, dtype=np.float64)

        n = alike.shape[1]
        prior = float(worth(np.zeros((1, n), dtype=np.bool_))[0])
        parts = [WeightPart(kind="prior", name="all pairs", bits=prior, note=_prior_note(prior))]
        for k, bits in enumerate(shares(worth, n)):
            told = self.model.field_weights()[k]
            m, u = _shares_at(told, int(levels[k]))
            parts.append(
                WeightPart(
                    kind="pass", name=told.field, bits=float(bits), level=told.levels[int(levels[k])],
                    m=m, u=u, note=f"{(1 + alike[0, k]) / 2:.1%} of the bits agree",
                )
            )  # fmt: skip
        return parts


class _FilterJudge(Judge):
    def __init__(self, pool: Pool, model: RecordModel) -> None:
        self.pool, self.model = pool, model

    def weights(self, left: _Ints, right: _Ints) -> _Floats:
        odds = record_log_odds(self.pool, left, right, None, self.model)
        return np.asarray(odds / _LOG2, dtype=np.float64)

    def parts(self, left: int, right: int) -> list[WeightPart]:
        pool = self.pool
        one, other = np.array([left]), np.array([right])
        whole = float(self.weights(one, other)[0])
        dice = dice_of_pairs(part_of(pool, np.array([left, right])), np.array([0]), np.array([1]))
        p, q = int(pool.party[left]), int(pool.party[right])
        places = list(party_blocks(pool))
        name = pool.spec.records[0].name
        if (p, q) not in places:
            return [WeightPart(kind="prior", name="all pairs", bits=whole)]
        at = places.index((p, q))
        block, curves = self.model.blocks[at], self.model.curves[at]
        prior = self._prior(p, q, curves.expected_matches)
        usual = float(curves.log_odds(dice, dice - block.typical_level)[0]) / _LOG2
        return [
            WeightPart(kind="prior", name="all pairs", bits=prior, note=_prior_note(prior)),
            WeightPart(kind="filter", name=name, bits=usual - prior, note=f"Dice {dice[0]:.3f}"),
            WeightPart(
                kind="neighbors", name=name, bits=whole - usual,
                note="how alike others are to the two records, against what is usual",
            ),
        ]  # fmt: skip

    def _prior(self, p: int, q: int, n_matches: float) -> float:
        sizes = self.pool.party_sizes().astype(np.float64)
        n_pairs = sizes[p] * sizes[q] if p != q else sizes[p] * (sizes[p] - 1) / 2
        return float(np.log2(max(n_matches, 1e-9) / max(n_pairs - n_matches, 1.0)))


def _shares_at(told: FieldWeights, level: int) -> tuple[float | None, float | None]:
    return (None, None) if level < 0 else (told.m[level], told.u[level])


def _prior_note(bits: float) -> str:
    return f"one of {2**-bits + 1:,.0f} pairs matches" if bits < 0 else ""
