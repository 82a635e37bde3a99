"""Candidates: settings of an estimator, in the order in which they were written or drawn."""

import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from numbers import Real
from typing import Any

import joblib
from sklearn.base import clone
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

# --- Which candidates cannot differ: limits that bind nowhere.

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


# The parameter that names the family, where there are several.
FAMILY = "model"
# From what makes a model simplest to what matters less; -1: more of it is simpler.
SIMPLER = {
    "max_leaf_nodes": 1,
    "num_leaves": 1,
    "max_depth": 1,
    "depth": 1,
    "n_estimators": 1,
    "max_iter": 1,
    "iterations": 1,
    "min_samples_leaf": -1,
    "min_child_samples": -1,
    "l2_regularization": -1,
    "reg_lambda": -1,
    "C": 1,
    "learning_rate": 1,
    "max_features": 1,
}
DEPTHS = ("max_depth", "depth")


@dataclass(frozen=True)
class Candidate:
    """place is the row in tables; estimator is configured and not fitted.

    family names the kind of model, where there are several.
    """

    place: int
    params: Mapping[str, Any]
    estimator: Any
    family: str = ""

    @cached_property
    def simplicity(self) -> tuple[float, ...]:
        """Sort key: of two that score the same, the smaller wins."""
        params = self.estimator.get_params(deep=True)
        found = {name.rpartition("__")[2]: value for name, value in params.items()}
        return tuple(sign * _size(name, found.get(name)) for name, sign in SIMPLER.items())

    @cached_property
    def parts(self) -> tuple[Any | None, str, Any]:
        """Split into what can be shared: the steps before the last, their signature, the last."""
        if not isinstance(self.estimator, Pipeline) or len(self.estimator.steps) < 2:
            return None, "", self.estimator
        before = self.estimator[:-1]
        return before, signature(before, n_rows=1), self.estimator[-1]


def _size(name: str, value: Any) -> float:
    # No limit is the largest, which LightGBM writes as a depth of -1; no number says nothing.
    if value is None or (name in DEPTHS and isinstance(value, Real) and value <= 0):
        return inf
    return float(value) if isinstance(value, Real) else 0.0


def _cloned(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: clone(value, safe=False) for name, value in params.items()}


class Roster:
    """All candidates, those that are searched in the place of others, and the defaults.

    estimators: by family; of several the parameter `model` names the one that is meant. The
    defaults of each are candidates even where nobody proposed them.
    """

    def __init__(self, estimators: Mapping[str, Any], n_rows: int) -> None:
        self._estimators, self._n_rows = estimators, n_rows
        self._first_by_signature: dict[str, int] = {}
        self._defaults: dict[str, int] = {}
        self.candidates: list[Candidate] = []
        self.first_of: dict[int, int] = {}

    @property
    def defaults(self) -> list[Candidate]:
        """The estimators as they are, or who is searched in their place."""
        return [self.candidates[self.first_of[place]] for place in self._defaults.values()]

    def add(self, batch: Sequence[Mapping[str, Any]]) -> list[Candidate]:
        """Take a batch in; gives those of it that differ from all others, the defaults first."""
        new = self._made(batch)
        self.candidates += new
        if not self._defaults:
            missing = self._made(self._note_defaults(new))
            self.candidates += missing
            new += missing
        signatures = {c.place: signature(c.estimator, self._n_rows) for c in new}
        for candidate in sorted(new, key=lambda c: (c.simplicity, c.place)):
            self._first_by_signature.setdefault(signatures[candidate.place], candidate.place)
        for candidate in new:
            self.first_of[candidate.place] = self._first_by_signature[signatures[candidate.place]]
        first = [c for c in new if self.first_of[c.place] == c.place]
        defaults = {candidate.place for candidate in self.defaults}
        # Met first: whatever ends the search, the defaults have been tried.
        return sorted(first, key=lambda c: c.place not in defaults)

    def _note_defaults(self, candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
        """Find each family's defaults among the candidates; gives those that are missing."""
        found: dict[tuple[str, str], int] = {}
        for candidate in candidates:
            found.setdefault((candidate.family, settings(candidate.estimator)), candidate.place)
        missing: list[dict[str, Any]] = []
        for family, estimator in self._estimators.items():
            place = found.get((family, settings(estimator)))
            if place is None:
                place = len(candidates) + len(missing)
                missing.append({FAMILY: family} if family else {})
            self._defaults[family] = place
        return missing

    def _made(self, batch: Sequence[Mapping[str, Any]]) -> list[Candidate]:
        start = len(self.candidates)
        return [self._make(place, params) for place, params in enumerate(batch, start=start)]

    def _make(self, place: int, params: Mapping[str, Any]) -> Candidate:
        family = self._family_of(params)
        settings = {k: v for k, v in params.items() if not (family and k == FAMILY)}
        estimator = clone(self._estimators[family]).set_params(**_cloned(settings))
        return Candidate(place, dict(params), estimator, family)

    def _family_of(self, params: Mapping[str, Any]) -> str:
        # A single estimator may have a parameter of that name.
        return "" if "" in self._estimators else str(params[FAMILY])
