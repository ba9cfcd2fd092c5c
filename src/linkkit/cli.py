"""The commands: each reads files, calls the function of the same name, and writes files.

No logic of its own. What goes wrong is a sentence on standard error and an exit status that
tells which kind of error it was; what a person's cell held is never shown.
"""

from __future__ import annotations

import datetime as dt
import sys
import traceback
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from linkkit._version import __version__
from linkkit.attack_command import attack
from linkkit.clkhash_commands import clkhash, clkhash_secret_option, secret_of, tell_traps
from linkkit.command_options import FILE as _FILE
from linkkit.command_options import FOLDER as _FOLDER
from linkkit.command_options import (
    InOrder,
    deliveries_option,
    ledger_of,
    party_option,
    reading_options,
    require_free,
    secret_options,
)
from linkkit.command_options import agreement_option as _agreement
from linkkit.command_options import identity_option as _identity
from linkkit.command_options import overwrite_option as _overwrite
from linkkit.errors import LinkkitError, OptionError
from linkkit.key_commands import keys
from linkkit.preflight_commands import preflight

if TYPE_CHECKING:
    from linkkit.engines import Progress
    from linkkit.exchange import Identity

__all__ = ["main"]

INTERRUPTED = 130
INTERNAL_ERROR = 70


def main() -> None:
    """Run the command line and exit with its status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit status.

    Parameters
    ----------
    arguments : sequence of str
        What stands after ``linkkit`` on the command line.
    """
    try:
        commands.main(args=list(arguments), prog_name="linkkit", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted. No file is half-written.", err=True)
        return INTERRUPTED
    except LinkkitError as error:
        click.echo(f"Error ({error.code}): {error}", err=True)
        return error.exit_status
    except Exception as error:  # noqa: BLE001  # its text could hold a cell, so it is not shown
        click.echo(_internal(error), err=True)
        return INTERNAL_ERROR
    return 0


def _internal(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "linkkit" in Path(frame.filename).parts] or frames
    where = f"{Path(own[-1].filename).name}, line {own[-1].lineno}"
    return (
        f"Internal error: {type(error).__name__} in {where}. The text of the error is not shown, "
        "because it could hold somebody's data.\n"
        "What to do: report the line above, and linkkit's version, without any data."
    )


@click.group(
    cls=InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="linkkit")
def commands() -> None:
    """Link records of the same people across organizations that may not share a name.

    \b
    Try it with made-up data:      linkkit demo
    Once, everybody:               linkkit keys identity, linkkit agreement check
    Once, the partners:            linkkit keys secret, deliver, receive
    Each partner:                  linkkit preflight, attack, encode
    The linkage unit:              linkkit link
    The steward:                   linkkit integrate, protect, release

    Nothing but files passes between the organizations, and each file is sealed to the one that
    may open it.
    """  # noqa: D301  # \b keeps click from re-wrapping the list


@commands.command()
@click.option("--out", type=_FOLDER, default=Path("linkkit-demo"), show_default=True)
@click.option(
    "--seed",
    type=int,
    default=2026,
    show_default=True,
    help="Other made-up people. Keys are random, so counts vary a little even for one seed.",
)
@click.option("--overwrite", is_flag=True, help="Replace the folder of an earlier demo.")
def demo(out: Path, seed: int, overwrite: bool) -> None:  # noqa: FBT001
    """Run the whole journey with made-up partners.

    Makes up a school district, its summer programs and a youth jobs office, and takes their
    files from export to release: read, encode, seal, link, integrate, protect, release. Every
    file on the way stays in the folder.
    """
    from linkkit.demo import run_demo

    run_demo(out, seed=seed, overwrite=overwrite, tell=click.echo)


commands.add_command(keys)
commands.add_command(clkhash)
commands.add_command(attack)


@commands.group()
def agreement() -> None:
    """Look at the agreement that the code enforces."""


@agreement.command()
@click.argument("file", type=_FILE)
def check(file: Path) -> None:
    """Check an agreement document, and print its fingerprint to compare by voice."""
    from linkkit.agreement import Agreement
    from linkkit.agreement.clkhash import schema_traps
    from linkkit.agreement.passes import profile_text

    document = Agreement.load(file)
    click.echo(f"{document.title} ({document.id})")
    click.echo(f"fingerprint: {document.fingerprint}")
    click.echo(f"profile: {profile_text(document.linkage)}")
    for name, party in document.parties.items():
        key = "" if party.public_key else "  (no public key yet)"
        fields, payload = ", ".join(party.linkage_fields), ", ".join(party.payload) or "nothing"
        click.echo(f"{name}: links by {fields}; sends {payload}{key}")
    for role in ("linkage_unit", "steward"):
        organization = document.organization(role)
        key = "" if organization.public_key else "  (no public key yet)"
        click.echo(f"{role}: {organization.name}{key}")
    click.echo(f"smallest cell: {document.protection.smallest_cell}")
    click.echo(f"projects: {', '.join(document.projects) or 'none'}")
    tell_traps(schema_traps(document))
    past = "  (PAST: all work is refused)" if document.destroy_by < dt.date.today() else ""
    click.echo(f"destroy by: {document.destroy_by}{past}")


def _require_suffix(path: Path | None, suffix: str) -> None:
    if path is not None and path.suffix != suffix:
        raise OptionError(f"'{path}' does not end in {suffix}", hint="Choose another name.")


commands.add_command(preflight)


@commands.command()
@click.argument("extract", type=_FILE)
@_agreement
@_identity
@party_option
@secret_options
@clkhash_secret_option
@click.option(
    "--token-key",
    "token_key_file",
    type=_FILE,
    help="Your token key. Without it, tokens differ in every delivery.",
)
@click.option("--out", type=_FOLDER, required=True, help="Folder for what is written.")
@reading_options
@click.option("--stream", is_flag=True, help="For a file larger than the memory: work in parts.")
@click.option(
    "--clks",
    is_flag=True,
    help="Profile clkhash: also write the filters as CLK JSON, not sealed, into stays-home.",
)
@_overwrite
def encode(
    extract: Path,
    agreement_file: Path,
    identity_file: Path,
    party: str,
    secret_file: Path | None,
    clkhash_secret_file: Path | None,
    keyring: str | None,
    kms: str | None,
    wrapped: Path | None,
    token_key_file: Path | None,
    out: Path,
    sheet: str | None,
    header_row: int,
    encoding: str | None,
    delimiter: str | None,
    stream: bool,  # noqa: FBT001
    clks: bool,  # noqa: FBT001
    overwrite: bool,  # noqa: FBT001
) -> None:
    """Partner: standardize, encode and seal an extract.

    EXTRACT is a CSV, Excel or Parquet file. Writes PARTY.encodings, sealed to the linkage unit, and PARTY.payload, sealed to the
    steward. The folder stays-home holds the token map and the rows that were set aside.
    """
    import linkkit as lk
    from linkkit.partner.encode.clk_profile import require_clkhash, save_clks

    names = ["token-map.csv", "set-aside.csv", *(["clks.json", "clk-tokens.csv"] if clks else [])]
    home = [out / "stays-home" / f"{party}.{name}" for name in names]
    require_free(
        [out / f"{party}.encodings", out / f"{party}.payload"],
        [
            extract,
            agreement_file,
            identity_file,
            secret_file,
            clkhash_secret_file,
            wrapped,
            token_key_file,
        ],
        overwrite=overwrite,
        others=home,
    )
    document = lk.Agreement.load(agreement_file)
    own = lk.Identity.load(identity_file)
    if clks:
        require_clkhash(document)
    if clks and stream:
        raise OptionError("--clks and --stream do not go together", hint="Leave one of them out.")
    shared = secret_of(
        clkhash_secret_file, secret_file=secret_file, keyring=keyring, kms=kms, wrapped=wrapped
    )
    token_key = lk.TokenKey.load(token_key_file) if token_key_file else None
    reading: dict[str, Any] = {
        "sheet": sheet,
        "header_row": header_row,
        "encoding": encoding,
        "delimiter": delimiter,
    }
    options: dict[str, Any] = {"party": party, "token_key": token_key}
    if stream:
        with _progress() as progress:
            files = lk.encode_file(
                extract,
                document,
                shared,
                identity=own,
                out=out,
                progress=progress,
                **options,
                **reading,
            )
        click.echo(str(files.report))
    else:
        result = lk.encode(lk.read_extract(extract, **reading), document, shared, **options)
        result.encodings.save(out / f"{party}.encodings", agreement=document, identity=own)
        result.payload.save(out / f"{party}.payload", agreement=document, identity=own)
        result.save_home(out / "stays-home")
        if clks:
            save_clks(result.encodings, out / "stays-home")
        click.echo(str(result.report))
    click.echo(f"To the linkage unit: {out / f'{party}.encodings'}")
    click.echo(f"To the steward:      {out / f'{party}.payload'}")
    click.echo(f"Stays home:          {out / 'stays-home'}")


@commands.command()
@click.argument("encodings", type=_FILE, nargs=-1, required=True)
@_agreement
@_identity
@click.option("--out", type=_FILE, required=True, help="Where to write the crosswalk.")
@click.option("--report", type=_FILE, help="Where to write a linkage report (HTML), if wanted.")
@click.option("--pairs", type=_FILE, help="Where to write the scored pairs (Parquet), if wanted.")
@click.option(
    "--threshold",
    type=float,
    default=0.5,
    show_default=True,
    help="Least match probability of a link, above 0 and at most 1.",
)
@click.option("--threads", type=int, help="Number of threads; all processors by default.")
@deliveries_option
@_overwrite
def link(
    encodings: tuple[Path, ...],
    agreement_file: Path,
    identity_file: Path,
    out: Path,
    report: Path | None,
    pairs: Path | None,
    threshold: float,
    threads: int | None,
    deliveries: Path | None,
    overwrite: bool,  # noqa: FBT001
) -> None:
    """Linkage unit: find whose encodings are the same person's.

    Opens the parties' ENCODINGS and writes a crosswalk, sealed to the steward.
    """
    import linkkit as lk

    _require_suffix(report, ".html")
    _require_suffix(pairs, ".parquet")
    inputs = [*encodings, agreement_file, identity_file]
    require_free([out], inputs, overwrite=overwrite, others=[report, pairs])
    document = lk.Agreement.load(agreement_file)
    own = lk.Identity.load(identity_file)
    opening: dict[str, Any] = {
        "agreement": document,
        "identity": own,
        "deliveries": ledger_of(deliveries, identity_file),
    }
    extracts = [lk.EncodedExtract.load(file, **opening) for file in encodings]
    with _progress() as progress:
        result = lk.link(extracts, threshold=threshold, n_threads=threads, progress=progress)
    if report is not None:
        from linkkit.report import linkage_report

        linkage_report(result, report, agreement=document)
    if pairs is not None:
        result.pairs.save(pairs)
    result.crosswalk.save(out, agreement=document, identity=own)
    click.echo(str(result))
    if len(extracts) == 1:
        click.echo("only one party was given: its own duplicates were looked for")
    click.echo(f"To the steward: {out}")
    if report is None:
        click.echo("For a linkage report with plots, add --report FILE.html.")


@contextmanager
def _progress() -> Generator[Progress]:
    """Draw a bar on standard error, if somebody watches."""
    from linkkit.engines import silent

    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda event: bar.update(
            task, description=event.stage, completed=event.done, total=event.total
        )


@commands.command()
@click.argument("payloads", type=_FILE, nargs=-1, required=True)
@_agreement
@_identity
@click.option(
    "--crosswalk", "crosswalk_file", type=_FILE, required=True, help="From the linkage unit."
)
@click.option(
    "--project", required=True, help="Which project it is for; see 'linkkit agreement check'."
)
@click.option("--without", multiple=True, help="A party whose payload is left out on purpose.")
@click.option(
    "--study-key",
    "study_key_file",
    type=_FILE,
    help="Your study key. Without it, study ids differ each time.",
)
@click.option("--out", type=_FILE, required=True, help="Where to write the integrated data set.")
@deliveries_option
@_overwrite
def integrate(
    payloads: tuple[Path, ...],
    agreement_file: Path,
    identity_file: Path,
    crosswalk_file: Path,
    project: str,
    study_key_file: Path | None,
    without: tuple[str, ...],
    out: Path,
    deliveries: Path | None,
    overwrite: bool,  # noqa: FBT001
) -> None:
    """Steward: join payloads by the crosswalk.

    Opens the parties' PAYLOADS and writes one row for each person, sealed to yourself.
    """
    import linkkit as lk

    inputs = [*payloads, agreement_file, identity_file, crosswalk_file, study_key_file]
    require_free([out], inputs, overwrite=overwrite)
    document, own = _opened(agreement_file, identity_file)
    study_key = lk.StudyKey.load(study_key_file) if study_key_file else None
    opening: dict[str, Any] = {
        "agreement": document,
        "identity": own,
        "deliveries": ledger_of(deliveries, identity_file),
    }
    extracts = [lk.PayloadExtract.load(file, **opening) for file in payloads]
    crosswalk = lk.Crosswalk.load(crosswalk_file, **opening)
    people = lk.integrate(
        extracts, crosswalk, document, project=project, study_key=study_key, without=without
    )
    people.save(out, agreement=document, identity=own)
    click.echo(f"{people}")
    click.echo(f"Next: linkkit protect {out}")


@commands.command()
@click.argument("people", type=_FILE)
@_agreement
@_identity
@click.option("--k", type=int, help="A larger smallest cell than the agreement's.")
@click.option("--out", type=_FILE, required=True, help="Where to write the protected data set.")
@_overwrite
def protect(
    people: Path,
    agreement_file: Path,
    identity_file: Path,
    k: int | None,
    out: Path,
    overwrite: bool,  # noqa: FBT001
) -> None:
    """Steward: generalize and suppress, as agreed.

    Opens the integrated data set PEOPLE and writes a protected one, sealed to yourself.
    """
    import linkkit as lk

    require_free([out], [people, agreement_file, identity_file], overwrite=overwrite)
    document, own = _opened(agreement_file, identity_file)
    integrated = lk.IntegratedDataset.load(people, agreement=document, identity=own)
    safe = lk.protect(integrated, document, k=k)
    safe.save(out, agreement=document, identity=own)
    click.echo(f"{safe}")
    click.echo(f"Next: linkkit release {out}")


@commands.command()
@click.argument("safe", type=_FILE)
@_agreement
@_identity
@click.option("--out", type=_FOLDER, required=True, help="Folder of the release.")
@click.option("--overwrite", is_flag=True, help="Replace the folder of an earlier release.")
def release(
    safe: Path,
    agreement_file: Path,
    identity_file: Path,
    out: Path,
    overwrite: bool,  # noqa: FBT001
) -> None:
    """Steward: write the release, checked as written.

    Opens the protected data set SAFE and writes the data (CSV and Parquet), a data dictionary,
    a disclosure report and a receipt.
    """
    import linkkit as lk

    document, own = _opened(agreement_file, identity_file)
    protected = lk.ProtectedDataset.load(safe, agreement=document, identity=own)
    released = lk.release(protected, out, agreement=document, overwrite=overwrite)
    click.echo(f"{released}")
    for name in sorted(path.name for path in out.iterdir()):
        click.echo(f"  {out / name}")


def _opened(agreement_file: Path, identity_file: Path) -> tuple[Any, Identity]:
    import linkkit as lk

    return lk.Agreement.load(agreement_file), lk.Identity.load(identity_file)


@commands.command()
@click.argument("file", type=_FILE)
def inspect(file: Path) -> None:
    """Show what a sealed file says of itself. Its signature is not checked."""
    from linkkit.exchange import read_manifest

    manifest = read_manifest(file)
    click.echo(manifest.model_dump_json(indent=2, exclude_none=True))
    click.echo("(as stated in the file; its signature was not checked)", err=True)
