import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.data.cells import as_array, plain_dates, read_dates, read_epochs, read_numbers
from tabproof.forms import (
    DAY_FIRST,
    DIGITS,
    MARKS,
    MONTH_FIRST,
    TIMES,
    DateForm,
    NumberForm,
    find_date_form,
    parse_date,
    parse_number,
)
from tabproof.forms.numbers import MONEY_SCALES, SCALES

number_forms = st.builds(
    NumberForm,
    st.sampled_from(".,"),
    st.sampled_from(["", " ", "'", "' "]),
    st.lists(st.sampled_from(MARKS), max_size=2).map(tuple),
    st.lists(st.sampled_from([*SCALES, *MONEY_SCALES]), max_size=2).map(tuple),
    st.sampled_from(["", *TIMES]),
) | st.sampled_from([NumberForm(".", ", '"), NumberForm(",", "."), NumberForm()])
number_texts = (
    st.text("0123456789.,' -+()$%e１¥円", max_size=12)
    | st.text("0123456789.,:万億kM円 時分", max_size=8)
    | st.times().map(str)
    | st.floats().map(str)
    | st.integers().map("{:,}".format)
    | st.sampled_from(
        ["inf", "nan", "1e400", "-1E400", "0x1F", " 5 ", "", "＋５", "+5", "Infinity"]
    )
)
date_forms = st.builds(
    DateForm,
    st.sampled_from(["iso", DAY_FIRST, MONTH_FIRST, DIGITS, "epoch_s", "epoch_ms"]),
    st.none() | st.sampled_from([0, 540, -330]),
)
zones = st.sampled_from(["", "Z", "+09:00", "-0530", " UTC", "+09"])
date_texts = (
    st.text("0123456789-/.:T 年月日", max_size=20)
    | st.datetimes().map(str)
    | st.tuples(st.datetimes(), zones).map(lambda pair: pair[0].isoformat() + pair[1])
    | st.datetimes().map("{:%m/%d/%Y}".format)
    | st.datetimes().map("{:%d %b %Y %I:%M %p}".format)
    | st.integers(0, 4 * 10**12).map(str)
    | st.sampled_from(
        ["2024-02-30", "2024-01-01T10:00:00.1234567", "2024-01-01 24:00", "2024-01-01T10"]
    )
)


@given(st.lists(st.none() | number_texts), number_forms)
def test_a_column_of_numbers_is_read_like_its_cells(texts, form):
    one_by_one = [None if text is None else parse_number(text, form) for text in texts]
    expected = np.array([np.nan if number is None else number for number in one_by_one])
    found = read_numbers(pa.array(texts, pa.string()), form)
    np.testing.assert_array_equal(found, expected)


@given(st.lists(st.none() | date_texts), date_forms)
def test_a_column_of_dates_is_read_like_its_cells(texts, form):
    one_by_one = [None if text is None else parse_date(text, form) for text in texts]
    found = read_dates(pa.array(texts, pa.string()), form)
    assert found.dtype == "datetime64[us]"
    seconds = [None if np.isnat(t) else int(t.astype("int64")) / 10**6 for t in found]
    assert seconds == one_by_one


plain_moments = st.datetimes().map(str) | st.dates().map(str)


@given(st.lists(st.none() | plain_moments | plain_moments | date_texts, max_size=4))
def test_plain_dates_are_the_dates_that_the_form_of_most_reads(texts):
    cells = pa.array(texts, pa.string())
    if (found := plain_dates(cells)) is None:
        return
    present = [text for text in texts if text is not None]
    form = find_date_form(present)[0] if present else DateForm()
    assert form == DateForm(has_time=found[1])
    np.testing.assert_array_equal(found[0], read_dates(cells, form))


def test_plain_dates_are_nothing_else():
    assert plain_dates(pa.array(["2024-01-31", None, "2024-02-29 10:00"])) is not None
    for other in ("31.01.2024", "2024-02-30", "2024-1-31", "2024-01-31 10:00Z", "NA"):
        assert plain_dates(pa.array(["2024-01-31", other])) is None


@given(st.lists(st.floats(6e8, 4e9) | st.just(np.nan)), st.sampled_from(["epoch_s", "epoch_ms"]))
def test_a_column_of_seconds_is_read_like_its_cells(numbers, pattern):
    factor = 1000 if pattern == "epoch_ms" else 1
    numbers = np.array(numbers, dtype=np.float64) * factor
    one_by_one = [parse_date(number, DateForm(pattern)) for number in numbers.tolist()]
    found = read_epochs(numbers, DateForm(pattern))
    seconds = [None if np.isnat(t) else int(t.astype("int64")) / 10**6 for t in found]
    assert seconds == one_by_one


@pytest.mark.parametrize("chunks", [[], [["a"]], [["a", None], ["b"]]])
def test_a_column_in_pieces_is_one_array(chunks):
    column = pa.chunked_array(chunks, pa.string())
    assert as_array(column).to_pylist() == [cell for chunk in chunks for cell in chunk]
