"""What is to be linked within which limits, and what was found."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from linkkit._version import __version__
from linkkit.engines import Progress, available_memory, bytes_text, silent
from linkkit.errors import LinkageError
from linkkit.linkage.block import Block, Plan
from linkkit.linkage.classify import MatchModel, PassModel, RecordModel, ScoredPairs
from linkkit.linkage.classify.doubt import USUAL_DOUBT, Doubt
from linkkit.linkage.cluster import ScorePairs
from linkkit.linkage.earlier import Earlier
from linkkit.linkage.forecast import LinkForecast
from linkkit.linkage.labels import LabelledPairs
from linkkit.linkage.pool import Pool

__all__ = [
    "BYTES_OF_CROSSWALK",
    "MOST_CANDIDATES",
    "SECONDS_PER_CANDIDATE",
    "SECONDS_PER_RECORD",
    "Found",
    "Route",
    "Work",
    "memory_left",
    "memory_of_pairs",
    "memory_of_records",
    "most_matches",
    "sizes_of",
    "work_digest",
]

BYTES_OF_CROSSWALK = 34
"""What the crosswalk takes for each record."""

MOST_CANDIDATES = 100_000_000
"""So many candidate pairs are kept at most, unless it is said otherwise."""

SECONDS_PER_RECORD = 2.5e-6
SECONDS_PER_CANDIDATE = 1.0e-6
"""What making the pool, scoring and clustering take beside comparing."""

_BYTES_OF_CANDIDATE = 140
"""What a candidate pair takes while it is sorted and scored."""

_BYTES_PER_RECORD = 260
"""What a record takes beside its encodings: its token, people, components, blocks, crosswalk."""

_SHARE_OF_FREE_MEMORY = 0.8


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Work:
    """What is to be linked, and how.

    Attributes
    ----------
    pool : Pool
        All records.
    block : str
        Which pairs are compared.
    max_pairs : int, optional
        The most candidate pairs to keep.
    memory_limit : int, optional
        Bytes of memory to use beside the extracts.
    work_folder : path, optional
        Where finished partitions are kept.
    n_threads : int, optional
        All processors by default.
    progress : callable
        Told how far it is.
    until_done : ExitStack
        What is closed when all is done: partitions stay in the work folder until then.
    labels : LabelledPairs, optional
        Pairs of which it is known whether they are of one person.
    earlier : Earlier, optional
        What was compared before and is not compared again.
    memory_afterwards : int
        Bytes that a step after the linkage takes, while pairs are still there.
    """

    pool: Pool
    block: Block = "auto"
    max_pairs: int | None = None
    memory_limit: int | None = None
    work_folder: Path | None = None
    n_threads: int | None = None
    progress: Progress = silent
    labels: LabelledPairs | None = None
    until_done: ExitStack = field(default_factory=ExitStack)
    earlier: Earlier | None = None
    memory_afterwards: int = 0

    @property
    def searched(self) -> Pool:
        """The records as they are compared: new ones with each other and with all others."""
        return self.pool if self.earlier is None else self.earlier.searched

    @property
    def n_known(self) -> int:
        """How many pairs were compared before."""
        return 0 if self.earlier is None else self.earlier.n_known

    @property
    def has_new(self) -> bool:
        """Whether there is anything to compare."""
        return self.earlier is None or self.earlier.n_new > 0


class Route(NamedTuple):
    """How encodings of one kind are linked, and what that is expected to take."""

    link: Callable[[Work], Found]
    forecast: Callable[[Work], LinkForecast]


class Found(NamedTuple):
    """Candidate pairs scored, what was measured of each, and how they were found.

    `n_unseen` pairs of one person are expected not to be among them; `doubt` is how far the model may be
    off, and `warnings` say what is doubtful.
    """

    plan: Plan
    scored: ScoredPairs
    model: MatchModel | PassModel | RecordModel
    score: ScorePairs
    measure: npt.NDArray[Any]
    floor: float = 0.0
    n_unseen: float = 0.0
    doubt: Doubt = USUAL_DOUBT
    warnings: tuple[str, ...] = ()


def most_matches(pool: Pool) -> int:
    """Return how many pairs would match if every record that can have a match had one."""
    sizes = [int(n) for n in pool.party_sizes()]
    across = sum(min(a, b) for a, b in combinations(sizes, 2))
    within = sum(n for n, clean in zip(sizes, pool.clean, strict=True) if not clean)
    return max(across + within, 1)


def memory_of_records(pool: Pool, plan: Plan) -> int:
    """Return how many bytes all records take while they are linked, beside the extracts."""
    n_fields, encoding = int(pool.present.shape[1]), 8 * int(pool.words.shape[1])
    if pool.spec.passes:
        # All pairs are compared pass by pass, on a copy of the pass and one with words side by side.
        pass_bytes = 8 * max(item.n_words for item in pool.spec.passes)
        copied = 2 * pass_bytes if plan.is_exhaustive else 0
        return len(pool) * (copied + _BYTES_PER_RECORD)
    # All pairs are compared on a copy with the same word of all records side by side.
    copied = encoding + 8 * n_fields if plan.is_exhaustive else 0
    return len(pool) * (encoding + copied + 13 * n_fields + _BYTES_PER_RECORD)


def memory_of_pairs(n_pairs: int) -> int:
    """Return how many bytes candidate pairs take in memory."""
    return n_pairs * _BYTES_OF_CANDIDATE


def memory_left(work: Work, needed: int) -> int | None:
    """Return how many bytes are left beside those that are needed; None where no limit is known.

    Raises
    ------
    LinkageError
        When what is needed is more than the limit.
    """
    limit, free = work.memory_limit, available_memory()
    needed += work.memory_afterwards
    if limit is None:
        if free is None:
            return None
        limit = int(_SHARE_OF_FREE_MEMORY * free)
    if needed >= limit:
        whose = "is free" if work.memory_limit is None else "is the limit"
        raise LinkageError(
            f"linking takes {bytes_text(needed)} of memory at least, and {bytes_text(limit)} {whose}",
            hint=f"Give a 'memory_limit' above {bytes_text(1.1 * needed)}"
            + (", on a machine that has it," if work.memory_limit is None else "")
            + " or link smaller extracts.",
        )
    return limit - needed


def sizes_of(pool: Pool) -> dict[str, int]:
    """Return how many records each party has."""
    return dict(zip(pool.parties, pool.party_sizes().tolist(), strict=True))


def work_digest(work: Work, *parameters: object) -> str:
    """Return a digest of all that decides which candidate pairs are found."""
    pool = work.searched
    versions = (__version__, np.__version__)
    known = (versions, pool.spec.digest, pool.parties, work.block, parameters)
    digest = hashlib.sha256(repr(known).encode())
    runs = [words for run in pool.pass_words.runs for words in run]
    for content in (
        pool.clean, pool.party_sizes(), pool.tokens, pool.words, *runs, pool.block_keys
    ):  # fmt: skip
        digest.update(np.ascontiguousarray(content).data)
    return digest.hexdigest()
