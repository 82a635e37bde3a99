import datetime
import uuid
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.data.columns import AmbiguousDatesError, AmbiguousNumbersError, is_counter
from tabproof.forms import FLOAT32_MAX, NumberForm
from tests.data.tables import codes_of, table, treatment, typed, words

N = 40
TARGET = ["u", "v"] * (N // 2)
FILL = [f"w{i % 3}" for i in range(N)]


def of_text(cells, **spec):
    """Make a table of one column x as a CSV gives it, and another one; repeat the cells."""
    repeated = [cells[i % len(cells)] for i in range(N)]
    return table({"x": repeated, "fill": FILL, "y": TARGET}, is_text=True, **spec)


def kind(made, name="x"):
    """Return the kind of a column; None if it was left out."""
    if name not in made.X.columns:
        return None
    dtype = made.X[name].dtype
    names = {"float64": "number", "datetime64[us]": "date", "category": "category", "str": "text"}
    return names[str(dtype)]


# --- numbers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["14,526.65", "8,485.44"], [14526.65, 8485.44]),
        (["16,000", "500"], [16000, 500]),
        (["1,5", "2,25"], [1.5, 2.25]),
        (["1.234,5", "6"], [1234.5, 6]),
        (["$12.83", "$54"], [12.83, 54]),
        (["68.7%", "3 %"], [68.7, 3]),
        (["1,200円", "500円"], [1200, 500]),
        (["１０", "７"], [10, 7]),
        (["(12.5)", "3"], [-12.5, 3]),
    ],
)
def test_numbers_are_read_in_any_form_and_it_is_said(cells, numbers):
    made = of_text(cells)
    assert made.X["x"].tolist() == [numbers[i % 2] for i in range(N)]
    message = treatment(made, "numbers_written").message
    assert any(f"'{cell}' is" in message for cell in cells)


def test_of_plain_numbers_nothing_is_said():
    assert codes_of(of_text(["1.5", "2", "-3", "+1e3", "2E-1"])) == []


def test_where_both_readings_are_possible_the_user_is_asked_and_obeyed():
    cells = ["1,234", "5,678"]
    with pytest.raises(AmbiguousNumbersError) as raised:
        of_text(cells)
    assert str(raised.value) == (
        "column(s) 'x': '1,234' may be 1234 or 1.234, and no cell decides;"
        " 'dataset.thousands=,' reads the first, 'dataset.decimal=,' the second"
    )
    assert of_text(cells, thousands=",").X["x"].tolist()[:2] == [1234, 5678]
    assert of_text(cells, decimal=",").X["x"].tolist()[:2] == [1.234, 5.678]


def test_the_one_cell_that_decides_is_found_in_a_long_column():
    cells = ["1,234"] * 9999 + ["1,5"]
    columns = {"x": cells, "fill": ["a", "b"] * 5000, "y": ["u", "v"] * 5000}
    assert table(columns, is_text=True).X["x"].tolist()[-2:] == [1.234, 1.5]


def test_a_few_cells_that_are_no_numbers_become_missing_and_are_counted():
    cells = [str(i / 2) for i in range(39)] + ["Total"]
    made = table({"x": cells, "y": TARGET}, is_text=True)
    assert made.X["x"].isna().tolist() == [False] * 39 + [True]
    assert treatment(made, "cells_not_numbers").message == (
        "'x': 1 of 40 cell(s) are no numbers, such as 'Total', and become missing"
    )


def test_a_footer_without_a_target_decides_nothing():
    cells = ["1.5", "2", "Total"]
    made = table({"x": cells, "y": ["u", "v", None]}, is_text=True)
    assert kind(made) == "number"
    assert codes_of(made) == ["rows_without_target"]


@pytest.mark.parametrize(("n_words", "found"), [(2, "number"), (3, "category")])
def test_a_column_is_of_numbers_if_at_least_95_percent_of_its_cells_are(n_words, found):
    cells = [str(i % 9) for i in range(N - n_words)] + ["red", "blue", "red"][:n_words]
    assert kind(table({"x": cells, "y": TARGET}, is_text=True)) == found


