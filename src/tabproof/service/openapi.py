"""The OpenAPI document: the columns of the models that serve now, with examples that work."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tabproof.schema import CategoryColumn, Column
from tabproof.service import answers
from tabproof.service.inference_protocol import InferRequest, InferResponse
from tabproof.service.model_store import Served
from tabproof.service.served_model import ServedModel
from tabproof.service.settings import Settings

REF = "#/components/schemas/{name}"
ANSWERS = (
    answers.Prediction,
    answers.PredictionBatch,
    answers.Problem,
    answers.Health,
    answers.Readiness,
    answers.SchemaInfo,
    answers.Models,
    answers.Reloaded,
    InferRequest,
    InferResponse,
)
REFUSALS = {
    400: "the body is no JSON, or a key stands there twice",
    401: "the key is missing or wrong",
    403: "administration is switched off",
    404: "there is no such model or version",
    408: "the body took too long to arrive",
    409: "the run cannot be served; what served before goes on",
    413: "too many bytes or rows",
    415: "the body is not declared as JSON",
    422: "the body is JSON of another form, the message names the field; or what was asked for"
    " cannot be told of this model",
    503: "no model serves, or too much is asked at once",
}
OF_PREDICTIONS = (400, 401, 404, 408, 413, 415, 422, 503)

Json = dict[str, Any]


def document(served: Served, settings: Settings) -> Json:
    """Describe the service as it is now."""
    _, components = msgspec.json.schema_components(ANSWERS, ref_template=REF)
    paths: Json = {}
    default = served.models.get(served.default_name or "")
    paths |= _paths_of_model("", "Row", default, settings)
    if default is not None:
        components["Row"] = _row_schema(default)
    for place, (name, model) in enumerate(sorted(served.models.items())):
        components[f"Row{place}"] = _row_schema(model)
        paths |= _paths_of_model(f"/models/{name}", f"Row{place}", model, settings)
    paths |= {**_paths_of_information(), **_paths_of_protocol()}
    if settings.admin_token:
        paths |= _path_of_administration()
    _group(paths)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Predictions",
            "version": "1",
            "description": "Answers of promoted models. Missing columns are filled, and numbers"
            " may come as text; `strict=true` refuses both. `warnings` say what was changed.",
        },
        "paths": paths,
        "components": {"schemas": components, **_security_schemes()},
    }


def _group(paths: Json) -> None:
    """Say under which heading a page shows each operation."""
    for path, operations in paths.items():
        heading = "Information"
        if path.startswith("/v2"):
            heading = "Open Inference Protocol"
        elif "/predict" in path:
            heading = "Predictions"
        elif path == "/reload":
            heading = "Administration"
        for operation in operations.values():
            if isinstance(operation, dict):
                operation["tags"] = [heading]


def _security_schemes() -> Json:
    return {
        "securitySchemes": {
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "admin": {"type": "http", "scheme": "bearer"},
        }
    }


def _ref(name: str) -> Json:
    return {"$ref": REF.format(name=name)}


def _content(schema: Json, example: Any = None) -> Json:
    media = {"schema": schema} if example is None else {"schema": schema, "example": example}
    return {"application/json": media}


def _operation(summary: str, answer: str, refusals: Iterable[int] = (), **more: Any) -> Json:
    responses: Json = {"200": {"description": "the answer", "content": _content(_ref(answer))}}
    for status in refusals:
        content = _content(_ref("Problem"))
        responses[str(status)] = {"description": REFUSALS[status], "content": content}
    return {"summary": summary, "responses": responses, **more}


def _paths_of_information() -> Json:
    readiness = _operation("Whether predictions would be answered", "Readiness")
    not_ready = {"description": "not ready, and why", "content": _content(_ref("Readiness"))}
    readiness["responses"]["503"] = not_ready
    health = _operation("Whether the process lives, and what it serves", "Health")
    return {
        "/health": {"get": health},
        "/healthz": {"get": health},
        "/ready": {"get": readiness},
        "/schema": {"get": _operation("What rows look like", "SchemaInfo", [503])},
        "/models": {"get": _operation("Which models serve", "Models")},
        "/metrics": {
            "get": {
                "summary": "Counts and times, as Prometheus reads them",
                "responses": {"200": {"description": "metrics", "content": {"text/plain": {}}}},
            }
        },
    }


def _paths_of_model(prefix: str, row: str, model: ServedModel | None, settings: Settings) -> Json:
    example = {} if model is None else model.example()
    row_schema = {"type": "object"} if model is None else _ref(row)
    more: Json = {"security": [{"key": []}]} if settings.key else {}
    strict = {
        "name": "strict",
        "in": "query",
        "description": "refuse rows that have not exactly the columns, of the right types",
        "schema": {"type": "boolean", "default": False},
    }
    explain = {
        "name": "explain",
        "in": "query",
        "description": "add what each column adds to the prediction",
        "schema": {"type": "boolean", "default": False},
    }
    features = _body("features", row_schema, example)
    rows = _body("rows", {"type": "array", "items": row_schema}, [example])
    predict = _operation(
        "Predict one row", "Prediction", OF_PREDICTIONS,
        parameters=[strict, explain], requestBody=features, **more,
    )  # fmt: skip
    predict_batch = _operation(
        "Predict many rows", "PredictionBatch", OF_PREDICTIONS,
        parameters=[strict, explain], requestBody=rows, **more,
    )  # fmt: skip
    paths: Json = {
        f"{prefix}/predict": {"post": predict},
        f"{prefix}/predict_batch": {"post": predict_batch},
    }
    if prefix:
        paths[f"{prefix}/schema"] = {"get": _operation("What rows look like", "SchemaInfo")}
    return paths


def _body(key: str, schema: Json, example: Any) -> Json:
    body = {
        "type": "object",
        "properties": {key: schema},
        "required": [key],
        "additionalProperties": False,
    }
    return {"required": True, "content": _content(body, {key: example})}


def _row_schema(model: ServedModel) -> Json:
    return {
        "type": "object",
        "properties": {column.name: _cell_schema(column) for column in model.schema.columns},
        "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        "examples": [model.example()],
    }


def _cell_schema(column: Column) -> Json:
    if isinstance(column, CategoryColumn):
        shown = ", ".join(column.categories[:20])
        more = " …" if len(column.categories) > 20 else ""
        return {
            "type": ["string", "number", "boolean", "null"],
            "description": f"{len(column.categories)} categories: {shown}{more}",
        }
    words = "none" if column.span is None else "{:g} to {:g}".format(*column.span)
    return {"type": ["number", "string", "null"], "description": f"in training {words}"}


def _path_of_administration() -> Json:
    path = {
        "name": "path",
        "in": "query",
        "description": "a run or model below the configured roots; without: read pointers anew",
        "schema": {"type": "string"},
    }
    reload = _operation(
        "Serve what is promoted now", "Reloaded", (400, 401, 403, 409, 422),
        parameters=[path], security=[{"admin": []}],
    )  # fmt: skip
    return {"/reload": {"post": reload}}


def _paths_of_protocol() -> Json:
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    anything: Mapping[str, Any] = {"type": "object"}

    def get(summary: str, statuses: Mapping[str, str]) -> Json:
        responses = {
            status: {"description": words, "content": _content(dict(anything))}
            for status, words in statuses.items()
        }
        return {"get": {"summary": summary, "responses": responses}}

    error = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    infer = _operation("Predict, by the Open Inference Protocol", "InferResponse")
    infer["requestBody"] = {"required": True, "content": _content(_ref("InferRequest"))}
    for status in OF_PREDICTIONS:
        described = {"description": REFUSALS[status], "content": _content(error)}
        infer["responses"][str(status)] = described
    found = {"200": "the answer", "404": REFUSALS[404]}
    model = "/v2/models/{name}"
    return {
        "/v2": get("What this server is", {"200": "the answer"}),
        "/v2/health/live": get("Whether it lives", {"200": "it does"}),
        "/v2/health/ready": get("Whether it is ready", {"200": "it is", "503": "it is not"}),
        model: {**get("What a model takes and gives", found), "parameters": [name]},
        f"{model}/ready": {**get("Whether a model is ready", found), "parameters": [name]},
        f"{model}/infer": {"post": infer, "parameters": [name]},
    }
