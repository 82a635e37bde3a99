"""The band around a ROC curve; curves of several runs, the area under which is a metric."""

from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_curve

from tabproof.evaluation.metrics import score
from tabproof.report.format import Texts
from tabproof.report.plots.curves import (
    MAX_RUNS,
    draw_overlays,
    precision_recall,
    reliability,
    roc,
    roc_band,
)
from tabproof.report.plots.material import HoldOut, Points
from tests.report.contenders import ODD, held_out

TEXTS = Texts("sweep", "en")


def band_at(points: Points, x: float) -> tuple[float, float]:
    """Return the lower and the upper edge of a band at x."""
    band = np.column_stack(points)
    top = int(np.flatnonzero((band == 1).all(axis=1))[0])
    upper, lower = band[: top + 1], band[top:][::-1]
    return (
        float(lower[lower[:, 0] <= x, 1].max(initial=0)),
        float(upper[upper[:, 0] <= x, 1].max(initial=0)),
    )


def test_the_band_holds_its_curve_and_is_wide_where_rows_are_few() -> None:
    x, y = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0])
    few, many = (roc_band(x, y, np.repeat([0, 1], n)) for n in (5, 500))
    assert np.min(few) >= 0
    assert np.max(few) <= 1
    # A perfect curve of five rows is not certain to be perfect.
    assert band_at(few, 0.5)[0] < 0.6 < 0.98 < band_at(many, 0.5)[0]


def test_the_true_curve_is_in_the_band_at_least_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    rates = (0.1, 0.3, 0.6)
    truths = norm.cdf(norm.ppf(rates) + 1.2)
    y = np.repeat([0, 1], [140, 60])
    inside = np.zeros(len(rates))
    for _ in range(200):
        band = roc_band(*roc_curve(y, rng.normal(size=200) + 1.2 * y)[:2], y)
        low, high = np.transpose([band_at(band, rate) for rate in rates])
        inside += (low <= truths) & (truths <= high)
    assert inside.min() / 200 >= 0.95


def tied(hold_out: HoldOut) -> HoldOut:
    """Return few different probabilities, so that curves have corners."""
    rounded = np.round(hold_out.proba, 1) + 0.01
    return HoldOut(hold_out.y, rounded / rounded.sum(axis=1, keepdims=True))


def elements_of(svg: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(svg).iter())  # noqa: S314 - what we wrote ourselves


@pytest.mark.parametrize("n_labels", [2, 3, 5])
@pytest.mark.parametrize("with_ties", [False, True])
def test_areas_under_curves_are_the_metrics(n_labels: int, with_ties: bool) -> None:
    hold_out = held_out(2, n_labels=n_labels, n_rows=101)
    if with_ties:
        hold_out = tied(hold_out)
    metrics = score(hold_out.y, hold_out.proba, names=["roc_auc", "average_precision"])
    x, y = roc(hold_out)
    assert np.trapezoid(y, x) == pytest.approx(metrics["roc_auc"], abs=1e-12)
    x, y = precision_recall(hold_out)
    assert np.trapezoid(y, x) == pytest.approx(metrics["average_precision"], abs=1e-12)


def test_curves_begin_and_end_where_they_must() -> None:
    for n_labels in (2, 4):
        x, y = roc(held_out(2, n_labels=n_labels))
        assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
        assert (np.diff(x) >= 0).all()
        assert (np.diff(y) >= 0).all()
        x, _ = precision_recall(held_out(2, n_labels=n_labels))
        assert (x[0], x[-1]) == (0, 1)


def test_what_always_comes_true_lies_on_the_diagonal() -> None:
    y = np.array([0, 1] * 50)
    claimed, observed = reliability(HoldOut(y, np.eye(2)[y]))
    assert (claimed == observed).all()


@pytest.mark.parametrize(("n_labels", "language"), [(2, "ja"), (3, "en")])
def test_pictures_hold_every_run_by_name(n_labels: int, language: str) -> None:
    runs = {name: held_out(2, n, n_labels, 100) for n, name in enumerate([*ODD[:3], "d"])}
    pictures = draw_overlays(runs, "adult", "group-0", Texts("sweep", language))
    assert list(pictures) == ["roc", "precision_recall", "reliability"]
    for svg in pictures.values():
        texts = {each.text for each in elements_of(svg) if each.tag.endswith("text")}
        assert texts >= {*ODD[:3], "d"}


def test_more_runs_than_colours_are_left_out() -> None:
    runs = {f"run {n}": held_out(2, n, n_rows=50) for n in range(MAX_RUNS + 2)}
    svg = draw_overlays(runs, "adult", "group-0", TEXTS)["roc"]
    assert f"run {MAX_RUNS - 1}" in svg
    assert f"run {MAX_RUNS}" not in svg


def test_ids_in_pictures_of_one_page_do_not_clash() -> None:
    runs = {"a": held_out(2)}
    found = [
        {element.get("id") for element in elements_of(svg)} - {None}
        for prefix in ("group-0", "group-1")
        for svg in draw_overlays(runs, "adult", prefix, TEXTS).values()
    ]
    assert sum(map(len, found)) == len(set().union(*found))


def test_rows_of_one_label_have_no_curves_but_a_reliability() -> None:
    one_label = HoldOut(np.zeros(20, np.int64), np.full((20, 2), 0.5))
    assert list(draw_overlays({"a": one_label}, "adult", "g", TEXTS)) == ["reliability"]
    assert draw_overlays({}, "adult", "g", TEXTS) == {}


def test_a_large_hold_out_makes_no_large_picture() -> None:
    runs = {f"run {n}": held_out(2, n, n_rows=20_000) for n in range(2)}
    pictures = draw_overlays(runs, "adult", "g", TEXTS)
    assert max(map(len, pictures.values())) < 50_000
