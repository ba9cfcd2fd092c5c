"""Passes: what records must agree in to meet, and which passes are taken when none are written.

The profiles ``standard`` and ``hardened`` encode a record several times. Each time, in each
*pass*, a stable attribute of the record, the *salt*, goes into every key, so that only records
with the same salt look alike.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import get_args

from linkkit.agreement.clauses import (
    DatePart,
    FieldKind,
    LinkageClause,
    LinkagePass,
    SaltPart,
)

__all__ = ["SALT_KINDS", "default_passes", "find_pass_problems", "passes_of", "profile_text"]

WITH_PASSES = ("standard", "hardened")
"""The profiles that have passes."""

FEWEST_SALTS = 2
"""With one salt, whoever has a wrong value in it could not be linked at all."""

ENOUGH_PASSES = 4
"""From so many on, passes whose salts whole families share are left out."""

FEWEST_FIELDS_BESIDE_SALT = 2

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
)
"""Kinds that may be part of a salt."""

_DEFAULT_SALTS: dict[str, tuple[FieldKind, ...]] = {
    "a date": ("date",),
    "a postal code": ("postal_code",),
    "a given name with a surname": ("given_name", "surname"),
    "an identifier": ("identifier",),
    "a phone number": ("phone",),
}
"""The salts of default passes in words, and the kinds of which a schema needs a field each."""

_DATE_PARTS = get_args(DatePart)


def default_passes(linkage: LinkageClause) -> dict[str, LinkagePass]:
    """Return the passes that follow from a schema's kinds, by name.

    A salt must be *stable*, or a person is lost to the pass; and *fine* and even, as whoever knows
    some people learns from them about others with the same salt. Salts must also fail for
    *different* reasons, so that an error costs a pass or two and not the person. In this order:

    1. month and day of a birth date (366 about equally common values, and no trend over cohorts);
    2. its year and day of the month: a wrong month costs the first pass, a wrong year this one;
    3. a postal code, twice: lost by a move only;
    4. three letters of a given name with the initial of a surname: most typing errors come later in
       a word, and a date that is wrong or missing does not matter;
    5. an identifier;
    6. where these are fewer than four: three letters of a surname with the initial of a given name,
       and a phone number. Families share them, so that a known brother tells much of a sister.

    Three letters of a surname alone are no default, as one such prefix can have 3 % of all people;
    nor the year of birth alone, as young people have a dozen of them. A whole name in one field and
    mail addresses vary in order and form; sex and city are coarse, and street addresses not
    stable.

    The *fields* of passes differ for the same reason. A filter hides which of its fields has an error, so
    each pass leaves one name out, and those that are not salted by the date leave the date out
    but for one: a new surname, a nickname, a wrong date weigh on some passes and not on all. The first
    leaves out the date itself: what everybody with one salt shares makes strangers look alike, and
    teaches who knows one of them about the others. A pass covers two fields or more beside its
    salt, sex not counted, and all where there are fewer.
    """
    names: dict[FieldKind, str] = {}
    for name, field in linkage.fields.items():
        names.setdefault(field.kind, name)
    given, surname, date = (names.get(kind) for kind in ("given_name", "surname", "date"))
    wanted: list[tuple[str, dict[str, SaltPart], tuple[str | None, ...]]] = []
    if date:
        wanted.append(("by_month_day", {date: "month_day"}, (date,)))
        wanted.append(("by_year_day", {date: "year_day"}, (given,)))
    if "postal_code" in names:
        code: dict[str, SaltPart] = {names["postal_code"]: "whole"}
        wanted.append(("by_postal_code", code, (surname,)))
        if date and given and surname:
            wanted.append(("by_postal_code_2", code, (given, date)))
    if given and surname:
        wanted.append(("by_given_name", {given: 3, surname: 1}, (given, date)))
    if "identifier" in names:
        own: dict[str, SaltPart] = {names["identifier"]: "whole"}
        wanted.append(("by_identifier", own, ()))
    if given and surname and len(wanted) < ENOUGH_PASSES:
        wanted.append(("by_surname", {surname: 3, given: 1}, (surname, date)))
    if "phone" in names and len(wanted) < ENOUGH_PASSES:
        shared: dict[str, SaltPart] = {names["phone"]: "whole"}
        wanted.append(("by_phone", shared, ()))
    return {
        name: LinkagePass(salt=salt, fields=_without(linkage, left_out, salt))
        for name, salt, left_out in wanted
    }


def _without(
    linkage: LinkageClause, left_out: Container[str | None], salt: Container[str]
) -> tuple[str, ...] | None:
    kept = tuple(name for name in linkage.fields if name not in left_out)
    beside = [name for name in kept if name not in salt and linkage.fields[name].kind != "sex"]
    whole = len(kept) == len(linkage.fields) or len(beside) < FEWEST_FIELDS_BESIDE_SALT
    return None if whole else kept


def passes_of(linkage: LinkageClause) -> dict[str, LinkagePass]:
    """Return the passes of an agreement, written in it or by default; none for other profiles."""
    if linkage.profile not in WITH_PASSES:
        return {}
    return default_passes(linkage) if linkage.passes is None else dict(linkage.passes)


def profile_text(linkage: LinkageClause) -> str:
    """Return the profile of an agreement in words: whether it was stated, and its passes."""
    stated = "" if "profile" in linkage.model_fields_set else ", the default"
    passes = ", ".join(passes_of(linkage))
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
    found = [words for words, needed in _DEFAULT_SALTS.items() if kinds.issuperset(needed)]
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
        f"{', '.join(_DEFAULT_SALTS)}. Add linkage fields for {add}, or write 'passes' of your "
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
        elif field.kind == "date" and isinstance(part, int):
            yield f"the part of a date is whole or {', '.join(_DATE_PARTS)}"
        elif field.kind != "date" and part in _DATE_PARTS:
            yield f"the part of a {field.kind} is whole or a number of characters"
    names = item.fields or ()
    if any(name not in linkage.fields for name in names) or len(set(names)) < len(names):
        yield "'fields' must be linkage fields, each once"
