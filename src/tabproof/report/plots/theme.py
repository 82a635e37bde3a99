"""The look of all plots: layers of lets-plot, written as one SVG for light, dark and print.

A plot is drawn with the colours for a white background. In the SVG they become CSS variables, so
that one file serves both backgrounds, alone and inside a page.
"""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import ArrayLike

from tabproof.report.format import shorten, wrap
from tabproof.report.plots.layers import Axis as Axis
from tabproof.report.plots.layers import Layer as Layer
from tabproof.report.plots.layers import Panel as Panel
from tabproof.report.plots.points import describe_points, find_boxes

with warnings.catch_warnings():
    # Python complains about escapes in docstrings of lets-plot wherever it compiles them.
    warnings.simplefilter("ignore")
    import lets_plot as lp

# On a white and on a black background, by the name of the CSS variable. The series are Okabe and
# Ito's (2008), safe for colour-blind readers: of each hue the nearest shade that stands out from
# the background, three to one (WCAG 2.2, 1.4.11).
COLOURS = {
    "ink": ("#1b1b1b", "#ececec"),
    "muted": ("#595959", "#b8b8b8"),
    "rule": ("#767676", "#949494"),
    "grid": ("#e2e2e2", "#3d3d3d"),
    "series-1": ("#0072b2", "#58aef0"),
    "series-2": ("#d55e00", "#f0803c"),
    "series-3": ("#00916a", "#2fc79a"),
    "series-4": ("#b8609a", "#e29bc2"),
    "series-5": ("#a87400", "#f2c14e"),
    "series-6": ("#3592cc", "#b3defa"),
    "series-7": ("#101010", "#ffffff"),
    # The background of a plot outside the report.
    "paper": ("#ffffff", "#161616"),
}
INK, MUTED, RULE, GRID, *SERIES, _ = (light for light, _ in COLOURS.values())
# Different in print without colours too; lengths are multiples of the width of the line.
DASHES: Any = "solid", [4, 1.5], [1.5, 1], [4, 1.2, 1, 1.2], [0.6, 1.4], [6, 2], [3, 1, 1, 1, 1, 1]
DOTTED, DASHED = [2, 2.75], [4, 2]
# Shapes of lets-plot: circle, square, triangles, diamond, plus, cross.
MARKERS = (16, 15, 17, 23, 25, 3, 4)

# The limits of an axis are wider by this share at both ends.
ROOM = 1 / 200
# In pixels of the SVG, which is as wide as a telephone.
WIDTH, SIZE, LINE = 360, 10.0, 15.0
# A square plot, with its axes, and one that is lower.
HEIGHT, LOW_HEIGHT = 300, 250


def line(x: ArrayLike, y: ArrayLike, colour: str, key: str | None = None, **style: Any) -> Layer:
    """Draw a line through points, for comparison; NaN interrupts it."""
    return Layer(lp.geom_path, {"x": x, "y": y}, {"color": colour, "size": 1.8, **style}, key)


def curve(x: ArrayLike, y: ArrayLike, place: int, key: str, size: float = 1.8) -> Layer:
    """Draw the line of a series, in its colour and with its dashes."""
    drawn = line(x, y, SERIES[place], key, size=size, linetype=DASHES[place])
    return replace(drawn, is_read=True)


def reference(y: ArrayLike, key: str) -> Layer:
    """Draw a line from 0 to 1 for comparison: chance, say."""
    return line([0, 1], y, RULE, key, size=1.3, linetype=DOTTED)


def dots(x: ArrayLike, y: ArrayLike, place: int, key: str | None = None, **given: Any) -> Layer:
    """Draw the marker of a series at each point."""
    shape = MARKERS[place]
    style = {"color": SERIES[place], "size": 6, "shape": shape, "stroke": int(shape in (3, 4))}
    style |= given
    style = {"fill": style["color"], **style}
    return Layer(lp.geom_point, {"x": x, "y": y}, style, key, is_read=True)


def segments(ends: Sequence[ArrayLike], colour: str, key: str | None = None, **style: Any) -> Layer:
    """Draw lines; ends: x and y of their starts, x and y of their ends."""
    data = dict(zip(("x", "y", "xend", "yend"), ends, strict=True))
    return Layer(lp.geom_segment, data, {"color": colour, "size": 1.4, **style}, key)


def area(x: ArrayLike, y: ArrayLike, colour: str, key: str | None = None, **style: Any) -> Layer:
    """Fill a polygon."""
    style = {"fill": colour, "alpha": 0.22, "size": 0, **style}
    return Layer(lp.geom_polygon, {"x": x, "y": y}, style, key)


