"""linkkit's own profiles as targets: one list of people, encoded as parties do, for an attacker.

`benchmarks/attack_passes.py` attacks them. What an attacker is given beside the encodings is its
own list under other keys, with the salts of that list and the pieces that its records consist of.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import scipy.sparse as sp
from harness.attacked import COLUMNS, FIELDS, with_errors

import linkkit as lk
from linkkit.assess.attack import PassView, Target, WeightedTokens
from linkkit.exchange import EncodingSpec, PassSpec, SaltField
from linkkit.partner.encode import encoding_spec
from linkkit.partner.encode.filters import record_filters, sent_filters
from linkkit.partner.encode.grams import GramTable, gram_table
from linkkit.partner.encode.salts import salt_codes
from linkkit.partner.keys import ClkhashSecret, KeyScope
from linkkit.partner.read import extract_from_frame
from linkkit.partner.standardize import standardize
from linkkit.synth import youth_partnership

__all__ = ["CONTROLS", "People", "Scheme", "as_profile", "febrl4", "rehearsed", "town"]

CONTROLS = ("none", "no-salt", "no-xor", "neither")
"""Protections left out, to see that an attack finds people where it should."""

CLK_BITS = {
    "given_name": (2, 200),
    "surname": (2, 200),
    "date": (1, 200),
    "street_address": (2, 140),
    "city": (2, 80),
    "postal_code": (1, 80),
    "sex": (1, 30),
    "identifier": (1, 120),
    "phone": (1, 120),
}
"""Length of the pieces of each kind, and how many bits a value sets; single characters know their place."""
NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class People:
    """An agreement's document, and lists of the same people in the same order.

    ``own`` is the attacker's list; ``targets`` are what is encoded, by how it differs from that.
    """

    document: dict[str, Any]
    party: str
    own: pd.DataFrame
    targets: Mapping[str, pd.DataFrame]


def febrl4(folder: Path, n: int, fields: Sequence[str] = tuple(FIELDS)) -> People:
    """Return the first people of FEBRL 4: the clean file, and the second with its errors."""
    frames = []
    for letter in "ab":
        frame = pd.read_csv(folder / f"dataset4{letter}.csv", skipinitialspace=True, dtype=str)
        frame.index = frame["rec_id"].str.extract(r"rec-(\d+)-", expand=False)
        frames.append(frame)
    own, noisy = frames[0].iloc[:n], frames[1].loc[frames[0].index[:n]]
    columns = {name: COLUMNS[name] for name in fields}
    office = {"name": "Office", "record_id": "rec_id", "linkage_fields": columns}
    document = {
        "format": "linkkit-agreement/1",
        "id": "febrl-4",
        "title": "FEBRL 4",
        "purpose": "Measure attacks on a public data set.",
        "legal_basis": "Made-up people; no law applies.",
        "years": {"first": 2020, "last": 2030},
        "destroy_by": "2999-12-31",
        "linkage": {"fields": {name: {"kind": FIELDS[name]} for name in fields}},
        "parties": {"office_a": office, "office_b": office},
        "linkage_unit": {"name": "A third office"},
        "steward": {"name": "Nobody"},
        "protection": {"smallest_cell": 10, "quasi_identifiers": {"in_office_a": {}}},
    }
    targets = {"noisy": noisy.reset_index(drop=True), "exact": own.reset_index(drop=True)}
    return People(document=document, party="office_a", own=targets["exact"], targets=targets)


def town(n: int) -> People:
    """Return people of the district of a made-up town, which has families; exact copies only."""
    made = youth_partnership(n_district=6000, n_summer=100, n_jobs=100)
    own = made.extracts["district"].iloc[:n].reset_index(drop=True)
    return People(document=made.agreement, party="district", own=own, targets={"exact": own})


def as_profile(
    document: Mapping[str, Any], profile: str, *, passes: Mapping[str, Any] | None = None
) -> lk.Agreement:
    """Return the agreement under a profile; for `clkhash` with cells hashed as they stand."""
    fields = document["linkage"]["fields"]
    linkage = {"fields": fields, "profile": profile}
    if passes:
        linkage["passes"] = passes
    parties = document["parties"]
    if profile == "clkhash":
        linkage["clkhash"] = {"linkage_schema": clk_schema(fields)}
        parties = {
            name: {
                **party,
                "linkage_fields": {
                    field: {"column": source["column"]}
                    for field, source in party["linkage_fields"].items()
                },
            }
            for name, party in parties.items()
        }
    return lk.Agreement.from_document({**document, "linkage": linkage, "parties": parties})


def clk_schema(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a linkage schema of clkhash for an agreement's fields, 1,024 bits."""
    features = []
    for name, field in fields.items():
        n, bits = CLK_BITS[field["kind"]]
        hashing = {
            "comparison": {"type": "ngram", "n": n, "positional": n == 1},
            "strategy": {"bitsPerFeature": bits},
            "missingValue": {"sentinel": "", "replaceWith": ""},
        }
        features.append({"identifier": name, "format": {"type": "string"}, "hashing": hashing})
    config = {"l": 1024, "kdf": {"type": "HKDF", "salt": "c2FsdA=="}}
    return {"version": 3, "clkConfig": config, "features": features}


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """An agreement, and how lists of a party's people become targets under it."""

    agreement: lk.Agreement
    party: str
    spec: EncodingSpec

    @classmethod
    def of(
        cls, people: People, profile: str, *, passes: Mapping[str, Any] | None, control: str
    ) -> Scheme:
        agreement = as_profile(people.document, profile, passes=passes)
        spec = weakened(encoding_spec(agreement), control)
        return cls(agreement=agreement, party=people.party, spec=spec)

    def fields(self, frame: pd.DataFrame) -> dict[str, pa.Array]:
        """Return the standardized linkage fields, and a field that says nothing."""
        table = extract_from_frame(frame, source="benchmark")
        found = standardize(table, self.agreement, party=self.party).fields
        return {**found, NOTHING: pa.array(["nothing"] * len(frame), pa.large_string())}

    def sent(self, frame: pd.DataFrame, label: str) -> Target:
        """Encode a list as it is sent, under a key that follows from the label."""
        material = hashlib.sha256(f"benchmark: {label}".encode()).digest()
        if self.spec.records:
            return Target(passes=(self._clks(frame, material),))
        scope = KeyScope.of(self.agreement, self.spec)
        secret = lk.Secret(material)
        made = record_filters(self.fields(frame), secret, scope, self.spec)
        tokens = np.frombuffer(os.urandom(16 * len(frame)), dtype=np.uint8).reshape(-1, 16)
        sent = sent_filters(made, self.spec, tokens, secret=secret, scope=scope)
        return Target(
            passes=tuple(PassView(words=x.words, present=x.present) for x in sent.values())
        )

    def own(self, frame: pd.DataFrame, label: str) -> Target:
        """Encode the attacker's list, whose salts the attacker knows."""
        found = self.sent(frame, label)
        if not self.spec.passes:
            return found
        groups = [salt_codes(self.fields(frame), item)[1] for item in self.spec.passes]
        return Target(
            passes=tuple(
                PassView(words=view.words, groups=of_pass)
                for view, of_pass in zip(found.passes, groups, strict=True)
            )
        )

    def _clks(self, frame: pd.DataFrame, material: bytes) -> PassView:
        made = lk.encode(
            frame, self.agreement, ClkhashSecret(material.hex().encode()), party=self.party
        )
        row_of = {
            token.tobytes(): row - 1
            for token, row in zip(made.token_map.tokens, made.token_map.rows, strict=True)
        }
        rows = [row_of[token.tobytes()] for token in made.encodings.tokens]
        sent = next(iter(made.encodings.filters.values())).words
        words = np.zeros((len(frame), sent.shape[1]), dtype=np.uint64)
        words[rows] = sent
        return PassView(words=words, present=words.any(axis=1))

    def tokens(self, frame: pd.DataFrame) -> list[WeightedTokens] | None:
        """Return the pieces of each record in each pass; None where there is no pass."""
        if not self.spec.passes:
            return None
        fields = self.fields(frame)
        return [
            weighted(self.table(fields, item), [field.n_hashes for field in item.fields])
            for item in self.spec.passes
        ]

    def table(self, fields: Mapping[str, pa.Array], item: PassSpec) -> GramTable:
        kinds = {name: field.kind for name, field in self.agreement.linkage.fields.items()}
        return gram_table(fields, kinds, fields=[field.name for field in item.fields])

    def kernels(self, frame: pd.DataFrame) -> Iterator[npt.NDArray[np.float32]]:
        """Yield what the bits of each two records share by expectation, pass by pass."""
        fields = self.fields(frame)
        for item in self.spec.passes:
            tokens = weighted(self.table(fields, item), [field.n_hashes for field in item.fields])
            codes = salt_codes(fields, item)[1]
            yield exact_kernel(tokens, codes, item)


