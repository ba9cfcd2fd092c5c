"""What most tests need: a small agreement of three parties, and everybody's identity.

District, summer program and jobs program send to a linkage unit and a steward. The keys are
derived from fixed texts, so that fingerprints and failures are the same in every run.
"""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import pytest

from linkkit.agreement import Agreement
from linkkit.exchange import Identity

PARTIES = ("district", "summer", "jobs")
ROLES = (*PARTIES, "linkage_unit", "steward")

_DOCUMENT: dict[str, Any] = {
    "format": "linkkit-agreement/1",
    "id": "riverside-youth-2026",
    "title": "Riverside Youth Opportunity Data Partnership",
    "purpose": "Learn whether summer and jobs programs reach those who miss most school.",
    "legal_basis": "Studies exception, 34 CFR 99.31(a)(6); written agreement of 2026-01-15.",
    "years": {"first": 2023, "last": 2025},
    "destroy_by": "2999-06-30",
    "linkage": {
        "profile": "field",
        "fields": {
            "given_name": {"kind": "given_name"},
            "surname": {"kind": "surname"},
            "birth_date": {"kind": "date"},
            "sex": {"kind": "sex"},
            "street_address": {"kind": "street_address"},
            "postal_code": {"kind": "postal_code"},
            "phone": {"kind": "phone"},
        },
    },
    "variables": {
        "birth_year": {"type": "integer", "label": "Year of birth"},
        "sex": {"type": "category", "label": "Sex as recorded"},
        "zip3": {"type": "category", "label": "First three digits of the postal code"},
        "race_ethnicity": {"type": "category", "label": "Race and ethnicity as recorded"},
        "attendance_rate": {
            "type": "number",
            "label": "Share of enrolled days attended, percent",
            "combine": "mean",
        },
        "program_days": {
            "type": "number",
            "label": "Days in a summer program",
            "combine": "sum",
        },
        "hours_worked": {"type": "number", "label": "Paid hours", "combine": "sum"},
    },
    "parties": {
        "district": {
            "name": "Riverside Unified School District",
            "one_record_per_person": True,
            "record_id": "STUDENT_NO",
            "linkage_fields": {
                "given_name": {"column": "STUDENT NAME", "part": "given"},
                "surname": {"column": "STUDENT NAME", "part": "surname"},
                "birth_date": {"column": "DOB", "formats": ["%m/%d/%Y"]},
                "sex": {"column": "SEX"},
                "street_address": {"column": ["STREET_NO", "STREET_NAME"]},
                "postal_code": {"column": "ZIP"},
                "phone": {"column": "PHONE"},
            },
            "year": {"column": "SCHOOL_YR"},
            "payload": {
                "attendance_rate": {"column": "Att. %"},
                "race_ethnicity": {"column": "RACE"},
                "birth_year": {"field": "birth_date", "coarsen": "year"},
                "sex": {"field": "sex", "coarsen": "code"},
                "zip3": {"field": "postal_code", "coarsen": "prefix3"},
            },
        },
        "summer": {
            "name": "Riverside Summer Learning",
            "record_id": "enrollment",
            "linkage_fields": {
                "given_name": {"column": "first"},
                "surname": {"column": "last"},
                "birth_date": {"column": "birthday"},
                "sex": {"column": "gender"},
                "postal_code": {"column": "zip"},
                "phone": {"column": "guardian_phone"},
            },
            "year": {"column": "summer"},
            "payload": {"program_days": {"column": "days"}},
        },
        "jobs": {
            "name": "River County Youth Employment",
            "linkage_fields": {
                "given_name": {"column": "FirstName"},
                "surname": {"column": "LastName"},
                "birth_date": {"column": "BirthDate"},
                "phone": {"column": "Mobile"},
            },
            "payload": {"hours_worked": {"column": "Hours"}},
        },
    },
    "linkage_unit": {"name": "State University Linkage Center"},
    "steward": {"name": "Riverside Data Trust"},
    "protection": {
        "smallest_cell": 10,
        "quasi_identifiers": {
            "birth_year": {"intervals": [1, 2, 10]},
            "sex": {},
            "race_ethnicity": {},
            "zip3": {"prefixes": [3, 1]},
        },
        "max_suppressed": 0.05,
    },
    "projects": {
        "gaps-2026": {
            "purpose": "Describe who takes part, and who does not.",
            "years": {"first": 2024, "last": 2025},
            "variables": [
                "in_district",
                "in_summer",
                "in_jobs",
                "birth_year",
                "sex",
                "race_ethnicity",
                "attendance_rate",
                "program_days",
            ],
        },
    },
}


def _identity(role: str) -> Identity:
    return Identity(hashlib.sha256(f"identity of {role} in tests only".encode()).digest())


def _document() -> dict[str, Any]:
    document = copy.deepcopy(_DOCUMENT)
    for party in PARTIES:
        document["parties"][party]["public_key"] = _identity(party).public.text
    for role in ("linkage_unit", "steward"):
        document[role]["public_key"] = _identity(role).public.text
    return document


@pytest.fixture
def agreement_document() -> dict[str, Any]:
    """A complete agreement of three parties as plain data, fresh for each test to change."""
    return _document()


@pytest.fixture(scope="session")
def agreement() -> Agreement:
    """The same agreement, loaded."""
    return Agreement.from_document(_document())


@pytest.fixture(scope="session")
def identities() -> dict[str, Identity]:
    """Each role's private identity: the three parties', ``linkage_unit`` and ``steward``."""
    return {role: _identity(role) for role in ROLES}
