"""All parties' encodings as one pool of records, in an order that no input order changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from linkkit.errors import LinkageError, MismatchError, WrongStageError
from linkkit.exchange import EncodedExtract, EncodingSpec
from linkkit.exchange.spec import spec_difference
from linkkit.linkage.pass_words import PassWords

__all__ = ["Made", "Pool", "checked_extracts", "make_pool", "part_of", "pool_of"]

_ROWS_AT_ONCE = 1_024

_ONE_EACH = "Give one EncodedExtract for each party."

_Order = slice | npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Made:
    """How encodings were made, which tells whether they compare with others.

    Attributes
    ----------
    agreement_id, agreement_fingerprint : str
        The agreement, and its text.
    epoch : int
        The agreement's epoch.
    spec : EncodingSpec
        How records were encoded.
    key_check : str
        What agrees when the linkage secret was the same.
    canaries : dict of str to str
        Digests of made-up records that everybody encodes.
    """

    agreement_id: str
    agreement_fingerprint: str
    epoch: int
    spec: EncodingSpec
    key_check: str
    canaries: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, extract: EncodedExtract) -> Made:
        """Return how an extract was made."""
        return cls(
            agreement_id=extract.agreement_id,
            agreement_fingerprint=extract.agreement_fingerprint,
            epoch=extract.epoch,
            spec=extract.spec,
            key_check=extract.key_check,
            canaries=dict(extract.canaries),
        )


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Pool:
    """The records of all parties, sorted by party name and then by token.

    Attributes
    ----------
    agreement_id, agreement_fingerprint : str
        The agreement that all were encoded under.
    spec : EncodingSpec
        How all were encoded.
    parties : tuple of str
        Party names, sorted.
    clean : ndarray of bool, shape (n_parties,)
        Whether a party's file holds each person at most once.
    party : ndarray of int64, shape (n_records,)
        Position in `parties` of each record's party.
    tokens : ndarray of uint8, shape (n_records, 16)
        Record tokens.
    words : ndarray of uint64, shape (n_records, n_words)
        The filters of all fields side by side, zero where a field is missing; no column with passes.
    present : ndarray of bool, shape (n_records, n_fields)
        Which fields each record has, of those with a filter of their own; no column with passes.
    block_keys : ndarray of uint64, shape (n_records, n_keys)
        The blocking keys of the spec, 0 where a part of one is missing; no column without keys.
    pass_words : PassWords
        The filters of all passes; empty without passes.
    with_earlier : bool
        Whether the last "party" stands for the records of all parties that were compared before.
    """

    agreement_id: str
    agreement_fingerprint: str
    spec: EncodingSpec
    parties: tuple[str, ...]
    clean: npt.NDArray[np.bool_]
    party: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.uint8]
    words: npt.NDArray[np.uint64]
    present: npt.NDArray[np.bool_]
    block_keys: npt.NDArray[np.uint64]
    pass_words: PassWords = field(default_factory=PassWords)
    with_earlier: bool = False

    def __len__(self) -> int:
        return len(self.party)

    def __repr__(self) -> str:
        return f"<Pool: {len(self)} records of {len(self.parties)} parties>"

    @property
    def word_starts(self) -> npt.NDArray[np.int64]:
        """First word of each filter, and the number of words at the end; (n_filters + 1,)."""
        return np.cumsum([0] + [item.n_words for item in self.spec.columns], dtype=np.int64)

    def filters_of(self, f: int, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
        """Return the filters of some records in a field or pass, shape (n, n_words)."""
        if self.spec.passes:
            return self.pass_words.of(f, rows)
        first, last = self.word_starts[f : f + 2].tolist()
        return np.asarray(self.words[rows, first:last])

    def party_starts(self) -> npt.NDArray[np.int64]:
        """Return the position of each party's first record, and how many records there are."""
        return np.searchsorted(self.party, np.arange(len(self.parties) + 1)).astype(np.int64)

    def party_sizes(self) -> npt.NDArray[np.int64]:
        """Return how many records each party has, in the order of `parties`."""
        return np.diff(self.party_starts())


def part_of(pool: Pool, rows: npt.NDArray[np.int64]) -> Pool:
    """Return the pool of some records, given by their positions, ascending."""
    return replace(
        pool, party=pool.party[rows], tokens=pool.tokens[rows], words=pool.words[rows],
        present=pool.present[rows], block_keys=pool.block_keys[rows],
        pass_words=pool.pass_words.part(rows),
    )  # fmt: skip


