"""Made-up people in any number, and how fast they are encoded and linked."""

from linkkit.bench.people import TwoFiles, two_files

__all__ = ["TwoFiles", "two_files"]
