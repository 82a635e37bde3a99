from tabproof.forms import kept_if_short, parse_boolean


def test_booleans_are_words_of_several_languages():
    assert [parse_boolean(word) for word in ("TRUE", "no", "はい", "maybe")] == [
        True,
        False,
        True,
        None,
    ]


def test_answers_are_kept_for_short_texts_and_each_set_of_arguments():
    asked = []

    @kept_if_short
    def count(text: str, sign: str) -> int:
        asked.append((len(text), sign))
        return text.count(sign)

    for _ in range(2):
        assert (count("a-b", "-"), count("a-b", "b"), count("-" * 51, "-")) == (1, 1, 51)
    assert asked == [(3, "-"), (3, "b"), (51, "-"), (51, "-")]
