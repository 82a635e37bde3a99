from tabproof.data.check_columns import find_single_categories, find_unseen_categories
from tests.data.divisions import divided

# The last four are held out.
COLUMNS = {
    "town": ["京", "京", "大", "阪", None, "京", "新", "新", "大", None],
    "code": ["k"] * 6 + ["k", "m", "k", "k"],
    "id": [f"i{i}" for i in range(10)],
    "y": ["u", "v"] * 5,
}


def test_categories_of_one_training_row_are_counted_by_column():
    found = find_single_categories(divided(COLUMNS, n_test=4), ["id"])
    assert found is not None
    assert found.columns == ("town",)
    assert found.facts["n_categories"] == 2  # 大 and 阪
    assert "'town' (2)" in found.message


def test_categories_that_only_the_hold_out_has_are_counted_with_their_rows():
    found = find_unseen_categories(divided(COLUMNS, n_test=4), ["id"])
    assert found is not None
    assert found.columns == ("town", "code")
    # Row 7 has both; missing is no category.
    assert (found.facts["n_categories"], found.facts["n_rows"]) == (2, 2)
    assert found.facts["share"] == 0.5


def test_frequent_categories_are_no_finding():
    division = divided({"a": ["p", "q"] * 10, "n": range(20), "y": ["u", "v"] * 10})
    assert find_single_categories(division, []) is None
    assert find_unseen_categories(division, []) is None
    numbers = divided({"n": range(20), "y": ["u", "v"] * 10})
    assert find_single_categories(numbers, []) is None
