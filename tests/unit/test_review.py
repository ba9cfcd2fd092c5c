"""A review without names: what is asked of whom, what a partner sees and says, and what comes of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from linkkit.errors import (
    ExtractError,
    LinkageError,
    MismatchError,
    NotAuthorizedError,
    OptionError,
    SealError,
    WrongStageError,
)
from linkkit.exchange import ReviewAnswers, ReviewRequest
from linkkit.exchange.review import AGREEMENT_LEVELS, FACTS
from linkkit.linkage import PairLabels, ReviewQuestions, combine_answers, link
from linkkit.linkage.compare import LEVELS
from linkkit.linkage.labels import LabelledPairs
from linkkit.linkage.review import WHY, choose, choose_pairs
from linkkit.partner.encode import encode
from linkkit.partner.review import answer_review, open_review

PARTIES = ("north", "south", "west")


@pytest.fixture(scope="module")
def people(made_people):
    """Three files that share people, some of whom moved or are misspelled; the last holds some twice."""
    base = made_people(150, seed=3)
    rng = np.random.default_rng(0)

    def some(first, last, *, damage):
        frame = base.iloc[first:last].copy().reset_index(drop=True)
        hit = rng.random(len(frame)) < damage
        frame.loc[hit, "given_name"] = [name[::-1] for name in frame.loc[hit, "given_name"]]
        moved = rng.random(len(frame)) < damage
        frame.loc[moved, "postal_code"] = "99999"
        return frame

    west = pd.concat([some(60, 140, damage=0.3), some(60, 90, damage=0.4)], ignore_index=True)
    west["id"] = [f"w{i}" for i in range(len(west))]
    return {
        "north": some(0, 100, damage=0.1),
        "south": some(40, 150, damage=0.3),
        "west": west,
    }


@pytest.fixture(scope="module")
def agreed(plain_agreement):
    return plain_agreement(PARTIES, clean=("north", "south"))


@pytest.fixture(scope="module")
def encoded(people, agreed, secret):
    return {p: encode(people[p], agreed, secret, party=p) for p in PARTIES}


@pytest.fixture(scope="module")
def result(encoded):
    return link([x.encodings for x in encoded.values()], n_threads=1)


@pytest.fixture(scope="module")
def review(result):
    return result.review(60)


@pytest.fixture
def opened(review, encoded, people, agreed):
    def make(party):
        return open_review(
            review.requests[party], encoded[party].token_map, people[party], agreement=agreed
        )

    return make


def truth_of(people, encoded):
    """Return the true person of each token: base rows have a birth date and surname of their own."""
    person = {}
    for party, frame in people.items():
        tokens = encoded[party].token_map.to_pandas()
        cells = frame.iloc[tokens["row"] - 1]
        keys = zip(tokens["token"], cells["surname"], cells["birth_date"], strict=True)
        person |= {token: key for token, *key in keys}
    return person


def answers_of(review, verdicts, party):
    """Return a party's answers of rows of pair id, answer and fact."""
    request = review.requests[party]
    rows = sorted(verdicts)
    return ReviewAnswers(
        party=party,
        agreement_id=request.agreement_id,
        agreement_fingerprint=request.agreement_fingerprint,
        table=pa.table(
            {
                "pair_id": pa.array([row[0] for row in rows], pa.binary(16)),
                "answer": pa.array([row[1] for row in rows], pa.string()),
                "fact": pa.array([row[2] for row in rows], pa.string()),
            }
        ),
    )


# --- which pairs ---------------------------------------------------------------------------------


def test_half_of_the_questions_are_nearest_to_the_threshold(result):
    chosen = choose_pairs(result.pairs, n=40, threshold=0.5)
    weight = np.abs(result.pairs.scored.weight)
    near = chosen.rows[chosen.why == WHY.index("threshold")]
    spread = chosen.rows[chosen.why == WHY.index("spread")]
    assert len(chosen) == len(np.unique(chosen.rows)) == 40
    assert len(near) >= 20
    assert len(spread) == 10
    assert np.median(weight[near]) < np.median(weight[spread])
    assert weight[near].max() < np.quantile(weight, 0.9)


