"""Distances of counts, and how far chance takes them."""

import numpy as np
import pytest

from tabproof.monitoring.distances import (
    distribution,
    index_by_chance,
    population_stability_index,
    total_variation,
)


def test_equal_shares_have_no_distance() -> None:
    assert population_stability_index([10, 30], [100, 300]) == pytest.approx(0, abs=1e-3)
    assert total_variation([10, 30], [100, 300]) == 0


def test_the_index_is_that_of_the_formula() -> None:
    # Half a row more in each bin.
    p, q = np.array([0.2, 0.8]), np.array([0.5, 0.5])
    expected = ((p - q) * np.log(p / q)).sum()
    counts = np.array([200_000, 800_000]), np.array([500_000, 500_000])
    found = population_stability_index(counts[1].tolist(), counts[0].tolist())
    assert found == pytest.approx(expected, rel=1e-4)
    assert total_variation(counts[1].tolist(), counts[0].tolist()) == pytest.approx(0.3)


def test_a_bin_without_rows_is_finite() -> None:
    found = population_stability_index([0, 100], [100, 0])
    assert np.isfinite(found)
    assert total_variation([0, 100], [100, 0]) == 1


@pytest.mark.parametrize(("n_rows", "n_bins"), [(200, 5), (2_000, 20), (500, 3)])
def test_chance_exceeds_its_bound_in_one_of_twenty_periods(n_rows: int, n_bins: int) -> None:
    rng = np.random.default_rng(n_rows)
    shares = rng.dirichlet(np.full(n_bins, 5.0))
    beyond = 0
    for _ in range(400):
        reference, period = (rng.multinomial(n, shares).tolist() for n in (5_000, n_rows))
        beyond += population_stability_index(reference, period) > index_by_chance(reference, period)
    # 20 are expected, with a standard deviation of 4.
    assert 4 <= beyond <= 36


def test_few_rows_have_no_distance() -> None:
    found = distribution("age", "number", ["a", "b"], [50, 50], np.array([10, 19]))
    assert (found.psi, found.total_variation, found.n_rows) == (None, None, 29)
    assert not found.is_beyond_chance
