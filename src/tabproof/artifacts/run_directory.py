"""The run directory: the only module that knows the names of its files.

Until the manifest exists, status.json says how far the run came. A directory without a manifest
is not a run.
"""

import json
import logging
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tabproof.artifacts.checkpoint import FinishedFits, Plan, read_plan
from tabproof.artifacts.files import point_to, read_json, read_limited, write_atomically
from tabproof.artifacts.manifest import NAME, SEARCH, Manifest, read_manifest, seal
from tabproof.artifacts.summary import Summary
from tabproof.errors import DirectoryTakenError, RunExistsError, UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

OUTPUTS, LATEST = "outputs", "latest"
# In outputs/, beside the dates: a run that only repeats another is not in lists.
REPLAYS = "replays"
STATUS = "status.json"
SUMMARY, PREDICTIONS, EVIDENCE = "summary.json", "predictions.parquet", "evaluation.json"
REPORT, MODEL_CARD = "report.html", "model_card.md"
CONFIG, ENVIRONMENT, PATCH = "config.yaml", "environment.txt", "code.patch"
# Files of every run that a reader of its report may want to open.
FOR_PEOPLE = (
    EVIDENCE,
    SUMMARY,
    PREDICTIONS,
    "cv_results.csv",
    "schema.json",
    CONFIG,
    ENVIRONMENT,
    "train.log",
    "estimator.joblib",
)
# What Hydra has written when a run begins.
HYDRAS = {".hydra", "train.log"}
MAX_STATUS = 1 << 20


class RunSkipped(Exception):  # noqa: N818 - not an error: the run that was asked for exists
    """A complete run of the same id makes another one unnecessary."""

    def __init__(self, run: Path) -> None:
        super().__init__(f"{run} is a complete run of the same id")
        self.run = run


@dataclass(frozen=True)
class Status:
    """status.json: the state of a run that is not complete, and the process that writes it.

    reason: why it ended; the path of the complete run where it was skipped. begun: the boot and
    the clock tick in which the process began. started: when the run began.
    """

    state: Literal["running", "failed", "interrupted", "skipped"]
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


def running_status() -> Status:
    """Return the status of a run that this process begins now."""
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    pid = os.getpid()
    return Status("running", None, pid, socket.gethostname(), _process_start(pid), now)


def read_status(run: Path) -> Status | None:
    """Read the status of a run that is not complete; raise ValueError where it is damaged."""
    try:
        return read_json(read_limited(run / STATUS, MAX_STATUS), Status)
    except FileNotFoundError:
        return None


