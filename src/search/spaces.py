"""Spaces that candidates are drawn from, as YAML writes them.

clf__learning_rate: {low: 0.01, high: 0.3, log: true}
clf__max_leaf_nodes: {low: 7, high: 127}
clf__class_weight: [null, balanced]
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, isfinite
from math import log as ln
from typing import Any

import numpy as np
from sklearn.model_selection import ParameterSampler

from src.errors import SpaceError

KEYS = {"low", "high", "log"}


@dataclass(frozen=True)
class Choice:
    """One of several values, each as likely."""

    values: tuple[Any, ...]

    @property
    def extremes(self) -> list[Any]:
        """What is to be checked: all of them."""
        return list(self.values)


@dataclass(frozen=True)
class Range:
    """A number from low to high, both included; whole where both ends are."""

    low: float
    high: float
    log: bool

    @property
    def is_whole(self) -> bool:
        """Tell counts from measures."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def extremes(self) -> list[Any]:
        """What is to be checked: both ends."""
        return [self.low, self.high]

    def rvs(self, random_state: np.random.RandomState) -> float:
        """Draw one, as distributions of scipy do."""
        if self.is_whole:
            # Each whole number has the stretch to the next: high is drawn as others are.
            return int(min(self._between(self.low, self.high + 1, random_state), self.high))
        return self._between(self.low, self.high, random_state)

    def _between(self, low: float, high: float, random_state: np.random.RandomState) -> float:
        if self.log:
            # Back from the logarithm it may be a hair below.
            return max(exp(random_state.uniform(ln(low), ln(high))), low)
        return float(random_state.uniform(low, high))


Space = Mapping[str, Choice | Range]


def parse_space(nodes: Mapping[str, Any]) -> dict[str, Choice | Range]:
    """Read a space; raises SpaceError for what cannot be drawn from."""
    return {name: _parse(name, node) for name, node in sorted(nodes.items())}


def _parse(name: str, node: Any) -> Choice | Range:
    if isinstance(node, list):
        if not node:
            raise SpaceError(name, node, "a list needs one value at least")
        return Choice(tuple(node))
    if not isinstance(node, Mapping) or not {"low", "high"} <= set(node) <= KEYS:
        raise SpaceError(name, node, "it takes [values] or {low: …, high: …, log: true}")
    low, high, log = node["low"], node["high"], node.get("log", False)
    for value in (low, high):
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not isfinite(value):
            raise SpaceError(name, node, f"{value} is no finite number")
    if not low < high:
        raise SpaceError(name, node, "low must be less than high")
    if not isinstance(log, bool):
        raise SpaceError(name, node, "log is true or false")
    if log and low <= 0:
        raise SpaceError(name, node, "on a log scale low must be above 0")
    return Range(low, high, log)


def sample(space: Space, n: int, seed: int) -> Sequence[dict[str, Any]]:
    """Draw n settings; fewer where the space has fewer."""
    distributions = {k: list(v.values) if isinstance(v, Choice) else v for k, v in space.items()}
    if all(isinstance(part, Choice) for part in space.values()):
        n = min(n, int(np.prod([len(part.extremes) for part in space.values()])))
    return list(ParameterSampler(distributions, n, random_state=seed))
