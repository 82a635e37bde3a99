"""Train AutoGluon once on each file of a list, in an environment of its own, as its users do.

Started by `benchmarks.first_try --autogluon PYTHON`. A file is read by the first call that a user
of its format would type; everything else is AutoGluon's. Imports nothing of tabproof.
"""

import json
import os
import sys
import warnings
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.forked import run_forked

SECONDS = 180.0
SEED = 42


def read(path: str) -> Any:
    """Read a file as its ending suggests; all others are left to TabularDataset."""
    import pandas as pd
    from autogluon.tabular import TabularDataset

    ending = Path(path).suffix.lower()
    if Path(path).is_dir():
        return pd.read_parquet(path)
    if ending == ".feather":
        return pd.read_feather(path)
    if ending in (".jsonl", ".ndjson"):
        return pd.read_json(path, lines=True)
    if ending == ".xlsx":
        return pd.read_excel(path)
    if ending == ".tsv":
        return pd.read_csv(path, sep="\t")
    if ending == ".arff":
        from scipy.io.arff import loadarff

        frame = pd.DataFrame(loadarff(path)[0])
        return frame.map(lambda cell: cell.decode() if isinstance(cell, bytes) else cell)
    return TabularDataset(path)


def train(path: str, target: str, seconds: float, folder: Path) -> None:
    """Train on four fifths of the rows, score the others, and write what was read."""
    import pandas as pd
    from autogluon.tabular import TabularPredictor

    warnings.simplefilter("ignore")
    frame = pd.DataFrame(read(path))
    train_rows = frame.sample(frac=0.8, random_state=SEED)
    held_out = frame.drop(index=train_rows.index)
    predictor = TabularPredictor(label=target, path=str(folder / "model"), verbosity=0)
    # Two models: a file is judged by what is read of it, which is the same for all models.
    predictor.fit(
        train_rows,
        presets="medium_quality",
        hyperparameters={"GBM": {}, "XT": {"n_estimators": 50}},
        time_limit=seconds,
        num_cpus=1,
    )
    present = frame[frame[target].notna()]
    # A class of one row is left out with a warning, as it should be.
    present = present[present[target].map(present[target].value_counts()) > 1]
    seen = {
        "columns": as_read(present, predictor),
        "labels": [str(value) for value in present[target]],
        "auc": auc_of(predictor, held_out[held_out[target].notna()], target),
        "is_regression": predictor.problem_type in ("regression", "quantile"),
    }
    (folder / "table.json").write_text(json.dumps(seen))


def auc_of(predictor: Any, held_out: Any, target: str) -> float | None:
    """Return the AUC on rows held out; None if they allow none."""
    from sklearn.metrics import roc_auc_score

    if predictor.problem_type not in ("binary", "multiclass"):
        return None
    labels = list(predictor.class_labels)
    held_out = held_out[held_out[target].isin(labels)]
    proba = predictor.predict_proba(held_out).to_numpy()
    try:
        if predictor.problem_type == "binary":
            return float(roc_auc_score(held_out[target] == labels[1], proba[:, 1]))
        return float(roc_auc_score(held_out[target], proba, multi_class="ovr", labels=labels))
    except ValueError:
        return None


def as_read(frame: Any, predictor: Any) -> dict[str, Any]:
    """Return every cell with the kind that AutoGluon gave its column."""
    metadata = predictor.feature_metadata_in
    special = metadata.get_type_map_special()
    raw = metadata.type_map_raw
    used = set(predictor.features())
    transformed = predictor.transform_features(frame)
    made = {str(name).split(".")[0] for name in transformed.columns}
    columns = {}
    for name in used:
        if str(name) not in made and name not in transformed.columns:
            continue
        types = special.get(name, [])
        if "datetime" in str(raw.get(name)) or "datetime_as_object" in types:
            kind = "date"
            values = seconds_of(frame, name, predictor, transformed)
        elif raw.get(name) in ("int", "float"):
            kind = "number"
            numbers = frame[name].astype("float64")
            values = [None if v != v else float(v) for v in numbers]
        else:
            kind = "text" if "text" in types else "category"
            gone = frame[name].isna().to_numpy()
            values = [None if g else str(v) for g, v in zip(gone, frame[name], strict=True)]
        columns[str(name)] = {"kind": kind, "values": values}
    return columns


def seconds_of(frame: Any, name: Any, predictor: Any, transformed: Any) -> list[float | None]:
    """Return dates as AutoGluon's features have them, in seconds; None if it takes the mean."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(frame[name]):
        times = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
        return [None if pd.isna(time) else time.timestamp() for time in times]
    emptied = frame.copy()
    emptied.loc[emptied.index[0], name] = None
    fill = float(predictor.transform_features(emptied)[name].iloc[0])
    nanoseconds = [float(value) for value in transformed[name]]
    return [None if v == fill or v != v else v / 1e9 for v in nanoseconds]


def main() -> None:
    """Read the list of files, and write results.json beside it."""
    listed, seconds = Path(sys.argv[1]), float(sys.argv[2])
    import autogluon.tabular
    import lightgbm  # noqa: F401 - imported once, before the forks

    del autogluon
    results = []
    for number, entry in enumerate(json.loads(listed.read_text())):
        folder = listed.parent / f"{number:03}"
        folder.mkdir(exist_ok=True)
        start = perf_counter()
        code = run_forked(
            partial(train, entry["path"], entry["target"], seconds, folder),
            folder,
            SECONDS,
        )
        results.append({"code": code, "seconds": perf_counter() - start})
        (listed.parent / "results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main()
