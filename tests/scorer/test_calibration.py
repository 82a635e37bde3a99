"""A calibration that does not fit its model is refused; one that does gives probabilities."""

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from xgboost import XGBClassifier

from tabproof.scorer import read_scorer
from tests.scorer.damage import BOOSTING, ISOTONIC, SIGMOID, VOTE, refused, spec_of, with_spec
from tests.scorer.fitted import arrays_of, exported, pipeline_of, table, with_arrays

FOREST = exported(pipeline_of("ordinal", RandomForestClassifier(2, max_depth=2)), *table(60)).files
XGBOOST = exported(
    pipeline_of("ordinal", XGBClassifier(n_estimators=2, max_depth=2, n_jobs=1)), *table(60)
).files
ROW = [40.0, 0, 20.0, 0.0, 0]


def calibrated(files: dict[str, bytes], **calibration: Any) -> dict[str, bytes]:
    return with_spec(files, {**spec_of(files), "calibration": calibration})


def temperature(of: str, factor: Any = 1.0) -> dict[str, Any]:
    return {"kind": "temperature", "of": of, "factor": factor}


@pytest.mark.parametrize("files", [BOOSTING, FOREST, VOTE, XGBOOST], ids=str)
@pytest.mark.parametrize("of", ["sums", "probabilities", "probabilities_float32", "labels"])
def test_what_is_calibrated_is_what_the_model_gives(files: dict[str, bytes], of: str) -> None:
    given = {
        id(BOOSTING): {"sums", "probabilities"},
        id(FOREST): {"probabilities"},
        id(VOTE): {"probabilities"},
        id(XGBOOST): {"probabilities_float32"},
    }[id(files)]
    damaged = calibrated(files, **temperature(of))
    if of in given:
        assert sum(read_scorer(damaged).predict_row(ROW)) == pytest.approx(1)
    else:
        refused(damaged)


@pytest.mark.parametrize("factor", [0, -1, None, "1", True, [1]])
def test_a_temperature_is_above_zero(factor: Any) -> None:
    refused(calibrated(BOOSTING, **temperature("sums", factor)))


@pytest.mark.parametrize("factor", [1e-300, 1e300, 1.7e308])
def test_any_temperature_gives_probabilities(factor: float) -> None:
    scorer = read_scorer(calibrated(BOOSTING, **temperature("sums", factor)))
    proba = scorer.predict_row(ROW)
    assert all(0 <= p <= 1 for p in proba) or all(np.isnan(proba))


@pytest.mark.parametrize(("slopes", "intercepts"), [([], []), ([1.0, 1.0], [1.0]), ([1.0], [])])
def test_a_sigmoid_has_a_slope_and_an_intercept_of_each_label(
    slopes: list[float], intercepts: list[float]
) -> None:
    spec = {"kind": "sigmoid", "of": "sums", "slopes": slopes, "intercepts": intercepts}
    assert "1 slopes" in refused(calibrated(BOOSTING, **spec))


def test_sums_of_three_labels_are_not_calibrated_like_those_of_two() -> None:
    spec = spec_of(SIGMOID)
    assert "3 slopes" in refused(calibrated(ISOTONIC, **spec["calibration"]))


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([0, 1], [0.5]),
        ([], []),
        ([0, 0], [0.1, 0.2]),
        ([1, 0], [0.1, 0.2]),
        ([0, 1], [0.2, 0.1]),
        ([0, 1], [-0.1, 0.2]),
        ([0, 1], [0.1, 1.1]),
        ([0, np.inf], [0.1, 0.2]),
        ([0, np.nan], [0.1, 0.2]),
        ([0, 1], [0.1, np.nan]),
    ],
)
def test_a_staircase_rises_from_0_to_1(x: list[float], y: list[float]) -> None:
    points = {"calibration__1__x": np.array(x, float), "calibration__1__y": np.array(y, float)}
    assert "calibration.1" in refused(with_arrays(ISOTONIC, **points))


def test_where_every_label_is_told_to_be_impossible_all_are_alike() -> None:
    zeros = {
        name.replace(".", "__"): np.zeros_like(array)
        for name, array in arrays_of(ISOTONIC).items()
        if name.endswith(".y")
    }
    proba = read_scorer(with_arrays(ISOTONIC, **zeros)).predict_row(ROW)
    assert proba == [1 / 3, 1 / 3, 1 / 3]


def test_a_line_that_ends_a_bit_above_one_gives_probabilities() -> None:
    x, y = np.array([0.32, 0.94]), np.array([0.2, 1.0])
    just_before = float(np.nextafter(0.94, 0))
    assert np.interp(just_before, x, y) > 1
    spec = {"kind": "isotonic", "of": "probabilities"}
    files = with_arrays(calibrated(FOREST, **spec), calibration__0__x=x, calibration__0__y=y)
    scorer = read_scorer(files)
    found = scorer._calibration._calibrate(np.array([[1 - just_before, just_before]]))
    assert found.tolist() == [[0.0, 1.0]]
