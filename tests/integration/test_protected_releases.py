"""From payloads to released files under an agreement: every model, saved, loaded and released."""

import copy
import dataclasses
import traceback

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from linkkit.agreement import Agreement
from linkkit.errors import NotAuthorizedError, ProtectionError, ReleaseError
from linkkit.exchange import Identity
from linkkit.exchange.artifacts import token_array
from linkkit.steward.integrate import integrate
from linkkit.steward.integrate.example import small_partnership
from linkkit.steward.protect import (
    DeltaPresence,
    DistinctLDiversity,
    HouseholdKAnonymity,
    KMap,
    ProtectedDataset,
    TCloseness,
    protect,
)
from linkkit.steward.release import release

STEWARD = Identity.generate()
N_SCHOOL = 60
N_HOUSEHOLDS = 24
PROTECTION = {
    "smallest_cell": 4,
    "max_suppressed": 0.3,
    "quasi_identifiers": {"birth_year": {"intervals": [1, 2, 4]}, "sex": {}},
}
RISKS = ("low", "middle", "high", "acute")
TREE = {str(n): ("few" if n < 4 else "many", "*") for n in range(20)}
AGREED = {
    "k-anonymity": {},
    "household k-anonymity": {"households": 3},
    "distinct l-diversity": {"sensitive": {"days_absent": {"distinct_l": 3}}},
    "entropy l-diversity": {"sensitive": {"days_absent": {"entropy_l": 2.5}}},
    "recursive l-diversity": {"sensitive": {"days_absent": {"recursive_l": 2, "recursive_c": 1.5}}},
    "t-closeness": {"sensitive": {"days_absent": {"t": 0.5}}},
    "t-closeness of numbers": {"sensitive": {"score": {"t": 0.35, "distance": "ordered"}}},
    "t-closeness of categories": {
        "sensitive": {"risk": {"t": 0.35, "distance": "ordered", "order": [*RISKS, "unheard of"]}}
    },
    "all of them": {
        "households": 3,
        "sensitive": {
            "days_absent": {
                "distinct_l": 3, "entropy_l": 2.5, "recursive_l": 2, "recursive_c": 1.5, "t": 0.6,
            },
            "score": {"t": 0.4, "distance": "ordered"},
            "risk": {"t": 0.5, "distance": "ordered", "order": RISKS},
        },
    },
}  # fmt: skip