@pytest.mark.parametrize("word", ["?", "-", "#DIV/0!", "不明"])
def test_words_that_hold_a_place_are_missing_in_numbers_however_many(word):
    made = of_text(["1.5", word, "2"])
    assert made.X["x"].isna().sum() == 13
    assert word in treatment(made, "cells_not_numbers").message


def test_na_words_are_missing_in_text_and_can_be_chosen():
    assert of_text(["red", "NA", "blue"]).X["x"].isna().sum() == 13
    made = of_text(["red", "NA", "blue"], na_values=["blue"])
    assert list(made.X["x"].cat.categories) == ["NA", "red"]
    assert kind(of_text(["1", "x", "NA"], na_values=["x", "NA"])) == "number"


def test_infinite_numbers_are_missing_and_large_ones_bounded():
    made = of_text(["1", "inf", "1e39", "-1e308"])
    assert made.X["x"].dropna().unique().tolist() == [1.0, FLOAT32_MAX, -FLOAT32_MAX]
    assert treatment(made, "infinite").facts["n_cells"] == 10
    assert treatment(made, "bounded").facts["n_cells"] == 20
    typed_too = table({"x": [1.0, np.inf, 1e39, -1e308], "y": ["u", "v", "u", "v"]})
    assert typed_too.X["x"].isna().tolist() == [False, True, False, False]
    assert typed_too.X["x"].max() == FLOAT32_MAX


def test_digits_with_leading_zeros_are_codes_unless_numbers_are_asked_for():
    made = of_text(["00123", "123", "7"])
    assert list(made.X["x"].cat.categories) == ["00123", "123", "7"]
    assert "'00123'" in treatment(made, "codes").message
    assert of_text(["00123", "123", "7"], kinds={"x": "number"}).X["x"].tolist()[:2] == [123, 123]


def test_digits_beyond_a_double_are_never_rounded():
    long = "123456789012345678901234567890"
    assert list(of_text([long, long[:-1] + "1"]).X["x"].cat.categories) == [long, long[:-1] + "1"]
    ids = [str(2**60 + 3 * i + 1) for i in range(N)]
    made = table({"x": ids, "fill": FILL, "y": TARGET}, is_text=True)
    assert codes_of(made) == ["left_out_ids"]
    unsigned = np.array([2**63 + 2 * i + 1 for i in range(N)], dtype="uint64")
    made = table({"x": unsigned, "fill": FILL, "y": TARGET})
    assert codes_of(made) == ["left_out_ids"]
    assert kind(table({"x": unsigned, "fill": FILL, "y": TARGET}, keep=["x"])) == "category"


@pytest.mark.parametrize("cells", [["12%", "0.5"], ["$1", "€2"]])
def test_different_signs_are_categories_and_numbers_only_if_asked_for(cells):
    made = of_text(cells)
    assert kind(made) == "category"
    assert "different signs" in treatment(made, "marks_differ").message
    assert kind(of_text(cells, kinds={"x": "number"})) == "number"


# --- categories -------------------------------------------------------------------------


def test_booleans_with_gaps_are_categories_of_one_spelling():
    made = of_text(["TRUE", "false", None, "True"])
    assert list(made.X["x"].cat.categories) == ["False", "True"]
    frame = {"x": [True, None, False, True], "y": ["u", "v", "u", "v"]}
    assert list(table(frame).X["x"].cat.categories) == ["False", "True"]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([3.0, None, 1.0], ["3", None, "1"]),
        ([3, 1, 1], ["3", "1", "1"]),
        ([2.5, 3.0, 2.5], ["2.5", "3", "2.5"]),
        (["b", None, "a"], ["b", None, "a"]),
        (pd.Categorical([2, 1, 2]), ["2", "1", "2"]),
        ([2**70, 1, 2], [str(2**70), "1", "2"]),
        (["a", 1, 2.0], ["a", "1", "2"]),
    ],
)
def test_a_category_reads_as_a_person_would_write_it(values, labels):
    made = typed(pd.DataFrame({"a": values}), a="category")["a"]
    assert [None if pd.isna(value) else value for value in made] == labels


