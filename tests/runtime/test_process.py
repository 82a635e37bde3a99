"""A child ends in time and with its parent; sleep is prevented while a run works."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tabproof.runtime.process import ending_in_one_line, kept_awake, run_child
from tests.conftest import ROOT

STUBBORN = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(60)"
POLITE = "import time\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    raise SystemExit(7)"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize("code", [0, 3])
def test_a_child_ends_with_its_own_code(code: int) -> None:
    ended = run_child(python(f"raise SystemExit({code})"), None)
    assert (ended.code, ended.is_late, ended.is_interrupted) == (code, False, False)


def test_a_late_child_may_end_by_itself() -> None:
    ended = run_child(python(POLITE), 1.5)
    assert (ended.code, ended.is_late) == (7, True)


def test_a_late_child_that_ignores_the_signal_is_killed() -> None:
    start = time.monotonic()
    ended = run_child(python(STUBBORN), 1.0, grace=0.3)
    assert (ended.code, ended.is_late) == (-signal.SIGKILL, True)
    assert time.monotonic() - start < 20


def test_ctrl_c_goes_to_the_child_and_is_reported_afterwards() -> None:
    interrupting = f"import os, signal; os.kill({os.getpid()}, signal.SIGINT)"
    before = signal.getsignal(signal.SIGINT)
    ended = run_child(python(interrupting), None)
    assert ended.code == 0
    assert ended.is_interrupted
    assert signal.getsignal(signal.SIGINT) is before


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    child = (
        "import os, pathlib, sys, time\n"
        "from tabproof.runtime.process import end_with, parent\n"
        "assert parent\n"
        "end_with(parent)\n"
        "pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))\n"
        "time.sleep(60)"
    )
    parent = (
        "import sys\n"
        "from tabproof.runtime.process import ending_in_one_line, kept_awake, run_child\n"
        f"run_child([sys.executable, '-c', {child!r}, sys.argv[1]], None)"
    )
    note = tmp_path / "pid"
    process = subprocess.Popen([*python(parent), str(note)], cwd=ROOT)
    deadline = time.monotonic() + 20
    while not note.exists() or not note.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    while Path(f"/proc/{note.read_text()}/cmdline").exists():
        assert time.monotonic() < deadline, "the child is left"
        time.sleep(0.05)


def test_a_worker_ends_whose_launcher_was_gone_before_its_job_began() -> None:
    gone = subprocess.Popen(python("pass"))
    gone.wait()
    worker = (
        "import multiprocessing, sys\n"
        "from types import SimpleNamespace\n"
        "from tabproof.runtime.process import run_child\n"
        f"multiprocessing.parent_process = lambda: SimpleNamespace(pid={gone.pid})\n"
        "run_child([sys.executable, '-c', 'import time; time.sleep(10)'], None)"
    )
    process = subprocess.Popen(python(worker), cwd=ROOT)
    assert process.wait(9) == 1


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only directory of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}")
    return folder


def command(folder: Path, script: str) -> None:
    (folder / "systemd-inhibit").write_text(f"#!/bin/sh\n{script}\n")
    os.chmod(folder / "systemd-inhibit", 0o755)  # noqa: PTH101, S103 - a command is executable


def test_sleep_is_prevented_inside_the_block(path: Path, tmp_path: Path) -> None:
    # Like the real one it ends when its standard input does.
    command(
        path, f'echo "$@" > {tmp_path}/began; while read -r line; do :; done; : > {tmp_path}/ended'
    )
    with kept_awake(asked=True):
        assert not (tmp_path / "ended").exists()
    assert (tmp_path / "ended").exists()
    assert "--what=idle:sleep" in (tmp_path / "began").read_text()


@pytest.mark.parametrize(
    ("script", "words"),
    [(None, "no systemd-inhibit"), ("echo no bus >&2; exit 1", "was not prevented: no bus")],
    ids=["absent", "refused"],
)
def test_a_warning_where_sleep_cannot_be_prevented(
    script: str | None, words: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if script is not None:
        command(path, script)
    with caplog.at_level(logging.WARNING), kept_awake(asked=True):
        pass
    assert words in caplog.text


def test_nothing_is_started_by_default(path: Path, tmp_path: Path) -> None:
    command(path, f": > {tmp_path}/began")
    with kept_awake(asked=False):
        pass
    assert not (tmp_path / "began").exists()


@pytest.mark.parametrize("before", [{}, {"HYDRA_FULL_ERROR": "1"}, {"TRAIN_FULL_ERROR": "0"}])
def test_a_command_leaves_the_traceback_switches_as_they_were(
    before: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    switches = ("HYDRA_FULL_ERROR", "TRAIN_FULL_ERROR")
    for name in switches:
        monkeypatch.delenv(name, raising=False)
    for name, value in before.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit), ending_in_one_line(lambda _: None):
        raise ValueError
    assert {name: os.environ[name] for name in switches if name in os.environ} == before
