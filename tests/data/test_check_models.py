import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from tabproof.auc import rank_aucs
from tabproof.data import GroupedRows, OrderedRows, StratifiedRows, divide, load_builtin
from tabproof.data.checks import (
    aucs_of_numbers,
    could_separate_by_chance,
    find_drift,
    find_leak,
    null_standard_error,
)
from tests.data.divisions import divided, noise
from tests.data.tables import table

N = 300


def leak_of(columns, **wishes):
    found = find_leak(divided(columns, **wishes), 0.995, seed=0)
    return [] if found is None else list(found.columns)


def test_noise_is_no_leak():
    assert leak_of(noise(N)) == []


@pytest.mark.parametrize("sign", [1, -1])
def test_a_number_that_orders_the_classes_is_found_either_way(sign):
    columns = noise(N)
    is_yes = columns["y"] == "yes"
    assert leak_of(columns | {"copy": sign * (columns["measure"] + 20 * is_yes)}) == ["copy"]


def test_categories_that_encode_classes_are_found():
    columns = noise(N)
    copy = columns["y"].map({"no": "閉", "yes": "開"})
    assert leak_of(columns | {"copy": copy}) == ["copy"]


def test_a_leak_of_one_class_of_three_names_the_class():
    rng = np.random.default_rng(0)
    y = rng.choice(["u", "v", "w"], N)
    copy = np.where(y == "v", "settled", rng.choice(["open", "new"], N))
    found = find_leak(divided({"a": rng.normal(size=N), "copy": copy, "y": y}), 0.995, seed=0)
    assert found is not None
    assert found.columns == ("copy",)
    assert "'copy' (v: 1.000)" in found.message


@pytest.mark.parametrize("values", [np.arange(N, dtype=float), [f"w{i % 3}" for i in range(N)]])
def test_that_a_value_is_missing_can_give_the_target_away(values):
    columns = noise(N)
    copy = pd.Series(values).where(columns["y"] == "yes")
    assert leak_of(columns | {"copy": copy}) == ["copy"]


def test_if_half_is_missing_the_other_half_is_checked():
    columns = noise(N)
    copy = (columns["measure"] + 20 * (columns["y"] == "yes")).where(np.arange(N) % 4 < 2)
    assert leak_of(columns | {"copy": copy}) == ["copy"]
    # Seven rows of a hundred give little away.
    assert leak_of(columns | {"copy": copy.where(np.arange(N) % 29 < 2)}) == []


def test_numbers_with_gaps_are_tried_three_ways():
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat([0, 1, 2], [20, 40, 60]))
    is_class = y[:, None] == np.arange(3)
    values = np.round(rng.normal(size=(120, 40)), 1)
    values[rng.random(values.shape) < np.linspace(0, 0.97, 40)] = np.nan

    def better(scores, of_class, n_tries):
        aucs, of = rank_aucs(scores, of_class), of_class.sum(axis=0)
        chance = could_separate_by_chance(len(scores), of, n_tries)
        return np.where(chance | np.isnan(aucs), 0, np.maximum(aucs, 1 - aucs))

    expected = []
    for column in values.T:
        present = ~np.isnan(column)
        tries = [better(np.where(present, column, end), is_class, 6) for end in (-np.inf, np.inf)]
        if present.mean() >= 0.1:
            tries.append(better(column[present], is_class[present], 6))
        expected.append(np.max(tries, axis=0))
    np.testing.assert_array_equal(aucs_of_numbers(values, is_class, 6), expected)


def test_a_category_for_each_row_does_not_leak():
    columns = noise(N)
    assert leak_of(columns | {"id": [f"k{i}" for i in range(N)]}) == []


def test_two_rows_of_a_class_are_no_proof():
    # A class of two of thirty rows: a column has them at one end by chance.
    y = ["rare"] * 2 + ["often"] * 28
    assert leak_of({"a": range(30), "y": y}, n_test=3) == []


def test_subjects_that_keep_their_class_are_not_memorized():
    # 40 subjects of 10 rows; each has its word and its class, and neither tells the other.
    who = np.repeat(np.arange(40), 10)
    made = table(
        {
            "word": [f"w{i}" for i in who],
            "who": [f"p{i}" for i in who],
            "y": ["uv"[i % 2] for i in who],
        },
        non_features=["who"],
    )
    assert find_leak(divide(made, GroupedRows(0.2, 0, "who"), 2), 0.995, seed=0) is None
    assert find_leak(divide(made, StratifiedRows(0.2, 0), 2), 0.995, seed=0) is not None