def make_pool(extracts: Sequence[EncodedExtract], *, alone: bool = False) -> Pool:
    """Bring extracts together, after checking that they belong together.

    Parameters
    ----------
    extracts : sequence of EncodedExtract
        One for each party.
    alone : bool
        Whether one party that holds each person once is enough.

    Raises
    ------
    WrongStageError
        When something else than an encoded extract is given.
    LinkageError
        When there is nothing to link, or a party comes twice.
    MismatchError
        When extracts differ in agreement, epoch, encoding spec or secret, or their parties do
        not standardize alike; the message says in which.
    """
    known = checked_extracts(extracts)
    if not known:
        raise LinkageError("no extract is given", hint=_ONE_EACH)
    if len(known) == 1 and known[0].one_record_per_person and not alone:
        raise LinkageError(
            f"only party '{known[0].party}' is given, and its agreement says that it holds each "
            "person once, so there is nothing to link",
            hint="Give the extracts of two or more parties, or ask for 'households'.",
        )
    return pool_of(known)


def pool_of(extracts: Sequence[EncodedExtract]) -> Pool:
    """Bring checked extracts together, one at least."""
    orders = [_token_order(extract.tokens) for extract in extracts]
    sizes = [len(extract) for extract in extracts]
    first = extracts[0]
    pairs = list(zip(extracts, orders, strict=True))
    return Pool(
        agreement_id=first.agreement_id,
        agreement_fingerprint=first.agreement_fingerprint,
        spec=first.spec,
        parties=tuple(extract.party for extract in extracts),
        clean=np.array([extract.one_record_per_person for extract in extracts], dtype=np.bool_),
        party=np.repeat(np.arange(len(extracts), dtype=np.int64), sizes),
        tokens=np.concatenate([extract.tokens[order] for extract, order in pairs]),
        words=_words(extracts, orders),
        pass_words=_pass_words(extracts, orders),
        present=np.concatenate([_present(extract)[order] for extract, order in pairs]),
        block_keys=np.concatenate([extract.block_keys[order] for extract, order in pairs]),
    )


def _words(extracts: Sequence[EncodedExtract], orders: Sequence[_Order]) -> npt.NDArray[np.uint64]:
    """Return the filters of all parties side by side, without another copy of them; none of passes."""
    columns = extracts[0].spec.columns
    if extracts[0].spec.passes:
        return np.zeros((sum(len(extract) for extract in extracts), 0), dtype=np.uint64)
    ends = np.cumsum([item.n_words for item in columns]).tolist()
    words = np.empty((sum(len(extract) for extract in extracts), ends[-1]), dtype=np.uint64)
    start = 0
    for extract, order in zip(extracts, orders, strict=True):
        mine = words[start : start + len(extract)]
        start += len(extract)
        filters = [extract.filters[item.name].words for item in columns]
        # Some rows of all fields at a time, which the processor's cache holds.
        for row in range(0, len(extract), _ROWS_AT_ONCE):
            rows = slice(row, row + _ROWS_AT_ONCE)
            chosen = rows if isinstance(order, slice) else order[rows]
            for item, end, content in zip(columns, ends, filters, strict=True):
                mine[rows, end - item.n_words : end] = content[chosen]
    return words


def _pass_words(extracts: Sequence[EncodedExtract], orders: Sequence[_Order]) -> PassWords:
    """Return the filters of passes, which are not copied."""
    passes = extracts[0].spec.passes
    if not passes:
        return PassWords()
    words = PassWords(
        runs=tuple(
            tuple(extract.filters[item.name].words for item in passes) for extract in extracts
        )
    )
    if all(isinstance(order, slice) for order in orders):
        return words
    return words.part(
        np.concatenate(
            [
                start + np.arange(len(extract))[order]
                for extract, order, start in zip(extracts, orders, words.starts, strict=False)
            ]
        )
    )


def _present(extract: EncodedExtract) -> npt.NDArray[np.bool_]:
    columns = [extract.filters[item.name].present for item in extract.spec.filters]
    return np.column_stack([np.zeros((len(extract), 0), dtype=np.bool_), *columns])


