"""The manifest: the run id, and hash and size of every other file. Written last.

A run is complete if and only if it has a manifest. Runs are read and copied without trust in who
wrote them: every byte is hashed as it is read, once. A manifest proves that nothing changed since
it was written, not who wrote it.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated

from msgspec import Meta

from tabproof.artifacts import files
from tabproof.artifacts.errors import ManifestError, UnverifiedRunError

NAME = "manifest.json"
# The directory of a search's finished fits, until the run is complete.
SEARCH = "search"
FORMAT = 1
CHUNK = 1 << 20
MAX_SIZE = 4 << 20
MAX_NAME, MAX_DEPTH = 512, 16
# Bytes of all files that are read into memory.
MAX_WANTED = 2 << 30

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
# It is the name of a directory in the registry.
RunId = Annotated[str, Meta(pattern=r"^[0-9A-Za-z]{1,64}\Z")]


@dataclass(frozen=True)
class FileEntry:
    """SHA-256 in hexadecimal, and the size in bytes."""

    sha256: Sha256
    size: Annotated[int, Meta(ge=0)]


@dataclass(frozen=True)
class Manifest:
    """files: by path in the run directory, with '/' on every system."""

    run_id: RunId
    files: dict[str, FileEntry]

    @property
    def n_bytes(self) -> int:
        """The size of all files."""
        return sum(entry.size for entry in self.files.values())

    def digest(self) -> str:
        """Return the hash of the other fields, so that damage to the manifest is found too."""
        lines = [f"{entry.sha256} {entry.size} {name}" for name, entry in self.files.items()]
        return hashlib.sha256("\n".join([self.run_id, *lines]).encode()).hexdigest()


@dataclass(frozen=True)
class _Sealed(Manifest):
    sha256: Sha256


def seal(directory: Path, run_id: str) -> Manifest:
    """Force every file to the disk, then write the manifest in one step.

    Finished fits are left out: they are removed afterwards.
    """
    entries, folders = {}, {directory}
    for path in directory.rglob("*"):
        if path.is_file() and path != directory / NAME and directory / SEARCH not in path.parents:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                entries[path.relative_to(directory).as_posix()] = FileEntry(digest, file.tell())
            files.sync(path)
            folders.add(path.parent)
    for folder in folders:
        files.sync(folder)
    manifest = Manifest(run_id, dict(sorted(entries.items())))
    content = {"format": FORMAT, **asdict(manifest), "sha256": manifest.digest()}
    text = json.dumps(content, indent=2, ensure_ascii=False)
    files.write_atomically(directory / NAME, text.encode())
    return manifest


def read_manifest(directory: Path) -> Manifest | None:
    """Read the manifest; return None where the run is not complete."""
    try:
        return parse(files.read_limited(directory / NAME, MAX_SIZE))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise ManifestError(path=directory / NAME, reason=str(error)) from error


def parse(content: bytes) -> Manifest:
    """Parse a manifest; raise ValueError or NewerFormatError."""
    sealed = files.read_json(content, _Sealed, NAME, FORMAT)
    for name in sealed.files:
        parts = name.split("/")
        if {"", ".", ".."} & set(parts) or "\\" in name or "\0" in name or name == NAME:
            raise ValueError(f"has a file name that is not allowed: {name!r:.100}")
        if len(name) > MAX_NAME or len(parts) > MAX_DEPTH:
            raise ValueError(f"has a file name that is too long or too deep: {name!r:.100}")
    if sealed.digest() != sealed.sha256:
        raise ValueError("was changed after the run was completed")
    return Manifest(sealed.run_id, sealed.files)


def verified(chunks: Iterable[bytes], entry: FileEntry) -> Iterator[bytes]:
    """Yield the content of a file; raise ValueError where it is not that of the manifest."""
    digest, left = hashlib.sha256(), entry.size
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise ValueError(f"is larger than the {entry.size:,} bytes it had")
        digest.update(chunk)
        yield chunk
    if left > 0:
        raise ValueError(f"is shorter than the {entry.size:,} bytes it had")
    if digest.hexdigest() != entry.sha256:
        raise ValueError("was changed")


@dataclass(frozen=True)
class OpenRun:
    """A run directory held open, so that all is read from it even if its name changes.

    folder: its descriptor. sealed: the bytes of the manifest.
    """

    path: Path
    folder: int
    sealed: bytes
    manifest: Manifest

    def contents(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield name and content of every file, in chunks, and raise where a file differs.

        A content that the caller does not read is hashed all the same. Nothing is proven before
        the end.
        """
        missing = set(self.manifest.files)
        folders = {str(parent) for name in missing for parent in PurePosixPath(name).parents}
        for name, folder in self._walk("", self.folder, folders):
            if name == NAME:
                continue
            if name not in missing:
                raise UnverifiedRunError(self.path, name, "is not in the manifest")
            chunks = self._hashed(name, folder)
            yield name, chunks
            for _ in chunks:
                pass
            missing.remove(name)
        for name in sorted(missing):
            raise UnverifiedRunError(self.path, name, "is missing")

    def _walk(self, above: str, folder: int, folders: set[str]) -> Iterator[tuple[str, int]]:
        with _refusing(self.path, above or "the directory"):
            leaves = sorted(os.listdir(folder))
        for leaf in leaves:
            if (name := f"{above}{leaf}") not in folders:
                yield name, folder
                continue
            with _refusing(self.path, name):
                inside = files.open_folder(leaf, folder)
            try:
                yield from self._walk(f"{name}/", inside, folders)
            finally:
                os.close(inside)

    def _hashed(self, name: str, folder: int) -> Iterator[bytes]:
        entry, leaf = self.manifest.files[name], name.rpartition("/")[2]
        with _refusing(self.path, name), files.opened_file(leaf, folder) as file:
            yield from verified(iter(partial(file.read, CHUNK), b""), entry)

    def copy(self, target: Path) -> None:
        """Copy the bytes that were verified into a new directory; an error leaves it incomplete."""
        with files.new_directory(target):
            for name, chunks in self.contents():
                files.write_new(target / name, chunks)
            files.write_new(target / NAME, [self.sealed])


