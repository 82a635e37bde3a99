"""Fitted pipelines are joined without fitting them again."""

import pickle

import numpy as np
import pandas as pd
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from tabproof.modeling import join_fitted, make_pipeline

rng = np.random.default_rng(0)
X = pd.DataFrame({"n": rng.normal(size=80), "m": rng.normal(size=80)})
Y = (X["n"] + X["m"] + rng.normal(size=80) > 0).astype(int).to_numpy()


def fitted() -> dict[str, Pipeline]:
    numeric = {"impute": SimpleImputer()}
    boosting = HistGradientBoostingClassifier(max_iter=3)
    return {
        "line": make_pipeline(numeric, {}, LogisticRegression(), seed=0).fit(X, Y),
        "boosting": make_pipeline({}, {}, boosting, seed=0).fit(X, Y),
        "strong": make_pipeline(numeric, {}, LogisticRegression(C=9.0), seed=0).fit(X, Y),
    }


WEIGHTS = {"line": 3.0, "boosting": 1.0, "strong": 0.5}


def test_joined_pipelines_average_their_probabilities() -> None:
    members = fitted()
    expected = np.average(
        [members[name].predict_proba(X) for name in WEIGHTS], axis=0, weights=[*WEIGHTS.values()]
    )
    assert_array_equal(join_fitted(members, WEIGHTS).predict_proba(X), expected)


def test_nothing_is_fitted_again() -> None:
    members = fitted()
    joined = join_fitted(members, WEIGHTS)
    assert joined["features"] is members["line"]["features"]
    for joined_member, member in zip(joined["clf"].estimators_, members.values(), strict=True):
        assert joined_member["clf"] is member["clf"]
    check_is_fitted(joined)
    assert joined.classes_.tolist() == [0, 1]
    assert joined["clf"].named_estimators_["line"]["clf"] is members["line"]["clf"]


def test_a_fitted_clone_is_the_same() -> None:
    joined = join_fitted(fitted(), WEIGHTS)
    again = clone(joined).fit(X, Y)
    assert again["clf"].estimators_[0] is not joined["clf"].estimators_[0]
    assert_array_equal(again.predict_proba(X), joined.predict_proba(X))
    assert_array_equal(again.predict(X), joined.predict(X))


def test_a_joined_pipeline_can_be_pickled() -> None:
    joined = join_fitted(fitted(), WEIGHTS)
    restored = pickle.loads(pickle.dumps(joined))  # noqa: S301 - our own bytes
    assert_array_equal(restored.predict_proba(X), joined.predict_proba(X))
