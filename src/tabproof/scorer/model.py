"""Models: from the cells of a row to probabilities."""

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabproof.features import spline_features
from tabproof.scorer import format as specs
from tabproof.scorer.encoding import (
    CategoryEncoding,
    Encoding,
    NumberEncoding,
    SplineEncoding,
    make_encodings,
)
from tabproof.scorer.format import Arrays, Columns, ColumnSpec, Floats, ScorerDamagedError
from tabproof.scorer.numbers import exp, exp32, exp_all
from tabproof.scorer.trees import BLOCK_ROWS, BitVectors, TreeWalker, read_trees

# The leaf values of a block, 1 MiB of doubles, stay in the caches: with the 1,000 trees of ten
# classes blocks of 2,048 rows take three times as long. Each block is a few calls of NumPy.
BLOCK_VALUES, MIN_BLOCK_ROWS = 2**17, 64


def logistic(raw: float) -> float:
    """Return the probability of the second of two labels."""
    return 1.0 / (1.0 + exp(-raw))


def softmax(raw: Floats) -> Floats:
    """Return probabilities for sums of shape (n_rows, n_labels)."""
    # The difference of two infinite sums is NaN, as in scikit-learn; the callers refuse it.
    with np.errstate(invalid="ignore"):
        powers = exp_all(raw - raw.max(axis=1, keepdims=True))
    proba: Floats = powers / powers.sum(axis=1, keepdims=True)
    return proba


def apply_link(link: specs.Link, sums: Floats, n_rounds: int = 1) -> Floats:
    """Return probabilities for sums of shape (n_rows, n_sums), bit for bit as each library does.

    n_rounds : what the link `mean` divides by
    """
    if link == "mean":
        return sums / n_rounds
    if link == "softmax":
        return softmax(sums)
    if link == "logistic":
        positive = np.array([logistic(value) for value in sums[:, 0].tolist()])
        return np.stack([1.0 - positive, positive], axis=1)
    sums_32, one = sums.astype(np.float32), np.float32(1)
    if link == "logistic_float32":
        # Beyond that exp overflows; XGBoost has the same limit.
        second = one / (exp32(np.minimum(-sums_32[:, 0], np.float32(88.7))) + one)
        return np.stack([one - second, second], axis=1).astype(np.float64)
    with np.errstate(invalid="ignore"):
        powers = exp32(sums_32 - sums_32.max(axis=1, keepdims=True))
    # XGBoost adds in 64 bits, in order, and divides in 32.
    totals = powers.astype(np.float64).cumsum(axis=1)[:, -1:].astype(np.float32)
    return (powers / totals).astype(np.float64)


class SummedModel(ABC):
    """A model whose probabilities are a link of sums."""

    encodings: tuple[Encoding, ...]
    _link: specs.Link
    _n_rounds = 1

    def predict_row(self, row: Sequence[float]) -> list[float]:
        """Return a probability per label."""
        sums = self.sums_of_row(row)
        if self._link == "logistic":
            positive = logistic(sums[0])
            return [1.0 - positive, positive]
        proba: list[float] = apply_link(self._link, np.array([sums]), self._n_rounds)[0].tolist()
        return proba

    def predict_proba(self, columns: Columns) -> Floats:
        """Return probabilities of shape (n_rows, n_labels), for rows that fit into memory."""
        return apply_link(self._link, self.sums(columns), self._n_rounds)

    @abstractmethod
    def sums_of_row(self, row: Sequence[float]) -> list[float]:
        """Return the sums before the link; for `mean`, before the division."""

    @abstractmethod
    def sums(self, columns: Columns) -> Floats:
        """Return the sums before the link, of shape (n_rows, n_sums)."""

    def _check_sums(self, n_sums: int, n_labels: int) -> None:
        expected = 1 if self._link in ("logistic", "logistic_float32") else n_labels
        if n_sums != expected or (n_sums == 1 and n_labels != 2):
            reason = f"{n_sums} sums do not fit {n_labels} labels with '{self._link}'"
            raise ScorerDamagedError(reason)