def test_conflicts_are_asked_about(result):
    """Strong pairs that were not linked, and links against their own weight."""
    pairs = replace(result.pairs, linked=~result.pairs.linked)
    chosen = choose_pairs(pairs, n=40, threshold=0.5)
    conflicts = chosen.rows[chosen.why == WHY.index("conflict")]
    assert len(conflicts) == 10
    assert np.abs(pairs.scored.weight[conflicts]).min() > 5
    assert ((pairs.scored.weight[conflicts] >= 0) == ~pairs.linked[conflicts]).all()


def test_every_two_parties_have_their_turn_and_no_record_is_asked_about_often(result):
    chosen = choose_pairs(result.pairs, n=60, threshold=0.5)
    scored, party = result.pairs.scored, result.pairs.pool.party
    both = {(party[scored.left[r]], party[scored.right[r]]) for r in chosen.rows}
    assert both == {(0, 1), (0, 2), (1, 2), (2, 2)}
    records = np.concatenate([scored.left[chosen.rows], scored.right[chosen.rows]])
    assert np.bincount(records).max() <= 2


def test_known_pairs_are_not_asked_again(result):
    scored = result.pairs.scored
    first = choose_pairs(result.pairs, n=30, threshold=0.5)
    labels = LabelledPairs(
        left=scored.left[first.rows],
        right=scored.right[first.rows],
        same=np.ones(len(first), dtype=np.bool_),
    )
    again = choose_pairs(result.pairs, n=30, threshold=0.5, labels=labels)
    assert len(again) > 0
    assert not set(first.rows.tolist()) & set(again.rows.tolist())


def test_the_order_of_candidates_changes_nothing(result):
    scored = result.pairs.scored
    order = np.random.default_rng(1).permutation(len(scored))
    mixed = replace(
        scored, left=scored.left[order], right=scored.right[order], levels=scored.levels[order],
        weight=scored.weight[order], probability=scored.probability[order],
    )  # fmt: skip
    shuffled = replace(result.pairs, scored=mixed, linked=result.pairs.linked[order])
    one = choose_pairs(result.pairs, n=50, threshold=0.5)
    other = choose_pairs(shuffled, n=50, threshold=0.5)
    assert order[other.rows].tolist() == one.rows.tolist()
    assert other.why.tolist() == one.why.tolist()


@pytest.mark.parametrize("n", [1, 7, 40])
def test_portions_change_nothing(result, monkeypatch, n):
    """Candidates are looked at some at a time; whatever their number, the same are chosen."""
    whole = choose_pairs(result.pairs, n=n, threshold=0.5)
    portions = lambda total: (slice(i, min(i + 50, total)) for i in range(0, total, 50))
    monkeypatch.setattr(choose, "slices_of", portions)
    parts = choose_pairs(result.pairs, n=n, threshold=0.5)
    assert parts.rows.tolist() == whole.rows.tolist()
    assert parts.why.tolist() == whole.why.tolist()


@pytest.mark.parametrize("threshold", [0.01, 0.5, 0.99, 1.0])
def test_any_threshold_has_pairs_worth_a_question(result, threshold):
    assert len(choose_pairs(result.pairs, n=20, threshold=threshold)) == 20


def test_fewer_candidates_than_wanted_are_all_asked_about(example_result):
    few = replace(
        example_result.pairs,
        scored=replace(
            example_result.pairs.scored,
            **{
                name: getattr(example_result.pairs.scored, name)[:3]
                for name in ("left", "right", "levels", "weight", "probability")
            },
        ),
        linked=example_result.pairs.linked[:3],
    )
    assert len(choose_pairs(few, n=100, threshold=0.5)) == 3


@pytest.fixture(scope="module")
def example_result():
    from linkkit.assess.example import example_linkage

    return example_linkage().result


@pytest.mark.parametrize("n", [0, -1, 2.5, "many", True])
def test_n_is_a_number_of_pairs(example_result, n):
    with pytest.raises(OptionError, match="'n' is a number of pairs"):
        example_result.review(n)


def test_nothing_to_ask_is_said(example_result):
    known = replace(
        example_result,
        labels=LabelledPairs(
            left=example_result.pairs.scored.left,
            right=example_result.pairs.scored.right,
            same=example_result.pairs.linked,
        ),
    )
    with pytest.raises(LinkageError, match="no pair to ask about"):
        known.review()


# --- requests ------------------------------------------------------------------------------------


