"""The Open Inference Protocol: tensors give what rows give, and every error has its form."""

import json

import pytest

from tests.service.conftest import ROWS
from tests.service.serving import Reply, Server

PATH = "/v2/models/table/infer"


def tensor(name: str, data: list[object], kind: str = "FP64", **more: object) -> dict[str, object]:
    return {"name": name, "shape": [len(data)], "datatype": kind, "data": data, **more}


def tensors_of(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    kinds = {"age": "FP64", "income": "FP64", "job": "BYTES"}
    return [tensor(name, [row[name] for row in rows], kind) for name, kind in kinds.items()]


def infer(server: Server, *inputs: object, **more: object) -> Reply:
    return server.post(PATH, {"inputs": list(inputs), **more})


def test_the_server_describes_itself(server: Server) -> None:
    assert server.get("/v2").json["name"]
    assert server.get("/v2/health/live").json == {"live": True}
    assert server.get("/v2/health/ready").json == {"ready": True}


def test_a_model_and_its_version_are_described(server: Server) -> None:
    found = server.get("/v2/models/table").json
    (version,) = found["versions"]
    assert version == server.get("/health").json["models"]["table"]
    assert [(i["name"], i["datatype"]) for i in found["inputs"]] == [
        ("age", "FP64"), ("income", "FP64"), ("job", "BYTES"),
    ]  # fmt: skip
    assert [o["name"] for o in found["outputs"]] == ["predict", "predict_proba"]
    assert server.get(f"/v2/models/table/versions/{version}").json == found
    for prefix in ("/v2/models/table", f"/v2/models/table/versions/{version}"):
        assert server.get(f"{prefix}/ready").json == {"name": "table", "ready": True}


def test_a_tensor_per_column_is_a_batch(server: Server) -> None:
    answer = infer(server, *tensors_of(ROWS), id="mine").json
    batch = server.post("/predict_batch", {"rows": ROWS}).json
    labels, proba = answer["outputs"]
    assert answer["id"] == "mine"
    assert (answer["model_name"], answer["model_version"]) == ("table", batch["run_id"])
    assert (labels["shape"], labels["data"]) == ([len(ROWS)], batch["label"])
    assert proba["shape"] == [len(ROWS), 2]
    assert proba["data"][0::2] == batch["probabilities"]["c0"]
    assert proba["data"][1::2] == batch["probabilities"]["c1"]
    assert "category" in answer["parameters"]["warnings"]


def test_a_version_that_serves_answers_the_same(server: Server) -> None:
    run_id = server.get("/health").json["models"]["table"]
    body = {"inputs": tensors_of(ROWS)}
    answer = server.post(f"/v2/models/table/versions/{run_id}/infer", body)
    assert answer.json == server.post(PATH, body).json


@pytest.mark.parametrize("nested", [False, True])
def test_one_matrix_has_the_columns_of_the_schema(server: Server, nested: bool) -> None:
    info = server.get("/models/wine/schema").json
    row = [info["example"][name] for name in info["required_columns"]]
    matrix = {"name": "x", "shape": [2, len(row)], "datatype": "FP64"}
    matrix["data"] = [row, row] if nested else row + row
    answer = server.post("/v2/models/wine/infer", {"inputs": [matrix]}).json
    one = server.post("/models/wine/predict", {"features": info["example"]}).json
    labels, proba = answer["outputs"]
    assert labels["data"] == [one["label"]] * 2
    assert proba["data"] == list(one["probabilities"].values()) * 2


def test_outputs_are_those_that_were_asked_for(server: Server) -> None:
    wanted = [{"name": "predict_proba"}]
    answer = infer(server, *tensors_of(ROWS), outputs=wanted).json
    assert [output["name"] for output in answer["outputs"]] == ["predict_proba"]
    assert infer(server, *tensors_of(ROWS), outputs=[{"name": "no"}]).status == 422


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([], "inputs is empty"),
        ([tensor("age", [1, 2]), tensor("job", ["clerk"], "BYTES")], "rows: [1, 2]"),
        ([tensor("age", [1]), tensor("age", [1])], "'age' twice"),
        ([{**tensor("age", [1]), "shape": [2]}], "inputs['age']"),
        ([{**tensor("age", [1]), "shape": [-1]}], "inputs['age']"),
        ([{**tensor("age", [1]), "shape": []}], "inputs['age']"),
        ([tensor("age", [1], "COMPLEX")], "inputs['age'].datatype"),
        ([tensor("age", [[[1]]])], "inputs['age']"),
        ([tensor("age", [{"a": 1}])], "inputs['age']"),
        ([tensor("age", [[1], 2])], "inputs['age']"),
        ([tensor("x", [1, 2])], "[rows, 3]"),
        ([{**tensor("x", [1] * 3), "shape": [2, 3]}], "[rows, 3]"),
        ([tensor("age", ["x"])], "not of FP64"),
        ([tensor("job", [1.5], "BYTES")], "not of BYTES"),
        ([{**tensor("x", [1] * 3), "shape": [1.5, 3]}], "shape"),
        ([{"name": "age", "shape": [1], "datatype": "FP64"}], "no data"),
        ([tensor("age", [10**4000])], "age has a number that does not fit"),
        ([tensor("age", [True])], "age"),
    ],
)
def test_tensors_that_make_no_rows_are_refused(
    server: Server, inputs: list[object], words: str
) -> None:
    answer = infer(server, *inputs)
    assert answer.status == 422
    assert answer.json.keys() == {"error"}
    assert words in answer.json["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/nope", 404),
        ("GET", "/v2/models/nope", 404),
        ("GET", "/v2/models/nope/ready", 404),
        ("GET", "/v2/models/table/versions/1", 404),
        ("GET", "/v2/models/table/versions/1/ready", 404),
        ("POST", "/v2/models/nope/infer", 404),
        ("POST", "/v2/models/table/versions/1/infer", 404),
        ("GET", PATH, 405),
        ("POST", "/v2/health/live", 405),
    ],
)
def test_every_error_has_the_protocols_form(
    server: Server, method: str, path: str, status: int
) -> None:
    body = b'{"inputs": []}' if method == "POST" else None
    answer = server.request(method, path, body, {"Content-Type": "application/json"})
    assert answer.status == status
    assert answer.json.keys() == {"error"}


def test_rows_are_limited_however_they_come(server: Server) -> None:
    assert infer(server, tensor("age", [1] * 10_000)).status == 200
    assert infer(server, tensor("age", [1] * 10_001)).status == 413


def test_more_cells_than_rows_are_allowed_are_refused_before_they_take_memory(
    server: Server,
) -> None:
    wide = {**tensor("x", [1] * 3), "shape": [10**18, 3]}
    assert infer(server, wide).status == 413
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": "age",
                    "datatype": "UINT8",
                    "shape": [8_000_000],
                    "parameters": {"binary_data_size": 8_000_000},
                }
            ]
        }
    ).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    answer = server.post("/v2/models/table/infer", head + b"\1" * 8_000_000, **headers)
    assert answer.status == 413
