"""Folds inside a step keep the rows of a group together, and are scikit-learn's without groups."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import TargetEncoder

from tabproof.modeling import ColumnFeatures, make_pipeline
from tabproof.modeling.folds import MAX_GROUPS, InnerFolds, with_groups
from tests.scorer.fitted import as_category

seeds = st.integers(0, 2**32 - 1)


def folds_of(X: object, y: np.ndarray, seed: int = 0) -> list[tuple[list[int], list[int]]]:
    folds = InnerFolds(5, shuffle=True, random_state=seed)
    return [(train.tolist(), test.tolist()) for train, test in folds.split(X, y)]


def frame_of(n_rows: int) -> pd.DataFrame:
    return pd.DataFrame({"a": np.arange(n_rows)}, index=np.arange(n_rows)[::-1] * 2)


@given(st.lists(st.integers(0, 9), min_size=20, max_size=60), seeds)
def test_a_group_is_in_one_fold_only_and_each_row_is_in_one(groups: list[int], seed: int) -> None:
    n_groups = len(set(groups))
    assume(n_groups >= 5)
    y, names = np.resize([0, 1], len(groups)), np.array([f"p{group}" for group in groups])
    X = with_groups(frame_of(len(groups)), names)
    found = folds_of(X, y, seed)
    assert found == folds_of(X, y, seed)
    assert len(found) == 5
    assert sorted(row for _, test in found for row in test) == list(range(len(groups)))
    for train, test in found:
        assert sorted(train + test) == list(range(len(groups)))
        assert not set(names[train]) & set(names[test])
        assert min(len(train), len(test)) > 0


@given(st.integers(20, 60), seeds)
def test_without_groups_they_are_the_stratified_folds(n_rows: int, seed: int) -> None:
    X, y = frame_of(n_rows), np.resize([0, 0, 1], n_rows)
    splitter = StratifiedKFold(5, shuffle=True, random_state=seed)
    expected = [(train.tolist(), test.tolist()) for train, test in splitter.split(X, y)]
    assert folds_of(X, y, seed) == folds_of(X.to_numpy(), y, seed) == expected
    # Fewer groups than folds.
    for n_groups in (1, 4):
        assert folds_of(with_groups(X, np.arange(n_rows) % n_groups), y, seed) == expected


def test_a_frame_with_groups_has_the_same_cells_and_its_rows_their_ids() -> None:
    X = frame_of(6)
    found = with_groups(X, np.array(["b", "a", "b", "c", "a", "c"]))
    assert_array_equal(found.index.get_level_values("group"), [0, 1, 0, 2, 1, 2])
    pd.testing.assert_frame_equal(found.droplevel("group"), X)


def test_a_missing_group_is_one_more_for_a_frame_of_the_user() -> None:
    groups = np.repeat(np.array(["p", "q", "r", "s", None]), 8)
    X = pd.DataFrame({"a": 0.0}, index=pd.MultiIndex.from_arrays([groups], names=["group"]))
    found = [{str(groups[row]) for row in test} for _, test in folds_of(X, np.arange(40) % 2)]
    assert sorted(map(sorted, found)) == [["None"], ["p"], ["q"], ["r"], ["s"]]


def test_many_groups_stay_whole_and_the_folds_stratified() -> None:
    groups = np.repeat(np.arange(3 * MAX_GROUPS), 2)
    y = np.random.default_rng(0).permutation(np.arange(len(groups)) % 4 == 0).astype(int)
    found = folds_of(with_groups(frame_of(len(groups)), groups), y)
    for train, test in found:
        assert not set(groups[train]) & set(groups[test])
        assert len(test) == pytest.approx(len(groups) / 5, rel=0.02)
        assert y[test].mean() == pytest.approx(0.25, abs=0.01)


def planted(n_groups: int = 60, n_classes: int = 2) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Make columns that identify the group of a row, and labels that are one per group."""
    rng = np.random.default_rng(0)
    groups = rng.permutation(np.repeat(np.arange(n_groups), rng.integers(4, 13, n_groups)))
    names = [f"id {group}" for group in groups]
    frame = pd.DataFrame({"id": as_category(names), "text": pd.Series(names, dtype="str")})
    return frame, rng.permutation(np.arange(n_groups) % n_classes)[groups], groups


