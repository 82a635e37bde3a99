"""Check that a scorer gives the pipeline's probabilities, on rows where exporters can be wrong."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabproof.scorer.encoding import (
    FLOAT32_MAX,
    Encoding,
    NumberEncoding,
    make_member_encodings,
)
from tabproof.scorer.errors import ScorerDiffersError
from tabproof.scorer.export.columns import UNSEEN, as_cells, cells_of
from tabproof.scorer.export.composites import pipeline_of
from tabproof.scorer.format import Arrays, VoteSpec, as_files, read_files, split_by_member
from tabproof.scorer.scorer import Scorer, read_scorer
from tabproof.scorer.trees import Floats, Ints, Trees, read_trees

ALLOWED = 1e-12
# An isotonic curve can be steep, and magnifies the last bits that the order of BLAS leaves open in
# a linear model. So a calibrated model is also compared without its calibration, with ALLOWED.
ALLOWED_CALIBRATED = 1e-6
N_SAMPLED_ROWS = 300
# The share of cells that are changed, and the number of nodes whose thresholds are tried.
SHARE = 0.2
N_SAMPLED_NODES, MAX_NODES = 600, 20_000
EXTREMES = (1e300, -1e300, 1e30, -1e30, 1e9, -1e9, 1e-300, 0.0, -0.0)
UNCHANGED = "the rows as they are"


@dataclass(frozen=True)
class Parity:
    """The largest difference between scorer and pipeline, and the number of rows compared."""

    n_rows: int
    max_difference: float
    allowed: float = ALLOWED


def check_parity(
    fitted: Any,
    files: Mapping[str, bytes],
    X: pd.DataFrame,
    *,
    seed: int,
    whole: bool = False,
) -> Parity:
    """Compare on a sample of X and on changed rows of it; raise ScorerDiffersError.

    Parameters
    ----------
    fitted : the model from which the files were made
    whole : take all rows of X and every threshold, instead of a sample
    """
    scorer, pipeline, uncalibrated = read_scorer(files), pipeline_of(fitted), None
    if pipeline is not fitted:
        spec, arrays = read_files(files)
        without = msgspec.structs.replace(spec, calibration=None)
        uncalibrated = read_scorer(as_files(without, arrays))
    allowed = ALLOWED if uncalibrated is None else ALLOWED_CALIBRATED
    rng = np.random.default_rng(seed)
    if not whole and len(X) > N_SAMPLED_ROWS:
        X = X.iloc[rng.choice(len(X), N_SAMPLED_ROWS, replace=False)]
    n_rows, worst = 0, 0.0
    for rows, frame in hard_rows(scorer, files, X, rng, whole=whole):
        if uncalibrated is not None:
            _compare(pipeline, uncalibrated, rows, frame, ALLOWED)
        difference = _compare(fitted, scorer, rows, frame, allowed)
        if difference is not None:
            n_rows, worst = n_rows + len(frame), max(worst, difference)
    return Parity(n_rows, worst, allowed)


def _compare(
    fitted: Any, scorer: Scorer, rows: str, frame: pd.DataFrame, allowed: float
) -> float | None:
    """Return the largest difference; None where the pipeline refuses the rows."""
    try:
        expected = fitted.predict_proba(frame)
    except ValueError:
        # Without an imputer some estimators refuse missing cells, and calibrators infinite sums.
        if rows == UNCHANGED:
            raise
        return None
    columns = columns_of(scorer, frame)
    difference = _difference(expected, scorer.predict_proba(columns))
    # A single row is evaluated in another way.
    some = zip(*(column[:N_SAMPLED_ROWS].tolist() for column in columns), strict=True)
    one_by_one = np.array([scorer.predict_row(row) for row in some])
    difference = max(difference, _difference(expected[:N_SAMPLED_ROWS], one_by_one))
    if not difference <= allowed:
        raise ScorerDiffersError(rows=rows, difference=difference, allowed=allowed)
    return difference


def _difference(expected: Floats, found: Floats) -> float:
    # Where the pipeline gives no number, the scorer must not give one either.
    if (np.isnan(expected) != np.isnan(found)).any():
        return float("inf")
    return float(np.nanmax(np.abs(expected - found), initial=0.0))


def make_predict(files: Mapping[str, bytes]) -> Callable[[pd.DataFrame], Floats]:
    """Return predict_proba of the exported model, which is faster than a pipeline's."""
    scorer = read_scorer(files)
    return lambda X: scorer.predict_proba(columns_of(scorer, X))


