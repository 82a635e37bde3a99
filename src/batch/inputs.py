"""What is read and where it goes: files by their names, and what identifies an input."""

import hashlib
from collections.abc import Sequence
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
    """One output and the inputs that it is made of, in order; output is None for stdout."""

    inputs: tuple[InputFile, ...]
    output: Path | None
    kind: str

    @property
    def bad_rows(self) -> Path | None:
        """Where bad rows go unless told; nowhere beside stdout."""
        return None if self.output is None else self.output.with_name(self.output.name + BAD)


@dataclass(frozen=True)
class Plan:
    """All outputs of one command, and where its parts lie: beside them, if anywhere."""

    tasks: tuple[Task, ...]
    parts: Path | None


def make_plan(input_text: str, output_text: str) -> Plan:
    """Find the inputs and lay down the outputs; raises where a path cannot be meant."""
    inputs = _find_inputs(input_text)
    if output_text == STANDARD:
        return Plan((Task(inputs, None, "csv"),), None)
    output = Path(output_text).expanduser()
    parts = output.with_name(f"{output.name}.parts")
    if not output.name or not parts.parent.is_dir():
        raise BatchPathError("output", output_text, "its directory is not there")
    if _is_directory(output, output_text):
        if None in {file.path for file in inputs}:
            raise BatchPathError("output", output_text, "standard input goes to one file")
        tasks = tuple(Task((file,), output / Path(file.name).name, file.kind) for file in inputs)
    else:
        kind = kind_of(output)
        if kind is None or output.is_dir():
            found = "a directory is there" if output.is_dir() else "its ending is none of these"
            raise BatchPathError("output", output_text, found)
        tasks = (Task(inputs, output, kind),)
    _refuse_overlap(tasks, input_text, output_text)
    return Plan(tasks, parts)


def _find_inputs(text: str) -> tuple[InputFile, ...]:
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


def _is_directory(output: Path, text: str) -> bool:
    return text.endswith("/") or (
        kind_of(output) is None and (output.is_dir() or not output.suffix)
    )


def _refuse_overlap(tasks: Sequence[Task], input_text: str, output_text: str) -> None:
    """Refuse an output that is an input, or would be one the next time."""
    taken = {file.path.resolve() for task in tasks for file in task.inputs if file.path}
    folder = Path(input_text).expanduser()
    inside = folder.resolve() if folder.is_dir() else None
    places = [task.output.resolve() for task in tasks if task.output]
    if any(place in taken or place.parent == inside for place in places):
        raise BatchPathError("output", output_text, "the input is read from there")
