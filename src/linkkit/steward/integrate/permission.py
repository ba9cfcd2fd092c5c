"""What must hold before anything is joined: right stages, same agreement, authorized rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa

from linkkit.agreement import Agreement, Years
from linkkit.errors import (
    MismatchError,
    NotAuthorizedError,
    OptionError,
    WrongStageError,
)
from linkkit.exchange import Crosswalk, EncodedExtract, PayloadExtract
from linkkit.exchange.artifacts import TOKEN_TYPE

__all__ = [
    "is_within",
    "require_authorized",
    "require_crosswalk",
    "require_payloads",
    "require_same_agreement",
]

_ADVICE = "Call integrate([district.payload, summer.payload], linked.crosswalk, agreement, ...)."


def require_payloads(payloads: object) -> list[PayloadExtract]:
    """Return the payload extracts, sorted by party.

    Raises
    ------
    WrongStageError
        When something else was given where a payload belongs.
    OptionError
        When there is none.
    """
    if isinstance(payloads, PayloadExtract):
        raise WrongStageError("give the payloads as a list, also a single one", hint=_ADVICE)
    if not isinstance(payloads, Sequence):
        raise WrongStageError(
            f"integrate takes a list of PayloadExtracts, not {_what(payloads)}", hint=_ADVICE
        )
    found = [item for item in payloads if isinstance(item, PayloadExtract)]
    strangers = [
        f"payload {i + 1} is {_what(item)}, not a PayloadExtract"
        for i, item in enumerate(payloads)
        if not isinstance(item, PayloadExtract)
    ]
    if strangers:
        raise WrongStageError(strangers, hint=_ADVICE)
    if not found:
        raise OptionError("no payload was given, so there is nothing to integrate", hint=_ADVICE)
    return sorted(found, key=lambda payload: payload.party)


def require_crosswalk(crosswalk: object) -> Crosswalk:
    """Return the crosswalk, and explain which object is one if it is not."""
    if isinstance(crosswalk, Crosswalk):
        return crosswalk
    raise WrongStageError(
        f"integrate takes a Crosswalk as its second argument, not {_what(crosswalk)}",
        hint=_ADVICE,
    )


def _what(value: object) -> str:
    if isinstance(value, EncodedExtract):
        return "an EncodedExtract (those go to the linkage unit)"
    if isinstance(value, Crosswalk):
        return "a Crosswalk (that is the second argument)"
    if isinstance(value, PayloadExtract):
        return "a PayloadExtract (those are the first argument)"
    return f"{type(value).__name__}"


def require_same_agreement(
    payloads: Sequence[PayloadExtract], crosswalk: Crosswalk, agreement: Agreement
) -> None:
    """Refuse artifacts made under another agreement, or another text of the same one."""
    named: list[tuple[str, PayloadExtract | Crosswalk]] = [
        (f"the payload of '{item.party}'", item) for item in payloads
    ]
    named.append(("the crosswalk", crosswalk))
    problems = [
        problem for name, item in named if (problem := _other_agreement(name, item, agreement))
    ]
    if problems:
        raise MismatchError(problems, hint="All parties must use the very same agreement document.")


def _other_agreement(name: str, item: PayloadExtract | Crosswalk, agreement: Agreement) -> str:
    if item.agreement_id != agreement.id:
        return f"{name} was made under agreement '{item.agreement_id}', not '{agreement.id}'"
    if item.agreement_fingerprint != agreement.fingerprint:
        return (
            f"{name} was made under another text of agreement '{agreement.id}': "
            f"fingerprint {item.agreement_fingerprint[:12]}, here {agreement.fingerprint[:12]}"
        )
    return ""


def require_authorized(
    payloads: Sequence[PayloadExtract], crosswalk: Crosswalk, agreement: Agreement
) -> None:
    """Refuse strangers, parties that come twice, variables and years that nobody agreed on."""
    _require_shape(crosswalk)
    for party in [*(item.party for item in payloads), *crosswalk.parties]:
        agreement.party(party)
    twice = sorted(name for name, n in Counter(p.party for p in payloads).items() if n > 1)
    if twice:
        raise MismatchError(
            [f"party '{name}' gave more than one payload" for name in twice],
            hint="Give one payload for each party; put several files of one party together there.",
        )
    for payload in payloads:
        agreement.authorize_payload(payload.party, payload.variables)
        _require_columns(payload)
    _require_years(payloads, agreement.years)


def require_complete(
    payloads: Sequence[PayloadExtract],
    crosswalk: Crosswalk,
    agreement: Agreement,
    variables: Sequence[str],
    *,
    without: Collection[str],
) -> None:
    """Refuse to leave a party's variables blank because its payload was forgotten."""
    here = {item.party for item in payloads} | set(without)
    forgotten = [
        party
        for party in crosswalk.parties
        if party not in here and set(agreement.party(party).payload) & set(variables)
    ]
    if forgotten:
        raise MismatchError(
            [
                f"the crosswalk has records of '{party}', and no payload of it is given"
                for party in forgotten
            ],
            hint="Give its payload, or leave it out on purpose: without=['PARTY'], --without PARTY.",
        )


def _require_shape(crosswalk: Crosswalk) -> None:
    kinds = {"party": pa.string(), "token": TOKEN_TYPE, "person_id": TOKEN_TYPE}
    schema = crosswalk.table.schema
    fits = set(kinds) <= set(schema.names) and all(
        schema.field(name).type == kind and not crosswalk.table.column(name).null_count
        for name, kind in kinds.items()
    )
    if not fits:
        raise MismatchError(
            "the crosswalk lacks a party, token or person id somewhere",
            hint="Ask the linkage unit for the crosswalk again.",
        )


def _require_columns(payload: PayloadExtract) -> None:
    names = payload.table.column_names
    problems = [f"column '{name}' is missing" for name in ("token", "year") if name not in names]
    problems += [f"column '{name}' comes twice" for name, n in Counter(names).items() if n > 1]
    if not problems and payload.table.schema.field("token").type != TOKEN_TYPE:
        problems = ["the tokens are not 16 bytes each"]
    if not problems and payload.table.column("token").null_count:
        problems = ["a token is missing"]
    if not problems and not pa.types.is_integer(payload.table.schema.field("year").type):
        problems = ["the years are not whole numbers"]
    if problems:
        raise MismatchError(
            [f"the payload of '{payload.party}': {problem}" for problem in problems],
            hint="Ask the party to encode its extract again.",
        )


def _require_years(payloads: Sequence[PayloadExtract], years: Years) -> None:
    outside = {p.party: int((~is_within(p, years)).sum()) for p in payloads}
    if any(outside.values()):
        raise NotAuthorizedError(
            [
                f"party '{party}': {n} rows lie outside {years.first} to {years.last}"
                for party, n in outside.items()
                if n
            ],
            clause="years",
            hint="The party must leave these rows out and send its payload again.",
        )


def is_within(payload: PayloadExtract, years: Years) -> np.typing.NDArray[np.bool_]:
    """Return for each row whether its year is within `years`; a row without a year is."""
    column = payload.table.column("year")
    year = column.fill_null(years.first).to_numpy()
    return np.asarray((year >= years.first) & (year <= years.last), dtype=np.bool_)
