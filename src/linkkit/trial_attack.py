"""Trial encodings of a party's own records under throw-away secrets, and attacks on them.

Run at the party, before anything is sent. It sees people, makes encodings that go nowhere, and
hands back counts and shares. The attacker is given all but the key: the agreement, a list
of people, and the salts of that list.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.agreement import Agreement, FieldKind
from linkkit.assess.attack import (
    ATTACKS,
    AttackReport,
    PassLeakage,
    PassView,
    Target,
    Truth,
    WeightedTokens,
    attack_encodings,
    leakage,
)
from linkkit.assess.attack.run import AttackName
from linkkit.errors import ExtractError, OptionError
from linkkit.exchange import EncodingSpec, Filter
from linkkit.partner.encode import encoding_spec
from linkkit.partner.encode.clk_profile import as_clkhash_secret
from linkkit.partner.encode.clk_rows import clk_rows
from linkkit.partner.encode.filters import record_filters
from linkkit.partner.encode.grams import GramTable, gram_table
from linkkit.partner.encode.prepared import prepare_extract
from linkkit.partner.encode.salts import salt_codes
from linkkit.partner.keys import KeyScope, Secret
from linkkit.partner.read import Extract, extract_from_frame, read_extract
from linkkit.partner.standardize import StandardizedExtract, standardize

__all__ = ["trial_attack"]

Fields = Mapping[str, pa.Array]
Rows = npt.NDArray[np.int64]

_FEWEST = 20
_IDENTIFYING = ("given_name", "surname", "name", "date")
_FEWEST_IDENTIFYING = 2
_BLANK_SHARE = 0.15
_LETTERS, _DIGITS = "abcdefghijklmnopqrstuvwxyz", "0123456789"
_N_REHEARSALS = 6


def trial_attack(
    extract: Any,
    agreement: Agreement,
    *,
    party: str,
    public_list: Any | None = None,
    n_records: int = 2500,
    overlap: float = 1.0,
    error_rate: float = 0.15,
    attacks: Iterable[AttackName | str] = (*ATTACKS, "leakage"),
    n_known: Sequence[int] = (50, 200, 1000),
    seed: int = 0,
    tell: Callable[[str], object] = str,
) -> AttackReport:
    """Encode a party's records under throw-away secrets and attack the encodings.

    Parameters
    ----------
    extract : frame, Extract, str or Path
        The party's records, as for :func:`linkkit.encode`.
    agreement : Agreement
        Says how records are encoded.
    party : str
        Which party of the agreement this is.
    public_list : frame, Extract, str or Path, optional
        What an attacker could get, such as a register, under the party's own column names; what it
        lacks counts as missing. The same person is who has equal names and birth
        date. Without it, the attacker's list is the party's own records without the errors.
    n_records : int
        How many records to encode at most, 20 or more, drawn at random.
    overlap : float
        Share of the target's people who are in the attacker's list, above 0 to 1, if that is the
        party's own; the others in it are other records, as far as there are any.
    error_rate : float
        Share of the target's values that get a made-up error or are left out, 0 to below 1. 0
        is for encodings of exact copies, the strongest attacker.
    attacks : iterable of {"graph", "known", "dictionary", "leakage"}
        What to run.
    n_known : sequence of int
        How many known pairs to try.
    seed : int
        Seed of every choice and of the throw-away secrets.
    tell : callable
        Gets a sentence after each attack.

    Returns
    -------
    AttackReport
        Without any value of a person.

    Raises
    ------
    OptionError
        When an option is out of its range.
    ExtractError
        When a table cannot be read, or too few people are in both lists.
    NotAuthorizedError
        When the agreement has no such party or is past its destroy-by date.

    Examples
    --------
    >>> import linkkit as lk
    >>> from linkkit.synth import youth_partnership
    >>> town = youth_partnership(n_district=60, n_summer=10, n_jobs=5)
    >>> agreement = lk.Agreement.from_document(town.agreement)
    >>> report = trial_attack(
    ...     town.extracts["district"], agreement, party="district", attacks=["dictionary"]
    ... )
    >>> report.results[0].attack, report.results[0].guessing > 0
    ('dictionary with the key', True)
    """
    chosen = tuple(attacks)
    _require_options(chosen, n_records, overlap, error_rate)
    prepared = prepare_extract(extract, agreement, party=party)
    best = pa.array(prepared.records.best_row)
    fields = {name: column.take(best) for name, column in prepared.standardized.fields.items()}
    rng = np.random.default_rng(seed)
    if public_list is None:
        lists = _lists_of_own(fields, n_records, overlap, rng)
    else:
        public = _public_fields(public_list, agreement, party)
        lists = _lists_with_public(fields, public, agreement, n_records, rng)
    tell(f"{len(lists.rows)} records drawn; encoding them under throw-away secrets")
    trial = _Trial(
        agreement=agreement,
        spec=encoding_spec(agreement),
        standardized=prepared.standardized,
        party=party,
        seed=seed,
    )
    target_fields = with_errors(_taken(lists.fields, lists.rows), error_rate, rng=rng)
    rehearsals = [
        trial.encoded(with_errors(lists.own, error_rate, rng=rng), f"rehearsal {i}", salts=True)
        for i in range(_N_REHEARSALS if "graph" in chosen else 0)
    ]
    target = trial.encoded(target_fields, "target")
    results = attack_encodings(
        target,
        trial.encoded(lists.own, "own", salts=True),
        lists.truth,
        tokens=None if trial.spec.records else trial.tokens(lists.own),
        rehearsals=rehearsals,
        under_key=trial.encoded(lists.own, "target", salts=True),
        attacks=[name for name in ATTACKS if name in chosen],
        n_known=n_known,
        tell=tell,
        seed=seed,
    )
    return AttackReport(
        party=party,
        profile=agreement.linkage.profile,
        passes=tuple(item.name for item in trial.spec.columns),
        n_target=len(target),
        n_own=len(next(iter(lists.own.values()))),
        n_overlap=len(lists.truth.pairs),
        own_list="a public list" if public_list is not None else "the party's own records",
        error_rate=error_rate,
        results=results,
        leakage=trial.leakage(target, target_fields) if "leakage" in chosen else {},
        seed=seed,
    )


def _require_options(
    attacks: Sequence[str], n_records: int, overlap: float, error_rate: float
) -> None:
    problems = []
    if not set(attacks) <= {*ATTACKS, "leakage"} or not attacks:
        problems.append(f"attacks are {', '.join(ATTACKS)} and leakage")
    if n_records < _FEWEST:
        problems.append(f"{n_records} records: at least {_FEWEST}")
    if not 0 < overlap <= 1:
        problems.append("the overlap is above 0 and at most 1")
    if not 0 <= error_rate < 1:
        problems.append("the error rate is 0 or more and below 1")
    if problems:
        raise OptionError(problems, hint="See the docstring of trial_attack.")


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _Lists:
    """Rows to encode, the attacker's list, and who is who."""

    fields: Fields
    rows: Rows
    own: Fields
    truth: Truth


