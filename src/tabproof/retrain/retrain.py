"""Train a promoted model again with newer rows, and promote the new run if it is better.

The configuration is that of the promoted version, composed again as a replay does. Both models are
compared on rows that neither was trained on: of those that the new run holds out.
"""

import logging
import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from tabproof import artifacts, data, experiment
from tabproof import config as conf
from tabproof.batch.frames import as_arrow
from tabproof.batch.scoring import PROBA, ROW
from tabproof.batch.table import TableScorer
from tabproof.errors import CommandLineError, InvalidValueError, MissingValueError, UserError
from tabproof.evaluation.comparison import Comparison, compare_in_all
from tabproof.monitoring.check import check_log
from tabproof.monitoring.log_files import opened_log
from tabproof.monitoring.result import ALARM, FINE
from tabproof.retrain import newer_rows
from tabproof.retrain.logged_rows import read_labelled_rows
from tabproof.retrain.newer_rows import NewerRows
from tabproof.retrain.promoted import (
    NotRetrainableError,
    Promoted,
    load_old_rows,
    read_promoted,
)
from tabproof.retrain.unseen import were_seen
from tabproof.runs.promote import LEVEL, check_columns, me, schema_differences
from tabproof.runs.refresh import rewrite_page
from tabproof.runtime import console
from tabproof.steps.search import make_plan
from tabproof.text import shell_word

# Rows of each label on which two models are compared: with fewer, hardly any difference is shown.
LEAST_OF_LABEL = 10


class CannotCompareError(UserError):
    """Too few rows that the promoted version was not trained on."""

    template = "cannot tell whether a new run is better than version {version}: {reason}"


class NotBetterError(UserError):
    """A new run that is not shown to be better than the promoted version."""

    exit_code = 1
    template = (
        "not promoted: {figures}, {where}; a difference above 0 with p below {level} is needed; the"
        " new run is {path}"
    )


class OtherCurrentError(UserError):
    """Another version was promoted while the new run was trained."""

    exit_code = 1
    template = (
        "not promoted: meanwhile version {current} became current, and the new run was compared"
        " with {version}; the new run is {path}"
    )


class CheckFailedError(UserError):
    """A check that found neither an alarm nor that there is none."""

    template = "--if-alarm: the check of '{name}' has no answer: {reason}"


@dataclass(frozen=True)
class Rows:
    """How many rows are learned from and held out, and those on which both models are compared.

    compared : features of the rows held out that the promoted version was not trained on. unknown :
    why that is not known; empty if it is.
    """

    n_train: int
    n_test: int
    compared: pd.DataFrame
    unknown: str

    @property
    def where(self) -> str:
        """On which rows the models are compared."""
        n = len(self.compared)
        n_out = self.n_test - n
        if self.unknown:
            return (
                f"on {n:,} rows held out (whether the current version was trained on some of them"
                f" is not known: {self.unknown})"
            )
        left_out = f" ({n_out:,} that the current version may know are left out)" if n_out else ""
        return f"on {n:,} rows that neither was trained on{left_out}"


