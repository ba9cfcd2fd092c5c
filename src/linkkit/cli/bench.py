"""The command that measures how linkkit scales on this machine. No logic of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from linkkit.cli.options import FILE, require_free
from linkkit.errors import OptionError

if TYPE_CHECKING:
    from linkkit.bench import BenchRun

__all__ = ["bench", "size_of"]

_UNITS = {"k": 1_000, "m": 1_000_000}


@click.command()
@click.option(
    "--sizes",
    default="10k,30k,100k",
    show_default=True,
    help="Rows of each of the two files, separated by commas: 10000, 10k, 1M.",
)
@click.option(
    "--stages",
    default="import,encode,link",
    show_default=True,
    help="Which of import, encode, stream, link, compare, assign and cluster.",
)
@click.option(
    "--profile",
    "profiles",
    default="field",
    show_default=True,
    help="Of the encodings; several are compared with the first: field,standard.",
)
@click.option(
    "--peers",
    default="splink,recordlinkage,anonlink",
    show_default=True,
    help="What to measure beside, where it is installed; 'none' for nothing.",
)
@click.option(
    "--peer-python",
    "interpreters",
    metavar="PEER=PATH",
    multiple=True,
    help="The Python of a peer that is installed in an environment of its own.",
)
@click.option("--repeat", type=int, default=3, show_default=True, help="Medians of so many runs.")
@click.option("--seed", type=int, default=0, show_default=True, help="Other made-up people.")
@click.option(
    "--overlap", type=float, default=0.5, show_default=True, help="Share of people in both files."
)
@click.option(
    "--errors",
    type=float,
    default=0.2,
    show_default=True,
    help="Share of the second file's rows with errors.",
)
@click.option(
    "--names",
    default="census",
    show_default=True,
    help="Names of the census of the United States, or of a 'mixed' city.",
)
@click.option("--out", type=FILE, help="Results as JSON; added to those that it holds already.")
@click.option("--plot", type=FILE, help="Time and memory against size: .png, .svg or .pdf.")
def bench(
    sizes: str,
    stages: str,
    profiles: str,
    peers: str,
    interpreters: tuple[str, ...],
    repeat: int,
    seed: int,
    overlap: float,
    errors: float,
    names: str,
    out: Path | None,
    plot: Path | None,
) -> None:
    """Measure how linkkit scales on this machine, and peers beside it.

    Makes up two files of people with known truth, encodes and links them, each task in a process of
    its own, and prints time, memory, precision and recall, how they grow, and ratios to the
    peers that are installed. A run that is interrupted leaves what it has measured.
    """
    from linkkit.bench import BenchOptions, add_to_history, read_history, report, run_bench
    from linkkit.bench.chart import can_be_drawn, plot_scaling, require_plot_possible, save_plot
    from linkkit.bench.results import require_no_failure, require_writable

    options = BenchOptions(
        sizes=[size_of(text) for text in _items(sizes)],
        stages=_items(stages),
        profiles=_items(profiles),
        peers=[] if peers.strip() == "none" else _items(peers),
        interpreters=dict(_interpreter(text) for text in interpreters),
        repeat=repeat,
        seed=seed,
        overlap=overlap,
        errors=errors,
        names=names,  # type: ignore[arg-type]  # checked there
    )
    require_free([], [], others=[out, plot], overwrite=True)
    if plot:
        require_plot_possible(plot, options)
        require_writable(plot)
    earlier = read_history(out) if out else []
    if out:
        require_writable(out)

    def save(run: BenchRun) -> None:
        if out:
            add_to_history(out, earlier, run)

    run = run_bench(options, tell=click.echo, save=save)
    click.echo(f"\n{report(run)}")
    if plot and can_be_drawn(run):
        save_plot(plot_scaling(run), plot)
        click.echo(f"\nplot: {plot}")
    if out:
        click.echo(f"results: {out}, run {len(earlier) + 1} of its history")
    require_no_failure(run)


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def size_of(text: str) -> int:
    """Return how many rows are meant by a number that may end with k or M."""
    number, unit = text.replace("_", ""), 1
    if number[-1:].lower() in _UNITS:
        number, unit = number[:-1], _UNITS[number[-1].lower()]
    if not (number.isascii() and number.isdigit() and len(number) <= 12):
        raise OptionError(
            f"'{text}' is no size", hint="Give numbers of rows, such as 10000, 10k or 1M."
        )
    return int(number) * unit


def _interpreter(text: str) -> tuple[str, Path]:
    peer, _, path = text.partition("=")
    if not Path(path).is_file():
        raise OptionError(
            f"--peer-python '{text}' names no interpreter",
            hint="Give a peer and a path: splink=venv/bin/python.",
        )
    return peer, Path(path)
