"""The template, and its parameters from the command line or a file."""

import json
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from deploy.errors import (
    ParameterFileError,
    ParameterFormError,
    StackNameError,
    UnknownParameterError,
)
from tabproof.errors import suggested

FILE = Path(__file__).with_name("stack.yaml")
IMAGE = "ImageUri"
NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")


class _Loader(yaml.SafeLoader):
    """Read !Ref and other tags as their values: only names are used here."""


def _untagged(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return node.value


_Loader.add_multi_constructor("!", _untagged)


def body() -> str:
    """Return the text of the template."""
    return FILE.read_text(encoding="utf-8")


def body_naming(names: Mapping[str, str]) -> str:
    """Return the template with literal names, by property.

    A new stack only imports data of an earlier one whose name is a literal in the template.
    """
    text = body()
    for key, name in names.items():
        text, times = re.subn(rf"(?m)^( +{key}): .+$", rf"\1: {json.dumps(name)}", text)
        if times != 1:
            raise LookupError(key)
    return text


@cache
def read() -> dict[str, Any]:
    """Return the parsed template, with the values of !Ref and other tags."""
    content: dict[str, Any] = yaml.load(body(), Loader=_Loader)  # noqa: S506 - a SafeLoader
    return content


def defaults() -> dict[str, str]:
    """Return the parameters and their defaults."""
    return {name: str(each.get("Default", "")) for name, each in read()["Parameters"].items()}


def checked_name(name: str) -> str:
    """Return a stack's name; raise StackNameError if a bucket's name cannot begin with it."""
    if NAME.fullmatch(name) is None:
        raise StackNameError(name=name)
    return name


def given(file: Path | None, assignments: Iterable[str]) -> dict[str, str]:
    """Return the parameters; --set overrides the file."""
    found = {**(_of_file(file) if file else {}), **dict(map(_of_assignment, assignments))}
    names = list(defaults())
    for name in found:
        if name == IMAGE:
            form = "--image instead, which checks that the image exists"
            raise ParameterFormError(text=f"{name}=…", form=form)
        if name not in names:
            suggestion = suggested(get_close_matches(name, names, n=2))
            raise UnknownParameterError(name=name, suggestion=suggestion)
    return found


def _of_file(file: Path) -> Mapping[str, str]:
    try:
        # JSON is YAML too.
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterFileError(file=file, reason=str(error.strerror)) from None
    except UnicodeDecodeError:
        raise ParameterFileError(file=file, reason="is not UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        raise ParameterFileError(file=file, reason=f"is neither YAML nor JSON{line}") from None
    if not isinstance(content, dict):
        raise ParameterFileError(file=file, reason="is not a mapping")
    return {str(name): _as_text(file, name, value) for name, value in content.items()}


def _as_text(file: Path, name: object, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ",".join(value)
    if isinstance(value, str | int | float):
        return str(value)
    raise ParameterFileError(file=file, reason=f"{name} is neither text, number nor list of texts")


def _of_assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ParameterFormError(text=text, form="Name=value")
    return name, value
