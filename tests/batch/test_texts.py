"""Texts mean to batch scoring what they mean to training, that is, to pandas."""

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas._libs.parsers import STR_NA_VALUES

from tabproof.batch.cells import MISSING_TEXTS, as_spelled, read_numbers


def test_missing_texts_are_those_of_pandas() -> None:
    assert set(STR_NA_VALUES) == MISSING_TEXTS


def one(text: str, decimal: str = ".") -> tuple[float, bool]:
    values, refused = read_numbers(pa.array([text]), decimal=decimal, with_missing_texts=True)
    return float(values[0]), bool(refused[0])


def by_pandas(text: str, decimal: str = ".") -> float | None:
    """Return the number of a cell in a column of floats; None where the column becomes text."""
    content = f'a;b\n1{decimal}5;x\n"{text}";x\n'
    column = pd.read_csv(io.StringIO(content), sep=";", decimal=decimal)["a"]
    return float(column[1]) if column.dtype == "float64" else None


FORMS = [
    *["1", "-0", "+3", " 3", "3 ", "\t3", "1.", ".5", "1e5", "1E+5", "1e-999", "1e999", "inf"],
    *["-inf", "Infinity", "0x10", "1_0", "  ", "NAN", "nan", "NA", "", "TRUE", "1d5", "1e", "--3"],
    *["３", "1 000", "∞", "1.5.2", ".", "+", "e5", "1e 5", "abc", "12345678901234567.5", "1,5"],
]


@pytest.mark.parametrize("text", FORMS)
@pytest.mark.parametrize("decimal", [".", ","])
def test_a_text_is_the_number_that_training_reads(text: str, decimal: str) -> None:
    text = text.replace(".", "\0").replace(",", ".").replace("\0", ",") if decimal == "," else text
    value, refused = one(text, decimal)
    expected = by_pandas(text, decimal)
    if expected is None or np.isinf(expected):
        assert refused
    else:
        assert not refused
        np.testing.assert_equal(value, expected)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_keeps_its_bits(number: float) -> None:
    assert one(repr(number)) == (number, False)


def test_a_faulty_text_changes_none_next_to_it() -> None:
    texts = pa.array(["1.1", "x", None, " 2.2", "NA", "1e999"])
    values, refused = read_numbers(texts, with_missing_texts=True)
    np.testing.assert_array_equal(refused, [False, True, False, False, False, True])
    np.testing.assert_array_equal(values[[0, 3]], [1.1, 2.2])


def test_in_typed_columns_only_nothing_is_missing() -> None:
    _, refused = read_numbers(pa.array(["NA", "", None]), with_missing_texts=False)
    np.testing.assert_array_equal(refused, [True, True, False])


@given(st.integers(-(10**15), 10**15), st.sampled_from([".", ","]))
def test_whole_numbers_as_pandas_writes_them_are_known(number: int, decimal: str) -> None:
    column = pd.Series([float(number), None], name="c")
    text = column.to_csv(index=False, decimal=decimal).splitlines()[1].strip('"')
    assert as_spelled(text, {str(number)}, decimal=decimal) == str(number)
    assert as_spelled(str(number), {f"{number}.0"}) == f"{number}.0"


@pytest.mark.parametrize(
    "text", ["3.0", "3", "3.5", "3.00", "03", "03.0", "+3.0", " 3.0", "3,0", "3.", "a.0", "", "３"]
)
def test_other_texts_are_spelled_as_they_stand(text: str) -> None:
    assert as_spelled(text, {"3", "3.0", "03"}) == text
    assert as_spelled(text, set()) == text
