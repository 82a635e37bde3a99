"""/docs in a browser: it says what is served, and names of a stranger's run are only text there."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tabproof.artifacts import Registry
from tabproof.artifacts.manifest import seal
from tabproof.errors import printable
from tests.service.conftest import table_run
from tests.service.serving import Server

__all__ = ["table_run"]  # a fixture

pytestmark = pytest.mark.browser

# Each would run, be fetched, lead away or be set in another way as HTML or Markdown.
HOSTILE = (
    "<script>window.hacked = 1</script>",
    "<img src=hacked.png onerror=window.hacked=1>",
    "` <svg onload=window.hacked=1> `` ![x](hacked.png) ```",
    "[link](javascript:window.hacked=1)",
    "![image](hacked.png)",
    "https://evil.example/hacked or www.evil.example",
    "**bold** __b__ *em* ~~del~~ # h1",
    "&lt;b&gt; &#60;i&#62; (c) ... -- q",
    "</code></li></ul><h1>hacked</h1><iframe src=hacked></iframe>",
    "| a | b |\n|---|---|",
    "[ref]: hacked.png 'x'",
    "<!-- <style>*{display:none}</style>",
    "a\u2028# b\n- c\n\n<h1>d</h1>",
    "\\`<b>\\`",
)
# Of the run that is changed: target, labels, columns, and the categories of the last one.
NAMES = ("label", "c0", "c1", "age", "income", "job", "clerk", "farmer", "smith")
MARKDOWN = """
() => {
  const parts = [...document.querySelectorAll(".renderedMarkdown, .markdown")];
  const within = (selector) => parts.flatMap((e) => [...e.querySelectorAll(selector)]);
  return {
    tags: [...new Set(within("*").map((e) => e.tagName))],
    links: [...new Set(within("a").map((e) => e.getAttribute("href")))],
    code: [...new Set(within("code").map((e) => e.textContent))],
    frames: document.querySelectorAll("iframe, object, embed").length,
    hacked: window.hacked,
  };
}
"""


def renamed(content: Any, names: Mapping[str, str]) -> Any:
    if isinstance(content, dict):
        return {key: renamed(value, names) for key, value in content.items()}
    if isinstance(content, list):
        return [renamed(value, names) for value in content]
    return names.get(content, content) if isinstance(content, str) else content


def make_hostile(run: Path, to: Path, shift: int) -> Path:
    """Copy a run with hostile names, dataset included; shift: which name is where."""
    shutil.copytree(run, to)
    rotated = HOSTILE[shift:] + HOSTILE[:shift]
    names = dict(zip(NAMES, rotated, strict=False))
    for name in ("schema.json", "scorer/scorer.json", "summary.json"):
        content = renamed(json.loads((to / name).read_text()), names)
        if name == "summary.json":
            content["dataset"] = printable(rotated[len(NAMES)])
        (to / name).write_text(json.dumps(content))
    (to / "manifest.json").unlink()
    seal(to, f"hostile{shift}")
    return to


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, table_run: Path) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("docs")
    registry = Registry(home / "models")
    for shift in range(len(HOSTILE)):
        registry.promote(
            make_hostile(table_run, home / f"run{shift}", shift), f"m{shift}", "me", ""
        )
    # A run that was not promoted has the name of its dataset, and lies wherever it lies.
    place = "outputs/<b>**b**<img src=hacked.png>"
    make_hostile(table_run, home / place, 5)
    with Server(home) as started:
        assert started.reload(quote(place)).status == 200
        yield started


def test_names_are_only_text_on_the_page(chromium: Any, server: Server) -> None:
    requests: list[str] = []
    page = chromium.new_page(viewport={"width": 1200, "height": 3000})
    page.on("request", lambda request: requests.append(request.url))
    page.goto(f"http://127.0.0.1:{server.port}/docs")
    page.wait_for_selector(".info h3")
    # Descriptions of columns are made when the schema of a body is opened.
    page.locator("#operations-Predictions-post_predict .opblock-summary-control").click()
    body = page.locator("#operations-Predictions-post_predict .opblock-section-request-body")
    body.locator(".tablinks[data-name=model]").click()
    columns = body.locator(".json-schema-2020-12-property").first
    columns.locator(".json-schema-2020-12-expand-deep-button").first.click()
    columns.locator(".renderedMarkdown:has-text('3 categories:')").first.wait_for()
    seen = page.evaluate(MARKDOWN)
    page.close()
    assert set(seen["tags"]) <= {"A", "DIV", "P", "H3", "UL", "LI", "CODE"}
    # To the front page.
    assert seen["links"] == ["./"]
    assert (seen["frames"], seen["hacked"]) == (0, None)
    assert {url.partition(f":{server.port}")[2] for url in requests if url[:5] != "data:"} == {
        "/docs", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/openapi.json",
    }  # fmt: skip
    shown = {" ".join(text.split()) for text in seen["code"]}
    assert {" ".join(printable(name, 100).split()) for name in HOSTILE} <= shown
