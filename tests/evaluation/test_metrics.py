"""Metrics, against numbers worked out by hand and scikit-learn's own functions."""

import numpy as np
import pytest
from hypothesis import given
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from tabproof.evaluation import measure
from tabproof.evaluation.metrics import (
    calibration_bins,
    predicted_codes,
    score,
)
from tabproof.evaluation_result import (
    LOWER_IS_BETTER,
    METRICS,
)
from tests.evaluation.samples import Codes, Floats, binormal, three_classes, tiny, two_classes

OF_MORE = [name for name in METRICS if name != "specificity"]


def calibration_error(y: Codes, proba: Floats) -> float:
    return score(y, proba, names=["ece"])["ece"] or 0.0


def test_lower_is_better_of_some_metrics() -> None:
    assert set(METRICS) > LOWER_IS_BETTER


def test_metrics_of_two_labels_equal_those_worked_out_by_hand() -> None:
    found = score(np.array([0, 0, 1, 1]), two_classes([0.1, 0.4, 0.35, 0.8]), names=METRICS)
    assert found == pytest.approx(
        {
            "roc_auc": 0.75,  # 3 of the 4 pairs are in order
            "average_precision": (1 + 2 / 3) / 2,
            "accuracy": 0.75,
            "balanced_accuracy": 0.75,
            "precision": 1,
            "recall": 0.5,
            "specificity": 1,
            "f1": 2 / 3,
            "mcc": 2 / np.sqrt(1 * 2 * 2 * 3),  # TP·TN - FP·FN over the root of the margins
            "brier": (0.1**2 + 0.4**2 + 0.65**2 + 0.2**2) / 4,
            "log_loss": -np.log([0.9, 0.6, 0.35, 0.8]).sum() / 4,
            "ece": (0.1 + 0.4 + 0.65 + 0.2) / 4,  # a row in each bin
        }
    )


def test_matthews_coefficient_equals_the_example_that_scikit_learn_publishes() -> None:
    y, predicted = np.array([1, 1, 1, 0]), [1.0, 0.0, 1.0, 1.0]
    assert round(score(y, two_classes(predicted), names=["mcc"])["mcc"] or 0, 2) == -0.33


