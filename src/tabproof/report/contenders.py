"""What the page of many runs is made of."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tabproof.evaluation_result import Estimate

# --- What tells runs apart: the keys in which they were chosen differently.

Choices = Sequence[Mapping[str, str]]

MOST_COLUMNS = 6
# Of a run's id, where nothing else tells it from another.
LETTERS = 8


def differing_keys(choices: Choices) -> list[str]:
    """Give the keys that some runs chose otherwise than others, as they are first met."""
    keys = dict.fromkeys(key for each in choices for key in each)
    return [key for key in keys if len({each.get(key) for each in choices}) > 1]


def columns_of(choices: Choices) -> tuple[list[str], list[str]]:
    """Give the keys that get a column of their own, and those that share the last."""
    keys = _telling_keys(choices)
    if len(keys) <= MOST_COLUMNS:
        return keys, []
    return keys[: MOST_COLUMNS - 1], keys[MOST_COLUMNS - 1 :]


def names_of(choices: Choices, run_ids: Sequence[str]) -> list[str]:
    """Name each run in short by what it chose otherwise, and by its id where that is not enough."""
    keys = _telling_keys(choices)
    names = [", ".join(said(key, each[key]) for key in keys if key in each) for each in choices]
    times = Counter(names)
    return [
        name if name and times[name] == 1 else f"{name} {run_id[:LETTERS]}".strip()
        for name, run_id in zip(names, run_ids, strict=True)
    ]


def _telling_keys(choices: Choices) -> list[str]:
    return differing_keys(choices) if len(choices) > 1 else list(choices[0])


def said(key: str, value: str) -> str:
    """Word a choice; a value that is no word, such as a number, says nothing without its key."""
    is_word = value[:1].isalpha() and value.lower() not in {"true", "false", "null"}
    return value if is_word else f"{key.rpartition('.')[2]}={value}"


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
