"""What is left is foretold from what fits have taken, and the last fits by their families."""

import numpy as np
import pytest
from sklearn.metrics import check_scoring
from sklearn.tree import DecisionTreeClassifier

from tabproof.search.fitting import Fit
from tabproof.search.folds import Problem
from tabproof.search.race import Clock, RungScores
from tabproof.search.schedule import Rung

HALF, WHOLE = Rung(None, 0.5, 1.0, 1), Rung(1, 1.0, 1.0, None)
# A tenth of a fit does not depend on its iterations: tabproof.search.race.FIXED_SHARE.
WORK = 0.55


def clock(n_candidates: int = 4) -> Clock:
    y = np.repeat([0, 1], 50)
    splits = [(np.arange(0, 50), np.arange(50, 100)), (np.arange(50, 100), np.arange(0, 50))]
    scorer = check_scoring(DecisionTreeClassifier(), scoring="accuracy")
    problem = Problem(np.zeros((100, 1)), y, splits, scorer, None, "auto", 0)
    return Clock(problem, (HALF, WHOLE), n_candidates)


def add(to: Clock, family: str, *seconds: float) -> None:
    for n in seconds:
        to.add(RungScores(0, HALF, [], 1, 50), family, Fit(0.5, fit_seconds=n))


def test_nothing_is_foretold_from_the_first_fits() -> None:
    made = clock()
    add(made, "", 9.0, 1.0)
    assert made.seconds_left() is None
    add(made, "", 1.0)
    # One of the four, and a whole fit on two folds.
    assert made.seconds_left() == pytest.approx(1 / WORK * (1 * WORK + 2))


def test_what_was_there_already_is_done() -> None:
    made = clock()
    add(made, "", 1.0, 1.0, 1.0)
    made.skip(RungScores(0, HALF, [], 1, 50))
    assert made.seconds_left() == pytest.approx(2 / WORK)
    assert made.share == pytest.approx(4 * WORK / (4 * WORK + 2))


def test_the_last_fits_are_one_of_each_family_that_was_fitted() -> None:
    made = clock()
    assert made.seconds_of_last_fits == 0
    add(made, "slow", 10.0)
    add(made, "quick", 1.0, 1.0, 1.0, 1.0, 7.0)
    assert made.seconds_of_last_fits == pytest.approx((10 + 1) / WORK)
