"""The Open Inference Protocol, version 2: tensors in and out, as KServe's clients send them.

One tensor per column, with its name; or, if all columns are numbers, one tensor of shape
[rows, columns]. The outputs are `predict` (labels) and `predict_proba`.
https://github.com/kserve/open-inference-protocol
"""

from math import prod
from typing import Any

import msgspec
import numpy as np

from tabproof.schema import CategoryColumn
from tabproof.service.answers import RefusedError, not_found
from tabproof.service.bodies import decode_as
from tabproof.service.rows import Cell, Row
from tabproof.service.served_model import ServedModel

# --- The binary extension: tensors as bytes behind the JSON of a request

LENGTH_HEADER = b"inference-header-content-length"
NUMBERS = {
    "BOOL": "?", "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
TEXTS = "BYTES"


def split_body(content: bytes, header: bytes) -> tuple[bytes, bytes]:
    """Split a body into its JSON and the tensors behind it; raise RefusedError."""
    if not header.isdigit() or len(header) > 12 or int(header) > len(content):
        raise RefusedError(400, "Inference-Header-Content-Length is not the length of the JSON")
    return content[: int(header)], content[int(header) :]


def cells_of(name: str, datatype: str, content: bytes, n_cells: int) -> list[Any]:
    """Return the n_cells cells of a tensor; NaN becomes a missing cell."""
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
    """Return texts; each is preceded by its length in four bytes."""
    found: list[str] = []
    start = 0
    while start < len(content) and len(found) <= n_cells:
        end = start + 4 + int.from_bytes(content[start : start + 4], "little")
        if end > len(content):
            raise RefusedError(422, f"inputs['{name}'] ends inside a text")
        try:
            found.append(content[start + 4 : end].decode())
        except UnicodeDecodeError:
            raise RefusedError(
                422, f"inputs['{name}'] has a text that is not valid UTF-8"
            ) from None
        start = end
    return found


FORM = '{"inputs": [{"name": column, "shape": [rows], "datatype": "FP64", "data": […]}, …]}'


class Tensor(msgspec.Struct):
    """An input: data flat or nested, or as bytes behind the JSON (`binary_data_size`)."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = None
    parameters: dict[str, Any] | None = None


class RequestedOutput(msgspec.Struct):
    """An output that the client wants."""

    name: str
    parameters: dict[str, Any] | None = None


class InferRequest(msgspec.Struct):
    """The body of a request."""

    inputs: list[Tensor]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[RequestedOutput] | None = None


class OutputTensor(msgspec.Struct):
    """An output, with flat data."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class InferResponse(msgspec.Struct, omit_defaults=True):
    """The body of a response; parameters: the warnings, as text."""

    model_name: str
    model_version: str
    outputs: list[OutputTensor]
    id: str | None = None
    parameters: dict[str, Any] = {}


def decode(content: bytes, json_length: bytes | None, max_cells: int) -> InferRequest:
    """Decode a body; json_length: the header that announces tensors behind the JSON.

    max_cells: larger tensors are refused before memory is allocated.
    """
    if json_length is None:
        request = decode_as(InferRequest, content, FORM)
        tail = b""
    else:
        content, tail = split_body(content, json_length)
        request = decode_as(InferRequest, content, FORM)
    for tensor in request.inputs:
        if tensor.datatype not in NUMBERS and tensor.datatype != TEXTS:
            known = ", ".join([*NUMBERS, TEXTS])
            raise RefusedError(422, f"inputs['{tensor.name}'].datatype is not one of {known}")
        if not tensor.shape or min(tensor.shape) < 0:
            raise RefusedError(422, f"inputs['{tensor.name}'].shape is not a valid shape")
        if prod(tensor.shape) > max_cells:
            raise RefusedError(
                413, f"inputs['{tensor.name}'] has too many rows; send them in parts"
            )
        if tensor.data is None:
            size = (tensor.parameters or {}).get("binary_data_size")
            if type(size) is not int or not 0 <= size <= len(tail):
                raise RefusedError(422, f"inputs['{tensor.name}'] has no data")
            tensor.data = cells_of(tensor.name, tensor.datatype, tail[:size], prod(tensor.shape))
            tail = tail[size:]
        if len(tensor.data) > prod(tensor.shape):
            raise RefusedError(
                422, f"inputs['{tensor.name}'] has a shape that does not fit its data"
            )
    return request


def check_version(model: ServedModel, version: str | None) -> None:
    """Refuse a version that is not served; one version of each model is."""
    if version is not None and version != model.run_id:
        raise not_found(f"of model '{model.name}' only version {model.run_id} is served")


def rows_of(request: InferRequest, model: ServedModel) -> list[Row]:
    """Return the rows of tensors; raise RefusedError."""
    names = [column.name for column in model.schema.columns]
    tensors = request.inputs
    if not tensors:
        raise RefusedError(422, f"inputs is empty; a body is {FORM}")
    if len(tensors) == 1 and tensors[0].name not in names:
        return _rows_of_matrix(tensors[0], names)
    columns: dict[str, list[Cell]] = {}
    for tensor in tensors:
        if tensor.name in columns:
            raise RefusedError(422, f"inputs has '{tensor.name}' twice")
        n_cells = len(tensor.data or [])
        if tensor.shape not in ([n_cells], [n_cells, 1]):
            raise RefusedError(
                422, f"inputs['{tensor.name}'] has a shape that does not fit its data"
            )
        columns[tensor.name] = _cells(tensor, _flat(tensor))
    lengths = {len(cells) for cells in columns.values()}
    if len(lengths) > 1:
        raise RefusedError(422, f"inputs have different numbers of rows: {sorted(lengths)}")
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _rows_of_matrix(tensor: Tensor, names: list[str]) -> list[Row]:
    cells = _cells(tensor, _flat(tensor))
    width = len(names)
    if len(tensor.shape) != 2 or tensor.shape[1] != width or len(cells) != tensor.shape[0] * width:
        raise RefusedError(
            422,
            f"inputs['{tensor.name}'] is not a column, and its shape is not [rows, {width}];"
            " send one tensor per column, or one with all columns in the order of /schema",
        )
    return [
        dict(zip(names, cells[start : start + width], strict=True))
        for start in range(0, len(cells), width)
    ]


def _flat(tensor: Tensor) -> list[Any]:
    """Flatten one level of nesting, which clients may send."""
    data = tensor.data or []
    if any(isinstance(item, list) for item in data):
        if not all(isinstance(item, list) for item in data):
            raise RefusedError(422, f"inputs['{tensor.name}'].data is nested unevenly")
        return [cell for row in data for cell in row]
    return data


def _cells(tensor: Tensor, values: list[Any]) -> list[Cell]:
    kinds = set(map(type, values)) - {type(None)}
    if kinds & {list, dict}:
        raise RefusedError(422, f"inputs['{tensor.name}'].data is nested too deeply")
    if kinds and (kinds == {str}) != (tensor.datatype == TEXTS):
        raise RefusedError(422, f"inputs['{tensor.name}'].data is not of {tensor.datatype}")
    return values


def infer(
    request: InferRequest, rows: list[Row], model: ServedModel
) -> tuple[InferResponse, list[str]]:
    """Predict; return the response and the labels."""
    batch = model.predict_rows(rows, strict=False)
    labels = model.scorer.labels
    n_rows = len(rows)
    flat = [p for row in zip(*batch.probabilities.values(), strict=True) for p in row]
    outputs = {
        "predict": OutputTensor("predict", [n_rows], "BYTES", list(batch.label)),
        "predict_proba": OutputTensor("predict_proba", [n_rows, len(labels)], "FP64", flat),
    }
    wanted = [output.name for output in request.outputs or []] or list(outputs)
    unknown = [name for name in wanted if name not in outputs]
    if unknown:
        raise RefusedError(422, f"there is no output of that name; outputs: {', '.join(outputs)}")
    warnings = [f"{w.column}: {w.message}" for w in batch.warnings]
    response = InferResponse(
        model_name=model.name,
        model_version=model.run_id,
        id=request.id,
        outputs=[outputs[name] for name in wanted],
        parameters={"warnings": "; ".join(warnings)} if warnings else {},
    )
    return response, batch.label


def metadata(model: ServedModel) -> dict[str, Any]:
    """Describe the tensors of a model."""
    inputs = [
        {
            "name": column.name,
            "datatype": "BYTES" if isinstance(column, CategoryColumn) else "FP64",
            "shape": [-1],
        }
        for column in model.schema.columns
    ]
    return {
        "name": model.name,
        "versions": [model.run_id],
        "platform": "tabproof-scorer",
        "inputs": inputs,
        "outputs": [
            {"name": "predict", "datatype": "BYTES", "shape": [-1]},
            {"name": "predict_proba", "datatype": "FP64", "shape": [-1, len(model.scorer.labels)]},
        ],
    }
