"""Links with clkhash and anonlink: one keyed filter for each record, Dice, greedy one-to-one.

The schema follows clkhash's own tutorial for FEBRL 4: 1,024 bits, bigrams of text and positional
characters of numbers, twice as many bits for names and birth date as for parts of the address.
The tutorial has more fields; here each gets a quarter more bits, so that the filters are as full
as the tutorial's (about 70 %), for which its threshold of .80 is meant. The five files of
anonlink's tutorial are hashed under the schema of that tutorial.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from common import Data, Record, Stages, main, pairs_of, seconds_of

N_BITS = 1024
THRESHOLDS = {"febrl4": 0.80, "pseudopeople": 0.75}
BITS = {
    "given_name": 250,
    "middle_initial": 62,
    "surname": 250,
    "birth_date": 250,
    "sex": 62,
    "street_number": 125,
    "street": 125,
    "unit": 62,
    "suburb": 125,
    "postcode": 125,
    "age": 62,
    "race": 62,
    "ssn": 250,
    "city": 62,
    "state": 30,
    "zipcode": 62,
}
NUMBERS = ("birth_date", "street_number", "postcode", "ssn", "zipcode", "age")
TUTORIAL = {  # characters of a token, whether its place counts, bits it sets
    "given_name": (2, False, 15),
    "surname": (2, False, 15),
    "birth_date": (2, True, 15),
    "sex": (1, True, 15),
    "city": (2, False, 15),
    "income": (1, True, 7),
    "phone": (1, True, 7),
}
SAMPLED = 600
MOST_PAIRS = 3_000_000
TUNED = [x / 100 for x in range(60, 98)]
SECRET = "a secret of the benchmark only"
WARM_UP_ROWS = 100


def schema_of(data: Data) -> Any:
    from clkhash.comparators import NgramComparison
    from clkhash.field_formats import (
        BitsPerFeatureStrategy,
        BitsPerTokenStrategy,
        FieldHashingProperties,
        Ignore,
        MissingValueSpec,
        StringSpec,
    )
    from clkhash.schema import Schema

    def spec_of_tutorial(field: str) -> Any:
        n, positional, bits = TUTORIAL[field]
        return StringSpec(
            field,
            FieldHashingProperties(
                comparator=NgramComparison(n, positional),
                strategy=BitsPerTokenStrategy(bits),
                missing_value=MissingValueSpec(sentinel=""),
            ),
        )

    def spec(field: str) -> Any:
        if data.name == "anonlink5":
            return spec_of_tutorial(field)
        number = field in NUMBERS
        return StringSpec(
            field,
            FieldHashingProperties(
                comparator=NgramComparison(1, True) if number else NgramComparison(2),
                strategy=BitsPerFeatureStrategy(BITS[field]),
                missing_value=MissingValueSpec(sentinel=""),
            ),
        )

    return Schema([Ignore("record_id"), *(spec(field) for field in data.fields)], N_BITS)


def find_pairs(filters: list[Any], threshold: float) -> Any:
    import anonlink

    return anonlink.candidate_generation.find_candidate_pairs(
        filters, anonlink.similarities.dice_coefficient_accelerated, threshold
    )


def link(data: Data, stages: Stages) -> list[tuple[Record, Record]]:
    with stages("import"):
        import anonlink
        from clkhash.clk import generate_clks
    with stages("read"):
        schema = schema_of(data)
        rows = {party: data.rows(party) for party in data.parties}
    with stages("encode"):
        filters = [generate_clks(rows[party], schema, SECRET) for party in data.parties]
    with stages("compare"):
        candidates = find_pairs(filters, THRESHOLDS[data.name])
    with stages("solve"):
        groups = anonlink.solving.greedy_solve(candidates)
    with stages("collect"):
        records = [
            [(data.parties[party], rows[data.parties[party]][row][0]) for party, row in group]
            for group in groups
        ]
    return pairs_of(records)


def tuned(data: Data) -> Iterator[tuple[str, list[list[Record]]]]:
    """Yield what each threshold finds, from the highest down to where too many pairs are alike."""
    import anonlink
    from clkhash.clk import generate_clks

    rows = {party: data.rows(party) for party in data.parties}
    filters = [generate_clks(rows[party], schema_of(data), SECRET) for party in data.parties]
    similarities, sets, records = find_pairs(filters, _lowest(filters))
    for threshold in TUNED:
        if threshold < similarities[-1]:
            continue
        n = sum(1 for s in similarities if s >= threshold)
        kept = (similarities[:n], tuple(x[:n] for x in sets), tuple(x[:n] for x in records))
        groups = anonlink.solving.greedy_solve(kept)
        yield (
            f"Dice >= {threshold}",
            [[(data.parties[p], rows[data.parties[p]][row][0]) for p, row in g] for g in groups],
        )


def _lowest(filters: list[Any]) -> float:
    """Return the lowest threshold at which no more than some millions of pairs are expected."""
    some = [part[:SAMPLED] for part in filters]
    similarities, _, _ = find_pairs(some, TUNED[0])
    share = sum(map(len, some)) / sum(map(len, filters))
    n = int(MOST_PAIRS * share**2)
    return TUNED[0] if len(similarities) <= n else max(float(similarities[n]), TUNED[0])


def rates(data: Data) -> dict[str, float]:
    from clkhash.clk import generate_clks

    schema = schema_of(data)
    rows = {party: data.rows(party) for party in data.parties}
    # clkhash keeps what it has hashed; the warm-up's own secret keeps that out of the measurement.
    for party in data.parties:
        generate_clks(rows[party][:WARM_UP_ROWS], schema, "the warm-up's own secret")
    filters: list[Any] = []

    def encode_all() -> None:
        # One worker: the rate of one process, as for every tool here.
        filters.extend(
            generate_clks(rows[party], schema, SECRET, max_workers=1) for party in data.parties
        )

    encode_seconds = seconds_of(encode_all)
    threshold = THRESHOLDS[data.name]
    find_pairs([part[:WARM_UP_ROWS] for part in filters], threshold)
    compare_seconds = seconds_of(lambda: find_pairs(filters, threshold))
    sizes = [len(part) for part in filters]
    n_pairs = (sum(sizes) ** 2 - sum(size**2 for size in sizes)) // 2
    return {
        "records_per_second": sum(sizes) / encode_seconds,
        "pairs_compared": n_pairs,
        "pairs_per_second": n_pairs / compare_seconds,
        "pairs_per_second_one_thread": n_pairs / compare_seconds,
    }


if __name__ == "__main__":
    main(link=link, rates=rates, tuned=tuned, packages=["clkhash", "anonlink", "numpy"])
