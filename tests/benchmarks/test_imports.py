"""Benchmarks import names that are there: most of them take too long to be run by a test."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGES = {"benchmarks": ROOT / "benchmarks", "tabproof": ROOT / "src" / "tabproof"}
MODULES = sorted((ROOT / "benchmarks").rglob("*.py"))


def file_of(module: str) -> Path | None:
    """Return the file of a module of ours; None for a package of another project."""
    package, *parts = module.split(".")
    if package not in PACKAGES:
        return None
    path = PACKAGES[package].joinpath(*parts)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def names_in(path: Path) -> frozenset[str]:
    """Return the names that a file binds anywhere, and the modules beside a package's file."""
    found = {each.stem for each in path.parent.iterdir()} if path.name == "__init__.py" else set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(each.asname or each.name).partition(".")[0] for each in node.names}
    return frozenset(found)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_benchmark_imports_is_there(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or node.module is None or node.level:
            continue
        source = file_of(node.module)
        if source is not None:
            assert source.is_file(), node.module
            assert {each.name for each in node.names} <= names_in(source), node.module
