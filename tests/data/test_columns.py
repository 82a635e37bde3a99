from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.forms import NumberForm
from tests.data.tables import (
    FILL,
    TARGET,
    N,
    codes_of,
    kind,
    of_text,
    table,
    treatment,
    typed,
    words,
)


def test_na_words_are_missing_in_text_and_can_be_chosen():
    assert of_text(["red", "NA", "blue"]).X["x"].isna().sum() == 13
    made = of_text(["red", "NA", "blue"], na_values=["blue"])
    assert list(made.X["x"].cat.categories) == ["NA", "red"]
    assert kind(of_text(["1", "x", "NA"], na_values=["x", "NA"])) == "number"


def test_words_that_mean_missing_are_those_of_texts_or_of_the_user():
    cells = ["red", "NA", "blue", None]
    assert {"", "NA", "null"} <= {*of_text(cells).na_values}
    assert of_text(cells, na_values=["-"]).na_values == ("", "-")
    # In a file with types NA is a word like the others.
    made = table({"x": cells * 10, "y": TARGET})
    assert made.na_values == ()
    assert "NA" in made.X["x"].cat.categories


# --- categories -------------------------------------------------------------------------


def test_booleans_with_gaps_are_categories_of_one_spelling():
    made = of_text(["TRUE", "false", None, "True"])
    assert list(made.X["x"].cat.categories) == ["False", "True"]
    frame = {"x": [True, None, False, True], "y": ["u", "v", "u", "v"]}
    assert list(table(frame).X["x"].cat.categories) == ["False", "True"]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([3.0, None, 1.0], ["3", None, "1"]),
        ([3, 1, 1], ["3", "1", "1"]),
        ([2.5, 3.0, 2.5], ["2.5", "3", "2.5"]),
        (["b", None, "a"], ["b", None, "a"]),
        (pd.Categorical([2, 1, 2]), ["2", "1", "2"]),
        ([2**70, 1, 2], [str(2**70), "1", "2"]),
        (["a", 1, 2.0], ["a", "1", "2"]),
    ],
)
def test_a_category_reads_as_a_person_would_write_it(values, labels):
    made = typed(pd.DataFrame({"a": values}), a="category")["a"]
    assert [None if pd.isna(value) else value for value in made] == labels


@given(st.lists(st.none() | words, min_size=1))
def test_categories_are_the_sorted_values_that_occur(values):
    made = typed(pd.DataFrame({"a": pd.Series(values, dtype="object")}), a="category")["a"]
    present = sorted({value for value in values if value is not None})
    assert list(made.cat.categories) == present
    assert [None if pd.isna(value) else value for value in made] == values


def test_a_category_that_does_not_occur_is_forgotten():
    frame = pd.DataFrame({"a": pd.Categorical(["b"], categories=["c", "b", "a"])})
    assert list(typed(frame)["a"].cat.categories) == ["b"]


@pytest.mark.parametrize(
    "values",
    [
        ["1", "2.5", None],
        [1, 2.5, None],
        [Decimal(1), Decimal("2.5"), None],
        pd.Series([1, 2.5, None], dtype="float32"),
        pa.array([Decimal(1), Decimal("2.5"), None]).to_pandas(),
    ],
)
def test_numbers_of_every_type_are_the_same_column(values):
    made = typed(pd.DataFrame({"a": values}))["a"]
    assert made.dtype == "float64"
    assert made.fillna(-1).tolist() == [1, 2.5, -1]


# --- texts and ids ----------------------------------------------------------------------

REMARKS = [f"customer {i} asked about price {i * 7}" for i in range(N)]
JAPANESE = [f"配送が{i}日遅れたので返金を希望します" for i in range(N)]


@pytest.mark.parametrize("cells", [REMARKS, JAPANESE])
def test_remarks_are_texts_and_no_ids(cells):
    made = table({"x": [*cells[:-1], None], "y": TARGET}, is_text=True)
    assert kind(made) == "text"
    assert made.X["x"].isna().sum() == 1
    assert codes_of(made) == ["free_text"]


def test_few_long_names_are_categories():
    names = ["bachelor of science in engineering", "master of arts in modern history"]
    assert kind(of_text(names)) == "category"


# --- what is resolved and said ----------------------------------------------------------


def test_a_key_is_resolved_only_where_all_columns_agree():
    both = {"a": ["1,5", "2,5"], "b": ["1.5", "2.5"], "y": ["u", "v"]}
    assert set(table(both, is_text=True).resolved) == {"pos_label"}
    one = {"a": ["1,5", "2.000,5"], "b": ["1", "2"], "y": ["u", "v"]}
    resolved = table(one, is_text=True).resolved
    assert (resolved["decimal"], resolved["thousands"]) == (",", ".")
    assert table(one, is_text=True).forms == {"a": NumberForm(",", ".")}


def test_columns_alike_are_said_in_one_line():
    columns = {f"x{i}": ["$1", "$2"] for i in range(30)}
    made = table({**columns, "y": ["u", "v"]}, is_text=True)
    assert len(treatment(made, "numbers_written").columns) == 30


def test_every_cell_of_a_column_that_divides_rows_is_kept() -> None:
    subjects = ["A7", *(str(i // 2) for i in range(2, N))]
    columns = {"g": ["A7", *subjects[1:], "B1"][:N], "x": FILL, "y": TARGET}
    made = table(columns, is_text=True, non_features=["g"])
    assert made.non_features["g"].astype(str).tolist() == columns["g"]


def test_words_that_mean_missing_among_categories_are_named_with_the_key_that_keeps_them():
    cells = ["None", "Mild", "Severe", ""]
    made = of_text(cells)
    (named,) = [each for each in made.treatments if each.code == "missing_words"]
    assert named.facts["words"] == ["None"]
    assert named.facts["n_cells"] == sum(cells[i % 4] == "None" for i in range(len(made.X)))
    assert named.message.endswith("'dataset.na_values=[]' keeps them as words")
    kept = of_text(cells, na_values=[])
    assert "None" in kept.X["x"].cat.categories
    assert not [each for each in kept.treatments if each.code == "missing_words"]