def test_both_parties_of_a_pair_are_asked_under_one_number(review):
    questions = review.questions.table.to_pylist()
    asked = {p: item.table.to_pylist() for p, item in review.requests.items()}
    for row in questions:
        for side, other in (("left", "right"), ("right", "left")):
            party = row[f"{side}_party"]
            mine = [
                x for x in asked[party]
                if x["pair_id"] == row["pair_id"] and x["token"] == row[f"{side}_token"]
            ]  # fmt: skip
            assert len(mine) == 1
            assert mine[0]["other_party"] == row[f"{other}_party"]
            assert mine[0]["side"] == (1 if side == "left" else 2)
    assert sum(len(rows) for rows in asked.values()) == 2 * len(questions)


def test_a_party_sees_no_token_of_another(review, encoded):
    for party, item in review.requests.items():
        own = {token.tobytes() for token in encoded[party].encodings.tokens}
        assert {row["token"] for row in item.table.to_pylist()} <= own
        others = [
            token.tobytes()
            for other, made in encoded.items()
            if other != party
            for token in made.encodings.tokens
        ]
        sink = item.table.to_pandas().to_csv() + repr(item.table.to_pydict())
        assert not any(token.hex() in sink for token in others)
        assert "match_weight" not in item.table.column_names


def test_numbers_are_random_and_order_the_questions(result, review):
    ids = review.questions.table.column("pair_id").to_pylist()
    assert ids == sorted(ids)
    again = result.review(60).questions.table.column("pair_id").to_pylist()
    assert not set(ids) & set(again)
    weights = review.questions.table.column("match_weight").to_numpy()
    assert abs(np.corrcoef(np.arange(len(weights)), weights)[0, 1]) < 0.6


def test_levels_are_told_as_words_or_not_at_all(result, review):
    request = review.requests["north"]
    assert request.fields == ("given_name", "surname", "birth_date", "sex", "postal_code")
    assert set(request.table.column("agree:surname").to_pylist()) <= set(AGREEMENT_LEVELS)
    assert result.review(10, tell_levels=False).requests["north"].fields == ()
    assert AGREEMENT_LEVELS == LEVELS


def test_a_level_is_that_of_the_pair(result, review):
    pairs = result.pairs.to_pandas().set_index(["left_token", "right_token"])
    asked = {row["pair_id"]: row for row in review.questions.table.to_pylist()}
    for row in review.requests["south"].table.to_pylist():
        question = asked[row["pair_id"]]
        both = (question["left_token"].hex(), question["right_token"].hex())
        assert row["agree:given_name"] == pairs.loc[both, "given_name"]


def test_a_request_opens_at_the_party_that_is_asked_alone(review, agreed, identities_of, tmp_path):
    files = review.save(tmp_path, agreement=agreed, identity=identities_of["linkage_unit"])
    assert set(files) == set(PARTIES)
    own = ReviewRequest.load(files["south"], agreement=agreed, identity=identities_of["south"])
    assert own.table.equals(review.requests["south"].table)
    assert (own.party, len(own)) == ("south", len(review.requests["south"]))
    for stranger in ("north", "steward", "linkage_unit"):
        with pytest.raises(SealError, match="sealed to somebody else"):
            ReviewRequest.load(files["south"], agreement=agreed, identity=identities_of[stranger])


def test_only_the_linkage_unit_asks(review, agreed, identities_of, tmp_path):
    with pytest.raises(NotAuthorizedError, match="not that of 'linkage_unit'"):
        review.save(tmp_path, agreement=agreed, identity=identities_of["north"])


@pytest.fixture(scope="module")
def identities_of():
    import hashlib

    from linkkit.exchange import Identity

    def make(role):
        return Identity(hashlib.sha256(f"identity of {role} in tests only".encode()).digest())

    return {role: make(role) for role in (*PARTIES, "linkage_unit", "steward")}


@pytest.fixture
def save_as(agreed, identities_of, tmp_path):
    def save(artifact, role):
        return artifact.save(tmp_path / "x", agreement=agreed, identity=identities_of[role])

    return save


def forged(table, column, value):
    place = table.column_names.index(column)
    made = pa.array([value] * len(table), table.schema.field(column).type)
    return table.set_column(place, column, made)


@pytest.mark.parametrize(
    ("column", "value"),
    [("other_party", "somewhere"), ("side", 3), ("agree:surname", "Garcia"), ("side", None)],
)
def test_no_other_words_can_be_sent_in_a_request(review, save_as, column, value):
    request = review.requests["north"]
    bad = replace(request, table=forged(request.table, column, value))
    with pytest.raises(SealError, match="does not hold questions"):
        save_as(bad, "linkage_unit")


