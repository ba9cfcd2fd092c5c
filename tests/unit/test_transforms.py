"""Shifted dates and microaggregation: what changes, what stays, what is refused."""

import datetime as dt
import hmac
import traceback

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from linkkit.errors import OptionError, ProtectionError, SecretError
from linkkit.partner.keys import Secret
from linkkit.steward.integrate import StudyKey
from linkkit.steward.protect.transforms import microaggregate, person_shifts, shift_dates

KEY = StudyKey(bytes(range(32)))
WHERE = {"key": KEY, "agreement_id": "town", "project": "study"}
MARK = "Zqxmarkerzz"

VISITS = pd.DataFrame(
    {
        "id": ["a", "b", "a", "c", "b"],
        "born": [dt.date(1999, 2, 28), None, dt.date(1999, 2, 28), dt.date(2004, 2, 29), None],
        "seen": pd.to_datetime(
            ["2020-02-27 10:30", "2020-02-27 00:00", "2020-03-01 00:00", None, "2021-01-01 00:00"]
        ),
        "text": ["2020-02-27T10:30", None, " 2020-03-01", "", "2021-01-01"],
        "other": [1, 2, 3, 4, 5],
    },
    index=[5, 3, 9, 1, 0],
)
DATES = ["born", "seen", "text"]


def as_pandas(table):
    if isinstance(table, pd.DataFrame):
        return table.reset_index(drop=True)
    return table.to_pandas(**({"date_as_object": True} if isinstance(table, pa.Table) else {}))


@pytest.mark.parametrize(
    "make",
    [
        lambda frame: frame,
        lambda frame: pl.from_pandas(frame),
        lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    ],
)
def test_all_dates_of_a_person_move_together(make):
    table = make(VISITS)
    moved = shift_dates(table, columns=DATES, person="id", **WHERE)
    assert type(moved) is type(table)
    days = dict(zip(VISITS["id"], person_shifts(list(VISITS["id"]), **WHERE).tolist(), strict=True))
    before, after = as_pandas(table), as_pandas(moved)
    assert list(after.columns) == list(before.columns)
    assert after["other"].tolist() == before["other"].tolist()
    for i, person in enumerate(before["id"]):
        for name in ["born", "seen"]:
            if pd.isna(before[name][i]):
                assert pd.isna(after[name][i])
            else:
                assert pd.Timestamp(after[name][i]) - pd.Timestamp(before[name][i]) == pd.Timedelta(
                    days=days[person]
                )
    assert (
        after["text"][0] == (dt.date(2020, 2, 27) + dt.timedelta(days["a"])).isoformat() + "T10:30"
    )
    assert after["text"][2] == " " + (dt.date(2020, 3, 1) + dt.timedelta(days["a"])).isoformat()
    assert pd.isna(after["text"][1])
    assert after["text"][3] == ""


def test_types_and_index_stay():
    moved = shift_dates(VISITS, columns=DATES, person="id", **WHERE)
    assert moved.index.tolist() == VISITS.index.tolist()
    assert moved.dtypes["seen"] == VISITS.dtypes["seen"]
    table = pa.table(
        {
            "id": [1, 2],
            "a": pa.array([0, None], pa.date64()),
            "b": pa.array([5, None], pa.timestamp("s", tz="Europe/Berlin")),
            "c": pa.array([None, None]),
            "d": pa.array(["2020-01-01", None], pa.large_string()),
        }
    )
    again = shift_dates(table, columns=list("abcd"), person="id", **WHERE)
    assert again.schema == table.schema
    assert again["a"].null_count == again["b"].null_count == 1


def test_the_shift_is_the_hmac_of_the_person_under_a_sub_key():
    parts = (b"date-shift", b"town", b"study")
    info = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    sub_key = HKDF(SHA256(), 32, b"linkkit key derivation 1", info).derive(bytes(range(32)))
    number = int.from_bytes(hmac.new(sub_key, b"p", "sha256").digest()[:16], "big") % (2 * 182)
    expected = number - 182 if number < 182 else number - 181
    assert person_shifts(["p"], **WHERE).tolist() == [expected]
    assert person_shifts(pa.array(["p"], pa.large_string()), **WHERE).tolist() == [expected]


def test_shifts_cover_the_range_evenly_and_are_never_zero():
    days = person_shifts([str(i) for i in range(20_000)], max_days=5, **WHERE)
    values, counts = np.unique(days, return_counts=True)
    assert values.tolist() == [-5, -4, -3, -2, -1, 1, 2, 3, 4, 5]
    assert counts.min() > 1_800
    assert set(person_shifts(["a", "b", "c", "d", "e", "f"], max_days=1, **WHERE)) == {-1, 1}


