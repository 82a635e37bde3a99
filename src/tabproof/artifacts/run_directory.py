"""The directory of a run: the only module with the names of its files.

Until the manifest exists, status.json has the state of the run, and search/ keeps the finished
fits of its search. A directory without a manifest is not a run.

<run>/search/plan.json     what determines the fits: configuration, data, code, versions
<run>/search/<fit>.pickle  one fit, whole or not there
<run>/search/lock          held by the process that runs the search
"""

import json
import logging
import os
import pickle
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from tabproof.artifacts import files
from tabproof.artifacts.errors import ResumeDiffersError, RunningError
from tabproof.artifacts.manifest import NAME, SEARCH, Manifest, read_manifest, seal
from tabproof.artifacts.provenance import as_plain
from tabproof.errors import DirectoryTakenError, RunExistsError, UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

OUTPUTS, LATEST = "outputs", "latest"
# In outputs/, outside the dated directories: lists do not show a run that repeats another.
REPLAYS = "replays"
# The page of all runs, in outputs/.
ALL_RUNS = "index.html"
STATUS, LOG = "status.json", "train.log"
SUMMARY, PREDICTIONS, EVIDENCE = "summary.json", "predictions.parquet", "evaluation.json"
CV_RESULTS, SCHEMA, ESTIMATOR = "cv_results.csv", "schema.json", "estimator.joblib"
# Counts of the training rows, which the rows of a log are compared with.
REFERENCE = "reference.json"
REPORT, MODEL_CARD = "report.html", "model_card.md"
# Of a run that keeps its data: `data` and the ending of the file that it was copied from.
DATA = "data."
COMPRESSED = {".bz2", ".gz", ".xz", ".zip", ".zst"}
CONFIG, ENVIRONMENT, PATCH = "config.yaml", "environment.txt", "code.patch"
# Files of every run that a reader of its report may want to open.
FOR_PEOPLE = (
    *(EVIDENCE, SUMMARY, PREDICTIONS, CV_RESULTS, SCHEMA),
    *(CONFIG, ENVIRONMENT, LOG, ESTIMATOR),
)
# What Hydra has written when a run begins.
HYDRAS = {".hydra", LOG}
MAX_STATUS = 1 << 20
PLAN, LOCK, SUFFIX = "plan.json", "lock", ".pickle"
# Maximum characters shown per value in a difference.
MAX_SHOWN = 40

Plan = Mapping[str, Any]
EndState = Literal["failed", "interrupted", "skipped"]


class RunSkipped(Exception):  # noqa: N818 - not an error: the run that was asked for exists
    """A complete run of the same id makes another one unnecessary."""

    def __init__(self, run: Path) -> None:
        super().__init__(f"{run} is a complete run of the same id")
        self.run = run


# --- The state of a run that is not complete.


@dataclass(frozen=True)
class Status:
    """status.json: the state of a run that is not complete, and the process that writes it.

    reason: why it ended; the path of the complete run where it was skipped. begun: the boot and
    the clock tick in which the process began. started: when the run began.
    """

    state: Literal["running"] | EndState
    reason: str | None = None
    pid: int | None = None
    host: str | None = None
    begun: str | None = None
    started: str | None = None

    def to_json(self) -> str:
        """Return the content of the file."""
        known = {key: value for key, value in asdict(self).items() if value is not None}
        return json.dumps(known, indent=2)

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs; of a process on another machine that is assumed.

        Process numbers are reused, so the time when the process began must be the same too,
        where the system provides it.
        """
        if self.pid is None or self.pid <= 0:
            return False
        if self.host is not None and self.host != socket.gethostname():
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except (PermissionError, OverflowError):
            return self.begun is not None and _process_start(self.pid) == self.begun
        return self.begun is None or _process_start(self.pid) in (self.begun, None)


def read_status(run: Path) -> Status | None:
    """Read the status of a run that is not complete; raise ValueError where it is damaged."""
    try:
        return files.read_json(files.read_limited(run / STATUS, MAX_STATUS), Status)
    except FileNotFoundError:
        return None


def timestamp() -> str:
    """Return the local time to the second, in ISO 8601."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _process_start(pid: int) -> str | None:
    """Return the boot and the clock tick in which a process began; None without /proc."""
    try:
        # The second field, a name in brackets, may hold spaces and brackets.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {fields[19]}"
    except (OSError, IndexError):
        return None


# --- The finished fits of a search, kept until the run is complete.


