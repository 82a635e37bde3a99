"""From NumPy to Arrow and back, without pandas.

pyarrow's array(), scalar() and to_numpy() import it to see whether they were given something
of it: 0.3 s and 40 MB.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

ARROW_TYPES = {"f": pa.float64(), "i": pa.int64()}
DTYPES = {pa.float64(): np.float64, pa.int64(): np.int64, pa.uint8(): np.uint8}


def numbers_array(values: NDArray[Any]) -> pa.Array:
    """Make an array of float64 or int64 without nulls, which shares the memory where it can."""
    kind = values.dtype.kind
    content = np.ascontiguousarray(values, dtype={"f": np.float64, "i": np.int64}[kind])
    return pa.Array.from_buffers(ARROW_TYPES[kind], len(content), [None, pa.py_buffer(content)])


def texts_array(texts: Sequence[str]) -> pa.Array:
    """Make an array of texts without nulls."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def number_scalar(value: int) -> pa.Scalar:
    """Make a scalar of int64."""
    return numbers_array(np.array([value]))[0]


def text_scalar(text: str) -> pa.Scalar:
    """Make a scalar of text."""
    return texts_array([text])[0]


def null_scalar(kind: pa.DataType) -> pa.Scalar:
    """Make a scalar of nothing."""
    return pa.nulls(1, kind)[0]


def as_numpy(array: pa.Array) -> NDArray[Any]:
    """Give float64, int64 or truth values; an array of floats may have nulls: NaN."""
    if pa.types.is_boolean(array.type):
        return as_numpy(array.cast(pa.uint8())).view(np.bool_)
    if array.null_count:
        array = pc.fill_null(array, NAN)
    dtype = DTYPES[array.type]
    content = array.buffers()[1]
    if content is None:
        return np.empty(0, dtype)
    return np.frombuffer(content, dtype)[array.offset : array.offset + len(array)]


NAN = numbers_array(np.array([np.nan]))[0]
