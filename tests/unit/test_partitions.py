"""Partitions: whole or not there, in memory or on disk, and never those of other work."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from linkkit.engines import Partitions, bytes_text, parse_bytes
from linkkit.errors import OptionError

TYPES = {"left": np.int64, "code": np.uint64}


def columns(n: int, *, start: int = 0) -> tuple[Any, Any]:
    return np.arange(start, start + n), np.arange(n, dtype=np.uint64) * np.uint64(3)


@pytest.mark.parametrize("memory", [None, 10**9, 40, 0])
@pytest.mark.parametrize("kept", [True, False])
def test_partitions_come_out_as_they_went_in(
    tmp_path: Path, memory: int | None, *, kept: bool
) -> None:
    with Partitions(TYPES, folder=tmp_path / "w" if kept else None, memory=memory) as store:
        store.put("b", columns(5, start=100))
        store.put("a", columns(0))
        store.put("c", columns(7))
        assert len(store) == 12
        left, code = store.columns()
        assert store.is_on_disk == (memory is not None and memory < 12 * 16)
        room = store.scratch(3, np.float64)
        room[:] = 0.5
    assert left.tolist() == [*range(100, 105), *range(7)]
    assert code.tolist() == [*range(0, 15, 3), *range(0, 21, 3)]
    assert code.dtype == np.uint64
    assert room.tolist() == [0.5] * 3
    if kept:
        assert list((tmp_path / "w").iterdir()) == []


def test_nothing_at_all_makes_empty_columns() -> None:
    with Partitions(TYPES, memory=0) as store:
        left, code = store.columns()
    assert len(left) == len(code) == 0
    assert code.dtype == np.uint64


def test_what_was_finished_is_there_when_work_goes_on(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        Partitions(TYPES, folder=tmp_path, work="one") as store,
    ):
        store.put("a", columns(4))
        raise KeyboardInterrupt
    (tmp_path / "b.arrow").write_bytes(b"the machine went down")
    (tmp_path / ".c.part").write_bytes(b"unfinished")
    with Partitions(TYPES, folder=tmp_path, work="one") as store:
        assert "a" in store
        assert "b" not in store
        store.put("b", columns(2))
        assert store.columns()[0].tolist() == [0, 1, 2, 3, 0, 1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["other work", "other files", "damaged"])
def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    if content == "other files":
        (tmp_path / "notes.txt").write_text("mine")
    elif content == "damaged":
        (tmp_path / "linkkit-work.json").write_text("{")
    else:
        with pytest.raises(ZeroDivisionError), Partitions(TYPES, folder=tmp_path, work="other"):
            _ = 1 // 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OptionError, match="cannot be used"):
        Partitions(TYPES, folder=tmp_path, work="one")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_file_instead_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match="cannot be used"):
        Partitions(TYPES, folder=tmp_path / "file")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit of file sizes")
def test_a_disk_that_is_full_is_told_and_leaves_nothing_unfinished(tmp_path: Path) -> None:
    program = f"""
import resource, signal, sys
import numpy as np
from pathlib import Path
from linkkit.engines import Partitions
from linkkit.errors import OptionError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
store = Partitions({{"left": np.int64}}, folder={str(tmp_path)!r}, work="x", memory=1_000)
store.put("a", [np.arange(1_000)])
for attempt in (lambda: store.put("b", [np.arange(100_000)]), lambda: store.scratch(100_000, np.int64)):
    try:
        attempt()
    except OptionError as error:
        print(error)
print(sorted(path.name for path in Path({str(tmp_path)!r}).iterdir()), len(store))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert done.stdout.count("results cannot be kept on disk") == 2
    assert "What was finished in a work folder is still there." in done.stdout
    assert done.stdout.splitlines()[-1] == "['a.arrow', 'linkkit-work.json'] 1000"


def test_a_full_disk_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "marker of a path")

    store = Partitions(TYPES, folder=tmp_path, memory=0)
    store.put("a", columns(3))
    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    with pytest.raises(OptionError, match="no space is left") as caught:
        store.columns()
    assert "marker" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_folder_for_the_time_being_is_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Partitions(TYPES, memory=10) as store:
        store.put("a", columns(100))
        assert len(list(tmp_path.iterdir())) == 1
        left, _ = store.columns()
    assert list(tmp_path.iterdir()) == []
    assert left.sum() == 4950


@pytest.mark.parametrize(
    ("text", "size"),
    [("2 GB", 2 * 10**9), ("1.5GiB", 3 << 29), (" 500 mb ", 5 * 10**8), ("7", 7), (12, 12)],
)
def test_amounts_of_memory_are_read(text: str | int, size: int) -> None:
    assert parse_bytes(text, option="memory_limit") == size


@pytest.mark.parametrize("text", ["", "two", "-1 GB", "1 XB", 0, -5, True, 1.5, None])
def test_what_is_no_amount_of_memory_is_refused(text: object) -> None:
    with pytest.raises(OptionError, match="'memory_limit' is a number of bytes"):
        parse_bytes(text, option="memory_limit")


def test_amounts_of_memory_are_written_as_people_do() -> None:
    assert [bytes_text(n) for n in (3, 2_500, 10**7, 1.26e9, 5e12)] == [
        "3 bytes", "2.5 kB", "10.0 MB", "1.3 GB", "5.0 TB",
    ]  # fmt: skip


def test_a_partition_that_is_not_what_was_written_is_made_again(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        Partitions(TYPES, folder=tmp_path, work="one") as store,
    ):
        store.put("a", columns(400))
        store.put("b", columns(400, start=7))
        raise KeyboardInterrupt
    content = bytearray((tmp_path / "b.arrow").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 64] = bytes(64)
    (tmp_path / "b.arrow").write_bytes(content)
    with Partitions(TYPES, folder=tmp_path, work="one") as store:
        assert "a" in store
        assert "b" not in store


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such locks")
def test_two_linkages_do_not_work_in_one_folder(tmp_path: Path) -> None:
    with Partitions(TYPES, folder=tmp_path, work="one") as store:
        store.put("a", columns(4))
        with pytest.raises(OptionError, match="another linkage works in it"):
            Partitions(TYPES, folder=tmp_path, work="one")
        assert len(store.columns()[0]) == 4
    with Partitions(TYPES, folder=tmp_path, work="two") as store:
        assert len(store) == 0


def test_files_that_the_system_puts_into_folders_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").write_bytes(b"x")
    with Partitions(TYPES, folder=tmp_path, work="one") as store:
        store.put("a", columns(4))
    assert [path.name for path in tmp_path.iterdir()] == [".DS_Store"]
