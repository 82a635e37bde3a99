"""Sweeps: each job is a process of its own, and jobs that are missing can be run later.

Also which unfinished run a command resumes.
"""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any

from tabproof import artifacts
from tabproof.artifacts.errors import ResumeDiffersError, SearchRunningError
from tabproof.config import Composed, TrainConfig, identity_of, seconds_of
from tabproof.config.schema import FileDatasetConfig, RungSearchConfig, SweepConfig
from tabproof.errors import InvalidValueError, SweepFailedError, UserError
from tabproof.runs import listing
from tabproof.runtime import console, process
from tabproof.runtime.threads import n_cores

RESUME = "sweep.resume="
MULTIRUN_FLAGS = {"-m", "--multirun"}
MAY_CHANGE = ("sweep.", "runtime.")
LATEST_LOG = Path("logs") / "latest.log"
# Columns of the leaderboard that is printed at the end.
WIDTH = 120

log = logging.getLogger(__name__)


class NothingToResumeError(UserError):
    """The directory does not hold an unfinished search."""

    template = (
        "search.resume={asked}: there is no unfinished search; it takes the directory of a run that"
        " was killed or interrupted, or true for the newest of this configuration"
    )


class ResumedSweepFixedError(UserError):
    """A resumed sweep is given other choices."""

    def __init__(self, asked: Sequence[str]) -> None:
        super().__init__(
            f"{', '.join(asked)}: a resumed sweep keeps its choices; beside sweep.resume only"
            " sweep.… and runtime.… may be given"
        )


class NotASweepError(UserError):
    """sweep.resume is given without -m."""

    template = "sweep.resume={asked} needs -m: python -m src.train -m sweep.resume=…"


# --- Which unfinished run a command resumes.


def overrides_to_resume(composed: Composed | None) -> list[str]:
    """Return the override for Hydra that names the directory of the run to resume, if any."""
    if composed is None or composed.sweep is not None:
        return []
    search = composed.config.search
    if not isinstance(search, RungSearchConfig) or search.resume is False:
        return []
    found: Path | None
    if isinstance(search.resume, str):
        found = Path(search.resume)
        if artifacts.read_plan(found) is None or artifacts.is_complete(found):
            raise NothingToResumeError(asked=search.resume)
    elif artifacts.read_plan(composed.directory) is not None:
        found = composed.directory  # hydra.run.dir names it
    else:
        found = newest_of(composed.config, Path(artifacts.OUTPUTS))
    if found is None:
        return []
    # The run checks this too, but Hydra would have written into its directory by then.
    if artifacts.is_searched(found):
        raise SearchRunningError(path=found)
    if differing := _differences(found, composed.config):
        raise ResumeDiffersError(found, differing)
    return [f"hydra.run.dir={_quoted(found)}"]


def newest_of(config: TrainConfig, outputs: Path) -> Path | None:
    """Return the newest unfinished run of a configuration.

    Raises ResumeDiffersError if there is none, but an unfinished run of the same dataset and
    engine that no process is running.
    """
    now = artifacts.as_plain(identity_of(config))
    similar = None
    for run in artifacts.unfinished_runs(outputs):
        if not _differences(run, config):
            return run
        then = (artifacts.read_plan(run) or {}).get("config", {})
        is_similar = (then.get("dataset"), _engine(then)) == (now["dataset"], _engine(now))
        if similar is None and is_similar and not artifacts.is_searched(run):
            similar = run
    if similar is not None:
        raise ResumeDiffersError(similar, _differences(similar, config))
    return None


def _differences(run: Path, config: TrainConfig) -> list[str]:
    then = (artifacts.read_plan(run) or {}).get("config", {})
    return artifacts.differences(then, artifacts.as_plain(identity_of(config)), "config")


def _engine(identity: dict[str, Any]) -> object:
    search = identity.get("search")
    return search.get("engine") if isinstance(search, dict) else None


def _quoted(path: Path | str) -> str:
    # A directory's name may hold characters of Hydra's grammar.
    return "'" + str(path).replace("'", r"\'") + "'"


# --- The sweep as a whole.


def resumed(arguments: Sequence[str]) -> list[str]:
    """Return the command line of the sweep to resume; any other command line as it is."""
    asked = [argument for argument in arguments if argument.startswith(RESUME)]
    if not asked:
        return list(arguments)
    text = asked[-1].removeprefix(RESUME).strip("'\"")
    others = [a for a in arguments if a not in MULTIRUN_FLAGS and not a.startswith(RESUME)]
    if not MULTIRUN_FLAGS & set(arguments):
        raise NotASweepError(asked=text)
    if refused := [a for a in others if not a.startswith(MAY_CHANGE)]:
        raise ResumedSweepFixedError(refused)
    began_with = artifacts.SweepDirectory(Path(text)).plan["arguments"]
    directory = _quoted(text)
    return ["-m", *began_with, *others, f"hydra.sweep.dir={directory}", f"{RESUME}{directory}"]