def test_a_level_of_a_field_that_is_not_agreed_is_refused(review, agreed, identities_of, tmp_path):
    request = review.requests["north"]
    names = [x.replace("surname", "diagnosis") for x in request.table.column_names]
    bad = replace(request, table=request.table.rename_columns(names))
    with pytest.raises(SealError, match="does not hold questions"):
        bad.save(tmp_path / "x", agreement=agreed, identity=identities_of["linkage_unit"])


def test_questions_are_read_back(review, agreed, tmp_path):
    again = ReviewQuestions.load(review.questions.save(tmp_path / "asked.parquet"))
    assert again.table.equals(review.questions.table)
    assert again.clean == review.questions.clean == ("north", "south")
    again.require_agreement(agreed)
    with pytest.raises(OptionError, match="not there, or not such a file"):
        ReviewQuestions.load(tmp_path / "nothing")
    pa.parquet.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    with pytest.raises(OptionError, match="not there, or not such a file"):
        ReviewQuestions.load(tmp_path / "x.parquet")


# --- at a partner --------------------------------------------------------------------------------


def test_a_partner_sees_its_own_rows_beside_each_pair(review, opened, people, encoded):
    sheet = opened("south").to_pandas()
    tokens = encoded["south"].token_map.to_pandas().set_index("token")["row"]
    asked = {
        f"pair-{row['pair_id'].hex()}": row for row in review.requests["south"].table.to_pylist()
    }
    assert set(sheet["pair"]) == set(asked)
    for _, line in sheet.iterrows():
        row = int(tokens[asked[line["pair"]]["token"].hex()])
        own = people["south"].iloc[row - 1]
        assert line["row"] == row
        assert line["your surname"] == own["surname"]
        assert line["your id"] == own["id"]
    assert (sheet[["answer", "fact"]] == "").all(axis=None)


