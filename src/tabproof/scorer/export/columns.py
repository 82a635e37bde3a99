"""Export what happens to columns before the estimator sees them.

Of numbers the arithmetic is taken from the fitted steps. Of categories the result is: each
one, an unseen one and a missing one go through the fitted steps, and what comes out is kept.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)

from tabproof.scorer.encoding import FLOAT32_MAX, CategoryEncoding, Encoding, NumberEncoding
from tabproof.scorer.form import Operation

# --- What estimators that compare 32-bit floats are given.

# Numbers beyond 32 bits become infinite, or are refused; no threshold tells them from the nearest.
ROUND: tuple[tuple[Operation, float], ...] = (("clip_float32", 0.0), ("float32", 0.0))


def rounded(encodings: Sequence[Encoding]) -> list[Encoding]:
    """Round each feature, as the last step."""
    return [_rounded(encoding) for encoding in encodings]


def _rounded(encoding: Encoding) -> Encoding:
    if isinstance(encoding, NumberEncoding):
        return replace(encoding, steps=(*encoding.steps, *ROUND))
    codes = np.clip(encoding.codes, -FLOAT32_MAX, FLOAT32_MAX)
    as_float32 = codes.astype(np.float32).astype(np.float64)
    return CategoryEncoding(encoding.name, encoding.categories, as_float32)


Steps = list[tuple[Operation, float]]
# No label of training looks like it.
UNSEEN = "\ue000 never seen"


def _imputer_steps(imputer: SimpleImputer, place: int) -> Steps:
    return [("fill", float(imputer.statistics_[place]))]


def _scaler_steps(scaler: StandardScaler, place: int) -> Steps:
    steps: Steps = []
    if scaler.with_mean:
        steps.append(("subtract", float(scaler.mean_[place])))
    if scaler.with_std:
        steps.append(("divide", float(scaler.scale_[place])))
    return steps


def _min_max_steps(scaler: MinMaxScaler, place: int) -> Steps:
    return [("multiply", float(scaler.scale_[place])), ("add", float(scaler.min_[place]))]


# How each step changes a number, by the column's place among the step's columns.
NUMERIC: dict[type, Callable[[Any, int], Steps]] = {
    SimpleImputer: _imputer_steps,
    StandardScaler: _scaler_steps,
    MinMaxScaler: _min_max_steps,
}
# How many features the last step makes of the column at a place.
CATEGORICAL: dict[type, Callable[[Any, int], int]] = {
    # Public are only the names, and 'a_b' may be a column or a category of the column 'a'.
    OneHotEncoder: lambda encoder, place: int(encoder._n_features_outs[place]),
    OrdinalEncoder: lambda _encoder, _place: 1,
    TargetEncoder: lambda encoder, _place: (
        len(encoder.classes_) if encoder.target_type_ == "multiclass" else 1
    ),
}
# Or the step says so itself, as tabproof.modeling.CategoryHasher does, which we may not import.
WIDTH = "features_per_column"
# Steps that may stand before it.
BEFORE_LAST = {SimpleImputer}
# Values of options with which a step does other things, or refuses what a client may send.
OBSTACLES: dict[str, Callable[[Any], bool]] = {
    "add_indicator": bool,
    "clip": bool,
    "missing_values": lambda value: not pd.isna(value),
    "handle_unknown": lambda value: value in ("error", "warn"),
}


def column_obstacle(preprocess: Any) -> str | None:
    """Name the step that has no data-only form, if there is one; needs no fit."""
    if isinstance(preprocess, str):
        return None
    for name, chain, _ in preprocess.transformers:
        steps = _steps_of(chain)
        for step in steps:
            if not _is_known(step, name, is_last=step is steps[-1]):
                return f"preprocess.{name}: {type(step).__name__}"
            for option, is_obstacle in OBSTACLES.items():
                value = getattr(step, option, None)
                if value is not None and is_obstacle(value):
                    return (
                        f"preprocess.{name}: {type(step).__name__} with {option}={_in_yaml(value)}"
                    )
    return None


def _is_known(step: Any, kind: str, *, is_last: bool) -> bool:
    if kind == "numeric":
        return type(step) in NUMERIC
    return (
        type(step) in CATEGORICAL or hasattr(step, WIDTH) if is_last else type(step) in BEFORE_LAST
    )


def _in_yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _steps_of(chain: Any) -> list[Any]:
    return [step for _, step in chain.steps] if isinstance(chain, Pipeline) else []


def export_columns(preprocess: Any, X: pd.DataFrame) -> tuple[list[Encoding], NDArray[np.intp]]:
    """Give an encoding per column of X, and where each feature of the estimator stands in them.

    X holds the rows that the pipeline was fitted on.
    """
    encodings = dict(_encodings(preprocess, X))
    ordered = [encodings[str(name)] for name in X.columns]
    widths = {encoding.name: encoding.width for encoding in ordered}
    first = dict(zip(widths, np.cumsum([0, *widths.values()]).tolist(), strict=False))
    fitted = [name for _, _, names in preprocess.transformers_ for name in names]
    places = [first[str(name)] + i for name in fitted for i in range(widths[str(name)])]
    return ordered, np.array(places, dtype=np.intp)


def _encodings(preprocess: ColumnTransformer, X: pd.DataFrame) -> Iterator[tuple[str, Encoding]]:
    for name, chain, columns in preprocess.transformers_:
        if name == "numeric":
            for place, column in enumerate(columns):
                steps = [s for step in _steps_of(chain) for s in NUMERIC[type(step)](step, place)]
                yield str(column), NumberEncoding(str(column), tuple(steps))
        elif len(columns):
            yield from _category_encodings(chain, X[list(columns)])


def _category_encodings(chain: Pipeline, X: pd.DataFrame) -> Iterator[tuple[str, Encoding]]:
    categories = {name: categories_of(X[name]) for name in X.columns}
    cells = {name: [*found, UNSEEN, None] for name, found in categories.items()}
    n_rows = max(map(len, cells.values()))
    # All columns go through together, the shorter ones filled up with missing cells.
    frame = pd.DataFrame(
        {name: as_cells(c + [None] * (n_rows - len(c))) for name, c in cells.items()}
    )
    transformed = chain.transform(frame)
    dense = transformed.toarray() if issparse(transformed) else transformed
    features = np.asarray(dense, dtype=np.float64)
    last = _steps_of(chain)[-1]
    first = 0
    # Encoders put what a column becomes side by side, in the order of columns.
    for place, (name, found) in enumerate(categories.items()):
        end = first + _width_of(last, place)
        codes = features[: len(found) + 2, first:end]
        yield str(name), CategoryEncoding(str(name), tuple(found), codes)
        first = end


def _width_of(encoder: Any, place: int) -> int:
    width = CATEGORICAL.get(type(encoder))
    return int(getattr(encoder, WIDTH) if width is None else width(encoder, place))


def numbers_as_they_are(X: pd.DataFrame) -> tuple[list[Encoding], NDArray[np.intp]]:
    """Encode columns that reach an estimator as they are, where it takes numbers alone."""
    return [NumberEncoding(str(name), ()) for name in X.columns], np.arange(X.shape[1])


def categories_of(column: pd.Series) -> list[str]:
    """Give the categories that occur, sorted: those of the schema."""
    return sorted(map(str, column.dropna().unique()))


def as_cells(values: Sequence[str | None]) -> pd.Series:
    """Make a column of categories, as a table holds it."""
    categories = pd.Index(sorted({value for value in values if value is not None}), dtype="object")
    return pd.Series(values, dtype=pd.CategoricalDtype(categories))


def cells_of(encoding: Encoding, column: pd.Series) -> NDArray[Any]:
    """Give a column's cells as the scorer takes them: numbers, or places of categories."""
    if isinstance(encoding, NumberEncoding):
        return column.to_numpy(np.float64)
    by_code = column.astype("category").cat
    places = [encoding.place_of.get(name, encoding.unseen) for name in by_code.categories]
    # The code of a missing cell is -1: the last of the table.
    return np.array([*places, encoding.missing], np.intp)[by_code.codes.to_numpy()]
