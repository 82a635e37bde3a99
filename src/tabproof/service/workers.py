"""Several processes of one service, which share a port: a client cannot choose one of them.

`uvicorn --workers 2`, gunicorn and granian start them. They meet in a directory that is named after
the process that started them: there they count requests together, and a reload of one of them
reaches all others.
"""

import asyncio
import logging
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

import msgspec

from tabproof.artifacts.files import locked, write_atomically
from tabproof.errors import UserError

# The variable by which prometheus-client counts in files.
METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
PREFIX = "tabproof-service-"
STATE, LOCK = "reload.json", "lock"
# Seconds between looks at the state, and the longest time that a reload waits for other workers.
POLL_SECONDS, REACH_SECONDS = 0.1, 20.0
# Seconds after which a worker tries again to load what the others serve.
RETRY_SECONDS = 1.0
# The number of the last reload, of a worker that has not repeated it.
NONE = -1

log = logging.getLogger("uvicorn.error")


class WorkersError(UserError):
    """Several workers that cannot find each other."""

    template = "several workers need {needed}; {remedy}, or start one worker"


class Reload(msgspec.Struct):
    """The last reload of any worker.

    number: counts reloads. paths: runs that were loaded by their paths since all models were
    loaded. thoroughly: as in ModelStore.reload. succeeded: for the worker that was asked.
    """

    number: int = 0
    paths: list[str] = []
    thoroughly: bool = True
    succeeded: bool = True


class Worker(msgspec.Struct):
    """What a worker serves: run ids by name, after the reload of that number."""

    number: int
    runs: dict[str, str]


def starter() -> int | None:
    """Return the process that started this one as one of several workers; None if it is alone."""
    parent = multiprocessing.parent_process()
    if "gunicorn.arbiter" in sys.modules:
        return os.getppid()
    if parent is None:
        return None
    # uvicorn handles signals before it loads the application.
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    is_one_of_many = getattr(getattr(server, "config", None), "workers", 1) > 1
    return parent.pid if is_one_of_many or "granian" in sys.modules else None