class FinishedFits(MutableMapping[str, Any]):
    """Fits by key; each is on disk as soon as it is set. Only processes of one user read them.

    Raises RunningError where another process searches in the directory, and ResumeDiffersError
    where the fits in it belong to another plan.
    """

    def __init__(self, directory: Path, plan: Plan) -> None:
        self.directory = directory
        run, now = directory.parent, as_plain(plan)
        with ExitStack() as stack:
            try:
                stack.enter_context(files.locked(directory / LOCK))
            except BlockingIOError as error:
                raise RunningError(run, "another process") from error
            found = read_plan(run)
            if found is None:
                content = json.dumps(now, indent=2).encode()
                files.write_atomically(directory / PLAN, content, durable=False)
            elif found != now:
                raise ResumeDiffersError(run, differences(found, now))
            self._lock = stack.pop_all()

    def __getitem__(self, key: str) -> Any:
        try:
            return pickle.loads(self._path(key).read_bytes())  # noqa: S301 - written below
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            raise KeyError(key) from error

    def __setitem__(self, key: str, fit: Any) -> None:
        content = pickle.dumps(fit, protocol=pickle.HIGHEST_PROTOCOL)
        # Not durable: syncing each fit is slow, and a fit lost to a power cut is fitted again.
        files.write_atomically(self._path(key), content, durable=False)

    def __delitem__(self, key: str) -> None:
        self._path(key).unlink()

    def __iter__(self) -> Iterator[str]:
        return (path.stem for path in sorted(self.directory.glob(f"*{SUFFIX}")))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def remove(self) -> None:
        """Release the directory and remove it with all fits."""
        self.close()
        # Files that cannot be removed do no harm.
        shutil.rmtree(self.directory, ignore_errors=True)

    def close(self) -> None:
        """Release the directory, so that another process can resume the search."""
        self._lock.close()

    def _path(self, key: str) -> Path:
        return self.directory / f"{key}{SUFFIX}"


def read_plan(run: Path) -> dict[str, Any] | None:
    """Return what determines the fits of an unfinished run; None where it has none."""
    try:
        return cast(dict[str, Any], json.loads((run / SEARCH / PLAN).read_bytes()))
    except (OSError, ValueError):
        return None


def is_searched(run: Path) -> bool:
    """Return whether another process is searching in the run directory."""
    return files.is_locked(run / SEARCH / LOCK)


def differences(then: Any, now: Any, path: str = "") -> list[str]:
    """Return a text for each value that differs: `key (then, now new)`."""
    if isinstance(then, dict) and isinstance(now, dict):
        return [
            line
            for key in sorted({*then, *now})
            for line in differences(then.get(key), now.get(key), f"{path}.{key}".strip("."))
        ]
    if then == now:
        return []
    texts = (json.dumps(value, ensure_ascii=False) for value in (then, now))
    before, after = (text[:MAX_SHOWN] + "…" * (len(text) > MAX_SHOWN) for text in texts)
    return [f"{path} ({before}, now {after})"]


# --- One run on disk, while it is written.


def saved_data(run: Path) -> Path | None:
    """Return the file of the data that a complete run has kept, if it has."""
    manifest = read_manifest(run)
    names = [] if manifest is None else sorted(manifest.files)
    return next((run / name for name in names if name.startswith(DATA)), None)


def is_complete(path: Path) -> bool:
    """Return whether the directory has a manifest."""
    return (path / NAME).exists()


def refuse_taken(path: Path) -> None:
    """Raise where the directory holds a complete run, or files that Hydra has not written."""
    if read_manifest(path) is not None:
        raise RunExistsError(path)
    found = sorted(p.name for p in path.iterdir()) if path.is_dir() else []
    if set(found) - HYDRAS:
        raise DirectoryTakenError(path, found)