def retrain(
    name: str,
    overrides: Sequence[str],
    *,
    data_file: str | None,
    log: str | None,
    append: bool,
    if_alarm: bool,
    no_label_alarms: bool,
    dry_run: bool,
    min_rows: int,
    who: str | None,
    why: str,
    outputs: Path,
    models: Path,
) -> tuple[str, int]:
    """Train a model again and promote the new run if it is better; return text and exit code.

    Whatever fails, the version that was current stays so: a promotion is one step, the last one.

    Parameters
    ----------
    name : of a promoted model.
    overrides : of its configuration, keys that decide no number; dataset.path=… says where the
        table of the promoted version is now.
    data_file : the new table, with the columns and the target of the old one.
    log : a prediction log, whose rows with a label are the new table; or which is checked.
    append : add the file to the old table, which must be there unchanged.
    if_alarm : do nothing unless a check of the log ends with an alarm.
    no_label_alarms : in that check, labels raise none.
    dry_run : end before training.
    min_rows : rows with a label that are needed.
    """
    if (data_file is None) == (log is None) and not (if_alarm and data_file is not None):
        what = "is needed" if log is None else "and not both"
        raise CommandLineError("python -m src.runs retrain", f"--data FILE or --log DIR {what}")
    if if_alarm and log is None:
        raise MissingValueError("--log beside --if-alarm", "predictions")
    if append and data_file is None:
        raise MissingValueError("--data beside --append", "newer.csv")
    if min_rows < 1:
        raise InvalidValueError("--min-rows", min_rows, "1 or more")
    promoted = read_promoted(name, models)
    with ExitStack() as copied:
        place = copied.enter_context(opened_log(log, name)) if log is not None else Path()
        if if_alarm:
            alarm = find_alarm(name, place, outputs, models, label_alarms=not no_label_alarms)
            if alarm is None:
                return f"{name}: no alarm, nothing to do", 0
            console.say(f"alarm     {alarm}")
        config, _ = conf.recompose(promoted.config, overrides, to_its_end=False)
        old = load_old_rows(promoted, overrides) if append else None
        if data_file is None:
            newer = _rows_of_log(place, promoted, config, min_rows, outputs)
            if not any(word.startswith("report.what_if=") for word in overrides):
                # The report would show rows of clients, and goes wherever the model goes.
                newer.config.report.what_if = False
        elif old is None:
            newer = newer_rows.of_file(data_file, promoted, config, min_rows)
        elif isinstance(old, str):
            version = promoted.version
            raise NotRetrainableError(f"--append needs the rows of version {version}: {old}")
        else:
            newer = newer_rows.of_old_and_file(old, data_file, promoted, config, outputs)
    with ExitStack() as refused:
        refused.callback(newer_rows.discard, newer)
        rows = _divided(promoted, newer, old, overrides)
        if dry_run:
            return (
                f"would train   {name}: {rows.n_train:,} rows to learn from,"
                f" {rows.n_test:,} held out\n"
                f"would compare with version {promoted.version}, {rows.where}"
            ), 0
        path = _trained(newer.config, name, outputs)
        # From now on the table belongs to a run, which replays from it.
        refused.pop_all()
    found = _compare(path, promoted, rows)
    figures = "; ".join(comparison.in_words() for comparison in found)
    if not found[0].is_better(LEVEL):
        raise NotBetterError(figures=figures, where=rows.where, level=LEVEL, path=path)

    def check(current: Path) -> str:
        if current.name != promoted.version:
            raise OtherCurrentError(current=current.name, version=promoted.version, path=path)
        check_columns(path, current, name)
        return f"{figures}, {rows.where}"

    registry = artifacts.Registry(models)
    after = registry.promote(path, name, who or me(), why or "trained again", check)
    rewrite_page(outputs, models)
    elsewhere = "" if models == Path("models") else f" --models {shell_word(str(models))}"
    return (
        f"promoted  {name} {after.version}, from {path}: {figures}, {rows.where}\n"
        f"go back   python -m src.runs rollback {name}{elsewhere}"
    ), 0


def find_alarm(
    name: str, log: Path, outputs: Path, models: Path, *, label_alarms: bool = True
) -> str | None:
    """Return the alarms of a check of the log in one line; None if there is none.

    Raises CheckFailedError where the check has no answer, and what `check_log` raises.
    """
    checked = check_log(log, model=name, outputs=outputs, models=models, label_alarms=label_alarms)
    if checked.exit_code == FINE:
        return None
    if checked.exit_code == ALARM:
        return "; ".join(alarm.message for model in checked.models for alarm in model.alarms)
    runs = [run for model in checked.models for run in model.runs if not run.is_judged]
    reasons = [f"{each.what}: {each.reason}" for run in runs for each in run.left_out]
    reason = next(iter([*checked.notes, *reasons]), "no run answered in the last days")
    raise CheckFailedError(name=name, reason=reason)


def _rows_of_log(
    log: Path, promoted: Promoted, config: conf.TrainConfig, least: int, outputs: Path
) -> NewerRows:
    """Return the labelled rows of a log, and say what of it was left out."""
    found = read_labelled_rows(log, promoted.name, promoted.schema)
    if found.n_ambiguous:
        console.say(f"left out  {found.n_ambiguous:,} rows that share a request id and a place")
    if found.damaged:
        console.say(f"left out  {len(found.damaged)} damaged files, such as {found.damaged[0]}")
    if (group := getattr(config.cv, "group_column", None)) is not None:
        console.say(f"note      a log has no '{group}': rows of one group may be on both sides")
    return newer_rows.of_log(found, promoted, config, least, outputs)


