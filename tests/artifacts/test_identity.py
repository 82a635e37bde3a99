"""Same id, same numbers: the id changes with whatever determines them."""

import importlib
import shutil
import sys
from pathlib import Path

import pytest

import tabproof
from tabproof.artifacts import (
    code_hash,
    deciding_code_hash,
    library_versions,
    platform_facts,
    run_id_of,
)
from tabproof.artifacts.provenance import DECIDING


def test_the_order_of_keys_does_not_matter_and_every_value_does() -> None:
    first = run_id_of(config={"a": 1, "b": [1, 2]}, data="x")
    assert first == run_id_of(data="x", config={"b": [1, 2], "a": 1})
    assert first != run_id_of(config={"a": 1, "b": [2, 1]}, data="x")
    assert first != run_id_of(config={"a": 1, "b": [1, 2]}, data="y")


def test_code_is_its_names_and_contents(tmp_path: Path) -> None:
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
        # A file of each layer: the deepest, so that folders within folders count too.
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


@pytest.mark.parametrize(
    ("name", "decides"),
    [("steps/decide.py", True), ("steps/report.py", False), ("data/errors.py", False)],
)
def test_writing_of_reports_and_messages_is_not_in_the_run_id(
    name: str, decides: bool, tmp_path: Path
) -> None:
    package = tmp_path / "tabproof"
    for part in (name, "steps/search.py"):
        (package / part).parent.mkdir(parents=True, exist_ok=True)
        (package / part).write_text("x = 1\n")
    before = deciding_code_hash(package)
    (package / name).write_text("x = 2\n")
    assert (deciding_code_hash(package) != before) == decides


def test_the_library_of_the_estimator_counts() -> None:
    class Foreign:
        pass

    Foreign.__module__ = "hypothesis.strategies"
    assert "hypothesis" in library_versions(using=[Foreign()])
    assert "hypothesis" not in library_versions()


def test_code_that_no_distribution_brought_counts_by_its_content(
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


def test_the_platform_names_what_changes_last_bits() -> None:
    facts = platform_facts()
    assert set(facts) == {"system", "machine", "libc", "simd", "blas"}
    assert facts["blas"]
