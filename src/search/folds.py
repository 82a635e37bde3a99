"""Folds: rows to fit on and rows to score on, after the steps that candidates share."""

import traceback
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import train_test_split

Positions = NDArray[np.intp]


@dataclass(frozen=True)
class Fold:
    """What a candidate's last step is fitted and scored on; error: why there is nothing."""

    X_train: Any
    y_train: Any
    X_test: Any
    y_test: Any
    error: str | None = None


def make_fold(
    before: Any | None, X: Any, y: Any, train: Positions, test: Positions, *, raises: bool
) -> Fold:
    """Fit the shared steps on the training rows and let both parts through.

    raises: what fails is raised, instead of being kept for the candidates.
    """
    X_train, X_test = _rows(X, train), _rows(X, test)
    y_train, y_test = _rows(y, train), _rows(y, test)
    if before is None:
        return Fold(X_train, y_train, X_test, y_test)
    before = clone(before)
    try:
        # Steps such as target encoders transform what they are fitted on in another way.
        X_train = before.fit_transform(X_train, y_train)
        X_test = before.transform(X_test)
    except Exception:  # whatever a step raises is the result of its candidates
        if raises:
            raise
        return Fold(None, None, None, None, traceback.format_exc())
    return Fold(X_train, y_train, X_test, y_test)


def _rows(values: Any, positions: Positions) -> Any:
    if values is None:
        return None
    if hasattr(values, "iloc"):
        return values.iloc[positions]
    if hasattr(values, "shape"):
        return values[positions]
    return [values[position] for position in positions]


def some_rows(y: Any, n_rows: int, seed: int, *, stratified: bool) -> Positions:
    """Draw training rows of a fold, in their order; classes keep their proportion."""
    everything = np.arange(len(y))
    if n_rows >= len(y):
        return everything
    drawn, _ = train_test_split(
        everything, train_size=n_rows, stratify=y if stratified else None, random_state=seed
    )
    return np.sort(drawn)


def part_of(fold: Fold, rows: Positions | None) -> tuple[Any, Any]:
    """Give the training rows, or some of them."""
    if rows is None:
        return fold.X_train, fold.y_train
    return _rows(fold.X_train, rows), _rows(fold.y_train, rows)
