"""Rows that a model was trained on are found again in another table, wherever they are."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from tabproof.data import Division
from tabproof.retrain.unseen import were_seen
from tests.data.divisions import divided

# Few distinct rows: equal ones are frequent.
lists = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=6, max_size=30)


def division(rows: list[tuple[int, int]], n_test: int) -> Division:
    """Divide a table of a number, a word and a label."""
    # The first rows have every value, so that columns and labels are the same in every table.
    rows = [(0, 0), (1, 1), (2, 0), (2, 1), *rows]
    x, y = zip(*rows, strict=True)
    columns = {"x": np.array(x) - 0.5, "word": [f"w{v}" for v in x], "y": [f"c{v}" for v in y]}
    return divided({name: pd.Series(cells) for name, cells in columns.items()}, n_test)


def bag(table: Division, rows: np.ndarray) -> list[tuple[float, str, str]]:
    X, labels = table.table.X.iloc[rows], np.array(table.table.labels)[table.table.y[rows]]
    return list(zip(X["x"], X["word"].astype(str), labels, strict=True))


@given(lists, lists, st.integers(0, 3))
def test_of_equal_rows_as_many_are_seen_as_were_learned_from(
    before: list[tuple[int, int]], after: list[tuple[int, int]], n_test: int
) -> None:
    old, new = division(before, 2), division(after, n_test + 1)
    seen = were_seen(old, new)
    assert seen.shape == (len(new.test),)
    learned, there = bag(old, old.train), bag(new, new.train)
    for row in {*bag(new, new.test)}:
        held_out = np.array([each == row for each in bag(new, new.test)])
        # Equal rows that the new run learns from are taken for the known ones first.
        n_seen = min(max(learned.count(row) - there.count(row), 0), held_out.sum())
        assert seen[held_out].sum() == n_seen


def test_a_table_knows_its_own_hold_out_as_unseen_and_another_one_as_it_is() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=40)
    values[::7] = np.nan
    frame = pd.DataFrame(
        {
            "x": values,
            "day": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.permutation(40), "D"),
            "word": pd.Series(rng.choice(["a", "b", None], 40)),
            "y": np.resize(["no", "yes"], 40),
        }
    )
    old = divided(dict(frame.items()), 10)
    assert not were_seen(old, old).any()
    # The same rows in the other order: the first ten of it were held out.
    turned = divided(dict(frame[::-1].reset_index(drop=True).items()), 40 - 4)
    assert were_seen(old, turned).tolist() == [False] * 6 + [True] * 30
    # Another label or another cell is another row.
    frame["y"] = frame["y"].map({"no": "yes", "yes": "no"})
    assert not were_seen(old, divided(dict(frame.items()), 39)).any()
