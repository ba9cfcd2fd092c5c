"""Deliveries over years: stable ids, recorded changes, withdrawn records, moved people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from linkkit.agreement import Agreement
from linkkit.errors import LinkageError, MismatchError, OptionError, WrongStageError
from linkkit.exchange import EncodedExtract, Filter
from linkkit.linkage import LinkResult, forecast_link, link
from linkkit.linkage.labels import PairLabels
from linkkit.partner.encode import encode
from linkkit.partner.keys import Secret, TokenKey

Encode = Callable[..., EncodedExtract]
FIRST, LATER = dt.date(2026, 1, 5), dt.date(2027, 1, 5)
PARTIES = ("north", "south", "west")


def rows_of(extract: EncodedExtract, rows: Sequence[int] | np.ndarray) -> EncodedExtract:
    rows = np.asarray(rows)
    filters = {
        name: Filter(words=item.words[rows], present=item.present[rows])
        for name, item in extract.filters.items()
    }
    return replace(
        extract, tokens=extract.tokens[rows], filters=filters, block_keys=extract.block_keys[rows]
    )


def people(result: LinkResult) -> set[frozenset[str]]:
    frame = result.crosswalk.to_pandas()
    return set(frame.groupby("person_id")["token"].agg(frozenset))


def ids(result: LinkResult) -> dict[str, str]:
    frame = result.crosswalk.to_pandas()
    return dict(zip(frame["token"], frame["person_id"], strict=True))


def hexed(extract: EncodedExtract) -> list[str]:
    return [token.tobytes().hex() for token in extract.tokens]


@pytest.fixture(scope="module")
def agreement(plain_agreement: Callable[..., Agreement]) -> Agreement:
    return plain_agreement(PARTIES, clean=("north", "south"))


@pytest.fixture(scope="module")
def everybody(made_people: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    return made_people(300, seed=5)


@pytest.fixture(scope="module")
def frames(everybody: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {
        "north": everybody.iloc[:200],
        "south": everybody.iloc[80:260],
        "west": pd.concat(
            [everybody.iloc[150:], everybody.iloc[150:160].assign(id=[f"x{i}" for i in range(10)])]
        ),
    }


@pytest.fixture(scope="module")
def extracts(
    frames: dict[str, pd.DataFrame], agreement: Agreement, encode_plainly: Encode
) -> dict[str, EncodedExtract]:
    return {party: encode_plainly(frame, agreement, party) for party, frame in frames.items()}


@pytest.fixture(scope="module")
def whole(extracts: dict[str, EncodedExtract]) -> LinkResult:
    return link(list(extracts.values()), as_of=FIRST)


@pytest.fixture(scope="module")
def halves(
    extracts: dict[str, EncodedExtract],
) -> tuple[list[EncodedExtract], list[EncodedExtract]]:
    first = [rows_of(x, np.arange(0, len(x), 2)) for x in extracts.values()]
    second = [rows_of(x, np.arange(1, len(x), 2)) for x in extracts.values()]
    return first, second


@pytest.fixture(scope="module")
def first(halves: tuple[list[EncodedExtract], list[EncodedExtract]]) -> LinkResult:
    return link(halves[0], as_of=FIRST)


def test_two_deliveries_make_the_people_of_one(
    whole: LinkResult, first: LinkResult, halves: Any
) -> None:
    second = link(halves[1], previous=first, as_of=LATER)
    assert people(second) == people(whole)
    assert second.n_records == whole.n_records
    assert second.plan.n_known == 100 * 90 + 190 * 80 + 80 * 79 // 2
    assert second.plan.n_comparisons < whole.plan.n_comparisons


def test_a_delivery_makes_its_part_of_the_comparisons_of_blocks(
    extracts: dict[str, EncodedExtract],
) -> None:
    old = [rows_of(x, np.flatnonzero(np.arange(len(x)) % 10 > 0)) for x in extracts.values()]
    new = [rows_of(x, np.arange(0, len(x), 10)) for x in extracts.values()]
    once = link(list(extracts.values()), block="blocks")
    second = link(new, previous=link(old, block="blocks"), block="blocks")
    assert set(second.plan.names) <= set(once.plan.names)
    assert 0 < second.plan.n_comparisons < once.plan.n_comparisons / 2
    assert people(second) == people(once)


def test_ids_stay_and_changes_tell_what_became_of_the_others(
    first: LinkResult, halves: Any
) -> None:
    second = link(halves[1], previous=first, as_of=LATER)
    before, after = ids(first), ids(second)
    changed = second.changes.to_pandas()
    moved = {(before[token], after[token]) for token in before if before[token] != after[token]}
    rows = set(zip(changed["old_person_id"], changed["new_person_id"], strict=True))
    assert rows == moved
    assert set(changed["since"]) <= {LATER}
    # An id that is new was nobody's.
    fresh = set(after.values()) - set(before.values())
    assert fresh
    assert not fresh & {old for old, _ in moved}


def test_a_delivery_of_nothing_new_changes_nothing(
    first: LinkResult, halves: Any, extracts: dict[str, EncodedExtract]
) -> None:
    again = link(halves[0][:2], previous=first, as_of=LATER)
    assert again.crosswalk.table.equals(first.crosswalk.table)
    assert len(again.changes) == 0
    assert len(again.kept.superseded) == 0
    assert again.plan.n_comparisons == 0
    assert len(again.pairs) == len(first.pairs)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_a_party_may_come_later(
    extracts: dict[str, EncodedExtract], whole: LinkResult, order: tuple[int, ...]
) -> None:
    every = [extracts[PARTIES[k]] for k in order]
    result = link([every[2]], previous=link(every[:2]))
    assert people(result) == people(whole)


def moved(frames: dict[str, pd.DataFrame], rows: slice) -> pd.DataFrame:
    frame = frames["north"].iloc[rows].copy()
    frame["postal_code"] = "00601"
    return frame


def test_who_moves_stays_whole_and_is_known_by_both_addresses(
    frames: dict[str, pd.DataFrame],
    extracts: dict[str, EncodedExtract],
    agreement: Agreement,
    encode_plainly: Encode,
    whole: LinkResult,
) -> None:
    delivery = encode_plainly(moved(frames, slice(0, 40)), agreement, "north")
    result = link([delivery], previous=whole, as_of=LATER)
    assert len(result.crosswalk) == len(whole.crosswalk)
    assert ids(result) == ids(whole)
    assert len(result.changes) == 0
    assert len(result.kept.superseded) == 40
    assert not result.warnings
    back = link([rows_of(extracts["north"], np.arange(200))], previous=result)
    assert len(back.kept.superseded) == 40
    assert people(back) == people(whole)


def test_an_earlier_version_still_finds_a_new_record(
    frames: dict[str, pd.DataFrame], agreement: Agreement, encode_plainly: Encode
) -> None:
    renamed = frames["north"].iloc[80:120].copy()
    renamed["surname"] = [f"qqqzz{i}xx" for i in range(len(renamed))]
    renamed["postal_code"] = "00601"
    north = encode_plainly(frames["north"], agreement, "north")
    west = encode_plainly(frames["west"], agreement, "west")
    south = encode_plainly(frames["south"], agreement, "south")
    expected = people(link([north, west, south]))
    before = link([north, west])
    before = link([encode_plainly(renamed, agreement, "north")], previous=before)
    assert people(link([south], previous=before)) == expected


def test_ids_given_to_other_people_are_counted(
    *,
    frames: dict[str, pd.DataFrame],
    everybody: pd.DataFrame,
    made_people: Callable[..., pd.DataFrame],
    agreement: Agreement,
    encode_plainly: Encode,
    whole: LinkResult,
) -> None:
    others = made_people(12, seed=99).assign(id=frames["north"]["id"].iloc[:12].to_numpy())
    result = link([encode_plainly(others, agreement, "north")], previous=whole)
    [warning] = result.warnings
    assert "of 'north' have nothing in common with what they were before" in warning
    assert int(warning.split()[0]) >= 10
    assert warning in str(result)


def test_a_withdrawn_record_is_nowhere_any_more(
    extracts: dict[str, EncodedExtract], whole: LinkResult
) -> None:
    gone = hexed(extracts["south"])[:30]
    result = link([], previous=whole, withdrawn=gone, as_of=LATER)
    left = set(result.crosswalk.to_pandas()["token"])
    assert left == set(whole.crosswalk.to_pandas()["token"]) - set(gone)
    pairs = result.pairs.to_pandas()
    assert not set(gone) & (set(pairs["left_token"]) | set(pairs["right_token"]))
    others = [x if p != "south" else rows_of(x, np.arange(30, 180)) for p, x in extracts.items()]
    assert people(result) == people(link(others))
    before, after = ids(whole), ids(result)
    assert all(after[token] == before[token] for token in after)
    alone = {before[token] for token in gone} - set(after.values())
    changed = result.changes.to_pandas()
    assert set(changed["old_person_id"]) == alone
    assert set(changed["kind"]) <= {"withdrawn"}
    assert changed["new_person_id"].isna().all()


def test_without_the_record_that_held_it_together_a_person_falls_apart(
    extracts: dict[str, EncodedExtract], whole: LinkResult
) -> None:
    groups = [sorted(g) for g in people(whole)]
    north, south, west = (set(hexed(extracts[p])) for p in PARTIES)
    a, b, c = next(
        (
            next(t for t in g if t in north),
            next(t for t in g if t in south),
            next(t for t in g if t in west),
        )
        for g in groups
        if len(g) == 3 and set(g) & north and set(g) & south and set(g) & west
    )
    apart = PairLabels.of([(a, b, False)])
    labelled = link([], previous=whole, labels=apart, as_of=LATER)
    assert ids(labelled)[a] != ids(labelled)[b]
    changed = labelled.changes.to_pandas()
    assert changed["kind"].tolist() == ["split"]
    assert changed["why"].tolist() == ["reviewed label"]
    assert changed["old_person_id"].tolist() == [ids(whole)[c]]
    # What was judged once is kept.
    later = link([extracts["north"]], previous=labelled)
    assert ids(later)[a] != ids(later)[b]
    assert len(later.changes) == 1
    # The verdict may change, which brings both together under the id that holds more.
    same = link([], previous=later, labels=PairLabels.of([(b, a, True)]))
    assert ids(same)[a] == ids(same)[b] == ids(same)[c]
    assert same.changes.to_pandas()["kind"].tolist().count("merge") == 1
    retired = {i.tobytes().hex() for i in same.kept.people.retired}
    assert retired == set(same.changes.to_pandas().query("kind == 'merge'")["old_person_id"])
    # An id of before is never given to anybody else again.
    again = link([], previous=same, labels=apart)
    assert {ids(again)[a], ids(again)[b]} & retired == set()


def test_withdrawn_tokens_that_nobody_knows_are_counted(
    extracts: dict[str, EncodedExtract], whole: LinkResult
) -> None:
    gone = [*hexed(extracts["north"])[:2], "00" * 16, "11" * 16]
    result = link([], previous=whole, withdrawn=gone)
    assert result.warnings == ("2 withdrawn tokens are of no record that was linked before",)
    assert "00" * 16 not in str(result)


def test_who_is_withdrawn_does_not_come_back_with_the_same_delivery(
    extracts: dict[str, EncodedExtract], whole: LinkResult
) -> None:
    gone = hexed(extracts["north"])[:5]
    result = link([extracts["north"]], previous=whole, withdrawn=gone)
    assert not set(gone) & set(ids(result))
    once = link(list(extracts.values()), withdrawn=gone)
    assert people(result) == people(once)


def test_everybody_withdrawn_leaves_nothing_to_link(
    extracts: dict[str, EncodedExtract], whole: LinkResult
) -> None:
    every = [token for x in extracts.values() for token in hexed(x)]
    with pytest.raises(LinkageError, match="no record is left"):
        link([], previous=whole, withdrawn=every)


def test_one_clean_party_that_is_left_is_everybody_alone(
    extracts: dict[str, EncodedExtract], whole: LinkResult
) -> None:
    gone = [token for p in ("south", "west") for token in hexed(extracts[p])]
    result = link([], previous=whole, withdrawn=gone)
    assert result.n_records == {"north": 200}
    assert result.crosswalk.n_people == 200


@pytest.mark.parametrize("tokens", [["zz"], ["ab" * 15], [None]])
def test_what_is_no_token_is_refused_by_number(whole: LinkResult, tokens: list[Any]) -> None:
    with pytest.raises(OptionError, match="withdrawn token 1 is not 32 hexadecimal"):
        link([], previous=whole, withdrawn=tokens)


def test_a_single_token_is_no_list(whole: LinkResult) -> None:
    with pytest.raises(OptionError, match="a list of record tokens"):
        link([], previous=whole, withdrawn="ab" * 16)


def test_previous_is_a_result(extracts: dict[str, EncodedExtract], whole: LinkResult) -> None:
    with pytest.raises(WrongStageError, match="LinkResult, not Crosswalk"):
        link([extracts["north"]], previous=whole.crosswalk)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"agreement_id": "other"}, "different agreements"),
        ({"epoch": 2}, "different epochs"),
        ({"agreement_fingerprint": "1" * 64}, "different texts"),
        ({"key_check": "2" * 32}, "different linkage secrets"),
        ({"canaries": {"field:surname": "3" * 32}}, "canary"),
    ],
)
def test_a_previous_result_of_another_making_is_refused(
    extracts: dict[str, EncodedExtract], whole: LinkResult, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(MismatchError, match=f"the previous result and 'north'.*{words}|{words}"):
        link([replace(extracts["north"], **change)], previous=whole)


def test_a_party_that_is_clean_now_and_was_not_is_refused(
    extracts: dict[str, EncodedExtract], whole: LinkResult
) -> None:
    with pytest.raises(MismatchError, match="'west' held each person once before, or does now"):
        link([replace(extracts["west"], one_record_per_person=True)], previous=whole)


def test_a_forecast_counts_new_pairs_only(
    extracts: dict[str, EncodedExtract], whole: LinkResult
) -> None:
    everything = forecast_link(list(extracts.values()))
    before = link([extracts["north"], extracts["south"]])
    later = forecast_link([extracts["west"]], previous=before)
    assert later.n_records == everything.n_records
    assert later.n_comparisons == 160 * 380 + 160 * 159 // 2


def with_profile(agreement: Agreement, profile: str) -> Agreement:
    document = agreement.model_dump(mode="json", exclude_none=True)
    document["linkage"]["profile"] = profile
    return Agreement.from_document(document)


@pytest.mark.parametrize("block", ["exhaustive", "blocks"])
@pytest.mark.parametrize("profile", ["field", "standard"])
def test_deliveries_end_where_one_does(
    *,
    plain_agreement: Callable[..., Agreement],
    made_people: Callable[..., pd.DataFrame],
    secret: Secret,
    token_key_of: Callable[[str], TokenKey],
    profile: str,
    block: Any,
) -> None:
    kinds = {
        "given_name": "given_name", "surname": "surname", "birth_date": "date",
        "postal_code": "postal_code",
    }  # fmt: skip
    whole_agreement = with_profile(plain_agreement(PARTIES, kinds=kinds), profile)
    everyone = made_people(900, seed=3)
    rng = np.random.default_rng(1)
    parts = []
    for party, rows in zip(PARTIES, (slice(0, 600), slice(200, 800), slice(400, 900)), strict=True):
        frame = everyone.iloc[rows].copy()
        typos = rng.random(len(frame)) < 0.15
        frame["surname"] = np.where(typos, frame["surname"].str[:-1] + "q", frame["surname"])
        parts.append(
            encode(
                frame, whole_agreement, secret, party=party, token_key=token_key_of(party)
            ).encodings
        )
    at_once = link(parts, block=block)
    result: LinkResult | None = None
    when = [rng.integers(0, 5, len(part)) for part in parts]
    for k in range(5):
        dealt = [rows_of(x, np.flatnonzero(w == k)) for x, w in zip(parts, when, strict=True)]
        result = link(dealt, previous=result, block=block)
    assert result is not None
    one, other = people(at_once), people(result)
    assert len(one & other) >= 0.995 * max(len(one), len(other))


def test_a_party_that_lost_its_token_key_is_told(
    frames: dict[str, pd.DataFrame],
    agreement: Agreement,
    encode_plainly: Encode,
    extracts: dict[str, EncodedExtract],
) -> None:
    first = link(list(extracts.values()), as_of=FIRST)
    assert not first.warnings
    rekeyed = replace(
        extracts["south"], tokens=np.sort(extracts["south"].tokens[:, ::-1].copy(), axis=0)
    )
    order = np.lexsort(np.ascontiguousarray(rekeyed.tokens).view(">u8").astype(np.uint64).T[::-1])
    again = link([rows_of(rekeyed, order)], previous=first, as_of=LATER)
    (text,) = [text for text in again.warnings if "token" in text]
    assert text.startswith("no token of 'south' came back, although 180 of its records")
    assert not link([extracts["south"]], previous=first, as_of=LATER).warnings
