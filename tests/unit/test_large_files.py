"""Large made-up files: the same for a seed, as large and as wrong as stated, true to their truth."""

from __future__ import annotations

import importlib.util

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.agreement import Agreement
from linkkit.errors import DependencyError, OptionError
from linkkit.synth import LARGE_FIELDS, large_agreement, large_files, name_tables
from linkkit.synth import large as large_module
from linkkit.synth.slips import mistype

FIELDS = list(LARGE_FIELDS)


def rows_of(table: pa.Table) -> list[tuple[str | None, ...]]:
    return list(zip(*(table.column(name).to_pylist() for name in FIELDS), strict=True))


def test_the_same_seed_makes_the_same_files_and_another_seed_others():
    one, same = large_files(400, seed=3), large_files(400, seed=3)
    for party in one.parties:
        assert one.table(party).equals(same.table(party))
        assert (one.person(party) == same.person(party)).all()
        assert (one.altered(party) == same.altered(party)).all()
        assert not one.table(party).equals(large_files(400, seed=4).table(party))


def test_a_file_is_the_same_whether_read_at_once_in_pieces_or_from_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(large_module, "_PIECE", 70)
    files = large_files(200, seed=1)
    whole = files.table("party_2")
    assert [piece.num_rows for piece in files.pieces("party_2")] == [70, 70, 60]
    assert pa.concat_tables(files.pieces("party_2")).equals(whole)
    # In another order, too: no piece depends on what was made before.
    files.table("party_1")
    assert files.table("party_2").equals(whole)
    paths = files.write(tmp_path / "new")
    assert pq.read_table(paths["party_2"]).equals(whole)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "party_1.parquet",
        "party_2.parquet",
    ]


def test_rows_are_numbered_and_have_all_fields():
    table = large_files(600, seed=2).table("party_1")
    assert table.column_names == ["record_id", *FIELDS]
    assert table.column("record_id").to_pylist() == [str(i) for i in range(600)]
    assert set(table.schema.types) == {pa.string()}


@pytest.mark.parametrize("n_parties", [2, 3, 5])
@pytest.mark.parametrize("overlap", [0.0, 0.31, 1.0])
def test_as_many_people_are_in_all_files_as_stated(n_parties, overlap):
    n = 300
    files = large_files(n, n_parties=n_parties, overlap=overlap, seed=5)
    people = [set(files.person(party).tolist()) for party in files.parties]
    assert files.parties == tuple(f"party_{i + 1}" for i in range(n_parties))
    assert all(len(one) == n for one in people)
    n_both = round(overlap * n)
    assert len(set.intersection(*people)) == n_both
    assert len(set.union(*people)) == n_both + n_parties * (n - n_both)


def test_matches_are_the_rows_of_one_person():
    files = large_files(2_000, n_parties=3, overlap=0.4, errors=0.5, seed=6)
    for left, right in (("party_1", "party_2"), ("party_3", "party_2")):
        found = files.matches(left, right)
        assert found.left.dtype == found.right.dtype == np.int64
        assert (np.diff(found.left) > 0).all()
        assert (files.person(left)[found.left] == files.person(right)[found.right]).all()
        assert len(found.left) == 800
        either = files.altered(left)[found.left] | files.altered(right)[found.right]
        assert (found.with_errors == either).all()
    assert not files.altered("party_1").any()
    assert files.matches("party_1", "party_3").with_errors.mean() == pytest.approx(0.5, abs=0.06)


