"""HIPAA Safe Harbor: what becomes of each class of identifiers, and what is found undeclared."""

import datetime as dt
import traceback
from itertools import pairwise

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from linkkit.errors import OptionError, ProtectionError
from linkkit.steward.protect.hierarchies import build_hierarchy
from linkkit.steward.protect.presets import (
    RESTRICTED_ZIP3,
    safe_harbor,
    safe_harbor_ways,
    undeclared_identifiers,
)

AS_OF = dt.date(2026, 7, 1)
MARK = "Zqxmarkerzz"
TABLE = pd.DataFrame(
    {
        "study_id": ["p", "q", "r", "s"],
        "full_name": ["A B", "C D", "E F", "G H"],
        "zip": ["98101-1234", "03601", None, "203"],
        "seen": pd.to_datetime(["2025-03-04", None, "2024-12-31", "2025-01-01"]),
        "dob": ["1936-12-31", "1937-01-01", None, "1920-05-05"],
        "birth_year": [1936, 1937, 2001, 1920],
        "age": [89.9, 90.0, None, 106.0],
        "state": ["WA", "NH", "WA", "VA"],
    },
    index=[4, 2, 7, 1],
)
COLUMNS = {
    "full_name": "name",
    "zip": "zip",
    "seen": "date",
    "dob": "birth_date",
    "birth_year": "birth_year",
    "age": "age",
}
OPTIONS = {"columns": COLUMNS, "identifiers": "drop", "as_of": AS_OF}
EXPECTED = {
    "study_id": ["p", "q", "r", "s"],
    "zip": ["981", "000", None, "000"],
    "seen": [2025, None, 2024, 2025],
    "dob": ["1936 or earlier", "1937", None, "1936 or earlier"],
    "birth_year": ["1936 or earlier", "1937", "2001", "1936 or earlier"],
    "age": ["89", "90+", None, "90+"],
    "state": ["WA", "NH", "WA", "VA"],
}


def columns_of(table):
    frame = (
        pa.Table.from_pandas(table, preserve_index=False)
        if isinstance(table, pd.DataFrame)
        else table
    )
    columns = (
        frame.to_dict(as_series=False) if isinstance(frame, pl.DataFrame) else frame.to_pydict()
    )
    return {
        name: [None if x != x else x for x in values]  # noqa: PLR0124  # not a number
        for name, values in columns.items()
    }


@pytest.mark.parametrize(
    "make", [lambda x: x, pl.from_pandas, lambda x: pa.Table.from_pandas(x, preserve_index=False)]
)
def test_a_table_is_made_safe(make):
    table = make(TABLE)
    made = safe_harbor(table, **OPTIONS)
    assert type(made.table) is type(table)
    assert columns_of(made.table) == EXPECTED
    assert made.report.dropped == ("full_name",)
    assert [name for name, _ in made.report.changed] == [n for n in COLUMNS if n != "full_name"]
    assert (made.report.n_restricted, made.report.n_oldest) == (2, 6)
    assert made.report.suspicions == ()
    assert repr(made) == "<SafeHarborResult: 1 columns dropped, 5 changed>"


def test_the_index_of_a_frame_stays():
    assert safe_harbor(TABLE, **OPTIONS).table.index.tolist() == [4, 2, 7, 1]


def test_numbers_go_into_hierarchies_that_keep_to_the_rule():
    made = safe_harbor(TABLE, coding="numbers", **OPTIONS)
    assert columns_of(made.table)["age"] == [89, 90, None, 90]
    assert columns_of(made.table)["dob"] == [1936, 1937, None, 1936]
    ways = safe_harbor_ways(COLUMNS, as_of=AS_OF)
    assert set(ways) == {"zip", "seen", "dob", "birth_year", "age"}
    finest = {}
    for name, way in ways.items():
        column = pa.Table.from_pandas(made.table)[name]
        hierarchy = build_hierarchy(name, column, way)
        level = hierarchy.levels[0]
        finest[name] = [level.labels[i] for i in level.groups[hierarchy.base]]
        for fine, coarse in pairwise(hierarchy.levels):
            assert (coarse.losses >= fine.losses).all()
    missing = "(missing)"
    assert finest == {
        "zip": ["981**", "000**", missing, "000**"],
        "seen": ["2025", missing, "2024", "2025"],
        "dob": ["<=1936", "1937", missing, "<=1936"],
        "birth_year": ["<=1936", "1937", "2001", "<=1936"],
        "age": ["89", "90+", missing, "90+"],
    }


def test_the_restricted_areas_are_the_17_of_the_guidance():
    assert len(RESTRICTED_ZIP3) == 17
    table = pd.DataFrame({"zip": [f"{i:03}" for i in range(1000)]})
    made = safe_harbor(table, columns={"zip": "zip"}).table["zip"]
    changed = {a for a, b in zip(table["zip"], made, strict=True) if a != b}
    assert changed == RESTRICTED_ZIP3
    assert set(made[list(map(int, changed))]) == {"000"}


