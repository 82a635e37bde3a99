"""Plan the outputs before anything is opened; no output may overwrite an input."""

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabproof.batch.errors import BadRowsPathError, BatchPathError, NoInputFilesError
from tabproof.errors import DuplicateColumnsError, InvalidValueError

# --- Inputs.

KINDS = ("csv", "csv.gz", "parquet")
STANDARD = "-"
# Ends the name of a file of bad rows, which is no input of a directory.
BAD = ".bad.csv"
HEAD_BYTES = 2**20


def kind_of(path: Path) -> str | None:
    """Return a file's kind by its name."""
    return next((kind for kind in KINDS if path.name.lower().endswith(f".{kind}")), None)


@dataclass(frozen=True)
class InputFile:
    """A file to score; `path` is None for standard input."""

    path: Path | None
    kind: str

    @property
    def name(self) -> str:
        """The name for messages."""
        return "standard input" if self.path is None else str(self.path)

    @property
    def size(self) -> int | None:
        """The number of bytes, if known."""
        return None if self.path is None else self.path.stat().st_size

    def identity(self) -> dict[str, Any] | None:
        """Return what changes when the file changes; None for standard input."""
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


def refuse_duplicates(names: Sequence[str], needed: Sequence[str]) -> None:
    """Refuse duplicate names of an input among the needed columns."""
    duplicates = [name for name in needed if names.count(name) > 1]
    if duplicates:
        raise DuplicateColumnsError(list(dict.fromkeys(duplicates)))


@dataclass(frozen=True)
class Task:
    """One output and its inputs, in order.

    `output` is None for stdout; `bad_rows` is None if bad rows are only counted.
    """

    inputs: tuple[InputFile, ...]
    output: Path | None
    kind: str
    bad_rows: Path | None


def find_inputs(text: str) -> tuple[InputFile, ...]:
    """Return the files to score; raise BatchPathError."""
    if text == STANDARD:
        return (InputFile(None, "csv"),)
    path = Path(text).expanduser()
    if path.is_dir():
        found = [InputFile(p, kind_of(p) or "") for p in sorted(path.iterdir()) if _is_input(p)]
        if not found:
            endings = ", ".join(f".{kind}" for kind in KINDS)
            raise NoInputFilesError(path=path, endings=endings)
        return tuple(found)
    kind = kind_of(path)
    if not path.is_file() or kind is None:
        found_here = "its ending is none of these" if path.exists() else "nothing is there"
        raise BatchPathError("input", text, found_here)
    return (InputFile(path, kind),)


def _is_input(path: Path) -> bool:
    # Hidden files may be incomplete.
    is_ignored = path.name.startswith(".") or path.name.endswith(BAD)
    return path.is_file() and kind_of(path) is not None and not is_ignored


STDIN, STDOUT = 0, 1
READ, ANSWERS = "the input is read from there", "the answers go there"
PARTS = "finished parts lie there"
IRREGULAR = {
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFIFO: "FIFO",
    stat.S_IFSOCK: "socket",
}

# A path without links, or device and inode, which hard links share.
Mark = Path | tuple[int, int]


@dataclass(frozen=True)
class Plan:
    """All outputs of one command, and the directory for its parts, if it keeps any."""

    tasks: tuple[Task, ...]
    parts: Path | None


def make_plan(input_text: str, output_text: str, bad_rows: Path | None = None) -> Plan:
    """Find the inputs and plan the outputs; raise an error for a path that cannot be used."""
    inputs = find_inputs(input_text)
    if output_text == STANDARD:
        plan = Plan((Task(inputs, None, "csv", bad_rows),), None)
    else:
        plan = _make_files(inputs, output_text, bad_rows)
    if bad_rows is not None and len(plan.tasks) > 1:
        valid = "no file where there are several outputs: each has its own"
        raise InvalidValueError("bad_rows", bad_rows, valid)
    _refuse_overlap(plan, input_text, output_text)
    if bad_rows is not None:
        _refuse_without_directory(bad_rows, plan.tasks[0])
    return plan


