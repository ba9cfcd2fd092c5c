"""Where work runs: this machine's threads, and whether compiled kernels can. Knows nothing of records or people."""

from linkkit.engines.capability import has_numba
from linkkit.engines.local import run_in_threads
from linkkit.engines.progress import Progress, ProgressEvent, silent

__all__ = ["Progress", "ProgressEvent", "has_numba", "run_in_threads", "silent"]
