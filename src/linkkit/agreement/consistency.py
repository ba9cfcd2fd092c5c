"""Contradictions between clauses, which no clause can see alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from linkkit.agreement.blocking_keys import find_key_problems
from linkkit.agreement.clauses import COARSENS, FieldKind, FieldSource, Party, VariableType
from linkkit.agreement.clkhash.agreed import find_schema_problems
from linkkit.agreement.content import Content
from linkkit.agreement.default_passes import default_passes
from linkkit.agreement.generalization import Generalization
from linkkit.agreement.passes import WITH_PASSES, find_pass_problems, passes_of
from linkkit.agreement.protection import SensitiveRule
from linkkit.agreement.safe_harbor import find_safe_harbor_problems

__all__ = ["find_contradictions"]

PERSONAL: tuple[FieldKind, ...] = (
    "given_name",
    "name",
    "date",
    "identifier",
    "ssn4",
    "email",
    "text",
)
"""Kinds of fields that tell the people of one household apart."""

FEWEST_COMMON = 2
RESERVED = ("study_id", "token", "person_id", "household_id", "party", "year")


def find_contradictions(agreement: Content) -> list[str]:
    """Return a sentence for each contradiction in an agreement, in the order of the document."""
    problems = [
        *find_pass_problems(agreement.linkage),
        *find_schema_problems(agreement),
        *find_key_problems(agreement),
        *_variables(agreement),
    ]
    for name, party in agreement.parties.items():
        problems += _party(agreement, name, party)
    problems += [*_common_fields(agreement), *_protection(agreement), *_projects(agreement)]
    problems += find_safe_harbor_problems(agreement)
    return problems


def _common_fields(agreement: Content) -> Iterator[str]:
    """Tell which parties could not be linked, or only by what families share."""
    kinds = {name: field.kind for name, field in agreement.linkage.fields.items()}
    for name, party in agreement.parties.items():
        if not any(kinds.get(field) in PERSONAL for field in party.linkage_fields):
            yield (
                f"clause 'parties.{name}.linkage_fields': none of them tells one person of a "
                f"household from another; add one of: {', '.join(PERSONAL)}"
            )
    for (one, a), (other, b) in combinations(agreement.parties.items(), 2):
        if len(set(a.linkage_fields) & set(b.linkage_fields)) < FEWEST_COMMON:
            yield (
                f"clause 'parties.{other}.linkage_fields': it has fewer than {FEWEST_COMMON} in "
                f"common with '{one}', so their records cannot be compared"
            )
    yield from _common_salts(agreement)


def _common_salts(agreement: Content) -> Iterator[str]:
    """Tell which parties' records would meet in no pass."""
    if agreement.linkage.profile not in WITH_PASSES:
        return
    salts = [set(item.salt) for item in passes_of(agreement).values()]
    possible = agreement.linkage.passes or default_passes(agreement.linkage)
    for (one, a), (other, b) in combinations(agreement.parties.items(), 2):
        common = set(a.linkage_fields) & set(b.linkage_fields)
        if possible and not any(salt <= common for salt in salts):
            wanted = dict.fromkeys(" with ".join(sorted(item.salt)) for item in possible.values())
            yield (
                f"clause 'parties.{other}.linkage_fields': the profile "
                f"'{agreement.linkage.profile}' compares records that agree in a salt, and it has "
                f"none in common with '{one}'; the salts are: {', '.join(wanted)}. Add fields, or "
                "write 'profile: field', which needs no salts but shows the linkage unit how alike "
                "two records are in each field"
            )


def participation(party: str) -> str:
    """Return the name of the variable that says whether a party has a record of a person."""
    return f"in_{party}"


def _variables(agreement: Content) -> Iterator[str]:
    taken = {participation(party) for party in agreement.parties} | set(RESERVED)
    for name in agreement.variables:
        if name in taken:
            yield f"clause 'variables.{name}': the name is reserved"
        field = agreement.linkage.fields.get(name)
        if field is not None and field.kind != "sex":
            yield (
                f"clause 'variables.{name}': a linkage field has that name, and linkage fields "
                "are never payload; rename the variable"
            )
    for name in agreement.parties:
        if name in ("linkage_unit", "steward"):
            yield f"clause 'parties.{name}': the name is reserved"


def _party(agreement: Content, name: str, party: Party) -> Iterator[str]:
    clause = f"parties.{name}"
    for field, source in party.linkage_fields.items():
        if field not in agreement.linkage.fields:
            yield f"clause '{clause}.linkage_fields.{field}': 'linkage.fields' has no such field"
            continue
        kind = agreement.linkage.fields[field].kind
        if source.formats is not None and kind != "date":
            yield f"clause '{clause}.linkage_fields.{field}': only a date has 'formats'"
        if source.part is not None and kind not in ("given_name", "surname"):
            yield f"clause '{clause}.linkage_fields.{field}': only a name has a 'part'"
    if party.record_id in party.linkage_columns and not _only_identifiers(agreement, party):
        yield f"clause '{clause}.record_id': the column is also a linkage field"
    if party.year is not None and party.year.column in (*party.linkage_columns, party.record_id):
        yield f"clause '{clause}.year': the column holds a linkage field or the record id"
    for variable, payload in party.payload.items():
        for problem in _payload(agreement, party, variable, payload):
            yield f"clause '{clause}.payload.{variable}': {problem}"


def _only_identifiers(agreement: Content, party: Party) -> bool:
    return all(
        agreement.linkage.fields[field].kind == "identifier"
        for field, source in party.linkage_fields.items()
        if party.record_id in source.columns and field in agreement.linkage.fields
    )


