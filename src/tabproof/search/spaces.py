"""Parameter spaces, as YAML writes them, and proposers of candidates.

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

Params = Mapping[str, Any]


class Proposer(Protocol):
    """Proposes candidates in batches; the same scores lead to the same proposals."""

    n_candidates: int

    def ask(self) -> Sequence[Params]:
        """Return the next batch; an empty one at the end."""
        ...

    def tell(self, scores: Sequence[float]) -> None:
        """Take in the scores of the last batch in the first rung; NaN where a fit failed."""
        ...


class AllAtOnce:
    """A list of settings, such as a grid or a sample."""

    def __init__(self, settings: Sequence[Params]) -> None:
        self._waiting = list(settings)
        self.n_candidates = len(settings)

    def ask(self) -> Sequence[Params]:
        """Return all of them, once."""
        batch, self._waiting = self._waiting, []
        return batch

    def tell(self, scores: Sequence[float]) -> None:
        """Ignore the scores."""


KEYS = {"low", "high", "log"}


@dataclass(frozen=True)
class Choice:
    """One of several values with equal probability."""

    values: tuple[Any, ...]

    @property
    def extremes(self) -> list[Any]:
        """The values to check before the search: all of them."""
        return list(self.values)


@dataclass(frozen=True)
class Range:
    """A number from low to high, both included; an integer if both are."""

    low: float
    high: float
    log: bool

    @property
    def is_whole(self) -> bool:
        """Whether the number is an integer."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def extremes(self) -> list[Any]:
        """The values to check before the search: both ends."""
        return [self.low, self.high]

    def rvs(self, random_state: np.random.RandomState) -> float:
        """Draw a number, like a distribution of scipy."""
        if self.is_whole:
            # high + 1, so that high is as likely as the other integers.
            return int(min(self._between(self.low, self.high + 1, random_state), self.high))
        return self._between(self.low, self.high, random_state)

    def _between(self, low: float, high: float, random_state: np.random.RandomState) -> float:
        if self.log:
            # Rounding may give a number just below low.
            return max(exp(random_state.uniform(ln(low), ln(high))), low)
        return float(random_state.uniform(low, high))


Space = Mapping[str, Choice | Range]


def parse_space(nodes: Mapping[str, Any]) -> dict[str, Choice | Range]:
    """Parse a space; raise SpaceError if no value can be drawn from a parameter."""
    return {name: _parse(name, node) for name, node in sorted(nodes.items())}


def _parse(name: str, node: Any) -> Choice | Range:
    def refuse(reason: str) -> SpaceError:
        return SpaceError(parameter=name, node=str(node), reason=reason)

    if isinstance(node, list):
        if not node:
            raise refuse("a list needs at least one value")
        return Choice(tuple(node))
    if not isinstance(node, Mapping) or not {"low", "high"} <= set(node) <= KEYS:
        raise refuse("it takes [values] or {low: …, high: …, log: true}")
    low, high, log = node["low"], node["high"], node.get("log", False)
    for value in (low, high):
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not isfinite(value):
            raise refuse(f"{value} is not a finite number")
    if not low < high:
        raise refuse("low must be less than high")
    if not isinstance(log, bool):
        raise refuse("log must be true or false")
    if log and low <= 0:
        raise refuse("with log: true, low must be above 0")
    return Range(low, high, log)


def sample(space: Space, n: int, seed: int) -> Sequence[dict[str, Any]]:
    """Draw n settings; fewer where the space has fewer."""
    distributions = {k: list(v.values) if isinstance(v, Choice) else v for k, v in space.items()}
    if all(isinstance(part, Choice) for part in space.values()):
        n = min(n, int(np.prod([len(part.extremes) for part in space.values()])))
    return list(ParameterSampler(distributions, n, random_state=seed))


class TpeProposer:
    """Proposes batches by Optuna's tree-structured Parzen estimator (Bergstra et al., 2011).

    Proposals depend only on the scores so far, the seed and the size of a batch, so a search that
    is repeated, or resumed from its finished fits, meets the same candidates. journal is a file
    in which Optuna keeps the study, for its own tools; an older one is replaced.
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
        # Made at the first ask(): the searches of two copies each need their own.
        self._study: Any = None

    def _make_study(self) -> Any:
        storage, journal = None, self._journal
        if journal is not None:
            # Optuna would wait for the lock file of a process that was killed.
            for path in journal.parent.glob(f"{journal.name}*"):
                path.unlink(missing_ok=True)
            backend = self._optuna.storages.journal.JournalFileBackend(str(journal))
            storage = self._optuna.storages.JournalStorage(backend)
        return self._optuna.create_study(storage=storage, study_name="search", direction="maximize")

    def ask(self) -> Sequence[Params]:
        """Propose the next batch."""
        self._study = self._study or self._make_study()
        n_trials = min(self._batch_size, self.n_candidates - self._n_asked)
        # A seed for each batch: the state of one generator would be lost with the process.
        self._study.sampler = self._optuna.samplers.TPESampler(
            seed=(self._seed + self._n_asked) % 2**32
        )
        self._trials = [self._study.ask() for _ in range(n_trials)]
        self._n_asked += n_trials
        return [self._suggest(trial) for trial in self._trials]

    def tell(self, scores: Sequence[float]) -> None:
        """Take in the scores of the batch."""
        for trial, score in zip(self._trials, scores, strict=True):
            if isnan(score):
                self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
            else:
                self._study.tell(trial, score)

    def _suggest(self, trial: Any) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        for name, part in self._space.items():
            if isinstance(part, Choice):
                # By position, as Optuna stores plain values only.
                position = trial.suggest_categorical(name, range(len(part.values)))
                settings[name] = part.values[position]
            elif part.is_whole:
                settings[name] = trial.suggest_int(
                    name, int(part.low), int(part.high), log=part.log
                )
            else:
                settings[name] = trial.suggest_float(name, part.low, part.high, log=part.log)
        return settings


def sampler_class() -> Any:
    """Return Optuna's sampler; raise PackageMissingError if Optuna is not installed."""
    return _import_optuna().samplers.TPESampler


def _import_optuna() -> Any:
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise PackageMissingError("search=tpe", "optuna", "tpe") from error
    # Its line per trial repeats the progress display.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
