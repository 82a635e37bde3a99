"""`monitor check`: compare the log of a served model with its run, and say what changed."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from tabproof import artifacts
from tabproof.errors import InvalidValueError, UserError, listed
from tabproof.monitoring import distances, expected, in_words, joint, known_labels, prometheus
from tabproof.monitoring.alarms import MAX_PER_YEAR, FalseAlarmRateError, detect
from tabproof.monitoring.challenge import compare_challenger
from tabproof.monitoring.counting import (
    ANSWERS,
    CHALLENGER,
    Counted,
    Window,
    count_run,
    microseconds,
    parsed_warnings,
)
from tabproof.monitoring.database import Table, open_table, opened, quoted, text
from tabproof.monitoring.log_files import LogFiles, find_files, log_directory, named
from tabproof.monitoring.logged_runs import LoggedRun, find_logged_run
from tabproof.monitoring.performance import measure_labelled
from tabproof.monitoring.result import (
    MIN_ROWS,
    Challenge,
    Check,
    ColumnQuality,
    Expected,
    LeftOut,
    ModelCheck,
    Period,
    RunCheck,
    Traffic,
)
from tabproof.prediction_log.layout import FEATURE, PROBABILITY

SINCE = "7d"
DAYS = re.compile(r"([1-9]\d{0,3})d")
# Alarms are of all rows of a run, up to this many days back.
HISTORY = 400
# Clocks of several machines differ by less.
TOLERANCE = timedelta(minutes=10)
HOUR = 3_600_000_000


class NoSuchModelError(UserError):
    """A model that is not in the log."""

    template = "the log {log} has no model '{model}'; it has {found}"


def check(
    model: str | None,
    *,
    log: str | None,
    models: Path,
    outputs: Path,
    since: str = SINCE,
    false_alarms: float = 1.0,
    as_json: bool = False,
    prometheus_file: Path | None = None,
) -> tuple[str, int]:
    """Check the models of a log, or one of them; return what to print, and the exit code."""
    found = check_log(
        log_directory(log),
        model=model,
        models=models,
        outputs=outputs,
        since=since,
        false_alarms=false_alarms,
    )
    if prometheus_file is not None:
        artifacts.write_atomically(prometheus_file, prometheus.gauges(found).encode())
    if as_json:
        content = json.dumps(found.to_builtins(), indent=2, ensure_ascii=False, default=str)
        return content, found.exit_code
    return in_words.described(found), found.exit_code


def first_day(since: str, today: date) -> date:
    """Return the first day of a period: `7d` is seven days, today included, or a day itself."""
    if days := DAYS.fullmatch(since):
        return today - timedelta(days=int(days[1]) - 1)
    if artifacts.is_date(since):
        return date.fromisoformat(since)
    raise InvalidValueError("--since", since, "days, as in 7d, or a day, as in 2026-11-01")


def check_log(
    root: Path,
    *,
    models: Path,
    outputs: Path,
    model: str | None = None,
    since: str = SINCE,
    false_alarms: float = 1.0,
    now: datetime | None = None,
) -> Check:
    """Check the models of a log, or one of them.

    Parameters
    ----------
    root : the directory of the log.
    models, outputs : where the runs behind the log are looked for.
    since : days, such as 7d, or the first day of the period.
    false_alarms : promised for a year and model.
    now : rows after it are not looked at.

    Raises
    ------
    InvalidValueError, NoSuchModelError, PackageMissingError, LogUnreadableError
    """
    now = now or datetime.now(UTC)
    first = first_day(since, now.date())
    if not 0 < false_alarms <= MAX_PER_YEAR:
        raise FalseAlarmRateError(asked=false_alarms, most=MAX_PER_YEAR)
    begin = min(first, now.date() - timedelta(days=HISTORY))
    # A directory is of the day on which its rows were answered, by the clock of the service.
    files = find_files(root, begin - timedelta(days=1))
    if model is not None and model not in files.predictions:
        known = listed(list(files.predictions)) or "no rows of any model"
        raise NoSuchModelError(log=root, model=model, found=known)
    unreadable, notes, checked = list(files.unreadable), list[str](), list[ModelCheck]()
    windows = _windows(begin, first, now)
    with opened() as connection:
        labels = None
        if files.labels:
            labels, damaged = open_table(connection, "labels", files.labels)
            unreadable += damaged
        for name, paths in files.predictions.items():
            if model is not None and name != model:
                continue
            table, damaged = open_table(connection, "predictions", paths)
            unreadable += damaged
            if table is not None:
                known_labels.keep_labels(labels, table)
                place = _Place(outputs, models, false_alarms)
                checked.append(_check_model(name, table, windows, place))
    if not checked:
        notes.append(_why_nothing(files, begin))
    return Check(
        log=str(root),
        made=now.isoformat(timespec="seconds"),
        period=Period(first.isoformat(), now.date().isoformat()),
        false_alarms=false_alarms,
        models=checked,
        n_files=files.n_files,
        n_unreadable=len(unreadable),
        unreadable=named(unreadable, root),
        notes=notes,
    )


class _Windows(NamedTuple):
    """All that alarms look at, and the period; first: of the period."""

    history: Window
    period: Window
    first: date


class _Place(NamedTuple):
    outputs: Path
    models: Path
    false_alarms: float


def _windows(begin: date, first: date, now: datetime) -> _Windows:
    start, middle = (
        microseconds(datetime(day.year, day.month, day.day, tzinfo=UTC)) for day in (begin, first)
    )
    end = microseconds(now + TOLERANCE)
    return _Windows(Window(start, end), Window(middle, end), first)


def _why_nothing(files: LogFiles, begin: date) -> str:
    if files.unreadable:
        return "the log holds no whole Parquet file of a prediction"
    return f"the log holds no row since {begin}"


# --- One model.


class _Answered(NamedTuple):
    """Rows of the period of one run and role."""

    run_id: str
    role: str
    n_rows: int
    n_requests: int
    first: int
    last: int


def _check_model(name: str, table: Table, windows: _Windows, place: _Place) -> ModelCheck:
    period = windows.period
    answered = [
        _Answered(*row)
        for row in table.rows(
            'SELECT run_id, role, count(*), count(*) FILTER ("row" = 0), min(epoch_us(time)),'
            f" max(epoch_us(time)) FROM {table.name} WHERE {period.condition}"
            " AND run_id IS NOT NULL AND role IS NOT NULL GROUP BY run_id, role ORDER BY 6, 1, 2"
        )
    ]
    ((n_future, newest),) = table.rows(
        f"SELECT count(*) FILTER (epoch_us(time) >= {period.end}),"
        f" max(epoch_us(time)) FILTER (epoch_us(time) < {period.end}) FROM {table.name}"
    )
    hours = list(_traffic(table, period))
    notes = []
    if n_future:
        notes.append(
            f"{n_future:,} rows are dated after now and left out: a clock of the service is wrong"
        )
    answers = [each for each in answered if each.role in ANSWERS]
    if not answers:
        last = "" if newest is None else f"; the last one is of {_time(newest)}"
        notes.append(f"no row was answered since {windows.first}{last}")
    runs, known = list[RunCheck](), dict[str, LoggedRun]()
    for run_id in dict.fromkeys(each.run_id for each in answered):
        known[run_id] = find_logged_run(run_id, name, place.outputs, place.models)
    for run_id in dict.fromkeys(each.run_id for each in answers):
        of_run = [each for each in answers if each.run_id == run_id]
        runs.append(_check_run(table, windows, of_run, known[run_id], place.false_alarms))
    return ModelCheck(
        model=name,
        n_rows=sum(each.n_rows for each in answers),
        n_requests=sum(each.n_requests for each in answers),
        n_with_warnings=sum(each.n_with_warnings for each in hours),
        n_future=n_future,
        days=_by_day(hours),
        hours=hours,
        runs=runs,
        challengers=list(_challenges(table, period, answered, known)),
        notes=notes,
    )


def _traffic(table: Table, period: Window) -> Iterator[Traffic]:
    roles = ", ".join(map(text, ANSWERS))
    for hour, *counts in table.rows(
        f'SELECT epoch_us(time) // {HOUR} AS hour, count(*), count(*) FILTER ("row" = 0),'
        f" count(warnings) FROM {table.name} WHERE role IN ({roles}) AND {period.condition}"
        " GROUP BY hour ORDER BY hour"
    ):
        yield Traffic(_time(hour * HOUR)[:13], *counts)


def _by_day(hours: Sequence[Traffic]) -> list[Traffic]:
    days: dict[str, list[Traffic]] = {}
    for each in hours:
        days.setdefault(each.at[:10], []).append(each)
    return [
        Traffic(
            day,
            sum(each.n_rows for each in found),
            sum(each.n_requests for each in found),
            sum(each.n_with_warnings for each in found),
        )
        for day, found in days.items()
    ]


def _challenges(
    table: Table, period: Window, answered: Sequence[_Answered], known: dict[str, LoggedRun]
) -> Iterator[Challenge]:
    """Yield each challenger's comparison with each champion whose rows it scored too."""
    for challenger in answered:
        for champion in answered:
            if (challenger.role, champion.role) != (CHALLENGER, "champion"):
                continue
            runs = known[challenger.run_id], known[champion.run_id]
            ids = challenger.run_id, champion.run_id
            found = compare_challenger(
                table,
                period,
                *ids,
                challenger.n_rows,
                [
                    run.labels or _logged_labels(table, period, run_id, (CHALLENGER, *ANSWERS))
                    for run, run_id in zip(runs, ids, strict=True)
                ],
                (runs[0].threshold, runs[1].threshold),
            )
            if found is not None:
                yield found


