"""Finished fits of a search, kept in the run directory until the run is complete.

<run>/search/plan.json     what determines the fits: configuration, data, code, versions
<run>/search/<fit>.pickle  one fit, whole or not there
<run>/search/lock          held by the process that runs the search

Only a process of the same user reads the pickles back.
"""

import json
import pickle
import shutil
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

from tabproof.artifacts.errors import ResumeDiffersError, SearchRunningError
from tabproof.artifacts.files import is_locked, locked, write_atomically
from tabproof.artifacts.manifest import SEARCH
from tabproof.artifacts.provenance import as_plain

PLAN, LOCK, SUFFIX = "plan.json", "lock", ".pickle"
# Maximum characters shown per value in a difference.
MAX_SHOWN = 40

Plan = Mapping[str, Any]


class FinishedFits(MutableMapping[str, Any]):
    """Fits by key; each is on disk as soon as it is set.

    Raises SearchRunningError where another process searches in the directory, and
    ResumeDiffersError where the fits in it belong to another plan.
    """

    def __init__(self, directory: Path, plan: Plan) -> None:
        self.directory = directory
        run, now = directory.parent, as_plain(plan)
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(directory / LOCK))
            except BlockingIOError as error:
                raise SearchRunningError(path=run) from error
            found = read_plan(run)
            if found is None:
                self._write(directory / PLAN, json.dumps(now, indent=2).encode())
            elif found != now:
                raise ResumeDiffersError(run, differences(found, now))
            self._lock = stack.pop_all()

    def __getitem__(self, key: str) -> Any:
        try:
            return pickle.loads(self._path(key).read_bytes())  # noqa: S301 - written below
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            raise KeyError(key) from error

    def __setitem__(self, key: str, fit: Any) -> None:
        self._write(self._path(key), pickle.dumps(fit, protocol=pickle.HIGHEST_PROTOCOL))

    def __delitem__(self, key: str) -> None:
        self._path(key).unlink()

    def __iter__(self) -> Iterator[str]:
        return (path.stem for path in sorted(self.directory.glob(f"*{SUFFIX}")))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def remove(self) -> None:
        """Release the directory and remove it with all fits."""
        self._lock.close()
        # Files that cannot be removed do no harm.
        shutil.rmtree(self.directory, ignore_errors=True)

    def close(self) -> None:
        """Release the directory, so that another process can resume the search."""
        self._lock.close()

    def _path(self, key: str) -> Path:
        return self.directory / f"{key}{SUFFIX}"

    def _write(self, path: Path, content: bytes) -> None:
        # Not durable: syncing each fit is slow, and a fit lost to a power cut is fitted again.
        write_atomically(path, content, durable=False)


def read_plan(run: Path) -> dict[str, Any] | None:
    """Return what determines the fits of an unfinished run; None where it has none."""
    try:
        return cast(dict[str, Any], json.loads((run / SEARCH / PLAN).read_bytes()))
    except (OSError, ValueError):
        return None


def is_searched(run: Path) -> bool:
    """Return whether another process is searching in the run directory."""
    return is_locked(run / SEARCH / LOCK)


def differences(then: Any, now: Any, path: str = "") -> list[str]:
    """Return a text for each value that differs: `key (then, now new)`."""
    if isinstance(then, dict) and isinstance(now, dict):
        return [
            line
            for key in sorted({*then, *now})
            for line in differences(then.get(key), now.get(key), f"{path}.{key}".strip("."))
        ]
    return [] if then == now else [f"{path} ({_shown(then)}, now {_shown(now)})"]


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
