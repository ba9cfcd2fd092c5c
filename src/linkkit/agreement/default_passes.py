"""The passes that are taken when an agreement writes none."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from linkkit.agreement.clauses import FieldKind, LinkageClause, LinkagePass, SaltPart

__all__ = ["DEFAULT_SALTS", "default_passes"]

ENOUGH_PASSES = 6
"""From so many on, passes whose salts whole families share are left out."""

LAST_DIGITS = -4
"""Of a number the last digits are finer and more even than the first, and one of them is seldom wrong."""

FEWEST_FIELDS_BESIDE_SALT = 2

MOST_PASSES = 8

DEFAULT_SALTS: dict[str, tuple[FieldKind, ...]] = {
    "a date": ("date",),
    "a postal code": ("postal_code",),
    "a given name with a surname": ("given_name", "surname"),
    "an identifier": ("identifier",),
    "a phone number": ("phone",),
    "a street address": ("street_address",),
}
"""The salts of default passes in words, and the kinds of which a schema needs a field each."""

_FAMILY_SALTS = ("by_phone", "by_address", "by_surname")

_ALIVE = 0.6
"""How often a pass is taken to find two records of one person, if it covers all that they share."""

_KNOWN_SALT = 0.4
"""How much of that is new where another pass of the same salt is there."""

_FAMILY_SALT = 0.4
"""What a pass whose salt whole families share is worth beside another."""

_LEAST_GAIN = 0.02
"""A pass is worth having if it finds so many more of the pairs of an average two parties."""


class _Form(NamedTuple):
    """A pass before it is known which fields it can have: its name, its salt, what it leaves out."""

    name: str
    salt: dict[str, SaltPart]
    left_out: tuple[str, ...]


class _Choice(NamedTuple):
    """A pass that could be taken."""

    form: _Form
    fields: tuple[str, ...]


def default_passes(
    linkage: LinkageClause, coverage: Collection[Collection[str]] = ()
) -> dict[str, LinkagePass]:
    """Return the passes that follow from a schema's kinds and the parties' fields, by name.

    A salt must be *stable*, or a person is lost to the pass; and *fine* and even, as whoever knows
    some people learns from them about others with the same salt. Salts must also fail for
    *different* reasons, so that an error costs a pass or two and not the person. In this order:

    1. month and day of a birth date (366 about equally common values, and no trend over cohorts);
    2. its year and day of the month: a wrong month costs the first pass, a wrong year this one;
    3. a postal code, twice: lost by a move only;
    4. three letters of a given name with the initial of a surname: most typing errors come later in
       a word, and a date that is wrong or missing does not matter;
    5. the last four characters of an identifier, twice;
    6. where these are fewer than six: the last four digits of a phone number, the house number with
       the first letters of a street, and three letters of a surname with the initial of a given
       name. Families share them, so that a known brother tells much of a sister.

    Three letters of a surname alone are no default, as one such prefix can have 3 % of all people;
    nor the year of birth alone, as young people have a dozen of them. A whole name in one field and
    mail addresses vary in order and form; sex and city are coarse.

    The *fields* of passes differ for the same reason. A filter hides which of its fields has an error, so
    most passes leave a name out, and half of those that are not salted by the date leave the date out:
    a new surname, a nickname, a wrong date weigh on some passes and not on all. Where a family shares
    the salt, the date stays, as it tells siblings apart. The first
    leaves out the date itself: what everybody with one salt shares makes strangers look alike, and
    teaches who knows one of them about the others. A pass covers two fields or more beside its
    salt, sex not counted, and all where there are fewer.

    A field that one party has and another has not makes the filters of one person unlike. So where the
    parties have different fields, each pass covers what some of them have in common, and up to
    eight are taken, one after the other, that serve most pairs of parties best.

    Parameters
    ----------
    linkage : LinkageClause
        The shared schema.
    coverage : collection of collections of str
        The linkage fields that each party has; all have all if left out.
    """
    known = list(linkage.fields)
    each = [frozenset(fields) & frozenset(known) for fields in coverage]
    shared = [one & other for one, other in combinations(each, 2)] or each
    if len(set(shared)) <= 1:
        fields = tuple(name for name in known if not shared or name in shared[0])
        forms = list(_forms(linkage, fields))
        chosen = [_Choice(form, _covered(linkage, fields, form)) for form in _enough(forms)]
    else:
        chosen = _best(linkage, shared)
    return {
        name: LinkagePass(
            salt=choice.form.salt,
            fields=None if len(choice.fields) == len(known) else choice.fields,
        )
        for name, choice in _named(chosen)
    }


def _forms(linkage: LinkageClause, fields: Sequence[str]) -> Iterator[_Form]:
    """Yield what passes some fields allow, the best first."""
    names: dict[FieldKind, str] = {}
    for name in fields:
        names.setdefault(linkage.fields[name].kind, name)
    given, surname, date = (names.get(kind) for kind in ("given_name", "surname", "date"))

    def form(name: str, salt: dict[str, SaltPart], *left_out: str | None) -> _Form:
        return _Form(name, salt, tuple(field for field in left_out if field))

    if date:
        yield form("by_month_day", {date: "month_day"}, date)
        yield form("by_year_day", {date: "year_day"}, given)
    if code := names.get("postal_code"):
        yield form("by_postal_code", {code: "whole"}, surname)
        if date and given and surname:
            yield form("by_postal_code", {code: "whole"}, given, date)
    if given and surname:
        yield form("by_given_name", {given: 3, surname: 1}, given, date)
    if identifier := names.get("identifier"):
        yield form("by_identifier", {identifier: LAST_DIGITS}, surname)
        if date and given and surname:
            yield form("by_identifier", {identifier: LAST_DIGITS}, given, date)
    if phone := names.get("phone"):
        yield form("by_phone", {phone: LAST_DIGITS})
    if address := names.get("street_address"):
        # The date tells those of one home apart; the surname, which they share, is needed without it.
        yield form("by_address", {address: "house"}, address, surname if date else None)
    if given and surname:
        yield form("by_surname", {surname: 3, given: 1}, surname)


def _enough(forms: Sequence[_Form]) -> list[_Form]:
    """Return forms without those whose salts families share, where there are enough others."""
    chosen = [form for form in forms if form.name not in _FAMILY_SALTS]
    for form in forms:
        if form.name in _FAMILY_SALTS and len(chosen) < ENOUGH_PASSES:
            chosen.append(form)
    return chosen


def _covered(linkage: LinkageClause, fields: Sequence[str], form: _Form) -> tuple[str, ...]:
    """Return the fields of a pass: all but what it leaves out, or all where too few were left."""
    kept = tuple(name for name in fields if name not in form.left_out)
    return kept if _n_beside(linkage, kept, form) >= FEWEST_FIELDS_BESIDE_SALT else tuple(fields)


def _n_beside(linkage: LinkageClause, fields: Sequence[str], form: _Form) -> int:
    return sum(name not in form.salt and linkage.fields[name].kind != "sex" for name in fields)


def _best(linkage: LinkageClause, shared: Sequence[frozenset[str]]) -> list[_Choice]:
    """Return passes for parties whose pairs share different fields."""
    order = {name: position for position, name in enumerate(linkage.fields)}
    sets = set(shared) | {one & other for one, other in combinations(set(shared), 2)}
    choices: dict[tuple[str, tuple[str, ...], tuple[str, ...]], _Choice] = {}
    for fields in sorted((tuple(sorted(one, key=order.__getitem__)) for one in sets), key=_by_size):
        for form in _forms(linkage, fields):
            # What the two of a kind leave out tells them apart.
            choice = _Choice(form, _covered(linkage, fields, form))
            if _n_beside(linkage, choice.fields, form):
                choices.setdefault((form.name, form.left_out, choice.fields), choice)
    chosen: list[_Choice] = []
    left = list(choices.values())
    while left and len(chosen) < MOST_PASSES:
        found = _found(linkage, chosen, shared)
        # Rounded, as sums in another order would break ties otherwise.
        gains = [round(_found(linkage, [*chosen, choice], shared) - found, 9) for choice in left]
        salts = [choice.form.salt for choice in chosen]
        few = len(chosen) < ENOUGH_PASSES
        # A salt more is worth having where there are few; the same one again must find more.
        worth = [
            position
            for position, gain in enumerate(gains)
            if gain >= _LEAST_GAIN * len(shared)
            or (few and gain > 0 and left[position].form.salt not in salts)
        ]
        if not worth:
            break
        best = max(worth, key=gains.__getitem__)
        chosen.append(left.pop(best))
    return chosen


def _by_size(fields: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    return -len(fields), fields


def _found(
    linkage: LinkageClause, chosen: Sequence[_Choice], shared: Sequence[frozenset[str]]
) -> float:
    """Return how many pairs of one person passes find, summed over the pairs of parties."""
    total = 0.0
    for fields in shared:
        missed = 1.0
        salts: list[Mapping[str, SaltPart]] = []
        for form, covered in chosen:
            if not (set(form.salt) | set(covered)) <= fields:
                continue
            whole = _n_beside(linkage, _covered(linkage, tuple(fields), form), form)
            worth = _n_beside(linkage, covered, form) / max(whole, 1)
            worth *= _KNOWN_SALT if form.salt in salts else 1.0
            worth *= _FAMILY_SALT if form.name in _FAMILY_SALTS else 1.0
            salts.append(form.salt)
            missed *= 1 - _ALIVE * min(worth, 1.0)
        total += 1 - missed
    return total


def _named(chosen: Sequence[_Choice]) -> Iterator[tuple[str, _Choice]]:
    """Yield choices with names of their own, in the order of forms."""
    taken: dict[str, int] = {}
    for choice in chosen:
        number = taken[choice.form.name] = taken.get(choice.form.name, 0) + 1
        yield choice.form.name + (f"_{number}" if number > 1 else ""), choice
