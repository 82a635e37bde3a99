import numpy as np
import pandas as pd
import pytest

from tabproof.auc import rank_aucs
from tabproof.data import GroupedRows, StratifiedRows, divide, load_builtin
from tabproof.data.check_models import (
    could_separate_by_chance,
    find_leak,
    rates_on_other_rows,
    standard_error,
)
from tests.data.divisions import divided, noise
from tests.data.tables import table

N = 300


def leak_of(columns, **wishes):
    found = find_leak(divided(columns, **wishes), 0.995, seed=0)
    return [] if found is None else list(found.columns)


def test_noise_gives_nothing_away():
    assert leak_of(noise(N)) == []


@pytest.mark.parametrize("sign", [1, -1])
def test_a_number_that_orders_the_classes_is_found_either_way(sign):
    columns = noise(N)
    is_yes = columns["y"] == "yes"
    assert leak_of(columns | {"told": sign * (columns["measure"] + 20 * is_yes)}) == ["told"]


def test_categories_that_stand_for_classes_are_found():
    columns = noise(N)
    told = columns["y"].map({"no": "閉", "yes": "開"})
    assert leak_of(columns | {"told": told}) == ["told"]


def test_one_class_of_three_is_told_by_name():
    rng = np.random.default_rng(0)
    y = rng.choice(["u", "v", "w"], N)
    told = np.where(y == "v", "settled", rng.choice(["open", "new"], N))
    found = find_leak(divided({"a": rng.normal(size=N), "told": told, "y": y}), 0.995, seed=0)
    assert found is not None
    assert found.columns == ("told",)
    assert "'told' (v: 1.000)" in found.message


@pytest.mark.parametrize("values", [np.arange(N, dtype=float), [f"w{i % 3}" for i in range(N)]])
def test_that_a_value_is_missing_can_give_the_target_away(values):
    columns = noise(N)
    told = pd.Series(values).where(columns["y"] == "yes")
    assert leak_of(columns | {"told": told}) == ["told"]


def test_where_half_is_missing_the_other_half_is_judged():
    columns = noise(N)
    told = (columns["measure"] + 20 * (columns["y"] == "yes")).where(np.arange(N) % 4 < 2)
    assert leak_of(columns | {"told": told}) == ["told"]
    # Seven rows of a hundred give little away.
    assert leak_of(columns | {"told": told.where(np.arange(N) % 29 < 2)}) == []


def test_a_category_for_each_row_does_not_leak_by_heart():
    columns = noise(N)
    assert leak_of(columns | {"id": [f"k{i}" for i in range(N)]}) == []


def test_two_rows_of_a_class_are_no_proof():
    # A class of two of thirty rows: a column has them at one end by chance.
    y = ["rare"] * 2 + ["often"] * 28
    assert leak_of({"a": range(30), "y": y}, n_test=3) == []


def test_subjects_that_keep_their_class_are_not_learned_by_heart():
    # 40 subjects of 10 rows; each has its word and its class, and neither tells the other.
    who = np.repeat(np.arange(40), 10)
    made = table(
        {
            "word": [f"w{i}" for i in who],
            "who": [f"p{i}" for i in who],
            "y": ["uv"[i % 2] for i in who],
        },
        aside=["who"],
    )
    assert find_leak(divide(made, GroupedRows(0.2, 0, "who"), 2), 0.995, seed=0) is None
    assert find_leak(divide(made, StratifiedRows(0.2, 0), 2), 0.995, seed=0) is not None


def test_good_columns_of_real_tables_do_not_leak():
    # The best single column of breast_cancer has an area of about 0.975.
    for name in ("breast_cancer", "wine", "digits"):
        division = divide(load_builtin(name), StratifiedRows(0.2, 42), 5)
        assert find_leak(division, 0.995, seed=42) is None
    division = divide(load_builtin("breast_cancer"), StratifiedRows(0.2, 42), 5)
    assert find_leak(division, 0.95, seed=42) is not None


def test_the_standard_error_is_that_of_the_permuted_ranks():
    # The AUCs of all ten orders of 3 and 2 rows have the variance (3 + 2 + 1) / (12 * 6).
    orders = [
        rank_aucs(np.arange(5.0), np.isin(np.arange(5), [a, b])[:, None])[0]
        for a in range(5)
        for b in range(a)
    ]
    assert np.isclose(np.std(orders), standard_error(3, 2))


def test_few_rows_may_be_separated_by_chance():
    def of(n_rows, n_rows_of_class):
        return (np.arange(n_rows) < n_rows_of_class)[:, None]

    # 10 choose 5 is 252: among 30 columns one is likely enough to separate them.
    assert could_separate_by_chance(of(10, 5), 30).all()
    assert not could_separate_by_chance(of(30, 15), 30).any()
    # Two rows of a class may lie next to each other even among many.
    assert could_separate_by_chance(of(10_000, 2), 1).all()
    assert could_separate_by_chance(of(10_000, 9_998), 1).all()


def test_a_category_of_one_row_says_nothing_about_other_rows():
    y = np.arange(60) % 2
    folds = [(np.arange(60)[np.arange(60) % 3 != k], np.arange(k, 60, 3)) for k in range(3)]
    assert np.allclose(rates_on_other_rows(np.arange(60), y, folds), 0.5)
    assert np.allclose(rates_on_other_rows(y, y, folds)[:, 0], y)
