"""Data that mislead a linkage: families, few names, nobody or few shared, second records where none were declared."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from linkkit.agreement import Agreement
from linkkit.linkage import LinkResult, link
from linkkit.partner.encode import encode
from linkkit.partner.keys import Secret

KINDS = {
    "given_name": "given_name",
    "surname": "surname",
    "birth_date": "date",
    "sex": "sex",
    "street_address": "street_address",
    "postal_code": "postal_code",
}
BITS = {"given_name": 200, "surname": 200, "date": 200, "sex": 30, "street_address": 140}
TWICE = "was declared to hold each person once"


def families(n: int, rng: np.random.Generator, *, n_names: int = 400) -> pd.DataFrame:
    """Return people in households of up to five; some children have the name of a parent."""
    letters = np.array(
        ["ba", "co", "du", "fe", "gri", "ha", "jo", "ke", "lu", "mi", "no", "pra", "re"]
    )
    names = np.unique(["".join(rng.choice(letters, 3)) for _ in range(n_names)])
    weights = 1 / np.arange(1, len(names) + 1) ** 0.8
    rows: list[tuple[str, ...]] = []
    while len(rows) < n:
        surname = str(rng.choice(names, p=weights / weights.sum()))
        street = f"{rng.integers(1, 999)} {rng.choice(names)} st"
        area = str(10_000 + 7 * int(rng.integers(0, 30)))
        members = int(rng.integers(1, 6))
        for k in range(members):
            given = str(rng.choice(names))
            if k >= 2 and rng.random() < 0.1:
                given = rows[-k][0]
            born = np.datetime64("1965-01-01") + int(rng.integers(0, 9_000) + 12_000 * (k >= 2))
            rows.append((given, surname, str(born), str(rng.choice(["F", "M"])), street, area))
    return pd.DataFrame(rows[:n], columns=list(KINDS))


def recorded(
    people: pd.DataFrame, rows: np.ndarray, rng: np.random.Generator, *, rate: float
) -> pd.DataFrame:
    """Return records of some people, with errors in a share of the cells."""
    table = people.iloc[rows].reset_index(drop=True)
    for column in ("given_name", "surname", "street_address", "birth_date", "postal_code"):
        for row in np.flatnonzero(rng.random(len(table)) < rate):
            cell = table.at[row, column]
            if not cell:
                continue
            place = int(rng.integers(0, len(cell)))
            other = (
                str(rng.integers(1, 9)) if cell[place].isdigit() else str(rng.choice([*"aeiou"]))
            )
            changed = cell[:place] + other + cell[place + 1 :]
            table.loc[row, column] = changed if column != "birth_date" or place > 7 else ""
    return table.assign(id=[str(i) for i in range(len(table))], person=rows)


def parties(
    *,
    sizes: tuple[int, ...],
    shared: int,
    seed: int,
    rate: float = 0.1,
    twice: float = 0.0,
    n_names: int = 400,
) -> dict[str, pd.DataFrame]:
    """Return a table for each party; `twice` of its people have a second record."""
    rng = np.random.default_rng(seed)
    n = shared + sum(size - shared for size in sizes)
    people, order = families(n, rng, n_names=n_names), rng.permutation(n)
    tables, start = {}, shared
    for i, size in enumerate(sizes):
        rows = np.append(order[:shared], order[start : start + size - shared])
        start += size - shared
        rows = np.append(rows, rng.choice(rows, int(twice * len(rows)), replace=False))
        tables[f"party{i}"] = recorded(people, rng.permutation(rows), rng, rate=rate)
    return tables


@pytest.fixture(scope="module")
def linked(plain_agreement: Callable[..., Agreement], secret: Secret) -> Callable[..., Any]:
    """A function that links tables under a profile, and says how right that is."""

    def run(
        tables: dict[str, pd.DataFrame],
        profile: str,
        *,
        clean: bool = True,
        kinds: dict[str, str] = KINDS,
    ) -> Any:
        names = (*tables, "nobody") if len(tables) == 1 else tuple(tables)
        plain = plain_agreement(names, kinds=kinds, clean=names if clean else ())
        document = plain.model_dump(mode="json", exclude_defaults=True)
        document["linkage"]["profile"] = profile
        if profile == "clkhash":
            document["linkage"]["clkhash"] = {"linkage_schema": _schema(kinds)}
        agreement = Agreement.from_document(document)
        encoded = {
            name: encode(table[["id", *kinds]], agreement, secret, party=name)
            for name, table in tables.items()
        }
        result = link([one.encodings for one in encoded.values()], n_threads=1)
        person = {
            token: int(tables[name]["person"].iloc[row - 1])
            for name, one in encoded.items()
            for token, row in zip(
                one.token_map.to_pandas()["token"], one.token_map.rows, strict=True
            )
        }
        return _judged(result, person)

    return run


def _schema(kinds: dict[str, str]) -> dict[str, Any]:
    features = [
        {
            "identifier": name,
            "format": {"type": "string"},
            "hashing": {
                "comparison": {"type": "ngram", "n": 2 if "name" in kind else 1,
                               "positional": "name" not in kind},
                "strategy": {"bitsPerFeature": BITS.get(kind, 80)},
                "missingValue": {"sentinel": "", "replaceWith": ""},
            },
        }
        for name, kind in kinds.items()
    ]  # fmt: skip
    config = {"l": 1024, "kdf": {"type": "HKDF", "salt": "c2FsdA=="}}
    return {"version": 3, "clkConfig": config, "features": features}


def _judged(result: LinkResult, person: dict[str, int]) -> Any:
    table = result.crosswalk.to_pandas()
    table["true"] = table["token"].map(person)

    def n_pairs(by: list[str]) -> int:
        sizes = table.groupby(by).size()
        return int((sizes * (sizes - 1) // 2).sum())

    right, found, true = (n_pairs(by) for by in (["person_id", "true"], ["person_id"], ["true"]))
    return SimpleNamespace(
        result=result, n_links=found, precision=right / max(found, 1), recall=right / max(true, 1),
        f1=2 * right / max(found + true, 1), warnings=" | ".join(result.warnings),
    )  # fmt: skip


@pytest.mark.parametrize("profile", ["field", "standard", "clkhash"])
@pytest.mark.parametrize("n_names", [25, 400])
def test_families_in_two_parties_that_share_nobody_are_not_linked(
    linked: Callable[..., Any], profile: str, n_names: int
) -> None:
    found = linked(parties(sizes=(1_200, 1_200), shared=0, seed=3, n_names=n_names), profile)
    assert found.n_links == 0
    assert "the parties seem to share nobody" in found.warnings


def test_parties_with_second_records_that_share_nobody_are_not_linked(
    linked: Callable[..., Any],
) -> None:
    found = linked(parties(sizes=(800,) * 3, shared=0, seed=4), "clkhash", clean=False)
    assert found.n_links == 0
    assert "the parties seem to share nobody" in found.warnings


@pytest.mark.parametrize(("sizes", "shared"), [((1_500,), 0), ((700, 700, 700), 250)])
def test_second_records_are_found_by_one_filter_for_each_record(
    linked: Callable[..., Any], sizes: tuple[int, ...], shared: int
) -> None:
    found = linked(
        parties(sizes=sizes, shared=shared, seed=5, twice=0.2, rate=0.06), "clkhash", clean=False
    )
    assert found.f1 > 0.88
    assert found.result.quality.precision == pytest.approx(found.precision, abs=0.06)


def test_a_file_without_second_records_is_told_so(linked: Callable[..., Any]) -> None:
    found = linked(parties(sizes=(1_500,), shared=0, seed=6), "clkhash", clean=False)
    assert found.n_links == 0
    assert "the file seems to hold nobody twice" in found.warnings


@pytest.mark.parametrize("profile", ["field", "clkhash"])
@pytest.mark.parametrize("shared", [50, 150])
def test_the_precision_of_few_links_among_families_is_estimated(
    linked: Callable[..., Any], profile: str, shared: int
) -> None:
    found = linked(parties(sizes=(2_500, 2_500), shared=shared, seed=7, rate=0.15), profile)
    low, high = found.result.quality.precision_interval
    assert low <= found.precision <= high
    assert found.recall > 0.4
    assert found.precision > 0.75
    assert low >= 0.9 or "may be right" in found.warnings


@pytest.mark.parametrize("profile", ["field", "standard", "clkhash"])
def test_a_party_that_is_wrongly_declared_clean_is_noticed(
    linked: Callable[..., Any], profile: str
) -> None:
    right = parties(sizes=(900, 900), shared=400, seed=8)
    more = right["party1"].iloc[::5]
    rng = np.random.default_rng(9)
    again = recorded(
        more[[*KINDS]].reset_index(drop=True), np.arange(len(more)), rng, rate=0.05
    ).assign(person=more["person"].to_numpy())
    wrong = pd.concat([right["party1"], again], ignore_index=True)
    wrong["id"] = [str(i) for i in range(len(wrong))]
    usual, found = linked(right, profile), linked({**right, "party1": wrong}, profile)
    assert TWICE not in usual.warnings
    assert f"party 'party1' {TWICE}" in found.warnings
    assert f"party 'party0' {TWICE}" not in found.warnings
    assert found.warnings.count(TWICE) == 1
    assert "take 'one_record_per_person' from it" in found.warnings
    assert found.n_links > 0.85 * usual.n_links
    assert found.precision > usual.precision - 0.05


@pytest.mark.parametrize("profile", ["field", "standard", "clkhash"])
@pytest.mark.parametrize("hostile", ["missing", "constant", "dependent"])
def test_fields_that_tell_nothing_do_no_harm(
    linked: Callable[..., Any], profile: str, hostile: str
) -> None:
    tables, kinds = parties(sizes=(500, 500), shared=300, seed=10, rate=0.04), dict(KINDS)
    if hostile == "missing":
        hidden = np.random.default_rng(1).random(500) < 0.95
        tables["party0"].loc[hidden, "street_address"] = ""
    elif hostile == "constant":
        kinds["program"] = "text"
        tables = {name: table.assign(program="summer") for name, table in tables.items()}
    else:
        # Ten fields that all follow from the postal code.
        for i in range(10):
            kinds[f"area_{i}"] = "text"
            for name, table in tables.items():
                tables[name] = table.assign(
                    **{f"area_{i}": f"{i}" + table["postal_code"].str[::-1]}
                )
    found = linked(tables, profile, kinds=kinds)
    assert found.f1 > 0.85 or "may be right" in found.warnings
    assert found.f1 > 0.5


@pytest.mark.parametrize("lacking", ["party0", "party1"])
def test_what_is_alike_within_a_party_that_has_more_fields_tells_nothing(
    linked: Callable[..., Any], lacking: str
) -> None:
    tables = parties(sizes=(700, 700), shared=350, seed=11, rate=0.04)
    tables[lacking] = tables[lacking].assign(street_address="", postal_code="")
    found = linked(tables, "clkhash")
    assert found.f1 > 0.8
    assert found.result.quality.precision == pytest.approx(found.precision, abs=0.05)
    assert found.result.quality.recall == pytest.approx(found.recall, abs=0.08)