def test_rows_with_errors_differ_in_one_or_two_fields_and_others_in_none():
    files = large_files(4_000, overlap=1, errors=0.3, missing=0, seed=7)
    true = files.matches(*files.parties)
    left = rows_of(files.table("party_1").take(true.left))
    right = rows_of(files.table("party_2").take(true.right))
    differing = np.array(
        [sum(a != b for a, b in zip(x, y, strict=True)) for x, y in zip(left, right, strict=True)]
    )
    assert (differing[~true.with_errors] == 0).all()
    assert set(differing[true.with_errors].tolist()) == {1, 2}
    assert (differing == 2).sum() / (differing > 0).sum() == pytest.approx(0.5, abs=0.06)
    assert true.with_errors.mean() == pytest.approx(0.3, abs=0.04)
    # All fields are hit, and some cells are emptied.
    for place, name in enumerate(FIELDS):
        assert any(x[place] != y[place] for x, y in zip(left, right, strict=True)), name
    empty = sum(cell is None for row in right for cell in row)
    assert empty / differing.sum() == pytest.approx(0.10, abs=0.03)
    assert not any(cell is None for row in left for cell in row)


def test_cells_are_missing_as_stated():
    table = large_files(20_000, missing=0.1, seed=8).table("party_1")
    for name in FIELDS:
        assert table.column(name).null_count / 20_000 == pytest.approx(0.1, abs=0.01)
    none = large_files(300, missing=0, errors=0).table("party_2")
    assert all(none.column(name).null_count == 0 for name in FIELDS)
    everything = large_files(30, missing=1).table("party_1")
    assert all(everything.column(name).null_count == 30 for name in FIELDS)


@pytest.mark.parametrize("overlap", [0, 0.5, 1])
def test_one_row_is_a_file(overlap):
    files = large_files(1, overlap=overlap, errors=1)
    assert [files.table(party).num_rows for party in files.parties] == [1, 1]
    assert len(files.matches(*files.parties).left) == round(overlap)


def test_names_are_as_frequent_as_in_the_census():
    table = large_files(100_000, missing=0, seed=9).table("party_1")
    surnames = table.column("surname").value_counts().to_pandas()
    counts = {item["values"]: item["counts"] for item in surnames}
    # 1.006 % of 90.483 % listed; names of 1990: https://www.census.gov (dist.all.last)
    assert counts["Smith"] / 100_000 == pytest.approx(0.01006 / 0.90483, rel=0.1)
    assert counts["Johnson"] / 100_000 == pytest.approx(0.00810 / 0.90483, rel=0.12)
    assert max(counts, key=lambda name: counts[name]) == "Smith"
    # A seventh of all people have one of the 70,000 rarest of the 88,799 names.
    assert len(counts) > 20_000
    given = table.column("given_name").value_counts().to_pandas()
    shares = {item["values"]: item["counts"] / 100_000 for item in given}
    assert shares["Mary"] == pytest.approx(0.02629 / 0.90024 / 2, rel=0.12)
    assert shares["James"] == pytest.approx(0.03318 / 0.90040 / 2, rel=0.12)


def test_dates_codes_and_places_are_plausible():
    frame = large_files(9_000, missing=0, seed=10).table("party_1").to_pandas()
    assert frame["birth_date"].str.fullmatch(r"(19[4-9]\d|200\d)-\d\d-\d\d").all()
    assert frame["postal_code"].str.fullmatch(r"\d{5}").all()
    assert 150 < len(frame) * 1.5 / frame["postal_code"].nunique() < 600
    assert (frame.groupby("postal_code")["city"].nunique() == 1).all()
    assert frame["city"].nunique() < frame["postal_code"].nunique()
    assert frame["address"].str.fullmatch(r"\d{1,4} [A-Z][a-z]+ [A-Z][a-z]+").all()


