"""The profile ``clkhash`` of an agreement: one filter for each record, as clkhash makes it.

An extract made of a CLK JSON file cannot be told from one that linkkit encoded itself: filters,
tokens, and nothing of which fields a record has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.agreement import Agreement, LinkageClause
from linkkit.agreement.clkhash import schema_digest, schema_of
from linkkit.agreement.document import require_agreement
from linkkit.errors import ExtractError, OptionError
from linkkit.exchange import EncodedExtract, EncodingSpec, Filter, RecordFilterSpec
from linkkit.exchange.atomic import atomic_text
from linkkit.partner.encode.block_keys import block_keys
from linkkit.partner.encode.clk_canary import clk_canaries
from linkkit.partner.encode.clkhash.clk_json import from_clk_json, to_clk_json
from linkkit.partner.encode.results import TokenMap
from linkkit.partner.encode.tokens import record_tokens
from linkkit.partner.keys import ClkhashSecret, KeyScope, Secret, TokenKey, key_check

__all__ = [
    "FILTER_NAME",
    "as_clkhash_secret",
    "clk_encodings",
    "clk_places",
    "extract_from_clks",
    "extract_to_clks",
    "read_clk_file",
    "record_specs",
    "require_clkhash",
    "save_clks",
]

FILTER_NAME = "clk"


def record_specs(linkage: LinkageClause) -> tuple[RecordFilterSpec, ...]:
    """Return the public parameters of an agreement's record filters; none for other profiles."""
    if linkage.clkhash is None:
        return ()
    return (
        RecordFilterSpec(
            name=FILTER_NAME,
            n_bits=schema_of(linkage).n_bits,
            schema_digest=schema_digest(linkage),
            standardize=linkage.clkhash.standardize,
        ),
    )


def as_clkhash_secret(
    secret: Secret | ClkhashSecret, agreement: Agreement, spec: EncodingSpec
) -> ClkhashSecret:
    """Return the secret that clkhash is given: the one at hand, or one derived from ours."""
    if isinstance(secret, ClkhashSecret):
        return secret
    return ClkhashSecret.derive(secret, agreement=agreement, spec=spec)


def clk_encodings(
    words: npt.NDArray[np.uint64],
    tokens: npt.NDArray[np.uint8],
    *,
    agreement: Agreement,
    secret: ClkhashSecret,
    spec: EncodingSpec,
    party: str,
    counts: Mapping[str, int],
    fields: Mapping[str, pa.Array] | None = None,
    rows: npt.NDArray[np.int64] | None = None,
) -> EncodedExtract:
    """Return filters and tokens as an extract for the linkage unit.

    Parameters
    ----------
    words : ndarray of uint64, shape (n_records, n_words)
        The filters.
    tokens : ndarray of uint8, shape (n_records, 16)
        Record tokens, in the same order, which is kept.
    agreement, secret, spec, party, counts
        What they were made under, by whom, and what is reported of it.
    fields : mapping of str to pyarrow.Array, optional
        Linkage fields in standard form, of which blocking keys are made; not needed without keys.
    rows : ndarray of int64, optional
        Which rows of `fields` are the records.
    """
    scope = KeyScope.of(agreement, spec)
    stretched = secret.stretched(agreement)
    keys = np.zeros((len(tokens), 0), dtype=np.uint64)
    if spec.keys and fields is not None:
        keys = block_keys(fields, stretched, scope, spec, rows=rows)
    return EncodedExtract(
        party=party,
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        spec=spec,
        key_check=key_check(stretched, *scope.labels),
        one_record_per_person=agreement.party(party).one_record_per_person,
        tokens=tokens,
        filters={FILTER_NAME: Filter(words=words, present=_any_bit(words))},
        counts=counts,
        epoch=agreement.epoch,
        canaries=clk_canaries(
            agreement, secret, stretched=stretched, scope=scope, name=FILTER_NAME, spec=spec
        ),
        block_keys=keys,
    )


