"""The preflight: everything that can be known of an extract's risk before it is sent."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.agreement import Agreement, FieldKind, key_text
from linkkit.errors import SecretError
from linkkit.exchange import EncodingSpec
from linkkit.partner.encode import encoding_spec
from linkkit.partner.encode.block_keys import key_groups
from linkkit.partner.encode.prepared import PreparedExtract, prepare_extract
from linkkit.partner.keys import Secret
from linkkit.partner.preflight import advice as advise
from linkkit.partner.preflight.groups import (
    finer_salts,
    group_codes,
    n_with_passes,
    pass_groups,
    salt_words,
)
from linkkit.partner.preflight.keys import key_exposure, share_told_apart
from linkkit.partner.preflight.results import Advice, FieldExposure, PreflightReport
from linkkit.partner.preflight.rules import Facts, actor_risks
from linkkit.partner.preflight.sizes import (
    class_sizes,
    concentration,
    share_alone,
    share_by_listed_rank,
    share_by_rank,
)
from linkkit.partner.preflight.strength import field_strength, joint_strength, value_ranks
from linkkit.partner.preflight.teaching import expected_recognized
from linkkit.partner.preflight.trial import (
    clk_filters,
    filter_fills,
    sample_rows,
    trial_filters,
    trial_secret,
)
from linkkit.partner.read import SetAside

__all__ = ["preflight"]

SAMPLE = 5_000
"""Records of the trial encoding, at most. Everything else is measured on all records."""

_FIVE_DIGITS = frozenset("US PR GU VI DE FR ES IT MX FI EE TR UA MY".split())
"""Countries whose postal codes have five digits, some of them a zero first."""

_SHORT, _DIGITS = re.compile("[0-9]{3,4}"), re.compile("[0-9]+")

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _Records:
    """The records that would be encoded."""

    agreement: Agreement
    party: str
    spec: EncodingSpec
    fields: dict[str, pa.Array]
    values: dict[str, Codes]
    groups: dict[str, Codes]
    keys: dict[str, Codes]

    @property
    def kinds(self) -> dict[str, FieldKind]:
        """What each linkage field holds."""
        return {name: field.kind for name, field in self.agreement.linkage.fields.items()}

    @property
    def brought(self) -> dict[str, Codes]:
        """The values of the fields that are this party's to bring."""
        mine = self.agreement.party(self.party).linkage_fields
        return {name: codes for name, codes in self.values.items() if name in mine}

    @property
    def filled(self) -> list[str]:
        """The fields with a value in at least one record."""
        return [name for name, codes in self.values.items() if np.any(codes >= 0)]

    @property
    def n_telling(self) -> int:
        """How many of them, sex apart, are encoded at all."""
        covered = {field.name for item in self.spec.passes for field in item.fields}
        encoded = covered if self.spec.passes else set(self.filled)
        return sum(name in encoded and self.kinds[name] != "sex" for name in self.filled)


def preflight(
    extract: Any,
    agreement: Agreement,
    *,
    party: str,
    secret: Secret | None = None,
    today: dt.date | None = None,
) -> PreflightReport:
    """Judge what a party's encodings would give away, at the party, before anything is sent.

    Reads and checks the extract as :func:`~linkkit.encode` does, and encodes a sample of it under
    a throw-away secret. Nothing is written, and no value of a person is in the result. The same
    extract gives the same result, in whatever order its rows are.

    Parameters
    ----------
    extract : frame, Extract, str or Path
        The party's records, as for :func:`~linkkit.encode`.
    agreement : Agreement
        Says which columns are linkage fields, and how they are encoded.
    party : str
        Which party of the agreement this is.
    secret : Secret, optional
        The linkage secret, to try the very filters that would be sent. Figures hardly differ.
    today : datetime.date, optional
        The date on which the agreement must be in force; the system's date by default.

    Returns
    -------
    PreflightReport
        Print it, or :meth:`~PreflightReport.save` it as a page or as data.

    Raises
    ------
    NotAuthorizedError
        As :func:`~linkkit.encode` does.
    ExtractError
        As :func:`~linkkit.encode` does.
    SecretError
        When `secret` is another kind of key.

    Examples
    --------
    >>> import linkkit as lk
    >>> from linkkit.synth import youth_partnership
    >>> town = youth_partnership(n_district=400, n_summer=100, n_jobs=50)
    >>> agreement = lk.Agreement.from_document(town.agreement)
    >>> report = lk.preflight(town.extracts["district"], agreement, party="district")
    >>> report
    <PreflightReport of 'district': 400 records, profile 'standard', ... warnings>
    >>> report.risk("known_50").risk
    'high'
    """
    if secret is not None and not isinstance(secret, Secret):
        raise SecretError(
            f"'secret' must be a Secret, not {type(secret).__name__}",
            hint="Leave it out: a throw-away secret does as well.",
        )
    secret = secret or trial_secret()
    prepared = prepare_extract(extract, agreement, party=party, secret=secret, today=today)
    records = _records(prepared, agreement, party)
    report = _measured(prepared, records, secret)
    found = sorted(_advice(report, records), key=lambda item: item.severity != "warning")
    return dataclasses.replace(report, advice=tuple(found))


def _records(prepared: PreparedExtract, agreement: Agreement, party: str) -> _Records:
    best = pa.array(prepared.records.best_row)
    fields = {name: column.take(best) for name, column in prepared.standardized.fields.items()}
    spec = encoding_spec(agreement)
    return _Records(
        agreement=agreement,
        party=party,
        spec=spec,
        fields=fields,
        values={name: value_ranks(column) for name, column in fields.items()},
        groups={item.name: group_codes(fields, item) for item in spec.passes},
        keys={
            item.name: found.codes
            for item, found in zip(spec.keys, key_groups(fields, spec), strict=True)
        },
    )


