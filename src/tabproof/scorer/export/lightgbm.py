"""Export LightGBM's classifier, from the text in which LightGBM itself keeps a model."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tabproof.errors import TooManyCategoriesError
from tabproof.scorer.encoding import CategoryEncoding, Encoding, NumberEncoding
from tabproof.scorer.export.columns import categories_of
from tabproof.scorer.export.nodes import (
    Nodes,
    Obstacles,
    Places,
    joined,
    other_than,
    refused_option,
)
from tabproof.scorer.form import Arrays, TreesSpec
from tabproof.scorer.trees import N_CODES, Bools, Floats, Ints, as_arrays

# Under every name that LightGBM takes.
OBSTACLES: Obstacles = {
    # Random forests average.
    **dict.fromkeys(("boosting_type", "boosting", "boost"), other_than("gbdt", "gbrt", "dart")),
    **dict.fromkeys(
        ("objective", "objective_type", "app", "application", "loss"),
        other_than("binary", "multiclass", "softmax"),
    ),
    **dict.fromkeys(("linear_tree", "linear_trees", "zero_as_missing", "pred_early_stop"), bool),
    **dict.fromkeys(
        (
            "categorical_feature",
            "categorical_features",
            "categorical_column",
            "cat_feature",
            "cat_column",
        ),
        other_than("auto"),
    ),
    "sigmoid": other_than(1),
}
# The bits of a node's decision.
IS_SET, DEFAULT_LEFT, MISSING_IS_NAN = 1, 2, 8
# What is no further from zero counts as zero.
ZERO = float(np.float32(1e-35))


def obstacle(estimator: Any, *, passes: bool) -> str | None:  # noqa: ARG001 - of the protocol
    """Refuse other sums, other links, and categories by other signs than the column's type."""
    return refused_option(estimator, OBSTACLES)


def encode(estimator: Any, X: pd.DataFrame) -> tuple[list[Encoding], Places]:
    """Encode categories as it does: by their place among those of the column's type."""
    known = iter(estimator.booster_.pandas_categorical)
    encodings: list[Encoding] = []
    for name in map(str, X.columns):
        if not isinstance(X[name].dtype, pd.CategoricalDtype):
            encodings.append(NumberEncoding(name, ()))
            continue
        code_of = {str(value): code for code, value in enumerate(next(known))}
        if len(code_of) > N_CODES:
            raise TooManyCategoriesError(name, len(code_of), N_CODES)
        categories = categories_of(X[name])
        # An unseen category is treated as a missing one.
        codes = np.array([*map(code_of.__getitem__, categories), np.nan, np.nan])
        encodings.append(CategoryEncoding(name, tuple(categories), codes[:, np.newaxis]))
    return encodings, np.arange(X.shape[1])


def export(
    estimator: Any, encodings: Sequence[Encoding], places: Places
) -> tuple[TreesSpec, Arrays, Sequence[Encoding]]:
    """Give its trees, round by round, and in each round class by class."""
    header, *trees = estimator.booster_.model_to_string().split("\nTree=")
    n_groups = int(dict(_fields(header))["num_tree_per_iteration"])
    spec = TreesSpec(
        link="logistic" if n_groups == 1 else "softmax",
        # The first trees hold where the sums begin.
        baseline=[0.0] * n_groups,
        n_groups=n_groups,
    )
    # A blank line ends a tree.
    parts = [_nodes(dict(_fields(tree.partition("\n\n")[0]))) for tree in trees]
    return spec, as_arrays(joined(parts, places)), encodings


def _fields(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, _, value = line.partition("=")
        yield name, value


def _nodes(fields: dict[str, str]) -> Nodes:
    n_leaves = int(fields["num_leaves"])
    n_inner = n_leaves - 1
    of_leaves = np.full(n_leaves, -1)
    decision = _integers(fields, "decision_type")
    is_set = (decision & IS_SET).astype(bool)
    threshold = np.array(fields.get("threshold", "").split(), dtype=np.float64)
    # Where training met no missing number, LightGBM takes one for zero; no set holds one.
    as_zero = threshold >= 0
    default = (decision & DEFAULT_LEFT).astype(bool)
    missing_left = np.where((decision & MISSING_IS_NAN) > 0, default, as_zero) & ~is_set
    values = np.array(fields["leaf_value"].split(), dtype=np.float64)
    return Nodes(
        left=np.append(_children(fields, "left_child", n_inner), of_leaves),
        right=np.append(_children(fields, "right_child", n_inner), of_leaves),
        feature=np.append(_integers(fields, "split_feature"), of_leaves),
        threshold=np.append(_beside_zero(threshold), np.zeros(n_leaves)),
        missing_left=np.append(missing_left, np.zeros(n_leaves, dtype=bool)),
        values=np.append(np.zeros(n_inner), values)[:, np.newaxis],
        covers=_covers(fields, n_leaves),
        category_set=np.append(np.where(is_set, threshold, -1).astype(np.int64), of_leaves),
        left_codes=_left_codes(fields),
    )


def _beside_zero(threshold: Floats) -> Floats:
    """Let what counts as zero go where zero goes."""
    edge = np.where(threshold < 0, np.nextafter(-ZERO, -np.inf), ZERO)
    return np.where(np.abs(threshold) <= ZERO, edge, threshold)


def _integers(fields: dict[str, str], name: str) -> Ints:
    # A tree of one leaf has no such line.
    return np.array(fields.get(name, "").split(), dtype=np.int64)


def _children(fields: dict[str, str], name: str, n_inner: int) -> Ints:
    children = _integers(fields, name)
    # Leaves have numbers of their own: -1 is the first, -2 the second, …
    return np.where(children < 0, n_inner - 1 - children, children)


def _covers(fields: dict[str, str], n_leaves: int) -> Floats:
    # A tree of one leaf counts nothing, and no row parts there from another.
    leaves = _integers(fields, "leaf_count") if n_leaves > 1 else np.ones(1)
    return np.append(_integers(fields, "internal_count"), leaves).astype(np.float64)


def _left_codes(fields: dict[str, str]) -> Bools:
    """Give the sets of codes, each of as many words of 32 bits as it needs."""
    bounds, words = _integers(fields, "cat_boundaries"), _integers(fields, "cat_threshold")
    sets = np.zeros((max(len(bounds) - 1, 0), N_CODES // 32), dtype="<u4")
    for row, begin, end in zip(sets, bounds[:-1], bounds[1:], strict=True):
        row[: end - begin] = words[begin:end]
    return np.unpackbits(sets.view(np.uint8), axis=1, bitorder="little").astype(bool)
