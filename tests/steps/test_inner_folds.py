"""Folds inside a step keep groups together wherever the step is fitted, and nothing keeps them."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from tabproof.artifacts import RunDirectory
from tabproof.experiment import run_experiment
from tabproof.modeling.folds import InnerFolds
from tabproof.steps import evaluate, search
from tabproof.steps.for_people import ForPeople
from tests.steps.cases import grouped

N_PATIENTS, N_VISITS = 40, 6


def visits() -> pd.DataFrame:
    """Make notes that tell who the patient is, whose label is chance, and is one for all visits."""
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(N_PATIENTS), N_VISITS)
    habits = rng.integers(0, 400, (N_PATIENTS, 6))
    notes = [
        " ".join(f"word{w}" for w in [*habits[patient], *rng.integers(0, 40, 2)]) for patient in who
    ]
    frame = pd.DataFrame({"who": [f"patient-{p}" for p in who], "note": notes})
    frame["age"], frame["ward"] = rng.normal(40, 10, len(who)), [f"w{p}" for p in who]
    frame["label"] = np.where(rng.permutation(N_PATIENTS) % 2, "yes", "no")[who]
    return frame.sample(frac=1.0, random_state=0)


VISITS = visits()
Parts = list[tuple[set[str], set[str]]]


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Parts:
    """Return the patients on both sides of each inner fold, as it is made."""
    found: Parts = []
    split = InnerFolds.split

    def recorded(self: InnerFolds, X: Any, y: Any = None, groups: Any = None) -> Iterator[Any]:
        # Known by the ids of the rows, whatever the index says of groups.
        who = VISITS["who"].to_numpy()[X.index.get_level_values(0)]
        for train, test in split(self, X, y, groups):
            found.append((set(who[train]), set(who[test])))
            yield train, test

    monkeypatch.setattr(InnerFolds, "split", recorded)
    return found


SMALL = {
    "search=none": [],
    "search=fast": ["model.param_grids.fast={clf__C: [0.1, 1.0]}"],
    "search=classic": ["model.param_grids.full={clf__C: [0.1, 1.0]}", "search.n_splits=3"],
    "search=random": ["search.n_candidates=2", "search.n_splits=3"],
    "search=tpe": ["search.n_candidates=2", "search.n_splits=3"],
    "search=portfolio": ["search.n_splits=3"],
}
slow = {name: [pytest.mark.slow] if name == "search=portfolio" else [] for name in SMALL}


@pytest.mark.parametrize("mode", [pytest.param(name, marks=slow[name]) for name in SMALL])
def test_in_every_search(mode: str, tmp_path: Path, parts: Parts) -> None:
    case = grouped(tmp_path, VISITS, mode, *SMALL[mode])
    run = RunDirectory(tmp_path / "run")
    found = search.find_best(case.config, case.plan, case.division, run, {}, 1)
    assert parts
    assert all(not train & test for train, test in parts)
    # The labels of some 32 patients are chance.
    assert found.best_score is None or found.best_score < 0.7


def test_in_calibration_and_in_repeated_fits_and_those_of_the_learning_curve(
    tmp_path: Path, parts: Parts
) -> None:
    options = ["calibration=sigmoid", "calibration.n_splits=3", "threshold=max_f1"]
    options += ["evaluation=repeated", "evaluation.n_splits=3", "evaluation.n_repeats=1"]
    case = grouped(tmp_path, VISITS, *options, "evaluation.learning_curve=true")
    decided = case.decide()
    n_decided = len(parts)
    refits = evaluate.refit(
        case.config, case.division, decided, lambda *_: None, people := ForPeople()
    )
    assert n_decided > 5
    assert len(parts) > n_decided + 15
    assert all(not train & test for train, test in parts)
    assert not people.left_out
    assert refits.repeated is not None
    assert len(refits.learning_curve) > 1


def test_of_target_encoding_in_the_preprocessing(tmp_path: Path, parts: Parts) -> None:
    options = ["model=hist_gradient_boosting", "preprocess=target", "model.estimator.max_iter=5"]
    grouped(tmp_path, VISITS.drop(columns="note"), *options).fitted()
    assert len(parts) == 5
    assert all(not train & test for train, test in parts)


def test_neither_the_stored_estimator_nor_the_scorer_knows_the_groups(tmp_path: Path) -> None:
    case = grouped(tmp_path, VISITS, "calibration=sigmoid")
    run_experiment(case.config, run := tmp_path / "run")
    estimator = joblib.load(run / "estimator.joblib")
    files = [path.read_bytes() for path in (run / "scorer").iterdir()]
    for content in [pickle.dumps(estimator), *files]:
        for word in (b"patient-", b"MultiIndex"):
            assert word not in content
    X = case.division.X_train
    assert_array_equal(estimator.predict_proba(X), estimator.predict_proba(X.droplevel("group")))
