import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabproof.data import load_builtin
from tabproof.data.check_columns import find_ids, id_columns
from tests.data.tables import table

N = 200
rng = np.random.default_rng(0)


def is_id(values):
    made = table(
        {"a": values, "b": np.arange(len(values)) % 2, "y": ["u", "v"] * (len(values) // 2)}
    )
    return id_columns(made.X) == ["a"]


@pytest.mark.parametrize(
    "values",
    [
        np.arange(N),
        np.arange(N)[::-1] * 7 + 1000,
        rng.permutation(N),
        rng.permutation(30),
        rng.permutation([*range(1000, 1180), *range(2000, 2020)]),
        rng.choice(10**8, N, replace=False),
        [f"C{i:05}" for i in rng.permutation(N)],
        [None, *range(1, N)],
        # Three copied rows share their ids.
        [0, 1, 2, *range(N - 3)],
    ],
    ids=["counter", "down", "shuffled", "short", "two series", "keys", "texts", "gap", "copies"],
)
def test_ids_are_found(values):
    assert is_id(list(values))


@pytest.mark.parametrize(
    "values",
    [
        rng.normal(size=N),
        np.sort(rng.normal(size=N)),
        np.exp(rng.normal(12, 1, N)).round(),
        rng.integers(0, 100, N),
        np.arange(N) // 2,
        np.arange(10),
        rng.permutation(1000)[:30],
        [f"w{i // 2}" for i in range(N)],
    ],
    ids=["floats", "sorted", "incomes", "ages", "twice", "ten rows", "scores", "words"],
)
def test_measurements_are_no_ids(values):
    assert not is_id(list(values))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=20, max_size=40))
def test_any_numbers_can_be_looked_at(values):
    values = [0.0, 1.0, *values, *([5.0] * (len(values) % 2))]
    is_id(values)


def test_real_tables_without_ids_have_none():
    for name in ("breast_cancer", "wine", "iris", "digits"):
        assert id_columns(load_builtin(name).X) == []


def test_what_is_said_names_ten_and_counts_all():
    made = table({f"id{i}": np.arange(40) + i for i in range(12)} | {"y": ["u", "v"] * 20})
    found = find_ids(made.X, id_columns(made.X))
    assert found is not None
    assert found.message.startswith("12 column(s) look like ids")
    assert "'id9' (40/40), …;" in found.message
    assert "id10" not in found.message
    assert len(found.columns) == 10
    assert found.facts["n_columns"] == 12
    assert find_ids(made.X, []) is None
