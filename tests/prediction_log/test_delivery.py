"""Trouble with what is written to: nothing is held up, and what is lost is counted."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from tabproof.artifacts.remote.store import open_store
from tabproof.prediction_log import delivery
from tabproof.prediction_log.delivery import BucketPlace, Delivery, LocalPlace, Segment
from tabproof.prediction_log.layout import labels_folder, predictions_folder
from tabproof.prediction_log.segments import LabelEntry
from tests.conftest import ROOT
from tests.prediction_log.conftest import MODEL, Write, files, read, wait_for

TODAY = datetime.now(UTC).date()


class Unreachable:
    """A place that fails until it is mended; blocked: it does not even fail."""

    def __init__(self, place: LocalPlace | None = None, *, blocked: bool = False) -> None:
        self._place, self.n_tries = place, 0
        self.mended, self._blocked = threading.Event(), blocked

    def store(self, name: str, content: bytes) -> None:
        self.n_tries += 1
        if self._blocked:
            self.mended.wait(30)
        if not self.mended.is_set():
            raise OSError(28, "No space left on device")
        if self._place is not None:
            self._place.store(name, content)

    def remove_before(self, day: date) -> None:
        pass


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "FIRST_PAUSE", 0.02)


def test_a_file_that_cannot_be_stored_is_tried_again_until_it_can(
    write: Write, tmp_path: Path
) -> None:
    place = Unreachable(LocalPlace(tmp_path / "log"))
    with write(place, flush_seconds=0.1) as written:
        written.record()
        wait_for(lambda: place.n_tries > 2)
        assert written.log._delivery.failure == "No space left on device"
        place.mended.set()
        wait_for(lambda: written.counts[""])
        assert written.log._delivery.failure == ""
    assert written.counts == {"": 4}
    assert len(read(written.path)) == 4


def test_pauses_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "LAST_PAUSE", 0.3)
    place = Unreachable()
    waiting = Delivery(place, 1000, lambda *_: None)
    waiting.start()
    waiting.put(Segment("a", b"a", 1))
    time.sleep(0.5)
    # 0.02 + 0.04 + 0.08 + 0.16 + 0.3: without growth there were 25.
    assert 2 <= place.n_tries <= 6
    waiting.stop(0.1)


def test_the_oldest_file_is_dropped_where_too_many_wait() -> None:
    counts: Counter[str] = Counter()
    place = Unreachable()
    waiting = Delivery(place, 250, lambda reason, n: counts.update({reason: n}))
    waiting.start()
    for n in range(5):
        waiting.put(Segment(f"{n}", b"x" * 100, 10**n))
    assert counts == {"not_written": 111}
    place.mended.set()
    waiting.stop(5)
    assert counts == {"not_written": 111, "": 11000}


def test_a_full_queue_costs_rows_and_neither_memory_nor_time(write: Write) -> None:
    place = Unreachable(blocked=True)
    with write(place, flush_seconds=0.1, max_bytes=2**20, seconds=0.3) as written:
        longest = 0.0
        for _ in range(40):
            start = time.perf_counter()
            written.record(500)
            longest = max(longest, time.perf_counter() - start)
            time.sleep(0.002)
        assert longest < 0.5
        waiting = written.log._delivery._n_bytes + written.log._n_pending
        waiting += sum(500 * len(s._rows) for s in written.log._streams.values())
        assert waiting < 2 * 2**20
        start = time.monotonic()
    assert time.monotonic() - start < 3
    place.mended.set()
    assert sum(written.counts.values()) == 20_000
    assert written.counts["queue_full"] + written.counts["not_written"] >= 19_500


def test_the_end_of_the_log_waits_no_longer_than_it_may(write: Write) -> None:
    place = Unreachable(blocked=True)
    with write(place, seconds=0.3) as written:
        written.record()
        start = time.monotonic()
    assert time.monotonic() - start < 2
    place.mended.set()
    assert written.counts == {"not_written": 4}


def test_what_is_dropped_is_told_in_one_line(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    with write(Unreachable(), seconds=0.2) as written:
        written.record()
    (line,) = caplog.messages
    assert "4 rows were dropped (not_written)" in line
    assert "No space left on device" in line


def test_a_directory_that_was_removed_is_made_again(write: Write) -> None:
    with write(flush_seconds=0.1) as written:
        written.record()
        wait_for(lambda: written.counts[""] == 4)
        shutil.rmtree(written.path)
        written.record()
    assert len(read(written.path)) == 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_rights_is_refused_at_the_start(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        LocalPlace(tmp_path / "log").check()


def test_the_check_leaves_nothing_behind(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path / "log")
    place.check()
    assert [*place.path.iterdir()] == []
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        LocalPlace(tmp_path / "file").check()


def test_several_writers_share_a_directory(write: Write) -> None:
    with write() as first, write() as second:
        first.record()
        second.record()
    names = [file.name for file in files(first.path)]
    assert len({name.split("_")[1] for name in names}) == 2
    assert len(read(first.path)) == 8


FULL = """
import resource, signal, sys, time
from pathlib import Path
from tests.prediction_log.conftest import MODEL, CELLS, PROBA, LABELS
from tabproof.prediction_log.delivery import LocalPlace
from tabproof.prediction_log.writer import LogOptions, PredictionLog
counts = {}
def count(reason, n):
    counts[reason] = counts.get(reason, 0) + n
