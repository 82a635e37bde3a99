"""Candidates: settings of an estimator, in the order in which they were proposed."""

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

# The parameter that names the family, where there are several.
FAMILY = "model"
# Parameters in the order in which they decide which model is simpler; with -1 larger is simpler.
SIMPLICITY = {
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
    """An estimator that is configured and not fitted.

    place is its number among all candidates. family names the kind of model, where there are
    several.
    """

    place: int
    params: Mapping[str, Any]
    estimator: Any
    family: str = ""

    @cached_property
    def simplicity(self) -> tuple[float, ...]:
        """Sort key: of two candidates with the same score the smaller one wins."""
        params = self.estimator.get_params(deep=True)
        found = {name.rpartition("__")[2]: value for name, value in params.items()}
        return tuple(sign * _size(name, found.get(name)) for name, sign in SIMPLICITY.items())

    @cached_property
    def parts(self) -> tuple[Any | None, str, Any]:
        """The steps before the last, which candidates may share; their signature; the last step."""
        if not isinstance(self.estimator, Pipeline) or len(self.estimator.steps) < 2:
            return None, "", self.estimator
        before = self.estimator[:-1]
        return before, signature(before, n_rows=1), self.estimator[-1]


def _size(name: str, value: Any) -> float:
    # No limit is the largest; LightGBM writes no limit as a depth of -1.
    if value is None or (name in DEPTHS and isinstance(value, Real) and value <= 0):
        return inf
    return float(value) if isinstance(value, Real) else 0.0


class CandidatePool:
    """All candidates, which of them are equivalent, and which are the defaults.

    estimators holds one estimator per family; with several, the parameter `model` of a proposal
    names the family. The defaults of each family are always candidates. first_of maps each
    candidate to the equivalent one that is searched in its place.
    """

    def __init__(self, estimators: Mapping[str, Any], n_rows: int) -> None:
        self._estimators, self._n_rows = estimators, n_rows
        self._first_by_signature: dict[str, int] = {}
        self._defaults: list[int] = []
        self.candidates: list[Candidate] = []
        self.first_of: dict[int, int] = {}

    @property
    def defaults(self) -> list[Candidate]:
        """The defaults of each family, or the candidates that are searched in their place."""
        return [self.candidates[self.first_of[place]] for place in self._defaults]

    def add(self, proposals: Sequence[Mapping[str, Any]]) -> list[Candidate]:
        """Add proposals; return those not equivalent to an earlier one, defaults first."""
        new = self._make(proposals)
        if not self._defaults:
            new += self._add_defaults(new)
        signatures = {c.place: signature(c.estimator, self._n_rows) for c in new}
        for candidate in sorted(new, key=lambda c: (c.simplicity, c.place)):
            self._first_by_signature.setdefault(signatures[candidate.place], candidate.place)
        for candidate in new:
            self.first_of[candidate.place] = self._first_by_signature[signatures[candidate.place]]
        first = [c for c in new if self.first_of[c.place] == c.place]
        defaults = {candidate.place for candidate in self.defaults}
        # The defaults first: they have been tried even if the search is stopped early.
        return sorted(first, key=lambda c: c.place not in defaults)

    def _add_defaults(self, proposed: Sequence[Candidate]) -> list[Candidate]:
        """Find the defaults of each family among the proposals, and add those that are missing."""
        found: dict[tuple[str, str], int] = {}
        for candidate in proposed:
            found.setdefault((candidate.family, settings(candidate.estimator)), candidate.place)
        added: list[Candidate] = []
        for family, estimator in self._estimators.items():
            place = found.get((family, settings(estimator)))
            if place is None:
                added += self._make([{FAMILY: family} if family else {}])
                place = added[-1].place
            self._defaults.append(place)
        return added

    def _make(self, proposals: Sequence[Mapping[str, Any]]) -> list[Candidate]:
        made = []
        for place, params in enumerate(proposals, start=len(self.candidates)):
            # A single estimator may have a parameter that is called `model`.
            family = "" if "" in self._estimators else str(params[FAMILY])
            values = {
                name: clone(value, safe=False)
                for name, value in params.items()
                if not (family and name == FAMILY)
            }
            estimator = clone(self._estimators[family]).set_params(**values)
            made.append(Candidate(place, dict(params), estimator, family))
        self.candidates += made
        return made


# --- Equivalent candidates ----------------------------------------------------------------

FORESTS = (ExtraTreesClassifier, RandomForestClassifier, DecisionTreeClassifier)
# A tree of this depth can have more leaves than any table has rows.
MAX_DEPTH = 60


def signature(estimator: Any, n_rows: int) -> str:
    """Describe an estimator so that two with the same signature fit the same model on n_rows."""
    return _describe(estimator, lambda part: _binding_limits(part, n_rows))


def settings(estimator: Any) -> str:
    """Describe an estimator by its parameters alone."""
    return _describe(estimator, lambda _part: {})


def _describe(estimator: Any, changes: Callable[[Any], Mapping[str, Any]]) -> str:
    described = {"": f"{type(estimator).__module__}.{type(estimator).__qualname__}"}
    params = {**estimator.get_params(deep=False), **changes(estimator)}
    for name, value in params.items():
        described[name] = json.dumps(_plain(value, changes), default=_hash)
    return json.dumps(described, sort_keys=True)


def _plain(value: Any, changes: Callable[[Any], Mapping[str, Any]]) -> Any:
    """Replace estimators inside a value by their descriptions."""
    if isinstance(value, (list, tuple)):
        return [_plain(item, changes) for item in value]
    if isinstance(value, Mapping):
        # As pairs: for JSON the keys 1 and "1" are equal, and it cannot sort keys of mixed types.
        return sorted(
            [repr(key), json.dumps(_plain(item, changes), default=_hash)]
            for key, item in value.items()
        )
    is_estimator = hasattr(value, "get_params") and not isinstance(value, type)
    return _describe(value, changes) if is_estimator else value


def _hash(value: Any) -> str:
    try:
        return str(joblib.hash(value))
    except (TypeError, pickle.PicklingError):  # such as a lambda: it equals only itself
        return f"{type(value).__qualname__} {id(value)}"


def _binding_limits(estimator: Any, n_rows: int) -> dict[str, Any]:
    """Return limits of leaves and depth that grow the same trees, without those that never bind."""
    try:
        if type(estimator).__name__ == "LGBMClassifier" and estimator.max_depth > 0:
            by_depth = 2 ** min(estimator.max_depth, MAX_DEPTH)
            return {"num_leaves": min(estimator.num_leaves, by_depth)}
        if isinstance(estimator, HistGradientBoostingClassifier):
            most_leaves = n_rows // estimator.min_samples_leaf
        # Without a limit of leaves forests grow depth first, and draw columns in another order.
        elif isinstance(estimator, FORESTS) and estimator.max_leaf_nodes is not None:
            min_leaf = estimator.min_samples_leaf
            most_leaves = n_rows // min_leaf if isinstance(min_leaf, int) else n_rows
        else:
            return {}
        max_leaf_nodes, max_depth = estimator.max_leaf_nodes, estimator.max_depth
        by_depth = inf if max_depth is None else 2 ** min(max_depth, MAX_DEPTH)
        n_leaves = min(max_leaf_nodes or inf, by_depth, max(most_leaves, 1))
        depth_binds = max_depth is not None and max_depth < n_leaves - 1
    except (TypeError, ZeroDivisionError):
        return {}  # values that the model refuses; its fit reports them
    return {"max_leaf_nodes": n_leaves, "max_depth": max_depth if depth_binds else None}
