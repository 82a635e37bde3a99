import json
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tabproof.data import Division, StratifiedRows, check, divide, load_builtin, load_openml
from tabproof.data.checks import (
    find_copies,
    find_imbalance,
    find_missing,
    find_rare_categories,
    id_columns,
)
from tabproof.data.table import make_table
from tabproof.errors import UserError
from tabproof.evaluation_result import finding_text
from tests.conftest import OPENML_HOME, needs_openml_home
from tests.data.divisions import divided, noise
from tests.data.tables import csv, half, labelled, table


@dataclass
class Limits:
    leak_auc: float = 0.995
    missing_share: float = 0.95
    minority_share: float = 0.05
    drift_auc: float = 0.6


def names(division, limits=None):
    return [found.check for found in check(division, limits or Limits(), seed=42)]


def small_frames(draw):
    n = draw(st.integers(4, 60))
    cells = {
        "数": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "whole": st.none() | st.integers(-5, 5),
        "flag": st.booleans(),
        "名 前": st.none() | st.sampled_from(["あ", "い", "<b>", "{x}", ""]),
    }
    columns = {
        key: pd.Series(draw(st.lists(cell, min_size=n, max_size=n)), dtype=object)
        for key, cell in cells.items()
    }
    y = draw(st.lists(st.sampled_from(["u", "v", "w"]), min_size=n, max_size=n))
    return pd.DataFrame(columns).infer_objects().assign(y=y)


# One example fits some dozens of models.
@settings(half, suppress_health_check=list(HealthCheck))
@given(st.composite(small_frames)(), st.integers(1, 40), st.integers(0, 5))
def test_any_table_is_checked_and_what_is_found_is_plain(frame, n_test, seed):
    try:
        made = make_table("tiny", frame, "y")
    except UserError:
        return
    rows = np.random.default_rng(seed).permutation(len(made.y))
    n_test = min(n_test, len(rows) - 2)
    division = Division(made, StratifiedRows(0.2, 0), rows[n_test:], rows[:n_test], None)
    # Limits that let everything be found.
    for limits in (Limits(), Limits(0.5, 0.0, 1.0, 0.0)):
        for found in check(division, limits, seed=seed):
            assert found.message == finding_text(found.check, **found.facts)
            assert json.loads(json.dumps(dict(found.facts), allow_nan=False)) == dict(found.facts)


def test_the_same_data_and_seed_give_the_same_findings():
    columns = noise(400)
    columns["measure"][320:] += 3
    division = divided(columns | {"copy": columns["y"]})
    found = check(division, Limits(), seed=7)
    assert [finding.check for finding in found] == ["leak", "drift"]
    assert check(division, Limits(), seed=7) == found


def test_dates_are_looked_at_as_numbers_and_texts_are_only_compared():
    columns = noise(400)
    is_yes = columns["y"] == "yes"
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.where(is_yes, 400, 0), unit="D")
    columns["paid"] = days + pd.to_timedelta(np.arange(400) % 7, unit="D")
    columns["note"] = [f"remark number {i} of a customer" for i in range(400)]
    division = divided(columns)
    assert list(division.table.X.dtypes.astype(str))[-2:] == ["datetime64[us]", "str"]
    (leak,) = check(division, Limits(), seed=0)
    assert (leak.check, leak.columns) == ("leak", ("paid",))


def test_of_numbers_the_order_of_rows_does_not_matter():
    columns = noise(200)
    del columns["word"]
    columns["copy"] = columns["measure"].round(1) + 20 * (columns["y"] == "yes")
    division = divided({key: np.append(values, values[:20]) for key, values in columns.items()})
    order = np.random.default_rng(0).permutation(220)
    place = np.argsort(order)
    table = division.table
    shuffled = replace(
        division,
        table=replace(table, X=table.X.iloc[order], y=table.y[order]),
        train=place[division.train],
        test=place[division.test],
    )
    found = check(division, Limits(), seed=0)
    assert [finding.check for finding in found] == ["leak", "overlap"]
    assert check(shuffled, Limits(), seed=0) == found


def test_a_file_with_all_that_can_be_wrong(tmp_path):
    columns = noise(500)
    del columns["y"]
    is_late = np.arange(500) >= 400
    y = np.where(np.arange(500) % 40 == 7, "yes", "no")
    frame = pd.DataFrame(
        columns
        | {
            "番号": np.arange(500) + 1000,
            "paid_back": np.where(y == "yes", 0, 100 + np.arange(500) % 7),
            "empty": [1.5, 2.5, *[None] * 498],
            "shop": np.where(is_late, "new", np.where(np.arange(500) == 3, "once", "old")),
            "y": y,
        }
    )
    # A row twice, and again with another target.
    copied = ["measure", "few", "word", "paid_back", "empty", "shop"]
    for row in (490, 491):
        frame.loc[row, copied] = frame.loc[90, copied]
    frame.loc[491, "y"] = "yes"
    table = csv(tmp_path, frame.to_csv(index=False), keep=["番号"], pos_label="yes")
    division = Division(table, StratifiedRows(0.2, 0), np.arange(400), np.arange(400, 500), None)
    assert names(division) == [
        *("leak", "ids", "overlap", "conflicts", "missing", "single_categories"),
        *("unseen_categories", "drift", "imbalance"),
    ]


def test_a_sound_table_has_no_findings():
    assert names(divided(noise(400))) in ([], ["overlap"])
    for name in ("breast_cancer", "wine"):
        assert names(divide(load_builtin(name), StratifiedRows(0.2, 42), 5)) == []
    # Of irises one kind has petals unlike all others.
    iris = check(divide(load_builtin("iris"), StratifiedRows(0.2, 42), 5), Limits(), seed=42)
    assert [found.check for found in iris] == ["leak"]
    assert "'petal length (cm)' (setosa: 1.000)" in iris[0].message


