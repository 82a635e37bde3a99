from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabproof.data.errors import (
    InfiniteValueError,
    NotANumberError,
    NoValueError,
    UnusableColumnError,
)
from tabproof.data.table import as_categories, as_numbers, check_columns
from tests.data.tables import words

HINT = "dataset.drop_columns=[…]"


def _numbers(values, forced=("a",)):
    return as_numbers(pd.DataFrame({"a": values}), forced)["a"]


def _categories(values, forced=("a",)):
    return as_categories(pd.DataFrame({"a": values}), forced, HINT)["a"]


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (["1", "2.5", None], [1.0, 2.5, None]),
        (["1e3", " 7 ", "-0.5"], [1000.0, 7.0, -0.5]),
        (pd.Categorical(["3", "1", "3"]), [3.0, 1.0, 3.0]),
        ([True, False, True], [1.0, 0.0, 1.0]),
        ([Decimal("1.5"), None, Decimal(2)], [1.5, None, 2.0]),
    ],
)
def test_a_forced_number_is_what_its_text_says(values, numbers):
    made = _numbers(values)
    assert made.dtype == "float64"
    assert [None if np.isnan(value) else value for value in made] == numbers


def test_text_is_no_number_unless_forced_and_then_refused_with_an_example():
    assert _numbers(["1", "x"], forced=()).tolist() == ["1", "x"]
    with pytest.raises(NotANumberError, match=r"'a' is to be a number, but 2 .* such as 'x'"):
        _numbers(["1", "x", "y", None])


def test_true_and_false_are_categories_unless_forced():
    made = as_categories(as_numbers(pd.DataFrame({"a": [True, False]}), ()), (), HINT)["a"]
    assert list(made.cat.categories) == ["False", "True"]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([3.0, None, 1.0], ["3", None, "1"]),
        ([3, 1, 1], ["3", "1", "1"]),
        ([2.5, 3.0, 2.5], ["2.5", "3", "2.5"]),
        (["b", None, "a"], ["b", None, "a"]),
        (pd.Categorical([2, 1, 2]), ["2", "1", "2"]),
    ],
)
def test_a_category_reads_as_a_person_would_write_it(values, labels):
    made = _categories(values)
    assert [None if pd.isna(value) else value for value in made] == labels


@settings(deadline=None)
@given(st.lists(st.none() | words, min_size=1))
def test_categories_are_the_sorted_values_that_occur(values):
    made = _categories(pd.Series(values, dtype="object"))
    present = sorted({value for value in values if value is not None})
    assert list(made.cat.categories) == present
    assert [None if pd.isna(value) else value for value in made] == values


def test_a_category_that_does_not_occur_is_forgotten():
    made = _categories(pd.Categorical(["b"], categories=["c", "b", "a"]))
    assert list(made.cat.categories) == ["b"]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([[1], [2]], "lists or records"),
        ([None, {"k": 1}], "lists or records"),
        ([np.array([1]), np.array([2])], "lists or records"),
        (pd.to_datetime(["2020-01-01", None]), "times"),
        (pd.to_timedelta([1, 2], unit="h"), "times"),
    ],
)
@pytest.mark.parametrize("forced", [(), ("a",)])
def test_what_is_neither_number_nor_category_is_refused_even_if_forced(values, found, forced):
    with pytest.raises(UnusableColumnError) as raised:
        _categories(values, forced)
    assert str(raised.value) == f"column 'a' holds {found}; make numbers of it, or {HINT}"


def test_infinite_numbers_are_counted_in_every_column_that_holds_them():
    X = pd.DataFrame({"a": [np.inf, 1.0], "b": [1.0, 2.0], "c": [-np.inf, np.inf]})
    with pytest.raises(InfiniteValueError, match=r"in 'a' \(1\), 'c' \(2\); make them missing"):
        check_columns(X, HINT)


def test_a_column_without_any_value_is_refused_by_name():
    X = pd.DataFrame({"a": [1.0, 2.0], "b": [np.nan, np.nan], "c": pd.Categorical([None, None])})
    with pytest.raises(NoValueError, match=r"no value at all: 'b', 'c'; .*drop_columns"):
        check_columns(X, HINT)


def test_a_constant_column_is_refused_by_name():
    X = pd.DataFrame({"a": [1.0, 2.0], "b": [7.0, 7.0], "c": pd.Categorical(["x", "x"])})
    with pytest.raises(NoValueError, match=r"one value only: 'b', 'c'; .*drop_columns"):
        check_columns(X, HINT)


def test_a_value_here_and_nothing_there_is_no_constant():
    check_columns(pd.DataFrame({"a": [7.0, np.nan], "b": pd.Categorical(["x", None])}), HINT)
