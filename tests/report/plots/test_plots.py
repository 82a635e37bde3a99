"""Plots: all there for any labels, the same bytes for the same numbers, whole by themselves."""

import json
import os
import re
import subprocess
import sys
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from time import process_time

import numpy as np
import pytest

from tabproof.evaluation_result import Decision, Dependence, Estimate, Importance
from tabproof.report.plots import PLOTS, draw_plots
from tabproof.report.plots.theme import COLOURS
from tests.report.plots.drawn import all_texts, draw, material_of, nothing, parsed, texts_of

TWO, THREE = ["no", "yes"], ["a", "b", "c"]
ODD = ['$5_$ & <b>"it\'s"</b>', "_とても長い日本語のラベルです" * 9, "\x00two\nlines\ud800\ufffe"]
ROOT = Path(__file__).parents[3]
# Plots of the rows, not of summaries.
OF_ROWS = ("roc", "precision_recall", "calibration", "distributions", "confusion", "threshold")
REFERENCE = re.compile(r'url\(#(.*?)\)|href="#(.*?)"')


@pytest.fixture(scope="module", params=[ODD[:2], [*ODD, *"abcdefghijklm"]])
def pictures(request: pytest.FixtureRequest) -> dict[str, str]:
    return draw_plots(material_of(request.param), "en")


def test_every_picture_is_there_in_order_for_any_labels(pictures: dict[str, str]) -> None:
    # Which threshold is a question of two labels.
    expected = [name for name in PLOTS if name in pictures or name != "threshold"]
    assert list(pictures) == expected
    for picture in pictures.values():
        root = parsed(picture)
        assert root.get("role") == "img"
        assert root.get("aria-label") == root[0].text
        assert root[0].tag.endswith("title")
        assert root.get("width") is None


def test_nothing_outside_is_referred_to(pictures: dict[str, str]) -> None:
    for picture in pictures.values():
        assert picture.count("http") == 1
        assert '<svg xmlns="http://www.w3.org/2000/svg"' in picture
        for forbidden in ("xlink", "DOCTYPE", "<image", "@import", "<script", "data:"):
            assert forbidden not in picture


def test_ids_are_unique_in_a_page_of_all_and_point_into_their_own_picture(
    pictures: dict[str, str],
) -> None:
    found = [
        (name, element.get("id"))
        for name, picture in pictures.items()
        for element in parsed(picture).iter()
        if element.get("id")
    ]
    ids = [identity for _, identity in found]
    assert len(set(ids)) == len(ids)
    for name, picture in pictures.items():
        own = {identity for owner, identity in found if owner == name}
        assert {left or right for left, right in REFERENCE.findall(picture)} <= own


def test_every_colour_is_a_variable(pictures: dict[str, str]) -> None:
    for picture in pictures.values():
        drawn = picture.split("</style>")[1]
        assert not re.search(r"#[0-9a-f]{6}\b|rgb", drawn)
        assert set(re.findall(r"--plot-([\w-]+)", drawn)) <= set(COLOURS)


def test_labels_are_written_as_they_are(pictures: dict[str, str]) -> None:
    written = all_texts(pictures)
    assert not re.search("[\x00\ud800\ufffe]", written)
    if "$5_$" in written:
        assert '$5_$ & <b>"it\'s"</b>' in written


def test_the_same_numbers_give_the_same_bytes() -> None:
    for name in ("roc", "slices", "confusion"):
        assert draw(material_of(TWO), name) == draw(material_of(TWO), name)


