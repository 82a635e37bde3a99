"""The results file: a JSON line per fit, appended as soon as it is known."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple


class Key(NamedTuple):
    """What a fit is known by: a line with the same key is not measured again."""

    system: str
    table: str
    seed: int
    fold: int
    budget: float


def read_results(path: Path) -> dict[Key, dict[str, Any]]:
    """Return the finished fits; the last line may be cut off by a kill, and is then left out."""
    found: dict[Key, dict[str, Any]] = {}
    if not path.exists():
        return found
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        if number == len(lines) and not line.endswith("\n"):
            break
        result = json.loads(line)
        found[Key(*(result[name] for name in Key._fields))] = result
    return found


def append_result(path: Path, key: Key, result: Mapping[str, Any]) -> None:
    """Append the line of a fit; a line that a kill cut off before it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(key._asdict() | dict(result)) + "\n"
    with path.open("a+b") as file:
        file.seek(0)
        written = file.read()
        file.truncate(written.rfind(b"\n") + 1)
        file.write(line.encode())
