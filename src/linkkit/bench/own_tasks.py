"""linkkit's own tasks: made-up files, and every stage of linking them.

Run by `child`, which loads this file by its path, each in a process of its own. Everything is
imported inside the tasks, so that importing can be measured.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    import linkkit as lk

_Steps = Generator[str, None, dict[str, Any]]

PARTIES = ("party_1", "party_2")
VECTOR_BITS = 1024
COMPARED_WITH = 1_000
FEW_ROWS = 1_500


def make_files(job: dict[str, Any]) -> _Steps:
    """Make up two parties' files, and write them and the truth."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    from linkkit.synth import large_files

    folder = Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    yield "ready"
    files = large_files(
        job["n"],
        n_parties=len(PARTIES),
        overlap=job["overlap"],
        errors=job["errors"],
        names=job["names"],
        seed=job["seed"],
    )
    paths = files.write(folder)
    yield "done"
    truth = files.matches(*PARTIES)
    np.savez(folder / "truth.npz", **truth._asdict())
    if job["csv"]:
        for party, path in paths.items():
            table = pq.read_table(path)
            filled = [column.fill_null("") for column in table.columns]
            csv.write_csv(pa.table(filled, names=table.column_names), folder / f"{party}.csv")
    return {"n_matches": len(truth.left)}


def import_linkkit(_job: dict[str, Any]) -> _Steps:
    """Import linkkit; afterwards also load all its public names, which load when first used."""
    yield "ready"
    import linkkit as lk

    yield "done"
    start = time.process_time()
    _load_names(lk)
    return {
        "names_cpu_seconds": time.process_time() - start,
        "loads_compiler": bool({"numba", "llvmlite"} & set(sys.modules)),
    }


def warm_up(job: dict[str, Any]) -> _Steps:
    """Run every stage once, so that what is compiled is on disk before anything is measured."""
    from typing import get_args

    import linkkit as lk
    from linkkit.linkage.block import Block
    from linkkit.linkage.cluster import connected_records
    from linkkit.synth import large_files

    yield "ready"
    agreement = lk.Agreement.from_yaml(_agreement_text(job["profile"], _identities()))
    secret = lk.Secret.generate()

    def encodings(n: int) -> list[lk.EncodedExtract]:
        files = large_files(n, names="mixed")
        tables = {party: files.table(party) for party in PARTIES}
        return [lk.encode(t, agreement, secret, party=p).encodings for p, t in tables.items()]

    if job["n"] > FEW_ROWS:
        encodings(job["n"])
    few = encodings(FEW_ROWS)
    for block in get_args(Block):
        lk.link(few, block=block)
    vectors = _vectors(FEW_ROWS)
    lk.similar_pairs(vectors, vectors, threshold=0.8)
    lk.one_to_one(*_pairs(FEW_ROWS))
    connected_records(*_edges(FEW_ROWS), n_records=FEW_ROWS)
    yield "done"
    return {}


def encode(job: dict[str, Any]) -> _Steps:
    """Encode both files, from loaded tables to encodings; seal them if they are to be kept."""
    import numpy as np
    import pyarrow.parquet as pq

    import linkkit as lk

    _load_names(lk)
    yield "imported"
    folder = Path(job["folder"])
    tables = {party: pq.read_table(folder / f"{party}.parquet") for party in PARTIES}
    identities = _identities()
    terms = _agreement_text(job["profile"], identities)
    agreement = lk.Agreement.from_yaml(terms)
    secret = lk.Secret.generate()
    yield "ready"
    encoded = {
        party: lk.encode(table, agreement, secret, party=party) for party, table in tables.items()
    }
    yield "done"
    n_records = sum(result.report.n_records for result in encoded.values())
    if job.get("keep"):
        kept = folder / job["profile"]
        kept.mkdir()
        identities["linkage_unit"].save(kept / "unit.identity")
        (kept / "agreement.yaml").write_text(terms, encoding="utf-8")
        for party, result in encoded.items():
            result.encodings.save(
                kept / f"{party}.encodings", agreement=agreement, identity=identities[party]
            )
            rows = result.token_map.rows - 1
            np.savez(kept / f"{party}.rows.npz", tokens=result.token_map.tokens, rows=rows)
    return {"n_records": n_records}


def stream(job: dict[str, Any]) -> _Steps:
    """Read, encode and seal one file batch by batch, in memory that does not grow with it."""
    import linkkit as lk

    _load_names(lk)
    yield "imported"
    party, folder = PARTIES[0], Path(job["folder"])
    identities = _identities()
    agreement = lk.Agreement.from_yaml(_agreement_text(job["profile"], identities))
    yield "ready"
    files = lk.encode_file(
        folder / f"{party}.parquet",
        agreement,
        lk.Secret.generate(),
        party=party,
        identity=identities[party],
        out=folder / "streamed",
        token_key=lk.TokenKey.generate(),
    )
    yield "done"
    return {"n_records": files.report.n_records}


def link(job: dict[str, Any]) -> _Steps:
    """Link both files, from opened encodings to the crosswalk."""
    import linkkit as lk

    _load_names(lk)
    yield "imported"
    kept = Path(job["folder"]) / job["profile"]
    agreement = lk.Agreement.load(kept / "agreement.yaml")
    unit = lk.Identity.load(kept / "unit.identity")
    encodings = [
        lk.EncodedExtract.load(kept / f"{party}.encodings", agreement=agreement, identity=unit)
        for party in PARTIES
    ]
    yield "ready"
    result = lk.link(encodings)
    yield "done"
    _save_links(job, _links_of(result.crosswalk, kept))
    return {
        "n_comparisons": getattr(result.plan, "n_comparisons", None),
        "n_candidates": len(result.pairs),
        "plan": str(result.plan),
    }


