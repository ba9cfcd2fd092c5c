"""Questions for each partner about its own records, of pairs that were chosen."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.agreement import Agreement
from linkkit.errors import LinkageError, OptionError
from linkkit.exchange import Identity, ReviewRequest
from linkkit.exchange.columns import token_array
from linkkit.exchange.review import AGREEMENT_LEVELS, level_column
from linkkit.linkage.labels import LabelledPairs
from linkkit.linkage.linked_pairs import LinkedPairs
from linkkit.linkage.review.choose import WHY, ChosenPairs, choose_pairs
from linkkit.linkage.review.questions import ReviewQuestions

__all__ = ["QUESTIONS_FILE", "Review", "ask_partners"]

QUESTIONS_FILE = "asked.parquet"
_ID_BYTES = 16

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Review:
    """Questions about pairs: one request for each party, and the list that stays at the linkage unit.

    Attributes
    ----------
    requests : dict of str to ReviewRequest
        By party; a party that is asked nothing has none.
    questions : ReviewQuestions
        What was asked of whom.
    """

    requests: Mapping[str, ReviewRequest]
    questions: ReviewQuestions

    def __len__(self) -> int:
        return len(self.questions)

    def __repr__(self) -> str:
        each = ", ".join(f"'{party}' {len(item)}" for party, item in self.requests.items())
        return f"<Review: {len(self)} pairs; asked are {each}>"

    def save(
        self, folder: str | Path, *, agreement: Agreement, identity: Identity
    ) -> dict[str, Path]:
        """Write ``PARTY.review``, sealed to each party, and the list of questions, which stays.

        Returns
        -------
        dict of str to Path
            The file of each party.

        Raises
        ------
        NotAuthorizedError
            When the identity is not the linkage unit's.
        MismatchError
            When the records were encoded under another agreement.
        SealError
            When a file cannot be written.
        """
        self.questions.require_agreement(agreement)
        sealed = {
            party: item.save(
                Path(folder) / f"{party}.review", agreement=agreement, identity=identity
            )
            for party, item in self.requests.items()
        }
        self.questions.save(Path(folder) / QUESTIONS_FILE)
        return sealed


def ask_partners(
    pairs: LinkedPairs,
    *,
    n: int,
    threshold: float,
    labels: LabelledPairs | None = None,
    tell_levels: bool = True,
) -> Review:
    """Choose pairs, and make the requests of all parties.

    Parameters
    ----------
    pairs : LinkedPairs
        All candidate pairs.
    n : int
        How many to ask about at most.
    threshold : float
        The least match probability of a link.
    labels : LabelledPairs, optional
        Pairs that are known already.
    tell_levels : bool
        Whether partners are told how each field agrees, where encodings show it (profile ``field``).

    Raises
    ------
    OptionError
        When `n` is no number of pairs.
    LinkageError
        When there is no pair to ask about.
    """
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise OptionError("'n' is a number of pairs, 1 or more", hint="Leave it out for 100.")
    chosen = choose_pairs(pairs, n=n, threshold=threshold, labels=labels)
    if not len(chosen):
        raise LinkageError(
            "there is no pair to ask about",
            hint="There are no candidate pairs, or all of them are labelled already.",
        )
    ids = np.frombuffer(secrets.token_bytes(_ID_BYTES * len(chosen)), dtype=np.uint8)
    ids = ids.reshape(-1, _ID_BYTES)
    # In the order of random numbers nothing shows which pair is how likely.
    order = np.lexsort(ids.T[::-1])
    chosen = ChosenPairs(rows=chosen.rows[order], why=chosen.why[order])
    ids = ids[order]
    questions = _questions(pairs, chosen, ids)
    requests = {
        party: _request(pairs, chosen, ids, p, tell_levels=tell_levels)
        for p, party in enumerate(pairs.pool.parties)
    }
    return Review(
        requests={party: item for party, item in requests.items() if len(item)}, questions=questions
    )


def _questions(
    pairs: LinkedPairs, chosen: ChosenPairs, ids: npt.NDArray[np.uint8]
) -> ReviewQuestions:
    pool, scored = pairs.pool, pairs.scored
    parties = pa.array(pool.parties, pa.string())
    columns: dict[str, pa.Array] = {"pair_id": token_array(ids)}
    for side, where in (("left", scored.left[chosen.rows]), ("right", scored.right[chosen.rows])):
        columns[f"{side}_party"] = parties.take(pa.array(pool.party[where]))
        columns[f"{side}_token"] = token_array(pool.tokens[where])
    columns["why"] = pa.array(WHY).take(pa.array(chosen.why))
    columns["match_weight"] = pa.array(scored.weight[chosen.rows])
    columns["linked"] = pa.array(pairs.linked[chosen.rows])
    return ReviewQuestions(
        agreement_id=pool.agreement_id,
        agreement_fingerprint=pool.agreement_fingerprint,
        clean=tuple(p for p, once in zip(pool.parties, pool.clean, strict=True) if once),
        table=pa.table(columns),
    )


def _request(
    pairs: LinkedPairs,
    chosen: ChosenPairs,
    ids: npt.NDArray[np.uint8],
    party: int,
    *,
    tell_levels: bool,
) -> ReviewRequest:
    pool, scored = pairs.pool, pairs.scored
    both = np.column_stack([scored.left[chosen.rows], scored.right[chosen.rows]])
    asked, side = np.nonzero(pool.party[both] == party)
    own, other = both[asked, side], both[asked, 1 - side]
    order = np.lexsort((*pool.tokens[own].T[::-1], asked))
    asked, side, own, other = asked[order], side[order], own[order], other[order]
    columns = {
        "pair_id": token_array(ids[asked]),
        "token": token_array(pool.tokens[own]),
        "side": pa.array((side + 1).astype(np.int8)),
        "other_party": pa.array(pool.parties, pa.string()).take(pa.array(pool.party[other])),
    }
    if tell_levels:
        words = pa.array(AGREEMENT_LEVELS)
        levels = scored.levels[chosen.rows[asked]]
        for f, item in enumerate(pool.spec.filters):
            columns[level_column(item.name)] = words.take(pa.array(levels[:, f]))
    return ReviewRequest(
        party=pool.parties[party],
        agreement_id=pool.agreement_id,
        agreement_fingerprint=pool.agreement_fingerprint,
        table=pa.table(columns),
    )
