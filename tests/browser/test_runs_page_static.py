"""The page of all runs in a browser without scripts: it is complete, and names are only text."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tabproof.artifacts import Registry
from tabproof.runs.page import page
from tests.artifacts.making import DAY, make_failed, make_recorded_run
from tests.browser.looking import OUTLINE, STICKING_OUT

pytestmark = pytest.mark.browser

ODD = "</script><script>alert(1)</script> " + "とても長い名前" * 9 + " שלום 😀"


@pytest.fixture(scope="module", params=["en", "ja"])
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("all 私の")
    day = here / "outputs" / DAY
    files = {"report.html": b"<p>a report</p>", "train.log": b"", "model_card.md": b""}
    for n in range(60):
        run = make_recorded_run(
            day / f"10-00-{n:02}_a#b%20?", f"{n:08x}", 0.9 + n / 1000, files=files
        )
    Registry(here / "models").promote(run, "adult", "me", "")
    make_recorded_run(day / "11-00-00_odd", "eeee0000", dataset=ODD, model=ODD)
    make_failed(day / "12-00-00_odd", ODD)
    page(outputs=here / "outputs", models=here / "models", language=request.param)
    return here / "outputs/index.html"


@pytest.fixture(scope="module")
def tab(chromium: Any, path: Path) -> Iterator[Any]:
    context = chromium.new_context(
        java_script_enabled=False, viewport={"width": 375, "height": 900}
    )
    tab = context.new_page()
    tab.goto(path.as_uri())
    yield tab
    context.close()


def test_the_newest_runs_and_the_best_are_there(tab: Any) -> None:
    assert tab.locator("#datasets tbody tr").count() == 2
    assert tab.locator("#newest tbody tr").count() == 50
    words = tab.locator("#newest tbody tr").nth(2).inner_text().split()
    assert {"adult", "full", "ROC-AUC", "0.9590"} <= set(words)
    assert tab.locator("#datasets .badge.fine").count() == 1
    assert "oading" not in tab.locator("body").inner_text()


def test_nothing_sticks_out_and_names_are_text(tab: Any) -> None:
    # Evaluated by the browser's tools, which pages without scripts have too.
    assert tab.evaluate(STICKING_OUT) == []
    outline = tab.evaluate(OUTLINE)
    assert outline["headings"] == [1, 2, 2]
    assert outline["broken"] == []
    assert outline["untitled"] == outline["unscoped"] == 0
    assert outline["scripts"] == 5
    assert len(outline["ids"]) == len(set(outline["ids"]))
    assert ODD[:20] in tab.locator("#newest").inner_text()


def test_a_link_leads_to_the_file_of_its_run(tab: Any) -> None:
    tab.locator("#newest tbody tr").nth(2).locator("a").first.click()
    assert tab.locator("body").inner_text() == "a report"
    tab.go_back()


def test_the_scripts_of_the_page_run_without_messages(chromium: Any, path: Path) -> None:
    tab, messages = chromium.new_page(), list[str]()
    tab.on("console", lambda message: messages.append(message.text))
    tab.on("pageerror", lambda error: messages.append(str(error)))
    requests = list[str]()
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(path.as_uri())
    assert tab.evaluate("typeof Plot.plot") == "function"
    assert messages == []
    assert requests == [path.as_uri()]
    tab.close()
