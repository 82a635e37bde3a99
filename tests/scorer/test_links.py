"""From sums to probabilities as each library goes, at the ends of the scale too."""

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.utils.extmath import softmax as softmax_of_sklearn

from tabproof.scorer.model import (
    both_labels,
    both_labels_float32,
    logistic,
    softmax,
    softmax_float32,
)

ENDS = [0.0, -0.0, 5e-324, 36.7, 37.0, 709.7, 709.8, 745.0, 746.0, 1e300, np.inf]


@given(st.floats(allow_nan=False))
def test_logistic_has_the_bits_of_expit(raw: float) -> None:
    assert logistic(raw) == float(expit(raw))


@pytest.mark.parametrize("raw", [*ENDS, *(-end for end in ENDS)])
def test_logistic_at_the_ends(raw: float) -> None:
    assert logistic(raw) == float(expit(raw))
    assert both_labels(np.array([raw])).tolist() == [[1.0 - logistic(raw), logistic(raw)]]


def test_no_number_stays_none() -> None:
    assert np.isnan(logistic(np.nan))
    assert np.isnan(both_labels(np.array([np.nan]))).all()
    assert np.isnan(softmax(np.array([[np.inf, np.inf, 0.0]]))).any()
    assert np.isnan(softmax(np.array([[np.nan, 1.0]]))).all()


rows = st.integers(2, 20).flatmap(
    lambda n: st.lists(
        st.lists(st.floats(-800, 800), min_size=n, max_size=n), min_size=1, max_size=9
    )
)


@given(rows)
def test_softmax_is_scikit_learns(sums: list[list[float]]) -> None:
    assert_array_equal(softmax(np.array(sums)), softmax_of_sklearn(np.array(sums)))


@given(rows)
def test_softmax_of_a_row_is_that_of_the_row_in_a_batch(sums: list[list[float]]) -> None:
    batch = softmax(np.array(sums))
    for row, expected in zip(sums, batch, strict=True):
        assert_array_equal(softmax(np.array([row]))[0], expected)


def of_xgboost(sums: np.ndarray) -> np.ndarray:
    """Give what XGBoost makes of sums, which it takes without any tree."""
    rows = np.zeros((len(sums), 1))
    binary = sums.ndim == 1
    objective = "binary:logistic" if binary else "multi:softprob"
    parameters = {"objective": objective, "nthread": 1, "base_score": 0.5}
    if not binary:
        parameters["num_class"] = sums.shape[1]
    learned = xgboost.DMatrix(rows[:1], label=[0.0])
    booster = xgboost.train(parameters, learned, num_boost_round=0)
    given = xgboost.DMatrix(rows, base_margin=sums.astype(np.float32))
    found = booster.predict(given).astype(np.float32)
    return np.stack([np.float32(1) - found, found], axis=1) if binary else found


# Among any hundred thousand sums there are some whose last bit another exp gets wrong.
SUMS = np.random.default_rng(0).normal(0, 3, 400_000).astype(np.float32)
ENDS_32 = np.array([0.0, 1e-45, 1e-30, 16.6, 17.4, 88.6, 88.7, 88.8, 104.0, 3e38, np.inf])


def test_float32_logistic_is_xgboosts() -> None:
    sums = np.concatenate([SUMS, ENDS_32, -ENDS_32])
    # Beyond 88 XGBoost's numbers are too small to matter, and another one's differ.
    assert_allclose(both_labels_float32(sums), of_xgboost(sums), rtol=0, atol=1e-30)
    assert_array_equal(both_labels_float32(SUMS), of_xgboost(SUMS))


@pytest.mark.parametrize("n_labels", [3, 9])
def test_float32_softmax_is_xgboosts(n_labels: int) -> None:
    sums = SUMS[: len(SUMS) // n_labels * n_labels].reshape(-1, n_labels)
    found = softmax_float32(sums)
    assert_array_equal(found, of_xgboost(sums))
    for row, expected in zip(sums[:50], found, strict=False):
        assert_array_equal(softmax_float32(row[np.newaxis])[0], expected)


def test_no_float32_number_stays_none() -> None:
    assert np.isnan(both_labels_float32(np.array([np.nan]))).all()
    assert np.isnan(softmax_float32(np.array([[np.inf, np.inf, 0.0]]))).any()


def test_no_rows_give_no_rows() -> None:
    assert both_labels_float32(np.empty(0)).shape == (0, 2)
    assert softmax_float32(np.empty((0, 3))).shape == (0, 3)
    assert both_labels(np.empty(0)).shape == (0, 2)
    assert softmax(np.empty((0, 3))).shape == (0, 3)
