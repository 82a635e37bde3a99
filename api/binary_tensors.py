"""Tensors as bytes behind the JSON of a request: the protocol's binary extension.

KServe's and Triton's clients send numpy arrays this way by default. Answers are JSON always,
which both read. https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from typing import Any

import numpy as np

from api.refusals import RefusedError

LENGTH_HEADER = b"inference-header-content-length"
NUMBERS = {
    "BOOL": "?", "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
TEXTS = "BYTES"


def divided(content: bytes, header: bytes) -> tuple[bytes, bytes]:
    """Divide a body into its JSON and the tensors behind it; raises RefusedError."""
    if not header.isdigit() or len(header) > 12 or int(header) > len(content):
        raise RefusedError(400, "Inference-Header-Content-Length is not the length of the JSON")
    return content[: int(header)], content[int(header) :]


def cells_of(name: str, datatype: str, content: bytes, n_cells: int) -> list[Any]:
    """Read a tensor's cells, of which there are to be so many; a NaN is a missing one."""
    if datatype == TEXTS:
        return _texts(name, content, n_cells)
    dtype = np.dtype(NUMBERS[datatype])
    if len(content) != n_cells * dtype.itemsize:
        raise RefusedError(422, f"inputs['{name}'] has a shape that does not fit its bytes")
    values = np.frombuffer(content, dtype)
    if values.dtype.kind != "f":
        cells: list[Any] = values.tolist()
        return cells
    return [None if value != value else value for value in values.tolist()]


def _texts(name: str, content: bytes, n_cells: int) -> list[str]:
    """Read texts, each behind its length in four bytes."""
    found: list[str] = []
    start = 0
    while start < len(content) and len(found) <= n_cells:
        end = start + 4 + int.from_bytes(content[start : start + 4], "little")
        if end > len(content):
            raise RefusedError(422, f"inputs['{name}'] ends within a text")
        try:
            found.append(content[start + 4 : end].decode())
        except UnicodeDecodeError:
            raise RefusedError(422, f"inputs['{name}'] holds a text that is no UTF-8") from None
        start = end
    return found