def _logged_labels(
    table: Table, period: Window, run_id: str, roles: Sequence[str] = ANSWERS
) -> tuple[str, ...]:
    """Return the labels of a run that is gone: those that its rows have probabilities of."""
    names = [
        name.removeprefix(PROBABILITY)
        for name in table.columns
        if name.startswith(PROBABILITY) and table.type_of(name) is not None
    ]
    if not names:
        return ()
    counted = ", ".join(f"count({quoted(PROBABILITY + name)})" for name in names)
    (counts,) = table.rows(
        f"SELECT {counted} FROM {table.name} WHERE run_id = {text(run_id)}"
        f" AND role IN ({', '.join(map(text, roles))}) AND {period.condition}"
    )
    return tuple(name for name, n in zip(names, counts, strict=True) if n)


# --- One run.


def _check_run(
    table: Table,
    windows: _Windows,
    answered: Sequence[_Answered],
    run: LoggedRun,
    false_alarms: float,
) -> RunCheck:
    run_id = answered[0].run_id
    n_rows = sum(each.n_rows for each in answered)
    found = RunCheck(
        run_id=run_id,
        path=None if run.path is None else artifacts.path_text(run.path),
        n_rows=n_rows,
        n_requests=sum(each.n_requests for each in answered),
        n_canary=sum(each.n_rows for each in answered if each.role == "canary"),
        first=_time(min(each.first for each in answered)),
        last=_time(max(each.last for each in answered)),
    )
    left_out = [*run.left_out]
    if n_rows < MIN_ROWS:
        reason = f"it answered {n_rows} rows, and {MIN_ROWS} are needed"
        return replace(found, left_out=[LeftOut("every comparison", reason), *left_out])
    if run.reference is not None:
        counted = count_run(table, run_id, windows.history, run.reference)
        if counted is not None:
            days = counted.days_from(windows.first)
            detection = detect(counted.daily, run.reference, false_alarms)
            found = replace(
                found,
                quality=_quality(counted, days),
                inputs=list(distances.of_columns(run.reference, counted, days)),
                outputs=list(distances.of_answers(run.reference, counted, days)),
                alarms=[in_words.as_result(alarm) for alarm in detection.current],
                past_alarms=[
                    in_words.as_result(alarm)
                    for alarm in detection.alarms
                    if alarm.ended is not None and alarm.ended >= windows.first
                ],
                days_watched=len(counted.daily.days),
                is_judged=True,
            )
            left_out += counted.left_out
    else:
        found = replace(found, quality=_logged_quality(table, windows.period, run_id))
    kinds = run.kinds or _logged_kinds(table)
    tested = joint.joint_test(table, run_id, windows.history, windows.period, kinds)
    if isinstance(tested, str):
        left_out.append(LeftOut("the joint test", tested))
    else:
        found = replace(found, joint=tested)
    labels = run.labels or _logged_labels(table, windows.period, run_id)
    where = windows.period.of_answers(run_id)
    if len(labels) < 2 or any(table.type_of(PROBABILITY + name) is None for name in labels):
        reason = "the log does not have the probabilities of all its labels"
        left_out.append(LeftOut("expected performance, and performance", reason))
        return replace(found, left_out=left_out)
    found = replace(found, expected=_expected(table, where, labels, run, left_out))
    found = replace(found, performance=_performance(table, where, labels, run, n_rows, left_out))
    return replace(found, left_out=left_out)


