"""The site of the documents: built without a warning, and loads nothing from elsewhere."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import tabproof as tp
from tests.conftest import ROOT, made_once

pytest.importorskip("mkdocs", reason="mkdocs is not installed: the site is not built")
pytest.importorskip("mkdocstrings", reason="mkdocstrings is not installed: the site is not built")
pytest.importorskip("material", reason="mkdocs-material is not installed: the site is not built")

# A browser follows an `a` only when somebody clicks on it.
LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
CSS_ADDRESS = re.compile(rb"""(?:url\(|@import)\s*["']?(?:https?:)?//""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def build(path: Path) -> None:
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(path)]
        # Every address is refused: a proxy that is not there.
        nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **nowhere}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr

    return made_once(tmp_path_factory, "site", build)


class Page(HTMLParser):
    """What a page links to, what it loads, and the places in it that links may name."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links, self.loaded, self.places = set[str](), set[str](), set[str]()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.places |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.add(found["href"])
        if tag in LOADED and LOADED[tag] in found and found.get("rel") != "canonical":
            self.loaded.add(found[LOADED[tag]])


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    for path in site.rglob("*.html"):
        for address in Page(path).loaded:
            assert not urlsplit(address).netloc, (path, address)
    for path in site.rglob("*.css"):
        assert not CSS_ADDRESS.search(path.read_bytes()), path


def test_no_link_inside_of_the_site_is_dead(site: Path) -> None:
    pages = {path: Page(path) for path in site.rglob("*.html")}
    assert len(pages) > 20
    for path, page in pages.items():
        for link in {*page.links, *page.loaded}:
            parts = urlsplit(link)
            # The page of a missing address has links from the root of the host.
            if parts.scheme or parts.netloc or path.name == "404.html":
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            assert target.is_file(), (path, link)
            if parts.fragment and target in pages and not parts.fragment.startswith("__"):
                assert unquote(parts.fragment) in pages[target].places, (path, link)


def test_every_document_and_every_public_name_is_in_the_site(site: Path) -> None:
    names = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    documents = {
        path.relative_to(ROOT / "docs").with_suffix("").as_posix()
        for path in (ROOT / "docs").rglob("*.md")
    }
    assert documents <= names
    places = {place.rpartition(".")[2] for place in Page(site / "reference.html").places}
    assert set(tp.__all__) <= places
    index = (site / "index.html").read_text(encoding="utf-8")
    for name in documents:
        assert f'href="{name}.html' in index, f"{name} is not among the pages of mkdocs.yml"


# --- The documents as they are, on any host of a repository.

LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)#?[^)\s]*\)")
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_links_to_files_that_are_there(path: Path) -> None:
    for found in LINK.finditer(path.read_text(encoding="utf-8")):
        assert (path.parent / unquote(found[1])).exists(), found[0]
