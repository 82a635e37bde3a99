import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabproof.data.errors import (
    EmptyTableError,
    NoColumnsError,
    NotClassesError,
    SingleClassError,
    UnknownLabelError,
)
from tabproof.data.table import MAX_NUMERIC_LABELS, Wishes, make_table
from tabproof.errors import ColumnMissingError, DuplicateColumnsError, InvalidValueError, UserError
from tests.data.tables import frames, table, words


def test_a_duplicate_column_of_a_frame_is_refused_by_name():
    frame = pd.DataFrame([[1, 2, 3, "u"], [4, 5, 6, "v"]], columns=["a", "b", "a", "y"])
    with pytest.raises(DuplicateColumnsError, match="twice: 'a'; names must be unique"):
        make_table("tiny", frame, Wishes("y"))


@pytest.mark.parametrize("wish", ["target", "numbers", "categories", "aside"])
def test_a_column_that_is_not_there_is_refused_with_those_that_are(wish):
    value = "gone" if wish == "target" else ["gone"]
    with pytest.raises(ColumnMissingError, match="no column 'gone'; there are 'a', 'y'"):
        table({"a": [1, 2], "y": ["u", "v"]}, **{wish: value})


def test_a_table_of_a_target_alone_has_nothing_to_learn_from():
    with pytest.raises(NoColumnsError, match="beside the target 'y'"):
        table({"y": ["u", "v"]})
    with pytest.raises(NoColumnsError):
        table({"g": [1, 2], "y": ["u", "v"]}, aside=["g"])


# --- rows -------------------------------------------------------------------------------


def test_rows_without_a_target_are_left_out_counted_and_told(caplog):
    with caplog.at_level(logging.WARNING):
        made = table({"a": [1, 2, 3, 4, 5], "y": ["u", None, "v", None, "u"]})
    assert made.n_rows_without_target == 2
    assert made.y.tolist() == [0, 1, 0]
    assert made.X["a"].tolist() == [1.0, 3.0, 5.0]
    assert caplog.messages == ["tiny: 2 row(s) without a target are left out"]


def test_rows_keep_their_position_in_the_source_as_their_id():
    made = table({"a": [1, 2, 3, 4], "y": ["u", None, "v", "u"]})
    assert made.X.index.tolist() == [0, 2, 3]


def test_a_complete_target_is_not_talked_about(caplog):
    made = table({"a": [1, 2], "y": ["u", "v"]})
    assert made.n_rows_without_target == 0
    assert caplog.messages == []


def test_a_table_without_any_target_is_called_empty():
    with pytest.raises(EmptyTableError, match="2 rows, none with a target"):
        table({"a": [1, 2], "y": [None, None]})


def test_what_divides_rows_is_not_learned_from():
    made = table({"a": [1, 2], "g": ["p", "q"], "y": ["u", "v"]}, aside=["g"])
    assert list(made.X.columns) == ["a"]
    assert made.aside["g"].tolist() == ["p", "q"]


# --- target -----------------------------------------------------------------------------


@pytest.mark.parametrize("values", [["u", "u"], [1, 1], [True, True], ["u", None]])
def test_a_target_of_one_class_is_refused_with_the_class(values):
    with pytest.raises(SingleClassError, match=r"target 'y' holds one class only, '\w+'; two"):
        table({"a": [1, 2], "y": values})


def test_a_quantity_is_no_target():
    values = np.arange(MAX_NUMERIC_LABELS + 1)
    with pytest.raises(NotClassesError, match=f"'y' holds {len(values)} different numbers"):
        table({"a": values, "y": values})
    assert len(table({"a": values[1:], "y": values[1:]}).labels) == MAX_NUMERIC_LABELS


def test_decimals_are_a_quantity_too():
    with pytest.raises(NotClassesError, match="a quantity, not classes"):
        table({"a": np.arange(200), "y": np.linspace(0, 1, 200)})


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([2, 10, 2], ("2", "10")),
        ([2.0, None, 10.0], ("2", "10")),
        ([0.5, 10.0, 2.0], ("0.5", "2.0", "10.0")),
        ([-1, 1, 1], ("-1", "1")),
        ([True, False, True], ("False", "True")),
        ([True, None, False], ("False", "True")),
        (["10", "2", "2"], ("10", "2")),
        (pd.Categorical(["b", "a", "b"], categories=["b", "a", "c"]), ("a", "b")),
        (pd.array([1, 2, None], dtype="Int64"), ("1", "2")),
        (pd.array([True, False, None], dtype="boolean"), ("False", "True")),
    ],
)
def test_labels_are_sorted_as_what_they_are(values, labels):
    assert table({"a": [1, 2, 3], "y": values}).labels == labels


