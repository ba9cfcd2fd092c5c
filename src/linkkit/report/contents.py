"""What stands in the linkage report, as data: every number already text, small counts hidden."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from linkkit._version import __version__
from linkkit.agreement import Agreement
from linkkit.assess import (
    FieldCompleteness,
    FieldEvidence,
    LinkageScores,
    Overlaps,
    ThresholdCurve,
    WeightHistogram,
    field_completeness,
    field_evidence,
    find_concerns,
    overlaps,
    threshold_curve,
    weight_histogram,
)
from linkkit.assess.inputs import is_small, shown_count
from linkkit.linkage import LinkResult
from linkkit.linkage.block import FilterPlan, PassPlan
from linkkit.linkage.households import Households
from linkkit.report.household_words import household_facts, size_rows
from linkkit.report.pass_words import pass_rows
from linkkit.report.words import how_common, percent, probability_text, share_text

__all__ = ["Card", "Contents", "Notice", "Table", "gather"]

_SHOWN_THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.9, 0.99)
_MOST_COMBINATIONS = 40
_PACKAGES = ("numpy", "pandas", "pyarrow", "scipy", "matplotlib")


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """A headline number."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """Something that the reader must look at."""

    severity: str
    message: str
    advice: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table of texts; the first `n_text` columns are words, the others numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_text: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """All that the page says, and the assessments that its charts are drawn from."""

    title: str
    purpose: str
    parties: str
    smallest_cell: int | None
    cards: tuple[Card, ...]
    true_cards: tuple[Card, ...]
    notices: tuple[Notice, ...]
    party_table: Table
    combination_table: Table
    compared: tuple[tuple[str, str], ...]
    blocked_by: tuple[str, ...]
    meets_in_bits: bool
    pass_table: Table | None
    missing_table: Table
    field_table: Table
    meaning_table: Table
    labeled: str
    threshold_table: Table
    true_table: Table | None
    household_table: Table | None
    household_facts: tuple[tuple[str, str], ...]
    household_warnings: tuple[str, ...]
    origin: tuple[tuple[str, str], ...]
    threshold: str
    overlaps: Overlaps
    evidence: FieldEvidence
    histogram: WeightHistogram
    curve: ThresholdCurve


def gather(
    result: LinkResult,
    *,
    agreement: Agreement | None,
    truth: LinkageScores | None,
    encoding_counts: Mapping[str, Mapping[str, int]] | None,
) -> Contents:
    """Assess a linkage and put what was found into words."""
    cell = None if agreement is None else agreement.protection.smallest_cell
    served, evidence = overlaps(result.crosswalk), field_evidence(result)
    homes = result.households
    curve, by_pass = threshold_curve(result), bool(result.pairs.pool.spec.passes)
    return Contents(
        title=agreement.title if agreement else result.crosswalk.agreement_id,
        purpose=agreement.purpose if agreement else "",
        parties=", ".join(_party_name(party, agreement) for party in served.parties),
        smallest_cell=cell,
        cards=_cards(result, served, cell),
        true_cards=() if truth is None else _true_cards(truth, cell),
        notices=_notices(result, served, cell, agreement),
        party_table=_party_table(served, agreement, encoding_counts, cell),
        combination_table=_combination_table(served, cell),
        compared=_compared(result, cell),
        blocked_by=() if result.plan.is_exhaustive else result.plan.names,
        meets_in_bits=isinstance(result.plan, FilterPlan),
        pass_table=_pass_table(result),
        missing_table=_missing_table(field_completeness(result), cell),
        field_table=_field_table(evidence, by_pass=by_pass),
        meaning_table=_meaning_table(evidence, by_pass=by_pass),
        labeled=_labeled(result),
        threshold_table=_threshold_table(result),
        true_table=None if truth is None else _true_table(truth, cell),
        household_table=None if homes is None else _household_table(homes, cell),
        household_facts=() if homes is None else household_facts(homes, cell),
        household_warnings=() if homes is None else homes.warnings,
        origin=_origin(result, agreement),
        threshold=probability_text(result.threshold),
        overlaps=served,
        evidence=evidence,
        histogram=weight_histogram(result),
        curve=curve,
    )


def _party_name(party: str, agreement: Agreement | None) -> str:
    return party if agreement is None else agreement.party(party).name


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _cards(result: LinkResult, served: Overlaps, cell: int | None) -> tuple[Card, ...]:
    quality = result.quality
    cards = [
        Card(
            label="records",
            value=shown_count(served.n_records, cell),
            note=f"of {len(served.parties)} {'party' if len(served.parties) == 1 else 'parties'}",
        ),
        Card(label="people", value=shown_count(served.n_people, cell), note="each counted once"),
    ]
    if len(served.parties) > 1:
        cards.append(
            Card(
                label="shared people",
                value=shown_count(served.n_shared, cell),
                note="with two or more parties",
            )
        )
    return (
        *cards,
        Card(label="links", value=shown_count(quality.n_links, cell), note="pairs of records"),
        Card(
            label="precision",
            value=percent(quality.precision),
            note=f"estimated: links that are right; {_reach(quality.precision_interval)}",
        ),
        Card(
            label="recall",
            value=percent(quality.recall),
            note=f"estimated: true pairs found; {_reach(quality.recall_interval)}",
        ),
    )


def _reach(interval: tuple[float, float]) -> str:
    return f"likely {percent(interval[0])} to {percent(interval[1])}"


def _true_cards(truth: LinkageScores, cell: int | None) -> tuple[Card, ...]:
    return (
        Card(label="true precision", value=percent(truth.precision), note="links that are right"),
        Card(label="true recall", value=percent(truth.recall), note="true pairs that were found"),
        Card(label="true F1", value=percent(truth.f1), note="both together"),
        Card(
            label="exactly right",
            value=shown_count(truth.n_people_exact, cell),
            note=f"of {shown_count(truth.n_people_true, cell)} people: all their records, no other",
        ),
        Card(
            label="mixed up",
            value=shown_count(truth.n_people_mixed, cell),
            note="person ids that join different people",
        ),
        Card(
            label="split",
            value=shown_count(truth.n_people_split, cell),
            note="people with two or more person ids",
        ),
    )


def _notices(
    result: LinkResult, served: Overlaps, cell: int | None, agreement: Agreement | None
) -> tuple[Notice, ...]:
    notices = [
        Notice(severity=x.severity, message=x.message, advice=x.advice)
        for x in find_concerns(result, agreement=agreement)
    ]
    if cell is None:
        notices.append(
            Notice(
                severity="note",
                message="No agreement was given, so small counts are shown as they are.",
                advice="Do not pass this page on. Give the agreement to hide them.",
            )
        )
    elif served.can_be_worked_out(cell):
        notices.insert(
            0,
            Notice(
                severity="warning",
                message=f"A count that is shown as <{cell} can be worked out from the other counts "
                "of people and their totals on this page.",
                advice="Do not publish this page as it is. Keep it with those who may see the "
                "hidden count, or pass on the shares only.",
            ),
        )
    return tuple(notices)


def _party_table(
    served: Overlaps,
    agreement: Agreement | None,
    encoding_counts: Mapping[str, Mapping[str, int]] | None,
    cell: int | None,
) -> Table:
    rows = []
    for item in served.by_party:
        cells = (
            [item.party] if agreement is None else [item.party, agreement.party(item.party).name]
        )
        if encoding_counts is not None:
            n_aside = encoding_counts.get(item.party, {}).get("n_set_aside")
            cells.append("not stated" if n_aside is None else shown_count(n_aside, cell))
        cells += [
            shown_count(item.n_records, cell),
            item.shown_people(cell),
            shown_count(item.n_duplicates, cell),
            served.shown_shared(item.party, cell),
        ]
        rows.append(tuple(cells))
    names = ["Party"] if agreement is None else ["Party", "Organization"]
    aside = [] if encoding_counts is None else ["Rows set aside"]
    numbers = ["Records linked", "People", "Repeated records", "Shared with others"]
    return Table(header=(*names, *aside, *numbers), rows=tuple(rows), n_text=len(names))


def _combination_table(served: Overlaps, cell: int | None) -> Table:
    ordered = served.ordered(cell)
    rows = [
        (" + ".join(item.parties), shown_count(item.n_people, cell))
        for item in ordered[:_MOST_COMBINATIONS]
    ]
    n_more = len(ordered) - len(rows)
    if n_more:
        n_people = sum(item.n_people for item in ordered[_MOST_COMBINATIONS:])
        rows.append((f"{n_more} smaller combinations", shown_count(n_people, cell)))
    return Table(header=("With exactly these parties", "People"), rows=tuple(rows))


def _pass_table(result: LinkResult) -> Table | None:
    rows = pass_rows(result.pairs.pool.spec)
    header = ("Pass", "Records meet that agree in", "The filters hold")
    return Table(header=header, rows=rows, n_text=3) if rows else None


def _compared(result: LinkResult, cell: int | None) -> tuple[tuple[str, str], ...]:
    plan = result.plan
    expected: tuple[tuple[str, str], ...] = ()
    if isinstance(plan, PassPlan):
        share = share_text(plan.pair_completeness)
        expected = (("Share of true pairs expected among the candidates", share),)
    elif isinstance(plan, FilterPlan) and not plan.is_exhaustive:
        share = share_text(plan.pair_completeness)
        expected = (
            (
                "Share expected among the candidates, of the matches that comparing all would find",
                share,
            ),
        )
    return (
        ("Pairs of records that could match", f"{plan.n_pairs:,}"),
        ("Comparisons made", f"{plan.n_comparisons:,}"),
        (
            "Share of pairs not compared (reduction ratio)",
            "none, every pair was compared"
            if plan.is_exhaustive
            else share_text(plan.reduction_ratio),
        ),
        ("Candidate pairs, alike enough to look at closely", shown_count(len(result.pairs), cell)),
        *expected,
        ("Pairs linked", shown_count(result.quality.n_links, cell)),
        ("Least match probability of a link (threshold)", probability_text(result.threshold)),
    )


def _missing_table(completeness: FieldCompleteness, cell: int | None) -> Table:
    rows = []
    for i, field in enumerate(completeness.fields):
        counts = [
            _missing_text(completeness.n_missing[party][i], n, cell)
            for party, n in completeness.n_records.items()
        ]
        rows.append((_spaced(field), *counts))
    return Table(header=("Field", *completeness.n_records), rows=tuple(rows))


def _missing_text(n_missing: int, n_records: int, cell: int | None) -> str:
    if n_missing == n_records:
        return "all"
    if is_small(n_records - n_missing, cell):
        return "nearly all"
    return shown_count(n_missing, cell)


def _labeled(result: LinkResult) -> str:
    n = 0 if result.labels is None else len(result.labels)
    if not n:
        return "No examples were labeled by hand."
    pairs = "1 pair was" if n == 1 else f"{n:,} pairs were"
    return f"{pairs} judged by people, which is kept, and counts in the weights where it is enough."


def _meaning_table(evidence: FieldEvidence, *, by_pass: bool) -> Table:
    # Few filters of one person are equal in all bits, as any error changes them.
    shown, rows = ("close" if by_pass else "equal", "disagree"), []
    for field in evidence.fields:
        levels = evidence.of(field)
        said = (how_common(levels[name].weight) for name in shown)
        rows.append((_spaced(field), *said))
    header = ("Field", "Equal values are", "Different values are")
    if by_pass:
        header = ("Pass", "Filters that are close are", "Filters that disagree are")
    return Table(header=header, rows=tuple(rows), n_text=3)


def _field_table(evidence: FieldEvidence, *, by_pass: bool) -> Table:
    rows = []
    for field in evidence.fields:
        levels = [item for item in reversed(list(evidence.of(field).values())) if item.occurs]
        for i, item in enumerate(levels):
            name = _spaced(field) if i == 0 else ""
            numbers = (share_text(item.m), share_text(item.u), f"{item.weight:+.1f}")
            rows.append((name, item.level, *numbers))
    what = ("Pass", "The two filters") if by_pass else ("Field", "The two values")
    header = (*what, "One person (m)", "Others (u)", "Weight in bits")
    return Table(header=header, rows=tuple(rows), n_text=2)


def _threshold_table(result: LinkResult) -> Table:
    steps = sorted({*_SHOWN_THRESHOLDS, result.threshold})
    curve = threshold_curve(result, thresholds=steps)
    rows = tuple(
        (
            probability_text(step) + (" (used)" if step == result.threshold else ""),
            *(percent(x) for x in values),
        )
        for step, *values in zip(
            curve.thresholds, curve.precision, curve.recall, curve.f1, strict=True
        )
    )
    return Table(header=("Threshold", "Precision", "Recall", "F1"), rows=rows)


def _true_table(truth: LinkageScores, cell: int | None) -> Table:
    rows = []
    for item in truth.by_parties:
        if item.n_true == item.n_found == 0:
            continue
        within = item.left_party == item.right_party
        name = (
            f"within {item.left_party}" if within else f"{item.left_party} and {item.right_party}"
        )
        hidden = is_small(item.n_true, cell) or is_small(item.n_found, cell)
        shares = (item.precision, item.recall, item.f1)
        rows.append(
            (
                name,
                shown_count(item.n_true, cell),
                shown_count(item.n_found, cell),
                *("not shown" if hidden else percent(x) for x in shares),
            )
        )
    header = ("Pairs of records", "True", "Found", "Precision", "Recall", "F1")
    return Table(header=header, rows=tuple(rows))


def _household_table(homes: Households, cell: int | None) -> Table:
    return Table(header=("Households of", "Number"), rows=size_rows(homes.sizes, cell))


def _origin(result: LinkResult, agreement: Agreement | None) -> tuple[tuple[str, str], ...]:
    spec = result.pairs.pool.spec
    named = () if agreement is None else _named(agreement)
    packages = [f"{name} {_version(name)}" for name in _PACKAGES]
    return (
        ("Agreement", result.crosswalk.agreement_id),
        ("Agreement fingerprint", result.crosswalk.agreement_fingerprint),
        *named,
        ("Encoding profile", spec.profile),
        ("Encoding spec digest", spec.digest),
        (
            "Encoding and standardization",
            f"versions {spec.encoding_version} and {spec.standardization_version}",
        ),
        ("Match model", f"{result.model.n_rounds} rounds of EM"),
        ("Made by", f"linkkit {__version__}"),
        ("With", f"Python {platform.python_version()}, {', '.join(packages)}"),
    )


def _named(agreement: Agreement) -> tuple[tuple[str, str], ...]:
    return (
        ("Legal basis", agreement.legal_basis),
        ("Data to be destroyed by", agreement.destroy_by.isoformat()),
        ("Linkage unit", agreement.linkage_unit.name),
        ("Steward", agreement.steward.name),
        ("Smallest count shown", str(agreement.protection.smallest_cell)),
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of unknown version"
