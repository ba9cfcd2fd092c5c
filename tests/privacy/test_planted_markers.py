"""Markers stand in every column of every party, good cells and broken ones; nothing shows them.

Every step that exists runs here, in calls that work and calls that fail. All that a person at
another desk could see is searched: errors with their whole chain, warnings, logs, output, what
objects say of themselves, and every byte of every file that leaves the partner zone. A new step
is one more line in `STEPS`, and one in `LEAVING` if it makes a file.
"""

from __future__ import annotations

import copy
import dataclasses
import io
import logging
import traceback
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pytest

import linkkit as lk
from linkkit.agreement import Agreement
from linkkit.errors import LinkkitError
from linkkit.exchange import Crosswalk, EncodedExtract, Identity, PayloadExtract
from linkkit.exchange.container import open_sealed
from linkkit.exchange.identity import PublicIdentity
from linkkit.linkage import LinkResult, link
from linkkit.partner.encode import EncodeResult, encode
from linkkit.partner.keys import Secret, TokenKey
from linkkit.partner.read import extract_from_frame, read_extract
from linkkit.partner.standardize import standardize

WORD, DAY, PHONE, ZIP, NUMBER = "Zqxmarker", "1987-09-23", "713-555-0199", "86753", "48484.25"
SERIAL = 987_654_321
PAYLOAD_WORD = "Zqxpayload"
OF_PEOPLE = ("zqxmarker", "1987-09-23", "19870923", "09/23/1987", "7135550199", PHONE, ZIP,
             str(SERIAL))  # fmt: skip
OF_PAYLOAD = ("zqxpayload", "48484")
EVERY = OF_PEOPLE + OF_PAYLOAD


# --- The search ------------------------------------------------------------------------------


def _spellings(marker: str) -> Iterator[bytes]:
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        yield marker.encode(encoding)
    yield marker.encode().hex().encode()


def markers_in(content: str | bytes, markers: Iterable[str] = EVERY) -> list[str]:
    """Return the markers that stand in a text or in bytes, in any usual spelling."""
    raw = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    lowered = raw.lower()
    return [marker for marker in markers if any(s in lowered for s in _spellings(marker))]


def all_of_error(error: BaseException | None) -> Iterator[str]:
    """Yield all that an error carries, along causes and contexts, suppressed ones too."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        item = waiting.pop()
        if item is None or id(item) in seen:
            continue
        seen.add(id(item))
        yield from traceback.format_exception(item)
        yield repr((item.args, vars(item), getattr(item, "__notes__", ())))
        yield from (repr(getattr(item, name, "")) for name in ("object", "doc", "obj", "filename"))
        waiting += [item.__cause__, item.__context__, *getattr(item, "exceptions", ())]


def all_of_object(thing: Any, depth: int = 3) -> Iterator[str]:
    """Yield what an object of linkkit says of itself, and what its parts do."""
    yield repr(thing)
    yield str(thing)
    yield f"{thing}"
    if depth and dataclasses.is_dataclass(thing):
        for field in dataclasses.fields(thing):
            part = getattr(thing, field.name)
            if type(part).__module__.startswith("linkkit"):
                yield from all_of_object(part, depth - 1)


def all_of_table(table: pa.Table) -> Iterator[bytes | str]:
    """Yield the raw buffers of a table, its metadata and its values as text."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    yield sink.getvalue()
    yield repr(table.schema.metadata)
    yield repr(table.to_pydict())


@dataclasses.dataclass
class Seen:
    """What a call let out, and what it returned or raised."""

    shown: list[str]
    result: Any = None
    error: BaseException | None = None


def watch(call: Callable[[], Any], caplog: Any, capfd: Any) -> Seen:
    """Run a call and collect all that it shows."""
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    capfd.readouterr()
    seen = Seen(shown=[])
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            seen.result = call()
        except Exception as error:  # noqa: BLE001  # whatever comes, it is searched
            seen.error = error
    seen.shown += [caplog.text, *(repr(record.args) for record in caplog.records)]
    seen.shown += [str(item.message) for item in warned]
    seen.shown += list(capfd.readouterr())
    seen.shown += all_of_error(seen.error)
    if seen.error is None:
        parts = seen.result if isinstance(seen.result, (list, tuple)) else [seen.result]
        for part in parts:
            if type(part).__module__.startswith("linkkit"):
                seen.shown += all_of_object(part)
    return seen


def leaks(seen: Seen) -> list[str]:
    return sorted({marker for text in seen.shown for marker in markers_in(text)})


# --- The world -------------------------------------------------------------------------------


