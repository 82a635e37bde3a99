"""A calibration that does not fit its model is refused; one that does gives probabilities."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from xgboost import XGBClassifier

from tabproof.scorer import read_scorer
from tests.scorer.damage import files_of, refused, spec_of, with_spec
from tests.scorer.fitted import arrays_of, exported, pipeline_of, table, with_arrays

ROW = [40.0, 0, 20.0, 0.0, 0]


@cache
def forest() -> dict[str, bytes]:
    return exported(
        pipeline_of("ordinal", RandomForestClassifier(2, max_depth=2)), *table(60)
    ).files


@cache
def xgboost() -> dict[str, bytes]:
    estimator = XGBClassifier(n_estimators=2, max_depth=2, n_jobs=1)
    return exported(pipeline_of("ordinal", estimator), *table(60)).files


def calibrated(files: dict[str, bytes], **calibration: Any) -> dict[str, bytes]:
    return with_spec(files, {**spec_of(files), "calibration": calibration})


def temperature(of: str, factor: Any = 1.0) -> dict[str, Any]:
    return {"kind": "temperature", "of": of, "factor": factor}


@pytest.mark.parametrize(
    ("files", "given"),
    [
        (lambda: files_of("boosting"), {"sums", "probabilities"}),
        (forest, {"probabilities"}),
        (lambda: files_of("vote"), {"probabilities"}),
        (xgboost, {"probabilities_float32"}),
    ],
    ids=["boosting", "forest", "vote", "xgboost"],
)
def test_only_what_the_model_gives_can_be_calibrated(
    files: Callable[[], dict[str, bytes]], given: set[str]
) -> None:
    for of in ("sums", "probabilities", "probabilities_float32", "labels"):
        changed = calibrated(files(), **temperature(of))
        if of in given:
            assert sum(read_scorer(changed).predict_row(ROW)) == pytest.approx(1)
        else:
            refused(changed)


@pytest.mark.parametrize("factor", [0, -1, None, "1", True, [1]])
def test_a_temperature_must_be_above_zero(factor: Any) -> None:
    refused(calibrated(files_of("boosting"), **temperature("sums", factor)))


@pytest.mark.parametrize("factor", [1e-300, 1e300, 1.7e308])
def test_any_temperature_gives_probabilities(factor: float) -> None:
    scorer = read_scorer(calibrated(files_of("boosting"), **temperature("sums", factor)))
    proba = scorer.predict_row(ROW)
    assert all(0 <= p <= 1 for p in proba) or all(np.isnan(proba))


@pytest.mark.parametrize(("slopes", "intercepts"), [([], []), ([1.0, 1.0], [1.0]), ([1.0], [])])
def test_a_sigmoid_needs_a_slope_and_an_intercept_per_label(
    slopes: list[float], intercepts: list[float]
) -> None:
    spec = {"kind": "sigmoid", "of": "sums", "slopes": slopes, "intercepts": intercepts}
    assert "1 slopes" in refused(calibrated(files_of("boosting"), **spec))


def test_a_sigmoid_of_two_labels_does_not_fit_three() -> None:
    spec = spec_of(files_of("sigmoid"))
    assert "3 slopes" in refused(calibrated(files_of("isotonic"), **spec["calibration"]))


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
def test_an_isotonic_curve_must_rise_from_0_to_1(x: list[float], y: list[float]) -> None:
    points = {"calibration__1__x": np.array(x, float), "calibration__1__y": np.array(y, float)}
    assert "calibration.1" in refused(with_arrays(files_of("isotonic"), **points))


def test_where_every_label_gets_0_all_are_equally_likely() -> None:
    zeros = {
        name.replace(".", "__"): np.zeros_like(array)
        for name, array in arrays_of(files_of("isotonic")).items()
        if name.endswith(".y")
    }
    proba = read_scorer(with_arrays(files_of("isotonic"), **zeros)).predict_row(ROW)
    assert proba == [1 / 3, 1 / 3, 1 / 3]


def test_interpolation_that_ends_one_bit_above_1_gives_probabilities() -> None:
    x, y = np.array([0.32, 0.94]), np.array([0.2, 1.0])
    just_before = float(np.nextafter(0.94, 0))
    assert np.interp(just_before, x, y) > 1
    spec = {"kind": "isotonic", "of": "probabilities"}
    files = with_arrays(calibrated(forest(), **spec), calibration__0__x=x, calibration__0__y=y)
    scorer = read_scorer(files)
    found = scorer.calibration.apply(np.array([[1 - just_before, just_before]]))
    assert found.tolist() == [[0.0, 1.0]]
