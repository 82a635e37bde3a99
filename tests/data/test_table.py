import json
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tabproof.data import Table, describe, fingerprint
from tabproof.data.table import TableProblemsError, make_table
from tabproof.data.target import (
    MAX_NUMERIC_LABELS,
    DataError,
    QuantityTargetError,
    SingleClassError,
    UnknownLabelError,
)
from tabproof.errors import ColumnMissingError, DuplicateColumnsError, InvalidValueError, UserError
from tabproof.forms import DateForm, NumberForm, bounded
from tabproof.schema import CategoryColumn, DateColumn, NumberColumn, Schema, TextColumn
from tests.data.tables import (
    codes_of,
    csv,
    frames,
    half,
    numbers,
    parquet,
    table,
    treatment,
    words,
)


def test_a_duplicate_column_of_a_frame_is_refused_by_name():
    frame = pd.DataFrame([[1, 2, 3, "u"], [4, 5, 6, "v"]], columns=["a", "b", "a", "y"])
    with pytest.raises(DuplicateColumnsError, match="duplicate column names: 'a'; names must"):
        make_table("tiny", frame, "y")


@pytest.mark.parametrize("wish", ["target", "kinds", "keep", "drop_columns", "non_features"])
def test_a_column_that_is_not_there_is_refused_with_those_that_are(wish):
    value = {"target": "gone", "kinds": {"gone": "date"}}.get(wish, ["gone"])
    with pytest.raises(ColumnMissingError, match="no column 'gone'; there are 'a', 'y'"):
        table({"a": [1, 2], "y": ["u", "v"]}, **{wish: value})


def test_a_table_without_features_is_refused():
    with pytest.raises(DataError, match="except the target 'y'"):
        table({"y": ["u", "v"]})
    with pytest.raises(DataError):
        table({"g": [1, 2], "y": ["u", "v"]}, non_features=["g"])


# --- rows -------------------------------------------------------------------------------


def test_rows_without_a_target_are_left_out_and_said():
    made = table({"a": [1, 2, 3, 4, 5], "y": ["u", None, "v", None, "u"]})
    assert made.n_rows_without_target == 2
    assert made.y.tolist() == [0, 1, 0]
    assert made.X["a"].tolist() == [1.0, 3.0, 5.0]
    assert treatment(made, "rows_without_target").message == (
        "2 row(s) without a target are left out"
    )


def test_rows_keep_their_position_in_the_source_as_their_id():
    made = table({"a": [1, 2, 3, 4], "y": ["u", None, "v", "u"]})
    assert made.X.index.tolist() == [0, 2, 3]


def test_of_a_complete_target_nothing_is_said():
    made = table({"a": [1, 2], "y": ["u", "v"]})
    assert made.n_rows_without_target == 0
    assert codes_of(made) == []


def test_a_table_without_any_target_is_called_empty():
    with pytest.raises(DataError, match="2 rows, none with a target"):
        table({"a": [1, 2], "y": [None, None]})


def test_all_problems_of_a_table_are_told_at_once():
    with pytest.raises(TableProblemsError) as raised:
        table(
            {"a": ["1,234", "2,345"], "day": ["01/02/2024", "03/04/2024"], "y": ["u", "v"]},
            drop_columns=["id"],
            keep=["no"],
            command=["python", "-m", "src.train", "dataset.path=my file.csv"],
        )
    message = str(raised.value)
    assert message.startswith("tiny has 4 problems: (1) dataset.drop_columns: there is no column")
    for part in ("dataset.keep", "dataset.thousands=,", "dataset.day_first=true"):
        assert part in message
    assert message.endswith("python -m src.train 'dataset.path=my file.csv' dataset.target=y")


def test_the_command_to_mend_has_the_nearest_target_and_the_columns_that_are_there():
    with pytest.raises(TableProblemsError) as raised:
        table(
            {"a b": [1, 2], "c": [1, 2], "churned": ["u", "v"]},
            target="churnd",
            drop_columns=["a b", "d"],
            command=["train"],
        )
    assert str(raised.value).endswith("train dataset.target=churned 'dataset.drop_columns=a b'")


def test_columns_that_divide_rows_are_no_features():
    made = table({"a": [1, 2], "g": ["p", "q"], "y": ["u", "v"]}, non_features=["g"])
    assert list(made.X.columns) == ["a"]
    assert made.non_features["g"].tolist() == ["p", "q"]


