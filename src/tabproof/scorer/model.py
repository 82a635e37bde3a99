"""Models: from a row's encoded columns to probabilities."""

from collections.abc import Sequence
from math import exp
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tabproof.scorer.bit_vectors import BLOCK_ROWS, BitVectors
from tabproof.scorer.encoding import (
    CategoryEncoding,
    Encoding,
    NumberEncoding,
    make_member_encodings,
)
from tabproof.scorer.errors import ScorerDamagedError
from tabproof.scorer.form import Arrays, LinearSpec, Link, ModelSpec, TreesSpec, VoteSpec, by_member
from tabproof.scorer.trees import Floats, Trees, read_trees
from tabproof.scorer.walks import Walks

# --- From a model's sums to probabilities, in the very order of operations of its library.


def logistic(raw: float) -> float:
    """Give the probability of the second of two labels."""
    # libm's exp, as scipy's expit has it: numpy's own differs in the last bit on some machines.
    try:
        return 1.0 / (1.0 + exp(-raw))
    except OverflowError:
        return 0.0


def both_labels(raw: Floats) -> Floats:
    """Give probabilities of shape (n_rows, 2) for sums of shape (n_rows,)."""
    positive = np.array([logistic(value) for value in raw.tolist()])
    return np.stack([1.0 - positive, positive], axis=1)


def softmax(raw: Floats) -> Floats:
    """Give probabilities for sums of shape (n_rows, n_labels)."""
    # Two infinite sums have no difference: NaN, as scikit-learn says too, and its callers refuse.
    with np.errstate(invalid="ignore"):
        powers = np.exp(raw - raw.max(axis=1, keepdims=True))
    proba: Floats = powers / powers.sum(axis=1, keepdims=True)
    return proba


def both_labels_float32(raw: Floats) -> Floats:
    """Give what XGBoost gives for 32-bit sums of shape (n_rows,), bit for bit."""
    # Further out exp overflows; XGBoost stops there too.
    powers = _exp_float32(np.minimum(-raw.astype(np.float32), np.float32(88.7)))
    positive = np.float32(1) / (powers + np.float32(1))
    return np.stack([np.float32(1) - positive, positive], axis=1).astype(np.float64)


def softmax_float32(raw: Floats) -> Floats:
    """Give what XGBoost gives for 32-bit sums of shape (n_rows, n_labels), bit for bit."""
    sums = raw.astype(np.float32)
    with np.errstate(invalid="ignore"):
        powers = _exp_float32(sums - sums.max(axis=1, keepdims=True))
    # XGBoost adds up in 64 bits, one after the other, and divides in 32.
    totals = powers.astype(np.float64).cumsum(axis=1)[:, -1:].astype(np.float32)
    return (powers / totals).astype(np.float64)


def _exp_float32(values: NDArray[np.float32]) -> NDArray[np.float32]:
    # libm's expf: numpy has its own for real numbers, which differs in the last bit, as the
    # rounded exp of 64 bits does. For complex ones it asks libm.
    with np.errstate(over="ignore", invalid="ignore"):
        powers: NDArray[np.float32] = np.exp(values.astype(np.complex64)).real
    return powers


