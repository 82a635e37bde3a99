"""Texts mean to batch scoring what they mean to training."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas._libs.parsers import STR_NA_VALUES

from tabproof.batch.cells import read_numbers
from tabproof.data.cells import read_numbers as train_numbers
from tabproof.forms import MISSING_WORDS, NO_NUMBER_WORDS, NumberForm

YEN = NumberForm(".", ",", ("¥",))


def test_missing_texts_are_those_of_pandas() -> None:
    assert set(STR_NA_VALUES) == MISSING_WORDS


def one(text: str, decimal: str = ".") -> tuple[float, bool]:
    values, refused = read_numbers(pa.array([text]), decimal=decimal)
    return float(values[0]), bool(refused[0])


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
    (expected,) = train_numbers(pa.array([text]), NumberForm(decimal))
    is_missing = np.isnan(expected) and text in NO_NUMBER_WORDS
    assert refused == (np.isnan(expected) and not is_missing)
    if not refused:
        np.testing.assert_equal(value, expected)


UNUSUAL = [
    *[NumberForm(",", "."), NumberForm(".", ", "), YEN],
    *[NumberForm(scales=("億", "万")), NumberForm(time="h:mm"), NumberForm(time="h:mm:ss")],
]


@given(st.text("0123456789,.'¥$% -+e:万", max_size=9), st.sampled_from(UNUSUAL))
def test_a_text_in_an_unusual_form_is_the_number_that_training_reads(
    text: str, form: NumberForm
) -> None:
    texts = pa.array([text, "1"])
    values, refused = read_numbers(texts, form=form)
    expected = train_numbers(texts, form)
    is_missing = [each in NO_NUMBER_WORDS for each in (text, "1")]
    np.testing.assert_array_equal(refused, np.isnan(expected) & ~np.array(is_missing))
    np.testing.assert_array_equal(values[~refused], expected[~refused])


def test_a_decimal_comma_of_the_file_is_no_other_reading_of_points() -> None:
    # 1.500 may mean a thousand and a half.
    assert one("1.500", ",")[1]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_keeps_its_bits(number: float) -> None:
    assert one(repr(number)) == (number, False)


def test_a_faulty_text_changes_none_next_to_it() -> None:
    texts = pa.array(["1.1", "x", None, " 2.2", "NA", "1e999"])
    values, refused = read_numbers(texts)
    np.testing.assert_array_equal(refused, [False, True, False, False, False, False])
    np.testing.assert_array_equal(values[[0, 3]], [1.1, 2.2])
