"""Small files of a log become one, with the same rows; nothing is lost or counted twice."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tabproof.artifacts.files import locked
from tabproof.monitoring import compact as module
from tabproof.monitoring import parquet_merge
from tabproof.monitoring.compact import Merged, compact, described, merge_log
from tabproof.monitoring.log_files import being_read, find_files
from tabproof.monitoring.log_places import COMPACTING, DirectoryPlace
from tabproof.monitoring.merged import find_replaced, read_sources
from tabproof.monitoring.parquet_merge import RowsMissingError
from tabproof.prediction_log import layout
from tabproof.prediction_log.delivery import LocalPlace
from tests.conftest import ROOT, typed_in
from tests.monitoring.logs import Log, answers_of
from tests.monitoring.small_logs import (
    BEFORE,
    LABELS,
    PARTITION,
    SECOND,
    labels,
    name_of,
    names,
    rows_of,
    segment,
    small_log,
    values,
    write,
)

MERGED = layout.merged_name(1)


def merged(root: Path, before: date = BEFORE) -> Merged:
    return merge_log(DirectoryPlace(root), before)


# --- What it makes


def test_each_partition_has_one_file_with_the_same_rows(tmp_path: Path) -> None:
    before = rows_of(small_log(tmp_path))
    ids, probabilities = (values(tmp_path, PARTITION, name) for name in ("request_id", "proba_no"))
    found = merged(tmp_path)
    assert rows_of(tmp_path) == before
    assert (found.n_partitions, found.n_files, found.damaged) == (5, (20, 5), {})
    assert {Path(name).name for name in names(tmp_path)} == {MERGED}
    # The rows keep their order.
    assert values(tmp_path, PARTITION, "request_id") == ids
    assert values(tmp_path, PARTITION, "proba_no") == probabilities
    metadata = pq.read_metadata(tmp_path / PARTITION / MERGED).metadata
    assert metadata[layout.FORMAT_KEY.encode()] == layout.FORMAT.encode()
    assert b"ARROW:schema" not in metadata
    assert read_sources(tmp_path / PARTITION / MERGED) == {name_of(i) for i in range(4)}


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    small_log(tmp_path)
    done = typed_in("monitor", "compact", "--log", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("20 files of 5 partitions are 5 files now; ")
    inodes = [(tmp_path / name).stat().st_ino for name in names(tmp_path)]
    done = typed_in("monitor", "compact", "--log", f"file://{tmp_path}", "--before", BEFORE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "nothing to merge in the days before 2026-11-28\n"
    assert [(tmp_path / name).stat().st_ino for name in names(tmp_path)] == inodes


def test_days_that_are_not_over_for_a_day_stay_as_they_are(tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    for days in (0, 1, 2):
        for number in range(2):
            day = today - timedelta(days=days)
            write(tmp_path, layout.predictions_folder(day, "adult"), number)
    compact(log=str(tmp_path))
    found = Counter(Path(name).parts[1] for name in names(tmp_path))
    assert sorted(found.values()) == [1, 2, 2]
    assert found[f"date={today - timedelta(days=2)}"] == 1
    compact(log=str(tmp_path), before=str(today + timedelta(days=1)))
    assert len(names(tmp_path)) == 3


def test_a_merged_day_that_got_further_files_is_merged_again(tmp_path: Path) -> None:
    small_log(tmp_path)
    merged(tmp_path)
    for number in (10, 11):
        write(tmp_path, PARTITION, number)
    before = rows_of(tmp_path)
    found = merged(tmp_path)
    assert (found.n_partitions, found.n_files) == (1, (3, 1))
    assert rows_of(tmp_path) == before
    (path,) = (tmp_path / PARTITION).iterdir()
    assert path.name == layout.merged_name(2)
    assert read_sources(path) == {MERGED, *map(name_of, (0, 1, 2, 3, 10, 11))}


def test_files_with_other_columns_or_types_are_never_mixed(tmp_path: Path) -> None:
    kinds = (
        {},
        {"x_age": pa.array(["a1", None, "b2"])},
        {"x_age": None},
        {"x_new": pa.array([None] * 3, pa.float64())},
    )
    for number in range(12):
        write(tmp_path, PARTITION, number, segment(number, **kinds[number % 4]))
    # Of a fifth kind there is one only.
    write(tmp_path, PARTITION, 12, segment(12, x_other=pa.array([1.0] * 3)))
    before = rows_of(tmp_path)
    found = merged(tmp_path)
    assert found.n_files == (13, 5)
    # Among what is compared are the names and types of the columns of each row.
    assert rows_of(tmp_path) == before
    assert merged(tmp_path).n_partitions == 0


def test_labels_of_the_service_and_of_a_file_become_one(tmp_path: Path) -> None:
    write(tmp_path, LABELS, 0, labels(0))
    with duckdb.connect() as connection:
        connection.execute(
            f"""COPY (SELECT 'r9' AS request_id, 0::INTEGER AS "row", 'no' AS label,
            NULL::TIMESTAMPTZ AS "at", '2026-11-03T05:00:00Z'::TIMESTAMPTZ AS received)
            TO '{tmp_path / LABELS / name_of(1)}' (FORMAT parquet)"""
        )
    before = rows_of(tmp_path)
    assert merged(tmp_path).n_files == (2, 1)
    assert rows_of(tmp_path) == before


def test_plain_values_are_written_for_dictionaries(tmp_path: Path) -> None:
    for number, job in enumerate((["a", "b", None], ["c", "c", "a"])):
        path = write(tmp_path, PARTITION, number, b"")
        table = pa.table({"x_job": pa.array(job, pa.string()).dictionary_encode()})
        pq.write_table(table, path)
    merged(tmp_path)
    assert values(tmp_path, PARTITION, "x_job") == ["a", "b", None, "c", "c", "a"]
    assert pq.read_schema(tmp_path / PARTITION / MERGED).types == [pa.string()]


def test_large_files_are_left_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 15_000)
    monkeypatch.setattr(module, "LARGE", 7_500)
    monkeypatch.setattr(parquet_merge, "GROUP_ROWS", 6)
    for number in range(40):
        write(tmp_path, PARTITION, number)
    before, ids = rows_of(tmp_path), values(tmp_path, PARTITION, "request_id")
    found = merged(tmp_path)
    assert 1 < found.n_files[1] < 10
    assert rows_of(tmp_path) == before
    assert values(tmp_path, PARTITION, "request_id") == ids
    assert merged(tmp_path).n_partitions == 0


@pytest.mark.parametrize("cells", [10, 500_000])
def test_a_damaged_file_is_left_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: int
) -> None:
    # With few cells at a time a file is read once before any of its rows are written.
    monkeypatch.setattr(parquet_merge, "CELLS", cells)
    small_log(tmp_path)
    cut, empty, flipped = (tmp_path / PARTITION / name_of(i) for i in (0, 1, 2))
    before = rows_of(tmp_path)
    for number in (0, 1, 2):
        before -= Counter({row: n for row, n in before.items() if f"'r{number}-" in row[2]})
    content = flipped.read_bytes()
    cut.write_bytes(content[:-50])
    empty.write_bytes(b"")
    flipped.write_bytes(content[:4] + bytes(byte ^ 0xFF for byte in content[4:400]) + content[400:])
    damaged = {path: path.read_bytes() for path in (cut, empty, flipped)}
    write(tmp_path, PARTITION, 7)
    found = merged(tmp_path)
    assert set(found.damaged) == {f"{PARTITION}/{path.name}" for path in damaged}
    assert {path: path.read_bytes() for path in damaged} == damaged
    assert sorted(path.name for path in (tmp_path / PARTITION).iterdir()) == sorted(
        [*(path.name for path in damaged), MERGED]
    )
    text = described(found, BEFORE)
    assert f"left where it is: {PARTITION}/{name_of(0)} cannot be read: " in text
    assert typed_in("monitor", "compact", "--log", tmp_path).returncode == 0


def test_a_file_that_lacks_rows_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_log(tmp_path)
    before = names(tmp_path)
    add = parquet_merge.Writer.add

    def forgetful(self: parquet_merge.Writer, source: parquet_merge.Source) -> None:
        kept = source.batches if source.name == name_of(0) else ()
        add(self, parquet_merge.Source(source.name, source.schema, source.n_rows, kept))

    monkeypatch.setattr(parquet_merge.Writer, "add", forgetful)
    with pytest.raises(RowsMissingError, match="would have 3 rows and not the 12"):
        merged(tmp_path)
    assert names(tmp_path) == before


# --- Kills


class Killed(BaseException):
    """The process is gone: nothing that follows changes the disk."""


class Kill:
    """Count what touches the disk; be dead from one of these calls on, before or after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, *, after: bool) -> None:
        self.n_calls, self._at, self._after = 0, at, after
        for owner, name in (
            (Path, "replace"), (Path, "unlink"), (os, "fsync"), (pq.ParquetWriter, "write_table"),
            (Path, "open"), (Path, "read_bytes"),
        ):  # fmt: skip
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            number, self.n_calls = self.n_calls, self.n_calls + 1
            if number > self._at or (number == self._at and not self._after):
                raise Killed
            found = call(*arguments, **options)
            if number == self._at:
                # An opened file, which the system closes.
                getattr(found, "close", lambda: None)()
                raise Killed
            return found

        return counted


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_step_loses_no_row_and_counts_none_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    first = tmp_path / "first"
    for number in range(3):
        write(first, PARTITION, number)
        write(first, LABELS, number, labels(number))
    # The second of two merges of a partition, too.
    merged(first)
    for number in (5, 6):
        write(first, PARTITION, number)
        write(first, LABELS, number, labels(number))
    before = rows_of(first)
    n_killed, states, at = 0, set(), 0
    while n_killed == at:
        root = tmp_path / f"{at}"
        shutil.copytree(first, root)
        with monkeypatch.context() as patched:
            kill = Kill(patched, at, after=after)
            try:
                merged(root)
            except Killed:
                n_killed += 1
        states.add(tuple(names(root)))
        assert rows_of(root) == before, at
        merged(root)
        assert rows_of(root) == before, at
        assert names(root) == [f"{part}/merged-000002.parquet" for part in (LABELS, PARTITION)]
        at += 1
    assert kill.n_calls == n_killed > 20
    # Half of a file, a whole one, and some of its sources removed.
    assert len(states) > 8


