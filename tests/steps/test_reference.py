"""Counts of training rows: equal bins of several rows each, and nothing of a single row."""

from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer

from tabproof.artifacts.reference import (
    CategoryReference,
    ColumnReference,
    DateReference,
    NumberReference,
    Reference,
    TextReference,
)
from tabproof.steps.reference import make_reference

RNG = np.random.default_rng(0)
PROBA = np.array([[0.9, 0.1], [0.4, 0.6], [0.95, 0.05], [0.0, 1.0]])
NUMBERS = {
    "normal": RNG.normal(size=1000),
    "few rows": RNG.normal(size=23),
    "eleven values": RNG.integers(0, 11, 1000).astype(float),
    "mostly zero": np.where(RNG.random(1000) < 0.9, 0.0, RNG.normal(size=1000)),
    "twenty frequent values": np.repeat(np.arange(20.0), 50) + np.tile([0.0] * 49 + [0.5], 20),
    "geometric": RNG.geometric(0.05, 700).astype(float),
    "neighbours among the floats": np.repeat([1.0, np.nextafter(1.0, 2)], 4).repeat(2),
    "extreme": np.array([-1e308, 1e308, 0, 5e-324] * 6),
    "large": RNG.normal(1e15, 1, 200),
}


def reference_of(column: Any, y: NDArray[np.int64] | None = None) -> Reference:
    X = pd.DataFrame({"x": column})
    y = np.arange(len(X)) % 2 if y is None else y
    return make_reference(X, y, ["no", "yes"], PROBA)


def column_of(column: Any) -> ColumnReference:
    return reference_of(column).columns[0]


@pytest.mark.parametrize("values", NUMBERS.values(), ids=NUMBERS)
def test_bins_hold_the_rows_that_their_edges_say(values: NDArray[np.float64]) -> None:
    found = column_of(np.append(values, [np.nan, np.nan]))
    assert isinstance(found, NumberReference)
    assert found.n_missing == 2
    # edges[i-1] < x <= edges[i]
    places = np.searchsorted(found.edges, values, side="left")
    assert np.bincount(places, minlength=len(found.counts)).tolist() == list(found.counts)
    assert min(found.counts) >= 5
    assert len(found.counts) <= 20


@pytest.mark.parametrize("values", NUMBERS.values(), ids=NUMBERS)
def test_an_edge_is_no_value_of_a_single_row(values: NDArray[np.float64]) -> None:
    found = column_of(values)
    assert isinstance(found, NumberReference)
    distinct, counts = np.unique(values, return_counts=True)
    is_rare = dict(zip(distinct.tolist(), (counts < 5).tolist(), strict=True))
    for edge in found.edges:
        if is_rare.get(edge, False):
            # Nothing lies between this value and the next.
            following = distinct[np.searchsorted(distinct, edge, side="right")]
            assert np.nextafter(edge, np.inf) == following


def test_the_bins_of_distinct_values_are_about_equal() -> None:
    found = column_of(RNG.permutation(1000.0 + np.arange(1000)))
    assert found == NumberReference(
        name="x",
        edges=tuple(1000 + 50 * place - 0.5 for place in range(1, 20)),
        counts=(50,) * 20,
        n_missing=0,
    )


def test_a_frequent_value_is_a_bin_of_its_own() -> None:
    found = column_of(np.array([*np.arange(1.0, 51.0), *[60.0] * 40, *np.arange(61.0, 111.0)]))
    assert isinstance(found, NumberReference)
    place = found.edges.index(60.0)
    assert found.counts[place] == 40
    assert found.edges[place - 1] == 55


@pytest.mark.parametrize("n", [0, 1, 4, 9])
def test_fewer_rows_than_two_bins_need_are_one_bin(n: int) -> None:
    found = column_of(np.append(np.arange(float(n)), np.nan))
    assert found == NumberReference(name="x", edges=(), counts=(n,), n_missing=1)


def test_the_order_of_rows_does_not_matter() -> None:
    X = pd.DataFrame(
        {
            "n": RNG.normal(size=300),
            "c": pd.Series(RNG.choice([*"abcd"], 300), dtype="category"),
            "t": pd.Series(["x" * n for n in RNG.integers(0, 50, 300)], dtype="str"),
        }
    )
    y = RNG.integers(0, 2, 300)
    order = RNG.permutation(300)
    one = make_reference(X, y, ["no", "yes"], PROBA)
    other = make_reference(X.iloc[order], y[order], ["no", "yes"], PROBA[::-1])
    assert one.to_json() == other.to_json()


@pytest.mark.parametrize("name", sorted(NUMBERS.keys() - {"extreme"}))
def test_the_unit_of_a_column_does_not_matter(name: str) -> None:
    # A power of 2, so that no value is rounded.
    assert column_of(NUMBERS[name]).counts == column_of(NUMBERS[name] * 1024).counts


def test_categories_of_few_rows_are_counted_together() -> None:
    cells = ["often"] * 7 + ["b"] * 5 + ["a"] * 5 + ["Mr Smith"] * 4 + [None] * 2
    found = reference_of(pd.Series(cells, dtype="category"))
    assert found.columns[0] == CategoryReference(
        name="x", categories=("often", "a", "b"), counts=(7, 5, 5), n_other=4, n_missing=2
    )
    assert "Smith" not in found.to_json()


def test_at_most_a_hundred_categories_are_named() -> None:
    cells = np.repeat([f"c{place:03}" for place in range(120)], 5)
    found = column_of(pd.Series(cells, dtype="category"))
    assert isinstance(found, CategoryReference)
    assert len(found.categories) == 100
    assert found.n_other == 100


def test_texts_are_lengths_only() -> None:
    texts = ["短い"] * 6 + ["a longer text"] * 6 + [None]
    found = reference_of(pd.Series(texts, dtype="str"))
    assert found.columns[0] == TextReference(name="x", edges=(2,), counts=(6, 6), n_missing=1)
    assert "longer" not in found.to_json()


def test_dates_are_microseconds() -> None:
    days = pd.to_datetime(["2026-01-01"] * 6 + ["2026-01-02"] * 6 + [None]).as_unit("us")
    found = column_of(days)
    midnight = int(pd.Timestamp("2026-01-01", tz="UTC").timestamp()) * 10**6
    assert found == DateReference(name="x", edges=(midnight,), counts=(6, 6), n_missing=1)


def test_probabilities_and_predicted_labels_are_of_the_held_out_rows() -> None:
    X = pd.DataFrame({"x": np.arange(8.0)})
    y = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    found = make_reference(X, y, ["no", "yes"], PROBA, threshold=0.6)
    assert found.labels == {"no": 5, "yes": 3}
    # Above the threshold, as in the run.
    assert found.predicted == {"no": 3, "yes": 1}
    yes = found.probabilities["yes"]
    assert [place for place, n in enumerate(yes.counts) if n] == [0, 1, 11, 19]
    assert Reference.from_json(found.to_json().encode()) == found


def test_it_takes_a_small_part_of_a_run() -> None:
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    proba = np.column_stack([y, 1 - y]).astype(float)
    seconds = []
    for _ in range(5):
        began = perf_counter()
        make_reference(X, y.to_numpy(), ["no", "yes"], proba).to_json()
        seconds.append(perf_counter() - began)
    # Measured: 0.004.
    assert min(seconds) < 0.02
