"""The whole journey with made-up partners, into a folder where every file can be looked at.

Run by ``linkkit demo``. It plays all roles in one process, and still only files pass from one
to the next.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

import linkkit as lk
from linkkit.agreement.passes import profile_text
from linkkit.assess import LinkageScores, overlaps, true_quality
from linkkit.errors import DependencyError, OptionError
from linkkit.exchange.atomic import atomic_text
from linkkit.report import linkage_report
from linkkit.synth import SyntheticPartnership, youth_partnership

__all__ = ["run_demo"]

PROJECT = "gaps-2026"
_HEADER_ROWS = {"summer": 3}
_MARK = ".linkkit-demo"

_READ_ME = """\
Everything in this folder was made up by 'linkkit demo'. No person in it exists. Keys are random,
so that counts vary a little from run to run.

agreement.yaml       what the partners agreed on; the code enforces it
0-truth/             who is who, which nobody knows outside of a demo
1-partners/          each partner's export, its keys, what leaves it, and what stays home
2-linkage-unit/      what it received, the crosswalk it made, and linkage-report.html
3-steward/           what it received, the integrated and the protected data set
4-release/           the de-identified data set, its dictionary, disclosure report and receipt
opened/              the sealed files, opened for you to look at; outside of a demo, no folder
                     may ever hold these side by side
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stage:
    """A folder, where to say what happens, and who has which identity."""

    folder: Path
    tell: Callable[[str], Any]
    agreement: lk.Agreement
    identities: dict[str, lk.Identity]

    def save(self, artifact: Any, path: str, *, role: str) -> Path:
        target: Path = artifact.save(
            self.folder / path, agreement=self.agreement, identity=self.identities[role]
        )
        return target

    def load(self, artifact: Any, path: Path, *, role: str) -> Any:
        return artifact.load(path, agreement=self.agreement, identity=self.identities[role])


def run_demo(
    folder: str | Path,
    *,
    seed: int = 2026,
    overwrite: bool = False,
    tell: Callable[[str], Any] = print,
    sizes: tuple[int, int, int] = (8000, 3000, 1500),
) -> lk.Release:
    """Run the whole journey with made-up partners.

    Parameters
    ----------
    folder : str or Path
        Where everything is written.
    seed : int
        Other seeds make up other people.
    overwrite : bool
        Replace the folder of an earlier demo; no other folder is ever replaced.
    tell : callable
        Told, line by line, what was done.
    sizes : tuple of int
        Records of the district, the summer programs and the youth jobs office.

    Returns
    -------
    Release
        What was released.

    Raises
    ------
    OptionError
        When the folder holds something else than an earlier demo, or holds one and
        `overwrite` was not asked for.
    DependencyError
        When the packages of the extra ``demo`` are not installed.
    """
    folder = Path(folder)
    start = time.perf_counter()
    _require_packages()
    n_district, n_summer, n_jobs = sizes
    town = youth_partnership(seed=seed, n_district=n_district, n_summer=n_summer, n_jobs=n_jobs)
    _prepare(folder, overwrite=overwrite)
    stage = _agree(folder, town, tell)
    encoded = _at_the_partners(stage, town)
    result = _at_the_linkage_unit(stage)
    scores = _against_the_truth(stage, town, encoded, result)
    linkage_report(
        result,
        folder / "2-linkage-unit" / "linkage-report.html",
        agreement=stage.agreement,
        truth=scores,
    )
    released = _at_the_steward(stage)
    tell("")
    tell(f"All of it is in {folder}, in {time.perf_counter() - start:.0f} s. Look at:")
    for name in ("2-linkage-unit/linkage-report.html", "4-release/disclosure_report.html"):
        tell(f"  {folder / name}")
    return released


def _require_packages() -> None:
    missing = [name for name in ("matplotlib", "openpyxl") if find_spec(name) is None]
    if missing:
        raise DependencyError(
            f"the demonstration needs {' and '.join(missing)}",
            hint="pip install 'linkkit[demo]', or in a clone: pip install '.[demo]'",
        )


def _prepare(folder: Path, *, overwrite: bool) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if not (overwrite and (folder / _MARK).is_file()):
            raise OptionError(
                f"'{folder}' exists and is not empty",
                hint="Choose another folder with --out, or replace an earlier demo "
                "with --overwrite.",
            )
        shutil.rmtree(folder)
    atomic_text(folder / _MARK, "")
    atomic_text(folder / "READ-ME.txt", _READ_ME)


def _agree(folder: Path, town: SyntheticPartnership, tell: Callable[[str], Any]) -> _Stage:
    document = dict(town.agreement)
    roles = [*document["parties"], "linkage_unit", "steward"]
    identities = {role: lk.Identity.generate() for role in roles}
    for role, identity in identities.items():
        identity.save(_home(folder, role) / "own.identity")
        clause = document["parties"][role] if role in document["parties"] else document[role]
        clause["public_key"] = identity.public.text
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    agreement = lk.Agreement.from_yaml(text)
    atomic_text(folder / "agreement.yaml", text)
    tell(f"Agreement '{agreement.id}' of {len(agreement.parties)} parties")
    tell(f"  fingerprint {agreement.fingerprint[:16]}...")
    tell(f"  profile {profile_text(agreement)}")
    return _Stage(folder=folder, tell=tell, agreement=agreement, identities=identities)


def _home(folder: Path, role: str) -> Path:
    places = {"linkage_unit": "2-linkage-unit", "steward": "3-steward"}
    return folder / (places.get(role) or f"1-partners/{role}")


