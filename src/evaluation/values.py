"""The values of a column, by name; a missing one is a value of its own."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MISSING = "(missing)"


@dataclass(frozen=True)
class Values:
    """The values that occur in a column: categories or numbers in order, missing ones last.

    codes: the place of each row's value among names.
    """

    names: list[str]
    codes: NDArray[np.intp]


def values_of(column: pd.Series) -> Values:
    """Name the values of a column, which has a row or more."""
    codes, uniques = pd.factorize(column, sort=True)
    names = [name_of(value) for value in uniques]
    if (codes < 0).any():
        codes = np.where(codes < 0, len(names), codes)
        names = [*names, missing_among(names)]
    return Values(names, codes)


def missing_among(names: Collection[str]) -> str:
    """Name missing values so that no other value has the name."""
    name = MISSING
    while name in names:
        name = f"({name})"
    return name


def name_of(value: object) -> str:
    """Name a value; "3", not "3.0"."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