def _process_start(pid: int) -> str | None:
    """Return the boot and the clock tick in which a process began; None without /proc."""
    try:
        # The second field, a name in brackets, may hold spaces and brackets.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {fields[19]}"
    except (OSError, IndexError):
        return None


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
    """One run on disk, while it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fits: FinishedFits | None = None

    def begin(self) -> None:
        """Reserve the directory for this run: all files in it will be part of the run.

        A search that was killed in it can go on; `open_fits` checks whether it may.
        """
        if read_plan(self.path) is not None and not self.is_complete:
            (self.path / STATUS).unlink(missing_ok=True)
        else:
            refuse_taken(self.path)
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            # "x": of two runs with the same directory, one gets it.
            with (self.path / STATUS).open("x", encoding="utf-8") as file:
                file.write(running_status().to_json())
        except FileExistsError as error:
            raise DirectoryTakenError(self.path, [STATUS]) from error

    def open_fits(self, plan: Plan) -> FinishedFits:
        """Open the finished fits; raise ResumeDiffersError where they belong to another plan."""
        self._fits = FinishedFits(self.path / SEARCH, plan)
        return self._fits

    def close(self) -> None:
        """Release the search, so that another process can resume it."""
        if self._fits is not None:
            self._fits.close()

    def drop_fits(self) -> None:
        """Remove the finished fits, where nothing can resume from them."""
        if self._fits is not None:
            self._fits.remove()

    @property
    def study(self) -> Path:
        """The journal of the Optuna study."""
        return self.path / "optuna_study.log"

    def fail(self, status: Status) -> None:
        """Record why the run is not complete, and release its search."""
        self.close()
        write_atomically(self.path / STATUS, status.to_json().encode())

    @property
    def is_complete(self) -> bool:
        """Whether the run has a manifest that can be read."""
        return read_manifest(self.path) is not None

    def discard(self) -> None:
        """Remove the files of a refused run, and directories that are empty then.

        Other files stay: hydra.run.dir may name a directory that holds more. A search that can be
        resumed stays too.
        """
        if self._fits is not None and not len(self._fits):
            self._fits.remove()
        if read_plan(self.path) is not None:
            return
        shutil.rmtree(self.path / ".hydra", ignore_errors=True)
        for name in (self.log.name, STATUS):
            (self.path / name).unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()
            if self.path.parents[1].name == OUTPUTS:
                self.path.parent.rmdir()  # the date, where this was its first run

    def write_config(self, yaml: str) -> None:
        """Write the resolved configuration: enough to run it again."""
        self._write_text(CONFIG, yaml)

    def write_environment(self, text: str) -> None:
        """Write the versions of Python and the installed packages, as pip reads them."""
        self._write_text(ENVIRONMENT, text)

    def write_patch(self, patch: bytes | None) -> None:
        """Write the uncommitted changes of the working tree, if there are any."""
        if patch is not None:
            (self.path / PATCH).write_bytes(patch)

    def write_estimator(self, pipeline: Any) -> None:
        """Write the fitted pipeline, for use in Python."""
        # The service imports this module and must not load joblib.
        import joblib

        joblib.dump(pipeline, self.path / "estimator.joblib", compress=3)

    def write_scorer(self, files: Mapping[str, bytes]) -> None:
        """Write the exported model, which the service reads."""
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)

    def write_schema(self, json_text: str) -> None:
        """Write the columns, their types and ranges, and the labels."""
        self._write_text("schema.json", json_text)

    def write_cv_results(self, results: "pd.DataFrame") -> None:
        """Write every candidate and its scores."""
        results.to_csv(self.path / "cv_results.csv", index=False, lineterminator="\n")

    def write_predictions(
        self, row_ids: "NDArray[np.int64]", truth: Sequence[str], proba: Any, labels: Sequence[str]
    ) -> None:
        """Write the hold-out: a row id, the true label and a probability per label."""
        # The service imports this module and must not load pandas.
        import pandas as pd

        columns = {f"proba_{label}": proba[:, code] for code, label in enumerate(labels)}
        frame = pd.DataFrame({"row_id": row_ids, "y_true": truth, **columns})
        frame.to_parquet(self.path / PREDICTIONS, index=False)

    def write_summary(self, summary: Summary) -> None:
        """Write the numbers, and what they depend on."""
        self._write_text(SUMMARY, summary.to_json())

    def write_evidence(self, content: bytes) -> None:
        """Write the evaluation, for reports and comparisons."""
        (self.path / EVIDENCE).write_bytes(content)

    def write_plots(self, pictures: Mapping[str, str]) -> None:
        """Write plots: SVG texts by name."""
        directory = self.path / "plots"
        directory.mkdir(exist_ok=True)
        for name, svg in pictures.items():
            self._write_text(f"plots/{name}.svg", svg)

    def write_report(self, html: str) -> None:
        """Write the report."""
        self._write_text(REPORT, html)

    def write_model_card(self, markdown: str) -> None:
        """Write the model card, as hubs of models show it."""
        self._write_text(MODEL_CARD, markdown)

    @property
    def shown_path(self) -> Path:
        """The path relative to the current directory, where it is below it."""
        here = Path.cwd()
        return self.path.relative_to(here) if self.path.is_relative_to(here) else self.path

    @property
    def log(self) -> Path:
        """The file that conf/hydra/job_logging names."""
        return self.path / "train.log"

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
        top = next((p for p in self.path.parents if p.name == OUTPUTS), None)
        if top is None:
            return
        # The run is complete without it.
        with suppress(OSError):
            point_to(top / LATEST, self.path)

    def _write_text(self, name: str, text: str) -> None:
        (self.path / name).write_text(text, encoding="utf-8", newline="\n")


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
    except KeyboardInterrupt as interrupt:
        if not _record(run, "interrupted", f"while {current_step()}", interrupt):
            interrupt.add_note(
                f"while {current_step()}; kept: {run.shown_path} with its log,"
                " but it is no complete run"
            )
        raise
    except RunSkipped as skipped:
        if keep_refused:
            run.fail(Status("skipped", str(skipped.run)))
        else:
            run.discard()
        raise
    except UserError as error:
        _record(run, "failed", str(error), error)
        if error.exit_code == UserError.exit_code and not keep_refused:
            run.discard()
        raise
    except BaseException as error:
        if not _record(run, "failed", f"{type(error).__name__}: {error}", error):
            error.add_note(
                f"while {current_step()}; the traceback is in {run.shown_path}/train.log"
            )
        raise
    finally:
        run.close()


def _record(
    run: RunDirectory, state: Literal["failed", "interrupted"], reason: str, error: BaseException
) -> bool:
    """Record how a run ended; return True if it was complete already, and must not change."""
    # On a full disk even this fails, and the first error must still reach the user.
    with suppress(OSError):
        if run.is_complete:
            error.add_note(f"at the very end; {run.shown_path} is a complete run")
            return True
        log.error("%s: %s", state, reason)
        run.fail(Status(state, reason))
    return False
