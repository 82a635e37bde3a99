"""A column's values by name; a missing one is like no other."""

import numpy as np
import pandas as pd
import pytest

from tabproof.evaluation.slices import missing_among, values_of


def test_missing_values_are_one_of_their_own_and_last() -> None:
    found = values_of(pd.Series(pd.Categorical(["b", None, "a", "b"])))
    assert found.names == ["a", "b", "(missing)"]
    assert found.codes.tolist() == [1, 2, 0, 1]


def test_a_category_that_does_not_occur_is_no_value() -> None:
    column = pd.Series(pd.Categorical(["b", "b"], categories=["a", "b"]))
    assert values_of(column).names == ["b"]


def test_numbers_are_in_order_and_whole_ones_without_a_point() -> None:
    found = values_of(pd.Series([10.0, 2.0, np.nan, 2.5, -0.0, 0.0]))
    assert found.names == ["0", "2", "2.5", "10", "(missing)"]
    assert found.codes.tolist() == [3, 1, 4, 2, 0, 0]


@pytest.mark.parametrize("categories", [["(missing)"], ["(missing)", "((missing))"]])
def test_no_category_can_be_called_what_missing_values_are(categories: list[str]) -> None:
    found = values_of(pd.Series(pd.Categorical([*categories, None])))
    assert len(set(found.names)) == len(categories) + 1
    assert found.names[-1] == missing_among(categories)


def test_all_missing_is_one_value() -> None:
    assert values_of(pd.Series([np.nan, np.nan])).names == ["(missing)"]
    assert values_of(pd.Series(pd.Categorical([None], categories=["a"]))).names == ["(missing)"]
