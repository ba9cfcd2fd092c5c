"""What leaves a party, what stays, what is set aside, and what is refused."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.agreement import Agreement
from linkkit.errors import (
    AgreementError,
    ExtractError,
    NotAuthorizedError,
    OptionError,
    SecretError,
)
from linkkit.partner.encode import EncodeResult, encode, encoding_spec
from linkkit.partner.encode.payload import _PARSERS, _TYPES
from linkkit.partner.keys import Secret, TokenKey
from linkkit.partner.read import read_extract

Run = Callable[..., EncodeResult]


@pytest.fixture
def pupils() -> pd.DataFrame:
    """Five rows of four pupils, as the district's columns are named."""
    return pd.DataFrame(
        {
            "STUDENT_NO": ["1", "2", "2", "3", "4"],
            "STUDENT NAME": ["Lee, Ana", "Cruz, Bo", "Cruz, Bo", "Diaz, Cy", "Diaz, Di"],
            "DOB": ["03/05/2010", "04/06/2011", "04/06/2011", "", "01/02/2009"],
            "SEX": ["F", "M", "M", "M", "U"],
            "STREET_NO": ["1", "2", "2", "3", "3"],
            "STREET_NAME": ["Elm St", "Oak Ave", "Oak Avenue", "Ash Rd", "Ash Rd"],
            "ZIP": ["94110", "94111", "94111", "2134", "2134"],
            "PHONE": ["415-555-2671", None, "415-555-0101", "", "call mom"],
            "SCHOOL_YR": ["2023-24", "2023-24", "2024-25", "2025", "2024"],
            "Att. %": ["95%", "88.5", "1,000", "N/A", "most"],
            "RACE": ["A", "B", "B", "", "Unknown"],
            "NOTES": ["x", "y", "z", "", ""],
        }
    )


@pytest.fixture
def run(agreement: Agreement, secret: Secret, token_key_of: Callable[[str], TokenKey]) -> Run:
    def run(frame: Any, **options: Any) -> EncodeResult:
        options = {"party": "district", "token_key": token_key_of("district")} | options
        return encode(frame, options.pop("agreement", agreement), secret, **options)

    return run


def tokens_by_id(result: EncodeResult) -> dict[str, str]:
    frame = result.token_map.to_pandas()
    return dict(zip(frame["record_id"], frame["token"], strict=True))


def column(result: EncodeResult, name: str, record_id: str) -> list[Any]:
    token = tokens_by_id(result)[record_id]
    rows = result.payload.table.to_pylist()
    return [row[name] for row in rows if row["token"].hex() == token]


# --- Encodings -------------------------------------------------------------------------------


def test_a_missing_field_is_absent_and_has_no_bits(run: Run, pupils: pd.DataFrame) -> None:
    result = run(pupils)
    dates = result.encodings.filters["birth_date"]
    row = [bytes(t).hex() for t in result.encodings.tokens].index(tokens_by_id(result)["3"])
    assert not dates.present[row]
    assert not dates.words[row].any()
    assert dates.present.sum() == 3
    assert dates.words[dates.present].any(axis=1).all()


def test_equal_values_have_equal_filters_and_others_have_others(
    run: Run, pupils: pd.DataFrame
) -> None:
    result = run(pupils)
    tokens = [bytes(t).hex() for t in result.encodings.tokens]
    at = {record_id: tokens.index(token) for record_id, token in tokens_by_id(result).items()}
    names = result.encodings.filters["surname"].words
    assert np.array_equal(names[at["3"]], names[at["4"]])
    assert not np.array_equal(names[at["1"]], names[at["2"]])


def test_a_field_missing_in_all_records_is_absent_everywhere(
    run: Run, pupils: pd.DataFrame
) -> None:
    result = run(pupils.assign(ZIP=None))
    assert not result.encodings.filters["postal_code"].present.any()
    assert result.report.missing["postal_code"] == 4


def test_a_field_that_the_party_does_not_have_is_absent(
    agreement: Agreement, secret: Secret
) -> None:
    frame = pd.DataFrame(
        {"FirstName": ["Ana"], "LastName": ["Li"], "BirthDate": ["2010-03-05"],
         "Mobile": ["4155552671"], "Hours": [3]}
    )  # fmt: skip
    result = encode(frame, agreement, secret, party="jobs")
    assert not result.encodings.filters["sex"].present.any()
    assert set(result.encodings.filters) == set(agreement.linkage.fields)


