"""Attacks the profiles `standard` and `hardened`, as linkkit encodes them, by known pairs.

    python benchmarks/attack_passes.py                               # FEBRL 4, both profiles
    python benchmarks/attack_passes.py --data town --profiles standard
    python benchmarks/attack_passes.py --passes passes.yaml          # other passes than the default

The attacker knows everything but the key, the salts of its own list included, and some pairs. The
kernel of its Gaussian process is the exact expectation of what two filters share, and no code of
`linkkit.assess.attack` is used. The share is that of the better of two guesses, each record for
itself and all one to one, under the better of some ridges, which no attacker could pick: an upper
end. `noisy` records differ from the attacker's list by the errors of FEBRL 4's second file, `exact`
ones not at all. Figures are of one seed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import yaml
from scipy.optimize import linear_sum_assignment

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from harness.attacked import COLUMNS, FIELDS, febrl4_folder

import linkkit as lk
from linkkit.partner.encode import encoding_spec
from linkkit.partner.encode.filters import record_filters, sent_filters
from linkkit.partner.encode.grams import gram_table
from linkkit.partner.encode.salts import salt_codes
from linkkit.partner.keys import KeyScope
from linkkit.partner.read import extract_from_frame
from linkkit.partner.standardize import standardize
from linkkit.synth import youth_partnership

RIDGES = {"exact": (0.02, 0.2), "noisy": (0.05, 0.3, 1.0)}
MOST_SURE = 0.97


def febrl4(folder: Path) -> tuple[dict[str, Any], str, dict[str, pd.DataFrame]]:
    """Return an agreement's document, the party, and the frames that are attacked."""
    frames = {}
    for letter, copies in (("a", "exact"), ("b", "noisy")):
        frame = pd.read_csv(folder / f"dataset4{letter}.csv", skipinitialspace=True, dtype=str)
        frame.index = frame["rec_id"].str.extract(r"rec-(\d+)-", expand=False)
        frames[copies] = frame
    frames["noisy"] = frames["noisy"].loc[frames["exact"].index]
    office = {"name": "Office", "record_id": "rec_id", "linkage_fields": COLUMNS}
    document = {
        "format": "linkkit-agreement/1",
        "id": "febrl-4",
        "title": "FEBRL 4",
        "purpose": "Measure attacks on a public data set.",
        "legal_basis": "Made-up people; no law applies.",
        "years": {"first": 2020, "last": 2030},
        "destroy_by": "2999-12-31",
        "linkage": {"fields": {name: {"kind": kind} for name, kind in FIELDS.items()}},
        "parties": {"office_a": office, "office_b": office},
        "linkage_unit": {"name": "A third office"},
        "steward": {"name": "Nobody"},
        "protection": {"smallest_cell": 10, "quasi_identifiers": {"in_office_a": {}}},
    }
    return document, "office_a", frames


def town() -> tuple[dict[str, Any], str, dict[str, pd.DataFrame]]:
    """Return the same for the district of a made-up town, which has families."""
    made = youth_partnership(n_district=6000, n_summer=100, n_jobs=100)
    return made.agreement, "district", {"exact": made.extracts["district"]}


def kernels(fields: dict[str, Any], agreement: lk.Agreement) -> Iterator[np.ndarray]:
    """Yield what the bits of each two records share by expectation, pass by pass."""
    spec = encoding_spec(agreement)
    kinds = {name: field.kind for name, field in agreement.linkage.fields.items()}
    for item in spec.passes:
        table = gram_table(fields, kinds, fields=[field.name for field in item.fields])
        n = len(table.values)
        of_field = np.array([field.n_hashes for field in item.fields], dtype=float)
        found = [
            (row, gram)
            for row, values in enumerate(table.values)
            for value in values[values >= 0]
            for gram in table.grams[table.starts[value] : table.starts[value + 1]]
        ]
        rows, columns = np.array(found).T
        has = sp.csr_array((np.ones(len(rows)), (rows, columns)), shape=(n, table.n_grams))
        bits = of_field[table.field_of_gram]
        load, common = has @ bits, (has.multiply(bits[None, :]).tocsr() @ has.T).toarray()
        empty = np.log1p(-1 / item.n_bits)
        both = np.exp(empty * (load[:, None] + load[None, :] - common))
        one = np.exp(empty * load)
        agree = 1 - 2 * (one[:, None] + one[None, :] - 2 * both)
        kernel = np.maximum(agree, 0) ** item.n_inputs
        np.fill_diagonal(kernel, 1)
        codes = salt_codes(fields, item)[1]
        yield np.where((codes[:, None] == codes[None, :]) & (codes >= 0)[:, None], kernel, 0)


