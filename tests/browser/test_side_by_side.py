"""The page of a sweep in a browser: nothing is fetched, nothing overflows, all can be read."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tabproof.report.side_by_side import Failure, Group, Sweep, make_section, render_sweep
from tests.browser.looking import CUT, OUTLINE, STACKED, STICKING_OUT, looking
from tests.report.contenders import ODD, contender, group_of, held_out

# The page of a run, which looks the same, is looked at each time.
pytestmark = [pytest.mark.browser, pytest.mark.slow]


def plain() -> list[Group]:
    choices = ({"model": model, "search": "fast"} for model in ("hist_gradient_boosting", "vote"))
    two = [contender(n, choices=each, link="0/report.html") for n, each in enumerate(choices)]
    three = [contender(n, hold_out=held_out(1 + n / 9, n, n_labels=3)) for n in range(8)]
    return [group_of(two), group_of(three, id="group-1", dataset="wine", n_runs=300)]


def odd() -> list[Group]:
    keys = {f"{name[:40]}{n}": name for n, name in enumerate(ODD * 3)}
    runs = [
        contender(n, choices={**keys, "k": name, name: name}, note=name, n_times=9)
        for n, name in enumerate(ODD)
    ]
    runs.append(contender(5, hold_out=None, has_other_rows=True, choices=dict.fromkeys(keys, "x")))
    return [group_of(runs, dataset=ODD[3])]


PAGES = {"sweep": (plain, "en"), "sweep-odd": (odd, "ja")}


@pytest.fixture(scope="module", params=PAGES)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    make, language = PAGES[request.param]
    failures = [Failure(*ODD), Failure("3_model=vote", "wine", "damaged", "a hash", "3/train.log")]
    sweep = Sweep(
        ODD[3] if make is odd else "14-05-12_sweep_1f26612c",
        n_complete=7,
        n_jobs=12,
        n_not_begun=3,
        n_left_out=4000,
        failures=failures,
        files={"leaderboard.csv": "leaderboard.csv"},
    )
    path = tmp_path_factory.mktemp(request.param) / f"{request.param}.html"
    sections = [make_section(group, language) for group in make()]
    path.write_text(render_sweep(sweep, sections, language), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1440])
def test_a_page_can_be_read(chromium: Any, page: Path, width: int, scheme: str) -> None:
    with looking(chromium, page, width=width, scheme=scheme) as look:
        assert look.complaints == []
        assert [url for url in look.requests if not url.startswith("data:")] == [page.as_uri()]
        assert look.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
        assert look.page.evaluate(STICKING_OUT) == []
        assert look.too_faint() == []
        if width == 375:
            assert look.page.evaluate(CUT) == []
            labels = look.page.evaluate(STACKED)
            assert labels["n"] > 20
            assert labels["bare"] == 0
        look.keep(f"{page.stem}-{width}-{scheme}")


def test_a_page_has_an_outline(chromium: Any, page: Path) -> None:
    with looking(chromium, page) as look:
        outline = look.page.evaluate(OUTLINE)
    levels = outline["headings"]
    assert levels.count(1) == 1 == levels[0]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert len(outline["ids"]) == len(set(outline["ids"]))
    rest = {name: outline[name] for name in ("broken", "unnamed", "untitled", "unscoped")}
    assert rest == {"broken": [], "unnamed": 0, "untitled": 0, "unscoped": 0}
    # The values of plots are one inline script with its texts.
    assert outline["fetched"] == 0


def test_a_run_has_one_colour_in_the_table_and_in_pictures(chromium: Any, page: Path) -> None:
    strokes = """
    (selector) => [...document.querySelectorAll(selector)].map((e) => getComputedStyle(e).stroke)
    """
    with looking(chromium, page) as look:
        in_table = look.page.evaluate(strokes, "table.side-by-side .sample line")
        in_pictures = set(look.page.evaluate(strokes, "figure path"))
    assert len(in_table) >= 2
    assert set(in_table) <= in_pictures


def test_values_of_a_plot_are_shown(chromium: Any, page: Path) -> None:
    with looking(chromium, page) as look:
        plots = look.page.locator("figure svg.plot")
        assert plots.count() >= 2
        for plot in plots.all():
            plot.focus()
            look.page.keyboard.press("ArrowRight")
            assert re.search(r"\d", look.page.locator(".hover-tip").inner_text())
            look.page.keyboard.press("Escape")
        assert look.complaints == []
