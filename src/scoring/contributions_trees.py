"""Shapley values of an ensemble of trees, exact: what each column adds to its sums.

The game is the path-dependent one of Tree SHAP (Lundberg et al., 2020): what a set of columns
is worth is the sum that is expected when only they are known, each split on another column
sending the row both ways, by the shares of the training rows that went there. A leaf of value v
is then worth v · Π o over known columns · Π z over others, where o tells whether the row meets
what the path asks of a column, and z which share of training rows does. Its column k gets

    v · (o_k - z_k) · ∫ Π over other columns j of (t·o_j + (1 - t)·z_j) dt,  t from 0 to 1,

the Beta function being the weight of Shapley's formula. The integral is of a polynomial, which
Gauss and Legendre's nodes integrate without an error.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from src.scoring.contributions_paths import Conditions, Paths
from src.scoring.encoding import Encoding
from src.scoring.trees import Bools, Floats, Ints, Trees

# Of leaves whose paths ask for few columns there is a table: each way to meet them or not.
MOST_TABLE_BYTES = 64 * 2**20
MOST_IN_TABLE = 10
# Leaves that are looked at together; and numbers that lie in memory for them and some rows.
BLOCK_LEAVES, BLOCK_NUMBERS = 2**13, 2**20


def unit_contributions(shares: Floats, met: Bools) -> Floats:
    """Give what each column of a leaf gets of a value of 1.

    shares : shape (n_leaves, n_columns, 1). met : shape (n_leaves or 1, n_columns, n_ways).
    """
    n_columns = shares.shape[1]
    total = np.zeros(np.broadcast_shapes(shares.shape, met.shape))
    for t, weight in _nodes((n_columns + 1) // 2):
        left_out = (1 - t) * shares
        factors = np.where(met, t + left_out, left_out)
        # Over its factor, o - z is this, also where the factor is zero: then so is the product.
        ratios = np.where(met, (1 - shares) / (t + left_out), -1 / (1 - t))
        total += ratios * (weight * factors.prod(axis=1, keepdims=True))
    return total


@cache
def _nodes(number: int) -> list[tuple[float, float]]:
    """Give Gauss and Legendre's nodes between 0 and 1, and their weights."""
    nodes, weights = np.polynomial.legendre.leggauss(number)
    return list(zip(((nodes + 1) / 2).tolist(), (weights / 2).tolist(), strict=True))


@dataclass(frozen=True)
class _Group:
    """Leaves of a block whose paths ask for equally many columns: their pairs lie side by side.

    table : shape (n_columns, n_leaves · 2^n_columns), or None where it would be large.
    """

    pairs: slice
    shares: Floats
    table: Floats | None

    def units(self, met: Bools) -> Floats:
        """Give contributions to a value of 1, for pairs that are met: shape (n_pairs, n_rows)."""
        n_leaves, n_columns, _ = self.shares.shape
        met = met[self.pairs].reshape(n_leaves, n_columns, -1)
        if self.table is None:
            return unit_contributions(self.shares, met).reshape(-1, met.shape[2])
        way = np.repeat(np.arange(n_leaves)[:, np.newaxis] << n_columns, met.shape[2], axis=1)
        for place in range(n_columns):
            way += met[:, place].astype(np.intp) << place
        units = np.empty(met.shape)
        for place in range(n_columns):
            units[:, place] = self.table[place].take(way)
        return units.reshape(-1, met.shape[2])


class _Block:
    """Leaves of trees that add to the same sums."""

    def __init__(
        self, conditions: Conditions, values: Floats, first_sum: int, most_in_table: int
    ) -> None:
        self.n_pairs = len(conditions.leaf)
        self.sums = slice(first_sum, first_sum + values.shape[1])
        self._groups = list(_groups(conditions, most_in_table))
        # Of each test's pairs the values of their leaves: shape (n_sums, n_pairs).
        self._tests = [
            (test, np.ascontiguousarray(values[conditions.leaf[test.pairs]].T))
            for test in conditions.tests
        ]

    def add_to(self, total: Floats, columns: Sequence[NDArray[np.generic]]) -> None:
        """Add to contributions of shape (n_columns, n_sums, n_rows)."""
        met = np.empty((self.n_pairs, total.shape[2]), dtype=bool)
        for test, _ in self._tests:
            met[test.pairs] = test.are_met(columns[test.column])
        units = np.concatenate([group.units(met) for group in self._groups])
        for test, values in self._tests:
            total[test.column, self.sums] += values @ units[test.pairs]