def marked(n: int, tag: str) -> list[str]:
    return [f"{WORD}{tag}{chr(97 + i)}" for i in range(n)]


def district_frame() -> pd.DataFrame:
    n = 8
    years = ["2023-24"] * n
    return pd.DataFrame(
        {
            "STUDENT_NO": [*marked(6, "id"), f"{WORD}twice", f"{WORD}twice"],
            "STUDENT NAME": [f"{a}, {b}" for a, b in zip(marked(n, "s"), marked(n, "g"), strict=True)],
            # One good day, days that there are not, and no days at all; an id with two days.
            "DOB": ["09/23/1987", "09/23/1987", "02/31/1987", WORD, "23.09.1987", "",
                    "09/23/1987", "09/24/1987"],
            "SEX": ["F", "M", WORD, "", "U", "X", "F", "M"],
            "STREET_NO": ["713"] * n,
            "STREET_NAME": [f"{WORD} Street"] * (n - 1) + [WORD * 60],
            "ZIP": [ZIP] * n,
            "PHONE": [PHONE, PHONE, f"call {WORD}", PHONE * 3, "", PHONE, PHONE, PHONE],
            "SCHOOL_YR": years,
            "Att. %": [NUMBER, PAYLOAD_WORD, "", "N/A", "1e999", "(5)", NUMBER, NUMBER],
            "RACE": [PAYLOAD_WORD] * n,
            "NOTES": [f"{WORD} {PAYLOAD_WORD}"] * n,
        }
    )  # fmt: skip


def summer_frame() -> pd.DataFrame:
    n = 6
    return pd.DataFrame(
        {
            "enrollment": marked(n, "e"),
            "first": marked(n, "g"),
            "last": marked(n, "s"),
            "birthday": [DAY] * (n - 1) + ["31/02/1987"],
            "gender": [WORD] * n,
            "zip": [ZIP] * n,
            "guardian_phone": [PHONE] * n,
            "summer": ["2024"] * n,
            "days": pd.Series([1, NUMBER, PAYLOAD_WORD, None, np.nan, 48484.25], dtype=object),
        }
    )


def jobs_frame() -> pd.DataFrame:
    n = 5
    odd = [WORD, WORD.encode(), [WORD], {WORD: WORD}, pd.NaT]
    return pd.DataFrame(
        {
            "FirstName": pd.Series(odd, dtype=object),
            "LastName": marked(n, "s"),
            "BirthDate": pd.Series([DAY, pd.Timestamp(DAY), None, 31985, WORD], dtype=object),
            "Mobile": [PHONE] * n,
            "Hours": [NUMBER, PAYLOAD_WORD, "1", "2", ""],
        }
    )


@dataclasses.dataclass
class World:
    """Everything that steps start from."""

    agreement: Agreement
    identities: dict[str, Identity]
    secret: Secret
    token_key: TokenKey
    folder: Path
    encoded: dict[str, EncodeResult] = dataclasses.field(default_factory=dict)
    linked: LinkResult | None = None

    def encode(self, frame: Any, party: str = "district", **options: Any) -> EncodeResult:
        agreement = options.pop("agreement", self.agreement)
        options = {"token_key": self.token_key} | options
        return encode(frame, agreement, self.secret, party=party, **options)

    def write(self, content: str | bytes, name: str = "made-up.csv") -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def csv(self, frame: pd.DataFrame, end: str | bytes = "", *, header: bool = True) -> Path:
        raw = frame.to_csv(index=False, header=header).encode()
        return self.write(raw + (end.encode() if isinstance(end, str) else end))

    def agreement_with(self, **clauses: Any) -> Agreement:
        document = copy.deepcopy(self.agreement.model_dump(mode="json", exclude_none=True))
        return Agreement.from_document(document | clauses)


FRAMES = {"district": district_frame, "summer": summer_frame, "jobs": jobs_frame}


def extracts(world: World) -> list[EncodedExtract]:
    return [result.encodings for result in world.encoded.values()]


@pytest.fixture(scope="module")
def world(
    agreement: Agreement, identities: dict[str, Identity], secret: Secret,
    token_key_of: Callable[[str], TokenKey], tmp_path_factory: pytest.TempPathFactory,
) -> World:  # fmt: skip
    made = World(
        agreement=agreement,
        identities=identities,
        secret=secret,
        token_key=token_key_of("district"),
        folder=tmp_path_factory.mktemp("leaving"),
    )
    for party, frame in FRAMES.items():
        made.encoded[party] = made.encode(frame(), party)
    made.linked = link(extracts(made))
    return made