def test_projects_agreements_and_keys_get_unrelated_shifts():
    people = [str(i) for i in range(3_000)]
    usual = person_shifts(people, **WHERE).astype(float)
    for change in (
        {"project": "other"},
        {"agreement_id": "city"},
        {"key": StudyKey(bytes(range(1, 33)))},
        {"agreement_id": "towns", "project": "tudy"},
    ):
        other = person_shifts(people, **{**WHERE, **change})
        assert abs(np.corrcoef(usual, other)[0, 1]) < 0.08
        assert (usual == other).mean() < 0.02


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        ([MARK, "2020-01-01", "2020-02-30"], "column 'd': 2 cells are no dates as YYYY-MM-DD"),
        ([dt.date(9999, 12, 31)] * 3, "would leave the years that can be written"),
        (["0001-01-01"] * 3, "would leave the years that can be written"),
        ([1, 2, 3], "column 'd' holds no dates"),
        ([1, MARK, dt.date(2020, 1, 1)], "column 'd' mixes values of different types"),
        (
            pd.to_datetime(["2262-04-11 12:00"] * 3).astype("datetime64[ns]"),
            "would leave the years",
        ),
    ],
)
def test_what_is_no_date_is_refused_and_not_shown(column, problem):
    shifts = person_shifts(list("abcdefgh"), **WHERE)
    up = [p for p, n in zip("abcdefgh", shifts, strict=True) if n > 0][:2]
    down = next(p for p, n in zip("abcdefgh", shifts, strict=True) if n < 0)
    table = pd.DataFrame({"id": [*up, down], "d": column})
    with pytest.raises(ProtectionError, match=problem) as caught:
        shift_dates(table, columns=["d"], person="id", **WHERE)
    assert MARK not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("options", "error", "problem"),
    [
        ({"columns": []}, OptionError, "'columns' is a list"),
        ({"columns": "born"}, OptionError, "'columns' is a list"),
        ({"columns": ["born", "born"]}, OptionError, "named twice"),
        ({"columns": ["no", "nor"]}, OptionError, "no column 'nor'"),
        ({"person": "no"}, OptionError, "no column 'no'"),
        ({"person": "born"}, OptionError, "'person' is one of 'columns'"),
        ({"max_days": 0}, OptionError, "'max_days'"),
        ({"max_days": 1.5}, OptionError, "'max_days'"),
        ({"project": ""}, OptionError, "'agreement_id' and 'project' are names"),
        ({"key": Secret.generate()}, SecretError, "must be a StudyKey, not a Secret"),
        ({"person": "half"}, ProtectionError, "neither text nor whole numbers"),
        ({"person": "gone"}, ProtectionError, "1 rows have no person"),
    ],
)
def test_options_of_shifts_are_checked(options, error, problem):
    table = VISITS.assign(half=0.5, gone=["a", None, "b", "b", "b"])
    usual = {"columns": ["born"], "person": "id", **WHERE}
    with pytest.raises(error, match=problem):
        shift_dates(table, **{**usual, **options})


@pytest.mark.parametrize(
    "table", [5, VISITS.rename(columns={"text": "seen"}), pl.LazyFrame({"a": [1]})]
)
def test_what_is_no_table_is_refused(table):
    with pytest.raises(OptionError):
        shift_dates(table, columns=["seen"], person="id", **WHERE)
    with pytest.raises(OptionError):
        microaggregate(table, columns=["seen"], k=2)


# --- Microaggregation ------------------------------------------------------------------------


def numbers(n=100, seed=1, **more):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {"x": rng.normal(size=n), "y": rng.exponential(size=n), "z": rng.integers(0, 9, n), **more}
    )


@pytest.mark.parametrize("columns", [["x"], ["x", "y"], ["x", "y", "z"], ["z"]])
@pytest.mark.parametrize("k", [2, 5, 33, 60])
def test_every_combination_belongs_to_k_rows_and_means_stay(columns, k):
    table = numbers()
    made = microaggregate(table, columns=columns, k=k)
    sizes = made.table.groupby(columns).size()
    assert sizes.min() >= k
    assert np.bincount(made.groups).min() == made.report.smallest >= k
    assert made.report.largest < 2 * k
    for name in columns:
        assert made.table[name].mean() == pytest.approx(table[name].mean())
    assert 0 <= made.report.information_loss <= 1
    expected = [
        ((table[c] - made.table[c]) ** 2).sum() / ((table[c] - table[c].mean()) ** 2).sum()
        for c in columns
    ]
    assert [loss for _, loss in made.report.losses] == pytest.approx(expected)


@pytest.mark.parametrize("make", [pl.from_pandas, pa.Table.from_pandas])
def test_tables_of_every_kind_give_the_same(make):
    expected = microaggregate(numbers(), columns=["x", "y"], k=3)
    table = make(numbers())
    made = microaggregate(table, columns=["x", "y"], k=3)
    assert type(made.table) is type(table)
    assert made.table.to_pandas()["x"].tolist() == expected.table["x"].tolist()
    assert made.report == expected.report