def compare(job: dict[str, Any]) -> _Steps:
    """Compare bit vectors with a thousand others, which is linear in their number."""
    import linkkit as lk

    _load_names(lk)
    yield "imported"
    left, right = _vectors(job["n"], job["seed"]), _vectors(COMPARED_WITH, job["seed"] + 1)
    lk.similar_pairs(left[:COMPARED_WITH], right, threshold=0.8)  # loads what is compiled
    yield "ready"
    pairs = lk.similar_pairs(left, right, threshold=0.8)
    yield "done"
    return {"n_comparisons": len(left) * len(right), "n_candidates": len(pairs)}


def assign(job: dict[str, Any]) -> _Steps:
    """Assign scored pairs one to one: as many pairs as there are records."""
    import linkkit as lk

    _load_names(lk)
    yield "imported"
    left, right, score = _pairs(job["n"], job["seed"])
    lk.one_to_one(left[:FEW_ROWS], right[:FEW_ROWS], score[:FEW_ROWS])  # loads what is compiled
    yield "ready"
    chosen = lk.one_to_one(left, right, score)
    yield "done"
    return {"n_candidates": len(score), "n_links": int(chosen.sum())}


def cluster(job: dict[str, Any]) -> _Steps:
    """Find the connected components of random edges: as many as there are records."""
    import numpy as np

    from linkkit.linkage.cluster import connected_records

    yield "imported"
    ends = _edges(job["n"], job["seed"])
    connected_records(*_edges(FEW_ROWS), n_records=FEW_ROWS)  # loads what is compiled
    yield "ready"
    smallest = connected_records(*ends, n_records=job["n"])
    yield "done"
    return {"n_candidates": job["n"], "n_groups": len(np.unique(smallest))}


def _load_names(package: Any) -> None:
    # Names load when they are first used, which belongs to importing.
    for name in package.__all__:
        getattr(package, name)


def _identities() -> dict[str, lk.Identity]:
    import linkkit as lk

    return {role: lk.Identity.generate() for role in (*PARTIES, "linkage_unit", "steward")}


def _agreement_text(profile: str, identities: dict[str, lk.Identity]) -> str:
    import yaml

    from linkkit.synth import large_agreement

    document = large_agreement(PARTIES, profile=profile)
    for role, identity in identities.items():
        clause = document["parties"][role] if role in PARTIES else document[role]
        clause["public_key"] = identity.public.text
    return str(yaml.safe_dump(document))


def _links_of(crosswalk: lk.Crosswalk, kept: Path) -> tuple[Any, Any]:
    """Return the rows of all pairs of records of different parties with one person id."""
    import numpy as np
    import pandas as pd

    from linkkit.exchange.artifacts import token_matrix

    table = crosswalk.table
    person = pd.factorize(_as_keys(token_matrix(table.column("person_id"))))[0]
    tokens, party = _as_keys(token_matrix(table.column("token"))), table.column("party").to_numpy()
    sides = []
    for name in PARTIES:
        with np.load(kept / f"{name}.rows.npz") as home:
            rows = pd.Series(home["rows"], index=_as_keys(home["tokens"]))
        own = party == name
        sides.append(pd.DataFrame({"person": person[own], "row": rows.loc[tokens[own]].to_numpy()}))
    pairs = sides[0].merge(sides[1], on="person")
    return pairs["row_x"].to_numpy(), pairs["row_y"].to_numpy()


def _as_keys(tokens: npt.NDArray[np.uint8]) -> Any:
    """Return the first 8 of 16 bytes, which tell millions of tokens apart."""
    import numpy as np

    return np.ascontiguousarray(tokens[:, :8]).view(np.uint64).ravel()


def _save_links(job: dict[str, Any], links: tuple[Any, Any]) -> None:
    import numpy as np

    np.stack(links).astype("<i8").tofile(job["links"])


def _vectors(n: int, seed: int = 0) -> npt.NDArray[np.uint64]:
    import numpy as np

    rng = np.random.default_rng(seed)
    words = np.zeros((n, VECTOR_BITS // 64), dtype=np.uint64)
    # Bit by bit of a binary fraction: a bit is set with the probability that it writes out.
    for digit in (1, 1, 0):  # last digit first: 0.011 in binary is 3/8
        random = rng.integers(0, 2**64, size=words.shape, dtype=np.uint64)
        words = words | random if digit else words & random
    return words


def _edges(n: int, seed: int = 0) -> tuple[Any, Any]:
    import numpy as np

    rng = np.random.default_rng(seed)
    return rng.integers(0, n, size=n), rng.integers(0, n, size=n)


def _pairs(n: int, seed: int = 0) -> tuple[Any, Any, npt.NDArray[np.float64]]:
    """Return about `n` different pairs of `n` and `n` records, and random scores."""
    import numpy as np

    left, right = _edges(n, seed)
    keys = np.unique(left * n + right)
    return keys // n, keys % n, np.random.default_rng(seed + 1).random(len(keys))


TASKS = {
    task.__name__: task
    for task in (
        make_files,
        import_linkkit,
        warm_up,
        encode,
        stream,
        link,
        compare,
        assign,
        cluster,
    )
}
