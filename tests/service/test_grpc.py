"""The service by gRPC, asked by Triton's client and with messages of our own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from tabproof.artifacts import Registry
from tabproof.service.grpc_messages import SERVICE, make_messages
from tests.service.conftest import ROWS
from tests.service.serving import Server, free_port

KEY = "a-key-of-many-letters"
MESSAGES = make_messages()


class ByGrpc:
    """A server that answers by HTTP and by gRPC."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.server = Server(folder, default_model="table", grpc=self.address, **settings)

    def __enter__(self) -> "ByGrpc":
        self.server.__enter__()
        self.client = triton.InferenceServerClient(self.address)
        self.channel = grpc.insecure_channel(self.address)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.channel.close()
        self.server.__exit__()

    def call(self, method: str, *metadata: tuple[str, str], **fields: Any) -> Any:
        called = self.channel.unary_unary(
            f"/{SERVICE}/{method}",
            MESSAGES[f"{method}Request"].SerializeToString,
            MESSAGES[f"{method}Response"].FromString,
        )
        return called(MESSAGES[f"{method}Request"](**fields), metadata=metadata, timeout=30)


@pytest.fixture(scope="module")
def service(promoted: Path) -> Iterator[ByGrpc]:
    with ByGrpc(promoted) as started:
        yield started


def cell_or(value: object, other: object) -> object:
    return other if value is None else value


def tensors() -> list[triton.InferInput]:
    """Return ROWS as Triton's client sends them."""
    found = []
    for name, datatype, missing in (("age", "FP64", np.nan), ("income", "FP64", np.nan)):
        cells = [[cell_or(row[name], missing)] for row in ROWS]
        found.append(triton.InferInput(name, [len(ROWS), 1], datatype))
        found[-1].set_data_from_numpy(np.array(cells, dtype=np.float64))
    words = [str(cell_or(row["job"], "")).encode() for row in ROWS]
    found.append(triton.InferInput("job", [len(ROWS)], "BYTES"))
    found[-1].set_data_from_numpy(np.array(words, dtype=object))
    return found


def contents() -> list[dict[str, Any]]:
    """Return ROWS with typed contents, as KServe's client sends them."""
    n = [len(ROWS)]
    numbers = {
        name: [cell_or(row[name], float("nan")) for row in ROWS] for name in ("age", "income")
    }
    words = [str(cell_or(row["job"], "")).encode() for row in ROWS]
    return [
        *(
            {"name": name, "shape": n, "datatype": "FP64", "contents": {"fp64_contents": cells}}
            for name, cells in numbers.items()
        ),
        {"name": "job", "shape": n, "datatype": "BYTES", "contents": {"bytes_contents": words}},
    ]


Expected = Callable[[list[dict[str, object]]], NDArray[np.float64]]


def test_triton_client_gets_the_bits_of_http(service: ByGrpc) -> None:
    found = service.client.infer("table", tensors())
    rows = [{**row, "job": cell_or(row["job"], "")} for row in ROWS]
    reply = service.server.post("/models/table/predict_batch", {"rows": rows}).json
    by_http = np.array(list(reply["probabilities"].values())).T
    assert (found.as_numpy("predict_proba") == by_http).all()
    assert [label.decode() for label in found.as_numpy("predict")] == reply["label"]


def test_a_canary_answers_and_a_version_that_is_named_is_the_one_that_answers(
    tmp_path: Path, table_run: Path, other_run: Path
) -> None:
    registry = Registry(tmp_path / "models")
    registry.promote(table_run, "table", "me", "")
    begun = registry.challenge(other_run, "table", "me", "", kind="canary", share=1.0)
    with ByGrpc(tmp_path) as service:
        found = service.call("ModelInfer", model_name="table", inputs=contents())
        assert found.model_version == begun.run_id
        named = {"model_name": "table", "model_version": begun.champion}
        found = service.call("ModelInfer", **named, inputs=contents())
        assert found.model_version == begun.champion


def test_typed_contents_get_the_same_bits_in_the_same_form(service: ByGrpc) -> None:
    found = service.call("ModelInfer", model_name="table", id="7", inputs=contents())
    assert not found.raw_output_contents
    assert found.id == "7"
    (proba,) = (o.contents.fp64_contents for o in found.outputs if o.name == "predict_proba")
    raw = service.client.infer("table", tensors()).as_numpy("predict_proba")
    assert list(proba) == raw.ravel().tolist()


