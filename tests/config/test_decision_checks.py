from math import inf, nan
from typing import Any

import pytest

from tabproof.config import check_config
from tabproof.config.errors import NoPartitionError
from tabproof.errors import InvalidValueError, MissingValueError, UserError
from tests.config.composing import assert_says, changed, config, refusal


def error_of(start: Any, key: str, value: Any) -> UserError:
    with pytest.raises(UserError) as raised:
        check_config(changed(start, key, value))
    return raised.value


@pytest.mark.parametrize("method", ["none", "sigmoid", "isotonic", "temperature"])
@pytest.mark.parametrize("threshold", ["default", "max_f1", "cost", "min_recall"])
def test_what_conf_offers_is_accepted(method: str, threshold: str) -> None:
    check_config(config(f"calibration={method}", f"threshold={threshold}"))


@pytest.mark.parametrize(
    ("key", "value", "valid"),
    [
        ("calibration.method", "platt", "none, sigmoid, isotonic, temperature"),
        ("calibration.n_splits", 1, "2 or more"),
        ("threshold.objective", "f1", "default, max_f1, cost, min_recall"),
        ("threshold.n_splits", 0, "2 or more"),
        ("threshold.costs", [[0, 1], [1, 0]], "null here: threshold.objective=cost"),
        ("threshold.min_recall", 0.9, "null here: threshold.objective=min_recall"),
        ("threshold.min_precision", 0.9, "null here: threshold.objective=min_recall"),
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
        ([[0, 1], [2, 2]], "in row 2 less for the right label, number 2"),
        ([[0, 1, 0], [2, 0, 2], [1, 1, 0]], "in row 1 less"),
    ],
    ids=str,
)
def test_costs_are_a_square_in_which_errors_are_dearer(costs: Any, valid: str) -> None:
    assert_says(error_of(config("threshold=cost"), "threshold.costs", costs), valid)


@pytest.mark.parametrize("costs", ["[[0,1],[5,0]]", "[[0.5,1],[1e9,0]]"])
def test_whole_numbers_and_others_are_costs(costs: str) -> None:
    check_config(config("threshold=cost", f"threshold.costs={costs}"))


@pytest.mark.parametrize(("objective", "key"), [("cost", "costs"), ("min_recall", "min_recall")])
def test_an_objective_needs_its_option(objective: str, key: str) -> None:
    start = config(f"threshold={objective}")
    assert isinstance(error_of(start, f"threshold.{key}", None), MissingValueError)


@pytest.mark.parametrize("key", ["threshold.min_recall", "threshold.min_precision"])
@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, nan])
def test_a_share_is_above_0_and_at_most_1(key: str, share: float) -> None:
    assert_says(error_of(config("threshold=min_recall"), key, share), "more than 0, at most 1")


@pytest.mark.parametrize(
    ("asked", "none"),
    [("calibration=sigmoid", "calibration.method=none"),
     ("threshold=max_f1", "threshold.objective=default")],
)  # fmt: skip
def test_rows_in_time_leave_some_without_a_prediction(asked: str, none: str) -> None:
    error = refusal(asked, "cv=time_series")
    assert isinstance(error, NoPartitionError)
    assert_says(error, "time_series", f"take {none}")
