"""The commands that make keys, and by which partners come to share a secret.

No logic of its own. A key is named by its file and never given on the command line, where
other users and the shell's history could see it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from linkkit.cli.options import (
    FILE,
    InOrder,
    agreement_option,
    identity_option,
    kept_secret_options,
    load_secret,
    party_option,
    require_free,
)
from linkkit.errors import LinkkitError

if TYPE_CHECKING:
    from linkkit.agreement import Agreement
    from linkkit.partner.keys import Secret

__all__ = ["keys"]


@click.group(cls=InOrder)
def keys() -> None:
    """Make keys, each in a file that only you may read, and share the secret.

    \b
    The linkage secret comes from one partner:  secret, deliver; the others: receive
    or from all of them:                        contribute, reveal, combine
    """  # noqa: D301  # \b keeps click from re-wrapping the list


@keys.command()
@click.argument("file", type=FILE)
def identity(file: Path) -> None:
    """Make your organization's identity, and print its public key for the agreement."""
    from linkkit.exchange import Identity

    new = Identity.generate()
    new.save(file)
    click.echo(f"Identity written to {file}. Keep it. Its public key, for the agreement:")
    click.echo(new.public.text)


@keys.command()
@click.argument("file", type=FILE)
def tokens(file: Path) -> None:
    """Make a party's token key, which keeps record tokens the same in every delivery."""
    from linkkit.partner.keys import TokenKey

    TokenKey.generate().save(file)
    click.echo(f"Token key written to {file}. It never leaves your organization.")


@keys.command()
@click.argument("file", type=FILE)
def study(file: Path) -> None:
    """Make the steward's study key, which keeps study ids the same in every delivery."""
    from linkkit.steward.integrate import StudyKey

    StudyKey.generate().save(file)
    click.echo(f"Study key written to {file}. It never leaves the steward.")


@keys.command()
@click.argument("file", type=FILE)
def secret(file: Path) -> None:
    """Make the linkage secret that all parties share and nobody else may have."""
    from linkkit.partner.keys import Secret

    Secret.generate().save(file)
    click.echo(f"Linkage secret written to {file}.")
    click.echo("Hand it to the other parties, never to the linkage unit or the steward:")
    click.echo(f"  linkkit keys deliver {file} --agreement AGREEMENT --identity IDENTITY \\")
    click.echo("    --party PARTY --out PARTY.delivery")


@keys.command()
@click.argument("file", type=FILE)
@click.option("--keyring", metavar="NAME", required=True, help="By custom the agreement's id.")
def keep(file: Path, keyring: str) -> None:
    """Put the linkage secret into the system's keyring.

    FILE holds it. Afterwards every command that takes the secret finds it with --keyring NAME, and
    the file can go.
    """
    from linkkit.partner.keys import Secret

    Secret.load(file).save_to_keyring(keyring)
    click.echo(f"Linkage secret kept in the keyring as '{keyring}'. Delete {file} if it may go.")


@keys.command()
@click.argument("file", type=FILE)
@agreement_option
@click.option("--from-file", type=FILE, help="A file of one line; without it, you are asked.")
def passphrase(file: Path, agreement_file: Path, from_file: Path | None) -> None:
    """Make the linkage secret of a passphrase that all partners know.

    Writes the secret to FILE. A random secret ('linkkit keys secret') is better: whoever has
    encodings can try passphrases.
    """
    from linkkit.agreement import Agreement
    from linkkit.partner.keys import Passphrase, Secret

    document = Agreement.load(agreement_file)
    words = Passphrase.load(from_file) if from_file else Passphrase.prompt()
    words.require_own()
    made = Secret.from_passphrase(words, agreement=document)
    made.save(file)
    _tell(made, document, file)


@keys.command()
@click.argument("secret_file", type=FILE, metavar="[SECRET]", required=False)
@kept_secret_options
@agreement_option
@identity_option
@party_option
@click.option("--to", multiple=True, help="A party that it is for; all by default. Repeatable.")
@click.option("--out", type=FILE, required=True, help="Where to write; say PARTY.delivery.")
def deliver(
    agreement_file: Path,
    identity_file: Path,
    party: str,
    to: tuple[str, ...],
    out: Path,
    **sources: Any,
) -> None:
    """Seal the linkage secret to the other partners.

    SECRET is its file; without any, the environment variable LINKKIT_SECRET has it. Writes a file
    that only the partners can open. It may travel by mail.
    """
    from linkkit.agreement import Agreement
    from linkkit.exchange import Identity
    from linkkit.partner.keys import deliver_secret

    files = [source for source in sources.values() if isinstance(source, Path)]
    require_free([out], [agreement_file, identity_file, *files])
    document, own = Agreement.load(agreement_file), Identity.load(identity_file)
    made = load_secret(**sources)
    deliver_secret(made, out, agreement=document, party=party, identity=own, to=to or None)
    others = sorted({*(to or document.parties)} - {party})
    click.echo(f"To the partners ({', '.join(others)}): {out}")
    _tell_check(made, document)


