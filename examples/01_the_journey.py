# %% [markdown]
# # The whole journey, in one notebook
#
# Three offices of a made-up city hold lists of the same young people: the school district, its
# summer programs, and the youth jobs office. This example takes their files from export to a
# de-identified release. It plays all the roles; in a real partnership each section runs at
# another organization, and only the sealed files of the last section cross between them.
#
# Run it from top to bottom: `python examples/01_the_journey.py`, or cell by cell.

# %%
import tempfile
from pathlib import Path

import pandas as pd

import linkkit as lk
from linkkit.assess import overlaps, true_quality
from linkkit.report import linkage_report
from linkkit.synth import youth_partnership

folder = Path(tempfile.mkdtemp(prefix="linkkit-journey-"))

# %% [markdown]
# ## The files
#
# Offices export what their systems give them: a CSV with "Last, First M" in one column, an Excel
# sheet with two title rows above the header, a semicolon-separated file in Windows-1252.

# %%
town = youth_partnership(seed=2026)
files = town.write(folder)
print(files["district"].read_text(encoding="utf-8-sig").splitlines()[0])
print(files["jobs"].read_text(encoding="cp1252").splitlines()[0])

# %% [markdown]
# ## The agreement
#
# One YAML document says who the parties are, which of their own columns hold which linkage field,
# which variables each may send, for which years and projects, and how small a group may become.

# %%
agreement = lk.Agreement.load(files["agreement"])
print(agreement.title)
print("fingerprint:", agreement.fingerprint)
print("smallest cell:", agreement.protection.smallest_cell)

# %% [markdown]
# ## At each partner: read and encode
#
# The partners share a secret. Each also has a token key of its own, so that a record keeps its
# token in every delivery. The report counts what was missing or set aside, and shows no value.

# %%
secret = lk.Secret.generate()
header_rows = {"district": 1, "summer": 3, "jobs": 1}
encoded = {}
for party in agreement.parties:
    extract = lk.read_extract(files[party], header_row=header_rows[party])
    encoded[party] = lk.encode(
        extract, agreement, secret, party=party, token_key=lk.TokenKey.generate()
    )
    print(encoded[party].report)

# %% [markdown]
# Three things come out, with three destinations: `encodings` for the linkage unit, `payload` for
# the steward, and the `token_map`, which stays home.

# %%
print(encoded["district"].encodings)
print(encoded["district"].payload)
print(encoded["district"].token_map)

# %% [markdown]
# ## At the linkage unit: link
#
# No secret, no name, no payload. The match probabilities are learned from the encodings, and
# with them the expected precision and recall.

# %%
linked = lk.link([party.encodings for party in encoded.values()])
print(linked)
print(overlaps(linked.crosswalk).as_frame().to_string(index=False))

# %% [markdown]
# Each record was encoded in several passes, as the agreement's default profile says. What each pass
# told: m is the probability of a level of agreement for two records of one person, u for two records
# of different people, and the weight is the logarithm of their ratio, in bits.

# %%
for item in linked.model.field_weights():
    weights = "  ".join(f"{n} {w:+.1f}" for n, w in zip(item.levels, item.weight, strict=True))
    print(f"{item.field:>16}: {weights}")

# %% [markdown]
# Because the people are made up, the truth is known, and the estimate can be checked.

# %%
tokens = pd.concat(
    [result.token_map.to_pandas().assign(party=party) for party, result in encoded.items()]
)
truth = tokens.merge(town.truth, on=["party", "record_id"]).drop_duplicates("token")
scores = true_quality(linked.crosswalk, truth[["token", "person"]])
print(f"true precision {scores.precision:.3f}, recall {scores.recall:.3f}, F1 {scores.f1:.3f}")

report = linkage_report(linked, folder / "linkage-report.html", agreement=agreement, truth=scores)
print("report:", report)

# %% [markdown]
# ## At the steward: integrate, protect, release
#
# One row for each person, under a study id that no other project shares. Then the quasi-identifiers
# become coarser until at least ten people share every combination, and only then is it released.

# %%
people = lk.integrate(
    [party.payload for party in encoded.values()],
    linked.crosswalk,
    agreement,
    project="gaps-2026",
    study_key=lk.StudyKey.generate(),
)
print(people)

safe = lk.protect(people, agreement)
print(safe)

released = lk.release(safe, folder / "release", agreement=agreement)
print(released)
for file in released.files:
    print(" ", file)

# %% [markdown]
# ## What an analyst does with it
#
# Does a summer program go with better attendance? The release answers without naming anyone. (In
# this made-up city, those who take part live in harder circumstances, so the plain difference
# is smaller than the effect that was built in.)

# %%
data = pd.read_csv(folder / "release" / "data.csv")
print(data.groupby("in_summer")["attendance_rate"].agg(["mean", "count"]).round(2))

# %% [markdown]
# ## Files between organizations
#
# Every organization has an identity. Its public half stands in the agreement; a file is signed by
# the sender and sealed to the one that may have it. The kind of artifact decides who that is.

# %%
identities = {role: lk.Identity.generate() for role in ("district", "linkage_unit", "steward")}
document = dict(town.agreement)
document["parties"]["district"]["public_key"] = identities["district"].public.text
document["linkage_unit"]["public_key"] = identities["linkage_unit"].public.text
document["steward"]["public_key"] = identities["steward"].public.text
agreement = lk.Agreement.from_document(document)

district = lk.encode(town.extracts["district"], agreement, secret, party="district")
sealed = district.encodings.save(
    folder / "district.encodings", agreement=agreement, identity=identities["district"]
)
opened = lk.EncodedExtract.load(sealed, agreement=agreement, identity=identities["linkage_unit"])
print(opened)

try:
    lk.EncodedExtract.load(sealed, agreement=agreement, identity=identities["steward"])
except lk.LinkkitError as error:
    print(error.code, "-", error)
