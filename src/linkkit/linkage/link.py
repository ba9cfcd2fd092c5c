"""Links the parties' encodings: blocks, compares, classifies, clusters, and says how it went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard, get_args

import numpy as np
import numpy.typing as npt

from linkkit.engines import Progress, parse_bytes, silent, slices_of
from linkkit.errors import OptionError
from linkkit.exchange import Crosswalk, EncodedExtract
from linkkit.linkage.block import Block, Plan
from linkkit.linkage.classify import MatchModel, PassModel, RecordModel, ScoredPairs
from linkkit.linkage.cluster import cluster_records
from linkkit.linkage.crosswalk import build_crosswalk
from linkkit.linkage.explain import Linked, PairExplanation, explain_pair
from linkkit.linkage.forecast import LinkForecast
from linkkit.linkage.labels import LabelledPairs, PairLabels, labels_on
from linkkit.linkage.linked_pairs import LinkedPairs
from linkkit.linkage.pool import Pool, make_pool
from linkkit.linkage.quality import LinkageQuality, estimate_quality
from linkkit.linkage.review import Review, ask_partners
from linkkit.linkage.routes import FIELDS, PASSES, RECORDS, Route, Work

__all__ = ["LinkResult", "forecast_link", "link"]


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
    plan : BlockingPlan, PassPlan or FilterPlan
        What was compared.
    threshold : float
        The least match probability of a link.
    n_records : dict of str to int
        Records of each party.
    labels : LabelledPairs, optional
        What was known of some pairs for sure.
    """

    crosswalk: Crosswalk
    pairs: LinkedPairs
    quality: LinkageQuality
    model: MatchModel | PassModel | RecordModel
    plan: Plan
    threshold: float
    n_records: dict[str, int]
    labels: LabelledPairs | None = None

    def __repr__(self) -> str:
        return (
            f"<LinkResult: {sum(self.n_records.values())} records of {len(self.n_records)} "
            f"parties, {self.crosswalk.n_people} people>"
        )

    def explain(self, token: str, other_token: str) -> PairExplanation:
        """Say why two records are linked, or are not, and which blocking pass found them.

        Parameters
        ----------
        token, other_token : str
            Record tokens in hexadecimal.

        Returns
        -------
        PairExplanation

        Raises
        ------
        OptionError
            When a token is none, or of no record of the linkage, or both are the same.

        Examples
        --------
        >>> from linkkit.assess.example import example_linkage
        >>> result = example_linkage().result
        >>> best = result.pairs.to_pandas().nlargest(1, "match_weight").iloc[0]
        >>> explanation = result.explain(best["left_token"], best["right_token"])
        >>> explanation.linked, explanation.parts[0].kind
        (True, 'prior')
        """
        linked = Linked(
            pairs=self.pairs, crosswalk=self.crosswalk, model=self.model, plan=self.plan,
            threshold=self.threshold, labels=self.labels,
        )  # fmt: skip
        return explain_pair(linked, token, other_token)

    def review(self, n: int = 100, *, tell_levels: bool = True) -> Review:
        """Ask the partners about the pairs whose answers tell most; no name passes.

        Parameters
        ----------
        n : int
            How many pairs at most.
        tell_levels : bool
            Whether partners are told how each field agrees, where encodings show it (profile ``field``).

        Returns
        -------
        Review
            A request for each party, and the list of what was asked, which stays.

        Raises
        ------
        OptionError
            When `n` is no number of pairs.
        LinkageError
            When there is no pair to ask about.

        Examples
        --------
        >>> from linkkit.assess.example import example_linkage
        >>> review = example_linkage().result.review(20)
        >>> sorted(review.requests)
        ['clinic', 'school', 'shelter']
        """
        return ask_partners(
            self.pairs, n=n, threshold=self.threshold, labels=self.labels, tell_levels=tell_levels
        )

    def __str__(self) -> str:
        sizes = ", ".join(f"{party} {n}" for party, n in self.n_records.items())
        known = "" if self.labels is None else f"known: {len(self.labels)} pairs by labels\n"
        return (
            f"records: {sizes}\ncompared: {self.plan}\n{known}"
            f"people: {self.crosswalk.n_people}\n{self.quality}"
        )


