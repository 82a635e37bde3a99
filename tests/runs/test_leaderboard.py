"""A leaderboard tells of every run its number or why it has none, wherever it is shown."""

import csv
import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tabproof.api.run import Run
from tabproof.artifacts import Found, Record, read_record
from tabproof.runs.listing import as_csv, as_markdown, as_text, ranked
from tabproof.text import display_width
from tests.artifacts.making import make_failed, make_recorded_run, make_running, make_unfinished

RECORD = Record(
    state="complete",
    dataset="adult",
    run_id="aaaa0000",
    mode="full",
    model="Voting",
    overrides=["model=vote", "seed=1"],
    metrics={"roc_auc": 0.93, "log_loss": 0.2},
    intervals={"roc_auc": (0.92, 0.94)},
    seconds=12.6,
)
LINE = Found(Path("outputs/2026-11-23/a"), "", RECORD)


def line(value: float | None = 0.93, metric: str = "roc_auc", **changes: Any) -> Found:
    """Return a run with another value, or other facts."""
    return replace(LINE, record=replace(RECORD, metrics={metric: value}, **changes))


def row_of(found: Found, metric: str = "roc_auc") -> dict[str, str]:
    return next(csv.DictReader(io.StringIO(as_csv([found], metric))))


def test_a_complete_run_has_its_numbers(tmp_path: Path) -> None:
    overrides = ["dataset=adult", "search=full", "runtime.workers=2", "model=vote", "seed=1"]
    run = make_recorded_run(tmp_path / "a", "aaaa0000", 0.93, overrides=overrides, model="Voting")
    found = Found(run, "", read_record(run))
    row = row_of(found)
    assert (row["path"], row["dataset"], row["choices"]) == (str(run), "adult", "seed=1")
    assert [float(row[key]) for key in ("value", "low", "high")] == pytest.approx(
        [0.93, 0.92, 0.94]
    )
    # Model and search are shown whether they were chosen or not.
    assert (row["model"], row["search"]) == ("Voting", "full")
    assert row_of(found, "accuracy")["low"] == "0.75"
    assert row_of(found, "f1")["value"] == ""


ENSEMBLE = {
    "combined": "soft_vote",
    "members": [
        {"name": name, "kind": "LogisticRegression", "params": {"C": 0.1}, "weight": 0.5}
        for name in ("one", "two")
    ],
}


def test_a_run_is_named_by_what_is_served_not_by_what_was_configured(tmp_path: Path) -> None:
    configured = {"model": "8 models", "overrides": ["dataset=adult", "search=portfolio"]}
    run = make_recorded_run(tmp_path / "a", "aaaa0000", estimator=ENSEMBLE, **configured)
    found = Found(run, "", read_record(run))
    name = "ensemble of 2 models (soft vote)"
    assert row_of(found)["model"] == name
    assert name in as_text([found], width=None)
    assert f"| {name} |" in as_markdown([found])
    assert name in repr(Run(run))
    # The index holds no parameters.
    assert [dict(each.params) for each in found.record.estimator.members] == [{}, {}]
    alone = {"members": [{"kind": "RandomForestClassifier", "params": {}}]}
    single = make_recorded_run(tmp_path / "b", "bbbb0000", estimator=alone, **configured)
    assert read_record(single).model == "RandomForest"
    earlier = make_recorded_run(tmp_path / "c", "cccc0000", **configured)
    assert read_record(earlier).model == "8 models"


@pytest.mark.parametrize("begins", ["=cmd|' /C calc'!A0", "+1", "-1+2", "@SUM(A1)", "＝1", "'="])
def test_a_text_in_a_csv_is_no_formula_to_a_spreadsheet(begins: str) -> None:
    odd = line(-1.5, dataset=begins, overrides=[begins], model=begins, mode=begins, cause=begins)
    row = row_of(replace(odd, path=Path(begins)))
    texts = [row[name] for name in ("dataset", "choices", "model", "search", "cause", "path")]
    assert texts == [f"'{begins}" if begins[0] != "'" else begins] * 6
    # A number stays one.
    assert row["value"] == "-1.5"
    for blank, written in (("\t", "'\t=1"), ("\n", "'\n=1"), ("a\r", "a\\r=1")):
        assert row_of(replace(odd, path=Path(f"{blank}=1")))["path"] == written
        assert row_of(line(model=f"{blank}=1"))["model"] in ("'=1", "a =1")


def test_a_search_that_ended_early_is_partial_and_has_a_number(tmp_path: Path) -> None:
    found = read_record(make_recorded_run(tmp_path / "a", "aaaa", stopped="its time\nwas up"))
    assert (found.state, found.value("roc_auc")) == ("partial", 0.9)
    assert found.cause == "its time was up"