def test_good_columns_of_real_tables_do_not_leak():
    # The best single column of breast_cancer has an area of about 0.975.
    for name in ("breast_cancer", "wine"):
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
    assert np.isclose(np.std(orders), null_standard_error(3, 2))


def test_few_rows_may_be_separated_by_chance():
    # 10 choose 5 is 252: among 30 columns one is likely enough to separate them.
    assert could_separate_by_chance(10, 5, 30)
    assert not could_separate_by_chance(30, 15, 30)
    # Two rows of a class may lie next to each other even among many.
    assert could_separate_by_chance(10_000, 2, 1)
    assert could_separate_by_chance(10_000, 9_998, 1)


def drift_of(division, ids=()):
    return find_drift(division, ids, 0.6, seed=0)


slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("n", "n_tries"),
    [(30, 2), (150, 8), (1000, 2)]
    + [pytest.param(*many, marks=slow) for many in [(150, 40), (1000, 10), (12_000, 3)]],
)
def test_rows_held_out_at_random_are_no_drift(n, n_tries):
    found = [
        find_drift(divide(table(noise(n, seed)), StratifiedRows(0.2, seed), 5), [], 0.6, seed)
        for seed in range(n_tries)
    ]
    # 30 rows can differ by chance as much as by anything else.
    assert sum(finding is not None for finding in found) <= (1 if n < 1000 else 0)


@pytest.mark.parametrize("n", [200, 12_000])
def test_a_shift_is_found_and_its_columns_are_named_most_telling_first(n):
    columns = noise(n)
    is_late = np.arange(n) >= n - n // 5
    columns["measure"] = columns["measure"] + 3.0 * is_late
    columns["商品"] = pd.Series(["x", "y"] * (n // 2)).where(~is_late, "新")
    found = drift_of(divided(columns))
    assert found is not None
    assert found.columns == ("商品", "measure")
    assert found.facts["auc"] > 0.95
    assert "'商品' (1.000), 'measure' (0.9" in found.message


def test_a_change_of_spread_is_found():
    columns = noise(1000)
    columns["measure"][800:] *= 5
    found = drift_of(divided(columns))
    assert found is not None
    assert found.columns == ("measure",)


def test_a_column_that_lacks_values_only_where_held_out_is_found():
    columns = noise(500)
    columns["late"] = np.where(np.arange(500) < 400, np.nan, columns["measure"])
    found = drift_of(divided(columns))
    assert found is not None
    assert found.columns == ("late",)


def test_an_id_is_no_drift():
    made = table(noise(300) | {"id": np.arange(300)}, keep=["id"])
    division = divide(made, OrderedRows(0.2, 0), 2)
    assert drift_of(division) is not None
    assert drift_of(division, ["id"]) is None


def test_few_rows_are_not_checked_for_drift():
    columns = noise(90)
    columns["measure"][72:] += 100
    assert drift_of(divided(columns)) is None


def test_subjects_on_one_side_are_no_drift():
    # Each of 120 subjects has values of its own, which any row of it betrays.
    who = np.repeat(np.arange(120), 10)
    rng = np.random.default_rng(0)
    own = rng.normal(size=(120, 3))[who]
    made = table(
        {f"a{i}": own[:, i] for i in range(3)}
        | {"who": [f"p{i}" for i in who], "y": rng.choice(["u", "v"], len(who))},
        non_features=["who"],
    )
    division = divide(made, GroupedRows(0.2, 0, "who"), 2)
    assert drift_of(division) is None


def test_threads_do_not_change_a_bit():
    columns = noise(3000)
    columns["measure"][2400:] += 1
    division = divided(columns)
    found = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            found.append(drift_of(division))
    assert found[0] == found[1]
    assert found[0] is not None


def test_a_column_with_one_value_and_huge_numbers_are_taken():
    columns = noise(200)
    columns["one"] = [1.0, *[None] * 199]
    columns["huge"] = np.where(np.arange(200) % 2, 1.7e308, -1.7e308)
    assert drift_of(divided(columns)) is None


def test_a_column_of_hundreds_of_categories_is_taken():
    rng = np.random.default_rng(0)
    columns = noise(3000) | {"town": [f"t{i}" for i in rng.integers(0, 700, 3000)]}
    assert drift_of(divided(columns)) is None
