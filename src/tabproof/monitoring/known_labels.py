"""The labels of a log, and the logged rows that have one.

A row is named by its request's id and its place in it. Clients choose request ids and may use one
twice: rows that share a name are told apart by nothing, so that a label of it counts for none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabproof.auc import Codes, Floats
from tabproof.monitoring.database import Table, quoted
from tabproof.prediction_log.layout import FEATURE, PROBABILITY

# Rows that metrics are computed from, at most: with as many, an interval is 0.003 wide.
MAX_MEASURED = 100_000
# The tables that hold the labels, and the rows of one run with theirs.
KNOWN, MATCHED = "known_labels", "matched_rows"


def keep_labels(labels: Table | None, target: Table) -> None:
    """Make the table of the labels: of each row the one that was received last.

    target : a table of the same connection.
    """
    if labels is None:
        target.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {KNOWN}"
            ' (request_id VARCHAR, "row" INTEGER, truth VARCHAR, differs BOOLEAN)'
        )
        return
    labels.rows(
        f"CREATE OR REPLACE TEMP TABLE {KNOWN} AS"
        ' SELECT request_id, "row", arg_max(label, received) AS truth,'
        f" min(label) <> max(label) AS differs FROM {labels.name}"
        ' WHERE label IS NOT NULL GROUP BY request_id, "row"'
    )


@dataclass(frozen=True)
class LabelledRows:
    """Rows of a run whose label is known, at most MAX_MEASURED of them.

    n_matched : all that have a label. n_unknown : those of them whose label the run does not have.
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
    probas = ", ".join(
        f"first(p.{quoted(PROBABILITY + label)}) AS p{i}" for i, label in enumerate(labels)
    )
    cells = "".join(f", first(p.{quoted(FEATURE + name)}) AS c{i}" for i, name in enumerate(slices))
    table.rows(
        f"CREATE OR REPLACE TEMP TABLE {MATCHED} AS"
        ' SELECT k.request_id, k."row", first(k.truth) AS truth, first(k.differs) AS differs,'
        " first(epoch_us(p.time)) AS time, first(p.label) AS label, count(*) AS n,"
        f" {probas}{cells}"
        f" FROM (SELECT * FROM {table.name} WHERE {where}) AS p JOIN {KNOWN} AS k"
        ' ON p.request_id = k.request_id AND p."row" = k."row"'
        ' GROUP BY k.request_id, k."row"'
    )
    # ln is of what a text may hold: it is a value of the query, not a part of it.
    names = {f"label{i}": label for i, label in enumerate(labels)}
    code = "CASE {} " + " ".join(f"WHEN ${name} THEN {i}" for i, name in enumerate(names)) + " END"
    truth, predicted = code.format("truth"), code.format("label")
    known = " AND ".join(f"p{i} BETWEEN 0 AND 1" for i in range(len(labels)))
    usable = f"n = 1 AND {known} AND {predicted} IS NOT NULL"
    ((n_matched, n_contradictory, n_ambiguous, n_unknown),) = table.rows(
        "SELECT count(*) FILTER (n = 1), count(*) FILTER (n = 1 AND differs),"
        " coalesce(sum(n) FILTER (n > 1), 0),"
        f" count(*) FILTER ({usable} AND {truth} IS NULL) FROM {MATCHED}",
        names,
    )
    found = table.arrays(
        f"SELECT * EXCLUDE (truth, differs, label, n), {truth} AS y, {predicted} AS predicted"
        f" FROM {MATCHED} WHERE {usable} AND {truth} IS NOT NULL"
        f' ORDER BY hash(request_id), request_id, "row" LIMIT {MAX_MEASURED}',
        names,
    )
    day = np.asarray(found["time"], np.int64) // 86_400_000_000
    return LabelledRows(
        int(n_matched),
        int(n_contradictory),
        int(n_ambiguous),
        int(n_unknown),
        np.asarray(found["y"], np.int64),
        np.column_stack([np.asarray(found[f"p{i}"], np.float64) for i in range(len(labels))]),
        np.asarray(found["predicted"], np.int64),
        # 1970-01-01 was a Thursday.
        day - (day + 3) % 7,
        {name: found[f"c{i}"] for i, name in enumerate(slices)},
    )
