"""Pages of the site that do not lie in docs/: the project's README files, and what they link to."""

import json
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
# By the page's place in the site: the file, from the project's root.
PAGES = {
    "index.md": "README.md",
    "ja/index.md": "README.ja.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "LICENSE.md": "LICENSE",
}
NOTEBOOK = re.compile(r"\]\((?:\.\./)*(notebooks/\w+)\.ipynb\)")
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")
# Python's Markdown begins a list after an empty line only; the documents are written as for others.
LIST = re.compile(r"^(?![-*\d>|#\s]).*\S\n(?=(?:- |\d+\. ))", re.M)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages."""
    for place, name in PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, place, content=_relinked(text, place)))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=_as_page(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Begin each list after an empty line, and link to the pages of notebooks."""
    up = "../" * page.file.src_uri.count("/")
    markdown = NOTEBOOK.sub(lambda found: f"]({up}{found[1]}.md)", markdown)
    return LIST.sub(lambda found: f"{found[0]}\n", markdown)


def _as_page(notebook: Path) -> str:
    """Return the cells of a notebook as a page."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    texts = {"markdown": "{}", "code": "```python\n{}\n```"}
    return "\n\n".join(texts[cell["cell_type"]].format("".join(cell["source"])) for cell in cells)


def _relinked(text: str, place: str) -> str:
    """Return a text whose links go from its page's place in the site."""
    sources = {name: page for page, name in PAGES.items()}
    up = "../" * place.count("/")

    def replace(found: re.Match[str]) -> str:
        target, anchor = found[1], found[2] or ""
        target = sources.get(target, target.removeprefix("docs/"))
        return f"]({up}{target}{anchor})"

    return LINK.sub(replace, text)
