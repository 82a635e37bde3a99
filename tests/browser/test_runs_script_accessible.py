"""The page of all runs for any reader, at any width, with any names, and without scripts."""

from collections.abc import Callable
from typing import Any

import pytest

from tabproof import web
from tests.browser.looking import OUTLINE, STICKING_OUT, TOO_FAINT
from tests.browser.runs_pages import N_RUNS, TABS, Show, Shown, sample, show
from tests.web.runs_sample import HOSTILE, Island, make_runs

__all__ = ["sample", "show"]  # fixtures

pytestmark = pytest.mark.browser


def look_through(shown: Shown, check: Callable[[], None]) -> None:
    """Check every view, with details, the menu and a comparison open."""
    shown.page.locator("tr.run .toggle").first.click()
    shown.page.locator(".help summary").click()
    shown.tick(0, 1, 2)
    check()
    shown.page.locator("[aria-controls=columns-menu]").click()
    check()
    shown.page.keyboard.press("Escape")
    for tab in TABS[1:]:
        shown.open_tab(tab)
        check()


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (375, "light"),
        (1440, "dark"),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in [(375, "dark"), (768, "light"), (768, "dark"), (1440, "light")]
        ),
    ],
)
def test_nothing_sticks_out_or_is_faint(show: Show, width: int, scheme: str) -> None:
    # Few enough for a viewport that is as high as the page.
    island, blob = make_runs(60)
    with show(island, blob, width=width, color_scheme=scheme) as shown:

        def check() -> None:
            assert shown.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
            assert shown.page.evaluate(STICKING_OUT) == []
            dock = shown.page.locator(".dock")
            dock.evaluate("dock => { dock.style.position = 'static'; }")
            size = shown.page.viewport_size
            shown.page.set_viewport_size({"width": width, "height": 20_000})
            assert shown.page.evaluate(TOO_FAINT, 4.5)["found"] == []
            shown.page.set_viewport_size(size)
            view = shown.page.locator("[role=tab][aria-selected=true]").get_attribute("id")
            shown.keep(f"runs-{view}-{width}-{scheme}")

        look_through(shown, check)


@pytest.mark.parametrize(("width", "scheme"), [(375, "dark"), (1440, "light")])
@pytest.mark.parametrize("hostile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_axe_finds_nothing(show: Show, width: int, scheme: str, hostile: bool) -> None:
    island, blob = make_runs(24, hostile=hostile)
    options = {"width": width, "color_scheme": scheme, "bypass_csp": True}
    with show(island, blob, **options) as shown:

        def check() -> None:
            assert shown.violations() == []

        look_through(shown, check)


def test_the_page_has_an_outline(show: Show) -> None:
    with show() as shown:
        shown.tick(0, 1)
        for tab in TABS:
            shown.open_tab(tab)
            outline = shown.page.evaluate(OUTLINE)
            assert outline["headings"].count(1) == 1
            assert len(outline["ids"]) == len(set(outline["ids"]))
            rest = {name: outline[name] for name in ("broken", "unnamed", "unscoped", "untitled")}
            assert rest == {"broken": [], "unnamed": 0, "unscoped": 0, "untitled": 0}


def test_the_skip_link_keeps_the_view(show: Show) -> None:
    with show(part="#filter=dataset%3Awine") as shown:
        shown.page.keyboard.press("Tab")
        shown.page.keyboard.press("Enter")
        assert shown.texts(".heading") == ["wine"]


def test_tabs_are_changed_by_arrow_keys(show: Show) -> None:
    with show() as shown:
        shown.page.locator("#tab-runs").focus()
        for name in ("plot", "compare", "runs"):
            shown.page.keyboard.press("ArrowRight")
            assert shown.page.evaluate("document.activeElement.id") == f"tab-{name}"
            assert shown.page.locator(f"#panel-{name}").is_visible()


def test_texts_of_the_script_are_in_the_language_of_the_page(show: Show) -> None:
    with show(language="ja") as shown:
        texts = web.read_texts("ja", "runs")
        assert shown.texts(".count") == [texts["runs.count_all"].replace("{n}", str(N_RUNS))]
        shown.tick(0, 1)
        for tab in TABS:
            shown.open_tab(tab)


def test_hostile_names_are_text(show: Show) -> None:
    island, blob = make_runs(120, hostile=True)
    with show(island, blob, width=375) as shown:
        assert HOSTILE[0] in shown.texts(".heading")
        shown.tick(0, 1, 2)
        for tab in TABS:
            shown.open_tab(tab)
            assert shown.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
            assert shown.page.locator("#app script").count() == 0
        # Every name from outside may be of the other direction.
        shown.open_tab("runs")
        assert shown.page.locator(".heading > :not(bdi)").count() == 0


@pytest.mark.parametrize(
    ("island", "words"),
    [
        ({"format": 2}, "another version"),
        ({"format": 1}, "damaged"),
        ([], "damaged"),
        (None, "damaged"),
    ],
)
def test_unreadable_data_leave_the_static_part(
    show: Show, sample: tuple[Island, bytes], island: Any, words: str
) -> None:
    if isinstance(island, dict) and island["format"] == 2:
        island = sample[0] | island
    with show("null" if island is None else island) as shown:
        assert words in shown.texts("#app .note")[0]
        assert shown.page.locator("#static table").is_visible()


def test_without_scripts_the_static_part_is_all(show: Show) -> None:
    with show(java_script_enabled=False) as shown:
        assert shown.page.locator("#static tbody tr").count() == 50
        assert shown.page.locator("#app").inner_text() == ""


def test_no_runs_are_no_error(show: Show) -> None:
    island, blob = make_runs(0)
    with show(island, blob) as shown:
        assert shown.texts("tr.empty") == ["No run matches the filter."]
        for tab in TABS:
            shown.page.locator(f"#tab-{tab}").click()
