"""The AUC of each search: on credit-g by repeated cross-validation, on adult by its hold-out.

`python -m benchmarks.repeated_quality` takes fifteen minutes, and half an hour more for `auto`.
Every model is chosen on training rows alone: the search never sees the outer fold of credit-g that
is scored. `auto` runs as `train` does, one run after the other, since its budget is in seconds; the
others need no run.
"""

import argparse
import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedKFold
from threadpoolctl import threadpool_limits

import tabproof as tp
from benchmarks.one_search import SEED, composed, make_search
from benchmarks.verdict import print_verdict
from tabproof import experiment, modeling
from tabproof.auc import auc_components, error_and_freedom
from tabproof.runtime.threads import worker_pool
from tabproof.search import PortfolioSearchCV, RungSearchCV, parse_schedule
from tabproof.steps.search import make_plan

N_SPLITS, N_REPEATS = 5, 5
# The choices, as overrides of `python -m src.train`.
CHOICES = {
    "default": ["search=none"],
    "classic": ["experiment=classic"],
    "full": ["search=full"],
    "small": ["model=hist_gradient_boosting_small", "search=none"],
    "vote": ["model=vote", "search=none"],
    "portfolio": ["search=portfolio"],
    "auto": ["search=auto"],
}
LEAST_CREDIT = {"vote": 0.792, "portfolio": 0.792, "auto": 0.800}
LEAST_ADULT = {"portfolio": 0.930, "auto": 0.9320}
BUDGET = 60.0
BARE_RUN = ("checks=none", "evaluation=minimal", "report=none")


def plan_of(dataset: str, choice: str, data_home: str) -> tuple[Any, Any]:
    """Make the search of a choice, and load the table."""
    home = f"dataset.data_home={data_home}"
    config = composed(f"dataset={dataset}", home, *CHOICES[choice])
    return config, make_plan(config)


def estimator_of(config: Any, plan: Any, budget: float | None) -> Any:
    """Return the estimator of a choice, which searches when it is fitted."""
    pipelines, cv = plan.pipelines, StratifiedKFold(5, shuffle=True, random_state=SEED)
    engine = config.search.engine
    if engine == "none":
        return clone(pipelines[""])
    if engine == "halving":
        return make_search("halving", pipelines[""], dict(plan.grids[""]))
    options = {
        "schedule": parse_schedule(config.search.schedule),
        "scoring": "roc_auc",
        "cv": cv,
        "random_state": SEED,
        "time_budget": budget,
    }
    if engine == "portfolio":
        join = modeling.join_fitted
        return PortfolioSearchCV(pipelines, plan.grids, join=join, **options)
    return RungSearchCV(pipelines[""], dict(plan.grids[""]), **options)


def auc_of_fold(choice: str, data_home: str, train: Any, test: Any) -> float:
    """Fit a choice on the training rows of credit-g, and score it on the others."""
    logging.disable(logging.INFO)
    # The first rungs of halving are too small here to be scored, which warns a hundred times.
    warnings.simplefilter("ignore")
    config, plan = plan_of("credit-g", choice, data_home)
    table = experiment.load_rows(config, plan).table
    with threadpool_limits(1, "openmp"):
        fitted = estimator_of(config, plan, None).fit(table.X.iloc[train], table.y[train])
    return float(roc_auc_score(table.y[test], fitted.predict_proba(table.X.iloc[test])[:, 1]))


def run_of(choice: str, folder: str, *data: Any, **dataset: str) -> tp.Run:
    """Train a choice with a budget, by a run in the folder."""
    words = [*CHOICES[choice], *BARE_RUN, f"search.time_budget={BUDGET:g}s"]
    return tp.train(*data, *words, f"hydra.run.dir={folder}/run", **dataset)


def auc_of_run(table: Any, train: Any, test: Any) -> float:
    """Train `auto` on the training rows of credit-g by a run, and score it on the others."""
    labels = np.array(table.labels)[table.y]
    frame = table.X.iloc[train].assign(**{table.target: labels[train]})
    # A run always holds rows out: here as few as it can, one of each label.
    least = {"cv.test_size": 1.5 / len(train)}
    with TemporaryDirectory() as folder:
        run = run_of("auto", folder, frame, least, target=table.target)
        proba = run.predict_proba(table.X.iloc[test])[table.labels[1]]
    return float(roc_auc_score(table.y[test], proba))


