"""All runs as a frame of pandas."""

from os import PathLike
from pathlib import Path

import pandas as pd

from tabproof import artifacts
from tabproof.runs.listing import filtered

FIRST = ("when", "dataset", "model", "search", "choices", "roc_auc")
LAST = ("seconds", "run_id", "state", "path")


def runs(
    outputs: str | PathLike[str] = artifacts.OUTPUTS, *, dataset: str | None = None
) -> pd.DataFrame:
    """Return a row per run directory, complete or not, the newest first.

    Parameters
    ----------
    outputs : where the runs are.
    dataset : only runs of this data set.

    Returns
    -------
    DataFrame
        A column per metric, NaN where a run has none; `state` is `complete` or says why not.

    Examples
    --------
    `tabproof.runs().query("roc_auc > .9")` gives the good ones.
    """
    rows = []
    for found in filtered(artifacts.read_records(Path(outputs)), dataset=dataset):
        record = found.record
        facts = {"dataset": record.dataset, "model": record.model, "search": record.mode}
        facts |= {"when": found.when, "choices": record.choices, "state": record.state}
        facts |= {"run_id": record.run_id, "path": artifacts.path_text(found.path)}
        metrics = {name: record.value(name) for name in record.metrics}
        rows.append({**facts, **metrics, "seconds": record.seconds})
    names = dict.fromkeys(name for row in rows for name in row)
    metrics_shown = [name for name in names if name not in {*FIRST, *LAST}]
    frame = pd.DataFrame(rows, columns=[*FIRST, *metrics_shown, *LAST])
    return frame.astype(dict.fromkeys(["roc_auc", *metrics_shown, "seconds"], "float64"))