def _quality(counted: Counted, days: slice) -> list[ColumnQuality]:
    n_rows = int(counted.daily.n_rows[days].sum())

    def share(code: str, column: str) -> float:
        counts = counted.warnings.get((code, column))
        return 0.0 if counts is None or n_rows == 0 else float(counts[days].sum()) / n_rows

    return [
        ColumnQuality(
            name,
            n_rows,
            missing=float(counts[days, -1].sum()) / max(n_rows, 1),
            unseen=share("unseen_category", name),
            out_of_range=share("out_of_range", name),
            reference_missing=counted.missing_before.get(name),
        )
        for name, counts in counted.daily.columns.items()
    ]


def _logged_quality(table: Table, period: Window, run_id: str) -> list[ColumnQuality]:
    """Return the same of a run without a reference."""
    names = [
        name.removeprefix(FEATURE)
        for name in table.columns
        if name.startswith(FEATURE) and table.type_of(name) is not None
    ]
    where = period.of_answers(run_id)
    counted = "".join(f", count({quoted(FEATURE + name)})" for name in names)
    ((n_rows, *n_cells),) = table.rows(f"SELECT count(*){counted} FROM {table.name} WHERE {where}")
    warned: dict[tuple[str, str], int] = {}
    query = f"SELECT warnings, count(*) FROM {table.name} WHERE {where} GROUP BY warnings"
    for content, n in table.rows(query):
        for key in parsed_warnings(content):
            warned[key] = warned.get(key, 0) + n
    quality = []
    for name, n in zip(names, n_cells, strict=True):
        # A column of another run of the same model has no cell in these rows.
        if n:
            unseen = warned.get(("unseen_category", name), 0)
            outside = warned.get(("out_of_range", name), 0)
            missing = max(0, n_rows - n - unseen)
            shares = (each / n_rows for each in (missing, unseen, outside))
            quality.append(ColumnQuality(name, n_rows, *shares))
    return quality