def workbook(world: World, *, number_format: str = "General", damage: bool = False) -> Path:
    book = openpyxl.Workbook()
    page = book.active
    for row in (["id", "name", "n"], [WORD, WORD, SERIAL]):
        page.append(row)
    page["C2"].number_format = number_format
    path = world.folder / "made-up.xlsx"
    book.save(path)
    if damage:
        with zipfile.ZipFile(path) as source:
            files = {name: source.read(name) for name in source.namelist()}
        sheet = "xl/worksheets/sheet1.xml"
        files[sheet] = files[sheet].replace(str(SERIAL).encode(), WORD.encode())
        with zipfile.ZipFile(path, "w") as target:
            for name, raw in files.items():
                target.writestr(name, raw)
    return path


def broken_text() -> pa.Table:
    raw = WORD.encode() + b"\xff"
    offsets = pa.array([0, len(raw)], pa.int32()).buffers()[1]
    names = pa.StringArray.from_buffers(1, offsets, pa.py_buffer(raw))
    table = pa.Table.from_pandas(district_frame().head(1), preserve_index=False)
    return table.set_column(table.column_names.index("STUDENT NAME"), "STUDENT NAME", names)


def raising_progress(event: object) -> None:
    raise RuntimeError("stopped")


def lone_surrogate() -> pd.DataFrame:
    frame = district_frame()
    names = [f"{name}\udcff" for name in frame["STUDENT NAME"]]
    frame["STUDENT NAME"] = pd.Series(names, dtype=object)
    return frame


def as_another_party(world: World) -> EncodedExtract:
    return dataclasses.replace(world.encoded["summer"].encodings, key_check="f" * 32)


def save(world: World, artifact: Any, role: str, name: str) -> Path:
    return artifact.save(
        world.folder / name, agreement=world.agreement, identity=world.identities[role]
    )


def joined(world: World, *, project: str = "gaps-2026") -> Any:
    payloads = [result.payload for result in world.encoded.values()]
    return lk.integrate(payloads, world.linked.crosswalk, world.agreement, project=project)


STEPS: dict[str, Callable[[World], Any]] = {
    # Reading
    "read frames": lambda w: [extract_from_frame(make()) for make in FRAMES.values()],
    "read a file": lambda w: read_extract(w.csv(district_frame())),
    "read ragged rows": lambda w: read_extract(w.csv(district_frame(), f"{WORD}\n{WORD},{WORD}\n")),
    "read an open quote": lambda w: read_extract(w.csv(district_frame(), f'"{WORD}\n{WORD}\n')),
    "read undecodable cells": lambda w: read_extract(w.csv(district_frame(), WORD.encode() + b"\x81\n")),
    "read in another encoding": lambda w: read_extract(w.csv(district_frame(), "é"), encoding="ascii"),
    "read NUL bytes": lambda w: read_extract(w.csv(district_frame(), f"{WORD}\0\n")),
    "read a wrong header row": lambda w: read_extract(w.csv(district_frame()), header_row=99),
    "read a header of people": lambda w: read_extract(w.write(f"a,{WORD},{WORD}\n1,2,3\n")),
    "read a workbook": lambda w: read_extract(workbook(w)),
    "read a damaged workbook": lambda w: read_extract(workbook(w, damage=True)),
    "read an impossible date": lambda w: read_extract(workbook(w, number_format="yyyy-mm-dd")),
    "read no workbook": lambda w: read_extract(w.write(WORD, "x.xlsx")),
    "read no Parquet": lambda w: read_extract(w.write(WORD, "x.parquet")),
    "read no frame": lambda w: extract_from_frame([WORD]),
    "read broken text": lambda w: w.encode(broken_text()),
    "read a lone surrogate": lambda w: w.encode(lone_surrogate()),
    "read columns twice": lambda w: w.encode(pd.concat([district_frame()] * 2, axis=1)),
    # Standardizing
    "standardize": lambda w: standardize(
        extract_from_frame(district_frame()), w.agreement, party="district"
    ),
    # Encoding
    "encode every party": lambda w: [w.encode(make(), party) for party, make in FRAMES.items()],
    "encode a file": lambda w: w.encode(w.csv(district_frame(), f"{WORD}\n")),
    "encode a file without a header": lambda w: w.encode(w.csv(district_frame(), header=False)),
    "encode another party's frame": lambda w: w.encode(summer_frame()),
    "encode with columns missing": lambda w: w.encode(district_frame().drop(columns=["DOB", "ZIP"])),
    "encode years outside": lambda w: w.encode(district_frame().assign(SCHOOL_YR="1987")),
    "encode nobody": lambda w: w.encode(district_frame().iloc[[2]].assign(
        **dict.fromkeys(["STUDENT NAME", "STREET_NO", "STREET_NAME", "ZIP"]))),
    "encode for a stranger": lambda w: w.encode(district_frame(), "winter"),
    "encode with no secret": lambda w: encode(district_frame(), w.agreement, WORD, party="district"),
    "encode with no agreement": lambda w: encode(district_frame(), {}, w.secret, party="district"),
    "encode a value": lambda w: w.encode([WORD]),
    "save the token map": lambda w: str(w.encoded["district"].token_map.save(w.folder / "m.csv")),
    # Linking
    "link": lambda w: link(extracts(w)),
    "link by keys": lambda w: link(extracts(w), exhaustive_limit=0),
    "link twice the same": lambda w: link(extracts(w) * 2),
    "link results": lambda w: link([*w.encoded.values()]),
    "link frames": lambda w: link([district_frame(), WORD]),
    "link under another secret": lambda w: link([extracts(w)[0], as_another_party(w)]),
    "link and stop": lambda w: link(extracts(w), progress=raising_progress),
    "link with a bad option": lambda w: link(extracts(w), threshold=7),
    # Steward
    "integrate": lambda w: joined(w),
    "integrate a frame": lambda w: lk.integrate(
        [district_frame()], w.linked.crosswalk, w.agreement, project="gaps-2026"),
    "integrate for nobody": lambda w: joined(w, project="gossip"),
    "protect": lambda w: lk.protect(joined(w), w.agreement),
    "protect a frame": lambda w: lk.protect(district_frame(), w.agreement),
    "release a frame": lambda w: lk.release(district_frame(), w.folder / "out"),
    # Saving
    "save encodings": lambda w: str(save(w, extracts(w)[0], "district", "d.encodings")),
    "save payload": lambda w: str(save(w, w.encoded["district"].payload, "district", "d.payload")),
    "save a crosswalk": lambda w: str(save(w, w.linked.crosswalk, "linkage_unit", "x.crosswalk")),
    "save as somebody else": lambda w: save(w, extracts(w)[0], "steward", "no.encodings"),
    "save into nowhere": lambda w: save(w, extracts(w)[0], "district", "m.csv/no/no.encodings"),
}  # fmt: skip

