"""The same numbers: for any number of workers, any order in which fits end, and after a kill."""

import warnings
from collections.abc import Callable, Iterator, MutableMapping
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

from tabproof.search import AllAtOnce, Rung, RungSearchCV
from tabproof.search.runner import Runner
from tests.search.making import assert_same_search, searching, table

ITERATIONS = (
    Rung(None, 0.2, 0.5, 1),
    Rung(4, 0.2, 1.0, 2),
    Rung(3, 0.5, 1.0, 2),
    Rung(2, 1, 1, None),
)
BOOSTING = make_pipeline(
    StandardScaler(), HistGradientBoostingClassifier(max_iter=10, random_state=0)
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
    grid = {"max_depth": [1, 2, 4], "max_leaf_nodes": [4, 99], "max_features": [1, 3]}
    model = RandomForestClassifier(8, random_state=0)
    return searching(model, grid, schedule=ITERATIONS, **options)


kinds = pytest.mark.parametrize("make", [trees, boosting, forest], ids=lambda make: make.__name__)
Make = Callable[..., RungSearchCV]
X, Y = table(150)


def assert_same_model(one: RungSearchCV, other: RungSearchCV) -> None:
    assert_same_search(one, other)
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


@kinds
@pytest.mark.parametrize(
    ("backend", "options"),
    [
        ("loky", {"n_jobs": 2, "pool_seconds": 0.0}),
        ("loky", {"n_jobs": 2, "pool_seconds": 0.02}),
        ("loky", {"n_jobs": 2}),
        ("threading", {"n_jobs": 2, "pool_seconds": 0.0}),
        ("sequential", {}),
        ("loky", {"n_jobs": -1, "pool_seconds": 0.0}),
    ],
    ids=str,
)
def test_workers_change_no_number(make: Make, backend: str, options: dict[str, Any]) -> None:
    alone = make(n_jobs=1).fit(X, Y)
    with parallel_config(backend):
        assert_same_model(alone, make(**options).fit(X, Y))


@kinds
@pytest.mark.parametrize("seed", range(4))
def test_the_order_in_which_fits_end_changes_no_number(
    make: Make, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_order = make().fit(X, Y)
    run, rng = Runner.run, np.random.default_rng(seed)

    def shuffled(self: Runner, function: Any, jobs: Any, *others: Any) -> Iterator[Any]:
        results = list(run(self, function, jobs, *others))
        yield from [results[place] for place in rng.permutation(len(results))]

    monkeypatch.setattr(Runner, "run", shuffled)
    assert_same_model(in_order, make().fit(X, Y))


class Watched(MutableMapping[str, Any]):
    """Finished fits, and which of them were written."""

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
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_a_search_resumes_from_any_finished_fits(make: Make, data: st.DataObject) -> None:
    finished: dict[str, Any] = {}
    whole = make(finished=finished).fit(X, Y)
    kept = data.draw(st.sets(st.sampled_from(sorted(finished))))
    # In the order in which a search would have come to them, or with holes.
    if data.draw(st.booleans()):
        kept = set(list(finished)[: len(kept)])
    watched = Watched({key: finished[key] for key in kept})
    again = make(finished=watched).fit(X, Y)
    assert_same_model(whole, again)
    assert sorted(watched.written) == sorted(set(finished) - kept)


@kinds
def test_a_complete_search_is_resumed_without_a_fit(make: Make) -> None:
    finished: dict[str, Any] = {}
    whole = make(finished=finished).fit(X, Y)
    watched = Watched(dict(finished))
    assert_same_model(whole, make(finished=watched).fit(X, Y))
    assert watched.written == []


def test_resuming_with_workers_is_the_same() -> None:
    finished: dict[str, Any] = {}
    whole = boosting(finished=finished).fit(X, Y)
    watched = Watched({key: fit for n, (key, fit) in enumerate(finished.items()) if n % 2})
    assert_same_model(whole, boosting(finished=watched, n_jobs=2, pool_seconds=0.0).fit(X, Y))


class InBatches(AllAtOnce):
    """A list, three at a time; what it is told is written down."""

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.told: list[list[float]] = []

    def ask(self) -> Any:
        batch, self._waiting = self._waiting[:3], self._waiting[3:]
        return batch

    def tell(self, scores: Any) -> None:
        self.told.append(list(scores))


def test_batches_find_the_same_as_one_batch() -> None:
    settings = [{"max_depth": depth, "max_leaf_nodes": 8} for depth in (1, 2, 3, 4, 5, 6, 7)]
    batches = InBatches(settings)
    together = searching(grid=AllAtOnce(settings)).fit(X, Y)
    apart = searching(grid=batches).fit(X, Y)
    # The defaults are candidates of the first batch: their place alone differs.
    assert apart.best_params_ == together.best_params_
    assert apart.best_score_ == together.best_score_
    assert [len(told) for told in batches.told] == [3, 3, 1]


def test_another_seed_draws_other_rows() -> None:
    one, other = (searching(random_state=seed).fit(X, Y) for seed in (0, 1))
    first = [search.cv_results_["mean_test_score"][:12] for search in (one, other)]
    assert not np.array_equal(*first)


def test_fits_in_threads_restore_the_warning_filters() -> None:
    model = LogisticRegression(max_iter=1)
    with warnings.catch_warnings(record=True) as caught, parallel_config("threading"):
        warnings.simplefilter("always")
        before = warnings.filters[:], warnings.showwarning, warnings._showwarnmsg_impl  # type: ignore[attr-defined]
        for _ in range(5):
            searching(model, {"C": [0.1, 1.0, 2.0]}, n_jobs=2, pool_seconds=0.0).fit(X, Y)
        after = warnings.filters[:], warnings.showwarning, warnings._showwarnmsg_impl  # type: ignore[attr-defined]
        assert after == before
        n_caught = len(caught)
        warnings.warn("is seen", UserWarning, stacklevel=1)
        assert len(caught) == n_caught + 1
