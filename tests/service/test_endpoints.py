"""Health, schema and models describe what is served; a reload swaps it or explains why not."""

from pathlib import Path

from tabproof.artifacts import Registry
from tests.service.serving import ROW, Server


def test_health_lists_the_served_models(server: Server) -> None:
    health = server.get("/health")
    assert health.json == server.get("/healthz").json
    assert health.json["status"] == "ok"
    assert health.json["models"].keys() == {"table", "wine"}
    assert health.json["default_model"] == "table"
    assert server.get("/ready").json == {"status": "ready"}


def test_schema_describes_a_valid_row(server: Server) -> None:
    schema = server.get("/schema").json
    assert schema == server.get("/models/table/schema").json
    assert schema["required_columns"] == ["age", "income", "job"]
    assert schema["numeric_columns"] == ["age", "income"]
    assert schema["labels"] == ["c0", "c1"]
    age, _, job = schema["columns"]
    assert (age["kind"], job["kind"]) == ("number", "category")
    assert age["minimum"] <= schema["example"]["age"] <= age["maximum"]
    assert schema["example"]["job"] in job["categories"]
    answer = server.post("/predict?strict=true", {"features": schema["example"]})
    assert (answer.status, answer.json["warnings"]) == (200, [])


def test_models_are_listed_with_their_runs(server: Server) -> None:
    models = server.get("/models").json["models"]
    assert [(m["name"], m["default"], m["promoted"]) for m in models] == [
        ("table", True, True), ("wine", False, True),
    ]  # fmt: skip
    assert models[0]["labels"] == ["c0", "c1"]
    assert {m["name"]: m["run_id"] for m in models} == server.get("/health").json["models"]
    assert all(m["source"].startswith("models/") for m in models)
    assert all(0 <= m["metrics"]["accuracy"] <= 1 for m in models if "accuracy" in m["metrics"])
    assert server.get("/models/nope/schema").status == 404


def test_reload_swaps_models_or_explains_the_refusal(
    tmp_path: Path, run: Path, table_run: Path
) -> None:
    registry = Registry(tmp_path / "models")
    first = registry.promote(run, "m", "me", "").version
    with Server(tmp_path, default_model="m") as server:
        second = registry.promote(table_run, "m", "me", "").version
        assert server.get("/health").json["models"] == {"m": first}
        assert server.reload().json == {"models": {"m": second}}
        assert server.get("/schema").json["run_id"] == second

        version = tmp_path / "models" / "m" / "versions" / first
        assert server.reload(str(version)).json == {"models": {"m": first}}
        (version / "scorer" / "scorer.json").write_text("{}")
        for path in (str(version), f"models/m/versions/{first}", "../etc", "/etc/passwd"):
            answer = server.reload(path)
            assert answer.status == (409 if "versions" in path else 400)
            assert "the models served before stay in service" in answer.json["detail"]
            assert str(tmp_path) not in answer.json["detail"].replace(path, "")
            assert server.get("/health").json["models"] == {"m": first}
        assert server.post("/predict", {"features": ROW}).json["run_id"] == first


def test_reload_follows_no_link_out_of_the_roots(
    tmp_path: Path, run: Path, table_run: Path
) -> None:
    Registry(tmp_path / "models").promote(run, "m", "me", "")
    (tmp_path / "models" / "link").symlink_to(table_run)
    with Server(tmp_path) as server:
        before = server.get("/health").json
        for path in (f"{server.models}/link", f"{server.models}/m/../link", f"{table_run}"):
            for asked in (path, path.replace("/", "%2F"), path.replace("/", "%252F")):
                assert server.reload(asked).status == 400
        assert server.get("/health").json == before
