"""What each leaf asks of each column, and the share of training rows that meets it.

A path may ask for several features of one column, one-hot or ordinal, several times over: the
column is one player, and all its answers together are one condition.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.scoring.encoding import CategoryEncoding, Encoding, NumberEncoding
from src.scoring.trees import Bools, Floats, Ints, Trees


@dataclass(frozen=True)
class Conditions:
    """Pairs of a leaf and a column that its path asks for, by number of columns, then by leaf.

    leaf : of each pair, a place among the leaves given. column : a place among the columns.
    share : of the training rows that come by the column's nodes, those that go on to the leaf.
    tests : for each column asked for, its pairs and what they ask.
    """

    leaf: Ints
    column: Ints
    share: Floats
    tests: tuple["IntervalTest | PlaceTest", ...]


@dataclass(frozen=True)
class IntervalTest:
    """A column of one feature, which must lie above low and not above high; NaN bounds nothing."""

    column: int
    pairs: Ints
    encoding: Encoding
    low: Floats
    high: Floats
    takes_missing: Bools

    def are_met(self, cells: NDArray[np.generic]) -> Bools:
        """Tell of each pair and cell."""
        if isinstance(self.encoding, CategoryEncoding):
            values = self.encoding.codes[cells.astype(np.intp, copy=False), 0]
        else:
            values = self.encoding.apply_to_all(cells.astype(np.float64, copy=False))
        # Not `>`: where there is no lower bound, every number is above it.
        met: Bools = (values <= self.high[:, np.newaxis]) > (values <= self.low[:, np.newaxis])
        missing = np.isnan(values)
        if missing.any():
            met[:, missing] = self.takes_missing[:, np.newaxis]
        return met


@dataclass(frozen=True)
class PlaceTest:
    """A column of categories; open: shape (n_pairs, n_places), the places that meet a pair."""

    column: int
    pairs: Ints
    open: Bools

    def are_met(self, cells: NDArray[np.generic]) -> Bools:
        """Tell of each pair and cell."""
        return self.open.take(cells.astype(np.intp, copy=False), axis=1)


class Paths:
    """Finds what leaves ask for."""

    def __init__(self, trees: Trees, covers: Floats, encodings: Sequence[Encoding]) -> None:
        self._trees = trees
        self._encodings = encodings
        widths = [encoding.width for encoding in encodings]
        self._first_feature = np.cumsum([0, *widths])
        self._column_of = np.repeat(np.arange(len(encodings)), widths)
        n_nodes = len(trees.feature)
        inner = np.flatnonzero(~trees.is_leaf)
        self._parent = np.full(n_nodes, -1)
        self._parent[inner + 1] = self._parent[trees.right[inner]] = inner
        total = covers[inner + 1] + covers[trees.right[inner]]
        # Where no training row came by, neither child is likelier than the other.
        left = np.divide(covers[inner + 1], total, out=np.full(len(inner), 0.5), where=total > 0)
        self._share = np.ones(n_nodes)
        self._share[inner + 1], self._share[trees.right[inner]] = left, 1 - left

    def conditions_of(self, leaves: Ints) -> Conditions:
        """Give what these leaves, as nodes, ask for."""
        leaf, child = self._steps_to(leaves)
        node = self._parent[child]
        column = self._column_of[self._trees.feature[node]]
        order = np.lexsort((column, leaf))
        leaf, child, node, column = leaf[order], child[order], node[order], column[order]
        is_first = np.ones(len(leaf), dtype=bool)
        is_first[1:] = (leaf[1:] != leaf[:-1]) | (column[1:] != column[:-1])
        starts = np.flatnonzero(is_first)
        share = np.multiply.reduceat(self._share[child], starts) if len(starts) else np.empty(0)
        n_columns = np.bincount(leaf[starts], minlength=len(leaves))
        # By number of columns, so that leaves with as many are side by side.
        by_number = np.argsort(n_columns[leaf[starts]], kind="stable")
        place = np.empty(len(starts), dtype=np.int64)
        place[by_number] = np.arange(len(starts))
        steps = _Steps(node, child == node + 1, starts, column[starts], place)
        return Conditions(
            leaf[starts][by_number],
            column[starts][by_number],
            share[by_number],
            tuple(self._test(int(k), steps) for k in np.unique(steps.column)),
        )

    def _steps_to(self, leaves: Ints) -> tuple[Ints, Ints]:
        """Give the places in leaves, and the nodes on the way to each, without roots."""
        places, nodes = [], []
        here, child = np.arange(len(leaves)), leaves
        while len(here):
            below = self._parent[child] >= 0
            here, child = here[below], child[below]
            places.append(here)
            nodes.append(child)
            child = self._parent[child]
        return np.concatenate(places), np.concatenate(nodes)

    def _test(self, column: int, steps: "_Steps") -> IntervalTest | PlaceTest:
        own = np.flatnonzero(steps.column == column)
        ends = np.append(steps.starts[1:], len(steps.node))
        counts = ends[own] - steps.starts[own]
        starts = np.cumsum(counts) - counts
        chosen = np.repeat(steps.starts[own] - starts, counts) + np.arange(counts.sum())
        node, left = steps.node[chosen], steps.left[chosen]
        encoding, pairs, trees = self._encodings[column], steps.place[own], self._trees
        has_sets = (trees.category_set[node] >= 0).any()
        if isinstance(encoding, NumberEncoding) or (encoding.width == 1 and not has_sets):
            threshold = trees.threshold[node]
            return IntervalTest(
                column,
                pairs,
                encoding,
                np.fmax.reduceat(np.where(left, np.nan, threshold), starts),
                np.minimum.reduceat(np.where(left, threshold, np.inf), starts),
                np.logical_and.reduceat(trees.missing_left[node] == left, starts),
            )
        features = trees.feature[node] - self._first_feature[column]
        is_open = trees.goes_left(node, encoding.codes[:, features]) == left
        open_places = np.logical_and.reduceat(is_open, starts, axis=1).T
        return PlaceTest(column, pairs, np.ascontiguousarray(open_places))


@dataclass(frozen=True)
class _Steps:
    """Nodes that paths come by, and whether they go left; starts, column and place: of pairs."""

    node: Ints
    left: Bools
    starts: Ints
    column: Ints
    place: Ints
