import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold
from sklearn.preprocessing import TargetEncoder

from tabproof.data.rates import place_of_categories, rates_on_other_rows


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_rates_are_those_of_target_encoder_bit_by_bit(n_classes):
    rng = np.random.default_rng(n_classes)
    n = 90
    y = np.append(np.arange(n_classes), rng.integers(0, n_classes, n - n_classes))
    # Ids, categories with missing cells, nothing but missing cells, and the target.
    columns = [rng.permutation(n), rng.integers(-1, 7, n), np.full(n, -1), y]
    codes = np.column_stack([*columns, *(rng.integers(-1, k, n) for k in range(1, 9))])
    # In the last fold of the groups, the other rows have one class.
    groups = np.where(y == 0, 0, 1 + np.arange(n) % 2)
    for folds in (
        list(KFold(5, shuffle=True, random_state=0).split(codes)),
        list(GroupKFold(3).split(codes, y, groups)),
    ):
        kind = "binary" if n_classes == 2 else "multiclass"
        expected = [
            TargetEncoder(cv=folds, target_type=kind).fit_transform(column[:, None], y)
            for column in codes.T
        ]
        found = rates_on_other_rows(codes, y, folds)
        np.testing.assert_array_equal(found, np.transpose(expected, (2, 1, 0)))


def test_a_category_of_one_row_does_not_influence_other_rows():
    y = np.arange(60) % 2
    folds = [(np.arange(60)[np.arange(60) % 3 != k], np.arange(k, 60, 3)) for k in range(3)]
    (rates,) = rates_on_other_rows(np.column_stack([np.arange(60), y]), y, folds)
    assert np.allclose(rates[:, 0], 0.5)
    assert np.allclose(rates[:, 1], y)


def test_categories_of_two_columns_have_different_places():
    places, starts = place_of_categories(np.array([[0, -1, -1], [1, -1, 0]]))
    assert places.tolist() == [[1, 3, 4], [2, 3, 5]]
    assert starts.tolist() == [0, 3, 4, 6]
