"""Protect microdata: one row for each person, k-anonymous on the agreement's quasi-identifiers.

This version recodes globally: every person's quasi-identifier is given at the same level of
its hierarchy. k counts people, because an integrated data set has one row for each.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute

from linkkit.agreement import Agreement
from linkkit.agreement.document import require_agreement
from linkkit.errors import ProtectionError
from linkkit.steward.integrate import IntegratedDataset
from linkkit.steward.integrate.dataset import STUDY_ID
from linkkit.steward.protect import permission
from linkkit.steward.protect.dataset import ProtectedDataset, ProtectionSummary
from linkkit.steward.protect.hierarchies import Hierarchy, build_hierarchy
from linkkit.steward.protect.measured.subgroups import suppression_by_subgroup
from linkkit.steward.protect.methods.recode import GlobalRecoding, recode_globally
from linkkit.steward.protect.notes import describe_variables

__all__ = ["protect"]

# Arrow makes these functions when it is imported, where no type checker sees them.
pc: Any = pyarrow.compute


def protect(
    people: IntegratedDataset,
    agreement: Agreement,
    *,
    k: int | None = None,
    max_suppressed: float | None = None,
    today: dt.date | None = None,
) -> ProtectedDataset:
    """Make quasi-identifiers coarser until every combination belongs to at least k people.

    Of all the ways that the agreement allows, the one is taken that loses least on average
    over people and quasi-identifiers (see :func:`~linkkit.steward.protect.hierarchies.build_hierarchy`
    for what a level loses). Somebody who is still in a class of fewer than k people is
    withheld, as a whole row, and counts as completely lost; at most the agreement's share of
    people may be. Missing values of a quasi-identifier form a category of their own.

    Quasi-identifiers are those of the agreement that are among the project's variables.
    Other variables stay as they are: k-anonymity does not protect them.

    Parameters
    ----------
    people : IntegratedDataset
        From :func:`~linkkit.steward.integrate.integrate`.
    agreement : Agreement
        The agreement that it was made under.
    k : int, optional
        The fewest people in a class; the agreement's ``smallest_cell`` or more.
    max_suppressed : float, optional
        The share of people, 0 to 1, that may be withheld; the agreement's or less.
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
        When `k` or `max_suppressed` is weaker than the agreement's, the data set has a
        variable that the project may not use, or the agreement is no longer in force.
    MismatchError
        When the data set was made under another agreement.
    OptionError
        When `k` or `max_suppressed` is not a number of the right kind.
    ProtectionError
        When the data set has fewer than k people, no quasi-identifier, or values that the
        agreement's hierarchies do not cover.

    Examples
    --------
    >>> from linkkit.steward.integrate import integrate
    >>> from linkkit.steward.integrate.example import small_partnership
    >>> agreement, payloads, crosswalk = small_partnership()
    >>> people = integrate(payloads, crosswalk, agreement, project="study")
    >>> safe = protect(people, agreement, k=8)
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
    table = _clean(people.table)
    recoding = recode_globally(
        _hierarchies(table, names, agreement),
        k=k,
        max_suppressed=math.floor(Decimal(repr(share)) * len(people)),
    )
    safe = recoding.apply(table)
    return ProtectedDataset(
        project=people.project,
        agreement_id=people.agreement_id,
        agreement_fingerprint=people.agreement_fingerprint,
        table=safe,
        summary=_summarize(recoding, safe, people.project, agreement, k=k, share=share),
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


def _hierarchies(table: pa.Table, names: Sequence[str], agreement: Agreement) -> list[Hierarchy]:
    """Build all hierarchies, so that the problems of all of them are told at once."""
    ways = agreement.protection.quasi_identifiers
    hierarchies: list[Hierarchy] = []
    problems: list[str] = []
    hint = ""
    for name in names:
        column = pa.concat_arrays(
            [pa.array([], table.schema.field(name).type), *table[name].chunks]
        )
        try:
            hierarchies.append(build_hierarchy(name, column, ways[name]))
        except ProtectionError as error:
            problems += error.problems
            hint = error.hint
    if problems:
        raise ProtectionError(problems, hint=hint)
    return hierarchies


def _summarize(
    recoding: GlobalRecoding,
    safe: pa.Table,
    project: str,
    agreement: Agreement,
    *,
    k: int,
    share: float,
) -> ProtectionSummary:
    recodings = recoding.recodings()
    years = agreement.years_of(project)
    return ProtectionSummary(
        agreement_title=agreement.title,
        project_purpose=agreement.project(project).purpose,
        destroy_by=agreement.destroy_by.isoformat(),
        first_year=years.first,
        last_year=years.last,
        k=k,
        smallest_cell=agreement.protection.smallest_cell,
        max_suppressed=share,
        n_people_in=len(recoding.suppressed),
        n_suppressed=int(recoding.suppressed.sum()),
        information_loss=recoding.information_loss,
        classes=recoding.classes,
        recodings=recodings,
        variables=describe_variables(safe.schema, agreement, recodings),
        suppressed_by_subgroup=tuple(
            row
            for hierarchy in recoding.hierarchies
            for row in suppression_by_subgroup(
                hierarchy.variable,
                hierarchy.levels[0].labels,
                hierarchy.base,
                recoding.suppressed,
                smallest_cell=agreement.protection.smallest_cell,
            )
        ),
    )
