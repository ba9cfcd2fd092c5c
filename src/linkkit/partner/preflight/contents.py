"""What stands in a preflight report, as sections of text and tables, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from linkkit.partner.preflight.results import ActorRisk, PreflightReport
from linkkit.partner.preflight.rules import KNOWN, LIMITS
from linkkit.partner.preflight.words import count_text, how_many, percent

__all__ = ["Section", "Table", "class_text", "headline", "new_reasons", "risk_text", "sections"]

_SHOWN = 8

TO_LINK = {
    "good": "They tell people apart well enough to link.",
    "fair": "They tell most people apart; some links will be doubtful.",
    "weak": "They are too weak to link by.",
}
TO_WITHSTAND = {
    "enough": "They are enough fields for the measured figures to hold.",
    "few": "They are too few to withstand somebody who knows many of the people.",
    "none": "The profile 'field' does not withstand somebody who knows some of the people, "
    "whatever the fields.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table of texts; the first `n_text` columns are words, the others numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_text: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A heading, what it is about, a table, and what follows from it."""

    title: str
    about: str
    table: Table | None = None
    notes: tuple[str, ...] = ()


def headline(report: PreflightReport) -> str:
    """Say in a line what was looked at."""
    experimental = " (experimental, not peer-reviewed)" if report.passes else ""
    return (
        f"{report.party}: {report.n_records:,} records of {report.n_rows:,} rows would be encoded, "
        f"profile '{report.profile}'{experimental}"
    )


def risk_text(risk: ActorRisk) -> str:
    """Say how many of the people are expected to be recognized."""
    if risk.share is None:
        return "nobody, while the seal holds"
    found = how_many(risk.share)
    return (
        f"{found} people"
        if found.startswith("fewer")
        else f"about {found} people".replace("about all people", "everybody")
    )


def new_reasons(report: PreflightReport) -> Iterator[tuple[ActorRisk, str]]:
    """Yield each risk with those of its reasons that were not given before, as a sentence."""
    given: set[str] = set()
    for risk in report.risks:
        new = [reason for reason in risk.reasons if reason not in given]
        given |= set(new)
        yield risk, f"{new[0][0].upper()}{'; '.join(new)[1:]}." if new else ""


def class_text() -> str:
    """Say what the classes mean."""
    moderate, high = LIMITS.moderate_from, LIMITS.high_from
    return (
        f"Low: fewer than {100 * moderate:.0f} of 100 people recognized; moderate: fewer than "
        f"{100 * high:.0f}; high: {100 * high:.0f} or more. Made-up test data, one kind of "
        "attack; better attacks are likely. No class means that nobody can be recognized."
    )


def sections(report: PreflightReport) -> tuple[Section, ...]:
    """Return the sections after the risks and the advice, those that apply."""
    return tuple(_sections(report))


def _sections(report: PreflightReport) -> Iterator[Section]:
    yield _fields(report)
    yield _together(report)
    if report.passes:
        yield _groups(report)
        yield _known(report)
    if report.exposures:
        yield _frequencies(report)
    if report.keys:
        yield _keys(report)
    yield _fills(report)
    if report.set_aside or report.rejected or report.n_repeated:
        yield _left_out(report)


def _fields(report: PreflightReport) -> Section:
    rows = tuple(
        (
            item.name,
            percent(item.share_missing),
            f"{item.n_distinct:,}",
            f"{item.entropy_bits:.1f}",
            percent(item.share_unique),
            f"{item.n_most_common:,} ({percent(item.share_most_common)})",
            count_text(item.look_alikes),
        )
        for item in report.fields
    )
    header = ("field", "missing", "values", "bits", "alone", "share the commonest", "look-alikes")
    return Section(
        title="What each field tells",
        about="Bits: how much a value tells, on average; each bit halves the crowd. Alone: records "
        "whose value nobody else has. Look-alikes: others with the same value, on average.",
        table=Table(header=header, rows=rows),
    )


def _together(report: PreflightReport) -> Section:
    joint = report.joint
    pairs = [
        (" + ".join(item.fields), percent(item.share_unique), count_text(item.look_alikes))
        for item in joint.pairs[:_SHOWN]
    ]
    weaker = [item for item in joint.without.items() if item[1] < joint.share_unique]
    without = [
        (f"all but {name}", percent(share), "")
        for name, share in sorted(weaker, key=lambda item: item[1])[:_SHOWN]
    ]
    every = ("all fields", percent(joint.share_unique), count_text(joint.look_alikes))
    more = len(joint.pairs) - len(pairs)
    return Section(
        title="What the fields tell together",
        about="A missing value counts as a value. 'All but' a field: as if it were wrong or missing, "
        "where that matters. What tells people apart also singles them out for whoever can read it.",
        table=Table(header=("fields", "alone", "look-alikes"), rows=(every, *without, *pairs)),
        notes=(
            f"Together they have {joint.entropy_bits:.1f} bits; {report.n_records:,} records can "
            f"have {joint.possible_bits:.1f} at most.",
            TO_LINK[joint.to_link],
            TO_WITHSTAND[joint.to_withstand],
            *([f"{more} more pairs of fields tell less."] if more else []),
        ),
    )


