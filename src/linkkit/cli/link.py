"""The commands of the linkage unit. No logic of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from linkkit.cli.options import (
    FILE,
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
    from linkkit.linkage import LinkResult

__all__ = ["explain", "link"]


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
    help="Share of links that are expected to be wrong, at most; makes auto stricter, never looser.",
)
@click.option("--households", is_flag=True, help="Group people into households, too.")
@click.option(
    "--labels", type=FILE, help="Pairs that partners have judged, of 'linkkit review combine'."
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
    "--state",
    type=FILE,
    help="Where to keep the linkage, sealed to yourself, for reviews, explanations, the next delivery.",
)
@click.option(
    "--withdrawn", type=FILE, help="Record tokens to be forgotten: a text file, one on a line."
)
@click.option("--changes", type=FILE, help="Where to write what became of person ids.")
@click.option("--household-changes", type=FILE, help="Where to write what became of household ids.")
@click.option("--max-pairs", type=int, help="The most candidate pairs to keep.")
@click.option("--memory-limit", help="Memory to use beside the encodings, such as '2 GB'.")
@click.option(
    "--work-folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep finished parts of the comparison here, to go on with them if it is interrupted.",
)
@click.option("--forecast", is_flag=True, help="Say what linking will take, and stop.")
@click.option(
    "--threads", "n_threads", type=int, help="Number of threads; all processors by default."
)
@deliveries_option
@overwrite_option
def link(
    encodings: tuple[Path, ...],
    agreement_file: Path,
    identity_file: Path,
    out: Path | None,
    forecast: bool,  # noqa: FBT001
    deliveries: Path | None,
    overwrite: bool,  # noqa: FBT001
    **options: Any,
) -> None:
    """Linkage unit: find whose encodings are the same person's.

    Opens the parties' ENCODINGS and writes a crosswalk, sealed to the steward.
    """
    import linkkit as lk
    from linkkit.linkage import check_link_options

    files = {name: options.pop(name) for name in _FILES}
    _check(encodings, out, files, options, forecast=forecast)
    written = [path for path in (out, *(files[name] for name in _WRITTEN)) if path is not None]
    inputs = [*encodings, agreement_file, identity_file, *(files[name] for name in _READ)]
    others = [files["report"], files["pairs"]]
    require_free(written, inputs, overwrite=overwrite, others=others)
    options["threshold"] = _threshold(options["threshold"])
    check_link_options(**options)
    how = {name: options.pop(name) for name in ("block", "max_pairs", "n_threads", "households")}
    options["withdrawn"] = _tokens_of(files["withdrawn"])
    options["labels"] = None if files["labels"] is None else lk.PairLabels.load(files["labels"])
    document, own = lk.Agreement.load(agreement_file), lk.Identity.load(identity_file)
    opening: dict[str, Any] = {
        "agreement": document,
        "identity": own,
        "deliveries": ledger_of(deliveries, identity_file),
    }
    if files["previous"] is not None:
        how["previous"] = lk.LinkResult.load(files["previous"], agreement=document, identity=own)
    extracts = [lk.EncodedExtract.load(file, **opening) for file in encodings]
    if forecast or out is None:
        click.echo(str(lk.forecast_link(extracts, **how)))
        return
    with lk.progress_bar() as progress:
        result = lk.link(extracts, progress=progress, **how, **options)
    _write(result, out, files, agreement=document, identity=own)


_READ = ("previous", "withdrawn", "labels")
_WRITTEN = ("state", "changes", "household_changes")
_FILES = ("report", "pairs", *_WRITTEN, *_READ)


def _check(
    encodings: tuple[Path, ...],
    out: Path | None,
    files: Mapping[str, Path | None],
    options: Mapping[str, Any],
    *,
    forecast: bool,
) -> None:
    """Refuse what is missing, and what would be ignored."""
    if out is None and not forecast:
        raise OptionError(
            "--out is missing", hint="Say where to write the crosswalk, or ask for a --forecast."
        )
    _require_suffix(files["report"], ".html")
    _require_suffix(files["pairs"], ".parquet", ".arrow")
    later = files["withdrawn"] is not None or files["labels"] is not None
    if not encodings and (files["previous"] is None or not later):
        raise OptionError(
            "no encodings are given",
            hint="Give files of encodings, or --previous with --withdrawn or --labels.",
        )
    given = {"out": out, **{name: file for name, file in files.items() if name != "previous"}}
    given |= {
        name: options[name] for name in ("memory_limit", "work_folder", "max_false_match_rate")
    }
    idle = [f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None]
    idle += ["--threshold"] if options["threshold"] != "auto" else []
    idle += ["--assignment"] if options["assignment"] != "greedy" else []
    if forecast and idle:
        raise OptionError(
            f"{', '.join(idle)} would change nothing, as a --forecast links nobody",
            hint="Leave them out, or leave out --forecast.",
        )


def _write(
    result: LinkResult,
    out: Path,
    files: Mapping[str, Path | None],
    *,
    agreement: Agreement,
    identity: Identity,
) -> None:
    """Write what was asked for, the crosswalk last, and say where it is."""
    report, pairs, state = files["report"], files["pairs"], files["state"]
    changes, household_changes = files["changes"], files["household_changes"]
    if report is not None:
        from linkkit.report import linkage_report

        linkage_report(result, report, agreement=agreement)
    if pairs is not None:
        result.pairs.save(pairs)
    if state is not None:
        # Whether an earlier file may be replaced was asked before.
        result.save(state, agreement=agreement, identity=identity, overwrite=True)
    if changes is not None:
        result.changes.save(changes, agreement=agreement, identity=identity)
    if household_changes is not None:
        result.household_changes.save(household_changes, agreement=agreement, identity=identity)
    result.crosswalk.save(out, agreement=agreement, identity=identity)
    click.echo(str(result))
    if len(result.n_records) == 1 and not result.pairs.pool.clean.all():
        click.echo("only one party was given: its own duplicates were looked for")
    sent = [str(file) for file in (out, changes, household_changes) if file is not None]
    click.echo(f"To the steward: {' and '.join(sent)}")
    if state is not None:
        click.echo(f"Stays here, for reviews, explanations and the next delivery: {state}")
    if report is None:
        click.echo("For a linkage report with plots, add --report FILE.html.")


@click.command()
@click.argument("state", type=FILE)
@click.argument("token")
@click.argument("other_token")
@agreement_option
@identity_option
@click.option("--html", type=FILE, help="Where to write the explanation as a page, if wanted.")
@overwrite_option
def explain(
    state: Path,
    token: str,
    other_token: str,
    agreement_file: Path,
    identity_file: Path,
    html: Path | None,
    overwrite: bool,  # noqa: FBT001
) -> None:
    """Linkage unit: say why two records are linked, or are not.

    STATE is what 'linkkit link --state' wrote; tokens are in hexadecimal.
    """
    import linkkit as lk

    _require_suffix(html, ".html")
    require_free([], [state, agreement_file, identity_file], overwrite=overwrite, others=[html])
    document, own = lk.Agreement.load(agreement_file), lk.Identity.load(identity_file)
    result = lk.LinkResult.load(state, agreement=document, identity=own)
    explanation = result.explain(token, other_token)
    click.echo(str(explanation))
    if html is not None:
        from linkkit.report import explanation_page

        explanation_page(explanation, html)
        click.echo(f"Stays here: {html}")


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


def _require_suffix(path: Path | None, *suffixes: str) -> None:
    if path is not None and path.suffix not in suffixes:
        raise OptionError(
            f"'{path}' does not end in {' or '.join(suffixes)}", hint="Choose another name."
        )
