"""Random ensembles of trees, and an evaluator so plain that it can be believed."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tabproof.scorer.encoding import CategoryEncoding, Encoding, NumberEncoding
from tabproof.scorer.trees import N_CODES, Trees

# Few different ones, so that nodes share thresholds and cells hit them.
CUTS = [-math.inf, -1e300, -1.0, -5e-324, -0.0, 0.0, 5e-324, 0.1, 1.0, 1e300, math.inf]
CODES = [0.0, 1.0, 2.0, 2.5, 31.0, 255.5, 254.0, 255.0, 256.0, 1e300, -1.0, math.nan]


@st.composite
def ensembles(draw: st.DrawFn, most_leaves: int = 64) -> tuple[Trees, tuple[Encoding, ...]]:
    """Draw trees over a column of numbers, one of categories as a code, and one as two features."""
    n_trees, width = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    largest = draw(st.sampled_from([n for n in (1, 2, 8, 31, 32, 33, 64) if n <= most_leaves]))
    skew = draw(st.sampled_from([0.0, 0.5, 1.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = [largest, *rng.integers(1, largest + 1, n_trees - 1)]
    encodings = (
        NumberEncoding("n", ()),
        CategoryEncoding("c", tuple("abcdefghij"), np.array(CODES)[:, np.newaxis]),
        CategoryEncoding("two", ("x",), np.array([[0.0, 1.0], [1.0, 0.0], [math.nan, 0.0]])),
        NumberEncoding("m", ()),
    )
    return make_trees(sizes, width, rng, skew), encodings


def make_trees(
    sizes: Sequence[int], width: int, rng: np.random.Generator, skew: float = 0.5
) -> Trees:
    """Make trees of so many leaves; features are n, c, two of `two`, m.

    By some leaves no training row came, and neither by some of the nodes above.
    """
    nodes: list[tuple[int, float, int, bool, int]] = []
    roots = []
    covers: list[int] = []

    def grow(n_leaves: int) -> int:
        place = len(nodes)
        if n_leaves == 1:
            nodes.append((-1, 0.0, 0, False, -1))
            covers.append(int(rng.integers(-2, 6).clip(0)))
            return covers[-1]
        nodes.append((0, 0.0, 0, False, -1))
        covers.append(0)
        feature = int(rng.integers(5))
        n_left = 1 if rng.random() < skew else int(rng.integers(1, n_leaves))
        cover = grow(n_left)
        right = len(nodes)
        cover += grow(n_leaves - n_left)
        is_set = feature == 1 and rng.random() < 0.7
        cut = float(rng.choice(CUTS)) if not is_set else 0.0
        category_set = int(rng.integers(3)) if is_set else -1
        nodes[place] = feature, cut, right, bool(rng.random() < 0.5), category_set
        covers[place] = cover
        return cover

    for size in sizes:
        roots.append(len(nodes))
        grow(size)
    feature, threshold, right, missing_left, category_set = map(np.array, zip(*nodes, strict=True))
    n_leaves = int((feature < 0).sum())
    return Trees(
        roots=np.array(roots),
        feature=feature,
        threshold=threshold,
        right=right,
        missing_left=missing_left,
        category_set=category_set,
        left_codes=rng.random((3, N_CODES)) < 0.5,
        values=rng.normal(size=(n_leaves, width)),
        covers=np.array(covers, dtype=np.float64),
    )


def plainly(trees: Trees, encodings: Sequence[Encoding], row: Sequence[float]) -> list[Any]:
    """Return each tree's value for one row, walking node by node."""
    features: list[float] = []
    for encoding, value in zip(encodings, row, strict=True):
        if isinstance(encoding, CategoryEncoding):
            features += encoding.codes[int(value)].tolist()
        else:
            features.append(encoding.apply(value))
    values = []
    for root in trees.roots.tolist():
        node = root
        while trees.feature[node] >= 0:
            node = node + 1 if _goes_left(trees, node, features) else int(trees.right[node])
        values.append(trees.values[(trees.feature[:node] < 0).sum()].tolist())
    return values


def _goes_left(trees: Trees, node: int, features: Sequence[float]) -> bool:
    value, category_set = features[trees.feature[node]], trees.category_set[node]
    if math.isnan(value):
        return bool(trees.missing_left[node])
    if category_set < 0:
        return bool(value <= trees.threshold[node])
    if not 0 <= value < N_CODES:
        return bool(trees.missing_left[node])
    return bool(trees.left_codes[category_set, int(value)])


def all_rows() -> list[list[float]]:
    """Return rows on every cut, beside it, between, and on every category."""
    cuts = np.array(CUTS)
    numbers = [*cuts, *np.nextafter(cuts, np.inf), *np.nextafter(cuts, -np.inf), math.nan, 0.05]
    rng = np.random.default_rng(0)
    rows = [[number, 0, 0, 0.05] for number in numbers]
    rows += [[0.05, code, two, math.nan] for code in range(12) for two in range(3)]
    rows += [
        [float(rng.choice(numbers)), rng.integers(12), rng.integers(3), float(rng.choice(numbers))]
        for _ in range(60)
    ]
    return [[float(a), int(b), int(c), float(d)] for a, b, c, d in rows]
