"""Train once on each file of a list, as the command line does, and write down what was read.

Started by `benchmarks.first_try`. The libraries are imported once; each file is trained on in a
fork, by the function that the command calls. `table.json` is what the estimator got of every cell.
"""

import json
import os
import sys
from collections.abc import Callable
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from time import perf_counter
from typing import Any

# Before numpy is loaded: two busy cores are slower than one here.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from benchmarks.forked import run_forked

SECONDS = 180.0
TEST_SIZE, SEED = 0.2, 42


def train(words: list[str], project: Path, table: Path, piped: str | None) -> None:
    """Call the command `train` with these words, and write what was read."""
    import tabproof.experiment as experiment
    from tabproof.cli import main

    load_rows = experiment.load_rows

    def noting(*arguments: Any, **options: Any) -> Any:
        division = load_rows(*arguments, **options)
        table.write_text(json.dumps(as_read(division.table)))
        return division

    experiment.load_rows = noting
    if piped is not None:
        os.dup2(os.open(piped, os.O_RDONLY), 0)
    os.chdir(project)
    sys.argv = ["src/train.py", *words]
    main("train")


def read(file: str, target: str, table: Path) -> None:
    """Load a file and hold rows out, without the command, and write what was read."""
    import logging

    from tabproof import data
    from tabproof.errors import UserError

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        rows = data.StratifiedRows(TEST_SIZE, SEED)
        division = data.divide(data.load_file(file, target), rows, 1)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    table.write_text(json.dumps(as_read(division.table)))


def as_read(table: Any) -> dict[str, Any]:
    """Return every cell of a table as numbers, texts and nulls, with the kind of each column."""
    import pandas as pd

    columns = {}
    for name in table.X.columns:
        column = table.X[name]
        present = column.notna().to_numpy()
        values: list[Any]
        if pd.api.types.is_numeric_dtype(column.dtype):
            kind, values = "number", [float(value) for value in column]
        elif pd.api.types.is_datetime64_any_dtype(column.dtype):
            kind = "date"
            values = (column.astype("datetime64[us]").astype("int64") / 1e6).tolist()
        else:
            is_category = isinstance(column.dtype, pd.CategoricalDtype)
            kind = "category" if is_category else "text"
            values = [str(value) for value in column.astype("object")]
        read = [
            value if is_there else None for value, is_there in zip(values, present, strict=True)
        ]
        columns[str(name)] = {"kind": kind, "values": read}
    labels = [table.labels[code] for code in table.y.tolist()]
    return {"columns": columns, "labels": labels}


def main() -> None:
    """Read the list of files, and write results.json beside it.

    The mode: `train`, `read`, or `quick`, which trains where reading succeeds.
    """
    listed, project, mode = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    # Reads the files of every installed package: a second for each fork.
    metadata.packages_distributions = cache(metadata.packages_distributions)
    metadata.packages_distributions()
    # What a run imports, once.
    import tabproof.cli
    import tabproof.config
    import tabproof.experiment  # noqa: F401

    results = []
    for number, entry in enumerate(json.loads(listed.read_text())):
        folder = listed.parent / f"{number:03}"
        folder.mkdir(exist_ok=True)
        table, words = folder / "table.json", [*entry["words"], f"hydra.run.dir={folder / 'run'}"]
        calls: list[Callable[[], None]] = []
        if mode != "train" and entry["piped"] is None:
            calls.append(partial(read, entry["path"], entry["target"], table))
        if mode != "read":
            calls.append(partial(train, words, project, table, entry["piped"]))
        start = perf_counter()
        codes = (run_forked(call, folder, SECONDS) for call in calls)
        code = next((code for code in codes if code), 0)
        results.append({"code": code, "seconds": perf_counter() - start})
        (listed.parent / "results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main()
