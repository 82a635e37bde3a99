"""A check says of each dataset what became of it."""

import json
from pathlib import Path

import pytest

from tabproof.artifacts.errors import OutputsError
from tabproof.runs.listing import check
from tests.artifacts.making import (
    DAY,
    make_failed,
    make_recorded_run,
    make_running,
    make_unfinished,
)


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    return tmp_path / "outputs"


@pytest.fixture
def sweep(outputs: Path) -> Path:
    """Return a sweep of which two of three jobs are done, and one is not begun."""
    path = outputs / DAY / "10-00-00_sweep_x"
    make_recorded_run(path / "0_dataset=adult", "aaaa0000")
    make_recorded_run(path / "1_dataset=wine", "bbbb0000", dataset="builtin_wine")
    plan = {
        "format": 1,
        "arguments": [],
        "determinants": {
            "jobs": {
                "0": {"dataset": {"name": "adult"}},
                "1": {"dataset": {"name": "wine"}},
                "2": {"dataset": {"path": "data/客.csv"}},
            }
        },
    }
    (path / "sweep.json").write_text(json.dumps(plan))
    return path


def told(place: Path) -> tuple[list[str], int]:
    text, code = check(place)
    return text.splitlines(), code


def test_exit_code_0_means_all_runs_are_complete(outputs: Path) -> None:
    make_recorded_run(outputs / DAY / "09-00-00_a", "aaaa0000")
    early = make_recorded_run(outputs / DAY / "09-00-01_b", "b0", dataset="wine", stopped="at 10 s")
    assert told(outputs) == (["adult: OK", "wine: OK (partial: at 10 s)"], 0)
    assert told(early) == (["wine: OK (partial: at 10 s)"], 0)


def test_check_looks_at_the_newest_run_of_a_dataset(outputs: Path) -> None:
    make_failed(outputs / "2026-11-20/09-00-00_a")
    make_recorded_run(outputs / "2026-11-21/09-00-00_a", "aaaa0000")
    assert told(outputs) == (["adult: OK"], 0)
    make_failed(outputs / DAY / "09-00-00_a", "no\nspace")
    assert told(outputs) == (["adult: FAIL no space"], 1)


def test_a_failure_counts_more_than_a_running_run(outputs: Path) -> None:
    make_running(outputs / DAY / "09-00-00_a")
    assert told(outputs) == (["adult: RUNNING"], 2)
    make_failed(outputs / DAY / "09-00-00_b", dataset="wine")
    assert told(outputs) == (["adult: RUNNING", "wine: FAIL no such table"], 1)


def test_a_run_whose_process_is_gone_has_failed(outputs: Path) -> None:
    make_unfinished(outputs / DAY / "09-00-00_a", {"state": "running", "pid": 2**22 + 1})
    assert told(outputs) == (["adult: FAIL process 4194305 is gone"], 1)


def test_a_sweep_is_complete_when_all_jobs_are(sweep: Path, outputs: Path) -> None:
    expected = ["adult: OK", "wine: OK", "客: NOT STARTED"]
    assert told(sweep) == told(outputs) == (expected, 2)
    make_unfinished(sweep / "2_dataset=file", None, dataset="客")
    assert told(sweep) == (expected, 2)
    make_failed(sweep / "3_x", dataset="adult")
    assert told(sweep)[0][0] == "adult: FAIL 1 of 2: 3_x: no such table"
    assert told(sweep)[1] == 1


def test_a_job_with_a_complete_run_elsewhere_is_complete(sweep: Path, outputs: Path) -> None:
    run = make_recorded_run(outputs / "2026-11-20/09-00-00_a", "cccc0000", dataset="file_客")
    make_unfinished(sweep / "2_x", {"state": "skipped", "reason": str(run)})
    assert told(sweep) == (["adult: OK", "wine: OK", "客: OK"], 0)


def test_a_damaged_run_has_failed(sweep: Path) -> None:
    (sweep / "0_dataset=adult/manifest.json").write_text("{")
    lines, code = told(sweep)
    assert code == 1
    assert "is damaged" in lines[0]


def test_a_directory_without_runs_is_refused(outputs: Path) -> None:
    outputs.mkdir()
    with pytest.raises(OutputsError, match="holds no runs; it takes outputs"):
        check(outputs)
