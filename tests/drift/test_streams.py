"""What is looked at: statistics between 0 and 1, with their means in the reference."""

from dataclasses import replace

import numpy as np
import pytest

from tabproof.artifacts.reference import CategoryReference, NumberReference
from tabproof.drift.streams import counts_by_source, make_streams
from tests.monitoring.making import AGE, JOB, REFERENCE, N, made


def test_every_statistic_is_between_0_and_1_and_its_mean_is_that_of_the_reference() -> None:
    streams = make_streams(REFERENCE)
    assert len({stream.name for stream in streams}) == len(streams)
    for stream in streams:
        values = stream.values[~np.isnan(stream.values)]
        assert values.min() >= 0
        assert values.max() <= 1
        assert values.min() <= stream.mean <= values.max()
        assert stream.error > 0
    means = {stream.name: stream.mean for stream in streams}
    assert means["age: place"] == pytest.approx(0.5)
    assert means["age: missing"] == 0
    assert means["job: missing"] == pytest.approx(200 / N)
    assert means["job = clerk"] == pytest.approx(2400 / 3800)
    assert means["predicted yes"] == pytest.approx(0.3)
    assert means["probability yes: place"] == pytest.approx(0.5)


def test_of_two_labels_the_second_tells_all() -> None:
    names = {stream.name for stream in make_streams(REFERENCE)}
    assert "predicted yes" in names
    assert "predicted no" not in names
    assert not any(name.startswith("probability no") for name in names)


def test_a_missing_cell_counts_for_the_share_of_missing_cells_only() -> None:
    for stream in make_streams(replace(REFERENCE, columns=(JOB, AGE))):
        if stream.column is not None:
            assert np.isnan(stream.values[-1]) == (not stream.name.endswith(": missing"))


def test_a_smaller_reference_has_a_larger_error() -> None:
    small = NumberReference(name="age", edges=AGE.edges, counts=(10,) * 4, n_missing=0)
    errors = [
        make_streams(replace(REFERENCE, columns=(column,)))[0].error for column in (AGE, small)
    ]
    assert errors[1] > 5 * errors[0]
    # Of 0 in 40 rows, the share may still be a tenth.
    assert 0.1 < make_streams(replace(REFERENCE, columns=(small,)))[6].error < 0.2


def test_warnings_are_expected_as_often_as_fresh_rows_are_outside_the_range() -> None:
    few = NumberReference(name="x", edges=(), counts=(99,), n_missing=0)
    other = CategoryReference(name="c", categories=(), counts=(), n_other=10, n_missing=90)
    for column, expected in ((few, 0.02), (other, 1.0)):
        (found,) = (
            stream
            for stream in make_streams(replace(REFERENCE, n_rows=100, columns=(column,)))
            if stream.name == "warnings"
        )
        assert found.mean == pytest.approx(expected)


@pytest.mark.parametrize(
    "column",
    [
        NumberReference(name="x", edges=(), counts=(N,), n_missing=0),
        NumberReference(name="x", edges=(), counts=(0,), n_missing=N),
        CategoryReference(name="x", categories=(), counts=(), n_other=N, n_missing=0),
        CategoryReference(name="x", categories=("a",), counts=(N,), n_other=0, n_missing=0),
        CategoryReference(name="x", categories=(), counts=(), n_other=0, n_missing=N),
    ],
    ids=["one bin", "no value", "no category named", "one category", "no category"],
)
def test_a_column_that_has_one_bin_or_no_value_still_has_its_share_of_missing_cells(
    column: NumberReference | CategoryReference,
) -> None:
    streams = make_streams(replace(REFERENCE, columns=(column,)))
    names = [stream.name for stream in streams if stream.column == "x"]
    assert "x: missing" in names
    assert not any("place" in name or "spread" in name for name in names)


def test_what_is_not_the_dominant_value_is_looked_at_apart() -> None:
    gain = NumberReference(name="x", edges=(0.0, 10.0), counts=(900, 50, 50), n_missing=0)
    found = {each.name: each for each in make_streams(replace(REFERENCE, columns=(gain,)))}
    rest = found["x, the rest: place"]
    np.testing.assert_allclose(rest.values, [np.nan, 0.25, 0.75, np.nan])
    assert rest.mean == pytest.approx(0.5)
    assert rest.error > 3 * found["x: place"].error
    even = NumberReference(name="x", edges=(0.0, 10.0), counts=(500, 250, 250), n_missing=0)
    names = [each.name for each in make_streams(replace(REFERENCE, columns=(even,)))]
    assert not any("rest" in name for name in names)


def test_rare_categories_share_one_stream() -> None:
    categories = tuple(f"c{place:02}" for place in range(30))
    column = CategoryReference(
        name="x", categories=categories, counts=(10,) * 30, n_other=0, n_missing=0
    )
    streams = make_streams(replace(REFERENCE, n_rows=300, columns=(column,)))
    means = {stream.name: stream.mean for stream in streams}
    assert means["x = a rarer category"] == pytest.approx(1 / 3)
    assert "x = c19" in means
    assert "x = c20" not in means


def test_what_the_log_does_not_have_has_no_counts() -> None:
    daily = made([10, 20])
    daily = replace(daily, columns={"age": daily.columns["age"]}, labels={}, warned=None)
    streams = make_streams(REFERENCE)
    assert counts_by_source(streams, daily, ("no", "yes")).keys() == {
        ("column", "age"),
        ("probability", "yes"),
    }


def test_labels_are_in_the_order_of_the_reference() -> None:
    daily = made([10, 20])
    swapped = replace(daily, labels=dict(reversed(daily.labels.items())))
    for each in (daily, swapped):
        found = counts_by_source(make_streams(REFERENCE), each, ("no", "yes"))["labels", ""]
        assert found[:, 1].tolist() == daily.labels["yes"].tolist()
