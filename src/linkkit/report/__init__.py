"""Reports: draws and writes what :mod:`linkkit.assess` computed.

Run by whoever answers for a linkage. In: a :class:`~linkkit.linkage.LinkResult` or a result of
an assessment. Out: matplotlib figures, and one self-contained page for those who decide whether
the linkage is good enough. Figures need the extra ``plots``, which loads when one is drawn.
"""

from linkkit.report.charts import plot_match_weights, plot_threshold_curve
from linkkit.report.explanation import explanation_page
from linkkit.report.field_chart import plot_field_weights
from linkkit.report.overlap_chart import plot_overlaps
from linkkit.report.page import linkage_report
from linkkit.report.waterfall_chart import plot_waterfall

__all__ = [
    "explanation_page",
    "linkage_report",
    "plot_field_weights",
    "plot_match_weights",
    "plot_overlaps",
    "plot_threshold_curve",
    "plot_waterfall",
]
