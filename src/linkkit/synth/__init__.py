"""Made-up partners with known truth, for demos, docs and benchmarks."""

from linkkit.synth.partnership import SyntheticPartnership, youth_partnership

__all__ = ["SyntheticPartnership", "youth_partnership"]
