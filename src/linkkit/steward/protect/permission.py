"""What must hold before a data set is protected: right stage, same agreement, no weaker k."""

from __future__ import annotations

import math
from collections import Counter
from typing import get_args

import pyarrow as pa

from linkkit.agreement import Agreement
from linkkit.errors import (
    MismatchError,
    NotAuthorizedError,
    OptionError,
    ProtectionError,
    WrongStageError,
)
from linkkit.steward.integrate import IntegratedDataset
from linkkit.steward.integrate.dataset import STUDY_ID
from linkkit.steward.protect.models import (
    DistinctLDiversity,
    EntropyLDiversity,
    HouseholdKAnonymity,
    KAnonymity,
    MissingPolicy,
    PrivacyModel,
    RecursiveLDiversity,
    TCloseness,
)

__all__ = [
    "agreed_models",
    "quasi_identifiers",
    "require_integrated",
    "require_same_agreement",
    "stated_k",
    "stated_max_suppressed",
    "stated_missing",
]


def require_integrated(people: object) -> IntegratedDataset:
    """Return an integrated data set with one row for each person.

    Raises
    ------
    WrongStageError
        When it is something else.
    ProtectionError
        When columns or study ids repeat, or study ids are missing.
    """
    if not isinstance(people, IntegratedDataset):
        raise WrongStageError(
            f"protect takes an IntegratedDataset, not a {type(people).__name__}",
            hint="Call integrate(payloads, crosswalk, agreement, project=...) first.",
        )
    table = people.table
    problems = [
        f"column '{n}' comes twice" for n, i in Counter(table.column_names).items() if i > 1
    ]
    if STUDY_ID not in table.column_names:
        problems.append(f"column '{STUDY_ID}' is missing")
    elif not problems and not _is_one_row_each(table.column(STUDY_ID)):
        problems.append("study ids repeat or are missing, so that rows are not people")
    if problems:
        raise ProtectionError(problems, hint="Use the data set as integrate() made it.")
    return people


def _is_one_row_each(ids: pa.ChunkedArray) -> bool:
    return ids.null_count == 0 and len(ids.unique()) == len(ids)


def require_same_agreement(people: IntegratedDataset, agreement: Agreement) -> None:
    """Refuse a data set made under another agreement, or another text of the same one."""
    if people.agreement_id != agreement.id:
        problem = (
            f"the data set was made under agreement '{people.agreement_id}', not '{agreement.id}'"
        )
    elif people.agreement_fingerprint != agreement.fingerprint:
        problem = (
            f"the data set was made under another text of agreement '{agreement.id}': "
            f"fingerprint {people.agreement_fingerprint[:12]}, here {agreement.fingerprint[:12]}"
        )
    else:
        return
    raise MismatchError(problem, hint="Integrate again under the agreement as it is now.")


def stated_k(k: int | None, agreement: Agreement) -> int:
    """Return k, the agreement's by default; refuse a smaller one."""
    floor = agreement.protection.smallest_cell
    if k is None:
        return floor
    if isinstance(k, bool) or not isinstance(k, int):
        raise OptionError(
            f"'k' must be a whole number, not a {type(k).__name__}",
            hint=f"Leave it out for the agreement's {floor}.",
        )
    if k < floor:
        raise NotAuthorizedError(
            f"k may be raised above {floor} and not lowered to {k}",
            clause="protection.smallest_cell",
            hint=f"Leave 'k' out for the agreement's {floor}.",
        )
    return k


def stated_max_suppressed(share: float | None, agreement: Agreement) -> float:
    """Return the share of people that may be withheld; refuse a larger one."""
    ceiling = agreement.protection.max_suppressed
    if share is None:
        return ceiling
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not share >= 0:
        raise OptionError(
            "'max_suppressed' must be a share of people, from 0 to 1",
            hint=f"Leave it out for the agreement's {ceiling}.",
        )
    if share > ceiling or math.isinf(share):
        raise NotAuthorizedError(
            f"the share withheld may be lowered below {ceiling} and not raised to {share}",
            clause="protection.max_suppressed",
            hint=f"Leave 'max_suppressed' out for the agreement's {ceiling}.",
        )
    return float(share)


def stated_missing(missing: MissingPolicy | None, agreement: Agreement) -> MissingPolicy:
    """Return what a missing value is, the agreement's by default; refuse others but suppress."""
    agreed = agreement.protection.missing
    if missing is None or missing == agreed:
        return agreed
    if missing not in get_args(MissingPolicy):
        raise OptionError(
            "'missing' must be 'category', 'wildcard' or 'suppress'",
            hint=f"Leave it out for the agreement's '{agreed}'.",
        )
    if missing != "suppress":
        raise NotAuthorizedError(
            f"missing values are '{agreed}' under the agreement, not '{missing}'",
            clause="protection.missing",
            hint="Leave 'missing' out.",
        )
    return missing


def agreed_models(
    people: IntegratedDataset, agreement: Agreement, k: int
) -> tuple[PrivacyModel, ...]:
    """Return the privacy models that the agreement demands of a data set."""
    protection = agreement.protection
    models: list[PrivacyModel] = [KAnonymity(k=k)]
    if protection.households is not None:
        models.append(HouseholdKAnonymity(k=protection.households))
    for name, rule in protection.sensitive.items():
        if name not in people.variables:
            continue
        if rule.distinct_l is not None:
            models.append(DistinctLDiversity(sensitive=name, l=rule.distinct_l))
        if rule.entropy_l is not None:
            models.append(EntropyLDiversity(sensitive=name, l=rule.entropy_l))
        if rule.recursive_l is not None and rule.recursive_c is not None:
            models.append(
                RecursiveLDiversity(sensitive=name, c=rule.recursive_c, l=rule.recursive_l)
            )
        if rule.t is not None:
            models.append(
                TCloseness(sensitive=name, t=rule.t, distance=rule.distance, order=rule.order)
            )
    return tuple(models)


def quasi_identifiers(people: IntegratedDataset, agreement: Agreement) -> list[str]:
    """Return the data set's quasi-identifiers, in the order of its columns.

    Raises
    ------
    ProtectionError
        When there is none: k people could not be told apart by anything, and the data would
        be released just as they are.
    """
    listed = agreement.protection.quasi_identifiers
    found = [name for name in people.variables if name in listed]
    if found:
        return found
    raise ProtectionError(
        f"project '{people.project}' has no quasi-identifier, so there is nothing that "
        "protection could act on",
        hint="Think again about what an acquaintance would know of a person, and list it in "
        "clause 'protection.quasi_identifiers'.",
    )
