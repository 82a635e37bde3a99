"""The marks in a plot's metadata: the numbers that are drawn, at their places."""

import json
import re
from typing import Any

import numpy as np
import pytest

from tabproof.evaluation_result import Dependence, Estimate, Importance
from tabproof.report.plots import draw_plots
from tabproof.report.plots import theme as th
from tests.report.plots.drawn import SVG, material_of, parsed

ODD = ['$5_$ & <b>"it\'s"</b>', "_とても長い日本語のラベルです" * 9, "\x00two\nlines\ud800\ufffe"]


def points_of(picture: str) -> Any:
    found = parsed(picture).find(f"{SVG}metadata")
    assert found is not None
    return json.loads(found.text or "null")


def pixels_of(panel: Any, series: Any) -> np.ndarray[Any, Any]:
    left, top, width, height = panel["box"]
    (x_low, x_high), (y_low, y_high) = panel["axes"]
    x = left + (np.array(series["x"]) - x_low) / (x_high - x_low) * width
    y = top + height - (np.array(series["y"]) - y_low) / (y_high - y_low) * height
    return np.column_stack([x, y])


def plot_of(*layers: th.Layer, x: th.Axis | None = None, y: th.Axis | None = None) -> str:
    panel = th.Panel(layers, x or th.Axis(), y or th.Axis())
    return th.Plot("title", "subtitle", "alt", [(200, [panel])]).to_svg("plot")


def drawn_path(picture: str) -> np.ndarray[Any, Any]:
    """Return the points of the longest path, with the places of the groups it is in."""

    def walk(element: Any, x: float, y: float) -> Any:
        if move := re.match(r"translate\(\s*([-\d.]+) ([-\d.]+)", element.get("transform", "")):
            x, y = x + float(move[1]), y + float(move[2])
        if element.tag == f"{SVG}path":
            ends = re.findall(r"([-\d.]+)[ ,]([-\d.]+)", element.get("d"))
            yield np.array(ends, float) + np.array([x, y])
        for child in element:
            yield from walk(child, x, y)

    return max(walk(parsed(picture), 0.0, 0.0), key=len)


def test_a_mark_is_described_at_its_place() -> None:
    x = np.linspace(0, 1, 50)
    picture = plot_of(th.curve(x, x**2, 0, "a key"), y=th.Axis((-0.5, 2.0), title="height"))
    (panel,) = points_of(picture)
    (series,) = panel["series"]
    assert series["name"] == "a key"
    assert panel["names"] == ["", "height"]
    np.testing.assert_allclose(series["y"], x**2, rtol=1e-3)
    # lets-plot writes the first point twice.
    drawn = drawn_path(picture)[-len(x) :]
    np.testing.assert_allclose(pixels_of(panel, series), drawn, atol=0.1)


def test_each_panel_has_its_own_place() -> None:
    panels = [th.Panel([th.dots([0.5], [0.5], 0)]) for _ in range(3)]
    picture = th.Plot("t", "s", "alt", th.facets(panels, 120)).to_svg("plot")
    found = points_of(picture)
    assert len({tuple(panel["box"][:2]) for panel in found}) == len(found) == 3


def test_lines_for_comparison_have_no_values_and_a_line_with_dots_has_them_once() -> None:
    x, y = [0.0, 0.5, 1.0], [0.1, np.nan, 0.3]
    (panel,) = points_of(
        plot_of(th.reference([0, 1], "chance"), th.dots(x, y, 0, "key"), th.curve(x, y, 0, "key"))
    )
    (series,) = panel["series"]
    assert (series["x"], series["y"]) == ([0.0, 1.0], [0.1, 0.3])


def test_intervals_belong_to_their_marks() -> None:
    x, y = np.array([0.2, 0.4]), np.array([0.5, 0.6])
    upright = th.segments([x, y - 0.1, x, y + 0.1], th.INK)
    (panel,) = points_of(plot_of(th.dots(x, y, 0), upright))
    (series,) = panel["series"]
    assert (series["of"], series["low"], series["high"]) == ("y", [0.4, 0.5], [0.6, 0.7])


def test_a_long_line_is_thinned_and_keeps_its_ends() -> None:
    x = np.linspace(0, 1, 5000)
    (panel,) = points_of(plot_of(th.curve(x, x, 0, "key")))
    (series,) = panel["series"]
    assert len(series["x"]) <= 200
    assert (series["x"][0], series["x"][-1]) == (0.0, 1.0)


def test_places_have_names_and_marks_beside_one_belong_to_it() -> None:
    names = [(0.0, "low"), (1.0, "high")]
    exact, near = [0.0, 1.0], [0.1, 0.9]
    for snaps, x, expected in ((False, exact, ["low", "high"]), (True, near, ["low", "high"])):
        axis = th.Axis(values=names, snaps=snaps)
        (panel,) = points_of(plot_of(th.dots(x, [0.5, 0.5], 0), x=axis))
        assert panel["series"][0]["x_texts"] == expected
    (panel,) = points_of(plot_of(th.dots(near, [0.5, 0.5], 0), x=th.Axis(values=names)))
    assert "x_texts" not in panel["series"][0]


@pytest.mark.parametrize("labels", [ODD[:2], [*ODD, *"abcdefghijklm"]], ids=["two", "many"])
def test_every_plot_of_odd_names_describes_its_marks(labels: list[str]) -> None:
    numbers = [0.1, 0.2]
    given = {
        "importances": [Importance(name, Estimate(0.1, 0.05, 0.15)) for name in ODD[:2]],
        "dependences": [Dependence(ODD[0], labels[-1], ODD[:2], numbers, numbers)],
    }
    for name, picture in draw_plots(material_of(labels, **given), "ja").items():
        picture.encode()
        # A confusion matrix of many labels has too many cells.
        if name != "confusion" or len(labels) == 2:
            assert points_of(picture), name


def test_a_cell_of_a_confusion_matrix_has_its_number_of_rows() -> None:
    material = material_of(["no", "yes"])
    (panel,) = points_of(draw_plots(material, "en")["confusion"])
    (cells,) = panel["series"]
    counts = [int(re.search(r": ([\d,]+) ", words)[1]) for words in cells["words"]]  # type: ignore[index]
    assert sum(counts) == len(material.y)
    assert cells["words"][1].startswith("true no, predicted yes: ")
