"""The page of all runs with invented runs, opened in a browser."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.browser.looking import Look
from tests.web.runs_sample import Island, make_page, make_runs

N_RUNS = 240
TABS = ("runs", "plot", "compare")


class Shown(Look):
    """The page of all runs."""

    def texts(self, selector: str) -> list[str]:
        found: list[str] = self.page.locator(selector).all_inner_texts()
        return found

    def tick(self, *places: int) -> None:
        for place in places:
            self.page.locator("tr.run input[type=checkbox]").nth(place).check()

    def open_tab(self, name: str) -> None:
        self.page.locator(f"#tab-{name}").click()
        if name == "compare":
            self.page.locator(".tests > *").first.wait_for()
        if name == "plot":
            self.page.locator(".drawing svg").first.wait_for()

    def wait_for_drawings(self, selector: str, n_drawings: int) -> None:
        """Wait for plots, which are drawn after the view that they are in."""
        self.page.locator(f"{selector} svg").nth(n_drawings - 1).wait_for()
        assert self.page.locator(f"{selector} svg").count() == n_drawings

    def filter(self, text: str) -> None:
        self.page.fill("#filter", text)

    def parameters(self) -> str:
        return str(self.page.evaluate("location.hash"))


Show = Callable[..., Any]


@pytest.fixture(scope="module")
def sample() -> tuple[Island, bytes]:
    return make_runs(N_RUNS)


@pytest.fixture
def show(chromium: Any, sample: tuple[Island, bytes], tmp_path: Path) -> Show:
    @contextmanager
    def opened(
        island: Any = None,
        blob: bytes | None = None,
        *,
        language: str = "en",
        curves: str | None = None,
        width: int = 1440,
        part: str = "",
        **options: Any,
    ) -> Iterator[Shown]:
        path = tmp_path / "index.html"
        island = sample[0] if island is None else island
        content = make_page(island, sample[1] if blob is None else blob, language, curves)
        path.write_text(content, encoding="utf-8")
        context = chromium.new_context(viewport={"width": width, "height": 900}, **options)
        page = context.new_page()
        # What has no place on the page within this time never will.
        page.set_default_timeout(5000)
        shown = Shown(page)
        page.goto(path.as_uri() + part)
        yield shown
        context.close()
        assert shown.complaints == []
        own = [url for url in shown.requests if not url.startswith(("data:", "blob:"))]
        assert {url.partition("#")[0] for url in own} == {path.as_uri()}

    return opened
