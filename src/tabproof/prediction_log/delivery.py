"""Files of the log on their way to a directory or a bucket.

A file that cannot be stored is tried again, with growing pauses, while others may wait beside it.
When too many bytes wait, the oldest file is dropped and counted.
"""

import os
import shutil
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from secrets import token_hex
from time import monotonic
from typing import Protocol

from tabproof.artifacts.files import atomic_file, sync
from tabproof.errors import UserError, first_line
from tabproof.prediction_log import layout

# Seconds between attempts: the first pause, and the longest.
FIRST_PAUSE, LAST_PAUSE = 1.0, 60.0


class Place(Protocol):
    """Where files of the log are stored. Errors of `store` are tried again."""

    def store(self, name: str, content: bytes) -> None:
        """Write a file whole, so that it survives whatever comes next, or raise."""

    def remove_before(self, day: date) -> None:
        """Remove what is older, if this place can do that."""


class LocalPlace:
    """A directory, which other processes may share."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def check(self) -> None:
        """Raise OSError if nothing can be written here; make the directory."""
        self.path.mkdir(parents=True, exist_ok=True)
        probe = self.path / f".{token_hex(8)}.tmp"
        try:
            with atomic_file(self.path / ".probe", probe, durable=False) as file:
                file.write(b"\0")
        finally:
            (self.path / ".probe").unlink(missing_ok=True)

    def store(self, name: str, content: bytes) -> None:
        """Write a file below the directory, and force it to the disk."""
        path = self.path / name
        made = [each for each in path.parents if each != self.path.parent and not each.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as file:
            file.write(content)
        # Names of new directories are forced to the disk too.
        for each in made:
            sync(each.parent)

    def remove_before(self, day: date) -> None:
        """Remove the partitions of earlier days."""
        for folder in (layout.PREDICTIONS, layout.LABELS):
            with suppress(OSError), os.scandir(self.path / folder) as entries:
                for entry in entries:
                    found = layout.day_of(entry.name)
                    if found is not None and found < day and entry.is_dir(follow_symlinks=False):
                        # Another worker may remove it at the same time.
                        shutil.rmtree(entry.path, ignore_errors=True)


class _Uploads(Protocol):
    def upload(self, name: str, content: bytes) -> None: ...


class BucketPlace:
    """A bucket, through the client of the model store; old files are the bucket's own matter."""

    def __init__(self, store: _Uploads) -> None:
        self._store = store

    def store(self, name: str, content: bytes) -> None:
        """Write a file with one request."""
        self._store.upload(name, content)

    def remove_before(self, day: date) -> None:
        """Do nothing: a life-cycle rule of the bucket removes old files."""


@dataclass(frozen=True)
class Segment:
    """A complete file that waits to be stored; name: its path below the log."""

    name: str
    content: bytes
    n_rows: int


class Delivery:
    """Store files in a thread of its own.

    max_bytes: of waiting files. count: called with the reason and the number of rows for what was
    dropped ("not_written") and stored ("").
    """

    def __init__(self, place: Place, max_bytes: int, count: Callable[[str, int], None]) -> None:
        self._place, self._max_bytes, self._count = place, max_bytes, count
        self._waiting: deque[Segment] = deque()
        self._n_bytes = 0
        self._changed = threading.Condition()
        self._ends_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="prediction-log-store", daemon=True)
        # The reason of the last failure, for people; empty after a success.
        self.failure = ""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, segment: Segment) -> None:
        """Add a file; drop the oldest ones if too many bytes wait."""
        n_dropped = 0
        with self._changed:
            self._waiting.append(segment)
            self._n_bytes += len(segment.content)
            while self._n_bytes > self._max_bytes and self._waiting:
                n_dropped += self._drop_oldest().n_rows
            self._changed.notify()
        if n_dropped:
            self._count("not_written", n_dropped)

    def stop(self, seconds: float) -> None:
        """Store what waits, for some seconds at most; count the rest as dropped."""
        with self._changed:
            self._ends_at = monotonic() + seconds
            self._changed.notify()
        self._thread.join(seconds)
        with self._changed:
            n_rows = sum(self._drop_oldest().n_rows for _ in range(len(self._waiting)))
        if n_rows:
            self._count("not_written", n_rows)

    def _drop_oldest(self) -> Segment:
        dropped = self._waiting.popleft()
        self._n_bytes -= len(dropped.content)
        return dropped

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ends_at is not None)
                if not self._waiting:
                    return
                segment = self._waiting[0]
            try:
                self._place.store(segment.name, segment.content)
            except Exception as error:  # whatever it is, it is tried again
                self.failure = reason_of(error)
            else:
                self.failure, pause = "", FIRST_PAUSE
                self._count("", segment.n_rows)
                with self._changed:
                    # It may have been dropped meanwhile, to make room.
                    if self._waiting and self._waiting[0] is segment:
                        self._drop_oldest()
                continue
            with self._changed:
                ends_at = self._ends_at
                if ends_at is not None:
                    left = ends_at - monotonic()
                    if left <= FIRST_PAUSE:
                        return
                    self._changed.wait(FIRST_PAUSE / 4)
                else:
                    self._changed.wait_for(lambda: self._ends_at is not None, pause)
            pause = min(2 * pause, LAST_PAUSE)


def reason_of(error: BaseException) -> str:
    """Return why something could not be written, in a few words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) if isinstance(error, UserError) else first_line(error)
