"""Prove that a scorer gives the pipeline's probabilities, where exporters go wrong.

On ordinary rows two wrong exporters of others agree with scikit-learn. They part on missing
cells, categories never seen, extreme numbers, and numbers on a threshold or one ulp beside it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from src.errors import ScorerDiffersError
from src.scoring.encoding import CategoryEncoding, NumberEncoding
from src.scoring.export.columns import UNSEEN, as_cells
from src.scoring.form import read_files
from src.scoring.scorer import Scorer, read_scorer

ALLOWED = 1e-12
N_SAMPLED_ROWS = 300
N_SAMPLED_THRESHOLDS = 600
SHARE = 0.2
# scikit-learn's trees refuse what 32 bits cannot hold; everything else takes more.
EXTREMES = {True: (1e30, -1e30, 1e-30), False: (1e300, -1e300, 1e-300)}


@dataclass(frozen=True)
class Parity:
    """How far scorer and pipeline are apart, and on how many rows that was measured."""

    n_rows: int
    max_difference: float
    allowed: float = ALLOWED


def check_parity(
    pipeline: Pipeline,
    files: Mapping[str, bytes],
    X: pd.DataFrame,
    *,
    seed: int,
    whole: bool = False,
) -> Parity:
    """Compare on a sample of X and on what can be made of it; raises ScorerDiffersError.

    whole: on all of X and on every threshold.
    """
    scorer = read_scorer(files)
    rng = np.random.default_rng(seed)
    if not whole and len(X) > N_SAMPLED_ROWS:
        X = X.iloc[rng.choice(len(X), N_SAMPLED_ROWS, replace=False)]
    n_rows, worst = 0, 0.0
    for rows, frame in hard_rows(scorer, files, X, rng, whole=whole):
        expected = pipeline.predict_proba(frame)
        columns = columns_of(scorer, frame)
        difference = _difference(expected, scorer.predict_proba(columns))
        # One row at a time takes a way of its own through the scorer.
        few = slice(0, N_SAMPLED_ROWS)
        one_by_one = [
            scorer.predict_row(row) for row in zip(*(c[few].tolist() for c in columns), strict=True)
        ]
        difference = max(difference, _difference(expected[few], np.array(one_by_one)))
        if not difference <= ALLOWED:
            raise ScorerDiffersError(rows, difference, ALLOWED)
        n_rows, worst = n_rows + len(frame), max(worst, difference)
    return Parity(n_rows, worst)


def _difference(expected: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    # Where the pipeline gives no number, the scorer must not give one either.
    if (np.isnan(expected) != np.isnan(found)).any():
        return float("inf")
    return float(np.nanmax(np.abs(expected - found), initial=0.0))


def columns_of(scorer: Scorer, X: pd.DataFrame) -> list[NDArray[Any]]:
    """Give a frame's columns as the scorer takes them."""
    columns: list[NDArray[Any]] = []
    for encoding in scorer.columns:
        column = X[encoding.name]
        if isinstance(encoding, NumberEncoding):
            columns.append(column.to_numpy(np.float64))
            continue
        places = column.astype("object").map(encoding.place_of)
        unseen_or_missing = np.where(column.isna(), encoding.missing, encoding.unseen)
        columns.append(
            np.where(places.isna(), unseen_or_missing, places.astype("float64")).astype(np.intp)
        )
    return columns


def hard_rows(
    scorer: Scorer,
    files: Mapping[str, bytes],
    X: pd.DataFrame,
    rng: np.random.Generator,
    *,
    whole: bool,
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Give the rows, and what is special about them."""
    yield "the rows as they are", X
    yield "rows with 20 % of cells missing", X.mask(rng.random(X.shape) < SHARE)
    yield "rows with 20 % of categories never seen", _with_unseen(scorer, X, rng)
    is_rounded = any(("float32", 0.0) in e.steps for e in _numbers(scorer))
    yield "rows with extreme numbers", _with_extremes(scorer, X, EXTREMES[is_rounded], rng)
    yield "rows without any value", X.iloc[:1].mask(np.ones((1, X.shape[1]), dtype=bool))
    on_thresholds = _on_thresholds(scorer, files, X, None if whole else N_SAMPLED_THRESHOLDS, rng)
    if on_thresholds is not None:
        yield "rows on thresholds and beside them", on_thresholds


def _numbers(scorer: Scorer) -> list[NumberEncoding]:
    return [e for e in scorer.columns if isinstance(e, NumberEncoding)]


def _with_unseen(scorer: Scorer, X: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    changed = X.copy()
    for encoding in scorer.columns:
        if isinstance(encoding, CategoryEncoding):
            cells = X[encoding.name].astype("object").where(X[encoding.name].notna(), None)
            cells = cells.mask(rng.random(len(X)) < SHARE, UNSEEN)
            changed[encoding.name] = as_cells(cells.tolist()).set_axis(X.index)
    return changed


def _with_extremes(
    scorer: Scorer, X: pd.DataFrame, extremes: tuple[float, ...], rng: np.random.Generator
) -> pd.DataFrame:
    changed = X.copy()
    for encoding in _numbers(scorer):
        chosen = rng.choice([*extremes, 0.0, -0.0], len(X))
        # One per row on average: two that cancel out leave no number to compare.
        hit = rng.random(len(X)) < 1 / len(scorer.columns)
        changed[encoding.name] = X[encoding.name].mask(hit, pd.Series(chosen, index=X.index))
    return changed


def _on_thresholds(
    scorer: Scorer,
    files: Mapping[str, bytes],
    X: pd.DataFrame,
    limit: int | None,
    rng: np.random.Generator,
) -> pd.DataFrame | None:
    """Put each threshold, and the numbers next to it, into a row."""
    cells = list(_threshold_cells(scorer, files))
    if not cells:
        return None
    if limit is not None and len(cells) > limit:
        cells = [cells[i] for i in rng.choice(len(cells), limit, replace=False)]
    rows = X.iloc[rng.integers(len(X), size=3 * len(cells))].reset_index(drop=True)
    columns = {
        encoding.name: rows[encoding.name].to_numpy(copy=True) for encoding in _numbers(scorer)
    }
    for i, (name, value) in enumerate(cells):
        around = np.nextafter(value, -np.inf), value, np.nextafter(value, np.inf)
        columns[name][3 * i : 3 * i + 3] = around
    return rows.assign(**columns)


def _threshold_cells(scorer: Scorer, files: Mapping[str, bytes]) -> Iterator[tuple[str, float]]:
    arrays = read_files(files)[1]
    if "trees.threshold" not in arrays:
        return
    first = 0
    for encoding in scorer.columns:
        if isinstance(encoding, NumberEncoding):
            here = (arrays["trees.feature"] == first) & np.isfinite(arrays["trees.threshold"])
            for threshold in np.unique(arrays["trees.threshold"][here]).tolist():
                yield encoding.name, _undone(encoding, threshold)
        first += encoding.width


def _undone(encoding: NumberEncoding, value: float) -> float:
    """Give the number that the steps bring to a value, or to a neighbour of it."""
    undo = {
        "add": lambda x, o: x - o,
        "subtract": lambda x, o: x + o,
        "multiply": lambda x, o: x / o,
        "divide": lambda x, o: x * o,
    }
    for operation, operand in reversed(encoding.steps):
        value = undo[operation](value, operand) if operation in undo else value
    return value
