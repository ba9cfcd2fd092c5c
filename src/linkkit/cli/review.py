"""The commands of a review: partners answer about pairs, the linkage unit combines. No logic of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from linkkit.cli.options import (
    FILE,
    FOLDER,
    InOrder,
    agreement_option,
    deliveries_option,
    identity_option,
    ledger_of,
    overwrite_option,
    reading_options,
    require_free,
)

__all__ = ["review"]


@click.group(cls=InOrder)
def review() -> None:
    """Ask partners about pairs of records, without a name leaving anybody.

    \b
    The linkage unit:   linkkit review ask STATE              asks: PARTY.review for each party
    Each partner:       linkkit review open PARTY.review      shows its own rows, in a sheet that stays
                        linkkit review answer PARTY.review    takes the answers from the sheet
    The linkage unit:   linkkit review combine ANSWERS...     makes labels
                        linkkit link ... --labels FILE        links with them
    """  # noqa: D301  # \b keeps click from re-wrapping the list


@review.command()
@click.argument("state", type=FILE)
@agreement_option
@identity_option
@click.option(
    "--out", type=FOLDER, required=True, help="Where to write PARTY.review for each party."
)
@click.option("--pairs", type=int, default=100, show_default=True, help="How many pairs at most.")
@click.option("--without-levels", is_flag=True, help="Do not tell partners how each field agrees.")
@overwrite_option
def ask(
    state: Path,
    agreement_file: Path,
    identity_file: Path,
    out: Path,
    pairs: int,
    without_levels: bool,  # noqa: FBT001
    overwrite: bool,  # noqa: FBT001
) -> None:
    """Linkage unit: ask each party about the pairs whose answers tell most.

    STATE is what 'linkkit link --state' wrote.
    """
    import linkkit as lk

    document = lk.Agreement.load(agreement_file)
    files = [out / f"{party}.review" for party in document.parties]
    require_free(
        files, [state, agreement_file, identity_file],
        overwrite=overwrite, others=[out / "asked.parquet"],
    )  # fmt: skip
    own = lk.Identity.load(identity_file)
    result = lk.LinkResult.load(state, agreement=document, identity=own)
    questions = result.review(pairs, tell_levels=not without_levels)
    for party, file in questions.save(out, agreement=document, identity=own).items():
        click.echo(f"To '{party}': {file}")
    click.echo(f"Stays here: {out / 'asked.parquet'}")


@review.command(name="open")
@click.argument("request", type=FILE)
@agreement_option
@identity_option
@click.option(
    "--token-map", type=FILE, required=True, help="PARTY.token-map.csv, which stayed home."
)
@click.option(
    "--extract", "extract_file", type=FILE, required=True, help="The file that was encoded."
)
@click.option(
    "--out", type=FILE, required=True, help="Where to write the sheet (CSV). It stays home."
)
@reading_options
@deliveries_option
@overwrite_option
def open_(
    request: Path,
    agreement_file: Path,
    identity_file: Path,
    token_map: Path,
    extract_file: Path,
    out: Path,
    deliveries: Path | None,
    overwrite: bool,  # noqa: FBT001
    **reading: Any,
) -> None:
    """Partner: write a sheet of your own rows beside each pair.

    Fill in 'answer' (same, different, unsure) and, if it helps, 'fact'.
    """
    import linkkit as lk

    inputs = [request, agreement_file, identity_file, token_map, extract_file]
    require_free([], inputs, overwrite=overwrite, others=[out])
    document = lk.Agreement.load(agreement_file)
    asked = lk.ReviewRequest.load(
        request,
        agreement=document,
        identity=lk.Identity.load(identity_file),
        deliveries=ledger_of(deliveries, identity_file),
    )
    extract = lk.read_extract(extract_file, **reading)
    sheet = lk.open_review(asked, token_map, extract, agreement=document)
    sheet.save(out)
    click.echo(f"{len(asked)} pairs to answer, {len(sheet)} rows of yours")
    if sheet.n_missing:
        click.echo(
            f"{sheet.n_missing} records are not in the token map: is it of another delivery?"
        )
    click.echo(f"Stays home: {out}")
    click.echo(f"Next: fill it in, then linkkit review answer {request} {out} ... --out FILE")


@review.command()
@click.argument("request", type=FILE)
@click.argument("sheet", type=FILE)
@agreement_option
@identity_option
@click.option("--out", type=FILE, required=True, help="Where to write the answers.")
@overwrite_option
def answer(
    request: Path,
    sheet: Path,
    agreement_file: Path,
    identity_file: Path,
    out: Path,
    overwrite: bool,  # noqa: FBT001
) -> None:
    """Partner: take the answers from SHEET, seal them to the linkage unit.

    Nothing but the number of each pair, a word and perhaps a fact of a closed list is sent.
    """
    import linkkit as lk

    require_free([out], [request, sheet, agreement_file, identity_file], overwrite=overwrite)
    document, own = lk.Agreement.load(agreement_file), lk.Identity.load(identity_file)
    asked = lk.ReviewRequest.load(request, agreement=document, identity=own)
    answers = lk.answer_review(asked, sheet)
    answers.save(out, agreement=document, identity=own)
    click.echo(f"{answers}")
    click.echo(f"{len(asked) - len(answers)} of {len(asked)} pairs are not answered")
    click.echo(f"To the linkage unit: {out}")


@review.command()
@click.argument("answers", type=FILE, nargs=-1, required=True)
@agreement_option
@identity_option
@click.option(
    "--asked", type=FILE, required=True, help="asked.parquet, which 'linkkit review ask' wrote."
)
@click.option(
    "--agreeing",
    type=click.IntRange(1, 2),
    default=1,
    show_default=True,
    help="How many parties must say the same of a pair.",
)
@click.option("--add-to", type=FILE, help="Labels of an earlier review, which are kept.")
@click.option("--out", type=FILE, required=True, help="Where to write the labels (CSV).")
@deliveries_option
@overwrite_option
def combine(
    answers: tuple[Path, ...],
    agreement_file: Path,
    identity_file: Path,
    asked: Path,
    agreeing: int,
    add_to: Path | None,
    out: Path,
    deliveries: Path | None,
    overwrite: bool,  # noqa: FBT001
) -> None:
    """Linkage unit: make labels of the parties' ANSWERS."""
    import linkkit as lk

    inputs = [*answers, agreement_file, identity_file, asked, add_to]
    require_free([], inputs, overwrite=overwrite, others=[out])
    document = lk.Agreement.load(agreement_file)
    opening: dict[str, Any] = {
        "agreement": document,
        "identity": lk.Identity.load(identity_file),
        "deliveries": ledger_of(deliveries, identity_file),
    }
    questions = lk.ReviewQuestions.load(asked)
    questions.require_agreement(document)
    files = [lk.ReviewAnswers.load(file, **opening) for file in answers]
    outcome = lk.combine_answers(questions, files, n_agreeing=agreeing)
    labels = outcome.labels
    if add_to is not None:
        earlier = lk.PairLabels.load(add_to)
        if n := earlier.n_contradicted(labels):
            click.echo(f"{n} pairs are judged otherwise than before: the new verdict counts")
        labels = earlier.joined(labels)
    labels.save(out)
    click.echo(str(outcome))
    click.echo(f"Next: linkkit link ... --labels {out}")