def _checked_types(extracts: object) -> list[EncodedExtract]:
    if isinstance(extracts, EncodedExtract):
        return [extracts]
    items = list(extracts) if isinstance(extracts, Iterable) else [extracts]
    strangers = {type(item).__name__ for item in items if not isinstance(item, EncodedExtract)}
    if strangers:
        raise WrongStageError(
            f"link takes EncodedExtracts, not {', '.join(sorted(strangers))}",
            hint="Give the 'encodings' of each party's encode() result, or load their files "
            "with EncodedExtract.load.",
        )
    return [item for item in items if isinstance(item, EncodedExtract)]


def checked_extracts(extracts: object, before: Made | None = None) -> list[EncodedExtract]:
    """Return extracts by party, after checking that they compare with each other and with earlier ones.

    Parameters
    ----------
    extracts : sequence of EncodedExtract
        One for each party.
    before : Made, optional
        How the records of an earlier result were made.

    Raises
    ------
    WrongStageError, LinkageError, MismatchError
        As :func:`make_pool`.
    """
    known = sorted(_checked_types(extracts), key=lambda extract: extract.party)
    names = [extract.party for extract in known]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise LinkageError(f"party '{repeated[0]}' is given twice", hint=_ONE_EACH)
    empty = [extract.party for extract in known if len(extract) == 0]
    if empty:
        raise LinkageError(
            [f"party '{name}' has no record" for name in empty],
            hint="Ask the party for its encodings again.",
        )
    made = [(f"'{extract.party}'", Made.of(extract)) for extract in known]
    if before is not None:
        made.insert(0, ("the previous result", before))
    problems = [
        problem
        for name, other in made[1:]
        if (problem := _mismatch(f"{made[0][0]} and {name}", made[0][1], other))
    ]
    if problems:
        raise MismatchError(
            problems,
            hint="Nothing was compared. Encode again with the same agreement, secret, and versions "
            "of linkkit, Python and the packages that linkkit uses.",
        )
    return known


def _mismatch(pair: str, one: Made, other: Made) -> str:
    if one.agreement_id != other.agreement_id:
        return f"{pair} encoded under different agreements"
    if one.epoch != other.epoch:
        return (
            f"{pair} encoded under different epochs of agreement '{one.agreement_id}': "
            f"{one.epoch} and {other.epoch}"
        )
    if one.agreement_fingerprint != other.agreement_fingerprint:
        return f"{pair} encoded under different texts of agreement '{one.agreement_id}'"
    if one.spec.digest != other.spec.digest:
        return f"{pair} used different encoding specs: {spec_difference(one.spec, other.spec)}"
    if one.key_check != other.key_check:
        return f"{pair} used different linkage secrets"
    return _unlike_canaries(pair, one.canaries, other.canaries)


def _unlike_canaries(pair: str, one: Mapping[str, str], other: Mapping[str, str]) -> str:
    """Say in what two parties' encodings of the same made-up people differ."""
    if bool(one) != bool(other):
        return f"only one of {pair} sent digests of canary records"
    unlike = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    verbs = (("field:", "standardize"), ("filter:", "encode"), ("key:", "make the blocking keys"))
    for part, verb in verbs:
        names = [f"'{name.removeprefix(part)}'" for name in unlike if name.startswith(part)]
        if names:
            return (
                f"{pair} {verb} {', '.join(names)} differently, although both state the same "
                "versions: canary records, made-up people that each encoded with its own "
                "installed code, came out different"
            )
    return f"{pair} differ in canary records" if unlike else ""


def _token_order(tokens: npt.NDArray[np.uint8]) -> _Order:
    """Return the order of rows by token; a slice where they have it already, as partners send them."""
    high, low = np.ascontiguousarray(tokens).view(">u8").astype(np.uint64).T
    order: _Order = slice(None)
    if not bool(np.all((high[1:] > high[:-1]) | ((high[1:] == high[:-1]) & (low[1:] > low[:-1])))):
        order = np.lexsort((low, high)).astype(np.int64)
        high, low = high[order], low[order]
    if bool(np.any((high[1:] == high[:-1]) & (low[1:] == low[:-1]))):
        raise LinkageError(
            "a party's extract holds a record token twice", hint="Ask the party to encode again."
        )
    return order
