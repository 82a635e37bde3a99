"""Preprocessing is fitted on training rows only."""

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

from tabproof.modeling import make_pipeline


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "n": [1.0, 2.0, np.nan, 4.0],
            "c": pd.Categorical(["a", "b", "b", None]),
        }
    )


def test_statistics_come_from_the_rows_fitted_on() -> None:
    pipeline = make_pipeline(
        {"impute": SimpleImputer(), "scale": StandardScaler()},
        {
            "impute": SimpleImputer(strategy="most_frequent"),
            "encode": OneHotEncoder(handle_unknown="ignore", sparse_output=False),
        },
        LogisticRegression(),
        seed=0,
    )
    X, y = table(), np.array([0, 1, 0, 1])
    pipeline.fit(X.iloc[:3], y[:3])
    numeric = pipeline.named_steps["preprocess"].named_transformers_["numeric"]
    assert numeric.named_steps["impute"].statistics_.tolist() == [1.5]
    names = pipeline.named_steps["preprocess"].get_feature_names_out().tolist()
    assert names == ["n", "c_a", "c_b"]


def test_without_steps_categories_reach_the_estimator_as_categories() -> None:
    estimator = HistGradientBoostingClassifier(categorical_features="from_dtype")
    pipeline = make_pipeline({}, {}, estimator, seed=0)
    pipeline.fit(pd.concat([table()] * 20), np.tile([0, 1, 0, 1], 20))
    assert pipeline.named_steps["clf"].is_categorical_.tolist() == [False, True]


def test_unseen_categories_and_missing_cells_are_scored() -> None:
    estimator = HistGradientBoostingClassifier(categorical_features="from_dtype")
    pipeline = make_pipeline({}, {}, estimator, seed=0)
    pipeline.fit(pd.concat([table()] * 20), np.tile([0, 1, 0, 1], 20))
    strange = pd.DataFrame({"n": [np.nan, 9.0], "c": pd.Categorical(["never seen", None])})
    assert np.isfinite(pipeline.predict_proba(strange)).all()


def test_every_random_state_left_open_gets_the_seed() -> None:
    pipeline = make_pipeline({}, {}, HistGradientBoostingClassifier(), seed=7)
    assert pipeline.get_params()["clf__random_state"] == 7
    chosen = HistGradientBoostingClassifier(random_state=3)
    pipeline = make_pipeline({}, {}, chosen, seed=7)
    assert pipeline.get_params()["clf__random_state"] == 3


def test_random_states_of_members_at_any_depth_get_the_seed() -> None:
    inner = Pipeline([("clf", HistGradientBoostingClassifier())])
    vote = VotingClassifier([("a", VotingClassifier([("b", inner)])), ("c", clone(inner))])
    parameters = make_pipeline({}, {}, vote, seed=7).get_params()
    assert parameters["clf__a__b__clf__random_state"] == 7
    assert parameters["clf__c__clf__random_state"] == 7


def test_the_seed_decides_the_folds_of_target_encoding() -> None:
    X = pd.DataFrame({"c": pd.Categorical(np.tile([*"abcde"], 30))})
    y = np.random.default_rng(0).integers(0, 2, 150)

    def encoded(seed: int) -> np.ndarray:
        pipeline = make_pipeline({}, {"encode": TargetEncoder()}, LogisticRegression(), seed=seed)
        return pipeline.named_steps["preprocess"].fit_transform(X, y)

    np.testing.assert_array_equal(encoded(1), encoded(1))
    assert (encoded(1) != encoded(2)).any()
    # In training a category has several values, one per fold.
    assert len(np.unique(encoded(1)[X["c"] == "a"])) > 1


def test_given_folds_are_kept() -> None:
    folds = KFold(3, shuffle=True, random_state=5)
    pipeline = make_pipeline({}, {"e": TargetEncoder(cv=folds)}, LogisticRegression(), seed=1)
    assert pipeline.get_params()["preprocess__categorical__e__cv"] is folds
