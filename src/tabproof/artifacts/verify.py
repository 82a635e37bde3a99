"""Reading a run that nobody need trust: every byte is hashed as it is read, once.

A manifest proves that nothing changed since it was written, not who wrote it.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tabproof.artifacts import manifest as manifests
from tabproof.artifacts.errors import UnverifiedRunError
from tabproof.artifacts.files import (
    CHUNK,
    open_folder,
    opened_file,
    read_limited,
    remove,
    sync_directories,
    write_new,
)
from tabproof.artifacts.manifest import FileEntry, Manifest

# Of all files that a reader wants, together: they are held in memory.
MAX_WANTED = 2 << 30


@dataclass(frozen=True)
class VerifiedRun:
    """files: the very bytes that were hashed, by their names in the manifest; those wanted.

    n_files: how many the manifest has. sealed: the manifest's own bytes.
    """

    path: Path
    run_id: str
    files: dict[str, bytes]
    n_files: int
    sealed: bytes


def read_verified(directory: Path, wanted: Callable[[str], bool]) -> VerifiedRun:
    """Verify a whole run directory and give the content of the files that are wanted.

    Raises UnverifiedRunError where the directory is not exactly what its manifest says.
    """
    kept = {}
    with opened_run(directory) as run:
        sizes = [entry.size for name, entry in run.manifest.files.items() if wanted(name)]
        if sum(sizes) > MAX_WANTED:
            raise UnverifiedRunError(directory, "what is read of it", "is too large for memory")
        for name, chunks in run.contents():
            if wanted(name):
                kept[name] = b"".join(chunks)
    n_files = len(run.manifest.files)
    return VerifiedRun(directory, run.manifest.run_id, kept, n_files, run.sealed)


@dataclass(frozen=True)
class OpenRun:
    """A run directory held open: what is read is what was opened, wherever its name leads now."""

    path: Path
    folder: int
    sealed: bytes
    manifest: Manifest

    def contents(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Give name and content of every file, in chunks; the last step refuses what differs.

        A content that is left aside is hashed all the same. Until the end nothing is proven.
        """
        missing = set(self.manifest.files)
        folders = {parent for name in missing for parent in _parents(name)}
        for name, folder, leaf in self._walk("", self.folder, folders):
            if name == manifests.NAME:
                continue
            if name not in missing:
                raise self._refusal(name, "was not there when the run was sealed")
            chunks = self._hashed(name, folder, leaf, self.manifest.files[name])
            yield name, chunks
            for _ in chunks:
                pass
            missing.remove(name)
        for name in sorted(missing):
            raise self._refusal(name, "is missing")

    def _walk(self, above: str, folder: int, folders: set[str]) -> Iterator[tuple[str, int, str]]:
        with _refusing(self.path, above or "the directory"):
            leaves = sorted(os.listdir(folder))
        for leaf in leaves:
            name = f"{above}{leaf}"
            if name not in folders:
                yield name, folder, leaf
                continue
            with _refusing(self.path, name):
                inside = open_folder(leaf, folder)
            try:
                yield from self._walk(f"{name}/", inside, folders)
            finally:
                os.close(inside)

    def _hashed(self, name: str, folder: int, leaf: str, entry: FileEntry) -> Iterator[bytes]:
        digest, left = hashlib.sha256(), entry.size
        with _refusing(self.path, name), opened_file(leaf, folder) as descriptor:
            # One byte more than there should be: a file that grew is found, not followed.
            while chunk := os.read(descriptor, min(CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    raise ValueError(f"is larger than the {entry.size:,} bytes it had")
                digest.update(chunk)
                yield chunk
            if left > 0:
                raise ValueError(f"is shorter than the {entry.size:,} bytes it had")
            if digest.hexdigest() != entry.sha256:
                raise ValueError("was changed")

    def _refusal(self, name: str, reason: str) -> UnverifiedRunError:
        return UnverifiedRunError(self.path, name, reason)


@contextmanager
def opened_run(directory: Path) -> Iterator[OpenRun]:
    """Open a run directory that is no link, and read its manifest."""
    with _refusing(directory, "the directory"):
        folder = open_folder(directory)
    try:
        with _refusing(directory, manifests.NAME):
            sealed = _read_sealed(folder)
            manifest = manifests.parse(sealed)
        yield OpenRun(directory, folder, sealed, manifest)
    finally:
        os.close(folder)


def _read_sealed(folder: int) -> bytes:
    try:
        return read_limited(manifests.NAME, manifests.MAX_SIZE, folder)
    except FileNotFoundError as error:
        raise ValueError("is missing, so it is no complete run") from error


@contextmanager
def _refusing(directory: Path, name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise UnverifiedRunError(directory, name, _reason(error)) from error


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror}"
    return str(error)


def _parents(name: str) -> Iterator[str]:
    parts = name.split("/")
    return ("/".join(parts[:n]) for n in range(1, len(parts)))


# --- Copying a run so that what was hashed is what was copied, and it survives a power cut.


def copy_run(run: OpenRun, target: Path) -> None:
    """Copy a run into a directory that is not there yet; what fails leaves no directory."""
    target.mkdir()
    try:
        for name, chunks in run.contents():
            write_new(target / name, chunks)
        write_new(target / manifests.NAME, [run.sealed])
        sync_directories(target)
    except BaseException:
        remove(target)
        raise
