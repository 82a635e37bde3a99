import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tabproof.data.check_models import (
    areas,
    could_separate_by_chance,
    rates_on_other_rows,
    standard_error,
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 2)), min_size=1, max_size=30))
def test_areas_are_those_of_scikit_learn(rows):
    values, y = (np.array(part) for part in zip(*rows, strict=True))
    is_of = y[:, None] == np.arange(3)
    for area, mine in zip(areas(values.astype(float), is_of), is_of.T, strict=True):
        if len(set(mine)) == 1:
            assert np.isnan(area)
        else:
            assert np.isclose(area, roc_auc_score(mine, values), rtol=0, atol=1e-12)


def test_the_standard_error_is_that_of_the_permuted_ranks():
    # Of 3 and 2 rows the areas of all ten orders have the variance (3 + 2 + 1) / (12 * 6).
    orders = [
        areas(np.arange(5.0), np.isin(np.arange(5), [a, b])[:, None])[0]
        for a in range(5)
        for b in range(a)
    ]
    assert np.isclose(np.std(orders), standard_error(3, 2))


def test_few_rows_stand_at_one_end_by_chance():
    def of(n_rows, n_rows_of_class):
        return (np.arange(n_rows) < n_rows_of_class)[:, None]

    # 10 choose 5 is 252: among 30 columns one is likely enough to separate them.
    assert could_separate_by_chance(of(10, 5), 30).all()
    assert not could_separate_by_chance(of(30, 15), 30).any()
    # Two rows of a class stand side by side even among many.
    assert could_separate_by_chance(of(10_000, 2), 1).all()
    assert could_separate_by_chance(of(10_000, 9_998), 1).all()


def test_a_category_of_one_row_tells_nothing_of_other_rows():
    y = np.arange(60) % 2
    folds = [(np.arange(60)[np.arange(60) % 3 != k], np.arange(k, 60, 3)) for k in range(3)]
    assert np.allclose(rates_on_other_rows(np.arange(60), y, folds), 0.5)
    assert np.allclose(rates_on_other_rows(y, y, folds)[:, 0], y)
