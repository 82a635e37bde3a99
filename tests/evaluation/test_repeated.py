"""Repeated cross-validation, its error against a published example, and its folds' gaps."""

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from scipy.stats import t as student
from sklearn.datasets import make_moons
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.svm import SVC

from tabproof.data import StratifiedRows
from tabproof.evaluation import repeated_scores
from tabproof.evaluation.learning_curve import corrected_error
from tests.evaluation.samples import binormal

NAMES = ["roc_auc", "accuracy", "f1", "precision", "log_loss", "mcc"]


def table(n: int = 120) -> tuple[pd.DataFrame, np.ndarray]:
    y, proba = binormal(np.random.default_rng(0), n, 0.4, 0.85)
    return pd.DataFrame({"点数 <b>": proba[:, 1], "noise": np.linspace(0, 1, n)}), y


def splits_of(X: pd.DataFrame, y: np.ndarray, n_splits: int = 4, n_repeats: int = 3) -> list:
    return list(StratifiedRows(0.2, 0).repeated_folds(n_splits, n_repeats).split(X, y))


OPTIONS = {"labels": ["no", "yes"], "n_splits": 4, "n_repeats": 3}


def test_the_corrected_error_is_that_of_scikit_learns_published_example() -> None:
    # "Statistical comparison of models using grid search", scikit-learn's examples: of 100 folds,
    # corrected t-value 0.750, p-value 0.227.
    X, y = make_moons(noise=0.352, random_state=1, n_samples=100)
    cv = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    radial, linear = (
        cross_val_score(SVC(kernel=kernel, random_state=0), X, y, scoring="roc_auc", cv=cv)
        for kernel in ("rbf", "linear")
    )
    differences = radial - linear
    t = differences.mean() / corrected_error(differences, 10 / 90)
    assert round(t, 3) == 0.750
    assert round(student.sf(t, 99), 3) == 0.227


def test_the_corrected_error_is_the_papers_formula_by_hand() -> None:
    # Variance of 1, 2, 3, 4 is 5/3; four fits on four times as many rows as are scored.
    assert corrected_error(np.array([1.0, 2, 3, 4]), 1 / 4) == pytest.approx(
        np.sqrt((1 / 4 + 1 / 4) * 5 / 3)
    )


def test_mean_and_interval_are_those_of_the_folds() -> None:
    X, y = table()
    splits = splits_of(X, y)
    found, findings = repeated_scores(
        LogisticRegression(), X, y, splits, names=["roc_auc"], **OPTIONS
    )
    scores = cross_val_score(LogisticRegression(), X, y, scoring="roc_auc", cv=splits)
    # 12 fits; a third as many rows are scored as learned from.
    error = np.sqrt((1 / 12 + 1 / 3) * scores.var(ddof=1))
    estimate = found.metrics["roc_auc"]
    assert estimate.value == pytest.approx(scores.mean())
    assert found.standard_errors == {"roc_auc": pytest.approx(error)}
    assert estimate.low == pytest.approx(scores.mean() - student.ppf(0.975, 11) * error)
    assert estimate.high == pytest.approx(min(1, scores.mean() + student.ppf(0.975, 11) * error))
    assert (found.n_splits, found.n_repeats, findings) == (4, 3, [])


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_where_fits_run_changes_no_number(backend: str) -> None:
    X, y = table()
    splits = splits_of(X, y)
    alone = repeated_scores(LogisticRegression(), X, y, splits, names=NAMES, **OPTIONS)
    with parallel_config(backend, n_jobs=2):
        together = repeated_scores(LogisticRegression(), X, y, splits, names=NAMES, **OPTIONS)
    assert together == alone


def test_the_threshold_decides_in_every_fold() -> None:
    X, y = table()
    splits = splits_of(X, y)
    found, _ = repeated_scores(
        LogisticRegression(), X, y, splits, names=["recall", "accuracy"], threshold=0.0, **OPTIONS
    )
    assert found.metrics["recall"].value == 1
    assert found.metrics["accuracy"].value == pytest.approx(0.4, abs=0.01)


def test_scores_that_are_all_the_same_are_no_certainty() -> None:
    X, y = table()
    found, _ = repeated_scores(
        DummyClassifier(), X, y, splits_of(X, y), names=["roc_auc", "mcc"], **OPTIONS
    )
    assert [(e.value, e.interval) for e in found.metrics.values()] == [(0.5, None), (0.0, None)]
    assert found.standard_errors == {}


def test_folds_that_lack_a_label_are_reported_and_the_rest_is_the_mean() -> None:
    X, y = table()
    no, yes = np.flatnonzero(y == 0), np.flatnonzero(y == 1)
    whole = splits_of(X, y)[:2]
    train, test = whole[0]
    only_no = np.setdiff1d(test, yes)
    splits = [*whole, (train, only_no), (no[:20], test)]  # the last has nothing to learn
    found, findings = repeated_scores(
        LogisticRegression(), X, y, splits, names=["roc_auc", "accuracy"], **OPTIONS
    )
    alone, _ = repeated_scores(LogisticRegression(), X, y, whole, names=["roc_auc"], **OPTIONS)
    assert found.metrics["roc_auc"].value == alone.metrics["roc_auc"].value
    (finding,) = findings
    assert finding.check == "undefined_folds"
    assert finding.facts == {"n_folds": 4, "missing": {"roc_auc": 2, "accuracy": 1}}
    assert "roc_auc in 2, accuracy in 1" in finding.message


def test_a_metric_that_no_fold_defines_is_none() -> None:
    X, y = table()
    train, test = splits_of(X, y)[0]
    splits = [(train, np.setdiff1d(test, np.flatnonzero(y == 1)))] * 2
    found, findings = repeated_scores(
        LogisticRegression(), X, y, splits, names=["roc_auc"], **OPTIONS
    )
    assert found.metrics["roc_auc"].value is None
    assert len(findings) == 1
