"""Labels of pairs of tokens."""

from __future__ import annotations

import numpy as np
import pytest

from linkkit.errors import OptionError
from linkkit.linkage.labels import PairLabels
from linkkit.linkage.pool import make_pool


@pytest.fixture(scope="module")
def pool(encoded):
    return make_pool(encoded)


@pytest.fixture(scope="module")
def encoded():
    import linkkit as lk
    from linkkit.synth import youth_partnership

    town = youth_partnership(n_district=30, n_summer=20, n_jobs=10)
    agreement = lk.Agreement.from_document(town.agreement)
    secret = lk.Secret.generate()
    return [
        lk.encode(frame, agreement, secret, party=party).encodings
        for party, frame in town.extracts.items()
    ]


def test_labels_find_their_records_in_either_order(pool):
    token = [row.tobytes().hex() for row in pool.tokens]
    labels = PairLabels.of([(token[7], token[3], True), (token[1], token[5], False)])
    found = labels.on(pool)
    assert found.left.tolist() == [1, 3]
    assert found.right.tolist() == [5, 7]
    assert found.same.tolist() == [False, True]


def test_a_label_given_twice_counts_once_and_strangers_are_left_out(pool):
    token = [row.tobytes().hex() for row in pool.tokens]
    labels = PairLabels.of(
        [(token[0], token[1], True), (token[1], token[0], True), (token[0], "ff" * 16, False)]
    )
    assert len(labels.on(pool)) == 1
    assert len(PairLabels.of([]).on(pool)) == 0


@pytest.mark.parametrize("verdicts", [(True, False), (False, True)])
def test_a_pair_with_both_verdicts_is_refused(pool, verdicts):
    one, other = (row.tobytes().hex() for row in pool.tokens[:2])
    labels = PairLabels.of([(one, other, verdicts[0]), (other, one, verdicts[1])])
    with pytest.raises(OptionError, match="the same and not the same"):
        labels.on(pool)


def test_a_record_is_not_labelled_with_itself(pool):
    token = pool.tokens[0].tobytes().hex()
    with pytest.raises(OptionError, match="with itself"):
        PairLabels.of([(token, token, True)]).on(pool)


@pytest.mark.parametrize(
    "row", [("zz", "00" * 16, True), ("00" * 16, "01" * 15, True), ("00" * 16, "01" * 16, "yes")]
)
def test_what_is_no_label_is_refused_without_its_content(row):
    with pytest.raises(OptionError, match="label 1 is not") as refused:
        PairLabels.of([row])
    assert row[0] not in str(refused.value)


def test_arrays_must_fit():
    with pytest.raises(OptionError, match="16 bytes"):
        PairLabels(
            one=np.zeros((2, 16), dtype=np.uint8),
            other=np.zeros((2, 15), dtype=np.uint8),
            same=np.zeros(2, dtype=np.bool_),
        )


def test_newer_labels_replace_those_of_the_same_pairs():
    one, two, three = ("0" * 31 + x for x in "123")
    earlier = PairLabels.of([(one, two, True), (two, three, False)])
    newer = PairLabels.of([(two, one, False), (one, three, True)])
    assert earlier.n_contradicted(newer) == 1
    both = earlier.joined(newer).by_pair()
    tokens = {bytes.fromhex(x): x[-1] for x in (one, two, three)}
    said = {(tokens[a], tokens[b]): same for (a, b), same in both.items()}
    assert said == {("1", "2"): False, ("2", "3"): False, ("1", "3"): True}


def test_labels_of_other_records_are_told(encoded):
    import linkkit as lk

    labels = PairLabels.of([("ab" * 16, "cd" * 16, True), ("ab" * 16, "ef" * 16, False)])
    result = lk.link(encoded, labels=labels)
    assert any(
        text.startswith("2 labels are of records that are not here") for text in result.warnings
    )
    assert "were token keys changed?" in str(result)
