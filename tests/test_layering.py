"""Who may import whom: the house stays as it was drawn."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
PACKAGES = {"batch", "data", "modeling", "evaluation", "runs", "runtime", "scoring", "search"}
FOR_EVERYONE = {"schema", "errors", "evidence", "wording"}
# What runs as `python -m src.…`, and the story that it opens to.
DOORS = {
    "train": {"config", "experiment", "resuming", "sweeping"},
    "runs.__main__": {"run_commands"},
    "score": {"batch", "batch_scoring"},
    "replay": {"replaying"},
}
# Beside itself and what is for everyone. Doors never import each other.
MAY_IMPORT = {
    "schema": set(),
    "errors": set(),
    "wording": set(),
    "evidence": set(),
    "deciding": {"config", "data", "modeling"},
    "evaluating": {"config", "data", "deciding", "evaluation"},
    "reporting": {"evaluation", "config", "data", "runs", "search"},
    "config": set(),
    "assembly": {"config", "modeling"},
    "searching": {"assembly", "config", "data", "modeling", "runs", "runtime", "scoring", "search"},
    "experiment": {"config", "deciding", "evaluating", "reporting", "searching", *PACKAGES},
    "resuming": {"config", "runs"},
    "sweeping": {"config", "runs", "runtime", "sweep_reporting"},
    "sweep_reporting": {"evaluation", "runs"},
    "promotion": {"evaluation", "runs"},
    "browsing": {"runs", "sweep_reporting"},
    "checking": {"runs"},
    "comparing": {"browsing", "evaluation", "runs"},
    "pruning": {"browsing", "runs"},
    "publishing": {"runs"},
    "run_commands": {"browsing", "checking", "comparing", "promotion", "pruning", "publishing"},
    "batch_scoring": {"batch", "runs", "runtime", "scoring"},
    "replaying": {"config", "data", "experiment", "runs", "runtime"},
    **{package: set() for package in PACKAGES},
    **{door: {*stories, "runtime"} for door, stories in DOORS.items()},
}
KNOW_HYDRA = {"config", "experiment", "train"}


# What the service may know: it starts without the rest in memory.
API_MAY_IMPORT = {"runs", "scoring", *FOR_EVERYONE}
HEAVY = {"hydra", "omegaconf", "pandas", "sklearn", "scipy", "joblib", "pyarrow", "matplotlib"}
# What only a model store needs, and a signature.
HEAVY |= {"fsspec", "obstore", "cryptography", "model_signing", "boto3"}


def modules() -> list[Path]:
    return sorted(path for path in SRC.rglob("*.py") if path != SRC / "__init__.py")


def room_of(path: Path) -> str:
    # A package's __main__ is a door, and no part of the room behind it.
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts) if parts[-1] == "__main__" else parts[0]


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
    assert len((SRC / f"{door.replace('.', '/')}.py").read_text(encoding="utf-8").splitlines()) < 60


@pytest.mark.parametrize("path", sorted((ROOT / "api").rglob("*.py")), ids=lambda path: path.name)
def test_the_service_knows_only_what_it_needs(path: Path) -> None:
    for name in imports_of(path):
        first, *rest = name.split(".")
        assert first not in HEAVY, f"{path} imports {name}"
        if first == "src":
            assert rest[0] in API_MAY_IMPORT, f"{path} imports {name}"


def test_the_service_starts_without_the_training_stack() -> None:
    words = f"import sys, tabproof.service.app; print(*({sorted(HEAVY)!r} & sys.modules.keys()))"
    words = words.replace("[", "{").replace("]", "}")
    loaded = subprocess.run(
        [sys.executable, "-c", words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.split() == []


# Who deploys installs boto3 and PyYAML, not what trains or serves.
DEPLOY_MAY_IMPORT = ("tabproof.errors", "tabproof.text", "tabproof.runtime.console")


@pytest.mark.parametrize(
    "path", sorted((ROOT / "deploy").rglob("*.py")), ids=lambda path: path.name
)
def test_deploying_knows_only_how_errors_are_told(path: Path) -> None:
    for name in imports_of(path):
        if name.split(".")[0] in {"src", "api"}:
            assert f"{name}.".startswith(tuple(f"{each}." for each in DEPLOY_MAY_IMPORT)), name
