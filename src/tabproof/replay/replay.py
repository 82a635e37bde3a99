"""Replay a run: compare what it depends on, train it again, and compare the results."""

import json
import logging
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from itertools import starmap
from pathlib import Path
from typing import Any

from tabproof import artifacts, data, experiment
from tabproof import config as conf
from tabproof.artifacts import run_directory as stored
from tabproof.artifacts.errors import UnverifiedRunError
from tabproof.errors import FileMissingError, InvalidValueError, UserError
from tabproof.reading.source import is_address
from tabproof.replay import differences
from tabproof.replay.fresh import NotReplayableError, replay_in_fresh_environment
from tabproof.runtime import console
from tabproof.search import RecordedFits
from tabproof.steps.search import make_plan
from tabproof.text import override_word

NEEDED = (stored.CONFIG, stored.SUMMARY, stored.PREDICTIONS)
# A replay in which one of these differs is not identical; others may differ.
DECISIVE = {"configuration", "data", "numbers", "evaluation", "predictions"}
# How much other kernels may change a number, and the exit code if they did.
CLOSE, CLOSE_CODE = 1e-12, 3
# What is compared, the differences, and what to print if there are none.
Comparison = tuple[str, list[str], str]


def replay(
    run: str,
    overrides: Sequence[str],
    *,
    output: Path | None,
    check: bool,
    environment: bool,
    outputs: Path,
    models: Path,
) -> int:
    """Train a run again, or only compare what it depends on, and return the exit code.

    overrides: of the run's configuration, keys that decide no number. output: the directory of the
    replay; None: one below outputs, which is removed if the replay is identical.
    """
    recorded, text, summary = read_recorded(artifacts.find_run(run, outputs, models))
    path, run_id = recorded.path, recorded.run_id
    if environment:
        words = [run, *overrides, f"--outputs={outputs}", f"--models={models}"]
        words += [f"--output={output}"] if output else []
        words += ["--check"] if check else []
        return replay_in_fresh_environment(recorded, words)
    if output is not None:
        is_taken = output.resolve().is_relative_to(path.resolve())
        try:
            stored.refuse_taken(output)
        except UserError:
            is_taken = True
        if is_taken:
            valid = "an empty or new directory outside of the run; without it a replay makes one"
            raise InvalidValueError("--output", output, valid)
    recorded_fits: RecordedFits | None = None
    if summary.stopped is not None and summary.finished is not None:
        recorded_fits = RecordedFits(summary.stopped, frozenset(summary.finished))
    # Without a list of its fits, a search that a budget ended would end elsewhere in any case.
    to_its_end = summary.stopped is None or recorded_fits is not None
    moved = any(each.startswith("dataset.path=") for each in overrides)
    if not moved and (saved := artifacts.saved_data(path)) is not None:
        overrides = [*overrides, *conf.overrides_of({"path": str(saved)})]
    config, added = conf.recompose(text, overrides, to_its_end=to_its_end)
    source = str(getattr(config.dataset, "path", ""))
    if not any(each.startswith("dataset.path=") for each in overrides):
        _refuse_remote(source)
    try:
        conf.check_config(config)
    except FileMissingError as error:
        if moved:
            raise
        raise NotReplayableError(
            f"the run was trained on dataset.path={getattr(config.dataset, 'path', '?')}, and there"
            f" is no such file (from {Path.cwd()}); say where a copy of its data is, which has the"
            f" fingerprint {summary.data.sha256[:16]}: python -m src.replay RUN dataset.path=…"
            " (of a DataFrame, what its to_parquet() writes); save_data=true keeps the data with"
            " the next run"
        ) from error
    _say("run", f"{path}, run id {run_id}")
    differing = _report(_compare_inputs(run_id, summary, config, added))
    names = ", ".join(differing)
    if check:
        console.say(f"differs: {names}" if names else "nothing differs; not trained again")
        return 1 if differing else 0
    now = datetime.now().astimezone()
    # Neither `latest` nor a leaderboard nor a check finds it there, even if it is interrupted.
    place = f"{now:%Y-%m-%d_%H-%M-%S}_{run_id}_{secrets.token_hex(4)}"
    directory = output or outputs / stored.REPLAYS / place
    _say("training again", str(directory))
    directory.mkdir(parents=True, exist_ok=True)
    log_file = console.LogFile(artifacts.RunDirectory(directory).log, encoding="utf-8")
    log_file.setFormatter(logging.Formatter(console.LINE))
    with console.logging_to(console.ConsoleHandler(), log_file):
        experiment.run_experiment(config, directory, is_latest=False, recorded=recorded_fits)
    differing += _report(_compare_results(recorded, summary, directory))
    names = ", ".join(differing)
    decisive = DECISIVE & set(differing)
    is_close = (
        "platform" in differing
        and decisive.isdisjoint(("configuration", "data"))
        and _largest_difference(recorded, summary, directory) <= CLOSE
    )
    if decisive and not is_close:
        console.say(f"differs: {names}; the replay is kept in {directory}")
        return 1
    if decisive:
        platform = artifacts.recorded_platform(directory)
        reason = "; ".join(differences.fact_differences(summary.platform, platform))
        console.say(f"identical up to {CLOSE:g}: this machine's kernels differ ({reason})")
        return CLOSE_CODE
    if output is None:
        # It holds nothing that the run does not.
        shutil.rmtree(directory, ignore_errors=True)
        with suppress(OSError):
            directory.parent.rmdir()
    console.say("identical" + (f", though this differs: {names}" if names else ""))
    return 0