class RunDirectory:
    """One run on disk, while it is written.

    log: the file that conf/hydra/job_logging names. study: the journal of the Optuna study.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.log, self.study = path, path / LOG, path / "optuna_study.log"
        self._fits: FinishedFits | None = None
        self._data: Path | None = None

    @property
    def shown_path(self) -> Path:
        """The path relative to the current directory, where it is below it."""
        here = Path.cwd()
        return self.path.relative_to(here) if self.path.is_relative_to(here) else self.path

    def begin(self) -> None:
        """Reserve the directory for this run: all files in it will be part of the run.

        A search that was killed in it can go on; `open_fits` checks whether it may.
        """
        if read_plan(self.path) is not None and read_manifest(self.path) is None:
            (self.path / STATUS).unlink(missing_ok=True)
        else:
            refuse_taken(self.path)
        self.path.mkdir(parents=True, exist_ok=True)
        pid, host = os.getpid(), socket.gethostname()
        status = Status("running", None, pid, host, _process_start(pid), timestamp())
        try:
            # "x": of two runs with the same directory, one gets it.
            with (self.path / STATUS).open("x", encoding="utf-8") as file:
                file.write(status.to_json())
        except FileExistsError as error:
            raise DirectoryTakenError(self.path, [STATUS]) from error

    def open_fits(self, plan: Plan) -> FinishedFits:
        """Open the finished fits; raise ResumeDiffersError where they belong to another plan."""
        self._fits = FinishedFits(self.path / SEARCH, plan)
        return self._fits

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file of the run; name: a constant of this module, or a path in the run."""
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def write_data(self, source: Path) -> None:
        """Copy the file of the data, under the name that `saved_data` finds."""
        endings = [each.lower() for each in source.suffixes[-2:]]
        ending = "".join(endings if endings[-1:] and endings[-1] in COMPRESSED else endings[-1:])
        self._data = self.path / f"{DATA}{ending.removeprefix('.') or 'txt'}"
        shutil.copyfile(source, self._data)

    def write_estimator(self, estimator: Any) -> None:
        """Write the fitted model, for use in Python."""
        # The service imports this module and must not load joblib.
        import joblib

        # joblib, if it opens the file itself and fails, prints another error since Python 3.13.
        with (self.path / ESTIMATOR).open("wb") as file:
            joblib.dump(estimator, file, compress=3)

    def write_cv_results(self, results: "pd.DataFrame") -> None:
        """Write every candidate and its scores."""
        results.to_csv(self.path / CV_RESULTS, index=False, lineterminator="\n")

    def write_predictions(
        self, row_ids: "NDArray[np.int64]", truth: Sequence[str], proba: Any, labels: Sequence[str]
    ) -> None:
        """Write the hold-out: a row id, the true label and a probability per label."""
        # The service imports this module and must not load pandas.
        import pandas as pd

        columns = {f"proba_{label}": proba[:, code] for code, label in enumerate(labels)}
        frame = pd.DataFrame({"row_id": row_ids, "y_true": truth, **columns})
        frame.to_parquet(self.path / PREDICTIONS, index=False)

    def complete(self, run_id: str) -> Manifest:
        """Write the manifest, which makes the run complete."""
        (self.path / STATUS).unlink(missing_ok=True)
        manifest = seal(self.path, run_id)
        if self._fits is not None:
            # Only now: a process killed while it hashed the files is resumed from them.
            self._fits.remove()
        return manifest

    def mark_latest(self) -> None:
        """Point `outputs/latest` here, where the file system has links."""
        # The run is complete without it.
        with suppress(OSError, StopIteration):
            top = next(path for path in self.path.parents if path.name == OUTPUTS)
            files.point_to(top / LATEST, self.path)

    def close(self) -> None:
        """Release the search, so that another process can resume it."""
        if self._fits is not None:
            self._fits.close()

    def fail(self, state: EndState, reason: str) -> None:
        """Record why the run is not complete, and release its search."""
        self.close()
        files.write_atomically(self.path / STATUS, Status(state, reason).to_json().encode())

    def discard(self) -> None:
        """Remove the files of a refused run, and directories that are empty then.

        Other files stay: hydra.run.dir may name a directory that holds more. A search that can be
        resumed stays too.
        """
        if self._fits is not None and not self._fits:
            self._fits.remove()
        if read_plan(self.path) is not None:
            return
        shutil.rmtree(self.path / ".hydra", ignore_errors=True)
        for path in (self.path / LOG, self.path / STATUS, self._data):
            if path is not None:
                path.unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()
            if self.path.parents[1].name == OUTPUTS:
                self.path.parent.rmdir()  # the date, where this was its first run


@contextmanager
def record_outcome(
    run: RunDirectory, current_step: Callable[[], str], *, keep_refused: bool
) -> Iterator[None]:
    """Reserve a directory for a run; on failure leave the log, the traceback and a status.

    A run that is refused for its input (exit code 2) leaves nothing, because the terminal shows
    the error; with `keep_refused` (in a sweep) it stays.
    """
    run.begin()
    try:
        yield
    except RunSkipped as skipped:
        if keep_refused:
            run.fail("skipped", str(skipped.run))
        else:
            run.discard()
        raise
    except BaseException as error:
        state: EndState = "failed"
        reason, note = str(error), ""
        if isinstance(error, KeyboardInterrupt):
            state, reason = "interrupted", f"while {current_step()}"
            note = f"{reason}; kept: {run.shown_path} with its log, but it is no complete run"
        elif not isinstance(error, UserError):
            reason = f"{type(error).__name__}: {error}"
            note = f"while {current_step()}; the traceback is in {run.shown_path}/train.log"
        # On a full disk even this fails, and the first error must still reach the user.
        with suppress(OSError):
            if read_manifest(run.path) is not None:
                note = f"at the very end; {run.shown_path} is a complete run"
            else:
                log.error("%s: %s", state, reason)  # noqa: TRY400 - others log the traceback
                run.fail(state, reason)
        if note:
            error.add_note(note)
        is_refused = isinstance(error, UserError) and error.exit_code == UserError.exit_code
        if is_refused and not keep_refused:
            run.discard()
        raise
    finally:
        run.close()
