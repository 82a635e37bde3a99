"""The train command: a single run, or a sweep in which each job is a process of its own."""

import logging
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from tabproof import artifacts, kernels
from tabproof import config as conf
from tabproof.artifacts.errors import ResumeDiffersError, RunningError
from tabproof.conf_files import CONF
from tabproof.config import data_schema, schema
from tabproof.config.checks import is_remote
from tabproof.config.quoting import MULTIRUN_FLAGS, in_quotes
from tabproof.errors import InvalidValueError, SweepFailedError, UserError
from tabproof.runs import listing
from tabproof.runs.refresh import refresh_page
from tabproof.runtime import console, cores, process, threads
from tabproof.text import shell_word

RESUME, N_JOBS = "sweep.resume=", "hydra.launcher.n_jobs="
MAY_CHANGE = ("sweep.", "runtime.", "allow=")
LATEST_LOG = Path("logs") / "latest.log"

log = logging.getLogger(__name__)


class SweepNotResumedError(UserError):
    """sweep.resume is given without -m, or with other choices."""

    template = "{asked}; resume a sweep with: python -m src.train -m sweep.resume=…"


def main(arguments: Sequence[str]) -> None:
    """Run one job or a sweep of jobs from the words of a command line."""
    if process.parent is not None:
        process.end_with(process.parent)
    arguments = resumed(conf.train_words(arguments))
    with process.uncollected():
        composed = conf.check_command_line(arguments)
    if composed is not None and composed.sweep is None:
        kernels.restart_below(composed.configs[0].runtime.level, **process.inherited())
    words = arguments_for_hydra(arguments, composed)
    jobs = process.Jobs()

    def train(cfg: DictConfig) -> None:
        hydra_config = HydraConfig.get()
        directory = Path(hydra_config.runtime.output_dir)
        in_sweep = hydra_config.mode is RunMode.MULTIRUN
        in_this_process = "BasicLauncher" in hydra_config.launcher["_target_"]
        with jobs.job(directory.name, in_sweep=in_sweep, in_this_process=in_this_process):
            config = conf.typed(cfg)
            if in_sweep and run_job(hydra_config, config.sweep):
                return
            conf.check_config(config)
            runtime = config.runtime
            with ExitStack() as stack:
                with process.uncollected():
                    fixed = kernels.fixed_kernels(portable=runtime.portable, level=runtime.level)
                    stack.enter_context(fixed)
                    stack.enter_context(threads.limited_threads(runtime.openmp_threads))
                    # Loads the numeric libraries, which read the limits once.
                    from tabproof.experiment import run_experiment
                keep_refused = in_sweep or process.parent is not None
                console.say(run_experiment(config, directory, keep_refused=keep_refused))

    with sweep(arguments, composed):
        if composed is not None and composed.cfg is not None and words == arguments:
            conf.run_composed(composed.cfg, train)
        else:
            # Hydra reads sys.argv.
            sys.argv[1:] = words
            hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")(train)()
        jobs.raise_failure()


# --- Which unfinished run or sweep a command resumes.


def resumed(arguments: Sequence[str]) -> list[str]:
    """Return the command line of the sweep to resume; any other command line as it is."""
    asked = [argument for argument in arguments if argument.startswith(RESUME)]
    if not asked:
        return list(arguments)
    text = asked[-1].removeprefix(RESUME).strip("'\"")
    others = [a for a in arguments if a not in MULTIRUN_FLAGS and not a.startswith(RESUME)]
    if not MULTIRUN_FLAGS & set(arguments):
        raise SweepNotResumedError(f"sweep.resume={text} needs -m")
    if refused := ", ".join(a for a in others if not a.startswith(MAY_CHANGE)):
        kept = "a resumed sweep keeps its choices, except for sweep.… and runtime.…"
        raise SweepNotResumedError(f"{refused}: {kept}")
    words = list(map(str, artifacts.SweepDirectory(Path(text)).plan["arguments"]))
    if any(word.lstrip().startswith("-") for word in words):
        raise SweepNotResumedError(f"sweep.resume={text}: its plan has flags, which none records")
    # The plan may be a stranger's: packages are allowed by this command line.
    began_with = [word for word in words if not re.match(r"[\s+]*allow\s*=", word)]
    directory = in_quotes(text)
    return ["-m", *began_with, *others, f"hydra.sweep.dir={directory}", f"{RESUME}{directory}"]