def _payload(agreement: Content, party: Party, variable: str, source: FieldSource) -> Iterator[str]:
    if variable not in agreement.variables:
        yield "'variables' does not define it"
    elif source.formats is not None and agreement.variables[variable].type != "date":
        yield "only a date has 'formats'"
    if source.column is not None and source.column in party.linkage_columns:
        yield (
            "the column holds a linkage field, which is never payload; "
            "use 'field' with 'coarsen' instead"
        )
    if source.column is not None and source.column == party.record_id:
        yield "the column is the party's record id, which never leaves"
    if source.field is None or source.coarsen is None:
        return
    if source.field not in party.linkage_fields:
        yield "the party has no such linkage field"
    elif source.field in agreement.linkage.fields:
        kind = agreement.linkage.fields[source.field].kind
        if kind != COARSENS[source.coarsen]:
            yield f"'{source.coarsen}' coarsens a {COARSENS[source.coarsen]}, not a {kind}"


def _protection(agreement: Content) -> Iterator[str]:
    known = _usable(agreement)
    for name, ways in agreement.protection.quasi_identifiers.items():
        clause = f"protection.quasi_identifiers.{name}"
        if name not in known:
            yield f"clause '{clause}': no party sends such a variable"
            continue
        known_type = agreement.variables[name].type if name in agreement.variables else "category"
        yield from (f"clause '{clause}': {text}" for text in _unfit(ways, known_type))
    for name, rule in agreement.protection.sensitive.items():
        clause = f"protection.sensitive.{name}"
        if name not in known:
            yield f"clause '{clause}': no party sends such a variable"
            continue
        if name in agreement.protection.quasi_identifiers:
            yield f"clause '{clause}': it is a quasi-identifier, and cannot be both"
        if rule.distance == "ordered":
            variable = agreement.variables.get(name)
            yield from _unordered(clause, rule, None if variable is None else variable.type)
    shifted, averaged = agreement.protection.shift_dates, agreement.protection.microaggregate
    if shifted is not None:
        yield from _changed(agreement, "shift_dates", shifted.variables, ("date",))
    if averaged is not None:
        yield from _changed(agreement, "microaggregate", averaged.variables, ("integer", "number"))


def _unordered(
    clause: str, rule: SensitiveRule, variable_type: VariableType | None
) -> Iterator[str]:
    """Tell what keeps values from having ranks; participation has no type."""
    if variable_type is None:
        yield f"clause '{clause}': distance 'ordered' is for numbers, dates and categories"
    elif variable_type == "category" and rule.order is None:
        yield (
            f"clause '{clause}': distance 'ordered' of a category needs 'order', its values from "
            "least to most"
        )
    elif variable_type != "category" and rule.order is not None:
        yield f"clause '{clause}': 'order' is for categories; numbers and dates have their own"


def _changed(
    agreement: Content, way: str, names: tuple[str, ...], types: tuple[VariableType, ...]
) -> Iterator[str]:
    """Tell which variables cannot be shifted or averaged."""
    clause = f"clause 'protection.{way}.variables'"
    if len(set(names)) < len(names):
        yield f"{clause}: a variable is named twice"
    known = _usable(agreement)
    for name in dict.fromkeys(names):
        if name not in known:
            yield f"{clause}: no party sends '{name}'"
        elif name not in agreement.variables or agreement.variables[name].type not in types:
            yield f"{clause}: '{name}' is not of type {' or '.join(types)}"
        if name in agreement.protection.quasi_identifiers:
            yield (
                f"{clause}: '{name}' is a quasi-identifier, which is made coarser instead; "
                "leave it out of one of them"
            )
        if name in agreement.protection.sensitive:
            yield (
                f"{clause}: '{name}' is in 'protection.sensitive', whose rules are about the "
                "values as they are; leave it out of one of them"
            )


def _unfit(ways: Generalization, variable_type: VariableType) -> Iterator[str]:
    """Tell which ways of coarsening are not for variables of a type."""
    numeric = variable_type in ("integer", "number")
    for name in ("intervals", "cut_points", "quantiles", "ages"):
        if getattr(ways, name) is not None and not numeric:
            yield f"'{name}' are for numbers"
    if ways.way is None and not numeric and (ways.bottom is not None or ways.top is not None):
        yield "'bottom' and 'top' alone are for numbers"
    if ways.dates is not None and numeric:
        yield "'dates' are for dates, and for categories that hold them as YYYY-MM-DD"
    if (ways.prefixes is not None or ways.groups is not None) and variable_type != "category":
        yield "'prefixes' and 'groups' are for categories"
    for name in ("postal", "order"):
        if getattr(ways, name) is not None and variable_type != "category":
            yield f"'{name}' is for categories"


def _projects(agreement: Content) -> Iterator[str]:
    known = _usable(agreement)
    for name, project in agreement.projects.items():
        for variable in project.variables:
            if variable not in known:
                yield f"clause 'projects.{name}.variables': no party sends '{variable}'"
        if len(set(project.variables)) < len(project.variables):
            yield f"clause 'projects.{name}.variables': a variable is named twice"
        years = project.years
        if years and not agreement.years.first <= years.first <= years.last <= agreement.years.last:
            yield f"clause 'projects.{name}.years': they reach outside the agreement's years"


def _usable(agreement: Content) -> set[str]:
    sent = {variable for party in agreement.parties.values() for variable in party.payload}
    return sent | {participation(party) for party in agreement.parties}
