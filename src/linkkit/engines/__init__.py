"""Where work runs: this machine's threads, memory and disk. Knows nothing of records or people."""

from linkkit.engines.capability import has_numba
from linkkit.engines.local import n_threads_available, run_in_threads, slices_of
from linkkit.engines.memory import available_memory, bytes_text, parse_bytes
from linkkit.engines.partitions import Partitions
from linkkit.engines.progress import Progress, ProgressEvent, progress_bar, silent

__all__ = [
    "Partitions",
    "Progress",
    "ProgressEvent",
    "available_memory",
    "bytes_text",
    "has_numba",
    "n_threads_available",
    "parse_bytes",
    "progress_bar",
    "run_in_threads",
    "silent",
    "slices_of",
]
