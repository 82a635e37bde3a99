"""Search, refit, score and save with scikit-learn alone, for `benchmarks.train`.

The work of `python -m src.train search=classic` as a careful user's script, without
configuration, checks, log, plots or a run directory.
"""

import argparse
import json

import joblib
import pandas as pd
from sklearn.datasets import fetch_openml, load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes the import below work
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import HalvingGridSearchCV, StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline

SEED = 42
PARAM_GRID = {
    "clf__learning_rate": [0.05, 0.1, 0.2],
    "clf__max_leaf_nodes": [15, 31, 63],
    "clf__l2_regularization": [0.0, 1.0],
}
OPENML = {"adult": (2, ">50K"), "credit-g": (1, "bad")}


def load_table(dataset: str, data_home: str) -> tuple[pd.DataFrame, pd.Series]:
    """Load float64 and category columns, and a target whose positive class is 1."""
    if dataset == "breast_cancer":
        X, y = load_breast_cancer(return_X_y=True, as_frame=True)
        return X, y
    version, pos_label = OPENML[dataset]
    X, y = fetch_openml(
        dataset, version=version, data_home=data_home, return_X_y=True, parser="pandas"
    )
    numbers = X.select_dtypes("number").columns
    return X.astype(dict.fromkeys(numbers, "float64")), (y == pos_label).astype("int64")


def make_search(min_resources: int) -> HalvingGridSearchCV:
    """Make successive halving over the pipeline."""
    estimator = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=SEED)
    return HalvingGridSearchCV(
        Pipeline([("preprocess", "passthrough"), ("clf", estimator)]),
        PARAM_GRID,
        scoring="roc_auc",
        cv=StratifiedKFold(5, shuffle=True, random_state=SEED),
        factor=3,
        min_resources=min_resources,
        random_state=SEED,
        return_train_score=False,
    )


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Search with plain scikit-learn.")
    parser.add_argument("--dataset", choices=[*OPENML, "breast_cancer"], default="adult")
    parser.add_argument("--data-home", default="../shared/openml_home")
    parser.add_argument("--min-resources", type=int, required=True, help="rows of the first rung")
    parser.add_argument("--workers", type=int, required=True, help="processes that fit candidates")
    parser.add_argument("--output", required=True, help="where the fitted pipeline is saved")
    return parser.parse_args()


def main() -> None:
    """Print one line of JSON: the metrics of the hold-out, and facts of the search."""
    arguments = parse_arguments()
    X, y = load_table(arguments.dataset, arguments.data_home)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.2, stratify=y, random_state=SEED
    )
    search = make_search(arguments.min_resources)
    with joblib.parallel_config("loky", n_jobs=arguments.workers, inner_max_num_threads=1):
        search.fit(X_train, y_train)
    proba = search.predict_proba(X_test)
    figures = {
        "roc_auc": roc_auc_score(y_test, proba[:, 1]),
        "accuracy": accuracy_score(y_test, proba.argmax(axis=1)),
        "best_params": search.best_params_,
        "n_candidates": search.n_candidates_[0],
        "rungs": search.n_resources_,
    }
    joblib.dump(search.best_estimator_, arguments.output)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
