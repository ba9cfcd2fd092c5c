"""Protect any table of people, without an agreement.

:func:`anonymize` is for studies and for measuring; what it returns cannot be released. A
release starts from :func:`~linkkit.steward.protect.microdata.protect`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.agreement import Generalization
from linkkit.errors import OptionError, ProtectionError
from linkkit.steward.protect.columns import to_arrow, whole_column
from linkkit.steward.protect.measured.measurable import Measurable, measurable
from linkkit.steward.protect.measured.measure import measure
from linkkit.steward.protect.measured.report import ProtectionReport
from linkkit.steward.protect.measured.reported import report_of
from linkkit.steward.protect.methods import Method
from linkkit.steward.protect.models import MissingPolicy, PrivacyModel, sensitive_of
from linkkit.steward.protect.recode import Recoded, Request, recode
from linkkit.steward.protect.shown import ShownAs

__all__ = ["Anonymized", "anonymize"]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Anonymized:
    """A table whose classes keep the models that were asked for.

    Attributes
    ----------
    table : pandas, Polars or Arrow frame
        The rows that stay, in their order; a frame of the kind that was given, with the index
        that pandas has. A quasi-identifier that was changed is text.
    classes : ndarray of int64, shape (n_rows,)
        The class of each row that was given; -1 where it is withheld.
    method : {"optimal", "local", "partition"}
        The method that was used.
    why : str
        Why, in a sentence.
    information_loss : float
        The normalized certainty penalty (Xu et al. 2006): mean over rows and
        quasi-identifiers, from 0 to 1; a row withheld counts 1.
    loss_by_variable : dict of str to float
        The same for each quasi-identifier, over the rows that stay.
    models : tuple of PrivacyModel
        What was asked for.
    measurable : Measurable
        What `report` measures.
    """

    table: Any
    classes: npt.NDArray[np.int64]
    method: Method
    why: str
    information_loss: float
    loss_by_variable: Mapping[str, float]
    models: tuple[PrivacyModel, ...]
    measurable: Measurable = field(repr=False)

    def __repr__(self) -> str:
        return (
            f"<Anonymized: {len(self.classes) - self.n_suppressed} rows in {self.n_classes} "
            f"classes by {self.method}, {self.n_suppressed} withheld, "
            f"information loss {self.information_loss:.3f}>"
        )

    @property
    def n_suppressed(self) -> int:
        """How many rows are withheld."""
        return int((self.classes < 0).sum())

    @property
    def n_classes(self) -> int:
        """How many classes there are."""
        return int(self.classes.max()) + 1

    def report(
        self, *, threshold: float | None = None, sampling_fraction: float | None = None
    ) -> ProtectionReport:
        """Measure risk before and after, what is left, and what befell which group.

        Small counts are in it as they are: it is not for publication.

        Parameters
        ----------
        threshold : float, optional
            The chance of being pointed at above which a person counts as being at risk; by
            default ``1 / k``, or 0.2 where no k was asked for.
        sampling_fraction : float, optional
            The people of the table over those of the population that they come from, above 0
            and up to 1. With it, risk is also estimated for an attacker who does not know who
            is in the table. Where a model names a population, its people are counted instead.

        Raises
        ------
        OptionError
            When an option is not a share, or a population is known and a fraction is given.

        Examples
        --------
        >>> import pyarrow as pa
        >>> from linkkit.steward.protect.models import KAnonymity
        >>> people = pa.table({"age": [7, 8, 8, 30, 31, 33]})
        >>> safe = anonymize(
        ...     people,
        ...     quasi_identifiers=["age"],
        ...     models=[KAnonymity(k=3)],
        ...     method="optimal",
        ...     shown="levels",
        ... )
        >>> report = safe.report()
        >>> report.risk.before.sample_uniques, report.risk.after.sample_uniques
        (4, 0)
        >>> report.utility.discernibility
        36
        """
        return report_of(
            measure(self.measurable), threshold=threshold, sampling_fraction=sampling_fraction
        )


def anonymize(
    table: Any,
    *,
    quasi_identifiers: Mapping[str, Generalization] | Sequence[str],
    models: PrivacyModel | Sequence[PrivacyModel],
    method: Method | Literal["auto"] = "auto",
    shown: ShownAs = "tight",
    missing: MissingPolicy = "category",
    max_suppressed: float = 0.0,
    person: str | None = None,
    household: str | None = None,
) -> Anonymized:
    """Make quasi-identifiers coarser until every class keeps every model.

    Parameters
    ----------
    table : pandas, Polars or Arrow frame
        One row or more for each person.
    quasi_identifiers : mapping of str to Generalization, or sequence of str
        How each may become coarser. Of a column that is only named, numbers are shown as
        ranges and other values as sets, and with ``shown="levels"`` kept or dropped.
    models : PrivacyModel or sequence of PrivacyModel
        What every class must keep; all of them.
    method : {"auto", "optimal", "local", "partition"}, default "auto"
        ``optimal`` gives everybody the same level of a quasi-identifier and finds the levels
        that lose least; ``local`` forms classes of neighbors, each with its own ranges and
        sets, which loses far less; ``partition`` splits all people again and again, which is
        faster and loses more. ``auto`` chooses by size; `Anonymized.why` says why.
    shown : {"tight", "levels"}, default "tight"
        Whether a class shows the range or set of its own values, or a level of the hierarchy.
    missing : {"category", "wildcard", "suppress"}, default "category"
        What a missing value of a quasi-identifier is: a value like any other, one that agrees
        with every value and stays missing, or a reason to withhold the row.
    max_suppressed : float, default 0.0
        The share of rows, 0 to 1, that may be withheld.
    person, household : str, optional
        The columns that say to whom a row belongs. Without `person` each row is a person.

    Returns
    -------
    Anonymized
        The table, and how it was made.

    Raises
    ------
    OptionError
        When an option is not one of those named.
    ProtectionError
        When the table lacks a column, a quasi-identifier is constant, has another role or
        cannot be made coarser though nearly all its values differ, values do not fit their
        hierarchy, or the models cannot be kept.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from linkkit.steward.protect.models import KAnonymity
    >>> people = pa.table({"age": [7, 8, 8, 30, 31, 33], "score": [1, 2, 3, 4, 5, 6]})
    >>> safe = anonymize(people, quasi_identifiers=["age"], models=[KAnonymity(k=3)])
    >>> safe
    <Anonymized: 6 rows in 2 classes by local, 0 withheld, information loss 0.077>
    >>> safe.table.column("age").to_pylist()
    ['7-8', '7-8', '7-8', '30-33', '30-33', '30-33']
    """
    people = to_arrow(table)
    names = _require_names(quasi_identifiers)
    asked = _as_models(models)
    _require_columns(people, names, asked, person=person, household=household)
    request = Request(
        quasi_identifiers=_ways(people, quasi_identifiers),
        models=asked,
        method=method,
        shown=shown,
        missing=missing,
        max_suppressed=max_suppressed,
    )
    _require_useful(people, request)
    persons = None if person is None else whole_column(people, person)
    found = recode(
        people,
        request,
        persons=persons,
        households=None if household is None else whole_column(people, household),
    )
    of = measurable(found, request, persons=persons)
    return _anonymized(table, people, found, of, request.models)


def _anonymized(
    given: Any,
    people: pa.Table,
    found: Recoded,
    of: Measurable,
    models: tuple[PrivacyModel, ...],
) -> Anonymized:
    return Anonymized(
        table=_like_given(given, found.apply(people), ~found.suppressed),
        classes=found.classes,
        method=found.grouping.method,
        why=found.why,
        information_loss=found.information_loss,
        loss_by_variable=found.loss_by_variable,
        models=models,
        measurable=of,
    )


def _like_given(given: Any, table: pa.Table, stay: npt.NDArray[np.bool_]) -> Any:
    if isinstance(given, pa.Table):
        return table
    frame = nw.from_native(given, eager_only=True)
    made = nw.from_arrow(table, backend=frame.implementation)
    enums = {
        str(name): kind
        for name, kind in frame.schema.items()
        if isinstance(kind, nw.Enum) and isinstance(made.schema[str(name)], nw.Categorical)
    }
    if frame.implementation.is_polars():
        made = made.with_columns(nw.col(name).cast(kind) for name, kind in enums.items())
    native = made.to_native()
    if frame.implementation.is_pandas():
        native.columns, native.index = given.columns, given.index[stay]
    return native


def _require_names(ways: object) -> list[str]:
    if isinstance(ways, str) or not isinstance(ways, (Mapping, Sequence)) or not len(ways):
        raise OptionError(
            "'quasi_identifiers' must name one or more columns",
            hint="For example ['age', 'sex'], or a mapping of names to Generalization.",
        )
    wrong = [
        f"'quasi_identifiers' gives '{name}' a {type(way).__name__}, not a Generalization"
        for name, way in (ways.items() if isinstance(ways, Mapping) else ())
        if not isinstance(way, Generalization)
    ]
    if wrong:
        raise OptionError(wrong, hint="For example {'age': Generalization(intervals=(1, 5))}.")
    return [str(name) for name in ways]


def _as_models(models: object) -> tuple[PrivacyModel, ...]:
    if isinstance(models, PrivacyModel):
        return (models,)
    if isinstance(models, Iterable) and not isinstance(models, str):
        listed = tuple(models)
        if listed and all(isinstance(model, PrivacyModel) for model in listed):
            return listed
    raise OptionError(
        "'models' must be one or more privacy models", hint="For example [KAnonymity(k=5)]."
    )


def _ways(
    people: pa.Table, ways: Mapping[str, Generalization] | Sequence[str]
) -> dict[str, Generalization]:
    if isinstance(ways, Mapping):
        return {str(name): way for name, way in ways.items()}
    return {
        name: Generalization(intervals=(1,))
        if pa.types.is_integer(people.schema.field(name).type)
        or pa.types.is_floating(people.schema.field(name).type)
        else Generalization()
        for name in map(str, ways)
    }


def _require_columns(
    people: pa.Table,
    names: Sequence[str],
    models: Sequence[PrivacyModel],
    *,
    person: str | None,
    household: str | None,
) -> None:
    roles = {"person": person, "household": household}
    sensitive = set(sensitive_of(models))
    wanted = [*names, *sensitive, *(name for name in roles.values() if name is not None)]
    problems = [
        f"the table has no column '{name}'"
        for name in dict.fromkeys(wanted)
        if name not in people.column_names
    ]
    problems += [f"column '{n}' is named twice as a quasi-identifier" for n in _repeated(names)]
    problems += [
        f"column '{name}' is a quasi-identifier and also says who the {role} is"
        for role, name in roles.items()
        if name in names
    ]
    problems += [
        f"column '{name}' is a quasi-identifier and also a sensitive variable"
        for name in sorted(sensitive & set(names))
    ]
    if problems:
        raise ProtectionError(problems, hint="Give each column that is there one role.")
    nested = [
        f"column '{name}' holds lists or records"
        for name in dict.fromkeys(wanted)
        if pa.types.is_nested(people.schema.field(name).type)
    ]
    if nested:
        raise ProtectionError(nested, hint="Give each person one value in such a column.")
    n_nobody = 0 if person is None else people.column(person).combine_chunks().null_count
    if n_nobody:
        raise ProtectionError(
            f"column '{person}': {n_nobody} rows have no person",
            hint="Leave those rows out, or say whose they are.",
        )


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if list(names).count(name) > 1})


def _require_useful(people: pa.Table, request: Request) -> None:
    """Refuse what tells nobody apart, and what tells everybody apart and has no coarser form."""
    problems: list[str] = []
    for name, way in request.quasi_identifiers.items():
        column = whole_column(people, name)
        n_values = len(column.unique())
        if n_values == 1 and people.num_rows > 1:
            problems.append(f"quasi-identifier '{name}' has the same value in all rows")
        direct = way == Generalization() and pa.types.is_string(column.type)
        if direct and n_values == people.num_rows > 1:
            problems.append(
                f"quasi-identifier '{name}' differs in every row, like a direct identifier"
            )
    if problems:
        raise ProtectionError(
            problems,
            hint="Leave out what tells nobody apart, and drop direct identifiers from the table.",
        )
