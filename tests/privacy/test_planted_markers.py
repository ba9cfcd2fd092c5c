"""Markers stand in every column of every party, good cells and broken ones; nothing shows them.

Every step that exists runs here, in calls that work and calls that fail. All that a person at
another desk could see is searched: errors with their whole chain, warnings, logs, output, what
objects say of themselves, and every byte of every file that leaves the partner zone. A new step
is one more line in `STEPS`, and one in `LEAVING` if it makes a file.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import importlib
import io
import logging
import re
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
import pyarrow.parquet as pq
import pytest
import yaml

import linkkit as lk
from linkkit import cli, interop
from linkkit.agreement import Agreement
from linkkit.assess import (
    field_completeness,
    field_evidence,
    find_concerns,
    overlaps,
    threshold_curve,
    true_quality,
    weight_histogram,
)
from linkkit.errors import (
    AgreementError,
    ExtractError,
    LinkageError,
    LinkkitError,
    MismatchError,
    NotAuthorizedError,
    OptionError,
    ReleaseError,
    SealError,
    SecretError,
)
from linkkit.exchange import (
    Crosswalk,
    EncodedExtract,
    Identity,
    PayloadExtract,
    ReviewAnswers,
    ReviewRequest,
)
from linkkit.exchange.container import open_sealed
from linkkit.exchange.identity import PublicIdentity
from linkkit.linkage import LinkResult, link
from linkkit.partner.encode import EncodeResult, encode, encode_file
from linkkit.partner.keys import Secret, TokenKey
from linkkit.partner.preflight import PreflightReport, preflight
from linkkit.partner.read import extract_from_frame, read_extract
from linkkit.partner.standardize import standardize
from linkkit.report import linkage_report
from linkkit.synth import SyntheticPartnership, youth_partnership

WORD, DAY, PHONE, ZIP, NUMBER = "Zqxmarker", "1987-09-23", "713-555-0199", "Q8X 7Z3", "48484848.25"
SERIAL = 987_654_321
PAYLOAD_WORD = "Zqxpayload"
BLOCKING_KEYS = {
    "sound": [{"field": "surname", "by": by} for by in ("soundex", "metaphone", "nysiis")],
    "given": [{"field": "given_name", "by": "whole"}, {"field": "birth_date", "by": "whole"}],
    "phone": [{"field": "phone", "by": "whole"}],
    "codex": [{"field": "given_name", "by": "match_rating"}, {"field": "birth_date", "by": "year"}],
}
OF_PEOPLE = ("zqxmarker", "1987-09-23", "19870923", "09/23/1987", "7135550199", PHONE, "q8x 7z3", "q8x7z3",
             str(SERIAL))  # fmt: skip
OF_PAYLOAD = ("zqxpayload", "48484848")
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


# In random ids and in the coordinates of charts, any few digits occur by chance.
_NO_VALUES = re.compile(rb"[0-9a-f]{32,64}|\d+\.\d{4,}")


def markers_beside_ids(content: bytes) -> list[str]:
    """Return the markers in bytes, those of digits only where no id and no long fraction stands."""
    words, digits = ([m for m in EVERY if m.isdigit() is kind] for kind in (False, True))
    return markers_in(content, words) + markers_in(_NO_VALUES.sub(b" ", content), digits)


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
    reviewed: lk.linkage.Review | None = None
    answers: list[lk.ReviewAnswers] = dataclasses.field(default_factory=list)

    def encode(self, frame: Any, party: str = "district", **options: Any) -> EncodeResult:
        agreement = options.pop("agreement", self.agreement)
        options = {"token_key": self.token_key} | options
        return encode(frame, agreement, self.secret, party=party, **options)

    def preflight(self, frame: Any, party: str = "district", **options: Any) -> PreflightReport:
        agreement = options.pop("agreement", self.agreement)
        return preflight(frame, agreement, party=party, **options)

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

    def agreement_with_profile(self, profile: str) -> Agreement:
        linkage = self.agreement.linkage.model_dump(mode="json", exclude_none=True)
        return self.agreement_with(linkage=linkage | {"profile": profile})

    def agreement_with_keys(self) -> Agreement:
        linkage = self.agreement.linkage.model_dump(mode="json", exclude_none=True)
        return self.agreement_with(linkage=linkage | {"blocking_keys": BLOCKING_KEYS})


FRAMES = {"district": district_frame, "summer": summer_frame, "jobs": jobs_frame}
ASKED = ("district", "summer")
"""Nobody is like those of the jobs program."""


def extracts(world: World) -> list[EncodedExtract]:
    return [result.encodings for result in world.encoded.values()]


def sheet_of(world: World, party: str, *, save: Path | None = None, **given: Any) -> Any:
    """Open a party's review; what is saved stays home."""
    token_map = given.get("token_map", world.encoded[party].token_map)
    extract = given.get("extract", FRAMES[party]())
    sheet = lk.open_review(
        world.reviewed.requests[party], token_map, extract, agreement=world.agreement
    )
    if save is not None:
        sheet.save(save)
    return sheet


