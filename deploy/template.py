"""The template, and the parameters that a command line or a file gives it."""

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

FILE = Path(__file__).with_name("stack.yaml")
IMAGE = "ImageUri"
NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")


class _Loader(yaml.SafeLoader):
    """Reads !Ref and the like as what stands behind them: only names are looked at here."""


def _behind_the_tag(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return node.value


_Loader.add_multi_constructor("!", _behind_the_tag)


def body() -> str:
    """Give the template as it is written."""
    return FILE.read_text(encoding="utf-8")


def body_naming(names: Mapping[str, str]) -> str:
    """Give the template with names written out, by the property that says them.

    A new stack takes over data that an earlier one has left only where the template says
    its name in letters.
    """
    text = body()
    for key, name in names.items():
        text, times = re.subn(rf"(?m)^( +{key}): .+$", rf"\1: {json.dumps(name)}", text)
        if times != 1:
            raise LookupError(key)
    return text


@cache
def read() -> dict[str, Any]:
    """Give the template as data; of !Ref and the like, what stands behind them."""
    content: dict[str, Any] = yaml.load(body(), Loader=_Loader)  # noqa: S506 - a SafeLoader
    return content


def defaults() -> dict[str, str]:
    """Give the parameters and what they are by default."""
    return {name: str(each.get("Default", "")) for name, each in read()["Parameters"].items()}


def checked_name(name: str) -> str:
    """Give a stack's name back if buckets can be named after it."""
    if NAME.fullmatch(name) is None:
        raise StackNameError(name)
    return name


def given(file: Path | None, assignments: Iterable[str]) -> dict[str, str]:
    """Read parameters; what --set says goes before what the file says."""
    found = {**(_of_file(file) if file else {}), **dict(map(_of_assignment, assignments))}
    names = list(defaults())
    for name in found:
        if name == IMAGE:
            raise ParameterFormError(
                f"{name}=…", "--image instead, which looks whether it is there"
            )
        if name not in names:
            raise UnknownParameterError(name, get_close_matches(name, names, n=2))
    return found


def _of_file(file: Path) -> Mapping[str, str]:
    try:
        # JSON is YAML too.
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterFileError(file, str(error.strerror)) from None
    except UnicodeDecodeError:
        raise ParameterFileError(file, "is not UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        raise ParameterFileError(file, f"is neither YAML nor JSON{line}") from None
    if not isinstance(content, dict):
        raise ParameterFileError(file, "is no mapping")
    return {str(name): _worded(file, name, value) for name, value in content.items()}


def _worded(file: Path, name: object, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ",".join(value)
    if isinstance(value, str | int | float):
        return str(value)
    raise ParameterFileError(file, f"{name} is neither text, number nor list of texts")


def _of_assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ParameterFormError(text, "Name=value")
    return name, value
