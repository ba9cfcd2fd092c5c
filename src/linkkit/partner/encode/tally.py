"""The report on an extract, added up from the reports on its parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from linkkit.agreement import Agreement
from linkkit.partner.encode.payload import ROWS_SHOWN
from linkkit.partner.encode.prepared import OUTSIDE_YEARS, PreparedExtract, report_of
from linkkit.partner.encode.results import EncodingReport
from linkkit.partner.read import SetAside
from linkkit.partner.standardize import Issue

__all__ = ["Tally"]


class Tally:
    """Adds up what is to be said of parts, in the form that the whole would have.

    Parameters
    ----------
    agreement : Agreement
        Gives the order of fields and variables.
    party : str
        Whose extract it is.

    Attributes
    ----------
    n_outside : int
        Rows that lie outside the agreement's years.
    first_outside : list of int
        The numbers of the first of them.
    """

    def __init__(self, agreement: Agreement, *, party: str) -> None:
        self._fields = list(agreement.linkage.fields)
        self._variables = list(agreement.party(party).payload)
        self._reports: EncodingReport | None = None
        self._set_aside: Counter[str] = Counter()
        self._missing: Counter[str] = Counter()
        self._n_unread = 0
        self._issues: dict[tuple[str, str], Issue] = {}
        self._payload_issues: dict[tuple[str, str], Issue] = {}
        self.n_outside = 0
        self.first_outside: list[int] = []

    def add_unread(self, items: Sequence[SetAside]) -> None:
        """Count rows that could not be read."""
        self._n_unread += len(items)
        self._set_aside.update(item.reason for item in items)

    def add(self, work: PreparedExtract) -> None:
        """Count what was made of a part."""
        report = report_of(work)
        self._set_aside.update(report.n_set_aside)
        self._missing.update(report.missing)
        _add_issues(self._issues, work.standardized.issues)
        _add_issues(self._payload_issues, work.payload_issues)
        outside = [x.row for x in work.records.set_aside if x.reason == OUTSIDE_YEARS]
        self.n_outside += len(outside)
        self.first_outside = sorted([*self.first_outside, *outside])[:ROWS_SHOWN]
        before = self._reports
        self._reports = report
        if before is not None:
            self._reports = replace(
                report,
                n_rows=before.n_rows + report.n_rows,
                n_records=before.n_records + report.n_records,
                n_repeated=before.n_repeated + report.n_repeated,
                n_without_id=before.n_without_id + report.n_without_id,
            )

    def report(self) -> EncodingReport:
        """Return the report on the whole; at least one part must have been added."""
        if self._reports is None:
            raise ValueError("no part was added")
        issues = [
            *_in_order(self._issues, self._fields),
            *_in_order(self._payload_issues, self._variables),
        ]
        return replace(
            self._reports,
            n_rows=self._reports.n_rows + self._n_unread,
            n_set_aside=dict(sorted(self._set_aside.items())),
            missing={name: self._missing[name] for name in self._reports.missing},
            issues=tuple(issues),
        )


def _add_issues(known: dict[tuple[str, str], Issue], found: Iterable[Issue]) -> None:
    for issue in found:
        before = known.get((issue.field, issue.rule))
        if before is not None:
            rows = sorted([*before.rows, *issue.rows])[:ROWS_SHOWN]
            issue = replace(  # noqa: PLW2901
                issue,
                count=before.count + issue.count,
                rows=tuple(rows),
                n_compared=before.n_compared + issue.n_compared,
            )
        known[issue.field, issue.rule] = issue


def _in_order(issues: dict[tuple[str, str], Issue], names: list[str]) -> list[Issue]:
    order = sorted(issues, key=lambda key: (names.index(key[0]), key[1]))
    return [issues[key] for key in order]