def answered(world: World, party: str, **cells: str) -> Any:
    """Fill in a party's sheet, which holds its people, with the same cells in all lines."""
    sheet = sheet_of(world, party).to_pandas().assign(**cells)
    return lk.answer_review(world.reviewed.requests[party], sheet)


def forged(world: World, column: str) -> Any:
    """Answers with free text in a column, as no sheet can give them."""
    answers = world.answers[0]
    place = answers.table.column_names.index(column)
    text = pa.array([WORD] * len(answers))
    return dataclasses.replace(answers, table=answers.table.set_column(place, column, text))


def explained(world: World) -> list[Any]:
    pairs = world.linked.pairs.to_pandas()
    tokens = zip(pairs["left_token"], pairs["right_token"], strict=True)
    return [world.linked.explain(*both) for both in tokens]


def to_others(world: World) -> list[pd.DataFrame]:
    frames = [interop.splink_predictions(world.linked), interop.splink_clusters(world.linked)]
    for both in interop.party_pairs(world.linked):
        links = interop.links_index(world.linked, *both)
        frames.append(interop.comparison_vectors(world.linked, links))
    return frames


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
    made.reviewed = made.linked.review(n=50)
    for party in ASKED:
        made.answers.append(answered(made, party, answer="unsure", fact="mixed"))
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


def in_parts(world: World, path: Path, **options: Any) -> Any:
    """Encode a file in parts; the files are searched by other tests."""
    return encode_file(
        path,
        options.pop("agreement", world.agreement),
        world.secret,
        **{
            "party": "district",
            "identity": world.identities["district"],
            "out": world.folder / "in-parts",
            "rows_at_once": 3,
            **options,
        },
    )


def raising_progress(event: object) -> None:
    raise RuntimeError("stopped")


def lone_surrogate() -> pd.DataFrame:
    frame = district_frame()
    names = [f"{name}\udcff" for name in frame["STUDENT NAME"]]
    frame["STUDENT NAME"] = pd.Series(names, dtype=object)
    return frame


def as_another_party(world: World) -> EncodedExtract:
    return dataclasses.replace(world.encoded["summer"].encodings, key_check="f" * 32)


def with_keys(world: World, party: str = "district") -> EncodedExtract:
    """Encodings with blocking keys, that say to be of an agreement that has none."""
    frame, agreement = FRAMES[party](), world.agreement_with_keys()
    made = world.encode(frame, party, agreement=agreement).encodings
    return dataclasses.replace(made, agreement_fingerprint=world.agreement.fingerprint)


def save(world: World, artifact: Any, role: str, name: str) -> Path:
    return artifact.save(
        world.folder / name, agreement=world.agreement, identity=world.identities[role]
    )


ASSESSMENTS = (
    field_completeness, field_evidence, find_concerns, threshold_curve, weight_histogram,
)  # fmt: skip