def test_of_a_pair_in_its_own_file_a_partner_sees_both_rows(review, opened):
    sheet = opened("west").to_pandas()
    within = sheet[sheet["other_party"] == "west"]
    assert len(within)
    assert within.groupby("pair")["record"].apply(sorted).tolist() == [[1, 2]] * (len(within) // 2)


def test_files_do_as_well_as_frames(review, encoded, people, agreed, tmp_path):
    encoded["north"].token_map.save(tmp_path / "map.csv")
    people["north"].to_csv(tmp_path / "north.csv", index=False)
    request = review.requests["north"]
    sheet = open_review(request, tmp_path / "map.csv", tmp_path / "north.csv", agreement=agreed)
    sheet.save(tmp_path / "sheet.csv")
    filled = pd.read_csv(tmp_path / "sheet.csv", dtype=str).assign(answer=" Same ")
    filled.to_csv(tmp_path / "filled.csv", index=False)
    answers = answer_review(request, tmp_path / "filled.csv")
    assert set(answers.table.column("answer").to_pylist()) == {"same"}
    assert len(answers) == len(request)


@pytest.fixture
def asked_north(review, encoded):
    return review.requests["north"], encoded["north"].token_map


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", "\t=", "\uff1d"])
def test_no_cell_of_the_sheet_is_a_formula(asked_north, people, agreed, tmp_path, start):
    frame = people["north"].assign(remark=f"{start}1+2", n=[-1.5] * len(people["north"]))
    request, home = asked_north
    sheet = open_review(request, home, frame, agreement=agreed)
    read = pd.read_csv(sheet.save(tmp_path / "sheet.csv"), dtype=str, keep_default_na=False)
    assert set(read["your remark"]) == {f"'{start}1+2"}
    for name in read.columns:
        assert not read[name].str.strip().str.startswith(("=", "+", "-", "@", "\uff1d")).any()
    # The sheet in memory has cells as they are, and what is answered in the file counts.
    assert sheet.to_pandas()["your remark"].iloc[0].strip().endswith("1+2")
    assert not sheet.to_pandas()["your remark"].str.startswith("'").any()
    read.assign(answer="same").to_csv(tmp_path / "filled.csv", index=False)
    assert len(answer_review(request, tmp_path / "filled.csv")) == len(request)


def test_another_extract_is_noticed(review, encoded, people, agreed):
    request, home = review.requests["north"], encoded["north"].token_map
    with pytest.raises(ExtractError, match="rows are not there, and 0 have another row id"):
        open_review(request, home, people["north"].head(2), agreement=agreed)
    upside_down = people["north"].iloc[::-1]
    with pytest.raises(ExtractError, match="0 rows are not there, and [1-9][0-9]* have another"):
        open_review(request, home, upside_down, agreement=agreed)


def test_the_token_map_of_another_party_is_refused(review, encoded, people, agreed):
    other = encoded["south"].token_map
    with pytest.raises(MismatchError, match="that 'north' is asked about is in the token map"):
        open_review(review.requests["north"], other, people["south"], agreement=agreed)


def test_records_that_the_map_does_not_know_are_counted(review, encoded, people, agreed, tmp_path):
    rows = encoded["north"].token_map.to_pandas()
    wanted = {token.hex() for token in review.requests["north"].table.column("token").to_pylist()}
    asked = rows[rows["token"].isin(wanted)]
    path = tmp_path / "map.csv"
    rows.drop(asked.index[:3]).to_csv(path, index=False)
    sheet = open_review(review.requests["north"], path, people["north"], agreement=agreed)
    assert sheet.n_missing == 3
    assert len(sheet) > 0


def test_a_damaged_map_is_refused(review, people, agreed, tmp_path):
    (tmp_path / "map.csv").write_text("token,record_id,row\nxyz,1,1\n", encoding="utf-8")
    for given in (tmp_path / "map.csv", 7):
        with pytest.raises(OptionError, match="token"):
            open_review(review.requests["north"], given, people["north"], agreement=agreed)


def test_a_request_of_another_agreement_is_refused(review, encoded, people, plain_agreement):
    other = plain_agreement(PARTIES, clean=("north", "south"), agreement_id="other-2026")
    with pytest.raises(MismatchError, match="another agreement"):
        open_review(
            review.requests["north"], encoded["north"].token_map, people["north"], agreement=other
        )
    with pytest.raises(WrongStageError, match="takes a ReviewRequest"):
        open_review(review, encoded["north"].token_map, people["north"], agreement=other)


def test_nothing_but_words_of_the_lists_is_sent(review, opened, agreed, identities_of, tmp_path):
    sheet = opened("north").to_pandas().assign(answer="unsure", fact="twin")
    sheet["remark"] = "ask her mother"
    answers = answer_review(review.requests["north"], sheet)
    assert answers.table.column_names == ["pair_id", "answer", "fact"]
    path = answers.save(tmp_path / "a", agreement=agreed, identity=identities_of["north"])
    again = ReviewAnswers.load(path, agreement=agreed, identity=identities_of["linkage_unit"])
    assert again.table.equals(answers.table)
    assert again.party == "north"
    with pytest.raises(SealError, match="sealed to somebody else"):
        ReviewAnswers.load(path, agreement=agreed, identity=identities_of["south"])


def test_what_is_blank_is_not_answered(review, opened):
    sheet = opened("north").to_pandas()
    sheet.loc[0, "answer"] = "same"
    sheet.loc[1, "fact"] = "changed"
    answers = answer_review(review.requests["north"], sheet).table.to_pylist()
    assert sorted((x["answer"], x["fact"] or "") for x in answers) == [
        ("same", ""), ("unsure", "changed"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"answer": "maybe"}, "line 1 of the sheet holds another answer"),
        ({"answer": "same", "fact": "she moved"}, "line 1 of the sheet holds another fact"),
        ({"pair": "pair-00", "answer": "same"}, "line 1 of the sheet answers a pair that was not"),
        ({"answer": "same", "fact": "mixed"}, "the answer is 'unsure'"),
        ({"answer": "same", "fact": "no_person"}, "the answer is 'different'"),
        ({"fact": "no_person"}, "the answer is 'different'"),
    ],
)
def test_other_words_are_refused_by_line(review, opened, cells, problem):
    sheet = opened("north").to_pandas()
    for name, cell in cells.items():
        sheet.loc[0, name] = cell
    with pytest.raises(OptionError, match=problem) as caught:
        answer_review(review.requests["north"], sheet)
    assert "maybe" not in str(caught.value)
    assert "moved" not in str(caught.value)


