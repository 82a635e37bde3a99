"""Logistic regression as data: to the last bits, which BLAS adds up in an order of its own."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder

from tabproof.modeling import make_pipeline
from tabproof.scorer.export.parity import columns_of
from tests.scorer.fitted import assert_equals_pipeline, exported, one_by_one, pipeline_of, table

ALLOWED = 1e-12


@pytest.mark.parametrize("n_classes", [2, 3, 9])
@pytest.mark.parametrize("missing", [True, False], ids=["missing", "complete"])
def test_equals_the_pipeline(missing: bool, n_classes: int) -> None:
    case = exported(
        pipeline_of("onehot", LogisticRegression()), *table(n_classes=n_classes, missing=missing)
    )
    assert_equals_pipeline(case, allowed=ALLOWED)


@pytest.mark.parametrize(
    "parameters",
    [
        {"C": 1e6, "max_iter": 5000},
        {"class_weight": "balanced"},
        {"fit_intercept": False},
        {"solver": "liblinear"},
        {"solver": "liblinear", "l1_ratio": 1.0, "C": 0.01},
        {"solver": "newton-cholesky"},
    ],
    ids=str,
)
def test_equals_the_pipeline_whatever_the_options(parameters: dict[str, Any]) -> None:
    case = exported(pipeline_of("onehot", LogisticRegression(**parameters)), *table())
    assert_equals_pipeline(case, allowed=ALLOWED)


def test_equals_the_pipeline_that_chose_its_own_strength() -> None:
    estimator = LogisticRegressionCV(
        Cs=3, cv=2, scoring="neg_log_loss", l1_ratios=(0.0,), use_legacy_attributes=False
    )
    case = exported(pipeline_of("onehot", estimator), *table(n_classes=3))
    assert_equals_pipeline(case, allowed=ALLOWED)


@pytest.mark.parametrize(
    ("numeric", "categorical"),
    [
        ([SimpleImputer(strategy="median")], [OneHotEncoder(handle_unknown="ignore")]),
        (
            [MinMaxScaler((-3, 5)), SimpleImputer(strategy="constant", fill_value=-7)],
            [OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=50)],
        ),
        (
            [SimpleImputer()],
            [
                SimpleImputer(strategy="constant", fill_value="nothing"),
                OneHotEncoder(handle_unknown="ignore", max_categories=3),
            ],
        ),
        (
            [SimpleImputer()],
            [
                OrdinalEncoder(
                    handle_unknown="use_encoded_value", unknown_value=-5, encoded_missing_value=7
                )
            ],
        ),
    ],
    ids=["sparse", "infrequent", "filled", "ordinal"],
)
def test_equals_the_pipeline_whatever_the_preprocessing(
    numeric: list[Any], categorical: list[Any]
) -> None:
    def named(steps: list[Any]) -> dict[str, Any]:
        return {f"step_{place}": step for place, step in enumerate(steps)}

    estimator = LogisticRegression(max_iter=5000)
    pipeline = make_pipeline(named(numeric), named(categorical), estimator, seed=0)
    assert_equals_pipeline(exported(pipeline, *table()), allowed=ALLOWED)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_where_infinities_cancel_there_is_no_number_alone_as_in_a_batch(n_classes: int) -> None:
    X, y = table(n_classes=n_classes, missing=False)
    case = exported(pipeline_of("onehot", LogisticRegression()), X, y)
    scorer = case.scorer
    rows = case.X_test.iloc[:4].assign(
        age=[np.inf, -np.inf, 1e308, np.inf], income=[np.inf, np.inf, 1.0, 1.0]
    )
    columns = columns_of(scorer, rows)
    batch = scorer.predict_proba(columns)
    np.testing.assert_array_equal(one_by_one(scorer, columns), batch)
    assert np.isnan(batch[:2]).any()
    assert np.isfinite(batch[2]).all()


def test_a_table_of_numbers_alone() -> None:
    X, y = table(missing=False)
    pipeline = make_pipeline({}, {}, LogisticRegression(max_iter=5000), seed=0)
    case = exported(pipeline, X[["age", "income"]], y)
    scorer = case.scorer
    expected = case.pipeline.predict_proba(case.X_test)
    found = scorer.predict_proba(columns_of(scorer, case.X_test))
    np.testing.assert_allclose(found, expected, rtol=0, atol=ALLOWED)


def test_a_column_of_one_category() -> None:
    X, y = table()
    X = X.assign(same=pd.Categorical(["always"] * len(X)))
    case = exported(pipeline_of("onehot", LogisticRegression()), X, y)
    assert_equals_pipeline(case, allowed=ALLOWED)
