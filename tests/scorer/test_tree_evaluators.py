"""Both evaluators find the leaves that a plain walk finds, for one row and for many."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tabproof.scorer import trees as trees_module
from tabproof.scorer.encoding import CategoryEncoding, Encoding, NumberEncoding
from tabproof.scorer.trees import BLOCK_CELLS, BitVectors, Trees, TreeWalker
from tests.scorer.ensembles import CODES, all_rows, ensembles, make_trees, plainly

ROWS = all_rows()


def columns(rows: Sequence[Sequence[float]]) -> list[np.ndarray]:
    return [np.array(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("kind", [BitVectors, TreeWalker])
@given(drawn=ensembles())
def test_finds_the_leaves_of_a_plain_walk(kind: Any, drawn: tuple[Trees, Any]) -> None:
    trees, encodings = drawn
    evaluator = kind(trees, encodings)
    expected = np.array([plainly(trees, encodings, row) for row in ROWS])
    assert_array_equal(evaluator.leaf_values(columns(ROWS)).swapaxes(0, 1), expected)
    alone = [evaluator.leaf_values_of_row(row)[:, 0] for row in ROWS]
    assert_array_equal(np.array(alone), expected)


@given(ensembles(), st.floats(width=64), st.integers(0, 11), st.integers(0, 2), st.floats())
def test_both_evaluators_agree_on_any_number(
    drawn: tuple[Trees, Any], n: float, c: int, two: int, m: float
) -> None:
    trees, encodings = drawn
    row = [n, c, two, m]
    bits, walks = (
        kind(trees, encodings).leaf_values_of_row(row) for kind in (BitVectors, TreeWalker)
    )
    assert bits[:, 0].tolist() == walks[:, 0].tolist() == plainly(trees, encodings, row)


@pytest.mark.parametrize("n_leaves", [1, 2, 31, 32, 33, 34, 62, 63, 64])
@pytest.mark.parametrize("skew", [0.0, 1.0], ids=["bushy", "a vine"])
def test_every_leaf_of_a_word_can_be_reached(n_leaves: int, skew: float) -> None:
    trees = make_trees([n_leaves, 1, n_leaves], 1, np.random.default_rng(n_leaves), skew)
    # Each node asks another number, so every leaf is some row's.
    inner = np.flatnonzero(~trees.is_leaf)
    feature = trees.feature.copy()
    feature[inner] = np.arange(len(inner))
    changed = Trees(
        **{
            **trees.__dict__,
            "feature": feature,
            "threshold": np.zeros(len(feature)),
            "category_set": np.full(len(feature), -1),
        }
    )
    encodings: list[Encoding] = [NumberEncoding(f"n{i}", ()) for i in range(max(1, len(inner)))]
    rng = np.random.default_rng(0)
    rows = rng.choice([-1.0, 0.0, 1.0, np.nan], (500, len(encodings)))
    rows[0], rows[1] = -1.0, 1.0  # the first leaf, the last one
    evaluator = BitVectors(changed, encodings)
    found = evaluator.leaf_values(list(rows.T)).swapaxes(0, 1)
    assert_array_equal(found, [plainly(changed, encodings, row) for row in rows.tolist()])
    alone = [evaluator.leaf_values_of_row(row)[:, 0] for row in rows[:50].tolist()]
    assert_array_equal(np.array(alone), found[:50])


def test_more_cells_than_a_block() -> None:
    n_categories = 2 * BLOCK_CELLS + 3
    codes = np.arange(n_categories + 2, dtype=np.float64)[:, np.newaxis] % 256
    encodings = (
        NumberEncoding("n", ()),
        CategoryEncoding("c", tuple(map(str, range(n_categories))), codes),
        CategoryEncoding("two", ("x",), np.zeros((3, 2))),
        NumberEncoding("m", ()),
    )
    trees = make_trees([20, 9], 1, np.random.default_rng(3))
    rows = [[0.05, place, 0, 0.0] for place in range(n_categories + 2)]
    expected = [plainly(trees, encodings, row) for row in rows]
    assert_array_equal(
        BitVectors(trees, encodings).leaf_values(columns(rows)).swapaxes(0, 1), expected
    )


def test_large_trees_and_tables_do_not_suit_bit_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees_module, "MAX_TABLE_BYTES", 2**20)
    encodings = (
        NumberEncoding("n", ()),
        CategoryEncoding("c", (), np.zeros((2, 1))),
        CategoryEncoding("two", (), np.zeros((2, 2))),
        NumberEncoding("m", ()),
    )
    rng = np.random.default_rng(0)
    assert BitVectors.suits(make_trees([64], 1, rng), encodings)
    assert not BitVectors.suits(make_trees([64, 65], 1, rng), encodings)
    many = make_trees([64] * 50, 1, rng)
    assert (~many.is_leaf).sum() * 50 * 8 > 2**20
    # Few different thresholds make few cells, however many nodes ask for them.
    assert BitVectors.suits(many, encodings)
    all_different = replace(many, threshold=np.arange(len(many.feature), dtype=np.float64))
    assert not BitVectors.suits(all_different, encodings)


@given(st.floats(), st.floats())
@example(0.0, -0.0)
@example(-0.0, 0.0)
def test_a_value_goes_left_up_to_its_threshold(threshold: float, value: float) -> None:
    if np.isnan(threshold):
        return
    trees = Trees(
        roots=np.array([0]),
        feature=np.array([0, -1, -1]),
        threshold=np.array([threshold, 0.0, 0.0]),
        right=np.array([2, 0, 0]),
        missing_left=np.array([False] * 3),
        category_set=np.full(3, -1),
        left_codes=np.empty((0, 256), dtype=bool),
        values=np.array([[1.0], [2.0]]),
    )
    expected = 1.0 if value <= threshold else 2.0
    for kind in (BitVectors, TreeWalker):
        assert kind(trees, [NumberEncoding("n", ())]).leaf_values_of_row([value]) == expected


ENCODINGS = (
    NumberEncoding("n", ()),
    CategoryEncoding("c", tuple("abcdefghij"), np.array(CODES)[:, np.newaxis]),
    CategoryEncoding("two", ("x",), np.array([[0.0, 1.0], [1.0, 0.0], [np.nan, 0.0]])),
    NumberEncoding("m", ()),
)


@pytest.mark.parametrize("pairs", [1, 7, 2**16])
@pytest.mark.parametrize("sizes", [[65], [300, 1, 70], [1]], ids=str)
def test_walks_of_large_trees_in_blocks_of_any_size(
    sizes: list[int], pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees_module, "BLOCK_PAIRS", pairs)
    trees = make_trees(sizes, 2, np.random.default_rng(1))
    rows = all_rows()
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    expected = [plainly(trees, ENCODINGS, row) for row in rows]
    evaluator = TreeWalker(trees, ENCODINGS)
    assert_array_equal(evaluator.leaf_values(columns).swapaxes(0, 1), expected)
    alone = [evaluator.leaf_values_of_row(row)[:, 0] for row in rows]
    assert_array_equal(np.array(alone), expected)


def test_a_vine_of_900_leaves() -> None:
    trees = make_trees([900], 1, np.random.default_rng(0), skew=1.0)
    evaluator = TreeWalker(trees, ENCODINGS)
    for row in all_rows()[::10]:
        assert evaluator.leaf_values_of_row(row)[:, 0].tolist() == plainly(trees, ENCODINGS, row)
