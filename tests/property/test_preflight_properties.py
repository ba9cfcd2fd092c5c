"""The preflight: no order of rows changes a figure, and all figures are shares and counts."""

import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import linkkit as lk
from linkkit.agreement import Agreement

NAMES = ["", "ana", "bo li", "cleo", "édith", "de la cruz", "n/a"]
people = st.lists(
    st.fixed_dictionaries(
        {
            "given_name": st.sampled_from(NAMES),
            "surname": st.sampled_from(NAMES),
            "birth_date": st.sampled_from(["", "2001-02-03", "2001-12-03", "1999-01-31", "x"]),
            "sex": st.sampled_from(["", "F", "M"]),
            "postal_code": st.sampled_from(["", "77001", "77002", "02139"]),
        }
    ),
    min_size=1,
    max_size=40,
)


@pytest.fixture(scope="module", params=["field", "standard"])
def agreement(request, plain_agreement):
    document = plain_agreement().model_dump(mode="json", exclude_defaults=True)
    document["linkage"]["profile"] = request.param
    return Agreement.from_document(document)


@given(people, st.randoms(use_true_random=False), st.integers(3, 60))
@settings(deadline=None, max_examples=40)
def test_the_order_of_rows_changes_nothing(agreement, rows, random, n_sampled):
    rows = [{"id": f"r{i}", **row} for i, row in enumerate(rows)]
    # Somebody who can be linked, so that there is always a record.
    rows.append({"id": "last", "given_name": "dora", "surname": "vo", "birth_date": "2002-03-04",
                 "sex": "F", "postal_code": "77003"})  # fmt: skip
    mixed = rows.copy()
    random.shuffle(mixed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("linkkit.partner.preflight.run.SAMPLE", n_sampled)
        one = lk.preflight(pd.DataFrame(rows), agreement, party="north")
        other = lk.preflight(pd.DataFrame(mixed), agreement, party="north")
    assert one == other
    assert json.dumps(one.to_dict()) == json.dumps(other.to_dict())
    check_ranges(one)


def check_ranges(report):
    n = report.n_records
    assert 0 <= report.joint.entropy_bits <= report.joint.possible_bits + 1e-9
    assert 0 <= report.joint.look_alikes <= n - 1
    for item in report.fields:
        assert 0 <= item.share_unique <= 1
        assert 0 <= item.share_missing <= 1
        assert item.n_distinct <= item.n_present <= n
        assert item.entropy_bits <= report.joint.entropy_bits + 1e-9 or item.share_missing
    alone = [pair.share_unique for pair in report.joint.pairs]
    assert alone == sorted(alone, reverse=True)
    assert all(share <= report.joint.share_unique for share in alone)
    assert all(share <= report.joint.share_unique for share in report.joint.without.values())
    for item in report.passes:
        assert item.n_groups <= item.n_records <= n
        assert 0 <= item.concentration <= 1
        assert item.known_in_group[50] <= 50
    assert sum(report.n_with_passes) in (0, n)
    for item in report.exposures:
        assert 0 <= item.share_by_listed_rank <= 1
        assert 0 <= item.share_by_rank <= 1
    assert all(0 <= item.low <= item.mean <= 1 for item in report.fills if item.n_records == 1)
