"""The Open Inference Protocol by gRPC, beside HTTP in one process: the same models and limits."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter
from typing import Any

import grpc
import numpy as np

from tabproof.errors import UserError, first_line
from tabproof.service import inference_protocol
from tabproof.service.access import knows_secret
from tabproof.service.answers import RefusedError
from tabproof.service.endpoints import SERVER, Endpoints
from tabproof.service.grpc_messages import SERVICE, make_messages
from tabproof.service.inference_protocol import (
    NUMBERS,
    TEXTS,
    InferRequest,
    RequestedOutput,
    Tensor,
)
from tabproof.service.predictions import MANY_CELLS
from tabproof.service.telemetry import LogLine, request_id_of

# The field that has the cells of a type.
CONTENTS = {
    "BOOL": "bool_contents", "BYTES": "bytes_contents",
    "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
    "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
    "INT64": "int64_contents", "UINT64": "uint64_contents",
    "FP32": "fp32_contents", "FP64": "fp64_contents",
}  # fmt: skip
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    503: grpc.StatusCode.UNAVAILABLE,
}

log = logging.getLogger("uvicorn.error")


class AddressTakenError(UserError):
    """An address at which the service cannot listen."""

    template = "API_GRPC={address}: the service cannot listen there ({reason}); choose another"


class GrpcService:
    """The methods of the protocol; is_shared: other workers listen at the same address."""

    def __init__(self, endpoints: Endpoints, *, is_shared: bool) -> None:
        self._endpoints, self._settings = endpoints, endpoints.settings
        self._predictions = endpoints.predictions
        self._messages, self._is_shared = make_messages(), is_shared
        self._bytes_in_flight = 0
        self._server: Any = None

    async def start(self) -> None:
        """Listen at the address of the settings."""
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", self._settings.max_body_bytes),
                ("grpc.max_send_message_length", -1),
                # Otherwise another service could answer a part of the requests.
                ("grpc.so_reuseport", int(self._is_shared)),
            ],
            maximum_concurrent_rpcs=self._settings.max_in_flight,
        )
        methods = {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ServerMetadata": self._server_metadata,
            "ModelReady": self._model_ready,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._infer,
        }
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                partial(self._answer, name, method),
                self._messages[f"{name}Request"].FromString,
                self._messages[f"{name}Response"].SerializeToString,
            )
            for name, method in methods.items()
        }
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(SERVICE, handlers)]
        )

        try:
            self._server.add_insecure_port(self._settings.grpc)
        except RuntimeError as error:
            reason = first_line(error)
            raise AddressTakenError(address=self._settings.grpc, reason=reason) from error
        await self._server.start()
        log.info("gRPC on %s", self._settings.grpc)

    async def stop(self) -> None:
        """Finish what is in flight, and end."""
        await self._server.stop(self._settings.drain_seconds)

    async def _answer(
        self,
        name: str,
        method: Callable[[Any, LogLine], Awaitable[dict[str, Any]]],
        request: Any,
        context: Any,
    ) -> Any:
        """Answer one request; count and log it with the HTTP status of the same answer."""
        started, size = perf_counter(), request.ByteSize()
        sent = str(dict(context.invocation_metadata() or ()).get("x-request-id", "")).encode()
        line = LogLine(request_id=request_id_of(sent), method="POST", route=f"/{SERVICE}/{name}")
        # Labels that come later name it.
        await context.send_initial_metadata((("x-request-id", line.request_id),))
        self._bytes_in_flight += size
        try:
            try:
                if name == "ModelInfer":
                    self._check_limits(context)
                found = await method(request, line)
            except RefusedError as refusal:
                line.status = refusal.status
                code = CODES.get(refusal.status, grpc.StatusCode.INTERNAL)
                await context.abort(code, refusal.detail)
            except Exception as error:
                # Also what abort raises, which is no failure.
                if not isinstance(error, grpc.aio.AbortError):
                    log.exception("request %s failed", line.request_id)
                    failure = "the service failed; its log has the traceback"
                    await context.abort(grpc.StatusCode.INTERNAL, failure)
                raise
            line.status = 200
            return self._messages[f"{name}Response"](**found)
        except asyncio.CancelledError:
            line.status = 499  # the client disconnected
            raise
        finally:
            self._bytes_in_flight -= size
            self._endpoints.telemetry.request(line, perf_counter() - started)

    def _check_limits(self, context: Any) -> None:
        if self._bytes_in_flight > self._settings.max_bytes_in_flight:
            raise RefusedError(503, "too many bytes in flight")
        if key := self._settings.key:
            sent = dict(context.invocation_metadata() or ())
            given = (str(sent.get(each, "")).encode() for each in ("authorization", "x-api-key"))
            if not knows_secret(key, *given):
                raise RefusedError(401, "predictions need the metadata x-api-key")

    # --- The methods

    async def _server_live(self, _: Any, __: LogLine) -> dict[str, Any]:
        return {"live": True}

    async def _server_ready(self, _: Any, __: LogLine) -> dict[str, Any]:
        return {"ready": not self._endpoints.why_not_ready()}

    async def _server_metadata(self, _: Any, __: LogLine) -> dict[str, Any]:
        return dict(SERVER)

    async def _model_ready(self, request: Any, _: LogLine) -> dict[str, Any]:
        self._endpoints.find_model(request.name, request.version or None)
        return {"ready": self._endpoints.lifecycle.is_ready}

    async def _model_metadata(self, request: Any, _: LogLine) -> dict[str, Any]:
        model = self._endpoints.find_model(request.name, request.version or None)
        found = inference_protocol.metadata(model)
        for key in ("inputs", "outputs"):
            found[key] = [
                {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
                for tensor in found[key]
            ]
        return found

    async def _infer(self, request: Any, line: LogLine) -> dict[str, Any]:
        is_raw = len(request.raw_input_contents) > 0
        # An option may ask for more work than the size shows.
        n_cells = request.ByteSize() if not request.parameters else MANY_CELLS + 1
        decode, version = partial(_decoded, request), request.model_version or None
        response, answer = await self._predictions.infer(
            request.model_name, version, decode, n_cells, line.request_id
        )
        self._predictions.count(answer, line)
        outputs = [
            {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
            | ({} if is_raw else {"contents": {CONTENTS[tensor.datatype]: _cells(tensor)}})
            for tensor in response.outputs
        ]
        # The answer has the form of the request.
        raw = [_as_bytes(tensor) for tensor in response.outputs] if is_raw else []
        texts = {name: {"string_param": str(text)} for name, text in response.parameters.items()}
        return {
            "model_name": response.model_name,
            "model_version": response.model_version,
            "id": request.id,
            "outputs": outputs,
            "raw_output_contents": raw,
            "parameters": texts,
        }


def _decoded(request: Any, max_cells: int) -> InferRequest:
    """Return a request as the one by HTTP has it."""
    tensors = [
        Tensor(each.name, list(each.shape), each.datatype, parameters=_parameters(each))
        for each in request.inputs
    ]
    if request.raw_input_contents and len(request.raw_input_contents) != len(tensors):
        raise RefusedError(422, "raw_input_contents has another number of entries than inputs")
    for tensor in tensors:
        inference_protocol.check_form(tensor, max_cells)
    for place, (tensor, each) in enumerate(zip(tensors, request.inputs, strict=True)):
        if request.raw_input_contents:
            tensor.data = tensor.read_bytes(request.raw_input_contents[place])
            continue
        filled = [field.name for field, _ in each.contents.ListFields()]
        wanted = CONTENTS.get(tensor.datatype)
        if wanted is None:
            raise tensor.refusal(f" of {tensor.datatype} is sent in raw_input_contents")
        if filled not in ([], [wanted]):
            raise tensor.refusal(f" of {tensor.datatype} has its cells in contents.{wanted}")
        cells = list(getattr(each.contents, wanted))
        if tensor.datatype == TEXTS:
            try:
                cells = [cell.decode() for cell in cells]
            except UnicodeDecodeError:
                raise tensor.refusal(" has a text that is not valid UTF-8") from None
        elif tensor.datatype.startswith("FP"):
            cells = [None if cell != cell else cell for cell in cells]
        tensor.data = cells
    outputs = [RequestedOutput(each.name) for each in request.outputs] or None
    return InferRequest(tensors, request.id or None, _parameters(request), outputs)


def _parameters(message: Any) -> dict[str, Any]:
    found = {}
    for name, value in message.parameters.items():
        if (field := value.WhichOneof("parameter_choice")) is not None:
            found[name] = getattr(value, field)
    return found


def _cells(tensor: Tensor) -> list[Any]:
    cells = tensor.data or []
    return [cell.encode() for cell in cells] if tensor.datatype == TEXTS else cells


def _as_bytes(tensor: Tensor) -> bytes:
    cells = _cells(tensor)
    if tensor.datatype == TEXTS:
        return b"".join(len(cell).to_bytes(4, "little") + cell for cell in cells)
    return np.array(cells, dtype=NUMBERS[tensor.datatype]).tobytes()
