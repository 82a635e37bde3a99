"""Files: written whole or not at all, locked, and read without trust in who wrote them."""

import errno
import fcntl
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import get_ident
from typing import IO, Annotated, Any, TypeVar

import msgspec

from tabproof.errors import NewerFormatError

# Without O_NONBLOCK, opening a named pipe would block. O_NOFOLLOW covers the last part only.
FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

# Of a full disk, a quota and the largest size of a file.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

T = TypeVar("T")


@contextmanager
def named_when_full(path: str | Path) -> Iterator[None]:
    """Name what is written in the error of a full disk, which names no file."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL and error.filename is None:
            error.filename = str(path)
        raise


@contextmanager
def atomic_file(
    path: Path, scratch: Path | None = None, *, durable: bool = True
) -> Iterator[IO[bytes]]:
    """Open a file that appears under its name when the block ends, or not at all.

    scratch: written until then, on the same disk; None takes a hidden name next to `path`.
    durable: whether the content must survive a power cut; a killed process never harms it.
    """
    scratch = scratch or path.with_name(f".{path.name}.{os.getpid()}.{get_ident()}.tmp")
    try:
        with named_when_full(path), scratch.open("wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
    if durable:
        sync(path.parent)


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file that appears whole or not at all."""
    with atomic_file(path, durable=durable) as file:
        file.write(content)


