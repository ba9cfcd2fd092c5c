"""Blocking keys: what pairs of records agree in that are looked at although nothing else shows them.

A key is a keyed digest of parts of a record's values, such as the sound of its surname with its
year of birth. Records with the same key are in one group, and the linkage unit sees the groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from linkkit.agreement.clauses import (
    DatePart,
    FieldKind,
    KeyPart,
    LinkageClause,
    PhoneticCode,
)
from linkkit.agreement.content import Content
from linkkit.agreement.passes import WITH_PASSES

__all__ = ["SOUNDING", "find_key_problems", "key_text"]

MOST_KEYS = 12
"""The most keys: each shows the linkage unit one more grouping of the records."""

MOST_PARTS = 4

SOUNDING: tuple[FieldKind, ...] = ("given_name", "surname", "name", "city")
"""Kinds that have a sound."""

_OF_DATES = (*get_args(DatePart), "month", "day")
_PHONETIC = get_args(PhoneticCode)
_NOT_CUT: tuple[FieldKind, ...] = ("date", "sex", "number")
"""Kinds of whose values no first characters are taken."""

_PART_TEXTS = {
    "whole": "whole {}",
    "year": "year of {}",
    "month": "month of {}",
    "day": "day of {}",
    "year_day": "year and day of the month of {}",
    "month_day": "month and day of {}",
}


def key_text(parts: Sequence[KeyPart]) -> str:
    """Say what a blocking key is made of.

    Examples
    --------
    >>> sound = KeyPart(field="surname", by="soundex")
    >>> key_text([sound, KeyPart(field="birth_date", by="year"), KeyPart(field="city", by=3)])
    'sound of surname (soundex) + year of birth_date + first 3 characters of city'
    """
    return " + ".join(map(_part_text, parts))


def _part_text(part: KeyPart) -> str:
    if isinstance(part.by, int):
        many = "first character" if part.by == 1 else f"first {part.by} characters"
        return f"{many} of {part.field}"
    if part.by in _PHONETIC:
        return f"sound of {part.field} ({part.by})"
    return _PART_TEXTS[part.by].format(part.field)


def find_key_problems(agreement: Content) -> Iterator[str]:
    """Yield a sentence for each way in which the blocking keys contradict the agreement."""
    linkage = agreement.linkage
    keys = linkage.blocking_keys
    if keys is None:
        return
    if linkage.profile in WITH_PASSES:
        yield _refused(linkage)
        return
    if len(keys) > MOST_KEYS:
        yield (
            f"clause 'linkage.blocking_keys': there are {len(keys)} keys, and {MOST_KEYS} are the "
            "most, as each shows the linkage unit one more grouping of the records"
        )
    taken: dict[frozenset[KeyPart], str] = {}
    for name, parts in keys.items():
        where = f"clause 'linkage.blocking_keys.{name}'"
        yield from (f"{where}: {problem}" for problem in _of_parts(linkage, parts))
        same = taken.setdefault(frozenset(parts), name)
        if same != name:
            yield f"{where}: '{same}' has the same parts"
        elif all(part.field in linkage.fields for part in parts):
            yield from (f"{where}: {problem}" for problem in _of_parties(agreement, parts))


def _refused(linkage: LinkageClause) -> str:
    profile = f"the profile '{linkage.profile}'"
    if "profile" not in linkage.model_fields_set:
        profile = f"no profile is stated, so it is the default, '{linkage.profile}', which"
    return (
        f"clause 'linkage.blocking_keys': {profile} refuses blocking keys. A key shows the linkage unit which "
        "records share it, and several such groups of one record are nearly a name, without a "
        "single bit of its filters: that is what this profile is there to prevent. Leave the keys "
        "out, or write 'profile: field', for a linkage unit that you trust more"
    )


def _of_parts(linkage: LinkageClause, parts: Sequence[KeyPart]) -> Iterator[str]:
    if not 1 <= len(parts) <= MOST_PARTS:
        yield f"a key has 1 to {MOST_PARTS} parts, each a 'field' and what of it counts, 'by'"
        return
    if len(set(parts)) < len(parts):
        yield "a part stands in it twice"
    for part in parts:
        field = linkage.fields.get(part.field)
        problem = "" if field is None else _unfit(field.kind, part)
        if field is None:
            yield f"'{part.field}' is no linkage field"
        elif problem:
            yield f"'{part.field}': {problem}"
    if len({part.field for part in parts}) == 1 and parts[0].field in linkage.fields:
        yield from _alone(linkage, parts[0])


def _unfit(kind: FieldKind, part: KeyPart) -> str:
    """Say why a part is none of a kind of field, or nothing."""
    if part.by in _PHONETIC and kind not in SOUNDING:
        return f"a {kind} has no sound; that is for {', '.join(SOUNDING)}"
    if part.by in _OF_DATES and kind != "date":
        return f"'{part.by}' is a part of a date, and it is a {kind}"
    if isinstance(part.by, int) and kind in _NOT_CUT:
        return f"no first characters are taken of a {kind}" + (
            f"; its parts are whole, {', '.join(_OF_DATES)}" if kind == "date" else ""
        )
    return ""


def _alone(linkage: LinkageClause, part: KeyPart) -> Iterator[str]:
    """Refuse what hardly parts the records, and what a filter of the whole record hides."""
    if linkage.fields[part.field].kind == "sex":
        yield "a sex alone hardly parts the records; add another part"
    elif linkage.profile == "clkhash":
        yield (
            f"parts of one field alone would show which records agree in '{part.field}', which filters of the "
            "whole record do not; add a part of another field"
        )


def _of_parties(agreement: Content, parts: Sequence[KeyPart]) -> Iterator[str]:
    """Tell a key by which no two records could meet."""
    wanted = {part.field for part in parts}
    able = [party for party in agreement.parties.values() if wanted <= set(party.linkage_fields)]
    if not able or (len(able) == 1 and able[0].one_record_per_person):
        yield (
            f"{'one party has' if able else 'no party has'} all of its fields "
            f"({', '.join(sorted(wanted))}), so no two records could meet in it"
        )
