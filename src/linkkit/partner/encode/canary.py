"""Canary records: made-up people whose encodings show whether two sites standardize alike.

Every party derives the same records from the secret, in messy spellings, and takes them through
the standardization and encoding that are installed there. Keyed digests of what comes out
travel in the manifest. Another version of a library that folds accents, say, then shows before
any row is compared. Nobody real is described: names are chains of syllables, phone numbers are
those set apart for fiction (555-01xx), mail addresses end in ``example.org`` (RFC 2606).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.agreement import Agreement, ColumnSource, FieldKind, Party
from linkkit.exchange import Filter
from linkkit.partner.encode.canary_cells import canary_cell
from linkkit.partner.keys import KeyScope, Secret, encoding_key
from linkkit.partner.keys.derive import length_prefixed
from linkkit.partner.read import extract_from_frame
from linkkit.partner.standardize import standardize

__all__ = ["N_CANARIES", "canary_digests", "canary_fields"]

N_CANARIES = 32
_DIGEST_BYTES = 16
_PARTY = "canary"


def canary_fields(agreement: Agreement, secret: Secret, scope: KeyScope) -> dict[str, pa.Array]:
    """Make up the canary records and standardize them with the code that is installed here.

    Parameters
    ----------
    agreement : Agreement
        Names the linkage fields and their kinds.
    secret : Secret
        Decides who is made up.
    scope : KeyScope
        Agreement, epoch and spec; another gives others.

    Returns
    -------
    dict of str to pyarrow.Array
        Each linkage field of :data:`N_CANARIES` records, as text, null where missing.
    """
    cells = {
        name: pa.array(
            [_cell(field.kind, secret, scope, name, i) for i in range(N_CANARIES)], pa.string()
        )
        for name, field in agreement.linkage.fields.items()
    }
    party = Party(name=_PARTY, linkage_fields={name: ColumnSource(column=name) for name in cells})
    described = agreement.model_copy(update={"parties": {_PARTY: party}})
    extract = extract_from_frame(pa.table(cells), source="the canary records")
    return standardize(extract, described, party=_PARTY).fields


def canary_digests(
    fields: Mapping[str, pa.Array],
    filters: Mapping[str, Filter],
    *,
    secret: Secret,
    scope: KeyScope,
    keys: Mapping[str, npt.NDArray[np.uint64]] | None = None,
) -> dict[str, str]:
    """Digest the canary records under a sub-key, as they were standardized and encoded.

    Parameters
    ----------
    fields : mapping of str to pyarrow.Array
        What :func:`canary_fields` returned.
    filters : mapping of str to Filter
        Their encodings.
    secret : Secret
        Without it, a digest says nothing.
    scope : KeyScope
        Agreement, epoch and spec.
    keys : mapping of str to ndarray of uint64, optional
        Their blocking keys, by name.

    Returns
    -------
    dict of str to str
        32 hexadecimal digits for each ``field:NAME``, ``filter:NAME`` and ``key:NAME``.
    """
    contents = {f"field:{name}": _field_bytes(column) for name, column in fields.items()}
    contents |= {f"filter:{name}": _filter_bytes(item) for name, item in filters.items()}
    contents |= {f"key:{name}": each.astype("<u8").tobytes() for name, each in (keys or {}).items()}
    digests = {}
    for name, content in contents.items():
        key = encoding_key(secret, scope, purpose="canary-digest", field=name)
        digests[name] = hmac.digest(key, content, "sha256")[:_DIGEST_BYTES].hex()
    return digests


def _cell(kind: FieldKind, secret: Secret, scope: KeyScope, name: str, i: int) -> str:
    return canary_cell(
        kind, encoding_key(secret, scope, purpose="canary-cell", field=name, pass_name=str(i))
    )


def _field_bytes(column: pa.Array) -> bytes:
    values = column.to_pylist()
    return length_prefixed(*(b"" if v is None else b"=" + v.encode() for v in values))


def _filter_bytes(item: Filter) -> bytes:
    return length_prefixed(item.words.astype("<u8").tobytes(), item.present.tobytes())
