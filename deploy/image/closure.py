"""Find the files that a program needs: its modules, all that they import, and what these read.

A module names the files that it reads in a constant, `DATA_FILES`: patterns of paths, relative to
its own directory.

`python deploy/image/closure.py FROM TO MODULE…` copies them. It needs only the standard
library, because it runs during the build of the image, so that the copied files are current.
"""

import ast
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path


def closure(root: Path, modules: Iterable[str]) -> set[Path]:
    """Return the source files of modules and of all that they import, relative to root.

    Imports within functions count, those only for the type checker do not. Raises
    FileNotFoundError for a missing module.
    """
    found: set[Path] = set()
    waiting = list(modules)
    for name in waiting:
        if not _files_of(root, name):
            raise FileNotFoundError(f"there is no module {name} under {root}")
    while waiting:
        for path in _files_of(root, waiting.pop()) - found:
            found.add(path)
            waiting.extend(imported_by(root / path))
    return found


def imported_by(source: Path, *, at_start: bool = False) -> Iterator[str]:
    """Yield the modules that a file imports; for `from a import b` also a.b, a possible module.

    at_start: without imports within functions.
    """
    for node in _executed(ast.parse(source.read_text(encoding="utf-8")), at_start):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                raise ValueError(f"{source}, line {node.lineno}: imports are absolute")
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def read_by(root: Path, module: Path) -> set[Path]:
    """Return the files that a module names in DATA_FILES, relative to root as it is.

    Raises FileNotFoundError for a pattern that nothing matches.
    """
    found = set()
    for node in ast.parse((root / module).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DATA_FILES":
            for pattern in ast.literal_eval(node.value):
                matching = {*(root / module).parent.glob(pattern)}
                if not matching:
                    raise FileNotFoundError(f"{module} reads {pattern}, which is not there")
                # `..` in a pattern is not resolved, since root may hold links.
                found |= {Path(os.path.relpath(path, root)) for path in matching}
    return found


def copy(root: Path, target: Path, modules: Iterable[str]) -> None:
    """Copy the closure, and what it reads, into the same directories below target."""
    paths = closure(root, modules)
    for path in sorted(paths.union(*(read_by(root, path) for path in paths))):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, target / path)


def _files_of(root: Path, name: str) -> set[Path]:
    # Importing a.b.c also executes a and a.b; c may be a name in a.b.
    found = set()
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        stem = Path(*parts[:length])
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if (root / path).is_file():
                found.add(path)
    return found


def _executed(tree: ast.AST, at_start: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if at_start and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for other in node.orelse:
                yield other
                yield from _executed(other, at_start)
            continue
        yield node
        yield from _executed(node, at_start)


if __name__ == "__main__":
    copy(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
