"""What probabilities imply is what labels drawn by them tell."""

import numpy as np
import pytest

from tabproof.evaluation.metrics import score
from tabproof.monitoring.expected import implied_auc, of_arrays


def drawn(proba: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (rng.random((len(proba), 1)) > proba.cumsum(axis=1)).sum(axis=1)


@pytest.mark.parametrize("n_labels", [2, 3])
def test_metrics_are_those_of_labels_drawn_by_the_probabilities(n_labels: int) -> None:
    rng = np.random.default_rng(n_labels)
    proba = rng.dirichlet(np.full(n_labels, 0.7), 20_000)
    predicted = proba.argmax(axis=1)
    found = of_arrays(proba, predicted)
    y = drawn(proba, rng)
    measured = score(y, proba, names=["roc_auc", "log_loss"])
    assert found["accuracy"] == pytest.approx((predicted == y).mean(), abs=0.01)
    assert found["roc_auc"] == pytest.approx(measured["roc_auc"], abs=0.01)
    assert found["log_loss"] == pytest.approx(measured["log_loss"], abs=0.02)


def test_the_implied_auc_is_the_mean_over_all_pairs() -> None:
    p = np.array([0.1, 0.4, 0.4, 0.9])
    weights = p[:, None] * (1 - p)[None, :]
    np.fill_diagonal(weights, 0)
    order = (p[:, None] > p[None, :]) + 0.5 * (p[:, None] == p[None, :])
    expected = (weights * order).sum() / weights.sum()
    found = of_arrays(np.column_stack([1 - p, p]), (p > 0.5).astype(np.int64))
    assert found["roc_auc"] == pytest.approx(expected)


def test_probabilities_without_doubt_of_one_label_imply_no_auc() -> None:
    zeros = np.zeros(3)
    assert implied_auc(np.array([5.0, 0, 0]), zeros, 0.0) is None
    sure = np.column_stack([np.ones(5), np.zeros(5)])
    found = of_arrays(sure, np.zeros(5, np.int64))
    assert found == {"accuracy": 1.0, "roc_auc": None, "log_loss": 0.0}
