"""The size of the code, and its import cycles: `python -m benchmarks.size`.

Counts lines of Python as `wc -l` does, comments and blank lines included, in src/ and api/.
"""

import ast
import sys
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
# The rule of CONTRIBUTING.md; a longer module holds more than one idea.
MAX_MODULE_LINES = 500
# The files to read to follow a run, from the top down.
STORY = (
    "experiment.py",
    *(f"steps/{s}.py" for s in ("check", "search", "decide", "evaluate", "report")),
)


def main() -> None:
    """Print the figures; the exit code is 1 where imports have a cycle."""
    paths = [path for top in ("src", "api") for path in sorted((ROOT / top).rglob("*.py"))]
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    packages: Counter[str] = Counter()
    for path, n_lines in lines.items():
        parts = path.relative_to(ROOT).parts
        packages["/".join(parts[:3] if len(parts) > 3 else parts[:2])] += n_lines
    for name, n_lines in sorted(packages.items()):
        print(f"{n_lines:7,}  {name}")
    imports = {_module_of(path): _imports_of(path) for path in paths}
    cycles = [_cycle_in(imports), _cycle_in(_by_folder(imports))]
    bodies = _bodies(paths)
    print(f"{len(lines):7,}  modules")
    print(f"{sum(lines.values()):7,}  lines")
    print(f"{median(lines.values()):7,.0f}  lines in the median module")
    for path in sorted(lines, key=lambda path: -lines[path]):
        if lines[path] > MAX_MODULE_LINES:
            print(f"{lines[path]:7,}  lines in {path.relative_to(ROOT)}, over {MAX_MODULE_LINES}")
    print(f"{median(bodies):7,.0f}  lines in the median function")
    print(f"{_n_error_classes(paths):7,}  error classes")
    for what, cycle in zip(("files", "folders"), cycles, strict=True):
        print(f"import cycle of {what}: {' → '.join(cycle) if cycle else 'none'}")
    story = sum(lines[ROOT / "src/tabproof" / name] for name in STORY)
    print(f"{story:7,}  lines in the {len(STORY)} files of a run: {', '.join(STORY)}")
    if any(cycles):
        sys.exit(1)


def _module_of(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    parts = parts[1:] if parts[0] == "src" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports_of(path: Path) -> set[str]:
    """Return the modules of ours that a file imports when it is loaded."""
    own, found = _module_of(path), set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.add(name if _exists(name) else node.module)
    return {name for name in found if _exists(name) and name != own}


def _exists(name: str) -> bool:
    path = Path(*name.split("."))
    tops = [ROOT / "src", ROOT] if name.split(".")[0] != "src" else [ROOT]
    return any(
        (top / path).with_suffix(".py").exists() or (top / path / "__init__.py").exists()
        for top in tops
    )


def _by_folder(imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return which packages import which, by the layer below tabproof."""
    folders: dict[str, set[str]] = {}
    for module, targets in imports.items():
        own = ".".join(module.split(".")[:2])
        reached = {".".join(target.split(".")[:2]) for target in targets}
        folders.setdefault(own, set()).update(reached - {own, "tabproof"})
    return folders


def _cycle_in(graph: dict[str, set[str]]) -> list[str]:
    # A package's __init__ re-exports its modules, which import each other through no package.
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return list(error.args[1])
    return []


def _bodies(paths: list[Path]) -> list[int]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in paths]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, kinds)]
    return [(node.end_lineno or 0) - node.body[0].lineno + 1 for node in nodes]


def _n_error_classes(paths: list[Path]) -> int:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in paths]
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return sum(node.name.endswith("Error") for node in classes)


if __name__ == "__main__":
    main()
