"""The page on the preflight states the very figures that the code judges by.

python tests/spec/test_preflight_page.py        # prints the table as it should be
"""

from pathlib import Path

from linkkit.partner.preflight.rules import KNOWN, MEASURED

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "preflight.md"
WORDS = {
    "field": "`field`",
    "clkhash": "`clkhash`",
    "standard": "`standard`",
    "hardened": "`hardened`",
}


def percent(share: float) -> str:
    return f"{100 * share:g} %"


def measured_rows() -> list[str]:
    return [
        f"| {WORDS[name]} | {' | '.join(map(percent, (x.graph, *(x.known[n] for n in KNOWN))))} |"
        for name, x in MEASURED.items()
    ]


def test_the_page_states_what_the_code_judges_by():
    text = PAGE.read_text(encoding="utf-8")
    section = text.split("### What was measured\n")[1].split("\n#")[0]
    stated = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert stated == measured_rows()


if __name__ == "__main__":
    print(*measured_rows(), sep="\n")
