"""Passes where much is shared by strangers: few postal codes, few fields, nobody in common."""

from __future__ import annotations

import copy
import itertools

import pytest

import linkkit as lk
from linkkit.synth import youth_partnership

FEW = ("given_name", "surname", "birth_date", "postal_code")


def agreement_of(town, fields, *, once):
    """Return the town's agreement with these linkage fields alone, under the default profile.

    With `once`, parties that hold each person once say so.
    """
    document = copy.deepcopy(dict(town.agreement))
    document["linkage"]["fields"] = {f: document["linkage"]["fields"][f] for f in fields}
    for party in document["parties"].values():
        kept = {f: c for f, c in party["linkage_fields"].items() if f in fields}
        payload = {v: c for v, c in party["payload"].items() if c.get("field", fields[0]) in fields}
        party.update(linkage_fields=kept, payload=payload)
        if not once:
            party["one_record_per_person"] = False
    used = {name for party in document["parties"].values() for name in party["payload"]}
    identifiers = document["protection"]["quasi_identifiers"]
    document["protection"]["quasi_identifiers"] = {
        v: x for v, x in identifiers.items() if v in used
    }
    for project in document["projects"].values():
        kept = [v for v in project["variables"] if v in used or v.startswith("in_")]
        project["variables"] = kept
    return lk.Agreement.from_document(document)


def linked(town, extracts, *, fields=FEW, once):
    """Return the linkage, and the person of each token."""
    agreement, secret = agreement_of(town, fields, once=once), lk.Secret.generate()
    truth = town.truth.assign(record_id=town.truth["record_id"].astype(str))
    person_of = truth.set_index(["party", "record_id"])["person"].to_dict()
    persons, encoded = {}, []
    for party, frame in extracts.items():
        result = lk.encode(frame, agreement, secret, party=party)
        encoded.append(result.encodings)
        home = result.token_map.to_pandas()
        persons |= {
            token: person_of[party, str(row)]
            for token, row in zip(home["token"], home["record_id"], strict=True)
        }
    return lk.link(encoded), persons


def pairs_of(groups):
    return {
        pair for _, group in groups for pair in itertools.combinations(sorted(group["token"]), 2)
    }


def precision_and_recall(result, persons):
    table = result.crosswalk.to_pandas()
    table["person"] = table["token"].map(persons)
    found, true = (pairs_of(table.groupby(key)) for key in ("person_id", "person"))
    return len(found & true) / max(len(found), 1), len(found & true) / len(true)


@pytest.fixture(scope="module")
def town():
    return youth_partnership(n_district=2000, n_summer=800, n_jobs=60, seed=5)


@pytest.mark.parametrize("once", [True, False])
def test_neighbors_with_one_name_are_not_linked_where_postal_codes_are_few(town, once):
    extracts = {party: town.extracts[party] for party in ("district", "summer")}
    result, persons = linked(town, extracts, once=once)
    precision, recall = precision_and_recall(result, persons)
    assert precision > 0.7
    assert recall > 0.9
    assert abs(result.quality.precision - precision) < 0.12


@pytest.mark.parametrize(
    ("fields", "once"),
    [
        (FEW, True),
        ((*FEW, "phone"), True),
        ((*FEW, "phone"), False),
        ((*FEW, "sex", "phone"), False),
    ],
)
def test_hardly_anybody_is_linked_where_nobody_is_in_both(town, once, fields):
    truth = town.truth.assign(record_id=town.truth["record_id"].astype(str))
    party = town.agreement["parties"]["summer"]
    both = set(truth[truth["party"] == "district"]["person"])
    apart = truth[(truth["party"] == "summer") & ~truth["person"].isin(both)]["record_id"]
    summer = town.extracts["summer"]
    summer = summer[summer[party["record_id"]].astype(str).isin(set(apart))]
    extracts = {"district": town.extracts["district"], "summer": summer}
    assert len(summer) > 150
    # Under one key in twenty, chance alone makes three times as many: two of three keys decide.
    few = []
    while max(few.count(True), few.count(False)) < 2:
        result, persons = linked(town, extracts, fields=fields, once=once)
        assert len(persons) == len(result.crosswalk.to_pandas())
        parties = result.crosswalk.to_pandas().groupby("person_id")["party"].nunique()
        few.append((parties > 1).sum() < 0.1 * len(summer))
    assert few.count(True) == 2
