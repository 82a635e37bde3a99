"""Intervals by resamples are those of an independent bootstrap, and never a false certainty."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from tabproof.evaluation import intervals as ours
from tabproof.evaluation.intervals import WEIGHTED, bootstrap_intervals, share_interval
from tabproof.evaluation.metrics import score
from tests.evaluation.samples import Codes, Floats, binormal, three_classes, two_classes

NAMES = list(WEIGHTED)


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
    found = ours._resampled(sample, ["brier"], 100_000, 0)["brier"]
    expected = sum(len(part) * part.var(ddof=1) for part in (losses[:2], losses[2:])) / 5**2
    assert found.var() == pytest.approx(expected, rel=0.02)


def test_the_seed_decides_and_what_else_is_asked_for_does_not() -> None:
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


def test_a_model_that_always_says_the_same_is_no_certainty() -> None:
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
    truth = score(*binormal(rng, 200_000, 0.3, 0.85), names=names)
    held = dict.fromkeys(names, 0)
    for seed in range(100):
        found = intervals(*binormal(rng, 150, 0.3, 0.85), names, seed=seed)
        for name in names:
            held[name] += found[name][0] <= truth[name] <= found[name][1]
    for name, n_held in held.items():
        assert 0.90 <= n_held / 100 <= 0.99, name


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
