"""The runs on a page of many runs, and their names."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tabproof.evaluation_result import Estimate

Choices = Sequence[Mapping[str, str]]

MAX_COLUMNS = 6
# Of a run id, where the choices of two runs are the same.
ID_LENGTH = 8


def differing_keys(choices: Choices) -> list[str]:
    """Return the keys in which runs differ, in order of appearance; all keys of a single run."""
    keys = dict.fromkeys(key for each in choices for key in each)
    if len(choices) == 1:
        return list(keys)
    return [key for key in keys if len({each.get(key) for each in choices}) > 1]


def columns_of(choices: Choices) -> tuple[list[str], list[str]]:
    """Return the keys with a column of their own, and those that share the last column."""
    keys = differing_keys(choices)
    if len(keys) <= MAX_COLUMNS:
        return keys, []
    return keys[: MAX_COLUMNS - 1], keys[MAX_COLUMNS - 1 :]


def names_of(choices: Choices, run_ids: Sequence[str]) -> list[str]:
    """Return a short name for each run: what differs, and its id where that is not enough."""
    keys = differing_keys(choices)
    names = [
        ", ".join(format_choice(key, each[key]) for key in keys if key in each) for each in choices
    ]
    times = Counter(names)
    return [
        name if name and times[name] == 1 else f"{name} {run_id[:ID_LENGTH]}".strip()
        for name, run_id in zip(names, run_ids, strict=True)
    ]


def format_choice(key: str, value: str) -> str:
    """Return a value, with its key where the value is no word (a number, true)."""
    is_word = value[:1].isalpha() and value.lower() not in {"true", "false", "null"}
    return value if is_word else f"{key.rpartition('.')[2]}={value}"


@dataclass(frozen=True)
class HoldOut:
    """Codes of shape (n_rows,), and the probabilities of a run of shape (n_rows, n_classes)."""

    y: NDArray[np.int64]
    proba: NDArray[np.float64]


@dataclass(frozen=True)
class Contender:
    """A complete run.

    choices: by key. link: relative address of its page, quoted. n_times: number of runs with this
    id. note: why it stopped early. hold_out: None where its predictions were not read, or belong
    to other rows.
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
    """Runs with the same hold-out set, ranked by a metric; at least one.

    id: of the section in the page. n_runs: with those that are not shown. number: from 1, where
    the page has other groups of this dataset.
    """

    id: str
    dataset: str
    metric: str
    contenders: Sequence[Contender]
    n_runs: int
    number: int | None = None

    @property
    def hold_out(self) -> HoldOut | None:
        """The hold-out of the best run whose predictions were read."""
        read = (each.hold_out for each in self.contenders)
        return next((each for each in read if each is not None), None)


@dataclass(frozen=True)
class Failure:
    """A run without results. link: to its log."""

    name: str
    dataset: str
    state: str
    cause: str
    link: str | None = None


@dataclass(frozen=True)
class Sweep:
    """All runs of the page.

    n_left_out: complete runs in groups that are not shown. files: addresses by name.
    """

    name: str
    n_complete: int
    n_jobs: int
    n_not_begun: int = 0
    n_left_out: int = 0
    failures: Sequence[Failure] = ()
    files: Mapping[str, str] = field(default_factory=dict)