class TreesModel(SummedModel):
    """Boosted trees, whose values are summed, or forests, whose values are averaged.

    Values are added in the order of the trees, as scikit-learn does: another order would give
    other last bits.
    """

    def __init__(
        self, spec: specs.TreesSpec, arrays: Arrays, encodings: Sequence[Encoding], n_labels: int
    ) -> None:
        trees = read_trees(arrays, sum(encoding.width for encoding in encodings))
        # A set of codes on a numeric column would make every number a cell of its own.
        is_number = np.repeat(
            [isinstance(e, NumberEncoding) for e in encodings], [e.width for e in encodings]
        )
        if is_number[trees.feature[(trees.category_set >= 0) & ~trees.is_leaf]].any():
            raise ScorerDamagedError("a node tests a numeric column for categories")
        for encoding in encodings:
            if isinstance(encoding, SplineEncoding) and encoding.width:
                raise ScorerDamagedError(f"trees take no knots, which '{encoding.name}' has")
        self.spec, self.trees, self.encodings = spec, trees, tuple(encodings)
        self._link, self._n_groups = spec.link, spec.n_groups
        self._n_sums = spec.n_groups * trees.values.shape[1]
        self._check_sums(self._n_sums, n_labels)
        if len(spec.baseline) != self._n_sums or not np.isfinite(spec.baseline).all():
            raise ScorerDamagedError("'baseline' is not one finite number per sum")
        if spec.n_groups < 1 or trees.n_trees % spec.n_groups:
            raise ScorerDamagedError(f"{trees.n_trees} trees do not make {spec.n_groups} groups")
        self._float: Any = np.float32 if spec.link.endswith("float32") else np.float64
        with np.errstate(over="ignore"):
            for values in (trees.values, np.asarray(spec.baseline)):
                if (values.astype(self._float) != values).any():
                    raise ScorerDamagedError(f"'{spec.link}' takes values of 32 bits")
        baseline = np.array(spec.baseline, dtype=self._float)
        self._baseline = baseline.reshape(spec.n_groups, 1, -1)
        self._n_rounds = trees.n_trees // spec.n_groups
        kind = BitVectors if BitVectors.suits(trees, encodings) else TreeWalker
        self._evaluator: BitVectors | TreeWalker = kind(trees, encodings)

    def sums_of_row(self, row: Sequence[float]) -> list[float]:
        """Return the sums before the link; for `mean`, before the division."""
        sums: list[float] = self._sums(self._evaluator.leaf_values_of_row(row))[0].tolist()
        return sums

    def sums(self, columns: Columns) -> Floats:
        """Return the sums before the link, of shape (n_rows, n_sums)."""
        sums = np.empty((len(columns[0]), self._n_sums))
        n_at_once = BLOCK_VALUES // self.trees.values[0].size // self.trees.n_trees
        n_at_once = min(max(n_at_once, MIN_BLOCK_ROWS), BLOCK_ROWS)
        for start in range(0, len(sums), n_at_once):
            rows = slice(start, start + n_at_once)
            sums[rows] = self._sums(self._evaluator.leaf_values([c[rows] for c in columns]))
        return sums

    def _sums(self, values: Floats) -> Floats:
        """Add values of shape (n_trees, n_rows, width) to sums of shape (n_rows, n_sums)."""
        n_rows = values.shape[1]
        # Rounds are the first axis, or NumPy would add in another order.
        in_order = np.ascontiguousarray(values, dtype=self._float)
        rounds = in_order.reshape(self._n_rounds, self._n_groups, n_rows, -1)
        rounds[0] += self._baseline
        if rounds[0].size == 1:
            # NumPy adds a single sum in pairs, which gives other bits.
            return rounds.ravel().cumsum()[-1:, np.newaxis]
        sums: Floats = np.add.reduce(rounds, axis=0)
        return np.swapaxes(sums, 0, 1).reshape(n_rows, self._n_sums)


