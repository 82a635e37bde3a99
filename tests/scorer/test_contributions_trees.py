"""Contributions of trees are Shapley values: those of the formula, over all sets of columns."""

from collections.abc import Sequence
from itertools import combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tabproof.scorer import contributions
from tabproof.scorer.contributions import TreesContributions
from tabproof.scorer.encoding import CategoryEncoding, Encoding, NumberEncoding
from tabproof.scorer.trees import Trees
from tests.scorer.ensembles import CODES, all_rows, ensembles, make_trees, plainly

ROWS = all_rows()
# Features n, c, two of `two`, m, as in ensembles().
ENCODINGS = (
    NumberEncoding("n", ()),
    CategoryEncoding("c", tuple("abcdefghij"), np.array(CODES)[:, np.newaxis]),
    CategoryEncoding("two", ("x",), np.array([[0.0, 1.0], [1.0, 0.0], [np.nan, 0.0]])),
    NumberEncoding("m", ()),
)


def shapley(trees: Trees, encodings: Sequence[Encoding], row: Sequence[float]) -> np.ndarray:
    """Give contributions of shape (n_columns, width), from the worth of every set of columns."""
    players = range(len(encodings))
    worth = {
        known: sum(expected(trees, encodings, row, int(root), known) for root in trees.roots)
        for size in range(len(encodings) + 1)
        for known in combinations(players, size)
    }
    found = np.zeros((len(encodings), trees.values.shape[1]))
    for player in players:
        for without, value in worth.items():
            if player not in without:
                n = len(without)
                weight = factorial(n) * factorial(len(players) - n - 1) / factorial(len(players))
                found[player] += weight * (worth[tuple(sorted((*without, player)))] - value)
    return found


def expected(
    trees: Trees, encodings: Sequence[Encoding], row: Sequence[float], node: int, known: tuple
) -> np.ndarray:
    """Go where known columns say; where another is asked for, both ways, by the covers."""
    assert trees.covers is not None
    if trees.feature[node] < 0:
        value: np.ndarray = trees.values[(trees.feature[:node] < 0).sum()]
        return value
    column, feature = place_of(encodings, int(trees.feature[node]))
    children = node + 1, int(trees.right[node])
    if column in known:
        encoding, cell = encodings[column], row[column]
        is_category = isinstance(encoding, CategoryEncoding)
        x = encoding.codes[int(cell), feature] if is_category else encoding.apply(cell)
        goes_left = trees.goes_left(np.array([node]), np.array([[x]]))[0, 0]
        return expected(trees, encodings, row, children[0 if goes_left else 1], known)
    covers = [trees.covers[child] for child in children]
    shares = [c / sum(covers) if sum(covers) else 0.5 for c in covers]
    parts = [expected(trees, encodings, row, child, known) for child in children]
    return shares[0] * parts[0] + shares[1] * parts[1]


def place_of(encodings: Sequence[Encoding], feature: int) -> tuple[int, int]:
    """Find the column of a feature, and its place within."""
    for column, encoding in enumerate(encodings):
        if feature < encoding.width:
            return column, feature
        feature -= encoding.width
    raise AssertionError


def prepared(trees: Trees, encodings: Sequence[Encoding], n_groups: int = 1) -> TreesContributions:
    assert trees.covers is not None
    return TreesContributions(trees, trees.covers, encodings, n_groups)


def columns(rows: Sequence[Sequence[float]]) -> list[np.ndarray]:
    return [np.array(cells) for cells in zip(*rows, strict=True)]


