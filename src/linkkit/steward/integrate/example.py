"""A made-up school and club of sixty people, for the examples in this zone's docstrings."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from linkkit.agreement import Agreement
from linkkit.exchange import Crosswalk, PayloadExtract
from linkkit.exchange.artifacts import token_array

__all__ = ["small_partnership"]

_AGREEMENT = """
format: linkkit-agreement/1
id: small-town-2026
title: Small Town Example
purpose: To show how the steward's steps fit together.
legal_basis: None needed, since nobody in here exists.
years: {first: 2024, last: 2025}
destroy_by: 2199-12-31
linkage:
  profile: field
  fields: {surname: {kind: surname}, birth_date: {kind: date}}
variables:
  birth_year: {type: integer, label: Year of birth}
  sex: {type: category, label: Sex}
  days_absent: {type: integer, label: Days absent from school, combine: sum}
  score: {type: number, label: Mean score, combine: mean}
parties:
  school:
    name: Small Town School
    linkage_fields: {surname: {column: Name}, birth_date: {column: Born}}
    payload:
      birth_year: {field: birth_date, coarsen: year}
      sex: {column: Sex}
      days_absent: {column: Absent}
      score: {column: Score}
  club:
    name: Small Town Chess Club
    linkage_fields: {surname: {column: Name}, birth_date: {column: Born}}
    payload:
      birth_year: {field: birth_date, coarsen: year}
linkage_unit: {name: Linkage Unit}
steward: {name: Data Steward}
protection:
  smallest_cell: 5
  quasi_identifiers:
    birth_year: {intervals: [1, 2, 4]}
    sex: {}
projects:
  study:
    purpose: Whether chess keeps children at school.
    variables: [in_club, birth_year, sex, days_absent, score]
"""

_N_SCHOOL, _N_CLUB = 60, 20


def small_partnership() -> tuple[Agreement, list[PayloadExtract], Crosswalk]:
    """Return an agreement, two payloads and the crosswalk between them; nobody in it exists.

    Examples
    --------
    >>> agreement, payloads, crosswalk = small_partnership()
    >>> payloads[0], crosswalk
    (<PayloadExtract of 'school': 60 rows, 4 variables>, <Crosswalk: 80 records, 60 people>)
    """
    agreement = Agreement.from_yaml(_AGREEMENT)
    rng = np.random.default_rng(20260101)
    person = _ids(_N_SCHOOL, start=1)
    at_school, at_club = _ids(_N_SCHOOL, start=1001), _ids(_N_CLUB, start=2001)
    born = rng.integers(2010, 2014, _N_SCHOOL)
    school = {
        "birth_year": pa.array(born),
        "sex": pa.array(rng.choice(["F", "M"], _N_SCHOOL).tolist()),
        "days_absent": pa.array(rng.integers(0, 9, _N_SCHOOL)),
        "score": pa.array(rng.normal(50, 10, _N_SCHOOL).round(1)),
    }
    club = {"birth_year": pa.array(born[:_N_CLUB])}
    crosswalk = Crosswalk(
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        table=pa.table(
            {
                "party": ["school"] * _N_SCHOOL + ["club"] * _N_CLUB,
                "token": pa.concat_arrays([at_school, at_club]),
                "person_id": pa.concat_arrays([person, person[:_N_CLUB]]),
            }
        ),
    )
    payloads = [
        _payload(agreement, "school", at_school, school),
        _payload(agreement, "club", at_club, club),
    ]
    return agreement, payloads, crosswalk


def _ids(n: int, *, start: int) -> pa.Array:
    numbers = np.zeros((n, 16), dtype=np.uint8)
    numbers[:, 14:] = np.arange(start, start + n, dtype=">u2").view(np.uint8).reshape(n, 2)
    return token_array(numbers)


def _payload(
    agreement: Agreement, party: str, tokens: pa.Array, columns: dict[str, pa.Array]
) -> PayloadExtract:
    year = pa.array(np.full(len(tokens), agreement.years.last, dtype=np.int32))
    return PayloadExtract(
        party=party,
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        table=pa.table({"token": tokens, "year": year, **columns}),
    )
