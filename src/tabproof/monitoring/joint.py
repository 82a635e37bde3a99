"""A classifier two-sample test: can a model distinguish the first and the newest rows?

If it cannot, its AUC on rows that it was not fitted on is 0.5 up to chance, and all columns
together are distributed as they were: also combinations of columns that by themselves look as
before (Lopez-Paz and Oquab, 2017, "Revisiting classifier two-sample tests"). Both samples are from
the log, so that what a service does to rows, and training did not, counts as no change.

The interval treats predictions as independent, though they come from five models. Without a
change 0.5 is below it in 3 to 5 of 100 cases (nominally 2.5) and above it in 8 to 10: the test is
shown, and raises no alarm.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabproof.auc import auc_interval, rank_aucs
from tabproof.evaluation_result import Estimate
from tabproof.monitoring.counting import Window
from tabproof.monitoring.database import Table, quoted
from tabproof.monitoring.result import JointTest
from tabproof.prediction_log.layout import FEATURE

MAX_ROWS, MIN_ROWS = 5_000, 200
N_FOLDS = 5
# A tree has no more categories; the others are one.
MAX_CATEGORIES = 200


def joint_test(
    table: Table, run_id: str, history: Window, period: Window, kinds: Mapping[str, str]
) -> JointTest | str:
    """Return the test, or why it cannot be made.

    kinds : of the columns to show, by name: number, category or text. Dates are left out, since
    they go on by themselves.
    """
    columns = [
        name
        for name, kind in kinds.items()
        if kind != "date" and table.type_of(FEATURE + name) is not None
    ]
    if not columns:
        return "the log has no column for it"
    # Rows of one request are alike: only the first one is used.
    of_first, of_newest = (
        f'{window.of_answers(run_id)} AND "row" = 0' for window in (history, period)
    )
    query = f"SELECT count(*) FROM {table.name} WHERE "
    n_all, n_newest = (table.rows(query + where)[0][0] for where in (of_first, of_newest))
    # Where there are few, they are halved: no row is in both samples.
    size = min(MAX_ROWS, n_newest, n_all // 2)
    if size < MIN_ROWS:
        return (
            f"it needs the first rows of {2 * MIN_ROWS} requests, {MIN_ROWS} of them in the"
            f" period, and there are {n_all:,}, of which {n_newest:,} are"
        )
    first = _sample(table, of_first, size, columns, "ASC")
    newest = _sample(table, of_newest, size, columns, "DESC")
    X = np.column_stack(
        [
            _as_numbers(kinds[name], _joined(first[place], newest[place]))
            for place, name in ((f"c{i}", name) for i, name in enumerate(columns))
        ]
    )
    is_category = [kinds[name] == "category" for name in columns]
    y = np.repeat([0, 1], size)
    scores = _scores(X, y, is_category)
    proba = np.column_stack([1 - scores, scores])
    auc = float(rank_aucs(scores, (y == 1)[:, np.newaxis])[0])
    low, high = auc_interval(y, proba, auc) or (None, None)
    return JointTest(
        Estimate(auc, low, high),
        size,
        size,
        _time(int(first["time"].max())),
        _time(int(newest["time"].min())),
        tuple(columns),
    )


def _sample(
    table: Table, where: str, size: int, columns: Sequence[str], order: str
) -> dict[str, Any]:
    """Return the rows that are first in an order of time: columns c0, c1, … and time."""
    end, compare = ("max", "<=") if order == "ASC" else ("min", ">=")
    # The time first, by itself: then only the parts of the files that hold these rows are read.
    query = (
        f"SELECT {end}(t) FROM (SELECT epoch_us(time) AS t FROM {table.name}"
        f" WHERE {where} ORDER BY t {order} LIMIT {size})"
    )
    ((edge,),) = table.rows(query)
    selected = ", ".join(f"{quoted(FEATURE + name)} AS c{i}" for i, name in enumerate(columns))
    return table.arrays(
        f"SELECT epoch_us(time) AS time, {selected} FROM {table.name}"
        f" WHERE {where} AND epoch_us(time) {compare} {edge}"
        f" ORDER BY epoch_us(time) {order}, request_id LIMIT {size}"
    )


def _joined(first: Any, newest: Any) -> Any:
    """Return two columns as one, with the marks of missing cells."""
    masks = [np.ma.getmaskarray(each) for each in (first, newest)]
    cells = [np.ma.getdata(each) for each in (first, newest)]
    return np.ma.MaskedArray(np.concatenate(cells), np.concatenate(masks))


def _as_numbers(kind: str, values: Any) -> NDArray[np.float64]:
    """Return a column as numbers, nan where it is missing; categories as codes by frequency."""
    missing = np.ma.getmaskarray(values)
    if kind == "text":
        lengths = [
            np.nan if gone else len(cell) for cell, gone in zip(values, missing, strict=True)
        ]
        return np.array(lengths, np.float64)
    cells = np.asarray(np.ma.getdata(values))
    if kind == "number" and np.issubdtype(cells.dtype, np.number):
        return np.where(missing, np.nan, cells.astype(np.float64))
    # Numbers too, where they are hashed.
    texts = np.where(missing, "", cells.astype(str))
    _, codes, counts = np.unique(texts, return_inverse=True, return_counts=True)
    ranks = np.argsort(np.argsort(-counts, kind="stable"))
    return np.where(missing, np.nan, np.minimum(ranks[codes], MAX_CATEGORIES).astype(np.float64))


def _scores(
    X: NDArray[np.float64], y: NDArray[np.int64], is_category: Sequence[bool]
) -> NDArray[np.float64]:
    """Return by row the probability of being new, by models that were not fitted on it."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    model = HistGradientBoostingClassifier(
        max_iter=50,
        max_leaf_nodes=8,
        min_samples_leaf=20,
        early_stopping=False,
        categorical_features=list(is_category),
        random_state=0,
    )
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0)
    proba = cross_val_predict(model, X, y, cv=folds, method="predict_proba")
    return np.asarray(proba[:, 1], np.float64)


def _time(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).isoformat()
