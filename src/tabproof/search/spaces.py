"""Parameter spaces, as YAML writes them, and proposers of candidates.

clf__learning_rate: {low: 0.01, high: 0.3, log: true}
clf__max_leaf_nodes: {low: 7, high: 127}
clf__class_weight: [null, balanced]
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, isfinite, isnan, prod
from math import log as ln
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import ParameterSampler

from tabproof.errors import PackageMissingError, UserError

Params = Mapping[str, Any]


class SpaceError(UserError):
    """A parameter space from which no value can be drawn."""

    template = "{key}.{parameter}={node} cannot be drawn from: {reason}"


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

    def rvs(self, random_state: np.random.RandomState) -> float:
        """Draw a number, like a distribution of scipy."""
        # high + 1, so that high is as likely as the other integers.
        low, high = self.low, self.high + self.is_whole
        if self.log:
            # Rounding may give a number just below low.
            drawn = max(exp(random_state.uniform(ln(low), ln(high))), low)
        else:
            drawn = float(random_state.uniform(low, high))
        return int(min(drawn, self.high)) if self.is_whole else drawn


# By parameter, the values of which one is drawn, or a range of numbers.
Space = Mapping[str, list[Any] | Range]


def parse_space(
    nodes: Mapping[str, Any], key: str = "model.param_space"
) -> dict[str, list[Any] | Range]:
    """Parse a space; raise SpaceError if no value can be drawn from a parameter.

    key : where the space is in the configuration.
    """
    space: dict[str, list[Any] | Range] = {}
    for name, node in sorted(nodes.items()):
        if reason := _why_unusable(node):
            raise SpaceError(key=key, parameter=name, node=str(node), reason=reason)
        if isinstance(node, list):
            space[name] = node
        else:
            space[name] = Range(node["low"], node["high"], node.get("log", False))
    return space


def _why_unusable(node: Any) -> str | None:
    if isinstance(node, list):
        return None if node else "a list needs at least one value"
    if not isinstance(node, Mapping) or not {"low", "high"} <= set(node) <= {"low", "high", "log"}:
        return "it takes [values] or {low: …, high: …, log: true}"
    low, high, log = node["low"], node["high"], node.get("log", False)
    for value in (low, high):
        if type(value) not in (int, float) or not isfinite(value):
            return f"{value} is not a finite number"
    if not low < high:
        return "low must be less than high"
    if not isinstance(log, bool):
        return "log must be true or false"
    return "with log: true, low must be above 0" if log and low <= 0 else None


def extremes(space: Space) -> dict[str, list[Any]]:
    """Return the values to check before a search: of a list all, of a range both ends."""
    return {k: v if isinstance(v, list) else [v.low, v.high] for k, v in space.items()}


def sample(space: Space, n: int, seed: int) -> Sequence[dict[str, Any]]:
    """Draw n settings; fewer where the space has fewer."""
    lists = [part for part in space.values() if isinstance(part, list)]
    if len(lists) == len(space):
        n = min(n, prod(map(len, lists)))
    return list(ParameterSampler(space, n, random_state=seed))


class Proposer:
    """Proposes a list of settings, such as a grid or a sample, in a single batch.

    Proposers that learn from the scores give several batches. The same scores lead to the same
    proposals.
    """

    def __init__(self, settings: Sequence[Params]) -> None:
        self._waiting = list(settings)
        self.n_candidates = len(settings)

    def ask(self) -> Sequence[Params]:
        """Return the next batch; an empty one at the end."""
        batch, self._waiting = self._waiting, []
        return batch

    def tell(self, scores: Sequence[float]) -> None:
        """Take in the scores of the last batch in the first rung; NaN where a fit failed."""


class TpeProposer(Proposer):
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
        self._optuna, self._journal = import_optuna(), journal
        self._n_asked = 0
        self._trials: list[Any] = []
        # Made at the first ask(): the searches of two copies each need their own.
        self._study: Any = None

    def ask(self) -> Sequence[Params]:
        """Propose the next batch."""
        optuna, journal = self._optuna, self._journal
        if self._study is None:
            storage = None
            if journal is not None:
                # Optuna would wait for the lock file of a process that was killed.
                for path in journal.parent.glob(f"{journal.name}*"):
                    path.unlink(missing_ok=True)
                backend = optuna.storages.journal.JournalFileBackend(str(journal))
                storage = optuna.storages.JournalStorage(backend)
            self._study = optuna.create_study(
                storage=storage, study_name="search", direction="maximize"
            )
        n_trials = min(self._batch_size, self.n_candidates - self._n_asked)
        # A seed for each batch: the state of one generator would be lost with the process.
        self._study.sampler = optuna.samplers.TPESampler(seed=(self._seed + self._n_asked) % 2**32)
        self._trials = [self._study.ask() for _ in range(n_trials)]
        self._n_asked += n_trials

        def suggest(trial: Any, name: str, part: list[Any] | Range) -> Any:
            if isinstance(part, list):
                # By position, as Optuna stores plain values only.
                return part[trial.suggest_categorical(name, range(len(part)))]
            number = trial.suggest_int if part.is_whole else trial.suggest_float
            return number(name, part.low, part.high, log=part.log)

        return [{k: suggest(trial, k, v) for k, v in self._space.items()} for trial in self._trials]

    def tell(self, scores: Sequence[float]) -> None:
        """Take in the scores of the batch."""
        for trial, score in zip(self._trials, scores, strict=True):
            if isnan(score):
                self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
            else:
                self._study.tell(trial, score)


def import_optuna() -> Any:
    """Import Optuna; raise PackageMissingError if it is not installed."""
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise PackageMissingError("search=tpe", "optuna", "tpe") from error
    # Its line per trial repeats the progress display.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
