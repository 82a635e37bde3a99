"""What an exporter of one kind of estimator implements."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabproof.scorer.encoding import FLOAT32_MAX, CategoryEncoding, Encoding, NumberEncoding
from tabproof.scorer.format import Arrays, Operation, SingleSpec

# For each feature of the estimator, its index among the features of the encodings.
Positions = NDArray[np.intp]
RefusedOptions = Mapping[str, Callable[[Any], bool]]


class EstimatorExporter:
    """Exports one kind of estimator; subclasses override what differs."""

    # Options, and whether a value of theirs has no data-only form.
    refused_options: ClassVar[RefusedOptions] = {}

    def obstacle(self, estimator: Any, *, passthrough: bool) -> str | None:  # noqa: ARG002
        """Return the option that has no data-only form, if there is one; needs no fit.

        With `passthrough`, columns reach the estimator unchanged, categories too.
        """
        for option, value in estimator.get_params(deep=False).items():
            is_refused = self.refused_options.get(option)
            if value is not None and is_refused is not None and is_refused(value):
                shown = str(value).lower() if isinstance(value, bool) else value
                return f"model.estimator: {type(estimator).__name__} with {option}={shown}"
        return None

    def encode(
        self,
        estimator: Any,  # noqa: ARG002 - of use to those who take categories
        X: pd.DataFrame,
    ) -> tuple[list[Encoding], Positions]:
        """Encode columns that reach the estimator unchanged; here it takes numbers only."""
        return [NumberEncoding(str(name), ()) for name in X.columns], np.arange(X.shape[1])

    def export(
        self, estimator: Any, encodings: Sequence[Encoding], positions: Positions
    ) -> tuple[SingleSpec, Arrays, Sequence[Encoding]]:
        """Return the model, its arrays, and the encodings with what it does to features."""
        raise NotImplementedError


def other_than(*valid: Any) -> Callable[[Any], bool]:
    """Refuse all values of an option but these."""
    return lambda value: value not in valid


# 32 bits hold no larger numbers, and no threshold separates them from the largest.
ROUND: tuple[tuple[Operation, float], ...] = (("clip_float32", 0.0), ("float32", 0.0))


def round_to_float32(encodings: Sequence[Encoding]) -> list[Encoding]:
    """Round each feature as the last step, for estimators that compare 32-bit floats."""
    rounded: list[Encoding] = []
    for encoding in encodings:
        if isinstance(encoding, NumberEncoding):
            rounded.append(replace(encoding, steps=(*encoding.steps, *ROUND)))
        else:
            codes = np.clip(encoding.codes, -FLOAT32_MAX, FLOAT32_MAX)
            codes = codes.astype(np.float32).astype(np.float64)
            rounded.append(CategoryEncoding(encoding.name, encoding.categories, codes))
    return rounded


def find_categories(column: pd.Series) -> list[str]:
    """Return the categories that occur, sorted, as the schema lists them."""
    return sorted(map(str, column.dropna().unique()))
