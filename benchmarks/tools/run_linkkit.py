"""Links with linkkit: keyed encodings of each field, all pairs compared, weights learned."""

from __future__ import annotations

from typing import Any

from common import Data, Record, Stages, main, pairs_of, seconds_of

KINDS = {
    "given_name": "given_name",
    "middle_initial": "text",
    "surname": "surname",
    "birth_date": "date",
    "sex": "sex",
    "suburb": "city",
    "postcode": "postal_code",
}
ADDRESS = ("street_number", "street", "unit")
WARM_UP_ROWS = 100


def agreement_of(data: Data) -> Any:
    import linkkit as lk

    fields: dict[str, Any] = {f: {"column": f} for f in data.fields if f not in ADDRESS}
    fields["birth_date"]["formats"] = ["%Y%m%d"]
    fields["address"] = {"column": [f for f in ADDRESS if f in data.fields]}
    kinds = {**KINDS, "address": "street_address"}
    party = {"one_record_per_person": True, "record_id": "record_id", "linkage_fields": fields}
    return lk.Agreement.from_document(
        {
            "format": "linkkit-agreement/1",
            "id": f"benchmark-{data.name}",
            "title": "Benchmark",
            "purpose": "Measure.",
            "legal_basis": "Made-up people; no law applies.",
            "years": {"first": 2020, "last": 2030},
            "destroy_by": "2999-12-31",
            "linkage": {"profile": "field", "fields": {f: {"kind": kinds[f]} for f in fields}},
            "parties": {p: {"name": p, **party} for p in data.parties},
            "linkage_unit": {"name": "linkage unit"},
            "steward": {"name": "steward"},
            "protection": {
                "smallest_cell": 10,
                "quasi_identifiers": {f"in_{data.parties[0]}": {}},
            },
        }
    )


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
        people = dict(linked.crosswalk.to_pandas()[["token", "person_id"]].to_numpy())
        groups: dict[str, list[Record]] = {}
        for party, result in encoded.items():
            tokens = result.token_map.to_pandas()
            for token, record_id in zip(tokens["token"], tokens["record_id"], strict=True):
                groups.setdefault(people[token], []).append((party, record_id))
    return pairs_of(list(groups.values()))


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
    """Time the comparison stage alone, with the weights and floor that link() would use."""
    from linkkit.engines import silent
    from linkkit.linkage.block import plan_blocking
    from linkkit.linkage.compare import compare_all, make_comparison
    from linkkit.linkage.link import _candidates
    from linkkit.linkage.pool import make_pool

    pool = make_pool(encoded)
    plan = plan_blocking(pool)
    comparison = make_comparison(pool)
    _, _, weights, floor = _candidates(pool, plan, comparison, n_threads=None, progress=silent)

    def per_second(n_threads: int | None) -> float:
        seconds = seconds_of(
            lambda: compare_all(comparison, plan, weights=weights, floor=floor, n_threads=n_threads)
        )
        return plan.n_comparisons / seconds

    return {
        "pairs_compared": plan.n_comparisons,
        "pairs_per_second": per_second(None),
        "pairs_per_second_one_thread": per_second(1),
    }


if __name__ == "__main__":
    main(link=link, rates=rates, packages=["numpy", "numba", "pyarrow", "pandas"])
