"""A sweep: each job is a process of its own, and what is missing can be done later."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from tabproof.artifacts.errors import ResumeDiffersError, SearchRunningError
from tabproof.config import (
    Composed,
    FileDatasetConfig,
    RungSearchConfig,
    SweepConfig,
    TrainConfig,
    identity_of,
    seconds_of,
)
from tabproof.errors import InvalidValueError, SweepFailedError, UserError
from tabproof.runtime import console, process
from tabproof.runtime.threads import n_cores


class NothingToResumeError(UserError):
    """A directory that holds no search that could go on."""

    def __init__(self, asked: str) -> None:
        super().__init__(
            f"search.resume={asked}: there is no unfinished search; it takes the directory of a"
            " run that was killed or interrupted, or true for the newest of this configuration"
        )


class ResumedSweepFixedError(UserError):
    """Something else asked of a sweep that is resumed."""

    def __init__(self, asked: Sequence[str]) -> None:
        super().__init__(
            f"{', '.join(asked)}: a resumed sweep is what it was; beside sweep.resume only"
            " sweep.… and runtime.… may be given"
        )


class NotASweepError(UserError):
    """sweep.resume without -m."""

    def __init__(self, asked: str) -> None:
        super().__init__(f"sweep.resume={asked} needs -m: python -m src.train -m sweep.resume=…")


if TYPE_CHECKING:
    # They load numpy, which reads the limits of threads: a single run sets them first.
    from tabproof import artifacts
    from tabproof.runs import leaderboard


# --- Which unfinished run a command goes on with.

RUN_DIRECTORY = "hydra.run.dir"


def overrides_to_resume(composed: Composed | None) -> list[str]:
    """Give what leads Hydra to the directory of the run that is to go on; nothing for a new one."""
    if composed is None or composed.sweep is not None:
        return []
    if not isinstance(composed.config.search, RungSearchConfig):
        return []
    wish = composed.config.search.resume
    if wish is False:
        return []
    # Loads numpy, which reads the limits of threads: they are not set yet where nobody resumes.
    from tabproof import artifacts

    found: Path | None
    if isinstance(wish, str):
        found = Path(wish)
        if artifacts.read_plan(found) is None or artifacts.is_complete(found):
            raise NothingToResumeError(wish)
    elif artifacts.read_plan(composed.directory) is not None:
        found = composed.directory  # as hydra.run.dir says
    else:
        found = newest_of(composed.config, Path(artifacts.OUTPUTS))
    if found is None:
        return []
    # A run refuses this too, but Hydra would have written into its directory by then.
    if artifacts.is_searched(found):
        raise SearchRunningError(path=found)
    differing = _differing(found, composed.config)
    if differing:
        raise ResumeDiffersError(found, differing)
    # Quoted: a directory may hold whatever Hydra's grammar makes something of.
    quoted = str(found).replace("'", r"\'")
    return [f"{RUN_DIRECTORY}='{quoted}'"]


def newest_of(config: TrainConfig, outputs: Path) -> Path | None:
    """Find the newest unfinished run of a configuration.

    Raises ResumeDiffersError where there is none, but one of the same dataset and engine that
    nobody is running.
    """
    from tabproof import artifacts

    now = artifacts.as_plain(identity_of(config))
    akin: list[Path] = []
    for run in artifacts.unfinished_runs(outputs):
        if not _differing(run, config):
            return run
        then = (artifacts.read_plan(run) or {}).get("config", {})
        is_akin = (then.get("dataset"), _engine(then)) == (now["dataset"], _engine(now))
        if is_akin and not artifacts.is_searched(run):
            akin.append(run)
    if akin:
        raise ResumeDiffersError(akin[0], _differing(akin[0], config))
    return None


def _differing(run: Path, config: TrainConfig) -> list[str]:
    """List what the configuration of an unfinished run has otherwise."""
    from tabproof import artifacts

    then = (artifacts.read_plan(run) or {}).get("config", {})
    return artifacts.differences(then, artifacts.as_plain(identity_of(config)), "config")


def _engine(identity: dict[str, object]) -> object:
    search = identity.get("search")
    return search.get("engine") if isinstance(search, dict) else None


ASKED = "sweep.resume="
IS_SWEEP = {"-m", "--multirun"}
MAY_CHANGE = ("sweep.", "runtime.")
LATEST_LOG = Path("logs") / "latest.log"
# So many letters has a line where nobody says otherwise.
WIDTH = 120


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A job as Hydra has composed it: where it goes, and the overrides that make it."""

    directory: Path
    overrides: Sequence[str]
    dataset: str
    n_at_once: int

    @classmethod
    def of(cls, hydra_config: Any) -> "Job":
        """Read what Hydra knows of the job that it has begun."""
        # joblib's launcher says how many run at once, or -1; others have one, or machines of
        # their own.
        n_at_once = hydra_config.launcher.get("n_jobs", 1)
        return cls(
            Path(hydra_config.runtime.output_dir),
            list(hydra_config.overrides.task),
            str(hydra_config.runtime.choices.dataset),
            n_at_once if n_at_once > 0 else n_cores(),
        )

    @property
    def name(self) -> str:
        """The number and the choices."""
        return self.directory.name


