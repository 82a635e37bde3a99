"""Divided tables: the last fifth is held out, unless said."""

from typing import Any

import numpy as np
import pandas as pd

from tabproof.data import Division, StratifiedRows
from tests.data.tables import table


def divided(columns: dict[str, Any], n_test: int | None = None, **wishes: Any) -> Division:
    """Divide a table of columns; its target is y."""
    made = table(columns, **wishes)
    n = len(made.y)
    n_test = n // 5 if n_test is None else n_test
    rows = np.arange(n)
    return Division(made, StratifiedRows(0.2, 0), rows[: n - n_test], rows[n - n_test :], None)


def noise(n: int, seed: int = 0) -> dict[str, Any]:
    """Return columns that know nothing, of numbers, of few numbers and of words, and a target."""
    rng = np.random.default_rng(seed)
    return {
        "measure": rng.normal(size=n),
        "few": rng.integers(0, 5, n),
        "word": pd.Series(rng.choice(["あ", "<b>", "c d"], n)),
        "y": pd.Series(rng.permutation(np.arange(n) % 2)).map({0: "no", 1: "yes"}),
    }
