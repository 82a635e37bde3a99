"""The plot of a search: there for any search, the same for the same numbers."""

from dataclasses import replace
from time import process_time

import numpy as np
import pandas as pd
import pytest

from tabproof.report.format import Texts
from tabproof.report.plots import Material
from tabproof.report.plots.search import draw_search
from tests.report.making import ALONE, ensemble_of
from tests.report.plots.drawn import material_of, texts_of
from tests.report.plots.searched import frame_of, made_up

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
    for n in range(60)
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
MATERIAL = material_of(["no", "yes"], 10)


def draw(frame: pd.DataFrame | None) -> str:
    plot = draw_search(replace(MATERIAL, cv_results=frame), Texts("plots", "en"))
    return "" if plot is None else plot.to_svg("search")


@pytest.mark.parametrize("name", FRAMES)
def test_any_search_is_drawn(name: str) -> None:
    drawn = draw(FRAMES[name])
    assert drawn
    assert "nan" not in drawn
    if name == "a portfolio":
        # Words are moved aside at random, always alike.
        assert draw(FRAMES[name]) == drawn


def test_where_nothing_was_searched_nothing_is_drawn() -> None:
    assert draw(pd.DataFrame({"iter": [0], "n_resources": [100], "params": [{}]})) == ""
    assert draw(None) == ""


def test_the_columns_of_halving_are_enough() -> None:
    halving = ["iter", "n_resources", "mean_test_score", "rank_test_score", "params"]
    written = texts_of(draw(FRAMES["a grid"][halving]))
    assert "rows" in written
    assert "folds" not in written


def test_rungs_winner_and_others_are_named() -> None:
    scores = {n: 0.9 - n / 100 for n in range(27)}
    written = texts_of(draw(frame_of(GRID, [scores, {0: 0.91, 1: 0.92}])))
    below = "|".join(written)
    assert "rung|candidates|iterations|rows|folds" in below
    assert "1|27|50%|1,000|1" in below
    assert "2|2|100%|2,000|3" in below
    assert "chosen, 0.9200: rate 0.05, depth None, leaves 31" in written
    assert "0.9100: rate 0.05, depth None, leaves 15" in written
    assert "other candidates: 25" in written
    assert {"rate", "depth", "leaves", "ROC-AUC by parameter, rung 1"} <= set(written)


def test_members_of_an_ensemble_are_marked_and_none_is_the_best() -> None:
    scores = {n: 0.9 - n / 100 for n in range(27)}
    frame = frame_of(GRID, [scores, {n: scores[n] for n in range(4)}])
    estimator = ensemble_of(1, 3, names=["one", "two"])
    material = replace(MATERIAL, cv_results=frame, estimator=estimator)
    written = draw_in_words(material)
    assert "member, weight 0.500, 0.8900: rate 0.05, depth None, leaves 31" in written
    assert "member, weight 0.500, 0.8700: rate 0.05, depth 4, leaves 15" in written
    assert "0.9000: rate 0.05, depth None, leaves 15" in written
    assert "chosen" not in written
    plot = draw_search(material, Texts("plots", "en"))
    assert plot is not None
    assert "2 of them are the members" in plot.alt
    many = replace(material, estimator=ensemble_of(*range(9), names=list("abcdefghi")))
    assert "2 more members, not drawn" in draw_in_words(many)


def test_the_candidate_that_is_served_is_marked_whatever_the_ranks() -> None:
    frame = frame_of(GRID, [{0: 0.8, 1: 0.9, 2: 0.7}])
    served = replace(MATERIAL, cv_results=frame, estimator=replace(ALONE, candidate=2))
    assert "chosen, 0.7000: " in draw_in_words(served)


def draw_in_words(material: Material) -> str:
    plot = draw_search(material, Texts("plots", "en"))
    return "" if plot is None else " ".join(texts_of(plot.to_svg("search")))


def test_what_failed_or_lies_far_below_is_counted() -> None:
    scores = {n: 0.9 - n / 1000 for n in range(20)}
    written = texts_of(draw(frame_of(GRID, [{**scores, 20: None, 21: None, 22: 0.1}, {0: 0.91}])))
    assert {"2 failed", "1 below"} <= set(written)
    assert "ROC-AUC by parameter, rung 1, 1 below" in written


def test_of_many_parameters_those_that_matter_are_drawn() -> None:
    rng = np.random.default_rng(0)
    params = [{f"p{n}": rng.uniform() for n in range(9)} for _ in range(60)]
    written = texts_of(draw(frame_of(params, [{n: row["p8"] for n, row in enumerate(params)}])))
    assert "p8" in written
    assert len({f"p{n}" for n in range(9)} & set(written)) == 6
    assert "ROC-AUC by parameter, rung 1, 3 more, not drawn" in written


def test_thousands_of_candidates_take_moments_and_little_room() -> None:
    frame = made_up([{**RANDOM[n % 60], "clf__rate": 10.0 ** -(n % 97)} for n in range(2000)])
    start = process_time()
    drawn = draw(frame)
    # A third of it on an idle machine.
    assert process_time() - start < 2
    assert len(drawn.encode()) < 150_000
