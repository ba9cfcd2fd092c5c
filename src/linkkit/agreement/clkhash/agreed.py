"""The linkage schema of an agreement: what it hashes, and what its linkage fields are to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from linkkit.agreement.clauses import LinkageClause
from linkkit.agreement.clkhash.lint import Trap, lint_clk_schema
from linkkit.agreement.clkhash.parts import EnumFormat, PatternFormat, TextFormat
from linkkit.agreement.clkhash.schema import ClkFeature, ClkSchema, read_clk_schema
from linkkit.agreement.content import Content
from linkkit.errors import OptionError

__all__ = [
    "feature_fields",
    "find_schema_problems",
    "loud_first",
    "schema_digest",
    "schema_of",
    "schema_traps",
    "takes_missing",
]

_CLAUSE = "linkage.clkhash.linkage_schema"


def schema_of(linkage: LinkageClause) -> ClkSchema:
    """Return the linkage schema of an agreement of the profile ``clkhash``.

    Raises
    ------
    OptionError
        When the clause has none, or clkhash would refuse it.
    """
    return read_clk_schema(_document(linkage))


def schema_digest(linkage: LinkageClause) -> str:
    """Return SHA-256 of the schema document in canonical form, 64 hexadecimal digits."""
    content = json.dumps(_document(linkage), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def _document(linkage: LinkageClause) -> dict[str, Any]:
    if linkage.clkhash is None:
        raise OptionError("the agreement has no clkhash schema", hint="See its 'linkage.profile'.")
    # The clause is frozen; this is a copy of plain data.
    document: dict[str, Any] = json.loads(json.dumps(linkage.clkhash.linkage_schema))
    return document


def feature_fields(linkage: LinkageClause, schema: ClkSchema) -> list[str | None]:
    """Return the linkage field of each hashed feature, in the order of the schema.

    A field takes the feature that it names under ``feature``, or else the one with its own name.
    Where several features have one identifier, the fields that name it take them in their order.
    None stands for a feature that no field takes.
    """
    waiting = {name: field.feature or name for name, field in linkage.fields.items()}
    taken: list[str | None] = []
    for feature in schema.features:
        name = next((n for n, wanted in waiting.items() if wanted == feature.identifier), None)
        taken.append(name)
        waiting.pop(name or "", None)
    return taken


def takes_missing(feature: ClkFeature) -> bool:
    """Whether a record without a value in a feature can be encoded."""
    missing, form = feature.hashing.missing_value, feature.format
    if missing is not None:
        return True
    if isinstance(form, EnumFormat):
        return "" in form.values
    if isinstance(form, PatternFormat):
        return form.matches("")
    return isinstance(form, TextFormat) and form.min_length == 0


def schema_traps(agreement: Content) -> tuple[Trap, ...]:
    """Return what the linter says of an agreement's schema, the loud ones first.

    Empty for agreements of another profile.
    """
    if agreement.linkage.clkhash is None:
        return ()
    return loud_first(lint_clk_schema(schema_of(agreement.linkage)))


def loud_first(traps: Iterable[Trap]) -> tuple[Trap, ...]:
    """Order traps: those that make a linkage unsafe, or silently wrong, come first.

    What is said of several features alike is said once, of all of them.
    """
    places: dict[tuple[str, str], list[Trap]] = {}
    for trap in traps:
        places.setdefault((trap.code, trap.sentence), []).append(trap)
    united = [
        replace(same[0], place=", ".join(trap.place for trap in same)) for same in places.values()
    ]
    return tuple(sorted(united, key=lambda trap: not trap.is_loud))


def find_schema_problems(agreement: Content) -> Iterator[str]:
    """Yield a sentence for each way in which an agreement contradicts its schema."""
    linkage = agreement.linkage
    wanted = linkage.profile == "clkhash"
    if wanted != (linkage.clkhash is not None):
        yield (
            "clause 'linkage.clkhash' is missing; the profile 'clkhash' needs its 'linkage_schema'"
            if wanted
            else f"clause 'linkage.clkhash': the profile '{linkage.profile}' has no clkhash schema; "
            "write 'profile: clkhash' to use it"
        )
    if not wanted:
        for name, field in linkage.fields.items():
            if field.feature is not None:
                yield (
                    f"clause 'linkage.fields.{name}.feature': only the profile 'clkhash' has "
                    "features"
                )
    if not wanted or linkage.clkhash is None:
        return
    schema, problems = _read(linkage)
    yield from (f"clause '{_CLAUSE}': {problem}" for problem in problems)
    if schema is not None:
        yield from _fields(agreement, schema)


def _read(linkage: LinkageClause) -> tuple[ClkSchema | None, tuple[str, ...]]:
    try:
        schema = schema_of(linkage)
    except OptionError as error:
        return None, error.problems
    if not schema.features:
        return None, ("every feature is ignored, so that all filters would be empty",)
    return schema, ()


def _fields(agreement: Content, schema: ClkSchema) -> Iterator[str]:
    linkage = agreement.linkage
    fields = feature_fields(linkage, schema)
    for feature, field in zip(schema.features, fields, strict=True):
        if field is None:
            yield (
                f"clause '{_CLAUSE}': no linkage field is for the feature "
                f"'{feature.identifier}'; name it as 'feature' of a field in 'linkage.fields'"
            )
    for name in linkage.fields:
        if name not in fields:
            yield (
                f"clause 'linkage.fields.{name}': the schema hashes no feature "
                f"'{linkage.fields[name].feature or name}', or another field has it"
            )
    if None not in fields:
        yield from _parties(agreement, schema, fields)


def _parties(agreement: Content, schema: ClkSchema, fields: list[str | None]) -> Iterator[str]:
    standardized = agreement.linkage.clkhash and agreement.linkage.clkhash.standardize != "none"
    for party, clause in agreement.parties.items():
        where = f"clause 'parties.{party}.linkage_fields"
        for feature, field in zip(schema.features, fields, strict=True):
            source = clause.linkage_fields.get(field or "")
            if source is None and not takes_missing(feature):
                yield (
                    f"{where}': it lacks '{field}', for which the schema has no 'missingValue', "
                    "so that none of its records could be encoded"
                )
            elif source is not None and not standardized and (source.part or source.formats):
                yield (
                    f"{where}.{field}': 'part' and 'formats' need 'standardize: linkkit' in "
                    "'linkage.clkhash'; without it cells are hashed as they stand"
                )