@needs_openml_home
def test_credit_g_has_no_findings():
    credit = load_openml("credit-g", 1, "good", str(OPENML_HOME))
    assert names(divide(credit, StratifiedRows(0.2, 42), 5)) == []


@pytest.mark.slow
@needs_openml_home
def test_adult_has_known_findings():
    adult = load_openml("adult", 2, ">50K", str(OPENML_HOME))
    found = check(divide(adult, StratifiedRows(0.2, 42), 5), Limits(), seed=42)
    assert [finding.check for finding in found] == ["overlap", "conflicts", "single_categories"]
    assert found[0].facts["n_distinct"] == 48_785


N = 200
rng = np.random.default_rng(0)


def is_id(values):
    made = table(
        {"a": values, "b": np.arange(len(values)) % 2, "y": ["u", "v"] * (len(values) // 2)},
        keep=["a"],
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


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=20, max_size=40))
def test_any_numbers_can_be_looked_at(values):
    values = [0.0, 1.0, *values, *([5.0] * (len(values) % 2))]
    is_id(values)


def test_real_tables_without_ids_have_none():
    for name in ("breast_cancer", "wine", "iris", "digits"):
        assert id_columns(load_builtin(name).X) == []


def test_a_finding_names_ten_columns_and_counts_all():
    columns = {f"id{i}": np.arange(40) + i for i in range(12)} | {"y": ["u", "v"] * 20}
    (found,) = [each for each in check(divided(columns), Limits(), seed=0) if each.check == "ids"]
    assert found.message.startswith("12 column(s) look like ids")
    assert "'id9' (40/40), …;" in found.message
    assert "id10" not in found.message
    assert len(found.columns) == 10
    assert found.facts["n_columns"] == 12


# Held out are the last three.
ROWS = {
    "a": [1, 1, 2, 3, None, 4, 1, 2, None],
    "b": ["p", "p", "p", "q", None, "q", "p", "p", None],
    "y": ["u", "v", "u", "u", "v", "v", "u", "v", "v"],
}


def test_rows_on_both_sides_are_counted():
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


@pytest.mark.parametrize("n_copies", [0, 1])
def test_copies_are_found_in_wide_tables_too(n_copies):
    X = np.random.default_rng(0).integers(0, 2, (30, 120)).astype(float)
    # Rows that are equal in the first columns are no copies yet.
    X[10, :100] = X[25, :100]
    X[:n_copies] = X[29]
    columns = {f"x{i}": column for i, column in enumerate(X.T)} | {"y": ["u", "v", "u"] * 10}
    division = divide(table(columns), StratifiedRows(0.5, 0), 2)
    overlap, conflicts = find_copies(division, [])
    assert (overlap is not None) + (conflicts is not None) == n_copies


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


# The last four are held out.
COLUMNS = {
    "town": ["京", "京", "大", "阪", None, "京", "新", "新", "大", None],
    "code": ["k"] * 6 + ["k", "m", "k", "k"],
    "id": [f"i{i}" for i in range(10)],
    "y": ["u", "v"] * 5,
}


def test_categories_of_one_training_row_are_counted_by_column():
    found, _ = find_rare_categories(divided(COLUMNS, n_test=4), ["id"])
    assert found is not None
    assert found.columns == ("town",)
    assert found.facts["n_categories"] == 2  # 大 and 阪
    assert "'town' (2)" in found.message


def test_categories_that_only_the_hold_out_has_are_counted_with_their_rows():
    _, found = find_rare_categories(divided(COLUMNS, n_test=4), ["id"])
    assert found is not None
    assert found.columns == ("town", "code")
    # Row 7 has both; missing is no category.
    assert (found.facts["n_categories"], found.facts["n_rows"]) == (2, 2)
    assert found.facts["share"] == 0.5


def test_frequent_categories_are_no_finding():
    division = divided({"a": ["p", "q"] * 10, "n": range(20), "y": ["u", "v"] * 10})
    assert find_rare_categories(division, []) == (None, None)
    numbers = divided({"n": range(20), "y": ["u", "v"] * 10})
    assert find_rare_categories(numbers, []) == (None, None)


def test_columns_that_lack_the_limit_or_more_are_found_emptiest_first():
    made = table(
        {
            "half": [1, None] * 10,
            "most": [1.0] + [None] * 19,
            "nearly": ["w"] * 2 + [None] * 18,
            "y": ["u", "v"] * 10,
        }
    )
    found = find_missing(made.X, 0.9)
    assert found is not None
    assert found.columns == ("most", "nearly")
    assert (
        "at least 90.0% of the values are missing in 2 column(s): 'most' (95.0%), 'nearly' (90.0%);"
        in (found.message)
    )
    assert find_missing(made.X, 0.96) is None


def test_rare_classes_are_named_rarest_first():
    found = find_imbalance(labelled([0] * 94 + [1] * 4 + [2] * 2), 0.05)
    assert found is not None
    assert "2 of 3 classes" in found.message
    assert "'c2' (2.00%, n=2), 'c1' (4.00%, n=4)" in found.message


def test_a_class_of_the_limit_is_not_rare():
    assert find_imbalance(labelled([0] * 95 + [1] * 5), 0.05) is None
    assert find_imbalance(labelled([0] * 96 + [1] * 4), 0.05) is not None


def test_of_many_classes_of_one_size_none_is_rare():
    assert find_imbalance(labelled([code for code in range(30) for _ in range(4)]), 0.05) is None
