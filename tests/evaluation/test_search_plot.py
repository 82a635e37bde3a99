"""The picture of a search: there for any search, readable as PNG, the same for the same numbers."""

from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.evaluation import search_plot
from src.evaluation.search_plot import draw_search
from tests.evaluation.searched import frame_of, made_up

RNG = np.random.default_rng(0)
GRID = [
    {"clf__rate": rate, "clf__depth": depth, "clf__leaves": leaves}
    for rate in (0.05, 0.1, 0.2)
    for depth in (None, 4, 8)
    for leaves in (15, 31, 63)
]
RANDOM = [
    {
        "clf__rate": 10 ** RNG.uniform(-3, 0),
        "clf__depth": [None, 2, 4][n % 3],
        "clf__l2": RNG.uniform(0, 5),
        "clf__leaves": int(RNG.integers(4, 200)),
        "clf__features": [0.1, 0.5, "sqrt"][n % 3],
    }
    for n in range(200)
]
PORTFOLIO = [
    {"model": "logistic", "clf__C": 1.0},
    {"model": "forest", "clf__max_depth": 3},
    {},
    {"model": "logistic", "clf__C": 2.0},
]
FRAMES = {
    "a grid": made_up(GRID),
    "one": made_up([{}], 1),
    "two": made_up([{}, {"clf__C": 1}]),
    "many at random": made_up(RANDOM, 12),
    "a portfolio": made_up(PORTFOLIO),
    "one rung": frame_of(GRID, [{n: 0.9 - n / 100 for n in range(27)}]),
    "all the same": frame_of(GRID, [dict.fromkeys(range(27), 0.5), {0: 0.5, 1: 0.5}]),
    "some failed": frame_of(GRID, [{0: 0.7, 1: None, 2: 0.8, 3: 0.9}, {3: None, 2: 0.9}]),
    "all failed": frame_of(GRID, [dict.fromkeys(range(9))]),
    "one far below": frame_of(GRID, [{0: -1e6, 1: 0.8, 2: 0.8, 3: 0.81, 4: 0.79}, {3: 0.9}]),
    "signs": made_up([{"a": "$5_$"}, {"a": "_b"}, {"a": "long " * 90}, {"a": "two\nlines"}]),
}


def draw(frame: pd.DataFrame, directory: Path) -> bytes:
    directory.mkdir()
    draw_search(frame, scoring="roc_auc", title="a table, full", directory=directory)
    return (directory / "search.png").read_bytes()


def texts(frame: pd.DataFrame, directory: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Draw, and give all that is written in the picture."""
    figures: list[Any] = []
    make_figure = search_plot.make_figure

    def kept(*size: float) -> Any:
        figures.append(make_figure(*size))
        return figures[-1]

    monkeypatch.setattr(search_plot, "make_figure", kept)
    draw(frame, directory)
    found = figures[0].findobj(lambda artist: hasattr(artist, "get_text"))
    return [artist.get_text() for artist in found]


@pytest.mark.parametrize("name", FRAMES)
def test_the_same_numbers_give_the_same_bytes(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = draw(FRAMES[name], tmp_path / "1"), draw(FRAMES[name], tmp_path / "2")
    assert first.startswith(b"\x89PNG")
    assert first == second
    # What libraries warn of while drawing is logged.
    assert caplog.messages == []


def test_where_nothing_was_searched_nothing_is_drawn(tmp_path: Path) -> None:
    frame = pd.DataFrame({"iter": [0], "n_resources": [100], "params": [{}]})
    draw_search(frame, scoring="roc_auc", title="no search", directory=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_columns_of_halving_are_enough(tmp_path: Path) -> None:
    halving = ["iter", "n_resources", "mean_test_score", "rank_test_score", "params"]
    assert draw(FRAMES["a grid"][halving], tmp_path / "1").startswith(b"\x89PNG")


def test_rungs_winner_and_others_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = {n: 0.9 - n / 100 for n in range(27)}
    frame = frame_of(GRID, [scores, {0: 0.91, 1: 0.92}])
    written = texts(frame, tmp_path / "1", monkeypatch)
    assert "rung 1\n27 candidates\n50% iterations\n1,000 rows\n1 fold" in written
    assert "rung 2\n2 candidates\n100% iterations\n2,000 rows\n3 folds" in written
    assert "0.9200  rate 0.05, depth None, leaves 31  (winner)" in written
    assert "0.9100  rate 0.05, depth None, leaves 15" in written
    assert "25 other candidates" in written
    assert {"rate", "depth", "leaves", "by parameter, in rung 1"} <= set(written)


def test_what_failed_or_lies_far_below_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = {n: 0.9 - n / 1000 for n in range(20)}
    frame = frame_of(GRID, [{**scores, 20: None, 21: None, 22: 0.1}, {0: 0.91}])
    written = texts(frame, tmp_path / "1", monkeypatch)
    assert "2 failed, 1 below" in written
    assert "by parameter, in rung 1; 1 candidate below" in written


def test_of_many_parameters_those_that_matter_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    params = [{f"p{n}": rng.uniform() for n in range(9)} for _ in range(60)]
    frame = frame_of(params, [{n: row["p8"] for n, row in enumerate(params)}])
    written = texts(frame, tmp_path / "1", monkeypatch)
    assert "p8" in written
    assert len({f"p{n}" for n in range(9)} & set(written)) == 6
    assert "by parameter, in rung 1; 3 parameters not drawn" in written


def test_letters_that_no_font_has_are_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    params = [{"clf__name": "\U000f0000" * 60}, {"clf__name": "とても長い日本語の値" * 9}]
    draw(made_up(params), tmp_path / "1")
    assert caplog.text.count("no font here has all letters") == 1


def test_thousands_of_candidates_take_moments(tmp_path: Path) -> None:
    frame = made_up([{**RANDOM[n % 200], "clf__rate": 10.0 ** -(n % 97)} for n in range(4000)])
    start = process_time()
    draw(frame, tmp_path / "1")
    # Half of it on an idle machine; a line per candidate of matplotlib's own would take 10 s.
    assert process_time() - start < 4