# --- target -----------------------------------------------------------------------------


@pytest.mark.parametrize("values", [["u", "u"], [1, 1], [True, True], ["u", None]])
def test_a_target_of_one_class_is_refused_with_the_class(values):
    with pytest.raises(SingleClassError, match=r"holds one class only, '\w+'; at least two"):
        table({"a": [1, 2], "y": values})


def test_a_continuous_target_is_refused():
    values = np.arange(MAX_NUMERIC_LABELS + 1)
    with pytest.raises(QuantityTargetError, match=f"'y' holds {len(values)} different numbers"):
        table({"a": values, "y": values})
    assert len(table({"a": values[1:], "y": values[1:]}).labels) == MAX_NUMERIC_LABELS


def test_a_target_of_decimals_is_refused_too():
    with pytest.raises(QuantityTargetError, match=r"dataset.target_bins=4 makes four"):
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
    positive = labels[-1] if len(labels) == 2 else None
    assert table({"a": [1, 2, 3], "y": values}, pos_label=positive).labels == labels


@given(st.lists(words, min_size=2).filter(lambda labels: len(set(labels)) > 1))
def test_codes_decode_to_the_labels(values):
    made = table({"a": range(len(values)), "y": values})
    assert [made.labels[code] for code in made.y] == values
    # Of two, the positive one comes second.
    assert sorted(made.labels) == sorted(set(values))
    assert len(made.labels) == 2 or list(made.labels) == sorted(made.labels)


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


def test_a_large_whole_number_is_a_label_unchanged():
    values = np.array([2**63 + 1, 2, 1], dtype="uint64")
    assert table({"a": [1, 2, 3], "y": values}).labels == ("1", "2", str(2**63 + 1))


# --- laws -------------------------------------------------------------------------------


@half
@given(frames(), st.sampled_from([{}, {"whole": "category"}]))
def test_every_column_is_a_number_or_a_category_of_text_and_the_frame_is_unchanged(frame, kinds):
    before = frame.copy(deep=True)
    made = table(frame, kinds=kinds)
    pd.testing.assert_frame_equal(frame, before)
    for name in made.X.columns:
        column = made.X[name]
        if column.dtype != "float64":
            categories = list(column.cat.categories)
            assert all(type(category) is str for category in categories)
            assert categories == sorted(set(column.dropna()))
    assert made.X.isna().sum().to_dict() == frame.drop(columns="y").isna().sum().to_dict()


# --- columns that are left out ----------------------------------------------------------


def test_columns_without_information_are_left_out_and_said():
    columns = {"a": [1.0, 2.0], "empty": [np.nan, np.nan], "seven": [7.0, 7.0]}
    made = table({**columns, "x": pd.Categorical(["x", "x"]), "y": ["u", "v"]})
    assert list(made.X.columns) == ["a"]
    assert treatment(made, "left_out_empty").columns == ("empty",)
    assert treatment(made, "left_out_constant").columns == ("seven", "x")


def test_a_table_of_columns_without_information_is_refused_with_the_reason():
    with pytest.raises(DataError, match=r"no column left.*one value only are left out: 'a'"):
        table({"a": [1.0, 1.0], "y": ["u", "v"]})


def test_one_value_and_missing_cells_are_no_constant():
    assert table({"a": [7.0, np.nan], "b": pd.Categorical(["x", None]), "y": ["u", "v"]})


def test_a_schema_is_taken_from_the_training_rows_alone():
    made = table(
        {
            "a": [1, 2, 3, 100],
            "b": ["p", "q", "p", "only in the hold-out"],
            "y": ["u", "v", "u", "v"],
        },
        pos_label="v",
    )
    schema = describe(made, made.X.iloc[:3])
    assert schema == Schema(
        columns=(
            NumberColumn("a", 1.0, 3.0, 0.0),
            CategoryColumn("b", ("p", "q"), 0.0),
        ),
        target="y",
        labels=("u", "v"),
        n_rows=3,
    )


def test_missing_shares_count_the_training_rows():
    made = table({"a": [1, None, 3, None], "b": ["p", None, "q", "q"], "y": ["u", "v", "u", "v"]})
    assert [column.missing_share for column in describe(made, made.X).columns] == [0.5, 0.25]
    assert [column.missing_share for column in describe(made, made.X.iloc[:1]).columns] == [0, 0]


