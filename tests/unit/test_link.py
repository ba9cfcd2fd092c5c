"""Linkage as a whole: what it refuses, what it survives, what it finds, what its files hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from linkkit.agreement import Agreement
from linkkit.errors import LinkageError, MismatchError, OptionError, WrongStageError
from linkkit.exchange import Crosswalk, EncodedExtract, Identity
from linkkit.linkage import LinkResult, link
from linkkit.linkage.block import Block

Encode = Callable[..., EncodedExtract]
Make = Callable[..., pd.DataFrame]


@pytest.fixture
def plain(plain_agreement: Callable[..., Agreement]) -> Agreement:
    return plain_agreement()


@pytest.fixture
def two(plain: Agreement, encode_plainly: Encode, made_people: Make) -> list[EncodedExtract]:
    """Two parties of 60 and 50 people, 30 of them the same."""
    everybody = made_people(80, seed=1)
    return [
        encode_plainly(everybody.iloc[:60], plain, "north"),
        encode_plainly(everybody.iloc[30:], plain, "south"),
    ]


def people(result: LinkResult) -> set[frozenset[str]]:
    frame = result.crosswalk.to_pandas()
    return {frozenset(tokens) for _, tokens in frame.groupby("person_id")["token"]}


def links(result: LinkResult) -> int:
    return sum(len(person) - 1 for person in people(result))


# --- Refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", [0, -0.1, 1.01, float("nan"), float("inf")])
def test_a_threshold_out_of_range_is_refused(two: list[EncodedExtract], threshold: float) -> None:
    with pytest.raises(OptionError, match="'threshold' is \"auto\", or a probability"):
        link(two, threshold=threshold)


def test_all_bad_options_are_reported_at_once(two: list[EncodedExtract]) -> None:
    with pytest.raises(OptionError, match="'block' is one of") as caught:
        link(two, threshold=2, block="sorted")  # type: ignore[arg-type]
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    "options",
    [{"threshold": "x"}, {"block": "many"}, {"n_threads": -1}, {"n_threads": 0}],
    ids=str,
)
def test_other_options_that_cannot_be_are_refused(
    two: list[EncodedExtract], options: dict[str, Any]
) -> None:
    with pytest.raises(OptionError, match=f"'{next(iter(options))}' is "):
        link(two, **options)


def test_nothing_to_link_is_refused() -> None:
    with pytest.raises(LinkageError, match="no extract"):
        link([])


def test_one_clean_party_alone_is_refused(two: list[EncodedExtract]) -> None:
    with pytest.raises(LinkageError, match="only party 'north'"):
        link(two[:1])
    with pytest.raises(LinkageError, match="only party 'north'"):
        link(two[0])  # type: ignore[arg-type]


def test_a_party_given_twice_is_refused(two: list[EncodedExtract]) -> None:
    with pytest.raises(LinkageError, match="'south' is given twice"):
        link([*two, two[1]])


def test_a_party_without_records_is_refused(two: list[EncodedExtract]) -> None:
    filters = {
        name: dataclasses.replace(item, words=item.words[:0], present=item.present[:0])
        for name, item in two[1].filters.items()
    }
    none = dataclasses.replace(two[1], tokens=two[1].tokens[:0], filters=filters)
    with pytest.raises(LinkageError, match="'south' has no record"):
        link([two[0], none])


def test_a_token_held_twice_is_refused(two: list[EncodedExtract]) -> None:
    tokens = two[1].tokens.copy()
    tokens[1] = tokens[0]
    with pytest.raises(LinkageError, match="a record token twice"):
        link([two[0], dataclasses.replace(two[1], tokens=tokens)])


@pytest.mark.parametrize(
    "thing", ["x", 5, pd.DataFrame({"a": [1]})], ids=lambda x: type(x).__name__
)
def test_the_product_of_another_stage_is_refused(two: list[EncodedExtract], thing: Any) -> None:
    with pytest.raises(WrongStageError, match=f"not {type(thing).__name__}"):
        link([*two, thing])


@pytest.mark.parametrize("thing", [None, 5])
def test_what_is_no_list_of_extracts_is_refused(thing: Any) -> None:
    with pytest.raises(WrongStageError, match=f"not {type(thing).__name__}"):
        link(thing)


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"agreement_id": "other"}, "different agreements"),
        ({"agreement_fingerprint": "f" * 64}, "different texts of agreement 'plain-2026'"),
        ({"key_check": "f" * 32}, "different linkage secrets"),
    ],
)
def test_a_mismatch_says_what_differs(
    two: list[EncodedExtract], changes: dict[str, Any], difference: str
) -> None:
    with pytest.raises(MismatchError, match=difference) as caught:
        link([two[0], dataclasses.replace(two[1], **changes)])
    assert "'north' and 'south'" in str(caught.value)
    assert "Nothing was compared" in caught.value.hint


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"encoding_version": 9}, "encoding version 1 and 9"),
        ({"standardization_version": 9}, "standardization version 3 and 9"),
        ({"profile": "other"}, "profile field and other"),
        ({"filters": ()}, "only one has filter 'birth_date'; only one has filter 'given_name'"),
    ],
)
def test_a_mismatched_spec_says_in_what(
    two: list[EncodedExtract], changes: dict[str, Any], difference: str
) -> None:
    spec = two[1].spec.model_copy(update=changes)
    spec.__dict__.pop("digest", None)
    with pytest.raises(MismatchError, match=difference):
        link([two[0], dataclasses.replace(two[1], spec=spec)])


# --- Odd inputs ------------------------------------------------------------------------------


def test_people_in_both_parties_are_found(two: list[EncodedExtract]) -> None:
    result = link(two)
    assert links(result) == 30
    assert result.quality.precision > 0.95
    assert result.n_records == {"north": 60, "south": 50}


@pytest.mark.parametrize("block", ["auto", "blocks"])
def test_parties_without_anybody_in_common_have_next_to_no_links(
    plain: Agreement, encode_plainly: Encode, made_people: Make, block: Block
) -> None:
    result = link(
        [
            encode_plainly(made_people(60, seed=1), plain, "north"),
            encode_plainly(made_people(70, seed=2), plain, "south"),
        ],
        block=block,
    )
    assert links(result) <= 1


@pytest.mark.parametrize("same", [True, False])
def test_one_record_on_each_side_links_without_a_crash(
    plain: Agreement, encode_plainly: Encode, made_people: Make, *, same: bool
) -> None:
    north, south = made_people(1, seed=1), made_people(1, seed=1 if same else 2)
    result = link([encode_plainly(north, plain, "north"), encode_plainly(south, plain, "south")])
    assert len(result.crosswalk) == 2


@pytest.mark.parametrize("clean", [("north", "south"), ()])
def test_all_records_identical_is_no_crash(
    plain_agreement: Callable[..., Agreement], encode_plainly: Encode, made_people: Make,
    clean: tuple[str, ...],
) -> None:  # fmt: skip
    agreement = plain_agreement(clean=clean)
    same = pd.concat([made_people(1, seed=1)] * 40, ignore_index=True)
    same["id"] = [f"x{i}" for i in range(40)]
    result = link([encode_plainly(same, agreement, party) for party in ("north", "south")])
    assert len(result.crosswalk) == 80
    sizes = {len(person) for person in people(result)}
    assert max(sizes) <= (2 if clean else 80)


def test_a_party_a_thousand_times_larger_is_linked(
    plain: Agreement, encode_plainly: Encode, made_people: Make
) -> None:
    many = made_people(3000, seed=1)
    few = many.iloc[[5, 500, 2900]]
    result = link([encode_plainly(few, plain, "north"), encode_plainly(many, plain, "south")])
    assert links(result) == 3


def test_a_field_always_missing_in_one_party_is_no_crash(
    plain: Agreement, encode_plainly: Encode, made_people: Make
) -> None:
    everybody = made_people(80, seed=1)
    north = encode_plainly(everybody.iloc[:60].assign(postal_code=None), plain, "north")
    south = encode_plainly(everybody.iloc[30:].assign(sex=""), plain, "south")
    assert links(link([north, south])) == 30


def test_a_party_alone_finds_its_own_duplicates(
    plain_agreement: Callable[..., Agreement], encode_plainly: Encode, made_people: Make
) -> None:
    agreement = plain_agreement(clean=())
    everybody = made_people(60, seed=1)
    again = everybody.iloc[:10].assign(id=[f"again{i}" for i in range(10)])
    result = link([encode_plainly(pd.concat([everybody, again]), agreement, "north")])
    assert result.crosswalk.n_people == 60


@pytest.fixture
def families(
    plain: Agreement, encode_plainly: Encode, made_people: Make
) -> Callable[..., tuple[int, int]]:
    """A function that links 400 people, 300 in both parties, and counts the relatives linked.

    Of 40 more families one child is in the north and another in the south. They share surname
    and postal code, and `shared` besides.
    """

    def run(*shared: str) -> tuple[int, int]:
        everybody = made_people(400, seed=1)
        one, other = made_people(40, seed=2), made_people(40, seed=3)
        other = other.assign(**{name: one[name] for name in ("surname", "postal_code", *shared)})
        north = pd.concat([everybody.iloc[:350], one])
        south = pd.concat([everybody.iloc[50:], other])
        result = link(
            [encode_plainly(north, plain, "north"), encode_plainly(south, plain, "south")]
        )
        n_strangers = sum(len(person) - 1 for person in people(result))
        return n_strangers - 300, result.quality.n_links

    return run


def test_siblings_are_kept_apart(families: Callable[..., tuple[int, int]]) -> None:
    wrong, n_links = families()
    assert (wrong, n_links) == (0, 300)


def test_twins_are_kept_apart(families: Callable[..., tuple[int, int]]) -> None:
    wrong, _ = families("birth_date")
    assert wrong <= 4


def test_a_tiny_third_party_changes_little_between_the_others(town: Any) -> None:
    by_party = {extract.party: extract for extract in town.encodings}
    others = [by_party["district"], by_party["summer"]]
    jobs = by_party["jobs"]
    one = dataclasses.replace(
        jobs,
        tokens=jobs.tokens[:1],
        filters={
            name: dataclasses.replace(item, words=item.words[:1], present=item.present[:1])
            for name, item in jobs.filters.items()
        },
    )
    assert abs(links(link(others)) - links(link([*others, one]))) <= 8


# --- A whole town ----------------------------------------------------------------------------


def test_a_town_is_linked_well(town: Any, linked_town: LinkResult) -> None:
    precision, recall = town.score(linked_town.crosswalk)
    assert precision > 0.95
    assert recall > 0.95
    assert abs(linked_town.quality.precision - precision) < 0.05


def test_keyed_blocking_finds_nearly_what_all_pairs_find(field_town: Any) -> None:
    keyed = link(field_town.encodings, block="blocks")
    assert keyed.plan.reduction_ratio > 0.9
    assert not keyed.plan.is_exhaustive
    _, recall = field_town.score(keyed.crosswalk)
    _, exhaustive_recall = field_town.score(link(field_town.encodings).crosswalk)
    assert recall > exhaustive_recall - 0.03


def test_every_record_is_in_exactly_one_person(town: Any, linked_town: LinkResult) -> None:
    tokens = linked_town.crosswalk.to_pandas()["token"]
    sent = [bytes(token).hex() for extract in town.encodings for token in extract.tokens]
    assert sorted(tokens) == sorted(sent)


def test_a_clean_party_never_has_two_records_in_one_person(
    town: Any, linked_town: LinkResult
) -> None:
    frame = linked_town.crosswalk.to_pandas()
    for extract in town.encodings:
        if extract.one_record_per_person:
            mine = frame[frame["party"] == extract.party]
            assert not mine["person_id"].duplicated().any()


def test_pairs_come_with_parties_levels_and_whether_they_were_linked(
    linked_town: LinkResult,
) -> None:
    frame = linked_town.pairs.to_pandas()
    person = linked_town.crosswalk.to_pandas().set_index("token")["person_id"]
    same = person[frame["left_token"]].to_numpy() == person[frame["right_token"]].to_numpy()
    assert np.array_equal(frame["linked"], same)
    assert linked_town.quality.n_links == frame["linked"].sum()
    assert len(frame) == len(linked_town.pairs)


def test_a_higher_threshold_links_no_more(town: Any, linked_town: LinkResult) -> None:
    strict = link(town.encodings, threshold=0.99)
    assert strict.crosswalk.n_people >= linked_town.crosswalk.n_people


def test_results_show_counts_only(linked_town: LinkResult) -> None:
    tokens = set(linked_town.crosswalk.to_pandas()["token"])
    shown = f"{linked_town} {linked_town!r} {linked_town.pairs!r} {linked_town.model!r}"
    assert not [token for token in tokens if token in shown]
    assert "2000 records of 3 parties" in repr(linked_town)


# --- Files -----------------------------------------------------------------------------------


def test_the_files_hold_no_linkage_field_and_no_payload(
    plain: Agreement, made_people: Make, tmp_path: Path, identities: dict[str, Identity],
    two: list[EncodedExtract],
) -> None:  # fmt: skip
    everybody = made_people(80, seed=1)
    result = link(two)
    unit, steward = identities["linkage_unit"], identities["steward"]
    path = result.crosswalk.save(tmp_path / "x.crosswalk", agreement=plain, identity=unit)
    opened = Crosswalk.load(path, agreement=plain, identity=steward)
    assert opened.table.column_names == ["party", "token", "person_id"]
    content = path.read_bytes() + b"".join(
        repr(table.to_pydict()).encode() for table in (opened.table, two[0].to_arrow())
    )
    for name in ("given_name", "surname", "birth_date", "id"):
        for value in everybody[name]:
            assert value.encode() not in content


@pytest.mark.parametrize("profile", ["field", "standard"])
@pytest.mark.parametrize("n", [1, 150])
def test_parties_of_one_record_over_and_over_are_linked_or_told(
    plain_agreement: Any, encode_plainly: Any, made_people: Any, profile: str, n: int
) -> None:
    one = made_people(1, seed=1)
    frame = pd.concat([one] * n, ignore_index=True).assign(id=[f"r{i}" for i in range(n)])
    for clean in ((), ("north", "south")):
        document = plain_agreement(clean=clean).model_dump(mode="json", exclude_defaults=True)
        document["linkage"]["profile"] = profile
        agreement = Agreement.from_document(document)
        extracts = [encode_plainly(frame, agreement, party) for party in ("north", "south")]
        both = link(extracts)
        assert len(both.crosswalk) == 2 * n
        if n == 1:
            assert both.crosswalk.n_people == 1
        elif clean:  # which two of them are one person cannot be told
            assert both.crosswalk.n_people == 2 * n
            assert any("seem to share nobody" in warning for warning in both.warnings)
        else:
            assert both.crosswalk.n_people in (1, 2 * n)
            for party in ("north", "south"):
                told = f"{n} of {n} records of '{party}' are equal to more than 100 others"
                assert any(told in warning for warning in both.warnings)
        if not clean:
            assert len(link(extracts[:1]).crosswalk) == n
