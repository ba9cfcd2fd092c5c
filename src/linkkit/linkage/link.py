"""Links the parties' encodings: blocks, compares, classifies, clusters, and says how it went."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeGuard, get_args

import numpy as np
import numpy.typing as npt

from linkkit.engines import Progress, parse_bytes, silent, slices_of
from linkkit.errors import OptionError, WrongStageError
from linkkit.exchange import EncodedExtract, PersonChanges
from linkkit.linkage.block import Block
from linkkit.linkage.classify import ScoredPairs
from linkkit.linkage.cluster import Assignment
from linkkit.linkage.crosswalk import build_crosswalk
from linkkit.linkage.forecast import LinkForecast
from linkkit.linkage.households import FoundHomes, find_households, require_home_fields
from linkkit.linkage.labels import PairLabels
from linkkit.linkage.linked_pairs import LinkedPairs
from linkkit.linkage.pool import Pool
from linkkit.linkage.result import LinkResult
from linkkit.linkage.routes import FIELDS, PASSES, RECORDS, Found, Route, Work
from linkkit.linkage.threshold import Chosen, Threshold, choose_people, threshold_problems
from linkkit.linkage.years import (
    Delivery,
    Judged,
    Kept,
    bring_together,
    judged_pairs,
    name_people,
    withdrawn_tokens,
)

__all__ = ["forecast_link", "link"]


def link(
    extracts: Sequence[EncodedExtract],
    *,
    threshold: Threshold = "auto",
    max_false_match_rate: float | None = None,
    households: bool = False,
    labels: PairLabels | None = None,
    assignment: Assignment = "greedy",
    previous: LinkResult | None = None,
    withdrawn: Iterable[str] | None = None,
    as_of: dt.date | None = None,
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
        One for each party; a single one when its party holds duplicates. With `previous`, of those
        parties that deliver something now, and what they delivered before need not be in it.
    threshold : float or "auto"
        The least match probability, above 0 and at most 1, at which two records may be linked. "auto"
        takes the one with the highest expected F1, or the one that `max_false_match_rate` needs.
    max_false_match_rate : float, optional
        The share of links that are expected to be wrong, at most; above 0 and below 1. Fewer wrong links
        cost right ones.
    households : bool
        Whether to group people into households, too, by what all their records say of the home: the
        street address with its area, phones, mail addresses, guardians' names and surnames. The crosswalk gets a
        column ``household_id``. It takes the profile ``field``, as other profiles mix these fields.
    labels : PairLabels, optional
        Pairs that people who see the records have judged, as :func:`~linkkit.linkage.combine_answers`
        gives them. They are kept: what is the same is linked, what is not is not. Those of the previous
        result count, too.
    assignment : {"greedy", "optimal"}
        Whether two parties that hold each person once are assigned to each other best pair first, or so that
        the match weights of all their links together are largest.
    previous : LinkResult, optional
        What was linked before. Only new records are compared, with each other and with those of
        before; the model learns from all pairs, and people keep their ids. A record that comes again with
        other content is the same record of the same person.
    withdrawn : iterable of str, optional
        Tokens, in hexadecimal, of records that are to be forgotten. Whom they linked is found anew.
    as_of : date, optional
        The date of what changes; today by default.
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
        When they, or the previous result, differ in agreement, epoch, encoding spec or secret.
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
    unfit = threshold_problems(threshold, max_false_match_rate)
    _check_options(block, max_pairs, n_threads, problems=unfit)
    _check_flag(households)
    _check_places(work_folder, progress)
    _check_years(assignment, as_of)
    limit = None if memory_limit is None else parse_bytes(memory_limit, option="memory_limit")
    delivery = _delivered(extracts, previous, withdrawn)
    judged = judged_pairs(delivery.pool, delivery.labels, labels)
    work = Work(
        pool=delivery.pool,
        block=block,
        max_pairs=max_pairs,
        memory_limit=limit,
        work_folder=None if work_folder is None else Path(work_folder),
        n_threads=n_threads,
        progress=progress or silent,
        labels=judged.pairs,
        earlier=delivery.earlier,
    )
    if households:
        require_home_fields(delivery.pool.spec)
    with work.until_done:
        found = _route(work.pool).link(work)
        chosen = choose_people(
            work.pool, found.scored, found.score,
            threshold=threshold, max_false_match_rate=max_false_match_rate,
            n_unseen=found.n_unseen, labels=work.labels, assignment=assignment, doubt=found.doubt,
        )  # fmt: skip
        changes = None if previous is None else previous.changes
        homes = find_households(work.pool, chosen.person) if households else None
        return _result(delivery, found, chosen, judged, homes=homes, changes=changes, as_of=as_of)


def _delivered(
    extracts: Sequence[EncodedExtract],
    previous: LinkResult | None,
    withdrawn: Iterable[str] | None = None,
) -> Delivery:
    if previous is not None and not isinstance(previous, LinkResult):
        raise WrongStageError(
            f"'previous' is a LinkResult, not {type(previous).__name__}",
            hint="Give what link() returned before, or LinkResult.load() read.",
        )
    tokens = withdrawn_tokens(withdrawn)
    if previous is None:
        return bring_together(extracts, None, None, tokens)
    return bring_together(extracts, previous.pairs, previous.kept, tokens)


def _result(
    delivery: Delivery,
    found: Found,
    chosen: Chosen,
    judged: Judged,
    *,
    homes: FoundHomes | None,
    changes: PersonChanges | None,
    as_of: dt.date | None,
) -> LinkResult:
    pool, scored, person = delivery.pool, found.scored, chosen.person
    named = name_people(delivery, person, reviewed=judged.new, as_of=as_of or dt.date.today())
    household = None if homes is None else homes.household
    crosswalk = build_crosswalk(pool, person, named.ids, household)
    changes = changes or PersonChanges.none(
        agreement_id=pool.agreement_id, agreement_fingerprint=pool.agreement_fingerprint
    )
    return LinkResult(
        crosswalk=crosswalk,
        pairs=LinkedPairs(pool=pool, scored=scored, linked=_linked(scored, person)),
        quality=chosen.quality,
        model=found.model,
        plan=found.plan,
        threshold=chosen.threshold,
        n_records=dict(zip(pool.parties, pool.party_sizes().tolist(), strict=True)),
        labels=judged.pairs,
        changes=changes.with_more(named.changes),
        kept=Kept(
            made=delivery.made,
            superseded=delivery.superseded,
            measure=found.measure,
            floor=found.floor,
            person_ids=named.of_records(person),
            retired_ids=named.retired_ids,
            labels=judged.labels,
        ),
        warnings=delivery.warnings + judged.warnings + _of_one_file(pool, found.warnings),
        households=None if homes is None else homes.summary,
    )


def _of_one_file(pool: Pool, warnings: tuple[str, ...]) -> tuple[str, ...]:
    """Return what is said of several parties as it is of one alone."""
    if len(pool.parties) > 1:
        return warnings
    return tuple(
        text.replace("the parties seem to share", "the file seems to hold twice")
        for text in warnings
    )


def forecast_link(
    extracts: Sequence[EncodedExtract],
    *,
    previous: LinkResult | None = None,
    block: Block = "auto",
    max_pairs: int | None = None,
    n_threads: int | None = None,
) -> LinkForecast:
    """Say what linking some extracts will take, from a sample of its comparisons.

    Parameters
    ----------
    extracts : sequence of EncodedExtract
        As for :func:`link`.
    previous : LinkResult, optional
        What was linked before.
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
    _check_options(block, max_pairs, n_threads)
    delivery = _delivered(extracts, previous)
    work = Work(
        pool=delivery.pool,
        earlier=delivery.earlier,
        block=block,
        max_pairs=max_pairs,
        n_threads=n_threads,
    )
    return _route(work.pool).forecast(work)


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


def _check_options(
    block: object, max_pairs: object, n_threads: object, *, problems: Sequence[str] = ()
) -> None:
    problems = [*problems]
    if block not in get_args(Block):
        problems.append(f"'block' is one of {', '.join(get_args(Block))}")
    if max_pairs is not None and not (_is_whole(max_pairs) and max_pairs >= 1):
        problems.append("'max_pairs' is a number of pairs, 1 or more")
    if n_threads is not None and not (_is_whole(n_threads) and n_threads >= 1):
        problems.append("'n_threads' is 1 or more, or None for all processors")
    if problems:
        raise OptionError(problems, hint="Leave it out for the default.")


def _check_years(assignment: object, as_of: object) -> None:
    problems = []
    if assignment not in get_args(Assignment):
        problems.append(f"'assignment' is one of {', '.join(get_args(Assignment))}")
    if as_of is not None and (not isinstance(as_of, dt.date) or isinstance(as_of, dt.datetime)):
        problems.append("'as_of' is a date")
    if problems:
        raise OptionError(problems, hint="Leave it out for the default.")


def _check_flag(households: object) -> None:
    if not isinstance(households, bool):
        raise OptionError("'households' is True or False", hint="Leave it out for the default.")


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
