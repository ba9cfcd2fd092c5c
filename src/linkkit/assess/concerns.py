"""Concerns: what in a linkage somebody should look at before relying on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from linkkit.agreement import Agreement
from linkkit.assess.completeness import field_completeness
from linkkit.assess.evidence import field_evidence
from linkkit.assess.inputs import people_of_pool, require_result
from linkkit.assess.overlap import overlaps
from linkkit.exchange.changes import IdChanges
from linkkit.linkage import LinkResult

__all__ = ["Concern", "ConcernCode", "find_concerns"]

ConcernCode = Literal[
    "model_doubtful",
    "model_not_converged",
    "no_links",
    "no_overlap",
    "many_undecided",
    "passes_skipped",
    "records_set_aside",
    "person_ids_changed",
    "household_ids_changed",
    "field_says_nothing",
    "field_missing",
    "field_often_missing",
    "large_group",
]

_UNDECIDED = (0.1, 0.9)
_MANY_UNDECIDED = 0.05
_OFTEN_MISSING = 0.5
_LARGE_GROUP = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Concern:
    """Something to look at.

    Attributes
    ----------
    code : str
        A stable name for the kind of concern.
    severity : str
        ``"warning"`` when results may be wrong, ``"note"`` when they are only less certain.
    message : str
        What was found; names parties, fields and shares, and no count of people.
    advice : str
        What to do.
    """

    code: ConcernCode
    severity: Literal["warning", "note"]
    message: str
    advice: str


def find_concerns(result: LinkResult, *, agreement: Agreement | None = None) -> tuple[Concern, ...]:
    """Return what should be looked at, warnings first.

    Parameters
    ----------
    result : LinkResult
        What :func:`~linkkit.link` returned.
    agreement : Agreement, optional
        With it, a field that a party does not bring under the agreement is no concern.

    Returns
    -------
    tuple of Concern
        Empty when nothing stands out, which does not prove the linkage right.

    Raises
    ------
    WrongStageError
        When something else than a linkage result is given.

    Examples
    --------
    >>> from linkkit.assess.example import example_linkage
    >>> concerns = find_concerns(example_linkage().result)
    >>> [(concern.code, concern.severity) for concern in concerns]
    [('field_missing', 'note')]
    """
    require_result(result)
    checks = (
        _model,
        _links,
        _undecided,
        _passes,
        _set_aside,
        _delivery,
        _silent_fields,
        _large_groups,
    )
    found = [concern for check in checks for concern in check(result)]
    found += _missing_fields(result, agreement)
    return tuple(sorted(found, key=lambda concern: concern.severity != "warning"))


def _model(result: LinkResult) -> Iterator[Concern]:
    for text in result.warnings:
        what, _, advice = text.partition("; ")
        yield Concern(
            code="model_doubtful",
            severity="warning",
            message=f"{what[:1].upper()}{what[1:]}.",
            advice=f"{advice[:1].upper()}{advice[1:]}." if advice else "Look at the field weights.",
        )
    if not (result.model.converged or result.warnings):
        yield Concern(
            code="model_not_converged",
            severity="warning",
            message=f"The match model was still changing after {result.model.n_rounds} rounds.",
            advice="Do not rely on the probabilities. Look at the field weights for a field that "
            "makes no sense; more records or more linkage fields help.",
        )


def _links(result: LinkResult) -> Iterator[Concern]:
    if result.quality.n_links == 0:
        yield Concern(
            code="no_links",
            severity="warning",
            message="No two records were linked.",
            advice="Check that the parties serve the same area and years, and that each one's "
            "columns are the ones that the agreement names.",
        )
        return
    served = overlaps(result.crosswalk)
    for one, other in combinations(served.parties, 2):
        if served.n_common(one, other) == 0:
            yield Concern(
                code="no_overlap",
                severity="warning",
                message=f"'{one}' and '{other}' have nobody in common.",
                advice="If that is not expected, compare how the two name and write their "
                "linkage fields, date formats first.",
            )


def _undecided(result: LinkResult) -> Iterator[Concern]:
    probability = result.pairs.scored.probability
    low, high = _UNDECIDED
    n = int(np.count_nonzero((probability > low) & (probability < high)))
    share = n / max(result.quality.n_links, 1)
    if n and share > _MANY_UNDECIDED:
        yield Concern(
            code="many_undecided",
            severity="warning",
            message=f"Many pairs could go either way: for every 100 links there are {100 * share:.0f} "
            f"candidate pairs with a match probability between {low:.0%} and {high:.0%}.",
            advice="A small change of the threshold changes who is linked. Repeat the analysis "
            "with a lower and a higher threshold and see whether its results hold.",
        )


def _passes(result: LinkResult) -> Iterator[Concern]:
    if result.plan.skipped:
        yield Concern(
            code="passes_skipped",
            severity="warning",
            message="Blocking passes were left out because they would compare too many pairs for "
            "the few matches that no other pass is expected to find: "
            + "; ".join(result.plan.skipped)
            + ".",
            advice="Records that agree in nothing else were never compared. Look for a "
            "placeholder that fills one of these fields.",
        )


def _set_aside(result: LinkResult) -> Iterator[Concern]:
    if result.plan.warnings:
        yield Concern(
            code="records_set_aside",
            severity="warning",
            message="Not all that met was compared, as too many records are alike: "
            + "; ".join(result.plan.warnings)
            + ".",
            advice="Look at how these parties' files fill the linkage fields: a value that stands for "
            "a missing one makes records alike.",
        )


def _delivery(result: LinkResult) -> Iterator[Concern]:
    every: tuple[tuple[ConcernCode, str, IdChanges], ...] = (
        ("person_ids_changed", "person", result.changes),
        ("household_ids_changed", "household", result.household_changes),
    )
    for code, what, changes in every:
        if len(changes):
            yield Concern(
                code=code,
                severity="note",
                message=f"Over all deliveries, {what} ids changed: {changes}.",
                advice="Give the steward the changes with the crosswalk, so that what was stored under an "
                "earlier id is found.",
            )


def _silent_fields(result: LinkResult) -> Iterator[Concern]:
    evidence = field_evidence(result)
    what = "fields of the pass" if result.pairs.pool.spec.passes else "field"
    for field in evidence.fields:
        if evidence.of(field)["equal"].weight <= 0:
            yield Concern(
                code="field_says_nothing",
                severity="warning",
                message=f"Agreement in '{field}' was learned to speak against a match.",
                advice=f"Check how each party fills the {what}; the model may have gone astray.",
            )


def _large_groups(result: LinkResult) -> Iterator[Concern]:
    pool = result.pairs.pool
    once = [party for party, clean in zip(pool.parties, pool.clean, strict=True) if not clean]
    if result.crosswalk.n_people and np.bincount(people_of_pool(result)).max() > _LARGE_GROUP:
        yield Concern(
            code="large_group",
            severity="warning",
            message=f"At least one person has more than {_LARGE_GROUP} records.",
            advice="Look for placeholders that make different people look alike"
            + (f", first at {', '.join(once)}." if once else "."),
        )


def _missing_fields(result: LinkResult, agreement: Agreement | None) -> Iterator[Concern]:
    completeness = field_completeness(result)
    for party in completeness.n_records:
        shares = {name: completeness.share_missing(party, name) for name in completeness.fields}
        brought = None if agreement is None else agreement.party(party).linkage_fields
        absent = [
            name
            for name, share in shares.items()
            if share == 1 and (brought is None or name in brought)
        ]
        often = [name for name, share in shares.items() if _OFTEN_MISSING <= share < 1]
        if absent:
            yield _missing(party, absent, often=False)
        if often:
            yield _missing(party, often, often=True)


def _missing(party: str, fields: list[str], *, often: bool) -> Concern:
    names = " and ".join(f"'{name}'" for name in fields)
    whose = f"the records of '{party}'"
    return Concern(
        code="field_often_missing" if often else "field_missing",
        severity="note",
        message=f"Half or more of {whose} lack {names}."
        if often
        else f"None of {whose} has {names}.",
        advice="If the party does collect it, check the column that the agreement names. "
        "Otherwise its records are linked on the remaining fields, with less certainty.",
    )
