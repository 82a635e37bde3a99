"""The candidates of a search and their scores by rung, read from cv_results_.

The tables of RungSearchCV and of scikit-learn's halving searches, which identify a candidate by
its parameters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabproof.text import format_params, format_value, short_names

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]

NEARLY_ALL = 0.9


@dataclass(frozen=True)
class Rung:
    """A rung, numbered from 1: candidates, share of iterations, rows and folds; None: unknown."""

    number: int
    n_candidates: int
    n_different: int
    iterations: float | None
    n_rows: int
    n_folds: int | None


@dataclass(frozen=True)
class SearchTable:
    """Candidates and rungs; entered, failed and scores have a row per candidate, a column per rung.

    finalists: distinct candidates of the last rung, the best first. winner: one of them, or None
    where nothing was scored.
    """

    params: Sequence[Mapping[str, Any]]
    rungs: Sequence[Rung]
    entered: Flags
    failed: Flags
    scores: Floats
    finalists: Sequence[int]
    winner: int | None

    @property
    def n_candidates(self) -> int:
        """Number of candidates, with equal ones."""
        return len(self.params)

    @cached_property
    def names(self) -> dict[str, str]:
        """Short names of all parameters."""
        return short_names(dict.fromkeys(name for params in self.params for name in params))

    @cached_property
    def varied(self) -> list[str]:
        """Parameters with more than one value."""
        return [name for name in self.names if len(set(self.values_of(name))) > 1]

    def values_of(self, name: str) -> list[str]:
        """Return the values of a parameter as text, of candidates that have it."""
        return [format_value(params[name]) for params in self.params if name in params]

    @property
    def broad_rung(self) -> int:
        """The last rung in which nearly all scored candidates have a score."""
        n_scored = np.isfinite(self.scores).sum(axis=0)
        return int(np.flatnonzero(n_scored >= NEARLY_ALL * n_scored.max())[-1])

    def in_words(self, candidate: int) -> str:
        """Return the parameters of a candidate in which candidates differ."""
        params = self.params[candidate]
        names = [name for name in self.varied or self.names if name in params]
        return format_params({name: params[name] for name in names}, self.names)


def read_search(cv_results: pd.DataFrame) -> SearchTable:
    """Read a frame with a row per candidate and rung."""
    frame = cv_results.reset_index(drop=True)
    params = _params(frame)
    places, first_rows = _places(frame, params)
    numbers, rungs = np.unique(frame["iter"], return_inverse=True)
    parts = [frame[rungs == rung] for rung in range(len(numbers))]
    shape = len(first_rows), len(numbers)
    entered, failed = np.zeros(shape, bool), np.zeros(shape, bool)
    scores = np.full(shape, np.nan)
    for rung, part in enumerate(parts):
        met = places[part.index]
        entered[met, rung], failed[met, rung] = True, _has_failed(part)
        scores[met, rung] = _scores(part)
    winning = _winning_row(parts)
    return SearchTable(
        params=[params[row] for row in first_rows],
        rungs=[_rung(int(number), part) for number, part in zip(numbers, parts, strict=True)],
        entered=entered,
        failed=failed,
        scores=scores,
        finalists=[int(places[row]) for row in _final_rows(parts[-1], winning)],
        winner=None if winning is None else int(places[winning]),
    )


def _params(frame: pd.DataFrame) -> list[dict[str, Any]]:
    params = [dict(row) for row in frame["params"]]
    known = {name for row in params for name in row}
    # Columns beside the parameters: the kind of model, for example.
    for column in frame.columns:
        name = str(column).removeprefix("param_")
        if name != column and name not in known:
            for row, value in zip(params, frame[column], strict=True):
                row[name] = value
    return params


def _places(
    frame: pd.DataFrame, params: Sequence[Mapping[str, Any]]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the candidate of each row by number, and the first row of each candidate."""
    known_by = frame["candidate"] if "candidate" in frame else [repr(row) for row in params]
    places, _ = pd.factorize(pd.Series(known_by))
    return places, np.unique(places, return_index=True)[1]


def _has_failed(part: pd.DataFrame) -> Flags:
    if "error" in part:
        return (part["error"].fillna("") != "").to_numpy(dtype=bool)
    return part["mean_test_score"].isna().to_numpy(dtype=bool)


def _common_splits(part: pd.DataFrame) -> list[str]:
    """Return the folds that all candidates of a rung have, in a search that was stopped."""
    failed = _has_failed(part)
    splits = part.filter(regex=r"^split\d+_test_score$")
    return [str(name) for name in splits if (splits[name].notna() | failed).all()]


def _scores(part: pd.DataFrame) -> Floats:
    means = part["mean_test_score"]
    splits = _common_splits(part)
    if not np.isfinite(means).any() and splits:
        means = part[splits].mean(axis=1, skipna=False)
    return means.to_numpy(dtype=float)


def _winning_row(parts: Sequence[pd.DataFrame]) -> int | None:
    """Return the best row of the last rung in which all can be compared."""
    for part in reversed(parts):
        scores = _scores(part)
        is_decided = "error" not in part or _common_splits(part) or part is parts[0]
        if is_decided and np.isfinite(scores).any():
            return int(_ranked(part[np.isfinite(scores)]).index[0])
    return None


def _ranked(part: pd.DataFrame) -> pd.DataFrame:
    return part.sort_values("rank_test_score", kind="stable")


def _final_rows(part: pd.DataFrame, winning: int | None) -> list[int]:
    """Return the rows of the last rung by rank, one of those that are equal there."""
    ranked = _ranked(part)
    if winning is not None and winning in ranked.index:
        ranked = ranked.loc[[winning, *(row for row in ranked.index if row != winning)]]
    if "same_as" in ranked:
        ranked = ranked.drop_duplicates("same_as")
    return [int(row) for row in ranked.index]


def _rung(number: int, part: pd.DataFrame) -> Rung:
    first = part.iloc[0]
    share = float(first["n_iterations_share"]) if "n_iterations_share" in part else None
    return Rung(
        number=number + 1,
        n_candidates=len(part),
        n_different=part["same_as"].nunique() if "same_as" in part else len(part),
        iterations=share,
        n_rows=int(first["n_resources"]),
        n_folds=int(first["n_folds"]) if "n_folds" in part else None,
    )
