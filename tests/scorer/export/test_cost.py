"""The estimate of what a row takes."""

from typing import Any

import pytest
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from tabproof.scorer.export import row_microseconds
from tests.search.making import table

X, Y = table(300, seed=1)


def models(size: int) -> dict[str, Any]:
    """Return models by library, each with `size` trees."""
    found: dict[str, Any] = {
        "boosting": HistGradientBoostingClassifier(max_iter=size, early_stopping=False),
        "forest": ExtraTreesClassifier(size, max_leaf_nodes=16),
    }
    return found


@pytest.mark.parametrize("name", ["boosting", "forest", "lightgbm", "catboost", "xgboost"])
def test_more_trees_take_longer(name: str) -> None:
    def fitted(n: int) -> Any:
        if name == "lightgbm":
            library = pytest.importorskip("lightgbm")
            return library.LGBMClassifier(n_estimators=n, verbosity=-1, n_jobs=1).fit(X, Y)
        if name == "catboost":
            library = pytest.importorskip("catboost")
            quiet = {"logging_level": "Silent", "allow_writing_files": False, "thread_count": 1}
            return library.CatBoostClassifier(iterations=n, **quiet).fit(X, Y)
        if name == "xgboost":
            library = pytest.importorskip("xgboost")
            return library.XGBClassifier(n_estimators=n, n_jobs=1).fit(X, Y)
        return models(n)[name].fit(X, Y)

    few, many = row_microseconds(fitted(5)), row_microseconds(fitted(50))
    assert 0 < few < many < 50


def test_trees_of_more_leaves_than_bit_vectors_have_are_walked_down() -> None:
    X, y = table(2000, seed=1)
    shallow, deep = (ExtraTreesClassifier(50, max_leaf_nodes=n).fit(X, y) for n in (64, None))
    assert row_microseconds(deep) > 5 * row_microseconds(shallow)


def test_linear_models_cost_by_feature_and_class_and_unknown_ones_nothing() -> None:
    X3, y3 = table(200, n_classes=3)
    two, three = LogisticRegression().fit(X, Y), LogisticRegression().fit(X3, y3)
    assert 0 < row_microseconds(two) < row_microseconds(three)
    assert row_microseconds(GaussianNB().fit(X, Y)) == 0
