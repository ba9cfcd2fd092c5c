"""Passes: by which stable attribute records may meet, and which are taken when none are written.

The profiles ``standard`` and ``hardened`` encode a record several times. Each time, in each
*pass*, a stable attribute of the record, the *salt*, goes into every key, so that only records
with the same salt stay comparable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from linkkit.agreement.clauses import FieldKind, LinkagePass, SaltPart

if TYPE_CHECKING:
    from linkkit.agreement.clauses import LinkageClause

__all__ = ["PREFIX_LETTERS", "SALT_PARTS", "default_passes", "find_pass_problems", "passes_of"]

WITH_PASSES = ("standard", "hardened")
"""The profiles that have passes."""

FEWEST_PASSES = 2
"""With one salt, whoever has a wrong value in it could not be linked at all."""

MOST_DEFAULT_PASSES = 4
PREFIX_LETTERS: dict[FieldKind, int] = {
    "surname": 3,
    "given_name": 3,
    "name": 3,
    "postal_code": 3,
    "phone": 6,
    "identifier": 4,
    "email": 4,
    "city": 4,
}
"""How many characters the prefix of each kind has where the agreement does not say."""

SALT_PARTS: dict[FieldKind, tuple[SaltPart, ...]] = {
    "date": ("year", "whole"),
    "postal_code": ("whole", "prefix"),
    "surname": ("prefix", "whole"),
    "given_name": ("prefix", "whole"),
    "name": ("prefix", "whole"),
    "identifier": ("whole", "prefix"),
    "phone": ("whole", "prefix"),
    "email": ("whole", "prefix"),
    "city": ("whole", "prefix"),
}
"""Kinds that may be a salt, and what part of a value; the first is the default."""

_STABLE: tuple[FieldKind, ...] = (
    "date",
    "postal_code",
    "surname",
    "given_name",
    "identifier",
    "phone",
)
"""From the most to the least fit salt, see :func:`default_passes`."""


def default_passes(linkage: LinkageClause) -> dict[str, LinkagePass]:
    """Return the passes that follow from a schema's kinds: at most four, by name.

    A salt must be *stable*, or a person is lost to the pass, and *selective*, or a group is too
    large to be compared and gives an attacker too many people to learn from. In that order:

    1. the year of a birth date: hardly ever changes, and seldom recorded wrongly;
    2. a postal code: highly selective, and lost only by a move;
    3. the first three letters of a surname: stable but for marriage, and withstands most typing
       errors, which come later in a word;
    4. the first three letters of a given name;
    5. an identifier;
    6. a phone number.

    They fail for different reasons: a move costs one pass, a marriage another, and the person
    is still found by the rest. A whole name in one field and mail addresses are no default salt, as
    their order and form vary; sex and city are not selective, and street addresses not stable.
    """
    passes: dict[str, LinkagePass] = {}
    for kind in _STABLE:
        for name, field in linkage.fields.items():
            if field.kind == kind and not any(
                linkage.fields[item.salt].kind == kind for item in passes.values()
            ):
                part = SALT_PARTS[kind][0]
                length = PREFIX_LETTERS[kind] if part == "prefix" else None
                passes[f"by_{name}"[:63]] = LinkagePass(salt=name, part=part, length=length)
    return dict(list(passes.items())[:MOST_DEFAULT_PASSES])


def passes_of(linkage: LinkageClause) -> dict[str, LinkagePass]:
    """Return the passes of an agreement: those written in it, with what they leave out filled in.

    Empty for profiles that have none.
    """
    if linkage.profile not in WITH_PASSES:
        return {}
    if linkage.passes is None:
        return default_passes(linkage)
    return {name: _completed(item, linkage) for name, item in linkage.passes.items()}


def _completed(item: LinkagePass, linkage: LinkageClause) -> LinkagePass:
    kind = linkage.fields[item.salt].kind
    part = item.part or SALT_PARTS[kind][0]
    length = item.length or PREFIX_LETTERS[kind] if part == "prefix" else None
    return LinkagePass(salt=item.salt, part=part, length=length, fields=item.fields)


def find_pass_problems(linkage: LinkageClause) -> Iterator[str]:
    """Yield a sentence for each way in which the clause ``linkage`` contradicts itself."""
    if linkage.profile not in WITH_PASSES:
        if linkage.passes is not None:
            yield f"clause 'linkage.passes': the profile '{linkage.profile}' has no passes"
        return
    if linkage.passes is None:
        n_salts = len(default_passes(linkage))
        if n_salts < FEWEST_PASSES:
            yield (
                f"clause 'linkage.profile': '{linkage.profile}' needs {FEWEST_PASSES} or more "
                f"linkage fields that can be salts, and there "
                f"{'is' if n_salts == 1 else 'are'} {n_salts}; salts by default are "
                f"{', '.join(_STABLE)}"
            )
        return
    yield from _written(linkage, linkage.passes)


def _written(linkage: LinkageClause, passes: Mapping[str, LinkagePass]) -> Iterator[str]:
    salts = {item.salt for item in passes.values()}
    if len(salts) < FEWEST_PASSES:
        yield (
            f"clause 'linkage.passes': '{linkage.profile}' needs passes by {FEWEST_PASSES} or "
            "more different salts"
        )
    for name, item in passes.items():
        for problem in _of_pass(linkage, item):
            yield f"clause 'linkage.passes.{name}': {problem}"


def _of_pass(linkage: LinkageClause, item: LinkagePass) -> Iterator[str]:
    field = linkage.fields.get(item.salt)
    if field is None:
        yield "'salt' is no linkage field"
        return
    parts = SALT_PARTS.get(field.kind)
    if parts is None:
        yield f"a {field.kind} is no salt: it is not stable or not selective"
        return
    if item.part is not None and item.part not in parts:
        yield f"'part' of a {field.kind} is {' or '.join(parts)}"
    if item.length is not None and (item.part or parts[0]) != "prefix":
        yield "only a prefix has a 'length'"
    names = item.fields or ()
    if any(name not in linkage.fields for name in names) or len(set(names)) < len(names):
        yield "'fields' must be linkage fields, each once"
