"""The OpenAPI document, made from the table of endpoints and the models that are served now."""

import re
from typing import Any

import msgspec

from tabproof.schema import CategoryColumn, Column
from tabproof.service.answers import Problem, Readiness
from tabproof.service.endpoints import ENDPOINTS, Endpoint
from tabproof.service.inference_protocol import InferRequest
from tabproof.service.model_store import Served
from tabproof.service.served_model import ServedModel
from tabproof.service.settings import Settings

REF = "#/components/schemas/{name}"
STRUCTS = {*(each.response for each in ENDPOINTS if each.response), Problem, InferRequest}
REFUSALS = {
    400: "the body is not valid JSON, or a key appears twice",
    401: "the key is missing or wrong",
    403: "administration is switched off",
    404: "there is no such model or version",
    408: "the body took too long to arrive",
    409: "the run cannot be served; the models served before stay in service",
    413: "too many bytes or rows",
    415: "the body is not declared as JSON",
    422: "the JSON has another form (the message names the field), or the model cannot do what was"
    " requested",
    503: "no model is served, or there are too many requests",
}
PARAMETERS = {
    "strict": ("boolean", "refuse rows that do not have exactly the columns, of the right types"),
    "explain": ("boolean", "return how much each column adds to the prediction"),
    "path": (
        "string",
        "a run or model below the configured roots; without it, all promoted models",
    ),
}

Json = dict[str, Any]


def document(served: Served, settings: Settings) -> Json:
    """Return the document; paths with a model's name are repeated for each served model."""
    structs = sorted(STRUCTS, key=lambda struct: struct.__name__)
    _, components = msgspec.json.schema_components(structs, ref_template=REF)
    default = served.models.get(served.default_name or "")
    rows = {"Row": default} if default is not None else {}
    named = sorted(served.models.items())
    rows |= {f"Row{place}": model for place, (_, model) in enumerate(named)}
    components |= {row: _row_schema(model) for row, model in rows.items()}
    paths: Json = {}
    for endpoint in ENDPOINTS:
        if not endpoint.tag or (endpoint.tag == "Administration" and not settings.admin_token):
            continue
        served_at = [(endpoint.path, "Row", default)]
        if endpoint.path.startswith("/models/{name}"):
            # Each model has columns of its own.
            served_at = [
                (endpoint.path.replace("{name}", name), f"Row{place}", model)
                for place, (name, model) in enumerate(named)
            ]
        for path, row, model in served_at:
            paths[path] = _operation(endpoint, row, model, settings, path)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Predictions",
            "version": "1",
            "description": "Predictions of promoted models. Missing columns are filled, and numbers"
            " may be sent as text; `strict=true` refuses both. `warnings` name what was changed.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "admin": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(
    endpoint: Endpoint, row: str, model: ServedModel | None, settings: Settings, path: str
) -> Json:
    content = _json(_ref(endpoint.response) if endpoint.response else {"type": "object"})
    if path == "/metrics":
        content = {"text/plain": {}}
    responses: Json = {"200": {"description": "OK", "content": content}}
    error = _ref(Problem)
    if path.startswith("/v2"):
        text = {"error": {"type": "string"}}
        error = {"type": "object", "properties": text, "required": ["error"]}
    elif path == "/ready":
        error = _ref(Readiness)
    for status in endpoint.refusals:
        responses[str(status)] = {"description": REFUSALS[status], "content": _json(error)}
    operation: Json = {
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "responses": responses,
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in re.findall(r"\{(\w+)\}", path)
            ),
            *(
                {"name": name, "in": "query", "description": text, "schema": {"type": kind}}
                for name in endpoint.parameters
                for kind, text in [PARAMETERS[name]]
            ),
        ],
    }
    if endpoint.body:
        operation["requestBody"] = {"required": True, "content": _body(endpoint.body, row, model)}
        if settings.key:
            operation["security"] = [{"key": []}]
    elif endpoint.tag == "Administration":
        operation["security"] = [{"admin": []}]
    return {endpoint.method.lower(): operation}


def _ref(struct: type) -> Json:
    return {"$ref": REF.format(name=struct.__name__)}


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _body(kind: str, row: str, model: ServedModel | None) -> Json:
    if kind == "tensors":
        return _json(_ref(InferRequest))
    example: Any = {} if model is None else model.example()
    schema: Json = {"type": "object"} if model is None else {"$ref": REF.format(name=row)}
    key = "features"
    if kind == "rows":
        key, schema, example = "rows", {"type": "array", "items": schema}, [example]
    body = {
        "type": "object",
        "properties": {key: schema},
        "required": [key],
        "additionalProperties": False,
    }
    return {"application/json": {"schema": body, "example": {key: example}}}


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
    span = "none" if column.span is None else "{:g} to {:g}".format(*column.span)
    return {"type": ["number", "string", "null"], "description": f"in training {span}"}
