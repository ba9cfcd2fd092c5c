"""All measures of a recoding together."""

from __future__ import annotations

from linkkit.steward.protect.measured.groups import find_imbalance, measure_subgroups
from linkkit.steward.protect.measured.measurable import Measurable
from linkkit.steward.protect.measured.report import Measurements
from linkkit.steward.protect.measured.utility import measure_utility

__all__ = ["measure"]


def measure(of: Measurable) -> Measurements:
    """Measure a recoding, once for all thresholds and sampling fractions."""
    subgroups = measure_subgroups(of)
    return Measurements(
        k=of.k,
        before=of.classes_before(),
        after=of.classes_after(),
        utility=measure_utility(of),
        subgroups=subgroups,
        findings=find_imbalance(subgroups, withheld_together=of.counts[~of.kept]),
    )
