import uuid

import numpy as np
import pytest

from tabproof.data.left_out import is_counter
from tests.data.tables import FILL, TARGET, N, kind, table, treatment


@pytest.mark.parametrize(
    "cells",
    [
        [str(i + 7) for i in range(N)],
        [str((i * 17) % N) for i in range(N)],
        [f"C-{i:05}" for i in range(N)],
        [f"{i:05}" for i in range(N)],
        [str(uuid.UUID(int=i * 7919)) for i in range(N)],
        [f"https://example.org/customers/{i}" for i in range(N)],
        [f"山田 太郎{i}" for i in range(N)],
    ],
)
def test_ids_are_left_out_unless_they_are_kept(cells):
    columns = {"x": cells, "fill": FILL, "y": TARGET}
    made = table(columns, is_text=True)
    assert kind(made) is None
    assert treatment(made, "left_out_ids").columns == ("x",)
    assert kind(table(columns, is_text=True, keep=["x"])) is not None


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
