"""Safe Harbor, whatever the data: nothing that the rule forbids is left, and missing stays missing."""

import datetime as dt

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.steward.protect.presets import RESTRICTED_ZIP3, safe_harbor, safe_harbor_ways

COLUMNS = {
    "zip": "zip",
    "seen": "date",
    "born": "birth_date",
    "year": "birth_year",
    "age": "age",
    "mrn": "medical_record",
}
DAYS = st.dates(dt.date(1900, 1, 1), dt.date(2026, 1, 1))
ROW = st.fixed_dictionaries(
    {
        "zip": st.none() | st.integers(0, 99_999).map(lambda n: f"{n:05}"),
        "seen": st.none() | DAYS,
        "born": st.none() | DAYS.map(dt.date.isoformat),
        "year": st.none() | st.integers(1900, 2026),
        "age": st.none() | st.integers(0, 125),
        "mrn": st.text(max_size=5),
    }
)


@given(
    rows=st.lists(ROW, min_size=1, max_size=20),
    as_of=st.dates(dt.date(2020, 1, 1), dt.date(2030, 1, 1)),
)
@settings(deadline=None)
@pytest.mark.parametrize("coding", ["labels", "numbers"])
def test_nothing_is_left_that_the_rule_forbids(coding, rows, as_of):
    table = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    made = safe_harbor(table, columns=COLUMNS, identifiers="drop", as_of=as_of, coding=coding).table
    assert "mrn" not in made.columns
    earliest = as_of.year - 90
    for name in made.columns:
        assert made[name].isna().tolist() == [x is None for x in table[name]]
    shown = {name: made[name].dropna().tolist() for name in made.columns}
    assert not set(shown["zip"]) & RESTRICTED_ZIP3
    assert all(len(code) == 3 for code in shown["zip"])
    assert all(1900 <= year <= 2026 for year in shown["seen"])
    if coding == "numbers":
        assert max(shown["age"], default=0) <= 90
        assert min([*shown["born"], *shown["year"]], default=earliest) >= earliest
    else:
        assert all(age == "90+" or int(age) < 90 for age in shown["age"])
        for text in [*shown["born"], *shown["year"]]:
            assert text == f"{earliest} or earlier" or int(text) > earliest
    assert set(safe_harbor_ways(COLUMNS, as_of=as_of)) == set(COLUMNS) - {"mrn"}
