"""Where work runs: this machine's threads. Knows nothing of records or people."""

from linkkit.engines.local import run_in_threads
from linkkit.engines.progress import Progress, ProgressEvent, silent

__all__ = ["Progress", "ProgressEvent", "run_in_threads", "silent"]
