"""The run directory: the only module that knows the names of its files.

Until the manifest stands there, status.json says how far the run came; no reader takes
a directory without a manifest for a run.
"""

import json
import logging
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabproof.artifacts.checkpoint import FinishedFits, Plan, read_plan
from tabproof.artifacts.files import point_to, write_atomically
from tabproof.artifacts.manifest import NAME, SEARCH, Manifest, read_manifest, seal
from tabproof.artifacts.summary import Summary
from tabproof.errors import DirectoryTakenError, RunExistsError, UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


log = logging.getLogger(__name__)

# The state of a directory whose run lies elsewhere.
SKIPPED = "skipped"


class RunSkipped(Exception):  # noqa: N818 - no error: what was asked for is there
    """Raised where a complete run of the same id makes another one needless."""

    def __init__(self, run: Path) -> None:
        super().__init__(f"{run} is a complete run of the same id")
        self.run = run


# --- The process that writes a run: who it is, and whether it is still there.


def owner_facts() -> dict[str, Any]:
    """Give what tells this process from any other, now and after the machine was restarted."""
    return {"pid": os.getpid(), "host": socket.gethostname(), "begun": _begun(os.getpid())}


def is_alive(owner: Mapping[str, Any]) -> bool:
    """Tell whether a process is still there; of another machine's one cannot know: it may be.

    Process numbers are given again, so the time when it began must be the same too, where the
    system tells that.
    """
    pid, host, begun = (owner.get(key) for key in ("pid", "host", "begun"))
    if not isinstance(pid, int) or pid <= 0:
        return False
    if host is not None and host != socket.gethostname():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return isinstance(begun, str) and _begun(pid) == begun
    return begun is None or _begun(pid) in (begun, None)


def _begun(pid: int) -> str | None:
    """Give the boot and the clock tick in which a process began; None where /proc is not."""
    try:
        # The second field, a name in brackets, may hold spaces and brackets.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {fields[19]}"
    except (OSError, IndexError):
        return None


LATEST = "latest"
STATUS = "status.json"
OUTPUTS = "outputs"
# In outputs/, beside the dates: what is not asked for its numbers is no run of the user's.
REPLAYS = "replays"
SUMMARY, PREDICTIONS, EVIDENCE = "summary.json", "predictions.parquet", "evaluation.json"
REPORT, MODEL_CARD = "report.html", "model_card.md"
CONFIG, ENVIRONMENT, PATCH = "config.yaml", "environment.txt", "code.patch"
# Of every run: what a reader of its report may want to open.
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
# What Hydra has written by the time a run begins.
HYDRAS = {".hydra", "train.log"}


def is_complete(path: Path) -> bool:
    """Tell a run from the beginnings of one."""
    return (path / NAME).exists()


def refuse_taken(path: Path) -> None:
    """Refuse a directory that holds a complete run, or anything that is not Hydra's."""
    if read_manifest(path) is not None:
        raise RunExistsError(path)
    found = sorted(p.name for p in path.iterdir()) if path.is_dir() else []
    if set(found) - HYDRAS:
        raise DirectoryTakenError(path, found)