def _lists_of_own(fields: Fields, n: int, overlap: float, rng: np.random.Generator) -> _Lists:
    n_all = _length(fields)
    n = min(n, n_all)
    rows = rng.permutation(n_all)
    n_common = max(round(n * overlap), 2)
    if n_common > n:
        raise ExtractError(f"{n_all} records are too few to be attacked: at least 2")
    own = np.concatenate([rows[:n_common], rows[n : 2 * n - n_common]])
    order = rng.permutation(n)
    place = np.argsort(order)
    pairs = np.column_stack([place[:n_common], np.arange(n_common)]).astype(np.int64)
    return _Lists(
        fields=fields, rows=rows[:n][order], own=_taken(fields, own), truth=Truth(pairs=pairs)
    )


def _lists_with_public(
    fields: Fields, public: Fields, agreement: Agreement, n: int, rng: np.random.Generator
) -> _Lists:
    kinds = {name: field.kind for name, field in agreement.linkage.fields.items()}
    named = [
        name
        for name, kind in kinds.items()
        if kind in _IDENTIFYING and public[name].null_count < len(public[name])
    ]
    if len(named) < _FEWEST_IDENTIFYING:
        raise ExtractError(
            "the public list has no two of name and birth date, so that nobody is known to be "
            "in both lists",
            hint="Give a list with names and birth dates.",
        )
    one, other = _by_key(fields, named), _by_key(public, named)
    common = sorted(one.keys() & other.keys(), key=one.__getitem__)
    if len(common) < 2:  # the message names no key: they are people
        raise ExtractError(
            f"{len(common)} people with the same {', '.join(named)} are in both lists: at least 2",
            hint="Attack without a public list; then the party's own records serve as one.",
        )
    rows = np.sort(rng.permutation(_length(fields))[:n])
    place = {int(row): i for i, row in enumerate(rows)}
    both = [(place[one[key]], other[key]) for key in common if one[key] in place]
    theirs = np.array([row for _, row in both], dtype=np.int64)
    rest = np.setdiff1d(np.arange(_length(public)), theirs)
    own_rows = np.concatenate([theirs, rng.permutation(rest)[: max(n - len(theirs), 0)]])
    if len(both) < 2:
        raise ExtractError("fewer than 2 of the people drawn are in the public list")
    pairs = np.array([(i, number) for number, (i, _) in enumerate(both)], dtype=np.int64)
    return _Lists(fields=fields, rows=rows, own=_taken(public, own_rows), truth=Truth(pairs=pairs))


