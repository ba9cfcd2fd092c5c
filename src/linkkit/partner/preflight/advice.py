"""Advice: what in an extract or its agreement to look at before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from linkkit.partner.preflight.results import (
    Advice,
    FieldExposure,
    FieldStrength,
    FilterFill,
    JointStrength,
    KeyExposure,
    PassGroups,
)
from linkkit.partner.preflight.rules import LIMITS
from linkkit.partner.preflight.words import how_many, percent

__all__ = [
    "of_exposures",
    "of_fields",
    "of_fills",
    "of_groups",
    "of_identical",
    "of_joint",
    "of_keys",
    "of_known",
    "of_passes",
    "of_postal_codes",
    "of_profile",
    "of_rows",
]


def of_profile(profile: str) -> Iterator[Advice]:
    """Say what kind of profile it is."""
    if profile == "field":
        yield Advice(
            code="field_profile",
            severity="note",
            message="The profile 'field' shows the linkage unit how alike two records are in each "
            "field.",
            advice="Send it only to a linkage unit that you would trust with that, by contract.",
        )
        return
    if profile == "clkhash":
        yield Advice(
            code="clkhash_profile",
            severity="warning",
            message="Filters as clkhash makes them are read by anybody with a list of the people, "
            "without a key.",
            advice="Use the profile only where a partner needs clkhash, and trust the linkage unit as "
            "with names.",
        )
        return
    default = ", the default," if profile == "standard" else ""
    yield Advice(
        code="experimental",
        severity="note",
        message=f"The profile '{profile}'{default} is experimental: measured, not peer-reviewed.",
        advice="Better attacks than the measured ones are likely. Treat encodings as personal data.",
    )


def of_rows(n_records: int, n_rows: int, n_set_aside: int) -> Iterator[Advice]:
    """Look at how many rows there are, and how many would not be sent."""
    if n_records < LIMITS.small_list:
        yield Advice(
            code="small_list",
            severity="warning",
            message=f"The list has {n_records} records, fewer than {LIMITS.small_list}.",
            advice="So small a list can be recognized by its size and by who is known to be on it, "
            "however it is encoded. Ask whether it must be linked on its own; several sites or "
            "years may go together.",
        )
    if n_set_aside > LIMITS.set_aside * n_rows:
        yield Advice(
            code="set_aside",
            severity="warning",
            message=f"{percent(n_set_aside / n_rows)} of the rows would not be sent.",
            advice="See the reasons below. People who are left out are rarely a random sample.",
        )


def of_fields(fields: tuple[FieldStrength, ...]) -> Iterator[Advice]:
    """Look at whether each field holds something, and more than a filler."""
    for item in fields:
        if item.n_present == 0:
            yield Advice(
                code="field_missing",
                severity="warning",
                message=f"No record has '{item.name}'.",
                advice="Check the column that the agreement names, and its format.",
            )
        elif item.share_missing >= LIMITS.field_missing:
            yield Advice(
                code="field_often_missing",
                severity="note",
                message=f"{percent(item.share_missing)} of the records lack '{item.name}'.",
                advice="Check the column and its format. If it is so, these records are linked by "
                "their other fields.",
            )
        if item.kind not in ("sex", "city") and item.share_most_common >= LIMITS.one_value:
            yield Advice(
                code="one_value",
                severity="warning",
                message=f"{percent(item.share_most_common)} of the values of '{item.name}' are one "
                "and the same.",
                advice="Look at the most common value in your own file. If it stands for "
                "'unknown', empty those cells.",
            )


def of_postal_codes(name: str, n_short: int, n_codes: int) -> Iterator[Advice]:
    """Look whether postal codes of five digits lost zeros.

    Parameters
    ----------
    name : str
        The field.
    n_short, n_codes : int
        How many codes have three or four digits, and how many are of digits at all, as they are read.
    """
    if n_codes and n_short >= LIMITS.short_codes * n_codes:
        yield Advice(
            code="lost_zeros",
            severity="warning",
            message=f"{n_short:,} of {n_codes:,} codes in '{name}' have three or four digits: a spreadsheet "
            "seems to have taken the zeros before them.",
            advice="They agree with nobody's who has the zeros. Export the file again with that column as "
            "text, not as numbers. If they are codes of a country that has four digits, all is well.",
        )


def of_joint(joint: JointStrength) -> Iterator[Advice]:
    """Look at whether the fields tell people apart."""
    if joint.to_link != "good":
        yield Advice(
            code="weak_to_link",
            severity="warning" if joint.to_link == "weak" else "note",
            message=f"All linkage fields together tell {percent(joint.share_unique)} of the records "
            "from all others.",
            advice="The others can be linked to the wrong person. Look for rows that repeat a person; "
            "otherwise agree on a further field, such as a birth date or an address.",
        )
    field = min(joint.without, key=joint.without.__getitem__)
    if joint.to_link != "weak" and joint.without[field] < LIMITS.without_one:
        yield Advice(
            code="leans_on_one_field",
            severity="note",
            message=f"Without '{field}', only {percent(joint.without[field])} of the records can be "
            "told from all others.",
            advice=f"Who has an error in '{field}' may be missed or mixed up. A further field helps.",
        )
    if joint.to_withstand == "few":
        yield Advice(
            code="few_fields",
            severity="warning",
            message="There are two linkage fields or fewer, sex apart.",
            advice="Passes protect so little badly once some people are known: up to 17 of 100 "
            "others were recognized. Agree on more fields, or keep known people's encodings from "
            "the linkage unit.",
        )


def of_groups(passes: Sequence[PassGroups], finer: Mapping[str, float]) -> Iterator[Advice]:
    """Look at the groups of passes with the same salt, and at what a finer one would give.

    Parameters
    ----------
    passes : sequence of PassGroups
        The passes; their groups are the same.
    finer : mapping of str to float
        Concentration with other salts, by what they are in words, the least change first.
    """
    groups, names = passes[0], _names([item.name for item in passes])
    if groups.n_records == 0:
        yield Advice(
            code="empty_pass",
            severity="warning",
            message=f"No record has pass {names}: none has its salt, {groups.salt}.",
            advice="Nobody can be found by it. Agree on a pass by a field that you have.",
        )
        return
    coarse = groups.concentration >= LIMITS.coarse_salt
    if coarse or groups.share_largest >= LIMITS.largest_group:
        yield Advice(
            code="coarse_salt",
            severity="warning",
            message=f"Pass {names}: the {groups.salt} makes {groups.n_groups} groups, and "
            f"{percent(groups.share_largest)} of the records are in the largest. Of 1,000 known "
            f"people, {groups.known_in_group[1_000]:,.0f} would be in a record's own group.",
            advice=_finer_salt(groups, finer),
        )


def of_identical(passes: Sequence[PassGroups]) -> Iterator[Advice]:
    """Look at how many records look just like another one."""
    for item in passes:
        if item.share_identical >= LIMITS.identical:
            yield Advice(
                code="identical",
                severity="warning",
                message=f"In pass '{item.name}', {percent(item.share_identical)} of the records look "
                "just like another one.",
                advice="Who looks at the encodings sees which belong together, often those of one "
                "family. Let the pass cover a field that tells them apart, such as a given name.",
            )


def of_known(estimated: Mapping[int, float]) -> Iterator[Advice]:
    """Look at what known people teach about the others."""
    n_known = next((n for n, share in estimated.items() if share >= LIMITS.high_from), None)
    if n_known is not None:
        yield Advice(
            code="known_people_teach",
            severity="warning",
            message=f"Who knows {n_known:,} of these people would recognize about "
            f"{how_many(estimated[n_known])} others, by an estimate on your own records.",
            advice="Known people teach most about their families and neighbors. See to it that the "
            "linkage unit knows nobody; leave out what many share, such as an address or a phone; "
            "finer salts and the profile 'hardened' help.",
        )


def _finer_salt(groups: PassGroups, finer: Mapping[str, float]) -> str:
    for words, concentration in finer.items():
        if concentration < LIMITS.coarse_salt:
            n = min(1_000, groups.n_records) * concentration
            return f"With the {words} as its salt, {n:,.1f} of them would be."
    return "Agree on another salt, or leave the pass out if others find the same people."


def of_passes(n_with_passes: tuple[int, ...], n_records: int) -> Iterator[Advice]:
    """Look at how many passes records have."""
    if not n_with_passes:
        return
    none, one = n_with_passes[0], n_with_passes[1]
    if none / n_records >= LIMITS.no_pass:
        yield Advice(
            code="no_pass",
            severity="warning",
            message=f"{percent(none / n_records)} of the records have no pass.",
            advice="They lack the salt of every pass and cannot be linked. Look for columns that were "
            "not read, or agree on a pass by a field that they have.",
        )
    if one / n_records >= LIMITS.one_pass:
        yield Advice(
            code="one_pass",
            severity="note",
            message=f"{percent(one / n_records)} of the records have one pass only.",
            advice="An error in its salt, such as a wrong date, and they are missed.",
        )


def of_fills(fills: tuple[FilterFill, ...], *, has_passes: bool) -> Iterator[Advice]:
    """Look at how full the filters are."""
    off = [item.name for item in fills if not LIMITS.fill_least <= item.mean <= LIMITS.fill_most]
    if off:
        yield Advice(
            code="fill",
            severity="warning",
            message=f"On average, filters of {_names(off)} are less than 40 or more than 60 % full.",
            advice="Values are shorter or longer than is usual for such a field, so that single "
            "bits tell more. Check that the column holds what the agreement says.",
        )
    telling = [
        item.name
        for item in fills
        if has_passes and abs(item.token_correlation or 0.0) > LIMITS.length_correlation
    ]
    if telling:
        yield Advice(
            code="lengths_show",
            severity="warning",
            message=f"In {_names(telling)} the number of set bits goes with the length of the values.",
            advice="Long and short names can be told apart. More fields in the pass help.",
        )


def of_exposures(
    exposures: tuple[FieldExposure, ...], fields: tuple[FieldStrength, ...]
) -> Iterator[Advice]:
    """Look at which fields could be read by how frequent their values are."""
    n_distinct = {item.name: item.n_distinct for item in fields}
    few = [x.name for x in exposures if 0 < n_distinct[x.name] <= LIMITS.few_values]
    read = [
        x for x in exposures if x.name not in few and x.share_by_listed_rank >= LIMITS.read_by_rank
    ]
    if few:
        yield Advice(
            code="few_values",
            severity="note",
            message=f"{_names(few)} has so few values that its encodings are as good as readable."
            if len(few) == 1
            else f"{_names(few)} have so few values that their encodings are as good as readable.",
            advice="Send such a field only if the links need it.",
        )
    for item in read:
        yield Advice(
            code="readable_by_frequency",
            severity="warning",
            message=f"About {percent(item.share_by_listed_rank)} of the values of '{item.name}' could "
            "be read by how frequent they are, with a list of nine in ten of these people.",
            advice="The linkage unit needs no key for that. Use a profile with passes, or leave the "
            "field out.",
        )


def of_keys(
    keys: tuple[KeyExposure, ...], told_by_keys: float, not_brought: Mapping[str, str]
) -> Iterator[Advice]:
    """Look at what the groups of blocking keys give away, and whether they are of use.

    Parameters
    ----------
    keys : tuple of KeyExposure
        The keys.
    told_by_keys : float
        Share of records told from all others by all keys together.
    not_brought : mapping of str to str
        For keys of a field that the party does not bring, the names of such fields.
    """
    used = [item for item in keys if item.n_records]
    if used:
        yield _groups_show(used, told_by_keys)
    for item in keys:
        lacking = not_brought.get(item.name, "")
        if not item.n_records:
            yield Advice(
                code="empty_key",
                severity="note" if lacking else "warning",
                message=f"No record has the blocking key '{item.name}': {item.made_of}.",
                advice=f"You do not bring {lacking}, so nobody of yours is found by it."
                if lacking
                else "Check the columns that the agreement names. Nobody of yours is found by it.",
            )
        elif item.concentration >= LIMITS.coarse_key:
            yield Advice(
                code="coarse_key",
                severity="warning",
                message=f"The blocking key '{item.name}' makes {item.n_groups:,} groups, and "
                f"{percent(item.share_largest)} of the records are in the largest.",
                advice="So coarse a key shows a grouping and spares few comparisons. Add a part to "
                "it, or leave it out.",
            )


def _groups_show(used: Sequence[KeyExposure], told_by_keys: float) -> Advice:
    worst = max(used, key=lambda item: item.share_by_listed_rank)
    apart = percent(told_by_keys)
    return Advice(
        code="blocking_keys",
        severity="warning",
        message="The linkage unit sees which records share a blocking key, and the sizes of the groups "
        f"let it guess frequent names: about {percent(worst.share_by_listed_rank)} of the records by "
        f"'{worst.name}' alone, with a list of nine in ten of these people. All keys together tell "
        f"{apart} of the records from all others for certain, to somebody with an exact list and no "
        "secret.",
        advice="Agree on as few keys as the links need, and only with a linkage unit that you would "
        "trust with that, by contract.",
    )


def _names(names: list[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)
