"""A report from measurements that are kept, at any threshold and sampling fraction."""

from __future__ import annotations

from linkkit.steward.protect.measured.report import Measurements, ProtectionReport
from linkkit.steward.protect.measured.risk import measure_risk

__all__ = ["report_of"]


def report_of(
    measured: Measurements,
    *,
    threshold: float | None = None,
    sampling_fraction: float | None = None,
) -> ProtectionReport:
    """Put a report together.

    Parameters
    ----------
    measured : Measurements
        From :func:`measure`.
    threshold, sampling_fraction : float, optional
        As for :func:`~linkkit.steward.protect.measured.risk.measure_risk`.
    """
    return ProtectionReport(
        risk=measure_risk(
            measured.before,
            measured.after,
            k=measured.k,
            threshold=threshold,
            sampling_fraction=sampling_fraction,
        ),
        utility=measured.utility,
        subgroups=measured.subgroups,
        findings=measured.findings,
    )
