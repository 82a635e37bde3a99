"""Check that a scorer gives the pipeline's probabilities, on rows where exporters can be wrong."""

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV

from tabproof.errors import UserError
from tabproof.scorer.encoding import (
    ARITHMETIC,
    FLOAT32_MAX,
    CategoryEncoding,
    NumberEncoding,
    SplineEncoding,
)
from tabproof.scorer.export.columns import UNSEEN, as_cells, cells_of
from tabproof.scorer.export.exporters import pipeline_of
from tabproof.scorer.export.inputs import input_cells
from tabproof.scorer.format import Columns, Floats
from tabproof.scorer.inputs import DateInput, TextInput
from tabproof.scorer.model import LinearModel, TreesModel, VoteModel
from tabproof.scorer.numbers import HAS_PORTED_EXP
from tabproof.scorer.scorer import Scorer, read_scorer

ALLOWED = 1e-12
# XGBoost uses the C library's exp of 32 bits. One that is not ported may differ in the last bit.
ALLOWED_32 = ALLOWED if HAS_PORTED_EXP else 2.0**-22
# An isotonic curve can be steep, and magnifies the last bits that the order of BLAS leaves open in
# a linear model. So a calibrated model is also compared without its calibration, with ALLOWED.
ALLOWED_CALIBRATED = 1e-6
N_SAMPLED_ROWS = 300
# The share of cells that are changed, and the number of nodes whose thresholds are tried.
SHARE = 0.2
N_SAMPLED_NODES, MAX_NODES = 600, 20_000
MIN_NODES, MAX_CELLS = 50, 2_000_000
EXTREMES = (1e300, -1e300, 1e30, -1e30, 1e9, -1e9, 1e-300, 0.0, -0.0)
UNCHANGED = "the rows as they are"
INVERSE = {"add": "subtract", "subtract": "add", "multiply": "divide", "divide": "multiply"}


class ScorerDiffersError(UserError):
    """An exported scorer whose probabilities are not the pipeline's."""

    exit_code = 1
    template = (
        "the exported scorer differs from the pipeline by {difference:.3g} on {rows}"
        " ({allowed:g} is allowed), so it must not be served: please report this;"
        " export=false trains without it"
    )


@dataclass(frozen=True)
class Parity:
    """The largest difference between scorer and pipeline, and the number of rows compared."""

    n_rows: int
    max_difference: float
    allowed: float = ALLOWED


def check_parity(
    fitted: Any, files: Mapping[str, bytes], X: pd.DataFrame, *, seed: int, whole: bool = False
) -> Parity:
    """Compare files and the fitted model that they were made from; raise ScorerDiffersError.

    This takes a sample of X and changed rows of it; with `whole` all rows and every threshold.
    """
    scorer, pipeline, uncalibrated = read_scorer(files), pipeline_of(fitted), None
    rng = np.random.default_rng(seed)
    models = scorer.model.members if isinstance(scorer.model, VoteModel) else [scorer.model]
    has_32_bits = any(isinstance(m, TreesModel) and "float32" in m.spec.link for m in models)
    plain = ALLOWED_32 if has_32_bits else ALLOWED
    if not whole and len(X) > N_SAMPLED_ROWS:
        X = X.iloc[rng.choice(len(X), N_SAMPLED_ROWS, replace=False)]
    n_rows, worst = 0, 0.0
    if scorer.inputs is not None:
        # What is behind the step `features` is compared below, on rows that it makes.
        features = pipeline.named_steps["features"]
        for rows, frame in hard_inputs(scorer, X, rng, whole=whole):
            _compare_features(features, scorer, rows, frame)
            allowed = plain if pipeline is fitted else ALLOWED_CALIBRATED
            difference = _compare(fitted, scorer, rows, frame, allowed)
            if difference is not None:
                n_rows, worst = n_rows + len(frame), max(worst, difference)
        X, scorer = features.transform(X), scorer.without_inputs()
        fitted, pipeline = _without_features(fitted), pipeline[1:]
    is_calibrated = isinstance(fitted, CalibratedClassifierCV)
    if is_calibrated:
        uncalibrated = Scorer(scorer.columns, scorer.labels, scorer.model, scorer.threshold)
    allowed = ALLOWED_CALIBRATED if is_calibrated else plain
    for rows, frame in hard_rows(scorer, X, rng, whole=whole):
        if uncalibrated is not None:
            _compare(pipeline, uncalibrated, rows, frame, plain)
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
    # A single row is evaluated in another way.
    some = zip(*(column[:N_SAMPLED_ROWS].tolist() for column in columns), strict=True)
    difference = 0.0
    for found in (scorer.predict_proba(columns), np.array([scorer.predict_row(r) for r in some])):
        wanted = expected[: len(found)]
        # Where the pipeline gives no number, the scorer must not give one either.
        is_same = (np.isnan(wanted) == np.isnan(found)).all()
        largest = np.nanmax(np.abs(wanted - found), initial=0.0) if is_same else np.inf
        difference = max(difference, float(largest))
    if not difference <= allowed:
        raise ScorerDiffersError(rows=rows, difference=difference, allowed=allowed)
    return difference


