"""The page on the preflight states the very figures that the code judges by.

python tests/spec/test_preflight_page.py        # prints the table as it should be
"""

import dataclasses
import math
from pathlib import Path

from linkkit.partner.preflight.rules import KNOWN, MEASURED, VISIBLE, Measured

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "preflight.md"
WORDS = {
    "field": "`field`",
    "standard": "`standard`",
    "hardened": "`hardened`",
    "unsalted": "either, without any salt",
    "visible": "either, if ids of the salt groups travelled",
}


def shares() -> dict[str, Measured]:
    standard = MEASURED["standard"]
    unsalted = dataclasses.replace(standard, graph=math.nan, known=dict(standard.unsalted))
    return {**MEASURED, "unsalted": unsalted, "visible": VISIBLE}


def percent(share: float) -> str:
    return "" if math.isnan(share) else f"{100 * share:g} %"


def measured_rows() -> list[str]:
    return [
        f"| {WORDS[name]} | {' | '.join(map(percent, (x.graph, *(x.known[n] for n in KNOWN))))} |"
        for name, x in shares().items()
    ]


def test_the_page_states_what_the_code_judges_by():
    text = PAGE.read_text(encoding="utf-8")
    section = text.split("### What was measured\n")[1].split("\n#")[0]
    stated = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert stated == measured_rows()


def test_both_profiles_are_scaled_by_the_same_figures():
    assert MEASURED["standard"].unsalted == MEASURED["hardened"].unsalted


if __name__ == "__main__":
    print(*measured_rows(), sep="\n")