class Model(Protocol):
    """Gives sums or probabilities; a row is a value per column, as Scorer has it."""

    def predict_row(self, row: Sequence[float]) -> list[float]:
        """Give a probability per label."""
        ...

    def predict_proba(self, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Give probabilities of shape (n_rows, n_labels), for as many rows as fit into memory."""
        ...


class SummedModel(Model, Protocol):
    """A model whose probabilities are a link of sums."""

    def sums_of_row(self, row: Sequence[float]) -> list[float]:
        """Give the sums before the link."""
        ...

    def sums(self, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Give the sums before the link, of shape (n_rows, n_sums)."""
        ...


def make_model(
    spec: ModelSpec, arrays: Arrays, encodings: Sequence[Encoding], n_labels: int
) -> Model:
    """Join a spec with its arrays."""
    if isinstance(spec, VoteSpec):
        return VoteModel(spec, arrays, encodings, n_labels)
    if isinstance(spec, TreesSpec):
        return TreesModel(spec, arrays, encodings, n_labels)
    return LinearModel(spec, arrays, encodings, n_labels)


class TreesModel:
    """Boosted trees, whose values add up to the link's sums, or forests, whose values are averaged.

    Values are added in the order of the trees, as scikit-learn does: in another order the last
    bits would differ.
    """

    def __init__(
        self, spec: TreesSpec, arrays: Arrays, encodings: Sequence[Encoding], n_labels: int
    ) -> None:
        trees = read_trees(arrays, sum(encoding.width for encoding in encodings))
        _check_sets(trees, encodings)
        self.spec, self.trees, self.encodings = spec, trees, tuple(encodings)
        self._link, self._n_groups = spec.link, spec.n_groups
        self._n_sums = spec.n_groups * trees.values.shape[1]
        _check_link(spec.link, self._n_sums, n_labels)
        if len(spec.baseline) != self._n_sums or not np.isfinite(spec.baseline).all():
            raise ScorerDamagedError("'baseline' is not one finite number per sum")
        if spec.n_groups < 1 or trees.n_trees % spec.n_groups:
            raise ScorerDamagedError(f"{trees.n_trees} trees do not make {spec.n_groups} groups")
        self._float: Any = np.float32 if spec.link.endswith("float32") else np.float64
        if not (_fits(trees.values, self._float) and _fits(spec.baseline, self._float)):
            raise ScorerDamagedError(f"'{spec.link}' takes values of 32 bits")
        baseline = np.array(spec.baseline, dtype=self._float)
        self._baseline = baseline.reshape(spec.n_groups, 1, -1)
        self._n_rounds = trees.n_trees // spec.n_groups
        kind = BitVectors if BitVectors.suits(trees, encodings) else Walks
        self._evaluator: BitVectors | Walks = kind(trees, encodings)

    def predict_row(self, row: Sequence[float]) -> list[float]:
        """Give a probability per label."""
        return _linked_row(self._link, self.sums_of_row(row), self._n_rounds)

    def predict_proba(self, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Give probabilities of shape (n_rows, n_labels)."""
        return _linked(self._link, self.sums(columns), self._n_rounds)

    def sums_of_row(self, row: Sequence[float]) -> list[float]:
        """Give the sums before the link; of `mean`, before they are divided."""
        sums: list[float] = self._sums(self._evaluator.leaf_values_of_row(row))[0].tolist()
        return sums

    def sums(self, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Give the sums before the link, of shape (n_rows, n_sums)."""
        sums = np.empty((len(columns[0]), self._n_sums))
        for start in range(0, len(sums), BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            sums[rows] = self._sums(self._evaluator.leaf_values([c[rows] for c in columns]))
        return sums

    def _sums(self, values: Floats) -> Floats:
        """Add up values of shape (n_trees, n_rows, width), to shape (n_rows, n_sums)."""
        n_rows = values.shape[1]
        # Rounds outermost, or numpy would add them up in another order.
        in_order = np.ascontiguousarray(values, dtype=self._float)
        rounds = in_order.reshape(self._n_rounds, self._n_groups, n_rows, -1)
        rounds[0] += self._baseline
        if rounds[0].size == 1:
            # A single sum numpy would add up in pairs, which gives other bits.
            return rounds.ravel().cumsum()[-1:, np.newaxis]
        sums: Floats = np.add.reduce(rounds, axis=0)
        return np.swapaxes(sums, 0, 1).reshape(n_rows, self._n_sums)


class LinearModel:
    """A weighted sum of features; one sum for two labels, else one per label.

    Each column's part is added in the order of columns, for one row as for many.
    mean_parts : the mean of each column's part over the training rows, if the file knows it.
    """

    def __init__(
        self, spec: LinearSpec, arrays: Arrays, encodings: Sequence[Encoding], n_labels: int
    ) -> None:
        intercepts, weights = arrays.get("intercepts"), arrays.get("coefficients")
        n_features = sum(encoding.width for encoding in encodings)
        if intercepts is None or weights is None or intercepts.ndim != 1:
            raise ScorerDamagedError("'coefficients' or 'intercepts' are missing")
        if weights.shape != (len(intercepts), n_features):
            raise ScorerDamagedError(f"'coefficients' are not {n_features} per intercept")
        for name, array in (("coefficients", weights), ("intercepts", intercepts)):
            if array.dtype != np.float64 or not np.isfinite(array).all():
                raise ScorerDamagedError(f"'{name}' are no finite numbers")
        _check_link(spec.link, len(intercepts), n_labels)
        self._link = spec.link
        self.intercepts = intercepts
        self.mean_parts = _mean_parts(weights, arrays.get("means"), encodings)
        self._parts: list[tuple[NumberEncoding | None, Floats]] = []
        first = 0
        for encoding in encodings:
            part = weights[:, first : first + encoding.width]
            first += encoding.width
            if isinstance(encoding, CategoryEncoding):
                # The sum of a category's features is the same in each row: taken once.
                self._parts.append((None, encoding.codes @ part.T))
            else:
                self._parts.append((encoding, part[:, 0]))
        # The same in Python's own types, which are faster one at a time.
        self._row_parts: list[tuple[NumberEncoding | None, list[Any]]]
        self._row_parts = [(encoding, part.tolist()) for encoding, part in self._parts]

    def predict_row(self, row: Sequence[float]) -> list[float]:
        """Give a probability per label."""
        return _linked_row(self._link, self.sums_of_row(row), 1)

    def predict_proba(self, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Give probabilities of shape (n_rows, n_labels)."""
        return _linked(self._link, self.sums(columns), 1)

    def sums_of_row(self, row: Sequence[float]) -> list[float]:
        """Give the sums before the link."""
        sums: list[float] = self.intercepts.tolist()
        for (encoding, part), value in zip(self._row_parts, row, strict=True):
            if encoding is None:
                parts = part[int(value)]
            else:
                number = encoding.apply(value)
                parts = [number * weight for weight in part]
            sums = [total + added for total, added in zip(sums, parts, strict=True)]
        return sums

    def sums(self, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Give the sums before the link, of shape (n_rows, n_sums)."""
        sums = np.tile(self.intercepts, (len(columns[0]), 1))
        # Where two columns of extreme values cancel out, no number is left: NaN says so.
        with np.errstate(over="ignore", invalid="ignore"):
            for place, column in enumerate(columns):
                sums += self.part(place, column)
        return sums

    def part(self, place: int, column: NDArray[np.generic]) -> Floats:
        """Give what a column adds to the sums, of shape (n_rows, n_sums)."""
        encoding, part = self._parts[place]
        if encoding is None:
            return part[column.astype(np.intp, copy=False)]
        values = encoding.apply_to_all(column.astype(np.float64, copy=False))
        return values[:, np.newaxis] * part


class VoteModel:
    """Models whose probabilities are averaged: added up in order, then divided by the weights' sum.

    encodings : the columns that a client sends; each member encodes them in its own way.
    """

    def __init__(
        self, spec: VoteSpec, arrays: Arrays, encodings: Sequence[Encoding], n_labels: int
    ) -> None:
        weights = np.array([member.weight for member in spec.members], dtype=np.float64)
        with np.errstate(over="ignore"):
            # By numpy, as scikit-learn does: it adds up eight or more in an order of its own.
            total = float(weights.sum())
        if not (weights >= 0).all() or not 0 < total < np.inf:
            raise ScorerDamagedError("the members' weights are no shares of a whole")
        self.members: list[Model] = []
        parts = by_member(arrays, len(spec.members))
        for member, part in zip(spec.members, parts, strict=True):
            own = make_member_encodings(encodings, member.steps, part)
            self.members.append(make_model(member.model, part, own, n_labels))
        self._weights = weights[:, np.newaxis, np.newaxis]
        self._total = total
        self.shares = weights / total
        self._weighted = list(zip(weights.tolist(), self.members, strict=True))

    def predict_row(self, row: Sequence[float]) -> list[float]:
        """Give a probability per label."""
        sums: list[float] = []
        for weight, member in self._weighted:
            parts = [weight * p for p in member.predict_row(row)]
            sums = [s + p for s, p in zip(sums, parts, strict=True)] if sums else parts
        return [s / self._total for s in sums]

    def predict_proba(self, columns: Sequence[NDArray[np.generic]]) -> Floats:
        """Give probabilities of shape (n_rows, n_labels)."""
        proba = np.stack([member.predict_proba(columns) for member in self.members])
        proba *= self._weights
        sums: Floats = proba.sum(axis=0)
        return sums / self._total


def _mean_parts(
    weights: Floats, means: Floats | None, encodings: Sequence[Encoding]
) -> list[Floats] | None:
    if means is None:
        return None
    if means.dtype != np.float64 or means.shape != weights.shape[1:]:
        raise ScorerDamagedError(f"'means' are not {weights.shape[1]} numbers of 64 bits")
    ends = np.cumsum([encoding.width for encoding in encodings])[:-1]
    with np.errstate(over="ignore", invalid="ignore"):
        parts = [part.sum(axis=1) for part in np.split(weights * means, ends, axis=1)]
    if not np.isfinite(parts).all():
        raise ScorerDamagedError("'means' are no finite numbers")
    return parts


def _check_sets(trees: Trees, encodings: Sequence[Encoding]) -> None:
    """Refuse sets of codes on a column of numbers: every number would be a cell of its own."""
    is_number = np.concatenate([np.full(e.width, isinstance(e, NumberEncoding)) for e in encodings])
    on_sets = trees.feature[(trees.category_set >= 0) & ~trees.is_leaf]
    if is_number[on_sets].any():
        raise ScorerDamagedError("a node asks a column of numbers for categories")


def _fits(values: Floats | list[float], kind: Any) -> bool:
    """Tell whether no number changes when it is stored as a kind of float."""
    with np.errstate(over="ignore"):
        return bool((np.asarray(values).astype(kind) == values).all())


def _check_link(link: Link, n_sums: int, n_labels: int) -> None:
    is_logistic = link in ("logistic", "logistic_float32")
    expected = 1 if is_logistic else n_labels
    if n_sums != expected or (is_logistic and n_labels != 2):
        raise ScorerDamagedError(f"{n_sums} sums do not make {n_labels} labels by '{link}'")


def _linked_row(link: Link, sums: list[float], n_rounds: int) -> list[float]:
    if link == "logistic":
        positive = logistic(sums[0])
        return [1.0 - positive, positive]
    proba: list[float] = _linked(link, np.array([sums]), n_rounds)[0].tolist()
    return proba


def _linked(link: Link, sums: Floats, n_rounds: int) -> Floats:
    match link:
        case "logistic":
            return both_labels(sums[:, 0])
        case "logistic_float32":
            return both_labels_float32(sums[:, 0])
        case "softmax":
            return softmax(sums)
        case "softmax_float32":
            return softmax_float32(sums)
        case "mean":
            return sums / n_rounds