@given(st.lists(st.none() | words, min_size=1))
def test_categories_are_the_sorted_values_that_occur(values):
    made = typed(pd.DataFrame({"a": pd.Series(values, dtype="object")}), a="category")["a"]
    present = sorted({value for value in values if value is not None})
    assert list(made.cat.categories) == present
    assert [None if pd.isna(value) else value for value in made] == values


def test_a_category_that_does_not_occur_is_forgotten():
    frame = pd.DataFrame({"a": pd.Categorical(["b"], categories=["c", "b", "a"])})
    assert list(typed(frame)["a"].cat.categories) == ["b"]


@pytest.mark.parametrize(
    "values",
    [
        ["1", "2.5", None],
        [1, 2.5, None],
        [Decimal(1), Decimal("2.5"), None],
        pd.Series([1, 2.5, None], dtype="float32"),
        pa.array([Decimal(1), Decimal("2.5"), None]).to_pandas(),
    ],
)
def test_numbers_of_every_type_are_the_same_column(values):
    made = typed(pd.DataFrame({"a": values}))["a"]
    assert made.dtype == "float64"
    assert made.fillna(-1).tolist() == [1, 2.5, -1]


def test_a_forced_number_counts_what_it_cannot_read():
    made = of_text(["1", "x", "y"], kinds={"x": "number"})
    assert made.X["x"].notna().sum() == 14
    assert treatment(made, "cells_not_numbers").facts["n_cells"] == 26


# --- dates ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (["2024-03-01", "2024-03-02"], "2024-03-01"),
        (["2024-03-01T10:20:30.5", "2024-03-02"], "2024-03-01T10:20:30.5"),
        (["2024/3/1", "2024/3/12"], "2024-03-01"),
        (["03/21/2024", "03/04/2024"], "2024-03-21"),
        (["21/03/2024", "03/04/2024"], "2024-03-21"),
        (["2024年3月1日", "2024年12月1日"], "2024-03-01"),
        (["Mar 21, 2024", "Apr 2, 2024"], "2024-03-21"),
        (["21-Mar-2024", "2-Apr-2024"], "2024-03-21"),
        (["2024-03-01T10:00+09:00", "2024-03-02T10:00+09:00"], "2024-03-01T10:00"),
        (["2024-03-01T10:00+09:00", "2024-03-02T10:00Z"], "2024-03-01T01:00"),
    ],
)
def test_dates_are_read_in_any_form_and_it_is_said(cells, first):
    made = of_text(cells)
    assert kind(made) == "date"
    assert made.X["x"].iloc[0] == np.datetime64(first)
    assert f"'{cells[0]}'" in treatment(made, "dates").message


def test_where_the_day_may_be_the_month_the_user_is_asked_and_obeyed():
    cells = ["03/04/2024", "05/06/2024"]
    with pytest.raises(AmbiguousDatesError, match="'03/04/2024' may be 2024-04-03 or 2024-03-04"):
        of_text(cells)
    assert of_text(cells, day_first=True).X["x"].iloc[0] == np.datetime64("2024-04-03")
    assert of_text(cells, day_first=False).X["x"].iloc[0] == np.datetime64("2024-03-04")
    assert kind(of_text(cells, kinds={"x": "category"})) == "category"


def test_a_year_of_two_digits_is_asked_about_obeyed_and_said():
    cells = ["24-06-28", "20-03-04"]
    with pytest.raises(AmbiguousDatesError, match=r"2028-06-24 or 2024-06-28.*year_first=true"):
        of_text(cells)
    made = of_text(cells, year_first=True)
    assert made.X["x"].iloc[0] == np.datetime64("2024-06-28")
    assert "1930 to 2029" in treatment(made, "short_years").message


def test_dates_that_read_alike_in_every_order_need_no_question():
    assert of_text(["03/03/2024", "05/05/2024"]).X["x"].iloc[0] == np.datetime64("2024-03-03")


