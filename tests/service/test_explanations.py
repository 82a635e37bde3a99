"""`?explain=true`: what each column adds, which with the base value is the score."""

import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from tabproof.artifacts import manifest as manifests
from tabproof.artifacts import read_verified
from tabproof.scorer import read_scorer
from tabproof.service import served_model
from tabproof.service.answers import RefusedError
from tabproof.service.endpoints import Answer, read_flag
from tabproof.service.served_model import ServedModel, check_explained_rows, load_model
from tests.scorer.fitted import exported, pipeline_of, with_arrays
from tests.service.conftest import ROWS, endpoints_of
from tests.service.serving import Server


def test_contributions_and_the_base_value_add_up_to_the_score(server: Server) -> None:
    for row in ROWS:
        answer = server.post("/predict?explain=true", {"features": row}).json
        told = answer["explanation"]
        assert (told["label"], told["scale"]) == ("c1", "log_odds")
        assert list(told["contributions"]) == ["age", "income", "job"]
        total = told["base_value"] + sum(told["contributions"].values())
        assert total == pytest.approx(told["score"], abs=1e-9)
        assert 1 / (1 + math.exp(-told["score"])) == pytest.approx(answer["pred_proba"], abs=1e-12)


def test_all_else_in_the_answer_is_as_it_was(server: Server) -> None:
    for path, body in (("/predict", {"features": ROWS[4]}), ("/predict_batch", {"rows": ROWS})):
        plain = server.post(path, body)
        explained = server.post(f"{path}?explain=1", body).json
        assert explained.pop("explanation")
        assert explained == plain.json
        assert b"explanation" not in plain.content
        assert b"explanation" not in server.post(f"{path}?explain=false", body).content


def test_a_batch_is_explained_as_its_rows_are(server: Server) -> None:
    batch = server.post("/predict_batch?explain=true", {"rows": ROWS}).json["explanation"]
    for place, row in enumerate(ROWS):
        one = server.post("/predict?explain=true", {"features": row}).json["explanation"]
        assert batch["label"][place] == one["label"]
        assert batch["score"][place] == pytest.approx(one["score"], abs=1e-12)
        for name, value in one["contributions"].items():
            assert batch["contributions"][name][place] == pytest.approx(value, abs=1e-12)
    nothing = server.post("/predict_batch?explain=true", {"rows": []}).json["explanation"]
    assert nothing["contributions"] == {"age": [], "income": [], "job": []}


def test_of_three_labels_the_predicted_one_is_explained(server: Server) -> None:
    example = server.get("/models/wine/schema").json["example"]
    rows = [example, {**example, "alcohol": 11.0, "proline": 300.0}, {}]
    for row in rows:
        answer = server.post("/models/wine/predict?explain=true", {"features": row}).json
        assert answer["explanation"]["label"] == answer["label"]
        assert answer["explanation"]["scale"] == "log_score"
    batch = server.post("/models/wine/predict_batch?explain=true", {"rows": rows}).json
    assert batch["explanation"]["label"] == batch["label"]


def test_it_goes_with_strict(server: Server) -> None:
    query = "/predict?strict=true&explain=true"
    assert server.post(query, {"features": {"age": 41}}).status == 422
    assert "explanation" in server.post(query, {"features": ROWS[0]}).json


@pytest.mark.parametrize("query", ["explain", "explain=yes", "explain=1&explain=1", "explain=%ff"])
def test_an_explain_that_is_neither_is_refused(server: Server, query: str) -> None:
    for path, body in (("/predict", {"features": {}}), ("/predict_batch", {"rows": []})):
        answer = server.post(f"{path}?{query}", body)
        assert (answer.status, answer.json["detail"]) == (422, "explain takes true or false")
        assert answer.json["request_id"]
    assert not read_flag(b"explained=true", "explain")