def for_hydra(arguments: Sequence[str], composed: Composed | None) -> list[str]:
    """Return the arguments for Hydra, which must not write into the directories of the jobs."""
    if composed is None or composed.sweep is None:
        return list(arguments)
    # argparse takes no overrides on both sides of a flag.
    overrides = [argument for argument in arguments if argument not in MULTIRUN_FLAGS]
    # Hydra composes it again, and its date and time would be others.
    directory = f"hydra.sweep.dir={_quoted(composed.sweep)}"
    return ["-m", *overrides, directory, "hydra.output_subdir=null", "hydra/job_logging=sweep"]


@contextmanager
def sweep(arguments: Sequence[str], composed: Composed | None) -> Iterator[None]:
    """Open the directory of a sweep for the block, then write its leaderboard and report.

    Does nothing for a single run. Raises SweepFailedError if a job failed.
    """
    if composed is None or composed.sweep is None:
        yield
        return
    directory = artifacts.SweepDirectory(composed.sweep)
    began_with = [argument for argument in arguments if argument not in MULTIRUN_FLAGS]
    _check_n_jobs(began_with)
    directory.open(
        began_with,
        _determinants(composed),
        n_jobs=composed.n_jobs,
        accept_changes=composed.configs[0].sweep.accept_changes,
    )
    try:
        directory.link_log(LATEST_LOG)
        directory.mark(f"=== START {artifacts.timestamp()} {directory.path} ===")
        console.say(f"sweep  {directory.path}")
        try:
            yield
        finally:
            try:
                found = [
                    artifacts.Found(job, job.name, artifacts.read_record(job))
                    for job in directory.jobs
                ]
                _write_leaderboard(directory, found, composed)
            finally:
                directory.mark(f"=== END {artifacts.timestamp()} ===")
        failed = [run for run in found if run.record.state not in artifacts.COMPLETE]
        for run in failed:
            if any(run.path.iterdir()):
                cause, job_log = _cause(run.record), run.path / "train.log"
                console.complain(f"{run.path.name}: {cause}; see {job_log}")
        if failed:
            raise SweepFailedError([run.path.name for run in failed])
    finally:
        directory.close()


def _check_n_jobs(arguments: Sequence[str]) -> None:
    key = "hydra.launcher.n_jobs="
    for text in (a.removeprefix(key) for a in arguments if a.startswith(key)):
        if text.isdecimal() and int(text) > n_cores():
            valid = f"at most one job per core, {n_cores()}"
            raise InvalidValueError(key.rstrip("="), int(text), valid)


def _determinants(composed: Composed) -> dict[str, object]:
    """Return what a resumed sweep must have in common with the first run of it."""
    jobs = {str(number): identity_of(config) for number, config in enumerate(composed.configs)}
    tables = [config.dataset for config in composed.configs]
    # A table of OpenML is determined by its name and version.
    paths = {table.path for table in tables if isinstance(table, FileDatasetConfig)}
    data = {path: sha256(Path(path).read_bytes()).hexdigest() for path in sorted(paths)}
    return {"jobs": jobs, "data": data, "code": artifacts.deciding_code_hash()}


def _write_leaderboard(
    directory: artifacts.SweepDirectory, found: Sequence[artifacts.Found], composed: Composed
) -> None:
    """Write the leaderboard and the report, and print the leaderboard."""
    words = [run.path.name.partition("_")[2].split(",") for run in found]
    common = set.intersection(*map(set, words)) if len(words) > 1 else set()
    entries = []
    for run, each in zip(found, words, strict=True):
        record = run.record
        differing = [word for word in each if word not in common]
        dataset = artifacts.chosen("dataset", each) if record.dataset == "?" else None
        overrides = differing or record.overrides
        record = replace(record, dataset=dataset or record.dataset, overrides=overrides)
        entries.append(replace(run, record=record))
    entries = listing.ranked(entries)
    for ending, form in (("csv", listing.as_csv), ("md", listing.as_markdown)):
        artifacts.write_atomically(directory.path / f"leaderboard.{ending}", form(entries).encode())
    if any(config.report.page for config in composed.configs):
        _write_report(directory, found, composed)
    console.say(listing.as_text(entries, width=WIDTH))


