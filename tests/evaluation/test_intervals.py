"""Intervals hold the truth as often as they say."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from scipy.stats import bootstrap
from sklearn import metrics as sk

from tabproof.evaluation import intervals as ours
from tabproof.evaluation import measure
from tabproof.evaluation.intervals import Sample, bootstrap_intervals, share_interval
from tabproof.evaluation.metrics import score
from tabproof.evaluation_result import METRICS
from tests.evaluation.samples import Codes, Floats, binormal, three_classes, tiny, two_classes

OF_MORE = [name for name in METRICS if name != "specificity"]


def test_wilsons_interval_equals_the_published_example() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263.
    assert share_interval(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert share_interval(0 / 20, 20) == pytest.approx((0, 0.1611), abs=1e-4)


def test_the_interval_of_three_labels_mean_area_holds_the_truth_19_times_in_20() -> None:
    rng = np.random.default_rng(0)
    y, proba = three_classes(rng, [50_000, 30_000, 20_000], 1)
    truth = score(y, proba, names=["roc_auc"])["roc_auc"]
    assert truth is not None
    held = 0
    for _ in range(150):
        y, proba = three_classes(rng, [50, 30, 20], 1)
        estimate = measure(y, proba, names=["roc_auc"], n_bootstrap=0, seed=0)["roc_auc"]
        assert estimate.interval is not None
        held += estimate.interval[0] <= truth <= estimate.interval[1]
    assert 0.92 <= held / 150 <= 0.98


def test_shares_of_rows_have_wilsons_interval_of_their_own_rows() -> None:
    y = np.array([1] * 6 + [0] * 14)
    proba = two_classes([0.9] * 4 + [0.2] * 2 + [0.8] * 3 + [0.1] * 11)
    names = ["accuracy", "precision", "recall", "specificity"]
    found = measure(y, proba, names=names, n_bootstrap=0, seed=0)
    for name, n_right, n_rows in zip(names, (15, 4, 4, 11), (20, 7, 6, 14), strict=True):
        assert found[name].value == pytest.approx(n_right / n_rows)
        assert found[name].interval == pytest.approx(share_interval(n_right / n_rows, n_rows))


def test_the_threshold_moves_values_and_intervals_together() -> None:
    y, proba = binormal(np.random.default_rng(0), 200, 0.3, 0.8)
    options = {"names": ["recall", "f1", "roc_auc"], "n_bootstrap": 200, "seed": 0}
    default, low = measure(y, proba, **options), measure(y, proba, threshold=0.15, **options)
    assert low["recall"].low > default["recall"].high
    assert low["f1"].low <= low["f1"].value <= low["f1"].high
    assert low["roc_auc"] == default["roc_auc"]


def test_without_resamples_only_formulas_give_intervals() -> None:
    y, proba = binormal(np.random.default_rng(0), 100, 0.3, 0.8)
    found = measure(y, proba, names=METRICS, n_bootstrap=0, seed=0)
    assert {name for name, estimate in found.items() if estimate.interval} == {
        "roc_auc",
        "accuracy",
        "precision",
        "recall",
        "specificity",
    }
    assert all(estimate.value is not None for estimate in found.values())


def check_laws(y: Codes, proba: Floats, names: list[str]) -> None:
    found = measure(y, proba, names=names, n_bootstrap=50, seed=0)
    assert list(found) == names
    for name, estimate in found.items():
        assert (estimate.low is None) == (estimate.high is None), name
        if estimate.interval is not None:
            low, high = estimate.interval
            assert np.isfinite([low, high]).all(), name
            # DeLong's bounds are made of logits: they may round.
            assert low - 1e-12 <= estimate.value <= high + 1e-12, name


@given(tiny())
def test_a_value_of_two_labels_is_in_its_interval_for_any_rows(rows: tuple) -> None:
    check_laws(*rows, names=list(METRICS))


@given(tiny(n_classes=3))
def test_a_value_of_three_labels_is_in_its_interval_for_any_rows(rows: tuple) -> None:
    check_laws(*rows, names=OF_MORE)


# Those without a formula for an interval.
NAMES = ["average_precision", "balanced_accuracy", "precision", "recall", "f1", "mcc"]
NAMES += ["brier", "log_loss", "ece"]


def intervals(y: Codes, proba: Floats, names: list[str], n: int = 200, seed: int = 0) -> dict:
    values = {k: v for k, v in score(y, proba, names=names).items() if v is not None}
    return bootstrap_intervals(y, proba, values, threshold=None, n_bootstrap=n, seed=seed)


def test_intervals_of_means_are_those_of_scipys_stratified_bootstrap() -> None:
    y, proba = binormal(np.random.default_rng(0), 600, 0.4, 0.8)
    losses, right = (proba[:, 1] - y) ** 2, proba.argmax(axis=1) == y
    found = intervals(y, proba, ["brier", "balanced_accuracy"], n=4000)

    def brier(negative: Floats, positive: Floats, axis: int) -> Floats:
        return 0.6 * negative.mean(axis=axis) + 0.4 * positive.mean(axis=axis)

    def balanced(negative: Floats, positive: Floats, axis: int) -> Floats:
        return (negative.mean(axis=axis) + positive.mean(axis=axis)) / 2

    for name, values, statistic in (
        ("brier", losses, brier),
        ("balanced_accuracy", right.astype(float), balanced),
    ):
        theirs = bootstrap(
            (values[y == 0], values[y == 1]),
            statistic,
            n_resamples=4000,
            method="percentile",
            rng=np.random.default_rng(1),
        ).confidence_interval
        width = theirs.high - theirs.low
        assert found[name] == pytest.approx((theirs.low, theirs.high), abs=0.06 * width), name


def test_the_spread_of_a_label_of_two_rows_is_not_halved() -> None:
    # The unbiased variance of a stratified mean: the sum of (n_label / n)² s² / n_label.
    y, proba = np.array([0, 0, 1, 1, 1]), two_classes([0.1, 0.7, 0.2, 0.5, 0.9])
    losses = (proba[:, 1] - y) ** 2
    sample = ours.Sample(y, proba, None)
    drawn = ours._drawn(sample.counts, 100_000, seed=0)
    found = np.concatenate([sample.metrics(weights, ["brier"])["brier"] for weights in drawn])
    expected = sum(len(part) * part.var(ddof=1) for part in (losses[:2], losses[2:])) / 5**2
    assert found.var() == pytest.approx(expected, rel=0.02)


def test_the_seed_decides_and_what_else_is_requested_does_not() -> None:
    y, proba = binormal(np.random.default_rng(0), 150, 0.3, 0.8)
    once = intervals(y, proba, NAMES)
    assert once == intervals(y, proba, NAMES)
    assert once != intervals(y, proba, NAMES, seed=1)
    assert intervals(y, proba, ["f1"]) == {"f1": once["f1"]}


def test_memory_is_bounded_and_chunks_have_resamples_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ours, "CHUNK", 1000)
    chunks = list(ours._drawn(np.array([60, 40]), 25, seed=0))
    assert [chunk.shape for chunk in chunks] == [(10, 100), (10, 100), (5, 100)]
    rows = np.vstack(chunks)
    assert len(np.unique(rows, axis=0)) == 25
    assert rows[:, :60].sum(axis=1) == pytest.approx(60)
    assert rows[:, 60:].sum(axis=1) == pytest.approx(40)


def test_a_flawless_hold_out_is_no_certainty() -> None:
    y = np.array([0, 1, 2] * 12)
    found = intervals(y, np.eye(3)[y], NAMES)
    low, high = share_interval(1, 36)
    for name in ("balanced_accuracy", "precision", "recall", "f1"):
        assert found[name] == pytest.approx((low, high)), name
    for name in ("brier", "log_loss", "ece"):
        assert found[name][0] == pytest.approx(0, abs=1e-12)
        assert found[name][1] > 0.05
    assert found["average_precision"][0] < 0.9
    assert found["mcc"][0] < 0.9


def test_a_model_with_constant_predictions_gets_no_interval_of_zero_width() -> None:
    y = np.array([0, 1] * 12)
    found = intervals(y, np.full((24, 2), 0.5), ["f1", "mcc", "brier", "ece", "average_precision"])
    assert found["f1"] == (0, pytest.approx(1 - share_interval(1, 12)[0]))
    for name, (low, high) in found.items():
        assert high - low > 0.1, name


def test_one_row_of_a_label_gives_no_interval() -> None:
    y, proba = np.array([0, 0, 0, 1]), two_classes([0.1, 0.2, 0.6, 0.9])
    assert intervals(y, proba, ["f1", "brier"]) == {"f1": None, "brier": None}


def test_rows_that_lack_a_label_have_intervals_of_what_is_defined() -> None:
    y, proba = np.array([0, 0, 0, 0]), two_classes([0.1, 0.2, 0.6, 0.9])
    found = intervals(y, proba, [name for name in NAMES if name != "precision"])
    assert set(found) == {"brier", "log_loss", "ece"}
    assert all(low < high for low, high in found.values())


def test_intervals_hold_the_truth_19_times_in_20() -> None:
    rng = np.random.default_rng(0)
    names = ["f1", "mcc", "average_precision", "brier", "log_loss"]
    truth = score(*binormal(rng, 100_000, 0.3, 0.85), names=names)
    held = dict.fromkeys(names, 0)
    for seed in range(100):
        found = intervals(*binormal(rng, 150, 0.3, 0.85), names, seed=seed)
        for name in names:
            held[name] += found[name][0] <= truth[name] <= found[name][1]
    for name, n_held in held.items():
        assert 0.90 <= n_held / 100 <= 0.99, name


@pytest.mark.slow
def test_three_labels_as_well() -> None:
    rng = np.random.default_rng(0)
    names = ["f1", "average_precision", "brier"]
    truth = score(*three_classes(rng, [100_000, 60_000, 40_000], 1), names=names)
    held = dict.fromkeys(names, 0)
    for seed in range(100):
        found = intervals(*three_classes(rng, [75, 45, 30], 1), names, seed=seed)
        for name in names:
            held[name] += found[name][0] <= truth[name] <= found[name][1]
    for name, n_held in held.items():
        assert 0.90 <= n_held / 100 <= 0.99, name


def scikit_learns(y: Codes, proba: Floats, weights: Floats, threshold: float) -> dict[str, Any]:
    """Return the same metrics by scikit-learn's functions with sample_weight."""
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
    weights = rng.integers(0, 4, size=(6, len(y))).astype(float)
    expected = [scikit_learns(y, proba, row, 0.4) for row in weights]
    for name, found in sample.metrics(weights[:, sample.order], expected[0]).items():
        assert found == pytest.approx([row[name] for row in expected], abs=1e-12), name


def test_matthews_coefficient_is_0_where_one_label_is_predicted() -> None:
    sample = Sample(np.array([0, 1, 1]), np.tile([0.2, 0.8], (3, 1)), None)
    assert sample.metrics(np.ones((1, 3)), ["mcc"])["mcc"].tolist() == [0]
