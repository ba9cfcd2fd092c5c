"""The command line as a whole, and what it says of an error.

What goes wrong is a sentence on standard error and an exit status that
tells which kind of error it was; what a person's cell held is never shown.
"""

from __future__ import annotations

import datetime as dt
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from linkkit._version import __version__
from linkkit.cli.attack import attack
from linkkit.cli.bench import bench
from linkkit.cli.clkhash import clkhash, tell_traps
from linkkit.cli.encode import encode
from linkkit.cli.keys import keys
from linkkit.cli.link import explain, link
from linkkit.cli.options import FILE, FOLDER, InOrder
from linkkit.cli.preflight import preflight
from linkkit.cli.review import review
from linkkit.cli.steward import integrate, protect, release
from linkkit.errors import LinkkitError

__all__ = ["INTERNAL_ERROR", "commands", "main", "run"]

INTERRUPTED = 130
INTERNAL_ERROR = 70


def main() -> None:
    """Run the command line and exit with its status."""
    _interrupt_when_asked_to_stop()
    sys.exit(run(sys.argv[1:]))


def _interrupt_when_asked_to_stop() -> None:
    # Files that are half-written, a token map among them, are removed on the way out.
    for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


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
    Partners and linkage unit:     linkkit review
    The steward:                   linkkit integrate, protect, release
    How fast it is here:           linkkit bench

    Nothing but files passes between the organizations, and each file is sealed to the one that
    may open it.
    """  # noqa: D301  # \b keeps click from re-wrapping the list


@commands.command()
@click.option("--out", type=FOLDER, default=Path("linkkit-demo"), show_default=True)
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


@commands.group()
def agreement() -> None:
    """Look at the agreement that the code enforces."""


@agreement.command()
@click.argument("file", type=FILE)
def check(file: Path) -> None:
    """Check an agreement document, and print its fingerprint to compare by voice."""
    from linkkit.agreement import Agreement, key_text
    from linkkit.agreement.clkhash import schema_traps
    from linkkit.agreement.passes import profile_text

    document = Agreement.load(file)
    click.echo(f"{document.title} ({document.id})")
    click.echo(f"fingerprint: {document.fingerprint}")
    click.echo(f"profile: {profile_text(document)}")
    for name, parts in (document.linkage.blocking_keys or {}).items():
        click.echo(f"blocking key {name}: {key_text(parts)}; the linkage unit sees who shares it")
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


for command in (preflight, attack, encode, link, review, explain, integrate, protect, release):
    commands.add_command(command)


@commands.command()
@click.argument("file", type=FILE)
def inspect(file: Path) -> None:
    """Show what a sealed file says of itself. Its signature is not checked."""
    from linkkit.exchange import read_manifest

    manifest = read_manifest(file)
    click.echo(manifest.model_dump_json(indent=2, exclude_none=True))
    click.echo("(as stated in the file; its signature was not checked)", err=True)


commands.add_command(bench)
