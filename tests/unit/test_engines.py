"""Compiled kernels run where numba works, and their twins where it does not."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from linkkit.engines import ProgressEvent, progress_bar

BROKEN = {
    "another numpy": "raise ImportError('Numba needs NumPy 2.2 or less')",
    "a missing library": "raise OSError('libLLVM: cannot open shared object file')",
    "half of it": "__version__ = '0'",
    "no folder for compiled code": (
        "def njit(**options):\n"
        "    def decorate(function):\n"
        "        raise RuntimeError('cannot cache function: no locator available')\n"
        "    return decorate\n"
    ),
}

_SCRIPT = """
import hashlib, sys
import numpy as np, pandas as pd
import linkkit as lk
from linkkit.engines import has_numba
from linkkit.partner.encode import hmacs, tokenize
from linkkit.partner.standardize import plain_cells
from linkkit.synth import youth_partnership

for module in (hmacs, tokenize, plain_cells):
    module._WORTH_COMPILED = 1
town = youth_partnership(seed=3, n_district=60, n_summer=40, n_jobs=5)
document = town.agreement
digest = hashlib.sha256()
secret = lk.Secret(bytes(range(40, 72)))
for profile in ("field", "standard"):
    document["linkage"] = {**document["linkage"], "profile": profile}
    agreement = lk.Agreement.from_document(document)
    encoded = [
        lk.encode(
            town.extracts[party], agreement, secret, party=party,
            token_key=lk.TokenKey(bytes(range(90, 122))),
        ).encodings
        for party in ("district", "summer")
    ]
    if profile == "field":
        for item in encoded[0].filters.values():
            digest.update(item.words.tobytes())
        n_pairs = len(lk.link(encoded).pairs)
print(has_numba(), digest.hexdigest(), n_pairs)
"""


def _encoded(path: str) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([path, *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture(scope="module")
def with_numba() -> list[str]:
    pytest.importorskip("numba")
    return _encoded("")


@pytest.mark.parametrize("how", BROKEN)
def test_a_numba_that_does_not_work_is_like_none(
    how: str, with_numba: list[str], tmp_path: Path
) -> None:
    package = tmp_path / "numba"
    package.mkdir()
    (package / "__init__.py").write_text(BROKEN[how], encoding="utf-8")
    assert with_numba[0] == "True"
    assert _encoded(str(tmp_path)) == ["False", *with_numba[1:]]


_COMPARE = """
import numpy as np, linkkit as lk
one = np.ones((20, 4), dtype=np.uint64)
print(len(lk.similar_pairs(one, one, threshold=0.9)))
"""


def test_the_first_compilation_says_so_and_the_next_start_does_not(tmp_path: Path) -> None:
    pytest.importorskip("numba")
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    said = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", _COMPARE],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == "400\n"
        said.append(done.stderr.count("linkkit compiles its kernels for this processor"))
    assert said == [1, 0]


def test_a_bar_shows_the_rate_and_the_time_left_to_whoever_watches() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)
    with progress_bar(console) as progress:
        for done in (0, 2_000_000, 4_000_000):
            progress(ProgressEvent(stage="compare", done=done, total=8_000_000, unit="comparisons"))
        progress(ProgressEvent(stage="write", done=1, total=1, unit="files"))
    text = out.getvalue()
    assert "compare" in text
    assert "write" in text
    assert "50%" in text
    assert "comparisons/s" in text


def test_nothing_is_drawn_where_nobody_watches() -> None:
    out = io.StringIO()
    with progress_bar(Console(file=out, force_terminal=False)) as progress:
        progress(ProgressEvent(stage="compare", done=1, total=2, unit="comparisons"))
    assert out.getvalue() == ""
