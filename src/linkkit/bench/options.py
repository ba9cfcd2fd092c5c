"""What is to be measured: sizes, stages, profiles, peers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from linkkit.errors import DependencyError, OptionError
from linkkit.synth import Names
from linkkit.synth.large import MOST_ROWS

__all__ = ["PEERS", "PROFILES", "STAGES", "BenchOptions", "Peer", "Stage"]

Stage = Literal["import", "encode", "stream", "link", "compare", "assign", "cluster"]
"""What is measured, one at a time."""

STAGES: tuple[Stage, ...] = get_args(Stage)
PROFILES = ("field", "standard", "hardened")


@dataclass(frozen=True, kw_only=True, slots=True)
class Peer:
    """A tool that is measured beside linkkit.

    Attributes
    ----------
    name : str
        How it is called.
    packages : tuple of str
        What has to be installed.
    module : str
        The file of its tasks, in this folder.
    stages : tuple of str
        What it does of linkkit's stages.
    most_rows : int
        It is left out for larger files.
    because : str
        Why.
    """

    name: str
    packages: tuple[str, ...]
    module: str
    stages: tuple[Stage, ...]
    most_rows: int
    because: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """Packages that this environment lacks."""
        return tuple(package for package in self.packages if find_spec(package) is None)


PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            name="splink",
            packages=("splink", "duckdb", "pyarrow"),
            module="with_splink.py",
            stages=("link",),
            most_rows=MOST_ROWS,
        ),
        Peer(
            name="recordlinkage",
            packages=("recordlinkage", "pandas", "pyarrow"),
            module="with_recordlinkage.py",
            stages=("link",),
            most_rows=100_000,
            because="it holds all candidate pairs in a frame",
        ),
        Peer(
            name="anonlink",
            packages=("anonlink", "clkhash"),
            module="with_anonlink.py",
            stages=("encode", "link"),
            most_rows=20_000,
            because="it compares all pairs",
        ),
    )
}


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchOptions:
    """What :func:`run_bench` measures.

    Parameters
    ----------
    sizes : sequence of int
        Rows of each of the two files; of single stages, records, pairs or edges.
    stages : sequence of str
        ``import``, ``encode`` (both tables to encodings), ``stream`` (one file to sealed encodings,
        batch by batch), ``link`` (encodings to crosswalk), ``compare`` (bit vectors with 1,000
        others), ``assign`` (pairs, one to one), ``cluster`` (components of as many edges).
    profiles : sequence of str
        Encodings of which profiles are made and linked; the others are compared with the first.
    peers : sequence of str
        Tools to measure beside; those that are not installed are named in the results.
    repeat : int
        How often each is measured; medians are shown.
    seed : int
        Makes up the people.
    overlap, errors : float
        Share of the people who are in both files, and of the second file's rows with errors.
    names : {"census", "mixed"}
        See :func:`~linkkit.synth.large_files`.
    interpreters : mapping of str to Path
        Python interpreters of peers that have environments of their own.

    Raises
    ------
    OptionError
        Something is not known or out of its range.
    DependencyError
        The names of the census are asked for and not installed.
    """

    sizes: Sequence[int] = (10_000, 30_000, 100_000)
    stages: Sequence[str] = ("import", "encode", "link")
    profiles: Sequence[str] = ("field",)
    peers: Sequence[str] = tuple(PEERS)
    repeat: int = 3
    seed: int = 0
    overlap: float = 0.5
    errors: float = 0.2
    names: Names = "census"
    interpreters: Mapping[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = [*self._unknown(), *self._out_of_range()]
        if problems:
            raise OptionError(problems, hint="'linkkit bench --help' lists what there is.")
        if self.names == "census" and find_spec("names") is None:
            raise DependencyError(
                "the names of the census come with the package 'names', which is not installed",
                hint="pip install 'linkkit[bench]', or take other names with --names mixed.",
            )

    def _unknown(self) -> list[str]:
        problems = []
        for what, given, known in (
            ("stage", self.stages, STAGES),
            ("profile", self.profiles, PROFILES),
            ("peer", self.peers, tuple(PEERS)),
            ("peer with a Python of its own", tuple(self.interpreters), tuple(PEERS)),
            ("kind of names", (self.names,), get_args(Names)),
        ):
            problems += [
                f"there is no {what} '{item}'; known: {', '.join(known)}"
                for item in dict.fromkeys(given)
                if item not in known
            ]
            if len(set(given)) < len(given):
                problems.append(f"a {what} is named twice")
        if not self.stages:
            problems.append("no stage is named")
        if not self.profiles:
            problems.append("no profile is named")
        return problems

    def _out_of_range(self) -> list[str]:
        problems = []
        if not self.sizes:
            problems.append("no size is given")
        if any(not _is_whole(size) or not 1 <= size <= MOST_ROWS for size in self.sizes):
            problems.append(f"a size is a whole number of rows, 1 to {MOST_ROWS:,}")
        if not _is_whole(self.repeat) or self.repeat < 1:
            problems.append("'repeat' is a whole number, 1 or more")
        if not _is_whole(self.seed) or not 0 <= self.seed < 2**62:
            problems.append("'seed' is a whole number, 0 or more")
        for name, share in (("overlap", self.overlap), ("errors", self.errors)):
            if not 0 <= share <= 1:
                problems.append(f"'{name}' is a share, 0 to 1")
        return problems

    @property
    def all_sizes(self) -> tuple[int, ...]:
        """The sizes, ascending, each once."""
        return tuple(sorted(set(self.sizes)))


def _is_whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)
