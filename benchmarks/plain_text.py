"""Links encodings of each field, and plain text with Jaro-Winkler, by one and the same model.

    python benchmarks/plain_text.py                     # FEBRL 4
    python benchmarks/plain_text.py --data five-3x --secrets 5

What an encoding costs beside plain text, everything else being the same: levels of agreement come from the
filters, or from the Jaro-Winkler similarity of the standardized values (equal, from .92, from .85, less);
model, threshold and clusters are those of `linkkit.link`. Needs rapidfuzz: pip install rapidfuzz.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parent / "tools"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from common import Data
from harness.evaluate import group_quality, people_of
from rapidfuzz.distance import JaroWinkler
from rapidfuzz.process import cdist
from run import prepared
from run_linkkit import agreement_of, groups_of

import linkkit as lk
from linkkit.linkage.compare import ComparedPairs
from linkkit.linkage.compare.fields.pairs import unpack
from linkkit.linkage.pool import Pool
from linkkit.linkage.routes import by_fields
from linkkit.partner.standardize import standardize

CLOSE, PARTLY = 92, 85
MISSING, DISAGREE, PARTLY_LEVEL, CLOSE_LEVEL, EQUAL = range(5)
ROWS_AT_ONCE = 500


class PlainText:
    """The levels of agreement of the values of all fields."""

    def __init__(self, values: dict[bytes, list[str | None]]) -> None:
        self.row = {token: number for number, token in enumerate(values)}
        columns = list(zip(*values.values(), strict=True))
        self.codes, self.levels = [], []
        for column in columns:
            distinct = sorted({value for value in column if value})
            place = {value: number for number, value in enumerate(distinct)}
            missing = len(distinct)
            self.codes.append(np.array([place.get(value or "", missing) for value in column]))
            self.levels.append(levels_of(distinct))

    def of(self, pool: Pool) -> npt.NDArray[np.int64]:
        """Return the rows of a pool's records."""
        return np.array([self.row[token.tobytes()] for token in pool.tokens])

    def compare(self, left: Any, right: Any) -> npt.NDArray[np.uint64]:
        """Return packed levels; shapes of `left` and `right` are broadcast."""
        packed = np.zeros(np.broadcast_shapes(left.shape, right.shape), dtype=np.uint64)
        for f, (codes, levels) in enumerate(zip(self.codes, self.levels, strict=True)):
            packed |= levels[codes[left], codes[right]].astype(np.uint64) << np.uint64(3 * f)
        return packed


def levels_of(values: list[str]) -> npt.NDArray[np.int8]:
    """Return the level of each two values; the last row and column are of missing ones."""
    alike = cdist(
        values,
        values,
        scorer=JaroWinkler.normalized_similarity,
        score_multiplier=100,
        dtype=np.uint8,
    )
    levels = np.zeros((len(values) + 1, len(values) + 1), dtype=np.int8)
    levels[:-1, :-1] = np.select(
        [np.eye(len(values), dtype=bool), alike >= CLOSE, alike >= PARTLY],
        [EQUAL, CLOSE_LEVEL, PARTLY_LEVEL],
        DISAGREE,
    )
    return levels


def compare_by(plain: PlainText) -> None:
    """Let the route of fields compare plain text from now on."""

    def compare_all(pool: Pool, rows: Any, *_: Any, weights: Any, floor: float, **__: Any) -> Any:
        starts, found = pool.party_starts(), []
        for start in range(0, len(pool), ROWS_AT_ONCE):
            left = np.arange(start, min(start + ROWS_AT_ONCE, len(pool)))
            # A record meets those of later parties, and of its own where that has duplicates.
            party = pool.party[left]
            first = np.where(pool.clean[party], starts[party + 1], left + 1)
            right = np.arange(int(first.min()), len(pool))
            codes = plain.compare(rows[left][:, None], rows[right][None, :])
            levels = unpack(codes.ravel(), n_fields=len(weights))
            worth = weights[np.arange(len(weights)), levels].sum(axis=1).reshape(codes.shape)
            one, other = np.nonzero((worth >= floor) & (right >= first[:, None]))
            found.append((left[one], right[other], codes[one, other]))
        left, right, codes = (np.concatenate(part) for part in zip(*found, strict=True))
        return ComparedPairs(left=left, right=right, codes=codes)

    def compare_pairs(rows: Any, left: Any, right: Any) -> npt.NDArray[np.uint64]:
        return plain.compare(rows[left], rows[right])

    def sample_pairs(pool: Pool, rows: Any, *, n_pairs: int, **_: Any) -> npt.NDArray[np.uint64]:
        rng = np.random.default_rng(1)
        left, right = rng.integers(len(pool), size=(2, 2 * n_pairs))
        may = (left != right) & ~(
            (pool.party[left] == pool.party[right]) & pool.clean[pool.party[left]]
        )
        return plain.compare(rows[left[may]][:n_pairs], rows[right[may]][:n_pairs])

    by_fields.make_comparison = plain.of
    by_fields.compare_all = compare_all
    by_fields.compare_pairs = compare_pairs
    by_fields.sample_pairs = sample_pairs


def values_of(encoded: dict[str, Any], extracts: dict[str, Any], agreement: Any) -> Any:
    """Return the standardized values of each record, in the order of the agreement's filters."""
    names = [item.name for item in next(iter(encoded.values())).encodings.spec.filters]
    values: dict[bytes, list[str | None]] = {}
    for party, result in encoded.items():
        standard = standardize(extracts[party], agreement, party=party)
        columns = {name: cells.to_pylist() for name, cells in standard.compared.items()}
        rows = result.token_map.to_pandas()
        for token, row in zip(rows["token"], rows["row"], strict=True):
            cells = [columns.get(name) for name in names]
            values[bytes.fromhex(token)] = [c[row - 1] if c is not None else None for c in cells]
    return values


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", default="febrl4")
    options.add_argument("--secrets", type=int, default=3)
    given = options.parse_args()
    data = Data(str(prepared(given.data)))
    agreement, people = agreement_of(data), people_of(data.folder)
    extracts = {party: lk.read_extract(data.path(party)) for party in data.parties}
    f1 = []
    for _ in range(given.secrets):
        secret = lk.Secret.generate()
        encoded = {p: lk.encode(e, agreement, secret, party=p) for p, e in extracts.items()}
        extracted = [result.encodings for result in encoded.values()]
        f1.append(group_quality(groups_of(lk.link(extracted), encoded), people)["f1"])
        print(f"encodings: F1 {f1[-1]:.4f}", flush=True)
    compare_by(PlainText(values_of(encoded, extracts, agreement)))
    plain = group_quality(groups_of(lk.link(extracted), encoded), people)["f1"]
    print(f"plain text, Jaro-Winkler: F1 {plain:.4f}")
    print(f"encodings less plain text: {100 * (median(f1) - plain):+.2f} points")


if __name__ == "__main__":
    main()
