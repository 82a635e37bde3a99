"""Dates, texts and many categories are exported exactly, whatever the model."""

from typing import Any

import numpy as np
import pytest
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OrdinalEncoder, StandardScaler
from xgboost import XGBClassifier

from tabproof.modeling import join_fitted, make_pipeline
from tabproof.scorer.export import check_exportable, export_pipeline
from tabproof.scorer.export.parity import ScorerDiffersError, check_parity, columns_of
from tabproof.scorer.format import ScorerDamagedError
from tests.scorer.damage import changed, spec_of, with_spec
from tests.scorer.fitted import (
    Exported,
    boosting,
    exported,
    mixed_boosting,
    mixed_pipeline_of,
    mixed_table,
    mixed_vote,
    paired_table,
    quadratic_linear,
)

MODELS: dict[str, tuple[str, Any, float]] = {
    "boosting": ("native", boosting(max_iter=5), 0.0),
    "forest": ("ordinal", RandomForestClassifier(3, max_leaf_nodes=9, random_state=0), 0.0),
    "linear": ("onehot", LogisticRegression(), 1e-12),
    "LightGBM": ("native", LGBMClassifier(n_estimators=4, verbose=-1, n_jobs=1), 1e-15),
    "XGBoost": ("ordinal", XGBClassifier(n_estimators=4, n_jobs=1), 0.0),
    "CatBoost": (
        "ordinal",
        CatBoostClassifier(iterations=4, verbose=0, allow_writing_files=False, thread_count=1),
        1e-15,
    ),
    "encoded": ("target", boosting(max_iter=5), 0.0),
}


def fitted(name: str, n_classes: int, calibration: str | None = None) -> Exported:
    preprocess, estimator, _ = MODELS[name]
    pipeline = mixed_pipeline_of(preprocess, clone(estimator))
    return exported(pipeline, *mixed_table(n_classes=n_classes), calibration=calibration)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", MODELS)
def test_the_scorer_equals_the_pipeline(name: str, n_classes: int) -> None:
    case = fitted(name, n_classes)
    parity = check_parity(case.pipeline, case.files, case.X_test, seed=0, whole=True)
    assert parity.max_difference <= MODELS[name][2]


@pytest.mark.parametrize("method", ["isotonic", "temperature"])
def test_a_calibrated_scorer_equals_the_pipeline(method: str) -> None:
    case = fitted("boosting", 2, method)
    assert check_parity(case.pipeline, case.files, case.X_test, seed=0).max_difference == 0


def test_a_vote_equals_the_pipeline() -> None:
    case = mixed_vote()
    parity = check_parity(case.pipeline, case.files, case.X_test, seed=0)
    assert parity.max_difference <= 1e-12


def test_joined_pipelines_make_their_features_once() -> None:
    X, y = mixed_table()
    members = {
        "boosting": mixed_pipeline_of("native", boosting(max_iter=3)).fit(X, y),
        "linear": mixed_pipeline_of("onehot", LogisticRegression()).fit(X, y),
    }
    joined = join_fitted(members, {"boosting": 1.0, "linear": 2.0})
    expected = np.average([m.predict_proba(X) for m in members.values()], axis=0, weights=[1, 2])
    assert_array_equal(joined.predict_proba(X), expected)
    files = export_pipeline(joined, X, ["no", "yes"])
    assert check_parity(joined, files, X, seed=0).max_difference <= 1e-12


def test_members_that_make_other_features_are_not_joined() -> None:
    X, y = mixed_table()
    one = mixed_pipeline_of("native", boosting(max_iter=3)).fit(X, y)
    other = mixed_pipeline_of("native", boosting(max_iter=3))
    other.set_params(features__text_C=1.0).fit(X, y)
    with pytest.raises(ValueError, match="other features"):
        join_fitted({"one": one, "other": other}, {"one": 1.0, "other": 1.0})


@pytest.mark.parametrize("take", ["days", "days_between", "text", "code"])
def test_a_wrong_feature_is_found(take: str) -> None:
    case = mixed_boosting()
    spec = spec_of(case.files)
    features = spec["features"]
    place = [feature["take"] for feature in features].index(take)
    wrong = {
        "days": {**features[place], "newest": 0.0},
        "days_between": {**features[place], "of": features[place]["of"][::-1]},
        # Of two features of a text the length is the first.
        "text": {**features[place], "index": 1},
        "code": {**features[place], "of": features[place]["of"]},
    }[take]
    files = with_spec(case.files, changed(spec, ("features", place), wrong))
    if take == "code":
        files = with_spec(
            case.files, changed(spec, ("inputs", wrong["of"][0], "categories", 0), "x")
        )
    with pytest.raises(ScorerDiffersError):
        check_parity(case.pipeline, files, case.X_test, seed=0)


