import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from tabproof.data import GroupedRows, OrderedRows, StratifiedRows, divide
from tabproof.data.check_models import find_drift
from tests.data.divisions import divided, noise
from tests.data.tables import table


def drift_of(division, ids=()):
    return find_drift(division, ids, 0.6, seed=0)


@pytest.mark.parametrize(("n", "n_tries"), [(30, 5), (150, 40), (1000, 10), (12_000, 3)])
def test_rows_held_out_at_random_are_not_told_apart(n, n_tries):
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
    made = table(noise(300) | {"id": np.arange(300)})
    division = divide(made, OrderedRows(0.2, 0), 2)
    assert drift_of(division) is not None
    assert drift_of(division, ["id"]) is None


def test_nothing_is_said_of_few_rows():
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
        aside=["who"],
    )
    division = divide(made, GroupedRows(0.2, 0, "who"), 2)
    assert drift_of(division) is None


def test_threads_do_not_change_a_bit():
    columns = noise(6000)
    columns["measure"][4800:] += 1
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
