"""Figures as lines and tables that read well in a terminal, and are Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from linkkit.bench.results import BenchRun, Measurement

__all__ = ["progress_line", "report"]

_COLUMNS = (
    "stage", "tool", "rows", "CPU s", "clock s", "memory MB", "records/CPU s", "compared",
    "compared/CPU s", "candidates", "links", "precision", "recall", "of pairs with errors",
)  # fmt: skip
_FIGURES = (
    "cpu_seconds", "clock_seconds", "peak_memory_mb", "records_per_cpu_second", "n_comparisons",
    "comparisons_per_cpu_second", "n_candidates", "n_links", "precision", "recall",
    "recall_with_errors",
)  # fmt: skip
_SHARES = ("precision", "recall", "recall_with_errors")


def progress_line(item: Measurement, *, repeat: int = 0, of: int = 1) -> str:
    """Return what was just measured, in a line."""
    what = f"{item.stage:<8} {item.label:<20}"
    if item.n_rows:
        what += f" {item.n_rows:>12,} rows"
    if not item.runs or item.status == "failed":
        return f"{what}  {item.status}: {item.note}"
    figures = item.runs[-1]
    parts = [f"CPU {figures['cpu_seconds']:.2f} s", f"clock {figures['clock_seconds']:.2f} s"]
    if figures["peak_memory_mb"] is not None:
        parts.append(f"{figures['peak_memory_mb']:,.0f} MB")
    if "recall" in figures and "precision" in figures:
        parts.append(f"precision {figures['precision']:.4f}, recall {figures['recall']:.4f}")
    number = f"  ({repeat + 1} of {of})" if of > 1 else ""
    return f"{what}  {', '.join(parts)}{number}"


def report(run: BenchRun) -> str:
    """Return all figures of a run as tables."""
    parts = [_about(run), _figures(run), *_importing(run)]
    growth, ratios = run.growth(), run.ratios()
    if growth:
        parts.append("How much more it takes for more rows:\n\n" + _growth(growth))
    if ratios:
        parts.append(
            "Figures divided by linkkit's: more than 1 takes more than linkkit.\n\n"
            + _ratios(ratios)
        )
    absent = [item for item in run.ordered() if not item.is_measured]
    parts += ["\n".join(dict.fromkeys(_absence(item) for item in absent))] if absent else []
    return "\n\n".join(parts)


def _about(run: BenchRun) -> str:
    about = run.machine
    versions = ", ".join(f"{name} {number}" for name, number in sorted(run.versions.items()))
    memory = "" if about["memory_gb"] is None else f", {about['memory_gb']} GB"
    return (
        f"{str(about['date'])[:10]}, {about['processor']}, {about['cores']} cores{memory}, "
        f"Python {about['python']}, {versions}; medians of {run.options['repeat']}, each in a "
        "fresh process."
    )


def _figures(run: BenchRun) -> str:
    rows = []
    for item in run.ordered():
        if item.is_measured:
            medians = item.medians
            cells = [_cell(name, medians.get(name)) for name in _FIGURES]
            rows.append([item.stage, item.label, f"{item.n_rows:,}" if item.n_rows else "", *cells])
    kept = [i for i in range(len(_COLUMNS)) if i < 3 or any(row[i] for row in rows)]
    return _table([_COLUMNS[i] for i in kept], [[row[i] for i in kept] for row in rows])


def _importing(run: BenchRun) -> list[str]:
    item = run.find("linkkit", "import", 0)
    if item is None:
        return []
    names = item.medians["names_cpu_seconds"]
    compiler = "is" if any(one["loads_compiler"] for one in item.runs) else "is not"
    return [
        f"'import linkkit' takes {_cell('cpu_seconds', item.medians['cpu_seconds'])} s of the "
        "processor; loading all its public names "
        f"then takes {names:.2f} s, and the compiler {compiler} loaded by that."
    ]


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return ""
    if name in _SHARES:
        return f"{value:.4f}"
    if name.endswith("_seconds"):
        return f"{value:.2f}" if value >= 1 else f"{value:.3f}" if value >= 0.001 else "< 0.001"
    return f"{value / 1e6:,.1f} M" if value >= 1e6 else f"{value:,.0f}"


def _growth(growth: list[dict[str, Any]]) -> str:
    header = ("stage", "tool", "rows", "times", "CPU", "clock", "memory")
    rows = [
        [
            step["stage"],
            step["of"],
            f"{step['from_rows']:,} to {step['to_rows']:,}",
            f"{step['rows']:g}",
            *(_times(step[name]) for name in ("cpu_seconds", "clock_seconds", "peak_memory_mb")),
        ]
        for step in growth
    ]
    return _table(header, rows)


def _ratios(ratios: list[dict[str, Any]]) -> str:
    header = (
        "stage", "tool", "divided by", "rows", "CPU", "clock", "memory", "precision",
        "recall", "of pairs with errors",
    )  # fmt: skip
    rows = [
        [
            ratio["stage"],
            ratio["of"],
            ratio["to"],
            f"{ratio['n_rows']:,}",
            *(_times(ratio[name]) for name in ("cpu_seconds", "clock_seconds", "peak_memory_mb")),
            *(_points(ratio.get(f"{name}_difference")) for name in _SHARES),
        ]
        for ratio in ratios
    ]
    return _table(header, rows)


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _points(value: float | None) -> str:
    return "" if value is None else f"{value:+.4f}"


def _absence(item: Measurement) -> str:
    where = f" at {item.n_rows:,} rows" if item.n_rows and item.status != "not installed" else ""
    return f"{item.label}, {item.stage}{where}: {item.status}: {item.note}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = (header, ["-" * width for width in widths], *rows)
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )
