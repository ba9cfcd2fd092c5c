"""What a preflight finds, as data: counts, shares and names of fields, no value of a person."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from linkkit._version import __version__
from linkkit.agreement import FieldKind
from linkkit.exchange.atomic import atomic_text

__all__ = [
    "ActorRisk",
    "Advice",
    "FieldExposure",
    "FieldStrength",
    "FilterFill",
    "JointStrength",
    "KeyExposure",
    "PairStrength",
    "PassGroups",
    "PreflightReport",
    "RiskClass",
]

RiskClass = Literal["low", "moderate", "high"]
"""How many people an actor is expected to recognize; see :data:`.rules.LIMITS`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldStrength:
    """What one linkage field tells of a record, by the party's own frequencies.

    Attributes
    ----------
    name, kind : str
        The field, and what it holds.
    n_present, n_distinct : int
        Records with a value, and distinct values.
    share_missing : float
        Share of all records without a value, 0 to 1.
    entropy_bits : float
        Shannon's entropy of the values, in bits.
    share_unique : float
        Share of the records with a value whose value nobody else has, 0 to 1.
    n_most_common : int
        Records that share the most common value.
    share_most_common : float
        The same as a share of the records with a value.
    look_alikes : float
        Other records with the same value, on average over the records with a value.
    """

    name: str
    kind: FieldKind
    n_present: int
    n_distinct: int
    share_missing: float
    entropy_bits: float
    share_unique: float
    n_most_common: int
    share_most_common: float
    look_alikes: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PairStrength:
    """How many records two fields tell from all others; a missing value counts as a value."""

    fields: tuple[str, str]
    share_unique: float
    look_alikes: float


