"""Grids and scorers are checked before data is read."""

import pytest
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import TargetEncoder
from sklearn.svm import LinearSVC
from xgboost import XGBClassifier

from tabproof.errors import InvalidValueError
from tabproof.modeling import check_grid, check_scoring_name, make_pipeline, scorer_for
from tabproof.modeling.grid import InvalidParameterError, UnknownParameterError

PIPELINE = make_pipeline({"impute": SimpleImputer()}, {}, LogisticRegression(), seed=0)


@pytest.mark.parametrize(
    "parameter", ["clf__C", "preprocess__numeric__impute__strategy", "clf__class_weight"]
)
def test_parameters_of_any_step_can_be_searched(parameter: str) -> None:
    values = {"clf__C": [1.0], "clf__class_weight": [None, "balanced"]}.get(parameter, ["median"])
    check_grid(PIPELINE, {parameter: values})


def test_a_misspelt_parameter_is_refused_with_a_suggestion_and_a_list() -> None:
    with pytest.raises(UnknownParameterError, match=r"'clf__max_iter'.*did you mean clf__C\b"):
        check_grid(PIPELINE, {"clf__c": [1.0]})


@pytest.mark.parametrize("value", [-1.0, "much"])
def test_a_value_that_the_estimator_refuses_is_named(value: object) -> None:
    with pytest.raises(InvalidParameterError, match=r"clf__C=.* must be a float"):
        check_grid(PIPELINE, {"clf__C": [1.0, value]})


def test_an_estimator_with_a_refused_parameter_is_found_without_a_grid() -> None:
    with pytest.raises(InvalidParameterError, match="max_iter"):
        check_grid(make_pipeline({}, {}, LogisticRegression(max_iter=-5), seed=0), {})


def test_threads_of_an_estimator_are_refused_since_they_may_change_last_bits() -> None:
    forest = make_pipeline({}, {}, RandomForestClassifier(n_jobs=-1), seed=0)
    with pytest.raises(InvalidValueError, match=r"clf__n_jobs=-1 .* runtime\.workers"):
        check_grid(forest, {})
    forest = make_pipeline({}, {}, RandomForestClassifier(), seed=0)
    with pytest.raises(InvalidValueError, match=r"clf__n_jobs=4 .* runtime\.workers"):
        check_grid(forest, {"clf__n_jobs": [None, 4]})


@pytest.mark.parametrize(
    ("estimator", "refused", "valid"),
    [
        (LGBMClassifier, [None, -1, 4], [0, 1]),
        (XGBClassifier, [None, 0, 2], [1]),
        (CatBoostClassifier, [2, 4], [1]),
    ],
)
def test_threads_of_boosting_libraries_must_be_fixed(
    estimator: type, refused: list[int | None], valid: list[int]
) -> None:
    threads = "thread_count" if estimator is CatBoostClassifier else "n_jobs"
    words = rf"clf__{threads}=.* takes {' or '.join(map(str, valid))} here"
    for value in refused:
        with pytest.raises(InvalidValueError, match=words):
            check_grid(make_pipeline({}, {}, estimator(**{threads: value}), seed=0), {})
    for value in valid:
        pipeline = make_pipeline({}, {}, estimator(**{threads: value}), seed=0)
        check_grid(pipeline, {f"clf__{threads}": valid})
        with pytest.raises(InvalidValueError, match=words):
            check_grid(pipeline, {f"clf__{threads}": [7]})


def test_a_grid_without_a_seed_is_refused_since_no_run_would_repeat() -> None:
    with pytest.raises(InvalidValueError, match=r"clf__random_state=null .* no run repeats"):
        check_grid(PIPELINE, {"clf__random_state": [1, None]})


def test_a_refused_value_of_any_step_is_found() -> None:
    with pytest.raises(InvalidParameterError, match="strategy"):
        check_grid(PIPELINE, {"preprocess__numeric__impute__strategy": ["meen"]})
    broken = make_pipeline({"i": SimpleImputer(strategy="meen")}, {}, LogisticRegression(), seed=0)
    with pytest.raises(InvalidParameterError, match="SimpleImputer"):
        check_grid(broken, {})


