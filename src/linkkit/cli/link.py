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
    from linkkit.linkage import Review
    from linkkit.linkage.block import Block

__all__ = ["link"]


@click.command()
@click.argument("encodings", type=FILE, nargs=-1, required=True)
@agreement_option
@identity_option
@click.option("--out", type=FILE, help="Where to write the crosswalk.")
@click.option("--report", type=FILE, help="Where to write a linkage report (HTML), if wanted.")
@click.option(
    "--pairs", type=FILE, help="Where to write the scored pairs (Parquet or Arrow), if wanted."
)
@click.option(
    "--threshold",
    type=float,
    default=0.5,
    show_default=True,
    help="Least match probability of a link, above 0 and at most 1.",
)
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
    threshold: float,
    labels: Path | None,
    review: Path | None,
    review_pairs: int | None,
    without_levels: bool,  # noqa: FBT001
    explain: tuple[tuple[str, str], ...],
    block: Block,
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
    inputs = [*encodings, agreement_file, identity_file, labels]
    document = lk.Agreement.load(agreement_file)
    asking = [] if review is None else [review / f"{party}.review" for party in document.parties]
    others = [report, pairs, None if review is None else review / "asked.parquet"]
    require_free([*filter(None, [out]), *asking], inputs, overwrite=overwrite, others=others)
    own = lk.Identity.load(identity_file)
    opening: dict[str, Any] = {
        "agreement": document,
        "identity": own,
        "deliveries": ledger_of(deliveries, identity_file),
    }
    extracts = [lk.EncodedExtract.load(file, **opening) for file in encodings]
    how: dict[str, Any] = {"block": block, "max_pairs": max_pairs, "n_threads": threads}
    if forecast or out is None:
        click.echo(str(lk.forecast_link(extracts, **how)))
        return
    how |= {"memory_limit": memory_limit, "work_folder": work_folder, "threshold": threshold}
    if labels is not None:
        how["labels"] = lk.PairLabels.load(labels)
    with lk.progress_bar() as progress:
        result = lk.link(extracts, progress=progress, **how)
    explained = [result.explain(*tokens) for tokens in explain]
    if report is not None:
        from linkkit.report import linkage_report

        linkage_report(result, report, agreement=document)
    if pairs is not None:
        result.pairs.save(pairs)
    result.crosswalk.save(out, agreement=document, identity=own)
    click.echo(str(result))
    for item in explained:
        click.echo(f"\n{item}\n")
    if review is not None:
        n = 100 if review_pairs is None else review_pairs
        questions = result.review(n, tell_levels=not without_levels)
        _send(questions, review, agreement=document, identity=own)
    if len(extracts) == 1:
        click.echo("only one party was given: its own duplicates were looked for")
    click.echo(f"To the steward: {out}")
    if report is None:
        click.echo("For a linkage report with plots, add --report FILE.html.")


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
