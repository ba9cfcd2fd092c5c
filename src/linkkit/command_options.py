"""Options and forms that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from linkkit.errors import OptionError

__all__ = [
    "FILE",
    "FOLDER",
    "InOrder",
    "agreement_option",
    "identity_option",
    "overwrite_option",
    "party_option",
    "reading_options",
    "require_free",
]

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)

agreement_option = click.option(
    "--agreement", "agreement_file", type=FILE, required=True, help="The agreement, a YAML file."
)
identity_option = click.option(
    "--identity",
    "identity_file",
    type=FILE,
    required=True,
    help="Your organization's own identity, made by 'linkkit keys identity'.",
)
party_option = click.option("--party", required=True, help="Which party of the agreement you are.")
overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Replace files of an earlier run."
)


def reading_options(command: Command) -> Command:
    """Add the options that say how an extract's file is read."""
    for option in (
        click.option(
            "--delimiter", help="What separates the cells of a CSV file; found by default."
        ),
        click.option("--encoding", help="Text encoding of a CSV file; found by default."),
        click.option(
            "--header-row", type=int, default=1, show_default=True, help="Row of column names."
        ),
        click.option("--sheet", help="Excel: name of the sheet; the first by default."),
    ):
        command = option(command)
    return command


class InOrder(click.Group):
    """Lists the commands in the order of the journey."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Return the commands' names as they were defined."""
        return list(self.commands)


def require_free(
    sealed: Sequence[Path],
    inputs: Sequence[Path | None],
    *,
    overwrite: bool | None = None,
    others: Sequence[Path | None] = (),
) -> None:
    """Refuse outputs that would replace an input, one another, or an existing file.

    With `overwrite`, sealed outputs may replace sealed files, and `others` whatever is there.
    None is for commands that never replace a file.
    """
    read = {path.resolve() for path in inputs if path is not None}
    written = [*sealed, *(path for path in others if path is not None)]
    problems = []
    for i, path in enumerate(written):
        if path.resolve() in read:
            problems.append(f"'{path}' is also an input of this command")
        elif path.resolve() in {other.resolve() for other in written[:i]}:
            problems.append(f"'{path}' is to be written twice")
        elif path.exists() and not overwrite:
            problems.append(f"'{path}' exists")
        elif path.exists() and path in sealed and not _is_sealed(path):
            problems.append(f"'{path}' exists and is no file that this command writes")
    if problems:
        or_replace = "" if overwrite is None else ", or replace it with --overwrite"
        raise OptionError(problems, hint=f"Choose another path{or_replace}.")


def _is_sealed(path: Path) -> bool:
    from linkkit.exchange import is_sealed

    return path.is_file() and is_sealed(path)
