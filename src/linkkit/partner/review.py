"""Answers a review at a partner: shows it its own rows beside each pair, and keeps what it says apart.

Runs inside a party. In: a :class:`~linkkit.exchange.ReviewRequest`, the party's token map and its extract. Out: a
sheet that stays home, and of the filled-in sheet a :class:`~linkkit.exchange.ReviewAnswers`, in which no
cell of the party's rows has a place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pyarrow as pa

from linkkit.agreement import Agreement
from linkkit.agreement.document import require_agreement
from linkkit.errors import ExtractError, MismatchError, OptionError, WrongStageError
from linkkit.exchange import ReviewAnswers, ReviewRequest
from linkkit.exchange.atomic import atomic_text
from linkkit.exchange.columns import token_array
from linkkit.exchange.review import ANSWERS, FACTS, Fact, level_column
from linkkit.partner.encode import TokenMap
from linkkit.partner.encode.prepared import record_ids_of
from linkkit.partner.read import Extract, extract_from_frame, read_extract

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ReviewSheet", "answer_review", "open_review"]

_PREFIX = "pair-"
_OWN = "your "
_ONLY_WITH: dict[Fact, str] = {"mixed": "unsure", "no_person": "different"}
"""Facts that leave one answer: of two people in one record neither can be said."""

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_BREAKS = ("\t", "\r", "\n")

_Row = tuple[int, str | None]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ReviewSheet:
    """A party's own rows beside the pairs that it is asked about. Stays home.

    Attributes
    ----------
    party : str
        Whose it is.
    table : pyarrow.Table
        ``pair``, ``record`` (1 or 2), ``other_party``, how each field agrees where that is told, the ``row`` of the
        extract and its columns as ``your COLUMN``; then ``answer`` and ``fact``, to be filled in.
    n_missing : int
        Records that are asked about and not in the token map.
    """

    party: str
    table: pa.Table
    n_missing: int

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        return f"<ReviewSheet of '{self.party}': {len(self)} rows, stays home>"

    def to_pandas(self) -> pd.DataFrame:
        """Return the sheet as a frame."""
        frame: pd.DataFrame = self.table.to_pandas()
        return frame

    def save(self, path: str | Path) -> Path:
        """Write a CSV file that only its owner may read; raises :class:`SealError` if it cannot be.

        A cell of the extract that a spreadsheet would take for a formula gets an apostrophe before it.
        """
        frame = self.to_pandas()
        for name in frame.columns[frame.columns.str.startswith(_OWN)]:
            frame[name] = [_harmless(cell) for cell in frame[name]]
        # Spreadsheets take text with this mark for UTF-8.
        text = "\ufeff" + frame.to_csv(index=False, lineterminator="\n")
        return atomic_text(path, text, private=True)


def open_review(
    request: ReviewRequest,
    token_map: TokenMap | str | Path,
    extract: Any,
    *,
    agreement: Agreement,
) -> ReviewSheet:
    """Show a party its own rows beside the pairs that it is asked about.

    Parameters
    ----------
    request : ReviewRequest
        What the linkage unit asks.
    token_map : TokenMap, str or Path
        Which row has which token: of the :class:`~linkkit.EncodeResult`, or the file that stayed home.
    extract : frame, Extract, str or Path
        The extract that was encoded.
    agreement : Agreement
        Names the column of row ids, by which rows are checked.

    Returns
    -------
    ReviewSheet
        In the order of the pairs, which says nothing of them.

    Raises
    ------
    WrongStageError
        When something else is given.
    MismatchError
        When the request was made under another agreement, or the token map is of other records.
    OptionError
        When the token map cannot be read.
    ExtractError
        When the extract is not the one that the token map was made of.
    """
    require_agreement(agreement)
    if not isinstance(request, ReviewRequest):
        raise WrongStageError(
            f"open_review takes a ReviewRequest, not {type(request).__name__}",
            hint="Load the linkage unit's file with ReviewRequest.load.",
        )
    if (request.agreement_id, request.agreement_fingerprint) != (
        agreement.id,
        agreement.fingerprint,
    ):
        raise MismatchError(
            "the review was made under another agreement, or another text of it",
            hint="Load the agreement that the encodings were made under.",
        )
    rows_of = _rows_of(token_map)
    table = _extract(extract)
    asked = request.table.to_pylist()
    wanted = {row["token"] for row in asked}
    own = {token: rows_of[token] for token in wanted if token in rows_of}
    if wanted and not own:
        raise MismatchError(
            f"none of the {len(wanted):,} records that '{request.party}' is asked about is in the token map",
            hint=f"Give the token map that '{request.party}' kept when it encoded what was linked.",
        )
    places = _places(table, own, agreement.party(request.party).record_id)
    return ReviewSheet(
        party=request.party,
        table=_sheet(request, asked, places, table),
        n_missing=len(wanted) - len(own),
    )


def answer_review(request: ReviewRequest, sheet: Any) -> ReviewAnswers:
    """Take the answers, and nothing else, from a sheet that was filled in.

    Parameters
    ----------
    request : ReviewRequest
        What was asked.
    sheet : frame, Extract, str or Path
        The sheet with ``answer`` filled in: ``same``, ``different`` or ``unsure``. ``fact`` may hold a word of
        a closed list: ``twin``, ``namesake``, ``mixed``, ``wrong``, ``changed``, ``copy`` or ``no_person``. What is left
        blank is not answered. Of several lines of a pair one is enough.

    Returns
    -------
    ReviewAnswers
        For the linkage unit.

    Raises
    ------
    OptionError
        When the sheet lacks a column, or a line holds another word, answers a pair that was not asked
        or contradicts another line; lines are named by number, and what they hold is not shown.
    """
    table = _extract(sheet)
    absent = [name for name in ("pair", "answer") if name not in table.columns]
    if absent:
        raise OptionError(
            [f"the sheet has no column '{name}'" for name in absent],
            hint="Fill in the sheet that open_review made, and keep its columns.",
        )
    texts = {name: _cells(table, name) for name in ("pair", "answer", "fact")}
    asked = {_name_of(pair): pair for pair in request.table.column("pair_id").to_pylist()}
    answers: dict[bytes, tuple[str, str | None]] = {}
    problems: list[str] = []
    for row, pair, answer, fact in zip(
        table.rows.tolist(), *(texts[name] for name in ("pair", "answer", "fact")), strict=True
    ):
        if not answer and not fact:
            continue
        problem = _problem(pair in asked, answer, fact)
        said = (answer or "unsure", fact or None)
        if not problem and answers.setdefault(asked[pair], said) != said:
            problem = "contradicts an earlier line of the same pair"
        if problem:
            problems.append(f"line {row} of the sheet {problem}")
    if problems:
        raise OptionError(problems, hint=_words())
    return _answers(request, answers)


def _answers(
    request: ReviewRequest, answers: Mapping[bytes, tuple[str, str | None]]
) -> ReviewAnswers:
    pairs = sorted(answers)
    ids = np.frombuffer(b"".join(pairs), dtype=np.uint8).reshape(-1, 16)
    return ReviewAnswers(
        party=request.party,
        agreement_id=request.agreement_id,
        agreement_fingerprint=request.agreement_fingerprint,
        table=pa.table(
            {
                "pair_id": token_array(ids),
                "answer": pa.array([answers[pair][0] for pair in pairs], pa.string()),
                "fact": pa.array([answers[pair][1] for pair in pairs], pa.string()),
            }
        ),
    )


def _problem(is_asked: bool, answer: str, fact: str) -> str:  # noqa: FBT001  # one of three checks
    if not is_asked:
        return "answers a pair that was not asked"
    if answer and answer not in ANSWERS:
        return "holds another answer than the three words"
    if fact and fact not in get_args(Fact):
        return "holds another fact than the words of the list"
    needed = {str(name): word for name, word in _ONLY_WITH.items()}.get(fact, answer)
    if fact and (answer or "unsure") != (needed or "unsure"):
        return f"holds a fact with which the answer is '{needed}'"
    return ""


def _harmless(cell: Any) -> Any:
    """Return a cell that no spreadsheet computes (OWASP, "CSV Injection")."""
    is_formula = isinstance(cell, str) and (
        cell.lstrip().startswith(_FORMULA) or cell.startswith(_BREAKS)
    )
    return f"'{cell}" if is_formula else cell


def _words() -> str:
    return (
        f"Answer {', '.join(ANSWERS)}, or nothing. Facts are {', '.join(FACTS)}. Keep the column 'pair' as it "
        "is. There is no place for other text."
    )


def _name_of(pair: bytes) -> str:
    # With letters before it no spreadsheet takes it for a number.
    return f"{_PREFIX}{pair.hex()}"


def _extract(given: Any) -> Extract:
    if isinstance(given, Extract):
        return given
    if isinstance(given, (str, Path)):
        return read_extract(given)
    return extract_from_frame(given)


def _cells(table: Extract, name: str) -> list[str]:
    if name not in table.columns:
        return [""] * len(table)
    return [(cell or "").strip().lower() for cell in table.table.column(name).to_pylist()]


def _rows_of(token_map: TokenMap | str | Path) -> dict[bytes, list[_Row]]:
    """Return the rows and row ids of each token."""
    rows_of: dict[bytes, list[_Row]] = defaultdict(list)
    if isinstance(token_map, TokenMap):
        entries: Iterable[tuple[bytes | None, int, str | None]] = zip(
            (bytes(token) for token in token_map.tokens),
            token_map.rows.tolist(),
            token_map.record_ids.to_pylist(),
            strict=True,
        )
    else:
        entries = _entries(token_map)
    for token, row, record_id in entries:
        if token is not None:
            rows_of[token].append((row, record_id))
    return rows_of


def _entries(path: str | Path) -> list[tuple[bytes | None, int, str | None]]:
    if not isinstance(path, (str, Path)):
        raise OptionError(
            f"'token_map' is a TokenMap or the path of its file, not {type(path).__name__}",
            hint="Give what stayed home when the extract was encoded.",
        )
    table = read_extract(path)
    if set(table.columns) >= {"token", "record_id", "row"}:
        columns = [table.table.column(name).to_pylist() for name in ("token", "row", "record_id")]
        read = [_entry(*cells) for cells in zip(*columns, strict=True)]
        good = [item for item in read if item is not None]
        if len(good) == len(read):
            return good
    raise OptionError(
        "the token map is damaged, or another file",
        hint="Give PARTY.token-map.csv of the folder that stayed home, as it was written.",
    )


def _entry(
    token: str | None, row: str | None, record_id: str | None
) -> tuple[bytes | None, int, str | None] | None:
    try:
        return bytes.fromhex(token or ""), int(row or ""), record_id or None
    except ValueError:
        return None


def _places(
    table: Extract, own: Mapping[bytes, list[_Row]], id_column: str | None
) -> dict[bytes, list[int]]:
    """Return the positions of each token's rows, after a check that they are those that were encoded."""
    position = {int(row): i for i, row in enumerate(table.rows)}
    ids: list[str | None] = [None] * len(table)
    if id_column is not None and id_column in table.columns:
        ids = record_ids_of(table, id_column).to_pylist()
    gone = sum(row not in position for rows in own.values() for row, _ in rows)
    other = sum(
        record_id is not None and row in position and ids[position[row]] != record_id
        for rows in own.values()
        for row, record_id in rows
    )
    if gone or other:
        raise ExtractError(
            f"the extract is not the one that the token map was made of: {gone} rows are not there, and "
            f"{other} have another row id",
            hint="Give the very file that was encoded, with the token map of the same run.",
        )
    return {token: [position[row] for row, _ in rows] for token, rows in own.items()}


def _sheet(
    request: ReviewRequest,
    asked: list[dict[str, Any]],
    places: Mapping[bytes, list[int]],
    table: Extract,
) -> pa.Table:
    lines = [(q, place) for q, row in enumerate(asked) for place in places.get(row["token"], [])]
    which = [q for q, _ in lines]
    rows = pa.array([place for _, place in lines], pa.int64())
    columns: dict[str, Any] = {
        "pair": pa.array([_name_of(asked[q]["pair_id"]) for q in which], pa.string()),
        "record": pa.array([asked[q]["side"] for q in which], pa.int8()),
        "other_party": pa.array([asked[q]["other_party"] for q in which], pa.string()),
    }
    for name in request.fields:
        column = level_column(name)
        columns[column] = pa.array([asked[q][column] for q in which], pa.string())
    columns["row"] = pa.array(table.rows).take(rows)
    for name in table.columns:
        columns[f"{_OWN}{name}"] = table.table.column(name).take(rows)
    blank = pa.array([""] * len(lines), pa.string())
    return pa.table(columns | {"answer": blank, "fact": blank})