def _by_key(fields: Fields, named: Sequence[str]) -> dict[tuple[str, ...], int]:
    """Row of each combination of values that exactly one row has, and in full."""
    rows: dict[tuple[str, ...], int] = {}
    columns = [fields[name].to_pylist() for name in named]
    for row, key in enumerate(zip(*columns, strict=True)):
        if None not in key:
            rows[key] = -1 if key in rows else row
    return {key: row for key, row in rows.items() if row >= 0}


def _public_fields(public_list: Any, agreement: Agreement, party: str) -> Fields:
    if isinstance(public_list, Extract):
        table = public_list
    elif hasattr(public_list, "columns"):
        table = extract_from_frame(public_list, source="the public list")
    else:
        table = read_extract(public_list)
    sources = agreement.party(party).linkage_fields
    wanted = {column for source in sources.values() for column in source.columns}
    padded = table.table
    for column in sorted(wanted - set(table.columns)):
        padded = padded.append_column(column, pa.nulls(len(table), pa.large_string()))
    return standardize(Extract(table=padded, rows=table.rows), agreement, party=party).fields


def _taken(fields: Fields, rows: Rows) -> dict[str, pa.Array]:
    places = pa.array(rows)
    return {name: column.take(places) for name, column in fields.items()}


def _length(fields: Fields) -> int:
    return len(next(iter(fields.values())))


def with_errors(fields: Fields, rate: float, *, rng: np.random.Generator) -> dict[str, pa.Array]:
    """Return standardized records with made-up errors: another character, or a value left out."""
    if not rate:
        return dict(fields)
    found = {}
    for name, column in fields.items():
        values = column.to_pylist()
        for row in np.flatnonzero(rng.random(len(values)) < rate):
            if values[row]:
                values[row] = _mistyped(values[row], rng)
        found[name] = pa.array(values, type=column.type)
    return found


