"""Train, then serve: the shortest way from a run to an answer."""

from pathlib import Path

from tests.service.serving import Server


def test_schema_and_a_prediction_from_three_columns(run: Path, tmp_path: Path) -> None:
    with Server(tmp_path, newest=run) as server:
        schema = server.get("/schema")
        assert schema.status == 200
        names = schema.json["required_columns"][:3]
        features = {name: schema.json["example"][name] for name in names}
        answer = server.post("/predict", {"features": features})
    assert answer.status == 200
    assert 0 <= answer.json["pred_proba"] <= 1
    assert answer.json["label"] in schema.json["labels"]
    missing = {w["column"] for w in answer.json["warnings"] if w["kind"] == "missing_column"}
    assert missing == set(schema.json["required_columns"]) - set(names)