def _write_report(
    directory: artifacts.SweepDirectory, found: Sequence[artifacts.Found], composed: Composed
) -> None:
    # Loads the libraries of plots.
    from tabproof.runs import side_by_side

    page = directory.path / artifacts.REPORT
    try:
        seconds = side_by_side.write_page(
            page,
            found,
            name=directory.path.name,
            language=composed.configs[0].report.language,
            n_not_begun=max(composed.n_jobs - len(found), 0),
        )
    except Exception as error:
        # The jobs have not failed because the page did.
        console.complain(f"{page} was not written: {type(error).__name__}: {error}")
        return
    with suppress(OSError):
        artifacts.point_to(directory.path / "leaderboard.html", page)
    line = f"report {page} ({seconds:.1f} s)"
    directory.mark(f"--- {line}")
    console.say(line)


# --- One job of a sweep.


@dataclass(frozen=True)
class Job:
    """A job as Hydra has composed it: its directory, and the overrides that make it."""

    directory: Path
    overrides: Sequence[str]
    dataset: str
    n_at_once: int

    @classmethod
    def of(cls, hydra_config: Any) -> "Job":
        """Return the job that Hydra has started."""
        # The launcher of joblib has the number of jobs at once, or -1; others run one job at a
        # time, or each on a machine of its own.
        n_at_once = hydra_config.launcher.get("n_jobs", 1)
        return cls(
            Path(hydra_config.runtime.output_dir),
            list(hydra_config.overrides.task),
            str(hydra_config.runtime.choices.dataset),
            n_at_once if n_at_once > 0 else n_cores(),
        )


def run_job(hydra_config: Any, asked: SweepConfig) -> bool:
    """Run a job of a sweep in a process of its own; return False if this process has to run it."""
    job = Job.of(hydra_config)
    name, directory = job.directory.name, artifacts.SweepDirectory(job.directory.parent)
    if not directory.is_begun:
        return False
    # A damaged run counts as complete here: it is reported at the end, and nothing is removed.
    found = artifacts.read_record(job.directory)
    if artifacts.is_complete(job.directory) or found.elsewhere is not None:
        directory.mark(f"--- DS={job.dataset} SKIP complete {name}")
        return True
    if directory.is_stopped:
        directory.mark(f"--- DS={job.dataset} SKIP stopped {name}")
        return True
    for attempt in range(asked.retries + 1):
        ended = _run(directory, job, asked)
        if ended.is_interrupted:
            directory.stop()
            interrupt = KeyboardInterrupt()
            interrupt.add_note(f"in a sweep; go on with -m {RESUME}{directory.path}")
            raise interrupt
        # A mistake of the user is the same mistake the next time.
        if ended.code in (0, UserError.exit_code):
            break
        log.warning("%s: %s", name, _cause(artifacts.read_record(job.directory)))
        if attempt < asked.retries:
            log.info("begun again, %d of %d times", attempt + 1, asked.retries)
    if ended.code != 0 and asked.fail_fast:
        directory.stop()
    return True


def _run(directory: artifacts.SweepDirectory, job: Job, asked: SweepConfig) -> process.Ended:
    start, name = perf_counter(), job.directory.name
    overrides = [each for each in job.overrides if not each.startswith(RESUME)]
    overrides.append(f"hydra.run.dir={_quoted(job.directory)}")
    if artifacts.clear_job(job.directory, keeps_fits=not asked.accept_changes):
        overrides.append(f"search.resume={_quoted(job.directory)}")
    overrides += _share_of_cores(job)
    directory.mark(f"--- DS={job.dataset} start {artifacts.timestamp()} {name}")
    seconds = None if asked.time_limit is None else seconds_of(asked.time_limit)
    ended = process.run_child([sys.executable, "-m", "tabproof", "train", *overrides], seconds)
    result = "OK" if ended.code == 0 else "FAIL"
    late = ", its time was up" if ended.is_late else ""
    took = f"{perf_counter() - start:.0f} s{late}"
    directory.mark(f"--- DS={job.dataset} {result} rc={ended.code} {name} ({took})")
    return ended


def _share_of_cores(job: Job) -> list[str]:
    """Divide the cores among jobs that run at once, unless the user has chosen otherwise."""
    if job.n_at_once == 1:
        return []
    cores = max(n_cores() // job.n_at_once, 1)
    wanted = {"runtime.workers": cores, "runtime.openmp_threads": cores, "runtime.progress": False}
    chosen = {override.partition("=")[0] for override in job.overrides}
    if "runtime" in chosen:  # runtime=serial, for example, has its own numbers
        wanted = {"runtime.progress": False}
    return [f"{key}={value}" for key, value in wanted.items() if key not in chosen]


def _cause(record: artifacts.Record) -> str:
    return record.cause or f"{record.state}; what it said stands on the console"
