"""Households of made-up files: who lives together, and who moves together."""

from __future__ import annotations

import numpy as np
import pytest

from linkkit.errors import OptionError
from linkkit.synth import large_files
from linkkit.synth.large_homes import draw_large_homes


def test_large_files_have_households_that_move_together() -> None:
    files = large_files(3_000, household_size=2.5, moved=0.2, errors=0, missing=0, seed=3)
    first, second = (
        files.table(party).to_pandas().assign(
            person=files.person(party), household=files.household(party)
        )
        for party in files.parties
    )  # fmt: skip
    for file in (first, second):
        assert file.groupby("household")["address"].nunique().eq(1).all()
        assert 0.8 < file.groupby("household")["surname"].nunique().eq(1).mean() < 1
    both = first.merge(second, on="person")
    moved = both["address_x"] != both["address_y"]
    assert 0.12 < moved.mean() < 0.28
    assert moved.groupby(both["household_x"]).nunique().eq(1).all()


def test_without_households_everybody_lives_alone() -> None:
    files = large_files(500, names="mixed", seed=3)
    assert len(np.unique(files.household("party_1"))) == 500


@pytest.mark.parametrize(
    ("options", "problem"),
    [({"household_size": 0.5}, "'household_size'"), ({"moved": 1.5}, "'moved' is a share")],
)
def test_households_out_of_range_are_refused(options: dict[str, float], problem: str) -> None:
    with pytest.raises(OptionError, match=problem):
        large_files(100, names="mixed", **options)  # type: ignore[arg-type]


def test_homes_of_those_who_move_are_new() -> None:
    homes = draw_large_homes(1_000, household_size=3, moved=0.5, rng=np.random.default_rng(0))
    moved = homes.later_home != homes.home
    assert homes.later_home[moved].min() >= 1_000
    assert homes.later_home.max() < homes.n_homes
    assert (homes.home < 1_000).all()
    assert abs(np.bincount(homes.household).mean() - 3) < 0.4
