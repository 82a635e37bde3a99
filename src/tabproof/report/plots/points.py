"""The marks of a plot as a small JSON in its SVG, from which a script shows values on hover.

Marks are in the units of the axes, and the area of each panel in pixels of the SVG.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from tabproof.report.plots.layers import Axis, Layer, Panel

Floats = NDArray[np.float64]
Box = tuple[float, float, float, float]
# More points of a line could not be distinguished.
MAX_POINTS = 200
# The digits that a hover shows.
N_DIGITS = 4
SVG = "{http://www.w3.org/2000/svg}"
TRANSLATE = re.compile(r"translate\(\s*(-?[\d.]+)[ ,]+(-?[\d.]+)\s*\)")
# Marks of the theme, for a weight or a colour.
MARKS = str.maketrans(dict.fromkeys("\ue004\ue005"))


def find_boxes(root: ElementTree.Element) -> list[Box]:
    """Return the area of each panel in pixels of the SVG that lets-plot wrote, in its order."""

    def walk(element: ElementTree.Element, x: float, y: float) -> Iterator[Box]:
        if match := TRANSLATE.match(element.get("transform", "")):
            x, y = x + float(match[1]), y + float(match[2])
        if element.tag == f"{SVG}svg":
            x, y = x + float(element.get("x", 0)), y + float(element.get("y", 0))
        if element.tag == f"{SVG}clipPath":
            left, top, width, height = (
                float(element[0].get(name, 0)) for name in ("x", "y", "width", "height")
            )
            yield round(x + left, 2), round(y + top, 2), round(width, 2), round(height, 2)
        for child in element:
            yield from walk(child, x, y)

    # One for each layer; the root has no place of its own.
    return list(dict.fromkeys(walk(root, -float(root.get("x", 0)), -float(root.get("y", 0)))))


def describe_points(panels: Sequence[Panel], boxes: Sequence[Box], room: float) -> str:
    """Return JSON of the marks; room : what limits are wider at both ends, as a share."""
    if len(panels) != len(boxes):
        return ""
    found = []
    for panel, box in zip(panels, boxes, strict=True):
        if series := list(_series_of(panel)):
            names = panel.names or (panel.x.title, panel.y.title)
            axes = [_limits_of(axis.limits, room) for axis in (panel.x, panel.y)]
            titles = [name.translate(MARKS) for name in names]
            found.append({"box": box, "axes": axes, "names": titles, "series": series})
    if not found:
        return ""
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def _limits_of(limits: tuple[float, float], room: float) -> list[float]:
    margin = (limits[1] - limits[0]) * room
    return [limits[0] - margin, limits[1] + margin]


def _series_of(panel: Panel) -> Iterator[dict[str, Any]]:
    """Return the points of each series once, though a line and its dots are two layers."""
    seen: list[tuple[str | None, Floats, Floats]] = []
    for layer in panel.layers:
        if not layer.is_read:
            continue
        if layer.words:
            x, y = _middles(layer.data)
            if len(layer.words) == len(x):
                yield {"x": _short(x), "y": _short(y), "words": list(layer.words)}
            continue
        if layer.geom.__name__ not in ("geom_path", "geom_point"):
            continue
        x, y = (np.atleast_1d(np.asarray(layer.data[name], np.float64)) for name in "xy")
        x, y = np.broadcast_arrays(x, y)
        known = np.isfinite(x) & np.isfinite(y)
        x, y = x[known], y[known]
        is_same = any(
            key == layer.key and np.array_equal(a, x) and np.array_equal(b, y) for key, a, b in seen
        )
        if not len(x) or is_same:
            continue
        seen.append((layer.key, x, y))
        intervals = _intervals(panel.layers, x, y)
        at = np.arange(len(x))
        if layer.geom.__name__ == "geom_path" and len(x) > MAX_POINTS:
            at = np.unique(np.linspace(0, len(x) - 1, MAX_POINTS).round().astype(np.intp))
        series: dict[str, Any] = {"x": _short(x[at]), "y": _short(y[at])}
        if layer.key:
            series["name"] = layer.key.translate(MARKS)
        for name, axis, values in (("x", panel.x, x[at]), ("y", panel.y, y[at])):
            if texts := _texts_of(axis, values):
                series[f"{name}_texts"] = texts
            elif axis.labels and all(label.endswith("%") for label in axis.labels):
                series[f"{name}_unit"] = "%"
        if intervals is not None:
            name, low, high = intervals
            series["of"], series["low"], series["high"] = name, _short(low[at]), _short(high[at])
        yield series


def _middles(data: Mapping[str, Any]) -> tuple[Floats, Floats]:
    """Return where boxes have their middle."""
    ends = np.broadcast_arrays(
        *(np.asarray(data[n], np.float64) for n in ("xmin", "xmax", "ymin", "ymax"))
    )
    return (ends[0] + ends[1]) / 2, (ends[2] + ends[3]) / 2


def _texts_of(axis: Axis, values: Floats) -> list[str]:
    """Return the labels of values, if the axis has one for each of them."""
    labels = dict(axis.values)
    if not labels:
        return []
    if axis.snaps:
        places = np.array(list(labels))
        values = places[np.abs(values[:, np.newaxis] - places).argmin(axis=1)]
    texts = [labels.get(value, "") for value in values.tolist()]
    return [text.translate(MARKS) for text in texts] if all(texts) else []


def _intervals(layers: Sequence[Layer], x: Floats, y: Floats) -> tuple[str, Floats, Floats] | None:
    """Return the ends of segments through points: `x` or `y`, along which they lie, and both."""
    for layer in layers:
        if layer.geom.__name__ != "geom_segment":
            continue
        ends = [np.atleast_1d(np.asarray(each, np.float64)) for each in layer.data.values()]
        if any(len(each) != len(x) for each in ends):
            continue
        x_from, y_from, x_to, y_to = ends
        if np.array_equal(x_from, x) and np.array_equal(x_to, x):
            return "y", y_from, y_to
        if np.array_equal(y_from, y) and np.array_equal(y_to, y):
            return "x", x_from, x_to
    return None


def _short(values: Floats) -> list[float | None]:
    return [
        float(f"{value:.{N_DIGITS}g}") if np.isfinite(value) else None for value in values.tolist()
    ]
