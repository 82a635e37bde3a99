"""Exported models of every kind, rows that are hard for them, and two evaluators compared."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from tabproof.schema import CategoryColumn, Column, DateColumn, NumberColumn, Schema, TextColumn
from tabproof.scorer import NotExplainableError, Scorer
from tabproof.scorer.encoding import CategoryEncoding
from tabproof.scorer.export.parity import columns_of, hard_inputs, hard_rows
from tabproof.scorer.format import ARRAYS, SPEC
from tabproof.scorer.inputs import DateInput, TextInput
from tests.scorer.fitted import (
    Exported,
    boosting,
    exported,
    mixed_pipeline_of,
    mixed_table,
    models_of,
    pipeline_of,
    prepared_boosting,
    quadratic_linear,
    small_vote,
    table,
    vote_of,
)

FOREST = RandomForestClassifier(3, max_leaf_nodes=9, random_state=0)
BOOSTING = boosting(max_iter=3)
LINEAR = LogisticRegression(max_iter=5000)
LIGHTGBM = LGBMClassifier(
    n_jobs=1, verbosity=-1, n_estimators=5, min_child_samples=3, deterministic=True
)
XGBOOST = XGBClassifier(n_estimators=5, max_depth=3, n_jobs=1, random_state=0)
CATBOOST = CatBoostClassifier(
    iterations=5, depth=4, thread_count=1, allow_writing_files=False, logging_level="Silent"
)


def case_of(
    preprocess: str, estimator: Any, n_classes: int = 2, calibration: str | None = None
) -> Exported:
    rows = table(n_rows=120, n_classes=n_classes)
    return exported(pipeline_of(preprocess, clone(estimator)), *rows, calibration=calibration)


def mixed_of(preprocess: str, estimator: Any, n_classes: int = 2) -> Exported:
    """Fit on dates, texts and a column of many categories too."""
    rows = mixed_table(n_rows=180, n_classes=n_classes)
    return exported(mixed_pipeline_of(preprocess, clone(estimator)), *rows)


def many_votes() -> Exported:
    """Fit a vote of nine, whose weights NumPy adds in pairs."""
    members = {
        f"tree {i}": pipeline_of("native" if i % 2 else "onehot", boosting(max_iter=1 + i))
        for i in range(9)
    }
    weights = [0.1 * 1.7**i for i in range(9)]
    return exported(vote_of(members, weights=weights), *table(n_rows=120))


def vote_of_forests() -> Exported:
    members = {
        "forest": pipeline_of("ordinal", clone(FOREST)),
        "extra": pipeline_of("onehot", ExtraTreesClassifier(3, max_leaf_nodes=8, random_state=0)),
    }
    return exported(vote_of(members, weights=[0.3, 1.7]), *table(n_rows=120, n_classes=3))


def vote_with_splines() -> Exported:
    members = {
        "boosting": pipeline_of("native", clone(BOOSTING)),
        "linear": pipeline_of("splines", clone(LINEAR)),
    }
    return exported(vote_of(members), *table(n_rows=120, n_classes=3))


Make = Callable[[], Exported]
FAST: dict[str, Make] = {
    "boosting": lambda: case_of("native", BOOSTING),
    "boosting, three labels": lambda: case_of("native", BOOSTING, 3),
    "forest, three labels": lambda: case_of("ordinal", FOREST, 3),
    "linear, three labels": lambda: case_of("onehot", LINEAR, 3),
    "linear, splines": lambda: case_of("splines", LINEAR),
    "vote, splines": vote_with_splines,
    "linear, hashing": lambda: case_of("hashing", LINEAR),
    "LightGBM": lambda: case_of("native", LIGHTGBM),
    "XGBoost": lambda: case_of("ordinal", XGBOOST),
    "XGBoost, three labels": lambda: case_of("ordinal", XGBOOST, 3),
    "CatBoost, three labels": lambda: case_of("ordinal", CATBOOST, 3),
    "vote": lambda: small_vote(2, (3, 0.5, 1)),
    "vote of nine": many_votes,
    "vote of forests": vote_of_forests,
    "dates, texts and many categories": lambda: mixed_of("native", BOOSTING),
    "prepared features": lambda: prepared_boosting(3),
    "products and shares": quadratic_linear,
    "sigmoid, three labels": lambda: case_of("ordinal", FOREST, 3, "sigmoid"),
    "isotonic": lambda: case_of("native", BOOSTING, 2, "isotonic"),
    "temperature": lambda: case_of("native", BOOSTING, 2, "temperature"),
    "temperature, 32 bits": lambda: case_of("ordinal", XGBOOST, 2, "temperature"),
}
SLOW: dict[str, Make] = {
    "boosting, one-hot": lambda: case_of("onehot", BOOSTING),
    "boosting, target": lambda: case_of("target", BOOSTING, 3),
    "boosting, nine labels": lambda: exported(
        pipeline_of("native", boosting(max_iter=3)), *table(360, 9)
    ),
    "forest": lambda: case_of("ordinal", FOREST),
    "forest, any depth": lambda: case_of("hashing", RandomForestClassifier(9, random_state=0)),
    "one tree": lambda: case_of("target", DecisionTreeClassifier(max_leaf_nodes=8, random_state=0)),
    "linear": lambda: case_of("onehot", LINEAR),
    "linear, target, three labels": lambda: exported(
        pipeline_of("target", clone(LINEAR)), *table(120, n_classes=3, missing=False)
    ),
    "LightGBM, three labels": lambda: case_of("native", LIGHTGBM, 3),
    "LightGBM, one-hot": lambda: case_of("onehot", LIGHTGBM),
    "CatBoost": lambda: case_of("ordinal", CATBOOST),
    "XGBoost, one-hot": lambda: case_of("onehot", XGBOOST),
    "XGBoost, nine labels": lambda: exported(
        pipeline_of("ordinal", clone(XGBOOST)), *table(360, 9)
    ),
    "vote, three labels": lambda: small_vote(3),
    "dates and texts, forest": lambda: mixed_of("ordinal", FOREST, 3),
    "dates and texts, linear": lambda: mixed_of("onehot", LINEAR),
    "dates and texts, CatBoost": lambda: mixed_of("ordinal", CATBOOST),
    "sigmoid": lambda: case_of("native", BOOSTING, 2, "sigmoid"),
    "sigmoid, 32 bits": lambda: case_of("ordinal", XGBOOST, 2, "sigmoid"),
    "isotonic, forest": lambda: case_of("ordinal", FOREST, 2, "isotonic"),
    "isotonic, three labels": lambda: case_of("native", BOOSTING, 3, "isotonic"),
    "isotonic, 32 bits": lambda: case_of("ordinal", XGBOOST, 3, "isotonic"),
    "temperature, three labels": lambda: case_of("native", BOOSTING, 3, "temperature"),
    "temperature, forest": lambda: case_of("ordinal", FOREST, 3, "temperature"),
    "temperature, vote": lambda: small_vote(calibration="temperature"),
}


def rows_of(case: Exported, n_rows: int = 0, seed: int = 0) -> list[np.ndarray]:
    """Return the columns of hard rows, and of at least n_rows with the random ones behind them.

    A random row has cells of hard ones, and numbers in between.
    """
    scorer, rng = case.scorer, np.random.default_rng(seed)
    make = hard_rows if scorer.inputs is None else hard_inputs
    frames = make(scorer, case.X_test, rng, whole=True)
    parts = [columns_of(scorer, frame) for _, frame in frames]
    hard = [np.concatenate(column) for column in zip(*parts, strict=True)]
    n_random = max(100, n_rows - len(hard[0]))
    columns = []
    for cells in hard:
        # Hard texts take long.
        is_text = cells.dtype == object
        drawn = rng.choice(cells[: len(case.X_test)] if is_text else cells, n_random)
        if cells.dtype == np.float64:
            # Most hard numbers are extreme or at a threshold.
            low, high = np.nanquantile(cells, [0.05, 0.95])
            between = rng.uniform(low, high, n_random)
            drawn = np.where(rng.random(n_random) < 0.5, between, drawn)
        columns.append(np.concatenate([cells, drawn]))
    return columns


def schema_of(case: Exported) -> Schema:
    """Return a schema of the rows that a model was fitted on."""
    columns: list[Column] = []
    for column in case.scorer.columns:
        (cells,) = columns_of(case.scorer.__class__((column,), *[None] * 3), case.X_train)  # type: ignore[arg-type]
        if isinstance(column, CategoryEncoding):
            columns.append(CategoryColumn(column.name, column.categories, 0.0))
        elif isinstance(column, TextInput):
            columns.append(TextColumn(column.name, 100, 0.0))
        else:
            kind = DateColumn if isinstance(column, DateInput) else NumberColumn
            columns.append(kind(column.name, float(np.nanmin(cells)), float(np.nanmax(cells)), 0.0))
    return Schema(tuple(columns), "label", case.labels, len(case.X_train))


def write_files(case: Exported, columns: Sequence[np.ndarray], directory: Path) -> None:
    """Write what tests/web/score_file.js reads."""
    rows = [
        [None if cell != cell else cell for cell in row]
        for row in zip(*(column.tolist() for column in columns), strict=True)
    ]
    (directory / "spec.json").write_bytes(case.files[SPEC])
    (directory / "arrays").write_bytes(case.files[ARRAYS])
    (directory / "schema.json").write_text(schema_of(case).to_json(), encoding="utf-8")
    (directory / "rows.json").write_text(json.dumps(rows), encoding="utf-8")


@dataclass(frozen=True)
class Comparison:
    """How far the evaluator in JavaScript is from the scorer.

    n_sums : sums of trees with other bits. linear : the largest difference of linear sums, and
    contributions : that of contributions, relative to the largest of the row, or to 1. ulps : the
    largest difference of probabilities, in units of their last place; proba : the same as it is.
    n_proba : probabilities that differ. Of two labels the second counts, as the first is computed
    from it.
    """

    n_rows: int
    n_sums: int
    linear: float
    n_proba: int
    ulps: int
    proba: float
    contributions: float

    def check(self) -> None:
        assert self.n_sums == 0
        assert self.linear == 0
        assert self.n_proba == 0
        assert self.contributions <= 1e-12


def compare(case: Exported, columns: list[np.ndarray], scores: bytes) -> Comparison:
    """Compare what scoreRows returned with the scorer."""
    scorer = case.scorer
    own = columns if scorer.inputs is None else list(scorer.inputs.of_columns(columns))
    sums = [model.sums(own) for model in models_of(scorer)]
    is_tree = np.concatenate(
        [
            np.full(part.shape[1], hasattr(model, "trees"))
            for model, part in zip(models_of(scorer), sums, strict=True)
        ]
    )
    expected_sums, proba = np.concatenate(sums, axis=1), scorer.predict_proba(columns)
    found = np.frombuffer(scores).reshape(len(proba), -1)
    n_sums, n_proba = expected_sums.shape[1], proba.shape[1]
    found_sums, found_proba, added = np.split(found, [n_sums, n_sums + n_proba], axis=1)
    differs = ulps_between(found_sums, expected_sums)
    first = 1 if n_proba == 2 else 0
    apart = ulps_between(found_proba[:, first:], proba[:, first:])
    with np.errstate(invalid="ignore"):
        linear = np.abs(found_sums - expected_sums)[:, ~is_tree]
    # Extreme numbers have extreme parts; equal infinities differ by nothing.
    scale = np.maximum(1, np.abs(expected_sums[:, ~is_tree]))
    linear = np.where(differs[:, ~is_tree] == 0, 0, linear / scale)
    return Comparison(
        n_rows=len(proba),
        n_sums=int((differs[:, is_tree] > 0).sum()),
        linear=float(linear.max(initial=0)),
        n_proba=int((apart > 0).sum()),
        ulps=int(apart.max()),
        proba=float(np.nanmax(np.abs(found_proba - proba))),
        contributions=_difference(scorer, columns, proba, added),
    )


def _difference(
    scorer: Scorer, columns: list[np.ndarray], proba: np.ndarray, added: np.ndarray
) -> float:
    """Return the largest difference of contributions, relative to the row's largest number."""
    try:
        expected = scorer.contributions(columns, proba)
    except NotExplainableError:
        assert np.isnan(added).all()
        return 0.0
    whole = np.column_stack([expected.base, expected.values])
    known = np.isfinite(expected.scores)
    # Those that add up to no number are refused.
    assert np.array_equal(np.isfinite(added).all(axis=1), known)
    scale = np.maximum(1, np.abs(whole[known]).max(axis=1, keepdims=True))
    return float((np.abs(added[known] - whole[known]) / scale).max())


def ulps_between(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return how many floats apart numbers are; 0 for two NaN."""

    def places(numbers: np.ndarray) -> np.ndarray:
        bits = np.ascontiguousarray(numbers).view(np.int64)
        return np.where(bits < 0, np.int64(-(2**63)) - bits, bits)

    apart = np.abs(places(found).astype(object) - places(expected).astype(object))
    same = np.isnan(found) & np.isnan(expected)
    return np.where(same, 0, apart)
