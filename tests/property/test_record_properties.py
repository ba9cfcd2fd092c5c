"""Rows become records, copies are found and payload is ordered as by the obvious loops over rows."""

from __future__ import annotations

import hmac
from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkkit.partner.encode import tokenize
from linkkit.partner.encode.extract import _row_order
from linkkit.partner.encode.records import choose_records, codes_of, exact_copies, id_codes_of
from linkkit.partner.encode.tokens import record_tokens, token_order
from linkkit.partner.keys import TokenKey, derive_key
from linkkit.partner.read import extract_from_frame
from linkkit.partner.standardize import columns, plain_cells

KINDS = {"given": "given_name", "surname": "surname", "born": "date", "sex": "sex", "city": "city"}
AGREEMENT: Any = SimpleNamespace(
    linkage=SimpleNamespace(fields={n: SimpleNamespace(kind=k) for n, k in KINDS.items()})
)
rows_of_cells = st.lists(
    st.tuples(
        st.sampled_from([None, "1", "2", "3"]),
        st.sampled_from([None, "ana", "bo", "ana li"]),
        st.sampled_from([None, "li", "cruz"]),
        st.sampled_from([None, "20100305", "20110305"]),
        st.sampled_from([None, "f"]),
        st.sampled_from([None, "oakland", "berkeley"]),
    ),
    min_size=1,
    max_size=14,
)


def reason_of(members: list[int], cells: list[dict[str, str | None]]) -> str:
    filled = [sum(v is not None for k, v in cells[i].items() if k != "sex") for i in members]
    if max(filled) < 2:
        return "fewer than 2 linkage fields to link by"
    if len({cells[i]["born"] for i in members} - {None}) > 1:
        return "the record id is shared by rows with different dates of birth"
    words = [f"{cells[i]['given'] or ''} {cells[i]['surname'] or ''}".split() for i in members]
    named = [set(mine) for mine in words if mine]
    if any(named[0].isdisjoint(other) for other in named[1:]):
        return "the record id is shared by rows with different names"
    return ""


def best_of(members: list[int], cells: list[dict[str, str | None]]) -> int:
    def filled(i: int) -> int:
        return sum(v is not None for k, v in cells[i].items() if k != "sex")

    most = max(filled(i) for i in members)
    full = [i for i in members if filled(i) == most]
    return min(full, key=lambda i: [value or "" for value in cells[i].values()])


@settings(deadline=None)
@given(rows=rows_of_cells, refused=st.sets(st.integers(0, 13), max_size=3))
def test_records_are_those_of_the_loop_over_rows(rows: list[Any], refused: set[int]) -> None:
    ids = [row[0] for row in rows]
    cells = [dict(zip(KINDS, row[1:], strict=True)) for row in rows]
    others = {i: "no year to be read" for i in refused if i < len(rows)}
    fields = {n: pa.array([c[n] for c in cells], pa.large_string()) for n in KINDS}
    column = pa.array(ids, pa.large_string())
    numbers = np.arange(len(rows)) * 2 + 1
    found = choose_records(
        fields, column, numbers, AGREEMENT, id_codes=codes_of(column), refused=others
    )
    groups: dict[object, list[int]] = {}
    for i, record_id in enumerate(ids):
        if i not in others:
            groups.setdefault(record_id if record_id is not None else (i,), []).append(i)
    aside = {int(numbers[i]): reason for i, reason in others.items()}
    good = []
    for members in groups.values():
        reason = reason_of(members, cells)
        aside |= {int(numbers[i]): reason for i in members if reason}
        good += [] if reason else [members]
    assert [(item.row, item.reason) for item in found.set_aside] == sorted(aside.items())
    assert found.ids.to_pylist() == [ids[members[0]] for members in good]
    assert found.best_row.tolist() == [best_of(members, cells) for members in good]
    of_row = {i: number for number, members in enumerate(good) for i in members}
    assert found.record_of_row.tolist() == [of_row.get(i, -1) for i in range(len(rows))]
    assert found.n_repeated == len(of_row) - len(good)


