import datetime

import numpy as np
import pytest

from tabproof.data import number_columns
from tabproof.data.number_columns import AmbiguousNumbersError
from tabproof.forms import FLOAT32_MAX, NumberForm, find_number_form
from tests.data.tables import FILL, TARGET, N, codes_of, kind, of_text, table, treatment


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
        (["3万円", "1.5億円"], [30_000, 150_000_000]),
        (["€1.5M", "€20K"], [1_500_000, 20_000]),
        (["1,234.5", "2 345.5"], [1234.5, 2345.5]),
        (["170 cm", "165 cm"], [170, 165]),
    ],
)
def test_numbers_are_read_in_any_form_and_it_is_said(cells, numbers):
    made = of_text(cells)
    assert made.X["x"].tolist() == [numbers[i % 2] for i in range(N)]
    message = treatment(made, "numbers_written").message
    assert any(f"'{cell}' is" in message for cell in cells)


def test_of_plain_numbers_nothing_is_said():
    assert codes_of(of_text(["1.5", "2", "-3", "+1e3", "2E-1"])) == []


@pytest.mark.parametrize(
    ("cells", "code", "numbers"),
    [
        (["12:34:56", "09:05:00"], "times", [45_296, 32_700]),
        (["12時34分", "9時5分"], "times", [45_240, 32_700]),
        (["3:05 PM", "12:00 AM"], "times", [54_300, 0]),
        (["27:15:00", "1:00:00"], "times", [98_100, 3_600]),
        (["12:34", "9:05"], "times_h_mm", [45_240, 32_700]),
    ],
)
def test_times_are_seconds_and_it_is_said(cells, code, numbers):
    made = of_text(cells)
    assert made.X["x"].tolist() == [numbers[i % 2] for i in range(N)]
    said = treatment(made, code)
    assert f"is {numbers[cells.index(said.facts['example'])]}" in said.message
    assert ("minutes" in said.message) == (code == "times_h_mm")


def test_times_of_a_typed_file_are_written_as_in_a_text():
    times = [datetime.time(12, 34, 56), datetime.time(9, 5), None, datetime.time(0, 0, 1)]
    columns = {"x": [times[i % 4] for i in range(N)], "fill": FILL, "y": TARGET}
    made = table(columns)
    texts = {**columns, "x": ["" if time is None else str(time) for time in columns["x"]]}
    of_texts = table(texts, is_text=True)
    assert made.X["x"].fillna(-1).tolist() == of_texts.X["x"].fillna(-1).tolist()
    assert made.forms["x"] == of_texts.forms["x"] == NumberForm(time="h:mm:ss")


def test_small_numbers_among_those_in_man_become_missing_and_are_counted():
    cells = [f"{i + 3}万" for i in range(N - 1)] + ["450"]
    made = table({"x": cells, "y": TARGET}, is_text=True)
    assert made.X["x"].tolist()[:2] == [30_000, 40_000]
    assert treatment(made, "cells_not_numbers").facts["examples"] == ["450"]


def test_letters_that_may_mean_anything_are_categories():
    assert kind(of_text(["5k", "10k", "21k"])) == "category"
    assert kind(of_text(["1.5M", "20M"])) == "category"


def test_digits_in_groups_of_two_ways_are_asked_about_where_they_have_two_readings():
    cells = ["1,234", "5 678"]
    with pytest.raises(AmbiguousNumbersError) as raised:
        of_text(cells)
    assert "'1,234' may be 1234 or 1.234" in str(raised.value)
    assert of_text(cells, thousands=",").X["x"].tolist()[:2] == [1234, 5678]
    assert of_text(cells, decimal=",").X["x"].tolist()[:2] == [1.234, 5678]


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
    assert codes_of(made) == ["left_out_distinct"]
    unsigned = np.array([2**63 + 2 * i + 1 for i in range(N)], dtype="uint64")
    made = table({"x": unsigned, "fill": FILL, "y": TARGET})
    assert codes_of(made) == ["left_out_distinct"]
    assert kind(table({"x": unsigned, "fill": FILL, "y": TARGET}, keep=["x"])) == "category"


@pytest.mark.parametrize("cells", [["12%", "0.5"], ["$1", "€2"]])
def test_different_signs_are_categories_and_numbers_only_if_asked_for(cells):
    made = of_text(cells)
    assert kind(made) == "category"
    assert "different signs" in treatment(made, "marks_differ").message
    assert kind(of_text(cells, kinds={"x": "number"})) == "number"


def test_a_forced_number_counts_what_it_cannot_read():
    made = of_text(["1", "x", "y"], kinds={"x": "number"})
    assert made.X["x"].notna().sum() == 14
    assert treatment(made, "cells_not_numbers").facts["n_cells"] == 26


@pytest.mark.parametrize("is_text", [True, False])
def test_numbers_among_the_words_for_missing_are_no_numbers(is_text: bool) -> None:
    cells = [1.5, -999.0, 2.5, 4.0]
    given = [f"{cell:g}" for cell in cells] if is_text else cells
    columns = {"x": [given[i % 4] for i in range(N)], "fill": FILL, "y": TARGET}
    made = table(columns, is_text=is_text, na_values=["-999"])
    assert np.isnan(made.X["x"]).tolist() == [i % 4 == 1 for i in range(N)]
    assert made.X["x"].min() == 1.5
    assert made.na_values == ("", "-999")


def test_numbers_beside_words_for_missing_need_no_search_for_a_form(monkeypatch):
    searched = []

    def search(texts, **wishes):
        searched.extend(texts)
        return find_number_form(texts, **wishes)

    monkeypatch.setattr(number_columns, "find_number_form", search)
    made = of_text(["1.5", "NA", "-2e3", "", "n/a", "0.25"])
    assert np.array_equal(made.X["x"][:3], [1.5, np.nan, -2000.0], equal_nan=True)
    assert codes_of(made) == []
    assert "1.5" not in searched
    # Another form may read the word.
    of_text(["1.5", "?", "0.25"])
    assert "1.5" in searched
