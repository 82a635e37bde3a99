"""Colours stand out from both backgrounds and from one another; text is never markup."""

import pytest

from tabproof.report.plots.predictions import DARKEST
from tabproof.report.plots.theme import (
    COLOURS,
    DASHES,
    INK,
    MARKERS,
    SERIES,
    STYLE,
    Axis,
    Panel,
    Plot,
    line,
    note,
    text,
)
from tests.report.plots.drawn import parsed, texts_of

# Pages may be a little off white and off black.
PAPER = COLOURS["paper"]
PAPERS = [(PAPER[0], "#f7f7f7"), (PAPER[1], "#000000", "#1e1e1e")]


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2.2."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def mixed(colour: str, paper: str, share: float) -> str:
    pairs = [(int(colour[n : n + 2], 16), int(paper[n : n + 2], 16)) for n in (1, 3, 5)]
    return "#" + "".join(f"{round(c * share + p * (1 - share)):02x}" for c, p in pairs)


def test_contrast_equals_its_definition() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("name", sorted(COLOURS.keys() - {"grid", "paper"}))
def test_texts_can_be_read_and_lines_be_seen_on_both_backgrounds(name: str) -> None:
    least = 4.5 if name in {"ink", "muted"} else 3
    for colour, papers in zip(COLOURS[name], PAPERS, strict=True):
        assert min(contrast(colour, paper) for paper in papers) >= least


def test_numbers_in_the_darkest_cell_can_be_read() -> None:
    colours = zip(COLOURS["ink"], COLOURS["series-1"], PAPER, strict=True)
    for ink, cell, paper in colours:
        assert contrast(ink, mixed(cell, paper, DARKEST)) >= 4.5


def test_no_two_things_share_a_colour_and_no_two_series_dashes_or_marks() -> None:
    for shades in zip(*COLOURS.values(), strict=True):
        assert len(set(shades)) == len(COLOURS)
    assert COLOURS["ink"][0] == INK
    assert len(set(map(str, DASHES))) == len(set(MARKERS)) == len(SERIES)


def test_the_style_sheet_reaches_nothing_but_pictures() -> None:
    rules = STYLE.replace("@media screen and (prefers-color-scheme: dark){", "")
    selectors = [rule.split("{")[0].lstrip("}") for rule in rules.split("}") if "{" in rule]
    assert all(selector.startswith((".plot", "svg.plot")) for selector in selectors)


def test_print_is_light() -> None:
    assert "@media screen and (prefers-color-scheme: dark)" in STYLE


MARKUP = "<a href='https://example.org'>link</a> \\(x^2\\) & <b>"


def test_anybodys_text_is_drawn_as_it_is() -> None:
    """lets-plot would make links of HTML and formulas of LaTeX."""
    axis = Axis(ticks=[0.5], labels=[MARKUP], title=MARKUP)
    layers = [line([0, 1], [0, 1], SERIES[0], MARKUP), text([0.5], [0.5], [MARKUP])]
    svg = Plot(MARKUP, MARKUP, MARKUP, [(100, [Panel(layers, axis, axis)])]).to_svg("a")
    tags = {element.tag.rpartition("}")[2] for element in parsed(svg).iter()}
    assert "a" not in tags
    # Title, subtitle, legend, both titles and labels of axes, and the text of the layer.
    assert texts_of(svg).count(MARKUP) == 8
    assert parsed(svg).get("aria-label") == MARKUP


def test_a_long_line_of_the_legend_is_broken_only_where_there_is_no_room() -> None:
    keys = ["forty letters, which is less than a line", "word " * 40]
    panel = Panel([note(key) for key in keys], Axis(), Axis())
    written = texts_of(Plot("title", "", "alt", [(100, [panel])]).to_svg("a"))
    assert keys[0] in written
    lines = [each for each in written if each.startswith("word")]
    assert len(lines) == 2
    assert lines[1].endswith("…")


def test_what_lets_plot_refuses_is_an_error_not_a_plot_with_its_message() -> None:
    panel = Panel([line([0, 1], [0, 1], SERIES[0], linetype="no dashes")], Axis(), Axis())
    with pytest.raises(RuntimeError, match="no dashes"):
        Plot("title", "", "alt", [(100, [panel])]).to_svg("a")