@keys.command()
@click.argument("delivery", type=FILE)
@agreement_option
@identity_option
@click.option("--out", type=FILE, required=True, help="Where to write the linkage secret.")
def receive(delivery: Path, agreement_file: Path, identity_file: Path, out: Path) -> None:
    """Open the linkage secret that a partner delivered.

    DELIVERY is what 'linkkit keys deliver' wrote there.
    """
    from linkkit.agreement import Agreement
    from linkkit.exchange import Identity
    from linkkit.partner.keys import receive_secret

    document, own = Agreement.load(agreement_file), Identity.load(identity_file)
    received = receive_secret(delivery, agreement=document, identity=own)
    received.save(out)
    _tell(received, document, out)


@keys.command()
@click.argument("file", type=FILE)
@agreement_option
@identity_option
@party_option
@click.option("--out", type=FILE, required=True, help="Where to write; say PARTY.commitment.")
def contribute(
    file: Path, agreement_file: Path, identity_file: Path, party: str, out: Path
) -> None:
    """First round: commit to a random contribution.

    Keeps the contribution in FILE, for you alone, and writes a commitment for the partners.
    """
    from linkkit.agreement import Agreement
    from linkkit.exchange import Identity
    from linkkit.partner.keys import Contribution, commit_contribution

    require_free([file, out], [agreement_file, identity_file])
    document, own = Agreement.load(agreement_file), Identity.load(identity_file)
    new = Contribution.generate()
    new.save(file)
    try:
        commit_contribution(new, out, agreement=document, party=party, identity=own)
    except LinkkitError:
        file.unlink()  # nobody was told of it, and the next try makes another
        raise
    click.echo(f"Contribution written to {file}. Keep it until all have committed.")
    click.echo(f"To the partners: {out}")


@keys.command()
@click.argument("file", type=FILE)
@click.argument("commitments", type=FILE, nargs=-1, required=True)
@agreement_option
@identity_option
@party_option
@click.option("--out", type=FILE, required=True, help="Where to write; say PARTY.reveal.")
def reveal(
    file: Path,
    commitments: tuple[Path, ...],
    agreement_file: Path,
    identity_file: Path,
    party: str,
    out: Path,
) -> None:
    """Second round: reveal your contribution to the partners.

    FILE is your contribution. Give the COMMITMENTS of all parties, your own included.
    """
    from linkkit.agreement import Agreement
    from linkkit.exchange import Identity
    from linkkit.partner.keys import Contribution, reveal_contribution

    inputs = [file, *commitments, agreement_file, identity_file]
    require_free([out], inputs)
    document, own = Agreement.load(agreement_file), Identity.load(identity_file)
    mine = Contribution.load(file)
    reveal_contribution(mine, commitments, out, agreement=document, party=party, identity=own)
    click.echo(f"To the partners: {out}")


@keys.command()
@click.argument("files", type=FILE, nargs=-1, required=True)
@agreement_option
@identity_option
@click.option("--out", type=FILE, required=True, help="Where to write the linkage secret.")
def combine(files: tuple[Path, ...], agreement_file: Path, identity_file: Path, out: Path) -> None:
    """Make the linkage secret of all contributions.

    FILES are the commitments and the reveals of all parties, in any order.
    """
    from linkkit.agreement import Agreement
    from linkkit.exchange import Identity
    from linkkit.partner.keys import combine_contributions

    document, own = Agreement.load(agreement_file), Identity.load(identity_file)
    combined = combine_contributions(files, agreement=document, identity=own)
    combined.save(out)
    _tell(combined, document, out)


def _tell(made: Secret, document: Agreement, path: Path) -> None:
    click.echo(f"Linkage secret written to {path}. It stays with the partners.")
    _tell_check(made, document)


def _tell_check(made: Secret, document: Agreement) -> None:
    from linkkit.partner.keys import secret_check

    check = secret_check(made, document)
    groups = " ".join(check[i : i + 4] for i in range(0, len(check), 4))
    click.echo(f"Check value, to compare with the partners by voice: {groups}")