place = LocalPlace(Path(sys.argv[1]))
place.check()
log = PredictionLog(place, LogOptions(flush_seconds=0.1), count)
log.start()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
log.record(MODEL, "r0", CELLS[0], PROBA[0], LABELS[0])
time.sleep(0.5)
assert not counts, counts
assert log._delivery.failure == "File too large", log._delivery.failure
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.stop(5)
print(counts)
"""


def test_a_disk_that_was_full_gets_the_file_later(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, tmp_path],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "{'': 1}", done.stderr
    # What could not be finished is gone: nothing but the whole file is there.
    assert len([each for each in tmp_path.rglob("*") if each.is_file()]) == 1
    assert len(read(tmp_path)) == 1


def test_old_days_are_removed_and_nothing_else(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path)
    old, kept = TODAY - timedelta(days=31), TODAY - timedelta(days=30)
    for day in (old, kept):
        place.store(f"{predictions_folder(day, 'm')}/a.parquet", b"x")
        place.store(f"{labels_folder(day)}/a.parquet", b"x")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    (tmp_path / "predictions" / "date=2000-01-01").symlink_to(elsewhere)
    (tmp_path / "predictions" / "date=old").mkdir()
    place.remove_before(kept)
    left = {
        each.name for folder in ("predictions", "labels") for each in (tmp_path / folder).iterdir()
    }
    assert left == {f"date={kept}", "date=2000-01-01", "date=old"}
    assert (elsewhere / "file").exists()


def test_the_writer_removes_old_days_when_it_starts(write: Write, tmp_path: Path) -> None:
    old = tmp_path / "log" / predictions_folder(TODAY - timedelta(days=8), "m")
    old.mkdir(parents=True)
    with write(days=7):
        wait_for(lambda: not old.parent.exists())
    assert not old.exists()


def test_labels_are_on_the_disk_when_the_call_returns(write: Write) -> None:
    when = datetime(2026, 11, 30, 12, tzinfo=UTC)
    with write() as written:
        written.log.write_labels([LabelEntry("r0", 0, "yes", when), LabelEntry("é", 3, "no", None)])
        found = pd.read_parquet(written.path / "labels")
    assert found["request_id"].tolist() == ["r0", "é"]
    assert found["row"].tolist() == [0, 3]
    assert found["label"].tolist() == ["yes", "no"]
    assert found["at"][0] == pd.Timestamp(when)
    assert pd.isna(found["at"][1])
    assert found["received"].dt.date.tolist() == [TODAY, TODAY]
    # Of two labels of a row, the last one in the list came last.
    assert found["received"].diff()[1] == pd.Timedelta(microseconds=1)
    assert set(found["date"].astype(str)) == {str(TODAY)}


def test_labels_that_cannot_be_written_are_an_error(write: Write) -> None:
    with write(Unreachable()) as written, pytest.raises(OSError, match="No space"):
        written.log.write_labels([LabelEntry("r0", 0, "yes", None)])


def test_a_bucket_gets_each_file_through_the_client_of_the_model_store(write: Write) -> None:
    place = BucketPlace(open_store("memory://bucket/log", step_seconds=5))
    with write(place) as written:
        written.record()
        written.log.write_labels([LabelEntry("r0", 0, "yes", None)])
    assert written.counts == {"": 4}
    filesystem = place._store._client  # type: ignore[attr-defined]
    stored = [name.removeprefix("/bucket/log/") for name in filesystem.find("/bucket/log")]
    labels, predictions = sorted(stored)
    assert labels.startswith(f"labels/date={TODAY}/")
    assert predictions.startswith(predictions_folder(TODAY, MODEL.name))
    with filesystem.open(f"/bucket/log/{predictions}") as file:
        assert len(pd.read_parquet(file)) == 4
