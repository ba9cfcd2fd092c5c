"""A file encoded in parts leads to the files that encoding it at once leads to."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import linkkit as lk
from linkkit.agreement import Agreement
from linkkit.errors import (
    ExtractError,
    LinkkitError,
    NotAuthorizedError,
    OptionError,
    SealError,
    SecretError,
)
from linkkit.exchange import EncodedExtract, Identity, PayloadExtract
from linkkit.exchange.container import open_sealed, read_manifest
from linkkit.partner.encode import EncodedFiles, EncodeResult, encode, encode_file
from linkkit.partner.encode import stream as stream_module
from linkkit.partner.keys import Secret, TokenKey
from linkkit.partner.read import read_extract

Identities = dict[str, Identity]
HOME = ("token-map.csv", "set-aside.csv", "report.txt")

_FIRST = ["Ana", "Bo", "Cy", "Dee", "Eli", "Fay", "Gus", "Ida", "", "N/A"]
_LAST = ["Okoro", "Smith", "Lee", "Núñez", "O'Neil", "van Dam", "", "test"]


def _rows(n: int, *, seed: int = 5) -> list[list[str]]:
    """Rows of 'summer' with all that happens: repeats, copies, clashes, gaps, bad cells."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        person = int(rng.integers(0, max(n * 2 // 3, 1)))
        mine = np.random.default_rng(person)
        day = f"{mine.integers(1, 29)}/{mine.integers(1, 13)}/{mine.integers(2001, 2015)}"
        cells = [
            f"e{person}" if person % 11 else "",
            str(mine.choice(_FIRST)),
            str(mine.choice(_LAST)),
            day if rng.random() > 0.1 else str(rng.choice(["", "31/31/2009", "soon"])),
            str(mine.choice(["F", "M", "?", ""])),
            str(mine.choice(["2138", "02139", "10001", "x", ""])),
            str(rng.choice(["617-555-0101", "6175550199", "12", ""])),
            str(rng.choice(["2023", "2024", "2025", "", "2024-25"])),
            str(rng.choice(["10", "11.5", "many", ""])),
            str(rng.choice(["kept at home", "kept too"])),
        ]
        if rng.random() < 0.02:
            cells = cells[:4]
        rows.append(cells)
        if rng.random() < 0.03:
            rows.append(list(cells))
        if rng.random() < 0.02:
            rows.append([""] * len(cells))
    return rows


_HEADER = [
    "enrollment",
    "first",
    "last",
    "birthday",
    "gender",
    "zip",
    "guardian_phone",
    "summer",
    "days",
    "remarks",
]


def _write(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([_HEADER, *rows])
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path


def _saved(
    result: EncodeResult, out: Path, agreement: Agreement, identity: Identity
) -> dict[str, Path]:
    party = result.report.party
    result.encodings.save(out / f"{party}.encodings", agreement=agreement, identity=identity)
    result.payload.save(out / f"{party}.payload", agreement=agreement, identity=identity)
    result.save_home(out / "stays-home")
    return {"encodings": out / f"{party}.encodings", "payload": out / f"{party}.payload"}


def _content(path: Path, recipient: Identity, sender: Identity) -> bytes:
    _, content = open_sealed(path, recipient=recipient, signer_of=lambda _: sender.public)
    with content:
        return content.read()


def _assert_alike(
    files: EncodedFiles,
    result: EncodeResult,
    folder: Path,
    agreement: Agreement,
    identities: Identities,
) -> None:
    """Every file is the same as of encoding at once, but for keys and times of the seal."""
    party = result.report.party
    saved = _saved(result, folder / "at-once", agreement, identities[party])
    for name, role in (("encodings", "linkage_unit"), ("payload", "steward")):
        mine = getattr(files, name)
        said = [
            read_manifest(path).model_dump(exclude={"sealed_at"}) for path in (mine, saved[name])
        ]
        assert said[0] == said[1]
        contents = [
            _content(path, identities[role], identities[party]) for path in (mine, saved[name])
        ]
        assert contents[0] == contents[1]
    for name in HOME:
        paths = [home / f"{party}.{name}" for home in (files.home, folder / "at-once/stays-home")]
        assert paths[0].read_bytes() == paths[1].read_bytes(), name
        if os.name == "posix":
            assert paths[0].stat().st_mode & 0o777 == 0o600
    assert files.report == result.report


@pytest.mark.parametrize("rows_at_once", [1, 7, 100, 10_000])
@pytest.mark.parametrize("n", [30, 400])
def test_in_parts_as_at_once(
    n: int,
    rows_at_once: int,
    folder: Path,
    agreement: Agreement,
    identities: Identities,
    secret: Secret,
    token_key_of: Callable[[str], TokenKey],
) -> None:
    if n * (1 / rows_at_once) > 100:
        n = 60
    # Row ids are on every row: tokens of rows without one are random.
    rows = [[f"x{i}", *row[1:]] if row[0] == "" else row for i, row in enumerate(_rows(n))]
    rows = [[""] * len(row) if not any(row[1:]) else row for row in rows]
    path = _write(folder / "in" / "summer.csv", rows)
    key = token_key_of("summer")
    files = encode_file(
        path,
        agreement,
        secret,
        party="summer",
        identity=identities["summer"],
        out=folder / "out",
        token_key=key,
        rows_at_once=rows_at_once,
    )
    result = encode(read_extract(path), agreement, secret, party="summer", token_key=key)
    assert result.report.n_set_aside
    assert result.report.issues
    assert result.report.n_repeated
    _assert_alike(files, result, folder, agreement, identities)
    assert sorted(p.name for p in (folder / "out").iterdir()) == [
        "stays-home",
        "summer.encodings",
        "summer.payload",
    ]
