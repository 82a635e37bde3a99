"""A row's probabilities do not depend on other rows or on the size of blocks, to the bit.

And links compute what each library computes, at the ends of the scale too.
"""

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.utils.extmath import softmax as softmax_of_sklearn

from tabproof.scorer import model, read_scorer
from tabproof.scorer.encoding import NumberEncoding
from tabproof.scorer.export.parity import columns_of
from tabproof.scorer.format import ScorerDamagedError
from tabproof.scorer.model import apply_link, logistic, softmax
from tests.scorer.fitted import (
    Exported,
    arrays_of,
    exported,
    one_by_one,
    pipeline_of,
    scorers_of,
    small_boosting,
    small_vote,
    table,
    with_arrays,
)


@pytest.fixture(
    scope="module",
    params=["two labels", "nine labels", "linear, two", "linear, nine", "vote, two", "vote, nine"],
)
def case(request: pytest.FixtureRequest) -> Exported:
    kind, n_classes = request.param, 2 if "two" in request.param else 9
    if kind.startswith("linear"):
        linear = pipeline_of("onehot", LogisticRegression())
        return exported(linear, *table(n_classes=n_classes))
    if kind.startswith("vote"):
        return small_vote(n_classes, (1, 2, 0.5) if n_classes == 2 else None)
    return small_boosting(n_classes)


