"""Prove that a scorer gives the pipeline's probabilities, also where exporters go wrong."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabproof.scorer.encoding import (
    FLOAT32_MAX,
    CategoryEncoding,
    Encoding,
    NumberEncoding,
    make_member_encodings,
)
from tabproof.scorer.errors import ScorerDiffersError
from tabproof.scorer.export.columns import UNSEEN, as_cells, cells_of
from tabproof.scorer.export.composites import pipeline_of
from tabproof.scorer.form import Arrays, VoteSpec, as_files, by_member, read_files
from tabproof.scorer.scorer import Scorer, read_scorer
from tabproof.scorer.trees import Floats, Ints, Trees, read_trees

# --- Rows on which a wrong exporter parts from the pipeline, made of ordinary ones.

SHARE = 0.2
N_SAMPLED_NODES, MOST_NODES = 600, 20_000
EXTREMES = (1e300, -1e300, 1e30, -1e30, 1e9, -1e9, 1e-300, 0.0, -0.0)
AS_THEY_ARE = "the rows as they are"


def hard_rows(
    scorer: Scorer,
    files: Mapping[str, bytes],
    X: pd.DataFrame,
    rng: np.random.Generator,
    *,
    whole: bool,
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Give rows, and what is special about them. whole: for every node, not a sample of them."""
    yield AS_THEY_ARE, X
    yield "rows with 20 % of cells missing", X.mask(rng.random(X.shape) < SHARE)
    yield "rows with 20 % of categories never seen", _with_unseen(scorer, X, rng)
    parts = parts_of(scorer, files)
    yield "rows with extreme numbers", _with_extremes(parts, X, rng)
    yield "rows without any value", X.iloc[:1].mask(np.ones((1, X.shape[1]), dtype=bool))
    with_trees = [part for part in parts if "trees.feature" in part.arrays]
    for part in with_trees:
        limit = (MOST_NODES if whole else N_SAMPLED_NODES) // len(with_trees)
        at_nodes = _Nodes(part, columns_of(scorer, X), X, rng, limit)
        if len(at_nodes.nodes):
            yield "rows on thresholds and beside them", at_nodes.on_thresholds()
            yield "rows that lack what a node asks for", at_nodes.lacking()


class ModelPart(NamedTuple):
    """What a model makes of columns: the scorer's own, or a member's of a vote."""

    encodings: Sequence[Encoding]
    arrays: Arrays


def parts_of(scorer: Scorer, files: Mapping[str, bytes]) -> list[ModelPart]:
    """Give the one model of a scorer, or each of a vote's."""
    spec, arrays = read_files(files)
    if not isinstance(spec.model, VoteSpec):
        return [ModelPart(scorer.columns, arrays)]
    members = spec.model.members
    return [
        ModelPart(make_member_encodings(scorer.columns, member.steps, own), own)
        for member, own in zip(members, by_member(arrays, len(members)), strict=True)
    ]


def columns_of(scorer: Scorer, X: pd.DataFrame) -> list[NDArray[Any]]:
    """Give a frame's columns as the scorer takes them."""
    return [cells_of(encoding, X[encoding.name]) for encoding in scorer.columns]


