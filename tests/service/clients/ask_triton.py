"""Ask by the HTTP client of Triton: JSON and bytes, compressed or not."""

import tritonclient.http as triton
from tensors import Column, answer, as_array, as_texts, print_answers, read_task
from tritonclient.utils import InferenceServerException

task = read_task()
client = triton.InferenceServerClient(f"127.0.0.1:{task['port']}")
assert client.is_server_ready()
assert client.is_model_ready("clients")
assert client.get_model_metadata("clients")["name"] == "clients"


def inputs_of(columns: dict[str, Column], *, binary: bool) -> list[triton.InferInput]:
    inputs = []
    for name, column in columns.items():
        cells = as_array(column)
        inputs.append(triton.InferInput(name, list(cells.shape), column["datatype"]))
        inputs[-1].set_data_from_numpy(cells, binary_data=binary)
    return inputs


found = {}
for form in ("json", "binary"):
    # In JSON this client writes a missing number as NaN, which is no JSON: texts can be sent.
    columns = as_texts(task["columns"]) if form == "json" else task["columns"]
    for compression in (None, "gzip", "deflate"):
        got = client.infer(
            "clients",
            inputs_of(columns, binary=form == "binary"),
            request_compression_algorithm=compression,
            response_compression_algorithm=compression,
        )
        found[f"{form}, {compression}"] = answer(
            got.as_numpy("predict"), got.as_numpy("predict_proba")
        )
try:
    client.infer("clients", inputs_of(task["columns"], binary=False))
except InferenceServerException as error:
    assert "a missing number is null" in str(error), error  # noqa: PT017
else:
    raise AssertionError("NaN was read")
print_answers(found)