def test_metrics_of_two_labels_are_scikit_learns() -> None:
    y, proba = binormal(np.random.default_rng(0), 300, 0.3, 0.8)
    positive, predicted = proba[:, 1], (proba[:, 1] >= 0.3).astype(int)
    found = score(y, proba, names=METRICS, threshold=0.3)
    del found["ece"]
    assert found == {
        "roc_auc": sk.roc_auc_score(y, positive),
        "average_precision": sk.average_precision_score(y, positive),
        "accuracy": sk.accuracy_score(y, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(y, predicted),
        "precision": sk.precision_score(y, predicted),
        "recall": sk.recall_score(y, predicted),
        "specificity": sk.recall_score(y, predicted, pos_label=0),
        "f1": sk.f1_score(y, predicted),
        "mcc": sk.matthews_corrcoef(y, predicted),
        "brier": pytest.approx(sk.brier_score_loss(y, positive), abs=1e-12),
        "log_loss": sk.log_loss(y, proba),
    }


def test_metrics_of_three_labels_are_scikit_learns() -> None:
    y, proba = three_classes(np.random.default_rng(0), [60, 30, 10], 1)
    predicted = proba.argmax(axis=1)
    found = score(y, proba, names=OF_MORE)
    del found["ece"]
    assert found == {
        "roc_auc": sk.roc_auc_score(y, proba, multi_class="ovr"),
        "average_precision": sk.average_precision_score(np.eye(3)[y], proba),
        "accuracy": sk.accuracy_score(y, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(y, predicted),
        "precision": sk.precision_score(y, predicted, average="macro"),
        "recall": sk.recall_score(y, predicted, average="macro"),
        "f1": sk.f1_score(y, predicted, average="macro"),
        "mcc": sk.matthews_corrcoef(y, predicted),
        "brier": pytest.approx(sk.brier_score_loss(y, proba, scale_by_half=False), abs=1e-12),
        "log_loss": sk.log_loss(y, proba),
    }


def test_perfect_probabilities_are_perfect_in_every_metric() -> None:
    found = score(np.array([0, 1, 2, 0, 1, 2]), np.tile(np.eye(3), (2, 1)), names=OF_MORE)
    for name, value in found.items():
        assert value == pytest.approx(0 if name in LOWER_IS_BETTER else 1, abs=1e-9), name


def test_the_auc_does_not_depend_on_the_positive_class() -> None:
    y, proba = np.array([0, 0, 1, 1, 1]), two_classes([0.2, 0.6, 0.3, 0.7, 0.9])
    other = score(1 - y, proba[:, ::-1], names=["roc_auc"])
    assert other == pytest.approx(score(y, proba, names=["roc_auc"]))


def test_a_threshold_reports_above_it_and_the_default_above_one_half() -> None:
    proba = two_classes([0.3, 0.5, 0.7])
    assert predicted_codes(proba, 0.3).tolist() == [0, 1, 1]
    assert predicted_codes(proba, 0.7).tolist() == [0, 0, 0]
    for default in (None, 0.5):
        assert predicted_codes(proba, default).tolist() == [0, 0, 1]


def test_with_more_labels_the_most_probable_is_predicted() -> None:
    assert predicted_codes(np.array([[0.4, 0.4, 0.2], [0.1, 0.2, 0.7]])).tolist() == [0, 2]


@given(tiny())
def test_a_number_is_finite_or_none_whatever_the_rows_of_two_labels(rows: tuple) -> None:
    found = score(*rows, names=METRICS, threshold=0.25)
    assert all(value is None or np.isfinite(value) for value in found.values())
    lacks_label = len(np.unique(rows[0])) < 2
    for name in ("roc_auc", "average_precision", "balanced_accuracy", "mcc"):
        assert (found[name] is None) == lacks_label
    assert (found["recall"] is None) == (1 not in rows[0]) == (found["f1"] is None)


@given(tiny(n_classes=3))
def test_a_number_is_finite_or_none_whatever_the_rows_of_three_labels(rows: tuple) -> None:
    found = score(*rows, names=OF_MORE)
    assert all(value is None or np.isfinite(value) for value in found.values())
    assert (found["f1"] is None) == (len(np.unique(rows[0])) < 3)


def test_precision_of_no_row_is_not_defined_and_of_a_label_never_predicted_counts_0() -> None:
    y = np.array([0, 1, 0, 1])
    assert score(y, two_classes([0.1] * 4), names=["precision"]) == {"precision": None}
    always_first = np.tile([0.5, 0.3, 0.2], (3, 1))
    assert score(np.arange(3), always_first, names=["precision"]) == {"precision": 1 / 3 / 3}


def test_by_hand_it_is_the_mean_distance_of_claims_from_shares() -> None:
    # Ten rows said to be 20 % positive of which 4 are; ten said to be 90 % of which 9 are.
    y = np.array([1] * 4 + [0] * 6 + [1] * 9 + [0])
    assert calibration_error(y, two_classes([0.2] * 10 + [0.9] * 10)) == pytest.approx(0.1)


def test_it_is_what_scikit_learns_curve_comes_to() -> None:
    y, proba = binormal(np.random.default_rng(0), 503, 0.3, 0.8, slope=2)
    shares, claimed = calibration_curve(y, proba[:, 1], n_bins=10, strategy="quantile")
    n_rows = np.bincount(calibration_bins(proba[:, 1]))
    assert n_rows.tolist() == pytest.approx([50] * 10, abs=1)
    expected = np.average(np.abs(shares - claimed), weights=n_rows)
    assert calibration_error(y, proba) == pytest.approx(expected, abs=1e-12)


def test_with_three_labels_it_is_that_of_the_most_probable() -> None:
    proba = np.array([[0.7, 0.2, 0.1]] * 10)
    y = np.array([0] * 5 + [1] * 3 + [2] * 2)
    assert calibration_error(y, proba) == pytest.approx(0.2)


def test_equal_probabilities_are_in_one_bin() -> None:
    confidence = np.repeat([0.1, 0.5, 0.9], [40, 3, 40])
    bins = calibration_bins(confidence)
    assert [len(set(bins[confidence == value])) for value in (0.1, 0.5, 0.9)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("slope", "n"), [(1.0, 200), (1.5, 200), pytest.param(1.5, 1000, marks=pytest.mark.slow)]
)
def test_the_interval_holds_the_true_error_19_times_in_20(slope: float, n: int) -> None:
    rng = np.random.default_rng(0)
    truth = calibration_error(*binormal(rng, 200_000, 0.3, 0.8, slope))
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
    # Sums of a matrix product: their last bit depends on the processor.
    assert good.interval[0] == pytest.approx(0, abs=1e-12)
    bad = measure(*binormal(rng, 1000, 0.3, 0.8, 4), names=["ece"], n_bootstrap=300, seed=0)["ece"]
    assert bad.interval is not None
    assert bad.interval[0] > 0.05


def test_three_labels_have_an_interval_around_it() -> None:
    y, proba = three_classes(np.random.default_rng(0), [100, 60, 40], 1)
    estimate = measure(y, proba, names=["ece"], n_bootstrap=200, seed=0)["ece"]
    assert estimate.interval is not None
    assert estimate.value is not None
    assert estimate.interval[0] <= estimate.value <= estimate.interval[1]
