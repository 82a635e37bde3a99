"""Which candidates cannot differ: limits that bind nowhere.

A tree of depth d has at most 2^d leaves, one of n rows with at least m in a leaf at most
n // m, and one of l leaves is at most l - 1 deep. Candidates whose limits come to the same
are fitted once; `tests/search/test_equivalence.py` proves that their bits are the same.
"""

import json
import pickle
from collections.abc import Callable, Mapping
from math import inf
from typing import Any

import joblib
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier

FORESTS = (ExtraTreesClassifier, RandomForestClassifier, DecisionTreeClassifier)
# 2 to the power of more than that is no limit for any table.
MAX_DEPTH = 60


def signature(estimator: Any, n_rows: int) -> str:
    """Describe an estimator such that two of the same signature fit the same model on n_rows."""
    return _described(estimator, lambda part: _binding_limits(part, n_rows))


def settings(estimator: Any) -> str:
    """Describe an estimator by its settings alone, whatever follows from them."""
    return _described(estimator, lambda _part: {})


def _described(estimator: Any, changes: Callable[[Any], Mapping[str, Any]]) -> str:
    described = {"": f"{type(estimator).__module__}.{type(estimator).__qualname__}"}
    params = {**estimator.get_params(deep=False), **changes(estimator)}
    for name, value in params.items():
        described[name] = json.dumps(_plain(value, changes), default=_hash)
    return json.dumps(described, sort_keys=True)


def _plain(value: Any, changes: Callable[[Any], Mapping[str, Any]]) -> Any:
    """Describe estimators within a value, however deep they lie."""
    if isinstance(value, (list, tuple)):
        return [_plain(item, changes) for item in value]
    if isinstance(value, Mapping):
        # As pairs: JSON takes 1 and "1" for the same key, and sorts no keys of several types.
        return sorted(
            [repr(key), json.dumps(_plain(item, changes), default=_hash)]
            for key, item in value.items()
        )
    is_estimator = hasattr(value, "get_params") and not isinstance(value, type)
    return _described(value, changes) if is_estimator else value


def _hash(value: Any) -> str:
    try:
        return str(joblib.hash(value))
    except (TypeError, pickle.PicklingError):  # such as a lambda: only itself is its equal
        return f"{type(value).__qualname__} {id(value)}"


def _binding_limits(estimator: Any, n_rows: int) -> dict[str, Any]:
    try:
        return _limits_of(estimator, n_rows)
    except (TypeError, ZeroDivisionError):
        return {}  # no limits that the model takes: its fit says so


def _limits_of(estimator: Any, n_rows: int) -> dict[str, Any]:
    if isinstance(estimator, HistGradientBoostingClassifier):
        n_leaves = n_rows // estimator.min_samples_leaf
        return _limits(estimator.max_leaf_nodes, estimator.max_depth, n_leaves)
    # Without a limit of leaves forests grow depth first, and draw columns in another order.
    if isinstance(estimator, FORESTS) and estimator.max_leaf_nodes is not None:
        n_leaves = n_rows
        if isinstance(estimator.min_samples_leaf, int):
            n_leaves = n_rows // estimator.min_samples_leaf
        return _limits(estimator.max_leaf_nodes, estimator.max_depth, n_leaves)
    if type(estimator).__name__ == "LGBMClassifier" and estimator.max_depth > 0:
        return {"num_leaves": min(estimator.num_leaves, 2 ** min(estimator.max_depth, MAX_DEPTH))}
    return {}


def _limits(
    max_leaf_nodes: int | None, max_depth: int | None, most_leaves: int
) -> dict[str, float | None]:
    by_depth = inf if max_depth is None else 2 ** min(max_depth, MAX_DEPTH)
    n_leaves = min(max_leaf_nodes or inf, by_depth, max(most_leaves, 1))
    depth_binds = max_depth is not None and max_depth < n_leaves - 1
    return {"max_leaf_nodes": n_leaves, "max_depth": max_depth if depth_binds else None}
