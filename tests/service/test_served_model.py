"""Only verified, consistent models are served; contributions of predictions."""

import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from tabproof.artifacts import manifest as manifests
from tabproof.artifacts import read_verified
from tabproof.artifacts.errors import UnverifiedRunError
from tabproof.errors import UserError
from tabproof.schema import SchemaDamagedError
from tabproof.scorer import read_scorer
from tabproof.service import served_model
from tabproof.service.answers import RefusedError
from tabproof.service.predictions import Answer
from tabproof.service.served_model import ModelUnusableError, ServedModel, load_model
from tests.scorer.fitted import exported, pipeline_of, with_arrays
from tests.service.conftest import ROWS, endpoints_of
from tests.service.serving import Server


def load(path: Path) -> ServedModel:
    return load_model(path, name=None, source="outputs/run")


@pytest.fixture
def copy(table_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(table_run, tmp_path / "run"))


def reseal(run: Path) -> None:
    """Write the manifest again, so that all hashes are valid."""
    run_id = json.loads((run / manifests.NAME).read_text())["run_id"]
    manifests.seal(run, run_id)


def test_served_model_equals_the_estimator(
    table: ServedModel, expected: Callable[[list[dict[str, object]]], np.ndarray]
) -> None:
    batch = table.predict_rows(ROWS, strict=False)
    assert batch.pred_proba == expected(ROWS)[:, 1].tolist()
    assert batch.pred_proba == [table.predict_row(r, strict=False).pred_proba for r in ROWS]


def test_run_is_named_after_its_dataset(table_run: Path) -> None:
    model = load(table_run)
    assert not re.match("file_|builtin_|openml_", model.name)
    assert model.name.startswith("small")


def test_example_row_is_valid_with_strict(table: ServedModel) -> None:
    answer = table.predict_row(table.example(), strict=True)
    assert answer.warnings == []


def test_schema_is_that_of_the_run(table: ServedModel, table_run: Path) -> None:
    schema = table.schema_info()
    manifest = json.loads((table_run / manifests.NAME).read_text())
    assert schema.run_id == manifest["run_id"]
    assert (schema.required_columns, schema.numeric_columns) == (
        ["age", "income", "job"], ["age", "income"],
    )  # fmt: skip
    ranges = {c.name: (c.minimum, c.maximum) for c in schema.columns if c.kind == "number"}
    assert all(low < high for low, high in ranges.values())
    assert schema.columns[2].categories == ["clerk", "farmer", "smith"]
    assert schema.labels == ["c0", "c1"]


def test_a_run_of_an_earlier_version_does_not_say_what_its_model_is(copy: Path) -> None:
    summary = json.loads((copy / "summary.json").read_text())
    assert load(copy).schema_info().estimator is not None
    del summary["estimator"]
    (copy / "summary.json").write_text(json.dumps(summary))
    reseal(copy)
    assert load(copy).schema_info().estimator is None


@pytest.mark.parametrize(
    "name", ["scorer/scorer.json", "scorer/arrays.safetensors", "schema.json", "estimator.joblib"]
)
def test_one_changed_byte_is_found_in_every_file(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(UnverifiedRunError, match=re.escape(name)):
        load(copy)


def test_additional_file_is_found(copy: Path) -> None:
    (copy / "scorer" / "more.json").write_text("{}")
    with pytest.raises(UnverifiedRunError):
        load(copy)


def test_nothing_is_unpickled(copy: Path) -> None:
    # Unpickling this would exit the process.
    bomb = b"cos\n_exit\n(I42\ntR."
    (copy / "estimator.joblib").write_bytes(bomb)
    reseal(copy)
    assert load(copy).predict_row(ROWS[0], strict=False)


def damage(copy: Path, name: str, change: Callable[[dict[str, object]], object]) -> None:
    path = copy / name
    content = json.loads(path.read_text())
    path.write_text(json.dumps(change(content)))
    reseal(copy)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("schema.json", lambda c: {**c, "labels": ["c1", "c0"]}),
        ("schema.json", lambda c: {**c, "columns": c["columns"][::-1]}),
        ("schema.json", lambda c: {**c, "columns": []}),
        ("schema.json", lambda _: []),
        ("schema.json", lambda c: {**c, "format": 99}),
        ("summary.json", lambda _: None),
        ("summary.json", lambda c: {**c, "metrics": {"auc": "high"}}),
        ("scorer/scorer.json", lambda c: {**c, "labels": ["c0"]}),
        ("scorer/scorer.json", lambda c: {**c, "columns": []}),
        ("scorer/scorer.json", lambda _: {}),
        ("scorer/scorer.json", lambda c: {**c, "format": 99}),
    ],
)
def test_sealed_but_inconsistent_run_is_refused(
    copy: Path, name: str, change: Callable[[dict[str, object]], object]
) -> None:
    damage(copy, name, change)
    with pytest.raises(UserError):
        load(copy)


def test_run_without_a_scorer_is_refused(copy: Path) -> None:
    shutil.rmtree(copy / "scorer")
    reseal(copy)
    with pytest.raises(ModelUnusableError, match="export=false"):
        load(copy)


def test_schema_that_is_not_json_is_refused(copy: Path) -> None:
    (copy / "schema.json").write_bytes(b"\xff[" * 1000)
    reseal(copy)
    with pytest.raises(SchemaDamagedError):
        load(copy)


