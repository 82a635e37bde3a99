"""Plan the outputs before anything is opened; no output may overwrite an input."""

import hashlib
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from tabproof.errors import InvalidValueError, UserError, first_line

KINDS = ("csv", "csv.gz", "parquet")
PARQUET_MARK, GZIP_MARK = b"PAR1", b"\x1f\x8b"
# Of archives, and of Excel.
OTHER_MARKS = (b"PK\x03\x04", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"\xd0\xcf\x11\xe0")
STANDARD = "-"
STDIN, STDOUT = 0, 1
# Ends the name of a file of bad rows, which is no input of a directory.
BAD = ".bad.csv"
HEAD_BYTES = 2**20
READ, ANSWERS = "the input is read from there", "the answers go there"
PARTS = "finished parts lie there"
IRREGULAR = {
    "character device": Path.is_char_device,
    "block device": Path.is_block_device,
    "FIFO": Path.is_fifo,
    "socket": Path.is_socket,
}


class BatchPathError(UserError):
    """An input, an output or a file of bad rows that cannot be used."""

    template = "{key}={path}: {reason}; {valid}"

    def __init__(self, key: str, path: str | Path, reason: str) -> None:
        std = "stdin" if key == "input" else "stdout"
        valid = f"it takes .csv, .csv.gz, .parquet, a directory, or - ({std})"
        if key == "bad_rows":
            valid = "say bad_rows=…, a file of its own"
        super().__init__(key=key, path=path, reason=reason, valid=valid)


class BatchInputError(UserError):
    """An input that its reader refuses."""

    template = "{name} cannot be read: {reason}"


@dataclass(frozen=True)
class InputFile:
    """A file to score; `path` is None for standard input."""

    path: Path | None
    kind: str

    @property
    def name(self) -> str:
        """The name for messages."""
        return "standard input" if self.path is None else str(self.path)

    def identity(self) -> dict[str, Any] | None:
        """Return what changes when the file changes; None for standard input."""
        if self.path is None:
            return None
        status = self.path.stat()
        with self.path.open("rb") as file:
            head = hashlib.sha256(file.read(HEAD_BYTES)).hexdigest()
        path, size, mtime_ns = str(self.path.resolve()), status.st_size, status.st_mtime_ns
        return {"path": path, "size": size, "mtime_ns": mtime_ns, "head": head}

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Raise BatchInputError where the content is damaged."""
        try:
            yield
        except (EOFError, zlib.error, pa.ArrowException, OSError) as error:
            # Errors for a damaged file have no errno.
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise BatchInputError(name=self.name, reason=first_line(error)) from error


@dataclass(frozen=True)
class Task:
    """One output, None for stdout, and its inputs in order; bad_rows: None if only counted."""

    inputs: tuple[InputFile, ...]
    output: Path | None
    bad_rows: Path | None


@dataclass(frozen=True)
class Plan:
    """All outputs of one command, and the directory for its parts, if it keeps any."""

    tasks: tuple[Task, ...]
    parts: Path | None


def make_plan(input_text: str, output_text: str, bad_rows: Path | None = None) -> Plan:
    """Find the inputs and plan the outputs; raise an error for a path that cannot be used."""
    inputs = _find_inputs(input_text)
    plan = Plan((Task(inputs, None, bad_rows),), None)
    if output_text != STANDARD:
        plan = _plan_files(inputs, output_text, bad_rows)
    if bad_rows is not None and len(plan.tasks) > 1:
        valid = "no file where there are several outputs: each has its own"
        raise InvalidValueError("bad_rows", bad_rows, valid)
    _refuse_overlap(plan, input_text, output_text)
    if bad_rows is not None:
        # The directory of outputs is made when the first is written.
        place, output = bad_rows.resolve(), plan.tasks[0].output
        made = output.resolve().parent if output else None
        if place == made:
            raise BatchPathError("bad_rows", bad_rows, ANSWERS)
        if place.parent != made and not place.parent.is_dir():
            reason = f"its directory {bad_rows.parent} does not exist"
            raise BatchPathError("bad_rows", bad_rows, reason)
    return plan


def kind_of(path: Path) -> str | None:
    """Return a file's kind by its name."""
    return next((kind for kind in KINDS if path.name.lower().endswith(f".{kind}")), None)


def _kind_by_content(path: Path) -> str | None:
    """Return a file's kind by its first bytes; None if it is compressed in another way."""
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(PARQUET_MARK):
        return "parquet"
    if head.startswith(GZIP_MARK):
        return "csv.gz"
    return None if head.startswith(OTHER_MARKS) else kind_of(path) or "csv"


def _find_inputs(text: str) -> tuple[InputFile, ...]:
    if text == STANDARD:
        return (InputFile(None, "csv"),)
    path = Path(text).expanduser()
    if path.is_dir():
        found = tuple(
            InputFile(file, kind)
            for file in sorted(path.iterdir())
            # Hidden files may be incomplete.
            if not file.name.startswith(".") and not file.name.endswith(BAD) and file.is_file()
            if (kind := kind_of(file)) is not None
        )
        if not found:
            raise BatchPathError("input", text, "no file in it has one of these endings")
        return found
    kind = _kind_by_content(path) if path.is_file() else None
    if kind is None:
        found_here = "its content is none of these" if path.exists() else "nothing is there"
        raise BatchPathError("input", text, found_here)
    return (InputFile(path, kind),)


def _plan_files(inputs: tuple[InputFile, ...], text: str, bad_rows: Path | None) -> Plan:
    output = Path(text).expanduser()
    parts, kind = output.with_name(f"{output.name}.parts"), kind_of(output)
    if not output.name or not parts.parent.is_dir():
        raise BatchPathError("output", text, "its directory does not exist")
    if irregular := _irregular(output):
        raise BatchPathError("output", text, f"{irregular}; write into it by output=- > {text}")
    is_new_name = not output.suffix and not output.exists()
    outputs = [(inputs, output)]
    if text.endswith("/") or (kind is None and (output.is_dir() or is_new_name)):
        if None in {file.path for file in inputs}:
            raise BatchPathError("output", text, "standard input goes to one file")
        outputs = [((file,), output / Path(file.name).name) for file in inputs]
    elif kind is None or output.is_dir():
        found = "a directory is there" if output.is_dir() else "its ending is none of these"
        raise BatchPathError("output", text, found)
    tasks = [
        Task(some, place, bad_rows or place.with_name(place.name + BAD)) for some, place in outputs
    ]
    return Plan(tuple(tasks), parts)


# A path without links, or device and inode, which hard links share.
Mark = Path | tuple[int, int]


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
            raise BatchPathError("bad_rows", task.bad_rows, reason)


def _refusal(path: Path, taken: Mapping[Mark, str], parts: Path | None) -> str | None:
    """Return why a path cannot be written."""
    place = path.resolve()
    if parts and parts.resolve() in (place, *place.parents):
        return PARTS
    for mark in (place.parent, *_marks(path, STDOUT)):
        if mark in taken:
            return taken[mark]
    return "a directory is there" if path.is_dir() else _irregular(path)


def _marks(path: Path | None, standard: int) -> list[Mark]:
    """Return what identifies a file, or the standard stream used instead."""
    marks: list[Mark] = [path.resolve()] if path else []
    with suppress(OSError):
        status = path.stat() if path else os.fstat(standard)
        marks.append((status.st_dev, status.st_ino))
    return marks


def _irregular(path: Path) -> str | None:
    kind = next((kind for kind, is_one in IRREGULAR.items() if is_one(path)), None)
    return kind and f"it is a {kind}, which no file can take the place of"