KILLED_IN_THE_MIDDLE = """
import os, signal, sys
from datetime import date
from pathlib import Path
from tabproof.monitoring.compact import merge_log
from tabproof.monitoring.log_places import DirectoryPlace
unlink, left = Path.unlink, [int(sys.argv[2])]
def unlink_some(path, **options):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    unlink(path, **options)
Path.unlink = unlink_some
merge_log(DirectoryPlace(Path(sys.argv[1])), date(2026, 11, 28))
"""


@pytest.mark.slow
@pytest.mark.parametrize("n_removed", [0, 1, 3, 7])
def test_a_process_that_is_killed_leaves_every_row_once(tmp_path: Path, n_removed: int) -> None:
    before = rows_of(small_log(tmp_path))
    command = [sys.executable, "-c", KILLED_IN_THE_MIDDLE, str(tmp_path), str(n_removed)]
    done = subprocess.run(command, cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert rows_of(tmp_path) == before
    done = typed_in("monitor", "compact", "--log", tmp_path)
    assert (done.returncode, rows_of(tmp_path)) == (0, before)
    assert {Path(name).name for name in names(tmp_path)} == {MERGED}


def test_what_a_killed_command_left_unfinished_is_removed(tmp_path: Path) -> None:
    small_log(tmp_path)
    unfinished = tmp_path / PARTITION / f".{MERGED}.12.34.tmp"
    of_a_service = tmp_path / PARTITION / f".{name_of(1)}.12.34.tmp"
    for path in (unfinished, of_a_service):
        path.write_bytes(b"")
    merged(tmp_path)
    assert not unfinished.exists()
    assert of_a_service.exists()


# --- Readers, writers and other commands


def test_no_file_is_removed_while_somebody_reads(tmp_path: Path) -> None:
    small_log(tmp_path)
    before = rows_of(tmp_path)
    thread = threading.Thread(target=merged, args=(tmp_path,))
    with being_read(tmp_path):
        files = find_files(tmp_path)
        thread.start()
        thread.join(1)
        # It waits: the first merged file is there, and its sources are too.
        assert thread.is_alive()
        assert all(Path(path).exists() for path in files.predictions["adult"])
        assert rows_of(tmp_path) == before
    thread.join(30)
    assert not thread.is_alive()
    assert rows_of(tmp_path) == before
    assert len(names(tmp_path)) == 5


def test_reading_adds_no_file_to_a_log(tmp_path: Path) -> None:
    small_log(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with being_read(tmp_path), being_read(tmp_path):
        assert find_files(tmp_path).n_files == 20
    assert sorted(tmp_path.rglob("*")) == before


def test_a_service_may_write_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_log(tmp_path)
    before = rows_of(tmp_path)
    service, numbers = LocalPlace(tmp_path), iter(range(100, 200))
    write_next = module._write_next

    def while_written(*arguments: Any) -> int:
        # One file before the list is merged, one after.
        service.store(f"{PARTITION}/{name_of(number := next(numbers))}", segment(number))
        found = write_next(*arguments)
        service.store(f"{PARTITION}/{name_of(number := next(numbers))}", segment(number))
        return found

    monkeypatch.setattr(module, "_write_next", while_written)
    merged(tmp_path)
    monkeypatch.undo()
    after = rows_of(tmp_path)
    assert after > before
    n_new = next(numbers) - 100
    assert (after - before).total() == 3 * n_new
    merged(tmp_path)
    assert rows_of(tmp_path) == after


MERGING = """
import sys
from datetime import date
from pathlib import Path
from tabproof.monitoring.compact import merge_log
from tabproof.monitoring.log_places import CompactingError, DirectoryPlace
place = DirectoryPlace(Path(sys.argv[1]))
for _ in range(300):
    try:
        with place.merging():
            merge_log(place, date(2026, 11, 28))
    except CompactingError:
        pass
"""


@pytest.mark.slow
def test_readers_count_what_is_written_while_two_commands_merge(tmp_path: Path) -> None:
    place, n_written, is_over = LocalPlace(tmp_path), [0], threading.Event()

    def serve() -> None:
        while not is_over.is_set():
            place.store(f"{PARTITION}/{name_of(n_written[0])}", segment(n_written[0]))
            n_written[0] += 1

    service = threading.Thread(target=serve)
    service.start()
    command = [sys.executable, "-c", MERGING, str(tmp_path)]
    merging = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    n_looks = 0
    try:
        while any(each.poll() is None for each in merging):
            least = n_written[0]
            found = rows_of(tmp_path)
            # One file may be there that is not counted yet.
            most = n_written[0] + 1
            assert 3 * least <= found.total() <= 3 * most
            assert set(found.values()) <= {1}
            n_looks += 1
    finally:
        is_over.set()
        service.join()
        codes = [each.wait() for each in merging]
    assert codes == [0, 0]
    assert n_looks > 5
    assert len(names(tmp_path)) < n_written[0]
    merged(tmp_path)
    assert rows_of(tmp_path).total() == 3 * n_written[0]


def test_a_file_that_is_stored_again_after_it_was_merged_counts_once(tmp_path: Path) -> None:
    small_log(tmp_path)
    before = rows_of(tmp_path)
    merged(tmp_path)
    # The service believes that it has failed, and tries it again.
    write(tmp_path, PARTITION, 2)
    assert rows_of(tmp_path) == before
    found = merged(tmp_path)
    assert (found.n_left, found.n_partitions) == (1, 0)
    assert described(found, BEFORE) == "1 file removed that had been merged before"
    # After another merge too, of which it was no direct source.
    write(tmp_path, PARTITION, 9)
    before = rows_of(tmp_path)
    merged(tmp_path)
    write(tmp_path, PARTITION, 2)
    assert rows_of(tmp_path) == before


def test_two_commands_at_once(tmp_path: Path) -> None:
    small_log(tmp_path)
    before = names(tmp_path)
    with locked(tmp_path / COMPACTING):
        done = typed_in("monitor", "compact", "--log", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"another `monitor compact` is at work in {tmp_path}" in done.stderr
    assert names(tmp_path) == before


def test_retention_may_remove_a_partition_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_log(tmp_path)
    contents = DirectoryPlace.contents

    def removed(
        self: DirectoryPlace, partition: str, given: list[str]
    ) -> Iterator[bytes | OSError]:
        for number, content in enumerate(contents(self, partition, given)):
            if number == 1:
                LocalPlace(tmp_path).remove_before(SECOND)
            yield content

    monkeypatch.setattr(DirectoryPlace, "contents", removed)
    found = merged(tmp_path)
    # All of the second day is merged; of the first one nothing is left.
    assert (found.n_partitions, found.n_changing) == (3, 0)
    assert {Path(name).parts[1] for name in names(tmp_path)} == {f"date={SECOND}"}
    LocalPlace(tmp_path).remove_before(SECOND + timedelta(days=1))
    assert names(tmp_path) == []


def test_a_merged_file_that_is_damaged_keeps_its_partition_as_it_is(tmp_path: Path) -> None:
    small_log(tmp_path)
    before = rows_of(tmp_path)
    copy = {i: (tmp_path / PARTITION / name_of(i)).read_bytes() for i in range(4)}
    merged(tmp_path)
    for number, content in copy.items():
        write(tmp_path, PARTITION, number, content)
    path = tmp_path / PARTITION / MERGED
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    # What it stands for is there, and counts.
    assert rows_of(tmp_path) == before
    assert find_files(tmp_path).unreadable == [str(path)]
    found = merged(tmp_path)
    assert list(found.damaged) == [f"{PARTITION}/{MERGED}"]
    assert rows_of(tmp_path) == before
    # It was a moment's failure of the disk only.
    path.write_bytes(content)
    assert rows_of(tmp_path) == before


def test_the_list_of_a_merged_file_that_was_merged_does_not_count() -> None:
    lists = {
        layout.merged_name(1): frozenset({"a", "b", "late"}),
        layout.merged_name(2): frozenset({layout.merged_name(1), "a", "b"}),
        layout.merged_name(10): frozenset({"c", "gone"}),
    }
    found = find_replaced([*lists, "a", "b", "c", "late"], lists.__getitem__)
    assert found == {"a", "b", "c", layout.merged_name(1)}


# --- What is asked for wrongly, or cannot be done


@pytest.mark.parametrize("before", ["2d", "2026-13-01", ""])
def test_a_day_is_a_day(tmp_path: Path, before: str) -> None:
    done = typed_in("monitor", "compact", "--log", tmp_path, "--before", before)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--before" in done.stderr


def test_a_log_that_is_not_there(tmp_path: Path) -> None:
    for place in (tmp_path / "no", "ftp://x/log"):
        done = typed_in("monitor", "compact", "--log", place)
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.splitlines()) == 1


def test_a_directory_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_log(tmp_path)
    before, opened = rows_of(tmp_path), Path.open

    def refuse(path: Path, mode: str = "r", **options: Any) -> Any:
        if "w" in mode:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, mode, **options)

    monkeypatch.setattr(Path, "open", refuse)
    done = typed_in("monitor", "compact", "--log", tmp_path)
    monkeypatch.undo()
    assert (done.returncode, done.stdout) == (2, "")
    assert "Permission denied" in done.stderr
    assert rows_of(tmp_path) == before


# --- The check


def test_a_check_finds_the_same(
    log: Log, champion: Path, outputs: Path, table: pd.DataFrame
) -> None:
    end = datetime.now(UTC)
    for seed in range(4):
        log.fill(answers_of(champion, table, 400, seed), 20, end=end)
    log.label(log.ids[:100], ["c0"] * 100, end - timedelta(days=3))
    log.label(log.ids[50:200], ["c1"] * 150, end - timedelta(days=3) + timedelta(minutes=1))

    def checked() -> str:
        words = ("--log", log.root, "--outputs", outputs, "--since", "20d", "--json")
        done = typed_in("monitor", "check", *words)
        assert done.stderr == ""
        # DuckDB sums in another order each time.
        content = json.loads(done.stdout, parse_float=lambda text: round(float(text), 12))
        assert isinstance(content.pop("made"), str)
        n_files.append(content.pop("n_files"))
        return json.dumps(content)

    n_files: list[int] = []
    before = checked()
    done = typed_in("monitor", "compact", "--log", log.root)
    assert done.returncode == 0
    assert checked() == before
    assert n_files[0] == 82
    assert n_files[1] < 30
