"""Contributions of the columns to a prediction, in the form of the response."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tabproof.scorer import Contributions, Scorer
from tabproof.scorer.errors import NotExplainableError
from tabproof.service.answers import Explanation, ExplanationBatch, RefusedError

# One request occupies the worker thread for at most about ten seconds, whatever the model, and its
# response has at most about ten megabytes.
MAX_WORK, MAX_NUMBERS = 10**8, 2**19

Floats = NDArray[np.float64]


def check_explained_rows(scorer: Scorer, n_rows: int) -> None:
    """Refuse a model without contributions, and more rows than can be explained in time."""
    try:
        work = scorer.explainer.work
    except NotExplainableError as error:
        raise RefusedError(422, str(error)) from error
    most = max(1, min(MAX_WORK // max(work, 1), MAX_NUMBERS // len(scorer.columns)))
    if n_rows > most:
        raise RefusedError(
            413,
            f"{n_rows:,} rows are more than the {most:,} that can be explained in one request with"
            " this model; send them in parts, or without explain",
        )


def explain_row(scorer: Scorer, row: Sequence[float], proba: Sequence[float]) -> Explanation:
    """Return the contributions of one row to its probability."""
    check_explained_rows(scorer, 1)
    found = scorer.contributions([np.array([value]) for value in row], np.array([proba]))
    _check_finite(found, "")
    return Explanation(
        label=scorer.labels[found.codes[0]],
        scale=found.scale,
        base_value=float(found.base[0]),
        contributions=dict(zip(_names(scorer), found.values[0].tolist(), strict=True)),
        score=float(found.scores[0]),
    )


def explain_rows(
    scorer: Scorer, columns: Sequence[NDArray[np.generic]], proba: Floats
) -> ExplanationBatch:
    """Return the contributions of many rows; call check_explained_rows first."""
    found = scorer.contributions(columns, proba)
    _check_finite(found, "rows[{}]: ")
    return ExplanationBatch(
        label=[scorer.labels[code] for code in found.codes.tolist()],
        scale=found.scale,
        base_value=found.base.tolist(),
        contributions=dict(zip(_names(scorer), found.values.T.tolist(), strict=True)),
        score=found.scores.tolist(),
    )


def _names(scorer: Scorer) -> list[str]:
    return [column.name for column in scorer.columns]


def _check_finite(found: Contributions, where: str) -> None:
    broken = ~np.isfinite(found.scores)
    if broken.any():
        place = where.format(int(broken.argmax()))
        raise RefusedError(422, f"{place}the numbers are too extreme for contributions")
