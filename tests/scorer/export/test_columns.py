"""Preprocessing is exported whatever the options of its steps, or refused before data is read.

A search of hours must not end in an export that fails.
"""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)

from tabproof.modeling import CategoryHasher, Splines, make_pipeline
from tabproof.scorer.encoding import CategoryEncoding, NumberEncoding, SplineEncoding
from tabproof.scorer.export import check_exportable, check_parity
from tabproof.scorer.export.columns import UNSEEN, as_cells, export_columns
from tabproof.scorer.export.estimators import find_categories
from tabproof.scorer.export.exporters import NotExportableError
from tests.scorer.fitted import (
    as_category,
    assert_equals_pipeline,
    boosting,
    exported,
    in_breadth,
    models_of,
    pipeline_of,
    table,
)


class Length(TransformerMixin, BaseEstimator):
    """A user's own encoder: how long a category's name is, and whether there is one."""

    features_per_column = 2

    def fit(self, X: pd.DataFrame, y: Any = None) -> "Length":  # noqa: ARG002 - of the protocol
        self.fitted_ = True
        return self

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        lengths = [X[name].astype("object").str.len() for name in X.columns]
        return np.column_stack([f for n in lengths for f in (n.fillna(-1), n.isna())]).astype(float)


ONE_HOT = OneHotEncoder(handle_unknown="ignore", sparse_output=False)


def encodings_of(numeric: dict[str, Any], categorical: dict[str, Any]) -> dict[str, Any]:
    X, y = table()
    pipeline = make_pipeline(numeric, categorical, boosting(max_iter=1), seed=0).fit(X, y)
    encodings, _ = export_columns(pipeline["preprocess"], X)
    return {encoding.name: encoding for encoding in encodings}


def test_the_arithmetic_of_numbers_is_that_of_the_fitted_steps() -> None:
    X, _ = table()
    numeric = {"impute": SimpleImputer(), "scale": StandardScaler()}
    found = encodings_of(numeric, {"encode": ONE_HOT})["income"]
    assert isinstance(found, NumberEncoding)
    (fill, mean), (subtract, centre), (divide, _) = found.steps
    assert [fill, subtract, divide] == ["fill", "subtract", "divide"]
    assert mean == pytest.approx(X["income"].mean())
    assert centre == pytest.approx(X["income"].mean())


@pytest.mark.parametrize(
    ("scaler", "names"),
    [
        (StandardScaler(with_mean=False), ["divide"]),
        (StandardScaler(with_std=False), ["subtract"]),
        (StandardScaler(with_mean=False, with_std=False), []),
        (MinMaxScaler(), ["multiply", "add"]),
    ],
    ids=str,
)
def test_options_of_a_scaler(scaler: Any, names: list[str]) -> None:
    found = encodings_of({"scale": scaler}, {"encode": ONE_HOT})["age"]
    assert [name for name, _ in found.steps] == names


def test_the_table_of_a_category_is_the_output_of_the_steps() -> None:
    found = encodings_of({}, {"encode": ONE_HOT})["job"]
    assert isinstance(found, CategoryEncoding)
    assert found.categories == ("a", "b")
    # a, b, and the missing cell that training held; an unseen category is none of them.
    assert_array_equal(found.codes, [[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]])


def test_categories_are_those_that_occur_sorted_as_text() -> None:
    column = as_category(["10", "9", None, "é", "Z"])
    assert find_categories(column) == ["10", "9", "Z", "é"]
    assert find_categories(column.iloc[:0]) == []


def test_cells_of_categories_are_as_a_table_holds_them() -> None:
    cells = as_cells(["b", None, UNSEEN, "a"])
    assert cells.isna().tolist() == [False, True, False, False]
    assert isinstance(cells.dtype, pd.CategoricalDtype)
    assert cells.dtype.categories.tolist() == ["a", "b", UNSEEN]


def test_names_that_look_alike_are_kept_apart() -> None:
    X, y = table()
    X = X.assign(a=as_category(np.tile(["b_c", "c"], 120)), a_b=as_category(["c", "d"] * 120))
    case = exported(pipeline_of("onehot", LogisticRegression()), X, y)
    assert_equals_pipeline(case, allowed=1e-12)


@pytest.mark.parametrize(
    "encoder",
    [
        OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=2),
        OneHotEncoder(handle_unknown="ignore", min_frequency=0.3),
        OneHotEncoder(handle_unknown="ignore", dtype="float32"),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=99),
        OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
        ),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, min_frequency=40),
    ],
    ids=str,
)
def test_options_of_an_encoder(encoder: Any) -> None:
    categorical = {"impute": SimpleImputer(strategy="most_frequent"), "encode": encoder}
    forest = RandomForestClassifier(5, max_leaf_nodes=12)
    pipeline = make_pipeline({"impute": SimpleImputer()}, categorical, forest, seed=0)
    assert_equals_pipeline(exported(pipeline, *table()))


