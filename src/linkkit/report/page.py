"""The linkage report: one page that tells what was linked, on what grounds, and how well.

It needs no other file, script or network, and holds no record token and no person id.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from linkkit.agreement import Agreement
from linkkit.agreement.document import require_agreement
from linkkit.assess import LinkageScores, Overlaps
from linkkit.assess.inputs import require_result
from linkkit.errors import MismatchError, WrongStageError
from linkkit.exchange.atomic import atomic_text
from linkkit.linkage import LinkResult
from linkkit.report.charts import plot_match_weights, plot_threshold_curve
from linkkit.report.contents import Contents, gather
from linkkit.report.field_chart import plot_field_weights
from linkkit.report.overlap_chart import plot_overlaps
from linkkit.report.rendered import rendered
from linkkit.report.style import inline_svg

__all__ = ["linkage_report"]


def linkage_report(
    result: LinkResult,
    path: str | Path,
    *,
    agreement: Agreement | None = None,
    truth: LinkageScores | None = None,
    encoding_counts: Mapping[str, Mapping[str, int]] | None = None,
) -> Path:
    """Write a page on a linkage, for those who must judge whether it is good enough.

    The same arguments give the same bytes.

    Parameters
    ----------
    result : LinkResult
        What :func:`~linkkit.link` returned.
    path : str or Path
        Where to write; by custom ``linkage.html``.
    agreement : Agreement, optional
        The agreement that the records were encoded under. With it the page names its purpose
        and organizations, and counts below its smallest cell read "<10" or the like.
    truth : LinkageScores, optional
        What :func:`~linkkit.assess.true_quality` found, where the truth is known.
    encoding_counts : mapping of str to mapping of str to int, optional
        For each party the ``counts`` of its :class:`~linkkit.EncodedExtract`, so that the page
        also tells how many rows were set aside before linking.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    WrongStageError
        When `result` or `truth` is something else.
    MismatchError
        When the linkage was made under another agreement, or counts are of a stranger.
    OptionError
        When `agreement` is not an agreement.
    DependencyError
        When matplotlib is not installed.
    SealError
        When the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from linkkit.assess.example import example_linkage
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = linkage_report(example_linkage().result, f"{folder}/linkage.html")
    ...     page.read_text(encoding="utf-8").splitlines()[0]
    '<!DOCTYPE html>'
    """
    require_result(result)
    _check_truth(truth)
    _check_agreement(result, agreement)
    _check_parties(result, encoding_counts)
    contents = gather(result, agreement=agreement, truth=truth, encoding_counts=encoding_counts)
    return atomic_text(path, _render(contents, _draw(contents)))


def _check_truth(truth: object) -> None:
    if truth is not None and not isinstance(truth, LinkageScores):
        raise WrongStageError(
            f"'truth' takes LinkageScores, not {type(truth).__name__}",
            hint="Measure first: linkkit.assess.true_quality(result.crosswalk, truth).",
        )


def _check_agreement(result: LinkResult, agreement: Agreement | None) -> None:
    if agreement is None:
        return
    require_agreement(agreement)
    made = result.crosswalk
    if made.agreement_id != agreement.id:
        problem = (
            f"the linkage was made under agreement '{made.agreement_id}', not '{agreement.id}'"
        )
    elif made.agreement_fingerprint != agreement.fingerprint:
        problem = f"the linkage was made under another text of agreement '{agreement.id}'"
    else:
        return
    raise MismatchError(problem, hint="Give the very agreement that the parties encoded under.")


def _check_parties(
    result: LinkResult, encoding_counts: Mapping[str, Mapping[str, int]] | None
) -> None:
    strangers = sorted(set(encoding_counts or ()) - set(result.n_records))
    if strangers:
        raise MismatchError(
            [
                f"'encoding_counts' names '{name}', whose records were not linked"
                for name in strangers
            ],
            hint=f"The parties are: {', '.join(result.n_records)}.",
        )


def _draw(contents: Contents) -> dict[str, str]:
    """Return the charts of the page as SVG elements."""
    cell = contents.smallest_cell
    figures = {
        "overlaps": plot_overlaps(contents.overlaps, smallest_cell=cell),
        "fields": plot_field_weights(contents.evidence),
        "weights": plot_match_weights(contents.histogram, smallest_cell=cell),
        "curve": plot_threshold_curve(contents.curve),
    }
    what = "field" if contents.pass_table is None else "pass"
    labels = {
        "overlaps": _say_overlaps(contents.overlaps),
        "fields": f"Match weight, m and u of each level of each {what}; the table below has the numbers.",
        "weights": "Histogram of the match weights of linked and other candidate pairs.",
        "curve": "Estimated precision, recall and F1 at each threshold.",
    }
    return {name: inline_svg(x, name=name, label=labels[name]) for name, x in figures.items()}


def _say_overlaps(found: Overlaps) -> str:
    return (
        f"People by exact combination of {len(found.parties)} parties; the table has the numbers."
    )


def _render(contents: Contents, charts: dict[str, str]) -> str:
    from markupsafe import Markup

    # The charts are linkkit's own SVG, in which matplotlib has escaped every label.
    marked: dict[str, Any] = {name: Markup(svg) for name, svg in charts.items()}  # noqa: S704
    return rendered("linkage.html.jinja", page=contents, charts=marked)
