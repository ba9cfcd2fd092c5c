"""The tables beside this file are documentation and test at once: each row is standardized.

A heading's table is introduced by ``<!-- kind: date formats: %d/%m/%Y beside: 31/12/2010 -->``:
the kind of field, what the agreement states of the field and the column (``part``, ``formats``,
``nicknames``, ``region``), and other cells of the column. A
cell in backticks is what stands there; the note of a missing one is the rule that made it so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from linkkit.agreement import FIELD_KINDS, Agreement
from linkkit.partner.read import extract_from_frame
from linkkit.partner.standardize import standardize

HERE = Path(__file__).parent


class Row(NamedTuple):
    where: str
    kind: str
    part: str | None
    formats: str | None
    field: dict[str, object]
    beside: tuple[str, ...]
    written: str
    standard: str | None
    note: str


def _cell(text: str) -> str | None:
    if not text.strip().startswith("`"):
        return None
    inner = text.strip()[1:-1]
    return re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), inner)


def _rows(path: Path) -> Iterator[Row]:
    options: dict[str, str] = {}
    for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("<!--"):
            words = re.split(r"(\w+): ", line.removeprefix("<!-- ").removesuffix(" -->"))
            options = {
                key: text.strip() for key, text in zip(words[1::2], words[2::2], strict=True)
            }
        if not line.startswith("| `"):
            continue
        written, standard, note = (part.strip() for part in line.strip("|").split("|"))
        yield Row(
            where=f"{path.stem}.md:{n}",
            kind=options["kind"],
            part=options.get("part"),
            formats=options.get("formats"),
            field={
                "kind": options["kind"],
                "nicknames": "nicknames" in options,
                "region": options.get("region", "US"),
            },
            beside=tuple(options["beside"].split(", ")) if "beside" in options else (),
            written=_cell(written) or "",
            standard=_cell(standard),
            note=note,
        )


ROWS = [row for path in sorted(HERE.glob("*.md")) for row in _rows(path)]


def _agreement(row: Row) -> Agreement:
    source = {"column": "cell", "part": row.part, "formats": row.formats and [row.formats]}
    return Agreement.from_document(
        {
            "format": "linkkit-agreement/1",
            "id": "spec",
            "title": "Spec",
            "purpose": "To show.",
            "legal_basis": "None is needed.",
            "years": {"first": 2020, "last": 2025},
            "destroy_by": "2999-01-01",
            "linkage": {
                "profile": "field",
                "fields": {"field": row.field, "other": {"kind": "text"}},
            },
            "parties": {
                "office": {
                    "name": "Office",
                    "linkage_fields": {
                        "field": {k: v for k, v in source.items() if v is not None},
                        "other": {"column": "other"},
                    },
                }
            },
            "linkage_unit": {"name": "u"},
            "steward": {"name": "s"},
            "protection": {"smallest_cell": 5, "quasi_identifiers": {"in_office": {}}},
        }
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.where} {row.kind}")
def test_a_cell_is_standardized_as_the_table_says(row: Row) -> None:
    cells = [*row.beside * 2, row.written]
    extract = extract_from_frame(pd.DataFrame({"cell": cells, "other": "x"}))
    result = standardize(extract, _agreement(row), party="office")
    assert result.fields["field"].to_pylist()[-1] == row.standard
    rules = [issue.rule for issue in result.issues if len(cells) in issue.rows]
    if row.standard is None and row.part is None:
        assert rules == ([row.note] if row.note else [])
    if row.standard is not None:
        assert rules == []


def test_every_kind_of_field_has_a_table() -> None:
    assert {row.kind for row in ROWS} == set(FIELD_KINDS)
