"""The content of the panel "What if" of report.html: columns, real rows, and the exported scorer.

The page then holds up to N_ROWS rows of the hold-out set, cell by cell.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabproof import web
from tabproof.auc import Codes, Floats
from tabproof.evaluation.metrics import predicted_codes
from tabproof.evaluation_result import Evidence
from tabproof.schema import CategoryColumn, Column, DateColumn, NumberColumn, Schema, TextColumn
from tabproof.scorer import NotExplainableError, read_scorer
from tabproof.scorer.export.parity import columns_of

# Rows that are offered; the first one is shown when the page opens.
N_ROWS = 20
OFFERED = {"typical": 1, "near": 7, "wrong": 6, "certain": 6}
# Characters of all that is packed, in base64: the page stays small enough to be sent by mail.
MAX_PACKED = 4_000_000
# Compression at its best: files this many times as large never fit.
MAX_COMPRESSION = 12
N_BINS = 24
# Of more cells, histograms are made from every n-th row; of more columns, the first ones have some.
MAX_CELLS, MAX_DRAWN = 2_000_000, 1_000
# Categories whose shares are shown.
MAX_SHARES = 1_000
# Maximum rows, and maximum work of the explainer, from which the order of columns is found where
# importances were not computed.
N_EXPLAINED, MAX_WORK = 100, 10**7


@dataclass(frozen=True)
class LeftOut:
    """Why there is no panel: `not_exported`, or `too_large` with its size."""

    reason: str
    n_characters: int = 0


@dataclass(frozen=True)
class WhatIf:
    """The files that the script of the panel reads, packed, by name. n_rows : rows in them."""

    files: Mapping[str, str]
    n_rows: int


@dataclass(frozen=True)
class Rows:
    """Rows for the panel, of the training and of the hold-out set; y and proba are of the latter.

    X_train : every n-th row is enough, by `step_of`. proba : of shape (n_rows, n_labels).
    """

    X_train: pd.DataFrame
    X_test: pd.DataFrame
    y: Codes
    proba: Floats


def step_of(n_rows: int, n_columns: int) -> int:
    """Return how many rows apart training rows are counted: 1, unless there are many cells."""
    return max(1, ceil(n_rows * n_columns / MAX_CELLS))


def make_what_if(
    schema: Schema, evidence: Evidence, rows: Rows, files: Mapping[str, bytes]
) -> WhatIf | LeftOut:
    """Return the content of the panel; files : of the exported scorer, if there are some."""
    if not files:
        return LeftOut("not_exported")
    size = sum(map(len, files.values()))
    if size > MAX_PACKED * MAX_COMPRESSION:
        return LeftOut("too_large", size)
    offered = _offered_rows(schema, evidence, rows)
    content = {
        # In the order of the form.
        "columns": [
            {"place": place}
            | (_describe(schema.columns[place], rows.X_train) if number < MAX_DRAWN else {})
            for number, place in enumerate(_order_of(schema, evidence, rows, files))
        ],
        "rows": offered,
    }
    found = {name.rpartition("/")[2]: web.pack(each) for name, each in sorted(files.items())}
    found["schema.json"] = web.pack(schema.to_json().encode(errors="backslashreplace"))
    found["what_if.json"] = web.pack(json.dumps(content, separators=(",", ":")).encode())
    size = sum(map(len, found.values()))
    return LeftOut("too_large", size) if size > MAX_PACKED else WhatIf(found, len(offered))


# --- Columns.


def _order_of(
    schema: Schema, evidence: Evidence, rows: Rows, files: Mapping[str, bytes]
) -> list[int]:
    """Return the places of columns, the most important one first."""
    names = [column.name for column in schema.columns]
    drops = {each.column: each.drop.value for each in evidence.importances}
    known = [drops.get(name) for name in names]
    if any(drop is not None for drop in known):
        weights = [-np.inf if drop is None else drop for drop in known]
        return sorted(range(len(names)), key=lambda place: -weights[place])
    scorer = read_scorer(files)
    try:
        n_rows = min(N_EXPLAINED, max(1, MAX_WORK // max(scorer.explainer.work, 1)))
        X = rows.X_test.iloc[:n_rows]
        columns = columns_of(scorer, X)
        found = scorer.contributions(columns, rows.proba[: len(X)]).values
    except NotExplainableError:
        return list(range(len(names)))
    sizes = np.nan_to_num(np.abs(found).mean(axis=0))
    return [int(place) for place in np.argsort(-sizes, kind="stable")]


def _describe(column: Column, X_train: pd.DataFrame) -> dict[str, Any]:
    """Return the rows of a column by bins of equal width, or by category."""
    cells = X_train[column.name]
    if isinstance(column, CategoryColumn):
        if len(column.categories) > MAX_SHARES:
            return {}
        counts = cells.value_counts(dropna=True)
        by_name = {str(name): int(count) for name, count in counts.items()}
        return {"counts": [by_name.get(name, 0) for name in column.categories]}
    if isinstance(column, TextColumn):
        return {}
    low, high = column.minimum, column.maximum
    if low is None or high is None or not low < high or not isfinite(high - low):
        return {}
    present = cells.to_numpy()[cells.notna().to_numpy()]
    numbers = present.astype(np.int64) / 10**6 if isinstance(column, DateColumn) else present
    found: dict[str, Any] = {}
    n_bins = N_BINS
    if isinstance(column, NumberColumn):
        found["is_whole"] = bool((numbers == np.floor(numbers)).all())
        if found["is_whole"]:
            n_bins = min(N_BINS, int(high - low) + 1)
    # The rule of the script, which shows the bin of a cell.
    bins = np.minimum((numbers - low) / (high - low) * n_bins, n_bins - 1).astype(np.intp)
    return found | {"counts": np.bincount(bins, minlength=n_bins).tolist()}


# --- Rows.


def _offered_rows(schema: Schema, evidence: Evidence, rows: Rows) -> list[dict[str, Any]]:
    """Return rows with the cells that a client would send, in the order of the schema."""
    found = []
    is_binary = evidence.is_binary
    for kind, places in choose_rows(rows.y, rows.proba, evidence.decision.threshold).items():
        for place in places:
            row = rows.X_test.iloc[place]
            found.append(
                {
                    "kind": kind,
                    "id": str(rows.X_test.index[place]),
                    "truth": evidence.labels[int(rows.y[place])],
                    "probability": float(
                        rows.proba[place, 1] if is_binary else rows.proba[place].max()
                    ),
                    "cells": list(map(cell_of, row.tolist(), schema.columns)),
                }
            )
    return found


def choose_rows(y: Codes, proba: Floats, threshold: float | None) -> dict[str, list[int]]:
    """Return the places of rows by why they are offered; no row twice.

    certain : right, with the highest probabilities, of all labels in turn. wrong : with the lowest
    probabilities of the true label. near : where the decision is closest. typical : the row whose
    probability is the median.
    """
    n_rows = np.arange(len(y))
    predicted = predicted_codes(proba, threshold)
    of_truth = proba[n_rows, y]
    if threshold is None:
        ordered = np.sort(proba, axis=1)
        distance, middle = ordered[:, -1] - ordered[:, -2], ordered[:, -1]
    else:
        distance, middle = np.abs(proba[:, 1] - threshold), proba[:, 1]
    is_right = predicted == y
    best_first = np.argsort(-of_truth, kind="stable")
    # The first of each label, then the second of each, so that all labels are among them.
    turn = np.empty(len(y), dtype=np.int64)
    for code in np.unique(y):
        places = best_first[(y == code)[best_first] & is_right[best_first]]
        turn[places] = np.arange(len(places))
    certain = best_first[is_right[best_first]]
    orders: dict[str, NDArray[np.intp]] = {
        "typical": np.argsort(np.abs(middle - np.median(middle)), kind="stable"),
        "near": np.argsort(distance, kind="stable"),
        "wrong": best_first[::-1][~is_right[best_first[::-1]]],
        "certain": certain[np.argsort(turn[certain], kind="stable")],
    }
    taken: set[int] = set()
    found: dict[str, list[int]] = {}
    for kind, order in orders.items():
        found[kind] = []
        for place in map(int, order[:N_ROWS]):
            if len(found[kind]) < OFFERED[kind] and place not in taken:
                found[kind].append(place)
                taken.add(place)
    return {kind: places for kind, places in found.items() if places}


def cell_of(value: Any, column: Column) -> float | str | None:
    """Return a cell as a client sends it: a number, a text, a date in ISO 8601, None if missing."""
    if pd.isna(value):
        return None
    if isinstance(column, DateColumn):
        text = str(np.datetime64(value, "us"))
        return text.removesuffix(".000000") if column.form.has_time else text[:10]
    if isinstance(column, NumberColumn):
        number = float(value)
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    return str(value)
