"""Contributions: what each column adds to a prediction, beside what is expected of any row.

They add up on the scale on which the model adds up, before a calibration: exactly, but for the
rounding of sums. A model whose parts are on different scales has none, and says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from src.errors import NotExplainableError
from src.scoring.contributions_trees import TreesContributions
from src.scoring.model import LinearModel, Model, TreesModel, VoteModel
from src.scoring.trees import Floats

# log_odds: of two labels; log_score: of more, what softmax makes probabilities of.
Scale = Literal["log_odds", "log_score", "probability"]

# Of all columns, sums and some rows together.
BLOCK_NUMBERS = 2**20

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
    step = max(1, BLOCK_NUMBERS // (len(columns) * len(explainer.base)))
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
