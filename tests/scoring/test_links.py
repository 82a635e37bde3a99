"""From sums to probabilities as scikit-learn goes, at the ends of the scale too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.special import expit
from sklearn.utils.extmath import softmax as softmax_of_sklearn

from src.scoring.links import both_labels, logistic, softmax

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


def test_no_rows_give_no_rows() -> None:
    assert both_labels(np.empty(0)).shape == (0, 2)
    assert softmax(np.empty((0, 3))).shape == (0, 3)
