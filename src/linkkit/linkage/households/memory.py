"""What looking for households takes of memory, before people are known."""

from __future__ import annotations

import numpy as np

from linkkit.linkage.households.candidates import count_meetings
from linkkit.linkage.households.evidence import gather_evidence
from linkkit.linkage.pool import Pool

__all__ = ["memory_of_homes"]

_BYTES_PER_ROW = 150
_BYTES_PER_PAIR = 60
_BYTES_OF_SAMPLES = 35_000_000


def memory_of_homes(pool: Pool) -> int:
    """Return how many bytes finding the households of a pool takes, at most.

    Each record is taken as a person of its own, so that as many pairs meet as can.
    """
    evidence = gather_evidence(pool, np.arange(len(pool)))
    words = 8 * int(evidence.pool.words.shape[1])
    rows = len(evidence.pool) * (2 * words + _BYTES_PER_ROW)
    return rows + count_meetings(evidence) * _BYTES_PER_PAIR + _BYTES_OF_SAMPLES
