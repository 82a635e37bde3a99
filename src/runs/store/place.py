"""One place that holds a store, through fsspec; buckets by obstore, which fsspec then speaks to.

Every call ends in time, and what fails is a StoreError. A condition on a write (nothing there
yet, or still what was read) is held by the store itself where it is S3, Google's or Azure's, by a
lock in a directory, and elsewhere by looking first.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import get_ident
from typing import Any

from src.errors import NotInStoreError, PackageMissingError, StoreAddressError, StoreError
from src.runs.atomic import sync, write_atomically
from src.runs.store.address import OBJECT_STORES, Address
from src.runs.store.failures import reason

try:
    import fsspec
    from obstore.exceptions import AlreadyExistsError, PreconditionError

    from src.runs.store.buckets import BucketFileSystem
except ImportError as error:
    raise PackageMissingError("a model store", error.name or "fsspec", "store") from error

# Bytes of one request: a slow line gets so much through in a third of the time limit.
PART = 8 << 20
# Seconds of one step where no limit is set: a person waits longer than a service that starts.
PATIENCE = 120.0
# Files are small: waiting for answers takes longer than the bytes.
AT_ONCE = 8
LOCK = ".lock"


class ChangedMeanwhileError(Exception):
    """Somebody else has written what a write depends on."""


@dataclass(frozen=True)
class Content:
    """What was read, and the store's mark of it; None: nothing is there."""

    content: bytes
    mark: Any


class Place:
    """Reads and writes by name below an address. seconds: for all of it together; None: as long
    as each step goes on.
    """

    def __init__(self, address: Address, seconds: float | None = None) -> None:
        self.address = address
        self._end = None if seconds is None else time.monotonic() + seconds
        # As many as may be under way, and as many again that nobody waits for any more.
        self._steps = ThreadPoolExecutor(2 * AT_ONCE, "store")
        self._fs = self._filesystem(seconds or PATIENCE)

    def read(self, name: str, limit: int) -> bytes:
        """Read at most limit bytes; raises NotInStoreError, or StoreError."""
        content = b"".join(self.parts(name, limit + 1))
        if len(content) > limit:
            raise StoreError(self.shown(name), f"it is larger than {limit:,} bytes")
        return content

    def parts(self, name: str, most: int) -> Iterator[bytes]:
        """Give the content up to most bytes, part by part."""
        start = 0
        while start < most:
            end = min(start + PART, most)
            part = self._range(name, start, end)
            yield part
            start += len(part)
            if start < end:
                return

    def names(self) -> list[str]:
        """List the directories directly below the address."""
        try:
            found = self._do("", "ls", self._path(""), detail=True)
        except NotInStoreError:
            return []
        folders = [entry["name"] for entry in found if entry["type"] == "directory"]
        return sorted(folder.rstrip("/").rpartition("/")[2] for folder in folders)

    def sizes(self, folder: str) -> dict[str, int]:
        """Give all files below a directory by their names in it, with their bytes."""
        try:
            found = self._do(folder, "find", self._path(folder), detail=True)
        except NotInStoreError:
            return {}
        above = len(self._path(folder).strip("/")) + 1
        return {name.strip("/")[above:]: int(entry["size"]) for name, entry in found.items()}

    def upload(self, name: str, path: Path) -> None:
        """Write a file, whatever is there."""
        self._do(name, "pipe_file", self._path(name), path.read_bytes())

    def read_marked(self, name: str, limit: int) -> Content | None:
        """Read with a mark to write by."""
        try:
            content = self.read(name, limit)
        except NotInStoreError:
            return None
        return Content(content, content)

    def write(self, name: str, content: bytes, instead: Content | None) -> None:
        """Write if what is there is still what was read; raises ChangedMeanwhileError."""
        before = None if instead is None else instead.content
        try:
            there = b"".join(self.parts(name, len(before or b"") + 1))
        except NotInStoreError:
            there = None
        if there != before:
            raise ChangedMeanwhileError
        self._do(name, "pipe_file", self._path(name), content)

    def shown(self, name: str) -> str:
        """Say where something lies."""
        return f"{self.address}/{name}" if name else str(self.address)

    def _range(self, name: str, start: int, end: int) -> bytes:
        try:
            part = self._do(name, "cat_file", self._path(name), start=start, end=end)
        except StoreError as error:
            # Of what is empty, or ends where the range begins, there is no range.
            if "status code: 416" in str(error.__cause__):
                return b""
            raise
        return bytes(part)

    def _filesystem(self, _: float) -> Any:
        try:
            return fsspec.filesystem(self.address.protocol)
        except (ValueError, ImportError) as error:
            raise StoreAddressError(str(self.address)) from error

    def _path(self, name: str) -> str:
        root = f"/{self.address.root}" if self.address.protocol == "memory" else self.address.root
        return f"{root}/{name}" if name else root

    def _do(self, name: str, method: str, *arguments: Any, **options: Any) -> Any:
        step = partial(getattr(self._fs, method), *arguments, **options)
        with self._telling(name):
            if self._end is None:
                return step()
            left = self._end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            # What does not come back in time is left to itself, and its own limit ends it.
            return self._steps.submit(step).result(timeout=left)

    @contextmanager
    def _telling(self, name: str) -> Iterator[None]:
        try:
            yield
        except (StoreError, ChangedMeanwhileError):
            raise
        except (AlreadyExistsError, PreconditionError) as error:
            raise ChangedMeanwhileError from error
        except Exception as error:
            why = reason(error)
            if isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error):
                raise NotInStoreError(self.shown(name), "it is not there") from error
            raise StoreError(self.shown(name), why) from error


