"""`monitor check`: compare the log of a served model with its run, and report what changed."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from tabproof import artifacts
from tabproof.errors import InvalidValueError, UserError, first_line, listed
from tabproof.monitoring import in_words, known_labels, prometheus
from tabproof.monitoring.alarms import MAX_PER_YEAR, FalseAlarmRateError
from tabproof.monitoring.answered_run import (
    Answered,
    Windows,
    check_run,
    iso_time,
    logged_labels,
)
from tabproof.monitoring.challenge import compare_challenger
from tabproof.monitoring.counting import (
    ANSWERS,
    CHALLENGER,
    Window,
    microseconds,
)
from tabproof.monitoring.database import Table, open_table, opened, text
from tabproof.monitoring.log_files import LogFiles, find_files, log_place, named, opened_log
from tabproof.monitoring.logged_runs import LoggedRun, find_logged_run
from tabproof.monitoring.result import (
    Challenge,
    Check,
    ModelCheck,
    Period,
    RunCheck,
    Traffic,
)
from tabproof.text import LANGUAGES

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


class GaugesNotWrittenError(UserError):
    """A file of gauges that cannot be written; the exit code is not that of an alarm."""

    template = "the gauges {path} cannot be written: {reason}"


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
    page: Path | None = None,
    language: str = LANGUAGES[0],
    no_label_alarms: bool = False,
) -> tuple[str, int]:
    """Check the models of a log, or one of them; return what to print, and the exit code."""
    now = datetime.now(UTC)
    with opened_log(log, model, _first_needed(first_day(since, now.date()), now.date())) as root:
        found = check_log(
            root,
            model=model,
            models=models,
            outputs=outputs,
            since=since,
            false_alarms=false_alarms,
            label_alarms=not no_label_alarms,
            now=now,
        )
    found = replace(found, log=log_place(log))
    if prometheus_file is not None:
        try:
            artifacts.write_atomically(prometheus_file, prometheus.gauges(found).encode())
        except OSError as error:
            reason = error.strerror or first_line(error)
            raise GaugesNotWrittenError(path=prometheus_file, reason=reason) from error
    if page is not None:
        from tabproof.monitoring.page import write_page

        write_page(page, found, language)
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
    label_alarms: bool = True,
    now: datetime | None = None,
) -> Check:
    """Check the models of a log, or one of them.

    Parameters
    ----------
    root : the directory of the log.
    models, outputs : where the runs behind the log are looked for.
    since : days, such as 7d, or the first day of the period.
    false_alarms : promised for a year and model.
    label_alarms : whether rows whose label is known may raise alarms.
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
    files = find_files(root, _first_needed(first, now.date()))
    if model is not None and model not in files.predictions:
        known = listed(list(files.predictions)) or "no rows of any model"
        raise NoSuchModelError(log=root, model=model, found=known)
    unreadable, notes, checked = list(files.unreadable), list[str](), list[ModelCheck]()
    windows = _windows(begin, first, now)
    with opened() as connection:
        labels, damaged = open_table(connection, "labels", files.labels)
        unreadable += damaged
        known_labels.keep_labels(connection, labels)
        for name, paths in files.predictions.items():
            if model is not None and name != model:
                continue
            table, damaged = open_table(connection, "predictions", paths)
            unreadable += damaged
            if table is not None:
                place = _Place(outputs, models, false_alarms, label_alarms)
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


def _first_needed(first: date, today: date) -> date:
    """Return the first day whose files are needed for a period that begins on `first`."""
    # A directory is of the day on which its rows were answered, by the clock of the service.
    return min(first, today - timedelta(days=HISTORY)) - timedelta(days=1)


class _Place(NamedTuple):
    outputs: Path
    models: Path
    false_alarms: float
    label_alarms: bool


def _windows(begin: date, first: date, now: datetime) -> Windows:
    start, middle = (
        microseconds(datetime(day.year, day.month, day.day, tzinfo=UTC)) for day in (begin, first)
    )
    end = microseconds(now + TOLERANCE)
    return Windows(Window(start, end), Window(middle, end), first, now.date())


def _why_nothing(files: LogFiles, begin: date) -> str:
    if files.unreadable:
        return "the log holds no whole Parquet file of a prediction"
    return f"the log holds no row since {begin}"


# --- One model.


def _check_model(name: str, table: Table, windows: Windows, place: _Place) -> ModelCheck:
    period = windows.period
    answered = [
        Answered(*row)
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
        last = "" if newest is None else f"; the last one is of {iso_time(newest)}"
        notes.append(f"no row was answered since {windows.first}{last}")
    runs, known = list[RunCheck](), dict[str, LoggedRun]()
    for run_id in dict.fromkeys(each.run_id for each in answered):
        known[run_id] = find_logged_run(run_id, name, place.outputs, place.models)
    for run_id in dict.fromkeys(each.run_id for each in answers):
        of_run = [each for each in answers if each.run_id == run_id]
        rules = place.false_alarms, place.label_alarms
        runs.append(check_run(table, windows, of_run, known[run_id], *rules))
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
        yield Traffic(iso_time(hour * HOUR)[:13], *counts)


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
    table: Table, period: Window, answered: Sequence[Answered], known: dict[str, LoggedRun]
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
                    run.labels or logged_labels(table, period, run_id, (CHALLENGER, *ANSWERS))
                    for run, run_id in zip(runs, ids, strict=True)
                ],
                (runs[0].threshold, runs[1].threshold),
            )
            if found is not None:
                yield found
