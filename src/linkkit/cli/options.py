"""Options and forms that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from linkkit.errors import OptionError

if TYPE_CHECKING:
    from linkkit.partner.keys import KeyService, Secret

__all__ = [
    "FILE",
    "FOLDER",
    "InOrder",
    "agreement_option",
    "deliveries_option",
    "identity_option",
    "kept_secret_options",
    "ledger_of",
    "load_secret",
    "overwrite_option",
    "party_option",
    "reading_options",
    "require_free",
    "secret_options",
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


deliveries_option = click.option(
    "--deliveries",
    type=FILE,
    help="Your ledger of deliveries, which refuses older ones; beside the identity by default.",
)


def ledger_of(deliveries: Path | None, identity_file: Path) -> Path:
    """Return the ledger that is named, or the one beside the identity."""
    return deliveries or identity_file.with_name(f"{identity_file.name}.deliveries")


def secret_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where the linkage secret is kept; see :func:`load_secret`."""
    return click.option(
        "--secret",
        "secret_file",
        type=FILE,
        help="The linkage secret. Without any, the environment variable LINKKIT_SECRET.",
    )(kept_secret_options(command))


def kept_secret_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add those of them that name no file of it."""
    options = (
        click.option("--keyring", metavar="NAME", help="... or its name in the system's keyring."),
        click.option(
            "--kms",
            metavar="MODULE:NAME",
            help="... or what unwraps it: an object of your own that asks your key management "
            "service, from an installed module.",
        ),
        click.option(
            "--wrapped", type=FILE, help="For --kms: the secret as the service wrapped it."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def load_secret(
    *, secret_file: Path | None, keyring: str | None, kms: str | None, wrapped: Path | None
) -> Secret:
    """Return the linkage secret from the one place that is named."""
    from linkkit.partner.keys import Secret

    if sum(source is not None for source in (secret_file, keyring, kms)) > 1:
        raise OptionError(
            "the linkage secret is named in more than one place",
            hint="Give one of its file, --keyring and --kms.",
        )
    if (kms is None) != (wrapped is None):
        raise OptionError(
            "--kms and --wrapped go together",
            hint="Name what unwraps the secret, and the file that holds it wrapped.",
        )
    if keyring is not None:
        return Secret.from_keyring(keyring)
    if kms is not None and wrapped is not None:
        return Secret.from_kms(_key_service(kms), wrapped)
    return Secret.load(secret_file) if secret_file else Secret.from_environment()


def _key_service(name: str) -> KeyService:
    """Return the object of that name, or what it makes when it is called."""
    from linkkit.partner.keys import KeyService

    module, _, attribute = name.partition(":")
    problem = "it is not an object with a method 'unwrap'"
    service: Any = None
    try:
        service = getattr(import_module(module), attribute)
        if isinstance(service, type) or not isinstance(service, KeyService):
            service = service()
    except Exception as error:  # noqa: BLE001  # anybody's module; its text could hold a key
        problem = type(error).__name__
    if isinstance(service, KeyService) and not isinstance(service, type):
        return service
    raise OptionError(
        f"--kms '{name}' cannot be used ({problem})",
        hint="Name an object as MODULE:NAME, of a module that Python finds (PYTHONPATH). It, or "
        "what it returns when called, has a method unwrap(wrapped: bytes) -> bytes.",
    )


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
        # An input, and what is no file of this kind, is not replaced by --overwrite either.
        may = overwrite is not None and all(text.endswith("' exists") for text in problems)
        or_replace = ", or replace it with --overwrite" if may else ""
        raise OptionError(problems, hint=f"Choose another path{or_replace}.")


def _is_sealed(path: Path) -> bool:
    from linkkit.exchange import is_sealed

    return path.is_file() and is_sealed(path)