def test_lines_of_one_pair_must_agree(review, opened):
    sheet = opened("west").to_pandas()
    own = sheet[sheet["other_party"] == "west"].index[:2]
    sheet.loc[own, "answer"] = ["same", "different"]
    with pytest.raises(OptionError, match="contradicts an earlier line"):
        answer_review(review.requests["west"], sheet)
    sheet.loc[own, "answer"] = ["same", ""]
    assert len(answer_review(review.requests["west"], sheet)) == 1


def test_a_sheet_without_its_columns_is_refused(review):
    with pytest.raises(OptionError, match="the sheet has no column 'pair'"):
        answer_review(review.requests["north"], pd.DataFrame({"answer": ["same"]}))


@pytest.mark.parametrize(
    ("column", "value"), [("answer", "perhaps"), ("fact", "born 1987"), ("answer", None)]
)
def test_no_other_words_can_be_sent_in_answers(review, save_as, column, value):
    pair = review.requests["north"].table.column("pair_id")[0].as_py()
    answers = answers_of(review, [(pair, "same", None)], "north")
    bad = replace(answers, table=forged(answers.table, column, value))
    with pytest.raises(SealError, match="does not hold answers"):
        save_as(bad, "north")


def test_every_fact_is_explained():
    assert list(FACTS) == ["twin", "namesake", "mixed", "wrong", "changed", "copy", "no_person"]
    assert all(FACTS.values())


# --- what comes of it ----------------------------------------------------------------------------


@pytest.fixture
def asked(review):
    """The questions between north and south, and one of west about itself."""
    rows = review.questions.table.to_pylist()
    return {
        "across": [r for r in rows if (r["left_party"], r["right_party"]) == ("north", "south")],
        "within": [r for r in rows if r["left_party"] == r["right_party"]],
        "with west": [r for r in rows if (r["left_party"], r["right_party"]) == ("north", "west")],
    }


@pytest.mark.parametrize(
    ("said", "label", "count"),
    [
        ({"north": ("same", None), "south": ("same", None)}, True, None),
        ({"north": ("same", None), "south": ("unsure", "twin")}, True, None),
        ({"north": ("unsure", None), "south": ("different", "no_person")}, False, None),
        ({"north": ("same", None)}, True, None),
        ({"north": ("same", None), "south": ("different", None)}, None, "n_contradictory"),
        ({"north": ("unsure", None), "south": ("unsure", None)}, None, "n_unsure"),
        ({"north": ("same", None), "south": ("unsure", "mixed")}, None, "n_unsure"),
        ({}, None, "n_unanswered"),
    ],
)
def test_two_answers_make_a_label_or_none(review, asked, said, label, count):
    row = asked["across"][0]
    files = [answers_of(review, [(row["pair_id"], *words)], party) for party, words in said.items()]
    outcome = combine_answers(review.questions, files)
    found = {
        (one.tobytes(), other.tobytes()): same
        for one, other, same in zip(
            outcome.labels.one, outcome.labels.other, outcome.labels.same.tolist(), strict=True
        )
    }
    expected = {} if label is None else {(row["left_token"], row["right_token"]): label}
    assert found == expected
    n_others = len(review) - 1
    counts = {"n_contradictory": 0, "n_unsure": 0, "n_unanswered": n_others}
    if count:
        counts[count] += 1
    assert {name: getattr(outcome, name) for name in counts} == counts


def test_two_may_be_asked_to_agree_and_one_file_needs_its_own_word_alone(review, asked):
    across, within = asked["across"][0], asked["within"][0]
    files = [
        answers_of(review, [(across["pair_id"], "same", None)], "north"),
        answers_of(review, [(within["pair_id"], "same", None)], "west"),
    ]
    assert len(combine_answers(review.questions, files).labels) == 2
    outcome = combine_answers(review.questions, files, n_agreeing=2)
    assert outcome.labels.one.tobytes() == within["left_token"]
    assert outcome.n_unsure == 1
    with pytest.raises(OptionError, match="'n_agreeing' is 1 or 2"):
        combine_answers(review.questions, files, n_agreeing=3)


def test_what_was_not_asked_does_not_count(review, asked):
    row = asked["across"][0]
    files = [
        answers_of(review, [(row["pair_id"], "same", None)], "west"),
        answers_of(review, [(bytes(16), "same", None), (row["pair_id"], "unsure", None)], "north"),
    ]
    outcome = combine_answers(review.questions, files)
    assert len(outcome.labels) == 0
    assert dict(outcome.refused) == {"not_asked": 1, "other_party": 1, "twice": 0}
    assert "refused: 1 answers to pairs that were not asked about" in str(outcome)


