"""A model's answer is a row's own: neither its neighbours nor the size of blocks change a bit."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.linear_model import LogisticRegression

from tabproof.scorer import bit_vectors, read_scorer
from tabproof.scorer.encoding import NumberEncoding
from tabproof.scorer.errors import ScorerDamagedError
from tabproof.scorer.export.parity import columns_of
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

LINEAR = [
    exported(pipeline_of("onehot", LogisticRegression()), *table(n_classes=n)) for n in (2, 9)
]
CASES = {
    "two labels": small_boosting(),
    "three labels": small_boosting(3),
    "nine labels": small_boosting(9),
    "linear, two": LINEAR[0],
    "linear, nine": LINEAR[1],
    "vote, two": small_vote(weights=[1, 2, 0.5]),
    "vote, nine": small_vote(9),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
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
            patch.setattr(bit_vectors, "BLOCK_ROWS", 13)
            assert_array_equal(scorer.predict_proba(columns), batch)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_probabilities_add_up_to_one(case: Exported) -> None:
    found = case.scorer.predict_proba(columns_of(case.scorer, case.X_test))
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    assert found.min() >= 0


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_no_rows_give_no_rows(case: Exported) -> None:
    columns = [column[:0] for column in columns_of(case.scorer, case.X_test)]
    for scorer in scorers_of(case.files).values():
        assert scorer.predict_proba(columns).shape == (0, len(case.labels))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_second_answer_is_the_first(case: Exported) -> None:
    columns = columns_of(case.scorer, case.X_test)
    for scorer in scorers_of(case.files).values():
        first = scorer.predict_proba(columns)
        one_by_one(scorer, columns)
        assert_array_equal(scorer.predict_proba(columns), first)


def test_a_column_of_numbers_is_not_asked_for_categories() -> None:
    # Every number would be a cell of its own.
    case = small_boosting()
    arrays = arrays_of(case.files)
    numbers = [i for i, e in enumerate(case.scorer.columns) if isinstance(e, NumberEncoding)]
    node = int(np.flatnonzero(arrays["trees.category_set"] >= 0)[0])
    arrays["trees.feature"][node] = numbers[0]
    with pytest.raises(ScorerDamagedError, match="asks a column of numbers"):
        read_scorer(with_arrays(case.files, trees__feature=arrays["trees.feature"]))
