"""Draws the figures of one run as Markdown tables, which also read well in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Figures = dict[str, Any]
COLUMNS = (
    "tool", "encode, records/s", "compare, pairs/s", "pairs compared", "end to end, s",
    "peak memory, MB", "precision", "recall", "F1",
)  # fmt: skip
RATIOS = ("tool / linkkit", "encode rate", "compare rate", "end to end", "peak memory")
KERNEL = ("tool", "work for a pair", "pairs/s, one thread", "ratio")
WORK = {
    "linkkit": "512 bits and an agreement level for each field, weights summed",
    "clkhash-anonlink": "Dice of two 1,024-bit filters, threshold",
}


def report(data: str, results: dict[str, Figures]) -> str:
    """Return the tables of one data set."""
    parts = [f"### {data}", _main(results), _ratios(results), _kernel(results)]
    return "\n\n".join(part for part in parts if part)


def _main(results: dict[str, Figures]) -> str:
    rows = []
    for tool, x in results.items():
        quality = [f"{x['quality'][name]:.4f}" for name in ("precision", "recall", "f1")]
        rates = x["rates"]
        rows.append([
            tool, _count(rates.get("records_per_second")), _count(rates.get("pairs_per_second")),
            _count(rates["pairs_compared"]), f"{x['seconds']:.2f}", _count(x["peak_memory_mb"]),
            *quality,
        ])  # fmt: skip
    return _table(COLUMNS, rows)


def _ratios(results: dict[str, Figures]) -> str:
    if "linkkit" not in results or len(results) == 1:
        return ""
    ours = results["linkkit"]
    rows = [
        [
            tool,
            _ratio(x["rates"], ours["rates"], "records_per_second"),
            _ratio(x["rates"], ours["rates"], "pairs_per_second"),
            _ratio(x, ours, "seconds"),
            _ratio(x, ours, "peak_memory_mb"),
        ]
        for tool, x in results.items()
    ]
    return _table(RATIOS, rows)


def _kernel(results: dict[str, Figures]) -> str:
    name = "pairs_per_second_one_thread"
    known = {tool: x["rates"] for tool, x in results.items() if tool in WORK}
    if len(known) < len(WORK):
        return ""
    ours = known["linkkit"]
    rows = [[t, WORK[t], _count(x[name]), _ratio(x, ours, name)] for t, x in known.items()]
    return "Comparison kernels; not the same work:\n\n" + _table(KERNEL, rows)


def _count(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value / 1e6:,.1f} M" if value >= 1e6 else f"{value:,.0f}"


def _ratio(ones: Figures, others: Figures, name: str) -> str:
    if not ones.get(name) or not others.get(name):
        return "-"
    return f"{ones[name] / others[name]:.3g}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
             for row in (header, ["-" * w for w in widths], *rows)]  # fmt: skip
    return "\n".join(lines)
