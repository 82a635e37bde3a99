"""Small fitted pipelines, the rows on which exporters go wrong, and what a scorer says of them."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.api.types import union_categoricals
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder

from tabproof.modeling import (
    CategoryHasher,
    Splines,
    answers_out_of_fold,
    calibrate,
    make_pipeline,
)
from tabproof.scorer import Scorer, read_scorer
from tabproof.scorer.export import export_pipeline
from tabproof.scorer.export.parity import columns_of, hard_rows
from tabproof.scorer.format import ARRAYS, SPEC, read_files
from tabproof.scorer.model import TreesModel, VoteModel
from tabproof.scorer.trees import MAX_LEAVES, BitVectors, TreeWalker

EVALUATORS = {"BitVectors": BitVectors, "TreeWalker": TreeWalker}


def table(
    n_rows: int = 240, n_classes: int = 2, *, missing: bool = True, seed: int = 0
) -> tuple[pd.DataFrame, np.ndarray]:
    """Make numbers and categories in mixed order, with ugly names, and a target they explain."""
    rng = np.random.default_rng(seed)
    categories = np.array(["nan", "", "東京", "a_b", "None"])
    city, job = rng.choice(categories, n_rows), rng.choice(["b", "a"], n_rows)
    age, income = rng.normal(40, 10, n_rows), rng.lognormal(3, 1, n_rows)
    frame = pd.DataFrame(
        {
            "age": age,
            "都市": as_category(city),
            "income": income,
            "whole": rng.integers(-3, 4, n_rows).astype("float64"),
            "job": as_category(job),
        }
    )
    score = age / 10 + 2 * (city == "東京") - 2 * (city == "nan") + np.log(income)
    score = score + rng.normal(0, 0.5, n_rows)
    if missing:
        for place, name in enumerate(frame.columns):
            gone = rng.random(n_rows) < 0.1 + 0.05 * place
            frame[name] = frame[name].mask(gone)
            score += gone * (place - 2)
    return frame, pd.qcut(score, n_classes, labels=False)


def paired_table(n_rows: int = 300, n_classes: int = 2) -> tuple[pd.DataFrame, np.ndarray]:
    """Make the columns of `table`, and a target that pairs, and values of `exact`, explain."""
    frame, _ = table(n_rows, n_classes)
    rng = np.random.default_rng(1)
    both = (frame["都市"] == "東京") ^ (frame["job"] == "a")
    # Last, so that the other columns stay as they are.
    values = rng.integers(-7, 8, n_rows)
    frame["exact"] = pd.Series(values / 10).mask(rng.random(n_rows) < 0.1)
    score = frame["whole"].fillna(0) * (frame["age"].fillna(40) - 40) / 5 + 4 * both
    score += 12 * (values % 3 == 1)
    return frame, pd.qcut(score + rng.normal(0, 0.5, n_rows), n_classes, labels=False)


def as_category(values: Any) -> pd.Series:
    """Make a column of categories as loading a table does: texts in sorted order."""
    column = pd.Series(values, dtype="object")
    categories = pd.Index(sorted(column.dropna().unique()), dtype="object")
    return column.astype(pd.CategoricalDtype(categories))


PREPROCESS = ("native", "onehot", "ordinal", "target", "hashing")
# Preprocessing, missing cells or none, number of classes: each pair of values occurs, and each
# value also if the slow ones are left out.
PAIRS = [
    pytest.param(
        preprocess,
        missing,
        2 + (index + missing) % 2,
        marks=[pytest.mark.slow] if missing == (index > 2) else [],
    )
    for index, preprocess in enumerate(PREPROCESS)
    for missing in (True, False)
]


def in_breadth(*cases: Any) -> list[Any]:
    """Mark cases that confirm in breadth what the others hold; `make test-all` runs them."""
    return [pytest.param(case, marks=pytest.mark.slow) for case in cases]


def pipeline_of(preprocess: str, estimator: Any) -> Pipeline:
    """Make the pipeline of conf/preprocess/<preprocess>.yaml."""
    steps: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "native": ({}, {}),
        "onehot": (
            {"impute": SimpleImputer(), "scale": StandardScaler()},
            {
                "impute": SimpleImputer(strategy="most_frequent"),
                "encode": OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            },
        ),
        "ordinal": (
            {},
            {"encode": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)},
        ),
        "target": ({}, {"encode": TargetEncoder()}),
        "hashing": (
            {"impute": SimpleImputer(), "scale": StandardScaler()},
            {"encode": CategoryHasher(4)},
        ),
        "splines": (
            {"encode": Splines(6, min_rows=4)},
            {
                "impute": SimpleImputer(strategy="most_frequent"),
                "encode": OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            },
        ),
    }
    return make_pipeline(*steps[preprocess], estimator, seed=0)


def vote_of(members: Mapping[str, Pipeline], **parameters: Any) -> Pipeline:
    """Make a pipeline of a vote, as conf/model/vote.yaml does."""
    vote = VotingClassifier([*members.items()], **{"voting": "soft", **parameters})
    return make_pipeline({}, {}, vote, seed=0)


def boosting(**parameters: Any) -> HistGradientBoostingClassifier:
    """Make boosting that has something to learn from small tables."""
    chosen = {"categorical_features": "from_dtype", "max_iter": 12, "min_samples_leaf": 3}
    return HistGradientBoostingClassifier(**{**chosen, **parameters})


@dataclass(frozen=True)
class Exported:
    """A fitted pipeline, the rows it was fitted on, rows held out, and its files.

    pipeline : what gives probabilities, so CalibratedClassifierCV of one where it is calibrated.
    """

    pipeline: Any
    X_train: pd.DataFrame
    X_test: pd.DataFrame
    labels: tuple[str, ...]
    files: dict[str, bytes]

    @property
    def scorer(self) -> Scorer:
        return read_scorer(self.files)


def exported(
    pipeline: Pipeline, X: pd.DataFrame, y: np.ndarray, *, calibration: str | None = None
) -> Exported:
    """Fit on two thirds of the rows, calibrate on their folds if asked to, and export."""
    held_out = np.arange(len(X)) % 3 == 0
    X_train, X_test, y_train = X[~held_out], X[held_out], y[~held_out]
    fitted: Any = pipeline.fit(X_train, y_train)
    if calibration is not None:
        splits = list(StratifiedKFold(3, shuffle=True, random_state=0).split(X_train, y_train))
        answers = answers_out_of_fold(pipeline, X_train, y_train, splits)
        fitted = calibrate(pipeline, answers, y_train, calibration)
    labels = tuple(f"label {code}" for code in range(len(np.unique(y))))
    files = export_pipeline(fitted, X_train, list(labels))
    return Exported(fitted, X_train, X_test, labels, files)


@cache
def small_boosting(n_classes: int = 2) -> Exported:
    """Return boosting that splits categories and missing cells; tests must not change it."""
    return exported(pipeline_of("native", boosting(max_iter=5)), *table(n_classes=n_classes))


def scorers_of(files: Mapping[str, bytes]) -> dict[str, Scorer]:
    """Read a scorer, once for each way in which all its models can be evaluated."""
    trees = [model for model in models_of(read_scorer(files)) if isinstance(model, TreesModel)]
    if not trees:
        return {"linear": read_scorer(files)}
    scorers = {}
    for name, kind in EVALUATORS.items():
        if kind is TreeWalker or all(t.trees.n_leaves.max() <= MAX_LEAVES for t in trees):
            scorers[name] = read_scorer(files)
            for model in models_of(scorers[name]):
                if isinstance(model, TreesModel):
                    model._evaluator = kind(model.trees, model.encodings)
    return scorers


def models_of(scorer: Scorer) -> list[Any]:
    """Return the one model of a scorer, or each of a vote's."""
    model = scorer.model
    return model.members if isinstance(model, VoteModel) else [model]


