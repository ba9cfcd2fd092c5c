"""Our encodings in recordlinkage: its blocking, its comparison with our features, its classifiers, and back."""

import recordlinkage

import linkkit as lk
from linkkit import interop
from linkkit.synth import youth_partnership

town = youth_partnership(n_district=400, n_summer=250, n_jobs=100)
linkage = {**town.agreement["linkage"], "profile": "field"}
agreement = lk.Agreement.from_document({**town.agreement, "linkage": linkage})
secret = lk.Secret.generate()
encoded = {
    party: lk.encode(frame, agreement, secret, party=party).encodings
    for party, frame in town.extracts.items()
}
linked = lk.link(list(encoded.values()))
ours = interop.links_index(linked, "district", "summer")

# Their candidate pairs: equal encodings of a birth date or a surname.
district, summer = (interop.records_frame(encoded[party]) for party in ("district", "summer"))
indexer = recordlinkage.Index()
indexer.block("birth_date")
indexer.block("surname")
pairs = indexer.index(district, summer)

# Our comparison as features of theirs, which are the vectors that we give.
compare = recordlinkage.Compare(interop.comparison_features(encoded["district"].spec))
vectors = compare.compute(pairs, district, summer)
assert (vectors.to_numpy() == interop.comparison_vectors(linked, pairs).to_numpy()).all()

# Their classifiers, without and with labels.
for name, classifier, teacher in (
    ("ECM", recordlinkage.ECMClassifier(binarize=0.7), None),
    ("k-means", recordlinkage.KMeansClassifier(), None),
    ("logistic regression", recordlinkage.LogisticRegressionClassifier(), ours),
    ("support vectors", recordlinkage.SVMClassifier(), ours),
):
    theirs = classifier.fit_predict(vectors, *([] if teacher is None else [teacher]))
    people = interop.crosswalk_from_links(list(encoded.values()), theirs)
    print(
        f"{name}: {len(theirs)} links, F1 against ours {recordlinkage.fscore(ours, theirs):.3f}; "
        f"{people.n_people} people of all three parties' {len(people)} records"
    )