def test_a_mixed_city_needs_no_package_and_has_names_of_many_origins(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    table = large_files(5_000, names="mixed", missing=0).table("party_1")
    names = set(table.column("surname").to_pylist())
    assert {"Nguyen", "Smith"} & names
    assert any(not name.isascii() for name in names)
    assert len(names) > 300


def test_without_the_package_of_names_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(DependencyError, match=r"'names', which is not installed") as caught:
        large_files(10)
    assert "linkkit[bench]" in caught.value.hint


def test_names_that_the_census_lists_without_a_frequency_share_what_is_left(tmp_path):
    path = tmp_path / "dist.all.last"
    path.write_text("SMITH 1.000 1.000 1\nRARE 0.000 1.250 2\nRARER 0.000 1.500 3\n")
    words = name_tables._census_list(path)
    assert np.allclose(np.diff(words.cumulated, prepend=0), [1 / 1.5, 0.25 / 1.5, 0.25 / 1.5])
    assert words.words.tolist() == ["Smith", "Rare", "Rarer"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_rows": 0}, "'n_rows' is a whole number, 1 to 100,000,000"),
        ({"n_rows": -5}, "'n_rows'"),
        ({"n_rows": 1.5}, "'n_rows'"),
        ({"n_rows": True}, "'n_rows'"),
        ({"n_rows": "10"}, "'n_rows'"),
        ({"n_parties": 1}, "'n_parties' is a whole number, 2 to 20"),
        ({"overlap": 1.2}, "'overlap' is a share, 0 to 1"),
        ({"errors": float("nan")}, "'errors'"),
        ({"missing": "half"}, "'missing'"),
        ({"names": "martian"}, "'names' is one of census, mixed"),
        ({"seed": -1}, "'seed'"),
    ],
)
def test_options_out_of_range_are_refused(options, words):
    n_rows = options.pop("n_rows", 10)
    with pytest.raises(OptionError, match=words):
        large_files(n_rows, **options)


def test_all_wrong_options_are_told_at_once():
    with pytest.raises(OptionError) as caught:
        large_files(0, overlap=7, seed=None)
    assert len(caught.value.problems) == 3


def test_unknown_parties_are_refused():
    files = large_files(10)
    with pytest.raises(OptionError, match="no party 'party_9'") as caught:
        files.table("party_9")
    assert "party_1, party_2" in caught.value.hint
    with pytest.raises(OptionError, match="not matched with itself"):
        files.matches("party_1", "party_1")


def test_the_caller_cannot_change_the_truth():
    files = large_files(50, errors=1)
    files.altered("party_2")[:] = False
    files.person("party_2")[:] = 0
    assert files.altered("party_2").all()
    assert len(set(files.person("party_2").tolist())) == 50


def test_no_value_of_a_person_is_in_its_repr():
    assert repr(large_files(30)) == "<LargeFiles: 2 parties, 30 rows each>"


@pytest.mark.parametrize("profile", ["field", "standard", "hardened"])
def test_its_agreement_is_one(profile):
    agreement = Agreement.from_document(large_agreement(["a", "b", "c"], profile=profile))
    assert list(agreement.parties) == ["a", "b", "c"]
    assert agreement.linkage.profile == profile


@settings(max_examples=200, deadline=None)
@given(
    cells=st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
        max_size=20,
    ),
    seed=st.integers(0, 2**32),
)
def test_a_mistyped_value_is_another_of_nearly_the_same_length(cells, seed):
    wrong = mistype(pa.array(cells, pa.string()), np.random.default_rng(seed)).to_pylist()
    assert len(wrong) == len(cells)
    for before, after in zip(cells, wrong, strict=True):
        assert after != before
        assert abs(len(after) - len(before)) <= 1
        # One slip: what stands before and after it is as it was.
        start = len(common_start(before, after))
        end = len(common_start(before[::-1], after[::-1]))
        assert start + end >= min(len(before), len(after)) - 2


def common_start(one: str, other: str) -> str:
    n = 0
    while n < min(len(one), len(other)) and one[n] == other[n]:
        n += 1
    return one[:n]


def test_digits_are_mistyped_as_digits_and_capitals_as_capitals():
    digits = mistype(pa.array(["1984"] * 400), np.random.default_rng(0)).to_pylist()
    assert all(value.isdigit() for value in digits)
    capitals = mistype(pa.array(["ABCD"] * 400), np.random.default_rng(0)).to_pylist()
    assert all(value.isupper() for value in capitals)
    lengths = {len(value) for value in digits}
    assert lengths == {3, 4, 5}
    swapped = {"9184", "1894", "1948"}
    assert swapped & set(digits)
