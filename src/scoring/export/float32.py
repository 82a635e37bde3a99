"""What estimators that compare 32-bit floats are given."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from src.scoring.encoding import FLOAT32_MAX, CategoryEncoding, Encoding, NumberEncoding
from src.scoring.form import Operation

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
