"""The Open Inference Protocol: tensors are predicted like rows; errors have its form."""

import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.service.answers import RefusedError
from tabproof.service.inference_protocol import NUMBERS, Tensor, decode
from tests.service.conftest import ROWS
from tests.service.serving import Reply, Server

PATH = "/v2/models/table/infer"


def tensor_of(
    name: str, data: list[object], kind: str = "FP64", **more: object
) -> dict[str, object]:
    return {"name": name, "shape": [len(data)], "datatype": kind, "data": data, **more}


def tensors_of(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    kinds = {"age": "FP64", "income": "FP64", "job": "BYTES"}
    return [tensor_of(name, [row[name] for row in rows], kind) for name, kind in kinds.items()]


def infer(server: Server, *inputs: object, **more: object) -> Reply:
    return server.post(PATH, {"inputs": list(inputs), **more})


def test_server_metadata(server: Server) -> None:
    assert server.get("/v2").json["name"]
    assert server.get("/v2/health/live").json == {"live": True}
    assert server.get("/v2/health/ready").json == {"ready": True}


def test_model_and_version_metadata(server: Server) -> None:
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


def test_one_tensor_per_column_equals_a_batch(server: Server) -> None:
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


def test_served_version_gives_the_same_predictions(server: Server) -> None:
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


def test_only_requested_outputs_are_returned(server: Server) -> None:
    wanted = [{"name": "predict_proba"}]
    answer = infer(server, *tensors_of(ROWS), outputs=wanted).json
    assert [output["name"] for output in answer["outputs"]] == ["predict_proba"]
    assert infer(server, *tensors_of(ROWS), outputs=[{"name": "no"}]).status == 422


def test_warnings_are_one_text_per_column_and_kind(server: Server) -> None:
    jobs = ["clerk", *["never seen"] * 150]
    age = tensor_of("age", [41, 1e9, *[42] * 148, -1e9])
    more = tensor_of("size", [1] * 151)
    answer = infer(server, age, tensor_of("job", jobs, "BYTES"), more).json
    found = answer["parameters"]["warnings"].split("; ")
    assert len(found) == 4, found
    assert found[0].startswith("age: is outside the training range, ")
    assert found[0].endswith(" (first in row 1, in 2 row(s))")
    assert (
        "income: is absent: treated as missing (first in row 0, in 100 row(s) and in 51"
        in (found[1])
    )
    assert found[2].startswith("job: has a category")
    assert found[2].endswith("(first in row 1, in 100 row(s) and in 50 more rows)")
    assert found[3] == "size: is not a column of the model: ignored in 151 row(s) (first in row 0)"


@pytest.mark.parametrize("place", ["query", "parameters"])
def test_strict_is_an_option_of_tensors(server: Server, place: str) -> None:
    def ask(inputs: list[object], word: object) -> Reply:
        body: dict[str, object] = {"inputs": inputs}
        if place == "parameters":
            return server.post(PATH, {**body, "parameters": {"strict": word, "other": {}}})
        return server.post(f"{PATH}?strict={word}", body)

    whole, part = tensors_of(ROWS), tensors_of(ROWS)[:1]
    for word in (True, "yes", 1):
        assert ask(list(whole), word).status == 200
        answer = ask(list(part), word)
        assert (answer.status, "2 missing" in answer.json["error"]) == (422, True)
    assert ask(list(part), False).status == 200
    assert "strict takes true or false" in ask(list(part), "perhaps").json["error"]


@pytest.mark.parametrize("place", ["query", "parameters"])
def test_explain_is_an_option_of_tensors(server: Server, place: str) -> None:
    batch = server.post("/predict_batch?explain=true", {"rows": ROWS}).json["explanation"]
    if place == "query":
        answer = server.post(f"{PATH}?explain=TRUE", {"inputs": tensors_of(ROWS)}).json
    else:
        answer = infer(server, *tensors_of(ROWS), parameters={"explain": True}).json
    outputs = {output["name"]: output for output in answer["outputs"]}
    assert outputs["explained_label"]["data"] == batch["label"]
    assert outputs["base_value"]["data"] == batch["base_value"]
    assert outputs["score"]["data"] == batch["score"]
    assert answer["parameters"]["scale"] == batch["scale"]
    assert outputs["contributions"]["shape"] == [len(ROWS), 3]
    for place_of, name in enumerate(("age", "income", "job")):
        column = outputs["contributions"]["data"][place_of::3]
        assert column == batch["contributions"][name]
    only = infer(server, *tensors_of(ROWS), parameters={"explain": True},
                 outputs=[{"name": "contributions"}]).json  # fmt: skip
    assert only["outputs"] == [outputs["contributions"]]


def test_deep_or_huge_option_is_refused(server: Server) -> None:
    for value in ("[" * 900 + "]" * 900, "9" * 5000, "null"):
        body = b'{"inputs": [], "parameters": {"explain": %s}}' % value.encode()
        assert server.post(PATH, body).status in (400, 422)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([], "inputs is empty"),
        ([tensor_of("age", [1, 2]), tensor_of("job", ["clerk"], "BYTES")], "rows: [1, 2]"),
        ([tensor_of("age", [1]), tensor_of("age", [1])], "'age' twice"),
        ([{**tensor_of("age", [1]), "shape": [2]}], "inputs['age']"),
        ([{**tensor_of("age", [1]), "shape": [-1]}], "inputs['age']"),
        ([{**tensor_of("age", [1]), "shape": []}], "inputs['age']"),
        ([tensor_of("age", [1], "COMPLEX")], "inputs['age'].datatype"),
        ([tensor_of("age", [[[1]]])], "inputs['age']"),
        ([tensor_of("age", [{"a": 1}])], "inputs['age']"),
        ([tensor_of("age", [[1], 2])], "inputs['age']"),
        ([tensor_of("x", [1, 2])], "[rows, 3]"),
        ([{**tensor_of("x", [1] * 3), "shape": [2, 3]}], "[rows, 3]"),
        ([tensor_of("age", ["x"])], "not of FP64"),
        ([tensor_of("job", [1.5], "BYTES")], "not of BYTES"),
        ([{**tensor_of("x", [1] * 3), "shape": [1.5, 3]}], "shape"),
        ([{"name": "age", "shape": [1], "datatype": "FP64"}], "no data"),
        ([tensor_of("age", [10**4000])], "age has a number that does not fit"),
        ([tensor_of("age", [True])], "age"),
    ],
)
def test_invalid_tensors_are_refused(server: Server, inputs: list[object], words: str) -> None:
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
def test_errors_have_the_form_of_the_protocol(
    server: Server, method: str, path: str, status: int
) -> None:
    body = b'{"inputs": []}' if method == "POST" else None
    answer = server.request(method, path, body, {"Content-Type": "application/json"})
    assert answer.status == status
    assert answer.json.keys() == {"error"}


