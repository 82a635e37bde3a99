"""The OpenAPI document describes the served models, and its examples work."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.service.serving import ROW, Server


@pytest.fixture(scope="module")
def document(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.get("/openapi.json").json
    return found


def everything_in(value: Any) -> Iterator[tuple[str, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield str(key), inner
        if isinstance(inner, (dict, list)):
            yield from everything_in(inner)


def resolve(document: dict[str, Any], ref: str) -> Any:
    assert ref.startswith("#/")
    found: Any = document
    for part in ref[2:].split("/"):
        found = found[part]
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation


def test_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["info"].keys() >= {"title", "version"}
    for path, _, operation in operations(document):
        assert path.startswith("/")
        assert operation["responses"]
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d", status)
            assert response["description"]


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    refs = [inner for key, inner in everything_in(document) if key == "$ref"]
    assert len(refs) > 20
    for ref in refs:
        assert isinstance(resolve(document, ref), dict)


def test_security_schemes_and_path_parameters_are_declared(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"].keys()
    for path, _, operation in operations(document):
        for needed in operation.get("security", []):
            assert needed.keys() <= schemes
        declared = document["paths"][path].get("parameters", []) + operation.get("parameters", [])
        in_path = {p["name"] for p in declared if p["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", path))


def test_every_documented_path_exists(server: Server, document: dict[str, Any]) -> None:
    run = server.get("/health").json["models"]["table"]
    for path, method, _ in operations(document):
        answer = server.request(
            method.upper(), path.replace("{name}", "table").replace("{version}", run)
        )
        assert answer.status not in (404, 405), path


def test_rows_have_the_columns_of_each_model(document: dict[str, Any], server: Server) -> None:
    for prefix, name in (("", "table"), ("/models/wine", "wine")):
        operation = document["paths"][f"{prefix}/predict"]["post"]
        content = operation["requestBody"]["content"]["application/json"]
        row = resolve(document, content["schema"]["properties"]["features"]["$ref"])
        schema = server.get(f"/models/{name}/schema").json
        assert list(row["properties"]) == schema["required_columns"]
    job = document["components"]["schemas"]["Row"]["properties"]["job"]
    assert "`clerk`, `farmer`, `smith`" in job["description"]


def test_examples_work_with_strict(document: dict[str, Any], server: Server) -> None:
    found = 0
    for path, method, operation in operations(document):
        media = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        if method == "post" and "example" in media:
            answer = server.post(f"{path}?strict=true", media["example"])
            assert (answer.status, answer.json["warnings"]) == (200, [])
            found += 1
    assert found == 6


def test_responses_match_their_schemas(document: dict[str, Any], server: Server) -> None:
    schemas = document["components"]["schemas"]
    problem = server.post("/predict", {}).json
    assert set(problem) <= set(schemas["Problem"]["properties"])
    for name, answer in {
        "Prediction": server.post("/predict", {"features": ROW}).json,
        "PredictionBatch": server.post("/predict_batch", {"rows": [ROW]}).json,
        "Health": server.get("/health").json,
        "SchemaInfo": server.get("/schema").json,
        "Models": server.get("/models").json,
    }.items():
        assert set(schemas[name]["required"]) <= set(answer) <= set(schemas[name]["properties"])


def test_docs_page_needs_no_network(server: Server) -> None:
    page = server.get("/docs")
    html = page.content.decode()
    assert not re.findall(r"""(?:https?:)?//[\w.-]+\.\w+""", html)
    policy = page.headers["content-security-policy"]
    assert "http" not in policy
    assert "default-src 'self'" in policy
    names = re.findall(r"""(?:src|href)=["']([^"':]+)["']""", html)
    assert len(names) == 2
    for name in names:
        asset = server.get(f"/{name}")
        assert (asset.status, len(asset.content) > 10_000) == (200, True)
