"""The commands for partners who use clkhash: explain a schema, and pass CLK JSON in and out.

No logic of its own. A secret is named by its file and never given on the command line, as clkhash
itself has it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from linkkit.cli.options import (
    FILE,
    FOLDER,
    InOrder,
    agreement_option,
    identity_option,
    load_secret,
    require_free,
    secret_options,
)
from linkkit.errors import OptionError

if TYPE_CHECKING:
    from linkkit.agreement.clkhash import Trap
    from linkkit.partner.keys import ClkhashSecret, Secret

__all__ = ["clkhash", "clkhash_secret_option", "secret_of", "tell_traps"]

clkhash_secret_option = click.option(
    "--clkhash-secret",
    "clkhash_secret_file",
    type=FILE,
    help="Profile clkhash: a file whose only line is the secret that clkhash was given.",
)


@click.group(cls=InOrder)
def clkhash() -> None:
    """Take part with clkhash: schemas explained, CLK JSON in and out."""


@clkhash.command()
@click.argument("schema", type=FILE)
def lint(schema: Path) -> None:
    """Explain what a clkhash linkage schema does without saying so.

    SCHEMA is a JSON file of version 1, 2 or 3. Lines that begin with WARNING tell what makes a
    linkage unsafe, or silently wrong.
    """
    from linkkit.agreement.clkhash import lint_clk_schema, loud_first, read_clk_schema

    read = read_clk_schema(schema)
    click.echo(
        f"clkhash schema of version {read.version}: {len(read.features)} of "
        f"{len(read.identifiers)} features hashed into {read.n_bits} bits"
    )
    tell_traps(loud_first(lint_clk_schema(read)))


@clkhash.command()
@click.argument("schema", type=FILE)
def clause(schema: Path) -> None:
    """Print the clause 'linkage' of an agreement for a clkhash schema.

    Names and kinds of the fields are guessed from SCHEMA; correct them, above all the kinds.
    """
    import yaml

    from linkkit.agreement.clkhash import read_clk_document, read_clk_schema
    from linkkit.agreement.clkhash.draft import draft_fields

    document = read_clk_document(schema)
    fields = draft_fields(read_clk_schema(document))
    part = {"linkage": {"profile": "clkhash", "fields": fields}}
    click.echo(yaml.safe_dump(part, sort_keys=False, allow_unicode=True).rstrip())
    click.echo("  clkhash:\n    standardize: none\n    linkage_schema:")
    # A YAML document may hold JSON, and a schema is best kept as it is.
    for line in json.dumps(document, indent=2, ensure_ascii=True).splitlines():
        click.echo(f"      {line}")


@clkhash.command()
@click.argument("file", type=FILE)
@agreement_option
@secret_options
def secret(file: Path, agreement_file: Path, **sources: Any) -> None:
    """Derive the secret that clkhash is given, from the linkage secret.

    For partners who encode with clkhash itself. Writes one line of text into FILE.
    """
    from linkkit.agreement import Agreement
    from linkkit.partner.encode import encoding_spec
    from linkkit.partner.encode.clk_profile import as_clkhash_secret, require_clkhash

    require_free([file], [agreement_file, *_files_of(sources)])
    document = Agreement.load(agreement_file)
    require_clkhash(document)
    shared = load_secret(**sources)
    as_clkhash_secret(shared, document, encoding_spec(document)).save(file)
    click.echo(f"Secret for clkhash written to {file}. It stays with the partners.")
    click.echo("A line break ends the file and is no part of the secret.")


@clkhash.command(name="to-clks")
@click.argument("encodings", type=FILE)
@agreement_option
@identity_option
@click.option("--out", type=FILE, required=True, help="Where to write the CLK JSON.")
@click.option("--tokens", type=FILE, required=True, help="Where to write the token of each filter.")
def to_clks(
    encodings: Path, agreement_file: Path, identity_file: Path, out: Path, tokens: Path
) -> None:
    """Linkage unit: write a party's encodings as CLK JSON, for software that takes it.

    The file is not sealed, and who has it must be trusted with the names.
    """
    from linkkit.agreement import Agreement
    from linkkit.exchange import EncodedExtract, Identity
    from linkkit.exchange.atomic import atomic_text
    from linkkit.partner.encode.clk_profile import clk_places, extract_to_clks

    inputs = [encodings, agreement_file, identity_file]
    require_free([], inputs, others=[out, tokens])
    document, own = Agreement.load(agreement_file), Identity.load(identity_file)
    extract = EncodedExtract.load(encodings, agreement=document, identity=own)
    atomic_text(out, extract_to_clks(extract), private=True)
    atomic_text(tokens, clk_places(extract), private=True)
    click.echo(f"{len(extract)} filters of '{extract.party}': {out} (not sealed)")
    click.echo(f"Their tokens: {tokens}")


@clkhash.command(name="from-clks")
@click.argument("clks", type=FILE)
@agreement_option
@identity_option
@click.option("--party", required=True, help="Which party of the agreement you are.")
@secret_options
@clkhash_secret_option
@click.option("--token-key", "token_key_file", type=FILE, help="Your token key.")
@click.option(
    "--rows",
    type=FILE,
    help="The table whose rows were hashed, in their order, for its record ids.",
)
@click.option("--out", type=FOLDER, required=True, help="Folder for what is written.")
def from_clks(
    clks: Path,
    agreement_file: Path,
    identity_file: Path,
    party: str,
    token_key_file: Path | None,
    rows: Path | None,
    out: Path,
    **sources: Any,
) -> None:
    """Partner: take part with filters that clkhash made.

    CLKS is the CLK JSON, made under the agreement's schema and the partners' secret: clkhash's
    own, or the one that was derived of the linkage secret. Writes
    PARTY.encodings, sealed to the linkage unit, and the token map, which stays home.
    """
    from linkkit.agreement import Agreement
    from linkkit.exchange import Identity
    from linkkit.partner.encode.clk_profile import extract_from_clks, read_clk_file
    from linkkit.partner.encode.staging import HOME, publish, staging
    from linkkit.partner.keys import TokenKey

    sealed, home = out / f"{party}.encodings", out / HOME / f"{party}.token-map.csv"
    files = [clks, agreement_file, identity_file, rows, *_files_of(sources)]
    require_free([sealed, home], [*files, token_key_file])
    document, own = Agreement.load(agreement_file), Identity.load(identity_file)
    extract, token_map = extract_from_clks(
        read_clk_file(clks),
        document,
        secret_of(**sources),
        party=party,
        record_ids=_record_ids(rows, document.party(party).record_id),
        token_key=TokenKey.load(token_key_file) if token_key_file else None,
    )
    with staging(out) as stage:
        extract.save(stage / sealed.name, agreement=document, identity=own)
        token_map.save(stage / HOME / home.name)
        publish(stage, out, [f"{HOME}/{home.name}", sealed.name])
    n_empty = extract.counts["n_set_aside"]
    click.echo(
        f"{party}: {len(extract)} filters" + (f", {n_empty} empty ones left out" * bool(n_empty))
    )
    click.echo(f"To the linkage unit: {sealed}")
    click.echo(f"Stays home:          {home}")


def _record_ids(rows: Path | None, column: str | None) -> list[str | None] | None:
    from linkkit.partner.encode.prepared import record_ids_of
    from linkkit.partner.read import read_extract
    from linkkit.partner.standardize.columns import require_columns

    if rows is None:
        return None
    if column is None:
        raise OptionError(
            "the agreement names no 'record_id' of this party, so --rows has none to give",
            hint="Leave --rows out; tokens are random then.",
        )
    table = read_extract(rows)
    require_columns(table, [column], party=rows.name)
    found: list[str | None] = record_ids_of(table, column).to_pylist()
    return found


def _files_of(sources: Mapping[str, Any]) -> list[Path]:
    return [source for source in sources.values() if isinstance(source, Path)]


def secret_of(
    clkhash_secret_file: Path | None,
    *,
    secret_file: Path | None,
    keyring: str | None = None,
    kms: str | None = None,
    wrapped: Path | None = None,
) -> Secret | ClkhashSecret:
    """Load the secret that the options name: clkhash's own, or linkkit's from wherever it is."""
    from linkkit.partner.keys import ClkhashSecret

    if clkhash_secret_file is None:
        return load_secret(secret_file=secret_file, keyring=keyring, kms=kms, wrapped=wrapped)
    if any(source is not None for source in (secret_file, keyring, kms, wrapped)):
        raise OptionError(
            "--clkhash-secret and the linkage secret are two secrets",
            hint="Give the one that the partners agreed on.",
        )
    return ClkhashSecret.load(clkhash_secret_file)


def tell_traps(traps: Iterable[Trap]) -> None:
    """Print findings, the loud ones as warnings."""
    for trap in traps:
        click.echo(
            f"WARNING ({trap.concern}): {trap}" if trap.is_loud else f"{trap.concern}: {trap}"
        )
