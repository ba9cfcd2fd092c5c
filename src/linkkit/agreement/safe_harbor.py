"""What an agreement must keep to under HIPAA's Safe Harbor, 45 CFR 164.514(b)(2).

Only what the document itself tells; what is in the cells the steward's `protect` looks at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from linkkit.agreement.content import Content
from linkkit.agreement.generalization import OLDEST, Generalization
from linkkit.agreement.protection import Identifier

__all__ = ["find_safe_harbor_problems", "identifiers_of"]

ZIP_DIGITS = 3
NUMBERS = ("integer", "number")


def identifiers_of(agreement: Content) -> Mapping[str, Identifier]:
    """Return what each variable is that is an identifier, as declared or as its clauses tell.

    A year of a linkage field's date is taken for a year of birth unless it is declared as
    something else.
    """
    found: dict[str, Identifier] = {}
    for party in agreement.parties.values():
        for name, source in party.payload.items():
            if source.coarsen == "year":
                found[name] = "birth_year"
    found |= agreement.protection.declared
    for party in agreement.parties.values():
        for name, source in party.payload.items():
            if source.coarsen == "prefix3":
                found[name] = "zip"
    for name, ways in agreement.protection.quasi_identifiers.items():
        if ways.postal is not None:
            found[name] = "zip"
        elif ways.ages is not None:
            found[name] = "age"
    return found


def find_safe_harbor_problems(agreement: Content) -> Iterator[str]:
    """Tell what breaks the rule among the variables that projects use."""
    protection = agreement.protection
    for name in protection.declared:
        if name not in agreement.variables:
            yield f"clause 'protection.declared.{name}': 'variables' does not define it"
    if protection.preset is None:
        if protection.declared:
            yield "clause 'protection.declared': it goes with 'preset'"
        return
    used = {name for project in agreement.projects.values() for name in project.variables}
    what = identifiers_of(agreement)
    for name in agreement.variables:
        if name not in used:
            continue
        ways = protection.quasi_identifiers.get(name)
        where = "variables" if ways is None else "protection.quasi_identifiers"
        for problem in _problems(agreement, name, what.get(name), ways):
            yield f"clause '{where}.{name}': {problem} (preset hipaa_safe_harbor)"


def _problems(
    agreement: Content, name: str, what: Identifier | None, ways: Generalization | None
) -> Iterator[str]:
    kind = agreement.variables[name].type
    if kind == "date" or (ways is not None and ways.dates is not None):
        yield from _dates(ways)
    if what in ("age", "birth_year") and kind not in NUMBERS:
        yield f"it is declared as '{what}' and not of type integer or number"
    elif what == "zip" and kind != "category":
        yield "a ZIP code is of type category, which keeps the zeros in front"
    elif what == "zip":
        yield from _zips(ways)
    elif what == "age":
        yield from _ages(ways)
    elif what == "birth_year" and (ways is None or ways.bottom is None):
        yield (
            "it is a year of birth, which tells who is 90 or older; make it a quasi-identifier "
            "with 'bottom', a year 90 or fewer years ago, or declare it 'not_identifier' if it is "
            "the year of something else"
        )


def _dates(ways: Generalization | None) -> Iterator[str]:
    if ways is None:
        yield (
            "of a date only the year may stay, shifted or not; make it a quasi-identifier with "
            "'dates: [year]', or leave it out of the projects"
        )
    elif ways.dates is None:
        yield "of a date only the year may stay; write 'dates: [year]'"
    else:
        finer = [unit for unit in ways.dates if unit not in ("year", "decade")]
        if finer:
            yield f"of a date only the year may stay; leave {', '.join(finer)} out of 'dates'"


def _zips(ways: Generalization | None) -> Iterator[str]:
    if ways is None:
        return
    if ways.postal is not None and ways.postal.country != "US":
        yield "only ZIP codes may stay in part; other areas smaller than a state may not"
    elif ways.postal is not None and int(ways.postal.kept[0]) > ZIP_DIGITS:
        yield "only three digits of a ZIP code may stay; write 'levels: [3, 1]'"
    elif ways.prefixes is not None and ways.prefixes[0] > ZIP_DIGITS:
        yield "only three digits of a ZIP code may stay; write 'prefixes: [3, 1]'"


def _ages(ways: Generalization | None) -> Iterator[str]:
    highest = None if ways is None else ways.highest
    if ways is None:
        yield "ages of 90 and over must be one group; make it a quasi-identifier with 'ages'"
    elif isinstance(highest, str) or highest is None or highest > OLDEST:
        yield "ages of 90 and over must be one group; write 'top: 90'"
