"""Walks evaluate trees of any size, in whatever blocks."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tabproof.scorer import walks
from tabproof.scorer.encoding import CategoryEncoding, NumberEncoding
from tabproof.scorer.walks import Walks
from tests.scorer.ensembles import CODES, all_rows, make_trees, plainly

ENCODINGS = (
    NumberEncoding("n", ()),
    CategoryEncoding("c", tuple("abcdefghij"), np.array(CODES)[:, np.newaxis]),
    CategoryEncoding("two", ("x",), np.array([[0.0, 1.0], [1.0, 0.0], [np.nan, 0.0]])),
    NumberEncoding("m", ()),
)


@pytest.mark.parametrize("pairs", [1, 7, 2**16])
@pytest.mark.parametrize("sizes", [[65], [300, 1, 70], [1]], ids=str)
def test_finds_the_leaves_of_a_plain_walk(
    sizes: list[int], pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walks, "BLOCK_PAIRS", pairs)
    trees = make_trees(sizes, 2, np.random.default_rng(1))
    rows = all_rows()
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    expected = [plainly(trees, ENCODINGS, row) for row in rows]
    evaluator = Walks(trees, ENCODINGS)
    assert_array_equal(evaluator.leaf_values(columns).swapaxes(0, 1), expected)
    alone = [evaluator.leaf_values_of_row(row)[:, 0] for row in rows]
    assert_array_equal(np.array(alone), expected)


def test_a_vine_of_900_leaves_is_walked_to_its_end() -> None:
    trees = make_trees([900], 1, np.random.default_rng(0), skew=1.0)
    evaluator = Walks(trees, ENCODINGS)
    for row in all_rows()[::10]:
        assert evaluator.leaf_values_of_row(row)[:, 0].tolist() == plainly(trees, ENCODINGS, row)