def _divided(
    promoted: Promoted,
    newer: NewerRows,
    old: data.Division | str | None,
    overrides: Sequence[str],
) -> Rows:
    """Load and divide the rows; refuse, before anything is trained, what could not be promoted.

    old : the rows of the promoted version, or why there are none; None if that was not tried.
    Raises NotRetrainableError for other columns or labels, CannotCompareError for too few rows.
    """
    conf.check_config(newer.config)
    # Loading logs its lines again when the run is trained.
    try:
        with console.logging_to(logging.NullHandler()):
            division = experiment.load_rows(newer.config, make_plan(newer.config))
    except InvalidValueError as error:
        # Of keys that the rows of before allowed, such as the positive one of two labels.
        reason = f"the rows are of another kind than those of version {promoted.version}: {error}"
        raise NotRetrainableError(reason) from error
    schema = data.describe(division.table, division.X_train)
    if differing := schema_differences(promoted.schema, schema):
        raise NotRetrainableError(
            f"the rows differ from those of version {promoted.version}, whose clients would be"
            f" refused: {'; '.join(differing)}"
        )
    is_new, unknown = np.zeros(len(division.test), dtype=np.bool_), ""
    if newer.time is not None:
        times = pd.to_datetime(division.table.non_features[newer.time], utc=True)
        is_new = (times.iloc[division.test] > promoted.since).to_numpy(np.bool_)
    if old is None and not is_new.all():
        old = load_old_rows(promoted, overrides)
    if isinstance(old, data.Division):
        is_new = is_new | ~were_seen(old, division)
    elif isinstance(old, str) and newer.time is None:
        is_new[:], unknown = True, old
    counts = np.bincount(division.y_test[is_new], minlength=len(division.table.labels))
    rarest = int(counts.argmin())
    if counts[rarest] < LEAST_OF_LABEL:
        reason = (
            f"of {len(is_new):,} rows held out it was not trained on {int(is_new.sum()):,}, with"
            f" {counts[rarest]} of label '{division.table.labels[rarest]}';"
            f" {LEAST_OF_LABEL} of each label are needed"
        )
        raise CannotCompareError(version=promoted.version, reason=reason)
    # Not the whole table: the run loads it again.
    compared = division.X_test[is_new].copy()
    return Rows(len(division.train), len(division.test), compared, unknown)


def _trained(config: conf.TrainConfig, name: str, outputs: Path) -> Path:
    """Train a run in a dated directory, and return it."""
    now = datetime.now().astimezone()
    folder = f"{now:%H-%M-%S}_{name}_retrain_{secrets.token_hex(4)}"
    directory = outputs / f"{now:%Y-%m-%d}" / folder
    directory.mkdir(parents=True)
    log_file = console.LogFile(artifacts.RunDirectory(directory).log, encoding="utf-8")
    log_file.setFormatter(logging.Formatter(console.LINE))
    with console.logging_to(console.ConsoleHandler(), log_file):
        summary = experiment.make_run(config, directory)
    console.say(summary.result_line())
    return directory


def _compare(path: Path, promoted: Promoted, rows: Rows) -> list[Comparison]:
    """Compare the new run with the promoted version, on rows that neither was trained on."""
    new = artifacts.read_predictions(path)
    hold_out = new.hold_out().loc[rows.compared.index]
    scorer = TableScorer(promoted.path, explain=False)
    part = scorer.score(as_arrow(rows.compared.reset_index(drop=True)))
    if part.faults:
        raise CannotCompareError(
            version=promoted.version,
            reason=f"it cannot score {len(part.faults):,} of the rows: {part.faults[0].reason}",
        )
    scored = part.table.to_pandas().set_index(ROW).sort_index()
    columns = [f"{PROBA}{label}" for label in scorer.labels]
    return compare_in_all(
        hold_out["y_true"].to_numpy(np.int64),
        hold_out[columns].to_numpy(np.float64),
        scored[columns].to_numpy(np.float64),
        (new.summary.threshold, promoted.summary.threshold),
    )
