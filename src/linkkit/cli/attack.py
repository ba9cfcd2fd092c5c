"""The command that attacks trial encodings of a party's own records. No logic of its own."""

from __future__ import annotations

from pathlib import Path

import click

from linkkit.cli.options import FILE, agreement_option, require_free

__all__ = ["attack"]


@click.command()
@click.argument("extract", type=FILE)
@agreement_option
@click.option("--party", required=True, help="Which party of the agreement you are.")
@click.option(
    "--public-list",
    type=FILE,
    help="What an attacker could get, such as a register, under your column names. Without it, "
    "your own records serve as the attacker's list.",
)
@click.option("--out", type=FILE, help="Where to write the report (JSON), if wanted.")
@click.option(
    "--attack",
    "attacks",
    type=click.Choice(["graph", "known", "dictionary", "leakage"]),
    multiple=True,
    help="Which attack; several times for several; all by default.",
)
@click.option(
    "--known",
    "n_known",
    type=click.IntRange(min=1),
    multiple=True,
    default=(50, 200, 1000),
    show_default=True,
    help="How many people's encodings the attacker knows.",
)
@click.option(
    "--records", "n_records", type=click.IntRange(min=20), default=2500, show_default=True
)
@click.option(
    "--overlap",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Share of the encoded people who are in the attacker's list, if that is your own.",
)
@click.option(
    "--error-rate",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.15,
    show_default=True,
    help="Share of values that differ between the encodings and the attacker's list.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--overwrite", is_flag=True, help="Replace the report of an earlier run.")
def attack(
    extract: Path,
    agreement_file: Path,
    party: str,
    public_list: Path | None,
    out: Path | None,
    attacks: tuple[str, ...],
    n_known: tuple[int, ...],
    n_records: int,
    overlap: float,
    error_rate: float,
    seed: int,
    overwrite: bool,  # noqa: FBT001
) -> None:
    """Partner: attack encodings of your own records, before any leave.

    Encodes a sample of EXTRACT as the agreement says, under secrets that are thrown away, and
    tells what share of the people somebody without the key would find. Takes minutes; nothing
    is sent, and the report holds counts and shares only.
    """
    import linkkit as lk
    from linkkit.trial_attack import trial_attack

    require_free([], [extract, agreement_file, public_list], overwrite=overwrite, others=[out])
    chosen = {"attacks": attacks} if attacks else {}
    report = trial_attack(
        extract,
        lk.Agreement.load(agreement_file),
        party=party,
        public_list=public_list,
        n_records=n_records,
        overlap=overlap,
        error_rate=error_rate,
        n_known=n_known,
        seed=seed,
        tell=lambda line: click.echo(line, err=True),
        **chosen,
    )
    click.echo(str(report))
    if out is not None:
        report.save(out)
        click.echo(f"Report: {out}")
