import uuid

import numpy as np
import pytest

from tabproof.data.left_out import is_counter
from tests.data.tables import FILL, TARGET, N, codes_of, kind, table, treatment


@pytest.mark.parametrize(
    ("code", "cells"),
    [
        ("left_out_ids", [str(i + 7) for i in range(N)]),
        ("left_out_ids", [str((i * 17) % N) for i in range(N)]),
        ("left_out_distinct", [f"C-{i:05}" for i in range(N)]),
        ("left_out_distinct", [f"{i:05}" for i in range(N)]),
        ("left_out_distinct", [str(uuid.UUID(int=i * 7919)) for i in range(N)]),
        ("left_out_distinct", [f"https://example.org/customers/{i}" for i in range(N)]),
        ("left_out_distinct", [f"山田 太郎{i}" for i in range(N)]),
        ("left_out_distinct", [f"1.{i}.3" for i in range(N)]),
        ("left_out_distinct", [f"192.168.100.{100 + i}" for i in range(N)]),
        ("left_out_distinct", [f"{i}.5,{i + 90}.25" for i in range(N)]),
        ("left_out_distinct", [f"{i}-{i + 10}" for i in range(N)]),
        ("left_out_distinct", [f"+81 90 1234 {i + 1000}" for i in range(N)]),
    ],
)
def test_columns_without_repetition_are_left_out_unless_they_are_kept(code, cells):
    columns = {"x": cells, "fill": FILL, "y": TARGET}
    made = table(columns, is_text=True)
    assert kind(made) is None
    assert treatment(made, code).columns == ("x",)
    # What is no counter need not be an id.
    assert ("ids" in treatment(made, code).message) == (code == "left_out_ids")
    assert kind(table(columns, is_text=True, keep=["x"])) is not None


def test_times_in_order_count_nothing():
    cells = [f"{i // 60}:{i % 60:02}" for i in range(N)]
    assert kind(table({"x": cells, "fill": FILL, "y": TARGET}, is_text=True)) == "number"


@pytest.mark.parametrize(
    ("code", "cells", "words"),
    [
        ("marks_differ", [f"${i}.5" if i % 2 else f"€{i}.5" for i in range(N)], ("$1.5", "€0.5")),
        ("marks_differ", [f"{i}.5 %" if i % 2 else f"0.{i + 10}" for i in range(N)], ("1.5 %",)),
        (
            "numbers_differ",
            [f"{i + 1000}.5" if i % 2 else f"1.{i + 100},5" for i in range(N)],
            ("1001.5", "1.100,5"),
        ),
        (
            "times_differ",
            [f"{i}:15" if i % 3 else f"1:{i:02}:15" for i in range(N)],
            ("1:15", "1:00:15"),
        ),
    ],
)
def test_why_numbers_were_not_read_is_said_of_a_column_that_is_left_out(code, cells, words):
    made = table({"x": cells, "fill": FILL, "y": TARGET}, is_text=True)
    assert codes_of(made) == ["left_out_distinct", code]
    for word in words:
        assert f"'{word}'" in treatment(made, code).message
    forced = table({"x": cells, "fill": FILL, "y": TARGET}, is_text=True, kinds={"x": "number"})
    assert kind(forced) == "number"


def test_an_id_that_is_the_only_column_is_kept():
    assert kind(table({"x": [f"C{i}" for i in range(N)], "y": TARGET}, is_text=True)) == "category"


@pytest.mark.parametrize("seed", range(3))
def test_measurements_are_no_ids(seed):
    rng = np.random.default_rng(seed)
    assert not is_counter(rng.normal(size=N))
    assert not is_counter(rng.integers(0, 10**6, N).astype(float))
    assert not is_counter(np.array([1.0, 2.0] * 20))
    assert is_counter(np.arange(N, dtype=float)[::-1])


def test_lists_are_left_out_and_said():
    made = table({"x": [[1], [2]], "a": [1, 2], "b": [b"1", b"2"], "y": ["u", "v"]})
    assert list(made.X.columns) == ["a"]
    assert treatment(made, "left_out_unusable").columns == ("x", "b")
