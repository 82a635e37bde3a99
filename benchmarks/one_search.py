"""One search of the classic pipeline and grid by one engine, run by `benchmarks.search`.

`python -m benchmarks.one_search --engine rungs --dataset adult` prints a line of JSON.
"""

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

# Before numpy is loaded, as in `src.train`.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
from hydra import compose, initialize_config_dir
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes the import below work
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import HalvingGridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline

from tabproof import data, experiment
from tabproof.config import TrainConfig, check_config, typed
from tabproof.runtime.threads import worker_pool
from tabproof.search import RungSearchCV, parse_schedule
from tabproof.steps.search import make_plan

CONF = Path(__file__).parents[1] / "conf"
SEED, N_SPLITS = 42, 5
ENGINES = ("halving", "halving, 2 processes", "rungs")


@dataclass(frozen=True)
class Table:
    """Rows to learn from, and rows held out."""

    X_train: pd.DataFrame
    y_train: np.ndarray
    X_test: pd.DataFrame
    y_test: np.ndarray


def composed(*overrides: str) -> TrainConfig:
    """Compose a configuration as the command line does."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = typed(compose("train", overrides=list(overrides)))
    check_config(config)
    return config


def load(dataset: str, data_home: str, times: int) -> tuple[Pipeline, dict[str, Any], Table]:
    """Make the classic pipeline and grid, and load the dataset with repeated training rows."""
    home = [] if dataset == "breast_cancer" else [f"dataset.data_home={data_home}"]
    config = composed("experiment=classic", f"dataset={dataset}", *home)
    plan = make_plan(config)
    division: data.Division = experiment.load_rows(config, plan)
    X, y = repeated(division.X_train, division.y_train, times)
    table = Table(X, y, division.X_test, division.y_test)
    return plan.pipelines[""], dict(plan.grids[""]), table


def repeated(X: pd.DataFrame, y: np.ndarray, times: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Resample rows with a little noise: a larger table of the same kind."""
    if times == 1:
        return X, y
    rng = np.random.default_rng(SEED)
    rows = rng.integers(len(X), size=times * len(X))
    larger = X.iloc[rows].reset_index(drop=True)
    for name in larger.select_dtypes("number"):
        larger[name] += rng.normal(0, 0.01 * X[name].std(), len(larger))
    return larger, y[rows]


def finer(grid: dict[str, list[Any]], times: int) -> dict[str, list[Any]]:
    """Multiply the grid by a number of learning rates."""
    if times == 1:
        return grid
    rates = np.geomspace(0.03, 0.3, 3 * times).round(5).tolist()
    return {**grid, "clf__learning_rate": rates}


def make_search(engine: str, pipeline: Pipeline, grid: dict[str, Any]) -> Any:
    """Make the search of an engine."""
    cv = StratifiedKFold(N_SPLITS, shuffle=True, random_state=SEED)
    if engine == "rungs":
        schedule = parse_schedule(composed("search=full").search.schedule)  # type: ignore[attr-defined]
        return RungSearchCV(
            pipeline, grid, schedule=schedule, scoring="roc_auc", cv=cv, random_state=SEED
        )
    return HalvingGridSearchCV(
        pipeline,
        grid,
        scoring="roc_auc",
        cv=cv,
        factor=3,
        min_resources="exhaust",
        random_state=SEED,
        return_train_score=False,
        n_jobs=None if engine == "halving" else 2,
    )


def bare_seconds(search: Any) -> float:
    """Return the seconds of all fits in all processes, the last fit included."""
    if isinstance(search, RungSearchCV):
        fits = [fit for scores in search.rungs_ for fit in scores.fits.values()]
        return float(sum(fit.fit_seconds for fit in fits) + search.refit_time_)
    results = search.cv_results_
    return float(np.sum(results["mean_fit_time"]) * search.n_splits_ + search.refit_time_)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the time and the result of the search."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=ENGINES, default="rungs")
    parser.add_argument("--dataset", default="adult")
    parser.add_argument("--data-home", default="../shared/openml_home")
    parser.add_argument("--rows", type=int, default=1, help="times as many rows")
    parser.add_argument("--candidates", type=int, default=1, help="times as many candidates")
    options = parser.parse_args(arguments)
    pipeline, grid, table = load(options.dataset, options.data_home, options.rows)
    search = make_search(options.engine, pipeline, finer(grid, options.candidates))
    start = perf_counter()
    if options.engine == "rungs":
        with worker_pool(2, 2, Path(os.devnull)):
            search.fit(table.X_train, table.y_train)
    else:
        search.fit(table.X_train, table.y_train)
    seconds = perf_counter() - start
    proba = search.predict_proba(table.X_test)[:, 1]
    figures = {
        "seconds": seconds,
        "fits": bare_seconds(search),
        "auc": float(roc_auc_score(table.y_test, proba)),
        "best": {name.removeprefix("clf__"): v for name, v in search.best_params_.items()},
        "folds_mib": folds_mib(pipeline, table) if options.engine == "rungs" else 0.0,
    }
    print(json.dumps(figures))


def folds_mib(pipeline: Pipeline, table: Table) -> float:
    """Measure the rows of all folds after preprocessing: training parts and test parts."""
    transformed = pipeline[:-1].fit_transform(table.X_train, table.y_train)
    return N_SPLITS * np.asarray(transformed).nbytes / 2**20


if __name__ == "__main__":
    main()