@pytest.mark.parametrize("name", ["boosting", "forest", "linear"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_contributions_of_columns_add_up_to_the_score(name: str, n_classes: int) -> None:
    case = fitted(name, n_classes)
    scorer = case.scorer
    columns = columns_of(scorer, case.X_test)
    proba = scorer.predict_proba(columns)
    found = scorer.contributions(columns, proba)
    assert found.values.shape == case.X_test.shape
    inner = scorer.without_inputs()
    assert scorer.inputs is not None
    of_model = inner.contributions(scorer.inputs.of_columns(columns), proba)
    np.testing.assert_allclose(found.scores, of_model.scores, rtol=0, atol=1e-12)
    assert_array_equal(found.base, of_model.base)


def test_days_between_dates_count_half_for_each() -> None:
    inputs = mixed_boosting().scorer.inputs
    assert inputs is not None
    takes = [feature.take for feature in inputs.maker.features]
    values = np.zeros((1, len(takes)))
    values[0, takes.index("days_between")] = 1.0
    names = [column.name for column in inputs.columns]
    shares = dict(zip(names, inputs.shares(values)[0].tolist(), strict=True))
    assert {name: share for name, share in shares.items() if share} == {
        "signed": 0.5,
        "left [day]": 0.5,
    }


def test_members_use_prepared_features_or_not() -> None:
    X, y = paired_table(n_classes=3)
    prepared = {"combinations": 3, "interactions": 2, "shares": True, "products": True}
    fill = {"impute": SimpleImputer()}
    codes = {"encode": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)}
    members = {
        "with": make_pipeline({}, {}, boosting(max_iter=3), seed=0, prepared=prepared),
        "without": make_pipeline({}, {}, boosting(max_iter=3), seed=0, prepared=prepared, uses=()),
        "with shares": make_pipeline(
            {}, {}, boosting(max_iter=3), seed=0, prepared=prepared, uses=["shares"]
        ),
        "linear, with products": make_pipeline(
            {**fill, "scale": StandardScaler()},
            {"impute": SimpleImputer(strategy="most_frequent"), **codes},
            LogisticRegression(),
            seed=0,
            prepared=prepared,
            uses=["products"],
        ),
        "ordinal, without": make_pipeline(
            fill,
            codes,
            RandomForestClassifier(3, max_leaf_nodes=8),
            seed=0,
            prepared=prepared,
            uses=(),
        ),
    }
    for member in members.values():
        member.fit(X[60:], y[60:])
    for one in (*members.values(), join_fitted(members, dict.fromkeys(members, 1.0))):
        check_exportable(one)
        files = export_pipeline(one, X[60:], ["a", "b", "c"])
        assert check_parity(one, files, X[:60], seed=0).max_difference < 1e-12


@pytest.mark.parametrize("n_classes", [2, 3])
def test_products_and_shares_of_values_are_exported_exactly(n_classes: int) -> None:
    case = quadratic_linear(n_classes)
    takes = {feature.take for feature in case.scorer.inputs.maker.features}
    assert {"product", "value_code"} <= takes
    parity = check_parity(case.pipeline, case.files, case.X_test, seed=0, whole=True)
    assert parity.max_difference <= 1e-12


@pytest.mark.parametrize("take", ["product", "value_code"])
def test_a_wrong_prepared_feature_is_found(take: str) -> None:
    case = quadratic_linear()
    spec = spec_of(case.files)
    place = [feature["take"] for feature in spec["features"]].index(take)
    feature = spec["features"][place]
    other = next(i for i, column in enumerate(spec["inputs"]) if column["name"] == "age")
    wrong = {
        "product": {**feature, "means": [mean + 1e-9 for mean in feature.get("means", [])]},
        # That column has no values.
        "value_code": {**feature, "of": [other]},
    }[take]
    files = with_spec(case.files, changed(spec, ("features", place), wrong))
    with pytest.raises((ScorerDiffersError, ScorerDamagedError)):
        check_parity(case.pipeline, files, case.X_test, seed=0)
