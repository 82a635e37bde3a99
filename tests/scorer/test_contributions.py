"""Contributions add up to what the model makes of a row, and are what libraries say they are."""

import pickle
from collections.abc import Callable
from typing import Any

import catboost
import numpy as np
import pandas as pd
import pytest
import xgboost
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from tabproof.scorer import Contributions, Scorer, read_scorer
from tabproof.scorer.contributions import explain
from tabproof.scorer.errors import NotExplainableError
from tabproof.scorer.export.parity import columns_of, hard_rows
from tabproof.scorer.model import softmax
from tests.scorer.fitted import (
    Exported,
    boosting,
    exported,
    models_of,
    pipeline_of,
    small_boosting,
    small_vote,
    table,
    vote_of,
    with_arrays,
)

FOREST = RandomForestClassifier(6, random_state=0)
MODELS: dict[str, Callable[[], tuple[str, Any]]] = {
    "boosting": lambda: ("native", boosting(max_iter=5)),
    "boosting, one-hot": lambda: ("onehot", boosting(categorical_features=None)),
    "boosting, hashed": lambda: ("hashing", boosting(categorical_features=None)),
    "forest": lambda: ("ordinal", FOREST),
    "forest, one-hot": lambda: ("onehot", ExtraTreesClassifier(5, random_state=0)),
    "logistic regression": lambda: ("onehot", LogisticRegression()),
    "logistic regression, target": lambda: ("target", LogisticRegression(max_iter=2000)),
    "LightGBM": lambda: ("native", LGBMClassifier(n_estimators=6, verbose=-1)),
    "XGBoost": lambda: ("ordinal", XGBClassifier(n_estimators=6)),
    "CatBoost": lambda: ("onehot", small_catboost()),
}


def small_catboost() -> CatBoostClassifier:
    return CatBoostClassifier(iterations=5, verbose=0, allow_writing_files=False)


def fitted(name: str, n_classes: int, *, missing: bool = True) -> Exported:
    preprocess, estimator = MODELS[name]()
    X, y = table(n_classes=n_classes, missing=missing)
    return exported(pipeline_of(preprocess, estimator), X, y)


def explained(case: Exported, frame: pd.DataFrame) -> tuple[Contributions, np.ndarray]:
    """Give contributions, and the probabilities that they are of."""
    scorer = case.scorer
    columns = columns_of(scorer, frame)
    proba = scorer.predict_proba(columns)
    return scorer.contributions(columns, proba), proba


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", MODELS)
def test_added_up_they_are_what_the_model_makes_of_a_row(name: str, n_classes: int) -> None:
    # Target encoding and a linear model after it take no missing cells.
    case = fitted(name, n_classes, missing=name != "logistic regression, target")
    (model,) = models_of(case.scorer)
    for what, frame in hard_rows(
        case.scorer, case.files, case.X_test, np.random.default_rng(0), whole=False
    ):
        if name.startswith("logistic") and "extreme" in what:
            continue
        found, proba = explained(case, frame)
        if np.isnan(proba).any():
            continue
        columns = columns_of(case.scorer, frame)
        sums = proba if found.scale == "probability" else model.sums(columns)
        of_label = sums[:, 0] if sums.shape[1] == 1 else sums[np.arange(len(frame)), found.codes]
        # XGBoost adds up 32-bit floats.
        allowed = 1e-5 if name == "XGBoost" else 1e-9
        np.testing.assert_allclose(found.scores, of_label, rtol=1e-12, atol=allowed, err_msg=what)
        if n_classes == 2:
            assert (found.codes == 1).all()
        else:
            np.testing.assert_array_equal(found.codes, proba.argmax(axis=1))