def _without_features(fitted: Any) -> Any:
    """Return what predicts from the features that the first step makes."""
    if not isinstance(fitted, CalibratedClassifierCV):
        return fitted[1:]
    (pair,) = fitted.calibrated_classifiers_
    rest, rest_pair = copy(fitted), copy(pair)
    rest_pair.estimator = pair.estimator[1:]
    rest.calibrated_classifiers_ = [rest_pair]
    return rest


def _compare_features(features: Any, scorer: Scorer, rows: str, frame: pd.DataFrame) -> None:
    """Raise ScorerDiffersError unless the scorer makes the same numbers, bit for bit."""
    columns, maker = columns_of(scorer, frame), features.maker_
    if scorer.inputs is not None:
        maker = scorer.inputs.maker
    expected = features.transform(frame)
    own = zip(scorer.model.encodings, maker.of_columns(columns), strict=True)
    some = zip(*(column[:N_SAMPLED_ROWS].tolist() for column in columns), strict=True)
    one_by_one = [maker.of_row(row) for row in some]
    for place, (encoding, found) in enumerate(own):
        wanted = cells_of(encoding, expected.iloc[:, place])
        alone = np.array([row[place] for row in one_by_one])
        for values in (found, alone):
            same = np.array_equal(values, wanted[: len(values)], equal_nan=True)
            if not same:
                difference = float(np.nanmax(np.abs(values - wanted[: len(values)]), initial=0.0))
                raise ScorerDiffersError(rows=rows, difference=difference, allowed=0.0)


def columns_of(scorer: Scorer, X: pd.DataFrame) -> list[NDArray[Any]]:
    """Return a frame's columns as the scorer takes them."""
    return [input_cells(column, X[column.name]) for column in scorer.columns]


# --- Rows on which a wrong exporter differs from the pipeline, made from ordinary ones.

# The calendar's ends and what lies beyond, a leap day, the last microsecond of a day.
TIMES = (
    *("0001-01-01", "9999-12-31T23:59:59.999999", "-5000-06-01", "20000-01-01", "1970-01-01"),
    *("1969-12-31T23:59:59.999999", "2000-02-29", "1900-02-28T12:00", "2040-12-31T23:59:59.5"),
)
TEXTS = (
    *(
        "",
        " ",
        "😀👍🏽 OK",
        "ＡＢＣ　ｶﾞ",
        "東京都に行きました",
        "Straße İstanbul",
        "\x00\ud800",
        "...",
    ),
    *("word " * 5_000, "文" * 20_000, "never seen before"),
)


