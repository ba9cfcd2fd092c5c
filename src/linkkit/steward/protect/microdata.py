"""Protect microdata: one row for each person, safe on the agreement's quasi-identifiers.

k counts people, because an integrated data set has one row for each.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute

from linkkit.agreement import Agreement
from linkkit.agreement.document import require_agreement
from linkkit.errors import ProtectionError
from linkkit.steward.integrate import IntegratedDataset, StudyKey
from linkkit.steward.integrate.dataset import STUDY_ID, with_households, without_households
from linkkit.steward.protect import permission
from linkkit.steward.protect.changes import Changes, agreed_changes
from linkkit.steward.protect.dataset import (
    ProtectedDataset,
    ProtectionSummary,
    SubgroupSuppression,
)
from linkkit.steward.protect.measured.measurable import measurable
from linkkit.steward.protect.measured.measure import measure
from linkkit.steward.protect.measured.subgroups import suppression_by_subgroup
from linkkit.steward.protect.measured.words import promise_words
from linkkit.steward.protect.methods import Method
from linkkit.steward.protect.models import MissingPolicy, PrivacyModel
from linkkit.steward.protect.notes import describe_variables
from linkkit.steward.protect.promised import promises_of
from linkkit.steward.protect.recode import Recoded, Request, recode
from linkkit.steward.protect.safe_harbor import SAFE_HARBOR_WORDS, ZIP_WORDS, agreed_safe_harbor
from linkkit.steward.protect.transforms import MicroaggregationReport

__all__ = ["protect"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute


def protect(
    people: IntegratedDataset,
    agreement: Agreement,
    *,
    k: int | None = None,
    models: Sequence[PrivacyModel] = (),
    method: Method | Literal["auto"] = "auto",
    missing: MissingPolicy | None = None,
    max_suppressed: float | None = None,
    study_key: StudyKey | None = None,
    today: dt.date | None = None,
) -> ProtectedDataset:
    """Make quasi-identifiers coarser until every combination belongs to at least k people.

    Every class of people who share a combination also keeps the other models that the
    agreement demands (l-diversity, t-closeness, households) and those given here. What is shown
    is always a level of the agreement's hierarchies. Somebody whose class cannot keep the
    models is withheld, as a whole row, and counts as completely lost; at most the agreement's
    share of people may be.

    Quasi-identifiers are those of the agreement that are among the project's variables.
    Dates that the agreement has shifted are moved first, by one number of days for each person;
    numbers that it has microaggregated become, last, the mean or median of groups of at least k
    of the people who stay. All other variables stay as they are: only a model that names them
    protects them.

    Parameters
    ----------
    people : IntegratedDataset
        From :func:`~linkkit.steward.integrate.integrate`.
    agreement : Agreement
        The agreement that it was made under.
    k : int, optional
        The fewest people in a class; the agreement's ``smallest_cell`` or more.
    models : sequence of PrivacyModel
        Models to keep beside the agreement's.
    method : {"auto", "optimal", "local", "partition"}, default "auto"
        ``optimal`` gives everybody the same levels, and finds those that lose least on average
        over people and quasi-identifiers; ``local`` and ``partition`` give each class its own
        levels, and lose less. ``auto`` chooses by size; the summary says why.
    missing : {"category", "wildcard", "suppress"}, optional
        What a missing value of a quasi-identifier is; the agreement's, or ``suppress``.
    max_suppressed : float, optional
        The share of people, 0 to 1, that may be withheld; the agreement's or less.
    study_key : StudyKey, optional
        The steward's key, needed where the agreement has dates shifted and not used otherwise.
        With the one that `integrate` had, a person's dates move alike in every delivery.
    today : datetime.date, optional
        The date by which to judge whether the agreement is in force; the system's by default.

    Returns
    -------
    ProtectedDataset
        The people who stay, and a summary of what was done.

    Raises
    ------
    WrongStageError
        When something else than an integrated data set is given.
    NotAuthorizedError
        When `k`, `missing` or `max_suppressed` is weaker than the agreement's, the data set has
        a variable that the project may not use, or the agreement is no longer in force.
    MismatchError
        When the data set was made under another agreement.
    OptionError
        When an option is not of the right kind, or a model is about a variable that the agreement
        has shifted or averaged.
    SecretError
        When dates are to be shifted and there is no study key.
    ProtectionError
        When the data set has fewer than k people, no quasi-identifier, or values that the
        agreement's hierarchies do not cover, or when the models cannot be kept; under HIPAA
        Safe Harbor also when a column looks like an identifier.

    Examples
    --------
    >>> from linkkit.steward.integrate import integrate
    >>> from linkkit.steward.integrate.example import small_partnership
    >>> agreement, payloads, crosswalk = small_partnership()
    >>> people = integrate(payloads, crosswalk, agreement, project="study")
    >>> safe = protect(people, agreement, k=8, method="optimal")
    >>> safe
    <ProtectedDataset for 'study': 60 people, k = 8, information loss 0.167>
    >>> [(item.variable, item.description) for item in safe.summary.recodings]
    [('birth_year', 'intervals of 2'), ('sex', 'kept as it is')]
    """
    agreement = require_agreement(agreement)
    people = permission.require_integrated(people)
    agreement.require_in_force(today=today)
    permission.require_same_agreement(people, agreement)
    agreement.authorize_variables(people.variables, project=people.project)
    k = permission.stated_k(k, agreement)
    share = permission.stated_max_suppressed(max_suppressed, agreement)
    names = permission.quasi_identifiers(people, agreement)
    _require_enough_people(people, k)
    changes = agreed_changes(people, agreement, k=k, models=models, study_key=study_key)
    table, households = without_households(_clean(with_households(people.table, people.households)))
    table = changes.move_dates(table, agreement_id=agreement.id, project=people.project)
    table, promised = agreed_safe_harbor(table, agreement, today=today or dt.date.today())
    request = Request(
        quasi_identifiers={name: agreement.protection.quasi_identifiers[name] for name in names},
        models=(*permission.agreed_models(people, agreement, k), *models),
        method=method,
        shown="levels",
        missing=permission.stated_missing(missing, agreement),
        max_suppressed=share,
    )
    found = recode(table, request, households=households)
    safe, averaging = changes.average(found.apply(table))
    return ProtectedDataset(
        project=people.project,
        agreement_id=people.agreement_id,
        agreement_fingerprint=people.agreement_fingerprint,
        table=safe,
        summary=_summarize(
            found,
            safe,
            people.project,
            agreement,
            request=request,
            k=k,
            changes=changes,
            averaging=averaging,
            zips=promised.zips if promised else (),
        ),
        promises=promises_of(
            found,
            request,
            table,
            averages=changes.averages,
            shift=changes.shift,
            safe_harbor=promised,
        ),
        households=None if households is None else households.filter(pa.array(~found.suppressed)),
    )


def _require_enough_people(people: IntegratedDataset, k: int) -> None:
    if len(people) < k:
        raise ProtectionError(
            f"the data set of project '{people.project}' is empty"
            if not len(people)
            else f"the data set of project '{people.project}' has fewer people than k = {k}",
            hint="No class of k people can be formed; release nothing, or link more records.",
        )


def _clean(table: pa.Table) -> pa.Table:
    """Return the table sorted by study id, in the plain types that an integrated one has."""
    columns = {name: _plain(table.column(name)) for name in table.column_names}
    return pa.table(columns).sort_by(STUDY_ID).combine_chunks()


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_boolean(kind):
        return column
    if pa.types.is_integer(kind):
        return column.cast(pa.int64())
    if pa.types.is_floating(kind):
        number = pc.add(column.cast(pa.float64()), 0.0)
        return pc.if_else(pc.is_finite(number), number, pa.scalar(None, pa.float64()))
    if pa.types.is_date(kind):
        return column.cast(pa.date32())
    text = column.cast(pa.string())
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _summarize(
    found: Recoded,
    safe: pa.Table,
    project: str,
    agreement: Agreement,
    *,
    request: Request,
    k: int,
    changes: Changes,
    averaging: MicroaggregationReport | None,
    zips: Sequence[str],
) -> ProtectionSummary:
    recodings = found.recodings()
    years = agreement.years_of(project)
    cell = agreement.protection.smallest_cell
    return ProtectionSummary(
        agreement_title=agreement.title,
        project_purpose=agreement.project(project).purpose,
        destroy_by=agreement.destroy_by.isoformat(),
        first_year=years.first,
        last_year=years.last,
        k=k,
        smallest_cell=cell,
        max_suppressed=request.max_suppressed,
        n_people_in=found.n_rows,
        n_suppressed=int(found.suppressed.sum()),
        information_loss=found.information_loss,
        method=found.grouping.method,
        why=found.why,
        classes=found.class_sizes(),
        recodings=recodings,
        variables=describe_variables(
            safe.schema,
            agreement,
            recodings,
            dict.fromkeys(zips, ZIP_WORDS) | changes.descriptions(),
        ),
        suppressed_by_subgroup=_suppressed_by_subgroup(found, smallest_cell=cell),
        in_words=(
            *promise_words(request.models, missing=request.missing),
            *changes.in_words(),
            *([SAFE_HARBOR_WORDS] if agreement.protection.preset else []),
        ),
        measured=measure(measurable(found, request)),
        averaging=averaging,
    )


def _suppressed_by_subgroup(
    found: Recoded, *, smallest_cell: int
) -> tuple[SubgroupSuppression, ...]:
    return tuple(
        row
        for hierarchy in found.hierarchies
        for row in suppression_by_subgroup(
            hierarchy.variable,
            hierarchy.levels[0].labels,
            hierarchy.base[: found.n_rows],
            found.suppressed,
            smallest_cell=smallest_cell,
        )
    )
