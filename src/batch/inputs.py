"""What is read: files by their names, and what identifies an input."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.errors import BatchPathError, NoInputFilesError

KINDS = ("csv", "csv.gz", "parquet")
STANDARD = "-"
# How the name of a file with bad rows ends; in a directory it is no input.
BAD = ".bad.csv"
HEAD_BYTES = 2**20


def kind_of(path: Path) -> str | None:
    """Tell a file's kind by its name."""
    return next((kind for kind in KINDS if path.name.lower().endswith(f".{kind}")), None)


@dataclass(frozen=True)
class InputFile:
    """A file to be scored; path is None where it is standard input."""

    path: Path | None
    kind: str

    @property
    def name(self) -> str:
        """Name it to people."""
        return "standard input" if self.path is None else str(self.path)

    @property
    def size(self) -> int | None:
        """Its bytes, if they are known."""
        return None if self.path is None else self.path.stat().st_size

    def identity(self) -> dict[str, Any] | None:
        """Tell it from what it was, or will be; None where that cannot be told."""
        if self.path is None:
            return None
        status = self.path.stat()
        with self.path.open("rb") as file:
            head = hashlib.sha256(file.read(HEAD_BYTES)).hexdigest()
        return {
            "path": str(self.path.resolve()),
            "size": status.st_size,
            "mtime_ns": status.st_mtime_ns,
            "head": head,
        }


@dataclass(frozen=True)
class Task:
    """One output and the inputs that it is made of, in order; output is None for stdout.

    bad_rows: where rows go that cannot be scored; None where nobody wants them.
    """

    inputs: tuple[InputFile, ...]
    output: Path | None
    kind: str
    bad_rows: Path | None


def find_inputs(text: str) -> tuple[InputFile, ...]:
    """Find what is to be scored; raises where a path cannot be meant."""
    if text == STANDARD:
        return (InputFile(None, "csv"),)
    path = Path(text).expanduser()
    if path.is_dir():
        found = [InputFile(p, kind_of(p) or "") for p in sorted(path.iterdir()) if _is_input(p)]
        if not found:
            raise NoInputFilesError(path, KINDS)
        return tuple(found)
    kind = kind_of(path)
    if not path.is_file() or kind is None:
        found_here = "its ending is none of these" if path.exists() else "nothing is there"
        raise BatchPathError("input", text, found_here)
    return (InputFile(path, kind),)


def _is_input(path: Path) -> bool:
    # Hidden files are those that somebody is still writing.
    is_aside = path.name.startswith(".") or path.name.endswith(BAD)
    return path.is_file() and kind_of(path) is not None and not is_aside
