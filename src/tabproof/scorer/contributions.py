"""Contributions: what each column adds to a prediction, relative to an expected value.

They are exact Shapley values on the scale on which the model adds, before a calibration, and sum
to the model's score up to rounding. A model that adds on several scales has none
(NotExplainableError). docs/scorer.md gives the formulas.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tabproof.errors import UserError
from tabproof.scorer.encoding import CategoryEncoding, Encoding, NumberEncoding
from tabproof.scorer.format import Bools, Columns, Floats, Ints, TreesSpec
from tabproof.scorer.model import LinearModel, Model, TreesModel, VoteModel
from tabproof.scorer.trees import Trees

# log_odds: for two labels. log_score: for more, the input of softmax.
Scale = Literal["log_odds", "log_score", "probability"]

# Paths that test at most MAX_TABLE_COLUMNS columns use a table of all ways to meet the tests.
MAX_TABLE_BYTES = 64 * 2**20
MAX_TABLE_COLUMNS = 10
# Leaves that are processed together, and numbers in memory at a time for them and some rows.
BLOCK_LEAVES, BLOCK_NUMBERS = 2**13, 2**20
OLDER_VERSION = "an older version exported it; train it again"


class NotExplainableError(UserError):
    """A model that predicts, but has no exact contributions of columns."""

    template = "this model's predictions cannot be explained: {reason}"


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


class Explainer(ABC):
    """Computes contributions for one kind of model."""

    scale: Scale
    # The expected value of each sum, when nothing is known about a row.
    base: Floats
    # How many numbers one row takes.
    work: int

    @abstractmethod
    def of_rows(self, columns: Columns) -> Floats:
        """Return contributions of shape (n_columns, n_sums, n_rows)."""

    def explain(self, columns: Columns, codes: NDArray[np.intp]) -> Contributions:
        """Return the contributions to the labels in `codes`, one per row."""
        is_one_sum = len(self.base) == 1
        # A single sum is for the second of two labels, and its negative for the first.
        sums = np.zeros_like(codes) if is_one_sum else codes
        signs = np.where(codes == 1, 1.0, -1.0) if is_one_sum else np.ones(len(codes))
        values = np.empty((len(codes), len(columns)))
        step = max(1, BLOCK_NUMBERS // (len(columns) * len(self.base)))
        for start in range(0, len(codes), step):
            rows = slice(start, start + step)
            of_all = self.of_rows([column[rows] for column in columns])
            values[rows] = of_all[:, sums[rows], np.arange(of_all.shape[2])].T
        base = signs * self.base[sums]
        return Contributions(self.scale, codes, base, signs[:, np.newaxis] * values)


def make_explainer(model: Model) -> Explainer:
    """Prepare a model; raise NotExplainableError."""
    if isinstance(model, TreesModel):
        return TreesExplainer(model.trees, model.encodings, model.spec)
    return _LinearExplainer(model) if isinstance(model, LinearModel) else _VoteExplainer(model)


class _LinearExplainer(Explainer):
    """A weighted sum: each column's part minus its mean over the training rows.

    Shapley values of a linear model with independent columns (Štrumbelj and Kononenko, 2014).
    """

    def __init__(self, model: LinearModel) -> None:
        if model.mean_parts is None:
            reason = f"its scorer/ has no means of the training rows: {OLDER_VERSION}"
            raise NotExplainableError(reason=reason)
        self._model, self._means = model, model.mean_parts
        self.base = model.intercepts + np.sum(self._means, axis=0)
        self.scale = "log_odds" if len(self.base) == 1 else "log_score"
        self.work = len(self._means) * len(self.base)

    def of_rows(self, columns: Columns) -> Floats:
        # Extreme values overflow; they have no probability either.
        with np.errstate(over="ignore", invalid="ignore"):
            parts = [
                (self._model.part(index, column) - mean).T
                for index, (column, mean) in enumerate(zip(columns, self._means, strict=True))
            ]
        return np.stack(parts)


class _VoteExplainer(Explainer):
    """A vote of forests: the Shapley values of a mean are the mean of its members' values."""

    scale = "probability"

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
        self.work = sum(member.work for member in self._members)
        self.base = self._mean([member.base for member in self._members])

    def of_rows(self, columns: Columns) -> Floats:
        return self._mean([member.of_rows(columns) for member in self._members])

    def _mean(self, parts: Sequence[Floats]) -> Floats:
        weighted = [share * part for share, part in zip(self._shares, parts, strict=True)]
        mean: Floats = np.sum(weighted, axis=0)
        return mean


