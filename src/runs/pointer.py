"""pointer.json: which version is current, and how it came to be. One file, one step.

Pointer and history cannot disagree: current is the last entry, and a reader checks it.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from src.errors import NewerFormatError, RegistryDamagedError
from src.runs.atomic import write_atomically
from src.runs.manifest import RunId
from src.runs.reading import read_json, read_limited

NAME = "pointer.json"
FORMAT = 1
# A hundred thousand promotions.
MAX_SIZE = 64 << 20

Action = Literal["promote", "rollback"]


@dataclass(frozen=True)
class Promotion:
    """One entry of the history. version names its directory; when is ISO 8601 with a zone.

    previous: the version that was current before, None for the first.
    """

    version: RunId
    run_id: str
    action: Action
    who: str
    when: str
    why: str
    previous: str | None


@dataclass(frozen=True)
class _Format:
    format: int


@dataclass(frozen=True)
class _Pointer:
    current: str
    history: Annotated[list[Promotion], Meta(min_length=1)]


def read_history(folder: Path) -> list[Promotion]:
    """Read the history, oldest first, the current one last; empty where nothing was promoted."""
    try:
        return parse(read_limited(folder / NAME, MAX_SIZE))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except ValueError as error:
        raise RegistryDamagedError(folder / NAME, str(error)) from error


def parse(content: bytes) -> list[Promotion]:
    """Parse a pointer; raises ValueError with what is wrong in it."""
    found = read_json(content, _Format).format
    if found > FORMAT:
        raise NewerFormatError(NAME, found, FORMAT)
    pointer = read_json(content, _Pointer)
    before = [None, *(entry.version for entry in pointer.history)]
    if [entry.previous for entry in pointer.history] != before[:-1]:
        raise ValueError("the entries of its history do not follow each other")
    if pointer.current != before[-1]:
        raise ValueError("the current version is not the last of its history")
    return pointer.history


def write_history(folder: Path, history: Sequence[Promotion]) -> None:
    """Switch to the last entry."""
    write_atomically(folder / NAME, as_bytes(history))


def as_bytes(history: Sequence[Promotion]) -> bytes:
    """Give the content of the file."""
    content = {
        "format": FORMAT,
        "current": history[-1].version,
        "history": [asdict(entry) for entry in history],
    }
    return json.dumps(content, indent=2, ensure_ascii=False).encode()


def stack_of(history: Sequence[Promotion]) -> list[str]:
    """Give the versions that one rollback after the other goes through, the current one last.

    A promotion lies on top of what was there. A rollback takes off what lies above its
    version, or lays the version on top where it was taken off before.
    """
    stack: list[str] = []
    for entry in history:
        if entry.action == "rollback" and entry.version in stack:
            while stack[-1] != entry.version:
                stack.pop()
        else:
            stack.append(entry.version)
    return stack