def test_answers_of_another_review_are_refused(review):
    others = [answers_of(review, [(bytes(16), "same", None)], "north")]
    with pytest.raises(MismatchError, match="none of the 1 answers is to one of these questions"):
        combine_answers(review.questions, others)


def test_a_pair_that_a_party_answers_in_two_ways_has_neither(review, asked):
    row = asked["across"][0]
    twice = [
        answers_of(review, [(row["pair_id"], verdict, None)], "north")
        for verdict in ("same", "different")
    ]
    outcome = combine_answers(review.questions, twice)
    assert (len(outcome.labels), outcome.refused["twice"]) == (0, 1)


def test_a_copy_of_the_answers_says_nothing_new(review, asked):
    row = asked["across"][0]
    copies = [answers_of(review, [(row["pair_id"], "same", None)], "north")] * 2
    outcome = combine_answers(review.questions, copies)
    assert (len(outcome.labels), outcome.refused["twice"]) == (1, 0)


def test_answers_of_another_agreement_are_refused(review, asked):
    row = asked["across"][0]
    mine = answers_of(review, [(row["pair_id"], "same", None)], "north")
    with pytest.raises(MismatchError, match="answers of 'north' were made under another agreement"):
        combine_answers(review.questions, [replace(mine, agreement_id="other-2026")])
    with pytest.raises(WrongStageError, match="takes ReviewAnswers"):
        combine_answers(review.questions, [mine, "same"])


def test_facts_are_listed_with_the_record_they_are_about(review, asked):
    row = asked["across"][0]
    within = asked["within"][0]
    files = [
        answers_of(review, [(row["pair_id"], "unsure", "twin")], "south"),
        answers_of(review, [(within["pair_id"], "unsure", "mixed")], "west"),
    ]
    outcome = combine_answers(review.questions, files)
    facts = {tuple(x) for x in outcome.facts_frame().itertuples(index=False)}
    assert facts == {
        ("south", row["right_token"].hex(), "twin"),
        ("west", within["left_token"].hex(), "mixed"),
        ("west", within["right_token"].hex(), "mixed"),
    }
    assert "2 records: mixed" in str(outcome)


def questions_of(review, rows, party="west"):
    """Return questions about made-up tokens, by number, within a party or across two."""
    token = pa.array([bytes([i]) * 16 for i in range(9)], pa.binary(16))
    left_party, right_party = party if isinstance(party, tuple) else (party, party)
    table = pa.table(
        {
            "pair_id": pa.array([bytes([9, i]) * 8 for i in range(len(rows))], pa.binary(16)),
            "left_party": [left_party] * len(rows),
            "left_token": token.take(pa.array([a for a, _, _ in rows])),
            "right_party": [right_party] * len(rows),
            "right_token": token.take(pa.array([b for _, b, _ in rows])),
            "why": ["spread"] * len(rows),
            "match_weight": [0.0] * len(rows),
            "linked": [True] * len(rows),
        }
    )
    ids = table.column("pair_id").to_pylist()
    said = [(pair, row[2], None) for pair, row in zip(ids, rows, strict=True)]
    return replace(review.questions, table=table), said


def test_labels_that_cannot_all_be_right_are_left_out_and_counted(review):
    """One is the same as two others, who are not the same; two more are not concerned."""
    rows = [
        (0, 1, "same"),
        (1, 2, "same"),
        (0, 2, "different"),
        (3, 4, "same"),
        (3, 5, "different"),
    ]
    questions, said = questions_of(review, rows)
    outcome = combine_answers(questions, [answers_of(review, said, "west")])
    assert outcome.n_inconsistent == 3
    assert [token[0] for token in outcome.labels.one] == [3, 3]
    assert outcome.labels.same.tolist() == [True, False]
    assert "ask again" in str(outcome)


def test_no_label_gives_a_person_two_records_of_a_party_that_holds_each_once(review):
    rows = [(0, 1, "same"), (2, 1, "same"), (3, 4, "same")]
    questions, said = questions_of(review, rows, ("north", "south"))
    assert questions.clean == ("north", "south")
    outcome = combine_answers(questions, [answers_of(review, said, "north")])
    assert outcome.n_inconsistent == 2
    assert [token[0] for token in outcome.labels.one] == [3]
    dirty = replace(questions, clean=())
    assert len(combine_answers(dirty, [answers_of(review, said, "north")]).labels) == 3


