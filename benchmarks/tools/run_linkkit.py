"""Links with linkkit: keyed encodings of each field, all pairs compared, weights learned."""

from __future__ import annotations

from typing import Any

from common import Data, Record, Stages, main, pairs_of, seconds_of

KINDS = {
    "given_name": "given_name",
    "middle_initial": "text",
    "surname": "surname",
    "birth_date": "date",
    "age": "number",
    "sex": "sex",
    "race": "text",
    "ssn": "identifier",
    "income": "identifier",
    "phone": "phone",
    "suburb": "city",
    "city": "city",
    "state": "text",
    "postcode": "postal_code",
    "zipcode": "postal_code",
}
REGIONS = {"anonlink5": "AU"}
ADDRESS = ("street_number", "street", "unit")
WARM_UP_ROWS = 100


def agreement_of(data: Data, profile: str = "field") -> Any:
    import linkkit as lk

    fields: dict[str, Any] = {f: {"column": f} for f in data.fields if f not in ADDRESS}
    fields["birth_date"]["formats"] = ["%Y%m%d"]
    if address := [f for f in ADDRESS if f in data.fields]:
        fields["address"] = {"column": address}
    kinds = {**KINDS, "address": "street_address"}
    schema = {f: {"kind": kinds[f]} for f in fields}
    if data.name in REGIONS and "phone" in schema:
        schema["phone"]["region"] = REGIONS[data.name]
    parties = {
        party: {
            "name": party,
            "one_record_per_person": data.clean,
            "record_id": "record_id",
            "linkage_fields": _held_fields(data, party, fields),
        }
        for party in data.parties
    }
    return lk.Agreement.from_document(
        {
            "format": "linkkit-agreement/1",
            "id": f"benchmark-{data.name}",
            "title": "Benchmark",
            "purpose": "Measure.",
            "legal_basis": "Made-up people; no law applies.",
            "years": {"first": 2020, "last": 2030},
            "destroy_by": "2999-12-31",
            "linkage": {"profile": profile, "fields": schema},
            "parties": parties,
            "linkage_unit": {"name": "linkage unit"},
            "steward": {"name": "steward"},
            "protection": {
                "smallest_cell": 10,
                "quasi_identifiers": {f"in_{data.parties[0]}": {}},
            },
        }
    )


def _held_fields(data: Data, party: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of which a party has any value."""
    rows = data.rows(party)
    held = {
        field for place, field in enumerate(data.fields, start=1) if any(r[place] for r in rows)
    }
    answer = {}
    for name, source in fields.items():
        wanted = source["column"]
        columns = [x for x in ([wanted] if isinstance(wanted, str) else wanted) if x in held]
        if columns:
            answer[name] = {**source, "column": columns}
    return answer


def link(data: Data, stages: Stages) -> list[tuple[Record, Record]]:
    with stages("import"):
        import linkkit as lk

        encode, link_extracts = lk.encode, lk.link
    with stages("read"):
        agreement = agreement_of(data)
        extracts = {party: lk.read_extract(data.path(party)) for party in data.parties}
    with stages("encode"):
        secret = lk.Secret.generate()
        encoded = {p: encode(e, agreement, secret, party=p) for p, e in extracts.items()}
    with stages("link"):
        linked = link_extracts([result.encodings for result in encoded.values()])
    with stages("collect"):
        groups = groups_of(linked, encoded)
    return pairs_of(groups)


def groups_of(linked: Any, encoded: dict[str, Any]) -> list[list[Record]]:
    """Return the records of each person, by party and record id."""
    people = dict(linked.crosswalk.to_pandas()[["token", "person_id"]].to_numpy())
    groups: dict[str, list[Record]] = {}
    for party, result in encoded.items():
        tokens = result.token_map.to_pandas()
        for token, record_id in zip(tokens["token"], tokens["record_id"], strict=True):
            if token in people:  # a row may have been set aside
                groups.setdefault(people[token], []).append((party, record_id))
    return list(groups.values())


def rates(data: Data) -> dict[str, float]:
    import linkkit as lk

    agreement, secret = agreement_of(data), lk.Secret.generate()
    extracts = {party: lk.read_extract(data.path(party)) for party in data.parties}
    for party in data.parties:
        lk.encode(_first_rows(extracts[party]), agreement, lk.Secret.generate(), party=party)
    encoded: list[Any] = []

    def encode_all() -> None:
        for party, extract in extracts.items():
            encoded.append(lk.encode(extract, agreement, secret, party=party).encodings)

    encode_seconds = seconds_of(encode_all)
    return {
        "records_per_second": sum(len(extract) for extract in encoded) / encode_seconds,
        **_compare_rates(encoded),
    }


def _first_rows(extract: Any) -> Any:
    from linkkit.partner.read import Extract

    n = WARM_UP_ROWS
    return Extract(table=extract.table.slice(0, n), rows=extract.rows[:n])


def _compare_rates(encoded: list[Any]) -> dict[str, float]:
    """Time the comparison of all pairs, with weights of a sample and the floor of even odds."""
    import numpy as np

    from linkkit.engines import Partitions, silent
    from linkkit.linkage.block import plan_blocking
    from linkkit.linkage.classify import first_weights
    from linkkit.linkage.compare import compare_all, make_comparison, sample_pairs
    from linkkit.linkage.compare.fields.pairs import CANDIDATE_TYPES
    from linkkit.linkage.pool import make_pool

    pool = make_pool(encoded)
    plan = plan_blocking(pool)
    comparison = make_comparison(pool)
    weights = first_weights(
        pool.spec.filters, sample_pairs(pool, comparison, n_pairs=min(1_000_000, plan.n_pairs))
    )
    floor = float(np.log2(plan.n_pairs / len(pool)))

    def compare(n_threads: int | None) -> None:
        with Partitions(CANDIDATE_TYPES) as store:
            compare_all(
                pool, comparison, plan, weights=weights, floor=floor, store=store,
                max_pairs=100_000_000, n_threads=n_threads, progress=silent,
            )  # fmt: skip

    return {
        "pairs_compared": plan.n_comparisons,
        "pairs_per_second": plan.n_comparisons / seconds_of(lambda: compare(None)),
        "pairs_per_second_one_thread": plan.n_comparisons / seconds_of(lambda: compare(1)),
    }


if __name__ == "__main__":
    main(link=link, rates=rates, packages=["numpy", "numba", "pyarrow", "pandas"])