@pytest.fixture(params=["by tables", "by sums"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Take each of both ways, and blocks so small that a few leaves and rows fill several."""
    if request.param == "by sums":
        monkeypatch.setattr(contributions, "MOST_IN_TABLE", 0)
    monkeypatch.setattr(contributions, "BLOCK_LEAVES", 5)
    monkeypatch.setattr(contributions, "BLOCK_NUMBERS", 40)
    name: str = request.param
    return name


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(drawn=ensembles(most_leaves=8), places=st.sets(st.integers(0, len(ROWS) - 1), min_size=1))
def test_they_are_those_of_the_formula(
    way: str, drawn: tuple[Trees, tuple[Encoding, ...]], places: set[int]
) -> None:
    trees, encodings = drawn
    rows = [ROWS[place] for place in sorted(places)[:6]]
    found = prepared(trees, encodings).of_rows(columns(rows))
    for place, row in enumerate(rows):
        wanted = shapley(trees, encodings, row)
        np.testing.assert_allclose(found[:, :, place], wanted, rtol=0, atol=1e-12, err_msg=way)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(drawn=ensembles())
def test_with_what_is_expected_they_add_up_to_the_trees_values(
    way: str, drawn: tuple[Trees, tuple[Encoding, ...]]
) -> None:
    trees, encodings = drawn
    ours = prepared(trees, encodings)
    found = ours.of_rows(columns(ROWS)).sum(axis=0) + ours.expected[:, np.newaxis]
    wanted = np.array([np.sum(plainly(trees, encodings, row), axis=0) for row in ROWS])
    np.testing.assert_allclose(found.T, wanted, rtol=0, atol=1e-11, err_msg=way)


@pytest.mark.usefixtures("way")
def test_trees_in_turns_add_to_sums_of_their_own() -> None:
    rng = np.random.default_rng(0)
    trees = make_trees([6, 3, 5, 1, 7, 2], 1, rng)
    found = prepared(trees, ENCODINGS, 3)
    for group in range(3):
        chosen = [trees_alone(trees, group), trees_alone(trees, group + 3)]
        alone = [prepared(tree, ENCODINGS) for tree in chosen]
        sums = [one.of_rows(columns(ROWS))[:, 0] for one in alone]
        np.testing.assert_allclose(found.of_rows(columns(ROWS))[:, group], sum(sums), atol=1e-13)
        assert found.expected[group] == pytest.approx(sum(one.expected[0] for one in alone))


def trees_alone(trees: Trees, place: int) -> Trees:
    """Give one tree of several as an ensemble."""
    ends = np.append(trees.roots[1:], len(trees.feature))
    nodes = slice(trees.roots[place], ends[place])
    first, end = (int((trees.feature[:node] < 0).sum()) for node in (nodes.start, nodes.stop))
    assert trees.covers is not None
    return Trees(
        roots=np.array([0]),
        feature=trees.feature[nodes],
        threshold=trees.threshold[nodes],
        right=trees.right[nodes] - nodes.start,
        missing_left=trees.missing_left[nodes],
        category_set=trees.category_set[nodes],
        left_codes=trees.left_codes,
        values=trees.values[first:end],
        covers=trees.covers[nodes],
    )


def test_trees_of_one_leaf_give_nothing_to_columns() -> None:
    trees = make_trees([1, 1], 2, np.random.default_rng(0))
    found = prepared(trees, ENCODINGS)
    assert not found.of_rows(columns(ROWS)).any()
    np.testing.assert_allclose(found.expected, trees.values.sum(axis=0))


def test_no_rows_have_no_contributions() -> None:
    found = prepared(make_trees([5], 1, np.random.default_rng(0)), ENCODINGS)
    assert found.of_rows([cells[:0] for cells in columns(ROWS)]).shape == (4, 1, 0)


def test_tables_stay_within_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    trees = make_trees([60] * 5, 1, np.random.default_rng(0), skew=1.0)
    whole = prepared(trees, ENCODINGS)
    limit = table_bytes(whole) // 2
    monkeypatch.setattr(contributions, "MOST_TABLE_BYTES", limit)
    smaller = prepared(trees, ENCODINGS)
    assert 0 < table_bytes(smaller) <= limit
    np.testing.assert_allclose(
        smaller.of_rows(columns(ROWS)), whole.of_rows(columns(ROWS)), rtol=0, atol=1e-13
    )


def table_bytes(found: TreesContributions) -> int:
    groups = [group for block in found._blocks for group in block._groups]
    return sum(group.table.nbytes for group in groups if group.table is not None)
