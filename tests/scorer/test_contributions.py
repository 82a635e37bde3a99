"""Contributions sum to the model's score, and equal the formula's and each library's."""

import pickle
from collections.abc import Callable, Sequence
from functools import cache
from itertools import combinations
from math import factorial
from typing import Any

import catboost
import numpy as np
import pandas as pd
import pytest
import xgboost
from catboost import CatBoostClassifier
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lightgbm import LGBMClassifier
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from tabproof.scorer import NotExplainableError, Scorer, contributions, read_scorer
from tabproof.scorer.contributions import Contributions, TreesExplainer
from tabproof.scorer.encoding import CategoryEncoding, Encoding, NumberEncoding
from tabproof.scorer.export.parity import columns_of, hard_rows
from tabproof.scorer.format import TreesSpec
from tabproof.scorer.model import softmax
from tabproof.scorer.trees import Trees
from tests.scorer.ensembles import CODES, all_rows, ensembles, make_trees, plainly
from tests.scorer.fitted import (
    Exported,
    boosting,
    exported,
    in_breadth,
    models_of,
    pipeline_of,
    small_boosting,
    small_vote,
    table,
    vote_of,
    with_arrays,
)

FOREST = RandomForestClassifier(6, random_state=0)
MODELS: dict[str, Callable[[], tuple[str, Any]]] = {
    "boosting": lambda: ("native", boosting(max_iter=5)),
    "boosting, one-hot": lambda: ("onehot", boosting(categorical_features=None)),
    "boosting, hashed": lambda: ("hashing", boosting(categorical_features=None)),
    "forest": lambda: ("ordinal", FOREST),
    "forest, one-hot": lambda: ("onehot", ExtraTreesClassifier(5, random_state=0)),
    "logistic regression": lambda: ("onehot", LogisticRegression()),
    "logistic regression, target": lambda: ("target", LogisticRegression(max_iter=2000)),
    "LightGBM": lambda: ("native", LGBMClassifier(n_estimators=6, verbose=-1)),
    "XGBoost": lambda: ("ordinal", XGBClassifier(n_estimators=6)),
    "CatBoost": lambda: ("onehot", small_catboost()),
}


def small_catboost() -> CatBoostClassifier:
    return CatBoostClassifier(iterations=5, verbose=0, allow_writing_files=False)


@cache
def fitted(name: str, n_classes: int, *, missing: bool = True) -> Exported:
    """Return a model; shared: tests must not change it."""
    preprocess, estimator = MODELS[name]()
    X, y = table(n_classes=n_classes, missing=missing)
    return exported(pipeline_of(preprocess, estimator), X, y)


def explained(case: Exported, frame: pd.DataFrame) -> tuple[Contributions, np.ndarray]:
    """Return contributions, and the probabilities of the same rows."""
    scorer = case.scorer
    columns = columns_of(scorer, frame)
    proba = scorer.predict_proba(columns)
    return scorer.contributions(columns, proba), proba


# Each model with two labels or three, then with the other number.
TURNS = [[(name, 2 + (i + turn) % 2) for i, name in enumerate(MODELS)] for turn in range(2)]


@pytest.mark.parametrize("chosen", [*TURNS[0], *in_breadth(*TURNS[1])], ids=str)
def test_contributions_sum_to_the_models_score(chosen: tuple[str, int]) -> None:
    name, n_classes = chosen
    # Target encoding and a linear model after it take no missing cells.
    case = fitted(name, n_classes, missing=name != "logistic regression, target")
    (model,) = models_of(case.scorer)
    for what, frame in hard_rows(case.scorer, case.X_test, np.random.default_rng(0), whole=False):
        if name.startswith("logistic") and "extreme" in what:
            continue
        found, proba = explained(case, frame)
        if np.isnan(proba).any():
            continue
        columns = columns_of(case.scorer, frame)
        sums = proba if found.scale == "probability" else model.sums(columns)
        of_label = sums[:, 0] if sums.shape[1] == 1 else sums[np.arange(len(frame)), found.codes]
        # XGBoost adds up 32-bit floats.
        allowed = 1e-5 if name == "XGBoost" else 1e-9
        np.testing.assert_allclose(found.scores, of_label, rtol=1e-12, atol=allowed, err_msg=what)
        if n_classes == 2:
            assert (found.codes == 1).all()
        else:
            np.testing.assert_array_equal(found.codes, proba.argmax(axis=1))


