"""Response bodies, from which the OpenAPI document is made, and errors with an HTTP status."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from tabproof.scorer import Scale

WarningKind = Literal[
    "missing_column",
    "unseen_category",
    "out_of_range",
    "not_a_number",
    "not_a_date",
    "unknown_column",
]


ReasonKind = Literal["newest", "requested", "promoted", "rolled_back"]


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


class ChallengerInfo(msgspec.Struct, omit_defaults=True):
    """A run that is tried beside a served model.

    share: of the requests, 0 where it gets none; detail says why. sticky: the column whose cell
    decides which model answers.
    """

    run_id: str
    kind: Literal["shadow", "canary", "unknown"]
    share: float
    sticky: str | None = None
    detail: str = ""


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
    challenger: ChallengerInfo | msgspec.UnsetType = msgspec.UNSET


class Health(msgspec.Struct, omit_defaults=True):
    """State of the process; failed: models that could not be loaded; challengers: by model."""

    status: Literal["ok"]
    models: dict[str, str]
    default_model: str | None
    failed: dict[str, str] = {}
    detail: str = ""
    challengers: dict[str, ChallengerInfo] = {}


class Readiness(msgspec.Struct, omit_defaults=True):
    """Whether predictions would be answered."""

    status: Literal["ready", "not ready"]
    detail: str = ""


class Models(msgspec.Struct):
    """The served models."""

    models: list[ModelInfo]


class Measured(msgspec.Struct):
    """A metric on the rows held out, and its 95 % interval."""

    value: float
    interval: tuple[float, float] | None


class ModelFacts(msgspec.Struct):
    """What a served model is, why it is served, and how good it is.

    title: what the model is, such as `ensemble of 6 models (soft vote)`; empty for runs of earlier
    versions. since: when it was promoted, in ISO 8601. threshold: above it the last label is
    predicted; null with three or more labels. links: addresses, relative to that of the answer.
    """

    name: str
    default: bool
    title: str
    run_id: str
    source: str
    promoted: bool
    reason: str
    reason_kind: ReasonKind
    since: str | None
    target: str
    labels: list[str]
    threshold: float | None
    dataset: str
    data_sha256: str
    n_train: int
    n_test: int
    metrics: dict[str, Measured]
    links: dict[str, str]


class Index(msgspec.Struct):
    """The served models and the addresses of the service, relative to that of the answer."""

    status: Literal["ready", "not ready"]
    detail: str
    models: list[ModelFacts]
    links: dict[str, str]


class Accepted(msgspec.Struct):
    """How many labels were written."""

    accepted: int


class Reloaded(msgspec.Struct):
    """Run id of each served model."""

    models: dict[str, str]


class ColumnInfo(msgspec.Struct, omit_defaults=True):
    """A column of the training data; minimum and maximum of a date are in ISO 8601.

    form: how its cells are written, if they are not plain numbers; rows are read in it.
    """

    name: str
    kind: Literal["number", "category", "date", "text"]
    missing_share: float
    minimum: float | str | None = None
    maximum: float | str | None = None
    categories: list[str] | None = None
    form: dict[str, str | int | bool | list[str] | None] | None = None
    longest: int | None = None


class TreatmentInfo(msgspec.Struct):
    """What was done to columns or rows of the table before training."""

    code: str
    message: str
    columns: list[str]


class MemberInfo(msgspec.Struct):
    """A model of the estimator: its class, what differs from its defaults, its share of a vote."""

    name: str
    kind: str
    parameters: str
    weight: float | None


class EstimatorInfo(msgspec.Struct):
    """What the model is; a single model is its only member, without a name."""

    kind: str
    members: list[MemberInfo]


class SchemaInfo(msgspec.Struct):
    """The columns of a row; example: a valid row made from ranges and categories.

    treatments: how the table was read and changed before training. estimator: null for runs of
    earlier versions.
    """

    model: str
    run_id: str
    target: str
    labels: list[str]
    required_columns: list[str]
    numeric_columns: list[str]
    columns: list[ColumnInfo]
    example: dict[str, float | str | None]
    treatments: list[TreatmentInfo]
    estimator: EstimatorInfo | None


# --- Headers, and errors with an HTTP status

Headers = Mapping[bytes, bytes]
RawHeaders = list[tuple[bytes, bytes]]
SECURITY_HEADERS: RawHeaders = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


def content_headers(content: bytes) -> RawHeaders:
    """Return the headers that describe a body of JSON."""
    return [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]


def response_headers(request_id: str, *, closes: bool) -> RawHeaders:
    """Return the headers of every response; closes: the connection ends with it."""
    headers = [(b"x-request-id", request_id.encode()), *SECURITY_HEADERS]
    return [*headers, (b"connection", b"close")] if closes else headers


class RefusedError(Exception):
    """End a request with a status and a message for the client."""

    difference: Difference | None = None

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers or {}
