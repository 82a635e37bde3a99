"""Published pages of runs in a browser: our scripts run in them, and nobody else's."""

from pathlib import Path
from typing import Any

import pytest

from tabproof import web
from tests.browser.test_front_page import KEY, looking
from tests.service.serving import Server

pytestmark = pytest.mark.browser

# A page of a stranger, who chose the weakest policy for it.
PAGE = """<!doctype html><title>run</title><link rel="icon" href="data:,">
<meta http-equiv="Content-Security-Policy" content="default-src * 'unsafe-inline' 'unsafe-eval'">
<style>p {{ color: rgb(1, 2, 3) }}</style>
<p style="font-weight: 700" onclick="window.hacked = 1">text</p>
<script>{ours}</script>
<script>window.hacked = 1</script>
<script>fetch("/health").then(() => window.hacked = 1)</script>
<img src="/health" onerror="window.hacked = 1"><iframe src="/docs"></iframe>
"""


def test_a_strangers_page_runs_nothing_of_its_own(chromium: Any, tmp_path: Path) -> None:
    page = tmp_path / "outputs" / "index.html"
    page.parent.mkdir()
    page.write_text(PAGE.format(ours=web.read_script("plot")), encoding="utf-8")
    plot = tmp_path / "outputs" / "2026-01-31" / "run" / "plots" / "roc.svg"
    plot.parent.mkdir(parents=True)
    plot.write_text(
        "<svg xmlns='http://www.w3.org/2000/svg'><style>text { fill: rgb(1, 2, 3) }</style>"
        "<text>a</text><script>window.hacked = 1</script></svg>",
        encoding="utf-8",
    )
    with Server(tmp_path, pages="all", key=KEY) as server:
        credentials = {"username": "anyone", "password": KEY}
        with looking(chromium, server, "/runs/", http_credentials=credentials) as look:
            assert look.page.evaluate("typeof Plot.plot") == "function"
            assert look.page.evaluate("getComputedStyle(document.querySelector('p')).color") == (
                "rgb(1, 2, 3)"
            )
            look.page.locator("p").click()
            assert look.page.evaluate("window.hacked") is None
            refused = set(look.page.evaluate("window.refused"))
            # Scripts and handlers, a picture and a frame; the fetch never ran.
            assert refused == {"script-src-elem", "script-src-attr", "img-src", "frame-src"}
        path = "/runs/2026-01-31/run/plots/roc.svg"
        with looking(chromium, server, path, http_credentials=credentials) as look:
            fill = "getComputedStyle(document.querySelector('text')).fill"
            assert look.page.evaluate(fill) == "rgb(1, 2, 3)"
            assert look.page.evaluate("window.hacked") is None
