"""JSON Schema of the configuration, with which editors complete and check YAML.

It is made of the dataclasses and ranges of `schema.py`. A file of conf/ is part of a configuration,
so no key is required. What only a whole configuration shows is checked when it is composed.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from omegaconf import MISSING as MANDATORY

from tabproof.config.options import GROUPS, Allowed
from tabproof.config.schema import TrainConfig

DRAFT = "https://json-schema.org/draft/2020-12/schema"
# Values that are found while composing: of another key, or given later.
INTERPOLATION = {"type": "string", "pattern": r"\$\{|^\?\?\?$"}
# An entry of a defaults list: a file, or a group with its choice.
ENTRY = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "maxProperties": 1,
            "additionalProperties": {
                "anyOf": [
                    {"type": ["string", "null"]},
                    {"type": "array", "items": {"type": "string"}},
                ]
            },
        },
    ]
}
DEFAULTS = {
    "description": "the files that this one is made of; docs/configuration.md",
    "type": "array",
    "items": ENTRY,
}
HYDRA = {"description": "Hydra's own keys", "type": "object"}
LEVELS = ["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG", "NOTSET"]
LOGGER = {
    "type": "object",
    "properties": {
        "level": {"enum": LEVELS},
        "handlers": {"type": "array", "items": {"type": "string"}},
        "filters": {"type": "array", "items": {"type": "string"}},
        "propagate": {"type": "boolean"},
    },
    "additionalProperties": False,
}
OBJECTS = {"type": "object", "additionalProperties": {"type": "object"}}
# What Python's logging.config.dictConfig takes.
LOGGING = {
    "description": "Python's logging.config.dictConfig",
    "type": "object",
    "properties": {
        "version": {"const": 1},
        "disable_existing_loggers": {"type": "boolean"},
        "incremental": {"type": "boolean"},
        "formatters": OBJECTS,
        "filters": OBJECTS,
        "handlers": OBJECTS,
        "loggers": {"type": "object", "additionalProperties": LOGGER},
        "root": LOGGER,
    },
    "additionalProperties": False,
}


def whole() -> dict[str, Any]:
    """Return the schema of a whole configuration: conf/train.yaml, and config.yaml of a run.

    Its `$defs` have each schema of a group as `<group>.<schema>`, and the files of conf/<group>/ as
    `file.<group>`.
    """
    return {
        "$schema": DRAFT,
        "title": "Configuration of tabproof",
        **_object(TrainConfig, hydra=HYDRA),
        "$defs": _definitions(),
    }


def of_file(kind: str) -> dict[str, Any]:
    """Return the schema of one kind of file: a group, `estimator`, `experiment`, `logging`."""
    document = {"$schema": DRAFT, "title": f"conf/{kind}/", "$ref": f"#/$defs/file.{kind}"}
    definitions, needed = _definitions(), [f"file.{kind}"]
    for name in needed:
        needed += [each for each in _references(definitions[name]) if each not in needed]
    return document | {"$defs": {name: definitions[name] for name in sorted(needed)}}


def documents() -> dict[str, dict[str, Any]]:
    """Return the schema files of a conf/.schema/, by name."""
    kinds = [name.removeprefix("file.") for name in _definitions() if name.startswith("file.")]
    return {"train": whole()} | {kind: of_file(kind) for kind in kinds}


def as_text(document: dict[str, Any]) -> str:
    """Return a schema as it is written to a file."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def write_schemas(directory: Path, kinds: Sequence[str] = ()) -> None:
    """Write a schema file for each kind of file of conf/, or for some kinds."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, document in documents().items():
        if kinds and name not in kinds:
            continue
        (directory / f"{name}.json").write_text(as_text(document), encoding="utf-8")


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].removeprefix("#/$defs/")
        for each in node.values():
            yield from _references(each)
    elif isinstance(node, list):
        for each in node:
            yield from _references(each)


def _definitions() -> dict[str, Any]:
    found: dict[str, Any] = {"interpolation": INTERPOLATION}
    for group, schemas in GROUPS.items():
        for name, schema in schemas.items():
            found[f"{group}.{name}"] = _object(schema)
        found[f"file.{group}"] = _file_of(group)
    # Keys of a model, without a schema of their own: they become part of another file.
    found["file.estimator"] = _reference("model.estimator")
    found["file.experiment"] = _object(TrainConfig, hydra=HYDRA)
    found["file.logging"] = LOGGING
    return found


def _file_of(group: str) -> dict[str, Any]:
    """Return the schema of conf/<group>/*.yaml: its defaults name the keys that it may have."""
    key, names = f"/schema/{group}@_here_", list(GROUPS[group])
    entry = {"properties": {key: {"enum": names}}}
    anything = [_reference(f"{group}.{name}") for name in names]
    if len(names) == 1:
        return {"properties": {"defaults": {"items": entry}}, **anything[0]}

    def naming(value: Any) -> dict[str, Any]:
        found = {"type": "object", "properties": {key: value}, "required": [key]}
        return {"properties": {"defaults": {"contains": found}}, "required": ["defaults"]}

    return {
        "type": "object",
        "properties": {"defaults": {"items": entry}},
        "allOf": [
            *(
                {"if": naming({"const": name}), "then": each}
                for name, each in zip(names, anything, strict=True)
            ),
            {"if": naming(True), "then": True, "else": {"anyOf": anything}},
        ],
    }


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


# --- From dataclasses.


def _object(schema: type, **others: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a dataclass; a file may have a list of defaults besides its keys."""
    properties = {f.name: _property(f) for f in fields(schema)}
    return {
        "description": (schema.__doc__ or "").strip(),
        "type": "object",
        "properties": {"defaults": DEFAULTS} | properties | others,
        "additionalProperties": False,
    }


def _property(f: Field[Any]) -> dict[str, Any]:
    allowed: Allowed | None = f.metadata["allowed"]
    values = f" ({allowed})" if allowed is not None else ""
    found: dict[str, Any] = {"description": f"{f.metadata['doc']}{values}"}
    default = f.default if f.default_factory is MISSING else f.default_factory()
    if default not in (MANDATORY, MISSING):
        found["default"] = default.value if isinstance(default, Enum) else default
    schema = _type(f.type, allowed, is_name=f.metadata["literal"] == "data")
    if f.name in GROUPS and is_dataclass(f.type):
        schema = {"anyOf": [_reference(f"{f.name}.{name}") for name in GROUPS[f.name]]}
    return found | schema


def _type(annotation: Any, allowed: Allowed | None, *, is_name: bool) -> dict[str, Any]:
    """Return the schema of the values that a key of this type takes."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is UnionType and NoneType in inner:
        (plain,) = (each for each in inner if each is not NoneType)
        return _any_of({"type": "null"}, _type(plain, allowed, is_name=is_name))
    if origin is list:
        items = _type(inner[0], allowed, is_name=is_name)
        return _any_of({"type": "array", "items": items} if items else {"type": "array"})
    if origin is dict:
        values = _type(inner[1], None, is_name=False)
        if not values:
            return {"type": "object"}
        return {"type": "object", "additionalProperties": values}
    if isinstance(annotation, type) and is_dataclass(annotation):
        names = {
            schema: f"{g}.{name}" for g, each in GROUPS.items() for name, schema in each.items()
        }
        if annotation in names:
            # Whatever is derived from it fits too: a member may be a vote.
            known = [name for schema, name in names.items() if issubclass(schema, annotation)]
            return _any_of(*map(_reference, known), is_found=False)
        return _object(annotation)
    if allowed is not None:
        return _any_of(*_values(annotation, allowed))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _any_of({"enum": [each.value for each in annotation]})
    if annotation is str:
        # YAML reads a name such as 2024 as a number.
        return {"type": ["string", "number"]} if is_name else {"type": "string"}
    names = {bool: "boolean", int: "integer", float: "number"}
    return _any_of({"type": names[annotation]}) if annotation in names else {}


def _values(annotation: Any, allowed: Allowed) -> Iterator[dict[str, Any]]:
    if allowed.choices:
        yield {"enum": list(allowed.choices)}
        return
    if allowed.also:
        yield {"enum": list(allowed.also)}
    if allowed.pattern:
        yield {"type": "string", "pattern": f"^(?:{allowed.pattern})$"}
        return
    words = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
    bounds = {word: getattr(allowed, name) for name, word in words.items()}
    bounds = {word: bound for word, bound in bounds.items() if bound is not None}
    is_float = any(isinstance(bound, float) for bound in bounds.values())
    yield {"type": "number" if is_float or annotation is float else "integer"} | bounds


def _any_of(*schemas: dict[str, Any], is_found: bool = True) -> dict[str, Any]:
    """Return a schema of several; is_found: a value may also be found while composing."""
    flat = [part for each in schemas for part in each.get("anyOf", [each])]
    reference = _reference("interpolation")
    if is_found and reference not in flat:
        flat.append(reference)
    return flat[0] if len(flat) == 1 else {"anyOf": flat}