def arguments_for_hydra(arguments: Sequence[str], composed: conf.Composed | None) -> list[str]:
    """Return the arguments for Hydra, with the directory to write into where we know it."""
    if composed is None:
        return list(arguments)
    if composed.sweep is not None:
        # argparse takes no overrides on both sides of a flag.
        overrides = [each for each in arguments if each not in MULTIRUN_FLAGS]
        # Hydra composes the directory again, with another date and time, and must not write into
        # the directories of the jobs.
        directory = f"hydra.sweep.dir={in_quotes(str(composed.sweep))}"
        return ["-m", *overrides, directory, "hydra.output_subdir=null", "hydra/job_logging=sweep"]
    search = composed.configs[0].search
    if not isinstance(search, schema.RungSearchConfig) or search.resume is False:
        return list(arguments)
    found: Path | None
    if isinstance(search.resume, str):
        found = Path(search.resume)
        if artifacts.read_plan(found) is None or artifacts.is_complete(found):
            valid = "the directory of a run whose search is unfinished, since it was killed or"
            valid += " interrupted, or true for the newest of this configuration"
            raise InvalidValueError("search.resume", search.resume, valid)
    elif artifacts.read_plan(composed.directory) is not None:
        found = composed.directory  # hydra.run.dir names it
    else:
        unfinished = artifacts.unfinished_runs(Path(artifacts.OUTPUTS))
        compared = [(run, *_compare(run, composed.configs[0])) for run in unfinished]
        same = [run for run, _, differing in compared if not differing]
        # Without one, a run of the same dataset and engine is named, with what differs.
        similar = [run for run, is_similar, _ in compared if is_similar]
        found = next(
            iter([*same, *(run for run in similar if not artifacts.is_searched(run))]), None
        )
    if found is None:
        return list(arguments)
    # The run checks this too, but Hydra would have written into its directory by then.
    if artifacts.is_searched(found):
        raise RunningError(found, "another process")
    if differing := _compare(found, composed.configs[0])[1]:
        raise ResumeDiffersError(found, differing)
    return [*arguments, f"hydra.run.dir={in_quotes(str(found))}"]


def _compare(run: Path, config: conf.TrainConfig) -> tuple[bool, list[str]]:
    """Return whether an unfinished run has the dataset and the engine, and all that differs."""
    then = (artifacts.read_plan(run) or {}).get("config", {})
    now = artifacts.as_plain(conf.identity_of(config))
    if now["dataset"].get("pos_label") is None and isinstance(then.get("dataset"), dict):
        # Found in the data, which are compared when they are read.
        now["dataset"]["pos_label"] = then["dataset"].get("pos_label")
    engine, engine_now = (
        each["search"].get("engine") if isinstance(each.get("search"), dict) else None
        for each in (then, now)
    )
    is_similar = (then.get("dataset"), engine) == (now["dataset"], engine_now)
    return is_similar, artifacts.differences(then, now, "config")


# --- The sweep as a whole.


@contextmanager
def sweep(arguments: Sequence[str], composed: conf.Composed | None) -> Iterator[None]:
    """Open the directory of a sweep for the block, then write its leaderboard and report.

    Does nothing for a single run. Raises SweepFailedError if a job failed.
    """
    if composed is None or composed.sweep is None:
        yield
        return
    directory = artifacts.SweepDirectory(composed.sweep)
    began_with = [argument for argument in arguments if argument not in MULTIRUN_FLAGS]
    for n_jobs in (a.removeprefix(N_JOBS) for a in began_with if a.startswith(N_JOBS)):
        if n_jobs.isdecimal() and int(n_jobs) > cores.n_cores():
            valid = f"at most one job per core, {cores.n_cores()}"
            raise InvalidValueError(N_JOBS.rstrip("="), int(n_jobs), valid)
    # What a resumed sweep must have in common with the first run of it. A table of OpenML is
    # determined by its name and version.
    tables = [config.dataset for config in composed.configs]
    paths = {table.path for table in tables if isinstance(table, data_schema.FileDatasetConfig)}
    determinants = {
        "jobs": {str(n): conf.identity_of(config) for n, config in enumerate(composed.configs)},
        "data": {path: _content_hash(path) for path in sorted(paths)},
        "code": artifacts.deciding_code_hash(),
    }
    accept_changes = composed.configs[0].sweep.accept_changes
    directory.open(began_with, determinants, n_jobs=composed.n_jobs, accept_changes=accept_changes)
    with closing(directory):
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
                if any(config.report.index for config in composed.configs):
                    refresh_page(directory.path)
            finally:
                directory.mark(f"=== END {artifacts.timestamp()} ===")
        failed = [run for run in found if run.record.state not in artifacts.COMPLETE]
        for run in failed:
            if any(run.path.iterdir()):
                console.complain(f"{run.path.name}: {_cause(run.record)}; see {run.path}/train.log")
        if failed:
            raise SweepFailedError(len(failed), ", ".join(run.path.name for run in failed))


def _content_hash(path: str) -> str:
    """Return a hash of the bytes of a file or an address, or of the files of a directory."""
    if path == "-":
        raise InvalidValueError("dataset.path", path, "a file: the jobs of a sweep all read it")
    if is_remote(path):
        # Another file may be there when the sweep is resumed. Arrow is loaded for this only.
        from tabproof.reading import fetch

        return sha256(fetch(path).content).hexdigest()
    here = Path(path).expanduser()
    parts = sorted(each for each in here.rglob("*") if each.is_file()) if here.is_dir() else [here]
    return sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()


