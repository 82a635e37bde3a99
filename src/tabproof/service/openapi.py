"""The OpenAPI document, made from the table of endpoints and the models that are served now."""

import re
from typing import Any

import msgspec

from tabproof.schema import CategoryColumn
from tabproof.service.answers import Problem, Readiness
from tabproof.service.endpoints import ENDPOINTS, Endpoint
from tabproof.service.inference_protocol import InferRequest
from tabproof.service.model_store import Served
from tabproof.service.served_model import ServedModel
from tabproof.service.settings import Settings

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
ABOUT = (
    "Predictions of promoted models. Missing columns are filled, and numbers may be sent as text;"
    " `strict=true` refuses both. `warnings` name what was changed."
)
SECURITY = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "admin": {"type": "http", "scheme": "bearer"},
}
REF = "#/components/schemas/{name}"

Json = dict[str, Any]


def document(served: Served, settings: Settings) -> Json:
    """Return the document; paths with a model's name are repeated for each served model."""
    structs = sorted(STRUCTS, key=lambda struct: struct.__name__)
    _, schemas = msgspec.json.schema_components(structs, ref_template=REF)
    # Each model has columns of its own.
    schemas["Row"] = _row_schema(served.models.get(served.default_name or ""))
    rows = {name: f"Row{place}" for place, name in enumerate(sorted(served.models))}
    schemas |= {row: _row_schema(served.models[name]) for name, row in rows.items()}
    paths: Json = {}
    for endpoint in ENDPOINTS:
        if not endpoint.tag or (endpoint.tag == "Administration" and not settings.admin_token):
            continue
        served_at = {endpoint.path: "Row"}
        if endpoint.path.startswith("/models/{name}"):
            served_at = {endpoint.path.replace("{name}", name): row for name, row in rows.items()}
        for path, row in served_at.items():
            operation = _operation(endpoint, path)
            if endpoint.body:
                content = _body(endpoint.body, row, schemas[row]["examples"][0])
                operation["requestBody"] = {"required": True, "content": content}
            if endpoint.tag == "Administration":
                operation["security"] = [{"admin": []}]
            elif endpoint.body and settings.key:
                operation["security"] = [{"key": []}]
            paths[path] = {endpoint.method.lower(): operation}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Predictions", "version": "1", "description": ABOUT},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": SECURITY},
    }


def _operation(endpoint: Endpoint, path: str) -> Json:
    content = _json(_ref(endpoint.response) if endpoint.response else {"type": "object"})
    error = _ref(Readiness if path == "/ready" else Problem)
    if path == "/metrics":
        content = {"text/plain": {}}
    elif path.startswith("/v2"):
        text = {"error": {"type": "string"}}
        error = {"type": "object", "properties": text, "required": ["error"]}
    responses = {"200": {"description": "OK", "content": content}}
    for status in endpoint.refusals:
        responses[str(status)] = {"description": REFUSALS[status], "content": _json(error)}
    parameters: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]
    for name in endpoint.parameters:
        kind, about = PARAMETERS[name]
        schema = {"type": kind}
        parameters.append({"name": name, "in": "query", "description": about, "schema": schema})
    return {
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "responses": responses,
        "parameters": parameters,
    }


def _body(kind: str, row: str, example: Any) -> Json:
    if kind == "tensors":
        return _json(_ref(InferRequest))
    key = "features"
    schema: Json = {"$ref": REF.format(name=row)}
    if kind == "rows":
        key, schema, example = "rows", {"type": "array", "items": schema}, [example]
    body: Json = {"type": "object", "properties": {key: schema}, "required": [key]}
    return _json({**body, "additionalProperties": False}, example={key: example})


def _ref(struct: type) -> Json:
    return {"$ref": REF.format(name=struct.__name__)}


def _json(schema: Json, **more: Any) -> Json:
    return {"application/json": {"schema": schema, **more}}


def _row_schema(model: ServedModel | None) -> Json:
    if model is None:
        return {"type": "object", "examples": [{}]}
    properties: Json = {}
    for column in model.schema.columns:
        types = ["number", "string", "null"]
        if isinstance(column, CategoryColumn):
            types = ["string", "number", "boolean", "null"]
            shown = ", ".join(column.categories[:20]) + " …" * (len(column.categories) > 20)
            about = f"{len(column.categories)} categories: {shown}"
        else:
            span = "none" if column.span is None else "{:g} to {:g}".format(*column.span)
            about = f"in training {span}"
        properties[column.name] = {"type": types, "description": about}
    other = {"type": ["string", "number", "boolean", "null"]}
    schema = {"type": "object", "properties": properties, "additionalProperties": other}
    return {**schema, "examples": [model.example()]}