def _groups(conditions: Conditions, most_in_table: int) -> Iterator[_Group]:
    n_columns = np.bincount(conditions.leaf)[conditions.leaf]
    for number in np.unique(n_columns).tolist():
        first, end = np.searchsorted(n_columns, [number, number + 1]).tolist()
        shares = conditions.share[first:end].reshape(-1, number, 1)
        table = _table(shares) if number <= most_in_table else None
        yield _Group(slice(first, end), shares, table)


def _table(shares: Floats) -> Floats:
    n_leaves, n_columns, _ = shares.shape
    bits = np.arange(2**n_columns) >> np.arange(n_columns)[:, np.newaxis] & 1
    ways = bits[np.newaxis].astype(bool)
    table = np.empty((n_columns, n_leaves, 2**n_columns))
    step = max(1, BLOCK_NUMBERS // ways.size)
    for start in range(0, n_leaves, step):
        units = unit_contributions(shares[start : start + step], ways)
        table[:, start : start + step] = units.swapaxes(0, 1)
    return table.reshape(n_columns, -1)


class TreesContributions:
    """Evaluates an ensemble, whose tree i adds to group i modulo n_groups.

    expected : what the sums are expected to be, nothing being known of a row; shape (n_sums,).
    work : how many numbers a row takes.
    """

    def __init__(
        self, trees: Trees, covers: Floats, encodings: Sequence[Encoding], n_groups: int
    ) -> None:
        width = trees.values.shape[1]
        paths = Paths(trees, covers, encodings)
        leaves = np.flatnonzero(trees.is_leaf)
        group = trees.tree_of_node[leaves] % n_groups
        found = [
            (paths.conditions_of(leaves[chosen]), trees.values[chosen], width * number)
            for number in range(n_groups)
            for chosen in _blocks(np.flatnonzero(group == number))
        ]
        most_in_table = _most_in_table([conditions for conditions, *_ in found])
        # Of trees that are one leaf alone, no column is asked.
        self._blocks = [_Block(*parts, most_in_table) for parts in found if len(parts[0].leaf)]
        self._n_sums = width * n_groups
        self.expected = np.zeros(self._n_sums)
        for conditions, values, first_sum in found:
            self.expected[first_sum : first_sum + width] += _expected(conditions, values)
        n_pairs = [block.n_pairs for block in self._blocks]
        self.work = sum(n_pairs)
        self._block_rows = max(1, BLOCK_NUMBERS // max(n_pairs, default=1))

    def of_rows(self, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Give contributions of shape (n_columns, n_sums, n_rows)."""
        n_rows = len(columns[0])
        total = np.zeros((len(columns), self._n_sums, n_rows))
        for start in range(0, n_rows, self._block_rows):
            rows = slice(start, start + self._block_rows)
            for block in self._blocks:
                block.add_to(total[:, :, rows], [column[rows] for column in columns])
        return total


def _blocks(leaves: Ints) -> Iterator[Ints]:
    for start in range(0, len(leaves), BLOCK_LEAVES):
        yield leaves[start : start + BLOCK_LEAVES]


def _expected(conditions: Conditions, values: Floats) -> Floats:
    shares = np.ones(len(values))
    np.multiply.at(shares, conditions.leaf, conditions.share)
    expected: Floats = shares @ values
    return expected


def _most_in_table(found: Sequence[Conditions]) -> int:
    """Give for how many columns a path may ask to have a table, all of which fit into memory."""
    sizes = np.zeros(MOST_IN_TABLE + 1)
    for conditions in found:
        n_columns = np.bincount(conditions.leaf)
        counts = np.bincount(n_columns, minlength=MOST_IN_TABLE + 1)[: MOST_IN_TABLE + 1]
        numbers = np.arange(MOST_IN_TABLE + 1)
        sizes += 8 * counts * numbers * 2**numbers
    return int(np.searchsorted(np.cumsum(sizes), MOST_TABLE_BYTES, side="right")) - 1
