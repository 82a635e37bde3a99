"""A calibrated model as data gives what CalibratedClassifierCV gives, whatever is calibrated."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from numpy.testing import assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from xgboost import XGBClassifier

from tabproof.modeling import with_threshold
from tabproof.scorer.errors import ScorerDiffersError
from tabproof.scorer.export import check_parity, export_pipeline
from tabproof.scorer.export.parity import columns_of
from tabproof.scorer.form import read_files
from tests.scorer.fitted import (
    Exported,
    arrays_of,
    assert_equals_pipeline,
    boosting,
    changed_spec,
    exported,
    one_by_one,
    pipeline_of,
    table,
    vote_of,
    with_arrays,
)

METHODS = ("sigmoid", "isotonic", "temperature")


def forest() -> RandomForestClassifier:
    return RandomForestClassifier(5, max_leaf_nodes=8, random_state=0)


def vote() -> Pipeline:
    members = {
        "boosting": pipeline_of("native", boosting(max_iter=3)),
        "linear": pipeline_of("onehot", LogisticRegression()),
        "forest": pipeline_of("ordinal", forest()),
    }
    return vote_of(members, weights=[1, 0.3, 2])


def catboost() -> CatBoostClassifier:
    return CatBoostClassifier(
        iterations=5, depth=3, verbose=0, thread_count=1, allow_writing_files=False
    )


# How far apart: as the models themselves, and what a steep line makes of it.
MODELS: dict[str, tuple[Callable[[], Pipeline], float]] = {
    "hgb": (lambda: pipeline_of("native", boosting(max_iter=5)), 0.0),
    "linear": (lambda: pipeline_of("onehot", LogisticRegression()), 1e-12),
    "forest": (lambda: pipeline_of("ordinal", forest()), 0.0),
    "vote": (vote, 1e-12),
    "lightgbm": (
        lambda: pipeline_of("native", LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1)),
        0.0,
    ),
    "xgboost": (
        lambda: pipeline_of("ordinal", XGBClassifier(n_estimators=5, max_depth=3, n_jobs=1)),
        0.0,
    ),
    "catboost": (lambda: pipeline_of("ordinal", catboost()), 1e-12),
}
SUMS = {"hgb", "linear", "lightgbm"}


def case_of(name: str, method: str, n_classes: int, n_rows: int = 120) -> Exported:
    return exported(MODELS[name][0](), *table(n_rows, n_classes), calibration=method)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", MODELS)
def test_equals_the_calibrated_pipeline(name: str, method: str, n_classes: int) -> None:
    case = case_of(name, method, n_classes)
    assert isinstance(case.pipeline, CalibratedClassifierCV)
    assert_equals_pipeline(case, allowed=MODELS[name][1])
    assert check_parity(case.pipeline, case.files, case.X_test, seed=0).allowed == 1e-6


@pytest.mark.parametrize("name", MODELS)
def test_what_is_calibrated_is_what_scikit_learn_asks_for(name: str) -> None:
    spec, _ = read_files(case_of(name, "sigmoid", 2, 90).files)
    assert spec.calibration is not None
    others = {"xgboost": "probabilities_float32"}
    assert spec.calibration.of == ("sums" if name in SUMS else others.get(name, "probabilities"))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_on_the_points_of_a_staircase_and_beside_them(n_classes: int) -> None:
    case = case_of("forest", "isotonic", n_classes)
    (pair,) = case.pipeline.calibrated_classifiers_
    curve = case.scorer._calibration._calibrate
    for place, calibrator in enumerate(pair.calibrators):
        x = calibrator.X_thresholds_
        tried = np.concatenate([x, np.nextafter(x, -1), np.nextafter(x, 2), [-1e300, 1e300, 0.5]])
        answered = np.full((len(tried), n_classes), 0.3)
        answered[:, 1 if n_classes == 2 else place] = tried
        parts = answered[:, 1:] if n_classes == 2 else answered
        each = np.stack(
            [c.predict(p) for c, p in zip(pair.calibrators, parts.T, strict=True)], axis=1
        )
        if n_classes == 2:
            expected = np.concatenate([1 - each, each], axis=1)
        else:
            expected = each / each.sum(axis=1, keepdims=True)
        found = curve(answered)
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-16)
        assert ((found >= 0) & (found <= 1)).all()


def test_a_row_has_the_bits_of_a_batch_where_it_would_look_like_probabilities() -> None:
    # scikit-learn takes sums of one row, all from 0 to 1 and 1 together, for probabilities.
    case = case_of("linear", "temperature", 3)
    calibration = case.scorer._calibration
    alone = calibration._calibrate(np.array([[0.2, 0.3, 0.5]]))
    batch = calibration._calibrate(np.array([[0.2, 0.3, 0.5], [4.0, -2.0, 0.0]]))
    assert_array_equal(alone[0], batch[0])


def with_slope(content: Any) -> None:
    content["calibration"]["slopes"][0] *= 1.0001


def with_other_answers(content: Any) -> None:
    content["calibration"]["of"] = "probabilities"


@pytest.mark.parametrize("change", [with_slope, with_other_answers])
def test_another_calibration_is_found(change: Callable[[Any], None]) -> None:
    case = case_of("hgb", "sigmoid", 2)
    with pytest.raises(ScorerDiffersError):
        check_parity(case.pipeline, changed_spec(case.files, change), case.X_test, seed=0)


def test_another_staircase_is_found() -> None:
    case = case_of("forest", "isotonic", 2)
    y = arrays_of(case.files)["calibration.0.y"]
    y[len(y) // 2 :] = 1.0
    files = with_arrays(case.files, calibration__0__y=y)
    with pytest.raises(ScorerDiffersError):
        check_parity(case.pipeline, files, case.X_test, seed=0)


def test_a_wrong_model_is_found_where_calibration_hides_it() -> None:
    # Nearly flat: a model that is wrong by 1e-9 is calibrated to within 1e-6 of the right one.
    case = case_of("hgb", "temperature", 2)

    def flatten(content: Any) -> None:
        content["calibration"]["factor"] = 1e-9

    def shift(content: Any) -> None:
        flatten(content)
        content["model"]["baseline"][0] += 1e-9

    case.pipeline.calibrated_classifiers_[0].calibrators[0].beta_ = 1e-9
    check_parity(case.pipeline, changed_spec(case.files, flatten), case.X_test, seed=0)
    with pytest.raises(ScorerDiffersError):
        check_parity(case.pipeline, changed_spec(case.files, shift), case.X_test, seed=0)


@pytest.mark.parametrize("name", ["hgb", "forest"])
@pytest.mark.parametrize("calibration", [None, "isotonic"])
def test_labels_are_those_of_the_estimator_at_ties_too(name: str, calibration: str | None) -> None:
    case = exported(MODELS[name][0](), *table(), calibration=calibration)
    proba = case.pipeline.predict_proba(case.X_test)
    columns = columns_of(case.scorer, case.X_test)
    for tie in np.unique(proba[:, 1])[::9].tolist():
        for threshold in (tie, float(np.nextafter(tie, -1)), float(np.nextafter(tie, 2))):
            estimator = with_threshold(case.pipeline, threshold)
            files = export_pipeline(case.pipeline, case.X_train, case.labels, threshold=threshold)
            scorer = Exported(estimator, case.X_train, case.X_test, case.labels, files).scorer
            codes = scorer.codes_of(scorer.predict_proba(columns))
            assert_array_equal(codes, estimator.predict(case.X_test))
            alone = [scorer.label_of(p) for p in one_by_one(scorer, columns).tolist()]
            assert alone == [case.labels[code] for code in codes]
            assert_array_equal(codes, (proba[:, 1] > threshold).astype(int))
