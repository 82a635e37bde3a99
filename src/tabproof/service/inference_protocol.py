"""The Open Inference Protocol, version 2: tensors in and out, as KServe's clients send them.

One tensor per column, with its name; or, if all columns are numbers, one tensor of shape
[rows, columns]. The outputs are `predict` (labels) and `predict_proba`.
https://github.com/kserve/open-inference-protocol
"""

from collections.abc import Sequence
from math import inf, prod
from types import NoneType
from typing import Any

import msgspec
import numpy as np

from tabproof.service.answers import PredictionBatch, RefusedError, RowWarning
from tabproof.service.rows import Cell, Row, decode_body, refuse_duplicates
from tabproof.service.served_model import ServedModel

# The header that announces tensors as bytes behind the JSON of a request.
LENGTH_HEADER = b"inference-header-content-length"
NUMBERS = {
    "BOOL": "?", "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
TEXTS = "BYTES"
# MLServer's codec sends a column of pandas so if its cells are of several types: each text is JSON.
PANDAS_JSON = "pd_json"
# The least and the greatest number of a type that is narrower than JSON's numbers.
RANGES: dict[str, tuple[float, float]] = {
    **{name: (float(np.finfo(code).min), float(np.finfo(code).max))
       for name, code in NUMBERS.items() if name in ("FP16", "FP32")},
    **{name: (int(np.iinfo(code).min), int(np.iinfo(code).max))
       for name, code in NUMBERS.items() if "INT" in name},
}  # fmt: skip
FORM = '{"inputs": [{"name": column, "shape": [rows], "datatype": "FP64", "data": […]}, …]}'


class Tensor(msgspec.Struct, omit_defaults=True):
    """Data: flat; of an input also nested, or bytes behind the JSON (`binary_data_size`)."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = None
    parameters: dict[str, Any] | None = None

    def refusal(self, reason: str, status: int = 422) -> RefusedError:
        """Return an error that names the tensor."""
        return RefusedError(status, f"inputs['{self.name}']{reason}")

    def read_bytes(self, content: bytes) -> list[Any]:
        """Return the cells of the binary form; NaN becomes a missing cell.

        Numbers lie side by side; each text is preceded by its length in four bytes.
        """
        n_cells = prod(self.shape)
        if self.datatype != TEXTS:
            dtype = np.dtype(NUMBERS[self.datatype])
            if len(content) != n_cells * dtype.itemsize:
                raise self.refusal(" has a shape that does not fit its bytes")
            values: list[Any] = np.frombuffer(content, dtype).tolist()
            return values if dtype.kind != "f" else [None if v != v else v for v in values]
        texts: list[Any] = []
        start = 0
        while start < len(content) and len(texts) <= n_cells:
            end = start + 4 + int.from_bytes(content[start : start + 4], "little")
            if end > len(content):
                raise self.refusal(" ends inside a text")
            try:
                texts.append(content[start + 4 : end].decode())
            except UnicodeDecodeError:
                raise self.refusal(" has a text that is not valid UTF-8") from None
            start = end
        return texts

    def cells(self) -> list[Cell]:
        """Return the cells; clients may send them with one level of nesting."""
        cells = self.data or []
        nested = [isinstance(item, list) for item in cells]
        if any(nested):
            if not all(nested):
                raise self.refusal(".data is nested unevenly")
            cells = [cell for row in cells for cell in row]
        kinds = set(map(type, cells)) - {NoneType}
        if kinds & {list, dict}:
            raise self.refusal(".data is nested too deeply")
        if self.datatype == TEXTS and (self.parameters or {}).get("content_type") == PANDAS_JSON:
            return [self._from_json(n, cell) for n, cell in enumerate(cells)]
        if self.datatype in ("FP64", TEXTS) and kinds <= {str if self.datatype == TEXTS else float}:
            return cells
        return [None if cell is None else self._typed(n, cell) for n, cell in enumerate(cells)]

    def _from_json(self, place: int, cell: Any) -> Cell:
        try:
            found: Cell = None if cell is None else _decode_cell(cell)
        except (msgspec.MsgspecError, TypeError, RecursionError):
            wanted = f"of {PANDAS_JSON}: it takes a text, a number, true, false or null, as JSON"
            raise self.refusal(f".data[{place}] is not {wanted}") from None
        return found

    def _typed(self, place: int, cell: Any) -> Any:
        """Return a cell as the tensor's type has it; refuse one that is not of that type."""
        kind, (low, high) = type(cell), RANGES.get(self.datatype, (-inf, inf))
        if self.datatype == TEXTS:
            wanted, is_fitting = "a text", kind is str
        elif self.datatype == "BOOL":
            wanted, is_fitting = "true, false, 1 or 0", kind is not str and cell in (0, 1)
            cell = bool(cell)
        elif self.datatype.startswith("FP"):
            wanted = "a number" if high == inf else f"a number from {low:g} to {high:g}"
            is_fitting = kind in (int, float) and low <= cell <= high
        else:
            wanted = f"a whole number from {low} to {high}"
            is_fitting = kind in (int, float) and low <= cell <= high and cell == int(cell)
            cell = int(cell) if is_fitting else cell
        if not is_fitting:
            raise self.refusal(f".data[{place}] is not of {self.datatype}: it takes {wanted}")
        return cell


class RequestedOutput(msgspec.Struct):
    """A requested output."""

    name: str
    parameters: dict[str, Any] | None = None


class InferRequest(msgspec.Struct):
    """The body of a request; parameters: strict and explain, others are ignored."""

    inputs: list[Tensor]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[RequestedOutput] | None = None


class InferResponse(msgspec.Struct, omit_defaults=True):
    """The body of a response; parameters: the warnings, as text, and the scale of explanations."""

    model_name: str
    model_version: str
    outputs: list[Tensor]
    id: str | None = None
    parameters: dict[str, Any] = {}


_decode = msgspec.json.Decoder(InferRequest).decode
_decode_cell = msgspec.json.Decoder(Cell).decode


def decode(content: bytes, json_length: bytes | None, max_cells: int) -> InferRequest:
    """Decode a body; json_length: the value of LENGTH_HEADER, if it was sent.

    max_cells: larger tensors are refused before memory is allocated.
    """
    tail = b""
    if json_length is not None:
        n_bytes = int(json_length) if json_length.isdigit() and len(json_length) <= 12 else -1
        if not 0 <= n_bytes <= len(content):
            raise RefusedError(400, "Inference-Header-Content-Length is not the length of the JSON")
        content, tail = content[:n_bytes], content[n_bytes:]
    request = decode_body(_decode, content, FORM)
    refuse_duplicates(content)
    for tensor in request.inputs:
        check_form(tensor, max_cells)
        if tensor.data is None:
            size = (tensor.parameters or {}).get("binary_data_size")
            if type(size) is not int or not 0 <= size <= len(tail):
                raise tensor.refusal(" has no data")
            tensor.data, tail = tensor.read_bytes(tail[:size]), tail[size:]
        if len(tensor.data) > prod(tensor.shape):
            raise tensor.refusal(" has a shape that does not fit its data")
    return request


def check_form(tensor: Tensor, max_cells: int) -> None:
    """Refuse a type or shape that no tensor has, and one with too many cells."""
    if tensor.datatype not in NUMBERS and tensor.datatype != TEXTS:
        raise tensor.refusal(f".datatype is not one of {', '.join([*NUMBERS, TEXTS])}")
    if not tensor.shape or min(tensor.shape) < 0:
        raise tensor.refusal(".shape is not a valid shape")
    if prod(tensor.shape) > max_cells:
        raise tensor.refusal(" has too many rows; send them in parts", 413)


def rows_of(request: InferRequest, model: ServedModel) -> list[Row]:
    """Return the rows of tensors; raise RefusedError."""
    names, tensors = [column.name for column in model.schema.columns], request.inputs
    columns: dict[str, list[Cell]] = {}
    if not tensors:
        raise RefusedError(422, f"inputs is empty; a body is {FORM}")
    if len(tensors) == 1 and tensors[0].name not in names:
        matrix, width = tensors[0], len(names)
        cells = matrix.cells()
        if matrix.shape[1:] != [width] or len(cells) != prod(matrix.shape):
            raise matrix.refusal(
                f" is not a column, and its shape is not [rows, {width}];"
                " send one tensor per column, or one with all columns in the order of /schema"
            )
        columns = {name: cells[place::width] for place, name in enumerate(names)}
        tensors = []
    for tensor in tensors:
        if tensor.name in columns:
            raise RefusedError(422, f"inputs has '{tensor.name}' twice")
        if tensor.shape not in ([n := len(tensor.data or [])], [n, 1]):
            raise tensor.refusal(" has a shape that does not fit its data")
        columns[tensor.name] = tensor.cells()
    model.reader.require_known(columns, "inputs")
    lengths = {len(cells) for cells in columns.values()}
    if len(lengths) > 1:
        raise RefusedError(422, f"inputs have different numbers of rows: {sorted(lengths)}")
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def response_of(request: InferRequest, batch: PredictionBatch, model: ServedModel) -> InferResponse:
    """Return predictions as tensors."""
    shape = [len(batch.label), len(batch.probabilities)]
    flat = [p for row in zip(*batch.probabilities.values(), strict=True) for p in row]
    outputs = {
        "predict": Tensor("predict", shape[:1], TEXTS, batch.label),
        "predict_proba": Tensor("predict_proba", shape, "FP64", flat),
    }
    parameters: dict[str, Any] = {}
    explanation = batch.explanation
    if not isinstance(explanation, msgspec.UnsetType):
        added = [explanation.contributions[column.name] for column in model.schema.columns]
        cells = [cell for row in zip(*added, strict=True) for cell in row]
        explained = {
            "explained_label": Tensor("explained_label", shape[:1], TEXTS, explanation.label),
            "base_value": Tensor("base_value", shape[:1], "FP64", explanation.base_value),
            "contributions": Tensor("contributions", [shape[0], len(added)], "FP64", cells),
            "score": Tensor("score", shape[:1], "FP64", explanation.score),
        }
        outputs |= explained
        parameters["scale"] = explanation.scale
    if batch.warnings:
        parameters["warnings"] = _in_words(batch.warnings)
    wanted = [output.name for output in request.outputs or []] or list(outputs)
    if set(wanted) - outputs.keys():
        raise RefusedError(422, f"there is no output of that name; outputs: {', '.join(outputs)}")
    return InferResponse(
        model_name=model.name,
        model_version=model.run_id,
        id=request.id,
        outputs=[outputs[name] for name in wanted],
        parameters=parameters,
    )


def _in_words(warnings: Sequence[RowWarning]) -> str:
    """Return one text for each column and kind, with its first row and the number of rows."""
    groups: dict[tuple[str, str], list[RowWarning]] = {}
    for warning in warnings:
        groups.setdefault((warning.column, warning.kind), []).append(warning)
    found: list[str] = []
    for (column, kind), group in groups.items():
        first = group[0]
        text = f"{column}: {first.message} (first in row {first.row}"
        # Unknown columns are counted in their message, many rows of a kind in a last one.
        if kind != "unknown_column":
            text += f", in {sum(each.row is not None for each in group)} row(s)"
        more = [f" {each.message}" for each in group if each.row is None]
        found.append("".join([text, *more, ")"]))
    return "; ".join(found)


def metadata(model: ServedModel) -> dict[str, Any]:
    """Describe the tensors of a model."""
    columns, n_labels = model.schema.columns, len(model.scorer.labels)
    kinds = [(c.name, "FP64" if c.kind == "number" else TEXTS) for c in columns]
    return {
        "name": model.name,
        "versions": [model.run_id],
        "platform": "tabproof-scorer",
        "inputs": [Tensor(name, [-1], datatype) for name, datatype in kinds],
        "outputs": [
            Tensor("predict", [-1], TEXTS),
            Tensor("predict_proba", [-1, n_labels], "FP64"),
        ],
    }