class LinearModel(SummedModel):
    """A weighted sum of features: one sum for two labels, else one per label.

    The parts are added column by column, for one row as for many. `mean_parts` are the means of
    the columns' parts over the training rows; None if unknown.
    """

    def __init__(
        self, spec: specs.LinearSpec, arrays: Arrays, encodings: Sequence[Encoding], n_labels: int
    ) -> None:
        intercepts, weights = arrays.get("intercepts"), arrays.get("coefficients")
        widths = [encoding.width for encoding in encodings]
        if intercepts is None or weights is None or intercepts.ndim != 1:
            raise ScorerDamagedError("'coefficients' or 'intercepts' are missing")
        if weights.shape != (len(intercepts), sum(widths)):
            raise ScorerDamagedError(f"'coefficients' are not {sum(widths)} per intercept")
        for name, array in (("coefficients", weights), ("intercepts", intercepts)):
            if array.dtype != np.float64 or not np.isfinite(array).all():
                raise ScorerDamagedError(f"'{name}' are not finite 64-bit floats")
        self._link, self.encodings, self.intercepts = spec.link, tuple(encodings), intercepts
        self._check_sums(len(intercepts), n_labels)
        ends = np.cumsum(widths)[:-1]
        self.mean_parts: list[Floats] | None = None
        if (means := arrays.get("means")) is not None:
            if means.dtype != np.float64 or means.shape != weights.shape[1:]:
                raise ScorerDamagedError(f"'means' are not {sum(widths)} 64-bit floats")
            with np.errstate(over="ignore", invalid="ignore"):
                parts = np.split(weights * means, ends, axis=1)
                self.mean_parts = [part.sum(axis=1) for part in parts]
            if not np.isfinite(self.mean_parts).all():
                raise ScorerDamagedError("'means' are not finite")
        # By column: the number that is encoded, if it is one, and the weights or a table.
        self._parts: list[tuple[NumberEncoding | None, Any]] = []
        for encoding, part in zip(encodings, np.split(weights, ends, axis=1), strict=True):
            if isinstance(encoding, CategoryEncoding):
                # The sum of a category's features is the same in each row, so it is computed once.
                self._parts.append((None, _in_order(encoding.codes, part)))
            elif isinstance(encoding, SplineEncoding):
                table = _in_order(encoding.codes, part)
                self._parts.append((encoding, SplinePart(encoding.knots, table)))
            else:
                self._parts.append((encoding, part[:, 0]))
        # The same in Python's own types, which are faster for a single row.
        self._row_parts: list[tuple[NumberEncoding | None, Any]] = [
            (encoding, part if isinstance(part, SplinePart) else part.tolist())
            for encoding, part in self._parts
        ]

    def sums_of_row(self, row: Sequence[float]) -> list[float]:
        """Return the sums before the link."""
        sums: list[float] = self.intercepts.tolist()
        for (encoding, part), value in zip(self._row_parts, row, strict=True):
            if encoding is None:
                parts = part[int(value)]
            elif isinstance(part, SplinePart):
                parts = part.of_number(value)
            else:
                number = encoding.apply(value)
                parts = [number * weight for weight in part]
            sums = [total + added for total, added in zip(sums, parts, strict=True)]
        return sums

    def sums(self, columns: Columns) -> Floats:
        """Return the sums before the link, of shape (n_rows, n_sums)."""
        sums = np.tile(self.intercepts, (len(columns[0]), 1))
        # Infinite parts of two columns can cancel out: the sum is NaN.
        with np.errstate(over="ignore", invalid="ignore"):
            for index, column in enumerate(columns):
                sums += self.part(index, column)
        return sums

    def part(self, index: int, column: NDArray[np.generic]) -> Floats:
        """Return what a column adds to the sums, of shape (n_rows, n_sums)."""
        encoding, part = self._parts[index]
        if encoding is None:
            of_categories: Floats = part[column.astype(np.intp, copy=False)]
            return of_categories
        numbers = column.astype(np.float64, copy=False)
        if isinstance(part, SplinePart):
            return part.of_numbers(numbers)
        of_numbers: Floats = encoding.apply_to_all(numbers)[:, np.newaxis] * part
        return of_numbers


class SplinePart:
    """What a column with knots adds to the sums: one product, however many knots there are.

    table : the parts at each knot, and in a last row those of a missing cell, of each sum.
    """

    def __init__(self, knots: Floats, table: Floats) -> None:
        self._knots, self._table = knots, table
        self._changes = np.diff(table[:-1], axis=0, append=table[-2:-1])
        # The same in Python's own types, which are faster for a single row.
        self._knots_of_row: list[float] = knots.tolist()
        self._widths_of_row: list[float] = [*np.diff(knots).tolist(), 1.0]
        rows, changes = table.tolist(), self._changes.tolist()
        self._pairs_of_row = [
            list(zip(row, change, strict=True))
            for row, change in zip(rows[:-1], changes, strict=True)
        ]
        self._missing_of_row: list[float] = rows[-1]

    def of_number(self, number: float) -> list[float]:
        """Return the part of one number, by sum."""
        # NaN is the only number that differs from itself.
        if number != number:
            return self._missing_of_row
        place = max(bisect_right(self._knots_of_row, number) - 1, 0)
        share = (number - self._knots_of_row[place]) / self._widths_of_row[place]
        share = min(max(share, 0.0), 1.0)
        return [start + share * change for start, change in self._pairs_of_row[place]]

    def of_numbers(self, numbers: Floats) -> Floats:
        """Return the parts of many numbers, of shape (n_numbers, n_sums), with the same bits."""
        return spline_features(numbers, self._knots, self._table)


