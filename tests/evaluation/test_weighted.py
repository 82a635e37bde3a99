"""A row of weight 2 is a row that stands there twice, as scikit-learn has it."""

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from tabproof.evaluation.intervals import WEIGHTED, Sample
from tests.evaluation.samples import Codes, Floats, binormal, three_classes


def scikit_learns(y: Codes, proba: Floats, weights: Floats, threshold: float) -> dict[str, Any]:
    """Give the same metrics by scikit-learn's functions with sample_weight."""
    options = {"sample_weight": weights}
    is_binary = proba.shape[1] == 2
    predicted = (proba[:, 1] > threshold).astype(int) if is_binary else proba.argmax(axis=1)
    average = {**options, "average": "binary" if is_binary else "macro", "zero_division": 0}
    truth, scores = (y, proba[:, 1]) if is_binary else (np.eye(3)[y], proba)
    return {
        "average_precision": sk.average_precision_score(truth, scores, **options),
        "balanced_accuracy": sk.balanced_accuracy_score(y, predicted, **options),
        "precision": sk.precision_score(y, predicted, **average),
        "recall": sk.recall_score(y, predicted, **average),
        "f1": sk.f1_score(y, predicted, **average),
        "mcc": sk.matthews_corrcoef(y, predicted, **options),
        "brier": sk.brier_score_loss(y, proba, scale_by_half=is_binary, **options),
        "log_loss": sk.log_loss(y, proba, **options),
    }


@pytest.mark.parametrize("decimals", [1, 6])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_weighted_metrics_are_scikit_learns(n_classes: int, decimals: int) -> None:
    rng = np.random.default_rng(n_classes)
    y, proba = (
        binormal(rng, 90, 0.3, 0.75) if n_classes == 2 else three_classes(rng, [40, 30, 20], 0.8)
    )
    proba = np.round(proba, decimals)  # with one decimal most rows have equals
    proba[:, 0] = 1 - proba[:, 1:].sum(axis=1)
    proba = np.abs(proba)
    order = rng.permutation(len(y))
    y, proba = y[order], proba[order]
    sample = Sample(y, proba, 0.4 if n_classes == 2 else None)
    # Small whole numbers, many 0: as resamples have them.
    weights = rng.integers(0, 4, size=(20, len(y))).astype(float)
    sums = sample.sums(np.vstack([sample.in_order(row) for row in weights]))
    expected = [scikit_learns(y, proba, row, 0.4) for row in weights]
    for name in expected[0]:
        found = WEIGHTED[name](sample, sums)
        assert found == pytest.approx([row[name] for row in expected], abs=1e-12), name


def test_matthews_coefficient_is_0_where_one_label_is_predicted() -> None:
    sample = Sample(np.array([0, 1, 1]), np.tile([0.2, 0.8], (3, 1)), None)
    assert WEIGHTED["mcc"](sample, sample.sums(np.ones((1, 3)))).tolist() == [0]