def _groups(report: PreflightReport) -> Section:
    rows = tuple(
        (
            item.name,
            item.salt,
            f"{item.n_groups:,}",
            " / ".join(f"{size:,}" for q, size in item.sizes.items() if q in (5, 50, 95)),
            f"{item.n_largest:,} ({percent(item.share_largest)})",
            percent(item.share_without),
            percent(item.share_identical),
        )
        for item in report.passes
    )
    counts = enumerate(report.n_with_passes)
    return Section(
        title="Salt groups",
        about="Each pass encodes the records of one group under a key of its own, so that only they "
        "can be compared. Sizes: the 5th, 50th and 95th of 100 groups. Identical: records that "
        "look just like another one in the pass.",
        table=Table(
            header=("pass", "salt", "groups", "sizes", "largest", "without", "identical"),
            rows=rows,
            n_text=2,
        ),
        notes=(
            "Records by number of passes: "
            + ", ".join(f"{n:,} with {k}" for k, n in counts if n)
            + ".",
        ),
    )


def _known(report: PreflightReport) -> Section:
    rows = tuple(
        (item.name, *(count_text(item.known_in_group[n]) for n in KNOWN)) for item in report.passes
    )
    return Section(
        title="Known people in the same group",
        about="If the linkage unit knows whose the encodings of so many people are, this many of "
        "them are in a record's own group, on average. It learns from them and from no others.",
        table=Table(header=("pass", *(f"{n:,} known" for n in KNOWN)), rows=rows),
    )


def _frequencies(report: PreflightReport) -> Section:
    rows = tuple(
        (
            item.name,
            percent(item.share_identical),
            percent(item.share_by_rank),
            percent(item.share_by_listed_rank),
        )
        for item in report.exposures
    )
    return Section(
        title="What frequencies give away",
        about="Equal values have equal encodings, so the most common encoding stands for the most "
        "common value. Exact: values that could be read by somebody who knows how frequent each is. "
        "By a list: read rightly with a list of nine in ten of these people.",
        table=Table(header=("field", "not alone", "exact", "by a list"), rows=rows),
    )


def _keys(report: PreflightReport) -> Section:
    rows = tuple(
        (
            item.name,
            f"{item.n_groups:,}",
            f"{item.n_largest:,} ({percent(item.share_largest)})",
            f"{item.n_alone:,} ({percent(item.share_alone)})",
            percent(item.share_without),
            percent(item.share_by_rank),
            percent(item.share_by_listed_rank),
        )
        for item in report.keys
    )
    return Section(
        title="Blocking keys",
        about="Records with the same key are a group, and the linkage unit sees the groups. Alone: records "
        "in a group of their own. Exact: whose group is known by its size, to somebody who knows "
        "how frequent each value is. By a list: the same with a list of nine in ten of these people.",
        table=Table(
            header=("key", "groups", "largest", "alone", "without", "exact", "by a list"),
            rows=rows,
        ),
        notes=(
            *(f"{item.name}: {item.made_of}." for item in report.keys),
            f"All keys together tell {percent(report.told_by_keys)} of the records from all others, by "
            "which groups they are in and whom they meet there. Somebody with an exact list of these "
            "people, and no secret, knows for certain who these are, and may guess others.",
        ),
    )


def _fills(report: PreflightReport) -> Section:
    rows = tuple(
        (
            item.name,
            f"{item.mean:.2f}",
            f"{item.low:.2f} - {item.high:.2f}",
            percent(item.share_outside),
            f"{item.bit_means[0]:.2f} - {item.bit_means[1]:.2f}",
            "-" if item.token_correlation is None else f"{item.token_correlation:+.2f}",
        )
        for item in report.fills
    )
    whole = report.n_sampled == report.n_records
    sample = "all records" if whole else f"a sample of {report.n_sampled:,} records"
    outside = f"outside {LIMITS.fill_least:.2f} - {LIMITS.fill_most:.2f}"
    return Section(
        title="How full the filters are",
        about=f"From a trial encoding of {sample} under a throw-away secret. About half full is "
        "best. Length: whether long values show in the number of set bits (0 is not at all).",
        table=Table(
            header=("filter", "mean fill", "5 - 95 %", outside, "single bits", "length"), rows=rows
        ),
    )


def _left_out(report: PreflightReport) -> Section:
    aside = [(f"row not sent: {reason}", f"{n:,}") for reason, n in report.set_aside.items()]
    cells = [(f"cell taken as missing: {rule}", f"{n:,}") for rule, n in report.rejected.items()]
    again = [("further row of the same record", f"{report.n_repeated:,}")]
    return Section(
        title="What would not be sent",
        about="Row numbers are in the report of 'linkkit encode'.",
        table=Table(
            header=("what", "how many"),
            rows=(*aside, *cells, *(again if report.n_repeated else ())),
        ),
    )
