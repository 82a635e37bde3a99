"""Export what the preprocessing does to columns before the estimator sees them.

For numbers the arithmetic is read from the fitted steps. For categories the result is: every
category, an unseen one and a missing cell go through the fitted steps, and the output is kept.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn import preprocessing
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline

from tabproof.scorer.encoding import CategoryEncoding, Encoding, NumberEncoding, SplineEncoding
from tabproof.scorer.export.estimators import Positions, find_categories
from tabproof.scorer.format import Operation

Steps = list[tuple[Operation, float]]
# No category of training looks like it.
UNSEEN = "\ue000 never seen"
# What each transformer does to a number, by the column's index among its columns.
NUMERIC: dict[type, Callable[[Any, int], Steps]] = {
    SimpleImputer: lambda imputer, index: [("fill", float(imputer.statistics_[index]))],
    preprocessing.StandardScaler: lambda scaler, index: (
        Steps([("subtract", float(scaler.mean_[index]))] if scaler.with_mean else [])
        + Steps([("divide", float(scaler.scale_[index]))] if scaler.with_std else [])
    ),
    preprocessing.MinMaxScaler: lambda scaler, index: [
        ("multiply", float(scaler.scale_[index])),
        ("add", float(scaler.min_[index])),
    ],
}
# How many features the last transformer makes of the column at an index.
CATEGORICAL: dict[type, Callable[[Any, int], int]] = {
    # Only the names are public, and 'a_b' may be a column or a category of the column 'a'.
    preprocessing.OneHotEncoder: lambda encoder, index: int(encoder._n_features_outs[index]),
    preprocessing.OrdinalEncoder: lambda _encoder, _index: 1,
    preprocessing.TargetEncoder: lambda encoder, _index: (
        len(encoder.classes_) if encoder.target_type_ == "multiclass" else 1
    ),
}
# Other transformers give the number in this attribute, such as tabproof.modeling.CategoryHasher,
# which cannot be imported here.
WIDTH = "features_per_column"
# A transformer with this method makes splines of numbers: it returns the knots of the column at an
# index and the table of its features, such as tabproof.modeling.Splines.
SPLINE = "spline_of"
# Options with which a transformer does something else, or refuses what a client may send.
OBSTACLES: dict[str, Callable[[Any], bool]] = {
    "add_indicator": bool,
    "clip": bool,
    "missing_values": lambda value: not pd.isna(value),
    "handle_unknown": lambda value: value in ("error", "warn"),
}


def find_column_obstacle(preprocess: Any) -> str | None:
    """Return the transformer that has no data-only form, if there is one; needs no fit."""
    if passes_columns(preprocess):
        return None
    for name, chain, _ in preprocess.transformers:
        steps = _steps_of(chain)
        for step in steps:
            found, kind = f"preprocess.{name}: {type(step).__name__}", type(step)
            if name == "numeric":
                is_known = kind in NUMERIC or (hasattr(step, SPLINE) and len(steps) == 1)
            elif step is steps[-1]:
                is_known = kind in CATEGORICAL or hasattr(step, WIDTH)
            else:
                is_known = kind is SimpleImputer
            if not is_known:
                return found
            for option, is_obstacle in OBSTACLES.items():
                value = getattr(step, option, None)
                if value is not None and is_obstacle(value):
                    shown = str(value).lower() if isinstance(value, bool) else value
                    return f"{found} with {option}={shown}"
    return None


def passes_columns(preprocess: Any) -> bool:
    """Return whether columns reach the estimator as they are, if they do."""
    # A step that leaves some out, such as tabproof.modeling.OwnColumns, has the attribute.
    return isinstance(preprocess, str) or getattr(preprocess, "passes_columns", False)


def unused_column(name: str, column: pd.Series) -> Encoding:
    """Return a column of no features, which a model does not use."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        categories = find_categories(column)
        return CategoryEncoding(name, tuple(categories), np.empty((len(categories) + 2, 0)))
    return SplineEncoding(name, (), np.zeros(1), np.empty((2, 0)))


def makes_splines(preprocess: Any) -> bool:
    """Return whether numbers become splines; needs no fit."""
    if passes_columns(preprocess):
        return False
    chains = [_steps_of(chain) for name, chain, _ in preprocess.transformers if name == "numeric"]
    return any(hasattr(step, SPLINE) for steps in chains for step in steps)


def _steps_of(chain: Any) -> list[Any]:
    return [step for _, step in chain.steps] if isinstance(chain, Pipeline) else []


def export_columns(preprocess: Any, X: pd.DataFrame) -> tuple[list[Encoding], Positions]:
    """Return an encoding per column of X, and where each feature of the estimator is in them.

    X are the rows on which the pipeline was fitted.
    """
    found: dict[str, Encoding] = {}
    # What is left is dropped: prepared features that this model does not use.
    groups = [each for each in preprocess.transformers_ if each[0] != "remainder"]
    for group, chain, columns in groups:
        names = list(map(str, columns))
        if group == "numeric":
            transformers = _steps_of(chain)
            for index, name in enumerate(names):
                if transformers and hasattr(transformers[0], SPLINE):
                    found[name] = SplineEncoding(name, (), *transformers[0].spline_of(index))
                    continue
                steps = [s for step in transformers for s in NUMERIC[type(step)](step, index)]
                found[name] = NumberEncoding(name, tuple(steps))
        elif names:
            categories = {name: find_categories(X[name]) for name in columns}
            n_rows = max(map(len, categories.values())) + 2
            # All columns are transformed together; shorter ones are padded with missing cells.
            frame = pd.DataFrame(
                {
                    name: as_cells([*own, UNSEEN, *[None] * (n_rows - 1 - len(own))])
                    for name, own in categories.items()
                }
            )
            transformed = chain.transform(frame)
            dense = transformed.toarray() if issparse(transformed) else transformed
            features = np.asarray(dense, dtype=np.float64)
            last, first = _steps_of(chain)[-1], 0
            width_of = CATEGORICAL.get(type(last))
            # The features of one column are consecutive, in the order of columns.
            for index, (name, own) in enumerate(zip(names, categories.values(), strict=True)):
                end = first + (getattr(last, WIDTH) if width_of is None else width_of(last, index))
                codes = features[: len(own) + 2, first:end]
                found[name] = CategoryEncoding(name, tuple(own), codes)
                first = end
    encodings = [found.get(name) or unused_column(name, X[name]) for name in map(str, X.columns)]
    ends = np.cumsum([encoding.width for encoding in encodings])
    features_of = {
        e.name: range(end - e.width, end) for e, end in zip(encodings, ends, strict=True)
    }
    positions = [
        position
        for *_, columns in groups
        for name in map(str, columns)
        for position in features_of[name]
    ]
    return encodings, np.array(positions, dtype=np.intp)


def as_cells(values: Sequence[str | None]) -> pd.Series:
    """Return a categorical column, as a loaded table has it."""
    categories = pd.Index(sorted({value for value in values if value is not None}), dtype="object")
    return pd.Series(values, dtype=pd.CategoricalDtype(categories))


def cells_of(encoding: Encoding, column: pd.Series) -> NDArray[Any]:
    """Return a column's cells as the scorer takes them: numbers, or indices of categories."""
    if isinstance(encoding, NumberEncoding):
        return column.to_numpy(np.float64)
    by_code = column.astype("category").cat
    indices = [encoding.index_of.get(name, encoding.unseen) for name in by_code.categories]
    # The code of a missing cell is -1, so it takes the last entry.
    return np.array([*indices, encoding.missing], np.intp)[by_code.codes.to_numpy()]
