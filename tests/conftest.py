"""What most tests need: a small agreement of three parties, and everybody's identity.

District, summer program and jobs program send to a linkage unit and a steward. The keys are
derived from fixed texts, and whatever linkkit draws by itself (tokens, fresh keys) and hypothesis
makes up follows from `LINKKIT_TEST_SEED`, so that fingerprints and failures are the same in
every run. Another number is another run.
"""

from __future__ import annotations

import copy
import hashlib
import os
import random
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import hypothesis
import numpy as np
import pandas as pd
import pytest

from linkkit.agreement import Agreement
from linkkit.exchange import Crosswalk, EncodedExtract, EncodingSpec, FilterSpec, Identity
from linkkit.linkage import LinkResult, link
from linkkit.linkage.households import Households, find_households
from linkkit.linkage.pool import Pool, make_pool
from linkkit.partner.encode import EncodeResult, encode
from linkkit.partner.keys import Secret, TokenKey
from linkkit.synth import youth_partnership
from linkkit.synth.large import large_agreement

SEED = os.environ.get("LINKKIT_TEST_SEED", "0")
_random_bytes = os.urandom
_drawn = random.Random()


def _urandom(n: int) -> bytes:
    mine = sys._getframe(1).f_globals.get("__name__", "").startswith("linkkit.")
    return _drawn.randbytes(n) if mine else _random_bytes(n)


@contextmanager
def _drawn_for(name: str) -> Generator[None]:
    before = _drawn.getstate()
    _drawn.seed(f"{SEED} {name}")
    try:
        yield
    finally:
        _drawn.setstate(before)


def pytest_configure() -> None:
    os.urandom = _urandom
    # Where nothing is asked for, the same examples each time; else others of the same kind.
    hypothesis.settings.register_profile("seeded", derandomize=SEED == "0", deadline=None)
    hypothesis.settings.load_profile("seeded")


def pytest_unconfigure() -> None:
    os.urandom = _random_bytes


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    with _drawn_for(item.nodeid):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, Any]:
    # Not by the test that asks first: which that is depends on how tests are shared out.
    name = request.node.nodeid if fixturedef.scope == "function" else fixturedef.baseid
    which = getattr(request, "param_index", 0)
    with _drawn_for(f"{name} {fixturedef.argname} {which}"):
        return (yield)


PARTIES = ("district", "summer", "jobs")
ROLES = (*PARTIES, "linkage_unit", "steward")

