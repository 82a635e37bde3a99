"""DeLong's components, and the interval and p-value that are made of them."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import brunnermunzel, norm, ttest_ind
from sklearn.metrics import roc_auc_score

from tabproof.auc import (
    auc_components,
    auc_interval,
    auc_of,
    column_aucs,
    error_and_freedom,
    estimate_of,
    has_every_class,
    p_value_of,
    rank_aucs,
)
from tests.evaluation.samples import auc_variance_by_definition, two_classes

# Few different scores, so that there are many ties.
rows = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 6), st.integers(0, 6)), min_size=4, max_size=60
)


def delong_by_definition(y: NDArray[np.int64], *scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the covariance matrix of AUCs: DeLong et al. (1988), equations 4 to 7."""
    v10, v01 = [], []
    for each in scores:
        positive, negative = each[y == 1][:, np.newaxis], each[y == 0]
        kernel = (positive > negative) + (positive == negative) / 2
        v10.append(kernel.mean(axis=1))
        v01.append(kernel.mean(axis=0))
    return np.cov(v10) / int((y == 1).sum()) + np.cov(v01) / int((y == 0).sum())


@given(rows)
def test_components_add_up_to_the_auc_with_delongs_variance(
    found: list[tuple[int, int, int]],
) -> None:
    y, first, second = (np.array(column) for column in zip(*found, strict=True))
    assume(2 <= y.sum() <= len(y) - 2)
    one, other = (auc_components(y, two_classes(scores / 6)) for scores in (first, second))
    assert auc_of(one) == pytest.approx(roc_auc_score(y, first), abs=1e-12)
    covariance = delong_by_definition(y, first, second)
    assert error_and_freedom(y, one)[0] ** 2 == pytest.approx(covariance[0, 0], abs=1e-12)
    of_difference = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert error_and_freedom(y, one - other)[0] ** 2 == pytest.approx(of_difference, abs=1e-12)


def test_the_auc_of_three_classes_is_the_mean_of_one_against_the_rest() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    proba = rng.dirichlet(np.ones(3), 300)
    components = auc_components(y, proba)
    expected = roc_auc_score(y, proba, multi_class="ovr")
    assert auc_of(components) == pytest.approx(expected, abs=1e-12)
    expected = auc_variance_by_definition(y, proba)
    assert error_and_freedom(y, components)[0] ** 2 == pytest.approx(expected, rel=1e-9)


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 2)), min_size=1, max_size=30))
def test_aucs_by_rank_are_scikit_learns(found: list[tuple[int, int]]) -> None:
    values, y = (np.array(part) for part in zip(*found, strict=True))
    is_class = y[:, None] == np.arange(3)
    for auc, own in zip(rank_aucs(values.astype(float), is_class), is_class.T, strict=True):
        expected = np.nan if len(set(own)) == 1 else roc_auc_score(own, values)
        assert auc == pytest.approx(expected, abs=1e-12, nan_ok=True)


@given(st.lists(st.tuples(*[st.integers(-3, 3)] * 3, st.booleans()), min_size=1, max_size=30))
def test_aucs_of_columns_are_those_of_each(found: list[tuple[int, ...]]) -> None:
    values = np.array(found, dtype=np.float64)
    is_class = values[:, 3:] == [[1.0, 0.0]]
    each = [rank_aucs(column, is_class) for column in values.T]
    np.testing.assert_array_equal(column_aucs(values, is_class), each)


def test_the_p_value_is_that_of_brunner_and_munzel() -> None:
    """Their statistic is the distance of an AUC from one half, over its DeLong error."""
    rng = np.random.default_rng(2)
    y = np.repeat([0, 1], [25, 9])
    scores = np.round(rng.normal(size=34) + 0.5 * y, 1)
    components = auc_components(y, two_classes(scores))
    expected = brunnermunzel(scores[y == 0], scores[y == 1], distribution="t").pvalue
    found = p_value_of(auc_of(components) - 0.5, y, components)
    assert found == pytest.approx(expected, abs=1e-12)


