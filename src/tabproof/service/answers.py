"""What clients get. The OpenAPI document is made from these."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from tabproof.scorer import Scale

WarningKind = Literal[
    "missing_column", "unseen_category", "out_of_range", "not_a_number", "unknown_column"
]


class RowWarning(msgspec.Struct, omit_defaults=True):
    """What was changed or is doubtful; row: its place in the request, where there are many."""

    column: str
    kind: WarningKind
    message: str
    row: int | None = None


class Explanation(msgspec.Struct):
    """What each column adds to base_value, on the scale on which the model adds up.

    Added up they are score, of the label that pred_proba is told of, before any calibration.
    """

    label: str
    scale: Scale
    base_value: float
    contributions: dict[str, float]
    score: float


class ExplanationBatch(msgspec.Struct):
    """The same of many rows, in their order."""

    label: list[str]
    scale: Scale
    base_value: list[float]
    contributions: dict[str, list[float]]
    score: list[float]


class Prediction(msgspec.Struct):
    """pred_proba: the probability of the second of two labels; of more, of the predicted one."""

    pred_proba: float
    label: str
    probabilities: dict[str, float]
    threshold: float | None
    model: str
    run_id: str
    warnings: list[RowWarning]
    explanation: Explanation | msgspec.UnsetType = msgspec.UNSET


class PredictionBatch(msgspec.Struct):
    """A probability and a label per row, in the order of rows."""

    pred_proba: list[float]
    label: list[str]
    probabilities: dict[str, list[float]]
    threshold: float | None
    model: str
    run_id: str
    warnings: list[RowWarning]
    explanation: ExplanationBatch | msgspec.UnsetType = msgspec.UNSET


class Difference(msgspec.Struct):
    """How a row's columns differ from the model's; wrong_type: what each should hold."""

    missing: list[str]
    unknown: list[str]
    wrong_type: dict[str, str]


class Problem(msgspec.Struct, omit_defaults=True):
    """Why there is no answer, and what would bring one."""

    detail: str
    request_id: str = ""
    difference: Difference | None = None


class ModelInfo(msgspec.Struct):
    """A served model; source: where it was read from, below the configured roots."""

    name: str
    run_id: str
    default: bool
    labels: list[str]
    dataset: str
    metrics: dict[str, float | None]
    source: str
    promoted: bool


class Health(msgspec.Struct, omit_defaults=True):
    """Whether the process lives, and what it serves; failed: models that could not be loaded."""

    status: Literal["ok"]
    models: dict[str, str]
    default_model: str | None
    failed: dict[str, str] = {}
    detail: str = ""


class Readiness(msgspec.Struct, omit_defaults=True):
    """Whether predictions would be answered."""

    status: Literal["ready", "not ready"]
    detail: str = ""


class Models(msgspec.Struct):
    """All that are served."""

    models: list[ModelInfo]


class Reloaded(msgspec.Struct):
    """run_id by name of the models that serve now."""

    models: dict[str, str]


class ColumnInfo(msgspec.Struct, omit_defaults=True):
    """A column as training saw it."""

    name: str
    kind: Literal["number", "category"]
    missing_share: float
    minimum: float | None = None
    maximum: float | None = None
    categories: list[str] | None = None


class SchemaInfo(msgspec.Struct):
    """What rows look like. example: a row that works, made up from ranges and categories."""

    model: str
    run_id: str
    target: str
    labels: list[str]
    required_columns: list[str]
    numeric_columns: list[str]
    columns: list[ColumnInfo]
    example: dict[str, float | str | None]


# --- Why a request is not answered: a status and a message for the client.


class RefusedError(Exception):
    """Ends a request with a status below 500, or 503."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        difference: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail
        self.headers = dict(headers or {})
        self.difference = None if difference is None else msgspec.convert(difference, Difference)


def not_found(what: str) -> RefusedError:
    """Say what is not there."""
    return RefusedError(404, what)


def no_model(
    failed: Mapping[str, str], default: str | None = None, served: Sequence[str] = ()
) -> RefusedError:
    """Say that nothing is served by default, and what to do."""
    detail = no_model_detail(failed, default, served)
    return RefusedError(503, detail, headers={"Retry-After": "5"})


def no_model_detail(
    failed: Mapping[str, str], default: str | None = None, served: Sequence[str] = ()
) -> str:
    """Word why nothing is served by default."""
    if served and default not in failed:
        return (
            f"API_DEFAULT_MODEL names '{default}', and what serves is {', '.join(served)}, at"
            " /models/{name}/predict; promote it under that name, or start with another"
        )
    if failed:
        causes = "; ".join(f"'{name}' cannot be loaded: {why}" for name, why in failed.items())
        return f"no model serves: {causes}; mend or promote another, then POST /reload"
    return (
        "there is no model yet: train one (make train), promote it (python -m src.runs promote"
        " latest), then POST /reload, or start again"
    )