def one_by_one(scorer: Scorer, columns: list[np.ndarray]) -> np.ndarray:
    """Score rows as the service does."""
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return np.array([scorer.predict_row(row) for row in rows])


def assert_equals_pipeline(case: Exported, *, allowed: float = 0.0) -> None:
    """Compare on all that is hard, every threshold included; one row has a batch's bits.

    Whatever evaluates the model, which is every way that can.
    """
    rng = np.random.default_rng(0)
    kinds, frames = zip(*hard_rows(case.scorer, case.X_test, rng, whole=True), strict=True)
    # All rows in one call: most of a call's time does not depend on the number of rows.
    X = pd.concat(frames, ignore_index=True)
    for name in (column.name for column in case.scorer.category_columns):
        X[name] = union_categoricals([frame[name] for frame in frames])
    expected, columns = case.pipeline.predict_proba(X), columns_of(case.scorer, X)
    ends = np.cumsum([len(frame) for frame in frames])
    for name, scorer in scorers_of(case.files).items():
        found = scorer.predict_proba(columns)
        for kind, start, end in zip(kinds, [0, *ends], ends, strict=False):
            rows, few = slice(start, end), slice(start, min(end, start + 10))
            message = f"{name}, {kind}"
            assert_allclose(found[rows], expected[rows], rtol=0, atol=allowed, err_msg=message)
            alone = one_by_one(scorer, [column[few] for column in columns])
            assert_array_equal(alone, found[few], err_msg=message)


