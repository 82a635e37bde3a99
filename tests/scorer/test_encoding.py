"""One cell and a column of them go through the same arithmetic, bit for bit."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tabproof.scorer.encoding import FLOAT32_MAX, CategoryEncoding, NumberEncoding, as_spec
from tabproof.scorer.form import CategorySpec, NumberSpec, Operation

operands = st.floats(allow_nan=False, allow_infinity=False).filter(bool)
# float32 alone overflows, which numpy remarks on; exporters put clip_float32 before it.
arithmetic = st.tuples(
    st.sampled_from([name for name in get_args(Operation) if name != "float32"]), operands
)
rounding = st.just([("clip_float32", 0.0), ("float32", 0.0)])
steps = st.lists(arithmetic, max_size=4).flatmap(
    lambda found: st.just(found) | rounding.map(lambda last: found + last)
)


@given(steps, st.lists(st.floats(), min_size=1, max_size=5))
def test_alone_as_in_a_column(taken: list[tuple[Operation, float]], values: list[float]) -> None:
    encoding = NumberEncoding("n", tuple(taken))
    column = encoding.apply_to_all(np.array(values))
    alone = np.array([encoding.apply(value) for value in values])
    assert_array_equal(alone, column)
    assert_array_equal(encoding.features(np.array(values))[:, 0], column)


@pytest.mark.parametrize(
    ("taken", "value", "expected"),
    [
        ([("fill", 7.0)], np.nan, 7.0),
        ([("fill", 7.0)], 1.0, 1.0),
        ([("subtract", 1.0), ("divide", 2.0)], 4.0, 1.5),
        ([("divide", 2.0), ("subtract", 1.0)], 4.0, 1.0),
        ([("multiply", 3.0), ("add", 1.0)], 2.0, 7.0),
        ([("clip_float32", 0.0)], np.inf, FLOAT32_MAX),
        ([("clip_float32", 0.0)], -np.inf, -FLOAT32_MAX),
        ([("float32", 0.0)], 0.1, float(np.float32(0.1))),
        ([("float32", 0.0)], 1e-60, 0.0),
        ([("multiply", 1e300)], 1e300, np.inf),
    ],
)
def test_each_operation(
    taken: list[tuple[Operation, float]], value: float, expected: float
) -> None:
    encoding = NumberEncoding("n", tuple(taken))
    assert encoding.apply(value) == expected
    assert encoding.apply_to_all(np.array([value])).tolist() == [expected]


def test_the_last_two_places_are_unseen_and_missing() -> None:
    codes = np.arange(8.0).reshape(4, 2)
    encoding = CategoryEncoding("c", ("x", "y"), codes)
    assert encoding.place_of == {"x": 0, "y": 1}
    assert (encoding.unseen, encoding.missing, encoding.width) == (2, 3, 2)
    assert_array_equal(encoding.features(np.array([3, 0])), codes[[3, 0]])


def test_what_scorer_json_says_of_a_column() -> None:
    assert as_spec(NumberEncoding("n", (("add", 1.0),))) == NumberSpec("n", [("add", 1.0)])
    assert as_spec(CategoryEncoding("c", ("x",), np.zeros((3, 1)))) == CategorySpec("c", ["x"])