def test_a_review_by_people_who_know_makes_the_links_better(
    result, encoded, people, review, opened
):
    """Partners who know who is whom answer; what they say is kept, and errors become fewer."""
    person = truth_of(people, encoded)
    asked = {row["pair_id"].hex(): row for row in review.questions.table.to_pylist()}

    def verdict(pair):
        row = asked[pair.removeprefix("pair-")]
        same = person[row["left_token"].hex()] == person[row["right_token"].hex()]
        return "same" if same else "different"

    answers = []
    for party in PARTIES:
        sheet = opened(party).to_pandas()
        sheet["answer"] = [verdict(pair) for pair in sheet["pair"]]
        answers.append(answer_review(review.requests[party], sheet))
    outcome = combine_answers(review.questions, answers)
    assert len(outcome.labels) == len(review)
    assert outcome.n_inconsistent == 0
    again = link([x.encodings for x in encoded.values()], labels=outcome.labels, n_threads=1)
    ids = again.crosswalk.to_pandas().set_index("token")["person_id"]
    labels = outcome.labels
    for one, other, same in zip(labels.one, labels.other, labels.same, strict=True):
        assert (ids[one.tobytes().hex()] == ids[other.tobytes().hex()]) == same
    assert wrong_pairs(again, person) <= wrong_pairs(result, person)
    assert f"known: {len(labels)} pairs by labels" in str(again)


def test_answers_about_few_pairs_mend_more_errors_than_chance_would(field_town):
    result = link(field_town.encodings, n_threads=1)
    person = field_town.person_of
    before = wrong_pairs(result, person)
    asked = result.review(60).questions.to_pandas()
    labels = PairLabels.of(
        (one, other, person[one] == person[other])
        for one, other in zip(asked["left_token"], asked["right_token"], strict=True)
    )
    after = wrong_pairs(link(field_town.encodings, labels=labels, n_threads=1), person)
    assert before - after >= 5


def wrong_pairs(result, person):
    frame = result.crosswalk.to_pandas()
    frame["true"] = [str(person[token]) for token in frame["token"]]

    def pairs(by):
        sizes = frame.groupby(by).size()
        return int((sizes * (sizes - 1) // 2).sum())

    return pairs(["person_id"]) + pairs(["true"]) - 2 * pairs(["person_id", "true"])


def test_labels_survive_a_file(tmp_path, review, asked):
    rows = [
        (r["left_token"].hex(), r["right_token"].hex(), i % 2 == 0)
        for i, r in enumerate(asked["across"])
    ]
    labels = PairLabels.of(rows)
    again = PairLabels.load(labels.save(tmp_path / "labels.csv"))
    assert (again.one == labels.one).all()
    assert (again.other == labels.other).all()
    assert again.same.tolist() == labels.same.tolist()
    assert len(labels.joined(again)) == len(labels)
    assert (tmp_path / "labels.csv").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not there, or not one"),
        ("a,b\n", "not there, or not one"),
        ("token,other_token,same\nx,y,true\n", "line 2 of the labels is no label"),
        (f"token,other_token,same\n\n{'0' * 32},{'1' * 32},perhaps\n", "line 3 of the labels"),
    ],
)
def test_a_file_of_labels_is_read_with_care(tmp_path, text, problem):
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OptionError, match=problem):
        PairLabels.load(path)
    with pytest.raises(OptionError, match="not there"):
        PairLabels.load(tmp_path / "nothing.csv")


def test_labels_that_cannot_be_kept_are_refused(encoded):
    """Two records of a party that holds each person once are both the same as one of another."""
    north, south = (encoded[p].encodings for p in ("north", "south"))
    one, two = (token.tobytes().hex() for token in north.tokens[:2])
    other = south.tokens[0].tobytes().hex()
    labels = PairLabels.of([(one, other, True), (two, other, True)])
    with pytest.raises(LinkageError, match="labels make 1 people hold two records of a party"):
        link([north, south], labels=labels, n_threads=1)


def test_link_takes_no_other_labels(encoded):
    with pytest.raises(OptionError, match="'labels' are PairLabels, not list"):
        link([encoded["north"].encodings, encoded["south"].encodings], labels=[1])
