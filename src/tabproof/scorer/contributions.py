"""Contributions: what each column adds to a prediction, beside what is expected of any row.

They add up on the scale on which the model adds up, before a calibration: exactly, but for the
rounding of sums. A model whose parts are on different scales has none, and says so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tabproof.scorer.encoding import CategoryEncoding, Encoding, NumberEncoding
from tabproof.scorer.errors import NotExplainableError
from tabproof.scorer.model import LinearModel, Model, TreesModel, VoteModel
from tabproof.scorer.trees import Bools, Floats, Ints, Trees

# --- What each leaf asks of each column, and the share of training rows that meets it.


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


# --- Shapley values of an ensemble of trees, exact: what each column adds to its sums.

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


# log_odds: of two labels; log_score: of more, what softmax makes probabilities of.
Scale = Literal["log_odds", "log_score", "probability"]

# Of all columns, sums and some rows together.
BLOCK_NUMBERS_contributions = 2**20

NO_COVERS = "its scorer/ does not say how training rows went through its trees"
NO_MEANS = "its scorer/ does not hold the means of the training rows"
OF_AN_OLDER_VERSION = "an older version exported it; train it again"


@dataclass(frozen=True)
class Contributions:
    """What columns add to base, for the label that each row's probability is told of.

    codes, base : shape (n_rows,). values : shape (n_rows, n_columns), in the order of columns.
    """

    scale: Scale
    codes: NDArray[np.intp]
    base: Floats
    values: Floats

    @property
    def scores(self) -> Floats:
        """The model's own sums for these labels: the contributions and base, added up."""
        # Infinite parts, of extreme numbers, may cancel out: NaN, as for probabilities.
        with np.errstate(over="ignore", invalid="ignore"):
            scores: Floats = self.base + self.values.sum(axis=1)
        return scores


class Explainer(Protocol):
    """What a kind of model offers; base: of each sum. work: how many numbers a row takes."""

    scale: Scale
    base: Floats
    work: int

    def of_rows(self, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Give contributions of shape (n_columns, n_sums, n_rows)."""
        ...


def make_explainer(model: Model) -> Explainer:
    """Prepare a model; raises NotExplainableError."""
    if isinstance(model, TreesModel):
        return TreesExplainer(model)
    if isinstance(model, LinearModel):
        return LinearExplainer(model)
    if isinstance(model, VoteModel):
        return VoteExplainer(model)
    raise NotExplainableError(f"{type(model).__name__} is no model of trees or weights")


def explain(
    explainer: Explainer, columns: Sequence[NDArray[np.generic]], codes: NDArray[np.intp]
) -> Contributions:
    """Give contributions to the labels of codes, one per row."""
    is_one_sum = len(explainer.base) == 1
    # One sum speaks for the second of two labels, and against the first.
    sums = np.zeros_like(codes) if is_one_sum else codes
    signs = np.where(codes == 1, 1.0, -1.0) if is_one_sum else np.ones(len(codes))
    values = np.empty((len(codes), len(columns)))
    step = max(1, BLOCK_NUMBERS_contributions // (len(columns) * len(explainer.base)))
    for start in range(0, len(codes), step):
        rows = slice(start, start + step)
        of_all = explainer.of_rows([column[rows] for column in columns])
        values[rows] = of_all[:, sums[rows], np.arange(of_all.shape[2])].T
    return Contributions(
        explainer.scale, codes, signs * explainer.base[sums], signs[:, np.newaxis] * values
    )


class TreesExplainer:
    """Trees: of boosted ones sums, of forests means, which are probabilities themselves."""

    def __init__(self, model: TreesModel) -> None:
        trees, spec = model.trees, model.spec
        if trees.covers is None:
            raise NotExplainableError(f"{NO_COVERS}: {OF_AN_OLDER_VERSION}")
        self._ensemble = TreesContributions(trees, trees.covers, model.encodings, spec.n_groups)
        self.work = self._ensemble.work
        is_mean = spec.link == "mean"
        self.scale: Scale = "probability" if is_mean else _scale_of(len(spec.baseline))
        self._divisor = trees.n_trees // spec.n_groups if is_mean else 1
        self.base = (np.array(spec.baseline) + self._ensemble.expected) / self._divisor

    def of_rows(self, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Give contributions of shape (n_columns, n_sums, n_rows)."""
        return self._ensemble.of_rows(columns) / self._divisor


class LinearExplainer:
    """A weighted sum: of each column its part less the mean of that over the training rows.

    Shapley values of a linear model, columns taken as independent (Štrumbelj and Kononenko, 2014).
    """

    def __init__(self, model: LinearModel) -> None:
        if model.mean_parts is None:
            raise NotExplainableError(f"{NO_MEANS}: {OF_AN_OLDER_VERSION}")
        self._model, self._means = model, model.mean_parts
        self.base = model.intercepts + np.sum(self._means, axis=0)
        self.scale: Scale = _scale_of(len(self.base))
        self.work = len(self._means) * len(self.base)

    def of_rows(self, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Give contributions of shape (n_columns, n_sums, n_rows)."""
        # Of extreme values, which give no probability either.
        with np.errstate(over="ignore", invalid="ignore"):
            parts = [
                (self._model.part(place, column) - mean).T
                for place, (column, mean) in enumerate(zip(columns, self._means, strict=True))
            ]
        return np.stack(parts)


class VoteExplainer:
    """A vote of forests: Shapley values of a mean are the mean of its members'."""

    def __init__(self, model: VoteModel) -> None:
        for member in model.members:
            if not (isinstance(member, TreesModel) and member.spec.link == "mean"):
                raise NotExplainableError(
                    "it averages probabilities of members that add up on other scales, and what a"
                    " column adds to such a mean has no exact form; forests alone can vote and be"
                    " explained"
                )
        self._members = [make_explainer(member) for member in model.members]
        self._shares: list[float] = model.shares.tolist()
        self.scale: Scale = "probability"
        self.work = sum(member.work for member in self._members)
        self.base = self._mean([member.base for member in self._members])

    def of_rows(self, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Give contributions of shape (n_columns, n_sums, n_rows)."""
        return self._mean([member.of_rows(columns) for member in self._members])

    def _mean(self, parts: Sequence[Floats]) -> Floats:
        weighted = [share * part for share, part in zip(self._shares, parts, strict=True)]
        mean: Floats = np.sum(weighted, axis=0)
        return mean


def _scale_of(n_sums: int) -> Scale:
    return "log_odds" if n_sums == 1 else "log_score"
