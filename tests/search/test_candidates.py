"""Candidates: which are equivalent, which is simpler, and where the defaults are."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from tabproof.search.candidates import Candidate, CandidatePool, signature
from tests.search.making import table

X, y = table(120, n_classes=3)
SMALL = {"max_iter": 3, "learning_rate": 0.5, "early_stopping": False}
KINDS: dict[str, Any] = {
    "boosting": HistGradientBoostingClassifier(**SMALL, random_state=0),
    "columns": HistGradientBoostingClassifier(**SMALL, max_features=0.5, random_state=0),
    "tree": DecisionTreeClassifier(random_state=0),
    "columns of a tree": DecisionTreeClassifier(max_features=2, random_state=0),
    "forest": RandomForestClassifier(3, random_state=0),
    "whole forest": RandomForestClassifier(3, bootstrap=False, random_state=0),
    "extra trees": ExtraTreesClassifier(3, random_state=0),
}
kinds = pytest.mark.parametrize("kind", KINDS)


def configured(kind: str, **limits: Any) -> Any:
    estimator = KINDS[kind]
    return type(estimator)(**{**estimator.get_params(), **limits})


def answers(estimator: Any, n_rows: int) -> Any:
    return estimator.fit(X[:n_rows], y[:n_rows]).predict_proba(X)


LIMITS = st.fixed_dictionaries(
    {
        "max_leaf_nodes": st.none() | st.integers(2, 40),
        "max_depth": st.none() | st.integers(1, 12),
        "min_samples_leaf": st.integers(1, 30),
    }
)


def places(candidates: list[Candidate]) -> list[int]:
    return [each.place for each in candidates]


@kinds
@settings(max_examples=20, deadline=None)
@given(limits=LIMITS, data=st.data(), n_rows=st.integers(20, 120))
def test_the_same_signature_gives_the_same_bits(
    kind: str, limits: dict[str, Any], data: st.DataObject, n_rows: int
) -> None:
    # Only one limit changes: two random settings would hardly ever be equivalent.
    name = data.draw(st.sampled_from(["max_leaf_nodes", "max_depth"]))
    value = data.draw(st.none() | st.integers(2, 200 if name == "max_leaf_nodes" else 70))
    one, other = configured(kind, **limits), configured(kind, **{**limits, name: value})
    if signature(one, n_rows) == signature(other, n_rows):
        np.testing.assert_array_equal(answers(one, n_rows), answers(other, n_rows))


@pytest.mark.parametrize("kind", ["boosting", "tree", "forest", "extra trees"])
@pytest.mark.parametrize(
    ("one", "other", "n_rows"),
    [
        # At most 2^depth leaves.
        ({"max_depth": 3, "max_leaf_nodes": 8}, {"max_depth": 3, "max_leaf_nodes": 9}, 120),
        ({"max_depth": 3, "max_leaf_nodes": 8}, {"max_depth": 3, "max_leaf_nodes": 10**4}, 120),
        # At most n // m leaves.
        (
            {"min_samples_leaf": 10, "max_leaf_nodes": 12},
            {"min_samples_leaf": 10, "max_leaf_nodes": 13},
            120,
        ),
        (
            {"min_samples_leaf": 10, "max_leaf_nodes": 11},
            {"min_samples_leaf": 10, "max_leaf_nodes": 31},
            119,
        ),
        # At most l - 1 deep.
        ({"max_leaf_nodes": 5, "max_depth": 4}, {"max_leaf_nodes": 5, "max_depth": None}, 120),
        ({"max_leaf_nodes": 5, "max_depth": 60}, {"max_leaf_nodes": 5, "max_depth": None}, 120),
        (
            {"max_leaf_nodes": 99, "max_depth": 5, "min_samples_leaf": 20},
            {"max_leaf_nodes": 99, "max_depth": None, "min_samples_leaf": 20},
            120,
        ),
    ],
    ids=str,
)
def test_limits_that_never_bind_make_no_difference(
    kind: str, one: dict[str, Any], other: dict[str, Any], n_rows: int
) -> None:
    left, right = (configured(kind, **{"min_samples_leaf": 2, **each}) for each in (one, other))
    assert signature(left, n_rows) == signature(right, n_rows)
    np.testing.assert_array_equal(answers(left, n_rows), answers(right, n_rows))


@pytest.mark.parametrize("kind", ["boosting", "tree", "forest", "extra trees"])
@pytest.mark.parametrize(
    ("one", "other", "n_rows"),
    [
        ({"max_depth": 3, "max_leaf_nodes": 7}, {"max_depth": 3, "max_leaf_nodes": 8}, 120),
        (
            {"min_samples_leaf": 10, "max_leaf_nodes": 11},
            {"min_samples_leaf": 10, "max_leaf_nodes": 12},
            120,
        ),
        ({"max_leaf_nodes": 6, "max_depth": 4}, {"max_leaf_nodes": 6, "max_depth": None}, 120),
        ({"min_samples_leaf": 3, "max_depth": 2}, {"min_samples_leaf": 4, "max_depth": 2}, 120),
    ],
    ids=str,
)
def test_limits_that_may_bind_make_a_difference(
    kind: str, one: dict[str, Any], other: dict[str, Any], n_rows: int
) -> None:
    left, right = (configured(kind, **{"min_samples_leaf": 2, **each}) for each in (one, other))
    assert signature(left, n_rows) != signature(right, n_rows)


def test_with_more_rows_a_limit_binds() -> None:
    one, other = (
        configured("boosting", max_leaf_nodes=12),
        configured("boosting", max_leaf_nodes=31),
    )
    assert signature(one, 240) == signature(other, 240)
    assert signature(one, 260) != signature(other, 260)


def test_a_forest_without_a_limit_of_leaves_grows_differently() -> None:
    # It grows depth first and draws columns in another order.
    one = RandomForestClassifier(3, max_depth=3, random_state=0)
    other = RandomForestClassifier(3, max_depth=3, max_leaf_nodes=8, random_state=0)
    assert signature(one, 120) != signature(other, 120)


LIGHTGBM_KINDS = [{}, {"max_depth": 3}, {"max_depth": 4}]


@pytest.mark.parametrize("limits", LIGHTGBM_KINDS, ids=str)
@pytest.mark.parametrize("n_leaves", [(7, 8), (8, 9), (8, 31), (16, 31), (31, 100)])
def test_signatures_of_lightgbm(limits: dict[str, int], n_leaves: tuple[int, int]) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    one, other = (
        lightgbm.LGBMClassifier(
            n_estimators=3, num_leaves=n, n_jobs=1, verbose=-1, min_child_samples=2, **limits
        )
        for n in n_leaves
    )
    are_equal = signature(one, 120) == signature(other, 120)
    assert are_equal == (2 ** limits.get("max_depth", 60) <= n_leaves[0])
    if are_equal:
        np.testing.assert_array_equal(answers(one, 120), answers(other, 120))


def test_nested_estimators_count() -> None:
    def nested(**limits: Any) -> Pipeline:
        return make_pipeline(StandardScaler(), configured("boosting", **limits))

    assert signature(nested(max_depth=2), 120) == (
        signature(nested(max_depth=2, max_leaf_nodes=4), 120)
    )
    assert signature(nested(max_depth=2), 120) != signature(nested(max_depth=3), 120)
    assert signature(nested().set_params(standardscaler__with_mean=False), 120) != (
        signature(nested(), 120)
    )


class Elsewhere:
    class LogisticRegression(LogisticRegression):
        """Another class with the same name."""


Elsewhere.LogisticRegression.__qualname__ = "LogisticRegression"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LogisticRegression(), Elsewhere.LogisticRegression()),
        (
            LogisticRegression(class_weight={0: 1, 1: 2}),
            LogisticRegression(class_weight={"0": 1, "1": 2}),
        ),
        (RandomForestClassifier(max_features=1), RandomForestClassifier(max_features=1.0)),
        (
            FunctionTransformer(lambda each: each + 1),
            FunctionTransformer(lambda each: each + 2),
        ),
        (make_pipeline(StandardScaler()), make_pipeline("passthrough")),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_estimators_that_only_look_equal_differ(one: Any, other: Any) -> None:
    assert signature(one, 100) != signature(other, 100)


def test_any_parameter_has_a_signature() -> None:
    weights = {0: 1, "a": 2, (1, 2): 3, None: np.arange(3)}
    first, second = (LogisticRegression(class_weight=weights) for _ in range(2))
    assert signature(first, 100) == signature(second, 100)
    step = FunctionTransformer(lambda each: each)
    assert signature(make_pipeline(step), 9) == signature(make_pipeline(step), 9)


class Joined(BaseEstimator):
    """An estimator with lists, dicts and classes of estimators as parameters."""

    def __init__(self, parts: Any = None, kind: Any = None) -> None:
        self.parts = parts
        self.kind = kind


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Joined([LogisticRegression(C=1)]), Joined([LogisticRegression(C=100)])),
        (
            Joined({"a": [make_pipeline(LogisticRegression(C=1))]}),
            Joined({"a": [make_pipeline(LogisticRegression(C=100))]}),
        ),
        (Joined(kind=LogisticRegression), Joined(kind=DecisionTreeClassifier)),
        (Joined([LogisticRegression]), Joined([DecisionTreeClassifier])),
    ],
    ids=["in a list", "in a pipeline in a dict", "classes", "classes in a list"],
)
def test_estimators_inside_lists_and_dicts_count(one: Any, other: Any) -> None:
    assert signature(one, 100) != signature(other, 100)
    assert signature(one, 100) == signature(clone(one), 100)


@pytest.mark.parametrize(
    "estimator",
    [
        HistGradientBoostingClassifier(min_samples_leaf=0),
        HistGradientBoostingClassifier(max_depth="deep"),
        RandomForestClassifier(max_leaf_nodes="many"),
    ],
)
def test_invalid_limits_are_left_to_the_fit(estimator: Any) -> None:
    assert signature(estimator, 100) != signature(type(estimator)(), 100)


@pytest.mark.parametrize(
    ("simpler", "other"),
    [
        (DecisionTreeClassifier(max_depth=2), DecisionTreeClassifier(max_depth=3)),
        (DecisionTreeClassifier(max_depth=9), DecisionTreeClassifier(max_depth=None)),
        (
            DecisionTreeClassifier(max_leaf_nodes=4, max_depth=9),
            DecisionTreeClassifier(max_leaf_nodes=5, max_depth=2),
        ),
        (
            HistGradientBoostingClassifier(max_iter=50, learning_rate=0.3),
            HistGradientBoostingClassifier(max_iter=100, learning_rate=0.1),
        ),
        (
            HistGradientBoostingClassifier(min_samples_leaf=40),
            HistGradientBoostingClassifier(min_samples_leaf=20),
        ),
        (
            HistGradientBoostingClassifier(l2_regularization=1.0),
            HistGradientBoostingClassifier(l2_regularization=0.0),
        ),
        (LogisticRegression(C=0.1), LogisticRegression(C=1.0)),
        (
            make_pipeline(StandardScaler(), LogisticRegression(C=0.1)),
            make_pipeline(StandardScaler(), LogisticRegression(C=1.0)),
        ),
        # Numbers of numpy, as in a grid that was made with it.
        (
            RandomForestClassifier(n_estimators=np.int64(10)),
            RandomForestClassifier(n_estimators=np.int64(20)),
        ),
    ],
    ids=str,
)
def test_simplicity(simpler: Any, other: Any) -> None:
    assert Candidate(1, {}, simpler).simplicity < Candidate(0, {}, other).simplicity


def test_a_depth_without_limit_is_the_deepest_for_every_library() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    limited, free = (lightgbm.LGBMClassifier(max_depth=depth) for depth in (12, -1))
    assert Candidate(1, {}, limited).simplicity < Candidate(0, {}, free).simplicity


def test_proposed_defaults_are_found() -> None:
    pool = CandidatePool({"": LogisticRegression(C=0.5)}, 100)
    assert places(pool.add([{"C": 0.1}, {"C": 0.5}])) == [1, 0]
    assert places(pool.defaults) == [1]
    assert len(pool.candidates) == 2


def test_missing_defaults_are_added() -> None:
    pool = CandidatePool({"": LogisticRegression(C=0.5)}, 100)
    assert places(pool.add([{"C": 0.1}, {"C": 2.0}])) == [2, 0, 1]
    assert dict(pool.candidates[2].params) == {}
    assert places(pool.add([{"C": 3.0}])) == [3]
    assert places(pool.defaults) == [2]


def test_the_integer_1_and_the_share_1_0_differ() -> None:
    pool = CandidatePool({"": RandomForestClassifier(max_features=1.0)}, 100)
    pool.add([{"max_features": 1}])
    assert len(pool.candidates) == 2
    assert len({*pool.first_of.values()}) == 2


def test_an_equivalent_candidate_of_a_later_batch_is_not_searched() -> None:
    pool = CandidatePool({"": DecisionTreeClassifier(max_leaf_nodes=4)}, 100)
    pool.add([{"max_depth": 2}])
    assert pool.add([{"max_depth": 2, "max_leaf_nodes": 9}]) == []
    assert pool.first_of == {0: 0, 1: 1, 2: 0}


def test_a_single_estimator_may_have_a_parameter_called_model() -> None:
    class Odd(DummyClassifier):
        def __init__(self, model: str = "a", strategy: str = "prior") -> None:
            super().__init__(strategy=strategy)
            self.model = model

    pool = CandidatePool({"": Odd()}, 10)
    pool.add([{"model": "b"}])
    assert [c.estimator.model for c in pool.candidates] == ["b", "a"]
