"""The stored model of a run: what it refuses, and that scikit-learn takes it for a classifier."""

from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.inspection import permutation_importance
from sklearn.model_selection import cross_val_score

from tabproof.batch.cells import ColumnsDifferError
from tabproof.batch.estimator import AbsentColumnsError, RunClassifier, UnreadableRowsError
from tabproof.batch.frames import NotAFrameError
from tabproof.errors import DuplicateColumnsError
from tests.batch.making import make_table


@pytest.fixture(scope="module")
def estimator(model: Path) -> RunClassifier:
    loaded: RunClassifier = joblib.load(model / "estimator.joblib")
    return loaded


@pytest.fixture
def frame() -> pd.DataFrame:
    return make_table(60, seed=2)


def test_labels_are_decided_by_the_threshold(estimator: RunClassifier, frame: pd.DataFrame) -> None:
    proba = estimator.predict_proba(frame)
    assert estimator.classes_.tolist() == ["no", "yes"]
    assert estimator.threshold == 0.5
    expected = np.where(proba[:, 1] > 0.5, "yes", "no")
    np.testing.assert_array_equal(estimator.predict(frame), expected)
    # At the threshold itself it is the first label.
    other = RunClassifier(estimator.pipeline, estimator.schema, float(proba[3, 1]))
    np.testing.assert_array_equal(
        other.predict(frame), np.where(proba[:, 1] > proba[3, 1], "yes", "no")
    )
    assert other.predict(frame)[3] == "no"


def test_it_is_a_fitted_classifier_to_scikit_learn(
    estimator: RunClassifier, frame: pd.DataFrame
) -> None:
    assert clone(estimator) is estimator
    assert estimator.fit(frame, frame["bought"]) is estimator
    accuracy = float((estimator.predict(frame) == frame["bought"]).mean())
    assert estimator.score(frame, frame["bought"]) == accuracy
    scores = cross_val_score(estimator, frame, frame["bought"], cv=3, scoring="roc_auc")
    assert (scores > 0.5).all()
    columns = frame[estimator.feature_names_in_]
    found = permutation_importance(estimator, columns, frame["bought"], random_state=0)
    assert len(found.importances_mean) == estimator.n_features_in_


def test_a_cell_that_cannot_be_read_is_an_error(
    estimator: RunClassifier, frame: pd.DataFrame
) -> None:
    frame = frame.astype({"amount": "object"})
    frame.loc[[7, 9], "amount"] = "many"
    with pytest.raises(
        UnreadableRowsError, match=r"^2 of 60 rows .* row 7: 'amount': 'many' is no number$"
    ):
        estimator.predict(frame)


def test_columns_that_do_not_fit_are_named(estimator: RunClassifier, frame: pd.DataFrame) -> None:
    with pytest.raises(AbsentColumnsError, match="columns of the model: 'city'"):
        estimator.predict_proba(frame.drop(columns="city"))
    with pytest.raises(ColumnsDifferError, match="wrong type 'city' "):
        estimator.predict_proba(frame.assign(city=pd.Timestamp("2024-01-01")))
    with pytest.raises(DuplicateColumnsError):
        estimator.predict_proba(pd.concat([frame, frame["city"]], axis=1))
    with pytest.raises(NotAFrameError):
        estimator.predict_proba("rows.csv")


def test_the_index_of_a_frame_is_kept(estimator: RunClassifier, frame: pd.DataFrame) -> None:
    frame.index = pd.Index(range(100, 160))
    assert estimator.read(frame[::-1]).index.equals(frame.index[::-1])
    np.testing.assert_array_equal(
        estimator.predict_proba(frame[::-1]), estimator.predict_proba(frame)[::-1]
    )