def test_dates_and_texts_are_described_with_their_forms():
    days = ["02/01/2024", "13/01/2024", None]
    made = table(
        {
            "day": days,
            "price": ["$1", "$2", "$3"],
            "note": ["a b", None, "abc"],
            "y": ["u", "v", "v"],
        },
        is_text=True,
        kinds={"note": "text"},
    )
    assert describe(made, made.X).columns == (
        DateColumn("day", 1704153600.0, 1705104000.0, 1 / 3, DateForm("%d/%m/%Y")),
        NumberColumn("price", 1.0, 3.0, 0.0, NumberForm(marks=("$",))),
        TextColumn("note", 3, 1 / 3),
    )
    assert describe(made, made.X).treatments == made.treatments


def test_the_order_of_columns_and_labels_is_the_models():
    made = table({"b": [1, 2], "a": [1, 2], "y": ["u", "v"]}, pos_label="u")
    schema = describe(made, made.X)
    assert [column.name for column in schema.columns] == ["b", "a"]
    assert schema.labels == ("v", "u")


def test_a_column_without_a_training_value_has_no_range_that_json_lacks():
    # A run refuses such rows; a description must not depend on that.
    rare = np.where(np.arange(40) == 7, 5.0, np.nan)
    made = table({"a": np.arange(40), "rare": rare, "y": ["u", "v"] * 20})
    schema = describe(made, made.X.drop(index=7))
    json.loads(schema.to_json(), parse_constant=_refuse)
    assert Schema.from_json(schema.to_json()) == schema


def _refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


@half
@given(frames())
def test_every_training_cell_is_within_its_description(frame):
    made = make_table("tiny", frame, "y")
    schema = describe(made, made.X)
    for column in schema.columns:
        cells = made.X[column.name]
        assert math.isclose(column.missing_share, cells.isna().mean())
        if isinstance(column, NumberColumn):
            assert cells.dropna().between(column.minimum, column.maximum).all()
        else:
            assert set(cells.dropna()) == set(column.categories)
            assert list(column.categories) == sorted(column.categories)


def _table(frame, **wishes) -> Table:
    return make_table("tiny", frame, **{"target": "y", **wishes})


def _named_changes(one, other):
    return {name for name in one.columns if one.columns[name] != other.columns.get(name)}


def test_a_fingerprint_is_a_sha256_and_one_hash_for_each_column():
    made = fingerprint(table({"a": [1, 2], "g": [1, 1], "y": ["u", "v"]}, non_features=["g"]))
    assert re.fullmatch("[0-9a-f]{64}", made.sha256)
    assert list(made.columns) == ["a", "y", "g"]
    assert all(re.fullmatch("[0-9a-f]{16}", digest) for digest in made.columns.values())


@half
@given(frames())
def test_a_table_and_its_fingerprint_are_the_same_from_csv_parquet_and_pandas(
    tmp_path_factory, frame
):
    directory = tmp_path_factory.getbasetemp()
    made = _table(frame)
    for other in (csv(directory, frame.to_csv(index=False)), parquet(directory, frame)):
        pd.testing.assert_frame_equal(made.X, other.X, check_exact=True)
        assert (made.y.tolist(), made.labels) == (other.y.tolist(), other.labels)
        assert fingerprint(made) == fingerprint(other)


CELLS = {
    "whole": st.integers(-(2**53), 2**53),
    "decimal": st.none() | numbers,
    "word": st.none() | words,
    "y": st.sampled_from(["no", "yes"]),
}


@given(frames(), st.data())
def test_any_changed_cell_changes_the_fingerprint_and_is_named(frame, data):
    column = data.draw(st.sampled_from(list(CELLS)))
    # The first two rows stay: they keep every column from being constant.
    row = data.draw(st.integers(2, len(frame) - 1))
    cell = data.draw(CELLS[column])
    before = frame[column].iloc[row]
    same = (pd.isna(before) and cell is None) or before == cell
    # Numbers beyond single precision are one number: its greatest.
    beyond = column == "decimal" and cell is not None and bounded(before) == bounded(cell)
    assume(not same and not beyond)
    changed = frame.copy()
    changed[column] = [cell if i == row else value for i, value in enumerate(frame[column])]
    changed = changed.astype({"decimal": "float64", "word": "object"})
    one, other = fingerprint(_table(frame)), fingerprint(_table(changed))
    assert one.sha256 != other.sha256
    assert _named_changes(one, other) == {column}


COLUMNS = ["whole", "decimal", "word"]