@settings(deadline=None)
@given(st.lists(words, min_size=2).filter(lambda labels: len(set(labels)) > 1))
def test_codes_decode_to_the_labels(values):
    made = table({"a": range(len(values)), "y": values})
    assert [made.labels[code] for code in made.y] == values
    assert list(made.labels) == sorted(set(values))


@settings(deadline=None)
@given(st.permutations(["no", "yes", "no", "yes", "yes"]), st.sampled_from(["no", "yes"]))
def test_of_two_labels_the_positive_one_comes_second(values, pos_label):
    made = table({"a": range(5), "y": values}, pos_label=pos_label)
    assert made.labels[1] == pos_label
    assert [made.labels[code] for code in made.y] == values


def test_of_three_labels_none_is_the_positive_one():
    assert table({"a": [1, 2, 3], "y": ["b", "a", "c"]}).labels == ("a", "b", "c")
    with pytest.raises(InvalidValueError, match="has 3 classes, all alike"):
        table({"a": [1, 2, 3], "y": ["b", "a", "c"]}, pos_label="a")


def test_labels_of_single_precision_are_named_as_they_read():
    values = np.array([0.1, 0.7, 0.1], dtype="float32")
    made = table({"a": [1, 2, 3], "y": values})
    assert made.labels == ("0.1", "0.7")
    assert made.y.tolist() == [0, 1, 0]


def test_a_positive_label_is_named_as_it_reads():
    made = table({"a": [1, 2, 3], "y": [1.0, 0.0, None]}, pos_label="0")
    assert made.labels == ("1", "0")


def test_a_positive_label_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(UnknownLabelError) as raised:
        table({"a": [1, 2], "y": ["good", "bad"]}, pos_label="baad")
    assert "dataset.pos_label='baad' is not in target 'y'; its labels: 'bad', 'good'" in str(
        raised.value
    )
    assert "YAML" not in str(raised.value)


@pytest.mark.parametrize("pos_label", ["True", "False"])
def test_a_label_that_yaml_made_a_boolean_of_is_answered_with_the_quotes(pos_label):
    with pytest.raises(UnknownLabelError, match=r"'no', 'yes' \(unquoted yes, no.*quote them"):
        table({"a": [1, 2], "y": ["yes", "no"]}, pos_label=pos_label)


@pytest.mark.parametrize(
    "values",
    [
        [float("inf"), 1.0, 0.0],
        [[1], [2], [1]],
    ],
    ids=["infinite", "lists"],
)
def test_a_target_that_cannot_be_classes_is_the_users_mistake(values):
    with pytest.raises(UserError, match="y"):
        table({"a": [1, 2, 3], "y": values})


def test_a_large_whole_number_is_a_label_as_it_stands():
    values = np.array([2**63 + 1, 2, 1], dtype="uint64")
    assert table({"a": [1, 2, 3], "y": values}).labels == ("1", "2", str(2**63 + 1))


# --- laws -------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(frames())
def test_a_frame_is_not_changed_by_making_a_table_of_it(frame):
    before = frame.copy(deep=True)
    make_table("tiny", frame, Wishes("y", pos_label=None, categories=["whole"]))
    pd.testing.assert_frame_equal(frame, before)


@settings(max_examples=30, deadline=None)
@given(frames())
def test_every_column_is_a_number_or_a_category_of_text(frame):
    made = make_table("tiny", frame, Wishes("y"))
    for name in made.X.columns:
        column = made.X[name]
        if column.dtype != "float64":
            categories = list(column.cat.categories)
            assert all(type(category) is str for category in categories)
            assert categories == sorted(set(column.dropna()))
    assert made.X.isna().sum().to_dict() == frame.drop(columns="y").isna().sum().to_dict()
