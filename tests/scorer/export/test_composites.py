"""Exported votes and calibrated models have the bits of the pipeline."""

from collections.abc import Callable
from copy import deepcopy
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from numpy.testing import assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    ExtraTreesClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import RobustScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from tabproof.modeling import join_fitted, make_pipeline
from tabproof.scorer.encoding import CategoryEncoding
from tabproof.scorer.export import check_exportable, check_parity, export_pipeline
from tabproof.scorer.export.exporters import NotExportableError
from tabproof.scorer.export.parity import ScorerDiffersError, columns_of, hard_rows
from tabproof.scorer.format import read_files
from tests.scorer.fitted import (
    Exported,
    arrays_of,
    as_category,
    assert_equals_pipeline,
    boosting,
    changed_spec,
    exported,
    in_breadth,
    models_of,
    one_by_one,
    pipeline_of,
    small_vote,
    table,
    vote_of,
    with_arrays,
)


def forest(**parameters: Any) -> RandomForestClassifier:
    return RandomForestClassifier(**{"n_estimators": 3, "max_leaf_nodes": 8, **parameters})


def trees() -> dict[str, Pipeline]:
    """Return members whose bits are all fixed: no sum of theirs is BLAS's."""
    return {
        "boosting": pipeline_of("native", boosting(max_iter=3)),
        "forest": pipeline_of("ordinal", forest()),
        "extra": pipeline_of("onehot", ExtraTreesClassifier(3, max_leaf_nodes=8)),
        "tree": pipeline_of("target", DecisionTreeClassifier(max_leaf_nodes=8)),
    }


@cache
def vote_of_four(n_classes: int = 2) -> Exported:
    """Return a vote of trees; shared: tests must not change it."""
    return exported(vote_of(trees()), *table(n_rows=120, n_classes=n_classes, missing=False))


@pytest.mark.parametrize("n_classes", [3, *in_breadth(2)])
def test_equals_the_pipeline_to_the_bit(n_classes: int) -> None:
    assert_equals_pipeline(vote_of_four(n_classes))


@pytest.mark.parametrize(
    "weights", [[0, 3, 0.7, 2e-3], *in_breadth([1, 1, 1, 1], [3, 1, 0.7, 2e-3])], ids=str
)
def test_equals_the_weighted_pipeline_to_the_bit(weights: list[float]) -> None:
    assert_equals_pipeline(exported(vote_of(trees(), weights=weights), *table(n_rows=120)))


def test_equals_the_pipeline_with_a_linear_member() -> None:
    assert_equals_pipeline(small_vote(2, (0.2, 5.0, 1)), allowed=1e-12)


def test_members_are_added_in_the_order_of_scikit_learn() -> None:
    X, y = table(n_rows=60)
    members = [pipeline_of("ordinal", forest(random_state=i)).fit(X, y) for i in range(3)]
    # NumPy adds eight numbers or more in an order of its own.
    for n_members in (1, 7, 8, 17):
        chosen = {f"m{i}": members[i % 3] for i in range(n_members)}
        weights = np.random.default_rng(n_members).random(n_members)
        joined = join_fitted(chosen, dict(zip(chosen, weights, strict=True)))
        for given in (joined["clf"].weights, None):
            joined["clf"].weights = given
            case = Exported(joined, X, X, ("a", "b"), export_pipeline(joined, X, ["a", "b"]))
            columns, expected = columns_of(case.scorer, X), joined.predict_proba(X)
            assert_array_equal(case.scorer.predict_proba(columns), expected)
            alone = one_by_one(case.scorer, [column[:10] for column in columns])
            assert_array_equal(alone, expected[:10])


def test_trees_of_any_size_vote() -> None:
    members = {
        "deep": pipeline_of("ordinal", forest(max_leaf_nodes=None)),
        "small": pipeline_of("native", boosting(max_iter=2)),
    }
    X, y = table(n_rows=500)
    noisy = y ^ (np.random.default_rng(1).random(len(y)) < 0.3)
    case = exported(vote_of(members), X, noisy)
    assert arrays_of(case.files)["members.0.trees.n_nodes"].max() > 2 * 64
    assert_equals_pipeline(case)


