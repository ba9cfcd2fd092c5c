"""The filters of records: of each field, or of passes over several fields."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.agreement import FieldKind
from linkkit.engines.local import run_in_threads
from linkkit.exchange import EncodingSpec, Filter
from linkkit.partner.encode.bloom import BloomEncoder
from linkkit.partner.encode.grams import gram_table
from linkkit.partner.encode.kinds import kind_encoding
from linkkit.partner.encode.passes import PassKeys, pass_filter, with_random_filters
from linkkit.partner.encode.records import taken
from linkkit.partner.encode.salts import salt_codes
from linkkit.partner.encode.tokenize import is_valid
from linkkit.partner.keys import KeyScope, Secret, encoding_key
from linkkit.partner.standardize.columns import threads_for

__all__ = ["FieldEncoder", "record_filters", "sent_filters"]

Int64s = npt.NDArray[np.int64]


class FieldEncoder:
    """Encodes standardized records, batch after batch; each distinct token is hashed once.

    Parameters
    ----------
    secret : Secret
        The linkage secret.
    scope : KeyScope
        Agreement, epoch and spec.
    spec : EncodingSpec
        How to encode.
    """

    __slots__ = ("_encoders", "_scope", "_secret", "_spec")

    def __init__(self, secret: Secret, scope: KeyScope, spec: EncodingSpec) -> None:
        self._secret, self._scope, self._spec = secret, scope, spec
        self._encoders = {
            item.name: BloomEncoder(
                key=encoding_key(secret, scope, purpose="field-filter", field=item.name),
                tokens=kind_encoding(item.kind, item.compare).tokens,
                n_bits=item.n_bits,
                n_hashes=item.n_hashes,
            )
            for item in spec.filters
        }

    def encode(
        self, fields: Mapping[str, pa.Array], *, rows: Int64s | None = None
    ) -> dict[str, Filter]:
        """Encode some records.

        Parameters
        ----------
        fields : mapping of str to pyarrow.Array
            Each linkage field as text, null where it is missing.
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

        def chosen(name: str) -> pa.Array:
            return fields[name] if rows is None else taken(fields[name], rows)

        def encoded(name: str) -> Filter:
            column = chosen(name) if places is None else fields[name]
            present = is_valid(column) if places is None else is_valid(column)[rows]
            words = self._encoders[name].encode(column, places=places)
            return Filter(words=words, present=present)

        # The longest first, so that no thread is left with it at the end.
        tasks = sorted(self._encoders, key=lambda name: fields[name].nbytes, reverse=True)
        filters = run_in_threads(encoded, tasks, n_threads=threads_for(n_rows))
        found = dict(zip(tasks, filters, strict=True))
        of_fields = {name: found[name] for name in self._encoders}
        covered = {name: chosen(name) for name in self._spec.fields}
        return {**of_fields, **_pass_filters(covered, self._secret, self._scope, self._spec)}


def record_filters(
    fields: Mapping[str, pa.Array], secret: Secret, scope: KeyScope, spec: EncodingSpec
) -> dict[str, Filter]:
    """Return the filters of standardized records, as :meth:`FieldEncoder.encode` does."""
    return FieldEncoder(secret, scope, spec).encode(fields)


def sent_filters(
    made: Mapping[str, Filter],
    spec: EncodingSpec,
    tokens: npt.NDArray[np.uint8],
    *,
    secret: Secret,
    scope: KeyScope,
) -> dict[str, Filter]:
    """Return filters as they may leave the party: who has none in a pass gets one that looks random."""
    passes = {
        item.name: encoding_key(secret, scope, purpose="pass-filler", field=item.name)
        for item in spec.passes
    }
    return {
        name: with_random_filters(item, tokens, key=passes[name]) if name in passes else item
        for name, item in made.items()
    }


def _pass_filters(
    fields: Mapping[str, pa.Array], secret: Secret, scope: KeyScope, spec: EncodingSpec
) -> dict[str, Filter]:
    if not spec.passes:
        return {}
    kinds: dict[str, FieldKind] = {
        field.name: field.kind for item in spec.passes for field in item.fields
    }
    compares = {f.name: f.compare for item in spec.passes for f in item.fields if f.compare}
    covered = [name for name in spec.fields if name in kinds]
    table = gram_table(fields, kinds, fields=covered, compares=compares)
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
