"""Pairs of columns are chosen that say more of the target together than each does alone."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from tabproof.modeling import ColumnFeatures, join_fitted, make_pipeline
from tabproof.modeling.features import PREFIXES, PREPARED
from tabproof.modeling.pairs import Binned, choose_pairs, cross_fitted_shares

N_ROWS = 800
rng = np.random.default_rng(0)
NUMBERS = {place: rng.normal(10, 1, N_ROWS) for place in range(4)}
CATEGORIES = {place: Binned(rng.integers(0, 3, N_ROWS), 5) for place in range(4, 8)}
NOISE = rng.integers(0, 2, N_ROWS)


def test_the_ratio_and_the_crossing_behind_a_target_are_found() -> None:
    ratio = NUMBERS[1] / NUMBERS[3] > 1
    (take, pair), *_ = choose_pairs(NUMBERS, {}, ratio.astype(int), 5, 0)[0]
    assert {*pair} == {1, 3}
    assert take in ("divide", "subtract")
    crossed = (CATEGORIES[4].codes + CATEGORIES[6].codes) % 3 == 0
    assert choose_pairs({}, CATEGORIES, crossed.astype(int), 0, 5)[1][0] == (4, 6)


def test_nothing_is_chosen_for_a_target_of_chance() -> None:
    assert choose_pairs(NUMBERS, CATEGORIES, NOISE, 20, 20) == ([], [])


def test_columns_that_add_up_need_no_pairs() -> None:
    added = NUMBERS[0] + 2 * NUMBERS[1] + rng.normal(0, 1, N_ROWS)
    found, _ = choose_pairs(NUMBERS, {}, (added > np.median(added)).astype(int), 20, 0)
    assert ("multiply", (0, 1)) not in found
    assert all({*pair} <= {0, 1} for _, pair in found)


@pytest.mark.parametrize("n_rows", [2, 5, 20])
def test_a_few_rows_and_empty_columns_are_no_obstacle(n_rows: int) -> None:
    numbers = {0: np.full(n_rows, np.nan), 1: np.ones(n_rows), 2: np.arange(n_rows) * 1.0}
    choose_pairs(numbers, {}, np.arange(n_rows) % 2, 3, 3)


def test_a_row_has_the_share_of_rows_in_other_folds() -> None:
    codes, y = np.array([0, 0, 0, 0, 1, 1]), np.array([1, 1, 0, 0, 1, 0])
    first, second = np.array([0, 2, 4]), np.array([1, 3, 5])
    cells = Binned(codes, 3)
    table, of_rows = cross_fitted_shares(cells, y, 2, [(first, second), (second, first)], 1.0)
    assert table[:, 0] == pytest.approx([2.5 / 5, 1.5 / 3, 0.5])
    # Of the first fold: one of two rows of cell 0, and the row of cell 1, and two of three rows.
    expected = [(1 + 2 / 3) / 3, (1 + 2 / 3) / 3, (1 + 2 / 3) / 2]
    assert of_rows[second, 0] == pytest.approx(expected)


def table() -> tuple[pd.DataFrame, np.ndarray]:
    frame = pd.DataFrame({f"n{place}": values for place, values in NUMBERS.items()})
    for place, column in CATEGORIES.items():
        texts = np.array(list("abcde"))[column.codes]
        frame[f"c{place}"] = pd.Series(texts, dtype="object").astype("category")
    frame["=odd"] = frame.pop("n0")
    crossed = (CATEGORIES[4].codes + CATEGORIES[6].codes) % 3 == 0
    y = (NUMBERS[1] / NUMBERS[3] > 1) | crossed
    return frame, (y ^ (rng.random(N_ROWS) < 0.05)).astype(int)


PREPARE = {"combinations": 3, "interactions": 2, "shares": True, "products": True}


def test_prepared_features_are_beside_the_columns_and_off_by_default() -> None:
    X, y = table()
    assert ColumnFeatures().fit_transform(X, y) is not None
    assert [*ColumnFeatures().fit_transform(X, y).columns] == [*X.columns]
    found = ColumnFeatures(**PREPARE, random_state=0).fit_transform(X, y)
    own = [name for name in found.columns if not name.startswith(PREPARED)]
    # A column with such a name of its own gets another.
    assert own == [*X.columns[:-1], "column_7"]
    assert "=share c4 (share)" in found.columns
    assert "=crossed c4 x c6 (share)" in found.columns
    # Of as many values as rows there are no shares.
    assert "=share n1 (share)" not in found.columns


def test_numbers_that_repeat_have_shares_and_others_the_prior() -> None:
    whole = rng.integers(0, 40, N_ROWS) * 1.5
    y = (whole % 3 == 1.5).astype(int) ^ (rng.random(N_ROWS) < 0.1)
    X = pd.DataFrame({"whole": np.where(rng.random(N_ROWS) < 0.1, np.nan, whole)})
    X["two"] = np.arange(N_ROWS) % 2 * 1.0
    features = ColumnFeatures(shares=True, random_state=0).fit(X, y)
    assert [*features.get_feature_names_out()] == ["whole", "two", "=share whole (share)"]
    odd = pd.DataFrame({"whole": [0.0, 1.5, np.nextafter(1.5, 2), 99.0, -0.0, np.nan], "two": 0.0})
    found = features.transform(odd).iloc[:, 2].to_numpy()
    assert found[2] == found[3] == pytest.approx(y.mean())
    assert found[4] == found[0] < 0.4
    assert found[1] > 0.6
    is_missing = X["whole"].isna()
    expected = (y[is_missing].sum() + 10 * y.mean()) / (is_missing.sum() + 10)
    assert found[5] == pytest.approx(expected)


@pytest.mark.parametrize(("n_values", "has_shares"), [(40, True), (80, True), (81, False)])
def test_a_number_has_shares_if_ten_rows_have_a_value(n_values: int, has_shares: bool) -> None:
    number = np.arange(N_ROWS) % n_values
    X, y = pd.DataFrame({"number": number * 1.0}), number % 2
    found = ColumnFeatures(shares=True, random_state=0).fit(X, y)
    assert len(found.get_feature_names_out()) == 1 + has_shares


def test_values_that_say_no_more_than_their_bins_have_no_shares() -> None:
    number = rng.integers(0, 40, N_ROWS)
    X = pd.DataFrame({"number": number * 1.0})
    smooth = (number + rng.normal(0, 8, N_ROWS) > 20).astype(int)
    for y in (smooth, NOISE):
        assert ColumnFeatures(shares=True, random_state=0).fit_transform(X, y) is X


def test_products_are_those_of_numbers_less_their_means() -> None:
    X = pd.DataFrame(
        {"a": [0.0, 2.0, np.nan, 4.0], "b": [1, 2, 3, 2], "two": [0.0, 1, 1, 0], "same": 5.0}
    )
    features = ColumnFeatures(products=True).fit(X, [0, 1, 0, 1])
    found = features.transform(X).drop(columns=X.columns)
    assert [*found] == [
        f"=product {pair}" for pair in ("a * a", "a * b", "a * two", "b * b", "b * two")
    ]
    assert found["=product a * b"].tolist() == [2.0, 0.0, 0.0, 0.0]
    assert found["=product a * a"].tolist() == [4.0, 0.0, 0.0, 4.0]
    unused = ColumnFeatures(products=True).fit(X[["same"]], [0, 1, 0, 1])
    assert unused.transform(X[["same"]]).shape == (4, 1)


def test_products_are_made_of_the_twenty_numbers_that_say_most() -> None:
    X = pd.DataFrame({f"n{place}": rng.normal(size=N_ROWS) for place in range(22)})
    y = (X["n3"] + X["n21"] > 0).astype(int)
    names = ColumnFeatures(products=True).fit(X, y).get_feature_names_out()
    assert len(names) == 22 + 20 * 21 / 2
    assert "=product n3 * n21" in names


@pytest.mark.parametrize("kind", PREFIXES)
def test_a_model_gets_the_kinds_that_it_asks_for(kind: str) -> None:
    X, y = table()
    own = ColumnFeatures(**{kind: PREPARE[kind]}, random_state=0)
    estimator = HistGradientBoostingClassifier(
        max_iter=3, categorical_features="from_dtype", random_state=0
    )
    alone = make_pipeline({}, {}, estimator, seed=0, prepared={kind: PREPARE[kind]}).fit(X, y)
    shared = make_pipeline({}, {}, clone(estimator), seed=0, prepared=PREPARE, uses=[kind])
    shared.fit(X, y)
    names = own.fit(X, y).get_feature_names_out()
    reached = shared[:-1].transform(X)
    assert [*reached.columns] == [*names]
    assert_array_equal(shared.predict_proba(X), alone.predict_proba(X))
    encoders = ({"scale": StandardScaler()}, {"encode": OrdinalEncoder()})
    steps = make_pipeline(*encoders, estimator, seed=0, prepared=PREPARE, uses=[kind]).fit(X, y)
    chosen = steps["preprocess"].get_feature_names_out()
    assert {*chosen} == {*names}
    # A vote makes what its members use, and no more.
    joined = join_fitted({"a": shared, "b": steps}, {"a": 1.0, "b": 1.0})
    assert [*joined["features"].get_feature_names_out()] == [*names]


def test_a_model_that_uses_none_fits_as_without_them() -> None:
    X, y = table()
    X = X.drop(columns="=odd").select_dtypes("number")
    steps = ({}, {}, LogisticRegression())
    plain = make_pipeline(*steps, seed=0).fit(X, y)
    without = make_pipeline(*steps, seed=0, prepared=PREPARE, uses=()).fit(X, y)
    assert_array_equal(without.predict_proba(X), plain.predict_proba(X))
    joined = join_fitted({"a": without}, {"a": 1.0})
    # A vote of such models does not make them either.
    assert joined["features"].maker_ is None
    assert_array_equal(joined.predict_proba(X), plain.predict_proba(X))
