"""The index is quick and never right where the files say otherwise."""

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tabproof.artifacts import find, read_records, record
from tabproof.artifacts.errors import OutputsError
from tabproof.artifacts.find import NAME
from tests.artifacts.telling import DAY, failed, make_told_run, make_unfinished, running


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    outputs = tmp_path / "outputs"
    make_told_run(outputs / "2026-11-22/09-00-00_adult", "aaaa0000", 0.91)
    make_told_run(outputs / DAY / "10-00-00_sweep/0_search=full", "bbbb0000", 0.92)
    failed(outputs / DAY / "10-00-00_sweep/1_search=fast")
    make_told_run(outputs / DAY / "11-00-00_名 前", "cccc0000", 0.93)
    return outputs


def names(outputs: Path) -> list[tuple[str, str | None]]:
    return [(found.path.name, found.record.run_id) for found in read_records(outputs)]


EXPECTED = [
    ("11-00-00_名 前", "cccc0000"),
    ("1_search=fast", None),
    ("0_search=full", "bbbb0000"),
    ("09-00-00_adult", "aaaa0000"),
]


def read_anew(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the names of the runs that are read rather than remembered."""
    seen: list[str] = []
    plain = record.read_record
    with monkeypatch.context() as patch:
        patch.setattr(record, "read_record", lambda run: (seen.append(run.name), plain(run))[1])
        read_records(outputs)
    return sorted(seen)


def test_every_run_is_found_the_newest_first(outputs: Path) -> None:
    assert names(outputs) == names(outputs) == EXPECTED
    assert [found.when for found in read_records(outputs)][::3] == [
        "2026-11-23 11:00:00", "2026-11-22 09:00:00",
    ]  # fmt: skip


def test_what_was_read_is_not_read_again(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_records(outputs)
    assert read_anew(outputs, monkeypatch) == []
    assert read_records(outputs) == before
    shutil.move(outputs, outputs.with_name("moved"))
    assert read_anew(outputs.with_name("moved"), monkeypatch) == []


def test_a_run_that_changes_is_read_again(outputs: Path) -> None:
    read_records(outputs)
    run = outputs / DAY / "11-00-00_名 前"
    for run_id, auc in (("dddd0000", 0.95), ("eeee0000", 0.96)):
        shutil.rmtree(run)
        # Of the same size each time, with times as a copy may keep them.
        make_told_run(run, run_id, auc)
        for name in ("manifest.json", "summary.json"):
            os.utime(run / name, ns=(1, 1))
        assert names(outputs)[0] == ("11-00-00_名 前", run_id)
    summary = run / "summary.json"
    summary.write_bytes(summary.read_bytes().replace(b"0.96", b"0.99"))
    assert read_records(outputs)[0].record.state == "failed"


def test_a_run_that_vanishes_drops_out(outputs: Path) -> None:
    read_records(outputs)
    shutil.rmtree(outputs / DAY)
    assert names(outputs) == EXPECTED[3:]
    rows = sqlite3.connect(outputs / NAME).execute("SELECT path FROM runs").fetchall()
    assert rows == [(b"2026-11-22/09-00-00_adult",)]


def test_what_may_change_is_read_each_time(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running(outputs / DAY / "12-00-00_a")
    make_unfinished(outputs / DAY / "13-00-00_b", None)
    damaged = make_told_run(outputs / DAY / "14-00-00_c", "dddd0000")
    (damaged / "summary.json").write_text("{}")
    read_records(outputs)
    assert read_anew(outputs, monkeypatch) == ["12-00-00_a", "13-00-00_b", "14-00-00_c"]


@pytest.mark.parametrize("content", [b"", b"no database" * 999, b"SQLite format 3\0" * 99])
def test_what_is_no_index_is_made_anew_and_told(
    content: bytes, outputs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (outputs / NAME).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert names(outputs) == EXPECTED
    assert [record.getMessage().count("\n") for record in caplog.records] == [0]
    assert "made anew" in caplog.text
    caplog.clear()
    assert names(outputs) == EXPECTED
    assert caplog.text == ""


def test_a_bit_that_flips_anywhere_in_the_index_changes_no_answer(outputs: Path) -> None:
    before = read_records(outputs)
    whole = (outputs / NAME).read_bytes()
    for place in range(7, len(whole) * 8, len(whole) * 8 // 150):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        (outputs / NAME).write_bytes(flipped)
        assert read_records(outputs) == before


def test_an_index_that_was_cut_off_is_made_anew(outputs: Path) -> None:
    read_records(outputs)
    whole = (outputs / NAME).read_bytes()
    for size in range(1, len(whole), len(whole) // 20):
        (outputs / NAME).write_bytes(whole[:size])
        assert names(outputs) == EXPECTED


# Written so that half of a transaction is in the file when the process dies.
KILLED = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN")
connection.execute("UPDATE runs SET record = 'x'")
for number in range(2000):
    connection.execute("INSERT INTO runs VALUES (?, 'x', ?, 0)", (str(number), "y" * 1000))
os._exit(9)
"""


def test_a_writer_that_was_killed_leaves_no_half(
    outputs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = read_records(outputs)
    subprocess.run([sys.executable, "-c", KILLED, str(outputs / NAME)], check=False)
    assert (outputs / f"{NAME}-journal").stat().st_size > 0
    assert read_records(outputs) == read_records(outputs) == before
    assert not (outputs / f"{NAME}-journal").exists()
    assert caplog.text == ""


def test_where_the_index_cannot_be_written_lists_are_the_same(outputs: Path) -> None:
    (outputs / NAME).mkdir()
    assert names(outputs) == names(outputs) == EXPECTED


def test_an_index_that_another_program_writes_is_not_waited_for_long(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_records(outputs)
    monkeypatch.setattr(find, "PATIENCE", 0.05)
    other = sqlite3.connect(outputs / NAME)
    other.execute("BEGIN EXCLUSIVE")
    assert names(outputs) == EXPECTED
    other.close()


def test_a_name_that_is_no_text_is_found(outputs: Path) -> None:
    run = os.fsdecode(os.fsencode(outputs / DAY) + b"/15-00-00_\xff")
    make_told_run(Path(run), "dddd0000")
    assert names(outputs)[0] == names(outputs)[0] == (Path(run).name, "dddd0000")


def test_what_is_no_place_for_runs_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputsError, match="nowhere cannot be read: No such file"):
        read_records(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert read_records(tmp_path / "empty") == []
    assert not (tmp_path / "empty" / NAME).exists()