def weakened(spec: EncodingSpec, control: str) -> EncodingSpec:
    """Leave a protection out of each pass: the salt, the exclusive or, or both."""
    salt = (SaltField(name=NOTHING, part="whole"),)
    changes: dict[str, Any] = {}
    if control in ("no-salt", "neither"):
        changes["salt"] = salt
    if control in ("no-xor", "neither"):
        changes["n_inputs"] = 1
    if not changes:
        return spec
    passes = tuple(item.model_copy(update=changes) for item in spec.passes)
    return spec.model_copy(update={"passes": passes, "fields": (*spec.fields, NOTHING)})


def weighted(table: GramTable, n_hashes: Sequence[int]) -> WeightedTokens:
    """Number each record's pieces, and say how many bits each sets."""
    nothing = np.zeros(0, dtype=np.int64)
    sets = [
        np.concatenate(
            [nothing, *(table.grams[table.starts[v] : table.starts[v + 1]] for v in row if v >= 0)]
        ).astype(np.int64)
        for row in table.values
    ]
    return WeightedTokens(
        sets=sets, weights=np.asarray(n_hashes, dtype=np.float64)[table.field_of_gram]
    )


def exact_kernel(
    tokens: WeightedTokens, codes: npt.NDArray[np.int64], item: PassSpec
) -> npt.NDArray[np.float32]:
    """Return the expected agreement of bits, 0 for records of different salts."""
    columns = np.concatenate([*tokens.sets, np.zeros(0, dtype=np.int64)]).astype(np.int64)
    rows = np.repeat(np.arange(len(tokens)), [len(one) for one in tokens.sets])
    shape = (len(tokens), len(tokens.weights))
    has = sp.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)
    load = has @ tokens.weights
    common = (has.multiply(tokens.weights[None, :]).tocsr() @ has.T).toarray()
    # The first filter is half full: filled up, or with so many bits fewer for each piece.
    full = round(item.n_bits * np.log(2))
    kept = full / np.maximum(load, full)
    in_first = common * np.minimum(kept[:, None], kept[None, :])
    kernel = agreement(np.full(len(load), full), in_first, item.n_bits)
    kernel *= agreement(load, common, item.n_bits) ** (item.n_inputs - 1)
    np.fill_diagonal(kernel, 1)
    same_salt = (codes[:, None] == codes[None, :]) & (codes >= 0)[:, None]
    return np.where(same_salt, kernel, 0).astype(np.float32)


def agreement(
    load: npt.NDArray[np.float64], common: npt.NDArray[np.float64], n_bits: int
) -> npt.NDArray[np.float64]:
    """Return how far the bits of two filters agree, 0 to 1, from the bits that are put in."""
    empty = np.log1p(-1 / n_bits)
    one, both = np.exp(empty * load), np.exp(empty * (load[:, None] + load[None, :] - common))
    return np.maximum(1 - 2 * (one[:, None] + one[None, :] - 2 * both), 0)


def rehearsed(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the attacker's list with made-up errors, for a rehearsal under another key."""
    named = [column for column in frame.columns if column not in ("rec_id", "soc_sec_id")]
    records = frame[named].astype(object).where(frame[named].notna(), None).to_dict("records")
    noisy = pd.DataFrame(with_errors(records, np.random.default_rng(seed)))
    return frame.assign(**{column: noisy[column] for column in named})
