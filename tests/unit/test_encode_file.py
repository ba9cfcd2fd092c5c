"""A file encoded in parts leads to the files that encoding it at once leads to."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from linkkit.agreement import Agreement
from linkkit.engines import ProgressEvent
from linkkit.errors import (
    ExtractError,
    LinkkitError,
    NotAuthorizedError,
    OptionError,
    SealError,
)
from linkkit.exchange import EncodedExtract, Identity
from linkkit.exchange.container import open_sealed, read_manifest
from linkkit.partner.encode import EncodedFiles, EncodeResult, EncodingReport, encode, encode_file
from linkkit.partner.encode import spill as spill_module
from linkkit.partner.encode.spill import Spill
from linkkit.partner.keys import Secret, TokenKey
from linkkit.partner.read import read_extract

Identities = dict[str, Identity]
HOME = ("token-map.csv", "set-aside.csv", "report.txt")

_FIRST = ["Ana", "Bo", "Cy", "Dee", "Eli", "Fay", "Gus", "Ida", "", "N/A"]
_LAST = ["Okoro", "Smith", "Lee", "Núñez", "O'Neil", "van Dam", "", "test"]


def _rows(n: int, *, seed: int = 5) -> list[list[str]]:
    """Rows of 'summer' with all that happens: repeats, copies, clashes, gaps, bad cells."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        person = int(rng.integers(0, max(n * 2 // 3, 1)))
        mine = np.random.default_rng(person)
        day = f"{mine.integers(1, 29)}/{mine.integers(1, 13)}/{mine.integers(2001, 2015)}"
        cells = [
            f"e{person}" if person % 11 else "",
            str(mine.choice(_FIRST)),
            str(mine.choice(_LAST)),
            day if rng.random() > 0.1 else str(rng.choice(["", "31/31/2009", "soon"])),
            str(mine.choice(["F", "M", "?", ""])),
            str(mine.choice(["2138", "02139", "10001", "x", ""])),
            str(rng.choice(["617-555-0101", "6175550199", "12", ""])),
            str(rng.choice(["2023", "2024", "2025", "", "2024-25"])),
            str(rng.choice(["10", "11.5", "many", ""])),
            str(rng.choice(["kept at home", "kept too"])),
        ]
        if rng.random() < 0.02:
            cells = cells[:4]
        rows.append(cells)
        if rng.random() < 0.03:
            rows.append(list(cells))
        if rng.random() < 0.02:
            rows.append([""] * len(cells))
    return rows


_HEADER = [
    "enrollment",
    "first",
    "last",
    "birthday",
    "gender",
    "zip",
    "guardian_phone",
    "summer",
    "days",
    "remarks",
]


