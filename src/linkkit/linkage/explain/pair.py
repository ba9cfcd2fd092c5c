"""Why two records are linked, or are not, put together from all steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from linkkit.errors import OptionError
from linkkit.exchange import Crosswalk
from linkkit.exchange.columns import token_matrix
from linkkit.linkage.block import Plan
from linkkit.linkage.classify import MatchModel, PassModel, RecordModel
from linkkit.linkage.explain.groups import Evidence, PathStep, path_between, what_kept_apart
from linkkit.linkage.explain.page import as_html, bits_text
from linkkit.linkage.explain.parts import WeightPart, judge_of
from linkkit.linkage.explain.trace import PassTrace, trace_pair
from linkkit.linkage.labels import LabelledPairs
from linkkit.linkage.linked_pairs import LinkedPairs
from linkkit.linkage.pool import Pool

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Linked", "PairExplanation", "explain_pair"]

_TOKEN_BYTES = 16
_NOTHING = 1e-9
_SHOWN = 34

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Linked:
    """What is explained: what a linkage found, and how.

    Attributes
    ----------
    pairs : LinkedPairs
        Candidate pairs.
    crosswalk : Crosswalk
        Who is whom.
    model : MatchModel, PassModel or RecordModel
        What was learned.
    plan : BlockingPlan, PassPlan or FilterPlan
        What was compared.
    threshold : float
        The least match probability of a link.
    labels : LabelledPairs, optional
        What was known for sure.
    """

    pairs: LinkedPairs
    crosswalk: Crosswalk
    model: MatchModel | PassModel | RecordModel
    plan: Plan
    threshold: float
    labels: LabelledPairs | None = None


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PairExplanation:
    """Why two records are linked, or are not. Stays at the linkage unit.

    Attributes
    ----------
    token, other_token : str
        The two records, in hexadecimal.
    party, other_party : str
        Whose they are.
    linked : bool
        Whether they are taken for one person.
    is_candidate : bool
        Whether blocking proposed the pair and it was kept.
    match_weight, probability : float
        Of the pair: bits, and 0 to 1. Of no candidate, as the model judges it.
    threshold : float
        The least match probability of a link.
    parts : tuple of WeightPart
        What the weight consists of; their bits sum to it.
    found_by : tuple of PassTrace
        Every pass of blocking, and whether the two met there.
    path : tuple of PathStep
        If they are linked, through which links; empty if they are not.
    why : tuple of str
        What decided, in sentences.
    """

    token: str
    other_token: str
    party: str
    other_party: str
    linked: bool
    is_candidate: bool
    match_weight: float
    probability: float
    threshold: float
    parts: tuple[WeightPart, ...]
    found_by: tuple[PassTrace, ...]
    path: tuple[PathStep, ...]
    why: tuple[str, ...]

    def __repr__(self) -> str:
        return (
            f"<PairExplanation: {'linked' if self.linked else 'not linked'}, "
            f"{self.match_weight:.1f} bits in {len(self.parts)} parts>"
        )

    def __str__(self) -> str:
        lines = [self.headline, *(f"  {reason}" for reason in self.why), "match weight, in bits:"]
        lines += [
            f"  {p.label:<{_SHOWN}}{bits_text(p.bits):>8}  {p.note}".rstrip() for p in self.parts
        ]
        lines += [f"  {'match weight':<{_SHOWN}}{bits_text(self.match_weight):>8}", "blocking:"]
        for item in self.found_by:
            lines.append(f"  {'met' if item.met else 'not'} in {item.name}: {item.why}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [(part.label, part.bits, part.note) for part in self.parts]
        blocks = [f"{x.name}: {'met' if x.met else 'not met'}, {x.why}" for x in self.found_by]
        return as_html(self.headline, self.why, rows, blocks)

    @property
    def headline(self) -> str:
        """Who is it about, and what came of it."""
        linked = "linked" if self.linked else "not linked"
        return (
            f"{self.token} of '{self.party}' and {self.other_token} of '{self.other_party}': {linked}; "
            f"match probability {self.probability:.3g}, weight {bits_text(self.match_weight, 1)} bits"
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return the waterfall as a frame, a row for each part.

        Columns are ``kind``, ``name``, ``level``, ``bits``, ``total`` up to here, ``m``, ``u`` and ``note``.
        """
        import pandas as pd

        frame = pd.DataFrame(
            {
                "kind": [part.kind for part in self.parts],
                "name": [part.name for part in self.parts],
                "level": [part.level for part in self.parts],
                "bits": [part.bits for part in self.parts],
                "total": np.cumsum([part.bits for part in self.parts]),
                "m": np.array([part.m for part in self.parts], dtype=np.float64),
                "u": np.array([part.u for part in self.parts], dtype=np.float64),
                "note": [part.note for part in self.parts],
            }
        )
        return frame