def boxes(
    ends: Sequence[ArrayLike],
    colour: str,
    alpha: ArrayLike,
    key: str | None = None,
    words: Sequence[str] = (),
) -> Layer:
    """Fill rectangles; ends: where they begin and end in x, and in y."""
    data = dict(zip(("xmin", "xmax", "ymin", "ymax"), ends, strict=True))
    # One for each box is data, one for all is a style, which the legend shows too.
    data, style = (data | {"alpha": alpha}, {}) if np.ndim(alpha) else (data, {"alpha": alpha})
    style = {"fill": colour, "size": 0, **style}
    return Layer(lp.geom_rect, data, style, key, words, is_read=len(words) > 0)


def text(x: ArrayLike, y: ArrayLike, label: Sequence[str], **style: Any) -> Layer:
    """Write at each point."""
    data = {"x": x, "y": y, "label": label}
    return Layer(lp.geom_text, data, {"color": INK, "size": SIZE, **style})


def note(key: str) -> Layer:
    """Add a line to the legend that explains no marks."""
    return Layer(lp.geom_point, {"x": [], "y": []}, {"size": 0}, key)


@dataclass(frozen=True)
class Plot:
    """Rows of panels, each with its height, below a title and a legend; alt: for screen readers."""

    title: str
    subtitle: str
    alt: str
    rows: Sequence[tuple[float, Sequence[Panel]]]

    def to_svg(self, name: str) -> str:
        """Return the plot as SVG; name: unique in a page, begins the ids."""
        layers = [layer for _, row in self.rows for panel in row for layer in panel.layers]
        keys = {each.key: wrap(each.key, 53, 2) for each in layers if each.key}
        # Placeholders: lets-plot would break the lines of a legend itself, far too early.
        lines = [(key, line) for key, lines in keys.items() for line in lines]
        labels: dict[str, list[Any]] = {}
        for place, (key, _) in enumerate(lines):
            labels.setdefault(key, []).append(lp.layer_key(f"\ue002{place}\ue003", index=place))
        space, rows = {"hspace": 0, "vspace": 0}, []
        for _, row in self.rows:
            drawn = [_panel(panel, labels) if panel.layers else None for panel in row]
            widths = [panel.width for panel in row]
            rows.append(drawn[0] if len(row) == 1 else lp.gggrid(drawn, widths=widths, **space))
        heights = [height for height, _ in self.rows]
        grid = lp.gggrid(rows, ncol=1, heights=heights, guides="collect", **space)
        subtitle = _literal(shorten(self.subtitle, 60))
        title = lp.ggtitle(bold(_literal(self.title)), subtitle)
        # Title and subtitle, legend, panels.
        height = 50 + LINE * len(lines) + sum(heights)
        look = lp.theme(plot_margin=[5, 0, 5, 8], plot_title=_text(size=13.0, margin=[0, 0, 3, 0]))
        svg = (grid + LOOK + look + title + lp.ggsize(WIDTH, height)).to_svg()
        for place, (_, line) in enumerate(lines):
            svg = svg.replace(f"\ue002{place}\ue003", escape(line))
        root = ElementTree.fromstring(svg.replace("\ue000", "&lt;").replace("\ue001", "\\"))  # noqa: S314
        texts = [element.text or "" for element in root.iter(f"{SVG}text")]
        if root.get("width") is None or any(text.startswith(ERROR) for text in texts):
            # lets-plot draws the message of an error, of one panel too.
            raise RuntimeError(" ".join(" ".join(texts).split()))
        panels = [panel for _, row in self.rows for panel in row if panel.layers]
        points = describe_points(panels, find_boxes(root), ROOM)
        size = f"0 0 {float(root.get('width', 0)):g} {float(root.get('height', 0)):g}"
        return (
            f'<svg xmlns="{SVG[1:-1]}" viewBox="{size}" class="plot" role="img" '
            f"aria-label={quoteattr(self.alt)}>\n<title>{escape(self.alt)}</title>\n"
            f"<style>{STYLE}</style>\n{''.join(_elements(root, name, {}))}"
            f"<metadata>{escape(points)}</metadata>\n</svg>\n"
        )


def facets(panels: Sequence[Panel], height: float) -> list[tuple[float, Sequence[Panel]]]:
    """Return rows of two panels each; where labels lean, a row is higher."""
    pairs = [[*panels[n : n + 2], Panel()][:2] for n in range(0, len(panels), 2)]
    return [(height + 34.0 * any(p.x.angle is not None for p in pair), pair) for pair in pairs]