_DOCUMENT: dict[str, Any] = {
    "format": "linkkit-agreement/1",
    "id": "alder-bend-youth-2026",
    "title": "Alder Bend Youth Opportunity Data Partnership",
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
            "name": "Alder Bend Unified School District",
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
            "name": "Alder Bend Summer Learning",
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
    "steward": {"name": "Alder Bend Data Trust"},
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


def _material(purpose: str) -> bytes:
    return hashlib.sha256(f"{purpose} in tests only".encode()).digest()


@pytest.fixture(scope="session")
def secret() -> Secret:
    """The linkage secret of the made-up parties."""
    return Secret(_material("linkage secret"))


@pytest.fixture(scope="session")
def token_key_of() -> Callable[[str], TokenKey]:
    """A function from a party's name to its token key."""
    return lambda party: TokenKey(_material(f"token key of {party}"))


_KINDS = {
    "given_name": "given_name",
    "surname": "surname",
    "birth_date": "date",
    "sex": "sex",
    "postal_code": "postal_code",
}


def _plain_agreement(
    parties: tuple[str, ...] = ("north", "south"),
    *,
    kinds: dict[str, str] | None = None,
    clean: tuple[str, ...] = ("north", "south"),
    agreement_id: str = "plain-2026",
) -> Agreement:
    kinds = kinds or _KINDS
    return Agreement.from_document(
        {
            "format": "linkkit-agreement/1",
            "id": agreement_id,
            "title": "Plain",
            "purpose": "To test.",
            "legal_basis": "None is needed.",
            "years": {"first": 2020, "last": 2025},
            "destroy_by": "2999-01-01",
            "linkage": {
                "profile": "field",
                "fields": {name: {"kind": kind} for name, kind in kinds.items()},
            },
            "parties": {
                party: {
                    "name": party,
                    "one_record_per_person": party in clean,
                    "record_id": "id",
                    "linkage_fields": {name: {"column": name} for name in kinds},
                    "public_key": _identity(party).public.text,
                }
                for party in parties
            },
            "linkage_unit": {"name": "u", "public_key": _identity("linkage_unit").public.text},
            "steward": {"name": "s", "public_key": _identity("steward").public.text},
            "protection": {"smallest_cell": 5, "quasi_identifiers": {f"in_{parties[0]}": {}}},
        }
    )


@pytest.fixture(scope="session")
def plain_agreement() -> Callable[..., Agreement]:
    """A function that makes an agreement of parties whose columns are named as the fields."""
    return _plain_agreement


@pytest.fixture(scope="session")
def encode_plainly(secret: Secret, token_key_of: Callable[[str], TokenKey]) -> Callable[..., Any]:
    """A function that encodes a frame under a plain agreement, with the party's token key."""

    def run(frame: Any, agreement: Agreement, party: str) -> EncodedExtract:
        key = token_key_of(party)
        return encode(frame, agreement, secret, party=party, token_key=key).encodings

    return run


@pytest.fixture(scope="session")
def made_people() -> Callable[..., pd.DataFrame]:
    """A function that makes up distinct people, with the columns of the plain agreement."""

    def make(n: int, *, seed: int) -> pd.DataFrame:
        rng = np.random.default_rng(seed)

        def words(length: int) -> list[str]:
            letters = rng.choice(list("abcdefghijklmnoprstuvwyz"), size=(n, length))
            return ["".join(row) for row in letters]

        days = np.datetime64("1995-01-01") + rng.integers(0, 7000, size=n)
        return pd.DataFrame(
            {
                "id": [f"p{seed}-{i}" for i in range(n)],
                "given_name": words(6),
                "surname": words(7),
                "birth_date": days.astype(str),
                "sex": rng.choice(["F", "M"], size=n),
                "postal_code": rng.integers(10_000, 99_000, size=n).astype(str),
            }
        )

    return make


@pytest.fixture(scope="session")
def random_pool() -> Callable[..., Pool]:
    """A function that makes a pool of random filters, with some records alike in some fields."""

    def make(
        sizes: tuple[int, ...],
        *,
        clean: tuple[bool, ...],
        seed: int = 0,
        kinds: tuple[str, ...] = ("given_name", "date", "sex"),
        n_distinct: int = 4,
        share_missing: float = 0.2,
    ) -> Pool:
        rng = np.random.default_rng(seed)
        n = sum(sizes)
        filters = tuple(
            FilterSpec(name=f"field_{i}", kind=kind, n_bits=128, n_hashes=9)
            for i, kind in enumerate(kinds)
        )
        present = rng.random((n, len(kinds))) >= share_missing
        words = np.zeros((n, 2 * len(kinds)), dtype=np.uint64)
        for f in range(len(kinds)):
            values = rng.integers(0, 2**63, size=(n_distinct, 2), dtype=np.uint64)
            flips = rng.integers(0, 2**63, size=(n, 2), dtype=np.uint64)
            flips &= rng.integers(0, 2**63, size=(n, 2), dtype=np.uint64)
            flips &= rng.integers(0, 2**63, size=(n, 2), dtype=np.uint64)
            flips[rng.random(n) < 0.6] = 0
            mine = values[rng.integers(0, n_distinct, size=n)] ^ flips
            words[:, 2 * f : 2 * f + 2] = np.where(present[:, f, None], mine, np.uint64(0))
        return Pool(
            agreement_id="random",
            agreement_fingerprint="0" * 64,
            spec=EncodingSpec(
                profile="field", encoding_version=1, standardization_version=1, filters=filters
            ),
            parties=tuple(f"party{i}" for i in range(len(sizes))),
            clean=np.array(clean, dtype=np.bool_),
            party=np.repeat(np.arange(len(sizes), dtype=np.int64), sizes),
            tokens=rng.integers(0, 256, size=(n, 16), dtype=np.uint8),
            words=words,
            present=present,
            block_keys=np.zeros((n, 0), dtype=np.uint64),
        )

    return make


@dataclass(frozen=True)
class Town:
    """A made-up partnership, encoded, with the true person of every token."""

    agreement: Agreement
    frames: dict[str, pd.DataFrame]
    results: dict[str, EncodeResult]
    person_of: dict[str, int]

    @property
    def encodings(self) -> list[EncodedExtract]:
        return [result.encodings for result in self.results.values()]

    def score(self, crosswalk: Crosswalk) -> tuple[float, float]:
        """Return the true precision and recall over pairs of records."""
        frame = crosswalk.to_pandas()
        frame["true"] = [self.person_of[token] for token in frame["token"]]

        def pairs(by: list[str]) -> int:
            sizes = frame.groupby(by).size()
            return int((sizes * (sizes - 1) // 2).sum())

        right = pairs(["person_id", "true"])
        return right / max(pairs(["person_id"]), 1), right / max(pairs(["true"]), 1)


def _town(profile: str, secret: Secret, token_key_of: Callable[[str], TokenKey]) -> Town:
    made = youth_partnership(n_district=1200, n_summer=500, n_jobs=300, seed=7)
    linkage = {**made.agreement["linkage"], "profile": profile}
    loaded = Agreement.from_document({**made.agreement, "linkage": linkage})
    true = made.truth.set_index(["party", "record_id"])["person"]
    results: dict[str, EncodeResult] = {}
    person_of: dict[str, int] = {}
    for party, frame in made.extracts.items():
        results[party] = encode(frame, loaded, secret, party=party, token_key=token_key_of(party))
        tokens = results[party].token_map.to_pandas()
        for token, record_id in zip(tokens["token"], tokens["record_id"], strict=True):
            person_of[token] = int(true[(party, record_id)])
    return Town(agreement=loaded, frames=made.extracts, results=results, person_of=person_of)


@pytest.fixture(scope="session", params=["standard", "field"])
def town(
    request: pytest.FixtureRequest, secret: Secret, token_key_of: Callable[[str], TokenKey]
) -> Town:
    """Three made-up offices of 1,200, 500 and 300 records, under either profile."""
    return _town(request.param, secret, token_key_of)


@pytest.fixture(scope="session")
def field_town(secret: Secret, token_key_of: Callable[[str], TokenKey]) -> Town:
    """The same offices under the profile `field`."""
    return _town("field", secret, token_key_of)


@pytest.fixture(scope="session")
def linked_town(town: Town) -> LinkResult:
    """The made-up offices, linked."""
    return link(town.encodings)


HOME_KINDS = {
    "given_name": "given_name",
    "surname": "surname",
    "birth_date": "date",
    "address": "street_address",
    "postal_code": "postal_code",
    "phone": "phone",
    "guardian": "guardian_name",
}


@pytest.fixture(scope="session")
def neighborhood() -> Callable[..., pd.DataFrame]:
    """A function that makes up households of one to four people, each with a home, phone and guardian."""

    def make(n: int, *, seed: int) -> pd.DataFrame:
        rng = np.random.default_rng(seed)

        def word(length: int) -> str:
            return "".join(rng.choice(list("abcdefghijklmnoprstuvwyz"), size=length))

        streets, surnames = [word(7) for _ in range(40)], [word(6) for _ in range(n // 3 + 5)]
        rows = []
        for home in range(n):
            surname = surnames[rng.integers(len(surnames))]
            shared = {
                "home": f"{seed}-{home}",
                "surname": surname,
                "address": f"{rng.integers(1, 2000)} {rng.choice(streets)} street",
                "postal_code": str(10_000 + 7 * rng.integers(0, 10)),
                "phone": f"312555{rng.integers(1_000, 9_999)}",
                "guardian": f"{word(5)} {surname}",
            }
            for _ in range(rng.integers(1, 5)):
                day = np.datetime64("1990-01-01") + rng.integers(0, 9_000)
                rows.append({**shared, "given_name": word(6), "birth_date": str(day)})
        made = pd.DataFrame(rows)
        made["who"] = [f"{seed}-{i}" for i in range(len(made))]
        return made

    return make


@pytest.fixture(scope="session")
def home_pool(secret: Secret, token_key_of: Callable[[str], TokenKey]) -> Callable[..., Any]:
    """A function that encodes people of a neighborhood; returns the pool, and each record's row."""

    def make(people: pd.DataFrame, *, without: tuple[str, ...] = ()) -> tuple[Pool, Any]:
        kinds = {name: kind for name, kind in HOME_KINDS.items() if name not in without}
        document = large_agreement(["office"])
        document["linkage"]["fields"] = {name: {"kind": kind} for name, kind in kinds.items()}
        document["parties"]["office"] |= {
            "linkage_fields": {name: {"column": name} for name in kinds},
            "one_record_per_person": False,
        }
        frame = people.assign(record_id=[f"r{i}" for i in people.index])
        key = token_key_of("office")
        found = encode(
            frame, Agreement.from_document(document), secret, party="office", token_key=key
        )
        pool = make_pool([found.encodings])
        rows = found.token_map.to_pandas().set_index("token")["row"]
        return pool, rows[[bytes(token).hex() for token in pool.tokens]].to_numpy() - 1

    return make


@pytest.fixture(scope="session")
def homes_of(home_pool: Callable[..., Any]) -> Callable[..., Any]:
    """A function that finds the household of each row, when it is known whose the rows are."""

    def run(people: pd.DataFrame, *, without: tuple[str, ...] = ()) -> tuple[pd.Series, Households]:
        pool, row = home_pool(people, without=without)
        who = people["who"].to_numpy()[row]
        first = {name: i for i, name in reversed(list(enumerate(who)))}
        found = find_households(pool, np.array([first[name] for name in who]))
        # Named by the smallest row, as positions in the pool depend on tokens.
        home = pd.Series(found.household, index=row).sort_index()
        return home.index.to_series().groupby(home).transform("min"), found.summary

    return run