def explain_pair(result: Linked, token: str, other_token: str) -> PairExplanation:
    """Explain one pair of a linkage.

    Parameters
    ----------
    result : Linked
        What the linkage found.
    token, other_token : str
        Record tokens in hexadecimal, in any order.

    Raises
    ------
    OptionError
        When a token is no record token, or of no record of the linkage, or both are the same.
    """
    pool = result.pairs.pool
    left, right = sorted(_rows_of(pool, token, other_token))
    judge = judge_of(pool, result.model, result.plan)
    row = _candidate(result.pairs, left, right)
    parts = judge.parts(left, right)
    weight = float(np.sum([part.bits for part in parts]))
    probability = float(1 / (1 + 2.0 ** min(-weight, 1_000)))
    if row is not None:
        final = float(result.pairs.scored.weight[row])
        probability = float(result.pairs.scored.probability[row])
        if abs(final - weight) > _NOTHING:
            parts.append(_the_rest(result, left, right, final - weight))
        weight = final
    evidence = Evidence(
        pairs=result.pairs, threshold=result.threshold, labels=result.labels, judge=judge
    )
    one, other = _members(result, left), _members(result, right)
    linked = right in one
    trace = trace_pair(pool, result.plan, left, right)
    path = path_between(evidence, one, left, right) if linked else ()
    about = _About(left, right, row is not None, probability, linked, result.plan.is_exhaustive)
    return PairExplanation(
        token=evidence.token(left),
        other_token=evidence.token(right),
        party=evidence.party(left),
        other_party=evidence.party(right),
        linked=linked,
        is_candidate=row is not None,
        match_weight=weight,
        probability=probability,
        threshold=result.threshold,
        parts=tuple(parts),
        found_by=trace,
        path=path,
        why=tuple(_reasons(evidence, about, (one, other), trace, path)),
    )


@dataclass(frozen=True, slots=True)
class _About:
    left: int
    right: int
    is_candidate: bool
    probability: float
    linked: bool
    all_compared: bool


def _rows_of(pool: Pool, *tokens: str) -> list[int]:
    rows = []
    words = np.ascontiguousarray(pool.tokens).view(np.uint64)
    for which, text in zip(("first", "second"), tokens, strict=True):
        content: bytes | None = None
        try:
            content = bytes.fromhex(text) if isinstance(text, str) else None
        except ValueError:
            pass
        if content is None or len(content) != _TOKEN_BYTES:
            raise OptionError(
                f"the {which} token is no record token", hint="Write it as 32 hexadecimal digits."
            )
        found = np.flatnonzero((words == np.frombuffer(content, dtype=np.uint64)).all(axis=1))
        if not len(found):
            raise OptionError(
                f"the linkage has no record with the {which} token",
                hint="Take tokens from the pairs or the crosswalk of this very result. Tokens of another "
                "agreement are others, and without a token key those of another delivery.",
            )
        rows.append(int(found[0]))
    if rows[0] == rows[1]:
        raise OptionError("both tokens are of one record", hint="Give the tokens of two records.")
    return rows


def _candidate(pairs: LinkedPairs, left: int, right: int) -> int | None:
    found = np.flatnonzero((pairs.scored.left == left) & (pairs.scored.right == right))
    return int(found[0]) if len(found) else None


def _the_rest(result: Linked, left: int, right: int, bits: float) -> WeightPart:
    """Return what other knowledge than of the two records alone adds: a label, or other candidates."""
    known = result.labels
    if known is not None:
        here = np.flatnonzero((known.left == left) & (known.right == right))
        if len(here):
            same = bool(known.same[here[0]])
            note = f"somebody judged that they are {'one person' if same else 'two people'}"
            return WeightPart(kind="label", name="label", bits=bits, note=note)
    return _competition(result.pairs, left, right, bits)