def test_another_secret_agreement_or_field_gives_other_bits(
    run: Run, pupils: pd.DataFrame, agreement_document: dict[str, Any], secret: Secret,
    token_key_of: Callable[[str], TokenKey],
) -> None:  # fmt: skip
    def names(result: EncodeResult) -> bytes:
        return result.encodings.filters["given_name"].words.tobytes()

    first = run(pupils)
    agreement_document["id"] = "alder-bend-2027"
    amended = Agreement.from_document(agreement_document)
    other_agreement = run(pupils, agreement=amended)
    other_secret = encode(
        pupils, amended, Secret.generate(), party="district", token_key=token_key_of("district")
    )
    assert names(first) == names(run(pupils))
    assert len({names(r) for r in (first, other_agreement, other_secret)}) == 3
    assert len({r.encodings.key_check for r in (first, other_agreement, other_secret)}) == 3


def test_the_spec_is_the_same_at_every_party(
    run: Run, pupils: pd.DataFrame, agreement: Agreement
) -> None:
    assert run(pupils).encodings.spec == encoding_spec(agreement)


@pytest.mark.parametrize("make", [lambda x: x, pl.from_pandas, pa.Table.from_pandas])
def test_every_kind_of_frame_is_encoded_alike(
    run: Run, pupils: pd.DataFrame, make: Callable[[pd.DataFrame], Any]
) -> None:
    assert run(make(pupils)).encodings.to_arrow().equals(run(pupils).encodings.to_arrow())


