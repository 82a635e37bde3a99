"""Numbers become lines that bend at quantiles of the training rows."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LinearRegression, LogisticRegression

from tabproof.modeling import Splines, check_grid, make_pipeline
from tabproof.modeling.grid import InvalidParameterError


def column(*values: float | None) -> pd.DataFrame:
    return pd.DataFrame({"x": np.array(values, dtype=np.float64)})


MANY = column(*np.random.default_rng(0).normal(0, 1, 500))


def test_any_line_that_bends_at_the_knots_is_a_sum_of_the_features() -> None:
    splines = Splines(8).fit(MANY)
    (knots,) = splines.knots_
    between = column(*np.linspace(knots[0], knots[-1], 200))
    heights = np.random.default_rng(1).normal(size=len(knots))
    wanted = np.interp(between["x"], knots, heights)
    features = splines.transform(between)
    assert_allclose(LinearRegression().fit(features, wanted).predict(features), wanted, atol=1e-9)


def test_features_do_not_change_beyond_the_outer_knots() -> None:
    splines = Splines(8).fit(MANY)
    (knots,) = splines.knots_
    ends, beyond = column(knots[0], knots[-1]), column(-1e300, 1e300)
    assert_array_equal(splines.transform(beyond), splines.transform(ends))


def test_each_of_a_few_distinct_values_is_a_knot() -> None:
    splines = Splines(16, min_rows=1).fit(column(3, 1, 1, 2, *[1] * 20))
    assert splines.knots_[0].tolist() == [1, 2, 3]


def test_an_interval_holds_about_as_many_rows_as_asked_for() -> None:
    (knots,) = Splines(100, min_rows=50).fit(MANY).knots_
    counts, _ = np.histogram(MANY["x"], knots)
    assert len(knots) == 10
    assert counts.min() >= 50


def test_a_missing_number_is_the_median_and_has_a_feature_where_training_rows_miss_some() -> None:
    without = Splines(4).fit(MANY)
    median = float(np.sort(MANY["x"])[250])
    assert_array_equal(without.transform(column(None)), without.transform(column(median)))
    some = Splines(4).fit(MANY.mask(MANY["x"] > 1))
    features = some.transform(column(None, 0.0))
    assert features.shape[1] == without.transform(MANY).shape[1] + 1
    assert features[:, -1].tolist() == [1, 0]


@pytest.mark.parametrize("values", [[None, None], [7, 7], [7, None]])
def test_a_column_of_one_value_or_none_has_features(values: list[float | None]) -> None:
    features = Splines().fit_transform(column(*values))
    assert np.isfinite(features).all()
    assert features.shape[1] >= 1


def test_the_largest_numbers_have_finite_features() -> None:
    largest = float(np.finfo(np.float64).max)
    splines = Splines(4, min_rows=1).fit(column(-largest, 0, 1, largest))
    features = splines.transform(column(-largest, 0.5, largest, 5e-324))
    assert np.isfinite(features).all()


def test_every_feature_has_a_name() -> None:
    splines = Splines(4).fit(MANY)
    names = splines.get_feature_names_out()
    assert len(set(names)) == splines.transform(MANY).shape[1]
    assert names[0] == "x (spline 0)"


@pytest.mark.parametrize(
    ("parameter", "value"), [("n_knots", 1), ("min_rows", 0), ("bend", 0), ("bend", -1)]
)
def test_a_wrong_parameter_is_refused_before_data_is_read(parameter: str, value: float) -> None:
    pipeline = make_pipeline({"encode": Splines()}, {}, LogisticRegression(), seed=0)
    name = f"preprocess__numeric__encode__{parameter}"
    with pytest.raises(InvalidParameterError):
        check_grid(pipeline, {name: [value]})
