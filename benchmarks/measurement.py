"""Wall time and peak memory of a command, with all processes that it starts. Linux only.

Memory is PSS, in which a page that n processes share counts 1/n in each, so that the sum
over a tree counts it once; where the kernel has no PSS, memory is RSS.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from time import perf_counter

from benchmarks.command import CannotRunError

PROC = Path("/proc")
PSS, RSS = ("smaps_rollup", "Pss:"), ("status", "VmRSS:")
HAS_PSS = (PROC / "self" / PSS[0]).exists()
MEASURE = "PSS" if HAS_PSS else "RSS"
LISTS_CHILDREN = (PROC / "self" / "task" / str(os.getpid()) / "children").exists()

SAMPLING_SECONDS = 0.02
# How much higher than before RSS must be for PSS to be read.
NEW_HIGH = 1.01
N_LINES_SHOWN = 10

BURN = "while True: pass"


class CommandFailedError(Exception):
    """A measured command failed: its figures mean nothing."""

    def __init__(self, command: Sequence[str], code: int, stderr: str) -> None:
        last_lines = "\n".join(stderr.splitlines()[-N_LINES_SHOWN:])
        super().__init__(f"`{' '.join(command)}` ended with code {code}:\n{last_lines}")


@dataclass(frozen=True)
class Measurement:
    """The time and memory of a command."""

    seconds: float
    peak_mib: float


def require_child_lists() -> None:
    """Raise CannotRunError where /proc does not list the children of a process."""
    if not LISTS_CHILDREN:
        raise CannotRunError("memory is read from /proc/*/task/*/children: Linux only")


def measure(command: Sequence[str], directory: Path) -> Measurement:
    """Run a command to its end; stdout.txt and stderr.txt of the directory get its output."""
    # Files: a pipe ends only when the last worker that holds it ends.
    stdout, stderr = directory / "stdout.txt", directory / "stderr.txt"
    with stdout.open("wb") as out, stderr.open("wb") as err:
        start = perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err)
        try:
            with PeakMemory(process.pid) as peak:
                code = process.wait()
                seconds = perf_counter() - start
        except BaseException:
            # Ctrl-C: a search must not go on when nobody waits for it.
            process.terminate()
            process.wait()
            raise
    if code != 0:
        raise CommandFailedError(command, code, stderr.read_text(errors="replace"))
    return Measurement(seconds, peak.kib / 1024)


class PeakMemory:
    """Sample the memory of a process tree in a thread, for as long as the block lasts."""

    def __init__(self, root: int) -> None:
        self.kib = 0
        self._root = root
        self._ended = Event()
        self._thread = Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        highest = 0.0
        while not self._ended.wait(SAMPLING_SECONDS):
            tree = process_tree(self._root)
            resident = _kib(tree, *RSS)
            # For PSS the kernel walks every page, 15 ms for a search with two workers:
            # if it were read each time, it would slow down the measured command.
            if resident > NEW_HIGH * highest:
                highest = resident
                self.kib = max(self.kib, _kib(tree, *PSS) if HAS_PSS else resident)


def process_tree(root: int) -> list[int]:
    """List a process and all its descendants."""
    tree = [root]
    for process in tree:  # grows while it is read, until the leaves
        try:
            for thread in (PROC / str(process) / "task").iterdir():
                tree += map(int, (thread / "children").read_text().split())
        except OSError:
            continue  # ended meanwhile
    return tree


def _kib(processes: Iterable[int], file: str, label: str) -> int:
    total = 0
    for process in processes:
        try:
            lines = (PROC / str(process) / file).read_text(errors="replace").splitlines()
        except OSError:
            continue  # ended meanwhile
        total += sum(int(line.split()[1]) for line in lines if line.startswith(label))
    return total


@contextmanager
def neighbours() -> Iterator[None]:
    """Keep every core busy inside the block."""
    started = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()