def truth_by_names(world: World) -> pd.DataFrame:
    """The truth with a person's name for a person, as a careless office would keep it."""
    maps = [result.token_map.to_pandas() for result in world.encoded.values()]
    tokens = pd.concat(maps)["token"].drop_duplicates().to_list()
    return pd.DataFrame({"token": tokens, "person": marked(len(tokens), "p")})


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
    # Judging
    "judge every party": lambda w: [w.preflight(make(), party) for party, make in FRAMES.items()],
    "judge in passes": lambda w: w.preflight(
        district_frame(), agreement=w.agreement_with_profile("standard")),
    "judge with blocking keys": lambda w: w.preflight(
        district_frame(), agreement=w.agreement_with_keys()),
    "judge a file": lambda w: w.preflight(w.csv(district_frame(), f"{WORD}\n")),
    "judge a file without a header": lambda w: w.preflight(w.csv(district_frame(), header=False)),
    "judge another party's frame": lambda w: w.preflight(summer_frame()),
    "judge broken text": lambda w: w.preflight(broken_text()),
    "judge a lone surrogate": lambda w: w.preflight(lone_surrogate()),
    "judge years outside": lambda w: w.preflight(district_frame().assign(SCHOOL_YR="1987")),
    "judge nobody": lambda w: w.preflight(district_frame().iloc[[2]].assign(
        **dict.fromkeys(["STUDENT NAME", "STREET_NO", "STREET_NAME", "ZIP"]))),
    "judge with no secret": lambda w: w.preflight(district_frame(), secret=WORD),
    "judge a value": lambda w: w.preflight([WORD]),
    # Encoding
    "encode every party": lambda w: [w.encode(make(), party) for party, make in FRAMES.items()],
    "encode with blocking keys": lambda w: [
        w.encode(make(), party, agreement=w.agreement_with_keys()) for party, make in FRAMES.items()],
    "encode odd cells with blocking keys": lambda w: w.encode(
        broken_text(), agreement=w.agreement_with_keys()),
    "save keys that are not agreed": lambda w: save(
        w, with_keys(w), "district", "no.encodings"),
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
    # Encoding in parts
    "encode in parts": lambda w: in_parts(w, w.csv(district_frame(), f"{WORD}\n")),
    "encode in parts with blocking keys": lambda w: in_parts(
        w, w.csv(district_frame(), f"{WORD}\n"), agreement=w.agreement_with_keys()),
    "encode in parts without a header": lambda w: in_parts(w, w.csv(district_frame(), header=False)),
    "encode in parts an open quote": lambda w: in_parts(w, w.csv(district_frame(), f'"{WORD}\n')),
    "encode in parts NUL bytes": lambda w: in_parts(w, w.csv(district_frame(), f"{WORD}\0\n")),
    "encode in parts undecodable": lambda w: in_parts(w, w.csv(district_frame(), b"\x81")),
    "encode in parts in another encoding": lambda w: in_parts(
        w, w.csv(district_frame(), "é"), encoding="ascii"),
    "encode in parts years outside": lambda w: in_parts(
        w, w.csv(district_frame().assign(SCHOOL_YR="1987"))),
    "encode in parts and stop": lambda w: in_parts(
        w, w.csv(district_frame()), progress=raising_progress),
    "encode in parts nowhere": lambda w: in_parts(
        w, w.csv(district_frame()), scratch=w.folder / "no" / "folder"),
    "encode in parts no Parquet": lambda w: in_parts(w, w.write(WORD, "x.parquet")),
    "save the token map": lambda w: str(w.encoded["district"].token_map.save(w.folder / "m.csv")),
    # Linking
    "link": lambda w: link(extracts(w)),
    "link by keys": lambda w: link(extracts(w), block="blocks"),
    "link with households": lambda w: str(link(extracts(w), households=True)),
    "link with households called otherwise": lambda w: link(extracts(w), households=WORD),
    "link twice the same": lambda w: link(extracts(w) * 2),
    "link results": lambda w: link([*w.encoded.values()]),
    "link frames": lambda w: link([district_frame(), WORD]),
    "link under another secret": lambda w: link([extracts(w)[0], as_another_party(w)]),
    "link and stop": lambda w: link(extracts(w), progress=raising_progress),
    "link with a bad option": lambda w: link(extracts(w), threshold=7),
    # Review
    "review": lambda w: [w.linked.review(n=50), *w.linked.review(n=50).requests.values()],
    "open a review": lambda w: [sheet_of(w, party) for party in ASKED],
    "open a review with a file": lambda w: sheet_of(
        w, "district", extract=w.csv(district_frame()), save=w.folder / "sheet.csv"),
    "open a review with another extract": lambda w: sheet_of(
        w, "district", extract=district_frame().iloc[::-1]),
    "open a review with no map": lambda w: sheet_of(
        w, "district", token_map=w.write(f"token,record_id,row\n{WORD},{WORD},{WORD}\n", "map.csv")),
    "answer a review": lambda w: [
        w.reviewed, *w.answers, lk.combine_answers(w.reviewed.questions, w.answers)],
    "answer with a value": lambda w: answered(w, "district", answer=WORD),
    "answer with a value for a fact": lambda w: answered(w, "district", answer="same", fact=WORD),
    "answer to other pairs": lambda w: answered(w, "district", pair=WORD, answer="same"),
    "answer with a frame of people": lambda w: lk.answer_review(
        w.reviewed.requests["district"], district_frame()),
    "answer with no frame": lambda w: lk.answer_review(w.reviewed.requests["district"], [WORD]),
    "save free text for an answer": lambda w: save(w, forged(w, "answer"), "district", "no.answers"),
    "save free text for a fact": lambda w: save(w, forged(w, "fact"), "district", "no.answers"),
    "combine frames": lambda w: lk.combine_answers(w.reviewed.questions, [district_frame()]),
    "read labels of people": lambda w: lk.PairLabels.load(w.csv(district_frame())),
    "read labels with a value": lambda w: lk.PairLabels.load(
        w.write(f"token,other_token,same\n{WORD},{WORD},true\n", "labels.csv")),
    "link with labels": lambda w: link(
        extracts(w), labels=lk.combine_answers(w.reviewed.questions, w.answers).labels),
    "link with a frame for labels": lambda w: link(extracts(w), labels=district_frame()),
    # Explaining
    "explain": lambda w: explained(w),
    "explain a value": lambda w: w.linked.explain(WORD, WORD),
    # Other tools
    "give to other tools": lambda w: [frame.to_csv() for frame in to_others(w)],
    "take links of people": lambda w: interop.crosswalk_from_links(
        extracts(w), pd.MultiIndex.from_tuples([(WORD, DAY)])),
    "take a frame of people": lambda w: interop.crosswalk_from_links(extracts(w), district_frame()),
    "take clusters of people": lambda w: interop.crosswalk_from_clusters(
        extracts(w), pd.DataFrame({"unique_id": [WORD], "cluster_id": [WORD]})),
    "label by people": lambda w: interop.labels_from_index(pd.MultiIndex.from_tuples([(WORD, DAY)])),
    # Assessing
    "assess": lambda w: [assess(w.linked) for assess in ASSESSMENTS],
    "assess a frame": lambda w: field_evidence(district_frame()),
    "overlaps": lambda w: overlaps(w.linked.crosswalk),
    "overlaps of a frame": lambda w: overlaps(district_frame()),
    "measure by names": lambda w: true_quality(w.linked.crosswalk, truth_by_names(w)),
    "measure a part": lambda w: true_quality(w.linked.crosswalk, truth_by_names(w).head(3)),
    "measure twice": lambda w: true_quality(
        w.linked.crosswalk, pd.concat([truth_by_names(w), truth_by_names(w).assign(person=WORD)])),
    "measure by no tokens": lambda w: true_quality(
        w.linked.crosswalk, pd.DataFrame({"token": [WORD], "person": [WORD]})),
    "measure by unhashable people": lambda w: true_quality(
        w.linked.crosswalk, pd.DataFrame({"token": ["0" * 32], "person": [[WORD]]})),
    "measure by other columns": lambda w: true_quality(w.linked.crosswalk, district_frame()),
    "measure by a value": lambda w: true_quality(w.linked.crosswalk, WORD),
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


