"""What the programs beside it read and print: columns of cells, labels and bits of probabilities.

They run in environments of their own, without this project.
"""

import json
import sys
from typing import Any

import numpy as np

NUMPY = {"FP64": np.float64, "BOOL": np.bool_, "BYTES": np.object_}
Column = dict[str, Any]


def read_task() -> Any:
    """Return {"port", "grpc", "columns": {name: {"datatype", "data"}}} from standard input."""
    return json.load(sys.stdin)


def as_array(column: Column) -> Any:
    """Return cells as NumPy has them: NaN for a missing number, "" for a missing text."""
    datatype, cells = column["datatype"], column["data"]
    if datatype == "FP64":
        cells = [np.nan if cell is None else cell for cell in cells]
    elif datatype == "BYTES":
        cells = [("" if cell is None else cell).encode() for cell in cells]
    return np.array(cells, dtype=NUMPY[datatype])


def as_texts(columns: dict[str, Column]) -> dict[str, Column]:
    """Return columns with all numbers as texts."""
    found = dict(columns)
    for name, column in columns.items():
        if column["datatype"] == "FP64":
            cells = [None if cell is None else repr(cell) for cell in column["data"]]
            found[name] = {"datatype": "BYTES", "data": cells}
    return found


def answer(labels: Any, proba: Any) -> dict[str, Any]:
    """Return labels and the bits of probabilities, one list a row."""
    texts = [each.decode() if isinstance(each, bytes) else each for each in np.ravel(labels)]
    proba = np.ascontiguousarray(proba)
    assert proba.dtype == np.float64, proba.dtype
    bits = [[f"{bits:016x}" for bits in row] for row in proba.view(np.uint64).tolist()]
    return {"label": texts, "bits": bits}


def print_answers(found: dict[str, Any]) -> None:
    """Print the answers by the name of the way in which each was asked for."""
    json.dump(found, sys.stdout)