def test_the_interval_is_that_of_welchs_test() -> None:
    """A difference of two means: of class 1's components, and of class 0's with the sign turned."""
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], [25, 7])
    values = rng.normal(size=32)
    test = ttest_ind(values[y == 1], -values[y == 0], equal_var=False)
    components = np.where(y == 1, values / 7, values / 25)
    found = estimate_of(float(components.sum()), y, components)
    assert found.interval == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert p_value_of(float(components.sum()), y, components) == pytest.approx(test.pvalue)


@given(rows)
def test_an_interval_excludes_0_exactly_where_the_test_finds_a_difference(
    found: list[tuple[int, int, int]],
) -> None:
    y, first, second = (np.array(column) for column in zip(*found, strict=True))
    assume(2 <= y.sum() <= len(y) - 2)
    components = auc_components(y, two_classes(first)) - auc_components(y, two_classes(second))
    difference = auc_of(components)
    low, high = estimate_of(difference, y, components).interval or (np.nan, np.nan)
    p_value = p_value_of(difference, y, components)
    assume(abs(difference) > 1e-12)
    assume(abs(p_value - 0.05) > 1e-9)
    assert (p_value < 0.05) == (not low <= 0 <= high)


def test_one_row_of_a_class_gives_neither_interval_nor_difference() -> None:
    y, components = np.array([0, 0, 0, 1]), np.array([0.1, 0.2, 0.0, 0.4])
    assert estimate_of(0.5, y, components).interval is None
    assert p_value_of(0.5, y, components) == 1
    assert error_and_freedom(y, components) is None
    assert auc_interval(np.array([1, 0, 0]), two_classes([0.5, 0.2, 0.9]), 0.5) is None
    assert auc_interval(np.array([0, 1, 2, 2]), np.eye(3)[[0, 1, 2, 2]], 1.0) is None


def test_a_class_without_rows_has_no_auc() -> None:
    assert has_every_class(np.array([0, 1, 2]), 3)
    assert not has_every_class(np.array([0, 2, 2]), 3)
    assert not has_every_class(np.array([], dtype=np.int64), 2)


@pytest.mark.parametrize("true_auc", [0.65, 0.8, 0.95])
def test_the_interval_contains_the_true_auc_19_times_in_20(true_auc: float) -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([1, 0], [40, 60])
    shift = np.sqrt(2) * norm.ppf(true_auc)
    n_held = 0
    for _ in range(600):
        scores = rng.normal(size=100) + shift * y
        auc = (scores[y == 1][:, None] > scores[y == 0]).mean()
        low, high = auc_interval(y, two_classes(scores), auc) or (np.nan, np.nan)
        assert 0 <= low <= auc <= high <= 1
        n_held += low <= true_auc <= high
    assert 0.92 <= n_held / 600 <= 0.98


def test_a_perfect_ranking_of_few_rows_is_no_certainty() -> None:
    y = np.repeat([1, 0], [10, 10])
    low, high = auc_interval(y, two_classes(y * 1.0), 1.0) or (0, 0)
    # By hand: 1 - 0.8 is about 1.96² · 0.8 · (1 + 9 · 0.2 / 1.2 + 9 · 0.8 / 1.8) / 100.
    assert (round(low, 3), high) == (0.8, 1.0)
    assert auc_interval(y, two_classes(y * -1.0), 0.0) == pytest.approx((0, 1 - low))
    more = np.repeat([1, 0], [1000, 1000])
    assert (auc_interval(more, two_classes(more * 1.0), 1.0) or (0, 0))[0] > 0.99
    three = np.array([0, 1, 2] * 5)
    low, high = auc_interval(three, np.eye(3)[three], 1.0) or (0, 0)
    assert (low < 0.95, high) == (True, 1)


def test_an_auc_of_which_no_row_varies_is_a_point() -> None:
    # Every score is the same: each row is above half of the others.
    y = np.repeat([0, 1], [5, 5])
    assert auc_interval(y, two_classes([0.0] * 10), 0.5) == pytest.approx((0.5, 0.5))