def test_the_inference_protocol_is_as_it_was(server: Server) -> None:
    body = {"inputs": [{"name": "age", "shape": [1], "datatype": "FP64", "data": [41]}]}
    plain = server.post("/v2/models/table/infer", body)
    assert server.post("/v2/models/table/infer?explain=true", body).content == plain.content


def test_the_document_has_it(server: Server) -> None:
    document = server.get("/openapi.json").json
    for path in ("/predict", "/predict_batch", "/models/wine/predict"):
        parameters = document["paths"][path]["post"]["parameters"]
        assert [parameter["name"] for parameter in parameters] == ["strict", "explain"]
    schemas = document["components"]["schemas"]
    assert "explanation" in schemas["Prediction"]["properties"]
    assert "explanation" not in schemas["Prediction"]["required"]
    assert schemas["Explanation"]["properties"].keys() >= {"contributions", "base_value", "score"}


def test_explanations_run_in_a_worker_thread(table: ServedModel) -> None:
    endpoints = endpoints_of(table)
    bodies = {"/predict": b'{"features": {}}', "/predict_batch": b'{"rows": [{}]}'}
    for path, body in bodies.items():
        prediction = endpoints.find_prediction(path)
        assert prediction is not None
        found = prediction[1](b"explain=true", body, {})
        assert not isinstance(found, Answer)
        found.close()  # type: ignore[attr-defined]


def test_rows_are_limited_by_the_work_they_make(
    table: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_explained_rows(table.scorer, 10_000)
    monkeypatch.setattr(served_model, "MAX_WORK", 3 * table.scorer.explainer.work)
    check_explained_rows(table.scorer, 3)
    with pytest.raises(RefusedError) as caught:
        table.predict_rows([{}] * 4, strict=False, explain=True)
    assert caught.value.status == 413
    assert "4 rows are more than the 3 that can be explained" in caught.value.detail
    monkeypatch.setattr(served_model, "MAX_WORK", 0)
    check_explained_rows(table.scorer, 1)


@pytest.fixture
def older(table_run: Path, tmp_path: Path) -> Path:
    """Give a run that was exported before contributions were there."""
    copy = Path(shutil.copytree(table_run, tmp_path / "run"))
    run = read_verified(copy, lambda name: name.startswith("scorer/"))
    for name, content in with_arrays(run.files, trees__covers=None).items():
        (copy / name).write_bytes(content)
    manifests.seal(copy, run.run_id)
    return copy


def test_a_model_that_cannot_be_explained_is_served_and_says_why(
    older: Path, table: ServedModel
) -> None:
    model = load_model(older, name="older", source="outputs/run", promoted=False)
    for row in ROWS:
        expected = table.predict_row(row, strict=False).probabilities
        assert model.predict_row(row, strict=False).probabilities == expected
    for ask in (
        lambda: model.predict_row(ROWS[0], strict=False, explain=True),
        lambda: model.predict_rows(ROWS, strict=False, explain=True),
    ):
        with pytest.raises(RefusedError) as caught:
            ask()
        assert caught.value.status == 422
        assert "cannot be explained" in caught.value.detail
        assert "train it again" in caught.value.detail


def test_numbers_that_do_not_add_up_are_refused() -> None:
    X = pd.DataFrame({"a": np.arange(20.0), "b": np.arange(20.0) % 3})
    case = exported(pipeline_of("native", LogisticRegression()), X, np.arange(20) // 10)
    scorer = read_scorer(with_arrays(case.files, coefficients=np.array([[100.0, 1.0]])))
    columns = [np.array([1.0, 1e308]), np.array([1.0, 0.0])]
    proba = scorer.predict_proba(columns)
    assert np.isfinite(proba).all()
    with pytest.raises(RefusedError) as caught:
        served_model.explain_rows(scorer, columns, proba)
    assert caught.value.status == 422
    assert caught.value.detail.startswith("rows[1]: ")
    assert np.isfinite(served_model.explain_row(scorer, [1.0, 1.0], proba[0].tolist()).score)
