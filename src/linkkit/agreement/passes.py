"""Passes: what records must agree in to meet, and which passes are taken when none are written.

The profiles ``standard`` and ``hardened`` encode a record several times. Each time, in each
*pass*, a stable attribute of the record, the *salt*, goes into every key, so that only records
with the same salt look alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import get_args

from linkkit.agreement.clauses import AddressPart, DatePart, FieldKind, LinkageClause, LinkagePass
from linkkit.agreement.content import Content
from linkkit.agreement.default_passes import DEFAULT_SALTS, default_passes

__all__ = ["SALT_KINDS", "WITH_PASSES", "find_pass_problems", "passes_of", "profile_text"]

WITH_PASSES = ("standard", "hardened")
"""The profiles that have passes."""

FEWEST_SALTS = 2
"""With one salt, whoever has a wrong value in it could not be linked at all."""

SALT_KINDS: tuple[FieldKind, ...] = (
    "date",
    "postal_code",
    "surname",
    "given_name",
    "name",
    "identifier",
    "phone",
    "email",
    "city",
    "street_address",
)
"""Kinds that may be part of a salt."""

_PARTS: dict[FieldKind, tuple[str, ...]] = {
    "date": ("whole", *get_args(DatePart)),
    "street_address": get_args(AddressPart),
}
"""Of other kinds the whole, or a number of characters."""


def passes_of(agreement: Content) -> dict[str, LinkagePass]:
    """Return the passes of an agreement, written in it or by default; none for other profiles."""
    linkage = agreement.linkage
    if linkage.profile not in WITH_PASSES:
        return {}
    if linkage.passes is not None:
        return dict(linkage.passes)
    coverage = [party.linkage_fields.keys() for party in agreement.parties.values()]
    return default_passes(linkage, coverage)


def profile_text(agreement: Content) -> str:
    """Return the profile of an agreement in words: whether it was stated, and its passes."""
    linkage = agreement.linkage
    stated = "" if "profile" in linkage.model_fields_set else ", the default"
    passes = ", ".join(passes_of(agreement))
    return f"{linkage.profile}{stated}{f' (passes: {passes})' if passes else ''}"


def find_pass_problems(linkage: LinkageClause) -> Iterator[str]:
    """Yield a sentence for each way in which the clause ``linkage`` contradicts itself."""
    if linkage.profile not in WITH_PASSES:
        if linkage.passes is not None:
            yield f"clause 'linkage.passes': the profile '{linkage.profile}' has no passes"
        return
    if linkage.passes is None:
        yield from _too_few_salts(linkage)
        return
    for name, item in linkage.passes.items():
        for problem in _of_pass(linkage, item):
            yield f"clause 'linkage.passes.{name}': {problem}"
    yield from _of_all(linkage, linkage.passes)


def _too_few_salts(linkage: LinkageClause) -> Iterator[str]:
    """Say that a schema has no passes by default, to somebody who may not know what a salt is."""
    kinds = {field.kind for field in linkage.fields.values()}
    found = [words for words, needed in DEFAULT_SALTS.items() if kinds.issuperset(needed)]
    if len(found) >= FEWEST_SALTS or linkage.clkhash is not None:
        return
    profile, add = f"'{linkage.profile}'", "two of these"
    if "profile" not in linkage.model_fields_set:
        profile = f"no profile is stated, so it is the default, {profile}, which"
    if found:
        add = "another of these"
    yield (
        f"clause 'linkage.profile': {profile} needs {FEWEST_SALTS} or more salts: values that "
        "records must agree in to be compared, and more than one, so that a wrong value does not "
        f"cost the link. These fields give {'only ' + found[0] if found else 'none'}. Salts are: "
        f"{', '.join(DEFAULT_SALTS)}. Add linkage fields for {add}, or write 'passes' of your "
        "own, or write 'profile: field', which needs no salts but shows the linkage unit how alike "
        "two records are in each field, so that you must trust it more"
    )


def _of_all(linkage: LinkageClause, passes: Mapping[str, LinkagePass]) -> Iterator[str]:
    everywhere = set.intersection(*(set(item.salt) for item in passes.values()))
    if everywhere:
        yield (
            f"clause 'linkage.passes': '{linkage.profile}' needs salts of different fields, and "
            f"'{min(everywhere)}' is in every one: whoever has a wrong value in it could not be "
            "linked at all"
        )


def _of_pass(linkage: LinkageClause, item: LinkagePass) -> Iterator[str]:
    for name, part in item.salt.items():
        field = linkage.fields.get(name)
        if field is None:
            yield f"'{name}' in 'salt' is no linkage field"
        elif field.kind not in SALT_KINDS:
            yield f"a {field.kind} is no salt: it is not stable or not fine"
        elif field.kind in _PARTS and part not in _PARTS[field.kind]:
            yield f"the part of a {field.kind} is {', '.join(_PARTS[field.kind])}"
        elif field.kind not in _PARTS and part != "whole" and not isinstance(part, int):
            yield f"the part of a {field.kind} is whole or a number of characters"
    names = item.fields or ()
    if any(name not in linkage.fields for name in names) or len(set(names)) < len(names):
        yield "'fields' must be linkage fields, each once"