def _at_the_partners(stage: _Stage, town: SyntheticPartnership) -> dict[str, lk.EncodeResult]:
    stage.tell("\nPartners: read, standardize, encode, seal")
    files = town.write(stage.folder / "0-truth")
    secret = lk.Secret.generate()
    encoded = {}
    for party in town.extracts:
        home = _home(stage.folder, party)
        file = Path(shutil.move(files[party], home / files[party].name))
        secret.save(home / "linkage.key")
        token_key = lk.TokenKey.generate()
        token_key.save(home / "own.tokens")
        table = lk.read_extract(file, header_row=_HEADER_ROWS.get(party, 1))
        result = lk.encode(table, stage.agreement, secret, party=party, token_key=token_key)
        result.save_home(home / "stays-home")
        stage.save(result.encodings, f"1-partners/{party}/leaves/{party}.encodings", role=party)
        stage.save(result.payload, f"1-partners/{party}/leaves/{party}.payload", role=party)
        _deliver(stage.folder, party)
        _open_extracts(stage.folder, result)
        stage.tell(
            f"  {party}: {file.name}, {result.report.n_rows} rows, "
            f"{result.report.n_records} records encoded, {len(result.set_aside)} set aside"
        )
        encoded[party] = result
    (stage.folder / "0-truth" / "agreement.yaml").unlink()
    return encoded


def _deliver(folder: Path, party: str) -> None:
    leaves = _home(folder, party) / "leaves"
    for name, role in ((f"{party}.encodings", "linkage_unit"), (f"{party}.payload", "steward")):
        received = _home(folder, role) / "received"
        received.mkdir(parents=True, exist_ok=True)
        shutil.copy(leaves / name, received / name)


def _open_extracts(folder: Path, result: lk.EncodeResult) -> None:
    party = result.report.party
    encodings = result.encodings.to_arrow().to_pandas()
    for name in encodings.columns:
        encodings[name] = [None if bits is None else bits.hex() for bits in encodings[name]]
    payload = result.payload.table.to_pandas()
    payload["token"] = [token.hex() for token in payload["token"]]
    _write_csv(encodings, folder / "opened" / f"{party}.encodings.csv")
    _write_csv(payload, folder / "opened" / f"{party}.payload.csv")


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    atomic_text(path, frame.to_csv(index=False))


def _at_the_linkage_unit(stage: _Stage) -> lk.LinkResult:
    stage.tell("\nLinkage unit: block, compare, classify, cluster")
    received = sorted((stage.folder / "2-linkage-unit" / "received").glob("*.encodings"))
    extracts = [stage.load(lk.EncodedExtract, path, role="linkage_unit") for path in received]
    result = lk.link(extracts)
    stage.save(result.crosswalk, "2-linkage-unit/crosswalk", role="linkage_unit")
    shutil.copy(
        stage.folder / "2-linkage-unit" / "crosswalk",
        stage.folder / "3-steward" / "received" / "crosswalk",
    )
    result.pairs.save(stage.folder / "2-linkage-unit" / "pairs.parquet")
    _write_csv(result.crosswalk.to_pandas(), stage.folder / "opened" / "crosswalk.csv")
    stage.tell(f"  compared: {result.plan}")
    stage.tell(f"  unduplicated count: {result.crosswalk.n_people} people")
    for item in overlaps(result.crosswalk).combinations:
        only = "only " if len(item.parties) == 1 else ""
        stage.tell(f"    {item.n_people:>6} {only}{' and '.join(item.parties)}")
    quality = result.quality
    stage.tell(
        f"  {quality.n_links} links; estimated precision {quality.precision:.3f}, "
        f"recall {quality.recall:.3f}, F1 {quality.f1:.3f}"
    )
    return result


def _against_the_truth(
    stage: _Stage,
    town: SyntheticPartnership,
    encoded: dict[str, lk.EncodeResult],
    result: lk.LinkResult,
) -> LinkageScores:
    maps = pd.concat([x.token_map.to_pandas().assign(party=p) for p, x in encoded.items()])
    truth = maps.merge(town.truth, on=["party", "record_id"]).drop_duplicates("token")
    scores = true_quality(result.crosswalk, truth[["token", "person"]])
    stage.tell(
        f"  true precision {scores.precision:.3f}, recall {scores.recall:.3f}, "
        f"F1 {scores.f1:.3f}; truly {scores.n_people_true} people (known because made up)"
    )
    return scores


def _at_the_steward(stage: _Stage) -> lk.Release:
    stage.tell("\nSteward: integrate, protect, release")
    received = stage.folder / "3-steward" / "received"
    payloads = [
        stage.load(lk.PayloadExtract, path, role="steward")
        for path in sorted(received.glob("*.payload"))
    ]
    crosswalk = stage.load(lk.Crosswalk, received / "crosswalk", role="steward")
    study_key = lk.StudyKey.generate()
    study_key.save(stage.folder / "3-steward" / "own.study-key")
    people = lk.integrate(
        payloads, crosswalk, stage.agreement, project=PROJECT, study_key=study_key
    )
    stage.save(people, "3-steward/integrated", role="steward")
    _write_csv(people.to_pandas(), stage.folder / "opened" / "integrated.csv")
    safe = lk.protect(people, stage.agreement)
    stage.save(safe, "3-steward/protected", role="steward")
    stage.tell(f"  {len(people)} people integrated for project '{PROJECT}'")
    for recoding in safe.summary.recodings:
        stage.tell(f"    {recoding.variable}: {recoding.description}")
    stage.tell(
        f"  {safe.n_suppressed} of {safe.n_people_in} records suppressed, so that at least "
        f"{safe.k} people share every combination"
    )
    released = lk.release(safe, stage.folder / "4-release", agreement=stage.agreement)
    measured = released.disclosure.measured
    stage.tell(
        f"  released: {measured.n_people} people; measured on the written files, the smallest "
        f"group that shares its quasi-identifiers has {measured.smallest_class}"
    )
    return released
