"""JSON cells become values; rows and batches alike; messages never contain a cell."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabproof.forms import FLOAT32_MAX
from tabproof.schema import CategoryColumn, NumberColumn, Schema
from tabproof.scorer import Scorer
from tabproof.scorer.encoding import CategoryEncoding, NumberEncoding
from tabproof.service.answers import RefusedError, RowWarning
from tabproof.service.rows import MAX_WARNINGS, Cell, RowReader
from tabproof.service.served_model import ServedModel

LOW, HIGH = -5.0, float(2**60)
SCHEMA = Schema(
    (
        NumberColumn("size", LOW, HIGH, 0.0),
        NumberColumn("empty", None, None, 1.0),
        CategoryColumn("kind", ("1", "True", "a"), 0.0),
    ),
    "label",
    ("no", "yes"),
    10,
)
ENCODINGS = (
    NumberEncoding("size", ()),
    NumberEncoding("empty", ()),
    CategoryEncoding("kind", ("1", "True", "a"), np.zeros((5, 1))),
)
# The reader only uses the columns of the scorer.
SCORER: Scorer = Scorer(ENCODINGS, SCHEMA.labels, None, 0.5)  # type: ignore[arg-type]
READER = RowReader(SCHEMA, SCORER, allow_empty=True)
UNSEEN, MISSING = 3.0, 4.0

CELLS = (
    st.none()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4)
    | st.sampled_from(["a", "1", "True", " 1e3 ", "1_0", "nan", "inf", "٣"])
)
ROWS = st.dictionaries(st.sampled_from(["size", "empty", "kind", "other"]), CELLS)


def read(row: Mapping[str, Cell]) -> tuple[list[float], list[RowWarning]]:
    warnings: list[RowWarning] = []
    return READER.read(row, warnings), warnings


def value(name: str, cell: Cell) -> tuple[float, list[str]]:
    row = {"size": 0, "empty": None, "kind": "a", name: cell}
    values, warnings = read(row)
    return values[list(row).index(name)], [w.kind for w in warnings]


@settings(deadline=None)
@given(st.lists(ROWS, max_size=6))
def test_single_rows_and_batches_are_converted_alike(rows: list[dict[str, Cell]]) -> None:
    of_many: list[RowWarning] = []
    columns = READER.read_many(rows, of_many)
    singles = [read(row) for row in rows]
    for place, (values, _) in enumerate(singles):
        assert repr([float(v) for v in values]) == repr([float(c[place]) for c in columns])
    found = {(w.column, w.kind) for w in of_many}
    assert found == {(w.column, w.kind) for _, warnings in singles for w in warnings}


def test_large_integers_become_the_float_of_a_batch() -> None:
    # 2**53 + 1 lies between two floats; a tree could split the int and the float.
    found, warnings = value("size", 2**53 + 1)
    assert (type(found), found, warnings) == (float, float(2**53), [])


@pytest.mark.parametrize(
    ("cell", "expected", "kinds"),
    [
        (LOW, LOW, []),
        (HIGH, HIGH, []),
        (np.nextafter(LOW, -np.inf).item(), np.nextafter(LOW, -np.inf), ["out_of_range"]),
        (2**61, 2.0**61, ["out_of_range"]),
        ("3", 3.0, []),
        ("-6", -6.0, ["out_of_range"]),
        ("", np.nan, []),
        ("nan", np.nan, []),
        (True, 1.0, []),
        (False, 0.0, []),
        ("1_0", np.nan, ["not_a_number"]),
        ("1e999", FLOAT32_MAX, ["out_of_range"]),
        (None, np.nan, []),
    ],
)
def test_numbers_are_converted_or_warned_about(
    cell: Cell, expected: float, kinds: list[str]
) -> None:
    found, warnings = value("size", cell)
    assert found == expected or (np.isnan(expected) and np.isnan(found))
    assert warnings == kinds


@pytest.mark.parametrize(
    ("cell", "expected", "kinds"),
    [
        ("a", 2.0, []),
        (1, 0.0, []),
        (1.0, 0.0, []),
        (True, 1.0, []),
        (None, MISSING, []),
        ("A", UNSEEN, ["unseen_category"]),
        ("", MISSING, []),
        (1.5, UNSEEN, ["unseen_category"]),
    ],
)
def test_categories_are_named_as_in_training(cell: Cell, expected: float, kinds: list[str]) -> None:
    assert value("kind", cell) == (expected, kinds)


def test_column_without_a_range_accepts_every_number_that_models_hold() -> None:
    assert value("empty", FLOAT32_MAX) == (FLOAT32_MAX, [])
    assert value("empty", -1.7976931348623157e308) == (-FLOAT32_MAX, [])


@pytest.mark.parametrize("cell", [10**400, -(10**400), float("inf"), float("nan")])
def test_number_beyond_64_bits_is_refused(cell: float) -> None:
    for name in ("size", "empty"):
        with pytest.raises(RefusedError, match="does not fit"):
            read({name: cell})
        with pytest.raises(RefusedError, match="does not fit"):
            READER.read_many([{name: cell}, {name: "1"}], [])


def test_warnings_are_limited_and_the_others_counted() -> None:
    n_rows = MAX_WARNINGS + 50
    warnings: list[RowWarning] = []
    READER.read_many([{"size": "x", "empty": None, "kind": "a", f"c{i}": 1} for i in range(n_rows)],
                     warnings)  # fmt: skip
    of_size = [w for w in warnings if w.column == "size"]
    assert [w.row for w in of_size[:-1]] == list(range(MAX_WARNINGS))
    assert "50 more" in of_size[-1].message
    assert sum(w.kind == "unknown_column" for w in warnings) == MAX_WARNINGS


def test_warnings_do_not_contain_cells() -> None:
    _, warnings = read({"size": "my number", "kind": "my kind", "empty": 1})
    assert {w.kind for w in warnings} == {"not_a_number", "unseen_category"}
    assert not any("my" in w.message for w in warnings)


@pytest.mark.parametrize(
    ("row", "difference"),
    [
        ({"size": 1, "empty": None, "kind": "a"}, None),
        ({"size": 1, "empty": 2.5, "kind": None}, None),
        ({"size": True, "empty": 1, "kind": 1}, ([], [], {"size": "number", "kind": "text"})),
        ({"b": 1, "a": 1, "size": 1}, (["empty", "kind"], ["a", "b"], {})),
    ],
)
def test_strict_accepts_exactly_the_columns(
    row: dict[str, Cell], difference: tuple[list[str], list[str], dict[str, str]] | None
) -> None:
    if difference is None:
        READER.check_strictly(row)
        return
    with pytest.raises(RefusedError) as caught:
        READER.check_strictly(row)
    found = caught.value.difference
    assert found is not None
    assert (found.missing, found.unknown, found.wrong_type) == difference


def test_reader_has_the_columns_of_its_model(table: ServedModel) -> None:
    assert table.reader.read({"age": 40, "income": 10.0, "job": "clerk"}, [])[:2] == [40.0, 10.0]