def test_cells_that_are_no_dates_become_missing_and_are_counted():
    cells = [f"2024-01-{i % 28 + 1:02}" for i in range(39)] + ["0000-00-00"]
    made = table({"x": cells, "y": TARGET}, is_text=True)
    assert made.X["x"].isna().sum() == 1
    assert "'0000-00-00'" in treatment(made, "cells_not_dates").message


@pytest.mark.parametrize("name", ["created_at", "ts", "timestamp", "createdAt", "購入日時"])
def test_numbers_are_times_where_the_name_says_so(name):
    for factor in (1, 1000):
        seconds = [str((1709251200 + 86400 * i) * factor) for i in range(N)]
        made = table({name: seconds, "fill": FILL, "y": TARGET}, is_text=True)
        assert made.X[name].iloc[0] == np.datetime64("2024-03-01")
    numbers = [1709251200 + 86400 * i for i in range(N)]
    assert kind(table({"x": numbers, "fill": FILL, "y": TARGET}, keep=["x"])) == "number"
    assert kind(table({"x": numbers, "fill": FILL, "y": TARGET}, kinds={"x": "date"})) == "date"
    # What is no time stays a number, whatever its name.
    assert kind(table({name: [1, 2.5] * 20, "fill": FILL, "y": TARGET}), name) == "number"


def test_digits_are_dates_where_name_or_user_say_so():
    cells = ["20240301", "20240302"]
    assert kind(of_text(cells)) == "number"
    assert of_text(cells, kinds={"x": "date"}).X["x"].iloc[0] == np.datetime64("2024-03-01")
    named = table({"order_date": cells * 20, "y": TARGET}, is_text=True)
    assert named.X["order_date"].iloc[0] == np.datetime64("2024-03-01")


@pytest.mark.parametrize(
    ("values", "first"),
    [
        (pd.to_datetime(["2020-01-01", None]), "2020-01-01"),
        (pd.to_datetime(["2020-01-01T10", None]).tz_localize("Asia/Tokyo"), "2020-01-01T10"),
        ([datetime.date(2020, 1, 1), None], "2020-01-01"),
        (pd.array(["2020-01-01", None], dtype="str"), "2020-01-01"),
    ],
)
def test_dates_of_every_type_are_the_same_column(values, first):
    made = typed(pd.DataFrame({"a": values}))["a"]
    assert made.dtype == "datetime64[us]"
    assert made.iloc[0] == np.datetime64(first)
    assert made.isna().tolist() == [False, True]


def test_a_clock_that_changes_in_summer_is_read_as_utc():
    days = pd.to_datetime(["2020-01-01T12", "2020-07-01T12"] * 2).tz_localize("Europe/Berlin")
    made = table({"x": days, "y": ["u", "v", "v", "u"]})
    assert made.X["x"].dt.hour.tolist() == [11, 10, 11, 10]
    assert "dates_in_utc" in codes_of(made)


def test_times_of_day_and_durations_of_typed_files_are_seconds():
    frame = pd.DataFrame({"a": pd.to_timedelta([1, 2], unit="h"), "b": [datetime.time(1, 2)] * 2})
    made = typed(frame)
    assert made["a"].tolist() == [3600, 7200]
    assert made["b"].tolist() == [3720, 3720]


# --- texts and ids ----------------------------------------------------------------------

REMARKS = [f"customer {i} asked about price {i * 7}" for i in range(N)]
JAPANESE = [f"配送が{i}日遅れたので返金を希望します" for i in range(N)]


@pytest.mark.parametrize("cells", [REMARKS, JAPANESE])
def test_remarks_are_texts_and_no_ids(cells):
    made = table({"x": [*cells[:-1], None], "y": TARGET}, is_text=True)
    assert kind(made) == "text"
    assert made.X["x"].isna().sum() == 1
    assert codes_of(made) == ["free_text"]