def test_tensor_rows_are_limited(server: Server) -> None:
    assert infer(server, tensor_of("age", [1] * 10_000)).status == 200
    assert infer(server, tensor_of("age", [1] * 10_001)).status == 413


def test_too_many_cells_are_refused_before_decoding(
    server: Server,
) -> None:
    wide = {**tensor_of("x", [1] * 3), "shape": [10**18, 3]}
    assert infer(server, wide).status == 413
    tensor = {"name": "age", "datatype": "UINT8", "shape": [8_000_000],
              "parameters": {"binary_data_size": 8_000_000}}  # fmt: skip
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    answer = server.post("/v2/models/table/infer", head + b"\1" * 8_000_000, **headers)
    assert answer.status == 413


def typed(datatype: str, *data: object) -> list[object]:
    return [*Tensor("x", [len(data)], datatype, [*data]).cells()]


@pytest.mark.parametrize(
    ("datatype", "data", "words"),
    [
        ("INT64", [1, 2.5], r"\.data\[1\] is not of INT64: it takes a whole number from -9"),
        ("INT8", [-129], "a whole number from -128 to 127"),
        ("UINT8", [300], "a whole number from 0 to 255"),
        ("UINT64", [-1], "a whole number from 0 to 1844"),
        ("INT32", [True], "not of INT32"),
        ("INT32", [1e300], "not of INT32"),
        ("BOOL", [True, 2], r"\.data\[1\] is not of BOOL: it takes true, false, 1 or 0"),
        ("BOOL", ["true"], "not of BOOL"),
        ("FP64", [1, "2"], r"\.data\[1\] is not of FP64: it takes a number"),
        ("FP64", [False], "not of FP64"),
        ("FP32", [1e39], "a number from -3"),
        ("FP16", [70000], "a number from -65504 to 65504"),
        ("BYTES", ["a", 1], r"\.data\[1\] is not of BYTES: it takes a text"),
        ("BYTES", [True], "not of BYTES"),
    ],
)
def test_a_cell_that_is_not_of_the_tensors_type_is_refused(
    datatype: str, data: list[object], words: str
) -> None:
    with pytest.raises(RefusedError, match=words) as refused:
        typed(datatype, *data)
    assert refused.value.status == 422


