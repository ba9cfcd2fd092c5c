"""What a review sends to partners and gets back: questions about pairs of tokens, and answers.

A question names a partner's own record by its token, and who has the other; an answer is one of three words
and, if wanted, one of a closed list of facts. There is no room for a value of any field in either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import pyarrow as pa

from linkkit.agreement import Agreement
from linkkit.errors import SealError
from linkkit.exchange.columns import TOKEN_TYPE
from linkkit.exchange.manifest import ArtifactKind, Manifest
from linkkit.exchange.table_artifact import PartyTable

__all__ = [
    "AGREEMENT_LEVELS",
    "ANSWERS",
    "FACTS",
    "Answer",
    "Fact",
    "ReviewAnswers",
    "ReviewRequest",
]

Answer = Literal["same", "different", "unsure"]
"""What a partner says of a pair."""

ANSWERS: tuple[Answer, ...] = get_args(Answer)

Fact = Literal["twin", "namesake", "mixed", "wrong", "changed", "copy", "no_person"]
"""What a partner says of its own record, one word of a closed list."""

FACTS: dict[Fact, str] = {
    "twin": "there is a twin, or a sibling of nearly the same name and birth date",
    "namesake": "there is another person with the same name and birth date, no relative",
    "mixed": "the record mixes two people",
    "wrong": "a linkage field of the record was recorded wrongly",
    "changed": "a linkage field was right and has changed: name, address or phone",
    "copy": "the file holds this person in another record, too",
    "no_person": "the record is of no person: a test, a placeholder, a sample",
}
"""What the words mean."""

AGREEMENT_LEVELS = ("missing", "disagree", "partly", "close", "equal")
"""How a field agrees, in one of five words."""

_LEVEL = "agree:"
_REQUEST_COLUMNS = {
    "pair_id": TOKEN_TYPE,
    "token": TOKEN_TYPE,
    "side": pa.int8(),
    "other_party": pa.string(),
}
_ANSWER_COLUMNS = {"pair_id": TOKEN_TYPE, "answer": pa.string(), "fact": pa.string()}


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ReviewRequest(PartyTable):
    """Pairs that a party is asked about, by the tokens of its own records.

    Attributes
    ----------
    party : str
        Who is asked.
    agreement_id, agreement_fingerprint : str
        The agreement that the encodings were made under.
    table : pyarrow.Table
        ``pair_id`` (16 random bytes, the same for both parties), ``token`` of the party's own record,
        ``side`` (1 or 2), ``other_party``, and for each linkage field that may be told a column ``agree:FIELD``
        with one of :data:`AGREEMENT_LEVELS`; sorted by pair and token. A pair within the party's own file has
        two rows.
    """

    _kind: ClassVar[ArtifactKind] = "review-request"
    _ordered_by: ClassVar[tuple[str, ...]] = ("pair_id", "token")

    def __len__(self) -> int:
        return len(self.table.column("pair_id").unique())

    def __repr__(self) -> str:
        return f"<ReviewRequest to '{self.party}': {len(self)} pairs>"

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the linkage fields whose agreement is told."""
        names = self.table.column_names
        return tuple(name.removeprefix(_LEVEL) for name in names if name.startswith(_LEVEL))

    @property
    def recipient(self) -> str:
        """Who may open the file: the party that is asked."""
        return self.party

    def _stated(self) -> dict[str, Any]:
        return {"sender": "linkage_unit", "party": self.party}

    @classmethod
    def _check(cls, table: pa.Table, manifest: Manifest, agreement: Agreement) -> None:
        fields = [name for name in table.column_names if name not in _REQUEST_COLUMNS]
        known = {f"{_LEVEL}{name}" for name in agreement.linkage.fields}
        expected = _REQUEST_COLUMNS | dict.fromkeys(fields, pa.string())
        allowed: dict[str, tuple[object, ...]] = {
            "side": (1, 2),
            "other_party": (*agreement.parties,),
        }
        allowed |= dict.fromkeys(fields, AGREEMENT_LEVELS)
        is_own = manifest.party in agreement.parties
        if not is_own or not known.issuperset(fields) or not _holds(table, expected, allowed):
            raise _not_such_a_file("questions", manifest.sender)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ReviewAnswers(PartyTable):
    """What a party answered: words of two closed lists, and nothing of any record.

    Attributes
    ----------
    party : str
        Who answered.
    agreement_id, agreement_fingerprint : str
        The agreement that the encodings were made under.
    table : pyarrow.Table
        ``pair_id``, ``answer`` (one of :data:`ANSWERS`) and ``fact`` (one of :data:`FACTS`, or null); one row
        for each pair that was answered, sorted.
    """

    _kind: ClassVar[ArtifactKind] = "review-answers"
    _recipient: ClassVar[str] = "linkage_unit"
    _ordered_by: ClassVar[tuple[str, ...]] = ("pair_id",)

    def __repr__(self) -> str:
        said = Counter(self.table.column("answer").to_pylist())
        counts = ", ".join(f"{said[answer]} {answer}" for answer in ANSWERS)
        return f"<ReviewAnswers of '{self.party}': {counts}>"

    @classmethod
    def _check(cls, table: pa.Table, manifest: Manifest, agreement: Agreement) -> None:
        del agreement  # the words are the same under all
        allowed: dict[str, tuple[object, ...]] = {"answer": ANSWERS, "fact": (*FACTS, None)}
        good = _holds(table, _ANSWER_COLUMNS, allowed)
        if not good or len(table.column("pair_id").unique()) != len(table):
            raise _not_such_a_file("answers", manifest.sender)


def level_column(field: str) -> str:
    """Return the column that tells how a field agrees."""
    return f"{_LEVEL}{field}"


def _holds(
    table: pa.Table,
    expected: Mapping[str, pa.DataType],
    allowed: Mapping[str, tuple[object, ...]],
) -> bool:
    """Whether a table has the columns, whole, and nothing but the words that may stand in them."""
    if list(zip(table.schema.names, table.schema.types, strict=True)) != [*expected.items()]:
        return False
    whole = all(table.column(n).null_count == 0 for n in expected if None not in allowed.get(n, ()))
    said = {name: table.column(name).unique().to_pylist() for name in allowed}
    return whole and all(set(said[name]) <= set(words) for name, words in allowed.items())


def _not_such_a_file(what: str, sender: str) -> SealError:
    return SealError(
        f"the file of '{sender}' does not hold {what} of a review in the form that they have",
        hint="Do not use the file. Ask the sender to make it again with the same version.",
    )