def _competition(pairs: LinkedPairs, left: int, right: int, bits: float) -> WeightPart:
    """Return what the other candidates of two records leave to the pair."""
    scored, pool = pairs.scored, pairs.pool
    p, q = pool.party[left], pool.party[right]
    own = (scored.left == left) & (pool.party[scored.right] == q)
    own |= (scored.right == left) & (pool.party[scored.left] == q)
    own |= (scored.left == right) & (pool.party[scored.right] == p)
    own |= (scored.right == right) & (pool.party[scored.left] == p)
    own &= ~((scored.left == left) & (scored.right == right))
    rivals = np.flatnonzero(own)
    note = "no other candidate between the two parties"
    if len(rivals):
        best = rivals[int(scored.weight[rivals].argmax())]
        rival = [int(x[best]) for x in (scored.left, scored.right)]
        token = next(r for r in rival if r not in {left, right})
        note = (
            f"{len(rivals)} other candidates between the two parties, the best {pool.tokens[token].tobytes().hex()} "
            f"with {bits_text(float(scored.weight[best]), 1)} bits"
        )
    return WeightPart(kind="competition", name="other candidates", bits=bits, note=note)


def _members(result: Linked, row: int) -> _Ints:
    """Return the positions of all records of one's person, ascending."""
    pool, table = result.pairs.pool, result.crosswalk.table
    tokens = token_matrix(table.column("token"))
    mine = np.flatnonzero((tokens == pool.tokens[row]).all(axis=1))
    people = token_matrix(table.column("person_id"))
    same = np.flatnonzero((people == people[mine[0]]).all(axis=1))
    wanted = {token.tobytes() for token in tokens[same]}
    first = np.isin(pool.tokens[:, 0], [token[0] for token in wanted])
    rows = [i for i in np.flatnonzero(first).tolist() if pool.tokens[i].tobytes() in wanted]
    return np.array(rows, dtype=np.int64)


def _reasons(
    evidence: Evidence,
    about: _About,
    people: tuple[_Ints, _Ints],
    trace: tuple[PassTrace, ...],
    path: tuple[PathStep, ...],
) -> list[str]:
    said = {(a, b): same for a, b, same in evidence.known(np.array([about.left, about.right]))}
    label = said.get((about.left, about.right))
    reasons = []
    if label is not None:
        which = "one person's" if label else "of different people"
        reasons.append(f"a label says that they are {which}")
    if about.linked:
        return reasons + _joined(evidence, about, path, n=len(people[0]))
    if not about.is_candidate:
        reasons.append(_no_candidate(trace, all_compared=about.all_compared))
    elif about.probability < evidence.threshold:
        reasons.append(
            f"the match probability {about.probability:.3g} is below the threshold {evidence.threshold:.3g}"
        )
    reasons += what_kept_apart(evidence, *people)
    if not reasons:
        reasons.append(
            "pairs are joined best first, and when this one's turn came the groups of its two records did "
            "not fit together any more"
        )
    return reasons


def _joined(evidence: Evidence, about: _About, path: tuple[PathStep, ...], *, n: int) -> list[str]:
    others = f"; {n} records are this person's" if n > 2 else ""
    if len(path) == 1:
        return [f"the pair itself is a link{others}"]
    if not path:
        return [f"they were joined earlier and no link leads from one to the other now{others}"]
    steps = " - ".join([path[0].token, *(step.other_token for step in path)])
    weakest = min(step.match_weight for step in path)
    lead = [f"they are linked through other records{others}: {steps}"]
    lead.append(f"the weakest link of that way has {bits_text(weakest, 1)} bits")
    if not about.is_candidate:
        lead.append("the pair itself was no candidate")
    elif about.probability < evidence.threshold:
        lead.append("the pair itself is below the threshold")
    return lead


def _no_candidate(trace: tuple[PassTrace, ...], *, all_compared: bool) -> str:
    if len(trace) == 1 and trace[0].name == "all passes":
        return f"it was no candidate: {trace[0].why}"
    if all_compared or any(item.met for item in trace):
        return "it was no candidate: it was compared, and the records are too unlike to be kept"
    return "it was no candidate: the two records met in no pass of blocking"