def test_a_dropped_member_is_not_exported() -> None:
    members = {"a": pipeline_of("ordinal", forest()), "b": pipeline_of("onehot", forest())}
    pipeline = vote_of({**members, "c": members["a"]}, weights=[1, 2, 3])
    pipeline.set_params(clf__b="drop")
    check_exportable(pipeline)
    case = exported(pipeline, *table(n_rows=60))
    assert len(models_of(case.scorer)) == 2
    assert_equals_pipeline(case)


def test_columns_are_what_a_client_sends() -> None:
    case = small_vote()
    assert [column.name for column in case.scorer.columns] == list(case.X_train.columns)
    city, job = case.scorer.category_columns
    assert city.categories == ("", "None", "a_b", "nan", "東京")
    assert job.categories == ("a", "b")
    widths = [[e.width for e in model.encodings] for model in models_of(case.scorer)]
    assert widths == [[1, 1, 1, 1, 1], [1, 5, 1, 1, 2], [1, 1, 1, 1, 1]]


def test_members_may_know_other_categories() -> None:
    X, y = table(n_rows=150)
    few = X[X["都市"].isin(["東京", "nan"])]
    known = as_category(few["都市"]).set_axis(few.index)
    y_few = y[X["都市"].isin(["東京", "nan"])]
    members = {
        "all": pipeline_of("native", boosting(max_iter=3)).fit(X, y),
        "some": pipeline_of("native", boosting(max_iter=3)).fit(few.assign(都市=known), y_few),
        # Only here unseen is not what missing is.
        "line": pipeline_of("onehot", LogisticRegression()).fit(few.assign(都市=known), y_few),
    }
    joined = join_fitted(members, {"all": 1, "some": 2, "line": 0.5})
    case = Exported(joined, X, X, ("a", "b"), export_pipeline(joined, X, ["a", "b"]))
    assert len(case.scorer.category_columns[0].categories) == 5
    some = models_of(case.scorer)[1].encodings[1]
    assert isinstance(some, CategoryEncoding)
    assert np.isnan(some.codes[:3]).all(), "unseen by this member, as by its pipeline"
    assert_equals_pipeline(case, allowed=1e-12)


def test_the_same_vote_gives_the_same_bytes() -> None:
    weights = (1, 1, 2)
    assert small_vote(2, weights).files == small_vote.__wrapped__(2, weights).files
    assert small_vote(2, (0.2, 5.0, 1)).files != small_vote(2, weights).files


def test_hard_rows_reach_the_nodes_of_every_member() -> None:
    case, rng = vote_of_four(3), np.random.default_rng(0)
    whats = [what for what, _ in hard_rows(case.scorer, case.X_test, rng, whole=False)]
    assert whats.count("rows on thresholds and next to them") == 4
    assert whats.count("rows that lack what a node tests") == 4


def test_extreme_numbers_are_accepted_by_every_member() -> None:
    # Boosting takes any, forests refuse what 32 bits do not hold: nothing would be compared.
    case = vote_of_four(3)
    for what, frame in hard_rows(case.scorer, case.X_test, np.random.default_rng(0), whole=True):
        if what == "rows with extreme numbers":
            assert frame["age"].abs().max() > 1e29
            case.pipeline.predict_proba(frame)


@pytest.fixture(scope="module")
def case() -> Exported:
    return small_vote(2, (1, 1, 2))


def test_a_changed_array_of_a_member_is_found(case: Exported) -> None:
    for array in (
        *("members.0.trees.values", "members.0.trees.missing_left", "members.0.codes.1"),
        *("members.1.coefficients", "members.1.intercepts", "members.1.codes.4"),
        *("members.2.trees.threshold", "members.2.trees.values"),
    ):
        found = arrays_of(case.files)[array]
        changed = 1 - found if found.dtype == np.uint8 else np.nan_to_num(found) + 0.001
        files = with_arrays(case.files, **{array.replace(".", "__"): changed})
        with pytest.raises(ScorerDiffersError):
            check_parity(case.pipeline, files, case.X_test, seed=0)


def test_changed_weights_and_steps_of_a_member_are_found(case: Exported) -> None:
    def change_weight(content: Any, index: int) -> None:
        content["model"]["members"][index]["weight"] += 1e-6

    changes = [partial(change_weight, index=index) for index in range(3)]
    changes.append(lambda content: content["model"]["members"][1]["steps"][0].pop())
    for change in changes:
        with pytest.raises(ScorerDiffersError):
            check_parity(case.pipeline, changed_spec(case.files, change), case.X_test, seed=0)


