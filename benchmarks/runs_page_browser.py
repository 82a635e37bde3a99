"""How long the page of all runs takes in Chromium to open, to filter, to sort and to compare.

    python -m benchmarks.runs_page_browser [N_RUNS]

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
    "filter: a key": typing("cv.n_splits=10 dataset:adult"),
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


def main() -> None:
    """Print the medians."""
    n_runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    times: dict[str, list[float]] = {}
    with TemporaryDirectory() as place, sync_playwright() as playwright:
        path = Path(place) / "index.html"
        path.write_text(make_page(*make_runs(n_runs)), encoding="utf-8")
        print(f"{n_runs:,} runs, {path.stat().st_size / 1e6:.1f} MB")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for _ in range(N_PAGES):
            measure(browser, path, lambda name, ms: times.setdefault(name, []).append(ms))
        browser.close()
    for name, values in times.items():
        print(f"{name:20} {median(values):6.0f} ms")


if __name__ == "__main__":
    main()
