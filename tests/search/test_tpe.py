"""Optuna's proposals: the same for the same scores, and better with more scores."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tabproof.errors import PackageMissingError
from tabproof.search import TpeProposer, parse_space
from tests.search.making import assert_same_search, searching, table

optuna = pytest.importorskip("optuna")
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

SPACE = parse_space(
    {
        "x": {"low": -5.0, "high": 5.0},
        "n": {"low": 1, "high": 64, "log": True},
        "kind": ["bad", "good", None],
    }
)


def hill(params: Any) -> float:
    """Be highest at x=2, n=8, kind=good."""
    x, n, kind = params["x"], params["n"], params["kind"]
    return -((x - 2) ** 2) - abs(n - 8) / 8 - (kind != "good") * 5


def proposer(seed: int = 0, n: int = 60, journal: Path | None = None) -> TpeProposer:
    return TpeProposer(SPACE, n, 10, seed, journal)


def played(asked: TpeProposer, score: Callable[[Any], float] = hill) -> list[list[Any]]:
    """Propose and score all batches."""
    batches = []
    while batch := list(asked.ask()):
        batches.append(batch)
        asked.tell([score(params) for params in batch])
    return batches


def test_proposals_lie_in_the_space() -> None:
    batches = played(proposer(n=30))
    assert [len(batch) for batch in batches] == [10] * 3
    for params in [each for batch in batches for each in batch]:
        assert set(params) == {"x", "n", "kind"}
        assert -5 <= params["x"] <= 5
        assert type(params["n"]) is int
        assert 1 <= params["n"] <= 64
        assert params["kind"] in ("bad", "good", None)


def test_the_last_batch_may_be_smaller() -> None:
    assert [len(batch) for batch in played(proposer(n=23))] == [10, 10, 3]
    assert [len(batch) for batch in played(proposer(n=4))] == [4]


def test_the_same_scores_lead_to_the_same_proposals(tmp_path: Path) -> None:
    first = played(proposer(n=20))
    assert first == played(proposer(n=20))
    assert first == played(proposer(n=20, journal=tmp_path / "study.log"))
    assert first != played(proposer(seed=1, n=20))


def test_other_scores_lead_to_other_proposals() -> None:
    first, other = played(proposer(n=20)), played(proposer(n=20), lambda params: -hill(params))
    assert first[0] == other[0]
    assert first[-1] != other[-1]


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
def test_tpe_learns(seed: int) -> None:
    batches = played(proposer(seed))
    means = [sum(map(hill, batch)) / len(batch) for batch in batches]
    assert means[-1] > means[0]
    best = max((each for batch in batches for each in batch), key=hill)
    assert hill(best) > max(map(hill, batches[0]))
    assert best["kind"] == "good"
    assert abs(best["x"] - 2) < 1


def test_tpe_learns_to_avoid_failing_settings() -> None:
    asked = proposer()
    played(asked, lambda p: hill(p) if p["kind"] == "good" else float("nan"))
    states = [trial.state.name for trial in asked._study.trials]
    assert {"COMPLETE", "FAIL"} == set(states)
    assert states[-10:].count("COMPLETE") > states[:10].count("COMPLETE")


def test_the_journal_can_be_read_by_optuna(tmp_path: Path) -> None:
    journal = tmp_path / "study.log"
    journal.write_text("what a search that was killed has left")
    played(proposer(n=20, journal=journal))
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(journal))
    )
    study = optuna.load_study(study_name="search", storage=storage)
    assert len(study.trials) == 20
    assert study.best_trial.value == max(trial.value for trial in study.trials)
    assert study.direction.name == "MAXIMIZE"


def trees(journal: Path | None = None) -> TpeProposer:
    space = parse_space(
        {"max_depth": {"low": 1, "high": 9}, "min_samples_leaf": {"low": 1, "high": 50}}
    )
    return TpeProposer(space, 18, 6, 3, journal)


def test_a_tpe_search_repeats_and_resumes_exactly(tmp_path: Path) -> None:
    X, y = table()
    finished: dict[str, Any] = {}
    whole = searching(grid=trees(tmp_path / "a.log"), finished=finished).fit(X, y)
    assert whole.n_candidates_ == 19  # and the defaults
    left = {key: fit for number, (key, fit) in enumerate(finished.items()) if number % 3}
    again = searching(grid=trees(tmp_path / "a.log"), finished=left).fit(X, y)
    assert_same_search(whole, again)


def test_a_search_that_is_stopped_counts_what_was_never_proposed() -> None:
    X, y = table()
    answers = iter(range(1000))
    search = searching(
        grid=trees(), should_stop=lambda: "enough" if next(answers) > 10 else None
    ).fit(X, y)
    assert search.stopped_ == "enough"
    candidates, first_of = search.pool_.candidates, search.pool_.first_of
    tried = [c for c in candidates if search.rungs_[0].fit_of(candidates[first_of[c.place]], 0)]
    assert search.n_candidates_ == 19
    assert search.n_not_tried_ == 19 - len(tried)
    assert search.predict(X).shape == y.shape


def test_without_optuna_the_error_shows_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(PackageMissingError, match=r"search=tpe needs optuna.*EXTRAS=\[tpe\]"):
        proposer()


def test_fitting_a_tpe_search_again_proposes_the_same() -> None:
    X, y = table()
    search = searching(grid=trees())
    first = search.fit(X, y).cv_results_["params"]
    assert search.fit(X, y).cv_results_["params"] == first


def test_the_lock_file_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    journal = tmp_path / "study.log"
    journal.write_text("of another time")
    (tmp_path / "study.log.lock").touch()
    assert len(played(proposer(n=10, journal=journal))) == 1
    assert not (tmp_path / "study.log.lock").exists()