def print_credit(choices: Sequence[str], data_home: str) -> list[bool]:
    """Print the mean AUC of each choice over all folds; the error is Nadeau and Bengio's (2003)."""
    config, plan = plan_of("credit-g", "default", data_home)
    table = experiment.load_rows(config, plan).table
    y = table.y
    folds = list(
        RepeatedStratifiedKFold(n_splits=N_SPLITS, n_repeats=N_REPEATS, random_state=SEED).split(
            y, y
        )
    )
    print(f"credit-g, {N_REPEATS} times {N_SPLITS}-fold cross-validation")
    print(f"  {'choice':<12}{'AUC':>8}{'error':>8}{'seconds':>9}")
    met = []
    for choice in choices:
        start = perf_counter()
        if choice == "auto":
            found = [auc_of_run(table, train, test) for train, test in folds]
        else:
            found = joblib.Parallel(2, batch_size=1)(
                joblib.delayed(auc_of_fold)(choice, data_home, train, test) for train, test in folds
            )
        share = 1 / len(found) + 1 / (N_SPLITS - 1)
        error = np.sqrt(share * np.var(found, ddof=1))
        seconds = perf_counter() - start
        print(f"  {choice:<12}{np.mean(found):>8.4f}{error:>8.4f}{seconds:>9.0f}", flush=True)
        if choice in LEAST_CREDIT:
            met.append(print_verdict(choice, float(np.mean(found)), at_least=LEAST_CREDIT[choice]))
    return met


def print_adult(choices: Sequence[str], data_home: str) -> list[bool]:
    """Print the AUC of each choice on the rows held out; the error is DeLong's."""
    print(f"\nadult, its hold-out; portfolio and auto have {BUDGET:g} s")
    print(f"  {'choice':<12}{'AUC':>8}{'error':>8}{'seconds':>9}")
    met = []
    for choice in choices:
        if choice == "auto":
            with TemporaryDirectory() as folder:
                run = run_of(choice, folder, "dataset=adult", f"dataset.data_home={data_home}")
                auc, seconds = run.metrics["roc_auc"], run.summary.seconds["total"]
                low, high = run.intervals["roc_auc"]
                error = (high - low) / 3.92
            print(f"  {choice:<12}{auc:>8.4f}{error:>8.4f}{seconds:>9.0f}", flush=True)
            met.append(print_verdict(choice, auc, at_least=LEAST_ADULT[choice]))
            continue
        config, plan = plan_of("adult", choice, data_home)
        division = experiment.load_rows(config, plan)
        estimator = estimator_of(config, plan, BUDGET if choice == "portfolio" else None)
        start = perf_counter()
        with worker_pool(2, 2, Path("/dev/null")):
            estimator.fit(division.X_train, division.y_train)
        seconds = perf_counter() - start
        y, proba = division.y_test, estimator.predict_proba(division.X_test)
        auc = float(roc_auc_score(y, proba[:, 1]))
        error, _ = error_and_freedom(y, auc_components(y, proba)) or (np.nan, np.nan)
        print(f"  {choice:<12}{auc:>8.4f}{error:>8.4f}{seconds:>9.0f}", flush=True)
        if choice in LEAST_ADULT:
            met.append(print_verdict(choice, auc, at_least=LEAST_ADULT[choice]))
            print(f"      {estimator.best_params_}")
    return met


def main() -> int:
    """Print all; the exit code is 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--choices", nargs="+", default=list(CHOICES), choices=list(CHOICES))
    parser.add_argument("--datasets", nargs="+", default=["credit-g", "adult"])
    parser.add_argument("--data-home", default="../shared/openml_home", help="OpenML downloads")
    options = parser.parse_args()
    met: list[bool] = []
    if "credit-g" in options.datasets:
        met += print_credit(options.choices, options.data_home)
    if "adult" in options.datasets:
        met += print_adult(options.choices, options.data_home)
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
