"""Columns that are nearly always missing."""

import pandas as pd

from src.data.checks.words import make_finding, named
from src.evidence import Finding


def find_missing(X: pd.DataFrame, limit: float) -> Finding | None:
    """Find columns that lack at least this share of their values."""
    shares = X.isna().mean()
    found = shares[shares >= limit].sort_values(ascending=False, kind="stable")
    if found.empty:
        return None
    columns = [str(name) for name in found.index]
    shown = named((name, f"{share:.1%}") for name, share in zip(columns, found, strict=True))
    return make_finding("missing", columns, n_columns=len(columns), limit=limit, named=shown)
