"""Arrays are trees or are refused; and an ensemble survives being written."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tabproof.scorer.format import ScorerDamagedError
from tabproof.scorer.trees import COVERS, Trees, TreeWalker, as_arrays, read_trees, subtree_ends
from tests.scorer.ensembles import all_rows, ensembles, make_trees

N_FEATURES = 5


@given(ensembles())
def test_what_is_written_is_read(drawn: tuple[Trees, Any]) -> None:
    trees, _ = drawn
    again = read_trees(as_arrays(trees), N_FEATURES)
    for name in ("roots", "feature", "threshold", "missing_left", "category_set", "left_codes"):
        assert_array_equal(getattr(again, name), getattr(trees, name))
    assert_array_equal(again.values, trees.values)
    assert_array_equal(again.right[~trees.is_leaf], trees.right[~trees.is_leaf])


@given(ensembles(most_leaves=40))
def test_a_subtree_ends_where_a_walk_over_it_does(drawn: tuple[Trees, Any]) -> None:
    trees, _ = drawn

    def end_of(node: int) -> int:
        return node + 1 if trees.feature[node] < 0 else end_of(int(trees.right[node]))

    ends = [end_of(node) for node in range(len(trees.feature))]
    assert subtree_ends(trees.is_leaf).tolist() == ends


def small() -> dict[str, np.ndarray]:
    """Return two trees: a root over two splits, and a single leaf."""
    rng = np.random.default_rng(0)
    arrays = as_arrays(make_trees([4, 1], 1, rng, skew=0.0))
    n_nodes = np.array([7, 1], dtype=np.int32)
    feature = np.array([0, 1, -1, -1, 4, -1, -1, -1], dtype=np.int32)
    category_set = np.array([-1, 2, -1, -1, -1, -1, -1, -1], dtype=np.int32)
    right = np.array([4, 3, 0, 0, 6, 0, 0, 0], dtype=np.int32)
    per_node = {"trees.feature": feature, "trees.right": right, "trees.category_set": category_set}
    others = {
        "trees.n_nodes": n_nodes,
        "trees.threshold": np.zeros(8),
        "trees.missing_left": np.zeros(8, dtype=np.uint8),
        "trees.values": np.arange(5.0)[:, np.newaxis],
    }
    return {**arrays, **per_node, **others}


def test_covers_may_be_missing_and_have_one_form() -> None:
    arrays = small()
    covers = arrays.pop(COVERS)
    assert read_trees(arrays, N_FEATURES).covers is None
    for other in (covers.astype(np.float32), covers[:-1], covers[:, np.newaxis], covers[:0]):
        with pytest.raises(ScorerDamagedError, match=COVERS):
            read_trees({**arrays, COVERS: other}, N_FEATURES)


def test_the_small_trees_are_trees() -> None:
    assert read_trees(small(), N_FEATURES).n_trees == 2


@pytest.mark.parametrize("name", [name for name in small() if name != COVERS])
@pytest.mark.parametrize("change", ["missing", "dtype", "ndim", "shorter", "longer", "empty"])
def test_an_array_of_another_form_is_refused(name: str, change: str) -> None:
    arrays = small()
    array = arrays[name]
    if change == "missing":
        del arrays[name]
    elif change == "dtype":
        arrays[name] = array.astype(np.float32 if array.dtype != np.float32 else np.float64)
    elif change == "ndim":
        arrays[name] = array.reshape(-1, 1, 1) if array.ndim == 1 else array.ravel()
    elif change == "shorter":
        arrays[name] = array[:-1] if name != "trees.left_codes" else array[:, :-1]
    elif change == "longer":
        double = [array, array]
        arrays[name] = np.concatenate(double, axis=1 if name == "trees.left_codes" else 0)
    else:
        arrays[name] = array[:0]
    with pytest.raises(ScorerDamagedError):
        read_trees(arrays, N_FEATURES)


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("n_nodes", 0, 0),
        ("n_nodes", 0, -1),
        ("n_nodes", 0, 6),
        ("n_nodes", 0, 8),
        ("n_nodes", 1, 2**31 - 1),
        ("feature", 0, 5),
        ("feature", 0, 2**31 - 1),
        ("feature", 0, -1),
        ("feature", 7, 0),
        ("feature", 2, 0),
        ("threshold", 0, np.nan),
        ("right", 0, 0),
        ("right", 0, 1),
        ("right", 0, -1),
        ("right", 0, 3),
        ("right", 0, 5),
        ("right", 0, 7),
        ("right", 0, 8),
        ("right", 0, 2**31 - 1),
        ("right", 0, -(2**31)),
        ("right", 4, 4),
        ("right", 4, 1),
        ("right", 4, 5),
        ("category_set", 0, 3),
        ("category_set", 0, 2**31 - 1),
        ("values", 0, np.nan),
        ("values", 0, np.inf),
    ],
)
def test_nodes_that_make_no_tree_are_refused(name: str, place: int, value: float) -> None:
    arrays = small()
    arrays[f"trees.{name}"][place] = value
    with pytest.raises(ScorerDamagedError):
        read_trees(arrays, N_FEATURES)


def test_a_leaf_may_say_anything_of_its_children() -> None:
    arrays = small()
    arrays["trees.right"][[2, 7]] = [-5, 99]
    arrays["trees.feature"][2] = -7
    assert read_trees(arrays, N_FEATURES).n_trees == 2


@given(
    ensembles(most_leaves=8),
    st.lists(
        st.tuples(
            st.sampled_from(list(small())),
            st.integers(0, 10**6),
            st.sampled_from([-1, 0, 1, 2, 3, 5, 7, 100, -(2**31), 2**31 - 1]),
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_whatever_is_accepted_can_be_walked(
    drawn: tuple[Trees, Any], changes: list[tuple[str, int, int]]
) -> None:
    trees, encodings = drawn
    arrays = as_arrays(trees)
    for name, place, value in changes:
        flat = arrays[name].ravel()
        info = np.iinfo(flat.dtype) if flat.dtype.kind in "iu" else None
        flat[place % len(flat)] = value if info is None else np.clip(value, info.min, info.max)
        arrays[name] = flat.reshape(arrays[name].shape)
    try:
        changed = read_trees(arrays, N_FEATURES)
    except ScorerDamagedError:
        return
    walks = TreeWalker(changed, encodings)
    for row in all_rows()[::20]:
        assert np.isfinite(walks.leaf_values_of_row(row)).all()