@dataclass(frozen=True, kw_only=True, slots=True)
class JointStrength:
    """What all linkage fields of a party tell together; a missing value counts as a value.

    Attributes
    ----------
    fields : tuple of str
        The fields that hold a value in at least one record.
    entropy_bits, possible_bits : float
        Entropy of the combinations, and the most that so many records can have.
    share_unique : float
        Share of records whose combination nobody else has, 0 to 1.
    look_alikes : float
        Other records with the same combination, on average.
    n_most_common : int
        Records that share the most common combination.
    without : dict of str to float
        Share of unique records when that field is left out, as if it were wrong or missing.
    pairs : tuple of PairStrength
        Each pair of fields, the most telling first.
    to_link : str
        Whether the fields tell people apart: ``"good"``, ``"fair"`` or ``"weak"``.
    to_withstand : str
        Whether they are enough to withstand somebody who knows people: ``"none"`` are under the
        profile ``field``, ``"few"`` are two, sex apart, ``"enough"`` are more.
    """

    fields: tuple[str, ...]
    entropy_bits: float
    possible_bits: float
    share_unique: float
    look_alikes: float
    n_most_common: int
    without: dict[str, float]
    pairs: tuple[PairStrength, ...]
    to_link: Literal["good", "fair", "weak"]
    to_withstand: Literal["enough", "few", "none"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PassGroups:
    """The salt groups of one pass: records in different ones cannot be compared in it.

    Attributes
    ----------
    name, salt : str
        The pass, and what its salt is in words.
    n_records, n_groups : int
        Records with a salt, and groups that they form.
    share_without : float
        Share of all records without a salt, 0 to 1: they have no such pass.
    sizes : dict of int to int
        Group sizes, by percentile over groups: 5, 25, 50, 75, 95.
    n_largest : int
        Records in the largest group.
    share_largest : float
        The same as a share of the records with a salt.
    concentration : float
        Chance that two people are in the same group, the sum of squared shares.
    known_in_group : dict of int to float
        For 50, 200 and 1,000 people whose encodings are known: how many of them are in a record's
        own group, on average. No more than the records with a salt can be known.
    share_identical : float
        Share of the records with a salt that equal another one in all that the pass encodes.
    """

    name: str
    salt: str
    n_records: int
    n_groups: int
    share_without: float
    sizes: dict[int, int]
    n_largest: int
    share_largest: float
    concentration: float
    known_in_group: dict[int, float]
    share_identical: float


@dataclass(frozen=True, kw_only=True, slots=True)
class FilterFill:
    """How full the filters of a field or pass are, from a trial encoding.

    Attributes
    ----------
    name : str
        Field or pass.
    n_records, n_bits : int
        Records of the trial that have the filter, and its width.
    mean, low, high : float
        Mean, 5th and 95th percentile of the share of bits that are set.
    share_outside : float
        Share of filters with fewer than 40 or more than 60 % of their bits set.
    bit_means : tuple of float
        Smallest and largest share of records in which one bit is set.
    token_correlation : float or None
        Spearman's rank correlation of set bits with the number of tokens; None where either is
        the same in all records.
    """

    name: str
    n_records: int
    n_bits: int
    mean: float
    low: float
    high: float
    share_outside: float
    bit_means: tuple[float, float]
    token_correlation: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldExposure:
    """What frequencies alone give away of a field that has a filter of its own.

    Attributes
    ----------
    name : str
        The field.
    share_identical : float
        Share of the records with a value whose filter equals another record's, at least.
    share_by_rank : float
        Share of them whose value is as frequent as no other: readable for somebody who knows
        exactly how frequent each value is.
    share_by_listed_rank : float
        Share of them read rightly by rank, with a list of nine in ten of these very people.
    """

    name: str
    share_identical: float
    share_by_rank: float
    share_by_listed_rank: float


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyExposure:
    """What one blocking key gives away: groups of records that the linkage unit sees.

    Attributes
    ----------
    name, made_of : str
        The key, and what it is made of in words.
    n_records, n_groups : int
        Records that have all parts of it, and groups that they form.
    share_without : float
        Share of all records that lack a part, 0 to 1: they have no such key.
    n_largest : int
        Records in the largest group.
    share_largest : float
        The same as a share of the records with the key.
    n_alone : int
        Records that are alone in their group.
    share_alone : float
        The same as a share of the records with the key.
    concentration : float
        Chance that two people are in the same group, the sum of squared shares.
    share_by_rank, share_by_listed_rank : float
        Share of the records with the key whose group is known by its size, to somebody with an
        exact list, and with a list of nine in ten of these very people.
    """

    name: str
    made_of: str
    n_records: int
    n_groups: int
    share_without: float
    n_largest: int
    share_largest: float
    n_alone: int
    share_alone: float
    concentration: float
    share_by_rank: float
    share_by_listed_rank: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ActorRisk:
    """Who is expected to recognize how many people.

    Attributes
    ----------
    actor : str
        A stable name, see :data:`.rules.ACTORS`.
    who : str
        The same in plain words.
    risk : str
        ``"low"``, ``"moderate"`` or ``"high"``.
    share : float or None
        Expected share of people recognized, 0 to 1; None where nothing was measured.
    reasons : tuple of str
        Why, in plain words.
    source : str
        Where the figure comes from.
    """

    actor: str
    who: str
    risk: RiskClass
    share: float | None
    reasons: tuple[str, ...]
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """Something to look at before sending.

    Attributes
    ----------
    code : str
        A stable name for the kind of finding.
    severity : str
        ``"warning"`` when people or results may suffer, ``"note"`` when it is good to know.
    message, advice : str
        What was found, and what to do.
    """

    code: str
    severity: Literal["warning", "note"]
    message: str
    advice: str


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class PreflightReport:
    """What :func:`preflight` found in an extract, without any value of a person.

    Attributes
    ----------
    party, agreement_id, agreement_title, agreement_fingerprint, profile : str
        Whose extract, and under which agreement and profile it would be encoded.
    n_rows, n_records, n_repeated : int
        Rows read, records that would be encoded, and further rows of the same records.
    set_aside : dict of str to int
        Rows that would not be sent, by reason.
    rejected : dict of str to int
        Cells taken as missing, by field and rule.
    fields : tuple of FieldStrength
        Each linkage field of the party.
    joint : JointStrength
        The fields together.
    passes : tuple of PassGroups
        The passes of the profiles ``standard`` and ``hardened``; else empty.
    n_with_passes : tuple of int
        How many records have no pass, one, two, ...; empty without passes.
    estimated : dict of int to float
        Share of the others recognized with 50, 200 and 1,000 known people, estimated on these
        records; empty without passes.
    fills : tuple of FilterFill
        How full the filters are.
    n_sampled : int
        Records of the trial encoding.
    exposures : tuple of FieldExposure
        The fields of the profile ``field``, which have a filter each; else empty.
    keys : tuple of KeyExposure
        The blocking keys, where the agreement states some; else empty.
    told_by_keys : float
        Share of records whose groups under all keys together are those of no other record, as far
        as sizes and overlaps of groups show: somebody with an exact list knows who they are.
    risks : tuple of ActorRisk
        The expected risk by actor.
    advice : tuple of Advice
        What to look at, warnings first.
    made_by : str
        The program and its version.
    """

    party: str
    agreement_id: str
    agreement_title: str
    agreement_fingerprint: str
    profile: str
    n_rows: int
    n_records: int
    n_repeated: int
    set_aside: dict[str, int]
    rejected: dict[str, int]
    fields: tuple[FieldStrength, ...]
    joint: JointStrength
    passes: tuple[PassGroups, ...]
    n_with_passes: tuple[int, ...]
    estimated: dict[int, float]
    fills: tuple[FilterFill, ...]
    n_sampled: int
    exposures: tuple[FieldExposure, ...]
    keys: tuple[KeyExposure, ...]
    told_by_keys: float
    risks: tuple[ActorRisk, ...]
    advice: tuple[Advice, ...]
    made_by: str = f"linkkit {__version__}"

    def __repr__(self) -> str:
        n_warnings = sum(item.severity == "warning" for item in self.advice)
        return (
            f"<PreflightReport of '{self.party}': {self.n_records} records, "
            f"profile '{self.profile}', {n_warnings} warnings>"
        )

    def __str__(self) -> str:
        from linkkit.partner.preflight.text import report_text

        return report_text(self)

    def risk(self, actor: str) -> ActorRisk:
        """Return the risk of one actor; raises KeyError for another name."""
        return {item.actor: item for item in self.risks}[actor]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain dicts, lists, texts and numbers, ready for JSON."""
        content: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return content

    def save(self, path: str | Path) -> Path:
        """Write the report: ``.json`` as data, ``.html`` as a page, anything else as text.

        The page needs no other file, script or network.

        Raises
        ------
        SealError
            When the file cannot be written.
        """
        from linkkit.partner.preflight.page import report_page

        path = Path(path)
        if path.suffix == ".json":
            text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"
        elif path.suffix == ".html":
            text = report_page(self)
        else:
            text = f"{self}\n"
        return atomic_text(path, text)
