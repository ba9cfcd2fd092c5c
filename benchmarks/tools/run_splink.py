"""Links with Splink on plain text and DuckDB, as its FEBRL 4 example does.

Blocking rules, comparisons and training follow the example's detailed model, without the social
security number; links are one to one, of probability 0.5 or more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from common import (
    Data,
    Record,
    Stages,
    components,
    main,
    one_record_of_each_party,
    pairs_of,
    seconds_of,
)

PROBABILITY = 0.5
THRESHOLDS = (
    0.001,
    0.01,
    0.05,
    0.1,
    0.3,
    0.5,
    0.7,
    0.9,
    0.95,
    0.99,
    0.999,
    0.9999,
    0.99999,
    0.9999999,
)
SEED = 1
SWAPPED_NAMES = "l.given_name = r.surname and l.surname = r.given_name"


def blocking_rules(data: Data) -> list[Any]:
    from splink import block_on

    rules = [
        block_on("given_name", "surname"),
        SWAPPED_NAMES,
        block_on("birth_date"),
    ]
    if "street" in data.fields:
        rules.append(block_on("street_number", "street"))
    if "postcode" in data.fields:
        rules += [block_on("suburb", "street"), block_on("postcode")]
    return rules + [block_on(field) for field in ("ssn", "phone", "income") if field in data.fields]


def comparisons(data: Data) -> list[Any]:
    import splink.comparison_library as cl

    known = {
        "given_name": lambda: _common(cl.NameComparison("given_name")),
        "middle_initial": lambda: cl.ExactMatch("middle_initial"),
        "surname": lambda: _common(cl.NameComparison("surname")),
        "birth_date": lambda: cl.DateOfBirthComparison(
            "birth_date", input_is_string=True, datetime_format="%Y%m%d", invalid_dates_as_null=True
        ),
        "sex": lambda: cl.ExactMatch("sex"),
        "street_number": lambda: _common(cl.ExactMatch("street_number")),
        "street": lambda: cl.JaroWinklerAtThresholds("street", [0.9, 0.7]),
        "suburb": lambda: cl.JaroWinklerAtThresholds("suburb", [0.9, 0.7]),
        "postcode": lambda: _common(cl.DamerauLevenshteinAtThresholds("postcode", [1, 2])),
        "unit": lambda: cl.ExactMatch("unit"),
        "age": lambda: cl.ExactMatch("age"),
        "race": lambda: cl.ExactMatch("race"),
        "city": lambda: _common(cl.JaroWinklerAtThresholds("city", [0.9, 0.7])),
        "state": lambda: cl.ExactMatch("state"),
        "zipcode": lambda: _common(cl.DamerauLevenshteinAtThresholds("zipcode", [1, 2])),
        "ssn": lambda: cl.DamerauLevenshteinAtThresholds("ssn", [1, 2]),
        "phone": lambda: cl.DamerauLevenshteinAtThresholds("phone", [1, 2]),
        "income": lambda: cl.DamerauLevenshteinAtThresholds("income", [1, 2]),
    }
    return [known[field]() for field in data.fields if field in known]


def _common(comparison: Any) -> Any:
    # Agreement on a rare value tells more than agreement on a common one.
    return comparison.configure(term_frequency_adjustments=True)


def read(data: Data) -> dict[str, Any]:
    from pyarrow import csv, string

    options = csv.ConvertOptions(
        column_types=dict.fromkeys(["record_id", *data.fields], string()), strings_can_be_null=True
    )
    return {p: csv.read_csv(data.path(p), convert_options=options) for p in data.parties}


def linker_of(data: Data, tables: dict[str, Any]) -> Any:
    from splink import DuckDBAPI, Linker, SettingsCreator

    settings = SettingsCreator(
        link_type="link_only" if len(data.parties) > 1 else "dedupe_only",
        unique_id_column_name="record_id",
        blocking_rules_to_generate_predictions=blocking_rules(data),
        comparisons=comparisons(data),
    )
    database = DuckDBAPI()
    frames = [database.register(t, dataset_display_name=p) for p, t in tables.items()]
    return Linker(frames, settings, log_level="ERROR")


def train(data: Data, linker: Any) -> None:
    from splink import block_on

    training = linker.training
    certain = [block_on("given_name", "surname", "birth_date")]
    if "street" in data.fields:
        certain.append(block_on("given_name", "surname", "street_number", "street"))
    training.estimate_probability_two_random_records_match(certain, recall=0.8)
    training.estimate_u_using_random_sampling(max_pairs=1e6, seed=SEED)
    second = block_on("postcode" if "postcode" in data.fields else "given_name")
    for rule in (block_on("birth_date"), second):
        training.estimate_parameters_using_expectation_maximisation(
            rule, estimate_without_term_frequencies=True
        )


def link(data: Data, stages: Stages) -> list[tuple[Record, Record]]:
    with stages("import"):
        import splink  # noqa: F401
    with stages("read"):
        tables = read(data)
        linker = linker_of(data, tables)
    with stages("train"):
        train(data, linker)
    with stages("compare"):
        scored = linker.inference.predict(threshold_match_probability=PROBABILITY)
    with stages("cluster"):
        groups = one_record_of_each_party(_best_first(scored.as_dict()))
    return pairs_of(groups)


def _best_first(rows: dict[str, Any]) -> list[tuple[Record, Record]]:
    left = zip(rows["source_dataset_l"], rows["record_id_l"], strict=True)
    right = zip(rows["source_dataset_r"], rows["record_id_r"], strict=True)
    scored = zip(rows["match_weight"], left, right, strict=True)
    return [(one, other) for _, one, other in sorted(scored, key=lambda row: (-row[0], row[1:]))]


def tuned(data: Data) -> Iterator[tuple[str, list[list[Record]]]]:
    """Yield what each threshold finds: by connected components, and one record of each party."""
    linker = linker_of(data, read(data))
    train(data, linker)
    rows = linker.inference.predict(threshold_match_probability=THRESHOLDS[0]).as_dict()
    if len(data.parties) == 1:
        rows["source_dataset_l"] = rows["source_dataset_r"] = data.parties * len(
            rows["match_weight"]
        )
    best_first = _best_first(rows)
    probability = sorted(rows["match_probability"], reverse=True)
    for threshold in THRESHOLDS:
        pairs = best_first[: sum(p >= threshold for p in probability)]
        yield f"p >= {threshold}, components", components(pairs)
        if data.clean:
            yield f"p >= {threshold}, one to one", one_record_of_each_party(pairs)


def rates(data: Data) -> dict[str, float]:
    tables = read(data)
    for _ in range(2):  # the second time is warm
        linker = linker_of(data, tables)
        train(data, linker)
        seconds = seconds_of(
            lambda it=linker: it.inference.predict(threshold_match_probability=PROBABILITY)
        )
    n_pairs = len(linker.inference.predict().as_dict()["match_probability"])
    return {"pairs_compared": n_pairs, "pairs_per_second": n_pairs / seconds}


if __name__ == "__main__":
    main(link=link, rates=rates, tuned=tuned, packages=["splink", "duckdb", "pyarrow"])
