import datetime

import numpy as np
import pandas as pd
import pytest

from tabproof.data.date_columns import AmbiguousDatesError
from tests.data.tables import (
    FILL,
    TARGET,
    N,
    codes_of,
    kind,
    of_text,
    table,
    treatment,
    typed,
)


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (["2024-03-01", "2024-03-02"], "2024-03-01"),
        (["2024-03-01T10:20:30.5", "2024-03-02"], "2024-03-01T10:20:30.5"),
        (["2024/3/1", "2024/3/12"], "2024-03-01"),
        (["03/21/2024", "03/04/2024"], "2024-03-21"),
        (["21/03/2024", "03/04/2024"], "2024-03-21"),
        (["2024年3月1日", "2024年12月1日"], "2024-03-01"),
        (["2024年3月1日 12時30分", "2024年12月1日 9時"], "2024-03-01T12:30"),
        (["2024年3月1日 午後3時5分", "2024年12月1日 午前9時"], "2024-03-01T15:05"),
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


def test_full_width_years_have_four_digits():
    made = of_text(["２０２４年３月１日", "２０２４年１２月１日 １２時３０分"])
    assert codes_of(made) == ["dates"]


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


def test_dates_among_the_words_for_missing_are_no_dates() -> None:
    made = of_text(
        ["2024-01-01", "1900-01-01", "2024-03-01", "2024-02-01"], na_values=["1900-01-01"]
    )
    assert made.X["x"].isna().sum() == N / 4
    assert not any(each.code == "cells_not_dates" for each in made.treatments)


def test_plain_dates_beside_words_for_missing_are_dates():
    made = of_text(["NA", "2024-01-31", "2024-02-29 10:00", None])
    assert made.X["x"][:4].isna().tolist() == [True, False, False, True]
    assert made.forms["x"].has_time
    assert codes_of(made) == ["dates"]
