"""A made-up linkage of a clinic, a school and a shelter, for the examples in this zone.

Nobody in it exists, and no name is behind the encodings: values are sets of random numbers. It
is the same in every run.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from linkkit.agreement import FieldKind
from linkkit.exchange import EncodedExtract, EncodingSpec, Filter, FilterSpec
from linkkit.linkage import LinkResult, link

__all__ = ["ExampleLinkage", "example_linkage"]

_N_PEOPLE = 240
_N_BITS, _N_HASHES, _N_TOKENS = 256, 8, 8
_FIELDS: dict[str, tuple[FieldKind, int]] = {
    "given_name": ("given_name", 90),
    "surname": ("surname", 150),
    "birth_date": ("date", 200),
    "postal_code": ("postal_code", 8),
    "phone": ("phone", 230),
}
_PARTIES = {"school": (0, 180), "clinic": (100, 220), "shelter": (160, 240)}
_ALTERED, _MISSING = 0.08, 0.04
_FINGERPRINT = "0123456789abcdef" * 4

_Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class ExampleLinkage:
    """A linkage with its truth.

    Attributes
    ----------
    result : LinkResult
        240 people in 380 records; the shelter has no phone numbers.
    truth : pandas.DataFrame
        ``token`` and ``person`` of each record.
    """

    result: LinkResult
    truth: pd.DataFrame


@cache
def example_linkage() -> ExampleLinkage:
    """Return the made-up linkage; made once."""
    rng = np.random.default_rng(2026)
    values = {
        name: _values(rng, n_values)[rng.integers(0, n_values, _N_PEOPLE)]
        for name, (_, n_values) in _FIELDS.items()
    }
    extracts, truth = [], []
    for party, (first, last) in _PARTIES.items():
        people = np.arange(first, last)
        tokens = rng.integers(0, 256, size=(len(people), 16), dtype=np.uint8)
        extracts.append(_extract(rng, party, {k: v[people] for k, v in values.items()}, tokens))
        hexadecimal = [bytes(token).hex() for token in tokens]
        truth.append(pd.DataFrame({"token": hexadecimal, "person": people}))
    return ExampleLinkage(
        result=link(extracts, n_threads=1), truth=pd.concat(truth, ignore_index=True)
    )


def _values(rng: np.random.Generator, n_values: int) -> _Bits:
    """Return the bits of made-up values, shape (n_values, n_tokens, n_bits)."""
    bits = np.zeros((n_values, _N_TOKENS, _N_BITS), dtype=np.bool_)
    where = rng.integers(0, _N_BITS, size=(n_values, _N_TOKENS, _N_HASHES))
    np.put_along_axis(bits, where, True, axis=2)
    return bits


def _extract(
    rng: np.random.Generator, party: str, values: dict[str, _Bits], tokens: npt.NDArray[np.uint8]
) -> EncodedExtract:
    filters = {}
    for name, bits in values.items():
        share_missing = 1.0 if (party, name) == ("shelter", "phone") else _MISSING
        filters[name] = _filter(rng, bits.copy(), share_missing=share_missing)
    return EncodedExtract(
        party=party,
        agreement_id="example-2026",
        agreement_fingerprint=_FINGERPRINT,
        spec=_spec(),
        key_check="0" * 32,
        one_record_per_person=True,
        tokens=tokens,
        filters=filters,
        counts={"n_records": len(tokens), "n_set_aside": 0},
    )


def _filter(rng: np.random.Generator, bits: _Bits, *, share_missing: float) -> Filter:
    altered = np.flatnonzero(rng.random(len(bits)) < _ALTERED)
    bits[altered, 0] = _values(rng, len(altered))[:, 0]
    present = rng.random(len(bits)) >= share_missing
    merged = bits.any(axis=1) & present[:, None]
    words = np.packbits(merged, axis=1, bitorder="little").view("<u8").astype(np.uint64)
    return Filter(words=words, present=present)


def _spec() -> EncodingSpec:
    return EncodingSpec(
        profile="field",
        encoding_version=1,
        standardization_version=1,
        filters=tuple(
            FilterSpec(name=name, kind=kind, n_bits=_N_BITS, n_hashes=_N_HASHES)
            for name, (kind, _) in _FIELDS.items()
        ),
    )
