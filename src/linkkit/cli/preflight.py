"""The command by which a partner judges its extract at home, before it sends anything.

No logic of its own.
"""

from __future__ import annotations

from pathlib import Path

import click

from linkkit.cli.options import (
    FILE,
    agreement_option,
    overwrite_option,
    party_option,
    reading_options,
    require_free,
)
from linkkit.errors import OptionError

__all__ = ["preflight"]

_FORMS = (".html", ".json", ".txt")


@click.command()
@click.argument("extract", type=FILE)
@agreement_option
@party_option
@click.option(
    "--out", type=FILE, help="Also write the report: a page (.html), data (.json) or .txt."
)
@reading_options
@overwrite_option
def preflight(
    extract: Path,
    agreement_file: Path,
    party: str,
    out: Path | None,
    sheet: str | None,
    header_row: int,
    encoding: str | None,
    delimiter: str | None,
    overwrite: bool,  # noqa: FBT001
) -> None:
    """Partner: judge what the encodings would give away.

    EXTRACT is the file that 'linkkit encode' would take. Nothing is sent or sealed, and no key is
    needed. What is found is printed, warnings first; it does not change the exit status.
    """
    import linkkit as lk

    if out is not None and out.suffix not in _FORMS:
        raise OptionError(
            f"'{out}' ends in none of {', '.join(_FORMS)}", hint="Choose another name."
        )
    require_free([], [extract, agreement_file], overwrite=overwrite, others=[out])
    document = lk.Agreement.load(agreement_file)
    table = lk.read_extract(
        extract, sheet=sheet, header_row=header_row, encoding=encoding, delimiter=delimiter
    )
    report = lk.preflight(table, document, party=party)
    if out is not None:
        report.save(out)
    click.echo(str(report))
    if out is not None:
        click.echo(f"\nThe report: {out}. It stays with you and those who decide.")
