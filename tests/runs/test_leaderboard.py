"""A leaderboard tells of every run its number or why it has none, wherever it is shown."""

import csv
import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tabproof.artifacts import Record
from tabproof.runs.leaderboard import Entry, as_csv, as_markdown, as_text, entry_of, ranked
from tabproof.text import display_width
from tests.artifacts.making import make_failed, make_recorded_run, make_running, make_unfinished

RECORD = Record(
    state="complete",
    dataset="adult",
    run_id="aaaa0000",
    mode="full",
    model="Voting",
    metrics={"roc_auc": 0.93, "log_loss": 0.2},
    intervals={"roc_auc": (0.92, 0.94)},
    seconds=12.6,
)
LINE = Entry(Path("outputs/2026-11-23/a"), RECORD, "adult", "seed=1", "roc_auc")


def line(value: float | None = 0.93, metric: str = "roc_auc", **changes: Any) -> Entry:
    """Return an entry with another value."""
    record = replace(RECORD, metrics={metric: value})
    return replace(LINE, record=record, metric=metric, **changes)


def test_a_complete_run_gives_its_numbers(tmp_path: Path) -> None:
    overrides = ["dataset=adult", "search=full", "runtime.workers=2", "model=vote", "seed=1"]
    run = make_recorded_run(tmp_path / "a", "aaaa0000", 0.93, overrides=overrides, model="Voting")
    entry = entry_of(run)
    assert (entry.path, entry.dataset, entry.choices, entry.value) == (run, "adult", "seed=1", 0.93)
    assert entry.interval == (0.92, pytest.approx(0.94))
    # Model and search are shown whether they were chosen or not.
    assert (entry.record.model, entry.record.mode) == ("Voting", "full")
    assert entry_of(run, choices="seed=2 search=full").choices == "seed=2"
    assert entry_of(run, metric="accuracy").interval == (0.75, 0.84)
    assert entry_of(run, metric="f1").value is None


def test_a_search_that_ended_early_is_partial_and_has_a_number(tmp_path: Path) -> None:
    found = entry_of(make_recorded_run(tmp_path / "a", "aaaa", stopped="its time\nwas up"))
    assert (found.record.state, found.value, found.record.cause) == (
        "partial",
        0.9,
        "its time was up",
    )


def test_what_is_no_run_says_why(tmp_path: Path) -> None:
    found = entry_of(make_failed(tmp_path / "a", "no\ntable"))
    assert (found.record.state, found.dataset, found.record.cause) == (
        "failed",
        "adult",
        "no table",
    )
    assert entry_of(make_running(tmp_path / "b")).record.state == "running"
    assert entry_of(make_unfinished(tmp_path / "c", None)).record.state == "not started"
    nowhere = entry_of(tmp_path / "d", choices="dataset=wine seed=1")
    assert (nowhere.record.state, nowhere.dataset, nowhere.choices) == (
        "not started", "wine", "seed=1",
    )  # fmt: skip


def test_a_process_that_is_gone_was_interrupted(tmp_path: Path) -> None:
    found = entry_of(make_unfinished(tmp_path / "a", {"state": "running", "pid": 2**22 + 1}))
    assert (found.record.state, found.record.cause) == ("interrupted", "process 4194305 is gone")


def test_a_run_that_is_being_sealed_is_running_and_later_was_interrupted(tmp_path: Path) -> None:
    run = make_recorded_run(tmp_path / "a", "aaaa0000")
    (run / "manifest.json").unlink()
    assert entry_of(run).record.state == "running"
    os.utime(run / "summary.json", (1, 1))
    found = entry_of(run)
    assert (found.record.state, found.value) == ("interrupted", None)


@pytest.mark.parametrize("name", ["manifest.json", "summary.json"])
def test_what_is_damaged_has_no_number(name: str, tmp_path: Path) -> None:
    run = make_recorded_run(tmp_path / "a", "aaaa0000")
    (run / name).write_bytes((run / name).read_bytes().replace(b"0.9", b"1.0") + b" ")
    if name == "manifest.json":
        (run / name).write_bytes(b"{")
    found = entry_of(run)
    assert (found.record.state, found.value) == ("failed", None)
    assert name in str(found.record.cause)


def test_a_newer_format_is_told(tmp_path: Path) -> None:
    run = make_recorded_run(tmp_path / "a", "aaaa0000")
    content = json.loads((run / "manifest.json").read_bytes())
    (run / "manifest.json").write_text(json.dumps({**content, "format": 9}))
    assert "format 9" in str(entry_of(run).record.cause)
    newer = make_recorded_run(tmp_path / "b", "bbbb0000", format=9)
    assert "summary.json has format 9" in str(entry_of(newer).record.cause)


def test_a_run_that_lies_elsewhere_is_read_there(tmp_path: Path) -> None:
    run = make_recorded_run(tmp_path / "a", "aaaa0000", 0.93)
    job = make_unfinished(tmp_path / "b", {"state": "skipped", "reason": str(run)})
    assert entry_of(job).value == 0.93
    (run / "manifest.json").unlink()
    assert entry_of(job).record.state == "not started"


def test_the_best_of_each_dataset_comes_first_and_what_has_no_number_last() -> None:
    order = [
        (each.dataset, each.value)
        for each in ranked([line(0.8), line(None), line(dataset="a"), LINE])
    ]
    assert order == [("a", 0.93), ("adult", 0.93), ("adult", 0.8), ("adult", None)]
    losses = [line(value, "log_loss") for value in (0.4, 0.2)]
    assert [each.value for each in ranked(losses)] == [0.2, 0.4]


def test_the_text_is_aligned_and_as_wide_as_asked() -> None:
    record = replace(RECORD, metrics={}, state="failed", cause="a long story " * 20)
    lines = [LINE, replace(LINE, dataset="顧客 データ", record=record)]
    wide = as_text(lines, width=10_000).splitlines()
    assert wide[1].split("  ")[-1] == "complete"
    assert len({display_width(each[: each.index("Voting")]) for each in wide[1:]}) == 1
    narrow = as_text(lines, width=90).splitlines()
    assert max(map(display_width, narrow)) <= 90
    assert narrow[2].endswith("…")


def test_files_hold_what_the_lines_say() -> None:
    odd = line(1 / 3, choices='a|b "<script>', path=Path("a b/名前"))
    odd = replace(odd, record=replace(odd.record, cause="x\\y"))
    row = next(csv.DictReader(io.StringIO(as_csv([odd]))))
    assert (float(row["value"]), row["choices"], row["path"]) == (1 / 3, odd.choices, "a b/名前")
    assert (row["model"], row["search"]) == ("Voting", "full")
    assert (float(row["low"]), float(row["high"])) == LINE.interval
    body = as_markdown([odd]).splitlines()[2]
    assert 'a\\|b "&lt;script>' in body
    assert body.replace("\\|", "").count("|") == 10


def test_a_name_that_is_no_text_can_be_written() -> None:
    odd = [replace(LINE, path=Path(os.fsdecode(b"a\xff")))]
    assert b"\\udcff" in as_csv(odd).encode()
