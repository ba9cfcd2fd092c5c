"""The command of the linkage unit. No logic of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from linkkit.cli.options import (
    FILE,
    FOLDER,
    agreement_option,
    deliveries_option,
    identity_option,
    ledger_of,
    overwrite_option,
    require_free,
)
from linkkit.errors import OptionError

if TYPE_CHECKING:
    from linkkit.agreement import Agreement
    from linkkit.exchange import Identity
    from linkkit.linkage import LinkResult, Review
    from linkkit.linkage.block import Block
    from linkkit.linkage.cluster import Assignment

__all__ = ["link"]


@click.command()
@click.argument("encodings", type=FILE, nargs=-1)
@agreement_option
@identity_option
@click.option("--out", type=FILE, help="Where to write the crosswalk.")
@click.option("--report", type=FILE, help="Where to write a linkage report (HTML), if wanted.")
@click.option(
    "--pairs", type=FILE, help="Where to write the scored pairs (Parquet or Arrow), if wanted."
)
@click.option(
    "--threshold",
    default="auto",
    show_default=True,
    help="Least match probability of a link, above 0 and at most 1, or auto for the best expected F1.",
)
@click.option(
    "--max-false-match-rate",
    type=float,
    help="Share of links that are expected to be wrong, at most; chooses the threshold.",
)
@click.option("--households", is_flag=True, help="Group people into households, too.")
@click.option(
    "--labels", type=FILE, help="Pairs that partners have judged, of 'linkkit review combine'."
)
@click.option(
    "--review",
    type=FOLDER,
    help="Ask the partners about pairs: write PARTY.review for each into this folder.",
)
@click.option(
    "--review-pairs", type=int, help="For --review: how many pairs to ask about; 100 by default."
)
@click.option(
    "--without-levels",
    is_flag=True,
    help="For --review: do not tell partners how each field agrees.",
)
@click.option(
    "--explain",
    nargs=2,
    multiple=True,
    metavar="TOKEN TOKEN",
    help="Say why two records are linked, or are not. May be given several times.",
)
@click.option(
    "--block",
    type=click.Choice(["auto", "exhaustive", "blocks"]),
    default="auto",
    show_default=True,
    help="Compare all pairs, or those that meet in blocks; auto compares all where it takes seconds.",
)
@click.option(
    "--assignment",
    type=click.Choice(["greedy", "optimal"]),
    default="greedy",
    show_default=True,
    help="Of two parties with each person once: best pair first, or the largest sum of weights.",
)
@click.option("--previous", type=FILE, help="What --state wrote for the last delivery.")
@click.option(
    "--state", type=FILE, help="Where to write what the next delivery needs, sealed to yourself."
)
@click.option(
    "--withdrawn", type=FILE, help="Record tokens to be forgotten: a text file, one on a line."
)
@click.option("--changes", type=FILE, help="Where to write what became of person ids.")
@click.option("--max-pairs", type=int, help="The most candidate pairs to keep.")
@click.option("--memory-limit", help="Memory to use beside the encodings, such as '2 GB'.")
@click.option(
    "--work-folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep finished parts of the comparison here, to go on with them if it is interrupted.",
)
@click.option("--forecast", is_flag=True, help="Say what linking will take, and stop.")
@click.option("--threads", type=int, help="Number of threads; all processors by default.")
@deliveries_option
@overwrite_option
def link(
    encodings: tuple[Path, ...],
    agreement_file: Path,
    identity_file: Path,
    out: Path | None,
    report: Path | None,
    pairs: Path | None,
    threshold: str,
    max_false_match_rate: float | None,
    households: bool,  # noqa: FBT001
    labels: Path | None,
    review: Path | None,
    review_pairs: int | None,
    without_levels: bool,  # noqa: FBT001
    explain: tuple[tuple[str, str], ...],
    block: Block,
    assignment: Assignment,
    previous: Path | None,
    state: Path | None,
    withdrawn: Path | None,
    changes: Path | None,
    max_pairs: int | None,
    memory_limit: str | None,
    work_folder: Path | None,
    forecast: bool,  # noqa: FBT001
    threads: int | None,
    deliveries: Path | None,
    overwrite: bool,  # noqa: FBT001
) -> None:
    """Linkage unit: find whose encodings are the same person's.

    Opens the parties' ENCODINGS and writes a crosswalk, sealed to the steward.
    """
    import linkkit as lk

    if out is None and not forecast:
        raise OptionError(
            "--out is missing", hint="Say where to write the crosswalk, or ask for a --forecast."
        )
    _require_review(review, needed=review_pairs is not None or without_levels)
    _require_suffix(report, ".html")
    _require_suffix(pairs, ".parquet", ".arrow")
    if not encodings and (previous is None or withdrawn is None):
        raise OptionError(
            "no encodings are given", hint="Give files of encodings, or --previous and --withdrawn."
        )
    inputs = [*encodings, agreement_file, identity_file, previous, withdrawn, labels]
    document = lk.Agreement.load(agreement_file)
    asking = [] if review is None else [review / f"{party}.review" for party in document.parties]
    others = [report, pairs, None if review is None else review / "asked.parquet"]
    sealed = [path for path in (out, state, changes) if path is not None]
    require_free([*sealed, *asking], inputs, overwrite=overwrite, others=others)
    own = lk.Identity.load(identity_file)
    opening: dict[str, Any] = {
        "agreement": document,
        "identity": own,
        "deliveries": ledger_of(deliveries, identity_file),
    }
    extracts = [lk.EncodedExtract.load(file, **opening) for file in encodings]
    how: dict[str, Any] = {"block": block, "max_pairs": max_pairs, "n_threads": threads}
    how["previous"] = _loaded(previous, document, own)
    if forecast or out is None:
        click.echo(str(lk.forecast_link(extracts, **how)))
        return
    how |= {"memory_limit": memory_limit, "work_folder": work_folder, "assignment": assignment}
    how |= {"threshold": _threshold(threshold), "max_false_match_rate": max_false_match_rate}
    how |= {"withdrawn": _tokens_of(withdrawn), "households": households}
    how["labels"] = None if labels is None else lk.PairLabels.load(labels)
    with lk.progress_bar() as progress:
        result = lk.link(extracts, progress=progress, **how)
    explained = [result.explain(*tokens) for tokens in explain]
    if report is not None:
        from linkkit.report import linkage_report

        linkage_report(result, report, agreement=document)
    if pairs is not None:
        result.pairs.save(pairs)
    if state is not None:
        result.save(state, agreement=document, identity=own)
    if changes is not None:
        result.changes.save(changes, agreement=document, identity=own)
    result.crosswalk.save(out, agreement=document, identity=own)
    click.echo(str(result))
    for item in explained:
        click.echo(f"\n{item}\n")
    if review is not None:
        n = 100 if review_pairs is None else review_pairs
        questions = result.review(n, tell_levels=not without_levels)
        _send(questions, review, agreement=document, identity=own)
    if len(result.n_records) == 1:
        click.echo("only one party was given: its own duplicates were looked for")
    click.echo(f"To the steward: {out}" + ("" if changes is None else f" and {changes}"))
    if state is not None:
        click.echo(f"Keep for the next delivery: {state}")
    if report is None:
        click.echo("For a linkage report with plots, add --report FILE.html.")


def _loaded(previous: Path | None, agreement: Agreement, identity: Identity) -> LinkResult | None:
    import linkkit as lk

    if previous is None:
        return None
    return lk.LinkResult.load(previous, agreement=agreement, identity=identity)


def _tokens_of(withdrawn: Path | None) -> list[str] | None:
    """Return the lines of a file that are not empty."""
    if withdrawn is None:
        return None
    text: str | None = None
    try:
        text = withdrawn.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        pass
    if text is None:
        raise OptionError(
            f"'{withdrawn}' cannot be read as text", hint="Write a record token on each line."
        )
    return [line.strip() for line in text.splitlines() if line.strip()]


def _threshold(text: str) -> float | str:
    """Return a threshold that was written; what is neither a number nor auto is refused by link."""
    try:
        return float(text)
    except ValueError:
        return text


def _send(questions: Review, folder: Path, **by: Any) -> None:
    for party, file in questions.save(folder, **by).items():
        click.echo(f"To '{party}': {file}")
    click.echo(f"Stays here: {folder / 'asked.parquet'}")


def _require_review(folder: Path | None, *, needed: bool) -> None:
    if needed and folder is None:
        raise OptionError(
            "--review-pairs and --without-levels go with --review",
            hint="Name the folder for the questions, or leave them out.",
        )


def _require_suffix(path: Path | None, *suffixes: str) -> None:
    if path is not None and path.suffix not in suffixes:
        raise OptionError(
            f"'{path}' does not end in {' or '.join(suffixes)}", hint="Choose another name."
        )
