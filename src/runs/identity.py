"""The run id: a hash of all that determines the numbers. Same id, same numbers."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LENGTH = 16


def run_id_of(**determinants: Any) -> str:
    """Hash configuration, data, code, versions and platform, whatever the order of keys."""
    text = _as_json(determinants)
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


def as_plain(determinants: Mapping[str, Any]) -> Any:
    """Give what determines numbers as it would be read from a file."""
    return json.loads(_as_json(determinants))


def _as_json(determinants: Mapping[str, Any]) -> str:
    return json.dumps(determinants, sort_keys=True, ensure_ascii=False, default=_as_plain)


def _as_plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in an identity")


def code_hash(package: Path) -> str:
    """Hash the source files of a package, or a module: their names and contents."""
    if package.name == "__init__.py":
        package = package.parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")) if package.is_dir() else [package]:
        name, content = path.relative_to(package.parent).as_posix().encode(), path.read_bytes()
        digest.update(len(name).to_bytes(8, "little") + name)
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()
