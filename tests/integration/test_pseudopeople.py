"""A part of pseudopeople's sample population as four parties, one of them with duplicates."""

import warnings
from itertools import combinations

import pandas as pd
import pytest

import linkkit as lk

pytest.importorskip("pseudopeople", reason="needs pseudopeople: pip install 'linkkit[examples]'")

SEED = 7
WITH_SLASHES = ["%m/%d/%Y", "%d/%m/%Y"]
DIGITS_ONLY = ["%m%d%Y", "%d%m%Y"]


def some_households(frame):
    """Keep a fixed quarter of the households, so that the parties still overlap."""
    return frame[frame["household_id"].str.extract(r"(\d+)$")[0].astype(int) % 4 == 0]


@pytest.fixture(scope="module")
def raw_frames():
    import pseudopeople as psp

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its dependencies
        census = psp.generate_decennial_census(seed=SEED, year=2020)
        again = psp.generate_decennial_census(seed=SEED + 1, year=2020)
        wic = psp.generate_women_infants_and_children(seed=SEED, year=None)
        tax = psp.generate_taxes_1040(seed=SEED, year=2020)
    of_school_age = pd.to_numeric(again["age"], errors="coerce").between(5, 17)
    frames = {
        "census": census.drop_duplicates("simulant_id"),
        "school": again[of_school_age].drop_duplicates("simulant_id"),
        "wic": wic[wic["year"].between(2019, 2021)],
        "tax": tax,
    }
    return {party: some_households(frame) for party, frame in frames.items()}


def office(*, mailing="", dates=None, once=True):
    fields = {
        "given_name": {"column": "first_name"},
        "middle_initial": {"column": "middle_initial"},
        "surname": {"column": "last_name"},
        "address": {
            "column": [f"{mailing}{x}" for x in ("street_number", "street_name", "unit_number")]
        },
    }
    if dates:
        fields["birth_date"] = {"column": "date_of_birth", "formats": dates}
        fields["sex"] = {"column": "sex"}
    return {
        "name": "An office",
        "one_record_per_person": once,
        "record_id": "row_id",
        "linkage_fields": fields,
    }


@pytest.fixture(scope="module")
def anytown_agreement():
    kinds = {
        "given_name": "given_name",
        "middle_initial": "text",
        "surname": "surname",
        "birth_date": "date",
        "sex": "sex",
        "address": "street_address",
    }
    return lk.Agreement.from_document(
        {
            "format": "linkkit-agreement/1",
            "id": "anytown-test",
            "title": "Anytown",
            "purpose": "Test.",
            "legal_basis": "Made-up people; no law applies.",
            "years": {"first": 2019, "last": 2021},
            "destroy_by": "2999-12-31",
            "linkage": {
                "profile": "field",
                "fields": {name: {"kind": kind} for name, kind in kinds.items()},
            },
            "parties": {
                "census": office(dates=WITH_SLASHES),
                "school": office(dates=WITH_SLASHES),
                "wic": office(dates=DIGITS_ONLY, once=False),
                "tax": office(mailing="mailing_address_"),
            },
            "linkage_unit": {"name": "Linkage unit"},
            "steward": {"name": "Steward"},
            "protection": {"smallest_cell": 10, "quasi_identifiers": {"in_school": {}}},
        }
    )


@pytest.fixture(scope="module")
def encoded(raw_frames, anytown_agreement):
    secret = lk.Secret(bytes(range(32)))
    results = {}
    for party, frame in raw_frames.items():
        numbered = frame.assign(row_id=[f"{party}-{i}" for i in range(len(frame))])
        numbered = numbered.drop(columns=["simulant_id", "household_id"])
        results[party] = lk.encode(numbered, anytown_agreement, secret, party=party)
    return results


@pytest.fixture(scope="module")
def judged(raw_frames, encoded):
    """Return the crosswalk with the true person of each record."""
    linked = lk.link([result.encodings for result in encoded.values()])
    truth = pd.concat(
        result.token_map.to_pandas().assign(
            true_person=lambda x, p=party: raw_frames[p]["simulant_id"].to_numpy()[x["row"] - 1]
        )
        for party, result in encoded.items()
    )
    return linked.crosswalk.to_pandas().merge(truth[["token", "true_person"]], on="token")


def n_pairs(frame, keys):
    sizes = frame.groupby(keys).size()
    return int((sizes * (sizes - 1) // 2).sum())


def test_every_row_is_encoded_or_set_aside(raw_frames, encoded):
    for party, result in encoded.items():
        assert len(result.encodings) + len(result.set_aside) == len(raw_frames[party])


def test_pair_quality_at_default_noise(judged):
    n_right = n_pairs(judged, ["person_id", "true_person"])
    assert n_right / n_pairs(judged, "person_id") >= 0.98
    assert n_right / n_pairs(judged, "true_person") >= 0.93


def test_duplicates_within_a_party_are_found(judged):
    wic = judged[judged["party"] == "wic"]
    n_true = n_pairs(wic, "true_person")
    assert n_true > 10
    assert n_pairs(wic, ["person_id", "true_person"]) / n_true >= 0.9


def test_parties_with_each_person_once_stay_so(judged):
    for party in ("census", "school", "tax"):
        assert judged.loc[judged["party"] == party, "person_id"].is_unique


def test_unduplicated_count_and_overlaps_are_near_the_truth(judged):
    assert judged["person_id"].nunique() == pytest.approx(judged["true_person"].nunique(), rel=0.05)
    for one, other in combinations(("census", "school", "tax"), 2):
        counted, true = (
            len(
                set.intersection(
                    *(set(judged.loc[judged["party"] == p, who]) for p in (one, other))
                )
            )
            for who in ("person_id", "true_person")
        )
        assert counted == pytest.approx(true, rel=0.1)