def _measured(prepared: PreparedExtract, records: _Records, secret: Secret) -> PreflightReport:
    agreement, table, chosen = records.agreement, prepared.table, prepared.records
    rows = sample_rows(records.values, n_most=SAMPLE)
    sample = {name: column.take(pa.array(rows)) for name, column in records.fields.items()}
    filters = trial_filters(sample, agreement, records.spec, secret)
    if prepared.clks is not None:
        filters |= clk_filters(prepared.clks.words[chosen.best_row[rows]], records.spec)
    passes = tuple(
        pass_groups(item, records.groups[item.name], records.values) for item in records.spec.passes
    )
    facts = Facts(
        profile=agreement.linkage.profile,
        n_records=len(chosen.ids),
        n_telling=records.n_telling,
        concentrations={item.name: item.concentration for item in passes},
        estimated=_estimated(records) if passes else {},
    )
    brought = records.brought
    return PreflightReport(
        party=records.party,
        agreement_id=agreement.id,
        agreement_title=agreement.title,
        agreement_fingerprint=agreement.fingerprint,
        profile=facts.profile,
        n_rows=len(table) + len(table.set_aside),
        n_records=facts.n_records,
        n_repeated=chosen.n_repeated,
        set_aside=_counted((*table.set_aside, *chosen.set_aside)),
        rejected={f"{x.field}: {x.rule}": x.count for x in prepared.standardized.issues},
        fields=tuple(field_strength(x, records.kinds[x], brought[x]) for x in brought),
        joint=joint_strength(brought, profile=facts.profile, n_telling=facts.n_telling),
        passes=passes,
        n_with_passes=n_with_passes(list(records.groups.values())) if passes else (),
        estimated=facts.estimated,
        fills=filter_fills(sample, agreement, records.spec, filters),
        n_sampled=len(rows),
        exposures=() if passes else tuple(_exposure(x, brought[x]) for x in records.filled),
        keys=tuple(
            key_exposure(name, key_text((agreement.linkage.blocking_keys or {})[name]), codes)
            for name, codes in records.keys.items()
        ),
        told_by_keys=share_told_apart(list(records.keys.values())) if records.keys else 0.0,
        risks=actor_risks(facts),
        advice=(),
    )


def _estimated(records: _Records) -> dict[int, float]:
    order = sample_rows(records.values, n_most=len(next(iter(records.values.values()))))
    agreement, spec = records.agreement, records.spec
    return expected_recognized(records.fields, agreement, spec, records.groups, order)


def _counted(set_aside: Iterable[SetAside]) -> dict[str, int]:
    return dict(sorted(Counter(item.reason for item in set_aside).items()))


def _exposure(name: str, codes: Codes) -> FieldExposure:
    sizes = class_sizes(codes)
    return FieldExposure(
        name=name,
        share_identical=1 - share_alone(sizes),
        share_by_rank=share_by_rank(sizes),
        share_by_listed_rank=share_by_listed_rank(sizes),
    )


def _advice(report: PreflightReport, records: _Records) -> Iterator[Advice]:
    yield from advise.of_profile(report.profile)
    yield from advise.of_rows(report.n_records, report.n_rows, sum(report.set_aside.values()))
    yield from advise.of_fields(report.fields)
    for name in _postal_codes(records):
        codes = records.fields[name]
        yield from advise.of_postal_codes(name, _n_like(codes, _SHORT), _n_like(codes, _DIGITS))
    yield from advise.of_joint(report.joint)
    for salt in dict.fromkeys(groups.salt for groups in report.passes):
        same = [groups for groups in report.passes if groups.salt == salt]
        yield from advise.of_groups(same, _finer(records, same[0].name))
    yield from advise.of_identical(report.passes)
    yield from advise.of_known(report.estimated)
    yield from advise.of_passes(report.n_with_passes, report.n_records)
    yield from advise.of_fills(report.fills, has_passes=bool(report.passes))
    yield from advise.of_exposures(report.exposures, report.fields)
    yield from advise.of_keys(report.keys, report.told_by_keys, _not_brought(records))


def _postal_codes(records: _Records) -> list[str]:
    """Return the party's fields of postal codes, where the agreement's phones are of no other country."""
    fields = records.agreement.linkage.fields
    abroad = any(field.region not in _FIVE_DIGITS for field in fields.values())
    return [] if abroad else [x for x in records.brought if records.kinds[x] == "postal_code"]


def _n_like(values: pa.Array, pattern: re.Pattern[str]) -> int:
    return sum(1 for value in values.to_pylist() if value is not None and pattern.fullmatch(value))


def _not_brought(records: _Records) -> dict[str, str]:
    """Return, by blocking key, the fields of it that the party does not bring."""
    lacking = {
        key.name: [part.name for part in key.parts if part.name not in records.brought]
        for key in records.spec.keys
    }
    return {
        name: " and ".join(f"'{field}'" for field in dict.fromkeys(fields))
        for name, fields in lacking.items()
        if fields
    }


def _finer(records: _Records, name: str) -> dict[str, float]:
    """Return the concentration of finer groups for a pass, by what their salt is in words."""
    item = next(item for item in records.spec.passes if item.name == name)
    return {
        salt_words(finer): concentration(class_sizes(group_codes(records.fields, finer)))
        for finer in finer_salts(item, records.kinds)
    }
