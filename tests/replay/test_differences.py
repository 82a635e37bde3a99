"""Each difference is found, and named so that somebody can act on it."""

import math
from typing import Any

import numpy as np
import pytest

from tabproof.replay import differences
from tests.artifacts.making import predictions


def fingerprint(sha256: str, **columns: str) -> dict[str, Any]:
    return {"sha256": sha256, "columns": columns}


ONE = fingerprint("1", a="x", b="y", target="z")


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (ONE, []),
        (fingerprint("2", a="x", b="Y", target="z"), ["changed in 'b'"]),
        (fingerprint("2", a="X", b="Y", target="Z"), ["changed in all 3 columns"]),
        (fingerprint("2", a="x", target="z"), ["no longer there: 'b'"]),
        (fingerprint("2", a="x", b="y", target="z", c="w"), ["new: 'c'"]),
        (fingerprint("2", b="y", a="x", target="z"), ["the order of columns"]),
    ],
)
def test_differing_columns_are_named(now: dict[str, Any], said: list[str]) -> None:
    assert differences.data_differences(ONE, now, 9, 9) == said


def test_numbers_and_places_of_rows_are_compared() -> None:
    now = fingerprint("2", a="x", b="y", target="Z")
    found = differences.data_differences(ONE, now, 1200, 1100)
    assert found == ["1,200 rows, now 1,100", "changed in 'target'"]
    (places,) = differences.data_differences(ONE, {**ONE, "sha256": "2"}, 9, 9)
    assert "the columns are the same" in places


def test_a_run_without_column_hashes_has_only_new_columns() -> None:
    found = differences.data_differences({"sha256": "0"}, ONE, None, 9)
    assert found == ["new: 'a', 'b', 'target'"]


def test_many_columns_are_counted() -> None:
    now = fingerprint("2", **{f"c{i}": "" for i in range(40)})
    (line,) = differences.data_differences(fingerprint("1"), now, 1, 1)
    assert line.endswith("'c11', … (40 in all)")


def test_versions_and_platforms_are_shown_with_both_values() -> None:
    assert differences.fact_differences({"a": "1", "b": "2"}, {"a": "1", "b": "3"}) == [
        "b 2, now 3"
    ]
    assert differences.fact_differences({"mine": "0123456789" * 5}, {}) == [
        "mine 0123456789012345678901234567890123456789, now absent"
    ]
    one, two = {"simd": ["SSE", "AVX"], "libc": "g"}, {"simd": ["SSE", "NEON"], "libc": "g"}
    assert differences.fact_differences(one, two) == ["simd: AVX only there, NEON only here"]
    assert differences.fact_differences({"libc": "g"}, {"libc": "m"}) == ["libc g, now m"]


def test_numbers_are_compared_to_the_last_digit_and_nan_equals_nan() -> None:
    accuracy = 0.1 + 0.2
    then = {"metrics": {"accuracy": 0.3, "auc": math.nan}, "best_params": {"clf__C": 1}}
    same = {"metrics": {"accuracy": 0.3, "auc": math.nan}, "best_params": {"clf__C": 1}}
    assert differences.number_differences(then, same) == []
    assert differences.recorded_numbers(then).keys() == {
        "metrics.accuracy",
        "metrics.auc",
        "best_params.clf__C",
    }
    now = {"metrics": {"accuracy": accuracy}, "best_params": {"clf__C": 1.0, "clf__new": 1}}
    assert differences.number_differences(then, now) == [
        "metrics.accuracy 0.3, now 0.30000000000000004",
        "metrics.auc NaN, now absent",
        "best_params.clf__C 1, now 1.0",
    ]


def test_new_numbers_and_a_missing_scorer_are_no_difference() -> None:
    then = {"metrics": {"auc": 1.0}, "parity": {"largest": 1e-16}}
    now = {"metrics": {"auc": 1.0, "kappa": 0.5}, "parity": None, "best_score": 1.0}
    assert differences.number_differences(then, now) == []
    (found,) = differences.number_differences(then, {**now, "parity": {"largest": 1e-15}})
    assert found == "parity.largest 1e-16, now 1e-15"


PROBA = np.array([[0.25, 0.75], [1.0, 0.0], [0.5, 0.5], [np.nan, 1.0]])


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (predictions(PROBA), []),
        (
            predictions(np.add(PROBA, [[0, 0], [0, 1e-16], [0, 0], [0, 0]])),
            ["1 of 4 rows, by up to 1e-16"],
        ),
        (predictions(PROBA, truth=("no", "yes", "no", "no")), ["the true labels"]),
        (
            predictions(PROBA, labels=("no", "maybe")),
            ["columns row_id, y_true, proba_no, proba_ye"],
        ),
        (predictions(PROBA, row_ids=[3, 2, 1, 0]), ["the rows held out are the same, in another"]),
        (
            predictions(PROBA[:3], truth=("no",) * 3, row_ids=[0, 1, 9]),
            ["4 rows held out, now 3, of which 2 the same"],
        ),
    ],
)
def test_predictions_are_compared_value_by_value(now: bytes, said: list[str]) -> None:
    found = differences.prediction_differences(predictions(PROBA), now)
    assert len(found) == len(said)
    assert all(line.startswith(begins) for line, begins in zip(found, said, strict=True))


def test_every_differing_place_of_the_evaluation_is_named() -> None:
    then = b'{"metrics": {"f1": {"value": 0.5}}, "slices": [{"column": "sex"}]}'
    now = b'{"metrics": {"f1": {"value": 0.25}}, "slices": [{"column": "sex"}, {"column": "race"}]}'
    assert differences.evidence_differences(then, then) == []
    assert differences.evidence_differences(then, now) == [
        "metrics.f1.value 0.5, now 0.25",
        'slices[1].column absent, now "race"',
    ]


@pytest.mark.parametrize(
    ("then", "now", "largest"),
    [
        ({"a": [0.5, None, "x"]}, {"a": [0.5, None, "x"]}, 0),
        ({"a": [0.5, 2]}, {"a": [0.25, 2]}, 0.25),
        # Of its size, above 1.
        ([1000.0], [1001.0], 0.001),
        ([math.nan, math.inf], [math.nan, math.inf], 0),
        ([0.5], [math.nan], math.inf),
        # Counts, texts and places differ or not.
        ([2], [3], math.inf),
        (["a"], ["b"], math.inf),
        ({"a": 0.5}, {"b": 0.5}, math.inf),
        ([0.5], [0.5, 0.5], math.inf),
    ],
)
def test_the_largest_difference_is_that_of_floats(then: Any, now: Any, largest: float) -> None:
    assert differences.largest_difference(then, now) == largest
