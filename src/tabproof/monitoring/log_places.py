"""Where the files of a log are merged: in a directory, or in a bucket.

Paths are below the log, with slashes: a partition such as `labels/date=2026-11-30`, and the names
of its files.
"""

import os
import re
import tempfile
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import date
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol

from tabproof.artifacts.files import atomic_file, folders_of, locked
from tabproof.errors import UserError
from tabproof.monitoring.log_files import not_being_read
from tabproof.monitoring.merged import Sources, read_sources
from tabproof.prediction_log import layout

# Held by the command that merges.
COMPACTING = ".compact.lock"
# Of a merged file that a killed command left unfinished.
UNFINISHED = re.compile(r"\.merged-.*\.tmp")
# Files of a bucket that are fetched at the same time.
N_AT_ONCE = 16
# Files that are removed by one request, where the service has one for many.
N_IN_REQUEST = 1000


class CompactingError(UserError):
    """Another command merges the same log."""

    template = "another `monitor compact` is at work in {log}; it can be started again after it"


class LogPlace(Protocol):
    """A log whose files can be listed, read, added and removed. Errors are those of the system."""

    def partitions(self, before: date) -> list[str]:
        """Return the partitions of earlier days, in order."""

    def files(self, partition: str) -> dict[str, int]:
        """Return the sizes of the files of a partition by name, in order."""

    def contents(self, partition: str, names: Sequence[str]) -> Iterator[bytes | OSError]:
        """Yield files, or why one cannot be read.

        Raises FileNotFoundError where one was removed meanwhile.
        """

    def sources(self, partition: str, name: str, size: int) -> Sources:
        """Return the files that a merged file stands for; raise as `read_sources`."""

    def new_file(self, partition: str, name: str) -> AbstractContextManager[IO[bytes]]:
        """Return a context with a file to write, which appears whole under its name at the end.

        It does not if the block raises. Raises FileExistsError where the name is taken, and
        FileNotFoundError where the partition was removed.
        """

    def remove(self, partition: str, names: Collection[str]) -> None:
        """Remove files that are there."""