def vote(**members: object) -> Pipeline:
    pipelines = [(name, make_pipeline({}, {}, member, seed=0)) for name, member in members.items()]
    return make_pipeline({}, {}, VotingClassifier(pipelines, voting="soft"), seed=0)


VOTE = vote(line=LogisticRegression(), forest=RandomForestClassifier())


def test_parameters_of_members_can_be_searched() -> None:
    check_grid(
        VOTE,
        {
            "clf__line__clf__C": [0.1, 1.0],
            "clf__forest__clf__max_leaf_nodes": [None, 8],
            "clf__weights": [None, [1, 2]],
            "clf__forest": ["drop"],
        },
    )


def test_a_parameter_that_no_member_has_names_the_one_that_was_meant() -> None:
    with pytest.raises(UnknownParameterError, match="did you mean clf__line__clf__C"):
        check_grid(VOTE, {"clf__line__clf__c": [1.0]})
    with pytest.raises(InvalidParameterError, match=r"clf__line__clf__C=-1\.0"):
        check_grid(VOTE, {"clf__line__clf__C": [-1.0]})


@pytest.mark.parametrize("weights", [[1], [1, 2, 3]])
def test_weights_are_as_many_as_members(weights: list[float]) -> None:
    with pytest.raises(InvalidParameterError, match="2 members"):
        check_grid(VOTE, {"clf__weights": [None, weights]})


def test_threads_of_a_member_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="clf__forest__clf__n_jobs"):
        check_grid(vote(forest=RandomForestClassifier(n_jobs=2)), {})


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        RandomForestClassifier(),
        ExtraTreesClassifier(),
        HistGradientBoostingClassifier(),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_weights_of_classes_can_be_searched(estimator: object) -> None:
    values = [None, "balanced", {0: 1, 1: 5}]
    check_grid(make_pipeline({}, {}, estimator, seed=0), {"clf__class_weight": values})
    with pytest.raises(InvalidParameterError, match="class_weight"):
        check_grid(make_pipeline({}, {}, estimator, seed=0), {"clf__class_weight": ["fair"]})


def test_folds_of_target_encoding_are_not_searched_without_a_seed() -> None:
    pipeline = make_pipeline({}, {"encode": TargetEncoder()}, LogisticRegression(), seed=0)
    name = "preprocess__categorical__encode__cv"
    check_grid(pipeline, {name: [StratifiedKFold(3, shuffle=True, random_state=0)]})
    with pytest.raises(InvalidValueError, match=f"{name}=3 .* no run repeats"):
        check_grid(pipeline, {name: [3]})


@pytest.mark.parametrize("estimator", [LinearSVC(), Ridge()])
def test_an_estimator_without_probabilities_is_refused_before_the_search(
    estimator: object,
) -> None:
    with pytest.raises(InvalidValueError, match=type(estimator).__name__):
        check_grid(make_pipeline({}, {}, estimator, seed=0), {})


@pytest.mark.parametrize("scoring", ["r2", "neg_mean_squared_error", "rand_score"])
def test_scorers_of_other_tasks_are_refused(scoring: str) -> None:
    with pytest.raises(InvalidValueError, match=scoring):
        check_scoring_name(scoring)


def test_a_scorer_for_two_classes_is_refused_for_three_with_one_that_works() -> None:
    assert scorer_for("f1", 2) == "f1"
    with pytest.raises(InvalidValueError, match="f1_macro"):
        scorer_for("f1", 3)


def test_roc_auc_means_one_vs_rest_for_several_classes_only() -> None:
    assert scorer_for("roc_auc", 2) == "roc_auc"
    assert scorer_for("roc_auc", 3) == "roc_auc_ovr"
    assert scorer_for("accuracy", 3) == "accuracy"


def test_an_unknown_scorer_is_refused_with_a_suggestion() -> None:
    with pytest.raises(InvalidValueError, match="did you mean accuracy"):
        check_scoring_name("acuracy")
