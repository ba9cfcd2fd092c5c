"""Encodes a file that is larger than the memory, to the files that :func:`encode` would lead to.

The file is read once. Its rows are parted by a hash of the row id, so that a record's rows meet;
each part is encoded as a small extract of its own, with what the whole columns show of how their
cells are written; what comes out is parted again by the beginning of the token, and each of those parts is
sorted and written. So the files say nothing of the order of the extract, and the memory holds one
part at a time. What waits on disk is encrypted under a key that is nowhere else.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from linkkit.agreement import Agreement
from linkkit.engines import Progress, ProgressEvent, silent
from linkkit.errors import OptionError
from linkkit.exchange import EncodedExtract, Identity, Manifest, PayloadExtract
from linkkit.exchange.artifacts import token_array, token_matrix
from linkkit.exchange.atomic import atomic_file, atomic_text
from linkkit.partner.encode.clk_rows import as_schema_reads
from linkkit.partner.encode.extract import (
    encodings_of,
    payload_of,
    require_keys,
    row_order,
    token_map_of,
)
from linkkit.partner.encode.payload import require_years, stated_years
from linkkit.partner.encode.prepared import (
    columns_named,
    prepare,
    record_ids_of,
    require_records,
)
from linkkit.partner.encode.results import EncodingReport, TokenMap, set_aside_csv
from linkkit.partner.encode.spill import Spill
from linkkit.partner.encode.staging import HOME, publish, require_to_send, staging
from linkkit.partner.encode.tally import Tally
from linkkit.partner.keys import ClkhashSecret, Secret, TokenKey
from linkkit.partner.read import Extract, ExtractBatches, SetAside, read_extract_batches
from linkkit.partner.standardize.columns import require_columns
from linkkit.partner.standardize.evidence import ColumnEvidence

__all__ = ["EncodedFiles", "encode_file"]

ColumnCounts = dict[str, dict[str, int]]

_ROWS_READ = 65_536
_ROW = ""
"""The column of row numbers among a party's own, none of which has a blank name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedFiles:
    """What :func:`encode_file` wrote.

    Attributes
    ----------
    encodings : Path
        For the linkage unit.
    payload : Path
        For the steward.
    home : Path
        Folder of what stays with the party: token map, rows that were set aside, report.
    report : EncodingReport
        What was done, without any value.
    """

    encodings: Path
    payload: Path
    home: Path
    report: EncodingReport