MAY_SHOW = {
    "read a header of people": "column names are shown, and here they are people",
    "read a damaged workbook": "openpyxl's error comes through with the cell",
    "read an impossible date": "openpyxl warns with the number in the cell",
    "read broken text": "UnicodeDecodeError comes through with the cell",
    "read a lone surrogate": "UnicodeEncodeError comes through with the cell",
    "encode a file without a header": "column names are shown, and here they are people",
}


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(
            name, marks=pytest.mark.xfail(reason=MAY_SHOW[name]) if name in MAY_SHOW else ()
        )
        for name in STEPS
    ],
)
def test_a_step_shows_no_marker(world: World, step: str, caplog: Any, capfd: Any) -> None:
    seen = watch(lambda: STEPS[step](world), caplog, capfd)
    assert leaks(seen) == []


def test_every_error_is_linkkits_own(world: World, caplog: Any, capfd: Any) -> None:
    strangers = {}
    for name in set(STEPS) - set(MAY_SHOW) - {"link and stop"}:
        error = watch(lambda name=name: STEPS[name](world), caplog, capfd).error
        if error is not None and not isinstance(error, LinkkitError):
            strangers[name] = type(error).__name__
        elif error is not None and (error.__cause__ or error.__context__):
            strangers[name] = "has a context"
    assert strangers == {}


# --- What leaves -----------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class Leaving:
    """A file that leaves: how it is made, who signs, who opens, what may not be in it."""

    artifact: Callable[[World], Any]
    signer: str
    recipient: str
    kind: type[Any]
    forbidden: tuple[str, ...] = EVERY


LEAVING = {
    **{
        f"encodings of {party}": Leaving(
            artifact=lambda w, party=party: w.encoded[party].encodings,
            signer=party, recipient="linkage_unit", kind=EncodedExtract,
        )
        for party in FRAMES
    },
    **{
        f"payload of {party}": Leaving(
            artifact=lambda w, party=party: w.encoded[party].payload,
            signer=party, recipient="steward", kind=PayloadExtract, forbidden=OF_PEOPLE,
        )
        for party in FRAMES
    },
    "crosswalk": Leaving(
        artifact=lambda w: w.linked.crosswalk,
        signer="linkage_unit", recipient="steward", kind=Crosswalk,
    ),
}  # fmt: skip


