"""The clauses of an agreement: what each part of the document may say.

Every clause is frozen, refuses unknown keys, and never repeats a given value in an error.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

from linkkit.agreement.clause import Clause, Whole
from linkkit.agreement.frozen import FROZEN_EMPTY, Frozen, FrozenDict, plain_json
from linkkit.agreement.public_key import decode_public_key

__all__ = [
    "FIELD_KINDS",
    "AddressPart",
    "Clause",
    "ClkhashClause",
    "Coarsening",
    "ColumnSource",
    "Combination",
    "Compare",
    "DatePart",
    "FieldKind",
    "FieldSource",
    "KeyPart",
    "LinkageClause",
    "LinkageField",
    "LinkagePass",
    "Name",
    "Organization",
    "Party",
    "PhoneticCode",
    "Profile",
    "Project",
    "SaltPart",
    "Variable",
    "VariableType",
    "Years",
]

FieldKind = Literal[
    "given_name",
    "surname",
    "name",
    "guardian_name",
    "date",
    "sex",
    "street_address",
    "city",
    "postal_code",
    "phone",
    "email",
    "identifier",
    "ssn4",
    "number",
    "text",
]
"""What a linkage field holds; decides how it is standardized, encoded and compared."""

FIELD_KINDS: tuple[FieldKind, ...] = get_args(FieldKind)

Profile = Literal["field", "standard", "hardened", "clkhash"]
"""How records are encoded: a filter for each field, salted and diffused passes, or as clkhash does.

An agreement that does not say has ``standard``.
"""

Standardizing = Literal["none", "linkkit"]
"""Whether values are hashed as they stand or in linkkit's standard form."""

DatePart = Literal["year", "year_day", "month_day"]
AddressPart = Literal["house"]
"""What of a date is a salt: the year, year and day of the month, or month and day."""

PhoneticCode = Literal["soundex", "metaphone", "nysiis", "match_rating"]
"""How a name's sound is written, so that spellings of one sound are one code."""

VariableType = Literal["integer", "number", "category", "date"]
"""What a payload variable holds."""

Combination = Literal["mean", "sum", "min", "max", "most_common"]
"""How several values of one person become one."""

Coarsening = Literal["year", "prefix3", "code"]
"""How a payload variable is derived from a linkage field, so that the field itself stays home."""

COARSENS: dict[Coarsening, FieldKind] = {"year": "date", "prefix3": "postal_code", "code": "sex"}

NAME_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
SLUG_PATTERN = r"^[a-z0-9][a-z0-9-]{1,62}$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Label = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Slug = Annotated[str, StringConstraints(pattern=SLUG_PATTERN)]


def _checked_date_format(form: str) -> str:
    example = dt.datetime(2001, 2, 3, 4, 5, 6)  # a date has no zone
    read: dt.datetime | None = None
    try:
        read = dt.datetime.strptime(example.strftime(form), form)
    except ValueError:
        pass
    if read is None or read.date() != example.date():
        raise ValueError("it is not a date format that tells day, month and year, like %m/%d/%Y")
    return form


def _checked_public_key(text: str) -> str:
    if decode_public_key(text) is None:
        raise ValueError("it is damaged; copy it again, whole, as it was printed: lkpub1...")
    return text


def _checked_region(region: str) -> str:
    if region != "US":
        from phonenumbers import SUPPORTED_REGIONS  # metadata of the whole world, seldom needed

        if region not in SUPPORTED_REGIONS:
            raise ValueError("it is no ISO 3166 code of a country, like US or MX")
    return region


Amount = Annotated[float, Field(strict=True, gt=0, le=1e9)]
"""A number above zero."""

Region = Annotated[str, AfterValidator(_checked_region)]
"""A country's ISO 3166 code of two letters, as its phone numbers are known."""

MOST_STEPS = 100
"""The most steps that the reach of a distance may have: each is a token."""

_COMPARE_DEFAULTS: dict[str, dict[str, object]] = {
    "qgrams": {"q": 2, "padded": True, "positional": False},
    "exact": {},
    "distance": {"step": 1.0},
}

DateFormat = Annotated[str, AfterValidator(_checked_date_format)]
"""A ``strptime`` format that tells the day, the month and the year."""

MOST_CHARACTERS = 16


def _checked_count(count: int) -> int:
    if not 1 <= abs(count) <= MOST_CHARACTERS:
        raise ValueError(
            f"it must be a number of first characters, 1 to {MOST_CHARACTERS}, or of last characters, "
            f"-1 to -{MOST_CHARACTERS}"
        )
    return count


SaltPart = (
    Literal["whole"] | DatePart | AddressPart | Annotated[Whole, AfterValidator(_checked_count)]
)
"""What of a value is a salt: the ``whole``, a part of a date, or so many first characters.

A number below zero is of last characters.
"""

PartOfValue = PhoneticCode | Literal["whole", "month", "day"] | DatePart
"""The named parts of a value that go into a blocking key."""

