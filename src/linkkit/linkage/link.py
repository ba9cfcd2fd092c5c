"""Links the parties' encodings: blocks, compares, classifies, clusters, and says how it went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeGuard, get_args

import numpy as np
import numpy.typing as npt

from linkkit.engines import Progress, silent
from linkkit.errors import OptionError
from linkkit.exchange import Crosswalk, EncodedExtract
from linkkit.exchange.atomic import atomic_file
from linkkit.linkage.block import (
    Block,
    BlockingPlan,
    PassPlan,
    plan_blocking,
    plan_passes,
)
from linkkit.linkage.classify import (
    MatchModel,
    PassModel,
    RecordModel,
    ScoredPairs,
    first_weights,
    fit_model,
    fit_passes,
    fit_records,
    pass_log_odds,
    record_log_odds,
    score_pairs,
    score_passes,
    score_records,
)
from linkkit.linkage.classify.scores import frequency_table
from linkkit.linkage.cluster import ScorePairs, cluster_records
from linkkit.linkage.compare import (
    LEVELS,
    ComparedPairs,
    Comparison,
    candidate_floor,
    compare_all,
    compare_filters,
    compare_pairs,
    compare_passes,
    find_pairs,
    make_comparison,
    require_comparable,
    sample_pairs,
)
from linkkit.linkage.compare.pairs import unpack
from linkkit.linkage.crosswalk import build_crosswalk
from linkkit.linkage.pool import Pool, make_pool
from linkkit.linkage.quality import LinkageQuality, estimate_quality

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LinkResult", "LinkedPairs", "link"]

_SAMPLE_PAIRS = 1_000_000
_FLOOR_BELOW_EVEN_ODDS = 8.0
_FEWEST_WEIGHT = 4.0


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class LinkedPairs:
    """The candidate pairs of a linkage, scored, and whether each was linked.

    Attributes
    ----------
    pool : Pool
        The records that the pairs point to.
    scored : ScoredPairs
        Pairs and scores.
    linked : ndarray of bool, shape (n_pairs,)
        Whether both records are of one person.
    """

    pool: Pool
    scored: ScoredPairs
    linked: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.scored)

    def __repr__(self) -> str:
        return f"<LinkedPairs: {len(self)} candidate pairs, {int(self.linked.sum())} linked>"

    def to_pandas(self) -> pd.DataFrame:
        """Return one row for each pair: parties, tokens, levels, weight, probability, linked."""
        import pandas as pd

        columns: dict[str, object] = {}
        for side, where in (("left", self.scored.left), ("right", self.scored.right)):
            columns[f"{side}_party"] = np.array(self.pool.parties)[self.pool.party[where]]
            columns[f"{side}_token"] = [bytes(token).hex() for token in self.pool.tokens[where]]
        for f, item in enumerate(self.pool.spec.columns):
            columns[item.name] = pd.Categorical.from_codes(
                self.scored.levels[:, f], dtype=pd.CategoricalDtype(list(LEVELS), ordered=True)
            )
        columns["match_weight"] = self.scored.weight
        columns["probability"] = self.scored.probability
        columns["linked"] = self.linked
        return pd.DataFrame(columns)

    def save(self, path: str | Path) -> Path:
        """Write the pairs as Parquet, for the linkage unit's own use; returns the path."""
        with atomic_file(path, private=True) as file:
            self.to_pandas().to_parquet(file, index=False)
        return Path(path)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class LinkResult:
    """What :func:`link` found.

    Attributes
    ----------
    crosswalk : Crosswalk
        Record tokens and person ids, for the steward.
    pairs : LinkedPairs
        Candidate pairs and their scores; stays at the linkage unit.
    quality : LinkageQuality
        Estimated precision and recall.
    model : MatchModel, PassModel or RecordModel
        What was learned of each field or pass, or of the whole record.
    plan : BlockingPlan or PassPlan
        What was compared.
    threshold : float
        The least match probability of a link.
    n_records : dict of str to int
        Records of each party.
    """

    crosswalk: Crosswalk
    pairs: LinkedPairs
    quality: LinkageQuality
    model: MatchModel | PassModel | RecordModel
    plan: BlockingPlan | PassPlan
    threshold: float
    n_records: dict[str, int]

    def __repr__(self) -> str:
        return (
            f"<LinkResult: {sum(self.n_records.values())} records of {len(self.n_records)} "
            f"parties, {self.crosswalk.n_people} people>"
        )

    def __str__(self) -> str:
        sizes = ", ".join(f"{party} {n}" for party, n in self.n_records.items())
        return (
            f"records: {sizes}\ncompared: {self.plan}\n"
            f"people: {self.crosswalk.n_people}\n{self.quality}"
        )