class Bucket(Place):
    """A bucket of S3, Google or Azure."""

    def upload(self, name: str, path: Path) -> None:
        """Write a file, without holding it in memory."""
        self._do(name, "put_file", str(path), self._path(name))

    def read_marked(self, name: str, limit: int) -> Content | None:
        """Read with the store's own tag."""
        try:
            content, tag = self._do(name, "cat_marked", self._path(name), limit)
        except NotInStoreError:
            return None
        if len(content) > limit:
            raise StoreError(self.shown(name), f"it is larger than {limit:,} bytes")
        return Content(content, tag)

    def write(self, name: str, content: bytes, instead: Content | None) -> None:
        """Write on a condition that the store checks; raises ChangedMeanwhileError."""
        mode: Any = "create" if instead is None else {"e_tag": instead.mark}
        self._do(name, "pipe_file", self._path(name), content, mode=mode)

    def _filesystem(self, seconds: float) -> Any:
        with self._telling(""):
            return BucketFileSystem(self.address.protocol, self.address.bucket, seconds)


class Directory(Place):
    """A directory, which several machines may share."""

    def upload(self, name: str, path: Path) -> None:
        """Copy a file: whole, or not there."""
        target = Path(self._path(name))
        with self._telling(name):
            target.parent.mkdir(parents=True, exist_ok=True)
            beside = target.with_name(f".{target.name}.{os.getpid()}.{get_ident()}.tmp")
            try:
                shutil.copyfile(path, beside)
                sync(beside)
                beside.replace(target)
                sync(target.parent)
            finally:
                beside.unlink(missing_ok=True)

    def write(self, name: str, content: bytes, instead: Content | None) -> None:
        """Write while nobody else can; raises ChangedMeanwhileError."""
        target = Path(self._path(name))
        with self._telling(name):
            target.parent.mkdir(parents=True, exist_ok=True)
            with Path(self._path(name.partition("/")[0]), LOCK).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                there = target.read_bytes() if target.exists() else None
                if there != (instead.content if instead else None):
                    raise ChangedMeanwhileError
                write_atomically(target, content)

    def _path(self, name: str) -> str:
        path = Path(self.address.root)
        for part in name.split("/") if name else []:
            path /= part
            if path.is_symlink():
                raise StoreError(self.shown(name), f"{path} is a symbolic link")
        return str(path)


def place_at(address: Address, seconds: float | None = None) -> Place:
    """Open the place of an address."""
    if address.protocol in OBJECT_STORES:
        return Bucket(address, seconds)
    kind = Directory if address.protocol == "file" else Place
    return kind(address, seconds)
