"""The form of `scorer/`: which files, which fields. docs/scorer.md explains it to others.

To change it: raise FORMAT, say in docs/scorer.md what changed, and keep reading the old
one for as long as promoted models have it.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tabproof.errors import NewerFormatError
from tabproof.scorer.errors import ScorerDamagedError

FORMAT = 3
# Files of these are read too: they hold nothing that means something else by now.
OLDER_FORMATS = (1, 2)
SPEC, ARRAYS = "scorer/scorer.json", "scorer/arrays.safetensors"

Arrays = dict[str, NDArray[Any]]
# What happens to a number, one after the other; `fill` stands for a missing one.
Operation = Literal["fill", "add", "subtract", "multiply", "divide", "clip_float32", "float32"]
# Those that end in float32 take sums of 32-bit floats.
Link = Literal["logistic", "softmax", "mean", "logistic_float32", "softmax_float32"]
# What of a model is calibrated: its sums before the link, or what the link makes of them.
Response = Literal["sums", "probabilities", "probabilities_float32"]


class NumberSpec(msgspec.Struct, frozen=True, tag_field="kind", tag="number"):
    """A column of numbers: one feature."""

    name: str
    steps: list[tuple[Operation, float]] = []


class CategorySpec(msgspec.Struct, frozen=True, tag_field="kind", tag="category"):
    """A column of categories: as many features as its array `codes.<place of column>` is wide.

    The array has a row per category, one for a category never seen, one for a missing cell.
    """

    name: str
    categories: list[str]


class TreesSpec(msgspec.Struct, frozen=True, tag_field="kind", tag="trees"):
    """Trees whose leaves add up: tree i adds to group i modulo n_groups, in order."""

    link: Link
    baseline: list[float]
    n_groups: int


class LinearSpec(msgspec.Struct, frozen=True, tag_field="kind", tag="linear"):
    """A weighted sum of the features, by the arrays `coefficients` and `intercepts`."""

    link: Link


ColumnSpec = NumberSpec | CategorySpec
# What can be a member of a vote: everything but a vote.
SingleSpec = TreesSpec | LinearSpec


class MemberSpec(msgspec.Struct, frozen=True):
    """One model of a vote, and what happens to numbers before it: steps per column, in order.

    Its arrays, tables of categories among them, are named `members.<place of member>.…`.
    """

    weight: float
    steps: list[list[tuple[Operation, float]]]
    model: SingleSpec


class VoteSpec(msgspec.Struct, frozen=True, tag_field="kind", tag="vote"):
    """Models whose probabilities are averaged; each encodes the columns in its own way."""

    members: list[MemberSpec]


ModelSpec = SingleSpec | VoteSpec


class SigmoidSpec(msgspec.Struct, frozen=True, tag_field="kind", tag="sigmoid"):
    """Of two labels one slope and intercept, else one per label."""

    of: Response
    slopes: list[float]
    intercepts: list[float]


class IsotonicSpec(msgspec.Struct, frozen=True, tag_field="kind", tag="isotonic"):
    """Straight lines between the points of arrays `calibration.<i>.x` and `calibration.<i>.y`.

    Of two labels one pair of arrays, else one per label.
    """

    of: Response


class TemperatureSpec(msgspec.Struct, frozen=True, tag_field="kind", tag="temperature"):
    """What all logits are multiplied by."""

    of: Response
    factor: float


CalibrationSpec = SigmoidSpec | IsotonicSpec | TemperatureSpec


class ScorerSpec(msgspec.Struct, frozen=True):
    """scorer.json. threshold: of two labels, the second is predicted above it."""

    format: int
    labels: list[str]
    threshold: float | None
    columns: list[ColumnSpec]
    model: ModelSpec
    # Formats before 3 have none.
    calibration: CalibrationSpec | None = None


class _Format(msgspec.Struct):
    format: int


def as_files(spec: ScorerSpec, arrays: Mapping[str, NDArray[Any]]) -> dict[str, bytes]:
    """Give the content of the files, by name."""
    text = msgspec.json.format(msgspec.json.encode(spec), indent=2)
    return {SPEC: text, ARRAYS: save({k: np.ascontiguousarray(v) for k, v in arrays.items()})}


def of_member(place: int, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """Name the arrays of a vote's member as the file does."""
    return {f"members.{place}.{name}": array for name, array in arrays.items()}


def by_member(arrays: Mapping[str, NDArray[Any]], n_members: int) -> list[Arrays]:
    """Give each member's arrays under the names that they have in a model of its own."""
    # In one pass: a file may claim any number of members.
    found: dict[str, Arrays] = {str(place): {} for place in range(n_members)}
    for name, array in arrays.items():
        if name.startswith("members."):
            place, _, own_name = name.removeprefix("members.").partition(".")
            if place not in found:
                raise ScorerDamagedError(f"'{name}' belongs to no member")
            found[place][own_name] = array
    return list(found.values())


def read_files(files: Mapping[str, bytes]) -> tuple[ScorerSpec, Arrays]:
    """Parse the files; raises ScorerDamagedError where they are not of this form."""
    try:
        found = msgspec.json.decode(files[SPEC], type=_Format).format
        if found not in (FORMAT, *OLDER_FORMATS):
            raise NewerFormatError(SPEC, found, FORMAT)
        return msgspec.json.decode(files[SPEC], type=ScorerSpec), load(files[ARRAYS])
    except KeyError as error:
        raise ScorerDamagedError(f"there is no {error.args[0]}") from error
    except (msgspec.DecodeError, SafetensorError, RecursionError, ValueError) as error:
        raise ScorerDamagedError(str(error)) from error
