"""A child ends in time, and with whoever began it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tabproof.runtime.process import run_child
from tests.conftest import ROOT

STUBBORN = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(60)"
POLITE = "import time\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    raise SystemExit(7)"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize("code", [0, 3])
def test_it_ends_with_its_own_code(code: int) -> None:
    ended = run_child(python(f"raise SystemExit({code})"), None)
    assert (ended.code, ended.is_late, ended.is_interrupted) == (code, False, False)


def test_when_its_time_is_up_it_is_told_and_may_end_by_itself() -> None:
    ended = run_child(python(POLITE), 1.5)
    assert (ended.code, ended.is_late) == (7, True)


def test_who_does_not_listen_is_killed() -> None:
    start = time.monotonic()
    ended = run_child(python(STUBBORN), 1.0, grace=0.3)
    assert (ended.code, ended.is_late) == (-signal.SIGKILL, True)
    assert time.monotonic() - start < 20


def test_ctrl_c_is_the_child_s_and_told_afterwards() -> None:
    interrupting = f"import os, signal; os.kill({os.getpid()}, signal.SIGINT)"
    before = signal.getsignal(signal.SIGINT)
    ended = run_child(python(interrupting), None)
    assert ended.code == 0
    assert ended.is_interrupted
    assert signal.getsignal(signal.SIGINT) is before


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    child = (
        "import os, pathlib, sys, time\n"
        "from tabproof.runtime.process import end_with_parent, is_child\n"
        "assert is_child()\n"
        "end_with_parent()\n"
        "pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))\n"
        "time.sleep(60)"
    )
    parent = (
        "import sys\n"
        "from tabproof.runtime.process import run_child\n"
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