def _with_unseen(scorer: Scorer, X: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    changed = X.copy()
    for encoding in scorer.columns:
        if isinstance(encoding, CategoryEncoding):
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
        chosen = rng.choice([x for x in EXTREMES if all(_is_taken(e, x) for e in numbers)], len(X))
        # One per row on average: two that cancel out leave no number to compare.
        hit = rng.random(len(X)) < 1 / X.shape[1]
        changed[name] = X[name].mask(hit, pd.Series(chosen, index=X.index))
    return changed


def _is_taken(encoding: NumberEncoding, value: float) -> bool:
    """Tell whether an estimator takes a number: after the steps, 64 or 32 bits must hold it."""
    steps = [step for step in encoding.steps if step[0] not in ("clip_float32", "float32")]
    limit = FLOAT32_MAX if len(steps) < len(encoding.steps) else float(np.finfo(np.float64).max)
    return abs(NumberEncoding(encoding.name, tuple(steps)).apply(value)) <= limit


class _Nodes:
    """Nodes that ask for a number, each with a row that comes by, where there is one."""

    def __init__(
        self,
        part: ModelPart,
        columns: Sequence[NDArray[Any]],
        X: pd.DataFrame,
        rng: np.random.Generator,
        limit: int,
    ) -> None:
        self._X = X
        self._encoding_of: dict[int, Encoding] = {}
        first = 0
        for encoding in part.encodings:
            for feature in range(first, first + encoding.width):
                self._encoding_of[feature] = encoding
            first += encoding.width
        trees = read_trees(part.arrays, first)
        features = [e.features(c) for e, c in zip(part.encodings, columns, strict=True)]
        visitors = _visitors(trees, np.concatenate(features, axis=1))
        inner = np.flatnonzero(~trees.is_leaf)
        self.nodes: Ints = inner if len(inner) <= limit else rng.choice(inner, limit, replace=False)
        anybody = rng.integers(len(X), size=len(self.nodes))
        found = visitors[self.nodes]
        self._rows = np.where(found < 0, anybody, found)
        self._trees = trees

    def lacking(self) -> pd.DataFrame:
        """Take from each row what its node asks for."""
        rows = self._X.iloc[self._rows].reset_index(drop=True)
        names = np.array([self._encoding_of[f].name for f in self._trees.feature[self.nodes]])
        for name in np.unique(names):
            rows[name] = rows[name].mask(names == name)
        return rows

    def on_thresholds(self) -> pd.DataFrame:
        """Put the threshold of each row's node, and the numbers next to it, into it."""
        rows = self._X.iloc[np.repeat(self._rows, 3)].reset_index(drop=True)
        changed: dict[str, Floats] = {}
        for i, node in enumerate(self.nodes.tolist()):
            encoding = self._encoding_of[int(self._trees.feature[node])]
            threshold = float(self._trees.threshold[node])
            if isinstance(encoding, NumberEncoding) and np.isfinite(threshold):
                column = changed.setdefault(encoding.name, rows[encoding.name].to_numpy(copy=True))
                column[3 * i : 3 * i + 3] = _around(encoding, threshold)
        return rows.assign(**changed)


def _visitors(trees: Trees, features: Floats) -> Ints:
    """Give, by node, a row that comes by, or -1."""
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
    """Give the number below a threshold, the threshold, and the number above it."""
    if "float32" in [operation for operation, _ in encoding.steps]:
        # The next double is the same 32-bit float.
        near = np.float32(np.clip(threshold, -FLOAT32_MAX, FLOAT32_MAX))
        with np.errstate(over="ignore"):
            beside = [np.nextafter(near, np.float32(end)) for end in (-np.inf, np.inf)]
        numbers = np.clip([beside[0], near, beside[1]], -FLOAT32_MAX, FLOAT32_MAX)
        return [_undone(encoding, float(number)) for number in numbers]
    value = _undone(encoding, threshold)
    return [np.nextafter(value, -np.inf), value, np.nextafter(value, np.inf)]


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


# --- A scorer that takes data frames, where a fitted pipeline would be slower.


def make_predict(files: Mapping[str, bytes]) -> Callable[[pd.DataFrame], NDArray[np.float64]]:
    """Give the exported model's predict_proba."""
    scorer = read_scorer(files)
    return lambda X: scorer.predict_proba(columns_of(scorer, X))


ALLOWED = 1e-12
# A staircase may be steep: what the order of BLAS leaves open in a linear model's last bits grows.
# So a calibrated model is compared without its calibration too, by ALLOWED.
ALLOWED_CALIBRATED = 1e-6
N_SAMPLED_ROWS = 300


@dataclass(frozen=True)
class Parity:
    """How far scorer and pipeline are apart, and on how many rows that was measured."""

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
    """Compare on a sample of X and on what can be made of it; raises ScorerDiffersError.

    fitted : what the files were made of. whole: on all of X and on every threshold.
    """
    scorer, pipeline, before = read_scorer(files), pipeline_of(fitted), None
    if pipeline is not fitted:
        before = _without_calibration(files)
    allowed = ALLOWED if before is None else ALLOWED_CALIBRATED
    rng = np.random.default_rng(seed)
    if not whole and len(X) > N_SAMPLED_ROWS:
        X = X.iloc[rng.choice(len(X), N_SAMPLED_ROWS, replace=False)]
    n_rows, worst = 0, 0.0
    for rows, frame in hard_rows(scorer, files, X, rng, whole=whole):
        if before is not None:
            _compare(pipeline, before, rows, frame, ALLOWED)
        difference = _compare(fitted, scorer, rows, frame, allowed)
        if difference is not None:
            n_rows, worst = n_rows + len(frame), max(worst, difference)
    return Parity(n_rows, worst, allowed)


def _without_calibration(files: Mapping[str, bytes]) -> Scorer:
    spec, arrays = read_files(files)
    return read_scorer(as_files(msgspec.structs.replace(spec, calibration=None), arrays))


def _compare(
    fitted: Any, scorer: Scorer, rows: str, frame: pd.DataFrame, allowed: float
) -> float | None:
    """Give the largest difference; None where there is nothing to be equal to."""
    expected = _predicted(fitted, frame, may_refuse=rows != AS_THEY_ARE)
    if expected is None:
        return None
    columns = columns_of(scorer, frame)
    difference = _difference(expected, scorer.predict_proba(columns))
    # One row at a time takes a way of its own through the scorer.
    some = zip(*(column[:N_SAMPLED_ROWS].tolist() for column in columns), strict=True)
    one_by_one = np.array([scorer.predict_row(row) for row in some])
    difference = max(difference, _difference(expected[:N_SAMPLED_ROWS], one_by_one))
    if not difference <= allowed:
        raise ScorerDiffersError(rows, difference, allowed)
    return difference


def _predicted(fitted: Any, frame: pd.DataFrame, *, may_refuse: bool) -> NDArray[np.float64] | None:
    try:
        proba: NDArray[np.float64] = fitted.predict_proba(frame)
    except ValueError:
        # Without an imputer some estimators take no missing cells, and calibrators no infinite
        # sums: nothing to be equal to.
        if not may_refuse:
            raise
        return None
    return proba


def _difference(expected: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    # Where the pipeline gives no number, the scorer must not give one either.
    if (np.isnan(expected) != np.isnan(found)).any():
        return float("inf")
    return float(np.nanmax(np.abs(expected - found), initial=0.0))
