"""A sweep: jobs in processes, reported failures, and resuming of the missing jobs."""

import csv
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tabproof import sweep as sweeping
from tabproof.artifacts import SweepDirectory, read_manifest
from tabproof.config import Composed
from tabproof.reading import source
from tabproof.runs import side_by_side as sweep_reporting
from tests.artifacts.making import changed_files, make_recorded_run
from tests.conftest import ROOT, composed, made_once, quickly, train

JOBS = ["dataset=wine", "search=none", "model=logistic_regression", "seed=1,2"]
N_JOBS = 2


def swept(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return train("-m", *arguments, f"hydra.sweep.dir={directory}")


def resumed(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return train("-m", f"sweep.resume={directory}", *arguments)


def jobs_of(directory: Path) -> list[Path]:
    return sorted(path for path in directory.iterdir() if path.is_dir())


def marks(directory: Path, word: str) -> list[str]:
    lines = (directory / "sweep.log").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if f" {word} " in line]


def leaderboard(directory: Path) -> list[dict[str, str]]:
    """Return the leaderboard without the columns that depend on time and place."""
    with (directory / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return sorted(
        [{k: v for k, v in row.items() if k not in ("seconds", "path")} for row in rows], key=str
    )


def is_whole(job: Path) -> bool:
    manifest = read_manifest(job)
    return manifest is not None and changed_files(job, manifest) == []


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("undisturbed") / "sweep"
    done = swept(directory, *JOBS)
    assert done.returncode == 0, done.stderr
    return directory


@pytest.mark.slow
def test_each_job_is_a_run_and_the_end_is_a_leaderboard(undisturbed: Path) -> None:
    jobs = jobs_of(undisturbed)
    assert [job.name[:2] for job in jobs] == ["0_", "1_"]
    assert "seed=2" in jobs[1].name
    assert all(is_whole(job) for job in jobs)
    rows = leaderboard(undisturbed)
    assert len(rows) == N_JOBS
    assert {row["dataset"] for row in rows} == {"wine"}
    assert "LogisticRegression" in (undisturbed / "leaderboard.md").read_text(encoding="utf-8")
    log = (undisturbed / "sweep.log").read_text(encoding="utf-8").splitlines()
    assert log[0].startswith("=== START ")
    assert log[-1].startswith("=== END ")
    assert len(marks(undisturbed, "start")) == N_JOBS
    assert all("--- DS=wine OK rc=0 " in line for line in marks(undisturbed, "OK"))


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "src.train", "-m", *arguments, *quickly(arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.02)


def pids_in(directory: Path) -> list[int]:
    """Find the processes whose command line names the directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(directory).encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def kill_after(directory: Path, n_complete: int, seconds: float, *arguments: str) -> None:
    """Start a sweep, and kill its process some seconds after n_complete jobs are complete."""
    process = start(*arguments)
    until(lambda: len(list(directory.glob("*/manifest.json"))) >= n_complete)
    time.sleep(seconds)
    process.kill()
    process.communicate(timeout=60)
    # Its job ends with it.
    until(lambda: not pids_in(directory), 20)


@pytest.mark.slow
def test_a_killed_sweep_is_resumed_to_the_same_results(undisturbed: Path, tmp_path: Path) -> None:
    directory = tmp_path / "日本 語"
    kill_after(directory, 1, 1.0, *JOBS, f"hydra.sweep.dir='{directory}'")
    done_by_then = [job.name for job in jobs_of(directory) if (job / "manifest.json").exists()]
    assert 1 <= len(done_by_then) < N_JOBS
    done = resumed(directory)
    assert done.returncode == 0, done.stderr
    assert all(is_whole(job) for job in jobs_of(directory))
    started = " ".join(marks(directory, "start"))
    assert all(started.count(name) == 1 for name in done_by_then)
    assert leaderboard(directory) == leaderboard(undisturbed)


@pytest.mark.slow
def test_killed_at_any_moment_no_job_is_repeated_or_half_done(
    undisturbed: Path, tmp_path: Path
) -> None:
    def arguments() -> list[str]:
        # A sweep that was killed before it wrote its plan begins again.
        has_begun = (directory / "sweep.json").exists()
        return [f"sweep.resume={directory}"] if has_begun else swept_anew

    random, directory = np.random.default_rng(0), tmp_path / "sweep"
    swept_anew = [*JOBS, f"hydra.sweep.dir={directory}"]
    n_kills = int(os.environ.get("N_KILLS", "20"))
    for kill in range(n_kills):
        sealed = [manifest.parent for manifest in directory.glob("*/manifest.json")]
        assert all(is_whole(job) for job in sealed)
        if len(sealed) == N_JOBS:
            directory = tmp_path / f"sweep{kill}"
            swept_anew = [*JOBS, f"hydra.sweep.dir={directory}"]
        kill_after(directory, 0, random.uniform(0, 5), *arguments())
    assert train("-m", *arguments()).returncode == 0
    assert all(is_whole(job) for job in jobs_of(directory))
    assert leaderboard(directory) == leaderboard(undisturbed)
    for mark in marks(directory, "OK"):
        assert len([line for line in marks(directory, "OK") if line.split()[4] in mark]) == 1


@pytest.mark.slow
def test_jobs_side_by_side_share_the_cores(undisturbed: Path, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    done = swept(tmp_path, *JOBS, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert done.returncode == 0, done.stderr
    order = [line.split()[2] for line in (tmp_path / "sweep.log").read_text().splitlines()[1:4]]
    assert order[:2] == ["start", "start"]
    assert leaderboard(tmp_path) == leaderboard(undisturbed)
    summary = json.loads((jobs_of(tmp_path)[0] / "summary.json").read_text())
    assert summary["workers"] == max((os.cpu_count() or 1) // 2, 1)


@pytest.mark.slow
def test_no_process_survives_a_killed_parallel_sweep(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    side_by_side = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    kill_after(tmp_path, 0, 4.0, *JOBS, *side_by_side, f"hydra.sweep.dir={tmp_path}")
    assert not pids_in(tmp_path)


FAILING = ["dataset=wine,breast_cancer", "dataset.pos_label=benign", "search=none"]
Swept = tuple[Path, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def half_failed(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """Return a sweep whose first job failed; tests must not change it."""

    def make(directory: Path) -> None:
        done = swept(directory / "sweep", *FAILING, "model=logistic_regression")
        (directory / "done.pickle").write_bytes(pickle.dumps(done))

    directory = made_once(tmp_path_factory, "half_failed", make)
    return directory / "sweep", pickle.loads((directory / "done.pickle").read_bytes())  # noqa: S301


def test_a_failure_is_reported_and_the_other_jobs_run(half_failed: Swept) -> None:
    directory, done = half_failed
    assert done.returncode == 1
    failed, complete = jobs_of(directory)
    assert [job.name[:2] for job in (failed, complete)] == ["0_", "1_"]
    assert is_whole(complete)
    assert not (failed / "manifest.json").exists()
    assert "UnknownLabelError" in (failed / "train.log").read_text(encoding="utf-8")
    assert "Traceback" not in done.stderr
    told = done.stderr.splitlines()
    assert told[-1].startswith(f"error: 1 job(s) of the sweep failed: {failed.name};")
    assert told[-2].startswith(f"error: {failed.name}: dataset.pos_label='benign' is not in target")
    assert told[-2].endswith(str(failed / "train.log"))
    log = (directory / "sweep.log").read_text(encoding="utf-8").splitlines()
    assert log[0].startswith("=== START ")
    assert log[-1].startswith("=== END ")
    assert len(marks(directory, "start")) == N_JOBS
    assert "--- DS=wine FAIL rc=2 " in marks(directory, "FAIL")[0]
    assert "--- DS=breast_cancer OK rc=0 " in marks(directory, "OK")[0]
    assert (ROOT / "logs" / "latest.log").is_symlink()
    assert [row["state"] for row in leaderboard(directory)] == ["complete", "failed"]
    assert "LogisticRegression" in (directory / "leaderboard.md").read_text(encoding="utf-8")
    # No report is written without a request.
    assert not list(directory.rglob("*.html"))


def test_complete_jobs_are_not_run_again(half_failed: Swept, tmp_path: Path) -> None:
    directory = shutil.copytree(half_failed[0], tmp_path / "sweep")
    failed, complete = jobs_of(directory)
    shutil.rmtree(failed)
    shutil.copytree(complete, failed)
    before = [(job / "manifest.json").stat().st_mtime_ns for job in jobs_of(directory)]
    done = resumed(directory)
    assert done.returncode == 0, done.stderr
    assert [(job / "manifest.json").stat().st_mtime_ns for job in jobs_of(directory)] == before
    assert all(is_whole(job) for job in jobs_of(directory))
    assert len(marks(directory, "start")) == N_JOBS
    assert [row["state"] for row in leaderboard(directory)] == ["complete"] * N_JOBS


@pytest.mark.slow
def test_the_report_shows_failures(tmp_path: Path) -> None:
    report = ["report=default", "report.language=ja", "report.plots=false"]
    assert swept(tmp_path, *FAILING, "model=logistic_regression", *report).returncode == 1
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "leaderboard.html").read_text(encoding="utf-8") == page
    for text in ('<html lang="ja">', "2件中1件", "is not in target", "/report.html", "/train.log"):
        assert text in page
    lines = (tmp_path / "sweep.log").read_text(encoding="utf-8").splitlines()
    assert lines[-2].startswith(f"--- report {tmp_path / 'report.html'} (")


def test_a_failing_page_is_reported_and_does_not_fail_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> float:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(sweep_reporting, "write_page", broken)
    asked = Composed(tmp_path, [composed("report=default")])
    sweeping._write_leaderboard(SweepDirectory(tmp_path), [], asked)
    page = tmp_path / "report.html"
    told = f"error: {page} was not written: ZeroDivisionError: a fault of ours\n"
    assert capsys.readouterr().err == told
    assert not (tmp_path / "sweep.log").exists()


@pytest.mark.slow
def test_with_fail_fast_it_stops_at_the_first_failure(tmp_path: Path) -> None:
    done = swept(tmp_path, *FAILING, "model=logistic_regression", "sweep.fail_fast=true")
    assert done.returncode == 1
    assert len(marks(tmp_path, "start")) == 1
    assert len(marks(tmp_path, "SKIP")) == 1
    assert not list(tmp_path.glob("*/manifest.json"))


@pytest.mark.slow
def test_a_job_whose_time_is_up_keeps_the_best_so_far(tmp_path: Path) -> None:
    done = swept(
        tmp_path,
        "dataset=breast_cancer",
        "search=tpe",
        "search.n_candidates=100000",
        "model=logistic_regression",
        "sweep.time_limit=20s",
    )
    assert done.returncode == 0, done.stderr
    (job,) = jobs_of(tmp_path)
    assert is_whole(job)
    assert json.loads((job / "summary.json").read_text())["stopped"] == "Ctrl-C"
    assert "its time was up" in marks(tmp_path, "OK")[0]
    assert [row["state"] for row in leaderboard(tmp_path)] == ["partial"]


@pytest.mark.slow
def test_a_failed_job_is_retried_as_often_as_configured(tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text("a,label\n" + "".join(f"{i},{i == 3}\n" for i in range(12)))
    table = ["dataset=file", f"dataset.path={tmp_path}/few.csv", "dataset.target=label"]
    sweep = tmp_path / "sweep"
    done = swept(sweep, *table, "search=none", "sweep.retries=2", "cv.test_size=0.5")
    assert done.returncode == 1
    assert len(marks(sweep, "start")) == (3 if " rc=1 " in marks(sweep, "FAIL")[0] else 1)


@pytest.mark.slow
def test_only_one_process_may_run_a_sweep(tmp_path: Path) -> None:
    process = start(*JOBS, f"hydra.sweep.dir={tmp_path}")
    until(lambda: bool(list(tmp_path.glob("*/train.log"))))
    done = resumed(tmp_path)
    assert done.returncode == 2
    assert f"is being written by process {process.pid} on" in done.stderr
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143, errors
    until(lambda: not pids_in(tmp_path), 20)


@pytest.mark.slow
def test_ctrl_c_ends_the_job_and_the_sweep_and_names_the_command_to_resume(tmp_path: Path) -> None:
    process = start(*JOBS, f"hydra.sweep.dir={tmp_path}")
    until(lambda: bool(list(tmp_path.glob("*/train.log"))))
    # A terminal sends it to all of its processes.
    for pid in pids_in(tmp_path):
        os.kill(pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"go on with -m sweep.resume={tmp_path}" in errors
    assert len(marks(tmp_path, "start")) == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 7}, "jobs.0.seed"),
        ({"cv": {"test_size": 0.9}}, "jobs.0.cv"),
    ],
)
def test_a_change_of_the_plan_is_named(
    half_failed: Swept, tmp_path: Path, change: dict[str, object], named: str
) -> None:
    plan = json.loads((half_failed[0] / "sweep.json").read_text())
    plan["determinants"]["jobs"]["0"] |= change
    (tmp_path / "sweep.json").write_text(json.dumps(plan))
    done = resumed(tmp_path)
    assert done.returncode == 2
    assert named in done.stderr
    assert "sweep.accept_changes=true" in done.stderr
    assert jobs_of(tmp_path) == []


@pytest.mark.slow
def test_a_table_that_has_changed_is_named(make_csv: Callable[..., Path], tmp_path: Path) -> None:
    path = make_csv()
    table = ["dataset=file", f"dataset.path={path}", "dataset.target=label", "search=none"]
    sweep = tmp_path / "sweep"
    assert swept(sweep, *table, "model=logistic_regression").returncode == 0
    path.write_text(
        path.read_text().replace("\n", "\n", 1) + path.read_text().splitlines()[1] + "\n"
    )
    done = resumed(sweep)
    assert done.returncode == 2
    assert str(path) in done.stderr


def test_a_table_behind_an_address_is_known_by_its_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    contents = iter([b"a,y\n1,u\n", b"a,y\n1,u\n", b"a,y\n2,u\n"])
    monkeypatch.setattr(source, "_download", lambda _: next(contents))
    before, same, changed = (sweeping._content_hash("s3://tables/t.csv") for _ in range(3))
    assert before == same != changed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-m", "sweep.resume=nowhere"], "nowhere holds no sweep"),
        (["-m", "sweep.resume=src"], "src holds no sweep"),
        (["sweep.resume=outputs"], "needs -m"),
        (["-m", "sweep.time_limit=10 parsecs"], "a time such as 90s"),
        (["-m", "sweep.retries=-1"], "0 or more"),
        (
            ["-m", "seed=1,2", "hydra/launcher=joblib", "hydra.launcher.n_jobs=999"],
            "at most one job per core",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_setting_is_refused_in_one_line(arguments: list[str], words: str) -> None:
    done = train(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr


def test_a_resumed_sweep_refuses_settings_that_change_numbers(half_failed: Swept) -> None:
    done = resumed(half_failed[0], "seed=3", "runtime.workers=1")
    assert done.returncode == 2
    assert "seed=3: a resumed sweep keeps its choices" in done.stderr
    assert "workers" not in done.stderr


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["allow=[os]", "seed=1"], ["seed=1"]),
        (["++allow = [os]", "+allow=[os]", "search=none"], ["search=none"]),
        (["--config-dir=there"], None),
        ([" -cd", "there"], None),
    ],
)
def test_the_plan_of_a_sweep_allows_no_package_and_no_other_directory(
    words: list[str], kept: list[str] | None, tmp_path: Path
) -> None:
    (tmp_path / "sweep.json").write_text(json.dumps({"arguments": words}))
    command = ["-m", f"sweep.resume={tmp_path}", "allow=[mine]"]
    if kept is None:
        with pytest.raises(sweeping.SweepNotResumedError, match="flags"):
            sweeping.resumed(command)
    else:
        assert sweeping.resumed(command)[1 : len(kept) + 2] == [*kept, "allow=[mine]"]


@pytest.mark.slow
def test_a_completed_run_is_skipped(tmp_path: Path) -> None:
    # Of runs under outputs/ in the directory that it is run in.
    words = ["dataset=wine", "search=none", "model=logistic_regression", "skip_completed=true"]

    def trained(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "src.train", *words, *more],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    assert "[RESULT]" in trained().stdout
    (first,) = tmp_path.glob("outputs/*/*/manifest.json")
    again = trained()
    assert again.returncode == 0
    assert again.stdout.splitlines()[-1].startswith("[SKIPPED] outputs/")
    assert list(tmp_path.glob("outputs/*/*/manifest.json")) == [first]
    assert "[RESULT]" in trained("seed=1").stdout
    sweep = trained("seed=1,42", "-m")
    assert sweep.returncode == 0, sweep.stderr
    assert sweep.stdout.count("[SKIPPED]") == 2
    (board,) = tmp_path.glob("outputs/*/*_sweep_*/leaderboard.csv")
    assert [row["state"] for row in leaderboard(board.parent)] == ["complete"] * 2


def test_the_end_of_a_sweep_writes_the_page_of_all_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where logs/latest.log is made.
    monkeypatch.chdir(tmp_path)
    for index in ("false", "true"):
        place = tmp_path / "outputs/2026-11-23" / f"10-00-00_sweep_{index}"
        place.mkdir(parents=True)
        chosen = Composed(place, [composed("report=none", f"report.index={index}")], place)
        with sweeping.sweep(["-m"], chosen):
            make_recorded_run(place / "0_x", "aaaa0000")
        assert (tmp_path / "outputs/index.html").exists() == (index == "true")
    page = (tmp_path / "outputs/index.html").read_text(encoding="utf-8")
    assert '"sweep":"2026-11-23/10-00-00_sweep_true"' in page
