"""Ask by the REST and gRPC clients of KServe."""

import asyncio
from typing import Any

from kserve import (
    InferenceGRPCClient,
    InferenceRESTClient,
    InferInput,
    InferRequest,
    InferResponse,
    RESTConfig,
)
from tensors import answer, as_array, print_answers, read_task


def request_of(columns: dict[str, Any], *, binary: bool) -> InferRequest:
    inputs = []
    for name, column in columns.items():
        cells = as_array(column)
        inputs.append(InferInput(name, list(cells.shape), column["datatype"]))
        inputs[-1].set_data_from_numpy(cells, binary_data=binary)
    return InferRequest(model_name="clients", infer_inputs=inputs)


def answer_of(response: InferResponse) -> dict[str, Any]:
    outputs = {each.name: each.as_numpy() for each in response.outputs}
    return answer(outputs["predict"], outputs["predict_proba"])


async def ask(task: dict[str, Any]) -> dict[str, Any]:
    found = {}
    rest = InferenceRESTClient(RESTConfig(protocol="v2"))
    address = f"http://127.0.0.1:{task['port']}"
    assert await rest.is_server_ready(address)
    assert await rest.is_model_ready(address, "clients")
    for binary in (False, True):
        request = request_of(task["columns"], binary=binary)
        got = await rest.infer(address, request, model_name="clients")
        found[f"REST, {'binary' if binary else 'json'}"] = answer_of(got)
    await rest.close()
    async with InferenceGRPCClient(task["grpc"]) as client:
        assert await client.is_server_ready()
        assert await client.is_model_ready("clients")
        for binary in (False, True):
            got = await client.infer(request_of(task["columns"], binary=binary))
            found[f"gRPC, {'raw' if binary else 'typed'}"] = answer_of(got)
    return found


print_answers(asyncio.run(ask(read_task())))
