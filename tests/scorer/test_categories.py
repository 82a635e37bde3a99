"""A cell has one category, however its source spells it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.scorer import CategoryReader
from tabproof.scorer.categories import plain_number

TRUTHS = ("False", "True")


def name(categories: tuple[str, ...], value: object, na_values: tuple[str, ...] = ()) -> str | None:
    """Name the category of a cell."""
    return [*categories, "(unseen)", None][CategoryReader(categories, na_values).place(value)]


@pytest.mark.parametrize("value", [True, "true", "TRUE", "tRUE", "yes", "はい", 1, "1", 1.0, "1.0"])
def test_a_truth_value_has_many_spellings(value: object) -> None:
    assert name(TRUTHS, value) == "True"
    assert name(("True",), value) == "True"


@pytest.mark.parametrize("value", [False, "false", "no", 0, "0", 0.0, "0.0", -0.0, "00"])
def test_so_has_its_opposite(value: object) -> None:
    assert name(TRUTHS, value) == "False"
    assert name(("True",), value) == "(unseen)"


@pytest.mark.parametrize("value", [2, "2", "perhaps", 1.5])
def test_other_cells_are_no_truth_values(value: object) -> None:
    assert name(TRUTHS, value) == "(unseen)"


@pytest.mark.parametrize("value", ["true", "yes", 1])
def test_words_for_truth_values_are_words_in_other_columns(value: object) -> None:
    assert name(("True", "maybe"), value) == "(unseen)"


@pytest.mark.parametrize("value", [None, float("nan"), "", "NA", "null"])
def test_what_means_missing_is_missing_unless_it_is_a_category(value: object) -> None:
    for categories in (TRUTHS, ("1", "2"), ("a",)):
        assert name(categories, value) is None
    if isinstance(value, str):
        assert name(("a", value), value) == value
        # Of words that training chose, the others are none.
        assert name(("a",), value, ("-",)) == "(unseen)"


@pytest.mark.parametrize("value", [-999, "-999", "-999.0", -999.0])
def test_a_number_that_means_missing_does_so_in_every_spelling(value: object) -> None:
    assert name(("a",), value, ("-999",)) is None
    assert name(("a", "-999"), value, ("-999",)) == "-999"


@pytest.mark.parametrize("value", [7, 7.0, "7", "7.0", "7,0", "007", "7.", "07.00"])
@pytest.mark.parametrize("category", ["7", "7.0", "007"])
def test_a_number_is_the_only_category_of_that_number(value: object, category: str) -> None:
    assert name((category, "8"), value) == category


def test_of_two_categories_with_one_number_each_is_known_by_its_name_alone() -> None:
    categories = ("03", "3", "3.0")
    assert [name(categories, each) for each in categories] == [*categories]
    assert name(categories, "3.00") == "(unseen)"
    # A number has the name that training gives to it.
    assert name(categories, 3.0) == "3"


@pytest.mark.parametrize("text", ["+3", " 3", "3e0", "３", "3,5", "3,00", "a.0", ".", "", "1_0"])
def test_other_texts_are_no_numbers(text: str) -> None:
    assert plain_number(text) is None


def test_digits_beyond_a_double_are_kept_apart() -> None:
    categories = ("9007199254740992", "9007199254740993")
    assert name(categories, 9007199254740993) == categories[1]
    assert name(categories, "9007199254740993.0") == categories[1]


@given(st.integers(-(10**20), 10**20), st.integers(0, 3), st.integers(0, 3))
def test_all_spellings_of_a_whole_number_are_one(number: int, zeros: int, decimals: int) -> None:
    sign = "-" if number < 0 else ""
    spelled = f"{sign}{'0' * zeros}{abs(number)}{'.' if decimals else ''}{'0' * decimals}"
    assert plain_number(spelled) == str(number)
    assert name((str(number),), spelled) == str(number)
    assert name((spelled,), number) == spelled
