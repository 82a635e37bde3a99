"""The manifest: the run's id, and hash and size of every other file. Written last.

Its presence is the run's completeness; there is no other sign of it.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from tabproof.artifacts.errors import ManifestError
from tabproof.artifacts.files import read_json, read_limited, sync, write_atomically
from tabproof.errors import NewerFormatError

NAME = "manifest.json"
# Where finished fits of a search lie until the run is complete.
SEARCH = "search"
FORMAT = 1
MAX_SIZE = 4 << 20
MAX_LETTERS = 512
MAX_DEPTH = 16


Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


@dataclass(frozen=True)
class FileEntry:
    """SHA-256 in hexadecimal, size in bytes."""

    sha256: Sha256
    size: Annotated[int, Meta(ge=0)]


# It becomes the name of a directory in the registry.
RunId = Annotated[str, Meta(pattern=r"^[0-9A-Za-z]{1,64}\Z")]


@dataclass(frozen=True)
class Manifest:
    """files: by path inside the run directory, with '/' on every system."""

    run_id: RunId
    files: dict[str, FileEntry]


@dataclass(frozen=True)
class _Format:
    format: int


@dataclass(frozen=True)
class _Sealed(Manifest):
    """sha256: of the fields above, so that damage to the manifest itself is found too."""

    sha256: Sha256


def seal(directory: Path, run_id: str) -> Manifest:
    """Sync every file to the disk, then write the manifest in one step.

    Finished fits are left out: they go when this has succeeded.
    """
    files = {}
    for path in sorted(_files_of(directory)):
        files[path.relative_to(directory).as_posix()] = _entry_of(path)
        sync(path)
    for folder in {path.parent for path in _files_of(directory)} | {directory}:
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


def _files_of(directory: Path) -> Iterator[Path]:
    return (
        path
        for path in directory.rglob("*")
        if path.is_file() and path != directory / NAME and directory / SEARCH not in path.parents
    )


def read_manifest(directory: Path) -> Manifest | None:
    """Read the manifest; None where the run is not complete."""
    try:
        return parse(read_limited(directory / NAME, MAX_SIZE))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise ManifestError(directory / NAME, str(error)) from error


def parse(content: bytes) -> Manifest:
    """Parse a manifest; raises ValueError with what is wrong in it."""
    found = read_json(content, _Format).format
    if found > FORMAT:
        raise NewerFormatError(NAME, found, FORMAT)
    if found < 1:
        # The hash of the fields does not cover it: a bit may have flipped.
        raise ValueError(f"has format {found}, which there never was")
    sealed = read_json(content, _Sealed)
    for name in sealed.files:
        _check_name(name)
    manifest = Manifest(sealed.run_id, sealed.files)
    if _digest_of(manifest) != sealed.sha256:
        raise ValueError("is not what it was when the run was sealed")
    return manifest


def _check_name(name: str) -> None:
    parts = name.split("/")
    if {"", ".", ".."} & set(parts) or "\\" in name or "\0" in name or name == NAME:
        raise ValueError(f"names a file that no run holds: {name!r:.100}")
    if len(name) > MAX_LETTERS or len(parts) > MAX_DEPTH:
        raise ValueError(f"names a file too long or too deep: {name!r:.100}")


def changed_files(directory: Path, manifest: Manifest) -> list[str]:
    """List the files that are missing, changed, or were not there when it was sealed."""
    found = {path.relative_to(directory).as_posix(): path for path in _files_of(directory)}
    changed = set(found) ^ set(manifest.files)
    changed |= {
        name
        for name in set(found) & set(manifest.files)
        if _entry_of(found[name]) != manifest.files[name]
    }
    return sorted(changed)
