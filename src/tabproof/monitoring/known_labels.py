"""The labels of a log, the logged rows that have one, and their counts by day.

A row is named by its request's id and its place in it. Clients choose request ids and may use one
twice: nothing distinguishes rows that share a name, so a label of it counts for none.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tabproof.auc import Codes, Floats
from tabproof.drift.cells import Cells
from tabproof.monitoring.counting import DAY
from tabproof.monitoring.database import Table, quoted, text
from tabproof.prediction_log.layout import FEATURE, PROBABILITY

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Most rows that metrics are computed from: intervals are then a few thousandths wide.
MAX_MEASURED = 100_000
# Labels that are joined to the log at a time.
LABELS_AT_ONCE = 500_000
# The table that holds the labels.
KNOWN = "known_labels"


def keep_labels(connection: "DuckDBPyConnection", labels: Table | None) -> None:
    """Make the table of the labels: of each row the one that was received last.

    `first_truth` is the one that was received first if it is another one, and `first_day` the
    number of that day. A label of a later day never changes either. Those that were received at
    the same time are in the order of their texts.
    """
    connection.execute(
        f'CREATE OR REPLACE TEMP TABLE {KNOWN} (request_id VARCHAR, "row" INTEGER,'
        " truth VARCHAR, differs BOOLEAN, first_truth VARCHAR, first_day INTEGER)"
    )
    if labels is None:
        return
    ((n_lines,),) = labels.rows(f"SELECT count(*) FROM {labels.name}")
    order = "struct_pack(received := received, label := label)"
    for part in _parts(n_lines):
        labels.rows(
            f'INSERT INTO {KNOWN} SELECT request_id, "row", arg_max(label, {order}),'
            " min(label) <> max(label),"
            # Seldom another one than the last.
            f" nullif(arg_min(label, {order}), arg_max(label, {order})),"
            f" epoch_us(min(received)) // {DAY} FROM {labels.name}"
            f' WHERE label IS NOT NULL AND {part} GROUP BY request_id, "row"'
        )


def _parts(n_labels: int) -> list[str]:
    """Return conditions that divide request ids, so that a part of the labels fits in memory."""
    n_parts = max(1, math.ceil(n_labels / LABELS_AT_ONCE))
    return [f"hash(request_id) % {n_parts} = {part}" for part in range(n_parts)]


@dataclass(frozen=True)
class LabelledRows:
    """Rows of a run whose label is known, about MAX_MEASURED of them where there are more.

    n_matched : all that have a label. n_unknown : those of them whose label the run does not have,
    about as many where rows were drawn. n_ambiguous : rows that share a name.
    y : codes, (n_rows,). proba : (n_rows, n_labels). predicted : codes. week : number of days from
    1970-01-01 to its Monday. cells : by column, of the slices.
    """

    n_matched: int
    n_contradictory: int
    n_ambiguous: int
    n_unknown: int
    y: Codes
    proba: Floats
    predicted: Codes
    week: NDArray[np.int64]
    cells: Mapping[str, Any]


def labelled_rows(
    table: Table, where: str, labels: Sequence[str], slices: Sequence[str]
) -> LabelledRows:
    """Return the rows for which the labels are known.

    labels : of the run, in its order. slices : columns that the log has.
    """
    ((n_labels,),) = table.rows(f"SELECT count(*) FROM {KNOWN}")
    n_matched = n_contradictory = n_ambiguous = 0
    for part in _parts(n_labels):
        labels_of_part = f"(SELECT * FROM {KNOWN} WHERE {part})"
        # A name by its hash: of many labels each one needs eight bytes more.
        ((once, differing, more),) = table.rows(
            "SELECT count(*) FILTER (n = 1), count(*) FILTER (n = 1 AND differs),"
            " coalesce(sum(n) FILTER (n > 1), 0) FROM"
            " (SELECT count(*) AS n, any_value(k.differs) AS differs"
            f" FROM {_joined(table, f'{where} AND {part}', labels_of_part)}"
            ' GROUP BY hash(k.request_id, k."row"))'
        )
        n_matched += once
        n_contradictory += differing
        n_ambiguous += int(more)
    every = max(1, math.ceil(n_matched / MAX_MEASURED))
    drawn = KNOWN
    if every > 1:
        drawn = f"(SELECT * FROM {KNOWN} WHERE hash(request_id) % {every} = 0)"
    probas = ", ".join(
        f"first(p.{quoted(PROBABILITY + label)}) AS p{i}" for i, label in enumerate(labels)
    )
    cells = "".join(f", first(p.{quoted(FEATURE + name)}) AS c{i}" for i, name in enumerate(slices))
    code = "CASE {} " + " ".join(f"WHEN {text(name)} THEN {i}" for i, name in enumerate(labels))
    truth, predicted = (code.format(f"first({name})") + " END" for name in ("k.truth", "p.label"))
    found = table.arrays(
        f"SELECT {truth} AS y, {predicted} AS predicted, first(epoch_us(p.time)) AS time,"
        f" {probas}{cells} FROM {_joined(table, where, drawn)}"
        ' GROUP BY k.request_id, k."row" HAVING count(*) = 1'
        ' ORDER BY k.request_id, k."row"'
    )
    proba = np.column_stack(
        [
            np.ma.filled(np.ma.asarray(found[f"p{i}"], np.float64), np.nan)
            for i in range(len(labels))
        ]
    )
    y, answered = (np.ma.filled(np.ma.asarray(found[name]), -1) for name in ("y", "predicted"))
    is_scored = ((proba >= 0) & (proba <= 1)).all(axis=1) & (answered >= 0)
    usable = is_scored & (y >= 0)
    return LabelledRows(
        n_matched,
        n_contradictory,
        n_ambiguous,
        int((is_scored & (y < 0)).sum()) * every,
        np.asarray(y[usable], np.int64),
        proba[usable],
        np.asarray(answered[usable], np.int64),
        mondays(np.asarray(found["time"], np.int64)[usable]),
        {name: found[f"c{i}"][usable] for i, name in enumerate(slices)},
    )


def mondays(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of days from 1970-01-01 to the Monday of each time in microseconds."""
    day = times // DAY
    # 1970-01-01 was a Thursday.
    return day - (day + 3) % 7


