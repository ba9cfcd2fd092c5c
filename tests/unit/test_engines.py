"""Compiled kernels run where numba works, and their twins where it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
        print(len(lk.link(encoded).pairs), file=sys.stderr)
print(has_numba(), digest.hexdigest())
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
    return [*done.stdout.split(), *done.stderr.split()]


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
