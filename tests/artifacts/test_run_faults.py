"""Whichever system call fails while a run is written, the run is complete or has no manifest."""

import builtins
import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabproof.artifacts import RunDirectory, read_manifest, record_outcome
from tabproof.errors import UserError
from tests.artifacts.making import changed_files

PLAN: dict[str, Any] = {"config": {"seed": 42}}
CALLS = ("replace", "rename", "fsync", "mkdir", "unlink", "open")


class Faults:
    """Counts the calls that change files in a directory, and makes one of them fail."""

    def __init__(self, directory: Path, fails_at: int | None, number: int) -> None:
        self._directory, self._fails_at, self._number = str(directory), fails_at, number
        self.n_calls = 0

    def check(self, target: object) -> None:
        if isinstance(target, int):  # a descriptor
            target = Path(f"/proc/self/fd/{target}").readlink()
        if not str(target).startswith(self._directory):
            return
        self.n_calls += 1
        if self.n_calls == self._fails_at:
            raise OSError(self._number, os.strerror(self._number), str(target))


class Watched:
    """A file whose writes, flushes and closing may fail."""

    def __init__(self, file: Any, path: object, faults: Faults) -> None:
        self._file, self._path, self._faults = file, path, faults

    def write(self, content: Any) -> Any:
        self._faults.check(self._path)
        return self._file.write(content)

    def flush(self) -> None:
        self._faults.check(self._path)
        self._file.flush()

    def __enter__(self) -> "Watched":
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextmanager
def faulty(
    directory: Path, fails_at: int | None = None, number: int = errno.EIO
) -> Iterator[Faults]:
    """Watch all that opens, writes, flushes, renames or syncs below a directory."""
    faults, real_open = Faults(directory, fails_at, number), builtins.open

    def opened(path: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if not set(mode) & set("wax+"):
            return real_open(path, mode, *arguments, **options)
        faults.check(path)
        return Watched(real_open(path, mode, *arguments, **options), path, faults)

    def checked(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(target: Any, *arguments: Any, **options: Any) -> Any:
            faults.check(target)
            return call(target, *arguments, **options)

        return wrapper

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(builtins, "open", opened)
        patched.setattr(io, "open", opened)
        for name in CALLS:
            patched.setattr(os, name, checked(getattr(os, name)))
        yield faults


def write_run(path: Path) -> None:
    """Write all files of a run, as an experiment does."""
    run = RunDirectory(path)
    with record_outcome(run, lambda: "writing", keep_refused=False):
        run.open_fits(PLAN)["rung-0"] = {"score": 0.5}
        run.write("config.yaml", "seed: 42\n")
        run.write("schema.json", "{}")
        run.write_estimator({"weights": list(range(50))})
        run.write("scorer/scorer.json", b"{}")
        run.write("scorer/arrays.bin", bytes(64))
        run.write_cv_results(pd.DataFrame({"score": [0.5]}))
        run.write_predictions(np.arange(2), ["a", "b"], np.eye(2), ["a", "b"])
        run.complete("0" * 16)
    run.mark_latest()


def n_calls(path: Path) -> int:
    with faulty(path.parent) as faults:
        write_run(path)
    return faults.n_calls


def is_complete_or_none(path: Path) -> bool:
    manifest = read_manifest(path)
    return manifest is None or changed_files(path, manifest) == []


def test_any_call_can_fail(tmp_path: Path) -> None:
    n = n_calls(tmp_path / "counted" / "run")
    assert n > 30
    for fails_at in range(1, n + 1):
        path = tmp_path / str(fails_at) / "run"
        number = (errno.EIO, errno.ENOSPC)[fails_at % 2]
        # Where the link or the removal of the status fails, the run is complete.
        with faulty(path.parent, fails_at, number) as faults, suppress(OSError, UserError):
            write_run(path)
        assert faults.n_calls >= fails_at
        assert is_complete_or_none(path), fails_at
        if fails_at % 5 == 0:
            # The next run, in its own directory, is not disturbed.
            again = path.with_name("again")
            write_run(again)
            assert read_manifest(again) is not None
