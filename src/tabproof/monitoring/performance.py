"""Metrics of the answers whose labels have become known since."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from tabproof.auc import Codes, Floats
from tabproof.evaluation_result import Estimate, Slice
from tabproof.monitoring.known_labels import LabelledRows
from tabproof.monitoring.result import MIN_ROWS, LeftOut, Performance, WeekPerformance

METRICS = ("roc_auc", "accuracy", "log_loss", "brier", "ece")
# AUC, and what is measured by resampling, need a few rows of each label.
MIN_ROWS_OF_CLASS = 10
N_BOOTSTRAP, SEED = 200, 0
Z = 1.959963984540054


def measure_labelled(
    rows: LabelledRows,
    *,
    n_rows: int,
    n_labels: int,
    threshold: float | None,
    costs: Sequence[Sequence[float]] | None,
    slices: Sequence[str],
    labels: Sequence[str],
    measured: Mapping[str, Estimate],
) -> tuple[Performance, list[LeftOut]]:
    """Return the metrics of labelled rows, at least MIN_ROWS of them, and what was left out.

    n_rows : rows of the period. costs : a row per true and a column per predicted label. measured :
    metrics of the held-out rows.
    """
    left_out: list[LeftOut] = []
    metrics, missing = measure_rows(rows.y, rows.proba, rows.predicted, n_labels, threshold, costs)
    if missing:
        left_out.append(LeftOut("AUC of the labelled rows", missing))
    weeks = []
    for monday, of_week in by_week(rows.week):
        n_of_week = int(of_week.sum())
        if n_of_week < MIN_ROWS:
            reason = f"{n_of_week} labelled rows, and {MIN_ROWS} are needed"
            left_out.append(LeftOut(f"week of {monday}", reason))
            continue
        found, missing = measure_rows(
            rows.y[of_week],
            rows.proba[of_week],
            rows.predicted[of_week],
            n_labels,
            threshold,
            costs,
        )
        if missing:
            left_out.append(LeftOut(f"AUC in the week of {monday}", missing))
        weeks.append(WeekPerformance(monday, n_of_week, found))
    performance = Performance(
        n_labelled=rows.n_matched,
        n_unlabelled=max(0, n_rows - rows.n_matched - rows.n_ambiguous),
        n_measured=len(rows.y),
        n_contradictory=rows.n_contradictory,
        n_unknown_labels=rows.n_unknown,
        metrics=metrics,
        measured=measured,
        weeks=weeks,
        slices=list(_slices(rows, slices, labels, threshold, left_out)),
    )
    return performance, left_out


def by_week(weeks: NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield the Monday of each week, and which rows are of it.

    weeks : (n_rows,) days from 1970-01-01 to the Monday of each row.
    """
    for number in np.unique(weeks).tolist():
        yield (date(1970, 1, 1) + timedelta(days=number)).isoformat(), weeks == number


def measure_rows(
    y: Codes,
    proba: Floats,
    predicted: Codes,
    n_labels: int,
    threshold: float | None,
    costs: Sequence[Sequence[float]] | None,
) -> tuple[dict[str, Estimate], str]:
    """Return the metrics that can be given, and why there is no AUC, if there is none."""
    from tabproof.evaluation.intervals import measure, share_interval

    counts = np.bincount(y, minlength=n_labels)
    rarest = int(counts.min())
    names = [name for name in METRICS if name != "roc_auc" or rarest >= MIN_ROWS_OF_CLASS]
    found = measure(y, proba, names=names, threshold=threshold, n_bootstrap=N_BOOTSTRAP, seed=SEED)
    # Of the labels that were answered, whatever the threshold is now.
    accuracy = float((predicted == y).mean())
    found["accuracy"] = Estimate(accuracy, *share_interval(accuracy, len(y)))
    if costs is not None and np.shape(costs) == (n_labels, n_labels):
        of_rows = np.asarray(costs, np.float64)[y, predicted]
        half = Z * float(of_rows.std(ddof=1)) / len(y) ** 0.5
        mean = float(of_rows.mean())
        found["cost"] = Estimate(mean, mean - half, mean + half)
    reason = f"a label has {rarest} rows, and {MIN_ROWS_OF_CLASS} of each are needed"
    return found, "" if rarest >= MIN_ROWS_OF_CLASS else reason


def _slices(
    rows: LabelledRows,
    names: Sequence[str],
    labels: Sequence[str],
    threshold: float | None,
    left_out: list[LeftOut],
) -> Iterator[Slice]:
    if not names:
        return
    import pandas as pd

    from tabproof.evaluation.slices import MAX_VALUES, make_slices

    for name in names:
        cells = rows.cells[name]
        column = pd.Series(np.ma.getdata(cells)).mask(np.ma.getmaskarray(cells))
        n_values = column.nunique()
        if n_values > MAX_VALUES:
            reason = f"it has {n_values:,} values, and groups are of at most {MAX_VALUES}"
            left_out.append(LeftOut(f"slices by {name}", reason))
            continue
        yield from make_slices(
            pd.DataFrame({name: column}),
            rows.y,
            rows.proba,
            columns=[name],
            labels=labels,
            names=METRICS,
            threshold=threshold,
            n_bootstrap=N_BOOTSTRAP,
            seed=SEED,
        )
