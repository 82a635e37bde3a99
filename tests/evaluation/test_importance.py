"""A column is worth what shuffling it costs, and chance may carry that as far as is said."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression

from benchmarks.importance_intervals import COLUMNS, LAWS, Law, coverage
from tabproof import evaluation_result
from tabproof.evaluation import importance
from tabproof.evaluation.importance import ColumnDrops, dependences, importances
from tabproof.evaluation_result import Estimate, Importance

Floats = NDArray[np.float64]


def of_two(scores: Floats) -> Floats:
    return np.column_stack([-scores, scores])


def by_name(found: list[evaluation_result.Importance]) -> dict[str, Estimate]:
    return {one.column: one.drop for one in found}


def learned(n_classes: int) -> tuple[LogisticRegression, pd.DataFrame, NDArray[np.int64]]:
    rng = np.random.default_rng(3)
    y = np.arange(240) % n_classes
    X = pd.DataFrame(rng.normal(size=(240, 3)), columns=["much", "little", "nothing"])
    X["much"] += 2 * (y == 1)
    X["little"] += 0.7 * (y == n_classes - 1)
    return LogisticRegression().fit(X, y), X, y


@pytest.mark.parametrize("n_classes", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_drops_are_those_of_scikit_learn(n_classes: int) -> None:
    model, X, y = learned(n_classes)
    scoring = "roc_auc" if n_classes == 2 else "roc_auc_ovr"
    theirs = permutation_importance(model, X, y, scoring=scoring, n_repeats=40, random_state=0)
    ours = by_name(importances(model.predict_proba, X, y, n_repeats=40, seed=1))
    for name, mean, spread in zip(
        X.columns, theirs.importances_mean, theirs.importances_std, strict=True
    ):
        # Two means of 40 shuffles each.
        assert ours[name].value == pytest.approx(mean, abs=4 * spread * (2 / 40) ** 0.5)
    assert list(ours) == ["much", "little", "nothing"]


@pytest.mark.parametrize(
    "n_repeats",
    [10, pytest.param(1, marks=pytest.mark.slow)],
)
def test_the_interval_covers_the_true_drop(n_repeats: int) -> None:
    """Of a mark, too: how many rows of a hold-out have it to give is chance."""
    law = Law(positive=0.3, shift=1.0, marked=(0.05, 0.25), effect=3.0)
    covered = coverage(law, n_rows=200, n_repeats=n_repeats, n_hold_outs=300, seed=0)
    # 95 in 100, and three standard errors of 300.
    assert (covered > 0.91).all()
    assert (covered < 0.99).all()


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_the_benchmark_knows_the_true_drops(law: Law) -> None:
    X, y = law.draw(50_000, np.random.default_rng(0))
    found = by_name(importances(law.predict, X, y, n_repeats=3, seed=0))
    for name, truth in zip(COLUMNS, law.true_drops(), strict=True):
        assert found[name].value == pytest.approx(truth, abs=0.01)


def test_a_column_that_the_model_does_not_read_is_worth_nothing_for_certain() -> None:
    _, X, y = learned(2)
    found = by_name(importances(lambda X: of_two(X["much"].to_numpy()), X, y, n_repeats=5, seed=0))
    assert found["nothing"] == Estimate(0.0, 0.0, 0.0)


def test_a_hold_out_that_is_too_easy_gives_no_interval() -> None:
    """All positive rows stay above all negative ones, though probabilities move."""
    y = np.repeat([0, 1], 20)
    X = pd.DataFrame({"clear": y * 100.0, "small": np.arange(40.0) / 40})
    predict = lambda X: of_two(X["clear"].to_numpy() + X["small"].to_numpy())  # noqa: E731
    assert by_name(importances(predict, X, y, n_repeats=5, seed=0))["small"] == Estimate(0.0)


def test_a_class_without_rows_gives_no_drop() -> None:
    model, X, y = learned(3)
    rows = y != 2
    found = importances(model.predict_proba, X[rows], y[rows], n_repeats=2, seed=0)
    assert [one.drop for one in found] == [Estimate(None)] * 3
    assert [one.column for one in found] == list(X.columns)


def test_categories_and_missing_values_stay_what_they_are() -> None:
    """Whatever the columns are called."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = pd.DataFrame(
        {
            "性別": pd.Categorical(np.where(y == 1, "男", "女")),
            "<b>x</b> 1": np.where(rng.random(60) < 0.2, np.nan, rng.normal(size=60)),
        },
        index=rng.permutation(60),
    )
    seen = []

    def predict(X: pd.DataFrame) -> Floats:
        seen.append(X)
        missing = X["<b>x</b> 1"].isna().to_numpy()
        return of_two(X["性別"].cat.codes.to_numpy() + 0.1 * missing)

    found = importances(predict, X, y, n_repeats=3, seed=0)
    assert found[0].column == "性別"
    for frame in seen:
        assert (frame.dtypes == X.dtypes).all()
        assert list(frame.columns) == list(X.columns)
        assert frame["<b>x</b> 1"].isna().mean() == X["<b>x</b> 1"].isna().mean()


