"""The parts of rows make up the area, and vary as DeLong's components do."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import ttest_ind
from sklearn.metrics import roc_auc_score

from tabproof.evaluation.comparison import area_variance
from tabproof.evaluation.metrics import area_of, area_parts, has_every_class, interval_of
from tests.evaluation.samples import area_variance_by_definition

# Few different scores, so that ties are many.
rows = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6)), min_size=4, max_size=60)


@given(rows)
def test_parts_make_up_the_area_and_vary_as_delong_has_it(found: list[tuple[int, int]]) -> None:
    y, scores = (np.array(column) for column in zip(*found, strict=True))
    assume(2 <= y.sum() <= len(y) - 2)
    parts = area_parts(y, np.column_stack([-scores, scores / 6]))
    assert area_of(parts) == pytest.approx(roc_auc_score(y, scores), abs=1e-12)
    variance = sum((y == code).sum() * parts[y == code].var(ddof=1) for code in (0, 1))
    assert variance == pytest.approx(area_variance(y == 1, scores), abs=1e-12)


def test_of_three_classes_the_area_is_the_mean_of_one_against_the_rest() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    proba = rng.dirichlet(np.ones(3), 300)
    parts = area_parts(y, proba)
    assert area_of(parts) == pytest.approx(roc_auc_score(y, proba, multi_class="ovr"), abs=1e-12)
    variance = sum((y == code).sum() * parts[y == code].var(ddof=1) for code in range(3))
    assert variance == pytest.approx(area_variance_by_definition(y, proba), rel=1e-9)


def test_the_interval_is_that_of_welchs_test() -> None:
    """A difference of two means: of class 1's parts, and of class 0's with the sign turned."""
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], [25, 7])
    values = rng.normal(size=32)
    ones, zeros = values[y == 1], values[y == 0]
    expected = ttest_ind(ones, -zeros, equal_var=False).confidence_interval(0.95)
    parts = np.where(y == 1, values / 7, values / 25)
    found = interval_of(float(parts.sum()), y, parts)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_one_row_of_a_class_gives_an_area_without_an_interval() -> None:
    y = np.array([0, 0, 0, 1])
    assert interval_of(0.5, y, np.array([0.1, 0.2, 0.0, 0.4])).interval is None


def test_a_class_without_rows_has_no_area() -> None:
    assert has_every_class(np.array([0, 1, 2]), 3)
    assert not has_every_class(np.array([0, 2, 2]), 3)
    assert not has_every_class(np.array([], dtype=np.int64), 2)
