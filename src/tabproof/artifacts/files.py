"""Files that appear whole or not at all, and survive a power cut."""

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec

# --- Files that appear whole or not at all, however long writing them takes.


@contextmanager
def appearing(path: Path, scratch: Path) -> Iterator[IO[bytes]]:
    """Write into scratch, on the same disk; at the end sync it and give it its name."""
    try:
        with scratch.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Force to the disk which names a directory holds."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- Reading files that anybody may have put there: links, pipes, too much, JSON of any shape.

CHUNK = 1 << 20
# Without O_NONBLOCK a named pipe would be waited for; O_NOFOLLOW is about the last part only.
FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

T = TypeVar("T")


@contextmanager
def opened_file(name: str | Path, folder: int | None = None) -> Iterator[int]:
    """Open a regular file, and nothing else, and close it; folder is a descriptor."""
    try:
        descriptor = os.open(name, FLAGS, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ValueError("is a symbolic link") from error
        if error.errno == errno.ENXIO:
            raise ValueError("is no regular file") from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("is no regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def open_folder(name: str | Path, folder: int | None = None) -> int:
    """Open a directory that is no link."""
    try:
        return os.open(name, FLAGS | os.O_DIRECTORY, dir_fd=folder)
    except NotADirectoryError as error:
        raise ValueError("is no directory, or a symbolic link to one") from error


def read_limited(name: str | Path, limit: int, folder: int | None = None) -> bytes:
    """Read a regular file of at most limit bytes."""
    content = bytearray()
    with opened_file(name, folder) as descriptor:
        while chunk := os.read(descriptor, CHUNK):
            content += chunk
            if len(content) > limit:
                raise ValueError(f"is larger than {limit:,} bytes")
    return bytes(content)


def read_json(content: bytes, kind: type[T]) -> T:
    """Parse JSON into a dataclass: every type as it says, no key twice."""
    try:
        found = json.loads(content, object_pairs_hook=_without_duplicates)
        return msgspec.convert(found, kind)
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    except (ValueError, msgspec.ValidationError) as error:
        raise ValueError(f"is not of its form: {error}") from error


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Of two values a reader takes the first and another the last.
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside the path, sync, rename over it, sync the directory."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    sync(path.parent)


def sync(path: Path) -> None:
    """Force a file's or directory's content to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def point_to(link: Path, target: Path) -> None:
    """Make a symbolic link name another target, in one step, relative to where it lies."""
    beside = link.with_name(f".{link.name}.{os.getpid()}.tmp")
    beside.unlink(missing_ok=True)
    beside.symlink_to(os.path.relpath(target, link.parent))
    beside.replace(link)
