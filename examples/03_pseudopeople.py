# %% [markdown]
# # A small town in four files
#
# `pseudopeople` makes up the records that US agencies would hold of one population, with the errors
# that such records have: typing and scanning errors, nicknames, fake names, moved households,
# missing cells. Its sample population, some 10,000 people in Anytown, comes with the package:
# `pip install "linkkit[examples]"`.
#
# Four offices want to know how many different people they serve together, and how far they overlap:
#
# | party | what it holds | one row for each person? |
# |---|---|---|
# | census | everybody, 2020 | yes |
# | school | children of school age | yes |
# | wic | a nutrition program for young children: yearly certifications, 2019 to 2021 | no |
# | tax | who filed a form 1040 for 2020 (here even some children); no birth date, no sex | yes |
#
# The census means to count everybody once. It has a few children of separated parents twice, at both
# addresses, as real ones do.

# %%
from itertools import combinations
from typing import Any

import pandas as pd
import pseudopeople as psp

import linkkit as lk

SEED = 2026

# %% [markdown]
# ## Four files
#
# pseudopeople has no school file, so we make one that is as good: the census is drawn a second time
# with another seed, which gives the same people with other errors, and of the children whose stated
# age is 5 to 17 nine in ten are enrolled, each once.
#
# `simulant_id` says who is who. It is the truth, which no office has, so it is taken out of the
# files at once. Each row gets a row id of its own office instead.

# %%
census = psp.generate_decennial_census(seed=SEED, year=2020)
again = psp.generate_decennial_census(seed=SEED + 1, year=2020)
of_school_age = pd.to_numeric(again["age"], errors="coerce").between(5, 17)
school = again[of_school_age].drop_duplicates("simulant_id").sample(frac=0.9, random_state=SEED)
every_year = psp.generate_women_infants_and_children(seed=SEED, year=None)
wic = every_year[every_year["year"].between(2019, 2021)]
tax = psp.generate_taxes_1040(seed=SEED, year=2020)

frames: dict[str, pd.DataFrame] = {}
truth: dict[str, pd.Series] = {}
for party, frame in {"census": census, "school": school, "wic": wic, "tax": tax}.items():
    numbered = frame.assign(row_id=[f"{party}-{i}" for i in range(len(frame))])
    truth[party] = numbered.set_index("row_id")["simulant_id"]
    frames[party] = numbered.drop(columns=["simulant_id", "household_id"])
    print(f"{party:7} {len(frame):6,} rows, {truth[party].nunique():6,} different people")

# %% [markdown]
# ## The agreement
#
# Every party says what it calls each linkage field. City and postal code are the same for all of
# Anytown, so they would prove nothing. A tax return's first columns are those of the person who
# filed; spouses and dependents have columns of their own, which are not named here and therefore
# stay at home. Dates are written 05/06/1994 in one file and 05061994 in another, month first; where
# that makes no date, because somebody wrote the day first, the second format is tried.


# %%
def office(
    name: str, *, address: str = "", dates: tuple[str, ...] = (), once: bool
) -> dict[str, Any]:
    """Return a party's part of the agreement."""
    fields: dict[str, Any] = {
        "given_name": {"column": "first_name"},
        "middle_initial": {"column": "middle_initial"},
        "surname": {"column": "last_name"},
        "address": {
            "column": [
                f"{address}{part}" for part in ("street_number", "street_name", "unit_number")
            ]
        },
    }
    if dates:
        fields["birth_date"] = {"column": "date_of_birth", "formats": dates}
        fields["sex"] = {"column": "sex"}
    return {
        "name": name,
        "one_record_per_person": once,
        "record_id": "row_id",
        "linkage_fields": fields,
    }


WITH_SLASHES = ("%m/%d/%Y", "%d/%m/%Y")
DIGITS_ONLY = ("%m%d%Y", "%d%m%Y")

