"""The OpenAPI document, made from the table of endpoints and the served models."""

import re
from typing import Any

import msgspec

from tabproof.schema import CategoryColumn, DateColumn, TextColumn
from tabproof.service.answers import Problem, Readiness
from tabproof.service.description import as_code, describe, in_brief
from tabproof.service.endpoints import ENDPOINTS, LABELS, Endpoint
from tabproof.service.inference_protocol import InferRequest
from tabproof.service.labels import LabelsIn
from tabproof.service.model_store import Served
from tabproof.service.predictions import OPTIONS
from tabproof.service.rows import as_iso
from tabproof.service.served_model import ServedModel
from tabproof.service.settings import Settings

STRUCTS = {*(each.response for each in ENDPOINTS if each.response), Problem, InferRequest, LabelsIn}
REFUSALS = {
    400: "the body is not valid JSON, or a key appears twice",
    401: "the key is missing or wrong",
    403: "administration, or taking labels, is switched off",
    404: "there is no such model or version",
    408: "the body took too long to arrive",
    409: "the run cannot be served; the models served before stay in service",
    413: "too many bytes or rows",
    415: "the body is declared as something else than JSON, or compressed in another way",
    422: "the JSON has another form (the message names the field), a parameter is unknown, a row"
    " has no column of the model, or the model cannot do what was requested",
    503: "no model is served, or there are too many requests",
}
PARAMETERS = {
    "strict": "refuse rows that do not have exactly the columns, of the right types",
    "explain": "return how much each column adds to the prediction",
    "model": "one of the served models; without it, all of them",
    "path": "a run or model below the configured roots; without it, all promoted models",
}
ABOUT = (
    "Predictions of the models below. Missing columns are filled, unless all are missing, and"
    " numbers may be sent as text; `strict=true` refuses both. `warnings` name what was"
    " changed.\n\n"
    "`/predict`, `/predict_batch` and `/schema` are those of the default model,"
    " `/models/{name}/…` those of the named one. [The front page](./) shows the served models,"
    " `/ready` whether predictions would be answered, and `/metrics` counts them."
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
        is_off = {
            "": True,
            "Administration": not settings.admin_token,
            "Labels": not settings.takes_labels,
        }
        if is_off.get(endpoint.tag, False):
            continue
        served_at = {endpoint.path: "Row"}
        if endpoint.path.startswith("/models/{name}"):
            served_at = {endpoint.path.replace("{name}", name): row for name, row in rows.items()}
        for path, row in served_at.items():
            operation = _operation(endpoint, path, row, schemas[row]["examples"][0])
            if endpoint.tag in ("Administration", "Labels"):
                operation["security"] = [{"admin": []}]
            elif endpoint.body and settings.key:
                operation["security"] = [{"key": []}]
            paths[path] = {endpoint.method.lower(): operation}
    description = f"{ABOUT}\n\n{describe(served)}"
    return {
        "openapi": "3.1.0",
        "info": {"title": "Predictions", "version": "1", "description": description},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": SECURITY},
    }


def _operation(endpoint: Endpoint, path: str, row: str, example: Any) -> Json:
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
        about, schema = PARAMETERS[name], {"type": "boolean" if name in OPTIONS else "string"}
        parameters.append({"name": name, "in": "query", "description": about, "schema": schema})
    operation: Json = {"summary": endpoint.summary, "tags": [endpoint.tag]}
    operation |= {"responses": responses, "parameters": parameters}
    if endpoint.body:
        key = "features"
        body: Json = {"$ref": REF.format(name=row)}
        if endpoint.body == "rows":
            key, body, example = "rows", {"type": "array", "items": body}, [example]
        body = {"type": "object", "properties": {key: body}, "required": [key]}
        content = _json({**body, "additionalProperties": False}, example={key: example})
        if endpoint.body == "tensors":
            content = _json(_ref(InferRequest))
        if endpoint.body == LABELS:
            content = _json(_ref(LabelsIn))
        operation["requestBody"] = {"required": True, "content": content}
    return operation


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
            about = f"{len(column.categories)} categories: {in_brief(column.categories)}"
        elif isinstance(column, TextColumn):
            types, about = ["string", "null"], "free text"
        elif isinstance(column, DateColumn):
            ends = [
                as_iso(e, column.form) for e in (column.minimum, column.maximum) if e is not None
            ]
            span = " to ".join(ends) or "none"
            about = f"a date in ISO 8601, or as {as_code(column.form.pattern)}; in training {span}"
        else:
            span = "none" if column.span is None else "{:g} to {:g}".format(*column.span)
            about = f"in training {span}"
        properties[column.name] = {"type": types, "description": about}
    other = {"type": ["string", "number", "boolean", "null"]}
    schema = {"type": "object", "properties": properties, "additionalProperties": other}
    return {**schema, "examples": [model.example()]}
