"""Reads a party's files and frames as they are: every cell as text, every row accounted for.

Runs inside a party. In: a CSV, Excel or Parquet file, or a pandas, Polars or Arrow frame.
Out: an :class:`Extract`.
"""

from linkkit.partner.read.batches import ExtractBatches
from linkkit.partner.read.extract import Extract, SetAside
from linkkit.partner.read.files import read_extract, read_extract_batches
from linkkit.partner.read.frames import extract_from_frame

__all__ = [
    "Extract",
    "ExtractBatches",
    "SetAside",
    "extract_from_frame",
    "read_extract",
    "read_extract_batches",
]