@pytest.mark.parametrize("step", STEPS)
def test_a_step_shows_no_marker(world: World, step: str, caplog: Any, capfd: Any) -> None:
    seen = watch(lambda: STEPS[step](world), caplog, capfd)
    assert leaks(seen) == []


def test_every_error_is_linkkits_own(world: World, caplog: Any, capfd: Any) -> None:
    strangers = {}
    for name in set(STEPS) - {"link and stop", "encode in parts and stop"}:
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
    "crosswalk with households": Leaving(
        artifact=lambda w: link(extracts(w), households=True).crosswalk,
        signer="linkage_unit", recipient="steward", kind=Crosswalk,
    ),
    **{
        f"review of {party}": Leaving(
            artifact=lambda w, party=party: w.reviewed.requests[party],
            signer="linkage_unit", recipient=party, kind=ReviewRequest,
        )
        for party in ASKED
    },
    **{
        f"answers of {party}": Leaving(
            artifact=lambda w, party=party: next(a for a in w.answers if a.party == party),
            signer=party, recipient="linkage_unit", kind=ReviewAnswers,
        )
        for party in ASKED
    },
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


def test_no_byte_of_blocking_keys_holds_a_marker_or_the_sound_of_one(world: World) -> None:
    for party in FRAMES:
        extract = with_keys(world, party)
        assert extract.block_keys.shape == (len(extract), len(BLOCKING_KEYS))
        assert extract.block_keys.any()
        columns = [f"key:{name}" for name in BLOCKING_KEYS]
        keys = extract.to_arrow().select(columns)
        codes = ("z256", "sksmrkr", "zgxnarcar", "zqxmrkr")
        for content in all_of_table(extract.to_arrow()):
            assert markers_in(content) == []
        for content in all_of_table(keys):
            assert markers_in(content, codes) == []
        assert markers_in(extract.to_manifest(1).model_dump_json()) == []


def test_payload_does_leave_in_the_payload(world: World) -> None:
    found = {m for c in all_that_leaves(world, "payload of district") for m in markers_in(c)}
    assert found == set(OF_PAYLOAD)


def test_a_sheet_stays_home_because_it_does_hold_the_people(world: World) -> None:
    for party in ASKED:
        assert markers_in(sheet_of(world, party).to_pandas().to_csv())
    assert markers_in(repr(world.answers[0].table.to_pydict())) == []


def test_questions_labels_and_explanations_hold_no_marker(world: World, tmp_path: Path) -> None:
    world.reviewed.questions.save(tmp_path / "asked.parquet")
    outcome = lk.combine_answers(world.reviewed.questions, world.answers)
    outcome.labels.save(tmp_path / "labels.csv")
    for path in tmp_path.iterdir():
        assert markers_in(path.read_bytes()) == []
    assert markers_in(outcome.facts_frame().to_csv()) == []
    for item in explained(world)[:5]:
        assert markers_beside_ids((str(item) + item._repr_html_()).encode()) == []
        assert markers_beside_ids(item.to_pandas().to_csv().encode()) == []


def test_what_other_tools_get_holds_no_marker(world: World) -> None:
    for frame in to_others(world):
        assert markers_beside_ids(frame.to_csv().encode()) == []


def test_pairs_and_model_hold_no_marker(world: World) -> None:
    assert world.linked is not None
    assert markers_in(world.linked.pairs.to_pandas().to_csv()) == []
    assert markers_in(repr(world.linked.model.field_weights())) == []


def test_a_failed_save_leaves_no_file(world: World, caplog: Any, capfd: Any) -> None:
    before = set(world.folder.iterdir())
    watch(lambda: STEPS["save as somebody else"](world), caplog, capfd)
    assert set(world.folder.iterdir()) == before


# --- Assessment and report -------------------------------------------------------------------


