"""Combinations of keys that cannot work are refused, with what would work."""

from dataclasses import replace
from itertools import product
from math import inf, nan
from typing import Any

import pytest

from tabproof.config import check_config
from tabproof.config.checks import IncompatiblePreprocessError
from tabproof.config.data_schema import ColumnType
from tabproof.config.options import GROUPS
from tabproof.errors import FileMissingError, InvalidValueError, MissingValueError, UserError
from tests.config.composing import FILE, assert_says, changed, config


@pytest.fixture
def file_config(tmp_path):
    path = tmp_path / "my.csv"
    path.write_text("a,y\n1,u\n")
    return changed(config(*FILE), "dataset.path", str(path))


@pytest.mark.parametrize(
    ("choices", "key", "value", "valid"),
    [
        ([], "seed", -1, "from 0 to 4294967295"),
        ([], "cv.test_size", 0.0, "between 0 and 1"),
        ([], "search.n_splits", 1, "2 or more"),
        ([], "search.min_resources", "exhaust", "auto, or 1 or more rows"),
        ([], "search.min_resources", None, "auto, or 1 or more rows"),
        ([], "search.time_budget", "10 parsecs", "90s, 10m, 1h30m"),
        ([], "search.resume", None, "true, false, or the directory"),
        ([], "search.resume", 1, "true, false, or the directory"),
        ([], "runtime.workers", 0, "1 or more"),
        ([], "dataset.name", "boston", "breast_cancer, digits, iris, wine"),
        ([], "evaluation.slices", ["a", "a"], "each column once"),
        (["dataset=adult"], "dataset.n_retries", 11, "from 0 to 10"),
        (["search=classic"], "search.factor", 1.0, "1.1 or more"),
        (["search=classic"], "search.min_resources", 1.5, "auto, exhaust, or 1 or more rows"),
        (["search=tpe"], "search.batch_size", 0, "1 or more"),
        (["search=auto"], "search.n_drawn.lightgbm", -1, "0 or more"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_key_and_the_range(choices, key, value, valid):
    with pytest.raises(InvalidValueError) as raised:
        check_config(changed(config(*choices), key, value))
    assert_says(raised.value, f"{key}={value}", valid)


@pytest.mark.parametrize("value", [True, "outputs/somewhere", False])
def test_a_search_is_resumed_by_a_switch_or_a_directory(value):
    check_config(changed(config(), "search.resume", value))


def test_settings_are_drawn_from_members_with_a_space():
    start = config("search=auto")
    with pytest.raises(InvalidValueError, match=r"search\.n_drawn=nobody.*one of boosting"):
        check_config(changed(start, "search.n_drawn", {"nobody": 3}))
    key = "search.members.lightgbm.model.param_space"
    with pytest.raises(InvalidValueError, match=rf"{key}=nothing.*low"):
        check_config(changed(start, key, {}))
    check_config(changed(config("search=auto"), "search.n_drawn", {"lightgbm": 0}))


@pytest.mark.parametrize("search", ["random", "tpe"])
def test_a_search_that_draws_needs_a_space(search):
    start = config(f"search={search}")
    with pytest.raises(InvalidValueError, match=r"model\.param_space=nothing.*low"):
        check_config(changed(start, "model.param_space", {}))


@pytest.mark.parametrize("choices", [[], ["search=classic"], ["search=tpe"]])
def test_another_engine_than_that_of_its_keys_is_no_engine(choices):
    start = config(*choices)
    check_config(start)
    for engine in GROUPS["search"]:
        if engine != start.search.engine:
            with pytest.raises(InvalidValueError) as raised:
                check_config(changed(start, "search.engine", engine))
            assert_says(raised.value, f"search.engine={engine}", "search=…")


def test_a_file_that_is_there_is_accepted(file_config):
    check_config(file_config)


def test_a_missing_file_is_refused_with_the_directory_it_was_sought_from(
    file_config, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileMissingError) as raised:
        check_config(changed(file_config, "dataset.path", "gone.csv"))
    assert_says(raised.value, "dataset.path=gone.csv", "nothing", str(tmp_path))


# What they hold is found when they are read.
@pytest.mark.parametrize("path", ["{}", "-", "https://host/a.csv?b=c", "s3://bucket/a.parquet"])
def test_a_directory_standard_input_and_other_places_are_accepted(file_config, tmp_path, path):
    check_config(changed(file_config, "dataset.path", path.format(tmp_path)))


@pytest.mark.parametrize(
    ("key", "value", "valid"),
    [
        ("dataset.path", "", "a file"),
        ("dataset.thousands", "_", "a comma, a point"),
        ("dataset.decimal", "؛", "., , or auto"),
        ("dataset.target_bins", 1, "equal parts"),
        ("dataset.target_bins", [3, 2], "ascending"),
        ("dataset.target_bins", [], "ascending"),
        ("dataset.target_bins", True, "ascending"),
        ("dataset.min_class_rows", 0, "1 or more"),
        ("dataset.bad_rows", "keep", "skip, error"),
        ("dataset.keep", ["y"], "other than the target"),
        ("dataset.column_types", {"y": ColumnType.text}, "other than the target"),
        ("dataset.separator", "", "one character"),
        ("dataset.separator", ";;", "one character"),
        ("dataset.separator", "\n", "one character"),
        ("dataset.encoding", "utf-9", "utf-8, cp932"),
        ("dataset.encoding", "hex", "utf-8, cp932"),
        ("dataset.drop_columns", ["id", "y"], "other than the target"),
    ],
)
def test_what_cannot_read_a_file_is_refused_before_it_is_opened(file_config, key, value, valid):
    with pytest.raises(InvalidValueError) as raised:
        check_config(changed(file_config, key, value))
    assert_says(raised.value, key, valid)


@pytest.mark.parametrize("separator", [",", ";", "\t", "\\t", "|", " "])
def test_one_character_or_a_written_tab_separates_cells(file_config, separator):
    check_config(changed(file_config, "dataset.separator", separator))


@pytest.mark.parametrize("key", ["decimal", "thousands"])
def test_quoted_cells_may_hold_their_separator(file_config, key):
    start = changed(file_config, "dataset.separator", ",")
    check_config(changed(start, f"dataset.{key}", ","))


def test_one_character_is_not_both_decimal_and_thousands(file_config):
    start = changed(file_config, "dataset.decimal", ",")
    with pytest.raises(InvalidValueError) as raised:
        check_config(changed(start, "dataset.thousands", ","))
    assert_says(raised.value, "dataset.thousands", "another character than dataset.decimal")


@pytest.mark.parametrize(
    ("cv", "key"),
    [("cv=grouped", "cv.group_column"), ("cv=time_series", "cv.time_column")],
)
@pytest.mark.parametrize(
    ("column", "valid"), [("y", "other than the target"), ("id", "not in dataset.drop_columns")]
)
def test_a_column_that_divides_rows_is_neither_target_nor_dropped(
    file_config, cv, key, column, valid
):
    start = changed(file_config, "dataset.drop_columns", ["id"])
    start.cv = config(cv, f"{key}=day").cv
    check_config(start)
    with pytest.raises(InvalidValueError) as raised:
        check_config(changed(start, key, column))
    assert_says(raised.value, f"{key}={column}", valid)


def test_a_grid_that_the_model_has_not_is_refused_with_those_it_has():
    with pytest.raises(InvalidValueError) as raised:
        check_config(changed(config(), "search.param_grid", "huge"))
    assert_says(raised.value, "search.param_grid=huge", "'fast'", "'full'")


def test_a_search_without_a_grid_is_refused_with_the_way_out():
    with pytest.raises(InvalidValueError) as raised:
        check_config(changed(changed(config(), "search.param_grid", None), "model.param_grids", {}))
    assert_says(raised.value, "model.param_grids", "search=none")


def test_without_a_search_no_grid_is_looked_at():
    check_config(changed(config("search=none"), "model.param_grids.fast", "no grid"))


def test_every_member_of_a_portfolio_has_the_grid_that_is_searched():
    start = config("search=portfolio")
    with pytest.raises(InvalidValueError) as raised:
        check_config(changed(start, "search.members.linear.model.param_grids", {"mine": {}}))
    assert_says(raised.value, "search.param_grid=fast", "'mine'")
    with pytest.raises(InvalidValueError, match=r"search\.members\.linear\.model\.param_grids"):
        check_config(changed(start, "search.members.linear.model.param_grids.fast", {}))


def test_a_portfolio_has_a_member_at_least():
    with pytest.raises(InvalidValueError, match=r"search\.members=.*at least one member"):
        check_config(changed(config("search=portfolio"), "search.members", {}))


@pytest.mark.parametrize("grid", [{}, [1, 2], None, {"clf__x": 3}, {"clf__x": []}])
def test_a_grid_is_at_least_one_parameter_with_at_least_one_value(grid):
    with pytest.raises(InvalidValueError, match=r"model\.param_grids\.fast"):
        check_config(changed(config(), "model.param_grids.fast", grid))


@pytest.mark.parametrize(
    ("key", "left"),
    [("accepts_categories", "categories"), ("accepts_missing", "missing values")],
)
def test_an_estimator_is_not_left_with_what_it_does_not_take(key, left):
    with pytest.raises(IncompatiblePreprocessError) as raised:
        check_config(changed(config(), f"model.{key}", False))
    assert_says(raised.value, "HistGradientBoostingClassifier", left, "preprocess=onehot")


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
def test_a_vote_has_no_preprocess_but_its_members(kind):
    start = changed(config("model=vote"), f"preprocess.{kind}", {"step": {"_target_": "a.Step"}})
    with pytest.raises(IncompatiblePreprocessError) as raised:
        check_config(start)
    assert_says(raised.value, "preprocess=native", "preprocess@model.members.<name>.preprocess=")


def test_a_member_is_not_left_with_what_it_does_not_take():
    start = changed(config("model=vote"), "model.members.linear.preprocess.keeps_missing", True)
    with pytest.raises(IncompatiblePreprocessError) as raised:
        check_config(start)
    assert_says(
        raised.value,
        "model.members.linear: LogisticRegression takes no missing values",
        "preprocess@model.members.linear.preprocess=onehot",
    )


@pytest.mark.parametrize(
    "weights", [[1], [1, 2, 3, 4, 5], [], [1, 1, 1, -1], [0, 0, 0, 0.0], "equal", [1, 2, 3, "a"]]
)
def test_weights_are_one_number_per_member(weights):
    with pytest.raises(InvalidValueError, match=r"model\.estimator\.weights=.*4 numbers"):
        check_config(changed(config("model=vote"), "model.estimator.weights", weights))


@pytest.mark.parametrize("weights", [None, [1, 2, 3, 4], [0, 0, 0, 0.5]])
def test_weights_need_not_be_equal(weights):
    check_config(changed(config("model=vote"), "model.estimator.weights", weights))


@pytest.mark.parametrize("name", ["two words", "a__b", "_a", "a.b", "", "weights", "estimators"])
def test_a_member_has_a_name_that_can_stand_in_a_parameter(name):
    start = config("model=vote")
    members = {name: start.model.members["linear"]}
    with pytest.raises(InvalidValueError, match="names of letters and digits"):
        check_config(changed(start, "model.members", members))


def test_a_vote_has_a_member_at_least():
    with pytest.raises(InvalidValueError, match="at least one member"):
        check_config(changed(config("model=vote"), "model.members", {}))


def test_a_vote_is_no_member_of_a_vote():
    start = config("model=vote")
    with pytest.raises(InvalidValueError, match=r"model\.members\.linear\.model=a vote"):
        check_config(changed(start, "model.members.linear.model", start.model))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("address", None, "runtime.address must be given, as in runtime.address=tcp://host:8786"),
        ("address", "10.0.0.1:8786", "such as tcp://host:8786"),
        ("address", "tcp://host", "such as tcp://host:8786"),
        ("timeout", 0.0, "runtime.timeout=0.0 cannot work"),
        ("workers", 2, "runtime.workers=2 cannot work; it takes null"),
    ],
)
def test_a_cluster_has_an_address_and_its_own_workers(key, value, message):
    start = changed(config("runtime=dask"), "runtime.address", "tcp://10.0.0.1:8786")
    check_config(start)
    assert_says(error_of(start, f"runtime.{key}", value), message)


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:8786", "tls://[fe80::1]:8786"])
def test_addresses_of_schedulers_are_taken_as_they_are_printed(address):
    check_config(changed(config("runtime=dask"), "runtime.address", address))


def error_of(start: Any, key: str, value: Any) -> UserError:
    with pytest.raises(UserError) as raised:
        check_config(changed(start, key, value))
    return raised.value


def test_every_calibration_is_accepted_with_every_threshold() -> None:
    methods = ("none", "sigmoid", "isotonic", "temperature")
    objectives = ("default", "max_f1", "cost", "min_recall")
    offered = [
        config(f"calibration={method}", f"threshold={objective}")
        for method, objective in zip(methods, objectives, strict=True)
    ]
    assert [each.calibration.method for each in offered] == list(methods)
    assert [each.threshold.objective for each in offered] == list(objectives)
    for one, other in product(offered, repeat=2):
        check_config(replace(one, threshold=other.threshold))


@pytest.mark.parametrize(
    ("key", "value", "valid"),
    [
        ("calibration.method", "platt", "none, sigmoid, isotonic, temperature"),
        ("threshold.objective", "f1", "default, max_f1, cost, min_recall"),
        ("threshold.costs", [[0, 1], [1, 0]], "only used with threshold.objective=cost"),
        ("threshold.min_recall", 0.9, "only used with threshold.objective=min_recall"),
        ("threshold.min_precision", 0.9, "only used with threshold.objective=min_recall"),
    ],
)
def test_a_value_that_cannot_work_is_refused(key: str, value: Any, valid: str) -> None:
    error = error_of(config(), key, value)
    assert isinstance(error, InvalidValueError)
    assert_says(error, f"{key}={value}", valid)


@pytest.mark.parametrize(
    ("costs", "valid"),
    [
        ([], "a row per true label"),
        ([[0]], "a row per true label"),
        ([[0, 1]], "a row per true label"),
        ([[0, 1], [1]], "a row per true label"),
        ([[0, 1], [1, 0], [1, 1]], "a row per true label"),
        ([[0, -1], [1, 0]], "finite numbers"),
        ([[0, nan], [1, 0]], "finite numbers"),
        ([[0, inf], [1, 0]], "finite numbers"),
        ([[0, "1"], [1, 0]], "finite numbers"),
        ([[0, True], [1, 0]], "finite numbers"),
        ([[0, None], [1, 0]], "finite numbers"),
        ([[1, 0], [0, 1]], "in row 1 less for the right label"),
        ([[0, 1], [2, 2]], "in row 2 less for the right label"),
        ([[0, 1, 0], [2, 0, 2], [1, 1, 0]], "in row 1 less"),
    ],
    ids=str,
)
def test_costs_are_a_square_in_which_errors_are_dearer(costs: Any, valid: str) -> None:
    assert_says(error_of(config("threshold=cost"), "threshold.costs", costs), valid)


def test_whole_numbers_and_others_are_costs() -> None:
    check_config(config("threshold=cost", "threshold.costs=[[0.5,1],[1e9,0]]"))


@pytest.mark.parametrize(("objective", "key"), [("cost", "costs"), ("min_recall", "min_recall")])
def test_an_objective_needs_its_option(objective: str, key: str) -> None:
    start = config(f"threshold={objective}")
    assert isinstance(error_of(start, f"threshold.{key}", None), MissingValueError)


@pytest.mark.parametrize(
    ("key", "value", "valid"),
    [("calibration.method", "sigmoid", "none"), ("threshold.objective", "max_f1", "default")],
)
def test_rows_in_time_leave_some_without_a_prediction(key: str, value: str, valid: str) -> None:
    start = config("cv=time_series")
    check_config(start)
    message = f"{key}={value} cannot work; it takes {valid} with cv=time_series"
    assert_says(error_of(start, key, value), message)