def _write(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([_HEADER, *rows])
    return path


def _saved(
    result: EncodeResult, out: Path, agreement: Agreement, identity: Identity
) -> dict[str, Path]:
    party = result.report.party
    result.encodings.save(out / f"{party}.encodings", agreement=agreement, identity=identity)
    result.payload.save(out / f"{party}.payload", agreement=agreement, identity=identity)
    result.save_home(out / "stays-home")
    return {"encodings": out / f"{party}.encodings", "payload": out / f"{party}.payload"}


def _content(path: Path, recipient: Identity, sender: Identity) -> bytes:
    _, content = open_sealed(path, recipient=recipient, signer_of=lambda _: sender.public)
    with content:
        return content.read()


def _assert_alike(
    files: EncodedFiles,
    result: EncodeResult,
    folder: Path,
    agreement: Agreement,
    identities: Identities,
) -> None:
    """Every file is the same as of encoding at once, but for keys and times of the seal."""
    party = result.report.party
    saved = _saved(result, folder / "at-once", agreement, identities[party])
    for name, role in (("encodings", "linkage_unit"), ("payload", "steward")):
        mine = getattr(files, name)
        said = [
            read_manifest(path).model_dump(exclude={"sealed_at"}) for path in (mine, saved[name])
        ]
        assert said[0] == said[1]
        contents = [
            _content(path, identities[role], identities[party]) for path in (mine, saved[name])
        ]
        assert contents[0] == contents[1]
    for name in HOME:
        paths = [home / f"{party}.{name}" for home in (files.home, folder / "at-once/stays-home")]
        assert paths[0].read_bytes() == paths[1].read_bytes(), name
        if os.name == "posix":
            assert paths[0].stat().st_mode & 0o777 == 0o600
    assert files.report == result.report


@dataclass(frozen=True)
class Desk:
    """The party 'summer' with its keys, and a folder."""

    folder: Path
    agreement: Agreement
    identities: Identities
    secret: Secret
    token_key: TokenKey

    def encode_file(self, path: Path, **options: Any) -> EncodedFiles:
        """Encode a file in parts."""
        return encode_file(
            path,
            options.pop("agreement", self.agreement),
            options.pop("secret", self.secret),
            **{
                "party": "summer",
                "identity": self.identities["summer"],
                "out": self.folder / "out",
                "token_key": self.token_key,
                **options,
            },
        )

    def encode(self, path: Path, **reading: Any) -> EncodeResult:
        """Encode it at once."""
        table = read_extract(path, **reading)
        return encode(table, self.agreement, self.secret, party="summer", token_key=self.token_key)

    def assert_alike(self, files: EncodedFiles, result: EncodeResult) -> None:
        _assert_alike(files, result, self.folder, self.agreement, self.identities)

    def assert_nothing_left(self) -> None:
        """Assert that a refused file left no output and no temporary file."""
        assert not (self.folder / "out").exists() or not list((self.folder / "out").iterdir())


@pytest.fixture
def desk(
    tmp_path: Path,
    agreement: Agreement,
    identities: Identities,
    secret: Secret,
    token_key_of: Callable[[str], TokenKey],
) -> Desk:
    return Desk(
        folder=tmp_path,
        agreement=agreement,
        identities=identities,
        secret=secret,
        token_key=token_key_of("summer"),
    )


def _with_ids(rows: list[list[str]]) -> list[list[str]]:
    """Give every row an id, as tokens are random without one."""
    return [[f"x{i}", *row[1:]] if row[0] == "" and any(row) else row for i, row in enumerate(rows)]


# --- The same files --------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "rows_at_once"), [(30, 1), (400, 100), (400, 10_000)])
def test_in_parts_as_at_once(n: int, rows_at_once: int, desk: Desk) -> None:
    path = _write(desk.folder / "summer.csv", _with_ids(_rows(n)))
    files = desk.encode_file(path, rows_at_once=rows_at_once)
    result = desk.encode(path)
    assert result.report.n_set_aside
    assert result.report.issues
    assert result.report.n_repeated
    desk.assert_alike(files, result)
    written = sorted(p.name for p in (desk.folder / "out").iterdir())
    assert written == ["stays-home", "summer.encodings", "summer.payload"]


def test_the_order_of_the_rows_leaves_no_trace(desk: Desk) -> None:
    rows = [row for row in _with_ids(_rows(150)) if len(row) == len(_HEADER) and any(row)]
    contents = []
    for name, ordered in (("a", rows), ("b", rows[::-1])):
        path = _write(desk.folder / f"{name}.csv", ordered)
        files = desk.encode_file(path, out=desk.folder / name, rows_at_once=40)
        contents.append(
            _content(files.encodings, desk.identities["linkage_unit"], desk.identities["summer"])
        )
    assert contents[0] == contents[1]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
def test_text_in_any_encoding_and_form(encoding: str, desk: Desk) -> None:
    rows = [row for row in _with_ids(_rows(60)) if any(row)]
    text = "\r\n".join(";".join(row) for row in [["made up"], _HEADER, *rows])
    path = desk.folder / "summer.txt"
    path.write_bytes(text.encode(encoding))
    desk.assert_alike(
        desk.encode_file(path, rows_at_once=20, header_row=2), desk.encode(path, header_row=2)
    )


def test_cells_of_several_lines_are_counted_in_the_report(desk: Desk) -> None:
    rows = [row for row in _with_ids(_rows(60)) if len(row) == len(_HEADER) and any(row)]
    for i in (4, 40):
        rows[i][-1] = "one\ntwo"
    path = _write(desk.folder / "summer.csv", rows)
    files = desk.encode_file(path, rows_at_once=7)
    assert "rows with a line break in a cell: 2 (rows 5, 41)" in files.report.notes
    desk.assert_alike(files, desk.encode(path))


def test_parquet_of_several_row_groups(desk: Desk) -> None:
    rows = [row for row in _with_ids(_rows(200)) if len(row) == len(_HEADER)]
    table = pa.table(dict(zip(_HEADER, map(list, zip(*rows, strict=True)), strict=True)))
    pq.write_table(table, desk.folder / "summer.parquet", row_group_size=70)
    path = desk.folder / "summer.parquet"
    desk.assert_alike(desk.encode_file(path, rows_at_once=50), desk.encode(path))


def test_a_workbook(desk: Desk) -> None:
    rows = [row for row in _with_ids(_rows(60)) if len(row) == len(_HEADER) and any(row)]
    path = desk.folder / "summer.xlsx"
    pd.DataFrame(rows, columns=_HEADER).to_excel(path, index=False)
    desk.assert_alike(desk.encode_file(path, rows_at_once=20), desk.encode(path))


def test_what_only_the_whole_column_shows_counts_for_every_part(desk: Desk) -> None:
    # One cell of a hundred says that the day comes first, and that ZIP codes lost zeros.
    rows = [
        [f"i{i}", "Ana", "Lee", "03/04/2009", "", "2138", "", "2024", "1", ""] for i in range(9)
    ]
    rows += [["z", "Bo", "Lee", "25/12/2009", "", "02139", "", "2024", "1", ""]]
    rows += [
        [f"j{i}", "Bo", "Lee", "25/12/2009", "", "02139", "", "2024", "1", ""] for i in range(9)
    ]
    path = _write(desk.folder / "summer.csv", rows)
    files, result = desk.encode_file(path, rows_at_once=1), desk.encode(path)
    assert "birth_date: read as day first where it is ambiguous" in str(files.report)
    assert "postal_code: ZIP codes; lost leading zeros are put back" in str(files.report)
    desk.assert_alike(files, result)


def test_a_column_with_more_zip_plus_4_than_plain_codes(desk: Desk) -> None:
    # Votes of a part may be negative, and still have to add up.
    codes = ["02139-1234"] * 5 + ["2138"] * 3
    rows = [
        [f"i{i}", "Ana", "Lee", "2009-03-04", "", x, "", "2024", "1", ""]
        for i, x in enumerate(codes)
    ]
    path = _write(desk.folder / "summer.csv", rows)
    desk.assert_alike(desk.encode_file(path, rows_at_once=1), desk.encode(path))


@pytest.mark.parametrize("profile", ["standard", "hardened"])
def test_passes(profile: str, desk: Desk, agreement_document: dict[str, Any]) -> None:
    agreement_document["linkage"]["profile"] = profile
    other = Agreement.from_document(agreement_document)
    path = _write(desk.folder / "summer.csv", _with_ids(_rows(60)))
    files = desk.encode_file(path, agreement=other, rows_at_once=25)
    whole = encode(
        read_extract(path), other, desk.secret, party="summer", token_key=desk.token_key
    ).encodings
    options: dict[str, Any] = {"agreement": other, "identity": desk.identities["linkage_unit"]}
    parts = list(EncodedExtract.load_batches(files.encodings, **options))
    loaded = EncodedExtract.load(files.encodings, **options)
    assert sum(map(len, parts)) == len(loaded) == len(whole)
    np.testing.assert_array_equal(loaded.tokens, whole.tokens)
    assert loaded.canaries == whole.canaries
    assert loaded.spec == whole.spec


def test_blocking_keys(desk: Desk, agreement_document: dict[str, Any]) -> None:
    agreement_document["linkage"]["blocking_keys"] = {
        "sound_year": [
            {"field": "surname", "by": "soundex"},
            {"field": "birth_date", "by": "year"},
        ],
        "code": [{"field": "postal_code", "by": 3}, {"field": "given_name", "by": "nysiis"}],
    }
    keyed = replace(desk, agreement=Agreement.from_document(agreement_document))
    path = _write(desk.folder / "summer.csv", _with_ids(_rows(300)))
    files, result = keyed.encode_file(path, rows_at_once=40), keyed.encode(path)
    keyed.assert_alike(files, result)
    options: dict[str, Any] = {
        "agreement": keyed.agreement,
        "identity": desk.identities["linkage_unit"],
    }
    loaded = EncodedExtract.load(files.encodings, **options)
    np.testing.assert_array_equal(loaded.block_keys, result.encodings.block_keys)
    parts = list(EncodedExtract.load_batches(files.encodings, **options))
    np.testing.assert_array_equal(np.vstack([x.block_keys for x in parts]), loaded.block_keys)
    assert 0 < np.count_nonzero(loaded.block_keys == 0) < loaded.block_keys.size


def test_rows_without_an_id_get_random_tokens(desk: Desk) -> None:
    path = _write(desk.folder / "summer.csv", _rows(200))
    files, result = desk.encode_file(path, rows_at_once=50), desk.encode(path)
    assert files.report == result.report
    assert files.report.n_without_id
    home = [pd.read_csv(files.home / "summer.token-map.csv"), result.token_map.to_pandas()]
    assert home[0]["row"].tolist() == home[1]["row"].tolist()
    same = home[0]["token"] == home[1]["token"]
    assert (same == home[1]["record_id"].notna()).all()


def test_progress_is_told_and_an_interruption_leaves_nothing(desk: Desk) -> None:
    path = _write(desk.folder / "summer.csv", _rows(100))
    events: list[ProgressEvent] = []
    desk.encode_file(path, rows_at_once=30, progress=events.append, out=desk.folder / "first")
    stages = list(dict.fromkeys(event.stage for event in events))
    assert stages[:2] == ["read", "encode"]
    assert {"write encodings", "write payload"} <= set(stages)
    assert all(0 <= event.done <= event.total for event in events)
    for stop_at in range(0, len(events), 3):
        left = iter(range(stop_at))

        def stop(event: ProgressEvent, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            desk.encode_file(path, rows_at_once=30, progress=stop)
        desk.assert_nothing_left()


def test_every_part_of_a_report_is_added_up() -> None:
    # What a report says more has to be added up over parts, too: see Tally.
    assert {field.name for field in fields(EncodingReport)} == {
        "party", "n_rows", "n_records", "n_set_aside", "n_repeated", "missing", "not_brought",
        "n_without_id", "issues", "columns_left", "notes",
    }  # fmt: skip


# --- Refusals --------------------------------------------------------------------------------


def _refusal(desk: Desk, path: Path, **options: Any) -> LinkkitError:
    with pytest.raises(LinkkitError) as caught:
        desk.encode_file(path, rows_at_once=10, **options)
    desk.assert_nothing_left()
    assert caught.value.__context__ is None
    return caught.value


def test_rows_outside_the_years_are_counted_over_all_parts(desk: Desk) -> None:
    rows = [[f"i{i}", "Ana", "Lee", "2009-03-04", "", "", "", "2031", "1", ""] for i in range(45)]
    path = _write(desk.folder / "summer.csv", rows)
    with pytest.raises(NotAuthorizedError) as whole:
        desk.encode(path)
    error = _refusal(desk, path)
    assert str(error) == str(whole.value)
    assert "45 rows of 'summer' lie outside 2023 to 2025" in str(error)


def test_a_file_without_a_record_is_refused(desk: Desk) -> None:
    rows = [[f"i{i}", "", "", "", "", "", "", "2024", "1", "x"] for i in range(25)]
    path = _write(desk.folder / "summer.csv", rows)
    with pytest.raises(ExtractError) as whole:
        desk.encode(path)
    assert str(_refusal(desk, path)) == str(whole.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("a,b\n", "column 'enrollment' of the agreement is missing"),
        (",".join(_HEADER) + "\n", "there is a header and no row below it"),
        (",".join(_HEADER) + "\n1,2\n3\n", "none of the 2 rows can be read"),
        (",".join(_HEADER) + '\n1,"2\n' + "x,y\n" * 50, "a quote that opens near line 2"),
        (",".join(_HEADER) + "\n" + "x" * (2**24 + 1), "a line of more than 16777216 characters"),
        ("first,first\n1,2\n", "a name appears more than once"),
    ],
)
def test_a_file_that_is_no_extract_is_refused(text: str, said: str, desk: Desk) -> None:
    path = desk.folder / "summer.csv"
    path.write_text(text, encoding="utf-8")
    error = _refusal(desk, path)
    assert error.code == "extract"
    assert said in str(error)


def test_wrong_people_and_keys_are_refused_before_anything_is_read(desk: Desk) -> None:
    path = desk.folder / "not-there.csv"
    for options, code in (
        ({"identity": desk.identities["jobs"]}, "not_authorized"),
        ({"party": "nobody"}, "not_authorized"),
        ({"secret": b"x"}, "secret"),
        ({"token_key": b"x"}, "secret"),
    ):
        assert _refusal(desk, path, **options).code == code
    assert _refusal(desk, path).code == "extract"
    with pytest.raises(OptionError, match="'rows_at_once' is at least 1"):
        desk.encode_file(path, rows_at_once=0)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ({"rows_at_once": "7"}, "option", "'rows_at_once' is a whole number, not str"),
        ({"rows_at_once": 1.5}, "option", "'rows_at_once' is a whole number, not float"),
        ({"rows_at_once": True}, "option", "'rows_at_once' is a whole number, not bool"),
        ({"out": None}, "option", "'out' is the path of a folder, not NoneType"),
        ({"out": b"out"}, "option", "'out' is the path of a folder, not bytes"),
        ({"scratch": 5}, "option", "'scratch' is the path of a folder, not int"),
        ({"scratch": "a\0"}, "seal", "the temporary file cannot be written (ValueError)"),
        ({"progress": None}, "option", "'progress' is a function, not NoneType"),
        ({"identity": None}, "secret", "'identity' must be an Identity, not NoneType"),
        ({"header_row": "1"}, "option", "'header_row' is a whole number, not str"),
        ({"delimiter": 5}, "option", "'delimiter' is text, not int"),
        ({"encoding": 5}, "option", "'encoding' is text, not int"),
        ({"sheet": 5}, "option", "'sheet' is text, not int"),
    ],
)
def test_options_of_another_type_are_named(
    options: dict[str, Any], code: str, said: str, desk: Desk
) -> None:
    path = _write(desk.folder / "summer.csv", _rows(5))
    with pytest.raises(LinkkitError) as caught:
        desk.encode_file(path, **options)
    assert (caught.value.code, said in str(caught.value)) == (code, True)
    assert caught.value.hint
    assert caught.value.__context__ is None
    desk.assert_nothing_left()