def _refuse_remote(source: str) -> None:
    """Refuse to fetch what only a run names: it may be a stranger's."""
    if source == "-":
        raise NotReplayableError(
            "the run was trained on standard input; say where a copy of its data is:"
            " python -m src.replay RUN dataset.path=…"
        )
    if is_address(source):
        raise NotReplayableError(
            f"the run names dataset.path={source}, which is fetched only if you say so:"
            f" python -m src.replay RUN {override_word('dataset.path', source)}"
        )


def read_recorded(path: Path) -> tuple[artifacts.VerifiedRun, str, artifacts.Summary]:
    """Verify every byte of a run; return it, its config.yaml and its summary."""
    name = ""
    try:
        run = artifacts.read_verified(
            path, {*NEEDED, stored.ENVIRONMENT, stored.EVIDENCE}.__contains__
        )
        for name in NEEDED:
            if name not in run.files:
                raise NotReplayableError(f"{path} has no {name}; take another run")
        name = stored.SUMMARY
        summary = artifacts.Summary.from_json(run.files[stored.SUMMARY])
        name = stored.CONFIG
        return run, run.files[stored.CONFIG].decode(), summary
    except UnverifiedRunError as error:
        raise NotReplayableError(str(error)) from error
    except ValueError as error:
        raise NotReplayableError(f"{path / name} {error}; take another run") from error


