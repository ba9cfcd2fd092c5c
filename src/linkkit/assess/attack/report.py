"""What attacks on trial encodings found, to read and to file: counts and shares, nobody's value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from linkkit.assess.attack.leakage import PassLeakage
from linkkit.assess.attack.result import AttackResult
from linkkit.exchange.atomic import atomic_text

__all__ = ["AttackReport"]

_MANY_PARITIES = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class AttackReport:
    """Attacks on trial encodings of one party's records.

    Attributes
    ----------
    party, profile : str
        Whose records, and by which profile they were encoded.
    passes : tuple of str
        Names of the filters of a record.
    n_target, n_own, n_overlap : int
        Encodings attacked, records in the attacker's list, and people in both.
    own_list : str
        Where the attacker's list is from.
    error_rate : float
        Share of values of the target that were given a made-up error, 0 to 1.
    results : tuple of AttackResult
        One for each attack.
    leakage : dict of str to PassLeakage
        By name of the filter; only those with enough records.
    seed : int
        Seed of all random choices, the throw-away secrets included.
    """

    party: str
    profile: str
    passes: tuple[str, ...]
    n_target: int
    n_own: int
    n_overlap: int
    own_list: str
    error_rate: float
    results: tuple[AttackResult, ...]
    leakage: Mapping[str, PassLeakage]
    seed: int

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain lists, numbers and names."""
        attacks = [
            {**asdict(x), "share": x.share, "interval": list(x.interval)} for x in self.results
        ]
        return {
            "format": "linkkit-attack-report/1",
            "party": self.party,
            "profile": self.profile,
            "filters": list(self.passes),
            "n_target": self.n_target,
            "n_own": self.n_own,
            "n_overlap": self.n_overlap,
            "own_list": self.own_list,
            "error_rate": self.error_rate,
            "seed": self.seed,
            "attacks": attacks,
            "leakage": {
                name: {**asdict(x), "ratio_to_random": x.ratio_to_random}
                for name, x in self.leakage.items()
            },
        }

    def save(self, path: str | Path) -> Path:
        """Write it as JSON."""
        return atomic_text(path, json.dumps(self.as_dict(), indent=2) + "\n")

    def __str__(self) -> str:
        lines = [
            f"Attacks on trial encodings of {self.party}, profile {self.profile}, "
            f"{len(self.passes)} filters: {', '.join(self.passes)}",
            f"{self.n_target:,} encodings, {self.error_rate:.0%} of their values with made-up "
            f"errors; attacker's list: {self.n_own:,} records ({self.own_list}), "
            f"{self.n_overlap:,} people in both",
            "",
            f"{'attack':<26}{'re-identified':>14}{'95 % interval':>20}{'guessing':>11}{'seconds':>9}",
        ]
        for x in self.results:
            low, high = x.interval
            interval = f"{low:.2%} to {high:.2%}"
            lines.append(
                f"{x.attack:<26}{x.share:>14.2%}{interval:>20}{x.guessing:>11.2%}{x.seconds:>9.0f}"
            )
            if x.n_unmixed:
                lines.append(f"  the mixing of {x.n_unmixed} filters was undone first")
        lines += self._leakage_lines()
        lines += [
            "",
            "The dictionary is what a leaked key gives away; no encoding withstands it.",
            "A small share is a measurement, not a bound: a better attack may find more.",
        ]
        return "\n".join(lines)

    def _leakage_lines(self) -> list[str]:
        lines = ["", "What single bits tell (1.0 for random bits; popcount: rank correlation)"]
        for name, x in self.leakage.items():
            parities = "" if x.n_parities is None else f", {x.n_parities} parities"
            warning = " - the mixing of bits shows" if (x.n_parities or 0) > _MANY_PARITIES else ""
            lines.append(
                f"{name:<26}token-bit {x.ratio_to_random:.1f} times random, "
                f"popcount {x.popcount_rank_correlation:.2f}{parities}{warning}"
            )
        return lines if self.leakage else []