def test_no_number_of_an_assessment_comes_with_a_marker_or_a_token(world: World) -> None:
    results = [assess(world.linked) for assess in ASSESSMENTS if assess is not find_concerns]
    results.append(true_quality(world.linked.crosswalk, truth_by_names(world)))
    results.append(overlaps(world.linked.crosswalk))
    text = "".join(item.as_frame().to_csv() + repr(item) for item in results)
    text += repr(find_concerns(world.linked))
    assert markers_beside_ids(text.encode()) == []
    assert ids_in(text.encode(), ids_of(world.linked)) == []


def ids_of(linked: LinkResult) -> list[str]:
    frame = linked.crosswalk.to_pandas()
    return [*frame["token"], *frame["person_id"].unique()]


def ids_in(content: bytes, ids: Iterable[str]) -> list[str]:
    """Return the tokens and person ids that stand in bytes, as they are or in hexadecimal."""
    lowered = content.lower()
    return [x for x in ids if x.encode() in lowered or bytes.fromhex(x) in content]


def test_a_report_holds_no_marker_no_token_and_no_person(world: World) -> None:
    pytest.importorskip("matplotlib")
    counts = {party: result.encodings.counts for party, result in world.encoded.items()}
    page = linkage_report(
        world.linked,
        world.folder / "report.html",
        agreement=world.agreement,
        truth=true_quality(world.linked.crosswalk, truth_by_names(world)),
        encoding_counts=counts,
    )
    content = page.read_bytes()
    assert b"district" in content
    assert markers_beside_ids(content) == []
    assert ids_in(content, ids_of(world.linked)) == []


@pytest.mark.parametrize("profile", ["field", "keys", "standard", "hardened"])
@pytest.mark.parametrize("party", FRAMES)
def test_a_preflight_holds_no_marker(world: World, party: str, profile: str) -> None:
    keyed = profile == "keys"
    agreement = world.agreement_with_keys() if keyed else world.agreement_with_profile(profile)
    report = preflight(FRAMES[party](), agreement, party=party)
    saved = [report.save(world.folder / f"preflight.{form}") for form in ("html", "json", "txt")]
    contents = [path.read_bytes() for path in saved]
    assert all(party.encode() in content for content in contents)
    contents += [repr(report.to_dict()).encode(), *(x.encode() for x in all_of_object(report))]
    assert [found for content in contents if (found := markers_beside_ids(content))] == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"result": district_frame()},
        {"truth": district_frame()},
        {"agreement": {"id": WORD}},
        {"encoding_counts": {"winter": {}}},
        {"path": "report.html/of/nobody.html"},
    ],
    ids=lambda arguments: next(iter(arguments)),
)
def test_a_report_that_is_refused_shows_no_marker(
    world: World, arguments: dict[str, Any], caplog: Any, capfd: Any
) -> None:
    pytest.importorskip("matplotlib")
    options = {"result": world.linked, "path": "refused.html"} | arguments
    (world.folder / "report.html").touch()
    path = world.folder / options.pop("path")
    seen = watch(lambda: linkage_report(options.pop("result"), path, **options), caplog, capfd)
    assert isinstance(seen.error, LinkkitError)
    assert leaks(seen) == []


# --- The command line ------------------------------------------------------------------------