PARTS_OF_VALUES: tuple[str, ...] = (
    *get_args(PhoneticCode),
    "whole",
    *get_args(DatePart),
    "month",
    "day",
)


def _checked_part(part: object) -> object:
    if isinstance(part, str) and part in PARTS_OF_VALUES:
        return part
    if isinstance(part, int) and not isinstance(part, bool) and 1 <= part <= MOST_CHARACTERS:
        return part
    raise ValueError(
        f"it must be a number of first characters, 1 to {MOST_CHARACTERS}, or "
        f"{', '.join(PARTS_OF_VALUES[:-1])} or {PARTS_OF_VALUES[-1]}"
    )


KeyBy = Annotated[PartOfValue | int, BeforeValidator(_checked_part)]
"""What of a value goes into a blocking key: its sound, or as for a salt, or a date's month or day."""

PublicKey = Annotated[str, AfterValidator(_checked_public_key)]
"""The text form of a public key, complete."""


class Years(Clause):
    """First and last calendar or school year, both included."""

    first: Whole = Field(ge=1900, le=2200)
    last: Whole = Field(ge=1900, le=2200)

    @model_validator(mode="after")
    def _in_order(self) -> Years:
        if self.last < self.first:
            raise ValueError("'last' lies before 'first'")
        return self


class Compare(Clause):
    """How values of a linkage field are compared, where it is not as its kind usually is.

    ``qgrams`` cut words into pieces of ``q`` characters, ``padded`` with marks at both ends or
    not, ``positional`` with their place in the word or wherever they stand. ``exact`` tells equal
    from different and nothing between. ``distance`` is for dates, in days, and numbers: values lose
    similarity evenly until they are ``reach`` apart, in steps of ``step``.
    """

    by: Literal["qgrams", "exact", "distance"]
    q: Whole | None = Field(default=None, ge=1, le=3)
    padded: Annotated[bool, Field(strict=True)] | None = None
    positional: Annotated[bool, Field(strict=True)] | None = None
    reach: Amount | None = None
    step: Amount | None = None

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, clause: Any) -> Any:
        # What is left out is its default, in the fingerprint, too.
        if not isinstance(clause, Mapping):
            return clause
        return {**_COMPARE_DEFAULTS.get(str(clause.get("by")), {}), **clause}

    @model_validator(mode="after")
    def _fits(self) -> Compare:
        mine = {"by", *_COMPARE_DEFAULTS[self.by], *(["reach"] if self.by == "distance" else [])}
        strange = [name for name in type(self).model_fields if name not in mine]
        for name in strange:
            if getattr(self, name) is not None:
                raise ValueError(f"'{name}' says nothing about '{self.by}'")
        if self.by == "distance" and not 2 <= self.n_steps <= MOST_STEPS:
            raise ValueError(
                f"'distance' needs a 'reach' of 2 to {MOST_STEPS} times its 'step', which is 1 if "
                "left out"
            )
        return self

    @model_serializer(mode="wrap")
    def _stated(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = handler(self)
        return {name: value for name, value in content.items() if value is not None}

    @property
    def n_steps(self) -> int:
        """How many steps the reach of a distance has; 0 where there is none."""
        return round(self.reach / self.step) if self.reach and self.step else 0


class LinkageField(Clause):
    """One field of the shared linkage schema.

    ``compare`` is for fields that are compared otherwise than their kind usually is. With
    ``nicknames`` a name such as "Bill" is taken for the given name that it stands for. ``region``
    is the country, by its ISO 3166 code, whose phone numbers are written without country code.
    ``feature`` is the identifier of the feature that it is in a clkhash schema, where that is not
    the field's own name.
    """

    kind: FieldKind
    compare: Compare | None = None
    nicknames: Annotated[bool, Field(strict=True)] = False
    region: Region = "US"
    feature: Annotated[str, StringConstraints(min_length=1)] | None = None

    @model_validator(mode="after")
    def _fits_the_kind(self) -> LinkageField:
        if self.nicknames and self.kind not in ("given_name", "name"):
            raise ValueError("only a given name and a whole name have 'nicknames'")
        if self.region != "US" and self.kind != "phone":
            raise ValueError("only a phone has a 'region'")
        by = self.compare.by if self.compare else None
        if by == "distance" and self.kind not in ("date", "number"):
            raise ValueError("only dates and numbers are compared by 'distance'")
        if by == "qgrams" and self.kind in ("sex", "number"):
            raise ValueError(f"a {self.kind} is not compared by 'qgrams'")
        return self


class LinkagePass(Clause):
    """One pass: what of which linkage fields is the salt, and which fields the pass covers.

    ``salt`` gives for each of one to three linkage fields the part of its value that counts: the
    ``whole`` of it, so many first or, with a minus sign, last characters, of a date the ``year``,
    ``year_day`` or ``month_day``, or of a street address the ``house``: six characters from its first
    number on. Records meet in the pass when all of it agrees. ``fields`` are the linkage
    fields that the pass encodes; all of them when left out.
    """

    salt: Frozen[Name, SaltPart] = Field(min_length=1, max_length=3)
    fields: tuple[Name, ...] | None = Field(default=None, min_length=2)


class KeyPart(Clause):
    """One part of a blocking key: a linkage field, and what of its value counts.

    ``by`` is ``soundex``, ``metaphone``, ``nysiis`` or ``match_rating`` for the sound of a name,
    the ``whole`` value, so many first characters, or of a date a part such as ``year``.
    """

    field: Name
    by: KeyBy


class ClkhashClause(Clause):
    """How records become filters of clkhash.

    ``linkage_schema`` is the JSON document of a clkhash linkage schema, version 1 to 3, as it is.
    ``standardize`` ``"none"`` hashes cells as they stand, as clkhash does, and ``"linkkit"`` their
    standard form.
    """

    linkage_schema: Annotated[
        dict[str, Any], BeforeValidator(plain_json), AfterValidator(FrozenDict)
    ]
    standardize: Standardizing = "none"


class LinkageClause(Clause):
    """The shared linkage schema: which profile encodes which fields.

    ``profile`` ``"standard"``, which an agreement that does not say has, and ``"hardened"`` make
    one keyed filter for each of several ``passes``, salted by a stable attribute and diffused;
    without ``passes`` they follow from the kinds of the fields. ``"field"`` makes one keyed filter
    for each field, for a linkage unit that the parties trust with field-level similarities.
    ``"clkhash"`` makes the filters of clkhash, under the schema in ``clkhash``. There are 2 to 21
    fields. With ``blocking_keys``, which only the profiles ``field`` and ``clkhash`` may have, keyed
    digests of parts of the fields let the linkage unit find pairs that agree in them.
    """

    profile: Profile = "standard"
    fields: Frozen[Name, LinkageField] = Field(min_length=2, max_length=21)
    passes: Frozen[Name, LinkagePass] | None = Field(default=None, min_length=2, max_length=8)
    clkhash: ClkhashClause | None = None
    blocking_keys: Frozen[Name, tuple[KeyPart, ...]] | None = Field(default=None, min_length=1)


class ColumnSource(Clause):
    """Which of the party's own columns holds a linkage field.

    ``column`` may be several columns, joined by a space. ``part`` takes the given name or the
    surname out of a column that holds both. ``formats`` are ``strptime`` formats of a date
    column, in the order in which they are tried; without them the formats are inferred.
    """

    column: Label | Annotated[tuple[Label, ...], Field(min_length=1)]
    part: Literal["given", "surname"] | None = None
    formats: tuple[DateFormat, ...] | None = Field(default=None, min_length=1)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns, one or several."""
        return (self.column,) if isinstance(self.column, str) else self.column


class FieldSource(Clause):
    """Where a payload variable comes from.

    Either one of the party's columns that holds no linkage field, or a linkage field in a
    coarser form: the ``year`` of a date, the ``prefix3`` of a postal code, the ``code`` of a sex.
    ``formats`` are ``strptime`` formats of a column of dates, in the order in which they are tried;
    without them a date is written YYYY-MM-DD or YYYYMMDD.
    """

    column: Label | None = None
    field: Name | None = None
    coarsen: Coarsening | None = None
    formats: tuple[DateFormat, ...] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_source(self) -> FieldSource:
        if (self.column is None) == (self.field is None):
            raise ValueError("give either 'column' or 'field', not both and not neither")
        if (self.field is None) != (self.coarsen is None):
            raise ValueError("'field' and 'coarsen' go together")
        if self.formats is not None and self.column is None:
            raise ValueError("'formats' go with 'column'")
        return self


class YearSource(Clause):
    """The column whose first four-digit number is the year of a row."""

    column: Label


class Variable(Clause):
    """A payload variable: its type, its label, and how rows of one person are combined."""

    type: VariableType
    label: str = ""
    combine: Combination = "most_common"

    @model_validator(mode="after")
    def _combines(self) -> Variable:
        if self.type == "category" and self.combine != "most_common":
            raise ValueError("a category can only be combined by most_common")
        if self.type == "date" and self.combine in ("mean", "sum"):
            raise ValueError("a date can only be combined by min, max or most_common")
        return self


class Organization(Clause):
    """Somebody who takes part: a name and the public key of its identity."""

    name: Label
    public_key: PublicKey | None = None


class Party(Organization):
    """An organization that brings records, and what it is authorized to send."""

    one_record_per_person: Annotated[bool, Field(strict=True)] = False
    record_id: Label | None = None
    linkage_fields: Frozen[Name, ColumnSource] = Field(min_length=2)
    year: YearSource | None = None
    payload: Frozen[Name, FieldSource] = Field(default_factory=FROZEN_EMPTY)

    @property
    def linkage_columns(self) -> frozenset[str]:
        """The party's own columns that hold linkage fields."""
        return frozenset(c for source in self.linkage_fields.values() for c in source.columns)


class Project(Clause):
    """One authorized use of the linked data, with its own variables and years."""

    purpose: Label
    years: Years | None = None
    variables: tuple[Name, ...] = Field(min_length=1)
