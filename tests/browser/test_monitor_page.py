"""monitor.html in a browser: nothing is fetched, nothing overflows, all can be read."""

from collections.abc import Callable
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest

from tabproof.monitoring.page import render_check
from tabproof.monitoring.result import Check
from tests.browser.looking import AXE, CUT, OUTLINE, STACKED, STICKING_OUT, Look, looking
from tests.monitoring import checks

pytestmark = pytest.mark.browser

WIDTHS, SCHEMES = (375, 1440), ("light", "dark")
OPEN_ALL = "document.querySelectorAll('details').forEach((e) => e.open = true)"
MADE_UP: dict[str, tuple[Callable[[], Check], str]] = {
    "whole": (checks.whole, "en"),
    "whole-ja": (checks.whole, "ja"),
    "odd-names": (checks.odd, "en"),
    "many-columns": (
        lambda: checks.check_of(
            checks.model_of("m", checks.run_of([f"c_{i}" for i in range(500)]))
        ),
        "ja",
    ),
}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[] if name == "whole" else pytest.mark.slow) for name in MADE_UP
    ],
)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    make, language = MADE_UP[request.param]
    path = tmp_path_factory.mktemp(request.param) / "monitor.html"
    path.write_text(render_check(make(), language), encoding="utf-8")
    return path


# The other pairs are slow tests.
BY_DEFAULT = {(min(WIDTHS), "light"), (max(WIDTHS), "dark")}


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        pytest.param(*pair, marks=[] if pair in BY_DEFAULT else pytest.mark.slow)
        for pair in product(WIDTHS, SCHEMES)
    ],
)
def test_a_page_can_be_read(chromium: Any, page: Path, width: int, scheme: str) -> None:
    with looking(chromium, page, width=width, scheme=scheme) as look:
        assert look.complaints == []
        assert [url for url in look.requests if not url.startswith("data:")] == [page.as_uri()]
        assert look.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
        assert look.page.evaluate(STICKING_OUT) == []
        look.page.evaluate(OPEN_ALL)
        assert look.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
        assert look.too_faint() == []
        look.keep(f"{page.parent.name}-{width}-{scheme}")


def test_on_a_narrow_screen_rows_of_tables_stack(chromium: Any, page: Path) -> None:
    roles = []
    for width in (min(WIDTHS), 768, max(WIDTHS)):
        with looking(chromium, page, width=width) as look:
            look.page.evaluate(OPEN_ALL)
            roles.append(look.roles())
            if width < max(WIDTHS):
                assert look.page.evaluate(CUT) == []
                labels = look.page.evaluate(STACKED)
                assert labels["n"] > 20
                assert labels["bare"] == 0
    # A table stays one for those who hear it.
    assert roles[0] == roles[1] == roles[2]


def test_a_page_has_an_outline(chromium: Any, page: Path) -> None:
    with looking(chromium, page) as look:
        outline = look.page.evaluate(OUTLINE)
    levels = outline["headings"]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(outline["ids"]) == len(set(outline["ids"]))
    found = {name: outline[name] for name in ("broken", "unnamed", "untitled", "unscoped")}
    assert found == {"broken": [], "unnamed": 0, "untitled": 0, "unscoped": 0}
    assert outline["scripts"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [*product(WIDTHS, SCHEMES)])
def test_axe_finds_nothing(chromium: Any, page: Path, width: int, scheme: str) -> None:
    if not AXE.is_file():
        pytest.skip("the packages of `make web` are absent: axe-core is not run")
    if "odd" in page.parent.name or "many" in page.parent.name:
        pytest.skip("thousands of cells take minutes; the outline is tested above")
    viewport = {"width": width, "height": 900}
    context = chromium.new_context(viewport=viewport, color_scheme=scheme, bypass_csp=True)
    look = Look(context.new_page())
    look.page.goto(page.as_uri())
    assert look.violations() == []
    look.page.evaluate(OPEN_ALL)
    assert look.violations() == []
    context.close()


def test_without_colour_before_and_now_differ(chromium: Any, tmp_path: Path) -> None:
    path = tmp_path / "monitor.html"
    path.write_text(render_check(checks.whole(), "en"), encoding="utf-8")
    fills = "(s) => getComputedStyle(document.querySelector(s)).fill"
    with looking(chromium, path) as look:
        assert look.page.evaluate(fills, ".columns .was") == "none"
        assert look.page.evaluate(fills, ".columns .now") != "none"
