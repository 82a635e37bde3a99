"""Reading files that anybody may have put there: links, pipes, too much, JSON of any shape.

Whatever is found is a ValueError that says what, or an OSError of the system.
"""

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

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