def columns_of(scorer: Scorer, X: pd.DataFrame) -> list[NDArray[Any]]:
    """Return a frame's columns as the scorer takes them."""
    return [cells_of(encoding, X[encoding.name]) for encoding in scorer.columns]


# --- Rows on which a wrong exporter differs from the pipeline, made from ordinary ones.


class ModelPart(NamedTuple):
    """The encodings and arrays of a scorer's model, or of one member of a vote."""

    encodings: Sequence[Encoding]
    arrays: Arrays


def parts_of(scorer: Scorer, files: Mapping[str, bytes]) -> list[ModelPart]:
    """Return the single model of a scorer, or each of a vote's."""
    spec, arrays = read_files(files)
    if not isinstance(spec.model, VoteSpec):
        return [ModelPart(scorer.columns, arrays)]
    members = spec.model.members
    return [
        ModelPart(make_member_encodings(scorer.columns, member.steps, own), own)
        for member, own in zip(members, split_by_member(arrays, len(members)), strict=True)
    ]


def hard_rows(
    scorer: Scorer,
    files: Mapping[str, bytes],
    X: pd.DataFrame,
    rng: np.random.Generator,
    *,
    whole: bool,
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield a description and rows. With `whole`, for every node instead of a sample."""
    yield UNCHANGED, X
    yield "rows with 20 % of cells missing", X.mask(rng.random(X.shape) < SHARE)
    yield "rows with 20 % of categories never seen", _with_unseen(scorer, X, rng)
    parts = parts_of(scorer, files)
    yield "rows with extreme numbers", _with_extremes(parts, X, rng)
    yield "rows without any value", X.iloc[:1].mask(np.ones((1, X.shape[1]), dtype=bool))
    with_trees = [part for part in parts if "trees.feature" in part.arrays]
    for part in with_trees:
        limit = (MAX_NODES if whole else N_SAMPLED_NODES) // len(with_trees)
        at_nodes = _RowsAtNodes(part, columns_of(scorer, X), X, rng, limit)
        if len(at_nodes.nodes):
            yield "rows on thresholds and beside them", at_nodes.on_thresholds()
            yield "rows that lack what a node tests", at_nodes.lacking()


def _with_unseen(scorer: Scorer, X: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    changed = X.copy()
    for encoding in scorer.category_columns:
        cells = X[encoding.name].astype("object").where(X[encoding.name].notna(), None)
        cells = cells.mask(rng.random(len(X)) < SHARE, UNSEEN)
        changed[encoding.name] = as_cells(cells.tolist()).set_axis(X.index)
    return changed


def _with_extremes(
    parts: Sequence[ModelPart], X: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    changed = X.copy()
    for encodings in zip(*(part.encodings for part in parts), strict=True):
        name, numbers = encodings[0].name, [e for e in encodings if isinstance(e, NumberEncoding)]
        if not numbers:
            continue
        chosen = rng.choice([x for x in EXTREMES if all(_accepts(e, x) for e in numbers)], len(X))
        # One per row on average: two that cancel out leave no number to compare.
        hit = rng.random(len(X)) < 1 / X.shape[1]
        changed[name] = X[name].mask(hit, pd.Series(chosen, index=X.index))
    return changed


def _accepts(encoding: NumberEncoding, value: float) -> bool:
    """Return whether the result of the steps fits into the estimator's 64 or 32 bits."""
    steps = [step for step in encoding.steps if step[0] not in ("clip_float32", "float32")]
    limit = FLOAT32_MAX if len(steps) < len(encoding.steps) else float(np.finfo(np.float64).max)
    return abs(NumberEncoding(encoding.name, tuple(steps)).apply(value)) <= limit


class _RowsAtNodes:
    """Inner nodes, each with a row that reaches it if there is one."""

    def __init__(
        self,
        part: ModelPart,
        columns: Sequence[NDArray[Any]],
        X: pd.DataFrame,
        rng: np.random.Generator,
        limit: int,
    ) -> None:
        self._X = X
        # By feature.
        self._encodings = [e for e in part.encodings for _ in range(e.width)]
        self._trees = trees = read_trees(part.arrays, len(self._encodings))
        features = [e.features(c) for e, c in zip(part.encodings, columns, strict=True)]
        found = _find_visitors(trees, np.concatenate(features, axis=1))
        inner = np.flatnonzero(~trees.is_leaf)
        self.nodes: Ints = inner if len(inner) <= limit else rng.choice(inner, limit, replace=False)
        any_row = rng.integers(len(X), size=len(self.nodes))
        self._rows = np.where(found[self.nodes] < 0, any_row, found[self.nodes])

    def lacking(self) -> pd.DataFrame:
        """Return the rows without the value that their node tests."""
        rows = self._X.iloc[self._rows].reset_index(drop=True)
        names = np.array([self._encodings[f].name for f in self._trees.feature[self.nodes]])
        for name in np.unique(names):
            rows[name] = rows[name].mask(names == name)
        return rows

    def on_thresholds(self) -> pd.DataFrame:
        """Return the rows with the threshold of their node, and with the numbers next to it."""
        rows = self._X.iloc[np.repeat(self._rows, 3)].reset_index(drop=True)
        changed: dict[str, Floats] = {}
        for i, node in enumerate(self.nodes.tolist()):
            encoding = self._encodings[self._trees.feature[node]]
            threshold = float(self._trees.threshold[node])
            if isinstance(encoding, NumberEncoding) and np.isfinite(threshold):
                column = changed.setdefault(encoding.name, rows[encoding.name].to_numpy(copy=True))
                column[3 * i : 3 * i + 3] = _around(encoding, threshold)
        return rows.assign(**changed)


def _find_visitors(trees: Trees, features: Floats) -> Ints:
    """Return for each node a row that reaches it, or -1."""
    visitors = np.full(len(trees.feature), -1)
    node = np.tile(trees.roots, len(features))
    row = np.repeat(np.arange(len(features)), trees.n_trees)
    while len(node):
        visitors[node] = row
        inner = ~trees.is_leaf[node]
        node, row = node[inner], row[inner]
        values = features[row, trees.feature[node]]
        goes_left = trees.goes_left(node, values[np.newaxis])[0]
        node = np.where(goes_left, node + 1, trees.right[node])
    return visitors


def _around(encoding: NumberEncoding, threshold: float) -> list[float]:
    """Return the number below a threshold, the threshold, and the number above it."""
    if "float32" in [operation for operation, _ in encoding.steps]:
        # The next double is the same 32-bit float.
        near = np.float32(np.clip(threshold, -FLOAT32_MAX, FLOAT32_MAX))
        with np.errstate(over="ignore"):
            beside = [np.nextafter(near, np.float32(end)) for end in (-np.inf, np.inf)]
        numbers = np.clip([beside[0], near, beside[1]], -FLOAT32_MAX, FLOAT32_MAX)
        return [_invert(encoding, float(number)) for number in numbers]
    value = _invert(encoding, threshold)
    return [np.nextafter(value, -np.inf), value, np.nextafter(value, np.inf)]


def _invert(encoding: NumberEncoding, value: float) -> float:
    """Return the number that the steps map to a value, or to a neighbour of it."""
    for operation, operand in reversed(encoding.steps):
        match operation:
            case "add":
                value -= operand
            case "subtract":
                value += operand
            case "multiply":
                value /= operand
            case "divide":
                value *= operand
    return value