def test_a_row_alone_has_the_bits_of_a_batch(case: Exported) -> None:
    columns = columns_of(case.scorer, case.X_train)
    batch = case.scorer.predict_proba(columns)
    assert_array_equal(one_by_one(case.scorer, columns), batch)
    assert_array_equal(case.scorer.predict_proba([c[-3:] for c in columns]), batch[-3:])


def refused(pipeline: Pipeline, **options: Any) -> str:
    with pytest.raises(NotExportableError) as caught:
        check_exportable(pipeline, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


LINE = {"line": pipeline_of("onehot", LogisticRegression())}  # not fitted


@pytest.mark.parametrize(
    ("pipeline", "words"),
    [
        (vote_of(LINE, voting="hard"), "model.estimator.voting=hard"),
        (vote_of(LINE, weights=[-1]), "model.estimator.weights below zero"),
        (vote_of({"x": LogisticRegression()}), "model.members.x: LogisticRegression"),  # type: ignore[dict-item]
        (vote_of({"x": vote_of(LINE)}), "model.members.x: a vote among members of a vote"),
        (
            vote_of({**LINE, "x": pipeline_of("onehot", GaussianNB())}),
            "model.members.x.model.estimator: GaussianNB",
        ),
        (
            vote_of({"x": make_pipeline({"a": RobustScaler()}, {}, forest(), seed=0)}),
            "model.members.x.preprocess.numeric: RobustScaler",
        ),
        (
            pipeline_of("onehot", VotingClassifier([*LINE.items()], voting="soft")),
            "preprocess before a vote",
        ),
        (
            make_pipeline({}, {}, StackingClassifier([*LINE.items()]), seed=0),
            "model.estimator: StackingClassifier",
        ),
    ],
)
def test_a_vote_that_cannot_be_exported_is_refused_by_its_key(
    pipeline: Pipeline, words: str
) -> None:
    assert f"{words} cannot be exported" in refused(pipeline)


def test_members_under_another_key_are_refused_by_that_key() -> None:
    message = refused(pipeline_of("onehot", GaussianNB()), within="search.members.bayes")
    assert "search.members.bayes.model.estimator: GaussianNB cannot be exported" in message


METHODS = ("sigmoid", "isotonic", "temperature")


def calibrated_forest() -> RandomForestClassifier:
    return RandomForestClassifier(5, max_leaf_nodes=8, random_state=0)


def calibrated_vote() -> Pipeline:
    members = {
        "boosting": pipeline_of("native", boosting(max_iter=3)),
        "linear": pipeline_of("onehot", LogisticRegression()),
        "forest": pipeline_of("ordinal", calibrated_forest()),
    }
    return vote_of(members, weights=[1, 0.3, 2])


def small_catboost() -> CatBoostClassifier:
    return CatBoostClassifier(
        iterations=5, depth=3, verbose=0, thread_count=1, allow_writing_files=False
    )


# The allowed difference is that of the model, which a steep curve magnifies.
CALIBRATED: dict[str, tuple[Callable[[], Pipeline], float]] = {
    "hgb": (lambda: pipeline_of("native", boosting(max_iter=5)), 0.0),
    "linear": (lambda: pipeline_of("onehot", LogisticRegression()), 1e-12),
    "forest": (lambda: pipeline_of("ordinal", calibrated_forest()), 0.0),
    "vote": (calibrated_vote, 1e-12),
    "lightgbm": (
        lambda: pipeline_of("native", LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1)),
        0.0,
    ),
    "xgboost": (
        lambda: pipeline_of("ordinal", XGBClassifier(n_estimators=5, max_depth=3, n_jobs=1)),
        0.0,
    ),
    "catboost": (lambda: pipeline_of("ordinal", small_catboost()), 1e-12),
}
SUMS = {"hgb", "linear", "lightgbm"}


@cache
def calibrated(name: str, method: str, n_classes: int) -> Exported:
    """Return a calibrated model; shared: tests must not change it."""
    return exported(CALIBRATED[name][0](), *table(120, n_classes), calibration=method)


# Each model with one method, then with the others; with two labels and three in turns.
TURNS = [
    [(name, METHODS[(place + turn) % 3], 2 + place % 2) for place, name in enumerate(CALIBRATED)]
    for turn in range(3)
]


