"""The format of `scorer/`: its files and their fields. docs/scorer.md describes it.

To change it: raise FORMAT, add a line to the table in docs/scorer.md, and keep reading the old
format for as long as promoted models have it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tabproof.errors import NewerFormatError, UserError
from tabproof.features import ARITHMETIC, Take

FORMAT = 5
# Nothing in these files has another meaning today, so they are read too.
OLDER_FORMATS = (1, 2, 3, 4)
SPEC, ARRAYS = "scorer/scorer.json", "scorer/arrays.safetensors"

Arrays = dict[str, NDArray[Any]]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
# The cells of many rows, column by column.
Columns = Sequence[NDArray[np.generic]]
# Applied to a number one after the other; `fill` replaces a missing one.
Operation = Literal["fill", "add", "subtract", "multiply", "divide", "clip_float32", "float32"]
# Those that end in float32 take sums of 32-bit floats.
Link = Literal["logistic", "softmax", "mean", "logistic_float32", "softmax_float32"]
# What is calibrated: the model's sums before the link, or its probabilities.
Response = Literal["sums", "probabilities", "probabilities_float32"]


class ScorerDamagedError(UserError):
    """Files that are not a valid scorer."""

    exit_code = 1
    template = "scorer/ cannot be read: {reason}; promote or train another run"

    def __init__(self, reason: str) -> None:
        super().__init__(reason=reason)


class NumberSpec(msgspec.Struct, frozen=True, tag_field="kind", tag="number"):
    """A numeric column: one feature, or a spline with `knots.<i>` and `codes.<i>` as features."""

    name: str
    steps: list[tuple[Operation, float]] = []


class CategorySpec(msgspec.Struct, frozen=True, tag_field="kind", tag="category"):
    """A categorical column; its features are the rows of the array `codes.<index of column>`."""

    name: str
    categories: list[str]


class DateSpec(msgspec.Struct, frozen=True, tag_field="kind", tag="date"):
    """A column of dates: seconds since 1970 by their own clock."""

    name: str


class TextSpec(msgspec.Struct, frozen=True, tag_field="kind", tag="text"):
    """A column of texts, with the arrays `inputs.<i>.buckets`, `.idf` and `.table`."""

    name: str
    n_buckets: int


# A column that a client sends, and what it takes; of categories `inputs.<i>.codes` may be a table,
# of numbers too, for those in `inputs.<i>.values`.
InputSpec = NumberSpec | CategorySpec | DateSpec | TextSpec


class FeatureSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a column of the model is made of one input, or of two."""

    take: Take
    of: tuple[int, ...]
    index: int = 0
    newest: float = 0.0
    means: tuple[float, ...] = ()


class TreesSpec(msgspec.Struct, frozen=True, tag_field="kind", tag="trees"):
    """Trees whose leaf values are added: tree i belongs to group i modulo n_groups, in order."""

    link: Link
    baseline: list[float]
    n_groups: int


class LinearSpec(msgspec.Struct, frozen=True, tag_field="kind", tag="linear"):
    """A weighted sum of the features, with the arrays `coefficients` and `intercepts`."""

    link: Link


ColumnSpec = NumberSpec | CategorySpec
# What can be a member of a vote: everything but a vote.
SingleSpec = TreesSpec | LinearSpec


class MemberSpec(msgspec.Struct, frozen=True):
    """One model of a vote, the steps of its numbers, and its arrays `members.<i>.…`."""

    weight: float
    steps: list[list[tuple[Operation, float]]]
    model: SingleSpec


class VoteSpec(msgspec.Struct, frozen=True, tag_field="kind", tag="vote"):
    """Models whose probabilities are averaged; each encodes the columns in its own way."""

    members: list[MemberSpec]


ModelSpec = SingleSpec | VoteSpec


class SigmoidSpec(msgspec.Struct, frozen=True, tag_field="kind", tag="sigmoid"):
    """One slope and intercept for two labels, else one per label."""

    of: Response
    slopes: list[float]
    intercepts: list[float]


class IsotonicSpec(msgspec.Struct, frozen=True, tag_field="kind", tag="isotonic"):
    """Interpolation between the points `calibration.<i>.x` and `.y`, by number of the label."""

    of: Response


class TemperatureSpec(msgspec.Struct, frozen=True, tag_field="kind", tag="temperature"):
    """A factor by which all logits are multiplied."""

    of: Response
    factor: float


CalibrationSpec = SigmoidSpec | IsotonicSpec | TemperatureSpec


class ScorerSpec(msgspec.Struct, frozen=True):
    """scorer.json. Above `threshold` the second of two labels is predicted."""

    format: int
    labels: list[str]
    threshold: float | None
    columns: list[ColumnSpec]
    model: ModelSpec
    # Formats before 3 have none.
    calibration: CalibrationSpec | None = None
    # What a client sends, and how `columns` are made of it; empty where it sends `columns`.
    # Formats before 4 have none.
    inputs: list[InputSpec] = []
    features: list[FeatureSpec] = []


class _Format(msgspec.Struct):
    format: int


def format_of(arrays: Mapping[str, NDArray[Any]], features: Sequence[FeatureSpec]) -> int:
    """Return the oldest format that has what these files need, so that older readers take them."""
    has_splines = any("knots" in name.split(".") for name in arrays)
    is_new = {*ARITHMETIC, "pair_code", "value_code", "product"}
    has_pairs = any(each.take in is_new for each in features)
    return FORMAT if has_splines or has_pairs else 4


def as_files(spec: ScorerSpec, arrays: Mapping[str, NDArray[Any]]) -> dict[str, bytes]:
    """Return the content of each file by its name."""
    text = msgspec.json.format(msgspec.json.encode(spec), indent=2)
    return {SPEC: text, ARRAYS: save({k: np.ascontiguousarray(v) for k, v in arrays.items()})}


def read_files(files: Mapping[str, bytes]) -> tuple[ScorerSpec, Arrays]:
    """Parse the files; raise ScorerDamagedError if they do not have this format."""
    try:
        found = msgspec.json.decode(files[SPEC], type=_Format).format
        if found not in (FORMAT, *OLDER_FORMATS):
            raise NewerFormatError(SPEC, found, FORMAT)
        return msgspec.json.decode(files[SPEC], type=ScorerSpec), load(files[ARRAYS])
    except KeyError as error:
        raise ScorerDamagedError(f"there is no {error.args[0]}") from error
    except (msgspec.DecodeError, SafetensorError, RecursionError, ValueError) as error:
        raise ScorerDamagedError(str(error)) from error
