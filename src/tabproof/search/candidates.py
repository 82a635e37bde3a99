"""Candidates: settings of an estimator, in the order in which they were proposed."""

import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from numbers import Real
from typing import Any

import joblib
from sklearn import ensemble
from sklearn.base import clone
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


@dataclass(frozen=True)
class Candidate:
    """An unfitted estimator; place is its number among all, family its kind of model."""

    place: int
    params: Mapping[str, Any]
    estimator: Any
    family: str = ""

    @cached_property
    def simplicity(self) -> tuple[float, ...]:
        """Sort key: of two candidates with the same score the smaller one wins."""
        params = self.estimator.get_params(deep=True)
        found = {name.rpartition("__")[2]: value for name, value in params.items()}
        key = []
        for name, sign in SIMPLICITY.items():
            value = found.get(name)
            size = float(value) if isinstance(value, Real) else 0.0
            # No limit is the largest; LightGBM writes no limit as a depth of -1.
            if value is None or ("depth" in name and isinstance(value, Real) and size <= 0):
                size = inf
            key.append(sign * size)
        return tuple(key)

    @cached_property
    def parts(self) -> tuple[Any | None, str, Any]:
        """The steps before the last, which candidates may share; their signature; the last step."""
        if not isinstance(self.estimator, Pipeline) or len(self.estimator.steps) < 2:
            return None, "", self.estimator
        before = self.estimator[:-1]
        return before, signature(before, None), self.estimator[-1]


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
            # The defaults may be among the proposals.
            found: dict[tuple[str, str], int] = {}
            for c in new:
                found.setdefault((c.family, signature(c.estimator, None)), c.place)
            for family, estimator in self._estimators.items():
                place = found.get((family, signature(estimator, None)))
                if place is None:
                    new += self._make([{FAMILY: family} if family else {}])
                    place = new[-1].place
                self._defaults.append(place)
        signatures = {c.place: signature(c.estimator, self._n_rows) for c in new}
        for c in sorted(new, key=lambda c: (c.simplicity, c.place)):
            self._first_by_signature.setdefault(signatures[c.place], c.place)
        self.first_of |= {c: self._first_by_signature[text] for c, text in signatures.items()}
        defaults = {candidate.place for candidate in self.defaults}
        # The defaults first: they have been tried even if the search is stopped early.
        first = [c for c in new if self.first_of[c.place] == c.place]
        return sorted(first, key=lambda c: c.place not in defaults)

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


FORESTS = (
    ensemble.ExtraTreesClassifier,
    ensemble.RandomForestClassifier,
    DecisionTreeClassifier,
)
# A tree of this depth can have more leaves than any table has rows.
MAX_DEPTH = 60


def signature(estimator: Any, n_rows: int | None) -> str:
    """Describe an estimator so that two with the same signature fit the same model on n_rows.

    With None it is described by its parameters alone.
    """
    described = {"": f"{type(estimator).__module__}.{type(estimator).__qualname__}"}
    limits = {} if n_rows is None else _binding_limits(estimator, n_rows)
    for name, value in {**estimator.get_params(deep=False), **limits}.items():
        described[name] = _describe(value, n_rows)
    return json.dumps(described, sort_keys=True)


def _describe(value: Any, n_rows: int | None) -> str:
    if isinstance(value, (list, tuple)):
        return json.dumps([_describe(item, n_rows) for item in value])
    if isinstance(value, Mapping):
        # As pairs: for JSON the keys 1 and "1" are equal, and it cannot sort keys of mixed types.
        return json.dumps(sorted([repr(k), _describe(each, n_rows)] for k, each in value.items()))
    if hasattr(value, "get_params") and not isinstance(value, type):
        return signature(value, n_rows)
    try:
        return json.dumps(value, default=joblib.hash)
    except (TypeError, pickle.PicklingError):  # such as a lambda: it equals only itself
        return f"{type(value).__qualname__} {id(value)}"


def _binding_limits(estimator: Any, n_rows: int) -> dict[str, Any]:
    """Return limits of leaves and depth that grow the same trees, without those that never bind."""
    try:
        if type(estimator).__name__ == "LGBMClassifier" and estimator.max_depth > 0:
            by_depth = 2 ** min(estimator.max_depth, MAX_DEPTH)
            return {"num_leaves": min(estimator.num_leaves, by_depth)}
        if isinstance(estimator, ensemble.HistGradientBoostingClassifier):
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
