"""How long the page of all runs takes in Chromium to open, to filter, to sort and to draw plots.

    python -m benchmarks.runs_page_browser [N_RUNS]

The page is a sample without run directories; `benchmarks.runs_page` times a page of real ones.
Times are medians of several pages, each until the browser has laid out and painted the change.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import sync_playwright

from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.web.runs_sample import make_page, make_runs

N_PAGES = 5
# Milliseconds from an action to the frame after the next: then its change was painted.
TIMED = """
(act) => new Promise((resolve) => {
  const start = performance.now();
  act();
  requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start)));
})
"""
OPENED = """
() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(
  () => resolve(performance.now()))))
"""


def typing(text: str) -> str:
    """Return what types a filter."""
    return f"""() => {{
        const input = document.getElementById("filter");
        input.value = {text!r};
        input.dispatchEvent(new Event("input"));
    }}"""


def clicking(selector: str) -> str:
    """Return what clicks an element."""
    return f"() => document.querySelector({selector!r}).click()"


ACTIONS = {
    "filter: a letter": typing("a"),
    "filter: a metric": typing("roc_auc>=0.9"),
    "filter: a key": typing("search.n_splits>2 a"),
    "filter: nothing": typing(""),
    "sort by a metric": clicking("th[data-column=roc_auc] button"),
    "by time": clicking("[data-value=time]"),
    "sort by choices": clicking("th[data-column=choices] button"),
    "show more": clicking("tr.more button"),
    "plots": clicking("#tab-plot"),
}


def timed(page: Any, action: str) -> float:
    """Return the milliseconds until an action is painted."""
    return float(page.evaluate(f"({TIMED})({action})"))


def measure(browser: Any, path: Path, report: Callable[[str, float], None]) -> None:
    """Open a page and do everything once."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(path.as_uri(), wait_until="commit")
    page.locator("tr.run").first.wait_for()
    report("open", page.evaluate(OPENED))
    for name, action in ACTIONS.items():
        report(name, timed(page, action))
    page.close()


def time_page(path: Path) -> None:
    """Print the medians of a page."""
    times: dict[str, list[float]] = {}
    print(f"{path.name}, {path.stat().st_size / 1e6:.1f} MB, in Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for _ in range(N_PAGES):
            measure(browser, path, lambda name, ms: times.setdefault(name, []).append(ms))
        browser.close()
    for name, values in times.items():
        print(f"  {name:<26}{median(values):10.0f} ms")


def main() -> None:
    """Time a page of a sample."""
    n_runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with TemporaryDirectory() as place:
        path = Path(place) / "index.html"
        path.write_text(make_page(*make_runs(n_runs)), encoding="utf-8")
        time_page(path)


if __name__ == "__main__":
    main()
