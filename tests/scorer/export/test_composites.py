"""A vote as data gives what VotingClassifier gives, whatever its members and their weights."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
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

from tabproof.modeling import join_fitted, make_pipeline
from tabproof.scorer.encoding import CategoryEncoding
from tabproof.scorer.errors import NotExportableError, ScorerDiffersError
from tabproof.scorer.export import check_exportable, check_parity, export_pipeline
from tabproof.scorer.export.parity import columns_of, hard_rows, parts_of
from tests.scorer.fitted import (
    Exported,
    arrays_of,
    as_category,
    assert_equals_pipeline,
    boosting,
    changed_spec,
    exported,
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
    """Give members whose bits are all fixed: no sum of theirs is BLAS's."""
    return {
        "boosting": pipeline_of("native", boosting(max_iter=3)),
        "forest": pipeline_of("ordinal", forest()),
        "extra": pipeline_of("onehot", ExtraTreesClassifier(3, max_leaf_nodes=8)),
        "tree": pipeline_of("target", DecisionTreeClassifier(max_leaf_nodes=8)),
    }


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("missing", [True, False], ids=["missing", "complete"])
@pytest.mark.parametrize("weights", [None, [1, 1, 1, 1], [3, 1, 0.7, 2e-3], [0, 0, 1, 2]], ids=str)
def test_equals_the_pipeline_to_the_bit(weights: Any, missing: bool, n_classes: int) -> None:
    case = exported(
        vote_of(trees(), weights=weights),
        *table(n_rows=150, n_classes=n_classes, missing=missing),
    )
    assert_equals_pipeline(case)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("weights", [None, [0.2, 5.0, 1]], ids=str)
def test_equals_the_pipeline_with_a_linear_member(weights: Any, n_classes: int) -> None:
    assert_equals_pipeline(small_vote(n_classes, weights=weights), allowed=1e-12)


@pytest.mark.parametrize("n_members", [1, 2, 7, 8, 9, pytest.param(17, marks=pytest.mark.slow)])
def test_any_number_of_members_is_added_up_the_same_way(n_members: int) -> None:
    # From eight numbers on, numpy may add in an order of its own.
    weights = np.random.default_rng(n_members).random(n_members).tolist()
    members = {f"m{i}": pipeline_of("ordinal", forest(random_state=i)) for i in range(n_members)}
    for chosen in (None, weights):
        assert_equals_pipeline(exported(vote_of(members, weights=chosen), *table(n_rows=60)))


def test_trees_of_any_size_vote() -> None:
    members = {
        "deep": pipeline_of("ordinal", forest(max_leaf_nodes=None)),
        "small": pipeline_of("native", boosting(max_iter=2)),
    }
    X, y = table(n_rows=900)
    noisy = y ^ (np.random.default_rng(1).random(len(y)) < 0.3)
    case = exported(vote_of(members), X, noisy)
    assert arrays_of(case.files)["members.0.trees.n_nodes"].max() > 2 * 64
    assert_equals_pipeline(case)


def test_a_member_that_a_search_dropped_has_no_say() -> None:
    pipeline = vote_of(trees(), weights=[1, 2, 3, 4]).set_params(clf__forest="drop")
    check_exportable(pipeline)
    case = exported(pipeline, *table(n_rows=150))
    assert len(parts_of(case.scorer, case.files)) == 3
    assert_equals_pipeline(case)


def test_columns_are_what_a_client_sends() -> None:
    case = small_vote()
    assert [column.name for column in case.scorer.columns] == list(case.X_train.columns)
    city, job = case.scorer.category_columns
    assert city.categories == ("", "None", "a_b", "nan", "東京")
    assert job.categories == ("a", "b")
    widths = [[e.width for e in part.encodings] for part in parts_of(case.scorer, case.files)]
    assert widths == [[1, 1, 1, 1, 1], [1, 5, 1, 1, 2], [1, 1, 1, 1, 1]]


