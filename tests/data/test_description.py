import json
import math

import numpy as np
from hypothesis import given, settings

from tabproof.data import describe
from tabproof.data.table import Wishes, make_table
from tabproof.schema import CategoryColumn, NumberColumn, Schema
from tests.data.tables import frames, table


def test_a_schema_is_taken_from_the_training_rows_alone():
    made = table(
        {
            "a": [1, 2, 3, 100],
            "b": ["p", "q", "p", "only in the hold-out"],
            "y": ["u", "v", "u", "v"],
        }
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


@settings(max_examples=30, deadline=None)
@given(frames())
def test_every_training_cell_lies_within_its_description(frame):
    made = make_table("tiny", frame, Wishes("y"))
    schema = describe(made, made.X)
    for column in schema.columns:
        cells = made.X[column.name]
        assert math.isclose(column.missing_share, cells.isna().mean())
        if isinstance(column, NumberColumn):
            assert cells.dropna().between(column.minimum, column.maximum).all()
        else:
            assert set(cells.dropna()) == set(column.categories)
            assert list(column.categories) == sorted(column.categories)
