"""Material for pictures, made up, and what is written in them."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

import numpy as np

from tabproof.evaluation_result import (
    Decision,
    Dependence,
    Estimate,
    Evidence,
    Group,
    Importance,
    LearningPoint,
    Slice,
)
from tabproof.report.format import Texts
from tabproof.report.plots import PLOTS, Material
from tests.report.plots.searched import made_up

SVG = "{http://www.w3.org/2000/svg}"
GRID = [{"clf__rate": rate, "clf__depth": depth} for rate in (0.05, 0.1) for depth in (None, 4, 8)]


def material_of(labels: Sequence[str], n_rows: int = 200, **given: Any) -> Material:
    """Make all there can be, of probabilities that are right; given: of the evidence."""
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(len(labels)), n_rows)
    y = np.array([rng.choice(len(labels), p=row) for row in proba], dtype=np.int64)
    estimate = Estimate(0.75, 0.7, 0.8)
    numbers = [float(n) for n in range(5)]
    groups = [
        Group(
            name, n, [n // 2] * len(labels), {"roc_auc": estimate}, [estimate] * len(labels), small
        )
        for name, n, small in (("one", 150, False), ("two", 10, True))
    ]
    values = {
        "decision": Decision("default", 0.5 if len(labels) == 2 else None),
        "metrics": {"roc_auc": estimate, "accuracy": estimate, "ece": Estimate(0.1)},
        "slices": [Slice("sex", groups, [0.8] * len(labels))],
        "importances": [Importance(f"c{n}", Estimate(n / 10, None, None)) for n in range(25)],
        "dependences": [
            Dependence("age", labels[-1], numbers, [0.1, 0.2, 0.3, 0.4, 0.5], [0.2] * 5),
            Dependence("job", labels[-1], list("abcdefghi"), [0.3] * 9, [1 / 9] * 9),
        ],
        "learning_curve": [LearningPoint(n, estimate, estimate) for n in (50, 100, 400)],
        **given,
    }
    evidence = Evidence(
        labels=labels,
        n_train=400,
        n_test=n_rows,
        n_by_label=np.bincount(y, minlength=len(labels)).tolist(),
        calibration="none",
        **values,
    )
    return Material(evidence, y, proba, made_up(GRID), "roc_auc", "a table, full")


def nothing(labels: Sequence[str]) -> Material:
    """Make what a run has whose hold-out and search gave nothing."""
    decision = Decision("default", None)
    evidence = Evidence(labels, 0, 0, [0] * len(labels), {}, "none", decision)
    empty = np.empty((0, len(labels)))
    return Material(evidence, np.empty(0, np.int64), empty, None, "", "nothing")


def draw(material: Material, *names: str, language: str = "en") -> dict[str, str]:
    """Draw some plots only."""
    plots = {name: PLOTS[name](material, Texts("plots", language)) for name in names}
    return {name: plot.to_svg(name) for name, plot in plots.items() if plot is not None}


def parsed(picture: str | bytes) -> ElementTree.Element:
    """Read a picture."""
    return ElementTree.fromstring(picture)  # noqa: S314 - what we wrote ourselves


def texts_of(picture: str) -> list[str]:
    """Return all texts of a plot."""
    return [element.text or "" for element in parsed(picture).iter(f"{SVG}text")]


def all_texts(pictures: Mapping[str, str]) -> str:
    """Return all texts, one per line."""
    return "\n".join(text for picture in pictures.values() for text in texts_of(picture))
