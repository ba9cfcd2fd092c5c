"""Canary records of a clkhash schema: made-up cells that its formats take."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa

from linkkit.agreement import Agreement, FieldKind
from linkkit.agreement.clkhash import ClkFeature, feature_fields, schema_of
from linkkit.agreement.clkhash.parts import (
    DateFormat,
    EnumFormat,
    IntegerFormat,
    Numeric,
    PatternFormat,
)
from linkkit.exchange import EncodingSpec, Filter
from linkkit.partner.encode.block_keys import block_keys, by_name
from linkkit.partner.encode.canary import N_CANARIES, canary_digests, canary_fields
from linkkit.partner.encode.canary_cells import canary_cell
from linkkit.partner.encode.clk_rows import in_form
from linkkit.partner.encode.clkhash.cells import prepare
from linkkit.partner.encode.clkhash.filters import encode_clks
from linkkit.partner.keys import ClkhashSecret, KeyScope, Secret, encoding_key

__all__ = ["clk_canaries", "fitting_cell"]

_FIRST_DAY = dt.date(1970, 1, 1)
_DAYS = 15_000
_SPAN = 100_000


def clk_canaries(
    agreement: Agreement,
    secret: ClkhashSecret,
    *,
    stretched: Secret,
    scope: KeyScope,
    name: str,
    spec: EncodingSpec,
) -> dict[str, str]:
    """Digest the canary records of an agreement of the profile ``clkhash``.

    Parameters
    ----------
    agreement : Agreement
        Holds the schema.
    secret : ClkhashSecret
        What they are hashed under.
    stretched : Secret
        The same, stretched: what they are made up from and digested under.
    scope : KeyScope
        Agreement, epoch and spec; another gives others.
    name : str
        Name of the filter.
    spec : EncodingSpec
        Names the blocking keys, which are made of standard forms.

    Returns
    -------
    dict of str to str
        32 hexadecimal digits for each ``field:NAME``, as it is hashed, for the filter, and for each
        ``key:NAME``.
    """
    linkage = agreement.linkage
    schema = schema_of(linkage)
    fields = [field or "" for field in feature_fields(linkage, schema)]
    if linkage.clkhash and linkage.clkhash.standardize == "linkkit":
        standard = canary_fields(agreement, stretched, scope)
        cells = [in_form(standard[x], f) for x, f in zip(fields, schema.features, strict=True)]
    else:
        cells = [
            _cells(feature, linkage.fields[x].kind, stretched, scope, x)
            for x, feature in zip(fields, schema.features, strict=True)
        ]
    arrays = [pa.nulls(N_CANARIES, pa.large_string())] * len(schema.identifiers)
    for feature, array in zip(schema.features, cells, strict=True):
        arrays[feature.position] = array
    table = pa.Table.from_arrays(arrays, names=list(schema.identifiers))
    made = encode_clks(
        table, schema, secret=secret.reveal(), rows=np.arange(N_CANARIES, dtype=np.int64)
    )
    words = np.zeros((N_CANARIES, schema.n_words), dtype=np.uint64)
    words[made.rows] = made.words
    present = np.isin(np.arange(N_CANARIES), made.rows)
    hashed = {
        x: prepare(array, feature).text
        for x, array, feature in zip(fields, cells, schema.features, strict=True)
    }
    filters = {name: Filter(words=words, present=present)}
    keys = {}
    if spec.keys:
        made_up = canary_fields(agreement, stretched, scope)
        keys = by_name(block_keys(made_up, stretched, scope, spec), spec)
    return canary_digests(hashed, filters, secret=stretched, scope=scope, keys=keys)


def _cells(
    feature: ClkFeature, kind: FieldKind, secret: Secret, scope: KeyScope, name: str
) -> pa.Array:
    streams = [
        encoding_key(secret, scope, purpose="canary-cell", field=name, pass_name=str(i))
        for i in range(N_CANARIES)
    ]
    return pa.array([fitting_cell(feature, kind, stream) for stream in streams], pa.large_string())


def fitting_cell(feature: ClkFeature, kind: FieldKind, stream: bytes) -> str:
    """Make up a cell that a feature takes, if one can be made up.

    Parameters
    ----------
    feature : ClkFeature
        Its format decides.
    kind : str
        What the linkage field holds.
    stream : bytes
        32 random bytes, which decide the rest.
    """
    form = feature.format
    number = int.from_bytes(stream[:4], "big")
    if isinstance(form, DateFormat):
        return (_FIRST_DAY + dt.timedelta(days=number % _DAYS)).strftime(form.format)
    if isinstance(form, EnumFormat):
        return form.values[number % len(form.values)] if form.values else ""
    if isinstance(form, IntegerFormat):
        low, high = form.minimum, form.maximum
        if low is None:
            low = 0 if high is None or high >= 0 else high - _SPAN
        high = low + _SPAN if high is None else high
        return str(low + number % (high - low + 1)) if low <= high else ""
    digits = str(number)
    if isinstance(feature.hashing.comparison, Numeric):
        return digits
    cell = canary_cell(kind, stream)
    if isinstance(form, PatternFormat):
        plain = "".join(c for c in cell if c.isascii() and c.isalpha()) or "a"
        numbers = (digits[:n] for n in range(len(digits), 0, -1))
        tries = (cell, plain, plain.lower(), plain.upper(), plain.title(), *numbers)
        return next((text for text in tries if form.matches(text)), "")
    if form.encoding == "ascii":
        cell = "".join(c for c in cell if c.isascii())
    cell = {"upper": cell.upper(), "lower": cell.lower()}.get(form.case, cell)
    return cell.ljust(form.min_length, "0")[: form.max_length]
