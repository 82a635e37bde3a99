"""Intervals hold the truth as often as they say."""

import numpy as np
import pytest
from hypothesis import given, settings

from tabproof.evaluation import measure, small_hold_out
from tabproof.evaluation.intervals import share_interval
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
    found = measure(y, proba, names=names, n_bootstrap=100, seed=0)
    assert list(found) == names
    for name, estimate in found.items():
        assert (estimate.low is None) == (estimate.high is None), name
        if estimate.interval is not None:
            low, high = estimate.interval
            assert np.isfinite([low, high]).all(), name
            # DeLong's bounds are made of logits: they may round.
            assert low - 1e-12 <= estimate.value <= high + 1e-12, name


@settings(max_examples=70, deadline=None)
@given(tiny())
def test_whatever_the_rows_of_two_labels_the_value_lies_in_its_interval(rows: tuple) -> None:
    check_laws(*rows, names=list(METRICS))


@settings(max_examples=40, deadline=None)
@given(tiny(n_classes=3))
def test_whatever_the_rows_of_three_labels_the_value_lies_in_its_interval(rows: tuple) -> None:
    check_laws(*rows, names=OF_MORE)


def test_a_small_hold_out_is_reported_in_words_with_its_labels() -> None:
    y = np.array([0] * 30 + [1] * 9 + [2])
    (found,) = small_hold_out(y, ["good", "悪い", "<b>"])
    assert found.check == "small_hold_out"
    assert found.facts == {"n_rows": 40, "n_by_label": {"悪い": 9, "<b>": 1}}
    assert found.message.startswith("the hold-out has few rows: 9 of '悪い', 1 of '<b>';")
    assert "a single row" in found.message
    assert small_hold_out(np.array([0, 1] * 10), ["a", "b"]) == []