@dataclass(frozen=True)
class CountedLabels:
    """Rows of a run by the day on which their first label was received.

    by_day : by day, (n_bins,) rows in each of the cells. n_early : rows that were answered on a
    later day than their label came, which count for none.
    """

    by_day: Mapping[date, NDArray[np.int64]]
    n_early: int


def count_labelled(table: Table, where: str, end: int, cells: Cells) -> CountedLabels:
    """Count the rows of a run that have a label, each of them once, with its first label.

    What a day has does not depend on what comes on later ones: a name that only one row had when
    the day was over counts, whether another row takes it later or not.

    Parameters
    ----------
    where : the condition of the rows.
    end : in microseconds since 1970; labels that were received later do not count.
    cells : of the labels of the run.
    """
    groups = cells.groups.tolist()
    code = "CASE {} " + " ".join(
        f"WHEN {text(label)} THEN {group}"
        for label, group in zip(cells.labels, groups, strict=True)
    )
    ((n_labels,),) = table.rows(f"SELECT count(*) FROM {KNOWN}")
    by_day: dict[date, NDArray[np.int64]] = {}
    n_early = 0
    first = "coalesce(k.first_truth, k.truth)"
    is_of_day = f"epoch_us(p.time) // {DAY} <= k.first_day"
    for part in _parts(n_labels):
        labels = f"(SELECT * FROM {KNOWN} WHERE {part} AND first_day <= {end // DAY})"
        # Numbers instead of texts, and a name by its hash: the groups need less memory.
        for day, true, predicted, is_right, n in table.rows(
            "SELECT day, truth, predicted, is_right, count(*) FROM ("
            " SELECT max(day) FILTER (in_time) AS day, any_value(truth) AS truth,"
            " max(predicted) FILTER (in_time) AS predicted,"
            " bool_or(is_right) FILTER (in_time) AS is_right FROM ("
            ' SELECT hash(k.request_id, k."row") AS name, k.first_day AS day,'
            f" {code.format(first)} END AS truth,"
            f" {code.format('p.label')} END AS predicted,"
            f" {first} = p.label AS is_right, {is_of_day} AS in_time"
            f" FROM {_joined(table, f'{where} AND {part}', labels)})"
            " GROUP BY name HAVING count(*) FILTER (in_time) <= 1)"
            " GROUP BY ALL"
        ):
            if day is None:
                n_early += n
            elif true is not None and predicted is not None:
                counts = by_day.setdefault(
                    date(1970, 1, 1) + timedelta(days=day), np.zeros(cells.n_bins, np.int64)
                )
                counts[cells.place(true, predicted, is_right)] += n
    return CountedLabels(dict(sorted(by_day.items())), n_early)


def _joined(table: Table, where: str, labels: str) -> str:
    """Return what follows FROM: the rows p of a run, and their labels k."""
    return (
        f"(SELECT * FROM {table.name} WHERE {where}) AS p JOIN {labels} AS k"
        ' ON p.request_id = k.request_id AND p."row" = k."row"'
    )
