"""Tables that hold every kind of cell, and models that need no training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabproof.batch.cells import WantedColumn
from tabproof.batch.scoring import Model


def make_table(n_rows: int, seed: int = 0) -> pd.DataFrame:
    """Make numbers, whole numbers, texts, truth values and codes, with missing cells."""
    rng = np.random.default_rng(seed)
    amount = rng.lognormal(3, 2, n_rows)
    visits = rng.integers(0, 50, n_rows)
    city = rng.choice(["Kyoto", "Lyon, sud", 'a "b"', "大阪", "x\ny"], n_rows).astype(object)
    member = rng.random(n_rows) < 0.4
    code = rng.integers(1, 6, n_rows)
    score = np.log(amount) + member + (city == "Kyoto") + 0.3 * code + rng.normal(0, 1, n_rows)
    frame = pd.DataFrame(
        {
            "amount": np.where(rng.random(n_rows) < 0.1, np.nan, amount),
            "visits": visits,
            "city": np.where(rng.random(n_rows) < 0.1, None, city),
            "member": member,
            "code": code,
            "bought": np.where(score > np.median(score), "yes", "no"),
        }
    )
    frame["member"] = frame["member"].astype(object).mask(rng.random(n_rows) < 0.1, None)
    return frame


def make_model(wanted: Sequence[WantedColumn]) -> Model:
    """Make a model of two labels whose second has a tenth of the sum of all cells."""

    def predict_proba(columns: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        positive = np.sum(columns, axis=0) / 10
        return np.stack([1 - positive, positive], axis=1)

    return Model(
        fingerprint="f",
        columns=tuple(wanted),
        labels=("no", "yes"),
        predict_proba=predict_proba,
        codes_of=lambda proba: (proba[:, 1] > 0.5).astype(np.intp),
    )