def link(
    extracts: Sequence[EncodedExtract],
    *,
    threshold: float = 0.5,
    block: Block = "auto",
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> LinkResult:
    """Find which records of which parties are of the same person, from encodings alone.

    Parameters
    ----------
    extracts : sequence of EncodedExtract
        One for each party; a single one when its party holds duplicates.
    threshold : float
        The least match probability, above 0 and at most 1, at which two records may be linked.
    block : {"auto", "exhaustive", "blocks"}
        Which pairs are compared: all, or those that meet in blocks of records that agree in two
        fields, or with passes in a filter or in some of its bits. "auto" compares all where that
        takes seconds (up to 1,000 million pairs; with passes up to 2,500 million); with
        ``clkhash`` all pairs are compared always. The result's ``plan`` says what was chosen.
    n_threads : int, optional
        As many as there are processors by default. Results do not depend on it.
    progress : callable, optional
        Told now and then how far the comparison is.

    Returns
    -------
    LinkResult
        The same for any order of records and parties.

    Raises
    ------
    WrongStageError
        When something else than encoded extracts is given.
    MismatchError
        When they differ in agreement, encoding spec or secret.
    LinkageError
        When there is nothing to link or too much to compare.
    OptionError
        When an option is out of its range.

    Examples
    --------
    >>> import linkkit as lk
    >>> from linkkit.synth import youth_partnership
    >>> town = youth_partnership(n_district=60, n_summer=30, n_jobs=20)
    >>> agreement = lk.Agreement.from_document(town.agreement)
    >>> secret = lk.Secret.generate()
    >>> encoded = [
    ...     lk.encode(frame, agreement, secret, party=party).encodings
    ...     for party, frame in town.extracts.items()
    ... ]
    >>> result = lk.link(encoded)
    >>> sorted(result.n_records)
    ['district', 'jobs', 'summer']
    """
    _check_options(threshold, block, n_threads)
    pool = make_pool(extracts)
    work = _Work(pool, block, n_threads, progress or silent)
    found = _strategy(pool)(work)
    person = cluster_records(pool, found.scored, threshold=threshold, score=found.score)
    scored = found.scored
    return LinkResult(
        crosswalk=build_crosswalk(pool, person),
        pairs=LinkedPairs(
            pool=pool, scored=scored, linked=person[scored.left] == person[scored.right]
        ),
        quality=estimate_quality(pool, scored, person),
        model=found.model,
        plan=found.plan,
        threshold=threshold,
        n_records=dict(zip(pool.parties, pool.party_sizes().tolist(), strict=True)),
    )


class _Work(NamedTuple):
    """What is to be linked, and how."""

    pool: Pool
    block: Block
    n_threads: int | None
    progress: Progress


class _Found(NamedTuple):
    """Candidate pairs scored, and how they were found."""

    plan: BlockingPlan | PassPlan
    scored: ScoredPairs
    model: MatchModel | PassModel | RecordModel
    score: ScorePairs


def _strategy(pool: Pool) -> Callable[[_Work], _Found]:
    """Return how encodings of the pool's kind are linked."""
    if pool.spec.records:
        return _link_records
    return _link_passes if pool.spec.passes else _link_fields


def _link_fields(work: _Work) -> _Found:
    pool = work.pool
    plan = plan_blocking(pool, block=work.block)
    comparison = make_comparison(pool)
    candidates, sample, weights, floor = _candidates(
        pool, plan, comparison, n_threads=work.n_threads, progress=work.progress
    )
    model = fit_model(
        pool.spec.filters,
        candidates.codes,
        sample,
        n_pairs=plan.n_pairs,
        is_candidate=_weight_of(sample, weights) >= floor,
    )
    frequencies = frequency_table(pool)

    def score(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        codes = compare_pairs(comparison, left, right)
        pairs = ComparedPairs(left=left, right=right, codes=codes)
        return score_pairs(pairs, model, frequencies).weight

    scored = score_pairs(candidates, model, frequencies)
    return _Found(plan=plan, scored=scored, model=model, score=score)


def _link_passes(work: _Work) -> _Found:
    pool = work.pool
    plan = plan_passes(pool, block=work.block)
    candidates, plan = find_pairs(pool, plan, n_threads=work.n_threads, progress=work.progress)
    model = fit_passes(pool, candidates, plan, most_matches=_most_matches(pool))

    def score(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        pairs = compare_passes(pool, left, right)
        return np.asarray(pass_log_odds(pairs, model) / np.log(2), dtype=np.float64)

    scored = score_passes(pool, candidates, model)
    return _Found(plan=plan, scored=scored, model=model, score=score)


def _link_records(work: _Work) -> _Found:
    pool = work.pool
    require_comparable(pool)
    plan = plan_blocking(pool, block="exhaustive")
    floor = candidate_floor(pool)
    candidates = compare_filters(
        pool, floor=floor, n_threads=work.n_threads, progress=work.progress
    )
    model = fit_records(pool, candidates, floor=floor, n_pairs=plan.n_pairs)

    def score(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        odds = record_log_odds(pool, left, right, None, model)
        return np.asarray(odds / np.log(2), dtype=np.float64)

    scored = score_records(pool, candidates, model)
    return _Found(plan=plan, scored=scored, model=model, score=score)


def _check_options(threshold: object, block: object, n_threads: object) -> None:
    problems = []
    if not (_is_number(threshold) and 0 < threshold <= 1):
        problems.append("'threshold' is a probability, above 0 and at most 1")
    if block not in get_args(Block):
        problems.append(f"'block' is one of {', '.join(get_args(Block))}")
    if n_threads is not None and not (isinstance(n_threads, int) and n_threads >= 1):
        problems.append("'n_threads' is 1 or more, or None for all processors")
    if problems:
        raise OptionError(problems, hint="Leave it out for the default.")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _candidates(
    pool: Pool,
    plan: BlockingPlan,
    comparison: Comparison,
    *,
    n_threads: int | None,
    progress: Progress,
) -> tuple[ComparedPairs, npt.NDArray[np.uint64], npt.NDArray[np.float64], float]:
    sample = sample_pairs(pool, comparison, n_pairs=min(_SAMPLE_PAIRS, 4 * plan.n_pairs))
    weights = first_weights(pool.spec.filters, sample)
    even_odds = float(np.log2(max(plan.n_pairs / _most_matches(pool), 1)))
    floor = max(even_odds - _FLOOR_BELOW_EVEN_ODDS, _FEWEST_WEIGHT)
    candidates = compare_all(
        comparison, plan, weights=weights, floor=floor, n_threads=n_threads, progress=progress
    )
    return candidates, sample, weights, floor


def _most_matches(pool: Pool) -> int:
    """Return how many pairs would match if every record that can have a match had one."""
    sizes = [int(n) for n in pool.party_sizes()]
    across = sum(min(a, b) for a, b in combinations(sizes, 2))
    within = sum(n for n, clean in zip(sizes, pool.clean, strict=True) if not clean)
    return max(across + within, 1)


def _weight_of(
    codes: npt.NDArray[np.uint64], weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    levels = unpack(codes, n_fields=len(weights))
    total = np.zeros(len(levels))
    for f in range(len(weights)):
        total += weights[f, levels[:, f]]
    return total