def test_the_median_replaces_values_where_asked():
    table = pd.DataFrame({"x": [1.0, 2.0, 9.0, 50.0, 51.0, 52.0, 53.0]})
    made = microaggregate(table, columns=["x"], k=3, statistic="median")
    assert made.table["x"].tolist() == [2.0] * 3 + [51.5] * 4


def test_missing_values_stay_missing_and_small_patterns_are_removed():
    table = numbers(20)
    table.loc[:4, "x"] = np.nan
    table.loc[5:6, "y"] = np.nan
    table.loc[7, ["x", "y"]] = np.nan
    made = microaggregate(table, columns=["x", "y"], k=3)
    assert made.report.n_removed == 2
    assert made.groups.tolist().count(-1) == 3
    assert made.table["x"].isna().tolist() == [True] * 8 + [False] * 12
    assert made.table["y"].isna().tolist() == [False] * 5 + [True] * 3 + [False] * 12
    sizes = made.table.groupby(["x", "y"], dropna=False).size()
    assert sizes.tolist().count(5) >= 1


def test_more_rows_than_a_block_are_parted_first():
    table = numbers(1_000)
    whole = microaggregate(table, columns=["x", "y"], k=3)
    parted = microaggregate(table, columns=["x", "y"], k=3, block_size=100)
    assert parted.report.smallest >= 3
    assert parted.report.information_loss < 1.5 * whole.report.information_loss


@pytest.mark.parametrize("value", [0.0, 5e300, -1e-300, 1e15])
def test_constants_and_extremes(value):
    table = pd.DataFrame({"x": [value] * 7, "y": [1e308, -1e308, 0, 1, 2, 3, 4]})
    made = microaggregate(table, columns=["x", "y"], k=2)
    assert made.table["x"].tolist() == [value] * 7
    assert np.isfinite(made.table["y"]).all()
    assert np.isfinite(made.report.information_loss)


@pytest.mark.parametrize(
    ("table", "options", "error", "problem"),
    [
        (numbers(), {"k": 1}, OptionError, "'k' must be"),
        (numbers(), {"k": 5, "block_size": 19}, OptionError, "'block_size' must be"),
        (numbers(), {"statistic": "mode"}, OptionError, "'statistic' must be"),
        (numbers(), {"columns": [f"c{i}" for i in range(33)]}, OptionError, "no column"),
        (numbers(1), {}, ProtectionError, "fewer rows than k = 2"),
        (numbers(0), {}, ProtectionError, "fewer rows than k = 2"),
        (numbers(x=MARK), {}, ProtectionError, "column 'x' does not hold numbers"),
        (numbers(x=np.inf), {}, ProtectionError, "column 'x': 100 cells are infinite"),
        (numbers(p=[1] * 100), {"person": "p"}, ProtectionError, "99 rows are of a person"),
        (numbers(p=[None, *range(99)]), {"person": "p"}, ProtectionError, "1 rows have no person"),
    ],
)
def test_what_cannot_be_grouped_is_refused(table, options, error, problem):
    with pytest.raises(error, match=problem) as caught:
        microaggregate(table, **{"columns": ["x"], "k": 2, **options})
    assert MARK not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("zone", ["US/Pacific", "Europe/Berlin", "UTC", "+05:30", "-08:00"])
@pytest.mark.parametrize("unit", ["ns", "s"])
def test_the_time_of_day_stays_where_clocks_change(zone, unit):
    days = pd.date_range("2021-01-01", periods=300, tz=zone).as_unit(unit)
    table = pd.DataFrame({"id": [str(i) for i in range(300)], "d": days})
    moved = shift_dates(table, columns=["d"], person="id", **WHERE)
    # An offset is written as another kind of zone by some versions of pandas.
    assert moved["d"].dtype.unit == table["d"].dtype.unit
    first = moved["d"].iloc[0]
    assert first.utcoffset() == first.tz_convert(table["d"].dt.tz).utcoffset()
    assert set(moved["d"].dt.hour) == {0}
    shifts = person_shifts(table["id"].tolist(), **WHERE)
    gone = moved["d"].dt.tz_localize(None) - table["d"].dt.tz_localize(None)
    assert gone.dt.days.tolist() == shifts.tolist()


def test_rows_without_values_are_told_and_all_others_have_company():
    nan = float("nan")
    table = pd.DataFrame({"i": [nan] * 3 + list(range(20)), "r": range(23)})
    made = microaggregate(table, columns=["i", "r"], k=5)
    shown = made.table.dropna(how="all").groupby(["i", "r"], dropna=False).size()
    assert shown.min() >= 5
    assert (made.report.n_removed, made.report.n_without) == (3, 3)
    assert made.table.isna().all(axis=1).sum() == made.report.n_without
