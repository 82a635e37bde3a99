"""Greedy selection of an ensemble from predictions of rows not fitted on (Caruana et al., 2004)."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Scores predictions of the rows that a fold tests.
FoldScorer = Callable[[int, Floats], float]

# A round adds one member; after so many without a better score nothing more is expected.
MAX_ROUNDS, PATIENCE = 30, 3
# Seen on adult and credit-g.
USUAL_ROUNDS = 11


class OutOfTime(Exception):  # noqa: N818 - no error: a selection that a scorer has ended
    """Raised by a scorer that shall not be asked any more."""


def select(
    probas: Sequence[Sequence[Floats]], folds: Sequence[int], score: FoldScorer
) -> Counter[int]:
    """Count how often each candidate is taken, with replacement, to score best on the folds.

    probas : by candidate and fold, of shape (n_rows_of_fold, n_classes). Of additions that score
    the same the first candidate is taken, and of rounds the earliest.
    """
    sums = [np.zeros_like(probas[0][fold]) for fold in folds]
    taken: list[int] = []
    best_score, best_length = -np.inf, 0
    while len(taken) < MAX_ROUNDS and len(taken) - best_length < PATIENCE:
        n = len(taken) + 1
        scores = [
            np.mean(
                [
                    score(fold, (total + candidate[fold]) / n)
                    for fold, total in zip(folds, sums, strict=True)
                ]
            )
            for candidate in probas
        ]
        place = int(np.argmax(scores))
        taken.append(place)
        for total, fold in zip(sums, folds, strict=True):
            total += probas[place][fold]
        if scores[place] > best_score:
            best_score, best_length = float(scores[place]), n
    return Counter(taken[:best_length])


def expected_score(
    probas: Sequence[Sequence[Floats]], folds: Sequence[int], score: FoldScorer
) -> float:
    """Score the procedure on each fold with members selected on the others.

    The score on the folds of the selection itself would flatter it.
    """
    scores = []
    for held_out in folds:
        others = [fold for fold in folds if fold != held_out]
        counts = select(probas, others, score)
        scores.append(score(held_out, _mean(probas, counts, held_out)))
    return float(np.mean(scores))


def n_calls(n_candidates: int, n_folds: int) -> int:
    """Foretell how often `select` on all folds and `expected_score` ask the scorer together."""
    return USUAL_ROUNDS * n_candidates * n_folds**2


def _mean(probas: Sequence[Sequence[Floats]], counts: Counter[int], fold: int) -> Floats:
    parts = [n * probas[place][fold] for place, n in sorted(counts.items())]
    mean: Floats = np.sum(parts, axis=0) / sum(counts.values())
    return mean