def partnership(*, homes=True, **protection):
    """The small partnership with a steward who can save, missing values and households."""
    agreement, payloads, crosswalk = small_partnership()
    document = copy.deepcopy(agreement.model_dump(mode="json"))
    document["steward"] = {"name": "Steward", "public_key": STEWARD.public.text}
    document["protection"] = {**PROTECTION, **protection}
    document["variables"]["risk"] = {"type": "category", "label": "Risk of dropping out"}
    document["parties"]["school"]["payload"]["risk"] = {"column": "Risk"}
    document["projects"]["study"]["variables"].append("risk")
    agreement = Agreement.model_validate(document)
    school = payloads[0].table
    sex = school["sex"].to_pylist()
    sex[::12] = [None] * len(sex[::12])
    born = school["birth_year"].to_pylist()
    born[5] = born[29] = None
    for name, column in (("sex", pa.array(sex)), ("birth_year", pa.array(born, pa.int64()))):
        school = school.set_column(school.column_names.index(name), name, column)
    absent = school["days_absent"].to_pylist()
    risks = [None if n == 8 else RISKS[min(n // 2, 3)] for n in absent]
    school = school.append_column("risk", pa.array(risks))
    crosswalk_table = crosswalk.table
    if homes:
        number = np.zeros((len(crosswalk), 16), dtype=np.uint8)
        person = [one[-1] for one in crosswalk_table["person_id"].to_pylist()]
        number[:, 15] = [1 + one % N_HOUSEHOLDS for one in person]
        crosswalk_table = crosswalk_table.append_column("household_id", token_array(number))
    stamp = {"agreement_fingerprint": agreement.fingerprint}
    club = payloads[1].table.set_column(
        payloads[1].table.column_names.index("birth_year"),
        "birth_year",
        pa.nulls(len(payloads[1].table), pa.int64()),
    )
    payloads = [
        dataclasses.replace(payloads[0], table=school, **stamp),
        dataclasses.replace(payloads[1], table=club, **stamp),
    ]
    return agreement, payloads, dataclasses.replace(crosswalk, table=crosswalk_table, **stamp)


def integrated(**options):
    agreement, payloads, crosswalk = partnership(**options)
    return integrate(payloads, crosswalk, agreement, project="study"), agreement


def loaded(safe, agreement, folder):
    """Save a protected data set, and load it as whoever releases it does."""
    path = safe.save(folder / "study.protected", agreement=agreement, identity=STEWARD)
    return ProtectedDataset.load(path, agreement=agreement, identity=STEWARD)


def population_of(people):
    """Everybody of the data, and twice as many who are not in it; some lack a value."""
    frame = people.table.select(["birth_year", "sex"]).to_pandas().astype(object)
    frame = frame.where(frame.notna(), None)
    return pa.table(
        {
            "birth_year": pa.array([*frame["birth_year"]] * 3, pa.int64()),
            "sex": pa.array([*frame["sex"]] * 3, pa.string()),
        }
    )


@pytest.mark.parametrize("missing", ["category", "wildcard", "suppress"])
@pytest.mark.parametrize("method", ["auto", "optimal", "local", "partition"])
@pytest.mark.parametrize("demanded", AGREED)
def test_what_an_agreement_demands_is_kept_saved_and_released(tmp_path, demanded, method, missing):
    people, agreement = integrated(missing=missing, **AGREED[demanded])
    assert people.households is not None
    safe = loaded(protect(people, agreement, method=method), agreement, tmp_path)
    assert safe.promises.missing == missing
    done = release(safe, tmp_path / "out", agreement=agreement)
    measured = done.disclosure.measured
    assert measured.n_people == len(safe) >= 0.7 * N_SCHOOL
    assert all(not model.n_broken for model in measured.models)
    names = {model.model for model in measured.models}
    asked = set(AGREED) - {"all of them"} if demanded == "all of them" else {demanded}
    assert names >= {name.partition(" of ")[0] for name in asked}
    assert "household_id" not in pd.read_csv(tmp_path / "out" / "data.csv").columns


@pytest.mark.parametrize("missing", ["category", "wildcard", "suppress"])
@pytest.mark.parametrize("method", ["optimal", "local", "partition"])
@pytest.mark.parametrize("kind", ["k-map", "delta-presence"])
def test_a_population_is_asked_for_again_at_the_release(tmp_path, kind, method, missing):
    people, agreement = integrated(missing=missing)
    population = population_of(people)
    model = {
        "k-map": KMap(k=12, population=population),
        "delta-presence": DeltaPresence(low=0.05, high=0.4, population=population),
    }[kind]
    safe = loaded(protect(people, agreement, method=method, models=[model]), agreement, tmp_path)
    with pytest.raises(ReleaseError, match="no population is given"):
        release(safe, tmp_path / "out", agreement=agreement)
    with pytest.raises(ReleaseError, match="of the population"):
        release(safe, tmp_path / "out", agreement=agreement, population=population.slice(0, 3))
    assert not (tmp_path / "out").exists()
    done = release(safe, tmp_path / "out", agreement=agreement, population=population)
    assert {one.model: one.n_broken for one in done.disclosure.measured.models}[kind] == 0


def test_a_hierarchy_of_sensitive_values_goes_all_the_way(tmp_path):
    people, agreement = integrated()
    place = people.table.column_names.index("days_absent")
    grouped = people.table.set_column(
        place, "days_absent", people.table["days_absent"].cast(pa.string())
    )
    people = dataclasses.replace(people, table=grouped)
    model = TCloseness(sensitive="days_absent", t=0.5, distance="hierarchical", hierarchy=TREE)
    safe = loaded(protect(people, agreement, models=[model]), agreement, tmp_path)
    done = release(safe, tmp_path / "out", agreement=agreement)
    assert {one.model: one.n_broken for one in done.disclosure.measured.models}["t-closeness"] == 0


def test_households_must_have_been_linked_where_they_are_demanded():
    people, agreement = integrated(homes=False, households=3)
    assert people.households is None
    with pytest.raises(ProtectionError, match="household"):
        protect(people, agreement)


IN_ORDER = AGREED["t-closeness of categories"]


def swapped(safe, name):
    """The protected data set with the values of a column in another order."""
    table = safe.table
    values = table[name].to_pylist()
    place = table.column_names.index(name)
    turned = pa.array(sorted(values, key=repr), table.schema.field(name).type)
    return dataclasses.replace(safe, table=table.set_column(place, name, turned))


@pytest.mark.parametrize(
    ("protection", "alter", "wording"),
    [
        ({}, lambda safe: with_first(safe, "birth_year", "1980"), "fewer than 4 people"),
        (
            {"sensitive": {"days_absent": {"distinct_l": 3}}},
            lambda safe: with_all(safe, "days_absent", 1),
            "fewer than 3 different values of 'days_absent'",
        ),
        (
            {"sensitive": {"score": {"t": 0.3, "distance": "ordered"}}},
            lambda safe: swapped(swapped(safe, "score"), "birth_year"),
            "farther than 0.3 .ordered. from everybody's 'score'",
        ),
        (
            IN_ORDER,
            lambda safe: swapped(swapped(safe, "risk"), "birth_year"),
            "farther than 0.35 .ordered. from everybody's 'risk'",
        ),
        (
            IN_ORDER,
            lambda safe: with_first(safe, "risk", "astray"),
            "cannot be measured: the order does not cover column 'risk'",
        ),
        (
            {"households": 3},
            lambda safe: dataclasses.replace(safe, households=pa.array(["a"] * len(safe))),
            "fewer than 3 households",
        ),
        ({"missing": "suppress"}, lambda safe: with_first(safe, "sex", None), "lack a quasi-id"),
    ],
)
def test_what_was_altered_after_it_was_protected_is_not_released(
    tmp_path, protection, alter, wording
):
    people, agreement = integrated(**protection)
    safe = protect(people, agreement, method="optimal")
    with pytest.raises(ReleaseError, match=wording):
        release(alter(safe), tmp_path / "out", agreement=agreement)
    assert not list(tmp_path.iterdir())
    release(safe, tmp_path / "out", agreement=agreement)


def with_all(safe, name, value):
    place = safe.table.column_names.index(name)
    column = pa.array([value] * len(safe), safe.table.schema.field(name).type)
    return dataclasses.replace(safe, table=safe.table.set_column(place, name, column))


def with_first(safe, name, value):
    place, kind = safe.table.column_names.index(name), safe.table.schema.field(name).type
    values = [value, *safe.table[name].to_pylist()[1:]]
    column = pa.array(values if pa.types.is_string(kind) else [v and int(v) for v in values], kind)
    return dataclasses.replace(safe, table=safe.table.set_column(place, name, column))


@pytest.mark.parametrize("less", ["models", "missing"])
def test_promises_that_were_made_smaller_are_not_released(tmp_path, less):
    people, agreement = integrated(missing="suppress", **AGREED["all of them"])
    safe = protect(people, agreement)
    smaller = {"models": safe.promises.models[:-1], "missing": "category"}[less]
    altered = dataclasses.replace(
        safe, promises=dataclasses.replace(safe.promises, **{less: smaller})
    )
    with pytest.raises(NotAuthorizedError, match="promises less"):
        release(altered, tmp_path / "out", agreement=agreement)


@pytest.mark.parametrize("order", [None, RISKS, ("middle", "low", "high", "acute", "unheard of")])
def test_another_order_than_the_agreed_one_is_not_released(tmp_path, order):
    people, agreement = integrated(**IN_ORDER)
    safe = protect(people, agreement)
    (at,) = [i for i, one in enumerate(safe.promises.models) if one.model == "t-closeness"]
    models = list(safe.promises.models)
    assert models[at].order == (*RISKS, "unheard of")
    assert any("in the order 'low', 'middle'" in words for words in safe.summary.in_words)
    models[at] = dataclasses.replace(models[at], order=order)
    altered = dataclasses.replace(
        safe, promises=dataclasses.replace(safe.promises, models=tuple(models))
    )
    with pytest.raises(NotAuthorizedError, match="promises less"):
        release(altered, tmp_path / "out", agreement=agreement)
    if order is None:
        with pytest.raises(ReleaseError, match="no order is promised for the texts of .* 'risk'"):
            release(altered, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_an_agreed_order_has_to_cover_the_data():
    rule = {"t": 0.35, "distance": "ordered", "order": RISKS[:2]}
    people, agreement = integrated(sensitive={"risk": rule})
    with pytest.raises(ProtectionError, match="'risk' does not cover 2 values") as caught:
        protect(people, agreement)
    assert "acute" not in "".join(traceback.format_exception(caught.value))


def test_models_that_are_given_are_kept_beside_the_agreed_ones(tmp_path):
    people, agreement = integrated(households=2)
    more = [HouseholdKAnonymity(k=5), DistinctLDiversity(sensitive="score", l=4)]
    safe = loaded(protect(people, agreement, models=more), agreement, tmp_path)
    done = release(safe, tmp_path / "out", agreement=agreement)
    least = {one.model: one.least for one in done.disclosure.measured.models}
    assert least["household k-anonymity"] >= 5
    assert least["distinct l-diversity"] >= 4
