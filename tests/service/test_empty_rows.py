"""A row without any column of the model is refused, unless API_ALLOW_EMPTY allows it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tabproof.service.answers import RefusedError
from tabproof.service.served_model import ServedModel
from tests.service.serving import Reply, Server

WORDS = "none of the model's 3 columns; send at least one, such as age, income, job"
NULLS = {"age": None, "income": None, "job": None}


def tensors(*names: str, n_rows: int = 1) -> dict[str, Any]:
    one = {"shape": [n_rows], "datatype": "FP64", "data": [1.0] * n_rows}
    return {"inputs": [{"name": name, **one} for name in names]}


REFUSED: dict[str, tuple[str, Any, str]] = {
    "no column": ("/predict", {"features": {}}, "features"),
    "unknown columns only": ("/predict", {"features": {"Age": 41, "AGE": 1}}, "features"),
    "explained": ("/predict?explain=true", {"features": {}}, "features"),
    "by name": ("/models/table/predict", {"features": {}}, "features"),
    "one of a batch": ("/predict_batch", {"rows": [NULLS, {"age": 1}, {"Age": 1}]}, "rows[2]"),
    "all of a batch": ("/predict_batch", {"rows": [{}, {}]}, "rows[0]"),
    "tensors": ("/v2/models/table/infer", tensors("Age", "AGE"), "inputs"),
}


@pytest.mark.parametrize(("path", "body", "where"), REFUSED.values(), ids=REFUSED.keys())
def test_empty_row_is_refused_with_what_to_send(
    server: Server, path: str, body: Any, where: str
) -> None:
    answer = server.post(path, body)
    assert answer.status == 422
    detail = answer.json.get("detail") or answer.json["error"]
    assert detail.startswith(f"{where} has {WORDS}")
    assert "API_ALLOW_EMPTY=true" in detail
    assert "Age" not in detail


@pytest.mark.parametrize("row", [NULLS, {"job": None}, {"age": 41}, {"age": 41, "Age": 1}])
def test_a_row_with_a_known_column_is_answered(server: Server, row: dict[str, Any]) -> None:
    one = server.post("/predict", {"features": row}).json
    many = server.post("/predict_batch", {"rows": [row]}).json
    assert many["pred_proba"] == [one["pred_proba"]]
    kinds = [warning["kind"] for warning in one["warnings"]]
    assert kinds.count("missing_column") == len(NULLS.keys() - row.keys())
    assert kinds.count("unknown_column") == len(row.keys() - NULLS.keys())


def test_tensors_with_a_known_column_are_answered(server: Server) -> None:
    answer = server.post("/v2/models/table/infer", tensors("Age", "age", n_rows=2))
    assert answer.status == 200
    assert "Age: is not a column of the model" in answer.json["parameters"]["warnings"]


def test_strict_names_what_is_missing(server: Server) -> None:
    answer = server.post("/predict?strict=true", {"features": {}})
    assert (answer.status, answer.json["difference"]["missing"]) == (422, [*NULLS])


@pytest.fixture(scope="module")
def lenient(promoted: Path) -> Iterator[Server]:
    with Server(promoted, default_model="table", allow_empty="true") as started:
        yield started


def test_the_setting_allows_empty_rows(lenient: Server) -> None:
    def proba(answer: Reply) -> float:
        found = answer.json["pred_proba"]
        return found if isinstance(found, float) else found[-1]

    of_nulls = proba(lenient.post("/predict", {"features": NULLS}))
    for path, body, _ in REFUSED.values():
        answer = lenient.post(path, body)
        assert answer.status == 200
        if not path.startswith("/v2"):
            assert proba(answer) == of_nulls


def test_a_model_in_process_refuses_empty_rows_too(table: ServedModel) -> None:
    table.predict_row(NULLS, strict=False)
    with pytest.raises(RefusedError, match="features has none of the model's 3 columns"):
        table.predict_row({}, strict=False)
