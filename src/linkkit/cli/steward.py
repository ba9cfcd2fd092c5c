"""The commands of the steward. No logic of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from linkkit.cli.options import (
    FILE,
    FOLDER,
    agreement_option,
    deliveries_option,
    identity_option,
    ledger_of,
    overwrite_option,
    require_free,
)

if TYPE_CHECKING:
    from linkkit.exchange import Identity

__all__ = ["integrate", "protect", "release"]


@click.command()
@click.argument("payloads", type=FILE, nargs=-1, required=True)
@agreement_option
@identity_option
@click.option(
    "--crosswalk", "crosswalk_file", type=FILE, required=True, help="From the linkage unit."
)
@click.option(
    "--project", required=True, help="Which project it is for; see 'linkkit agreement check'."
)
@click.option("--without", multiple=True, help="A party whose payload is left out on purpose.")
@click.option(
    "--study-key",
    "study_key_file",
    type=FILE,
    help="Your study key. Without it, study ids differ each time.",
)
@click.option("--out", type=FILE, required=True, help="Where to write the integrated data set.")
@deliveries_option
@overwrite_option
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


@click.command()
@click.argument("people", type=FILE)
@agreement_option
@identity_option
@click.option("--k", type=int, help="A larger smallest cell than the agreement's.")
@click.option(
    "--method",
    type=click.Choice(["auto", "optimal", "local", "partition"]),
    default="auto",
    show_default=True,
    help="How classes are sought: everybody at the same levels (optimal), or each class at its "
    "own, which loses less.",
)
@click.option(
    "--missing",
    type=click.Choice(["category", "wildcard", "suppress"]),
    help="What a missing quasi-identifier is; the agreement's, or suppress to withhold the row.",
)
@click.option("--max-suppressed", type=float, help="A smaller share withheld than the agreement's.")
@click.option(
    "--study-key",
    "study_key_file",
    type=FILE,
    help="Your study key, the one of 'integrate'; needed where the agreement shifts dates.",
)
@click.option("--out", type=FILE, required=True, help="Where to write the protected data set.")
@overwrite_option
def protect(
    people: Path,
    agreement_file: Path,
    identity_file: Path,
    k: int | None,
    method: Literal["auto", "optimal", "local", "partition"],
    missing: Literal["category", "wildcard", "suppress"] | None,
    max_suppressed: float | None,
    study_key_file: Path | None,
    out: Path,
    overwrite: bool,  # noqa: FBT001
) -> None:
    """Steward: generalize and suppress, as agreed.

    Opens the integrated data set PEOPLE and writes a protected one, sealed to yourself.
    """
    import linkkit as lk

    inputs = [people, agreement_file, identity_file, study_key_file]
    require_free([out], inputs, overwrite=overwrite)
    document, own = _opened(agreement_file, identity_file)
    study_key = lk.StudyKey.load(study_key_file) if study_key_file else None
    integrated = lk.IntegratedDataset.load(people, agreement=document, identity=own)
    safe = lk.protect(
        integrated,
        document,
        k=k,
        method=method,
        missing=missing,
        max_suppressed=max_suppressed,
        study_key=study_key,
    )
    safe.save(out, agreement=document, identity=own)
    click.echo(f"{safe}")
    click.echo(f"  {safe.n_suppressed} of {safe.n_people_in} people are withheld")
    click.echo(f"  {safe.summary.why}")
    for item in safe.summary.recodings:
        click.echo(f"  {item.variable}: {item.description}")
    for note in safe.summary.variables:
        if note.role == "payload" and note.generalization:
            click.echo(f"  {note.name}: {note.generalization}")
    click.echo(f"Next: linkkit release {out}")


@click.command()
@click.argument("safe", type=FILE)
@agreement_option
@identity_option
@click.option("--out", type=FOLDER, required=True, help="Folder of the release.")
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
