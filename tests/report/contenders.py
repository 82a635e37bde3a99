"""Runs to be put side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tabproof.evaluation_result import Estimate
from tabproof.report.plots.material import HoldOut
from tabproof.report.side_by_side import Contender, Group

ODD = ["<script>alert(1)</script>", "収入 階級", "a&b \"c\" 'd'", "x" * 300]


def held_out(noise: float, seed: int = 0, n_labels: int = 2, n_rows: int = 400) -> HoldOut:
    """Return predictions, the better the less noise, of rows that are always the same."""
    y = np.random.default_rng(1).integers(0, n_labels, n_rows)
    random = np.random.default_rng(seed)
    scores = np.eye(n_labels)[y] * 2 + random.normal(0, noise, (n_rows, n_labels))
    odds = np.exp(scores)
    return HoldOut(y, odds / odds.sum(axis=1, keepdims=True))


def contender(number: int = 0, **changes: Any) -> Contender:
    """Return a run, the best of them number 0."""
    value = 0.9 - number / 100
    settings: dict[str, Any] = {
        "run_id": f"{number:016x}",
        "choices": {"model": f"model_{number}"},
        "metrics": {"roc_auc": Estimate(value, value - 0.05, value + 0.05)},
        "seconds": 1.5,
        "hold_out": held_out(1 + number, seed=number),
        **changes,
    }
    return Contender(**settings)


def group_of(contenders: Sequence[Contender] | None = None, **changes: Any) -> Group:
    """Return a group, of three runs by default."""
    contenders = [contender(n) for n in range(3)] if contenders is None else contenders
    settings: dict[str, Any] = {
        "id": "group-0",
        "dataset": "adult",
        "metric": "roc_auc",
        "contenders": contenders,
        "n_runs": len(contenders),
        **changes,
    }
    return Group(**settings)