def test_of_large_hold_outs_some_rows_of_each_class_are_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importance, "MAX_PREDICTIONS", 600)
    monkeypatch.setattr(importance, "MIN_ROWS", 10)
    model, X, y = learned(3)
    n_rows = []

    def predict(X: pd.DataFrame) -> Floats:
        n_rows.append(len(X))
        return np.asarray(model.predict_proba(X))

    importances(predict, X, y, n_repeats=5, seed=0)
    assert n_rows == [40, 200, 200, 200]


def test_the_number_of_rows_per_call_changes_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    model, X, y = learned(2)
    at_once = importances(model.predict_proba, X, y, n_repeats=5, seed=0)
    monkeypatch.setattr(importance, "STACKED_CELLS", 1)
    assert importances(model.predict_proba, X, y, n_repeats=5, seed=0) == at_once


def ranked(*names: str) -> list[Importance]:
    return [Importance(name, Estimate(0.1)) for name in names]


def numbers(n_classes: int) -> tuple[LogisticRegression, pd.DataFrame]:
    rng = np.random.default_rng(0)
    y = np.arange(300) % n_classes
    X = pd.DataFrame({"a": rng.normal(size=300) + y, "b": rng.integers(0, 4, 300).astype(float)})
    return LogisticRegression().fit(X, y), X


