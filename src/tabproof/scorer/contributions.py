"""Contributions: what each column adds to a prediction, relative to an expected value.

They are exact Shapley values on the scale on which the model adds, before a calibration, and sum
to the model's score up to rounding. A model that adds on several scales has none
(NotExplainableError). docs/scorer.md gives the formulas.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tabproof.scorer.encoding import CategoryEncoding, Encoding, NumberEncoding
from tabproof.scorer.errors import NotExplainableError
from tabproof.scorer.model import LinearModel, Model, TreesModel, VoteModel
from tabproof.scorer.trees import Bools, Floats, Ints, Trees

# log_odds: for two labels. log_score: for more, the input of softmax.
Scale = Literal["log_odds", "log_score", "probability"]

# Paths that test at most MAX_TABLE_COLUMNS columns use a table of all ways to meet the tests.
MAX_TABLE_BYTES = 64 * 2**20
MAX_TABLE_COLUMNS = 10
# Leaves that are processed together, and numbers in memory at a time for them and some rows.
BLOCK_LEAVES, BLOCK_NUMBERS = 2**13, 2**20
OLDER_VERSION = "an older version exported it; train it again"


@dataclass(frozen=True)
class Contributions:
    """What columns add to `base`, for one label per row.

    `codes` (the labels) and `base` have the shape (n_rows,), `values` (n_rows, n_columns).
    """

    scale: Scale
    codes: NDArray[np.intp]
    base: Floats
    values: Floats

    @property
    def scores(self) -> Floats:
        """The model's own sums for these labels: base and contributions, added."""
        # Infinite contributions of extreme numbers may cancel out: NaN, as for probabilities.
        with np.errstate(over="ignore", invalid="ignore"):
            scores: Floats = self.base + self.values.sum(axis=1)
        return scores