def hard_inputs(
    scorer: Scorer, X: pd.DataFrame, rng: np.random.Generator, *, whole: bool
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield a description and rows, for what a scorer makes of dates, texts and categories.

    With `whole`, more of them are changed.
    """
    yield UNCHANGED, X
    yield "rows with 20 % of cells missing", X.mask(rng.random(X.shape) < SHARE)
    yield "rows without any value", X.iloc[:1].mask(np.ones((1, X.shape[1]), dtype=bool))
    changed = X.copy()
    for column in scorer.columns:
        cells, is_changed = X[column.name], rng.random(len(X)) < (0.8 if whole else SHARE)
        if isinstance(column, CategoryEncoding):
            found = cells.astype("object").where(cells.notna(), None).mask(is_changed, UNSEEN)
            changed[column.name] = as_cells(found.tolist()).set_axis(X.index)
        elif isinstance(column, DateInput):
            times = rng.choice(np.array(TIMES, dtype="datetime64[us]"), len(X))
            dates = np.where(is_changed, times, cells.to_numpy("datetime64[us]"))
            changed[column.name] = pd.Series(dates, index=X.index)
        elif isinstance(column, TextInput):
            odd = [TEXTS[i] for i in rng.integers(len(TEXTS), size=len(X))]
            texts = zip(is_changed, odd, cells.astype("object"), strict=True)
            mixed = [text if hit else cell for hit, text, cell in texts]
            # Arrow's texts have no half of a pair, as Python's may.
            changed[column.name] = pd.Series(mixed, index=X.index, dtype="object")
    yield "rows with odd dates, texts and categories", changed
    extreme: dict[str, pd.Series] = {}
    # Within 32 bits, as every model takes them; their products are beyond.
    fitting = [number for number in EXTREMES if abs(number) < FLOAT32_MAX]
    for column in scorer.columns:
        if isinstance(column, NumberEncoding):
            cells = X[column.name].astype("float64")
            numbers = pd.Series(rng.choice(fitting, len(X)), index=X.index)
            extreme[column.name] = cells.mask(rng.random(len(X)) < SHARE, numbers)
    yield "rows with extreme numbers", replaced(X, extreme)
    beside: dict[str, pd.Series] = {}
    for place, known in (scorer.inputs.maker.values if scorer.inputs else {}).items():
        near = np.concatenate([known, np.nextafter(known, np.inf), [0.0, -0.0]])
        beside[scorer.columns[place].name] = pd.Series(rng.choice(near, len(X)), index=X.index)
    if beside:
        yield "rows with numbers on known values and beside them", replaced(X, beside)


def hard_rows(
    scorer: Scorer, X: pd.DataFrame, rng: np.random.Generator, *, whole: bool
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield a description and rows. With `whole`, for every node instead of a sample."""
    yield UNCHANGED, X
    yield "rows with 20 % of cells missing", X.mask(rng.random(X.shape) < SHARE)
    changed = X.copy()
    for category in scorer.category_columns:
        cells = X[category.name].astype("object").where(X[category.name].notna(), None)
        cells = cells.mask(rng.random(len(X)) < SHARE, UNSEEN)
        changed[category.name] = as_cells(cells.tolist()).set_axis(X.index)
    yield "rows with 20 % of categories never seen", changed
    models = scorer.model.members if isinstance(scorer.model, VoteModel) else [scorer.model]
    extreme: dict[str, pd.Series] = {}
    for encodings in zip(*(model.encodings for model in models), strict=True):
        numbers = [encoding for encoding in encodings if isinstance(encoding, NumberEncoding)]
        if numbers:
            fitting = [x for x in EXTREMES if all(_accepts(encoding, x) for encoding in numbers)]
            extremes = rng.choice(fitting, len(X))
            # One per row on average: two that cancel out leave no number to compare.
            hit, name = rng.random(len(X)) < 1 / X.shape[1], numbers[0].name
            if hit.any():
                extreme[name] = X[name].mask(hit, pd.Series(extremes, index=X.index))
    yield "rows with extreme numbers", replaced(X, extreme)
    yield "rows without any value", X.iloc[:1].mask(np.ones((1, X.shape[1]), dtype=bool))
    for model in models:
        if isinstance(model, LinearModel):
            limit = MAX_NODES if whole else N_SAMPLED_NODES
            yield from _rows_at_knots(model, X, rng, limit)
    with_trees = [model for model in models if isinstance(model, TreesModel)]
    for model in with_trees:
        limit = (MAX_NODES if whole else N_SAMPLED_NODES) // len(with_trees)
        # A node takes four rows; wide ones take long, and their nodes are much alike.
        limit = limit if whole else min(limit, max(MIN_NODES, MAX_CELLS // (4 * X.shape[1])))
        yield from _rows_at_nodes(model, columns_of(scorer, X), X, rng, limit)


def _accepts(encoding: NumberEncoding, value: float) -> bool:
    """Return whether the result of the steps fits into the estimator's 64 or 32 bits."""
    if not encoding.steps:
        return True
    steps = [step for step in encoding.steps if step[0] not in ("clip_float32", "float32")]
    limit = FLOAT32_MAX if len(steps) < len(encoding.steps) else float(np.finfo(np.float64).max)
    return abs(NumberEncoding(encoding.name, tuple(steps)).apply(value)) <= limit


def _rows_at_knots(
    model: LinearModel, X: pd.DataFrame, rng: np.random.Generator, limit: int
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield rows with a number on a knot and beside it, one after the other."""
    splines = [e for e in model.encodings if isinstance(e, SplineEncoding)]
    pairs = [(e.name, knot) for e in splines for knot in e.knots.tolist()]
    if not pairs:
        return
    chosen = sorted(rng.choice(len(pairs), min(limit, len(pairs)), replace=False))
    frame = X.iloc[np.repeat(rng.integers(len(X), size=len(chosen)), 3)].reset_index(drop=True)
    changed: dict[str, Floats] = {}
    for place, (name, knot) in enumerate(pairs[i] for i in chosen):
        cells = changed.setdefault(name, frame[name].to_numpy(np.float64, copy=True))
        beside = np.nextafter(knot, [-np.inf, np.inf])
        cells[3 * place : 3 * place + 3] = [beside[0], knot, beside[1]]
    yield "rows on knots and next to them", replaced(frame, changed)


def _rows_at_nodes(
    model: TreesModel, columns: Columns, X: pd.DataFrame, rng: np.random.Generator, limit: int
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield changes of rows that reach an inner node; of any row where none reaches it."""
    trees = model.trees
    parts = [e.features(c) for e, c in zip(model.encodings, columns, strict=True)]
    features = np.concatenate(parts, axis=1)
    # For each node a row that reaches it, or -1.
    visitors = np.full(len(trees.feature), -1)
    node = np.tile(trees.roots, len(features))
    row = np.repeat(np.arange(len(features)), trees.n_trees)
    while len(node):
        visitors[node] = row
        is_inner = ~trees.is_leaf[node]
        node, row = node[is_inner], row[is_inner]
        values = features[row, trees.feature[node]]
        goes_left = trees.goes_left(node, values[np.newaxis])[0]
        node = np.where(goes_left, node + 1, trees.right[node])
    inner = np.flatnonzero(~trees.is_leaf)
    if len(inner) == 0:
        return
    nodes = inner if len(inner) <= limit else rng.choice(inner, limit, replace=False)
    any_row = rng.integers(len(X), size=len(nodes))
    reached = np.where(visitors[nodes] < 0, any_row, visitors[nodes])
    encodings = [e for e in model.encodings for _ in range(e.width)]
    tested = [encodings[feature] for feature in trees.feature[nodes]]
    frame = X.iloc[np.repeat(reached, 3)].reset_index(drop=True)
    changed: dict[str, Floats] = {}
    for i, encoding in enumerate(tested):
        threshold = float(trees.threshold[nodes[i]])
        if isinstance(encoding, NumberEncoding) and np.isfinite(threshold):
            cells = changed.setdefault(encoding.name, frame[encoding.name].to_numpy(copy=True))
            cells[3 * i : 3 * i + 3] = _around(encoding, threshold)
    yield "rows on thresholds and next to them", replaced(frame, changed)
    lacking = X.iloc[reached].reset_index(drop=True)
    names = np.array([encoding.name for encoding in tested])
    masked = {name: lacking[name].mask(names == name) for name in np.unique(names).tolist()}
    yield "rows that lack what a node tests", replaced(lacking, masked)


def replaced(frame: pd.DataFrame, columns: Mapping[str, Any]) -> pd.DataFrame:
    """Return a frame with other columns: one by one, 5,000 columns would take long."""
    kept = frame.drop(columns=list(columns))
    new = pd.DataFrame(dict(columns), index=frame.index)
    return pd.concat([kept, new], axis=1)[list(frame.columns)]


def _around(encoding: NumberEncoding, threshold: float) -> list[float]:
    """Return the number below a threshold, the threshold, and the number above it."""

    def invert(value: float) -> float:
        # The number that the steps map to a value, or to a neighbour of it.
        for operation, operand in reversed(encoding.steps):
            if operation in INVERSE:
                value = ARITHMETIC[INVERSE[operation]](value, operand)
        return value

    if "float32" in [operation for operation, _ in encoding.steps]:
        # The next double is the same 32-bit float.
        near = np.float32(np.clip(threshold, -FLOAT32_MAX, FLOAT32_MAX))
        with np.errstate(over="ignore"):
            beside = [np.nextafter(near, np.float32(end)) for end in (-np.inf, np.inf)]
        numbers = np.clip([beside[0], near, beside[1]], -FLOAT32_MAX, FLOAT32_MAX)
        return [invert(float(number)) for number in numbers]
    value = invert(threshold)
    return [np.nextafter(value, -np.inf), value, np.nextafter(value, np.inf)]
