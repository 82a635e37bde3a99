"""Categories become a fixed number of features; unknown ones become zeros."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.tree import DecisionTreeClassifier

from tabproof.modeling import CategoryHasher, check_grid, make_pipeline
from tabproof.modeling.grid import InvalidParameterError


def frame(**columns: list[str | None]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Categorical(cells) for name, cells in columns.items()})


CITIES = frame(city=["a", "b", "東京", None, "a"], job=["x", "a", "x", "x", "y"])


def test_a_category_is_one_number_in_one_feature_of_its_column() -> None:
    found = CategoryHasher(8).fit_transform(CITIES)
    assert found.shape == (5, 16)
    assert_array_equal(np.abs(found[:, :8]).sum(axis=1), 1)
    assert_array_equal(np.abs(found[:, 8:]).sum(axis=1), 1)
    assert_array_equal(found[0, :8], found[4, :8])


def test_the_encoding_of_a_category_does_not_depend_on_other_categories() -> None:
    alone = CategoryHasher(8).fit_transform(frame(c=["a"]))
    among = CategoryHasher(8).fit_transform(CITIES)
    assert_array_equal(alone[0], among[0, :8])
    assert_array_equal(alone[0], among[1, 8:])


def test_an_unknown_category_is_zeros_and_a_missing_cell_is_not() -> None:
    hasher = CategoryHasher(8).fit(CITIES)
    found = hasher.transform(frame(city=["never met", None], job=["x", None]))
    assert not found[0, :8].any()
    assert np.abs(found[1, :8]).sum() == 1
    assert not found[1, 8:].any(), "in this column nothing was missing"


@pytest.mark.parametrize("n_features", [1, 2, 1000])
def test_the_number_of_features_is_fixed(n_features: int) -> None:
    many = frame(c=[f"category {i}" for i in range(300)])
    found = CategoryHasher(n_features).fit_transform(many)
    assert found.shape == (300, n_features)
    assert CategoryHasher(n_features).features_per_column == n_features
    if n_features == 1000:
        assert len(np.unique(found, axis=0)) > 200


def test_texts_are_encoded_like_categories() -> None:
    complete = CITIES.dropna()
    hasher = CategoryHasher(8).fit(complete)
    as_texts = complete.astype("object").to_numpy()
    assert_array_equal(hasher.transform(as_texts), hasher.transform(complete))


def test_the_hash_is_the_same_in_every_process_and_on_every_machine() -> None:
    # MurmurHash3 of "=a", seed 0, little-endian: another number would break stored models.
    (found,) = np.flatnonzero(CategoryHasher(1024).fit_transform(frame(c=["a"]))[0])
    assert found == 563


def test_features_are_named_after_their_column() -> None:
    hasher = CategoryHasher(2).fit(CITIES)
    assert hasher.get_feature_names_out().tolist() == ["city_0", "city_1", "job_0", "job_1"]


def test_a_hasher_without_categories_is_refused() -> None:
    with pytest.raises(NotFittedError):
        CategoryHasher().transform(CITIES)


@pytest.mark.parametrize("n_features", [0, -1, 1.5, None, "many"])
def test_an_invalid_number_of_features_is_refused_before_data_is_read(
    n_features: object,
) -> None:
    pipeline = make_pipeline({}, {"encode": CategoryHasher()}, DecisionTreeClassifier(), seed=0)
    with pytest.raises(InvalidParameterError, match="n_features"):
        check_grid(pipeline, {"preprocess__categorical__encode__n_features": [n_features]})