class Explainer(Protocol):
    """Computes contributions for one kind of model.

    Attributes
    ----------
    base : the expected value of each sum
    work : how many numbers one row takes
    """

    scale: Scale
    base: Floats
    work: int

    def of_rows(self, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Return contributions of shape (n_columns, n_sums, n_rows)."""
        ...


def make_explainer(model: Model) -> Explainer:
    """Prepare a model; raise NotExplainableError."""
    if isinstance(model, TreesModel):
        return TreesExplainer(model)
    if isinstance(model, LinearModel):
        return LinearExplainer(model)
    if isinstance(model, VoteModel):
        return VoteExplainer(model)
    raise NotExplainableError(reason=f"{type(model).__name__} has neither trees nor weights")


def explain(
    explainer: Explainer, columns: Sequence[NDArray[np.generic]], codes: NDArray[np.intp]
) -> Contributions:
    """Return the contributions to the labels in `codes`, one per row."""
    is_one_sum = len(explainer.base) == 1
    # A single sum is for the second of two labels, and its negative for the first.
    sums = np.zeros_like(codes) if is_one_sum else codes
    signs = np.where(codes == 1, 1.0, -1.0) if is_one_sum else np.ones(len(codes))
    values = np.empty((len(codes), len(columns)))
    step = max(1, BLOCK_NUMBERS // (len(columns) * len(explainer.base)))
    for start in range(0, len(codes), step):
        rows = slice(start, start + step)
        of_all = explainer.of_rows([column[rows] for column in columns])
        values[rows] = of_all[:, sums[rows], np.arange(of_all.shape[2])].T
    return Contributions(
        explainer.scale, codes, signs * explainer.base[sums], signs[:, np.newaxis] * values
    )


class LinearExplainer:
    """A weighted sum: each column's part minus its mean over the training rows.

    Shapley values of a linear model with independent columns (Štrumbelj and Kononenko, 2014).
    """

    def __init__(self, model: LinearModel) -> None:
        if model.mean_parts is None:
            reason = f"its scorer/ has no means of the training rows: {OLDER_VERSION}"
            raise NotExplainableError(reason=reason)
        self._model, self._means = model, model.mean_parts
        self.base = model.intercepts + np.sum(self._means, axis=0)
        self.scale: Scale = _scale_of(len(self.base))
        self.work = len(self._means) * len(self.base)

    def of_rows(self, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Return contributions of shape (n_columns, n_sums, n_rows)."""
        # Extreme values overflow; they have no probability either.
        with np.errstate(over="ignore", invalid="ignore"):
            parts = [
                (self._model.part(index, column) - mean).T
                for index, (column, mean) in enumerate(zip(columns, self._means, strict=True))
            ]
        return np.stack(parts)


class VoteExplainer:
    """A vote of forests: the Shapley values of a mean are the mean of its members' values."""

    def __init__(self, model: VoteModel) -> None:
        for member in model.members:
            if not (isinstance(member, TreesModel) and member.spec.link == "mean"):
                raise NotExplainableError(
                    reason="it averages probabilities of members that add on other scales, so the"
                    " contribution of a column has no exact form; a vote of forests alone can be"
                    " explained"
                )
        self._members = [make_explainer(member) for member in model.members]
        self._shares: list[float] = model.shares.tolist()
        self.scale: Scale = "probability"
        self.work = sum(member.work for member in self._members)
        self.base = self._mean([member.base for member in self._members])

    def of_rows(self, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Return contributions of shape (n_columns, n_sums, n_rows)."""
        return self._mean([member.of_rows(columns) for member in self._members])

    def _mean(self, parts: Sequence[Floats]) -> Floats:
        weighted = [share * part for share, part in zip(self._shares, parts, strict=True)]
        mean: Floats = np.sum(weighted, axis=0)
        return mean


class TreesExplainer:
    """Trees: contributions to the sums of boosting, or to the mean of a forest."""

    def __init__(self, model: TreesModel) -> None:
        trees, spec = model.trees, model.spec
        if trees.covers is None:
            reason = f"its scorer/ does not say how many rows reached each node: {OLDER_VERSION}"
            raise NotExplainableError(reason=reason)
        self._trees = TreesContributions(trees, trees.covers, model.encodings, spec.n_groups)
        self.work = self._trees.work
        is_mean = spec.link == "mean"
        self.scale: Scale = "probability" if is_mean else _scale_of(len(spec.baseline))
        self._divisor = trees.n_trees // spec.n_groups if is_mean else 1
        self.base = (np.array(spec.baseline) + self._trees.expected) / self._divisor

    def of_rows(self, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Return contributions of shape (n_columns, n_sums, n_rows)."""
        return self._trees.of_rows(columns) / self._divisor


def _scale_of(n_sums: int) -> Scale:
    return "log_odds" if n_sums == 1 else "log_score"


# --- Path-dependent Tree SHAP: the sums of an ensemble of trees.


class TreesContributions:
    """Contributions to the sums of an ensemble; tree i adds to group i modulo n_groups.

    Attributes
    ----------
    expected : the expected sums when nothing is known about a row, of shape (n_sums,)
    work : how many numbers one row takes
    """

    def __init__(
        self, trees: Trees, covers: Floats, encodings: Sequence[Encoding], n_groups: int
    ) -> None:
        width = trees.values.shape[1]
        paths = Paths(trees, covers, encodings)
        leaves = np.flatnonzero(trees.is_leaf)
        group = trees.tree_of_node[leaves] % n_groups
        found = []
        for number in range(n_groups):
            of_group = np.flatnonzero(group == number)
            for start in range(0, len(of_group), BLOCK_LEAVES):
                chosen = of_group[start : start + BLOCK_LEAVES]
                conditions = paths.conditions_of(leaves[chosen])
                found.append((conditions, trees.values[chosen], width * number))
        max_columns = _max_table_columns([conditions for conditions, *_ in found])
        # Trees of a single leaf test no column.
        self._blocks = [_Block(*parts, max_columns) for parts in found if len(parts[0].leaf)]
        self._n_sums = width * n_groups
        self.expected = np.zeros(self._n_sums)
        for conditions, values, first_sum in found:
            shares = np.ones(len(values))
            np.multiply.at(shares, conditions.leaf, conditions.share)
            self.expected[first_sum : first_sum + width] += shares @ values
        n_pairs = [block.n_pairs for block in self._blocks]
        self.work = sum(n_pairs)
        self._block_rows = max(1, BLOCK_NUMBERS // max(n_pairs, default=1))

    def of_rows(self, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Return contributions of shape (n_columns, n_sums, n_rows)."""
        n_rows = len(columns[0])
        total = np.zeros((len(columns), self._n_sums, n_rows))
        for start in range(0, n_rows, self._block_rows):
            rows = slice(start, start + self._block_rows)
            for block in self._blocks:
                block.add_to(total[:, :, rows], [column[rows] for column in columns])
        return total


def _max_table_columns(found: Sequence["Conditions"]) -> int:
    """Return up to how many columns per path all tables together fit into MAX_TABLE_BYTES."""
    numbers = np.arange(MAX_TABLE_COLUMNS + 1)
    sizes = np.zeros(MAX_TABLE_COLUMNS + 1)
    for conditions in found:
        n_columns = np.bincount(conditions.leaf)
        counts = np.bincount(n_columns, minlength=len(numbers))[: len(numbers)]
        sizes += 8 * counts * numbers * 2**numbers
    return int(np.searchsorted(np.cumsum(sizes), MAX_TABLE_BYTES, side="right")) - 1


class _Block:
    """Leaves of trees that add to the same sums."""

    def __init__(
        self, conditions: "Conditions", values: Floats, first_sum: int, max_table_columns: int
    ) -> None:
        self.n_pairs = len(conditions.leaf)
        self._sums = slice(first_sum, first_sum + values.shape[1])
        self._groups: list[_Group] = []
        n_columns = np.bincount(conditions.leaf)[conditions.leaf]
        for number in np.unique(n_columns).tolist():
            first, end = np.searchsorted(n_columns, [number, number + 1]).tolist()
            shares = conditions.share[first:end].reshape(-1, number, 1)
            table = _make_table(shares) if number <= max_table_columns else None
            self._groups.append(_Group(slice(first, end), shares, table))
        # For each test, the values of the leaves of its pairs: shape (n_sums, n_pairs).
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
            total[test.column, self._sums] += values @ units[test.pairs]


@dataclass(frozen=True)
class _Group:
    """Leaves of a block whose paths test equally many columns; their pairs are consecutive.

    `table` has the shape (n_columns, n_leaves · 2^n_columns), or is None where it would be large.
    """

    pairs: slice
    shares: Floats
    table: Floats | None

    def units(self, met: Bools) -> Floats:
        """Return contributions to a value of 1, of shape (n_pairs, n_rows)."""
        n_leaves, n_columns, _ = self.shares.shape
        met = met[self.pairs].reshape(n_leaves, n_columns, -1)
        if self.table is None:
            return unit_contributions(self.shares, met).reshape(-1, met.shape[2])
        way = np.repeat(np.arange(n_leaves)[:, np.newaxis] << n_columns, met.shape[2], axis=1)
        for column in range(n_columns):
            way += met[:, column].astype(np.intp) << column
        units = np.empty(met.shape)
        for column in range(n_columns):
            units[:, column] = self.table[column].take(way)
        return units.reshape(-1, met.shape[2])


def _make_table(shares: Floats) -> Floats:
    n_leaves, n_columns, _ = shares.shape
    bits = np.arange(2**n_columns) >> np.arange(n_columns)[:, np.newaxis] & 1
    ways = bits[np.newaxis].astype(bool)
    table = np.empty((n_columns, n_leaves, 2**n_columns))
    step = max(1, BLOCK_NUMBERS // ways.size)
    for start in range(0, n_leaves, step):
        units = unit_contributions(shares[start : start + step], ways)
        table[:, start : start + step] = units.swapaxes(0, 1)
    return table.reshape(n_columns, -1)


def unit_contributions(shares: Floats, met: Bools) -> Floats:
    """Return the contribution of each column of a leaf whose value is 1.

    Parameters
    ----------
    shares : shape (n_leaves, n_columns, 1)
    met : shape (n_leaves or 1, n_columns, n_ways)
    """
    n_columns = shares.shape[1]
    total = np.zeros(np.broadcast_shapes(shares.shape, met.shape))
    for t, weight in _quadrature((n_columns + 1) // 2):
        left_out = (1 - t) * shares
        factors = np.where(met, t + left_out, left_out)
        # (o - z) / factor, also where the factor is zero: then the product is zero too.
        ratios = np.where(met, (1 - shares) / (t + left_out), -1 / (1 - t))
        total += ratios * (weight * factors.prod(axis=1, keepdims=True))
    return total


@cache
def _quadrature(number: int) -> list[tuple[float, float]]:
    """Return the nodes of Gauss-Legendre quadrature between 0 and 1, and their weights."""
    nodes, weights = np.polynomial.legendre.leggauss(number)
    return list(zip(((nodes + 1) / 2).tolist(), (weights / 2).tolist(), strict=True))


# --- What the path to each leaf requires of each column.


@dataclass(frozen=True)
class Conditions:
    """Pairs of a leaf and a column that its path tests, by number of columns, then by leaf.

    Attributes
    ----------
    leaf, column : of each pair, indices into the given leaves and the columns
    share : of the training rows that reach the column's nodes, the share that goes on to the leaf
    tests : for each tested column, its pairs and what they require
    """

    leaf: Ints
    column: Ints
    share: Floats
    tests: tuple["IntervalTest | CategoryTest", ...]


@dataclass(frozen=True)
class IntervalTest:
    """A column of one feature, which must be above `low` and not above `high` (NaN: no bound)."""

    column: int
    pairs: Ints
    encoding: Encoding
    low: Floats
    high: Floats
    takes_missing: Bools

    def are_met(self, cells: NDArray[np.generic]) -> Bools:
        """Return shape (n_pairs, n_cells)."""
        if isinstance(self.encoding, CategoryEncoding):
            values = self.encoding.codes[cells.astype(np.intp, copy=False), 0]
        else:
            values = self.encoding.apply_to_all(cells.astype(np.float64, copy=False))
        # Not `>`: without a lower bound every number is above it.
        met: Bools = (values <= self.high[:, np.newaxis]) > (values <= self.low[:, np.newaxis])
        missing = np.isnan(values)
        if missing.any():
            met[:, missing] = self.takes_missing[:, np.newaxis]
        return met


@dataclass(frozen=True)
class CategoryTest:
    """A categorical column. `open`: shape (n_pairs, n_categories + 2), which meet a pair."""

    column: int
    pairs: Ints
    open: Bools

    def are_met(self, cells: NDArray[np.generic]) -> Bools:
        """Return shape (n_pairs, n_cells)."""
        return self.open.take(cells.astype(np.intp, copy=False), axis=1)


@dataclass(frozen=True)
class _Steps:
    """Nodes on the paths to leaves, ordered by leaf and column, so that pairs are consecutive.

    Attributes
    ----------
    node, left : each node, and whether the path goes left there
    starts, column, pair : the first node of each pair, its column, and its index in Conditions
    """

    node: Ints
    left: Bools
    starts: Ints
    column: Ints
    pair: Ints


class Paths:
    """Finds the conditions of leaves."""

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
        # Where no training row passed, both children are equally likely.
        left = np.divide(covers[inner + 1], total, out=np.full(len(inner), 0.5), where=total > 0)
        self._share = np.ones(n_nodes)
        self._share[inner + 1], self._share[trees.right[inner]] = left, 1 - left

    def conditions_of(self, leaves: Ints) -> Conditions:
        """Return the conditions of these leaves, given as nodes."""
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
        # By number of columns, so that leaves with equally many are consecutive.
        by_number = np.argsort(n_columns[leaf[starts]], kind="stable")
        pair = np.empty(len(starts), dtype=np.int64)
        pair[by_number] = np.arange(len(starts))
        steps = _Steps(node, child == node + 1, starts, column[starts], pair)
        return Conditions(
            leaf[starts][by_number],
            column[starts][by_number],
            share[by_number],
            tuple(self._make_test(int(k), steps) for k in np.unique(steps.column)),
        )

    def _steps_to(self, leaves: Ints) -> tuple[Ints, Ints]:
        """Return indices into leaves, and the nodes on the way to each, without roots."""
        indices, nodes = [], []
        here, child = np.arange(len(leaves)), leaves
        while len(here):
            below = self._parent[child] >= 0
            here, child = here[below], child[below]
            indices.append(here)
            nodes.append(child)
            child = self._parent[child]
        return np.concatenate(indices), np.concatenate(nodes)

    def _make_test(self, column: int, steps: _Steps) -> IntervalTest | CategoryTest:
        own = np.flatnonzero(steps.column == column)
        ends = np.append(steps.starts[1:], len(steps.node))
        counts = ends[own] - steps.starts[own]
        starts = np.cumsum(counts) - counts
        chosen = np.repeat(steps.starts[own] - starts, counts) + np.arange(counts.sum())
        node, left = steps.node[chosen], steps.left[chosen]
        encoding, pairs, trees = self._encodings[column], steps.pair[own], self._trees
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
        open_indices = np.logical_and.reduceat(is_open, starts, axis=1).T
        return CategoryTest(column, pairs, np.ascontiguousarray(open_indices))