@pytest.mark.slow
def test_the_same_numbers_give_the_same_bytes_in_another_process() -> None:
    """Ids that lets-plot makes up differ in one process too, which the test above sees."""
    words = (
        "import json; from tabproof.report.plots import draw_plots;"
        "from tests.report.plots.drawn import material_of;"
        "print(json.dumps(draw_plots(material_of(['no', 'yes']), 'ja')))"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", words],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    # lets-plot writes its warnings to stdout: there are none.
    assert json.loads(elsewhere.stdout) == draw_plots(material_of(TWO), "ja")


def test_a_japanese_picture_is_in_japanese() -> None:
    drawn = draw(material_of(TWO), "roc", "threshold", "slices", "search", language="ja")
    assert len(drawn) == 4
    for name, picture in drawn.items():
        assert re.search("[ぁ-んァ-ヶ一-龠]", texts_of(picture)[0]), name


@pytest.mark.parametrize("labels", [TWO, THREE])
def test_of_nothing_nothing_is_drawn(labels: list[str]) -> None:
    assert draw_plots(nothing(labels), "en") == {}


@pytest.mark.parametrize("labels", [TWO, THREE])
def test_a_hold_out_of_one_label_has_no_curves(labels: list[str]) -> None:
    material = material_of(labels)
    one = replace(material, y=np.zeros(len(material.y), np.int64))
    drawn = draw(one, "roc", "precision_recall", "calibration", "threshold", "confusion")
    assert list(drawn) == ["confusion"]


def test_a_single_row_of_each_label_is_drawn() -> None:
    material = replace(
        material_of(TWO), y=np.array([0, 1]), proba=np.array([[0.6, 0.4], [0.2, 0.8]])
    )
    assert list(draw(material, *OF_ROWS)) == list(OF_ROWS)


def test_numbers_that_are_not_defined_are_left_out() -> None:
    unknown = Estimate(None)
    material = material_of(
        TWO, importances=[Importance("a", unknown)], metrics={"roc_auc": unknown, "ece": unknown}
    )
    drawn = draw(material, "importance", "roc", "calibration", "confusion", "search")
    assert "importance" not in drawn
    assert "not defined" in drawn["calibration"]
    assert "nan" not in "".join(drawn.values()).lower()


def test_columns_without_a_range_are_drawn() -> None:
    one = [Dependence("a", "yes", [3.0], [0.5], [1.0]), Dependence("b", "yes", ["x"], [0.5], [0.0])]
    flat = [Importance("a", Estimate(0.0, 0.0, 0.0))]
    material = material_of(TWO, dependences=one, importances=flat)
    assert set(draw(material, "dependence", "importance")) == {"dependence", "importance"}


def test_the_threshold_that_was_chosen_is_written_and_decides() -> None:
    material = material_of(TWO, decision=Decision("max_f1", 0.2), metrics={})
    drawn = draw(material, "threshold", "confusion")
    assert "threshold 0.2, chosen for the highest F1" in texts_of(drawn["threshold"])
    predicted = material.proba[:, 1] >= 0.2
    for code in (0, 1):
        for decided in (False, True):
            n = ((material.y == code) & (predicted == decided)).sum()
            assert str(n) in texts_of(drawn["confusion"])


def test_costs_are_drawn_where_they_decided() -> None:
    decision = Decision("cost", 0.25, costs=[[0, 1], [5, 0]])
    material = material_of(TWO, decision=decision)
    picture = draw(material, "threshold")["threshold"]
    assert "mean cost per row" in texts_of(picture)
    predicted = material.proba[:, 1] >= 0.25
    cost = ((material.y == 0) & predicted).sum() + 5 * ((material.y == 1) & ~predicted).sum()
    assert f"at 0.25 it is {cost / len(predicted):.3f}" in picture


def test_gains_are_costs_below_nothing() -> None:
    decision = Decision("cost", 0.25, costs=[[0, 1], [0, -20]])
    assert "−5" in texts_of(draw(material_of(TWO, decision=decision), "threshold")["threshold"])


def test_thousands_of_rows_stay_small_and_quick() -> None:
    material = material_of(TWO, 20_000)
    draw(material_of(TWO), "roc")
    start = process_time()
    drawn = draw(material, *OF_ROWS)
    # A quarter of it on an idle machine.
    assert process_time() - start < 1.5
    for name, picture in drawn.items():
        assert len(picture.encode()) < 80_000, name


LARGEST, TINY = 1.797e308, 5e-324


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.0, LARGEST], ""),
        ([-LARGEST, LARGEST], ""),
        ([-3.4e38, 0.0, 3.4e38], ""),
        ([TINY, 2 * TINY], ""),
        ([1.0, 1.0 + 2**-52], ""),
        ([LARGEST], ""),
        (["2024-03-01"], "date"),
        (["0001-01-01", "9999-12-31"], "date"),
        (["2024-03-01T09:30:00", "2024-03-01T17:00:00"], "date"),
    ],
)
def test_any_numbers_and_dates_have_a_curve(values: list[float | str], kind: str) -> None:
    n = len(values)
    curve = Dependence("when", "yes", values, [0.1 + n / 10 for n in range(n)], [1 / n] * n, kind)
    (picture,) = draw(material_of(TWO, dependences=[curve]), "dependence").values()
    texts = texts_of(picture)
    assert not any("Error" in text for text in texts)
    if kind == "date":
        assert any(re.match(r"\d{4}-\d{2}-\d{2}", text) for text in texts)


def test_a_plot_that_fails_is_left_to_its_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise StopIteration

    monkeypatch.setitem(PLOTS, "roc", fail)
    names: list[str] = []
    begun: list[tuple[str, int]] = []

    def guard(name: str) -> AbstractContextManager[None]:
        names.append(name)
        return suppress(StopIteration)

    drawn = draw_plots(material_of(TWO), "en", guard=guard, on_plot=lambda *at: begun.append(at))
    assert "roc" not in drawn
    assert len(drawn) == len(PLOTS) - 1
    assert names[0] == "plots/roc.svg"
    assert begun == [(name, len(PLOTS)) for name in PLOTS]
    with pytest.raises(StopIteration):
        draw_plots(material_of(TWO), "en")