class DirectoryPlace:
    """The directory of a log; `merging` holds its lock."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def merging(self) -> Iterator[None]:
        """Hold the lock of who merges; raise CompactingError where another process has it."""
        try:
            with locked(self._root / COMPACTING):
                yield
        except BlockingIOError as error:
            raise CompactingError(log=self._root) from error

    def partitions(self, before: date) -> list[str]:
        """Return the partitions of earlier days, in order."""
        found: list[str] = []
        for tree in (layout.PREDICTIONS, layout.LABELS):
            for folder in sorted(folders_of(self._root / tree)):
                day = layout.day_of(Path(folder).name)
                if day is not None and day < before:
                    models = (path for path in sorted(folders_of(folder)) if _is_model(path))
                    found += models if tree == layout.PREDICTIONS else [folder]
        return [Path(folder).relative_to(self._root).as_posix() for folder in found]

    def files(self, partition: str) -> dict[str, int]:
        """Return the sizes of the files of a partition by name, in order.

        What a killed command left unfinished is removed.
        """
        found = {}
        # Retention may remove the partition, or a file after it was listed.
        with suppress(FileNotFoundError), os.scandir(self._root / partition) as entries:
            for entry in entries:
                if UNFINISHED.fullmatch(entry.name):
                    Path(entry.path).unlink(missing_ok=True)
                elif entry.name[0] != "." and entry.name.endswith(layout.SUFFIX):
                    with suppress(FileNotFoundError):
                        found[entry.name] = entry.stat().st_size
        return dict(sorted(found.items()))

    def contents(self, partition: str, names: Sequence[str]) -> Iterator[bytes | OSError]:
        """Yield files, or why one cannot be read; raise FileNotFoundError where one is gone."""
        for name in names:
            try:
                yield (self._root / partition / name).read_bytes()
            except FileNotFoundError:
                raise
            except OSError as error:
                yield error

    def sources(self, partition: str, name: str, size: int) -> Sources:
        """Return the files that a merged file stands for; raise as `read_sources`."""
        del size
        return read_sources(self._root / partition / name)

    @contextmanager
    def new_file(self, partition: str, name: str) -> Iterator[IO[bytes]]:
        """Return a context with a file to write; see LogPlace."""
        with atomic_file(self._root / partition / name) as file:
            yield file

    def remove(self, partition: str, names: Collection[str]) -> None:
        """Remove files that are there, when no reader needs them."""
        with not_being_read(self._root):
            for name in names:
                (self._root / partition / name).unlink(missing_ok=True)


class BucketPlace:
    """The prefix of a bucket. Two commands at once do the same work twice, and lose nothing.

    A merged file has a number that is one higher than any before, and a name that is taken is
    refused by the bucket: of two commands that have seen the same files one looks again. One that
    has looked long ago may write a number again that another has merged and removed meanwhile;
    such a file is in the list of the higher one, and so is left out.
    """

    def __init__(self, store: Any, prefix: str) -> None:
        self._store, self._prefix = store, prefix

    def partitions(self, before: date) -> list[str]:
        """Return the partitions of earlier days, in order."""
        found: list[str] = []
        for tree in (layout.PREDICTIONS, layout.LABELS):
            for folder in self._folders(tree):
                day = layout.day_of(Path(folder).name)
                if day is not None and day < before:
                    found += (
                        filter(_is_model, self._folders(folder))
                        if tree == layout.PREDICTIONS
                        else [folder]
                    )
        return found

    def _folders(self, path: str) -> list[str]:
        listed = self._store.list_with_delimiter(f"{self._prefix}{path}/")
        return sorted(
            each.rstrip("/").removeprefix(self._prefix) for each in listed["common_prefixes"]
        )

    def files(self, partition: str) -> dict[str, int]:
        """Return the sizes of the files of a partition by name, in order.

        A bucket lists names in order, so that a file that is removed while its page is on the way
        is seen, or the merged one is, whose name comes later.
        """
        folder = f"{self._prefix}{partition}/"
        found = {
            each["path"].removeprefix(folder): each["size"]
            for page in self._store.list(folder)
            for each in page
        }
        return {
            name: size
            for name, size in sorted(found.items())
            if name[0] != "." and "/" not in name and name.endswith(layout.SUFFIX)
        }

    def contents(self, partition: str, names: Sequence[str]) -> Iterator[bytes]:
        """Yield files, some of them fetched ahead; raise FileNotFoundError where one is gone."""

        def fetch(name: str) -> bytes:
            return bytes(self._store.get(f"{self._prefix}{partition}/{name}").bytes())

        with ThreadPoolExecutor(N_AT_ONCE) as pool:
            left = iter(names)
            ahead = deque(pool.submit(fetch, name) for name in islice(left, N_AT_ONCE))
            try:
                while ahead:
                    yield ahead.popleft().result()
                    ahead.extend(pool.submit(fetch, name) for name in islice(left, 1))
            finally:
                for each in ahead:
                    each.cancel()

    def sources(self, partition: str, name: str, size: int) -> Sources:
        """Return the files that a merged file stands for, of its last bytes only."""
        import pyarrow as pa

        path = f"{self._prefix}{partition}/{name}"
        end = bytes(self._store.get_range(path, start=max(size - 8, 0), end=size))
        n_bytes = min(int.from_bytes(end[:4], "little") + 8, size)
        footer = bytes(self._store.get_range(path, start=size - n_bytes, end=size))
        return read_sources(pa.BufferReader(b"PAR1" + footer))

    @contextmanager
    def new_file(self, partition: str, name: str) -> Iterator[IO[bytes]]:
        """Return a context with a file to write; see LogPlace."""
        from obstore.exceptions import AlreadyExistsError

        with tempfile.TemporaryFile() as file:
            yield file
            file.seek(0)
            path = f"{self._prefix}{partition}/{name}"
            try:
                # In one request, so that the bucket can refuse a name that is taken.
                self._store.put(path, file, mode="create", use_multipart=False)
            except AlreadyExistsError as error:
                raise FileExistsError(path) from error

    def remove(self, partition: str, names: Collection[str]) -> None:
        """Remove files that are there."""
        paths = [f"{self._prefix}{partition}/{name}" for name in names]
        for start in range(0, len(paths), N_IN_REQUEST):
            some = paths[start : start + N_IN_REQUEST]
            try:
                self._store.delete(some)
            except FileNotFoundError:
                # Not all services take it that one of them is gone already.
                for path in some:
                    with suppress(FileNotFoundError):
                        self._store.delete(path)


def _is_model(folder: str) -> bool:
    return Path(folder).name.startswith(layout.MODEL)