@pytest.mark.parametrize(
    ("datatype", "data", "expected"),
    [
        ("INT64", [1, 2.0, None], [1, 2, None]),
        ("UINT8", [255, 0], [255, 0]),
        ("BOOL", [True, 0, 1.0, None], [True, False, True, None]),
        ("FP64", [1, 2.5, 2**60, None], [1, 2.5, 2**60, None]),
        ("FP32", [0.1], [0.1]),
        ("BYTES", ["a", "", None], ["a", "", None]),
    ],
)
def test_a_cell_is_of_the_tensors_type(
    datatype: str, data: list[object], expected: list[object]
) -> None:
    assert repr(typed(datatype, *data)) == repr(expected)


PANDAS_JSON = {"parameters": {"content_type": "pd_json"}}


def test_cells_of_several_types_are_read_as_mlserver_writes_them(server: Server) -> None:
    incomes, jobs = ["12.5", '"13.5"', "null", None], ['"clerk"', "1", "true", '"農家"']
    sent = [
        tensor_of("income", incomes, "BYTES", **PANDAS_JSON),  # type: ignore[arg-type]
        tensor_of("job", jobs, "BYTES", **PANDAS_JSON),  # type: ignore[arg-type]
    ]
    cells = zip([12.5, "13.5", None, None], ["clerk", 1, True, "農家"], strict=True)
    rows = [{"income": income, "job": job} for income, job in cells]
    batch = server.post("/predict_batch", {"rows": rows}).json
    proba = infer(server, *sent).json["outputs"][1]["data"]
    assert proba == [p for row in zip(*batch["probabilities"].values(), strict=True) for p in row]


@pytest.mark.parametrize("cell", ["clerk", "[1]", '{"a": 1}', "", "NaN", "[" * 10_000, 1])
def test_cell_that_is_not_the_json_of_one_is_refused(server: Server, cell: object) -> None:
    answer = infer(server, tensor_of("job", ['"clerk"', cell], "BYTES", **PANDAS_JSON))  # type: ignore[arg-type]
    assert (answer.status, "inputs['job'].data[1] is not of pd_json" in answer.json["error"]) == (
        422, True,
    ), answer.json  # fmt: skip


# --- The binary extension


def cells(datatype: str, content: bytes, n_cells: int) -> list[object]:
    return Tensor("x", [n_cells], datatype).read_bytes(content)


def test_binary_numbers_equal_what_numpy_wrote() -> None:
    for datatype, dtype in NUMBERS.items():
        values = np.array([0, 1, 1], dtype)
        assert cells(datatype, values.tobytes(), 3) == values.tolist()
    # A NaN is a missing cell.
    assert cells("FP64", np.array([1.5, np.nan]).tobytes(), 2) == [1.5, None]


@given(st.lists(st.text()))
def test_binary_texts_round_trip(texts: list[str]) -> None:
    encoded = [text.encode() for text in texts]
    content = b"".join(len(text).to_bytes(4, "little") + text for text in encoded)
    assert cells("BYTES", content, len(texts)) == texts


@given(st.binary(), st.sampled_from([*NUMBERS, "BYTES"]), st.integers(0, 9))
def test_arbitrary_bytes_are_cells_or_refused(content: bytes, datatype: str, n_cells: int) -> None:
    with suppress(RefusedError):
        cells(datatype, content, n_cells)


@given(st.binary(max_size=9))
def test_body_is_divided_after_its_json(tail: bytes) -> None:
    tensor = {"name": "x", "shape": [len(tail)], "datatype": "UINT8",
              "parameters": {"binary_data_size": len(tail)}}  # fmt: skip
    content = json.dumps({"inputs": [tensor]}).encode()
    request = decode(content + tail, str(len(content)).encode(), 10)
    assert request.inputs[0].data == list(tail)


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_arbitrary_body_with_any_json_length_is_decoded_or_refused(
    content: bytes, length: bytes
) -> None:
    with suppress(RefusedError):
        decode(content, length, 10)


def test_invalid_json_length_is_refused() -> None:
    for length in (b"", b"-1", b"1.0", b"4", b"9" * 5000, "１".encode()):
        with pytest.raises(RefusedError, match="Content-Length") as refused:
            decode(b"{} ", length, 10)
        assert refused.value.status == 400
