"""What the model would say on average if all rows had one value."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.inspection import partial_dependence
from sklearn.linear_model import LogisticRegression

from tabproof.evaluation import importance
from tabproof.evaluation.importance import dependences
from tabproof.evaluation_result import Estimate, Importance

Floats = NDArray[np.float64]


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


def test_of_many_numbers_each_point_stands_for_as_many_rows() -> None:
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
