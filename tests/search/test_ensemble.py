"""Greedy selection of an ensemble, against what brute force finds."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabproof.search.portfolio import MAX_ROUNDS, expected_score, select


def problem(seed: int, n_candidates: int, n_folds: int = 2, n_rows: int = 40) -> tuple[Any, Any]:
    """Make predictions by candidate and fold, each off the truth in its own way, and the truth."""
    rng = np.random.default_rng(seed)
    truth = [rng.integers(0, 2, n_rows) for _ in range(n_folds)]
    noise = rng.uniform(0.5, 3, n_candidates)
    probas = []
    for each in noise:
        by_fold = []
        for y in truth:
            score = 1 / (1 + np.exp(-(2 * y - 1 + rng.normal(0, each, n_rows))))
            by_fold.append(np.column_stack([1 - score, score]))
        probas.append(by_fold)
    return probas, truth


def by_loss(truth: Any) -> Any:
    # As scikit-learn has it, but a hundred times as quick.
    return lambda fold, proba: np.log(proba[np.arange(len(proba)), truth[fold]]).mean()


def by_auc(truth: Any) -> Any:
    def score(fold: int, proba: Any) -> float:
        positive, negative = (proba[truth[fold] == label, 1] for label in (1, 0))
        above = positive[:, None] - negative
        return float(np.mean((above > 0) + 0.5 * (above == 0)))

    return score


def mean_score(probas: Any, counts: Any, folds: Any, score: Any) -> float:
    total = sum(counts.values())
    return float(
        np.mean(
            [
                score(fold, sum(n * probas[place][fold] for place, n in counts.items()) / total)
                for fold in folds
            ]
        )
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000))
def test_of_two_members_it_finds_the_weights_that_brute_force_finds(seed: int) -> None:
    probas, truth = problem(seed, 2)
    score = by_loss(truth)
    found = select(probas, [0, 1], score)
    # The loss is convex in the weights: going uphill ends at the top of the grid it walks on.
    n = sum(found.values())
    best = max(mean_score(probas, {0: k, 1: n - k}, [0, 1], score) for k in range(n + 1))
    assert mean_score(probas, found, [0, 1], score) == pytest.approx(best, abs=2e-3)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(1, 6), auc=st.booleans())
def test_it_is_never_worse_than_its_best_member(seed: int, n: int, auc: bool) -> None:
    probas, truth = problem(seed, n)
    score = by_auc(truth) if auc else by_loss(truth)
    found = select(probas, [0, 1], score)
    alone = max(mean_score(probas, {place: 1}, [0, 1], score) for place in range(n))
    assert mean_score(probas, found, [0, 1], score) >= alone - 1e-12
    assert 1 <= sum(found.values()) <= MAX_ROUNDS
    assert found == select(probas, [0, 1], score)


def test_one_candidate_is_taken_once() -> None:
    probas, truth = problem(0, 1)
    assert select(probas, [0, 1], by_loss(truth)) == Counter({0: 1})


def test_of_equals_the_first_is_taken() -> None:
    probas, truth = problem(0, 1)
    assert set(select(probas * 3, [0, 1], by_auc(truth))) == {0}


def test_what_helps_together_is_found() -> None:
    # Each is wrong on other rows, so that their mean is right on all.
    y = np.array([0, 1] * 20)
    left, right = np.where(y == 1, 0.9, 0.1), np.where(y == 1, 0.9, 0.1)
    left[:10], right[-10:] = 0.5, 0.5
    useless = np.full(40, 0.5)
    probas = [[np.column_stack([1 - p, p])] * 2 for p in (useless, left, right)]
    score = by_loss([y, y])
    found = select(probas, [0, 1], score)
    assert set(found) == {1, 2}
    assert mean_score(probas, found, [0, 1], score) > mean_score(probas, {1: 1}, [0, 1], score)


def test_what_it_is_worth_is_of_rows_that_it_was_not_selected_on() -> None:
    probas, truth = problem(3, 4, n_folds=3)
    score = by_auc(truth)
    expected = [
        mean_score(probas, select(probas, others, score), [held_out], score)
        for held_out, others in ((0, [1, 2]), (1, [0, 2]), (2, [0, 1]))
    ]
    assert expected_score(probas, [0, 1, 2], score) == pytest.approx(np.mean(expected))


def test_what_it_is_worth_is_less_than_what_it_was_selected_by() -> None:
    # Candidates of pure chance: on the folds of the selection they seem to know something.
    rng = np.random.default_rng(0)
    truth = [rng.integers(0, 2, 50) for _ in range(2)]
    chance = rng.uniform(size=(30, 2, 50))
    probas = [[np.column_stack([1 - p, p]) for p in each] for each in chance]
    score = by_auc(truth)
    flattering = mean_score(probas, select(probas, [0, 1], score), [0, 1], score)
    assert flattering > 0.65
    assert expected_score(probas, [0, 1], score) < 0.6
