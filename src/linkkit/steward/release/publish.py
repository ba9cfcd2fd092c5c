"""Release: write, check, report, receipt, and only then show the folder."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linkkit._version import __version__
from linkkit.agreement import Agreement, Protection
from linkkit.agreement.document import require_agreement
from linkkit.errors import MismatchError, NotAuthorizedError, ReleaseError, WrongStageError
from linkkit.steward.integrate.dataset import STUDY_ID
from linkkit.steward.promises import (
    ModelPromise,
    PromisedCloseness,
    PromisedDistinctL,
    PromisedEntropyL,
    PromisedHouseholdK,
    PromisedK,
    PromisedRecursiveL,
)
from linkkit.steward.protect import ProtectedDataset
from linkkit.steward.protect.columns import to_arrow
from linkkit.steward.release.check import Measured, check_files
from linkkit.steward.release.data_files import CSV_NAME, PARQUET_NAME, write_csv, write_parquet
from linkkit.steward.release.dictionary import (
    build_dictionary,
    dictionary_csv,
    dictionary_markdown,
)
from linkkit.steward.release.disclosure import (
    DisclosureReport,
    disclosure_html,
    disclosure_json,
    report_disclosure,
)
from linkkit.steward.release.folder import side_folder

__all__ = ["FILES", "Release", "release"]

RECEIPT_NAME = "receipt.json"

FILES = (
    CSV_NAME,
    PARQUET_NAME,
    "data_dictionary.csv",
    "data_dictionary.md",
    "disclosure_report.html",
    "disclosure_report.json",
    RECEIPT_NAME,
)
"""What the folder of a release holds."""


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Release:
    """A release as it lies in its folder.

    Attributes
    ----------
    folder : Path
        Where it is.
    project : str
        What it was made for.
    digests : dict of str to str
        SHA-256 of each file but the receipt, 64 hexadecimal digits.
    disclosure : DisclosureReport
        What was promised and measured.
    """

    folder: Path
    project: str
    digests: Mapping[str, str]
    disclosure: DisclosureReport

    def __repr__(self) -> str:
        measured = self.disclosure.measured
        return (
            f"<Release of '{self.project}' in '{self.folder}': {measured.n_people} people, "
            f"smallest class {measured.smallest_class}>"
        )

    @property
    def files(self) -> tuple[Path, ...]:
        """The files, the receipt last."""
        return tuple(self.folder / name for name in FILES)


def release(
    safe: ProtectedDataset,
    folder: str | Path,
    *,
    agreement: Agreement | None = None,
    population: Any = None,
    overwrite: bool = False,
    today: dt.date | None = None,
) -> Release:
    """Write a protected data set for analysts, with all that they and its subjects must know.

    The folder gets ``data.csv``, ``data.parquet``, a data dictionary (CSV and Markdown), a
    disclosure report (a page and JSON) and ``receipt.json`` with the SHA-256 digest of each.
    The files are written to the side, read again, and measured by code that shares nothing
    with `protect`; the folder appears only when they keep what was promised. The same data
    set gives the same bytes.

    Parameters
    ----------
    safe : ProtectedDataset
        From :func:`~linkkit.steward.protect.protect`; nothing else can be released.
    folder : str or Path
        A new or empty folder.
    agreement : Agreement, optional
        If given, the release is also held against the agreement itself, and not only against
        what the data set says of it.
    population : pandas, Polars or Arrow frame, optional
        The population that the data set was protected against, where it promises k-map or
        delta-presence.
    overwrite : bool, default False
        Replace the folder of an earlier release.
    today : datetime.date, optional
        The date by which to judge whether `agreement` is in force; the system's by default.

    Raises
    ------
    WrongStageError
        When something else than a protected data set is given.
    MismatchError
        When the data set was made under another agreement than the one given.
    NotAuthorizedError
        When the agreement given allows less than the data set claims.
    ReleaseError
        When the files would not keep their promises, or the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from linkkit.steward.integrate import integrate
    >>> from linkkit.steward.integrate.example import small_partnership
    >>> from linkkit.steward.protect import protect
    >>> agreement, payloads, crosswalk = small_partnership()
    >>> safe = protect(integrate(payloads, crosswalk, agreement, project="study"), agreement)
    >>> done = release(safe, Path(tempfile.mkdtemp()) / "out", agreement=agreement)
    >>> done.disclosure.measured.smallest_class >= 5
    True
    >>> sorted(path.name for path in done.folder.iterdir())[:3]
    ['data.csv', 'data.parquet', 'data_dictionary.csv']
    """
    safe = _require_protected(safe)
    _require_in_force(safe, today)
    if agreement is not None:
        _hold_against(safe, require_agreement(agreement), today)
    target = Path(folder).resolve()
    with side_folder(target, overwrite=overwrite, own_files=FILES) as side:
        measured = _write_data(safe, side, population)
        report = report_disclosure(safe, measured)
        _write_texts(safe, report, side)
        digests = _write_receipt(safe, side)
    return Release(folder=target, project=safe.project, digests=digests, disclosure=report)


def _require_protected(safe: object) -> ProtectedDataset:
    if not isinstance(safe, ProtectedDataset):
        raise WrongStageError(
            f"release takes a ProtectedDataset, not {type(safe).__name__}",
            hint="Protect the data first: safe = protect(people, agreement).",
        )
    notes = [note.name for note in safe.summary.variables]
    if notes != list(safe.table.column_names) or not safe.quasi_identifiers:
        raise ReleaseError(
            "the data set does not have the columns that its summary describes",
            hint="Use the data set as protect() made it.",
        )
    return safe


def _require_in_force(safe: ProtectedDataset, today: dt.date | None) -> None:
    if (today or dt.date.today()).isoformat() > safe.summary.destroy_by:
        raise NotAuthorizedError(
            f"the data of agreement '{safe.agreement_id}' had to be destroyed by "
            f"{safe.summary.destroy_by}",
            clause="destroy_by",
            hint="Nothing may be released any more.",
        )


def _hold_against(safe: ProtectedDataset, agreement: Agreement, today: dt.date | None) -> None:
    agreement.require_in_force(today=today)
    if (safe.agreement_id, safe.agreement_fingerprint) != (agreement.id, agreement.fingerprint):
        raise MismatchError(
            f"the data set was made under another text of agreement '{agreement.id}', or under "
            "another agreement",
            hint="Integrate and protect again under the agreement as it is now.",
        )
    variables = [name for name in safe.table.column_names if name != STUDY_ID]
    agreement.authorize_variables(variables, project=safe.project)
    _require_changes(safe, agreement.protection, set(variables))
    if not _promises_enough(safe, agreement.protection, variables):
        raise NotAuthorizedError(
            "the data set promises less than the agreement demands",
            clause="protection",
            hint="Protect the integrated data set again.",
        )


def _require_changes(
    safe: ProtectedDataset, demanded: Protection, variables: Collection[str]
) -> None:
    """Refuse a data set that does not promise the shifts, averages and preset of an agreement."""
    if demanded.preset is not None and safe.promises.safe_harbor is None:
        raise NotAuthorizedError(
            f"the data set does not promise to keep to {demanded.preset}",
            clause="protection.preset",
            hint="Protect the integrated data set again.",
        )
    shift, averages = demanded.shift_dates, demanded.microaggregate
    promised = safe.promises
    names = set(shift.variables if shift else ()) & set(variables)
    moved = promised.shift
    if names and (
        shift is None
        or moved is None
        or not names <= set(moved.variables)
        or moved.max_days != shift.max_days
    ):
        raise NotAuthorizedError(
            f"the data set does not promise that the dates in {_quoted(names)} are shifted as "
            "the agreement demands",
            clause="protection.shift_dates",
            hint="Protect the integrated data set again, with your study key.",
        )
    names = set(averages.variables if averages else ()) & set(variables)
    groups = promised.averages
    if names and (
        averages is None
        or groups is None
        or not names <= set(groups.variables)
        or groups.statistic != averages.statistic
        or groups.k < demanded.smallest_cell
    ):
        raise NotAuthorizedError(
            f"the data set does not promise that {_quoted(names)} are averaged as the agreement "
            "demands",
            clause="protection.microaggregate",
            hint="Protect the integrated data set again.",
        )


def _quoted(names: Collection[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))


def _promises_enough(
    safe: ProtectedDataset, demanded: Protection, variables: Sequence[str]
) -> bool:
    """Whether all that an agreement demands of a release is among its promises."""
    promised = safe.promises
    listed = set(variables) & set(demanded.quasi_identifiers)
    if listed != set(safe.quasi_identifiers) or listed != set(promised.quasi_identifiers):
        return False
    if promised.missing not in (demanded.missing, "suppress"):
        return False
    models = list(promised.models)
    k = max((m.k for m in models if isinstance(m, PromisedK)), default=0)
    homes = max((m.k for m in models if isinstance(m, PromisedHouseholdK)), default=0)
    if min(k, safe.k) < demanded.smallest_cell or homes < (demanded.households or 0):
        return False
    rules: list[ModelPromise] = []
    for name, rule in demanded.sensitive.items():
        if name not in variables:
            continue
        if rule.distinct_l is not None:
            rules.append(PromisedDistinctL(sensitive=name, l=rule.distinct_l))
        if rule.entropy_l is not None:
            rules.append(PromisedEntropyL(sensitive=name, l=rule.entropy_l))
        if rule.recursive_l is not None and rule.recursive_c is not None:
            rules.append(PromisedRecursiveL(sensitive=name, c=rule.recursive_c, l=rule.recursive_l))
        if rule.t is not None:
            rules.append(
                PromisedCloseness(
                    sensitive=name, t=rule.t, distance=rule.distance, order=rule.order
                )
            )
    return all(rule in models for rule in rules)


def _write_data(safe: ProtectedDataset, side: Path, population: Any) -> Measured:
    write_csv(safe.table, side / CSV_NAME)
    write_parquet(safe.table, side / PARQUET_NAME)
    least = max(safe.k, safe.summary.smallest_cell)
    averages = safe.promises.averages
    if averages is not None:
        averages = dataclasses.replace(averages, k=max(averages.k, least))
    return check_files(
        side / CSV_NAME,
        side / PARQUET_NAME,
        promises=dataclasses.replace(
            safe.promises,
            models=(*safe.promises.models, PromisedK(k=least)),
            averages=averages,
        ),
        id_column=STUDY_ID,
        permitted=[note.name for note in safe.summary.variables],
        households=_household_numbers(safe),
        population=None if population is None else to_arrow(population, name="the population"),
    )


def _household_numbers(safe: ProtectedDataset) -> dict[str, int] | None:
    if safe.households is None:
        return None
    numbers = safe.households.dictionary_encode().indices.to_pylist()
    return dict(zip(safe.table.column(STUDY_ID).to_pylist(), numbers, strict=True))


def _write_texts(safe: ProtectedDataset, report: DisclosureReport, side: Path) -> None:
    entries = build_dictionary(safe)
    texts = {
        "data_dictionary.csv": dictionary_csv(entries),
        "data_dictionary.md": dictionary_markdown(
            entries, title=f"Data dictionary: {safe.project}"
        ),
        "disclosure_report.html": disclosure_html(report),
        "disclosure_report.json": disclosure_json(report),
    }
    for name, text in texts.items():
        (side / name).write_bytes(text.encode("utf-8"))


def _write_receipt(safe: ProtectedDataset, side: Path) -> dict[str, str]:
    digests = {name: _digest(side / name) for name in FILES if name != RECEIPT_NAME}
    receipt: dict[str, Any] = {
        "format": "linkkit-receipt/1",
        "made_by": f"linkkit {__version__}",
        "agreement_id": safe.agreement_id,
        "agreement_fingerprint": safe.agreement_fingerprint,
        "project": safe.project,
        "k": safe.k,
        "n_people": len(safe),
        "n_variables": len(safe.table.column_names) - 1,
        "classes": dataclasses.asdict(safe.summary.classes),
        "sha256": digests,
    }
    text = json.dumps(receipt, indent=2, sort_keys=True) + "\n"
    (side / RECEIPT_NAME).write_bytes(text.encode("utf-8"))
    return digests


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
