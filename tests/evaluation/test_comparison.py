"""A model is better where the difference on the same rows is larger than chance explains."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from tabproof.auc import auc_components, p_value_of
from tabproof.evaluation.comparison import compare
from tests.evaluation.samples import two_classes

Floats = NDArray[np.float64]


def test_aucs_are_those_of_the_metrics_and_a_real_gain_is_found() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 20_000)
    good, poor = y + rng.normal(0, 1, len(y)), y + rng.normal(0, 1.2, len(y))
    done = compare(y, two_classes(good), two_classes(poor))
    assert done.candidate == pytest.approx(roc_auc_score(y, good), abs=1e-12)
    assert done.current == pytest.approx(roc_auc_score(y, poor), abs=1e-12)
    components = auc_components(y, two_classes(good)) - auc_components(y, two_classes(poor))
    assert done.p_value == p_value_of(done.difference, y, components)
    assert done.is_better(0.05)
    assert not compare(y, two_classes(poor), two_classes(good)).is_better(0.05)


@pytest.mark.parametrize("n_positive", [12, pytest.param(100, marks=pytest.mark.slow)])
def test_equal_models_differ_as_often_as_the_level_states(n_positive: int) -> None:
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], [100, n_positive])
    found = []
    for _ in range(1000):
        first, second = (two_classes(y + rng.normal(0, 1.5, len(y))) for _ in range(2))
        found.append(compare(y, first, second).p_value < 0.05)
    assert 0.03 < np.mean(found) < 0.07


Y = np.repeat([0, 1], 10)
PERFECT, REVERSED, CONSTANT = Y * 0.8 + 0.1, 0.9 - Y * 0.8, np.full(20, 0.5)


@pytest.mark.parametrize("scores", [PERFECT, REVERSED, CONSTANT, np.linspace(0, 1, 20) % 0.3])
def test_the_same_ranking_is_no_difference(scores: Floats) -> None:
    for other in (scores, scores / 2 + 0.1):
        done = compare(Y, two_classes(scores), two_classes(other))
        assert (done.difference, done.p_value) == (0, 1)
        assert not done.is_better(0.05)


def test_complete_separation_has_no_variance_and_is_no_division_by_zero() -> None:
    done = compare(Y, two_classes(PERFECT), two_classes(REVERSED))
    assert (done.candidate, done.current) == (1, 0)
    assert done.p_value == pytest.approx(0, abs=1e-12)
    assert done.is_better(0.05)
    assert compare(Y, two_classes(PERFECT), two_classes(CONSTANT)).difference == 0.5


def test_one_row_of_a_class_gives_no_significant_difference() -> None:
    y = np.array([0] * 50 + [1])
    first, second = np.linspace(0, 1, 51), np.linspace(1, 0, 51)
    done = compare(y, two_classes(first), two_classes(second))
    assert (done.difference, done.p_value) == (1, 1)
    assert not done.is_better(0.05)


def one_hot(codes: NDArray[np.int64]) -> Floats:
    return np.eye(3)[codes]


codes = st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2))


@given(st.lists(codes, min_size=1, max_size=80))
def test_mcnemars_test_is_the_binomial_one_on_rows_that_differ(
    found: list[tuple[int, int, int]],
) -> None:
    y, first, second = (np.array(column) for column in zip(*found, strict=True))
    done = compare(y, one_hot(first), one_hot(second))
    gained = int(((first == y) & (second != y)).sum())
    lost = int(((second == y) & (first != y)).sum())
    n_different = gained + lost
    p_value = binomtest(gained, n_different).pvalue if n_different else 1
    assert done.p_value == pytest.approx(p_value, abs=1e-12)
    assert done.difference == pytest.approx((gained - lost) / len(y), abs=1e-12)


def test_five_of_five_is_not_significant_and_six_of_six_is() -> None:
    y = np.zeros(10, dtype=np.int64)
    for n_gained, is_better in ((5, False), (6, True)):
        current = np.where(np.arange(10) < n_gained, 1, 0)
        assert compare(y, one_hot(y), one_hot(current)).is_better(0.05) is is_better


def test_the_line_has_both_values_the_difference_and_the_p_value() -> None:
    y = np.zeros(10, dtype=np.int64)
    current = np.where(np.arange(10) < 6, 1, 0)
    assert compare(y, one_hot(y), one_hot(current)).in_words() == (
        "accuracy 1.0000, current version 0.4000, difference +0.6000, p = 0.031 (McNemar)"
    )