def mixed_table(n_rows: int = 300, n_classes: int = 2) -> tuple[pd.DataFrame, np.ndarray]:
    """Make dates, texts and a column of many categories beside those of `table`."""
    frame, y = table(n_rows, n_classes)
    rng = np.random.default_rng(1)
    words = np.array(
        ["late", "paid", "again", "苦情", "解約した", "ＯＫ", "😀", "cafe\u0301", "x_1"]
    )
    texts = [" ".join(rng.choice(words, rng.integers(0, 6))) for _ in range(n_rows)]
    start = np.datetime64("2019-12-31T22:00", "us")
    frame["signed"] = start + rng.integers(0, 10**8, n_rows) * np.timedelta64(1, "s")
    frame["left [day]"] = (start + rng.integers(0, 900, n_rows) * np.timedelta64(1, "D")).astype(
        "datetime64[D]"
    )
    frame["left [day]"] = frame["left [day]"].astype("datetime64[us]")
    frame["signed"] = frame["signed"].mask(rng.random(n_rows) < 0.1)
    frame["remarks"] = pd.Series(texts, dtype="str").mask(rng.random(n_rows) < 0.1)
    towns = np.array([f"town {number}" for number in range(40)])
    frame["town"] = as_category(pd.Series(rng.choice(towns, n_rows)).mask(rng.random(n_rows) < 0.1))
    return frame, y


def mixed_pipeline_of(preprocess: str, estimator: Any) -> Pipeline:
    """Make a pipeline that encodes `town` of mixed_table by the target."""
    return pipeline_of(preprocess, estimator).set_params(features__max_categories=20)


@cache
def mixed_boosting(n_classes: int = 2) -> Exported:
    """Return boosting on dates, texts and many categories; tests must not change it."""
    pipeline = mixed_pipeline_of("native", boosting(max_iter=5))
    return exported(pipeline, *mixed_table(n_classes=n_classes))


def prepared_pipeline_of(preprocess: str, estimator: Any) -> Pipeline:
    """Make a pipeline with features of pairs of columns."""
    return pipeline_of(preprocess, estimator).set_params(
        features__combinations=6, features__interactions=2, features__shares=True
    )


def quadratic_linear(n_classes: int = 2) -> Exported:
    """Return a linear model on products of numbers, and on shares of values."""
    pipeline = pipeline_of("onehot", LogisticRegression())
    pipeline.set_params(features__products=True, features__shares=True)
    return exported(pipeline, *paired_table(n_classes=n_classes))


@cache
def prepared_boosting(n_classes: int = 2) -> Exported:
    """Return boosting on features of pairs of columns; tests must not change it."""
    rows = paired_table(n_classes=n_classes)
    return exported(prepared_pipeline_of("native", boosting(max_iter=5)), *rows)


@cache
def mixed_vote() -> Exported:
    """Return a vote on dates, texts and many categories; tests must not change it."""
    members = {
        "boosting": pipeline_of("native", boosting(max_iter=3)),
        "linear": pipeline_of("onehot", LogisticRegression()),
    }
    pipeline = vote_of(members).set_params(features__max_categories=20)
    return exported(pipeline, *mixed_table())


@cache
def small_vote(
    n_classes: int = 2,
    weights: tuple[float, ...] | None = None,
    *,
    calibration: str | None = None,
) -> Exported:
    """Return a vote whose members encode columns in three ways; tests must not change it."""
    members = {
        "boosting": pipeline_of("native", boosting(max_iter=3)),
        "linear": pipeline_of("onehot", LogisticRegression()),
        "forest": pipeline_of("ordinal", RandomForestClassifier(3, max_leaf_nodes=8)),
    }
    pipeline = vote_of(members, weights=weights)
    return exported(pipeline, *table(n_classes=n_classes), calibration=calibration)


def changed_spec(files: Mapping[str, bytes], change: Any) -> dict[str, bytes]:
    """Return the files with a change of what scorer.json holds."""
    content = json.loads(files[SPEC])
    change(content)
    return {**files, SPEC: json.dumps(content).encode()}


def arrays_of(files: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    """Return the arrays, free to be changed."""
    # safetensors gives them in any order.
    return {name: array.copy() for name, array in sorted(read_files(files)[1].items())}


def with_arrays(files: Mapping[str, bytes], **changes: np.ndarray | None) -> dict[str, bytes]:
    """Return the files with some arrays changed, or left out; `__` stands for a point."""
    arrays = arrays_of(files)
    for name, array in changes.items():
        if array is None:
            del arrays[name.replace("__", ".")]
        else:
            arrays[name.replace("__", ".")] = array
    return {**files, ARRAYS: safetensors(arrays)}


DTYPES = {"float64": "F64", "float32": "F32", "int64": "I64", "int32": "I32", "uint8": "U8"}


def safetensors(arrays: Mapping[str, np.ndarray], **claims: Any) -> bytes:
    """Write arrays in safetensors' format; claims replace what the header says of one."""
    header: dict[str, Any] = {}
    content = b""
    for name, array in arrays.items():
        data = np.ascontiguousarray(array).tobytes()
        header[name] = {
            "dtype": DTYPES[str(array.dtype)],
            "shape": list(array.shape),
            "data_offsets": [len(content), len(content) + len(data)],
        }
        content += data
    for name, claim in claims.items():
        header[name.replace("__", ".")].update(claim)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + content