def _in_order(codes: Floats, weights: Floats) -> Floats:
    """Return codes @ weights.T, added feature by feature: BLAS adds by the processor."""
    parts = (codes[:, i, np.newaxis] * weights[:, i] for i in range(codes.shape[1]))
    sums = next(parts, np.zeros((len(codes), len(weights))))
    for part in parts:
        sums += part
    return sums


class VoteModel:
    """Models whose probabilities are averaged: added in order, then divided by the total weight.

    `encodings` are the columns that a client sends; each member encodes them in its own way.
    """

    def __init__(
        self, spec: specs.VoteSpec, arrays: Arrays, columns: Sequence[ColumnSpec], n_labels: int
    ) -> None:
        weights = np.array([member.weight for member in spec.members], dtype=np.float64)
        with np.errstate(over="ignore"):
            # NumPy's sum, as in scikit-learn: eight or more are added in an order of its own.
            total = float(weights.sum())
        if not (weights >= 0).all() or not 0 < total < np.inf:
            raise ScorerDamagedError("the weights of members are negative, infinite or all 0")
        no_features: Arrays = {}
        for index, column in enumerate(columns):
            if isinstance(column, specs.CategorySpec):
                no_features[f"codes.{index}"] = np.empty((len(column.categories) + 2, 0))
            elif column.steps:
                reason = f"column '{column.name}' of a vote has steps; members have them"
                raise ScorerDamagedError(reason)
        self.encodings = make_encodings(columns, no_features)
        # In one pass: a file may claim any number of members.
        own_arrays: dict[str, Arrays] = {str(index): {} for index in range(len(weights))}
        for name, array in arrays.items():
            if name.startswith("members."):
                number, _, own_name = name.removeprefix("members.").partition(".")
                if number not in own_arrays:
                    raise ScorerDamagedError(f"'{name}' belongs to no member")
                own_arrays[number][own_name] = array
        self.members: list[Model] = []
        for member, own in zip(spec.members, own_arrays.values(), strict=True):
            if len(member.steps) != len(columns):
                reason = f"a member has steps for {len(member.steps)} of {len(columns)} columns"
                raise ScorerDamagedError(reason)
            own_columns: list[ColumnSpec] = []
            for column, steps in zip(columns, member.steps, strict=True):
                if isinstance(column, specs.CategorySpec) and steps:
                    raise ScorerDamagedError(f"column '{column.name}' of categories has steps")
                is_number = isinstance(column, specs.NumberSpec)
                own_columns.append(specs.NumberSpec(column.name, steps) if is_number else column)
            self.members.append(make_model(member.model, own_columns, own, n_labels))
        self._weights = weights[:, np.newaxis, np.newaxis]
        self._total = total
        self.shares = weights / total
        self._weighted = list(zip(weights.tolist(), self.members, strict=True))

    def predict_row(self, row: Sequence[float]) -> list[float]:
        """Return a probability per label."""
        sums: list[float] = []
        for weight, member in self._weighted:
            parts = [weight * p for p in member.predict_row(row)]
            sums = [s + p for s, p in zip(sums, parts, strict=True)] if sums else parts
        return [s / self._total for s in sums]

    def predict_proba(self, columns: Columns) -> Floats:
        """Return probabilities of shape (n_rows, n_labels)."""
        proba = np.stack([member.predict_proba(columns) for member in self.members])
        proba *= self._weights
        sums: Floats = proba.sum(axis=0)
        return sums / self._total


Model = TreesModel | LinearModel | VoteModel


def make_model(
    spec: specs.ModelSpec, columns: Sequence[ColumnSpec], arrays: Arrays, n_labels: int
) -> Model:
    """Make a model from its spec and arrays; raise ScorerDamagedError where they do not fit."""
    if isinstance(spec, specs.VoteSpec):
        return VoteModel(spec, arrays, columns, n_labels)
    encodings = make_encodings(columns, arrays)
    if isinstance(spec, specs.TreesSpec):
        return TreesModel(spec, arrays, encodings, n_labels)
    return LinearModel(spec, arrays, encodings, n_labels)