_text = partial(lp.element_text, size=SIZE)
BLANK = lp.element_blank()
# Colours and weights of text are in STYLE, by the class that lets-plot gives it.
LOOK = lp.theme_void() + lp.theme(
    plot_title=_text(margin=[0, 0, 5, 0]),
    plot_title_position="plot",
    plot_subtitle=_text(margin=[0, 0, 3, 0]),
    plot_margin=[2, 8, 2, 2],
    plot_background=BLANK,
    plot_inset=0,
    legend_position="top",
    legend_justification=[0, 1],
    legend_direction="vertical",
    legend_text=_text(),
    legend_background=BLANK,
    legend_margin=0,
    legend_box_spacing=6,
    legend_key_width=24,
    legend_key_height=LINE - 1,
    legend_key_spacing_y=1,
    axis_text=_text(),
    axis_title_x=_text(hjust=1, margin=[3, 0, 0, 0]),
    panel_grid_major=lp.element_line(color=GRID, size=0.8),
)


def _panel(panel: Panel, labels: dict[str, list[Any]]) -> Any:
    drawn = lp.ggplot() + lp.scale_alpha_identity()
    for layer in reversed(panel.layers):
        columns = zip(layer.data, np.broadcast_arrays(*layer.data.values()), strict=True)
        # As arrays: lets-plot looks at the type of each element of a list.
        data = dict(columns)
        first_line, *others = labels.get(layer.key or "", [None])
        style = {**layer.style, "manual_key": first_line}
        for other in others:
            drawn += lp.geom_point(data={"x": [], "y": []}, size=0, manual_key=other)
        if layer.geom is lp.geom_text:
            data["label"] = np.array([_literal(label) for label in data["label"]])
        if "size" in style:
            # The pixels that lets-plot draws for a size of 1.
            style["size"] /= 2.0 if layer.geom is lp.geom_text else 2.2
        # No sampling: lets-plot would leave out points of long lines at random.
        options = {"tooltips": "none", "sampling": "none", "na_rm": True}
        drawn += layer.geom(lp.aes(**{name: name for name in data}), data=data, **options, **style)
    # lets-plot would draw an explanation again for each panel that it is in.
    for layer in panel.layers:
        labels.pop(layer.key or "", None)
    if panel.y.title:
        drawn += lp.ggtitle(_literal(panel.y.title))
    limits, changes = {}, {}
    scales = (lp.scale_x_continuous, panel.x.title), (lp.scale_y_continuous, "")
    for name, axis, (scale, title) in zip("xy", (panel.x, panel.y), scales, strict=True):
        labels_of_axis = list(map(_literal, axis.labels))
        drawn += scale(_literal(title), breaks=list(axis.ticks), labels=labels_of_axis)
        # A line along an edge would be cut in half.
        room = (axis.limits[1] - axis.limits[0]) * ROOM
        limits[f"{name}lim"] = [axis.limits[0] - room, axis.limits[1] + room]
        if not axis.has_grid:
            changes[f"panel_grid_major_{name}"] = BLANK
    if panel.x.angle is not None:
        changes["axis_text_x"] = _text(angle=panel.x.angle)
    return drawn + lp.coord_cartesian(**limits) + LOOK + lp.theme(**changes)


# --- SVG: what lets-plot wrote, smaller, the same bytes each time, with variables for colours.

FONTS = (
    "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,'Noto Sans',"
    "'Noto Sans CJK JP','Noto Sans JP','Hiragino Sans','Yu Gothic',sans-serif"
)
COLOUR = re.compile(r"rgb\(\d+,\d+,\d+\)|#[0-9a-f]{6}")
NUMBER = re.compile(r"-?\d+\.\d+(?:E-\d+)?")
DROPPED = {"buffered-rendering", "clip-bounds-jfx", "display", "fill-rule", "stroke-dashoffset"}
# Markup and formulas that lets-plot would draw from any text, and what replaces them.
LITERAL = str.maketrans({"<": "\ue000", "\\": "\ue001"})
ERROR = "Error building plot: "
SVG = "{http://www.w3.org/2000/svg}"


def _literal(text: str) -> str:
    return text.translate(LITERAL)


def bold(text: str) -> str:
    """Mark the title or a label of an axis as bold."""
    return f"\ue004{text}"


def in_ink(labels: Sequence[str]) -> list[str]:
    """Mark labels of an axis as names, which are darker than numbers."""
    return [f"\ue005{label}" for label in labels]


def variable(colour: str) -> str:
    """Return the CSS variable of a colour, which may be written as rgb(r,g,b) too."""
    if colour.startswith("rgb("):
        colour = "#{:02x}{:02x}{:02x}".format(*map(int, colour[4:-1].split(",")))
    return VARIABLES.get(colour, colour)


