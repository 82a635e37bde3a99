"""Forks run each job once, share no lock and no log, and are made only where that is safe."""

import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from threading import Timer
from typing import IO

import pytest

from tests.runtime import in_forks

ROOT = Path(__file__).parents[2]
LAWS = [
    name
    for name, law in inspect.getmembers(in_forks, inspect.isfunction)
    if law.__module__ == in_forks.__name__ and name not in ("never", "results")
]
# Runs each law in a process of its own, a fork of one that has imported all libraries, which takes
# longer than most laws.
RUNNER = """
import os, sys, traceback, warnings
from tests.runtime import in_forks
for line in sys.stdin:
    with warnings.catch_warnings():
        # The allocator of Arrow may have a thread.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if not process:
        code = 1
        try:
            os.dup2(2, 1)
            getattr(in_forks, line.strip())()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="processes are forked on Linux only"
)


@pytest.fixture(scope="module")
def runner() -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    # With more, OpenBLAS has threads, and nothing is forked.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = f"{ROOT / 'src'}:{ROOT}"
    command = [sys.executable, "-W", "error", "-c", RUNNER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with (
        TemporaryFile("w+") as printed,
        subprocess.Popen(
            command, env=environment, cwd=ROOT, text=True, stderr=printed, **pipes
        ) as process,
    ):
        yield process, printed
        process.kill()


@pytest.mark.parametrize("name", LAWS)
def test_forks(name: str, runner: tuple[subprocess.Popen[str], IO[str]]) -> None:
    process, printed = runner
    assert process.stdin is not None
    assert process.stdout is not None
    begin = printed.seek(0, os.SEEK_END)
    timer = Timer(100, process.kill)
    timer.start()
    try:
        process.stdin.write(f"{name}\n")
        process.stdin.flush()
        code = process.stdout.readline().strip()
    finally:
        timer.cancel()
    printed.seek(begin)
    assert code == "0", printed.read()