agreement = lk.Agreement.from_document(
    {
        "format": "linkkit-agreement/1",
        "id": "anytown-2020",
        "title": "How many people do we serve together?",
        "purpose": "An unduplicated count, and the overlaps between four offices.",
        "legal_basis": "Made-up people; no law applies.",
        "years": {"first": 2019, "last": 2021},
        "destroy_by": "2999-12-31",
        "linkage": {
            "profile": "field",  # a filter for each field: this linkage unit is trusted with that
            "fields": {
                "given_name": {"kind": "given_name"},
                "middle_initial": {"kind": "text"},
                "surname": {"kind": "surname"},
                "birth_date": {"kind": "date"},
                "sex": {"kind": "sex"},
                "address": {"kind": "street_address"},
            },
        },
        "parties": {
            "census": office("Census office", dates=WITH_SLASHES, once=True),
            "school": office("School district", dates=WITH_SLASHES, once=True),
            "wic": office("Nutrition program", dates=DIGITS_ONLY, once=False),
            "tax": office("Revenue office", address="mailing_address_", once=True),
        },
        "linkage_unit": {"name": "A fifth office that sees no names"},
        "steward": {"name": "Nobody yet: this example ends with the counts"},
        "protection": {"smallest_cell": 10, "quasi_identifiers": {"in_school": {}}},
    }
)

# %% [markdown]
# ## At each office: encode

# %%
secret = lk.Secret.generate()
encoded = {
    party: lk.encode(frame, agreement, secret, party=party) for party, frame in frames.items()
}
for result in encoded.values():
    print(result.report, "\n")

# %% [markdown]
# ## At the linkage unit: link
#
# The nutrition program's file is compared with itself, too, because a child may be in it three
# times. The other files have each person once, so that two of their records never become one.

# %%
linked = lk.link([result.encodings for result in encoded.values()])
print(linked)

# %% [markdown]
# ## What the offices wanted to know
#
# The crosswalk answers it: how many different people there are, how many each office has, and how
# many any two have in common.

# %%
crosswalk = linked.crosswalk.to_pandas()
served_by = crosswalk.groupby("party")["person_id"].agg(set)
print(f"{linked.crosswalk.n_people:,} different people in {len(crosswalk):,} records")
for party, people in served_by.items():
    print(f"  {party:7} {len(people):6,} people")
for one, other in combinations(served_by.index, 2):
    print(f"  {one} and {other}: {len(served_by[one] & served_by[other]):,} people in common")

# %% [markdown]
# ## The truth, for once
#
# Real offices never have it. Here an evaluator does: `simulant_id`, and the token maps that would
# otherwise stay at the offices. A pair is two records, of two offices or of one, and it is right if
# both are of one person.


# %%
def n_pairs(groups: pd.Series) -> int:
    """Return how many pairs groups of these sizes hold."""
    return int((groups * (groups - 1) // 2).sum())


known = pd.concat(
    result.token_map.to_pandas().assign(
        true_person=lambda rows, party=party: rows["record_id"].map(truth[party])
    )
    for party, result in encoded.items()
)
judged = crosswalk.merge(known[["token", "true_person"]], on="token")
n_found = n_pairs(judged.groupby("person_id").size())
n_true = n_pairs(judged.groupby("true_person").size())
n_right = n_pairs(judged.groupby(["person_id", "true_person"]).size())
precision, recall = n_right / n_found, n_right / n_true
f1 = 2 * precision * recall / (precision + recall)
print(
    f"people: {linked.crosswalk.n_people:,} counted, {judged['true_person'].nunique():,} in truth"
)
print(f"pairs: {n_found:,} found, {n_true:,} true, {n_right:,} of them the same")
print(f"pair precision {precision:.4f}, recall {recall:.4f}, F1 {f1:.4f}")

# %% [markdown]
# Which pairs were missed? Among them are the children whom the census has twice, since it said that it
# has nobody twice; people who moved between two deliveries; and those for whom somebody wrote
# "Daughter" or a nickname as the given name, who look like a sister or brother.

# %%
pairs = judged.merge(judged, on="true_person", suffixes=("", "_other"))
pairs = pairs[pairs["token"] < pairs["token_other"]]
between = pairs[["party", "party_other"]].apply(lambda row: " and ".join(sorted(row)), axis=1)
found = (pairs["person_id"] == pairs["person_id_other"]).groupby(between)
print(pd.DataFrame({"true pairs": found.size(), "recall": found.mean().round(3)}).to_string())
