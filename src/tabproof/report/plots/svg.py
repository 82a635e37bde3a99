"""A figure as one SVG that serves light and dark, alone and inside a page.

matplotlib writes colours, a document type, metadata and ids that would clash in a page; here
they become variables, nothing, nothing, and ids with the picture's name before them.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any
from xml.etree import ElementTree

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from tabproof.report.plots.palette import NAMES, style_sheet, variable

SVG = "http://www.w3.org/2000/svg"
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "plots",
    # Comes with matplotlib: nothing depends on what is installed.
    "font.family": ["DejaVu Sans"],
    "text.parse_math": False,
}
# Left out: a font is the browser's choice, a turn by nothing says nothing.
FONT = re.compile(r"font-family: [^;]*;? ?")
COLOUR = re.compile(r"#[0-9a-f]{6}")
NUMBER = re.compile(r"-?\d+\.\d+")
REFERENCE = re.compile(r"url\(#(.*?)\)")


@contextmanager
def drawing() -> Iterator[None]:
    """Draw with our settings; letters that matplotlib's font lacks are the browser's to draw."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Whatever a matplotlibrc at home says.
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        yield


def to_svg(figure: Figure, name: str, words: str) -> str:
    """Write a figure; words: what it shows, for those who don't see it."""
    written = StringIO()
    FigureCanvasSVG(figure)
    figure.savefig(written, format="svg", metadata={"Date": None})
    drawn = ElementTree.fromstring(written.getvalue())  # noqa: S314 - what we wrote ourselves
    root = ElementTree.Element(
        "svg",
        {
            "xmlns": SVG,
            "viewBox": drawn.get("viewBox", ""),
            "class": "plot",
            "role": "img",
            "aria-label": words,
        },
    )
    root.text = "\n"
    for tag, text in (("title", words), ("style", style_sheet())):
        element = ElementTree.SubElement(root, tag)
        element.text, element.tail = text, "\n"
    root.extend(_cleaned(drawn, name))
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _cleaned(parent: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    for child in parent:
        tag = child.tag.removeprefix(f"{{{SVG}}}")
        if tag in {"metadata", "style"}:
            continue
        attributes = dict(_attributes(child, tag, name))
        parts = list(_cleaned(child, name))
        # Most groups only give a name to what nobody looks up.
        if tag in {"g", "defs"} and not parts:
            continue
        if tag == "g" and not attributes:
            yield from parts
            continue
        element = ElementTree.Element(tag, attributes)
        element.text = child.text if tag == "text" else None
        element.tail = "\n"
        element.extend(parts)
        yield element


def _attributes(element: ElementTree.Element, tag: str, name: str) -> Iterator[tuple[str, str]]:
    for key, value in element.items():
        if key == "id" and tag != "g":
            yield "id", f"{name}-{value}"
        elif key.endswith("href"):
            yield "href", value.replace("#", f"#{name}-")
        elif key == "style":
            yield "style", COLOUR.sub(_variable, FONT.sub("", value))
        elif key == "d":
            yield key, _short(" ".join(value.split()))
        elif key == "clip-path":
            yield key, REFERENCE.sub(rf"url(#{name}-\1)", value)
        elif key != "id" and not value.startswith("rotate(-0 "):
            yield key, _short(value)


def _variable(colour: re.Match[str]) -> str:
    return variable(colour[0]) if colour[0] in NAMES else colour[0]


def _short(numbers: str) -> str:
    """Round to hundredths of a point, of which a screen shows none."""
    return NUMBER.sub(lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), numbers)