def all_that_leaves(world: World, name: str) -> Iterator[bytes | str]:
    """Yield the sealed bytes, the opened bytes, the manifest and the table of a file."""
    leaving = LEAVING[name]
    path = save(world, leaving.artifact(world), leaving.signer, "leaving")
    recipient = world.identities[leaving.recipient]
    yield path.read_bytes()
    signer = PublicIdentity(world.agreement.require_public_key(leaving.signer))
    manifest, content = open_sealed(path, recipient=recipient, signer_of=lambda _: signer)
    yield manifest.model_dump_json()
    yield content.read()
    loaded = leaving.kind.load(path, agreement=world.agreement, identity=recipient)
    table = loaded.to_arrow() if isinstance(loaded, EncodedExtract) else loaded.table
    yield from all_of_table(table)


@pytest.mark.parametrize("name", LEAVING)
def test_no_byte_that_leaves_holds_a_marker(world: World, name: str) -> None:
    for content in all_that_leaves(world, name):
        assert markers_in(content, LEAVING[name].forbidden) == []


def test_payload_does_leave_in_the_payload(world: World) -> None:
    found = {m for c in all_that_leaves(world, "payload of district") for m in markers_in(c)}
    assert found == set(OF_PAYLOAD)


def test_pairs_and_model_hold_no_marker(world: World) -> None:
    assert world.linked is not None
    assert markers_in(world.linked.pairs.to_pandas().to_csv()) == []
    assert markers_in(repr(world.linked.model.field_weights())) == []


def test_a_failed_save_leaves_no_file(world: World, caplog: Any, capfd: Any) -> None:
    before = set(world.folder.iterdir())
    watch(lambda: STEPS["save as somebody else"](world), caplog, capfd)
    assert set(world.folder.iterdir()) == before


# --- The search itself -----------------------------------------------------------------------


def _raise_with_value() -> None:
    raise ValueError(f"cannot parse {WORD}")


def _raise_from_value() -> None:
    try:
        _raise_with_value()
    except ValueError as error:
        raise LinkkitError("a cell cannot be parsed") from error


def _raise_beside_value() -> None:
    try:
        _raise_with_value()
    except ValueError:
        raise LinkkitError("a cell cannot be parsed") from None


def _raise_decoding() -> None:
    (WORD.encode() + b"\xff").decode()


def _note_value() -> None:
    error = LinkkitError("a cell cannot be parsed")
    error.add_note(DAY)
    raise error


@dataclasses.dataclass
class _TalkativeResult:
    name: str = WORD


_TalkativeResult.__module__ = "linkkit.made_up"


@pytest.mark.parametrize(
    "leak",
    [
        _raise_with_value,
        _raise_from_value,
        _raise_beside_value,
        _raise_decoding,
        _note_value,
        lambda: print(PHONE),
        lambda: logging.getLogger("linkkit").debug("row of %s", WORD),
        lambda: logging.getLogger("linkkit").info("digits %s", "19870923"),
        lambda: warnings.warn(f"odd number {NUMBER}", stacklevel=1),
        _TalkativeResult,
        lambda: [_TalkativeResult()],
    ],
)
def test_the_search_finds_a_wall_that_is_broken_on_purpose(
    leak: Callable[[], Any], caplog: Any, capfd: Any
) -> None:
    assert leaks(watch(leak, caplog, capfd)) != []


def test_the_search_finds_a_marker_in_a_table() -> None:
    for column in (
        pa.array([WORD]),
        pa.array([f"x{WORD.upper()}x"]).dictionary_encode(),
        pa.array([WORD.encode("utf-16-le")]),
        pa.array([f"a {DAY} b"], pa.large_string()),
    ):
        found = [m for c in all_of_table(pa.table({"a": column})) for m in markers_in(c)]
        assert found
    metadata = pa.table({"a": [1]}).replace_schema_metadata({"note": WORD})
    assert [m for c in all_of_table(metadata) for m in markers_in(c)]


def test_a_broken_encoder_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    result = world.encoded["district"]
    table = result.payload.table
    where = table.column_names.index("race_ethnicity")
    table = table.set_column(where, "race_ethnicity", pa.array([WORD] * len(table)))
    broken = dataclasses.replace(result, payload=dataclasses.replace(result.payload, table=table))
    monkeypatch.setitem(world.encoded, "district", broken)
    found = {m for c in all_that_leaves(world, "payload of district") for m in markers_in(c)}
    assert "zqxmarker" in found
