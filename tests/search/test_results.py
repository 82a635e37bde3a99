"""cv_results_ has the documented columns, and pandas can read it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from tabproof.search import result_of
from tabproof.search.estimator import __doc__ as documentation
from tests.search.making import SCHEDULE, Failing, searching, table

GRID = [{"C": [0.1, 1.0]}, {"C": [1.0], "class_weight": ["balanced", None]}]


@pytest.fixture(scope="module")
def results() -> pd.DataFrame:
    X, y = table()
    return pd.DataFrame(searching(LogisticRegression(), GRID).fit(X, y).cv_results_)


def test_the_columns_are_those_of_scikit_learn_and_those_documented(results: pd.DataFrame) -> None:
    expected = {"params", "param_C", "param_class_weight", "candidate"}
    expected |= {f"split{fold}_test_score" for fold in range(3)}
    expected |= {"mean_test_score", "std_test_score", "rank_test_score"}
    expected |= {"mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time"}
    own = {"iter", "n_resources", "n_iterations_share", "n_folds", "same_as", "error"}
    assert set(results) == expected | own
    assert documentation is not None
    assert all(f"`{name}`" in documentation for name in own)


def test_a_row_is_a_candidate_in_a_rung(results: pd.DataFrame) -> None:
    assert not results.duplicated(["iter", "candidate"]).any()
    first = results[results["iter"] == 0]
    assert first["candidate"].tolist() == [0, 1, 2, 3]
    assert (results["iter"].diff().dropna() >= 0).all()
    for number, rung in enumerate(SCHEDULE):
        rows = results[results["iter"] == number]
        assert (rows["n_iterations_share"] == rung.iterations).all()
        assert (rows["n_folds"] == rung.n_folds(3)).all()
        assert rows.filter(regex="^split").notna().sum(axis=1).eq(rung.n_folds(3)).all()
    assert results.groupby("iter")["n_resources"].first().tolist() == [67, 133, 134]


def test_means_and_deviations_are_of_the_folds_that_were_run(results: pd.DataFrame) -> None:
    splits = results.filter(regex="^split").to_numpy()
    np.testing.assert_allclose(results["mean_test_score"], np.nanmean(splits, axis=1))
    np.testing.assert_allclose(results["std_test_score"], np.nanstd(splits, axis=1))
    assert (results["mean_fit_time"] > 0).all()


def test_the_rank_is_by_rung_then_by_score(results: pd.DataFrame) -> None:
    ordered = results.sort_values("rank_test_score", kind="stable")
    assert (ordered["iter"].diff().dropna() <= 0).all()
    assert ordered["rank_test_score"].iloc[0] == 1
    for _, rows in ordered.groupby("iter"):
        assert (rows["mean_test_score"].diff().dropna() <= 0).all()


def test_a_parameter_that_a_candidate_does_not_have_is_masked() -> None:
    X, y = table()
    search = searching(LogisticRegression(), GRID).fit(X, y)
    values = search.cv_results_["param_class_weight"]
    first = search.cv_results_["iter"] == 0
    # None is a value, and differs from a missing value.
    assert values.mask[first].tolist() == [True, True, False, False]
    assert values[first].tolist() == [None, None, "balanced", None]


def test_best_index_is_the_row_of_the_best_candidate(results: pd.DataFrame) -> None:
    X, y = table()
    search = searching(LogisticRegression(), GRID).fit(X, y)
    best = results.iloc[search.best_index_]
    assert best["params"] == search.best_params_
    assert best["mean_test_score"] == search.best_score_
    assert best["rank_test_score"] == 1


def test_results_can_be_written_and_read_as_csv(results: pd.DataFrame, tmp_path) -> None:  # type: ignore[no-untyped-def]
    results.to_csv(tmp_path / "results.csv", index=False)
    again = pd.read_csv(tmp_path / "results.csv", keep_default_na=False, na_values=[""])
    assert len(again) == len(results)
    np.testing.assert_array_equal(again["mean_test_score"], results["mean_test_score"])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_a_failed_fit_has_a_traceback_and_the_last_rank() -> None:
    X, y = table()
    search = searching(Failing(), {"fails": [True, False], "C": [0.1, 1.0]}).fit(X, y)
    results = pd.DataFrame(search.cv_results_)
    failed = results[results["param_fails"].astype(bool)]
    assert failed["iter"].unique().tolist() == [0]
    assert failed["mean_test_score"].isna().all()
    assert failed["error"].str.startswith("Traceback").all()
    assert failed["error"].str.contains("no fit with C=").all()
    assert (results.loc[~results.index.isin(failed.index), "error"] == "").all()
    first = results[results["iter"] == 0]
    assert failed["rank_test_score"].min() > first["rank_test_score"].nsmallest(2).max()
    result = result_of(search, "roc_auc")
    assert result.not_scored == [f"rung 1, fold 0, {{'C': {C}, 'fails': True}}" for C in (0.1, 1.0)]


def test_a_model_without_probabilities_has_results() -> None:
    X, y = table()
    search = searching(SVC(), {"C": [0.1, 1.0]}).fit(X, y)
    assert len(pd.DataFrame(search.cv_results_)) == 2 + 2 + 2