def test_members_that_met_other_categories_vote_by_the_same_names() -> None:
    X, y = table(n_rows=240)
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
    some = parts_of(case.scorer, case.files)[1].encodings[1]
    assert isinstance(some, CategoryEncoding)
    assert np.isnan(some.codes[:3]).all(), "unseen by this member, as by its pipeline"
    assert_equals_pipeline(case, allowed=1e-12)


def test_the_same_vote_gives_the_same_bytes() -> None:
    one, other = small_vote(weights=[1, 2, 3]), small_vote(weights=[1, 2, 3])
    assert one.files == other.files
    assert small_vote(weights=[1, 2, 4]).files != one.files


def test_hard_rows_reach_the_nodes_of_every_member() -> None:
    case = exported(vote_of(trees()), *table(n_rows=150))
    rng = np.random.default_rng(0)
    whats = [what for what, _ in hard_rows(case.scorer, case.files, case.X_test, rng, whole=False)]
    assert whats.count("rows on thresholds and beside them") == 4
    assert whats.count("rows that lack what a node asks for") == 4


def test_extreme_numbers_are_those_that_every_member_takes() -> None:
    # Boosting takes any, forests refuse what 32 bits do not hold: nothing would be compared.
    case = exported(vote_of(trees()), *table(n_rows=150))
    for what, frame in hard_rows(
        case.scorer, case.files, case.X_test, np.random.default_rng(0), whole=True
    ):
        if what == "rows with extreme numbers":
            assert frame["age"].abs().max() > 1e29
            case.pipeline.predict_proba(frame)


CASE = small_vote(weights=[1, 1, 2])


@pytest.mark.parametrize(
    "array",
    [
        "members.0.trees.values",
        "members.0.trees.missing_left",
        "members.0.codes.1",
        "members.1.coefficients",
        "members.1.intercepts",
        "members.1.codes.4",
        "members.2.trees.threshold",
        "members.2.trees.values",
    ],
)
def test_tampering_with_any_member_is_found(array: str) -> None:
    found = arrays_of(CASE.files)[array]
    changed = 1 - found if found.dtype == np.uint8 else np.nan_to_num(found) + 0.001
    files = with_arrays(CASE.files, **{array.replace(".", "__"): changed})
    with pytest.raises(ScorerDiffersError):
        check_parity(CASE.pipeline, files, CASE.X_test, seed=0, whole=True)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_tampering_with_a_weight_is_found(place: int) -> None:
    def change(content: Any) -> None:
        content["model"]["members"][place]["weight"] += 1e-6

    with pytest.raises(ScorerDiffersError):
        check_parity(CASE.pipeline, changed_spec(CASE.files, change), CASE.X_test, seed=0)


def test_tampering_with_a_members_steps_is_found() -> None:
    def change(content: Any) -> None:
        content["model"]["members"][1]["steps"][0].pop()

    with pytest.raises(ScorerDiffersError):
        check_parity(CASE.pipeline, changed_spec(CASE.files, change), CASE.X_test, seed=0)


def test_no_rows_give_no_rows_and_one_row_has_a_batchs_bits() -> None:
    columns = columns_of(CASE.scorer, CASE.X_train)
    assert CASE.scorer.predict_proba([c[:0] for c in columns]).shape == (0, 2)
    batch = CASE.scorer.predict_proba(columns)
    assert_array_equal(one_by_one(CASE.scorer, columns), batch)
    assert_array_equal(CASE.scorer.predict_proba([c[-3:] for c in columns]), batch[-3:])


def refused(pipeline: Pipeline, **options: Any) -> str:
    with pytest.raises(NotExportableError) as caught:
        check_exportable(pipeline, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


LINE = {"line": pipeline_of("onehot", LogisticRegression())}


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
def test_what_of_a_vote_has_no_form_is_refused_by_its_key(pipeline: Pipeline, words: str) -> None:
    assert f"{words} cannot be exported" in refused(pipeline)


def test_members_that_stand_elsewhere_are_refused_by_the_key_they_stand_under() -> None:
    message = refused(pipeline_of("onehot", GaussianNB()), within="search.members.bayes")
    assert "search.members.bayes.model.estimator: GaussianNB cannot be exported" in message