def _letters(i: int) -> str:
    return chr(97 + i // 26) + chr(97 + i % 26)


def crowd(party: str) -> pd.DataFrame:
    """An export with a marker in every cell, of enough people for a release."""
    n = {"district": 90, "summer": 40, "jobs": 30}[party]
    frame = pd.concat([FRAMES[party]().iloc[[1]]] * n, ignore_index=True)
    given = [f"{WORD}{_letters(7 * i)}" for i in range(n)]
    last = [f"{WORD}{_letters(11 * i)}" for i in range(n)]
    if party == "district":
        names = [f"{a}, {b}" for a, b in zip(last, given, strict=True)]
        ids = [f"{WORD}id{i}" for i in range(n)]
        return frame.assign(**{"STUDENT_NO": ids, "STUDENT NAME": names, "SCHOOL_YR": "2024-25",
                               "Att. %": NUMBER})  # fmt: skip
    if party == "summer":
        ids = [f"{WORD}id{i}" for i in range(n)]
        return frame.assign(enrollment=ids, first=given, last=last, days=NUMBER)
    return frame.assign(FirstName=given, LastName=last, BirthDate=DAY, Hours=NUMBER)


@dataclasses.dataclass(frozen=True)
class Desks:
    """A folder for each organization, and what the commands of a whole journey said."""

    folder: Path
    said: str

    def common(self, role: str) -> list[str]:
        agreement, own = self.folder / "agreement.yaml", self.folder / role / "own.identity"
        return ["--agreement", str(agreement), "--identity", str(own)]

    def encode(self, party: str, /, **changes: str) -> list[str]:
        options = {
            "extract": str(self.folder / party / "export.csv"), "party": party, "role": party,
            "secret": str(self.folder / "linkage.key"), "out": str(self.folder / party),
        } | changes  # fmt: skip
        words = [f"--{name}={options[name]}" for name in ("party", "secret", "out")]
        return ["encode", options["extract"], *self.common(options["role"]), *words, "--overwrite"]

    def preflight(self, party: str, /, *words: str) -> list[str]:
        extract, agreement = self.at(party, "export.csv"), self.folder / "agreement.yaml"
        form = f"--out={self.folder / f'{party}.html'}"
        return ["preflight", extract, f"--agreement={agreement}", f"--party={party}", form, *words]

    def link(
        self, *encodings: str, role: str = "linkage_unit", out: str = "crosswalk"
    ) -> list[str]:
        own = self.folder / "linkage_unit"
        files = encodings or [self.at(party, f"{party}.encodings") for party in FRAMES]
        reports = [f"--report={own / 'report.html'}", f"--pairs={own / 'pairs.parquet'}"]
        return ["link", *files, *self.common(role), f"--out={own / out}", *reports, "--overwrite"]

    def integrate(self, *payloads: str, out: str = "integrated", **changes: str) -> list[str]:
        options = {
            "project": "gaps-2026", "crosswalk": self.at("linkage_unit", "crosswalk"),
            "study-key": self.at("steward", "study.key"),
        } | {name.replace("_", "-"): value for name, value in changes.items()}  # fmt: skip
        files = payloads or [self.at(party, f"{party}.payload") for party in FRAMES]
        words = [f"--{name}={value}" for name, value in options.items()]
        return [
            "integrate",
            *files,
            *self.common("steward"),
            *words,
            f"--out={self.at('steward', out)}",
            "--overwrite",
        ]

    def protect(self, people: str = "steward/integrated", *words: str) -> list[str]:
        out = f"--out={self.at('steward', 'protected')}"
        return [
            "protect",
            str(self.folder / people),
            *self.common("steward"),
            out,
            *words,
            "--overwrite",
        ]

    def release(self, safe: str = "steward/protected", out: str = "steward/release") -> list[str]:
        where = f"--out={self.folder / out}"
        return ["release", str(self.folder / safe), *self.common("steward"), where]

    def at(self, role: str, name: str) -> str:
        return str(self.folder / role / name)


@pytest.fixture(scope="module")
def desks(world: World, tmp_path_factory: pytest.TempPathFactory) -> Desks:
    """The whole journey by command line, each command successful."""
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("desks")
    document = world.agreement.model_dump(mode="json", exclude_none=True)
    (folder / "agreement.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    world.secret.save(folder / "linkage.key")
    for role, identity in world.identities.items():
        identity.save(folder / role / "own.identity")
    for party in FRAMES:
        crowd(party).to_csv(folder / party / "export.csv", index=False)
    made = Desks(folder, "")
    lk.StudyKey.generate().save(made.at("steward", "study.key"))
    said = io.StringIO()
    steps = [
        *(made.preflight(party) for party in FRAMES),
        *(made.encode(party) for party in FRAMES),
        made.link(), made.integrate(), made.protect(), made.release(),
        ["inspect", made.at("district", "district.encodings")],
        ["inspect", made.at("steward", "integrated")],
    ]  # fmt: skip
    for words in steps:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            status = cli.run(words)
        assert status == 0, said.getvalue()
    return dataclasses.replace(made, said=said.getvalue())


def test_the_commands_of_a_whole_journey_say_no_marker_and_no_id(desks: Desks) -> None:
    assert "90 rows read, 90 records encoded" in desks.said
    assert '"kind": "integrated' in desks.said
    assert markers_beside_ids(desks.said.encode()) == []
    assert ids_in(desks.said.encode(), ids_at(desks)) == []


def ids_at(desks: Desks) -> list[str]:
    """Return every token and person id of the journey."""
    frames = [pd.read_csv(path) for path in desks.folder.glob("*/stays-home/*.token-map.csv")]
    assert len(frames) == len(FRAMES)
    agreement = Agreement.load(desks.folder / "agreement.yaml")
    crosswalk = Crosswalk.load(
        desks.at("linkage_unit", "crosswalk"), agreement=agreement,
        identity=Identity.load(desks.at("steward", "own.identity")),
    )  # fmt: skip
    return [*pd.concat(frames)["token"], *crosswalk.to_pandas()["person_id"].unique()]


def files_below(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]


def content_of(path: Path) -> bytes:
    """Return what a file holds; of Parquet, which is compressed, its values and its schema."""
    if path.suffix != ".parquet":
        return path.read_bytes()
    schema = pq.read_schema(path)
    return pd.read_parquet(path).to_csv().encode() + repr((schema, schema.metadata)).encode()


def test_no_file_that_the_commands_pass_on_holds_a_marker(desks: Desks) -> None:
    passed = [Path(desks.at(party, f"{party}.{kind}")) for party in FRAMES
              for kind in ("encodings", "payload")]  # fmt: skip
    passed += files_below(desks.folder / "linkage_unit")
    passed += [desks.folder / f"{party}.html" for party in FRAMES]
    passed += [Path(desks.at("steward", name)) for name in ("integrated", "protected")]
    assert len(passed) == 16  # with the linkage unit's ledger of deliveries
    assert {
        path.name: found for path in passed if (found := markers_beside_ids(content_of(path)))
    } == {}


def test_the_release_holds_payload_and_no_marker_of_a_person(desks: Desks) -> None:
    released = files_below(desks.folder / "steward" / "release")
    assert len(released) == 7
    found = {path.name: markers_beside_ids(content_of(path)) for path in released}
    assert set(found["data.csv"]) == set(found["data.parquet"]) == set(OF_PAYLOAD)
    assert not {marker for markers in found.values() for marker in markers} & set(OF_PEOPLE)


def test_the_release_holds_no_record_id_no_token_and_no_person_id(desks: Desks) -> None:
    ids = ids_at(desks)
    assert len(ids) > 160
    for path in files_below(desks.folder / "steward" / "release"):
        assert ids_in(content_of(path), ids) == [], path.name


def test_a_release_that_is_refused_leaves_no_file(desks: Desks, caplog: Any, capfd: Any) -> None:
    before = set(files_below(desks.folder))
    for words in (desks.release(), desks.release("steward/integrated", "steward/new")):
        assert watch(lambda words=words: cli.run(words), caplog, capfd).result != 0
    assert set(files_below(desks.folder)) == before


EXPORT = "district/export.csv"

FAILING: dict[str, tuple[Callable[[Desks], list[str]], int]] = {
    "judge over a report": (lambda d: d.preflight("district"), OptionError.exit_status),
    "judge as nobody": (
        lambda d: d.preflight("district", "--overwrite", "--party=winter"),
        NotAuthorizedError.exit_status),
    "judge as another party": (
        lambda d: d.preflight("district", "--overwrite", "--party=summer"),
        ExtractError.exit_status),
    "judge into a file of no form": (
        lambda d: d.preflight("district", f"--out={d.folder / 'x.pdf'}"), OptionError.exit_status),
    "encode a wrong header row": (
        lambda d: [*d.encode("district"), "--header-row=2"], ExtractError.exit_status),
    "encode by another delimiter": (
        lambda d: [*d.encode("district"), "--delimiter=x"], ExtractError.exit_status),
    "encode in another encoding": (
        lambda d: [*d.encode("district"), "--encoding=utf-32"], ExtractError.exit_status),
    "encode the export of another party": (
        lambda d: d.encode("district", extract=d.at("jobs", "export.csv")),
        ExtractError.exit_status),
    "encode with an export for a secret": (
        lambda d: d.encode("district", secret=str(d.folder / EXPORT)), SecretError.exit_status),
    "encode as another party": (
        lambda d: d.encode("district", role="jobs"), NotAuthorizedError.exit_status),
    "encode for a stranger": (
        lambda d: d.encode("district", party="winter"), NotAuthorizedError.exit_status),
    "link over an input": (
        lambda d: [*d.link(), f"--out={d.at('district', 'district.encodings')}"],
        OptionError.exit_status),
    "encode into a file": (
        lambda d: d.encode("district", out=str(d.folder / EXPORT / "x")), SealError.exit_status),
    "encode under an export": (
        lambda d: [*d.encode("district"), f"--agreement={d.folder / EXPORT}"],
        AgreementError.exit_status),
    "encode with an export for an identity": (
        lambda d: [*d.encode("district"), f"--identity={d.folder / EXPORT}"],
        SecretError.exit_status),
    "link exports": (lambda d: d.link(str(d.folder / EXPORT)), SealError.exit_status),
    "link payloads": (
        lambda d: d.link(d.at("district", "district.payload")), MismatchError.exit_status),
    "link as the steward": (lambda d: d.link(role="steward"), SealError.exit_status),
    "link one party": (
        lambda d: d.link(d.at("district", "district.encodings"), out="x"),
        LinkageError.exit_status),
    "link over a crosswalk": (lambda d: d.link()[:-1], OptionError.exit_status),
    "link with a bad threshold": (
        lambda d: [*d.link(out="x"), "--threshold=7"], OptionError.exit_status),
    "integrate exports": (
        lambda d: d.integrate(str(d.folder / EXPORT), out="x"), SealError.exit_status),
    "integrate encodings": (
        lambda d: d.integrate(d.at("district", "district.encodings"), out="x"),
        MismatchError.exit_status),
    "integrate by an export": (
        lambda d: d.integrate(out="x", crosswalk=str(d.folder / EXPORT)), SealError.exit_status),
    "integrate for nobody": (
        lambda d: d.integrate(out="x", project="gossip"), NotAuthorizedError.exit_status),
    "integrate with an export for a study key": (
        lambda d: d.integrate(out="x", study_key=str(d.folder / EXPORT)),
        SecretError.exit_status),
    "protect an export": (lambda d: d.protect(EXPORT), SealError.exit_status),
    "protect a payload": (lambda d: d.protect("district/district.payload"), MismatchError.exit_status),
    "protect with a smaller cell": (
        lambda d: d.protect("steward/integrated", "--k=2"), NotAuthorizedError.exit_status),
    "release an export": (lambda d: d.release(EXPORT, "steward/new"), SealError.exit_status),
    "release what is not protected": (
        lambda d: d.release("steward/integrated", "steward/new"), MismatchError.exit_status),
    "release over a release": (lambda d: d.release(), ReleaseError.exit_status),
    "inspect an export": (lambda d: ["inspect", str(d.folder / EXPORT)], SealError.exit_status),
    "check an export": (
        lambda d: ["agreement", "check", str(d.folder / EXPORT)], AgreementError.exit_status),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILING)
def test_a_failing_command_shows_no_marker(
    desks: Desks, name: str, caplog: Any, capfd: Any
) -> None:
    make, status = FAILING[name]
    seen = watch(lambda: cli.run(make(desks)), caplog, capfd)
    assert (seen.error, seen.result) == (None, status), seen.shown
    assert leaks(seen) == []


WORKERS = {
    "preflight": ("linkkit.partner.preflight", lambda d: d.preflight("jobs", "--overwrite")),
    "encode": ("linkkit.partner.encode", lambda d: d.encode("district")),
    "link": ("linkkit.linkage", lambda d: d.link()),
    "integrate": ("linkkit.steward.integrate", lambda d: d.integrate()),
    "protect": ("linkkit.steward.protect", lambda d: d.protect()),
    "release": ("linkkit.steward.release", lambda d: d.release()),
    "read_manifest": (
        "linkkit.exchange", lambda d: ["inspect", d.at("district", "district.payload")]),
}  # fmt: skip


@pytest.mark.parametrize("name", WORKERS)
def test_an_internal_error_of_a_command_shows_no_marker(
    desks: Desks, name: str, monkeypatch: pytest.MonkeyPatch, caplog: Any, capfd: Any
) -> None:
    module, words = WORKERS[name]

    def fail(*_: Any, **__: Any) -> None:
        cause = KeyError(WORD)
        cause.add_note(DAY)
        raise ValueError(PHONE, PAYLOAD_WORD) from cause

    monkeypatch.setattr(importlib.import_module(module), name, fail)
    seen = watch(lambda: cli.run(words(desks)), caplog, capfd)
    assert (seen.error, seen.result) == (None, cli.INTERNAL_ERROR)
    assert any("Internal error: ValueError in " in text for text in seen.shown)
    assert leaks(seen) == []


# --- The demonstration -----------------------------------------------------------------------

_NAMED = {"district": "STUDENT NAME", "summer": "Child Last Name", "jobs": "Applicant Last Name"}
_OF_PEOPLE = {
    "district": ["STUDENT_NO", "STUDENT NAME", "HOME PHONE #"],
    "summer": ["Reg ID", "Home Address", "Parent Phone"],
    "jobs": ["Applicant ID", "Cell Phone "],
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, set[str]]:
    """A demonstration with markers among its names: its folder, its words, its people's cells."""
    pytest.importorskip("matplotlib")
    from linkkit.demo import run_demo

    cells: set[str] = set()

    def planted(**options: Any) -> SyntheticPartnership:
        town = youth_partnership(**options)
        for party, column in _NAMED.items():
            frame = town.extracts[party]
            names = [f"{WORD}{_letters(i)}, {WORD}{_letters(i)}" for i in range(40)]
            frame.loc[frame.index[:40], column] = names
            ids = frame[_OF_PEOPLE[party][0]]
            new = dict(zip(ids.unique()[:20], marked(20, "id"), strict=True))
            frame[ids.name] = ids.replace(new)
            own = town.truth["party"] == party
            town.truth.loc[own, "record_id"] = town.truth.loc[own, "record_id"].replace(new)
            for name in _OF_PEOPLE[party]:
                whole = frame[name].dropna().astype(str)
                # A few digits alone occur by chance in a token.
                cells.update(x for x in whole if len(x) > 5 and not x.isdigit())
        return town

    lines: list[str] = []
    folder = tmp_path_factory.mktemp("demo") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("linkkit.demo.youth_partnership", planted)
        run_demo(folder, sizes=(400, 150, 80), tell=lines.append)
    return folder, "\n".join(lines), cells


def test_planted_people_stand_in_the_partners_files(demo: tuple[Path, str, set[str]]) -> None:
    folder, _, cells = demo
    assert len(cells) > 1000
    for party in ("district", "jobs"):
        assert WORD.encode() in (folder / "1-partners" / party / f"{party}.csv").read_bytes()
    at_home = read_extract(folder / "1-partners" / "summer" / "summer.xlsx", header_row=3)
    assert markers_in(repr(at_home.table.to_pydict())) == ["zqxmarker"]


def test_planted_people_stand_nowhere_else_in_a_demonstration(
    demo: tuple[Path, str, set[str]],
) -> None:
    folder, said, cells = demo
    elsewhere = [folder / name for name in ("2-linkage-unit", "3-steward", "4-release", "opened")]
    leaving = sorted(folder.glob("1-partners/*/leaves"))
    files = files_below(*elsewhere, *leaving)
    assert len(files) > 25
    contents = {str(path.relative_to(folder)): content_of(path) for path in files}
    contents["what was said"] = said.encode()
    for name, content in contents.items():
        assert markers_in(content, ["zqxmarker"]) == [], name
        assert [cell for cell in cells if cell.encode() in content] == [], name


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
