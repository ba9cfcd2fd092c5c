"""A mixture model of passes.

Six classes of pairs: the same person, the same person with errors in most fields, twins, people of one
household, namesakes, unrelated people. Errors come together: who has one in a salt has others.
A class says how often each pass is alive, and how similar its pairs are then; salts are independent
within a class, as they fail for different reasons, and passes with the same salt are alive together.

:mod:`linkkit.linkage.classify.pass_evidence` says what a pair shows for each class, and
:mod:`linkkit.linkage.classify.pass_learning` learns the model without labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from linkkit.exchange import EncodingSpec
from linkkit.linkage.classify.model import FieldWeights
from linkkit.linkage.classify.pass_coincidences import coincidence_classes
from linkkit.linkage.classify.pass_evidence import PassParameters, SeenPairs, pair_log_odds
from linkkit.linkage.classify.pass_priors import N_MATCHING

__all__ = ["PassModel"]

_FEWEST = 1e-12

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PassModel(PassParameters):
    """The learned model: :class:`~linkkit.linkage.classify.pass_evidence.PassParameters` and how they came about.

    Attributes
    ----------
    spec : EncodingSpec
        How the records were encoded.
    covered : ndarray of bool, shape (n_blocks, n_passes)
        The passes that tell something about a block's pairs.
    fields : tuple of FieldWeights
        What each pass tells, see :meth:`field_weights`.
    n_pairs : int
        All pairs that could match.
    n_rounds : int
        Rounds of EM.
    converged : bool
        Whether EM came to rest.
    few : ndarray of float64, shape (n_blocks, 3)
        By block, for each candidate that matches and is alive with two salts or more: how many matches are
        expected to be alive with no salt, with one alone, and with more but no candidates.
    warnings : tuple of str
        What makes the model doubtful.
    """

    spec: EncodingSpec
    covered: npt.NDArray[np.bool_]
    fields: tuple[FieldWeights, ...]
    n_pairs: int
    n_rounds: int
    converged: bool
    few: _Floats
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

    def log_evidence(
        self, correlations: _Floats, *, block: npt.NDArray[np.int64] | None = None
    ) -> _Floats:
        """Return how far the log odds of each pair are above those of any pair, shape (n_pairs,).

        What two records of a group tell whom other records brought together: that the others did so is
        known, and two records of one person often share no salt.
        """
        match = float(self.shares[:N_MATCHING].sum())
        prior = float(np.log(match / max(1 - match, _FEWEST)))
        return np.asarray(self.log_odds(correlations, block=block) - prior)

    def log_odds(
        self,
        correlations: _Floats,
        *,
        block: npt.NDArray[np.int64] | None = None,
        unknown: npt.NDArray[np.bool_] | None = None,
    ) -> _Floats:
        """Return the natural log of the odds of a match, shape (n_pairs,).

        `correlations` are those of each pair in each pass, shape (n_pairs, n_passes); `unknown`, of the
        same shape, are passes that are taken not to have been compared. `block` is the number of each
        pair's block, see :func:`~linkkit.linkage.classify.pass_coverage.blocks_of`; all are of the first
        by default.
        """
        seen = SeenPairs.of(self.spec, correlations, unknown, block=block, covered=self.covered)
        return pair_log_odds(seen, self, coincidence_classes(self.spec))
