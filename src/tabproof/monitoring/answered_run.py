"""Compare what one run answered in a period with its reference, its hold-out and the labels."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tabproof import artifacts
from tabproof.artifacts.reference import Reference
from tabproof.drift.cells import make_cells
from tabproof.errors import UserError
from tabproof.monitoring import distances, expected, joint, known_labels
from tabproof.monitoring.alarms import detect, detect_today
from tabproof.monitoring.counting import ANSWERS, Counted, Window, count_run, parsed_warnings
from tabproof.monitoring.database import Table, quoted, text
from tabproof.monitoring.in_words import as_result
from tabproof.monitoring.known_labels import CountedLabels
from tabproof.monitoring.logged_runs import LoggedRun
from tabproof.monitoring.performance import measure_labelled
from tabproof.monitoring.result import (
    MIN_ROWS,
    ColumnQuality,
    Expected,
    LeftOut,
    Performance,
    RunCheck,
)
from tabproof.prediction_log.layout import FEATURE, PROBABILITY


class Windows(NamedTuple):
    """All that alarms look at, and the period; first : its first day. today : is not over."""

    history: Window
    period: Window
    first: date
    today: date


class Answered(NamedTuple):
    """Rows of the period of one run and role."""

    run_id: str
    role: str
    n_rows: int
    n_requests: int
    first: int
    last: int


def check_run(
    table: Table,
    windows: Windows,
    answered: Sequence[Answered],
    run: LoggedRun,
    false_alarms: float,
    label_alarms: bool = True,
) -> RunCheck:
    """Return what one run answered in the period, compared with all that is known of it.

    answered : its rows, by role. label_alarms : whether labels may raise alarms. Raises
    LogUnreadableError.
    """
    run_id = answered[0].run_id
    n_rows = sum(each.n_rows for each in answered)
    found = RunCheck(
        run_id=run_id,
        path=None if run.path is None else artifacts.path_text(run.path),
        n_rows=n_rows,
        n_requests=sum(each.n_requests for each in answered),
        n_canary=sum(each.n_rows for each in answered if each.role == "canary"),
        first=iso_time(min(each.first for each in answered)),
        last=iso_time(max(each.last for each in answered)),
    )
    left_out = [*run.left_out]
    if n_rows < MIN_ROWS:
        reason = f"it answered {n_rows} rows, and {MIN_ROWS} are needed"
        return replace(found, left_out=[LeftOut("every comparison", reason), *left_out])
    counted = labelled = None
    if run.reference is not None:
        counted = count_run(table, run_id, windows.history, run.reference)
        if label_alarms:
            where = windows.history.of_answers(run_id)
            cells = make_cells(run.reference.labels)
            labelled = known_labels.count_labelled(table, where, windows.history.end, cells)
    labels = run.labels or logged_labels(table, windows.period, run_id)
    where = windows.period.of_answers(run_id)
    has_all = all(table.type_of(PROBABILITY + name) is not None for name in labels)
    is_measured, of_answers = len(labels) >= 2 and has_all, list[LeftOut]()
    if is_measured:
        # What needs most of the database's memory comes before what loads scikit-learn.
        performance = _performance(table, where, labels, run, n_rows, of_answers)
        found = replace(found, performance=performance)
    held_out = _read_held_out(run)
    if is_measured:
        implied = _expected(table, where, labels, run, held_out, of_answers)
        found = replace(found, expected=implied)
    else:
        reason = "the log does not have the probabilities of all its labels"
        of_answers.append(LeftOut("performance, expected or by labels", reason))
    if run.reference is None:
        found = replace(found, quality=_logged_quality(table, windows.period, run_id))
    elif counted is not None:
        found = _compared(
            found, counted, labelled, run.reference, held_out, windows, false_alarms, left_out
        )
    left_out += of_answers
    kinds = run.kinds or _logged_kinds(table)
    tested = joint.joint_test(table, run_id, windows.history, windows.period, kinds)
    if isinstance(tested, str):
        left_out.append(LeftOut("the joint test", tested))
    else:
        found = replace(found, joint=tested)
    return replace(found, left_out=left_out)


class _HeldOut(NamedTuple):
    """The held-out rows of a run: codes of true and predicted labels, and probabilities."""

    y: NDArray[np.int64]
    predicted: NDArray[np.int64]
    proba: NDArray[np.float64]


def _read_held_out(run: LoggedRun) -> _HeldOut | str | None:
    """Return the held-out rows, or why they cannot be read; None where the run is gone."""
    if run.path is None:
        return None
    try:
        rows = artifacts.read_predictions(run.path).hold_out()
    except UserError as error:
        return str(error)
    from tabproof.evaluation.metrics import predicted_codes

    y, proba = rows["y_true"].to_numpy(), rows.drop(columns="y_true").to_numpy()
    return _HeldOut(y, predicted_codes(proba, run.threshold), proba)


def _compared(
    found: RunCheck,
    counted: Counted,
    labelled: CountedLabels | None,
    reference: Reference,
    held_out: _HeldOut | str | None,
    windows: Windows,
    false_alarms: float,
    left_out: list[LeftOut],
) -> RunCheck:
    """Return the check of a run with what follows from its reference: distances and alarms."""
    days = counted.days_from(windows.first)
    daily, by_cell = counted.daily, None
    if labelled is not None and labelled.by_day:
        if isinstance(held_out, _HeldOut):
            daily = daily.with_labelled(labelled.by_day)
            by_cell = make_cells(reference.labels).count(held_out.y, held_out.predicted)
        else:
            reason = held_out or "the run is gone"
            left_out.append(LeftOut("alarms from labels", reason))
    if labelled is not None and labelled.n_early:
        reason = f"{labelled.n_early:,} rows were answered on a later day than their label came"
        left_out.append(LeftOut("alarms from labels of some rows", reason))
    over = daily.before(windows.today)
    detection = detect(over, reference, false_alarms, by_cell)
    current = [*detection.current]
    if daily.days and daily.days[-1] == windows.today:
        of_today = detect_today(daily, reference, false_alarms, current)
        current += [] if of_today is None else [of_today]
    if not over.days:
        reason = "a day is looked at when it is over (UTC), and none is yet"
        left_out.append(LeftOut("alarms", reason))
    left_out += counted.left_out
    return replace(
        found,
        quality=_quality(counted, days),
        inputs=list(distances.of_columns(reference, counted, days)),
        outputs=list(distances.of_answers(reference, counted, days)),
        alarms=[
            as_result(alarm, distances.medians(reference, counted, alarm.began))
            for alarm in current
        ],
        past_alarms=[
            as_result(alarm, {})
            for alarm in detection.alarms
            if alarm.ended is not None and alarm.ended >= windows.first
        ],
        days_watched=len(over.days),
        is_judged=bool(over.days),
    )


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
    table: Table,
    where: str,
    labels: Sequence[str],
    run: LoggedRun,
    held_out: _HeldOut | str | None,
    left_out: list[LeftOut],
) -> Expected:
    metrics = expected.of_rows(table, where, labels)
    implied: dict[str, float | None] = {}
    if isinstance(held_out, str):
        left_out.append(LeftOut("what the held-out rows imply", held_out))
    elif held_out is not None:
        implied = expected.of_arrays(held_out.proba, held_out.predicted)
    measured = {name: run.measured[name] for name in metrics if name in run.measured}
    return Expected(metrics, implied, measured, run.calibration)


def _performance(
    table: Table,
    where: str,
    labels: Sequence[str],
    run: LoggedRun,
    n_rows: int,
    left_out: list[LeftOut],
) -> Performance | None:
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


def logged_labels(
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


def iso_time(microseconds: int) -> str:
    """Return a time as text, to the second; microseconds : since 1970, UTC."""
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).isoformat()
