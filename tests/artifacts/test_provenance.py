"""The run id changes with whatever determines the numbers; packages and code are recorded."""

import ast
import importlib
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Collection
from importlib import metadata
from importlib.metadata import version
from pathlib import Path

import pytest

import tabproof
from tabproof.artifacts import deciding_code_hash, provenance, run_id_of
from tabproof.artifacts.provenance import (
    DECIDING,
    PROJECT,
    code_hash,
    distributions_of,
    environment_text,
    library_versions,
    platform_facts,
    read_code_state,
)
from tests.conftest import ROOT


def git(folder: Path, *words: str) -> None:
    me = ["-c", "user.name=me", "-c", "user.email=me@example.com"]
    subprocess.run(["git", "-C", folder, *me, *words], check=True, capture_output=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    git(folder, "init")
    (folder / "a.py").write_text("x = 1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    return folder


def test_requirements_are_pinned_sorted_and_without_addresses() -> None:
    first, *lines = environment_text(ROOT).splitlines()
    assert first == f"# Python {platform.python_version()}"
    assert lines == sorted(lines)
    assert all(re.fullmatch(r"[a-z0-9-]+==\S+", line) for line in lines)
    names = dict(line.split("==") for line in lines)
    assert names["scikit-learn"] == version("scikit-learn")
    # Required indirectly, and required only by developers.
    assert "threadpoolctl" in names
    assert "markdown-it-py" in names
    assert "pytest" not in names


def test_the_libraries_of_a_pipeline_are_requirements() -> None:
    assert f"hypothesis=={version('hypothesis')}" in environment_text(ROOT, ["hypothesis"])
    # `versions` also has Python, and code that is not part of a distribution.
    assert environment_text(ROOT, ["python", "my_module"]) == environment_text(ROOT)


def test_without_a_list_of_requirements_all_packages_are_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "PROJECT", "not-installed")
    assert f"\npytest=={version('pytest')}\n" in environment_text(tmp_path)


def test_a_clean_tree_has_no_patch(tree: Path) -> None:
    facts, patch = read_code_state(tree)
    assert re.fullmatch("[0-9a-f]{40}", facts["commit"])
    assert facts["clean"] is True
    assert patch is None


def test_the_patch_restores_the_tree_and_names_new_files(tree: Path, tmp_path: Path) -> None:
    (tree / "a.py").write_text("x = 2  # ネコ\n")
    (tree / "new file.py").write_text("secret = 3\n")
    facts, patch = read_code_state(tree)
    assert facts["clean"] is False
    assert patch is not None
    assert b"new file.py" in patch
    assert b"secret" not in patch
    (tmp_path / "code.patch").write_bytes(patch)
    git(tree, "checkout", "a.py")
    git(tree, "apply", str(tmp_path / "code.patch"))
    assert (tree / "a.py").read_text() == "x = 2  # ネコ\n"


def test_a_large_patch_is_cut_with_a_note(tree: Path) -> None:
    (tree / "a.py").write_text("x = 1\n" * 500_000)
    patch = read_code_state(tree)[1]
    assert patch is not None
    assert patch.startswith(b"# cut: only the first 1048576 bytes follow\n")
    assert len(patch) < provenance.MAX_PATCH + 100


def test_without_git_or_a_repository_the_state_is_unknown(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = {"commit": None, "clean": None}
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "plain").mkdir()
    assert read_code_state(tmp_path / "plain")[0] == nothing
    monkeypatch.setenv("PATH", str(tmp_path))
    facts, patch = read_code_state(tree)
    assert (facts, patch) == (nothing, None)


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    git(tmp_path, "init")
    (tmp_path / "a.py").touch()
    facts, patch = read_code_state(tmp_path)
    assert facts == {"commit": None, "clean": False}
    assert patch == b"# not in git: a.py\n"


def test_recording_takes_less_than_a_second() -> None:
    took = []
    for _ in range(3):
        start = time.perf_counter()
        environment_text(ROOT)
        read_code_state(ROOT)
        took.append(time.perf_counter() - start)
    assert min(took) < 1


def test_the_run_id_depends_on_values_and_not_on_the_order_of_keys() -> None:
    first = run_id_of(config={"a": 1, "b": [1, 2]}, data="x")
    assert first == run_id_of(data="x", config={"b": [1, 2], "a": 1})
    assert first != run_id_of(config={"a": 1, "b": [2, 1]}, data="x")
    assert first != run_id_of(config={"a": 1, "b": [1, 2]}, data="y")


def test_the_code_hash_depends_on_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    first = code_hash(tmp_path)
    (tmp_path / "note.txt").write_text("not code")
    assert code_hash(tmp_path) == first
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    second = code_hash(tmp_path)
    (tmp_path / "b.py").write_text("x = 2\n")
    assert len({first, second, code_hash(tmp_path)}) == 3


def test_only_code_that_decides_numbers_is_in_the_run_id(tmp_path: Path) -> None:
    package = tmp_path / "tabproof"
    shutil.copytree(Path(tabproof.__file__).parent, package)
    before = deciding_code_hash(package)
    assert before == deciding_code_hash()
    changing = {"steps"}
    for entry in sorted(package.iterdir()):
        # The deepest file of each layer, so that nested folders count too.
        files = sorted(entry.rglob("*.py")) if entry.is_dir() else [entry]
        path = max(files, key=lambda path: len(path.parts), default=None)
        if path is None or path.suffix != ".py" or entry.name == "steps":
            continue
        content = path.read_bytes()
        path.write_bytes(content + b"# changed\n")
        if deciding_code_hash(package) != before:
            changing.add(entry.name)
        path.write_bytes(content)
    assert changing == {part.partition("/")[0] for part in DECIDING}
    assert not changing & {"artifacts", "report", "runs", "service", "errors.py", "text.py"}


# What deciding code imports, and no number depends on: errors, words, files, threads, displays.
NOT_DECIDING = {
    "__init__.py",
    "artifacts",
    # The model for Python, which is made of what was decided.
    "batch/estimator.py",
    "conf_files.py",
    "errors.py",
    "evaluation_result.py",
    # What it fixes is among the facts of the platform.
    "kernels.py",
    # Written after the run: the page of all runs.
    "runs",
    "runtime",
    "schema.py",
    "steps/__init__.py",
    # Reads facts off what was fitted.
    "steps/describe.py",
    "steps/for_people.py",
    # Counts rows for those who watch the model.
    "steps/reference.py",
    "steps/report.py",
    "text.py",
}


def test_what_deciding_code_imports_is_in_the_run_id_or_known_not_to_decide() -> None:
    package = Path(tabproof.__file__).parent

    def is_in(path: Path, parts: Collection[str]) -> bool:
        names = {each.as_posix() for each in (path, *path.parents)}
        return path.name == "errors.py" or not names.isdisjoint(parts)

    unknown = set()
    for file in package.rglob("*.py"):
        if not is_in(file.relative_to(package), DECIDING):
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith(PROJECT):
                continue
            modules = [node.module or "", *(f"{node.module}.{each.name}" for each in node.names)]
            for place in (package.parent / module.replace(".", "/") for module in modules):
                for found in (place.with_suffix(".py"), place / "__init__.py"):
                    if found.is_file() and not is_in(
                        inside := found.relative_to(package), {*DECIDING, *NOT_DECIDING}
                    ):
                        unknown.add(inside.as_posix())
    assert not unknown


@pytest.mark.parametrize(
    ("name", "decides"),
    [
        ("steps/decide.py", True),
        ("reading/letters.toml", True),
        ("steps/report.py", False),
        ("data/errors.py", False),
    ],
)
def test_reports_and_messages_are_not_in_the_run_id(
    name: str, decides: bool, tmp_path: Path
) -> None:
    package = tmp_path / "tabproof"
    for part in (name, "steps/search.py"):
        (package / part).parent.mkdir(parents=True, exist_ok=True)
        (package / part).write_text("x = 1\n")
    before = deciding_code_hash(package)
    (package / name).write_text("x = 2\n")
    assert (deciding_code_hash(package) != before) == decides


def test_distributions_of_a_package_are_those_of_the_standard_library() -> None:
    # numpy lists its files; yaml and sklearn are of distributions of another name; nobody has the
    # last.
    packages = {"numpy", "yaml", "_yaml", "sklearn", "six", "pytest", "not_installed"}
    expected = metadata.packages_distributions()
    assert distributions_of(packages) == {p: expected[p] for p in packages if p in expected}


def test_the_library_of_the_estimator_is_in_the_versions() -> None:
    class Foreign:
        pass

    Foreign.__module__ = "hypothesis.strategies"
    assert "hypothesis" in library_versions(using=[Foreign()])
    assert "hypothesis" not in library_versions()


def test_code_outside_a_distribution_has_its_hash_for_a_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    found = []
    for content in ("class Mine: c = 1", "class Mine: c = 2"):
        (tmp_path / "my_model_for_a_test.py").write_text(content)
        sys.modules.pop("my_model_for_a_test", None)
        importlib.invalidate_caches()
        module = importlib.import_module("my_model_for_a_test")
        found.append(library_versions(using=[module.Mine()])["my_model_for_a_test"])
    assert found[0] != found[1]


def test_the_platform_has_what_changes_last_bits() -> None:
    facts = platform_facts()
    assert set(facts) - {"level"} == {"system", "machine", "libm", "simd", "blas"}
    assert facts["blas"]
