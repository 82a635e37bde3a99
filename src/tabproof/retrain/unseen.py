"""Which rows of a table a model was not trained on."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabproof import data

Bools = NDArray[np.bool_]


def were_seen(old: data.Division, new: data.Division) -> Bools:
    """Return which of the rows that `new` holds out were learned from in `old`.

    Rows are the same if their features and label are. Of several equal rows of the new table as
    many count as seen as were learned from; which of them makes no difference to a model, so those
    that the new run learns from are taken first.
    """
    columns = [str(name) for name in old.table.X.columns if name in new.table.X.columns]
    known = pd.Series(_hashes(old.table, old.train, columns)).value_counts()
    order = np.concatenate([new.train, new.test])
    hashes = pd.Series(_hashes(new.table, order, columns))
    copy = hashes.groupby(hashes).cumcount().to_numpy()
    n_known = hashes.map(known).fillna(0).to_numpy()
    seen: Bools = (copy < n_known)[len(new.train) :]
    return seen


def count_known(old: data.Table, new: data.Table) -> int:
    """Return how many rows of a table have the features and label of a row of an older one."""
    columns = [str(name) for name in old.X.columns if name in new.X.columns]
    found, known = (_hashes(table, np.arange(len(table.y)), columns) for table in (new, old))
    return int(np.isin(found, known).sum())


def _hashes(table: data.Table, rows: NDArray[np.int64], columns: list[str]) -> NDArray[np.uint64]:
    """Return a hash of features and label of each row."""
    X = table.X[columns].iloc[rows]
    # One bit pattern for zero, and one for every missing number.
    numbers = X.select_dtypes("float64")
    changed = {str(name): numbers[name].fillna(np.nan) + 0.0 for name in numbers}
    labels = [table.labels[code] for code in table.y[rows]]
    found = pd.util.hash_pandas_object(X.assign(**changed, **{"\0label": labels}), index=False)
    return np.asarray(found, dtype=np.uint64)
