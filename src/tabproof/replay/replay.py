"""The story of a replay: read the run, compare what it stands on, train, compare what came out."""

import logging
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tabproof import artifacts, data, experiment
from tabproof import config as conf
from tabproof.artifacts.run_directory import EVIDENCE, PREDICTIONS, REPLAYS, SUMMARY, refuse_taken
from tabproof.errors import DirectoryTakenError, FileMissingError, RunExistsError
from tabproof.replay import differences as comparing
from tabproof.replay.errors import ReplayDataMissingError, ReplayOutputError
from tabproof.replay.fresh import replay_in_fresh_environment
from tabproof.replay.recorded import Recorded, read_recorded
from tabproof.runtime import console

# What numbers stand on, in the order in which it is told.
CONFIGURATION, DATA = "configuration", "data"
# Of another run these two are; all else may differ and give the same numbers.
MADE_OF = (CONFIGURATION, DATA)
WIDTH = 15


@dataclass
class Findings:
    """What differs, in words, by what it is in; empty lists where nothing does."""

    differing: dict[str, list[str]] = field(default_factory=dict)

    def tell(self, what: str, differences: list[str], same: str = "the same") -> None:
        """Note and print a comparison."""
        self.differing[what] = differences
        for line in differences or [same]:
            console.say(f"{what.ljust(WIDTH)}{'differs: ' if differences else ''}{line}")

    def names(self) -> list[str]:
        """List what differs."""
        return [what for what, differences in self.differing.items() if differences]


@dataclass(frozen=True)
class Request:
    """What to replay, and how.

    overrides: of the run's configuration, keys that decide no number. output: where the replay
    goes; None: below outputs, and removed if it is identical.
    """

    run: str
    overrides: list[str]
    output: Path | None
    check: bool
    environment: bool
    outputs: Path
    models: Path

    def arguments(self) -> list[str]:
        """Return the command line of the same replay with the libraries that are there."""
        places = [f"--outputs={self.outputs}", f"--models={self.models}"]
        places += [f"--output={self.output}"] if self.output else []
        return [self.run, *self.overrides, *places, *(["--check"] if self.check else [])]


def replay(asked: Request) -> int:
    """Train a run again, or only compare what it stands on, and return the exit code."""
    recorded = read_recorded(artifacts.find_run(asked.run, asked.outputs, asked.models))
    if asked.environment:
        return replay_in_fresh_environment(recorded, asked.arguments())
    again = recompose(recorded, asked)
    if asked.output is not None:
        refuse_output(asked.output, recorded)
    console.say(f"{'run'.ljust(WIDTH)}{recorded.path}, run id {recorded.run_id}")
    findings = compare_grounds(recorded, again)
    if asked.check:
        return conclude_check(findings)
    directory = asked.output or _new_directory(recorded, asked.outputs)
    console.say(f"{'training again'.ljust(WIDTH)}{directory}")
    with _logged_to(directory):
        experiment.run_experiment(again.config, directory, is_latest=False)
    compare_results(recorded, directory, findings)
    return conclude(findings, directory, keep=asked.output is not None)


def recompose(recorded: Recorded, asked: Request) -> conf.Recomposed:
    """Compose the run's configuration, with this machine's runtime, and check it."""
    # One that a budget ended would end elsewhere, whatever we do.
    was_whole = recorded.summary.stopped is None
    again = conf.recompose(recorded.config, asked.overrides, to_its_end=was_whole)
    try:
        conf.check_config(again.config)
    except FileMissingError as error:
        if any(each.startswith("dataset.path=") for each in asked.overrides):
            raise
        raise ReplayDataMissingError(getattr(again.config.dataset, "path", "?")) from error
    return again


def refuse_output(output: Path, recorded: Recorded) -> None:
    """Refuse a directory that holds anything, or lies in the run that is only read."""
    if output.resolve().is_relative_to(recorded.path.resolve()):
        raise ReplayOutputError(output, f"it lies in the run {recorded.path}")
    try:
        refuse_taken(output)
    except (DirectoryTakenError, RunExistsError) as error:
        raise ReplayOutputError(output, "it is not empty") from error