@pytest.mark.parametrize(
    ("population", "expected"),
    [
        ({"981": 20_001, "021": 20_000}, ["981", "000", "000"]),
        ({"98101": 15_000, "98102": 5_001, "02139": 20_000}, ["981", "000", "000"]),
        ({}, ["000", "000", "000"]),
    ],
)
def test_a_population_decides_where_it_is_given(population, expected):
    table = pd.DataFrame({"zip": [98101, 2139, 3601]})
    made = safe_harbor(table, columns={"zip": "zip"}, zip_population=population)
    assert made.table["zip"].tolist() == expected


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"columns": {"zip": "zipcode"}},
            "column 'zip' is declared as something that is not known",
        ),
        ({"columns": ["zip"]}, "'columns' is a mapping"),
        ({"columns": {"nope": "zip"}}, "no column 'nope'"),
        ({"identifiers": "hash"}, "'identifiers' must be"),
        ({"undeclared": "ignore"}, "'undeclared' must be"),
        ({"coding": "x"}, "'coding' must be"),
        ({"as_of": None}, "'as_of' is needed"),
        ({"zip_population": {98101: 5}}, "1 of its items are none"),
        ({"zip_population": {"981": -5}}, "1 of its items are none"),
        ({"zip_population": {"981": 5, "02139": 5}}, "all of three or all of five digits"),
    ],
)
def test_options_are_checked(options, problem):
    with pytest.raises(OptionError, match=problem):
        safe_harbor(TABLE, **{**OPTIONS, **options})


def test_all_problems_are_told_at_once_without_values():
    table = pd.DataFrame(
        {
            "zip": [MARK, "9810", "98101"],
            "seen": [MARK, "2025-02-30", "2025-01-01"],
            "years": ["44", MARK, "131"],
            "mail": ["x", f"{MARK}@example.org", None],
            "ssn": [MARK] * 3,
        }
    )
    columns = {"zip": "zip", "seen": "date", "years": "age", "ssn": "ssn"}
    with pytest.raises(ProtectionError) as caught:
        safe_harbor(table, columns=columns)
    assert caught.value.problems == (
        "column 'mail' looks like an identifier (email) by its cells and is not declared: 1 cells",
        "column 'ssn' is an identifier (ssn)",
        "column 'zip': 2 values of the data are no ZIP codes (2 rows)",
        "column 'seen': 2 values of the data are no dates as YYYY-MM-DD (2 rows)",
        "column 'years': 2 values of the data are no ages in years (2 rows)",
    )
    text = "".join(traceback.format_exception(caught.value))
    assert MARK not in text
    assert "@example" not in text


@pytest.mark.parametrize(
    ("cells", "identifier", "n"),
    [
        (["call 206-555-0100", "(206) 555-0100", "+44 20 7946 0958", "5551234"], "phone", 3),
        (["123-45-6789", "000-45-6789", "12-345"], "ssn", 1),
        (["see http://x.org/a", "www.example.org", "x.org"], "url", 2),
        (["10.0.0.255", "1.2.3.999", "2001:db8::1", "12:30:45", "1.5"], "ip", 2),
        (["MRN: 0012345", "mrn#A12345", "MRN"], "medical_record", 2),
        (["1M8GDM9AXKP042788", "1M8GDM9A1KP042788"], "vehicle", 1),
        (["4111 1111 1111 1111", "4111111111111112"], "account", 1),
        (["00:1B:44:11:3A:B7"], "device", 1),
        (["on 2024-05-06", "5/6/24", "06.05.2024", "2024", "1/2"], "date", 3),
        (["98101-1234", "12 Elm Street", "100 N Main Ave", "5 apples"], "geography", 3),
        (["a@b.org; c@d.com", "@home"], "email", 1),
    ],
)
def test_identifiers_are_found_in_cells(cells, identifier, n):
    found = undeclared_identifiers(pd.DataFrame({"remark": [*cells, None]}))
    assert [(item.identifier, item.found_in, item.n_cells) for item in found] == [
        (identifier, "cells", n)
    ]


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("PatientName", "name"),
        ("LAST_NAME", "name"),
        ("Home Address", "geography"),
        ("zip5", "geography"),
        ("DOB", "date"),
        ("admissionDate", "date"),
        ("age", "date"),
        ("Phone1 mobile", "phone"),
        ("FAX", "fax"),
        ("e-mail", "email"),
        ("SSN4", "ssn"),
        ("mrn", "medical_record"),
        ("Medicaid", "health_plan"),
        ("acct_no", "account"),
        ("DriversLicense", "license"),
        ("VIN", "vehicle"),
        ("DeviceSerial", "device"),
        ("homepage", "url"),
        ("ip_address", "ip"),
        ("fingerprint", "biometric"),
        ("photo", "photo"),
        ("record_id", "other"),
    ],
)
def test_identifiers_are_found_by_the_name_of_the_column(name, identifier):
    found = undeclared_identifiers(pd.DataFrame({name: [1, 2, None]}))
    assert identifier in {item.identifier for item in found}
    assert {(item.column, item.found_in, item.n_cells) for item in found} == {(name, "name", 2)}
    assert undeclared_identifiers(pd.DataFrame({name: [1]}), declared=[name]) == ()


@pytest.mark.parametrize(
    "name",
    [
        "school_type",
        "program",
        "score",
        "state",
        "stage",
        "percentage",
        "grade",
        "paid",
        "study_id",
        "description",
        "capacity",
    ],
)
def test_ordinary_columns_are_not_suspected(name):
    found = undeclared_identifiers(pd.DataFrame({name: ["low", "high"]}))
    assert found == ()


def test_columns_of_dates_are_found_by_their_type_and_may_be_declared():
    table = pd.DataFrame({"start": pd.to_datetime(["2020-01-01", None]), "x": [1, 2]})
    found = undeclared_identifiers(table)
    assert [(i.column, i.identifier, i.found_in, i.n_cells) for i in found] == [
        ("start", "date", "type", 1)
    ]
    assert safe_harbor(table, columns={}, undeclared="report").report.suspicions == found
    made = safe_harbor(table, columns={"start": "not_identifier"})
    assert made.table.equals(table)


def test_a_table_without_rows():
    table = TABLE.iloc[:0]
    made = safe_harbor(table, **OPTIONS)
    assert list(made.table.columns) == list(EXPECTED)
    assert len(made.table) == 0