def resumed(arguments: Sequence[str]) -> list[str]:
    """Give the command line of the sweep that is to go on; others as they are."""
    asked = [argument for argument in arguments if argument.startswith(ASKED)]
    if not asked:
        return list(arguments)
    from tabproof import artifacts

    text = asked[-1].removeprefix(ASKED).strip("'\"")
    others = [a for a in arguments if a not in IS_SWEEP and not a.startswith(ASKED)]
    if not IS_SWEEP & set(arguments):
        raise NotASweepError(text)
    if refused := [a for a in others if not a.startswith(MAY_CHANGE)]:
        raise ResumedSweepFixedError(refused)
    began_with = artifacts.SweepDirectory(Path(text)).plan["arguments"]
    directory = _quoted(text)
    return ["-m", *began_with, *others, f"hydra.sweep.dir={directory}", f"{ASKED}{directory}"]


def _quoted(text: str) -> str:
    # A directory may hold whatever Hydra's grammar makes something of.
    return "'" + text.replace("'", r"\'") + "'"


def for_hydra(arguments: Sequence[str], composed: Composed | None) -> list[str]:
    """Give what Hydra is told: to stay out of the jobs' directories, and which the sweep's is."""
    if composed is None or composed.sweep is None:
        return list(arguments)
    # argparse takes no overrides on both sides of a flag.
    overrides = [argument for argument in arguments if argument not in IS_SWEEP]
    # Its date and time would be another when Hydra composes it again.
    directory = f"hydra.sweep.dir={_quoted(str(composed.sweep))}"
    return ["-m", *overrides, directory, "hydra.output_subdir=null", "hydra/job_logging=sweep"]


@contextmanager
def sweep(arguments: Sequence[str], composed: Composed | None) -> Iterator[None]:
    """Run a sweep within the block; nothing for a single run.

    At the end there are a leaderboard and a report; raises SweepFailedError where a job failed.
    """
    if composed is None or composed.sweep is None:
        yield
        return
    from tabproof import artifacts

    asked, directory = composed.configs[0].sweep, artifacts.SweepDirectory(composed.sweep)
    began_with = [argument for argument in arguments if argument not in IS_SWEEP]
    _refuse_too_many(began_with)
    directory.open(
        began_with,
        _determinants(composed),
        n_jobs=composed.n_jobs,
        accept_changes=asked.accept_changes,
    )
    try:
        directory.link_log(LATEST_LOG)
        directory.mark(f"=== START {artifacts.timestamp()} {directory.path} ===")
        console.say(f"sweep  {directory.path}")
        try:
            yield
        finally:
            try:
                found = _found(directory)
                _show(directory, found, composed)
            finally:
                directory.mark(f"=== END {artifacts.timestamp()} ===")
        _raise_failures(found)
    finally:
        directory.close()


def _refuse_too_many(arguments: Sequence[str]) -> None:
    key = "hydra.launcher.n_jobs="
    for text in (a.removeprefix(key) for a in arguments if a.startswith(key)):
        if text.isdecimal() and int(text) > n_cores():
            valid = f"at most one job per core, {n_cores()}"
            raise InvalidValueError(key.rstrip("="), int(text), valid)


def _determinants(composed: Composed) -> dict[str, object]:
    """Give what a resumed sweep is compared with."""
    from tabproof import artifacts

    jobs = {str(number): identity_of(config) for number, config in enumerate(composed.configs)}
    tables = [config.dataset for config in composed.configs]
    # Of OpenML's tables the name and the version say it all.
    paths = {table.path for table in tables if isinstance(table, FileDatasetConfig)}
    data = {path: sha256(Path(path).read_bytes()).hexdigest() for path in sorted(paths)}
    return {"jobs": jobs, "data": data, "code": artifacts.deciding_code_hash()}


