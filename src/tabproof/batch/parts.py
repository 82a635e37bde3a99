"""Finished parts of an output, kept next to it until it is complete, so that a command can resume.

<output>.parts/plan.json     what determines the parts: model, inputs, options
<output>.parts/0-17.part     part 17 of output 0, as Arrow's IPC format has it
<output>.parts/0.done        output 0 is complete; its counts
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from tabproof.artifacts.files import atomic_file, locked
from tabproof.batch.cells import Fault
from tabproof.batch.scoring import Part, Tally
from tabproof.errors import UserError, listed

PLAN, LOCK, SCRATCH = "plan.json", "lock", "scratch"
OURS = re.compile(r"plan\.json|lock|scratch.*|\d+\.done|\d+-\d+\.part")
KEY = b"part"


class PartsDirectoryError(UserError):
    """A directory for finished parts that another process uses, or that has other files."""

    template = "{reason}; {remedy}"


class Parts:
    """The parts of one command, which only this process writes.

    `plan` is what determines them; None if an input cannot be read twice, so none are kept.
    """

    def __init__(self, directory: Path, plan: Mapping[str, Any] | None) -> None:
        self.directory, self.is_kept = directory, plan is not None
        foreign = [path.name for path in directory.iterdir() if not OURS.fullmatch(path.name)]
        if foreign:
            reason = f"{directory} is for finished parts, and it has {listed(foreign)}"
            raise PartsDirectoryError(reason, "move that away, or choose another output")
        found = _read_json(directory / PLAN)
        self.has_other_plan = found is not None and found != plan
        if plan is None or found != plan:
            self.clear()
            if plan is not None:
                self._write(PLAN, json.dumps(plan, indent=2).encode())

    def finished(self, task: int) -> Iterator[Part]:
        """Yield the finished parts, from the first on."""
        number = 0
        while self.is_kept and (part := _read(self.directory / f"{task}-{number}.part")):
            yield part
            number += 1

    def add(self, task: int, number: int, part: Part) -> None:
        """Keep a part."""
        if self.is_kept:
            self._write(f"{task}-{number}.part", _as_bytes(part))

    def finish(self, task: int, output: Path, tally: Tally) -> None:
        """Record that an output is complete, and delete its parts."""
        if self.is_kept:
            record = {"output": _stamp(output), "tally": vars(tally)}
            self._write(f"{task}.done", json.dumps(record).encode())
        for path in self.directory.glob(f"{task}-*.part"):
            path.unlink()

    def tally_of(self, task: int, output: Path) -> Tally | None:
        """Return the counts of a complete output, if it was not changed since."""
        record = _read_json(self.directory / f"{task}.done")
        if record is None or not output.exists() or record["output"] != _stamp(output):
            return None
        tally = Tally(**record["tally"])
        tally.unseen, tally.outside = Counter(tally.unseen), Counter(tally.outside)
        return tally

    def scratch(self, name: str) -> Path:
        """Return a path for temporary content, on the same disk."""
        return self.directory / f"{SCRATCH}.{name}"

    @property
    def is_empty(self) -> bool:
        """Whether nothing is finished."""
        return not any(path.suffix in (".part", ".done") for path in self.directory.iterdir())

    def _write(self, name: str, content: bytes | pa.Buffer) -> None:
        with atomic_file(self.directory / name, self.scratch("new")) as file:
            file.write(content)

    def clear(self) -> None:
        """Remove all but the lock."""
        # The plan first: parts without a plan are ignored.
        (self.directory / PLAN).unlink(missing_ok=True)
        for path in self.directory.iterdir():
            if path.name != LOCK:
                path.unlink()


@contextmanager
def opened(directory: Path, plan: Mapping[str, Any] | None) -> Iterator[Parts]:
    """Lock the directory, also after a process was killed in it, and yield its parts."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(directory / LOCK))
        except BlockingIOError as error:
            reason = f"another process is scoring into {directory}"
            raise PartsDirectoryError(reason, "wait for it, or stop it") from error
        parts, is_kept = Parts(directory, plan), False
        try:
            yield parts
        except BaseException as error:
            is_kept = parts.is_kept and not parts.is_empty
            if is_kept:
                kept = f"with what is finished kept in {directory}"
                error.add_note(f"{kept}: the same command resumes from there")
            raise
        finally:
            if not is_kept:
                parts.clear()
                (directory / LOCK).unlink(missing_ok=True)
                # Another process may have made a new lock in the directory.
                with suppress(OSError):
                    directory.rmdir()


def _read_json(path: Path) -> dict[str, Any] | None:
    with suppress(FileNotFoundError, ValueError):
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content
    return None


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _as_bytes(part: Part) -> pa.Buffer:
    record = {name: value for name, value in vars(part).items() if name != "table"}
    schema = part.table.schema.with_metadata({KEY: json.dumps(record).encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(part.table)
    return sink.getvalue()


def _read(path: Path) -> Part | None:
    try:
        with pa.ipc.open_file(path.read_bytes()) as reader:
            table = reader.read_all()
    except (OSError, pa.ArrowException):
        return None
    record = json.loads(table.schema.metadata[KEY])
    faults = tuple(Fault(*fault) for fault in record.pop("faults"))
    table = table.replace_schema_metadata(None).combine_chunks()
    return Part(table=table, faults=faults, **record)