@pytest.mark.parametrize(
    ("name", "n_classes", "scale"),
    [
        ("boosting", 2, "log_odds"),
        ("boosting", 3, "log_score"),
        ("logistic regression", 2, "log_odds"),
        ("forest", 2, "probability"),
        ("forest", 3, "probability"),
    ],
)
def test_the_scale_says_how_a_score_becomes_the_probability(
    name: str, n_classes: int, scale: str
) -> None:
    case = fitted(name, n_classes)
    found, proba = explained(case, case.X_test)
    told = proba[np.arange(len(proba)), found.codes]
    assert found.scale == scale
    if scale == "probability":
        np.testing.assert_allclose(found.scores, told, atol=1e-12)
    elif scale == "log_odds":
        np.testing.assert_allclose(1 / (1 + np.exp(-found.scores)), told, atol=1e-12)
    else:
        columns, explainer = columns_of(case.scorer, case.X_test), case.scorer.explainer
        rows = np.full(len(proba), 0)
        each = [explain(explainer, columns, rows + code).scores for code in range(n_classes)]
        np.testing.assert_allclose(softmax(np.stack(each, axis=1)), proba, atol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kind", ["lightgbm", "xgboost", "catboost"])
def test_they_are_what_each_library_says_itself(kind: str, n_classes: int) -> None:
    X, y = table(400, n_classes)
    X = X[["age", "income", "whole"]].assign(more=np.random.default_rng(1).normal(size=400))
    estimators = {
        "lightgbm": LGBMClassifier(n_estimators=8, min_child_samples=4, verbose=-1),
        "xgboost": XGBClassifier(n_estimators=8),
        "catboost": small_catboost(),
    }
    case = exported(pipeline_of("native", estimators[kind]), X, y)
    columns = columns_of(case.scorer, case.X_test)
    theirs = np.asarray(_said_by(kind, case.pipeline["clf"], case.X_test))
    theirs = theirs.reshape(len(case.X_test), -1, X.shape[1] + 1)
    for sum_, code in enumerate([1] if n_classes == 2 else range(n_classes)):
        codes = np.full(len(case.X_test), code)
        found = explain(case.scorer.explainer, columns, codes)
        allowed = 1e-5 if kind == "xgboost" else 1e-12
        np.testing.assert_allclose(found.values, theirs[:, sum_, :-1], rtol=0, atol=allowed)
        np.testing.assert_allclose(found.base, theirs[:, sum_, -1], rtol=0, atol=allowed)


def _said_by(kind: str, estimator: Any, X: pd.DataFrame) -> Any:
    if kind == "lightgbm":
        return estimator.booster_.predict(X, pred_contrib=True)
    if kind == "xgboost":
        return estimator.get_booster().predict(xgboost.DMatrix(X), pred_contribs=True)
    return estimator.get_feature_importance(catboost.Pool(X), type="ShapValues")


def test_a_tree_begins_at_the_shares_of_its_training_rows() -> None:
    X, y = table(n_classes=3)
    case = exported(pipeline_of("ordinal", DecisionTreeClassifier(max_depth=4)), X, y)
    shares = np.bincount(y[np.arange(len(y)) % 3 != 0]) / len(case.X_train)
    np.testing.assert_allclose(case.scorer.explainer.base, shares)


def test_linear_parts_are_weights_times_what_differs_from_the_mean() -> None:
    case = fitted("logistic regression", 2)
    found, _ = explained(case, case.X_train)
    np.testing.assert_allclose(found.values.mean(axis=0), 0, atol=1e-12)
    features = case.pipeline["preprocess"].transform(case.X_train)
    weights = case.pipeline["clf"].coef_[0]
    differences = weights * (features - features.mean(axis=0))
    names = [*case.X_train.columns]
    for place, name in enumerate(["age", "income", "whole"]):
        np.testing.assert_allclose(
            found.values[:, names.index(name)], differences[:, place], atol=1e-12
        )
    # What one-hot features of a column add is one number.
    of_categories = found.values[:, [names.index("都市"), names.index("job")]].sum(axis=1)
    np.testing.assert_allclose(of_categories, differences[:, 3:].sum(axis=1), atol=1e-12)


def test_of_two_labels_one_loses_what_the_other_wins() -> None:
    case = small_boosting()
    columns = columns_of(case.scorer, case.X_test)
    rows = np.zeros(len(case.X_test), dtype=np.intp)
    first, second = (explain(case.scorer.explainer, columns, rows + code) for code in (0, 1))
    np.testing.assert_array_equal(first.values, -second.values)
    np.testing.assert_array_equal(first.base, -second.base)


def test_a_row_alone_is_explained_as_among_others() -> None:
    for n_classes in (2, 3):
        case = fitted("forest", n_classes)
        found, _ = explained(case, case.X_test)
        for place in (0, 7):
            alone, _ = explained(case, case.X_test.iloc[[place]])
            np.testing.assert_allclose(alone.values[0], found.values[place], rtol=0, atol=1e-14)


def test_no_rows_have_no_contributions() -> None:
    for case in (small_boosting(3), fitted("logistic regression", 3)):
        found, _ = explained(case, case.X_test.iloc[:0])
        assert found.values.shape == (0, case.X_test.shape[1])
        assert found.scores.shape == (0,)


def test_a_vote_of_forests_is_their_mean() -> None:
    members = {"a": pipeline_of("ordinal", FOREST), "b": pipeline_of("onehot", FOREST)}
    case = exported(vote_of(members, weights=[3, 1]), *table(n_classes=3))
    found, proba = explained(case, case.X_test)
    np.testing.assert_allclose(found.scores, proba.max(axis=1), atol=1e-12)
    of_members = []
    for name, member in zip(members, case.scorer._model.members, strict=True):  # type: ignore[attr-defined]
        scorer = Scorer(case.scorer.columns, case.labels, member, None)
        columns = columns_of(case.scorer, case.X_test)
        assert name in case.pipeline["clf"].named_estimators_
        of_members.append(explain(scorer.explainer, columns, found.codes).values)
    np.testing.assert_allclose(found.values, 0.75 * of_members[0] + 0.25 * of_members[1])


@pytest.mark.parametrize(
    ("scorer", "reason"),
    [
        (lambda: small_vote().scorer, "members that add up on other scales"),
        (lambda: without(small_boosting(), trees__covers=None), "an older version exported it"),
        (lambda: without(fitted("logistic regression", 2), means=None), "an older version"),
    ],
)
def test_what_cannot_be_explained_predicts_all_the_same(
    scorer: Callable[[], Scorer], reason: str
) -> None:
    found = scorer()
    columns = [np.zeros(2, dtype=np.intp) for _ in found.columns]
    proba = found.predict_proba(columns)
    with pytest.raises(NotExplainableError, match=reason) as caught:
        found.contributions(columns, proba)
    assert "\n" not in str(caught.value)


def without(case: Exported, **arrays: None) -> Scorer:
    return read_scorer(with_arrays(case.files, **arrays))


def test_it_travels_to_another_process() -> None:
    case = small_boosting()
    columns = columns_of(case.scorer, case.X_test)
    scorer = case.scorer
    proba = scorer.predict_proba(columns)
    here = scorer.contributions(columns, proba)
    there = pickle.loads(pickle.dumps(scorer)).contributions(columns, proba)  # noqa: S301 - ours
    np.testing.assert_array_equal(here.values, there.values)
