"""The partners' answers, put together into labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from linkkit.errors import MismatchError, OptionError, WrongStageError
from linkkit.exchange import ReviewAnswers
from linkkit.exchange.columns import TOKEN_TYPE, token_array, token_matrix
from linkkit.linkage.cluster import connected_records
from linkkit.linkage.labels import PairLabels
from linkkit.linkage.review.questions import ReviewQuestions

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ReviewOutcome", "combine_answers"]

_REFUSED = {
    "not_asked": "answers to pairs that were not asked about",
    "other_party": "answers of a party that was not asked about the pair",
    "twice": "pairs that a party answered in two ways; neither answer counts",
}


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ReviewOutcome:
    """What came back from a review.

    Attributes
    ----------
    labels : PairLabels
        Pairs of which nobody says otherwise.
    n_asked : int
        Pairs that were asked about.
    n_contradictory : int
        Pairs that one party calls the same and the other different; they have no label.
    n_unsure, n_unanswered : int
        Pairs that nobody is sure of, and pairs that too few answered.
    n_inconsistent : int
        Pairs that have no label because answers to several pairs cannot all be right: of people who are the
        same as somebody and different from each other, or have two records of a party that holds each
        person once.
    refused : dict of str to int
        Answers that do not count: ``not_asked``, ``other_party``, ``twice``.
    facts : pyarrow.Table
        ``party``, ``token`` and ``fact`` of records that their party says something of.
    """

    labels: PairLabels
    n_asked: int
    n_contradictory: int
    n_unsure: int
    n_unanswered: int
    n_inconsistent: int
    refused: Mapping[str, int]
    facts: pa.Table

    def __repr__(self) -> str:
        return f"<ReviewOutcome: {len(self.labels)} labels of {self.n_asked} pairs>"

    def __str__(self) -> str:
        n_same = int(self.labels.same.sum())
        lines = [
            f"{len(self.labels)} of {self.n_asked} pairs have a label: {n_same} the same person, "
            f"{len(self.labels) - n_same} different people",
            f"without one: {self.n_contradictory} contradictory, {self.n_unsure} unsure, "
            f"{self.n_unanswered} unanswered",
        ]
        if self.n_inconsistent:
            lines.append(
                f"{self.n_inconsistent} pairs without one because answers to several pairs cannot all be "
                "right: ask again"
            )
        lines += [f"refused: {n} {_REFUSED[why]}" for why, n in self.refused.items() if n]
        said = Counter(self.facts.column("fact").to_pylist())
        lines += [f"{n} records: {fact}" for fact, n in sorted(said.items())]
        return "\n".join(lines)

    def facts_frame(self) -> pd.DataFrame:
        """Return the facts as a frame with tokens in hexadecimal."""
        frame: pd.DataFrame = self.facts.to_pandas()
        frame["token"] = [token.hex() for token in frame["token"]]
        return frame


class _Said(NamedTuple):
    party: str
    answer: str
    fact: str | None


class _Label(NamedTuple):
    row: Mapping[str, Any]
    same: bool

    @property
    def tokens(self) -> tuple[bytes, bytes]:
        return self.row["left_token"], self.row["right_token"]

    @property
    def parties(self) -> tuple[str, str]:
        return self.row["left_party"], self.row["right_party"]


def combine_answers(
    questions: ReviewQuestions, answers: Iterable[ReviewAnswers], *, n_agreeing: int = 1
) -> ReviewOutcome:
    """Make labels of what the parties answered.

    A pair has a label when a party is sure and the other says the same, is unsure, or did not answer. What
    one calls the same and the other different has none, nor has a pair with a record that mixes two people.

    Parameters
    ----------
    questions : ReviewQuestions
        What was asked.
    answers : iterable of ReviewAnswers
        What came back, of some or all parties.
    n_agreeing : int
        How many parties must say so, 1 or 2. Pairs within one party's file need its word alone.

    Returns
    -------
    ReviewOutcome

    Raises
    ------
    WrongStageError
        When something else than answers is given.
    MismatchError
        When they were made under another agreement, or are of another review.
    OptionError
        When `n_agreeing` is neither 1 nor 2.
    """
    if n_agreeing not in {1, 2}:
        raise OptionError("'n_agreeing' is 1 or 2", hint="Leave it out for 1.")
    files = _checked(questions, answers)
    asked = {row["pair_id"]: row for row in questions.table.to_pylist()}
    said, refused = _collected(asked, files)
    sure: list[_Label] = []
    without: Counter[str] = Counter()
    for pair, row in asked.items():
        verdict = _verdict(row, said.get(pair, []), n_agreeing)
        if isinstance(verdict, bool):
            sure.append(_Label(row, verdict))
        else:
            without[verdict] += 1
    kept = _consistent(sure, questions.clean)
    return ReviewOutcome(
        labels=_labels(kept),
        n_asked=len(asked),
        n_contradictory=without["contradictory"],
        n_unsure=without["unsure"],
        n_unanswered=without["unanswered"],
        n_inconsistent=len(sure) - len(kept),
        refused=refused,
        facts=_facts(asked, said),
    )


def _checked(questions: ReviewQuestions, answers: object) -> list[ReviewAnswers]:
    items = list(answers) if isinstance(answers, Iterable) else [answers]
    files = [item for item in items if isinstance(item, ReviewAnswers)]
    if len(files) < len(items):
        raise WrongStageError(
            "combine_answers takes ReviewAnswers",
            hint="Give what answer_review returned, or load the files with ReviewAnswers.load.",
        )
    mine = (questions.agreement_id, questions.agreement_fingerprint)
    strangers = sorted(
        {x.party for x in files if (x.agreement_id, x.agreement_fingerprint) != mine}
    )
    if strangers:
        raise MismatchError(
            [f"the answers of '{party}' were made under another agreement" for party in strangers],
            hint="Give the questions and the answers of one review.",
        )
    return files


def _collected(
    asked: Mapping[bytes, Mapping[str, str]], files: Iterable[ReviewAnswers]
) -> tuple[dict[bytes, list[_Said]], dict[str, int]]:
    """Return what each party said of each pair, and how many answers do not count."""
    said: dict[tuple[bytes, str], list[_Said]] = {}
    refused = dict.fromkeys(_REFUSED, 0)
    for file in files:
        for row in file.table.to_pylist():
            question = asked.get(row["pair_id"])
            if question is None:
                refused["not_asked"] += 1
            elif file.party not in (question["left_party"], question["right_party"]):
                refused["other_party"] += 1
            else:
                heard = _Said(file.party, row["answer"], row["fact"])
                said.setdefault((row["pair_id"], file.party), []).append(heard)
    counted: dict[bytes, list[_Said]] = {}
    for (pair, _), heard_of_party in said.items():
        # The same answer in another copy of the file says nothing new.
        if len(set(heard_of_party)) > 1:
            refused["twice"] += 1
        else:
            counted.setdefault(pair, []).append(heard_of_party[0])
    if not said and refused["not_asked"]:
        raise MismatchError(
            f"none of the {refused['not_asked']:,} answers is to one of these questions",
            hint="Give the questions (asked.parquet) and the answers of one review.",
        )
    return counted, refused


def _verdict(row: Mapping[str, str], said: list[_Said], n_agreeing: int) -> bool | str:
    """Return whether a pair is the same, or why it has no label."""
    needed = 1 if row["left_party"] == row["right_party"] else n_agreeing
    sure = [item.answer for item in said if item.answer != "unsure"]
    if len(set(sure)) > 1:
        return "contradictory"
    if any(item.fact == "mixed" for item in said):
        return "unsure"
    if len(sure) >= needed:
        return sure[0] == "same"
    return "unsure" if said and (sure or len(said) >= needed) else "unanswered"


def _labels(kept: list[_Label]) -> PairLabels:
    one, other = (
        token_matrix(pa.chunked_array([pa.array([x.tokens[side] for x in kept], TOKEN_TYPE)]))
        for side in (0, 1)
    )
    return PairLabels(one=one, other=other, same=np.array([x.same for x in kept], dtype=np.bool_))


def _consistent(sure: list[_Label], clean: tuple[str, ...]) -> list[_Label]:
    """Return the labels but those of people about whom they contradict each other, or a party."""
    place: dict[bytes, int] = {}
    for label in sure:
        for token in label.tokens:
            place.setdefault(token, len(place))
    ends = np.array([[place[t] for t in x.tokens] for x in sure], dtype=np.int64).reshape(-1, 2)
    same = np.array([x.same for x in sure], dtype=np.bool_)
    group = connected_records(ends[same, 0], ends[same, 1], n_records=len(place))
    of = {token: int(group[i]) for token, i in place.items()}
    torn = {of[x.tokens[0]] for x in sure if not x.same and of[x.tokens[0]] == of[x.tokens[1]]}
    records = {both for x in sure for both in zip(x.tokens, x.parties, strict=True)}
    held = Counter((of[token], party) for token, party in records if party in clean)
    torn |= {person for (person, _), n in held.items() if n > 1}
    return [x for x in sure if not (of[x.tokens[0]] in torn and of[x.tokens[0]] == of[x.tokens[1]])]


def _facts(asked: Mapping[bytes, Mapping[str, str]], said: Mapping[bytes, list[_Said]]) -> pa.Table:
    """Return what parties said of their records, each once; of a pair in one file it is about both."""
    rows = sorted(
        {
            (item.party, row[f"{side}_token"], item.fact)
            for pair, heard in said.items()
            for item in heard
            for row in [asked[pair]]
            for side in ("left", "right")
            if item.fact is not None and row[f"{side}_party"] == item.party
        }
    )
    parties, tokens, facts = zip(*rows, strict=True) if rows else ((), (), ())
    matrix = np.frombuffer(b"".join(map(bytes, tokens)), dtype=np.uint8).reshape(-1, 16)
    return pa.table(
        {
            "party": pa.array(parties, pa.string()),
            "token": token_array(matrix),
            "fact": pa.array(facts, pa.string()),
        }
    )