def test_triton_client_learns_what_is_served(service: ByGrpc) -> None:
    client = service.client
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("table")
    assert client.get_server_metadata().name == "tabproof"
    metadata = client.get_model_metadata("table")
    assert [each.name for each in metadata.inputs] == ["age", "income", "job"]
    assert [each.name for each in metadata.outputs] == ["predict", "predict_proba"]


def test_options_and_outputs_are_those_of_http(service: ByGrpc) -> None:
    found = service.client.infer(
        "table",
        tensors(),
        outputs=[triton.InferRequestedOutput("score")],
        parameters={"explain": True},
    )
    assert found.as_numpy("score").shape == (len(ROWS),)
    response = found.get_response()
    assert "never seen" not in str(response)
    assert "category" in response.parameters["warnings"].string_param


ONE = {"shape": [1], "datatype": "FP64", "contents": {"fp64_contents": [1.0]}}
BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"name": "absent"}, "NOT_FOUND", "there is no model"),
    ({"inputs": []}, "INVALID_ARGUMENT", "inputs is empty"),
    ({"inputs": [{"name": name, **ONE} for name in ("Age", "AGE")]}, "INVALID_ARGUMENT",
     "inputs has none of the model's 3 columns"),
    ({"tensor": {"datatype": "FP128"}}, "INVALID_ARGUMENT", "datatype"),
    ({"tensor": {"datatype": "INT64"}}, "INVALID_ARGUMENT", "contents.int64_contents"),
    ({"tensor": {"datatype": "FP16"}}, "INVALID_ARGUMENT", "raw_input_contents"),
    ({"tensor": {"shape": [-1]}}, "INVALID_ARGUMENT", "shape"),
    ({"tensor": {"shape": [3]}}, "INVALID_ARGUMENT", "shape"),
    ({"tensor": {"shape": [10**12]}}, "RESOURCE_EXHAUSTED", "too many rows"),
    ({"raw": [b"1"]}, "INVALID_ARGUMENT", "another number of entries"),
    ({"parameters": {"explain": {"string_param": "perhaps"}}}, "INVALID_ARGUMENT", "explain"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "code", "text"), BAD)
def test_a_bad_request_is_refused_with_its_reason(
    service: ByGrpc, change: dict[str, Any], code: str, text: str
) -> None:
    inputs = change.get("inputs", contents())
    if "tensor" in change:
        inputs[0] |= change["tensor"]
    with pytest.raises(grpc.RpcError) as refused:
        service.call(
            "ModelInfer",
            model_name=change.get("name", "table"),
            inputs=inputs,
            raw_input_contents=change.get("raw", []),
            parameters=change.get("parameters", {}),
        )
    assert refused.value.code().name == code
    assert text in refused.value.details()


def test_a_large_message_is_refused(service: ByGrpc) -> None:
    words = triton.InferInput("job", [1], "BYTES")
    words.set_data_from_numpy(np.array([b"x" * (9 << 20)], dtype=object))
    with pytest.raises(InferenceServerException, match="larger than max"):
        service.client.infer("table", [words])


def test_requests_are_counted_and_logged_like_those_of_http(service: ByGrpc) -> None:
    service.client.infer("table", tensors())
    metrics = service.server.get("/metrics").content.decode()
    route = f'route="/{SERVICE}/ModelInfer"'
    assert f'api_requests_total{{method="POST",{route},status="200"}}' in metrics
    assert f'"route":"/{SERVICE}/ModelInfer"' in service.server.log.read_text()


def test_a_key_is_needed_for_predictions_only(promoted: Path) -> None:
    with ByGrpc(promoted, key=KEY) as service:
        assert service.client.is_server_ready()
        with pytest.raises(InferenceServerException, match="x-api-key"):
            service.client.infer("table", tensors())
        for headers in ({"x-api-key": KEY}, {"authorization": f"Bearer {KEY}"}):
            assert service.client.infer("table", tensors(), headers=headers)


def test_an_address_that_is_taken_ends_the_start_in_one_line(promoted: Path) -> None:
    with ByGrpc(promoted) as first:
        second = Server(promoted, grpc=first.address)
        with pytest.raises(AssertionError) as refused:
            second.__enter__()
        printed = str(refused.value)
        assert f"API_GRPC={first.address}: the service cannot listen there" in printed
        assert "Traceback" not in printed
        second.__exit__()
