"""Spaces that candidates are drawn from, as YAML writes them.

clf__learning_rate: {low: 0.01, high: 0.3, log: true}
clf__max_leaf_nodes: {low: 7, high: 127}
clf__class_weight: [null, balanced]
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, isfinite, isnan
from math import log as ln
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from sklearn.model_selection import ParameterSampler

from tabproof.errors import PackageMissingError
from tabproof.search.errors import SpaceError

# --- Where candidates come from: all at once, or in batches that learn from the scores so far.

Params = Mapping[str, Any]


class Proposer(Protocol):
    """Proposes candidates in batches; the same scores lead to the same proposals."""

    n_candidates: int

    def ask(self) -> Sequence[Params]:
        """Give the next batch; empty when there are no more."""
        ...

    def tell(self, scores: Sequence[float]) -> None:
        """Learn how the last batch did in the first rung; NaN where a fit failed."""
        ...


class AllAtOnce:
    """A list, such as a grid or a sample."""

    def __init__(self, settings: Sequence[Params]) -> None:
        self._waiting = list(settings)
        self.n_candidates = len(settings)

    def ask(self) -> Sequence[Params]:
        """Give all of them, once."""
        batch, self._waiting = self._waiting, []
        return batch

    def tell(self, scores: Sequence[float]) -> None:
        """Learn nothing."""


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


# --- Candidates that Optuna's tree-structured Parzen estimator proposes (Bergstra et al., 2011).

STUDY = "search"


class TpeProposer:
    """Proposes batches; each learns from the scores of those before.

    What is proposed depends on the scores, the seed and the size of a batch alone, so a search
    that is repeated, or resumed from its finished fits, meets the same candidates.
    journal: a file that keeps the study, for Optuna's own tools; written anew.
    """

    def __init__(
        self, space: Space, n_candidates: int, batch_size: int, seed: int, journal: Path | None
    ) -> None:
        self.n_candidates = n_candidates
        self._space, self._batch_size, self._seed = space, batch_size, seed
        self._optuna = _import_optuna()
        self._n_asked = 0
        self._trials: list[Any] = []
        self._journal = journal
        # Made when it is first asked: of two searches by copies each has its own.
        self._study: Any = None

    def _make_study(self) -> Any:
        storage, journal = None, self._journal
        if journal is not None:
            # A process that was killed leaves Optuna's lock, for which the next would wait.
            for path in journal.parent.glob(f"{journal.name}*"):
                path.unlink(missing_ok=True)
            backend = self._optuna.storages.journal.JournalFileBackend(str(journal))
            storage = self._optuna.storages.JournalStorage(backend)
        return self._optuna.create_study(storage=storage, study_name=STUDY, direction="maximize")

    def ask(self) -> Sequence[Params]:
        """Propose the next batch."""
        self._study = self._study or self._make_study()
        n_trials = min(self._batch_size, self.n_candidates - self._n_asked)
        # A generator's state would not outlive the process: each batch has a seed of its own.
        self._study.sampler = self._optuna.samplers.TPESampler(
            seed=(self._seed + self._n_asked) % 2**32
        )
        self._trials = [self._study.ask() for _ in range(n_trials)]
        self._n_asked += n_trials
        return [self._suggest(trial) for trial in self._trials]

    def tell(self, scores: Sequence[float]) -> None:
        """Learn from the scores of the batch."""
        for trial, score in zip(self._trials, scores, strict=True):
            if isnan(score):
                self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
            else:
                self._study.tell(trial, score)

    def _suggest(self, trial: Any) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        for name, part in self._space.items():
            if isinstance(part, Choice):
                # Optuna keeps plain values only: the place stands for whatever the value is.
                place = trial.suggest_categorical(name, range(len(part.values)))
                settings[name] = part.values[place]
            elif part.is_whole:
                settings[name] = trial.suggest_int(
                    name, int(part.low), int(part.high), log=part.log
                )
            else:
                settings[name] = trial.suggest_float(name, part.low, part.high, log=part.log)
        return settings


def sampler_class() -> Any:
    """Give Optuna's sampler; raises PackageMissingError where Optuna is not installed."""
    return _import_optuna().samplers.TPESampler


def _import_optuna() -> Any:
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise PackageMissingError("search=tpe", "optuna", "tpe") from error
    # It says of each trial what the display says already.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
