import numpy as np

from tabproof.data.check_columns import find_copies
from tests.data.divisions import divided

# Held out are the last three.
ROWS = {
    "a": [1, 1, 2, 3, None, 4, 1, 2, None],
    "b": ["p", "p", "p", "q", None, "q", "p", "p", None],
    "y": ["u", "v", "u", "u", "v", "v", "u", "v", "v"],
}


def test_rows_that_stand_on_both_sides_are_counted():
    overlap, _ = find_copies(divided(ROWS, n_test=3), [])
    assert overlap is not None
    facts = overlap.facts
    # All three; (2, p) has another target; missing equals missing.
    assert (facts["n_rows"], facts["n_test"], facts["n_same_target"]) == (3, 3, 2)
    assert (facts["n_distinct"], facts["n_table"], facts["share"]) == (5, 9, 1.0)


def test_equal_rows_with_different_targets_bound_the_accuracy():
    _, conflicts = find_copies(divided(ROWS, n_test=3), [])
    assert conflicts is not None
    # (1, p): u v u; (2, p): u v. Of these five rows three can be right.
    assert conflicts.facts["n_rows"] == 5
    assert conflicts.facts["best_accuracy"] == 7 / 9
    assert "accuracy above 77.78%" in conflicts.message


def test_the_bound_is_that_of_a_model_that_knows_every_row():
    rng = np.random.default_rng(0)
    columns = {
        "a": rng.integers(0, 4, 80),
        "b": rng.integers(0, 3, 80),
        "y": rng.choice(list("uvw"), 80),
    }
    division = divided(columns)
    _, conflicts = find_copies(division, [])
    rows = division.table.X.assign(y=division.table.y)
    most = sum(group["y"].value_counts().max() for _, group in rows.groupby(["a", "b"]))
    assert conflicts is not None
    assert conflicts.facts["best_accuracy"] == most / 80


def test_an_id_does_not_hide_copies():
    division = divided(ROWS | {"id": range(9)}, n_test=3)
    assert find_copies(division, []) == (None, None)
    assert find_copies(division, ["id"]) == find_copies(divided(ROWS, n_test=3), [])
    assert find_copies(division, ["id", "a", "b"]) == (None, None)


def test_rows_that_lack_one_value_are_not_all_equal():
    columns = {"a": [None, None, 1.0, 2.0], "b": ["p", "q", None, "p"], "y": ["u", "v"] * 2}
    assert find_copies(divided(columns, n_test=2), []) == (None, None)
    assert find_copies(divided(columns, n_test=1), []) == (None, None)


def test_minus_zero_is_zero():
    division = divided({"a": [0.0, 1.0, 2.0, -0.0], "y": ["u", "v", "v", "u"]}, n_test=1)
    overlap, conflicts = find_copies(division, [])
    assert overlap is not None
    assert overlap.facts["n_rows"] == 1
    assert conflicts is None


def test_distinct_rows_are_no_finding():
    division = divided({"a": range(10), "y": ["u", "v"] * 5})
    assert find_copies(division, []) == (None, None)
