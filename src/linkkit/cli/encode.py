"""The command that standardizes, encodes and seals an extract. No logic of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from linkkit.cli.clkhash import clkhash_secret_option, secret_of
from linkkit.cli.options import (
    FILE,
    FOLDER,
    agreement_option,
    identity_option,
    overwrite_option,
    party_option,
    reading_options,
    require_free,
    secret_options,
)
from linkkit.errors import OptionError

if TYPE_CHECKING:
    from linkkit.agreement import Agreement

__all__ = ["encode"]


@click.command()
@click.argument("extract", type=FILE)
@agreement_option
@identity_option
@party_option
@secret_options
@clkhash_secret_option
@click.option(
    "--token-key",
    "token_key_file",
    type=FILE,
    help="Your token key. Without it, tokens differ in every delivery.",
)
@click.option("--out", type=FOLDER, required=True, help="Folder for what is written.")
@reading_options
@click.option("--stream", is_flag=True, help="For a file larger than the memory: work in parts.")
@click.option(
    "--clks",
    is_flag=True,
    help="Profile clkhash: also write the filters as CLK JSON, not sealed, into stays-home.",
)
@overwrite_option
def encode(
    extract: Path,
    agreement_file: Path,
    identity_file: Path,
    party: str,
    token_key_file: Path | None,
    out: Path,
    stream: bool,  # noqa: FBT001
    clks: bool,  # noqa: FBT001
    overwrite: bool,  # noqa: FBT001
    **sources: Any,
) -> None:
    """Partner: standardize, encode and seal an extract.

    EXTRACT is a CSV, Excel or Parquet file. Writes PARTY.encodings, sealed to the linkage unit, and PARTY.payload, sealed to the
    steward. The folder stays-home holds the token map and the rows that were set aside.
    """
    import linkkit as lk
    from linkkit.partner.encode.staging import require_to_send, save_together

    reading: dict[str, Any] = {
        name: sources.pop(name) for name in ("sheet", "header_row", "encoding", "delimiter")
    }
    keys = [path for path in sources.values() if isinstance(path, Path)]
    require_free(
        [out / f"{party}.encodings", out / f"{party}.payload"],
        [extract, agreement_file, identity_file, token_key_file, *keys],
        overwrite=overwrite,
        others=[out / "stays-home" / f"{party}.{name}" for name in _at_home(clks)],
    )
    document = lk.Agreement.load(agreement_file)
    _require_together(document, stream=stream, clks=clks)
    given: dict[str, Any] = {
        "identity": lk.Identity.load(identity_file),
        "party": party,
        "token_key": lk.TokenKey.load(token_key_file) if token_key_file else None,
    }
    require_to_send(document, given["identity"], party=party)
    shared = secret_of(**sources)
    if stream:
        with lk.progress_bar() as progress:
            files = lk.encode_file(
                extract, document, shared, out=out, progress=progress, **given, **reading
            )
        click.echo(str(files.report))
    else:
        read = lk.read_extract(extract, **reading)
        own = given.pop("identity")
        result = lk.encode(read, document, shared, **given)
        save_together(result, out, agreement=document, identity=own, clks=clks)
        click.echo(str(result.report))
    click.echo(f"To the linkage unit: {out / f'{party}.encodings'}")
    click.echo(f"To the steward:      {out / f'{party}.payload'}")
    click.echo(f"Stays home:          {out / 'stays-home'}")


def _at_home(clks: bool) -> tuple[str, ...]:  # noqa: FBT001
    names = ("token-map.csv", "set-aside.csv", "report.txt")
    return (*names, *(("clks.json", "clk-tokens.csv") if clks else ()))


def _require_together(document: Agreement, *, stream: bool, clks: bool) -> None:
    from linkkit.partner.encode.clk_profile import require_clkhash

    if clks:
        require_clkhash(document)
    if clks and stream:
        raise OptionError("--clks and --stream do not go together", hint="Leave one of them out.")