class RunDirectory:
    """One run on disk, being written or read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fits: FinishedFits | None = None

    def begin(self) -> None:
        """Take the directory for this run alone: what lies there would be sealed with it.

        A search that was killed there goes on; whether it may is for `open_fits` to say.
        """
        if read_plan(self.path) is not None and not self.is_complete:
            (self.path / STATUS).unlink(missing_ok=True)
        else:
            refuse_taken(self.path)
        self.path.mkdir(parents=True, exist_ok=True)
        started = datetime.now().astimezone().isoformat(timespec="seconds")
        status = {"state": "running", **owner_facts(), "started": started}
        try:
            # Of two runs that were told the same directory, one gets it.
            with (self.path / STATUS).open("x", encoding="utf-8") as file:
                json.dump(status, file, indent=2)
        except FileExistsError as error:
            raise DirectoryTakenError(self.path, [STATUS]) from error

    def open_fits(self, plan: Plan) -> FinishedFits:
        """Open the fits that are finished; raises ResumeDiffersError where they are not of plan."""
        self._fits = FinishedFits(self.path / SEARCH, plan)
        return self._fits

    def close(self) -> None:
        """Let another process go on with the search, whatever became of this run."""
        if self._fits is not None:
            self._fits.close()

    def drop_fits(self) -> None:
        """Remove the finished fits, where nothing can go on from them."""
        if self._fits is not None:
            self._fits.remove()

    @property
    def study(self) -> Path:
        """Where Optuna keeps what it has proposed."""
        return self.path / "optuna_study.log"

    def fail(self, state: str, reason: str) -> None:
        """Say in the directory why it holds no run; another process may go on with its search."""
        self.close()
        status = {"state": state, "reason": reason}
        write_atomically(self.path / STATUS, json.dumps(status, indent=2).encode())

    @property
    def is_complete(self) -> bool:
        """Tell a run from the beginnings of one."""
        return read_manifest(self.path) is not None

    def discard(self) -> None:
        """Remove what a refused run left, and directories that this leaves empty.

        Nothing else: hydra.run.dir may name a directory in which somebody keeps other things.
        A search that could go on stays.
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
                self.path.parent.rmdir()  # the day's first

    def write_config(self, yaml: str) -> None:
        """Keep the resolved configuration: enough to run it again."""
        self._write_text(CONFIG, yaml)

    def write_environment(self, text: str) -> None:
        """Keep the versions of all that was installed and needed: pip installs them again."""
        self._write_text(ENVIRONMENT, text)

    def write_patch(self, patch: bytes | None) -> None:
        """Keep what the working tree had beside its commit, if it had anything."""
        if patch is not None:
            (self.path / PATCH).write_bytes(patch)

    def write_estimator(self, pipeline: Any) -> None:
        """Keep the fitted pipeline for people who work in Python."""
        # The service imports this package and must not load what it never uses.
        import joblib

        joblib.dump(pipeline, self.path / "estimator.joblib", compress=3)

    def write_scorer(self, files: Mapping[str, bytes]) -> None:
        """Keep the model as data alone, which is what the service reads."""
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)

    def write_schema(self, json_text: str) -> None:
        """Keep what a row looks like."""
        self._write_text("schema.json", json_text)

    def write_cv_results(self, results: "pd.DataFrame") -> None:
        """Keep every candidate and its scores."""
        results.to_csv(self.path / "cv_results.csv", index=False, lineterminator="\n")

    def write_predictions(
        self, row_ids: "NDArray[np.int64]", truth: Sequence[str], proba: Any, labels: Sequence[str]
    ) -> None:
        """Keep the hold-out: a row id, the true label and a probability per label."""
        # Not at the top, for the same reason.
        import pandas as pd

        columns = {f"proba_{label}": proba[:, code] for code, label in enumerate(labels)}
        frame = pd.DataFrame({"row_id": row_ids, "y_true": truth, **columns})
        frame.to_parquet(self.path / PREDICTIONS, index=False)

    def write_summary(self, summary: Summary) -> None:
        """Keep the numbers, and what they stand on."""
        self._write_text(SUMMARY, summary.to_json())

    def write_evidence(self, content: bytes) -> None:
        """Keep all that was evaluated, for pages and for later comparison."""
        (self.path / EVIDENCE).write_bytes(content)

    def write_plots(self, pictures: Mapping[str, str]) -> None:
        """Keep pictures, as SVG by name."""
        directory = self.path / "plots"
        directory.mkdir(exist_ok=True)
        for name, svg in pictures.items():
            self._write_text(f"plots/{name}.svg", svg)

    def write_report(self, html: str) -> None:
        """Keep the page in which all is together."""
        self._write_text(REPORT, html)

    def write_model_card(self, markdown: str) -> None:
        """Keep what a hub of models shows of it."""
        self._write_text(MODEL_CARD, markdown)

    @property
    def shown_path(self) -> Path:
        """The path as a person at the project's root would type it."""
        here = Path.cwd()
        return self.path.relative_to(here) if self.path.is_relative_to(here) else self.path

    @property
    def log(self) -> Path:
        """Where Hydra logs to, as conf/hydra/job_logging says."""
        return self.path / "train.log"

    def complete(self, run_id: str) -> Manifest:
        """Write the manifest: from here on this is a complete run."""
        (self.path / STATUS).unlink(missing_ok=True)
        manifest = seal(self.path, run_id)
        if self._fits is not None:
            # Not before: whoever is killed while sealing goes on from them.
            self._fits.remove()
        return manifest

    def mark_latest(self) -> None:
        """Let `outputs/latest` point here, where the file system has links."""
        top = next((p for p in self.path.parents if p.name == OUTPUTS), None)
        if top is None:
            return
        # A convenience only: the run is complete without it.
        with suppress(OSError):
            point_to(top / LATEST, self.path)

    def _write_text(self, name: str, text: str) -> None:
        (self.path / name).write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def recorded(
    run: RunDirectory, current_step: Callable[[], str], *, keep_refused: bool
) -> Iterator[None]:
    """Take the directory for a run; on failure leave the log, the traceback and a status.

    A run that is refused for what it was given (exit code 2) leaves nothing, unless
    keep_refused: the terminal has told all. In a sweep nobody may have been watching.
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
            run.fail(SKIPPED, str(skipped.run))
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
                f"while {current_step()}; the traceback stands in {run.shown_path}/train.log"
            )
        raise
    finally:
        run.close()


def _record(run: RunDirectory, state: str, reason: str, error: BaseException) -> bool:
    """Note how a run ended; True if it was complete by then, and must stay as it is."""
    # On a full disk even this cannot be written; what raised must still be told.
    with suppress(OSError):
        if run.is_complete:
            error.add_note(f"at the very end; {run.shown_path} is a complete run")
            return True
        log.error("%s: %s", state, reason)
        run.fail(state, reason)
    return False
