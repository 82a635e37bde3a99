import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabproof.data import (
    GroupedRows,
    OrderedRows,
    StratifiedRows,
    check_categories,
    divide,
    in_words,
)
from tabproof.data.errors import NoValueError, RareClassError
from tabproof.errors import TooManyCategoriesError, UserError
from tests.data.tables import labelled, table


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_parts_hold_the_rows_of_the_table_and_each_row_once(seed):
    made = labelled([0, 1, 1] * 10)
    division = divide(made, StratifiedRows(0.3, seed), 3)
    assert division.X_train["a"].tolist() == division.train.tolist()
    assert division.y_train.tolist() == made.y[division.train].tolist()
    assert division.X_test["a"].tolist() == division.test.tolist()
    assert division.y_test.tolist() == made.y[division.test].tolist()
    assert sorted([*division.train, *division.test]) == list(range(30))


def test_held_out_rows_are_known_by_their_place_in_the_source_and_their_label():
    made = table({"a": range(12), "y": [None, "u", "v", "u", "v", "u", None, *["u", "v"] * 2, "v"]})
    division = divide(made, OrderedRows(0.3, 0), 2)
    assert division.row_ids_test.tolist() == [9, 10, 11]
    assert division.truth_test == ["u", "v", "v"]


def test_a_column_without_a_value_to_learn_from_is_refused():
    # The last rows are held out, and they alone have it.
    made = table({"a": range(20), "late": [None] * 16 + [1, 2, 3, 4], "y": ["u", "v"] * 10})
    with pytest.raises(NoValueError, match="no value in the rows to learn from: 'late'"):
        divide(made, OrderedRows(0.2, 0), 2)


def test_a_class_fills_every_fold_or_is_refused():
    # A fifth is held out: of 10 rows of c1, 8 are left to learn from.
    made = labelled([0] * 40 + [1] * 10)
    assert divide(made, StratifiedRows(0.2, 0), 8)
    with pytest.raises(RareClassError) as raised:
        divide(made, StratifiedRows(0.2, 0), 9)
    assert "class 'c1' has 8 row(s), but search.n_splits=9 needs 9" in str(raised.value)
    assert "take fewer folds" in str(raised.value)


def test_fewer_groups_than_folds_are_refused_with_the_key():
    # 80 rows, so no class is rare; but of 4 subjects at most 3 are left for 5 folds.
    made = labelled(([0] * 4 + [1] * 4) * 10, who=[f"p{i % 4}" for i in range(80)])
    with pytest.raises(UserError, match=r"cv\.group_column=who|search\.n_splits=5"):
        divide(made, GroupedRows(0.25, 0, "who"), 5)


def test_groups_belong_to_the_training_rows_in_their_order():
    who = [f"p{i % 10}" for i in range(60)]
    division = divide(labelled([0, 1, 1] * 20, who=who), GroupedRows(0.3, 0, "who"), 2)
    assert division.groups.tolist() == [who[i] for i in division.train]
    assert divide(labelled([0, 1] * 20), StratifiedRows(0.3, 0), 2).groups is None


def test_a_column_with_more_categories_than_the_estimator_takes_is_refused_by_name():
    made = table({"few": ["p", "q", "p"], "many": ["p", "q", "r"], "y": ["u", "v", "u"]})
    with pytest.raises(TooManyCategoriesError) as raised:
        check_categories(made, 2)
    assert "column 'many' has 3 categories, and the estimator takes 2" in str(raised.value)
    assert "choose preprocess=target, hashing, ordinal or onehot" in str(raised.value)
    check_categories(made, 3)
    check_categories(made, None)


def test_the_words_count_rows_columns_missing_cells_classes_and_parts():
    made = table(
        {
            "a": np.arange(2000),
            "b": ["p", None, "q", "q"] * 500,
            "y": ["no", "no", "no", "yes"] * 500,
        },
        pos_label="yes",
    )
    assert in_words(divide(made, StratifiedRows(0.25, 0), 3)) == [
        "tiny: 2,000 rows, 1 numbers, 1 categories, 500 cells missing",
        "target 'y': no 1,500, yes 500 (positive: yes)",
        "1,500 rows to learn from, 500 held out",
    ]


def test_of_three_classes_none_is_called_positive():
    words = in_words(divide(labelled([0, 1, 2] * 10), StratifiedRows(0.3, 0), 2))
    assert words[1] == "target 'y': c0 10, c1 10, c2 10"