@pytest.mark.parametrize("chosen", [*TURNS[0], *in_breadth(*TURNS[1], *TURNS[2])], ids=str)
def test_equals_the_calibrated_pipeline(chosen: tuple[str, str, int]) -> None:
    case, (name, *_) = calibrated(*chosen), chosen
    assert isinstance(case.pipeline, CalibratedClassifierCV)
    assert_equals_pipeline(case, allowed=CALIBRATED[name][1])
    assert check_parity(case.pipeline, case.files, case.X_test, seed=0).allowed == 1e-6
    spec, _ = read_files(case.files)
    assert spec.calibration is not None
    others = {"xgboost": "probabilities_float32"}
    assert spec.calibration.of == ("sums" if name in SUMS else others.get(name, "probabilities"))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_isotonic_curves_at_their_points_and_near_them(n_classes: int) -> None:
    case = calibrated("forest", "isotonic", n_classes)
    (pair,) = case.pipeline.calibrated_classifiers_
    curve = case.scorer.calibration.apply
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


def test_a_row_whose_sums_look_like_probabilities_has_the_bits_of_a_batch() -> None:
    # scikit-learn takes sums of one row, all from 0 to 1 and 1 together, for probabilities.
    case = calibrated("linear", "temperature", 3)
    calibration = case.scorer.calibration
    alone = calibration.apply(np.array([[0.2, 0.3, 0.5]]))
    batch = calibration.apply(np.array([[0.2, 0.3, 0.5], [4.0, -2.0, 0.0]]))
    assert_array_equal(alone[0], batch[0])


def with_slope(content: Any) -> None:
    content["calibration"]["slopes"][0] *= 1.0001


def with_other_answers(content: Any) -> None:
    content["calibration"]["of"] = "probabilities"


@pytest.mark.parametrize("change", [with_slope, with_other_answers])
def test_a_changed_calibration_is_found(change: Callable[[Any], None]) -> None:
    case = calibrated("hgb", "sigmoid", 2)
    with pytest.raises(ScorerDiffersError):
        check_parity(case.pipeline, changed_spec(case.files, change), case.X_test, seed=0)


def test_a_changed_isotonic_curve_is_found() -> None:
    case = calibrated("forest", "isotonic", 2)
    y = arrays_of(case.files)["calibration.0.y"]
    y[len(y) // 2 :] = 1.0
    files = with_arrays(case.files, calibration__0__y=y)
    with pytest.raises(ScorerDiffersError):
        check_parity(case.pipeline, files, case.X_test, seed=0)


def test_a_changed_model_is_found_where_calibration_hides_it() -> None:
    # Nearly flat: a model that is wrong by 1e-9 is calibrated to within 1e-6 of the right one.
    case = calibrated("hgb", "temperature", 2)

    def flatten(content: Any) -> None:
        content["calibration"]["factor"] = 1e-9

    def shift(content: Any) -> None:
        flatten(content)
        content["model"]["baseline"][0] += 1e-9

    flat = deepcopy(case.pipeline)
    flat.calibrated_classifiers_[0].calibrators[0].beta_ = 1e-9
    check_parity(flat, changed_spec(case.files, flatten), case.X_test, seed=0)
    with pytest.raises(ScorerDiffersError):
        check_parity(flat, changed_spec(case.files, shift), case.X_test, seed=0)


@pytest.mark.parametrize(
    "chosen",
    [("hgb", None), ("forest", "isotonic"), *in_breadth(("forest", None), ("hgb", "isotonic"))],
    ids=str,
)
def test_labels_are_decided_above_thresholds_and_near_them(
    chosen: tuple[str, str | None],
) -> None:
    name, calibration = chosen
    case = exported(CALIBRATED[name][0](), *table(120), calibration=calibration)
    proba = case.pipeline.predict_proba(case.X_test)
    columns = columns_of(case.scorer, case.X_test)
    for tie in np.unique(proba[:, 1])[::12].tolist():
        for threshold in (tie, float(np.nextafter(tie, -1)), float(np.nextafter(tie, 2))):
            files = export_pipeline(case.pipeline, case.X_train, case.labels, threshold=threshold)
            scorer = Exported(case.pipeline, case.X_train, case.X_test, case.labels, files).scorer
            codes = scorer.codes_of(scorer.predict_proba(columns))
            alone = [scorer.label_of(p) for p in one_by_one(scorer, columns).tolist()]
            assert alone == [case.labels[code] for code in codes]
            assert_array_equal(codes, (proba[:, 1] > threshold).astype(int))
