"""What whole groups in the folds inside steps are worth: `python -m benchmarks.groups`.

AUC on the rows of 200 other groups, the mean of ten seeds, with inner folds of rows and of whole
groups. `subject` is a table of one label per group, and a column that tells the group: a category
of its own, or its words in a text. In `site` each row has a label of its own, the odds of a group
differ from those of others, and a ward of the group is a column beside a town, which is not.
"""

import sys
from statistics import mean
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from tabproof.modeling import make_pipeline
from tabproof.modeling.folds import with_groups

N_OTHERS, N_SEEDS, N_ROWS, MAX_CATEGORIES = 200, 10, 8, 5
Table = tuple[pd.DataFrame, Any, Any]


def subject(n_groups: int, seed: int, *, as_text: bool) -> Table:
    """Return columns, labels that are one per group, and groups."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), N_ROWS)
    level = rng.normal(size=n_groups)
    y = (rng.random(n_groups) < 1 / (1 + np.exp(-1.5 * level))).astype(int)[groups]
    frame = pd.DataFrame({"measured": level[groups] + rng.normal(size=len(groups))})
    own = rng.integers(0, 3_000, (n_groups, 6))
    if as_text:
        words = np.hstack([own[groups], rng.integers(0, 3_000, (len(groups), 2))])
        texts = [" ".join(f"w{word}" for word in row) for row in words]
        return frame.assign(note=pd.Series(texts, dtype="str")), y, groups
    return frame.assign(who=pd.Categorical([f"p{group}" for group in groups])), y, groups


def site(n_groups: int, seed: int) -> Table:
    """Return columns, labels of rows, and groups."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), N_ROWS)
    town, measured = rng.integers(0, 40, len(groups)), rng.normal(size=len(groups))
    odds = rng.normal(size=n_groups)[groups] + rng.normal(size=40)[town] + 0.6 * measured
    y = (rng.random(len(groups)) < 1 / (1 + np.exp(-odds))).astype(int)
    frame = pd.DataFrame({"measured": measured, "town": pd.Categorical([f"t{t}" for t in town])})
    return frame.assign(ward=pd.Categorical([f"w{group}" for group in groups])), y, groups


def area(table: Table, model: str, *, are_whole: bool) -> float:
    """Return the AUC on the last N_OTHERS groups, of a model fitted on the others."""
    frame, y, groups = table
    is_other = groups > groups.max() - N_OTHERS
    X = with_groups(frame, groups) if are_whole else frame
    if model == "boosting":
        estimator = HistGradientBoostingClassifier(max_iter=60)
        pipeline = make_pipeline({}, {}, estimator, seed=0, max_categories=MAX_CATEGORIES)
    else:
        steps = {"impute": SimpleImputer(), "scale": StandardScaler()}
        estimator = LogisticRegression()
        pipeline = make_pipeline(steps, {}, estimator, seed=0, max_categories=MAX_CATEGORIES)
    pipeline.fit(X[~is_other], y[~is_other])
    return float(roc_auc_score(y[is_other], pipeline.predict_proba(frame[is_other])[:, 1]))


def main() -> int:
    """Return the exit code."""
    kinds = {
        "subject, category": lambda n, seed: subject(n, seed, as_text=False),
        "subject, text": lambda n, seed: subject(n, seed, as_text=True),
        "site": site,
    }
    print(f"{'AUC':<20}{'groups':>7}  {'model':<10}{'rows':>8}{'groups':>8}")
    with threadpool_limits(1):
        for kind, make in kinds.items():
            for n_groups in (20, 60, 300):
                tables = [make(n_groups + N_OTHERS, seed) for seed in range(N_SEEDS)]
                for model in ("boosting", "linear"):
                    found = [
                        mean(area(t, model, are_whole=w) for t in tables) for w in (False, True)
                    ]
                    figures = "".join(f"{value:8.3f}" for value in found)
                    print(f"{kind:<20}{n_groups:7}  {model:<10}{figures}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