def _compare_inputs(
    run_id: str, then: artifacts.Summary, config: conf.TrainConfig, added: Sequence[str]
) -> Iterator[Comparison]:
    """Compare what decides the numbers, before training, which may take long."""
    # Loading logs its lines again when the run is trained.
    with console.logging_to(logging.NullHandler()):
        plan = make_plan(config)
        division = experiment.load_rows(config, plan)
        now = artifacts.as_plain(experiment.find_determinants(config, plan, division))
    lines = []
    if added:
        lines = [f"keys that the run did not have: {', '.join(added)}"]
    # The id of a run that was stopped depends on which fits were finished.
    elif then.stopped is None or then.finished is not None:
        stopped = {} if then.stopped is None else {"finished": then.finished}
        facts = {"code": then.code, "versions": then.versions, "platform": then.platform}
        found = artifacts.run_id_of(config=now["config"], data=then.data.sha256, **facts, **stopped)
        if found != run_id:
            lines = [f"config.yaml gives run id {found} on the run's own data, code and versions"]
    yield "configuration", lines, "the same"
    fingerprint = asdict(data.fingerprint(division.table))
    n_then, n_now = then.n_train + then.n_test, len(division.table.X)
    lines = differences.data_differences(asdict(then.data), fingerprint, n_then, n_now)
    yield "data", lines, "the same"
    lines = []
    if then.code != now["code"]:
        lines = ["the run had other files in src/, and no commit to name"]
        if commit := then.git.get("commit"):
            patch = "" if then.git.get("clean") else " with code.patch on top"
            lines = [f"the run had commit {commit[:12]}{patch}; src/ is not that now"]
    yield "code", lines, "the same"
    yield "versions", differences.fact_differences(then.versions, now["versions"]), "the same"
    level = now["platform"].get("level", "with this processor's own kernels")
    lines = differences.fact_differences(then.platform, now["platform"])
    yield "platform", lines, f"the same, {level}"
    if then.stopped is not None:
        reason = f"the run was stopped early ({then.stopped})"
        if then.finished is None:
            _say("note", f"{reason}: a search that time ends cannot be repeated")
        else:
            _say("note", f"{reason}: its {len(then.finished)} fits are repeated, and no others")


def _compare_results(
    recorded: artifacts.VerifiedRun, summary: artifacts.Summary, directory: Path
) -> Iterator[Comparison]:
    """Compare every number, and the predictions."""
    then, files = asdict(summary), recorded.files
    now = asdict(artifacts.Summary.from_json((directory / stored.SUMMARY).read_bytes()))
    n_numbers = len(differences.recorded_numbers(then))
    yield "numbers", differences.number_differences(then, now), f"the same, all {n_numbers}"
    if stored.EVIDENCE in files:
        evidence = (directory / stored.EVIDENCE).read_bytes()
        lines = differences.evidence_differences(files[stored.EVIDENCE], evidence)
        yield "evaluation", lines, "the same"
    before, after = files[stored.PREDICTIONS], (directory / stored.PREDICTIONS).read_bytes()
    lines = [] if before == after else differences.prediction_differences(before, after)
    how = ", byte for byte" if before == after else " to the last bit, in a file of other bytes"
    yield "predictions", lines, f"the same{how}"


def _largest_difference(
    recorded: artifacts.VerifiedRun, summary: artifacts.Summary, directory: Path
) -> float:
    """Return by how much any number differs; infinity where something else does."""
    files = recorded.files
    then = differences.recorded_parts(asdict(summary))
    again = artifacts.Summary.from_json((directory / stored.SUMMARY).read_bytes())
    now = differences.recorded_parts(asdict(again))
    # Numbers that only this version records are not compared.
    pairs: list[tuple[Any, Any]] = [(then, {key: now.get(key) for key in then})]
    if stored.EVIDENCE in files:
        evidence = (directory / stored.EVIDENCE).read_bytes()
        pairs.append((json.loads(files[stored.EVIDENCE]), json.loads(evidence)))
    predictions = files[stored.PREDICTIONS], (directory / stored.PREDICTIONS).read_bytes()
    before, after = map(differences.predictions_as_tree, predictions)
    pairs.append((before, after))
    return max(starmap(differences.largest_difference, pairs))


def _report(comparisons: Iterable[Comparison]) -> list[str]:
    """Print each comparison, and return what differs."""
    differing = []
    for what, lines, same in comparisons:
        for line in lines or [same]:
            _say(what, f"differs: {line}" if lines else line)
        differing += [what] if lines else []
    return differing


def _say(what: str, line: str) -> None:
    # It may be a stranger's text, which a terminal would obey.
    console.say(f"{what:<15}{line if line.isprintable() else artifacts.one_line(line)}")
