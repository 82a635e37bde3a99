"""Whether more rows would help, seen from fewer."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_moons
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from tabproof.data import StratifiedRows
from tabproof.evaluation import repeated_scores
from tabproof.evaluation.learning_curve import corrected_error, learning_curve
from tabproof.evaluation.slices import stratified_order
from tabproof.evaluation_result import Finding, LearningPoint
from tests.evaluation.samples import binormal


def rows(n_rows: int, n_classes: int = 2) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    y = np.arange(n_rows) % n_classes
    X = pd.DataFrame(rng.normal(size=(n_rows, 3)), columns=list("abc"))
    return X.assign(a=X["a"] + 0.8 * y), y


class Curve(NamedTuple):
    points: list[LearningPoint]
    finding: Finding


def curve(
    estimator: Any, X: pd.DataFrame, y: NDArray[np.int64], splits: Any = None, **options: Any
) -> Curve:
    splits = splits or list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y))
    return Curve(*learning_curve(lambda _: clone(estimator), X, y, splits, seed=0, **options))


def test_the_last_point_is_cross_validation_with_its_corrected_interval() -> None:
    X, y = rows(200)
    found = curve(LogisticRegression(), X, y)
    assert [point.n_rows for point in found.points] == [16, 40, 80, 160]
    areas = [[], []]
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(X, y):
        for place, n_rows in enumerate([80, 160]):
            part = train[stratified_order(y[train], 0)[:n_rows]]
            model = LogisticRegression().fit(X.iloc[part], y[part])
            areas[place].append(roc_auc_score(y[test], model.predict_proba(X.iloc[test])[:, 1]))
    before, last = np.array(areas)
    facts = found.finding.facts
    assert found.points[-1].unseen.value == pytest.approx(last.mean())
    assert facts["gain"] == pytest.approx((last - before).mean())
    assert found.points[-1].unseen.interval == pytest.approx(corrected_interval(last))
    assert (facts["low"], facts["high"]) == pytest.approx(corrected_interval(last - before))


def corrected_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Nadeau and Bengio (2003): of five folds, each tested on a quarter of what it learned from."""
    half = student.ppf(0.975, 4) * np.sqrt((1 / 5 + 1 / 4) * np.var(values, ddof=1))
    return values.mean() - half, values.mean() + half


def test_the_curve_of_nearest_neighbours_on_a_chequerboard_rises() -> None:
    X = pd.DataFrame(np.random.default_rng(0).uniform(0, 6, (500, 2)), columns=["a", "b"])
    y = np.asarray((X["a"].astype(int) + X["b"].astype(int)) % 2, dtype=np.int64)
    found = curve(KNeighborsClassifier(5), X, y)
    assert found.finding.check == "learning_curve"
    assert found.finding.facts["end"] == "rises"
    assert found.finding.facts["low"] > 0
    assert "still rises" in found.finding.message
    assert "From 200 to 400 rows" in found.finding.message
    assert all(point.seen.value > point.unseen.value for point in found.points)


def test_a_model_that_needs_no_more_rows_is_flat() -> None:
    X, y = rows(4000)
    assert curve(LogisticRegression(), X, y).finding.facts["end"] == "flat"


def test_with_few_rows_the_end_is_unclear() -> None:
    X, y = rows(60)
    finding = curve(KNeighborsClassifier(3), X, y).finding
    assert finding.facts["end"] == "unclear"
    assert finding.facts["low"] < 0 < finding.facts["high"]


def test_a_perfect_model_has_no_interval_and_is_flat() -> None:
    X, y = rows(100)
    found = curve(LogisticRegression(), X.assign(a=y * 100.0), y)
    assert [(point.unseen.value, point.unseen.interval) for point in found.points] == [
        (1.0, None)
    ] * 4
    assert found.finding.facts["end"] == "flat"


def test_three_classes_have_a_curve() -> None:
    X, y = rows(150, n_classes=3)
    found = curve(LogisticRegression(), X, y)
    assert len(found.points) == 4
    assert all(0.5 < (point.unseen.value or 0) < 1 for point in found.points)


def test_parts_are_nested_and_keep_the_shares_of_classes() -> None:
    X, y = rows(200)
    y = (np.arange(200) % 5 == 0).astype(np.int64)
    Recording.fitted = []
    curve(Recording(), X, y, [(np.arange(150), np.arange(150, 200))])
    parts = Recording.fitted
    assert [len(part) for part in parts] == [15, 38, 75, 150]
    for smaller, larger in pairwise(parts):
        assert set(smaller) < set(larger)
        assert y[smaller].mean() == pytest.approx(0.2, abs=2 / len(smaller))


class Recording(ClassifierMixin, BaseEstimator):
    """Remembers the rows it was fitted on, by the frame's index."""

    fitted: list[list[int]]

    def fit(self, X: pd.DataFrame, y: NDArray[np.int64]) -> "Recording":
        self.fitted.append(X.index.tolist())
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        p = 1 / (1 + np.exp(-X["a"].to_numpy()))
        return np.column_stack([1 - p, p])


