"""Describe training rows as a schema."""

import pandas as pd

from src.data.table import Table
from src.schema import CategoryColumn, Column, NumberColumn, Schema


def describe(table: Table, X_train: pd.DataFrame) -> Schema:
    """Take types, categories, ranges and missing shares from the training rows alone."""
    return Schema(
        columns=tuple(_describe_column(X_train[name]) for name in X_train.columns),
        target=table.target,
        labels=table.labels,
        n_rows=len(X_train),
    )


def _describe_column(column: pd.Series) -> Column:
    name, missing_share = str(column.name), float(column.isna().mean())
    if isinstance(column.dtype, pd.CategoricalDtype):
        categories = sorted(map(str, column.dropna().unique()))
        return CategoryColumn(name, tuple(categories), missing_share)
    if missing_share == 1:
        return NumberColumn(name, None, None, missing_share)
    return NumberColumn(name, float(column.min()), float(column.max()), missing_share)
