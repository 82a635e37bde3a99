"""The scripts of the pages: checked, tested and built as they are committed, by node."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tabproof import web
from tabproof.text import LANGUAGES
from tests.conftest import ROOT

SOURCES = ROOT / "src/tabproof/report/web"
MODULES = SOURCES / "node_modules"
TESTS = sorted(Path(__file__).parent.glob("*.test.js"))

needs_node = pytest.mark.skipif(
    not (shutil.which("node") and MODULES.is_dir()),
    reason="node or the packages of `make web` are absent: scripts are not built",
)


def node(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["node", *arguments], cwd=SOURCES, capture_output=True, text=True)


@needs_node
def test_the_committed_scripts_are_built_from_their_sources(tmp_path: Path) -> None:
    done = node("build.js", tmp_path)
    assert done.returncode == 0, done.stderr
    built = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert built == {path.name: path.read_bytes() for path in web.BUILT.iterdir()}, "make web"


@needs_node
def test_types_hold() -> None:
    done = node("node_modules/typescript/bin/tsc")
    assert done.returncode == 0, done.stdout


@needs_node
@pytest.mark.parametrize(
    "path", sorted(Path(__file__).parent.glob("*.test.js")), ids=lambda p: p.name
)
def test_under_node(path: Path) -> None:
    done = node("--test", path)
    assert done.returncode == 0, done.stdout


def test_a_script_cannot_end_its_element() -> None:
    for path in web.BUILT.iterdir():
        text = path.read_text(encoding="utf-8")
        assert "</script" not in text.lower()
        assert "</style" not in text.lower()
        assert "<!--" not in text


@pytest.mark.parametrize("text", ["</script><script>", "<!--<script>", "\u2028&", "\ud800", "é"])
def test_data_is_read_as_it_was_and_cannot_end_its_element(text: str) -> None:
    written = web.as_json({"name": text})
    assert json.loads(written) == {"name": text}
    assert not set("<>&\u2028") & set(written)
    written.encode()


def test_a_policy_allows_the_scripts_of_a_page_alone() -> None:
    # The hash of the empty text is well known.
    empty = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    policy = web.policy_of([""], connect_src="'self'")
    assert f"script-src {empty};" in policy
    assert policy.endswith("connect-src 'self'")


def test_all_texts_are_there_in_both_languages() -> None:
    keys = [set(web.read_texts(language)) for language in LANGUAGES]
    assert keys[0] == keys[1]
    assert all(text.strip() for language in LANGUAGES for text in web.read_texts(language).values())
