"""Write a protected data set for analysts, and stop it if the files break a promise.

The steward runs it. A `ProtectedDataset` comes in; a folder goes out with the data as CSV and
Parquet, a data dictionary, a disclosure report and a receipt.
"""

from linkkit.steward.release.check import Measured
from linkkit.steward.release.disclosure import DisclosureReport
from linkkit.steward.release.measured_table import (
    PrivacyMeasures,
    SensitiveMeasures,
    measure_privacy,
)
from linkkit.steward.release.publish import Release, release

__all__ = [
    "DisclosureReport",
    "Measured",
    "PrivacyMeasures",
    "Release",
    "SensitiveMeasures",
    "measure_privacy",
    "release",
]
