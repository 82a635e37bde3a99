"""From what a configuration asks for to the best pipeline."""

from pathlib import Path

import numpy as np

from src import experiment, runs, searching
from src.assembly import make_pipeline
from tests.conftest import composed


def test_without_a_search_the_estimator_is_fitted_as_it_is(tmp_path: Path) -> None:
    config = composed("dataset=wine", "search=none", "model=logistic_regression")
    plan = experiment.make_plan(config)
    division = experiment.load_rows(config, plan)
    result, _ = searching.find_best(
        config, plan.search, plan.rows, division, runs.RunDirectory(tmp_path), {}, None
    )
    assert result.best_params == {}
    assert result.best_score is None
    assert result.stopped is None
    assert not plan.search.searches
    pipeline = make_pipeline(config).fit(division.X_train, division.y_train)
    np.testing.assert_array_equal(
        result.pipeline.predict_proba(division.X_test), pipeline.predict_proba(division.X_test)
    )
