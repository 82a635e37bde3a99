"""Metrics, against numbers worked out by hand."""

import numpy as np
import pytest

from src.evaluation import evaluate


def two_classes(positive: list[float]) -> np.ndarray:
    return np.column_stack([1 - np.array(positive), positive])


def test_binary_metrics_equal_those_worked_out_by_hand() -> None:
    metrics = evaluate(np.array([0, 0, 1, 1]), two_classes([0.1, 0.4, 0.35, 0.8]))
    assert metrics.roc_auc == 0.75  # 3 of the 4 pairs are in order
    assert metrics.accuracy == 0.75
    assert metrics.balanced_accuracy == 0.75
    assert metrics.f1 == pytest.approx(2 / 3)
    assert metrics.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert metrics.brier == pytest.approx((0.1**2 + 0.4**2 + 0.65**2 + 0.2**2) / 4)
    assert metrics.log_loss == pytest.approx(-np.log([0.9, 0.6, 0.35, 0.8]).sum() / 4)


def test_perfect_probabilities_are_perfect_in_every_metric() -> None:
    metrics = evaluate(np.array([0, 1, 2, 0, 1, 2]), np.tile(np.eye(3), (2, 1)))
    assert (metrics.roc_auc, metrics.accuracy, metrics.f1, metrics.average_precision) == (1,) * 4
    assert metrics.brier == 0
    assert metrics.log_loss == pytest.approx(0, abs=1e-9)


def test_which_class_is_positive_does_not_change_the_auc() -> None:
    y, proba = np.array([0, 0, 1, 1, 1]), two_classes([0.2, 0.6, 0.3, 0.7, 0.9])
    assert evaluate(1 - y, proba[:, ::-1]).roc_auc == pytest.approx(evaluate(y, proba).roc_auc)
