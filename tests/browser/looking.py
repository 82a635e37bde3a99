"""A page as a browser shows it, and what a reader would stumble over there."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

AXE = ROOT / "src/tabproof/report/web/node_modules/axe-core/axe.min.js"
# Of the viewport: high enough that the page is laid out whole and any letter can be pointed at.
HEIGHT = 20_000

# Text nodes whose letters stand out too little from what lies behind them (WCAG 2.2, 1.4.3), with
# the contrast. In a picture a shape lies behind them, elsewhere an element's background.
TOO_FAINT = """
(least) => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = (text) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = "rgba(0,0,0,0)";
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return {r, g, b, a: a / 255};
  };
  const over = (top, below) => {
    const mixed = (name) => top[name] * top.a + below[name] * (1 - top.a);
    return {r: mixed("r"), g: mixed("g"), b: mixed("b"), a: 1};
  };
  const light = ({r, g, b}) => {
    const [x, y, z] = [r, g, b].map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const opacity = (element) => {
    let product = 1;
    for (let e = element; e; e = e.parentElement) product *= getComputedStyle(e).opacity;
    return product;
  };
  const paint = (element) => {
    const style = getComputedStyle(element);
    if (element instanceof SVGElement && !(element instanceof SVGSVGElement)) {
      if (!(element instanceof SVGGeometryElement) || style.fill === "none") return null;
      const colour = rgba(style.fill);
      return {...colour, a: colour.a * style.fillOpacity * opacity(element)};
    }
    return rgba(style.backgroundColor);
  };
  const behind = (element, box) => {
    const x = box.left + box.width / 2, y = box.top + box.height / 2;
    const stack = document.elementsFromPoint(x, y);
    const start = stack.findIndex((e) => e === element || element.contains(e));
    const layers = stack.slice(Math.max(start, 0))
      .filter((e) => e !== element || !(e instanceof SVGElement));
    const root = getComputedStyle(document.documentElement).colorScheme;
    let colour = matchMedia("(prefers-color-scheme: dark)").matches && root.includes("dark")
      ? {r: 18, g: 18, b: 18, a: 1} : {r: 255, g: 255, b: 255, a: 1};
    for (const layer of layers.reverse()) {
      const top = paint(layer);
      if (top && top.a > 0) colour = over(top, colour);
    }
    return colour;
  };
  // Of a text that is cut off, the part that is seen.
  const visible = (box, element) => {
    let {left, right, top, height} = box;
    for (let e = element; e; e = e.parentElement) {
      if (getComputedStyle(e).overflowX !== "hidden") continue;
      const frame = e.getBoundingClientRect();
      left = Math.max(left, frame.left);
      right = Math.min(right, frame.right);
    }
    return {left, right, top, height, width: right - left};
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let n_seen = 0;
  while (walker.nextNode()) {
    const node = walker.currentNode, element = node.parentElement;
    if (!node.data.trim() || /^(style|title)$/i.test(element.tagName)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = visible(range.getBoundingClientRect(), element);
    if (box.width < 2 || !element.checkVisibility({visibilityProperty: true})) continue;
    // Off the screen until it has the focus, or cut to a point for readers of the screen.
    if (box.right < 0 || element.closest(".unseen")) continue;
    n_seen += 1;
    const style = getComputedStyle(element);
    const ink = rgba(element instanceof SVGElement ? style.fill : style.color);
    const below = behind(element, box);
    const shown = over({...ink, a: ink.a * opacity(element)}, below);
    const [a, b] = [light(shown), light(below)].sort((one, other) => other - one);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < least) found.push([contrast.toFixed(2), node.data.trim().slice(0, 60)]);
  }
  return {found, n_seen};
}
"""
OUTLINE = """
() => ({
  headings: [...document.querySelectorAll("h1,h2,h3,h4,h5,h6")].map((e) => Number(e.tagName[1])),
  ids: [...document.querySelectorAll("[id]")].map((e) => e.id),
  broken: [...document.querySelectorAll("a[href^='#']")]
    .map((e) => e.hash.slice(1)).filter((id) => !document.getElementById(id)),
  unnamed: [...document.querySelectorAll("svg:not([aria-hidden])")]
    .filter((e) => !e.getAttribute("aria-label") && !e.closest("[aria-hidden]")).length,
  untitled: [...document.querySelectorAll("table")].filter((e) => !e.caption).length,
  unscoped: [...document.querySelectorAll("th:not([scope])")].length,
  scripts: document.scripts.length,
  fetched: [...document.scripts].filter((e) => e.src).length,
})
"""
# What sticks out to the right, and is not in a frame that scrolls.
STICKING_OUT = """
() => [...document.body.querySelectorAll("*")]
  .filter((e) => !e.closest(".scroll") && !e.closest("svg") && !e.closest(".unseen"))
  .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
  .map((e) => e.tagName + "." + e.className).slice(0, 5)
"""
# Frames that are narrower than their table, and cells that are narrower than what is in them.
CUT = """
() => [...document.querySelectorAll(".scroll:has(> table), .scroll td, .scroll tbody th")]
  .filter((e) => e.scrollWidth > e.clientWidth + 1)
  .map((e) => `${e.tagName}.${e.className} ${e.textContent.trim().slice(0, 40)}`)
"""
# Of a narrow screen: how many cells have no label of their own, where their column has a heading.
STACKED = """
() => {
  const cells = [...document.querySelectorAll(".scroll tbody td[data-label]")];
  const shown = cells.filter((e) => e.checkVisibility() && e.textContent.trim());
  const label = (e) => getComputedStyle(e, "::before").content;
  const explained = (e) => e.matches(".drawn, .meaning");
  return {n: shown.length, bare: shown.filter((e) => !explained(e) && label(e) === "none").length};
}
"""
OF_TABLES = {"table", "rowgroup", "row", "columnheader", "rowheader", "cell"}


@dataclass
class Look:
    """A page on the screen; complaints: of the browser, requests: addresses that it fetched."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def violations(self) -> list[tuple[str, str]]:
        """Return what axe-core finds; the context must bypass the policy."""
        if not AXE.is_file():
            pytest.skip("the packages of `make web` are absent: axe-core is not run")
        if self.page.evaluate("typeof axe") == "undefined":
            self.page.add_script_tag(content=AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
        return [(each["id"], each["nodes"][0]["html"][:200]) for each in found]

    def too_faint(self, least: float = 4.5) -> list[Any]:
        seen = self.page.evaluate(TOO_FAINT, least)
        # Less, and the check would prove nothing.
        assert seen["n_seen"] > 50
        return seen["found"]

    def roles(self) -> Counter[str]:
        """Count the parts of tables that the browser tells assistive technology about."""
        session = self.page.context.new_cdp_session(self.page)
        nodes = session.send("Accessibility.getFullAXTree")["nodes"]
        return Counter(
            role for each in nodes if (role := each.get("role", {}).get("value")) in OF_TABLES
        )

    def keep(self, name: str) -> None:
        """Keep a picture of the whole page, where SCREENSHOTS names a directory."""
        if directory := os.environ.get("SCREENSHOTS"):
            Path(directory).mkdir(parents=True, exist_ok=True)
            width = self.page.viewport_size["width"]
            self.page.set_viewport_size({"width": width, "height": 900})
            self.page.screenshot(path=Path(directory) / f"{name}.png", full_page=True)


@contextmanager
def looking(
    browser: Any, path: Path, *, width: int = 1440, scheme: str = "light"
) -> Iterator[Look]:
    """Open a file as a reader would; of width in CSS pixels."""
    page = browser.new_page(
        viewport={"width": width, "height": HEIGHT}, color_scheme=scheme, offline=False
    )
    look = Look(page)
    page.goto(path.as_uri())
    yield look
    page.close()