@pytest.mark.parametrize(
    "encoder",
    [
        TargetEncoder(),
        TargetEncoder(smooth=0.0),
        TargetEncoder(target_type="continuous"),
        CategoryHasher(),
        CategoryHasher(1),
        *in_breadth(TargetEncoder(smooth=50.0, cv=3), CategoryHasher(3)),
    ],
    ids=str,
)
@pytest.mark.parametrize("impute", [False, *in_breadth(True)])
def test_encoders_of_many_categories(encoder: Any, impute: bool) -> None:
    first = {"impute": SimpleImputer(strategy="most_frequent")} if impute else {}
    forest = RandomForestClassifier(3, max_leaf_nodes=8)
    pipeline = make_pipeline({}, {**first, "encode": encoder}, forest, seed=0)
    check_exportable(pipeline)
    assert_equals_pipeline(exported(pipeline, *table(n_classes=2 if impute else 3)))


def test_a_category_among_hundreds_has_its_row() -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(400), 3)
    X = pd.DataFrame({"c": as_category([f"{code:03}" for code in codes]), "n": rng.random(1200)})
    y = (rng.random(400) < 0.5)[codes].astype(int)
    for preprocess in ("target", "hashing"):
        case = exported(pipeline_of(preprocess, boosting(max_iter=2)), X, y)
        assert len(case.scorer.category_columns[0].categories) == 400
        assert_equals_pipeline(case)


def test_a_transformer_of_the_user_gives_its_number_of_features() -> None:
    categorical = {"encode": Length()}
    pipeline = make_pipeline({}, categorical, RandomForestClassifier(3), seed=0)
    check_exportable(pipeline)
    assert_equals_pipeline(exported(pipeline, *table()))
    numeric = make_pipeline({"a": Length()}, {}, RandomForestClassifier(3), seed=0)
    with pytest.raises(NotExportableError, match=r"preprocess\.numeric: Length"):
        check_exportable(numeric)


def exports_or_refuses(pipeline: Any, X: pd.DataFrame, y: np.ndarray) -> None:
    """Export and compare, or be refused before anything was fitted."""
    try:
        check_exportable(pipeline)
    except NotExportableError:
        return
    case = exported(pipeline, X, y)
    check_parity(case.pipeline, case.files, case.X_test, seed=0)


@pytest.mark.parametrize("encoder", [OneHotEncoder(sparse_output=False), OrdinalEncoder()], ids=str)
def test_an_encoder_that_refuses_unseen_categories(encoder: Any) -> None:
    numeric = {"impute": SimpleImputer()}
    exports_or_refuses(make_pipeline(numeric, {"e": encoder}, boosting(), seed=0), *table())


@pytest.mark.parametrize("encoder", [OneHotEncoder(handle_unknown="warn")], ids=str)
def test_an_encoder_that_warns_of_unseen_categories(encoder: Any) -> None:
    numeric, categorical = {"impute": SimpleImputer()}, {"e": encoder}
    estimator = LogisticRegression(max_iter=5000)
    exports_or_refuses(make_pipeline(numeric, categorical, estimator, seed=0), *table())


def test_an_imputer_of_another_missing_value() -> None:
    numeric = {"impute": SimpleImputer(missing_values=-1), "scale": StandardScaler()}
    pipeline = make_pipeline(numeric, {"e": ONE_HOT}, LogisticRegression(), seed=0)
    exports_or_refuses(pipeline, *table(missing=False))


def test_a_pipeline_that_refuses_missing_cells() -> None:
    pipeline = make_pipeline(
        {"scale": StandardScaler()}, {"e": ONE_HOT}, LogisticRegression(), seed=0
    )
    exports_or_refuses(pipeline, *table(missing=False))


@pytest.mark.parametrize(
    "estimator", [LogisticRegression(), RandomForestClassifier(3)], ids=lambda e: type(e).__name__
)
def test_a_column_of_tiny_numbers_whose_scale_makes_extremes_infinite(estimator: Any) -> None:
    X, y = table()
    exports_or_refuses(pipeline_of("onehot", estimator), X.assign(age=X["age"] * 1e-12), y)


def test_categories_that_look_like_numbers() -> None:
    X, y = table(missing=False)
    X = X[["age"]].assign(grade=as_category(np.where(X["age"] > 40, "1", "2")))
    exports_or_refuses(pipeline_of("native", boosting(categorical_features=None)), X, y)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_splines_are_exported_for_a_linear_model_knots_included(n_classes: int) -> None:
    pipeline = pipeline_of("splines", LogisticRegression(max_iter=1000))
    case = exported(pipeline, *table(n_classes=n_classes))
    assert_equals_pipeline(case, allowed=1e-12)
    (model,) = models_of(case.scorer)
    splines = [each for each in model.encodings if isinstance(each, SplineEncoding)]
    assert [each.name for each in splines] == ["age", "income", "whole"]
    # The features themselves have the transformer's bits.
    encode = case.pipeline["preprocess"].named_transformers_["numeric"]
    expected = encode.transform(case.X_test[["age", "income", "whole"]])
    found = [each.features(case.X_test[each.name].to_numpy()) for each in splines]
    assert_array_equal(np.concatenate(found, axis=1), expected)


def test_splines_are_refused_for_trees_and_after_other_steps() -> None:
    with pytest.raises(NotExportableError, match="splines for an estimator that is not linear"):
        check_exportable(pipeline_of("splines", boosting()))
    numeric = {"scale": StandardScaler(), "encode": Splines()}
    with pytest.raises(NotExportableError, match=r"preprocess\.numeric: Splines"):
        check_exportable(make_pipeline(numeric, {}, LogisticRegression(), seed=0))
