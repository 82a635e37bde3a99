"""One fit of one system, in the system's own environment; started by `benchmarks.quality`.

Reads request.json in the working directory, and writes proba.csv (a column per label, a row per
test row) and figures.json. Imports nothing that only one of the environments has, before it is
known which system it is.
"""

import csv
import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

N_CORES = 2
# Rows that are predicted alone, after one to warm up, and the seconds after which that ends.
N_ROWS_ALONE, SECONDS_ALONE = 30, 10.0
LIBRARIES = (
    "autogluon.tabular", "flaml", "numpy", "pandas", "scikit-learn",
    "lightgbm", "catboost", "xgboost", "xgboost-cpu", "torch", "fastai", "ray",
)  # fmt: skip


def milliseconds_alone(predict: Callable[[Any], object], rows: Sequence[Any]) -> float:
    """Return the median time to predict one row."""
    predict(rows[0])
    began, seconds = perf_counter(), []
    for row in rows[:N_ROWS_ALONE]:
        start = perf_counter()
        predict(row)
        seconds.append(perf_counter() - start)
        if perf_counter() - began > SECONDS_ALONE:
            break
    return 1000 * median(seconds)


def n_bytes(path: Path) -> int:
    """Return the size of a file, or of all files of a directory."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def read_frames(request: dict[str, Any]) -> tuple[Any, Any]:
    """Read both files as pandas does by itself; only labels are texts, as they are classes."""
    import pandas as pd

    target = request["target"]
    train = pd.read_csv(request["train"], dtype={target: str})
    return train, pd.read_csv(request["test"])


def write_proba(labels: Sequence[str], proba: Any) -> None:
    """Write the probabilities of the test rows."""
    with Path("proba.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(labels)
        writer.writerows([repr(float(cell)) for cell in row] for row in proba)


def fit_autogluon(request: dict[str, Any]) -> dict[str, Any]:
    """Fit AutoGluon with a preset, as its quick start does."""
    from autogluon.tabular import TabularPredictor

    train, test = read_frames(request)
    predictor = TabularPredictor(
        label=request["target"], eval_metric=request["metric"], path="model", verbosity=1
    )
    start = perf_counter()
    predictor.fit(train, presets=request["preset"], time_limit=request["seconds"], num_cpus=N_CORES)
    seconds = perf_counter() - start
    proba = predictor.predict_proba(test)
    write_proba(list(proba.columns), proba.to_numpy())
    # What is deployed: the best model and those that it needs, held in memory.
    predictor.clone_for_deployment("deployed")
    served = TabularPredictor.load("deployed", verbosity=0)
    served.persist()
    board = predictor.leaderboard()
    return {
        "seconds": seconds,
        "row_ms": milliseconds_alone(served.predict_proba, rows_of(test)),
        "bytes": n_bytes(Path("deployed")),
        "detail": {"best": predictor.model_best, "models": list(board["model"])},
    }


def fit_flaml(request: dict[str, Any]) -> dict[str, Any]:
    """Fit FLAML's AutoML with its defaults."""
    from flaml import AutoML

    train, test = read_frames(request)
    automl = AutoML()
    start = perf_counter()
    automl.fit(
        dataframe=train,
        label=request["target"],
        task="classification",
        metric=request["metric"],
        time_budget=request["seconds"],
        n_jobs=N_CORES,
        seed=request["seed"],
        verbose=0,
    )
    seconds = perf_counter() - start
    write_proba([str(label) for label in automl.classes_], automl.predict_proba(test))
    with Path("model.pickle").open("wb") as file:
        pickle.dump(automl, file)
    return {
        "seconds": seconds,
        "row_ms": milliseconds_alone(automl.predict_proba, rows_of(test)),
        "bytes": n_bytes(Path("model.pickle")),
        "detail": {"best": automl.best_estimator},
    }


def rows_of(test: Any) -> list[Any]:
    """Return frames of one row."""
    return [test.iloc[[place]] for place in range(min(len(test), N_ROWS_ALONE))]


def fit_tabproof(request: dict[str, Any]) -> dict[str, Any]:
    """Run our `train`, predict the test file by `score`, and rows alone as the service does."""
    import pandas as pd

    words = [
        f"dataset.path={request['train']}",
        f"dataset.target={request['target']}",
        f"search={request['search']}",
        f"seed={request['seed']}",
        f"cv.test_size={smallest_holdout(request)}",
        "checks=none",
        "evaluation=minimal",
        "report=none",
        "runtime.progress=false",
        "hydra.run.dir=run",
    ]
    if request["search"] != "none":
        words += [f"search.time_budget={request['seconds']:.1f}s"]
        if request["metric"] == "log_loss":
            words += ["search.scoring=neg_log_loss"]
    tabproof = [sys.executable, "-m", "tabproof"]
    subprocess.run([*tabproof, "train", *words], check=True)
    subprocess.run(
        [*tabproof, "score", "run=run", f"input={request['test']}", "output=scored.parquet"],
        check=True,
    )
    scored = pd.read_parquet("scored.parquet")
    names = [name for name in scored.columns if name.startswith("proba_")]
    write_proba([name.removeprefix("proba_") for name in names], scored[names].to_numpy())
    summary = json.loads(Path("run/summary.json").read_text(encoding="utf-8"))
    return {
        "seconds": summary["seconds"]["total"],
        "row_ms": milliseconds_of_service(request["test"]),
        "bytes": n_bytes(Path("run/scorer")) + n_bytes(Path("run/schema.json")),
        "detail": {"best": summary["estimator"], "parts": summary["seconds"]},
    }


def smallest_holdout(request: dict[str, Any]) -> float:
    """Return the share of rows that holds one row of each class out: a run always holds some."""
    # The run rounds the number of rows up.
    return (request["n_labels"] - 0.5) / request["n_rows"]


def milliseconds_of_service(test: str) -> float:
    """Return the time to predict one row by the object that the service has."""
    import pandas as pd

    from tabproof.service.served_model import Reason, load_model

    model = load_model(Path("run"), name=None, source="run", reason=Reason("requested"))
    frame = pd.read_csv(test, nrows=N_ROWS_ALONE).astype(object)
    rows = frame.where(frame.notna(), None).to_dict("records")
    return milliseconds_alone(lambda row: model.predict_row(row, strict=False), rows)


FITS = {"tabproof": fit_tabproof, "autogluon": fit_autogluon, "flaml": fit_flaml}


def main() -> None:
    """Fit what request.json asks for."""
    request = json.loads(Path("request.json").read_text(encoding="utf-8"))
    figures = FITS[request["package"]](request)
    figures["versions"] = {}
    for name in LIBRARIES:
        try:
            figures["versions"][name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    Path("figures.json").write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
