"""Predictions equal those of the pipeline, bit for bit; refusals, and what runs in a thread."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tabproof.service.answers import RefusedError
from tabproof.service.predictions import OPTIONS, Answer
from tabproof.service.query import read_flag, read_query
from tabproof.service.served_model import ServedModel
from tests.service.conftest import ROWS, endpoints_of
from tests.service.serving import ROW, TOKEN, Server

INFER = "/v2/models/table/infer"
Expected = Callable[[list[dict[str, object]]], np.ndarray]

ANY_ROW = st.fixed_dictionaries(
    {
        "age": st.none() | st.floats(-1e308, 1e308) | st.integers(-(2**63), 2**64 - 1),
        "income": st.none() | st.floats(0, 100),
        "job": st.none() | st.sampled_from(["clerk", "farmer", "smith", "é", ""]),
    }
)


def test_prediction_equals_the_estimator(server: Server, expected: Expected) -> None:
    for row, proba in zip(ROWS, expected(ROWS), strict=True):
        answer = server.post("/predict", {"features": row}).json
        assert list(answer["probabilities"].values()) == proba.tolist()
        assert answer["pred_proba"] == proba[1]
        assert answer["label"] == ("c1" if proba[1] > answer["threshold"] else "c0")


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(rows=st.lists(ANY_ROW, min_size=1, max_size=5))
def test_row_batch_and_tensors_get_the_same_predictions(
    server: Server, expected: Expected, rows: list[dict[str, object]]
) -> None:
    batch = server.post("/predict_batch", {"rows": rows}).json
    assert np.column_stack(list(batch["probabilities"].values())).tolist() == (
        expected(rows).tolist()
    )
    singles = [server.post("/predict", {"features": row}).json for row in rows]
    assert [one["pred_proba"] for one in singles] == batch["pred_proba"]
    assert [one["label"] for one in singles] == batch["label"]
    tensors = [
        {"name": name, "shape": [len(rows)], "datatype": kind, "data": [row[name] for row in rows]}
        for name, kind in (("age", "FP64"), ("income", "FP64"), ("job", "BYTES"))
    ]
    labels, proba = server.post("/v2/models/table/infer", {"inputs": tensors}).json["outputs"]
    assert labels["data"] == batch["label"]
    assert proba["data"][1::2] == batch["pred_proba"]


def test_most_probable_of_three_labels_is_predicted(server: Server) -> None:
    example = server.get("/models/wine/schema").json["example"]
    answer = server.post("/models/wine/predict", {"features": example}).json
    assert answer["threshold"] is None
    assert answer["pred_proba"] == max(answer["probabilities"].values())
    assert answer["probabilities"][answer["label"]] == answer["pred_proba"]
    assert sum(answer["probabilities"].values()) == pytest.approx(1)


def test_prediction_names_its_model_and_run(server: Server) -> None:
    for prefix, name in (("", "table"), ("/models/table", "table"), ("/models/wine", "wine")):
        run_id = server.get("/health").json["models"][name]
        one = server.post(f"{prefix}/predict", {"features": ROW}).json
        many = server.post(f"{prefix}/predict_batch", {"rows": [ROW]}).json
        assert (one["model"], one["run_id"]) == (many["model"], many["run_id"]) == (name, run_id)


@pytest.mark.parametrize(
    ("change", "column", "kind"),
    [
        ({"age": ...}, "age", "missing_column"),
        ({"job": "astronaut"}, "job", "unseen_category"),
        ({"age": 1e9}, "age", "out_of_range"),
        ({"age": "forty"}, "age", "not_a_number"),
        ({"shoe size": 44}, "shoe size", "unknown_column"),
    ],
)
def test_each_conversion_has_a_warning(
    server: Server, change: dict[str, object], column: str, kind: str
) -> None:
    row = {k: v for k, v in {**ROWS[0], **change}.items() if v is not ...}
    (warning,) = server.post("/predict", {"features": row}).json["warnings"]
    assert (warning["column"], warning["kind"]) == (column, kind)
    assert "row" not in warning
    batch = server.post("/predict_batch", {"rows": [ROWS[0], row]}).json["warnings"]
    assert [(w["column"], w["kind"], w["row"]) for w in batch] == [(column, kind, 1)]


def test_ordinary_row_has_no_warnings(server: Server) -> None:
    assert server.post("/predict", {"features": ROWS[0]}).json["warnings"] == []
    nothing = {"age": None, "income": None, "job": None}
    assert server.post("/predict", {"features": nothing}).json["warnings"] == []


def test_number_as_text_is_the_number(server: Server) -> None:
    as_text = {**ROWS[0], "age": " 4.1e1 "}
    one, other = (server.post("/predict", {"features": row}).json for row in (ROWS[0], as_text))
    assert one == other


def test_strict_refuses_with_the_difference_of_columns(server: Server) -> None:
    row = {"age": "41", "job": 3, "size": 1}
    answer = server.post("/predict?strict=true", {"features": row})
    assert answer.status == 422
    assert answer.json["difference"] == {
        "missing": ["income"],
        "unknown": ["size"],
        "wrong_type": {"age": "number", "job": "text"},
    }
    batch = server.post("/predict_batch?strict=1", {"rows": [ROWS[0], row]})
    assert (batch.status, batch.json["difference"]) == (422, answer.json["difference"])
    assert batch.json["detail"].startswith("rows[1]")
    assert server.post("/predict?strict=true", {"features": ROWS[0]}).status == 200


def test_flag_is_a_truth_value_or_a_word_for_one() -> None:
    for found, values in {
        True: [True, 1, "true", "True", "TRUE", "1", "yes", "on"],
        False: [False, 0, "false", "False", "FALSE", "0", "no", "Off"],
    }.items():
        assert {read_flag("strict", value) for value in values} == {found}
    for value in ("", "2", "yep", "ÿ", None, 2, [], {"a": 1}, 10**5000):
        with pytest.raises(RefusedError, match="strict takes true or false") as caught:
            read_flag("strict", value)
        assert caught.value.status == 422


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (b"explian=true", "no parameter 'explian'; did you mean explain?"),
        (b"Strict=1", "did you mean strict?"),
        (b"other=%ff&&=", "this path takes strict and explain"),
        (b"=1", "no parameter ''"),
        (b"strict=1&strict=1", "strict is given twice"),
        (b"strict=%ff\xff&\xff=2", "no parameter"),
    ],
)
def test_invalid_query_is_refused(query: bytes, words: str) -> None:
    with pytest.raises(RefusedError) as caught:
        read_query(query, OPTIONS)
    assert (caught.value.status, words in caught.value.detail) == (422, True), caught.value.detail


def test_misspelt_parameter_is_refused_with_the_nearest(server: Server) -> None:
    bodies = {"/predict": {"features": ROW}, "/predict_batch": {"rows": [ROW]}, "/reload": {},
              "/models/wine/predict": {"features": ROW}, INFER: {"inputs": []}}  # fmt: skip
    for path, body in bodies.items():
        wrong, right = ("pth", "path") if path == "/reload" else ("explian", "explain")
        answer = server.post(f"{path}?{wrong}=1", body, Authorization=f"Bearer {TOKEN}")
        assert answer.status == 422
        assert f"did you mean {right}?" in answer.content.decode()


def test_empty_batch_is_answered(server: Server) -> None:
    answer = server.post("/predict_batch", {"rows": []}).json
    assert (answer["pred_proba"], answer["label"]) == ([], [])


def test_batch_rows_are_limited(server: Server) -> None:
    assert server.post("/predict_batch", {"rows": [ROW] * 10_000}).status == 200
    answer = server.post("/predict_batch", {"rows": [ROW] * 10_001})
    assert answer.status == 413
    assert "10,000" in answer.json["detail"]


def test_unknown_model_name_is_not_found(server: Server) -> None:
    for name in ("nope", "..", "%2e%2e", "%2574able", "TABLE", "", "table%00"):
        answer = server.post(f"/models/{name}/predict", {"features": ROW})
        assert answer.status == 404, name
        assert "table, wine" in answer.json["detail"]


KEYS = b",".join(b'"c%d":1' % i for i in range(60_000))
LARGE = {
    "small but slow": (
        "/predict_batch",
        b'{"rows": [' + b",".join([b'{"age":1}'] * 3000) + b"]}",
        200,
    ),
    "one large row": ("/predict", b'{"features": {"age":1,' + KEYS + b"}}", 422),
    "a key twice among many": ("/predict", b'{"features": {' + KEYS + b',"c1":2}}', 400),
    "tensors": ("/v2/models/table/infer", b'{"inputs": [' + b"{}," * 10_000 + b"{}]}", 422),
}


@pytest.mark.parametrize(("path", "body", "status"), LARGE.values(), ids=LARGE.keys())
def test_large_bodies_are_processed_in_a_worker_thread(
    table: ServedModel, server: Server, path: str, body: bytes, status: int
) -> None:
    endpoints = endpoints_of(table)
    prediction = endpoints.find_prediction(path)
    assert prediction is not None

    endpoint, names = prediction

    async def answer(content: bytes) -> Answer | None:
        found = endpoints.predictions.predict(endpoint.body, names, b"", content, {})
        assert not isinstance(found, Answer)
        with suppress(RefusedError):
            return await found
        return None

    assert (asyncio.run(answer(body)) is not None) == (status == 200)
    assert server.post(path, body).status == status


def test_small_bodies_are_processed_at_once(table: ServedModel) -> None:
    endpoints = endpoints_of(table)
    bodies = {"/predict": b'{"features": {"age": 1}}', "/predict_batch": b'{"rows": [{"age": 1}]}'}
    for path, body in bodies.items():
        prediction = endpoints.find_prediction(path)
        assert prediction is not None
        assert isinstance(
            endpoints.predictions.predict(prediction[0].body, {}, b"", body, {}), Answer
        )