# --- Contributions (`?explain=true`)


def test_contributions_and_base_value_sum_to_the_score(server: Server) -> None:
    for row in ROWS:
        answer = server.post("/predict?explain=true", {"features": row}).json
        found = answer["explanation"]
        assert (found["label"], found["scale"]) == ("c1", "log_odds")
        assert list(found["contributions"]) == ["age", "income", "job"]
        total = found["base_value"] + sum(found["contributions"].values())
        assert total == pytest.approx(found["score"], abs=1e-9)
        assert 1 / (1 + math.exp(-found["score"])) == pytest.approx(answer["pred_proba"], abs=1e-12)


def test_explain_changes_nothing_else_in_the_response(server: Server) -> None:
    for path, body in (("/predict", {"features": ROWS[4]}), ("/predict_batch", {"rows": ROWS})):
        plain = server.post(path, body)
        explained = server.post(f"{path}?explain=1", body).json
        assert explained.pop("explanation")
        assert explained == plain.json
        assert b"explanation" not in plain.content
        assert b"explanation" not in server.post(f"{path}?explain=false", body).content


def test_batch_explanation_equals_that_of_its_rows(server: Server) -> None:
    batch = server.post("/predict_batch?explain=true", {"rows": ROWS}).json["explanation"]
    for place, row in enumerate(ROWS):
        one = server.post("/predict?explain=true", {"features": row}).json["explanation"]
        assert batch["label"][place] == one["label"]
        assert batch["score"][place] == pytest.approx(one["score"], abs=1e-12)
        for name, value in one["contributions"].items():
            assert batch["contributions"][name][place] == pytest.approx(value, abs=1e-12)
    nothing = server.post("/predict_batch?explain=true", {"rows": []}).json["explanation"]
    assert nothing["contributions"] == {"age": [], "income": [], "job": []}


def test_predicted_label_of_three_is_explained(server: Server) -> None:
    example = server.get("/models/wine/schema").json["example"]
    rows = [example, {**example, "alcohol": 11.0, "proline": 300.0}, {"alcohol": None}]
    for row in rows:
        answer = server.post("/models/wine/predict?explain=true", {"features": row}).json
        assert answer["explanation"]["label"] == answer["label"]
        assert answer["explanation"]["scale"] == "log_score"
    batch = server.post("/models/wine/predict_batch?explain=true", {"rows": rows}).json
    assert batch["explanation"]["label"] == batch["label"]


def test_explain_works_with_strict(server: Server) -> None:
    query = "/predict?strict=true&explain=true"
    assert server.post(query, {"features": {"age": 41}}).status == 422
    assert "explanation" in server.post(query, {"features": ROWS[0]}).json


@pytest.mark.parametrize("query", ["explain", "explain=2", "explain=1&explain=1", "explain=%ff"])
def test_invalid_explain_is_refused(server: Server, query: str) -> None:
    why = "the parameter explain is given twice" if "&" in query else "explain takes true or false"
    for path, body in (("/predict", {"features": ROWS[0]}), ("/predict_batch", {"rows": []})):
        answer = server.post(f"{path}?{query}", body)
        assert (answer.status, answer.json["detail"]) == (422, why)
        assert answer.json["request_id"]


def test_explain_is_in_the_openapi_document(server: Server) -> None:
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
    bodies = {"/predict": b'{"features": {"age": 1}}', "/predict_batch": b'{"rows": [{"age": 1}]}'}
    for path, body in bodies.items():
        prediction = endpoints.find_prediction(path)
        assert prediction is not None
        found = endpoints.predictions.predict(prediction[0].body, {}, b"explain=true", body, {})
        assert not isinstance(found, Answer)
        found.close()  # type: ignore[attr-defined]


def test_explained_rows_are_limited_by_work(
    table: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.predict_rows(ROWS * 2000, strict=False, explain=True)
    monkeypatch.setattr(served_model, "MAX_WORK", 3 * table.scorer.explainer.work)
    table.predict_rows(ROWS[:3], strict=False, explain=True)
    with pytest.raises(RefusedError) as caught:
        table.predict_rows(ROWS[:4], strict=False, explain=True)
    assert caught.value.status == 413
    assert "4 rows are more than the 3 that can be explained" in caught.value.detail
    monkeypatch.setattr(served_model, "MAX_WORK", 0)
    table.predict_row(ROWS[0], strict=False, explain=True)


@pytest.fixture
def older(table_run: Path, tmp_path: Path) -> Path:
    """Return a run that was exported before contributions existed."""
    copy = Path(shutil.copytree(table_run, tmp_path / "run"))
    run = read_verified(copy, lambda name: name.startswith("scorer/"))
    for name, content in with_arrays(run.files, trees__covers=None).items():
        (copy / name).write_bytes(content)
    manifests.seal(copy, run.run_id)
    return copy


def test_model_without_contributions_is_served_and_refuses_explain(
    older: Path, table: ServedModel
) -> None:
    model = load_model(older, name="older", source="outputs/run")
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


def test_infinite_contributions_are_refused() -> None:
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
    first = [column[:1] for column in columns]
    assert np.isfinite(served_model.explain_rows(scorer, first, proba[:1]).score).all()
