"""An agreement of one club about a study, its people, and the check of its files."""

import pyarrow as pa

from linkkit.agreement import Agreement
from linkkit.steward.integrate import IntegratedDataset
from linkkit.steward.release.check import check_files
from linkkit.steward.release.data_files import write_csv, write_parquet


def agreement_of(variables, *, uses=None, payload=(), steward=None, **protection):
    """Load an agreement under which a club sends variables, given with their types.

    The project `study` uses all of them or `uses`; `payload` says which come from elsewhere than
    a column of their own, and `steward` is an identity that can save and load.
    """
    key = {} if steward is None else {"public_key": steward.public.text}
    return Agreement.from_document(
        {
            "format": "linkkit-agreement/1",
            "id": "test-town",
            "title": "Test Town",
            "purpose": "Testing.",
            "legal_basis": "None.",
            "years": {"first": 2023, "last": 2025},
            "destroy_by": "2199-01-01",
            "linkage": {
                "profile": "field",
                "fields": {"born": {"kind": "date"}, "home": {"kind": "postal_code"}},
            },
            "variables": {n: {"type": t, "label": n.title()} for n, t in variables.items()},
            "parties": {
                "club": {
                    "name": "The club",
                    "linkage_fields": {"born": {"column": "B"}, "home": {"column": "Z"}},
                    "payload": {n: {"column": n.upper()} for n in variables} | dict(payload),
                }
            },
            "linkage_unit": {"name": "Unit"},
            "steward": {"name": "Steward", **key},
            "protection": protection,
            "projects": {
                "study": {"purpose": "Study.", "variables": ["in_club", *(uses or variables)]}
            },
        }
    )


def people_of(agreement, **columns):
    """Put people with these columns together, as for the study."""
    n = len(next(iter(columns.values())))
    return IntegratedDataset(
        project="study",
        agreement_id=agreement.id,
        agreement_fingerprint=agreement.fingerprint,
        table=pa.table({"study_id": [f"{i:032x}" for i in range(n)], **columns}),
    )


def check_table(folder, table, promises, *, permitted=None, **options):
    """Write a table's files into a folder, and let the check read them."""
    write_csv(table, folder / "x.csv")
    write_parquet(table, folder / "x.parquet")
    return check_files(
        folder / "x.csv",
        folder / "x.parquet",
        promises=promises,
        id_column="study_id",
        permitted=permitted or table.column_names,
        **options,
    )