VARIABLES = {light: f"var(--plot-{name})" for name, (light, _) in COLOURS.items()}
LIGHT, DARK = (
    ";".join(f"--plot-{name}:{shades[n]}" for name, shades in COLOURS.items()) for n in (0, 1)
)
# The same in each plot, so that one page can hold many.
STYLE = (
    f".plot{{{LIGHT}}}@media screen and (prefers-color-scheme: dark){{.plot{{{DARK}}}}}"
    # Alone, a plot has a background of its own; in a page, the page's.
    "svg.plot:root{color-scheme:light dark;background:var(--plot-paper)}"
    f".plot text{{font-family:{FONTS};fill:{variable(INK)}}}"
    f".plot .muted{{fill:{variable(MUTED)}}}.plot .bold{{font-weight:bold}}"
)
CLASSES = dict.fromkeys(["plot-subtitle", "axis-text-x", "axis-text-y"], "muted")
CLASSES["\ue004"] = "bold"


def _elements(parent: ElementTree.Element, name: str, ids: dict[str, str]) -> Iterator[str]:
    for child in parent:
        tag = child.tag.removeprefix(SVG)
        if tag == "style" or child.get("r") == "0.0":
            continue
        if len(child) > 1 and {each.tag for each in child} in ({f"{SVG}circle"}, {f"{SVG}line"}):
            child, tag = _joined(child), "path"
        if tag == "text":
            inside = escape("".join(child.itertext()).strip())
            if inside[:1] in {"\ue004", "\ue005"}:
                child.set("class", inside[0])
                inside = inside[1:]
        else:
            inside = "".join(_elements(child, name, ids))
        attributes = _attributes(child, tag, name, ids)
        if tag == "svg":
            # A panel; as an element of its own it would cut off labels at its edges.
            place = f"translate({child.get('x', 0)} {child.get('y', 0)})"
            yield f'<g transform="{_rounded(place)}">{inside}</g>\n'
        elif tag == "g" and not (attributes and inside):
            yield inside
        elif (attributes or inside) and (inside or tag not in {"text", "defs"}):
            yield f"<{tag}{attributes}>{inside}</{tag}>\n" if inside else f"<{tag}{attributes}/>\n"


def _joined(marks: ElementTree.Element) -> ElementTree.Element:
    """Return the dots or lines of a layer as one path: a tenth of the bytes."""
    first = marks[0]
    if first.tag == f"{SVG}circle":
        # A line without length, with round ends.
        d = "".join(f"M{each.get('cx')} {each.get('cy')}h0" for each in marks)
        style = {"stroke": first.get("fill", ""), "stroke-opacity": first.get("fill-opacity", "")}
        style |= {"stroke-width": str(2 * float(first.get("r", 0))), "stroke-linecap": "round"}
    else:
        ends = (map(each.get, ("x1", "y1", "x2", "y2")) for each in marks)
        d = "".join("M{} {}L{} {}".format(*end) for end in ends)
        style = {key: value for key, value in first.items() if key.startswith("stroke")}
    return ElementTree.Element("path", {"d": d, **style})


def _attributes(element: ElementTree.Element, tag: str, name: str, ids: dict[str, str]) -> str:
    written = ""
    # A size of 0 is how layers without marks are drawn.
    is_outlined = element.get("stroke-width") not in {"0", "0.0"}
    for key, value in element.items():
        if key == "class":
            value = CLASSES.get(value, "")
        elif key == "id":
            # lets-plot makes ids up at random; only those of clip paths are referred to.
            value = ids.setdefault(value, f"{name}-{len(ids)}") if tag == "clipPath" else ""
        elif key == "clip-path":
            target = ids.setdefault(value[5:-1], f"{name}-{len(ids)}")
            value = f"url(#{target})"
        elif key == "style":
            value = value.replace("font-family:sans-serif;", "")
        is_unseen = (tag in {"text", "line"} and key == "fill") or (
            key.startswith("stroke") and not is_outlined
        )
        is_default = key.endswith("opacity") and value == "1.0"
        if key in DROPPED or is_default or is_unseen or not value:
            continue
        value = COLOUR.sub(lambda found: variable(found[0]), _rounded(value))
        written += f" {key}={quoteattr(value.strip())}"
    return written


def _rounded(text: str) -> str:
    # A screen shows no hundredths of a pixel.
    return NUMBER.sub(lambda n: f"{float(n[0]):.2f}".rstrip("0").rstrip("."), text)
