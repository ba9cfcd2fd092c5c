"""How fast linkkit is on this machine, how that grows with the files, and what peers take beside it.

Run by ``linkkit bench``. In: sizes, stages, profiles and peers. Out: time, memory and quality of
each, as a table, as JSON that keeps a history, and as a plot. All people are made up.
"""

from linkkit.bench.chart import plot_scaling
from linkkit.bench.measure import run_bench
from linkkit.bench.options import PEERS, PROFILES, STAGES, BenchOptions, Peer
from linkkit.bench.results import FORMAT, BenchRun, Measurement, add_to_history, read_history
from linkkit.bench.tables import report

__all__ = [
    "FORMAT",
    "PEERS",
    "PROFILES",
    "STAGES",
    "BenchOptions",
    "BenchRun",
    "Measurement",
    "Peer",
    "add_to_history",
    "plot_scaling",
    "read_history",
    "report",
    "run_bench",
]