@half
@given(frames(), st.sampled_from(COLUMNS), st.permutations(COLUMNS), st.data())
def test_a_name_the_order_of_columns_and_the_order_of_rows_count(frame, column, columns, data):
    rows = data.draw(st.permutations(range(len(frame))))
    shuffled = frame.iloc[rows].reset_index(drop=True)
    assume(columns != COLUMNS and not shuffled.equals(frame))
    others = [frame.rename(columns={column: "other"}), frame[[*columns, "y"]], shuffled]
    found = {fingerprint(_table(each)).sha256 for each in [frame, *others]}
    assert len(found) == 4


def test_which_label_is_positive_counts():
    frame = pd.DataFrame({"a": [1, 2], "y": ["u", "v"]})
    one, other = _table(frame, pos_label="u"), _table(frame, pos_label="v")
    assert fingerprint(one).sha256 != fingerprint(other).sha256


def test_a_renamed_label_changes_the_fingerprint():
    one, other = (table({"a": [1, 2], "y": labels}) for labels in (["u", "v"], ["u", "w"]))
    assert one.y.tolist() == other.y.tolist()
    assert _named_changes(fingerprint(one), fingerprint(other)) == {"y"}


def test_many_categories_have_different_fingerprints():
    words = [f"w{i:06}" for i in range(66_000)]
    made = table({"a": words, "y": ["u", "v"] * 33_000})
    for i, j in [(0, 256), (0, 65_536)]:
        order = np.arange(66_000)
        order[[i, j]] = [j, i]
        swapped = made.X["a"].iloc[order].set_axis(made.X.index)
        other = replace(made, X=made.X.assign(a=swapped))
        assert _named_changes(fingerprint(made), fingerprint(other)) == {"a"}


def test_a_number_and_the_category_of_its_text_are_two_things():
    frame = pd.DataFrame({"a": [1, 2], "y": ["u", "v"]})
    forced = table(frame, kinds={"a": "category"})
    assert fingerprint(_table(frame)).sha256 != fingerprint(forced).sha256


def test_what_divides_rows_counts():
    frame = pd.DataFrame({"a": [1, 2, 3], "g": ["p", "q", "q"], "y": ["u", "v", "u"]})
    other = frame.assign(g=["p", "p", "q"])
    one, two = (fingerprint(_table(f, non_features=["g"])) for f in (frame, other))
    assert one.sha256 != two.sha256
    assert _named_changes(one, two) == {"g"}


def test_where_a_row_without_a_target_stood_counts():
    # The rows learned from are the same, but their ids are not.
    columns = {"a": [1, 0, 2, 3], "y": ["u", None, "v", "u"]}
    moved = {"a": [1, 2, 0, 3], "y": ["u", "v", None, "u"]}
    one, other = fingerprint(table(columns)), fingerprint(table(moved))
    assert one.columns == other.columns
    assert one.sha256 != other.sha256


def test_a_changed_date_or_text_changes_the_fingerprint_and_is_named():
    columns = {
        "day": pd.to_datetime(["2024-01-01", None, "2024-01-03"]),
        "note": ["one two", None, "three"],
        "y": ["u", "v", "v"],
    }
    kinds = {"note": "text"}
    one = fingerprint(table(columns, kinds=kinds))
    later = {**columns, "day": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"])}
    other = {**columns, "note": ["one two", "", "three"]}
    assert fingerprint(table(columns, kinds=kinds)) == one
    assert _named_changes(one, fingerprint(table(later, kinds=kinds))) == {"day"}
    assert _named_changes(one, fingerprint(table(other, kinds=kinds))) == {"note"}


def test_every_way_to_miss_a_number_is_the_same():
    quiet, other = float("nan"), -float("nan")
    one = fingerprint(table({"a": [1.0, quiet, 2.0], "y": ["u", "v", "u"]}))
    two = fingerprint(table({"a": [1.0, other, 2.0], "y": ["u", "v", "u"]}))
    assert one == two


@pytest.mark.parametrize("where", ["label", "category"])
def test_no_text_is_so_odd_that_two_tables_look_the_same(where):
    one, other = ["p\0q", "r"], ["p", "q\0r"]
    if where == "label":
        tables = [table({"a": [1, 2], "y": values}) for values in (one, other)]
    else:
        tables = [table({"a": values, "y": ["u", "v"]}) for values in (one, other)]
    assert fingerprint(tables[0]).sha256 != fingerprint(tables[1]).sha256
