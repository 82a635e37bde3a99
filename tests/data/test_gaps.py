from tabproof.data.check_columns import find_missing
from tests.data.tables import table


def test_columns_that_lack_the_limit_or_more_are_found_emptiest_first():
    made = table(
        {
            "half": [1, None] * 10,
            "most": [1.0] + [None] * 19,
            "nearly": ["w"] * 2 + [None] * 18,
            "y": ["u", "v"] * 10,
        }
    )
    found = find_missing(made.X, 0.9)
    assert found is not None
    assert found.columns == ("most", "nearly")
    assert "2 column(s) lack at least 90.0% of their values: 'most' (95.0%), 'nearly' (90.0%);" in (
        found.message
    )
    assert find_missing(made.X, 0.96) is None
