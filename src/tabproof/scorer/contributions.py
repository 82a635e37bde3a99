"""Contributions: what each column adds to a prediction, relative to an expected value.

They are exact Shapley values on the scale on which the model adds, before a calibration, and sum
to the model's score up to rounding. A model that adds on several scales has none
(NotExplainableError). docs/scorer.md gives the formulas.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tabproof.errors import UserError
from tabproof.scorer.encoding import Encoding, NumberEncoding
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
        width = trees.values.shape[1]
        group = trees.tree_of_node[paths.leaves] % spec.n_groups
        expected = np.zeros(width * spec.n_groups)
        self._blocks: list[_Block] = []
        for number in range(spec.n_groups):
            of_group = np.flatnonzero(group == number)
            sums = slice(width * number, width * (number + 1))
            for start in range(0, len(of_group), BLOCK_LEAVES):
                block = _Block(paths, of_group[start : start + BLOCK_LEAVES], sums)
                expected[sums] += block.expected
                # Trees of a single leaf test no column.
                if len(block.leaf):
                    self._blocks.append(block)
        # Up to how many columns per path all tables together fit into MAX_TABLE_BYTES.
        numbers = np.arange(MAX_TABLE_COLUMNS + 1)
        sizes = np.zeros(len(numbers))
        for block in self._blocks:
            counts = np.bincount(np.bincount(block.leaf), minlength=len(numbers))[: len(numbers)]
            sizes += 8 * counts * numbers * 2**numbers
        max_columns = int(np.searchsorted(np.cumsum(sizes), MAX_TABLE_BYTES, side="right")) - 1
        for block in self._blocks:
            block.make_tables(max_columns)
        is_mean = spec.link == "mean"
        self.scale = "log_odds" if len(expected) == 1 else "log_score"
        if is_mean:
            self.scale = "probability"
        self._divisor = trees.n_trees // spec.n_groups if is_mean else 1
        self.base = (np.array(spec.baseline) + expected) / self._divisor
        n_pairs = [len(block.leaf) for block in self._blocks]
        self.work = sum(n_pairs)
        self._block_rows = max(1, BLOCK_NUMBERS // max(n_pairs, default=1))

    def of_rows(self, columns: Columns) -> Floats:
        """Return contributions of shape (n_columns, n_sums, n_rows)."""
        n_rows = len(columns[0])
        total = np.zeros((len(columns), len(self.base), n_rows))
        for start in range(0, n_rows, self._block_rows):
            rows = slice(start, start + self._block_rows)
            for block in self._blocks:
                block.add_to(total[:, :, rows], [column[rows] for column in columns])
        return total / self._divisor


class _Paths:
    """What all paths from a root to a leaf have in common."""

    def __init__(self, trees: Trees, covers: Floats, encodings: Sequence[Encoding]) -> None:
        self.trees, self.encodings = trees, encodings
        widths = [encoding.width for encoding in encodings]
        self.first_feature = np.cumsum([0, *widths])
        self.column_of = np.repeat(np.arange(len(encodings)), widths)
        self.leaves, inner = np.flatnonzero(trees.is_leaf), np.flatnonzero(~trees.is_leaf)
        self.parent = np.full(len(trees.feature), -1)
        self.parent[inner + 1] = self.parent[trees.right[inner]] = inner
        total = covers[inner + 1] + covers[trees.right[inner]]
        # Where no training row passed, both children are equally likely.
        left = np.divide(covers[inner + 1], total, out=np.full(len(inner), 0.5), where=total > 0)
        self.share = np.ones(len(trees.feature))
        self.share[inner + 1], self.share[trees.right[inner]] = left, 1 - left


class _Test(NamedTuple):
    """A column that paths test, and their pairs."""

    column: int
    pairs: Ints
    encoding: Encoding
    # Those of the pairs' leaves: (n_sums, n_pairs).
    values: Floats
    # One feature must be above `low` and not above `high` (NaN: no bound), or may be missing; each
    # of shape (n_pairs, 1). Or by pair the cells that meet it: (n_pairs, n_cells).
    bounds: tuple[Floats, Floats, Bools] | Bools

    def are_met(self, cells: NDArray[np.generic]) -> Bools:
        """Return by pair and row whether its conditions are met."""
        if not isinstance(self.bounds, tuple):
            return self.bounds.take(cells.astype(np.intp, copy=False), axis=1)
        low, high, takes_missing = self.bounds
        values = self.encoding.features(cells)[:, 0]
        # Not `>`: without a lower bound every number is above it.
        met: Bools = (values <= high) > (values <= low)
        missing = np.isnan(values)
        if missing.any():
            met[:, missing] = takes_missing
        return met


class _Block:
    """Leaves of trees that add to the same sums, and what their paths require of each column.

    A pair is a leaf and a column that its path tests; pairs are in order of the number of columns
    of their leaf, then of leaves.
    """

    def __init__(self, paths: _Paths, chosen: Ints, sums: slice) -> None:
        trees, values, self._sums = paths.trees, paths.trees.values[chosen], sums
        # All paths go up together, without their roots.
        here, child = np.arange(len(chosen)), paths.leaves[chosen]
        steps_up = []
        while len(here):
            below = paths.parent[child] >= 0
            here, child = here[below], child[below]
            steps_up.append((here, child))
            child = paths.parent[child]
        leaf, child = map(np.concatenate, zip(*steps_up, strict=True))
        node = paths.parent[child]
        column = paths.column_of[trees.feature[node]]
        # By leaf and column, so that the nodes of a pair are consecutive.
        order = np.lexsort((column, leaf))
        leaf, child, node, column = leaf[order], child[order], node[order], column[order]
        left, is_first = child == node + 1, np.ones(len(leaf), dtype=bool)
        is_first[1:] = (leaf[1:] != leaf[:-1]) | (column[1:] != column[:-1])
        starts = np.flatnonzero(is_first)
        ends = np.append(starts[1:], len(node))
        share = np.multiply.reduceat(paths.share[child], starts) if len(starts) else np.empty(0)
        leaf = leaf[starts]
        by_number = np.argsort(np.bincount(leaf, minlength=1)[leaf], kind="stable")
        pair = np.empty(len(starts), dtype=np.int64)
        pair[by_number] = np.arange(len(starts))
        # By pair: the leaf, as an index into the chosen ones; and of the training rows that reach
        # the column's nodes, the share that goes on to the leaf.
        self.leaf, self._share = leaf[by_number], share[by_number]
        shares = np.ones(len(values))
        np.multiply.at(shares, self.leaf, self._share)
        self.expected: Floats = shares @ values
        self._tests = []
        for tested in np.unique(column).tolist():
            own = np.flatnonzero(column[starts] == tested)
            counts = ends[own] - starts[own]
            first = np.cumsum(counts) - counts
            steps = np.repeat(starts[own] - first, counts) + np.arange(counts.sum())
            encoding, goes_left, at = paths.encodings[tested], left[steps], node[steps]
            if isinstance(encoding, NumberEncoding) or (
                encoding.width == 1 and not (trees.category_set[at] >= 0).any()
            ):
                cuts, takes_missing = trees.threshold[at], trees.missing_left[at] == goes_left
                bounds: tuple[Floats, Floats, Bools] | Bools = (
                    np.fmax.reduceat(np.where(goes_left, np.nan, cuts), first)[:, np.newaxis],
                    np.minimum.reduceat(np.where(goes_left, cuts, np.inf), first)[:, np.newaxis],
                    np.logical_and.reduceat(takes_missing, first)[:, np.newaxis],
                )
            else:
                features = trees.feature[at] - paths.first_feature[tested]
                is_open = trees.goes_left(at, encoding.codes[:, features]) == goes_left
                open_cells = np.logical_and.reduceat(is_open, first, axis=1).T
                bounds = np.ascontiguousarray(open_cells)
            values_of_pairs = np.ascontiguousarray(values[leaf[own]].T)
            self._tests.append(_Test(tested, pair[own], encoding, values_of_pairs, bounds))

    def make_tables(self, max_columns: int) -> None:
        """Make tables for the leaves whose paths test at most max_columns columns."""
        # Leaves whose paths test equally many columns: their pairs, which are consecutive, their
        # shares, and a table of shape (n_columns, n_leaves · 2^n_columns) unless it would be large.
        self._groups: list[tuple[slice, Floats, Floats | None]] = []
        n_columns = np.bincount(self.leaf)[self.leaf]
        for number in np.unique(n_columns).tolist():
            pairs = slice(*np.searchsorted(n_columns, [number, number + 1]).tolist())
            shares, table = self._share[pairs].reshape(-1, number, 1), None
            if number <= max_columns:
                ways = np.arange(2**number) >> np.arange(number)[:, np.newaxis] & 1 > 0
                table = np.empty((number, len(shares), 2**number))
                step = max(1, BLOCK_NUMBERS // ways.size)
                for start in range(0, len(shares), step):
                    leaves = slice(start, start + step)
                    units = unit_contributions(shares[leaves], ways[np.newaxis])
                    table[:, leaves] = units.swapaxes(0, 1)
                table = table.reshape(number, -1)
            self._groups.append((pairs, shares, table))

    def add_to(self, total: Floats, columns: Columns) -> None:
        """Add to contributions of shape (n_columns, n_sums, n_rows)."""
        met = np.empty((len(self.leaf), total.shape[2]), dtype=bool)
        for test in self._tests:
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
        for test in self._tests:
            total[test.column, self._sums] += test.values @ units[test.pairs]


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
