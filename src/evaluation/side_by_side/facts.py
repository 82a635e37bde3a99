"""What the page of many runs is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from src.evidence import Estimate


@dataclass(frozen=True)
class HoldOut:
    """Codes of shape (n_rows,), and a run's probabilities of shape (n_rows, n_classes)."""

    y: NDArray[np.int64]
    proba: NDArray[np.float64]


@dataclass(frozen=True)
class Contender:
    """A complete run beside others.

    choices: what was said for it, by key. link: its page, as an address relative to ours, quoted.
    n_times: so many runs have this id, and so these numbers. note: why it is a partial one.
    hold_out is None where its predictions were not read, or are of other rows.
    """

    run_id: str
    choices: Mapping[str, str]
    metrics: Mapping[str, Estimate]
    seconds: float | None = None
    link: str | None = None
    n_times: int = 1
    note: str | None = None
    hold_out: HoldOut | None = None
    has_other_rows: bool = False


@dataclass(frozen=True)
class Group:
    """Runs of the same data and the same rows held out, by metric, the best first; one at least.

    id: of its place in the page. n_runs counts those that are left out too. number: from 1, where
    other groups are of this dataset too.
    """

    id: str
    dataset: str
    metric: str
    contenders: Sequence[Contender]
    n_runs: int
    number: int | None = None

    @property
    def best(self) -> Estimate:
        """What the best run has."""
        return self.contenders[0].metrics[self.metric]

    @property
    def hold_out(self) -> HoldOut | None:
        """What the best run of which they were read says of the rows."""
        read = (one.hold_out for one in self.contenders)
        return next((each for each in read if each is not None), None)


@dataclass(frozen=True)
class Failure:
    """A job without numbers: what it was to be, what became of it and why. link: its log."""

    name: str
    dataset: str
    state: str
    cause: str
    link: str | None = None


@dataclass(frozen=True)
class Sweep:
    """What is told of all runs together.

    n_jobs: that were asked for. n_not_begun: of these. n_left_out: complete runs in groups that
    are not shown. files: addresses of what lies beside the page, by name.
    """

    name: str
    n_complete: int
    n_jobs: int
    n_not_begun: int = 0
    n_left_out: int = 0
    failures: Sequence[Failure] = ()
    files: Mapping[str, str] = field(default_factory=dict)
