import re

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tabproof.data import Table
from tabproof.data import table as fingerprint
from tabproof.data.table import Wishes, make_table
from tests.data.tables import csv, frames, numbers, parquet, table, words


def _table(frame, **wishes) -> Table:
    return make_table("tiny", frame, Wishes(**{"target": "y", **wishes}))


def _named_changes(one, other):
    return {name for name in one.columns if one.columns[name] != other.columns.get(name)}


def test_a_fingerprint_is_a_sha256_and_one_hash_for_each_column():
    made = fingerprint(table({"a": [1, 2], "g": [1, 1], "y": ["u", "v"]}, aside=["g"]))
    assert re.fullmatch("[0-9a-f]{64}", made.sha256)
    assert list(made.columns) == ["a", "y", "g"]
    assert all(re.fullmatch("[0-9a-f]{16}", digest) for digest in made.columns.values())


@settings(max_examples=40, deadline=None)
@given(frames())
def test_the_same_table_has_the_same_fingerprint_whatever_file_it_comes_from(
    tmp_path_factory, frame
):
    directory = tmp_path_factory.getbasetemp()
    from_csv = fingerprint(csv(directory, frame.to_csv(index=False)))
    from_parquet = fingerprint(parquet(directory, frame))
    assert from_csv == from_parquet == fingerprint(_table(frame))


CELLS = {
    "whole": st.integers(-(2**53), 2**53),
    "decimal": st.none() | numbers,
    "word": st.none() | words,
    "y": st.sampled_from(["no", "yes"]),
}


@settings(max_examples=100, deadline=None)
@given(frames(), st.data())
def test_any_changed_cell_changes_the_fingerprint_and_is_named(frame, data):
    column = data.draw(st.sampled_from(list(CELLS)))
    # The first two rows stay: they keep every column from being constant.
    row = data.draw(st.integers(2, len(frame) - 1))
    cell = data.draw(CELLS[column])
    before = frame[column].iloc[row]
    same = (pd.isna(before) and cell is None) or before == cell
    assume(not same)
    changed = frame.copy()
    changed[column] = [cell if i == row else value for i, value in enumerate(frame[column])]
    changed = changed.astype({"decimal": "float64", "word": "object"})
    one, other = fingerprint(_table(frame)), fingerprint(_table(changed))
    assert one.sha256 != other.sha256
    assert _named_changes(one, other) == {column}


@settings(max_examples=30, deadline=None)
@given(frames(), st.sampled_from(["whole", "decimal", "word"]))
def test_a_renamed_column_changes_the_fingerprint(frame, column):
    renamed = frame.rename(columns={column: "other"})
    assert fingerprint(_table(frame)).sha256 != fingerprint(_table(renamed)).sha256


@settings(max_examples=30, deadline=None)
@given(frames(), st.permutations(["whole", "decimal", "word"]))
def test_the_order_of_columns_counts(frame, order):
    assume(order != ["whole", "decimal", "word"])
    assert fingerprint(_table(frame)).sha256 != fingerprint(_table(frame[[*order, "y"]])).sha256


@settings(max_examples=50, deadline=None)
@given(frames(), st.data())
def test_the_order_of_rows_counts(frame, data):
    order = data.draw(st.permutations(range(len(frame))))
    shuffled = frame.iloc[order].reset_index(drop=True)
    assume(not shuffled.equals(frame))
    assert fingerprint(_table(frame)).sha256 != fingerprint(_table(shuffled)).sha256


def test_which_label_is_positive_counts():
    frame = pd.DataFrame({"a": [1, 2], "y": ["u", "v"]})
    one, other = _table(frame, pos_label="u"), _table(frame, pos_label="v")
    assert fingerprint(one).sha256 != fingerprint(other).sha256


def test_a_renamed_label_changes_the_fingerprint():
    one, other = (table({"a": [1, 2], "y": labels}) for labels in (["u", "v"], ["u", "w"]))
    assert one.y.tolist() == other.y.tolist()
    assert _named_changes(fingerprint(one), fingerprint(other)) == {"y"}


def test_categories_are_told_apart_however_many_there_are():
    words = [f"w{i:06}" for i in range(66_000)]
    swaps = [(0, 256), (0, 65_536)]
    start = {"a": words, "y": ["u", "v"] * 33_000}
    for i, j in swaps:
        swapped = list(words)
        swapped[i], swapped[j] = words[j], words[i]
        one, other = fingerprint(table(start)), fingerprint(table({**start, "a": swapped}))
        assert _named_changes(one, other) == {"a"}


def test_a_number_and_the_category_of_its_text_are_two_things():
    frame = pd.DataFrame({"a": [1, 2], "y": ["u", "v"]})
    forced = _table(frame, categories=["a"])
    assert fingerprint(_table(frame)).sha256 != fingerprint(forced).sha256


def test_what_divides_rows_counts():
    frame = pd.DataFrame({"a": [1, 2, 3], "g": ["p", "q", "q"], "y": ["u", "v", "u"]})
    other = frame.assign(g=["p", "p", "q"])
    one, two = (fingerprint(_table(f, aside=["g"])) for f in (frame, other))
    assert one.sha256 != two.sha256
    assert _named_changes(one, two) == {"g"}


def test_where_a_row_without_a_target_stood_counts():
    # The rows learned from are the same, but their ids are not.
    columns = {"a": [1, 0, 2, 3], "y": ["u", None, "v", "u"]}
    moved = {"a": [1, 2, 0, 3], "y": ["u", "v", None, "u"]}
    one, other = fingerprint(table(columns)), fingerprint(table(moved))
    assert one.columns == other.columns
    assert one.sha256 != other.sha256


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