@pytest.mark.parametrize("thing", [pd.DataFrame({"a": [1]}), None, b"a.csv", 5])
def test_what_is_in_memory_is_no_file(thing: Any, desk: Desk) -> None:
    said = f"named by its path, not by {type(thing).__name__}"
    with pytest.raises(OptionError, match=said) as caught:
        desk.encode_file(thing)
    assert "linkkit.encode" in caught.value.hint
    with pytest.raises(OptionError, match=said):
        read_extract(thing)


def test_a_folder_that_cannot_be_written_is_refused(desk: Desk) -> None:
    path = _write(desk.folder / "summer.csv", _rows(5))
    (desk.folder / "out").write_text("in the way", encoding="utf-8")
    with pytest.raises(SealError, match="the folder for what is written cannot be used"):
        desk.encode_file(path)


# --- What waits on disk ----------------------------------------------------------------------


def test_nothing_of_a_person_is_ever_on_disk(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    write = Spill._write

    def note(self: Spill, number: int, rows: pa.Table) -> None:
        write(self, number, rows)
        self._file.flush()
        self._file.seek(0)
        seen.append(self._file.read())

    monkeypatch.setattr(Spill, "_write", note)
    rows = [
        [f"i{i}", "MARKERNAME", "Lee", "2009-03-04", "", "", "", "2024", "1", ""] for i in range(40)
    ]
    desk.encode_file(_write(desk.folder / "summer.csv", rows), rows_at_once=10)
    assert len(seen) > 8
    assert not any(b"MARKER" in content or b"given_name" in content for content in seen)


def test_a_temporary_file_that_is_altered_is_noticed(tmp_path: Path) -> None:
    with Spill(tmp_path, n_parts=2) as spill:
        spill.add(pa.table({"a": list(range(100))}), np.arange(100) % 2)
        assert spill.part(1).column("a").to_pylist() == list(range(1, 100, 2))
        for number, (_, place) in enumerate(blocks[0] for blocks in spill._blocks):
            spill._file.seek(place + 20)
            byte = spill._file.read(1)[0]
            spill._file.seek(place + 20)
            spill._file.write(bytes([byte ^ 1]))
            with pytest.raises(SealError, match="the temporary file was altered") as caught:
                spill.part(number)
            assert caught.value.__context__ is None


def test_a_full_disk_is_a_linkkit_error(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def write(self, content: bytes) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        spill_module.tempfile,
        "TemporaryFile",
        lambda make=spill_module.tempfile.TemporaryFile, **options: Full(make(**options)),
    )
    path = _write(desk.folder / "summer.csv", _rows(50))
    assert "the temporary file cannot be written (OSError)" in str(_refusal(desk, path))