def _make_files(inputs: tuple[InputFile, ...], text: str, bad_rows: Path | None) -> Plan:
    output = Path(text).expanduser()
    parts = output.with_name(f"{output.name}.parts")
    if not output.name or not parts.parent.is_dir():
        raise BatchPathError("output", text, "its directory does not exist")
    if irregular := _irregular(output):
        raise BatchPathError("output", text, f"{irregular}; write into it by output=- > {text}")
    outputs: list[tuple[tuple[InputFile, ...], Path, str]]
    if _is_directory(output, text):
        if None in {file.path for file in inputs}:
            raise BatchPathError("output", text, "standard input goes to one file")
        outputs = [((file,), output / Path(file.name).name, file.kind) for file in inputs]
    else:
        kind = kind_of(output)
        if kind is None or output.is_dir():
            found = "a directory is there" if output.is_dir() else "its ending is none of these"
            raise BatchPathError("output", text, found)
        outputs = [(inputs, output, kind)]
    tasks = [
        Task(some, place, kind, bad_rows or place.with_name(place.name + BAD))
        for some, place, kind in outputs
    ]
    return Plan(tuple(tasks), parts)


def _is_directory(output: Path, text: str) -> bool:
    is_new_name = not output.suffix and not output.exists()
    return text.endswith("/") or (kind_of(output) is None and (output.is_dir() or is_new_name))


def _refuse_overlap(plan: Plan, input_text: str, output_text: str) -> None:
    """Refuse an output that is an input, or would be one next time, and two outputs at one path."""
    taken: dict[Mark, str] = {}
    is_folder = Path(input_text).expanduser().is_dir()
    for task in plan.tasks:
        for file in task.inputs:
            if file.path and plan.parts and plan.parts.resolve() in file.path.resolve().parents:
                raise BatchPathError("input", input_text, PARTS)
            taken |= dict.fromkeys(_marks(file.path, STDIN), READ)
            if file.path and is_folder:
                taken[file.path.parent.resolve()] = READ
    for task in plan.tasks:
        if task.output and (reason := _refusal(task.output, taken, plan.parts)):
            raise BatchPathError("output", output_text, reason)
    for task in plan.tasks:
        taken |= dict.fromkeys(_marks(task.output, STDOUT), ANSWERS)
    for task in plan.tasks:
        if task.bad_rows and (reason := _refusal(task.bad_rows, taken, plan.parts)):
            raise BadRowsPathError(path=task.bad_rows, reason=reason)


def _refusal(path: Path, taken: Mapping[Mark, str], parts: Path | None) -> str | None:
    """Return why a path cannot be written."""
    place = path.resolve()
    if parts and parts.resolve() in (place, *place.parents):
        return PARTS
    for mark in (place.parent, *_marks(path)):
        if mark in taken:
            return taken[mark]
    return "a directory is there" if path.is_dir() else _irregular(path)


def _refuse_without_directory(bad_rows: Path, task: Task) -> None:
    place = bad_rows.resolve()
    # The directory of outputs is made when the first is written.
    made = task.output.resolve().parent if task.output else None
    if place == made:
        raise BadRowsPathError(path=bad_rows, reason=ANSWERS)
    if place.parent != made and not place.parent.is_dir():
        reason = f"its directory {bad_rows.parent} does not exist"
        raise BadRowsPathError(path=bad_rows, reason=reason)


def _marks(path: Path | None, standard: int = STDOUT) -> list[Mark]:
    """Return what identifies a file, or the standard stream used instead."""
    marks: list[Mark] = [path.resolve()] if path else []
    with suppress(OSError):
        status = path.stat() if path else os.fstat(standard)
        marks.append((status.st_dev, status.st_ino))
    return marks


def _irregular(path: Path) -> str | None:
    with suppress(OSError):
        kind = IRREGULAR.get(stat.S_IFMT(path.stat().st_mode))
        return f"it is a {kind}, which no file can take the place of" if kind else None
    return None
