"""What a linkage will take: comparisons, candidate pairs, time, memory and disk, before it starts."""

from __future__ import annotations

from dataclasses import dataclass

from linkkit.engines import bytes_text
from linkkit.linkage.block import Plan

__all__ = ["LinkForecast"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkForecast:
    """What linking some extracts is expected to take on this machine.

    Attributes
    ----------
    n_records : dict of str to int
        Records of each party.
    plan : BlockingPlan, PassPlan or FilterPlan
        What will be compared, why, and what that saves.
    n_comparisons : int
        Comparisons that will be made.
    n_candidates : int
        Pairs expected to be alike enough to be scored; those that tables miss are among them.
    seconds : float
        Time by the clock, from a sample of the comparisons timed on this machine.
    memory : int
        Bytes of memory beside the extracts themselves, at most.
    memory_of_records : int
        The part of it that no limit can lower: candidate pairs beyond the limit go to disk.
    disk : int
        Bytes of candidate pairs if they go to disk; 0 where they never do.
    crosswalk : int
        Bytes of the crosswalk.
    """

    n_records: dict[str, int]
    plan: Plan
    n_comparisons: int
    n_candidates: int
    seconds: float
    memory: int
    memory_of_records: int
    disk: int
    crosswalk: int

    def __str__(self) -> str:
        sizes = ", ".join(f"{party} {n:,}" for party, n in self.n_records.items())
        memory = f"memory: {bytes_text(self.memory)} beside the extracts"
        if self.disk:
            memory += (
                f", at least {bytes_text(self.memory_of_records)} with 'memory_limit' and "
                f"{bytes_text(self.disk)} of disk"
            )
        return (
            f"records: {sizes}\n"
            f"to compare: {self.plan}\n"
            f"expected: {self.n_candidates:,} candidate pairs in about {_time_text(self.seconds)}\n"
            f"{memory}\n"
            f"crosswalk: {bytes_text(self.crosswalk)}"
        )


def _time_text(seconds: float) -> str:
    if seconds < 100:
        return f"{max(seconds, 1):.0f} seconds" if seconds >= 1.5 else "a second"
    if seconds < 6_000:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"
