from tabproof.forms import parse_boolean


def test_booleans_are_words_of_several_languages():
    assert [parse_boolean(word) for word in ("TRUE", "no", "はい", "maybe")] == [
        True,
        False,
        True,
        None,
    ]