def test_an_incomplete_run_has_its_state_and_cause(tmp_path: Path) -> None:
    found = read_record(make_failed(tmp_path / "a", "no\ntable"))
    assert (found.state, found.dataset, found.cause) == ("failed", "adult", "no table")
    assert read_record(make_running(tmp_path / "b")).state == "running"
    assert read_record(make_unfinished(tmp_path / "c", None)).state == "not started"
    assert read_record(tmp_path / "d").state == "not started"


def test_a_run_whose_process_is_gone_was_interrupted(tmp_path: Path) -> None:
    found = read_record(make_unfinished(tmp_path / "a", {"state": "running", "pid": 2**22 + 1}))
    assert (found.state, found.cause) == ("interrupted", "process 4194305 is gone")


def test_a_run_without_its_manifest_is_running_and_later_interrupted(tmp_path: Path) -> None:
    run = make_recorded_run(tmp_path / "a", "aaaa0000")
    (run / "manifest.json").unlink()
    assert read_record(run).state == "running"
    os.utime(run / "summary.json", (1, 1))
    found = read_record(run)
    assert (found.state, found.value("roc_auc")) == ("interrupted", None)


@pytest.mark.parametrize("name", ["manifest.json", "summary.json"])
def test_a_damaged_run_has_no_number(name: str, tmp_path: Path) -> None:
    run = make_recorded_run(tmp_path / "a", "aaaa0000")
    (run / name).write_bytes((run / name).read_bytes().replace(b"0.9", b"1.0") + b" ")
    if name == "manifest.json":
        (run / name).write_bytes(b"{")
    found = read_record(run)
    assert (found.state, found.value("roc_auc")) == ("failed", None)
    assert name in str(found.cause)


def test_a_newer_format_is_reported(tmp_path: Path) -> None:
    run = make_recorded_run(tmp_path / "a", "aaaa0000")
    content = json.loads((run / "manifest.json").read_bytes())
    (run / "manifest.json").write_text(json.dumps({**content, "format": 9}))
    assert "format 9" in str(read_record(run).cause)
    newer = make_recorded_run(tmp_path / "b", "bbbb0000", format=9)
    assert "summary.json has format 9" in str(read_record(newer).cause)


def test_a_run_elsewhere_is_read_there(tmp_path: Path) -> None:
    run = make_recorded_run(tmp_path / "a", "aaaa0000", 0.93)
    job = make_unfinished(tmp_path / "b", {"state": "skipped", "reason": str(run)})
    assert read_record(job).value("roc_auc") == 0.93
    (run / "manifest.json").unlink()
    assert read_record(job).state == "not started"


def test_the_best_of_each_dataset_is_first_and_runs_without_a_number_last() -> None:
    found = ranked([line(0.8), line(None), line(dataset="a"), LINE])
    assert [(each.record.dataset, each.record.value("roc_auc")) for each in found] == [
        ("a", 0.93), ("adult", 0.93), ("adult", 0.8), ("adult", None),
    ]  # fmt: skip
    losses = ranked([line(value, "log_loss") for value in (0.4, 0.2)], "log_loss")
    assert [each.record.value("log_loss") for each in losses] == [0.2, 0.4]


def test_the_table_is_aligned_and_fits_its_width() -> None:
    failed = replace(RECORD, metrics={}, state="failed", cause="a long story " * 20)
    lines = [LINE, replace(LINE, record=replace(failed, dataset="顧客 データ"))]
    wide = as_text(lines, width=10_000).splitlines()
    assert wide[1].split("  ")[-1] == "complete"
    assert len({display_width(each[: each.index("Voting")]) for each in wide[1:]}) == 1
    narrow = as_text(lines, width=90).splitlines()
    assert max(map(display_width, narrow)) <= 90
    assert narrow[2].endswith("…")


def test_csv_and_markdown_have_the_same_facts() -> None:
    odd = line(1 / 3, overrides=['a|b "<script>'], cause="x\\y")
    odd = replace(odd, path=Path("a b/名前"))
    row = row_of(odd)
    assert (float(row["value"]), row["choices"], row["path"]) == (
        1 / 3, 'a|b "<script>', "a b/名前",
    )  # fmt: skip
    assert (row["model"], row["search"]) == ("Voting", "full")
    assert (float(row["low"]), float(row["high"])) == RECORD.intervals["roc_auc"]
    body = as_markdown([odd]).splitlines()[2]
    assert 'a\\|b "&lt;script>' in body
    assert body.replace("\\|", "").count("|") == 10


def test_a_path_that_is_not_utf8_can_be_written() -> None:
    odd = [replace(LINE, path=Path(os.fsdecode(b"a\xff")))]
    assert b"\\udcff" in as_csv(odd).encode()