def test_a_row_alone_has_the_bits_of_the_row_in_any_batch(
    case: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = columns_of(case.scorer, case.X_train)
    for scorer in scorers_of(case.files).values():
        batch = scorer.predict_proba(columns)
        assert_array_equal(one_by_one(scorer, columns), batch)
        # Vector instructions take several numbers at once, and the rest one by one.
        for n_rows in (1, 2, 3, 5, 7, 31):
            some = [column[-n_rows:] for column in columns]
            assert_array_equal(scorer.predict_proba(some), batch[-n_rows:])
        with monkeypatch.context() as patch:
            patch.setattr(model, "BLOCK_ROWS", 13)
            assert_array_equal(scorer.predict_proba(columns), batch)


def test_probabilities_add_up_to_one(case: Exported) -> None:
    found = case.scorer.predict_proba(columns_of(case.scorer, case.X_test))
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    assert found.min() >= 0


def test_no_rows_give_no_rows(case: Exported) -> None:
    columns = [column[:0] for column in columns_of(case.scorer, case.X_test)]
    for scorer in scorers_of(case.files).values():
        assert scorer.predict_proba(columns).shape == (0, len(case.labels))


def test_a_second_prediction_is_the_first(case: Exported) -> None:
    columns = columns_of(case.scorer, case.X_test)
    for scorer in scorers_of(case.files).values():
        first = scorer.predict_proba(columns)
        one_by_one(scorer, columns)
        assert_array_equal(scorer.predict_proba(columns), first)


def test_a_set_of_codes_on_a_numeric_column_is_refused() -> None:
    # Every number would be a cell of its own.
    case = small_boosting()
    arrays = arrays_of(case.files)
    numbers = [i for i, e in enumerate(case.scorer.columns) if isinstance(e, NumberEncoding)]
    node = int(np.flatnonzero(arrays["trees.category_set"] >= 0)[0])
    arrays["trees.feature"][node] = numbers[0]
    with pytest.raises(ScorerDamagedError, match="tests a numeric column"):
        read_scorer(with_arrays(case.files, trees__feature=arrays["trees.feature"]))


ENDS = [0.0, -0.0, 5e-324, 36.7, 37.0, 709.7, 709.8, 745.0, 746.0, 1e300, np.inf]


@given(st.floats(allow_nan=False))
def test_logistic_has_the_bits_of_expit(raw: float) -> None:
    assert logistic(raw) == float(expit(raw))


@pytest.mark.parametrize("raw", [*ENDS, *(-end for end in ENDS)])
def test_logistic_at_the_ends(raw: float) -> None:
    assert logistic(raw) == float(expit(raw))
    assert apply_link("logistic", np.array([[raw]])).tolist() == [
        [1.0 - logistic(raw), logistic(raw)]
    ]


def test_nan_stays_nan() -> None:
    assert np.isnan(logistic(np.nan))
    assert np.isnan(apply_link("logistic", np.array([[np.nan]]))).all()
    assert np.isnan(softmax(np.array([[np.inf, np.inf, 0.0]]))).any()
    assert np.isnan(softmax(np.array([[np.nan, 1.0]]))).all()


rows = st.integers(2, 20).flatmap(
    lambda n: st.lists(
        st.lists(st.floats(-800, 800), min_size=n, max_size=n), min_size=1, max_size=9
    )
)


@given(rows)
def test_softmax_equals_scikit_learns(sums: list[list[float]]) -> None:
    assert_array_equal(softmax(np.array(sums)), softmax_of_sklearn(np.array(sums)))


@given(rows)
def test_softmax_of_a_row_has_the_bits_of_a_batch(sums: list[list[float]]) -> None:
    batch = softmax(np.array(sums))
    for row, expected in zip(sums, batch, strict=True):
        assert_array_equal(softmax(np.array([row]))[0], expected)


def of_xgboost(sums: np.ndarray) -> np.ndarray:
    """Return XGBoost's probabilities for sums, without any tree."""
    rows = np.zeros((len(sums), 1))
    binary = sums.ndim == 1
    objective = "binary:logistic" if binary else "multi:softprob"
    parameters = {"objective": objective, "nthread": 1, "base_score": 0.5}
    if not binary:
        parameters["num_class"] = sums.shape[1]
    learned = xgboost.DMatrix(rows[:1], label=[0.0])
    booster = xgboost.train(parameters, learned, num_boost_round=0)
    given = xgboost.DMatrix(rows, base_margin=sums.astype(np.float32))
    found = booster.predict(given).astype(np.float32)
    return np.stack([np.float32(1) - found, found], axis=1) if binary else found


# Among any hundred thousand sums there are some whose last bit another exp gets wrong.
SUMS = np.random.default_rng(0).normal(0, 3, 400_000).astype(np.float32)
ENDS_32 = np.array([0.0, 1e-45, 1e-30, 16.6, 17.4, 88.6, 88.7, 88.8, 104.0, 3e38, np.inf])


def test_logistic_of_32_bits_equals_xgboosts() -> None:
    sums = np.concatenate([SUMS, ENDS_32, -ENDS_32])
    # Beyond 88 XGBoost's numbers are too small to matter, and another one's differ.
    found = apply_link("logistic_float32", sums[:, np.newaxis])
    assert_allclose(found, of_xgboost(sums), rtol=0, atol=1e-30)
    assert_array_equal(found[: len(SUMS)], of_xgboost(SUMS))


@pytest.mark.parametrize("n_labels", [3, 9])
def test_softmax_of_32_bits_equals_xgboosts(n_labels: int) -> None:
    sums = SUMS[: len(SUMS) // n_labels * n_labels].reshape(-1, n_labels)
    found = apply_link("softmax_float32", sums)
    assert_array_equal(found, of_xgboost(sums))
    for row, expected in zip(sums[:50], found, strict=False):
        assert_array_equal(apply_link("softmax_float32", row[np.newaxis])[0], expected)


def test_nan_of_32_bits_stays_nan() -> None:
    assert np.isnan(apply_link("logistic_float32", np.array([[np.nan]]))).all()
    assert np.isnan(apply_link("softmax_float32", np.array([[np.inf, np.inf, 0.0]]))).any()


def test_links_of_no_rows_give_no_rows() -> None:
    assert apply_link("logistic_float32", np.empty((0, 1))).shape == (0, 2)
    assert apply_link("softmax_float32", np.empty((0, 3))).shape == (0, 3)
    assert apply_link("logistic", np.empty((0, 1))).shape == (0, 2)
    assert softmax(np.empty((0, 3))).shape == (0, 3)
