"""What is compared of a date that is none, and that nothing else sees it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from linkkit.agreement import Years
from linkkit.exchange import PassSpec, SaltField
from linkkit.linkage.classify.known_labels import verdicts
from linkkit.linkage.labels import LabelledPairs
from linkkit.partner.encode.kinds import date_parts
from linkkit.partner.encode.salts import salt_codes
from linkkit.partner.standardize.dates import inferred_dates, stated_dates

YEARS = Years(first=2020, last=2025)


@pytest.mark.parametrize(
    ("cell", "compared"),
    [
        ("2010-02-31", "20100231"),
        ("2972-12-22", "29721222"),
        ("2010-29-01", "20100129"),
        ("20101305", "20100513"),
        ("12-o5-1944", "19441205"),
        ("05-1q-1983", "1983051?"),
        ("1985-00-00", "1985????"),
        ("99/99/1985", "1985????"),
        ("3/5/198", "19??0305"),
        ("31 feb 2010", "20100231"),
        ("2010-03-05", None),
        ("1900-01-01", None),
        ("l900-0l-0l", None),
        ("00/00/0000", None),
        ("unknown", None),
        ("Ana", None),
        ("12:30", None),
        ("", None),
    ],
)
def test_a_damaged_date_is_compared_by_what_can_be_read(cell, compared):
    reader = inferred_dates({cell: 1, "12/31/2010": 3}, years=YEARS)
    assert reader.damaged(cell) == compared
    if compared is not None:
        assert reader.read(cell).value is None


def test_a_stated_format_says_whether_the_day_is_first():
    assert stated_dates(["%d/%m/%Y"], years=YEARS).damaged("03/05/2o10") == "20100503"
    assert stated_dates(["%m/%d/%Y"], years=YEARS).damaged("03/05/2o10") == "20100305"


def test_what_cannot_be_read_is_in_no_token_and_in_no_salt():
    assert not [token for token in date_parts("19??05?1") if "?" in token]
    year = PassSpec(
        name="a", salt=(SaltField(name="d", part="year"),), n_bits=1024, n_inputs=1, fields=()
    )
    salts, codes = salt_codes({"d": pa.array(["1985????", "19??0305"])}, year)
    assert [salts[codes[0]], codes[1]] == ["1985", -1]


def test_labels_are_found_among_pairs():
    labels = LabelledPairs(
        left=np.array([0, 2]), right=np.array([5, 3]), same=np.array([True, False])
    )
    left, right = np.array([0, 1, 2]), np.array([5, 2, 3])
    assert verdicts(left, right, labels).tolist() == [1, 0, -1]
    assert verdicts(left, right, None).tolist() == [0, 0, 0]
