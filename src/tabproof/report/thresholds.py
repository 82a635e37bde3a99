"""The content of the panel "Threshold" of report.html: the predictions of the hold-out set.

Every count that the panel shows at a threshold is exact: it has the probabilities bit by bit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabproof import web
from tabproof.auc import Codes, Floats
from tabproof.evaluation_result import Evidence

# Of more rows, a sample is drawn, which the panel states.
MAX_ROWS = 50_000


def make_thresholds(
    evidence: Evidence,
    y: Codes,
    proba: Floats,
    groups: Mapping[str, tuple[Sequence[str], NDArray[np.integer[Any]]]],
    *,
    seed: int = 0,
) -> dict[str, Any] | None:
    """Return the content for the script of the panel; None unless two labels have rows.

    y : (n_rows,). proba : (n_rows, 2). groups : by column the names of its groups, and the code of
    each row.
    """
    if not evidence.is_binary or not 0 < np.count_nonzero(y) < len(y):
        return None
    rows = np.arange(len(y))
    if len(rows) > MAX_ROWS:
        rows = np.random.default_rng(seed).choice(rows, MAX_ROWS, replace=False)
    rows = rows[np.argsort(proba[rows, 1], kind="stable")]
    sorted_proba = np.ascontiguousarray(proba[rows, 1], dtype="<f8")
    small = {part.column: {g.name for g in part.groups if g.is_small} for part in evidence.slices}
    threshold, costs = evidence.decision.threshold, evidence.decision.costs
    return {
        "labels": list(evidence.labels),
        "threshold": 0.5 if threshold is None else threshold,
        "costs": None if costs is None else [list(each) for each in costs],
        "n_rows": len(rows),
        "n_all": len(y),
        # In ascending order, and byte by byte: the first bytes of all numbers, then the second
        # ones. Neighbours are nearly equal, so gzip needs three quarters of the characters.
        "proba": web.pack(sorted_proba.view(np.uint8).reshape(-1, 8).T.tobytes()),
        "truth": web.pack(y[rows].astype(np.uint8).tobytes()),
        "groups": [
            {
                "column": column,
                "names": list(names),
                "small": [name in small.get(column, ()) for name in names],
                "codes": web.pack(codes[rows].astype(np.uint8).tobytes()),
            }
            for column, (names, codes) in groups.items()
        ],
    }