@pytest.mark.parametrize("n_groups", [12, 60, 2 * MAX_GROUPS])
def test_training_rows_do_not_see_the_targets_of_their_group(n_groups: int) -> None:
    frame, y, groups = planted(n_groups)
    step = ColumnFeatures(10, random_state=0)
    alone, together = (step.fit_transform(X, y) for X in (frame, with_groups(frame, groups)))
    for name in ("id (share)", "text (score)"):
        assert roc_auc_score(y, alone[name]) > 0.95
    # What a group that is not among the training rows gets.
    np.testing.assert_allclose(together["id (share)"], y.mean(), rtol=0, atol=1e-12)
    # Nothing but chance, of as many groups.
    margin = 0.02 + 2 / n_groups**0.5
    assert abs(roc_auc_score(y, together["text (score)"]) - 0.5) < margin


def test_of_several_classes_and_columns_each_share_is_that_of_all_rows() -> None:
    frame, y, groups = planted(30, 3)
    frame.insert(0, "other", frame["id"])
    made = ColumnFeatures(10, random_state=0).fit_transform(with_groups(frame, groups), y)
    for name in ("other", "id"):
        shares = made[[f"{name} (share {label})" for label in range(3)]]
        expected = np.tile(np.bincount(y) / len(y), (len(y), 1))
        np.testing.assert_allclose(shares, expected, rtol=0, atol=1e-12)


def test_a_category_of_several_groups_is_learned_from_the_other_groups() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(100), 6)
    town = rng.integers(0, 30, len(groups))
    y = (rng.random(len(groups)) < np.where(town < 15, 0.9, 0.1)).astype(int)
    frame = with_groups(pd.DataFrame({"town": as_category([f"t{t}" for t in town])}), groups)
    made = ColumnFeatures(10, random_state=0).fit_transform(frame, y)
    assert roc_auc_score(y, made["town (share)"]) > 0.8


def test_what_is_learned_from_all_rows_is_the_same_with_groups() -> None:
    frame, y, groups = planted()
    alone, together = (
        ColumnFeatures(10, random_state=0).fit(X, y) for X in (frame, with_groups(frame, groups))
    )
    pd.testing.assert_frame_equal(alone.transform(frame), together.transform(frame))


def test_target_encoding_in_the_preprocessing_keeps_groups_together() -> None:
    frame, y, groups = planted()
    steps = make_pipeline({}, {"encode": TargetEncoder()}, LogisticRegression(), seed=0)
    alone, together = (
        steps.named_steps["preprocess"].fit_transform(X[["id"]], y)[:, 0]
        for X in (frame, with_groups(frame, groups))
    )
    assert roc_auc_score(y, alone) > 0.95
    assert roc_auc_score(y, together) < 0.6


def test_a_model_does_not_rely_on_what_only_its_own_groups_have() -> None:
    # A measurement tells a little of each group's label; the name of the group all of it.
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(400), 6)
    level = rng.normal(size=400)
    y = (rng.random(400) < 1 / (1 + np.exp(-2 * level)))[groups].astype(int)
    frame = pd.DataFrame(
        {
            "level": level[groups] + rng.normal(size=len(groups)),
            "id": as_category([f"id {group}" for group in groups]),
        }
    )
    is_new = groups >= 200
    model = HistGradientBoostingClassifier(max_iter=20)
    pipeline = make_pipeline({}, {}, model, seed=0, max_categories=10)

    def area(X: pd.DataFrame) -> float:
        fitted = pipeline.fit(X[~is_new], y[~is_new])
        return float(roc_auc_score(y[is_new], fitted.predict_proba(frame[is_new])[:, 1]))

    assert area(with_groups(frame, groups)) > area(frame) + 0.1