def write_new(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file that must not exist, and its directories, and force it to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.writelines(chunks)
        file.flush()
        os.fsync(file.fileno())


def sync(path: Path) -> None:
    """Force the content of a file, or the names in a directory, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def new_directory(path: Path) -> Iterator[None]:
    """Make a directory to fill; at the end force all names in it to the disk."""
    path.mkdir()
    yield
    for directory in [path, *(each for each in path.rglob("*") if each.is_dir())]:
        sync(directory)


def point_to(link: Path, target: Path) -> None:
    """Make a symbolic link name another target, in one step, relative to its own directory."""
    scratch = link.with_name(f".{link.name}.{os.getpid()}.tmp")
    scratch.unlink(missing_ok=True)
    scratch.symlink_to(os.path.relpath(target, link.parent))
    scratch.replace(link)


def remove(path: Path) -> None:
    """Remove a directory, a file or a link, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, *, wait: bool = False) -> Iterator[IO[str]]:
    """Hold an exclusive lock on a file, which is made if it is not there.

    The system releases the lock however the process ends. Without `wait`, raises
    BlockingIOError where another process holds it.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(path, flags, 0o666)
        except FileNotFoundError:
            continue  # the process that held it is removing the directory
        with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            # The holder before may have removed the file: then this is a lock on nothing.
            try:
                is_there = os.path.samestat(os.fstat(descriptor), path.stat())
            except FileNotFoundError:
                continue
            if is_there:
                yield file
                return


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock on a file; a missing file is not locked."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (FileNotFoundError, NotADirectoryError):
        pass
    return False


def folders_of(path: str | Path) -> list[str]:
    """Return the directories in a directory that are not hidden; none where it cannot be read."""
    # Another process may be removing it, or it may belong to another user.
    with (
        suppress(FileNotFoundError, NotADirectoryError, PermissionError),
        os.scandir(path) as entries,
    ):
        return [e.path for e in entries if e.name[0] != "." and e.is_dir(follow_symlinks=False)]
    return []


@contextmanager
def opened_file(name: str | Path, folder: int | None = None) -> Iterator[IO[bytes]]:
    """Open a regular file for reading, and nothing else.

    folder: the descriptor of the directory that `name` is relative to.
    """
    try:
        descriptor = os.open(name, FLAGS, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ValueError("is a symbolic link") from error
        if error.errno == errno.ENXIO:
            raise ValueError("is not a regular file") from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def open_folder(name: str | Path, folder: int | None = None) -> int:
    """Open a directory that is not a symbolic link; return its descriptor."""
    try:
        return os.open(name, FLAGS | os.O_DIRECTORY, dir_fd=folder)
    except NotADirectoryError as error:
        raise ValueError("is not a directory, or is a symbolic link to one") from error


def real_parts(path: Path, roots: Sequence[Path]) -> tuple[Path, tuple[str, ...]]:
    """Follow the links in a path; return the real root that it ends in, and the parts below it.

    Raises FileNotFoundError where nothing is there, and ValueError for a link that leads to
    nothing, in a loop, or out of all roots. A root itself may be a link.
    """
    try:
        real = Path(os.path.realpath(path, strict=True))
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ValueError("is a symbolic link in a loop") from error
        # Nothing is opened, so a pipe does not block.
        links = (each for each in (path, *path.parents) if each.is_symlink())
        if error.errno == errno.ENOENT and not all(map(os.path.exists, links)):
            raise ValueError("is a symbolic link to nothing") from error
        raise
    for root in map(Path, map(os.path.realpath, roots)):
        if real.is_relative_to(root):
            return root, real.relative_to(root).parts
    raise ValueError("leads out of its root through a symbolic link")


def open_beneath(path: Path, roots: Sequence[Path]) -> int:
    """Open a directory, following links that stay beneath a root; return its descriptor."""
    return _open_parts(*real_parts(path, roots))


def read_beneath(path: Path, roots: Sequence[Path], limit: int) -> bytes:
    """Read a regular file of at most `limit` bytes, following links that stay beneath a root."""
    root, parts = real_parts(path, roots)
    if not parts:
        raise ValueError("is not a regular file")
    folder = _open_parts(root, parts[:-1])
    try:
        return read_limited(parts[-1], limit, folder)
    finally:
        os.close(folder)


@contextmanager
def opened_beneath(path: Path, roots: Sequence[Path]) -> Iterator[IO[bytes]]:
    """Open a regular file, following links beneath a root that end in a file of the same name."""
    root, parts = real_parts(path, roots)
    if parts[-1:] != (path.name,):
        raise ValueError("is a symbolic link to a file of another name")
    folder = _open_parts(root, parts[:-1])
    try:
        with opened_file(parts[-1], folder) as file:
            yield file
    finally:
        os.close(folder)


def _open_parts(root: Path, parts: Sequence[str]) -> int:
    # One part after the other, none of them a link: what is switched after the links were
    # followed cannot lead elsewhere.
    folder = open_folder(root)
    for part in parts:
        try:
            inside = open_folder(part, folder)
        finally:
            os.close(folder)
        folder = inside
    return folder


def read_limited(name: str | Path, limit: int, folder: int | None = None) -> bytes:
    """Read a regular file of at most `limit` bytes."""
    with opened_file(name, folder) as file:
        # A buffer as large as the limit would take longer to make than most files to read.
        size = min(os.fstat(file.fileno()).st_size, limit)
        content = file.read(size + 1)
        if len(content) > size:  # it has grown, or its file system does not know the size
            content += file.read(limit + 1 - len(content))
    if len(content) > limit:
        raise ValueError(f"is larger than {limit:,} bytes")
    return content


@dataclass(frozen=True)
class _Versioned:
    format: Annotated[int, msgspec.Meta(ge=1)]


def read_json(content: bytes, kind: type[T], name: str = "", newest: int | None = None) -> T:
    """Parse JSON into a dataclass; raise ValueError for a wrong type or a duplicate key.

    newest: the highest format that can be read, where the file `name` holds its format; raises
    NewerFormatError for one above it.
    """

    def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # Of two values, one reader takes the first and another the last.
        if len(found := dict(pairs)) != len(pairs):
            raise ValueError("it has a duplicate key")
        return found

    try:
        found = json.loads(content, object_pairs_hook=without_duplicates)
        if newest is not None:
            number = msgspec.convert(found, _Versioned).format
            if number > newest:
                raise NewerFormatError(name, number, newest)
        return msgspec.convert(found, kind)
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    except (ValueError, msgspec.ValidationError) as error:
        raise ValueError(f"has the wrong form: {error}") from error


# What this version writes has fewer levels. libyaml's loader overflows the stack on many more.
MAX_YAML_DEPTH = 50


def check_yaml(content: str | bytes, loader: Any) -> None:
    """Refuse YAML with aliases or many levels; raise ValueError, or what yaml raises.

    A few lines of aliases stand for more values than memory holds.
    """
    # The service imports this module and reads no YAML.
    import yaml

    depth = 0
    for event in yaml.parse(content, loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_YAML_DEPTH:
            raise ValueError("is nested too deeply")
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("holds an alias (*name)")  # noqa: TRY004 - of the content


def read_yaml(content: str | bytes) -> Any:
    """Parse YAML of plain data; raise ValueError, or what yaml raises."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    check_yaml(content, loader)
    return yaml.load(content, loader)  # noqa: S506 - a safe one
