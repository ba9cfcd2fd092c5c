"""Candidate pairs, vectors, links and clusters, to and from recordlinkage, Splink and networkx."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pandas as pd
import pytest

from linkkit import interop
from linkkit.agreement import Agreement
from linkkit.errors import DependencyError, OptionError
from linkkit.exchange import PassSpec, RecordFilterSpec
from linkkit.interop.listed import hexadecimal, listed_pairs
from linkkit.linkage import link
from linkkit.linkage.compare import LEVELS, make_comparison
from linkkit.linkage.compare.fields._reference import levels_of_pairs
from linkkit.linkage.compare.similarity import filter_similarity, similarities
from linkkit.partner.encode import encode

PARTIES = ("north", "south", "west")


@pytest.fixture(scope="module")
def people(made_people):
    """Three files that share people; the last holds some twice."""
    base = made_people(120, seed=21)
    south = base.iloc[30:110].copy().reset_index(drop=True)
    south.loc[:9, "given_name"] = [name[1:] + "x" for name in south.loc[:9, "given_name"]]
    south.loc[5:14, "postal_code"] = None
    west = pd.concat([base.iloc[60:100], base.iloc[60:75]], ignore_index=True)
    west["id"] = [f"w{i}" for i in range(len(west))]
    return {"north": base.iloc[:90].copy(), "south": south, "west": west}


@pytest.fixture(scope="module", params=["field", "standard"])
def extracts(request, people, plain_agreement, secret, token_key_of):
    document = plain_agreement(PARTIES).model_dump(mode="json", exclude_defaults=True)
    document["linkage"]["profile"] = request.param
    agreement = Agreement.from_document(document)
    return [
        encode(people[p], agreement, secret, party=p, token_key=token_key_of(p)).encodings
        for p in PARTIES
    ]


@pytest.fixture(scope="module")
def result(extracts):
    return link(extracts, n_threads=1)


def partition(crosswalk):
    frame = crosswalk.to_pandas()
    return {frozenset(group) for _, group in frame.groupby("person_id")["token"]}


# --- indexes -------------------------------------------------------------------------------------


def test_every_two_parties_and_duplicates_within_one_have_an_index(result):
    assert interop.party_pairs(result) == (
        ("north", "south"), ("north", "west"), ("south", "west"), ("west", "west"),
    )  # fmt: skip
    links = [interop.links_index(result, *both) for both in interop.party_pairs(result)]
    assert [list(index.names) for index in links] == [
        ["north", "south"], ["north", "west"], ["south", "west"], ["west_1", "west_2"],
    ]  # fmt: skip
    assert sum(map(len, links)) == result.quality.n_links
    assert all(len(index) for index in links)


def test_links_are_those_of_the_crosswalk_also_where_no_candidate_was(result):
    person = result.crosswalk.to_pandas().set_index("token")
    for one, other in interop.party_pairs(result):
        index = interop.links_index(result, one, other)
        assert not index.duplicated().any()
        for a, b in index:
            assert person.loc[a, "person_id"] == person.loc[b, "person_id"]
            assert (person.loc[a, "party"], person.loc[b, "party"]) == (one, other)


def test_candidates_are_all_there_in_either_order(result):
    frame = result.pairs.to_pandas()
    n = 0
    for one, other in interop.party_pairs(result):
        index = interop.candidates_index(result, one, other)
        mine = frame[(frame.left_party == one) & (frame.right_party == other)]
        assert set(index) == set(zip(mine.left_token, mine.right_token, strict=True))
        n += len(index)
    assert n == len(frame)
    turned = interop.candidates_index(result, "south", "north")
    assert set(turned.swaplevel()) == set(interop.candidates_index(result, "north", "south"))
    links = interop.links_index(result, "south", "north")
    assert set(links.swaplevel()) == set(interop.links_index(result, "north", "south"))


def test_an_unknown_party_is_refused(result):
    with pytest.raises(OptionError, match="no party 'east'"):
        interop.links_index(result, "north", "east")


def test_labels_go_to_an_index_and_back(result):
    links = interop.links_index(result, "north", "south")
    others = interop.candidates_index(result, "north", "south").difference(links)
    labels = interop.labels_from_index(links, others[:5])
    assert (len(labels), int(labels.same.sum())) == (len(links) + len(others[:5]), len(links))
    assert list(interop.labels_index(labels)) == list(links)
    assert list(interop.labels_index(labels, same=False)) == list(others[:5])
    again = link_with(result, labels)
    assert set(interop.links_index(again, "north", "south")) == set(links)


def link_with(result, labels):
    del result
    return _LINK(labels)


@pytest.fixture(autouse=True)
def _how_to_link(extracts):
    global _LINK  # noqa: PLW0603
    _LINK = lambda labels: link(extracts, labels=labels, n_threads=1)


_LINK = None


# --- links and clusters of other tools -----------------------------------------------------------


def test_links_come_back_as_the_same_people(result, extracts):
    parts = [interop.links_index(result, *both) for both in interop.party_pairs(result)]
    every = pd.MultiIndex.from_tuples([pair for index in parts for pair in index])
    assert partition(interop.crosswalk_from_links(extracts, every)) == partition(result.crosswalk)
    turned = every.swaplevel()[::-1]
    assert partition(interop.crosswalk_from_links(extracts, turned)) == partition(result.crosswalk)


def test_of_links_that_contradict_a_clean_party_the_stronger_is_kept(result, extracts):
    north, south = (hexadecimal(x.tokens) for x in extracts[:2])
    index = pd.MultiIndex.from_tuples(
        [(north[0], south[0]), (north[1], south[0]), (north[0], south[0])]
    )
    scores = pd.Series([0.7, 0.9, 0.6], index=index)
    people = partition(interop.crosswalk_from_links(extracts, scores))
    assert frozenset({north[1], south[0]}) in people
    assert frozenset({north[0]}) in people
    strict = partition(interop.crosswalk_from_links(extracts, scores, threshold=0.95))
    assert all(len(group) == 1 for group in strict)


def test_splinks_predictions_come_back_as_the_same_links(result, extracts):
    frame = interop.splink_predictions(result)
    pairs = result.pairs.to_pandas()
    assert frame["unique_id_l"].tolist() == pairs["left_token"].tolist()
    assert frame["source_dataset_r"].tolist() == pairs["right_party"].tolist()
    assert frame["match_weight"].tolist() == pairs["match_weight"].tolist()
    probability = 1 / (1 + 2.0 ** -frame["match_weight"])
    assert probability.to_numpy() == pytest.approx(frame["match_probability"].to_numpy(), abs=1e-9)
    names = [item.name for item in result.pairs.pool.spec.columns]
    for name in names:
        levels = pairs[name].cat.rename_categories(range(-1, len(LEVELS) - 1)).astype(int)
        assert frame[f"gamma_{name}"].tolist() == levels.tolist()
    linked = frame[result.pairs.linked]
    assert partition(interop.crosswalk_from_links(extracts, linked)) == partition(result.crosswalk)


def test_splinks_clusters_come_back_as_the_same_people(result, extracts):
    frame = interop.splink_clusters(result)
    assert frame.columns.tolist() == ["cluster_id", "source_dataset", "unique_id"]
    again = interop.crosswalk_from_clusters(extracts, frame.sample(frac=1, random_state=0))
    assert again.table.equals(result.crosswalk.table)
    few = frame[frame["source_dataset"] != "west"]
    alone = partition(interop.crosswalk_from_clusters(extracts, few))
    west = set(frame.loc[frame["source_dataset"] == "west", "unique_id"])
    assert {frozenset({token}) for token in west} <= alone


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda f: f.drop(columns="cluster_id"), "no column 'cluster_id'"),
        (lambda f: f.assign(unique_id="00" * 16), "rows have a token of no record"),
        (lambda f: pd.concat([f, f.head(2)]), "2 records are in more than one row"),
        (
            lambda f: f.assign(cluster_id="one"),
            "share a cluster with another of a party that holds",
        ),
        (lambda f: f.assign(cluster_id=None), "rows have no cluster id"),
    ],
)
def test_clusters_that_are_no_partition_are_refused(result, extracts, change, problem):
    with pytest.raises(OptionError, match=problem):
        interop.crosswalk_from_clusters(extracts, change(interop.splink_clusters(result)))


def test_a_graph_comes_back_as_the_same_people(result, extracts):
    networkx = pytest.importorskip("networkx", reason="the extra 'networkx' is not installed")
    graph = interop.links_graph(result)
    assert graph.number_of_nodes() == len(result.crosswalk)
    assert graph.number_of_edges() == int((result.pairs.scored.probability >= 0.5).sum())
    person = result.crosswalk.to_pandas().set_index("token")
    for node, data in graph.nodes(data=True):
        assert (data["party"], data["person"]) == (
            person.loc[node, "party"],
            person.loc[node, "person_id"],
        )
    for _, _, data in graph.edges(data=True):
        assert data["probability"] == pytest.approx(1 / (1 + 2 ** -data["weight"]))
    for a, b, data in list(graph.edges(data=True)):
        if not data["linked"]:
            graph.remove_edge(a, b)
    assert partition(interop.crosswalk_from_links(extracts, graph)) == partition(result.crosswalk)
    groups = {frozenset(group) for group in networkx.connected_components(graph)}
    assert groups == partition(result.crosswalk)
    assert interop.links_graph(result, least_probability=0).number_of_edges() == len(result.pairs)
    bare = networkx.Graph(list(interop.links_index(result, "north", "south")))
    assert len(listed_pairs(bare)) == bare.number_of_edges()


@pytest.mark.parametrize("name", ["networkx", "recordlinkage.base"])
def test_a_package_that_is_missing_is_named(result, monkeypatch, name):
    from linkkit.interop import recordlinkage_features

    monkeypatch.setitem(sys.modules, name, None)
    recordlinkage_features._feature_class.cache_clear()
    run = interop.links_graph if name == "networkx" else comparison_features
    with pytest.raises(DependencyError, match=name.split(".", maxsplit=1)[0]) as caught:
        run(result)
    assert "pip install 'linkkit[" in str(caught.value)
    assert caught.value.__context__ is None
    recordlinkage_features._feature_class.cache_clear()


def comparison_features(result):
    return interop.comparison_features(result.pairs.pool.spec)


def test_interop_loads_no_other_tool():
    import subprocess

    code = (
        "import sys, linkkit.interop; "
        "print([x for x in ('networkx', 'recordlinkage', 'splink', 'sklearn') if x in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("pairs", "problem"),
    [
        ([("a", "b")], "pairs in the form of list are not known"),
        (pd.DataFrame({"a": [1]}), "pairs in the form of DataFrame are not known"),
        (pd.MultiIndex.from_tuples([("a", "b", "c")]), "3 levels, not 2"),
        (pd.MultiIndex.from_tuples([("a", "b")]), "1 of 1 pairs have a token of no record"),
        (
            pd.Series([1.5], index=pd.MultiIndex.from_tuples([("a", "b")])),
            "1 probabilities are not between 0 and 1",
        ),
        (
            pd.Series([np.nan], index=pd.MultiIndex.from_tuples([("a", "b")])),
            "1 probabilities are not between 0 and 1",
        ),
    ],
)
def test_other_forms_are_refused(extracts, pairs, problem):
    with pytest.raises(OptionError, match=problem):
        interop.crosswalk_from_links(extracts, pairs)


def test_a_record_with_itself_is_no_pair(extracts):
    token = hexadecimal(extracts[0].tokens)[0]
    with pytest.raises(OptionError, match="1 pairs are a record with itself"):
        interop.crosswalk_from_links(extracts, pd.MultiIndex.from_tuples([(token, token)]))


def test_no_links_leave_everybody_alone(extracts):
    nobody = pd.MultiIndex.from_arrays([[], []])
    crosswalk = interop.crosswalk_from_links(extracts, nobody)
    assert crosswalk.n_people == len(crosswalk) == sum(len(x) for x in extracts)


@pytest.mark.parametrize("threshold", [0, 1.1, True])
def test_a_threshold_is_a_probability(extracts, threshold):
    with pytest.raises(OptionError, match="'threshold' is a probability"):
        interop.crosswalk_from_links(
            extracts, pd.MultiIndex.from_arrays([[], []]), threshold=threshold
        )


# --- vectors -------------------------------------------------------------------------------------


def every_pair(extracts):
    """All pairs of north and south, most of which are of strangers."""
    tokens = [hexadecimal(extract.tokens) for extract in extracts[:2]]
    return pd.MultiIndex.from_product(tokens, names=["north", "south"])


def test_vectors_are_between_0_and_1_and_in_the_order_of_the_pairs(result, extracts):
    index = every_pair(extracts)[::-1]
    vectors = interop.comparison_vectors(result, index)
    assert vectors.index.equals(index)
    assert vectors.columns.tolist() == [x.name for x in extracts[0].spec.columns]
    assert ((vectors >= 0) & (vectors <= 1)).all(axis=None)
    again = interop.comparison_vectors(extracts, index)
    pd.testing.assert_frame_equal(again, vectors)
    linked = index.isin(interop.links_index(result, "north", "south"))
    assert vectors[linked].mean().min() > vectors[~linked].mean().max()


def test_a_missing_field_is_what_it_is_asked_to_be(result):
    index = interop.candidates_index(result, "north", "south")
    blank = interop.comparison_vectors(result, index, missing=float("nan"))
    zero = interop.comparison_vectors(result, index)
    pd.testing.assert_frame_equal(blank.fillna(0.0), zero)
    by_fields = "postal_code" in blank.columns
    assert blank.isna().any(axis=None) == by_fields
    with pytest.raises(OptionError, match="'missing' is a number"):
        interop.comparison_vectors(result, index, missing="no")


def test_similarities_are_those_that_levels_are_made_of(result):
    """A field is equal where its similarity is 1, and the levels ascend with the similarity."""
    pool = result.pairs.pool
    if not pool.spec.filters:
        pytest.skip("levels of fields are for the profile 'field'")
    scored = result.pairs.scored
    alike = similarities(pool, scored.left, scored.right)
    levels = levels_of_pairs(make_comparison(pool), scored.left, scored.right)
    assert ((levels == 0) == np.isnan(alike)).all()
    assert ((levels == 4) == (alike == 1)).all()
    for f in range(levels.shape[1]):
        edges = [alike[levels[:, f] == level, f] for level in (1, 2, 3)]
        edges = [x for x in edges if len(x)]
        for low, high in itertools.pairwise(edges):
            assert low.max() <= high.min() + 1e-6


def test_similarities_of_passes_and_whole_records_are_as_defined():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 2**63, size=(2, 20, 4), dtype=np.uint64)
    other[:5] = one[:5]
    bits = [np.unpackbits(x.view(np.uint8), axis=1).astype(int) for x in (one, other)]
    common = (bits[0] & bits[1]).sum(axis=1)
    dice = 2 * common / (bits[0].sum(axis=1) + bits[1].sum(axis=1))
    record = RecordFilterSpec.model_construct(name="clk", n_bits=256)
    assert filter_similarity(record, one, other) == pytest.approx(dice)
    agree = (bits[0] == bits[1]).mean(axis=1)
    one_pass = PassSpec.model_construct(name="pass", n_bits=256, n_inputs=3)
    expected = np.maximum(2 * agree - 1, 0) ** (1 / 3)
    found = filter_similarity(one_pass, one, other)
    assert found == pytest.approx(expected)
    assert found[:5].tolist() == [1.0] * 5


# --- recordlinkage -------------------------------------------------------------------------------


@pytest.fixture
def recordlinkage():
    return pytest.importorskip(
        "recordlinkage",
        reason="the extra 'recordlinkage' is not installed; it needs pandas below 3",
    )


@pytest.fixture
def frames(extracts):
    return [interop.records_frame(extract) for extract in extracts]


def test_a_frame_holds_filters_by_token(extracts, frames):
    for extract, frame in zip(extracts, frames, strict=True):
        assert frame.index.tolist() == hexadecimal(extract.tokens)
        for item in extract.spec.columns:
            content = extract.filters[item.name]
            cells = frame[item.name]
            assert cells.notna().tolist() == content.present.tolist()
            first = int(np.flatnonzero(content.present)[0])
            assert np.frombuffer(cells.iloc[first], "<u8").tolist() == content.words[first].tolist()


def test_our_comparison_is_a_feature_of_its_compare(recordlinkage, result, extracts, frames):
    north, south, west = frames
    index = interop.candidates_index(result, "north", "south")
    features = interop.comparison_features(extracts[0].spec)
    found = recordlinkage.Compare(features).compute(index, north, south)
    expected = interop.comparison_vectors(result, index)
    pd.testing.assert_frame_equal(found, expected, check_names=False)
    compare = recordlinkage.Compare()
    compare.add(interop.comparison_features(extracts[0].spec, missing=0.5))
    within = interop.candidates_index(result, "west")
    pd.testing.assert_frame_equal(
        compare.compute(within, west),
        interop.comparison_vectors(result, within, missing=0.5),
        check_names=False,
    )


def test_its_candidate_pairs_are_compared(recordlinkage, extracts, frames):
    full = recordlinkage.index.Full().index(frames[0], frames[1])
    vectors = interop.comparison_vectors(extracts, full)
    assert len(vectors) == len(frames[0]) * len(frames[1])
    block = recordlinkage.index.Block(frames[0].columns[0]).index(frames[0], frames[1])
    met = interop.comparison_vectors(extracts, block).iloc[:, 0]
    assert len(met)
    assert (met == 1).all()
    pairs_in_west = recordlinkage.index.Full().index(frames[2])
    assert len(interop.comparison_vectors(extracts, pairs_in_west)) == len(pairs_in_west)


@pytest.mark.parametrize(
    "name", ["ECMClassifier", "KMeansClassifier", "LogisticRegressionClassifier", "SVMClassifier"]
)
def test_its_classifiers_take_our_vectors_and_their_links_come_back(
    recordlinkage, result, extracts, name
):
    index = every_pair(extracts)
    vectors = interop.comparison_vectors(result, index)
    ours = interop.links_index(result, "north", "south")
    if name == "ECMClassifier":
        theirs = recordlinkage.ECMClassifier(binarize=0.6).fit_predict(vectors)
    elif name == "KMeansClassifier":
        theirs = recordlinkage.KMeansClassifier().fit_predict(vectors)
    else:
        theirs = getattr(recordlinkage, name)().fit_predict(vectors, ours)
    assert theirs.isin(index).all()
    shared = len(theirs.intersection(ours))
    assert 2 * shared / (len(theirs) + len(ours)) > 0.9
    people = interop.crosswalk_from_links(extracts, theirs)
    assert people.n_people < len(people)
    assert recordlinkage.precision(ours, ours) == 1.0


def test_its_metrics_take_our_indexes(recordlinkage, result):
    links = interop.links_index(result, "north", "south")
    candidates = interop.candidates_index(result, "north", "south")
    n = len(candidates)
    matrix = recordlinkage.confusion_matrix(links, links, n)
    assert matrix.tolist() == [[len(links), 0], [0, n - len(links)]]


def test_filters_of_another_spec_are_refused(recordlinkage, result, extracts, frames):
    index = interop.candidates_index(result, "north", "south")
    name = frames[0].columns[0]
    cut = frames[1].assign(**{name: [cell and cell[:8] for cell in frames[1][name]]})
    compare = recordlinkage.Compare(interop.comparison_features(extracts[0].spec))
    with pytest.raises(OptionError, match="filters of another width"):
        compare.compute(index, frames[0], cut)