class TreesExplainer(Explainer):
    """Path-dependent Tree SHAP: contributions to the sums of boosting, or the mean of a forest."""

    def __init__(self, trees: Trees, encodings: Sequence[Encoding], spec: TreesSpec) -> None:
        if trees.covers is None:
            reason = f"its scorer/ does not say how many rows reached each node: {OLDER_VERSION}"
            raise NotExplainableError(reason=reason)
        paths = _Paths(trees, trees.covers, encodings)
        width, leaves = trees.values.shape[1], np.flatnonzero(trees.is_leaf)
        group = trees.tree_of_node[leaves] % spec.n_groups
        expected = np.zeros(width * spec.n_groups)
        found: list[tuple[_Conditions, Floats, slice]] = []
        for number in range(spec.n_groups):
            of_group = np.flatnonzero(group == number)
            sums = slice(width * number, width * (number + 1))
            for start in range(0, len(of_group), BLOCK_LEAVES):
                chosen = of_group[start : start + BLOCK_LEAVES]
                conditions, values = paths.conditions_of(leaves[chosen]), trees.values[chosen]
                shares = np.ones(len(values))
                np.multiply.at(shares, conditions.leaf, conditions.share)
                expected[sums] += shares @ values
                # Trees of a single leaf test no column.
                if len(conditions.leaf):
                    found.append((conditions, values, sums))
        # Up to how many columns per path all tables together fit into MAX_TABLE_BYTES.
        numbers = np.arange(MAX_TABLE_COLUMNS + 1)
        sizes = np.zeros(len(numbers))
        for conditions, *_ in found:
            n_columns = np.bincount(conditions.leaf)
            counts = np.bincount(n_columns, minlength=len(numbers))[: len(numbers)]
            sizes += 8 * counts * numbers * 2**numbers
        max_columns = int(np.searchsorted(np.cumsum(sizes), MAX_TABLE_BYTES, side="right")) - 1
        self._blocks = [_Block(*parts, max_columns) for parts in found]
        is_mean = spec.link == "mean"
        self.scale = "log_odds" if len(expected) == 1 else "log_score"
        if is_mean:
            self.scale = "probability"
        self._divisor = trees.n_trees // spec.n_groups if is_mean else 1
        self.base = (np.array(spec.baseline) + expected) / self._divisor
        self.work = sum(block.n_pairs for block in self._blocks)
        most = max((block.n_pairs for block in self._blocks), default=1)
        self._block_rows = max(1, BLOCK_NUMBERS // most)

    def of_rows(self, columns: Columns) -> Floats:
        """Return contributions of shape (n_columns, n_sums, n_rows)."""
        n_rows = len(columns[0])
        total = np.zeros((len(columns), len(self.base), n_rows))
        for start in range(0, n_rows, self._block_rows):
            rows = slice(start, start + self._block_rows)
            for block in self._blocks:
                block.add_to(total[:, :, rows], [column[rows] for column in columns])
        return total / self._divisor


class _Test(NamedTuple):
    """A column that paths test, their pairs, and whether cells meet each: (n_pairs, n_cells)."""

    column: int
    pairs: Ints
    are_met: Callable[[NDArray[np.generic]], Bools]


class _Conditions(NamedTuple):
    """Pairs of a leaf and a column that its path tests, by number of columns, then by leaf."""

    # Indices into the given leaves.
    leaf: Ints
    # Of the training rows that reach the column's nodes, the share that goes on to the leaf.
    share: Floats
    tests: Sequence[_Test]


class _Block:
    """Leaves of trees that add to the same sums."""

    def __init__(
        self, conditions: _Conditions, values: Floats, sums: slice, max_table_columns: int
    ) -> None:
        self.n_pairs, self._sums = len(conditions.leaf), sums
        # Leaves whose paths test equally many columns: their pairs, which are consecutive, their
        # shares, and a table of shape (n_columns, n_leaves · 2^n_columns) unless it would be large.
        self._groups: list[tuple[slice, Floats, Floats | None]] = []
        n_columns = np.bincount(conditions.leaf)[conditions.leaf]
        for number in np.unique(n_columns).tolist():
            pairs = slice(*np.searchsorted(n_columns, [number, number + 1]).tolist())
            shares, table = conditions.share[pairs].reshape(-1, number, 1), None
            if number <= max_table_columns:
                ways = np.arange(2**number) >> np.arange(number)[:, np.newaxis] & 1 > 0
                table = np.empty((number, len(shares), 2**number))
                step = max(1, BLOCK_NUMBERS // ways.size)
                for start in range(0, len(shares), step):
                    leaves = slice(start, start + step)
                    units = unit_contributions(shares[leaves], ways[np.newaxis])
                    table[:, leaves] = units.swapaxes(0, 1)
                table = table.reshape(number, -1)
            self._groups.append((pairs, shares, table))
        # For each test, the values of the leaves of its pairs: shape (n_sums, n_pairs).
        self._tests = [
            (test, np.ascontiguousarray(values[conditions.leaf[test.pairs]].T))
            for test in conditions.tests
        ]

    def add_to(self, total: Floats, columns: Columns) -> None:
        """Add to contributions of shape (n_columns, n_sums, n_rows)."""
        met = np.empty((self.n_pairs, total.shape[2]), dtype=bool)
        for test, _ in self._tests:
            met[test.pairs] = test.are_met(columns[test.column])
        units = np.empty(met.shape)
        for pairs, shares, table in self._groups:
            n_leaves, n_columns, _ = shares.shape
            own = met[pairs].reshape(n_leaves, n_columns, -1)
            found = units[pairs].reshape(own.shape)
            if table is None:
                found[:] = unit_contributions(shares, own)
                continue
            way = np.repeat(np.arange(n_leaves)[:, np.newaxis] << n_columns, own.shape[2], axis=1)
            for column in range(n_columns):
                way += own[:, column].astype(np.intp) << column
            for column in range(n_columns):
                found[:, column] = table[column].take(way)
        for test, values in self._tests:
            total[test.column, self._sums] += values @ units[test.pairs]


def unit_contributions(shares: Floats, met: Bools) -> Floats:
    """Return the contribution of each column of leaves whose value is 1.

    Shapes: (n_leaves, n_columns, 1) of shares, and (n_leaves or 1, n_columns, n_ways) of met.
    """
    n_columns = shares.shape[1]
    total = np.zeros(np.broadcast_shapes(shares.shape, met.shape))
    # The nodes of Gauss-Legendre quadrature, and their weights, are for the interval from -1 to 1.
    for node, weight in zip(*_leggauss((n_columns + 1) // 2), strict=True):
        t = (node + 1) / 2
        left_out = (1 - t) * shares
        factors = np.where(met, t + left_out, left_out)
        # (o - z) / factor, also where the factor is zero: then the product is zero too.
        ratios = np.where(met, (1 - shares) / (t + left_out), -1 / (1 - t))
        total += ratios * (weight / 2 * factors.prod(axis=1, keepdims=True))
    return total


_leggauss = cache(np.polynomial.legendre.leggauss)


class _Paths:
    """Finds what the path to each leaf requires of each column."""

    def __init__(self, trees: Trees, covers: Floats, encodings: Sequence[Encoding]) -> None:
        self._trees, self._encodings = trees, encodings
        widths = [encoding.width for encoding in encodings]
        self._first_feature = np.cumsum([0, *widths])
        self._column_of = np.repeat(np.arange(len(encodings)), widths)
        inner, n_nodes = np.flatnonzero(~trees.is_leaf), len(trees.feature)
        self._parent = np.full(n_nodes, -1)
        self._parent[inner + 1] = self._parent[trees.right[inner]] = inner
        total = covers[inner + 1] + covers[trees.right[inner]]
        # Where no training row passed, both children are equally likely.
        left = np.divide(covers[inner + 1], total, out=np.full(len(inner), 0.5), where=total > 0)
        self._share = np.ones(n_nodes)
        self._share[inner + 1], self._share[trees.right[inner]] = left, 1 - left

    def conditions_of(self, leaves: Ints) -> _Conditions:
        """Return the conditions of these leaves, given as nodes."""
        trees, indices, nodes = self._trees, [], []
        # All paths go up together, without their roots.
        here, child = np.arange(len(leaves)), leaves
        while len(here):
            below = self._parent[child] >= 0
            here, child = here[below], child[below]
            indices.append(here)
            nodes.append(child)
            child = self._parent[child]
        leaf, child = np.concatenate(indices), np.concatenate(nodes)
        node = self._parent[child]
        column = self._column_of[trees.feature[node]]
        # By leaf and column, so that the nodes of a pair are consecutive.
        order = np.lexsort((column, leaf))
        leaf, child, node, column = leaf[order], child[order], node[order], column[order]
        left, is_first = child == node + 1, np.ones(len(leaf), dtype=bool)
        is_first[1:] = (leaf[1:] != leaf[:-1]) | (column[1:] != column[:-1])
        starts = np.flatnonzero(is_first)
        ends = np.append(starts[1:], len(node))
        share = np.multiply.reduceat(self._share[child], starts) if len(starts) else np.empty(0)
        n_columns = np.bincount(leaf[starts], minlength=len(leaves))
        # By number of columns, so that leaves with equally many are consecutive.
        by_number = np.argsort(n_columns[leaf[starts]], kind="stable")
        pair = np.empty(len(starts), dtype=np.int64)
        pair[by_number] = np.arange(len(starts))
        tests = []
        for tested in np.unique(column).tolist():
            own = np.flatnonzero(column[starts] == tested)
            counts = ends[own] - starts[own]
            first = np.cumsum(counts) - counts
            steps = np.repeat(starts[own] - first, counts) + np.arange(counts.sum())
            are_met = self._make_are_met(tested, node[steps], left[steps], first)
            tests.append(_Test(tested, pair[own], are_met))
        return _Conditions(leaf[starts][by_number], share[by_number], tests)

    def _make_are_met(
        self, column: int, node: Ints, left: Bools, starts: Ints
    ) -> Callable[[NDArray[np.generic]], Bools]:
        """Return the test of pairs; `starts` are their first nodes, `left` where paths go left."""
        encoding, trees = self._encodings[column], self._trees
        has_sets = (trees.category_set[node] >= 0).any()
        if isinstance(encoding, NumberEncoding) or (encoding.width == 1 and not has_sets):
            threshold = trees.threshold[node]
            return partial(
                _are_between,
                encoding,
                np.fmax.reduceat(np.where(left, np.nan, threshold), starts)[:, np.newaxis],
                np.minimum.reduceat(np.where(left, threshold, np.inf), starts)[:, np.newaxis],
                np.logical_and.reduceat(trees.missing_left[node] == left, starts)[:, np.newaxis],
            )
        features = trees.feature[node] - self._first_feature[column]
        is_open = trees.goes_left(node, encoding.codes[:, features]) == left
        open_indices = np.logical_and.reduceat(is_open, starts, axis=1).T
        return partial(_are_open, np.ascontiguousarray(open_indices))


def _are_between(
    encoding: Encoding, low: Floats, high: Floats, takes_missing: Bools, cells: NDArray[np.generic]
) -> Bools:
    """Test one feature, which must be above `low` and not above `high` (NaN: no bound)."""
    if isinstance(encoding, CategoryEncoding):
        values = encoding.codes[cells.astype(np.intp, copy=False), 0]
    else:
        values = encoding.apply_to_all(cells.astype(np.float64, copy=False))
    # Not `>`: without a lower bound every number is above it.
    met: Bools = (values <= high) > (values <= low)
    missing = np.isnan(values)
    if missing.any():
        met[:, missing] = takes_missing
    return met


def _are_open(is_open: Bools, cells: NDArray[np.generic]) -> Bools:
    return is_open.take(cells.astype(np.intp, copy=False), axis=1)
