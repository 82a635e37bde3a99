"""Nodes in any order become the same tree in preorder."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tabproof.scorer.export.estimators import Nodes, join_trees
from tabproof.scorer.trees import Trees, as_arrays, read_trees
from tests.scorer.ensembles import make_trees

PLACES = np.arange(5)


def nodes_of(trees: Trees, order: np.ndarray) -> Nodes:
    """Return a single tree with its nodes in another order, the root first."""
    index_of = np.argsort(order)
    inner, leaf = ~trees.is_leaf[order], np.cumsum(trees.is_leaf) - 1
    left = np.append(index_of, 0)[order + 1]
    return Nodes(
        left=np.where(inner, left, -1),
        right=np.where(inner, index_of[trees.right[order]], -1),
        feature=trees.feature[order],
        threshold=trees.threshold[order],
        missing_left=trees.missing_left[order],
        values=trees.values[leaf[order]],
        covers=covers_of(trees)[order],
        category_set=trees.category_set[order],
        left_codes=trees.left_codes,
    )


def covers_of(trees: Trees) -> np.ndarray:
    assert trees.covers is not None
    return trees.covers


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_any_order_gives_the_tree(n_leaves: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    trees = [make_trees([size], 2, rng) for size in (n_leaves, 3)]
    parts = []
    for tree in trees:
        order = np.append(0, 1 + rng.permutation(len(tree.feature) - 1))
        parts += [nodes_of(tree, order), nodes_of(tree, np.arange(len(order)))]
    found = join_trees(parts, PLACES)
    for i, tree in enumerate(trees):
        for once in (2 * i, 2 * i + 1):
            begin = found.roots[once]
            there = slice(begin, begin + len(tree.feature))
            assert_array_equal(found.feature[there], tree.feature)
            inner = ~tree.is_leaf
            assert_array_equal(found.right[there][inner] - begin, tree.right[inner])
            sets = found.category_set[there]
            assert_array_equal(sets[sets >= 0] - 3 * once, tree.category_set[sets >= 0])
    twice = [tree.values for tree in trees for _ in range(2)]
    assert_array_equal(found.values, np.concatenate(twice))
    covers = [covers_of(tree) for tree in trees for _ in range(2)]
    assert_array_equal(covers_of(found), np.concatenate(covers))
    read_trees(as_arrays(found), 5)


def tree_of(left: list[int], right: list[int]) -> Trees:
    n = len(left)
    zeros = np.zeros(n)
    values = np.arange(n, dtype=np.float64)[:, np.newaxis]
    missing = np.zeros(n, dtype=bool)
    children = np.array(left), np.array(right)
    parts = [Nodes(*children, zeros.astype(int), zeros, missing, values, covers=zeros)]
    return join_trees(parts, PLACES)


def test_left_children_in_their_place_do_not_make_a_preorder() -> None:
    found = tree_of([1, 2, -1, -1, -1], [3, 4, -1, -1, -1])
    assert found.values[:, 0].tolist() == [2, 4, 3]


def test_nodes_that_no_way_leads_to_are_left_out() -> None:
    found = tree_of([1, -1, -1, -1, -1], [2, -1, -1, -1, -1])
    assert found.values[:, 0].tolist() == [1, 2]
