"""Links with Splink on plain text and DuckDB, as its FEBRL 4 example does.

Blocking rules, comparisons and training follow the example's detailed model, without the social
security number; links are one to one, of probability 0.5 or more.
"""

from __future__ import annotations

from typing import Any

from common import Data, Record, Stages, main, one_record_of_each_party, pairs_of, seconds_of

PROBABILITY = 0.5
SEED = 1
SWAPPED_NAMES = "l.given_name = r.surname and l.surname = r.given_name"


def blocking_rules(data: Data) -> list[Any]:
    from splink import block_on

    rules = [
        block_on("given_name", "surname"),
        SWAPPED_NAMES,
        block_on("birth_date"),
        block_on("street_number", "street"),
    ]
    if "postcode" in data.fields:
        rules += [block_on("suburb", "street"), block_on("postcode")]
    return rules


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
        link_type="link_only",
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
    certain = [
        block_on("given_name", "surname", "birth_date"),
        block_on("given_name", "surname", "street_number", "street"),
    ]
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
    main(link=link, rates=rates, packages=["splink", "duckdb", "pyarrow"])
