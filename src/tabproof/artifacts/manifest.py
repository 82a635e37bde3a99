"""The manifest: the run id, and hash and size of every other file. Written last.

A run is complete if and only if it has a manifest.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from tabproof.artifacts.errors import ManifestError
from tabproof.artifacts.files import read_limited, read_versioned_json, sync, write_atomically

NAME = "manifest.json"
# The directory of a search's finished fits, until the run is complete.
SEARCH = "search"
FORMAT = 1
MAX_SIZE = 4 << 20
MAX_NAME = 512
MAX_DEPTH = 16

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


@dataclass(frozen=True)
class FileEntry:
    """SHA-256 in hexadecimal, and the size in bytes."""

    sha256: Sha256
    size: Annotated[int, Meta(ge=0)]


# It is the name of a directory in the registry.
RunId = Annotated[str, Meta(pattern=r"^[0-9A-Za-z]{1,64}\Z")]


@dataclass(frozen=True)
class Manifest:
    """files: by path in the run directory, with '/' on every system."""

    run_id: RunId
    files: dict[str, FileEntry]


@dataclass(frozen=True)
class _Sealed(Manifest):
    """sha256: of the other fields, so that damage to the manifest itself is found too."""

    sha256: Sha256


def seal(directory: Path, run_id: str) -> Manifest:
    """Force every file to the disk, then write the manifest in one step.

    Finished fits are left out: they are removed afterwards.
    """
    files = {}
    for name, path in sorted(_files_of(directory).items()):
        files[name] = _entry_of(path)
        sync(path)
    for folder in {path.parent for path in _files_of(directory).values()} | {directory}:
        sync(folder)
    manifest = Manifest(run_id, files)
    content = {"format": FORMAT, **asdict(manifest), "sha256": _digest_of(manifest)}
    text = json.dumps(content, indent=2, ensure_ascii=False)
    write_atomically(directory / NAME, text.encode())
    return manifest


def _digest_of(manifest: Manifest) -> str:
    lines = [manifest.run_id]
    lines += [f"{entry.sha256} {entry.size} {name}" for name, entry in manifest.files.items()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _entry_of(path: Path) -> FileEntry:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return FileEntry(digest.hexdigest(), file.tell())


def verified(chunks: Iterable[bytes], entry: FileEntry) -> Iterator[bytes]:
    """Yield the content of a file; raise ValueError where it is not that of the manifest.

    One byte more than expected is enough to detect a file that grew.
    """
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


def _files_of(directory: Path) -> dict[str, Path]:
    return {
        path.relative_to(directory).as_posix(): path
        for path in directory.rglob("*")
        if path.is_file() and path != directory / NAME and directory / SEARCH not in path.parents
    }


def read_manifest(directory: Path) -> Manifest | None:
    """Read the manifest; return None where the run is not complete."""
    try:
        return parse(read_limited(directory / NAME, MAX_SIZE))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise ManifestError(path=directory / NAME, reason=str(error)) from error


def parse(content: bytes) -> Manifest:
    """Parse a manifest; raise ValueError or NewerFormatError."""
    sealed = read_versioned_json(content, _Sealed, NAME, FORMAT)
    for name in sealed.files:
        _check_name(name)
    manifest = Manifest(sealed.run_id, sealed.files)
    if _digest_of(manifest) != sealed.sha256:
        raise ValueError("was changed after the run was completed")
    return manifest


def _check_name(name: str) -> None:
    parts = name.split("/")
    if {"", ".", ".."} & set(parts) or "\\" in name or "\0" in name or name == NAME:
        raise ValueError(f"has a file name that is not allowed: {name!r:.100}")
    if len(name) > MAX_NAME or len(parts) > MAX_DEPTH:
        raise ValueError(f"has a file name that is too long or too deep: {name!r:.100}")


def changed_files(directory: Path, manifest: Manifest) -> list[str]:
    """Return the names of files that are missing, changed or new since the run was completed."""
    found = {name: _entry_of(path) for name, path in _files_of(directory).items()}
    names = {*found, *manifest.files}
    return sorted(name for name in names if found.get(name) != manifest.files.get(name))
