"""What a run records of the ground it stands on: packages, Python, and the state of the code."""

import platform
import re
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from tabproof.artifacts import environment_text, provenance, read_code_state
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


def test_what_is_needed_is_pinned_sorted_and_without_addresses() -> None:
    first, *lines = environment_text(ROOT).splitlines()
    assert first == f"# Python {platform.python_version()}"
    assert lines == sorted(lines)
    assert all(re.fullmatch(r"[a-z0-9-]+==\S+", line) for line in lines)
    names = dict(line.split("==") for line in lines)
    assert names["scikit-learn"] == version("scikit-learn")
    # Required by what we require; and by nobody but developers.
    assert "threadpoolctl" in names
    assert "kiwisolver" in names
    assert "pytest" not in names


def test_what_a_pipeline_uses_is_needed_too() -> None:
    assert f"hypothesis=={version('hypothesis')}" in environment_text(ROOT, ["hypothesis"])
    # Python, and code that no distribution brought, stand in versions beside libraries.
    assert environment_text(ROOT, ["python", "my_module"]) == environment_text(ROOT)


def test_without_the_list_of_requirements_all_is_needed(tmp_path: Path) -> None:
    assert f"\npytest=={version('pytest')}\n" in environment_text(tmp_path)


def test_a_clean_tree_has_no_patch(tree: Path) -> None:
    state = read_code_state(tree)
    assert re.fullmatch("[0-9a-f]{40}", state.version["commit"])
    assert state.version["clean"] is True
    assert state.patch is None


def test_the_patch_brings_the_tree_back_and_names_new_files(tree: Path, tmp_path: Path) -> None:
    (tree / "a.py").write_text("x = 2  # ネコ\n")
    (tree / "new file.py").write_text("secret = 3\n")
    state = read_code_state(tree)
    assert state.version["clean"] is False
    assert state.patch is not None
    assert b"new file.py" in state.patch
    assert b"secret" not in state.patch
    (tmp_path / "code.patch").write_bytes(state.patch)
    git(tree, "checkout", "a.py")
    git(tree, "apply", str(tmp_path / "code.patch"))
    assert (tree / "a.py").read_text() == "x = 2  # ネコ\n"


def test_a_large_patch_is_cut_and_says_so(tree: Path) -> None:
    (tree / "a.py").write_text("x = 1\n" * 500_000)
    patch = read_code_state(tree).patch
    assert patch is not None
    assert patch.startswith(b"# cut: only the first 1048576 bytes follow\n")
    assert len(patch) < provenance.MAX_PATCH + 100


def test_without_git_or_a_repository_nothing_is_known_and_nothing_fails(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = {"commit": None, "clean": None}
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "plain").mkdir()
    assert read_code_state(tmp_path / "plain").version == nothing
    monkeypatch.setenv("PATH", str(tmp_path))
    state = read_code_state(tree)
    assert (state.version, state.patch) == (nothing, None)


def test_a_repository_without_a_commit_has_new_files_only(tmp_path: Path) -> None:
    git(tmp_path, "init")
    (tmp_path / "a.py").touch()
    state = read_code_state(tmp_path)
    assert state.version == {"commit": None, "clean": False}
    assert state.patch == b"# not in git: a.py\n"


def test_recording_takes_no_time_worth_mentioning() -> None:
    took = []
    for _ in range(3):
        start = time.perf_counter()
        environment_text(ROOT)
        read_code_state(ROOT)
        took.append(time.perf_counter() - start)
    assert min(took) < 0.2