@pytest.mark.parametrize(
    ("name", "n_classes", "scale"),
    [
        ("boosting", 2, "log_odds"),
        ("boosting", 3, "log_score"),
        ("logistic regression", 2, "log_odds"),
        ("forest", 2, "probability"),
        ("forest", 3, "probability"),
    ],
)
def test_the_scale_explains_how_to_compute_the_probability(
    name: str, n_classes: int, scale: str
) -> None:
    case = fitted(name, n_classes)
    found, proba = explained(case, case.X_test)
    predicted = proba[np.arange(len(proba)), found.codes]
    assert found.scale == scale
    if scale == "probability":
        np.testing.assert_allclose(found.scores, predicted, atol=1e-12)
    elif scale == "log_odds":
        np.testing.assert_allclose(1 / (1 + np.exp(-found.scores)), predicted, atol=1e-12)
    else:
        columns, explainer = columns_of(case.scorer, case.X_test), case.scorer.explainer
        rows = np.full(len(proba), 0)
        each = [explainer.explain(columns, rows + code).scores for code in range(n_classes)]
        np.testing.assert_allclose(softmax(np.stack(each, axis=1)), proba, atol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kind", ["lightgbm", "xgboost", "catboost"])
def test_contributions_equal_those_of_each_library(kind: str, n_classes: int) -> None:
    X, y = table(400, n_classes)
    X = X[["age", "income", "whole"]].assign(more=np.random.default_rng(1).normal(size=400))
    estimators = {
        "lightgbm": LGBMClassifier(n_estimators=8, min_child_samples=4, verbose=-1),
        "xgboost": XGBClassifier(n_estimators=8),
        "catboost": small_catboost(),
    }
    case = exported(pipeline_of("native", estimators[kind]), X, y)
    columns = columns_of(case.scorer, case.X_test)
    theirs = np.asarray(_library_contributions(kind, case.pipeline["clf"], case.X_test))
    theirs = theirs.reshape(len(case.X_test), -1, X.shape[1] + 1)
    for sum_, code in enumerate([1] if n_classes == 2 else range(n_classes)):
        codes = np.full(len(case.X_test), code)
        found = case.scorer.explainer.explain(columns, codes)
        allowed = 1e-5 if kind == "xgboost" else 1e-12
        np.testing.assert_allclose(found.values, theirs[:, sum_, :-1], rtol=0, atol=allowed)
        np.testing.assert_allclose(found.base, theirs[:, sum_, -1], rtol=0, atol=allowed)


def _library_contributions(kind: str, estimator: Any, X: pd.DataFrame) -> Any:
    if kind == "lightgbm":
        return estimator.booster_.predict(X, pred_contrib=True)
    if kind == "xgboost":
        return estimator.get_booster().predict(xgboost.DMatrix(X), pred_contribs=True)
    return estimator.get_feature_importance(catboost.Pool(X), type="ShapValues")


def test_the_base_of_a_tree_is_the_shares_of_training_rows() -> None:
    X, y = table(n_classes=3)
    case = exported(pipeline_of("ordinal", DecisionTreeClassifier(max_depth=4)), X, y)
    shares = np.bincount(y[np.arange(len(y)) % 3 != 0]) / len(case.X_train)
    np.testing.assert_allclose(case.scorer.explainer.base, shares)


def test_linear_contributions_are_weights_times_deviations_from_the_mean() -> None:
    case = fitted("logistic regression", 2)
    found, _ = explained(case, case.X_train)
    np.testing.assert_allclose(found.values.mean(axis=0), 0, atol=1e-12)
    features = case.pipeline["preprocess"].transform(case.X_train)
    weights = case.pipeline["clf"].coef_[0]
    differences = weights * (features - features.mean(axis=0))
    names = [*case.X_train.columns]
    for place, name in enumerate(["age", "income", "whole"]):
        np.testing.assert_allclose(
            found.values[:, names.index(name)], differences[:, place], atol=1e-12
        )
    # What one-hot features of a column add is one number.
    of_categories = found.values[:, [names.index("都市"), names.index("job")]].sum(axis=1)
    np.testing.assert_allclose(of_categories, differences[:, 3:].sum(axis=1), atol=1e-12)


def test_contributions_of_two_labels_are_opposite() -> None:
    case = small_boosting()
    columns = columns_of(case.scorer, case.X_test)
    rows = np.zeros(len(case.X_test), dtype=np.intp)
    first, second = (case.scorer.explainer.explain(columns, rows + code) for code in (0, 1))
    np.testing.assert_array_equal(first.values, -second.values)
    np.testing.assert_array_equal(first.base, -second.base)


def test_a_row_alone_has_the_contributions_of_a_batch() -> None:
    for n_classes in (2, 3):
        case = fitted("forest", n_classes)
        found, _ = explained(case, case.X_test)
        for place in (0, 7):
            alone, _ = explained(case, case.X_test.iloc[[place]])
            np.testing.assert_allclose(alone.values[0], found.values[place], rtol=0, atol=1e-14)


def test_no_rows_have_no_contributions() -> None:
    for case in (small_boosting(3), fitted("logistic regression", 3)):
        found, _ = explained(case, case.X_test.iloc[:0])
        assert found.values.shape == (0, case.X_test.shape[1])
        assert found.scores.shape == (0,)


def test_a_vote_of_forests_has_the_mean_contributions() -> None:
    members = {"a": pipeline_of("ordinal", FOREST), "b": pipeline_of("onehot", FOREST)}
    case = exported(vote_of(members, weights=[3, 1]), *table(n_classes=3))
    found, proba = explained(case, case.X_test)
    np.testing.assert_allclose(found.scores, proba.max(axis=1), atol=1e-12)
    of_members = []
    for name, member in zip(members, case.scorer.model.members, strict=True):  # type: ignore[attr-defined]
        scorer = Scorer(case.scorer.columns, case.labels, member, None)
        columns = columns_of(case.scorer, case.X_test)
        assert name in case.pipeline["clf"].named_estimators_
        of_members.append(scorer.explainer.explain(columns, found.codes).values)
    np.testing.assert_allclose(found.values, 0.75 * of_members[0] + 0.25 * of_members[1])


@pytest.mark.parametrize(
    ("scorer", "reason"),
    [
        (lambda: small_vote().scorer, "members that add on other scales"),
        (lambda: without(small_boosting(), trees__covers=None), "an older version exported it"),
        (lambda: without(fitted("logistic regression", 2), means=None), "an older version"),
    ],
)
def test_a_model_that_cannot_be_explained_still_predicts(
    scorer: Callable[[], Scorer], reason: str
) -> None:
    found = scorer()
    columns = [np.zeros(2, dtype=np.intp) for _ in found.columns]
    proba = found.predict_proba(columns)
    with pytest.raises(NotExplainableError, match=reason) as caught:
        found.contributions(columns, proba)
    assert "\n" not in str(caught.value)


def without(case: Exported, **arrays: None) -> Scorer:
    return read_scorer(with_arrays(case.files, **arrays))


def test_a_pickled_scorer_has_the_same_contributions() -> None:
    case = small_boosting()
    columns = columns_of(case.scorer, case.X_test)
    scorer = case.scorer
    proba = scorer.predict_proba(columns)
    here = scorer.contributions(columns, proba)
    there = pickle.loads(pickle.dumps(scorer)).contributions(columns, proba)  # noqa: S301 - ours
    np.testing.assert_array_equal(here.values, there.values)


ROWS = all_rows()
# Features n, c, two of `two`, m, as in ensembles().
ENCODINGS = (
    NumberEncoding("n", ()),
    CategoryEncoding("c", tuple("abcdefghij"), np.array(CODES)[:, np.newaxis]),
    CategoryEncoding("two", ("x",), np.array([[0.0, 1.0], [1.0, 0.0], [np.nan, 0.0]])),
    NumberEncoding("m", ()),
)


def shapley(trees: Trees, encodings: Sequence[Encoding], row: Sequence[float]) -> np.ndarray:
    """Return contributions of shape (n_columns, width), from the worth of every set of columns."""
    players = range(len(encodings))
    worth = {
        known: sum(expected(trees, encodings, row, int(root), known) for root in trees.roots)
        for size in range(len(encodings) + 1)
        for known in combinations(players, size)
    }
    found = np.zeros((len(encodings), trees.values.shape[1]))
    for player in players:
        for without, value in worth.items():
            if player not in without:
                n = len(without)
                weight = factorial(n) * factorial(len(players) - n - 1) / factorial(len(players))
                found[player] += weight * (worth[tuple(sorted((*without, player)))] - value)
    return found


def expected(
    trees: Trees, encodings: Sequence[Encoding], row: Sequence[float], node: int, known: tuple
) -> np.ndarray:
    """Go where known columns say; where another is asked for, both ways, by the covers."""
    assert trees.covers is not None
    if trees.feature[node] < 0:
        value: np.ndarray = trees.values[(trees.feature[:node] < 0).sum()]
        return value
    column, feature = index_of(encodings, int(trees.feature[node]))
    children = node + 1, int(trees.right[node])
    if column in known:
        encoding, cell = encodings[column], row[column]
        is_category = isinstance(encoding, CategoryEncoding)
        x = encoding.codes[int(cell), feature] if is_category else encoding.apply(cell)
        goes_left = trees.goes_left(np.array([node]), np.array([[x]]))[0, 0]
        return expected(trees, encodings, row, children[0 if goes_left else 1], known)
    covers = [trees.covers[child] for child in children]
    shares = [c / sum(covers) if sum(covers) else 0.5 for c in covers]
    parts = [expected(trees, encodings, row, child, known) for child in children]
    return shares[0] * parts[0] + shares[1] * parts[1]


def index_of(encodings: Sequence[Encoding], feature: int) -> tuple[int, int]:
    """Find the column of a feature, and its place within."""
    for column, encoding in enumerate(encodings):
        if feature < encoding.width:
            return column, feature
        feature -= encoding.width
    raise AssertionError


def prepared(trees: Trees, encodings: Sequence[Encoding], n_groups: int = 1) -> TreesExplainer:
    baseline = [0.0] * (n_groups * trees.values.shape[1])
    return TreesExplainer(trees, encodings, TreesSpec("softmax", baseline, n_groups))


def columns(rows: Sequence[Sequence[float]]) -> list[np.ndarray]:
    return [np.array(cells) for cells in zip(*rows, strict=True)]


@pytest.fixture(params=["by tables", "by sums"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Take each of both ways, and blocks so small that a few leaves and rows fill several."""
    if request.param == "by sums":
        monkeypatch.setattr(contributions, "MAX_TABLE_COLUMNS", 0)
    monkeypatch.setattr(contributions, "BLOCK_LEAVES", 5)
    monkeypatch.setattr(contributions, "BLOCK_NUMBERS", 40)
    name: str = request.param
    return name


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(drawn=ensembles(most_leaves=8), places=st.sets(st.integers(0, len(ROWS) - 1), min_size=1))
def test_contributions_of_trees_are_shapley_values(
    way: str, drawn: tuple[Trees, tuple[Encoding, ...]], places: set[int]
) -> None:
    trees, encodings = drawn
    rows = [ROWS[place] for place in sorted(places)[:6]]
    found = prepared(trees, encodings).of_rows(columns(rows))
    for place, row in enumerate(rows):
        wanted = shapley(trees, encodings, row)
        np.testing.assert_allclose(found[:, :, place], wanted, rtol=0, atol=1e-12, err_msg=way)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=ensembles())
def test_contributions_of_trees_and_their_base_sum_to_the_values(
    way: str, drawn: tuple[Trees, tuple[Encoding, ...]]
) -> None:
    trees, encodings = drawn
    ours = prepared(trees, encodings)
    rows = ROWS[::3]
    found = ours.of_rows(columns(rows)).sum(axis=0) + ours.base[:, np.newaxis]
    wanted = np.array([np.sum(plainly(trees, encodings, row), axis=0) for row in rows])
    np.testing.assert_allclose(found.T, wanted, rtol=0, atol=1e-11, err_msg=way)


@pytest.mark.usefixtures("way")
def test_each_group_of_trees_adds_to_its_own_sum() -> None:
    rng = np.random.default_rng(0)
    trees = make_trees([6, 3, 5, 1, 7, 2], 1, rng)
    found = prepared(trees, ENCODINGS, 3)
    for group in range(3):
        chosen = [trees_alone(trees, group), trees_alone(trees, group + 3)]
        alone = [prepared(tree, ENCODINGS) for tree in chosen]
        sums = [one.of_rows(columns(ROWS))[:, 0] for one in alone]
        np.testing.assert_allclose(found.of_rows(columns(ROWS))[:, group], sum(sums), atol=1e-13)
        assert found.base[group] == pytest.approx(sum(one.base[0] for one in alone))


def trees_alone(trees: Trees, place: int) -> Trees:
    """Return one tree of several as an ensemble."""
    ends = np.append(trees.roots[1:], len(trees.feature))
    nodes = slice(trees.roots[place], ends[place])
    first, end = (int((trees.feature[:node] < 0).sum()) for node in (nodes.start, nodes.stop))
    assert trees.covers is not None
    return Trees(
        roots=np.array([0]),
        feature=trees.feature[nodes],
        threshold=trees.threshold[nodes],
        right=trees.right[nodes] - nodes.start,
        missing_left=trees.missing_left[nodes],
        category_set=trees.category_set[nodes],
        left_codes=trees.left_codes,
        values=trees.values[first:end],
        covers=trees.covers[nodes],
    )


def test_trees_of_one_leaf_have_no_contributions() -> None:
    trees = make_trees([1, 1], 2, np.random.default_rng(0))
    found = prepared(trees, ENCODINGS)
    assert not found.of_rows(columns(ROWS)).any()
    np.testing.assert_allclose(found.base, trees.values.sum(axis=0))


def test_no_rows_of_trees_have_no_contributions() -> None:
    found = prepared(make_trees([5], 1, np.random.default_rng(0)), ENCODINGS)
    assert found.of_rows([cells[:0] for cells in columns(ROWS)]).shape == (4, 1, 0)


def test_tables_stay_within_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    trees = make_trees([60] * 5, 1, np.random.default_rng(0), skew=1.0)
    whole = prepared(trees, ENCODINGS)
    limit = table_bytes(whole) // 2
    monkeypatch.setattr(contributions, "MAX_TABLE_BYTES", limit)
    smaller = prepared(trees, ENCODINGS)
    assert 0 < table_bytes(smaller) <= limit
    np.testing.assert_allclose(
        smaller.of_rows(columns(ROWS)), whole.of_rows(columns(ROWS)), rtol=0, atol=1e-13
    )


def table_bytes(found: TreesExplainer) -> int:
    tables = [table for block in found._blocks for *_, table in block._groups]
    return sum(table.nbytes for table in tables if table is not None)
