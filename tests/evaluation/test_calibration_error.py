"""The calibration error and its interval, against scikit-learn's curve and known truths."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from tabproof.evaluation import measure
from tabproof.evaluation.metrics import calibration_bins, expected_calibration_error
from tests.evaluation.samples import binormal, three_classes, two_classes


def test_by_hand_it_is_the_mean_distance_of_claims_from_shares() -> None:
    # Ten rows said to be 20 % positive of which 4 are; ten said to be 90 % of which 9 are.
    y = np.array([1] * 4 + [0] * 6 + [1] * 9 + [0])
    assert expected_calibration_error(y, two_classes([0.2] * 10 + [0.9] * 10)) == pytest.approx(0.1)


def test_it_is_what_scikit_learns_curve_comes_to() -> None:
    y, proba = binormal(np.random.default_rng(0), 503, 0.3, 0.8, slope=2)
    shares, claimed = calibration_curve(y, proba[:, 1], n_bins=10, strategy="quantile")
    n_rows = np.bincount(calibration_bins(proba[:, 1]))
    assert n_rows.tolist() == pytest.approx([50] * 10, abs=1)
    expected = np.average(np.abs(shares - claimed), weights=n_rows)
    assert expected_calibration_error(y, proba) == pytest.approx(expected, abs=1e-12)


def test_of_three_labels_it_is_that_of_the_likeliest() -> None:
    proba = np.array([[0.7, 0.2, 0.1]] * 10)
    y = np.array([0] * 5 + [1] * 3 + [2] * 2)
    assert expected_calibration_error(y, proba) == pytest.approx(0.2)


def test_equal_probabilities_lie_in_one_bin() -> None:
    confidence = np.repeat([0.1, 0.5, 0.9], [40, 3, 40])
    bins = calibration_bins(confidence)
    assert [len(set(bins[confidence == value])) for value in (0.1, 0.5, 0.9)] == [1, 1, 1]


@pytest.mark.parametrize(("slope", "n"), [(1.0, 200), (1.5, 200), (1.5, 1000)])
def test_the_interval_holds_the_true_error_19_times_in_20(slope: float, n: int) -> None:
    rng = np.random.default_rng(0)
    truth = expected_calibration_error(*binormal(rng, 200_000, 0.3, 0.8, slope))
    held = 0
    for seed in range(80):
        y, proba = binormal(rng, n, 0.3, 0.8, slope)
        estimate = measure(y, proba, names=["ece"], n_bootstrap=200, seed=seed)["ece"]
        assert estimate.interval is not None
        held += estimate.interval[0] <= truth <= estimate.interval[1]
    assert 0.90 <= held / 80 <= 0.99


def test_a_calibrated_model_may_have_no_error_and_a_bad_one_has() -> None:
    rng = np.random.default_rng(1)
    good = measure(*binormal(rng, 1000, 0.3, 0.8), names=["ece"], n_bootstrap=300, seed=0)["ece"]
    assert good.interval is not None
    assert good.interval[0] == 0
    bad = measure(*binormal(rng, 1000, 0.3, 0.8, 4), names=["ece"], n_bootstrap=300, seed=0)["ece"]
    assert bad.interval is not None
    assert bad.interval[0] > 0.05


def test_three_labels_have_an_interval_around_it() -> None:
    y, proba = three_classes(np.random.default_rng(0), [100, 60, 40], 1)
    estimate = measure(y, proba, names=["ece"], n_bootstrap=200, seed=0)["ece"]
    assert estimate.interval is not None
    assert estimate.value is not None
    assert estimate.interval[0] <= estimate.value <= estimate.interval[1]
