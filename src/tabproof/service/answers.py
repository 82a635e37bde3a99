"""Response bodies, from which the OpenAPI document is made, and errors with an HTTP status."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from tabproof.scorer import Scale

WarningKind = Literal[
    "missing_column", "unseen_category", "out_of_range", "not_a_number", "unknown_column"
]


class RowWarning(msgspec.Struct, omit_defaults=True):
    """A cell that was converted or is doubtful; row: its number in a batch."""

    column: str
    kind: WarningKind
    message: str
    row: int | None = None


class Explanation(msgspec.Struct):
    """What each column adds to base_value, on the scale of the model's sum.

    score is their sum, for the label of pred_proba, before calibration.
    """

    label: str
    scale: Scale
    base_value: float
    contributions: dict[str, float]
    score: float


class ExplanationBatch(msgspec.Struct):
    """Explanations of many rows, in their order."""

    label: list[str]
    scale: Scale
    base_value: list[float]
    contributions: dict[str, list[float]]
    score: list[float]


class Prediction(msgspec.Struct):
    """pred_proba: probability of the positive label; with more than two, of the predicted one."""

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
    """How a row's columns differ from the model's; wrong_type: the expected type by column."""

    missing: list[str]
    unknown: list[str]
    wrong_type: dict[str, str]


class Problem(msgspec.Struct, omit_defaults=True):
    """An error: what is wrong and what would work."""

    detail: str
    request_id: str = ""
    difference: Difference | None = None


class ModelInfo(msgspec.Struct):
    """A served model; source: its directory below a configured root."""

    name: str
    run_id: str
    default: bool
    labels: list[str]
    dataset: str
    metrics: dict[str, float | None]
    source: str
    promoted: bool


class Health(msgspec.Struct, omit_defaults=True):
    """State of the process; failed: models that could not be loaded."""

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
    """The served models."""

    models: list[ModelInfo]


class Reloaded(msgspec.Struct):
    """Run id of each served model."""

    models: dict[str, str]


class ColumnInfo(msgspec.Struct, omit_defaults=True):
    """A column of the training data."""

    name: str
    kind: Literal["number", "category"]
    missing_share: float
    minimum: float | None = None
    maximum: float | None = None
    categories: list[str] | None = None


class SchemaInfo(msgspec.Struct):
    """The columns of a row; example: a valid row made from ranges and categories."""

    model: str
    run_id: str
    target: str
    labels: list[str]
    required_columns: list[str]
    numeric_columns: list[str]
    columns: list[ColumnInfo]
    example: dict[str, float | str | None]


# --- Errors with an HTTP status


class RefusedError(Exception):
    """End a request with a status and a message for the client."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        difference: Difference | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail
        self.headers, self.difference = headers or {}, difference


def missing_model_detail(
    failed: Mapping[str, str], default: str | None = None, served: Sequence[str] = ()
) -> str:
    """Return why there is no default model, and what to do."""
    if served and default not in failed:
        return (
            f"API_DEFAULT_MODEL names '{default}', which is not served; served at"
            f" /models/{{name}}/predict: {', '.join(served)}; promote a model under that name, or"
            " change API_DEFAULT_MODEL"
        )
    if failed:
        causes = "; ".join(f"'{name}' cannot be loaded: {why}" for name, why in failed.items())
        return f"no model is served: {causes}; promote another one, then POST /reload"
    return (
        "there is no model yet: train one (make train), promote it (python -m src.runs promote"
        " latest), then POST /reload or restart the service"
    )
