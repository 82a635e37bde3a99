"""The manifest: the run's id, and hash and size of every other file. Written last.

Its presence is the run's completeness; there is no other sign of it.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from src.errors import ManifestError, NewerFormatError
from src.runs.atomic import sync, write_atomically

NAME = "manifest.json"
FORMAT = 1


@dataclass(frozen=True)
class FileEntry:
    """SHA-256 in hexadecimal, size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Manifest:
    """files: by path inside the run directory, with '/' on every system."""

    run_id: str
    files: dict[str, FileEntry]


def seal(directory: Path, run_id: str) -> Manifest:
    """Sync every file to the disk, then write the manifest in one step."""
    files = {}
    for path in sorted(_files_of(directory)):
        files[path.relative_to(directory).as_posix()] = _entry_of(path)
        sync(path)
    for folder in [p for p in directory.rglob("*") if p.is_dir()]:
        sync(folder)
    manifest = Manifest(run_id, files)
    text = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=2, ensure_ascii=False)
    write_atomically(directory / NAME, text.encode())
    return manifest


def _entry_of(path: Path) -> FileEntry:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return FileEntry(digest.hexdigest(), file.tell())


def _files_of(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file() and path != directory / NAME)


def read_manifest(directory: Path) -> Manifest | None:
    """Read the manifest; None where the run is not complete."""
    try:
        text = (directory / NAME).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        content = json.loads(text)
        if content["format"] != FORMAT:
            raise NewerFormatError(NAME, content["format"], FORMAT)
        files = {name: FileEntry(**entry) for name, entry in content["files"].items()}
        return Manifest(content["run_id"], files)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(directory / NAME, f"{type(error).__name__}: {error}") from error


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
