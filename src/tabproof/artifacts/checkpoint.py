"""Finished fits of a search that is not over: kept beside the run that is being written.

<run>/search/plan.json     what determines them: configuration, data, code, versions
<run>/search/<fit>.pickle  one fit, whole or not there
<run>/search/lock          held by the process that runs the search

They are gone once the run is sealed. Only this user's own process reads them back.
"""

import fcntl
import json
import os
import pickle
import shutil
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from tabproof.artifacts.errors import ResumeDiffersError, SearchRunningError
from tabproof.artifacts.manifest import SEARCH
from tabproof.artifacts.provenance import as_plain

PLAN, LOCK, ENDING = "plan.json", "lock", ".pickle"
# Of a difference, so many letters of either side.
SHOWN = 40

Plan = Mapping[str, Any]


class FinishedFits(MutableMapping[str, Any]):
    """Fits by key, on disk as soon as they are set; `plan` must be that of all that lies there."""

    def __init__(self, directory: Path, plan: Plan) -> None:
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self._lock = (directory / LOCK).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise SearchRunningError(directory.parent) from error
        try:
            self._check(as_plain(plan))
        except BaseException:
            self._lock.close()
            raise

    def _check(self, now: Plan) -> None:
        run = self.directory.parent
        found = read_plan(run)
        if found is None:
            self._write(self.directory / PLAN, json.dumps(now, indent=2).encode())
        elif found != now:
            raise ResumeDiffersError(run, differences(found, now))

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
        return (path.stem for path in sorted(self.directory.glob(f"*{ENDING}")))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def remove(self) -> None:
        """Remove all of it: nobody goes on from here."""
        self._lock.close()
        # What cannot be removed is in nobody's way.
        shutil.rmtree(self.directory, ignore_errors=True)

    def close(self) -> None:
        """Let another process go on."""
        self._lock.close()

    def _path(self, key: str) -> Path:
        return self.directory / f"{key}{ENDING}"

    def _write(self, path: Path, content: bytes) -> None:
        # A rename survives whatever kills this process; what power takes is fitted again.
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            raise


def read_plan(run: Path) -> dict[str, Any] | None:
    """Read what determines the fits of an unfinished run; None where it has none."""
    try:
        return cast(dict[str, Any], json.loads((run / SEARCH / PLAN).read_bytes()))
    except (OSError, ValueError):
        return None


def is_searched(run: Path) -> bool:
    """Tell whether another process is searching there."""
    with suppress(FileNotFoundError), (run / SEARCH / LOCK).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def differences(then: Any, now: Any, path: str = "") -> list[str]:
    """List what differs, as `key: then → now`."""
    if isinstance(then, dict) and isinstance(now, dict):
        return [
            line
            for key in sorted({*then, *now})
            for line in differences(then.get(key), now.get(key), f"{path}.{key}".strip("."))
        ]
    return [] if then == now else [f"{path} ({_shown(then)}, now {_shown(now)})"]


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
