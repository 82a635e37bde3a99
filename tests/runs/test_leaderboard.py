"""A leaderboard tells of every run its number or why it has none, wherever it is shown."""

import csv
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tabproof.runs.leaderboard import Entry, as_csv, as_markdown, as_text, entry_of, ranked
from tabproof.text import display_width
from tests.artifacts.making import make_failed, make_recorded_run, make_running, make_unfinished

LINE = Entry(
    path=Path("outputs/2026-11-23/a"),
    dataset="adult",
    choices="search=full",
    state="complete",
    run_id="aaaa0000",
    metric="roc_auc",
    value=0.93,
    interval=(0.92, 0.94),
    seconds=12.6,
    cause=None,
)


def test_a_complete_run_gives_its_numbers(tmp_path: Path) -> None:
    overrides = ["dataset=adult", "search=full", "runtime.workers=2", "model=vote"]
    run = make_recorded_run(tmp_path / "a", "aaaa0000", 0.93, overrides=overrides)
    assert entry_of(run) == replace(
        LINE, path=run, choices="search=full model=vote", interval=(0.92, pytest.approx(0.94))
    )
    assert entry_of(run, choices="seed=1").choices == "seed=1"
    assert entry_of(run, metric="accuracy").interval == (0.75, 0.84)
    assert entry_of(run, metric="f1").value is None


def test_a_search_that_ended_early_is_partial_and_has_a_number(tmp_path: Path) -> None:
    found = entry_of(make_recorded_run(tmp_path / "a", "aaaa", stopped="its time\nwas up"))
    assert (found.state, found.value, found.cause) == ("partial", 0.9, "its time was up")


def test_what_is_no_run_says_why(tmp_path: Path) -> None:
    found = entry_of(make_failed(tmp_path / "a", "no\ntable"))
    assert (found.state, found.dataset, found.cause) == ("failed", "adult", "no table")
    assert entry_of(make_running(tmp_path / "b")).state == "running"
    assert entry_of(make_unfinished(tmp_path / "c", None)).state == "not started"
    nowhere = entry_of(tmp_path / "d", choices="dataset=wine search=fast")
    assert (nowhere.state, nowhere.dataset, nowhere.choices) == (
        "not started", "wine", "search=fast",
    )  # fmt: skip


def test_a_process_that_is_gone_was_interrupted(tmp_path: Path) -> None:
    found = entry_of(make_unfinished(tmp_path / "a", {"state": "running", "pid": 2**22 + 1}))
    assert (found.state, found.cause) == ("interrupted", "process 4194305 is gone")


def test_a_run_that_is_being_sealed_is_running_and_later_was_interrupted(tmp_path: Path) -> None:
    run = make_recorded_run(tmp_path / "a", "aaaa0000")
    (run / "manifest.json").unlink()
    assert entry_of(run).state == "running"
    os.utime(run / "summary.json", (1, 1))
    found = entry_of(run)
    assert (found.state, found.value) == ("interrupted", None)


@pytest.mark.parametrize("name", ["manifest.json", "summary.json"])
def test_what_is_damaged_has_no_number(name: str, tmp_path: Path) -> None:
    run = make_recorded_run(tmp_path / "a", "aaaa0000")
    (run / name).write_bytes((run / name).read_bytes().replace(b"0.9", b"1.0") + b" ")
    if name == "manifest.json":
        (run / name).write_bytes(b"{")
    found = entry_of(run)
    assert (found.state, found.value) == ("failed", None)
    assert name in str(found.cause)


def test_a_newer_format_is_told(tmp_path: Path) -> None:
    run = make_recorded_run(tmp_path / "a", "aaaa0000")
    content = json.loads((run / "manifest.json").read_bytes())
    (run / "manifest.json").write_text(json.dumps({**content, "format": 9}))
    assert "format 9" in str(entry_of(run).cause)
    newer = make_recorded_run(tmp_path / "b", "bbbb0000", format=9)
    assert "summary.json has format 9" in str(entry_of(newer).cause)


def test_a_run_that_lies_elsewhere_is_read_there(tmp_path: Path) -> None:
    run = make_recorded_run(tmp_path / "a", "aaaa0000", 0.93)
    job = make_unfinished(tmp_path / "b", {"state": "skipped", "reason": str(run)})
    assert entry_of(job).value == 0.93
    (run / "manifest.json").unlink()
    assert entry_of(job).state == "not started"


def test_the_best_of_each_dataset_comes_first_and_what_has_no_number_last() -> None:
    lines = [
        replace(LINE, value=0.8),
        replace(LINE, value=None, state="failed"),
        replace(LINE, dataset="a"),
        LINE,
    ]
    order = [(line.dataset, line.value) for line in ranked(lines)]
    assert order == [("a", 0.93), ("adult", 0.93), ("adult", 0.8), ("adult", None)]
    losses = [replace(LINE, metric="log_loss", value=value) for value in (0.4, 0.2)]
    assert [line.value for line in ranked(losses)] == [0.2, 0.4]


def test_the_text_is_aligned_and_as_wide_as_asked() -> None:
    japanese = replace(LINE, dataset="顧客 データ", value=None, interval=None, state="failed")
    lines = [LINE, replace(japanese, cause="a long story " * 20)]
    wide = as_text(lines, width=10_000).splitlines()
    assert wide[1].split("  ")[-1] == "complete"
    assert len({display_width(line[: line.index("search=full")]) for line in wide[1:]}) == 1
    narrow = as_text(lines, width=90).splitlines()
    assert max(map(display_width, narrow)) <= 90
    assert narrow[2].endswith("…")


def test_files_hold_what_the_lines_say() -> None:
    odd = replace(LINE, choices='a|b "<script>', path=Path("a b/名前"), cause="x\\y", value=1 / 3)
    row = next(csv.DictReader(io.StringIO(as_csv([odd]))))
    assert (float(row["value"]), row["choices"], row["path"]) == (1 / 3, odd.choices, "a b/名前")
    assert (float(row["low"]), float(row["high"])) == LINE.interval
    body = as_markdown([odd]).splitlines()[2]
    assert 'a\\|b "&lt;script>' in body
    assert body.replace("\\|", "").count("|") == 8


def test_a_name_that_is_no_text_can_be_written() -> None:
    odd = [replace(LINE, path=Path(os.fsdecode(b"a\xff")))]
    assert b"\\udcff" in as_csv(odd).encode()