def constant(X: pd.DataFrame) -> Floats:
    return np.full((len(X), 2), 0.5)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_means_are_those_of_scikit_learn(n_classes: int) -> None:
    model, X = numbers(n_classes)
    labels = ["x", "y", "z"][:n_classes]
    found = dependences(
        model.predict_proba, X, ranked("b", "a"), labels=labels, n_columns=2, seed=0
    )
    assert [one.column for one in found] == ["b"] * (len(found) // 2) + ["a"] * (len(found) // 2)
    for one in found:
        theirs = partial_dependence(
            model,
            X,
            [one.column],
            custom_values={one.column: np.array(one.values)},
            method="brute",
            response_method="predict_proba",
            kind="average",
        )["average"]
        code = 0 if n_classes == 2 else labels.index(one.label)
        assert one.means == pytest.approx(theirs[code], abs=1e-12)
    assert [one.label for one in found if one.column == "a"] == labels[n_classes == 2 :]


def test_few_different_numbers_are_all_shown_with_their_shares() -> None:
    _, X = numbers(2)
    (found,) = dependences(constant, X, ranked("b"), labels=["n", "p"], n_columns=6, seed=0)
    assert found.values == [0.0, 1.0, 2.0, 3.0]
    assert found.shares == X["b"].value_counts(normalize=True).sort_index().tolist()


def test_with_many_numbers_each_point_has_equally_many_rows() -> None:
    X = pd.DataFrame({"a": np.arange(1000.0), "b": 0.0})
    (found,) = dependences(constant, X, ranked("a"), labels=["n", "p"], n_columns=1, seed=0)
    assert len(found.values) == 20
    assert found.shares == pytest.approx([0.05] * 20, abs=0.002)
    assert set(found.values) <= set(X["a"])


def test_a_column_that_is_nearly_always_0_shows_its_other_values() -> None:
    X = pd.DataFrame({"a": np.r_[np.zeros(900), np.arange(1.0, 101.0)]})
    (found,) = dependences(constant, X, ranked("a"), labels=["n", "p"], n_columns=1, seed=0)
    assert len(found.values) == 20
    assert found.values[0] == 0
    assert found.shares[0] >= 0.9


def test_categories_are_in_order_of_frequency_and_missing_is_one_of_them() -> None:
    column = pd.Categorical(["b"] * 5 + [None] * 3 + ["a"] * 2, categories=["a", "b", "never"])
    X = pd.DataFrame({"色": column})
    asked = []

    def predict(X: pd.DataFrame) -> Floats:
        asked.append(X["色"])
        p = X["色"].map({"a": 0.1, "b": 0.2}).astype(float).fillna(0.7).to_numpy()
        return np.column_stack([1 - p, p])

    (found,) = dependences(predict, X, ranked("色"), labels=["n", "p"], n_columns=1, seed=0)
    assert found.values == ["b", "(missing)", "a"]
    assert found.means == pytest.approx([0.2, 0.7, 0.1])
    assert found.shares == [0.5, 0.3, 0.2]
    assert len(asked) == 1
    assert asked[0].dtype == X["色"].dtype


def test_of_many_categories_the_most_frequent_are_shown() -> None:
    names = [f"c{n:02}" for n in range(30) for _ in range(n + 1)]
    X = pd.DataFrame({"a": pd.Categorical(names)})
    (found,) = dependences(constant, X, ranked("a"), labels=["n", "p"], n_columns=1, seed=0)
    assert found.values == [f"c{n:02}" for n in range(29, 14, -1)]


def test_missing_numbers_are_left_out_and_a_column_of_nothing_else() -> None:
    X = pd.DataFrame({"a": [1.0, np.nan, 2.0, 2.0], "b": [np.nan] * 4})
    (found,) = dependences(constant, X, ranked("b", "a"), labels=["n", "p"], n_columns=2, seed=0)
    assert (found.column, found.values, found.shares) == ("a", [1.0, 2.0], [0.25, 0.5])


@pytest.mark.parametrize(
    ("n_labels", "n_columns", "n_curves"), [(3, 6, 18), (10, 2, 20), (40, 1, 24)]
)
def test_of_many_labels_fewer_curves_are_shown(
    n_labels: int, n_columns: int, n_curves: int
) -> None:
    X = pd.DataFrame({f"c{n}": [1.0, 2.0] for n in range(8)})
    proba = np.linspace(1, 2, n_labels) / n_labels
    found = dependences(
        lambda X: np.tile(proba, (len(X), 1)),
        X,
        ranked(*X.columns),
        labels=[str(code) for code in range(n_labels)],
        n_columns=6,
        seed=0,
    )
    assert len({one.column for one in found}) == n_columns
    assert len(found) == n_curves
    shown = [one.label for one in found if one.column == "c0"]
    assert shown == [str(code) for code in range(n_labels)][-importance.MAX_CURVES :]


def test_the_seed_decides_which_rows_are_averaged() -> None:
    X = pd.DataFrame({"a": [1.0, 2.0] * 500, "b": np.arange(1000.0)})

    def mean(seed: int) -> float:
        found = dependences(
            lambda X: np.column_stack([X["b"], X["b"]]),
            X,
            ranked("a"),
            labels=["n", "p"],
            n_columns=1,
            seed=seed,
        )
        return found[0].means[0]

    assert mean(0) == mean(0)
    assert mean(0) != mean(1)


class Known(importance.FramePredict):
    """A model that tells how much it uses its columns, rightly or not."""

    def __init__(self, usage: list[float]) -> None:
        super().__init__(lambda X: of_two(X.iloc[:, 0].to_numpy() + X.iloc[:, 1].to_numpy()))
        self._usage = usage

    def usage(self, parts: pd.DataFrame) -> Floats:
        assert parts.shape[1] == len(self._usage)
        return np.array(self._usage)


def test_of_many_columns_the_most_used_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importance, "MAX_COLUMNS", 1)
    _, X, y = learned(2)
    model = Known([0.6, 0.4, 0.0])
    assert ColumnDrops(model, X, y, n_repeats=2, seed=0).places == [0]
    found = importances(model, X, y, n_repeats=2, seed=0)
    drops = by_name(found)
    assert drops["much"].value is not None
    assert drops["nothing"] == Estimate(0.0, 0.0, 0.0)
    assert drops["little"] == Estimate(None)
    assert found[-1].column == "little"


def test_a_model_that_is_wrong_about_its_columns_is_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importance, "MAX_COLUMNS", 1)
    _, X, y = learned(2)
    drops = by_name(importances(Known([1.0, 0.0, 0.0]), X, y, n_repeats=2, seed=0))
    assert drops["little"] == Estimate(None)


def test_where_use_is_unknown_columns_that_vary_are_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importance, "MAX_COLUMNS", 2)
    model, X, y = learned(2)
    X = X.assign(nothing=1.0)
    drops = by_name(importances(model.predict_proba, X, y, n_repeats=1, seed=0))
    assert drops["nothing"] == Estimate(None)
    assert drops["much"].value is not None


@pytest.mark.filterwarnings("error")
def test_the_largest_numbers_have_a_curve() -> None:
    X = pd.DataFrame({"x": [-1.797e308, 1.0, 1.797e308]})
    (found,) = dependences(constant, X, ranked("x"), labels=["n", "p"], n_columns=1, seed=0)
    assert found.values == X["x"].tolist()
    assert found.shares == pytest.approx([1 / 3] * 3)
