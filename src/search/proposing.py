"""Where candidates come from: all at once, or in batches that learn from the scores so far."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

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
