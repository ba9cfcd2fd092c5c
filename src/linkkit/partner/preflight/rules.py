"""The rule set: every threshold and every measured figure that a preflight judges by.

A risk class says what share of the people an actor is expected to recognize, as far as
it was measured. It is no promise and no bound: better attacks are likely, and the profiles
``standard`` and ``hardened`` are experimental, measured, not peer-reviewed.

How a class is found:

1. The profile's measured share is taken from :data:`MEASURED`: what the attacks of
   :mod:`linkkit.assess.attack` found in FEBRL 4, made-up people.
2. Extracts differ: where people share a town, a school year or a family, known people teach more. So
   what known people teach is also estimated on the extract's own records
   (:mod:`linkkit.partner.preflight.teaching`), and the larger share counts.
3. :data:`LIMITS` turn the share into a class.
4. :data:`FLOORS` raise the class for what no measurement covers: short lists, few fields,
   coarse salts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from linkkit.partner.preflight.results import ActorRisk, RiskClass
from linkkit.partner.preflight.words import how_many

__all__ = [
    "ACTORS",
    "FLOORS",
    "KNOWN",
    "LIMITS",
    "MEASURED",
    "Facts",
    "Floor",
    "Limits",
    "Measured",
    "actor_risks",
    "risk_class",
    "withstands",
]

KNOWN = (50, 200, 1_000)
"""How many people an attacker may know the encodings of; the attacks were measured with these."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Every threshold. They are choices, given with their reasons, and no law states them.

    Attributes
    ----------
    moderate_from, high_from : float
        Expected share of recognized people at which a risk is moderate, and high. Below 1 in 100
        is about what guessing within small groups gives; from 1 in 10 on, the file deserves
        the care that a file with names gets.
    small_list : int
        Records below which a list is identifiable by its size: who knows whom the party serves
        can go through them one by one.
    few_fields : int
        Linkage fields, sex apart, up to which known people undo passes: all bits are of those.
    good_links, fair_links : float
        Share of records that the fields must tell from all others for good or fair links.
    without_one : float
        The same share when the most telling field is wrong or missing.
    fill_least, fill_most : float
        Share of set bits in a filter. Near one half a bit tells the least.
    length_correlation : float
        Rank correlation of set bits with lengths, above which a pass shows lengths.
    coarse_salt, unmeasured_salt : float
        Concentration of salt groups. Those of the measured data come to .01: from twice that a finer
        salt is advised, and from five times the measured figures say too little.
    largest_group : float
        Share of records in one salt group.
    identical : float
        Share of records that look just like another one in a pass.
    no_pass, one_pass : float
        Share of records without a pass, and with one only.
    few_values : int
        Distinct values up to which a field is readable by frequency alone.
    read_by_rank : float
        Share of a field's values read by rank.
    coarse_key : float
        Concentration of a blocking key's groups, from which on it finds few pairs that a comparison
        of all would not: one pair in fifty agrees in it by chance.
    one_value : float
        Share of records with one and the same value, which may be a filler.
    field_missing : float
        Share of records without a field.
    set_aside : float
        Share of rows that would not be sent.
    short_codes : float
        Share of postal codes with fewer than five digits.
    """

    moderate_from: float = 0.01
    high_from: float = 0.10
    small_list: int = 100
    few_fields: int = 2
    good_links: float = 0.95
    fair_links: float = 0.80
    without_one: float = 0.50
    fill_least: float = 0.40
    fill_most: float = 0.60
    length_correlation: float = 0.10
    coarse_salt: float = 0.02
    unmeasured_salt: float = 0.05
    largest_group: float = 0.10
    identical: float = 0.05
    no_pass: float = 0.01
    one_pass: float = 0.20
    few_values: int = 20
    read_by_rank: float = 0.10
    coarse_key: float = 0.02
    one_value: float = 0.50
    field_missing: float = 0.50
    set_aside: float = 0.05
    short_codes: float = 0.05


LIMITS = Limits()
"""The thresholds that are used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What attacks found in FEBRL 4: shares of people, by somebody with a list of them.

    Attributes
    ----------
    graph : float
        Graph matching, without a known person.
    known : dict of int to float
        With that many known people.
    source : str
        Where it is documented.
    """

    graph: float
    known: dict[int, float]
    source: str


_PAGE = "docs, 'Attacks on encodings'"

MEASURED: dict[str, Measured] = {
    "field": Measured(
        graph=1.0,
        known={50: 1.0, 200: 1.0, 1_000: 1.0},
        source=f"{_PAGE}: FEBRL 4, 600 people",
    ),
    "clkhash": Measured(
        graph=0.998,
        known={50: 0.998, 200: 1.0, 1_000: 1.0},
        source=f"{_PAGE}: FEBRL 4, filters of 1,024 bits",
    ),
    "standard": Measured(
        graph=0.002,
        known={50: 0.004, 200: 0.009, 1_000: 0.041},
        source=f"{_PAGE}: FEBRL 4, exact copies, the default passes",
    ),
    "hardened": Measured(
        graph=0.002,
        known={50: 0.002, 200: 0.005, 1_000: 0.017},
        source=f"{_PAGE}: FEBRL 4, exact copies, the default passes",
    ),
}
"""By profile."""

_OWN = "estimate on your own records; docs, 'The preflight'"

NAMES_AND_DATE = 0.16
"""Share found with 1,000 known people and passes over names and a birth date alone: 6.8 % of a file with
typing errors, 16 % of exact copies, in FEBRL 4."""

TOWN = 0.14
"""Share found with a list alone where thirteen postal codes hold everybody and families are whole."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What the rules look at.

    Attributes
    ----------
    profile : str
        The agreement's profile.
    n_records : int
        Records that would be sent.
    n_telling : int
        Linkage fields with values, sex apart, that are encoded.
    concentrations : dict of str to float
        Sum of squared shares of the salt groups, by pass; empty without passes.
    estimated : dict of int to float
        Share recognized with so many known people, estimated on the own records; empty without
        passes.
    """

    profile: str
    n_records: int
    n_telling: int
    concentrations: dict[str, float]
    estimated: dict[int, float]

    @property
    def has_passes(self) -> bool:
        """Whether the profile has passes."""
        return self.profile in ("standard", "hardened")

    @property
    def measured(self) -> Measured:
        """What was measured of such encodings."""
        return MEASURED[self.profile]


@dataclass(frozen=True, kw_only=True, slots=True)
class Floor:
    """A reason for which a class is at least what it says, whatever was measured.

    ``applies`` is asked with the facts and the number of known people. ``share`` is the least
    expected share, where there is a figure.
    """

    code: str
    least: RiskClass
    because: str
    applies: Callable[[Facts, int], bool]
    share: float = 0.0


FLOORS: tuple[Floor, ...] = (
    Floor(
        code="small_list",
        least="moderate",
        because=f"the list has fewer than {LIMITS.small_list} people: whoever knows whom you serve can "
        "go through them one by one",
        applies=lambda facts, _: facts.n_records < LIMITS.small_list,
    ),
    Floor(
        code="everybody_known",
        least="high",
        because="that is everybody in the list",
        applies=lambda facts, n_known: n_known >= facts.n_records,
        share=1.0,
    ),
    Floor(
        code="few_fields",
        least="moderate",
        because="two fields or fewer soon give away what their bits stand for",
        applies=lambda facts, n_known: _few(facts) and n_known > 0,
    ),
    Floor(
        code="few_fields_many_known",
        least="high",
        because="with names and a birth date alone, up to 17 of 100 people were recognized",
        applies=lambda facts, n_known: _few(facts) and n_known >= max(KNOWN),
        share=NAMES_AND_DATE,
    ),
    Floor(
        code="coarse_salt",
        least="high",
        because="a pass has groups so large that in a town with such groups and whole families one in seven "
        "was recognized with nobody known",
        share=TOWN,
        applies=lambda facts, _: (
            max(facts.concentrations.values(), default=0.0) >= LIMITS.unmeasured_salt
        ),
    ),
)
"""All that raises a class. They concern the linkage unit; what a sealed file keeps from outsiders,
and what a partner together with the linkage unit can read, no figure changes."""

ACTORS: dict[str, str] = {
    "outsider": "Somebody else who gets hold of the sealed file",
    "linkage_unit": "The linkage unit, which opens the file and may have a list of the same people",
    **{f"known_{n}": f"The same, knowing whose the encodings of {n:,} people are" for n in KNOWN},
    "partner_and_linkage_unit": "A partner together with the linkage unit, or a leaked secret",
}
"""Who is judged, by stable name."""


def _few(facts: Facts) -> bool:
    return withstands(facts.profile, facts.n_telling) == "few"


def withstands(profile: str, n_telling: int) -> Literal["enough", "few", "none"]:
    """Say whether fields are enough for a profile to withstand known people as measured.

    Parameters
    ----------
    profile : str
        The agreement's profile; ``field`` does not withstand them with any fields.
    n_telling : int
        Linkage fields with values, sex apart, that are encoded.

    Examples
    --------
    >>> withstands("standard", 2), withstands("standard", 3), withstands("field", 9)
    ('few', 'enough', 'none')
    """
    if profile in ("field", "clkhash"):
        return "none"
    return "few" if n_telling <= LIMITS.few_fields else "enough"


_ORDER: tuple[RiskClass, ...] = ("low", "moderate", "high")


def risk_class(share: float) -> RiskClass:
    """Return the class of an expected share of recognized people.

    Examples
    --------
    >>> risk_class(0.005), risk_class(0.01), risk_class(0.1)
    ('low', 'moderate', 'high')
    """
    if share >= LIMITS.high_from:
        return "high"
    return "moderate" if share >= LIMITS.moderate_from else "low"


def actor_risks(facts: Facts) -> tuple[ActorRisk, ...]:
    """Return the expected risk of each actor, in the order of :data:`ACTORS`."""
    return (
        ActorRisk(
            actor="outsider",
            who=ACTORS["outsider"],
            risk="low",
            share=None,
            reasons=(
                "the file is encrypted to the linkage unit and signed; its size, its time and its "
                "sender are not hidden",
            ),
            source="construction: sealed files; see docs, 'Privacy promises'",
        ),
        *(_linkage_unit(facts, n_known) for n_known in (0, *KNOWN)),
        ActorRisk(
            actor="partner_and_linkage_unit",
            who=ACTORS["partner_and_linkage_unit"],
            risk="high",
            share=1.0,
            reasons=(
                "one has the secret and the other the encodings: every likely name can be "
                "encoded and looked up, under every profile",
            ),
            source=f"{_PAGE}: dictionary",
        ),
    )


def _linkage_unit(facts: Facts, n_known: int) -> ActorRisk:
    actor = f"known_{n_known}" if n_known else "linkage_unit"
    found = facts.measured
    share = _expected(facts, n_known)
    estimated = facts.estimated.get(n_known, 0.0) >= share
    floors = [floor for floor in FLOORS if floor.applies(facts, n_known)]
    share = max([share, *(floor.share for floor in floors)])
    classes: list[RiskClass] = [risk_class(share), *(floor.least for floor in floors)]
    return ActorRisk(
        actor=actor,
        who=ACTORS[actor],
        risk=max(classes, key=_ORDER.index),
        share=share,
        reasons=(*_reasons(facts, n_known), *(floor.because for floor in floors)),
        source=_OWN if estimated else found.source,
    )


def _expected(facts: Facts, n_known: int) -> float:
    found = facts.measured
    # Who knows more does no worse.
    with_fewer = [
        x for shares in (found.known, facts.estimated) for n, x in shares.items() if n <= n_known
    ]
    return max([found.graph, *with_fewer])


def _reasons(facts: Facts, n_known: int) -> tuple[str, ...]:
    measured = facts.measured.known[n_known] if n_known else facts.measured.graph
    attack = f"{n_known:,} known people" if n_known else "a list and no known person"
    reasons = [f"with {attack}, {how_many(measured)} were recognized in made-up test data"]
    estimated = facts.estimated.get(n_known, 0.0)
    if n_known < facts.n_records and estimated > measured:
        reasons.append(
            f"in your own records it would be about {how_many(estimated)}, by an estimate for a "
            "list without errors"
        )
    return tuple(reasons)