class Workers:
    """The workers of a service, seen from one of them; directory: None if it is alone."""

    def __init__(self, starter: int | None) -> None:
        self.directory: Path | None = None
        self._pid, self._seen = os.getpid(), NONE
        if starter is not None:
            self.directory = _directory_of(starter)
            # prometheus-client reads it when it is imported.
            os.environ[METRICS_VARIABLE] = str(self.directory)

    def join(self) -> Reload:
        """Become one of the workers; return the last reload, which this process has to repeat.

        Other workers wait for it from now on.
        """
        if self.directory is None:
            return Reload()
        from prometheus_client.multiprocess import mark_process_dead

        if os.getpid() != self._pid:
            needed = "an application each, and this one was made before its process"
            raise WorkersError(needed=needed, remedy="leave --preload out")
        for pid, path in _files(self.directory):
            if not _is_alive(pid):
                path.unlink(missing_ok=True)
                mark_process_dead(pid, str(self.directory))  # type: ignore[no-untyped-call]
        self.report({})
        return _state(self.directory)

    def repeated(self, state: Reload, runs: dict[str, str]) -> None:
        """Report that this worker has repeated a reload."""
        self._seen = state.number
        self.report(runs)

    def leave(self) -> None:
        """Remove what belongs to this process; the last one removes the directory."""
        if self.directory is None:
            return
        _file(self.directory, self._pid).unlink(missing_ok=True)
        if not any(_is_alive(pid) for pid, _ in _files(self.directory)):
            shutil.rmtree(self.directory, ignore_errors=True)

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """Let no other worker begin a reload that was asked for."""
        if self.directory is None:
            yield
            return
        with locked(self.directory / LOCK, wait=True):
            yield

    def publish(self, path: str | None, runs: dict[str, str], *, thoroughly: bool, ok: bool) -> int:
        """Let all other workers reload as this one did; return the number of the reload."""
        if self.directory is None:
            return 0
        with locked(self.directory / f"{STATE}.lock", wait=True):
            state = _state(self.directory)
            paths = [] if path is None and thoroughly else list(state.paths)
            paths += [] if path is None else [path]
            state = Reload(state.number + 1, paths, thoroughly, ok)
            # What this worker has not seen yet of the others, it sees with the next one.
            if self._seen == state.number - 1:
                self._seen = state.number
            write_atomically(self.directory / STATE, msgspec.json.encode(state), durable=False)
        self.report(runs)
        return state.number

    def report(self, runs: dict[str, str]) -> None:
        """Write what this worker serves."""
        if self.directory is not None:
            content = msgspec.json.encode(Worker(self._seen, runs))
            write_atomically(_file(self.directory, self._pid), content, durable=False)

    async def reached(self, number: int) -> list[int]:
        """Wait until all workers have seen a reload; return those that have not in time."""
        end = monotonic() + REACH_SECONDS
        while late := self._late(number):
            if monotonic() > end:
                break
            await asyncio.sleep(POLL_SECONDS / 2)
        return late

    async def follow(
        self,
        reload: Callable[[Sequence[str | None], bool], Awaitable[dict[str, str]]],
        block: Callable[[UserError], None],
    ) -> None:
        """Repeat the reloads of other workers, as long as this one runs.

        block : called with the error when this worker cannot load what another one serves. It
        serves nothing then, since clients must not get answers of two models, and tries again.
        """
        logged = ""
        while self.directory is not None:
            await asyncio.sleep(RETRY_SECONDS if logged else POLL_SECONDS)
            state = await asyncio.to_thread(_state, self.directory)
            if state.number == self._seen:
                continue
            is_next = state.number == self._seen + 1 and self._seen != NONE
            paths: list[str | None] = [None, *state.paths]
            if state.paths and is_next and state.thoroughly:
                paths = [state.paths[-1]]
            runs = None
            try:
                runs = await reload(paths, state.thoroughly or not is_next)
            except UserError as error:
                if state.succeeded:
                    block(error)
                    self._seen = NONE
                    if logged != (logged := str(error)):
                        log.error("another worker serves what this one cannot load: %s", error)  # noqa: TRY400
                    continue
                log.error("not reloaded as another worker was: %s", error)  # noqa: TRY400
            logged, self._seen = "", state.number
            if runs is not None:
                await asyncio.to_thread(self.report, runs)

    def _late(self, number: int) -> list[int]:
        late = []
        for pid, path in _files(self.directory):
            with suppress(OSError, msgspec.MsgspecError):
                worker = msgspec.json.decode(path.read_bytes(), type=Worker)
                if worker.number < number and _is_alive(pid):
                    late.append(pid)
        return late


def _state(directory: Path) -> Reload:
    try:
        return msgspec.json.decode((directory / STATE).read_bytes(), type=Reload)
    except FileNotFoundError:
        return Reload()


def _file(directory: Path, pid: int) -> Path:
    return directory / f"worker-{pid}.json"


def _files(directory: Path | None) -> list[tuple[int, Path]]:
    """Return the processes that have written what they serve, and their files."""
    paths = [] if directory is None else list(directory.glob("worker-*.json"))
    return [(int(path.stem.removeprefix("worker-")), path) for path in paths]


def _directory_of(starter: int) -> Path:
    """Make the directory of the workers that a process started, or return it if it is there."""
    began = Path(f"/proc/{starter}/stat").read_text().rpartition(")")[2].split()[19]
    directory = Path(tempfile.gettempdir()) / f"{PREFIX}{os.getuid()}-{starter}-{began}"
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()
    except OSError as error:
        needed = f"a directory for temporary files ({directory}: {error.strerror})"
        raise WorkersError(needed=needed, remedy="set TMPDIR") from error
    if not directory.is_dir() or directory.is_symlink() or found.st_uid != os.getuid():
        needed = f"{directory}, which belongs to somebody else"
        raise WorkersError(needed=needed, remedy="remove it")
    return directory


def _is_alive(pid: int) -> bool:
    try:
        # A process that has ended is there until its parent has noticed.
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
