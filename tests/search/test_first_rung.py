"""The first rung: small, but never too small to score."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_classification
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes the import below work
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import HalvingGridSearchCV, StratifiedKFold

from tabproof.search.halving import MIN_ROWS_PER_CLASS, as_test_parts, describe_rungs, first_rung

SEED = 42


def folds_of(y: np.ndarray, n_splits: int) -> list[np.ndarray]:
    cv = StratifiedKFold(n_splits, shuffle=True, random_state=SEED)
    return as_test_parts(cv, np.zeros((len(y), 1)), y, None)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("n_splits", [3, 5])
def test_every_fold_that_scikit_learn_scores_holds_ten_rows_of_each_class(
    share: float, n_splits: int
) -> None:
    X, y = make_classification(4000, weights=[1 - share], random_state=0)
    first = first_rung(y, folds_of(y, n_splits), n_candidates=27, factor=3, seed=SEED)
    scored: list[np.ndarray] = []

    def spy(estimator: LogisticRegression, X: np.ndarray, y: np.ndarray) -> float:
        scored.append(np.bincount(y, minlength=2))
        return float(estimator.score(X, y))

    HalvingGridSearchCV(
        LogisticRegression(),
        {"C": [0.1, 1.0, 10.0, 100.0]},
        scoring=spy,
        cv=StratifiedKFold(n_splits, shuffle=True, random_state=SEED),
        min_resources=first,
        random_state=SEED,
        return_train_score=False,
    ).fit(X, y)
    assert min(counts.min() for counts in scored) >= MIN_ROWS_PER_CLASS


@settings(max_examples=50, deadline=None)
@given(
    n_rows=st.integers(100, 2000),
    n_candidates=st.integers(1, 100),
    factor=st.floats(1.5, 5),
    share=st.floats(0.1, 0.9),
)
def test_the_last_rung_has_nearly_all_rows(
    n_rows: int, n_candidates: int, factor: float, share: float
) -> None:
    y = (np.arange(n_rows) < share * n_rows).astype(np.int64)
    first = first_rung(y, folds_of(y, 3), n_candidates=n_candidates, factor=factor, seed=SEED)
    last = describe_rungs(first, n_rows, n_candidates, factor)[-1]
    # first = n // factor**k loses less than one row, which grows with the rungs.
    assert n_rows - factor ** len(describe_rungs(first, n_rows, n_candidates, factor)) < last
    assert last <= n_rows


def test_a_class_too_rare_for_any_rung_gets_all_rows_at_once() -> None:
    y = np.array([0] * 200 + [1] * 12)
    assert first_rung(y, folds_of(y, 3), n_candidates=27, factor=3, seed=SEED) == len(y)
