"""Export what the step `features` makes of dates, texts, and columns of many categories."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabproof.features import seconds_of
from tabproof.scorer import format as specs
from tabproof.scorer.export.columns import cells_of
from tabproof.scorer.format import Arrays, ColumnSpec
from tabproof.scorer.inputs import DateInput, Input, TextInput


def export_inputs(
    features: Any, X: pd.DataFrame, columns: Sequence[ColumnSpec]
) -> tuple[list[specs.InputSpec], list[specs.FeatureSpec], Arrays]:
    """Return the inputs, how `columns` are made of them, and their arrays.

    features : a fitted tabproof.modeling.ColumnFeatures that does not return X as it is.
    """
    maker = features.maker_
    made = [specs.FeatureSpec(f.take, f.of, f.index, f.newest, f.means) for f in maker.features]
    # A column of the model that is a cell says what categories there are.
    same = {f.of[0]: c for f, c in zip(made, columns, strict=True) if f.take == "cell"}
    inputs: list[specs.InputSpec] = []
    arrays: Arrays = {}
    for place, name in enumerate(map(str, X.columns)):
        if place in features.categories_:
            inputs.append(specs.CategorySpec(name, list(features.categories_[place])))
            if place in maker.codes:
                arrays[f"inputs.{place}.codes"] = maker.codes[place]
        elif place in maker.texts:
            table = maker.texts[place]
            inputs.append(specs.TextSpec(name, table.n_buckets))
            arrays[f"inputs.{place}.buckets"] = table.buckets.astype(np.int32)
            arrays[f"inputs.{place}.idf"] = table.idf
            arrays[f"inputs.{place}.table"] = table.table
        elif place not in same:
            inputs.append(specs.DateSpec(name))
        else:
            column = same[place]
            if isinstance(column, specs.CategorySpec):
                inputs.append(specs.CategorySpec(name, column.categories))
            else:
                inputs.append(specs.NumberSpec(name))
                if place in maker.values:
                    arrays[f"inputs.{place}.values"] = maker.values[place]
                    arrays[f"inputs.{place}.codes"] = maker.codes[place]
    for (first, second), pair in maker.pairs.items():
        arrays[f"inputs.{first}.{second}.codes"] = pair.reshape(-1, pair.shape[2])
    return inputs, made, arrays


def input_cells(column: Input, cells: pd.Series) -> NDArray[Any]:
    """Return a column of a frame as the scorer takes it."""
    if isinstance(column, DateInput):
        return seconds_of(cells.to_numpy("datetime64[us]"))
    if isinstance(column, TextInput):
        texts = cells.astype("object")
        return texts.where(texts.notna(), None).to_numpy()
    return cells_of(column, cells)