def _mistyped(value: str, rng: np.random.Generator) -> str | None:
    if rng.random() < _BLANK_SHARE:
        return None
    place = int(rng.integers(len(value)))
    others = _DIGITS if value[place].isdigit() else _LETTERS
    return value[:place] + others[rng.integers(len(others))] + value[place + 1 :]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _Trial:
    """Encodes lists as the agreement says, each under a secret that follows from the seed."""

    agreement: Agreement
    spec: EncodingSpec
    standardized: StandardizedExtract
    party: str
    seed: int

    def encoded(self, fields: Fields, purpose: str, *, salts: bool = False) -> Target:
        """Encode a list; with `salts`, the groups are those that the list's owner knows."""
        text = f"linkkit trial attack, seed {self.seed}: {purpose}"
        secret = Secret(hashlib.sha256(text.encode()).digest())
        if self.spec.records:
            return Target(passes=(self._clks(fields, secret),))
        scope = KeyScope.of(self.agreement, self.spec)
        filters = record_filters(fields, secret, scope, self.spec)
        own = self._salts(fields) if salts else {}
        return Target(passes=tuple(_view(x, own.get(name)) for name, x in filters.items()))

    def _clks(self, fields: Fields, secret: Secret) -> PassView:
        """Encode a list as clkhash does, in linkkit's standard form whatever the agreement says.

        The list may have made-up errors, and no cells of its own. What the schema would refuse
        is not there.
        """
        clause = self.agreement.linkage.clkhash
        linkage = self.agreement.linkage.model_copy(
            update={"clkhash": clause and clause.model_copy(update={"standardize": "linkkit"})}
        )
        found = clk_rows(
            Extract(table=pa.table(dict(fields)), rows=np.arange(_length(fields)) + 1),
            replace(self.standardized, fields=dict(fields)),
            self.agreement.model_copy(update={"linkage": linkage}),
            as_clkhash_secret(secret, self.agreement, self.spec),
            party=self.party,
        )
        return PassView(words=found.words, present=np.any(found.words != 0, axis=1))

    def _salts(self, fields: Fields) -> dict[str, Rows]:
        return {item.name: salt_codes(fields, item)[1] for item in self.spec.passes}

    def tokens(self, fields: Fields) -> list[WeightedTokens]:
        """Return the tokens of each record in each filter, and how many bits each sets."""
        fields_agreed = self.agreement.linkage.fields
        kinds: dict[str, FieldKind] = {name: item.kind for name, item in fields_agreed.items()}
        found = []
        for item in self.spec.filters:
            table = gram_table(fields, kinds, fields=[item.name])
            found.append(_tokens(table, np.array([item.n_hashes])))
        for one in self.spec.passes:
            table = gram_table(fields, kinds, fields=[field.name for field in one.fields])
            found.append(_tokens(table, np.array([field.n_hashes for field in one.fields])))
        for _ in self.spec.records:
            table = gram_table(fields, kinds, fields=list(kinds))
            found.append(_tokens(table, np.ones(len(kinds), dtype=np.int64)))
        return found

    def leakage(self, target: Target, fields: Fields) -> dict[str, PassLeakage]:
        """Leakage of the filters that enough records have."""
        found = {}
        names = [item.name for item in self.spec.columns]
        for name, view, tokens in zip(names, target.passes, self.tokens(fields), strict=True):
            if view.usable.sum() >= _FEWEST:
                found[name] = leakage(Target(passes=(view,)), [tokens], seed=self.seed)[0]
        return found


def _view(found: Filter, own_groups: Rows | None) -> PassView:
    return PassView(words=found.words, groups=own_groups, present=found.present)


def _tokens(table: GramTable, n_hashes: npt.NDArray[np.int64]) -> WeightedTokens:
    sets = [
        np.concatenate(
            [
                np.zeros(0, dtype=np.int64),
                *(table.grams[table.starts[v] : table.starts[v + 1]] for v in values if v >= 0),
            ]
        ).astype(np.int64)
        for values in table.values
    ]
    weights = n_hashes[table.field_of_gram].astype(np.float64)
    return WeightedTokens(sets=sets, weights=weights if len(weights) else np.ones(1))
