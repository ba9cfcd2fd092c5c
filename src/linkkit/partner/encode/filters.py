"""The filters of records: of each field, or of passes over several fields."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.engines.local import run_in_threads
from linkkit.exchange import EncodingSpec, Filter, FilterSpec
from linkkit.partner.encode.bloom import BloomEncoder
from linkkit.partner.encode.grams import gram_table
from linkkit.partner.encode.kinds import KINDS
from linkkit.partner.encode.passes import PassKeys, pass_filter, with_random_filters
from linkkit.partner.encode.salts import salt_codes
from linkkit.partner.encode.tokenize import is_valid
from linkkit.partner.keys import KeyScope, Secret, encoding_key
from linkkit.partner.standardize.columns import threads_for

__all__ = ["record_filters", "sent_filters"]

Int64s = npt.NDArray[np.int64]


def record_filters(
    fields: Mapping[str, pa.Array],
    secret: Secret,
    scope: KeyScope,
    spec: EncodingSpec,
    *,
    rows: Int64s | None = None,
) -> dict[str, Filter]:
    """Encode some records, standardized.

    Parameters
    ----------
    fields : mapping of str to pyarrow.Array
        Each linkage field as text, null where it is missing; any number of records, so that many
        can be encoded some at a time.
    secret : Secret
        The linkage secret.
    scope : KeyScope
        Agreement, epoch and spec.
    spec : EncodingSpec
        How to encode.
    rows : ndarray of int64, optional
        Which records, and in which order; all by default.

    Returns
    -------
    dict of str to Filter
        By field or pass. A record that lacks a field, or a pass's salt, is not present in it.
    """
    n_rows = max(map(len, fields.values()), default=0)
    places = None
    if rows is not None and 2 * len(rows) > n_rows:
        places = np.full(n_rows, -1, dtype=np.int64)
        places[rows] = np.arange(len(rows))

    def taken(name: str) -> pa.Array:
        return fields[name] if rows is None else fields[name].take(pa.array(rows))

    def encoded(item: FilterSpec) -> Filter:
        column = taken(item.name) if places is None else fields[item.name]
        encoder = BloomEncoder(
            key=encoding_key(secret, scope, purpose="field-filter", field=item.name),
            tokens=KINDS[item.kind].tokens,
            n_bits=item.n_bits,
            n_hashes=item.n_hashes,
        )
        present = is_valid(column) if places is None else is_valid(column)[rows]
        return Filter(words=encoder.encode(column, places=places), present=present)

    filters = run_in_threads(encoded, spec.filters, n_threads=threads_for(n_rows))
    names = [item.name for item in spec.filters]
    return {
        **dict(zip(names, filters, strict=True)),
        **_pass_filters({name: taken(name) for name in spec.fields}, secret, scope, spec),
    }


def sent_filters(
    fields: Mapping[str, pa.Array],
    secret: Secret,
    scope: KeyScope,
    spec: EncodingSpec,
    *,
    rows: Int64s | None = None,
) -> dict[str, Filter]:
    """Return what :func:`record_filters` does, as it may leave the party.

    Who has no filter in a pass is given a random one.
    """
    passes = {item.name for item in spec.passes}
    made = record_filters(fields, secret, scope, spec, rows=rows)
    return {
        name: with_random_filters(item) if name in passes else item for name, item in made.items()
    }


def _pass_filters(
    fields: Mapping[str, pa.Array], secret: Secret, scope: KeyScope, spec: EncodingSpec
) -> dict[str, Filter]:
    if not spec.passes:
        return {}
    kinds = {field.name: field.kind for item in spec.passes for field in item.fields}
    covered = [name for name in spec.fields if name in kinds]
    table = gram_table(fields, kinds, fields=covered)
    filters = {}
    for item in spec.passes:
        salts, tokens = (
            encoding_key(secret, scope, purpose=purpose, field=item.name)
            for purpose in ("pass-salt", "pass-token")
        )
        keys = PassKeys(salts=salts, tokens=tokens)
        distinct, codes = salt_codes(fields, item)
        filters[item.name] = pass_filter(table, distinct, codes, item=item, keys=keys)
    return filters