def link(
    extracts: Sequence[EncodedExtract],
    *,
    threshold: float = 0.5,
    labels: PairLabels | None = None,
    block: Block = "auto",
    max_pairs: int | None = None,
    memory_limit: int | str | None = None,
    work_folder: str | Path | None = None,
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
    labels : PairLabels, optional
        Pairs that people who see the records have judged, as :func:`~linkkit.linkage.combine_answers`
        gives them. They are kept: what is the same is linked, what is not is not.
    block : {"auto", "exhaustive", "blocks"}
        Which pairs are compared: all, or those that meet in blocks of records that agree in two
        fields or in a blocking key of the partners, or with passes and with ``clkhash`` in sampled
        bits. "auto" compares all where that takes seconds (up to 1,000 million pairs, with passes 2,500
        million, with filters of 1,024 bits 30,000 million), or where blocks are not expected to be faster.
        Records of which a party that holds each person once has more than 100 that are all equal
        are compared in "exhaustive" only. The result's ``plan`` says what was chosen, and what was set aside.
    max_pairs : int, optional
        The most candidate pairs to keep. Where more are expected, those least likely to match are left
        out, as long as none is that probably matches; with ``clkhash``, more are refused. 100 million by
        default.
    memory_limit : int or str, optional
        Bytes of memory to use beside the extracts, or text such as ``"2 GB"``. With ``field``,
        candidate pairs beyond it go to disk, else what does not fit is refused. By default four fifths of what is free. :func:`forecast_link` says what is needed.
    work_folder : path, optional
        An empty folder, or that of the same linkage when it was interrupted: finished partitions of the
        comparison are kept there until all is done, and are not made again. It holds positions and
        agreement of pairs, and no encoding.
    n_threads : int, optional
        As many as there are processors by default. Results do not depend on it.
    progress : callable, optional
        Told now and then how far the comparison is; see :func:`progress_bar`.

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
        When there is nothing to link, too much for the limits, or labels contradict each other.
    OptionError
        When an option is out of its range, the work folder cannot be used, or a disk is full.

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
    _check_options(threshold, block, max_pairs, n_threads)
    _check_places(work_folder, progress)
    limit = None if memory_limit is None else parse_bytes(memory_limit, option="memory_limit")
    pool = make_pool(extracts)
    work = Work(
        pool=pool,
        block=block,
        max_pairs=max_pairs,
        memory_limit=limit,
        work_folder=None if work_folder is None else Path(work_folder),
        n_threads=n_threads,
        progress=progress or silent,
        labels=labels_on(pool, labels),
    )
    with work.until_done:
        return _linked_people(work, threshold)


def _linked_people(work: Work, threshold: float) -> LinkResult:
    pool = work.pool
    found = _route(pool).link(work)
    person = cluster_records(
        pool, found.scored, threshold=threshold, score=found.score, labels=work.labels
    )
    scored = found.scored
    return LinkResult(
        crosswalk=build_crosswalk(pool, person),
        pairs=LinkedPairs(pool=pool, scored=scored, linked=_linked(scored, person)),
        quality=estimate_quality(pool, scored, person),
        model=found.model,
        plan=found.plan,
        threshold=threshold,
        n_records=dict(zip(pool.parties, pool.party_sizes().tolist(), strict=True)),
        labels=work.labels,
    )


def forecast_link(
    extracts: Sequence[EncodedExtract],
    *,
    block: Block = "auto",
    max_pairs: int | None = None,
    n_threads: int | None = None,
) -> LinkForecast:
    """Say what linking some extracts will take, from a sample of its comparisons.

    Parameters
    ----------
    extracts : sequence of EncodedExtract
        As for :func:`link`.
    block : {"auto", "exhaustive", "blocks"}
        Which pairs are compared.
    max_pairs : int, optional
        The most candidate pairs to keep.
    n_threads : int, optional
        As many as there are processors by default.

    Returns
    -------
    LinkForecast
        Comparisons, candidate pairs, seconds, and bytes of memory and disk.

    Raises
    ------
    WrongStageError, MismatchError, LinkageError, OptionError
        As :func:`link` would.

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
    >>> forecast = lk.forecast_link(encoded)
    >>> forecast.plan.is_exhaustive
    True
    """
    _check_options(0.5, block, max_pairs, n_threads)
    pool = make_pool(extracts)
    work = Work(pool=pool, block=block, max_pairs=max_pairs, n_threads=n_threads)
    return _route(pool).forecast(work)


def _linked(scored: ScoredPairs, person: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    linked = np.empty(len(scored), dtype=np.bool_)
    for rows in slices_of(len(scored)):
        linked[rows] = person[scored.left[rows]] == person[scored.right[rows]]
    return linked


def _route(pool: Pool) -> Route:
    """Return how encodings of the pool's kind are linked."""
    if pool.spec.records:
        return RECORDS
    return PASSES if pool.spec.passes else FIELDS


def _check_options(threshold: object, block: object, max_pairs: object, n_threads: object) -> None:
    problems = []
    if not (_is_number(threshold) and 0 < threshold <= 1):
        problems.append("'threshold' is a probability, above 0 and at most 1")
    if block not in get_args(Block):
        problems.append(f"'block' is one of {', '.join(get_args(Block))}")
    if max_pairs is not None and not (_is_whole(max_pairs) and max_pairs >= 1):
        problems.append("'max_pairs' is a number of pairs, 1 or more")
    if n_threads is not None and not (_is_whole(n_threads) and n_threads >= 1):
        problems.append("'n_threads' is 1 or more, or None for all processors")
    if problems:
        raise OptionError(problems, hint="Leave it out for the default.")


def _check_places(work_folder: object, progress: object) -> None:
    problems = []
    if work_folder is not None and not (isinstance(work_folder, (str, Path)) and str(work_folder)):
        problems.append("'work_folder' is the path of a folder")
    if progress is not None and not callable(progress):
        problems.append("'progress' is a function, such as 'with progress_bar() as progress' gives")
    if problems:
        raise OptionError(problems, hint="Leave it out for the default.")


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
