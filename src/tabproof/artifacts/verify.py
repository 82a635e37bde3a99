"""Read and copy runs without trust in who wrote them: every byte is hashed as it is read, once.

A manifest proves that nothing changed since it was written, not who wrote it.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tabproof.artifacts import manifest as manifests
from tabproof.artifacts.errors import UnverifiedRunError
from tabproof.artifacts.files import (
    open_folder,
    opened_file,
    read_chunks,
    read_limited,
    remove,
    sync_directories,
    write_new,
)
from tabproof.artifacts.manifest import FileEntry, Manifest

# Bytes of all files that a reader wants: they are held in memory.
MAX_WANTED = 2 << 30


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


def read_verified(directory: Path, wanted: Callable[[str], bool]) -> VerifiedRun:
    """Verify a whole run directory and return the content of the files that are wanted.

    Raises UnverifiedRunError where the directory is not exactly what its manifest says.
    """
    kept = {}
    with opened_run(directory) as run:
        sizes = [entry.size for name, entry in run.manifest.files.items() if wanted(name)]
        if sum(sizes) > MAX_WANTED:
            raise UnverifiedRunError(
                path=directory, name="what is read of it", reason="is too large for memory"
            )
        for name, chunks in run.contents():
            if wanted(name):
                kept[name] = b"".join(chunks)
    n_files = len(run.manifest.files)
    return VerifiedRun(directory, run.manifest.run_id, kept, n_files, run.sealed)


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
        for name, folder, leaf in self._walk("", self.folder, folders):
            if name == manifests.NAME:
                continue
            if name not in missing:
                raise UnverifiedRunError(path=self.path, name=name, reason="is not in the manifest")
            chunks = self._hashed(name, folder, leaf, self.manifest.files[name])
            yield name, chunks
            for _ in chunks:
                pass
            missing.remove(name)
        for name in sorted(missing):
            raise UnverifiedRunError(path=self.path, name=name, reason="is missing")

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
        with _refusing(self.path, name), opened_file(leaf, folder) as descriptor:
            yield from manifests.verified(read_chunks(descriptor, entry.size + 1), entry)


@contextmanager
def opened_run(directory: Path) -> Iterator[OpenRun]:
    """Open a run directory that is not a link, and read its manifest."""
    with _refusing(directory, "the directory"):
        folder = open_folder(directory)
    try:
        with _refusing(directory, manifests.NAME):
            try:
                sealed = read_limited(manifests.NAME, manifests.MAX_SIZE, folder)
            except FileNotFoundError as error:
                raise ValueError("is missing: the run is not complete") from error
            manifest = manifests.parse(sealed)
        yield OpenRun(directory, folder, sealed, manifest)
    finally:
        os.close(folder)


@contextmanager
def _refusing(directory: Path, name: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise UnverifiedRunError(path=directory, name=name, reason=str(error)) from error
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        raise UnverifiedRunError(path=directory, name=name, reason=reason) from error


def copy_run(run: OpenRun, target: Path) -> None:
    """Copy the bytes that were verified into a new directory; on failure leave none."""
    target.mkdir()
    try:
        for name, chunks in run.contents():
            write_new(target / name, chunks)
        write_new(target / manifests.NAME, [run.sealed])
        sync_directories(target)
    except BaseException:
        remove(target)
        raise
