"""Results of a search, made up: a frame as RungSearchCV gives it, without a fit."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

N_SPLITS = 3


def frame_of(
    params: Sequence[Mapping[str, Any]],
    rungs: Sequence[Mapping[int, float | None]],
    *,
    same_as: Mapping[int, int] | None = None,
) -> pd.DataFrame:
    """Make a row per candidate and rung; rungs: the score of each that met, None where it failed.

    The last rung has all folds, the others one.
    """
    rows = []
    for number, met in enumerate(rungs):
        n_folds = N_SPLITS if number == len(rungs) - 1 else 1
        for candidate, score in met.items():
            mean = np.nan if score is None else score
            rows.append(
                {
                    "iter": number,
                    "n_resources": 1000 * (number + 1),
                    "n_folds": n_folds,
                    "n_iterations_share": (number + 1) / len(rungs),
                    "candidate": candidate,
                    "same_as": (same_as or {}).get(candidate, candidate),
                    "mean_test_score": mean,
                    "error": "" if score is not None else "Traceback",
                    "params": dict(params[candidate]),
                    **{
                        f"split{fold}_test_score": mean if fold < n_folds else np.nan
                        for fold in range(N_SPLITS)
                    },
                }
            )
    frame = pd.DataFrame(rows)
    order = frame.fillna({"mean_test_score": -np.inf}).sort_values(
        ["iter", "mean_test_score"], ascending=False, kind="stable"
    )
    frame.loc[order.index, "rank_test_score"] = np.arange(1, len(frame) + 1)
    return frame


def made_up(params: Sequence[Mapping[str, Any]], n_finalists: int = 2) -> pd.DataFrame:
    """Return a search of three rungs with random scores."""
    scores = np.random.default_rng(0).normal(0.9, 0.02, len(params))
    ranked = [int(n) for n in np.argsort(-scores)]
    entrants = [ranked, ranked[: max(len(ranked) // 5, n_finalists)], ranked[:n_finalists]]
    return frame_of(params, [{n: float(scores[n]) for n in sorted(met)} for met in entrants])