@pytest.mark.parametrize(
    "cells",
    [
        [str(i + 7) for i in range(N)],
        [str((i * 17) % N) for i in range(N)],
        [f"C-{i:05}" for i in range(N)],
        [f"{i:05}" for i in range(N)],
        [str(uuid.UUID(int=i * 7919)) for i in range(N)],
        [f"https://example.org/customers/{i}" for i in range(N)],
        [f"山田 太郎{i}" for i in range(N)],
    ],
)
def test_ids_are_left_out_unless_they_are_kept(cells):
    columns = {"x": cells, "fill": FILL, "y": TARGET}
    made = table(columns, is_text=True)
    assert kind(made) is None
    assert treatment(made, "left_out_ids").columns == ("x",)
    assert kind(table(columns, is_text=True, keep=["x"])) is not None


def test_an_id_that_is_the_only_column_is_kept():
    assert kind(table({"x": [f"C{i}" for i in range(N)], "y": TARGET}, is_text=True)) == "category"


@pytest.mark.parametrize("seed", range(3))
def test_measurements_are_no_ids(seed):
    rng = np.random.default_rng(seed)
    assert not is_counter(rng.normal(size=N))
    assert not is_counter(rng.integers(0, 10**6, N).astype(float))
    assert not is_counter(np.array([1.0, 2.0] * 20))
    assert is_counter(np.arange(N, dtype=float)[::-1])


def test_few_long_names_are_categories():
    names = ["bachelor of science in engineering", "master of arts in modern history"]
    assert kind(of_text(names)) == "category"


def test_lists_are_left_out_and_said():
    made = table({"x": [[1], [2]], "a": [1, 2], "b": [b"1", b"2"], "y": ["u", "v"]})
    assert list(made.X.columns) == ["a"]
    assert treatment(made, "left_out_unusable").columns == ("x", "b")


# --- what is resolved and said ----------------------------------------------------------


def test_a_key_is_resolved_only_where_all_columns_agree():
    both = {"a": ["1,5", "2,5"], "b": ["1.5", "2.5"], "y": ["u", "v"]}
    assert set(table(both, is_text=True).resolved) == {"pos_label"}
    one = {"a": ["1,5", "2.000,5"], "b": ["1", "2"], "y": ["u", "v"]}
    resolved = table(one, is_text=True).resolved
    assert (resolved["decimal"], resolved["thousands"]) == (",", ".")
    assert table(one, is_text=True).forms == {"a": NumberForm(",", ".")}


def test_columns_alike_are_said_in_one_line():
    columns = {f"x{i}": ["$1", "$2"] for i in range(30)}
    made = table({**columns, "y": ["u", "v"]}, is_text=True)
    assert len(treatment(made, "numbers_written").columns) == 30


@pytest.mark.parametrize("is_text", [True, False])
def test_numbers_among_the_words_for_missing_are_no_numbers(is_text: bool) -> None:
    cells = [1.5, -999.0, 2.5, 4.0]
    given = [f"{cell:g}" for cell in cells] if is_text else cells
    columns = {"x": [given[i % 4] for i in range(N)], "fill": FILL, "y": TARGET}
    made = table(columns, is_text=is_text, na_values=["-999"])
    assert np.isnan(made.X["x"]).tolist() == [i % 4 == 1 for i in range(N)]
    assert made.X["x"].min() == 1.5
    assert made.na_values == ("-999",)


def test_every_cell_of_a_column_that_divides_rows_is_kept() -> None:
    subjects = ["A7", *(str(i // 2) for i in range(2, N))]
    columns = {"g": ["A7", *subjects[1:], "B1"][:N], "x": FILL, "y": TARGET}
    made = table(columns, is_text=True, non_features=["g"])
    assert made.non_features["g"].astype(str).tolist() == columns["g"]


def test_dates_among_the_words_for_missing_are_no_dates() -> None:
    made = of_text(
        ["2024-01-01", "1900-01-01", "2024-03-01", "2024-02-01"], na_values=["1900-01-01"]
    )
    assert made.X["x"].isna().sum() == N / 4
    assert not any(each.code == "cells_not_dates" for each in made.treatments)