def test_a_path_an_extract_and_a_frame_are_encoded_alike(
    run: Run, pupils: pd.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "made-up.csv"
    pupils.to_csv(path, index=False)
    by_frame = run(pupils).encodings.to_arrow()
    assert run(path).encodings.to_arrow().equals(by_frame)
    assert run(read_extract(path)).encodings.to_arrow().equals(by_frame)


def test_encodings_do_not_depend_on_row_order(run: Run, pupils: pd.DataFrame) -> None:
    one, other = run(pupils), run(pupils.sample(frac=1, random_state=1))
    assert one.encodings.to_arrow().equals(other.encodings.to_arrow())
    assert one.report.missing == other.report.missing


def test_payload_does_not_depend_on_row_order(run: Run, pupils: pd.DataFrame) -> None:
    assert run(pupils).payload.table.equals(run(pupils.iloc[::-1]).payload.table)


# --- Tokens ----------------------------------------------------------------------------------


def test_tokens_are_stable_under_a_token_key(run: Run, pupils: pd.DataFrame) -> None:
    first = tokens_by_id(run(pupils))
    assert tokens_by_id(run(pupils.tail(2))).items() <= first.items()
    assert len(set(first.values())) == 4


def test_tokens_differ_by_agreement_party_and_key(
    run: Run, pupils: pd.DataFrame, agreement_document: dict[str, Any]
) -> None:
    parties = agreement_document["parties"]
    parties["annex"] = copy.deepcopy(parties["district"])
    two = Agreement.from_document(agreement_document)
    agreement_document["id"] = "alder-bend-2027"
    later = Agreement.from_document(agreement_document)
    seen = [
        tokens_by_id(run(pupils, **options))["1"]
        for options in (
            {"agreement": two},
            {"agreement": two, "party": "annex"},
            {"agreement": later},
            {"agreement": two, "token_key": TokenKey.generate()},
        )
    ]
    assert len(set(seen)) == 4
    assert tokens_by_id(run(pupils))["1"] == seen[0]


def test_tokens_are_random_without_a_key_or_without_ids(
    run: Run, pupils: pd.DataFrame, agreement_document: dict[str, Any]
) -> None:
    assert tokens_by_id(run(pupils, token_key=None)) != tokens_by_id(run(pupils, token_key=None))
    del agreement_document["parties"]["district"]["record_id"]
    nameless = Agreement.from_document(agreement_document)
    results = [run(pupils, agreement=nameless) for _ in range(2)]
    assert results[0].encodings.tokens.tobytes() != results[1].encodings.tokens.tobytes()
    assert [len(r.encodings) for r in results] == [5, 5]


def test_records_travel_in_the_order_of_their_tokens(run: Run, pupils: pd.DataFrame) -> None:
    result = run(pupils)
    tokens = [bytes(token) for token in result.encodings.tokens]
    assert tokens == sorted(tokens)
    assert [row["token"] for row in result.payload.table.to_pylist()] == sorted(
        row["token"] for row in result.payload.table.to_pylist()
    )


# --- Records ---------------------------------------------------------------------------------


def test_rows_with_one_id_are_one_record_with_several_payload_rows(
    run: Run, pupils: pd.DataFrame
) -> None:
    result = run(pupils)
    assert (len(result.encodings), len(result.payload), result.report.n_repeated) == (4, 5, 1)
    assert sorted(column(result, "attendance_rate", "2")) == [88.5, 1000.0]


def test_the_most_complete_row_of_a_record_is_encoded(run: Run, pupils: pd.DataFrame) -> None:
    assert run(pupils).report.missing["phone"] == 2


def test_an_id_shared_by_different_birth_dates_is_set_aside(run: Run, pupils: pd.DataFrame) -> None:
    result = run(pupils.assign(DOB=["03/05/2010", "04/06/2011", "04/07/2011", "", ""]))
    assert [item.row for item in result.set_aside] == [2, 3]
    assert "different dates of birth" in result.set_aside[0].reason
    assert len(result.encodings) == 3
    assert len(result.payload) == 3
    assert result.report.n_set_aside == {result.set_aside[0].reason: 2}
    assert result.encodings.counts == {"n_records": 3, "n_set_aside": 2}


@pytest.mark.parametrize("filler", ["N/A", "nan", "NULL", "unknown", "-"])
def test_a_filler_in_the_id_column_is_no_id(run: Run, pupils: pd.DataFrame, filler: str) -> None:
    everyone = pupils.assign(**{"STUDENT NAME": "Lee, Ana", "DOB": "03/05/2010"})
    result = run(everyone.assign(STUDENT_NO=filler))
    assert len(result.encodings) == 5
    assert result.token_map.to_pandas()["record_id"].isna().all()
    assert len(run(everyone.assign(STUDENT_NO="7")).encodings) == 1


def test_an_id_shared_by_names_without_a_word_in_common_is_set_aside(
    run: Run, pupils: pd.DataFrame
) -> None:
    names = ["Lee, Ana", "Cruz, Bo", "Diaz, Eve", "Diaz, Cy", "Diaz, Di"]
    result = run(pupils.assign(**{"STUDENT NAME": names}))
    assert [(item.row, item.reason) for item in result.set_aside] == [
        (row, "the record id is shared by rows with different names") for row in (2, 3)
    ]
    names[2] = "Cruz-Diaz, Eve"
    assert len(run(pupils.assign(**{"STUDENT NAME": names})).encodings) == 4


def test_blank_ids_are_records_of_their_own(run: Run, pupils: pd.DataFrame) -> None:
    result = run(pupils.assign(STUDENT_NO=["", None, " ", "3", "4"]))
    assert len(result.encodings) == 5


def test_ids_that_became_floats_keep_their_tokens(run: Run, pupils: pd.DataFrame) -> None:
    floats = pupils.assign(STUDENT_NO=pupils["STUDENT_NO"].astype(float))
    assert tokens_by_id(run(floats)) == tokens_by_id(run(pupils))


def test_a_row_with_too_little_to_link_by_is_set_aside(run: Run, pupils: pd.DataFrame) -> None:
    blank = pupils.copy()
    blank.loc[4, ["STUDENT NAME", "DOB", "STREET_NO", "STREET_NAME", "PHONE"]] = None
    result = run(blank)
    assert [(item.row, item.reason) for item in result.set_aside] == [
        (5, "fewer than 2 linkage fields to link by")
    ]
    assert "4" not in tokens_by_id(result)


def test_ragged_rows_are_counted_among_those_set_aside(
    run: Run, pupils: pd.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "made-up.csv"
    path.write_text(pupils.to_csv(index=False) + "9,too few\n", encoding="utf-8")
    result = run(path)
    assert [item.row for item in result.set_aside] == [6]
    assert result.report.n_rows == 6
    assert result.encodings.counts["n_set_aside"] == 1


def test_no_record_to_link_is_an_error_with_a_count(run: Run, pupils: pd.DataFrame) -> None:
    names = ["STUDENT NAME", "DOB", "STREET_NO", "STREET_NAME", "PHONE", "ZIP"]
    with pytest.raises(ExtractError, match="none of the 5 rows"):
        run(pupils.assign(**dict.fromkeys(names)))


def test_a_file_of_ragged_rows_says_so(run: Run, pupils: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "made-up.csv"
    path.write_text(",".join(pupils.columns) + "\n1,2\n3,4\n", encoding="utf-8")
    with pytest.raises(ExtractError, match="none of the 2 rows can be read.* 2 cells where"):
        run(path)


# --- Payload ---------------------------------------------------------------------------------


def test_payload_is_parsed_to_its_type_and_what_cannot_be_is_reported(
    run: Run, pupils: pd.DataFrame
) -> None:
    result = run(pupils)
    assert column(result, "attendance_rate", "1") == [95.0]
    assert column(result, "attendance_rate", "3") == [None]
    assert column(result, "race_ethnicity", "1") == ["A"]
    assert column(result, "race_ethnicity", "3") == [None]
    found = {(x.field, x.rule): x.rows for x in result.report.issues}
    assert found["attendance_rate", "not a number"] == (5,)
    assert found["attendance_rate", "placeholder"] == (4,)


def test_a_category_is_a_word_and_not_a_text(run: Run, pupils: pd.DataFrame) -> None:
    cells = {"1": "B" * 256, "2": f"  {'B' * 256} ", "3": "B" * 257}
    result = run(pupils.assign(RACE=[cells.get(x, "A") for x in pupils["STUDENT_NO"]]))
    assert column(result, "race_ethnicity", "1") == ["B" * 256]
    assert column(result, "race_ethnicity", "2") == ["B" * 256] * 2
    assert column(result, "race_ethnicity", "3") == [None]
    found = {(x.field, x.rule) for x in result.report.issues}
    assert ("race_ethnicity", "longer than 256 characters") in found


@pytest.mark.parametrize(
    ("cells", "formats", "days"),
    [
        (
            ["2010-03-05", "20110406", "2011-04-06", "", "2009-01-02 00:00:00"],
            None,
            [dt.date(2010, 3, 5), dt.date(2011, 4, 6), None, dt.date(2009, 1, 2)],
        ),
        (
            ["05.03.2010", "06.04.2011", "06.04.2011", "x", "2009-01-02"],
            ["%d.%m.%Y"],
            [dt.date(2010, 3, 5), dt.date(2011, 4, 6), None, None],
        ),
    ],
)
def test_dates_are_read_as_stated_or_year_first(  # noqa: PLR0917
    run: Run,
    pupils: pd.DataFrame,
    agreement_document: dict[str, Any],
    cells: list[str],
    formats: list[str] | None,
    days: list[dt.date | None],
) -> None:
    document = copy.deepcopy(agreement_document)
    document["variables"]["entry"] = {"type": "date", "combine": "min"}
    source = {"column": "ENTRY"} | ({"formats": formats} if formats else {})
    document["parties"]["district"]["payload"]["entry"] = source
    result = run(pupils.assign(ENTRY=cells), agreement=Agreement.from_document(document))
    assert result.payload.table.schema.field("entry").type == pa.date32()
    assert [column(result, "entry", i)[0] for i in "1234"] == days
    n_unread = sum(x.count for x in result.report.issues if x.field == "entry")
    assert n_unread == (2 if formats else 0)


def test_derived_payload_is_coarser_than_its_field(run: Run, pupils: pd.DataFrame) -> None:
    result = run(pupils)
    assert column(result, "birth_year", "1") == [2010]
    assert column(result, "birth_year", "3") == [None]
    assert column(result, "zip3", "3") == ["021"]
    assert column(result, "sex", "4") == [None]
    assert column(result, "year", "1") == [2023]


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("95%", 95.0),
        ("$1,234.50", 1234.5),
        ("-5", -5.0),
        ("1e3", 1000.0),
        (" 12 % ", 12.0),
        ("inf", None),
        ("nan", None),
        ("0x10", None),
        ("9" * 400, None),
        ("(5)", None),
        ("87,5", None),
        ("1,2,3", None),
        ("1,2345", None),
        ("1_000", None),
        ("٣", 3.0),
        ("5.", 5.0),
        (".5", 0.5),
        (".%", None),
        ("$.", None),
        ("-.e5", None),
        ("e5", None),
        ("$%", None),
    ],
)
def test_a_number_is_read_or_reported_but_never_guessed(
    run: Run, pupils: pd.DataFrame, cell: str, number: float | None
) -> None:
    result = run(pupils.assign(**{"Att. %": cell}))
    assert column(result, "attendance_rate", "1") == [number]
    assert (number is None) == any(x.field == "attendance_rate" for x in result.report.issues)


@pytest.mark.parametrize(
    ("cell", "number"),
    [("12", 12), ("12.0", 12), ("1e3", 1000), ("9007199254740991", 2**53 - 1),
     ("9007199254740993", None), ("0.5", None), ("9" * 30, None), (".%", None)],
)  # fmt: skip
def test_a_whole_number_is_read_exactly_or_reported(
    run: Run, pupils: pd.DataFrame, agreement_document: dict[str, Any], cell: str,
    number: int | None,
) -> None:  # fmt: skip
    agreement_document["variables"]["attendance_rate"]["type"] = "integer"
    whole = Agreement.from_document(agreement_document)
    result = run(pupils.assign(**{"Att. %": cell}), agreement=whole)
    assert column(result, "attendance_rate", "1") == [number]
    assert (number is None) == any(x.field == "attendance_rate" for x in result.report.issues)


@settings(deadline=None)
@given(cell=st.text("0123456789.,eE+-$%() ٣", max_size=14) | st.floats().map(repr))
def test_any_cell_is_a_number_or_none_and_no_error(cell: str) -> None:
    for kind, parse in _PARSERS.items():
        value = parse(cell).value
        assert value is None or pa.scalar(value).cast(_TYPES[kind]).is_valid


def test_payload_of_rows_set_aside_stays_home(run: Run, pupils: pd.DataFrame) -> None:
    blank = pupils.copy()
    blank.loc[4, ["STUDENT NAME", "DOB", "STREET_NO", "STREET_NAME", "PHONE"]] = None
    assert len(run(blank).payload) == 4


def test_only_agreed_columns_leave(run: Run, pupils: pd.DataFrame, agreement: Agreement) -> None:
    result = run(pupils)
    assert set(result.payload.variables) == set(agreement.parties["district"].payload)
    assert set(result.encodings.to_arrow().column_names) == {"token", *agreement.linkage.fields}
    assert result.report.columns_left == ("NOTES",)


# --- Refusals --------------------------------------------------------------------------------


def test_rows_outside_the_agreed_years_are_refused_by_clause(
    run: Run, pupils: pd.DataFrame
) -> None:
    years = ["2023-24", "2022-23", "2024", "2026", "2025"]
    with pytest.raises(NotAuthorizedError, match=r"2 rows .* 2023 to 2025 \(rows 2, 4\)") as caught:
        run(pupils.assign(SCHOOL_YR=years))
    assert caught.value.clause == "years"


@pytest.mark.parametrize("year", ["FY99", "98-99", "19981999", "'22", "last", "", None])
def test_a_row_without_a_year_that_can_be_read_is_set_aside(
    run: Run, pupils: pd.DataFrame, year: str | None
) -> None:
    result = run(pupils.assign(SCHOOL_YR=["2023", "2023", "2023", year, "2023"]))
    assert [(x.row, x.reason) for x in result.set_aside] == [(4, "no year to be read")]
    assert "3" not in tokens_by_id(result)
    assert len(result.payload) == 4
    assert result.payload.table["year"].null_count == 0


def test_a_party_nobody_agreed_on_is_refused_by_clause(run: Run, pupils: pd.DataFrame) -> None:
    with pytest.raises(NotAuthorizedError, match="no party 'winter'") as caught:
        run(pupils, party="winter")
    assert caught.value.clause == "parties"
    assert "district" in caught.value.hint


def test_work_after_the_destroy_by_date_is_refused_by_clause(
    run: Run, pupils: pd.DataFrame
) -> None:
    with pytest.raises(NotAuthorizedError, match="had to be destroyed") as caught:
        run(pupils, today=dt.date(3000, 1, 1))
    assert caught.value.clause == "destroy_by"


def test_missing_columns_are_named_all_at_once(run: Run, pupils: pd.DataFrame) -> None:
    gone = ["STUDENT_NO", "DOB", "SCHOOL_YR", "RACE"]
    with pytest.raises(ExtractError, match="is missing") as caught:
        run(pupils.drop(columns=gone))
    assert {name for name in gone if f"'{name}'" in str(caught.value)} == set(gone)


def test_a_file_without_a_header_does_not_show_its_first_row(
    run: Run, pupils: pd.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "made-up.csv"
    people = pupils.assign(**{"STUDENT NAME": "Zqxmarker, Ana", "STREET_NO": "12"})
    people.to_csv(path, index=False, header=False)
    with pytest.raises(ExtractError, match="is missing") as caught:
        run(path)
    assert "Zqxmarker" not in str(caught.value)


def test_a_first_row_of_other_cells_is_not_shown_either(run: Run, pupils: pd.DataFrame) -> None:
    frame = pupils[["STUDENT NAME", "DOB"]].set_axis(["Zqxmarker, Ana", "03/05/2010"], axis=1)
    with pytest.raises(ExtractError, match="is missing") as caught:
        run(frame)
    assert "Zqxmarker" not in str(caught.value)
    assert "row taken for the header has 2 cells" in caught.value.hint


@pytest.mark.parametrize("key", [b"x" * 32, "see.key", None, TokenKey(bytes(range(32)))])
def test_only_a_secret_is_a_secret(pupils: pd.DataFrame, agreement: Agreement, key: Any) -> None:
    with pytest.raises(SecretError, match=f"must be a Secret, not {type(key).__name__}"):
        encode(pupils, agreement, key, party="district")


@pytest.mark.parametrize("key", [b"x" * 32, "see.key", Secret(bytes(range(32)))])
def test_only_a_token_key_is_a_token_key(run: Run, pupils: pd.DataFrame, key: Any) -> None:
    with pytest.raises(SecretError, match=f"must be a TokenKey, not {type(key).__name__}"):
        run(pupils, token_key=key)


def test_a_document_is_no_agreement(
    pupils: pd.DataFrame, agreement_document: dict[str, Any], secret: Secret
) -> None:
    with pytest.raises(OptionError, match="must be an Agreement, not dict"):
        encode(pupils, agreement_document, secret, party="district")


@pytest.mark.parametrize("thing", [None, 5, ["a"], {"a": 1}])
def test_what_is_no_extract_is_refused(run: Run, thing: Any) -> None:
    with pytest.raises(ExtractError, match="not a table"):
        run(thing)


def test_options_of_another_type_are_refused(run: Run, pupils: pd.DataFrame) -> None:
    with pytest.raises(OptionError, match="'party' is the name of a party, not list"):
        run(pupils, party=["district"])
    with pytest.raises(OptionError, match="'today' is a datetime.date, not str"):
        run(pupils, today="2026-01-01")
    with pytest.raises(OptionError, match="'today' is a datetime.date, not datetime"):
        run(pupils, today=dt.datetime(2026, 1, 1))


@pytest.mark.parametrize("formats", [["%Q"], ["%d/%m/%Y", "%"], ["no date"], ["%d/%m"]])
def test_a_date_format_that_there_is_not_is_refused_in_the_agreement(
    agreement_document: dict[str, Any], formats: list[str]
) -> None:
    source = agreement_document["parties"]["district"]["linkage_fields"]["birth_date"]
    source["formats"] = formats
    with pytest.raises(AgreementError, match="formats"):
        Agreement.from_document(agreement_document)


# --- What is shown ---------------------------------------------------------------------------


def test_the_report_has_counts_and_rows_and_no_value(run: Run, pupils: pd.DataFrame) -> None:
    result = run(pupils)
    text = str(result.report) + repr(result.report)
    assert "5 rows read, 4 records encoded" in text
    own = {str(cell) for name in ("STUDENT NAME", "DOB", "PHONE", "STREET_NAME", "Att. %")
           for cell in pupils[name] if cell}  # fmt: skip
    assert not [cell for cell in own if cell in text]


def test_the_token_map_is_saved_for_its_owner_only(
    run: Run, pupils: pd.DataFrame, tmp_path: Path
) -> None:
    path = run(pupils).token_map.save(tmp_path / "map.csv")
    assert path.stat().st_mode & 0o077 == 0
    assert list(pd.read_csv(path).columns) == ["token", "record_id", "row"]


def test_results_are_frozen(run: Run, pupils: pd.DataFrame) -> None:
    result = run(pupils)
    with pytest.raises(AttributeError):
        result.payload = None  # type: ignore[misc]
