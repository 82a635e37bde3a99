"""What prepared features and splines change, by cross-validation on public tables.

`python -m benchmarks.prepared_features --suite ../shared/datasets` prints for each table and group
of features the log loss and AUC beside those without, and the processor time of preparing the
training rows of a fold. `--models` chooses `lightgbm`, `boosting` (HistGradientBoosting) and
`linear` (splines, and products; `--C` is the inverse of the penalty). The log loss of boosting is
that of the best number of trees, since 300 are too many for some tables.
"""

import argparse
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import process_time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from sklearn.datasets import fetch_openml
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tabproof.modeling import ColumnFeatures, Splines, make_pipeline

SEED, N_SPLITS = 0, 5
STAGES = (30, 60, 100, 150, 200, 300)
GROUPS: dict[str, dict[str, Any]] = {
    "none": {},
    "combinations": {"combinations": 20},
    "interactions": {"interactions": 10},
    "shares": {"shares": True},
    "all": {"combinations": 20, "interactions": 10, "shares": True},
}


def tables(suite: Path, data_home: str | None) -> Iterator[tuple[str, pd.DataFrame, np.ndarray]]:
    """Yield the name, the columns and the classes of each table."""
    for entry in pd.read_csv(suite / "index.csv").itertuples():
        frame = pd.read_csv(suite / str(entry.file))
        target = frame.pop(str(entry.target))
        yield str(entry.file).partition(".")[0], typed(frame), pd.factorize(target, sort=True)[0]
    for name, version in (("credit-g", 1), ("adult", 2)) if data_home else ():
        bunch = fetch_openml(name, version=version, data_home=data_home, parser="auto")
        yield name, typed(bunch.data), pd.factorize(bunch.target, sort=True)[0]


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return columns of numbers and of categories."""
    columns = {}
    for name, column in frame.items():
        if column.dtype.kind in "biuf":
            columns[str(name)] = column.astype("float64")
        else:
            texts = column.astype("object").where(column.notna(), None)
            columns[str(name)] = texts.map(str, na_action="ignore").astype("category")
    return pd.DataFrame(columns)


def stages_of(name: str, X: pd.DataFrame, y: np.ndarray, X_test: pd.DataFrame) -> list[np.ndarray]:
    """Fit boosting; return the probabilities after some numbers of trees."""
    if name == "lightgbm":
        model = LGBMClassifier(
            n_estimators=STAGES[-1],
            learning_rate=0.05,
            num_leaves=31,
            min_child_samples=20,
            n_jobs=1,
            verbosity=-1,
            deterministic=True,
            force_row_wise=True,
        ).fit(X, y)
        return [np.asarray(model.predict_proba(X_test, num_iteration=n)) for n in STAGES]
    boosting = HistGradientBoostingClassifier(
        max_iter=STAGES[-1], learning_rate=0.05, categorical_features="from_dtype", random_state=0
    ).fit(X, y)
    all_stages = enumerate(boosting.staged_predict_proba(X_test), start=1)
    return [proba for n, proba in all_stages if n in STAGES]


def scores_of(y: np.ndarray, proba: np.ndarray) -> tuple[float, float]:
    """Return log loss and AUC."""
    labels = np.arange(proba.shape[1])
    score = proba if len(labels) > 2 else proba[:, 1]
    loss = log_loss(y, proba, labels=labels)
    return float(loss), float(roc_auc_score(y, score, multi_class="ovr", labels=labels))


def boosted(
    name: str, group: Mapping[str, Any], X: pd.DataFrame, y: np.ndarray, folds: list[Any]
) -> tuple[float, float, float, int]:
    """Return log loss, AUC, seconds to prepare a fold, and the number of features."""
    found, seconds, width = [], 0.0, 0
    for train, test in folds:
        features = ColumnFeatures(1_000, random_state=SEED, **group)
        start = process_time()
        X_train = features.fit_transform(X.iloc[train], y[train])
        seconds += process_time() - start
        width = max(width, X_train.shape[1] - X.shape[1])
        stages = stages_of(name, X_train, y[train], features.transform(X.iloc[test]))
        found.append([scores_of(y[test], proba) for proba in stages])
    means = np.mean(found, axis=0)
    best = int(means[:, 0].argmin())
    return float(means[best, 0]), float(means[:, 1].max()), seconds / len(folds), width


def linear(
    numeric: Mapping[str, Any],
    X: pd.DataFrame,
    y: np.ndarray,
    folds: list[Any],
    C: float,
    *,
    products: bool = False,
) -> Any:
    """Return log loss, AUC, seconds to fit a fold, and no number."""
    found, start = [], process_time()
    for train, test in folds:
        one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        categorical = {"impute": SimpleImputer(strategy="most_frequent"), "encode": one_hot}
        estimator = LogisticRegression(C=C, max_iter=2000)
        prepared = {"products": products}
        pipeline = make_pipeline(numeric, categorical, estimator, seed=SEED, prepared=prepared)
        pipeline.fit(X.iloc[train], y[train])
        found.append(scores_of(y[test], pipeline.predict_proba(X.iloc[test])))
    loss, auc = np.mean(found, axis=0)
    return loss, auc, (process_time() - start) / len(folds), 0


def main() -> None:
    """Print a line per table and group, and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", type=Path, required=True)
    parser.add_argument("--data-home")
    parser.add_argument("--models", nargs="+", default=["lightgbm", "boosting", "linear"])
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--C", type=float, default=1.0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    changes: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for table, X, y in tables(arguments.suite, arguments.data_home):
        if arguments.only and table not in arguments.only:
            continue
        n_splits = N_SPLITS if len(X) < 20_000 else 2
        cv = StratifiedKFold(n_splits, shuffle=True, random_state=SEED)
        folds = list(cv.split(X, y))
        for model in arguments.models:
            if model == "linear":
                C = arguments.C
                plain = {"impute": SimpleImputer(), "scale": StandardScaler()}
                results = {
                    "none": linear(plain, X, y, folds, C),
                    "splines": linear({"encode": Splines()}, X, y, folds, C),
                    "products": linear(plain, X, y, folds, C, products=True),
                }
            else:
                results = {
                    name: boosted(model, group, X, y, folds) for name, group in GROUPS.items()
                }
            loss, auc, *_ = results["none"]
            for name, (own_loss, own_auc, seconds, width) in results.items():
                if name != "none":
                    change = (own_loss / loss - 1, own_auc - auc)
                    changes.setdefault((model, name), []).append(change)
                print(
                    f"{table:14} {model:9} {name:13}"
                    f" log loss {own_loss:.4f} ({own_loss - loss:+.4f})"
                    f" AUC {own_auc:.4f} ({own_auc - auc:+.4f}) features {width:3}"
                    f" {seconds:.2f} s a fold",
                    flush=True,
                )
    for (model, name), values in changes.items():
        relative, auc_change = np.mean(values, axis=0)
        better = sum(change < 0 for change, _ in values)
        print(
            f"{model:9} {name:13} log loss {relative:+.1%}, better on {better} of {len(values)};"
            f" AUC {auc_change:+.4f}"
        )


if __name__ == "__main__":
    main()