def run_job(hydra_config: Any, asked: SweepConfig) -> bool:
    """Run a job of a sweep in a process of its own; False where this process has to."""
    from tabproof import artifacts

    job = Job.of(hydra_config)
    directory = artifacts.SweepDirectory(job.directory.parent)
    if not directory.is_begun:
        return False
    # One that is damaged is told at the end, and nothing of it removed.
    found = artifacts.read_record(job.directory)
    if artifacts.is_complete(job.directory) or found.elsewhere is not None:
        directory.mark(f"--- DS={job.dataset} SKIP complete {job.name}")
        return True
    if directory.is_stopped:
        directory.mark(f"--- DS={job.dataset} SKIP stopped {job.name}")
        return True
    for attempt in range(asked.retries + 1):
        ended = _run(directory, job, asked)
        if ended.is_interrupted:
            directory.stop()
            interrupt = KeyboardInterrupt()
            interrupt.add_note(f"in a sweep; go on with -m {ASKED}{directory.path}")
            raise interrupt
        # What was wrongly asked for is so the next time too.
        if ended.code in (0, UserError.exit_code):
            break
        log.warning("%s: %s", job.name, _cause(artifacts.read_record(job.directory)))
        if attempt < asked.retries:
            log.info("begun again, %d of %d times", attempt + 1, asked.retries)
    if ended.code != 0 and asked.fail_fast:
        directory.stop()
    return True


def _run(directory: "artifacts.SweepDirectory", job: Job, asked: SweepConfig) -> process.Ended:
    from tabproof import artifacts

    start = perf_counter()
    overrides = [each for each in job.overrides if not each.startswith(ASKED)]
    overrides.append(f"hydra.run.dir={_quoted(str(job.directory))}")
    if artifacts.clear_job(job.directory, keeps_fits=not asked.accept_changes):
        overrides.append(f"search.resume={_quoted(str(job.directory))}")
    overrides += _shares(job)
    directory.mark(f"--- DS={job.dataset} start {artifacts.timestamp()} {job.name}")
    seconds = None if asked.time_limit is None else seconds_of(asked.time_limit)
    command = [sys.executable, "-m", "tabproof", "train", *overrides]
    ended = process.run_child(command, seconds)
    result = "OK" if ended.code == 0 else "FAIL"
    late = ", its time was up" if ended.is_late else ""
    directory.mark(
        f"--- DS={job.dataset} {result} rc={ended.code} {job.name}"
        f" ({perf_counter() - start:.0f} s{late})"
    )
    return ended


def _shares(job: Job) -> list[str]:
    """Divide the cores among jobs that run side by side; whoever says otherwise is obeyed."""
    if job.n_at_once == 1:
        return []
    cores = max(n_cores() // job.n_at_once, 1)
    wanted = {"runtime.workers": cores, "runtime.openmp_threads": cores, "runtime.progress": False}
    said = {override.partition("=")[0] for override in job.overrides}
    if "runtime" in said:  # such as runtime=serial, which says it too
        wanted = {"runtime.progress": False}
    return [f"{key}={value}" for key, value in wanted.items() if key not in said]


def _found(directory: "artifacts.SweepDirectory") -> list["artifacts.Found"]:
    from tabproof import artifacts

    return [artifacts.Found(job, job.name, artifacts.read_record(job)) for job in directory.jobs]


def _show(
    directory: "artifacts.SweepDirectory", found: Sequence["artifacts.Found"], composed: Composed
) -> None:
    """Write the leaderboard and the report, and print the former."""
    from tabproof import artifacts
    from tabproof.runs import leaderboard

    entries = leaderboard.ranked(_entries(found))
    for ending, text in (
        ("csv", leaderboard.as_csv(entries)),
        ("md", leaderboard.as_markdown(entries)),
    ):
        artifacts.write_atomically(directory.path / f"leaderboard.{ending}", text.encode())
    if any(config.report.page for config in composed.configs):
        _report(directory, found, composed)
    console.say(leaderboard.as_text(entries, width=WIDTH))


def _report(
    directory: "artifacts.SweepDirectory", found: Sequence["artifacts.Found"], composed: Composed
) -> None:
    from tabproof import artifacts
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
        # The jobs are what was asked for: they have not failed because a page did.
        console.complain(f"{page} was not written: {type(error).__name__}: {error}")
        return
    with suppress(OSError):
        artifacts.point_to(directory.path / "leaderboard.html", page)
    told = f"report {page} ({seconds:.1f} s)"
    directory.mark(f"--- {told}")
    console.say(told)


def _entries(found: Sequence["artifacts.Found"]) -> list["leaderboard.Entry"]:
    from tabproof.runs import leaderboard

    words = [run.path.name.partition("_")[2].split(",") for run in found]
    common = set.intersection(*map(set, words)) if len(words) > 1 else set()
    return [
        leaderboard.entry_from(
            run,
            choices=" ".join(word for word in chosen if word not in common),
        )
        for run, chosen in zip(found, words, strict=True)
    ]


def _raise_failures(found: Sequence["artifacts.Found"]) -> None:
    from tabproof import artifacts

    failed = [run for run in found if run.record.state not in artifacts.COMPLETE]
    for run in failed:
        if any(run.path.iterdir()):
            console.complain(f"{run.path.name}: {_cause(run.record)}; see {run.path / 'train.log'}")
    if failed:
        raise SweepFailedError([run.path.name for run in failed])


def _cause(record: "artifacts.Record") -> str:
    return record.cause or f"{record.state}; what it said stands on the console"
