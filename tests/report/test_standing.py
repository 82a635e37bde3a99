"""What is more than noise, when many runs are tested against the best."""

import numpy as np
import pytest

from tabproof.evaluation.comparison import compare
from tabproof.report.contenders import HoldOut
from tabproof.report.side_by_side import against_the_best, holm
from tests.report.contenders import contender, held_out


def test_p_values_are_adjusted_as_in_the_published_example() -> None:
    # Wikipedia, Holm-Bonferroni method: of four hypotheses H1 and H4 are rejected at 0.05.
    adjusted = holm([0.01, 0.04, 0.03, 0.005])
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert [p < 0.05 for p in adjusted] == [True, False, False, True]


def test_adjusted_p_values_keep_their_order_and_are_at_most_one() -> None:
    p_values = np.random.default_rng(0).uniform(size=50)
    adjusted = np.array(holm(list(p_values)))
    assert (np.diff(adjusted[np.argsort(p_values)]) >= 0).all()
    assert ((adjusted >= p_values) & (adjusted <= 1)).all()
    assert holm([]) == []
    assert holm([0.04]) == [0.04]


def test_each_run_is_tested_against_the_best_that_was_read() -> None:
    runs = [contender(0, hold_out=None), contender(1), contender(2, hold_out=None), contender(4)]
    standings = against_the_best(runs, "roc_auc")
    assert [each is None for each in standings] == [True, True, True, False]
    best, other = held_out(2, 1), held_out(5, 4)
    assert standings[3] is not None
    assert standings[3].comparison == compare(best.y, other.proba, best.proba)
    assert standings[3].comparison.difference < 0
    assert not standings[3].is_noise


def test_many_equals_are_noise_though_one_test_alone_might_say_otherwise() -> None:
    runs = [contender(n, hold_out=held_out(2, seed=n)) for n in range(20)]
    standings = [each for each in against_the_best(runs, "roc_auc") if each is not None]
    assert len(standings) == 19
    assert min(each.comparison.p_value for each in standings) < 0.05
    assert all(each.is_noise for each in standings)


def test_more_labels_are_compared_by_accuracy_and_so_is_who_asks_for_it() -> None:
    three = [contender(n, hold_out=held_out(2, n, n_labels=3)) for n in range(2)]
    two = [contender(n, hold_out=held_out(2, n)) for n in range(2)]
    for runs, metric in ((three, "roc_auc"), (two, "accuracy")):
        standing = against_the_best(runs, metric)[1]
        assert standing is not None
        assert standing.comparison.test == "McNemar"


def test_rows_of_one_label_are_not_tested() -> None:
    one_label = HoldOut(np.zeros(5, np.int64), np.full((5, 2), 0.5))
    assert against_the_best([contender(n, hold_out=one_label) for n in range(2)], "roc_auc") == [
        None,
        None,
    ]


def test_the_same_predictions_are_noise() -> None:
    same = held_out(1)
    standing = against_the_best([contender(n, hold_out=same) for n in range(2)], "roc_auc")[1]
    assert standing is not None
    assert (standing.comparison.difference, standing.p_value) == (0, 1)
