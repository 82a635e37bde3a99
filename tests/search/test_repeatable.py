"""The numbers are the same for any number of workers, any order of fits, and after a kill."""

import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import parallel_config
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tabproof.search import Proposer, Rung, RungSearchCV
from tabproof.search.runner import Runner
from tests.search.making import assert_same_search, searching, table

ITERATIONS = (
    Rung(None, 0.2, 0.5, 1),
    Rung(4, 0.2, 1.0, 2),
    Rung(3, 0.5, 1.0, 2),
    Rung(2, 1, 1, None),
)
BOOSTING = make_pipeline(
    StandardScaler(), HistGradientBoostingClassifier(max_iter=5, random_state=0)
)
BOOSTING_GRID = {
    "histgradientboostingclassifier__max_leaf_nodes": [3, 5, 9],
    "histgradientboostingclassifier__learning_rate": [0.1, 0.5],
    "standardscaler__with_mean": [True, False],
}


def trees(**options: Any) -> RungSearchCV:
    return searching(**options)


def boosting(**options: Any) -> RungSearchCV:
    return searching(BOOSTING, BOOSTING_GRID, schedule=ITERATIONS, **options)


def forest(**options: Any) -> RungSearchCV:
    grid = {"max_depth": [1, 2, 4], "max_leaf_nodes": [4, 99]}
    model = RandomForestClassifier(5, random_state=0)
    return searching(model, grid, schedule=ITERATIONS, **options)


KINDS = (trees, boosting, forest)
kinds = pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
Make = Callable[..., RungSearchCV]
X, Y = table(150)


@cache
def whole(make: Make) -> tuple[RungSearchCV, Mapping[str, Any]]:
    """Return a complete search in this process, and its fits by key."""
    finished: dict[str, Any] = {}
    return make(n_jobs=1, finished=finished).fit(X, Y), finished


def assert_same_model(one: RungSearchCV, other: RungSearchCV) -> None:
    assert_same_search(one, other)
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


@pytest.mark.parametrize(
    ("make", "backend", "options"),
    [
        *(
            pytest.param(make, "loky", {"n_jobs": 2, "pool_seconds": 0.0}, marks=pytest.mark.slow)
            for make in KINDS
        ),
        # Workers start in the middle of the search, or not at all.
        pytest.param(boosting, "loky", {"n_jobs": 2, "pool_seconds": 0.02}, marks=pytest.mark.slow),
        pytest.param(boosting, "loky", {"n_jobs": -1}, marks=pytest.mark.slow),
        (trees, "threading", {"n_jobs": 2, "pool_seconds": 0.0}),
        (trees, "sequential", {}),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_workers_change_no_number(make: Make, backend: str, options: dict[str, Any]) -> None:
    # Worker processes read arrays of more than 100 bytes from mapped files.
    with parallel_config(backend, max_nbytes=100):
        assert_same_model(whole(make)[0], make(**options).fit(X, Y))


@kinds
def test_the_order_in_which_fits_end_changes_no_number(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_order, _ = whole(make)
    run, rng = Runner.run, np.random.default_rng(0)

    def shuffled(self: Runner, function: Any, jobs: Any, *others: Any) -> Iterator[Any]:
        results = list(run(self, function, jobs, *others))
        yield from [results[place] for place in rng.permutation(len(results))]

    monkeypatch.setattr(Runner, "run", shuffled)
    assert_same_model(in_order, make().fit(X, Y))


class Watched(MutableMapping[str, Any]):
    """Finished fits that record which of them are new."""

    def __init__(self, fits: dict[str, Any]) -> None:
        self.fits, self.written = fits, list[str]()

    def __getitem__(self, key: str) -> Any:
        return self.fits[key]

    def __setitem__(self, key: str, fit: Any) -> None:
        assert key not in self.fits, f"{key} was fitted again"
        self.fits[key] = fit
        self.written.append(key)

    def __delitem__(self, key: str) -> None:
        del self.fits[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.fits)

    def __len__(self) -> int:
        return len(self.fits)


@kinds
@settings(max_examples=2, deadline=None)
@given(data=st.data())
def test_a_search_resumes_from_any_finished_fits(make: Make, data: st.DataObject) -> None:
    expected, finished = whole(make)
    kept = data.draw(st.sets(st.sampled_from(sorted(finished))))
    # A beginning of the search, or fits with gaps.
    if data.draw(st.booleans()):
        kept = set(list(finished)[: len(kept)])
    watched = Watched({key: finished[key] for key in kept})
    again = make(finished=watched).fit(X, Y)
    assert_same_model(expected, again)
    assert sorted(watched.written) == sorted(set(finished) - kept)


@kinds
def test_a_complete_search_is_resumed_without_a_fit(make: Make) -> None:
    expected, finished = whole(make)
    watched = Watched(dict(finished))
    assert_same_model(expected, make(finished=watched).fit(X, Y))
    assert watched.written == []


def test_resuming_with_workers_is_the_same() -> None:
    expected, finished = whole(boosting)
    watched = Watched({key: fit for n, (key, fit) in enumerate(finished.items()) if n % 2})
    with parallel_config("threading"):
        again = boosting(finished=watched, n_jobs=2, pool_seconds=0.0).fit(X, Y)
    assert_same_model(expected, again)


class InBatches(Proposer):
    """A list in batches of three that keeps the scores."""

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.scores: list[list[float]] = []

    def ask(self) -> Any:
        batch, self._waiting = self._waiting[:3], self._waiting[3:]
        return batch

    def tell(self, scores: Any) -> None:
        self.scores.append(list(scores))


def test_batches_find_the_same_as_one_batch() -> None:
    settings = [{"max_depth": depth, "max_leaf_nodes": 8} for depth in (1, 2, 3, 4, 5, 6, 7)]
    batches = InBatches(settings)
    together = searching(grid=Proposer(settings)).fit(X, Y)
    apart = searching(grid=batches).fit(X, Y)
    # Only the place of the defaults differs: they are in the first batch.
    assert apart.best_params_ == together.best_params_
    assert apart.best_score_ == together.best_score_
    assert [len(scores) for scores in batches.scores] == [3, 3, 1]


def test_another_seed_draws_other_rows() -> None:
    one, other = (searching(random_state=seed).fit(X, Y) for seed in (0, 1))
    first = [search.cv_results_["mean_test_score"][:12] for search in (one, other)]
    assert not np.array_equal(*first)


def test_fits_in_threads_restore_the_warning_filters() -> None:
    model = LogisticRegression(max_iter=1)
    with warnings.catch_warnings(record=True) as caught, parallel_config("threading"):
        warnings.simplefilter("always")
        before = warnings.filters[:], warnings.showwarning, warnings._showwarnmsg_impl  # type: ignore[attr-defined]
        for _ in range(2):
            searching(model, {"C": [0.1, 1.0, 2.0]}, n_jobs=2, pool_seconds=0.0).fit(X, Y)
        after = warnings.filters[:], warnings.showwarning, warnings._showwarnmsg_impl  # type: ignore[attr-defined]
        assert after == before
        n_caught = len(caught)
        warnings.warn("is seen", UserWarning, stacklevel=1)
        assert len(caught) == n_caught + 1