def compare_grounds(recorded: Recorded, again: conf.Recomposed) -> Findings:
    """Compare what decides numbers, and tell it: training may take long."""
    then, findings = recorded.summary, Findings()
    with _silent():
        plan = experiment.make_plan(again.config)
        division = experiment.load_rows(again.config, plan)
        now = artifacts.as_plain(experiment.find_determinants(again.config, plan, division))
    findings.tell(CONFIGURATION, _configuration_differences(recorded, again, now["config"]))
    fingerprint = asdict(data.fingerprint(division.table))
    n_rows = len(division.table.X)
    findings.tell(
        DATA,
        comparing.data_differences(
            asdict(then.data), fingerprint, then.n_train + then.n_test, n_rows
        ),
    )
    findings.tell("code", _code_differences(then, now["code"]))
    findings.tell("versions", comparing.version_differences(then.versions, now["versions"]))
    findings.tell("platform", comparing.platform_differences(then.platform, now["platform"]))
    if then.stopped is not None:
        console.say(
            f"{'note'.ljust(WIDTH)}the run was stopped early ({then.stopped}):"
            " a search that time ends cannot be repeated"
        )
    return findings


def _configuration_differences(
    recorded: Recorded, again: conf.Recomposed, identity: dict[str, Any]
) -> list[str]:
    if again.added:
        return [f"keys that the run did not have: {', '.join(again.added)}"]
    then = recorded.summary
    if then.stopped is not None:
        # Its id holds which fits were finished, which nobody kept.
        return []
    run_id = artifacts.run_id_of(
        config=identity,
        data=then.data.sha256,
        code=then.code,
        versions=then.versions,
        platform=then.platform,
    )
    if run_id == recorded.run_id:
        return []
    return [f"config.yaml comes to run id {run_id} on the run's own data, code and versions"]


def _code_differences(then: artifacts.Summary, now: str) -> list[str]:
    if then.code == now:
        return []
    git = then.git
    commit = git.get("commit")
    if commit is None:
        return ["the run had other files in src/, and no commit to name"]
    rest = "" if git.get("clean") else " with code.patch on top"
    return [f"the run had commit {commit[:12]}{rest}; src/ is not that now"]


def compare_results(recorded: Recorded, directory: Path, findings: Findings) -> None:
    """Compare every number, and the predictions."""
    then = asdict(recorded.summary)
    now = asdict(artifacts.Summary.from_json((directory / SUMMARY).read_bytes()))
    n_numbers = comparing.count_numbers(then)
    findings.tell(
        "numbers",
        comparing.number_differences(then, now),
        f"the same, all {n_numbers}",
    )
    if recorded.evidence is not None:
        evidence = (directory / EVIDENCE).read_bytes()
        found = comparing.evidence_differences(recorded.evidence, evidence)
        findings.tell("evaluation", found)
    predictions = (directory / PREDICTIONS).read_bytes()
    if predictions == recorded.predictions:
        findings.tell("predictions", [], "the same, byte for byte")
        return
    found = comparing.prediction_differences(recorded.predictions, predictions)
    findings.tell("predictions", found, "the same to the last bit, in a file of other bytes")


def conclude_check(findings: Findings) -> int:
    """Say whether anything differs that could change a number."""
    names = findings.names()
    console.say(f"differs: {', '.join(names)}" if names else "nothing differs; not trained again")
    return 1 if names else 0


def conclude(findings: Findings, directory: Path, *, keep: bool) -> int:
    """Say whether it is identical: numbers decide, wherever and by whatever code they came."""
    names = findings.names()
    is_identical = not {*MADE_OF, "numbers", "evaluation", "predictions"} & set(names)
    though = f", though this differs: {', '.join(names)}" if names else ""
    if not is_identical:
        console.say(f"differs: {', '.join(names)}; the replay is kept in {directory}")
        return 1
    if not keep:
        # It holds nothing that the run does not.
        shutil.rmtree(directory, ignore_errors=True)
        with suppress(OSError):
            directory.parent.rmdir()
    console.say(f"identical{though}")
    return 0


def _new_directory(recorded: Recorded, outputs: Path) -> Path:
    now = datetime.now().astimezone()
    name = f"{now:%Y-%m-%d_%H-%M-%S}_{recorded.run_id}_{secrets.token_hex(4)}"
    # Neither `latest` nor a leaderboard nor a check should find it, least of all one interrupted.
    return outputs / REPLAYS / name


@contextmanager
def _logged_to(directory: Path) -> Iterator[None]:
    """Log as a run does: plain lines on the console, all of it in train.log."""
    log_file = artifacts.RunDirectory(directory).log
    directory.mkdir(parents=True, exist_ok=True)
    to_file = console.LogFile(log_file, encoding="utf-8")
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root, level = logging.getLogger(), logging.getLogger().level
    handlers: list[logging.Handler] = [console.ConsoleHandler(), to_file]
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.setLevel(level)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


@contextmanager
def _silent() -> Iterator[None]:
    """Keep what loading says for the training, which says it again."""
    nowhere = logging.NullHandler()
    logging.getLogger().addHandler(nowhere)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(nowhere)
