"""Who may import whom: the house stays as it was drawn."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
PACKAGES = {"data", "modeling", "evaluation", "runs", "runtime", "scoring"}
FOR_EVERYONE = {"schema", "errors"}
DOORS = {"train"}
# Beside itself and what is for everyone. Doors never import each other.
MAY_IMPORT = {
    "schema": set(),
    "errors": set(),
    "config": set(),
    "experiment": {"config", *PACKAGES},
    **{package: set() for package in PACKAGES},
    **{door: {"config", "experiment", "runtime"} for door in DOORS},
}
KNOW_HYDRA = {"config", "experiment", *DOORS}


def modules() -> list[Path]:
    return sorted(path for path in SRC.rglob("*.py") if path != SRC / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_rooms_it_may_know(path: Path) -> None:
    room = room_of(path)
    for name in imports_of(path):
        first, *rest = name.split(".")
        if first in {"hydra", "omegaconf"}:
            assert room in KNOW_HYDRA, f"{path} imports {name}"
        if first == "src":
            allowed = MAY_IMPORT[room] | FOR_EVERYONE | {room}
            assert rest[0] in allowed, f"{path} imports {name}"


def test_every_room_has_its_rule() -> None:
    assert {room_of(path) for path in modules()} == set(MAY_IMPORT)


@pytest.mark.parametrize("door", sorted(DOORS))
def test_a_door_holds_no_logic(door: str) -> None:
    assert len((SRC / f"{door}.py").read_text(encoding="utf-8").splitlines()) < 60