def _write_leaderboard(
    directory: artifacts.SweepDirectory, found: Sequence[artifacts.Found], composed: conf.Composed
) -> None:
    """Write the leaderboard and the report, and print the leaderboard."""
    words = [run.path.name.partition("_")[2].split(",") for run in found]
    common = set.intersection(*map(set, words)) if len(words) > 1 else set()
    shown = []
    for run, each in zip(found, words, strict=True):
        record = run.record
        if record.dataset == "?":
            record = replace(record, dataset=artifacts.chosen("dataset", each) or "?")
        differing = [word for word in each if word not in common]
        record = replace(record, overrides=differing or record.overrides)
        shown.append(replace(run, record=record))
    shown = listing.ranked(shown)
    for ending, form in (("csv", listing.as_csv), ("md", listing.as_markdown)):
        artifacts.write_atomically(directory.path / f"leaderboard.{ending}", form(shown).encode())
    if any(config.report.page for config in composed.configs):
        # Loads the libraries of plots.
        from tabproof.runs import side_by_side

        page, language = directory.path / artifacts.REPORT, composed.configs[0].report.language
        missing = max(composed.n_jobs - len(found), 0)
        try:
            seconds = side_by_side.write_page(
                page, found, name=directory.path.name, language=language, n_not_begun=missing
            )
        except Exception as error:
            # The jobs have not failed because the page did.
            console.complain(f"{page} was not written: {type(error).__name__}: {error}")
        else:
            with suppress(OSError):
                artifacts.point_to(directory.path / "leaderboard.html", page)
            line = f"report {page} ({seconds:.1f} s)"
            directory.mark(f"--- {line}")
            console.say(line)
    console.say(listing.as_text(shown, width=120))


# --- One job of a sweep.


def run_job(hydra_config: Any, asked: schema.SweepConfig) -> bool:
    """Run a job of a sweep in a process of its own; return False if this process has to run it."""
    job, dataset = Path(hydra_config.runtime.output_dir), hydra_config.runtime.choices.dataset
    directory = artifacts.SweepDirectory(job.parent)
    if not directory.is_begun:
        return False
    # A damaged run counts as complete here: it is reported at the end, and nothing is removed.
    is_done = artifacts.is_complete(job) or artifacts.read_record(job).elsewhere is not None
    if is_done or directory.is_stopped:
        directory.mark(f"--- DS={dataset} SKIP {'complete' if is_done else 'stopped'} {job.name}")
        return True
    # Not resolved: a column may be called `${y}`.
    task = cast(list[str], OmegaConf.to_container(hydra_config.overrides.task))
    chosen = {override.partition("=")[0] for override in task}
    overrides = [each for each in task if not each.startswith(RESUME)]
    overrides.append(f"hydra.run.dir={in_quotes(str(job))}")
    # The launcher of joblib has the number of jobs at once, or -1; others run one job at a time,
    # or each on a machine of its own.
    n_jobs = hydra_config.launcher.get("n_jobs", 1)
    n_at_once = n_jobs if n_jobs > 0 else cores.n_cores()
    if n_at_once > 1:
        # The cores are divided among jobs, unless the user has chosen otherwise.
        n = max(cores.n_cores() // n_at_once, 1)
        wanted = {"runtime.workers": n, "runtime.openmp_threads": n, "runtime.progress": False}
        if "runtime" in chosen:  # runtime=serial, for example, has its own numbers
            wanted = {"runtime.progress": False}
        overrides += [f"{key}={value}" for key, value in wanted.items() if key not in chosen]
    seconds = None if asked.time_limit is None else conf.seconds_of(asked.time_limit)
    for attempt in range(asked.retries + 1):
        resume = artifacts.clear_job(job, keeps_fits=not asked.accept_changes)
        words = [*overrides, *([f"search.resume={in_quotes(str(job))}"] if resume else [])]
        directory.mark(f"--- DS={dataset} start {artifacts.timestamp()} {job.name}")
        start = perf_counter()
        ended = process.run_child([sys.executable, "-m", "tabproof", "train", *words], seconds)
        result = "OK" if ended.code == 0 else "FAIL"
        took = f"{perf_counter() - start:.0f} s" + (", its time was up" if ended.is_late else "")
        directory.mark(f"--- DS={dataset} {result} rc={ended.code} {job.name} ({took})")
        if ended.is_interrupted:
            directory.stop()
            interrupt = KeyboardInterrupt()
            again = shell_word(f"{RESUME}{directory.path}")
            interrupt.add_note(f"in a sweep; go on with -m {again}")
            raise interrupt
        # A mistake of the user is the same mistake the next time.
        if ended.code in (0, UserError.exit_code):
            break
        log.warning("%s: %s", job.name, _cause(artifacts.read_record(job)))
        if attempt < asked.retries:
            log.info("begun again, %d of %d times", attempt + 1, asked.retries)
    if ended.code != 0 and asked.fail_fast:
        directory.stop()
    return True


def _cause(record: artifacts.Record) -> str:
    return record.cause or f"{record.state}; its messages are on the console"