def _any_bit(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Return which filters have a bit set."""
    found: npt.NDArray[np.bool_] = np.bitwise_or.reduce(words, axis=1) != 0
    return found


def extract_to_clks(extract: EncodedExtract) -> str:
    """Return the CLK JSON of an extract of the profile ``clkhash``.

    Filters stand in the order of ``extract.tokens``; the file itself has no tokens.

    Raises
    ------
    OptionError
        When the extract is of another profile.
    """
    if not extract.spec.records:
        raise OptionError(
            f"the encodings of '{extract.party}' are of the profile '{extract.spec.profile}'",
            hint="Only filters of the profile 'clkhash' can be written as CLK JSON.",
        )
    item = extract.spec.records[0]
    return to_clk_json(extract.filters[item.name].words, n_bits=item.n_bits)


def clk_places(extract: EncodedExtract) -> str:
    """Return CSV text that tells the token of each filter of the extract's CLK JSON, from 1."""
    tokens = (bytes(token).hex() for token in extract.tokens)
    return "".join(["place,token\n", *(f"{i},{token}\n" for i, token in enumerate(tokens, 1))])


def save_clks(extract: EncodedExtract, folder: str | Path) -> None:
    """Write an extract's CLK JSON and the tokens of its filters, for their owner's eyes only.

    The files are ``PARTY.clks.json`` and ``PARTY.clk-tokens.csv``; neither is sealed.
    """
    folder = Path(folder)
    atomic_text(folder / f"{extract.party}.clks.json", extract_to_clks(extract), private=True)
    atomic_text(folder / f"{extract.party}.clk-tokens.csv", clk_places(extract), private=True)


def read_clk_file(path: str | Path) -> str:
    """Return the text of a CLK JSON file; raises :class:`ExtractError`."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        problem = f"the CLK JSON file cannot be read ({type(error).__name__})"
    raise ExtractError(problem, hint="Give the path of the file that clkhash wrote.")


def extract_from_clks(
    text: str,
    agreement: Agreement,
    secret: Secret | ClkhashSecret,
    *,
    party: str,
    record_ids: Sequence[str | None] | None = None,
    token_key: TokenKey | None = None,
) -> tuple[EncodedExtract, TokenMap]:
    """Take filters that clkhash made elsewhere into a linkage, at the party that made them.

    Nothing shows whether the filters were made under `secret` and the agreement's schema: the
    party answers for that.

    Parameters
    ----------
    text : str
        The CLK JSON.
    agreement : Agreement
        Its profile is ``clkhash``, with values as they stand.
    secret : Secret or ClkhashSecret
        What the filters were made under; compared with the other parties', never sent.
    party : str
        Whose records they are.
    record_ids : sequence of str or None, optional
        The party's row id of each filter, in the order of the file.
    token_key : TokenKey, optional
        The party's own key. With it and with row ids, a record keeps its token.

    Returns
    -------
    tuple of EncodedExtract and TokenMap
        For the linkage unit, and what stays home.

    Raises
    ------
    OptionError
        When the text is no CLK JSON of the schema's length, or the agreement is of another kind.
    ExtractError
        When there is no filter, or row ids do not name each filter once.
    """
    require_agreement(agreement)
    agreement.party(party)
    agreement.require_in_force()
    require_clkhash(agreement)
    _require_bare(agreement)
    spec = record_specs(agreement.linkage)[0]
    words = from_clk_json(text, n_bits=spec.n_bits)
    ids = [None] * len(words) if record_ids is None else list(record_ids)
    _require_ids(ids, len(words), party)
    full = _any_bit(words)
    empty, kept = np.flatnonzero(~full), np.flatnonzero(full)
    if not len(kept):
        raise ExtractError(f"{party}: the file has no filter with a bit set", hint="Is it whole?")
    kept_ids = pa.array([ids[i] for i in kept], type=pa.large_string())
    tokens = record_tokens(kept_ids, key=token_key, agreement_id=agreement.id, party=party)
    halves = np.ascontiguousarray(tokens).view(">u8").astype(np.uint64)
    order = np.lexsort((halves[:, 1], halves[:, 0]))
    whole_spec = _encoding_spec(agreement)
    extract = clk_encodings(
        words[kept[order]],
        tokens[order],
        agreement=agreement,
        secret=as_clkhash_secret(secret, agreement, whole_spec),
        spec=whole_spec,
        party=party,
        counts={"n_records": len(kept), "n_set_aside": len(empty)},
    )
    home = TokenMap(tokens=tokens, record_ids=kept_ids, rows=kept + 1)
    return extract, home


def _encoding_spec(agreement: Agreement) -> EncodingSpec:
    from linkkit.partner.encode.prepared import encoding_spec

    return encoding_spec(agreement)


def require_clkhash(agreement: Agreement) -> None:
    """Refuse an agreement of another profile."""
    if agreement.linkage.profile != "clkhash":
        raise OptionError(
            f"the agreement's profile is '{agreement.linkage.profile}', not 'clkhash'",
            hint="Secrets and filters of clkhash belong to agreements of that profile.",
        )


def _require_bare(agreement: Agreement) -> None:
    if agreement.linkage.blocking_keys:
        raise OptionError(
            "the agreement has blocking keys, which are made of linkage fields, and a file of "
            "filters has none",
            hint="Encode the extract with 'linkkit encode', or agree on no 'blocking_keys'.",
        )
    clause = agreement.linkage.clkhash
    if clause is not None and clause.standardize != "none":
        raise OptionError(
            "the agreement has values standardized by linkkit before they are hashed, which "
            "clkhash cannot have done",
            hint="Encode the extract with 'linkkit encode', or agree on 'standardize: none'.",
        )


def _require_ids(ids: Sequence[str | None], n_filters: int, party: str) -> None:
    if len(ids) != n_filters:
        raise ExtractError(
            f"{party}: there are {n_filters} filters and {len(ids)} record ids",
            hint="Give the ids of exactly the rows that were hashed, in their order.",
        )
    counts = Counter(x for x in ids if x is not None)
    repeated = [i + 1 for i, x in enumerate(ids) if x is not None and counts[x] > 1]
    if repeated:
        raise ExtractError(
            f"{party}: {len(repeated)} filters share a record id with another one, the first "
            f"is filter {repeated[0]}",
            hint="Give each record once, or leave the ids out for random tokens.",
        )
