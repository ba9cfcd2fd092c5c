"""Large columns are standardized by compiled kernels as the function for one cell does it."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.agreement import Agreement, ColumnSource, LinkageField, Years
from linkkit.partner.encode import encode
from linkkit.partner.keys import Secret, TokenKey
from linkkit.partner.read import extract_from_frame
from linkkit.partner.standardize import columns as columns_module
from linkkit.partner.standardize import learned, plain_cells
from linkkit.partner.standardize.columns import apply_reader
from linkkit.partner.standardize.names import standard_surname
from linkkit.partner.standardize.readers import ColumnReader, column_reader
from linkkit.synth import youth_partnership

pytest.importorskip("numba")

KINDS = [*plain_cells._WORDS, *plain_cells._CODES, "date", "sex", "email"]
NAMES = (
    "Smith|SMITH|O'Brien|O’Brien|Garcia-Lopez|García López|de la Cruz|Mary Ann|Mary A.|J. R.|J|Dr. Bob|"
    "Robert Jr.|Li|Ng|Nguyễn|McDonald|SmithJr|St. John|Van Dyke|'Bob'|Ann (Nan)|Bob \"Bo\" Lee|3rd|Anne2|"
    "X|xx|zzz|Smith, John|Smith, John A.|SMITH, JOHN JR|John Smith III|Мария|Maria  Jose | Ana|Ana\tLi|"
    "José|Jos\u0065\u0301|Baby Boy|unknown|UNKNOWN|N/A|n/a|test|Test Test|John Doe|NULL|null|none|-|--|.|?|"
    "Son|Baby|Child 2|Male|Mother of two|aka Bob|Ann nee Li|Mr|Mr Mr|Sir John|Jr|Ii|Smith & Jones"
).split("|")
STREETS = (
    "12 Main Street|12 MAIN ST.|1200 North 5th Street, Apt. #4|P.O. Box 12|PO BOX 99|p o box|P O Box 7 Rear|"
    "12 p o boxer rd|Apt 4|Unit 4B, 77 Elm Ave|77-79 Elm Avenue|½ Elm|12 1/2 Elm St|N|North|12 Avenue of the "
    "Stars|Boulevard|12 boulevarx rd|12 St John St|Highway 61 North|no number|12 Número 4|same as above|"
    "general delivery|homeless|123|1-23|12 O'Farrell St|12 O' Farrell|#4|Ft. Hood|12 northeast blvd apt"
).split("|")
DATES = (
    "2009-03-05|2009-3-5|03/05/2009|3/5/2009|13/04/2010|04/13/2010|20090305|03052009|05-Mar-2009|1/1/1900|"
    "01/01/2009|2009-01-01|2009-02-29|2008-02-29|02/29/2008|31/02/2010|9999-12-31|1111-11-11|0009-03-05|"
    "2009-03-05 00:00:00|3/5/2009 0:00|2009.03.05|05.03.2009|2009-03-05T00:00:00|3/5/09|2150-01-02|1753-01-01|"
    "12/25/2009|25/12/2009|2009-13-05|2009/03/05|2009-03/05|40000|March 5, 2009|00/00/0000|0000-00-00"
).split("|")
CODES = (
    "94110|02134|2134|213|94110-1234|941101234|00000|99999|12345|11111|94110.0|9411|SW1A 1AA|K1A 0B1|"
    "415-555-2671|(415) 555-2671|4155552671|1 415 555 2671|+1 (415) 555-2671|415.555.2671 x12|5552671|"
    "4155552671.0|0000000000|1234567890|555-555-5555|4.155552671E9|999-99-9999|123-45-6789|A0012345|"
    "00012345|SSID: 0012|ab|a1|12|1|123-00-1234|666-12-3456|000-12-3456|n/a|none|xxx|x"
).split("|")
OTHERS = "ana@b.org|ANA @B.ORG|a@b|@|m|F|Female|1|x|u|0".split("|")
LISTED = sorted(learned.listed_texts())
HARD = sorted({*NAMES, *STREETS, *DATES, *CODES, *OTHERS, *LISTED, "", " ", "a" * 199, "b" * 300})

cells = st.one_of(
    st.none(),
    st.sampled_from(HARD),
    st.sampled_from(LISTED).map(str.upper),
    st.builds("{} {}".format, st.sampled_from(HARD), st.sampled_from(HARD)),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(HARD),
        st.sampled_from(string.punctuation),
        st.sampled_from(LISTED),
    ),
    st.text("abJS019 '-.,#/()x", max_size=14),
    st.text("0123456789-/ ", min_size=3, max_size=12),
    st.text(max_size=8),
)


@pytest.fixture(autouse=True)
def _compiled_from_the_first_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_cells, "_WORTH_COMPILED", 0)
    monkeypatch.setattr(plain_cells, "_FEWEST_HITS", 1)
    monkeypatch.setattr(plain_cells, "_FEWEST_IN_SAMPLE", 1)
    monkeypatch.setattr(plain_cells, "_FEWEST_OF_SHAPE", 1)
    monkeypatch.setattr(plain_cells, "_N_CHECKED", 1)


def reader(kind: str, values: list[str | None]) -> Callable[[str], Any]:
    return _column_reader(kind, values).read


def _column_reader(kind: str, values: list[str | None]) -> ColumnReader:
    column = pa.array(values, pa.large_string())
    counts = columns_module._counts_by_form(column, plain_cells.cells_of(column), kind)
    years = Years(first=2020, last=2025)
    return column_reader(LinkageField(kind=kind), ColumnSource(column="x"), counts, years=years)


def differences(kind: str, values: list[str | None], read: Callable[[str], Any]) -> list[Any]:
    column = pa.array([None, "x", *values], pa.large_string()).slice(2)
    extract = extract_from_frame(pa.table({"x": pa.array(["."] * max(len(values), 1))}))
    plain = plain_cells.written(read, plain_cells.cells_of(column), kind=kind)
    found, issues = apply_reader(read, column, field="x", extract=extract, found=plain)
    wanted, wanted_issues = apply_reader(read, column, field="x", extract=extract)
    found.validate(full=True)
    pairs = zip(values, found.to_pylist(), wanted.to_pylist(), strict=True)
    differing = [item for item in pairs if item[1] != item[2]]
    assert differing or issues == wanted_issues
    return differing


@pytest.mark.parametrize("kind", KINDS)
def test_hard_cells_beside_each_other_are_what_they_are_alone(kind: str) -> None:
    rng = random.Random(kind)
    values = HARD + [f"{a} {b}" for a in rng.sample(HARD, 40) for b in rng.sample(HARD, 12)]
    values += [text.upper() for text in LISTED] + [f"12 {text} qq" for text in LISTED]
    values += [f"{text}{n}" for text in LISTED[:40] for n in (1, 22)]
    assert not differences(kind, values, reader(kind, values))


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=12)
@given(values=st.lists(cells, min_size=1, max_size=60))
def test_any_column_is_standardized_cell_by_cell(kind: str, values: list[str | None]) -> None:
    assert not differences(kind, values, reader(kind, values))


@pytest.mark.parametrize("kind", ["postal_code", "phone", "identifier", "date"])
def test_what_is_inferred_from_a_column_hangs_on_the_forms_of_its_cells(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(kind)
    numbers = [str(rng.randrange(10**n)).zfill(n) for n in (5, 5, 5, 4, 9, 10) for _ in range(300)]
    days = [
        f"{rng.randint(1, 28)}/{rng.randint(1, 12)}/{rng.randint(1900, 2030)}" for _ in range(300)
    ]
    values = numbers + days + CODES + DATES
    notes = [_column_reader(kind, values).notes]
    assert not differences(kind, values, reader(kind, values))
    monkeypatch.setattr(plain_cells, "_WORTH_COMPILED", 10**9)
    notes += [_column_reader(kind, values).notes]
    assert notes[0] == notes[1]


def test_a_reader_that_is_not_what_was_learned_is_asked_about_each_cell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plain_cells, "_N_CHECKED", 200)

    def read(cell: str) -> Any:
        outcome = standard_surname(cell)
        return outcome._replace(value=f"{outcome.value} changed") if cell == "smith" else outcome

    assert not differences("surname", ["smith", "li"] * 50, read)


def test_plain_cells_are_written_by_kernels() -> None:
    values = {
        "given_name": "Mary Ann", "surname": "O'Brien-Smith", "name": "Mary Smith",
        "street_address": "1200 North 5th Street", "city": "San Jose", "text": "Some Text",
        "postal_code": "94110", "phone": "(415) 562-9271", "identifier": "A 9274",
        "date": "03/05/2009",
    }  # fmt: skip
    for kind, value in values.items():
        column = pa.array([value] * 60, pa.large_string())
        cells = plain_cells.cells_of(column)
        found = plain_cells.written(reader(kind, [value]), cells, kind=kind)
        assert (found.lengths > 0).all(), kind


def test_what_looks_made_up_is_the_same_to_both(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(1)
    values = ["".join(rng.choices("0123456789-", k=rng.randint(1, 12))) for _ in range(3000)]
    from linkkit.partner.standardize import _code_kernels

    data = np.frombuffer("".join(values).encode(), dtype=np.uint8)
    bounds = np.append(0, np.cumsum([len(v) for v in values])).astype(np.int64)
    n = len(values)
    templates = np.arange(24, dtype=np.int16)[None, :].copy()
    out, lengths = np.zeros(24 * n, np.uint8), np.zeros(n, np.int32)
    none = plain_cells._table(["qqqqqqqqqqqqqqqqqqqqqq"])
    _code_kernels.fill_templates(
        data, bounds, np.zeros(n, np.int32), templates, np.ones(1, np.int32), *none, out, lengths
    )
    assert [int(x) < 0 for x in lengths] == [learned.is_dull(value) for value in values]


def test_whole_extracts_are_encoded_alike_by_kernels_and_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from linkkit.partner.encode import hmacs, tokenize

    town = youth_partnership(n_district=60, n_summer=30, n_jobs=20)
    # Passes are random where a salt is missing.
    linkage = {**town.agreement["linkage"], "profile": "field"}
    agreement = Agreement.from_document({**town.agreement, "linkage": linkage})
    secret = Secret.generate()
    keys = {party: TokenKey.generate() for party in town.extracts}

    def encoded() -> list[Any]:
        results = [
            encode(frame, agreement, secret, party=party, token_key=keys[party])
            for party, frame in town.extracts.items()
            if party != "jobs"  # its tokens are random
        ]
        return [
            (r.encodings.to_arrow(), r.encodings.canaries, r.payload.table, str(r.report))
            for r in results
        ]

    by_kernels = encoded()
    for module in (hmacs, tokenize, plain_cells):
        monkeypatch.setattr(module, "_WORTH_COMPILED", 10**9)
    assert encoded() == by_kernels
