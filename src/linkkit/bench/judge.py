"""How good links are, the same way for every tool."""

from __future__ import annotations

from pathlib import Path

import numpy as np

__all__ = ["judge"]


def judge(links: Path, truth: Path, *, n_rows: int) -> dict[str, float]:
    """Return precision and recall of links, 0 to 1, and recall of pairs with errors.

    Parameters
    ----------
    links : Path
        Little-endian 64-bit rows of the first file, then as many of the second.
    truth : Path
        ``left``, ``right`` and ``with_errors`` of the true matches, as numpy saves them.
    n_rows : int
        Rows of each file.
    """
    left, right = np.fromfile(links, dtype="<i8").reshape(2, -1)
    found = np.unique(left * n_rows + right)
    with np.load(truth) as known:
        true, bad = known["left"] * n_rows + known["right"], known["with_errors"]
    hit = np.isin(true, found, assume_unique=True)
    n_right = int(hit.sum())
    figures: dict[str, float] = {"n_links": len(found)}
    if len(found):
        figures["precision"] = n_right / len(found)
    if len(true):
        figures["recall"] = n_right / len(true)
    if bad.any():
        figures["recall_with_errors"] = float(hit[bad].mean())
    return figures