@settings(deadline=None)
@given(rows=rows_of_cells)
def test_copies_repeat_an_earlier_row_with_the_same_id_in_every_cell(rows: list[Any]) -> None:
    extract = extract_from_frame(
        pa.table({str(i): pa.array([row[i] for row in rows], pa.string()) for i in range(6)})
    )
    ids = [row[0] for row in rows]
    repeated = {x for x, n in Counter(ids).items() if x is not None and n > 1}
    copies = [i for i, row in enumerate(rows) if row[0] in repeated and row in rows[:i]]
    found = exact_copies(extract, codes_of(pa.array(ids, pa.large_string())))
    assert found == dict.fromkeys(copies, "an exact copy of another row")


@settings(deadline=None)
@given(st.data(), st.integers(1, 30))
def test_payload_is_ordered_by_token_and_values(data: st.DataObject, n_rows: int) -> None:
    def draw(values: list[Any]) -> list[Any]:
        return [data.draw(st.sampled_from(values)) for _ in range(n_rows)]

    found, ranks = np.unique(draw(list(range(9))), return_inverse=True)
    years, marks = draw([None, 2024, 2025]), draw([None, 0.5, 1.5, -2.0])
    columns = {"year": pa.array(years, pa.int32()), "mark": pa.array(marks, pa.float64())}
    order = _row_order(columns, ranks, n_records=len(found))

    def key(i: int) -> Any:
        return ranks[i], *((value is None, value or 0) for value in (years[i], marks[i]))

    assert [key(i) for i in order] == sorted(key(i) for i in range(n_rows))


@settings(deadline=None)
@given(
    st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=70), max_size=9)
)
def test_tokens_are_hmacs_of_row_ids(ids: list[str | None]) -> None:
    key = TokenKey.generate()
    tokens = record_tokens(
        pa.array(["x", *ids], pa.large_string()).slice(1), key=key, agreement_id="a", party="p"
    )
    sub_key = derive_key(key, "record-token", "a", "p")
    for token, record_id in zip(tokens, ids, strict=True):
        if record_id is not None:
            assert token.tobytes() == hmac.digest(sub_key, record_id.encode(), "sha256")[:16]


def test_row_ids_are_cleaned_in_large_columns_as_one_by_one(monkeypatch: Any) -> None:
    cells = [
        None, "", " ", "S-12", "S 12", " 12", "unknown", "N/A", "n/a", "99", "NULL", "none", "é1", "１２",
        "abc", "A1", "a1", "xx", "x1", "-", "1", "12\t3", "1" * 300, "nan", "7/8",
    ]  # fmt: skip
    column = pa.array(["0", *cells * 3], pa.large_string()).slice(1)
    one_by_one = columns.row_ids(column)
    monkeypatch.setattr(plain_cells, "_WORTH_COMPILED", 0)
    assert columns.row_ids(column).to_pylist() == one_by_one.to_pylist()
    assert one_by_one.to_pylist()[3:8] == ["S-12", "S 12", "12", None, None]


def test_tokens_are_ordered_byte_by_byte() -> None:
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 3, (200, 16), dtype=np.uint8)  # many agree in the first half
    tokens[:100, :8] = 255
    listed = [token.tobytes() for token in tokens[token_order(tokens)]]
    assert listed == sorted(token.tobytes() for token in tokens)


@settings(deadline=None)
@given(st.lists(st.none() | st.text("ab", max_size=3), min_size=1, max_size=12))
def test_row_ids_are_numbered_in_the_order_of_appearance(ids: list[str | None]) -> None:
    column = pa.array(["x", *ids], pa.large_string()).slice(1)
    known = list(dict.fromkeys(record_id for record_id in ids if record_id is not None))
    wanted = [-1 if record_id is None else known.index(record_id) for record_id in ids]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenize, "_WORTH_COMPILED", 0)
        assert id_codes_of(column).tolist() == wanted
    assert id_codes_of(column).tolist() == wanted