@contextmanager
def opened_run(directory: Path, roots: Sequence[Path] = ()) -> Iterator[OpenRun]:
    """Open a run directory and read its manifest.

    roots: links to the directory are followed if they stay beneath one of these; without roots
    the directory must not be a link. Below it no link is followed.
    """
    with _refusing(directory, "the directory"):
        folder = files.open_beneath(directory, roots) if roots else files.open_folder(directory)
    try:
        with _refusing(directory, NAME):
            try:
                sealed = files.read_limited(NAME, MAX_SIZE, folder)
            except FileNotFoundError as error:
                raise ValueError("is missing: the run is not complete") from error
            manifest = parse(sealed)
        yield OpenRun(directory, folder, sealed, manifest)
    finally:
        os.close(folder)


@contextmanager
def _refusing(directory: Path, name: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise UnverifiedRunError(directory, name, str(error)) from error
    except OSError as error:
        raise UnverifiedRunError(directory, name, f"cannot be read: {error.strerror}") from error


@dataclass(frozen=True)
class VerifiedRun:
    """files: the wanted files, by their names in the manifest: the very bytes that were hashed.

    n_files: the number of files in the manifest. sealed: the bytes of the manifest itself.
    """

    path: Path
    run_id: str
    files: dict[str, bytes]
    n_files: int
    sealed: bytes


def read_verified(
    directory: Path, wanted: Callable[[str], bool], roots: Sequence[Path] = ()
) -> VerifiedRun:
    """Verify a whole run directory and return the content of the files that are wanted.

    roots: as for `opened_run`.
    Raises UnverifiedRunError where the directory differs from its manifest.
    """
    with opened_run(directory, roots) as run:
        entries = run.manifest.files
        if sum(entry.size for name, entry in entries.items() if wanted(name)) > MAX_WANTED:
            raise UnverifiedRunError(directory, "what is read of it", "is too large for memory")
        kept = {name: b"".join(chunks) for name, chunks in run.contents() if wanted(name)}
    return VerifiedRun(directory, run.manifest.run_id, kept, len(entries), run.sealed)