def encode_file(
    path: str | Path,
    agreement: Agreement,
    secret: Secret | ClkhashSecret,
    *,
    party: str,
    identity: Identity,
    out: str | Path,
    token_key: TokenKey | None = None,
    today: dt.date | None = None,
    header_row: int = 1,
    sheet: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    rows_at_once: int = 100_000,
    scratch: str | Path | None = None,
    progress: Progress = silent,
) -> EncodedFiles:
    """Encode and seal a file of any size, in memory that does not grow with it.

    With the same token key, the files hold what those of :func:`encode` hold. (How a column of
    dates or codes is written is judged by 200,000 distinct cells at the most.)

    Parameters
    ----------
    path : str or Path
        A text file or a Parquet file; an Excel workbook is read at once, as it cannot be large.
    agreement : Agreement
        Says which columns are linkage fields and which payload may be sent.
    secret : Secret
        The linkage secret that the parties share.
    party : str
        Which party of the agreement this is.
    identity : Identity
        The party's own identity, which signs.
    out : str or Path
        Gets ``PARTY.encodings``, ``PARTY.payload`` and the folder ``stays-home``, all of them
        or none. Files of an earlier run are replaced.
    token_key : TokenKey, optional
        The party's own key; without it tokens are random.
    today : datetime.date, optional
        The date on which the agreement must be in force; the system's date by default.
    header_row, sheet, encoding, delimiter
        How the file is read, as for :func:`~linkkit.read_extract`.
    rows_at_once : int
        About how many rows are worked on at a time; more take more memory and less time.
    scratch : str or Path, optional
        Folder for temporary files, which are encrypted and take about as much room as the extract
        and its encodings together; `out` by default.
    progress : callable
        Told how far the work is.

    Raises
    ------
    OptionError
        When an option is of another type or too small.
    NotAuthorizedError
        When the agreement has no such party, is past its destroy-by date, rows lie outside its
        years, or the identity is not the party's.
    ExtractError
        When the file cannot be read, columns are missing, or no record can be linked.
    SecretError
        When `secret` or `token_key` is another kind of key.
    SealError
        When a file cannot be written.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import linkkit as lk
    >>> from linkkit.synth import youth_partnership
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> town = youth_partnership(n_district=40, n_summer=10, n_jobs=5)
    >>> own, unit, steward = (lk.Identity.generate() for _ in range(3))
    >>> document = town.agreement
    >>> document["parties"]["district"]["public_key"] = own.public.text
    >>> document["linkage_unit"]["public_key"] = unit.public.text
    >>> document["steward"]["public_key"] = steward.public.text
    >>> town.extracts["district"].to_csv(folder / "district.csv", index=False)
    >>> files = lk.encode_file(
    ...     folder / "district.csv",
    ...     lk.Agreement.from_document(document),
    ...     lk.Secret.generate(),
    ...     party="district",
    ...     identity=own,
    ...     out=folder / "out",
    ... )
    >>> files.encodings.name, files.report.n_records
    ('district.encodings', 40)
    """
    require_keys(agreement, secret, token_key)
    require_to_send(agreement, identity, party=party, today=today)
    _require_options(out=out, rows_at_once=rows_at_once, scratch=scratch, progress=progress)
    with (
        staging(Path(out)) as stage,
        read_extract_batches(
            path,
            header_row=header_row,
            sheet=sheet,
            encoding=encoding,
            delimiter=delimiter,
            n_rows=min(_ROWS_READ, rows_at_once),
        ) as batches,
        ExitStack() as stack,
    ):
        n_parts = max(1, -(-batches.most_rows // rows_at_once))
        run = _Run(
            agreement=agreement,
            secret=secret,
            party=party,
            token_key=token_key,
            most_rows=max(batches.most_rows, 1),
            progress=progress,
            spills=_Spills.open(Path(scratch or stage), n_parts, stack),
            tally=Tally(agreement, party=party),
        )
        report = run.work(batches)
        run.write(stage, report, identity)
        return _publish(stage, Path(out), party, report)


def _require_options(
    *, out: object, rows_at_once: object, scratch: object, progress: object
) -> None:
    problems = [
        f"'{name}' is the path of a folder, not {type(folder).__name__}"
        for name, folder, may_be_none in (("out", out, False), ("scratch", scratch, True))
        if not (isinstance(folder, (str, Path)) or (may_be_none and folder is None))
    ]
    if not isinstance(rows_at_once, int) or isinstance(rows_at_once, bool):
        problems.append(f"'rows_at_once' is a whole number, not {type(rows_at_once).__name__}")
    elif rows_at_once < 1:
        problems.append("'rows_at_once' is at least 1")
    if not callable(progress):
        problems.append(f"'progress' is a function, not {type(progress).__name__}")
    if problems:
        raise OptionError(problems, hint="See the docstring of linkkit.encode_file.")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Spills:
    """What waits on disk: rows by row id; encodings, payload by token; the rest by row number."""

    rows: Spill
    encodings: Spill
    payload: Spill
    token_map: Spill
    set_aside: Spill

    @classmethod
    def open(cls, folder: Path, n_parts: int, stack: ExitStack) -> _Spills:
        def one() -> Spill:
            return stack.enter_context(Spill(folder, n_parts=n_parts))

        return cls(rows=one(), encodings=one(), payload=one(), token_map=one(), set_aside=one())


@dataclass(kw_only=True, slots=True)
class _Run:
    """One file on its way."""

    agreement: Agreement
    secret: Secret | ClkhashSecret
    party: str
    token_key: TokenKey | None
    most_rows: int
    progress: Progress
    spills: _Spills
    tally: Tally
    manifest: Manifest | None = None
    notes: tuple[str, ...] = ()

    @property
    def n_parts(self) -> int:
        return self.spills.rows.n_parts

    def work(self, batches: ExtractBatches) -> EncodingReport:
        """Read and encode; returns the report once it is known that the file may be sent."""
        whole = self._read(batches)
        for number in range(self.n_parts):
            self._encode_part(self.spills.rows.part(number), whole)
            self._tell("encode", number + 1, self.n_parts, "parts")
        outside = self.tally.n_outside
        require_years(outside, self.tally.first_outside, self.agreement, party=self.party)
        report = self.tally.report()
        require_records(report.n_records, self.spills.rows.n_rows, party=self.party)
        return report

    def _read(self, batches: ExtractBatches) -> ColumnCounts:
        evidence = ColumnEvidence(as_schema_reads(self.agreement, self.party), party=self.party)
        record_id = self.agreement.party(self.party).record_id
        named = columns_named(self.agreement, self.party)
        for i, extract in enumerate(batches):
            if i == 0:
                require_columns(extract, named, party=self.party)
            evidence.add(extract)
            self.tally.add_unread(extract.set_aside)
            self._set_aside(extract.set_aside)
            ids = record_ids_of(extract, record_id)
            rows = extract.rows
            # Python hashes text under a key of the process, and the parts do not show anyway.
            parts = np.fromiter(
                (rows[j] if x is None else hash(x) for j, x in enumerate(ids.to_pylist())),
                dtype=np.int64,
            )
            table = extract.table.append_column(_ROW, pa.array(rows))
            self.spills.rows.add(table, parts % self.n_parts)
            self._tell("read", int(rows[-1]) if len(rows) else 0, self.most_rows, "rows")
        self.notes = batches.notes
        return evidence.counts()

    def _encode_part(self, rows: pa.Table, whole: ColumnCounts) -> None:
        numbers = rows.column(_ROW).to_numpy()
        extract = Extract(table=rows.drop_columns([_ROW]), rows=numbers, notes=self.notes)
        work = prepare(
            extract,
            self.agreement,
            party=self.party,
            secret=self.secret,
            token_key=self.token_key,
            years=stated_years(extract, self.agreement, party=self.party),
            whole=whole,
        )
        self.tally.add(work)
        self._set_aside(work.records.set_aside)
        if not len(work.records.ids) or self.tally.n_outside:
            return
        encodings = encodings_of(work, self.secret, counts={})
        self.manifest = self.manifest or encodings.to_manifest(0)
        self.spills.encodings.add(encodings.to_table(), self._by_token(encodings.tokens))
        payload = payload_of(work, counts={}).table
        self.spills.payload.add(payload, self._by_token(token_matrix(payload.column("token"))))
        mapped = token_map_of(work)
        table = pa.table(
            {
                "row": pa.array(mapped.rows),
                "token": token_array(mapped.tokens),
                "record_id": mapped.record_ids.cast(pa.large_string()),
            }
        )
        self.spills.token_map.add(table, self._by_row(mapped.rows))

    def _set_aside(self, items: tuple[SetAside, ...]) -> None:
        rows = np.array([item.row for item in items], dtype=np.int64)
        reasons = pa.array([item.reason for item in items], type=pa.string())
        table = pa.table({"row": pa.array(rows), "reason": reasons})
        self.spills.set_aside.add(table, self._by_row(rows))

    def _by_token(self, tokens: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        first = tokens[:, :3].astype(np.int64)
        place = (first[:, 0] << 16) | (first[:, 1] << 8) | first[:, 2]
        return (place * self.n_parts) >> 24

    def _by_row(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.clip((rows - 1) * self.n_parts // self.most_rows, 0, self.n_parts - 1)

    def write(self, stage: Path, report: EncodingReport, identity: Identity) -> None:
        """Write all files to the side, those that are not encrypted last."""
        assert self.manifest is not None  # noqa: S101  # there are records
        manifest = self.manifest.model_copy(
            update={"n_rows": report.n_records, "counts": report.counts}
        )
        EncodedExtract.save_batches(
            stage / f"{self.party}.encodings",
            self._encodings(manifest),
            n_rows=report.n_records,
            agreement=self.agreement,
            identity=identity,
        )
        PayloadExtract.save_batches(
            stage / f"{self.party}.payload",
            self._payload(report),
            n_rows=self.spills.payload.n_rows,
            agreement=self.agreement,
            identity=identity,
        )
        self._write_home(stage / HOME, report)

    def _encodings(self, manifest: Manifest) -> Iterator[EncodedExtract]:
        for table in filter(len, self._parts("write encodings", self.spills.encodings)):
            tokens = np.ascontiguousarray(token_matrix(table.column("token")))
            halves = tokens.view(">u8").astype(np.uint64)
            order = np.lexsort((halves[:, 1], halves[:, 0]))
            yield EncodedExtract.from_table(table.take(pa.array(order)), manifest)

    def _payload(self, report: EncodingReport) -> Iterator[PayloadExtract]:
        for table in filter(len, self._parts("write payload", self.spills.payload)):
            yield PayloadExtract(
                party=self.party,
                agreement_id=self.agreement.id,
                agreement_fingerprint=self.agreement.fingerprint,
                table=table.take(pa.array(row_order(table))),
                counts=report.counts,
            )

    def _write_home(self, home: Path, report: EncodingReport) -> None:
        with atomic_file(home / f"{self.party}.token-map.csv", private=True) as file:
            for number, part in enumerate(self._parts("write token map", self.spills.token_map)):
                table = part.sort_by("row")
                mapped = TokenMap(
                    tokens=token_matrix(table.column("token")),
                    record_ids=table.column("record_id").combine_chunks(),
                    rows=table.column("row").to_numpy(),
                )
                file.write(mapped.to_csv(header=number == 0).encode())
        with atomic_file(home / f"{self.party}.set-aside.csv", private=True) as file:
            for number, part in enumerate(self._parts("write set aside", self.spills.set_aside)):
                rows = part.sort_by("row").to_pylist()
                items = [SetAside(row=item["row"], reason=item["reason"]) for item in rows]
                file.write(set_aside_csv(items, header=number == 0).encode())
        atomic_text(home / f"{self.party}.report.txt", f"{report}\n", private=True)

    def _parts(self, stage: str, spill: Spill) -> Iterator[pa.Table]:
        for number in range(spill.n_parts):
            yield spill.part(number)
            self._tell(stage, number + 1, spill.n_parts, "parts")

    def _tell(self, stage: str, done: int, total: int, unit: str) -> None:
        self.progress(ProgressEvent(stage=stage, done=done, total=total, unit=unit))


def _publish(stage: Path, out: Path, party: str, report: EncodingReport) -> EncodedFiles:
    at_home = [
        f"{HOME}/{party}.{name}" for name in ("token-map.csv", "set-aside.csv", "report.txt")
    ]
    publish(stage, out, [*at_home, f"{party}.payload", f"{party}.encodings"])
    return EncodedFiles(
        encodings=out / f"{party}.encodings",
        payload=out / f"{party}.payload",
        home=out / HOME,
        report=report,
    )