def _logged_kinds(table: Table) -> dict[str, str]:
    """Return the kinds of columns as the log has them, where the run's schema is gone."""
    kinds = {}
    for name, kind in table.columns.items():
        if name.startswith(FEATURE) and table.type_of(name) is not None:
            of_type = "date" if kind.startswith("TIMESTAMP") else "number"
            kinds[name.removeprefix(FEATURE)] = "category" if kind == "VARCHAR" else of_type
    return kinds


def _expected(
    table: Table, where: str, labels: Sequence[str], run: LoggedRun, left_out: list[LeftOut]
) -> Expected:
    metrics = expected.of_rows(table, where, labels)
    holdout: dict[str, float | None] = {}
    if run.path is not None:
        try:
            rows = artifacts.read_predictions(run.path).hold_out()
        except UserError as error:
            left_out.append(LeftOut("what the held-out rows imply", str(error)))
        else:
            from tabproof.evaluation.metrics import predicted_codes

            proba = rows.drop(columns="y_true").to_numpy()
            holdout = expected.of_arrays(proba, predicted_codes(proba, run.threshold))
    measured = {name: run.measured[name] for name in metrics if name in run.measured}
    return Expected(metrics, holdout, measured, run.calibration)


def _performance(
    table: Table,
    where: str,
    labels: Sequence[str],
    run: LoggedRun,
    n_rows: int,
    left_out: list[LeftOut],
) -> Any:
    slices = [name for name in run.slices if table.type_of(FEATURE + name) is not None]
    left_out += [
        LeftOut(f"slices by {name}", "it is not in the log")
        for name in run.slices
        if name not in slices
    ]
    rows = known_labels.labelled_rows(table, where, labels, slices)
    if rows.n_ambiguous:
        reason = f"{rows.n_ambiguous:,} rows share request id and place with another one"
        left_out.append(LeftOut("labels of some rows", reason))
    if len(rows.y) < MIN_ROWS:
        n = len(rows.y)
        reason = f"{n} rows have a label, and {MIN_ROWS} are needed" if n else "no row has a label"
        left_out.append(LeftOut("performance", reason))
        return None
    performance, missing = measure_labelled(
        rows,
        n_rows=n_rows,
        n_labels=len(labels),
        threshold=run.threshold,
        costs=run.costs,
        slices=slices,
        labels=labels,
        measured=run.measured,
    )
    left_out += missing
    return performance


def _time(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).isoformat()
