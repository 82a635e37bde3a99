"""Classes that are rare."""

import numpy as np

from src.data.checks.words import make_finding, named
from src.data.table import Table
from src.evidence import Finding


def find_imbalance(table: Table, limit: float) -> Finding | None:
    """Find classes with less than this share of the rows, and less than half an even share.

    Of 30 classes of one size none is rare.
    """
    counts = np.bincount(table.y, minlength=len(table.labels))
    shares = counts / len(table.y)
    is_rare = shares < min(limit, 0.5 / len(table.labels))
    rare = [code for code in np.argsort(counts, kind="stable") if is_rare[code]]
    if not rare:
        return None
    return make_finding(
        "imbalance",
        n_rare=len(rare),
        n_labels=len(table.labels),
        limit=limit,
        named=named((table.labels[c], f"{shares[c]:.2%}, n={counts[c]:,}") for c in rare),
    )
