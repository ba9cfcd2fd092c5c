"""Links the parties' encodings: blocks, compares, classifies, clusters, and says how it went."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from linkkit.engines import Progress, parse_bytes, silent, slices_of
from linkkit.errors import WrongStageError
from linkkit.exchange import EncodedExtract, HouseholdChanges, PersonChanges
from linkkit.linkage.block import Block
from linkkit.linkage.block.content import copied_records
from linkkit.linkage.classify import ScoredPairs
from linkkit.linkage.cluster import Assignment
from linkkit.linkage.crosswalk import build_crosswalk
from linkkit.linkage.doubts import doubts_of_links, doubts_of_parties
from linkkit.linkage.forecast import LinkForecast
from linkkit.linkage.households import (
    FoundHomes,
    find_households,
    memory_of_homes,
    require_home_fields,
)
from linkkit.linkage.labels import PairLabels
from linkkit.linkage.linked_pairs import LinkedPairs
from linkkit.linkage.options import check_link_options, since_when
from linkkit.linkage.pool import Pool
from linkkit.linkage.result import LinkResult
from linkkit.linkage.routes import FIELDS, PASSES, RECORDS, Found, Route, Work
from linkkit.linkage.routes.work import most_matches
from linkkit.linkage.threshold import Chosen, Threshold, choose_people
from linkkit.linkage.years import (
    Delivery,
    Judged,
    Kept,
    bring_together,
    carry_ids,
    give_ids,
    judged_pairs,
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
        One for each party; a single one when its party holds duplicates, or for `households`. With `previous`, of those
        parties that deliver something now, and what they delivered before need not be in it.
    threshold : float or "auto"
        The least match probability, above 0 and at most 1, at which two records may be linked. "auto"
        takes the one with the highest expected F1, or the one that `max_false_match_rate` needs.
    max_false_match_rate : float, optional
        The share of links that are expected to be wrong, at most; above 0 and below 1. Fewer wrong links
        cost right ones. It makes "auto" stricter where that is needed, and never looser: where the
        threshold of "auto" has fewer wrong links than that anyway, it stays.
    households : bool
        Whether to group people into households, too, by what all their records say of the home: the
        street address with its area, phones, mail addresses, guardians' names and surnames. The crosswalk gets a
        column ``household_id``; with `previous`, households keep their ids as people do. It takes the profile
        ``field``, as other profiles mix these fields.
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
        The date of what changes, not before that of the last delivery; today by default.
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
    check_link_options(
        threshold=threshold, max_false_match_rate=max_false_match_rate, households=households,
        assignment=assignment, block=block, max_pairs=max_pairs, memory_limit=memory_limit,
        work_folder=work_folder, n_threads=n_threads, progress=progress,
    )  # fmt: skip
    since = since_when(as_of, previous.kept.as_of if isinstance(previous, LinkResult) else None)
    limit = None if memory_limit is None else parse_bytes(memory_limit, option="memory_limit")
    delivery = _delivered(extracts, previous, withdrawn, households=households)
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
        memory_afterwards=memory_of_homes(delivery.pool) if households else 0,
    )
    with work.until_done:
        found = _route(work.pool).link(work)
        chosen = choose_people(
            work.pool, found.scored, found.score,
            threshold=threshold, max_false_match_rate=max_false_match_rate,
            n_unseen=found.n_unseen, labels=work.labels, assignment=assignment, doubt=found.doubt,
        )  # fmt: skip
        doubts = (
            *doubts_of_parties(
                work.pool, found.scored, chosen.person, found.score, told=found.warnings
            ),
            *doubts_of_links(
                chosen.quality, most_links=most_matches(work.pool), told=found.warnings
            ),
        )
        found = found._replace(warnings=found.warnings + doubts)
        homes = find_households(work.pool, chosen.person) if households else None
        return _result(delivery, found, chosen, judged, homes=homes, previous=previous, as_of=since)


def _delivered(
    extracts: Sequence[EncodedExtract],
    previous: LinkResult | None,
    withdrawn: Iterable[str] | None = None,
    *,
    households: bool = False,
) -> Delivery:
    if previous is not None and not isinstance(previous, LinkResult):
        raise WrongStageError(
            f"'previous' is a LinkResult, not {type(previous).__name__}",
            hint="Give what link() returned before, or LinkResult.load() read.",
        )
    tokens = withdrawn_tokens(withdrawn)
    if previous is None:
        delivery = bring_together(extracts, None, None, tokens, alone=households)
    else:
        delivery = bring_together(extracts, previous.pairs, previous.kept, tokens)
    if households:
        require_home_fields(delivery.pool.spec)
    return delivery


def _result(
    delivery: Delivery,
    found: Found,
    chosen: Chosen,
    judged: Judged,
    *,
    homes: FoundHomes | None,
    previous: LinkResult | None,
    as_of: dt.date,
) -> LinkResult:
    pool, scored, person = delivery.pool, found.scored, chosen.person
    how: dict[str, Any] = {"reviewed": judged.new, "as_of": as_of}
    people = give_ids(delivery, delivery.people, person, of="person", **how)
    if homes is None:
        households, household_ids = carry_ids(delivery.households, as_of=as_of), None
    else:
        households = give_ids(
            delivery, delivery.households, homes.household, of="household", unit=person, **how
        )
        household_ids = households.of_records
    changes, household_changes = _changes_before(pool, previous)
    return LinkResult(
        crosswalk=build_crosswalk(pool, person, people.of_records, household_ids),
        pairs=LinkedPairs(pool=pool, scored=scored, linked=_linked(scored, person)),
        quality=chosen.quality,
        model=found.model,
        plan=found.plan,
        threshold=chosen.threshold,
        n_records=dict(zip(pool.parties, pool.party_sizes().tolist(), strict=True)),
        labels=judged.pairs,
        changes=changes.with_more(people.changes),
        household_changes=household_changes.with_more(households.changes),
        kept=Kept(
            made=delivery.made,
            superseded=delivery.superseded,
            measure=found.measure,
            floor=found.floor,
            people=people.kept,
            households=households.kept,
            as_of=as_of,
            labels=judged.labels,
        ),
        warnings=(
            *delivery.warnings,
            *judged.warnings,
            *copied_records(pool),
            *_of_one_file(pool, found.warnings),
        ),
        households=None if homes is None else homes.summary,
    )


def _changes_before(
    pool: Pool, previous: LinkResult | None
) -> tuple[PersonChanges, HouseholdChanges]:
    if previous is not None:
        return previous.changes, previous.household_changes
    under = {
        "agreement_id": pool.agreement_id,
        "agreement_fingerprint": pool.agreement_fingerprint,
    }
    return PersonChanges.none(**under), HouseholdChanges.none(**under)


def _of_one_file(pool: Pool, warnings: tuple[str, ...]) -> tuple[str, ...]:
    """Return what is said of several parties as it is of one alone; nothing, where nobody can be in it twice."""
    if len(pool.parties) > 1:
        return warnings
    if pool.clean.all():
        return ()
    return tuple(
        text.replace(
            "the parties seem to share nobody", "the file seems to hold nobody twice"
        ).replace("the parties seem to share", "the file seems to hold twice")
        for text in warnings
    )


def forecast_link(
    extracts: Sequence[EncodedExtract],
    *,
    previous: LinkResult | None = None,
    households: bool = False,
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
    households : bool
        Whether people are to be grouped into households, too.
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
    check_link_options(households=households, block=block, max_pairs=max_pairs, n_threads=n_threads)
    delivery = _delivered(extracts, previous, households=households)
    work = Work(
        pool=delivery.pool,
        earlier=delivery.earlier,
        block=block,
        max_pairs=max_pairs,
        n_threads=n_threads,
    )
    forecast = _route(work.pool).forecast(work)
    more = memory_of_homes(work.pool) if households else 0
    return dataclasses.replace(
        forecast,
        memory=forecast.memory + more,
        memory_of_records=forecast.memory_of_records + more,
    )


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