def share_found(
    kernel_of: list[np.ndarray], bits_of: list[np.ndarray], known: Any, rest: Any, ridge: float
) -> float:
    """Predict the bits of all others from the known records, and guess who is who."""
    likelihood = np.zeros((len(rest), len(rest)), dtype=np.float32)
    for kernel, bits in zip(kernel_of, bits_of, strict=True):
        inner = kernel[np.ix_(known, known)] + ridge * np.eye(len(known))
        expected = kernel[np.ix_(rest, known)] @ np.linalg.solve(inner, bits[known])
        expected = np.clip(expected.astype(np.float32), -MOST_SURE, MOST_SURE)
        plus, minus = np.log1p(expected), np.log1p(-expected)
        likelihood += bits[rest] @ ((plus - minus) / 2).T + (plus + minus).sum(axis=1) / 2
    one_to_one = linear_sum_assignment(-likelihood)[1]
    here = np.arange(len(rest))
    return max(np.mean(one_to_one == here), np.mean(likelihood.argmax(axis=1) == here))


def attack(
    document: dict[str, Any],
    party: str,
    frames: dict[str, pd.DataFrame],
    *,
    n: int,
    known: list[int],
    seed: int,
) -> None:
    agreement = lk.Agreement.from_document(document)
    spec, rng = encoding_spec(agreement), np.random.default_rng(seed)
    fields = {
        copies: standardize(
            extract_from_frame(frame.iloc[:n].reset_index(drop=True), source=copies),
            agreement,
            party=party,
        ).fields
        for copies, frame in frames.items()
    }
    kernel_of = list(kernels(fields["exact"], agreement))
    order = rng.permutation(len(kernel_of[0]))
    for copies, of_target in fields.items():
        made = record_filters(of_target, lk.Secret.generate(), KeyScope.of(agreement, spec), spec)
        bits_of = [
            np.unpackbits(sent.words.view(np.uint8), axis=1).astype(np.float32) * 2 - 1
            for sent in sent_filters(made, spec).values()
        ]
        for n_known in known:
            share = max(
                share_found(kernel_of, bits_of, order[:n_known], order[n_known:], ridge)
                for ridge in RIDGES[copies]
            )
            print(
                f"{spec.profile:9} {copies:6} {n_known:5} known of {n}: {share:7.2%} of the others "
                f"(guessing {1 / (n - n_known):.2%})",
                flush=True,
            )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", choices=("febrl", "town"), default="febrl")
    options.add_argument("--folder", type=Path, help="FEBRL 4's CSV files.")
    options.add_argument("--profiles", nargs="+", default=["standard", "hardened"])
    options.add_argument("--passes", type=Path, help="YAML: the clause linkage.passes.")
    options.add_argument("--records", type=int, default=2500)
    options.add_argument("--known", type=int, nargs="+", default=[50, 200, 1000])
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    data = town() if given.data == "town" else febrl4(given.folder or febrl4_folder())
    document, party, frames = data
    if given.passes:
        document["linkage"]["passes"] = yaml.safe_load(given.passes.read_text(encoding="utf-8"))
    for profile in given.profiles:
        document["linkage"]["profile"] = profile
        attack(document, party, frames, n=given.records, known=given.known, seed=given.seed)


if __name__ == "__main__":
    main()