class Greedy(Recording):
    """Wants more rows than a part has."""

    def fit(self, X: pd.DataFrame, y: NDArray[np.int64]) -> "Greedy":
        if len(X) < 50:
            raise ValueError("n_samples must be 50\nor more")
        self.classes_ = np.unique(y)
        return self


def test_a_size_on_which_a_fit_fails_is_left_out_and_reported() -> None:
    X, y = rows(200)
    found = curve(Greedy(), X, y)
    assert [point.n_rows for point in found.points] == [80, 160]
    assert set(found.finding.facts["left_out"]) == {"16", "40"}
    assert "16 (ValueError: n_samples must be 50)" in found.finding.message
    assert "\n" not in found.finding.message


def test_a_part_that_lacks_a_class_is_left_out_and_reported() -> None:
    X, y = rows(60, n_classes=3)
    found = curve(LogisticRegression(), X, y, fractions=(0.04, 0.5, 1.0))
    assert [point.n_rows for point in found.points] == [24, 48]
    assert "2 (a class has no row in it)" in found.finding.message


def test_the_end_of_a_curve_without_two_points_is_unknown() -> None:
    X, y = rows(30)
    found = curve(Greedy(), X, y)
    assert found.points == []
    assert found.finding.facts["end"] == "unknown"
    assert "fewer than two points" in found.finding.message


def test_one_fold_has_no_interval() -> None:
    X, y = rows(100)
    found = curve(KNeighborsClassifier(3), X, y, [(np.arange(80), np.arange(80, 100))])
    assert all(point.unseen.interval is None for point in found.points)
    assert found.finding.facts["end"] == "unclear"


def test_where_fits_of_a_curve_run_changes_no_number() -> None:
    X, y = rows(100)
    here = curve(LogisticRegression(), X, y)
    with parallel_config("threading", n_jobs=2):
        assert curve(LogisticRegression(), X, y) == here


NAMES = ["roc_auc", "accuracy", "f1", "precision", "log_loss", "mcc"]


def table(n: int = 120) -> tuple[pd.DataFrame, np.ndarray]:
    y, proba = binormal(np.random.default_rng(0), n, 0.4, 0.85)
    return pd.DataFrame({"点数 <b>": proba[:, 1], "noise": np.linspace(0, 1, n)}), y


def splits_of(X: pd.DataFrame, y: np.ndarray, n_splits: int = 4, n_repeats: int = 3) -> list:
    splitters = StratifiedRows(0.2, 0).repeated_folds(n_splits, n_repeats)
    return [split for splitter in splitters for split in splitter.split(X, y)]


def repeated(X: pd.DataFrame, y: np.ndarray, splits: list, **options: Any) -> Any:
    estimator = options.pop("estimator", LogisticRegression())
    options = {"labels": ["no", "yes"], "n_splits": 4, "n_repeats": 3, **options}
    return repeated_scores(lambda _: clone(estimator), X, y, splits, **options)


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
    found, findings = repeated(X, y, splits, names=["roc_auc"])
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
    alone = repeated(X, y, splits, names=NAMES)
    with parallel_config(backend, n_jobs=2):
        together = repeated(X, y, splits, names=NAMES)
    assert together == alone


def test_the_threshold_decides_in_every_fold() -> None:
    X, y = table()
    splits = splits_of(X, y)
    found, _ = repeated(X, y, splits, names=["recall", "accuracy"], threshold=0.0)
    assert found.metrics["recall"].value == 1
    assert found.metrics["accuracy"].value == pytest.approx(0.4, abs=0.01)


def test_scores_that_are_all_the_same_are_no_certainty() -> None:
    X, y = table()
    found, _ = repeated(
        X, y, splits_of(X, y), estimator=DummyClassifier(), names=["roc_auc", "mcc"]
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
    found, findings = repeated(X, y, splits, names=["roc_auc", "accuracy"])
    alone, _ = repeated(X, y, whole, names=["roc_auc"])
    assert found.metrics["roc_auc"].value == alone.metrics["roc_auc"].value
    (finding,) = findings
    assert finding.check == "undefined_folds"
    assert finding.facts == {"n_folds": 4, "missing": {"roc_auc": 2, "accuracy": 1}}
    assert "roc_auc (2), accuracy (1)" in finding.message


def test_a_metric_that_no_fold_defines_is_none() -> None:
    X, y = table()
    train, test = splits_of(X, y)[0]
    splits = [(train, np.setdiff1d(test, np.flatnonzero(y == 1)))] * 2
    found, findings = repeated(X, y, splits, names=["roc_auc"])
    assert found.metrics["roc_auc"].value is None
    assert len(findings) == 1
