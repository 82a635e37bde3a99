"""Candidates that Optuna's tree-structured Parzen estimator proposes (Bergstra et al., 2011)."""

from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import Any

from src.errors import PackageMissingError
from src.search.proposing import Params
from src.search.spaces import Choice, Space

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
